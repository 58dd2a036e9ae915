//! The record engine: one fjall keyspace divided into spaces, one sync per batch.
//!
//! Knows nothing of commits or bots. Invariant: a snapshot never shows a batch of [`Engine::write`]
//! that is not on disk, because fjall applies a batch to its memtables only after the journal sync.

use crate::Error;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice, Snapshot,
};
use std::ops::Deref;
use std::path::Path;

/// Memory of the newest writes before they are written out as a sorted file.
const MEMTABLE_BYTES: u64 = 32 * 1024 * 1024;
/// Journals kept for replay at most.
const JOURNAL_BYTES: u64 = 128 * 1024 * 1024;
/// Threads that write out and compact sorted files.
const WORKER_THREADS: usize = 2;

/// A part of the keyspace: the first byte of its keys. A keyspace each would be a whole LSM tree
/// each, with its own files to create and sync at the first start and its own hold on old journals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Catalog = 1,
    Records = 2,
    Changes = 3,
    Tombs = 4,
}

impl Space {
    fn key(self, key: &[u8]) -> Slice {
        crate::codec::joined(&[self as u8], key)
    }
}

/// One effect of a batch.
#[derive(Debug)]
pub(crate) struct Effect {
    key: Slice,
    value: Option<Slice>,
}

impl Effect {
    /// A value to insert or, without one, a key to remove.
    pub(crate) fn new(space: Space, key: &[u8], value: Option<Vec<u8>>) -> Self {
        Self { key: space.key(key), value: value.map(Slice::from) }
    }

    /// A value to insert that the caller goes on using.
    pub(crate) fn insert(space: Space, key: &[u8], value: &[u8]) -> Self {
        Self { key: space.key(key), value: Some(Slice::new(value)) }
    }
}

#[derive(Clone)]
pub(crate) struct Engine {
    db: Database,
    keyspace: Keyspace,
    /// Makes the next write fail as a failed sync does.
    #[cfg(test)]
    pub(crate) fail_write: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Engine {
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Error> {
        let db = Database::builder(folder)
            .cache_size(cache_bytes)
            .worker_threads(WORKER_THREADS)
            .max_journaling_size(JOURNAL_BYTES)
            // Replay checks an entry by encoding it again, so a compressed journal would depend on
            // the next version's compressor giving the same bytes; and the commit thread is faster.
            .journal_compression(CompressionType::None)
            .open()
            .map_err(Error::io)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace = db.keyspace("records", options).map_err(Error::io)?;
        Ok(Self {
            db,
            keyspace,
            #[cfg(test)]
            fail_write: std::sync::Arc::default(),
        })
    }

    /// A consistent view of all spaces at this moment.
    pub(crate) fn view(&self) -> View<'_> {
        View { engine: self, snapshot: self.db.snapshot() }
    }

    /// Applies all effects or none; on disk before anyone sees them. No key may occur twice.
    pub(crate) fn write(&self, effects: Vec<Effect>) -> Result<(), Error> {
        #[cfg(test)]
        if self.fail_write.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::io(std::io::Error::other("injected failure")));
        }
        // fdatasync: it includes what is needed to read the appended bytes back (the file's length).
        // Clean-up is synced as well: the journal check relies on it.
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for Effect { key, value } in effects {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        batch.commit().map_err(Error::io)
    }

    /// Bytes the engine holds on disk, preallocated journal included.
    pub(crate) fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.disk_space().map_err(Error::io)
    }
}

/// A snapshot of the engine.
pub(crate) struct View<'a> {
    engine: &'a Engine,
    snapshot: Snapshot,
}

/// A key without its space byte.
pub(crate) struct SpaceKey(Slice);

impl Deref for SpaceKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

/// Keys and values of a range, in key order.
pub(crate) type Pairs = Box<dyn Iterator<Item = Result<(SpaceKey, Slice), Error>> + Send>;

impl View<'_> {
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>, Error> {
        self.snapshot.get(&self.engine.keyspace, space.key(key)).map_err(Error::io)
    }

    /// Pairs with `from` ≤ key < `to`; without `to`, to the end of the space.
    pub(crate) fn range(&self, space: Space, from: &[u8], to: Option<&[u8]>) -> Pairs {
        let from = space.key(from);
        let to = to.map_or_else(|| Slice::new(&[space as u8 + 1]), |to| space.key(to));
        // The engine panics on a range that ends before it starts.
        if to <= from {
            return Box::new(std::iter::empty());
        }
        let iter = self.snapshot.range(&self.engine.keyspace, from..to);
        let pair = |guard: fjall::Guard| guard.into_inner().map_err(Error::io);
        Box::new(iter.map(move |guard| pair(guard).map(|(key, value)| (SpaceKey(key), value))))
    }

    /// Pairs whose key starts with `prefix`.
    pub(crate) fn prefix(&self, space: Space, prefix: &[u8]) -> Pairs {
        self.range(space, prefix, crate::codec::prefix_end(prefix).as_deref())
    }
}
