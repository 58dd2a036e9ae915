//! The handle the routes hold, and what all operations share.

use crate::ingest::{Publisher, Queue};
use crate::progress::Progress;
use crate::replaced::UPLOAD_MS;
use crate::view::{Snapshot, View};
use crate::views::Views;
use crate::{Error, JobProgress, Recount, SearchTuning, records};
use quarry_embed::EmbedderSlot;
use quarry_extract::Pool;
use quarry_index::VectorOptions;
use quarry_store::{BlobHash, BlobStore, Commit, RecordStore};
use quarry_types::{BotId, FileStatus, Scope};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Attempts at a commit whose preconditions keep failing.
const ATTEMPTS: usize = 32;

/// Told of every file whose indexing ended, and whether it can be searched now; must not block.
pub type OnIndexed = dyn Fn(&BotId, bool) + Send + Sync;

/// What the knowledge base works with; made by `main`.
pub struct KbDeps {
    /// The records.
    pub store: Arc<dyn RecordStore>,
    /// File contents and extracted texts.
    pub blobs: Arc<dyn BlobStore>,
    /// The model.
    pub embedder: EmbedderSlot,
    /// The parsing child processes.
    pub extractor: Pool,
    /// Folder of what is derived of a bot's records: `lex` and `graph` in it are written.
    pub views_dir: Box<dyn Fn(&BotId) -> PathBuf + Send + Sync>,
    /// Told of every file whose indexing ended.
    pub on_indexed: Box<OnIndexed>,
}

/// Limits and sizes.
#[derive(Debug, Clone)]
pub struct KbSettings {
    /// Vectors per bot.
    pub vector_quota: u64,
    /// Bytes of file content per bot.
    pub storage_quota_bytes: u64,
    /// Bytes per file.
    pub max_file_bytes: u64,
    /// Files ingested at once.
    pub ingest_workers: usize,
    /// Longest time an attempt to index one file may take to read, cut and embed it; past it the file fails.
    pub attempt_deadline: Duration,
    /// How long the bytes of an upsert may take to begin to arrive; past it the upload has failed.
    pub upload_time: Duration,
    /// Memory for the views of all bots.
    pub cache_bytes: usize,
    /// Answers less confident than this (0..1) are not given.
    pub answer_threshold: f32,
    /// How searches weigh recall, meaning and time.
    pub search: SearchTuning,
}

impl Default for KbSettings {
    fn default() -> Self {
        Self {
            vector_quota: 100_000,
            storage_quota_bytes: 10_000_000_000,
            max_file_bytes: 100_000_000,
            ingest_workers: 2,
            // The largest file allowed takes a slow machine about half of it.
            attempt_deadline: Duration::from_secs(6 * 3_600),
            upload_time: Duration::from_millis(UPLOAD_MS.unsigned_abs()),
            cache_bytes: 1 << 30,
            answer_threshold: crate::answer::LEAST_CONFIDENCE,
            search: SearchTuning::default(),
        }
    }
}

/// Files and knowledge bases of all bots. Cheap to clone.
#[derive(Clone)]
pub struct Kb {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn RecordStore>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) embedder: EmbedderSlot,
    pub(crate) extractor: Pool,
    pub(crate) on_indexed: Box<OnIndexed>,
    pub(crate) views: Views,
    pub(crate) settings: KbSettings,
    pub(crate) queue: Queue,
    pub(crate) publisher: Publisher,
    pub(crate) progress: Progress,
    /// Vectors of sentences that answers were looked for in.
    pub(crate) sentences: crate::answer::SentenceMemory,
    /// Passages read lately.
    pub(crate) passages: crate::passage_memory::PassageMemory,
    /// One publish, retire or delete of a bot at a time: they decide which vectors are still used.
    pub(crate) publishing: crate::publish::Locks,
    pub(crate) tasks: parking_lot::Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// State of the whole engine.
#[derive(Debug, Clone, Copy)]
pub struct KbStatus {
    /// Files waiting for a worker.
    pub queued_jobs: usize,
    /// Files in work.
    pub running_jobs: usize,
    /// Bots with an open view.
    pub open_bots: usize,
    /// Bytes of those views.
    pub heap_bytes: usize,
    /// Lowest measured recall@10 of their approximate vector searches; 1 while no graph is walked.
    pub vector_recall: f64,
}

/// Counts of one bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BotStats {
    /// Files.
    pub files: usize,
    /// Files that can be found.
    pub indexed_files: usize,
    /// Passages of published generations.
    pub passages: usize,
    /// Knowledge bases.
    pub knowledge_bases: usize,
}

impl Kb {
    /// Opens the knowledge base: jobs left from last time go on, expired files are removed.
    ///
    /// # Errors
    /// When the store does not answer, or a setting is out of range.
    pub async fn open(deps: KbDeps, settings: KbSettings) -> Result<Self, Error> {
        settings.search.check()?;
        let SearchTuning { recall_target, links, .. } = settings.search;
        let vectors = VectorOptions { recall_target, links, ..VectorOptions::default() };
        let options = (settings.cache_bytes, vectors);
        let views = Views::new(deps.store.clone(), deps.embedder.clone(), deps.views_dir, options);
        let inner = Inner {
            store: deps.store,
            blobs: deps.blobs,
            embedder: deps.embedder,
            extractor: deps.extractor,
            on_indexed: deps.on_indexed,
            views,
            settings,
            queue: Queue::default(),
            publisher: Publisher::default(),
            progress: Progress::default(),
            sentences: crate::answer::SentenceMemory::default(),
            passages: crate::passage_memory::PassageMemory::default(),
            publishing: crate::publish::Locks::default(),
            tasks: parking_lot::Mutex::default(),
        };
        let kb = Self { inner: Arc::new(inner) };
        kb.resume_jobs().await?;
        kb.start_workers();
        Ok(kb)
    }

