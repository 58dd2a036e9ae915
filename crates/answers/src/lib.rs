//! Answers with citations: from passages, from tables, with or without a language model.
//!
//! Joins the knowledge base (`kb`) and the tables, which do not know each other; resolves follow-up
//! questions, asks a configured model and checks what it says, keeps the query log. Knows nothing of
//! HTTP. Invariants: every citation names a source that was in scope and a quote that stands in it; no
//! address leaves in an answer that is not that of a cited source.

mod answers;
mod ask;
mod error;
mod follow_up;
mod found;
mod links;
mod log;
mod manners;
mod model;
mod parts;
mod reply;
mod rows;

pub use answers::{Answers, AnswersDeps};
pub use ask::{Ask, Mode, Turn, Who};
pub use error::Error;
pub use log::{
    Export, Feedback, LogFilter, LogPage, LogSettings, LoggedQuery, LoggedResult, LoggedSource, NoMatch,
    Outcome, Part, QueryLog, Rating,
};
pub use reply::{Event, Flag, Plan, Reply, RowCitation, Source, Spent, Took};
