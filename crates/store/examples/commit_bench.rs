//! Prints what the record store costs on this machine, next to the disk's own sync time.
//!
//! `cargo run --release -p quarry-store --example commit_bench [-- FOLDER]`; FOLDER (default: the
//! system's temp folder) decides which disk is measured.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_store::{Coll, Commit, LocalStore, RecordStore, StoreOptions, open};
use quarry_types::BotId;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROW_BYTES: usize = 500;
const SINGLE_COMMITS: u64 = 1_000;
const CLIENTS: u64 = 64;
const COMMITS_PER_CLIENT: u64 = 300;
const BULK_ROWS: u64 = 100_000;

fn bot() -> BotId {
    BotId::parse("bench").unwrap()
}

/// Percentile of sorted times, in microseconds.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// Time of appending 4 kB and syncing it, as a journal does.
fn append_and_sync(file: &mut File) -> Duration {
    let start = Instant::now();
    file.write_all(&[7; 4096]).unwrap();
    file.sync_data().unwrap();
    start.elapsed()
}

/// What the kernel says this process has sent to disks.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

async fn upsert(store: &LocalStore, coll: &Coll, key: u64) {
    let mut commit = Commit::new(&bot());
    commit.put(coll, key.to_be_bytes(), vec![(key % 251) as u8; ROW_BYTES]);
    commit.next_id.push((coll.clone(), key + 1));
    store.commit(commit).await.unwrap();
}

async fn bench(root: &Path) {
    let dir = tempfile::tempdir_in(root).unwrap();
    let folder = dir.path().join("data");
    let start = Instant::now();
    let opened = open(&folder, &StoreOptions::default()).unwrap();
    println!("start with an empty folder: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let (store, rows) = (Arc::clone(&opened.store), Coll::new("t/rows"));

    // Both in turns, so that a change of the machine's load meets both.
    let mut file = File::create(dir.path().join("sync")).unwrap();
    let (mut syncs, mut commits) = (Vec::new(), Vec::new());
    let before = written_bytes();
    for key in 0..SINGLE_COMMITS {
        syncs.push(append_and_sync(&mut file));
        let start = Instant::now();
        upsert(&store, &rows, key).await;
        commits.push(start.elapsed());
    }
    let of_syncs = SINGLE_COMMITS * 4096;
    let written = written_bytes().saturating_sub(before).saturating_sub(of_syncs);
    let (sync, commit) = (percentile(&mut syncs, 50), percentile(&mut commits, 50));
    println!("append of 4 kB + fdatasync: p50 {sync:.0} us, p10 {:.0} us", percentile(&mut syncs, 10));
    println!("1-row durable commit: p50 {commit:.0} us, p10 {:.0} us", percentile(&mut commits, 10));
    println!("p50 commit / p50 sync: {:.2}", commit / sync);
    println!("bytes to disk per 1-row commit: {}", written / SINGLE_COMMITS);

    let start = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (store, rows) = (Arc::clone(&store), rows.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            for i in 0..COMMITS_PER_CLIENT {
                let start = Instant::now();
                upsert(&store, &rows, SINGLE_COMMITS + client * COMMITS_PER_CLIENT + i).await;
                times.push(start.elapsed());
            }
            times
        })
    });
    let mut times: Vec<_> =
        futures::future::join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    println!("{CLIENTS} clients: {rate:.0} durable commits/s, p50 {:.0} us", percentile(&mut times, 50));

    let (bulk, start) = (Coll::new("t/bulk"), Instant::now());
    for first in (0..BULK_ROWS).step_by(1_000) {
        let mut commit = Commit::new(&bot());
        for key in first..first + 1_000 {
            commit.put(&bulk, key.to_be_bytes(), vec![(key % 251) as u8; ROW_BYTES]);
        }
        store.commit(commit).await.unwrap();
    }
    println!("commits of 1,000 rows: {:.0} rows/s", BULK_ROWS as f64 / start.elapsed().as_secs_f64());

    let mut times = Vec::new();
    for i in 0..20_000_u64 {
        let key = (i * 7_919 % BULK_ROWS).to_be_bytes().to_vec();
        let start = Instant::now();
        assert!(store.get(&bot(), &bulk, &[key]).await.unwrap()[0].is_some());
        times.push(start.elapsed());
    }
    println!("point get: p50 {:.1} us", percentile(&mut times, 50));
    let start = Instant::now();
    let (mut after, mut count) = (None::<Vec<u8>>, 0);
    loop {
        let page = store.scan(&bot(), &bulk, b"", after.as_deref(), 10_000).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        count += page.len();
    }
    println!("scan: {:.0} rows/s over {count}", count as f64 / start.elapsed().as_secs_f64());

    drop((store, opened));
    let start = Instant::now();
    let opened = open(&folder, &StoreOptions::default()).unwrap();
    let head = opened.store.head(&bot(), &bulk).await.unwrap();
    let ms = start.elapsed().as_secs_f64() * 1e3;
    println!("start with {} rows of {ROW_BYTES} bytes: {ms:.0} ms", head.records);
    println!("records on disk: {:.1} MB", opened.store.disk_bytes().unwrap() as f64 / 1e6);
}

fn main() {
    let root = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    // Spawned, so that commits wait on a worker thread as they do in the server.
    runtime.block_on(async { tokio::spawn(async move { bench(&root).await }).await.unwrap() });
}
