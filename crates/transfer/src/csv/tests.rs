#![allow(clippy::unwrap_used)]

use crate::{Column, Error, Kind, Limits, ReadOptions, Reader, Row, RowError};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Gives a few bytes at a time, so that every state is entered across a buffer's end.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
}

impl std::io::Read for Dribble {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.step.min(into.len()).min(self.bytes.len() - self.at);
        into[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

fn read(text: impl Into<Vec<u8>>, options: &ReadOptions) -> Result<Vec<Result<Row, RowError>>, Error> {
    let mut reader = Reader::open(Dribble { bytes: text.into(), at: 0, step: 3 }, options)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}

fn csv() -> ReadOptions {
    ReadOptions { name: Some("x.csv".into()), ..ReadOptions::default() }
}

fn into(columns: &[(&str, Kind)]) -> ReadOptions {
    let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
    ReadOptions { columns: Some(columns), ..csv() }
}

fn values(text: &str) -> Vec<Value> {
    let rows = read(text, &csv()).unwrap();
    rows.into_iter()
        .map(|row| Value::Array(row.unwrap().values.into_iter().map(|(_, v)| v).collect()))
        .collect()
}

#[test]
fn cells_are_cut_as_written() {
    for (text, expected) in [
        ("a,b\n1,2\n", json!([["1", "2"]])),
        ("a,b\r\n1,2\r\n", json!([["1", "2"]])),
        ("a,b\r1,2\r3,4", json!([["1", "2"], ["3", "4"]])),
        ("a,b\n\n1,2\n\n\n3,4\n\n", json!([["1", "2"], ["3", "4"]])),
        ("a,b\n\"x,\ny\",\"q\"\"q\"\n", json!([["x,\ny", "q\"q"]])),
        ("a,b\n\"l1\r\nl2\rl3\",z", json!([["l1\r\nl2\rl3", "z"]])),
        ("a,b\n,\n", json!([[null, null]])),
        ("a,b\n\"\",\n", json!([["", null]])),
        ("a,b\n1\n", json!([["1", null]])),
        ("a,b\n1,2,,\n", json!([["1", "2"]])),
        ("a,b\nit's 5\" wide, x \n", json!([["it's 5\" wide", " x "]])),
        ("a,b\n\"x\" ,y\n", json!([["x", "y"]])),
        ("a;b\n1,5;2\n", json!([["1,5", "2"]])),
        ("sep=;\na;b\n1;2\n", json!([["1", "2"]])),
        ("\u{feff}a\tb\n1\t2\n", json!([["1", "2"]])),
        ("a\nü\n日本\n", json!([["ü"], ["日本"]])),
        ("a\nx\0y\n", json!([["x\0y"]])),
        ("a,b", json!([])),
        ("a,b\n1,\"\"", json!([["1", ""]])),
    ] {
        assert_eq!(Value::Array(values(text)), expected, "{text:?}");
    }
}

#[test]
fn rows_know_their_place() {
    let text = "a,b\r\n\"x\r\ny\",1\r\n\r\nz,2\r\n";
    let rows: Vec<Row> = read(text, &csv()).unwrap().into_iter().map(Result::unwrap).collect();
    let places: Vec<_> = rows.iter().map(|row| (row.number, row.line, row.offset)).collect();
    assert_eq!(places, [(1, 2, 5), (2, 5, 17)]);
    assert_eq!(&text[17..18], "z");
}

#[test]
fn headers_must_name_columns() {
    let error = |text: &str| read(text, &csv()).unwrap_err().to_string();
    assert!(error("").contains("is empty"), "{}", error(""));
    assert!(error("\n\r\n").contains("is empty"));
    assert!(error("a,b, a \n1,2,3").contains("columns 1 and 3"), "{}", error("a,b, a \n1,2,3"));
    assert!(error("\"a\"x,b\n1,2").contains("closing quote"));
    let names = |text: &'static str| -> Vec<String> {
        let reader = Reader::open(text.as_bytes(), &csv()).unwrap();
        reader.header().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(names(" a ,\" b \",,é\n"), ["a", " b ", "column 3", "é"]);
    let wide = vec!["x"; 1001].join(",");
    assert!(matches!(read(wide, &csv()), Err(Error::TooLarge(_))));
}

#[test]
fn headers_meet_the_callers_columns() {
    let options = into(&[("Name", Kind::String), ("age", Kind::Number), ("id", Kind::String)]);
    let rows = read("NAME,Age,other\nAnn,3,x\n", &options).unwrap();
    let row = rows[0].as_ref().unwrap();
    assert_eq!(Value::Object(row.values.clone()), json!({"Name": "Ann", "age": 3, "other": "x"}));
    // Two spellings of one name stay apart.
    let rows = read("name,NAME,age\nAnn,Bob,3\n", &options).unwrap();
    let row = rows[0].as_ref().unwrap();
    assert_eq!(Value::Object(row.values.clone()), json!({"name": "Ann", "NAME": "Bob", "age": 3}));
    let error = read("1,2\n3,4\n", &options).unwrap_err();
    assert!(matches!(&error, Error::Header(text) if text.contains("\"Name\", \"age\"")), "{error}");
}

#[test]
fn bad_rows_are_named_and_passed_over() {
    let options = into(&[("n", Kind::Number), ("d", Kind::DateTime)]);
    let rows = read("n,d\n1,\n\"1,234\",\nx,\n2,soon\n\"3\"x,\n4,,y\n5,2024-01-01\n", &options).unwrap();
    let errors: Vec<String> =
        rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(rows.len(), 7);
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(
        errors[0].starts_with("line 3, column \"n\": \"1,234\" is not a number; write it without grouping")
    );
    assert!(errors[1].starts_with("line 4, column \"n\": \"x\""));
    assert!(errors[2].starts_with("line 5, column \"d\": \"soon\""));
    assert!(errors[3].starts_with("line 6, column \"n\": there is text after"), "{}", errors[3]);
    assert!(errors[4].starts_with("line 7: the row has 3 cells but the header 2"), "{}", errors[4]);
    assert_eq!(rows[6].as_ref().unwrap().number, 7);
}

#[test]
fn dates_follow_the_order_the_file_proves() {
    let options = into(&[("d", Kind::DateTime)]);
    let text = format!("d\n3/4/2024\n{}12/25/2024\n", "25/12/2024\n".repeat(250));
    let rows = read(text, &options).unwrap();
    assert_eq!(rows[0].as_ref().unwrap().values["d"], "2024-04-03T00:00:00.000Z");
    assert!(rows[251].is_err(), "a date of the other order is refused, not read backwards");
    let rows = read("d\n3/4/2024\n", &options).unwrap();
    assert!(rows[0].as_ref().unwrap_err().message.contains("cannot be told apart"));
}

#[test]
fn what_breaks_the_file_is_named_with_its_place() {
    let error = read("a,b\n1,2\n3,\"open\n4,5\n", &csv()).unwrap_err();
    assert!(
        matches!(&error, Error::Malformed { line: 3, message } if message.contains("never closed")),
        "{error}"
    );
    let mut latin = b"a,b\n\"q\"\"q\",2\n1,".to_vec();
    let at = latin.len() as u64;
    latin.extend_from_slice(b"caf\xE9\n");
    let error = read(latin, &csv()).unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 3, offset, .. } if offset == at + 3), "{error}");
    // Halves of one letter on both sides of a delimiter are no letter.
    let error = read(b"a,b\n\xC3,\xA9\n".to_vec(), &csv()).unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 2, offset: 4, .. }), "{error}");
    let error = read(b"a,b\n\"x\"\"\xFF\",\n".to_vec(), &csv()).unwrap_err();
    assert!(matches!(error, Error::Encoding { line: 2, offset: 8, .. }), "{error}");
}

