//! A store whose commits fail when a test says so.

use crate::record::{self, REMOVALS_PREFIX};
use async_trait::async_trait;
use parking_lot::Mutex;
use quarry_store::{Changes, Coll, Commit, Committed, Error, Head, Key, Record, RecordStore, Seq};
use quarry_types::{BotId, Usage};
use std::sync::Arc;

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It fails and changes nothing.
    Lost,
    /// It is done and reported as failed.
    Unheard,
}

type Judge = Box<dyn FnMut(&Commit) -> Fate + Send>;

pub(super) struct Failing {
    store: Arc<dyn RecordStore>,
    judge: Mutex<Judge>,
}

impl Failing {
    pub(super) fn new(
        store: Arc<dyn RecordStore>,
        judge: impl FnMut(&Commit) -> Fate + Send + 'static,
    ) -> Self {
        Self { store, judge: Mutex::new(Box::new(judge)) }
    }
}

/// Whether a commit takes the rows of a large delete out.
pub(super) fn takes_out(commit: &Commit) -> bool {
    commit.put.iter().any(|(_, key, _)| key.starts_with(REMOVALS_PREFIX))
}

/// Whether a commit of a job deletes records of rows, or ends such a job.
pub(super) fn clears(commit: &Commit) -> bool {
    commit.put.iter().any(|(coll, ..)| *coll == record::jobs()) && !commit.del.is_empty()
}

fn broken() -> Error {
    Error::io(std::io::Error::other("the disk is full"))
}

#[async_trait]
impl RecordStore for Failing {
    async fn head(&self, bot: &BotId, coll: &Coll) -> Result<Head, Error> {
        self.store.head(bot, coll).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, Error> {
        let fate = (*self.judge.lock())(&commit);
        if fate == Fate::Lost {
            return Err(broken());
        }
        let done = self.store.commit(commit).await?;
        if fate == Fate::Unheard { Err(broken()) } else { Ok(done) }
    }

    async fn changes(&self, bot: &BotId, coll: &Coll, after: Seq, max: usize) -> Result<Changes, Error> {
        self.store.changes(bot, coll, after, max).await
    }

    async fn get(&self, bot: &BotId, coll: &Coll, keys: &[Key]) -> Result<Vec<Option<Record>>, Error> {
        self.store.get(bot, coll, keys).await
    }

    async fn scan(
        &self,
        bot: &BotId,
        coll: &Coll,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<Record>, Error> {
        self.store.scan(bot, coll, prefix, after, max).await
    }

    async fn usage(&self, bot: &BotId) -> Result<Usage, Error> {
        self.store.usage(bot).await
    }

    async fn set_usage(&self, bot: &BotId, usage: Usage) -> Result<(), Error> {
        self.store.set_usage(bot, usage).await
    }

    async fn bots(&self) -> Result<Vec<BotId>, Error> {
        self.store.bots().await
    }

    async fn collections(&self, bot: &BotId) -> Result<Vec<(Coll, Head)>, Error> {
        self.store.collections(bot).await
    }

    async fn drop_bot(&self, bot: &BotId) -> Result<(), Error> {
        self.store.drop_bot(bot).await
    }
}
