//! The few kinds of failure a caller can act on; each crate's `Error::kind()` answers one.

/// What went wrong, seen from the caller: decides the wire `type` and the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request body or its values are wrong; the caller must change them.
    Invalid,
    /// A query string, filter, order or search argument is wrong.
    InvalidQuery,
    /// A table schema is wrong.
    InvalidSchema,
    /// Nothing with that id in this scope.
    NotFound,
    /// An id inside the body names something that does not exist.
    ReferenceNotFound,
    /// The name or key is taken.
    Conflict,
    /// The caller is known but may not do this.
    Forbidden,
    /// A raisable (plan) limit is reached.
    QuotaExceeded,
    /// A hard limit is passed.
    LimitExceeded,
    /// The payload is over the size cap.
    TooLarge,
    /// The content cannot be handled at all.
    Unsupported,
    /// Too much work at once; the caller may try again.
    Busy,
    /// A time limit ran out.
    Timeout,
    /// Data on disk is damaged.
    Corrupt,
    /// A fault of ours; details go to the log only.
    Internal,
}
