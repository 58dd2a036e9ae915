//! Columns and kinds out of rows, for making a table from a file.
//!
//! A kind is taken only when every value read fits it and no text loses meaning by it: numbers with
//! leading zeros, a plus sign or more digits than a double keeps stay texts; `yes` and `1` are no
//! booleans here; dates whose day and month cannot be told apart stay texts.

use crate::value::{self, DateOrder};
use crate::{Column, Error, Format, Kind, Reader, RowError};
use quarry_types::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Row errors kept.
const ERRORS_KEPT: usize = 100;
/// Most columns told apart in JSON.
const MAX_COLUMNS: usize = 1_000;
/// Digits a double keeps of any decimal number.
const EXACT_DIGITS: usize = 15;

/// What a file seems to hold.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Inferred {
    /// Columns in the order of the header, or of first appearance.
    pub columns: Vec<Column>,
    /// Rows looked at.
    pub rows: u64,
    /// Rows among them that cannot be read.
    pub bad_rows: u64,
    /// The first of what is wrong with those.
    pub errors: Vec<RowError>,
}

impl Inferred {
    /// A JSON schema for the columns.
    #[must_use]
    pub fn schema(&self) -> Value {
        let property = |column: &Column| {
            let schema = match column.kind {
                Kind::Number | Kind::Integer => json!({ "type": "number" }),
                Kind::String => json!({ "type": "string" }),
                Kind::Boolean => json!({ "type": "boolean" }),
                Kind::DateTime => json!({ "type": "string", "format": "date-time" }),
                Kind::Object => json!({ "type": "object" }),
                Kind::Array => json!({ "type": "array" }),
                // No type: any JSON.
                Kind::Any => json!({ "x-zui": {} }),
            };
            (column.name.clone(), schema)
        };
        let properties: Map<String, Value> = self.columns.iter().map(property).collect();
        json!({ "type": "object", "properties": properties })
    }
}

/// Looks at rows from where the reader stands, at most `max_rows`, and finds a kind for every column.
///
/// The reader must have been opened without columns. With the whole file looked at, every value
/// fits its column; after a sample, a later value that does not is a row error of the import.
///
/// # Errors
/// As [`Reader::next_row`]; too many columns.
pub fn infer(reader: &mut Reader, max_rows: Option<u64>) -> Result<Inferred, Error> {
    let texts = reader.format() == Format::Csv;
    let dates = reader.date_order();
    let mut found = Inferred::default();
    let mut guesses: Vec<(String, Guess)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for name in reader.header() {
        places.insert(name.to_owned(), guesses.len());
        guesses.push((name.to_owned(), Guess::default()));
    }
    while max_rows.is_none_or(|most| found.rows < most) {
        let Some(row) = reader.next_row()? else { break };
        found.rows += 1;
        let row = match row {
            Ok(row) => row,
            Err(wrong) => {
                found.bad_rows += 1;
                if found.errors.len() < ERRORS_KEPT {
                    found.errors.push(wrong);
                }
                continue;
            }
        };
        for (name, value) in row.values {
            let at = match places.get(&name) {
                Some(at) => *at,
                None if guesses.len() >= MAX_COLUMNS => {
                    return Err(Error::TooLarge(format!(
                        "line {}: the rows have more than {MAX_COLUMNS} different columns",
                        row.line
                    )));
                }
                None => {
                    places.insert(name.clone(), guesses.len());
                    guesses.push((name, Guess::default()));
                    guesses.len() - 1
                }
            };
            if let Some((_, guess)) = guesses.get_mut(at) {
                match value {
                    Value::String(text) if texts => guess.see_text(&text, dates),
                    value => guess.see_value(&value),
                }
            }
        }
    }
    found.columns = guesses.into_iter().map(|(name, guess)| Column { name, kind: guess.kind() }).collect();
    Ok(found)
}

/// Kinds seen, as bits; a text of a CSV may be several at once.
#[derive(Debug, Default)]
struct Guess {
    any: bool,
    /// Kinds every value so far could be.
    all: u8,
    /// Kinds some value was, for JSON values, which are exactly one.
    some: u8,
}

const NUMBER: u8 = 1;
const BOOLEAN: u8 = 2;
const DATE: u8 = 4;
const OBJECT: u8 = 8;
const ARRAY: u8 = 16;
const STRING: u8 = 32;

impl Guess {
    fn see(&mut self, kinds: u8) {
        self.all = if self.any { self.all & kinds } else { kinds };
        self.some |= kinds;
        self.any = true;
    }

