//! What is asked, of what, and how it is to be answered.

use crate::Error;
use quarry_kb::TagFilter;

/// Longest question in bytes.
pub(crate) const MAX_QUESTION_BYTES: usize = 2_048;
/// Turns that are looked at; earlier ones are left out.
pub(crate) const MAX_TURNS: usize = 12;
/// Longest turn in bytes.
const MAX_TURN_BYTES: usize = 8_192;
/// Most tables asked at once.
const MAX_TABLES: usize = 8;

/// Who writes the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nobody: sentences of the documents and values of the rows.
    #[default]
    Extractive,
    /// The operator's language model, over the same passages.
    Llm,
}

impl Mode {
    /// Its word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extractive => "extractive",
            Self::Llm => "llm",
        }
    }
}

/// Who said something earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The one who asks.
    User,
    /// The one who answered.
    Assistant,
}

/// Something said earlier in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// By whom.
    pub who: Who,
    /// What.
    pub text: String,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The question, 1..=2048 bytes.
    pub question: String,
    /// What was said before it, oldest first; the last 12 are looked at, 8 KiB each.
    pub turns: Vec<Turn>,
    /// Who writes the answer.
    pub mode: Mode,
    /// Only files of these knowledge bases (ids or names), and their tables; empty = all.
    pub bases: Vec<String>,
    /// Only files whose tags pass.
    pub tags: TagFilter,
    /// Only these files: ids or keys, and keys that end with `/` for all files under them; empty = all.
    pub files: Vec<String>,
    /// These tables, at most 8; `None` = those that are sources of the knowledge bases.
    pub tables: Option<Vec<String>>,
    /// Whether documents are looked at.
    pub documents: bool,
    /// Passages returned beside the answer, 1..=50.
    pub limit: usize,
    /// Least confidence of an answer that is given, 0..1; the mode's own when absent.
    pub min_confidence: Option<f32>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            question: String::new(),
            turns: Vec::new(),
            mode: Mode::default(),
            bases: Vec::new(),
            tags: TagFilter::default(),
            files: Vec::new(),
            tables: None,
            documents: true,
            limit: 8,
            min_confidence: None,
        }
    }
}

impl Ask {
    /// Checks the bounds above.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::Invalid(message));
        if self.question.trim().is_empty() {
            return wrong("question must not be empty".into());
        }
        if self.question.len() > MAX_QUESTION_BYTES {
            let got = self.question.len();
            return wrong(format!("question must have at most {MAX_QUESTION_BYTES} bytes, got {got}"));
        }
        if let Some(turn) = self.turns.iter().find(|turn| turn.text.len() > MAX_TURN_BYTES) {
            let got = turn.text.len();
            return wrong(format!(
                "conversation: the content of a turn must have at most {MAX_TURN_BYTES} bytes, got {got}"
            ));
        }
        if !(1..=50).contains(&self.limit) {
            return wrong(format!("limit must be 1 to 50, got {}", self.limit));
        }
        if self.tables.as_ref().is_some_and(|tables| tables.len() > MAX_TABLES) {
            return wrong(format!("tables must be at most {MAX_TABLES}"));
        }
        if !self.documents && self.tables.as_ref().is_some_and(Vec::is_empty) {
            return wrong("nothing is in scope: documents is false and tables is empty".into());
        }
        if self.min_confidence.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return wrong("minConfidence must be 0 to 1".into());
        }
        Ok(())
    }

    /// The turns that are looked at.
    pub(crate) fn recent(&self) -> &[Turn] {
        let from = self.turns.len().saturating_sub(MAX_TURNS);
        self.turns.get(from..).unwrap_or_default()
    }
}

/// Most tables that are asked because they are sources of a knowledge base.
pub(crate) const fn most_tables() -> usize {
    MAX_TABLES
}
