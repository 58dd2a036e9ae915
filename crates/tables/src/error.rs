//! What can go wrong with tables.

use quarry_types::{ErrorKind, QuotaRefusal};

/// A failure, worded for the caller; causes of [`Error::Internal`] go to the log only.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value in the request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A filter, group, order, select or paging argument is wrong.
    #[error("{0}")]
    InvalidQuery(String),
    /// A table schema is wrong.
    #[error("{0}")]
    InvalidSchema(String),
    /// No such table in this bot.
    #[error("table {0:?} does not exist")]
    NoTable(String),
    /// No such row in this table.
    #[error("row {id} does not exist in table {table:?}")]
    NoRow {
        /// Name of the table.
        table: String,
        /// The row asked for.
        id: i64,
    },
    /// No such job of this table.
    #[error("job {0:?} does not exist; finished jobs are kept a while only")]
    NoJob(String),
    /// A file cannot be read or kept.
    #[error("{message}")]
    File {
        /// What the caller can do about it.
        kind: ErrorKind,
        /// Worded for the caller.
        message: String,
    },
    /// No such selector in this table.
    #[error("selector {name:?} does not exist in table {table:?}")]
    NoSelector {
        /// Name of the table.
        table: String,
        /// The selector asked for.
        name: String,
    },
    /// The table name is taken.
    #[error("a table named {0:?} exists already; choose another name or delete it first")]
    NameTaken(String),
    /// What is asked for contradicts the data there is.
    #[error("{0}")]
    Conflict(String),
    /// A hard limit.
    #[error("{0}")]
    Limit(String),
    /// A plan limit; the message names used, limit and needed.
    #[error(transparent)]
    Quota(#[from] QuotaRefusal),
    /// Too many writers at once.
    #[error("table {0:?} is being changed by too many writers at once; try again")]
    Busy(String),
    /// The store failed or refused.
    #[error(transparent)]
    Store(quarry_store::Error),
    /// A record on disk does not decode.
    #[error("damaged table record: {0}")]
    Corrupt(String),
    /// The embedding model is not usable.
    #[error("{0}")]
    Embedder(String),
    /// Our fault.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::InvalidQuery(_) => ErrorKind::InvalidQuery,
            Self::InvalidSchema(_) => ErrorKind::InvalidSchema,
            Self::NoTable(_) | Self::NoRow { .. } | Self::NoJob(_) | Self::NoSelector { .. } => {
                ErrorKind::NotFound
            }
            Self::File { kind, .. } => *kind,
            Self::NameTaken(_) | Self::Conflict(_) => ErrorKind::Conflict,
            Self::Limit(_) => ErrorKind::LimitExceeded,
            Self::Quota(_) => ErrorKind::QuotaExceeded,
            Self::Busy(_) => ErrorKind::Busy,
            Self::Store(cause) => cause.kind(),
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Embedder(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }
}

impl From<quarry_store::Error> for Error {
    fn from(cause: quarry_store::Error) -> Self {
        match cause {
            quarry_store::Error::Quota(refusal) => Self::Quota(refusal),
            other => Self::Store(other),
        }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Self::Internal(format!("column operation: {cause}"))
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(cause: datafusion::error::DataFusionError) -> Self {
        Self::Internal(format!("query engine: {cause}"))
    }
}

impl From<quarry_index::Error> for Error {
    fn from(cause: quarry_index::Error) -> Self {
        Self::Internal(format!("search index: {cause}"))
    }
}

impl From<quarry_embed::Error> for Error {
    fn from(cause: quarry_embed::Error) -> Self {
        Self::Embedder(cause.to_string())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(cause: tokio::task::JoinError) -> Self {
        Self::Internal(format!("a worker task failed: {cause}"))
    }
}
