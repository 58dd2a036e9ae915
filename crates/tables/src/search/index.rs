//! The index of one table: words and vectors of its rows, following the row collection.
//!
//! A view: built from the rows and the stored vectors, it may be dropped at any time. What readers see
//! is an [`IndexSnapshot`], swapped whole. Invariant: a row is in `hidden` from the moment its change
//! is known until both indexes hold its new text, so no search sees an older version of it.

use super::extras::Extras;
use super::text::{Layout, TextHash, text_hash};
use super::tracker::{Excuse, Tracker};
use super::vectors::{RowVectors, Tally};
use crate::Error;
use crate::record::{self, ROW_PREFIX, StoredRow};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quarry_embed::Embedder;
use quarry_index::{LexSnapshot, LexicalIndex, VectorIndex, VectorOptions, VectorSet, VectorSnapshot};
use quarry_store::{Changes, Coll, Record, RecordStore, Seq};
use quarry_types::{BotId, TableId};
use roaring::RoaringBitmap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most records read at a time.
const PAGE: usize = 4_096;
const MAX_LOADS: usize = 3;

/// What a search reads.
pub(crate) struct IndexSnapshot {
    /// Row changes up to here are reflected: rows whose text changed are hidden or indexed.
    pub(crate) seq: Seq,
    /// Rows that the indexes may hold but no search may return.
    pub(crate) hidden: RoaringBitmap,
    /// Rows with searchable text that cannot be found yet.
    pub(crate) waiting: RoaringBitmap,
    /// Rows found by words only, for want of vector quota.
    pub(crate) over_quota: u64,
    pub(crate) lexical: Arc<LexSnapshot>,
    pub(crate) vectors: Arc<VectorSnapshot>,
    pub(crate) extras: Extras,
}

/// What the indexer alone uses.
pub(super) struct Work {
    /// The last commit of the vector collection that this index has applied.
    pub(super) vectors_seq: Seq,
    pub(super) tally: Tally,
    /// Passages to embed at a time.
    pub(super) batch: usize,
    /// Room there was in the quota when it was too little.
    pub(super) tight_room: Option<u64>,
    /// Vectors of other models are gone.
    pub(super) alone: bool,
}

pub(crate) struct Index {
    pub(super) store: Arc<dyn RecordStore>,
    pub(super) bot: BotId,
    pub(super) table: TableId,
    pub(super) layout: Layout,
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) rows: Coll,
    pub(super) vectors: Coll,
    pub(super) lexical: LexicalIndex,
    pub(super) dense: VectorSet,
    pub(super) extras: Mutex<Extras>,
    pub(super) tracker: tokio::sync::Mutex<Tracker>,
    /// Held while records or indexes are written.
    pub(super) work: tokio::sync::Mutex<Work>,
    current: ArcSwap<IndexSnapshot>,
    heap_bytes: AtomicUsize,
    /// The folder of the lexical index when it is not to be kept.
    _temporary: Option<tempfile::TempDir>,
}

/// What an index is of.
pub(super) struct Source {
    pub(super) store: Arc<dyn RecordStore>,
    pub(super) bot: BotId,
    pub(super) table: TableId,
    pub(super) layout: Layout,
    pub(super) embedder: Arc<dyn Embedder>,
    /// Where the lexical index is kept; `None` = nowhere.
    pub(super) folder: Option<PathBuf>,
}

/// A row's searched text.
pub(super) struct RowText {
    pub(super) id: u32,
    pub(super) hash: TextHash,
    pub(super) text: String,
}

impl Index {
    /// Builds the index from what is stored; rows that are not in it yet are left to the indexer.
    pub(super) async fn open(source: Source) -> Result<Self, Error> {
        let Source { store, bot, table, layout, embedder, folder } = source;
        let (lexical, temporary) = tokio::task::spawn_blocking(move || lexical(folder)).await??;
        let dense = VectorSet::new(embedder.dims(), VectorOptions::default());
        let blank = IndexSnapshot {
            seq: 0,
            hidden: RoaringBitmap::new(),
            waiting: RoaringBitmap::new(),
            over_quota: 0,
            lexical: lexical.snapshot(),
            vectors: dense.snapshot(),
            extras: Extras::default(),
        };
        let index = Self {
            rows: record::rows_of(&table),
            vectors: record::vectors_of(&table, embedder.fingerprint()),
            store,
            bot,
            table,
            layout,
            embedder,
            lexical,
            dense,
            extras: Mutex::default(),
            tracker: tokio::sync::Mutex::default(),
            work: tokio::sync::Mutex::new(Work {
                vectors_seq: 0,
                tally: Tally::default(),
                batch: 16,
                tight_room: None,
                alone: false,
            }),
            current: ArcSwap::from_pointee(blank),
            heap_bytes: AtomicUsize::new(0),
            _temporary: temporary,
        };
        index.load().await?;
        Ok(index)
    }

