//! The text of a row that is searched, and the text of a query.
//!
//! Values of the searchable columns, one after another; JSON becomes lines of `key: value`. Column
//! names are left out, so that a rename changes no text. Invariant: equal values give equal texts.

use crate::record::{Cell, StoredRow, TableRecord};
use crate::schema::ColumnId;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::iter::Peekable;
use std::str::Chars;

/// Part of every hash; raise it whenever rows give other texts or texts other passages.
const VERSION: u8 = 1;

/// What two equal texts share; 0 stands for no text.
pub(crate) type TextHash = u64;

/// The searchable columns of a table, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    columns: Vec<ColumnId>,
}

impl Layout {
    pub(crate) fn of(record: &TableRecord) -> Self {
        let searchable = record.schema.columns.iter().filter(|column| column.is_searchable());
        Self { columns: searchable.map(|column| column.id).collect() }
    }

    /// Whether nothing is searchable.
    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// A number that tells layouts apart.
    pub(crate) fn mark(&self) -> u64 {
        let bytes: Vec<u8> = self.columns.iter().flat_map(|column| column.0.to_le_bytes()).collect();
        hash(&bytes)
    }

    /// The searched text of a row; empty when it has none.
    pub(crate) fn text(&self, row: &StoredRow) -> String {
        let mut text = String::new();
        for cell in self.columns.iter().filter_map(|column| row.cell(*column)) {
            let part = match cell {
                Cell::Text(value) => value.trim().to_owned(),
                Cell::Json(json) => readable(json, true),
                other => match other.to_value() {
                    Value::String(text) => text,
                    value => value.to_string(),
                },
            };
            if !part.is_empty() {
                text.push_str(if text.is_empty() { "" } else { "\n" });
                text.push_str(&part);
            }
        }
        text
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update([VERSION]).chain_update(bytes).finalize();
    let head = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(head).max(1)
}

/// The hash of a row's text.
pub(crate) fn text_hash(text: &str) -> TextHash {
    if text.is_empty() { 0 } else { hash(text.as_bytes()) }
}

/// What is searched for.
#[derive(Debug, PartialEq)]
pub(crate) struct Question {
    /// For the lexical index: of JSON the values alone, since rows share its keys.
    pub(crate) words: String,
    /// For the model.
    pub(crate) meaning: String,
}

impl Question {
    /// A query that is JSON, or the beginning of some, reads as a row's JSON does.
    pub(crate) fn of(query: &str) -> Self {
        let query = query.trim();
        let mut chars = query.chars().filter(|c| !c.is_whitespace());
        let json = match (chars.next(), chars.next()) {
            (Some('{'), Some('"')) => true,
            (Some('['), Some(second)) => matches!(second, '"' | '{' | '['),
            _ => false,
        };
        let read = |keys| if json { readable(query, keys) } else { String::new() };
        let plain = |text: String| if text.is_empty() { query.to_owned() } else { text };
        Self { words: plain(read(false)), meaning: plain(read(true)) }
    }
}

/// JSON as lines a person would write: `key: value`, lists with commas, nulls left out. Takes any
/// text; what is cut off in the middle reads as far as it goes.
fn readable(json: &str, keys: bool) -> String {
    let mut reading = Reading { chars: json.chars().peekable(), out: String::new(), glue: "", key: None };
    let mut in_object: Vec<bool> = Vec::new();
    let mut expects_key = false;
    while let Some(c) = reading.chars.next() {
        match c {
            '{' | '[' => {
                reading.open(c == '{');
                in_object.push(c == '{');
                expects_key = c == '{';
            }
            '}' | ']' => {
                in_object.pop();
                reading.key = None;
                reading.glue = "\n";
            }
            ',' => {
                expects_key = in_object.last() == Some(&true);
                reading.key = None;
            }
            ':' => expects_key = false,
            '"' => {
                let text = reading.string();
                if expects_key {
                    reading.key = keys.then_some(text);
                } else {
                    reading.value(&text, in_object.last() == Some(&false));
                }
            }
            c if c.is_whitespace() => {}
            c => {
                let literal = reading.literal(c);
                if literal == "null" {
                    reading.key = None;
                } else {
                    reading.value(&literal, in_object.last() == Some(&false));
                }
            }
        }
    }
    reading.out
}

struct Reading<'a> {
    chars: Peekable<Chars<'a>>,
    out: String,
    /// What stands before the next piece.
    glue: &'static str,
    key: Option<String>,
}

