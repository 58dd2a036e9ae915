//! The words of a passage in their order: what shows whether a question's words stand together.
//!
//! Word search counts words wherever they are; this looks at sentences and neighbours. Knows nothing
//! of ranks. Invariant: every figure lies in 0..=1, and a passage with all words of the question in
//! one sentence in the question's order has 1 in all of them.

use crate::lexical::words_of;
use crate::vector::simd::prefetch;
use std::sync::Arc;

/// Stands between sentences; no word has it.
pub(crate) const BREAK: u32 = 0;
/// Most words of a question that are looked at.
const WORDS_MAX: usize = 128;
/// Set in the code of every word with a digit: they come last among codes in order.
const NUMBERED: u32 = 1 << 31;

/// Words of the sketch that stands before the codes: how many different words there are, a sum over those
/// with digits, then one bit for each slot of [`SLOTS`] that an odd number of different words falls into.
const SKETCH: usize = 2 + SLOTS / 32;
/// Slots different words are spread over.
const SLOTS: usize = 256;

/// The words of one passage, stemmed, without words that say nothing; four bytes each, and 40 for a
/// sketch of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording(Arc<[u32]>);

/// The different words of a question with what each is worth.
#[derive(Debug, Clone, Default)]
pub struct QueryWords {
    /// By code; with the place in the question.
    sorted: Vec<(u32, usize)>,
    /// A bit for the last six bits of each code and of [`BREAK`]: other codes need no look.
    known: u64,
    words: Vec<String>,
    worth: Vec<f32>,
    total: f32,
    pairs: f32,
}

/// How a passage holds the words of a question, by their worth.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence {
    /// Share of the question's words it holds.
    pub covered: f32,
    /// The same for its best sentence alone.
    pub sentence: f32,
    /// Share of the question's neighbouring pairs it holds side by side.
    pub adjacent: f32,
}

impl Wording {
    /// Reads a passage; headings count as a sentence of their own.
    #[must_use]
    pub fn of(title: &str, body: &str) -> Self {
        let mut codes = vec![0; SKETCH];
        for text in [title, body] {
            for sentence in sentences(text) {
                words_of(sentence, &mut |word| codes.push(code(word)));
                if codes.len() > SKETCH && codes.last().is_some_and(|last| *last != BREAK) {
                    codes.push(BREAK);
                }
            }
        }
        if codes.len() > SKETCH {
            codes.pop();
        }
        let sketch = sketch(&distinct(codes.get(SKETCH..).unwrap_or(&[])));
        codes.iter_mut().zip(sketch).for_each(|(to, word)| *to = word);
        Self(codes.into())
    }

    /// Every word in its order, [`BREAK`] between sentences.
    pub(crate) fn codes(&self) -> &[u32] {
        self.0.get(SKETCH..).unwrap_or(&[])
    }

    fn sketch(&self) -> &[u32] {
        self.0.get(..SKETCH).unwrap_or(&[0; SKETCH])
    }

    /// How many different words it has.
    #[must_use]
    pub fn distinct_count(&self) -> usize {
        self.sketch().first().map_or(0, |count| *count as usize)
    }

    /// Whether two passages may hold the same words with digits (models, prices, dates); `false` is sure.
    #[must_use]
    pub fn may_have_equal_figures(&self, other: &Self) -> bool {
        self.sketch().get(1) == other.sketch().get(1)
    }

    /// Different words that only one of two passages has: so many or more. Costs no look at the words.
    #[must_use]
    pub fn least_difference(&self, other: &Self) -> usize {
        // Where a slot's bits differ, some word that falls into it is in one of them alone.
        let slots = self.sketch().iter().zip(other.sketch()).skip(2);
        slots.map(|(a, b)| (a ^ b).count_ones() as usize).sum()
    }

    /// Codes of its different words, ascending: two passages compare by these.
    #[must_use]
    pub fn distinct(&self) -> Vec<u32> {
        distinct(self.codes())
    }

    /// Those of its [`Wording::distinct`] words that hold a digit: models, prices, dates.
    #[must_use]
    pub fn numbered(distinct: &[u32]) -> &[u32] {
        distinct.get(distinct.partition_point(|code| code & NUMBERED == 0)..).unwrap_or(&[])
    }

    /// Whether it has so many words, headings included.
    #[must_use]
    pub fn has_words(&self, least: usize) -> bool {
        self.codes().iter().filter(|code| **code != BREAK).take(least).count() == least
    }

    /// Asks for it from memory, some steps before it is read; only a hint.
    pub fn prefetch(&self) {
        prefetch(&self.0);
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.len() * 4 + 16
    }
}

