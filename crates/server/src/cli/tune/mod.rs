//! `quarry tune`: tries search settings on a set, shows what each costs and gains, and recommends one.
//!
//! Owns the sweep and the choice; asking and scoring are `quarry eval`'s. Invariant: what is
//! recommended was measured, and is on the front.

mod plot;

use super::commands::print;
use super::eval::corpus::{Corpus, Model};
use super::eval::figures::Figures;
use super::eval::set::{Query, Set};
use super::eval::{Note, Spread};
use crate::config::tuning::{search, written};
use clap::Args;
use plot::{Plot, Point};
use quarry_embed::Embedder;
use quarry_kb::{SearchTuning, SweepPoint};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Hits per leg that are tried.
const CANDIDATES: [usize; 3] = [50, 100, 200];
/// Weights of meaning that are tried.
const DENSE: [f32; 6] = [1.0, 3.0, 5.0, 8.0, 12.0, 20.0];
/// nDCG that no one would notice: among settings this near to the best the fastest is recommended.
const ALIKE: f64 = 0.002;

/// Tune search.
#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/ (BEIR layout)
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Which file of qrels/, without .tsv; else test, or qrels.tsv, or the only one
    #[arg(long)]
    split: Option<String>,
    /// Ask at most so many of the set's queries, evenly picked
    #[arg(long, default_value_t = 300, value_name = "N")]
    queries: usize,
    /// Cut documents by so many characters as well (100 to 5000), each length embedded anew, and compare
    #[arg(long, value_delimiter = ',', value_name = "CHARS")]
    chunks: Vec<usize>,
    /// Milliseconds a search may take (median, embedding excluded) to be recommended
    #[arg(long, default_value_t = 3.0, value_name = "MS")]
    max_ms: f64,
    /// Write tune.json and tune.svg into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write the recommended setting into this settings file
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// Keep vectors in this folder, so that the next run need not embed again
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Folder of another embedding model
    #[arg(long, env = "QUARRY_MODEL_DIR", value_name = "FOLDER")]
    model_dir: Option<PathBuf>,
}

/// One setting and what it gave.
struct Tried {
    tuning: SearchTuning,
    figures: Figures,
    p50_ms: f64,
}

/// A chunk length (characters) and what it gave with the default setting; `None` cuts by what the model reads.
struct Cut {
    chars: Option<usize>,
    passages: usize,
    tried: Tried,
}

/// All that was measured.
struct Measured {
    tried: Vec<Tried>,
    vectors: Vec<SweepPoint>,
    cuts: Vec<Cut>,
}

/// `quarry tune`.
pub(super) fn tune(args: &TuneArgs) -> Result<(), String> {
    if let Some(wrong) = args.chunks.iter().find(|chars| !(100..=5000).contains(*chars)) {
        return Err(format!("--chunks takes 100 to 5000 characters, got {wrong}"));
    }
    let mut set = Set::load(&args.data, args.split.as_deref())?;
    set.queries.retain(|query| !query.relevant.is_empty());
    if set.queries.is_empty() {
        return Err(
            "no query has a relevant document, so no setting is better than another; see qrels/".into()
        );
    }
    let step = set.queries.len().div_ceil(args.queries.max(1)).max(1);
    set.queries = set.queries.into_iter().step_by(step).collect();
    // Every setting asks the same questions: without a folder of the caller's they are kept for this run.
    let own = tempfile::tempdir().map_err(|cause| format!("no temporary folder: {cause}"))?;
    let cache = args.cache.clone().unwrap_or_else(|| own.path().to_owned());
    let model = Model { folder: args.model_dir.clone(), cache: Some(cache), threads: 0 }.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| format!("cannot start threads: {cause}"))?;
    let measured = runtime.block_on(async {
        let corpus = Corpus::open(&set, model.clone(), None, &Note).await?;
        let measured = measure(&set.queries, &corpus).await;
        corpus.kb.shutdown().await;
        let mut measured = measured?;
        for chars in &args.chunks {
            measured.cuts.push(cut(&set, model.clone(), *chars).await?);
        }
        Ok::<_, String>(measured)
    })?;
    let best = recommend(&measured.tried, args.max_ms).ok_or("nothing was measured")?;
    print(&table(&set, &measured, best));
    if let Some(folder) = &args.out {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|cause| format!("cannot write {}: {cause}", path.display()))
        };
        std::fs::create_dir_all(folder)
            .map_err(|cause| format!("cannot make {}: {cause}", folder.display()))?;
        let report = report(&set, &measured, best);
        write("tune.json", &serde_json::to_string_pretty(&report).map_err(|cause| cause.to_string())?)?;
        write("tune.svg", &drawn(&measured, best))?;
    }
    match &args.apply {
        Some(path) => apply(path, &best.tuning),
        None => Ok(()),
    }
}

