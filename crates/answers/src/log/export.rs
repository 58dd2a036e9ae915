//! Rated questions as an evaluation set in the BEIR layout, for `quarry eval` and other scorers.
//!
//! Of a good answer the cited passages are relevant, or those named in the feedback; of a bad one only
//! those named. Questions without a relevant passage are left out.

use super::record::{LoggedQuery, Rating};
use super::store::QueryLog;
use crate::Error;
use quarry_types::Scope;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A file of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `corpus.jsonl`: the passages that were found for the questions.
    Corpus,
    /// `queries.jsonl`.
    Queries,
    /// `qrels/test.tsv`.
    Qrels,
}

impl QueryLog {
    /// One file of the set.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub async fn export(&self, scope: &Scope, part: Part) -> Result<String, Error> {
        let mut set = Set::new(part);
        self.each(scope, |entry| set.add(&entry)).await?;
        Ok(set.text)
    }
}

/// Bytes of rated questions with their passages in one set; older ones beyond are left out.
const MOST_BYTES: usize = 64 << 20;

/// The passages that answer a rated question.
fn relevant(entry: &LoggedQuery) -> Vec<&str> {
    let Some(feedback) = &entry.feedback else { return Vec::new() };
    if !feedback.relevant.is_empty() {
        return feedback.relevant.iter().map(String::as_str).collect();
    }
    if feedback.rating == Rating::Bad {
        return Vec::new();
    }
    let found = |id: &str| entry.results.iter().any(|result| result.passage_id == id);
    let mut cited: Vec<&str> = entry
        .citations
        .iter()
        .filter_map(|source| source.passage_id.as_deref())
        .filter(|id| found(id))
        .collect();
    cited.dedup();
    cited
}

/// A file of the set on its way.
struct Set {
    part: Part,
    text: String,
    passages: BTreeSet<String>,
    /// Bytes that may still come; counted alike for each file, so that the files fit together.
    left: usize,
}

impl Set {
    fn new(part: Part) -> Self {
        let text =
            if part == Part::Qrels { "query-id\tcorpus-id\tscore\n".to_owned() } else { String::new() };
        Self { part, text, passages: BTreeSet::new(), left: MOST_BYTES }
    }

    fn line(&mut self, value: &serde_json::Value) {
        self.text.push_str(&value.to_string());
        self.text.push('\n');
    }

    /// Adds an entry, when it is rated and has a relevant passage; whether there is room for more.
    fn add(&mut self, entry: &LoggedQuery) -> bool {
        let ids = relevant(entry);
        if ids.is_empty() {
            return true;
        }
        let size = entry.question.len()
            + entry.results.iter().map(|result| result.text.len() + result.key.len()).sum::<usize>();
        let Some(left) = self.left.checked_sub(size) else { return false };
        self.left = left;
        match self.part {
            Part::Queries => {
                let asked = entry.understood_as.as_ref().unwrap_or(&entry.question);
                self.line(&json!({"_id": entry.id, "text": asked}));
            }
            Part::Corpus => {
                for result in &entry.results {
                    if self.passages.insert(result.passage_id.clone()) {
                        self.line(
                            &json!({"_id": result.passage_id, "title": result.key, "text": result.text}),
                        );
                    }
                }
            }
            Part::Qrels => {
                for id in ids {
                    // Writing to a text cannot fail.
                    let _ = writeln!(self.text, "{}\t{id}\t1", entry.id);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::entry;
    use super::*;
    use crate::log::LoggedSource;

    #[test]
    fn rated_questions_become_a_set() {
        let mut good = entry("1", "one?", true, Some(Rating::Good));
        let cite = |id: &str| LoggedSource {
            token: "【1】".into(),
            passage_id: Some(id.into()),
            key: None,
            table: None,
            row_id: None,
            quote: "q".into(),
        };
        good.citations = vec![cite("p-b"), cite("p-gone")];
        let mut bad = entry("2", "two?", true, Some(Rating::Bad));
        bad.citations = vec![cite("p-a")];
        let mut corrected = entry("3", "three?", true, Some(Rating::Bad));
        if let Some(feedback) = &mut corrected.feedback {
            feedback.relevant = vec!["p-a".into()];
        }
        let all = [good, bad, corrected, entry("4", "four?", true, None)];
        let written = |all: &[LoggedQuery], part: Part| {
            let mut set = Set::new(part);
            assert!(all.iter().all(|entry| set.add(entry)));
            set.text
        };
        assert_eq!(written(&all, Part::Qrels), "query-id\tcorpus-id\tscore\n1\tp-b\t1\n3\tp-a\t1\n");
        assert_eq!(written(&all, Part::Queries).lines().count(), 2);
        let corpus = written(&all, Part::Corpus);
        assert_eq!(corpus.lines().count(), 2);
        assert!(corpus.contains(r#""text":"text\tof a""#), "{corpus}");
    }
}
