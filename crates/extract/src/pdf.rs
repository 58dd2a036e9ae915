//! PDF documents: which engine reads, and from positioned characters to blocks.
//!
//! The first engine gives characters with positions ([`pdfium`]); everything after it (lines,
//! reading order, tables, paragraphs, headings, running headers) is geometry and knows no engine.
//! The second gives plain text per page ([`plain`]).

mod blocks;
mod drawn;
mod furniture;
mod headings;
mod lines;
mod notes;
mod order;
mod pdfium;
mod plain;
mod tables;
mod unseen;

#[cfg(test)]
mod tests;

use crate::Error;
use crate::document::Builder;
use crate::hyphens::Words;
use crate::limits::PdfEngine;
use crate::metadata::Field;
use crate::protocol::{Event, Job};

pub(crate) use pdfium::load as load_library;

/// The format's name in errors.
const FORMAT: &str = "PDF";

/// Reads a whole document with the engine the limits name.
pub(crate) fn extract(
    bytes: &[u8],
    job: &Job,
    builder: &mut Builder,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Error> {
    let limits = &job.limits;
    let first = match limits.pdf_engine {
        PdfEngine::PdfExtract => None,
        PdfEngine::Pdfium | PdfEngine::Auto => pdfium::read(bytes, job, tell),
    };
    let first = match first {
        // Pages handed over as pictures are read elsewhere.
        Some(Ok(source)) if source.without_text < source.pages.max(1) || source.pictures > 0 => {
            write(source, job, builder);
            return Ok(());
        }
        Some(Ok(source)) => Some(source.no_text()),
        Some(Err(error)) => Some(error),
        None if limits.pdf_engine == PdfEngine::Pdfium => {
            return Err(Error::Worker("the pdfium library was not found; run scripts/setup".to_owned()));
        }
        None => None,
    };
    // A password is one for every engine, and who asks from the wrong thread is told so.
    let settled =
        matches!(first, Some(Error::Encrypted | Error::Worker(_))) || limits.pdf_engine == PdfEngine::Pdfium;
    match first {
        Some(error) if settled => Err(error),
        first => match plain::extract(bytes, limits, builder) {
            Ok(()) => Ok(()),
            // What the better engine said is closer to the truth.
            Err(second) => Err(first.unwrap_or(second)),
        },
    }
}

/// What an engine read: characters put together to lines, page by page.
struct Source {
    pages: u32,
    without_text: u32,
    /// How many of them were handed over as pictures.
    pictures: u32,
    lines: Vec<lines::PageLines>,
    title: Option<String>,
    facts: Vec<(Field, String)>,
    warnings: Vec<String>,
}

impl Source {
    fn no_text(&self) -> Error {
        Error::NoText { without: self.without_text, pages: self.pages }
    }
}

fn write(mut source: Source, job: &Job, builder: &mut Builder) {
    let limits = &job.limits;
    builder.set_pages(source.pages);
    for warning in source.warnings.drain(..) {
        builder.warn(warning);
    }
    if source.pages > limits.max_pages {
        builder.warn(format!("only the first {} of {} pages were read", limits.max_pages, source.pages));
    }
    if source.without_text > source.pictures {
        let Source { pages, pictures, .. } = source;
        let without_text = source.without_text - pictures;
        let pages = pages.min(limits.max_pages);
        builder.warn(format!("no text layer on {without_text} of {pages} pages; OCR is not configured"));
    }
    if !job.keep_running {
        furniture::remove(&mut source.lines);
    }
    let style = headings::Style::of(&source.lines);
    let lines = source.lines.iter().flat_map(|page| &page.groups).flatten();
    let words = Words::of(lines.map(|line| line.text.as_str()), true);
    let mut blocks = Vec::new();
    for page in source.lines {
        for lines in page.groups {
            for region in order::regions(lines, style.body_size) {
                blocks::read(region, page.number, &style, &words, &mut blocks);
            }
        }
    }
    headings::assign(&mut blocks, &style);
    if let Some(title) = &source.title {
        builder.set_title(title);
    }
    for (field, value) in &source.facts {
        builder.set(*field, value);
    }
    for block in blocks {
        if builder.is_full() {
            break;
        }
        block.push(builder);
    }
}
