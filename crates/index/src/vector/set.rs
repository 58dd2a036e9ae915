//! All vectors of one collection: the exact index, and past the crossover a graph beside it.
//!
//! One writer at a time, readers on snapshots. Invariant: a search over a snapshot sees exactly the
//! vectors of that moment: what changed after the graph was built is in `delta` (scanned)
//! or gone from the exact index (dropped at rescoring).

use super::exact::ExactInt8;
use super::graph::HnswIndex;
use super::planner::{Plan, Situation, choose, is_scarce, useful};
use super::probe::Probe;
use super::{Query, VectorIndex};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Error, Hit};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A refused graph is tried again once the set has grown, or shrunk, by this factor.
const TRY_AGAIN: f64 = 1.2;

/// Settings of a [`VectorSet`].
#[derive(Debug, Clone, Copy)]
pub struct VectorOptions {
    /// Live vectors from which a graph is worth building.
    pub crossover: usize,
    /// Share of dead or new vectors past which a graph is built anew.
    pub rebuild_share: f64,
    /// Links per point of a graph (`M`): more find more and cost memory and time.
    pub links: usize,
    /// Share of the true ten nearest a search should find, 0..1; scans of small sets find all, of large ones
    /// all but a few in a thousand.
    pub recall_target: f64,
}

impl Default for VectorOptions {
    fn default() -> Self {
        Self { crossover: 20_000, rebuild_share: 0.2, links: 16, recall_target: 0.99 }
    }
}

/// The vectors of one collection.
pub struct VectorSet {
    options: VectorOptions,
    current: ArcSwap<VectorSnapshot>,
    writer: Mutex<()>,
    /// Vectors of the last graph, when it was refused; else 0.
    refused: Arc<AtomicUsize>,
}

/// The vectors of one moment; never changes.
pub struct VectorSnapshot {
    exact: ExactInt8,
    graph: Option<Arc<HnswIndex>>,
    /// Live ids the graph does not hold as they are now.
    delta: RoaringBitmap,
    /// Graph points that are deleted or replaced.
    dead: RoaringBitmap,
    recall_target: f64,
    probe: Arc<Probe>,
}

/// Recall@10 of the graph in use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recall {
    /// What is wanted.
    pub target: f64,
    /// Breadth of the walk (`ef`) chosen for it.
    pub breadth: usize,
    /// What that breadth gave when the graph was built.
    pub built: f64,
    /// What checked searches had since; `None` before the first.
    pub probed: Option<f64>,
}

/// A graph worth building; run it on a background thread, then [`VectorSet::install`] it.
pub struct GraphBuild {
    exact: ExactInt8,
    links: usize,
    refused: Arc<AtomicUsize>,
}

impl GraphBuild {
    /// Builds: CPU-bound, a part of a millisecond per vector. `stop` is asked now and then. A graph that is
    /// refused is not due again before the set has another size.
    ///
    /// # Errors
    /// See [`HnswIndex::build`].
    pub fn run(&self, stop: &dyn Fn() -> bool) -> Result<HnswIndex> {
        let built = HnswIndex::build(&self.exact, self.links, stop);
        let refused = matches!(built, Err(Error::Unreachable { .. }));
        if refused || built.is_ok() {
            self.refused.store(if refused { self.exact.len() } else { 0 }, Ordering::Relaxed);
        }
        built
    }
}

impl VectorSet {
    /// An empty set.
    #[must_use]
    pub fn new(dims: usize, options: VectorOptions) -> Self {
        let empty = VectorSnapshot {
            exact: ExactInt8::new(dims),
            graph: None,
            delta: RoaringBitmap::new(),
            dead: RoaringBitmap::new(),
            recall_target: options.recall_target,
            probe: Arc::default(),
        };
        let current = ArcSwap::from_pointee(empty);
        Self { options, current, writer: Mutex::new(()), refused: Arc::default() }
    }

