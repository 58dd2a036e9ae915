//! The typed filter: columns resolved, literals of the column's kind, patterns compiled.

use crate::schema::{ColumnId, Kind};
use quarry_types::Timestamp;
use regex::Regex;
use serde_json::Value;
use std::cmp::Ordering;

/// A column, or a place inside the JSON of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) column: ColumnId,
    pub(crate) kind: Kind,
    /// Empty for the whole value; only JSON columns have inner places.
    pub(crate) path: Vec<String>,
}

/// A truth about a row. Two-valued: null and missing are ordinary values that most tests refuse.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    /// All hold; with none, every row.
    All(Vec<Filter>),
    /// At least one holds.
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test(Test),
}

#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) field: Field,
    pub(crate) op: Op,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Equals(Literal),
    Compare(Bound, Literal),
    In(Vec<Literal>),
    /// Holds when the value is not null.
    Exists,
    /// Integer part modulo divisor equals remainder.
    Mod {
        divisor: f64,
        remainder: f64,
    },
    /// Arrays of that length.
    Size(usize),
    Regex(Regex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Bound {
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// A value of the field's kind, or null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Moment(Timestamp),
    /// For JSON columns.
    Json(Value),
}
