#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const DIMS: usize = 96; // not a multiple of 64: the padding is part of the test

fn vectors(count: usize, clusters: usize, spread: f32, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut gauss = || (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>();
    let mut make = |base: Option<&Vec<f32>>, spread: f32| -> Vec<f32> {
        (0..DIMS).map(|i| base.and_then(|b| b.get(i)).copied().unwrap_or(0.0) + spread * gauss()).collect()
    };
    let centres: Vec<_> = (0..clusters).map(|_| make(None, 1.0)).collect();
    (0..count).map(|i| make(centres.get(i % clusters.max(1)), spread)).collect()
}

fn index(vectors: &[Vec<f32>]) -> ExactInt8 {
    let adds: Vec<(u32, &[f32])> = vectors.iter().zip(0..).map(|(v, id)| (id, v.as_slice())).collect();
    ExactInt8::new(DIMS).with_changes(&adds, &[]).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The naive answer; a hit counts when it scores as well as the true kth, within half precision.
fn assert_recall(vectors: &[Vec<f32>], query: &[f32], hits: &[Hit], k: usize, allowed: &Candidates<'_>) {
    let mut truth: Vec<f64> = vectors
        .iter()
        .zip(0..)
        .filter(|(_, id)| allowed.contains(*id))
        .map(|(v, _)| cosine(query, v))
        .collect();
    truth.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(hits.len(), k.min(truth.len()));
    for (hit, right) in hits.iter().zip(&truth) {
        let own = cosine(query, &vectors[hit.id as usize]);
        assert!((own - f64::from(hit.score)).abs() < 2e-4, "score {} is not the cosine {own}", hit.score);
        assert!((own - right).abs() < 2e-4, "{own} in the place of {right}");
        assert!(allowed.contains(hit.id));
    }
}

#[test]
fn finds_what_the_naive_scan_finds() {
    for (count, clusters, spread) in [(3000, 0, 1.0), (3000, 20, 0.2), (3000, 3, 0.05), (7, 0, 1.0)] {
        let data = vectors(count, clusters, spread, 7);
        let index = index(&data);
        let odd: RoaringBitmap = (0..count as u32).filter(|id| id % 7 == 1).collect();
        let few: RoaringBitmap = [3, 5, 100_000].into_iter().collect();
        for query in vectors(20, clusters, spread, 8) {
            for allowed in [Candidates::All, Candidates::Only(&odd), Candidates::Only(&few)] {
                for k in [1, 10, 60] {
                    let hits = index.search(&query, k, &allowed).unwrap();
                    assert_recall(&data, &query, &hits, k, &allowed);
                }
            }
        }
    }
}

#[test]
fn nearness_is_the_cosine() {
    let vectors = vectors(40, 4, 0.5, 3);
    let index = index(&vectors);
    let near = index.nearness(&[2, 5, 99], &[7, 900, 11, 30, 7, 39]);
    assert_eq!(near.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 6]);
    for (row, of) in near.iter().zip([11, 39]) {
        for (got, id) in row.iter().zip([7_usize, 900, 11, 30, 7, 39]) {
            let wanted = vectors.get(id).map_or(0.0, |other| cosine(&vectors[of], other));
            assert!((f64::from(*got) - wanted).abs() < 0.01, "{got} {wanted}");
        }
    }
    assert_eq!(near[2], [0.0; 6], "a place that is not there");
}

#[test]
fn old_snapshots_stay_and_share() {
    let data = vectors(2000, 10, 0.3, 1);
    let old = index(&data);
    let before = old.search(&data[5], 10, &Candidates::All).unwrap();
    let new = old.with_changes(&[(5, &data[1000]), (9000, &data[5])], &[before[1].id]).unwrap();
    assert_eq!(old.search(&data[5], 10, &Candidates::All).unwrap(), before);
    let after = new.search(&data[5], 10, &Candidates::All).unwrap();
    assert_eq!(after[0].id, 9000);
    assert!(after.iter().all(|hit| hit.id != before[1].id && hit.id != 5));
    assert_eq!(new.len(), 2000);
    let shared = new.blocks.iter().filter(|block| old.blocks.iter().any(|b| Arc::ptr_eq(b, block))).count();
    assert!(shared >= old.blocks.len() - 2, "{shared} blocks shared");
    let (changed, gone) = new.changes_since(&old);
    assert_eq!(changed.iter().collect::<Vec<_>>(), [5, 9000]);
    assert_eq!(gone.iter().collect::<Vec<_>>(), [before[1].id]);
}

#[test]
fn bad_queries_and_vectors_are_named() {
    let empty = ExactInt8::new(DIMS);
    let unit = vec![1.0; DIMS];
    assert!(empty.search(&unit, 10, &Candidates::All).unwrap().is_empty());
    let full = empty.with_changes(&[(1, &unit), (2, &vec![0.0; DIMS])], &[77]).unwrap();
    assert!(full.search(&unit, 0, &Candidates::All).unwrap().is_empty());
    assert!(full.search(&vec![0.0; DIMS], 5, &Candidates::All).unwrap().is_empty());
    assert!(full.search(&unit, 5, &Candidates::Only(&RoaringBitmap::new())).unwrap().is_empty());
    assert_eq!(full.search(&unit, usize::MAX, &Candidates::All).unwrap().len(), 2);
    assert!(matches!(full.search(&unit[1..], 5, &Candidates::All), Err(Error::QueryDimensions { .. })));
    let mut nan = unit.clone();
    nan[3] = f32::NAN;
    assert!(matches!(full.search(&nan, 5, &Candidates::All), Err(Error::QueryNotFinite)));
    assert!(matches!(full.with_changes(&[(3, &nan)], &[]), Err(Error::NotFinite { id: 3 })));
    assert!(matches!(full.with_changes(&[(3, &unit[1..])], &[]), Err(Error::Dimensions { id: 3, .. })));
    let huge = vec![f32::MAX; DIMS];
    let hits = full.with_changes(&[(4, &huge)], &[]).unwrap().search(&huge, 3, &Candidates::All).unwrap();
    assert_eq!(hits[0].id, 1);
    assert!((hits[0].score - 1.0).abs() < 1e-3 && hits[1].id == 4);
    assert!(ExactInt8::new(0).search(&[], 3, &Candidates::All).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_history_equals_a_rebuild(
        steps in prop::collection::vec((prop::collection::vec((0u32..2000, 0usize..40), 0..12),
                                        prop::collection::vec(0u32..2000, 0..6)), 1..8)
    ) {
        let pool = vectors(40, 0, 1.0, 3);
        let mut index = ExactInt8::new(DIMS);
        let mut model: BTreeMap<u32, usize> = BTreeMap::new();
        for (adds, deletes) in &steps {
            let add: Vec<(u32, &[f32])> = adds.iter().map(|(id, v)| (*id, pool[*v].as_slice())).collect();
            index = index.with_changes(&add, deletes).unwrap();
            for id in deletes { model.remove(id); }
            model.extend(adds.iter().copied());
        }
        let add: Vec<(u32, &[f32])> = model.iter().map(|(id, v)| (*id, pool[*v].as_slice())).collect();
        let fresh = ExactInt8::new(DIMS).with_changes(&add, &[]).unwrap();
        prop_assert_eq!(index.len(), model.len());
        prop_assert_eq!(index.ids(), fresh.ids());
        let query = &pool[0];
        prop_assert_eq!(
            index.search(query, 30, &Candidates::All).unwrap(),
            fresh.search(query, 30, &Candidates::All).unwrap()
        );
        prop_assert!(index.changes_since(&fresh).0.is_empty());
    }
}

#[test]
fn many_vectors_are_found_by_their_signs_first() {
    // In the last case the vectors of a cluster differ by less than their signs can tell.
    for (clusters, spread, wanted_recall) in [(0, 1.0, 0.995), (40, 0.3, 0.99), (3, 0.05, 0.97)] {
        let data = vectors(24_000, clusters, spread, 17);
        let index = index(&data);
        // Between two members of one cluster each.
        let between =
            |at: usize| data[at].iter().zip(&data[at + clusters.max(1)]).map(|(a, b)| a + b).collect();
        let queries: Vec<Vec<f32>> = (0..12).map(between).collect();
        let third: RoaringBitmap = (0..24_000).filter(|id| id % 3 == 1).collect();
        let mut whole = RoaringBitmap::new();
        whole.insert_range(0..65_536);
        for allowed in [Candidates::All, Candidates::Only(&third), Candidates::Only(&whole)] {
            for k in [10, 100] {
                let (mut found, mut wanted) = (0, 0);
                for query in &queries {
                    let hits = index.search(query, k, &allowed).unwrap();
                    assert_eq!(hits.len(), k);
                    assert!(hits.iter().all(|hit| allowed.contains(hit.id)));
                    assert!(index.signs_pay(k + (k / 2).max(30), &allowed));
                    let asked = Query::new(query, DIMS).unwrap().unwrap();
                    let ids = (0..24_000).filter(|id| allowed.contains(*id));
                    let truth = index.rescored(&asked, ids, k);
                    let last = truth.last().unwrap().score;
                    // Codes, too, tell no smaller differences.
                    found += hits.iter().filter(|hit| hit.score >= last - 5e-4).count();
                    wanted += k;
                    let again = index.rescored(&asked, hits.iter().map(|hit| hit.id), k);
                    assert_eq!(again, hits, "a score is not the cosine");
                }
                let recall = f64::from(found as u32) / wanted as f64;
                assert!(recall >= wanted_recall, "recall {recall} of {k} among {clusters} clusters");
            }
        }
    }
}

#[test]
fn signs_of_sparse_ids_are_those_of_their_vectors() {
    let data = vectors(24_000, 0, 1.0, 5);
    // Two of three ids, none of ten thousand: blocks with holes, and blocks that are not there.
    let ids: Vec<u32> =
        (0..46_000).filter(|id| id % 3 != 2 && !(20_000..30_000).contains(id)).take(24_000).collect();
    let adds: Vec<(u32, &[f32])> =
        ids.iter().copied().zip(&data).map(|(id, vector)| (id, vector.as_slice())).collect();
    let index = ExactInt8::new(DIMS).with_changes(&adds, &[]).unwrap();
    // Some of what is allowed is not there.
    let allowed: RoaringBitmap = (0..90_000).filter(|id| id % 4 == 1).collect();
    assert!(index.signs_pay(45, &Candidates::Only(&allowed)));
    let (mut found, mut wanted) = (0, 0);
    for query in data.iter().take(20) {
        let asked = Query::new(query, DIMS).unwrap().unwrap();
        let truth = index.rescored(&asked, allowed.iter(), 10);
        let hits = index.search(query, 10, &Candidates::Only(&allowed)).unwrap();
        let last = truth.last().unwrap().score;
        found += hits.iter().filter(|hit| hit.score >= last - 5e-4).count();
        wanted += truth.len();
    }
    assert!(found as f64 / wanted as f64 >= 0.99, "{found} of {wanted}");
}
