//! Row values against a schema: every value becomes a typed cell, or its row an error text.

use super::column::{Column, ColumnId, Kind, WireType};
use super::parse::MAX_PATTERN_BYTES;
use crate::record::Cell;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Keys of a row that are ours; input rows may carry them (rows sent back as they came).
const SYSTEM: [&str; 6] = ["id", "createdAt", "updatedAt", "computed", "stale", "similarity"];

/// The cells a row sets; `None` sets null. Columns it does not name are absent.
pub(crate) type CheckedRow = Vec<(ColumnId, Option<Cell>)>;

/// Columns with their constraints compiled.
#[derive(Debug)]
pub(crate) struct Checker {
    columns: Vec<(Column, Option<Regex>)>,
}

impl Checker {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let compile = |column: &Column| {
            let pattern = column.keywords.get("pattern")?.as_str()?;
            RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build().ok()
        };
        Self { columns: columns.iter().map(|column| (column.clone(), compile(column))).collect() }
    }

    /// Turns one input row into cells.
    ///
    /// # Errors
    /// The first thing wrong with the row, for its caller.
    pub(crate) fn check(
        &self,
        row: &Map<String, Value>,
        unknown: &mut BTreeSet<String>,
    ) -> Result<CheckedRow, String> {
        let mut cells = Vec::with_capacity(row.len());
        // Rows mostly name their columns in the order of the schema.
        let mut next = 0;
        for (name, value) in row {
            let at = |from: usize| {
                self.columns.iter().enumerate().skip(from).find(|(_, (column, _))| column.name == *name)
            };
            let found = at(next).or_else(|| at(0));
            next = found.map_or(next, |(place, _)| place + 1);
            match found.map(|(_, column)| column) {
                // What is computed is not taken from callers.
                Some((column, _)) if column.computed().is_some() => {}
                Some((column, pattern)) => cells.push((column.id, cell(column, pattern.as_ref(), value)?)),
                None if SYSTEM.contains(&name.as_str()) => {}
                None => {
                    unknown.insert(name.clone());
                }
            }
        }
        Ok(cells)
    }

    /// Whether a new row has all it needs.
    ///
    /// # Errors
    /// The first required column it lacks, for its caller.
    pub(crate) fn complete(&self, row: &Map<String, Value>) -> Result<(), String> {
        for (column, _) in &self.columns {
            let asked = (column.required || !column.nullable) && column.computed().is_none();
            if asked && !row.contains_key(&column.name) {
                return Err(format!("column {:?} needs a value", column.name));
            }
        }
        Ok(())
    }

    /// Turns one value into the cell of a column.
    ///
    /// # Errors
    /// What is wrong with the value, for its caller.
    pub(crate) fn value(&self, column: ColumnId, value: &Value) -> Result<Option<Cell>, String> {
        let found = self.columns.iter().find(|(found, _)| found.id == column);
        let (column, pattern) = found.ok_or("the column is gone")?;
        cell(column, pattern.as_ref(), value)
    }
}

fn cell(column: &Column, pattern: Option<&Regex>, value: &Value) -> Result<Option<Cell>, String> {
    let name = &column.name;
    if value.is_null() {
        if column.nullable && !column.required {
            return Ok(None);
        }
        return Err(format!("column {name:?} must not be null"));
    }
    if !column.any && WireType::of(value) != column.wire_type {
        let (want, got) = (column.wire_type.as_str(), WireType::of(value).as_str());
        return Err(format!("column {name:?} takes {want}, not {got}"));
    }
    if let Some(Value::Array(allowed)) = column.keywords.get("enum")
        && !column.any
        && !allowed.iter().any(|one| crate::filter::json_eq(one, value))
    {
        let list: Vec<String> = allowed.iter().take(20).map(Value::to_string).collect();
        return Err(format!("column {name:?} takes one of {}", list.join(", ")));
    }
    if let (Some(pattern), Value::String(text)) = (pattern, value)
        && !pattern.is_match(text)
    {
        return Err(format!("column {name:?} must match the pattern {:?}", pattern.as_str()));
    }
    Ok(Some(match (column.kind(), value) {
        (Kind::Number, Value::Number(number)) => {
            // Adding zero turns -0 into 0: the two are one number to callers.
            Cell::Number(number.as_f64().unwrap_or(0.0) + 0.0)
        }
        (Kind::Bool, Value::Bool(flag)) => Cell::Bool(*flag),
        (Kind::DateTime, Value::String(text)) => {
            return Cell::moment(text).map(Some).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                format!("column {name:?} takes a date-time such as 2024-11-21T09:30:00Z, not {shown:?}")
            });
        }
        (Kind::Text, Value::String(text)) => Cell::Text(text.as_str().into()),
        (_, value) => Cell::Json(value.to_string().as_str().into()),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::Schema;
    use serde_json::json;

    fn check(schema: &Value, row: Value, insert: bool) -> Result<CheckedRow, String> {
        let schema = Schema::parse(schema, 20).unwrap();
        let (checker, row) = (Checker::new(&schema.columns), row.as_object().unwrap());
        let cells = checker.check(row, &mut BTreeSet::new())?;
        if insert { checker.complete(row).map(|()| cells) } else { Ok(cells) }
    }

    #[test]
    fn values_must_fit_their_column() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "n": {"type": "integer", "exclusiveMinimum": true},
            "size": {"type": "string", "enum": ["s", "m"]},
            "due": {"type": "string", "format": "date-time"},
            "must": {"type": "boolean", "nullable": false},
            "any": {"x-zui": {}},
            "list": {"type": "array"},
        }});
        let fine = json!({"name": "bob", "n": 3, "size": "m", "due": "2024-01-01", "must": true, "any": [1], "list": []});
        assert_eq!(check(&schema, fine, true).unwrap().len(), 7);
        for (row, says) in [
            (json!({"must": true}), "\"name\" needs a value"),
            (json!({"name": "x"}), "\"must\" needs a value"),
            (json!({"name": null, "must": true}), "must not be null"),
            (json!({"name": "Bob", "must": true}), "pattern"),
            (json!({"name": 7, "must": true}), "takes string, not number"),
            (json!({"name": "x", "must": true, "n": "3"}), "takes number, not string"),
            (json!({"name": "x", "must": true, "size": "xl"}), "one of \"s\", \"m\""),
            (json!({"name": "x", "must": true, "due": "soon"}), "date-time"),
            (json!({"name": "x", "must": true, "list": {}}), "takes array, not object"),
        ] {
            let error = check(&schema, row.clone(), true).unwrap_err();
            assert!(error.contains(says), "{row}: {error}");
        }
        assert_eq!(check(&schema, json!({"n": -0.0}), false).unwrap()[0].1, Some(Cell::Number(0.0)));
    }

    #[test]
    fn unknown_columns_are_named_and_system_ones_pass() {
        let schema = Schema::parse(&json!({"a": 1}), 20).unwrap();
        let mut unknown = BTreeSet::new();
        let row = json!({"id": 1, "createdAt": "x", "computed": {}, "b": 1, "a": 2});
        let cells = Checker::new(&schema.columns).check(row.as_object().unwrap(), &mut unknown).unwrap();
        assert_eq!(cells.len(), 1);
        assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
