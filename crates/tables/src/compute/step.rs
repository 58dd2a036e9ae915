//! One step of computing in one table: choose waiting values that can be had now, get them, store
//! them where they still fit.
//!
//! Invariant: no value is asked for twice at the same time in this process, and none is stored over
//! inputs or a rule other than those it was made from.

use super::hook::{self, CodeIn, Webhook};
use super::outside::Failure;
use super::prompt;
use super::rule::Action;
use super::rules::{Ready, Rule, Standing};
use super::worker::{Claim, Started};
use crate::Error;
use crate::api::Row;
use crate::catalog::Entry;
use crate::record::{Cell, ComputeState, Computed, StoredRow};
use crate::rows::{Attempt, Outcome};
use crate::schema::{Column, ColumnId};
use crate::tables::Tables;
use crate::view::Snapshot;
use crate::wire;
use futures::StreamExt;
use quarry_script::Error as ScriptError;
use quarry_types::Scope;
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Rows of one step.
const STEP_ROWS: usize = 256;
/// Rows a bot is asked about in one call.
const HOOK_ROWS: usize = 50;
/// Values in the making at the same time in one step.
const AT_ONCE: usize = 8;
/// Results wait at most so long, or for so many others, to be stored together.
const STORE_EVERY: Duration = Duration::from_millis(300);
const STORE_VALUES: usize = 500;
const MAX_ERROR_CHARS: usize = 300;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// Nothing waits.
    Nothing,
    /// Values were made or tried; there may be more.
    Worked,
    /// All that waits is to be tried again, not before then.
    Wait(Instant),
    /// All that waits is being worked on by others.
    Elsewhere,
}

/// A value that was made, or not, and from what.
struct Made {
    row: u32,
    column: ColumnId,
    version: u32,
    read: Vec<Option<Cell>>,
    result: Result<Value, Failure>,
}

/// A row with values to be had.
struct Work {
    stored: Arc<StoredRow>,
    wire: Row,
    columns: Vec<(ColumnId, Ready)>,
}

/// What is done in one piece.
enum Unit {
    One(Arc<Work>, ColumnId),
    Blocked(Arc<Work>, ColumnId, ColumnId),
    Bot(Vec<(Arc<Work>, Vec<ColumnId>)>),
}

/// What all units of a step share.
struct Job {
    scope: Scope,
    entry: Arc<Entry>,
    started: Arc<Started>,
    webhook: Option<Webhook>,
}

/// The cells a rule is computed from, as a row has them.
fn read(rule: &Rule, row: &StoredRow) -> Vec<Option<Cell>> {
    let one = |column: &ColumnId| match *column {
        ColumnId::ID => None,
        ColumnId::CREATED_AT => Some(Cell::Moment(row.created_at, None)),
        ColumnId::UPDATED_AT => Some(Cell::Moment(row.updated_at, None)),
        other => row.cell(other).cloned(),
    };
    rule.dependencies.iter().map(one).collect()
}

