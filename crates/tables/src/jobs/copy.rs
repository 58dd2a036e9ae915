//! Copies of tables: schema, tags, key column and the rows of one moment, which appear all at once.

use super::clear::percent;
use super::hidden::{Arriving, Ids};
use super::live::{Halt, Live};
use super::record::{Arrival, Job, JobRecord, Work};
use crate::Error;
use crate::api::Table;
use crate::catalog::Listing;
use crate::record::{self, Batches};
use crate::schema::{ColumnId, MAX_TABLE_NAME_CHARS, check_table_name};
use crate::tables::{Tables, check_factor};
use quarry_store::Commit;
use quarry_types::{Counter, QuotaRefusal, Scope, TableId, Timestamp};
use std::sync::Arc;

const MAX_TRIES: usize = 20;
const SUFFIX: &str = "Table";

/// How to copy a table.
#[derive(Debug, Clone, Default)]
pub struct Duplicate {
    /// The copy's name; the source's name with `_copy` before its end when absent.
    pub name: Option<String>,
    /// Leaves the rows out.
    pub schema_only: bool,
    /// Another factor; rows that do not fit it fail the copy.
    pub factor: Option<u8>,
}

impl Tables {
    /// Copies a table: answers the new table, the rows of the source and, unless there are none to
    /// copy, the job that brings them. Rows keep their ids.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Invalid`] for a bad name or factor, [`Error::Quota`] when
    /// the rows do not fit.
    pub async fn duplicate(
        &self,
        scope: &Scope,
        table: &str,
        how: Duplicate,
    ) -> Result<(Table, u64, Option<Job>), Error> {
        if let Some(name) = &how.name {
            check_table_name(name)?;
        }
        for _ in 0..MAX_TRIES {
            let entry = self.catalog.entry(scope, table).await?;
            let source = entry.record();
            let snapshot = self.catalog.view(scope, &source.id).snapshot(source.key_column).await?;
            let listing = self.catalog.listing(scope).await?;
            self.check_table_count(&listing)?;
            let name = match &how.name {
                Some(name) if listing.find(name).is_some() => return Err(Error::NameTaken(name.clone())),
                Some(name) => name.clone(),
                None => free_name(&source.name, &listing),
            };
            let now = Timestamp::now();
            let mut copy = source.clone();
            copy.id = TableId::mint(now.as_ms());
            copy.name.clone_from(&name);
            copy.factor = check_factor(how.factor.unwrap_or(source.factor))?;
            (copy.created_at, copy.updated_at) = (now, now);
            let rows = snapshot.rows as u64;
            let tables = record::tables();
            let mut commit = Commit::new(scope.bot());
            commit
                .expect_key(&tables, record::name_key(&name), None)
                .put(&tables, record::name_key(&name), copy.id.as_str().as_bytes().to_vec())
                .put(&tables, record::meta_key(&copy.id), copy.encode()?);
            let job = if how.schema_only || rows == 0 {
                None
            } else {
                self.check_room(scope, rows * u64::from(copy.factor)).await?;
                let coll = record::rows_of(&copy.id);
                let mut batches = Batches::default();
                let arrival = Arrival { batch: batches.begin(), first_id: 1 };
                commit.put(&coll, record::BATCHES_KEY, batches.encode()?);
                // Rows added to the copy while it fills must not take ids that are on their way.
                let next_id = self.store.head(scope.bot(), &record::rows_of(&source.id)).await?.next_id;
                commit.next_id.push((coll, next_id));
                let mut job =
                    JobRecord::new(&source.id, Work::Duplicate { target: copy.id.clone(), arrival });
                job.total = Some(rows);
                Some(job)
            };
            let started = match job {
                Some(job) => self.start_job(scope, job, commit).await.map(Some),
                None => self.store.commit(commit).await.map(|_| None).map_err(Error::from),
            };
            match started {
                Ok(job) => return Ok((copy.to_table(), rows, job)),
                Err(Error::Store(quarry_store::Error::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy(table.to_owned()))
    }

    /// Refuses rows that cannot fit before any is written.
    async fn check_room(&self, scope: &Scope, needed: u64) -> Result<(), Error> {
        let used = self.store.usage(scope.bot()).await?.table_rows;
        let limit = self.options.row_quota;
        if used.saturating_add(needed) > limit {
            return Err(Error::Quota(QuotaRefusal { counter: Counter::TableRows, used, limit, needed }));
        }
        Ok(())
    }

    /// Writes the rows of the source as they are now; after a restart it begins anew, so that the
    /// copy is of one moment.
    pub(super) async fn copy_rows(
        &self,
        live: &mut Live,
        target: &TableId,
        arrival: Arrival,
    ) -> Result<(), Halt> {
        if live.record.rows > 0 {
            self.remove_arrival(live, target, arrival).await?;
            live.record.rows = 0;
            self.save(live).await?;
        }
        let entry = self.catalog.entry(&live.scope, live.record.table.as_str()).await?;
        let view = self.catalog.view(&live.scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        live.record.total = Some(snapshot.rows as u64);
        let columns: Arc<[ColumnId]> = entry.columns().iter().map(|column| column.id).collect();
        let ids = snapshot.ids();
        for chunk in ids.chunks(self.jobs.sizes.arriving) {
            let (chunk, snapshot, columns) = (chunk.to_vec(), Arc::clone(&snapshot), Arc::clone(&columns));
            let rows = tokio::task::spawn_blocking(move || {
                let rows = chunk.into_iter().filter_map(|id| {
                    let mut row = snapshot.get(id)?.1.as_ref().clone();
                    row.cells.retain(|(column, _)| columns.contains(column));
                    row.computed.retain(|(column, _)| columns.contains(column));
                    Some(Arriving { line: u64::from(id), row })
                });
                Arc::new(rows.collect::<Vec<_>>())
            });
            let rows = rows.await?;
            let advance = |record: &mut JobRecord| record.progress = percent(record.rows, record.total);
            self.write_arriving(live, target, (arrival, Ids::Kept), rows, advance).await?;
            if let Some(refused) = live.record.refused_rows.first() {
                let message = format!("row {}: {}; nothing was copied", refused.line, refused.reason);
                return Err(Halt::Failed(Error::Conflict(message)));
            }
        }
        self.publish_arrival(live, target, arrival).await
    }

    /// Deletes the table of a failed copy unless somebody has put rows in it.
    pub(super) async fn delete_if_empty(&self, scope: &Scope, table: &TableId) -> Result<bool, Error> {
        let entry = match self.catalog.entry(scope, table.as_str()).await {
            Err(Error::NoTable(_)) => return Ok(true),
            entry => entry?,
        };
        let view = self.catalog.view(scope, table);
        let _alone = view.writers.write().await;
        let snapshot = view.snapshot(entry.record().key_column).await?;
        if snapshot.stored_rows() > 0 {
            return Ok(false);
        }
        let (coll, meta) = (record::tables(), entry.record());
        let mut commit = Commit::new(scope.bot());
        commit.expect_key(&coll, record::meta_key(&meta.id), Some(entry.meta.seq));
        commit.expect.push((view.coll.clone(), snapshot.seq));
        commit.del(&coll, record::meta_key(&meta.id)).del(&coll, record::name_key(&meta.name));
        commit.drop.push(view.coll.clone());
        match self.store.commit(commit).await {
            Ok(_) => Ok(true),
            Err(quarry_store::Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A name for a copy that no table has: `fooTable` gives `foo_copyTable`, then `foo_copy2Table`.
fn free_name(source: &str, listing: &Listing) -> String {
    let stem = source.strip_suffix(SUFFIX).unwrap_or(source);
    let mut number = 1_u64;
    loop {
        let mark = if number == 1 { "_copy".to_owned() } else { format!("_copy{number}") };
        let room = MAX_TABLE_NAME_CHARS.saturating_sub(mark.len() + SUFFIX.len());
        // Table names are ASCII, so every byte is a character.
        let name = format!("{}{mark}{SUFFIX}", stem.get(..room.min(stem.len())).unwrap_or_default());
        if listing.find(&name).is_none() {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_copies_keep_the_rule() {
        let listing = Listing::default();
        assert_eq!(free_name("fooTable", &listing), "foo_copyTable");
        assert_eq!(free_name("Table", &listing), "_copyTable");
        let long = format!("{}Table", "x".repeat(45));
        let name = free_name(&long, &listing);
        assert_eq!(name.len(), 50);
        check_table_name(&name).unwrap();
    }
}
