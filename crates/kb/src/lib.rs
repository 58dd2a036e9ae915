//! Files and knowledge bases: upload, ingest, search with citations, extractive answers.
//!
//! Joins the store (truth), the extractor, the embedder and the indexes (views). Knows nothing of
//! HTTP, tokens or signed URLs. Invariants: search sees exactly one generation of a file, the
//! published one; a counter moves only in the commit that moves what it counts.

mod allowed;
mod answer;
mod base;
mod bases;
mod current;
mod error;
mod file;
mod files;
mod filter;
mod ingest;
mod kb;
mod listing;
mod page;
mod passage_memory;
mod passages;
mod places;
mod progress;
mod publish;
mod rank;
mod records;
mod recount;
mod replaced;
mod search;
mod sources;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;
mod vectors;
mod view;
mod views;

pub use answer::{
    Answer, Citation, Excerpt, LEAST_CONFIDENCE, Question, Support, Timing, Tokens, denies, support,
};
pub use base::Base;
pub use current::{CurrentPassage, CurrentPassages};
pub use error::Error;
pub use file::{Facts, File, FilePatch, Published, Tags, TagsPatch, UpsertFile};
pub use files::content_type_of;
pub use filter::{TagFilter, TagRule};
pub use kb::{BotStats, Kb, KbDeps, KbSettings, KbStatus, OnIndexed};
pub use listing::{FileSort, ListFiles};
pub use page::{Page, PageRequest};
pub use passages::{NewPassage, PassageMeta, PassageView};
pub use progress::JobProgress;
pub use quarry_index::{SweepBy, SweepPoint};
pub use rank::{RankedPassage, Ranking, SearchTuning};
pub use recount::{Recount, recount};
pub use replaced::Replaced;
pub use search::{ContextItem, Search, SearchHit};
pub use sources::{
    Counts, MAX_PAGES, NewSource, PageRules, PageState, Phase, Run, RunProgress, RunReport, RunStatus,
    Searxng, Source, SourceKind, SourcePage, SourceView, Sources, SourcesDeps, TableText, WebSearch,
};
pub use upload::Upload;
