//! The log in the record store: written, listed, rated, thinned out.

use super::record::{self, Feedback, LogSettings, LoggedQuery, LoggedResult};
use crate::Error;
use quarry_kb::Kb;
use quarry_store::{Commit, RecordStore, Seq};
use quarry_types::{Scope, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

const PAGE: usize = 200;
/// Entries read at once where all are gone over: each holds up to 20 passages.
const FOLD_PAGE: usize = 50;
/// Bytes a bot's log may hold; the oldest entries past them are removed.
const MOST_BYTES: u64 = 512 << 20;
/// Time between two looks for old entries in all logs.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
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
            // The entry is kept, whatever becomes of older ones.
            if let Err(error) = self.tidy(scope).await {
                tracing::warn!(%error, "old entries of a query log were not removed");
            }
        }
        Ok(entry.id)
    }

    async fn tidy(&self, scope: &Scope) -> Result<(), Error> {
        let settings = self.settings(scope).await?;
        self.thin(scope, settings).await
    }

    /// Removes what is past its retention from the logs of all bots, also of those nobody asks any more.
    ///
    /// # Errors
    /// When the store does not tell its bots. A log that cannot be read is passed over with a warning.
    pub async fn sweep(&self) -> Result<(), Error> {
        for bot in self.store.bots().await? {
            let scope = Scope::of(bot);
            let swept = async {
                if self.store.head(scope.bot(), &record::coll()).await?.records > 0 {
                    self.tidy(&scope).await?;
                }
                Ok::<_, Error>(())
            };
            if let Err(error) = swept.await {
                tracing::warn!(%error, "old entries of a query log were not removed");
            }
        }
        Ok(())
    }

    /// Runs [`Self::sweep`] now and every hour, for ever.
    pub async fn keep_swept(self) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "the query logs were not looked through for old entries");
            }
        }
    }

    /// Entries, newest first; `after` = where the last page ended.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an `after` that no page gave; when the store fails or a record is damaged.
    pub async fn list(
        &self,
        scope: &Scope,
        filter: &LogFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, Error> {
        let unknown =
            || Error::Invalid("nextToken is of no page of this list; leave it out to begin anew".into());
        let after = after.map(|text| record::read_cursor(text).ok_or_else(unknown)).transpose()?;
        let settings = self.settings(scope).await?;
        let oldest = oldest(&settings);
        let mut page = LogPage::default();
        // Entries that were seen, wanted or not, and how many of them up to the last wanted one.
        let (mut seen, mut shown) = (after.map_or(0, |(_, rank)| rank), 0);
        let mut after = after.map(|(id, _)| record::entry_key(id));
        loop {
            let records = self
                .store
                .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), PAGE)
                .await?;
            let more = records.len() == PAGE;
            after = records.last().map(|record| record.key.clone());
            for found in records {
                let entry: LoggedQuery = record::decode(&found.value)?;
                if entry.at < oldest || seen >= settings.max_entries {
                    return Ok(page);
                }
                seen += 1;
                if !filter.admits(&entry) {
                    continue;
                }
                if page.queries.len() == limit {
                    page.next = page.queries.last().map(|last| record::cursor(&last.id, shown));
                    return Ok(page);
                }
                shown = seen;
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
        Ok(self.read(scope, id).await?.0)
    }

    /// One entry and the commit that wrote it.
    async fn read(&self, scope: &Scope, id: &str) -> Result<(LoggedQuery, Seq), Error> {
        let missing = || Error::NoQuery(id.chars().take(40).collect());
        if !record::is_id(id) {
            return Err(missing());
        }
        let found = self.store.get(scope.bot(), &record::coll(), &[record::entry_key(id)]).await?;
        let found = found.into_iter().flatten().next().ok_or_else(missing)?;
        let entry: LoggedQuery = record::decode(&found.value)?;
        if entry.at < self.oldest(scope).await? { Err(missing()) } else { Ok((entry, found.seq)) }
    }

    /// Rates an answer, or takes the rating back. What it names and was not found is kept with it.
    ///
    /// # Errors
    /// [`Error::NoQuery`]; [`Error::Invalid`] for a passage that the bot does not have and that was not among the
    /// results.
    pub async fn rate(
        &self,
        kb: &Kb,
        scope: &Scope,
        id: &str,
        mut feedback: Option<Feedback>,
    ) -> Result<LoggedQuery, Error> {
        if let Some(feedback) = &mut feedback {
            let mut seen = HashSet::new();
            feedback.relevant.retain(|id| seen.insert(id.clone()));
        }
        for _ in 0..TRIES {
            let (mut entry, seq) = self.read(scope, id).await?;
            let key = record::entry_key(id);
            let relevant = feedback.as_ref().map_or(&[] as &[String], |feedback| &feedback.relevant);
            entry.missed = missed(kb, scope, &entry, relevant).await?;
            entry.feedback.clone_from(&feedback);
            let mut commit = Commit::new(scope.bot());
            commit.put(&record::coll(), key.clone(), record::encode(&entry)?);
            commit.expect_key(&record::coll(), key, Some(seq));
            match self.store.commit(commit).await {
                Ok(_) => return Ok(entry),
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Invalid("this query is being rated by too many callers at once; try again".into()))
    }

    /// Removes one entry.
    ///
    /// # Errors
    /// [`Error::NoQuery`]; when the store fails.
    pub async fn remove(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        self.read(scope, id).await?;
        let mut commit = Commit::new(scope.bot());
        commit.del(&record::coll(), record::entry_key(id));
        self.store.commit(commit).await?;
        Ok(())
    }

    /// Removes all entries; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn clear(&self, scope: &Scope) -> Result<u64, Error> {
        self.remove_after(scope, None).await
    }

    /// Hands over all entries that are not too old, newest first, until `take` says it has enough. Few
    /// of them are in memory at once.
    pub(super) async fn each(
        &self,
        scope: &Scope,
        mut take: impl FnMut(LoggedQuery) -> bool + Send,
    ) -> Result<(), Error> {
        let settings = self.settings(scope).await?;
        let oldest = oldest(&settings);
        let mut left = settings.max_entries;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let records = self
                .store
                .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), FOLD_PAGE)
                .await?;
            let Some(last) = records.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for found in records {
                let entry: LoggedQuery = record::decode(&found.value)?;
                if left == 0 || entry.at < oldest || !take(entry) {
                    return Ok(());
                }
                left -= 1;
            }
        }
    }

    async fn oldest(&self, scope: &Scope) -> Result<Timestamp, Error> {
        Ok(oldest(&self.settings(scope).await?))
    }

    /// Removes what is too old or too much.
    async fn thin(&self, scope: &Scope, settings: LogSettings) -> Result<(), Error> {
        let mut removed = self.remove_after(scope, Some(record::older_than(oldest(&settings)))).await?;
        let head = self.store.head(scope.bot(), &record::coll()).await?;
        let most = u64::from(settings.max_entries);
        // One record is the settings. Going through a full log at every look would cost more than some
        // entries too many.
        if head.records > most + most / 10 + 1 || head.bytes > MOST_BYTES {
            let after = self.last_kept(scope, most, MOST_BYTES - MOST_BYTES / 10).await?;
            removed += self.remove_after(scope, after).await?;
        }
        if removed > 0 {
            tracing::debug!(removed, "old entries of the query log removed");
        }
        Ok(())
    }

    /// The last of the newest entries that are within a number and a size.
    async fn last_kept(&self, scope: &Scope, most: u64, bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let (mut after, mut kept, mut size) = (None::<Vec<u8>>, 0, 0);
        loop {
            let records = self
                .store
                .scan(scope.bot(), &record::coll(), record::ENTRIES, after.as_deref(), FOLD_PAGE)
                .await?;
            if records.is_empty() {
                return Ok(after);
            }
            for found in records {
                kept += 1;
                size += found.value.len() as u64;
                if kept > most || size > bytes {
                    return Ok(after);
                }
                after = Some(found.key);
            }
        }
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

/// The passages of these ids that were not among the results: current ones, or those that were named before.
async fn missed(
    kb: &Kb,
    scope: &Scope,
    entry: &LoggedQuery,
    ids: &[String],
) -> Result<Vec<LoggedResult>, Error> {
    let found = |id: &String| entry.results.iter().any(|result| result.passage_id == *id);
    let others: Vec<String> = ids.iter().filter(|id| !found(id)).cloned().collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let current = kb.passages_of_ids(scope, &others).await?;
    let mut current: HashMap<String, LoggedResult> =
        current.into_iter().map(|passage| (passage.id.clone(), LoggedResult::missed(passage))).collect();
    let known = |id: String| {
        current.remove(&id).or_else(|| entry.passage(&id).cloned()).ok_or_else(|| {
            let shown: String = id.chars().take(40).collect();
            Error::Invalid(format!(
                "relevant: {shown:?} is the id of no passage this bot has now and of none among this query's results"
            ))
        })
    };
    others.into_iter().map(known).collect()
}

fn oldest(settings: &LogSettings) -> Timestamp {
    Timestamp(Timestamp::now().as_ms() - i64::from(settings.retention_days) * DAY_MS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Rating;
    use super::super::testing::{entry, log_and_kb};
    use super::*;
    use quarry_store::StoreOptions;
    use quarry_types::BotId;

    fn log(dir: &std::path::Path) -> (QueryLog, Scope) {
        let store = quarry_store::open(dir, &StoreOptions::default()).unwrap().store;
        (QueryLog::new(store), Scope::of(BotId::parse("b").unwrap()))
    }

    fn asked(age_ms: i64) -> LoggedQuery {
        let at = Timestamp(Timestamp::now().as_ms() - age_ms);
        LoggedQuery { id: record::mint(at), at, ..entry("", "where?", false, None) }
    }

    /// Writes as it was before any of it was too old.
    async fn kept(log: &QueryLog, scope: &Scope, entry: &LoggedQuery) {
        let mut commit = Commit::new(scope.bot());
        commit.put(&record::coll(), record::entry_key(&entry.id), record::encode(entry).unwrap());
        log.store.commit(commit).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_past_its_retention_goes_without_anyone_asking() {
        let dir = tempfile::tempdir().unwrap();
        let (log, scope) = log(dir.path());
        log.set(&scope, LogSettings { enabled: false, retention_days: 1, max_entries: 10 }).await.unwrap();
        kept(&log, &scope, &asked(DAY_MS + 60_000)).await;
        kept(&log, &scope, &asked(0)).await;
        log.sweep().await.unwrap();
        // The other record is the settings.
        assert_eq!(log.store.head(scope.bot(), &record::coll()).await.unwrap().records, 2);
    }

    #[tokio::test]
    async fn an_erased_entry_is_not_rated_back_and_passages_count_once() {
        let dir = tempfile::tempdir().unwrap();
        let (log, kb, scope) = log_and_kb(dir.path()).await;
        let entry = asked(0);
        let relevant = vec!["p-a".to_owned(), "p-b".to_owned(), "p-a".to_owned()];
        let feedback = Feedback { rating: Rating::Good, comment: None, relevant, at: entry.at };
        log.write(&scope, entry.clone()).await.unwrap();
        let rated = log.rate(&kb, &scope, &entry.id, Some(feedback.clone())).await.unwrap();
        assert_eq!(rated.feedback.unwrap().relevant, ["p-a", "p-b"]);
        assert_eq!(log.clear(&scope).await.unwrap(), 1);
        let gone = log.rate(&kb, &scope, &entry.id, Some(feedback)).await;
        assert!(matches!(gone, Err(Error::NoQuery(_))));
        assert!(log.list(&scope, &LogFilter::default(), None, 1).await.unwrap().queries.is_empty());
    }

    #[tokio::test]
    async fn a_list_ends_at_the_number_kept_and_single_entries_go() {
        let dir = tempfile::tempdir().unwrap();
        let (log, scope) = log(dir.path());
        let entries: Vec<LoggedQuery> = (0..5).map(|age| asked(age * 1_000)).collect();
        log.set(&scope, LogSettings { max_entries: 3, ..LogSettings::default() }).await.unwrap();
        for entry in &entries {
            kept(&log, &scope, entry).await;
        }
        let ids = |page: &LogPage| page.queries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        let list = |after: Option<String>| {
            let (log, scope) = (log.clone(), scope.clone());
            async move { log.list(&scope, &LogFilter::default(), after.as_deref(), 2).await }
        };
        let first = list(None).await.unwrap();
        assert_eq!(ids(&first), [entries[0].id.as_str(), &entries[1].id]);
        let second = list(first.next).await.unwrap();
        assert_eq!((ids(&second), second.next), (vec![entries[2].id.clone()], None));
        assert!(matches!(list(Some("zzz".into())).await, Err(Error::Invalid(_))));
        log.remove(&scope, &entries[0].id).await.unwrap();
        assert!(matches!(log.remove(&scope, &entries[0].id).await, Err(Error::NoQuery(_))));
        assert_eq!(ids(&list(None).await.unwrap())[0], entries[1].id);
    }

    #[tokio::test]
    async fn the_newest_are_kept_within_number_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let (log, scope) = log(dir.path());
        let entries: Vec<LoggedQuery> = (0..30).map(|age| asked(age * 1_000)).collect();
        for entry in &entries {
            kept(&log, &scope, entry).await;
        }
        let key = |at: usize| Some(record::entry_key(&entries[at].id));
        assert_eq!(log.last_kept(&scope, 3, u64::MAX).await.unwrap(), key(2));
        let size = record::encode(&entries[0]).unwrap().len() as u64;
        assert_eq!(log.last_kept(&scope, 30, 2 * size + size / 2).await.unwrap(), key(1));
        let mut seen = 0;
        let count = |_| {
            seen += 1;
            seen < 20
        };
        log.each(&scope, count).await.unwrap();
        assert_eq!(seen, 20);
        let settings = |max_entries| LogSettings { max_entries, ..LogSettings::default() };
        log.set(&scope, settings(28)).await.unwrap();
        assert_eq!(log.store.head(scope.bot(), &record::coll()).await.unwrap().records, 31, "few too many");
        log.set(&scope, settings(20)).await.unwrap();
        assert_eq!(log.store.head(scope.bot(), &record::coll()).await.unwrap().records, 21);
    }
}
