//! What is written reads back the same, in every format; and reading may start anywhere.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use quarry_transfer::{Column, Format, Kind, ReadOptions, Reader, RowWriter, WriteOptions};
use serde_json::{Map, Value, json};
use std::io::Cursor;

type Rows = Vec<Map<String, Value>>;

const KINDS: [Kind; 8] = [
    Kind::Number,
    Kind::Integer,
    Kind::String,
    Kind::Boolean,
    Kind::DateTime,
    Kind::Object,
    Kind::Array,
    Kind::Any,
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z,;\"'\r\n\t| =é日😀]{0,8}",
        1 => any::<String>(),
        1 => Just(String::new()),
        1 => "[0-9]{1,40}",
        1 => proptest::sample::select(vec!["null", "true", "=1+1", "sep=,", "1e5", "\u{feff}", " ", "\0", "[1]", "{}"])
            .prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::from),
        (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(Value::from),
        any::<f64>().prop_filter("read back by the JSON parser", parses_back).prop_map(|n| {
            // Numbers as tables hand them out: whole ones without a fraction, no -0.
            #[allow(clippy::cast_possible_truncation, reason = "whole and small")]
            if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 { json!(n as i64) } else { json!(n) }
        }),
    ]
}

/// The JSON parser in use may miss the last bit of a double, which is no matter of ours.
fn parses_back(number: &f64) -> bool {
    number.is_finite() && serde_json::from_str::<f64>(&json!(number).to_string()).ok() == Some(*number)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn value(kind: Kind) -> BoxedStrategy<Value> {
    let some = match kind {
        Kind::Number => number().boxed(),
        Kind::Integer => any::<u32>().prop_map(Value::from).boxed(),
        Kind::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Kind::DateTime => prop_oneof![
            (-4_000_000_000_000_i64..4_000_000_000_000)
                .prop_map(|ms| quarry_types::Timestamp(ms).to_string()),
            Just("2024-02-29".to_owned()),
            Just("2024-02-29T10:00:00+05:30".to_owned()),
        ]
        .prop_map(Value::from)
        .boxed(),
        Kind::Object => proptest::collection::btree_map(text(), any_json(), 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed(),
        Kind::Array => proptest::collection::vec(any_json(), 0..3).prop_map(Value::from).boxed(),
        Kind::Any => any_json().boxed(),
        _ => text().prop_map(Value::from).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 5 => some].boxed()
}

/// Columns of random names and kinds, and rows for them.
fn table() -> impl Strategy<Value = (Vec<Column>, Rows)> {
    let column = (text(), proptest::sample::select(KINDS.to_vec()));
    proptest::collection::vec(column, 1..6).prop_flat_map(|columns| {
        let columns: Vec<Column> = columns
            .into_iter()
            .enumerate()
            .map(|(at, (name, kind))| Column::new(format!("{name}{at}"), kind))
            .collect();
        let row: Vec<_> = columns.iter().map(|column| value(column.kind)).collect();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let row = row.prop_map(move |values| names.iter().cloned().zip(values).collect());
        (Just(columns), proptest::collection::vec(row, 0..12))
    })
}

fn write(format: Format, compress: bool, columns: &[Column], rows: &Rows) -> Vec<u8> {
    let table = (format == Format::Json && compress).then(|| json!({ "name": "t" }));
    let options = WriteOptions { format, compress, columns: columns.to_vec(), table };
    let mut writer = RowWriter::new(Vec::new(), options).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    assert_eq!(writer.rows(), rows.len() as u64);
    writer.finish().unwrap()
}

fn open(bytes: Vec<u8>, format: Format, columns: &[Column]) -> Reader {
    let options = ReadOptions {
        name: Some(format!("x.{}", format.name())),
        columns: Some(columns.to_vec()),
        ..ReadOptions::default()
    };
    Reader::open(Cursor::new(bytes), &options).unwrap()
}

fn rest(reader: &mut Reader) -> Rows {
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        rows.push(row.unwrap().values);
    }
    rows
}

proptest! {
    #[test]
    fn rows_come_back((columns, rows) in table(), compress: bool, skip in 0_usize..14) {
        for format in [Format::Csv, Format::Json, Format::Ndjson] {
            let bytes = write(format, compress, &columns, &rows);
            let mut reader = open(bytes.clone(), format, &columns);
            prop_assert_eq!(reader.table().is_some(), format == Format::Json && compress);
            prop_assert_eq!(&rest(&mut reader), &rows, "{:?}", format);
            prop_assert_eq!(reader.bytes_read(), bytes.len() as u64);
            let mut later = open(bytes, format, &columns);
            let found = later.skip_to(skip as u64 + 1).unwrap();
            prop_assert_eq!(found, skip <= rows.len());
            prop_assert_eq!(&rest(&mut later), &rows.get(skip..).unwrap_or_default().to_vec());
        }
    }

    #[test]
    fn batches_come_back((columns, rows) in table(), compress: bool) {
        let arrow = write(Format::Arrow, compress, &columns, &rows);
        let reader = arrow::ipc::reader::FileReader::try_new(Cursor::new(arrow), None).unwrap();
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        check(&columns, &rows, &batches);
        let parquet = write(Format::Parquet, compress, &columns, &rows);
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(parquet));
        let batches: Vec<_> = reader.unwrap().build().unwrap().map(Result::unwrap).collect();
        check(&columns, &rows, &batches);
    }
}

