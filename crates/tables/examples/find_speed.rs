//! Times queries and durable writes in process and prints medians.
//!
//! `cargo run --release -p quarry-tables --example find_speed -- [rows ...]` (default 10000 100000).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_store::{LocalStore, StoreOptions};
use quarry_tables::{Error, Find, Found, TableSpec, Tables, TablesDeps, TablesOptions};
use quarry_types::{BotId, Scope};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COLUMNS: usize = 20;
const CITIES: [&str; 8] = ["Paris", "Rome", "Berlin", "Madrid", "Vienna", "Lisbon", "Oslo", "Prague"];

fn schema() -> Value {
    let mut properties = Map::new();
    for column in 0..COLUMNS {
        let (name, shape) = match column {
            0 => ("key".to_owned(), json!({"type": "string"})),
            1 => ("city".to_owned(), json!({"type": "string"})),
            2 => ("when".to_owned(), json!({"type": "string", "format": "date-time"})),
            3 => ("ok".to_owned(), json!({"type": "boolean"})),
            n if n < 12 => (format!("n{n}"), json!({"type": "number"})),
            n => (format!("s{n}"), json!({"type": "string"})),
        };
        properties.insert(name, shape);
    }
    json!({"type": "object", "properties": properties})
}

/// A linear congruential generator: the same rows in every run.
fn rolls(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

fn row(at: usize, seed: &mut u64) -> Value {
    let mut row = Map::new();
    row.insert("key".into(), format!("key-{at:08}").into());
    row.insert("city".into(), CITIES[rolls(seed) as usize % CITIES.len()].into());
    row.insert(
        "when".into(),
        format!("2024-{:02}-{:02}T10:00:00.000Z", rolls(seed) % 12 + 1, rolls(seed) % 28 + 1).into(),
    );
    row.insert("ok".into(), rolls(seed).is_multiple_of(2).into());
    for column in 4..12 {
        row.insert(format!("n{column}"), (rolls(seed) % 100_000).into());
    }
    for column in 12..COLUMNS {
        row.insert(format!("s{column}"), format!("text {}", rolls(seed) % 5_000).into());
    }
    row.into()
}

#[tokio::main]
async fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 100_000] } else { sizes };
    for rows in sizes {
        measure(rows).await;
    }
}

fn deps(store: &Arc<LocalStore>) -> TablesDeps {
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64)));
    TablesDeps { store: Arc::clone(store) as _, embedder }
}