#[test]
fn large_rows_are_passed_over() {
    let limits = Limits { max_row_bytes: 1000, ..Limits::default() };
    let options = ReadOptions { limits, ..csv() };
    let big = "x".repeat(5000);
    let text = format!("a,b\n1,{big}\n\"{big}\n{big}\",2\n{}\n5,6\n", ",".repeat(5000));
    let rows = read(text, &options).unwrap();
    let lines: Vec<u64> = rows.iter().filter_map(|row| row.as_ref().err()).map(|wrong| wrong.line).collect();
    assert_eq!(lines, [2, 3, 5]);
    assert_eq!(rows[3].as_ref().unwrap().values["b"], "6");
}

#[test]
fn sixteen_bit_text_reads_like_eight_bit_text() {
    let text = "name,note\nZoë,\"a\n😀\"\n";
    let expected = values(text);
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for bytes in
        [little(&format!("\u{feff}{text}")), big(&format!("\u{feff}{text}")), little(text), big(text)]
    {
        let rows = read(bytes, &csv()).unwrap();
        let got: Vec<Value> = rows
            .into_iter()
            .map(|row| Value::Array(row.unwrap().values.into_iter().map(|(_, v)| v).collect()))
            .collect();
        assert_eq!(got, expected);
    }
    let mut cut = little("\u{feff}a,b\n1,😀");
    cut.truncate(cut.len() - 2);
    assert!(matches!(read(cut, &csv()), Err(Error::Encoding { line: 2, offset: 14, .. })));
    let mut odd = little("\u{feff}a,b\n");
    odd.push(0x31);
    assert!(matches!(read(odd, &csv()), Err(Error::Encoding { .. })));
}

proptest! {
    /// What another implementation writes is read to the letter, whatever it quotes.
    #[test]
    fn other_writers_are_understood(
        rows in proptest::collection::vec(proptest::collection::vec("[a-c,;\"\r\n é]{0,6}", 3), 0..12),
        crlf: bool, always: bool, step in 1_usize..40,
    ) {
        let mut writer = csv::WriterBuilder::new()
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .quote_style(if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::NonNumeric })
            .from_writer(Vec::new());
        writer.write_record(["one", "two", "three"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let mut reader = Reader::open(Dribble { bytes, at: 0, step }, &csv()).unwrap();
        for row in &rows {
            let got = reader.next_row().unwrap().unwrap().unwrap();
            let got: Vec<&str> = got.values.values().map(|value| value.as_str().unwrap()).collect();
            prop_assert_eq!(&got, row);
        }
        prop_assert!(reader.next_row().unwrap().is_none());
    }

    /// Any bytes give rows or errors; and skipping gives the same tail as reading.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(prop_oneof![
        4 => proptest::sample::select(b"a1,\"\n\r;\t".to_vec()), 1 => any::<u8>()
    ], 0..400), step in 1_usize..40, skip in 1_u64..8) {
        let open = || Reader::open(Dribble { bytes: bytes.clone(), at: 0, step }, &csv());
        let Ok(mut reader) = open() else { return Ok(()) };
        let mut rows = Vec::new();
        while let Ok(Some(row)) = reader.next_row() {
            rows.push(row);
        }
        let mut later = open().unwrap();
        if later.skip_to(skip).is_ok() && let Ok(found) = later.next_row() {
            let kept = rows.get(usize::try_from(skip).unwrap() - 1);
            prop_assert!(found.is_none() || kept.is_none() || found.as_ref() == kept);
        }
    }
}
