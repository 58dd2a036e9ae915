//! What the writer of files did, and what must therefore be found.

use super::http::Client;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How far one step got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    NotTried,
    Sent,
    Acknowledged,
}

#[derive(Debug)]
struct Version {
    content: String,
    declared: Step,
    uploaded: Step,
}

/// One key and all versions sent under it.
#[derive(Debug)]
pub(super) struct File {
    index: bool,
    cycle: usize,
    versions: Vec<Version>,
    deleted: Step,
}

/// Files by key.
pub(super) type Files = BTreeMap<String, File>;

fn encode(key: &str) -> String {
    key.replace('/', "%2F")
}

/// Uploads, replaces and deletes files until the server is gone.
pub(super) fn write_files(client: &Client, cycle: usize, rng: &mut StdRng) -> Files {
    let mut files = Files::new();
    for n in 0.. {
        let key = format!("cycle {cycle}/{n}.txt").replace(' ', "-");
        // Few are indexed, so that the work of all cycles ends in time; the first one always is.
        let file = File { index: n % 5 == 0, cycle, versions: Vec::new(), deleted: Step::NotTried };
        let file = files.entry(key.clone()).or_insert(file);
        let versions = rng.random_range(1..=2);
        for version in 0..versions {
            if upload(client, &key, version, file, rng).is_err() {
                return files;
            }
        }
        if rng.random_ratio(1, 6) {
            file.deleted = Step::Sent;
            let path = format!("/v1/files/{}", encode(&key));
            let Ok(answer) = client.call("DELETE", &path, &json!({})) else { return files };
            answer.ok();
            file.deleted = Step::Acknowledged;
        }
    }
    files
}

fn upload(
    client: &Client,
    key: &str,
    version: u32,
    file: &mut File,
    rng: &mut StdRng,
) -> std::io::Result<()> {
    let word = format!("marker{}", rng.random::<u32>());
    let lines = if file.index { 3 } else { rng.random_range(1..200) };
    let content = format!("Version {version} of {key} carries the word {word}.\n").repeat(lines);
    file.versions.push(Version { content, declared: Step::Sent, uploaded: Step::NotTried });
    let current = file.versions.last_mut().unwrap();
    let body = json!({ "key": key, "size": current.content.len(), "index": file.index, "metadata": { "word": word } });
    let answer = client.call("PUT", "/v1/files", &body)?.ok();
    current.declared = Step::Acknowledged;
    current.uploaded = Step::Sent;
    let url = answer["file"]["uploadUrl"].as_str().unwrap();
    let put = client.bare("PUT", url, current.content.as_bytes())?;
    assert!((200..300).contains(&put.status), "{}", String::from_utf8_lossy(&put.body));
    current.uploaded = Step::Acknowledged;
    Ok(())
}

pub(super) fn list(client: &Client) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    let mut token = String::new();
    loop {
        let path = format!("/v1/files?pageSize=500{token}");
        let page = client.call("GET", &path, &Value::Null).unwrap().ok();
        for file in page["files"].as_array().unwrap() {
            let before = files.insert(file["key"].as_str().unwrap().to_owned(), file.clone());
            assert!(before.is_none(), "two files with one key: {file}");
        }
        match page["meta"]["nextToken"].as_str() {
            Some(next) => token = format!("&nextToken={}", super::percent(next)),
            None => return files,
        }
    }
}

/// Checks the files against what the writer knows, then takes what was found as the truth. Reads
/// the content of the files written in `since` and later cycles. Gives the bytes they count for.
pub(super) fn check(client: &Client, files: &mut Files, since: usize) -> u64 {
    let mut found = list(client);
    let bytes = found.values().map(|file| size_of(files, file)).sum();
    files.retain(|key, file| match (found.remove(key), file.deleted) {
        (Some(_), Step::Acknowledged) => panic!("back again: deleted file {key}"),
        (None, Step::NotTried) => {
            let kept = file.versions.iter().any(|version| version.declared == Step::Acknowledged);
            assert!(!kept, "lost: acknowledged file {key}");
            false
        }
        (None, _) => false,
        (Some(seen), _) => {
            settle(client, key, file, &seen, since);
            true
        }
    });
    assert!(found.is_empty(), "ghosts: {:?} were never sent", found.keys());
    bytes
}

/// Stored bytes, or the declared ones while the upload is pending.
fn size_of(files: &Files, seen: &Value) -> u64 {
    let word = seen["metadata"]["word"].as_str().unwrap();
    let known = files.get(seen["key"].as_str().unwrap());
    let version = known.and_then(|file| file.versions.iter().find(|version| version.content.contains(word)));
    version.map_or(0, |version| version.content.len() as u64)
}

/// Which version is there: the last acknowledged one or a later one that was sent.
fn settle(client: &Client, key: &str, file: &mut File, seen: &Value, since: usize) {
    let word = seen["metadata"]["word"].as_str().unwrap();
    let at = file.versions.iter().position(|version| version.content.contains(word));
    let at = at.unwrap_or_else(|| panic!("ghost: {key} carries {word:?}, which was never sent"));
    let lost = file.versions[at + 1..].iter().any(|later| later.declared == Step::Acknowledged);
    assert!(!lost, "lost: {key} went back to version {at}");
    let mut version = file.versions.swap_remove(at);
    let status = seen["status"].as_str().unwrap();
    let stored = match status {
        "upload_pending" => false,
        "upload_completed" => !file.index,
        "indexing_pending" | "indexing_completed" => file.index,
        _ => panic!("{key} is {status}: {}", seen["failedStatusReason"]),
    };
    assert_eq!(stored, status != "upload_pending", "{key} is {status}");
    assert!(stored || version.uploaded != Step::Acknowledged, "lost: the content of {key}");
    assert!(!stored || version.uploaded != Step::NotTried, "ghost: content of {key} was never sent");
    if stored {
        assert_eq!(seen["size"].as_u64(), Some(version.content.len() as u64), "{key}");
    }
    if stored && file.cycle >= since {
        let content = client.bare("GET", seen["url"].as_str().unwrap(), b"").unwrap();
        assert_eq!(content.status, 200, "{key}");
        assert!(content.body == version.content.as_bytes(), "{key} has other content than was sent");
    }
    version.declared = Step::Acknowledged;
    version.uploaded = if stored { Step::Acknowledged } else { Step::Sent };
    file.versions = vec![version];
    file.deleted = Step::NotTried;
}

/// The word of some file that must be searchable, with its key.
pub(super) fn searchable(files: &Files) -> impl Iterator<Item = (&str, &str)> {
    let stored = |file: &&File| file.index && file.versions[0].uploaded == Step::Acknowledged;
    files.iter().filter(move |(_, file)| stored(file)).map(|(key, file)| {
        let content = &file.versions[0].content;
        let word = content.lines().next().and_then(|line| line.split(' ').next_back());
        (key.as_str(), word.unwrap_or("").trim_end_matches('.'))
    })
}
