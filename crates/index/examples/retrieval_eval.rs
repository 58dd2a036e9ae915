//! Scores the indexes and their fusion on retrieval sets in the BEIR layout.
//!
//! `cargo run --release -p quarry-index --example retrieval_eval -- [--vectors DIR] FOLDER…` prints
//! nDCG@10 per folder (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`): BM25 alone and, when
//! `DIR/<set>.docs.f32` and `DIR/<set>.queries.f32` hold little-endian f32 vectors of 384 dimensions
//! in file order, dense search and the fusions too. A query with a `scope` searches only the
//! passages whose title equals it.
#![allow(clippy::print_stdout)]

use quarry_index::{
    Candidates, ExactInt8, FuseOptions, FusionMethod, Hit, LexDoc, LexicalIndex, LexicalSearch, VectorIndex,
    fuse,
};
use roaring::RoaringBitmap;
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

type Failure = Box<dyn Error>;

const DIMS: usize = 384;
/// Hits taken from each leg before fusion.
const DEPTH: usize = 100;

fn fusions() -> Vec<(&'static str, FuseOptions)> {
    let with = |weight_dense, method| FuseOptions { weight_dense, method };
    vec![
        ("rrf60", with(0.5, FusionMethod::Rrf { k: 60.0 })),
        ("rrf10", with(0.5, FusionMethod::Rrf { k: 10.0 })),
        ("mm.3", with(0.3, FusionMethod::MinMax)),
        ("mm.4", with(0.4, FusionMethod::MinMax)),
        ("mm.5", with(0.5, FusionMethod::MinMax)),
        ("mm.6", with(0.6, FusionMethod::MinMax)),
        ("mm.7", with(0.7, FusionMethod::MinMax)),
        ("z.3", with(0.3, FusionMethod::FromZero)),
        ("z.4", with(0.4, FusionMethod::FromZero)),
        ("z.5", with(0.5, FusionMethod::FromZero)),
        ("z.6", with(0.6, FusionMethod::FromZero)),
        ("z.7", with(0.7, FusionMethod::FromZero)),
    ]
}

fn main() -> Result<(), Failure> {
    let mut vectors: Option<PathBuf> = None;
    let mut folders = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--vectors" {
            vectors = args.next().map(PathBuf::from);
        } else {
            folders.push(PathBuf::from(arg));
        }
    }
    print!("{:<16}{:>9}{:>9}{:>7}{:>7}{:>7}", "set", "passages", "queries", "bm25", "R@10", "dense");
    println!("{}", fusions().iter().map(|(name, _)| format!("{name:>7}")).collect::<String>());
    for folder in &folders {
        Set::load(folder)?.evaluate(vectors.as_deref())?;
    }
    Ok(())
}

