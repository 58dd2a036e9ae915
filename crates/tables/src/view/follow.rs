//! Keeps the snapshot of one table level with the store.
//!
//! Readers take the current snapshot without locks; whoever needs a later one applies what is
//! missing, one at a time. Invariant: a snapshot is published only after it holds every change up to
//! its watermark.

use super::snapshot::Snapshot;
use crate::Error;
use crate::record::{self, Batches, REMOVALS_PREFIX, ROW_PREFIX, StoredRow};
use crate::removal::{self, Removal};
use crate::schema::ColumnId;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use quarry_store::{Change, Changes, Coll, Key, RecordStore, Seq};
use quarry_types::{BotId, TableId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: usize = 8_192;
/// Applies that touch more than this leave the async threads.
const INLINE_ROWS: usize = 2_048;
const MAX_RELOADS: usize = 3;

/// A row id with its new version; `None` = deleted.
pub(crate) type RowChange = (u32, Option<Arc<StoredRow>>);

/// Commits of so many rows are made into a snapshot while they are on their way to the disk; of
/// smaller ones many go together, so that most would be made in vain.
const AHEAD_ROWS: usize = 64;

/// The changes of one commit of this process, and the snapshot with them if no other comes between.
pub(crate) struct OwnChanges {
    rows: Vec<RowChange>,
    /// Over which snapshot, and the one after it.
    ahead: Option<(Arc<Snapshot>, Arc<Snapshot>)>,
}

impl OwnChanges {
    /// Changes drafted over a snapshot, for a commit whose outcome is still open.
    pub(crate) fn made_over(snapshot: &Arc<Snapshot>, rows: Vec<RowChange>) -> Self {
        let seq = snapshot.seq + 1;
        let ahead = (AHEAD_ROWS..=INLINE_ROWS).contains(&rows.len()).then(|| {
            let changes = rows.iter().map(|(id, row)| (*id, seq, row.clone()));
            (Arc::clone(snapshot), Arc::new(snapshot.apply(changes, seq)))
        });
        Self { rows, ahead }
    }
}

impl From<Vec<RowChange>> for OwnChanges {
    fn from(rows: Vec<RowChange>) -> Self {
        Self { rows, ahead: None }
    }
}

pub(crate) struct View {
    store: Arc<dyn RecordStore>,
    bot: BotId,
    pub(crate) coll: Coll,
    current: ArcSwapOption<Snapshot>,
    applying: tokio::sync::Mutex<()>,
    /// Changes this process committed itself, by the commit that made them.
    own: Mutex<BTreeMap<Seq, OwnChanges>>,
    /// Writers hold it shared; one that keeps losing races takes it alone.
    pub(crate) writers: tokio::sync::RwLock<()>,
    next_id: AtomicU64,
    /// Tick of the last use.
    pub(crate) used: AtomicU64,
}

impl View {
    pub(crate) fn new(store: Arc<dyn RecordStore>, bot: BotId, table: &TableId) -> Self {
        Self {
            store,
            bot,
            coll: record::rows_of(table),
            current: ArcSwapOption::empty(),
            applying: tokio::sync::Mutex::new(()),
            own: Mutex::new(BTreeMap::new()),
            writers: tokio::sync::RwLock::new(()),
            next_id: AtomicU64::new(1),
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.current.load().as_ref().map_or(0, |snapshot| snapshot.heap_bytes())
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.current.load().is_some()
    }

    /// Drops the snapshot; the next reader loads it again.
    pub(crate) fn evict(&self) {
        self.current.store(None);
        self.own.lock().clear();
    }

    /// The rows as the store has them now, with `key` indexed.
    pub(crate) async fn snapshot(&self, key: Option<ColumnId>) -> Result<Arc<Snapshot>, Error> {
        let head = self.store.head(&self.bot, &self.coll).await?;
        self.next_id.fetch_max(head.next_id, Ordering::Relaxed);
        self.at_least(head.seq, key).await
    }

    /// Reserves `count` consecutive row ids and answers the first.
    pub(crate) fn allocate(&self, count: usize) -> u64 {
        self.next_id.fetch_add(count as u64, Ordering::Relaxed)
    }

    /// As [`View::allocate`], sure to be above every id the store gave out.
    pub(crate) async fn allocate_fresh(&self, count: usize) -> Result<u64, Error> {
        let head = self.store.head(&self.bot, &self.coll).await?;
        self.next_id.fetch_max(head.next_id, Ordering::Relaxed);
        Ok(self.allocate(count))
    }

    /// Takes over the changes of a commit of our own, so they need not be read back.
    pub(crate) fn offer(&self, seq: Seq, changes: impl Into<OwnChanges>) {
        let changes = changes.into();
        let mut own = self.own.lock();
        // Nobody would fetch what a snapshot holds already, or what the next load will read.
        if self.current.load().as_ref().is_some_and(|current| current.seq < seq) {
            own.insert(seq, changes);
        }
    }

    /// Keeps a loaded snapshot level with a commit of our own; an unloaded one stays so. Without
    /// `changes` they are read back: the view may have been loaded since the commit was drafted.
    pub(crate) async fn follow(
        &self,
        seq: Seq,
        changes: Option<Vec<RowChange>>,
        key: Option<ColumnId>,
    ) -> Result<(), Error> {
        if self.is_loaded() {
            if let Some(changes) = changes {
                self.offer(seq, changes);
            }
            self.at_least(seq, key).await?;
        }
        Ok(())
    }

    /// A snapshot that holds every change up to `seq`, with `key` indexed.
    pub(crate) async fn at_least(&self, seq: Seq, key: Option<ColumnId>) -> Result<Arc<Snapshot>, Error> {
        let fits = |snapshot: &Arc<Snapshot>| snapshot.seq >= seq && snapshot.key_column() == key;
        if let Some(snapshot) = self.current.load_full().filter(fits) {
            return Ok(snapshot);
        }
        let _one_at_a_time = self.applying.lock().await;
        let mut snapshot = match self.current.load_full() {
            Some(snapshot) => snapshot,
            None => self.load().await?,
        };
        if snapshot.key_column() != key {
            let before = Arc::clone(&snapshot);
            snapshot = heavy(snapshot.rows, move || before.with_key(key)).await?;
        }
        while snapshot.seq < seq {
            let before = snapshot.seq;
            snapshot = self.advance(snapshot, key).await?;
            if snapshot.seq <= before {
                // The collection began anew (its bot was dropped): there is nothing to wait for.
                break;
            }
        }
        self.current.store(Some(Arc::clone(&snapshot)));
        let mut own = self.own.lock();
        *own = own.split_off(&(snapshot.seq + 1));
        drop(own);
        Ok(snapshot)
    }

    async fn advance(&self, snapshot: Arc<Snapshot>, key: Option<ColumnId>) -> Result<Arc<Snapshot>, Error> {
        let mut changes = Decoded::default();
        let mut upto = snapshot.seq;
        {
            let mut own = self.own.lock();
            *own = own.split_off(&(upto + 1));
            let only = own.len() == 1;
            while let Some(next) = own.remove(&(upto + 1)) {
                if let Some((before, after)) = next.ahead
                    && only
                    && Arc::ptr_eq(&before, &snapshot)
                {
                    return Ok(after);
                }
                upto += 1;
                changes.rows.extend(next.rows.into_iter().map(|(id, row)| (id, upto, row)));
            }
        }
        if upto == snapshot.seq {
            match self.store.changes(&self.bot, &self.coll, upto, PAGE).await? {
                Changes::Page { changes: page, upto: to, .. } => {
                    changes = decode(page)?;
                    upto = to;
                }
                Changes::TooOld => {
                    let fresh = self.load().await?;
                    return Ok(Arc::new(fresh.with_key(key)));
                }
            }
        }
        heavy(changes.weight(), move || changes.apply(&snapshot, upto)).await
    }

    /// Reads all rows.
    async fn load(&self) -> Result<Arc<Snapshot>, Error> {
        for _ in 0..MAX_RELOADS {
            let head = self.store.head(&self.bot, &self.coll).await?;
            self.next_id.fetch_max(head.next_id, Ordering::Relaxed);
            // Read before the rows: whatever is public by then has all its rows in the scan.
            let batches = self.store.get(&self.bot, &self.coll, &[record::BATCHES_KEY.to_vec()]).await?;
            let batches = batches.into_iter().flatten().next();
            let batches = batches.map(|record| Batches::decode(&record.value)).transpose()?;
            let removals = removal::removals(self.store.as_ref(), &self.bot, &self.coll).await?;
            let mut snapshot = Snapshot::load(head.seq, batches.unwrap_or_default(), Arc::new(removals));
            let mut after: Option<Vec<u8>> = None;
            loop {
                let page = self.store.scan(&self.bot, &self.coll, ROW_PREFIX, after.as_deref(), PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                let full = page.len() == PAGE;
                snapshot = tokio::task::spawn_blocking(move || {
                    let mut rows = Vec::with_capacity(page.len());
                    for record in &page {
                        let Some(id) = record::parse_row_key(&record.key) else { continue };
                        rows.push((record.seq, Arc::new(StoredRow::decode(id, &record.value)?)));
                    }
                    snapshot.extend(rows);
                    Ok::<_, Error>(snapshot)
                })
                .await??;
                if !full {
                    break;
                }
            }
            // The scan may have seen commits after `head`: replaying everything since then makes the
            // state consistent again, since each change names a key's newest version.
            if let Some(snapshot) = self.replay(Arc::new(snapshot)).await? {
                return Ok(snapshot);
            }
        }
        Err(Error::Busy(self.coll.as_str().to_owned()))
    }

    async fn replay(&self, mut snapshot: Arc<Snapshot>) -> Result<Option<Arc<Snapshot>>, Error> {
        loop {
            match self.store.changes(&self.bot, &self.coll, snapshot.seq, PAGE).await? {
                Changes::TooOld => return Ok(None),
                Changes::Page { changes, upto, more } => {
                    let changes = decode(changes)?;
                    snapshot = heavy(changes.weight(), move || changes.apply(&snapshot, upto)).await?;
                    if !more {
                        return Ok(Some(snapshot));
                    }
                }
            }
        }
    }
}

/// What a page of changes says.
#[derive(Default)]
struct Decoded {
    rows: Vec<(u32, Seq, Option<Arc<StoredRow>>)>,
    batches: Option<Batches>,
    removals: Vec<(Key, Option<Arc<Removal>>)>,
}

impl Decoded {
    /// About how many rows it touches.
    fn weight(&self) -> usize {
        let removed = self.removals.iter().flat_map(|(_, removal)| removal).map(|removal| removal.ids.len());
        removed.fold(self.rows.len(), |sum, rows| {
            sum.saturating_add(usize::try_from(rows).unwrap_or(usize::MAX))
        })
    }

    fn apply(self, snapshot: &Snapshot, upto: Seq) -> Snapshot {
        let mut next = snapshot.apply(self.rows, upto);
        if let Some(batches) = self.batches {
            next = next.with_batches(batches);
        }
        if !self.removals.is_empty() {
            next = next.with_removals(self.removals);
        }
        next
    }
}

fn decode(changes: Vec<Change>) -> Result<Decoded, Error> {
    let rows = Vec::with_capacity(changes.len());
    let mut decoded = Decoded { rows, ..Decoded::default() };
    for change in changes {
        if change.key == record::BATCHES_KEY {
            decoded.batches = Some(match &change.value {
                Some(bytes) => Batches::decode(bytes)?,
                None => Batches::default(),
            });
        }
        if change.key.starts_with(REMOVALS_PREFIX) {
            let removal = change.value.as_ref().map(|bytes| Removal::decode(bytes)).transpose()?;
            decoded.removals.push((change.key, removal.map(Arc::new)));
            continue;
        }
        let Some(id) = record::parse_row_key(&change.key) else { continue };
        let row = change.value.map(|bytes| StoredRow::decode(id, &bytes)).transpose()?;
        decoded.rows.push((id, change.seq, row.map(Arc::new)));
    }
    Ok(decoded)
}

async fn heavy(
    rows: usize,
    work: impl FnOnce() -> Snapshot + Send + 'static,
) -> Result<Arc<Snapshot>, Error> {
    let snapshot = if rows <= INLINE_ROWS { work() } else { tokio::task::spawn_blocking(work).await? };
    Ok(Arc::new(snapshot))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn changes_nobody_will_fetch_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = quarry_store::open(folder.path(), &quarry_store::StoreOptions::default()).unwrap().store;
        let bot = BotId::parse("bot_1").unwrap();
        let view = View::new(store, bot, &TableId::parse("table_1").unwrap());
        let kept = || view.own.lock().len();
        view.offer(1, Vec::new());
        assert_eq!(kept(), 0, "the next load reads it");
        view.snapshot(None).await.unwrap();
        view.offer(1, Vec::new());
        view.offer(2, Vec::new());
        assert_eq!(view.at_least(1, None).await.unwrap().seq, 2);
        view.offer(2, Vec::new());
        assert_eq!(kept(), 0, "the snapshot has it");
        view.offer(4, Vec::new());
        assert_eq!(kept(), 1);
        view.evict();
        assert_eq!(kept(), 0);
    }
}
