//! Text to tokens: words, numbers, dates, quoted texts and signs, with their place in the text.
//!
//! Values of columns are cut by the same function, so a value is found where its tokens stand in a row.
//! Invariant: any text gives tokens, at most [`MAX_TOKENS`] of them.

use crate::fold::{fold, singular, stem};
use crate::number::{Number, Unit};
use time::{Date, Month};

/// More tokens than a text of the greatest length can sensibly hold.
pub(crate) const MAX_TOKENS: usize = 512;
/// Longer pieces are cut: no column or value is that long.
const MAX_WORD_CHARS: usize = 80;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Word,
    Number(Number),
    Day(Date),
    /// The text between the quotes.
    Quoted(String),
    Sign,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) piece: Piece,
    /// As written.
    pub(crate) text: String,
    /// Lower case, no accents; a sign as a canonical operator.
    pub(crate) folded: String,
    pub(crate) singular: String,
    pub(crate) stem: String,
    /// Whether white space stands before it.
    pub(crate) spaced: bool,
}

impl Token {
    fn new(piece: Piece, text: &str, spaced: bool) -> Self {
        let folded = fold(text);
        let word = piece == Piece::Word;
        let (singular, stem) =
            if word { (singular(&folded), stem(&folded)) } else { (folded.clone(), folded.clone()) };
        Self { piece, text: text.to_owned(), folded, singular, stem, spaced }
    }

    pub(crate) fn is_word(&self) -> bool {
        self.piece == Piece::Word
    }

    /// Whether it starts with a capital, as names do.
    pub(crate) fn is_capital(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// Whether it is written in capitals only.
    pub(crate) fn is_upper(&self) -> bool {
        self.text.chars().all(|letter| letter.is_uppercase() || letter.is_numeric())
    }
}

struct Cutter<'t> {
    letters: Vec<(usize, char)>,
    text: &'t str,
    at: usize,
    spaced: bool,
    tokens: Vec<Token>,
}

/// Cuts a text into tokens.
pub(crate) fn tokenize(text: &str) -> Vec<Token> {
    let mut cutter =
        Cutter { letters: text.char_indices().collect(), text, at: 0, spaced: true, tokens: Vec::new() };
    while cutter.tokens.len() < MAX_TOKENS && cutter.step() {}
    cutter.tokens
}

