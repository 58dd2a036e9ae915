//! The files of a bot as table imports and exports see them.
//!
//! Joins the two crates that do not know each other. Invariant: a file is opened and kept within the
//! scope it is asked for in.

use async_trait::async_trait;
use bytes::Bytes;
use quarry_kb::{Kb, UpsertFile};
use quarry_store::{BlobHash, BlobStore, DataPaths};
use quarry_tables::{Error, InputFile, NewFile, OpenFile, Room, TableFiles};
use quarry_types::{ErrorKind, Scope};
use serde_json::Map;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Bytes moved from an export to the file store at a time.
const MOVED_BYTES: usize = 1 << 20;

/// Files of the knowledge base, with a place for exports in the making.
pub(crate) struct BotFiles {
    /// The files.
    pub(crate) kb: Kb,
    /// Their contents.
    pub(crate) blobs: Arc<dyn BlobStore>,
    /// Where unfinished exports lie.
    pub(crate) paths: DataPaths,
}

fn of_kb(error: quarry_kb::Error) -> Error {
    match error {
        quarry_kb::Error::Store(cause) => cause.into(),
        other => Error::File { kind: other.kind(), message: other.to_string() },
    }
}

#[async_trait]
impl TableFiles for BotFiles {
    async fn open(&self, scope: &Scope, id_or_key: &str) -> Result<InputFile, Error> {
        let refuse = |message: String| Error::File { kind: ErrorKind::ReferenceNotFound, message };
        let file = self.kb.file(scope, id_or_key).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => refuse(format!("fileId: {error}")),
            _ => of_kb(error),
        })?;
        let hash = file.blob.as_deref().and_then(BlobHash::parse);
        let (Some(hash), Some(size)) = (hash, file.size) else {
            let message = format!("fileId: file {:?} has no content yet; upload it first", file.key);
            return Err(Error::File { kind: ErrorKind::Invalid, message });
        };
        let path = self.blobs.local_path(&hash).await?;
        let open: OpenFile = Arc::new(move || Ok(Box::new(File::open(&path)?) as Box<dyn Read + Send>));
        Ok(InputFile {
            id: file.id.as_str().to_owned(),
            name: file.key.clone(),
            media_type: file.content_type.clone(),
            size,
            content: hash.as_str().to_owned(),
            open,
        })
    }

    fn scratch(&self) -> std::io::Result<File> {
        self.paths.scratch()
    }

    async fn room(&self, scope: &Scope, key: &str) -> Result<Room, Error> {
        let replaced = match self.kb.file(scope, key).await {
            Ok(file) => file.charged,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(of_kb(error)),
        };
        let (used, limit) = self.kb.storage(scope).await.map_err(of_kb)?;
        Ok(Room { used: used.saturating_sub(replaced), limit })
    }

    async fn store(&self, scope: &Scope, file: NewFile) -> Result<String, Error> {
        let NewFile { key, media_type, tags, size, mut content } = file;
        let upsert = UpsertFile {
            key,
            size,
            tags,
            metadata: Map::new(),
            index: false,
            indexing: None,
            access: Vec::new(),
            content_type: Some(media_type),
            expires_at: None,
        };
        let file = self.kb.upsert_made_file(scope, upsert).await.map_err(of_kb)?;
        let mut upload = self.kb.begin_upload(scope, &file.id, file.version).await.map_err(of_kb)?;
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = Vec::with_capacity(MOVED_BYTES);
                content.by_ref().take(MOVED_BYTES as u64).read_to_end(&mut piece)?;
                Ok::<_, std::io::Error>((content, piece))
            });
            let moved = read.await?;
            let (rest, piece) =
                moved.map_err(|cause| Error::Internal(format!("reading back an export: {cause}")))?;
            content = rest;
            if piece.is_empty() {
                break;
            }
            upload.write(Bytes::from(piece)).await.map_err(of_kb)?;
        }
        let file = upload.finish().await.map_err(of_kb)?;
        Ok(file.id.as_str().to_owned())
    }

    async fn remove(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        match self.kb.delete_file(scope, id).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(of_kb(error)),
            _ => Ok(()),
        }
    }
}
