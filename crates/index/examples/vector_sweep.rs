//! Times vector search at several breadths, under filters and by recall target, on vectors from a file.
//!
//! `cargo run --release --workspace --example vector_sweep -- DOCS.f32 QUERIES.f32 [--json] [--planned]`: files of
//! little-endian f32 vectors of 384 dimensions. Prints median milliseconds on one thread, recall@10
//! against the exact answer (equal scores stand for one another), searches a second and bytes per vector.
//! With `--json` one object for `benches/search/rivals.py`; with `--planned` searches as they are planned only.
#![allow(clippy::print_stdout)]

use quarry_index::{Candidates, Hit, Plan, SweepPoint, VectorIndex, VectorOptions, VectorSet};
use roaring::RoaringBitmap;
use serde_json::json;
use std::error::Error;
use std::time::Instant;

type Failure = Box<dyn Error>;

const DIMS: usize = 384;
const BREADTHS: [usize; 10] = [10, 16, 24, 32, 48, 64, 96, 128, 256, 512];
/// Vectors added at a time.
const BATCH: usize = 20_000;

fn floats(path: &str) -> Result<Vec<Vec<f32>>, Failure> {
    let bytes = std::fs::read(path)?;
    let value = |four: &[u8; 4]| f32::from_le_bytes(*four);
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(value).collect();
    Ok(all.chunks_exact(DIMS).map(<[f32]>::to_vec).collect())
}

fn recall(truth: &[Hit], hits: &[Hit]) -> f64 {
    let last = truth.last().map_or(f32::NEG_INFINITY, |hit| hit.score);
    let found = hits.iter().filter(|hit| hit.score >= last).count().min(truth.len());
    if truth.is_empty() { 1.0 } else { found as f64 / truth.len() as f64 }
}

struct Planned {
    what: String,
    recall: f64,
    p50_ms: f64,
    /// Of the scan of the same vectors.
    scan_ms: f64,
    plan: Plan,
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

fn planned(
    set: &VectorSet,
    exact: &VectorSet,
    queries: &[Vec<f32>],
    k: usize,
    allowed: &Candidates<'_>,
    what: String,
) -> Result<Planned, Failure> {
    let (walked, scanned) = (set.snapshot(), exact.snapshot());
    let (mut times, mut scans, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for query in queries {
        let begun = Instant::now();
        scanned.search(query, k, allowed)?;
        scans.push(begun.elapsed().as_secs_f64() * 1000.0);
        // Between the timed searches, so that none finds what it needs in the caches.
        scanned.truth(query, 10, allowed)?;
    }
    for query in queries {
        let begun = Instant::now();
        let mut hits = walked.search(query, k, allowed)?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        hits.truncate(10);
        sum += recall(&scanned.truth(query, 10, allowed)?, &hits);
    }
    Ok(Planned {
        what,
        recall: sum / queries.len().max(1) as f64,
        p50_ms: median(times),
        scan_ms: median(scans),
        plan: walked.plan(k, allowed),
    })
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let as_json = args.iter().any(|arg| arg == "--json");
    // The sweep builds graphs of its own, which takes minutes where there are a million vectors.
    let planned_only = args.iter().any(|arg| arg == "--planned");
    let mut files = args.iter().filter(|arg| !arg.starts_with("--"));
    let (Some(docs), Some(queries)) = (files.next(), files.next()) else {
        return Err("usage: vector_sweep DOCS.f32 QUERIES.f32 [--json] [--planned]".into());
    };
    let (docs, queries) = (floats(docs)?, floats(queries)?);
    let exact = VectorSet::new(DIMS, VectorOptions { crossover: usize::MAX, ..VectorOptions::default() });
    let set = VectorSet::new(DIMS, VectorOptions { crossover: 0, ..VectorOptions::default() });
    let mut first = 0;
    for batch in docs.chunks(BATCH) {
        let adds: Vec<(u32, &[f32])> = batch.iter().zip(first..).map(|(v, id)| (id, v.as_slice())).collect();
        exact.apply(&adds, &[])?;
        set.apply(&adds, &[])?;
        first += batch.len() as u32;
    }
    let links: &[usize] = if planned_only { &[] } else { &[16] };
    let sweep: Vec<SweepPoint> = exact.snapshot().sweep(&queries, links, &BREADTHS)?;
    let begun = Instant::now();
    if let Some(build) = set.graph_due() {
        set.install(build.run(&|| false)?);
    }
    let build_s = begun.elapsed().as_secs_f64();
    let mut searched = Vec::new();
    for k in [10, 100] {
        let what = format!("target .99, k {k}");
        searched.push(planned(&set, &exact, &queries, k, &Candidates::All, what)?);
        for one_in in [2u32, 4, 10, 100, 1000] {
            let some: RoaringBitmap =
                (0..first).filter(|id| id.wrapping_mul(2_654_435_761) % one_in == 0).collect();
            let what = format!("filter 1 in {one_in}, k {k}");
            searched.push(planned(&set, &exact, &queries, k, &Candidates::Only(&some), what)?);
        }
    }
    if as_json {
        let points: Vec<_> = sweep
            .iter()
            .map(|p| {
                let ef = p.by.graph().map(|(_, ef)| ef);
                let how = p.by.to_string();
                json!({"how": how, "ef": ef, "recall": p.recall, "ms": p.p50_ms, "bytes": p.bytes_per_vector})
            })
            .collect();
        let planned: Vec<_> = searched
            .iter()
            .map(|p| json!({"what": p.what, "recall": p.recall, "ms": p.p50_ms, "scan_ms": p.scan_ms, "plan": format!("{:?}", p.plan)}))
            .collect();
        println!(
            "{}",
            json!({"vectors": docs.len(), "build_s": build_s, "sweep": points, "planned": planned})
        );
        return Ok(());
    }
    println!("{} vectors, {} queries; graph built and measured in {build_s:.1} s", docs.len(), queries.len());
    println!("{:<24}{:>10}{:>10}{:>10}{:>18}", "", "recall@10", "p50 ms", "1/p50 s", "bytes per vector");
    for point in &sweep {
        let what = point.by;
        let (per_s, bytes) = (1000.0 / point.p50_ms, point.bytes_per_vector);
        println!("{what:<24}{:>10.4}{:>10.3}{per_s:>10.0}{bytes:>18}", point.recall, point.p50_ms);
    }
    for one in &searched {
        let per_s = 1000.0 / one.p50_ms;
        println!(
            "{:<24}{:>10.4}{:>10.3}{per_s:>10.0}  a scan {:.3} ms  {:?}",
            one.what, one.recall, one.p50_ms, one.scan_ms, one.plan
        );
    }
    Ok(())
}
