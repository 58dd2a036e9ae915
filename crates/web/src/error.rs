//! What cannot be read, in words for the owner of the source.

use quarry_types::ErrorKind;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an absolute http(s) URL that may be fetched.
    #[error("{url:?} is no usable URL: {problem}")]
    Url {
        /// As given, shortened.
        url: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The bytes are no sitemap.
    #[error("this is no sitemap: {problem}")]
    NotSitemap {
        /// What they are instead.
        problem: &'static str,
    },
    /// The sitemap declares a document type.
    #[error("the sitemap declares a document type, which is refused; remove the DOCTYPE")]
    DocType,
    /// More than may be read.
    #[error("{what} has more than {limit}; split it")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// The limit with its unit.
        limit: &'static str,
    },
    /// A pattern of URLs is wrong.
    #[error("the pattern {pattern:?} {problem}")]
    Pattern {
        /// As given, shortened.
        pattern: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The answer of a search engine is not what its interface promises.
    #[error("the search engine's answer cannot be read: {problem}")]
    Results {
        /// What is wrong.
        problem: String,
    },
}

impl Error {
    /// What the owner of the source can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Results { .. } => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }
}

/// At most 100 characters of what a caller sent.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
