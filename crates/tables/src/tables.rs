//! The engine's face: tables and their metadata, each operation within a [`Scope`].

use crate::Error;
use crate::api::{
    GotTable, Recount, Row, Table, TableCounts, TablePatch, TableSpec, TablesDeps, TablesOptions,
};
use crate::catalog::{Catalog, Entry, Listing};
use crate::compute::Compute;
use crate::jobs::{Runner, Sizes, TableFiles};
use crate::query::Engine;
use crate::record::{self, KeyValue, TableRecord};
use crate::schema::{ColumnId, Kind, Schema, check_table_name};
use crate::search::Indexes;
use crate::wire;
use crate::words::Compilers;
use quarry_store::{Commit, RecordStore};
use quarry_types::{Counter, Scope, TableId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

const MAX_FACTOR: u8 = 30;
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY_CHARS: usize = 50;
const MAX_TAG_VALUE_CHARS: usize = 1_000;
const MAX_TRIES: usize = 20;
/// Duplicates an error names.
const NAMED_DUPLICATES: usize = 5;

/// The tables of every bot. Cheap to clone.
#[derive(Clone)]
pub struct Tables {
    pub(crate) store: Arc<dyn RecordStore>,
    pub(crate) options: Arc<TablesOptions>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) compilers: Arc<Compilers>,
    pub(crate) indexes: Arc<Indexes>,
    pub(crate) jobs: Arc<Runner>,
    pub(crate) files: Option<Arc<dyn TableFiles>>,
    pub(crate) compute: Arc<Compute>,
}

impl Tables {
    /// Tables kept in the store of `deps`.
    #[must_use]
    pub fn new(deps: TablesDeps, options: TablesOptions) -> Self {
        let TablesDeps { store, embedder } = deps;
        let catalog = Arc::new(Catalog::new(Arc::clone(&store), options.view_budget_bytes));
        let options = Arc::new(options);
        let indexes = Indexes::new(Arc::clone(&store), embedder, Arc::clone(&catalog), Arc::clone(&options));
        let (engine, indexes) = (Arc::new(Engine::new()), Arc::new(indexes));
        let compilers = Arc::new(Compilers::default());
        let (jobs, compute) = (Arc::new(Runner::new(Sizes::default())), Arc::default());
        Self { store, options, catalog, engine, compilers, indexes, jobs, files: None, compute }
    }

    /// Indexes in the background what the last run left unindexed. Call it once, after the start; rows
    /// written later are indexed without it.
    pub fn resume_indexing(&self) {
        self.indexes.resume();
    }

    /// Ends background work; what is left of it is done after the next start.
    pub async fn shutdown(&self) {
        self.stop_compute().await;
        self.indexes.shutdown().await;
    }

    /// These tables with files to import from and to export to.
    #[must_use]
    pub fn with_files(self, files: Arc<dyn TableFiles>) -> Self {
        Self { files: Some(files), ..self }
    }

    /// Drops what is cached of a bot; call it after the bot's records were dropped.
    pub fn forget(&self, scope: &Scope) {
        self.compilers.forget(scope);
        self.indexes.forget(scope);
        self.catalog.forget(scope);
    }

