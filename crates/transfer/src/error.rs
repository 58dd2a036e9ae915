//! What can go wrong with a file, and with one row of it.

use quarry_types::ErrorKind;
use std::fmt;

/// A failure that ends the reading or writing of a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the stream below failed.
    #[error("the file cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The content is of a kind that holds no rows we read.
    #[error("{0}")]
    Unsupported(String),
    /// The compressed file is cut off or changed.
    #[error("the gzip file is damaged ({0}); upload it again")]
    Damaged(String),
    /// A limit on bytes, columns or compression.
    #[error("{0}")]
    TooLarge(String),
    /// The text is not UTF-8 (or UTF-16).
    #[error("line {line}, byte {offset}: the text is not valid {expected}; save the file as UTF-8")]
    Encoding {
        /// Line of the row that holds it, from 1.
        line: u64,
        /// Byte within the uncompressed text, from 0.
        offset: u64,
        /// What was expected.
        expected: &'static str,
    },
    /// The structure is broken, so that no later row can be found.
    #[error("line {line}: {message}")]
    Malformed {
        /// Line, from 1.
        line: u64,
        /// What is wrong and what to do.
        message: String,
    },
    /// The first line of a CSV does not name columns.
    #[error("{0}")]
    Header(String),
    /// Our fault.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(_) | Self::Internal(_) => ErrorKind::Internal,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::TooLarge(_) => ErrorKind::TooLarge,
            Self::Damaged(_) | Self::Encoding { .. } | Self::Malformed { .. } | Self::Header(_) => {
                ErrorKind::Invalid
            }
        }
    }

    pub(crate) fn malformed(line: u64, message: impl Into<String>) -> Self {
        Self::Malformed { line, message: message.into() }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        match cause {
            arrow::error::ArrowError::IoError(_, cause) => Self::Io(cause),
            other => Self::Internal(format!("arrow: {other}")),
        }
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(cause: parquet::errors::ParquetError) -> Self {
        match cause {
            parquet::errors::ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(cause) => Self::Io(*cause),
                Err(other) => Self::Internal(format!("parquet: {other}")),
            },
            other => Self::Internal(format!("parquet: {other}")),
        }
    }
}

/// One row that cannot be taken; the rows after it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Number of the row, from 1, the header not counted.
    pub number: u64,
    /// Line of the file the row starts on, from 1.
    pub line: u64,
    /// The column at fault, when it is one.
    pub column: Option<String>,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The start of a value as messages show it.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
