//! The rows of an answer, as objects only for those who look.
//!
//! A caller over HTTP wants them as text and many callers of writes only their number, so neither
//! pays for objects. Invariant: the text is that of the objects.

use crate::api::Row;
use crate::query::Output;
use crate::record::StoredRow;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Rows that were found or written. They are made into [`Row`]s when first looked at as a slice;
/// serialising them and asking how many there are does without.
#[derive(Clone, Default)]
pub struct AnswerRows {
    stored: Vec<Arc<StoredRow>>,
    output: Option<Arc<Output>>,
    rows: OnceLock<Vec<Row>>,
}

impl AnswerRows {
    pub(crate) fn new(output: Arc<Output>, stored: Vec<Arc<StoredRow>>) -> Self {
        Self { stored, output: Some(output), rows: OnceLock::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.get().map_or(self.stored.len(), Vec::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows as objects.
    #[must_use]
    pub fn into_rows(self) -> Vec<Row> {
        self.made();
        self.rows.into_inner().unwrap_or_default()
    }

    /// The same, as objects already.
    pub(crate) fn made_now(self) -> Self {
        self.made();
        self
    }

    fn made(&self) -> &Vec<Row> {
        self.rows.get_or_init(|| {
            let make = |output: &Arc<Output>| self.stored.iter().map(|row| output.stored(row)).collect();
            self.output.as_ref().map(make).unwrap_or_default()
        })
    }
}

impl From<Vec<Row>> for AnswerRows {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows: rows.into(), ..Self::default() }
    }
}

impl Deref for AnswerRows {
    type Target = [Row];

    fn deref(&self) -> &[Row] {
        self.made()
    }
}

impl PartialEq for AnswerRows {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for AnswerRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.made().fmt(f)
    }
}

impl Serialize for AnswerRows {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self.rows.get(), &self.output) {
            (None, Some(output)) => to.collect_seq(self.stored.iter().map(|row| output.wire(row))),
            _ => to.collect_seq(self.made()),
        }
    }
}
