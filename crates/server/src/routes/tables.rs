//! Tables and rows.

use crate::app::{Answer, Call};
use crate::body::{self, TABLES_CAP};
use crate::error::{ApiError, ErrorType};
use crate::wire::{self, Fields, TableBody};
use quarry_tables::{TableCounts, Tables};
use quarry_types::Scope;
use serde_json::{Map, Value, json};

/// What most operations need: the engine, the scope, the table of the path and the body's fields.
async fn open(call: Call) -> Result<(Tables, Scope, String, Map<String, Value>), ApiError> {
    let (tables, scope) = (call.state.tables.clone(), call.scope()?.clone());
    let table = call.matched.param(0).to_owned();
    let fields = body::object(&call.head.headers, call.body, TABLES_CAP).await?;
    Ok((tables, scope, table, fields))
}

fn insert_notes(body: &mut Value, warnings: Vec<String>, errors: Vec<String>) {
    let Some(map) = body.as_object_mut() else { return };
    for (name, texts) in [("warnings", warnings), ("errors", errors)] {
        if !texts.is_empty() {
            map.insert(name.to_owned(), texts.into());
        }
    }
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

/// `getTableJobs`: no operation of this version runs as a job.
pub(crate) async fn jobs(call: Call) -> Answer {
    call.state.tables.get(call.scope()?, call.matched.param(0)).await?;
    body::json(&json!({ "jobs": [] }))
}

/// Operations of the contract that this version lacks.
pub(crate) async fn later(call: Call) -> Answer {
    let message = format!("{} is not available in this version", call.matched.route.name());
    Err(ApiError::new(ErrorType::MethodNotFound, message))
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
    let mut body = json!({ "hasMore": found.has_more, "offset": found.offset, "limit": found.limit });
    insert_notes(&mut body, found.warnings, Vec::new());
    if let Some(map) = body.as_object_mut() {
        map.insert("rows".to_owned(), found.rows.into_iter().map(Value::Object).collect());
    }
    body::json(&body)
}

/// `createTableRows`.
pub(crate) async fn create_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let rows = wire::row_list(&mut Fields::new(fields))?;
    let written = tables.create_rows(&scope, &table, rows).await?;
    let mut body = json!({ "rows": written.rows });
    insert_notes(&mut body, written.warnings, written.errors);
    body::json(&body)
}

/// `updateTableRows`.
pub(crate) async fn update_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let rows = wire::row_list(&mut Fields::new(fields))?;
    let written = tables.update_rows(&scope, &table, rows).await?;
    let mut body = json!({ "rows": written.rows });
    insert_notes(&mut body, written.warnings, written.errors);
    body::json(&body)
}

/// `upsertTableRows`.
pub(crate) async fn upsert_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let (rows, key_column) = (wire::row_list(&mut fields)?, fields.text("keyColumn")?);
    let upserted = tables.upsert_rows(&scope, &table, rows, key_column.as_deref()).await?;
    let mut body = json!({ "inserted": upserted.inserted, "updated": upserted.updated });
    insert_notes(&mut body, upserted.warnings, upserted.errors);
    body::json(&body)
}

/// `deleteTableRows`.
pub(crate) async fn delete_rows(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let deleted = tables.delete_rows(&scope, &table, wire::delete_rows(fields)?).await?;
    body::json(&json!({ "deletedRows": deleted }))
}
