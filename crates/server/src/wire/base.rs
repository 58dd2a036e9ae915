//! Knowledge bases.

use super::Fields;
use crate::error::ApiError;
use quarry_kb::{Base, Tags, TagsPatch};
use serde::Serialize;

/// A knowledge base; `createdAt` is shown in lists only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BaseBody<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    tags: &'a Tags,
}

impl<'a> BaseBody<'a> {
    /// As create and update show it.
    #[must_use]
    pub(crate) fn single(base: &'a Base) -> Self {
        Self { id: base.id.as_str(), name: &base.name, created_at: None, tags: &base.tags }
    }

    /// As the list shows it.
    #[must_use]
    pub(crate) fn listed(base: &'a Base) -> Self {
        Self { created_at: Some(base.created_at.to_string()), ..Self::single(base) }
    }
}

/// `tags` of a new knowledge base.
///
/// # Errors
/// 400 naming the tag.
pub(crate) fn base_tags(fields: &mut Fields) -> Result<Tags, ApiError> {
    Ok(fields.tags("tags", 1_000)?.unwrap_or_default())
}

/// `tags` of an update.
///
/// # Errors
/// 400 naming the tag.
pub(crate) fn base_tags_patch(fields: &mut Fields) -> Result<TagsPatch, ApiError> {
    Ok(fields.tags_patch("tags", 1_000)?.unwrap_or_default())
}