impl Reading<'_> {
    fn put(&mut self, piece: &str) {
        if !self.out.is_empty() {
            self.out.push_str(self.glue);
        }
        self.out.push_str(piece);
    }

    fn open(&mut self, object: bool) {
        if let Some(key) = self.key.take() {
            self.put(&key);
            self.out.push(':');
            self.glue = if object { "\n" } else { " " };
        }
    }

    fn value(&mut self, value: &str, in_list: bool) {
        match self.key.take() {
            Some(key) => {
                self.put(&key);
                self.out.push_str(": ");
                self.out.push_str(value);
            }
            None => self.put(value),
        }
        self.glue = if in_list { ", " } else { "\n" };
    }

    /// The rest of a string whose quote was read.
    fn string(&mut self) -> String {
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => break,
                '\\' => match self.chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r' | 'b' | 'f') => text.push(' '),
                    Some('u') => text.extend(self.escaped()),
                    Some(other) => text.push(other),
                    None => break,
                },
                c => text.push(c),
            }
        }
        text
    }

    /// The character of `\uXXXX`, pairs of surrogates included; `None` for half of one.
    fn escaped(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.chars.next_if_eq(&'\\')?;
        self.chars.next_if_eq(&'u')?;
        let second = self.hex4().filter(|second| (0xdc00..0xe000).contains(second))?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex4(&mut self) -> Option<u32> {
        (0..4)
            .try_fold(0, |sum, _| Some(sum * 16 + self.chars.next_if(char::is_ascii_hexdigit)?.to_digit(16)?))
    }

    /// A number or a word of JSON.
    fn literal(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| !c.is_whitespace() && !"{}[]:,\"".contains(*c)) {
            word.push(c);
        }
        word
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use quarry_types::Timestamp;
    use serde_json::json;

    #[test]
    fn json_reads_as_lines() {
        let value = json!({"value": "a \"b\"\n😀", "n": 2.5, "none": null, "tags": ["x", "y", 3], "deep": {"ok": true, "list": [{"a": 1}, {"a": 2}]}});
        let lines = "value: a \"b\"\n😀\nn: 2.5\ntags: x, y, 3\ndeep:\nok: true\nlist: a: 1\na: 2";
        assert_eq!(readable(&value.to_string(), true), lines);
        assert_eq!(readable("[\"one\",\"two\"]", true), "one, two");
        assert_eq!(readable(r#"{"a":"\ud83d\ude00\u00e9\ud83d"}"#, true), "a: 😀é");
        for nothing in ["{}", "[]", "null", "[[],[null]]", ""] {
            assert_eq!(readable(nothing, true), "", "{nothing}");
        }
    }

    #[test]
    fn a_query_of_cut_json_reads_as_far_as_it_goes() {
        let row = json!({"input": {"text": "the toaster smokes", "lang": "en"}}).to_string();
        let question = |words: &str, meaning: &str| Question { words: words.into(), meaning: meaning.into() };
        let whole = question("the toaster smokes\nen", "input:\ntext: the toaster smokes\nlang: en");
        assert_eq!(Question::of(&row), whole);
        assert_eq!(readable(&row, true), whole.meaning);
        assert_eq!(Question::of(&row[..26]), question("the toas", "input:\ntext: the toas"));
        assert_eq!(Question::of("{ \"a\" : \"b"), question("b", "a: b"));
        assert_eq!(Question::of("{\"only a key\": "), question("{\"only a key\":", "{\"only a key\":"));
        for plain in ["[urgent] fix it", "{name} is a placeholder", "why?", "{}"] {
            assert_eq!(Question::of(plain), question(plain, plain));
        }
    }

    #[test]
    fn a_row_is_its_searchable_values() {
        let mut row = StoredRow::new(1, Timestamp(0), Timestamp(0));
        row.set(ColumnId(16), Some(Cell::Text(" hello ".into())));
        row.set(ColumnId(17), Some(Cell::Text("not searched".into())));
        row.set(ColumnId(18), Some(Cell::Json("{\"a\":[1,2]}".into())));
        row.set(ColumnId(19), Some(Cell::Number(4.0)));
        row.set(ColumnId(20), Cell::moment("2024-01-01"));
        let layout = |ids: &[u32]| Layout { columns: ids.iter().map(|id| ColumnId(*id)).collect() };
        assert_eq!(layout(&[16, 18, 19, 20, 21]).text(&row), "hello\na: 1, 2\n4\n2024-01-01");
        assert_eq!(layout(&[21]).text(&row), "");
        assert_eq!(text_hash(""), 0);
        assert_ne!(layout(&[16]).mark(), layout(&[16, 17]).mark());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é😀\\n\"\\\\]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn strings(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
            Value::Object(map) => map.values().for_each(|item| strings(item, found)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn every_string_of_a_value_is_in_its_text(value in value()) {
            let text = readable(&value.to_string(), true);
            let mut found = Vec::new();
            strings(&value, &mut found);
            for string in found {
                prop_assert!(text.contains(string.as_str()), "{:?} not in {:?}", string, text);
            }
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,80}", cut in 0..80_usize) {
            readable(&text, true);
            Question::of(&text.chars().take(cut).collect::<String>());
        }
    }
}