    /// Dimensions of its vectors.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.current.load().exact.dims()
    }

    /// The vectors now. Never waits for a writer.
    #[must_use]
    pub fn snapshot(&self) -> Arc<VectorSnapshot> {
        self.current.load_full()
    }

    /// Deletes, then adds (replacing what is present); visible to snapshots taken afterwards.
    ///
    /// # Errors
    /// When a vector has other dimensions or is not finite; then nothing is changed.
    pub fn apply(&self, adds: &[(u32, &[f32])], deletes: &[u32]) -> Result<()> {
        let _writing = self.writer.lock();
        let now = self.current.load();
        let exact = now.exact.with_changes(adds, deletes)?;
        let (mut delta, mut dead) = (now.delta.clone(), now.dead.clone());
        if let Some(graph) = &now.graph {
            for id in deletes.iter().copied().chain(adds.iter().map(|(id, _)| *id)) {
                delta.remove(id);
                if graph.vectors().ids().contains(id) {
                    dead.insert(id);
                }
            }
            delta.extend(adds.iter().map(|(id, _)| *id));
        }
        self.publish(VectorSnapshot {
            exact,
            graph: now.graph.clone(),
            delta,
            dead,
            recall_target: now.recall_target,
            probe: now.probe.clone(),
        });
        Ok(())
    }

    /// A graph build that is due: the set is past the crossover and has no graph, or too much of it
    /// is dead or new. Not while the set has about the size at which a graph was refused.
    #[must_use]
    pub fn graph_due(&self) -> Option<GraphBuild> {
        let now = self.current.load();
        if now.exact.len() <= self.options.crossover {
            return None;
        }
        let (size, refused) = (now.exact.len() as f64, self.refused.load(Ordering::Relaxed) as f64);
        if refused > 0.0 && size < refused * TRY_AGAIN && size > refused / TRY_AGAIN {
            return None;
        }
        if let Some(graph) = &now.graph {
            let limit = graph.len() as f64 * self.options.rebuild_share;
            // Another graph would not reach the unreachable either.
            let new = now.delta.len() - now.delta.intersection_len(graph.unreachable());
            if (now.dead.len().max(new) as f64) <= limit {
                return None;
            }
        }
        let (exact, links) = (now.exact.clone(), self.options.links);
        Some(GraphBuild { exact, links, refused: self.refused.clone() })
    }

    /// Starts using a graph. What changed since it was built is worked out here.
    pub fn install(&self, graph: HnswIndex) {
        let _writing = self.writer.lock();
        let now = self.current.load();
        let changes = now.exact.changes_since(graph.vectors());
        self.start_using(&now, graph, changes);
    }

    /// Starts using a graph that was saved, where it still fits more than half of the vectors; whether it
    /// did. Which vectors it holds as they are now is told by comparing them.
    pub fn install_saved(&self, graph: HnswIndex) -> bool {
        let _writing = self.writer.lock();
        let now = self.current.load();
        let (changed, gone) = graph.changes_to(&now.exact);
        let foreign = changed.len().max(gone.len()) as usize;
        let fits = now.exact.len() > self.options.crossover
            && graph.links() == self.options.links
            && foreign * 2 < now.exact.len().min(graph.len());
        if fits {
            self.start_using(&now, graph, (changed, gone));
        } else {
            tracing::info!(
                points = graph.len(),
                foreign,
                "saved vector graph does not fit; another is built"
            );
        }
        fits
    }

    fn start_using(
        &self,
        now: &VectorSnapshot,
        graph: HnswIndex,
        (changed, gone): (RoaringBitmap, RoaringBitmap),
    ) {
        let dead = (&changed & graph.vectors().ids()) | gone;
        let delta = changed | (graph.unreachable() & now.exact.ids());
        tracing::info!(points = graph.len(), delta = delta.len(), dead = dead.len(), "vector graph in use");
        self.publish(VectorSnapshot {
            exact: now.exact.clone(),
            graph: Some(Arc::new(graph.without_vectors())),
            delta,
            dead,
            recall_target: now.recall_target,
            probe: Arc::default(),
        });
    }

    fn publish(&self, next: VectorSnapshot) {
        self.current.store(Arc::new(next));
    }
}

impl VectorSnapshot {
    /// How a search for `k` would run.
    #[must_use]
    pub fn plan(&self, k: usize, allowed: &Candidates<'_>) -> Plan {
        choose(&self.situation(allowed), k)
    }

    fn situation(&self, allowed: &Candidates<'_>) -> Situation {
        let among = |ids: &RoaringBitmap| match allowed {
            Candidates::All => ids.len() as usize,
            Candidates::Only(allowed) => ids.intersection_len(allowed) as usize,
        };
        Situation {
            candidates: among(self.exact.ids()),
            delta: among(&self.delta),
            graph: self.graph.as_ref().map(|graph| (graph.len(), self.breadth(graph).0)),
            more: self.probe.more(),
        }
    }

