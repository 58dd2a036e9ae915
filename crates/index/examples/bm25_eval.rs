//! Scores the lexical index on retrieval sets in the BEIR layout.
//!
//! `cargo run --release -p quarry-index --example bm25_eval -- FOLDER…` prints nDCG@10 and recall@10
//! per folder (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`). A query with a `scope` searches
//! only the passages whose title equals it.
#![allow(clippy::print_stdout)]

use quarry_index::{Candidates, LexDoc, LexicalIndex, LexicalSearch};
use roaring::RoaringBitmap;
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<18} {:>8} {:>8} {:>8} {:>8} {:>10} {:>9}", "set", "passages", "queries", "nDCG@10", "R@10", "index ms", "query ms");
    for folder in std::env::args().skip(1) {
        evaluate(Path::new(&folder))?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn lines(path: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut values = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        values.push(serde_json::from_str(&line?)?);
    }
    Ok(values)
}

fn evaluate(folder: &Path) -> Result<(), Box<dyn Error>> {
    let corpus = lines(&folder.join("corpus.jsonl"))?;
    let queries = lines(&folder.join("queries.jsonl"))?;
    let ids: HashMap<&str, u32> = corpus.iter().zip(0..).map(|(doc, id)| (text(doc, "_id"), id)).collect();
    let mut scopes: HashMap<&str, RoaringBitmap> = HashMap::new();
    for (doc, id) in corpus.iter().zip(0..) {
        scopes.entry(text(doc, "title")).or_default().insert(id);
    }
    let mut relevant: HashMap<String, HashMap<u32, f64>> = HashMap::new();
    for line in read_to_string(folder.join("qrels/test.tsv"))?.lines().skip(1) {
        let mut cells = line.split('\t');
        if let (Some(query), Some(doc), Some(grade)) = (cells.next(), cells.next(), cells.next())
            && let (Some(id), Ok(grade)) = (ids.get(doc), grade.trim().parse::<f64>())
            && grade > 0.0
        {
            relevant.entry(query.to_owned()).or_default().insert(*id, grade);
        }
    }

    let place = tempfile::tempdir()?;
    let index = LexicalIndex::open(place.path())?;
    let started = Instant::now();
    let mut docs = corpus.iter().zip(0..).map(|(doc, id)| LexDoc { id, title: text(doc, "title"), body: text(doc, "text") });
    index.apply(&mut docs, &[], 1)?;
    let index_ms = started.elapsed().as_millis();

    let snapshot = index.snapshot();
    let (mut ndcg, mut recall, mut asked) = (0.0, 0.0, 0usize);
    let started = Instant::now();
    for query in &queries {
        let Some(grades) = relevant.get(text(query, "_id")) else { continue };
        let scope = query.get("scope").and_then(Value::as_str).and_then(|scope| scopes.get(scope));
        let hits = snapshot.search(text(query, "text"), 10, &scope.map_or(Candidates::All, Candidates::Only))?;
        let gain = |rank: usize, grade: f64| grade / ((rank + 2) as f64).log2();
        let found: f64 = hits.iter().enumerate().map(|(rank, hit)| gain(rank, grades.get(&hit.id).copied().unwrap_or(0.0))).sum();
        let mut best: Vec<f64> = grades.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let ideal: f64 = best.iter().take(10).enumerate().map(|(rank, grade)| gain(rank, *grade)).sum();
        ndcg += found / ideal;
        recall += hits.iter().filter(|hit| grades.contains_key(&hit.id)).count() as f64 / grades.len() as f64;
        asked += 1;
    }
    let query_ms = started.elapsed().as_secs_f64() * 1000.0 / asked.max(1) as f64;
    println!(
        "{:<18} {:>8} {:>8} {:>8.4} {:>8.4} {:>10} {:>9.3}",
        folder.file_name().unwrap_or_default().to_string_lossy(),
        corpus.len(), asked, ndcg / asked.max(1) as f64, recall / asked.max(1) as f64, index_ms, query_ms,
    );
    Ok(())
}
