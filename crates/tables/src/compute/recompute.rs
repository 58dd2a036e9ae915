//! Making computed values wait again on request.

use crate::Error;
use crate::catalog::Entry;
use crate::record::{ComputeState, StoredRow, TableRecord};
use crate::rows::{Attempt, Outcome};
use crate::schema::ColumnId;
use crate::tables::Tables;
use quarry_types::Scope;
use std::collections::BTreeSet;

/// Rows one commit makes wait again.
const CHUNK_ROWS: usize = 1_000;

impl Tables {
    /// Makes computed values wait again: those of `columns` (all when `None`), in all rows or only
    /// where they failed. Answers in how many rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a column is not computed.
    pub async fn recompute(
        &self,
        scope: &Scope,
        table: &str,
        columns: Option<&[String]>,
        only_failed: bool,
    ) -> Result<u64, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        let table = entry.record().id.clone();
        let chosen = chosen(&entry, columns)?;
        if only_failed {
            return self.retry_failed(scope, &entry, &chosen).await;
        }
        let renumber = |before: &TableRecord| {
            let mut next = before.clone();
            for column in next.schema.columns.iter_mut().filter(|column| chosen.contains(&column.id)) {
                column.rule = column.rule.saturating_add(1);
            }
            Ok(next)
        };
        self.change(scope, table.as_str(), renumber).await?;
        let view = self.catalog.view(scope, &table);
        Ok(view.snapshot(entry.record().key_column).await?.rows as u64)
    }

    async fn retry_failed(
        &self,
        scope: &Scope,
        entry: &Entry,
        chosen: &BTreeSet<ColumnId>,
    ) -> Result<u64, Error> {
        let view = self.catalog.view(scope, &entry.record().id);
        let snapshot = view.snapshot(entry.record().key_column).await?;
        let mut rows = 0;
        for ids in snapshot.ids().chunks(CHUNK_ROWS) {
            let draft = |attempt: &mut Attempt<'_>, outcome: &mut Outcome| {
                for id in ids {
                    if attempt.retry(*id, chosen) {
                        outcome.batch_ids.push((*id, false));
                    }
                }
                Ok(())
            };
            rows += self.write(scope, entry.record().id.as_str(), draft).await?.ids.len() as u64;
        }
        Ok(rows)
    }
}

impl Attempt<'_> {
    /// Forgets the failures of a row; answers whether it had any.
    fn retry(&mut self, id: u32, chosen: &BTreeSet<ColumnId>) -> bool {
        let Some(before) = self.batch.row(id) else { return false };
        let failed: Vec<ColumnId> = before
            .computed
            .iter()
            .filter(|(column, state)| state.state == ComputeState::Failed && chosen.contains(column))
            .map(|(column, _)| *column)
            .collect();
        if failed.is_empty() {
            return false;
        }
        let mut after = StoredRow::clone(&before);
        after.computed.retain(|(column, _)| !failed.contains(column));
        self.entry.rules.touch(&mut after, &failed, self.now);
        self.batch.put(after).is_ok()
    }
}

fn chosen(entry: &Entry, columns: Option<&[String]>) -> Result<BTreeSet<ColumnId>, Error> {
    let Some(columns) = columns else { return Ok(entry.rules.iter().map(|rule| rule.column).collect()) };
    let one = |name: &String| {
        let rule = entry.rules.iter().find(|rule| rule.name == *name);
        rule.map(|rule| rule.column).ok_or_else(|| {
            let names: Vec<String> = entry.rules.iter().map(|rule| format!("{:?}", rule.name)).collect();
            let names = names.join(", ");
            Error::Invalid(format!("column {name:?} is not computed; the computed columns are [{names}]"))
        })
    };
    columns.iter().map(one).collect()
}
