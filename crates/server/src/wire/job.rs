//! Jobs of tables.

use quarry_tables::Job;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A job as lists show it; `error` is ours and there once the job failed or is about to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobBody<'a> {
    id: &'a str,
    bot_id: &'a str,
    table_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    progress: u8,
    input_file_id: Option<&'a str>,
    output_file_id: Option<&'a str>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> JobBody<'a> {
    /// The body of a bot's job.
    #[must_use]
    pub(crate) fn of(bot: &'a str, job: &'a Job) -> Self {
        Self {
            id: &job.id,
            bot_id: bot,
            table_id: job.table.as_str(),
            kind: job.kind.as_str(),
            status: job.status.as_str(),
            progress: job.progress,
            input_file_id: job.input_file.as_deref(),
            output_file_id: job.output_file.as_deref(),
            created_at: job.created_at.to_string(),
            updated_at: job.updated_at.to_string(),
            error: job.error.as_deref(),
        }
    }
}

/// `{id, status}`, as answers of other operations name their job.
#[must_use]
pub(crate) fn job_reference(job: &Job) -> Value {
    json!({ "id": job.id, "status": job.status.as_str() })
}

/// A job with its counts and the rows it refused.
#[must_use]
pub(crate) fn job_details(bot: &str, job: &Job) -> Value {
    let mut body = serde_json::to_value(JobBody::of(bot, job)).unwrap_or_default();
    let refused = job.refused_rows.iter().map(|row| {
        let mut one = Map::new();
        one.insert("line".to_owned(), row.line.into());
        if let Some(column) = &row.column {
            one.insert("column".to_owned(), column.as_str().into());
        }
        one.insert("reason".to_owned(), row.reason.as_str().into());
        Value::Object(one)
    });
    let refused: Value = refused.collect();
    if let Some(map) = body.as_object_mut() {
        map.insert("rows".to_owned(), job.rows.into());
        map.insert("total".to_owned(), job.total.into());
        map.insert("refused".to_owned(), job.refused.into());
        map.insert("refusedRows".to_owned(), refused);
        map.insert("warnings".to_owned(), job.warnings.clone().into());
        if let Some(target) = &job.target_table {
            map.insert("targetTableId".to_owned(), target.as_str().into());
        }
    }
    body
}
