//! Counters against the records they count, and their repair.
//!
//! Works on the store alone, so also on a folder no server uses. Invariant: a repair adds the
//! difference found, never sets a value: what is written meanwhile moves counter and records alike
//! and stays right. Two repairs at once are told apart by the repair's own record.

use super::record;
use crate::error::ApiError;
use quarry_store::{Coll, Commit, Key, RecordStore, Seq};
use quarry_types::{BotId, Counter, ErrorKind, Scope, Timestamp, Usage};
use serde::Serialize;
use std::sync::Arc;

/// Counts of a bot that is being written to; then it is called busy.
const TRIES: usize = 5;

/// Why a bot cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecountError {
    /// The bot is written to without a pause.
    #[error("bot {0} is written to while it is counted; try again when it is quieter")]
    Busy(BotId),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] quarry_store::Error),
    /// A file's or job's record is damaged.
    #[error(transparent)]
    Kb(#[from] quarry_kb::Error),
    /// A table's record is damaged.
    #[error(transparent)]
    Tables(#[from] quarry_tables::Error),
}

impl From<RecountError> for ApiError {
    fn from(error: RecountError) -> Self {
        match error {
            RecountError::Busy(_) => Self::of(ErrorKind::Busy, error.to_string()),
            RecountError::Store(cause) => cause.into(),
            RecountError::Kb(cause) => cause.into(),
            RecountError::Tables(cause) => cause.into(),
        }
    }
}

/// What a count found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The bot.
    pub(crate) bot: BotId,
    /// The counters before any repair.
    pub(crate) counters: Usage,
    /// The same from the records.
    pub(crate) counted: Usage,
    /// Whether the counters were repaired.
    pub(crate) fixed: bool,
}

impl Finding {
    /// Whether any counter differs from its records.
    #[must_use]
    pub(crate) fn differs(&self) -> bool {
        self.counters != self.counted
    }
}

/// What is kept of the last repair.
#[derive(Serialize)]
struct Repair {
    at: Timestamp,
    counters: Usage,
    counted: Usage,
}

/// Counts one bot and, when asked to, mends what differs in one commit.
///
/// # Errors
/// See [`RecountError`].
pub(crate) async fn recount(
    store: &Arc<dyn RecordStore>,
    bot: &BotId,
    fix: bool,
) -> Result<Finding, RecountError> {
    let coll = record::collection();
    let key: Key = record::REPAIR.to_vec();
    for _ in 0..TRIES {
        let repair = store.get(bot, &coll, std::slice::from_ref(&key)).await?.into_iter().flatten().next();
        let Some((counters, counted)) = count_at_rest(store, bot).await? else { continue };
        let finding = Finding { bot: bot.clone(), counters, counted, fixed: false };
        if !fix || !finding.differs() {
            return Ok(finding);
        }
        let mut commit = Commit::new(bot);
        commit.expect_key(&coll, key.clone(), repair.map(|record| record.seq));
        let kept = Repair { at: Timestamp::now(), counters, counted };
        commit.put(&coll, key.clone(), record::encode(&kept)?);
        for counter in Counter::ALL {
            let difference = i128::from(counted.get(counter)) - i128::from(counters.get(counter));
            let delta = i64::try_from(difference)
                .map_err(|_| quarry_store::Error::Corrupt(format!("the counter of {counter} is absurd")))?;
            commit.quota(counter, delta, u64::MAX);
        }
        match store.commit(commit).await {
            Ok(_) => {
                tracing::warn!(%bot, ?counters, ?counted, "counters repaired");
                return Ok(Finding { fixed: true, ..finding });
            }
            Err(quarry_store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(RecountError::Busy(bot.clone()))
}

/// Counters and count of a moment when nothing was written; `None` when something was.
async fn count_at_rest(
    store: &Arc<dyn RecordStore>,
    bot: &BotId,
) -> Result<Option<(Usage, Usage)>, RecountError> {
    let scope = Scope::of(bot.clone());
    let before = state(store, bot).await?;
    let files = quarry_kb::recount(store.as_ref(), &scope).await?;
    let tables = quarry_tables::recount(store, &scope).await?;
    if state(store, bot).await? != before {
        return Ok(None);
    }
    let counted = Usage {
        vectors: files.vectors + tables.vectors,
        table_rows: tables.table_rows,
        storage_bytes: files.storage_bytes,
    };
    Ok(Some((before.0, counted)))
}

/// Counters and the version of every collection that is counted.
async fn state(store: &Arc<dyn RecordStore>, bot: &BotId) -> Result<(Usage, Vec<(Coll, Seq)>), RecountError> {
    let own = record::collection();
    let collections = store.collections(bot).await?;
    let mut versions: Vec<(Coll, Seq)> = collections
        .into_iter()
        .filter(|(coll, _)| *coll != own)
        .map(|(coll, head)| (coll, head.seq))
        .collect();
    versions.sort();
    Ok((store.usage(bot).await?, versions))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_store::StoreOptions;

    #[tokio::test(flavor = "multi_thread")]
    async fn drift_is_found_and_mended_once_by_two_repairs_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn RecordStore> =
            quarry_store::open(dir.path(), &StoreOptions::default()).unwrap().store;
        let bot = BotId::parse("b").unwrap();
        let drift = Usage { vectors: 7, table_rows: 0, storage_bytes: 3 };
        store.set_usage(&bot, drift).await.unwrap();
        let found = recount(&store, &bot, false).await.unwrap();
        assert_eq!((found.counters, found.counted, found.fixed), (drift, Usage::default(), false));
        assert_eq!(store.usage(&bot).await.unwrap(), drift, "looking changes nothing");
        let (a, b) = tokio::join!(recount(&store, &bot, true), recount(&store, &bot, true));
        let fixed = [a.unwrap().fixed, b.unwrap().fixed];
        assert!(fixed == [true, false] || fixed == [false, true], "{fixed:?}");
        assert_eq!(store.usage(&bot).await.unwrap(), Usage::default());
        assert!(!recount(&store, &bot, true).await.unwrap().differs());
    }
}