    fn breadth(&self, graph: &HnswIndex) -> (usize, f64) {
        graph.calibration().breadth(self.recall_target, self.probe.more())
    }

    /// What recall the graph gives; `None` while every search is exact.
    #[must_use]
    pub fn recall(&self) -> Option<Recall> {
        let (breadth, built) = self.breadth(self.graph.as_ref()?);
        Some(Recall { target: self.recall_target, breadth, built, probed: self.probe.recall() })
    }

    pub(super) fn exact(&self) -> &ExactInt8 {
        &self.exact
    }

    /// The share of the true ten nearest that is in `hits`.
    fn check(&self, query: &Query, allowed: &Candidates<'_>, hits: &[Hit]) {
        let mut truth = Best::new(hits.len().min(10));
        self.exact.scan_all(query, hits.len().min(10), allowed, &mut truth);
        let truth = truth.into_hits();
        let last = truth.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
        let found = hits.iter().filter(|hit| hit.score >= last).count().min(truth.len());
        self.probe.record(found, truth.len(), self.recall_target);
    }

    /// The best `k` of the allowed items with no vector ruled out early: what searches are measured by.
    ///
    /// # Errors
    /// As [`VectorIndex::search`].
    pub fn truth(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        if let Some(query) = Query::new(query, self.exact.dims())? {
            self.exact.scan_all(&query, k, allowed, &mut best);
        }
        Ok(best.into_hits())
    }

    /// The exact cosines of some items with a query, in no order; items without a vector are left out.
    ///
    /// # Errors
    /// As [`VectorIndex::search`].
    pub fn cosines(&self, query: &[f32], ids: &[u32]) -> Result<Vec<Hit>> {
        let mut best = Best::new(ids.len());
        if let Some(query) = Query::new(query, self.exact.dims())? {
            self.exact.rescore(&query, &mut ids.iter().copied(), &mut best);
        }
        Ok(best.into_hits())
    }

    /// How near items are to some of them (places in the list): for each of these the cosines by codes, good to two
    /// decimals; 0 where one has no vector.
    #[must_use]
    pub fn nearness(&self, to: &[usize], ids: &[u32]) -> Vec<Vec<f32>> {
        self.exact.nearness(to, ids)
    }

    /// The items it holds.
    #[must_use]
    pub fn ids(&self) -> &RoaringBitmap {
        self.exact.ids()
    }

    /// Whether `id` has a vector.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.exact.ids().contains(id)
    }
}

impl VectorIndex for VectorSnapshot {
    fn search(&self, query: &[f32], k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let Some(query) = Query::new(query, self.exact.dims())? else { return Ok(Vec::new()) };
        let mut best = Best::new(k);
        let situation = self.situation(allowed);
        if let (Plan::Graph { breadth, visits, .. }, Some(graph)) = (choose(&situation, k), &self.graph) {
            let (near_by, kept) = (Cell::new(0_usize), Cell::new(0_usize));
            let usable = |id: u32| {
                let usable = allowed.contains(id) && !self.dead.contains(id) && !self.delta.contains(id);
                near_by.set(near_by.get() + 1);
                kept.set(kept.get() + usize::from(usable));
                usable
            };
            let (near, whole) = graph.nearest(&query, breadth, visits, usable);
            // A filter may forbid just the neighbourhood of the query: what the walk then finds around it
            // is not to be trusted.
            let scarce = matches!(allowed, Candidates::Only(_))
                && is_scarce(near_by.get(), kept.get(), useful(&situation));
            if whole && !scarce {
                self.exact.rescore_nearest(&query, &near, k, &mut best);
                let both;
                let delta = match allowed {
                    Candidates::All => &self.delta,
                    Candidates::Only(allowed) => {
                        both = *allowed & &self.delta;
                        &both
                    }
                };
                self.exact.scan(&query, k, &Candidates::Only(delta), &mut best);
                let hits = best.into_hits();
                if self.probe.is_due() {
                    self.check(&query, allowed, &hits);
                }
                return Ok(hits);
            }
        }
        self.exact.scan(&query, k, allowed, &mut best);
        Ok(best.into_hits())
    }

    fn len(&self) -> usize {
        self.exact.len()
    }

    fn heap_bytes(&self) -> usize {
        self.exact.heap_bytes() + self.graph.as_ref().map_or(0, |graph| graph.heap_bytes())
    }
}

#[cfg(test)]
mod tests;
