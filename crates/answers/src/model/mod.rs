//! A language model's answer over fenced passages, checked sentence by sentence.
//!
//! The model gets no tools and its words are not trusted: what it cites is looked up and compared.

mod check;
mod pieces;
mod prompt;
mod spread;

pub(crate) use check::{Checker, Citable};
pub(crate) use pieces::Pieces;
pub(crate) use prompt::{Fenced, NO_ANSWER, Prompt, marker};
pub(crate) use spread::spread;
