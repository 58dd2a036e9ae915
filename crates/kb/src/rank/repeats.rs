//! Passages that say again what a better one said give way: they stand behind the others, never out.
//!
//! Invariant: nothing is lost, scores still fall along the list, and passages that are no repeats keep
//! their order.

use super::second::Weighed;
use crate::view::Snapshot;
use quarry_index::Fused;

/// Hits that are compared with one another: what a search can show, twice.
const COMPARED: usize = 100;
/// Distinct words from which two passages can be told to be nearly the same; shorter ones must be equal.
const WORDS_MIN: usize = 12;
/// Share of all their words that two passages have in common to be nearly the same.
const COMMON: f32 = 0.9;

/// Moves repeats behind the first `most` hits' others.
pub(crate) fn repeats_last(snapshot: &Snapshot, ranked: &mut Vec<(Fused, Weighed)>, most: usize) {
    let rest = ranked.split_off(most.min(COMPARED).min(ranked.len()));
    let mut first: Vec<Vec<u32>> = Vec::with_capacity(ranked.len());
    let mut hashes = std::collections::HashSet::new();
    let (mut kept, mut repeats) = (Vec::with_capacity(ranked.len()), Vec::new());
    for hit in ranked.drain(..) {
        let Some(place) = snapshot.places.get(&hit.0.id) else { continue };
        let words = place.wording.distinct();
        if !hashes.insert(place.hash) || first.iter().any(|other| nearly_same(other, &words)) {
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
    kept.extend(
        rest.into_iter().map(|(hit, weighed)| (Fused { score: hit.score.min(lowest), ..hit }, weighed)),
    );
    *ranked = kept;
}

/// Both ascending without repeats.
fn nearly_same(a: &[u32], b: &[u32]) -> bool {
    let (few, many) = (a.len().min(b.len()), a.len().max(b.len()));
    let enough = |common: usize, all: usize| common as f32 >= COMMON * all as f32;
    if few < WORDS_MIN || !enough(few, many) {
        return false;
    }
    let (mut left, mut right, mut common) = (a.iter().peekable(), b.iter().peekable(), 0);
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal => {
                common += 1;
                left.next();
                right.next();
            }
        }
    }
    enough(common, a.len() + b.len() - common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_texts_with_nearly_all_words_in_common_are_the_same() {
        let words = |from: u32, to: u32| (from..to).collect::<Vec<_>>();
        assert!(nearly_same(&words(0, 20), &words(0, 20)));
        assert!(nearly_same(&words(0, 20), &words(1, 21)), "19 of 21");
        assert!(!nearly_same(&words(0, 20), &words(2, 22)), "18 of 22");
        assert!(!nearly_same(&words(0, 8), &words(0, 8)), "too short to tell");
        assert!(!nearly_same(&[], &[]));
        assert!(!nearly_same(&words(0, 20), &words(0, 40)), "one holds the other");
    }
}
