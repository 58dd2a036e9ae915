//! The open indexes of all tables, and the tasks that feed them.
//!
//! A task runs per table while there is something to index; a few steps run at a time, first come
//! first served, so that no bot's backlog stands in another's way. Invariant: a table has one index
//! at a time, and a write never waits for any.

use super::index::{Index, IndexSnapshot, Source};
use super::indexer::{Means, Step};
use super::text::Layout;
use super::vectors::Tally;
use crate::Error;
use crate::api::TablesOptions;
use crate::catalog::{Catalog, Entry};
use crate::record::{self, TableRecord};
use crate::schema::Column;
use parking_lot::Mutex;
use quarry_embed::EmbedderSlot;
use quarry_store::RecordStore;
use quarry_types::{BotId, Scope, TableId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::task::JoinHandle;

/// Steps at a time. The model takes turns anyway; two keep it busy while one writes.
const TURNS: usize = 2;
/// A write waits this long for others to be indexed with it: a commit of words costs tens of
/// milliseconds whatever its size.
pub(super) const GATHER: Duration = Duration::from_millis(200);
/// Steps that do this much have a backlog, which needs no gathering.
const BACKLOG: usize = 64;
/// Open indexes, whatever their size: each maps files.
const MAX_OPEN: usize = 512;
const RETRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Running steps get this long when the server stops.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct Indexes {
    pub(super) store: Arc<dyn RecordStore>,
    embedder: EmbedderSlot,
    pub(super) catalog: Arc<Catalog>,
    pub(super) options: Arc<TablesOptions>,
    slots: Mutex<HashMap<(BotId, TableId), Arc<Slot>>>,
    turns: Semaphore,
    closing: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    clock: AtomicU64,
}

/// The place of one table's index.
pub(super) struct Slot {
    scope: Scope,
    table: TableId,
    layout: Layout,
    /// Of the table when this was made.
    factor: u8,
    index: OnceCell<Arc<Index>>,
    /// What was here before; its last step must end first.
    before: Mutex<Option<Arc<Slot>>>,
    running: AtomicBool,
    /// Something happened since the running task last looked.
    again: AtomicBool,
    closed: AtomicBool,
    used: AtomicU64,
}

impl Slot {
    fn heap_bytes(&self) -> usize {
        self.index.get().map_or(0, |index| index.heap_bytes())
    }

    /// Whether a task works on it.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    fn is_idle(&self) -> bool {
        let in_use = self.index.get().is_some_and(|index| Arc::strong_count(index) > 1);
        !in_use && !self.is_running()
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Waits for the running step.
    async fn at_rest(&self) {
        if let Some(index) = self.index.get() {
            let _work = index.work.lock().await;
        }
    }
}

impl Indexes {
    pub(crate) fn new(
        store: Arc<dyn RecordStore>,
        embedder: EmbedderSlot,
        catalog: Arc<Catalog>,
        options: Arc<TablesOptions>,
    ) -> Self {
        Self {
            store,
            embedder,
            catalog,
            options,
            slots: Mutex::default(),
            turns: Semaphore::new(TURNS),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    pub(super) fn embedder(&self) -> &EmbedderSlot {
        &self.embedder
    }

    pub(super) fn vector_quota(&self) -> u64 {
        self.options.vector_quota
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Where the index of a table with these columns lives; one of other columns is closed.
    pub(super) fn slot(&self, scope: &Scope, record: &TableRecord) -> Arc<Slot> {
        let (table, layout) = (&record.id, Layout::of(record));
        let mut slots = self.slots.lock();
        let key = (scope.bot().clone(), table.clone());
        let before = slots.get(&key).cloned();
        let used = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = &before
            && slot.layout == layout
            && !slot.closed.load(Ordering::Acquire)
        {
            slot.used.store(used, Ordering::Relaxed);
            return Arc::clone(slot);
        }
        before.iter().for_each(|slot| slot.close());
        let slot = Arc::new(Slot {
            scope: scope.clone(),
            table: table.clone(),
            layout,
            factor: record.factor,
            index: OnceCell::new(),
            // One that was never opened writes nothing, but what was before it may.
            before: Mutex::new(before.and_then(|slot| {
                let opened = slot.index.initialized();
                if opened { Some(slot) } else { slot.before.lock().clone() }
            })),
            running: AtomicBool::new(false),
            again: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            used: AtomicU64::new(used),
        });
        slots.insert(key, Arc::clone(&slot));
        slot
    }

    async fn open(&self, slot: &Slot) -> Result<Arc<Index>, Error> {
        let fresh = !slot.index.initialized();
        let open = || async {
            let before = slot.before.lock().clone();
            if let Some(before) = before {
                before.at_rest().await;
                *slot.before.lock() = None;
            }
            let embedder = self.embedder.get().await?;
            let (bot, table) = (slot.scope.bot().clone(), slot.table.clone());
            let place = |paths: &quarry_store::DataPaths| paths.row_index(&bot, &table, slot.layout.mark());
            let folder = self.options.paths.as_ref().map(place);
            let (store, layout) = (Arc::clone(&self.store), slot.layout.clone());
            let source = Source { store, bot, table, layout, embedder, folder };
            let index = Arc::new(Index::open(source).await?);
            index.restore_words(slot.factor).await?;
            Ok::<_, Error>(index)
        };
        let index = Arc::clone(slot.index.get_or_try_init(open).await?);
        if fresh {
            let tracker = index.tracker.lock().await;
            index.measure(&tracker);
            drop(tracker);
            self.trim(slot);
        }
        Ok(index)
    }

    /// Drops the least recently used idle indexes while they take more than half of the memory that
    /// tables may take; the other half is left to rows.
    fn trim(&self, keep: &Slot) {
        let mut slots = self.slots.lock();
        let mut total: usize = slots.values().map(|slot| slot.heap_bytes()).sum();
        let mut open = slots.values().filter(|slot| slot.index.initialized()).count();
        while total > self.options.view_budget_bytes / 2 || open > MAX_OPEN {
            let idle = slots.iter().filter(|(_, slot)| {
                slot.is_idle() && slot.index.initialized() && !std::ptr::eq(slot.as_ref(), keep)
            });
            let oldest = idle.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some(slot) = slots.remove(&key) {
                slot.close();
                total = total.saturating_sub(slot.heap_bytes());
                open -= 1;
            }
        }
        self.catalog.set_beside(total);
    }

    /// What a search reads: a snapshot that knows every row change up to now.
    pub(super) async fn snapshot(
        self: &Arc<Self>,
        scope: &Scope,
        record: &TableRecord,
    ) -> Result<Arc<IndexSnapshot>, Error> {
        let slot = self.slot(scope, record);
        let index = self.open(&slot).await?;
        let head = self.store.head(scope.bot(), &record::rows_of(&record.id)).await?;
        let snapshot = index.at_least(head.seq).await?;
        if !snapshot.waiting.is_empty() || snapshot.over_quota > 0 {
            self.start(&slot);
        }
        Ok(snapshot)
    }

    /// How many of `rows` have searchable text and cannot be found yet. Until the model is loaded that
    /// is all of them.
    pub(crate) async fn waiting(
        self: &Arc<Self>,
        scope: &Scope,
        record: &TableRecord,
        rows: &crate::view::Snapshot,
    ) -> Result<u64, Error> {
        if rows.rows == 0 || Layout::of(record).is_empty() {
            return Ok(0);
        }
        if self.embedder.get().await.is_err() {
            return Ok(rows.rows as u64);
        }
        if self.is_settled(scope, record).await? {
            return Ok(0);
        }
        let waiting = &self.snapshot(scope, record).await?.waiting;
        // The index follows the records of rows, which a large delete leaves for a while.
        Ok(waiting.len() - rows.leaving(waiting))
    }

    /// Whether the records say that every row is indexed.
    pub(super) async fn is_settled(&self, scope: &Scope, record: &TableRecord) -> Result<bool, Error> {
        let embedder = self.embedder.get().await?;
        let coll = record::vectors_of(&record.id, embedder.fingerprint());
        let rows = self.store.head(scope.bot(), &record::rows_of(&record.id)).await?.seq;
        let tally = Tally::read(self.store.as_ref(), scope.bot(), &coll).await?;
        Ok(rows == 0 || tally.is_settled(rows, &Layout::of(record)))
    }

    /// Sees to it that changed rows are indexed; returns at once.
    pub(crate) fn wake(self: &Arc<Self>, scope: &Scope, record: &TableRecord) {
        if record.schema.columns.iter().any(Column::is_searchable) {
            self.start(&self.slot(scope, record));
        }
    }

    /// Follows a change of a table's columns; returns at once.
    pub(crate) fn follow(self: &Arc<Self>, scope: &Scope, before: &TableRecord, after: &TableRecord) {
        // With nothing searchable the task clears what was.
        if Layout::of(before) != Layout::of(after) {
            self.start(&self.slot(scope, after));
        }
    }

    pub(super) fn start(self: &Arc<Self>, slot: &Arc<Slot>) {
        slot.again.store(true, Ordering::Release);
        if slot.running.swap(true, Ordering::AcqRel) || self.is_closing() {
            return;
        }
        let (indexes, slot) = (Arc::clone(self), Arc::clone(slot));
        self.spawn(async move { indexes.run(&slot).await });
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(tokio::spawn(work));
    }

    /// Sleeps; answers whether to go on.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        let mut closing = self.closing.subscribe();
        tokio::time::timeout(time, closing.wait_for(|closing| *closing)).await.is_err()
    }

    async fn run(self: &Arc<Self>, slot: &Arc<Slot>) {
        let (mut failures, mut did) = (0, 0);
        loop {
            let wait = if did < BACKLOG { GATHER } else { Duration::ZERO };
            if slot.closed.load(Ordering::Acquire) || !self.pause(wait).await {
                break;
            }
            slot.again.store(false, Ordering::Release);
            match self.step(slot).await {
                Ok(Step::Did(rows)) => (failures, did) = (0, rows),
                Ok(Step::Idle) => {
                    slot.running.store(false, Ordering::Release);
                    self.trim(slot);
                    let more = slot.again.load(Ordering::Acquire);
                    if !more || slot.running.swap(true, Ordering::AcqRel) {
                        return;
                    }
                    (failures, did) = (0, 0);
                }
                Ok(Step::Outdated) => {
                    slot.close();
                    let entry = self.catalog.entry(&slot.scope, slot.table.as_str()).await;
                    if let Ok(entry) = entry {
                        self.start(&self.slot(&slot.scope, entry.record()));
                    }
                }
                Ok(Step::Stopped) => break,
                Err(error) => {
                    failures += 1;
                    tracing::error!(bot = %slot.scope.bot(), table = %slot.table, %error, failures, "rows not indexed");
                    if failures > RETRIES || !self.pause(RETRY_AFTER).await {
                        break;
                    }
                }
            }
        }
        slot.running.store(false, Ordering::Release);
    }

    async fn step(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Step, Error> {
        let entry = match self.catalog.entry(&slot.scope, slot.table.as_str()).await {
            Err(Error::NoTable(_)) => {
                self.remove(slot);
                return Ok(Step::Stopped);
            }
            entry => entry?,
        };
        let layout = Layout::of(entry.record());
        if layout != slot.layout {
            slot.close();
            self.start(&self.slot(&slot.scope, entry.record()));
            return Ok(Step::Stopped);
        }
        let turn = || async {
            self.turns.acquire().await.map_err(|_| Error::Internal("indexing has ended".to_owned()))
        };
        if layout.is_empty() {
            let _turn = turn().await?;
            let cleared = self.clear_some(&slot.scope, &entry, None, super::clear::CHUNK).await?;
            if cleared.more {
                return Ok(Step::Did(BACKLOG));
            }
            self.remove_folder(&slot.scope, &slot.table).await;
            self.remove(slot);
            return Ok(Step::Stopped);
        }
        let index = self.open(slot).await?;
        let _turn = turn().await?;
        if slot.closed.load(Ordering::Acquire) {
            return Ok(Step::Stopped);
        }
        if self.has_others(&index, slot, &entry).await? {
            return Ok(Step::Did(BACKLOG));
        }
        let stop = || self.is_closing() || slot.closed.load(Ordering::Acquire);
        index.step(&Means { entry: &entry, quota: self.options.vector_quota, stop: &stop }).await
    }

    /// Clears some vectors of other models, which would count beside the new ones.
    async fn has_others(&self, index: &Index, slot: &Slot, entry: &Entry) -> Result<bool, Error> {
        if index.work.lock().await.alone {
            return Ok(false);
        }
        let keep = Some(&index.vectors);
        let cleared = self.clear_some(&slot.scope, entry, keep, super::clear::CHUNK).await?;
        index.work.lock().await.alone = !cleared.more;
        Ok(cleared.more)
    }

    fn remove(&self, slot: &Slot) {
        slot.close();
        let mut slots = self.slots.lock();
        let key = (slot.scope.bot().clone(), slot.table.clone());
        if slots.get(&key).is_some_and(|there| std::ptr::eq(there.as_ref(), slot)) {
            slots.remove(&key);
        }
    }

    async fn remove_folder(&self, scope: &Scope, table: &TableId) {
        if let Some(paths) = &self.options.paths {
            // Often absent; what cannot be removed is tried again at the next start.
            let _ = tokio::fs::remove_dir_all(paths.row_indexes(scope.bot(), table)).await;
        }
    }

    /// Ends the work on a table that is about to be deleted.
    pub(crate) async fn close(&self, scope: &Scope, table: &TableId) {
        let slot = self.slots.lock().remove(&(scope.bot().clone(), table.clone()));
        if let Some(slot) = slot {
            slot.close();
            slot.at_rest().await;
        }
    }

    /// Removes the folder of a deleted table.
    pub(crate) async fn deleted(&self, scope: &Scope, table: &TableId) {
        self.close(scope, table).await;
        self.remove_folder(scope, table).await;
    }

    /// Drops what is cached of a bot.
    pub(crate) fn forget(&self, scope: &Scope) {
        self.slots.lock().retain(|(bot, _), slot| {
            let keep = bot != scope.bot();
            if !keep {
                slot.close();
            }
            keep
        });
    }

    /// Ends the tasks; what they leave is done after the next start.
    pub(crate) async fn shutdown(&self) {
        self.closing.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async {
            for task in tasks {
                // A task that panicked has ended as well.
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(GRACE, all).await;
        self.slots.lock().clear();
    }
}
