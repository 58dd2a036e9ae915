//! What search and listings read of one bot: an immutable snapshot, swapped whole.
//!
//! Owns the order in which a commit becomes visible: records are read in one consistent cut, the
//! lexical and vector indexes are brought to it, then one pointer swap shows all of it. So a reader
//! sees a file's old generation or its new one, never a mixture.

use crate::allowed::Allowed;
use crate::places::{Generation, Place, Places};
use crate::records::{self, KbKey, PassageRecord, TextHash};
use crate::vectors::{TextVectors, VectorForm};
use crate::{Base, Error, File};
use arc_swap::ArcSwap;
use imbl::{HashMap, OrdMap, OrdSet};
use quarry_embed::Embedder;
use quarry_index::{
    HnswIndex, LexDoc, LexSnapshot, LexicalIndex, VectorIndex, VectorOptions, VectorSet, VectorSnapshot,
    Wording,
};
use quarry_store::{Change, Changes, Coll, RecordStore, Seq};
use quarry_types::{BotId, FileId, Timestamp, unhex};
use roaring::RoaringBitmap;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most records read at a time.
const PAGE: usize = 4096;
/// Views opened so far.
static VIEWS: AtomicU64 = AtomicU64::new(0);
/// One graph build at a time over all bots: each keeps a core busy for minutes.
static BUILDS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

/// A file with the version of its record, for preconditions.
#[derive(Debug)]
pub(crate) struct FileEntry {
    pub(crate) file: Arc<File>,
    /// As search finds and shows it.
    pub(crate) found: Arc<File>,
    pub(crate) seq: Seq,
}

impl FileEntry {
    fn new(file: File, seq: Seq) -> Self {
        let file = Arc::new(file);
        Self { found: file.found(), file, seq }
    }

    /// When something of it is over.
    fn next_end(&self) -> Option<Timestamp> {
        let upload = self.file.awaits_upload().then(|| self.file.upload_ends_at());
        [self.found.expires_at, upload].into_iter().flatten().min()
    }
}

/// A consistent cut of one bot's knowledge.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) seq: Seq,
    pub(crate) files: OrdMap<FileId, Arc<FileEntry>>,
    /// The files of which something ends, by when.
    ending: OrdSet<(Timestamp, FileId)>,
    pub(crate) keys: HashMap<String, FileId>,
    pub(crate) bases: OrdMap<String, (Arc<Base>, Seq)>,
    pub(crate) places: Places,
    /// Ordinals of each generation by position.
    pub(crate) generations: OrdMap<Arc<Generation>, OrdMap<u32, u32>>,
    /// Bytes of the codes of all passages' tokens.
    pub(crate) token_bytes: usize,
    /// How many passages use a vector.
    pub(crate) vector_uses: HashMap<TextHash, u32>,
    pub(crate) lexical: Arc<LexSnapshot>,
    pub(crate) vectors: Arc<VectorSnapshot>,
    /// Of these files and places: another snapshot has another one.
    pub(crate) allowed: Arc<Allowed>,
}

impl Snapshot {
    /// A file by id or by key.
    pub(crate) fn find(&self, id_or_key: &str) -> Option<&Arc<FileEntry>> {
        let by_id = FileId::parse(id_or_key).ok().and_then(|id| self.files.get(&id));
        by_id.or_else(|| self.files.get(self.keys.get(id_or_key)?))
    }

    /// Whether something of a file is past its time and only waits to be ended.
    pub(crate) fn holds_expired(&self, now: Timestamp) -> bool {
        self.ending.get_min().is_some_and(|(moment, _)| *moment <= now)
    }

    /// The files of which something is past its time.
    pub(crate) fn over(&self, now: Timestamp) -> Vec<FileId> {
        self.ending.iter().take_while(|(moment, _)| *moment <= now).map(|(_, id)| id.clone()).collect()
    }

