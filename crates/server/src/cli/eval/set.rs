//! A retrieval set in the BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.
//!
//! Knows files and their form, nothing of engines. Invariant: ids are unique, and every judged grade
//! is for a query of the set.

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// One document to be found.
pub(crate) struct Doc {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// One question.
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Only documents of this title.
    pub(crate) scope: Option<String>,
    /// Grades above zero by number of the document; those the corpus lacks have numbers past its end, for
    /// what cannot be found is not found.
    pub(crate) relevant: HashMap<usize, f64>,
}

pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) docs: Vec<Doc>,
    /// The judged ones; all when nothing is judged.
    pub(crate) queries: Vec<Query>,
}

impl Set {
    pub(crate) fn load(folder: &Path, split: Option<&str>) -> Result<Self, String> {
        let docs: Vec<Doc> = lines(&folder.join("corpus.jsonl"))?
            .iter()
            .map(|line| Doc { id: id(line), title: text(line, "title"), text: text(line, "text") })
            .collect();
        unique("corpus.jsonl", docs.iter().map(|doc| doc.id.as_str()))?;
        let mut queries: Vec<Query> = lines(&folder.join("queries.jsonl"))?
            .iter()
            .map(|line| Query {
                id: id(line),
                text: text(line, "text"),
                scope: line.get("scope").and_then(Value::as_str).map(str::to_owned),
                relevant: HashMap::new(),
            })
            .filter(|query| !query.text.trim().is_empty())
            .collect();
        unique("queries.jsonl", queries.iter().map(|query| query.id.as_str()))?;
        if let Some(path) = grades(folder, split)? {
            let judged = judge(&path, &docs, &mut queries)?;
            queries.retain(|query| judged.contains(&query.id));
        }
        let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let set = Self { name: name.unwrap_or_else(|| "set".to_owned()), docs, queries };
        if set.docs.is_empty() || set.queries.is_empty() {
            return Err(format!("{}: no documents or no judged queries", folder.display()));
        }
        Ok(set)
    }

    /// Queries with a relevant document: the means are over these.
    pub(crate) fn judged(&self) -> usize {
        self.queries.iter().filter(|query| !query.relevant.is_empty()).count()
    }

    pub(crate) fn is_scoped(&self) -> bool {
        self.queries.iter().any(|query| query.scope.is_some())
    }
}

/// The file with the grades: `qrels/<split>.tsv`. Without a split `qrels/test.tsv`, `qrels.tsv` or the only
/// file in `qrels/`; `None` when there is none.
fn grades(folder: &Path, split: Option<&str>) -> Result<Option<PathBuf>, String> {
    let qrels = folder.join("qrels");
    let named = qrels.join(format!("{}.tsv", split.unwrap_or("test")));
    if named.is_file() {
        return Ok(Some(named));
    }
    if split.is_some() {
        return Err(format!("{} is not there; name another split", named.display()));
    }
    let single = folder.join("qrels.tsv");
    if single.is_file() {
        return Ok(Some(single));
    }
    let Ok(entries) = std::fs::read_dir(&qrels) else { return Ok(None) };
    let is_grades = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tsv") && path.is_file();
    let mut found = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_grades);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("{} holds several files; choose one by --split", qrels.display())),
        (only, None) => Ok(only),
    }
}

/// Reads the grades; gives the ids of all queries that are judged at all.
fn judge(path: &Path, docs: &[Doc], queries: &mut [Query]) -> Result<HashSet<String>, String> {
    let mut doc_at: HashMap<String, usize> =
        docs.iter().zip(0..).map(|(doc, at)| (doc.id.clone(), at)).collect();
    let query_at: HashMap<String, usize> =
        queries.iter().zip(0..).map(|(query, at)| (query.id.clone(), at)).collect();
    let mut judged = HashSet::new();
    for (number, line) in read(path)?.lines().enumerate() {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        // Also `query 0 document grade`, as TREC writes it.
        let (query, doc, grade) = match *cells.as_slice() {
            [query, doc, grade] | [query, _, doc, grade] => (query, doc, grade),
            _ if line.trim().is_empty() => continue,
            _ => return Err(format!("{}:{}: wants 3 columns", path.display(), number + 1)),
        };
        let Ok(grade) = grade.parse::<f64>() else {
            if number == 0 {
                continue;
            }
            return Err(format!("{}:{}: {grade:?} is no grade", path.display(), number + 1));
        };
        let Some(query) = query_at.get(query).and_then(|at| queries.get_mut(*at)) else { continue };
        judged.insert(query.id.clone());
        if grade > 0.0 {
            let next = doc_at.len();
            let doc = *doc_at.entry(doc.to_owned()).or_insert(next);
            query.relevant.insert(doc, grade);
        }
    }
    Ok(judged)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()))
}

