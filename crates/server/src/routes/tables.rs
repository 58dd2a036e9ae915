//! Tables and rows.

use crate::app::{Answer, Call};
use crate::body::{self, TABLES_CAP};
use crate::error::ApiError;
use crate::wire::{self, Fields, TableBody};
use quarry_tables::{AnswerRows, Found, TableCounts, Tables, Upserted, Written};
use quarry_types::Scope;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longest wait for a large delete; the client gives up after 60 s.
const DELETE_WAIT: Duration = Duration::from_secs(45);
/// Longest wait for computed values: under the client's 60 s, with room for the answer.
const COMPUTED_WAIT: Duration = Duration::from_secs(55);

/// What most operations need: the engine, the scope, the table of the path and the body's fields.
pub(super) async fn open(call: Call) -> Result<(Tables, Scope, String, Map<String, Value>), ApiError> {
    let (tables, scope) = (call.state.tables.clone(), call.scope()?.clone());
    let table = call.matched.param(0).to_owned();
    let fields = body::object(&call.head.headers, call.body, TABLES_CAP).await?;
    Ok((tables, scope, table, fields))
}

fn with_counts(mut body: Value, counts: TableCounts) -> Value {
    if let Some(map) = body.as_object_mut() {
        map.insert("rows".to_owned(), counts.rows.into());
        map.insert("stale".to_owned(), counts.stale.into());
        map.insert("indexing".to_owned(), counts.indexing.into());
    }
    body
}

/// `listTables`.
pub(crate) async fn list(call: Call) -> Answer {
    let tags = call.query.exact_tags("tags")?;
    let tables = call.state.tables.list(call.scope()?, &tags).await?;
    let tables: Vec<TableBody> = tables.iter().map(TableBody::from).collect();
    body::json(&json!({ "tables": tables }))
}

/// `createTable`.
pub(crate) async fn create(call: Call) -> Answer {
    let (tables, scope, _, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let name = fields.required_text("name")?;
    let table = tables.create(&scope, &name, wire::spec(&mut fields)?).await?;
    body::json(&json!({ "table": TableBody::from(&table) }))
}

/// `getOrCreateTable`.
pub(crate) async fn get_or_create(call: Call) -> Answer {
    let (tables, scope, name, fields) = open(call).await?;
    let spec = wire::spec(&mut Fields::new(fields))?;
    let got = tables.get_or_create(&scope, &name, spec).await?;
    let body = json!({ "table": TableBody::from(&got.table), "created": got.created });
    body::json(&with_counts(body, got.counts))
}

/// `getTable`.
pub(crate) async fn get(call: Call) -> Answer {
    let (table, counts) = call.state.tables.get(call.scope()?, call.matched.param(0)).await?;
    body::json(&with_counts(json!({ "table": TableBody::from(&table) }), counts))
}

/// `updateTable`.
pub(crate) async fn update(call: Call) -> Answer {
    let (tables, scope, name, fields) = open(call).await?;
    let (table, stale) = tables.update(&scope, &name, wire::patch(fields)?).await?;
    body::json(&json!({ "table": TableBody::from(&table), "staleColumns": stale }))
}

/// `renameTableColumn`.
pub(crate) async fn rename_column(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let (name, new_name) = (fields.required_text("name")?, fields.required_text("newName")?);
    let table = tables.rename_column(&scope, &table, &name, &new_name).await?;
    body::json(&json!({ "table": TableBody::from(&table) }))
}

/// `deleteTable`.
pub(crate) async fn delete(call: Call) -> Answer {
    call.state.tables.delete(call.scope()?, call.matched.param(0)).await?;
    body::empty()
}

/// `getTableRow`.
pub(crate) async fn row(call: Call) -> Answer {
    let id = call.query.number("id", 0, i64::from(i32::MAX))?;
    let id = id.ok_or_else(|| ApiError::query("id is missing; send the row's id"))?;
    let row = call.state.tables.row(call.scope()?, call.matched.param(0), id).await?;
    body::json(&json!({ "row": row }))
}

/// `findTableRows`.
pub(crate) async fn find(call: Call) -> Answer {
    let (tables, scope, table, mut fields) = open(call).await?;
    match fields.remove("selectorName") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) => {
            let selector = tables.selector(&scope, &table, &name).await?;
            wire::over_selector(&mut fields, &selector);
        }
        Some(_) => return Err(ApiError::query("selectorName must be a selector's name")),
    }
    let found = tables.find(&scope, &table, wire::find(fields)?).await?;
    let Found { rows, has_more, offset, limit, warnings } = found;
    body::json(&FindAnswer { has_more, offset, limit, warnings, rows })
}