    /// The passages of the files that `wanted` lets through as they are found.
    pub(crate) fn ordinals(&self, wanted: impl Fn(&File) -> bool) -> RoaringBitmap {
        let mut allowed = RoaringBitmap::new();
        for (generation, ordinals) in &self.generations {
            let passes = self.files.get(&generation.file).is_some_and(|entry| wanted(&entry.found));
            if !passes {
                continue;
            }
            // A generation is numbered in one go, by position: nearly always the ends tell all of it.
            let (first, last) =
                (ordinals.get_min().map(|(_, id)| *id), ordinals.get_max().map(|(_, id)| *id));
            match (first, last) {
                (Some(first), Some(last)) if spans(first, last, ordinals.len()) => {
                    allowed.insert_range(first..=last);
                }
                _ => allowed.extend(ordinals.values().copied()),
            }
        }
        allowed
    }

    /// Rough size in memory.
    pub(crate) fn heap_bytes(&self) -> usize {
        // Measured order of magnitude: files carry tags and metadata, passages their words (four bytes each) with a
        // sketch of them and what other maps hold of each.
        self.files.len() * 1_200
            + self.places.len() * 570
            + self.places.page_bytes()
            + self.token_bytes
            + self.allowed.heap_bytes()
            + self.vectors.heap_bytes()
            + self.lexical.heap_bytes()
    }
}

fn spans(first: u32, last: u32, count: usize) -> bool {
    last.checked_sub(first).is_some_and(|steps| u64::from(steps) + 1 == count as u64)
}

/// One bot's view.
pub(crate) struct View {
    /// No other view of this process has it.
    number: u64,
    bot: BotId,
    current: ArcSwap<Snapshot>,
    applying: tokio::sync::Mutex<()>,
    indexes: Arc<Indexes>,
    vectors: VectorForm,
    /// Where the vector graph is saved.
    graph: PathBuf,
}

/// The indexes of one bot; written only while `applying` is held.
struct Indexes {
    lexical: LexicalIndex,
    dense: VectorSet,
    /// One graph build at a time.
    building: AtomicBool,
}

