//! Which items a search may return, and what it returns.

use roaring::RoaringBitmap;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The items a search may return. Filters come first: a search answers the best k *of these*.
#[derive(Debug, Clone, Copy)]
pub enum Candidates<'a> {
    /// Everything in the index.
    All,
    /// Only these.
    Only(&'a RoaringBitmap),
}

impl Candidates<'_> {
    /// Whether `id` may be returned.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        match self {
            Self::All => true,
            Self::Only(allowed) => allowed.contains(id),
        }
    }
}

/// Items handed on at once.
const AT_ONCE: usize = 1_024;

/// Hands on all items of a set in order, some at a time: sooner than one by one.
pub(crate) fn each_of(set: &RoaringBitmap, mut see: impl FnMut(&[u32])) {
    // roaring 0.12.0: `next_many` skips a run of all 65,536 items of a container.
    let mut plain = set.clone();
    plain.remove_run_compression();
    let (mut all, mut some) = (plain.iter(), [0; AT_ONCE]);
    loop {
        let read = all.next_many(&mut some);
        if read.is_empty() {
            return;
        }
        see(read);
    }
}

/// One found item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The item.
    pub id: u32,
    /// Higher is better: BM25 from the lexical index, cosine (−1 to 1) from a vector index.
    pub score: f32,
}

/// Best first; equal scores by ascending id. Total, so that results never depend on scan order.
impl Hit {
    fn rank(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

struct Ranked(Hit);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ranked {}
impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

/// Keeps the best k hits seen.
pub(crate) struct Best {
    k: usize,
    heap: BinaryHeap<Ranked>, // worst on top
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(4096) + 1) }
    }

    /// The score a hit must reach to matter: minus infinity until k hits are kept.
    #[inline]
    pub(crate) fn floor(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.k => worst.0.score,
            _ => f32::NEG_INFINITY,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, hit: Hit) {
        if self.k == 0 {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(Ranked(hit));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit.rank(&worst.0) == Ordering::Less
        {
            *worst = Ranked(hit);
        }
    }

    /// Best first.
    pub(crate) fn into_hits(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_of_a_set_is_handed_on_whether_in_runs_or_not() {
        let mut set = RoaringBitmap::from([3, 5, 70_000]);
        set.insert_range(131_072..400_000);
        set.extend((400_000..500_000).step_by(3));
        let mut seen = Vec::new();
        each_of(&set, |some| seen.extend_from_slice(some));
        assert!(seen.iter().copied().eq(&set));
        each_of(&RoaringBitmap::new(), |_| panic!("nothing to hand on"));
    }

    proptest! {
        #[test]
        fn best_equals_sort_and_cut(scores in prop::collection::vec(0u8..6, 0..60), k in 0usize..20) {
            let hits: Vec<Hit> = scores.iter().enumerate()
                .map(|(id, s)| Hit { id: id as u32, score: f32::from(*s) }).collect();
            let mut sorted = hits.clone();
            sorted.sort_by(Hit::rank);
            sorted.truncate(k);
            let mut best = Best::new(k);
            for hit in hits.iter().rev() {
                best.push(*hit);
            }
            prop_assert_eq!(best.into_hits(), sorted);
        }
    }
}
