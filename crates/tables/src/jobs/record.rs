//! What is kept of a job, and what callers see of it.

use crate::Error;
use crate::schema::ColumnId;
use bytes::Bytes;
use quarry_types::{TableId, Timestamp, Ulid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Refused rows a job names; the others are only counted.
pub(crate) const NAMED_ROWS: usize = 100;
/// Characters of a refusal's text.
const MAX_REASON_CHARS: usize = 300;
const MAX_WARNINGS: usize = 50;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Rows into a file.
    Export,
    /// Rows out of a file.
    Import,
    /// Drops the values of columns that are gone or changed their type.
    ClearColumn,
    /// Drops the vectors of columns that are searchable no more.
    ClearVectors,
    /// A delete too large for one commit.
    DeleteRows,
    /// Rows into a copy of the table.
    DuplicateTable,
}

impl JobKind {
    /// The wire's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
            Self::ClearColumn => "clear_column",
            Self::ClearVectors => "clear_vectors",
            Self::DeleteRows => "delete_rows",
            Self::DuplicateTable => "duplicate_table",
        }
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for its turn.
    Pending,
    /// Works.
    InProgress,
    /// Publishes what it made, or takes it back.
    Finalizing,
    /// Done.
    Completed,
    /// Ended without effect; its error says why.
    Failed,
}

impl JobStatus {
    /// The wire's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// A row of a file that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Its line in a text file, or its number among the rows of other files; the first is 1.
    pub line: u64,
    /// The column, when one is to blame.
    pub column: Option<String>,
    /// Why.
    pub reason: String,
}

/// A job as callers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The table it works on; of a copy, the source.
    pub table: TableId,
    /// What it does.
    pub kind: JobKind,
    /// Where it is.
    pub status: JobStatus,
    /// 0..=100.
    pub progress: u8,
    /// The file read.
    pub input_file: Option<String>,
    /// The file written.
    pub output_file: Option<String>,
    /// The table written, when it is another one.
    pub target_table: Option<TableId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// Why it failed, or is about to.
    pub error: Option<String>,
    /// Rows done so far.
    pub rows: u64,
    /// Rows to do, when known.
    pub total: Option<u64>,
    /// Rows refused.
    pub refused: u64,
    /// The first 100 of them.
    pub refused_rows: Vec<RefusedRow>,
    /// What was ignored.
    pub warnings: Vec<String>,
}

/// Rows on their way into a table, unseen until they are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// Their batch number.
    pub(crate) batch: u32,
    /// All their ids are at least this.
    pub(crate) first_id: u64,
}

/// What a job is to do and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Work {
    Import {
        file: String,
        /// Identity of the content: a resumed import reads the same bytes or fails.
        content: String,
        /// Rows of the file that are done with, the refused ones included.
        read: u64,
        arrival: Option<Arrival>,
        /// The columns when the first row was read.
        columns: Vec<(ColumnId, String)>,
    },
    Export {
        format: String,
        compress: bool,
    },
    ClearColumn {
        columns: Vec<ColumnId>,
        /// The last row looked at.
        after: u32,
    },
    ClearVectors,
    DeleteRows {
        filter: Option<Value>,
        /// Younger rows stay.
        below: u64,
        /// Whether the rows are out; their records go after that.
        #[serde(default)]
        out: bool,
    },
    Duplicate {
        target: TableId,
        arrival: Arrival,
    },
}

impl Work {
    fn kind(&self) -> JobKind {
        match self {
            Self::Import { .. } => JobKind::Import,
            Self::Export { .. } => JobKind::Export,
            Self::ClearColumn { .. } => JobKind::ClearColumn,
            Self::ClearVectors => JobKind::ClearVectors,
            Self::DeleteRows { .. } => JobKind::DeleteRows,
            Self::Duplicate { .. } => JobKind::DuplicateTable,
        }
    }
}

/// A job as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) id: String,
    pub(crate) table: TableId,
    pub(crate) status: JobStatus,
    pub(crate) progress: u8,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) output_file: Option<String>,
    /// Set while unfinished: take everything back, then fail with this.
    pub(crate) error: Option<String>,
    pub(crate) rows: u64,
    pub(crate) total: Option<u64>,
    pub(crate) refused: u64,
    pub(crate) refused_rows: Vec<RefusedRow>,
    pub(crate) warnings: BTreeSet<String>,
    pub(crate) work: Work,
}

impl JobRecord {
    pub(crate) fn new(table: &TableId, work: Work) -> Self {
        let now = Timestamp::now();
        Self {
            id: format!("job_{}", Ulid::mint(now.as_ms())),
            table: table.clone(),
            status: JobStatus::Pending,
            progress: 0,
            created_at: now,
            updated_at: now,
            output_file: None,
            error: None,
            rows: 0,
            total: None,
            refused: 0,
            refused_rows: Vec::new(),
            warnings: BTreeSet::new(),
            work,
        }
    }

    pub(crate) fn refuse(&mut self, rows: impl IntoIterator<Item = RefusedRow>) {
        for mut row in rows {
            self.refused += 1;
            if self.refused_rows.len() < NAMED_ROWS {
                row.reason = shortened(&row.reason);
                self.refused_rows.push(row);
            }
        }
        self.refused_rows.sort_by_key(|row| row.line);
    }

    pub(crate) fn warn(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            if self.warnings.len() < MAX_WARNINGS {
                self.warnings.insert(shortened(&text));
            }
        }
    }

    /// Whether its effect is there and stays: it cannot fail any more.
    pub(crate) fn is_done_for(&self) -> bool {
        matches!(self.work, Work::DeleteRows { out: true, .. })
    }

    /// What is undone when the job fails.
    pub(crate) fn arrival(&self) -> Option<(&TableId, Arrival)> {
        match &self.work {
            Work::Import { arrival, .. } => arrival.map(|arrival| (&self.table, arrival)),
            Work::Duplicate { target, arrival } => Some((target, *arrival)),
            _ => None,
        }
    }

    pub(crate) fn encode(&self) -> Result<Bytes, Error> {
        let text = serde_json::to_vec(self)
            .map_err(|cause| Error::Internal(format!("job record does not encode: {cause}")))?;
        Ok(text.into())
    }

    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no job.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|cause| Error::Corrupt(cause.to_string()))
    }

    /// `progress` is what the running work says of itself.
    pub(crate) fn to_job(&self, progress: u8) -> Job {
        let (input_file, target_table) = match &self.work {
            Work::Import { file, .. } => (Some(file.clone()), None),
            Work::Duplicate { target, .. } => (None, Some(target.clone())),
            _ => (None, None),
        };
        Job {
            id: self.id.clone(),
            table: self.table.clone(),
            kind: self.work.kind(),
            status: self.status,
            progress: if self.status.is_finished() { self.progress } else { self.progress.max(progress) },
            input_file,
            output_file: self.output_file.clone(),
            target_table,
            created_at: self.created_at,
            updated_at: self.updated_at,
            error: self.error.clone(),
            rows: self.rows,
            total: self.total,
            refused: self.refused,
            refused_rows: self.refused_rows.clone(),
            warnings: self.warnings.iter().cloned().collect(),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REASON_CHARS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
