//! Words of a question that no document holds, read as the words that were meant.
//!
//! Only what fingers do is mended: letters swapped, doubled, missing or too many. Another letter makes another word
//! ("Iceland", "Ireland"). Invariant: a word that any document holds, as it is spelled or by its stem, is never read as
//! another, nor a name in the middle of a question as a word near it.

use super::LexSnapshot;
use super::analyzer::{fold, query_terms, says_nothing};
use crate::error::Result;
use std::borrow::Cow;
use std::collections::HashMap;
use tantivy::{TantivyError, Term};
use unicode_segmentation::UnicodeSegmentation;

/// Letters from which two may be swapped, and from which one may be missing or too many.
const SWAPPED: usize = 5;
const MISSING: usize = 6;
/// Longer words are no words.
const LONGEST: usize = 32;
/// Words of a question that are looked for among all: the first unknown ones.
const MOST: usize = 4;
/// How Germans write umlauts where they have none, and what folding leaves of them.
const UMLAUTS: [(&str, &str, &str); 3] = [("ae", "ä", "a"), ("oe", "ö", "o"), ("ue", "ü", "u")];

impl LexSnapshot {
    /// A question with the words that no document holds in the spelling documents have: umlauts written as two letters
    /// or the other way round, and words in which two letters were swapped, or one is missing or too many ("flihgt"; the
    /// first letter as it is). Words with digits stay.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn spelled<'q>(&self, question: &'q str) -> Result<Cow<'q, str>> {
        let mut met: HashMap<&str, Option<String>> = HashMap::new();
        let mut looked_for = 0;
        let mut changed: Vec<(usize, usize, String)> = Vec::new();
        for (at, word) in question.unicode_word_indices() {
            let letters = word.chars().count();
            if !(SWAPPED..=LONGEST).contains(&letters) || !word.chars().all(char::is_alphabetic) {
                continue;
            }
            if !met.contains_key(word) {
                let may_be_name = at > 0 && word.chars().next().is_some_and(char::is_uppercase);
                let looks = !may_be_name && looked_for < MOST;
                met.insert(word, self.meant(word, looks, &mut looked_for)?);
            }
            let meant = met.get(word).cloned().flatten();
            changed.extend(meant.map(|meant| (at, word.len(), meant)));
        }
        let mut said = Cow::Borrowed(question);
        // From behind, so that places before a word that was changed stay.
        for (at, bytes, meant) in changed.into_iter().rev() {
            said.to_mut().replace_range(at..at + bytes, &meant);
        }
        Ok(said)
    }

    /// What a word was to be, if it is not one already; `looks` = among the words of all documents, which is counted.
    fn meant(&self, word: &str, looks: bool, looked_for: &mut usize) -> Result<Option<String>> {
        if self.knows(word)? {
            return Ok(None);
        }
        let lower = word.to_lowercase();
        if let Some(meant) = self.with_umlauts(&lower)? {
            return Ok(Some(meant));
        }
        if !looks {
            return Ok(None);
        }
        *looked_for += 1;
        self.nearest(&fold(&lower))
    }

    /// Whether a document holds the word, or it is one that says nothing.
    fn knows(&self, word: &str) -> Result<bool> {
        if says_nothing(word) {
            return Ok(true);
        }
        for (channel, term) in query_terms(word, 8) {
            let (field, _) = self.field_of(channel);
            let term = Term::from_field_text(field, &term);
            // Nearly every word stands in the first segment already.
            for segment in self.searcher.segment_readers() {
                if segment.inverted_index(field)?.get_term_info(&term).map_err(TantivyError::from)?.is_some()
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
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

    /// The word of any document that was meant, of several the one most documents hold.
    fn nearest(&self, word: &str) -> Result<Option<String>> {
        let wanted: Vec<char> = word.chars().collect();
        let Some(first) = wanted.first() else { return Ok(None) };
        let begins = first.to_string();
        let mut near: HashMap<String, u64> = HashMap::new();
        for segment in self.searcher.segment_readers() {
            let words = segment.inverted_index(self.fields.exact)?;
            let mut stream =
                words.terms().range().ge(begins.as_bytes()).into_stream().map_err(TantivyError::from)?;
            while stream.advance() {
                let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
                if !term.starts_with(&begins) {
                    break;
                }
                // A letter has at most four bytes.
                if term.len().abs_diff(word.len()) <= 4 && is_slip(&wanted, term) {
                    *near.entry(term.to_owned()).or_insert(0) += u64::from(stream.value().doc_freq);
                }
            }
        }
        let best = near.into_iter().max_by(|(a, held), (b, more)| held.cmp(more).then_with(|| b.cmp(a)));
        Ok(best.map(|(word, _)| word))
    }
}

/// Whether a word is another but for two neighbouring letters swapped, one missing or one too many.
fn is_slip(wanted: &[char], term: &str) -> bool {
    let begins = wanted.iter().copied().zip(term.chars()).take_while(|(a, b)| a == b).count();
    let rest = wanted.get(begins..).unwrap_or_default();
    let other = term.chars().skip(begins);
    let is_rest = |rest: &[char], skip: usize| rest.iter().copied().eq(other.clone().skip(skip));
    let swapped = |a: &char, b: &char, rest| other.clone().take(2).eq([*b, *a]) && is_rest(rest, 2);
    let long = wanted.len() >= MISSING;
    let too_many = long && rest.split_first().is_some_and(|(_, rest)| is_rest(rest, 0));
    let missing = long && other.clone().next().is_some() && is_rest(rest, 1);
    too_many || missing || matches!(rest, [a, b, rest @ ..] if swapped(a, b, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_fingers_are_told_from_other_words() {
        let is_slip = |wanted: &str, term: &str| is_slip(&wanted.chars().collect::<Vec<_>>(), term);
        for (wanted, term) in [
            ("flihgts", "flights"),
            ("trian", "train"),
            ("waranty", "warranty"),
            ("refridgerator", "refrigerator"),
            ("flightss", "flights"),
            ("gartner", "gartnerr"),
        ] {
            assert!(is_slip(wanted, term), "{wanted} {term}");
        }
        for (wanted, term) in [
            ("iceland", "ireland"),
            ("hypertension", "hypotension"),
            ("licensee", "licensor"),
            ("plane", "plant"),
            ("plane", "planes"),
            ("manager", "mangers"),
            ("flights", "flights"),
            ("parking", "packing"),
        ] {
            assert!(!is_slip(wanted, term), "{wanted} {term}");
        }
    }
}
