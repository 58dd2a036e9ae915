//! What recent filters let through, kept as long as the snapshot it is true of.
//!
//! A bot asks with the same few filters all day, and reading the tags of every file costs more than
//! searching. Invariant: an answer is what [`Snapshot::ordinals`] says of this very snapshot.

use crate::TagFilter;
use crate::search::Search;
use crate::view::Snapshot;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Filters kept of one snapshot; each costs two bytes per passage it lets through at most.
const KEPT: usize = 32;

/// The parts of a search that name files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    tags: TagFilter,
    bases: Option<BTreeSet<String>>,
    files: Option<Vec<String>>,
}

/// The last filters asked for, newest first.
#[derive(Debug, Default)]
pub(crate) struct Allowed(Mutex<VecDeque<(Filter, Arc<RoaringBitmap>)>>);

impl Filter {
    fn is_of(&self, search: &Search) -> bool {
        self.tags == search.tags && self.bases == search.bases && self.files == search.files
    }
}

impl Allowed {
    /// The passages of `snapshot` that the filter of `search` lets through; files past their time count.
    pub(crate) fn of(&self, snapshot: &Snapshot, search: &Search) -> Arc<RoaringBitmap> {
        if let Some(known) = self.known(search) {
            return known;
        }
        let passages = Arc::new(snapshot.ordinals(|file| search.admits(file)));
        let (tags, bases, files) = (search.tags.clone(), search.bases.clone(), search.files.clone());
        let mut kept = self.0.lock();
        // Others may have asked the same meanwhile.
        kept.retain(|(filter, _)| !filter.is_of(search));
        kept.push_front((Filter { tags, bases, files }, passages.clone()));
        kept.truncate(KEPT);
        passages
    }

    /// Bytes of memory held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.lock().iter().map(|(_, passages)| passages.serialized_size()).sum()
    }

    /// What the filter of `search` lets through, where it was asked for before.
    pub(crate) fn known(&self, search: &Search) -> Option<Arc<RoaringBitmap>> {
        let mut kept = self.0.lock();
        let at = kept.iter().position(|(filter, _)| filter.is_of(search))?;
        let found = kept.remove(at)?;
        let passages = found.1.clone();
        kept.push_front(found);
        Some(passages)
    }
}
