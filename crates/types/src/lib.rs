//! The words every other crate shares: ids, scope, statuses, passages, quotas, error kinds.
//!
//! Knows nothing of files, networks, JSON on the wire or async. Invariant: nothing below the
//! HTTP routes is called without a [`Scope`], so an id alone never opens another bot's data.

mod error;
mod file;
mod hex;
mod id;
mod passage;
mod quota;
mod scope;
mod time;

pub use error::ErrorKind;
pub use file::{FileStatus, Visibility};
pub use hex::{hex, unhex};
pub use id::{BotId, FileId, IdError, KbId, TableId, Ulid};
pub use passage::{CharRange, Passage, PassageKind, TokenCounter, UnderHeadings};
pub use quota::{Counter, QuotaRefusal, Usage};
pub use scope::Scope;
pub use time::Timestamp;
