//! The links of a navigable small world in flat arrays, and the walk along them.
//!
//! Knows rows of codes by point number; nothing of ids or deletes. Invariant: every stored link names
//! a point, and a list never holds more than its layer allows.

use super::super::simd::{Kernel, Step, prefetch};
use super::pool::{Marks, Near, Pool};
use parking_lot::Mutex;

/// One point in so many stands on each next layer.
const THINNING: u32 = 16;
/// Most layers; the 8th has a point in four billion.
pub(super) const LAYERS: usize = 8;
/// Scratches kept for walks to come; more walks at once make their own.
const SCRATCHES_KEPT: usize = 16;

/// What a walk works with, kept for walks to come.
#[derive(Default)]
struct Scratch {
    marks: Marks,
    pool: Pool,
    /// Neighbours not seen before.
    fresh: Vec<u32>,
}

impl Scratch {
    fn heap_bytes(&self) -> usize {
        self.marks.heap_bytes() + self.pool.heap_bytes() + self.fresh.capacity() * 4
    }
}

/// Code rows and links of all points, ready to be walked.
pub(super) struct Links {
    kernel: Kernel,
    parts: Parts,
    scratch: Mutex<Vec<Scratch>>,
}

/// What a graph is made of.
#[derive(Default)]
pub(super) struct Parts {
    /// Steps of a row of codes.
    pub(super) steps: usize,
    /// Most links of a point on the upper layers (`M`); the lowest has twice as many.
    pub(super) links: usize,
    pub(super) codes: Vec<Step>,
    pub(super) scales: Vec<f32>,
    /// Per point: how many, then the links of the lowest layer.
    pub(super) base: Vec<u32>,
    /// Per point: where its upper lists begin in `upper`; those without have none.
    pub(super) upper_at: Vec<u32>,
    pub(super) levels: Vec<u8>,
    pub(super) upper: Vec<u32>,
    pub(super) entry: Option<u32>,
}

impl Parts {
    /// Words of `base` per point: how many links, then places for them.
    pub(super) fn base_words(&self) -> usize {
        1 + 2 * self.links
    }

    /// Words of each list in `upper`.
    fn upper_words(&self) -> usize {
        1 + self.links
    }
}

const NO_UPPER: u32 = u32::MAX;

impl Links {
    pub(super) fn new(steps: usize, links: usize, points: usize) -> Self {
        Self::from_parts(Parts {
            steps,
            links,
            codes: Vec::with_capacity(points * steps),
            scales: Vec::with_capacity(points),
            base: Vec::with_capacity(points * (1 + 2 * links)),
            upper_at: Vec::with_capacity(points),
            levels: Vec::with_capacity(points),
            upper: Vec::new(),
            entry: None,
        })
    }

    pub(super) fn from_parts(parts: Parts) -> Self {
        Self { kernel: Kernel::best(), parts, scratch: Mutex::default() }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let scratch: usize = self.scratch.lock().iter().map(Scratch::heap_bytes).sum();
        let words = self.parts.scales.len()
            + self.parts.base.len()
            + self.parts.upper_at.len()
            + self.parts.upper.len();
        size_of_val(self.parts.codes.as_slice()) + self.parts.levels.len() + words * 4 + scratch
    }

    pub(super) fn row(&self, point: u32) -> &[Step] {
        let start = point as usize * self.parts.steps;
        self.parts.codes.get(start..start + self.parts.steps).unwrap_or(&[])
    }

    /// Code row and scale of a point.
    pub(super) fn coded(&self, point: u32) -> (&[Step], f32) {
        (self.row(point), self.parts.scales.get(point as usize).copied().unwrap_or(0.0))
    }

    /// Likeness of a row of codes to a point, up to the row's own scale.
    pub(super) fn likeness(&self, code: &[Step], point: u32) -> f32 {
        let scale = self.parts.scales.get(point as usize).copied().unwrap_or(0.0);
        self.kernel.dot(code, self.row(point)) as f32 * scale
    }

    fn neighbours(&self, point: u32, layer: usize) -> &[u32] {
        let list = match layer {
            0 => self.parts.base.get(self.base_range(point)),
            _ => self
                .upper_start(point, layer)
                .and_then(|start| self.parts.upper.get(start..start + self.parts.upper_words())),
        };
        let (count, links) = list.and_then(<[u32]>::split_first).unwrap_or((&0, &[]));
        links.get(..*count as usize).unwrap_or(&[])
    }

