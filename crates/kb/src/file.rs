//! The file record: one per (bot, key).

use crate::replaced::Replaced;
use quarry_types::{FileId, FileStatus, Timestamp, Visibility};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Flat string tags: what lists and searches filter on.
pub type Tags = BTreeMap<String, String>;
/// A patch of tags: `None` removes, a tag that is not there is no error.
pub type TagsPatch = BTreeMap<String, Option<String>>;

/// A file as stored. `url` and `uploadUrl` are the routes' business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Its identity within the bot.
    pub key: String,
    /// Raised by every upsert; an upload URL is bound to it.
    pub version: u64,
    /// Bytes announced by the upsert.
    pub declared_size: u64,
    /// Bytes stored, once the upload is complete.
    pub size: Option<u64>,
    /// Media type as given or inferred from the key.
    pub content_type: String,
    /// Current tags.
    pub tags: Tags,
    /// Free JSON, never filtered on.
    pub metadata: Map<String, Value>,
    /// First upsert.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
    /// Who else may read the content.
    pub access: Vec<Visibility>,
    /// Whether indexing was asked for.
    pub index: bool,
    /// `indexing.configuration` as sent (`null` when absent).
    pub indexing: Value,
    /// Where it stands.
    pub status: FileStatus,
    /// Why it failed, on the two failed states.
    pub failed_reason: Option<String>,
    /// When it is to be deleted.
    pub expires_at: Option<Timestamp>,
    /// Until when its bytes may begin to arrive; `None` in records of before it was kept.
    #[serde(default)]
    pub upload_until: Option<Timestamp>,
    /// SHA-256 of the content once uploaded.
    pub blob: Option<String>,
    /// Bytes of this file in the storage counter.
    pub charged: u64,
    /// The last generation number given to an ingest of this file.
    pub generation: u32,
    /// The searchable generation.
    pub published: Option<Published>,
}

/// What search sees of a file: one generation, published and retired whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its number.
    pub generation: u32,
    /// Number of passages; each has one vector, counted in the vector quota.
    pub passages: u32,
    /// Blob with the extracted text (UTF-8).
    pub text_blob: String,
    /// (first character, page), ascending; empty when the format has no pages.
    pub page_starts: Vec<(u32, u32)>,
    /// What extraction had to leave out or guess.
    pub warnings: Vec<String>,
    /// What the document says about itself; `None` for generations of before it was kept.
    #[serde(default)]
    pub facts: Option<Facts>,
    /// The file whose content it is, once an upsert has begun to replace that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Box<Replaced>>,
}

/// What a document says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Its title.
    pub title: Option<String>,
    /// Number of pages, when the format has pages.
    pub pages: Option<u32>,
    /// The format it was read as.
    pub media_type: Option<String>,
    /// Characters of its text.
    pub characters: u32,
    /// Author, dates, language and more.
    pub metadata: quarry_extract::Metadata,
    /// Options of its indexing configuration that were skipped, such as `summarization.enable`.
    #[serde(default)]
    pub skipped_options: Vec<String>,
}

impl Facts {
    pub(crate) fn of(document: &quarry_extract::Document) -> Self {
        Self {
            title: document.title.clone(),
            pages: document.pages,
            media_type: document.media.map(|media| media.content_type().to_owned()),
            characters: u32::try_from(document.text.chars().count()).unwrap_or(u32::MAX),
            metadata: document.metadata.clone(),
            skipped_options: Vec::new(),
        }
    }
}

impl Published {
    /// Page of a character of the extracted text.
    #[must_use]
    pub fn page_of(&self, character: u32) -> Option<u32> {
        let after = self.page_starts.partition_point(|(start, _)| *start <= character);
        let (_, page) = self.page_starts.get(after.checked_sub(1)?)?;
        Some(*page)
    }
}

/// `upsertFile`.
#[derive(Debug, Clone)]
pub struct UpsertFile {
    /// Identity; an existing file with it is replaced.
    pub key: String,
    /// Bytes to come.
    pub size: u64,
    /// Tags.
    pub tags: Tags,
    /// Metadata.
    pub metadata: Map<String, Value>,
    /// Whether to index.
    pub index: bool,
    /// `indexing.configuration`.
    pub indexing: Option<Value>,
    /// Who else may read.
    pub access: Vec<Visibility>,
    /// Media type; inferred from the key when absent.
    pub content_type: Option<String>,
    /// When to delete it.
    pub expires_at: Option<Timestamp>,
}

/// `updateFileMetadata`; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct FilePatch {
    /// Merged into the metadata; `null` deletes a key.
    pub metadata: Option<Map<String, Value>>,
    /// Merged into the tags.
    pub tags: Option<TagsPatch>,
    /// Replaces the policies.
    pub access: Option<Vec<Visibility>>,
    /// Sets or removes the expiry.
    pub expires_at: Option<Option<Timestamp>>,
}

#[cfg(test)]
mod tests {
    use super::Published;

    #[test]
    fn page_of_a_character() {
        let published = Published {
            generation: 1,
            passages: 1,
            text_blob: String::new(),
            page_starts: vec![(0, 1), (10, 2), (20, 4)],
            warnings: vec![],
            facts: None,
            replaced: None,
        };
        let pages: Vec<_> = [0, 9, 10, 19, 20, 999].map(|c| published.page_of(c)).into();
        assert_eq!(pages, [Some(1), Some(1), Some(2), Some(2), Some(4), Some(4)]);
        assert_eq!(Published { page_starts: vec![], ..published }.page_of(3), None);
    }
}