struct Set {
    name: String,
    corpus: Vec<Value>,
    queries: Vec<Value>,
    relevant: HashMap<String, HashMap<u32, f64>>,
    scopes: HashMap<String, RoaringBitmap>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn lines(path: &Path) -> Result<Vec<Value>, Failure> {
    std::fs::read_to_string(path)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn floats(path: &Path) -> Result<Vec<Vec<f32>>, Failure> {
    let bytes = std::fs::read(path)?;
    let value = |four: &[u8]| <[u8; 4]>::try_from(four).map(f32::from_le_bytes).unwrap_or(0.0);
    let all: Vec<f32> = bytes.chunks_exact(4).map(value).collect();
    Ok(all.chunks_exact(DIMS).map(<[f32]>::to_vec).collect())
}

impl Set {
    fn load(folder: &Path) -> Result<Self, Failure> {
        let corpus = lines(&folder.join("corpus.jsonl"))?;
        let ids: HashMap<&str, u32> =
            corpus.iter().zip(0..).map(|(doc, id)| (text(doc, "_id"), id)).collect();
        let mut scopes: HashMap<String, RoaringBitmap> = HashMap::new();
        for (doc, id) in corpus.iter().zip(0..) {
            scopes.entry(text(doc, "title").to_owned()).or_default().insert(id);
        }
        let mut relevant: HashMap<String, HashMap<u32, f64>> = HashMap::new();
        for line in std::fs::read_to_string(folder.join("qrels/test.tsv"))?.lines().skip(1) {
            let mut cells = line.split('\t');
            if let (Some(query), Some(doc), Some(grade)) = (cells.next(), cells.next(), cells.next())
                && let (Some(id), Ok(grade)) = (ids.get(doc), grade.trim().parse::<f64>())
                && grade > 0.0
            {
                relevant.entry(query.to_owned()).or_default().insert(*id, grade);
            }
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, queries: lines(&folder.join("queries.jsonl"))?, relevant, scopes, corpus })
    }

    fn evaluate(&self, vectors: Option<&Path>) -> Result<(), Failure> {
        let place = tempfile::tempdir()?;
        let lexical = LexicalIndex::open(place.path())?;
        let mut docs = self.corpus.iter().zip(0..).map(|(doc, id)| LexDoc {
            id,
            title: text(doc, "title"),
            body: text(doc, "text"),
        });
        lexical.apply(&mut docs, &[], 1)?;
        let lexical = lexical.snapshot();

        let file = |kind: &str| vectors.map(|dir| dir.join(format!("{}.{kind}.f32", self.name)));
        let (mut dense, mut query_vectors) = (ExactInt8::new(DIMS), Vec::new());
        if let (Some(docs), Some(queries)) = (file("docs"), file("queries"))
            && let (Ok(docs), Ok(queries)) = (floats(&docs), floats(&queries))
        {
            let adds: Vec<(u32, &[f32])> = docs.iter().zip(0..).map(|(v, id)| (id, v.as_slice())).collect();
            dense = dense.with_changes(&adds, &[])?;
            query_vectors = queries;
        }

        let fusions = fusions();
        let mut gains = vec![0.0; fusions.len() + 2];
        let (mut recall, mut asked) = (0.0, 0usize);
        for (at, query) in self.queries.iter().enumerate() {
            let Some(grades) = self.relevant.get(text(query, "_id")) else { continue };
            let scope = query.get("scope").and_then(Value::as_str).and_then(|scope| self.scopes.get(scope));
            let allowed = scope.map_or(Candidates::All, Candidates::Only);
            let words = lexical.search(text(query, "text"), DEPTH, &allowed)?;
            let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id).collect::<Vec<_>>();
            let mut rankings = vec![ids(&words)];
            if let Some(vector) = query_vectors.get(at) {
                let near = dense.search(vector, DEPTH, &allowed)?;
                rankings.push(ids(&near));
                for (_, options) in &fusions {
                    rankings.push(fuse(&words, &near, options).iter().map(|item| item.id).collect());
                }
            }
            for (gain, ranking) in gains.iter_mut().zip(&rankings) {
                *gain += ndcg(ranking, grades);
            }
            let found =
                rankings.first().into_iter().flatten().take(10).filter(|id| grades.contains_key(id)).count();
            recall += found as f64 / grades.len() as f64;
            asked += 1;
        }
        let mean = |sum: f64| format!("{:>7.4}", sum / asked.max(1) as f64);
        print!("{:<16}{:>9}{:>9}", self.name, self.corpus.len(), asked);
        let cells: String = gains.iter().skip(1).map(|sum| mean(*sum)).collect();
        println!("{}{}{cells}", mean(gains.first().copied().unwrap_or(0.0)), mean(recall));
        Ok(())
    }
}

/// Gains are the grades themselves, discounted by rank.
fn ndcg(ranking: &[u32], grades: &HashMap<u32, f64>) -> f64 {
    let sum = |grades: &mut dyn Iterator<Item = f64>| -> f64 {
        grades.take(10).enumerate().map(|(rank, grade)| grade / ((rank + 2) as f64).log2()).sum()
    };
    let mut best: Vec<f64> = grades.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    sum(&mut ranking.iter().map(|id| grades.get(id).copied().unwrap_or(0.0))) / sum(&mut best.into_iter())
}
