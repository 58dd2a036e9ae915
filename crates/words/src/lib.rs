//! Plain words to queries: "chairs under $100 in stock, cheapest first" to filter, order, limit, group.
//!
//! Works on a [`Vocabulary`] (columns, their kinds and values) by rules alone, the same every time.
//! Knows no rows, stores or models. Invariant: what is proposed is what the explanation says, and
//! words without a place are named instead of guessed at.

mod ask;
mod choose;
mod clause;
mod compare;
mod compiler;
mod concept;
mod date;
mod error;
mod explain;
mod field;
mod fold;
mod group;
mod lexicon;
mod number;
mod order;
mod parser;
mod phrase;
mod rank;
mod term;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod value;
mod vocabulary;

pub use compiler::{Compiler, MAX_TEXT_BYTES, Proposal};
pub use error::Error;
pub use group::answer_name;
pub use vocabulary::{Collector, Column, Kind, Vocabulary};