async fn measure(queries: &[Query], corpus: &Corpus) -> Result<Measured, String> {
    let mut tried = Vec::new();
    let all = CANDIDATES.len() * DENSE.len();
    for candidates in CANDIDATES {
        for dense_weight in DENSE {
            let tuning = SearchTuning { candidates, dense_weight, ..SearchTuning::default() };
            tried.push(ask_all(queries, corpus, tuning).await?);
            Note.step("trying", tried.len(), all);
        }
    }
    let questions = queries.iter().map(|query| query.text.clone()).collect();
    let vectors = corpus.kb.sweep_vectors(&corpus.scope, questions).await;
    let vectors = vectors.map_err(|cause| cause.to_string())?;
    let uncut = ask_all(queries, corpus, SearchTuning::default()).await?;
    let cuts = vec![Cut { chars: None, passages: corpus.passages(), tried: uncut }];
    Ok(Measured { tried, vectors, cuts })
}

async fn cut(set: &Set, model: Arc<dyn Embedder>, chars: usize) -> Result<Cut, String> {
    let corpus = Corpus::open(set, model, Some(chars), &Note).await?;
    let tried = ask_all(&set.queries, &corpus, SearchTuning::default()).await;
    corpus.kb.shutdown().await;
    Ok(Cut { chars: Some(chars), passages: corpus.passages(), tried: tried? })
}

async fn ask_all(queries: &[Query], corpus: &Corpus, tuning: SearchTuning) -> Result<Tried, String> {
    let (mut figures, mut times) = (Vec::new(), Vec::new());
    for query in queries {
        let ranking = corpus.ask(query, tuning).await?;
        times.push(ranking.searching.as_secs_f64() * 1000.0);
        let last = ranking.stages.last().map_or(&[][..], |(_, list)| list.as_slice());
        let docs: Vec<usize> = corpus.documents(last, 100).iter().map(|(doc, _)| *doc).collect();
        figures.push(Figures::of(&docs, &query.relevant));
    }
    Ok(Tried { tuning, figures: Figures::mean(&figures), p50_ms: Spread::of(times).p50 })
}

/// The fastest of those nearly as good as the best that is fast enough; the fastest of all when none is.
fn recommend(tried: &[Tried], max_ms: f64) -> Option<&Tried> {
    let fast: Vec<&Tried> = tried.iter().filter(|one| one.p50_ms <= max_ms).collect();
    let best = fast.iter().map(|one| one.figures.ndcg_10).fold(f64::NEG_INFINITY, f64::max);
    let good = fast.into_iter().filter(|one| one.figures.ndcg_10 >= best - ALIKE);
    let quickest = |a: &&Tried, b: &&Tried| a.p50_ms.total_cmp(&b.p50_ms);
    good.min_by(quickest).or_else(|| tried.iter().min_by(quickest))
}

/// Whether no other is both faster and better.
fn on_front(one: &Tried, tried: &[Tried]) -> bool {
    !tried.iter().any(|other| {
        (other.p50_ms < one.p50_ms && other.figures.ndcg_10 >= one.figures.ndcg_10)
            || (other.p50_ms <= one.p50_ms && other.figures.ndcg_10 > one.figures.ndcg_10)
    })
}

