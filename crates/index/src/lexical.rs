//! Word search: BM25 over a tantivy index in a folder.
//!
//! A view: a folder that is damaged, of another analysis version or foreign is wiped, and the
//! watermark 0 tells the owner to feed everything again. Invariant: what a snapshot shows is what
//! the commits up to its watermark said, no more and no less.

mod analyzer;
mod items;
mod pruned;
mod search;
mod spelling;
mod unsynced;

pub(crate) use analyzer::words_of;
pub use search::{LexSnapshot, LexicalSearch};

use crate::Error;
use crate::error::Result;
use analyzer::{Channel, WordTokenizer};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, Term};
use unsynced::Unsynced;

/// Part of the stored payload; raise it whenever `analyzer` gives other tokens or the schema changes.
const VERSION: u32 = 1;
/// Memory of the writer while it is open.
const WRITER_BYTES: usize = 20_000_000;

/// One document to index.
#[derive(Debug, Clone, Copy)]
pub struct LexDoc<'a> {
    /// Its item.
    pub id: u32,
    /// Heading path or other short text that belongs to it; may be empty.
    pub title: &'a str,
    /// Its text.
    pub body: &'a str,
}

/// The lexical index in one folder. One writer at a time, any number of snapshots.
pub struct LexicalIndex {
    folder: PathBuf,
    index: Index,
    reader: IndexReader,
    fields: Fields,
    current: ArcSwap<LexSnapshot>,
    writer: Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    id: Field,
    words: Field,
    exact: Field,
}

fn schema() -> (Schema, Fields) {
    let text = |tokenizer: &str| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(IndexRecordOption::WithFreqs)
                .set_fieldnorms(true),
        )
    };
    let mut builder = Schema::builder();
    let id = builder.add_u64_field("id", NumericOptions::from(FAST | INDEXED));
    let words = builder.add_text_field("words", text(Channel::Words.name()));
    let exact = builder.add_text_field("exact", text(Channel::Exact.name()));
    (builder.build(), Fields { id, words, exact })
}