    /// Asks the memory for the list of a point of the lowest layer; few others are read.
    fn ask_for_links(&self, point: u32, layer: usize) {
        if layer == 0 {
            prefetch(self.parts.base.get(self.base_range(point)).unwrap_or(&[]));
        }
    }

    fn base_range(&self, point: u32) -> std::ops::Range<usize> {
        let words = self.parts.base_words();
        point as usize * words..(point as usize + 1) * words
    }

    fn upper_start(&self, point: u32, layer: usize) -> Option<usize> {
        let at = *self.parts.upper_at.get(point as usize)?;
        let level = usize::from(*self.parts.levels.get(point as usize)?);
        (at != NO_UPPER && (1..=level).contains(&layer))
            .then(|| at as usize + (layer - 1) * self.parts.upper_words())
    }

    fn set_neighbours(&mut self, point: u32, layer: usize, links: &[u32]) {
        let (words, range) = (self.parts.upper_words(), self.base_range(point));
        let list = match layer {
            0 => self.parts.base.get_mut(range),
            _ => match self.upper_start(point, layer) {
                Some(start) => self.parts.upper.get_mut(start..start + words),
                None => None,
            },
        };
        if let Some((count, places)) = list.and_then(<[u32]>::split_first_mut) {
            let kept = links.len().min(places.len());
            *count = kept as u32;
            for (to, link) in places.iter_mut().zip(links) {
                *to = *link;
            }
        }
    }

    fn level(&self, point: u32) -> usize {
        self.parts.levels.get(point as usize).copied().map_or(0, usize::from)
    }

    /// Adds the next point, keeping `breadth` candidates on each layer.
    pub(super) fn insert(&mut self, code: &[Step], scale: f32, breadth: usize) {
        let point = self.parts.scales.len() as u32;
        self.parts.codes.extend_from_slice(code);
        self.parts.scales.push(scale);
        self.parts.base.resize(self.parts.base.len() + self.parts.base_words(), 0);
        let level = level_of(point);
        self.parts.levels.push(level as u8);
        match level {
            0 => self.parts.upper_at.push(NO_UPPER),
            _ => {
                self.parts.upper_at.push(self.parts.upper.len() as u32);
                self.parts.upper.resize(self.parts.upper.len() + level * self.parts.upper_words(), 0);
            }
        }
        let Some(entry) = self.parts.entry else {
            self.parts.entry = Some(point);
            return;
        };
        let top = self.level(entry);
        let mut starts = vec![self.descend(code, entry, top, level)];
        for layer in (0..=level.min(top)).rev() {
            let found = self.walk_layer(code, &starts, layer, breadth, usize::MAX, |p| p != point).0;
            let chosen = self.choose(scale, &found, self.parts.links);
            self.set_neighbours(point, layer, &chosen);
            for other in chosen {
                self.link_back(other, point, layer);
            }
            starts = found.iter().map(|near| near.point).collect();
        }
        if level > top {
            self.parts.entry = Some(point);
        }
    }

    /// Greedily down from `top` to just above `level`.
    fn descend(&self, code: &[Step], entry: u32, top: usize, level: usize) -> u32 {
        let mut at = Near { likeness: self.likeness(code, entry), point: entry };
        for layer in (level + 1..=top).rev() {
            loop {
                let near = |point: &u32| Near { likeness: self.likeness(code, *point), point: *point };
                match self.neighbours(at.point, layer).iter().map(near).max() {
                    Some(better) if better.likeness > at.likeness => at = better,
                    _ => break,
                }
            }
        }
        at.point
    }

    /// Of candidates, nearest first, those not nearer to one already chosen: links in all directions. Among points that
    /// lie close together these are few, so that others from near to far fill them up to half of what there may be.
    fn choose(&self, scale: f32, candidates: &[Near], most: usize) -> Vec<u32> {
        let mut chosen: Vec<u32> = Vec::with_capacity(most);
        let mut passed: Vec<u32> = Vec::new();
        for near in candidates {
            if chosen.len() == most {
                break;
            }
            let own = self.parts.scales.get(near.point as usize).copied().unwrap_or(0.0);
            let row = self.row(near.point);
            let free = |other: &u32| self.likeness(row, *other) * own < near.likeness * scale;
            if chosen.iter().all(free) {
                chosen.push(near.point);
            } else {
                passed.push(near.point);
            }
        }
        let missing = (most / 2).saturating_sub(chosen.len()).min(passed.len());
        chosen.extend((0..missing).filter_map(|at| passed.get(at * passed.len() / missing)));
        chosen
    }