    /// All tables that carry all of `tags` (exact values), by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, scope: &Scope, tags: &BTreeMap<String, String>) -> Result<Vec<Table>, Error> {
        let listing = self.catalog.listing(scope).await?;
        let wanted =
            |entry: &&Arc<Entry>| tags.iter().all(|(key, value)| entry.record().tags.get(key) == Some(value));
        let mut tables: Vec<Table> =
            listing.entries().filter(wanted).map(|entry| entry.record().to_table()).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tables)
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::InvalidSchema`], [`Error::Invalid`] for name, factor or tags,
    /// [`Error::Limit`] past the most tables or columns.
    pub async fn create(&self, scope: &Scope, name: &str, spec: TableSpec) -> Result<Table, Error> {
        check_table_name(name)?;
        let schema = Schema::parse(&spec.schema, self.options.max_columns)?;
        let key_column = spec.key_column.as_deref().map(|name| key_column(&schema, name)).transpose()?;
        check_tags(&spec.tags)?;
        let now = Timestamp::now();
        let record = TableRecord {
            id: TableId::mint(now.as_ms()),
            name: name.to_owned(),
            factor: check_factor(spec.factor.unwrap_or(1))?,
            frozen: spec.frozen,
            key_column,
            schema,
            tags: spec.tags,
            is_compute_enabled: spec.is_compute_enabled.unwrap_or(true),
            created_at: now,
            updated_at: now,
            selectors: BTreeMap::new(),
        };
        let coll = record::tables();
        // One at a time per bot, so that two at the last free place do not both take it.
        let _alone = self.catalog.creating(scope).await;
        for _ in 0..MAX_TRIES {
            let listing = self.catalog.listing(scope).await?;
            if listing.find(name).is_some() {
                return Err(Error::NameTaken(name.to_owned()));
            }
            self.check_table_count(&listing)?;
            let mut commit = Commit::new(scope.bot());
            commit.expect.push((coll.clone(), listing.seq()));
            commit.put(&coll, record::name_key(name), record.id.as_str().as_bytes().to_vec()).put(
                &coll,
                record::meta_key(&record.id),
                record.encode()?,
            );
            match self.store.commit(commit).await {
                Ok(_) => return Ok(record.to_table()),
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy(name.to_owned()))
    }

    pub(crate) fn check_table_count(&self, listing: &Listing) -> Result<(), Error> {
        let (used, limit) = (listing.len(), self.options.max_tables);
        if used < limit {
            return Ok(());
        }
        Err(Error::Limit(format!(
            "limit of tables per bot exceeded: {used} used, the limit is {limit}, 1 more needed; delete one or ask the operator to raise the limit"
        )))
    }

    /// The table of that name, made when absent; an existing one is answered untouched.
    ///
    /// # Errors
    /// As [`Tables::create`], only when it has to be made.
    pub async fn get_or_create(&self, scope: &Scope, name: &str, spec: TableSpec) -> Result<GotTable, Error> {
        for _ in 0..MAX_TRIES {
            match self.get(scope, name).await {
                Ok((table, counts)) => return Ok(GotTable { table, created: false, counts }),
                Err(Error::NoTable(_)) => {}
                Err(error) => return Err(error),
            }
            match self.create(scope, name, spec.clone()).await {
                Ok(table) => return Ok(GotTable { table, created: true, counts: TableCounts::default() }),
                Err(Error::NameTaken(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy(name.to_owned()))
    }

    /// A table by name or id.
    ///
    /// # Errors
    /// [`Error::NoTable`].
    pub async fn get(&self, scope: &Scope, table: &str) -> Result<(Table, TableCounts), Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let rows = snapshot.rows as u64;
        let stale = self.count_waiting(&entry, &snapshot).await?;
        let indexing = self.indexes.waiting(scope, entry.record(), &snapshot).await?;
        let counts = TableCounts { rows, stale, indexing };
        Ok((entry.record().to_table(), counts))
    }

    /// One row by id.
    ///
    /// # Errors
    /// [`Error::NoTable`], [`Error::NoRow`].
    pub async fn row(&self, scope: &Scope, table: &str, id: i64) -> Result<Row, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let found = u32::try_from(id).ok().and_then(|id| snapshot.get(id));
        let (_, row) = found.ok_or_else(|| Error::NoRow { table: entry.record().name.clone(), id })?;
        Ok(wire::row(entry.columns(), &row))
    }

    /// Changes a table; also answers the computed columns whose rule changed.
    ///
    /// A changed column type clears the column. A frozen table takes no schema change.
    ///
    /// # Errors
    /// As [`Tables::create`]; [`Error::Invalid`] for a frozen schema or a smaller factor, [`Error::Conflict`] for a key
    /// column that holds duplicates; [`Error::Quota`] when a larger factor does not fit.
    pub async fn update(
        &self,
        scope: &Scope,
        table: &str,
        patch: TablePatch,
    ) -> Result<(Table, Vec<String>), Error> {
        self.change(scope, table, |before| self.patched(before, &patch)).await
    }

    fn patched(&self, before: &TableRecord, patch: &TablePatch) -> Result<TableRecord, Error> {
        let mut next = before.clone();
        if let Some(name) = &patch.name {
            check_table_name(name)?;
            if before.frozen && patch.frozen != Some(false) && *name != before.name {
                return Err(frozen(&before.name));
            }
            name.clone_into(&mut next.name);
        }
        if let Some(frozen) = patch.frozen {
            next.frozen = frozen;
        }
        if let Some(schema) = &patch.schema {
            next.schema = before.schema.merged(schema, self.options.max_columns)?;
            // Unfreezing and changing in one step is allowed, as is repeating the schema there is.
            if before.frozen && next.frozen && next.schema != before.schema {
                return Err(frozen(&before.name));
            }
        }
        if let Some(factor) = patch.factor {
            next.factor = check_factor(factor)?;
            if factor < before.factor {
                let now = before.factor;
                return Err(Error::Invalid(format!("factor is {now} and can only grow, got {factor}")));
            }
        }
        if let Some(tags) = &patch.tags {
            for (key, value) in tags {
                match value {
                    Some(value) => next.tags.insert(key.clone(), value.clone()),
                    None => next.tags.remove(key),
                };
            }
            check_tags(&next.tags)?;
        }
        next.is_compute_enabled = patch.is_compute_enabled.unwrap_or(before.is_compute_enabled);
        match &patch.key_column {
            Some(Some(name)) => next.key_column = Some(key_column(&next.schema, name)?),
            Some(None) => next.key_column = None,
            // A key column of changed type has a new id; a removed one is a key no more.
            None => {
                let same_name = before.key_column_name().and_then(|name| next.schema.column(name));
                next.key_column =
                    same_name.filter(|column| column.kind() != Kind::Json).map(|column| column.id);
            }
        }
        // A key column that becomes computed.
        if let Some(name) = next.key_column_name() {
            key_column(&next.schema, name)?;
        }
        Ok(next)
    }

    /// Renames a column; its values and attributes stay.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`] when there is no such column or the new name is taken;
    /// [`Error::Invalid`] when the table is frozen.
    pub async fn rename_column(
        &self,
        scope: &Scope,
        table: &str,
        name: &str,
        new_name: &str,
    ) -> Result<Table, Error> {
        let rename = |before: &TableRecord| {
            if before.frozen {
                return Err(frozen(&before.name));
            }
            let mut next = before.clone();
            next.schema.rename(name, new_name)?;
            Ok(next)
        };
        Ok(self.change(scope, table, rename).await?.0)
    }

    pub(crate) async fn change(
        &self,
        scope: &Scope,
        table: &str,
        patch: impl Fn(&TableRecord) -> Result<TableRecord, Error>,
    ) -> Result<(Table, Vec<String>), Error> {
        for _ in 0..MAX_TRIES {
            let entry = self.catalog.entry(scope, table).await?;
            let before = entry.record();
            let mut next = patch(before)?;
            next.updated_at = Timestamp::now();
            let coll = record::tables();
            let mut commit = Commit::new(scope.bot());
            commit.expect_key(&coll, record::meta_key(&before.id), Some(entry.meta.seq));
            commit.put(&coll, record::meta_key(&before.id), next.encode()?);
            if next.name != before.name {
                if self.catalog.listing(scope).await?.find(&next.name).is_some() {
                    return Err(Error::NameTaken(next.name));
                }
                commit.expect_key(&coll, record::name_key(&next.name), None);
                commit.put(&coll, record::name_key(&next.name), next.id.as_str().as_bytes().to_vec());
                commit.del(&coll, record::name_key(&before.name));
            }
            let view = self.catalog.view(scope, &before.id);
            let touches_rows = next.factor != before.factor || next.key_column != before.key_column;
            // Whatever depends on all rows must see them still.
            let _alone = if touches_rows { Some(view.writers.write().await) } else { None };
            if touches_rows {
                let snapshot = view.snapshot(before.key_column).await?;
                commit.expect.push((view.coll.clone(), snapshot.seq));
                let grown = i64::from(next.factor) - i64::from(before.factor);
                let rows = i64::try_from(snapshot.stored_rows()).unwrap_or(i64::MAX);
                commit.quota(Counter::TableRows, rows * grown, self.options.row_quota);
                if next.key_column != before.key_column {
                    let (old, new) = (before.key_column, next.key_column);
                    let entries = move || {
                        let values = |column: Option<ColumnId>| {
                            column.map(|column| snapshot.stored_values_of(column)).unwrap_or_default()
                        };
                        (values(old), values(new))
                    };
                    let (gone, come) = tokio::task::spawn_blocking(entries).await?;
                    reindex(&mut commit, &view.coll, &gone, &come, (before, &next))?;
                }
            }
            let cleaning = self.stage_clearing(scope, before, &next, &mut commit).await?;
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.indexes.follow(scope, before, &next);
                    self.begin_clearing(scope, cleaning);
                    let answer = (next.to_table(), stale_columns(&before.schema, &next.schema));
                    // New rules and a switch turned on find work in rows nobody writes.
                    self.compute.touched(scope, &*self.catalog.entry(scope, next.id.as_str()).await?);
                    return Ok(answer);
                }
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy(table.to_owned()))
    }

    /// Deletes a table with its rows.
    ///
    /// # Errors
    /// [`Error::NoTable`].
    pub async fn delete(&self, scope: &Scope, table: &str) -> Result<(), Error> {
        for _ in 0..MAX_TRIES {
            let entry = self.catalog.entry(scope, table).await?;
            let record = entry.record();
            let view = self.catalog.view(scope, &record.id);
            let _alone = view.writers.write().await;
            let snapshot = view.snapshot(record.key_column).await?;
            let coll = record::tables();
            let mut commit = Commit::new(scope.bot());
            commit.expect_key(&coll, record::meta_key(&record.id), Some(entry.meta.seq));
            commit.expect.push((view.coll.clone(), snapshot.seq));
            commit.del(&coll, record::meta_key(&record.id)).del(&coll, record::name_key(&record.name));
            if snapshot.seq > 0 {
                commit.drop.push(view.coll.clone());
            }
            self.indexes.close(scope, &record.id).await;
            self.indexes.drop_with(scope, &record.id, &mut commit).await?;
            let rows = i64::try_from(snapshot.stored_rows()).unwrap_or(i64::MAX);
            commit.quota(Counter::TableRows, -(rows * i64::from(record.factor)), self.options.row_quota);
            self.stage_jobs_removal(scope, &record.id, &mut commit).await?;
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.indexes.deleted(scope, &record.id).await;
                    self.jobs.poke_table(&record.id);
                    return Ok(());
                }
                Err(quarry_store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy(table.to_owned()))
    }

    /// As [`crate::recount`], over the store of this engine.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn recount(&self, scope: &Scope) -> Result<Recount, Error> {
        crate::recount::count(&self.catalog, self.store.as_ref(), scope).await
    }
}

