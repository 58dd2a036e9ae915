//! CSV in: a header line, then one row per record.
//!
//! Invariant: every record becomes one row or one named error; no cell is dropped silently.

mod dialect;
mod record;
#[cfg(test)]
mod tests;

use crate::error::excerpt;
use crate::input::{Input, Limits};
use crate::value::{self, DateOrder};
use crate::{Column, Error, Kind, Row, RowError};
use dialect::Dialect;
use record::{Fault, Record, Splitter};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One column of the file.
#[derive(Debug)]
struct Target {
    /// The caller's spelling when it is one of the caller's columns, else the header's.
    name: String,
    /// Absent: the text is kept as it is.
    kind: Option<Kind>,
}

/// Rows of a CSV.
pub(crate) struct CsvRows {
    splitter: Splitter,
    record: Record,
    targets: Vec<Target>,
    dates: Option<DateOrder>,
    max_row_bytes: usize,
    number: u64,
}

impl CsvRows {
    /// Finds the delimiter and reads the header.
    pub(crate) fn open(
        input: &mut Input,
        columns: Option<&[Column]>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        input.head()?;
        let whole = input.head_is_all();
        let dialect = Dialect::detect(input.head()?, whole, columns.unwrap_or_default());
        input.consume(dialect.preamble);
        let first_line = 1 + u64::from(dialect.preamble > 0);
        let mut splitter = Splitter::new(dialect.delimiter, limits.max_row_bytes, first_line);
        let mut record = Record::default();
        if !splitter.next(input, &mut record)? {
            return Err(Error::Header("the file is empty; its first line must name the columns".into()));
        }
        let names = header(&record, limits)?;
        let targets = targets(names, columns)?;
        let (max_row_bytes, dates) = (limits.max_row_bytes, dialect.dates);
        Ok(Self { splitter, record, targets, dates, max_row_bytes, number: 0 })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| target.name.as_str())
    }

    /// Passes over one row; `false` at the end.
    pub(crate) fn skip(&mut self, input: &mut Input) -> Result<bool, Error> {
        let found = self.splitter.next(input, &mut self.record)?;
        self.number += u64::from(found);
        Ok(found)
    }

    pub(crate) fn date_order(&self) -> Option<DateOrder> {
        self.dates
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Result<Row, RowError>>, Error> {
        if !self.skip(input)? {
            return Ok(None);
        }
        let record = &self.record;
        let wrong = |column: Option<&Target>, message: String| RowError {
            number: self.number,
            line: record.line,
            column: column.map(|target| target.name.clone()),
            message,
        };
        match record.fault {
            Some(Fault::TooLarge) => {
                let most = self.max_row_bytes;
                return Ok(Some(Err(wrong(None, format!("the row is larger than {most} bytes")))));
            }
            Some(Fault::AfterQuote(cell)) => {
                let message =
                    "there is text after the closing quote; double the quotes that belong to the text".into();
                return Ok(Some(Err(wrong(self.targets.get(cell), message))));
            }
            None => {}
        }
        let text = utf8(record)?;
        let mut values = Map::with_capacity(self.targets.len());
        for (at, target) in self.targets.iter().enumerate() {
            let Some((range, quoted)) = record.cell(at) else {
                values.insert(target.name.clone(), Value::Null);
                continue;
            };
            let cell = text.get(range.clone()).ok_or_else(|| not_utf8(record, range.start))?;
            match value::of_text(cell, quoted, target.kind, self.dates) {
                Ok(value) => values.insert(target.name.clone(), value),
                Err(message) => return Ok(Some(Err(wrong(Some(target), message)))),
            };
        }
        // Empty cells beyond the header carry nothing; anything else has no column to go to.
        for at in self.targets.len()..record.len() {
            let Some((range, _)) = record.cell(at) else { continue };
            if !range.is_empty() {
                let cell = text.get(range.clone()).ok_or_else(|| not_utf8(record, range.start))?;
                let (found, known) = (record.len(), self.targets.len());
                return Ok(Some(Err(wrong(
                    None,
                    format!(
                        "the row has {found} cells but the header {known} (first one too many: {}); quote cells that hold the delimiter",
                        excerpt(cell)
                    ),
                ))));
            }
        }
        Ok(Some(Ok(Row { number: self.number, line: record.line, offset: record.offset, values })))
    }
}

fn utf8(record: &Record) -> Result<&str, Error> {
    std::str::from_utf8(record.bytes()).map_err(|cause| not_utf8(record, cause.valid_up_to()))
}

fn not_utf8(record: &Record, at: usize) -> Error {
    Error::Encoding { line: record.line, offset: record.raw_offset(at), expected: "UTF-8" }
}

fn header(record: &Record, limits: &Limits) -> Result<Vec<String>, Error> {
    let most = limits.max_columns;
    if record.len() > most {
        return Err(Error::TooLarge(format!("the header names more than {most} columns")));
    }
    if let Some(fault) = record.fault {
        let what = match fault {
            Fault::TooLarge => format!("is larger than {} bytes", limits.max_row_bytes),
            Fault::AfterQuote(_) => "has text after a closing quote".into(),
        };
        return Err(Error::Header(format!("the header line {what}; it must name the columns")));
    }
    let text = utf8(record)?;
    let mut names = Vec::with_capacity(record.len());
    let mut seen = BTreeMap::new();
    for at in 0..record.len() {
        let (range, quoted) = record.cell(at).unwrap_or_default();
        let cell = text.get(range.clone()).ok_or_else(|| not_utf8(record, range.start))?;
        let name = if quoted { cell } else { cell.trim() };
        let name = if name.is_empty() { format!("column {}", at + 1) } else { name.to_owned() };
        if let Some(before) = seen.insert(name.clone(), at + 1) {
            return Err(Error::Header(format!(
                "columns {before} and {} of the header are both named {}; give every column its own name",
                at + 1,
                excerpt(&name)
            )));
        }
        names.push(name);
    }
    Ok(names)
}

/// Pairs the header with the caller's columns: same spelling, or the only one that differs in case.
fn targets(names: Vec<String>, columns: Option<&[Column]>) -> Result<Vec<Target>, Error> {
    let Some(columns) = columns else {
        return Ok(names.into_iter().map(|name| Target { name, kind: None }).collect());
    };
    let exact = |name: &str| columns.iter().find(|column| column.name == name);
    let folded = |name: &str| {
        let name = name.to_lowercase();
        let free = |column: &&Column| !names.contains(&column.name);
        let alike = |column: &&Column| column.name.to_lowercase() == name;
        let mut found = columns.iter().filter(free).filter(alike);
        let rivals = names.iter().filter(|other| other.to_lowercase() == name).count();
        found.next().filter(|_| found.next().is_none() && rivals == 1)
    };
    let pair = |name: &String| match exact(name).or_else(|| folded(name)) {
        Some(column) => Target { name: column.name.clone(), kind: Some(column.kind) },
        None => Target { name: name.clone(), kind: None },
    };
    let targets: Vec<Target> = names.iter().map(pair).collect();
    if !columns.is_empty() && targets.iter().all(|target| target.kind.is_none()) {
        let list = |names: Vec<&str>| {
            let shown: Vec<String> = names.iter().take(20).map(|name| excerpt(name)).collect();
            shown.join(", ")
        };
        return Err(Error::Header(format!(
            "the first line must name columns of the table; it says {} but the columns are {}",
            list(names.iter().map(String::as_str).collect()),
            list(columns.iter().map(|column| column.name.as_str()).collect())
        )));
    }
    Ok(targets)
}