    fn link_back(&mut self, point: u32, new: u32, layer: usize) {
        let most = if layer == 0 { 2 * self.parts.links } else { self.parts.links };
        let mut links = self.neighbours(point, layer).to_vec();
        links.push(new);
        if links.len() > most {
            let row = self.row(point);
            let near = |other: &u32| Near { likeness: self.likeness(row, *other), point: *other };
            let mut candidates: Vec<Near> = links.iter().map(near).collect();
            candidates.sort_unstable_by(|a, b| b.cmp(a));
            let scale = self.parts.scales.get(point as usize).copied().unwrap_or(0.0);
            links = self.choose(scale, &candidates, most);
        }
        self.set_neighbours(point, layer, &links);
    }

    /// Makes a point the first link of others on the lowest layer. Answers the last links of those that had no room.
    pub(super) fn tie(&mut self, point: u32, others: &[u32]) -> Vec<u32> {
        let most = 2 * self.parts.links;
        let mut untied = Vec::new();
        for other in others.iter().filter(|other| **other != point) {
            let mut links = self.neighbours(*other, 0).to_vec();
            if !links.contains(&point) {
                links.insert(0, point);
                untied.extend(links.drain(most.min(links.len())..));
                self.set_neighbours(*other, 0, &links);
            }
        }
        untied
    }

    /// The nearest points that `keep` lets through, at most `breadth`, nearest first; and whether the
    /// walk came to its end within `visits` looked-at points.
    pub(super) fn walk(
        &self,
        code: &[Step],
        breadth: usize,
        visits: usize,
        keep: impl Fn(u32) -> bool,
    ) -> (Vec<Near>, bool) {
        let Some(entry) = self.parts.entry else { return (Vec::new(), true) };
        let start = self.descend(code, entry, self.level(entry), 0);
        self.walk_layer(code, &[start], 0, breadth, visits, keep)
    }

    fn walk_layer(
        &self,
        code: &[Step],
        starts: &[u32],
        layer: usize,
        breadth: usize,
        visits: usize,
        keep: impl Fn(u32) -> bool,
    ) -> (Vec<Near>, bool) {
        let mut scratch = self.scratch.lock().pop().unwrap_or_default();
        let Scratch { marks, pool, fresh } = &mut scratch;
        marks.begin(self.parts.scales.len());
        pool.begin(breadth);
        let mut left = visits;
        fresh.clear();
        fresh.extend(starts.iter().filter(|start| marks.enter(**start)));
        loop {
            for point in fresh.iter() {
                let near = Near { likeness: self.likeness(code, *point), point: *point };
                if near.likeness > pool.floor() && pool.take(near, keep(*point)) {
                    self.ask_for_links(*point, layer);
                }
            }
            left = left.saturating_sub(fresh.len());
            let Some(next) = (left > 0).then(|| pool.step()).flatten() else { break };
            if let Some(after) = pool.next() {
                self.ask_for_links(after, layer);
            }
            fresh.clear();
            for point in self.neighbours(next, layer) {
                if marks.enter(*point) {
                    prefetch(self.row(*point));
                    prefetch(self.parts.scales.get(*point as usize..=*point as usize).unwrap_or(&[]));
                    fresh.push(*point);
                }
            }
        }
        let found = pool.kept();
        let mut kept = self.scratch.lock();
        if kept.len() < SCRATCHES_KEPT {
            kept.push(scratch);
        }
        (found, left > 0)
    }
}

