//! What parent and child say to each other: a job that comes through the fork server, the file as
//! standard input, JSON lines as standard output.
//!
//! Invariant: the receiver never holds more than the document's own size plus one line, and takes
//! nothing from the child on trust: sizes are capped and ranges checked.

use crate::document::{Block, Document};
use crate::error::Error;
use crate::limits::Limits;
use crate::media::MediaType;
use crate::metadata::Metadata;
use crate::source::{HtmlContent, Source};
use base64::Engine;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::time::Duration;

/// Longest line the parent accepts, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 20;

const TEXT_PIECE_CHARS: usize = 100_000;
const BLOCKS_PER_LINE: usize = 5_000;
const PIXELS_PER_LINE: usize = 1 << 20;

/// What drawing one page without text adds to the time limits at most, in seconds.
const PICTURE_SECONDS: u64 = 2;

/// What to extract; the bytes come separately.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// File name, for its extension.
    pub(crate) name: String,
    /// Declared content type.
    pub(crate) content_type: String,
    /// Address it was fetched from, if any.
    pub(crate) url: String,
    /// How much of a web page is wanted.
    pub(crate) html: HtmlContent,
    /// Whether running headers and footers stay.
    pub(crate) keep_running: bool,
    /// Most pages without text that are handed over as pictures.
    pub(crate) pictures: u32,
    /// What may be used.
    pub(crate) limits: Limits,
}

impl Job {
    pub(crate) fn new(source: &Source<'_>, limits: &Limits, pictures: u32) -> Self {
        Self {
            name: source.name.to_owned(),
            content_type: source.content_type.to_owned(),
            url: source.url.to_owned(),
            html: source.html,
            keep_running: source.keep_running,
            pictures,
            limits: limits.clone(),
        }
    }

    /// CPU seconds of the child, with what all the pictures it may make are allowed.
    pub(crate) fn cpu_seconds(&self) -> u64 {
        self.limits.cpu_seconds.saturating_add(PICTURE_SECONDS.saturating_mul(self.pictures.into()))
    }

    /// Wall time of a child that spent so much on drawing. Most of a scan's time goes into that, so it does not count;
    /// a child that draws nothing keeps to the limit.
    pub(crate) fn wall(&self, drawing: Duration) -> Duration {
        Duration::from_secs(self.limits.wall_seconds).saturating_add(drawing)
    }
}

/// What of the time one picture took does not count.
pub(crate) fn free_drawing(took: Duration) -> Duration {
    took.min(Duration::from_secs(PICTURE_SECONDS))
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Pages read.
    pub page: u32,
    /// Pages in all.
    pub pages: u32,
}

/// What a reader tells while it reads.
pub(crate) enum Event {
    Progress(Progress),
    /// A page without text, one byte a pixel.
    Picture {
        page: u32,
        width: u32,
        height: u32,
        pixels: Vec<u8>,
    },
}

/// Writes an event; pictures go in pieces.
pub(crate) fn write_event(out: &mut impl Write, event: Event) -> io::Result<()> {
    match event {
        Event::Progress(step) => write_line(out, &Line::Progress(step)),
        Event::Picture { page, width, height, pixels } => {
            write_line(out, &Line::Picture { page, width, height })?;
            for piece in pixels.chunks(PIXELS_PER_LINE) {
                let piece = base64::engine::general_purpose::STANDARD.encode(piece);
                write_line(out, &Line::Pixels(piece))?;
            }
            Ok(())
        }
    }
}

/// One line from the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Progress(Progress),
    /// A page without text follows, as pixels of one byte each.
    Picture {
        page: u32,
        width: u32,
        height: u32,
    },
    /// The next pixels of the picture, in base 64.
    Pixels(String),
    Text(String),
    Blocks(Vec<Block>),
    /// The last line of a success.
    Done {
        pages: Option<u32>,
        title: Option<String>,
        metadata: Metadata,
        media: Option<MediaType>,
        warnings: Vec<String>,
    },
    /// The last line of a failure.
    Failed(Error),
}

