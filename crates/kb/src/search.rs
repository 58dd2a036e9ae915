//! Hybrid search: filter first, words and vectors side by side, fused, then read from the store.

use crate::files::is_expired;
use crate::kb::{Inner, Kb};
use crate::passages::PassageMeta;
use crate::places::Place;
use crate::rank::{Task, Weighed, WordLeg, explain};
use crate::records::{self, PassageRecord};
use crate::view::{Snapshot, View};
use crate::{Error, File, TagFilter, Tags};
use quarry_embed::Embedded;
use quarry_index::Fused;
use quarry_types::{FileId, Passage, Scope, Timestamp};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest question, in bytes.
const MAX_QUERY_BYTES: usize = 2048;
/// Best matches of which a file may show several when consolidated: no more than a search shows.
const CONSOLIDATED: usize = 50;
/// Share of the best score that those beside a file's best match have at least; the best has most of what neighbours say.
const CONSOLIDATED_SHARE: f32 = 0.35;

/// `searchFiles`.
#[derive(Debug, Clone)]
pub struct Search {
    /// The question or keywords, 1..=2048 bytes.
    pub query: String,
    /// Only files whose current tags pass.
    pub tags: TagFilter,
    /// Only files whose `kbId` or `kbName` tag is one of these.
    pub bases: Option<BTreeSet<String>>,
    /// Only these files (ids or keys).
    pub files: Option<Vec<String>>,
    /// Neighbours shown before and after each match, 0..=10.
    pub context_depth: u32,
    /// Most hits, 1..=50.
    pub limit: usize,
    /// One passage per file instead.
    pub consolidate: bool,
    /// Put the headings in front of the content.
    pub include_breadcrumb: bool,
    /// List the neighbours one by one.
    pub with_context: bool,
    /// Show ranks and scores of both legs.
    pub explain: bool,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            query: String::new(),
            tags: TagFilter::default(),
            bases: None,
            files: None,
            context_depth: 1,
            limit: 20,
            consolidate: false,
            include_breadcrumb: false,
            with_context: false,
            explain: false,
        }
    }
}

/// One result.
#[derive(Debug, Clone)]
pub struct SearchHit {
    /// The match with its neighbours.
    pub content: String,
    /// 0..1, higher is better.
    pub score: f32,
    /// What the match is.
    pub meta: PassageMeta,
    /// The file with its current tags and metadata; with those of the content found, as long as newer content is on its way.
    pub file: Arc<File>,
    /// Neighbours one by one, when asked for.
    pub context: Option<Vec<ContextItem>>,
    /// How the score came about, when asked for; of a consolidated file that of its best match.
    pub explain: Option<Value>,
}

/// A neighbour of a match, the match itself, or its headings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextItem {
    /// UUID; the breadcrumb has none.
    pub id: Option<String>,
    /// Its text.
    pub text: String,
    /// Distance to the match; the breadcrumb has none.
    pub offset: Option<i32>,
    /// `preceding`, `current`, `subsequent` or `breadcrumb`.
    pub kind: &'static str,
}

/// A match with all that was read for it.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub(crate) fused: Fused,
    /// What the second stage saw of it.
    pub(crate) weighed: Weighed,
    /// Why it stands here, when asked for.
    explain: Option<Value>,
    pub(crate) file: Arc<File>,
    pub(crate) generation: u32,
    /// The match.
    pub(crate) record: Arc<PassageRecord>,
    /// The match and its neighbours, in file order.
    pub(crate) window: Vec<Arc<PassageRecord>>,
}

/// What a question found.
pub(crate) struct Found {
    /// Best first.
    pub(crate) matches: Vec<Match>,
    /// The question.
    pub(crate) asked: Arc<Embedded>,
    /// Time of embedding it.
    pub(crate) embedding: Duration,
    /// All other time.
    pub(crate) searching: Duration,
}

impl Kb {
    /// Finds the passages that fit a question best.
    ///
    /// # Errors
    /// `InvalidQuery` for an empty or over-long query or arguments out of range.
    pub async fn search(&self, scope: &Scope, search: Search) -> Result<Vec<SearchHit>, Error> {
        search.check()?;
        let matches = self.inner.find(scope, &search).await?.matches;
        Ok(if search.consolidate { consolidate(matches) } else { show(matches, &search) })
    }
}