impl QueryWords {
    /// Different words in the order of the question, each with its worth (above zero).
    pub(crate) fn new(words: &[(String, f32)]) -> Self {
        let words = words.get(..words.len().min(WORDS_MAX)).unwrap_or(words);
        let mut sorted: Vec<(u32, usize)> =
            words.iter().zip(0..).map(|((word, _), at)| (code(word), at)).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(code, _)| *code);
        let worth: Vec<f32> = words.iter().map(|(_, worth)| *worth).collect();
        let pairs = worth.windows(2).map(lesser).sum();
        let words = words.iter().map(|(word, _)| word.clone()).collect();
        let known = sorted.iter().fold(bit(BREAK), |known, (code, _)| known | bit(*code));
        Self { sorted, known, words, total: worth.iter().sum(), pairs, worth }
    }

    /// Whether the question holds no word worth looking for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Words of one worth, stemmed, as tests make them.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        let words: Vec<(String, f32)> = words.iter().map(|word| ((*word).to_owned(), 1.0)).collect();
        Self::new(&words)
    }

    /// Whether one of these codes, as [`Wording::distinct`] gives them, is a word of the question.
    #[must_use]
    pub fn hold_any(&self, codes: &[u32]) -> bool {
        codes.iter().any(|code| self.sorted.binary_search_by_key(code, |(code, _)| *code).is_ok())
    }

    /// What one of them is worth; `None` for other words.
    pub(crate) fn worth_of(&self, word: &str) -> Option<f32> {
        let at = self.words.iter().position(|known| known == word)?;
        self.worth.get(at).copied()
    }

    /// The words a passage holds, stemmed, with what each is worth.
    #[must_use]
    pub fn held(&self, wording: &Wording) -> Vec<(&str, f32)> {
        let codes: std::collections::HashSet<u32> = wording.codes().iter().copied().collect();
        let mut places: Vec<usize> =
            self.sorted.iter().filter(|(code, _)| codes.contains(code)).map(|(_, at)| *at).collect();
        places.sort_unstable();
        let word = |at: usize| Some((self.words.get(at)?.as_str(), *self.worth.get(at)?));
        places.into_iter().filter_map(word).collect()
    }

    /// Looks for the words in a passage.
    #[must_use]
    pub fn evidence(&self, wording: &Wording) -> Evidence {
        if self.total <= 0.0 {
            return Evidence::default();
        }
        let (mut seen, mut covered) = (0_u128, 0.0_f32);
        let (mut in_sentence, mut sentence, mut best) = (0_u128, 0.0_f32, 0.0_f32);
        let (mut paired, mut adjacent) = (0_u128, 0.0_f32);
        let mut before: Option<usize> = None;
        for code in wording.codes() {
            if self.known & bit(*code) == 0 {
                before = None;
                continue;
            }
            if *code == BREAK {
                best = best.max(sentence);
                (in_sentence, sentence, before) = (0, 0.0, None);
                continue;
            }
            let place = self.sorted.binary_search_by_key(code, |(code, _)| *code);
            let Some((_, at)) = place.ok().and_then(|place| self.sorted.get(place)) else {
                before = None;
                continue;
            };
            let worth = self.worth.get(*at).copied().unwrap_or(0.0);
            let bit = 1_u128 << at;
            if seen & bit == 0 {
                seen |= bit;
                covered += worth;
            }
            if in_sentence & bit == 0 {
                in_sentence |= bit;
                sentence += worth;
            }
            if let Some(first) = before
                && first + 1 == *at
                && paired & bit == 0
            {
                paired |= bit;
                adjacent += self.worth.get(first..=*at).map_or(0.0, lesser);
            }
            before = Some(*at);
        }
        best = best.max(sentence);
        Evidence {
            covered: (covered / self.total).clamp(0.0, 1.0),
            sentence: (best / self.total).clamp(0.0, 1.0),
            adjacent: if self.pairs > 0.0 { (adjacent / self.pairs).clamp(0.0, 1.0) } else { 0.0 },
        }
    }
}