    async fn load(&self) -> Result<(), Error> {
        let mut tracker = self.tracker.lock().await;
        self.load_vectors(&mut tracker).await?;
        self.read_all(&mut tracker).await?;
        // A watermark from the future is of another history: nothing in the folder can be trusted.
        let watermark = self.lexical.watermark();
        let trusted = watermark <= tracker.seq;
        let words = self.lexical.snapshot().items();
        for id in words {
            let row = tracker.state(id);
            let current = trusted && row.text != 0 && row.seq <= watermark;
            tracker.words_are(id, if current { row.text } else { !row.text });
        }
        let tally = self.work.lock().await.tally;
        if tally.is_settled(tracker.seq, &self.layout) {
            // What was settled without vectors found no room for them.
            for id in tracker.next_vectors(usize::MAX) {
                tracker.excuse(id, Excuse::Quota);
            }
        }
        self.publish(&tracker);
        Ok(())
    }

    async fn load_vectors(&self, tracker: &mut Tracker) -> Result<(), Error> {
        let mut work = self.work.lock().await;
        for _ in 0..MAX_LOADS {
            let head = self.store.head(&self.bot, &self.vectors).await?;
            let mut after: Option<Vec<u8>> = None;
            loop {
                let page =
                    self.store.scan(&self.bot, &self.vectors, ROW_PREFIX, after.as_deref(), PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                self.load_page(tracker, &page)?;
            }
            work.tally = Tally::read(self.store.as_ref(), &self.bot, &self.vectors).await?;
            work.vectors_seq = head.seq;
            // Someone else writes vectors of this table: read again.
            if self.store.head(&self.bot, &self.vectors).await?.seq == head.seq {
                return Ok(());
            }
            for id in tracker.ids() {
                tracker.vectors_are(id, 0, 0);
                self.dense.apply(&[], &self.extras.lock().release(id))?;
            }
        }
        Err(Error::Busy(self.table.to_string()))
    }

    fn load_page(&self, tracker: &mut Tracker, page: &[Record]) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(page.len());
        for record in page {
            let Some(id) = record::parse_row_key(&record.key) else { continue };
            match RowVectors::decode(&record.value, self.embedder.dims()) {
                Some(row) => rows.push((id, row)),
                None => {
                    tracing::error!(bot = %self.bot, table = %self.table, row = id, "damaged vectors; made anew");
                    let count = super::vectors::header(&record.value).map_or(0, |(_, count)| count);
                    tracker.vectors_are(id, u64::MAX, count);
                }
            }
        }
        for (id, row) in &rows {
            tracker.vectors_are(*id, row.text, u32::try_from(row.vectors.len()).unwrap_or(u32::MAX));
        }
        self.take_vectors(&rows, &[])
    }

    /// Puts rows' vectors into the dense index in place of those there are, and takes others out.
    pub(super) fn take_vectors(&self, rows: &[(u32, RowVectors)], gone: &[u32]) -> Result<(), Error> {
        let mut extras = self.extras.lock();
        let mut next = extras.clone();
        let changed = rows.iter().map(|(id, _)| id).chain(gone);
        let deletes: Vec<u32> = changed.flat_map(|id| next.release(*id)).collect();
        let mut adds: Vec<(u32, &[f32])> = Vec::new();
        for (id, row) in rows {
            let numbers = next.assign(*id, row.vectors.len());
            let numbers = numbers.ok_or_else(|| Error::Internal("passage numbers are used up".into()))?;
            adds.extend(numbers.into_iter().zip(row.vectors.iter().map(Vec::as_slice)));
        }
        self.dense.apply(&adds, &deletes)?;
        *extras = next;
        Ok(())
    }

