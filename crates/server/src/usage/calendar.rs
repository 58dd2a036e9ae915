//! Days and months of the UTC calendar: what usage is kept by.

use quarry_types::Timestamp;
use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// One day, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i64);

impl Day {
    /// The day a moment lies in.
    #[must_use]
    pub(crate) fn of(moment: Timestamp) -> Self {
        Self(moment.as_ms().div_euclid(DAY_MS))
    }

    /// The day of a date, or of a date-time with its offset.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Timestamp::parse(text).map(Self::of)
    }

    /// Its first moment.
    #[must_use]
    pub(crate) fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(DAY_MS))
    }

    /// So many days earlier.
    #[must_use]
    pub(crate) fn minus(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Days from an earlier one to this one.
    #[must_use]
    pub(crate) fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// One month: years times twelve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month(u32);

impl Month {
    /// The month a moment lies in.
    #[must_use]
    pub(crate) fn of(moment: Timestamp) -> Self {
        let text = moment.to_string();
        Self::from_digits(&text).unwrap_or(Self(1970 * 12))
    }

    /// This month.
    #[must_use]
    pub(crate) fn current() -> Self {
        Self::of(Timestamp::now())
    }

    /// Reads `YYYY-MM`; a longer date or date-time counts as its month.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let month = Self::from_digits(text)?;
        (text.len() == 7 || Timestamp::parse(text).is_some()).then_some(month)
    }

    /// The month in the first seven characters.
    fn from_digits(text: &str) -> Option<Self> {
        let (year, month) = (text.get(..4)?, text.get(5..7)?);
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u32>().ok());
        let (year, month) = (digits(year)??, digits(month)??);
        let fine = text.get(4..5) == Some("-") && (1..=12).contains(&month);
        fine.then_some(Self(year * 12 + month - 1))
    }

    /// The month after.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// So many months earlier.
    #[must_use]
    pub(crate) fn minus(self, months: u32) -> Self {
        Self(self.0.saturating_sub(months))
    }

    /// Its first day.
    #[must_use]
    pub(crate) fn first_day(self) -> Day {
        Day::parse(&format!("{self}-01")).unwrap_or(Day(0))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl serde::Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn months_round_trip_and_bad_ones_are_none() {
        for fine in ["2026-01", "2026-12", "1970-01"] {
            assert_eq!(Month::parse(fine).unwrap().to_string(), fine);
        }
        assert_eq!(Month::parse("2026-03-05T23:00:00Z"), Month::parse("2026-03"));
        assert_eq!(Month::parse("2026-12").unwrap().next(), Month::parse("2027-01").unwrap());
        assert_eq!(Month::parse("2026-01").unwrap().minus(13), Month::parse("2024-12").unwrap());
        assert_eq!(Month::parse("2024-02").unwrap().first_day().to_string(), "2024-02-01");
        let bad = ["", "2026", "2026-1", "2026-00", "2026-13", "2026/01", "2026-01x", "2026-01-99", "soon"];
        for bad in bad.into_iter().chain(["+026-01", "２０２６-01", "2026-0é", "20é6-01"]) {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        let day = Day::parse("2024-02-29").unwrap();
        assert_eq!(day.to_string(), "2024-02-29");
        assert_eq!(Day::of(Timestamp(day.start().as_ms() + DAY_MS - 1)), day);
        assert_eq!(Day::of(Timestamp(day.start().as_ms() - 1)).to_string(), "2024-02-28");
        assert_eq!(Day::parse("2024-03-01T00:30:00+01:00"), Some(day));
        assert_eq!((day.minus(29).to_string().as_str(), day.since(day.minus(29))), ("2024-01-31", 29));
        assert_eq!(Day::parse("2023-02-29"), None);
    }
}
