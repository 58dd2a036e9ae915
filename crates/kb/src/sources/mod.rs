//! Where knowledge comes from besides uploads: pages by list, sitemap, crawl or web search, texts, tables.
//!
//! Owns the records of sources and their pages, runs that bring them up to date, and when these are due.
//! Knows nothing of HTTP routes. Invariants: a run survives the process and goes on where it was; a
//! page's file is replaced only when its words changed, and removed only when the site says the page is
//! gone or a whole listing no longer has it; every page of the last run has a state and, when it was not
//! taken, a reason.

mod book;
mod crawl;
mod face;
mod listing;
mod page_file;
mod record;
mod robots;
mod run;
mod runner;
mod search;
#[cfg(test)]
mod tests;
mod visit;

pub use face::{NewSource, SourceView, Sources, SourcesDeps};
pub use record::{
    Counts, MAX_PAGES, PageRules, PageState, Run, RunReport, RunStatus, Source, SourceKind, SourcePage,
};
pub use runner::{Phase, RunProgress};
pub use search::{Searxng, WebSearch};

use crate::Error;
use async_trait::async_trait;
use bytes::Bytes;
use quarry_types::Scope;

/// The rows of tables as sources see them; given by who knows tables.
#[async_trait]
pub trait TableText: Send + Sync {
    /// All rows as CSV with a header and the row id as first column, and the table's name.
    ///
    /// # Errors
    /// `Reference` when there is no such table, `Limit` when it is too large.
    async fn csv(&self, scope: &Scope, table: &str) -> Result<(String, Bytes), Error>;
}
