//! One question from scope to reply: understood, looked up, answered, checked, logged.
//!
//! Invariant: documents and tables of the scope only; whichever supports its answer better gives it.

use crate::Error;
use crate::ask::{Ask, Mode, Turn, Who, most_tables};
use crate::follow_up::{carried, standalone};
use crate::found::{Found, LEAST_ROWS};
use crate::links::{cleaned, visible};
use crate::log::{Asked, QueryLog};
use crate::manners::{last_asked, without_manners};
use crate::model::{Checker, Citable, Fenced, NO_ANSWER, Pieces, Prompt, marker, spread};
use crate::parts::{add, once, parts, united};
use crate::reply::{Event, Plan, Reply, RowCitation, Source, Took};
use crate::rows::{self, RowsAnswer};
use quarry_embed::{EmbedderSlot, TextKind};
use quarry_fetch::ChatModel;
use quarry_fetch::chat::Options;
use quarry_kb::{Kb, LEAST_CONFIDENCE, Question};
use quarry_tables::Tables;
use quarry_types::Scope;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Least confidence of an answer of the language model.
const LEAST_LLM: f32 = 0.4;
/// The language model is not asked when the sources are less likely than this to hold the answer.
const WORTH_ASKING: f32 = 0.05;
/// Passages the language model sees.
const SHOWN_PASSAGES: usize = 8;
const MAX_TOKENS: u32 = 800;
/// Events on their way to a caller who reads slowly.
const WAITING_EVENTS: usize = 16;
/// A caller who takes no event for this long has gone.
const READ_WITHIN: Duration = Duration::from_secs(30);

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
        let sink = Some(events.clone());
        let run = async move { answers.run(&scope, ask, filters, &sink).await };
        tokio::spawn(to_the_end(events, run));
        Ok(receiver)
    }

    fn check(&self, ask: &Ask) -> Result<(), Error> {
        ask.check()?;
        if ask.mode == Mode::Llm && self.deps.llm.is_none() { Err(Error::NoModel) } else { Ok(()) }
    }

    async fn run(&self, scope: &Scope, ask: Ask, filters: Value, sink: &Sink) -> Result<Reply, Error> {
        let mut entry = Asked::begin(&self.deps.log, scope, &ask, filters).await;
        let mut reply = self.reply(scope, ask, sink, &mut entry).await;
        let id = entry.end(reply.as_ref()).await;
        if let Ok(reply) = &mut reply {
            reply.query_id = id;
        }
        reply
    }

    async fn reply(&self, scope: &Scope, ask: Ask, sink: &Sink, entry: &mut Asked) -> Result<Reply, Error> {
        let began = Instant::now();
        let plain = without_manners(&ask.question);
        let asked = plain.as_deref().unwrap_or(&ask.question);
        if ask.mode == Mode::Extractive
            && let Some(reply) = self.in_parts(scope, &ask, asked, sink, entry).await?
        {
            return Ok(Reply { timing: Took { total_ms: ms(began), ..reply.timing }, ..reply });
        }
        let mut understood_as = standalone(asked, ask.recent()).or_else(|| plain.clone());
        let question = understood_as.clone().unwrap_or_else(|| ask.question.clone());
        let (mut found, mut timing) = self.find(scope, &ask, ask.recent(), asked, &question).await?;
        // What stands around a question may hide that it is answered. A model is asked the whole message all the same.
        if !found.answers(ask.min_confidence)
            && let Some(alone) = asked_alone(asked, ask.recent())
            && let Ok((again, took)) = self.find(scope, &ask, ask.recent(), &alone, &alone).await
        {
            timing = timing.and(&took);
            if again.answers(ask.min_confidence) {
                (found, understood_as) = (again, Some(alone));
            }
        }
        let passages = found.documents.as_ref().map(|answer| answer.passages.clone()).unwrap_or_default();
        // All that may be cited, though fewer may be returned.
        entry.found(understood_as.as_ref(), found.excerpts());
        emit(sink, Event::Passages(passages.clone())).await?;
        let spent = found.documents.as_ref().map(|answer| answer.tokens).unwrap_or_default();
        let mut reply = Reply::new(ask.mode, passages, understood_as);
        (reply.tokens.question, reply.tokens.passages) = (spent.question, spent.passages);
        match ask.mode {
            Mode::Extractive => {
                extract(&found, ask.min_confidence, &mut reply);
                emit_answer(sink, &reply).await?;
            }
            Mode::Llm => {
                let writing = Instant::now();
                self.write(&found, &ask, &question, sink, &mut reply).await?;
                timing.llm_ms = ms(writing);
            }
        }
        timing.total_ms = ms(began);
        reply.timing = timing;
        Ok(reply)
    }

    /// Answers a message that asks several things one after the other, where more than one of them is answered.
    async fn in_parts(
        &self,
        scope: &Scope,
        ask: &Ask,
        asked: &str,
        sink: &Sink,
        entry: &mut Asked,
    ) -> Result<Option<Reply>, Error> {
        let mut turns = ask.recent().to_vec();
        let mut found = Vec::new();
        for part in parts(asked) {
            let whole = standalone(&part, &turns).unwrap_or_else(|| part.clone());
            found.push((self.find(scope, ask, &turns, &part, &whole).await?, whole.clone()));
            turns.push(Turn { who: Who::User, text: whole });
        }
        if found.iter().filter(|((found, _), _)| found.answers(ask.min_confidence)).count() < 2 {
            return Ok(None);
        }
        let documents = found.iter().filter_map(|((found, _), _)| found.documents.as_ref());
        let each: Vec<_> =
            documents.map(|answer| (answer.passages.as_slice(), answer.excerpts.as_slice())).collect();
        let (passages, excerpts) = united(&each, ask.limit);
        let understood_as = Some(found.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(" "));
        entry.found(understood_as.as_ref(), &once(&each));
        emit(sink, Event::Passages(passages.clone())).await?;
        let counter = self.deps.embedder.get().await?.token_counter();
        let mut reply = Reply::new(ask.mode, passages, understood_as);
        reply.tokens.passages = excerpts.iter().map(|excerpt| counter.count_tokens(&excerpt.text)).sum();
        for ((found, took), part) in &found {
            reply.timing = reply.timing.and(took);
            reply.tokens.question += counter.count_tokens(part);
            let mut one = Reply::new(ask.mode, Vec::new(), None);
            extract(found, ask.min_confidence, &mut one);
            add(&mut reply, part, one);
        }
        emit_answer(sink, &reply).await?;
        Ok(Some(reply))
    }

    /// Looks the question up in documents and tables; `asked` = as it was said after `turns`, before a
    /// follow-up was made whole.
    async fn find(
        &self,
        scope: &Scope,
        ask: &Ask,
        turns: &[Turn],
        asked: &str,
        question: &str,
    ) -> Result<(Found, Took), Error> {
        let mut timing = Took::default();
        let (names, marks) = match &ask.tables {
            Some(names) => (names.clone(), BTreeSet::new()),
            // A scope of tags or files is one of documents.
            None if !ask.files.is_empty() || !ask.tags.is_empty() => Default::default(),
            None => self.source_tables(scope, &ask.bases).await?,
        };
        let asking = Instant::now();
        let mut rows: Option<RowsAnswer> = None;
        let carried = carried(asked, turns);
        for name in &names {
            let answer = rows::ask(&self.deps.tables, scope, name, question, carried.as_ref()).await?;
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
        let bases = self.document_bases(scope, &ask.bases, &marks).await?;
        if ask.documents && (ask.bases.is_empty() || !bases.is_empty()) {
            let wanted = Question {
                question: question.to_owned(),
                bases,
                tags: ask.tags.clone(),
                files: ask.files.clone(),
                limit: ask.limit,
                threshold: Some(0.0),
            };
            let answer = self.deps.kb.answer(scope, wanted).await?;
            timing.embed_ms = answer.timing.embed_ms;
            timing.search_ms = answer.timing.search_ms;
            timing.answer_ms = answer.timing.answer_ms;
            documents = Some(answer);
        }
        Ok((Found { documents, rows }, timing))
    }

    /// The knowledge bases whose documents are asked: a knowledge base that has tables only is known by
    /// their tags (`marks`) and by nothing else.
    async fn document_bases(
        &self,
        scope: &Scope,
        bases: &[String],
        marks: &BTreeSet<String>,
    ) -> Result<Vec<String>, Error> {
        if bases.is_empty() || marks.is_empty() {
            return Ok(bases.to_vec());
        }
        let unknown = self.deps.kb.unknown_bases(scope, bases).await?;
        let tables_only = |name: &String| marks.contains(name) && unknown.contains(name);
        Ok(bases.iter().filter(|name| !tables_only(name)).cloned().collect())
    }

    /// The tables that are sources of these knowledge bases (of any, when none is named): those whose
    /// `kbId` or `kbName` tag names it. And the values of these tags.
    async fn source_tables(
        &self,
        scope: &Scope,
        bases: &[String],
    ) -> Result<(Vec<String>, BTreeSet<String>), Error> {
        let tables = self.deps.tables.list(scope, &BTreeMap::new()).await?;
        let marked: Vec<_> = tables
            .into_iter()
            .filter(|table| table.tags.contains_key("kbId") || table.tags.contains_key("kbName"))
            .collect();
        if marked.is_empty() {
            return Ok(Default::default());
        }
        let marks = self.deps.kb.base_marks(scope, bases).await?;
        let belongs = |tags: &BTreeMap<String, String>| {
            bases.is_empty()
                || ["kbId", "kbName"]
                    .iter()
                    .any(|tag| tags.get(*tag).is_some_and(|value| marks.contains(value)))
        };
        let (mut names, mut carried) = (Vec::new(), BTreeSet::new());
        for table in marked.into_iter().filter(|table| belongs(&table.tags)) {
            carried.extend(["kbId", "kbName"].iter().filter_map(|tag| table.tags.get(*tag).cloned()));
            if names.len() < most_tables() {
                names.push(table.name);
            }
        }
        Ok((names, carried))
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
        let (citable, fenced) = sources(found, ask.limit);
        if fenced.is_empty() || evidence < WORTH_ASKING {
            return Ok(());
        }
        let prompt = Prompt::new(question, ask.recent(), &fenced, &marker());
        let citable: Vec<Citable> = citable.into_iter().take(prompt.shown).collect();
        if citable.iter().any(|source| matches!(source, Citable::Row(..))) {
            reply.plan = found.rows.as_ref().map(|rows| rows.plan.clone());
        }
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
            reply.flags.clone_from(&checker.flags);
        }
        reply.responded = !declined && checker.supported > 0 && reply.confidence >= reply.min_confidence;
        if reply.responded {
            // Sentences that are harmless each may make an address together.
            reply.answer = cleaned(answer.trim(), &checker.addresses());
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
            emit(sink, Event::Delta(checked.text)).await?;
        }
        Ok(())
    }
}

