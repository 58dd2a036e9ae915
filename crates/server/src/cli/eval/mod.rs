//! `quarry eval`: how well this engine finds, on a set in the BEIR layout.
//!
//! Owns the order of work and the forms of output; the ranking is the server's own.

mod cache;
pub(super) mod corpus;
pub(super) mod figures;
pub(super) mod set;

use super::output::{check_file, print_all, write_file};
use super::stop::{Failure, in_temporary};
use crate::config::tuning::{search, written};
use clap::Args;
use corpus::{Corpus, Indexing, Model};
use figures::{Figures, to_f64};
use quarry_kb::SearchTuning;
use serde::Serialize;
use set::{Query, Set};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Documents per query in a run file.
const RUN_DEPTH: usize = 100;

/// Measure retrieval.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/ (BEIR layout)
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Which file of qrels/, without .tsv; else test, or qrels.tsv, or the only one
    #[arg(long)]
    split: Option<String>,
    /// Write the final ranking here, in TREC's form: query Q0 document rank score tag
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Search as this setting says, such as candidates=100,dense=6; else each leg gives enough for R@100
    #[arg(long, value_name = "SETTING")]
    search: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Keep vectors in this folder, so that the next run need not embed again
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Folder of another embedding model
    #[arg(long, env = "QUARRY_MODEL_DIR", value_name = "FOLDER")]
    model_dir: Option<PathBuf>,
    /// Embedding threads; 0 = one per core
    #[arg(long, env = "QUARRY_THREADS", default_value_t = 0)]
    threads: usize,
}

/// Progress, one line now and then, on stderr.
pub(crate) struct Note;

impl Note {
    pub(crate) fn step(&self, what: &str, done: usize, of: usize) {
        let tenth = |done: usize| done * 10 / of.max(1);
        if done > 0 && tenth(done) > tenth(done - 1) {
            let _ = writeln!(std::io::stderr(), "{what}: {done} of {of}");
        }
    }
}

#[derive(Serialize)]
struct Report {
    set: String,
    documents: usize,
    passages: usize,
    queries: usize,
    /// Queries with at least one relevant document: the means are over these.
    judged: usize,
    /// Judged queries without a text.
    queries_without_text: usize,
    /// Judged queries that are not in the set.
    queries_missing: usize,
    /// Judged documents that are not in the set.
    documents_missing: usize,
    /// The setting that was searched with.
    search: String,
    /// None when nothing is judged.
    stages: Vec<Stage>,
    /// Milliseconds of one search without embedding the query.
    search_ms: Spread,
    /// Milliseconds of embedding one query.
    embed_ms: Spread,
}

#[derive(Serialize)]
struct Stage {
    name: &'static str,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        Self { p50: at(50).copied().unwrap_or(0.0), p99: at(99).copied().unwrap_or(0.0) }
    }
}

/// `quarry eval`.
pub(super) fn eval(args: &EvalArgs) -> Result<(), Failure> {
    let tuning = args.search.as_deref().map(|list| search(Some(list))).transpose();
    let tuning = tuning.map_err(|cause| cause.to_string())?;
    let set = Set::load(&args.data, args.split.as_deref())?;
    match &args.run {
        Some(path) => {
            set.check_run_ids()?;
            check_file(path)?;
        }
        None if set.judged() == 0 => return Err(ungraded(args).into()),
        None => {}
    }
    let (report, run) = in_temporary(async |within| {
        let model =
            Model { folder: args.model_dir.clone(), cache: args.cache.clone(), threads: args.threads };
        let indexing =
            Indexing { model: model.load()?, chars: None, tuning: tuning.unwrap_or_default(), within };
        let corpus = Corpus::open(&set, indexing, &Note).await?;
        let measured = measure(&set, &corpus, tuning, &Note).await;
        corpus.kb.shutdown().await;
        measured
    })?;
    if let Some(path) = &args.run {
        write_file(path, &run)?;
    }
    let shown = if args.json {
        serde_json::to_string_pretty(&report).map_err(|cause| cause.to_string())?
    } else {
        table(&set, &report)
    };
    Ok(print_all(&shown)?)
}

fn ungraded(args: &EvalArgs) -> String {
    format!(
        "{}: no query has a relevant document, so there is nothing to measure; put grades into qrels/test.tsv or \
         qrels.tsv, or ask for the ranking alone by --run FILE",
        args.data.display()
    )
}

/// Hits per leg that hold about [`RUN_DEPTH`] documents, as far as the engine goes; the default at least.
fn depth(docs: usize, passages: usize) -> usize {
    let wanted = (RUN_DEPTH * passages).div_ceil(docs.max(1));
    wanted.clamp(SearchTuning::default().candidates, 1000)
}

