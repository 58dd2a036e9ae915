//! Words of a question that no document holds, read as the words that were meant.
//!
//! Invariant: a word that any document holds, as it is spelled or by its stem, is never read as another.

use super::LexSnapshot;
use super::analyzer::{Channel, fold, query_terms};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::HashMap;
use tantivy::{TantivyError, Term};
use unicode_segmentation::UnicodeSegmentation;

/// Letters from which two letters may be swapped, from which one may be wrong, and from which two may.
const SWAPPED: usize = 5;
const ONE_WRONG: usize = 6;
const TWO_WRONG: usize = 8;
/// Longer words are no words.
const LONGEST: usize = 32;
/// Words of a question that are looked for among all: the first unknown ones.
const MOST: usize = 4;
/// How Germans write umlauts where they have none, and what folding leaves of them.
const UMLAUTS: [(&str, &str, &str); 3] = [("ae", "ä", "a"), ("oe", "ö", "o"), ("ue", "ü", "u")];

impl LexSnapshot {
    /// A question with the words that no document holds in the spelling documents have: umlauts written as two letters
    /// or the other way round, and words a letter or two away ("flihgt"; two from eight letters on, the first letter as
    /// it is). Words with digits stay.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn spelled<'q>(&self, question: &'q str) -> Result<Cow<'q, str>> {
        let mut said = Cow::Borrowed(question);
        let mut looked_for = 0;
        // From behind, so that places before a word that was changed stay.
        let words: Vec<(usize, &str)> = question.unicode_word_indices().collect();
        let mut changed: Vec<(usize, usize, String)> = Vec::new();
        for (at, word) in words {
            let letters = word.chars().count();
            if !(SWAPPED..=LONGEST).contains(&letters)
                || !word.chars().all(char::is_alphabetic)
                || self.knows(word)?
            {
                continue;
            }
            let meant = match self.with_umlauts(&word.to_lowercase())? {
                Some(meant) => Some(meant),
                None if looked_for < MOST => {
                    looked_for += 1;
                    self.nearest(&fold(&word.to_lowercase()))?
                }
                None => None,
            };
            changed.extend(meant.map(|meant| (at, word.len(), meant)));
        }
        for (at, bytes, meant) in changed.into_iter().rev() {
            said.to_mut().replace_range(at..at + bytes, &meant);
        }
        Ok(said)
    }

    /// Whether a document holds the word, or it is one that says nothing.
    fn knows(&self, word: &str) -> Result<bool> {
        let terms = query_terms(word, 8);
        for (channel, term) in &terms {
            let (field, _) = self.field_of(*channel);
            if self.searcher.doc_freq(&Term::from_field_text(field, term))? > 0 {
                return Ok(true);
            }
        }
        Ok(!terms.iter().any(|(channel, _)| *channel == Channel::Words))
    }

    fn with_umlauts(&self, word: &str) -> Result<Option<String>> {
        let (mut plain, mut spread) = (word.to_owned(), word.to_owned());
        for (two, umlaut, folded) in UMLAUTS {
            plain = plain.replace(two, folded);
            spread = spread.replace(umlaut, two);
        }
        for other in [plain, spread] {
            if other != word && self.knows(&other)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// The word of any document that is nearest, of equally near ones the one most documents hold.
    fn nearest(&self, word: &str) -> Result<Option<String>> {
        let wanted: Vec<char> = word.chars().collect();
        let Some(first) = wanted.first() else { return Ok(None) };
        let begins = first.to_string();
        let mut near: HashMap<String, (usize, u64)> = HashMap::new();
        for segment in self.searcher.segment_readers() {
            let words = segment.inverted_index(self.fields.exact)?;
            let mut stream =
                words.terms().range().ge(begins.as_bytes()).into_stream().map_err(TantivyError::from)?;
            while stream.advance() {
                let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
                if !term.starts_with(&begins) {
                    break;
                }
                // Letters have one to four bytes, those of most words one.
                if term.len().abs_diff(word.len()) > 2 || !term.chars().all(char::is_alphabetic) {
                    continue;
                }
                if let Some(distance) = distance(&wanted, term) {
                    let found = near.entry(term.to_owned()).or_insert((distance, 0));
                    found.1 += u64::from(stream.value().doc_freq);
                }
            }
        }
        let best = near.into_iter().min_by(|(a, (near, held)), (b, (nearer, more))| {
            near.cmp(nearer).then(more.cmp(held)).then_with(|| a.cmp(b))
        });
        Ok(best.map(|(word, _)| word))
    }
}

/// Letters to put in, leave out, change or swap with the next one (optimal string alignment), where these are few
/// enough for a word of that length.
fn distance(wanted: &[char], term: &str) -> Option<usize> {
    let term: Vec<char> = term.chars().collect();
    let (m, n) = (wanted.len(), term.len());
    let most = if m >= TWO_WRONG { 2 } else { 1 };
    if m.abs_diff(n) > most {
        return None;
    }
    let mut before: Vec<usize> = vec![0; n + 1];
    let mut last: Vec<usize> = (0..=n).collect();
    for i in 1..=m {
        let mut row = vec![i; n + 1];
        for j in 1..=n {
            let (a, b) = (wanted.get(i - 1)?, term.get(j - 1)?);
            let mut cost =
                (last.get(j)? + 1).min(row.get(j - 1)? + 1).min(last.get(j - 1)? + usize::from(a != b));
            if i > 1 && j > 1 && Some(a) == term.get(j - 2) && wanted.get(i - 2) == Some(b) {
                cost = cost.min(before.get(j - 2)? + 1);
            }
            *row.get_mut(j)? = cost;
        }
        if row.iter().min()? > &most {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    let swapped = || m == n && wanted.iter().zip(&term).filter(|(a, b)| a != b).count() == 2;
    last.get(n).copied().filter(|cost| *cost <= most && (m >= ONE_WRONG || swapped()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn distance_of(wanted: &str, term: &str) -> Option<usize> {
        distance(&wanted.chars().collect::<Vec<_>>(), term)
    }

    #[test]
    fn few_letters_may_be_wrong_in_long_words_and_none_in_short_ones() {
        assert_eq!(distance_of("flihgts", "flights"), Some(1));
        assert_eq!(distance_of("trian", "train"), Some(1));
        assert_eq!(distance_of("plane", "plant"), None, "five letters, one is another");
        assert_eq!(distance_of("waranty", "warranty"), Some(1));
        assert_eq!(distance_of("refridgerator", "refrigerator"), Some(1));
        assert_eq!(distance_of("acommodaton", "accommodation"), Some(2));
        assert_eq!(distance_of("bicycle", "bicycling"), None);
        assert_eq!(distance_of("manager", "mangers"), None, "two in seven letters");
    }
}
