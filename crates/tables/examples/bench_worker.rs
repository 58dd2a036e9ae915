//! Quarry in process for `benches/tables`: reads one JSON command a line, answers one JSON line.
//!
//! `load` rows from a file, `find` and `count` timed over some rounds, `upsert` timed once,
//! `clients` writing single rows at once (in process, or over HTTP when `addr` is given).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_store::{LocalStore, StoreOptions};
use quarry_tables::{AnswerRows, Find, TableSpec, Tables, TablesDeps, TablesOptions};
use quarry_types::{BotId, Scope};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHUNK: usize = 1_000;

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1_024.0
}

struct Worker {
    store: Arc<LocalStore>,
    tables: Tables,
    scope: Scope,
}

fn tables(store: &Arc<LocalStore>) -> Tables {
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(64, 64)));
    let options = TablesOptions {
        row_quota: u64::MAX / 2,
        view_budget_bytes: usize::MAX / 2,
        ..TablesOptions::default()
    };
    Tables::new(TablesDeps { store: Arc::clone(store) as _, embedder }, options)
}

fn find_of(command: &Value) -> Find {
    let find = &command["find"];
    let some = |name: &str| Some(find[name].clone()).filter(|value| !value.is_null());
    Find {
        limit: find["limit"].as_u64().unwrap_or(100) as usize,
        filter: some("filter"),
        group: some("group"),
        order_by: find["orderBy"].as_str().map(str::to_owned),
        descending: find["orderDirection"] == "desc",
        ..Find::default()
    }
}

impl Worker {
    async fn load(&mut self, command: &Value) -> Value {
        let table = command["table"].as_str().unwrap();
        let key_column = command["key"].as_str().map(str::to_owned);
        let spec = TableSpec { schema: command["schema"].clone(), key_column, ..TableSpec::default() };
        self.tables.create(&self.scope, table, spec).await.unwrap();
        let file = BufReader::new(std::fs::File::open(command["file"].as_str().unwrap()).unwrap());
        let limit = command["rows"].as_u64().unwrap() as usize;
        let mut lines = file.lines().take(limit);
        let mut seconds = 0.0;
        loop {
            let lines: Vec<String> = lines.by_ref().take(CHUNK).map(Result::unwrap).collect();
            if lines.is_empty() {
                break;
            }
            // Parsing is part of what a caller over HTTP pays as well.
            let start = Instant::now();
            let rows: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            let written = self.tables.create_rows(&self.scope, table, rows).await.unwrap();
            seconds += start.elapsed().as_secs_f64();
            assert!(written.errors.is_empty(), "{:?}", written.errors);
        }
        json!({"seconds": seconds, "rss_mb": rss_mb()})
    }

    async fn cold(&self, command: &Value) -> Value {
        let start = Instant::now();
        let cold = tables(&self.store);
        let before = rss_mb();
        cold.count(&self.scope, command["table"].as_str().unwrap(), Some(&json!({"id": 1}))).await.unwrap();
        json!({"seconds": start.elapsed().as_secs_f64(), "rss_grew_mb": rss_mb() - before})
    }

    async fn find(&self, command: &Value) -> Value {
        let table = command["table"].as_str().unwrap();
        let find = find_of(command);
        let count = command["count"] == true;
        let only_count = command["only_count"] == true;
        let mut times = Vec::new();
        let (mut rows, mut counted) = (AnswerRows::default(), Value::Null);
        for _ in 0..command["rounds"].as_u64().unwrap_or(1) {
            let wanted = find.clone();
            let start = Instant::now();
            if !only_count {
                rows = self.tables.find(&self.scope, table, wanted).await.unwrap().rows;
                // As a caller gets them: written out.
                std::hint::black_box(serde_json::to_vec(&rows).unwrap());
            }
            if count || only_count {
                counted = self.tables.count(&self.scope, table, find.filter.as_ref()).await.unwrap().into();
            }
            times.push(ms(start));
        }
        let rows = if command["answer"] == true { json!(rows) } else { Value::Null };
        json!({"times": times, "rows": rows, "count": counted})
    }

    async fn upsert(&self, command: &Value) -> Value {
        let table = command["table"].as_str().unwrap();
        let rows = command["rows"].as_array().unwrap().clone();
        let start = Instant::now();
        let done = self.tables.upsert_rows(&self.scope, table, rows, Some("key")).await.unwrap();
        let took = ms(start);
        json!({"times": [took], "inserted": done.inserted.len(), "updated": done.updated.len(), "errors": done.errors})
    }

    /// Single-row upserts by many clients at once, each waiting for its own answer.
    async fn clients(&self, command: &Value) -> Value {
        let (clients, each) = (command["clients"].as_u64().unwrap(), command["each"].as_u64().unwrap());
        let table = command["table"].as_str().unwrap().to_owned();
        let addr = command["addr"].as_str().map(str::to_owned);
        let tag = command["tag"].as_str().unwrap_or("x").to_owned();
        let start = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let (tables, scope, table) = (self.tables.clone(), self.scope.clone(), table.clone());
                let (addr, tag) = (addr.clone(), tag.clone());
                tokio::spawn(async move {
                    let mut socket = match &addr {
                        Some(addr) => Some(tokio::net::TcpStream::connect(addr).await.unwrap()),
                        None => None,
                    };
                    let mut times = Vec::new();
                    for at in 0..each {
                        let row = json!({"key": format!("{tag}-{client}-{at}"), "dep_delay": at});
                        let start = Instant::now();
                        match &mut socket {
                            Some(socket) => post(socket, &table, &row).await,
                            None => {
                                let done = tables.upsert_rows(&scope, &table, vec![row], Some("key")).await;
                                assert!(done.unwrap().errors.is_empty());
                            }
                        }
                        times.push(ms(start));
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        let rate = (clients * each) as f64 / start.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        json!({"rows_per_s": rate, "p50": times[times.len() / 2], "p99": times[times.len() * 99 / 100]})
    }
}

/// One upsert over a kept connection.
async fn post(socket: &mut tokio::net::TcpStream, table: &str, row: &Value) {
    let body = json!({"rows": [row], "keyColumn": "key"}).to_string();
    let request = format!(
        "POST /v1/tables/{table}/rows/upsert HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer bench\r\nx-bot-id: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0_u8; 8_192];
    loop {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if body.len() >= length {
            assert!(head.starts_with("HTTP/1.1 200"), "{text}");
            return;
        }
    }
}

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).expect("usage: bench_worker FOLDER");
    let store = quarry_store::open(folder.as_ref(), &StoreOptions::default()).unwrap().store;
    let scope = Scope::of(BotId::parse("bench").unwrap());
    let mut worker = Worker { tables: tables(&store), store, scope };
    let (send, mut commands) = tokio::sync::mpsc::channel::<Value>(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(serde_json::from_str(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    while let Some(command) = commands.recv().await {
        let answer = match command["do"].as_str().unwrap() {
            "load" => worker.load(&command).await,
            "cold" => worker.cold(&command).await,
            "find" => worker.find(&command).await,
            "upsert" => worker.upsert(&command).await,
            "clients" => worker.clients(&command).await,
            "rss" => json!({"rss_mb": rss_mb()}),
            other => panic!("unknown command {other}"),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