async fn measure(rows: usize) {
    let folder = tempfile::tempdir().unwrap();
    let store = quarry_store::open(folder.path(), &StoreOptions::default()).unwrap().store;
    let options = TablesOptions { row_quota: u64::MAX / 2, ..TablesOptions::default() };
    let tables = Tables::new(deps(&store), options.clone());
    let scope = Scope::of(BotId::parse("bot_bench").unwrap());
    let spec = TableSpec { schema: schema(), key_column: Some("key".into()), ..TableSpec::default() };
    tables.create(&scope, "benchTable", spec).await.unwrap();
    let mut seed = 42;
    let fill = Instant::now();
    for start in (0..rows).step_by(1_000) {
        let batch: Vec<Value> = (start..(start + 1_000).min(rows)).map(|at| row(at, &mut seed)).collect();
        let written = tables.create_rows(&scope, "benchTable", batch).await.unwrap();
        assert!(written.errors.is_empty(), "{:?}", written.errors);
    }
    println!("{rows} rows × {COLUMNS} columns, filled in {:.2} s", fill.elapsed().as_secs_f64());
    let load = Instant::now();
    let cold = Tables::new(deps(&store), options);
    cold.count(&scope, "benchTable", None).await.unwrap();
    println!("  cold load {:.2} s, RSS {} MB", load.elapsed().as_secs_f64(), rss_mb());
    drop(cold);

    let selective = json!({"city": "Rome", "n4": {"$lt": 20_000}, "ok": true});
    let find = |change: fn(&mut Find)| {
        let mut find = Find { filter: Some(selective.clone()), ..Find::default() };
        change(&mut find);
        find
    };
    let queries: Vec<(&str, Find)> = vec![
        ("filter, limit 50", find(|find| find.limit = 50)),
        (
            "filter, order, top 20",
            find(|find| {
                find.limit = 20;
                find.order_by = Some("n5".into());
                find.descending = true;
            }),
        ),
        (
            "order by text, top 20",
            find(|find| {
                find.limit = 20;
                find.filter = None;
                find.order_by = Some("s12".into());
            }),
        ),
        ("id", find(|find| find.filter = Some(json!({"id": 77})))),
        ("key", find(|find| find.filter = Some(json!({"key": "key-00000077"})))),
        (
            "regex or range, limit 50",
            find(|find| {
                find.limit = 50;
                find.filter = Some(json!({"$or": [{"s12": {"$regex": "7+$"}}, {"n6": {"$gt": 99_990}}]}));
            }),
        ),
        (
            "group by city, sum + avg",
            find(|find| {
                find.filter = None;
                find.group = Some(json!({"city": "key", "n4": ["sum", "avg"], "id": "count"}));
            }),
        ),
        (
            "group filtered, unique",
            find(|find| find.group = Some(json!({"when": ["min", "max"], "ok": "key", "city": "unique"}))),
        ),
    ];
    for (name, find) in &queries {
        let found = tables.find(&scope, "benchTable", find.clone()).await.unwrap();
        let line =
            timed(rows, async || answered(tables.find(&scope, "benchTable", find.clone()).await)).await;
        println!("  {name:<28} {line}  ({} rows)", found.rows.len());
    }
    let page = Find { limit: 20, ..find(|_| {}) };
    let line = timed(rows, async || {
        answered(tables.find(&scope, "benchTable", page.clone()).await)?;
        tables.count(&scope, "benchTable", page.filter.as_ref()).await.map(drop)
    })
    .await;
    let count = tables.count(&scope, "benchTable", page.filter.as_ref()).await.unwrap();
    println!("  {:<28} {line}  ({count} counted)", "page of 20 + exact count");

    let mut times = Vec::new();
    for at in 0..20 {
        let batch = (0..1_000)
            .map(|n| json!({"key": format!("key-{:08}", (n * 37 + at) % rows), "n4": at}))
            .collect();
        let start = Instant::now();
        tables.upsert_rows(&scope, "benchTable", batch, Some("key")).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("  {:<28} {}", "upsert 1,000 by key, durable", summary(times));
    // What the disk itself takes, turn by turn with the upserts: both see the same load.
    let mut journal = std::fs::File::create(folder.path().join("sync")).unwrap();
    let (mut times, mut syncs) = (Vec::new(), Vec::new());
    for at in 0..500 {
        let start = Instant::now();
        journal.write_all(&[7; 4096]).unwrap();
        journal.sync_data().unwrap();
        syncs.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let row = json!({"key": format!("key-{:08}", at * 7 % rows), "n4": at});
        tables.upsert_rows(&scope, "benchTable", vec![row], Some("key")).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let ratio = median(&mut times) / median(&mut syncs);
    println!("  {:<28} {}", "upsert 1 by key, durable", summary(times));
    println!("  {:<28} {}", "append 4 kB + fdatasync", summary(syncs));
    println!("  {:<28} {ratio:.2}", "p50 upsert / p50 sync");
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let (tables, scope) = (tables.clone(), scope.clone());
            tokio::spawn(async move {
                for at in 0..50 {
                    let row = json!({"key": format!("new-{task}-{at}"), "n4": at});
                    tables.upsert_rows(&scope, "benchTable", vec![row], Some("key")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("  64 clients × 50 single upserts: {:.0} rows/s", 3_200.0 / start.elapsed().as_secs_f64());
}

/// Writes the rows out, as a caller gets them.
fn answered(found: Result<Found, Error>) -> Result<(), Error> {
    std::hint::black_box(serde_json::to_vec(&found?.rows).unwrap());
    Ok(())
}

async fn timed<E: std::fmt::Debug>(rows: usize, run: impl AsyncFn() -> Result<(), E>) -> String {
    let rounds = if rows > 200_000 { 30 } else { 200 };
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        run().await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    summary(times)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn summary(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    let mut line = String::new();
    write!(line, "min {:8.3} p50 {:8.3} p99 {:8.3} ms", at(0), at(50), at(99)).unwrap();
    line
}

fn rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
