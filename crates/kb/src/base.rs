//! Knowledge bases: thin named objects; membership is a file's `kbId` or `kbName` tag.

use crate::Tags;
use quarry_types::{KbId, Timestamp};
use serde::{Deserialize, Serialize};

/// A knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its id.
    pub id: KbId,
    /// Its name; not unique.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
}
