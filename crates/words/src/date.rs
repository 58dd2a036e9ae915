//! Spans of days as people name them: "March 2023", "last week", "Q2 2024", "past 30 days".
//!
//! Knows no columns. Invariant: a span starts before it ends; the end is the first day after it.

use crate::number::{Unit, number_at};
use crate::token::{Piece, Token};
use time::{Date, Duration, Month, Weekday};

/// A half-open range of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Date,
    pub(crate) end: Date,
}

/// A stretch of time, as in "older than 30 days".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stretch {
    Days(i64),
    Months(i32),
}

impl Stretch {
    /// The day so far before (or, negative, after) another.
    pub(crate) fn before(self, day: Date) -> Option<Date> {
        match self {
            Self::Days(days) => day.checked_sub(Duration::days(days)),
            Self::Months(months) => shift_months(day, months.checked_neg()?),
        }
    }
}

fn shift_months(day: Date, months: i32) -> Option<Date> {
    let at =
        day.year().checked_mul(12)?.checked_add(i32::from(u8::from(day.month())) - 1)?.checked_add(months)?;
    let month = Month::try_from(u8::try_from(at.rem_euclid(12) + 1).ok()?).ok()?;
    let year = at.div_euclid(12);
    Date::from_calendar_date(year, month, day.day().min(month.length(year))).ok()
}

fn days(start: Date, count: i64) -> Option<Span> {
    Some(Span { start, end: start.checked_add(Duration::days(count))? })
}

fn months(year: i32, month: u8, count: i32) -> Option<Span> {
    let start = Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok()?;
    Some(Span { start, end: shift_months(start, count)? })
}

/// The calendar year.
pub(crate) fn year(year: i32) -> Option<Span> {
    months(year, 1, 12)
}

/// Whether the word names a month, and which.
fn month_of(word: &str) -> Option<u8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let short = |name: &str| name.get(..3) == Some(word) || (name == "september" && word == "sept");
    let at = NAMES.iter().position(|name| *name == word || short(name))?;
    u8::try_from(at + 1).ok()
}

