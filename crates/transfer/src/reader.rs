//! Reading: one face over the formats.

use crate::csv::CsvRows;
use crate::input::{Input, Limits};
use crate::json::{JsonRows, LineRows};
use crate::value::DateOrder;
use crate::{Column, Error, Format, RowError};
use serde_json::{Map, Value};
use std::io::Read;

/// How to read a file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// File name or key; its ending tells the format.
    pub name: Option<String>,
    /// Media type, looked at when the name says nothing.
    pub media_type: Option<String>,
    /// The format, when known for sure; else name, media type and content decide.
    pub format: Option<Format>,
    /// The columns read into: CSV texts become values of their kinds, and the header must name at
    /// least one of them. Absent: CSV texts stay as they are.
    pub columns: Option<Vec<Column>>,
    /// Bounds on size.
    pub limits: Limits,
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Number of the row, from 1, the header not counted.
    pub number: u64,
    /// Line of the (unzipped) file the row starts on, from 1.
    pub line: u64,
    /// Byte of the unzipped UTF-8 text the row starts on.
    pub offset: u64,
    /// Its values by column. Those of columns the caller did not name are there too, as they came.
    pub values: Map<String, Value>,
}

enum Rows {
    Csv(CsvRows),
    Json(JsonRows),
    Lines(LineRows),
}

/// Reads the rows of a file one by one in bounded memory.
pub struct Reader {
    input: Input,
    rows: Rows,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("format", &self.format()).finish_non_exhaustive()
    }
}

impl Reader {
    /// Finds out compression, encoding, format and delimiter, and reads the header.
    ///
    /// # Errors
    /// When the content holds no rows we read, the header is unusable, or reading fails.
    pub fn open(input: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self, Error> {
        let mut input = Input::open(Box::new(input), &options.limits)?;
        let hint = |text: &Option<String>| text.clone();
        let (name, media_type) = (hint(&options.name), hint(&options.media_type));
        let format = match options.format {
            Some(format) => format,
            None => Format::detect(input.head()?, name.as_deref(), media_type.as_deref()),
        };
        let rows = match format {
            Format::Csv => Rows::Csv(CsvRows::open(&mut input, options.columns.as_deref(), &options.limits)?),
            Format::Json => Rows::Json(JsonRows::open(&mut input, options.limits.max_row_bytes)?),
            Format::Ndjson => Rows::Lines(LineRows::new(options.limits.max_row_bytes)),
            Format::Parquet | Format::Arrow => {
                let name = format.name();
                return Err(Error::Unsupported(format!("{name} is written only; read CSV, JSON or NDJSON")));
            }
        };
        Ok(Self { input, rows })
    }

    /// The format of the file.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.rows {
            Rows::Csv(_) => Format::Csv,
            Rows::Json(_) => Format::Json,
            Rows::Lines(_) => Format::Ndjson,
        }
    }

    /// The column names of a CSV header; empty for other formats.
    #[must_use]
    pub fn header(&self) -> Vec<&str> {
        match &self.rows {
            Rows::Csv(rows) => rows.names().collect(),
            Rows::Json(_) | Rows::Lines(_) => Vec::new(),
        }
    }

    /// The table's own description in our JSON export layout.
    #[must_use]
    pub fn table(&self) -> Option<&Value> {
        match &self.rows {
            Rows::Json(rows) => rows.table(),
            Rows::Csv(_) | Rows::Lines(_) => None,
        }
    }

    /// The next row, or what is wrong with it; `None` at the end.
    ///
    /// # Errors
    /// When no later row can be found either: broken structure, wrong encoding, a limit, the disk.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, RowError>>, Error> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.next(&mut self.input),
            Rows::Json(rows) => rows.next(&mut self.input),
            Rows::Lines(rows) => rows.next(&mut self.input),
        }
    }

    /// Passes over rows unread, so that the next one is row `number` (from 1); `false` when the file
    /// has fewer. Rows behind the reader are not come back to.
    ///
    /// # Errors
    /// As [`next_row`](Self::next_row).
    pub fn skip_to(&mut self, number: u64) -> Result<bool, Error> {
        while self.number() + 1 < number {
            let found = match &mut self.rows {
                Rows::Csv(rows) => rows.skip(&mut self.input)?,
                Rows::Json(rows) => rows.skip(&mut self.input)?,
                Rows::Lines(rows) => rows.skip(&mut self.input)?,
            };
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn number(&self) -> u64 {
        match &self.rows {
            Rows::Csv(rows) => rows.number(),
            Rows::Json(rows) => rows.number(),
            Rows::Lines(rows) => rows.number(),
        }
    }

    /// Bytes taken from the file as it lies (compressed or not), for progress against its size; up
    /// to a buffer ahead of the rows given.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.input.consumed()
    }

    pub(crate) fn date_order(&self) -> Option<DateOrder> {
        match &self.rows {
            Rows::Csv(rows) => rows.date_order(),
            Rows::Json(_) | Rows::Lines(_) => None,
        }
    }
}