/// The question of a message that says other things before it, made whole by them: "I have the W740. How loud is it?"
fn asked_alone(message: &str, turns: &[Turn]) -> Option<String> {
    let (before, asked) = last_asked(message)?;
    let before = Turn { who: Who::User, text: before.to_owned() };
    let said: Vec<Turn> = turns.iter().cloned().chain([before]).collect();
    Some(standalone(asked, &said).unwrap_or_else(|| asked.to_owned()))
}

/// Runs a reply until it is there or nobody listens any more, and sends its end.
async fn to_the_end(
    events: mpsc::Sender<Result<Event, Error>>,
    run: impl Future<Output = Result<Reply, Error>> + Send + 'static,
) {
    // A task of its own, so that a panic in it still gives the caller a last event.
    let mut running = tokio::spawn(run);
    let last = tokio::select! {
        last = &mut running => last,
        () = events.closed() => {
            running.abort();
            return;
        }
    };
    let last = match last {
        Ok(Err(Error::NotRead)) => return,
        Ok(last) => last.map(|reply| Event::Reply(Box::new(reply))),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            Err(Error::Broken)
        }
    };
    // A caller who has gone needs no last event.
    let _ = events.send_timeout(last, READ_WITHIN).await;
}

fn told(error: &quarry_fetch::Error) {
    tracing::warn!(%error, "the language model gave no answer");
}