fn check(columns: &[Column], rows: &Rows, batches: &[arrow::record_batch::RecordBatch]) {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type, TimestampMillisecondType};
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), rows.len());
    let mut all = rows.iter();
    for batch in batches {
        for (at, row) in (0..batch.num_rows()).zip(&mut all) {
            for column in columns {
                let array = batch.column_by_name(&column.name).unwrap();
                let value = &row[&column.name];
                if array.is_null(at) {
                    assert!(value.is_null(), "{column:?}");
                    continue;
                }
                match column.kind {
                    Kind::Number => {
                        assert_eq!(Some(array.as_primitive::<Float64Type>().value(at)), value.as_f64())
                    }
                    Kind::Integer => {
                        assert_eq!(Some(array.as_primitive::<Int64Type>().value(at)), value.as_i64())
                    }
                    Kind::Boolean => assert_eq!(Some(array.as_boolean().value(at)), value.as_bool()),
                    Kind::DateTime => {
                        let moment = quarry_types::Timestamp::parse(value.as_str().unwrap()).unwrap();
                        assert_eq!(
                            array.as_primitive::<TimestampMillisecondType>().value(at),
                            moment.as_ms()
                        );
                    }
                    Kind::String => assert_eq!(Some(array.as_string::<i32>().value(at)), value.as_str()),
                    _ => {
                        let back: Value = serde_json::from_str(array.as_string::<i32>().value(at)).unwrap();
                        assert_eq!(&back, value);
                    }
                }
            }
        }
    }
}

#[test]
fn csv_is_written_plainly() {
    let columns =
        [Column::new("name", Kind::String), Column::new("n", Kind::Number), Column::new("o", Kind::Any)];
    let row = |name: Value, n: Value, o: Value| -> Map<String, Value> {
        [("name", name), ("n", n), ("o", o)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let rows = vec![
        row(json!("a, \"b\""), json!(1), json!({ "x": "y" })),
        row(json!(""), json!(1.5), json!("text")),
        row(json!(null), json!(1e300), json!(null)),
        Map::new(),
    ];
    let text = String::from_utf8(write(Format::Csv, false, &columns, &rows)).unwrap();
    let expected = "name,n,o\r\n\"a, \"\"b\"\"\",1,\"{\"\"x\"\":\"\"y\"\"}\"\r\n\"\",1.5,\"\"\"text\"\"\"\r\n,1e300,\r\n,,\r\n";
    assert_eq!(text, expected.replace("1e300", &json!(1e300).to_string()));
}

#[test]
fn a_lone_null_is_a_row() {
    let columns = [Column::new("only", Kind::String)];
    let row = |value: Value| -> Map<String, Value> { [("only".to_owned(), value)].into_iter().collect() };
    let rows = vec![row(json!("a")), row(json!(null)), row(json!("")), row(json!(null))];
    let bytes = write(Format::Csv, false, &columns, &rows);
    assert_eq!(rest(&mut open(bytes, Format::Csv, &columns)), rows);
}

#[test]
fn large_files_pass_through_in_row_groups() {
    let columns = [Column::new("id", Kind::Integer), Column::new("text", Kind::String)];
    let count = 140_000_u64;
    let rows: Rows = (0..count)
        .map(|at| json!({ "id": at, "text": format!("row {at}") }).as_object().unwrap().clone())
        .collect();
    let csv = write(Format::Csv, true, &columns, &rows);
    let mut reader = open(csv, Format::Csv, &columns);
    assert!(reader.skip_to(count - 1).unwrap());
    assert_eq!(rest(&mut reader), rows[rows.len() - 2..]);
    let parquet = bytes::Bytes::from(write(Format::Parquet, true, &columns, &rows));
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(parquet).unwrap();
    assert_eq!(builder.metadata().num_row_groups(), 2);
    assert_eq!(builder.metadata().file_metadata().num_rows(), i64::try_from(count).unwrap());
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    check(&columns, &rows, &batches);
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let columns = vec![Column::new("a", Kind::String), Column::new("a", Kind::Number)];
    let options = WriteOptions { format: Format::Csv, compress: false, columns, table: None };
    assert!(RowWriter::new(Vec::new(), options).is_err());
}
