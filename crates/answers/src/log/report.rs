//! What was asked and not answered: the list of what is missing in the documents.

use super::record::{LoggedQuery, Outcome, Rating};
use super::store::QueryLog;
use crate::Error;
use quarry_types::{Scope, Timestamp};
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Questions shown as examples of a group.
const MOST_EXAMPLES: usize = 3;

/// Questions that differ in case and punctuation alone and found no answer.
#[derive(Debug, Clone, PartialEq)]
pub struct NoMatch {
    /// The latest of them as asked.
    pub question: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
    /// The nearest miss, 0..1.
    pub best_confidence: f32,
    /// The file that came nearest.
    pub nearest: Option<String>,
    /// Ids of up to 3 of them, newest first.
    pub queries: Vec<String>,
}

impl QueryLog {
    /// Questions without an answer, or whose answer was rated bad; the most asked first.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub async fn no_match(&self, scope: &Scope, limit: usize) -> Result<Vec<NoMatch>, Error> {
        let mut groups = Groups::default();
        self.each(scope, |entry| {
            groups.add(entry);
            true
        })
        .await?;
        Ok(groups.most_asked(limit))
    }
}

/// Questions told apart in one report; rarer and older ones beyond are left out.
const MOST_GROUPS: usize = 5_000;

/// Questions by their words.
#[derive(Default)]
struct Groups(HashMap<String, NoMatch>);

impl Groups {
    fn add(&mut self, entry: LoggedQuery) {
        // A refusal that is rated good was right; what broke off says nothing of the documents.
        let was_missed = match entry.feedback.as_ref().map(|feedback| feedback.rating) {
            Some(rating) => rating == Rating::Bad,
            None => entry.outcome() == Outcome::Unanswered,
        };
        if !was_missed {
            return;
        }
        let asked = entry.understood_as.as_ref().unwrap_or(&entry.question);
        let words = words(asked);
        if self.0.len() >= MOST_GROUPS && !self.0.contains_key(&words) {
            return;
        }
        let group = self.0.entry(words).or_insert_with(|| NoMatch {
            question: asked.clone(),
            count: 0,
            last_at: entry.at,
            best_confidence: 0.0,
            nearest: None,
            queries: Vec::new(),
        });
        group.count += 1;
        group.last_at = group.last_at.max(entry.at);
        if group.nearest.is_none() || entry.confidence > group.best_confidence {
            group.best_confidence = entry.confidence.max(group.best_confidence);
            group.nearest = entry.results.first().map(|result| result.key.clone());
        }
        if group.queries.len() < MOST_EXAMPLES {
            group.queries.push(entry.id);
        }
    }

    /// The most asked first.
    fn most_asked(self, limit: usize) -> Vec<NoMatch> {
        let mut groups: Vec<NoMatch> = self.0.into_values().collect();
        groups.sort_by(|a, b| {
            b.count.cmp(&a.count).then(b.last_at.cmp(&a.last_at)).then(a.question.cmp(&b.question))
        });
        groups.truncate(limit);
        groups
    }
}

/// A question by its words alone, or as it stands when it has none.
fn words(question: &str) -> String {
    let folded: String = question.nfc().flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = folded.unicode_words().collect();
    if words.is_empty() { folded.trim().to_owned() } else { words.join(" ") }
}

#[cfg(test)]
fn grouped(entries: Vec<LoggedQuery>, limit: usize) -> Vec<NoMatch> {
    let mut groups = Groups::default();
    entries.into_iter().for_each(|entry| groups.add(entry));
    groups.most_asked(limit)
}

#[cfg(test)]
mod tests {
    use super::super::testing::entry;
    use super::*;
    use crate::ask::Mode;
    use serde_json::json;

    #[test]
    fn the_most_asked_comes_first_and_answered_ones_are_left_out() {
        let found = grouped(
            vec![
                entry("1", "Where is it?", false, None),
                entry("2", "who was it", false, None),
                entry("3", "where is it", false, None),
                entry("4", "fine?", true, None),
                entry("5", "wrong?", true, Some(Rating::Bad)),
            ],
            2,
        );
        assert_eq!((found[0].question.as_str(), found[0].count), ("Where is it?", 2));
        assert_eq!(found[0].queries, ["1", "3"]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn right_refusals_and_what_broke_off_are_left_out() {
        let broken = LoggedQuery::asked("broken?", json!({}), Mode::Llm);
        let refused = entry("1", "who won?", false, Some(Rating::Good));
        assert_eq!(grouped(vec![refused, broken], 5), []);
    }

    #[test]
    fn spellings_of_one_text_are_one_question_and_signs_are_their_own() {
        let asked = ["Wo ist M\u{fc}ller?", "wo ist mu\u{308}ller", "???", "😀", "😀 "];
        let entries = asked.map(|question| entry("1", question, false, None));
        let counts: Vec<u64> = grouped(entries.into(), 9).iter().map(|group| group.count).collect();
        assert_eq!(counts, [2, 2, 1]);
    }
}
