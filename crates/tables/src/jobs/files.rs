//! Where the files of imports and exports come from and go to: a seam, so that tables need to know
//! nothing of the file store.

use crate::Error;
use async_trait::async_trait;
use quarry_types::Scope;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Starts reading a file from its first byte; runs on a blocking thread.
pub type OpenFile = Arc<dyn Fn() -> std::io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// A file to import.
#[derive(Clone)]
pub struct InputFile {
    /// Its id.
    pub id: String,
    /// Its name, for messages and for telling its format.
    pub name: String,
    /// Its media type as declared.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
    /// Names the content: differs when the file was replaced.
    pub content: String,
    /// Reads it.
    pub open: OpenFile,
}

/// A file an export made.
#[derive(Debug)]
pub struct NewFile {
    /// Where to keep it; what is there is replaced.
    pub key: String,
    /// Its media type.
    pub media_type: String,
    /// Its labels.
    pub tags: BTreeMap<String, String>,
    /// Its bytes.
    pub size: u64,
    /// Its content, from the first byte on.
    pub content: File,
}

/// What a bot's files take of its storage, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What they take now.
    pub used: u64,
    /// The most they may take.
    pub limit: u64,
}

/// The files of a bot.
#[async_trait]
pub trait TableFiles: Send + Sync + 'static {
    /// A file by id or key.
    ///
    /// # Errors
    /// [`Error::File`] when there is none or it has no content yet.
    async fn open(&self, scope: &Scope, id_or_key: &str) -> Result<InputFile, Error>;

    /// An empty file without a name, gone when dropped; blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    fn scratch(&self) -> std::io::Result<File>;

    /// How much may be kept: an export that would be larger is not written to its end. A file at
    /// `key`, which is to be replaced, counts as gone.
    ///
    /// # Errors
    /// When the file store fails.
    async fn room(&self, scope: &Scope, key: &str) -> Result<Room, Error>;

    /// Keeps a file of any size the storage quota has room for, private, and answers its id.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Quota`] when it may not be kept.
    async fn store(&self, scope: &Scope, file: NewFile) -> Result<String, Error>;

    /// Deletes a file; an absent one is no error.
    ///
    /// # Errors
    /// When the file store fails.
    async fn remove(&self, scope: &Scope, id: &str) -> Result<(), Error>;
}
