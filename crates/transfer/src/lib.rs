//! Rows in and out of files: CSV, JSON, NDJSON, Parquet, Arrow.
//!
//! Knows how a row looks in a file; does not know where files live, what a table is, or how rows
//! are stored. All calls block and belong on a blocking thread. Invariant: memory is bounded by the
//! [`Limits`] whatever the input says, and what [`RowWriter`] writes as CSV, JSON or NDJSON
//! [`Reader`] reads back to the same values.

mod column;
mod csv;
mod date;
mod error;
mod format;
mod infer;
mod input;
mod json;
mod reader;
mod value;
mod write;

pub use column::{Column, Kind};
pub use error::{Error, RowError};
pub use format::Format;
pub use infer::{Inferred, infer};
pub use input::Limits;
pub use reader::{ReadOptions, Reader, Row};
pub use write::{ArrowSink, RowWriter, WriteOptions};
