//! Blobs in a local folder.
//!
//! Knows nothing of records. Invariant: a file under `blobs/` is complete, durable and named by the
//! SHA-256 of its bytes; unfinished writes live in `tmp/` and vanish with their writer.

use crate::Error;
use crate::blob::{BlobHash, BlobStore, BlobWriter};
use crate::paths::{self, DataPaths};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// Bytes gathered before one hop to the blocking pool.
const GATHER_BYTES: usize = 256 * 1024;

/// A [`BlobStore`] on a folder of the local disk. Needs a tokio runtime for its blocking calls.
#[derive(Debug)]
pub struct LocalBlobs {
    paths: DataPaths,
}

impl LocalBlobs {
    pub(crate) fn new(paths: DataPaths) -> Self {
        Self { paths }
    }

    /// Removes blobs that `referenced` does not know and that are older than `min_age`, and answers
    /// how many. A blob is stored before the record that names it commits, so while uploads run
    /// `min_age` must be longer than that takes; before the first upload it may be zero.
    ///
    /// # Errors
    /// When the folder cannot be read or a blob not be removed.
    pub async fn sweep_blobs(
        &self,
        referenced: impl Fn(&BlobHash) -> bool + Send + 'static,
        min_age: Duration,
    ) -> Result<usize, Error> {
        let paths = self.paths.clone();
        blocking(move || {
            let mut removed = 0;
            let now = SystemTime::now();
            for hash in all_blobs(&paths)? {
                let path = paths.blob(&hash);
                let Some(meta) = found(path.metadata())? else { continue };
                let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
                if age >= min_age && !referenced(&hash) && found(std::fs::remove_file(&path))?.is_some() {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error> {
        let paths = self.paths.clone();
        blocking(move || {
            let file = NamedTempFile::new_in(paths.tmp()).map_err(|cause| paths::at(&paths.tmp(), cause))?;
            let open = Open { file, hasher: Sha256::new() };
            let writer = Writer { paths, open: Some(open), gathered: Vec::new(), len: 0 };
            Ok(Box::new(writer) as Box<dyn BlobWriter>)
        })
        .await
    }

    async fn read(&self, hash: &BlobHash, offset: u64, len: usize) -> Result<Bytes, Error> {
        let (path, hash) = (self.paths.blob(hash), hash.clone());
        blocking(move || {
            let Some(mut file) = found(std::fs::File::open(&path))? else { return Err(missing(&hash)) };
            let size = file.metadata()?.len();
            let want = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = vec![0; want];
            file.read_exact(&mut bytes)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    async fn size(&self, hash: &BlobHash) -> Result<Option<u64>, Error> {
        let path = self.paths.blob(hash);
        blocking(move || Ok(found(path.metadata())?.map(|meta| meta.len()))).await
    }

    async fn local_path(&self, hash: &BlobHash) -> Result<PathBuf, Error> {
        match self.size(hash).await? {
            Some(_) => Ok(self.paths.blob(hash)),
            None => Err(missing(hash)),
        }
    }

    async fn delete(&self, hash: &BlobHash) -> Result<(), Error> {
        let path = self.paths.blob(hash);
        blocking(move || found(std::fs::remove_file(path)).map(drop)).await
    }

    async fn list(&self) -> Result<Vec<BlobHash>, Error> {
        let paths = self.paths.clone();
        blocking(move || all_blobs(&paths)).await
    }
}

struct Open {
    file: NamedTempFile,
    hasher: Sha256,
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|cause| paths::at(self.file.path(), cause))
    }
}

struct Writer {
    paths: DataPaths,
    /// Absent after a failed write: nothing more is taken then.
    open: Option<Open>,
    gathered: Vec<u8>,
    len: u64,
}

impl Writer {
    fn open(&mut self) -> Result<Open, Error> {
        self.open.take().ok_or_else(|| {
            Error::io(io::Error::other("an earlier write of this blob failed; start the upload again"))
        })
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.len += chunk.len() as u64;
        if self.gathered.len() + chunk.len() < GATHER_BYTES {
            self.gathered.extend_from_slice(&chunk);
            return Ok(());
        }
        let mut open = self.open()?;
        let gathered = std::mem::take(&mut self.gathered);
        let open = blocking(move || {
            open.append(&gathered)?;
            open.append(&chunk)?;
            Ok(open)
        })
        .await?;
        self.open = Some(open);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    async fn finish(mut self: Box<Self>) -> Result<(BlobHash, u64), Error> {
        let mut open = self.open()?;
        let (gathered, paths, len) = (std::mem::take(&mut self.gathered), self.paths.clone(), self.len);
        blocking(move || {
            open.append(&gathered)?;
            let hex = quarry_types::hex(&open.hasher.finalize());
            let hash = BlobHash::parse(&hex).ok_or_else(|| Error::Corrupt(format!("hash {hex}")))?;
            paths::create_folder(&paths.blob_folder(&hash))?;
            // Also when it exists already: the rename is atomic, the bytes are the same, and the new
            // time of change keeps the sweep away from a blob that is about to be referenced.
            paths::publish(open.file, &paths.blob(&hash))?;
            Ok((hash, len))
        })
        .await
    }
}

fn all_blobs(paths: &DataPaths) -> Result<Vec<BlobHash>, Error> {
    let mut blobs = Vec::new();
    let Some(folders) = found(std::fs::read_dir(paths.blobs()))? else { return Ok(blobs) };
    for folder in folders {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder.path())? {
            blobs.extend(file?.file_name().to_str().and_then(BlobHash::parse));
        }
    }
    blobs.sort();
    Ok(blobs)
}

fn missing(hash: &BlobHash) -> Error {
    Error::MissingBlob(hash.as_str().to_owned())
}

fn found<T>(result: io::Result<T>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// Runs disk work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| Err(Error::io(cause)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn store() -> (tempfile::TempDir, LocalBlobs) {
        let dir = tempfile::tempdir().unwrap();
        let paths = DataPaths::new(dir.path());
        paths::create_folder(&paths.tmp()).unwrap();
        paths::create_folder(&paths.blobs()).unwrap();
        (dir, LocalBlobs::new(paths))
    }

    async fn put(blobs: &LocalBlobs, chunks: &[&[u8]]) -> BlobHash {
        let mut writer = blobs.create().await.unwrap();
        for chunk in chunks {
            writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        writer.finish().await.unwrap().0
    }

    fn files_in(folder: PathBuf) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn the_name_is_the_sha256_of_the_bytes() {
        let (_dir, blobs) = store();
        let hash = put(&blobs, &[b"a", b"bc"]).await;
        assert_eq!(hash.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(blobs.size(&hash).await.unwrap(), Some(3));
        assert_eq!(blobs.read(&hash, 1, 10).await.unwrap().as_ref(), b"bc");
        assert_eq!(blobs.read(&hash, 9, 10).await.unwrap().as_ref(), b"");
        assert_eq!(std::fs::read(blobs.local_path(&hash).await.unwrap()).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn chunks_of_any_size_end_up_in_order() {
        let (_dir, blobs) = store();
        let whole: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
        let hash =
            put(&blobs, &[&whole[..100], &whole[100..400_000], &whole[400_000..400_001], &whole[400_001..]])
                .await;
        assert_eq!(blobs.read(&hash, 0, usize::MAX).await.unwrap(), whole);
        assert_eq!(put(&blobs, &[&whole]).await, hash);
        assert_eq!(blobs.list().await.unwrap(), [hash]);
    }

    #[tokio::test]
    async fn an_unfinished_blob_leaves_nothing() {
        let (_dir, blobs) = store();
        let mut writer = blobs.create().await.unwrap();
        writer.write(Bytes::from(vec![7; 2 * GATHER_BYTES])).await.unwrap();
        assert_eq!(files_in(blobs.paths.tmp()), 1);
        drop(writer);
        assert_eq!(files_in(blobs.paths.tmp()), 0);
        assert!(blobs.list().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn missing_blobs_are_named_errors_and_deleting_them_is_none() {
        let (_dir, blobs) = store();
        let hash = put(&blobs, &[b"x"]).await;
        blobs.delete(&hash).await.unwrap();
        blobs.delete(&hash).await.unwrap();
        assert_eq!(blobs.size(&hash).await.unwrap(), None);
        assert!(matches!(blobs.read(&hash, 0, 1).await, Err(Error::MissingBlob(_))));
        assert!(matches!(blobs.local_path(&hash).await, Err(Error::MissingBlob(_))));
    }

    #[tokio::test]
    async fn the_sweep_keeps_referenced_and_young_blobs() {
        let (_dir, blobs) = store();
        let kept = put(&blobs, &[b"kept"]).await;
        let lost = put(&blobs, &[b"lost"]).await;
        let hour = Duration::from_secs(3600);
        assert_eq!(blobs.sweep_blobs(|_| false, hour).await.unwrap(), 0);
        let known = kept.clone();
        assert_eq!(blobs.sweep_blobs(move |hash| *hash == known, Duration::ZERO).await.unwrap(), 1);
        assert_eq!(blobs.list().await.unwrap(), [kept]);
        assert_eq!(blobs.size(&lost).await.unwrap(), None);
    }
}
