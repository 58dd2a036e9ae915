//! The passages of a bot that may be read now: all of them in pages, or those of some ids.
//!
//! Invariant: none is of a file that expired, and none of content that must not be shown under the tags its file has
//! now ([`File::readable`]).

use crate::files::is_expired;
use crate::kb::{Inner, Kb};
use crate::records::{self, PassageId, PassageRecord};
use crate::view::{FileEntry, Snapshot};
use crate::{Error, File};
use quarry_types::{FileId, Scope, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;

/// Passages read at once.
const PAGE: usize = 256;

/// A passage with its file, as search sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentPassage {
    /// UUID, stable for one generation of the file.
    pub id: String,
    /// The file.
    pub file: Arc<File>,
    /// Headings above it, outermost first.
    pub headings: Vec<String>,
    /// Its text, below the header of its table when that is not in it.
    pub text: String,
}

/// A reading of all passages of a bot, in the order of file ids and positions.
///
/// Each page is of one consistent cut, of which nothing is held between pages: what changes meanwhile may be left out,
/// and a file that is replaced while its passages are read is read again from its beginning.
pub struct CurrentPassages {
    kb: Kb,
    scope: Scope,
    /// Where the next page begins.
    from: Option<Place>,
    at_end: bool,
}

/// A passage of the published generation of a file.
#[derive(Clone)]
struct Place {
    file: FileId,
    generation: u32,
    position: u32,
}

impl Kb {
    /// Begins to read all passages of a bot.
    #[must_use]
    pub fn current_passages(&self, scope: &Scope) -> CurrentPassages {
        CurrentPassages { kb: self.clone(), scope: scope.clone(), from: None, at_end: false }
    }

    /// The passages that have these ids now, in no order; ids that no passage has are left out. Goes through the ids
    /// of all passages of the bot (not their records), for an id does not tell its file.
    ///
    /// # Errors
    /// When the store does not answer; `Busy` when files change faster than they can be read.
    pub async fn passages_of_ids(&self, scope: &Scope, ids: &[String]) -> Result<Vec<CurrentPassage>, Error> {
        let wanted: HashSet<PassageId> = ids.iter().filter_map(|id| PassageId::parse(id)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (view, wanted) = (self.inner.views.of(scope).await?, Arc::new(wanted));
        for _ in 0..Inner::READ_ATTEMPTS {
            let (snapshot, wanted) = (view.snapshot(), wanted.clone());
            let look = move || -> Vec<Found> {
                let is_wanted = |found: &Found| wanted.contains(&found.id());
                readable(&snapshot, None).filter(is_wanted).take(wanted.len()).collect()
            };
            let found = tokio::task::spawn_blocking(look).await?;
            if let Some(passages) = self.inner.read_found(scope, found).await? {
                return Ok(passages);
            }
            view.refresh_to_head(self.inner.store.as_ref()).await?;
        }
        Err(changing())
    }
}

impl CurrentPassages {
    /// The next passages, at most 256; none at the end.
    ///
    /// # Errors
    /// When the store does not answer; `Busy` when files change faster than they can be read.
    pub async fn next(&mut self) -> Result<Vec<CurrentPassage>, Error> {
        if self.at_end {
            return Ok(Vec::new());
        }
        let inner = &self.kb.inner;
        let view = inner.views.of(&self.scope).await?;
        for _ in 0..Inner::READ_ATTEMPTS {
            let snapshot = view.snapshot();
            let mut found: Vec<Found> = readable(&snapshot, self.from.as_ref()).take(PAGE + 1).collect();
            let next = if found.len() > PAGE { found.pop() } else { None };
            if let Some(passages) = inner.read_found(&self.scope, found).await? {
                self.at_end = next.is_none();
                self.from = next.map(|found| Place {
                    file: found.entry.file.id.clone(),
                    generation: found.generation,
                    position: found.position,
                });
                return Ok(passages);
            }
            view.refresh_to_head(inner.store.as_ref()).await?;
        }
        Err(changing())
    }
}

/// A passage whose record is not read yet.
struct Found {
    entry: Arc<FileEntry>,
    generation: u32,
    position: u32,
}

impl Found {
    fn id(&self) -> PassageId {
        PassageId::of(&self.entry.file.id, self.generation, self.position)
    }

    fn key(&self) -> quarry_store::Key {
        records::passage_key(&self.entry.file.id, self.generation, self.position)
    }
}

/// The passages that may be read, in order.
fn readable<'s>(snapshot: &'s Snapshot, from: Option<&Place>) -> impl Iterator<Item = Found> + use<'s> {
    let (now, from) = (Timestamp::now(), from.cloned());
    let files = match &from {
        Some(from) => snapshot.files.range(from.file.clone()..),
        None => snapshot.files.range::<_, FileId>(..),
    };
    files.filter(move |(_, entry)| !is_expired(&entry.found, now)).flat_map(move |(id, entry)| {
        let published = entry.file.readable();
        let (generation, passages) = published.map_or((0, 0), |of| (of.generation, of.passages));
        let goes_on = from.as_ref().filter(|from| from.file == *id && from.generation == generation);
        let first = goes_on.map_or(0, |from| from.position);
        (first..passages).map(move |position| Found { entry: entry.clone(), generation, position })
    })
}

impl Inner {
    /// `None` when a passage was replaced since it was found.
    async fn read_found(
        &self,
        scope: &Scope,
        found: Vec<Found>,
    ) -> Result<Option<Vec<CurrentPassage>>, Error> {
        let keys: Vec<_> = found.iter().map(Found::key).collect();
        let read = self.store.get(scope.bot(), &records::kb(), &keys).await?;
        let mut passages = Vec::with_capacity(found.len());
        for (found, record) in found.into_iter().zip(read) {
            let Some(record) = record else { return Ok(None) };
            let PassageRecord { passage, .. } = records::decode(&record.value)?;
            passages.push(CurrentPassage {
                id: found.id().to_string(),
                file: found.entry.found.clone(),
                text: passage.shown().into_owned(),
                headings: passage.heading_path,
            });
        }
        Ok(Some(passages))
    }
}

fn changing() -> Error {
    Error::Busy("the files keep changing; try again".into())
}
