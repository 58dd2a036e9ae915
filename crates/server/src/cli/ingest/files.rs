//! Files of this machine: found by path, folder or pattern, sent unless the server has them already.

use super::{Bar, Tally, share};
use crate::cli::client::{Client, success};
use crate::cli::commands::{list, text};
use crate::cli::interrupt::Interrupt;
use crate::router::encode;
use quarry_types::hex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const POLL_EVERY: Duration = Duration::from_millis(150);
/// Files one command may find.
const MAX_FOUND: usize = 100_000;
/// Files sent and not yet indexed: more would only wait at the server.
const MAX_OPEN: usize = 64;

/// A file, what it is called and the key it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    path: PathBuf,
    /// The folder it was found from, without links.
    root: PathBuf,
    /// The path from there: what people see.
    name: String,
    key: String,
    /// The data source it belongs to, in a knowledge base.
    source: Option<String>,
}

impl Found {
    fn new(path: PathBuf, root: &Path, name: &str) -> Self {
        Self { path, root: root.to_owned(), name: name.to_owned(), key: name.to_owned(), source: None }
    }

    /// Makes it a file of a knowledge base: each folder is a data source there, so that files of the same
    /// name out of two folders are two.
    pub(super) fn belong(&mut self, base: &str) {
        let folder = hex(&Sha256::digest(format!("{base}\n{}", self.root.display())));
        let id = format!("ds_{}", folder.get(..26).unwrap_or(&folder));
        self.key = format!("data_source://document/{id}/{}", self.name);
        self.source = Some(id);
    }
}

/// Drops what was found twice.
///
/// # Errors
/// When two files would get one key, so that the second would take the place of the first.
pub(super) fn check_keys(found: &mut Vec<Found>) -> Result<(), String> {
    let mut places: HashMap<String, PathBuf> = HashMap::new();
    let mut clash = None;
    found.retain(|file| {
        let place = file.root.join(&file.name);
        match places.get(&file.key) {
            Some(known) => {
                if *known != place {
                    clash.get_or_insert((known.clone(), place, file.key.clone()));
                }
                false
            }
            None => {
                places.insert(file.key.clone(), place);
                true
            }
        }
    });
    match clash {
        None => Ok(()),
        Some((one, other, key)) => Err(format!(
            "{} and {} would both be the file {key:?}; name a folder that holds both, or a knowledge base with --kb",
            one.display(),
            other.display()
        )),
    }
}

fn without_links(folder: &Path) -> Result<PathBuf, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.canonicalize().map_err(|cause| format!("cannot read {}: {cause}", folder.display()))
}

/// The files a path, folder or pattern stands for. A file's key is its name, below a folder or a pattern
/// the path from there, unless it comes to belong to a knowledge base.
pub(super) fn find(what: &str) -> Result<Vec<Found>, String> {
    let path = Path::new(what);
    if path.is_file() {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| format!("{what} has no usable name"))?;
        let root = without_links(path.parent().unwrap_or(Path::new("")))?;
        return Ok(vec![Found::new(path.to_owned(), &root, name)]);
    }
    let (root, pattern) = if path.is_dir() {
        (path.to_owned(), None)
    } else if what.contains(['*', '?']) {
        let fixed: PathBuf = path
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?']))
            .collect();
        let rest = path.strip_prefix(&fixed).unwrap_or(path).to_string_lossy().into_owned();
        (if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }, Some(rest))
    } else {
        return Err(format!("{what} does not exist"));
    };
    let mut found = Vec::new();
    if !root.is_dir() {
        return Err(format!("{what} holds no files"));
    }
    let place = without_links(&root)?;
    walk((&root, &place), &root, pattern.as_deref(), &mut found)?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    if found.is_empty() { Err(format!("{what} holds no files")) } else { Ok(found) }
}

fn walk(
    (root, place): (&Path, &Path),
    folder: &Path,
    pattern: Option<&str>,
    found: &mut Vec<Found>,
) -> Result<(), String> {
    let unreadable = |cause: std::io::Error| format!("cannot read {}: {cause}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Links to folders may lead in circles.
        if kind.is_dir() {
            walk((root, place), &path, pattern, found)?;
        } else if path.is_file() {
            let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
            if pattern.is_none_or(|pattern| fits(pattern, key)) {
                found.push(Found::new(path.clone(), place, key));
            }
        }
        if found.len() > MAX_FOUND {
            return Err(format!("there are more than {MAX_FOUND} files; name fewer at a time"));
        }
    }
    Ok(())
}

