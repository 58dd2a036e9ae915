use super::*;
use crate::Cleared;
use proptest::prelude::*;
use quarry_store::DataPaths;
use quarry_types::{TableId, Usage};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn notes() -> Value {
    json!({"type": "object", "properties": {
        "text": {"type": "string", "x-zui": {"searchable": true}},
        "input": {"type": "object", "x-zui": {"searchable": true}},
        "tags": {"type": "array", "x-zui": {"searchable": true}},
        "kind": {"type": "string"}, "n": {"type": "number"},
    }})
}

fn search(words: &str) -> Find {
    Find { search: Some(words.to_owned()), ..Find::default() }
}

fn filtered(words: &str, filter: Value) -> Find {
    Find { filter: Some(filter), limit: 1_000, ..search(words) }
}

impl Bench {
    async fn indexing(&self, table: &str) -> u64 {
        self.tables.get(&bot(), table).await.unwrap().1.indexing
    }

    /// Waits until no row of a table waits for the index.
    async fn indexed(&self, table: &str) {
        let end = Instant::now() + PATIENCE;
        while self.indexing(table).await > 0 {
            assert!(Instant::now() < end, "rows of {table} still wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn found(&self, table: &str, find: Find) -> Vec<u64> {
        self.find(table, find).await.rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
    }

    async fn counters(&self) -> Usage {
        self.store.usage(bot().bot()).await.unwrap()
    }

    /// Waits until the vector counter has a value, and checks it against a scan.
    async fn vectors_become(&self, wanted: u64) {
        let end = Instant::now() + PATIENCE;
        while self.counters().await.vectors != wanted {
            let used = self.counters().await.vectors;
            assert!(Instant::now() < end, "{used} vectors, not {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.tables.recount(&bot()).await.unwrap().vectors, wanted);
    }

    /// Stops cleanly and opens the folder again.
    async fn restarted(self) -> Self {
        self.tables.shutdown().await;
        let again = self.reopened();
        again.tables.resume_indexing();
        again
    }
}

/// Keeps its indexes in the data folder, as the server does.
fn lasting(options: TablesOptions) -> Bench {
    let folder = TempDir::new().unwrap();
    let paths = Some(DataPaths::new(folder.path()));
    Bench::at(folder, TablesOptions { paths, ..options })
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_words_and_filtered_first() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    let rows = json!([
        {"text": "the toaster smokes and smells", "kind": "a", "n": 3},
        {"text": "how to clean a kettle", "kind": "a", "n": 2},
        {"text": "a toaster for two slices", "kind": "b", "n": 1},
        {"text": null, "kind": "a"},
        {"input": {"question": "does the toaster glow", "deep": {"list": ["red", "hot"]}}, "kind": "c"},
        {"tags": ["lamp", "bulb"], "kind": "c"},
    ]);
    bench.add("noteTable", rows).await;
    bench.indexed("noteTable").await;
    let found = bench.find("noteTable", search("toaster smokes")).await;
    let scores: Vec<f64> = found.rows.iter().map(|row| row["similarity"].as_f64().unwrap()).collect();
    assert_eq!(found.rows[0]["id"], 1);
    assert!(
        scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.0..=1.0).contains(score)),
        "{scores:?}"
    );
    assert!(scores[0] > 0.9);
    assert!(found.warnings.is_empty());
    let ids: BTreeSet<u64> = bench.found("noteTable", search("toaster")).await.into_iter().collect();
    assert_eq!(ids, [1, 2, 3, 5, 6].into(), "every row with text, no other");
    assert_eq!(bench.found("noteTable", filtered("toaster", json!({"kind": "b"}))).await, [3]);
    assert_eq!(bench.found("noteTable", filtered("toaster", json!({"kind": "z"}))).await, [0_u64; 0]);
    assert_eq!(bench.found("noteTable", search("red hot")).await[0], 5);
    assert_eq!(bench.found("noteTable", search("lamp")).await[0], 6);
    // A query that is a row's JSON finds that row first.
    let json = json!({"question": "does the toaster glow", "deep": {"list": ["red", "hot"]}}).to_string();
    assert_eq!(bench.found("noteTable", search(&json)).await[0], 5);
    assert_eq!(bench.found("noteTable", search(&json[..40])).await[0], 5);

    let by_n =
        Find { order_by: Some("n".into()), ..filtered("toaster", json!({"kind": {"$in": ["a", "b"]}})) };
    assert_eq!(bench.found("noteTable", by_n.clone()).await, [3, 2, 1]);
    assert_eq!(bench.found("noteTable", Find { descending: true, ..by_n }).await, [1, 2, 3]);
    let some = Find { select: Some(vec!["kind".into()]), limit: 1, ..search("kettle") };
    let row = bench.find("noteTable", some).await.rows.into_rows().remove(0);
    assert_eq!((row.get("text"), &row["kind"], row["similarity"].is_f64()), (None, &json!("a"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_search_are_cut_from_one_ranking() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    let rows: Vec<Value> =
        (0..60).map(|n| json!({"text": format!("word{} word{} same", n % 7, n % 5), "n": n})).collect();
    bench.add("noteTable", json!(rows)).await;
    bench.indexed("noteTable").await;
    let all = bench.find("noteTable", search("word3 same")).await;
    assert_eq!((all.rows.len(), all.has_more), (60, false));
    let mut pages = Vec::new();
    for offset in (0..).step_by(7) {
        let page = bench.find("noteTable", Find { offset, limit: 7, ..search("word3 same") }).await;
        pages.extend(page.rows.into_rows());
        assert_eq!(page.has_more, offset + 7 < 60);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(pages, all.rows.into_rows());
    assert!(bench.found("noteTable", Find { offset: 60, ..search("same") }).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_searches_say_what_to_change() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    bench.table("plainTable", json!({"a": "x"})).await;
    let long = "x".repeat(1_025);
    let group = Find { group: Some(json!({"kind": "key"})), ..search("x") };
    for (table, find, says) in [
        ("noteTable", search(""), "empty"),
        ("noteTable", search(" \n"), "empty"),
        ("noteTable", search(&long), "1024"),
        ("noteTable", group, "group"),
        ("plainTable", search("x"), "\"x-zui\": {\"searchable\": true}"),
        ("noteTable", Find { order_by: Some("none".into()), ..search("x") }, "none"),
        ("noteTable", filtered("x", json!({"none": 1})), "none"),
    ] {
        let error = bench.tables.find(&bot(), table, find).await.unwrap_err();
        assert_eq!(error.kind(), quarry_types::ErrorKind::InvalidQuery);
        assert!(text_of(&error).contains(says), "{error}");
    }
    assert!(bench.found("noteTable", search(&"x".repeat(1_024))).await.is_empty(), "no rows, no hits");
    assert_eq!(bench.indexing("plainTable").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_found_by_its_current_text_within_two_seconds() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    bench.add("noteTable", json!([{"text": "zebra"}, {"text": "filler"}])).await;
    bench.indexed("noteTable").await;
    for round in 0..5 {
        let (new, old) = (
            format!("animal{round}"),
            if round == 0 { "zebra".into() } else { format!("animal{}", round - 1) },
        );
        let started = Instant::now();
        let row = json!({"id": 1, "text": new});
        bench.tables.update_rows(&bot(), "noteTable", vec![row]).await.unwrap();
        // Never by its old text, not even before it is indexed again.
        let now = bench.find("noteTable", search(&old)).await;
        assert!(now.rows.iter().all(|row| row["id"] != 1 || row["text"] == json!(new)), "{:?}", now.rows);
        bench.indexed("noteTable").await;
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(bench.found("noteTable", search(&new)).await[0], 1);
    }
    // Another column's change does not make a row wait.
    bench.tables.update_rows(&bot(), "noteTable", vec![json!({"id": 2, "n": 5})]).await.unwrap();
    assert_eq!(
        (bench.indexing("noteTable").await, bench.found("noteTable", search("filler")).await[0]),
        (0, 2)
    );
    bench.tables.delete_rows(&bot(), "noteTable", DeleteRows::Ids(vec![1])).await.unwrap();
    assert_eq!(bench.found("noteTable", search("animal4")).await, [2], "a deleted row is gone at once");
    bench.vectors_become(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searchable_can_be_switched_on_and_off() {
    let bench = lasting(TablesOptions::default());
    bench.table("noteTable", json!({"text": {"type": "string"}, "more": {"type": "string"}})).await;
    bench
        .add("noteTable", json!([{"text": "pelican", "more": "heron"}, {"text": "stork"}, {"more": "crane"}]))
        .await;
    let switch = async |schema: Value| {
        let patch = crate::TablePatch { schema: Some(schema), ..crate::TablePatch::default() };
        bench.tables.update(&bot(), "noteTable", patch).await.unwrap();
    };
    let on = json!({"type": "string", "x-zui": {"searchable": true}});
    let off = json!({"type": "string", "x-zui": {"searchable": false}});
    switch(json!({"text": on})).await;
    bench.indexed("noteTable").await;
    bench.vectors_become(2).await;
    assert_eq!(bench.found("noteTable", search("pelican")).await[0], 1);
    switch(json!({"more": on})).await;
    bench.indexed("noteTable").await;
    bench.vectors_become(3).await;
    assert_eq!(bench.found("noteTable", search("heron")).await[0], 1);
    bench.tables.rename_column(&bot(), "noteTable", "more", "less").await.unwrap();
    assert_eq!(bench.indexing("noteTable").await, 0, "a rename changes no text");
    switch(json!({"text": off})).await;
    bench.indexed("noteTable").await;
    bench.vectors_become(2).await;
    assert_eq!(bench.found("noteTable", search("crane")).await[0], 3);
    switch(json!({"less": off})).await;
    bench.vectors_become(0).await;
    assert_eq!(bench.tables.clear_vectors(&bot(), "noteTable", 10).await.unwrap(), Cleared::default());
    assert!(bench.tables.find(&bot(), "noteTable", search("crane")).await.is_err());
    switch(json!({"less": on})).await;
    bench.indexed("noteTable").await;
    bench.vectors_become(2).await;
    assert_eq!(bench.found("noteTable", search("heron")).await[0], 1);
    let id: TableId = bench.tables.get(&bot(), "noteTable").await.unwrap().0.id;
    let folder = DataPaths::new(bench.folder.path()).row_indexes(bot().bot(), &id);
    assert_eq!(folder.read_dir().unwrap().count(), 1, "indexes of former columns are gone");
    bench.tables.delete(&bot(), "noteTable").await.unwrap();
    assert_eq!(bench.counters().await, Usage::default());
    assert_eq!(bench.tables.recount(&bot()).await.unwrap().vectors, 0);
    assert!(folder.read_dir().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_rows_have_several_vectors_and_are_found_by_their_end() {
    let bench = Bench::new();
    let factor = TableSpec { schema: notes(), factor: Some(10), ..TableSpec::default() };
    bench.tables.create(&bot(), "noteTable", factor).await.unwrap();
    let filler = |word: &str, count: usize| vec![word; count].join(" ");
    let long = format!("{} needle", filler("straw", 300));
    let rows = json!([{"text": long}, {"text": filler("hay", 20)}, {"text": filler("grass", 200)}]);
    bench.add("noteTable", rows).await;
    bench.indexed("noteTable").await;
    let vectors = bench.counters().await.vectors;
    assert!((9..=14).contains(&vectors), "{vectors} vectors for 521 words, 62 each");
    bench.vectors_become(vectors).await;
    let found = bench.found("noteTable", search("needle")).await;
    assert_eq!((found[0], found.len()), (1, 3), "each row once");
    assert_eq!(bench.found("noteTable", filtered("needle", json!({"id": {"$gt": 1}}))).await.len(), 2);
    bench.tables.update_rows(&bot(), "noteTable", vec![json!({"id": 1, "text": "short now"})]).await.unwrap();
    bench.indexed("noteTable").await;
    assert_eq!(bench.found("noteTable", search("short now")).await[0], 1);
    bench.tables.delete_rows(&bot(), "noteTable", DeleteRows::All).await.unwrap();
    bench.vectors_become(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_in_the_quota_rows_are_found_by_words_only() {
    let bench = Bench::with(TablesOptions { vector_quota: 3, ..TablesOptions::default() });
    bench.table("noteTable", notes()).await;
    let rows: Vec<Value> = (0..5).map(|n| json!({"text": format!("item{n} thing"), "n": n})).collect();
    bench.add("noteTable", json!(rows)).await;
    bench.indexed("noteTable").await;
    bench.vectors_become(3).await;
    for n in 0..5 {
        let found = bench.find("noteTable", search(&format!("item{n}"))).await;
        assert_eq!(found.rows[0]["n"], n);
        let [warning] = found.warnings.as_slice() else { panic!("{:?}", found.warnings) };
        assert!(
            warning.starts_with("2 rows are found by their words only") && warning.contains("3 used of 3"),
            "{warning}"
        );
    }
    // Room that comes free is used, at the latest by the next search.
    bench
        .tables
        .delete_rows(&bot(), "noteTable", DeleteRows::Filter(json!({"n": {"$lt": 3}})))
        .await
        .unwrap();
    bench.vectors_become(2).await;
    let end = Instant::now() + PATIENCE;
    while !bench.find("noteTable", search("thing")).await.warnings.is_empty() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_indexed_and_does_the_rest() {
    let mut bench = lasting(TablesOptions::default());
    bench.table("noteTable", notes()).await;
    for round in 0..4 {
        let rows: Vec<Value> = (0..40).map(|n| json!({"text": format!("round{round} item{n}")})).collect();
        bench.add("noteTable", json!(rows)).await;
        if round % 2 == 0 {
            bench.indexed("noteTable").await;
        }
        bench.tables.delete_rows(&bot(), "noteTable", DeleteRows::Ids(vec![round * 40 + 3])).await.unwrap();
        bench = bench.restarted().await;
        // Nothing but the looking-through of the start asks for these.
        bench.vectors_become(u64::try_from(round + 1).unwrap() * 39).await;
        bench.indexed("noteTable").await;
        let find = filtered(&format!("round{round} item7"), json!({}));
        let found = bench.find("noteTable", find).await;
        assert_eq!(found.rows[0]["text"], format!("round{round} item7"));
        assert_eq!(found.rows.len(), usize::try_from(round + 1).unwrap() * 39);
    }
    bench.tables.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_replaces_the_vectors() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    bench.add("noteTable", json!([{"text": "one"}, {"text": "two"}])).await;
    bench.indexed("noteTable").await;
    bench.tables.shutdown().await;
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(32, 64)));
    let tables = Tables::new(TablesDeps { store: Arc::clone(&bench.store), embedder }, bench.options.clone());
    let bench = Bench { tables, ..bench };
    assert_eq!(
        bench.found("noteTable", search("two")).await,
        [0_u64; 0],
        "old vectors are not compared with new ones"
    );
    bench.indexed("noteTable").await;
    bench.vectors_become(2).await;
    assert_eq!(bench.found("noteTable", search("two")).await[0], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_never_loads_leaves_tables_usable() {
    let bench = Bench::new();
    let broken = EmbedderSlot::loading(|| Err(quarry_embed::Error::NotLoaded("no such file".into())));
    let deps = TablesDeps { store: Arc::clone(&bench.store), embedder: broken };
    let bench = Bench { tables: Tables::new(deps, bench.options.clone()), ..bench };
    bench.table("noteTable", notes()).await;
    bench.add("noteTable", json!([{"text": "one"}])).await;
    assert_eq!(bench.indexing("noteTable").await, 1);
    assert_eq!(bench.ids("noteTable", json!({"text": "one"})).await, [1]);
    let error = bench.tables.find(&bot(), "noteTable", search("one")).await.unwrap_err();
    assert!(text_of(&error).contains("no such file"), "{error}");
    bench.tables.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_index_one_table_without_counting_twice() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    let other = bench.cold();
    for round in 0..10 {
        let tables = if round % 2 == 0 { &bench.tables } else { &other };
        let rows = (0..5).map(|n| json!({"text": format!("round{round} item{n}")})).collect();
        tables.create_rows(&bot(), "noteTable", rows).await.unwrap();
        other.find(&bot(), "noteTable", search("item1")).await.unwrap();
    }
    bench.indexed("noteTable").await;
    bench.vectors_become(50).await;
    assert_eq!(bench.found("noteTable", search("round9 item4")).await[0], 50);
    other.shutdown().await;
}

/// The best rows by brute force: every passage of every allowed row against the query.
fn brute(texts: &[(u64, String)], words: &str, allowed: impl Fn(u64) -> bool, most: usize) -> Vec<u64> {
    use quarry_embed::{Embedder, TextKind};
    let embedder = HashEmbedder::new(64, 64);
    let vector = |text: &str| embedder.embed(&[text], TextKind::Query).unwrap().remove(0);
    let query = vector(words);
    let mut scored: Vec<(f32, u64)> = texts
        .iter()
        .filter(|(id, _)| allowed(*id))
        .map(|(id, text)| (vector(text).iter().zip(&query).map(|(x, y)| x * y).sum(), *id))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().take(most).map(|(_, id)| id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn narrow_filters_lose_no_recall() {
    let bench = Bench::new();
    bench.table("noteTable", notes()).await;
    let word = |seed: usize| format!("w{}", seed.wrapping_mul(2_654_435_761) % 400);
    let mut texts = Vec::new();
    for chunk in 0..4 {
        let rows: Vec<Value> = (0..1_000)
            .map(|at| {
                let id = chunk * 1_000 + at + 1;
                let text = (0..6).map(|part| word(id * 7 + part)).collect::<Vec<_>>().join(" ");
                texts.push((id as u64, text.clone()));
                json!({"text": text, "n": id})
            })
            .collect();
        bench.add("noteTable", json!(rows)).await;
    }
    bench.indexed("noteTable").await;
    for step in [1, 10, 100, 1_000] {
        for round in 0..5 {
            // Words no row has, so that only the vectors rank.
            let query = format!("{} {}", word(round * 31), word(round * 57 + 5));
            let allowed = |id: u64| id.is_multiple_of(step);
            let find = Find { limit: 10, ..filtered(&query, json!({"n": {"$mod": [step, 0]}})) };
            let found = bench.found("noteTable", find).await;
            assert!(found.iter().all(|id| allowed(*id)));
            let want = 10.min(4_000 / usize::try_from(step).unwrap());
            assert_eq!(found.len(), want, "1/{step}");
            let whole = filtered(&query, json!({"n": {"$mod": [step, 0]}}));
            let all = bench.find("noteTable", whole).await;
            let ids: BTreeSet<u64> = all.rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
            for id in brute(&texts, &query, allowed, 10) {
                assert!(ids.contains(&id), "1/{step}: row {id} is one of the ten nearest");
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8, u8),
    Change(u8, u8),
    Delete(u8),
    Switch(bool),
    Settle,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..5_u8, 0..4_u8).prop_map(|(count, words)| Step::Add(count, words)),
        3 => (0..20_u8, 0..4_u8).prop_map(|(id, words)| Step::Change(id, words)),
        2 => (0..20_u8).prop_map(Step::Delete),
        1 => any::<bool>().prop_map(Step::Switch),
        1 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

/// A text of so many times sixty words: none, one, two, three passages.
fn text(words: u8, seed: usize) -> Value {
    let text: Vec<String> =
        (0..usize::from(words) * 60).map(|at| format!("x{}", (seed * 13 + at * 7) % 90)).collect();
    if text.is_empty() { Value::Null } else { json!(text.join(" ")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn counters_and_hits_are_right_after_any_history(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(history(steps));
    }
}

async fn history(steps: Vec<Step>) {
    let mut bench = lasting(TablesOptions { vector_quota: 40, ..TablesOptions::default() });
    bench.table("noteTable", notes()).await;
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Add(count, words) => {
                let rows: Vec<Value> =
                    (0..*count).map(|n| json!({"text": text(*words, at + usize::from(n))})).collect();
                bench.add("noteTable", json!(rows)).await;
            }
            Step::Change(id, words) => {
                let row = json!({"id": *id + 1, "text": text(*words, at)});
                bench.tables.update_rows(&bot(), "noteTable", vec![row]).await.unwrap();
            }
            Step::Delete(id) => {
                let ids = DeleteRows::Ids(vec![i64::from(*id) + 1]);
                bench.tables.delete_rows(&bot(), "noteTable", ids).await.unwrap();
            }
            Step::Switch(on) => {
                let column = json!({"text": {"type": "string", "x-zui": {"searchable": on}}});
                let patch = crate::TablePatch { schema: Some(column), ..crate::TablePatch::default() };
                bench.tables.update(&bot(), "noteTable", patch).await.unwrap();
            }
            Step::Settle => bench.indexed("noteTable").await,
            Step::Restart => bench = bench.restarted().await,
        }
        let used = bench.counters().await.vectors;
        assert!(used <= 40, "{used} vectors, 40 allowed");
    }
    let column = json!({"text": {"type": "string", "x-zui": {"searchable": true}}});
    let patch = crate::TablePatch { schema: Some(column), ..crate::TablePatch::default() };
    bench.tables.update(&bot(), "noteTable", patch).await.unwrap();
    bench.indexed("noteTable").await;
    let bench = bench.restarted().await;
    bench.indexed("noteTable").await;
    let with_text: BTreeSet<u64> =
        bench.ids("noteTable", json!({"text": {"$exists": true}})).await.into_iter().collect();
    let found = bench.find("noteTable", filtered("x1 x5 x80", json!({}))).await;
    let ids: BTreeSet<u64> = found.rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert!(ids.is_subset(&with_text));
    if found.warnings.is_empty() {
        assert_eq!(ids, with_text, "every row with text is found");
    }
    bench.tables.shutdown().await;
    let counted = bench.tables.recount(&bot()).await.unwrap();
    assert_eq!(
        (counted.vectors, counted.table_rows),
        (bench.counters().await.vectors, bench.counters().await.table_rows)
    );
}
