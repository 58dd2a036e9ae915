//! Measures the embedder on a file of texts; `benches/embed/run` holds it against a control.
//!
//! usage: throughput TEXTS.json [--tokens] [--threads N] [--rounds N | --turns] [--engine auto|ort|rten]
//!        [--plan PLAN.json]
//!
//! TEXTS.json is a JSON array of strings. Prints one JSON object per round: passages per second,
//! the p50 of one 12-token query in milliseconds and the resident memory in MB. `--turns` measures one of the two
//! for every line of input, `passages` or `queries`, so that another program can take turns with this one. `--plan`
//! writes the batches that `embed` makes of the texts and measures nothing; `--tokens` makes the vectors of tokens too.
#![allow(clippy::print_stdout)]

use quarry_embed::{EmbedOptions, Embedder, Engine, TextKind, open, plan_batches};
use serde_json::{Value, json};
use std::time::Instant;

const QUERY: &str = "how do I clean the filter of the dryer?";

type Failure = Box<dyn std::error::Error>;

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kb| kb.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

fn query_p50_ms(embedder: &dyn Embedder) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for _ in 0..31 {
        let start = Instant::now();
        embedder.embed(&[QUERY], TextKind::Query)?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(0.0))
}

fn main() -> Result<(), Failure> {
    let mut options = EmbedOptions::default();
    let (mut rounds, mut turns, mut file, mut plan, mut tokens) = (3, false, None, None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--threads" => options.threads = value()?.parse()?,
            "--rounds" => rounds = value()?.parse()?,
            "--turns" => turns = true,
            "--tokens" => tokens = true,
            "--plan" => plan = Some(value()?),
            "--engine" => {
                options.engine = match value()?.as_str() {
                    "auto" => Engine::Auto,
                    "ort" => Engine::Ort,
                    "rten" => Engine::Rten,
                    other => return Err(format!("no engine {other}").into()),
                }
            }
            _ => file = Some(argument),
        }
    }
    let file = file.ok_or("name a file of texts")?;
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(file)?)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let start = Instant::now();
    let embedder = open(&options)?;
    let loaded_ms = start.elapsed().as_secs_f64() * 1000.0;
    let idle_mb = resident_mb();
    if let Some(plan) = plan {
        let lengths: Vec<usize> = texts.iter().map(|text| embedder.count_tokens(text)).collect();
        std::fs::write(plan, serde_json::to_vec(&plan_batches(&lengths))?)?;
        return Ok(());
    }
    let passages = || -> Result<Value, Failure> {
        let start = Instant::now();
        if tokens {
            embedder.embed_tokens(&texts, TextKind::Passage)?;
        } else {
            embedder.embed(&texts, TextKind::Passage)?;
        }
        Ok(json!({
            "engine": embedder.engine(),
            "passages_per_s": texts.len() as f64 / start.elapsed().as_secs_f64(),
            "load_ms": loaded_ms,
            "idle_mb": idle_mb,
            "busy_mb": resident_mb(),
        }))
    };
    if turns {
        for line in std::io::stdin().lines() {
            let report = match line?.trim() {
                "passages" => passages()?,
                "queries" => json!({ "query_p50_ms": query_p50_ms(embedder.as_ref())? }),
                other => return Err(format!("no measure {other}: passages or queries").into()),
            };
            println!("{report}");
        }
        return Ok(());
    }
    for _ in 0..rounds {
        let mut report = passages()?;
        report["query_p50_ms"] = query_p50_ms(embedder.as_ref())?.into();
        println!("{report}");
    }
    Ok(())
}
