//! Rated questions as an evaluation set in the BEIR layout, for `quarry eval` and other scorers.
//!
//! Of a good answer the cited passages are relevant, or those named in the feedback; of a bad one only
//! those named. Questions without a relevant passage are left out. The documents are the passages the bot has now, so
//! that what a search misses is missed, and of those that are gone the relevant ones. Invariant: passages with the same
//! headings and text are one document, the first in reading order, in each file of the set.

use super::record::{LoggedQuery, LoggedResult, Rating, cut_passage};
use super::store::QueryLog;
use crate::Error;
use quarry_kb::{CurrentPassage, CurrentPassages, Kb};
use quarry_types::Scope;
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

/// A file of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `corpus.jsonl`: the passages of the bot, and those that are gone and answer a question.
    Corpus,
    /// `queries.jsonl`.
    Queries,
    /// `qrels/test.tsv`.
    Qrels,
}

impl QueryLog {
    /// Begins one file of the set. Files of one set fit together as long as nothing is indexed or rated between them.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub async fn export(&self, kb: &Kb, scope: &Scope, part: Part) -> Result<Export, Error> {
        let mut rated = Rated::default();
        self.each(scope, |entry| rated.add(&entry)).await?;
        Ok(Export { set: Set::new(part, rated), passages: kb.current_passages(scope), at_end: false })
    }
}

/// A file of the set, piece by piece: of its passages no more than a page is in memory, and some 30 bytes of each.
pub struct Export {
    set: Set,
    passages: CurrentPassages,
    at_end: bool,
}

impl Export {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the store fails, a record is damaged, or files change faster than they can be read.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        if self.at_end {
            return Ok(None);
        }
        while self.set.wants_passages() {
            let page = self.passages.next().await?;
            if page.is_empty() {
                break;
            }
            let text = self.set.take(page.into_iter().map(Document::from));
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        self.at_end = true;
        Ok(Some(self.set.end()).filter(|text| !text.is_empty()))
    }
}

/// Bytes of rated questions with their passages in one set; older ones beyond are left out.
const MOST_BYTES: usize = 64 << 20;

/// The passages that answer a rated question.
fn relevant(entry: &LoggedQuery) -> Vec<&LoggedResult> {
    let Some(feedback) = &entry.feedback else { return Vec::new() };
    if !feedback.relevant.is_empty() {
        return feedback.relevant.iter().filter_map(|id| entry.passage(id)).collect();
    }
    if feedback.rating == Rating::Bad {
        return Vec::new();
    }
    entry.citations.iter().filter_map(|source| entry.passage(source.passage_id.as_deref()?)).collect()
}

/// A passage as the set holds it.
struct Document {
    id: String,
    title: String,
    text: String,
    file: String,
}

impl From<CurrentPassage> for Document {
    fn from(passage: CurrentPassage) -> Self {
        let CurrentPassage { id, file, headings, text } = passage;
        Self { id, title: title(&headings), text, file: file.key.clone() }
    }
}

impl From<&LoggedResult> for Document {
    fn from(logged: &LoggedResult) -> Self {
        Self {
            id: logged.passage_id.clone(),
            title: title(&logged.headings),
            text: logged.text.clone(),
            file: logged.key.clone(),
        }
    }
}

/// As search sees headings.
fn title(headings: &[String]) -> String {
    headings.join(" > ")
}

