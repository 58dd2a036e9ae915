//! The seam every durable byte goes through: records in collections, changed by atomic commits.
//!
//! A record lives under (bot, collection, key) and carries the collection's sequence number of
//! the commit that wrote it. Views (Arrow columns, tantivy, vectors) follow with
//! [`RecordStore::changes`]. Two implementations are foreseen: [`crate::LocalStore`] on fjall and,
//! later, one on PostgreSQL; `conformance` holds the tests both must pass.

use crate::Error;
use async_trait::async_trait;
use bytes::Bytes;
use quarry_types::{BotId, Counter, Usage};
use std::fmt;
use std::sync::Arc;

/// Position in a collection's history: the number of the commit that last changed it; 0 = never.
pub type Seq = u64;

/// Name of a collection, such as `kb`, `tables`, `t/<table id>`, `vectors/<model fingerprint>`, `jobs`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coll(Arc<str>);

impl Coll {
    /// A collection by name (1..=200 bytes, no NUL; checked at commit).
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Coll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Key of a record within its collection; ordered bytewise, at most 1,024 bytes.
pub type Key = Vec<u8>;

/// The newest version of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Key,
    /// The commit that wrote it.
    pub seq: Seq,
    /// Its bytes.
    pub value: Bytes,
}

/// One changed key: its newest version, or a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// The commit that last changed it.
    pub seq: Seq,
    /// The value, `None` when deleted.
    pub value: Option<Bytes>,
}

/// State of a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last durable commit that changed it.
    pub seq: Seq,
    /// The next free numeric id (see [`Commit::next_id`]); starts at 1.
    pub next_id: u64,
    /// Live records.
    pub records: u64,
    /// Bytes of live values.
    pub bytes: u64,
}

/// What has changed since a watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Newest versions of the keys changed in (after, upto], ascending by seq. A page never ends
    /// inside a commit, so applying a page whole moves a view from one consistent cut to another
    /// (a page may therefore hold more than `max` changes when one commit does).
    Page {
        /// The changes.
        changes: Vec<Change>,
        /// The watermark after applying them.
        upto: Seq,
        /// Whether to ask again.
        more: bool,
    },
    /// Tombstones that old are gone: rebuild from [`RecordStore::scan`].
    TooOld,
}

/// A precondition on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectKey {
    /// Collection.
    pub coll: Coll,
    /// Key.
    pub key: Key,
    /// The version it must have now; `None` = absent.
    pub seq: Option<Seq>,
    /// The bytes of that version's value, when the caller knows them; see [`Commit::read_at`].
    pub len: Option<u64>,
}

/// A change of a counter, refused when it would pass `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaDelta {
    /// Which.
    pub counter: Counter,
    /// By how much; negative releases and never fails.
    pub delta: i64,
    /// The most the counter may be afterwards, checked only when `delta` > 0.
    pub limit: u64,
}

/// One atomic change of several collections of ONE bot: all of it is durable, or none.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The bot.
    pub bot: BotId,
    /// Whole-collection preconditions: the collection must be at this seq.
    pub expect: Vec<(Coll, Seq)>,
    /// Key preconditions.
    pub expect_keys: Vec<ExpectKey>,
    /// States of collections in which the key preconditions were found true, versions and lengths. As
    /// long as a collection is still in that state they are not read again.
    pub read_at: Vec<(Coll, Seq)>,
    /// Records to write.
    pub put: Vec<(Coll, Key, Bytes)>,
    /// Keys to delete; absent ones are no error.
    pub del: Vec<(Coll, Key)>,
    /// Raise `next_id` of a collection to at least this (ids are never reused, gaps are fine).
    pub next_id: Vec<(Coll, u64)>,
    /// Collections to drop whole; their names must never be used again.
    pub drop: Vec<Coll>,
    /// Quota changes, all checked before anything is written.
    pub quota: Vec<QuotaDelta>,
    /// Idempotency id: repeating a commit whose outcome is unknown answers the first outcome
    /// (remembered for the newest commits of a bot).
    pub id: Option<u128>,
}

