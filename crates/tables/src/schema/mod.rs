//! Schemas: columns, the input shapes they come in, and what values they take.

mod check;
mod column;
mod parse;

pub(crate) use check::{CheckedRow, Checker};
pub(crate) use column::{Column, ColumnId, Kind, Schema, WireType};
pub(crate) use parse::{MAX_TABLE_NAME_CHARS, check_table_name, first_line};