impl Document {
    fn write(&self, lines: &mut String) {
        let Self { id, title, text, file } = self;
        let line = json!({"_id": id, "title": title, "text": text, "metadata": {"file": file}});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
}

/// Tells passages apart by headings and text: as much of that as the log keeps.
#[derive(Default)]
struct Contents(RandomState, RandomState);

type Content = u128;

impl Contents {
    fn of(&self, of: &Document) -> Content {
        let content = (&of.title, cut_passage(&of.text));
        u128::from(self.0.hash_one(content)) << 64 | u128::from(self.1.hash_one(content))
    }
}

struct Question {
    id: String,
    text: String,
    relevant: Vec<Content>,
}

/// The rated questions that have a relevant passage, newest first.
struct Rated {
    questions: Vec<Question>,
    /// What is relevant, each content once under its newest id.
    passages: Vec<(Content, Document)>,
    known: HashSet<Content>,
    contents: Contents,
    /// Bytes that may still come.
    left: usize,
}

impl Default for Rated {
    fn default() -> Self {
        Self {
            questions: Vec::new(),
            passages: Vec::new(),
            known: HashSet::new(),
            contents: Contents::default(),
            left: MOST_BYTES,
        }
    }
}

impl Rated {
    /// Adds an entry, when it is rated and has a relevant passage; whether there is room for more.
    fn add(&mut self, entry: &LoggedQuery) -> bool {
        let documents: Vec<Document> = relevant(entry).into_iter().map(Document::from).collect();
        if documents.is_empty() {
            return true;
        }
        let text = entry.understood_as.as_ref().unwrap_or(&entry.question).clone();
        let held = |of: &Document| of.id.len() + of.title.len() + of.text.len() + of.file.len();
        let size = entry.id.len() + text.len() + documents.iter().map(held).sum::<usize>();
        let Some(left) = self.left.checked_sub(size) else { return false };
        self.left = left;
        let mut relevant = Vec::with_capacity(documents.len());
        for document in documents {
            let content = self.contents.of(&document);
            relevant.push(content);
            if self.known.insert(content) {
                self.passages.push((content, document));
            }
        }
        self.questions.push(Question { id: entry.id.clone(), text, relevant });
        true
    }
}

/// A file of the set on its way.
struct Set {
    part: Part,
    rated: Rated,
    /// Of the corpus: what is in it.
    written: HashSet<Content>,
    /// Of the grades: ids in the corpus of what is relevant and still there.
    there: HashMap<Content, String>,
}

impl Set {
    fn new(part: Part, rated: Rated) -> Self {
        Self { part, rated, written: HashSet::new(), there: HashMap::new() }
    }

    /// Whether passages that come now change anything.
    fn wants_passages(&self) -> bool {
        match self.part {
            Part::Corpus => true,
            Part::Queries => false,
            Part::Qrels => self.there.len() < self.rated.passages.len(),
        }
    }

    /// Takes passages the bot has now; what they add to the file.
    fn take(&mut self, passages: impl Iterator<Item = Document>) -> String {
        let mut text = String::new();
        for document in passages {
            let content = self.rated.contents.of(&document);
            if self.part == Part::Corpus && self.written.insert(content) {
                document.write(&mut text);
            } else if self.part == Part::Qrels && self.rated.known.contains(&content) {
                self.there.entry(content).or_insert(document.id);
            }
        }
        text
    }

