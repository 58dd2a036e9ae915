//! What a start does: rows left unindexed are found and indexed, leftovers removed.
//!
//! One table after the other, so that not all are in memory at once. Knows nothing of how an index is
//! fed.

use super::indexes::{GATHER, Indexes};
use super::text::Layout;
use crate::Error;
use crate::catalog::Listing;
use crate::record::{self, TableRecord};
use quarry_types::Scope;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

impl Indexes {
    /// Looks through all tables for rows that the last run left unindexed; returns at once.
    pub(crate) fn resume(self: &Arc<Self>) {
        let indexes = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = indexes.resume_all().await {
                tracing::error!(%error, "not all tables were looked through for rows to index");
            }
        });
    }

    async fn resume_all(self: &Arc<Self>) -> Result<(), Error> {
        for bot in self.store.bots().await? {
            let scope = Scope::of(bot);
            // Folders first: a table exists before its folder does.
            let folders = self.folders(&scope);
            let listing = self.catalog.listing(&scope).await?;
            let stored = self.store.collections(scope.bot()).await?;
            self.tidy(&scope, folders, &listing).await;
            for entry in listing.entries() {
                if self.is_closing() {
                    return Ok(());
                }
                let record = entry.record();
                let layout = Layout::of(record);
                let prefix = record::vectors_prefix(Some(&record.id));
                let left = || {
                    stored.iter().any(|(coll, head)| coll.as_str().starts_with(&prefix) && head.records > 0)
                };
                if layout.is_empty() {
                    if left() {
                        self.start(&self.slot(&scope, record));
                    }
                } else if !self.is_settled(&scope, record).await? {
                    self.catch_up(&scope, record).await;
                }
            }
        }
        Ok(())
    }

    fn folders(&self, scope: &Scope) -> Vec<PathBuf> {
        let Some(paths) = &self.options.paths else { return Vec::new() };
        let entries = std::fs::read_dir(paths.row_views(scope.bot())).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Removes those of the folders that no table with searchable columns uses.
    async fn tidy(&self, scope: &Scope, folders: Vec<PathBuf>, listing: &Listing) {
        let Some(paths) = &self.options.paths else { return };
        let searchable = listing.entries().filter(|entry| !Layout::of(entry.record()).is_empty());
        let used: HashSet<PathBuf> =
            searchable.map(|entry| paths.row_indexes(scope.bot(), &entry.record().id)).collect();
        for folder in folders.into_iter().filter(|folder| !used.contains(folder)) {
            // What cannot be removed is tried again at the next start.
            let _ = tokio::fs::remove_dir_all(folder).await;
        }
    }

    /// Indexes one table to the end, so that not all are in memory at once.
    async fn catch_up(self: &Arc<Self>, scope: &Scope, record: &TableRecord) {
        let slot = self.slot(scope, record);
        self.start(&slot);
        loop {
            let go_on = self.pause(GATHER).await;
            if !go_on || !slot.is_running() {
                return;
            }
        }
    }
}
