//! HNSW over int8 codes for large sets: a sealed, read-only graph.
//!
//! Knows neither delete nor update: the set around it drops dead ids and scans newer vectors. Dead ends are
//! found at build time: items a search for their own vector does not reach are listed and scanned. A filter
//! is part of the walk, so a narrow one is answered from its own neighbourhood. Invariant: what a walk
//! returns was let through by the filter.

mod calibrate;
mod file;
mod links;
mod pool;

pub(super) use calibrate::Calibration;

use super::exact::ExactInt8;
use super::{Query, VectorIndex};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error, Hit};
use links::Links;
use roaring::RoaringBitmap;

/// Candidates kept while building: with 16 links the setting other HNSW engines are measured at.
const EF_BUILD: usize = 200;
/// Breadth at which a point must find itself.
const EF_CHECK: usize = 64;
/// Share of points whose place a search may miss before the whole graph is refused.
const LOST_MAX: f64 = 0.05;
/// The same for all points that do not find themselves: past it too much would be searched exactly anyway.
const UNREACHABLE_MAX: f64 = 0.5;

/// Neighbours that a point not found is tied to.
const TIES: usize = 3;
/// Rounds in which points are looked for; before the last, those not found are tied.
const CHECKS: usize = 4;

/// What a search for a point's own vector finds.
enum Found {
    Itself,
    /// Ten others that are as near.
    Equal,
    /// Other points, farther than itself.
    Others(Vec<u32>),
}

/// A sealed graph over the vectors of one moment.
pub struct HnswIndex {
    links: Links,
    /// Item of each point, ascending.
    ids: Vec<u32>,
    vectors: ExactInt8,
    unreachable: RoaringBitmap,
    calibration: Calibration,
}

impl HnswIndex {
    /// Builds over all of `vectors` with `links` (`M`) per point, on the calling thread; `search_speed --graph` prints the time.
    /// `stop` is asked now and then.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when told to stop; [`Error::Unreachable`] when the graph does not find
    /// its own points.
    pub fn build(vectors: &ExactInt8, links: usize, stop: &dyn Fn() -> bool) -> Result<Self> {
        let mut links = Links::new(super::steps(vectors.dims()), links, vectors.len());
        let mut ids = Vec::with_capacity(vectors.len());
        for (done, (id, code, scale)) in vectors.codes().enumerate() {
            if done.is_multiple_of(128) && stop() {
                return Err(Error::Cancelled);
            }
            links.insert(code, scale, EF_BUILD);
            ids.push(id);
        }
        let (unreachable, calibration) = (RoaringBitmap::new(), Calibration::default());
        let mut built = Self { links, ids, vectors: vectors.clone(), unreachable, calibration };
        built.check(stop)?;
        built.calibration = Calibration::measure(&built, stop)?;
        Ok(built)
    }

    /// Searches every point by its own vector, and ties those to their neighbours that are not found: where points lie
    /// close together, all lists of links may have filled with others.
    fn check(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        let (mut unreachable, mut lost) = (RoaringBitmap::new(), 0);
        let mut asked: Vec<u32> = (0..self.ids.len() as u32).collect();
        for round in 0..CHECKS {
            // Those not found, and those whose links ties have displaced.
            let mut again = Vec::new();
            for (done, point) in asked.into_iter().enumerate() {
                if done.is_multiple_of(128) && stop() {
                    return Err(Error::Cancelled);
                }
                match self.found(point) {
                    Found::Itself => {}
                    Found::Others(nearest) if round + 1 < CHECKS => {
                        again.push(point);
                        again.extend(self.links.tie(point, &nearest));
                    }
                    found => {
                        unreachable.extend(self.ids.get(point as usize));
                        lost += usize::from(matches!(found, Found::Others(_)));
                    }
                }
            }
            again.sort_unstable();
            again.dedup();
            asked = again;
        }
        let (points, hidden) = (self.vectors.len(), unreachable.len() as usize);
        let more_than = |count: usize, share: f64| count as f64 > points as f64 * share;
        if more_than(lost, LOST_MAX) || more_than(hidden, UNREACHABLE_MAX) {
            return Err(Error::Unreachable { found: points - hidden, points });
        }
        self.unreachable = unreachable;
        Ok(())
    }

