//! What is kept of a question, and its place in the store.
//!
//! Collection `queries`: `s` settings, `q/<id>` entry. Ids begin with the time counted down, so that the
//! newest come first in key order.

use crate::Error;
use crate::ask::Mode;
use crate::reply::{Reply, Source};
use quarry_store::{Coll, Key};
use quarry_types::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::borrow::Cow;

/// Results kept of a question.
const MAX_RESULTS: usize = 20;
/// Characters kept of a passage or quote, and of an answer.
const MAX_TEXT_CHARS: usize = 2_000;
const MAX_ANSWER_CHARS: usize = 8_000;
/// Bytes kept of the scope of a request.
const MAX_FILTERS_BYTES: usize = 8_192;

/// How a bot's log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogSettings {
    /// Whether questions are logged.
    pub enabled: bool,
    /// Entries older than this are removed, 1..=365 days.
    pub retention_days: u32,
    /// The oldest entries past this many are removed, 1..=100,000.
    pub max_entries: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { enabled: false, retention_days: 30, max_entries: 10_000 }
    }
}

impl LogSettings {
    /// Checks the bounds above.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the setting.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=365).contains(&self.retention_days) {
            return Err(Error::Invalid(format!(
                "retentionDays must be 1 to 365, got {}",
                self.retention_days
            )));
        }
        if !(1..=100_000).contains(&self.max_entries) {
            return Err(Error::Invalid(format!("maxEntries must be 1 to 100000, got {}", self.max_entries)));
        }
        Ok(())
    }
}

/// What someone thought of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// Right.
    Good,
    /// Wrong, or missing.
    Bad,
}

/// A rating with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// Good or bad.
    pub rating: Rating,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The passages that answer the question, found or not, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relevant: Vec<String>,
    /// When it was given.
    pub at: Timestamp,
}

/// A passage that was found, or should have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedResult {
    /// UUID of the passage.
    pub passage_id: String,
    /// Its file.
    pub file_id: String,
    /// The file's key.
    pub key: String,
    /// The score it had; 0 when it was not found.
    pub score: f32,
    /// Headings above it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// Its text below the header of its table, at most 2,000 characters.
    pub text: String,
}

/// What was cited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedSource {
    /// Its token.
    pub token: String,
    /// UUID of the passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage_id: Option<String>,
    /// The file's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The table's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The row's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_id: Option<i64>,
    /// What was quoted, at most 2,000 characters.
    pub quote: String,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There was one.
    Answered,
    /// Nothing answers the question.
    Unanswered,
    /// It broke off: the language model failed, or the request could not be answered as it was.
    Failed,
    /// Whoever asked went away before it was there.
    Closed,
}

/// One question as it was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedQuery {
    /// Its id.
    pub id: String,
    /// When it was asked.
    pub at: Timestamp,
    /// The question as asked.
    pub question: String,
    /// The question as it was looked up, when it was a follow-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub understood_as: Option<String>,
    /// The scope and options of the request as sent, without question and conversation.
    pub filters: serde_json::Value,
    /// Who wrote the answer.
    pub mode: String,
    /// The answer; empty when there was none.
    pub answer: String,
    /// Whether there was one.
    pub responded: bool,
    /// How it ended; told from `responded` in old entries.
    #[serde(default)]
    pub(super) outcome: Option<Outcome>,
    /// How sure it was.
    pub confidence: f32,
    /// What was found.
    pub results: Vec<LoggedResult>,
    /// What was cited.
    pub citations: Vec<LoggedSource>,
    /// Tokens of the question, the passages, the prompt and the completion.
    pub tokens: [u64; 4],
    /// How long it took in milliseconds.
    pub latency_ms: f32,
    /// What someone thought of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    /// What the feedback names and was not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<LoggedResult>,
}

pub(super) fn coll() -> Coll {
    Coll::new("queries")
}

pub(super) fn settings_key() -> Key {
    b"s".to_vec()
}

pub(super) const ENTRIES: &[u8] = b"q/";

pub(super) fn entry_key(id: &str) -> Key {
    [ENTRIES, id.as_bytes()].concat()
}

/// Where entries of a moment and older ones begin.
pub(super) fn older_than(moment: Timestamp) -> Key {
    entry_key(&countdown(moment))
}

fn countdown(moment: Timestamp) -> String {
    let left = u64::MAX - u64::try_from(moment.as_ms()).unwrap_or(0);
    format!("{left:016x}")
}

/// Where a page ended: its last entry and how many there are up to it.
pub(super) fn cursor(id: &str, rank: u32) -> String {
    format!("{id}-{rank}")
}

/// Reads a [`cursor`]; `None` for any other text.
pub(super) fn read_cursor(text: &str) -> Option<(&str, u32)> {
    let (id, rank) = text.split_once('-')?;
    Some((id, rank.parse().ok()?)).filter(|(id, _)| is_id(id))
}

/// A new id for a moment.
pub(super) fn mint(now: Timestamp) -> String {
    format!("{}{:012x}", countdown(now), rand::random::<u64>() >> 16)
}

/// Whether a text has the form of an id; others are in no log.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 28 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|cause| Error::Corrupt(cause.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|cause| Error::Corrupt(cause.to_string()))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// As much of the text of a passage as is kept.
pub(super) fn cut_passage(text: &str) -> &str {
    text.char_indices().nth(MAX_TEXT_CHARS).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A passage as it is searched.
fn shown(found: &quarry_kb::Excerpt) -> Cow<'_, str> {
    match &found.table_header {
        Some(header) => Cow::Owned(format!("{header}\n{}", found.text)),
        None => Cow::Borrowed(&found.text),
    }
}

