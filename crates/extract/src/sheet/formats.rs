//! Number formats: what the number of a cell stands for, and its text.
//!
//! Dates and times are written one way, whatever their format's order and words. Any other number is written as its
//! format shows it ([`figures`]), or plainly where that says more than is understood.

mod figures;

use calamine::{ExcelDateTime, ExcelDateTimeType, NumberFormat};
use figures::Figure;
pub(super) use figures::{as_shown, plain};

/// With a format that shows no date, numbers of fewer days than this are times counted past midnight.
const FIRST_YEAR: f64 = 366.0;

/// How the numbers of a cell are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Plain,
    Figure(Figure),
    Moment(Clock),
    /// Hours, minutes and, where the format has them, seconds.
    Duration {
        seconds: bool,
    },
}

/// What a format shows of a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    date: bool,
    seconds: bool,
}

impl Format {
    /// Of a format without a code of its own, by its number ([ECMA-376] 18.8.30). Those with the currency of the
    /// reader's country show none.
    pub(super) fn of_number(number: u16) -> Self {
        Self::of_code(match number {
            1 => "0",
            2 => "0.00",
            3 | 5 | 6 | 37 | 38 | 41 | 42 => "#,##0",
            4 | 7 | 8 | 39 | 40 | 43 | 44 => "#,##0.00",
            9 => "0%",
            10 => "0.00%",
            14..=17 | 27..=36 | 50..=58 => "yyyy-mm-dd",
            18 | 20 => "h:mm",
            19 | 21 => "h:mm:ss",
            22 => "yyyy-mm-dd h:mm",
            45 | 47 => "mm:ss",
            46 => "[h]:mm:ss",
            _ => "General",
        })
    }

    /// Of a cell style as the library for workbooks gives it.
    pub(super) fn of_style(format: Option<&NumberFormat>) -> Self {
        let Some(format) = format else { return Self::Plain };
        let number = format.format_id.and_then(|id| u16::try_from(id).ok()).unwrap_or(0);
        match format.format_code.as_str() {
            // What it takes for a format without a code of its own.
            "General" => Self::of_number(number),
            code if code.starts_with("_($*") && matches!(number, 42 | 44) => Self::of_number(number),
            code => Self::of_code(code),
        }
    }

    /// Of a format code such as `yyyy-mm-dd`; of a date its first section counts.
    pub(super) fn of_code(code: &str) -> Self {
        if ["general", "standard"].iter().any(|name| code.eq_ignore_ascii_case(name)) {
            return Self::Plain;
        }
        Self::of_moment(code).or_else(|| Figure::of_code(code).map(Self::Figure)).unwrap_or_default()
    }

    fn of_moment(code: &str) -> Option<Self> {
        let mut marks = Marks::new(code).take_while(|mark| *mark != END);
        let unit = marks.find_map(|mark| mark.unit())?;
        let rest: Vec<Unit> = marks.filter_map(|mark| mark.unit()).collect();
        let has = |wanted: Unit| unit == wanted || rest.contains(&wanted);
        Some(match unit {
            Unit::Elapsed { hours } => Self::Duration { seconds: !hours || has(Unit::Second) },
            _ => {
                // A month is a minute beside hours or seconds.
                let date = has(Unit::Date) || !(has(Unit::Hour) || has(Unit::Second));
                Self::Moment(Clock { date, seconds: has(Unit::Second) })
            }
        })
    }

    /// The text of a number.
    pub(super) fn text(&self, number: f64, since_1904: bool) -> String {
        let moment = |kind| self.moment(ExcelDateTime::new(number, kind, since_1904));
        match self {
            Self::Moment(_) => moment(ExcelDateTimeType::DateTime),
            Self::Duration { .. } => moment(ExcelDateTimeType::TimeDelta),
            Self::Plain | Self::Figure(_) => self.figure(number),
        }
    }

    /// The text of a number that is known to be no date.
    pub(super) fn figure(&self, number: f64) -> String {
        match self {
            Self::Figure(figure) => figure.text(number).unwrap_or_else(|| plain(number)),
            _ => plain(number),
        }
    }

    /// The text of a number that is known to be a date, a time or a duration.
    pub(super) fn moment(&self, moment: ExcelDateTime) -> String {
        match self {
            _ if !moment.is_duration() => {
                let clock = if let Self::Moment(clock) = self { Some(*clock) } else { None };
                point(moment, clock.unwrap_or(Clock { date: true, seconds: false }))
            }
            Self::Duration { seconds } => duration(moment.as_f64(), *seconds),
            _ => duration(moment.as_f64(), true),
        }
    }
}

