//! What the writers of rows did, and what must therefore be found.

use super::http::Client;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: usize = 8;
const MAX_BATCH: usize = 12;

/// What is known of one batch of new rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Sent, no answer seen.
    Sent,
    /// Acknowledged.
    Live,
    /// A delete was sent, no answer seen.
    DeleteSent,
    /// Its delete was acknowledged.
    Deleted,
}

#[derive(Debug)]
pub(super) struct Batch {
    size: usize,
    ids: Vec<i64>,
    fate: Fate,
}

/// Batches by marker.
pub(super) type Batches = BTreeMap<String, Batch>;

fn text(marker: &str, i: usize) -> String {
    format!("{marker} row {i} ").repeat(1 + i * 7 % 20)
}

/// A word no other batch has; the first row of a batch is found by it.
fn mark(marker: &str) -> String {
    format!("mark{}", marker.replace('-', "x"))
}

/// Whether every row that can be searched is indexed.
pub(super) fn are_indexed(client: &Client) -> bool {
    client.call("GET", "/v1/tables/rowTable", &Value::Null).unwrap().ok()["indexing"] == 0
}

/// Searches for some of the batches; gives how many vectors rows have.
pub(super) fn check_search(client: &Client, batches: &Batches) -> usize {
    for marker in batches.keys().take(20) {
        let body = json!({ "search": mark(marker), "limit": 1 });
        let found = client.call("POST", "/v1/tables/rowTable/rows/find", &body).unwrap().ok();
        assert_eq!(found["rows"][0]["batch"], marker.as_str(), "{found}");
    }
    batches.len()
}

pub(super) fn create_tables(client: &Client) {
    let schema = json!({
        "batch": { "type": "string" }, "i": { "type": "number" }, "text": { "type": "string" },
        "mark": { "type": "string", "x-zui": { "searchable": true } },
    });
    client.call("POST", "/v1/tables", &json!({ "name": "rowTable", "schema": schema })).unwrap().ok();
    let schema =
        json!({ "key": { "type": "string" }, "by": { "type": "number" }, "n": { "type": "number" } });
    let body = json!({ "name": "keyTable", "schema": schema, "keyColumn": "key", "factor": 2 });
    client.call("POST", "/v1/tables", &body).unwrap().ok();
}

/// Creates and deletes batches until the server is gone.
pub(super) fn write_batches(client: &Client, prefix: &str, rng: &mut StdRng) -> Batches {
    let mut batches = Batches::new();
    let mut live: Vec<String> = Vec::new();
    for n in 0.. {
        if rng.random_ratio(1, 4) && !live.is_empty() {
            let marker = live.swap_remove(rng.random_range(0..live.len()));
            let batch = batches.get_mut(&marker).unwrap();
            batch.fate = Fate::DeleteSent;
            let body = json!({ "ids": batch.ids });
            let Ok(answer) = client.call("POST", "/v1/tables/rowTable/rows/delete", &body) else { break };
            assert_eq!(answer.ok()["deletedRows"], batch.ids.len());
            batch.fate = Fate::Deleted;
            continue;
        }
        let marker = format!("{prefix}-{n}");
        let size = rng.random_range(1..=MAX_BATCH);
        let row = |i| {
            let mark = (i == 0).then(|| mark(&marker));
            json!({ "batch": marker, "i": i, "text": text(&marker, i), "mark": mark })
        };
        let rows: Vec<Value> = (0..size).map(row).collect();
        batches.insert(marker.clone(), Batch { size, ids: Vec::new(), fate: Fate::Sent });
        let Ok(answer) = client.call("POST", "/v1/tables/rowTable/rows", &json!({ "rows": rows })) else {
            break;
        };
        let answer = answer.ok();
        let ids = answer["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        let batch = batches.get_mut(&marker).unwrap();
        (batch.ids, batch.fate) = (ids, Fate::Live);
        assert_eq!(batch.ids.len(), size);
        live.push(marker);
    }
    batches
}

/// Numbers of the last upsert sent and acknowledged by one writer; each upsert sets all keys.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Upserts {
    sent: u64,
    acknowledged: u64,
}