fn weekday_of(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// The unit of a stretch: its length for one.
fn stretch_unit(word: &str) -> Option<Stretch> {
    Some(match word {
        "day" | "days" => Stretch::Days(1),
        "week" | "weeks" => Stretch::Days(7),
        "fortnight" => Stretch::Days(14),
        "month" | "months" => Stretch::Months(1),
        "quarter" | "quarters" => Stretch::Months(3),
        "year" | "years" => Stretch::Months(12),
        _ => return None,
    })
}

/// "30 days", "two weeks", "a year".
pub(crate) fn stretch_at(tokens: &[Token], from: usize) -> Option<(Stretch, usize)> {
    let word = |at: usize| tokens.get(at).map(|token| token.folded.as_str()).unwrap_or_default();
    let (count, taken) = match number_at(tokens, from) {
        Some((number, taken)) if number.unit == Unit::None && number.value.fract() == 0.0 => {
            (number.value, taken)
        }
        Some(_) => return None,
        None if matches!(word(from), "a" | "an" | "one") => (1.0, 1),
        None => return None,
    };
    if !(0.0..=100_000.0).contains(&count) {
        return None;
    }
    let count = count as i32;
    let stretch = match stretch_unit(word(from + taken))? {
        Stretch::Days(days) => Stretch::Days(days * i64::from(count)),
        Stretch::Months(months) => Stretch::Months(months.checked_mul(count)?),
    };
    Some((stretch, taken + 1))
}

/// The span named at a token and how many tokens name it. A bare year is left to the caller: it
/// may as well be a number.
pub(crate) fn span_at(tokens: &[Token], from: usize, today: Date) -> Option<(Span, usize)> {
    Reader { tokens, today }.span(from)
}

struct Reader<'a> {
    tokens: &'a [Token],
    today: Date,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> &str {
        self.tokens
            .get(at)
            .filter(|token| token.is_word())
            .map(|token| token.folded.as_str())
            .unwrap_or_default()
    }

    fn number(&self, at: usize) -> Option<i32> {
        let (number, taken) = number_at(self.tokens, at)?;
        let whole = number.value.fract() == 0.0 && number.value.abs() <= 100_000.0 && taken == 1;
        whole.then_some(number.value as i32)
    }

    fn year_at(&self, at: usize) -> Option<i32> {
        match &self.tokens.get(at)?.piece {
            Piece::Number(number) => number.year(),
            _ => None,
        }
    }

    fn span(&self, at: usize) -> Option<(Span, usize)> {
        if let Some(Token { piece: Piece::Day(day), .. }) = self.tokens.get(at) {
            return Some((days(*day, 1)?, 1));
        }
        let the = usize::from(self.word(at) == "the");
        self.relative(at + the)
            .or_else(|| self.quarter(at + the))
            .or_else(|| self.season(at + the))
            .or_else(|| self.edge(at + the))
            .map(|(span, taken)| (span, taken + the))
            .or_else(|| self.month(at))
            .or_else(|| self.ago(at))
            .or_else(|| self.decade(at + the).map(|(span, taken)| (span, taken + the)))
    }

    fn relative(&self, at: usize) -> Option<(Span, usize)> {
        let today = self.today;
        match self.word(at) {
            "today" | "tonight" => return Some((days(today, 1)?, 1)),
            "yesterday" => return Some((days(today.previous_day()?, 1)?, 1)),
            "tomorrow" => return Some((days(today.next_day()?, 1)?, 1)),
            "ytd" => return Some((Span { start: year(today.year())?.start, end: today.next_day()? }, 1)),
            _ => {}
        }
        let which = match self.word(at) {
            "last" | "past" | "previous" => -1,
            "this" | "current" => 0,
            "next" | "coming" | "following" => 1,
            _ => return None,
        };
        if which != 0
            && let Some((stretch, taken)) = stretch_at(self.tokens, at + 1)
            && self.word(at + 1) != "a"
        {
            let span = if which < 0 {
                Span { start: stretch.before(today)?, end: today.next_day()? }
            } else {
                let end = match stretch {
                    Stretch::Days(days) => Stretch::Days(-days).before(today)?,
                    Stretch::Months(months) => shift_months(today, months)?,
                };
                Span { start: today, end: end.next_day()? }
            };
            return (span.start < span.end).then_some((span, taken + 1));
        }
        let rolling = self.word(at) == "past";
        let unit = self.word(at + 1);
        let monday =
            today.checked_sub(Duration::days(i64::from(today.weekday().number_days_from_monday())))?;
        let month = i32::from(u8::from(today.month()));
        let span = match unit {
            _ if rolling => {
                let start = stretch_unit(unit).filter(|_| !unit.ends_with('s'))?.before(today)?;
                Span { start, end: today.next_day()? }
            }
            "week" => days(monday.checked_add(Duration::weeks(which))?, 7)?,
            "weekend" => {
                days(monday.checked_add(Duration::weeks(which))?.checked_add(Duration::days(5))?, 2)?
            }
            "month" => {
                let start = shift_months(today.replace_day(1).ok()?, i32::try_from(which).ok()?)?;
                Span { start, end: shift_months(start, 1)? }
            }
            "quarter" => {
                let first = shift_months(today.replace_day(1).ok()?, -((month - 1) % 3))?;
                let start = shift_months(first, 3 * i32::try_from(which).ok()?)?;
                Span { start, end: shift_months(start, 3)? }
            }
            "year" => year(today.year() + i32::try_from(which).ok()?)?,
            unit => return self.named_neighbour(unit, which).map(|span| (span, 2)),
        };
        Some((span, 2))
    }

    /// "last Monday", "next March".
    fn named_neighbour(&self, name: &str, which: i64) -> Option<Span> {
        if let Some(weekday) = weekday_of(name) {
            // -1: strictly before today; 1: strictly after; 0: today or the next one.
            let ahead = (i64::from(weekday.number_days_from_monday()) + 7
                - i64::from(self.today.weekday().number_days_from_monday()))
                % 7;
            let ahead = match which {
                -1 if ahead == 0 => -7,
                -1 => ahead - 7,
                1 if ahead == 0 => 7,
                _ => ahead,
            };
            let day = self.today.checked_add(Duration::days(ahead))?;
            return days(day, 1);
        }
        let season = self.season_months(name).map(|(month, count)| (month, count, 0));
        let (month, count, _) = season.or_else(|| month_of(name).map(|month| (month, 1, 0)))?;
        let span = |year: i32| months(year, month, count);
        let year = self.today.year();
        match which {
            -1 => [year, year - 1].into_iter().filter_map(span).find(|span| span.end <= self.today),
            1 => [year, year + 1].into_iter().filter_map(span).find(|span| span.start > self.today),
            _ => span(year),
        }
    }

    fn quarter(&self, at: usize) -> Option<(Span, usize)> {
        let word = self.word(at);
        let (index, size, mut taken) =
            if let Some(index) = word.strip_prefix('q').and_then(|q| q.parse::<u8>().ok()) {
                (index, 3, 1)
            } else if let Some(index) = word.strip_prefix('h').and_then(|h| h.parse::<u8>().ok()) {
                (index, 6, 1)
            } else {
                let (number, taken) =
                    number_at(self.tokens, at).filter(|(number, _)| number.unit == Unit::Ordinal)?;
                let size = match self.word(at + taken) {
                    "quarter" => 3,
                    "half" => 6,
                    _ => return None,
                };
                (number.value as u8, size, taken + 1)
            };
        if index == 0 || index > 12 / size {
            return None;
        }
        if matches!(self.word(at + taken), "of" | "in") && self.year_at(at + taken + 1).is_some() {
            taken += 1;
        }
        let year = self.year_at(at + taken);
        taken += usize::from(year.is_some());
        let span = months(year.unwrap_or(self.today.year()), (index - 1) * size + 1, i32::from(size))?;
        Some((span, taken))
    }

    fn season_months(&self, name: &str) -> Option<(u8, i32)> {
        Some(match name {
            "spring" => (3, 3),
            "summer" => (6, 3),
            "autumn" | "fall" => (9, 3),
            "winter" => (12, 3),
            _ => return None,
        })
    }

    fn season(&self, at: usize) -> Option<(Span, usize)> {
        let (month, count) = self.season_months(self.word(at))?;
        let of = usize::from(self.word(at + 1) == "of");
        let year = self.year_at(at + 1 + of)?;
        Some((months(year, month, count)?, 2 + of))
    }

    /// "the start of 2023", "end of March 2023": the first or last day.
    fn edge(&self, at: usize) -> Option<(Span, usize)> {
        let first = match self.word(at) {
            "start" | "beginning" => true,
            "end" => false,
            _ => return None,
        };
        if self.word(at + 1) != "of" {
            return None;
        }
        let (span, taken) = match self.year_at(at + 2) {
            Some(number) => (year(number)?, 1),
            None => self.month(at + 2).or_else(|| self.quarter(at + 2)).or_else(|| self.relative(at + 2))?,
        };
        let day = if first { span.start } else { span.end.previous_day()? };
        Some((days(day, 1)?, taken + 2))
    }

    /// "March", "March 2023", "March 3, 2023", "3 March 2023", "3rd of March".
    fn month(&self, at: usize) -> Option<(Span, usize)> {
        let the = usize::from(self.word(at) == "the");
        if let Some(day) = self.number(at + the).filter(|day| (1..=31).contains(day)) {
            let of = usize::from(self.word(at + the + 1) == "of");
            let month = month_of(self.word(at + the + 1 + of))?;
            return self.day(day, month, the + of + 2, at);
        }
        let month = month_of(self.word(at))?;
        let mut next = at + 1;
        let the = usize::from(self.word(next) == "the");
        let day = self
            .number(next + the)
            .filter(|day| (1..=31).contains(day) && self.year_at(next + the).is_none());
        if let Some(day) = day {
            return self.day(day, month, next + the + 1 - at, at);
        }
        next += usize::from(matches!(self.word(next), "of" | "in") && self.year_at(next + 1).is_some());
        if let Some(year) = self.year_at(next) {
            return Some((months(year, month, 1)?, next + 1 - at));
        }
        // Without a year: the latest such month that has begun. "may" and "march" are also verbs.
        let verb = matches!(self.word(at), "may" | "march" | "mar" | "sun");
        if verb && !self.is_date_place(at) {
            return None;
        }
        let span = |year: i32| months(year, month, 1);
        let year = self.today.year();
        let span = [year, year - 1].into_iter().filter_map(span).find(|span| span.start <= self.today)?;
        Some((span, 1))
    }

    fn day(&self, day: i32, month: u8, mut taken: usize, at: usize) -> Option<(Span, usize)> {
        let comma = self.tokens.get(at + taken).is_some_and(|token| token.folded == ",");
        let gap = usize::from(comma && self.year_at(at + taken + 1).is_some());
        let year = self.year_at(at + taken + gap);
        if year.is_some() {
            taken += gap + 1;
        }
        let (day, month) = (u8::try_from(day).ok()?, Month::try_from(month).ok()?);
        let date = |year: i32| Date::from_calendar_date(year, month, day).ok();
        let date = match year {
            Some(year) => date(year)?,
            None => {
                let now = self.today.year();
                [now, now - 1].into_iter().filter_map(date).find(|date| *date <= self.today)?
            }
        };
        Some((days(date, 1)?, taken))
    }

    fn is_date_place(&self, at: usize) -> bool {
        const BEFORE: [&str; 14] = [
            "in", "since", "after", "before", "until", "till", "by", "from", "to", "between", "during",
            "through", "of", "and",
        ];
        at.checked_sub(1).is_some_and(|before| BEFORE.contains(&self.word(before)))
    }

    /// "3 days ago", "two weeks ago".
    fn ago(&self, at: usize) -> Option<(Span, usize)> {
        let (stretch, taken) = stretch_at(self.tokens, at)?;
        if self.word(at + taken) != "ago" {
            return None;
        }
        Some((days(stretch.before(self.today)?, 1)?, taken + 1))
    }

    /// "1990s", "90s".
    fn decade(&self, at: usize) -> Option<(Span, usize)> {
        let token = self.tokens.get(at)?;
        let Piece::Number(number) = &token.piece else { return None };
        let digits = token.folded.strip_suffix('s')?;
        let value = number.value as i32;
        let start = match digits.len() {
            4 if (1800..=2200).contains(&value) => value,
            2 if value >= 30 => 1900 + value,
            2 => 2000 + value,
            _ => return None,
        };
        (start % 10 == 0).then_some(())?;
        Some((Span { start: year(start)?.start, end: year(start + 10)?.start }, 1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::token::tokenize;
    use proptest::prelude::*;
    use time::macros::date;

    /// A Wednesday.
    const TODAY: Date = date!(2024 - 11 - 20);

    fn read(text: &str) -> Option<(String, usize)> {
        let (span, taken) = span_at(&tokenize(text), 0, TODAY)?;
        Some((format!("{}..{}", span.start, span.end), taken))
    }

    #[test]
    fn spans_are_read() {
        for (text, wanted) in [
            ("today", "2024-11-20..2024-11-21"),
            ("yesterday", "2024-11-19..2024-11-20"),
            ("last week", "2024-11-11..2024-11-18"),
            ("this week", "2024-11-18..2024-11-25"),
            ("last month", "2024-10-01..2024-11-01"),
            ("next month", "2024-12-01..2025-01-01"),
            ("this quarter", "2024-10-01..2025-01-01"),
            ("last year", "2023-01-01..2024-01-01"),
            ("the past 30 days", "2024-10-21..2024-11-21"),
            ("last two weeks", "2024-11-06..2024-11-21"),
            ("past month", "2024-10-20..2024-11-21"),
            ("next 14 days", "2024-11-20..2024-12-05"),
            ("March 2023", "2023-03-01..2023-04-01"),
            ("march", ""),
            ("October", "2024-10-01..2024-11-01"),
            ("December", "2023-12-01..2024-01-01"),
            ("3 March 2023", "2023-03-03..2023-03-04"),
            ("3rd of March 2023", "2023-03-03..2023-03-04"),
            ("March 3, 2023", "2023-03-03..2023-03-04"),
            ("Q2 2024", "2024-04-01..2024-07-01"),
            ("the first quarter of 2023", "2023-01-01..2023-04-01"),
            ("second half of 2023", "2023-07-01..2024-01-01"),
            ("summer 2024", "2024-06-01..2024-09-01"),
            ("last summer", "2024-06-01..2024-09-01"),
            ("last monday", "2024-11-18..2024-11-19"),
            ("3 days ago", "2024-11-17..2024-11-18"),
            ("end of 2023", "2023-12-31..2024-01-01"),
            ("1990s", "1990-01-01..2000-01-01"),
            ("2024-05-17", "2024-05-17..2024-05-18"),
            ("31 February 2024", ""),
            ("last chair", ""),
            ("2023", ""),
        ] {
            assert_eq!(read(text).map(|(span, _)| span).unwrap_or_default(), wanted, "{text}");
        }
        assert_eq!(read("March 3, 2023 x").unwrap().1, 4);
    }

    proptest! {
        #[test]
        fn spans_never_panic_and_never_run_backwards(
            text in "(last|next|past|the|[0-9]{1,6}|march|of|days|months|q[0-9]|first|half|year|,| ){1,9}",
            year in -9000_i32..9000,
        ) {
            let today = Date::from_calendar_date(year, Month::February, 28).unwrap();
            let tokens = tokenize(&text);
            for at in 0..tokens.len() {
                if let Some((span, taken)) = span_at(&tokens, at, today) {
                    prop_assert!(span.start < span.end && taken > 0 && at + taken <= tokens.len());
                }
            }
        }
    }
}
