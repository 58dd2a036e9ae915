//! Writing rows: create, update, upsert, delete. Each request is one atomic commit of the rows that
//! are fine; the others are answered with one error text each.
//!
//! Writers are optimistic: they draft against a snapshot and commit with preconditions; a lost race
//! is drafted again, and after a few the writer takes its table alone.

use crate::Error;
use crate::answer_rows::AnswerRows;
use crate::api::{Deleted, Row, Upserted, Written};
use crate::batch::{Batch, Taken};
use crate::catalog::Entry;
use crate::filter::{self, Filter};
use crate::query::{Output, pool};
use crate::record::{Cell, KeyValue, StoredRow};
use crate::schema::{CheckedRow, ColumnId, Kind};
use crate::tables::Tables;
use crate::view::{OwnChanges, RowChange, Snapshot, View};
use crate::wire;
use quarry_store::Seq;
use quarry_types::{Scope, Timestamp};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

const MAX_ROWS: usize = 1_000;
pub(crate) const MAX_ID: u64 = 2_147_483_647;
/// Races a writer loses before it takes the table alone.
const SHARED_TRIES: usize = 3;
const MAX_TRIES: usize = 40;
/// What looking up a row of an upsert costs, in units of one plain comparison.
const LOOK_UP_COST: usize = 1_000;

/// What one attempt to write produced.
pub(crate) struct Outcome {
    pub(crate) batch_ids: Vec<(u32, bool)>,
    warnings: BTreeSet<String>,
    errors: Vec<String>,
    /// The draft read the whole table: nothing in it may have changed.
    whole_table: bool,
}

/// One attempt: what a request reads while it drafts.
pub(crate) struct Attempt<'a> {
    pub(crate) entry: &'a Entry,
    view: &'a View,
    snapshot: &'a Snapshot,
    pub(crate) batch: Batch<'a>,
    unknown: BTreeSet<String>,
    /// Computed columns that rows bring other values for.
    ignored: BTreeSet<String>,
    pub(crate) now: Timestamp,
}

impl Attempt<'_> {
    fn insert(&mut self, row: &Map<String, Value>, cells: CheckedRow) -> Result<u32, String> {
        self.entry.checker.complete(row)?;
        let id = self.view.allocate(1);
        if id > MAX_ID {
            return Err(format!("the table has used all {MAX_ID} row ids; copy it into a new one"));
        }
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        let mut stored = StoredRow::new(id, self.now, self.now);
        self.note_ignored(row, &stored);
        set(&mut stored, cells);
        self.batch.add(stored)?;
        Ok(id)
    }

    fn check(&mut self, row: &Map<String, Value>) -> Result<CheckedRow, String> {
        self.entry.checker.check(row, &mut self.unknown)
    }

    fn change(&mut self, taken: Taken, row: &Map<String, Value>, cells: CheckedRow) -> Result<(), String> {
        let (entry, now, before) = (self.entry, self.now, &taken.row);
        self.note_ignored(row, before);
        let differing = cells.iter().filter(|(id, cell)| before.cell(*id) != cell.as_ref());
        let mut changed: Vec<ColumnId> = differing.map(|(id, _)| *id).collect();
        let sets_key = entry.record().key_column.is_some_and(|key| changed.contains(&key));
        changed.push(ColumnId::UPDATED_AT);
        let change = |stored: &mut StoredRow| {
            // Values of columns that are gone leave with the next write of their row.
            entry.keep_known(stored);
            stored.updated_at = now.max(stored.updated_at);
            stored.batch = 0;
            set(stored, cells);
            entry.rules.touch(stored, &changed, now);
        };
        self.batch.replace(taken, change, sets_key)
    }

    /// Notes values for computed columns that are not the ones there are: those are not taken.
    fn note_ignored(&mut self, row: &Map<String, Value>, before: &StoredRow) {
        for rule in self.entry.rules.iter() {
            let given = row.get(&rule.name).filter(|value| !value.is_null());
            let same = |value: &Value| before.cell(rule.column).is_some_and(|cell| cell.to_value() == *value);
            if given.is_some_and(|value| !same(value)) {
                self.ignored.insert(rule.name.clone());
            }
        }
    }
}

fn set(row: &mut StoredRow, cells: CheckedRow) {
    for (column, cell) in cells {
        row.set(column, cell);
    }
}