impl Upserts {
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }
}

/// Upserts the same few keys, as the other writers do, until the server is gone.
pub(super) fn write_keys(client: &Client, by: usize, mut upserts: Upserts) -> Upserts {
    loop {
        upserts.sent += 1;
        let row = |k| json!({ "key": format!("k{k}"), "by": by, "n": upserts.sent });
        let body = json!({ "keyColumn": "key", "rows": (0..KEYS).map(row).collect::<Vec<_>>() });
        let Ok(answer) = client.call("POST", "/v1/tables/keyTable/rows/upsert", &body) else {
            return upserts;
        };
        let answer = answer.ok();
        let count = |name: &str| answer[name].as_array().map_or(0, Vec::len);
        assert_eq!(count("inserted") + count("updated"), KEYS, "{answer}");
        upserts.acknowledged = upserts.sent;
    }
}

fn all_rows(client: &Client, table: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let body = json!({ "limit": 1000, "offset": rows.len() });
        let page = client.call("POST", &format!("/v1/tables/{table}/rows/find"), &body).unwrap().ok();
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        if page["hasMore"] != true {
            break;
        }
    }
    let ids: BTreeSet<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), rows.len(), "row ids of {table} are unique");
    rows
}

/// Checks the tables against what the writers know, then takes what was found as the truth.
/// Gives rows × factor over both tables.
pub(super) fn check(client: &Client, batches: &mut Batches, upserts: &[Upserts]) -> u64 {
    let rows = all_rows(client, "rowTable");
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in &rows {
        found.entry(row["batch"].as_str().unwrap()).or_default().push(row);
    }
    for marker in found.keys() {
        assert!(batches.contains_key(*marker), "ghost: batch {marker} was never sent");
    }
    for (marker, batch) in batches.iter_mut() {
        let there = found.get(marker.as_str());
        match (batch.fate, there) {
            (Fate::Live, None) => panic!("lost: acknowledged batch {marker} of {} rows", batch.size),
            (Fate::Deleted, Some(rows)) => {
                panic!("back again: {} rows of deleted batch {marker}", rows.len())
            }
            _ => {}
        }
        let Some(rows) = there else {
            batch.fate = Fate::Deleted;
            continue;
        };
        assert_eq!(rows.len(), batch.size, "half batch {marker} ({:?})", batch.fate);
        let ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
        if batch.fate != Fate::Sent {
            assert_eq!(ids, batch.ids, "batch {marker} keeps its ids");
        }
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row["i"].as_f64(), Some(i as f64), "batch {marker}");
            assert_eq!(row["text"], text(marker, i), "batch {marker} row {i}");
        }
        (batch.ids, batch.fate) = (ids, Fate::Live);
    }
    batches.retain(|_, batch| batch.fate == Fate::Live);

    let keyed = all_rows(client, "keyTable");
    check_keys(&keyed, upserts);
    rows.len() as u64 + 2 * keyed.len() as u64
}

fn check_keys(rows: &[Value], upserts: &[Upserts]) {
    let acknowledged = upserts.iter().any(|one| one.acknowledged > 0);
    if rows.is_empty() {
        assert!(!acknowledged, "lost: all keys");
        return;
    }
    let keys: BTreeSet<&str> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!((keys.len(), rows.len()), (KEYS, KEYS), "each key once");
    let mark = |row: &Value| (row["by"].as_u64().unwrap() as usize, row["n"].as_u64().unwrap());
    let (by, n) = mark(&rows[0]);
    for row in rows {
        assert_eq!(mark(row), (by, n), "half upsert: {rows:?}");
    }
    let writer = upserts[by];
    assert!(n <= writer.sent, "ghost: upsert {n} of writer {by} was never sent");
    assert!(n >= writer.acknowledged, "lost: upsert {} of writer {by}, found {n}", writer.acknowledged);
}