/// Layers above the lowest that a point stands on: one in [`THINNING`] on each next, fixed by its number.
fn level_of(point: u32) -> usize {
    let mut bits = (u64::from(point) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    (bits.trailing_zeros() / THINNING.trailing_zeros()).min(LAYERS as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn one_point_in_sixteen_stands_on_each_next_layer() {
        let levels: Vec<usize> = (0..64_000).map(level_of).collect();
        let above = |layer: usize| levels.iter().filter(|level| **level >= layer).count();
        assert!((3_600..4_400).contains(&above(1)), "{}", above(1));
        assert!((180..330).contains(&above(2)), "{}", above(2));
    }

    /// Points on a circle, in the first two numbers of their codes.
    fn circle(points: u32) -> Links {
        let mut links = Links::new(1, 4, points as usize);
        for point in 0..points {
            let angle = point as f32 / points as f32 * std::f32::consts::TAU;
            let mut code = Step::ZERO;
            (code.0[0], code.0[1]) = ((angle.cos() * 120.0) as i8, (angle.sin() * 120.0) as i8);
            links.insert(&[code], 1.0, 32);
        }
        links
    }

    #[test]
    fn a_point_without_links_to_it_is_tied_to_its_neighbours() {
        let mut links = circle(60);
        let lost = 37;
        for point in 0..60 {
            for layer in 0..LAYERS {
                let others: Vec<u32> =
                    links.neighbours(point, layer).iter().copied().filter(|p| *p != lost).collect();
                links.set_neighbours(point, layer, &others);
            }
        }
        let row = links.row(lost).to_vec();
        let walk = |links: &Links| -> Vec<u32> {
            links.walk(&row, 8, usize::MAX, |_| true).0.iter().map(|near| near.point).collect()
        };
        let found = walk(&links);
        assert!(!found.contains(&lost), "{found:?}");
        links.tie(lost, &found[..3]);
        assert_eq!(walk(&links)[0], lost);
        assert!(links.tie(lost, &[lost]).is_empty() && !links.neighbours(lost, 0).contains(&lost));
        // In a full list ties take the places of the last links, not of each other.
        let full: Vec<u32> = (1..9).collect();
        links.set_neighbours(0, 0, &full);
        assert_eq!(
            (links.tie(20, &[0]), links.tie(21, &[0]), links.tie(21, &[0])),
            (vec![8], vec![7], vec![])
        );
        assert_eq!(links.neighbours(0, 0), [21, 20, 1, 2, 3, 4, 5, 6]);
    }

    /// The walk as it is described: of all that is open the nearest next, until that lies behind `breadth` found.
    fn walked_plainly(links: &Links, code: &[Step], breadth: usize, keep: impl Fn(u32) -> bool) -> Vec<Near> {
        let near = |point: u32| Near { likeness: links.likeness(code, point), point };
        let entry = links.parts.entry.unwrap();
        let mut open = vec![near(links.descend(code, entry, links.level(entry), 0))];
        let mut seen: Vec<u32> = vec![open[0].point];
        let mut found: Vec<Near> = open.iter().copied().filter(|near| keep(near.point)).collect();
        while let Some(next) = open.iter().copied().max() {
            let floor = found.get(breadth - 1).map_or(f32::NEG_INFINITY, |last| last.likeness);
            if next.likeness < floor {
                break;
            }
            open.retain(|near| *near != next);
            for point in links.neighbours(next.point, 0) {
                if !seen.contains(point) {
                    seen.push(*point);
                    open.push(near(*point));
                    found.extend(open.last().filter(|near| keep(near.point)));
                }
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.truncate(breadth);
        }
        found
    }

    #[test]
    fn a_walk_under_a_filter_goes_where_one_without_order_goes() {
        let mut rng = StdRng::seed_from_u64(8);
        let mut links = Links::new(1, 6, 800);
        let mut code = || [Step(std::array::from_fn(|_| rng.random_range(-127..=127)))];
        (0..800).for_each(|_| links.insert(&code(), 1.0, 40));
        for _ in 0..20 {
            let asked = code();
            let near = |point: u32| links.likeness(&asked, point) > 0.0;
            let filters: [&dyn Fn(u32) -> bool; 4] =
                [&|_| true, &|point| point % 7 == 0, &near, &|point| !near(point)];
            for keep in filters {
                for breadth in [1, 10, 60] {
                    let (found, whole) = links.walk(&asked, breadth, usize::MAX, keep);
                    assert!(whole);
                    // Which of two equally near points comes first is open.
                    let likenesses =
                        |found: &[Near]| found.iter().map(|near| near.likeness).collect::<Vec<_>>();
                    let plainly = walked_plainly(&links, &asked, breadth, keep);
                    assert_eq!(likenesses(&found), likenesses(&plainly));
                    assert!(found.iter().all(|near| keep(near.point)));
                }
            }
            let (_, whole) = links.walk(&asked, 10, 30, |point| !near(point));
            assert!(!whole, "a walk that looks at more than it may has not come to its end");
        }
    }

    #[test]
    fn sparse_lists_are_filled_to_half() {
        let links = circle(200);
        let row = links.row(0);
        let mut near: Vec<Near> =
            (1..200).map(|point| Near { likeness: links.likeness(row, point), point }).collect();
        near.sort_unstable_by(|a, b| b.cmp(a));
        // On a circle the nearest on either side are nearer to all others.
        let chosen = links.choose(1.0, &near, 16);
        assert_eq!(chosen.len(), 8, "{chosen:?}");
        assert!(chosen.iter().any(|point| (50..150).contains(point)), "also far ones: {chosen:?}");
    }
}
