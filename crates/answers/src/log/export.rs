//! Rated questions as an evaluation set in the BEIR layout, for `quarry eval` and other scorers.
//!
//! Of a good answer the cited passages are relevant, or those named in the feedback; of a bad one only
//! those named. Questions without a relevant passage are left out.

use super::record::{LoggedQuery, Rating};
use super::store::QueryLog;
use crate::Error;
use quarry_types::Scope;
use serde_json::json;
use std::collections::BTreeMap;
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
        Ok(written(&self.all(scope).await?, part))
    }
}

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

fn written(entries: &[LoggedQuery], part: Part) -> String {
    let kept: Vec<(&LoggedQuery, Vec<&str>)> =
        entries.iter().map(|entry| (entry, relevant(entry))).filter(|(_, ids)| !ids.is_empty()).collect();
    let mut text = String::new();
    let mut line = |value: serde_json::Value| {
        text.push_str(&value.to_string());
        text.push('\n');
    };
    match part {
        Part::Queries => {
            for (entry, _) in kept {
                let asked = entry.understood_as.as_ref().unwrap_or(&entry.question);
                line(json!({"_id": entry.id, "text": asked}));
            }
        }
        Part::Corpus => {
            let results = kept.iter().flat_map(|(entry, _)| &entry.results);
            let passages: BTreeMap<&str, _> =
                results.map(|result| (result.passage_id.as_str(), result)).collect();
            for (id, result) in passages {
                line(json!({"_id": id, "title": result.key, "text": result.text}));
            }
        }
        Part::Qrels => {
            text.push_str("query-id\tcorpus-id\tscore\n");
            for (entry, ids) in kept {
                for id in ids {
                    // Writing to a text cannot fail.
                    let _ = writeln!(text, "{}\t{id}\t1", entry.id);
                }
            }
        }
    }
    text
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
        assert_eq!(written(&all, Part::Qrels), "query-id\tcorpus-id\tscore\n1\tp-b\t1\n3\tp-a\t1\n");
        assert_eq!(written(&all, Part::Queries).lines().count(), 2);
        let corpus = written(&all, Part::Corpus);
        assert_eq!(corpus.lines().count(), 2);
        assert!(corpus.contains(r#""text":"text\tof a""#), "{corpus}");
    }
}
