//! `quarry tune`: tries search settings on a set, shows what each costs and gains, and recommends one.
//!
//! Owns the sweep and what is told of it; asking and scoring are `quarry eval`'s. Invariant: what is
//! recommended was measured.

mod choice;
mod plot;
mod settings;

use super::eval::corpus::{Corpus, Indexing, Model};
use super::eval::figures::Figures;
use super::eval::set::{Query, Set};
use super::eval::{Note, Spread, told};
use super::output::{check_file, print_all, write_file};
use super::stop::{Failure, in_temporary};
use crate::config::tuning::{search, written};
use choice::{Gain, Tried, on_front, recommend};
use clap::Args;
use plot::{Plot, Point};
use quarry_kb::{SearchTuning, SweepPoint};
use serde_json::{Value, json};
use settings::SettingsFile;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Hits per leg that are tried.
const CANDIDATES: [usize; 3] = [50, 100, 200];
/// Files of the folder of `--out`.
const REPORT: &str = "tune.json";
const DRAWING: &str = "tune.svg";
/// Weights of meaning that are tried.
const DENSE: [f32; 6] = [1.0, 3.0, 5.0, 8.0, 12.0, 20.0];
/// Fewer graded queries than this tell little.
const ENOUGH_QUERIES: usize = 50;

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
    /// The current setting, such as candidates=100,dense=6; else that of the file of --apply, or the default
    #[arg(long, value_name = "SETTING")]
    search: Option<String>,
    /// Keep vectors in this folder, so that the next run need not embed again
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Folder of another embedding model
    #[arg(long, env = "QUARRY_MODEL_DIR", value_name = "FOLDER")]
    model_dir: Option<PathBuf>,
}

/// A chunk length (characters) and what it gave with the current setting; `None` cuts by what the model reads.
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
    /// The setting that is used now.
    current: SearchTuning,
}

impl Measured {
    fn current(&self) -> Result<&Tried, String> {
        let current = self.tried.iter().find(|one| one.tuning == self.current);
        current.ok_or_else(|| "the current setting was not measured".to_owned())
    }
}

/// `quarry tune`.
pub(super) fn tune(args: &TuneArgs) -> Result<(), Failure> {
    let current = checked(args)?;
    let mut set = Set::load(&args.data, args.split.as_deref())?;
    set.queries.retain(|query| !query.relevant.is_empty() && !query.is_textless());
    if set.queries.is_empty() {
        let message = "no query has a relevant document, so no setting is better than another; see qrels/";
        return Err(message.to_owned().into());
    }
    let step = set.queries.len().div_ceil(args.queries).max(1);
    set.queries = set.queries.into_iter().step_by(step).collect();
    let measured = in_temporary(async |within| {
        // Every setting asks the same questions: without a folder of the caller's they are kept for this run.
        let cache = args.cache.clone().unwrap_or_else(|| within.join("vectors"));
        let model = Model { folder: args.model_dir.clone(), cache: Some(cache), threads: 0 }.load()?;
        let indexing = |chars| Indexing { model: Arc::clone(&model), chars, tuning: current, within };
        let corpus = Corpus::open(&set, indexing(None), &Note).await?;
        let measured = measure(&set.queries, &corpus, current).await;
        corpus.kb.shutdown().await;
        let mut measured = measured?;
        for chars in &args.chunks {
            measured.cuts.push(cut(&set, indexing(Some(*chars)), current).await?);
        }
        Ok(measured)
    })?;
    let now = measured.current()?;
    let best = recommend(&measured.tried, now, args.max_ms);
    if let Some(folder) = &args.out {
        let report = report(&set, &measured, now, best);
        let report = serde_json::to_string_pretty(&report).map_err(|cause| cause.to_string())?;
        write_file(&folder.join(REPORT), &report)?;
        write_file(&folder.join(DRAWING), &drawn(&measured, best))?;
    }
    print_all(&table(&set, &measured, now, best))?;
    if let Some(path) = &args.apply {
        SettingsFile::open(path)?.write(&best.tuning)?;
        print_all(&format!("written to {}; restart the server to use it", path.display()))?;
    }
    Ok(())
}

/// Refuses what would come out only after the measuring; gives the current setting.
fn checked(args: &TuneArgs) -> Result<SearchTuning, String> {
    if let Some(wrong) = args.chunks.iter().find(|chars| !(100..=5000).contains(*chars)) {
        return Err(format!("--chunks takes 100 to 5000 characters, got {wrong}"));
    }
    if !(args.max_ms > 0.0 && args.max_ms.is_finite()) {
        return Err(format!("--max-ms takes a number above 0, got {}", args.max_ms));
    }
    if args.queries == 0 {
        return Err("--queries takes a number above 0".to_owned());
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .map_err(|cause| format!("cannot make {}: {cause}", folder.display()))?;
        check_file(&folder.join(REPORT))?;
        check_file(&folder.join(DRAWING))?;
    }
    let file = args.apply.as_deref().map(SettingsFile::open).transpose()?;
    match &args.search {
        Some(list) => search(Some(list)).map_err(|cause| cause.to_string()),
        None => Ok(file.map(|file| file.tuning).unwrap_or_default()),
    }
}

