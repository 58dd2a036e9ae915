//! The labelled questions of `testdata/words`, and when two queries are the same query.

use quarry_types::Timestamp;
use quarry_words::{Collector, Kind, Proposal, Vocabulary};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The tables a question may be about.
pub(crate) const SCHEMAS: [&str; 6] = ["products", "employees", "orders", "tickets", "events", "homes"];

/// One line of `queries.jsonl`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Label {
    pub(crate) schema: String,
    pub(crate) split: String,
    pub(crate) text: String,
    pub(crate) filter: Value,
    #[serde(default)]
    pub(crate) order_by: Option<String>,
    #[serde(default)]
    pub(crate) descending: bool,
    #[serde(default)]
    pub(crate) limit: Option<usize>,
    #[serde(default)]
    pub(crate) group: Option<Value>,
    #[serde(default)]
    pub(crate) select: Option<Vec<String>>,
}

/// A table of the labelled set.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Table {
    pub(crate) table: String,
    pub(crate) schema: Value,
    pub(crate) rows: Vec<Value>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/words")
}

/// All labelled questions.
pub(crate) fn labels() -> Vec<Label> {
    let text = std::fs::read_to_string(folder().join("queries.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One table.
pub(crate) fn table(name: &str) -> Table {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// When the questions were asked: a Wednesday.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2024-11-20T15:00:00Z").unwrap()
}

/// What the rows of a table teach.
pub(crate) fn vocabulary(table: &Table) -> Vocabulary {
    let mut columns = Vec::new();
    for (name, shape) in table.schema["properties"].as_object().unwrap() {
        let kind = match (shape["type"].as_str(), shape["format"].as_str()) {
            (Some("number"), _) => Kind::Number,
            (Some("boolean"), _) => Kind::Bool,
            (Some("string"), Some("date-time")) => Kind::DateTime,
            (Some("string"), _) => Kind::Text,
            (Some("array"), _) => Kind::List,
            _ => Kind::Object,
        };
        let mut column = Collector::new(name, kind, shape["description"].as_str());
        for value in shape["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            column.allow(value);
        }
        for row in &table.rows {
            column.add(&row[name]);
        }
        columns.extend(column.finish());
    }
    Vocabulary { table: table.table.clone(), columns }
}

/// A query with all that does not matter taken out: order of keys and of alternatives, spelling of
/// equality, nested conjunctions.
pub(crate) fn canonical(filter: &Value) -> Value {
    match filter {
        Value::Null => json!({"and": []}),
        filter => sorted("and", conjuncts(filter)),
    }
}

fn sorted(word: &str, mut parts: Vec<Value>) -> Value {
    parts.sort_by_key(Value::to_string);
    parts.dedup();
    json!({ word: parts })
}

fn conjuncts(filter: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for (key, value) in filter.as_object().into_iter().flatten() {
        match key.as_str() {
            "$and" => parts.extend(value.as_array().into_iter().flatten().flat_map(conjuncts)),
            "$or" => match value.as_array().map(Vec::as_slice).unwrap_or_default() {
                [only] => parts.extend(conjuncts(only)),
                branches => {
                    parts.push(sorted(
                        "or",
                        branches.iter().map(|part| sorted("and", conjuncts(part))).collect(),
                    ));
                }
            },
            "$not" => parts.push(json!({"not": sorted("and", conjuncts(value))})),
            column => parts.extend(tests(column, value)),
        }
    }
    parts
}

fn tests(column: &str, value: &Value) -> Vec<Value> {
    let Some(map) =
        value.as_object().filter(|map| map.keys().all(|key| key.starts_with('$')) && !map.is_empty())
    else {
        return vec![json!([column, "in", [number(value)]])];
    };
    let list = |value: &Value| {
        let mut items: Vec<Value> = value.as_array().into_iter().flatten().map(number).collect();
        items.sort_by_key(Value::to_string);
        json!(items)
    };
    let negated = |test: Value| json!({"not": {"and": [test]}});
    map.iter()
        .filter(|(op, _)| op.as_str() != "$options")
        .map(|(op, value)| match op.as_str() {
            "$eq" => json!([column, "in", [number(value)]]),
            "$in" => json!([column, "in", list(value)]),
            "$ne" => negated(json!([column, "in", [number(value)]])),
            "$nin" => negated(json!([column, "in", list(value)])),
            "$exists" if value == &json!(false) => json!([column, "in", [null]]),
            "$exists" => negated(json!([column, "in", [null]])),
            "$regex" => json!([column, "regex", value.as_str().unwrap_or_default().to_lowercase()]),
            "$not" => json!({"not": {"and": tests(column, value)}}),
            op => json!([column, op, number(value)]),
        })
        .collect()
}

fn number(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), |number| json!(number))
}

fn group(group: Option<&Value>) -> Value {
    let Some(map) = group.and_then(Value::as_object) else { return Value::Null };
    let mut parts: Vec<String> = Vec::new();
    for (path, ops) in map {
        for op in ops.as_array().cloned().unwrap_or_else(|| vec![ops.clone()]) {
            parts.push(format!("{path} {}", op.as_str().unwrap_or_default()));
        }
    }
    parts.sort();
    json!(parts)
}

/// Whether a proposal is the labelled query. `select` counts only where the label states it.
pub(crate) fn matches(label: &Label, proposal: &Proposal) -> bool {
    let direction = |by: &Option<String>, descending: bool| by.as_ref().map(|by| (by.clone(), descending));
    canonical(&label.filter) == canonical(proposal.filter.as_ref().unwrap_or(&Value::Null))
        && direction(&label.order_by, label.descending) == direction(&proposal.order_by, proposal.descending)
        && label.limit == proposal.limit
        && group(label.group.as_ref()) == group(proposal.group.as_ref())
        && label.select.as_ref().is_none_or(|select| *select == proposal.select)
}