impl Tables {
    /// How many rows wait for values; no work in a table without computed columns.
    pub(crate) async fn count_waiting(
        &self,
        entry: &Arc<Entry>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<u64, Error> {
        if entry.rules.is_empty() {
            return Ok(0);
        }
        let (entry, snapshot) = (Arc::clone(entry), Arc::clone(snapshot));
        self.run(snapshot.rows, move || Ok(snapshot.waiting(&entry.rules) as u64)).await
    }

    /// Works on waiting values of a table, of some rows or of any, starting none after `until`.
    ///
    /// # Errors
    /// [`Error::NoTable`]; [`Error::Busy`] and store failures leave values waiting.
    pub(crate) async fn step(
        &self,
        scope: &Scope,
        table: &str,
        only: Option<&[u32]>,
        until: Instant,
    ) -> Result<Step, Error> {
        let Some(started) = self.compute.started() else { return Ok(Step::Nothing) };
        let entry = self.catalog.entry(scope, table).await?;
        if entry.rules.is_empty() || (only.is_none() && !entry.record().is_compute_enabled) {
            return Ok(Step::Nothing);
        }
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        if only.is_none() {
            // Finds what waits off this thread; the walk below then only reads it.
            self.count_waiting(&entry, &snapshot).await?;
        }
        let mut claim = self.compute.claim(&entry.record().id);
        let mut chosen: Vec<Arc<Work>> = Vec::new();
        let (mut due, mut elsewhere): (Option<Instant>, bool) = (None, false);
        let mut look = |id: u32| {
            let Some((_, stored)) = snapshot.get(id) else { return ControlFlow::Continue(()) };
            let mut columns = Vec::new();
            for (rule, ready) in entry.rules.ready(&stored.computed) {
                match self.compute.due(&entry.record().id, id, rule.column) {
                    Some(at) if at > Instant::now() => due = Some(due.map_or(at, |due| due.min(at))),
                    _ => columns.push((rule.column, ready)),
                }
            }
            if columns.is_empty() {
                return ControlFlow::Continue(());
            }
            if !claim.take(id) {
                elsewhere = true;
                return ControlFlow::Continue(());
            }
            let wire = wire::row(entry.columns(), &stored);
            chosen.push(Arc::new(Work { stored, wire, columns }));
            if chosen.len() < STEP_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        match only {
            Some(ids) => {
                let _ = ids.iter().try_for_each(|id| look(*id));
            }
            None => {
                let _ = snapshot.each_waiting(&entry.rules, &mut look);
            }
        }
        if chosen.is_empty() {
            return Ok(match due {
                _ if elsewhere => Step::Elsewhere,
                Some(due) => Step::Wait(due),
                None => Step::Nothing,
            });
        }
        let webhook = self.webhook(scope).await?.or_else(|| started.options.webhook.clone());
        let job = Arc::new(Job { scope: scope.clone(), entry, started, webhook });
        self.fill(&job, &chosen, &claim, until).await?;
        Ok(Step::Worked)
    }

    async fn fill(
        &self,
        job: &Arc<Job>,
        chosen: &[Arc<Work>],
        claim: &Claim<'_>,
        until: Instant,
    ) -> Result<(), Error> {
        let shared = Arc::clone(job);
        let units = futures::stream::iter(job.units(chosen))
            .take_while(move |_| std::future::ready(Instant::now() < until))
            .map(move |unit| run(Arc::clone(&shared), unit));
        let mut outcomes = std::pin::pin!(units.buffer_unordered(AT_ONCE));
        let (mut made, mut stored_at) = (Vec::new(), Instant::now());
        while let Some(outcome) = outcomes.next().await {
            made.extend(outcome);
            if made.len() >= STORE_VALUES || stored_at.elapsed() >= STORE_EVERY {
                self.store_outcomes(job, claim, std::mem::take(&mut made)).await?;
                stored_at = Instant::now();
            }
        }
        self.store_outcomes(job, claim, made).await
    }

    async fn store_outcomes(&self, job: &Job, claim: &Claim<'_>, made: Vec<Made>) -> Result<(), Error> {
        let options = &job.started.options;
        let mut keep = Vec::with_capacity(made.len());
        for mut outcome in made {
            let cell = (outcome.row, outcome.column);
            match outcome.result {
                Err(Failure::Passing(text)) => {
                    let Some(tries) = self.compute.put_off(claim.table(), cell, options) else { continue };
                    outcome.result = Err(Failure::Lasting(format!("{text} (tried {tries} times)")));
                }
                _ => self.compute.forget(claim.table(), cell),
            }
            keep.push(outcome);
        }
        if keep.is_empty() {
            return Ok(());
        }
        let draft = |attempt: &mut Attempt<'_>, _: &mut Outcome| {
            for outcome in &keep {
                attempt.apply(outcome);
            }
            Ok(())
        };
        self.write(&job.scope, claim.table().as_str(), draft).await.map(drop)
    }
}

impl Attempt<'_> {
    /// Stores a result if its row and rule are still those it was made for.
    fn apply(&mut self, made: &Made) {
        let Some(before) = self.batch.row(made.row) else { return };
        let (entry, now) = (self.entry, self.now);
        let rules = &entry.rules;
        let Some(rule) = rules.get(made.column).filter(|rule| rule.version == made.version) else { return };
        let settled = |id: &ColumnId| {
            rules.get(*id).is_none_or(|rule| rule.standing(&before.computed) != Standing::Waiting)
        };
        if rule.standing(&before.computed) != Standing::Waiting
            || !rule.dependencies.iter().all(settled)
            || read(rule, &before) != made.read
        {
            return;
        }
        let cell = match &made.result {
            Ok(value) => entry.checker.value(rule.column, value),
            Err(Failure::Lasting(text) | Failure::Passing(text)) => Err(text.clone()),
        };
        let with = |cell: Result<Option<Cell>, String>| {
            let mut after = StoredRow::clone(&before);
            let (state, error, cell) = match cell {
                Ok(cell) => (ComputeState::Done, None, cell),
                Err(text) => {
                    let text: String = text.chars().take(MAX_ERROR_CHARS).collect();
                    (ComputeState::Failed, Some(text.into()), None)
                }
            };
            let changed = after.cell(rule.column) != cell.as_ref();
            // What hangs on a failed value is told; what hung on one is freed.
            let failed = state == ComputeState::Failed
                || rules.iter().any(|other| {
                    other.dependencies.contains(&rule.column)
                        && other.standing(&before.computed) == Standing::Failed
                });
            after.set(rule.column, cell);
            after.set_computed(rule.column, Computed { state, rule: rule.version, at: now, error });
            if changed || failed {
                rules.touch(&mut after, &[rule.column], now);
            }
            after
        };
        if let Err(text) = self.batch.put(with(cell)) {
            // Only its size can be wrong, and a row without the value has less.
            let _ = self.batch.put(with(Err(text)));
        }
    }
}

