//! What the indexes hold of each row against what the row says now.
//!
//! Knows hashes only, no texts and no indexes. Invariant: a row is shown exactly when both indexes
//! hold its current text, or it was excused from vectors and holds none.

use super::text::TextHash;
use quarry_store::Seq;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowState {
    /// Its text now; 0 = none or no row.
    pub(crate) text: TextHash,
    /// The text the lexical index holds; 0 = none.
    pub(crate) words: TextHash,
    /// The text its vectors are of; 0 = it has none.
    pub(crate) vectors: TextHash,
    /// How many vectors it has.
    pub(crate) count: u32,
    /// The commit that wrote it.
    pub(crate) seq: Seq,
}

/// Why a row is searched by words only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// There is no room in the vector quota.
    Quota,
    /// The model cannot embed it.
    Model,
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// Row changes up to here are known.
    pub(crate) seq: Seq,
    rows: HashMap<u32, RowState>,
    words_due: BTreeSet<u32>,
    vectors_due: BTreeSet<(Seq, u32)>,
    over_quota: RoaringBitmap,
    refused: RoaringBitmap,
    hidden: RoaringBitmap,
    waiting: RoaringBitmap,
}

impl Tracker {
    pub(crate) fn state(&self, id: u32) -> RowState {
        self.rows.get(&id).copied().unwrap_or_default()
    }

