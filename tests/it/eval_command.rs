//! `quarry eval` and `quarry tune` with the real binary and model on a set of a few sentences.

use crate::common::{Engine, worker};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const CORPUS: &str = r#"{"_id":"oven","title":"kitchen","text":"The oven heats to 280 degrees."}
{"_id":"fridge","title":"kitchen","text":"The fridge cools to 3 degrees and hums a little."}
{"_id":"sofa","title":"living room","text":"The sofa is made of red velvet."}
{"_id":"empty","title":"","text":""}
"#;
const QUERIES: &str = r#"{"_id":"q1","text":"how hot does the oven get"}
{"_id":"q2","text":"what is red","scope":"kitchen"}
{"_id":"q3","text":"not judged"}
"#;
const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\toven\t1\nq2\tsofa\t1\n";

fn set(folder: &Path) {
    std::fs::create_dir(folder.join("qrels")).unwrap();
    for (name, text) in [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels/test.tsv", QRELS)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn quarry(folder: &Path, args: &[&str]) -> Output {
    Command::new(worker()).args(args).current_dir(folder).output().unwrap()
}

#[test]
fn a_set_is_scored_per_stage_and_its_run_written() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    let args = ["eval", "--data", ".", "--run", "run.txt", "--json", "--cache", "vectors"];
    let output = quarry(folder.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["documents"], &report["passages"], &report["judged"]),
        (&4.into(), &3.into(), &2.into())
    );
    let names: Vec<&str> =
        report["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["bm25", "dense", "fused", "words", "tokens", "second"]);
    // The scope leaves the one right document of the second question out.
    assert_eq!(report["stages"][5]["ndcg_10"], 0.5);
    assert_eq!(report["stages"][5]["mrr_10"], 0.5);

    let run = std::fs::read_to_string(folder.path().join("run.txt")).unwrap();
    let rows: Vec<Vec<&str>> = run.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(rows[0][..4], ["q1", "Q0", "oven", "1"]);
    assert!(rows.iter().all(|row| row.len() == 6 && row[5] == "quarry" && row[4].parse::<f64>().is_ok()));
    let scoped: Vec<&str> = rows.iter().filter(|row| row[0] == "q2").map(|row| row[2]).collect();
    assert_eq!(scoped.len(), 2, "all of the scope and nothing else: {scoped:?}");
    assert!(!scoped.contains(&"sofa") && !run.contains("q3"));
    assert!(std::fs::read_dir(folder.path().join("vectors")).unwrap().count() == 1);
}

