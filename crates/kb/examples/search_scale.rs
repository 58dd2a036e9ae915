//! Times whole searches over many passages, what embeds the question left out.
//!
//! `cargo run --release --workspace --example search_scale -- VECTORS FOLDER [COUNT [STORE]]`: FOLDER is a set in the
//! BEIR layout, VECTORS what `benches/search/embed.py` made of it. COUNT passages (100,000) are made of its texts,
//! three each, so that no two are alike; the vector of the first, in copies pushed aside to a cosine of about .8, is
//! theirs. They are kept in the folder STORE, and only asked when they are there already. A stand-in for the model
//! hands the vectors out, so that nothing of a search runs beside the embedding: words, vectors, fusion, second stage
//! (vectors of tokens are of words, at random) and reading the passages are all in the times. Each question is asked
//! three times. Prints p50 and p99 in milliseconds, one search after another, for a first page of ten.
#![allow(clippy::print_stdout)]

use quarry_embed::testing::HashEmbedder;
use quarry_embed::{Embedded, Embedder, EmbedderSlot, TextKind};
use quarry_extract::{Pool, PoolOptions};
use quarry_index::VectorOptions;
use quarry_kb::{Kb, KbDeps, KbSettings, NewPassage, Search, TagFilter, TagRule, Tags, UpsertFile};
use quarry_store::StoreOptions;
use quarry_types::{BotId, PassageKind, Scope, TokenCounter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn Error>;

const DIMS: usize = 384;
const PER_FILE: usize = 100;
const QUESTIONS: usize = 300;
const ROUNDS: usize = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
const PARTS: [usize; 3] = [10, 100, 1_000];
/// Cosine of a copy with what it is a copy of.
const NEAR: f32 = 0.8;

/// Knows the vectors of its texts: of passages by the number they begin with, of questions by heart.
struct Known {
    words: HashEmbedder,
    docs: Vec<Vec<f32>>,
    questions: HashMap<String, Vec<f32>>,
}

impl Known {
    fn passage(&self, number: usize) -> Vec<f32> {
        let Some(near) = self.docs.get(number % self.docs.len().max(1)) else { return vec![0.0; DIMS] };
        let mut rng = StdRng::seed_from_u64(number as u64);
        let aside: Vec<f32> = (0..DIMS).map(|_| rng.random_range(-1.0..1.0)).collect();
        let (here, there) = (norm(near), norm(&aside));
        let far = (1.0 - NEAR * NEAR).sqrt();
        let mixed = near.iter().zip(&aside).map(|(x, y)| NEAR * x / here + far * y / there);
        let mut vector: Vec<f32> = mixed.collect();
        let length = norm(&vector);
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        if let Some(vector) = self.questions.get(text) {
            return vector.clone();
        }
        let number = text.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok());
        self.passage(number.unwrap_or(0))
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE)
}

impl Embedder for Known {
    fn fingerprint(&self) -> &str {
        "known"
    }

    fn dims(&self) -> usize {
        DIMS
    }

    fn max_tokens(&self) -> usize {
        self.words.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.words.count_tokens(text)
    }

    fn token_counter(&self) -> Arc<dyn TokenCounter> {
        self.words.token_counter()
    }

    fn engine(&self) -> &str {
        "known"
    }

    fn embed(&self, texts: &[&str], _: TextKind) -> Result<Vec<Vec<f32>>, quarry_embed::Error> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }

    fn embed_tokens(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Embedded>, quarry_embed::Error> {
        let tokens = self.words.embed_tokens(texts, kind)?;
        let known = |(text, of): (&&str, Embedded)| Embedded { vector: self.vector(text), ..of };
        Ok(texts.iter().zip(tokens).map(known).collect())
    }

    fn token_space(&self) -> u32 {
        self.words.token_space()
    }
}

fn floats(path: &Path) -> Result<Vec<Vec<f32>>, Failure> {
    let bytes = std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    Ok(all.chunks_exact(DIMS).map(<[f32]>::to_vec).collect())
}

fn texts(path: &Path) -> Result<Vec<String>, Failure> {
    let lines = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let text = |line: &str| -> Result<String, Failure> {
        let document: Value = serde_json::from_str(line)?;
        Ok(document["text"].as_str().unwrap_or_default().to_owned())
    };
    lines.lines().map(text).collect()
}

fn file(key: String, tags: Tags) -> UpsertFile {
    UpsertFile {
        key,
        size: 1,
        tags,
        metadata: serde_json::Map::new(),
        index: false,
        indexing: None,
        access: Vec::new(),
        content_type: None,
        expires_at: None,
    }
}

/// Every file's tags say in which tenth, hundredth and thousandth of the files it is.
fn tags(number: usize) -> Tags {
    PARTS.iter().map(|parts| (parts.to_string(), (number % parts).to_string())).collect()
}

