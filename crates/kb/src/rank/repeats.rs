//! Passages that say again what a better one said give way: they stand behind the others, never out.
//!
//! Invariant: nothing is lost, scores still fall along the list, and passages that are no repeats keep
//! their order.

use super::neighbours::Passages;
use super::second::Weighed;
use crate::records::TextHash;
use crate::view::Snapshot;
use quarry_index::{Fused, Wording};

/// Different passages that are compared with one another: what a search can show, twice.
const COMPARED: usize = 100;
/// Distinct words from which two passages can be told to be nearly the same; shorter ones must be equal.
const WORDS_MIN: usize = 12;
/// Share of all their words that two passages have in common to be nearly the same.
const COMMON: f32 = 0.9;

/// Moves repeats behind the first `most` different passages, however many repeats stand among them.
pub(crate) fn repeats_last(snapshot: &Snapshot, ranked: &mut Vec<(Fused, Weighed)>, most: usize) {
    reorder(ranked, most, |id| snapshot.text(id));
}

/// `text` tells the hash and the words of a passage.
fn reorder<'a>(
    ranked: &mut Vec<(Fused, Weighed)>,
    most: usize,
    text: impl Fn(u32) -> Option<(TextHash, &'a Wording)>,
) {
    let most = most.min(COMPARED);
    let mut first: Vec<&Wording> = Vec::with_capacity(most);
    let mut hashes = std::collections::HashSet::new();
    let (mut kept, mut repeats) = (Vec::with_capacity(ranked.len()), Vec::new());
    let mut rest = std::mem::take(ranked).into_iter();
    while kept.len() < most
        && let Some(hit) = rest.next()
    {
        let Some((hash, words)) = text(hit.0.id) else { continue };
        if !hashes.insert(hash) || first.iter().any(|other| nearly_same(other, words)) {
            repeats.push(hit);
        } else {
            first.push(words);
            kept.push(hit);
        }
    }
    let mut lowest = kept.last().map_or(1.0, |(hit, _): &(Fused, Weighed)| hit.score);
    for (hit, weighed) in repeats {
        lowest = hit.score.min(lowest);
        kept.push((Fused { score: lowest, ..hit }, weighed));
    }
    kept.extend(rest.map(|(hit, weighed)| (Fused { score: hit.score.min(lowest), ..hit }, weighed)));
    *ranked = kept;
}

/// Texts that differ in a figure (a model, a price) are not the same, for that may be all the question is
/// about. What the sketches rule out needs no look at the words: that is nearly every pair.
fn nearly_same(a: &Wording, b: &Wording) -> bool {
    let (few, many) =
        (a.distinct_count().min(b.distinct_count()), a.distinct_count().max(b.distinct_count()));
    // Words that only one of them has when `COMMON` of all are common: with more it cannot be.
    let lacking = ((1.0 - COMMON) / (1.0 + COMMON) * (few + many) as f32).ceil() as usize;
    if few < WORDS_MIN
        || !enough(few, many)
        || !a.may_have_equal_figures(b)
        || a.least_difference(b) > lacking
    {
        return false;
    }
    let (a, b) = (a.distinct(), b.distinct());
    Wording::numbered(&a) == Wording::numbered(&b) && {
        let common = common(&a, &b);
        enough(common, few + many - common)
    }
}

fn enough(common: usize, all: usize) -> bool {
    common as f32 >= COMMON * all as f32
}

/// How many codes are in both; both ascend without repeats.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut common = 0;
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => {
                left.next();
            }
            std::cmp::Ordering::Greater => {
                right.next();
            }
            std::cmp::Ordering::Equal => {
                common += 1;
                left.next();
                right.next();
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_texts_with_nearly_all_words_in_common_are_the_same() {
        // Letters alone: words with digits would have to be equal.
        let name = |n: u32| -> String {
            [n / 26, n % 26]
                .map(|at| char::from_u32(0x61 + at).unwrap_or('z'))
                .into_iter()
                .chain(['q'])
                .collect()
        };
        let words =
            |from: u32, to: u32| Wording::of("", &(from..to).map(|n| name(n) + " ").collect::<String>());
        assert!(nearly_same(&words(0, 20), &words(0, 20)));
        assert!(nearly_same(&words(0, 20), &words(1, 21)), "19 of 21");
        assert!(!nearly_same(&words(0, 20), &words(2, 22)), "18 of 22");
        assert!(!nearly_same(&words(0, 8), &words(0, 8)), "too short to tell");
        assert!(!nearly_same(&Wording::default(), &Wording::default()));
        assert!(!nearly_same(&words(0, 20), &words(0, 40)), "one holds the other");
    }

    #[test]
    fn texts_that_differ_in_a_figure_are_not_the_same() {
        let offer = |model: &str| {
            let text = format!(
                "The washing machine {model} spins gently, dries towels quickly, saves water, needs little                  power and comes with a free drum lamp, delivery, installation and removal of old ones."
            );
            Wording::of("Offers of the week", &text)
        };
        assert!(nearly_same(&offer("wx2000"), &offer("wx2000")));
        assert!(nearly_same(&offer("miele"), &offer("bosch")), "one word in twenty");
        assert!(!nearly_same(&offer("wx2000"), &offer("wx2100")));
    }

    #[test]
    fn any_number_of_repeats_gives_way_to_what_is_different() {
        let hit = |id: u32| {
            let score = 1.0 - id as f32 / 100.0;
            (Fused { id, score, lexical: None, dense: None }, Weighed::default())
        };
        let mut ranked: Vec<_> = (0..50).map(hit).collect();
        // The first 41 are one text, the others differ.
        let none = Wording::default();
        reorder(&mut ranked, 4, |id| Some(([u8::try_from(id.max(40)).unwrap_or(0); 32], &none)));
        let ids: Vec<u32> = ranked.iter().map(|(hit, _)| hit.id).collect();
        assert_eq!(ids[..5], [0, 41, 42, 43, 1]);
        assert_eq!(ids[43..], [40, 44, 45, 46, 47, 48, 49]);
        assert!(ranked.windows(2).all(|pair| pair[0].0.score >= pair[1].0.score));
    }
}
