//! Work on tables that outlives its request: imports, exports, copies.

use super::tables::open;
use crate::app::{Answer, Call};
use crate::body::{self, TABLES_CAP};
use crate::error::{ApiError, ErrorType};
use crate::wire::{Fields, JobBody, TableBody, job_details, job_reference};
use axum::http::Method;
use quarry_tables::{Duplicate, Export};
use quarry_transfer::Format;
use serde_json::{Value, json};
use std::time::Duration;

/// A copy of a small table is there when the answer is.
const COPY_WAIT: Duration = Duration::from_secs(2);

fn format(word: &str, known: &[Format]) -> Result<Format, ApiError> {
    let found = Format::parse(word).filter(|format| known.contains(format));
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|format| format.name()).collect();
        ApiError::query(format!("format must be {}, got {word:?}", names.join(" or ")))
    })
}

/// `exportTable`.
pub(crate) async fn export(call: Call) -> Answer {
    if call.method == Method::HEAD {
        return Err(ApiError::new(ErrorType::MethodNotFound, "an export is started with GET, not HEAD"));
    }
    let word = call.query.text("format").unwrap_or(Format::Csv.name());
    let format = format(word, &[Format::Csv, Format::Json])?;
    let compress = call.query.boolean("compress")?.unwrap_or(true);
    let scope = call.scope()?;
    let how = Export { format, compress };
    let job = call.state.tables.export(scope, call.matched.param(0), how).await?;
    body::json(&json!({ "job": JobBody::of(scope.bot().as_str(), &job) }))
}

/// `POST /v1/quarry/tables/{table}/export`: in any format.
pub(crate) async fn export_as(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let mut fields = Fields::new(fields);
    let word = fields.text("format")?.unwrap_or_else(|| Format::Csv.name().to_owned());
    let compress = fields.boolean("compress")?.unwrap_or(true);
    let how = Export { format: format(&word, &Format::ALL)?, compress };
    let job = tables.export(&scope, &table, how).await?;
    body::json(&json!({ "job": JobBody::of(scope.bot().as_str(), &job) }))
}

/// `importTable`.
pub(crate) async fn import(call: Call) -> Answer {
    let (tables, scope, table, fields) = open(call).await?;
    let file = Fields::new(fields).required_text("fileId")?;
    let job = tables.import(&scope, &table, &file).await?;
    body::json(&json!({ "job": JobBody::of(scope.bot().as_str(), &job) }))
}

/// `duplicateTable`.
pub(crate) async fn duplicate(call: Call) -> Answer {
    let (tables, scope) = (call.state.tables.clone(), call.scope()?.clone());
    let source = call.matched.param(0).to_owned();
    let mut fields = Fields::new(body::optional_object(&call.head.headers, call.body, TABLES_CAP).await?);
    let how = Duplicate {
        name: fields.text("tableName")?,
        schema_only: fields.boolean("schemaOnly")?.unwrap_or(false),
        factor: fields.number("factor", 1, 30)?.and_then(|factor| u8::try_from(factor).ok()),
    };
    let (table, rows, job) = tables.duplicate(&scope, &source, how).await?;
    let mut body = json!({ "table": TableBody::from(&table), "rows": rows });
    if let (Some(job), Some(map)) = (job, body.as_object_mut()) {
        let job = tables.wait_for_job(&scope, job.table.as_str(), &job.id, COPY_WAIT).await?;
        map.insert("job".to_owned(), job_reference(&job));
    }
    body::json(&body)
}

/// `getTableJobs`.
pub(crate) async fn list(call: Call) -> Answer {
    let scope = call.scope()?;
    let jobs = call.state.tables.jobs(scope, call.matched.param(0)).await?;
    let jobs: Vec<JobBody> = jobs.iter().map(|job| JobBody::of(scope.bot().as_str(), job)).collect();
    body::json(&json!({ "jobs": jobs }))
}

/// `GET /v1/quarry/tables/{table}/jobs/{job}`.
pub(crate) async fn get(call: Call) -> Answer {
    let scope = call.scope()?;
    let job = call.state.tables.job(scope, call.matched.param(0), call.matched.param(1)).await?;
    body::json(&json!({ "job": job_details(scope.bot().as_str(), &job) }))
}

/// `DELETE /v1/quarry/tables/{table}/jobs/{job}`.
pub(crate) async fn cancel(call: Call) -> Answer {
    let scope = call.scope()?;
    let job = call.state.tables.cancel_job(scope, call.matched.param(0), call.matched.param(1)).await?;
    let body: Value = job_details(scope.bot().as_str(), &job);
    body::json(&json!({ "job": body }))
}