impl Cutter<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).map(|(_, letter)| *letter)
    }

    fn before(&self) -> Option<char> {
        self.at.checked_sub(1).and_then(|at| self.letters.get(at)).map(|(_, letter)| *letter)
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        let byte = |at: usize| self.letters.get(at).map_or(self.text.len(), |(byte, _)| *byte);
        self.text.get(byte(from)..byte(to)).unwrap_or_default()
    }

    fn push(&mut self, piece: Piece, to: usize) {
        let token = Token::new(piece, self.slice(self.at, to), self.spaced);
        self.tokens.push(token);
        (self.at, self.spaced) = (to, false);
    }

    fn step(&mut self) -> bool {
        let Some(letter) = self.peek(0) else { return false };
        if letter.is_whitespace() || letter.is_control() {
            self.at += 1;
            self.spaced = true;
        } else if let Some(to) = self.quoted(letter) {
            let inner = self.slice(self.at + 1, to - 1).trim().to_owned();
            self.push(Piece::Quoted(inner), to);
        } else if let Some((day, to)) = self.day() {
            self.push(Piece::Day(day), to);
        } else if let Some((number, to)) = self.number() {
            self.push(Piece::Number(number), to);
        } else if letter.is_alphanumeric() {
            self.word();
        } else {
            self.sign(letter);
        }
        true
    }

    /// The end of a quotation that opens here.
    fn quoted(&self, open: char) -> Option<usize> {
        let close = match open {
            '"' => '"',
            '“' | '„' => '”',
            '«' => '»',
            '\'' | '‘' if !self.before().is_some_and(char::is_alphanumeric) => open,
            _ => return None,
        };
        let matches = |letter: char| {
            letter == close || (open == '„' && letter == '“') || (open == '‘' && letter == '’')
        };
        let end = (self.at + 1..self.letters.len()).find(|at| {
            let after = self.letters.get(at + 1).map(|(_, letter)| *letter);
            let single = matches!(open, '\'' | '‘');
            self.letters.get(*at).is_some_and(|(_, letter)| matches(*letter))
                && !(single && after.is_some_and(char::is_alphanumeric))
        })?;
        (end > self.at + 1).then_some(end + 1)
    }

    fn digits(&self, from: usize, most: usize) -> Option<(u32, usize)> {
        let mut to = from;
        let mut value = 0_u32;
        while to - from < most
            && let Some(digit) = self.letters.get(to).and_then(|(_, letter)| letter.to_digit(10))
        {
            value = value.saturating_mul(10).saturating_add(digit);
            to += 1;
        }
        (to > from).then_some((value, to))
    }

    /// `2024-05-17`, `2024/5/17`, `05/17/2023` (month first unless it cannot be), `17.05.2023`.
    fn day(&self) -> Option<(Date, usize)> {
        if self.before().is_some_and(char::is_alphanumeric) {
            return None;
        }
        let (a, to) = self.digits(self.at, 4)?;
        let sign = self.letters.get(to)?.1;
        if !matches!(sign, '-' | '/' | '.') {
            return None;
        }
        let (b, second) = self.digits(to + 1, 2)?;
        if self.letters.get(second)?.1 != sign {
            return None;
        }
        let (c, mut end) = self.digits(second + 1, 4)?;
        let after = self.letters.get(end).map(|(_, letter)| *letter);
        if after == Some('T') && self.letters.get(end + 1).is_some_and(|(_, letter)| letter.is_ascii_digit())
        {
            // The time of day is finer than the days this language speaks of.
            while self
                .letters
                .get(end)
                .is_some_and(|(_, l)| l.is_alphanumeric() || matches!(l, ':' | '.' | '+' | '-'))
            {
                end += 1;
            }
        } else if after.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let (year, month, day) = match (to - self.at, end - second - 1, sign) {
            (4, ..) => (a, b, c),
            (_, 4, '.') => (c, b, a),
            (_, 4, '/' | '-') if a <= 12 => (c, a, b),
            (_, 4, '/' | '-') => (c, b, a),
            _ => return None,
        };
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let date =
            Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
        Some((date, end))
    }

    fn number(&self) -> Option<(Number, usize)> {
        let mut at = self.at;
        let money = |letter: char| matches!(letter, '$' | '€' | '£' | '¥' | '₹');
        let mut unit = Unit::None;
        let mut negative = false;
        if self.peek(0) == Some('-') && !self.before().is_some_and(|b| b.is_alphanumeric()) {
            negative = true;
            at += 1;
        }
        if let Some((_, letter)) = self.letters.get(at)
            && money(*letter)
        {
            unit = Unit::Money;
            at += 1;
        }
        let start = at;
        let mut digits = String::new();
        let mut fraction = false;
        while let Some((_, letter)) = self.letters.get(at) {
            let group = |from: usize| {
                (from..from + 3).all(|at| self.letters.get(at).is_some_and(|(_, l)| l.is_ascii_digit()))
            };
            let three = group(at + 1) && !self.letters.get(at + 4).is_some_and(|(_, l)| l.is_ascii_digit());
            match letter {
                '0'..='9' => digits.push(*letter),
                ',' if three && !fraction && !digits.is_empty() && digits.len() <= 15 => {}
                '.' if !fraction
                    && self.letters.get(at + 1).is_some_and(|(_, l)| l.is_ascii_digit())
                    && !digits.is_empty() =>
                {
                    fraction = true;
                    digits.push('.');
                }
                _ => break,
            }
            at += 1;
        }
        if digits.is_empty() || digits.len() > 30 {
            return None;
        }
        let plain = digits.len() == 4 && at - start == 4 && unit == Unit::None && !negative;
        let mut number = Number { value: digits.parse().ok()?, unit, or_more: false, plain_year: plain };
        // A suffix counts only when it is all that follows: "5kg", not "5kgx".
        let letters: String = self
            .letters
            .iter()
            .skip(at)
            .map(|(_, l)| *l)
            .take_while(|l| l.is_alphanumeric())
            .take(12)
            .collect();
        if !letters.is_empty() && !number.take_suffix(&letters.to_lowercase()) {
            return None;
        }
        at += letters.chars().count();
        match self.letters.get(at).map(|(_, letter)| *letter) {
            Some('%') => {
                number.unit = Unit::Percent;
                at += 1;
            }
            Some(letter) if money(letter) => {
                number.unit = Unit::Money;
                at += 1;
            }
            _ => {}
        }
        let next = |at: usize| self.letters.get(at).map(|(_, letter)| *letter);
        if next(at) == Some('+') && !next(at + 1).is_some_and(char::is_alphanumeric) {
            number.or_more = true;
            at += 1;
        }
        number.plain_year &= letters.is_empty();
        if negative {
            number.value = -number.value;
        }
        Some((number, at))
    }

    fn word(&mut self) {
        let mut to = self.at;
        while let Some((_, letter)) = self.letters.get(to) {
            let inner = matches!(letter, '\'' | '’')
                && to > self.at
                && self.letters.get(to + 1).is_some_and(|(_, after)| after.is_alphabetic());
            if !(letter.is_alphanumeric() || is_combining(*letter) || inner) || to - self.at >= MAX_WORD_CHARS
            {
                break;
            }
            to += 1;
        }
        let text = self.slice(self.at, to).to_owned();
        self.push(Piece::Word, to);
        // "Maria's" and "what's" are read without their tail.
        let folded = fold(&text);
        if let Some(bare) = folded.strip_suffix("'s").filter(|bare| !bare.is_empty())
            && let Some(last) = self.tokens.last_mut()
        {
            let keep = last.text.chars().count().saturating_sub(2);
            let short: String = last.text.chars().take(keep).collect();
            let spaced = last.spaced;
            *last = Token { folded: bare.to_owned(), ..Token::new(Piece::Word, &short, spaced) };
        }
    }

    fn sign(&mut self, letter: char) {
        let two: String = [Some(letter), self.peek(1)].into_iter().flatten().collect();
        let (sign, len) = match two.as_str() {
            ">=" | "=>" => (">=", 2),
            "<=" | "=<" => ("<=", 2),
            "!=" | "<>" => ("!=", 2),
            "==" => ("=", 2),
            _ => match letter {
                '≥' => (">=", 1),
                '≤' => ("<=", 1),
                '≠' => ("!=", 1),
                '–' | '—' | '−' => ("-", 1),
                '~' | '≈' => ("~", 1),
                '、' | '，' => (",", 1),
                _ => ("", 1),
            },
        };
        self.push(Piece::Sign, self.at + len);
        if let (false, Some(last)) = (sign.is_empty(), self.tokens.last_mut()) {
            sign.clone_into(&mut last.folded);
        }
    }
}

