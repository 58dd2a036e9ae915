//! The extracted text and its structure.
//!
//! Invariant: the text is the blocks' texts in reading order, two line feeds between them, and
//! each block's range names its slice exactly.

use crate::limits::Limits;
use crate::media::MediaType;
use crate::metadata::{Field, Metadata};
use quarry_types::{CharRange, PassageKind};
use serde::{Deserialize, Serialize};

/// What stands between two blocks of the text.
pub(crate) const SEPARATOR: &str = "\n\n";
const SEPARATOR_CHARS: usize = 2;

/// More pages than this are no number of pages.
const MAX_CLAIMED_PAGES: u32 = 100_000;

/// Extracted text with its structure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The canonical text: what ranges and quotes refer to.
    pub text: String,
    /// Its blocks in reading order; they cover all but the separators.
    pub blocks: Vec<Block>,
    /// Number of pages, when the format has pages.
    pub pages: Option<u32>,
    /// The document's own title, when it has one.
    pub title: Option<String>,
    /// What else it says about itself.
    pub metadata: Metadata,
    /// Which format it was read as; `None` only for documents made by hand.
    pub media: Option<MediaType>,
    /// What was left out and why, for the user.
    pub warnings: Vec<String>,
}

/// One heading, paragraph, list, table, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is; headings are `Title` (level 1) and `Subtitle` (below).
    pub kind: PassageKind,
    /// 1 to 6 for headings, else 0.
    pub level: u8,
    /// Its slice of the document's text.
    pub range: CharRange,
    /// Page from 1, when the format has pages.
    pub page: Option<u32>,
    /// Slice of the header row, for tables that have one.
    pub header: Option<CharRange>,
}

impl Document {
    /// The text of each block, in order; one walk over the text for all of them.
    pub fn block_texts(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.text.as_str();
        let mut at = 0_usize;
        let mut skip = move |to: usize| {
            let byte = rest.char_indices().nth(to.saturating_sub(at)).map_or(rest.len(), |(byte, _)| byte);
            let (before, after) = rest.split_at(byte);
            rest = after;
            at = at.max(to);
            before
        };
        self.blocks.iter().map(move |block| {
            skip(block.range.start as usize);
            skip(block.range.end as usize)
        })
    }

    /// Whether every range lies inside the text, in order, and blocks do not overlap. A document
    /// that came from another process is checked before use.
    pub(crate) fn is_consistent(&self) -> bool {
        let total = self.text.chars().count();
        let mut last = 0_usize;
        self.blocks.iter().all(|block| {
            let (start, end) = (block.range.start as usize, block.range.end as usize);
            let ordered = start >= last && end >= start && end <= total;
            last = end;
            let header = block
                .header
                .is_none_or(|h| h.start >= block.range.start && h.end <= block.range.end && h.start <= h.end);
            ordered && header && block.level <= 6
        })
    }
}

/// Collects blocks into a [`Document`] and stops at the text limit.
#[derive(Debug)]
pub(crate) struct Builder {
    document: Document,
    chars: usize,
    max_chars: usize,
    full: bool,
}

impl Builder {
    pub(crate) fn new(limits: &Limits) -> Self {
        // Ranges are 32 bits wide.
        let max_chars = limits.max_text_chars.min(u32::MAX as usize - 16);
        Self { document: Document::default(), chars: 0, max_chars, full: false }
    }

    /// Adds one block; empty text adds nothing. `header_chars` is the length of the table header
    /// at its start.
    pub(crate) fn push(&mut self, part: Part<'_>) {
        // Program text keeps the indent of its first line.
        let text = match part.kind {
            PassageKind::Code => part.text.trim_start_matches('\n'),
            _ => part.text.trim_start(),
        };
        let text = text.trim_end();
        if text.is_empty() || self.full {
            return;
        }
        let separator = if self.document.text.is_empty() { 0 } else { SEPARATOR_CHARS };
        let room = self.max_chars.saturating_sub(self.chars + separator);
        let wanted = text.chars().count();
        let (text, length) = if wanted > room {
            self.full = true;
            self.warn(format!("only the first {} characters were read", self.max_chars));
            (cut(text, room), room)
        } else {
            (text, wanted)
        };
        let text = text.trim_end();
        let length = if wanted > room { text.chars().count() } else { length };
        if length == 0 {
            return;
        }
        if separator > 0 {
            self.document.text.push_str(SEPARATOR);
        }
        let start = self.chars + separator;
        self.document.text.push_str(text);
        self.chars = start + length;
        let header = (part.header_chars > 0 && part.header_chars <= length)
            .then(|| range(start, start + part.header_chars));
        self.document.blocks.push(Block {
            kind: part.kind,
            level: part.level,
            range: range(start, self.chars),
            page: part.page,
            header,
        });
    }