fn lines(path: &Path) -> Result<Vec<Value>, String> {
    let parse = |(number, line): (usize, &str)| {
        let value: Value = serde_json::from_str(line)
            .map_err(|cause| format!("{}:{}: {cause}", path.display(), number + 1))?;
        match value.get("_id") {
            Some(Value::String(_) | Value::Number(_)) => Ok(value),
            _ => Err(format!("{}:{}: has no _id", path.display(), number + 1)),
        }
    };
    read(path)?.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

fn id(line: &Value) -> String {
    match line.get("_id") {
        Some(Value::String(id)) => id.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn text(line: &Value, name: &str) -> String {
    line.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
}

fn unique<'a>(file: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for id in ids {
        // Run files part their columns at white space.
        if id.is_empty() || id.contains(char::is_whitespace) {
            return Err(format!("{file}: _id {id:?} must not be empty or hold white space"));
        }
        if !seen.insert(id) {
            return Err(format!("{file}: _id {id:?} is there twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(qrels: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("qrels")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "corpus.jsonl",
            "{\"_id\":\"a\",\"title\":\"T\",\"text\":\"one\"}\n\n{\"_id\":7,\"text\":\"two\"}\n",
        );
        write(
            "queries.jsonl",
            "{\"_id\":\"q\",\"text\":\"x\",\"scope\":\"T\"}\n{\"_id\":\"r\",\"text\":\"y\"}\n",
        );
        write("qrels/test.tsv", qrels);
        dir
    }

    #[test]
    fn both_forms_of_grades_are_read() {
        let dir = folder("query-id\tcorpus-id\tscore\nq\ta\t2\nq\t7\t0\nq\tgone\t1\nr\t0\t7\t1\n");
        let set = Set::load(dir.path(), Some("test")).unwrap();
        assert_eq!((set.docs.len(), set.queries.len(), set.is_scoped()), (2, 2, true));
        assert_eq!(set.queries[0].relevant, HashMap::from([(0, 2.0), (2, 1.0)]), "what is gone stays wanted");
        assert_eq!(set.queries[1].relevant, HashMap::from([(1, 1.0)]));
        assert_eq!(set.docs[1].id, "7");
    }

    #[test]
    fn unjudged_queries_are_left_out_unless_nothing_is_judged() {
        let dir = folder("q\ta\t1\n");
        assert_eq!(Set::load(dir.path(), None).unwrap().queries.len(), 1);
        std::fs::remove_dir_all(dir.path().join("qrels")).unwrap();
        let set = Set::load(dir.path(), None).unwrap();
        assert_eq!((set.queries.len(), set.judged()), (2, 0));
    }

    #[test]
    fn grades_are_found_or_missed_aloud() {
        let dir = folder("q\ta\t1\n");
        let at = |name: &str| dir.path().join(name);
        let error = Set::load(dir.path(), Some("dev")).err().unwrap();
        assert!(error.contains("dev.tsv"), "{error}");
        std::fs::copy(at("qrels/test.tsv"), at("qrels/dev.tsv")).unwrap();
        std::fs::remove_file(at("qrels/test.tsv")).unwrap();
        assert_eq!(Set::load(dir.path(), None).unwrap().judged(), 1, "the only one");
        std::fs::copy(at("qrels/dev.tsv"), at("qrels/train.tsv")).unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("--split"));
        std::fs::write(at("qrels.tsv"), "q\ta\t1\nr\ta\t1\n").unwrap();
        assert_eq!(Set::load(dir.path(), None).unwrap().judged(), 2);
    }

    #[test]
    fn wrong_files_say_where() {
        let dir = folder("q\ta\t1\nq\ta\tmuch\n");
        let error = Set::load(dir.path(), None).err().unwrap();
        assert!(error.contains("test.tsv:2") && error.contains("much"), "{error}");
        std::fs::write(dir.path().join("corpus.jsonl"), "{\"_id\":\"a\"}\n{\"_id\":\"a\"}\n").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("twice"));
        std::fs::write(dir.path().join("corpus.jsonl"), "{\"id\":\"a\"}\n").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("corpus.jsonl:1"));
    }
}
