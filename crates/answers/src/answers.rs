//! One question from scope to reply: understood, looked up, answered, checked, logged.
//!
//! Invariant: documents and tables of the scope only; whichever supports its answer better gives it.

use crate::Error;
use crate::ask::{Ask, Mode, Who, most_tables};
use crate::follow_up::standalone;
use crate::links::{cleaned, visible};
use crate::log::{LoggedQuery, QueryLog};
use crate::model::{Checker, Citable, Fenced, NO_ANSWER, Pieces, Prompt, marker};
use crate::reply::{Event, Plan, Reply, RowCitation, Source, Spent, Took};
use crate::rows::{self, RowsAnswer};
use quarry_embed::{EmbedderSlot, TextKind};
use quarry_fetch::ChatModel;
use quarry_fetch::chat::Options;
use quarry_kb::{Answer, Excerpt, Kb, Question};
use quarry_tables::Tables;
use quarry_types::{ErrorKind, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Least confidence of an answer from documents, from a table, and of the language model.
const LEAST_DOCUMENTS: f32 = 0.25;
const LEAST_ROWS: f32 = 0.5;
const LEAST_LLM: f32 = 0.4;
/// The language model is not asked when the sources are less likely than this to hold the answer.
const WORTH_ASKING: f32 = 0.05;
/// A reading of a table this sure is not outdone by sentences.
const SURE: f32 = 0.85;
/// Passages the language model sees.
const SHOWN_PASSAGES: usize = 8;
const MAX_TOKENS: u32 = 800;
/// Events on their way to a caller who reads slowly.
const WAITING_EVENTS: usize = 16;

/// What answers are made from; put together by `main`.
pub struct AnswersDeps {
    /// Documents.
    pub kb: Kb,
    /// Tables.
    pub tables: Tables,
    /// The embedding model, for the check of a language model's words.
    pub embedder: EmbedderSlot,
    /// The language model, when the operator configured one.
    pub llm: Option<ChatModel>,
    /// Where questions are logged.
    pub log: QueryLog,
}

/// Answers questions of all bots. Cheap to clone.
#[derive(Clone)]
pub struct Answers {
    deps: Arc<AnswersDeps>,
}

type Sink = Option<mpsc::Sender<Result<Event, Error>>>;

/// What was found for a question.
struct Found {
    documents: Option<Answer>,
    rows: Option<RowsAnswer>,
}

impl Found {
    fn excerpts(&self) -> &[Excerpt] {
        self.documents.as_ref().map_or(&[], |answer| answer.excerpts.as_slice())
    }

    /// Whether the rows answer better than the documents.
    fn prefers_rows(&self) -> bool {
        let documents = self.documents.as_ref().map_or(0.0, |answer| answer.confidence);
        self.rows.as_ref().is_some_and(|rows| {
            rows.confidence >= SURE || (rows.confidence >= LEAST_ROWS && rows.confidence >= documents)
        })
    }

    fn evidence(&self) -> f32 {
        let documents = self.documents.as_ref().map_or(0.0, |answer| answer.confidence);
        self.rows.as_ref().map_or(documents, |rows| documents.max(rows.confidence))
    }
}

impl Answers {
    /// Puts the parts together.
    #[must_use]
    pub fn new(deps: AnswersDeps) -> Self {
        Self { deps: Arc::new(deps) }
    }

    /// The query log.
    #[must_use]
    pub fn log(&self) -> &QueryLog {
        &self.deps.log
    }

    /// Answers a question. `filters` = its scope as sent, for the log.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::NoModel`] name what to change; unknown tables and knowledge bases
    /// are errors of theirs; [`Error::Model`] when the language model fails.
    pub async fn answer(&self, scope: &Scope, ask: Ask, filters: Value) -> Result<Reply, Error> {
        self.check(&ask)?;
        self.run(scope, ask, filters, &None).await
    }

    /// The same step by step: passages, pieces of the answer, the reply. Errors of the request come at
    /// once, later ones as the last event. Dropping the receiver ends the work.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::NoModel`].
    pub fn stream(
        &self,
        scope: &Scope,
        ask: Ask,
        filters: Value,
    ) -> Result<mpsc::Receiver<Result<Event, Error>>, Error> {
        self.check(&ask)?;
        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        let (answers, scope) = (self.clone(), scope.clone());
        tokio::spawn(async move {
            let sink = Some(events.clone());
            let last = tokio::select! {
                last = answers.run(&scope, ask, filters, &sink) => last,
                () = events.closed() => return,
            };
            // A caller who has gone needs no last event.
            let _ = events.send(last.map(|reply| Event::Reply(Box::new(reply)))).await;
        });
        Ok(receiver)
    }

    fn check(&self, ask: &Ask) -> Result<(), Error> {
        ask.check()?;
        if ask.mode == Mode::Llm && self.deps.llm.is_none() { Err(Error::NoModel) } else { Ok(()) }
    }

    async fn run(&self, scope: &Scope, ask: Ask, filters: Value, sink: &Sink) -> Result<Reply, Error> {
        let began = Instant::now();
        let earlier: Vec<&str> =
            ask.recent().iter().filter(|turn| turn.who == Who::User).map(|turn| turn.text.as_str()).collect();
        let understood_as = standalone(&ask.question, &earlier);
        let question = understood_as.clone().unwrap_or_else(|| ask.question.clone());
        let (found, mut timing) = self.find(scope, &ask, &question).await?;
        let passages = found.documents.as_ref().map(|answer| answer.passages.clone()).unwrap_or_default();
        emit(sink, Event::Passages(passages.clone())).await;
        let spent = found.documents.as_ref().map(|answer| answer.tokens).unwrap_or_default();
        let mut reply = Reply {
            answer: String::new(),
            responded: false,
            confidence: 0.0,
            min_confidence: 0.0,
            citations: Vec::new(),
            passages,
            plan: None,
            mode: ask.mode,
            model: None,
            understood_as,
            flags: Vec::new(),
            tokens: Spent { question: spent.question, passages: spent.passages, ..Spent::default() },
            timing: Took::default(),
            query_id: None,
        };
        match ask.mode {
            Mode::Extractive => extract(&found, ask.min_confidence, sink, &mut reply).await,
            Mode::Llm => {
                let writing = Instant::now();
                self.write(&found, &ask, &question, sink, &mut reply).await?;
                timing.llm_ms = ms(writing);
            }
        }
        timing.total_ms = ms(began);
        reply.timing = timing;
        if self.deps.log.settings(scope).await?.enabled {
            let entry = LoggedQuery::of(&ask.question, filters, &reply, found.excerpts());
            reply.query_id = Some(self.deps.log.write(scope, entry).await?);
        }
        Ok(reply)
    }

    /// Looks the question up in documents and tables.
    async fn find(&self, scope: &Scope, ask: &Ask, question: &str) -> Result<(Found, Took), Error> {
        let mut timing = Took::default();
        let names = match &ask.tables {
            Some(names) => names.clone(),
            // A scope of tags or files is one of documents.
            None if !ask.files.is_empty() || !ask.tags.is_empty() => Vec::new(),
            None => self.source_tables(scope, &ask.bases).await?,
        };
        let asking = Instant::now();
        let mut rows: Option<RowsAnswer> = None;
        for name in &names {
            let answer = rows::ask(&self.deps.tables, scope, name, question).await?;
            if let Some(answer) = answer
                && rows.as_ref().is_none_or(|best| answer.confidence > best.confidence)
            {
                rows = Some(answer);
            }
        }
        if !names.is_empty() {
            timing.tables_ms = ms(asking);
        }
        let mut documents = None;
        if ask.documents {
            let wanted = Question {
                question: question.to_owned(),
                bases: ask.bases.clone(),
                tags: ask.tags.clone(),
                files: ask.files.clone(),
                limit: ask.limit,
                threshold: Some(0.0),
            };
            match self.deps.kb.answer(scope, wanted).await {
                Ok(answer) => {
                    timing.embed_ms = answer.timing.embed_ms;
                    timing.search_ms = answer.timing.search_ms;
                    timing.answer_ms = answer.timing.answer_ms;
                    documents = Some(answer);
                }
                // A knowledge base that has tables only is known by their tags.
                Err(error)
                    if error.kind() == ErrorKind::ReferenceNotFound
                        && !names.is_empty()
                        && ask.tables.is_none() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((Found { documents, rows }, timing))
    }

    /// The tables that are sources of these knowledge bases (of any, when none is named): those whose
    /// `kbId` or `kbName` tag names it.
    async fn source_tables(&self, scope: &Scope, bases: &[String]) -> Result<Vec<String>, Error> {
        let tables = self.deps.tables.list(scope, &BTreeMap::new()).await?;
        let marked: Vec<_> = tables
            .into_iter()
            .filter(|table| table.tags.contains_key("kbId") || table.tags.contains_key("kbName"))
            .collect();
        if marked.is_empty() {
            return Ok(Vec::new());
        }
        let marks = self.deps.kb.base_marks(scope, bases).await?;
        let belongs = |tags: &BTreeMap<String, String>| {
            bases.is_empty()
                || ["kbId", "kbName"]
                    .iter()
                    .any(|tag| tags.get(*tag).is_some_and(|value| marks.contains(value)))
        };
        let names = marked.into_iter().filter(|table| belongs(&table.tags)).map(|table| table.name);
        Ok(names.take(most_tables()).collect())
    }

    /// Lets the language model write the answer and checks it sentence by sentence.
    async fn write(
        &self,
        found: &Found,
        ask: &Ask,
        question: &str,
        sink: &Sink,
        reply: &mut Reply,
    ) -> Result<(), Error> {
        let model = self.deps.llm.as_ref().ok_or(Error::NoModel)?;
        reply.model = Some(model.name().to_owned());
        reply.min_confidence = ask.min_confidence.unwrap_or(LEAST_LLM);
        let evidence = found.evidence();
        reply.confidence = evidence.min(LEAST_LLM / 2.0);
        let (citable, fenced) = sources(found);
        if fenced.is_empty() || evidence < WORTH_ASKING {
            return Ok(());
        }
        reply.plan = found.rows.as_ref().map(|rows| rows.plan.clone());
        let prompt = Prompt::new(question, ask.recent(), &fenced, &marker());
        let citable = citable.into_iter().take(prompt.shown).collect();
        let options = Options { max_tokens: Some(MAX_TOKENS), temperature: Some(0.0), json: false };
        let mut checker = Checker::new(citable);
        let mut answer = String::new();
        let mut pieces = Pieces::default();
        let mut declined = false;
        if sink.is_some() {
            let mut deltas = model.stream(&prompt.messages, &options).await.inspect_err(told)?;
            while let Some(delta) = deltas.next().await.inspect_err(told)? {
                for piece in pieces.push(&delta) {
                    declined |= piece.contains(NO_ANSWER);
                    if !declined {
                        self.take(&piece, &mut checker, &mut answer, sink).await?;
                    }
                }
            }
            (reply.tokens.prompt, reply.tokens.completion) = deltas.usage();
        } else {
            let completion = model.complete(&prompt.messages, &options).await.inspect_err(told)?;
            (reply.tokens.prompt, reply.tokens.completion) =
                (completion.prompt_tokens, completion.completion_tokens);
            for piece in pieces.push(&completion.text) {
                declined |= piece.contains(NO_ANSWER);
                if !declined {
                    self.take(&piece, &mut checker, &mut answer, sink).await?;
                }
            }
        }
        if let Some(last) = pieces.finish() {
            declined |= last.contains(NO_ANSWER);
            if !declined {
                self.take(&last, &mut checker, &mut answer, sink).await?;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of sentences")]
        let carried =
            if checker.claims == 0 { 0.0 } else { checker.supported as f32 / checker.claims as f32 };
        if !declined {
            reply.confidence = carried * (0.5 + 0.5 * evidence);
            reply.flags = checker.flags;
        }
        reply.responded = !declined && checker.supported > 0 && reply.confidence >= reply.min_confidence;
        if reply.responded {
            reply.answer = answer.trim().to_owned();
            reply.citations = checker.citations;
        }
        Ok(())
    }

    /// Checks one sentence of the model and adds it to the answer.
    async fn take(
        &self,
        piece: &str,
        checker: &mut Checker,
        answer: &mut String,
        sink: &Sink,
    ) -> Result<(), Error> {
        let claim = checker.read(piece);
        let mut cosines = Vec::new();
        if !claim.ids.is_empty() && !claim.text.is_empty() {
            let vectors = self.deps.embedder.embed(checker.texts_to_embed(&claim), TextKind::Query).await?;
            if let Some((first, rest)) = vectors.split_first() {
                cosines =
                    rest.iter().map(|other| first.iter().zip(other).map(|(a, b)| a * b).sum()).collect();
            }
        }
        let checked = checker.judge(claim, &cosines);
        answer.push_str(&checked.text);
        if !checked.text.is_empty() {
            emit(sink, Event::Delta(checked.text)).await;
        }
        Ok(())
    }
}

fn told(error: &quarry_fetch::Error) {
    tracing::warn!(%error, "the language model gave no answer");
}

async fn emit(sink: &Sink, event: Event) {
    if let Some(sink) = sink {
        // Whoever does not listen any more has dropped the whole run.
        let _ = sink.send(Ok(event)).await;
    }
}

/// The answer as it stands in the sources.
async fn extract(found: &Found, min_confidence: Option<f32>, sink: &Sink, reply: &mut Reply) {
    if found.prefers_rows()
        && let Some(rows) = &found.rows
    {
        reply.confidence = rows.confidence;
        reply.min_confidence = min_confidence.unwrap_or(LEAST_ROWS);
        reply.plan = Some(rows.plan.clone());
        reply.responded = rows.confidence >= reply.min_confidence;
        if reply.responded {
            (reply.answer, reply.citations) = told_rows(rows);
        }
    } else if let Some(answer) = &found.documents {
        reply.confidence = answer.confidence;
        reply.min_confidence = min_confidence.unwrap_or(LEAST_DOCUMENTS);
        reply.responded = answer.responded && answer.confidence >= reply.min_confidence;
        if reply.responded {
            let urls =
                answer.citations.iter().filter_map(|citation| citation.file.metadata.get("url")?.as_str());
            let allowed: Vec<String> = urls.map(str::to_owned).collect();
            reply.answer = cleaned(&visible(&answer.answer), &allowed);
            reply.citations = answer
                .citations
                .iter()
                .cloned()
                .map(|citation| Source::Passage(Box::new(citation)))
                .collect();
        }
    } else {
        reply.min_confidence = min_confidence.unwrap_or(LEAST_ROWS);
        reply.confidence = found.rows.as_ref().map_or(0.0, |rows| rows.confidence);
        reply.plan = found.rows.as_ref().map(|rows| rows.plan.clone());
        if let Some(rows) = found.rows.as_ref().filter(|rows| rows.confidence >= reply.min_confidence) {
            reply.responded = true;
            (reply.answer, reply.citations) = told_rows(rows);
        }
    }
    for piece in reply.answer.split_inclusive('】') {
        emit(sink, Event::Delta(piece.to_owned())).await;
    }
}

/// Lines one under the other, their rows numbered from 1.
fn told_rows(rows: &RowsAnswer) -> (String, Vec<Source>) {
    let (mut answer, mut citations) = (String::new(), Vec::new());
    for line in &rows.lines {
        if !answer.is_empty() {
            answer.push('\n');
        }
        // A value's own brackets must not pass for tokens.
        let text = visible(&line.text).replace('【', "[").replace('】', "]");
        answer.push_str(&cleaned(&text, &[]));
        for citation in &line.citations {
            let token = format!("【{}】", citations.len() + 1);
            answer.push_str(&token);
            citations.push(Source::Row(RowCitation { token, ..citation.clone() }));
        }
    }
    (answer, citations)
}

/// What the language model may cite, and as it sees it, in the same order.
fn sources(found: &Found) -> (Vec<Citable>, Vec<Fenced>) {
    let (mut citable, mut fenced) = (Vec::new(), Vec::new());
    if let Some(rows) = found.rows.as_ref().filter(|rows| rows.confidence >= LEAST_ROWS) {
        for line in &rows.lines {
            let Some(first) = line.citations.first() else { continue };
            // What was computed stands in no row, so the line itself is what is quoted.
            let computed = rows.plan.group.is_some();
            let text = if computed { line.text.clone() } else { format!("{}; {}", line.text, first.quote) };
            let column = first.column.clone().filter(|_| !computed);
            citable.push(Citable::Row(RowCitation { quote: text.clone(), column, ..first.clone() }));
            fenced.push(Fenced { title: about(&rows.plan), text });
        }
    }
    for excerpt in found.excerpts().iter().take(SHOWN_PASSAGES) {
        let headings = excerpt.heading_path.join(" > ");
        let title = match headings.is_empty() {
            true => excerpt.file.key.clone(),
            false => format!("{}: {headings}", excerpt.file.key),
        };
        fenced.push(Fenced { title, text: excerpt.text.clone() });
        citable.push(Citable::Passage(Box::new(excerpt.clone())));
    }
    (citable, fenced)
}

fn about(plan: &Plan) -> String {
    format!("table {}: {}", plan.table, plan.explanation)
}

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1000.0
}