    /// Adds a heading of `level` (brought into 1 to 6).
    pub(crate) fn heading(&mut self, level: u8, text: &str, page: Option<u32>) {
        let level = level.clamp(1, 6);
        let kind = if level == 1 { PassageKind::Title } else { PassageKind::Subtitle };
        self.push(Part { kind, level, text, page, header_chars: 0 });
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if self.document.warnings.len() < 20 && !self.document.warnings.contains(&warning) {
            self.document.warnings.push(warning);
        }
    }

    pub(crate) fn set_title(&mut self, title: &str) {
        let title: String = title.trim().chars().take(500).collect();
        if !title.is_empty() && self.document.title.is_none() {
            self.document.title = Some(title);
        }
    }

    /// Notes a fact about the document; the first value of a field stays.
    pub(crate) fn set(&mut self, field: Field, value: &str) {
        self.document.metadata.set(field, value);
    }

    pub(crate) fn set_media(&mut self, media: MediaType) {
        self.document.media = Some(media);
    }

    pub(crate) fn set_pages(&mut self, pages: u32) {
        self.document.pages = Some(pages);
    }

    /// Takes the number of pages a program wrote into a document whose pages are not known from its content.
    pub(crate) fn set_claimed_pages(&mut self, pages: i32) {
        let claimed = u32::try_from(pages).ok().filter(|pages| (1..=MAX_CLAIMED_PAGES).contains(pages));
        self.document.pages = self.document.pages.or(claimed);
    }

    /// Whether the text limit is reached and nothing more will be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.document.blocks.is_empty()
    }

    /// The document; the first heading stands in for a missing title.
    pub(crate) fn finish(mut self) -> Document {
        if self.document.title.is_none() {
            let first = self.document.blocks.iter().find(|b| b.level > 0).map(|b| b.range);
            if let Some(range) = first {
                let text = range.slice(&self.document.text).to_owned();
                self.set_title(&text);
            }
        }
        self.document.metadata.tell_language(&self.document.text);
        self.document
    }
}

/// What [`Builder::push`] takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) kind: PassageKind,
    pub(crate) level: u8,
    pub(crate) text: &'a str,
    pub(crate) page: Option<u32>,
    pub(crate) header_chars: usize,
}

impl<'a> Part<'a> {
    /// A block of `kind` without level, page or header.
    pub(crate) fn new(kind: PassageKind, text: &'a str) -> Self {
        Self { kind, level: 0, text, page: None, header_chars: 0 }
    }
}

fn range(start: usize, end: usize) -> CharRange {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    CharRange { start: narrow(start), end: narrow(end) }
}

fn cut(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((byte, _)) => text.get(..byte).unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_slice_the_text_exactly_and_the_limit_cuts() {
        let limits = Limits { max_text_chars: 20, ..Limits::default() };
        let mut builder = Builder::new(&limits);
        builder.heading(1, " Größe ", Some(1));
        builder.push(Part::new(PassageKind::Paragraph, "zwölf €uro"));
        builder.push(Part::new(PassageKind::Paragraph, "too much"));
        builder.push(Part::new(PassageKind::Paragraph, "never"));
        assert!(builder.is_full());
        let document = builder.finish();
        assert_eq!(document.text, "Größe\n\nzwölf €uro\n\nt");
        let slices: Vec<_> = document.block_texts().collect();
        assert_eq!(slices, ["Größe", "zwölf €uro", "t"]);
        assert_eq!(document.title.as_deref(), Some("Größe"));
        assert_eq!(document.warnings, ["only the first 20 characters were read"]);
        assert!(document.is_consistent());
    }
}