fn table(set: &Set, measured: &Measured, best: &Tried) -> String {
    let tried = measured.tried.as_slice();
    let mut out = format!("{}: {} documents, {} queries\n", set.name, set.docs.len(), set.queries.len());
    let _ = writeln!(out, "{:>10}{:>7}{:>9}{:>9}{:>9}", "candidates", "dense", "nDCG@10", "R@10", "p50 ms");
    for one in tried {
        let mark = if std::ptr::eq(one, best) {
            "  recommended"
        } else if on_front(one, tried) {
            "  front"
        } else {
            ""
        };
        let (of, tuning) = (&one.figures, &one.tuning);
        let cells = format!("{:>9.4}{:>9.4}{:>9.3}", of.ndcg_10, of.recall_10, one.p50_ms);
        let _ = writeln!(out, "{:>10}{:>7}{cells}{mark}", tuning.candidates, tuning.dense_weight);
    }
    let _ = writeln!(out, "\n{:>12}{:>10}{:>9}{:>16}", "vectors", "recall@10", "p50 ms", "bytes per vector");
    for point in &measured.vectors {
        let cells = format!("{:>10.4}{:>9.3}{:>16}", point.recall, point.p50_ms, point.bytes_per_vector);
        let _ = writeln!(out, "{:>12}{cells}", point.by);
    }
    if measured.cuts.len() > 1 {
        let _ = writeln!(
            out,
            "\n{:>12}{:>10}{:>9}{:>9}{:>9}",
            "chunk length", "passages", "nDCG@10", "R@10", "p50 ms"
        );
        for cut in &measured.cuts {
            let chars = cut.chars.map_or_else(|| "uncut".to_owned(), |chars| chars.to_string());
            let of = &cut.tried;
            let cells = format!("{:>9.4}{:>9.4}{:>9.3}", of.figures.ndcg_10, of.figures.recall_10, of.p50_ms);
            let _ = writeln!(out, "{chars:>12}{:>10}{cells}", cut.passages);
        }
    }
    let _ = write!(out, "\nrecommended: search = \"{}\"", written(&best.tuning));
    out
}

fn report(set: &Set, measured: &Measured, best: &Tried) -> Value {
    let tried = measured.tried.as_slice();
    let one = |of: &Tried| {
        json!({
            "candidates": of.tuning.candidates,
            "dense": of.tuning.dense_weight,
            "figures": of.figures,
            "p50Ms": of.p50_ms,
            "front": on_front(of, tried),
        })
    };
    let point = |of: &SweepPoint| {
        json!({
            "how": of.by.to_string(),
            "m": of.by.graph().map(|(links, _)| links),
            "ef": of.by.graph().map(|(_, breadth)| breadth),
            "recall10": of.recall,
            "p50Ms": of.p50_ms,
            "bytesPerVector": of.bytes_per_vector,
        })
    };
    let cut = |of: &Cut| {
        json!({
            "chars": of.chars,
            "passages": of.passages,
            "figures": of.tried.figures,
            "p50Ms": of.tried.p50_ms,
        })
    };
    json!({
        "set": set.name,
        "documents": set.docs.len(),
        "queries": set.queries.len(),
        "settings": tried.iter().map(one).collect::<Vec<_>>(),
        "vectors": measured.vectors.iter().map(point).collect::<Vec<_>>(),
        "chunks": measured.cuts.iter().map(cut).collect::<Vec<_>>(),
        "recommended": written(&best.tuning),
    })
}

