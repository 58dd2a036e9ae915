//! Blobs: immutable bytes named by their SHA-256.

use crate::Error;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;

/// SHA-256 of the content, 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobHash(String);

impl BlobHash {
    /// Parses 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fine = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        fine.then(|| Self(text.to_owned()))
    }

    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A blob being written: nothing is visible until [`BlobStore::put`] finishes it.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends bytes.
    async fn write(&mut self, chunk: Bytes) -> Result<(), Error>;
    /// Bytes so far.
    fn len(&self) -> u64;
    /// Whether there are none so far.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Makes it durable under its hash and answers hash and size. Dropping without this leaves nothing.
    async fn finish(self: Box<Self>) -> Result<(BlobHash, u64), Error>;
}

/// Immutable bytes by content hash. A record names a blob only after `finish` returned; a blob
/// that no record names is garbage and is swept by recovery.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Starts a new blob.
    async fn create(&self) -> Result<Box<dyn BlobWriter>, Error>;
    /// Reads `len` bytes (fewer at the end) from `offset`.
    async fn read(&self, hash: &BlobHash, offset: u64, len: usize) -> Result<Bytes, Error>;
    /// Its size; `None` when absent.
    async fn size(&self, hash: &BlobHash) -> Result<Option<u64>, Error>;
    /// A local path that holds the bytes (for the extraction child); read only.
    async fn local_path(&self, hash: &BlobHash) -> Result<PathBuf, Error>;
    /// Removes it; absent is no error.
    async fn delete(&self, hash: &BlobHash) -> Result<(), Error>;
    /// Every blob (for the sweep).
    async fn list(&self) -> Result<Vec<BlobHash>, Error>;
}