/// Writes one line and flushes it.
pub(crate) fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a whole result, in pieces.
pub(crate) fn write_result(out: &mut impl Write, result: Result<Document, Error>) -> io::Result<()> {
    let document = match result {
        Ok(document) => document,
        Err(error) => return write_line(out, &Line::Failed(error)),
    };
    let mut rest = document.text.as_str();
    while !rest.is_empty() {
        let at = rest.char_indices().nth(TEXT_PIECE_CHARS).map_or(rest.len(), |(byte, _)| byte);
        let (piece, after) = rest.split_at(at);
        write_line(out, &Line::Text(piece.to_owned()))?;
        rest = after;
    }
    for blocks in document.blocks.chunks(BLOCKS_PER_LINE) {
        write_line(out, &Line::Blocks(blocks.to_vec()))?;
    }
    let Document { pages, title, metadata, media, warnings, .. } = document;
    write_line(out, &Line::Done { pages, title, metadata, media, warnings })
}

/// Puts the pieces together again on the parent's side.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    document: Document,
    text_chars: usize,
}

impl Assembly {
    /// Takes one line; answers the result when it was the last.
    pub(crate) fn take(&mut self, line: Line, limits: &Limits) -> Option<Result<Document, Error>> {
        match line {
            Line::Progress(_) | Line::Picture { .. } | Line::Pixels(_) => None,
            Line::Text(piece) => {
                self.text_chars += piece.chars().count();
                self.document.text.push_str(&piece);
                (self.text_chars > limits.max_text_chars).then(oversized)
            }
            Line::Blocks(blocks) => {
                self.document.blocks.extend(blocks);
                (self.document.blocks.len() > limits.max_text_chars).then(oversized)
            }
            Line::Done { pages, title, metadata, media, warnings } => {
                let mut document = std::mem::take(&mut self.document);
                document.pages = pages;
                document.title = title;
                document.metadata = metadata;
                document.media = media;
                document.warnings = warnings;
                if !document.is_consistent() {
                    return Some(Err(Error::Crashed { how: "inconsistent result".to_owned() }));
                }
                Some(Ok(document))
            }
            Line::Failed(error) => Some(Err(error)),
        }
    }
}

fn oversized() -> Result<Document, Error> {
    Err(Error::Crashed { how: "result over its size limit".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::{CharRange, PassageKind};

    fn lines(result: Result<Document, Error>) -> Vec<Line> {
        let mut bytes = Vec::new();
        write_result(&mut bytes, result).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.lines().all(|l| l.len() < MAX_LINE_BYTES));
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn document(text: &str, range: CharRange) -> Document {
        let kind = PassageKind::Paragraph;
        let block = Block { kind, level: 0, range, page: Some(3), header: None };
        Document { text: text.to_owned(), blocks: vec![block], ..Document::default() }
    }

    #[test]
    fn large_results_travel_in_pieces_and_errors_whole() {
        let text = "añ€😀\n".repeat(60_000);
        let sent = document(&text, CharRange { start: 0, end: 300_000 });
        let mut assembly = Assembly::default();
        let mut answer = None;
        for line in lines(Ok(sent.clone())) {
            assert!(answer.is_none());
            answer = assembly.take(line, &Limits::default());
        }
        assert_eq!(answer, Some(Ok(sent)));
        let failed = lines(Err(Error::NoText { without: 2, pages: 3 })).pop().unwrap();
        let answer = Assembly::default().take(failed, &Limits::default());
        assert_eq!(answer, Some(Err(Error::NoText { without: 2, pages: 3 })));
    }

    #[test]
    fn a_lying_child_is_not_believed() {
        let limits = Limits { max_text_chars: 5, ..Limits::default() };
        let far = document("abc", CharRange { start: 0, end: 4 });
        let long = document("abcdef", CharRange { start: 0, end: 3 });
        for sent in [far, long] {
            let mut assembly = Assembly::default();
            let answer = lines(Ok(sent)).into_iter().find_map(|line| assembly.take(line, &limits));
            assert!(matches!(answer, Some(Err(Error::Crashed { .. }))), "{answer:?}");
        }
    }
}