impl Search {
    /// Whether a file as it is found may be among the results.
    pub(crate) fn admits(&self, file: &File) -> bool {
        let named = |name: &String| *name == file.key || name == file.id.as_str();
        let replaced = file.published.as_ref().and_then(|published| published.replaced.as_deref());
        self.admits_tags(&file.tags)
            && replaced.is_none_or(|replaced| self.admits_tags(&replaced.tags))
            && self
                .files
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| named(name) || is_under(name, &file.key)))
    }

    fn admits_tags(&self, tags: &Tags) -> bool {
        let marked = |marks: &BTreeSet<String>| {
            ["kbId", "kbName"].iter().any(|tag| tags.get(*tag).is_some_and(|value| marks.contains(value)))
        };
        self.tags.matches(tags) && self.bases.as_ref().is_none_or(marked)
    }

    /// Whether no file is left out.
    pub(crate) fn admits_all(&self) -> bool {
        self.tags.is_empty() && self.files.is_none() && self.bases.is_none()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::InvalidQuery(message));
        if self.query.trim().is_empty() {
            return wrong("query must not be empty".into());
        }
        if self.query.len() > MAX_QUERY_BYTES {
            let got = self.query.len();
            return wrong(format!("query must have at most {MAX_QUERY_BYTES} bytes, got {got}"));
        }
        if self.context_depth > 10 {
            return wrong(format!("contextDepth must be 0 to 10, got {}", self.context_depth));
        }
        if !(1..=50).contains(&self.limit) {
            return wrong(format!("limit must be 1 to 50, got {}", self.limit));
        }
        Ok(())
    }
}

/// Whether a name that ends with `/` is the beginning of a key.
fn is_under(name: &str, key: &str) -> bool {
    name.ends_with('/') && key.starts_with(name)
}

impl Inner {
    /// Best matches first, all of one consistent cut. The question's words are looked for while it is embedded.
    pub(crate) async fn find(&self, scope: &Scope, search: &Search) -> Result<Found, Error> {
        let (begun, now, tuning) = (Instant::now(), Timestamp::now(), self.settings.search);
        let view = self.views.of(scope).await?;
        let mut snapshot = view.snapshot();
        // Ranked where it was embedded: another thread would have to wake up first.
        let asking = Instant::now();
        let first = {
            let (snapshot, search, leg) =
                (snapshot.clone(), search.clone(), WordLeg::begin(&snapshot, search, tuning, now));
            move |asked: Embedded| {
                let embedding = asking.elapsed();
                let task = Task { snapshot: &snapshot, search: &search, tuning: &tuning, now };
                let ranked = task.rank(&asked, || leg.wait(), &mut |_, _| ())?;
                Ok::<_, Error>((Arc::new(asked), embedding, ranked))
            }
        };
        let (asked, embedding, mut ranked) = self.embedder.embed_query(search.query.clone(), first).await??;
        for attempt in 0..Self::READ_ATTEMPTS {
            if attempt > 0 {
                snapshot = view.refresh_to_head(self.store.as_ref()).await?;
                let (snapshot, search, asked) = (snapshot.clone(), search.clone(), asked.clone());
                let again = move || {
                    let task = Task { snapshot: &snapshot, search: &search, tuning: &tuning, now };
                    task.rank(&asked, || task.look_for_words(), &mut |_, _| ())
                };
                ranked = tokio::task::spawn_blocking(again).await??;
            }
            let shown: Vec<_> = if search.consolidate {
                let file = |id: u32| Some(snapshot.places.get(id)?.generation.file.clone());
                worth_consolidating(&ranked.last, search.limit, file)
            } else {
                ranked.last.iter().take(search.limit).collect()
            };
            let why = |hit: &Fused, of: &Weighed| {
                search.explain.then(|| explain(&snapshot, &ranked.words, ranked.plan, hit, of))
            };
            let best = shown.into_iter().map(|(hit, of)| (*hit, *of, why(hit, of))).collect();
            if let Some(matches) = self.read(&view, &snapshot, best, search.context_depth, now).await? {
                let searching = begun.elapsed().saturating_sub(embedding);
                return Ok(Found { matches, asked, embedding, searching });
            }
        }
        Err(Error::Busy("the knowledge base is changing too fast to be searched; try again".into()))
    }

