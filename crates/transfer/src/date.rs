//! Dates as people and programs write them, as ISO 8601.

use crate::error::excerpt;
use quarry_types::Timestamp;

/// What comes first in 3/4/2024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateOrder {
    DayFirst,
    MonthFirst,
}

impl DateOrder {
    /// The order when the text starts with a date that can be read in one way only.
    pub(crate) fn proved_by(text: &str) -> Option<Self> {
        let date = text.trim().split([' ', 'T', ',']).next()?;
        let separator = date.chars().find(|letter| !letter.is_ascii_digit())?;
        if !matches!(separator, '/' | '-') {
            return None;
        }
        let [first, second, year] = numbers(date, separator)?;
        match (first, second) {
            _ if year < 1000 => None,
            (13..=31, 1..=12) => Some(Self::DayFirst),
            (1..=12, 13..=31) => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

fn numbers(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut parts = text.split(separator).map(digits);
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// 1 to 4 digits.
fn digits(text: &str) -> Option<u32> {
    let fine = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fine { text.parse().ok() } else { None }
}

/// A date as ISO 8601 text.
///
/// What is ISO already stays to the letter, so that exported dates come back unchanged; other forms
/// become UTC with milliseconds. A time without an offset is UTC.
pub(crate) fn canonical(text: &str, order: Option<DateOrder>) -> Result<String, String> {
    if Timestamp::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    match parse(text, order) {
        Ok(Some(moment)) => Ok(moment.to_string()),
        Ok(None) => Err(format!(
            "{} is not a date-time; write it as 2024-11-21 or 2024-11-21T09:30:00Z",
            excerpt(text)
        )),
        Err(()) => Err(format!(
            "in {} day and month cannot be told apart; write the date as 2024-11-21",
            excerpt(text)
        )),
    }
}

/// `Err` when the text is a date of unknown order.
fn parse(text: &str, order: Option<DateOrder>) -> Result<Option<Moment>, ()> {
    const MOST_BYTES: usize = 64;
    if text.len() > MOST_BYTES {
        return Ok(None);
    }
    let digit_at = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let spaced = match text.find(['T', 't']) {
        Some(at) if digit_at(at.wrapping_sub(1)) && digit_at(at + 1) => {
            format!("{} {}", text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
        }
        _ => text.to_owned(),
    };
    let words: Vec<&str> = spaced.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let time_at = words.iter().position(|word| word.contains(':')).unwrap_or(words.len());
    let (date, time) = words.split_at(time_at);
    let Some(date) = parse_date(date, order)? else { return Ok(None) };
    Ok(parse_time(time).and_then(|time| moment(date, time)))
}

type Moment = Timestamp;

fn parse_date(words: &[&str], order: Option<DateOrder>) -> Result<Option<[u32; 3]>, ()> {
    let words = match words {
        [weekday, rest @ ..] if !rest.is_empty() && is_weekday(weekday) => rest,
        all => all,
    };
    let date = match words {
        [one] if one.contains('/') => return numeric(one, '/', order),
        [one] if one.contains('.') => match numbers(one, '.') {
            Some([year, month, day]) if year >= 1000 => Some([year, month, day]),
            Some([day, month, year]) => Some([year, month, day]),
            None => None,
        },
        [one] if one.contains('-') => {
            let mut parts = one.split('-');
            if let [Some(day), Some(month), Some(year), None] =
                [parts.next(), parts.next(), parts.next(), parts.next()]
                && let Some(month) = month_of(month)
            {
                named(day, month, year)
            } else {
                return numeric(one, '-', order);
            }
        }
        [one] if one.len() == 8 && one.bytes().all(|byte| byte.is_ascii_digit()) => {
            match (
                digits(one.get(..4).unwrap_or("")),
                digits(one.get(4..6).unwrap_or("")),
                digits(one.get(6..).unwrap_or("")),
            ) {
                (Some(year), Some(month), Some(day)) => Some([year, month, day]),
                _ => None,
            }
        }
        [first, second, year] => match (month_of(first), month_of(second)) {
            (Some(month), _) => named(second, month, year),
            (None, Some(month)) => named(first, month, year),
            (None, None) => None,
        },
        _ => None,
    };
    Ok(date.filter(|[year, ..]| *year >= 1000))
}

fn named(day: &str, month: u32, year: &str) -> Option<[u32; 3]> {
    let day = ["st", "nd", "rd", "th", "."].iter().find_map(|ending| day.strip_suffix(ending)).unwrap_or(day);
    Some([digits(year)?, month, digits(day)?])
}

fn numeric(text: &str, separator: char, order: Option<DateOrder>) -> Result<Option<[u32; 3]>, ()> {
    match (numbers(text, separator), order) {
        (Some([year, month, day]), _) if year >= 1000 => Ok(Some([year, month, day])),
        (Some([.., year]), _) if year < 1000 => Ok(None),
        (Some([day, month, year]), Some(DateOrder::DayFirst)) => Ok(Some([year, month, day])),
        (Some([month, day, year]), Some(DateOrder::MonthFirst)) => Ok(Some([year, month, day])),
        (Some(_), None) => Err(()),
        (None, _) => Ok(None),
    }
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    is_name_of(word, &DAYS).is_some()
}

fn month_of(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
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
    is_name_of(word, &MONTHS).and_then(|at| u32::try_from(at + 1).ok())
}

/// The place in the list of a name, whole or by its first three letters or more.
fn is_name_of(word: &str, names: &[&str]) -> Option<usize> {
    let word = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    names.iter().position(|name| word.len() >= 3 && name.starts_with(&word))
}

/// Hours, minutes, seconds with fraction, offset as ISO text.
type Time = (u32, u32, String, String);

fn parse_time(words: &[&str]) -> Option<Time> {
    let Some((first, rest)) = words.split_first() else {
        return Some((0, 0, "00".into(), "Z".into()));
    };
    let zone_at = first.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, ':' | '.')));
    let (clock, glued) = first.split_at(zone_at.unwrap_or(first.len()));
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let second = parts.next().unwrap_or("00");
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    let fine = whole.len() == 2 && fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !fine || parts.next().is_some() || minute > 59 {
        return None;
    }
    let second = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    let mut words: Vec<&str> =
        Some(glued).into_iter().filter(|word| !word.is_empty()).chain(rest.iter().copied()).collect();
    let hour = match words.first().map(|word| word.to_ascii_lowercase().replace('.', "")).as_deref() {
        Some(half @ ("am" | "pm")) if (1..=12).contains(&hour) => {
            words.remove(0);
            hour % 12 + if half == "pm" { 12 } else { 0 }
        }
        _ => hour,
    };
    let zone = match words.as_slice() {
        [] => "Z".to_owned(),
        [zone] => offset(zone)?,
        _ => return None,
    };
    Some((hour, minute, second, zone))
}

fn offset(zone: &str) -> Option<String> {
    if ["z", "utc", "gmt"].iter().any(|name| zone.eq_ignore_ascii_case(name)) {
        return Some("Z".to_owned());
    }
    let hours = zone.strip_prefix(['+', '-'])?;
    let plain = hours.replace(':', "");
    let (hours, minutes) = match plain.len() {
        2 if plain.is_ascii() => (plain.as_str(), "00"),
        4 if plain.is_ascii() => plain.split_at(2),
        _ => return None,
    };
    Some(format!("{}{hours}:{minutes}", zone.get(..1)?))
}

fn moment([year, month, day]: [u32; 3], (hour, minute, second, zone): Time) -> Option<Moment> {
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second}{zone}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_forms_become_iso() {
        let noon = "2024-03-01T12:30:00.000Z";
        let midnight = "2024-03-01T00:00:00.000Z";
        for (text, expected) in [
            ("2024-03-01", "2024-03-01"),
            ("2024-03-01T12:30:00+01:00", "2024-03-01T12:30:00+01:00"),
            ("2024-03-01 12:30", noon),
            ("2024-03-01T12:30Z", noon),
            ("2024-03-01 14:30:00 +0200", noon),
            ("2024/03/01", midnight),
            ("2024.3.1", midnight),
            ("20240301", midnight),
            ("01.03.2024", midnight),
            ("1.3.2024 12:30:00", noon),
            ("1 Mar 2024", midnight),
            ("1-Mar-2024", midnight),
            ("March 1, 2024", midnight),
            ("Mar 1st 2024 12:30 PM", noon),
            ("1 March 2024, 12:30pm", noon),
            ("Fri, 01 Mar 2024 12:30:00 GMT", noon),
            ("Fri, 01 Mar 2024 13:30:00 +0100", noon),
            ("1.3.2024 12:30:00.5", "2024-03-01T12:30:00.500Z"),
            ("1 Mar 2024 12:05 am", "2024-03-01T00:05:00.000Z"),
        ] {
            let got = canonical(text, None).unwrap();
            assert!(got == expected || Timestamp::parse(&got) == Timestamp::parse(expected), "{text}: {got}");
        }
        assert_eq!(canonical("3/4/2024", Some(DateOrder::DayFirst)).unwrap(), "2024-04-03T00:00:00.000Z");
        assert_eq!(canonical("3/4/2024", Some(DateOrder::MonthFirst)).unwrap(), "2024-03-04T00:00:00.000Z");
        assert_eq!(
            canonical("3-4-2024 9:00", Some(DateOrder::MonthFirst)).unwrap(),
            "2024-03-04T09:00:00.000Z"
        );
    }

    #[test]
    fn what_is_no_date_or_two_dates_is_refused() {
        assert!(canonical("3/4/2024", None).unwrap_err().contains("cannot be told apart"));
        for text in [
            "",
            "soon",
            "2024",
            "1/2/24",
            "31.02.2024",
            "2024-13-01",
            "13:00",
            "1 Foo 2024",
            "2024-03-01 25:00",
            "2024-03-01 12:61",
            "1.3.2024 12:30 CET",
            "2024-03-01T",
            "１.３.２０２４",
            "T",
            "1 Mar 2024 13:00 pm x",
        ] {
            assert!(canonical(text, Some(DateOrder::DayFirst)).is_err(), "{text}");
        }
        assert!(canonical("13/25/2024", Some(DateOrder::DayFirst)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_answer_parses(text in "\\PC{0,40}|[0-9TtZ:./+ ,-]{0,30}|[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}( [0-9]{1,2}:[0-9]{2}( ?[ap]m)?)?") {
            for order in [None, Some(DateOrder::DayFirst), Some(DateOrder::MonthFirst)] {
                if let Ok(iso) = canonical(&text, order) {
                    prop_assert!(Timestamp::parse(&iso).is_some(), "{} -> {}", text, iso);
                }
                let _ = DateOrder::proved_by(&text);
            }
        }
    }
}
