//! Number formats, as far as they make a number a date, and the text of a date.

use calamine::{Data, ExcelDateTime, ExcelDateTimeType};

/// What the number of a cell stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Date,
    Duration,
}

impl Shape {
    /// Of a format without a code of its own, by its number ([ECMA-376] 18.8.30).
    pub(super) fn of_number(number: u16) -> Self {
        match number {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Duration,
            _ => Self::Number,
        }
    }

    /// Of a format code such as `yyyy-mm-dd`; its first section counts.
    pub(super) fn of_code(code: &str) -> Self {
        if ["general", "standard"].iter().any(|name| code.eq_ignore_ascii_case(name)) {
            return Self::Number;
        }
        let mut letters = code.chars();
        while let Some(letter) = letters.next() {
            match letter.to_ascii_lowercase() {
                ';' => break,
                // What follows these stands for itself, or for room.
                '\\' | '_' | '*' => drop(letters.next()),
                '"' => drop(letters.by_ref().find(|letter| *letter == '"')),
                '[' => {
                    let inside: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                    let inside = inside.to_ascii_lowercase();
                    if !inside.is_empty()
                        && ["h", "m", "s"].iter().any(|unit| inside.replace(unit, "").is_empty())
                    {
                        return Self::Duration;
                    }
                }
                'd' | 'm' | 'y' | 'h' | 's' => return Self::Date,
                _ => {}
            }
        }
        Self::Number
    }

    /// A number of this shape.
    pub(super) fn value(self, number: f64, since_1904: bool) -> Data {
        let moment = |kind| Data::DateTime(ExcelDateTime::new(number, kind, since_1904));
        match self {
            Self::Number => Data::Float(number),
            Self::Date => moment(ExcelDateTimeType::DateTime),
            Self::Duration => moment(ExcelDateTimeType::TimeDelta),
        }
    }
}

/// A date with what it has of a time, or hours, minutes and seconds.
pub(super) fn moment(moment: ExcelDateTime) -> String {
    if moment.is_duration() {
        let seconds = (moment.as_f64() * 86_400.0).round();
        let whole = if seconds.is_finite() && seconds.abs() < 1e12 { seconds as i64 } else { 0 };
        return format!("{}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    match (hour, minute, second) {
        (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (_, _, 0) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_dates_from_numbers() {
        for code in ["yyyy-mm-dd", "DD/MM/YY", "[$-409]h:mm AM/PM;@", "m\"M\"d\"D\";@", "*-yyyy"] {
            assert_eq!(Shape::of_code(code), Shape::Date, "{code}");
        }
        for code in ["[h]:mm:ss", "[mm]", "[Blue]\\+[s].00"] {
            assert_eq!(Shape::of_code(code), Shape::Duration, "{code}");
        }
        let numbers = [
            "General",
            "Standard",
            "0.00",
            "#,##0\" days\"",
            "0*y",
            "\\Y000",
            "[Red]0;yyyy",
            "@",
            "",
            "\"",
            "[",
        ];
        for code in numbers {
            assert_eq!(Shape::of_code(code), Shape::Number, "{code}");
        }
        assert_eq!([14, 46, 4].map(Shape::of_number), [Shape::Date, Shape::Duration, Shape::Number]);
    }

    #[test]
    fn dates_read_as_people_write_them() {
        let text = |shape: Shape, number: f64, since_1904: bool| match shape.value(number, since_1904) {
            Data::DateTime(found) => moment(found),
            other => other.to_string(),
        };
        assert_eq!(text(Shape::Date, 45_000.0, false), "2023-03-15");
        assert_eq!(text(Shape::Date, 45_000.5, false), "2023-03-15 12:00");
        assert_eq!(text(Shape::Date, 43_538.0, true), "2023-03-15");
        assert_eq!(text(Shape::Duration, 1.5, false), "36:00:00");
        assert_eq!(text(Shape::Number, 1.5, false), "1.5");
        assert_eq!(text(Shape::Duration, f64::NAN, false), "0:00:00");
    }
}
