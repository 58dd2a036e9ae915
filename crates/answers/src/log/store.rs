//! The log in the record store: written, listed, rated, thinned out.

use super::record::{self, Feedback, LogSettings, LoggedQuery};
use crate::Error;
use quarry_store::{Commit, RecordStore};
use quarry_types::{Scope, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Mutex;

const PAGE: usize = 200;
/// Entries removed at once.
const THINNED: usize = 500;
/// Writes of a bot between two looks for old entries.
const WRITES_PER_LOOK: u32 = 50;
/// Bots whose count of writes is remembered.
const MAX_COUNTED: usize = 10_000;
/// Attempts at a change another one was faster than.
const TRIES: usize = 5;
const DAY_MS: i64 = 86_400_000;

/// The logs of all bots. Cheap to clone.
#[derive(Clone)]
pub struct QueryLog {
    store: Arc<dyn RecordStore>,
    writes: Arc<Mutex<HashMap<Scope, Arc<AtomicU32>>>>,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Answered or not.
    pub responded: Option<bool>,
    /// Rated so.
    pub rating: Option<record::Rating>,
    /// Rated or not.
    pub rated: Option<bool>,
}

impl LogFilter {
    fn admits(&self, entry: &LoggedQuery) -> bool {
        let rating = entry.feedback.as_ref().map(|feedback| feedback.rating);
        self.responded.is_none_or(|responded| responded == entry.responded)
            && self.rated.is_none_or(|rated| rated == rating.is_some())
            && self.rating.is_none_or(|wanted| rating == Some(wanted))
    }
}

/// Entries, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogPage {
    /// The entries.
    pub queries: Vec<LoggedQuery>,
    /// Hand in as `after` for the next; `None` at the end.
    pub next: Option<String>,
}

impl QueryLog {
    /// The logs in a store.
    #[must_use]
    pub fn new(store: Arc<dyn RecordStore>) -> Self {
        Self { store, writes: Arc::default() }
    }

