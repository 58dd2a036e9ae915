//! The file of a page: its key, tags and metadata, as the agent runtime's knowledge search reads them.

use crate::kb::Kb;
use crate::sources::record::{Source, SourceKind};
use crate::{Error, File, FilePatch, Tags, TagsPatch, UpsertFile};
use bytes::Bytes;
use quarry_types::{FileStatus, Scope, hex};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Content on its way into a file.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) key: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
    /// `title`, `url` and what else is known.
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// As `encodeURIComponent` of JavaScript.
fn component(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What all keys of a source start with.
pub(crate) fn key_prefix(source: &Source) -> String {
    format!("data_source://{}/{}/", source.kind.files_type(), source.id)
}

/// The key of a page's file.
pub(crate) fn page_key(source: &Source, url: &str) -> String {
    format!("{}{}", key_prefix(source), component(url))
}

/// The key of the one file of a text or table.
pub(crate) fn whole_key(source: &Source) -> String {
    let name = match &source.kind {
        SourceKind::Text { title, .. } => format!("{}.md", component(title)),
        SourceKind::Table { table } => format!("{}.csv", component(table)),
        _ => String::new(),
    };
    format!("{}{name}", key_prefix(source))
}

/// The tags of a source's files.
pub(crate) fn tags(source: &Source) -> Tags {
    let mut tags = source.tags.clone();
    let own = [
        ("source", "knowledge-base"),
        ("kbId", source.base.as_str()),
        ("kbName", source.base_name.as_str()),
        ("dsId", source.id.as_str()),
        ("dsType", source.kind.files_type()),
    ];
    tags.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    tags
}

pub(crate) fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether a file stands for content that was taken and could be indexed, or still may be.
pub(crate) fn is_sound(file: &File) -> bool {
    let failed = matches!(
        file.status,
        FileStatus::UploadPending | FileStatus::UploadFailed | FileStatus::IndexingFailed
    );
    !failed && file.blob.is_some()
}

/// Writes content into the source's file of that key and queues it for indexing.
pub(crate) async fn store(
    kb: &Kb,
    scope: &Scope,
    source: &Source,
    content: Content,
) -> Result<Arc<File>, Error> {
    let Content { key, content_type, bytes, facts } = content;
    let mut metadata: Map<String, Value> =
        facts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let own = [
        ("hash", hash_of(&bytes)),
        ("contentType", content_type.clone()),
        ("dsId", source.id.clone()),
        ("dsType", source.kind.files_type().to_owned()),
    ];
    metadata.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
    let upsert = UpsertFile {
        key,
        size: bytes.len() as u64,
        tags: tags(source),
        metadata,
        index: true,
        indexing: Some(source.indexing.clone()).filter(|value| !value.is_null()),
        access: Vec::new(),
        content_type: Some(content_type),
        expires_at: None,
    };
    let file = kb.upsert_file(scope, upsert).await?;
    let mut upload = kb.begin_upload(scope, &file.id, file.version).await?;
    if !bytes.is_empty() {
        upload.write(bytes).await?;
    }
    upload.finish().await
}

/// Brings the tags of a file that stays up to date, such as after its knowledge base got another name.
pub(crate) async fn retag(kb: &Kb, scope: &Scope, source: &Source, file: &File) -> Result<(), Error> {
    let wanted = tags(source);
    if wanted.iter().all(|(name, value)| file.tags.get(name) == Some(value)) {
        return Ok(());
    }
    let tags: TagsPatch = wanted.into_iter().map(|(name, value)| (name, Some(value))).collect();
    let patch = FilePatch { tags: Some(tags), ..FilePatch::default() };
    kb.update_file(scope, file.id.as_str(), patch).await?;
    Ok(())
}

/// Removes a file; one that is gone already is no error.
pub(crate) async fn remove(kb: &Kb, scope: &Scope, key: &str) -> Result<bool, Error> {
    match kb.delete_file(scope, key).await {
        Ok(()) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::component;

    #[test]
    fn as_javascript_encodes() {
        assert_eq!(
            component("https://x.example/a b?ü=(1)!"),
            "https%3A%2F%2Fx.example%2Fa%20b%3F%C3%BC%3D(1)!"
        );
    }
}