    /// All rows known.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.rows.keys().copied().collect()
    }

    /// A row has this text as of a commit; 0 = none, or the row is gone.
    pub(crate) fn saw(&mut self, id: u32, seq: Seq, text: TextHash) {
        if text == 0 && !self.rows.contains_key(&id) {
            return;
        }
        let before = self.state(id);
        if before.text != text {
            self.over_quota.remove(id);
            self.refused.remove(id);
        }
        self.change(id, |row| (row.seq, row.text) = (seq, text));
    }

    /// The lexical index holds this text of a row.
    pub(crate) fn words_are(&mut self, id: u32, text: TextHash) {
        self.change(id, |row| row.words = text);
    }

    /// A row has this many vectors of a text.
    pub(crate) fn vectors_are(&mut self, id: u32, text: TextHash, count: u32) {
        self.change(id, |row| (row.vectors, row.count) = (text, count));
    }

    /// A row is to be found by words only, until its text changes.
    pub(crate) fn excuse(&mut self, id: u32, why: Excuse) {
        match why {
            Excuse::Quota => self.over_quota.insert(id),
            Excuse::Model => self.refused.insert(id),
        };
        self.change(id, |_| {});
    }

    /// Makes up to `most` rows wait again that found no room in the quota.
    pub(crate) fn retry_over_quota(&mut self, most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        for id in self.over_quota.iter().take(most).collect::<Vec<_>>() {
            self.over_quota.remove(id);
            self.change(id, |_| {});
        }
    }

    fn change(&mut self, id: u32, change: impl FnOnce(&mut RowState)) {
        let row = self.rows.entry(id).or_default();
        let before = row.seq;
        change(row);
        let row = *row;
        self.vectors_due.remove(&(before, id));
        let excused = self.over_quota.contains(id) || self.refused.contains(id);
        let wanted = if excused { 0 } else { row.text };
        if row.vectors != wanted {
            self.vectors_due.insert((row.seq, id));
        }
        if row.words == row.text {
            self.words_due.remove(&id);
        } else {
            self.words_due.insert(id);
        }
        let shown = row.text != 0 && row.words == row.text && row.vectors == wanted;
        let set = |bits: &mut RoaringBitmap, on: bool| if on { bits.insert(id) } else { bits.remove(id) };
        set(&mut self.hidden, !shown);
        set(&mut self.waiting, !shown && row.text != 0);
        if (row.text, row.words, row.vectors) == (0, 0, 0) {
            self.rows.remove(&id);
            self.hidden.remove(id);
        }
    }

    /// Rows the lexical index must take in or drop.
    pub(crate) fn next_words(&self, most: usize) -> Vec<u32> {
        self.words_due.iter().take(most).copied().collect()
    }

    /// Rows whose vectors must be made or dropped: in turn the newest, so that a fresh write does not
    /// wait for a long backlog, and the oldest, so that nothing waits for ever.
    pub(crate) fn next_vectors(&self, most: usize) -> Vec<u32> {
        let mut ids = Vec::with_capacity(most.min(self.vectors_due.len()));
        let mut due = self.vectors_due.iter().map(|(_, id)| *id);
        while ids.len() < most {
            let Some(newest) = due.next_back() else { break };
            ids.push(newest);
            if ids.len() < most {
                ids.extend(due.next());
            }
        }
        ids
    }

    /// Whether a row is excused from vectors.
    pub(crate) fn is_excused(&self, id: u32) -> bool {
        self.over_quota.contains(id) || self.refused.contains(id)
    }

    pub(crate) fn words_due(&self) -> usize {
        self.words_due.len()
    }

    pub(crate) fn vectors_due(&self) -> usize {
        self.vectors_due.len()
    }

    /// Rows the indexes hold that must not be shown.
    pub(crate) fn hidden(&self) -> &RoaringBitmap {
        &self.hidden
    }

    /// Rows with text that are not shown yet.
    pub(crate) fn waiting(&self) -> &RoaringBitmap {
        &self.waiting
    }

    /// Rows without vectors for want of quota.
    pub(crate) fn over_quota(&self) -> u64 {
        self.over_quota.len()
    }

    /// Rough size in memory.
    pub(crate) fn heap_bytes(&self) -> usize {
        let due = (self.words_due.len() + self.vectors_due.len()) * 24;
        self.rows.capacity() * (size_of::<RowState>() + 8) + due
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Saw(u32, TextHash),
        Words(u32),
        Vectors(u32),
        Excuse(u32),
        Retry(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..6_u32, 0..4_u64).prop_map(|(id, text)| Step::Saw(id, text)),
            (1..6_u32).prop_map(Step::Words),
            (1..6_u32).prop_map(Step::Vectors),
            (1..6_u32).prop_map(Step::Excuse),
            (0..3_u64).prop_map(Step::Retry),
        ]
    }

    fn settle(tracker: &mut Tracker) {
        for id in tracker.next_words(100) {
            tracker.words_are(id, tracker.state(id).text);
        }
        for id in tracker.next_vectors(100) {
            let wanted = if tracker.is_excused(id) { 0 } else { tracker.state(id).text };
            tracker.vectors_are(id, wanted, u32::from(wanted != 0));
        }
    }

    proptest! {
        #[test]
        fn rows_are_shown_when_both_indexes_are_current(steps in proptest::collection::vec(step(), 0..60)) {
            let mut tracker = Tracker::default();
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Saw(id, text) => tracker.saw(id, at as Seq, text),
                    Step::Words(id) if tracker.next_words(9).contains(&id) => tracker.words_are(id, tracker.state(id).text),
                    Step::Vectors(id) if tracker.next_vectors(9).contains(&id) => {
                        let wanted = if tracker.is_excused(id) { 0 } else { tracker.state(id).text };
                        tracker.vectors_are(id, wanted, 1);
                    }
                    Step::Excuse(id) if tracker.state(id).text != 0 => tracker.excuse(id, Excuse::Quota),
                    Step::Retry(most) => tracker.retry_over_quota(most),
                    _ => {}
                }
                for id in 1..6 {
                    let row = tracker.state(id);
                    let wanted = if tracker.is_excused(id) { 0 } else { row.text };
                    let current = row.words == row.text && row.vectors == wanted;
                    prop_assert_eq!(tracker.waiting.contains(id), row.text != 0 && !current);
                    prop_assert_eq!(tracker.hidden.contains(id), tracker.rows.contains_key(&id) && !(row.text != 0 && current));
                    prop_assert_eq!(tracker.words_due.contains(&id), row.words != row.text);
                    prop_assert_eq!(tracker.vectors_due.iter().filter(|(_, due)| *due == id).count(), usize::from(row.vectors != wanted));
                }
            }
            settle(&mut tracker);
            prop_assert_eq!((tracker.waiting().len(), tracker.words_due(), tracker.vectors_due()), (0, 0, 0));
            prop_assert!(tracker.rows.values().all(|row| row.text != 0), "rows without text are forgotten");
        }
    }

    #[test]
    fn fresh_rows_and_old_ones_share_a_batch() {
        let mut tracker = Tracker::default();
        (1..=100).for_each(|id| tracker.saw(id, u64::from(id), 7));
        assert_eq!(tracker.next_vectors(4), [100, 1, 99, 2]);
        assert_eq!(tracker.next_vectors(1), [100]);
        assert_eq!(tracker.next_vectors(1_000).len(), 100);
    }
}