    /// Compares all rows with what is known of them.
    async fn read_all(&self, tracker: &mut Tracker) -> Result<(), Error> {
        let head = self.store.head(&self.bot, &self.rows).await?;
        let mut absent: RoaringBitmap = tracker.ids().into_iter().collect();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan(&self.bot, &self.rows, ROW_PREFIX, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let layout = self.layout.clone();
            let changes = page.into_iter().map(|record| (record.key, record.seq, Some(record.value)));
            let changes: Vec<_> = changes.collect();
            for (id, seq, text) in tokio::task::spawn_blocking(move || hashes(&layout, &changes)).await?? {
                absent.remove(id);
                tracker.saw(id, seq, text);
            }
        }
        absent.iter().for_each(|id| tracker.saw(id, head.seq, 0));
        // Rows that changed during the scan are looked at again from here on.
        tracker.seq = head.seq;
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Arc<IndexSnapshot> {
        self.current.load_full()
    }

    /// A snapshot that knows every row change up to `seq`; it does not wait for rows to be indexed.
    pub(crate) async fn at_least(&self, seq: Seq) -> Result<Arc<IndexSnapshot>, Error> {
        let snapshot = self.snapshot();
        if snapshot.seq >= seq {
            return Ok(snapshot);
        }
        let mut tracker = self.tracker.lock().await;
        while tracker.seq < seq {
            match self.store.changes(&self.bot, &self.rows, tracker.seq, PAGE).await? {
                Changes::TooOld => self.read_all(&mut tracker).await?,
                Changes::Page { changes, upto, .. } => {
                    let layout = self.layout.clone();
                    let changes: Vec<_> =
                        changes.into_iter().map(|change| (change.key, change.seq, change.value)).collect();
                    let seen = if changes.len() > 64 {
                        tokio::task::spawn_blocking(move || hashes(&layout, &changes)).await??
                    } else {
                        hashes(&layout, &changes)?
                    };
                    for (id, seq, text) in seen {
                        tracker.saw(id, seq, text);
                    }
                    if upto <= tracker.seq {
                        // The collection began anew: there is nothing to wait for.
                        break;
                    }
                    tracker.seq = upto;
                }
            }
        }
        Ok(self.publish(&tracker))
    }

    /// Shows readers what the tracker knows; its lock keeps publications in order.
    pub(super) fn publish(&self, tracker: &Tracker) -> Arc<IndexSnapshot> {
        let next = Arc::new(IndexSnapshot {
            seq: tracker.seq,
            hidden: tracker.hidden().clone(),
            waiting: tracker.waiting().clone(),
            over_quota: tracker.over_quota(),
            lexical: self.lexical.snapshot(),
            vectors: self.dense.snapshot(),
            extras: self.extras.lock().clone(),
        });
        self.current.store(Arc::clone(&next));
        next
    }

    /// Works out the size again; too dear for every publication.
    pub(super) fn measure(&self, tracker: &Tracker) {
        let snapshot = self.snapshot();
        let bytes = snapshot.vectors.heap_bytes()
            + snapshot.lexical.heap_bytes()
            + snapshot.extras.heap_bytes()
            + tracker.heap_bytes();
        self.heap_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Rough size in memory.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes.load(Ordering::Relaxed)
    }

    /// The texts of some rows as they are now; absent rows have none.
    pub(super) async fn texts(&self, ids: &[u32]) -> Result<Vec<RowText>, Error> {
        let keys: Vec<_> = ids.iter().map(|id| record::row_key(*id)).collect();
        let records = self.store.get(&self.bot, &self.rows, &keys).await?;
        let (layout, ids) = (self.layout.clone(), ids.to_vec());
        let work = move || {
            let mut texts = Vec::with_capacity(ids.len());
            for (id, record) in ids.into_iter().zip(records) {
                let row = record.map(|record| StoredRow::decode(id, &record.value)).transpose()?;
                let text = row.map(|row| layout.text(&row)).unwrap_or_default();
                texts.push(RowText { id, hash: text_hash(&text), text });
            }
            Ok::<_, Error>(texts)
        };
        tokio::task::spawn_blocking(work).await?
    }
}

type Versions = [(quarry_store::Key, Seq, Option<bytes::Bytes>)];

/// The text hash of every row among some records.
fn hashes(layout: &Layout, versions: &Versions) -> Result<Vec<(u32, Seq, TextHash)>, Error> {
    let mut seen = Vec::with_capacity(versions.len());
    for (key, seq, value) in versions {
        let Some(id) = record::parse_row_key(key) else { continue };
        let row = value.as_deref().map(|bytes| StoredRow::decode(id, bytes)).transpose()?;
        seen.push((id, *seq, row.map_or(0, |row| text_hash(&layout.text(&row)))));
    }
    Ok(seen)
}

fn lexical(folder: Option<PathBuf>) -> Result<(LexicalIndex, Option<tempfile::TempDir>), Error> {
    let Some(folder) = folder else {
        let temporary = tempfile::tempdir()
            .map_err(|cause| Error::Internal(format!("no folder for a temporary index: {cause}")))?;
        return Ok((LexicalIndex::open(temporary.path())?, Some(temporary)));
    };
    // What lies beside it is of columns that were searchable once.
    if let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name() != name {
                // It is only in the way of tidiness; what cannot be removed stays.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
    Ok((LexicalIndex::open(&folder)?, None))
}
