//! Passages that say again what a better one said give way to others, by a bounded step.
//!
//! Invariant: nothing is lost, passages that are no repeats keep their scores and their order, and a first repeat
//! never stands behind what has less than half its score.

use super::neighbours::Passages;
use super::second::Weighed;
use crate::records::TextHash;
use crate::view::Snapshot;
use quarry_index::{Fused, QueryWords, Wording};

/// Different passages that are compared with one another: what a search can show, twice.
const COMPARED: usize = 100;
/// Distinct words from which two passages can be told to be nearly the same; shorter ones must be equal.
const WORDS_MIN: usize = 12;
/// Share of all their words that two passages have in common to be nearly the same.
const COMMON: f32 = 0.9;
/// What is left of the score of a repeat; of the next one of the same text this share of that, and so on.
const LEFT: f32 = 0.5;

/// Lowers repeats among the first `most` different passages.
pub(crate) fn lower_repeats(
    snapshot: &Snapshot,
    asked: &QueryWords,
    ranked: &mut [(Fused, Weighed)],
    most: usize,
) {
    lower(ranked, asked, most, |id| snapshot.text(id));
}

/// `text` tells the hash and the words of a passage.
fn lower<'a>(
    ranked: &mut [(Fused, Weighed)],
    asked: &QueryWords,
    most: usize,
    text: impl Fn(u32) -> Option<(TextHash, &'a Wording)>,
) {
    let most = most.min(COMPARED);
    let mut different: Vec<(TextHash, &Wording, f32)> = Vec::with_capacity(most);
    for (hit, _) in ranked.iter_mut() {
        if different.len() == most {
            break;
        }
        let Some((hash, words)) = text(hit.id) else { continue };
        let said = different
            .iter_mut()
            .find(|(other, wording, _)| *other == hash || nearly_same(wording, words, asked));
        match said {
            Some((.., left)) => {
                *left *= LEFT;
                hit.score *= *left;
            }
            None => different.push((hash, words, 1.0)),
        }
    }
    ranked.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
}

/// Texts that differ in a figure (a model, a price), or in a word of the question, are not the same: that may be all it
/// is about. What the sketches rule out needs no look at the words: that is nearly every pair.
fn nearly_same(a: &Wording, b: &Wording, asked: &QueryWords) -> bool {
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
    if Wording::numbered(&a) != Wording::numbered(&b) {
        return false;
    }
    let alone = different(&a, &b);
    let all = (a.len() + b.len() + alone.len()) / 2;
    enough(all - alone.len(), all) && !asked.hold_any(&alone)
}

fn enough(common: usize, all: usize) -> bool {
    common as f32 >= COMMON * all as f32
}

/// The codes that are in one of them alone; both ascend without repeats.
fn different(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut alone = Vec::new();
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => alone.extend(left.next()),
            std::cmp::Ordering::Greater => alone.extend(right.next()),
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
            }
        }
    }
    alone.extend(left.chain(right));
    alone
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
        let nearly_same = |a: Wording, b: Wording| nearly_same(&a, &b, &QueryWords::default());
        assert!(nearly_same(words(0, 20), words(0, 20)));
        assert!(nearly_same(words(0, 20), words(1, 21)), "19 of 21");
        assert!(!nearly_same(words(0, 20), words(2, 22)), "18 of 22");
        assert!(!nearly_same(words(0, 8), words(0, 8)), "too short to tell");
        assert!(!nearly_same(Wording::default(), Wording::default()));
        assert!(!nearly_same(words(0, 20), words(0, 40)), "one holds the other");
    }

    #[test]
    fn texts_that_differ_in_a_figure_or_in_what_is_asked_for_are_not_the_same() {
        let offer = |model: &str| {
            let text = format!(
                "The washing machine {model} spins gently, dries towels quickly, saves water, needs little                  power and comes with a free drum lamp, delivery, installation and removal of old ones."
            );
            Wording::of("Offers of the week", &text)
        };
        let nearly_same =
            |a: &str, b: &str, asked: &[&str]| nearly_same(&offer(a), &offer(b), &QueryWords::of(asked));
        assert!(nearly_same("wx2000", "wx2000", &[]));
        assert!(nearly_same("miele", "bosch", &["towel"]), "one word in twenty");
        assert!(!nearly_same("miele", "bosch", &["bosch"]) && !nearly_same("miele", "bosch", &["miel"]));
        assert!(!nearly_same("wx2000", "wx2100", &[]));
    }

    #[test]
    fn repeats_give_way_by_a_bounded_step_and_others_stay_as_they_are() {
        let hit = |id: u32| {
            let score = 1.0 - id as f32 / 100.0;
            (Fused { id, score, lexical: None, dense: None }, Weighed::default())
        };
        let mut ranked: Vec<_> = (0..50).map(hit).collect();
        let none = Wording::default();
        // The first 41 are one text, the others differ.
        let text = |id: u32| Some(([u8::try_from(id.max(40)).unwrap_or(0); 32], &none));
        lower(&mut ranked, &QueryWords::default(), 20, text);
        let ids: Vec<u32> = ranked.iter().map(|(hit, _)| hit.id).collect();
        assert_eq!(ids[..13], [0, 41, 42, 43, 44, 45, 46, 47, 48, 49, 1, 2, 3]);
        assert!((ranked[1].0.score - 0.59).abs() < 1e-6 && (ranked[10].0.score - 0.495).abs() < 1e-6);
        assert!(ranked.windows(2).all(|pair| pair[0].0.score >= pair[1].0.score));

        let noise =
            |id: u32, score: f32| (Fused { id, score, lexical: None, dense: None }, Weighed::default());
        let mut ranked = vec![noise(0, 0.9), noise(1, 0.9), noise(2, 0.1)];
        lower(&mut ranked, &QueryWords::default(), 20, |id| Some(([u8::from(id == 2); 32], &none)));
        assert_eq!(ranked.iter().map(|(hit, _)| hit.id).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
