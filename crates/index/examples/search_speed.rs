//! Times one search in process, embedding excluded, on made-up passages.
//!
//! `cargo run --release -p quarry-index --example search_speed -- [COUNT…]` (default 5000 50000)
//! prints p50 and p99 in milliseconds over 400 queries: vectors of 384 dimensions, words drawn
//! with a Zipf-like law. With `--graph` a graph is built as well and its recall@10 printed.
#![allow(clippy::print_stdout)]

use quarry_index::{
    Candidates, FuseOptions, LexDoc, LexicalIndex, LexicalSearch, VectorIndex, VectorOptions, VectorSet, fuse,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::error::Error;
use std::time::Instant;

const DIMS: usize = 384;
const QUERIES: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let graph = args.iter().any(|arg| arg == "--graph");
    let mut counts: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![5_000, 50_000];
    }
    println!("{:>9}  {:<34}{:>9}{:>9}", "passages", "what", "p50 ms", "p99 ms");
    for count in counts {
        measure(count, graph)?;
    }
    Ok(())
}

struct Source {
    rng: StdRng,
    centres: Vec<Vec<f32>>,
}

impl Source {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(11);
        let centres = (0..200).map(|_| (0..DIMS).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
        Self { rng, centres }
    }

    fn vector(&mut self) -> Vec<f32> {
        let at = self.rng.random_range(0..self.centres.len());
        let centre = self.centres.get(at).cloned().unwrap_or_default();
        centre.into_iter().map(|x| x + self.rng.random_range(-1.0f32..1.0)).collect()
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| format!("w{} ", (30_000f64.powf(self.rng.random::<f64>())) as u32)).collect()
    }
}

fn timed(
    count: usize,
    what: &str,
    run: &mut dyn FnMut(usize) -> Result<(), quarry_index::Error>,
) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for query in 0..QUERIES {
        let started = Instant::now();
        run(query)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(QUERIES * share / 100).copied().unwrap_or(0.0);
    println!("{count:>9}  {what:<34}{:>9.3}{:>9.3}", at(50), at(99));
    Ok(())
}

/// Resident memory of this process, 0 where the system does not tell.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).map_or(0, |kb| kb * 1024)
}

fn measure(count: usize, graph: bool) -> Result<(), Box<dyn Error>> {
    let mut source = Source::new();
    let vectors: Vec<Vec<f32>> = (0..count).map(|_| source.vector()).collect();
    let bodies: Vec<String> = (0..count).map(|_| source.text(120)).collect();
    let query_vectors: Vec<Vec<f32>> = (0..QUERIES).map(|_| source.vector()).collect();
    let query_texts: Vec<String> = (0..QUERIES).map(|_| source.text(10)).collect();

    let place = tempfile::tempdir()?;
    let lexical = LexicalIndex::open(place.path())?;
    let started = Instant::now();
    lexical.apply(&mut bodies.iter().zip(0..).map(|(body, id)| LexDoc { id, title: "", body }), &[], 1)?;
    let lexical_ms = started.elapsed().as_millis();
    let set = VectorSet::new(
        DIMS,
        VectorOptions { crossover: if graph { count / 2 } else { usize::MAX }, ..VectorOptions::default() },
    );
    let started = Instant::now();
    let adds: Vec<(u32, &[f32])> = vectors.iter().zip(0..).map(|(v, id)| (id, v.as_slice())).collect();
    set.apply(&adds, &[])?;
    println!("{count:>9}  built in ms: words {lexical_ms}, vectors {}", started.elapsed().as_millis());
    let started = Instant::now();
    set.apply(&[(7, query_vectors.first().map_or(&[][..], Vec::as_slice))], &[8])?;
    println!("{count:>9}  one vector changed in ms: {:.3}", started.elapsed().as_secs_f64() * 1000.0);

    let (words, near) = (lexical.snapshot(), set.snapshot());
    let tenth: roaring::RoaringBitmap = (0..count as u32).filter(|id| id % 10 == 3).collect();
    let (all, some) = (Candidates::All, Candidates::Only(&tenth));
    let vector = |at: usize| query_vectors.get(at).map_or(&[][..], Vec::as_slice);
    let text = |at: usize| query_texts.get(at).map_or("", String::as_str);
    timed(count, "vectors, exact", &mut |q| near.search(vector(q), 50, &all).map(drop))?;
    timed(count, "vectors, exact, 10 % allowed", &mut |q| near.search(vector(q), 50, &some).map(drop))?;
    timed(count, "words", &mut |q| words.search(text(q), 50, &all).map(drop))?;
    timed(count, "words, 10 % allowed", &mut |q| words.search(text(q), 50, &some).map(drop))?;
    timed(count, "hybrid: both and fused", &mut |q| {
        let (a, b) = (words.search(text(q), 50, &all)?, near.search(vector(q), 50, &all)?);
        std::hint::black_box(fuse(&a, &b, &FuseOptions::default()));
        Ok(())
    })?;
    println!(
        "{count:>9}  bytes per vector {}, word index {}",
        near.heap_bytes() / count,
        lexical.heap_bytes()
    );
    if let (true, Some(build)) = (graph, set.graph_due()) {
        let before = resident_bytes();
        let started = Instant::now();
        set.install(build.run(&|| false)?);
        let grown = resident_bytes().saturating_sub(before) / count;
        println!(
            "{count:>9}  graph built in ms: {}; resident bytes per vector {grown}",
            started.elapsed().as_millis()
        );
        let walked = set.snapshot();
        timed(count, "vectors, graph", &mut |q| walked.search(vector(q), 10, &all).map(drop))?;
        let mut found = 0;
        for query in &query_vectors {
            let (truth, hits) = (near.search(query, 10, &all)?, walked.search(query, 10, &all)?);
            found += truth.iter().filter(|hit| hits.contains(hit)).count();
        }
        println!("{count:>9}  recall@10 of the graph {:.4}", found as f64 / (QUERIES * 10) as f64);
    }
    Ok(())
}
