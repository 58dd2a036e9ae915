//! Which passages fit a question best: both legs, their fusion and the second stage, over one snapshot.
//!
//! Knows ordinals, texts and vectors; nothing of files beyond the filter that picks candidates.
//! Invariant: what is returned was allowed, best first, and scores fall along the list.

mod explain;
mod legs;
mod neighbours;
mod ranking;
mod repeats;
mod second;
mod sweep;
mod tuning;
mod word_leg;

pub(crate) use explain::explain;
pub(crate) use legs::{Ranked, Task, Worded};
pub use ranking::{RankedPassage, Ranking};
pub(crate) use second::Weighed;
pub use tuning::SearchTuning;
pub(crate) use word_leg::WordLeg;
