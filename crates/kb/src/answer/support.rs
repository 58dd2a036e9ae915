//! Whether a passage says what a sentence claims: by its words and numbers.
//!
//! Knows no vectors; whoever has a model may weigh meaning as well.

use super::terms::{in_digits, numbers, terms};
use super::tongue::Tongue;
use unicode_segmentation::UnicodeSegmentation;

/// How far a passage supports a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// Share of the claim's content words and numbers that the passage holds, 0..1.
    pub share: f32,
    /// Whether every number of the claim stands in the passage.
    pub numbers_hold: bool,
    /// Whether claim and sentences below both deny something, or neither does.
    pub denials_agree: bool,
    /// First byte of the sentences that support it best, in the passage.
    pub start: usize,
    /// One past their last byte.
    pub end: usize,
}

/// Most sentences a quote spans.
const MOST: usize = 2;

/// Whether a text denies something.
#[must_use]
pub fn denies(text: &str) -> bool {
    super::terms::denies(text)
}

/// Weighs a claim against a passage and finds the sentence, or two neighbours, that carry it best.
#[must_use]
pub fn support(claim: &str, passage: &str) -> Support {
    let tongue = Tongue::of(claim);
    let terms = |text: &str| terms(&in_digits(text), tongue);
    let wanted = terms(claim);
    let held = terms(passage);
    let share = if wanted.is_empty() {
        0.0
    } else {
        wanted.iter().filter(|word| held.contains(*word)).count() as f32 / wanted.len() as f32
    };
    let known = numbers(&in_digits(passage));
    // "one" is seldom a count in a claim; the others are.
    let counted = claim.split_word_bounds().filter(|word| !word.eq_ignore_ascii_case("one"));
    let numbers_hold =
        numbers(&in_digits(&counted.collect::<String>())).iter().all(|number| known.contains(number));
    let pieces: Vec<(usize, usize)> = passage
        .split_sentence_bound_indices()
        .flat_map(|(at, text)| {
            let mut start = at;
            text.split_inclusive('\n').map(move |line| {
                let from = start;
                start += line.len();
                (from, start)
            })
        })
        .filter(|(from, to)| passage.get(*from..*to).is_some_and(|text| !text.trim().is_empty()))
        .collect();
    let mut best: Option<(f32, usize, usize)> = None;
    for first in 0..pieces.len() {
        for last in first..pieces.len().min(first + MOST) {
            let (Some((from, _)), Some((_, to))) = (pieces.get(first), pieces.get(last)) else { continue };
            let inside = terms(passage.get(*from..*to).unwrap_or_default());
            let hits = wanted.iter().filter(|word| inside.contains(*word)).count() as f32;
            // A longer quote must earn its length.
            let score = hits - 0.9 * (last - first) as f32;
            if best.is_none_or(|(most, _, _)| score > most) {
                best = Some((score, *from, *to));
            }
        }
    }
    let (start, end) = best.map_or((0, passage.len()), |(_, from, to)| (from, to));
    let text = passage.get(start..end).unwrap_or_default();
    let lead = text.len() - text.trim_start().len();
    Support {
        share,
        numbers_hold,
        denials_agree: denies(claim) == denies(text),
        start: start + lead,
        end: start + text.trim_end().len().max(lead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSAGE: &str =
        "The tank holds 4.6 litres. Clean the sponge filter after every 20 cycles. Then close the flap.";

    fn quote(claim: &str) -> &'static str {
        let support = support(claim, PASSAGE);
        PASSAGE.get(support.start..support.end).unwrap_or("")
    }

    #[test]
    fn the_carrying_sentence_is_quoted() {
        assert_eq!(
            quote("You should clean its filter every 20 cycles."),
            "Clean the sponge filter after every 20 cycles."
        );
        assert_eq!(quote("The water tank holds 4.6 litres"), "The tank holds 4.6 litres.");
    }

    #[test]
    fn other_numbers_and_other_words_are_no_support() {
        assert!(support("The tank holds 4.6 litres.", PASSAGE).numbers_hold);
        assert!(!support("The tank holds 5 litres.", PASSAGE).numbers_hold);
        assert!(support("Visit the pizza oven in Rome.", PASSAGE).share < 0.1);
        assert!(support("", PASSAGE).share < 0.1);
        assert!(support("Clean the filter after twenty cycles, the large one.", PASSAGE).numbers_hold);
        assert!(!support("Clean the filter after twelve cycles.", PASSAGE).numbers_hold);
    }

    #[test]
    fn a_denial_is_no_support_for_its_contrary() {
        let passage = "Do not wash the filter in the dishwasher. The tank holds 4.6 litres.";
        assert!(!support("Wash the filter in the dishwasher.", passage).denials_agree);
        assert!(support("The filter cannot be washed in the dishwasher.", passage).denials_agree);
        assert!(support("The tank holds 4.6 litres.", passage).denials_agree);
    }

    proptest! {
        #[test]
        fn a_quote_is_a_slice(claim in ".{0,60}", passage in ".{0,200}") {
            let support = support(&claim, &passage);
            prop_assert!(passage.get(support.start..support.end).is_some());
            prop_assert!((0.0..=1.0).contains(&support.share));
        }
    }
}
