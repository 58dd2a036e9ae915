//! Moments as the wire shows them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970 UTC; shown as ISO 8601 with milliseconds and `Z`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment by the system clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn as_ms(self) -> i64 {
        self.0
    }

    /// An ISO 8601 date-time with offset, or a date alone (midnight UTC).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(moment) = parse_plain(text.as_bytes()) {
            return Some(moment);
        }
        let text = text.trim();
        let with_time;
        let full = if text.len() == 10 && text.is_ascii() {
            with_time = format!("{text}T00:00:00Z");
            with_time.as_str()
        } else {
            text
        };
        let moment = OffsetDateTime::parse(full, &Rfc3339)
            .ok()
            .or_else(|| OffsetDateTime::parse(&format!("{full}Z"), &Rfc3339).ok())?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(DAY_MS);
        let Some((year, month, day)) = civil_of(days) else {
            let shape = time::macros::format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
            );
            let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            return f.write_str(&moment.format(&shape).unwrap_or_default());
        };
        let ms = self.0.rem_euclid(DAY_MS);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let parts = [
            (4, year),
            (2, month),
            (2, day),
            (2, ms / 3_600_000),
            (2, ms / 60_000 % 60),
            (2, ms / 1_000 % 60),
        ];
        let mut at = 0;
        for (digits, number) in parts.into_iter().chain([(3, ms % 1_000)]) {
            let mut rest = number;
            for place in text.iter_mut().skip(at).take(digits).rev() {
                *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
            at += digits + 1;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

const DAY_MS: i64 = 86_400_000;

/// Year, month and day of a count of days since 1970, for the years 0 to 9999 (proleptic Gregorian).
fn civil_of(days: i64) -> Option<(i64, i64, i64)> {
    // Years are counted from March, so that the leap day ends one; 719,468 days lie between
    // 0000-03-01 and 1970-01-01.
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9_999).contains(&year).then_some((year, month, day))
}

/// Days since 1970 of a valid date.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2024-11-21T09:30:00Z` with or without milliseconds, the form nearly all texts have; `None` for
/// any other form and for dates that do not exist.
fn parse_plain(text: &[u8]) -> Option<Timestamp> {
    let ms = match text.len() {
        20 if text[19] == b'Z' => 0,
        24 if text[19] == b'.' && text[23] == b'Z' => number(text, 20, 23)?,
        _ => return None,
    };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separated.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    let (hour, minute, second) = (number(text, 11, 13)?, number(text, 14, 16)?, number(text, 17, 19)?);
    let days = days_of(year, month, day);
    // A date that does not exist comes back as another one.
    if hour > 23 || minute > 59 || second > 59 || civil_of(days) != Some((year, month, day)) {
        return None;
    }
    Some(Timestamp(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms))
}

fn number(text: &[u8], from: usize, to: usize) -> Option<i64> {
    let digits = text.get(from..to)?;
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Timestamp;
    use time::OffsetDateTime;

    #[test]
    fn iso_text_round_trips() {
        let moment = Timestamp(1_732_147_200_123);
        assert_eq!(moment.to_string(), "2024-11-21T00:00:00.123Z");
        assert_eq!(Timestamp::parse("2024-11-21T00:00:00.123Z"), Some(moment));
        assert_eq!(Timestamp::parse("2024-11-21T01:00:00.123+01:00"), Some(moment));
        assert_eq!(Timestamp::parse("2024-11-21"), Some(Timestamp(1_732_147_200_000)));
        assert_eq!(Timestamp::parse("2024-11-21T00:00:00"), Some(Timestamp(1_732_147_200_000)));
        for bad in ["", "tomorrow", "2024-13-01", "2024-11-21T25:00:00Z", "１２３４５６７８９０"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    /// The general parser and formatter, which the quick forms must equal.
    fn slowly(moment: Timestamp) -> String {
        let shape = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(moment.0) * 1_000_000).unwrap();
        moment.format(&shape).unwrap()
    }

    #[test]
    fn quick_texts_equal_those_of_the_general_formatter() {
        let first = Timestamp::parse("0000-01-01T00:00:00.000Z").unwrap().0;
        let last = Timestamp::parse("9999-12-31T23:59:59.999Z").unwrap().0;
        // A step that drifts through days, months and leap years.
        let step = 86_400_000 * 211 + 7 * 3_600_000 + 13 * 60_000 + 17_123;
        let mut moment = first;
        while moment <= last {
            let text = slowly(Timestamp(moment));
            assert_eq!(Timestamp(moment).to_string(), text);
            assert_eq!(Timestamp::parse(&text), Some(Timestamp(moment)), "{text}");
            moment += step;
        }
        assert_eq!(Timestamp(last).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(first).to_string(), "0000-01-01T00:00:00.000Z");
        for odd in [i64::MIN, i64::MAX, first - 1] {
            let _ = Timestamp(odd).to_string();
        }
        assert_eq!(Timestamp::parse("2024-02-29T12:00:00Z").unwrap().to_string(), "2024-02-29T12:00:00.000Z");
        for absent in [
            "2023-02-29T12:00:00Z",
            "2024-04-31T12:00:00.000Z",
            "1900-02-29T00:00:00Z",
            "2024-00-10T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(absent), None, "{absent}");
        }
    }
}
