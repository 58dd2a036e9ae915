//! Extractive answers: the best sentences of the best passages, each with a citation that can be
//! checked to the character, or an honest "nothing found".
//!
//! Invariant: a citation's `quote` is the slice `start..end` of the file's extracted text.

mod select;
mod sentences;
mod terms;

use crate::kb::Kb;
use crate::records;
use crate::search::{Match, Search};
use crate::view::Snapshot;
use crate::{Error, File, SearchHit, TagFilter};
use quarry_embed::TextKind;
use quarry_types::Scope;
use select::{Candidate, Evidence};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use select::DEFAULT_THRESHOLD;

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

/// Milliseconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    /// Embedding the question.
    pub embed_ms: f32,
    /// Search.
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
            return Err(Error::InvalidQuery("threshold must be 0 to 1".into()));
        }
        let snapshot = self.inner.views.snapshot(scope).await?;
        let limit = if question.limit == 0 { PASSAGES } else { question.limit };
        let search = Search {
            bases: bases(&snapshot, &question.bases)?,
            query: question.question,
            tags: question.tags,
            context_depth: 0,
            limit,
            ..Search::default()
        };
        drop(snapshot);
        search
            .check()
            .map_err(|error| Error::InvalidQuery(error.to_string().replace("query ", "question ")))?;
        let began = Instant::now();
        let vector = self.inner.embed_query(&search.query).await?;
        let embed_ms = ms(began);
        let searching = Instant::now();
        let deep = Search { limit: limit.max(PASSAGES), ..search.clone() };
        let matches = self.inner.find(scope, &deep, vector.clone()).await?;
        let search_ms = ms(searching);
        let selecting = Instant::now();
        let counter = self.inner.embedder.get().await?.token_counter();
        let question_tokens = counter.count_tokens(&search.query);
        let (chosen, confidence) = self.choose(&search.query, &vector, &matches).await?;
        let responded = confidence >= threshold && !chosen.is_empty();
        let (answer, citations) = if responded { cite(&matches, &chosen) } else { Default::default() };
        let timing = Timing { embed_ms, search_ms, answer_ms: ms(selecting) };
        let shown: Vec<Match> = matches.into_iter().take(limit).collect();
        let read = shown.iter().map(|found| counter.count_tokens(&found.record.passage.text)).sum();
        let passages = crate::search::show(shown, &search);
        let tokens = Tokens { question: question_tokens, passages: read };
        Ok(Answer { answer, responded, confidence, citations, passages, timing, tokens })
    }

    async fn choose(
        &self,
        question: &str,
        vector: &[f32],
        matches: &[Match],
    ) -> Result<(Vec<Candidate>, f32), Error> {
        let evidence = Evidence::gather(question, matches);
        let texts = evidence.texts_to_embed();
        if texts.is_empty() {
            return Ok((Vec::new(), 0.0));
        }
        let vectors = self.inner.embedder.embed(texts, TextKind::Query).await?;
        Ok(evidence.select(vector, &vectors))
    }
}

/// The tag values that mark files of the named knowledge bases.
fn bases(snapshot: &Snapshot, wanted: &[String]) -> Result<Option<BTreeSet<String>>, Error> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut marks = BTreeSet::new();
    for name in wanted {
        let known = marks.len();
        for (base, _) in snapshot.bases.values() {
            if base.id.as_str() == name || base.name == *name {
                marks.extend([base.id.to_string(), base.name.clone()]);
            }
        }
        let tagged = |file: &File| ["kbId", "kbName"].iter().any(|tag| file.tags.get(*tag) == Some(name));
        if snapshot.files.values().any(|entry| tagged(&entry.file)) {
            marks.insert(name.clone());
        }
        if marks.len() == known && !marks.contains(name) {
            return Err(Error::Reference { what: "knowledge base", id: name.clone() });
        }
    }
    Ok(Some(marks))
}

/// Puts the sentences together and numbers their sources from 1.
fn cite(matches: &[Match], chosen: &[Candidate]) -> (String, Vec<Citation>) {
    let mut answer = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    for sentence in chosen {
        let Some(found) = matches.get(sentence.passage) else { continue };
        let token = format!("【{}】", citations.len() + 1);
        if !answer.is_empty() {
            answer.push(if sentence.text.contains('\n') { '\n' } else { ' ' });
        }
        answer.push_str(&sentence.text);
        answer.push_str(&token);
        let published = found.file.published.as_ref();
        let page = published.and_then(|published| published.page_of(sentence.range.start));
        citations.push(Citation {
            token,
            passage_id: records::passage_uuid(
                &found.file.id,
                found.generation,
                found.record.passage.position,
            ),
            page: page.or(found.record.passage.page),
            start: sentence.range.start,
            end: sentence.range.end,
            quote: sentence.text.clone(),
            file: found.file.clone(),
        });
    }
    (answer, citations)
}

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1000.0
}
