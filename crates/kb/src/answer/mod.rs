//! Extractive answers: the best sentences of the best passages, each with a citation that can be
//! checked to the character, or an honest "nothing found".
//!
//! Invariant: a citation's `quote` is the slice `start..end` of the file's extracted text.

mod asking;
mod cite;
mod expect;
mod extent;
mod memory;
mod met;
mod select;
mod sentences;
mod support;
mod telling;
mod terms;
mod tongue;

use crate::kb::Kb;
use crate::records;
use crate::search::{Found, Match, Search};
use crate::view::Snapshot;
use crate::{Error, File, SearchHit, TagFilter};
use cite::cite;
use quarry_embed::{Embedded, TextKind};
use quarry_index::TokenCodes;
use quarry_types::Scope;
use select::{Choice, Evidence};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use memory::{Meaning, SentenceMemory};
pub use select::LEAST_CONFIDENCE;
pub use support::{Support, denies, support};

/// Passages an answer is looked for in.
const PASSAGES: usize = 10;

/// A question to the knowledge base.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The question, 1..=2048 bytes.
    pub question: String,
    /// Only files of these knowledge bases (ids or names); empty = all.
    pub bases: Vec<String>,
    /// Only files whose tags pass.
    pub tags: TagFilter,
    /// Only these files: ids or keys, and a key that ends with `/` for all files under it; empty = all.
    pub files: Vec<String>,
    /// Passages returned beside the answer, 1..=50; 0 = default.
    pub limit: usize,
    /// Least confidence of an answer that is given; the setting's when absent.
    pub threshold: Option<f32>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Sentences with their citation tokens; empty when nothing is good enough.
    pub answer: String,
    /// Whether there is an answer.
    pub responded: bool,
    /// How sure we are that the documents contain the answer, 0..1.
    pub confidence: f32,
    /// The sources, in order of their tokens.
    pub citations: Vec<Citation>,
    /// The best passages, whether or not an answer was given.
    pub passages: Vec<SearchHit>,
    /// The same passages without neighbours, best first, as whoever writes an answer of its own cites them, and
    /// up to ten in all where fewer are returned.
    pub excerpts: Vec<Excerpt>,
    /// Where the time went.
    pub timing: Timing,
    /// What a model would have had to read.
    pub tokens: Tokens,
}

/// One source of an answer.
#[derive(Debug, Clone)]
pub struct Citation {
    /// `【1】`, `【2】`, …
    pub token: String,
    /// The file.
    pub file: Arc<File>,
    /// UUID of the passage.
    pub passage_id: String,
    /// Page of the quote's first character.
    pub page: Option<u32>,
    /// First character of the quote in the file's extracted text.
    pub start: u32,
    /// One past its last.
    pub end: u32,
    /// That slice.
    pub quote: String,
}

/// A passage that may be cited.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// The file.
    pub file: Arc<File>,
    /// UUID of the passage.
    pub passage_id: String,
    /// Page of its first character.
    pub page: Option<u32>,
    /// Headings above it, outermost first.
    pub heading_path: Vec<String>,
    /// The rows that name the columns of the table it is a later part of.
    pub table_header: Option<String>,
    /// First character in the file's extracted text.
    pub start: u32,
    /// The slice from there on.
    pub text: String,
    /// 0..1, higher is better.
    pub score: f32,
}

impl Excerpt {
    fn of(found: &Match) -> Self {
        let passage = &found.record.passage;
        Self {
            file: found.file.clone(),
            passage_id: records::passage_uuid(&found.file.id, found.generation, passage.position),
            page: passage.page,
            heading_path: passage.heading_path.clone(),
            table_header: passage.table_header.clone(),
            start: passage.range.start,
            text: passage.text.clone(),
            score: found.fused.score,
        }
    }

    /// The citation of the bytes `from..to` of its text.
    #[must_use]
    pub fn cite(&self, token: String, from: usize, to: usize) -> Citation {
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let quote = self.text.get(from..to).unwrap_or_default();
        let start = self.start.saturating_add(count(self.text.get(..from).unwrap_or_default()));
        let page = self.file.published.as_ref().and_then(|published| published.page_of(start));
        Citation {
            token,
            file: self.file.clone(),
            passage_id: self.passage_id.clone(),
            page: page.or(self.page),
            start,
            end: start.saturating_add(count(quote)),
            quote: quote.to_owned(),
        }
    }
}

/// Milliseconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    /// Embedding the question.
    pub embed_ms: f32,
    /// Search: what was left to do beside that; words are looked for while the question is embedded.
    pub search_ms: f32,
    /// Choosing sentences.
    pub answer_ms: f32,
}

/// Token counts by the embedding model's tokenizer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the question.
    pub question: usize,
    /// Of the returned passages.
    pub passages: usize,
}