/// A date with what it has of a time; below the first day a time alone.
fn point(moment: ExcelDateTime, clock: Clock) -> String {
    let days = moment.as_f64();
    if (0.0..if clock.date { 1.0 } else { FIRST_YEAR }).contains(&days) {
        let seconds = whole_seconds(days.fract()).min(86_399);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        return match (second, clock.seconds) {
            (0, false) => format!("{hour:02}:{minute:02}"),
            _ => format!("{hour:02}:{minute:02}:{second:02}"),
        };
    }
    if days.is_nan() || days < 0.0 {
        return plain(days);
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    match (hour, minute, second) {
        (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (_, _, 0) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
    }
}

/// Hours and minutes, and seconds when they are wanted or there are any.
fn duration(days: f64, seconds: bool) -> String {
    let (sign, whole) = (if days < 0.0 { "-" } else { "" }, whole_seconds(days.abs()));
    match (whole % 60, seconds) {
        (0, false) => format!("{sign}{}:{:02}", whole / 3_600, whole / 60 % 60),
        (second, _) => format!("{sign}{}:{:02}:{second:02}", whole / 3_600, whole / 60 % 60),
    }
}

fn whole_seconds(days: f64) -> u64 {
    let seconds = (days * 86_400.0).round();
    if (0.0..1e12).contains(&seconds) { seconds as u64 } else { 0 }
}

/// A time or duration such as `PT05H09M00S`, as clocks show it; `None` when it is written otherwise.
pub(super) fn iso_time(text: &str, seconds: bool) -> Option<String> {
    let (sign, text) = text.trim().strip_prefix('-').map_or(("", text.trim()), |rest| ("-", rest));
    let (hours, rest) = text.strip_prefix("PT")?.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let second = rest.strip_suffix('S')?.split(['.', ',']).next()?;
    let (hours, minutes, second): (u32, u32, u32) =
        (hours.parse().ok()?, minutes.parse().ok()?, second.parse().ok()?);
    Some(match (second, seconds) {
        (0, false) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{second:02}"),
    })
}

/// What a letter of a format code shows of a point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A year or a day.
    Date,
    /// A month or a minute.
    Month,
    Hour,
    Second,
    /// Hours, minutes or seconds that go on past a day.
    Elapsed {
        hours: bool,
    },
}

/// A part of a format code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    Letter(char),
    /// Text that stands for itself.
    Literal(&'a str),
    /// What stands between square brackets.
    Bracket(&'a str),
}

impl Mark<'_> {
    fn unit(self) -> Option<Unit> {
        match self {
            Self::Letter('d' | 'D' | 'y' | 'Y') => Some(Unit::Date),
            Self::Letter('m' | 'M') => Some(Unit::Month),
            Self::Letter('h' | 'H') => Some(Unit::Hour),
            Self::Letter('s' | 'S') => Some(Unit::Second),
            Self::Bracket(inside) => {
                let first = inside.chars().next()?.to_ascii_lowercase();
                let same = inside.chars().all(|letter| letter.to_ascii_lowercase() == first);
                (same && "hms".contains(first)).then_some(Unit::Elapsed { hours: first == 'h' })
            }
            Self::Letter(_) | Self::Literal(_) => None,
        }
    }
}

/// What ends a section of a format code: numbers above, below and of zero, and texts, may be shown differently.
const END: Mark<'static> = Mark::Letter(';');

/// The parts of a format code; room and fillings are left out.
#[derive(Debug, Clone)]
struct Marks<'a>(std::str::Chars<'a>);

impl<'a> Marks<'a> {
    fn new(code: &'a str) -> Self {
        Self(code.chars())
    }

    fn is_done(&self) -> bool {
        self.0.as_str().is_empty()
    }

    /// All up to a letter, which is taken too; all there is when it does not come.
    fn until(&mut self, end: char) -> &'a str {
        let text = self.0.as_str();
        let (inside, rest) = text.split_once(end).unwrap_or((text, ""));
        self.0 = rest.chars();
        inside
    }
}

impl<'a> Iterator for Marks<'a> {
    type Item = Mark<'a>;

