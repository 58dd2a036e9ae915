//! Rows out, in any format.

mod arrow;
mod csv;

pub use arrow::ArrowSink;

use crate::{Column, Error, Format};
use ::arrow::datatypes::SchemaRef;
use arrow::Batcher;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use std::io::{BufWriter, Write};

const BUFFER: usize = 128 * 1024;

/// How to write a file.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// The format.
    pub format: Format,
    /// Gzip the text formats; Snappy inside Parquet; nothing for Arrow, which is read in place.
    pub compress: bool,
    /// The columns, in order; values of a row beyond them are not written.
    pub columns: Vec<Column>,
    /// For JSON: the table's description, written as `table` before the rows. Absent: a bare array.
    pub table: Option<Value>,
}

impl WriteOptions {
    /// The ending of file names, such as `csv.gz`.
    #[must_use]
    pub fn extension(&self) -> String {
        let gzip = if self.compress && self.format.takes_gzip() { ".gz" } else { "" };
        format!("{}{gzip}", self.format.name())
    }

    /// The media type of the file as it is written.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        if self.compress && self.format.takes_gzip() { "application/gzip" } else { self.format.media_type() }
    }
}

/// Writes rows to a file in bounded memory.
///
/// CSV: a header, CRLF, commas; null is an empty cell, an empty text a quoted empty one; objects,
/// arrays and columns of any kind are JSON texts. JSON and NDJSON: every column, null included.
/// Parquet and Arrow: numbers as doubles, date-times as UTC milliseconds, JSON as Utf8.
pub struct RowWriter<W: Write + Send> {
    body: Body<W>,
    columns: Vec<Column>,
    rows: u64,
    line: Vec<u8>,
}

enum Body<W: Write + Send> {
    Csv(Output<W>),
    Json { output: Output<W>, wrapped: bool },
    Ndjson(Output<W>),
    Arrow { sink: ArrowSink<W>, batch: Batcher },
}

enum Output<W: Write> {
    Plain(BufWriter<W>),
    Gzip(Box<GzEncoder<BufWriter<W>>>),
}

impl<W: Write + Send> std::fmt::Debug for RowWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<W: Write> Output<W> {
    fn new(output: W, gzip: bool) -> Self {
        let output = BufWriter::with_capacity(BUFFER, output);
        match gzip {
            // Level 3 gives most of the gain at a third of the default's time.
            true => Self::Gzip(Box::new(GzEncoder::new(output, Compression::new(3)))),
            false => Self::Plain(output),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Plain(output) => output.write_all(bytes)?,
            Self::Gzip(output) => output.write_all(bytes)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<W, Error> {
        let output = match self {
            Self::Plain(output) => output,
            Self::Gzip(output) => output.finish()?,
        };
        let mut output = output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        output.flush()?;
        Ok(output)
    }
}

impl<W: Write + Send> RowWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// When two columns share a name, or writing fails.
    pub fn new(output: W, options: WriteOptions) -> Result<Self, Error> {
        let WriteOptions { format, compress, columns, table } = options;
        for (at, column) in columns.iter().enumerate() {
            if columns.iter().take(at).any(|other| other.name == column.name) {
                return Err(Error::Header(format!("two columns are named {:?}", column.name)));
            }
        }
        let mut line = Vec::new();
        let body = match format {
            Format::Csv => {
                let mut output = Output::new(output, compress);
                csv::put_header(&mut line, &columns);
                output.put(&line)?;
                Body::Csv(output)
            }
            Format::Json => {
                let mut output = Output::new(output, compress);
                if let Some(table) = &table {
                    output.put(format!("{{\"table\":{table},\n\"rows\":").as_bytes())?;
                }
                output.put(b"[")?;
                Body::Json { output, wrapped: table.is_some() }
            }
            Format::Ndjson => Body::Ndjson(Output::new(output, compress)),
            Format::Parquet | Format::Arrow => {
                let batch = Batcher::new(&columns);
                let schema: SchemaRef = batch.schema();
                Body::Arrow { sink: ArrowSink::new(output, format, compress, schema)?, batch }
            }
        };
        Ok(Self { body, columns, rows: 0, line })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, row: &Map<String, Value>) -> Result<(), Error> {
        self.line.clear();
        match &mut self.body {
            Body::Csv(output) => {
                csv::put_row(&mut self.line, &self.columns, row);
                output.put(&self.line)?;
            }
            Body::Json { output, .. } => {
                self.line.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
                put_object(&mut self.line, &self.columns, row);
                output.put(&self.line)?;
            }
            Body::Ndjson(output) => {
                put_object(&mut self.line, &self.columns, row);
                self.line.push(b'\n');
                output.put(&self.line)?;
            }
            Body::Arrow { sink, batch } => {
                if let Some(full) = batch.push(row)? {
                    sink.write(&full)?;
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Rows written.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives the output back, flushed.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<W, Error> {
        match self.body {
            Body::Csv(output) | Body::Ndjson(output) => output.finish(),
            Body::Json { mut output, wrapped } => {
                output.put(if wrapped { b"\n]}\n" } else { b"\n]\n" })?;
                output.finish()
            }
            Body::Arrow { mut sink, mut batch } => {
                if let Some(rest) = batch.flush()? {
                    sink.write(&rest)?;
                }
                sink.finish()
            }
        }
    }
}

fn put_object(into: &mut Vec<u8>, columns: &[Column], row: &Map<String, Value>) {
    into.push(b'{');
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            into.push(b',');
        }
        put_json(into, &column.name);
        into.push(b':');
        match row.get(&column.name) {
            Some(value) => put_json(into, value),
            None => into.extend_from_slice(b"null"),
        }
    }
    into.push(b'}');
}

/// Texts and JSON values always serialise, and memory takes what is written.
fn put_json(into: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    let written = serde_json::to_writer(&mut *into, value);
    debug_assert!(written.is_ok(), "a JSON value serialises");
}