fn distinct(codes: &[u32]) -> Vec<u32> {
    let mut codes: Vec<u32> = codes.iter().copied().filter(|code| *code != BREAK).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// See [`SKETCH`].
fn sketch(distinct: &[u32]) -> [u32; SKETCH] {
    let mut sketch = [0; SKETCH];
    for code in distinct {
        let slot = (code.wrapping_mul(0x9E37_79B9) >> 24) as usize % SLOTS;
        if let Some(word) = sketch.get_mut(2 + slot / 32) {
            *word ^= 1 << (slot % 32);
        }
    }
    let figures = Wording::numbered(distinct).iter();
    let sum = figures.fold(0_u32, |sum, code| sum.wrapping_add(code.wrapping_mul(0x85EB_CA6B) | 1));
    [sketch[0], sketch[1]] = [distinct.len() as u32, sum];
    sketch
}

fn bit(code: u32) -> u64 {
    1 << (code % 64)
}

fn lesser(pair: &[f32]) -> f32 {
    pair.iter().copied().fold(f32::INFINITY, f32::min)
}

/// FNV-1a; two words of one code are one word here, which costs a little precision once in millions.
fn code(word: &str) -> u32 {
    let hash =
        word.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hash = (hash & !NUMBERED).max(BREAK + 1);
    if word.contains(char::is_numeric) { hash | NUMBERED } else { hash }
}

/// Ends after `.`, `!` or `?` before white space, after their full-width kin, and at line ends.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let spaced = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
            let ends = match c {
                '\n' | '。' | '！' | '？' => true,
                '.' | '!' | '?' => spaced,
                _ => false,
            };
            if ends {
                let (sentence, after) = rest.split_at_checked(at + c.len_utf8())?;
                rest = after;
                return Some(sentence);
            }
        }
        Some(std::mem::take(&mut rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(words: &[&str]) -> QueryWords {
        QueryWords::of(words)
    }

    fn evidence(words: &[&str], title: &str, body: &str) -> (f32, f32, f32) {
        let found = query(words).evidence(&Wording::of(title, body));
        (found.covered, found.sentence, found.adjacent)
    }

    #[test]
    fn sentences_and_neighbours_count() {
        let words = ["oven", "heat", "door"];
        assert_eq!(evidence(&words, "", "The oven heats the door."), (1.0, 1.0, 1.0));
        assert_eq!(evidence(&words, "", "Oven. Heats! Door?"), (1.0, 1.0 / 3.0, 0.0));
        assert_eq!(evidence(&words, "Oven", "heats doors"), (1.0, 2.0 / 3.0, 0.5));
        assert_eq!(evidence(&words, "", "heated ovens"), (2.0 / 3.0, 2.0 / 3.0, 0.0), "order counts");
        assert_eq!(evidence(&words, "", "oven and fire heat"), (2.0 / 3.0, 2.0 / 3.0, 0.0));
        assert_eq!(evidence(&words, "", ""), (0.0, 0.0, 0.0));
        assert_eq!(evidence(&[], "", "oven"), (0.0, 0.0, 0.0));
        assert_eq!(evidence(&["oven"], "", "version 1.5 oven"), (1.0, 1.0, 0.0), "one word has no neighbour");
    }

    #[test]
    fn rare_words_weigh_more() {
        let words = QueryWords::new(&[("oven".to_owned(), 1.0), ("pyrolysi".to_owned(), 3.0)]);
        assert!((words.evidence(&Wording::of("", "pyrolysis")).covered - 0.75).abs() < 1e-6);
        assert!((words.evidence(&Wording::of("", "oven")).covered - 0.25).abs() < 1e-6);
        assert_eq!(words.held(&Wording::of("", "a pyrolysis in ovens")), [("oven", 1.0), ("pyrolysi", 3.0)]);
        assert!(words.held(&Wording::of("", "door")).is_empty());
    }

    #[test]
    fn words_with_digits_are_told_apart() {
        let words = Wording::of("Washer wx2000", "Costs 499 now. Heavy!").distinct();
        assert_eq!((words.len(), Wording::numbered(&words).len()), (6, 2));
        assert!(Wording::numbered(&Wording::of("", "no figures here").distinct()).is_empty());
        assert!(Wording::numbered(&[]).is_empty());
    }

    #[test]
    fn a_sketch_tells_what_differs_at_least() {
        let of = |text: &str| Wording::of("", text);
        let (a, b) = (of("red oven door glass. Red oven!"), of("oven door of red glass and steel"));
        assert_eq!((a.distinct_count(), b.distinct_count()), (4, 5));
        assert_eq!((a.least_difference(&b), a.least_difference(&a)), (1, 0));
        assert!(of("model wx2000 499").may_have_equal_figures(&of("for 499 the wx2000")));
        assert!(!of("model wx2000").may_have_equal_figures(&of("model wx2100")));
        assert!(!of("model 1").may_have_equal_figures(&of("model")));
        let nothing = Wording::default();
        assert_eq!((nothing.distinct_count(), nothing.least_difference(&of(""))), (0, 0));
        assert!(nothing.may_have_equal_figures(&of("no figure")) && !nothing.has_words(1));
    }

    proptest! {
        #[test]
        fn a_sketch_never_says_too_much(a in "([a-h]{1,2} ){0,40}", b in "([a-h]{1,2} ){0,40}") {
            let (a, b) = (Wording::of("", &a), Wording::of("", &b));
            let (left, right) = (a.distinct(), b.distinct());
            let only = left.iter().filter(|code| !right.contains(code)).count()
                + right.iter().filter(|code| !left.contains(code)).count();
            prop_assert!(a.least_difference(&b) <= only);
            prop_assert_eq!(a.distinct_count(), left.len());
        }

        #[test]
        fn figures_stay_in_bounds(
            words in prop::collection::vec("[a-d]{1,2}", 0..140),
            body in "[a-d .!\n。]{0,200}",
            title in "\\PC{0,20}",
        ) {
            let mut seen = std::collections::HashSet::new();
            let words: Vec<(String, f32)> = words.into_iter().filter(|word| seen.insert(word.clone()))
                .zip(1u8..).map(|(word, at)| (word, f32::from(at))).collect();
            let found = QueryWords::new(&words).evidence(&Wording::of(&title, &body));
            for figure in [found.covered, found.sentence, found.adjacent] {
                prop_assert!((0.0..=1.0).contains(&figure), "{:?}", found);
            }
            prop_assert!(found.sentence <= found.covered + 1e-6);
        }

        #[test]
        fn sentences_lose_nothing(text in "\\PC{0,60}[.!?\n ]{0,5}\\PC{0,20}") {
            prop_assert_eq!(sentences(&text).collect::<String>(), text);
        }
    }
}
