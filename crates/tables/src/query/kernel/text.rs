//! Tests on texts. Where texts repeat, a test runs once per word and rows are kept by their codes.

use super::Bits;
use crate::filter::{Literal, Op};
use crate::view::{Codes, Words};
use arrow::array::{Array, StringViewArray, make_view};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Texts of up to so many bytes lie in their views.
const INLINE_BYTES: usize = 12;

fn wanted(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::Text(text) => Some(text),
        _ => None,
    }
}

/// Keeps rows by single texts; rows without one must be gone.
pub(super) fn keep_texts(op: &Op, texts: &StringViewArray, bits: &mut Bits) {
    match op {
        Op::Equals(literal) => match wanted(literal) {
            Some(text) if text.len() <= INLINE_BYTES => {
                let view = make_view(text.as_bytes(), 0, 0);
                bits.keep(texts.views(), |other| other == view);
            }
            Some(text) => {
                // Length and first bytes differ for nearly all others.
                let start = make_view(text.as_bytes(), 0, 0) as u64;
                bits.keep(texts.views(), |other| other as u64 == start);
                bits.keep_rows(|row| texts.value(row) == text);
            }
            None => bits.clear(),
        },
        Op::Compare(bound, literal) => match wanted(literal) {
            Some(text) => bits.keep_rows(|row| bound.holds(texts.value(row).cmp(text))),
            None => bits.clear(),
        },
        Op::In(literals) => {
            let list: HashSet<&str> = literals.iter().filter_map(wanted).collect();
            bits.keep_rows(|row| list.contains(texts.value(row)));
        }
        Op::Regex(pattern) => bits.keep_rows(|row| pattern.is_match(texts.value(row))),
        _ => bits.clear(),
    }
    debug_assert_eq!(texts.views().len(), texts.len(), "a view per row");
}

/// As [`keep_texts`], for texts that repeat.
pub(super) fn keep_words(op: &Op, words: &Words, bits: &mut Bits) {
    match op {
        Op::Equals(literal) => match wanted(literal).and_then(|text| words.find(text)) {
            Some(code) => keep_range(words, code, code + 1, bits),
            None => bits.clear(),
        },
        Op::Compare(bound, literal) => {
            let Some(text) = wanted(literal) else { return bits.clear() };
            let below = words.partition(|word| word < text);
            let upto = words.partition(|word| word <= text);
            let (low, high) = (bound.holds(Ordering::Less), bound.holds(Ordering::Greater));
            let equal = bound.holds(Ordering::Equal);
            let from = if low {
                0
            } else if equal {
                below
            } else {
                upto
            };
            let to = if high {
                words.len()
            } else if equal {
                upto
            } else {
                below
            };
            keep_range(words, from, to, bits);
        }
        Op::In(literals) => {
            let mut passing = vec![0_u8; words.len()];
            for code in literals.iter().filter_map(|literal| words.find(wanted(literal)?)) {
                if let Some(passing) = passing.get_mut(code) {
                    *passing = 1;
                }
            }
            keep_passing(words, &passing, bits);
        }
        Op::Regex(pattern) => keep_by_word(words, bits, |word| pattern.is_match(word)),
        _ => bits.clear(),
    }
}

/// Keeps rows whose word passes a test; each word is tested at most once, or each row if they are
/// fewer.
pub(super) fn keep_by_word(words: &Words, bits: &mut Bits, test: impl Fn(&str) -> bool) {
    if bits.count() <= words.len() {
        return bits.keep_rows(|row| test(words.value(row)));
    }
    let passing: Vec<u8> = (0..words.len()).map(|code| u8::from(test(words.word(code)))).collect();
    keep_passing(words, &passing, bits);
}

/// Keeps rows with a code in `from..to`.
fn keep_range(words: &Words, from: usize, to: usize, bits: &mut Bits) {
    if from >= to {
        return bits.clear();
    }
    if (from, to) == (0, words.len()) {
        return;
    }
    // One subtraction tests both ends.
    match words.codes() {
        Codes::Narrow(codes) => {
            let (from, last) = (narrow(from), narrow(to - 1 - from));
            bits.keep(codes, |code| code.wrapping_sub(from) <= last);
        }
        Codes::Wide(codes) => {
            let (from, last) = (wide(from), wide(to - 1 - from));
            bits.keep(codes, |code| code.wrapping_sub(from) <= last);
        }
    }
}

fn keep_passing(words: &Words, passing: &[u8], bits: &mut Bits) {
    if passing.iter().all(|one| *one == 0) {
        return bits.clear();
    }
    let passes = |code: usize| passing.get(code).is_some_and(|one| *one == 1);
    match words.codes() {
        Codes::Narrow(codes) => bits.keep(codes, |code| passes(usize::from(code))),
        Codes::Wide(codes) => bits.keep(codes, |code| passes(usize::from(code))),
    }
}

fn narrow(code: usize) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn wide(code: usize) -> u16 {
    u16::try_from(code).unwrap_or(u16::MAX)
}
