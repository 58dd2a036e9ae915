//! The query log: what was asked of a bot, what it was answered, and what people thought of it.
//!
//! Off until a bot's owner switches it on. Durable in the record store, bounded in age and number.
//! Invariant: a bot's log is written and read under its scope only.

mod asked;
mod export;
mod record;
mod report;
mod store;
#[cfg(test)]
mod testing;

pub(crate) use asked::Asked;
pub use export::{Export, Part};
pub use record::{Feedback, LogSettings, LoggedQuery, LoggedResult, LoggedSource, Outcome, Rating};
pub use report::NoMatch;
pub use store::{LogFilter, LogPage, QueryLog};
