//! Numbers as a workbook shows them: decimals, percent signs, leading zeros and the text around, such as a currency.
//!
//! Left out on purpose: separators of thousands, so that a number is found by its digits, and brackets or colours
//! for what is below zero, which has a minus here. Where the sections of a format differ in their words the number
//! stands without. What a format says beyond that (conditions, fractions, powers of ten, thousands as the unit,
//! digits in groups, text alone) is not followed: the number is written plainly, with the 15 digits that Excel keeps.

use super::{END, Mark, Marks};

/// Most digits before and behind the point that a format may ask for.
const MOST_DIGITS: usize = 15;
/// Most bytes of the text on one side of a number.
const MOST_TEXT: usize = 32;

const COLOURS: [&str; 9] = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow", "color"];

/// A number without a format: a fraction has no more than 15 digits, as what is beyond them is noise of the binary form.
pub(in crate::sheet) fn plain(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let text = number.to_string();
    if number.fract() == 0.0 || text.len() <= MOST_DIGITS {
        return text;
    }
    format!("{number:.14e}").parse::<f64>().map_or(text, |number| number.to_string())
}

/// A number as the text shown for it has it, in the digits of all others; plainly when the text is another number's.
pub(in crate::sheet) fn as_shown(number: f64, shown: &str) -> String {
    Figure::of_shown(shown, number).and_then(|figure| figure.text(number)).unwrap_or_else(|| plain(number))
}

/// How a number is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sheet) struct Figure {
    before: String,
    after: String,
    percent: bool,
    /// Least digits before the point.
    digits: usize,
    /// Least and most decimals.
    least: usize,
    most: usize,
    /// What is shown for nothing, when that is words.
    nothing: Option<String>,
}

impl Figure {
    /// Of a format code; `None` when it says more than is followed.
    pub(super) fn of_code(code: &str) -> Option<Self> {
        let mut marks = Marks::new(code);
        let mut figure = Self::of_section(&mut marks)?;
        // A text alone may have a section of its own.
        let is_text = marks.clone().take_while(|mark| *mark != END).any(|mark| mark == Mark::Letter('@'));
        if !marks.is_done() && !is_text {
            let below_zero = Self::of_section(&mut marks)?.without_sign();
            if figure.without_words() != below_zero.without_words() {
                return None;
            }
            figure = figure.without_sign();
            if figure != below_zero {
                figure = figure.without_words();
            }
            figure.nothing = words_alone(&mut marks);
        }
        Some(figure.without_sign())
    }

    /// Of one section of a format code.
    fn of_section(marks: &mut Marks<'_>) -> Option<Self> {
        let mut figure = Self::default();
        let mut at = Place::Before;
        // A separator of thousands stands between digits.
        let (mut separator, mut filled) = (false, false);
        for mark in marks.take_while(|mark| *mark != END) {
            let digit = matches!(mark, Mark::Letter('0' | '#' | '?'));
            if separator && !digit {
                return None;
            }
            match mark {
                Mark::Letter(letter) if digit => {
                    (separator, filled) = (false, true);
                    let fixed = letter == '0';
                    match at {
                        Place::Before | Place::Whole => {
                            at = Place::Whole;
                            figure.digits += usize::from(fixed || figure.digits > 0);
                        }
                        Place::Decimals => {
                            figure.most += 1;
                            figure.least = if fixed { figure.most } else { figure.least };
                        }
                        Place::After => return None,
                    }
                }
                Mark::Letter(',') if at == Place::Whole => separator = true,
                Mark::Letter('.') if matches!(at, Place::Before | Place::Whole) => at = Place::Decimals,
                Mark::Letter('%') if figure.percent => return None,
                Mark::Letter('%') => {
                    figure.percent = true;
                    figure.add("%", &mut at);
                }
                Mark::Letter(letter) if stands_for_itself(letter) => {
                    figure.add(letter.encode_utf8(&mut [0; 4]), &mut at);
                }
                Mark::Letter(_) => return None,
                Mark::Literal(text) => figure.add(text, &mut at),
                Mark::Bracket(inside) => match inside.strip_prefix('$') {
                    // A currency and the number of a language.
                    Some(inside) => figure.add(inside.split('-').next().unwrap_or_default(), &mut at),
                    None if is_colour(inside) => {}
                    None => return None,
                },
            }
        }
        (filled && !separator).then(|| figure.trimmed())?.bounded()
    }

    /// Of a text shown for a number.
    fn of_shown(shown: &str, number: f64) -> Option<Self> {
        let is_digit = |letter: char| letter.is_ascii_digit();
        let (first, last) = (shown.find(is_digit)?, shown.rfind(is_digit)?);
        let (core, after) = (shown.get(first..=last)?, shown.get(last + 1..)?);
        let between = |letter: char| matches!(letter, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}');
        if !core.chars().all(|letter| is_digit(letter) || between(letter)) {
            return None;
        }
        let figure = Self {
            before: shown.get(..first)?.to_owned(),
            after: after.to_owned(),
            percent: shown.contains('%'),
            ..Self::default()
        };
        let figure = figure.without_sign().bounded()?;
        let digits = |text: &str| text.chars().filter(|letter| is_digit(*letter)).collect::<String>();
        let wanted = digits(core);
        let last_group = core.rsplit_once(['.', ',']).map_or(0, |(_, group)| group.len());
        let of_decimals = |most: usize| Self { least: most, most, ..figure.clone() }.bounded();
        let mut tries = [last_group, 0].into_iter().filter_map(of_decimals);
        tries.find(|figure| figure.text(number).is_some_and(|text| digits(&text) == wanted))
    }

