//! Reads and writes a generated table of ten columns in every format and prints rows per second of
//! wall and of processor time, and peak memory. Writing includes making the rows.
//!
//! `cargo run --release -p quarry-transfer --example read_speed -- [rows]` (1,000,000 when absent).
#![allow(clippy::print_stdout, missing_docs)]

use quarry_transfer::{Column, Error, Format, Kind, ReadOptions, Reader, RowWriter, WriteOptions, infer};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::time::Instant;

fn columns() -> Vec<Column> {
    [
        ("sku", Kind::String),
        ("name", Kind::String),
        ("price", Kind::Number),
        ("stock", Kind::Number),
        ("active", Kind::Boolean),
        ("added", Kind::DateTime),
        ("city", Kind::String),
        ("rating", Kind::Number),
        ("note", Kind::String),
        ("tags", Kind::Array),
    ]
    .map(|(name, kind)| Column::new(name, kind))
    .to_vec()
}

fn row(columns: &[Column], at: u64) -> Map<String, Value> {
    let city = ["Oslo", "Lima", "Perth", "São Paulo"].get((at % 4) as usize).copied().unwrap_or("");
    let values = [
        json!(format!("SKU-{at:07}")),
        json!(format!("Product number {at}")),
        json!((at % 10_000) as f64 / 100.0),
        json!(at % 977),
        json!(at.is_multiple_of(3)),
        json!(format!("2024-{:02}-{:02}T08:30:00.000Z", at % 12 + 1, at % 28 + 1)),
        json!(city),
        if at.is_multiple_of(5) { Value::Null } else { json!((at % 50) as f64 / 10.0) },
        json!(if at.is_multiple_of(7) { "a \"quoted\" note,\nof two lines" } else { "plain" }),
        json!(["a", "b"]),
    ];
    columns.iter().map(|column| column.name.clone()).zip(values).collect()
}

/// Largest resident memory of this process so far.
fn peak_mib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> = line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} MiB", kib / 1024.0))
}

/// Processor seconds this process has used.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).map_or(f64::NAN, |nanos| nanos / 1e9)
}

/// When a step began, by both clocks.
struct Begun(Instant, f64);

impl Begun {
    fn now() -> Self {
        Self(Instant::now(), processor_seconds())
    }
}

fn report(what: &str, rows: u64, begun: &Begun, bytes: u64) {
    let (wall, processor) = (begun.0.elapsed().as_secs_f64(), processor_seconds() - begun.1);
    println!(
        "{what:<16} {rows} rows in {wall:.2} s ({processor:.2} s processor = {:.0} rows/s), file {:.0} MB, peak memory so far {}",
        rows as f64 / processor,
        bytes as f64 / 1e6,
        peak_mib()
    );
}

fn main() -> Result<(), Error> {
    let rows: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (folder, columns_of_rows) = (tempfile::tempdir()?, columns());
    for (format, compress) in [
        (Format::Csv, false),
        (Format::Csv, true),
        (Format::Ndjson, false),
        (Format::Json, false),
        (Format::Parquet, true),
        (Format::Arrow, false),
    ] {
        let options = WriteOptions { format, compress, columns: columns(), table: None };
        let name = format!("rows.{}", options.extension());
        let path = folder.path().join(&name);
        let begun = Begun::now();
        let mut writer = RowWriter::new(File::create(&path)?, options)?;
        for at in 0..rows {
            writer.write(&row(&columns_of_rows, at))?;
        }
        writer.finish()?;
        let bytes = path.metadata()?.len();
        report(&format!("write {}", name.trim_start_matches("rows.")), rows, &begun, bytes);
        if matches!(format, Format::Parquet | Format::Arrow) {
            continue;
        }
        let typed =
            ReadOptions { name: Some(name.clone()), columns: Some(columns()), ..ReadOptions::default() };
        let begun = Begun::now();
        let mut reader = Reader::open(File::open(&path)?, &typed)?;
        let mut read = 0;
        while let Some(row) = reader.next_row()? {
            read += u64::from(row.is_ok());
        }
        report(&format!("read {}", name.trim_start_matches("rows.")), read, &begun, bytes);
        if format == Format::Csv && !compress {
            let begun = Begun::now();
            let untyped = ReadOptions { name: Some(name), ..ReadOptions::default() };
            let found = infer(&mut Reader::open(File::open(&path)?, &untyped)?, None)?;
            report("infer csv", found.rows, &begun, bytes);
            let begun = Begun::now();
            let mut reader = Reader::open(File::open(&path)?, &typed)?;
            reader.skip_to(rows)?;
            report("skip csv", rows, &begun, bytes);
        }
    }
    Ok(())
}
