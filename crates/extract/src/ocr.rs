//! Pages without text, read by a command of the operator.
//!
//! The child renders such pages and hands them over as grey pictures, for which it gets more time page by
//! page; the command runs in the parent once the child has ended, outside its limits, one page at a time. Invariant: a command costs at most its
//! time limit per page and [`MAX_OUTPUT_BYTES`], and its failure costs one page.

use crate::document::{Builder, Document, Part};
use crate::error::Error;
use crate::limits::Limits;
use quarry_types::PassageKind;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// What stands for the picture's path in a command.
const PLACE: &str = "{image}";

/// Most output taken from the command for one page.
const MAX_OUTPUT_BYTES: u64 = 1 << 20;

/// A command that turns a picture of a page into text, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ocr {
    program: String,
    args: Vec<String>,
    /// Wall seconds for one page.
    pub page_seconds: u64,
    /// Most pages of one document given to the command; the rest stay without text.
    pub max_pages: u32,
}

impl Ocr {
    /// Reads a command line such as `tesseract {image} stdout -l eng`; words are parted by blanks,
    /// double quotes keep blanks. No shell is involved. 60 seconds a page, 200 pages.
    ///
    /// # Errors
    /// What is wrong with the command, to follow its name.
    pub fn parse(command: &str) -> Result<Self, String> {
        let mut words = Vec::new();
        for (at, piece) in command.split('"').enumerate() {
            if at % 2 == 1 {
                words.push(piece.to_owned());
            } else {
                words.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        if command.matches('"').count() % 2 == 1 {
            return Err("has an unclosed double quote".to_owned());
        }
        if !words.iter().any(|word| word.contains(PLACE)) {
            return Err(format!("must contain {PLACE}, such as: tesseract {PLACE} stdout"));
        }
        let program = words.remove(0);
        Ok(Self { program, args: words, page_seconds: 60, max_pages: 200 })
    }

    /// The text on a picture.
    async fn read(&self, picture: &Picture) -> Result<String, String> {
        let path = picture.file.path().to_string_lossy();
        let mut command = Command::new(&self.program);
        command
            .args(self.args.iter().map(|arg| arg.replace(PLACE, &path)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // The operator's program, but our secrets are none of its business.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUARRY_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().map_err(|cause| format!("the OCR command cannot start: {cause}"))?;
        let Some(stdout) = child.stdout.take() else { return Err("the OCR command has no output".into()) };
        let run = async {
            let mut bytes = Vec::new();
            let read = stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await;
            read.map_err(|cause| format!("the OCR command cannot be read: {cause}"))?;
            let full = bytes.len() as u64 >= MAX_OUTPUT_BYTES;
            if full {
                // It may wait for a reader that will not come.
                let _ = child.kill().await;
            }
            let status = child.wait().await.map_err(|cause| format!("the OCR command is lost: {cause}"))?;
            if !full && !status.success() {
                return Err(format!("the OCR command failed ({status})"));
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let timed = tokio::time::timeout(Duration::from_secs(self.page_seconds), run).await;
        timed.unwrap_or_else(|_| Err(format!("the OCR command took longer than {} s", self.page_seconds)))
    }

    /// Adds the text of the pictures to a document, each on its page.
    ///
    /// # Errors
    /// [`Error::NoText`] when there is no text then either.
    pub(crate) async fn complete(
        &self,
        document: Document,
        pictures: Vec<Picture>,
        limits: &Limits,
    ) -> Result<Document, Error> {
        let mut texts = Vec::new();
        let mut warnings = Vec::new();
        for picture in &pictures {
            match self.read(picture).await {
                Ok(text) => texts.push((picture.page, text)),
                Err(reason) => warnings.push(format!("page {}: {reason}", picture.page)),
            }
        }
        let read = texts.iter().filter(|(_, text)| !text.trim().is_empty()).count();
        if read > 0 {
            warnings.push(format!("{read} pages without text were read by OCR"));
        }
        let merged = merge(document, &texts, &warnings, limits);
        if merged.blocks.is_empty() {
            let pages = merged.pages.unwrap_or_default();
            return Err(Error::NoText { without: pages, pages });
        }
        Ok(merged)
    }
}

/// Puts the pages' texts between the blocks of the other pages.
fn merge(document: Document, texts: &[(u32, String)], warnings: &[String], limits: &Limits) -> Document {
    let mut builder = Builder::new(limits);
    let mut texts = texts.iter().peekable();
    let write = |(page, text): &(u32, String), builder: &mut Builder| {
        for paragraph in text.replace('\u{c}', "\n\n").split("\n\n") {
            let text = crate::clean::paragraph(paragraph);
            builder.push(Part { page: Some(*page), ..Part::new(PassageKind::Paragraph, &text) });
        }
    };
    for (block, text) in document.blocks.iter().zip(document.block_texts()) {
        while let Some(page) = texts.next_if(|(page, _)| block.page.is_some_and(|at| at > *page)) {
            write(page, &mut builder);
        }
        let header_chars = block.header.map_or(0, |h| (h.end - block.range.start) as usize);
        builder.push(Part { kind: block.kind, level: block.level, text, page: block.page, header_chars });
    }
    for page in texts {
        write(page, &mut builder);
    }
    for warning in document.warnings.iter().chain(warnings) {
        builder.warn(warning.clone());
    }
    let mut merged = builder.finish();
    merged.pages = document.pages;
    merged.title = document.title.or(merged.title);
    merged.media = document.media;
    let language = merged.metadata.language.take();
    merged.metadata = document.metadata;
    merged.metadata.language = merged.metadata.language.or(language);
    merged
}

/// A rendered page in a file of its own, a portable grey map (PGM).
#[derive(Debug)]
pub(crate) struct Picture {
    page: u32,
    file: NamedTempFile,
    missing: usize,
}

/// Largest side of a picture, in pixels.
pub(crate) const MAX_SIDE: u32 = 4_000;

impl Picture {
    /// A file for a picture of one byte a pixel; `None` when the sizes cannot be true.
    pub(crate) fn begin(page: u32, width: u32, height: u32) -> Option<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return None;
        }
        let mut file = tempfile::Builder::new().prefix("quarry-page-").suffix(".pgm").tempfile().ok()?;
        write!(file, "P5\n{width} {height}\n255\n").ok()?;
        Some(Self { page, file, missing: width as usize * height as usize })
    }

    /// Takes the next pixels; `false` when there are more than fit.
    pub(crate) fn add(&mut self, pixels: &[u8]) -> bool {
        let fits = pixels.len() <= self.missing;
        self.missing = self.missing.saturating_sub(pixels.len());
        fits && self.file.write_all(pixels).is_ok()
    }

    /// Whether all pixels have come; the file is then complete on disk.
    pub(crate) fn is_whole(&mut self) -> bool {
        self.missing == 0 && self.file.flush().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_written() {
        let ocr = Ocr::parse("\"/opt/my ocr/run\" {image} stdout -l eng").unwrap();
        assert_eq!(ocr.program, "/opt/my ocr/run");
        assert_eq!(ocr.args, ["{image}", "stdout", "-l", "eng"]);
        assert!(Ocr::parse("tesseract page.png stdout").unwrap_err().contains("{image}"));
        assert!(Ocr::parse("\"tesseract {image}").is_err());
        assert!(Ocr::parse("").is_err());
    }

    fn page(number: u32, document: &mut Builder) {
        let text = format!("text of page {number}");
        document.push(Part { page: Some(number), ..Part::new(PassageKind::Paragraph, &text) });
    }

    fn picture(number: u32) -> Picture {
        let mut picture = Picture::begin(number, 4, 2).unwrap();
        assert!(picture.add(&[255; 5]) && !picture.is_whole());
        assert!(picture.add(&[0; 3]) && picture.is_whole());
        picture
    }

    #[tokio::test]
    async fn recognised_pages_stand_in_their_place() {
        let limits = Limits::default();
        let mut builder = Builder::new(&limits);
        page(1, &mut builder);
        page(3, &mut builder);
        let mut document = builder.finish();
        document.pages = Some(4);
        // The first eleven bytes of the picture are its header.
        let ocr = Ocr::parse("head -c 11 {image}").unwrap();
        let read = ocr.complete(document, vec![picture(2), picture(4)], &limits).await.unwrap();
        let pages: Vec<_> = read.blocks.iter().map(|b| b.page.unwrap()).collect();
        assert_eq!(pages, [1, 2, 3, 4]);
        assert_eq!(read.block_texts().nth(1), Some("P5\n4 2\n255"));
        assert!(read.is_consistent());
        assert_eq!(read.warnings, ["2 pages without text were read by OCR"]);
    }

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_costs_its_page() {
        let limits = Limits::default();
        let none = Document { pages: Some(1), ..Document::default() };
        let failing = Ocr::parse("false {image}").unwrap();
        let ended = failing.complete(none.clone(), vec![picture(1)], &limits).await;
        assert_eq!(ended, Err(Error::NoText { without: 1, pages: 1 }));
        let mut hanging = Ocr::parse("tail -f {image}").unwrap();
        hanging.page_seconds = 0;
        let mut builder = Builder::new(&limits);
        page(1, &mut builder);
        let read = hanging.complete(builder.finish(), vec![picture(2)], &limits).await.unwrap();
        assert_eq!(read.warnings, ["page 2: the OCR command took longer than 0 s"]);
        let missing = Ocr::parse("/nowhere/ocr {image}").unwrap();
        assert!(missing.complete(none, vec![picture(1)], &limits).await.is_err());
        assert!(Picture::begin(1, 5_000, 10).is_none());
        assert!(!Picture::begin(1, 1, 1).unwrap().add(&[0; 2]));
    }
}