    /// Adds a text where the code has come to; a number ends with it.
    fn add(&mut self, text: &str, at: &mut Place) {
        if text.is_empty() {
            return;
        }
        match at {
            Place::Before => self.before.push_str(text),
            _ => {
                self.after.push_str(text);
                *at = Place::After;
            }
        }
    }

    fn without_sign(mut self) -> Self {
        self.before.retain(|letter| !matches!(letter, '+' | '-' | '−' | '–' | '('));
        self.after.retain(|letter| !matches!(letter, '+' | '-' | '−' | '–' | ')'));
        self.trimmed()
    }

    fn without_words(&self) -> Self {
        let after = if self.percent { "%" } else { "" }.to_owned();
        Self { before: String::new(), after, ..self.clone() }
    }

    fn trimmed(mut self) -> Self {
        self.before.drain(..self.before.len() - self.before.trim_start().len());
        self.after.truncate(self.after.trim_end().len());
        self
    }

    /// Itself when it asks for no more than it may.
    fn bounded(self) -> Option<Self> {
        let digits = self.digits.max(self.most) <= MOST_DIGITS;
        (digits && self.before.len().max(self.after.len()) <= MOST_TEXT).then_some(self)
    }

    /// The text of a number; `None` when it is too large or none.
    pub(super) fn text(&self, number: f64) -> Option<String> {
        if let Some(words) = self.nothing.as_ref().filter(|_| number == 0.0) {
            return Some(words.clone());
        }
        let (digits, power) = significant(number.abs())?;
        // The number times ten to the power of its decimals, rounded as people round what they read.
        let shift = power + i32::try_from(self.most).ok()? + if self.percent { 2 } else { 0 };
        let power = 10_u128.checked_pow(shift.unsigned_abs());
        let scaled = match power {
            Some(power) if shift < 0 => (digits + power / 2) / power,
            Some(power) => digits.checked_mul(power)?,
            None if shift < 0 => 0,
            None => return None,
        };
        let text = format!("{scaled:0width$}", width = self.digits.max(1) + self.most);
        let (whole, decimals) = text.split_at_checked(text.len().checked_sub(self.most)?)?;
        let (fixed, free) = decimals.split_at_checked(self.least)?;
        let free = free.trim_end_matches('0');
        let sign = if number < 0.0 && scaled > 0 { "-" } else { "" };
        let point = if fixed.is_empty() && free.is_empty() { "" } else { "." };
        Some(format!("{sign}{}{whole}{point}{fixed}{free}{}", self.before, self.after))
    }
}

/// The text of a section without digits, when it has words.
fn words_alone(marks: &mut Marks<'_>) -> Option<String> {
    let mut words = String::new();
    for mark in marks.take_while(|mark| *mark != END) {
        match mark {
            Mark::Literal(text) => words.push_str(text),
            Mark::Letter(letter) if stands_for_itself(letter) => words.push(letter),
            Mark::Bracket(inside) if is_colour(inside) => {}
            _ => return None,
        }
    }
    let words = words.trim();
    (words.len() <= MOST_TEXT && words.contains(char::is_alphabetic)).then(|| words.to_owned())
}

/// The digits of a number and the power of ten they are to be taken times: all of a whole one, 15 of others.
fn significant(number: f64) -> Option<(u128, i32)> {
    if number.fract() == 0.0 && number < 1e18 {
        return Some((number as u128, 0));
    }
    let text = format!("{number:.14e}");
    let (digits, power) = text.split_once('e')?;
    let power: i32 = power.parse().ok()?;
    Some((digits.replace('.', "").parse().ok()?, power - 14))
}

/// Where in a section a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Whole,
    Decimals,
    After,
}

/// Whether a letter of a format code needs no quotes to be shown.
fn stands_for_itself(letter: char) -> bool {
    !letter.is_ascii() || " $+-():!^&'~{}<>=".contains(letter)
}

