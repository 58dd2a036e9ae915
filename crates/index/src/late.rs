//! Late interaction: a question's tokens, each against the nearest token of a passage (MaxSim, after ColBERT).
//!
//! A passage keeps its tokens as codes of four bits a number, like ones pooled, so that it takes at most a kilobyte.
//! Knows nothing of models: vectors of tokens come in, of norm 1. Invariant: codes of any bytes may be compared; a
//! match lies in −1..=1.

mod pool;

use crate::vector::simd::{nearest, prefetch};
use std::sync::Arc;

/// Numbers of a token's vector.
pub const TOKEN_DIMS: usize = 32;
/// Bytes of a token's code: two numbers in each.
const CODE: usize = TOKEN_DIMS / 2;
/// Most codes of a passage.
const CODES_MAX: usize = 64;
/// Most tokens of a question that are looked at.
const ASKED_MAX: usize = 64;
/// Half of the range the 16 levels of a number cover, in standard deviations of a number of a unit vector.
const SPREAD: f32 = 2.5;
/// A question's numbers are whole multiples of 1 / this.
const FINE: f32 = 127.0;
/// Tokens of a question that are compared together.
pub(crate) const ABREAST: usize = 8;
/// Numbers of a token that are multiplied together.
const STEP: usize = 4;

/// The tokens of a passage, coded: [`CODE`] bytes each; number `i` of a vector in the low half of byte `i`, number
/// `16 + i` in its high half.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenCodes(Arc<[u8]>);

/// The tokens of a question with what each is worth.
#[derive(Debug, Clone, Default)]
pub struct TokenQuery {
    groups: Vec<Group>,
    worth: Vec<f32>,
    total: f32,
}

/// Some tokens of a question, side by side; missing ones are zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// For every [`STEP`] dimensions those of each token.
    pub(crate) steps: [[i8; ABREAST * STEP]; TOKEN_DIMS / STEP],
    /// 15 times the sum of each token's numbers.
    pub(crate) sums: [i32; ABREAST],
}

/// How near a passage's tokens come to a question's: cosines.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TokenMatch {
    /// Mean over the question's tokens by their worth.
    pub whole: f32,
    /// Mean of the third of the question's tokens it comes least near to: what it does not speak of.
    pub weakest: f32,
}

impl TokenCodes {
    /// Codes token vectors of norm 1, one after another: at most 64, and of more than a few no more than two thirds.
    #[must_use]
    pub fn of(tokens: &[f32]) -> Self {
        let count = tokens.len() / TOKEN_DIMS;
        let pooled = pool::pool(tokens.as_chunks::<TOKEN_DIMS>().0, CODES_MAX.min((2 * count).div_ceil(3)));
        Self(pooled.iter().flat_map(code).collect())
    }

    /// What [`TokenCodes::bytes`] gave; whatever is no whole code at the end is dropped.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.get(..bytes.len() / CODE * CODE).unwrap_or(&[]).into())
    }

    /// To store.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Asks for them from memory, some steps before they are read; only a hint.
    pub fn prefetch(&self) {
        prefetch(&self.0);
    }

    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TokenQuery {
    /// Of token vectors of norm 1, one after another, and their worth (0 or more).
    #[must_use]
    pub fn new(tokens: &[f32], worth: &[f32]) -> Self {
        let rows = tokens.as_chunks::<TOKEN_DIMS>().0;
        let rows = rows.get(..rows.len().min(ASKED_MAX)).unwrap_or(rows);
        let mut worth: Vec<f32> = worth.iter().copied().take(rows.len()).collect();
        if worth.len() < rows.len() || worth.iter().sum::<f32>() <= 0.0 {
            worth = vec![1.0; rows.len()];
        }
        Self { total: worth.iter().sum(), groups: rows.chunks(ABREAST).map(Group::of).collect(), worth }
    }

    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Compares; `None` where question or passage has no tokens.
    #[must_use]
    pub fn matched(&self, passage: &TokenCodes) -> Option<TokenMatch> {
        let codes = passage.0.as_chunks::<CODE>().0;
        if codes.is_empty() || self.groups.is_empty() {
            return None;
        }
        let mut near = vec![[-FINE; ABREAST]; self.groups.len()];
        nearest(&self.groups, codes, &mut near);
        let near = near.as_flattened().iter().take(self.worth.len());
        let mut near: Vec<f32> = near.map(|cosine| (cosine / FINE).clamp(-1.0, 1.0)).collect();
        let whole =
            near.iter().zip(&self.worth).map(|(cosine, worth)| cosine * worth).sum::<f32>() / self.total;
        near.sort_unstable_by(f32::total_cmp);
        let third = near.get(..(near.len() / 3).max(1)).unwrap_or(&near);
        Some(TokenMatch { whole, weakest: third.iter().sum::<f32>() / third.len() as f32 })
    }
}