    /// The end of the file, after all passages.
    fn end(&self) -> String {
        let mut text = String::new();
        match self.part {
            Part::Corpus => {
                let gone = self.rated.passages.iter().filter(|(content, _)| !self.written.contains(content));
                gone.for_each(|(_, document)| document.write(&mut text));
            }
            Part::Queries => {
                for question in &self.rated.questions {
                    text.push_str(&json!({"_id": question.id, "text": question.text}).to_string());
                    text.push('\n');
                }
            }
            Part::Qrels => {
                text.push_str("query-id\tcorpus-id\tscore\n");
                let gone = self.rated.passages.iter().map(|(content, document)| (*content, &document.id));
                let mut ids: HashMap<Content, &String> = gone.collect();
                ids.extend(self.there.iter().map(|(content, id)| (*content, id)));
                for question in &self.rated.questions {
                    let relevant: BTreeSet<&&String> =
                        question.relevant.iter().filter_map(|content| ids.get(content)).collect();
                    for id in relevant {
                        // Writing to a text cannot fail.
                        let _ = writeln!(text, "{}\t{id}\t1", question.id);
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::{entry, kept, log_and_kb, put};
    use super::*;
    use crate::log::{Feedback, LoggedSource};
    use quarry_types::Timestamp;

    fn document(id: &str, title: &str, text: &str) -> Document {
        Document { id: id.into(), title: title.into(), text: text.into(), file: "now.md".into() }
    }

    /// A file of the set of these entries and of passages the bot has.
    fn written(entries: &[LoggedQuery], now: &[(&str, &str, &str)], part: Part) -> String {
        let mut rated = Rated::default();
        assert!(entries.iter().all(|entry| rated.add(entry)));
        let mut set = Set::new(part, rated);
        let mut text = set.take(now.iter().map(|(id, title, text)| document(id, title, text)));
        text.push_str(&set.end());
        text
    }

    fn ids(lines: &str) -> Vec<String> {
        let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["_id"].to_string();
        lines.lines().map(|line| id(line).replace('"', "")).collect()
    }

    #[test]
    fn rated_questions_become_a_set() {
        let mut good = entry("1", "one?", true, Some(Rating::Good));
        let cite = |id: &str| LoggedSource {
            token: "【1】".into(),
            passage_id: Some(id.into()),
            key: None,
            table: None,
            row_id: None,
            quote: "q".into(),
        };
        good.citations = vec![cite("p-b"), cite("p-gone")];
        let mut bad = entry("2", "two?", true, Some(Rating::Bad));
        bad.citations = vec![cite("p-a")];
        let mut corrected = entry("3", "three?", true, Some(Rating::Bad));
        corrected.missed = vec![LoggedResult { passage_id: "p-m".into(), ..corrected.results[0].clone() }];
        corrected.missed[0].text = "missed".into();
        if let Some(feedback) = &mut corrected.feedback {
            feedback.relevant = vec!["p-a".into(), "p-m".into()];
        }
        let all = [good, bad, corrected, entry("4", "four?", true, None)];
        let now = [("p-x", "", "text of nobody"), ("p-m", "", "missed"), ("p-b", "", "text\tof b")];
        assert_eq!(
            written(&all, &now, Part::Qrels),
            "query-id\tcorpus-id\tscore\n1\tp-b\t1\n3\tp-a\t1\n3\tp-m\t1\n"
        );
        assert_eq!(ids(&written(&all, &now, Part::Queries)), ["1", "3"]);
        let corpus = written(&all, &now, Part::Corpus);
        assert_eq!(
            ids(&corpus),
            ["p-x", "p-m", "p-b", "p-a"],
            "all there are, then the judged ones that are gone"
        );
        assert!(corpus.contains(r#""text":"text\tof a""#), "{corpus}");
    }

    #[test]
    fn a_passage_that_was_indexed_again_is_one_document() {
        let mut newer = entry("1", "one?", true, Some(Rating::Bad));
        let mut older = entry("2", "one?", true, Some(Rating::Bad));
        for (entry, generation) in [(&mut newer, "new"), (&mut older, "old")] {
            for result in &mut entry.results {
                result.passage_id = format!("{generation}-{}", result.passage_id);
                result.headings = vec!["Hours".into(), "Shop".into()];
            }
            let relevant = vec![format!("{generation}-p-a")];
            entry.feedback = entry.feedback.take().map(|feedback| Feedback { relevant, ..feedback });
        }
        let all = [newer, older];
        let title = "Hours > Shop";
        let grades = |id: &str| format!("query-id\tcorpus-id\tscore\n1\t{id}\t1\n2\t{id}\t1\n");
        assert_eq!(written(&all, &[], Part::Qrels), grades("new-p-a"));
        let corpus = written(&all, &[], Part::Corpus);
        assert_eq!(corpus.lines().count(), 1, "nothing that was not judged: {corpus}");
        assert!(corpus.starts_with(r#"{"_id":"new-p-a","title":"Hours > Shop","text":"text\tof a""#));
        // Under other headings it is another passage; of equal ones the first is the document.
        let now = [("n", "", "text\tof a"), ("m", title, "text\tof a"), ("l", title, "text\tof a")];
        assert_eq!(written(&all, &now, Part::Qrels), grades("m"));
        assert_eq!(ids(&written(&all, &now, Part::Corpus)), ["n", "m"]);
    }

    #[test]
    fn a_long_passage_is_known_by_what_the_log_keeps_of_it() {
        let long = "ä".repeat(2_500);
        let mut asked = entry("1", "one?", true, Some(Rating::Good));
        asked.results[0].text = cut_passage(&long).to_owned();
        asked.feedback.as_mut().unwrap().relevant = vec!["p-a".into()];
        let now = [("now", "", long.as_str())];
        assert!(written(&[asked.clone()], &now, Part::Qrels).ends_with("1\tnow\t1\n"));
        let corpus = written(&[asked], &now, Part::Corpus);
        assert!(corpus.lines().count() == 1 && corpus.contains(&long));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_search_missed_is_named_and_what_is_gone_stays_judged() {
        let dir = tempfile::tempdir().unwrap();
        let (log, kb, scope) = log_and_kb(dir.path()).await;
        let export = async |part: Part| {
            let mut export = log.export(&kb, &scope, part).await.unwrap();
            let mut text = String::new();
            while let Some(piece) = export.next().await.unwrap() {
                assert!(!piece.is_empty());
                text.push_str(&piece);
            }
            text
        };
        assert_eq!(export(Part::Corpus).await, "");
        let oven = put(&kb, &scope, "oven", &["It heats.", "It bakes."]).await;
        let fridge = put(&kb, &scope, "fridge", &["It cools."]).await;
        let asked = kept(&log, &scope).await;
        let rate = async |relevant: &[&String]| {
            let relevant = relevant.iter().map(|id| (*id).clone()).collect();
            let feedback = Feedback { rating: Rating::Bad, comment: None, relevant, at: Timestamp::now() };
            log.rate(&kb, &scope, &asked, Some(feedback)).await
        };
        let grades = |ids: &[&String]| -> String {
            let rows: BTreeSet<String> = ids.iter().map(|id| format!("{asked}\t{id}\t1\n")).collect();
            rows.into_iter().fold("query-id\tcorpus-id\tscore\n".to_owned(), |all, row| all + &row)
        };
        let unknown = "8e7a9f60-0000-8000-8000-000000000000".to_owned();
        let refused = rate(&[&oven[0], &unknown]).await.unwrap_err().to_string();
        assert!(refused.contains(&unknown), "{refused}");
        let rated = rate(&[&oven[0], &fridge[0]]).await.unwrap();
        assert_eq!(
            rated.missed.iter().map(|of| of.text.as_str()).collect::<Vec<_>>(),
            ["It heats.", "It cools."]
        );
        assert_eq!(export(Part::Qrels).await, grades(&[&oven[0], &fridge[0]]));
        assert_eq!(ids(&export(Part::Corpus).await).len(), 3);

        // Indexed again it has another id; deleted it stays for its grade, and alone.
        let again = put(&kb, &scope, "oven", &["It bakes still.", "It heats."]).await;
        kb.delete_file(&scope, "fridge").await.unwrap();
        assert_eq!(export(Part::Qrels).await, grades(&[&again[1], &fridge[0]]));
        assert_eq!(ids(&export(Part::Corpus).await), [again.as_slice(), &fridge].concat());
        rate(&[&fridge[0]]).await.unwrap();
        assert!(rate(&[&fridge[0], &oven[0]]).await.is_err(), "given up and gone");
        let rated = log.rate(&kb, &scope, &asked, None).await.unwrap();
        assert!(rated.missed.is_empty());
        assert_eq!(ids(&export(Part::Corpus).await), again);
        kb.shutdown().await;
    }
}
