use super::*;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_makes_one_row_under_64_writers() {
    for indexed in [true, false] {
        let bench = Bench::new();
        let schema = json!({"k": "a", "n": 1});
        let spec = if indexed { keyed(schema, "k") } else { spec(schema) };
        bench.tables.create(&bot(), "kTable", spec).await.unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let tables = bench.tables.clone();
                tokio::spawn(async move {
                    let rows = (0..100).map(|k| json!({"k": format!("k{k}"), "n": task})).collect();
                    tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap()
                })
            })
            .collect();
        let mut inserted = 0;
        for task in tasks {
            let done = task.await.unwrap();
            assert_eq!(done.inserted.len() + done.updated.len(), 100);
            inserted += done.inserted.len();
        }
        assert_eq!(inserted, 100, "indexed: {indexed}");
        let rows = bench.find("kTable", Find { limit: 1_000, ..Find::default() }).await.rows;
        let keys: BTreeSet<&str> = rows.iter().map(|row| row["k"].as_str().unwrap()).collect();
        assert_eq!((rows.len(), keys.len()), (100, 100));
        // Each request was one commit: all rows carry the same last writer.
        assert_eq!(rows.iter().map(|row| row["n"].to_string()).collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(bench.usage().await, 100);
        assert_eq!(
            bench.cold().find(&bot(), "kTable", Find { limit: 1_000, ..Find::default() }).await.unwrap().rows,
            rows
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_read_their_writes_and_readers_see_whole_requests() {
    let bench = Bench::new();
    bench.table("xTable", json!({"writer": 1, "n": 1})).await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let tables = bench.tables.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    let rows = vec![json!({"writer": writer, "n": n}); 5];
                    let written = tables.create_rows(&bot(), "xTable", rows).await.unwrap();
                    let id = written.rows[4]["id"].as_i64().unwrap();
                    assert_eq!(tables.row(&bot(), "xTable", id).await.unwrap()["n"], json!(n));
                    let mine =
                        tables.count(&bot(), "xTable", Some(&json!({"writer": writer}))).await.unwrap();
                    assert_eq!(mine, (n + 1) * 5);
                    let all = tables.count(&bot(), "xTable", None).await.unwrap();
                    assert_eq!(all % 5, 0, "a request is visible whole or not at all");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(bench.tables.count(&bot(), "xTable", None).await.unwrap(), 800);
    let ids: BTreeSet<u64> = bench.ids("xTable", json!({})).await.into_iter().collect();
    assert_eq!(ids.len(), 800);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_on_one_store_stay_consistent() {
    let bench = Bench::new();
    bench.tables.create(&bot(), "kTable", keyed(json!({"k": "a", "n": 1}), "k")).await.unwrap();
    let nodes = [bench.tables.clone(), bench.cold()];
    let tasks: Vec<_> = (0..8)
        .map(|task: usize| {
            let tables = nodes[task % 2].clone();
            tokio::spawn(async move {
                for n in 0..15 {
                    let rows =
                        (0..10).map(|k| json!({"k": format!("k{}", (k * task + n) % 30), "n": n})).collect();
                    tables.upsert_rows(&bot(), "kTable", rows, Some("k")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = Find { limit: 1_000, ..Find::default() };
    let rows = nodes[0].find(&bot(), "kTable", all.clone()).await.unwrap().rows;
    assert_eq!(nodes[1].find(&bot(), "kTable", all).await.unwrap().rows, rows);
    let keys: BTreeSet<&str> = rows.iter().map(|row| row["k"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), rows.len());
    assert_eq!(bench.usage().await, rows.len() as u64);
    nodes[1].rename_column(&bot(), "kTable", "n", "m").await.unwrap();
    assert!(nodes[0].row(&bot(), "kTable", rows[0]["id"].as_i64().unwrap()).await.unwrap().contains_key("m"));
}
