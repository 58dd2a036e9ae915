//! A retrieval set in the BEIR layout: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.
//!
//! Knows files and their form, nothing of engines. Invariant: ids are unique, and every grade is for a
//! query of the set.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Beyond this a sum of gains means nothing.
const MOST_GRADE: f64 = 1e6;

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

impl Query {
    /// Whether there is nothing to ask; such a query finds nothing.
    pub(crate) fn is_textless(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// What the grades name and the set does not hold.
#[derive(Default)]
pub(crate) struct Gaps {
    /// Judged queries without a text.
    pub(crate) textless: BTreeSet<String>,
    /// Judged queries that are not in `queries.jsonl`.
    pub(crate) queries: BTreeSet<String>,
    /// Judged documents that are not in `corpus.jsonl`.
    pub(crate) docs: BTreeSet<String>,
}

pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) docs: Vec<Doc>,
    /// The judged ones, also those without a text; all that have one when nothing is judged.
    pub(crate) queries: Vec<Query>,
    pub(crate) gaps: Gaps,
}

impl Set {
    pub(crate) fn load(folder: &Path, split: Option<&str>) -> Result<Self, String> {
        let docs = lines(&folder.join("corpus.jsonl"), |line| {
            Ok(Doc { id: line.id()?, title: line.text("title")?, text: line.text("text")? })
        })?;
        unique("corpus.jsonl", docs.iter().map(|doc| doc.id.as_str()))?;
        let queries = lines(&folder.join("queries.jsonl"), |line| {
            let scope = line.optional_text("scope")?;
            Ok(Query { id: line.id()?, text: line.text("text")?, scope, relevant: HashMap::new() })
        })?;
        unique("queries.jsonl", queries.iter().map(|query| query.id.as_str()))?;
        let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let name = name.unwrap_or_else(|| "set".to_owned());
        let mut set = Self { name, docs, queries, gaps: Gaps::default() };
        match grades(folder, split)? {
            Some(path) => set.judge(&path)?,
            None => set.queries.retain(|query| !query.is_textless()),
        }
        if set.docs.is_empty() {
            return Err(format!("{}: there are no documents", folder.join("corpus.jsonl").display()));
        }
        if set.queries.iter().all(Query::is_textless) {
            return Err(format!("{}: no judged query has a text", folder.join("queries.jsonl").display()));
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

    /// Refuses ids that a run file cannot hold: its columns are parted at white space.
    pub(crate) fn check_run_ids(&self) -> Result<(), String> {
        let docs = self.docs.iter().map(|doc| ("corpus.jsonl", &doc.id));
        let queries = self.queries.iter().map(|query| ("queries.jsonl", &query.id));
        match docs.chain(queries).find(|(_, id)| id.contains(char::is_whitespace)) {
            Some((file, id)) => Err(format!(
                "{file}: a run file cannot hold the _id {id:?} with its white space; leave --run out"
            )),
            None => Ok(()),
        }
    }

    /// Reads the grades and keeps the queries that are judged at all.
    fn judge(&mut self, path: &Path) -> Result<(), String> {
        let mut doc_at: HashMap<String, usize> =
            self.docs.iter().zip(0..).map(|(doc, at)| (doc.id.clone(), at)).collect();
        let mut query_at: HashMap<String, usize> =
            self.queries.iter().zip(0..).map(|(query, at)| (query.id.clone(), at)).collect();
        let mut judged = HashSet::new();
        let text = read(path)?;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || (judged.is_empty() && is_header(line)) {
                continue;
            }
            let (query, doc, grade) =
                graded(line).map_err(|wrong| format!("{}:{number}: {wrong}", path.display()))?;
            let queries = &mut self.queries;
            let at = *query_at.entry(query.to_owned()).or_insert_with(|| {
                queries.push(Query {
                    id: query.to_owned(),
                    text: String::new(),
                    scope: None,
                    relevant: HashMap::new(),
                });
                self.gaps.queries.insert(query.to_owned());
                queries.len() - 1
            });
            judged.insert(query.to_owned());
            let Some(query) = queries.get_mut(at) else { continue };
            let next = doc_at.len();
            let doc_at = *doc_at.entry(doc.to_owned()).or_insert(next);
            if doc_at >= self.docs.len() {
                self.gaps.docs.insert(doc.to_owned());
            }
            if grade > 0.0 {
                query.relevant.insert(doc_at, grade);
            }
        }
        if judged.is_empty() {
            return Err(format!("{} holds no grades", path.display()));
        }
        self.queries.retain(|query| judged.contains(&query.id));
        let textless = self.queries.iter().filter(|query| query.is_textless()).map(|query| query.id.clone());
        self.gaps.textless = textless.filter(|id| !self.gaps.queries.contains(id)).collect();
        Ok(())
    }
}

/// The file with the grades: `qrels/<split>.tsv`. Without a split `qrels/test.tsv`, `qrels.tsv` or the only
/// file in `qrels/`; `None` when neither that folder nor `qrels.tsv` is there.
fn grades(folder: &Path, split: Option<&str>) -> Result<Option<PathBuf>, String> {
    let qrels = folder.join("qrels");
    let named = qrels.join(format!("{}.tsv", split.unwrap_or("test")));
    if is_there(&named)? {
        return Ok(Some(named));
    }
    if split.is_some() {
        return Err(format!("{} is not there; name another split", named.display()));
    }
    let single = folder.join("qrels.tsv");
    if is_there(&single)? {
        return Ok(Some(single));
    }
    let failed = |cause| format!("cannot read {}: {cause}", qrels.display());
    let entries = match std::fs::read_dir(&qrels) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "tsv") {
            found.push(path);
        }
    }
    match found.len() {
        0 => Err(format!("{} holds no .tsv file with grades", qrels.display())),
        1 => Ok(found.pop()),
        _ => Err(format!("{} holds several files; choose one by --split", qrels.display())),
    }
}

