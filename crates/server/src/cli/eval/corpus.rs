//! The set in a store of its own: the production code in a temporary folder.
//!
//! Knows how documents become passages of files, and back. Invariant: every passage found belongs to
//! exactly one document of the set.

use super::set::{Doc, Query, Set};
use super::{Note, cache::CachedEmbedder};
use quarry_embed::{EmbedOptions, Embedder, EmbedderSlot};
use quarry_extract::{Block, ChunkOptions, Document, Pool, PoolOptions, chunk};
use quarry_kb::{
    Kb, KbDeps, KbSettings, NewPassage, PageRequest, RankedPassage, Ranking, Search, SearchTuning, Tags,
    UpsertFile,
};
use quarry_store::{Opened, StoreOptions};
use quarry_types::{BotId, CharRange, FileStatus, PassageKind, Scope, TokenCounter, UnderHeadings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Documents per file where nothing asks for files of one title.
const DOCS_PER_FILE: usize = 512;
/// Longest query the engine takes, in bytes.
const QUERY_BYTES: usize = 2048;

pub(crate) struct Corpus {
    pub(crate) kb: Kb,
    pub(crate) scope: Scope,
    /// Document of each passage, by file.
    docs: HashMap<String, Vec<usize>>,
    /// Files of each title, when queries have scopes.
    titles: HashMap<String, Vec<String>>,
    /// Removed with everything in it at the end.
    _folder: tempfile::TempDir,
}

/// How a set is indexed.
pub(crate) struct Indexing<'a> {
    pub(crate) model: Arc<dyn Embedder>,
    /// Cut documents by so many characters; else by what the model reads.
    pub(crate) chars: Option<usize>,
    pub(crate) tuning: SearchTuning,
    /// Where the store lies.
    pub(crate) within: &'a Path,
}

/// Which model, and where its vectors are kept.
pub(crate) struct Model {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) threads: usize,
}

impl Model {
    pub(crate) fn load(&self) -> Result<Arc<dyn Embedder>, String> {
        let options =
            EmbedOptions { threads: self.threads, model_dir: self.folder.clone(), ..EmbedOptions::default() };
        let model = quarry_embed::open(&options).map_err(|cause| cause.to_string())?;
        Ok(match &self.cache {
            Some(folder) => Arc::new(CachedEmbedder::open(model, folder)?),
            None => model,
        })
    }
}

impl Corpus {
    /// Indexes the whole set and waits until all of it can be searched. Documents are one passage each,
    /// longer ones cut.
    pub(crate) async fn open(set: &Set, how: Indexing<'_>, note: &Note) -> Result<Self, String> {
        let Indexing { model, chars, tuning, within } = how;
        let cut = chars.map(|chars| Cut { chars, counter: model.token_counter() });
        let folder = tempfile::tempdir_in(within).map_err(|cause| format!("no temporary folder: {cause}"))?;
        let kb = open_kb(folder.path(), model, tuning).await?;
        let bot = BotId::parse("eval").map_err(|cause| cause.to_string())?;
        let scope = Scope::of(bot);
        let mut titles: HashMap<String, Vec<String>> = HashMap::new();
        let mut docs = HashMap::new();
        let groups = groups(set);
        for (number, group) in groups.iter().enumerate() {
            let key = format!("part-{number}");
            if set.is_scoped()
                && let Some(doc) = group.first().and_then(|at| set.docs.get(*at))
            {
                titles.entry(doc.title.clone()).or_default().push(key.clone());
            }
            kb.upsert_file(&scope, file(&key)).await.map_err(|cause| cause.to_string())?;
            let whole = group.iter().zip(1..).filter_map(|(at, page)| passage(set.docs.get(*at)?, page));
            let passages = match &cut {
                Some(cut) => whole.flat_map(|passage| cut.apply(passage)).collect(),
                None => whole.collect(),
            };
            kb.set_headed_passages(&scope, &key, passages).await.map_err(|cause| cause.to_string())?;
        }
        let mut corpus = Self { kb, scope, docs: HashMap::new(), titles, _folder: folder };
        for (number, group) in groups.iter().enumerate() {
            let key = format!("part-{number}");
            corpus.wait(&key).await?;
            let of_file = corpus.docs_of(&key, group).await?;
            docs.insert(key, of_file);
            note.step("indexing", number + 1, groups.len());
        }
        corpus.docs = docs;
        // A server that is up for a while has its graph.
        corpus.kb.graph_settled(&corpus.scope).await.map_err(|cause| cause.to_string())?;
        Ok(corpus)
    }

    pub(crate) fn passages(&self) -> usize {
        self.docs.values().map(Vec::len).sum()
    }

