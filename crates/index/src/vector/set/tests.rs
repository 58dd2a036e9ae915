#![allow(clippy::unwrap_used)]
use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const DIMS: usize = 64;

fn clustered(count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut centres_rng = StdRng::seed_from_u64(99);
    let centres: Vec<Vec<f32>> =
        (0..50).map(|_| (0..DIMS).map(|_| centres_rng.random_range(-1.0..1.0)).collect()).collect();
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|i| centres[i % 50].iter().map(|x| x + rng.random_range(-0.5f32..0.5)).collect()).collect()
}

fn adds(vectors: &[Vec<f32>], first: u32) -> Vec<(u32, &[f32])> {
    vectors.iter().zip(first..).map(|(v, id)| (id, v.as_slice())).collect()
}

fn small_options() -> VectorOptions {
    VectorOptions { crossover: 1000, ..VectorOptions::default() }
}

/// Share of the exact answer that the set finds.
fn recall(set: &VectorSet, queries: &[Vec<f32>], allowed: &Candidates<'_>) -> f64 {
    let snapshot = set.snapshot();
    let mut found = 0;
    for query in queries {
        let truth = snapshot.exact.search(query, 10, allowed).unwrap();
        let hits = snapshot.search(query, 10, allowed).unwrap();
        assert_eq!(hits.len(), truth.len());
        found += truth.iter().filter(|hit| hits.contains(hit)).count();
    }
    found as f64 / (queries.len() * 10) as f64
}

#[test]
fn the_graph_keeps_recall_through_churn_and_filters() {
    let set = VectorSet::new(DIMS, small_options());
    assert!(set.graph_due().is_none());
    let data = clustered(16_000, 1);
    set.apply(&adds(&data, 0), &[]).unwrap();
    let queries = clustered(100, 2);
    assert!(matches!(set.snapshot().plan(10, &Candidates::All), Plan::Exact { .. }), "no graph yet");

    // What changes while the graph is built must be right afterwards.
    let build = set.graph_due().unwrap();
    let meanwhile = clustered(60, 3);
    set.apply(&adds(&meanwhile, 15_980), &(0..30).collect::<Vec<_>>()).unwrap();
    set.install(build.run(&|| false).unwrap());
    assert!(set.graph_due().is_none());
    assert!(matches!(set.snapshot().plan(10, &Candidates::All), Plan::Graph { delta: 60.., .. }));
    assert!(recall(&set, &queries, &Candidates::All) >= 0.97);

    let half: RoaringBitmap = (0..16_040u32).filter(|id| id % 7 < 6).collect();
    assert!(matches!(set.snapshot().plan(10, &Candidates::Only(&half)), Plan::Graph { .. }));
    assert!(recall(&set, &queries, &Candidates::Only(&half)) >= 0.97);
    // Clusters go round by id: this filter forbids the whole neighbourhood of every second query.
    let clusters: RoaringBitmap = (0..16_040u32).filter(|id| id % 50 < 15).collect();
    assert!(recall(&set, &queries, &Candidates::Only(&clusters)) >= 0.97);
    let narrow: RoaringBitmap = (0..500u32).collect();
    assert!((recall(&set, &queries, &Candidates::Only(&narrow)) - 1.0).abs() < 1e-9, "narrow is exact");

    let old = set.snapshot();
    for round in 0..4 {
        let fresh = clustered(150, 10 + round);
        let first = 17_000 + 150 * round as u32;
        let gone: Vec<u32> = (0..150).map(|i| 100 + 400 * round as u32 + i).collect();
        set.apply(&adds(&fresh, first), &gone).unwrap();
        for (id, vector) in adds(&fresh, first) {
            assert_eq!(set.snapshot().search(vector, 1, &Candidates::All).unwrap()[0].id, id, "new is found");
        }
    }
    assert!(recall(&set, &queries, &Candidates::All) >= 0.97);
    assert!(old.contains(100) && !set.snapshot().contains(100), "old snapshots stay");
    set.apply(&[], &(2000..5200).collect::<Vec<_>>()).unwrap();
    assert!(set.graph_due().is_some(), "too much of the graph is dead");
    let now = set.snapshot();
    for query in &queries {
        assert!(now.search(query, 50, &Candidates::All).unwrap().iter().all(|hit| now.contains(hit.id)));
    }
}