fn is_there(path: &Path) -> Result<bool, String> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(format!("cannot read {}: {cause}", path.display())),
    }
}

/// Columns parted by tabs, or else by white space.
fn columns(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(str::trim).collect()
    } else {
        line.split_whitespace().collect()
    }
}

/// Whether a line names the columns.
fn is_header(line: &str) -> bool {
    let columns = columns(line);
    let name =
        columns.first().map(|name| name.to_lowercase().replace(['-', '_', ' '], "")).unwrap_or_default();
    ["queryid", "query", "qid", "topic", "topicid"].contains(&name.as_str())
        && columns.last().is_some_and(|grade| grade.parse::<f64>().is_err())
}

/// `query document grade`, or with a column between, as TREC writes it.
fn graded(line: &str) -> Result<(&str, &str, f64), String> {
    let (query, doc, grade) = match *columns(line).as_slice() {
        [query, doc, grade] | [query, _, doc, grade] => (query, doc, grade),
        _ => return Err("wants 3 columns: query-id, corpus-id, score".to_owned()),
    };
    match grade.parse::<f64>() {
        Ok(number) if number.abs() <= MOST_GRADE => Ok((query, doc, number)),
        _ => Err(format!("{grade:?} is no grade; a header begins with query-id")),
    }
}

/// The text of a file, without a byte order mark.
fn read(path: &Path) -> Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// One object of a file.
struct Line {
    /// File and number.
    at: String,
    object: Value,
}

fn lines<T>(path: &Path, parse: impl Fn(&Line) -> Result<T, String>) -> Result<Vec<T>, String> {
    let text = read(path)?;
    let filled = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(number, line): (usize, &str)| {
            let at = format!("{}:{number}", path.display());
            let object = serde_json::from_str(line).map_err(|cause| format!("{at}: {cause}"))?;
            parse(&Line { at, object })
        })
        .collect()
}

impl Line {
    fn id(&self) -> Result<String, String> {
        self.optional_text("_id")?.ok_or_else(|| format!("{}: has no _id", self.at))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    /// A number counts as the text it is written as.
    fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(format!("{}: {name} must be a text", self.at)),
        }
    }
}

