//! The bot's webhook: where it is, the call that asks a bot for values, its answer.
//!
//! The call is the platform's built-in action `tablesRecomputeRows`; bots made with its kit answer it.

use super::outside::{Failure, HookCall};
use crate::Error;
use crate::api::Row;
use crate::record;
use crate::tables::Tables;
use quarry_store::Commit;
use quarry_types::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const ACTION: &str = "tablesRecomputeRows";
const MAX_URL_CHARS: usize = 2_000;
/// `{}`, the bot's configuration as base64.
const NO_CONFIGURATION: &str = "e30=";

/// Who runs the code of `code` columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeIn {
    /// The embedded engine.
    #[default]
    Engine,
    /// The bot, through its webhook.
    Webhook,
}

/// A bot's webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Where the bot listens.
    pub url: String,
    /// Whether it also runs the code columns.
    #[serde(default)]
    pub code_in: CodeIn,
}

impl Webhook {
    /// Checks the form of the URL; whether it may be called is decided when it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what to send.
    pub fn check(&self) -> Result<(), Error> {
        let rest = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if host.is_empty() || host.contains('@') || self.url.contains(odd) || self.url.len() > MAX_URL_CHARS {
            return Err(Error::Invalid(format!(
                "url must look like https://host/path, without credentials, and have at most {MAX_URL_CHARS} characters"
            )));
        }
        Ok(())
    }
}

impl Tables {
    /// The webhook a bot set for itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn webhook(&self, scope: &Scope) -> Result<Option<Webhook>, Error> {
        let found = self.store.get(scope.bot(), &record::settings(), &[record::webhook_key()]).await?;
        let Some(record) = found.into_iter().flatten().next() else { return Ok(None) };
        serde_json::from_slice(&record.value).map(Some).map_err(|cause| Error::Corrupt(cause.to_string()))
    }

    /// Sets or removes the webhook of a bot. Values that failed for want of one fail on until
    /// [`Tables::recompute`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a malformed URL.
    pub async fn set_webhook(&self, scope: &Scope, webhook: Option<&Webhook>) -> Result<(), Error> {
        let mut commit = Commit::new(scope.bot());
        match webhook {
            None => commit.del(&record::settings(), record::webhook_key()),
            Some(webhook) => {
                webhook.check()?;
                let text = serde_json::to_vec(webhook).map_err(|cause| Error::Internal(cause.to_string()))?;
                commit.put(&record::settings(), record::webhook_key(), text)
            }
        };
        self.store.commit(commit).await?;
        Ok(())
    }
}

/// Rows of one table whose values a bot is asked for.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    pub(crate) bot: &'a str,
    pub(crate) table: &'a str,
    pub(crate) schema: Value,
    /// Each row with the names of the columns wanted.
    pub(crate) rows: Vec<(&'a Row, Vec<&'a str>)>,
}

/// The call that asks for them.
pub(crate) fn call(request: Request<'_>) -> HookCall {
    let rows: Vec<Value> = request
        .rows
        .into_iter()
        .map(|(row, columns)| json!({ "row": row, "columnsToRecompute": columns }))
        .collect();
    let input = json!({
        "tableId": request.table, "botId": request.bot, "schema": request.schema, "requests": rows,
    });
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    HookCall {
        url: request.url.to_owned(),
        headers: vec![
            header("content-type", "application/json"),
            header("x-bot-id", request.bot),
            header("x-bp-operation", "action_triggered"),
            header("x-bp-type", ACTION),
            header("x-bp-configuration", NO_CONFIGURATION),
        ],
        body: json!({ "type": ACTION, "input": input }).to_string(),
    }
}

/// What a bot answered.
#[derive(Debug)]
pub(crate) struct Answer {
    is_finished: bool,
    rows: Vec<Map<String, Value>>,
}

impl Answer {
    /// # Errors
    /// When the text is no such answer.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::Lasting(format!("the bot's answer has no {what}"));
        let parsed: Value = serde_json::from_str(text)
            .map_err(|_| Failure::Lasting("the bot's answer is not JSON".into()))?;
        let output = parsed.get("output").unwrap_or(&parsed);
        let rows = output.get("rows").and_then(Value::as_array).ok_or_else(|| wrong("output.rows"))?;
        let is_finished = output.get("isFinished").and_then(Value::as_bool).unwrap_or(true);
        Ok(Self { is_finished, rows: rows.iter().filter_map(Value::as_object).cloned().collect() })
    }

    /// One value; `None` = ask again.
    pub(crate) fn value(&self, row: u32, column: &str) -> Option<Result<Value, Failure>> {
        let lasting = |text: &str| Some(Err(Failure::Lasting(text.to_owned())));
        let found =
            self.rows.iter().find(|answer| answer.get("id").and_then(Value::as_u64) == Some(row.into()));
        let Some(cell) = found.and_then(|answer| answer.get(column)).and_then(Value::as_object) else {
            return if self.is_finished { lasting("the bot's answer lacks this value") } else { None };
        };
        match cell.get("status").and_then(Value::as_str) {
            Some("computed") => Some(Ok(cell.get("value").cloned().unwrap_or_default())),
            Some("error") => {
                let text = cell.get("error").map(|error| match error {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                lasting(text.as_deref().unwrap_or("the bot gave no reason"))
            }
            _ => lasting("the bot's answer has a status other than computed and error"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_are_read_cell_by_cell() {
        let text = json!({ "output": { "isFinished": false, "rows": [
            { "id": 1, "a": { "status": "computed", "value": 5 }, "b": { "status": "error", "error": "no" } },
            { "id": 2, "a": { "status": "computed" }, "b": { "status": "later" } },
        ] } });
        let answer = Answer::parse(&text.to_string()).unwrap();
        assert_eq!(answer.value(1, "a"), Some(Ok(json!(5))));
        assert_eq!(answer.value(1, "b"), Some(Err(Failure::Lasting("no".into()))));
        assert_eq!(answer.value(2, "a"), Some(Ok(Value::Null)));
        assert!(matches!(answer.value(2, "b"), Some(Err(Failure::Lasting(_)))));
        assert_eq!(answer.value(3, "a"), None, "not finished: asked again");
        let finished = Answer::parse("{\"output\":{\"isFinished\":true,\"rows\":[]}}").unwrap();
        assert!(matches!(finished.value(3, "a"), Some(Err(Failure::Lasting(_)))));
        for bad in ["", "[]", "{\"output\":5}", "<html>"] {
            assert!(matches!(Answer::parse(bad), Err(Failure::Lasting(_))), "{bad}");
        }
    }

    #[test]
    fn urls_are_checked() {
        let check = |url: &str| Webhook { url: url.into(), code_in: CodeIn::Engine }.check().is_ok();
        assert!(check("https://bot.example.org/hook?x=1") && check("http://127.0.0.1:3000"));
        for bad in ["", "bot.example.org", "ftp://x", "https://", "https:///x", "http://a b", "http://u:p@h/"]
        {
            assert!(!check(bad), "{bad}");
        }
    }
}
