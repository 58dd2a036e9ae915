//! Times the indexing of rows and searches over them, in process.
//!
//! `cargo run --release -p quarry-tables --example row_search -- [--hash] [ROWS…]` (default 10000) prints
//! rows indexed per second, how long a single new row takes to be found, and p50 and p99 of searches:
//! without a filter and with filters that leave 1/10, 1/100 and 1/1000. Uses the bundled model;
//! with `--hash` a stand-in that costs nothing, so that all but the model is measured.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_embed::testing::HashEmbedder;
use quarry_embed::{EmbedOptions, Embedder, EmbedderSlot};
use quarry_store::StoreOptions;
use quarry_tables::{Find, TableSpec, Tables, TablesDeps, TablesOptions};
use quarry_types::{BotId, Scope};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TABLE: &str = "productsTable";
const QUERIES: usize = 200;
/// Rows added one by one after the others.
const FRESH: usize = 20;
const THINGS: [&str; 16] = [
    "toaster",
    "kettle",
    "desk lamp",
    "office chair",
    "garden hose",
    "water filter",
    "phone case",
    "rain jacket",
    "mountain bike",
    "sleeping bag",
    "coffee grinder",
    "bread knife",
    "wool blanket",
    "door lock",
    "paint brush",
    "alarm clock",
];
const TRAITS: [&str; 16] = [
    "light",
    "foldable",
    "waterproof",
    "quiet",
    "cordless",
    "made of steel",
    "for children",
    "with a timer",
    "very sturdy",
    "easy to clean",
    "hand made",
    "with two years of warranty",
    "solar powered",
    "for travel",
    "in dark green",
    "recycled",
];

fn text(random: &mut StdRng) -> String {
    let mut pick = |words: &[&str]| words[random.random_range(0..words.len())].to_owned();
    let (thing, one, two) = (pick(&THINGS), pick(&TRAITS), pick(&TRAITS));
    format!("A {thing}, {one} and {two}, model {}", random.random_range(0..5_000))
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let hash = args.iter().any(|arg| arg == "--hash");
    let mut sizes: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(10_000);
    }
    let embedder: Arc<dyn Embedder> = if hash {
        Arc::new(HashEmbedder::new(384, 256))
    } else {
        quarry_embed::open(&EmbedOptions::default()).unwrap()
    };
    println!("model {} on {}", embedder.fingerprint(), embedder.engine());
    for rows in sizes {
        measure(rows, &embedder).await;
    }
}

async fn measure(rows: usize, embedder: &Arc<dyn Embedder>) {
    let folder = tempfile::tempdir().unwrap();
    let store = quarry_store::open(folder.path(), &StoreOptions::default()).unwrap().store;
    let deps = TablesDeps { store, embedder: EmbedderSlot::ready(Arc::clone(embedder)) };
    let quota = u64::MAX / 4;
    let tables = Tables::new(
        deps,
        TablesOptions { row_quota: quota, vector_quota: quota, ..TablesOptions::default() },
    );
    let scope = Scope::of(BotId::parse("bot_bench").unwrap());
    let schema = json!({"text": {"type": "string", "x-zui": {"searchable": true}}, "n": {"type": "number"}});
    tables.create(&scope, TABLE, TableSpec { schema, ..TableSpec::default() }).await.unwrap();
    let mut random = StdRng::seed_from_u64(7);
    let started = Instant::now();
    for start in (0..rows).step_by(1_000) {
        let batch: Vec<Value> =
            (start..(start + 1_000).min(rows)).map(|n| json!({"text": text(&mut random), "n": n})).collect();
        tables.create_rows(&scope, TABLE, batch).await.unwrap();
    }
    indexed(&tables, &scope).await;
    let took = started.elapsed().as_secs_f64();
    println!("{rows} rows indexed in {took:.1} s: {:.0} rows/s", rows as f64 / took);

    let mut fresh = Vec::new();
    for n in 0..FRESH {
        let started = Instant::now();
        tables
            .create_rows(&scope, TABLE, vec![json!({"text": text(&mut random), "n": rows + n})])
            .await
            .unwrap();
        indexed(&tables, &scope).await;
        fresh.push(started.elapsed().as_secs_f64() * 1e3);
    }
    print("a new row found after", fresh);

    for step in [1, 10, 100, 1_000] {
        let mut times = Vec::with_capacity(QUERIES);
        for _ in 0..QUERIES {
            let filter = (step > 1).then(|| json!({"n": {"$mod": [step, 0]}}));
            let find = Find { search: Some(text(&mut random)), filter, limit: 10, ..Find::default() };
            let started = Instant::now();
            let found = tables.find(&scope, TABLE, find).await.unwrap();
            times.push(started.elapsed().as_secs_f64() * 1e3);
            assert_eq!(found.rows.len(), 10.min((rows + FRESH).div_ceil(step)));
        }
        print(&format!("search among 1/{step}, 10 rows"), times);
    }
    tables.shutdown().await;
}

async fn indexed(tables: &Tables, scope: &Scope) {
    while tables.get(scope, TABLE).await.unwrap().1.indexing > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn print(what: &str, mut times: Vec<f64>) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("  {what:<28} p50 {:>8.2} ms  p99 {:>8.2} ms", at(0.5), at(0.99));
}