async fn measure(
    set: &Set,
    corpus: &Corpus,
    tuning: Option<SearchTuning>,
    note: &Note,
) -> Result<(Report, String), String> {
    let mut stages: Vec<(&'static str, Vec<Figures>)> = Vec::new();
    let (mut run, mut searching, mut embedding) = (String::new(), Vec::new(), Vec::new());
    let deep =
        || SearchTuning { candidates: depth(set.docs.len(), corpus.passages()), ..SearchTuning::default() };
    let tuning = tuning.unwrap_or_else(deep);
    let asked: Vec<&Query> = set.queries.iter().filter(|query| !query.is_textless()).collect();
    for (number, query) in asked.iter().enumerate() {
        let ranking = corpus.ask(query, tuning).await?;
        searching.push(ranking.searching.as_secs_f64() * 1000.0);
        embedding.push(ranking.embedding.as_secs_f64() * 1000.0);
        for (at, (name, list)) in ranking.stages.iter().enumerate() {
            let docs: Vec<usize> = corpus.documents(list, RUN_DEPTH).iter().map(|(doc, _)| *doc).collect();
            if stages.len() == at {
                stages.push((name, Vec::new()));
            }
            if let Some((_, figures)) = stages.get_mut(at)
                && !query.relevant.is_empty()
            {
                figures.push(Figures::of(&docs, &query.relevant));
            }
        }
        if let Some((_, last)) = ranking.stages.last() {
            write_run(&mut run, set, query, &corpus.documents(last, RUN_DEPTH));
        }
        note.step("asking", number + 1, asked.len());
    }
    // As trec_eval -c does: what is judged and was not asked found nothing.
    let judged = set.judged();
    if judged == 0 {
        stages.clear();
    }
    for (_, figures) in &mut stages {
        figures.resize(judged, Figures::default());
    }
    let report = Report {
        set: set.name.clone(),
        documents: set.docs.len(),
        passages: corpus.passages(),
        queries: set.queries.len(),
        judged,
        queries_without_text: set.gaps.textless.len(),
        queries_missing: set.gaps.queries.len(),
        documents_missing: set.gaps.docs.len(),
        search: written(&tuning),
        stages: stages.into_iter().map(|(name, all)| Stage { name, figures: Figures::mean(&all) }).collect(),
        search_ms: Spread::of(searching),
        embed_ms: Spread::of(embedding),
    };
    Ok((report, run))
}

/// TREC's tools order by score alone and do not look at ranks: equal scores are parted by the least there is.
fn write_run(run: &mut String, set: &Set, query: &Query, docs: &[(usize, f32)]) {
    let mut above = f32::INFINITY;
    for (rank, (doc, score)) in (1..).zip(docs) {
        let id = set.docs.get(*doc).map_or("", |doc| doc.id.as_str());
        above = score.min(above.next_down());
        let _ = writeln!(run, "{} Q0 {id} {rank} {above} quarry", query.id);
    }
}

/// What the grades name and the set does not hold, in lines.
pub(crate) fn told(set: &Set) -> String {
    let mut out = String::new();
    let mut line = |names: &BTreeSet<String>, what: &str| {
        if !names.is_empty() {
            let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            let more = if names.len() > some.len() { ", …" } else { "" };
            let _ = writeln!(out, "{} {what} ({}{more})", names.len(), some.join(", "));
        }
    };
    line(&set.gaps.textless, "judged queries have no text: they find nothing");
    line(&set.gaps.queries, "judged queries are not in queries.jsonl: they find nothing");
    line(&set.gaps.docs, "judged documents are not in corpus.jsonl: the relevant ones are not found");
    out
}

fn table(set: &Set, report: &Report) -> String {
    let mut out = format!(
        "{}: {} documents in {} passages, {} queries ({} with relevant documents)\n",
        report.set, report.documents, report.passages, report.queries, report.judged
    );
    out.push_str(&told(set));
    if report.stages.is_empty() {
        out.push_str("no grades, so no figures: only the ranking was written\n");
    } else {
        let heads = ["nDCG@10", "R@5", "R@10", "R@100", "MRR@10"].map(|head| format!("{head:>9}"));
        let _ = writeln!(out, "{:<10}{}", "", heads.concat());
    }
    for stage in &report.stages {
        let of = &stage.figures;
        let cells = [of.ndcg_10, of.recall_5, of.recall_10, of.recall_100, of.mrr_10];
        let cells: String = cells.iter().map(|figure| format!("{figure:>9.4}")).collect();
        let _ = writeln!(out, "{:<10}{cells}", stage.name);
    }
    let _ = write!(
        out,
        "search p50 {:.2} ms, p99 {:.2} ms; embedding a query p50 {:.2} ms; {:.1} passages per document",
        report.search_ms.p50,
        report.search_ms.p99,
        report.embed_ms.p50,
        to_f64(report.passages) / to_f64(report.documents.max(1)),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_file_keeps_its_order_by_scores_alone() {
        let docs =
            ["a", "b", "c"].map(|id| set::Doc { id: id.into(), title: String::new(), text: String::new() });
        let set =
            Set { name: String::new(), docs: docs.into(), queries: Vec::new(), gaps: set::Gaps::default() };
        let query = Query {
            id: "q".into(),
            text: String::new(),
            scope: None,
            relevant: std::collections::HashMap::new(),
        };
        let mut run = String::new();
        write_run(&mut run, &set, &query, &[(2, 0.25), (0, 0.25), (1, 0.1)]);
        let columns: Vec<Vec<&str>> = run.lines().map(|line| line.split(' ').collect()).collect();
        let ids: Vec<&str> = columns.iter().map(|columns| columns[2]).collect();
        let scores: Vec<f32> = columns.iter().map(|columns| columns[4].parse().unwrap_or(f32::NAN)).collect();
        assert_eq!((ids, columns[0][4], columns[2][4]), (vec!["c", "a", "b"], "0.25", "0.1"));
        assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{run}");
    }

    #[test]
    fn legs_are_as_deep_as_documents_are_long() {
        assert_eq!([depth(50, 50), depth(50, 75), depth(10, 500), depth(0, 0)], [100, 150, 1000, 100]);
    }
}
