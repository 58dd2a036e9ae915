//! Plain words to queries over a table: what the compiler is told about it, a model's second opinion,
//! and named queries.
//!
//! Knows the rows only to list the values in them. Invariant: whatever proposes a query, it is answered
//! only after it parsed against the schema.

mod interpret;
mod propose;
mod selectors;
mod vocabulary;

pub use interpret::{Interpretation, Source};
pub use selectors::Selector;
pub(crate) use vocabulary::Compilers;
