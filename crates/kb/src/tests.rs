//! The knowledge base on the real store and indexes; only the model is a quick stand-in, and
//! passages are handed in, so that no child process is needed.

#![allow(clippy::unwrap_used)]

use crate::view::Snapshot;
use crate::views::Views;
use crate::{
    Error, File, FilePatch, Kb, KbDeps, KbSettings, ListFiles, NewPassage, PageRequest, Question, Search,
    TagFilter, TagRule, Tags, UpsertFile,
};
use proptest::prelude::*;
use quarry_embed::testing::HashEmbedder;
use quarry_embed::{Embedder, EmbedderSlot};
use quarry_extract::{Pool, PoolOptions};
use quarry_index::VectorOptions;
use quarry_store::{Commit, RecordStore, StoreOptions};
use quarry_types::{BotId, ErrorKind, FileStatus, PassageKind, Scope, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod current;
mod models;
mod publishing;
mod ranking;
mod replacing;

struct World {
    kb: Kb,
    store: Arc<dyn RecordStore>,
}

async fn open(dir: &Path, settings: KbSettings) -> World {
    open_with(dir, settings, Arc::new(HashEmbedder::new(64, 64))).await
}

async fn open_with(dir: &Path, settings: KbSettings, embedder: Arc<dyn Embedder>) -> World {
    let opened = quarry_store::open(dir, &StoreOptions::default()).unwrap();
    let store: Arc<dyn RecordStore> = opened.store;
    let paths = opened.paths;
    let deps = KbDeps {
        store: store.clone(),
        blobs: opened.blobs,
        embedder: EmbedderSlot::ready(embedder),
        extractor: Pool::new(PoolOptions::new("/nonexistent".into(), 1)),
        views_dir: Box::new(move |bot| paths.bot_views(bot)),
        on_indexed: Box::new(|_, _| ()),
    };
    World { kb: Kb::open(deps, settings).await.unwrap(), store }
}

fn scope(bot: &str) -> Scope {
    Scope::of(BotId::parse(bot).unwrap())
}

fn upsert(key: &str, size: u64) -> UpsertFile {
    UpsertFile {
        key: key.to_owned(),
        size,
        tags: Tags::new(),
        metadata: serde_json::Map::new(),
        index: false,
        indexing: None,
        access: vec![],
        content_type: None,
        expires_at: None,
    }
}

async fn upload(kb: &Kb, scope: &Scope, input: UpsertFile, content: &str) -> Result<(), Error> {
    let file = kb.upsert_file(scope, input).await?;
    let mut upload = kb.begin_upload(scope, &file.id, file.version).await?;
    upload.write(content.to_owned().into()).await?;
    upload.finish().await?;
    Ok(())
}

fn passages(texts: &[&str]) -> Vec<NewPassage> {
    let new =
        |text: &&str| NewPassage { content: (*text).to_owned(), kind: PassageKind::Paragraph, page: None };
    texts.iter().map(new).collect()
}

fn after(ms: i64) -> Timestamp {
    Timestamp(Timestamp::now().as_ms() + ms)
}

async fn sweep(world: &World, scope: &Scope, now: Timestamp) -> Result<usize, Error> {
    let view = world.kb.inner.views.of(scope).await?;
    world.kb.sweep(scope, &view, now).await
}

async fn settled(kb: &Kb) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while kb.status().queued_jobs + kb.status().running_jobs > 0 {
        assert!(Instant::now() < deadline, "jobs did not end");
        tokio::task::yield_now().await;
    }
}

async fn add(world: &World, scope: &Scope, key: &str, texts: &[&str]) {
    if world.kb.file(scope, key).await.is_err() {
        upload(&world.kb, scope, upsert(key, 1), "x").await.unwrap();
    }
    world.kb.set_passages(scope, key, passages(texts)).await.unwrap();
    settled(&world.kb).await;
}

fn search(query: &str) -> Search {
    Search { query: query.to_owned(), context_depth: 0, ..Search::default() }
}

async fn found(world: &World, scope: &Scope, query: &str) -> Vec<String> {
    world.kb.search(scope, search(query)).await.unwrap().into_iter().map(|hit| hit.content).collect()
}