impl Job {
    fn rule(&self, column: ColumnId) -> Option<(&Rule, &Column)> {
        let found = self.entry.columns().iter().find(|found| found.id == column)?;
        Some((self.entry.rules.get(column)?, found))
    }

    fn units(&self, chosen: &[Arc<Work>]) -> Vec<Unit> {
        let mut units = Vec::new();
        let mut bot: Vec<(Arc<Work>, Vec<ColumnId>)> = Vec::new();
        for work in chosen {
            let mut asked = Vec::new();
            for (column, ready) in &work.columns {
                match ready {
                    Ready::Blocked(by) => units.push(Unit::Blocked(Arc::clone(work), *column, *by)),
                    Ready::Compute if self.asks_bot(*column) => asked.push(*column),
                    Ready::Compute => units.push(Unit::One(Arc::clone(work), *column)),
                }
            }
            if !asked.is_empty() {
                bot.push((Arc::clone(work), asked));
            }
        }
        while !bot.is_empty() {
            let rest = bot.split_off(bot.len().min(HOOK_ROWS));
            units.push(Unit::Bot(std::mem::replace(&mut bot, rest)));
        }
        units
    }

    fn asks_bot(&self, column: ColumnId) -> bool {
        let Some(webhook) = &self.webhook else { return false };
        match self.rule(column).map(|(rule, _)| &rule.action) {
            Some(Action::Workflow(_)) => true,
            Some(Action::Code(_)) => webhook.code_in == CodeIn::Webhook,
            _ => false,
        }
    }

    fn outcome(&self, work: &Work, column: ColumnId, result: Result<Value, Failure>) -> Option<Made> {
        let (rule, _) = self.rule(column)?;
        let read = read(rule, &work.stored);
        Some(Made { row: work.stored.id, column, version: rule.version, read, result })
    }