impl View {
    /// Builds the view from the store; `dir` keeps the lexical index and the vector graph from last time.
    pub(crate) async fn open(
        store: &Arc<dyn RecordStore>,
        bot: &BotId,
        dir: &Path,
        embedder: &dyn Embedder,
        options: VectorOptions,
    ) -> Result<Self, Error> {
        let (words, graph) = (dir.join("lex"), dir.join("graph"));
        let lexical = tokio::task::spawn_blocking(move || LexicalIndex::open(&words)).await??;
        let dense = VectorSet::new(embedder.dims(), options);
        let indexes = Arc::new(Indexes { lexical, dense, building: AtomicBool::new(false) });
        let view = Self {
            number: VIEWS.fetch_add(1, Ordering::Relaxed),
            bot: bot.clone(),
            current: ArcSwap::from_pointee(indexes.blank()),
            applying: tokio::sync::Mutex::new(()),
            indexes,
            vectors: VectorForm::of(embedder),
            graph,
        };
        view.load(store.as_ref()).await?;
        view.load_graph().await?;
        Ok(view)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Tells it from the other views of this process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn bot(&self) -> &BotId {
        &self.bot
    }

    /// Where the vectors of its texts are stored.
    pub(crate) fn vectors(&self) -> &Coll {
        &self.vectors.coll
    }

    /// How they are stored.
    pub(crate) fn vector_form(&self) -> &VectorForm {
        &self.vectors
    }

    /// Returns once the snapshot shows commit `seq`.
    pub(crate) async fn refresh(&self, store: &dyn RecordStore, seq: Seq) -> Result<Arc<Snapshot>, Error> {
        loop {
            let before = self.snapshot();
            if before.seq >= seq {
                return Ok(before);
            }
            let _applying = self.applying.lock().await;
            let before = self.snapshot();
            if before.seq >= seq {
                return Ok(before);
            }
            match store.changes(&self.bot, &records::kb(), before.seq, PAGE).await? {
                Changes::Page { changes, upto, .. } => {
                    self.advance(store, &before, changes, upto).await?;
                    if upto <= before.seq {
                        return Err(Error::Internal(format!("commit {seq} is not in the change log")));
                    }
                }
                Changes::TooOld => self.load(store).await?,
            }
        }
    }

    /// Brings the snapshot to the newest commit.
    pub(crate) async fn refresh_to_head(&self, store: &dyn RecordStore) -> Result<Arc<Snapshot>, Error> {
        let head = store.head(&self.bot, &records::kb()).await?;
        self.refresh(store, head.seq).await
    }

    /// Reads everything: at the first use, or when the change log is gone.
    async fn load(&self, store: &dyn RecordStore) -> Result<(), Error> {
        // The scan may run while commits go on; reading the log from before it makes up for that.
        let start = store.head(&self.bot, &records::kb()).await?.seq;
        let mut after: Option<Vec<u8>> = None;
        let mut changes = Vec::new();
        loop {
            let page = store.scan(&self.bot, &records::kb(), b"", after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            changes.extend(page.into_iter().map(|r| Change { key: r.key, seq: r.seq, value: Some(r.value) }));
        }
        self.advance(store, &self.indexes.blank(), changes, start).await
    }

    async fn advance(
        &self,
        store: &dyn RecordStore,
        before: &Snapshot,
        changes: Vec<Change>,
        upto: Seq,
    ) -> Result<(), Error> {
        let mut next = before.clone();
        next.seq = upto;
        next.allowed = Arc::default();
        let mut moves = Moves::default();
        for change in changes {
            next.apply(change, &mut moves)?;
        }
        // One page of changes may both add and remove a passage.
        moves.added.retain(|(record, _)| next.places.contains(record.ordinal));
        let whole = before.seq == 0;
        if !moves.is_empty() || whole {
            let hashes: Vec<_> = moves.added.iter().map(|(_, hash)| *hash).collect();
            let found = self.vectors.fetch(store, &self.bot, &hashes).await?;
            let indexes = self.indexes.clone();
            next =
                tokio::task::spawn_blocking(move || indexes.advance(next, &moves, &found, whole)).await??;
        }
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Starts building a graph on a thread of its own when the vectors have outgrown the exact scan;
    /// searches stay exact until it is there. `then` is called after each that was built.
    pub(crate) fn build_graph_if_due(self: &Arc<Self>, then: impl Fn() + Send + 'static) {
        if self.indexes.dense.graph_due().is_none() || self.indexes.building.swap(true, Ordering::AcqRel) {
            return;
        }
        // A view that waits for its turn may be dropped meanwhile.
        let waiting = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Ok(_turn) = BUILDS.acquire().await else { return };
                let Some(view) = waiting.upgrade() else { return };
                let built = view.build_graph().await;
                let Indexes { dense, building, .. } = view.indexes.as_ref();
                building.store(false, Ordering::Release);
                // What came meanwhile may be enough for another, and nothing may come to ask for it.
                let again = built && dense.graph_due().is_some() && !building.swap(true, Ordering::AcqRel);
                drop(view);
                if built {
                    then();
                }
                if !again {
                    return;
                }
            }
        });
    }

    #[cfg(test)]
    pub(crate) fn is_graph_due(&self) -> bool {
        self.indexes.dense.graph_due().is_some()
    }

    /// Whether a graph is being built or waits for its turn.
    pub(crate) fn is_building_graph(&self) -> bool {
        self.indexes.building.load(Ordering::Acquire)
    }

