//! `quarry extract` over good, broken and hostile files: a line for each, texts for the good ones.

use crate::common;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(files: &[PathBuf], out: &Path, flags: &[&str]) -> (bool, Vec<Value>) {
    let ran =
        Command::new(common::worker()).arg("extract").args(files).arg("--out").arg(out).args(flags).output();
    let ran = ran.unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), files.len(), "{text}");
    (ran.status.success(), lines)
}

fn folder(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && !path.extension().is_some_and(|e| e == "py" || e == "json"));
    files.sort();
    files
}

#[test]
fn every_sample_gives_text_and_facts() {
    let out = tempfile::tempdir().unwrap();
    let mut files = folder("docs");
    files.extend(folder("formats"));
    let (success, lines) = run(&files, out.path(), &[]);
    assert!(success, "{lines:#?}");
    for (file, line) in files.iter().zip(&lines) {
        assert_eq!(line["file"], file.to_string_lossy().as_ref(), "the order is that of the command");
        assert_eq!(line["status"], "ok");
        let text = std::fs::read_to_string(line["output"].as_str().unwrap()).unwrap();
        assert_eq!(line["characters"], text.chars().count());
        assert!(text.chars().count() > 100, "{line}");
        assert!(line["mediaType"].is_string() && line["warnings"].is_array());
        // Workbooks hold no sentences to tell a language by.
        let language = line["metadata"]["language"].as_str();
        let workbook = file.to_string_lossy().contains("products.");
        assert!(language.map_or(workbook, |tag| tag.starts_with("en")), "{line}");
    }
}

#[test]
fn bad_files_fail_with_a_reason_and_stop_nothing() {
    let out = tempfile::tempdir().unwrap();
    let mut files = folder("bad");
    files.push("/nowhere/missing.pdf".into());
    let (success, lines) = run(&files, out.path(), &[]);
    assert!(!success);
    let of = |name: &str| lines.iter().find(|line| line["file"].as_str().unwrap().ends_with(name)).unwrap();
    assert!(of("/encrypted.pdf")["reason"].as_str().unwrap().starts_with("password protected"));
    assert!(of("/scanned.pdf")["reason"].as_str().unwrap().starts_with("no text layer"));
    assert!(of("missing.pdf")["reason"].as_str().unwrap().starts_with("not a file"));
    assert_eq!(of("/owner-password.pdf")["status"], "ok");
    for line in &lines {
        let ok = line["status"] == "ok";
        assert_eq!(ok, line["reason"].is_null(), "{line}");
        assert_eq!(ok, line["output"].is_string(), "{line}");
        assert!(!ok || line["characters"].as_u64().unwrap() > 0, "an empty success: {line}");
    }
}

#[test]
fn a_scan_is_read_by_the_command_of_the_operator() {
    let out = tempfile::tempdir().unwrap();
    let script = out.path().join("ocr.sh");
    // Stands for a real one: says what picture it was given.
    std::fs::write(&script, "head -c 2 \"$1\"; echo ' read by the test'").unwrap();
    let files: Vec<PathBuf> =
        folder("bad").into_iter().filter(|path| path.ends_with("scanned.pdf")).collect();
    let command = format!("sh \"{}\" {{image}}", script.display());
    let (success, lines) = run(&files, out.path(), &["--ocr", &command]);
    assert!(success, "{lines:?}");
    let text = std::fs::read_to_string(lines[0]["output"].as_str().unwrap()).unwrap();
    assert!(text.starts_with("P5 read by the test"), "{text}");
    assert!(lines[0]["warnings"][0].as_str().unwrap().contains("read by OCR"), "{lines:?}");
}
