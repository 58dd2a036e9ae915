//! Files.

use super::Fields;
use crate::error::ApiError;
use quarry_kb::{File, FilePatch, UpsertFile};
use quarry_types::{BotId, FileStatus, Visibility};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest tag value, in characters.
const MAX_TAG_CHARS: usize = 1_000;

/// Who a file belongs to.
#[derive(Debug, Serialize)]
struct Owner<'a> {
    r#type: &'static str,
    id: &'a str,
}

/// A file as answers show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileBody<'a> {
    id: &'a str,
    bot_id: &'a str,
    key: &'a str,
    url: String,
    size: Option<u64>,
    content_type: &'a str,
    tags: &'a BTreeMap<String, String>,
    metadata: &'a Map<String, Value>,
    created_at: String,
    updated_at: String,
    access_policies: &'a [Visibility],
    index: bool,
    status: FileStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    owner: Owner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    indexing_stack: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_url: Option<String>,
}

impl<'a> FileBody<'a> {
    /// The body of a file whose content is at `url`.
    #[must_use]
    pub(crate) fn new(bot: &'a BotId, file: &'a File, url: String) -> Self {
        let failed = matches!(file.status, FileStatus::UploadFailed | FileStatus::IndexingFailed);
        let indexed = file.status == FileStatus::IndexingCompleted;
        Self {
            id: file.id.as_str(),
            bot_id: bot.as_str(),
            key: &file.key,
            url,
            size: file.size,
            content_type: &file.content_type,
            tags: &file.tags,
            metadata: &file.metadata,
            created_at: file.created_at.to_string(),
            updated_at: file.updated_at.to_string(),
            access_policies: &file.access,
            index: file.index,
            status: file.status,
            failed_status_reason: failed
                .then(|| file.failed_reason.as_deref().unwrap_or("no reason was recorded")),
            expires_at: file.expires_at.map(|moment| moment.to_string()),
            owner: Owner { r#type: "bot", id: bot.as_str() },
            indexing_stack: indexed.then_some("v2"),
            upload_url: None,
        }
    }

    /// The same with an upload URL.
    #[must_use]
    pub(crate) fn with_upload(mut self, url: String) -> Self {
        self.upload_url = Some(url);
        self
    }
}

/// Body of `upsertFile`.
#[derive(Debug)]
pub(crate) struct UpsertBody(pub(crate) UpsertFile);

impl UpsertBody {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body);
        let key = fields.required_text("key")?;
        let size = fields
            .number("size", 0, 1 << 50)?
            .ok_or_else(|| ApiError::payload("size is missing; send the number of bytes to upload"))?;
        fields.boolean("publicContentImmediatelyAccessible")?;
        let indexing = match fields.object("indexing")? {
            None => None,
            Some(indexing) => Fields::new(indexing).object("configuration")?.map(Value::Object),
        };
        let content_type = fields.text("contentType")?.filter(|text| !text.is_empty());
        if let Some(text) = &content_type {
            check_content_type(text)?;
        }
        Ok(Self(UpsertFile {
            key,
            size,
            tags: fields.tags("tags", MAX_TAG_CHARS)?.unwrap_or_default(),
            metadata: fields.object("metadata")?.unwrap_or_default(),
            index: fields.boolean("index")?.unwrap_or(false),
            indexing,
            access: access(&mut fields)?.unwrap_or_default(),
            content_type,
            expires_at: fields.moment("expiresAt")?.flatten(),
        }))
    }
}

/// Body of `updateFileMetadata`.
#[derive(Debug)]
pub(crate) struct FilePatchBody(pub(crate) FilePatch);

impl FilePatchBody {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body);
        Ok(Self(FilePatch {
            metadata: fields.object("metadata")?,
            tags: fields.tags_patch("tags", MAX_TAG_CHARS)?,
            access: access(&mut fields)?,
            expires_at: fields.moment("expiresAt")?,
        }))
    }
}

fn access(fields: &mut Fields) -> Result<Option<Vec<Visibility>>, ApiError> {
    let Some(words) = fields.texts("accessPolicies")? else { return Ok(None) };
    let mut policies = Vec::with_capacity(words.len());
    for word in words {
        let policy = match word.as_str() {
            "public_content" => Visibility::PublicContent,
            "integrations" => Visibility::Integrations,
            other => {
                let message =
                    format!("accessPolicies may hold public_content and integrations, got {other:?}");
                return Err(ApiError::payload(message));
            }
        };
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    Ok(Some(policies))
}

/// A media type must be fit to be a header value.
fn check_content_type(text: &str) -> Result<(), ApiError> {
    let fine = text.len() <= 255 && text.contains('/') && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if fine {
        return Ok(());
    }
    Err(ApiError::payload(
        "contentType must be a media type such as text/plain, in ASCII, up to 255 characters",
    ))
}