    /// Uses the graph of last time where it fits the vectors of now.
    async fn load_graph(&self) -> Result<(), Error> {
        if self.indexes.dense.graph_due().is_none() {
            return Ok(());
        }
        let (indexes, path) = (self.indexes.clone(), self.graph.clone());
        let load = move || match HnswIndex::load(&path, indexes.dense.dims()) {
            Ok(graph) => indexes.dense.install_saved(graph),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "saved vector graph not used; building it again");
                false
            }
        };
        if tokio::task::spawn_blocking(load).await? {
            self.show_vectors();
        }
        Ok(())
    }

    /// Shows a new graph. Call while nothing is applied.
    fn show_vectors(&self) {
        let mut next = Snapshot::clone(&self.snapshot());
        next.vectors = self.indexes.dense.snapshot();
        self.current.store(Arc::new(next));
    }

    async fn build_graph(&self) -> bool {
        let Some(build) = self.indexes.dense.graph_due() else { return false };
        let not_built = |error: &dyn std::fmt::Display| {
            tracing::error!(bot = %self.bot, %error, "vector graph not built; searches stay exact");
        };
        let path = self.graph.clone();
        let built = tokio::task::spawn_blocking(move || {
            let graph = build.run(&|| false)?;
            if let Err(error) = graph.save(&path) {
                tracing::warn!(path = %path.display(), %error, "vector graph not saved; the next start builds it again");
            }
            Ok::<_, quarry_index::Error>(graph)
        });
        match built.await {
            Ok(Ok(graph)) => {
                let _applying = self.applying.lock().await;
                self.indexes.dense.install(graph);
                self.show_vectors();
                tracing::info!(bot = %self.bot, "vector graph built");
                return true;
            }
            Ok(Err(error)) => not_built(&error),
            Err(error) => not_built(&error),
        }
        false
    }
}

/// What the indexes must take in.
#[derive(Default)]
struct Moves {
    added: Vec<(PassageRecord, TextHash)>,
    removed: Vec<u32>,
}

impl Moves {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Indexes {
    /// A snapshot without records, over the indexes as they are.
    fn blank(&self) -> Snapshot {
        Snapshot {
            seq: 0,
            files: OrdMap::new(),
            ending: OrdSet::new(),
            keys: HashMap::new(),
            bases: OrdMap::new(),
            places: Places::default(),
            generations: OrdMap::new(),
            token_bytes: 0,
            vector_uses: HashMap::new(),
            lexical: self.lexical.snapshot(),
            vectors: self.dense.snapshot(),
            allowed: Arc::default(),
        }
    }

    /// Brings both indexes to the passages of `next`. Ordinals are never reused and a passage never
    /// changes, so after a whole reading the sets of ids alone tell what an index kept from before
    /// lacks or has too many.
    fn advance(
        &self,
        mut next: Snapshot,
        moves: &Moves,
        found: &[Option<TextVectors>],
        whole: bool,
    ) -> Result<Snapshot, Error> {
        let live: RoaringBitmap = match whole {
            true => moves.added.iter().map(|(record, _)| record.ordinal).collect(),
            false => RoaringBitmap::new(),
        };
        let kept_vectors = self.dense.snapshot();
        let mut dense = Vec::with_capacity(moves.added.len());
        for ((record, _), text) in moves.added.iter().zip(found) {
            match text {
                Some(_) if kept_vectors.contains(record.ordinal) => {}
                Some(text) => dense.push((record.ordinal, text.vector.as_slice())),
                None => {
                    tracing::error!(ordinal = record.ordinal, "a passage has no vector; found by words only")
                }
            }
        }
        let stale = if whole { kept_vectors.ids() - &live } else { moves.removed.iter().copied().collect() };
        self.dense.apply(&dense, &stale.iter().collect::<Vec<_>>())?;
        next.vectors = self.dense.snapshot();

        let kept_words = if whole { self.lexical.snapshot().items() } else { RoaringBitmap::new() };
        let stale = if whole { &kept_words - &live } else { stale };
        let path = |record: &PassageRecord| record.passage.heading_path.join(" > ");
        let words: Vec<(String, Cow<'_, str>)> =
            moves.added.iter().map(|(record, _)| (path(record), record.passage.shown())).collect();
        for (((record, _), (title, shown)), text) in moves.added.iter().zip(&words).zip(found) {
            if let Some(place) = next.places.get_mut(record.ordinal) {
                place.wording = Wording::of(title, shown);
                place.tokens = text.as_ref().and_then(|text| text.tokens.clone());
                next.token_bytes += place.token_bytes();
            }
        }
        let mut adds = moves
            .added
            .iter()
            .zip(&words)
            .filter(|((record, _), _)| !kept_words.contains(record.ordinal))
            .map(|((record, _), (title, body))| LexDoc { id: record.ordinal, title, body })
            .peekable();
        if adds.peek().is_some() || !stale.is_empty() {
            self.lexical.apply(&mut adds, &stale.iter().collect::<Vec<_>>(), next.seq)?;
        }
        next.lexical = self.lexical.snapshot();
        Ok(next)
    }
}

impl Snapshot {
    fn apply(&mut self, change: Change, moves: &mut Moves) -> Result<(), Error> {
        match (KbKey::parse(&change.key), change.value) {
            (Some(KbKey::File(_)), Some(value)) => {
                let file: File = records::decode(&value)?;
                self.keys.insert(file.key.clone(), file.id.clone());
                let id = file.id.clone();
                let entry = Arc::new(FileEntry::new(file, change.seq));
                let end = entry.next_end();
                if let Some(before) = self.files.insert(id.clone(), entry) {
                    self.forget_end(&before);
                }
                if let Some(moment) = end {
                    self.ending.insert((moment, id));
                }
            }
            (Some(KbKey::File(id)), None) => {
                if let Some(entry) = self.files.remove(&id) {
                    self.forget_end(&entry);
                    if self.keys.get(&entry.file.key) == Some(&id) {
                        self.keys.remove(&entry.file.key);
                    }
                }
            }
            (Some(KbKey::Base(id)), Some(value)) => {
                self.bases.insert(id, (Arc::new(records::decode::<Base>(&value)?), change.seq));
            }
            (Some(KbKey::Base(id)), None) => {
                self.bases.remove(&id);
            }
            (Some(KbKey::Passage { file, generation, .. }), Some(value)) => {
                let record: PassageRecord = records::decode(&value)?;
                // A passage never changes: one that a scan has already shown is the same.
                if !self.places.contains(record.ordinal) {
                    self.place(file, generation, record, moves)?;
                }
            }
            (Some(KbKey::Passage { file, generation, position }), None) => {
                self.unplace(&file, generation, position, moves);
            }
            (Some(KbKey::Unique), _) => {}
            (None, _) => return Err(Error::Corrupt("a record key of an unknown form".into())),
        }
        Ok(())
    }

