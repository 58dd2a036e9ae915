//! What a bot's tables hold, counted from the records alone: the check on the counters.
//!
//! Needs neither views nor model, so it also works on a folder no server uses.

use crate::Error;
use crate::api::Recount;
use crate::catalog::Catalog;
use crate::record;
use crate::removal;
use crate::search::header;
use quarry_store::RecordStore;
use quarry_types::Scope;
use std::sync::Arc;

const SCAN_PAGE: usize = 8_192;

/// Rows × factor and row vectors of a bot, counted by reading every record.
///
/// # Errors
/// When the store fails or a table's record is damaged.
pub async fn recount(store: &Arc<dyn RecordStore>, scope: &Scope) -> Result<Recount, Error> {
    count(&Catalog::new(Arc::clone(store), 0), store.as_ref(), scope).await
}

pub(crate) async fn count(
    catalog: &Catalog,
    store: &dyn RecordStore,
    scope: &Scope,
) -> Result<Recount, Error> {
    Ok(Recount { table_rows: rows(catalog, store, scope).await?, vectors: vectors(store, scope).await? })
}

async fn rows(catalog: &Catalog, store: &dyn RecordStore, scope: &Scope) -> Result<u64, Error> {
    let mut total = 0_u64;
    for entry in catalog.listing(scope).await?.entries() {
        let coll = record::rows_of(&entry.record().id);
        let removals = removal::removals(store, scope.bot(), &coll).await?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page =
                store.scan(scope.bot(), &coll, record::ROW_PREFIX, after.as_deref(), SCAN_PAGE).await?;
            let is_there = |key: &[u8]| {
                let id = record::parse_row_key(key);
                id.is_none_or(|id| removals.values().all(|removal| !removal.ids.contains(id)))
            };
            let rows = page.iter().filter(|record| is_there(&record.key)).count();
            total += rows as u64 * u64::from(entry.record().factor);
            let Some(last) = page.last().filter(|_| page.len() == SCAN_PAGE) else { break };
            after = Some(last.key.clone());
        }
    }
    Ok(total)
}

async fn vectors(store: &dyn RecordStore, scope: &Scope) -> Result<u64, Error> {
    let mut total = 0_u64;
    for (coll, _) in store.collections(scope.bot()).await? {
        if !coll.as_str().starts_with(&record::vectors_prefix(None)) {
            continue;
        }
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page =
                store.scan(scope.bot(), &coll, record::ROW_PREFIX, after.as_deref(), SCAN_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for record in &page {
                let found = header(&record.value);
                let (_, count) = found.ok_or_else(|| Error::Corrupt(format!("vectors in {coll:?}")))?;
                total += u64::from(count);
            }
        }
    }
    Ok(total)
}