fn unique<'a>(file: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = HashSet::new();
    for id in ids {
        if id.trim().is_empty() {
            return Err(format!("{file}: an _id is empty"));
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
        assert!(set.gaps.docs.iter().eq(["gone"]));
        let dir = folder("\u{feff}q 0 a 1\nr 0 7 1\n");
        assert_eq!(Set::load(dir.path(), None).unwrap().judged(), 2, "parted by spaces, after a mark");
    }

    #[test]
    fn judged_queries_without_text_stay() {
        let dir = folder("q\ta\t1\nr\ta\t1\nzz\ta\t1\n");
        let queries = "{\"_id\":\"q\",\"text\":\"x\"}\n{\"_id\":\"r\",\"text\":\" \"}\n{\"_id\":\"s\"}\n";
        std::fs::write(dir.path().join("queries.jsonl"), format!("\u{feff}{queries}")).unwrap();
        let set = Set::load(dir.path(), None).unwrap();
        assert_eq!((set.queries.len(), set.judged()), (3, 3));
        assert!(set.gaps.textless.iter().eq(["r"]) && set.gaps.queries.iter().eq(["zz"]));
        std::fs::write(dir.path().join("qrels/test.tsv"), "r\ta\t1\n").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("no judged query has a text"));
    }

    #[test]
    fn ids_with_spaces_are_refused_for_a_run_only() {
        let dir = folder("q\ta b\t1\n");
        std::fs::write(dir.path().join("corpus.jsonl"), "{\"_id\":\"a b\",\"text\":5}\n").unwrap();
        let set = Set::load(dir.path(), None).unwrap();
        assert_eq!((set.judged(), set.gaps.docs.len(), set.docs[0].text.as_str()), (1, 0, "5"));
        assert!(set.check_run_ids().unwrap_err().contains("a b"));
    }

    #[test]
    fn unjudged_queries_are_left_out_unless_nothing_is_judged() {
        let dir = folder("q\ta\t1\n");
        assert_eq!(Set::load(dir.path(), None).unwrap().queries.len(), 1);
        std::fs::remove_dir_all(dir.path().join("qrels")).unwrap();
        let set = Set::load(dir.path(), None).unwrap();
        assert_eq!((set.queries.len(), set.judged()), (2, 0));
        std::fs::write(dir.path().join("qrels"), "").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("qrels"), "what is there is not ignored");
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
        for (qrels, place) in [
            ("q\ta\t1\nq\ta\tmuch\n", "test.tsv:2"),
            ("q\ta\tone\nr\ta\t1\n", "test.tsv:1"),
            ("q\ta\tinf\n", "test.tsv:1"),
            ("q\ta\tnan\n", "test.tsv:1"),
            ("q\ta\t1e308\n", "test.tsv:1"),
            ("q\ta\n", "test.tsv:1"),
            ("query-id\tcorpus-id\tscore\n", "holds no grades"),
        ] {
            let error = Set::load(folder(qrels).path(), None).err().unwrap();
            assert!(error.contains(place), "{error}");
        }
        let dir = folder("q\ta\t1\n");
        for field in ["text", "scope"] {
            let query = format!("{{\"_id\":\"q\",\"{field}\":[\"x\"]}}\n");
            std::fs::write(dir.path().join("queries.jsonl"), query).unwrap();
            let error = Set::load(dir.path(), None).err().unwrap();
            assert!(error.contains("queries.jsonl:1") && error.contains(field), "{error}");
        }
        std::fs::write(dir.path().join("corpus.jsonl"), "{\"_id\":\"a\"}\n{\"_id\":\"a\"}\n").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("twice"));
        std::fs::write(dir.path().join("corpus.jsonl"), "{\"id\":\"a\"}\n").unwrap();
        assert!(Set::load(dir.path(), None).err().unwrap().contains("corpus.jsonl:1"));
    }
}
