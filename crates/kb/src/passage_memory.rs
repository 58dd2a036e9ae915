//! Passages read lately, so that what is found often is not fetched and decoded for every search.
//!
//! Bounded in bytes over all bots. Invariant: a passage is found under the view and the number it was read for only. It
//! never changes under its number, so what is kept is never out of date.

use crate::records::PassageRecord;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// What is kept of all bots together, in bytes.
const BYTES: u64 = 16 << 20;
/// Of a passage beside its texts, in bytes.
const OVERHEAD: usize = 300;

/// The memory of one engine.
pub(crate) struct PassageMemory {
    kept: Cache<PassageKey, Arc<PassageRecord>, Size>,
}

/// Number of the view, of the passage.
type PassageKey = (u64, u32);

#[derive(Clone)]
struct Size;

impl Weighter<PassageKey, Arc<PassageRecord>> for Size {
    fn weight(&self, _: &PassageKey, record: &Arc<PassageRecord>) -> u64 {
        let passage = &record.passage;
        let headings = passage.heading_path.iter().chain(&passage.table_header);
        let headings: usize = headings.map(|heading| heading.len() + 24).sum();
        (OVERHEAD + passage.text.len() + headings) as u64
    }
}

impl Default for PassageMemory {
    fn default() -> Self {
        let passages = usize::try_from(BYTES).unwrap_or(usize::MAX) / 1_000;
        Self { kept: Cache::with_weighter(passages, BYTES, Size) }
    }
}

impl PassageMemory {
    /// A passage of a view, if it is known.
    pub(crate) fn recall(&self, view: u64, ordinal: u32) -> Option<Arc<PassageRecord>> {
        self.kept.get(&(view, ordinal))
    }

    /// Remembers a passage of a view.
    pub(crate) fn keep(&self, view: u64, record: &Arc<PassageRecord>) {
        self.kept.insert((view, record.ordinal), record.clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_types::{CharRange, Passage, PassageKind};

    fn record(ordinal: u32, text: &str) -> Arc<PassageRecord> {
        let passage = Passage {
            position: 0,
            text: text.to_owned(),
            heading_path: vec!["Title".to_owned()],
            table_header: None,
            page: None,
            range: CharRange { start: 0, end: 1 },
            kind: PassageKind::Paragraph,
        };
        Arc::new(PassageRecord { ordinal, passage, vector: String::new() })
    }

    #[test]
    fn a_passage_is_known_in_its_view_only_and_the_memory_is_bounded() {
        let memory = PassageMemory::default();
        memory.keep(1, &record(7, "of view one"));
        assert_eq!(memory.recall(1, 7).unwrap().passage.text, "of view one");
        assert!(memory.recall(2, 7).is_none() && memory.recall(1, 8).is_none());
        let long = "x".repeat(100_000);
        for ordinal in 0..1_000 {
            memory.keep(3, &record(ordinal, &long));
        }
        assert!(memory.kept.weight() <= BYTES, "{} bytes", memory.kept.weight());
        assert!((0..1_000).any(|ordinal| memory.recall(3, ordinal).is_some()));
    }
}