    async fn wait(&self, key: &str) -> Result<(), String> {
        loop {
            let file = self.kb.file(&self.scope, key).await.map_err(|cause| cause.to_string())?;
            match file.status {
                FileStatus::IndexingCompleted => return Ok(()),
                FileStatus::IndexingFailed => {
                    let reason = file.failed_reason.clone().unwrap_or_default();
                    return Err(format!("the set cannot be indexed: {reason}"));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Documents are told apart by the page given to their passages.
    async fn docs_of(&self, key: &str, group: &[usize]) -> Result<Vec<usize>, String> {
        let mut docs = Vec::new();
        let mut token = None;
        loop {
            let page = PageRequest { token, size: 200 };
            let page = self.kb.passages(&self.scope, key, page).await.map_err(|cause| cause.to_string())?;
            for passage in &page.items {
                let at = passage.meta.page.and_then(|page| usize::try_from(page).ok()?.checked_sub(1));
                let doc = at.and_then(|at| group.get(at)).copied();
                docs.push(doc.ok_or("a passage lost its document")?);
            }
            token = page.next;
            if token.is_none() {
                return Ok(docs);
            }
        }
    }

    /// What every stage makes of a query.
    pub(crate) async fn ask(&self, query: &Query, tuning: SearchTuning) -> Result<Ranking, String> {
        // A scope that names no title leaves nothing to be found.
        let files = query.scope.as_ref().map(|scope| self.titles.get(scope).cloned().unwrap_or_default());
        let end = (0..=query.text.len().min(QUERY_BYTES)).rev().find(|end| query.text.is_char_boundary(*end));
        let text = query.text.get(..end.unwrap_or(0)).unwrap_or("");
        let search = Search { query: text.to_owned(), files, ..Search::default() };
        self.kb.ranking(&self.scope, search, Some(tuning)).await.map_err(|cause| cause.to_string())
    }

    /// Documents by their best passage, at most `most`.
    pub(crate) fn documents(&self, ranking: &[RankedPassage], most: usize) -> Vec<(usize, f32)> {
        let mut seen = std::collections::HashSet::new();
        let doc = |passage: &RankedPassage| {
            let of_file = self.docs.get(&passage.file.key)?;
            Some((*of_file.get(usize::try_from(passage.position).ok()?)?, passage.score))
        };
        ranking.iter().filter_map(doc).filter(|(doc, _)| seen.insert(*doc)).take(most).collect()
    }
}

/// Cuts documents into passages of so many characters, as a file with that chunk length is cut.
struct Cut {
    chars: usize,
    counter: Arc<dyn TokenCounter>,
}

impl Cut {
    fn apply(&self, (headings, whole): (Vec<String>, NewPassage)) -> Vec<(Vec<String>, NewPassage)> {
        let end = u32::try_from(whole.content.chars().count()).unwrap_or(u32::MAX);
        let range = CharRange { start: 0, end };
        let block = Block { kind: whole.kind, level: 0, range, page: whole.page, header: None };
        let document = Document { text: whole.content.clone(), blocks: vec![block], ..Document::default() };
        let options = ChunkOptions { max_chars: self.chars, ..ChunkOptions::default() };
        let counted = |text: &str| self.counter.count_tokens(text);
        let room = counted(&headings.join(" > ")).saturating_sub(counted(""));
        let parts =
            chunk(&document, &options, &UnderHeadings { counter: self.counter.as_ref(), headings: room });
        let part = |text: String| (headings.clone(), NewPassage { content: text, ..whole.clone() });
        parts.into_iter().map(|passage| part(passage.shown().into_owned())).collect()
    }
}

/// Documents of one file: of one title where queries ask for titles.
fn groups(set: &Set) -> Vec<Vec<usize>> {
    let all = 0..set.docs.len();
    let by_title: Vec<Vec<usize>> = if set.is_scoped() {
        let mut titles: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
        for (doc, at) in set.docs.iter().zip(all) {
            titles.entry(&doc.title).or_default().push(at);
        }
        titles.into_values().collect()
    } else {
        vec![all.collect()]
    };
    by_title.iter().flat_map(|group| group.chunks(DOCS_PER_FILE)).map(<[usize]>::to_vec).collect()
}

fn passage(doc: &Doc, page: u32) -> Option<(Vec<String>, NewPassage)> {
    let (title, text) = (doc.title.trim(), doc.text.trim());
    let passage = |content: &str| NewPassage {
        content: content.to_owned(),
        kind: PassageKind::Paragraph,
        page: Some(page),
    };
    match (title, text) {
        ("", "") => None,
        (title, "") => Some((Vec::new(), passage(title))),
        ("", text) => Some((Vec::new(), passage(text))),
        (title, text) => Some((vec![title.chars().take(200).collect()], passage(text))),
    }
}

fn file(key: &str) -> UpsertFile {
    UpsertFile {
        key: key.to_owned(),
        size: 1,
        tags: Tags::new(),
        metadata: serde_json::Map::new(),
        index: false,
        indexing: None,
        access: Vec::new(),
        content_type: None,
        expires_at: None,
    }
}

async fn open_kb(folder: &Path, model: Arc<dyn Embedder>, search: SearchTuning) -> Result<Kb, String> {
    let folder = folder.to_owned();
    let opening = tokio::task::spawn_blocking(move || quarry_store::open(&folder, &StoreOptions::default()));
    let opened = opening.await.map_err(|cause| cause.to_string())?;
    let Opened { store, blobs, paths, .. } = opened.map_err(|cause| cause.to_string())?;
    let worker = std::env::current_exe().map_err(|cause| cause.to_string())?;
    let deps = KbDeps {
        store,
        blobs,
        embedder: EmbedderSlot::ready(model),
        extractor: Pool::new(PoolOptions::new(worker, 1)),
        views_dir: Box::new(move |bot| paths.bot_views(bot)),
        on_indexed: Box::new(|_, _| ()),
    };
    let settings = KbSettings { vector_quota: u64::MAX >> 2, search, ..KbSettings::default() };
    Kb::open(deps, settings).await.map_err(|cause| cause.to_string())
}