async fn measure(queries: &[Query], corpus: &Corpus, current: SearchTuning) -> Result<Measured, String> {
    let mut tried = Vec::new();
    let all = settings(current);
    for tuning in &all {
        tried.push(ask_all(queries, corpus, *tuning).await?);
        Note.step("trying", tried.len(), all.len());
    }
    let questions = queries.iter().map(|query| query.text.clone()).collect();
    let vectors = corpus.kb.sweep_vectors(&corpus.scope, questions).await;
    let vectors = vectors.map_err(|cause| cause.to_string())?;
    let uncut = ask_all(queries, corpus, current).await?;
    let cuts = vec![Cut { chars: None, passages: corpus.passages(), tried: uncut }];
    Ok(Measured { tried, vectors, cuts, current })
}

/// What is tried: the current setting among others that differ in candidates and weight of meaning alone.
fn settings(current: SearchTuning) -> Vec<SearchTuning> {
    let of = |candidates| DENSE.map(|dense_weight| SearchTuning { candidates, dense_weight, ..current });
    let mut all: Vec<SearchTuning> = CANDIDATES.into_iter().flat_map(of).collect();
    if !all.contains(&current) {
        all.push(current);
    }
    all.sort_by(|a, b| a.candidates.cmp(&b.candidates).then(a.dense_weight.total_cmp(&b.dense_weight)));
    all
}

async fn cut(set: &Set, indexing: Indexing<'_>, current: SearchTuning) -> Result<Cut, String> {
    let chars = indexing.chars;
    let corpus = Corpus::open(set, indexing, &Note).await?;
    let tried = ask_all(&set.queries, &corpus, current).await;
    corpus.kb.shutdown().await;
    Ok(Cut { chars, passages: corpus.passages(), tried: tried? })
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
    let each = figures.iter().map(|of| of.ndcg_10).collect();
    Ok(Tried { tuning, figures: Figures::mean(&figures), each, p50_ms: Spread::of(times).p50 })
}

fn table(set: &Set, measured: &Measured, now: &Tried, best: &Tried) -> String {
    let tried = measured.tried.as_slice();
    let mut out = format!("{}: {} documents, {} queries\n", set.name, set.docs.len(), set.queries.len());
    out.push_str(&told(set));
    let _ = writeln!(out, "{:>10}{:>7}{:>9}{:>9}{:>9}", "candidates", "dense", "nDCG@10", "R@10", "p50 ms");
    for one in tried {
        let marks = [
            (std::ptr::eq(one, now), "current"),
            (std::ptr::eq(one, best), "recommended"),
            (on_front(one, tried), "front"),
        ];
        let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        let mark = if marks.is_empty() { String::new() } else { format!("  {}", marks.join(", ")) };
        let (of, tuning) = (&one.figures, &one.tuning);
        let cells = format!("{:>9.4}{:>9.4}{:>9.3}", of.ndcg_10, of.recall_10, one.p50_ms);
        let _ = writeln!(out, "{:>10}{:>7}{cells}{mark}", tuning.candidates, tuning.dense_weight);
    }
    let _ = writeln!(out, "\n{:>12}{:>10}{:>9}{:>18}", "vectors", "recall@10", "p50 ms", "bytes per vector");
    for point in &measured.vectors {
        let cells = format!("{:>10.4}{:>9.3}{:>18}", point.recall, point.p50_ms, point.bytes_per_vector);
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
    let _ = writeln!(out, "\nrecommended: search = \"{}\"", written(&best.tuning));
    out.push_str(&reason(set, tried, now, best));
    out
}

/// Why this setting is recommended.
fn reason(set: &Set, tried: &[Tried], now: &Tried, best: &Tried) -> String {
    let gain = |of: &Tried| {
        let Gain { mean, margin } = Gain::of(of, now);
        format!("{mean:+.4} nDCG@10 over the current setting, two standard errors {margin:.4}")
    };
    let highest = tried.iter().max_by(|a, b| a.figures.ndcg_10.total_cmp(&b.figures.ndcg_10));
    let mut out = match highest {
        Some(highest) if std::ptr::eq(best, now) && highest.figures.ndcg_10 > now.figures.ndcg_10 => {
            let (candidates, dense) = (highest.tuning.candidates, highest.tuning.dense_weight);
            let it = format!("the highest, candidates={candidates},dense={dense}, gains {}", gain(highest));
            format!("the current setting stays: none that is fast enough is clearly better; {it}")
        }
        _ if std::ptr::eq(best, now) => "the current setting stays: none finds more".to_owned(),
        _ => format!("it gains {}", gain(best)),
    };
    if set.queries.len() < ENOUGH_QUERIES {
        let count = set.queries.len();
        let _ = write!(
            out,
            "\nonly {count} graded queries: with fewer than {ENOUGH_QUERIES} most of it is chance"
        );
    }
    out
}

fn report(set: &Set, measured: &Measured, now: &Tried, best: &Tried) -> Value {
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
        "current": written(&now.tuning),
        "recommended": written(&best.tuning),
        "reason": reason(set, tried, now, best),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_setting_is_always_tried() {
        let usual = settings(SearchTuning::default());
        assert_eq!((usual.len(), usual.contains(&SearchTuning::default())), (18, true));
        let own = SearchTuning { candidates: 80, dense_weight: 5.5, recall_target: 0.9, links: 8 };
        let all = settings(own);
        assert!(all.len() == 19 && all.contains(&own) && all.iter().all(|one| one.recall_target == 0.9));
        assert!(all.is_sorted_by_key(|one| one.candidates));
    }
}
