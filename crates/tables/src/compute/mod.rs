//! Computed columns: rules, what waits for them, and the work that fills it.
//!
//! A row's value of a computed column is waiting, done or failed. A write makes what hangs on the
//! changed columns waiting in the same commit; a changed rule does so by its version, without
//! touching a row. Knows nothing of HTTP: models and bots are reached through [`Outside`].
//! Invariant: a value is stored only while the inputs and the rule it was made from are still
//! those of its row and column.

mod hook;
mod network;
mod outside;
mod prompt;
mod queue;
mod recompute;
mod rule;
mod rules;
mod status;
mod step;
#[cfg(test)]
mod tests;
mod worker;

pub use hook::{CodeIn, Webhook};
pub use network::Network;
pub use outside::{Ask, ComputeDeps, ComputeOptions, Failure, HookCall, Outside};
pub(crate) use rule::{rename, settle};
pub(crate) use rules::Rules;
pub(crate) use status::Watched;
pub(crate) use worker::Compute;
