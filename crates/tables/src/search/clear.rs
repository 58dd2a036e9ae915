//! Vectors that no row needs any more, and the count of those there are.

use super::indexes::Indexes;
use super::text::Layout;
use super::vectors::{Tally, header};
use crate::Error;
use crate::catalog::Entry;
use crate::record::{self, ROW_PREFIX, TALLY_KEY};
use crate::tables::Tables;
use quarry_store::{Coll, Commit, Error as StoreError};
use quarry_types::{Counter, Scope, TableId};

/// Rows whose vectors one commit clears.
pub(super) const CHUNK: usize = 2_000;

/// What clearing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Rows whose vectors were deleted.
    pub rows: u64,
    /// Whether to call again.
    pub more: bool,
}

impl Indexes {
    /// Deletes the vectors of up to `most` rows from the table's collections other than `keep`.
    pub(super) async fn clear_some(
        &self,
        scope: &Scope,
        entry: &Entry,
        keep: Option<&Coll>,
        most: usize,
    ) -> Result<Cleared, Error> {
        let prefix = record::vectors_prefix(Some(&entry.record().id));
        let stored = self.store.collections(scope.bot()).await?;
        let mut left = stored.into_iter().filter(|(coll, head)| {
            coll.as_str().starts_with(&prefix) && Some(coll) != keep && head.records > 0
        });
        let Some((coll, head)) = left.next() else { return Ok(Cleared::default()) };
        let page = self.store.scan(scope.bot(), &coll, ROW_PREFIX, None, most.max(1)).await?;
        let tally = Tally::read(self.store.as_ref(), scope.bot(), &coll).await?;
        let mut commit = Commit::new(scope.bot());
        let meta = record::meta_key(&entry.record().id);
        commit.expect_key(&record::tables(), meta, Some(entry.meta.seq));
        commit.expect.push((coll.clone(), head.seq));
        let mut removed = 0_u64;
        for record in &page {
            removed += header(&record.value).map_or(0, |(_, count)| u64::from(count));
            commit.del(&coll, record.key.clone());
        }
        let last = page.len() < most.max(1);
        if last {
            commit.del(&coll, TALLY_KEY);
        } else {
            let vectors = tally.vectors.saturating_sub(removed);
            commit.put(&coll, TALLY_KEY, Tally { vectors, ..Tally::default() }.encode());
        }
        commit.quota(Counter::Vectors, -i64::try_from(removed).unwrap_or(i64::MAX), self.vector_quota());
        match self.store.commit(commit).await {
            Ok(_) => Ok(Cleared { rows: page.len() as u64, more: !last || left.next().is_some() }),
            Err(StoreError::Conflict { .. }) => Ok(Cleared { rows: 0, more: true }),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds to a commit that deletes a table the removal of its vectors and of what they count.
    pub(crate) async fn drop_with(
        &self,
        scope: &Scope,
        table: &TableId,
        commit: &mut Commit,
    ) -> Result<(), Error> {
        let prefix = record::vectors_prefix(Some(table));
        for (coll, head) in self.store.collections(scope.bot()).await? {
            if !coll.as_str().starts_with(&prefix) {
                continue;
            }
            let tally = Tally::read(self.store.as_ref(), scope.bot(), &coll).await?;
            let vectors = i64::try_from(tally.vectors).unwrap_or(i64::MAX);
            commit.expect.push((coll.clone(), head.seq));
            commit.drop.push(coll);
            commit.quota(Counter::Vectors, -vectors, self.vector_quota());
        }
        Ok(())
    }
}

impl Tables {
    /// Deletes the vectors of up to `most` rows of a table without searchable columns, with what they
    /// count in the quota. A table with searchable columns keeps all it has. The same goes on in the
    /// background once no column is searchable; calling it only shows how far that is.
    ///
    /// # Errors
    /// [`Error::NoTable`], or when the store fails.
    pub async fn clear_vectors(&self, scope: &Scope, table: &str, most: usize) -> Result<Cleared, Error> {
        let entry = self.catalog.entry(scope, table).await?;
        if !Layout::of(entry.record()).is_empty() {
            return Ok(Cleared::default());
        }
        self.indexes.clear_some(scope, &entry, None, most).await
    }
}