fn frozen(name: &str) -> Error {
    Error::Invalid(format!("table {name:?} is frozen; set frozen to false to rename it or change its schema"))
}

pub(crate) fn check_factor(factor: u8) -> Result<u8, Error> {
    if (1..=MAX_FACTOR).contains(&factor) {
        return Ok(factor);
    }
    Err(Error::Invalid(format!("factor must be 1 to {MAX_FACTOR}, got {factor}")))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        return Err(Error::Invalid(format!("{} tags given, the limit is {MAX_TAGS}", tags.len())));
    }
    for (key, value) in tags {
        let fine = !key.is_empty()
            && key.chars().count() <= MAX_TAG_KEY_CHARS
            && value.chars().count() <= MAX_TAG_VALUE_CHARS;
        if !fine {
            let key: String = key.chars().take(60).collect();
            return Err(Error::Invalid(format!(
                "tag {key:?} must have 1 to {MAX_TAG_KEY_CHARS} characters and a value of at most {MAX_TAG_VALUE_CHARS}"
            )));
        }
    }
    Ok(())
}

fn key_column(schema: &Schema, name: &str) -> Result<ColumnId, Error> {
    let Some(column) = schema.column(name) else {
        let names = schema.names();
        return Err(Error::Invalid(format!(
            "keyColumn: there is no column {name:?}; the columns are {names}"
        )));
    };
    if column.kind() == Kind::Json {
        return Err(Error::Invalid(format!(
            "keyColumn: column {name:?} holds JSON; use a string, number or boolean column"
        )));
    }
    if column.computed().is_some() {
        return Err(Error::Invalid(format!("keyColumn: column {name:?} is computed; use another column")));
    }
    Ok(column.id)
}

