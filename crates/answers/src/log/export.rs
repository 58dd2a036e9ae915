//! Rated questions as an evaluation set in the BEIR layout, for `quarry eval` and other scorers.
//!
//! Of a good answer the cited passages are relevant, or those named in the feedback; of a bad one only
//! those named. Questions without a relevant passage are left out.

use super::record::{LoggedQuery, LoggedResult, Rating};
use super::store::QueryLog;
use crate::Error;
use quarry_types::Scope;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
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
fn relevant(entry: &LoggedQuery) -> Vec<&LoggedResult> {
    let Some(feedback) = &entry.feedback else { return Vec::new() };
    let found = |id: &str| entry.results.iter().find(|result| result.passage_id == id);
    if !feedback.relevant.is_empty() {
        return feedback.relevant.iter().filter_map(|id| found(id)).collect();
    }
    if feedback.rating == Rating::Bad {
        return Vec::new();
    }
    entry.citations.iter().filter_map(|source| found(source.passage_id.as_deref()?)).collect()
}

/// What search sees of a passage: its headings and its text.
type Content = (String, String);

fn content(of: &LoggedResult) -> Content {
    (of.headings.join(" > "), of.text.clone())
}

/// A file of the set on its way.
struct Set {
    part: Part,
    text: String,
    /// Ids of the passages by what they hold.
    passages: HashMap<Content, String>,
    /// Bytes that may still come; counted alike for each file, so that the files fit together.
    left: usize,
}

impl Set {
    fn new(part: Part) -> Self {
        let text =
            if part == Part::Qrels { "query-id\tcorpus-id\tscore\n".to_owned() } else { String::new() };
        Self { part, text, passages: HashMap::new(), left: MOST_BYTES }
    }

    fn line(&mut self, value: &serde_json::Value) {
        self.text.push_str(&value.to_string());
        self.text.push('\n');
    }

    /// Adds an entry, when it is rated and has a relevant passage; whether there is room for more.
    fn add(&mut self, entry: &LoggedQuery) -> bool {
        let relevant = relevant(entry);
        if relevant.is_empty() {
            return true;
        }
        let size = entry.question.len()
            + entry.results.iter().map(|result| result.text.len() + result.key.len()).sum::<usize>();
        let Some(left) = self.left.checked_sub(size) else { return false };
        self.left = left;
        if self.part == Part::Queries {
            let asked = entry.understood_as.as_ref().unwrap_or(&entry.question);
            self.line(&json!({"_id": entry.id, "text": asked}));
            return true;
        }
        for result in &entry.results {
            self.passage(result);
        }
        if self.part == Part::Qrels {
            let ids: BTreeSet<&String> =
                relevant.into_iter().filter_map(|result| self.passages.get(&content(result))).collect();
            for id in ids {
                // Writing to a text cannot fail.
                let _ = writeln!(self.text, "{}\t{id}\t1", entry.id);
            }
        }
        true
    }

    /// Adds a passage that is not there yet.
    fn passage(&mut self, result: &LoggedResult) {
        let content = content(result);
        if self.passages.contains_key(&content) {
            return;
        }
        if self.part == Part::Corpus {
            let (title, text) = &content;
            self.line(&json!({
                "_id": result.passage_id, "title": title, "text": text, "metadata": {"file": result.key},
            }));
        }
        self.passages.insert(content, result.passage_id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::entry;
    use super::*;
    use crate::log::{Feedback, LoggedSource};

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

    #[test]
    fn a_passage_that_was_indexed_again_is_one_document() {
        let mut newer = entry("1", "one?", true, Some(Rating::Bad));
        let mut older = entry("2", "one?", true, Some(Rating::Bad));
        for (entry, generation) in [(&mut newer, "new"), (&mut older, "old")] {
            for result in &mut entry.results {
                result.passage_id = format!("{generation}-{}", result.passage_id);
                result.headings = vec!["Hours".into(), "Shop".into()];
            }
            let relevant = vec![format!("{generation}-p-a")];
            entry.feedback = entry.feedback.take().map(|feedback| Feedback { relevant, ..feedback });
        }
        // Under other headings it is another passage.
        older.results[1].headings.clear();
        let written = |part: Part| {
            let mut set = Set::new(part);
            assert!(set.add(&newer) && set.add(&older));
            set.text
        };
        assert_eq!(written(Part::Qrels), "query-id\tcorpus-id\tscore\n1\tnew-p-a\t1\n2\tnew-p-a\t1\n");
        let corpus = written(Part::Corpus);
        assert_eq!((corpus.lines().count(), corpus.matches("text\\tof a").count()), (3, 1), "{corpus}");
        assert!(corpus.starts_with(r#"{"_id":"new-p-a","title":"Hours > Shop","text":"text\tof a""#));
        assert!(corpus.contains(r#""_id":"old-p-b","title":"""#), "{corpus}");
    }
}