    async fn one(&self, work: &Work, column: ColumnId) -> Result<Value, Failure> {
        let lasting = |text: &str| Err(Failure::Lasting(text.to_owned()));
        let Some((rule, column)) = self.rule(column) else { return lasting("the column is gone") };
        let deps = &self.started.deps;
        match &rule.action {
            Action::Code(None) => lasting("the column has no code; set x-zui.computed.code"),
            Action::Ai(None, _) => lasting("the column has no prompt; set x-zui.computed.prompt"),
            Action::Workflow(_) => lasting(
                "no bot webhook is configured; set bot_webhook, or the bot's own with PUT /v1/quarry/bots/webhook, then recompute",
            ),
            Action::Broken(problem) => lasting(&format!("x-zui.computed: {problem}")),
            Action::Code(Some(code)) => {
                let _share = self.started.code_share(&self.scope).await;
                let mut row = work.wire.clone();
                row.remove("computed");
                row.remove("stale");
                let run = deps.scripts.run(code, &Value::Object(row), deps.fetch.as_ref()).await;
                run.map_err(|error| match error {
                    ScriptError::Unavailable | ScriptError::Crashed { .. } => {
                        Failure::Passing(error.to_string())
                    }
                    other => Failure::Lasting(other.to_string()),
                })
            }
            Action::Ai(Some(_), _) if !deps.outside.has_model() => {
                lasting("no language model is configured; set llm_url and llm_model, then recompute")
            }
            Action::Ai(Some(text), model) => {
                let _share = self.started.call_share(&self.scope).await;
                let columns = self.entry.columns();
                let ask = prompt::question((text, model), column, columns, &rule.dependencies, &work.wire);
                prompt::value(&deps.outside.ask(ask).await?, column)
            }
        }
    }

    async fn bot(&self, rows: &[(Arc<Work>, Vec<ColumnId>)]) -> Vec<Made> {
        let answer = self.ask_bot(rows).await;
        let mut outcomes = Vec::new();
        for (work, columns) in rows {
            for column in columns {
                let result = match (&answer, self.rule(*column)) {
                    (Ok(answer), Some((rule, _))) => answer.value(work.stored.id, &rule.name),
                    (Ok(_), None) => None,
                    (Err(failure), _) => Some(Err(failure.clone())),
                };
                // What the bot had no time for keeps waiting and is asked for again.
                outcomes.extend(result.and_then(|result| self.outcome(work, *column, result)));
            }
        }
        if outcomes.is_empty() {
            // An answer about nothing that was asked would be asked for again and again.
            let late = || Err(Failure::Passing("the bot ran out of time".into()));
            let asked =
                rows.iter().flat_map(|(work, columns)| columns.iter().map(move |column| (work, column)));
            outcomes.extend(asked.filter_map(|(work, column)| self.outcome(work, *column, late())));
        }
        outcomes
    }

    async fn ask_bot(&self, rows: &[(Arc<Work>, Vec<ColumnId>)]) -> Result<hook::Answer, Failure> {
        let Some(webhook) = &self.webhook else { return Err(Failure::Lasting("no bot webhook".into())) };
        let _share = self.started.call_share(&self.scope).await;
        let name = |column: &ColumnId| self.rule(*column).map(|(rule, _)| rule.name.as_str());
        let request = hook::Request {
            url: &webhook.url,
            bot: self.scope.bot().as_str(),
            table: self.entry.record().id.as_str(),
            schema: self.entry.record().schema.to_wire(),
            rows: rows
                .iter()
                .map(|(work, columns)| (&work.wire, columns.iter().filter_map(name).collect()))
                .collect(),
        };
        let text = self.started.deps.outside.call(hook::call(request)).await?;
        hook::Answer::parse(&text)
    }
}

async fn run(job: Arc<Job>, unit: Unit) -> Vec<Made> {
    match unit {
        Unit::Bot(rows) => job.bot(&rows).await,
        Unit::One(work, column) => {
            let result = job.one(&work, column).await;
            job.outcome(&work, column, result).into_iter().collect()
        }
        Unit::Blocked(work, column, by) => {
            let name = job.rule(by).map_or("?", |(rule, _)| rule.name.as_str());
            let text = format!("column {name:?}, which it is computed from, has an error");
            job.outcome(&work, column, Err(Failure::Lasting(text))).into_iter().collect()
        }
    }
}
