//! What each bot used and did, now and in the past.
//!
//! Levels (bytes, vectors, rows, indexed files) are sampled and kept at most once an hour; what was
//! done is counted in memory and kept by day. Both are records of the bot, collection `usage`.
//! Knows nothing of the wire. Invariants: counting costs a request one atomic addition or two and
//! never a wait; a server killed without warning loses at most a minute of counts, and no level for longer than an hour.

mod calendar;
mod log;
mod page;
mod record;
mod recount;
mod tally;

pub(crate) use calendar::{Day, Month};
pub(crate) use log::{KEEP_DAYS, UsageLog};
pub(crate) use page::cut;
pub(crate) use record::Levels;
pub(crate) use recount::{Finding, RecountError, recount};
pub(crate) use tally::{Activity, Tally};
