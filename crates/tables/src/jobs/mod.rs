//! Work that outlives its request: imports, exports, copies, large deletes, clean-up.
//!
//! A job is one record; each step of its work is one commit that also moves the record on, so after
//! a crash it goes on where it was. Knows nothing of where files live (`files.rs` is the seam).
//! Invariant: what a job adds becomes visible at once at its end, or not at all.

mod clear;
mod copy;
mod export;
mod face;
mod files;
mod hidden;
mod import;
mod live;
mod record;
mod remove;
mod runner;

pub use copy::Duplicate;
pub use export::Export;
pub use files::{InputFile, NewFile, OpenFile, Room, TableFiles};
pub use record::{Job, JobKind, JobStatus, RefusedRow};

pub(crate) use runner::{Runner, Sizes};
