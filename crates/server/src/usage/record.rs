//! Records of the collection `usage` of each bot. Nobody else builds a key.
//!
//! `d/<YYYY-MM-DD>` what happened on a day: the last level of each hour in which a level changed, and counts.
//! `m/<YYYY-MM>` the last level of a month in which a level changed. `r` the last repair of counters.

use super::calendar::{Day, Month};
use super::tally::{Activity, Counts};
use bytes::Bytes;
use quarry_store::{Coll, Key, Record};
use quarry_types::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

pub(crate) const DAYS: &[u8] = b"d/";
pub(crate) const MONTHS: &[u8] = b"m/";
pub(crate) const REPAIR: &[u8] = b"r";

pub(crate) fn collection() -> Coll {
    Coll::new("usage")
}

pub(crate) fn day_key(day: Day) -> Key {
    format!("d/{day}").into_bytes()
}

pub(crate) fn month_key(month: Month) -> Key {
    format!("m/{month}").into_bytes()
}

/// The day a record is of.
pub(crate) fn day_of(record: &Record) -> Option<Day> {
    Day::parse(std::str::from_utf8(record.key.strip_prefix(DAYS)?).ok()?)
}

/// The month a record is of.
pub(crate) fn month_of(record: &Record) -> Option<Month> {
    Month::parse(std::str::from_utf8(record.key.strip_prefix(MONTHS)?).ok()?)
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, quarry_store::Error> {
    let text = serde_json::to_vec(value).map_err(quarry_store::Error::io)?;
    Ok(text.into())
}

pub(crate) fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, quarry_store::Error> {
    serde_json::from_slice(&record.value)
        .map_err(|cause| quarry_store::Error::Corrupt(format!("usage record: {cause}")))
}

/// How much a bot holds at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Levels {
    /// Bytes of files.
    pub(crate) storage_bytes: u64,
    /// Vectors.
    pub(crate) vectors: u64,
    /// Rows × factor.
    pub(crate) table_rows: u64,
    /// Files that can be found.
    pub(crate) indexed_files: u64,
}

impl Levels {
    /// These and those of another bot.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            storage_bytes: self.storage_bytes.saturating_add(other.storage_bytes),
            vectors: self.vectors.saturating_add(other.vectors),
            table_rows: self.table_rows.saturating_add(other.table_rows),
            indexed_files: self.indexed_files.saturating_add(other.indexed_files),
        }
    }
}

/// Levels and when they were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) levels: Levels,
}

impl Point {
    /// Hours since 1970: a day keeps one point of each.
    #[must_use]
    pub(crate) fn hour(&self) -> i64 {
        self.at.as_ms().div_euclid(3_600_000)
    }
}

/// What is kept of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DayRecord {
    /// Oldest first, at most one of each hour.
    pub(crate) points: Vec<Point>,
    /// By [`Activity::word`].
    pub(crate) counts: BTreeMap<String, u64>,
}

impl DayRecord {
    /// Takes in a level, when it changed, and counts.
    pub(crate) fn add(&mut self, point: Option<Point>, counts: &Counts) {
        if let Some(point) = point {
            // A clock set back must not break the order.
            self.points.retain(|kept| kept.hour() < point.hour());
            self.points.push(point);
        }
        for (what, count) in Activity::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
            let sum = self.counts.entry(what.word().to_owned()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// How often something was done that day.
    #[must_use]
    pub(crate) fn count(&self, what: Activity) -> u64 {
        self.counts.get(what.word()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_keeps_one_point_an_hour_in_order() {
        let mut day = DayRecord::default();
        let point = |minute: i64, vectors| Point {
            at: Timestamp(minute * 60_000),
            levels: Levels { vectors, ..Levels::default() },
        };
        for (minute, vectors) in [(5, 1), (59, 2), (60, 3), (300, 4), (61, 5)] {
            day.add(Some(point(minute, vectors)), &Counts::default());
        }
        assert_eq!(day.points, [point(59, 2), point(61, 5)]);
        let mut counts = Counts::default();
        counts[Activity::Search as usize] = 2;
        day.add(None, &counts);
        day.add(None, &counts);
        assert_eq!((day.count(Activity::Search), day.count(Activity::Answer)), (4, 0));
        assert_eq!(day.counts.len(), 1);
    }

    #[test]
    fn records_of_newer_versions_can_be_read() {
        let text = br#"{"points":[{"at":5,"levels":{"vectors":3,"dreams":1}}],"counts":{"dreams":2},"x":1}"#;
        let day: DayRecord = serde_json::from_slice(text).unwrap();
        assert_eq!(day.points[0].levels, Levels { vectors: 3, ..Levels::default() });
        assert_eq!(day.counts["dreams"], 2);
        let mut key = Record { key: day_key(Day::parse("2026-02-03").unwrap()), seq: 1, value: Bytes::new() };
        assert_eq!(day_of(&key).unwrap().to_string(), "2026-02-03");
        key.key = month_key(Month::parse("2026-02").unwrap());
        assert_eq!((month_of(&key).unwrap().to_string().as_str(), day_of(&key)), ("2026-02", None));
    }
}