impl LexicalIndex {
    /// Opens the index in `folder`, creating it when there is none. A damaged or foreign one is
    /// wiped (with a warning) and starts again at watermark 0.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self> {
        let on_disk = |cause| Error::Folder { path: folder.to_owned(), cause };
        std::fs::create_dir_all(folder).map_err(on_disk)?;
        let empty = std::fs::read_dir(folder).map_err(on_disk)?.next().is_none();
        if !empty {
            // The engine may panic on bytes it never wrote; here that means "damaged" like any error.
            match catch_unwind(AssertUnwindSafe(|| Self::open_existing(folder))) {
                Ok(Ok(index)) => return Ok(index),
                Ok(Err(reason)) => tracing::warn!(%reason, "lexical index is unusable; rebuilding it"),
                Err(_) => tracing::warn!("lexical index is damaged; rebuilding it"),
            }
            for entry in std::fs::read_dir(folder).map_err(on_disk)? {
                let path = entry.map_err(on_disk)?.path();
                let gone =
                    if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                gone.map_err(on_disk)?;
            }
        }
        let directory = Unsynced::open(folder).map_err(tantivy::TantivyError::from)?;
        // Nothing is stored, so nothing is worth a thread that compresses it.
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let mut index = Index::create(directory, schema().0, settings)?;
        index.set_tokenizers(tokenizers());
        Self::over(folder, index)
    }

    fn open_existing(folder: &Path) -> std::result::Result<Self, String> {
        let text = |error: tantivy::TantivyError| error.to_string();
        let directory = Unsynced::open(folder).map_err(|error| error.to_string())?;
        let mut index = Index::open(directory).map_err(text)?;
        if index.schema() != schema().0 {
            return Err("its schema is of another version".into());
        }
        let damaged = index.validate_checksum().map_err(text)?;
        if let Some(file) = damaged.iter().next() {
            return Err(format!("{} fails its checksum", file.display()));
        }
        let metas = index.load_metas().map_err(text)?;
        // The engine checks files on its list only, and a lost list is an empty one to it.
        let listed = index.directory().list_managed_files();
        for path in metas.list_segment_files() {
            if !listed.contains(&path) && folder.join(&path).is_file() {
                return Err(format!("{} is not on the engine's list of files", path.display()));
            }
        }
        if read_payload(metas.payload.as_deref()).is_none() && !metas.segments.is_empty() {
            return Err("its commit is of another version".into());
        }
        index.set_tokenizers(tokenizers());
        let opened = Self::over(folder, index).map_err(|error| error.to_string())?;
        opened.current.load().check()?;
        Ok(opened)
    }

    fn over(folder: &Path, index: Index) -> Result<Self> {
        let fields = schema().1;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let reader: IndexReader = reader;
        let watermark = read_payload(index.load_metas()?.payload.as_deref()).unwrap_or(0);
        let current = LexSnapshot::new(reader.searcher(), fields, watermark, None)?;
        Ok(Self {
            folder: folder.to_owned(),
            index,
            reader,
            fields,
            current: ArcSwap::from_pointee(current),
            writer: Mutex::new(()),
        })
    }

    /// The folder it lives in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The watermark of the last [`apply`](Self::apply), 0 for a new index; survives reopening.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.current.load().watermark()
    }

    /// What is searchable now. Never waits for a writer; stays as it is.
    #[must_use]
    pub fn snapshot(&self) -> Arc<LexSnapshot> {
        self.current.load_full()
    }

    /// Deletes, then adds (replacing what has the same id) in one commit that carries `watermark`.
    /// Returns when it is searchable and written, which is not to say that it outlives a loss of power. The writer is
    /// open only meanwhile; one commit costs a dozen CPU milliseconds whatever its size, so batch.
    ///
    /// # Errors
    /// When the engine or the disk fails; then nothing of it is visible and the watermark stays.
    pub fn apply(
        &self,
        adds: &mut dyn Iterator<Item = LexDoc<'_>>,
        deletes: &[u32],
        watermark: u64,
    ) -> Result<()> {
        let _writing = self.writer.lock();
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_BYTES)
            .build();
        let mut writer: IndexWriter = self.index.writer_with_options(options)?;
        writer.set_merge_policy(Box::new(merge_policy()));
        for id in deletes {
            writer.delete_term(Term::from_field_u64(self.fields.id, u64::from(*id)));
        }
        for doc in adds {
            writer.delete_term(Term::from_field_u64(self.fields.id, u64::from(doc.id)));
            let mut document = TantivyDocument::new();
            document.add_u64(self.fields.id, u64::from(doc.id));
            for text in [doc.title, doc.body].into_iter().filter(|text| !text.is_empty()) {
                document.add_text(self.fields.words, text);
                document.add_text(self.fields.exact, text);
            }
            writer.add_document(document)?;
        }
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(&payload(watermark));
        commit.commit()?;
        // Merges start with the commit and would die with the writer.
        writer.wait_merging_threads()?;
        self.reader.reload()?;
        let before = self.current.load();
        let next = LexSnapshot::new(self.reader.searcher(), self.fields, watermark, Some(&before))?;
        self.current.store(Arc::new(next));
        Ok(())
    }

    /// Bytes this index takes of the process: mapped files (given back when it is dropped) and the
    /// readers' own memory.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.current.load().heap_bytes()
    }
}

fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    // Small commits are the rule here: merge early, so that a search visits few segments.
    policy.set_min_num_segments(6);
    policy.set_del_docs_ratio_before_merge(0.2);
    policy
}

fn tokenizers() -> TokenizerManager {
    // The engine asks its `default` one for the id field too.
    let manager = TokenizerManager::default();
    for channel in [Channel::Words, Channel::Exact] {
        manager.register(channel.name(), TextAnalyzer::from(WordTokenizer::new(channel)));
    }
    manager
}

/// The engine checks its data files but not the file that holds this, hence the own checksum.
fn payload(watermark: u64) -> String {
    let text = format!("quarry-lex {VERSION} {watermark}");
    let sum = Sha256::digest(text.as_bytes());
    let sum = quarry_types::hex(sum.get(..4).unwrap_or(&sum));
    format!("{text} {sum}")
}

fn read_payload(stored: Option<&str>) -> Option<u64> {
    let stored = stored?;
    let watermark = stored.split(' ').nth(2)?.parse().ok()?;
    (payload(watermark) == stored).then_some(watermark)
}

#[cfg(test)]
mod tests;
