//! Typed tables: schema, rows, filters, groups, search over rows.
//!
//! Truth is rows in the record store; queries run on Arrow columns derived from it (`view`).
//! Knows nothing of HTTP. Invariant: a filter gives the same rows by every path (direct kernels,
//! query plan, naive evaluator), and a key column's value names at most one row.

mod answer_rows;
mod api;
mod batch;
mod batches;
mod catalog;
mod compute;
mod error;
mod filter;
mod jobs;
mod query;
mod record;
mod recount;
mod removal;
mod rows;
mod schema;
mod search;
mod tables;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod view;
mod wire;
mod words;

pub use answer_rows::AnswerRows;
pub use api::{
    DeleteRows, Deleted, Find, Found, GotTable, Recount, Row, Table, TableCounts, TablePatch, TableSpec,
    TablesDeps, TablesOptions, Upserted, Written,
};
pub use compute::{Ask, CodeIn, ComputeDeps, ComputeOptions, Failure, HookCall, Network, Outside, Webhook};
pub use error::Error;
pub use jobs::{
    Duplicate, Export, InputFile, Job, JobKind, JobStatus, NewFile, OpenFile, RefusedRow, Room, TableFiles,
};
pub use recount::recount;
pub use search::Cleared;
pub use tables::Tables;
pub use words::{Interpretation, Selector, Source};
