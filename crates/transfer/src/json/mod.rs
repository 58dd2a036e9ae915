//! JSON in: an array of objects, our export layout, or one object per line.
//!
//! The extent of each row is found by a scanner that keeps a bracket count and nothing else, so
//! depth and length of hostile input cost no memory; the row itself is then parsed by serde_json
//! with its depth limit.

mod array;
mod lines;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use array::JsonRows;
pub(crate) use lines::LineRows;

use crate::value::{json_cause, number_value};
use crate::{Error, Row, RowError};
use serde_json::{Map, Value};

/// Where a row was found.
#[derive(Debug, Clone, Copy)]
struct Place {
    number: u64,
    line: u64,
    offset: u64,
}

/// The text of one row as a row.
fn row(place: Place, bytes: &[u8]) -> Result<Result<Row, RowError>, Error> {
    let Place { number, line, offset } = place;
    let text = std::str::from_utf8(bytes).map_err(|cause| Error::Encoding {
        line,
        offset: offset + cause.valid_up_to() as u64,
        expected: "UTF-8",
    })?;
    let wrong = |message: String| Ok(Err(RowError { number, line, column: None, message }));
    match serde_json::from_str(text) {
        Ok(Value::Object(mut values)) => {
            zero_signs(&mut values);
            Ok(Ok(Row { number, line, offset, values }))
        }
        Ok(other) => {
            wrong(format!("a row must be an object, not {}", crate::error::excerpt(&other.to_string())))
        }
        Err(cause) => wrong(format!("the row is not valid JSON: {}", json_cause(&cause))),
    }
}

fn too_large(place: Place, most: usize) -> RowError {
    let Place { number, line, .. } = place;
    RowError { number, line, column: None, message: format!("the row is larger than {most} bytes") }
}

/// -0 is 0, as in CSV.
fn zero_signs(values: &mut Map<String, Value>) {
    for value in values.values_mut() {
        if value.as_f64() == Some(0.0) && value.is_f64() {
            *value = number_value(0.0);
        }
    }
}
