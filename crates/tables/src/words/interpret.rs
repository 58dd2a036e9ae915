//! A question to a checked query.

use super::propose;
use crate::Error;
use crate::api::Find;
use crate::catalog::Entry;
use crate::filter::{self, resolve};
use crate::query::{Group, Output};
use crate::tables::Tables;
use quarry_fetch::ChatModel;
use quarry_types::{Scope, Timestamp};
use quarry_words::Proposal;
use serde_json::Value;
use std::sync::Arc;

/// Who proposed a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The rules: the same question gives the same query.
    Rules,
    /// The operator's language model.
    Model,
}

/// A question as understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Interpretation {
    /// The query; empty with confidence 0 when nothing was understood.
    pub proposal: Proposal,
    /// Who proposed it.
    pub source: Source,
}

impl Tables {
    /// Reads a question about the rows of a table. With a model its proposal is preferred, as far as
    /// it fits the table; without one, or when it fails, the rules answer.
    ///
    /// # Errors
    /// [`Error::NoTable`]; [`Error::Invalid`] for an empty text or one over 2,048 bytes.
    pub async fn interpret(
        &self,
        scope: &Scope,
        table: &str,
        text: &str,
        model: Option<&ChatModel>,
    ) -> Result<Interpretation, Error> {
        if text.trim().is_empty() {
            return Err(Error::Invalid("text is empty; say in words which rows are wanted".to_owned()));
        }
        let entry = self.catalog.entry(scope, table).await?;
        let compiler = self.compiler(scope, &entry).await?;
        let mut proposal =
            compiler.compile(text, Timestamp::now()).map_err(|error| Error::Invalid(error.to_string()))?;
        if let Err(error) = checked(&entry, &find_of(&proposal)) {
            tracing::warn!(%error, "a query made by the rules does not fit its table");
            proposal = Proposal {
                explanation: "This could not be expressed as a query.".to_owned(),
                ..Proposal::default()
            };
        }
        if let Some(model) = model
            && let Some(proposed) = propose::by_model(model, &entry, &compiler, text).await
        {
            let agreed = same_query(&proposed, &proposal);
            let confidence =
                if agreed { proposed.confidence.max(proposal.confidence) } else { proposed.confidence };
            return Ok(Interpretation {
                proposal: Proposal { confidence, ..proposed },
                source: Source::Model,
            });
        }
        Ok(Interpretation { proposal, source: Source::Rules })
    }

    /// Checks a query against a table without running it.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::InvalidQuery`] naming the part to change.
    pub async fn check(&self, scope: &Scope, table: &str, find: &Find) -> Result<(), Error> {
        let entry = self.catalog.entry(scope, table).await?;
        checked(&entry, find)
    }
}

fn same_query(a: &Proposal, b: &Proposal) -> bool {
    a.filter == b.filter
        && a.group == b.group
        && a.order_by == b.order_by
        && a.descending == b.descending
        && a.limit == b.limit
}

/// The query of a proposal.
pub(super) fn find_of(proposal: &Proposal) -> Find {
    Find {
        limit: proposal.limit.unwrap_or(Find::default().limit),
        filter: proposal.filter.clone(),
        group: proposal.group.clone(),
        select: (!proposal.select.is_empty()).then(|| proposal.select.clone()),
        order_by: proposal.order_by.clone(),
        descending: proposal.descending,
        ..Find::default()
    }
}

/// Parses every part of a query.
pub(super) fn checked(entry: &Arc<Entry>, find: &Find) -> Result<(), Error> {
    let schema = &entry.record().schema;
    if find.limit == 0 || find.limit > 1_000 {
        return Err(Error::InvalidQuery(format!("limit must be 1 to 1000, got {}", find.limit)));
    }
    filter::parse(find.filter.as_ref().unwrap_or(&Value::Null), schema)?;
    match find.group.as_ref().filter(|group| !group.is_null()) {
        Some(group) => Group::parse(group, schema, find.order_by.as_deref(), find.descending).map(|_| ()),
        None => {
            resolve(find.order_by.as_deref().unwrap_or("id"), schema, "orderBy")?;
            Output::new(entry, find.select.as_deref()).map(|_| ())
        }
    }
}