fn objects(rows: &[Value]) -> Result<Vec<&Map<String, Value>>, Error> {
    if rows.is_empty() || rows.len() > MAX_ROWS {
        let count = rows.len();
        return Err(Error::Invalid(format!("rows has {count} entries; send 1 to {MAX_ROWS} per request")));
    }
    let object = |(at, row): (usize, &'_ Value)| match row {
        Value::Object(_) => Ok(()),
        other => {
            let kind = crate::schema::WireType::of(other).as_str();
            Err(Error::Invalid(format!("rows[{at}] must be an object, not {kind}")))
        }
    };
    rows.iter().enumerate().try_for_each(object)?;
    Ok(rows.iter().filter_map(Value::as_object).collect())
}

/// The row id an input row carries: absent or null, a number that can be one, or an error.
fn given_id(row: &Map<String, Value>) -> Result<Option<u32>, String> {
    match row.get("id") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = value.as_f64().filter(|id| id.fract() == 0.0 && *id >= 1.0 && *id <= MAX_ID as f64);
            let id = whole.map(|id| id as u32);
            id.map(Some).ok_or_else(|| format!("id must be a whole number from 1 to {MAX_ID}, not {value}"))
        }
    }
}

impl Tables {
    /// Adds rows; those that do not fit the schema are left out and named in `errors`.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless there are 1 to 1,000 objects; [`Error::Quota`] before anything is
    /// written; [`Error::Busy`] when too many writers race.
    pub async fn create_rows(&self, scope: &Scope, table: &str, rows: Vec<Value>) -> Result<Written, Error> {
        let rows = objects(&rows)?;
        let draft = |attempt: &mut Attempt<'_>, outcome: &mut Outcome| {
            for (at, row) in rows.iter().enumerate() {
                match attempt.check(row).and_then(|cells| attempt.insert(row, cells)) {
                    Ok(id) => outcome.batch_ids.push((id, true)),
                    Err(error) => outcome.errors.push(format!("rows[{at}]: {error}")),
                }
            }
            Ok(())
        };
        self.write(scope, table, draft).await.map(Drafted::written)
    }

    /// Changes rows by `id`: columns present overwrite, absent ones stay.
    ///
    /// # Errors
    /// As [`Tables::create_rows`]; rows that do not exist are named in `errors`.
    pub async fn update_rows(&self, scope: &Scope, table: &str, rows: Vec<Value>) -> Result<Written, Error> {
        let rows = objects(&rows)?;
        let draft = |attempt: &mut Attempt<'_>, outcome: &mut Outcome| {
            for (at, row) in rows.iter().enumerate() {
                let changed = given_id(row).and_then(|id| {
                    let id = id.ok_or("id is missing; say which row to change")?;
                    let before = attempt.batch.take(id).ok_or_else(|| format!("row {id} does not exist"))?;
                    let cells = attempt.check(row)?;
                    attempt.change(before, row, cells).map(|()| id)
                });
                match changed {
                    Ok(id) => outcome.batch_ids.push((id, false)),
                    Err(error) => outcome.errors.push(format!("rows[{at}]: {error}")),
                }
            }
            Ok(())
        };
        self.write(scope, table, draft).await.map(Drafted::written)
    }

    /// Changes the rows that `key_column` (`id` when absent) matches and adds the others. Rows without
    /// a key value are added. One key never makes two rows, whoever else is writing.
    ///
    /// # Errors
    /// As [`Tables::create_rows`]; [`Error::Invalid`] when the column does not exist or holds JSON.
    pub async fn upsert_rows(
        &self,
        scope: &Scope,
        table: &str,
        rows: Vec<Value>,
        key_column: Option<&str>,
    ) -> Result<Upserted, Error> {
        let rows = objects(&rows)?;
        let key_column = key_column.filter(|name| *name != "id");
        let draft = |attempt: &mut Attempt<'_>, outcome: &mut Outcome| {
            let key = key_column.map(|name| KeyLookup::new(attempt, name)).transpose()?;
            outcome.whole_table = key.as_ref().is_some_and(|key| key.owners.is_some());
            let mut note = |at: usize, done: Result<(u32, bool), String>| match done {
                Ok(done) => outcome.batch_ids.push(done),
                Err(error) => outcome.errors.push(format!("rows[{at}]: {error}")),
            };
            match key {
                Some(mut key) => {
                    let found = attempt.look_up(&key, &rows);
                    for (at, (row, found)) in rows.iter().zip(found).enumerate() {
                        note(at, found.and_then(|found| upsert_by_key(attempt, &mut key, row, found)));
                    }
                }
                None => {
                    for (at, row) in rows.iter().enumerate() {
                        note(at, upsert_by_id(attempt, row, &mut outcome.warnings));
                    }
                }
            }
            Ok(())
        };
        self.write(scope, table, draft).await.map(Drafted::upserted)
    }

    /// Deletes rows by id; absent ones are no error.
    pub(crate) async fn delete_ids(
        &self,
        scope: &Scope,
        table: &str,
        ids: Vec<i64>,
    ) -> Result<Deleted, Error> {
        if ids.len() > MAX_ROWS {
            return Err(Error::Invalid(format!("ids has {} entries, the limit is {MAX_ROWS}", ids.len())));
        }
        let ids: Vec<u32> = ids.into_iter().filter_map(|id| u32::try_from(id).ok()).collect();
        Ok(Deleted { rows: self.delete_found(scope, table, &ids, None).await?, job: None })
    }

    /// Deletes found rows in one commit, save those that changed since and match `still` no more.
    pub(crate) async fn delete_found(
        &self,
        scope: &Scope,
        table: &str,
        ids: &[u32],
        still: Option<(&Filter, Seq)>,
    ) -> Result<u64, Error> {
        let draft = |attempt: &mut Attempt<'_>, outcome: &mut Outcome| {
            let changed = still.filter(|(_, found_at)| attempt.snapshot.seq != *found_at);
            for id in ids {
                let keep = changed.is_some_and(|(filter, _)| {
                    let row = attempt.batch.row(*id).map(|row| wire::row(attempt.entry.columns(), &row));
                    row.is_none_or(|row| !row_matches(attempt.entry, filter, &row))
                });
                if !keep && attempt.batch.delete(*id) {
                    outcome.batch_ids.push((*id, false));
                }
            }
            Ok(())
        };
        Ok(self.write(scope, table, draft).await?.ids.len() as u64)
    }

    pub(crate) async fn write<D>(&self, scope: &Scope, table: &str, mut draft: D) -> Result<Drafted, Error>
    where
        D: FnMut(&mut Attempt<'_>, &mut Outcome) -> Result<(), Error> + Send,
    {
        for attempt in 0..MAX_TRIES {
            let entry = self.catalog.entry(scope, table).await?;
            let view = self.catalog.view(scope, &entry.record().id);
            let shared = if attempt < SHARED_TRIES { Some(view.writers.read().await) } else { None };
            let _alone = if shared.is_none() { Some(view.writers.write().await) } else { None };
            let key = entry.record().key_column;
            let snapshot = view.snapshot(key).await?;
            let mut outcome = Outcome {
                batch_ids: Vec::new(),
                warnings: BTreeSet::new(),
                errors: Vec::new(),
                whole_table: false,
            };
            let (mut commit, changes) = {
                let batch = Batch::new(&entry, &snapshot);
                let (entry, view, snapshot) = (entry.as_ref(), view.as_ref(), snapshot.as_ref());
                let (unknown, ignored, now) = (BTreeSet::new(), BTreeSet::new(), Timestamp::now());
                let mut attempt = Attempt { entry, view, snapshot, batch, unknown, ignored, now };
                draft(&mut attempt, &mut outcome)?;
                outcome.warnings.extend(
                    attempt
                        .unknown
                        .iter()
                        .map(|name| format!("column {name:?} does not exist; its values were ignored")),
                );
                outcome.warnings.extend(
                    attempt
                        .ignored
                        .iter()
                        .map(|name| format!("column {name:?} is computed; the values given were ignored")),
                );
                if attempt.batch.is_empty() {
                    return Ok(Drafted::new(entry, outcome, &[]));
                }
                let (mut commit, changes) = attempt.batch.into_commit(scope, view, &self.options);
                if outcome.whole_table {
                    commit.expect.push((view.coll.clone(), snapshot.seq));
                }
                (commit, changes)
            };
            self.expect_leaving(scope.bot(), &view, &snapshot, &mut commit).await?;
            // What follows from the commit is made while it is on its way to the disk.
            let mut committing = self.store.commit(commit);
            let early = poll_fn(|context| Poll::Ready(committing.as_mut().poll(context))).await;
            let drafted = Drafted::new(&entry, outcome, &changes);
            let changes = OwnChanges::made_over(&snapshot, changes);
            let done = match early {
                Poll::Ready(done) => done,
                Poll::Pending => committing.await,
            };
            match done {
                Ok(committed) => {
                    if let Some(seq) = committed.seq(&view.coll) {
                        view.offer(seq, changes);
                        view.at_least(seq, key).await?;
                    }
                    self.indexes.wake(scope, entry.record());
                    self.compute.touched(scope, &entry);
                    return Ok(drafted);
                }
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy(table.to_owned()))
    }
}

/// Judges one wire row.
pub(crate) fn row_matches(entry: &Entry, filter: &Filter, row: &Row) -> bool {
    filter::matches(filter, &|column| row.get(wire::name_of(entry.columns(), column)?))
}

/// A finished write, its rows by id.
pub(crate) struct Drafted {
    pub(crate) ids: Vec<(u32, bool)>,
    /// What became of each of them.
    rows: Vec<Option<Arc<StoredRow>>>,
    output: Arc<Output>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

impl Drafted {
    fn new(entry: &Entry, outcome: Outcome, changes: &[RowChange]) -> Self {
        let mut seen = BTreeMap::new();
        for (id, inserted) in &outcome.batch_ids {
            *seen.entry(*id).or_insert(false) |= inserted;
        }
        let mut ids = Vec::with_capacity(seen.len());
        for (id, _) in outcome.batch_ids {
            if let Some(inserted) = seen.remove(&id) {
                ids.push((id, inserted));
            }
        }
        let now = |(id, _): &(u32, bool)| {
            let at = changes.binary_search_by_key(id, |(id, _)| *id).ok()?;
            changes.get(at)?.1.clone()
        };
        let rows = ids.iter().map(now).collect();
        let (warnings, errors) = (outcome.warnings.into_iter().collect(), outcome.errors);
        Self { ids, rows, output: Arc::clone(entry.output()), warnings, errors }
    }

    fn written(self) -> Written {
        let rows = AnswerRows::new(self.output, self.rows.into_iter().flatten().collect());
        Written { rows, warnings: self.warnings, errors: self.errors }
    }

    fn upserted(self) -> Upserted {
        let (mut new, mut old) = (Vec::new(), Vec::with_capacity(self.rows.len()));
        for ((_, inserted), row) in self.ids.iter().zip(self.rows) {
            if *inserted { &mut new } else { &mut old }.extend(row);
        }
        let inserted = AnswerRows::new(Arc::clone(&self.output), new);
        let updated = AnswerRows::new(self.output, old);
        Upserted { inserted, updated, warnings: self.warnings, errors: self.errors }
    }
}

/// How an upsert finds the rows of a key value.
struct KeyLookup {
    column: ColumnId,
    name: String,
    /// For a column without unique index: all its values. `None` = the batch's index answers.
    owners: Option<BTreeMap<KeyValue, Vec<u32>>>,
}

impl KeyLookup {
    fn new(attempt: &Attempt<'_>, name: &str) -> Result<Self, Error> {
        let Some(column) = attempt.entry.record().schema.column(name) else {
            let names = attempt.entry.record().schema.names();
            return Err(Error::Invalid(format!(
                "keyColumn: there is no column {name:?}; the columns are {names}, \"id\""
            )));
        };
        if column.computed().is_some() {
            return Err(Error::Invalid(format!(
                "keyColumn: column {name:?} is computed; use another column"
            )));
        }
        if column.kind() == Kind::Json {
            return Err(Error::Invalid(format!(
                "keyColumn: column {name:?} holds JSON; use a string, number or boolean column"
            )));
        }
        let indexed = attempt.entry.record().key_column == Some(column.id);
        let owners = (!indexed).then(|| attempt.snapshot.values_of(column.id));
        Ok(Self { column: column.id, name: name.to_owned(), owners })
    }
}

/// An input row and what the snapshot has for it: all that does not depend on the rows before it.
struct Found {
    cells: CheckedRow,
    value: Option<KeyValue>,
    /// By the unique index.
    owner: Option<u32>,
    taken: Option<Taken>,
}

impl Found {
    fn of_many(
        (entry, snapshot): (&Entry, &Snapshot),
        key: &KeyLookup,
        rows: &[&Map<String, Value>],
        unknown: &mut BTreeSet<String>,
    ) -> Vec<Result<Self, String>> {
        let mut check = |row: &&Map<String, Value>| {
            let cells = entry.checker.check(row, unknown)?;
            let cell = cells.iter().find(|(column, _)| *column == key.column);
            let value = cell.and_then(|(_, cell)| cell.as_ref()).and_then(Cell::key_value);
            Ok((cells, value))
        };
        let checked: Vec<Result<(CheckedRow, Option<KeyValue>), String>> =
            rows.iter().map(&mut check).collect();
        let owner = |(_, value): &(CheckedRow, Option<KeyValue>)| {
            let indexed = value.as_ref().filter(|_| key.owners.is_none());
            indexed.and_then(|value| snapshot.by_key(value))
        };
        let owners: Vec<Option<u32>> =
            checked.iter().map(|checked| checked.as_ref().ok().and_then(owner)).collect();
        let taken = Taken::stored_many(snapshot, &owners);
        let found = checked.into_iter().zip(owners).zip(taken).map(|((checked, owner), taken)| {
            checked.map(|(cells, value)| Self { cells, value, owner, taken })
        });
        found.collect()
    }
}

impl Attempt<'_> {
    /// Looks up the rows of an upsert, many of them on several threads.
    fn look_up(&mut self, key: &KeyLookup, rows: &[&Map<String, Value>]) -> Vec<Result<Found, String>> {
        let (entry, snapshot) = (self.entry, self.snapshot);
        let cost = rows.len() * LOOK_UP_COST;
        let shares: Vec<&[&Map<String, Value>]> =
            rows.chunks(rows.len().div_ceil(pool::shares(cost)).max(1)).collect();
        let found = pool::map(cost, &shares, |rows| {
            let mut unknown = BTreeSet::new();
            (Found::of_many((entry, snapshot), key, rows, &mut unknown), unknown)
        });
        let mut all = Vec::with_capacity(rows.len());
        for (found, unknown) in found {
            all.extend(found);
            self.unknown.extend(unknown);
        }
        all
    }
}

fn upsert_by_key(
    attempt: &mut Attempt<'_>,
    key: &mut KeyLookup,
    row: &Map<String, Value>,
    found: Found,
) -> Result<(u32, bool), String> {
    let Found { cells, value, owner, taken } = found;
    let owner = match (&value, &key.owners) {
        (None, _) => None,
        (Some(value), None) => attempt.batch.owner_over(value, owner),
        (Some(value), Some(owners)) => match owners.get(value).map(Vec::as_slice) {
            None | Some([]) => None,
            Some([one]) => Some(*one),
            Some(many) => {
                let name = &key.name;
                return Err(format!(
                    "{} rows have this value in column {name:?}; make it unique first",
                    many.len()
                ));
            }
        },
    };
    let done = match owner.and_then(|id| attempt.batch.take_over(id, taken)) {
        Some(before) => {
            let id = before.row.id;
            attempt.change(before, row, cells)?;
            (id, false)
        }
        None => (attempt.insert(row, cells)?, true),
    };
    if let (Some(value), Some(owners)) = (value, &mut key.owners) {
        owners.insert(value, vec![done.0]);
    }
    Ok(done)
}

fn upsert_by_id(
    attempt: &mut Attempt<'_>,
    row: &Map<String, Value>,
    warnings: &mut BTreeSet<String>,
) -> Result<(u32, bool), String> {
    let id = given_id(row)?;
    let cells = attempt.check(row)?;
    if let Some(before) = id.and_then(|id| attempt.batch.take(id)) {
        let id = before.row.id;
        attempt.change(before, row, cells)?;
        return Ok((id, false));
    }
    let fresh = attempt.insert(row, cells)?;
    if let Some(id) = id {
        warnings.insert(format!("row {id} does not exist; its values were added as row {fresh}"));
    }
    Ok((fresh, true))
}