/// `*` stands for characters other than `/`, `**/` for any folders, `?` for one character.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // `reach[t]`: the pattern so far may end before character t.
    let mut reach = vec![false; text.len() + 1];
    if let Some(start) = reach.first_mut() {
        *start = true;
    }
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        let deep = *c == '*' && pattern.get(at + 1) == Some(&'*');
        let mut next = vec![false; text.len() + 1];
        let mut open = false;
        for t in 0..=text.len() {
            let here = reach.get(t).copied().unwrap_or(false);
            let before = t.checked_sub(1).and_then(|t| text.get(t)).copied();
            let from = t.checked_sub(1).and_then(|t| reach.get(t)).copied().unwrap_or(false);
            let value = match c {
                '*' => {
                    open = here || (open && (deep || before != Some('/')));
                    // `**/` stands for whole folders, none included.
                    open && (!deep || pattern.get(at + 2) != Some(&'/') || here || before == Some('/'))
                }
                '?' => from && before.is_some_and(|c| c != '/'),
                c => from && before == Some(*c),
            };
            if let Some(slot) = next.get_mut(t) {
                *slot = value;
            }
        }
        reach = next;
        at += match deep {
            true if pattern.get(at + 2) == Some(&'/') => 3,
            true => 2,
            false => 1,
        };
    }
    reach.last().copied().unwrap_or(false)
}

/// Sends what the server does not have and waits until it can be searched.
pub(super) fn ingest(
    client: &Client,
    found: &[Found],
    tags: &Map<String, Value>,
    force: bool,
    interrupt: &Interrupt,
    tally: &mut Tally,
) -> Result<(), String> {
    let (total, mut bar) = (found.len(), Bar::new());
    let mut open: Vec<&Found> = Vec::new();
    let mut ended = 0;
    for (at, file) in found.iter().enumerate() {
        if interrupt.is_pressed() {
            break;
        }
        match send(client, file, tags, force) {
            Ok(true) => open.push(file),
            Ok(false) => {
                tally.unchanged += 1;
                ended += 1;
                bar.say(&format!("{}: unchanged", file.name));
            }
            Err(reason) => {
                tally.fail(&file.name, &reason);
                ended += 1;
                bar.say(&format!("{}: {reason}", file.name));
            }
        }
        let most = if at + 1 == total { 0 } else { MAX_OPEN };
        while open.len() > most && !interrupt.is_pressed() {
            open = look(client, open, &mut bar, tally)?;
            let done = total.min(at + 1 - open.len());
            ended = ended.max(done);
            let jobs = client.call("GET", "/v1/quarry/jobs", None)?;
            let stage = list(&jobs, "jobs").first().map_or("", |job| text(job, "/stage"));
            bar.show(share(ended as u64, total as u64), &format!("{ended}/{total} files {stage}"));
            if open.len() > most {
                std::thread::sleep(POLL_EVERY);
            }
        }
    }
    bar.clear();
    Ok(())
}

