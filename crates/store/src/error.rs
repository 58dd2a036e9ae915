//! What can go wrong below the routes.

use crate::record::Coll;
use quarry_types::{ErrorKind, QuotaRefusal};
use std::sync::Arc;

/// A failure of the store. Cheap to clone: one failed sync answers a whole group of commits.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A precondition did not hold; read again and retry.
    #[error("{coll:?} changed meanwhile; read it again and retry")]
    Conflict {
        /// The collection whose precondition failed.
        coll: Coll,
    },
    /// A counter would pass its limit.
    #[error(transparent)]
    Quota(#[from] QuotaRefusal),
    /// The commit itself is malformed (key or name too long, …).
    #[error("invalid commit: {0}")]
    Invalid(String),
    /// No such blob.
    #[error("blob {0} is missing")]
    MissingBlob(String),
    /// A sync failed earlier: what reached the disk is unknown, so no more writes are taken.
    #[error("the store takes no more writes after a failed sync ({0}); check the disk and restart")]
    Poisoned(String),
    /// Another process holds the data folder, or its format is foreign.
    #[error("{0}")]
    Open(String),
    /// Bytes on disk do not decode.
    #[error("damaged data: {0}")]
    Corrupt(String),
    /// The disk or the engine failed.
    #[error("storage failure: {0}")]
    Io(Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps an engine or OS failure.
    pub fn io(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Io(Arc::new(cause))
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Busy,
            Self::Quota(_) => ErrorKind::QuotaExceeded,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Invalid(_) | Self::Poisoned(_) | Self::MissingBlob(_) | Self::Open(_) | Self::Io(_) => {
                ErrorKind::Internal
            }
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        Self::io(cause)
    }
}
