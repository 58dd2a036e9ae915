//! The shapes of JSON on the wire: bodies read field by field with messages that name the field,
//! answers written from the crates' own types by `From`. No other module knows wire names.

mod answer;
mod base;
mod fields;
mod file;
mod job;
mod passage;
mod queries;
mod source;
mod table;
mod usage;
mod words;

pub(crate) use answer::{AnswerBody, QuestionBody};
pub(crate) use base::{BaseBody, base_tags, base_tags_patch};
pub(crate) use fields::Fields;
pub(crate) use file::{FileBody, FilePatchBody, UpsertBody};
pub(crate) use job::{JobBody, job_details, job_reference};
pub(crate) use passage::{HitBody, PassageBody, new_passages};
pub(crate) use queries::{changed_log_settings, feedback, log_settings, logged_query, no_match};
pub(crate) use source::{new_source, page_body, page_state, run_body, source_body};
pub(crate) use table::{TableBody, delete_rows, find, patch, row_list, spec};
pub(crate) use usage::{
    BYTES_PER_VECTOR, ChangeBody, DailyBody, HoldingBody, QuotaBody, UsageBody, UsageKind, finding_body,
    period,
};
pub(crate) use words::{InterpretationBody, SelectorInput, WordsBody, over_selector, selector};

use serde::Serialize;

/// `meta` of a listing: always present, `nextToken` only when there is a next page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    /// Token of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
