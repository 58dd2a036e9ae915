#![allow(clippy::unwrap_used)]

use crate::{Error, Limits, ReadOptions, Reader, Row, RowError};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Cursor;

fn options(name: &str) -> ReadOptions {
    let limits = Limits { max_row_bytes: 2000, ..Limits::default() };
    ReadOptions { name: Some(name.into()), limits, ..ReadOptions::default() }
}

fn read(text: impl Into<Vec<u8>>, name: &str) -> Result<Vec<Result<Row, RowError>>, Error> {
    let mut reader = Reader::open(Cursor::new(text.into()), &options(name))?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

fn values(text: &str, name: &str) -> Value {
    read(text, name).unwrap().into_iter().map(|row| Value::Object(row.unwrap().values)).collect()
}

#[test]
fn arrays_layouts_and_lines_are_read() {
    let rows = json!([{ "a": 1, "b": "x]}\",{[" }, { "a": null, "n": { "l": [1, { "z": [] }] } }]);
    let pretty = serde_json::to_string_pretty(&rows).unwrap();
    let lines = format!("{}\r\n\n{}", rows[0], rows[1]);
    assert_eq!(values(&pretty, "x.json"), rows);
    assert_eq!(values(&rows.to_string(), "x.json"), rows);
    assert_eq!(values(&lines, "x.ndjson"), rows);
    assert_eq!(values(&lines, "x.json"), rows);
    assert_eq!(values(&format!("\u{feff}{pretty}\n"), "x"), rows);
    let layout =
        format!("{{\"note\": [1, \"{{\"], \"table\": {{\"name\": \"t\"}}, \"rows\": {pretty}, \"end\": 1}}");
    assert_eq!(values(&layout, "x.json"), rows);
    let reader = Reader::open(Cursor::new(layout.into_bytes()), &options("x.json")).unwrap();
    assert_eq!(reader.table(), Some(&json!({ "name": "t" })));
    let short = "{\"schema\":{\"a\":{}},\"rows\":[]}";
    let reader = Reader::open(short.as_bytes(), &options("x.json")).unwrap();
    assert_eq!(reader.table(), Some(&json!({ "schema": { "a": {} } })));
    assert_eq!(values("[ ]", "x.json"), json!([]));
    assert_eq!(values("", "x.ndjson"), json!([]));
    assert_eq!(values("[{\"a\":-0.0,\"b\":-0}]", "x.json").to_string(), "[{\"a\":0,\"b\":0}]");
}

#[test]
fn rows_know_their_place() {
    let text = "[\n{\"a\":\n1},\n\n{\"a\":2}]";
    let rows: Vec<Row> = read(text, "x.json").unwrap().into_iter().map(Result::unwrap).collect();
    let places: Vec<_> = rows.iter().map(|row| (row.number, row.line, row.offset)).collect();
    assert_eq!(places, [(1, 2, 2), (2, 5, 13)]);
    assert!(text[13..].starts_with("{\"a\":2}"));
    let rows: Vec<Row> =
        read("\n{\"a\":1}\n\n{\"a\":2}", "x.ndjson").unwrap().into_iter().map(Result::unwrap).collect();
    let places: Vec<_> = rows.iter().map(|row| (row.number, row.line, row.offset)).collect();
    assert_eq!(places, [(1, 2, 1), (2, 4, 10)]);
}

#[test]
fn bad_rows_are_named_and_passed_over() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let deepest = format!("{{\"a\":{}{}}}", "[".repeat(900_000), "]".repeat(900_000));
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(5000));
    let rows = [
        ("{\"a\":1}", ""),
        ("7", "must be an object, not \"7\""),
        ("{\"a\":tru}", "not valid JSON: expected ident"),
        (&deep, "recursion limit"),
        (&deepest, "larger than 2000 bytes"),
        (&big, "larger than 2000 bytes"),
        ("{\"a\":\"\\ud800\"}", "not valid JSON"),
        ("\"x\"", "must be an object"),
        ("{\"a\":2}", ""),
    ];
    let texts: Vec<&str> = rows.iter().map(|(text, _)| *text).collect();
    for (text, name) in [(format!("[{}]", texts.join(",\n")), "x.json"), (texts.join("\n"), "x.ndjson")] {
        let found = read(text, name).unwrap();
        assert_eq!(found.len(), rows.len(), "{name}");
        for (at, (row, (_, says))) in found.iter().zip(&rows).enumerate() {
            match row {
                Ok(_) => assert_eq!(*says, "", "{name} {at}"),
                Err(wrong) => {
                    assert!(!says.is_empty() && wrong.message.contains(says), "{name} {at}: {wrong}");
                    assert_eq!((wrong.number, wrong.line), (at as u64 + 1, at as u64 + 1), "{name}");
                }
            }
        }
    }
}

#[test]
fn what_breaks_the_file_is_named_with_its_line() {
    for (text, says) in [
        ("", "an array of objects"),
        ("7", "an array of objects"),
        ("[{\"a\":1}\n{\"a\":2}]", "line 2: expected ',' or ']' after a row, found '{'"),
        ("[{\"a\":1},]", "expected a value"),
        ("[,]", "expected a value"),
        ("[{\"a\":1}", "found the end of the file"),
        ("[{\"a\":[1}", "never closed"),
        ("[\n\n{\"a\":\"x", "line 3: the value that starts here is never closed"),
        ("[{}] x", "expected the end of the file"),
        ("{\"a\":1}", "no \"rows\" array"),
        ("{}", "no \"rows\" array"),
        ("{\"rows\":{}}", "'[' before the rows"),
        ("{\"rows\":[],\"rows\":[]}", "two \"rows\""),
        ("{\"rows\":[]", "found the end of the file"),
        ("{\"table\":nope,\"rows\":[]}", "\"table\" is not valid JSON"),
        ("{rows:[]}", "a key in quotes"),
    ] {
        let error = read(text, "x.json").unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    let error = read(b"[{\"a\":1},\n{\"a\":\"\xE9\"}]".to_vec(), "x.json").unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 2, offset: 16, .. }), "{error}");
    let error = read(b"{\"a\":1}\n{\"a\":\"\xE9\"}".to_vec(), "x.ndjson").unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 2, offset: 14, .. }), "{error}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:a1\\\\ \n-]{0,300}", skip in 1_u64..6) {
        for name in ["x.json", "x.ndjson"] {
            let open = || Reader::open(Cursor::new(text.clone().into_bytes()), &options(name));
            let Ok(mut reader) = open() else { continue };
            let mut rows = Vec::new();
            while let Ok(Some(row)) = reader.next_row() {
                rows.push(row);
            }
            let mut later = open().unwrap();
            if later.skip_to(skip).is_ok() && let Ok(found) = later.next_row() {
                let kept = rows.get(usize::try_from(skip).unwrap() - 1);
                prop_assert!(found.as_ref() == kept || kept.is_none());
            }
        }
    }
}