    fn see_text(&mut self, text: &str, dates: Option<DateOrder>) {
        let trimmed = text.trim();
        // An empty quoted text is nothing in most files.
        if trimmed.is_empty() || (self.any && self.all == STRING) {
            return;
        }
        let fits = |kind: Kind| value::of_text(trimmed, false, Some(kind), dates).is_ok();
        let could = |bit: u8| !self.any || self.all & bit != 0;
        let mut kinds = STRING;
        let is_number = is_plain_number(trimmed) && fits(Kind::Number);
        if is_number {
            kinds |= NUMBER;
        }
        if could(BOOLEAN) && ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(trimmed)) {
            kinds |= BOOLEAN;
        }
        if could(DATE) && !is_number && fits(Kind::DateTime) {
            kinds |= DATE;
        }
        if could(OBJECT) && trimmed.starts_with('{') && fits(Kind::Object) {
            kinds |= OBJECT;
        }
        if could(ARRAY) && trimmed.starts_with('[') && fits(Kind::Array) {
            kinds |= ARRAY;
        }
        self.see(kinds);
    }

    fn see_value(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.see(BOOLEAN),
            Value::Number(_) => self.see(NUMBER),
            Value::String(text) if Timestamp::parse(text).is_some() => self.see(DATE | STRING),
            Value::String(_) => self.see(STRING),
            Value::Array(_) => self.see(ARRAY),
            Value::Object(_) => self.see(OBJECT),
        }
    }

    fn kind(&self) -> Kind {
        let is = |bit: u8| self.all & bit != 0;
        match () {
            () if !self.any => Kind::String,
            () if is(BOOLEAN) => Kind::Boolean,
            () if is(NUMBER) => Kind::Number,
            () if is(DATE) => Kind::DateTime,
            () if is(OBJECT) => Kind::Object,
            () if is(ARRAY) => Kind::Array,
            () if is(STRING) => Kind::String,
            () => Kind::Any,
        }
    }
}

/// A number nobody would miss a digit of when it is written again.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let whole = mantissa.split('.').next().unwrap_or_default();
    let zeros = whole.bytes().take_while(|byte| *byte == b'0').count();
    let padded = zeros > 0 && whole.len() > 1;
    let plain = unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let fits = digits <= EXACT_DIGITS || (whole.len() == unsigned.len() && digits <= 16);
    plain && !padded && fits && unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ReadOptions;

    fn kinds(text: &'static str, name: &str) -> Vec<(String, &'static str)> {
        let options = ReadOptions { name: Some(name.into()), ..ReadOptions::default() };
        let mut reader = Reader::open(text.as_bytes(), &options).unwrap();
        let found = infer(&mut reader, None).unwrap();
        found.columns.into_iter().map(|column| (column.name, column.kind.name())).collect()
    }

    fn kind_of(cells: &str) -> &'static str {
        let text: &'static str = format!("a,b\n{}", cells.replace('|', ",\n")).leak();
        kinds(text, "x.csv")[0].1
    }

    #[test]
    fn csv_columns_take_the_narrowest_lossless_kind() {
        for (cells, expected) in [
            ("1|2.5|-3e4||", "number"),
            ("0|0.5|10|", "number"),
            ("007|12|", "string"),
            ("+49123|+50|", "string"),
            ("1|x|", "string"),
            ("9007199254740993|1|", "string"),
            ("0.12345678901234567890|", "string"),
            ("true|FALSE||", "boolean"),
            ("yes|no|", "string"),
            ("1|0|", "number"),
            ("2024-01-01|2024-01-01T10:00:00Z|", "date-time"),
            ("25/12/2024|03/04/2024|", "date-time"),
            ("03/04/2024|05/06/2024|", "string"),
            ("1 Mar 2024|2 Apr 2024|", "date-time"),
            ("20240301|20240302|", "number"),
            ("\"{\"\"a\"\":1}\"|{}|", "object"),
            ("[1]|[]|", "array"),
            ("{}|[]|", "string"),
            ("{oops}|", "string"),
            ("|\"\"|", "string"),
            ("\"1\"|\"\"|2|", "number"),
            ("1,2|", "number"),
        ] {
            assert_eq!(kind_of(cells), expected, "{cells}");
        }
    }

    #[test]
    fn json_columns_take_the_kind_of_their_values() {
        let text = r#"[{"n":1,"s":"x","d":"2024-01-01","m":1,"o":{}},{"n":null,"m":"1","d":"2024-01-02T00:00:00Z","l":[1],"b":true,"z":null}]"#;
        let expected = [
            ("n", "number"),
            ("s", "string"),
            ("d", "date-time"),
            ("m", "any"),
            ("o", "object"),
            ("l", "array"),
            ("b", "boolean"),
            ("z", "string"),
        ];
        let found = kinds(text, "x.json");
        assert_eq!(found.iter().map(|(name, kind)| (name.as_str(), *kind)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn samples_and_bad_rows_are_counted() {
        let text = "a,b\n1,2\n1,2,3\nx,2\n";
        let mut reader = Reader::open(text.as_bytes(), &ReadOptions::default()).unwrap();
        let sample = infer(&mut reader, Some(2)).unwrap();
        assert_eq!((sample.rows, sample.bad_rows, sample.errors[0].line), (2, 1, 3));
        assert_eq!(sample.schema()["properties"]["a"], json!({ "type": "number" }));
        assert_eq!(infer(&mut reader, None).unwrap().columns[0].kind, Kind::String);
    }
}
