//! Plain words to filter JSON.
mod concept;
mod date;
mod fold;
mod lexicon;
mod number;
mod phrase;
mod token;
mod vocabulary;
pub use vocabulary::{Collector, Column, Kind, Vocabulary};
