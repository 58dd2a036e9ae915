//! Passages, search hits and the passages a caller sets.

use super::Fields;
use crate::error::ApiError;
use quarry_kb::{ContextItem, File, NewPassage, PassageMeta, PassageView, SearchHit};
use quarry_types::PassageKind;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `meta` of a passage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaBody {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
}

impl From<&PassageMeta> for MetaBody {
    fn from(meta: &PassageMeta) -> Self {
        Self {
            r#type: meta.kind,
            subtype: meta.subtype.map(PassageKind::as_str),
            page_number: meta.page,
            position: meta.position,
        }
    }
}

/// A passage of `listFilePassages`.
#[derive(Debug, Serialize)]
pub(crate) struct PassageBody<'a> {
    id: &'a str,
    content: &'a str,
    meta: MetaBody,
}

impl<'a> From<&'a PassageView> for PassageBody<'a> {
    fn from(passage: &'a PassageView) -> Self {
        Self { id: &passage.id, content: &passage.content, meta: (&passage.meta).into() }
    }
}

/// The file of a hit: no URL, no status.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HitFile<'a> {
    id: &'a str,
    key: &'a str,
    content_type: &'a str,
    metadata: &'a Map<String, Value>,
    tags: &'a BTreeMap<String, String>,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a File> for HitFile<'a> {
    fn from(file: &'a File) -> Self {
        Self {
            id: file.id.as_str(),
            key: &file.key,
            content_type: &file.content_type,
            metadata: &file.metadata,
            tags: &file.tags,
            created_at: file.created_at.to_string(),
            updated_at: file.updated_at.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ContextBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i32>,
    r#type: &'a str,
}

impl<'a> From<&'a ContextItem> for ContextBody<'a> {
    fn from(item: &'a ContextItem) -> Self {
        Self { id: item.id.as_deref(), text: &item.text, offset: item.offset, r#type: item.kind }
    }
}

/// A search hit.
#[derive(Debug, Serialize)]
pub(crate) struct HitBody<'a> {
    content: &'a str,
    score: f32,
    meta: MetaBody,
    file: HitFile<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<ContextBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<&'a Value>,
}

impl<'a> From<&'a SearchHit> for HitBody<'a> {
    fn from(hit: &'a SearchHit) -> Self {
        Self {
            content: &hit.content,
            score: hit.score,
            meta: (&hit.meta).into(),
            file: HitFile::from(hit.file.as_ref()),
            context: hit.context.as_ref().map(|items| items.iter().map(ContextBody::from).collect()),
            explain: hit.explain.as_ref(),
        }
    }
}

/// Body of `setFilePassages`.
///
/// # Errors
/// 400 naming the passage and the field.
pub(crate) fn new_passages(body: Map<String, Value>) -> Result<Vec<NewPassage>, ApiError> {
    let passages = Fields::new(body)
        .array("passages")?
        .ok_or_else(|| ApiError::payload("passages is missing; send an array of {content}"))?;
    let read = |(at, value): (usize, Value)| {
        let Value::Object(map) = value else {
            return Err(ApiError::payload(format!("passages[{at}] must be an object with content")));
        };
        let mut fields = Fields::new(map);
        let content = fields
            .text("content")?
            .ok_or_else(|| ApiError::payload(format!("passages[{at}].content is missing")))?;
        let kind = match fields.text("type")? {
            None => PassageKind::Paragraph,
            Some(word) => kind_of(&word).ok_or_else(|| {
                ApiError::payload(format!(
                    "passages[{at}].type must be title, subtitle, paragraph, blockquote, list, table, code or image, got {word:?}"
                ))
            })?,
        };
        let page = fields.number("pageNumber", 0, u64::from(u32::MAX))?;
        Ok(NewPassage { content, kind, page: page.and_then(|page| u32::try_from(page).ok()) })
    };
    passages.into_iter().enumerate().map(read).collect()
}

fn kind_of(word: &str) -> Option<PassageKind> {
    use PassageKind::{Blockquote, Code, Image, List, Paragraph, Subtitle, Table, Title};
    let all = [Title, Subtitle, Paragraph, Blockquote, List, Table, Code, Image];
    all.into_iter().find(|kind| kind.as_str() == word)
}