    /// How a bot's log is kept.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub async fn settings(&self, scope: &Scope) -> Result<LogSettings, Error> {
        let found = self.store.get(scope.bot(), &record::coll(), &[record::settings_key()]).await?;
        match found.into_iter().flatten().next() {
            Some(found) => record::decode(&found.value),
            None => Ok(LogSettings::default()),
        }
    }

    /// Changes how a bot's log is kept. Entries stay when it is switched off, until they are too old or cleared.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value out of bounds; when the store fails.
    pub async fn set(&self, scope: &Scope, settings: LogSettings) -> Result<(), Error> {
        settings.check()?;
        let mut commit = Commit::new(scope.bot());
        commit.put(&record::coll(), record::settings_key(), record::encode(&settings)?);
        self.store.commit(commit).await?;
        self.thin(scope, settings).await
    }

    /// Writes an entry, durable on return, when the log is on; its id.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn write(&self, scope: &Scope, entry: LoggedQuery) -> Result<String, Error> {
        let mut commit = Commit::new(scope.bot());
        commit.put(&record::coll(), record::entry_key(&entry.id), record::encode(&entry)?);
        self.store.commit(commit).await?;
        let counter = {
            let mut writes = self.writes.lock().await;
            if writes.len() >= MAX_COUNTED {
                writes.clear();
            }
            writes.entry(scope.clone()).or_default().clone()
        };
        if counter.fetch_add(1, Ordering::Relaxed) % WRITES_PER_LOOK == 0 {
            let settings = self.settings(scope).await?;
            self.thin(scope, settings).await?;
        }
        Ok(entry.id)
    }

    /// Entries, newest first; `after` = where the last page ended.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub async fn list(
        &self,
        scope: &Scope,
        filter: &LogFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, Error> {
        let oldest = self.oldest(scope).await?;
        let mut page = LogPage::default();
        let mut after = after.map(record::entry_key);
        loop {
            let records = self
                .store
                .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), PAGE)
                .await?;
            let more = records.len() == PAGE;
            after = records.last().map(|record| record.key.clone());
            for found in records {
                let entry: LoggedQuery = record::decode(&found.value)?;
                if entry.at < oldest {
                    return Ok(page);
                }
                if !filter.admits(&entry) {
                    continue;
                }
                if page.queries.len() == limit {
                    page.next = page.queries.last().map(|last| last.id.clone());
                    return Ok(page);
                }
                page.queries.push(entry);
            }
            if !more {
                return Ok(page);
            }
        }
    }

    /// One entry.
    ///
    /// # Errors
    /// [`Error::NoQuery`]; when the store fails.
    pub async fn get(&self, scope: &Scope, id: &str) -> Result<LoggedQuery, Error> {
        let missing = || Error::NoQuery(id.chars().take(40).collect());
        if !record::is_id(id) {
            return Err(missing());
        }
        let found = self.store.get(scope.bot(), &record::coll(), &[record::entry_key(id)]).await?;
        let found = found.into_iter().flatten().next().ok_or_else(missing)?;
        let entry: LoggedQuery = record::decode(&found.value)?;
        if entry.at < self.oldest(scope).await? { Err(missing()) } else { Ok(entry) }
    }

    /// Rates an answer, or takes the rating back.
    ///
    /// # Errors
    /// [`Error::NoQuery`]; [`Error::Invalid`] for a passage that was not among the results.
    pub async fn rate(
        &self,
        scope: &Scope,
        id: &str,
        feedback: Option<Feedback>,
    ) -> Result<LoggedQuery, Error> {
        for _ in 0..TRIES {
            let mut entry = self.get(scope, id).await?;
            let key = record::entry_key(id);
            let found = self.store.get(scope.bot(), &record::coll(), std::slice::from_ref(&key)).await?;
            let seq = found.into_iter().flatten().next().map(|record| record.seq);
            let known = |id: &String| entry.results.iter().any(|result| result.passage_id == *id);
            if let Some(other) = feedback.iter().flat_map(|one| &one.relevant).find(|id| !known(id)) {
                let shown: String = other.chars().take(40).collect();
                return Err(Error::Invalid(format!(
                    "relevant: {shown:?} is no passage id of this query's results"
                )));
            }
            entry.feedback.clone_from(&feedback);
            let mut commit = Commit::new(scope.bot());
            commit.put(&record::coll(), key.clone(), record::encode(&entry)?);
            commit.expect_key(&record::coll(), key, seq);
            match self.store.commit(commit).await {
                Ok(_) => return Ok(entry),
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Invalid("this query is being rated by too many callers at once; try again".into()))
    }

    /// Removes all entries; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear(&self, scope: &Scope) -> Result<u64, Error> {
        self.remove_after(scope, None).await
    }

    /// All entries that are not too old, newest first; at most what a log may hold.
    pub(super) async fn all(&self, scope: &Scope) -> Result<Vec<LoggedQuery>, Error> {
        let most = usize::try_from(self.settings(scope).await?.max_entries).unwrap_or(usize::MAX);
        Ok(self.list(scope, &LogFilter::default(), None, most).await?.queries)
    }

    async fn oldest(&self, scope: &Scope) -> Result<Timestamp, Error> {
        Ok(oldest(&self.settings(scope).await?))
    }

    /// Removes what is too old or too much.
    async fn thin(&self, scope: &Scope, settings: LogSettings) -> Result<(), Error> {
        let mut removed = self.remove_after(scope, Some(record::older_than(oldest(&settings)))).await?;
        let head = self.store.head(scope.bot(), &record::coll()).await?;
        let most = u64::from(settings.max_entries);
        // One record is the settings.
        if head.records > most + 1 {
            let mut after = None;
            let mut kept = 0;
            while kept < most {
                let page = usize::try_from(most - kept).unwrap_or(PAGE).min(PAGE);
                let records = self
                    .store
                    .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), page)
                    .await?;
                let Some(last) = records.last() else { break };
                kept += records.len() as u64;
                after = Some(last.key.clone());
            }
            removed += self.remove_after(scope, after).await?;
        }
        if removed > 0 {
            tracing::debug!(removed, "old entries of the query log removed");
        }
        Ok(())
    }

    /// Removes every entry after a key.
    async fn remove_after(&self, scope: &Scope, after: Option<Vec<u8>>) -> Result<u64, Error> {
        let mut removed = 0;
        loop {
            let records = self
                .store
                .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), THINNED)
                .await?;
            if records.is_empty() {
                return Ok(removed);
            }
            let mut commit = Commit::new(scope.bot());
            removed += records.len() as u64;
            for found in records {
                commit.del(&record::coll(), found.key);
            }
            self.store.commit(commit).await?;
        }
    }
}

fn oldest(settings: &LogSettings) -> Timestamp {
    Timestamp(Timestamp::now().as_ms() - i64::from(settings.retention_days) * DAY_MS)
}
