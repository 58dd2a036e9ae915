//! A language model's proposal: asked once, told once what is wrong with it, dropped if it still is.
//!
//! Invariant: no answer of a model leaves here that does not parse against the schema.

use super::interpret::{checked, find_of};
use crate::catalog::Entry;
use quarry_fetch::ChatModel;
use quarry_fetch::chat::{Message, Options};
use quarry_words::{Compiler, Proposal};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Both attempts together; the rules answer when they take longer.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_TOKENS: u32 = 1_000;
/// Values per column the model is shown.
const SHOWN_VALUES: usize = 20;
/// How far a model's unconfirmed reading is trusted.
const CONFIDENCE: f64 = 0.8;
const MAX_EXPLANATION_CHARS: usize = 1_000;

const INSTRUCTIONS: &str = "You turn a question about one table into a query, as one JSON object with the keys \
filter, orderBy, orderDirection (asc or desc), limit (1 to 1000), group, select (column names), explanation (one sentence). \
Leave out keys that are not needed. filter is an object of conditions: column: value, or column: operators among \
$eq $ne $gt $gte $lt $lte $in $nin $exists $regex (with $options: \"i\") $size $mod; $and, $or (lists) and $not combine filters. \
Dates are ISO texts; a span is {\"$gte\": first day, \"$lt\": day after the last}. group maps columns to key, count, sum, avg, min, \
max or unique; {\"id\": \"count\"} counts rows; orderBy with group names a result such as salaryAvg, cityKey or idCount. \
Use only the columns given. If the question is not about this table, answer {}.";

/// The model's query, when it gives one that fits the table in time.
pub(super) async fn by_model(
    model: &ChatModel,
    entry: &Arc<Entry>,
    compiler: &Compiler,
    text: &str,
) -> Option<Proposal> {
    match tokio::time::timeout(PATIENCE, asked(model, entry, compiler, text)).await {
        Ok(proposal) => proposal,
        Err(_) => {
            tracing::warn!("the language model took too long to propose a query; the rules answer");
            None
        }
    }
}

async fn asked(model: &ChatModel, entry: &Arc<Entry>, compiler: &Compiler, text: &str) -> Option<Proposal> {
    let outline = json!({
        "table": entry.record().name,
        "today": quarry_types::Timestamp::now().to_string().get(..10),
        "columns": columns(entry, compiler),
    });
    let mut messages =
        vec![Message::system(INSTRUCTIONS), Message::user(format!("Table: {outline}\nQuestion: {text}"))];
    let options = Options { max_tokens: Some(MAX_TOKENS), temperature: Some(0.0), json: true };
    for _ in 0..2 {
        let answer = match model.complete(&messages, &options).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "the language model proposed no query; the rules answer");
                return None;
            }
        };
        let problem = match answer.json() {
            Ok(value) => match read(&value) {
                Ok(proposal) if proposal.is_empty() => return None,
                Ok(proposal) => match checked(entry, &find_of(&proposal)) {
                    Ok(()) => return Some(proposal),
                    Err(error) => error.to_string(),
                },
                Err(problem) => problem,
            },
            Err(error) => error.to_string(),
        };
        messages.push(Message::assistant(answer.text));
        messages.push(Message::user(format!(
            "That query is refused: {problem}. Send the corrected JSON object only."
        )));
    }
    tracing::warn!("the language model's queries do not fit the table; the rules answer");
    None
}

fn columns(entry: &Entry, compiler: &Compiler) -> Value {
    let mut columns: Map<String, Value> = entry
        .columns()
        .iter()
        .map(|column| {
            let mut shape = Map::new();
            shape.insert("type".into(), column.kind().name().into());
            if let Some(description) = column.keywords.get("description") {
                shape.insert("description".into(), description.clone());
            }
            (column.name.clone(), shape.into())
        })
        .collect();
    for (name, values) in compiler.examples(SHOWN_VALUES) {
        let shape = columns.entry(name).or_insert_with(|| json!({}));
        if let Some(shape) = shape.as_object_mut() {
            shape.insert("values".into(), values.into());
        }
    }
    for name in ["createdAt", "updatedAt"] {
        columns.insert(name.into(), json!({"type": "date-time"}));
    }
    columns.into()
}

/// The fields of a model's answer; absent and null ones are left out.
fn read(value: &Value) -> Result<Proposal, String> {
    let map = value.as_object().ok_or("the answer must be one JSON object")?;
    let given = |name: &str| map.get(name).filter(|value| !value.is_null());
    let object = |name: &str| match given(name) {
        None => Ok(None),
        Some(Value::Object(map)) if map.is_empty() => Ok(None),
        Some(value @ Value::Object(_)) => Ok(Some(value.clone())),
        Some(_) => Err(format!("{name} must be an object")),
    };
    let text = |name: &str| match given(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} must be a string")),
    };
    let limit = match given("limit") {
        None => None,
        Some(limit) => {
            let whole = limit.as_u64().filter(|limit| (1..=1_000).contains(limit));
            Some(
                whole
                    .and_then(|limit| usize::try_from(limit).ok())
                    .ok_or("limit must be a whole number from 1 to 1000")?,
            )
        }
    };
    let select = match given("select") {
        None => Vec::new(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or("select must be a list of column names"))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("select must be a list of column names".to_owned()),
    };
    let descending = match text("orderDirection")?.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err("orderDirection must be asc or desc".to_owned()),
    };
    Ok(Proposal {
        filter: object("filter")?,
        order_by: text("orderBy")?,
        descending,
        limit,
        nth: None,
        group: object("group")?,
        select,
        explanation: text("explanation")?.unwrap_or_default().chars().take(MAX_EXPLANATION_CHARS).collect(),
        unused: Vec::new(),
        confidence: CONFIDENCE,
        coverage: 0.0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_of_a_model_are_read_or_refused_by_name() {
        let fine = json!({"filter": {"a": 1}, "orderBy": "a", "orderDirection": "desc", "limit": 5, "group": {}, "select": null, "explanation": "x"});
        let proposal = read(&fine).unwrap();
        assert!(
            proposal.filter.is_some()
                && proposal.group.is_none()
                && proposal.descending
                && proposal.limit == Some(5)
        );
        assert!(read(&json!({})).unwrap().is_empty());
        for (bad, names) in [
            (json!([]), "object"),
            (json!({"filter": "a"}), "filter"),
            (json!({"limit": 0}), "limit"),
            (json!({"limit": "5"}), "limit"),
            (json!({"select": [1]}), "select"),
            (json!({"orderDirection": "up"}), "orderDirection"),
        ] {
            assert!(read(&bad).unwrap_err().contains(names), "{bad}");
        }
    }
}
