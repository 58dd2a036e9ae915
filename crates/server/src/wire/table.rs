//! Tables and rows; rows themselves come from the engine in wire form.

use super::Fields;
use crate::error::ApiError;
use quarry_tables::{DeleteRows, Find, Table, TablePatch, TableSpec};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most rows in one request.
const MAX_ROWS: usize = 1_000;
/// Longest tag value, in characters.
const MAX_TAG_CHARS: usize = 1_000;

/// A table as answers show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableBody<'a> {
    id: &'a str,
    name: &'a str,
    factor: u8,
    frozen: bool,
    key_column: Option<&'a str>,
    schema: &'a Value,
    tags: &'a BTreeMap<String, String>,
    is_compute_enabled: bool,
    created_at: String,
    updated_at: String,
}

impl<'a> From<&'a Table> for TableBody<'a> {
    fn from(table: &'a Table) -> Self {
        Self {
            id: table.id.as_str(),
            name: &table.name,
            factor: table.factor,
            frozen: table.frozen,
            key_column: table.key_column.as_deref(),
            schema: &table.schema,
            tags: &table.tags,
            is_compute_enabled: table.is_compute_enabled,
            created_at: table.created_at.to_string(),
            updated_at: table.updated_at.to_string(),
        }
    }
}

fn factor(fields: &mut Fields) -> Result<Option<u8>, ApiError> {
    Ok(fields.number("factor", 1, 30)?.and_then(|factor| u8::try_from(factor).ok()))
}

/// What a new table should be, the name aside.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn spec(fields: &mut Fields) -> Result<TableSpec, ApiError> {
    let schema = fields
        .value("schema")
        .ok_or_else(|| ApiError::payload("schema is missing; send a JSON schema or a map of columns"))?;
    Ok(TableSpec {
        schema,
        factor: factor(fields)?,
        frozen: fields.boolean("frozen")?.unwrap_or(false),
        key_column: fields.text("keyColumn")?,
        tags: fields.tags("tags", MAX_TAG_CHARS)?.unwrap_or_default(),
        is_compute_enabled: fields.boolean("isComputeEnabled")?,
    })
}

/// Body of `updateTable`.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn patch(body: Map<String, Value>) -> Result<TablePatch, ApiError> {
    let mut fields = Fields::new(body);
    let key_column = match fields.raw("keyColumn") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(Value::String(name)) => Some(Some(name)),
        Some(_) => return Err(ApiError::payload("keyColumn must be a column's name, or null to remove it")),
    };
    Ok(TablePatch {
        name: fields.text("name")?,
        schema: fields.value("schema"),
        factor: factor(&mut fields)?,
        frozen: fields.boolean("frozen")?,
        key_column,
        tags: fields.tags_patch("tags", MAX_TAG_CHARS)?,
        is_compute_enabled: fields.boolean("isComputeEnabled")?,
    })
}

/// `rows` of create, update and upsert.
///
/// # Errors
/// 400 when there are none, too many, or one is no object.
pub(crate) fn row_list(fields: &mut Fields) -> Result<Vec<Value>, ApiError> {
    let rows = fields
        .array("rows")?
        .ok_or_else(|| ApiError::payload("rows is missing; send an array of row objects"))?;
    if rows.is_empty() || rows.len() > MAX_ROWS {
        let message =
            format!("rows must hold 1 to {MAX_ROWS} rows, got {}; split larger batches", rows.len());
        return Err(ApiError::payload(message));
    }
    match rows.iter().position(|row| !row.is_object()) {
        Some(at) => Err(ApiError::payload(format!("rows[{at}] must be an object of column values"))),
        None => Ok(rows),
    }
}

/// Body of `findTableRows`.
///
/// # Errors
/// 400 naming the field.
pub(crate) fn find(body: Map<String, Value>) -> Result<Find, ApiError> {
    let mut fields = Fields::new(body);
    let limit = fields.number("limit", 1, 1_000)?.unwrap_or(100);
    let offset = fields.number("offset", 0, 1 << 31)?.unwrap_or(0);
    let search = fields.text("search")?;
    if search.as_ref().is_some_and(|text| text.chars().count() > 1_024) {
        return Err(ApiError::query("search must be at most 1024 characters; shorten it"));
    }
    let descending = match fields.text("orderDirection")?.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => {
            return Err(ApiError::query(format!("orderDirection must be asc or desc, got {other:?}")));
        }
    };
    #[allow(clippy::cast_possible_truncation, reason = "both checked to be small")]
    Ok(Find {
        limit: limit as usize,
        offset: offset as usize,
        filter: fields.object("filter")?.map(Value::Object),
        group: fields.object("group")?.map(Value::Object),
        search,
        select: fields.texts("select")?,
        order_by: fields.text("orderBy")?,
        descending,
    })
}

/// Body of `deleteTableRows`: exactly one way of naming rows.
///
/// # Errors
/// 400 when none or several ways are used or an id is no whole number.
pub(crate) fn delete_rows(body: Map<String, Value>) -> Result<DeleteRows, ApiError> {
    let mut fields = Fields::new(body);
    let ids = fields.array("ids")?;
    let filter = fields.object("filter")?;
    let all = fields.boolean("deleteAllRows")?.filter(|all| *all);
    match (ids, filter, all) {
        (Some(ids), None, None) => {
            if ids.len() > MAX_ROWS {
                return Err(ApiError::payload(format!("ids may hold at most {MAX_ROWS} ids")));
            }
            let whole = |(at, id): (usize, &Value)| {
                id.as_i64().ok_or_else(|| ApiError::payload(format!("ids[{at}] must be a row id, got {id}")))
            };
            Ok(DeleteRows::Ids(ids.iter().enumerate().map(whole).collect::<Result<_, _>>()?))
        }
        (None, Some(filter), None) => Ok(DeleteRows::Filter(Value::Object(filter))),
        (None, None, Some(_)) => Ok(DeleteRows::All),
        _ => Err(ApiError::payload("send exactly one of ids, filter and deleteAllRows: true")),
    }
}