    /// Reads matches and neighbours; `None` when one was replaced since the snapshot.
    async fn read(
        &self,
        view: &View,
        snapshot: &Snapshot,
        ranked: Vec<(Fused, Weighed, Option<Value>)>,
        depth: u32,
        now: Timestamp,
    ) -> Result<Option<Vec<Match>>, Error> {
        let newest = view.snapshot();
        let mut known: HashMap<u32, Arc<PassageRecord>> = HashMap::new();
        let (mut unknown, mut keys) = (HashSet::new(), Vec::new());
        let mut windows = Vec::with_capacity(ranked.len());
        for (fused, weighed, explain) in ranked {
            let Some(Place { generation, position, .. }) = snapshot.places.get(fused.id) else { continue };
            let Some(entry) = snapshot.files.get(&generation.file) else { continue };
            let Some(passages) = snapshot.generations.get(generation) else { continue };
            if is_expired(&entry.found, now) {
                continue;
            }
            let near = position.saturating_sub(depth)..=position.saturating_add(depth);
            let window: Vec<(u32, u32)> = passages.range(near).map(|(at, id)| (*at, *id)).collect();
            for (position, id) in &window {
                if known.contains_key(id) || unknown.contains(id) {
                    continue;
                }
                // What was deleted meanwhile is shown no more, known or not.
                if !newest.places.contains(*id) {
                    return Ok(None);
                }
                match self.passages.recall(view.number(), *id) {
                    Some(record) => drop(known.insert(*id, record)),
                    None => {
                        unknown.insert(*id);
                        keys.push(records::passage_key(&generation.file, generation.number, *position));
                    }
                }
            }
            windows.push((fused, weighed, explain, entry.found.clone(), generation.number, window));
        }
        for record in self.store.get(view.bot(), &records::kb(), &keys).await? {
            let Some(record) = record else { return Ok(None) };
            let record = Arc::new(records::decode::<PassageRecord>(&record.value)?);
            self.passages.keep(view.number(), &record);
            known.insert(record.ordinal, record);
        }
        let mut matches = Vec::with_capacity(windows.len());
        for (fused, weighed, explain, file, generation, window) in windows {
            let window: Vec<_> = window.iter().filter_map(|(_, id)| known.get(id).cloned()).collect();
            let Some(record) = known.get(&fused.id).cloned() else { continue };
            matches.push(Match { fused, weighed, explain, file, generation, record, window });
        }
        Ok(Some(matches))
    }
}

/// What a search answers with. A neighbour stands in the content of the best hit it belongs to, and not again in that of
/// others: whoever reads them all reads it once. `context` names the neighbours of each.
pub(crate) fn show(matches: Vec<Match>, search: &Search) -> Vec<SearchHit> {
    let mut shown: HashSet<(FileId, u32)> = HashSet::new();
    matches
        .into_iter()
        .map(|mut found| {
            let window = unshown(&found, &shown);
            let place = |record: &Arc<PassageRecord>| (found.file.id.clone(), record.passage.position);
            shown.extend(window.iter().map(place));
            let mut content = join(&in_order(window));
            let breadcrumb = found.record.passage.heading_path.join(" > ");
            if search.include_breadcrumb && !breadcrumb.is_empty() {
                content = format!("{breadcrumb}\n\n{content}");
            }
            SearchHit {
                content,
                score: found.fused.score,
                meta: PassageMeta::of(&found.record),
                context: search.with_context.then(|| context(&found, breadcrumb)),
                explain: found.explain.take(),
                file: found.file,
            }
        })
        .collect()
}

/// A match with the neighbours that stand next to it without a gap of what was shown already.
fn unshown<'f>(found: &'f Match, shown: &HashSet<(FileId, u32)>) -> &'f [Arc<PassageRecord>] {
    let own = found.record.passage.position;
    let is_new =
        |record: &&Arc<PassageRecord>| !shown.contains(&(found.file.id.clone(), record.passage.position));
    let at = found.window.iter().position(|record| record.passage.position == own).unwrap_or(0);
    let (before, after) = found.window.split_at_checked(at).unwrap_or_default();
    let from = at - before.iter().rev().take_while(is_new).count();
    let to = at + 1 + after.iter().skip(1).take_while(is_new).count();
    found.window.get(from..to).unwrap_or(&found.window)
}

fn context(found: &Match, breadcrumb: String) -> Vec<ContextItem> {
    let mut items = Vec::new();
    if !breadcrumb.is_empty() {
        items.push(ContextItem { id: None, text: breadcrumb, offset: None, kind: "breadcrumb" });
    }
    let middle = i64::from(found.record.passage.position);
    for record in &found.window {
        let position = record.passage.position;
        let offset = i32::try_from(i64::from(position) - middle).unwrap_or(0);
        let kind = match offset {
            ..0 => "preceding",
            0 => "current",
            1.. => "subsequent",
        };
        let id = Some(records::passage_uuid(&found.file.id, found.generation, position));
        items.push(ContextItem { id, text: record.passage.shown().into_owned(), offset: Some(offset), kind });
    }
    items
}

