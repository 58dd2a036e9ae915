//! Receiving a file's bytes: blob first, then the record that names it.

use crate::files::{entry, put_file, put_job, received};
use crate::kb::Kb;
use crate::{Error, File};
use bytes::Bytes;
use quarry_store::BlobWriter;
use quarry_types::{FileId, Scope, Timestamp};
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
    /// `NotFound`, `Outdated` when the file was upserted again since.
    pub async fn begin_upload(&self, scope: &Scope, id: &FileId, version: u64) -> Result<Upload, Error> {
        let file = self.file(scope, id.as_str()).await?;
        if file.version != version {
            return Err(Error::Outdated);
        }
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
    /// `Invalid` when bytes are missing, `Outdated` when the file was upserted again meanwhile.
    pub async fn finish(self) -> Result<Arc<File>, Error> {
        let Self { kb, scope, id, version, declared, writer } = self;
        if writer.len() < declared {
            let got = writer.len();
            return Err(Error::Invalid(format!(
                "{got} of the {declared} announced bytes arrived; upload again"
            )));
        }
        let (blob, size) = writer.finish().await?;
        let now = Timestamp::now();
        let (job, after) = kb
            .inner
            .transact(&scope, |snapshot, commit| {
                let old = entry(snapshot, id.as_str())?;
                if old.file.version != version {
                    return Err(Error::Outdated);
                }
                if let Some(known) = old.file.blob.as_deref() {
                    // A repeated PUT after a lost answer.
                    return if known == blob.as_str() { Ok(None) } else { Err(Error::Outdated) };
                }
                let mut file = File::clone(&old.file);
                file.blob = Some(blob.as_str().to_owned());
                file.size = Some(size);
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
