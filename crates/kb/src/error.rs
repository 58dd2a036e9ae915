//! What can go wrong with files, knowledge bases and questions.

use quarry_types::ErrorKind;

/// A failure, worded for the caller; causes of `Internal` kinds go to the log only.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value in the request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// A query argument is wrong.
    #[error("{0}")]
    InvalidQuery(String),
    /// Nothing with that id or key in this bot.
    #[error("{what} {id:?} does not exist")]
    NotFound {
        /// `file`, `knowledge base`, …
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// An id in the request body names nothing.
    #[error("{what} {id:?} does not exist")]
    Reference {
        /// `knowledge base`, …
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The key is taken.
    #[error("a file with key {0:?} exists already; delete it, choose another key or pass overwrite: true")]
    KeyTaken(String),
    /// The upload belongs to another upsert of the file than the last one.
    #[error("this upload URL is outdated: the file was upserted again since; upload to the newer URL")]
    Superseded,
    /// The upload URL was used for other content.
    #[error("this upload URL was used for other content already; call upsertFile again")]
    Uploaded,
    /// More bytes than declared or allowed.
    #[error("{0}")]
    TooLarge(String),
    /// A hard limit.
    #[error("{0}")]
    Limit(String),
    /// Too much work at once.
    #[error("{0}")]
    Busy(String),
    /// Another site may not be asked, or does not answer as it should.
    #[error("{message}")]
    Outbound {
        /// What the caller can do about it.
        kind: ErrorKind,
        /// Why.
        message: String,
    },
    /// The embedding model is not usable.
    #[error("{0}")]
    Embedder(String),
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] quarry_store::Error),
    /// An index failed.
    #[error("index failure: {0}")]
    Index(String),
    /// A record on disk does not decode.
    #[error("damaged record: {0}")]
    Corrupt(String),
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
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Reference { .. } => ErrorKind::ReferenceNotFound,
            Self::KeyTaken(_) | Self::Superseded | Self::Uploaded => ErrorKind::Conflict,
            Self::TooLarge(_) => ErrorKind::TooLarge,
            Self::Limit(_) => ErrorKind::LimitExceeded,
            Self::Busy(_) => ErrorKind::Busy,
            Self::Store(cause) => cause.kind(),
            Self::Outbound { kind, .. } => *kind,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Embedder(_) | Self::Index(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// A site that does not answer as it should.
    pub(crate) fn outbound(message: String) -> Self {
        Self::Outbound { kind: ErrorKind::Invalid, message }
    }

    /// A request that was refused or not answered.
    pub(crate) fn refused(error: &quarry_fetch::Error, about: &str) -> Self {
        Self::Outbound { kind: error.kind(), message: format!("{about}{error}") }
    }

    pub(crate) fn no_file(id: &str) -> Self {
        Self::NotFound { what: "file", id: id.to_owned() }
    }
}

impl From<quarry_index::Error> for Error {
    fn from(cause: quarry_index::Error) -> Self {
        Self::Index(cause.to_string())
    }
}

impl From<quarry_web::Error> for Error {
    fn from(cause: quarry_web::Error) -> Self {
        Self::Outbound { kind: cause.kind(), message: cause.to_string() }
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
