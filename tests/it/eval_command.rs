//! `quarry eval` and `quarry tune` with the real binary and model on a set of a few sentences.

use crate::common::worker;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

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
    assert!(recommended.contains("candidates=") && report["vectors"].as_array().unwrap().len() >= 3);
    assert_eq!(report["chunks"][1]["chars"], 100);
    let passages = |at: usize| report["chunks"][at]["passages"].as_u64().unwrap();
    assert!(passages(1) >= passages(0), "{report}");
    let settings = std::fs::read_to_string(folder.path().join("quarry.toml")).unwrap();
    assert_eq!(settings, format!("search = \"{recommended}\"\nplan = \"free\"\n"));
    assert!(std::fs::read_to_string(folder.path().join("out/tune.svg")).unwrap().contains("<circle"));
}
