//! A column's prompt and a row to a question, and the model's words to a value of the column's type.

use super::outside::{Ask, Failure};
use super::rule::{ModelName, places};
use crate::api::Row;
use crate::schema::{Column, ColumnId, WireType};
use crate::wire;
use regex::Captures;
use serde_json::{Map, Value};

/// Most characters of one value put into a prompt.
const MAX_VALUE_CHARS: usize = 20_000;
/// Characters of a refused answer that its error shows.
const SHOWN_CHARS: usize = 60;

/// The question for one value.
pub(crate) fn question(
    (prompt, model): (&str, &ModelName),
    column: &Column,
    columns: &[Column],
    dependencies: &[ColumnId],
    row: &Row,
) -> Ask {
    let mut placed = false;
    let filled = places().replace_all(prompt, |found: &Captures<'_>| {
        placed = true;
        let value = found.get(1).and_then(|name| row.get(name.as_str()));
        value.map(shown).unwrap_or_default()
    });
    let mut prompt = filled.into_owned();
    if !placed {
        // A prompt without places still is about the row.
        let names = dependencies.iter().filter_map(|id| wire::name_of(columns, *id));
        let values: Map<String, Value> =
            names.filter_map(|name| Some((name.to_owned(), row.get(name)?.clone()))).collect();
        prompt = format!("{prompt}\n\nThe row: {}", Value::Object(values));
    }
    let json = matches!(column.wire_type, WireType::Object | WireType::Array) && !column.any;
    let system = format!(
        "You fill in one value of a table: column {:?}{}. Answer with {} and nothing else: no explanation, no quotation marks around it.",
        column.name,
        column
            .keywords
            .get("description")
            .and_then(Value::as_str)
            .map(|d| format!(" ({d})"))
            .unwrap_or_default(),
        wanted(column),
    );
    Ask { system, prompt, json, model: model.clone() }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().take(MAX_VALUE_CHARS).collect(),
        other => other.to_string().chars().take(MAX_VALUE_CHARS).collect(),
    }
}

fn allowed(column: &Column) -> Option<&Vec<Value>> {
    column.keywords.get("enum").and_then(Value::as_array).filter(|_| !column.any)
}

fn wanted(column: &Column) -> String {
    if let Some(list) = allowed(column) {
        let list: Vec<String> = list.iter().map(shown).collect();
        return format!("one of: {}", list.join(", "));
    }
    match column.wire_type {
        _ if column.any => "the value".into(),
        WireType::Number => "a number in digits".into(),
        WireType::Boolean => "true or false".into(),
        WireType::Object => "one JSON object".into(),
        WireType::Array => "one JSON array".into(),
        _ if column.kind() == crate::schema::Kind::DateTime => {
            "a date and time such as 2024-11-21T09:30:00Z".into()
        }
        _ => "the text".into(),
    }
}

/// The model's words as a value of the column.
///
/// # Errors
/// When they are none; another try may give better words.
pub(crate) fn value(words: &str, column: &Column) -> Result<Value, Failure> {
    let words = words.trim();
    let refused = || {
        let short: String = words.chars().take(SHOWN_CHARS).collect();
        Failure::Lasting(format!("the model answered {short:?}, which is not {}", wanted(column)))
    };
    if words.is_empty() {
        return Err(Failure::Lasting("the model answered nothing".into()));
    }
    let plain = bare(words);
    if let Some(list) = allowed(column) {
        let same = |one: &&Value| shown(one).to_lowercase() == plain.to_lowercase();
        return list.iter().find(same).cloned().ok_or_else(refused);
    }
    match column.wire_type {
        _ if column.any => Ok(serde_json::from_str(unfenced(words)).unwrap_or_else(|_| words.into())),
        WireType::Number => {
            let digits: String = plain.chars().filter(|c| *c != ',' && *c != '_' && *c != ' ').collect();
            let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(crate::record::number_value).ok_or_else(refused)
        }
        WireType::Boolean => match plain.to_lowercase().as_str() {
            "true" | "yes" => Ok(true.into()),
            "false" | "no" => Ok(false.into()),
            _ => Err(refused()),
        },
        WireType::Object | WireType::Array => {
            let parsed: Value = serde_json::from_str(unfenced(words)).map_err(|_| refused())?;
            if WireType::of(&parsed) == column.wire_type { Ok(parsed) } else { Err(refused()) }
        }
        WireType::Null => Ok(Value::Null),
        WireType::String => Ok(if column.kind() == crate::schema::Kind::Text { words } else { plain }.into()),
    }
}

/// Without quotation marks and a final full stop.
fn bare(words: &str) -> &str {
    let inner = words.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(words);
    inner.strip_suffix('.').unwrap_or(inner).trim()
}

/// Without the fence models like to put around JSON.
fn unfenced(words: &str) -> &str {
    let Some(rest) = words.strip_prefix("```") else { return words };
    let rest = rest.strip_suffix("```").unwrap_or(rest);
    rest.split_once('\n').map_or(rest, |(_, body)| body).trim()
}