/// Sends an event; a caller who does not take it in time holds nothing up any longer.
async fn emit(sink: &Sink, event: Event) -> Result<(), Error> {
    match sink {
        Some(sink) => sink.send_timeout(Ok(event), READ_WITHIN).await.map_err(|_| Error::NotRead),
        None => Ok(()),
    }
}

/// Sends an answer that is there as a whole, source by source.
async fn emit_answer(sink: &Sink, reply: &Reply) -> Result<(), Error> {
    for piece in reply.answer.split_inclusive('】') {
        emit(sink, Event::Delta(piece.to_owned())).await?;
    }
    Ok(())
}

/// The answer as it stands in the sources.
fn extract(found: &Found, min_confidence: Option<f32>, reply: &mut Reply) {
    if found.prefers_rows(min_confidence)
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
        reply.min_confidence = min_confidence.unwrap_or(LEAST_CONFIDENCE);
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
fn sources(found: &Found, limit: usize) -> (Vec<Citable>, Vec<Fenced>) {
    let (mut citable, mut fenced) = (Vec::new(), Vec::new());
    if let Some(rows) = found.rows.as_ref().filter(|rows| rows.confidence >= LEAST_ROWS) {
        for line in &rows.lines {
            let Some(first) = line.citations.first() else { continue };
            // What was computed stands in no row: the line is shown and compared, its rows are cited.
            let computed = rows.plan.group.is_some();
            let text = if computed { line.text.clone() } else { format!("{}; {}", line.text, first.quote) };
            citable.push(Citable::Row(line.citations.clone(), text.clone()));
            fenced.push(Fenced { title: about(&rows.plan), text });
        }
    }
    // A passage that is not returned is never cited.
    let returned = found.excerpts().iter().take(limit).collect();
    let ordered = spread(returned, |one| (one.file.id.clone(), one.score));
    for excerpt in ordered.into_iter().take(SHOWN_PASSAGES) {
        let headings = excerpt.heading_path.join(" > ");
        let title = match headings.is_empty() {
            true => excerpt.file.key.clone(),
            false => format!("{}: {headings}", excerpt.file.key),
        };
        let columns = excerpt.table_header.iter().map(|header| format!("{header}\n"));
        let text = columns.chain([excerpt.text.clone()]).collect();
        fenced.push(Fenced { title, text });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_reply_that_breaks_off_ends_with_an_error() {
        let (events, mut receiver) = mpsc::channel(1);
        to_the_end(events, async { panic!("broken on purpose") }).await;
        assert!(matches!(receiver.recv().await, Some(Err(Error::Broken))));
        assert!(receiver.recv().await.is_none());
    }
}
