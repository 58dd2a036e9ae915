//! What comes back.

use crate::ask::Mode;
use quarry_kb::{Citation, SearchHit};
use quarry_tables::Row;
use serde_json::Value;

/// A row that an answer rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct RowCitation {
    /// `【1】`, `【2】`, …
    pub token: String,
    /// The table's name.
    pub table: String,
    /// The row's id.
    pub row_id: i64,
    /// The column the quote stands in; `None` when the quote is the row.
    pub column: Option<String>,
    /// The value as text, or the row as `column: value` pairs.
    pub quote: String,
}

/// What a citation names.
#[derive(Debug, Clone)]
pub enum Source {
    /// Characters of a file's text.
    Passage(Box<Citation>),
    /// A row of a table.
    Row(RowCitation),
}

impl Source {
    /// Its token.
    #[must_use]
    pub fn token(&self) -> &str {
        match self {
            Self::Passage(citation) => &citation.token,
            Self::Row(citation) => &citation.token,
        }
    }

    /// What is quoted.
    #[must_use]
    pub fn quote(&self) -> &str {
        match self {
            Self::Passage(citation) => &citation.quote,
            Self::Row(citation) => &citation.quote,
        }
    }
}

/// How a table was asked; the fields of a row query.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The table's name.
    pub table: String,
    /// What was understood, in a sentence.
    pub explanation: String,
    /// Conditions; `None` = all rows.
    pub filter: Option<Value>,
    /// Counts, sums and the like.
    pub group: Option<Value>,
    /// The columns asked for; empty = all.
    pub select: Vec<String>,
    /// A column, or with a group the name of one of its results.
    pub order_by: Option<String>,
    /// Greatest first.
    pub descending: bool,
    /// Most rows wanted.
    pub limit: Option<usize>,
    /// The words searched for, when the question could not be read as a query.
    pub search: Option<String>,
    /// How well the question was understood, 0..1.
    pub confidence: f32,
    /// The rows or groups it gave, at most 20.
    pub rows: Vec<Row>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A sentence of the language model that its sources do not carry, or a question that is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The sentence as it stands in the answer, or the question.
    pub sentence: String,
    /// `no citation`, `unknown citation` or `not supported`; of a question among several `not answered`.
    pub problem: &'static str,
}

/// Token counts: question and passages by the embedding model's tokenizer, prompt and completion as
/// the language model's endpoint tells them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Of the question.
    pub question: usize,
    /// Of the returned passages.
    pub passages: usize,
    /// Read by the language model.
    pub prompt: u64,
    /// Written by it.
    pub completion: u64,
}

/// Milliseconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Took {
    /// Embedding the question.
    pub embed_ms: f32,
    /// Searching passages.
    pub search_ms: f32,
    /// Choosing sentences.
    pub answer_ms: f32,
    /// Asking tables.
    pub tables_ms: f32,
    /// The language model and the check of what it said.
    pub llm_ms: f32,
    /// All of it.
    pub total_ms: f32,
}

impl Took {
    /// Both together.
    #[must_use]
    pub(crate) fn and(&self, more: &Self) -> Self {
        Self {
            embed_ms: self.embed_ms + more.embed_ms,
            search_ms: self.search_ms + more.search_ms,
            answer_ms: self.answer_ms + more.answer_ms,
            tables_ms: self.tables_ms + more.tables_ms,
            llm_ms: self.llm_ms + more.llm_ms,
            total_ms: self.total_ms + more.total_ms,
        }
    }
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The answer with its citation tokens; empty when there is none.
    pub answer: String,
    /// Whether there is one.
    pub responded: bool,
    /// How sure it is that the sources answer the question, 0..1.
    pub confidence: f32,
    /// The least confidence that was asked for.
    pub min_confidence: f32,
    /// The sources, in order of their tokens.
    pub citations: Vec<Source>,
    /// The best passages, whether or not there is an answer.
    pub passages: Vec<SearchHit>,
    /// How a table was asked, when the answer rests on one.
    pub plan: Option<Plan>,
    /// Who wrote it.
    pub mode: Mode,
    /// The language model's name, in that mode.
    pub model: Option<String>,
    /// The question as it was looked up, when a follow-up was completed from the conversation.
    pub understood_as: Option<String>,
    /// Sentences of the language model that could not be verified.
    pub flags: Vec<Flag>,
    /// Counts.
    pub tokens: Spent,
    /// Times.
    pub timing: Took,
    /// Id in the query log, when it is on.
    pub query_id: Option<String>,
}

impl Reply {
    /// One that has no answer yet.
    pub(crate) fn new(mode: Mode, passages: Vec<SearchHit>, understood_as: Option<String>) -> Self {
        Self {
            answer: String::new(),
            responded: false,
            confidence: 0.0,
            min_confidence: 0.0,
            citations: Vec::new(),
            passages,
            plan: None,
            mode,
            model: None,
            understood_as,
            flags: Vec::new(),
            tokens: Spent::default(),
            timing: Took::default(),
            query_id: None,
        }
    }
}

/// One step of a streamed reply.
#[derive(Debug)]
pub enum Event {
    /// What was found; comes first.
    Passages(Vec<SearchHit>),
    /// The next piece of the answer, checked.
    Delta(String),
    /// The whole reply; comes last.
    Reply(Box<Reply>),
}
