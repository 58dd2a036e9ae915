//! A file on its way to new content: what it has published is still the content it had.
//!
//! Owns the rule that until the new content is published, the old one is found under no filter that
//! its own tags did not pass, is shown with its own tags and metadata, and outlives neither its own
//! end nor the time that the new one has to arrive.

use crate::file::Published;
use crate::files::{merge_metadata, merge_tags};
use crate::{File, FilePatch, Tags};
use quarry_types::{FileStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// How long the bytes of an upsert may take to begin to arrive.
pub(crate) const UPLOAD_MS: i64 = 15 * 60 * 1000;

/// A file as it was when an upsert began to replace what it has published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Its tags then: no later change brings the old content under other filters.
    pub tags: Tags,
    /// Those with the changes made since: what is shown, and what filters must let through as well.
    pub shown_tags: Tags,
    /// Its metadata, with the changes made since.
    pub metadata: Map<String, Value>,
    /// Its media type.
    pub content_type: String,
    /// When it was to end.
    pub expires_at: Option<Timestamp>,
}

impl Replaced {
    fn of(file: &File) -> Self {
        Self {
            tags: file.tags.clone(),
            shown_tags: file.tags.clone(),
            metadata: file.metadata.clone(),
            content_type: file.content_type.clone(),
            expires_at: file.expires_at,
        }
    }

    pub(crate) fn patch(&mut self, patch: &FilePatch) {
        if let Some(tags) = &patch.tags {
            merge_tags(&mut self.shown_tags, tags);
        }
        if let Some(metadata) = &patch.metadata {
            merge_metadata(&mut self.metadata, metadata);
        }
    }
}

impl File {
    /// Until when its bytes may begin to arrive.
    #[must_use]
    pub fn upload_ends_at(&self) -> Timestamp {
        self.upload_until.unwrap_or(Timestamp(self.updated_at.as_ms() + UPLOAD_MS))
    }

    /// Its searchable generation for those who ask for the file itself: `None` as long as that belongs to content
    /// with other tags than the file has now.
    #[must_use]
    pub fn readable(&self) -> Option<&Published> {
        let same = |replaced: &Replaced| replaced.tags == self.tags;
        self.published.as_ref().filter(|published| published.replaced.as_deref().is_none_or(same))
    }

    /// What an upsert leaves searchable of it.
    pub(crate) fn kept(&self) -> Option<Published> {
        let mut published = self.published.clone()?;
        published.replaced.get_or_insert_with(|| Box::new(Replaced::of(self)));
        Some(published)
    }

    /// The file as search finds and shows it: with the end of what it has published.
    pub(crate) fn found(self: &Arc<Self>) -> Arc<Self> {
        let Some(published) = &self.published else { return self.clone() };
        let replaced = published.replaced.as_deref();
        let waits = self.status == FileStatus::UploadPending;
        let ends = [
            self.expires_at,
            replaced.and_then(|replaced| replaced.expires_at),
            waits.then(|| self.upload_ends_at()),
        ];
        let ends = ends.into_iter().flatten().min();
        if replaced.is_none() && ends == self.expires_at {
            return self.clone();
        }
        let mut found = Self { expires_at: ends, ..Self::clone(self) };
        if let Some(Replaced { shown_tags, metadata, content_type, .. }) = replaced {
            found.tags.clone_from(shown_tags);
            found.metadata.clone_from(metadata);
            found.content_type.clone_from(content_type);
        }
        Arc::new(found)
    }

    /// Whether bytes are still awaited, or paid for without being there.
    pub(crate) fn awaits_upload(&self) -> bool {
        self.blob.is_none() && (self.status == FileStatus::UploadPending || self.charged > 0)
    }
}
