#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing)]
use quarry_index::*;
use roaring::RoaringBitmap;
use std::time::Instant;
fn floats(path: &str) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|f| f32::from_le_bytes(*f)).collect();
    all.chunks_exact(384).map(<[f32]>::to_vec).collect()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (docs, queries) = (floats(&a[1]), floats(&a[2]));
    let rounds: usize = a[3].parse().unwrap();
    let set = VectorSet::new(384, VectorOptions { crossover: usize::MAX, ..VectorOptions::default() });
    let mut first = 0;
    for batch in docs.chunks(20_000) {
        let adds: Vec<(u32, &[f32])> = batch.iter().zip(first..).map(|(v, id)| (id, v.as_slice())).collect();
        set.apply(&adds, &[]).unwrap();
        first += batch.len() as u32;
    }
    let snap = set.snapshot();
    for one_in in [1u32, 2, 4, 10, 100] {
        let some: RoaringBitmap =
            (0..first).filter(|id| id.wrapping_mul(2_654_435_761) % one_in == 0).collect();
        for k in [10, 100] {
            let mut t = vec![];
            for _ in 0..rounds {
                for q in &queries {
                    let b = Instant::now();
                    let c = if one_in == 1 { Candidates::All } else { Candidates::Only(&some) };
                    std::hint::black_box(snap.search(q, k, &c).unwrap());
                    t.push(b.elapsed().as_secs_f64() * 1e3);
                }
            }
            t.sort_by(f64::total_cmp);
            println!("1 in {one_in} k {k}: p50 {:.3} p10 {:.3}", t[t.len() / 2], t[t.len() / 10]);
        }
    }
}