fn is_colour(name: &str) -> bool {
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
    COLOURS.iter().any(|colour| name.eq_ignore_ascii_case(colour))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(code: &str, number: f64) -> Option<String> {
        Figure::of_code(code).and_then(|figure| figure.text(number))
    }

    #[test]
    fn numbers_are_shown_as_their_format_says() {
        let cases = [
            ("0", 12.5, "13"),
            ("0.00", 12.0, "12.00"),
            ("0.00", 1.005, "1.01"),
            ("0.00", -0.125, "-0.13"),
            ("0.00", -0.001, "0.00"),
            ("#,##0", 1_234_567.0, "1234567"),
            ("#,##0.00", 0.5, "0.50"),
            ("0%", 0.51, "51%"),
            ("0.0%", 0.273, "27.3%"),
            ("0.0%", -0.044_000_000_000_000_004, "-4.4%"),
            ("0.00\\ %", 0.285, "28.50 %"),
            ("0.0##", 1.25, "1.25"),
            ("0.0##", 2.0, "2.0"),
            ("#.##", 0.5, "0.5"),
            ("#", 0.0, "0"),
            ("00000", 1_234.0, "01234"),
            ("0.00", 999.999, "1000.00"),
            ("0", 4_111_111_111_111_111.0, "4111111111111111"),
            ("0.00;@", 1.0, "1.00"),
            ("+#,##0.00 €;-#,##0.00 €", 5.0, "5.00 €"),
            ("+#,##0.00 €;-#,##0.00 €", -5.0, "-5.00 €"),
            ("+0.0%", -0.05, "-5.0%"),
            ("#,##0.00 €;-#,##0.00 €;\"on request\"", 0.0, "on request"),
            ("#,##0.00 €;-#,##0.00 €;\"on request\"", 2.0, "2.00 €"),
            ("_-* #,##0.00 €_-;-* #,##0.00 €_-;_-* \"-\"?? €_-;_-@_-", 0.0, "0.00 €"),
            ("0", 1e22, "10000000000000000000000"),
        ];
        for (code, number, shown) in cases {
            assert_eq!(text(code, number).as_deref(), Some(shown), "{code} of {number}");
        }
    }

    #[test]
    fn currencies_and_units_stand_where_they_are_shown() {
        let cases = [
            ("$#,##0.00", 1_234.5, "$1234.50"),
            ("$#,##0.00", -5.0, "-$5.00"),
            ("#,##0.00\\ \"€\"", 5.0, "5.00 €"),
            ("#,##0.00 [$€-407]", 5.0, "5.00 €"),
            ("[$€-2]\\ #,##0.00", 5.0, "€ 5.00"),
            ("[$-409]0.0", 5.0, "5.0"),
            ("0.0\" kg\"", 5.0, "5.0 kg"),
            ("#,##0 ;[Red](#,##0)", -1_234.0, "-1234"),
            ("\"$\"#,##0.00_);[Red]\\(\"$\"#,##0.00\\)", -5.0, "-$5.00"),
            ("_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-;_-@_-", -5.0, "-5.00 €"),
            ("_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)", 0.0, "$0.00"),
            // Words for the sign are left out.
            ("[Color10]▲0.0%;[Red]▼0.0%", -0.05, "-5.0%"),
            ("\"up \"0;\"down \"0", 3.0, "3"),
        ];
        for (code, number, shown) in cases {
            assert_eq!(text(code, number).as_deref(), Some(shown), "{code} of {number}");
        }
    }

    #[test]
    fn formats_that_say_more_are_not_followed() {
        let codes = [
            "",
            ";",
            ";;;",
            "@",
            "\"yes\"",
            ".",
            "%",
            "0.00E+00",
            "##0.0E+0",
            "# ?/?",
            "# ?/8",
            "0,",
            "#,##0,,\"M\"",
            "0.0,",
            "[>=1000]0.0;0",
            "[<0]0",
            "000-00-0000",
            "0.0 kg",
            "General\" kg\"",
            "0%%",
            "0.00;0.0",
            "0;;",
            "0.0.0",
            "[DBNum1]0",
            "0000000000000000",
            "0.0000000000000000",
            "0 0",
        ];
        for code in codes {
            assert_eq!(Figure::of_code(code), None, "{code}");
        }
        let long = format!("\"{}\"0", "x".repeat(MOST_TEXT + 1));
        assert_eq!(Figure::of_code(&long), None);
        for number in [f64::NAN, f64::INFINITY, f64::MAX, -1e40] {
            assert_eq!(text("0.00", number), None, "{number}");
        }
        assert_eq!(text("0.00", f64::MIN_POSITIVE).as_deref(), Some("0.00"));
    }

    #[test]
    fn plain_numbers_have_no_noise() {
        let cases = [
            (-0.044_000_000_000_000_004, "-0.044"),
            (0.1 + 0.2, "0.3"),
            (-0.0, "0"),
            (12.0, "12"),
            (1.0 / 3.0, "0.333333333333333"),
            (4_111_111_111_111_111.0, "4111111111111111"),
            (f64::NAN, "NaN"),
        ];
        for (number, shown) in cases {
            assert_eq!(plain(number), shown);
        }
    }

    #[test]
    fn shown_texts_tell_decimals_and_words() {
        let cases = [
            (0.273, "27,3 %", "27.3 %"),
            (-0.05, "-5%", "-5%"),
            (1_234.5, "1.234,50 €", "1234.50 €"),
            (-1_234.0, "(1,234 USD)", "-1234 USD"),
            (1_234.0, "$1,234", "$1234"),
            // The text of another number, or of none.
            (0.273, "31 %", "0.273"),
            (0.273, "none", "0.273"),
            (2.0, "1 of 2", "2"),
            (2.0, "2", "2"),
        ];
        for (number, shown, wanted) in cases {
            assert_eq!(as_shown(number, shown), wanted, "{shown}");
        }
    }
}