    /// Takes no more jobs and waits for the running ones to reach a safe place (they go on at the
    /// next start).
    pub async fn shutdown(&self) {
        self.inner.queue.close();
        self.inner.queue.wait_idle(std::time::Duration::from_secs(5)).await;
        let tasks = std::mem::take(&mut *self.inner.tasks.lock());
        for task in tasks {
            task.abort();
            // Aborted is as good as ended here.
            let _ = task.await;
        }
        self.inner.extractor.close().await;
    }

    /// State of the whole engine.
    #[must_use]
    pub fn status(&self) -> KbStatus {
        let (queued_jobs, running_jobs) = self.inner.queue.size();
        let (open_bots, heap_bytes) = self.inner.views.size();
        let vector_recall = self.inner.views.vector_recall();
        KbStatus { queued_jobs, running_jobs, open_bots, heap_bytes, vector_recall }
    }

    /// Whether the model is there.
    #[must_use]
    pub fn embedder(&self) -> &EmbedderSlot {
        &self.inner.embedder
    }

    /// The jobs of a bot that run or wait.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn progress(&self, scope: &Scope) -> Result<Vec<JobProgress>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let key_of = |id: &_| snapshot.files.get(id).map(|entry| entry.file.key.clone()).unwrap_or_default();
        Ok(self.inner.progress.of(scope.bot(), key_of))
    }

    /// Counts of one bot.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn bot_stats(&self, scope: &Scope) -> Result<BotStats, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let indexed =
            |entry: &&Arc<crate::view::FileEntry>| entry.file.status == FileStatus::IndexingCompleted;
        Ok(BotStats {
            files: snapshot.files.len(),
            indexed_files: snapshot.files.values().filter(indexed).count(),
            passages: snapshot.places.len(),
            knowledge_bases: snapshot.bases.len(),
        })
    }

    /// Hashes of the blobs that some record of some bot names; all others are garbage once they are
    /// older than the longest upload or ingest.
    ///
    /// # Errors
    /// When the store does not answer or a record is damaged.
    pub async fn referenced_blobs(&self) -> Result<std::collections::HashSet<String>, Error> {
        let mut named = std::collections::HashSet::new();
        for bot in self.inner.store.bots().await? {
            for record in self.inner.scan_all(&Scope::of(bot), &records::kb(), b"f/").await? {
                let file: crate::File = records::decode(&record.value)?;
                named.extend(file.blob);
                named.extend(file.published.map(|published| published.text_blob));
            }
        }
        Ok(named)
    }

    /// As [`crate::recount`], over the store of this engine.
    ///
    /// # Errors
    /// When the store does not answer or a record is damaged.
    pub async fn recount(&self, scope: &Scope) -> Result<Recount, Error> {
        crate::recount(self.inner.store.as_ref(), scope).await
    }
}

impl Inner {
    /// Commits and returns once this bot's snapshot shows it.
    pub(crate) async fn commit(&self, view: &Arc<View>, commit: Commit) -> Result<Arc<Snapshot>, Error> {
        let committed = self.store.commit(commit).await?;
        match committed.seq(&records::kb()) {
            Some(seq) => {
                let snapshot = view.refresh(self.store.as_ref(), seq).await?;
                self.views.changed(view.bot(), view);
                Ok(snapshot)
            }
            None => Ok(view.snapshot()),
        }
    }

    /// Builds a commit on the newest snapshot and repeats it when another writer was faster.
    pub(crate) async fn transact<T>(
        &self,
        scope: &Scope,
        mut build: impl FnMut(&Snapshot, &mut Commit) -> Result<T, Error>,
    ) -> Result<(T, Arc<Snapshot>), Error> {
        let view = self.views.of(scope).await?;
        let mut snapshot = view.snapshot();
        for _ in 0..ATTEMPTS {
            let mut commit = Commit::new(scope.bot());
            let answer = build(&snapshot, &mut commit)?;
            if commit.put.is_empty() && commit.del.is_empty() {
                return Ok((answer, snapshot));
            }
            match self.commit(&view, commit).await {
                Err(Error::Store(quarry_store::Error::Conflict { .. })) => {
                    snapshot = view.refresh_to_head(self.store.as_ref()).await?;
                }
                done => return done.map(|after| (answer, after)),
            }
        }
        Err(Error::Busy("the file is being changed by too many callers at once; try again".into()))
    }

    pub(crate) async fn scan_all(
        &self,
        scope: &Scope,
        coll: &quarry_store::Coll,
        prefix: &[u8],
    ) -> Result<Vec<quarry_store::Record>, Error> {
        records::scan_all(self.store.as_ref(), scope, coll, prefix).await
    }

    pub(crate) fn blob(&self, hash: &str) -> Result<BlobHash, Error> {
        BlobHash::parse(hash).ok_or_else(|| Error::Corrupt(format!("{hash:?} is no blob hash")))
    }
}
