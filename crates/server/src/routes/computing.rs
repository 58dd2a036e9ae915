//! Computed columns: the bot's webhook, and computing again.

use crate::app::{Answer, Call};
use crate::auth::Caller;
use crate::body;
use crate::error::ApiError;
use crate::wire::Fields;
use quarry_tables::{CodeIn, Webhook};
use serde_json::{Value, json};

fn shown(webhook: Option<&Webhook>) -> Value {
    json!({ "webhook": webhook })
}

/// The server calls the URL whatever address it has, so only its operator may name it.
fn admin(call: &Call) -> Result<(), ApiError> {
    match call.caller()? {
        Caller::Admin => Ok(()),
        _ => Err(ApiError::forbidden("only the admin token may set a bot's webhook")),
    }
}

/// `GET /v1/quarry/bots/webhook`.
pub(crate) async fn webhook(call: Call) -> Answer {
    let webhook = call.state.tables.webhook(call.scope()?).await?;
    body::json(&shown(webhook.as_ref()))
}

/// `PUT /v1/quarry/bots/webhook`.
pub(crate) async fn set_webhook(call: Call) -> Answer {
    admin(&call)?;
    let (tables, scope) = (call.state.tables.clone(), call.scope()?.clone());
    let mut fields = Fields::new(call.object().await?);
    let url = fields.required_text("url")?;
    let code_in = match fields.text("codeIn")?.as_deref() {
        None | Some("engine") => CodeIn::Engine,
        Some("webhook") => CodeIn::Webhook,
        Some(other) => {
            return Err(ApiError::payload(format!("codeIn must be engine or webhook, got {other:?}")));
        }
    };
    let webhook = Webhook { url, code_in };
    tables.set_webhook(&scope, Some(&webhook)).await?;
    body::json(&shown(Some(&webhook)))
}

/// `DELETE /v1/quarry/bots/webhook`.
pub(crate) async fn remove_webhook(call: Call) -> Answer {
    admin(&call)?;
    call.state.tables.set_webhook(call.scope()?, None).await?;
    body::empty()
}

/// `POST /v1/quarry/tables/{table}/recompute`.
pub(crate) async fn recompute(call: Call) -> Answer {
    let (tables, scope) = (call.state.tables.clone(), call.scope()?.clone());
    let table = call.matched.param(0).to_owned();
    let mut fields = Fields::new(call.object().await?);
    let columns = fields.texts("columns")?;
    let only_failed = fields.boolean("onlyFailed")?.unwrap_or(true);
    let rows = tables.recompute(&scope, &table, columns.as_deref(), only_failed).await?;
    body::json(&json!({ "rows": rows }))
}