impl LoggedResult {
    /// A passage that was not found.
    pub(super) fn missed(passage: quarry_kb::CurrentPassage) -> Self {
        Self {
            passage_id: passage.id,
            file_id: passage.file.id.to_string(),
            key: passage.file.key.clone(),
            score: 0.0,
            headings: passage.headings,
            text: cut_passage(&passage.text).to_owned(),
        }
    }
}

impl LoggedQuery {
    /// A question that was just asked.
    pub(crate) fn asked(question: &str, filters: serde_json::Value, mode: Mode) -> Self {
        let now = Timestamp::now();
        let long = filters.to_string().len() > MAX_FILTERS_BYTES;
        let filters = if long { serde_json::json!({ "omitted": "too long to keep" }) } else { filters };
        Self {
            id: mint(now),
            at: now,
            question: question.to_owned(),
            understood_as: None,
            filters,
            mode: mode.as_str().to_owned(),
            answer: String::new(),
            responded: false,
            outcome: Some(Outcome::Closed),
            confidence: 0.0,
            results: Vec::new(),
            citations: Vec::new(),
            tokens: [0; 4],
            latency_ms: 0.0,
            feedback: None,
            missed: Vec::new(),
        }
    }

    /// Adds what was found.
    pub(crate) fn found(&mut self, excerpts: &[quarry_kb::Excerpt]) {
        let results = excerpts.iter().take(MAX_RESULTS).map(|found| LoggedResult {
            passage_id: found.passage_id.clone(),
            file_id: found.file.id.to_string(),
            key: found.file.key.clone(),
            score: found.score,
            headings: found.heading_path.clone(),
            text: cut_passage(&shown(found)).to_owned(),
        });
        self.results = results.collect();
    }

    /// Adds what is kept of a reply.
    pub(crate) fn replied(&mut self, reply: &Reply) {
        let citations = reply.citations.iter().map(|source| match source {
            Source::Passage(citation) => LoggedSource {
                token: citation.token.clone(),
                passage_id: Some(citation.passage_id.clone()),
                key: Some(citation.file.key.clone()),
                table: None,
                row_id: None,
                quote: cut(&citation.quote, MAX_TEXT_CHARS),
            },
            Source::Row(citation) => LoggedSource {
                token: citation.token.clone(),
                passage_id: None,
                key: None,
                table: Some(citation.table.clone()),
                row_id: Some(citation.row_id),
                quote: cut(&citation.quote, MAX_TEXT_CHARS),
            },
        });
        let spent = reply.tokens;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.understood_as.clone_from(&reply.understood_as);
        self.answer = cut(&reply.answer, MAX_ANSWER_CHARS);
        self.responded = reply.responded;
        self.outcome = Some(if reply.responded { Outcome::Answered } else { Outcome::Unanswered });
        self.confidence = reply.confidence;
        self.citations = citations.collect();
        self.tokens = [count(spent.question), count(spent.passages), spent.prompt, spent.completion];
        self.latency_ms = reply.timing.total_ms;
    }

    /// Notes that there is no reply.
    pub(crate) fn broke_off(&mut self, outcome: Outcome, latency_ms: f32) {
        self.outcome = Some(outcome);
        self.latency_ms = latency_ms;
    }

    /// A passage that was found, or is named by the feedback.
    pub(super) fn passage(&self, id: &str) -> Option<&LoggedResult> {
        self.results.iter().chain(&self.missed).find(|passage| passage.passage_id == id)
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let told = if self.responded { Outcome::Answered } else { Outcome::Unanswered };
        self.outcome.unwrap_or(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_ids_come_first() {
        let id = |ms| mint(Timestamp(ms));
        assert!(id(2_000) < id(1_000));
        assert!(is_id(&id(5)) && !is_id("x") && !is_id(&"é".repeat(14)));
        assert!(entry_key(&id(1_000)) > older_than(Timestamp(1_000)));
        assert!(entry_key(&id(1_001)) < older_than(Timestamp(1_000)));
    }

    #[test]
    fn old_entries_tell_their_outcome() {
        let mut old = serde_json::to_value(LoggedQuery::asked("q", serde_json::Value::Null, Mode::Llm));
        if let Ok(Some(entry)) = old.as_mut().map(serde_json::Value::as_object_mut) {
            assert_eq!(entry.remove("outcome"), Some("closed".into()));
        }
        let old = old.and_then(serde_json::from_value::<LoggedQuery>);
        assert_eq!(old.ok().map(|entry| entry.outcome()), Some(Outcome::Unanswered));
    }

    #[test]
    fn a_cursor_is_read_back_and_nothing_else() {
        let id = mint(Timestamp(5));
        assert_eq!(read_cursor(&cursor(&id, 7)), Some((id.as_str(), 7)));
        for other in ["", "zzz", &id, &format!("{id}-"), &format!("x{id}-1"), "\0-1"] {
            assert_eq!(read_cursor(other), None, "{other}");
        }
    }

    #[test]
    fn settings_have_bounds() {
        let set = |retention_days, max_entries| LogSettings { enabled: true, retention_days, max_entries };
        assert!(set(1, 1).check().is_ok() && set(365, 100_000).check().is_ok());
        for bad in [set(0, 1), set(366, 1), set(1, 0), set(1, 100_001)] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