async fn settled(kb: &Kb) {
    while kb.status().queued_jobs + kb.status().running_jobs > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1_024
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, folder, rest @ ..] = args.as_slice() else {
        return Err("usage: search_scale VECTORS FOLDER [COUNT [STORE]]".into());
    };
    let count: usize = rest.first().map_or(Ok(100_000), |count| count.parse())?;
    let (vectors, folder) = (Path::new(vectors), Path::new(folder));
    let name = folder.file_name().ok_or("the folder has no name")?.to_string_lossy().into_owned();
    let docs = texts(&folder.join("corpus.jsonl"))?;
    let mut questions = texts(&folder.join("queries.jsonl"))?;
    let asked = floats(&vectors.join(format!("{name}.queries.f32")))?;
    let known = Known {
        words: HashEmbedder::new(1, 512),
        docs: floats(&vectors.join(format!("{name}.docs.f32")))?,
        questions: questions.iter().cloned().zip(asked).collect(),
    };
    questions.truncate(QUESTIONS);
    let passing = tempfile::tempdir()?;
    let place = rest.get(1).map_or(passing.path(), Path::new);
    let whole = place.join("PASSAGES");
    let is_there = std::fs::read_to_string(&whole).is_ok_and(|held| held == count.to_string());
    if !is_there && place.join("VERSION").is_file() {
        return Err(format!("{} holds something else, or not all passages", place.display()).into());
    }
    let opened = quarry_store::open(place, &StoreOptions::default())?;
    let paths = opened.paths;
    let deps = KbDeps {
        store: opened.store,
        blobs: opened.blobs,
        embedder: EmbedderSlot::ready(Arc::new(known)),
        extractor: Pool::new(PoolOptions::new("/nonexistent".into(), 1)),
        views_dir: Box::new(move |bot| paths.bot_views(bot)),
        on_indexed: Box::new(|_, _| ()),
    };
    let settings = KbSettings { vector_quota: u64::MAX >> 2, cache_bytes: 16 << 30, ..KbSettings::default() };
    let kb = Kb::open(deps, settings).await?;
    let scope = Scope::of(BotId::parse("scale")?);

    let begun = Instant::now();
    let text = |number: usize| {
        let doc = |at: usize| docs.get(at % docs.len().max(1)).map_or("", String::as_str);
        let (second, third) = (number.wrapping_mul(7_919) + 13, number.wrapping_mul(104_729) + 7);
        format!("{number}: {} {} {}", doc(number), doc(second), doc(third))
    };
    let missing = if is_there { 0 } else { count };
    for (at, first) in (0..missing).step_by(PER_FILE).enumerate() {
        let key = format!("notes-{at}.txt");
        let made = kb.upsert_file(&scope, file(key.clone(), tags(at))).await?;
        let mut upload = kb.begin_upload(&scope, &made.id, made.version).await?;
        upload.write("x".into()).await?;
        upload.finish().await?;
        let passages = (first..count.min(first + PER_FILE)).map(|number| NewPassage {
            content: text(number),
            kind: PassageKind::Paragraph,
            page: None,
        });
        kb.set_passages(&scope, &key, passages.collect()).await?;
        if at % 64 == 63 {
            settled(&kb).await;
        }
    }
    settled(&kb).await;
    std::fs::write(whole, count.to_string())?;
    println!("{missing} passages indexed in {:.0} s", begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let ask = |query: &str, tags: &TagFilter, explain: bool| {
        let search = Search {
            query: query.to_owned(),
            tags: tags.clone(),
            limit: 10,
            context_depth: 0,
            explain,
            ..Search::default()
        };
        kb.search(&scope, search)
    };
    let first = questions.first().ok_or("queries.jsonl is empty")?;
    // A graph is made in the background, and another once a fifth is new; few vectors need none.
    let plan = loop {
        let hits = ask(first, &TagFilter::default(), true).await?;
        let why = hits.first().and_then(|hit| hit.explain.as_ref()).map(|why| why["plan"].clone());
        let plan = why.unwrap_or_default();
        let unindexed = plan["unindexed"].as_u64().map_or(count, |unindexed| unindexed as usize);
        let is_small = count <= VectorOptions::default().crossover;
        if unindexed * 5 <= count || is_small || begun.elapsed() > LONGEST_WAIT {
            break plan;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    println!(
        "vectors searched by {plan} after {:.0} s more; peak memory {} MB",
        begun.elapsed().as_secs_f64(),
        peak_mb()
    );
    for parts in [1].into_iter().chain(PARTS) {
        let mut filter = TagFilter::default();
        if parts > 1 {
            filter.0.insert(parts.to_string(), TagRule::equals("1"));
        }
        let (mut times, mut hits) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            for question in &questions {
                let begun = Instant::now();
                hits += ask(question, &filter, false).await?.len();
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
        println!("1 in {parts:<6} p50 {:6.2} ms  p99 {:6.2} ms  {hits} hits", at(0.5), at(0.99));
    }
    kb.shutdown().await;
    Ok(())
}