/// The matches of the best `limit` files: the best one of each, and of the first ones overall those that
/// are not far behind the very best.
fn worth_consolidating<T>(
    ranked: &[(Fused, T)],
    limit: usize,
    file: impl Fn(u32) -> Option<FileId>,
) -> Vec<&(Fused, T)> {
    let best = ranked.first().map_or(0.0, |(hit, _)| hit.score);
    let mut files = HashSet::new();
    let mut shown = Vec::new();
    for (at, ranked) in ranked.iter().enumerate() {
        let Some(file) = file(ranked.0.id) else { continue };
        let known = files.contains(&file);
        let good = at < CONSOLIDATED && ranked.0.score >= CONSOLIDATED_SHARE * best;
        if if known { good } else { files.len() < limit } {
            files.insert(file);
            shown.push(ranked);
        }
    }
    shown
}

/// One result per file: its matches in file order under their headings, the best score first.
fn consolidate(matches: Vec<Match>) -> Vec<SearchHit> {
    let mut files: Vec<(f32, Vec<Match>)> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for found in matches {
        let at = *index.entry(found.file.id.to_string()).or_insert(files.len());
        match files.get_mut(at) {
            Some((_, of_file)) => of_file.push(found),
            None => files.push((found.fused.score, vec![found])),
        }
    }
    files.into_iter().filter_map(|(score, of_file)| consolidated(score, of_file)).collect()
}

fn consolidated(score: f32, mut matches: Vec<Match>) -> Option<SearchHit> {
    let best = matches.first_mut()?;
    let (file, explain) = (best.file.clone(), best.explain.take());
    let mut shown: BTreeMap<u32, Arc<PassageRecord>> = BTreeMap::new();
    for found in matches {
        shown.extend(found.window.into_iter().map(|record| (record.passage.position, record)));
    }
    let shown: Vec<Arc<PassageRecord>> = shown.into_values().collect();
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    let mut under: &[String] = &[];
    for (record, text) in shown.iter().zip(in_order(&shown)) {
        let path = &record.passage.heading_path;
        if path.as_slice() != under {
            under = path;
            parts.extend((!path.is_empty()).then(|| Cow::Owned(path.join(" > "))));
        }
        parts.push(text);
    }
    let meta = PassageMeta { kind: "consolidated", subtype: None, page: None, position: None };
    let content = join(&parts);
    Some(SearchHit { content, score, meta, file, context: None, explain })
}

/// What passages of a file show one below the other: the header of a cut table once.
fn in_order(records: &[Arc<PassageRecord>]) -> Vec<Cow<'_, str>> {
    let mut before: Option<&Passage> = None;
    records
        .iter()
        .map(|record| {
            let passage = &record.passage;
            let goes_on = before.replace(passage).is_some_and(|before| {
                let header = passage.table_header.as_deref().unwrap_or_default();
                before.position + 1 == passage.position
                    && (before.table_header == passage.table_header || before.text.contains(header))
            });
            if goes_on { Cow::Borrowed(passage.text.as_str()) } else { passage.shown() }
        })
        .collect()
}

fn join(parts: &[Cow<'_, str>]) -> String {
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_consolidated_file_shows_what_is_near_the_best() {
        let hit = |id: u32, score: f32| (Fused { id, score, lexical: None, dense: None }, ());
        let file = |id: u32| Some(FileId::parse(&format!("file_{}", id / 100)).unwrap());
        let ids = |ranked: &[(Fused, ())], limit: usize| -> Vec<u32> {
            worth_consolidating(ranked, limit, file).iter().map(|(hit, ())| hit.id).collect()
        };
        let ranked = [hit(1, 0.8), hit(100, 0.7), hit(2, 0.5), hit(200, 0.27), hit(3, 0.27), hit(101, 0.1)];
        assert_eq!(ids(&ranked, 20), [1, 100, 2, 200], "the best of each file, and what comes near");
        assert_eq!(ids(&ranked, 1), [1, 2]);
        let many: Vec<_> = (0..90).map(|id| hit(id, 0.8)).chain([hit(100, 0.7)]).collect();
        assert_eq!(ids(&many, 20).len(), 51);
    }
}
