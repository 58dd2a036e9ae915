//! Receiving a file's bytes: blob first, then the record that names it.

use crate::files::{delta, entry, put_file, put_job, received};
use crate::kb::Kb;
use crate::{Error, File};
use bytes::Bytes;
use quarry_store::BlobWriter;
use quarry_types::{Counter, FileId, Scope, Timestamp};
use std::cmp::Ordering;
use std::sync::Arc;

/// An upload in progress. Dropped before [`Upload::finish`], it leaves nothing.
pub struct Upload {
    kb: Kb,
    scope: Scope,
    id: FileId,
    version: u64,
    declared: u64,
    writer: Box<dyn BlobWriter>,
}

impl Kb {
    /// Starts receiving the content that `upsert_file` announced.
    ///
    /// # Errors
    /// `NotFound`, `Superseded` when the file was upserted again since.
    pub async fn begin_upload(&self, scope: &Scope, id: &FileId, version: u64) -> Result<Upload, Error> {
        let file = self.file(scope, id.as_str()).await?;
        check_version(&file, version)?;
        let writer = self.inner.blobs.create().await?;
        let declared = file.declared_size;
        Ok(Upload { kb: self.clone(), scope: scope.clone(), id: id.clone(), version, declared, writer })
    }
}

impl Upload {
    /// Appends bytes.
    ///
    /// # Errors
    /// `TooLarge` as soon as there are more than announced.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let after = self.writer.len() + chunk.len() as u64;
        if after > self.declared {
            let declared = self.declared;
            return Err(Error::TooLarge(format!(
                "more than the {declared} bytes announced as size; call upsertFile with the true size"
            )));
        }
        Ok(self.writer.write(chunk).await?)
    }

    /// Makes the bytes the file's content and, if asked for, queues it for indexing.
    ///
    /// # Errors
    /// `Invalid` when bytes are missing, `Superseded` when the file was upserted again meanwhile,
    /// `Uploaded` when it has got other bytes, a quota refusal when its time was over meanwhile.
    pub async fn finish(self) -> Result<Arc<File>, Error> {
        let Self { kb, scope, id, version, declared, writer } = self;
        if writer.len() < declared {
            let got = writer.len();
            return Err(Error::Invalid(format!(
                "{got} of the {declared} announced bytes arrived; upload again"
            )));
        }
        let (blob, size) = writer.finish().await?;
        let (now, limit) = (Timestamp::now(), kb.inner.settings.storage_quota_bytes);
        let (job, after) = kb
            .inner
            .transact(&scope, |snapshot, commit| {
                let old = entry(snapshot, id.as_str())?;
                check_version(&old.file, version)?;
                if let Some(known) = old.file.blob.as_deref() {
                    // A repeated PUT after a lost answer.
                    return if known == blob.as_str() { Ok(None) } else { Err(Error::Uploaded) };
                }
                let mut file = File::clone(&old.file);
                file.blob = Some(blob.as_str().to_owned());
                file.size = Some(size);
                // What was given back when the time for it was over.
                commit.quota(Counter::StorageBytes, delta(size, file.charged), limit);
                file.charged = size;
                let job = received(&mut file, now);
                if let Some(job) = &job {
                    put_job(commit, job)?;
                }
                put_file(commit, Some(old), &file)?;
                Ok(job)
            })
            .await?;
        if let Some(job) = &job {
            kb.inner.enqueue(&scope, job);
        }
        entry(&after, id.as_str()).map(|entry| entry.file.clone())
    }
}

/// Refuses the bytes of another version than the file has.
fn check_version(file: &File, version: u64) -> Result<(), Error> {
    match version.cmp(&file.version) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(Error::Superseded),
        // Of a time that this data folder does not know of, such as before it was restored.
        Ordering::Greater => Err(Error::no_file(file.id.as_str())),
    }
}