#[test]
fn the_recall_target_chooses_the_breadth_and_searches_are_probed() {
    let data = clustered(8000, 1);
    let queries = clustered(60, 2);
    let mut breadths = Vec::new();
    for recall_target in [0.8, 0.99] {
        let set = VectorSet::new(DIMS, VectorOptions { recall_target, ..small_options() });
        set.apply(&adds(&data, 0), &[]).unwrap();
        assert_eq!(set.snapshot().recall(), None, "scans find all");
        set.install(set.graph_due().unwrap().run(&|| false).unwrap());
        let found = recall(&set, &queries, &Candidates::All);
        let measured = set.snapshot().recall().unwrap();
        assert!(found >= recall_target - 0.01, "{found} {measured:?}");
        assert!(measured.built >= recall_target && measured.target == recall_target, "{measured:?}");
        assert!(measured.probed.is_some(), "the first walk is checked");
        breadths.push(measured.breadth);
    }
    assert!(breadths[0] <= breadths[1], "{breadths:?}");
}

#[test]
fn a_saved_graph_knows_what_changed_since() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph");
    let data = clustered(3000, 1);
    let set = VectorSet::new(DIMS, small_options());
    set.apply(&adds(&data, 0), &[]).unwrap();
    let graph = set.graph_due().unwrap().run(&|| false).unwrap();
    let unreachable = graph.unreachable().len() as usize;
    graph.save(&path).unwrap();

    // Opened again from the store, where some went, some came and one is another.
    let again = VectorSet::new(DIMS, small_options());
    again.apply(&adds(&data, 0), &[]).unwrap();
    let fresh = clustered(40, 7);
    let other = vec![(5, fresh[0].as_slice())];
    again.apply(&adds(&fresh, 4000), &(10..40).collect::<Vec<_>>()).unwrap();
    again.apply(&other, &[]).unwrap();
    assert!(again.graph_due().is_some());
    assert!(again.install_saved(HnswIndex::load(&path, DIMS).unwrap()));
    assert!(again.graph_due().is_none());
    let now = again.snapshot();
    assert!((41..=41 + unreachable as u64).contains(&now.delta.len()) && now.delta.contains(5));
    assert_eq!(now.dead.len(), 31);
    assert!(recall(&again, &clustered(60, 2), &Candidates::All) >= 0.97);
    for (id, vector) in adds(&fresh, 4000).into_iter().skip(1).chain(other) {
        assert_eq!(now.search(vector, 1, &Candidates::All).unwrap()[0].id.min(4000), id.min(4000));
    }

    let foreign = VectorSet::new(DIMS, small_options());
    foreign.apply(&adds(&clustered(3000, 8), 0), &[]).unwrap();
    assert!(!foreign.install_saved(HnswIndex::load(&path, DIMS).unwrap()), "another model's vectors");
    assert!(foreign.graph_due().is_some() && foreign.snapshot().recall().is_none());
    let few = VectorSet::new(DIMS, small_options());
    few.apply(&adds(&data[..900], 0), &[]).unwrap();
    assert!(!few.install_saved(HnswIndex::load(&path, DIMS).unwrap()), "a scan is enough");
}

#[test]
fn equal_vectors_neither_panic_nor_vanish() {
    let same = vec![0.3f32; DIMS];
    let mut data = vec![same.clone(); 12];
    data.extend(clustered(1500, 5));
    data.push(vec![0.0; DIMS]);
    let set = VectorSet::new(DIMS, small_options());
    set.apply(&adds(&data, 0), &[]).unwrap();
    set.install(set.graph_due().unwrap().run(&|| false).unwrap());
    let hits = set.snapshot().search(&same, 12, &Candidates::All).unwrap();
    let found: Vec<u32> = hits.iter().map(|hit| hit.id).collect();
    assert_eq!(found, (0..12).collect::<Vec<u32>>());
}