#[test]
fn wrong_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = quarry(folder.path(), &["eval", "--data", "absent"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("absent/corpus.jsonl"), "{said}");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_the_grades_name_and_the_set_lacks_is_told_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    let queries =
        "{\"_id\":\"q1\",\"text\":\"how hot does the oven get\"}\n{\"_id\":\"q2\",\"text\":\" \"}\n";
    std::fs::write(folder.path().join("queries.jsonl"), queries).unwrap();
    std::fs::write(folder.path().join("qrels/test.tsv"), "q1\toven\t1\nq2\toven\t1\nq9\tgone\t1\n").unwrap();
    let args = ["eval", "--data", ".", "--search", "candidates=50,dense=6", "--json", "--cache", "vectors"];
    let output = quarry(folder.path(), &args);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let counts = ["queries", "judged", "queries_without_text", "queries_missing", "documents_missing"];
    assert_eq!(counts.map(|name| report[name].as_u64().unwrap()), [3, 3, 1, 1, 1]);
    assert_eq!(report["search"], "candidates=50,dense=6,recall=0.99,links=16");
    let ndcg = report["stages"][5]["ndcg_10"].as_f64().unwrap();
    assert!((ndcg - 1.0 / 3.0).abs() < 1e-9, "what is not asked is not found: {ndcg}");
    let output = quarry(folder.path(), &["eval", "--data", ".", "--cache", "vectors"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in ["1 judged queries have no text", "(q9)", "(gone)"] {
        assert!(table.contains(line), "{table}");
    }

    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut printing = Command::new(worker());
    printing.args(args).current_dir(folder.path()).stdout(full);
    let output = printing.output().unwrap();
    assert!(!output.status.success() && said(&output).contains("cannot print"), "{}", said(&output));
}

#[test]
fn without_grades_only_a_ranking_is_written() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    std::fs::remove_dir_all(folder.path().join("qrels")).unwrap();
    let output = quarry(folder.path(), &["eval", "--data", "."]);
    assert!(!output.status.success() && said(&output).contains("nothing to measure"), "{}", said(&output));
    let output = quarry(folder.path(), &["eval", "--data", ".", "--run", "run.txt"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no grades"));
    assert!(std::fs::read_to_string(folder.path().join("run.txt")).unwrap().contains("q3 Q0 "));
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    std::fs::write(folder.path().join("wrong.toml"), "search = 5\n").unwrap();
    for (args, named) in [
        (&["eval", "--run", "absent/run.txt"][..], "absent/run.txt"),
        (&["eval", "--run", "qrels"], "qrels"),
        (&["eval", "--search", "candidates=1"], "candidates"),
        (&["tune", "--out", "corpus.jsonl"], "corpus.jsonl"),
        (&["tune", "--apply", "wrong.toml"], "wrong.toml"),
        (&["tune", "--apply", "absent/quarry.toml"], "absent/quarry.toml"),
        (&["tune", "--max-ms", "nan"], "--max-ms"),
        (&["tune", "--queries", "0"], "--queries"),
    ] {
        let output = quarry(folder.path(), &[args, &["--data", "."]].concat());
        let said = said(&output);
        assert!(output.status.code() == Some(1) && said.contains(named), "{said}");
        assert!(!said.contains("indexing"), "{said}");
    }
}

#[test]
fn a_signal_leaves_no_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    let docs: String = (0..3000)
        .map(|number| {
            format!("{{\"_id\":\"d{number}\",\"text\":\"Article {number} tells of {}.\"}}\n", number * 7)
        })
        .collect();
    std::fs::write(folder.path().join("corpus.jsonl"), docs).unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let is_ours = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".tmp");
    let left = || std::fs::read_dir(&temporary).unwrap().flatten().filter(is_ours).count();
    for (command, signal, code) in [("eval", "INT", 130), ("tune", "TERM", 143), ("eval", "HUP", 129)] {
        let mut running = Command::new(worker());
        running.args([command, "--data", "."]).current_dir(folder.path()).env("TMPDIR", &temporary);
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while left() == 0 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let killed = Command::new("kill").args([format!("-{signal}"), running.id().to_string()]).status();
        assert!(killed.unwrap().success());
        assert_eq!(running.wait().unwrap().code(), Some(code), "{command}");
        assert_eq!(left(), 0, "{command}");
    }
}

#[test]
fn tuning_recommends_a_setting_and_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path());
    std::fs::write(folder.path().join("quarry.toml"), "plan = \"free\"\n").unwrap();
    let args = [
        "tune",
        "--data",
        ".",
        "--out",
        "out",
        "--apply",
        "quarry.toml",
        "--max-ms",
        "1000",
        "--chunks",
        "100",
    ];
    let output = quarry(folder.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read_to_string(folder.path().join("out/tune.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let recommended = report["recommended"].as_str().unwrap();
    assert_eq!(recommended, report["current"].as_str().unwrap(), "two queries prove nothing");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("only 2 graded queries") && table.contains("current, recommended"), "{table}");
    assert!(recommended.contains("candidates=") && report["vectors"].as_array().unwrap().len() >= 3);
    assert_eq!(report["chunks"][1]["chars"], 100);
    let passages = |at: usize| report["chunks"][at]["passages"].as_u64().unwrap();
    assert!(passages(1) >= passages(0), "{report}");
    let settings = std::fs::read_to_string(folder.path().join("quarry.toml")).unwrap();
    assert_eq!(settings, format!("search = \"{recommended}\"\nplan = \"free\"\n"));
    assert!(std::fs::read_to_string(folder.path().join("out/tune.svg")).unwrap().contains("<circle"));
}

async fn with_passages(engine: &Engine, bot: &str, key: &str, texts: Vec<String>) -> Vec<Value> {
    let file = engine.upload(bot, json!({ "key": key, "contentType": "text/plain" }), b"x").await;
    let passages: Vec<Value> = texts.into_iter().map(|content| json!({ "content": content })).collect();
    let path = format!("/v1/files/{key}/passages");
    engine.put(bot, &path, json!({ "passages": passages })).await.ok();
    engine.indexed(bot, file["id"].as_str().unwrap()).await;
    let listed = engine.get(bot, &path).await.ok();
    listed["passages"].as_array().unwrap().iter().map(|passage| passage["id"].clone()).collect()
}

#[tokio::test]
async fn of_rated_questions_what_search_missed_lowers_recall() {
    let engine = Engine::new().await;
    let oven =
        (1..=14).map(|at| format!("Clean the oven of model N{at} with vinegar, then wipe the oven dry."));
    let oven = with_passages(&engine, "b", "oven.txt", oven.collect()).await;
    let zoo = vec!["Penguins stand on ice and eat fish.".to_owned()];
    let zoo = with_passages(&engine, "b", "zoo.txt", zoo).await;
    let foreign = vec!["Clean the oven with sand.".to_owned()];
    let foreign = with_passages(&engine, "other", "oven.txt", foreign).await;
    engine.put("b", "/v1/quarry/queries/settings", json!({ "enabled": true })).await.ok();
    let asked = json!({ "question": "How do I clean the oven of model N3?" });
    let asked = engine.post("b", "/v1/quarry/answer", asked).await.ok();
    let path = format!("/v1/quarry/queries/{}", asked["queryId"].as_str().unwrap());
    let results = engine.get("b", &path).await.ok()["query"]["results"].clone();
    let found: Vec<&Value> = results.as_array().unwrap().iter().map(|result| &result["passageId"]).collect();
    assert!(!found.is_empty() && !found.contains(&&zoo[0]));

    let rate = async |relevant: Value| {
        let body = json!({ "rating": "bad", "relevant": relevant });
        engine.put("b", &format!("{path}/feedback"), body).await
    };
    let refused = rate(json!([oven[2], foreign[0]])).await.refused(400, "InvalidPayload");
    assert!(refused.contains(foreign[0].as_str().unwrap()), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("qrels")).unwrap();
    let scored = async || {
        for (part, file) in [
            ("corpus.jsonl", "corpus.jsonl"),
            ("queries.jsonl", "queries.jsonl"),
            ("test.tsv", "qrels/test.tsv"),
        ] {
            let part = engine.get("b", &format!("/v1/quarry/queries/export/{part}")).await;
            assert_eq!(part.status, 200);
            std::fs::write(folder.path().join(file), part.bytes).unwrap();
        }
        let output = quarry(folder.path(), &["eval", "--data", ".", "--json", "--cache", "vectors"]);
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        assert_eq!((&report["judged"], &report["documents_missing"]), (&json!(1), &json!(0)));
        (report["documents"].clone(), report["stages"][5]["recall_10"].clone())
    };
    rate(json!([found[0]])).await.ok();
    assert_eq!(scored().await, (json!(15), json!(1.0)));
    let rated = rate(json!([found[0], zoo[0]])).await.ok();
    assert_eq!(rated["query"]["missed"][0]["text"], "Penguins stand on ice and eat fish.");
    assert_eq!(scored().await, (json!(15), json!(0.5)));
    for key in ["zoo.txt", "oven.txt"] {
        engine.delete("b", &format!("/v1/files/{key}")).await.ok();
    }
    assert_eq!(scored().await.0, json!(2), "of what is deleted only what is judged");
}