fn is_combining(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> Vec<String> {
        tokenize(text).into_iter().map(|token| token.folded).collect()
    }

    fn numbers(text: &str) -> Vec<(f64, Unit)> {
        let number = |token: Token| match token.piece {
            Piece::Number(number) => Some((number.value, number.unit)),
            _ => None,
        };
        tokenize(text).into_iter().filter_map(number).collect()
    }

    #[test]
    fn words_and_signs_are_cut_alike_in_values_and_questions() {
        assert_eq!(
            folded("Finch & Co's ORD-1042, aren't they?"),
            ["finch", "&", "co", "ord", "-", "1042", ",", "aren't", "they", "?"]
        );
        assert_eq!(folded("price>=10 and ≤ 20 – ok"), ["price", ">=", "10", "and", "<=", "20", "-", "ok"]);
    }

    #[test]
    fn numbers_carry_their_scale_and_unit() {
        let text = "1,200 1.5k $20 €1,200.50 20% 2m -3 4+ 3rd 5kg 12,5";
        let wanted = [
            (1200.0, Unit::None),
            (1500.0, Unit::None),
            (20.0, Unit::Money),
            (1200.5, Unit::Money),
            (20.0, Unit::Percent),
            (2e6, Unit::None),
            (-3.0, Unit::None),
            (4.0, Unit::None),
            (3.0, Unit::Ordinal),
            (5.0, Unit::Measure),
            (12.0, Unit::None),
            (5.0, Unit::None),
        ];
        assert_eq!(numbers(text), wanted);
        assert!(numbers("SUMMER24 3dx W410").is_empty());
        assert!(matches!(&tokenize("4+ beds")[0].piece, Piece::Number(number) if number.or_more));
    }

    #[test]
    fn days_are_read_in_the_usual_orders() {
        let days = |text: &str| {
            let day =
                |token: Token| if let Piece::Day(day) = token.piece { Some(day.to_string()) } else { None };
            tokenize(text).into_iter().filter_map(day).collect::<Vec<_>>()
        };
        assert_eq!(
            days("2024-05-17 03/15/2023 25/12/2023 17.05.2023 2024-05-17T10:00:00Z"),
            ["2024-05-17", "2023-03-15", "2023-12-25", "2023-05-17", "2024-05-17"]
        );
        assert!(days("2024-13-01 1-2-3 2020-2021 1.2.3").is_empty());
    }

    #[test]
    fn quotes_keep_their_text() {
        let quoted = |text: &str| match &tokenize(text)[0].piece {
            Piece::Quoted(inner) => Some(inner.clone()),
            _ => None,
        };
        assert_eq!(quoted("\"error 500\" x").as_deref(), Some("error 500"));
        assert_eq!(quoted("“it's” x").as_deref(), Some("it's"));
        assert_eq!(quoted("'don't stop' x").as_deref(), Some("don't stop"));
        assert_eq!(quoted("\"open"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_cut(text in any::<String>()) {
            prop_assert!(tokenize(&text).len() <= MAX_TOKENS);
        }
    }
}