fn code(vector: &[f32; TOKEN_DIMS]) -> [u8; CODE] {
    let step = SPREAD / (TOKEN_DIMS as f32).sqrt() / 7.5;
    let level = |number: &f32| ((number / step).floor() + 8.0).clamp(0.0, 15.0) as u8;
    let (low, high) = vector.split_at(CODE);
    let mut bytes = [0; CODE];
    for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
        *byte = level(low) | level(high) << 4;
    }
    bytes
}

impl Group {
    fn of(rows: &[[f32; TOKEN_DIMS]]) -> Self {
        let mut group = Self::default();
        for (at, row) in rows.iter().enumerate().take(ABREAST) {
            let row = row.map(|number| (number * FINE).clamp(-FINE, FINE) as i8);
            for (step, numbers) in group.steps.iter_mut().zip(row.chunks_exact(STEP)) {
                let place = step.iter_mut().skip(at * STEP);
                place.zip(numbers).for_each(|(to, number)| *to = *number);
            }
            if let Some(sum) = group.sums.get_mut(at) {
                *sum = 15 * row.iter().map(|number| i32::from(*number)).sum::<i32>();
            }
        }
        group
    }
}

/// The levels of a code, 0 to 15 for −15, −13 … 15, in the order of dimensions, and what its length is shortened by.
fn levels(code: &[u8; CODE]) -> ([u8; TOKEN_DIMS], f32) {
    let mut levels = [0; TOKEN_DIMS];
    let (low, high) = levels.split_at_mut(CODE);
    for ((byte, low), high) in code.iter().zip(low).zip(high) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
    let square: i32 = levels.iter().map(|level| (2 * i32::from(*level) - 15).pow(2)).sum();
    (levels, 1.0 / (square as f32).sqrt())
}

