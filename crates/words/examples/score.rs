//! Prints how many labelled questions compile to exactly the labelled query, per split and table,
//! and how long compiling takes.
//!
//! `cargo run -p quarry-words --example score [-- --misses dev]` also prints the misses of a split.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/score/mod.rs"]
mod score;

use quarry_words::Compiler;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

fn main() {
    let misses = std::env::args().skip_while(|arg| arg != "--misses").nth(1);
    let compilers: BTreeMap<&str, Compiler> = score::SCHEMAS
        .iter()
        .map(|name| (*name, Compiler::new(&score::vocabulary(&score::table(name)))))
        .collect();
    let mut right: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let mut times = Vec::new();
    for label in score::labels() {
        let start = Instant::now();
        let proposal = compilers[label.schema.as_str()].compile(&label.text, score::now()).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let hit = score::matches(&label, &proposal);
        for schema in [label.schema.as_str(), "all"] {
            let count = right.entry((label.split.clone(), schema.to_owned())).or_default();
            *count = (count.0 + usize::from(hit), count.1 + 1);
        }
        if !hit && misses.as_deref() == Some(label.split.as_str()) {
            println!("✗ {} | {}", label.schema, label.text);
            println!(
                "    want {} order {:?} {} limit {:?} group {} select {:?}",
                label.filter,
                label.order_by,
                label.descending,
                label.limit,
                json!(label.group),
                label.select
            );
            println!(
                "    got  {} order {:?} {} limit {:?} group {} select {:?} unused {:?} confidence {}",
                json!(proposal.filter),
                proposal.order_by,
                proposal.descending,
                proposal.limit,
                json!(proposal.group),
                proposal.select,
                proposal.unused,
                proposal.confidence
            );
        }
    }
    for ((split, schema), (hits, all)) in &right {
        println!("{split:<5} {schema:<10} exact {hits:>3} of {all:>3}  {:.3}", *hits as f64 / *all as f64);
    }
    times.sort_by(f64::total_cmp);
    println!("compile ms: p50 {:.3} max {:.3}", times[times.len() / 2], times[times.len() - 1]);
}
