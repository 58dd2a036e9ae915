//! What a walk remembers: the points it has seen, the best it has found and where it has yet to go.
//!
//! Knows numbers and likenesses only. Invariant: what is found is ordered, nearest first, and never more than `breadth`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A point with its likeness to what is sought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) likeness: f32,
    pub(super) point: u32,
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Near {}
impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.likeness.total_cmp(&other.likeness).then(other.point.cmp(&self.point))
    }
}

/// Which points a walk has seen. A byte for each, so that those of a large graph stay in the caches.
#[derive(Default)]
pub(super) struct Marks {
    seen: Vec<u8>,
    walk: u8,
}

impl Marks {
    pub(super) fn begin(&mut self, points: usize) {
        // While a graph is built every walk has one point more: old marks stay, for they are of old walks.
        if self.seen.len() < points {
            self.seen.resize(points, 0);
        }
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.seen.fill(0);
            self.walk = 1;
        }
    }

    /// Marks a point; whether it was new.
    #[inline]
    pub(super) fn enter(&mut self, point: u32) -> bool {
        match self.seen.get_mut(point as usize) {
            Some(mark) if *mark != self.walk => {
                *mark = self.walk;
                true
            }
            _ => false,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.seen.len()
    }
}

/// A point that was found.
#[derive(Debug, Clone, Copy)]
struct Place {
    near: Near,
    /// Not walked from yet.
    is_open: bool,
}

/// The best points so far, and the forbidden ones a walk may go on through.
#[derive(Default)]
pub(super) struct Pool {
    /// Nearest first; of equal ones the first seen is first.
    found: Vec<Place>,
    breadth: usize,
    /// All found before it have been walked from.
    next: usize,
    /// Not let through, not walked from yet. There may be many: they are not kept in order.
    through: BinaryHeap<Near>,
}

impl Pool {
    /// Empties it, for a walk that keeps `breadth` points, one at least.
    pub(super) fn begin(&mut self, breadth: usize) {
        self.found.clear();
        self.through.clear();
        (self.breadth, self.next) = (breadth.max(1), 0);
        self.found.reserve(self.breadth + 1);
    }

    /// What a point has to exceed to be of use.
    #[inline]
    pub(super) fn floor(&self) -> f32 {
        match self.found.last() {
            Some(last) if self.found.len() >= self.breadth => last.near.likeness,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Takes in a point that exceeds the floor; whether it is the next to walk from.
    pub(super) fn take(&mut self, near: Near, is_kept: bool) -> bool {
        if is_kept {
            let at = self.found.partition_point(|other| other.near.likeness >= near.likeness);
            self.found.insert(at, Place { near, is_open: true });
            self.found.truncate(self.breadth);
            self.next = self.next.min(at);
        } else {
            self.through.push(near);
        }
        self.next() == Some(near.point)
    }

    /// The nearest point not walked from yet, which it is from now on.
    pub(super) fn step(&mut self) -> Option<u32> {
        if let Some(forbidden) = self.forbidden() {
            self.through.pop();
            return Some(forbidden.point);
        }
        let open = self.found.get_mut(self.next)?;
        open.is_open = false;
        let point = open.near.point;
        let rest = self.found.get(self.next..).unwrap_or(&[]);
        self.next += rest.iter().take_while(|place| !place.is_open).count();
        Some(point)
    }

    /// What [`Pool::step`] would answer as things are.
    pub(super) fn next(&self) -> Option<u32> {
        let found = || self.found.get(self.next).map(|place| place.near);
        self.forbidden().or_else(found).map(|near| near.point)
    }

    /// The nearest forbidden point, where it is nearer than what was found and not walked from, and may lead on.
    fn forbidden(&self) -> Option<Near> {
        let nearest = *self.through.peek()?;
        let open = self.found.get(self.next).map_or(self.floor(), |place| place.near.likeness);
        (nearest.likeness > open).then_some(nearest)
    }

    /// The points let through, nearest first.
    pub(super) fn kept(&self) -> Vec<Near> {
        self.found.iter().map(|place| place.near).collect()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.found.capacity() * size_of::<Place>() + self.through.capacity() * size_of::<Near>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn marks_are_of_one_walk_and_growing_clears_none() {
        let mut marks = Marks::default();
        marks.begin(2);
        assert!(marks.enter(1) && !marks.enter(1) && !marks.enter(2));
        marks.begin(3);
        assert_eq!((marks.walk, marks.seen.as_slice()), (2, &[0, 1, 0][..]));
        assert!(marks.enter(1) && marks.enter(2));
        marks.walk = u8::MAX;
        marks.begin(3);
        assert_eq!((marks.walk, marks.seen.as_slice()), (1, &[0, 0, 0][..]));
    }

    #[test]
    fn a_pool_is_walked_from_its_nearest_and_forgets_what_lies_behind_its_breadth() {
        let mut pool = Pool::default();
        pool.begin(2);
        let near = |likeness: f32, point: u32| Near { likeness, point };
        assert_eq!((pool.floor(), pool.step()), (f32::NEG_INFINITY, None));
        assert!(pool.take(near(0.5, 1), true));
        assert!(!pool.take(near(0.4, 2), false), "farther than the next");
        assert_eq!((pool.step(), pool.next()), (Some(1), Some(2)));
        assert!(pool.take(near(0.6, 3), true));
        assert_eq!(pool.floor(), 0.5, "two are found: the third is of no use");
        assert_eq!((pool.step(), pool.next()), (Some(3), None));
        assert!(pool.take(near(0.7, 4), false), "a forbidden point is walked through");
        assert_eq!((pool.step(), pool.step()), (Some(4), None));
        assert_eq!(pool.kept(), [near(0.6, 3), near(0.5, 1)]);
        pool.begin(2);
        assert!(pool.kept().is_empty() && pool.next().is_none());
    }

    proptest! {
        #[test]
        fn a_pool_keeps_the_nearest_of_those_let_through(
            seen in prop::collection::vec((0u8..40, any::<bool>(), any::<bool>()), 0..60),
            breadth in 1usize..12,
        ) {
            let mut pool = Pool::default();
            pool.begin(breadth);
            let mut walked = Vec::new();
            for ((likeness, is_kept, steps), point) in seen.iter().zip(0..) {
                let near = Near { likeness: f32::from(*likeness), point };
                if near.likeness > pool.floor() {
                    pool.take(near, *is_kept);
                }
                if *steps {
                    let next = pool.next();
                    prop_assert_eq!(pool.step(), next);
                    walked.extend(next);
                }
            }
            let mut let_through: Vec<f32> =
                seen.iter().filter(|(_, is_kept, _)| *is_kept).map(|(near, ..)| f32::from(*near)).collect();
            let_through.sort_by(|a, b| b.total_cmp(a));
            let_through.truncate(breadth);
            let found: Vec<f32> = pool.kept().iter().map(|near| near.likeness).collect();
            prop_assert_eq!(found, let_through);
            walked.extend(std::iter::from_fn(|| pool.step()));
            let all = walked.len();
            walked.sort_unstable();
            walked.dedup();
            prop_assert_eq!(walked.len(), all, "none is walked from twice");
        }
    }
}
