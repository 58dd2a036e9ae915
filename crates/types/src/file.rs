//! The life of a file as the API shows it.

use serde::{Deserialize, Serialize};

/// Status life: `upload_pending` → `upload_completed`, or with indexing asked for straight to
/// `indexing_pending` → `indexing_completed` | `indexing_failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// The record exists, the bytes do not.
    UploadPending,
    /// The bytes were refused or lost; see the reason.
    UploadFailed,
    /// The bytes are stored; no indexing was asked for.
    UploadCompleted,
    /// Waiting for, or in, extraction and embedding.
    IndexingPending,
    /// Extraction or indexing failed; see the reason.
    IndexingFailed,
    /// Searchable.
    IndexingCompleted,
}

impl FileStatus {
    /// The wire word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UploadPending => "upload_pending",
            Self::UploadFailed => "upload_failed",
            Self::UploadCompleted => "upload_completed",
            Self::IndexingPending => "indexing_pending",
            Self::IndexingFailed => "indexing_failed",
            Self::IndexingCompleted => "indexing_completed",
        }
    }

    /// Whether the bytes are stored.
    #[must_use]
    pub fn has_content(self) -> bool {
        !matches!(self, Self::UploadPending | Self::UploadFailed)
    }
}

/// Who may read a file's content besides its bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Anyone with the URL.
    PublicContent,
    /// Integrations installed in the bot.
    Integrations,
}