async fn assert_counters(world: &World, scope: &Scope) {
    let usage = world.store.usage(scope.bot()).await.unwrap();
    let recount = world.kb.recount(scope).await.unwrap();
    assert_eq!((usage.vectors, usage.storage_bytes), (recount.vectors, recount.storage_bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_are_found_cited_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let bot = scope("a");
    {
        let world = open(dir.path(), KbSettings::default()).await;
        add(&world, &bot, "oven.txt", &["The oven heats to 280 degrees.", "Clean the door with vinegar."])
            .await;
        add(&world, &bot, "fridge.txt", &["The fridge cools to 3 degrees."]).await;
        assert_eq!(found(&world, &bot, "oven heats").await[0], "The oven heats to 280 degrees.");
        assert_counters(&world, &bot).await;
        world.kb.shutdown().await;
    }
    let world = open(dir.path(), KbSettings::default()).await;
    assert_eq!(found(&world, &bot, "vinegar door").await[0], "Clean the door with vinegar.");
    let listed = world.kb.passages(&bot, "oven.txt", PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    let text = world.kb.text(&bot, "oven.txt").await.unwrap();
    let answer = world
        .kb
        .answer(
            &bot,
            Question {
                question: "How hot does the oven get, how many degrees, heats?".into(),
                threshold: Some(0.0),
                ..Question::default()
            },
        )
        .await
        .unwrap();
    let citation = &answer.citations[0];
    let slice: String =
        text.chars().skip(citation.start as usize).take((citation.end - citation.start) as usize).collect();
    assert_eq!((citation.token.as_str(), &slice), ("【1】", &citation.quote));
    assert!(answer.answer.contains("280"), "{}", answer.answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_hash_is_an_error_and_never_another_vector() {
    let (dir, bot, kb) = (tempfile::tempdir().unwrap(), scope("a"), crate::records::kb());
    {
        let world = open(dir.path(), KbSettings::default()).await;
        add(&world, &bot, "a.txt", &["The oven heats to 280 degrees."]).await;
        let record = world.store.scan(bot.bot(), &kb, b"p/", None, 1).await.unwrap().remove(0);
        let mut value: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
        let damaged = format!("x{}", &value["vector"].as_str().unwrap()[1..]);
        value["vector"] = damaged.into();
        let mut commit = quarry_store::Commit::new(bot.bot());
        commit.put(&kb, record.key, value.to_string().into_bytes());
        world.store.commit(commit).await.unwrap();
        world.kb.shutdown().await;
    }
    let world = open(dir.path(), KbSettings::default()).await;
    let error = world.kb.search(&bot, search("oven")).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    world.kb.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_replaces_the_old_one_whole() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let words = |n: usize| (0..6).map(|i| format!("generation{n} shared words part{i}")).collect::<Vec<_>>();
    let texts = words(0);
    add(&world, &bot, "f", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for n in 1..8 {
        let texts = words(n);
        world
            .kb
            .set_passages(&bot, "f", passages(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
            .await
            .unwrap();
        while world.kb.status().queued_jobs + world.kb.status().running_jobs > 0 {
            let hits = found(&world, &bot, "shared words").await;
            let first = hits[0].split(' ').next().unwrap().to_owned();
            assert_eq!(hits.len(), 6, "{hits:?}");
            assert!(hits.iter().all(|hit| hit.starts_with(&first)), "{hits:?}");
        }
        assert!(found(&world, &bot, "shared").await[0].starts_with(&format!("generation{n} ")));
    }
    assert_counters(&world, &bot).await;
    assert_eq!(world.store.usage(bot.bot()).await.unwrap().vectors, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_given_passages_keep_their_headings_in_every_part() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    upload(&world.kb, &bot, upsert("f", 1), "x").await.unwrap();
    let long = "Some words that fill a passage. ".repeat(60);
    let new = passages(&[&long, "Short."]).into_iter().map(|passage| (vec!["Manual".to_owned()], passage));
    world.kb.set_headed_passages(&bot, "f", new.collect()).await.unwrap();
    settled(&world.kb).await;
    let depth = Search { include_breadcrumb: true, limit: 50, ..search("words that fill short manual") };
    let hits = world.kb.search(&bot, depth).await.unwrap();
    assert!(hits.len() > 3, "{}", hits.len());
    assert!(hits.iter().all(|hit| hit.content.starts_with("Manual\n\n")), "{hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_use_current_tags() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    add(&world, &bot, "x", &["same words here"]).await;
    add(&world, &bot, "y", &["same words there"]).await;
    let filter = |value: &str| TagFilter(BTreeMap::from([("team".to_owned(), TagRule::equals(value))]));
    let tagged = |value: &'static str| Search { tags: filter(value), ..search("same words") };
    assert!(world.kb.search(&bot, tagged("red")).await.unwrap().is_empty());
    let tags = BTreeMap::from([("team".to_owned(), Some("red".to_owned()))]);
    world.kb.update_file(&bot, "y", FilePatch { tags: Some(tags), ..FilePatch::default() }).await.unwrap();
    let hits = world.kb.search(&bot, tagged("red")).await.unwrap();
    assert_eq!(hits.iter().map(|hit| hit.file.key.as_str()).collect::<Vec<_>>(), ["y"]);
    assert_eq!(hits[0].file.tags["team"], "red");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_files_take_no_place_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    add(&world, &bot, "old", &["warranty of two years", "warranty of three years"]).await;
    add(&world, &bot, "new", &["the warranty has changed to five years in all shops"]).await;
    let one = || Search { limit: 1, ..search("warranty of two years") };
    assert_eq!(world.kb.search(&bot, one()).await.unwrap()[0].file.key, "old");
    let expire = |snapshot: &Snapshot, commit: &mut Commit| {
        let old = crate::files::entry(snapshot, "old")?;
        let file = File { expires_at: Some(Timestamp(1)), ..File::clone(&old.file) };
        crate::files::put_file(commit, Some(old), &file)
    };
    world.kb.inner.transact(&bot, expire).await.unwrap();
    let hits = world.kb.search(&bot, one()).await.unwrap();
    assert_eq!(hits.iter().map(|hit| hit.file.key.as_str()).collect::<Vec<_>>(), ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_asked_again_is_true_of_what_is_there_now() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    for key in ["docs/x", "docs/y", "z"] {
        add(&world, &bot, key, &["same words"]).await;
    }
    let under = || Search { files: Some(vec!["docs/".into()]), ..search("same words") };
    let keys = async || -> Vec<String> {
        let hits = world.kb.search(&bot, under()).await.unwrap();
        let mut keys: Vec<String> = hits.iter().map(|hit| hit.file.key.clone()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys().await, ["docs/x", "docs/y"]);
    let snapshot = world.kb.inner.views.snapshot(&bot).await.unwrap();
    let (one, two) = (snapshot.allowed.of(&snapshot, &under()), snapshot.allowed.of(&snapshot, &under()));
    assert!(Arc::ptr_eq(&one, &two), "read once");
    assert_eq!(snapshot.allowed.of(&snapshot, &search("same words")).len(), 3);
    add(&world, &bot, "docs/w", &["same words"]).await;
    world.kb.delete_file(&bot, "docs/x").await.unwrap();
    assert_eq!(keys().await, ["docs/w", "docs/y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_keep_to_the_memory_budget_as_they_grow() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings { cache_bytes: 400_000, ..KbSettings::default() }).await;
    add(&world, &scope("a"), "f", &["some words"]).await;
    add(&world, &scope("b"), "f", &["other words"]).await;
    let status = world.kb.status();
    assert_eq!(status.open_bots, 2, "{status:?}");
    let texts: Vec<String> = (0..600).map(|at| format!("passage {at} of many")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    add(&world, &scope("b"), "g", &texts).await;
    // A view in use is kept until the next commit.
    for round in 0..20 {
        if world.kb.status().open_bots > 1 {
            add(&world, &scope("b"), "h", &[&format!("one more {round}")]).await;
        }
    }
    let status = world.kb.status();
    assert_eq!(status.open_bots, 1, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_view_gets_its_graph_without_a_commit() {
    let (dir, words) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let texts: Vec<String> = (0..40).map(|at| format!("{at} of many words {}", at * 7)).collect();
    add(&world, &bot, "f", &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    add(&world, &bot, "g", &["something else"]).await;

    let open_again = || {
        let folder = words.path().to_owned();
        let options = VectorOptions { crossover: 20, ..VectorOptions::default() };
        let embedder = world.kb.embedder().clone();
        Views::new(world.store.clone(), embedder, move |_| folder.clone(), (1 << 30, options))
    };
    let views = open_again();
    let deadline = Instant::now() + Duration::from_secs(180);
    while views.snapshot(&bot).await.unwrap().vectors.recall().is_none() {
        assert!(Instant::now() < deadline, "no graph");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // One that is outgrown while it is built is followed by another, though nothing more comes.
    let more: Vec<String> = (0..90).map(|at| format!("more {at} words {}", at * 3)).collect();
    for (at, part) in more.chunks(30).enumerate() {
        add(&world, &bot, &format!("h{at}"), &part.iter().map(String::as_str).collect::<Vec<_>>()).await;
        views.snapshot(&bot).await.unwrap();
    }
    let built = async || {
        let view = views.of(&bot).await.unwrap();
        while view.is_building_graph() || view.is_graph_due() {
            assert!(Instant::now() < deadline, "no other graph");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    built().await;
    for at in 0..3 {
        world.kb.delete_file(&bot, &format!("h{at}")).await.unwrap();
    }
    built().await;

    let snapshot = views.snapshot(&bot).await.unwrap();
    assert_eq!(snapshot.ordinals(|_| true).len(), 41);
    let wanted = snapshot.ordinals(|file| file.key == "f");
    let is_in_f = |id: u32| snapshot.files[&snapshot.places.get(id).unwrap().generation.file].file.key == "f";
    assert!(wanted.len() == 40 && wanted.iter().all(is_in_f));

    // The next start finds the graph saved and uses it at once, a damaged one not.
    drop((snapshot, views));
    let views = open_again();
    assert!(views.snapshot(&bot).await.unwrap().vectors.recall().is_some());
    assert!(!views.of(&bot).await.unwrap().is_building_graph());
    drop(views);
    let saved = words.path().join("graph");
    let mut bytes = std::fs::read(&saved).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&saved, bytes).unwrap();
    let views = open_again();
    let snapshot = views.snapshot(&bot).await.unwrap();
    assert!(snapshot.vectors.recall().is_none() && snapshot.vectors.ids().len() == 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_over_the_quota_fail_the_file_and_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings { vector_quota: 3, ..KbSettings::default() }).await;
    let bot = scope("a");
    add(&world, &bot, "x", &["one text", "two text"]).await;
    add(&world, &bot, "y", &["three text", "four text"]).await;
    let file = world.kb.file(&bot, "y").await.unwrap();
    assert_eq!(file.status, FileStatus::IndexingFailed);
    let reason = file.failed_reason.clone().unwrap();
    assert!(reason.contains("2 used of 3, 2 more needed"), "{reason}");
    assert_counters(&world, &bot).await;
    // Replacing two passages by three fits exactly.
    add(&world, &bot, "x", &["one text", "five text", "six text"]).await;
    assert_eq!(world.kb.file(&bot, "x").await.unwrap().status, FileStatus::IndexingCompleted);
    assert_eq!(world.store.usage(bot.bot()).await.unwrap().vectors, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_refused_before_the_upload() {
    let dir = tempfile::tempdir().unwrap();
    let settings = KbSettings { storage_quota_bytes: 10, max_file_bytes: 100, ..KbSettings::default() };
    let world = open(dir.path(), settings).await;
    let bot = scope("a");
    upload(&world.kb, &bot, upsert("x", 6), "sixsix").await.unwrap();
    let refused = world.kb.upsert_file(&bot, upsert("y", 5)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    assert!(refused.to_string().contains("6 used of 10, 5 more needed"), "{refused}");
    assert_eq!(
        world.kb.upsert_file(&bot, upsert("z", 101)).await.unwrap_err().kind(),
        ErrorKind::LimitExceeded
    );
    world.kb.upsert_file(&bot, upsert("x", 10)).await.unwrap();
    world.kb.upsert_file(&scope("b"), upsert("y", 5)).await.unwrap();
    assert_counters(&world, &bot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_bound_to_their_upsert() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    let old = world.kb.upsert_file(&bot, upsert("x", 3)).await.unwrap();
    let new = world.kb.upsert_file(&bot, upsert("x", 4)).await.unwrap();
    assert_eq!((&old.id, old.version + 1), (&new.id, new.version));
    assert!(matches!(world.kb.begin_upload(&bot, &old.id, old.version).await, Err(Error::Superseded)));
    let mut upload = world.kb.begin_upload(&bot, &new.id, new.version).await.unwrap();
    assert!(matches!(upload.write("12345".into()).await, Err(Error::TooLarge(_))));
    let short = world.kb.begin_upload(&bot, &new.id, new.version).await.unwrap();
    assert_eq!(short.finish().await.err().unwrap().kind(), ErrorKind::Invalid);
    let mut upload = world.kb.begin_upload(&bot, &new.id, new.version).await.unwrap();
    upload.write("1234".into()).await.unwrap();
    assert_eq!(upload.finish().await.unwrap().status, FileStatus::UploadCompleted);
    assert_eq!(world.kb.read_content(&bot, &new.id, 1, 2).await.unwrap(), "23");
    assert!(matches!(world.kb.read_content(&scope("b"), &new.id, 1, 2).await, Err(Error::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_page_in_every_order() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), KbSettings::default()).await;
    let bot = scope("a");
    for (key, size) in [("b", 5), ("a", 300), ("c", 20), ("ab", 1)] {
        world.kb.upsert_file(&bot, upsert(key, size)).await.unwrap();
    }
    for (sort, descending, expected) in [
        (crate::FileSort::Key, false, ["a", "ab", "b", "c"]),
        (crate::FileSort::Key, true, ["c", "b", "ab", "a"]),
        (crate::FileSort::Size, false, ["ab", "b", "c", "a"]),
        (crate::FileSort::Size, true, ["a", "c", "b", "ab"]),
    ] {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let page = PageRequest { token, size: 3 };
            let query = ListFiles { page, sort, descending, ..ListFiles::default() };
            let page = world.kb.list_files(&bot, query).await.unwrap();
            keys.extend(page.items.iter().map(|file| file.key.clone()));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(keys, expected);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Upsert { key: u8, size: u64, index: bool },
    Passages { key: u8, texts: Vec<u8> },
    Delete { key: u8 },
    Copy { key: u8, to: u8, overwrite: bool },
    Sweep { hours: i64 },
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_u8, 0..40_u64, any::<bool>()).prop_map(|(key, size, index)| Step::Upsert { key, size, index }),
        (0..4_u8, prop::collection::vec(0..6_u8, 0..5))
            .prop_map(|(key, texts)| Step::Passages { key, texts }),
        (0..4_u8).prop_map(|key| Step::Delete { key }),
        (0..4_u8, 0..4_u8, any::<bool>()).prop_map(|(key, to, overwrite)| Step::Copy { key, to, overwrite }),
        (0..2_i64).prop_map(|hours| Step::Sweep { hours }),
        Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..14)
}

async fn play(world: &World, bot: &Scope, steps: &[Step]) {
    let kb = &world.kb;
    for step in steps {
        // Refusals (quota, absent files, taken keys) are part of the history.
        match step {
            Step::Upsert { key, size, index } => {
                let input = UpsertFile { index: *index, ..upsert(&format!("k{key}"), *size) };
                let _ = kb.upsert_file(bot, input).await;
            }
            Step::Passages { key, texts } => {
                let texts: Vec<String> = texts.iter().map(|n| format!("common word{n}")).collect();
                let new = passages(&texts.iter().map(String::as_str).collect::<Vec<_>>());
                let _ = kb.set_passages(bot, &format!("k{key}"), new).await;
            }
            Step::Delete { key } => drop(kb.delete_file(bot, &format!("k{key}")).await),
            Step::Copy { key, to, overwrite } => {
                drop(kb.copy_file(bot, &format!("k{key}"), bot, &format!("k{to}"), *overwrite).await);
            }
            Step::Sweep { hours } => drop(sweep(world, bot, after(hours * 3_600_000)).await),
            Step::Settle => settled(kb).await,
        }
    }
    settled(kb).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counters_equal_a_recount_after_any_history(first in steps(), second in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let settings = KbSettings { vector_quota: 9, storage_quota_bytes: 90, ..KbSettings::default() };
        let bot = scope("a");
        for steps in [first, second] {
            runtime.block_on(async {
                let world = open(dir.path(), settings.clone()).await;
                play(&world, &bot, &steps).await;
                assert_counters(&world, &bot).await;
                let usage = world.store.usage(bot.bot()).await.unwrap();
                assert!(usage.vectors <= 9 && usage.storage_bytes <= 90, "{usage:?}");
                // Every published passage, and nothing else, is found by its common word.
                let published: u64 = world.kb.bot_stats(&bot).await.unwrap().passages as u64;
                assert_eq!(published, usage.vectors);
                let hits = found(&world, &bot, "common").await;
                assert_eq!(hits.len() as u64, published.min(20));
                world.kb.shutdown().await;
            });
        }
    }
}

#[test]
fn searches_end_however_few_threads_there_are() {
    for threads in [1, 2, 8] {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.enable_all().worker_threads(1).max_blocking_threads(threads).build().unwrap();
        runtime.block_on(async {
            let (world, scope) = (Arc::new(open(dir.path(), KbSettings::default()).await), scope("bot"));
            add(&world, &scope, "f", &["descale the boiler", "clean the filter"]).await;
            let searches: Vec<_> = (0..40)
                .map(|_| {
                    let (world, scope) = (world.clone(), scope.clone());
                    tokio::spawn(async move { found(&world, &scope, "the boiler").await })
                })
                .collect();
            for search in searches {
                assert_eq!(search.await.unwrap()[0], "descale the boiler");
            }
            world.kb.shutdown().await;
        });
    }
}