/// For each token of a question the largest cosine with any code, times [`FINE`]: `out` holds what it was before where
/// that is larger.
pub(crate) fn nearest_plainly(groups: &[Group], codes: &[[u8; CODE]], out: &mut [[f32; ABREAST]]) {
    for code in codes {
        let (levels, shorten) = levels(code);
        for (group, best) in groups.iter().zip(out.iter_mut()) {
            let mut products = [0_i32; ABREAST];
            for (step, levels) in group.steps.iter().zip(levels.chunks_exact(STEP)) {
                for (product, numbers) in products.iter_mut().zip(step.chunks_exact(STEP)) {
                    let pairs = numbers.iter().zip(levels);
                    *product +=
                        pairs.map(|(number, level)| i32::from(*number) * i32::from(*level)).sum::<i32>();
                }
            }
            for ((best, product), sum) in best.iter_mut().zip(products).zip(group.sums) {
                *best = best.max((2 * product - sum) as f32 * shorten);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn unit(seed: u32) -> [f32; TOKEN_DIMS] {
        let mut state = u64::from(seed) * 2 + 1;
        let mut row = [0.0_f32; TOKEN_DIMS];
        for number in &mut row {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Four uniform numbers summed are near enough to normal.
            *number = (0..4).map(|i| ((state >> (16 + 12 * i)) & 4095) as f32 / 2048.0 - 1.0).sum();
        }
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.map(|x| x / norm)
    }

    fn tokens(seeds: std::ops::Range<u32>) -> Vec<f32> {
        seeds.flat_map(unit).collect()
    }

    #[test]
    fn a_passage_with_the_questions_tokens_matches_best() {
        let query = TokenQuery::new(&tokens(0..6), &[1.0; 6]);
        let same = query.matched(&TokenCodes::of(&tokens(0..6))).unwrap();
        let half = query.matched(&TokenCodes::of(&[tokens(0..3), tokens(50..53)].concat())).unwrap();
        let none = query.matched(&TokenCodes::of(&tokens(50..56))).unwrap();
        assert!(
            same.whole > 0.75 && same.whole > half.whole + 0.1 && half.whole > none.whole + 0.1,
            "{same:?} {half:?} {none:?}"
        );
        assert!(same.weakest > half.weakest && same.weakest <= same.whole);
        assert_eq!(query.matched(&TokenCodes::default()), None);
        assert_eq!(TokenQuery::new(&[], &[]).matched(&TokenCodes::of(&tokens(0..3))), None);
    }

    #[test]
    fn worth_decides_which_tokens_count() {
        let passage = TokenCodes::of(&tokens(0..1));
        let whole = |worth: &[f32]| TokenQuery::new(&tokens(0..2), worth).matched(&passage).unwrap().whole;
        assert!(whole(&[5.0, 1.0]) > whole(&[1.0, 5.0]) + 0.2);
        let plain = whole(&[1.0, 1.0]);
        for equal in [&[0.0, 0.0][..], &[], &[3.0]] {
            assert!((whole(equal) - plain).abs() < 1e-6, "{equal:?}");
        }
    }

    #[test]
    fn codes_keep_the_cosine() {
        let mut worst = 1.0_f32;
        for seed in 0..200 {
            let vector = unit(seed);
            let query = TokenQuery::new(&vector, &[1.0]);
            worst = worst.min(query.matched(&TokenCodes::of(&vector)).unwrap().whole);
        }
        assert!(worst > 0.97, "{worst}");
    }

    #[test]
    fn long_passages_are_pooled_and_codes_come_back() {
        let sizes = [(0, 0), (1, 1), (3, 2), (30, 20), (96, 64), (250, 64)];
        for (count, kept) in sizes {
            let codes = TokenCodes::of(&tokens(0..count));
            assert_eq!(codes.bytes().len(), kept * CODE, "{count}");
            assert_eq!(TokenCodes::from_bytes(codes.bytes()), codes);
            assert_eq!(codes.is_empty(), count == 0);
        }
        assert_eq!(TokenCodes::from_bytes(&[7; CODE + 3]).bytes().len(), CODE);
    }

    proptest! {
        #[test]
        fn all_kernels_agree_on_any_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..CODE * 9),
            seeds in prop::collection::vec(any::<u32>(), 1..20),
        ) {
            let asked: Vec<f32> = seeds.iter().flat_map(|seed| unit(*seed)).collect();
            let query = TokenQuery::new(&asked, &[]);
            let codes = TokenCodes::from_bytes(&bytes);
            let mut fast = vec![[-FINE; ABREAST]; query.groups.len()];
            let mut plain = fast.clone();
            nearest(&query.groups, codes.0.as_chunks::<CODE>().0, &mut fast);
            nearest_plainly(&query.groups, codes.0.as_chunks::<CODE>().0, &mut plain);
            prop_assert_eq!(fast, plain);
            if let Some(found) = query.matched(&codes) {
                prop_assert!((-1.0..=1.0).contains(&found.whole) && found.weakest <= found.whole + 1e-3);
            }
        }
    }
}
