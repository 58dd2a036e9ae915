//! Search over rows: words and vectors of searchable columns, indexed in the background.
//!
//! Rows and stored vectors are the truth; an index is a view that follows them. Knows nothing of
//! HTTP. Invariant: a row is found by its current text or not at all.

mod clear;
mod extras;
mod find;
mod index;
mod indexer;
mod indexes;
mod passages;
mod resume;
mod text;
mod tracker;
mod vectors;

pub use clear::Cleared;
pub(crate) use indexes::Indexes;
pub(crate) use vectors::header;
