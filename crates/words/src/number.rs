//! Numbers as people write them: scales, currencies, percent, number words.
//!
//! Invariant: a number read is finite.

use crate::token::{Piece, Token};

/// What a number counts, as far as the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    None,
    Money,
    Percent,
    /// "third", "3rd".
    Ordinal,
    /// A measure that was glued to it ("5kg"); which one does not decide anything.
    Measure,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Number {
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// "4+".
    pub(crate) or_more: bool,
    /// Four bare digits, as a year is written.
    pub(crate) plain_year: bool,
}

impl Number {
    pub(crate) fn of(value: f64) -> Self {
        Self { value, unit: Unit::None, or_more: false, plain_year: false }
    }

    /// Reads letters glued to the digits; false when they are no known suffix.
    pub(crate) fn take_suffix(&mut self, letters: &str) -> bool {
        const MEASURES: [&str; 34] = [
            "kg", "g", "mg", "lb", "lbs", "oz", "t", "cm", "mm", "km", "mi", "ft", "in", "inch", "sqm",
            "sqft", "m2", "ha", "h", "hr", "hrs", "min", "mins", "s", "sec", "ms", "db", "w", "kw", "gb",
            "mb", "tb", "l", "ml",
        ];
        match letters {
            "k" => self.value *= 1e3,
            "m" | "mn" | "mio" | "mil" => self.value *= 1e6,
            "b" | "bn" => self.value *= 1e9,
            "st" | "nd" | "rd" | "th" => self.unit = Unit::Ordinal,
            "usd" | "eur" | "gbp" | "chf" => self.unit = Unit::Money,
            "x" | "pcs" => {}
            measure if MEASURES.contains(&measure) => self.unit = Unit::Measure,
            _ => return false,
        }
        self.value.is_finite()
    }

    /// A year of our time, written plainly.
    pub(crate) fn year(&self) -> Option<i32> {
        (self.plain_year && (1800.0..=2200.0).contains(&self.value)).then_some(self.value as i32)
    }
}

fn small(word: &str) -> Option<f64> {
    const WORDS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let at = |words: &[&str]| words.iter().position(|known| *known == word);
    at(&WORDS).map(|at| at as f64).or_else(|| at(&TENS).map(|at| (at + 2) as f64 * 10.0))
}

fn ordinal(word: &str) -> Option<f64> {
    const WORDS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    if word == "ground" {
        return Some(0.0);
    }
    WORDS.iter().position(|known| *known == word).map(|at| at as f64 + 1.0)
}

fn scale(word: &str) -> Option<f64> {
    Some(match word {
        "hundred" => 1e2,
        "dozen" => 12.0,
        "thousand" | "thousands" | "k" | "grand" => 1e3,
        "million" | "millions" | "mio" | "mn" => 1e6,
        "billion" | "billions" | "bn" => 1e9,
        _ => return None,
    })
}

fn currency(word: &str) -> bool {
    matches!(
        word,
        "dollar"
            | "dollars"
            | "usd"
            | "buck"
            | "bucks"
            | "euro"
            | "euros"
            | "eur"
            | "pound"
            | "pounds"
            | "gbp"
            | "chf"
            | "$"
            | "€"
            | "£"
    )
}

/// The number that begins at a token and how many tokens it takes.
pub(crate) fn number_at(tokens: &[Token], from: usize) -> Option<(Number, usize)> {
    let word = |at: usize| tokens.get(at).filter(|token| token.is_word()).map(|token| token.folded.as_str());
    let (mut number, mut at) = match &tokens.get(from)?.piece {
        Piece::Number(number) => (*number, from + 1),
        Piece::Word => spelled(tokens, from)?,
        _ => return None,
    };
    while let Some(factor) = word(at).and_then(scale) {
        number.value *= factor;
        number.plain_year = false;
        at += 1;
    }
    let sign = tokens.get(at).map(|token| token.folded.as_str());
    if sign.is_some_and(currency) {
        number.unit = Unit::Money;
        at += 1;
    } else if word(at) == Some("percent") {
        number.unit = Unit::Percent;
        at += 1;
    }
    number.value.is_finite().then_some((number, at - from))
}

/// "two hundred fifty", "twenty-five", "half a million", "a dozen", "third".
fn spelled(tokens: &[Token], from: usize) -> Option<(Number, usize)> {
    let text = |at: usize| tokens.get(at).map(|token| token.folded.as_str()).unwrap_or_default();
    let first = text(from);
    if first == "half" && text(from + 1) == "a" && scale(text(from + 2)).is_some() {
        return Some((Number::of(0.5), from + 2));
    }
    if matches!(first, "a" | "an") && scale(text(from + 1)).is_some_and(|scale| scale >= 12.0) {
        return Some((Number::of(1.0), from + 1));
    }
    if let Some(value) = ordinal(first) {
        return Some((Number { unit: Unit::Ordinal, ..Number::of(value) }, from + 1));
    }
    let mut value = small(first)?;
    let mut at = from + 1;
    if value >= 20.0 {
        let dash = usize::from(text(at) == "-");
        if let Some(ones) = small(text(at + dash)).filter(|ones| (1.0..10.0).contains(ones)) {
            value += ones;
            at += dash + 1;
        }
    }
    if text(at) == "hundred" {
        value *= 100.0;
        at += 1;
        let and = usize::from(text(at) == "and");
        if let Some(rest) = small(text(at + and)) {
            value += rest;
            at += and + 1;
            if rest >= 20.0
                && let Some(ones) = small(text(at)).filter(|ones| (1.0..10.0).contains(ones))
            {
                value += ones;
                at += 1;
            }
        }
    }
    Some((Number::of(value), at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::token::tokenize;

    fn read(text: &str) -> Option<(f64, Unit, usize)> {
        number_at(&tokenize(text), 0).map(|(number, taken)| (number.value, number.unit, taken))
    }

    #[test]
    fn words_make_numbers() {
        for (text, value, taken) in [
            ("ten", 10.0, 1),
            ("twenty-five x", 25.0, 3),
            ("two hundred and fifty", 250.0, 4),
            ("half a million", 5e5, 3),
            ("a dozen eggs", 12.0, 2),
            ("2 million", 2e6, 2),
            ("1.5k", 1500.0, 1),
            ("three thousand", 3e3, 2),
            ("a hundred", 100.0, 2),
        ] {
            assert_eq!(read(text).map(|(value, _, taken)| (value, taken)), Some((value, taken)), "{text}");
        }
        assert_eq!(read("20 dollars"), Some((20.0, Unit::Money, 2)));
        assert_eq!(read("15 percent"), Some((15.0, Unit::Percent, 2)));
        assert_eq!(read("third floor"), Some((3.0, Unit::Ordinal, 1)));
        for text in ["a chair", "half of it", "house", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_plain_digits_are_years() {
        let year = |text: &str| number_at(&tokenize(text), 0).and_then(|(number, _)| number.year());
        assert_eq!(year("2023"), Some(2023));
        for text in ["2,023", "$2023", "2023kg", "20 23", "9999", "2.023"] {
            assert_eq!(year(text), None, "{text}");
        }
    }
}