impl Commit {
    /// An empty commit.
    #[must_use]
    pub fn new(bot: &BotId) -> Self {
        Self {
            bot: bot.clone(),
            expect: Vec::new(),
            expect_keys: Vec::new(),
            read_at: Vec::new(),
            put: Vec::new(),
            del: Vec::new(),
            next_id: Vec::new(),
            drop: Vec::new(),
            quota: Vec::new(),
            id: None,
        }
    }

    /// Adds a write.
    pub fn put(&mut self, coll: &Coll, key: impl Into<Key>, value: impl Into<Bytes>) -> &mut Self {
        self.put.push((coll.clone(), key.into(), value.into()));
        self
    }

    /// Adds a delete.
    pub fn del(&mut self, coll: &Coll, key: impl Into<Key>) -> &mut Self {
        self.del.push((coll.clone(), key.into()));
        self
    }

    /// Adds a key precondition.
    pub fn expect_key(&mut self, coll: &Coll, key: impl Into<Key>, seq: Option<Seq>) -> &mut Self {
        let (coll, key) = (coll.clone(), key.into());
        self.expect_keys.push(ExpectKey { coll, key, seq, len: None });
        self
    }

    /// Adds a quota change; a delta of 0 is left out.
    pub fn quota(&mut self, counter: Counter, delta: i64, limit: u64) -> &mut Self {
        if delta != 0 {
            self.quota.push(QuotaDelta { counter, delta, limit });
        }
        self
    }
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The new seq of every collection it changed (put, del, next_id or drop).
    pub seqs: Vec<(Coll, Seq)>,
}

impl Committed {
    /// The new seq of one collection, if the commit changed it.
    #[must_use]
    pub fn seq(&self, coll: &Coll) -> Option<Seq> {
        self.seqs.iter().find(|(c, _)| c == coll).map(|(_, seq)| *seq)
    }
}

/// The only truth. All answers show durable state only: a commit is visible to [`head`] and
/// [`changes`] after it is on disk, never before.
///
/// [`head`]: RecordStore::head
/// [`changes`]: RecordStore::changes
#[async_trait]
pub trait RecordStore: Send + Sync + 'static {
    /// State of a collection; all zero (next_id 1) when it does not exist.
    async fn head(&self, bot: &BotId, coll: &Coll) -> Result<Head, Error>;

    /// Applies a commit atomically; durable (fsynced) on return.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a precondition fails, [`Error::Quota`] when a counter would pass
    /// its limit, [`Error::Poisoned`] after a failed sync; in each case nothing was changed.
    async fn commit(&self, commit: Commit) -> Result<Committed, Error>;

    /// What changed in a collection after a watermark.
    async fn changes(&self, bot: &BotId, coll: &Coll, after: Seq, max: usize) -> Result<Changes, Error>;

    /// Newest versions of some keys, in their order.
    async fn get(&self, bot: &BotId, coll: &Coll, keys: &[Key]) -> Result<Vec<Option<Record>>, Error>;

    /// Up to `max` records in key order, keys starting with `prefix` and greater than `after`.
    async fn scan(
        &self,
        bot: &BotId,
        coll: &Coll,
        prefix: &[u8],
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<Vec<Record>, Error>;

    /// The counters of a bot.
    async fn usage(&self, bot: &BotId) -> Result<Usage, Error>;

    /// Overwrites the counters of a bot (repair after a recount).
    async fn set_usage(&self, bot: &BotId, usage: Usage) -> Result<(), Error>;

    /// Every bot that has records.
    async fn bots(&self) -> Result<Vec<BotId>, Error>;

    /// The collections of a bot with their heads.
    async fn collections(&self, bot: &BotId) -> Result<Vec<(Coll, Head)>, Error>;

    /// Removes everything of a bot.
    async fn drop_bot(&self, bot: &BotId) -> Result<(), Error>;
}