    /// What a search for a point's own vector finds.
    fn found(&self, point: u32) -> Found {
        let row = self.links.row(point);
        let (mut found, _) = self.links.walk(row, EF_CHECK, usize::MAX, |_| true);
        if found.iter().take(10).any(|near| near.point == point) {
            return Found::Itself;
        }
        // Many equal vectors hide one another in any ranking; that is no damage to the graph.
        let own = self.links.likeness(row, point);
        if found.get(9).is_some_and(|tenth| tenth.likeness >= own) {
            return Found::Equal;
        }
        found.truncate(TIES);
        Found::Others(found.into_iter().map(|near| near.point).collect())
    }

    /// The vectors the graph was built over; of a graph in use their ids alone.
    pub(super) fn vectors(&self) -> &ExactInt8 {
        &self.vectors
    }

    /// Lets the vectors go and keeps their ids: those of a graph in use are in the set around it.
    pub(super) fn without_vectors(mut self) -> Self {
        self.vectors = self.vectors.ids_only();
        self
    }

    /// Ids whose vector in `exact` is not the one the graph was built with (or that it lacks), and its own
    /// ids that are gone.
    pub(super) fn changes_to(&self, exact: &ExactInt8) -> (RoaringBitmap, RoaringBitmap) {
        let mut changed = exact.ids() - self.vectors.ids();
        let points = (0_u32..).zip(&self.ids);
        changed.extend(points.filter_map(|(point, id)| {
            let now = exact.code(*id)?;
            (now != self.links.coded(point)).then_some(*id)
        }));
        (changed, self.vectors.ids() - exact.ids())
    }

    /// Items only an exact search is sure to find.
    pub(super) fn unreachable(&self) -> &RoaringBitmap {
        &self.unreachable
    }

    /// Links per point (`M`).
    pub(super) fn links(&self) -> usize {
        self.links.parts().links
    }

    /// What recall a breadth gives here.
    pub(super) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// About the `breadth` nearest ids by code that `keep` lets through, nearest first; and whether the
    /// walk came to its end within `visits` looked-at points.
    pub(super) fn nearest(
        &self,
        query: &Query,
        breadth: usize,
        visits: usize,
        keep: impl Fn(u32) -> bool,
    ) -> (Vec<u32>, bool) {
        let id = |point: u32| self.ids.get(point as usize).copied();
        let (found, whole) =
            self.links.walk(&query.code, breadth, visits, |point| id(point).is_some_and(&keep));
        (found.into_iter().filter_map(|near| id(near.point)).collect(), whole)
    }
}

impl VectorIndex for HnswIndex {
    /// Approximate, at twice the breadth of `k` at least. [`super::VectorSet`] chooses the breadth by a
    /// recall target instead.
    fn search(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        if let Some(query) = Query::new(query, self.vectors.dims())?
            && k > 0
        {
            let breadth = k.saturating_mul(2).max(EF_CHECK).min(self.vectors.len());
            let keep = |id: u32| !self.unreachable.contains(id) && allowed.contains(id);
            let (near, _) = self.nearest(&query, breadth, usize::MAX, keep);
            let mut rest = self.unreachable.iter().filter(|id| allowed.contains(*id));
            self.vectors.rescore_nearest(&query, &near, k, &mut best);
            self.vectors.rescore(&query, &mut rest, &mut best);
        }
        Ok(best.into_hits())
    }

    fn len(&self) -> usize {
        self.vectors.len()
    }

    /// The links and codes of the graph; the vectors are counted by the set that shares them.
    fn heap_bytes(&self) -> usize {
        self.links.heap_bytes() + self.ids.len() * 4
    }
}
