//! What can go wrong in an index.

use quarry_types::ErrorKind;
use std::path::PathBuf;

/// A failure of an index. None of them loses data: indexes are rebuilt from the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query vector has another length than the indexed ones.
    #[error("the query vector has {got} dimensions, the index {want}; embed the query with the same model")]
    QueryDimensions {
        /// Dimensions of the query.
        got: usize,
        /// Dimensions of the index.
        want: usize,
    },
    /// The query vector holds NaN or an infinity.
    #[error("the query vector holds a value that is not finite; embed the query again")]
    QueryNotFinite,
    /// A vector to be indexed has another length than the others.
    #[error("vector {id} has {got} dimensions, the index {want}; embed it with the index's model")]
    Dimensions {
        /// Item of the vector.
        id: u32,
        /// Its dimensions.
        got: usize,
        /// Dimensions of the index.
        want: usize,
    },
    /// A vector to be indexed holds NaN or an infinity.
    #[error("vector {id} holds a value that is not finite; embed it again")]
    NotFinite {
        /// Item of the vector.
        id: u32,
    },
    /// A built graph does not find its own points; exact search goes on.
    #[error("the vector graph finds only {found} of its {points} points; it is not used, build it again")]
    Unreachable {
        /// Points found by their own vector.
        found: usize,
        /// All points.
        points: usize,
    },
    /// A graph build was told to stop.
    #[error("the vector graph build was cancelled")]
    Cancelled,
    /// The folder of a lexical index cannot be used.
    #[error("cannot use the index folder {path}: {cause}; check its permissions and free space")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The lexical engine failed.
    #[error("the lexical index failed: {0}; drop its folder to have it rebuilt")]
    Lexical(#[source] Box<tantivy::TantivyError>),
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::QueryDimensions { .. } | Self::QueryNotFinite => ErrorKind::InvalidQuery,
            Self::Dimensions { .. } | Self::NotFinite { .. } => ErrorKind::Invalid,
            Self::Cancelled => ErrorKind::Busy,
            Self::Unreachable { .. } | Self::Folder { .. } | Self::Lexical(_) => ErrorKind::Internal,
        }
    }
}

impl From<tantivy::TantivyError> for Error {
    fn from(cause: tantivy::TantivyError) -> Self {
        Self::Lexical(Box::new(cause))
    }
}

/// Result of index operations.
pub(crate) type Result<T> = std::result::Result<T, Error>;