impl Kb {
    /// Answers a question from the documents.
    ///
    /// # Errors
    /// `InvalidQuery` for a bad question, `Reference` for an unknown knowledge base.
    pub async fn answer(&self, scope: &Scope, question: Question) -> Result<Answer, Error> {
        let threshold = question.threshold.unwrap_or(self.inner.settings.answer_threshold);
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::InvalidQuery("minConfidence must be 0 to 1".into()));
        }
        let snapshot = self.inner.views.snapshot(scope).await?;
        let limit = if question.limit == 0 { PASSAGES } else { question.limit };
        let search = Search {
            bases: bases(&snapshot, &question.bases)?,
            query: question.question,
            tags: question.tags,
            files: (!question.files.is_empty()).then_some(question.files),
            context_depth: 0,
            limit,
            ..Search::default()
        };
        drop(snapshot);
        search
            .check()
            .map_err(|error| Error::InvalidQuery(error.to_string().replace("query ", "question ")))?;
        let deep = Search { limit: limit.max(PASSAGES), ..search.clone() };
        let Found { matches, asked, embedding, searching } = self.inner.find(scope, &deep).await?;
        let selecting = Instant::now();
        let counter = self.inner.embedder.get().await?.token_counter();
        let question_tokens = counter.count_tokens(&search.query);
        // However many passages are wanted, the answer is the same.
        let read = matches.get(..matches.len().min(PASSAGES)).unwrap_or_default();
        let Choice { sentences, confidence } = self.choose(&search.query, &asked, read).await?;
        let responded = confidence >= threshold && !sentences.is_empty();
        let (answer, citations) = if responded { cite(&matches, &sentences) } else { Default::default() };
        let timing =
            Timing { embed_ms: ms(embedding), search_ms: ms(searching), answer_ms: ms(selecting.elapsed()) };
        let excerpts = matches.iter().map(Excerpt::of).collect();
        let shown: Vec<Match> = matches.into_iter().take(limit).collect();
        let read = shown.iter().map(|found| counter.count_tokens(&found.record.passage.shown())).sum();
        let passages = crate::search::show(shown, &search);
        let tokens = Tokens { question: question_tokens, passages: read };
        Ok(Answer { answer, responded, confidence, citations, passages, excerpts, timing, tokens })
    }

    /// The tag values that mark what belongs to the named knowledge bases: their ids and names, and the
    /// names themselves.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn base_marks(&self, scope: &Scope, wanted: &[String]) -> Result<BTreeSet<String>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        let (mut marks, _) = named_bases(&snapshot, &wanted.iter().map(String::as_str).collect());
        marks.extend(wanted.iter().cloned());
        Ok(marks)
    }

    /// Those of the names that are no knowledge base and mark no file.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unknown_bases(&self, scope: &Scope, wanted: &[String]) -> Result<Vec<String>, Error> {
        let snapshot = self.inner.views.snapshot(scope).await?;
        Ok(marks(&snapshot, wanted).1)
    }

    async fn choose(&self, question: &str, asked: &Embedded, matches: &[Match]) -> Result<Choice, Error> {
        let evidence = Evidence::gather(question, matches);
        let texts = evidence.texts_to_embed();
        if texts.is_empty() {
            return Ok(Choice::default());
        }
        let meanings = self.inner.meanings(texts).await?;
        Ok(evidence.select(asked, &meanings))
    }
}

impl crate::kb::Inner {
    /// What the model makes of sentences, asking it about those that were not met lately.
    async fn meanings(&self, texts: Vec<String>) -> Result<Vec<Meaning>, Error> {
        let fingerprint = self.embedder.get().await?.fingerprint().to_owned();
        let mut meanings = self.sentences.recall(&fingerprint, &texts);
        let missing: Vec<usize> =
            (0..texts.len()).filter(|at| matches!(meanings.get(*at), Some(None))).collect();
        if !missing.is_empty() {
            let new: Vec<String> = missing.iter().filter_map(|at| texts.get(*at).cloned()).collect();
            let meaning =
                |Embedded { vector, tokens }| Meaning { vector, tokens: TokenCodes::of(&tokens.numbers) };
            let meant = move |made: Vec<Embedded>| made.into_iter().map(meaning).collect::<Vec<_>>();
            let made = self.embedder.embed_tokens_then(new.clone(), TextKind::Query, meant).await?;
            let pairs = new.iter().map(String::as_str).zip(&made);
            self.sentences.keep(&fingerprint, pairs);
            for (at, meaning) in missing.into_iter().zip(made) {
                if let Some(slot) = meanings.get_mut(at) {
                    *slot = Some(meaning);
                }
            }
        }
        Ok(meanings.into_iter().map(Option::unwrap_or_default).collect())
    }
}

/// Ids and names of the knowledge bases that are named, and the names they were found by.
fn named_bases<'w>(snapshot: &Snapshot, wanted: &BTreeSet<&'w str>) -> (BTreeSet<String>, BTreeSet<&'w str>) {
    let (mut marks, mut known) = (BTreeSet::new(), BTreeSet::new());
    for (base, _) in snapshot.bases.values() {
        let names = [base.id.as_str(), base.name.as_str()];
        let named: Vec<&str> = names.iter().filter_map(|name| wanted.get::<str>(name).copied()).collect();
        if !named.is_empty() {
            known.extend(named);
            marks.extend(names.map(str::to_owned));
        }
    }
    (marks, known)
}

/// The tag values that mark files of the named knowledge bases, and the names nothing is known by.
fn marks(snapshot: &Snapshot, wanted: &[String]) -> (BTreeSet<String>, Vec<String>) {
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let (mut marks, mut known) = named_bases(snapshot, &wanted);
    if !wanted.is_empty() {
        for entry in snapshot.files.values() {
            let values = ["kbId", "kbName"].iter().filter_map(|tag| entry.file.tags.get(*tag));
            known.extend(values.filter_map(|value| wanted.get(value.as_str()).copied()));
        }
    }
    let unknown = wanted.difference(&known).map(|name| (*name).to_owned()).collect();
    // A name files are tagged with is a mark of its own.
    marks.extend(known.into_iter().map(str::to_owned));
    (marks, unknown)
}

/// The tag values that mark files of the named knowledge bases.
fn bases(snapshot: &Snapshot, wanted: &[String]) -> Result<Option<BTreeSet<String>>, Error> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let (marks, unknown) = marks(snapshot, wanted);
    match unknown.into_iter().next() {
        Some(id) => Err(Error::Reference { what: "knowledge base", id }),
        None => Ok(Some(marks)),
    }
}

fn ms(time: Duration) -> f32 {
    time.as_secs_f32() * 1000.0
}
