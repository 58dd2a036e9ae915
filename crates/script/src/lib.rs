//! JavaScript of computed columns in an embedded engine (QuickJS): a row in, a value out.
//!
//! Knows nothing of tables. Code runs in a child process of this binary that has given up files,
//! network and processes, in a fresh context per run, under limits of memory, time, stack and
//! output. Invariant: [`Engine::run`] answers within its time limit and a grace of two seconds,
//! whatever the code does; nothing of one run is visible to another.

mod engine;
mod error;
mod fetch;
mod frame;
mod prelude;
mod run;
mod sandbox;
#[cfg(test)]
mod tests;
mod worker;

pub use engine::{Engine, EngineOptions, Home};
pub use error::Error;
pub use fetch::{Fetch, FetchAnswer, FetchRequest};
pub use run::Limits;
pub use worker::worker_main;
