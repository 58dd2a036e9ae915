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
        let shape = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        f.write_str(&moment.format(&shape).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

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
}
