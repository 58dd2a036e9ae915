//! Why a question was not read at all.

use crate::compiler::MAX_TEXT_BYTES;
use quarry_types::ErrorKind;

/// Failures of this crate. A question that is merely not understood is no failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The question is over the length limit.
    #[error("text has {bytes} bytes, the limit is {MAX_TEXT_BYTES}; ask for less at once")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::Invalid,
        }
    }
}