fn drawn(measured: &Measured, best: &Tried) -> String {
    let (tried, vectors) = (measured.tried.as_slice(), measured.vectors.as_slice());
    let ranked = tried.iter().map(|one| Point {
        x: one.p50_ms,
        y: one.figures.ndcg_10,
        label: format!("{} / {}", one.tuning.candidates, one.tuning.dense_weight),
        front: on_front(one, tried),
        chosen: std::ptr::eq(one, best),
    });
    let better = |one: &SweepPoint| {
        vectors.iter().any(|other| other.p50_ms < one.p50_ms && other.recall >= one.recall)
    };
    let searched = vectors.iter().map(|one| Point {
        x: one.p50_ms,
        y: one.recall,
        label: one.by.to_string(),
        front: !better(one),
        chosen: false,
    });
    plot::svg(&[
        Plot { title: "nDCG@10 by time (candidates / dense weight)", y: "nDCG@10", points: ranked.collect() },
        Plot { title: "recall@10 of vector search by time", y: "recall@10", points: searched.collect() },
    ])
}

/// Sets `search` in a settings file and leaves its other lines alone.
fn apply(path: &Path, tuning: &SearchTuning) -> Result<(), String> {
    let old = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(cause) => return Err(format!("cannot read {}: {cause}", path.display())),
    };
    // Recall target and links are not chosen here.
    let SearchTuning { recall_target, links, .. } = search_in(&old)?;
    let text = with_search(&old, &written(&SearchTuning { recall_target, links, ..*tuning }));
    quarry_store::replace_file(path, text.as_bytes()).map_err(|cause| format!("cannot write: {cause}"))?;
    print(&format!("written to {}; restart the server to use it", path.display()));
    Ok(())
}

/// The tuning a settings file has now.
fn search_in(settings: &str) -> Result<SearchTuning, String> {
    let table: toml::Table = settings.parse().map_err(|cause| format!("not a settings file: {cause}"))?;
    let value = table.get("search").and_then(toml::Value::as_str);
    search(value).map_err(|cause| cause.to_string())
}

fn with_search(settings: &str, value: &str) -> String {
    let is_search = |line: &str| {
        line.trim_start().strip_prefix("search").is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let kept = settings.lines().filter(|line| !is_search(line)).map(|line| format!("{line}\n"));
    let first = format!("search = \"{value}\"\n");
    std::iter::once(first).chain(kept).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tried(ndcg_10: f64, p50_ms: f64) -> Tried {
        let figures = Figures { ndcg_10, ..Figures::default() };
        Tried { tuning: SearchTuning::default(), figures, p50_ms }
    }

    #[test]
    fn the_fastest_of_the_good_ones_is_recommended() {
        let all = [tried(0.5, 0.5), tried(0.7, 1.0), tried(0.701, 2.0), tried(0.9, 9.0)];
        assert_eq!(recommend(&all, 3.0).unwrap().p50_ms, 1.0);
        assert_eq!(recommend(&all, 10.0).unwrap().p50_ms, 9.0);
        assert_eq!(recommend(&all, 0.1).unwrap().p50_ms, 0.5, "none is fast enough");
        assert!(all.iter().all(|one| on_front(one, &all)));
        let all = [tried(0.5, 0.5), tried(0.4, 0.6)];
        assert!(on_front(&all[0], &all) && !on_front(&all[1], &all));
    }

    #[test]
    fn other_settings_stay() {
        let old = "listen = \"h:1\"\n search = \"dense=1\"\n# search = no\nsearching = 1\n";
        let new = with_search(old, "dense=2");
        assert_eq!(new, "search = \"dense=2\"\nlisten = \"h:1\"\n# search = no\nsearching = 1\n");
        assert_eq!(with_search(&new, "dense=2"), new);
        assert_eq!(with_search("", "dense=2"), "search = \"dense=2\"\n");
    }

    #[test]
    fn the_recall_target_of_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarry.toml");
        let tuned = SearchTuning { candidates: 50, dense_weight: 4.0, ..SearchTuning::default() };
        std::fs::write(&path, "search = \"dense=9,recall=0.95\"\n").unwrap();
        apply(&path, &tuned).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "search = \"candidates=50,dense=4,recall=0.95,links=16\"\n");
    }
}