#[test]
fn boilerplate_does_not_cost_the_graph() {
    let same = vec![0.3f32; DIMS];
    let mut data = vec![same.clone(); 600];
    data.extend(clustered(1400, 5));
    let set = VectorSet::new(DIMS, small_options());
    set.apply(&adds(&data, 0), &[]).unwrap();
    let graph = set.graph_due().unwrap().run(&|| false).unwrap();
    assert!(graph.unreachable().len() > 400, "equal ones hide one another");
    set.install(graph);
    assert!(set.graph_due().is_none(), "what no graph reaches asks for no other");
    let only: RoaringBitmap = [577].into_iter().collect();
    let hits = set.snapshot().search(&same, 5, &Candidates::Only(&only)).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [577]);
    let exact = set.snapshot().sweep(&[same], &[16], &[16]).unwrap();
    assert_eq!(exact.len(), 4);
}

#[test]
fn a_graph_in_use_holds_no_vectors_of_the_past() {
    let set = VectorSet::new(DIMS, small_options());
    set.apply(&adds(&clustered(1500, 5), 0), &[]).unwrap();
    set.install(set.graph_due().unwrap().run(&|| false).unwrap());
    let snapshot = set.snapshot();
    let graph = snapshot.graph.as_ref().unwrap();
    assert_eq!((graph.len(), graph.vectors().ids().len()), (1500, 1500));
    assert!(graph.vectors().heap_bytes() < 10_000, "{}", graph.vectors().heap_bytes());
}

#[test]
fn hopeless_graphs_are_refused_and_builds_can_be_stopped() {
    let data = vec![vec![1.0f32; DIMS]; 1500];
    let set = VectorSet::new(DIMS, small_options());
    set.apply(&adds(&data, 0), &[]).unwrap();
    let build = set.graph_due().unwrap();
    assert!(matches!(build.run(&|| false), Err(crate::Error::Unreachable { .. })));
    let swept = set.snapshot().sweep(&data[..1], &[16], &[16]).unwrap();
    assert!(swept.len() == 3 && swept.iter().all(|point| point.by.graph().is_none()), "{swept:?}");
    assert!(matches!(build.run(&|| true), Err(crate::Error::Cancelled)));
    assert!(set.graph_due().is_none(), "not the same work again");
    set.apply(&adds(&clustered(200, 7), 2000), &[]).unwrap();
    assert!(set.graph_due().is_none());
    set.apply(&adds(&clustered(200, 8), 3000), &[]).unwrap();
    assert!(set.graph_due().is_some(), "a fifth more may do better");
    assert_eq!(set.snapshot().search(&data[0], 5, &Candidates::All).unwrap().len(), 5);
}

#[test]
fn the_graph_alone_answers_and_refuses_bad_queries() {
    let data = clustered(400, 6);
    let exact = ExactInt8::new(DIMS).with_changes(&adds(&data, 0), &[]).unwrap();
    let graph = HnswIndex::build(&exact, 16, &|| false).unwrap();
    assert_eq!(graph.len(), 400);
    assert_eq!(graph.search(&data[17], 1, &Candidates::All).unwrap()[0].id, 17);
    assert!(graph.search(&[f32::NAN; DIMS], 1, &Candidates::All).is_err());
    assert!(graph.search(&[1.0], 1, &Candidates::All).is_err());
    assert!(graph.search(&data[0], 0, &Candidates::All).unwrap().is_empty());
    let empty = HnswIndex::build(&ExactInt8::new(DIMS), 16, &|| false).unwrap();
    assert!(empty.search(&data[0], 3, &Candidates::All).unwrap().is_empty());
}