/// Rows by the value they hold in a column.
type Owners = BTreeMap<KeyValue, Vec<u32>>;

/// Adds the index entries of a new key column and removes those of the old one.
fn reindex(
    commit: &mut Commit,
    coll: &quarry_store::Coll,
    gone: &Owners,
    come: &Owners,
    (before, next): (&TableRecord, &TableRecord),
) -> Result<(), Error> {
    let duplicates: Vec<String> = come
        .values()
        .filter(|ids| ids.len() > 1)
        .map(|ids| ids.iter().take(NAMED_DUPLICATES).map(u32::to_string).collect::<Vec<_>>().join(", "))
        .collect();
    if !duplicates.is_empty() {
        let name = next.key_column_name().unwrap_or_default();
        let named: Vec<String> =
            duplicates.iter().take(NAMED_DUPLICATES).map(|ids| format!("rows {ids}")).collect();
        return Err(Error::Conflict(format!(
            "column {name:?} cannot be the key column: {} of its values occur more than once ({}); make them unique first",
            duplicates.len(),
            named.join("; ")
        )));
    }
    if let Some(old) = before.key_column {
        for value in gone.keys() {
            commit.del(coll, record::index_key(old, value));
        }
    }
    if let Some(new) = next.key_column {
        for (value, id) in come.iter().filter_map(|(value, ids)| Some((value, *ids.first()?))) {
            commit.put(coll, record::index_key(new, value), id.to_be_bytes().to_vec());
        }
    }
    Ok(())
}

/// Computed columns whose rule is new or changed.
fn stale_columns(before: &Schema, next: &Schema) -> Vec<String> {
    let changed = next.columns.iter().filter(|column| {
        let old = before.columns.iter().find(|old| old.id == column.id);
        column.computed().is_some() && old.is_none_or(|old| old.rule != column.rule)
    });
    changed.map(|column| column.name.clone()).collect()
}