    fn forget_end(&mut self, entry: &FileEntry) {
        if let Some(moment) = entry.next_end() {
            self.ending.remove(&(moment, entry.file.id.clone()));
        }
    }

    fn place(
        &mut self,
        file: FileId,
        number: u32,
        record: PassageRecord,
        moves: &mut Moves,
    ) -> Result<(), Error> {
        let hash = vector_hash(&record)?;
        let generation = Arc::new(Generation { file, number });
        let generation = match self.generations.get_key_value(&generation) {
            Some((known, _)) => known.clone(),
            None => generation,
        };
        let position = record.passage.position;
        self.generations.entry(generation.clone()).or_default().insert(position, record.ordinal);
        // Both are read off the async threads, by `Indexes::advance`.
        let (wording, tokens) = (Wording::default(), None);
        self.places.insert(record.ordinal, Place { generation, position, hash, wording, tokens });
        *self.vector_uses.entry(hash).or_insert(0) += 1;
        moves.added.push((record, hash));
        Ok(())
    }

    fn unplace(&mut self, file: &FileId, number: u32, position: u32, moves: &mut Moves) {
        let generation = Arc::new(Generation { file: file.clone(), number });
        let Some(ordinals) = self.generations.get_mut(&generation) else { return };
        let Some(ordinal) = ordinals.remove(&position) else { return };
        if ordinals.is_empty() {
            self.generations.remove(&generation);
        }
        if let Some(place) = self.places.remove(ordinal) {
            self.token_bytes = self.token_bytes.saturating_sub(place.token_bytes());
            let uses = self.vector_uses.get(&place.hash).copied().unwrap_or(0);
            if uses > 1 {
                self.vector_uses.insert(place.hash, uses - 1);
            } else {
                self.vector_uses.remove(&place.hash);
            }
        }
        moves.removed.push(ordinal);
    }
}

/// The hash a passage names its vector by.
fn vector_hash(record: &PassageRecord) -> Result<TextHash, Error> {
    let hash = unhex(&record.vector).and_then(|bytes| TextHash::try_from(bytes).ok());
    hash.ok_or_else(|| Error::Corrupt(format!("passage {} names no vector by its hash", record.ordinal)))
}
