//! `find`: arguments checked, path chosen, page answered.

use super::output::Output;
use super::scan::{Page, Query};
use crate::Error;
use crate::api::{Find, Found};
use crate::filter::{self, resolve};
use crate::tables::Tables;
use quarry_types::Scope;
use serde_json::Value;
use std::sync::Arc;

const MAX_LIMIT: usize = 1_000;

impl Tables {
    /// Rows (or groups) by a query; see `FILTERS.md`.
    ///
    /// # Errors
    /// [`Error::InvalidQuery`] names the part of the query and what to change.
    pub async fn find(&self, scope: &Scope, table: &str, find: Find) -> Result<Found, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        if find.limit == 0 || find.limit > MAX_LIMIT {
            return Err(Error::InvalidQuery(format!("limit must be 1 to {MAX_LIMIT}, got {}", find.limit)));
        }
        if let Some(words) = &find.search {
            return self.search_rows(scope, Arc::clone(&entry), words, &find).await;
        }
        let schema = &entry.record().schema;
        let filter = filter::parse(find.filter.as_ref().unwrap_or(&Value::Null), schema)?;
        let view = self.catalog.view(scope, &entry.record().id);
        let (offset, limit) = (find.offset, find.limit);
        let need = offset.saturating_add(limit).saturating_add(1);
        if let Some(group) = find.group.as_ref().filter(|group| !group.is_null()) {
            let group = super::group::Group::parse(group, schema, find.order_by.as_deref(), find.descending)?;
            let snapshot = view.snapshot(entry.record().key_column).await?;
            let page = (offset, limit + 1);
            let (mut rows, warnings) = self.engine.groups(&snapshot, &filter, group, page).await?;
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            return Ok(Found { rows: rows.into(), has_more, offset, limit, warnings });
        }
        let order = resolve(find.order_by.as_deref().unwrap_or("id"), schema, "orderBy")?;
        let output = Output::new(&entry, find.select.as_deref())?;
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let query = Query::new(Arc::clone(&entry), snapshot, filter);
        let descending = find.descending;
        let (rows, has_more) = self
            .run(query.page_rows(&order), move || {
                let page = query.page(&order, descending, need)?;
                let found = match &page {
                    Page::Hits(hits) => hits.len(),
                    Page::Rows(rows) => rows.len(),
                };
                Ok((output.rows(&query.snapshot, &page, offset, limit), found == need))
            })
            .await?;
        Ok(Found { rows, has_more, offset, limit, warnings: Vec::new() })
    }

    /// How many rows a filter matches.
    ///
    /// # Errors
    /// As [`Tables::find`].
    pub async fn count(&self, scope: &Scope, table: &str, filter: Option<&Value>) -> Result<u64, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let filter = filter::parse(filter.unwrap_or(&Value::Null), &entry.record().schema)?;
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let query = Query::new(entry, snapshot, filter);
        self.run(query.rows(), move || query.count()).await
    }

    /// Runs work over so many rows (dear ones counted as several) where it blocks nobody.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.engine.work(rows, work).await
    }
}