    fn next(&mut self) -> Option<Mark<'a>> {
        loop {
            let letter = self.0.next()?;
            return Some(match letter {
                '_' | '*' => {
                    self.0.next();
                    continue;
                }
                '\\' => {
                    let text = self.0.as_str();
                    let length = self.0.next()?.len_utf8();
                    Mark::Literal(text.get(..length).unwrap_or_default())
                }
                '"' => Mark::Literal(self.until('"')),
                '[' => Mark::Bracket(self.until(']')),
                letter => Mark::Letter(letter),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(date: bool, seconds: bool) -> Format {
        Format::Moment(Clock { date, seconds })
    }

    #[test]
    fn codes_tell_dates_from_numbers() {
        for code in ["yyyy-mm-dd", "DD/MM/YY", "m\"M\"d\"D\";@", "*-yyyy", "mmm", "d.m.yy hh:mm"] {
            assert_eq!(Format::of_code(code), moment(true, false), "{code}");
        }
        assert_eq!(Format::of_code("[$-409]h:mm AM/PM;@"), moment(false, false));
        assert_eq!(Format::of_code("mm:ss.0"), moment(false, true));
        assert_eq!(Format::of_code("yyyy-mm-dd hh:mm:ss"), moment(true, true));
        for code in ["[h]:mm:ss", "[mm]", "[Blue]\\+[s].00"] {
            assert_eq!(Format::of_code(code), Format::Duration { seconds: true }, "{code}");
        }
        assert_eq!(Format::of_code("[hh]:mm"), Format::Duration { seconds: false });
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
            "\\",
        ];
        for code in numbers {
            assert!(matches!(Format::of_code(code), Format::Plain | Format::Figure(_)), "{code}");
        }
        assert_eq!(Format::of_number(14), moment(true, false));
        assert_eq!(Format::of_number(46), Format::Duration { seconds: true });
        assert_eq!([0, 49, 60].map(Format::of_number), [Format::Plain, Format::Plain, Format::Plain]);
        assert_eq!([4, 10].map(|number| Format::of_number(number).text(0.5, false)), ["0.50", "50.00%"]);
    }

    #[test]
    fn dates_read_as_people_write_them() {
        let text = |code: &str, number: f64| Format::of_code(code).text(number, false);
        assert_eq!(text("yyyy", 45_000.0), "2023-03-15");
        assert_eq!(text("yyyy", 45_000.5), "2023-03-15 12:00");
        assert_eq!(Format::of_code("yyyy").text(43_538.0, true), "2023-03-15");
        assert_eq!(text("General", 1.5), "1.5");
        assert_eq!(text("yyyy", -2.0), "-2");
    }

    #[test]
    fn times_have_no_date() {
        let text = |code: &str, number: f64| Format::of_code(code).text(number, false);
        assert_eq!(text("hh:mm", 309.0 / 1_440.0), "05:09");
        assert_eq!(text("h:mm AM/PM", 1_029.0 / 1_440.0), "17:09");
        assert_eq!(text("hh:mm", 0.0), "00:00");
        assert_eq!(text("hh:mm", 0.999_999_99), "23:59:59");
        assert_eq!(text("hh:mm:ss", 309.0 / 1_440.0), "05:09:00");
        assert_eq!(text("mm:ss", 83.0 / 86_400.0), "00:01:23");
        assert_eq!(text("yyyy-mm-dd hh:mm", 0.25), "06:00");
        assert_eq!(Format::of_code("hh:mm").text(0.25, true), "06:00");
        // By a format that is not known.
        let moment = |kind, number| Format::Plain.moment(ExcelDateTime::new(number, kind, false));
        assert_eq!(moment(ExcelDateTimeType::DateTime, 309.0 / 1_440.0), "05:09");
        assert_eq!(moment(ExcelDateTimeType::TimeDelta, 1.5), "36:00:00");
        // After midnight, by a clock that shows no date; a day of our time is told all the same.
        assert_eq!(text("hh:mm", 1.25), "06:00");
        assert_eq!(text("hh:mm", 45_000.25), "2023-03-15 06:00");
    }

    #[test]
    fn durations_count_hours() {
        let text = |code: &str, number: f64| Format::of_code(code).text(number, false);
        assert_eq!(text("[h]:mm:ss", 1.5), "36:00:00");
        assert_eq!(text("[h]:mm", 1.5), "36:00");
        assert_eq!(text("[h]:mm", 1.0 / 86_400.0), "0:00:01");
        assert_eq!(text("[h]:mm", -0.0625), "-1:30");
        assert_eq!(text("[mm]:ss", 0.0625), "1:30:00");
        assert_eq!(text("[h]:mm:ss", f64::NAN), "0:00:00");
        assert_eq!(text("[h]:mm", 1e300), "0:00");
        assert_eq!(iso_time("PT05H09M00S", false).as_deref(), Some("05:09"));
        assert_eq!(iso_time("-PT36H00M07.5S", false).as_deref(), Some("-36:00:07"));
        assert_eq!(iso_time("PT5H9M0S", true).as_deref(), Some("05:09:00"));
        for other in ["", "P1D", "PT5H", "05:09", "PT99999999999H00M00S"] {
            assert_eq!(iso_time(other, false), None, "{other}");
        }
    }
}
