//! CSV out, after RFC 4180.

use super::put_json;
use crate::{Column, Kind};
use serde_json::{Map, Value};

pub(super) fn put_header(into: &mut Vec<u8>, columns: &[Column]) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            into.push(b',');
        }
        put_cell(into, &column.name);
    }
    into.extend_from_slice(b"\r\n");
}

pub(super) fn put_row(into: &mut Vec<u8>, columns: &[Column], row: &Map<String, Value>) {
    let start = into.len();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            into.push(b',');
        }
        match (column.kind, row.get(&column.name)) {
            (_, None | Some(Value::Null)) => {}
            // Nothing in these needs quotes.
            (_, Some(value @ (Value::Number(_) | Value::Bool(_)))) => put_json(into, value),
            (Kind::Any | Kind::Object | Kind::Array, Some(value)) => put_cell(into, &value.to_string()),
            (_, Some(Value::String(text))) => put_cell(into, text),
            (_, Some(value)) => put_cell(into, &value.to_string()),
        }
    }
    if into.len() == start {
        // A blank line would be no row: a second, empty cell makes the null of a single column one.
        into.push(b',');
    }
    into.extend_from_slice(b"\r\n");
}

/// Quoted where it must be, where it is empty (null is bare), and where blanks at its ends, or
/// the looks of a `sep=` line, could be taken for something else.
fn put_cell(into: &mut Vec<u8>, text: &str) {
    let special = |byte: u8| matches!(byte, b',' | b'"' | b'\r' | b'\n' | b';' | b'\t' | b'|' | b'=');
    let plain = !text.is_empty() && !text.bytes().any(special) && text.trim().len() == text.len();
    if plain && !text.starts_with('\u{FEFF}') {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    into.push(b'"');
    for part in text.split_inclusive('"') {
        into.extend_from_slice(part.as_bytes());
        if part.ends_with('"') {
            into.push(b'"');
        }
    }
    into.push(b'"');
}
