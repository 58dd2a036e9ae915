//! What a bot's files hold, counted from the records alone: the check on the counters.
//!
//! Needs neither views nor model, so it also works on a folder no server uses. Invariant: equals
//! the counters at all times when nothing is being written.

use crate::kb::Kb;
use crate::{Error, File, records};
use quarry_store::RecordStore;
use quarry_types::{FileStatus, Scope};

/// Counters as a scan of the records finds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recount {
    /// Vectors of published generations and reserved by jobs.
    pub vectors: u64,
    /// Bytes charged to files.
    pub storage_bytes: u64,
    /// Of the vectors: held by indexing that has not ended.
    pub reserved_vectors: u64,
    /// Of the bytes: announced by uploads that have not ended.
    pub reserved_bytes: u64,
    /// Files that can be found.
    pub indexed_files: u64,
}

/// Counts vectors, bytes and indexed files by reading the record of every file and job.
///
/// # Errors
/// When the store does not answer or a record is damaged.
pub async fn recount(store: &dyn RecordStore, scope: &Scope) -> Result<Recount, Error> {
    let mut found = Recount::default();
    for record in records::scan_all(store, scope, &records::kb(), b"f/").await? {
        let file: File = records::decode(&record.value)?;
        found.storage_bytes += file.charged;
        if file.status == FileStatus::UploadPending {
            found.reserved_bytes += file.charged;
        }
        found.indexed_files += u64::from(file.status == FileStatus::IndexingCompleted);
        found.vectors += file.published.map_or(0, |published| u64::from(published.passages));
    }
    for record in records::scan_all(store, scope, &records::jobs(), b"j/").await? {
        let job: records::Job = records::decode(&record.value)?;
        found.reserved_vectors += job.reserved;
    }
    found.vectors += found.reserved_vectors;
    Ok(found)
}

impl Kb {
    /// Files that can be found. Opens nothing: a bot not in use is counted from its records.
    ///
    /// # Errors
    /// When the store does not answer or a record is damaged.
    pub async fn indexed_files(&self, scope: &Scope) -> Result<u64, Error> {
        let Some(view) = self.inner.views.opened_of(scope) else {
            return Ok(recount(self.inner.store.as_ref(), scope).await?.indexed_files);
        };
        let files = &view.snapshot().files;
        let indexed = files.values().filter(|entry| entry.file.status == FileStatus::IndexingCompleted);
        Ok(indexed.count() as u64)
    }
}
