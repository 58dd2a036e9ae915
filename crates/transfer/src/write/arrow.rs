//! Parquet and Arrow IPC out.

use crate::{Column, Error, Format, Kind};
use ::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use ::arrow::compute::cast;
use ::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use ::arrow::ipc::writer::FileWriter;
use ::arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use quarry_types::Timestamp;
use serde_json::{Map, Value};
use std::io::{BufWriter, Write};
use std::sync::Arc;

/// Rows of a Parquet row group; also its bound in bytes of memory below.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_BYTES: usize = 32 << 20;
/// Rows, and bytes of text, gathered before a batch is made.
const BATCH_ROWS: usize = 8 * 1024;
const BATCH_BYTES: usize = 8 << 20;

/// Writes Arrow record batches as a Parquet or an Arrow IPC file.
///
/// Texts in view or dictionary form are written as Utf8, which every reader knows. Memory: one batch
/// for Arrow, one row group (at most 128 Ki rows or about 32 MB) for Parquet.
pub struct ArrowSink<W: Write + Send> {
    file: File<W>,
    schema: SchemaRef,
}

enum File<W: Write + Send> {
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<FileWriter<BufWriter<W>>>),
}

impl<W: Write + Send> std::fmt::Debug for ArrowSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrowSink").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl<W: Write + Send> ArrowSink<W> {
    /// Starts a file for batches of that schema; `compress` is Snappy in Parquet and nothing in Arrow.
    ///
    /// # Errors
    /// When the format is neither of the two, a type has no form in it, or writing fails.
    pub fn new(output: W, format: Format, compress: bool, schema: SchemaRef) -> Result<Self, Error> {
        let fields: Vec<Field> = schema.fields().iter().map(|field| portable(field)).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let file = match format {
            Format::Parquet => {
                let compression = if compress { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .set_created_by("quarry".to_owned())
                    .build();
                File::Parquet(Box::new(ArrowWriter::try_new(output, Arc::clone(&schema), Some(properties))?))
            }
            Format::Arrow => File::Arrow(Box::new(FileWriter::try_new_buffered(output, &schema)?)),
            other => {
                let name = other.name();
                return Err(Error::Unsupported(format!(
                    "{name} holds rows; only parquet and arrow hold batches"
                )));
            }
        };
        Ok(Self { file, schema })
    }

    /// Writes one batch.
    ///
    /// # Errors
    /// When the batch is not of the schema, or writing fails.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if batch.num_columns() != self.schema.fields().len() {
            let (found, known) = (batch.num_columns(), self.schema.fields().len());
            return Err(Error::Internal(format!("a batch of {found} columns for a file of {known}")));
        }
        let pairs = batch.columns().iter().zip(self.schema.fields());
        let columns: Result<Vec<ArrayRef>, _> =
            pairs.map(|(array, field)| cast(array, field.data_type())).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns?)?;
        match &mut self.file {
            File::Parquet(writer) => {
                writer.write(&batch)?;
                if writer.in_progress_size() >= GROUP_BYTES {
                    writer.flush()?;
                }
            }
            File::Arrow(writer) => writer.write(&batch)?,
        }
        Ok(())
    }

    /// Ends the file and gives the output back, flushed.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<W, Error> {
        let mut output = match self.file {
            File::Parquet(writer) => writer.into_inner()?,
            File::Arrow(mut writer) => {
                writer.finish()?;
                writer.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?
            }
        };
        output.flush()?;
        Ok(output)
    }
}

/// The field with texts as Utf8.
fn portable(field: &Field) -> Field {
    let is_text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let text = match field.data_type() {
        DataType::Dictionary(_, values) => is_text(values),
        other => is_text(other),
    };
    if text { field.clone().with_data_type(DataType::Utf8) } else { field.clone() }
}

enum Builder {
    Number(Float64Builder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Moment(TimestampMillisecondBuilder),
    Text(StringBuilder, Kind),
}

/// Gathers rows into batches.
pub(super) struct Batcher {
    schema: SchemaRef,
    columns: Vec<(String, Builder)>,
    rows: usize,
    bytes: usize,
    text: String,
}

impl Batcher {
    pub(super) fn new(columns: &[Column]) -> Self {
        let utc = || DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        let parts = columns.iter().map(|column| {
            let (data_type, builder) = match column.kind {
                Kind::Number => (DataType::Float64, Builder::Number(Float64Builder::new())),
                Kind::Integer => (DataType::Int64, Builder::Integer(Int64Builder::new())),
                Kind::Boolean => (DataType::Boolean, Builder::Boolean(BooleanBuilder::new())),
                Kind::DateTime => {
                    let builder = TimestampMillisecondBuilder::new().with_timezone("UTC");
                    (utc(), Builder::Moment(builder))
                }
                kind @ (Kind::String | Kind::Object | Kind::Array | Kind::Any) => {
                    (DataType::Utf8, Builder::Text(StringBuilder::new(), kind))
                }
            };
            (Field::new(&column.name, data_type, true), (column.name.clone(), builder))
        });
        let (fields, columns): (Vec<Field>, Vec<_>) = parts.unzip();
        Self { schema: Arc::new(Schema::new(fields)), columns, rows: 0, bytes: 0, text: String::new() }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Takes a row; gives a batch when one is full.
    pub(super) fn push(&mut self, row: &Map<String, Value>) -> Result<Option<RecordBatch>, Error> {
        for (name, builder) in &mut self.columns {
            let value = row.get(name).unwrap_or(&Value::Null);
            match builder {
                Builder::Number(builder) => builder.append_option(value.as_f64()),
                Builder::Integer(builder) => builder.append_option(value.as_i64()),
                Builder::Boolean(builder) => builder.append_option(value.as_bool()),
                Builder::Moment(builder) => {
                    let moment = value.as_str().and_then(Timestamp::parse);
                    builder.append_option(moment.map(Timestamp::as_ms));
                }
                Builder::Text(builder, _) if value.is_null() => builder.append_null(),
                Builder::Text(builder, kind) => {
                    self.text.clear();
                    put_text(&mut self.text, *kind, value);
                    self.bytes += self.text.len();
                    builder.append_value(&self.text);
                }
            }
        }
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(None) }
    }

    /// The rows gathered so far.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.rows == 0 {
            return Ok(None);
        }
        let finish = |(_, builder): &mut (String, Builder)| -> ArrayRef {
            match builder {
                Builder::Number(builder) => Arc::new(builder.finish()),
                Builder::Integer(builder) => Arc::new(builder.finish()),
                Builder::Boolean(builder) => Arc::new(builder.finish()),
                Builder::Moment(builder) => Arc::new(builder.finish()),
                Builder::Text(builder, _) => Arc::new(builder.finish()),
            }
        };
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(finish).collect();
        let options = ::arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(RecordBatch::try_new_with_options(self.schema(), columns, &options)?))
    }
}

/// A value as text: texts as they are, the rest as JSON.
fn put_text(into: &mut String, kind: Kind, value: &Value) {
    match (kind, value) {
        (Kind::String, Value::String(text)) => into.push_str(text),
        (_, value) => into.push_str(&value.to_string()),
    }
}