/// The answer of `findTableRows`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindAnswer {
    has_more: bool,
    offset: usize,
    limit: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    rows: AnswerRows,
}

/// The rows of an answer once their values are computed, when `waitComputed` asks for it.
async fn awaited(
    wait: bool,
    (tables, scope, table): (&Tables, &Scope, &str),
    rows: AnswerRows,
) -> Result<AnswerRows, ApiError> {
    if !wait {
        return Ok(rows);
    }
    Ok(tables.computed_rows(scope, table, rows.into_rows(), COMPUTED_WAIT).await?.into())
}

/// The answer of a write.
#[derive(Serialize)]
struct WriteAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<AnswerRows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inserted: Option<AnswerRows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<AnswerRows>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

impl WriteAnswer {
    fn of(written: Written) -> Self {
        let Written { rows, warnings, errors } = written;
        Self { rows: Some(rows), inserted: None, updated: None, warnings, errors }
    }
}

/// `createTableRows`.
pub(crate) async fn create_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let (rows, wait) = (wire::row_list(&mut fields)?, fields.boolean("waitComputed")?.unwrap_or(false));
    let mut written = tables.create_rows(&scope, &table, rows).await?;
    written.rows = awaited(wait, (&tables, &scope, &table), written.rows).await?;
    body::json(&WriteAnswer::of(written))
}

/// `updateTableRows`.
pub(crate) async fn update_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let (rows, wait) = (wire::row_list(&mut fields)?, fields.boolean("waitComputed")?.unwrap_or(false));
    let mut written = tables.update_rows(&scope, &table, rows).await?;
    written.rows = awaited(wait, (&tables, &scope, &table), written.rows).await?;
    body::json(&WriteAnswer::of(written))
}

/// `upsertTableRows`.
pub(crate) async fn upsert_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let (rows, key_column) = (wire::row_list(&mut fields)?, fields.text("keyColumn")?);
    let wait = fields.boolean("waitComputed")?.unwrap_or(false);
    let mut upserted = tables.upsert_rows(&scope, &table, rows, key_column.as_deref()).await?;
    if wait {
        // Together, so that the time-out holds for both.
        let (new, mut both) = (upserted.inserted.len(), upserted.inserted.into_rows());
        both.extend(upserted.updated.into_rows());
        let mut both = awaited(wait, (&tables, &scope, &table), both.into()).await?.into_rows();
        upserted.updated = both.split_off(new).into();
        upserted.inserted = both.into();
    }
    let Upserted { inserted, updated, warnings, errors } = upserted;
    let (inserted, updated) = (Some(inserted), Some(updated));
    body::json(&WriteAnswer { rows: None, inserted, updated, warnings, errors })
}

/// `deleteTableRows`. Old consumers read `deletedRows` alone, so a large delete is waited for as long
/// as their time-out of 60 s allows; `job` says how it stands.
pub(crate) async fn delete_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let which = wire::delete_rows(fields)?;
    let deleted = tables.remove_rows(&scope, &table, which, DELETE_WAIT).await?;
    let mut body = json!({ "deletedRows": deleted.rows });
    if let (Some(job), Some(map)) = (&deleted.job, body.as_object_mut()) {
        map.insert("job".to_owned(), wire::job_reference(job));
    }
    body::json(&body)
}