/// Sends one file; `false` when the server has its content already.
fn send(client: &Client, file: &Found, tags: &Map<String, Value>, force: bool) -> Result<bool, String> {
    let bytes = std::fs::read(&file.path).map_err(|cause| format!("cannot be read: {cause}"))?;
    let mut tags = tags.clone();
    let hash = hex(&Sha256::digest(&bytes));
    let mut metadata = Map::new();
    if let Some(source) = &file.source {
        for (name, value) in [("dsId", source.as_str()), ("dsType", "document")] {
            tags.insert(name.to_owned(), value.into());
            metadata.insert(name.to_owned(), value.into());
        }
    }
    let place = format!("/v1/files/{}", encode(&file.key));
    let (status, known) = client.try_call("GET", &place, None)?;
    if status == 200 && !force {
        let same = text(&known, "/file/metadata/hash") == hash;
        let tagged = tags
            .iter()
            .all(|(name, value)| known.pointer("/file/tags").and_then(|t| t.get(name)) == Some(value));
        match text(&known, "/file/status") {
            "indexing_completed" if same && tagged => return Ok(false),
            "indexing_pending" if same && tagged => return Ok(true),
            _ => {}
        }
    } else if status != 200 && status != 404 {
        success((status, known))?;
    }
    let title = file.path.file_name().and_then(|name| name.to_str()).unwrap_or(&file.name);
    metadata.insert("title".to_owned(), title.into());
    metadata.insert("hash".to_owned(), hash.into());
    metadata.insert("contentType".to_owned(), quarry_kb::content_type_of(&file.key).into());
    metadata.insert("relPath".to_owned(), file.name.as_str().into());
    let body = json!({
        "key": file.key,
        "size": bytes.len(),
        "index": true,
        "tags": tags,
        "metadata": metadata,
    });
    let made = client.call("PUT", "/v1/files", Some(&body))?;
    client.upload(text(&made, "/file/uploadUrl"), text(&made, "/file/contentType"), &bytes)?;
    Ok(true)
}

/// The files of `open` still on their way.
fn look<'f>(
    client: &Client,
    open: Vec<&'f Found>,
    bar: &mut Bar,
    tally: &mut Tally,
) -> Result<Vec<&'f Found>, String> {
    let mut left = Vec::new();
    for file in open {
        let shown = client.call("GET", &format!("/v1/files/{}", encode(&file.key)), None)?;
        match text(&shown, "/file/status") {
            "indexing_completed" => {
                tally.done += 1;
                bar.say(&format!("{}: can be searched", file.name));
            }
            "indexing_failed" | "upload_failed" => {
                let reason = text(&shown, "/file/failedStatusReason");
                tally.fail(&file.name, reason);
                bar.say(&format!("{}: {reason}", file.name));
            }
            _ => left.push(file),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*.md", "a.md", true),
            ("*.md", "d/a.md", false),
            ("**/*.md", "a.md", true),
            ("**/*.md", "d/e/a.md", true),
            ("d/**/a.md", "d/a.md", true),
            ("d/**/a.md", "d/xa.md", false),
            ("**", "d/e/a.md", true),
            ("a?.txt", "ab.txt", true),
            ("a?.txt", "a/.txt", false),
            ("*.md", "a.mdx", false),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn folders_and_patterns_are_walked() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for name in ["a.md", "d/b.md", "d/c.txt", ".hidden", ".git/e.md"] {
            put(name);
        }
        let keys = |what: &str| -> Vec<String> {
            find(&format!("{}{what}", dir.path().display()))
                .unwrap()
                .into_iter()
                .map(|file| file.key)
                .collect()
        };
        assert_eq!(keys(""), ["a.md", "d/b.md", "d/c.txt"]);
        assert_eq!(keys("/**/*.md"), ["a.md", "d/b.md"]);
        assert_eq!(keys("/d/*.md"), ["b.md"]);
        assert_eq!(keys("/d/c.txt"), ["c.txt"]);
        let all = |kb: bool, places: &[&str]| {
            let find = |place: &&str| find(&format!("{}{place}", dir.path().display())).unwrap();
            let mut found: Vec<Found> = places.iter().flat_map(find).collect();
            found.iter_mut().filter(|_| kb).for_each(|file| file.belong("kb_1"));
            check_keys(&mut found).map(|()| found)
        };
        put("e/b.md");
        let clash = all(false, &["/d/b.md", "/e"]).unwrap_err();
        assert!(clash.contains("d/b.md and") && clash.contains("--kb"), "{clash}");
        assert_eq!(all(false, &["/d/b.md", "/d/*.md"]).unwrap().len(), 1, "one file named twice");
        let two = all(true, &["/d/b.md", "/d/../e"]).unwrap();
        assert!(two[0].key.starts_with("data_source://document/ds_") && two[0].key.ends_with("/b.md"));
        assert_ne!(two[0].key, two[1].key);
        assert_eq!(all(true, &["/e/b.md"]).unwrap()[0].key, two[1].key, "a folder is known by any path");
        assert!(find("/no/such/file").is_err() && find(&format!("{}/*.pdf", dir.path().display())).is_err());
    }
}
