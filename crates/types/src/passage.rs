//! Passages: what is embedded, searched and cited.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Half-open range of characters (Unicode scalar values) of a file's extracted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CharRange {
    /// First character.
    pub start: u32,
    /// One past the last character.
    pub end: u32,
}

impl CharRange {
    /// Number of characters.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The slice of `text` it names; what lies past the end is left out.
    #[must_use]
    pub fn slice(self, text: &str) -> &str {
        let mut starts = text.char_indices().map(|(byte, _)| byte);
        let Some(from) = starts.by_ref().nth(self.start as usize) else {
            return "";
        };
        if self.is_empty() {
            return "";
        }
        let to = starts.nth(self.len() - 1).unwrap_or(text.len());
        text.get(from..to).unwrap_or("")
    }
}

/// What part of a document a passage is; the wire's `meta.subtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassageKind {
    /// A top heading.
    Title,
    /// A lower heading.
    Subtitle,
    /// Running text.
    Paragraph,
    /// Quoted text.
    Blockquote,
    /// List items.
    List,
    /// Table rows, the header first.
    Table,
    /// Program text.
    Code,
    /// A picture.
    Image,
}

impl PassageKind {
    /// The wire word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Subtitle => "subtitle",
            Self::Paragraph => "paragraph",
            Self::Blockquote => "blockquote",
            Self::List => "list",
            Self::Table => "table",
            Self::Code => "code",
            Self::Image => "image",
        }
    }
}

/// One piece of a document, small enough for the model.
///
/// Invariant (owner: the chunker): `text` equals `range.slice(extracted text)`, and heading path, table
/// header and text together never pass the embedder's token limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Order within the file, from 0.
    pub position: u32,
    /// The exact slice of the extracted text.
    pub text: String,
    /// Headings above it, outermost first.
    pub heading_path: Vec<String>,
    /// The rows that name the columns of the table it is a later part of; they stand in an earlier passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_header: Option<String>,
    /// Page of its first character, from 1, when the format has pages.
    pub page: Option<u32>,
    /// Where it lies in the extracted text.
    pub range: CharRange,
    /// What it is.
    pub kind: PassageKind,
}

impl Passage {
    /// What is shown and searched: the text, below the header of its table when that is not in it.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match &self.table_header {
            Some(header) => Cow::Owned(format!("{header}\n{}", self.text)),
            None => Cow::Borrowed(&self.text),
        }
    }
}

/// Counts with room kept for the headings that stand before every text.
pub struct UnderHeadings<'a> {
    /// Counts the text.
    pub counter: &'a dyn TokenCounter,
    /// Tokens of the headings.
    pub headings: usize,
}

impl TokenCounter for UnderHeadings<'_> {
    fn count_tokens(&self, text: &str) -> usize {
        self.counter.count_tokens(text) + self.headings
    }

    fn max_tokens(&self) -> usize {
        self.counter.max_tokens()
    }
}

/// Counts tokens as the embedding model does; the chunker and the embedder share one.
pub trait TokenCounter: Send + Sync {
    /// Tokens of `text`, the model's special tokens included.
    fn count_tokens(&self, text: &str) -> usize;
    /// The most tokens the model reads, special tokens included.
    fn max_tokens(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use super::CharRange;

    #[test]
    fn slices_count_characters_not_bytes() {
        let slice = |start, end| CharRange { start, end }.slice("añ€😀z").to_owned();
        assert_eq!(slice(1, 4), "ñ€😀");
        assert_eq!(slice(0, 5), "añ€😀z");
        assert_eq!(slice(4, 99), "z");
        assert_eq!(slice(3, 3), "");
        assert_eq!(slice(9, 12), "");
    }
}
