//! Rows and groups in words.
//!
//! Invariant: every line cites the rows its values come from, as far as there are any.

use super::read::Proposal;
use super::{Line, MOST_ROWS};
use crate::reply::RowCitation;
use quarry_tables::{Row, Table};
use quarry_words::answer_name;
use serde_json::{Map, Value};

/// Columns that say what a row is, best first.
const LABELS: &[&str] =
    &["name", "title", "label", "product", "item", "model", "subject", "question", "key", "sku", "code"];
/// Columns of every row that are not content.
const SYSTEM: &[&str] = &["id", "createdAt", "updatedAt", "computed", "stale", "similarity"];
/// Columns told of a row when none is asked for.
const MOST_COLUMNS: usize = 8;
const MAX_VALUE_CHARS: usize = 300;

/// A plan's result on its way into words.
pub(super) struct Telling<'a> {
    pub(super) table: &'a Table,
    pub(super) proposal: &'a Proposal,
    pub(super) rows: &'a [Row],
    pub(super) has_more: bool,
    /// Values are counted before they are listed.
    pub(super) counts: bool,
}

impl Telling<'_> {
    /// One line per row.
    pub(super) fn rows(&self) -> Vec<Line> {
        let label = label(self.table);
        let mut lines: Vec<Line> =
            self.rows.iter().take(MOST_ROWS).filter_map(|row| self.row(row, label.as_deref())).collect();
        let left = self.rows.len().saturating_sub(MOST_ROWS);
        if (left > 0 || self.has_more) && !lines.is_empty() {
            let more = if self.has_more { "more".to_owned() } else { format!("{left} more") };
            lines.push(Line { text: format!("… and {more}."), citations: Vec::new() });
        }
        lines
    }

    fn row(&self, row: &Row, label: Option<&str>) -> Option<Line> {
        let name = label.and_then(|label| text(row.get(label)?));
        let mut columns: Vec<&str> = self.proposal.select.iter().map(String::as_str).collect();
        if columns.is_empty() {
            columns = self.mentioned();
        }
        let whole = columns.is_empty();
        if whole {
            columns = self::columns(self.table)
                .into_iter()
                .filter(|column| Some(*column) != label)
                .take(MOST_COLUMNS)
                .collect();
        }
        let told: Vec<String> = columns
            .iter()
            .filter(|column| Some(**column) != label)
            .filter_map(|column| Some(format!("{} {}", spoken(column), text(at(row, column)?)?)))
            .collect();
        let said = match (&name, told.is_empty()) {
            (Some(name), true) => name.clone(),
            (Some(name), false) => format!("{name}: {}", told.join(", ")),
            (None, false) => told.join(", "),
            (None, true) => return None,
        };
        let single = match columns.as_slice() {
            [column] if !whole => Some((*column).to_owned()),
            _ => None,
        };
        let quote = match &single {
            Some(column) => raw(at(row, column)?).unwrap_or_default(),
            None => self.quote(row),
        };
        let citation = self.cite(row, single, quote)?;
        Some(Line { text: said, citations: vec![citation] })
    }

    /// One line per group; the rows of each are cited.
    pub(super) fn groups(&self, groups: &[Row]) -> Vec<Line> {
        let Some(plan) = self.proposal.group.as_ref().and_then(Value::as_object) else { return Vec::new() };
        let keys: Vec<&str> =
            plan.iter().filter(|(_, op)| holds(op, "key")).map(|(path, _)| path.as_str()).collect();
        let mut lines = Vec::new();
        for group in groups.iter().take(MOST_ROWS) {
            let of = keys.iter().filter_map(|key| {
                let value = group.get(&answer_name(key, "key"))?;
                Some((*key, value))
            });
            let of: Vec<(&str, &Value)> = of.collect();
            let inside =
                |row: &&Row| of.iter().all(|(key, value)| at(row, key).unwrap_or(&Value::Null) == *value);
            let members: Vec<&Row> = self.rows.iter().filter(inside).collect();
            let heads: Vec<String> = of.iter().filter_map(|(_, value)| text(value)).collect();
            let results = self.results(plan, group);
            if results.is_empty() {
                continue;
            }
            let mut said = results.iter().map(|(words, _)| words.clone()).collect::<Vec<_>>().join(", ");
            if !heads.is_empty() {
                said = format!("{}: {said}", heads.join(", "));
            } else if let Some(condition) = self.condition() {
                said = format!("{said} ({condition})");
            }
            let column = results.iter().find_map(|(_, column)| column.clone());
            let most = if of.is_empty() { MOST_ROWS } else { 1 };
            let carrying = self.carriers(plan, group, &members);
            let citations = carrying.into_iter().take(most).filter_map(|row| {
                let value = column.as_deref().and_then(|column| raw(at(row, column)?));
                let quote = value.unwrap_or_else(|| self.quote(row));
                self.cite(row, column.clone(), quote)
            });
            lines.push(Line { text: said, citations: citations.collect() });
        }
        if (self.has_more || groups.len() > MOST_ROWS) && !lines.is_empty() {
            lines.push(Line { text: "… and more.".to_owned(), citations: Vec::new() });
        }
        lines
    }

    /// What the cited rows of a group have in common beside the plan's filter, and how many are cited.
    pub(super) fn of_group(&self, group: &Row) -> (Option<Value>, usize) {
        let Some(plan) = self.proposal.group.as_ref().and_then(Value::as_object) else {
            return (None, MOST_ROWS);
        };
        let mut condition = Map::new();
        for (path, op) in plan {
            if holds(op, "key") {
                let value = group.get(&answer_name(path, "key")).cloned().unwrap_or(Value::Null);
                condition.insert(path.clone(), value);
            }
        }
        let most = if condition.is_empty() { MOST_ROWS } else { 1 };
        if let Some((path, extreme)) = extreme(plan, group) {
            condition.insert(path.to_owned(), extreme.clone());
        }
        ((!condition.is_empty()).then_some(Value::Object(condition)), most)
    }

    /// For a greatest or least value the rows that have it; else all of the group.
    fn carriers<'r>(&self, plan: &Map<String, Value>, group: &Row, members: &[&'r Row]) -> Vec<&'r Row> {
        match extreme(plan, group) {
            Some((path, extreme)) => {
                members.iter().copied().filter(|row| at(row, path) == Some(extreme)).collect()
            }
            None => members.to_vec(),
        }
    }

    /// The group's results in words, with the column each is about.
    fn results(&self, plan: &Map<String, Value>, group: &Row) -> Vec<(String, Option<String>)> {
        let mut told = Vec::new();
        for (path, op) in plan {
            for (name, words) in [
                ("count", ""),
                ("sum", "total"),
                ("avg", "average"),
                ("min", "lowest"),
                ("max", "highest"),
                ("unique", ""),
            ] {
                if !holds(op, name) {
                    continue;
                }
                let Some(result) = group.get(&answer_name(path, name)) else { continue };
                let Some(value) = text(result) else { continue };
                told.push(match name {
                    "count" if path == "id" => (value, None),
                    "count" => (format!("{value} with {}", spoken(path)), None),
                    "unique" => (self.listed(result, value), Some(path.clone())),
                    // "total total" says no more.
                    _ if spoken(path) == words => (format!("{words} {value}"), Some(path.clone())),
                    _ => (format!("{words} {} {value}", spoken(path)), Some(path.clone())),
                });
            }
        }
        told
    }

    /// Values that occur, with their number before them when it was asked for.
    fn listed(&self, values: &Value, told: String) -> String {
        match values.as_array().filter(|_| self.counts) {
            Some(values) => format!("{} ({told})", values.iter().filter(|value| !value.is_null()).count()),
            None => told,
        }
    }

    /// What the counted rows have in common, from the explanation.
    fn condition(&self) -> Option<String> {
        let told = self.proposal.explanation.split(". ").next()?.trim_end_matches('.');
        told.find("rows where").map(|at| told.get(at..).unwrap_or_default().to_owned())
    }

    /// Columns of the conditions and the order: what a list of rows is about.
    fn mentioned(&self) -> Vec<&str> {
        let known = columns(self.table);
        let mut said: Vec<&str> = Vec::new();
        let mut add = |name: &str| {
            if let Some(column) = known.iter().find(|column| **column == name)
                && !said.contains(column)
            {
                said.push(column);
            }
        };
        let filtered = self.proposal.filter.as_ref().and_then(Value::as_object);
        let label = label(self.table);
        let by_name =
            filtered.is_some_and(|filter| label.as_ref().is_some_and(|label| filter.contains_key(label)));
        // One row asked for by its name is told whole.
        if self.rows.len() == 1 && self.proposal.order_by.is_none() && by_name {
            return Vec::new();
        }
        if let Some(order) = self.proposal.order_by.as_deref() {
            add(order);
        }
        for name in filtered.into_iter().flat_map(Map::keys) {
            add(name);
        }
        said
    }

    /// The row as `column: value` pairs.
    fn quote(&self, row: &Row) -> String {
        let pairs = columns(self.table)
            .into_iter()
            .filter_map(|column| Some(format!("{column}: {}", raw(row.get(column)?)?)));
        let mut quote = String::new();
        for pair in pairs {
            if quote.chars().count() + pair.chars().count() > 800 {
                break;
            }
            if !quote.is_empty() {
                quote.push_str(", ");
            }
            quote.push_str(&pair);
        }
        quote
    }

    fn cite(&self, row: &Row, column: Option<String>, quote: String) -> Option<RowCitation> {
        let row_id = row.get("id")?.as_i64()?;
        Some(RowCitation { token: String::new(), table: self.table.name.clone(), row_id, column, quote })
    }
}

/// The columns that hold content.
fn columns(table: &Table) -> Vec<&str> {
    let columns = table.schema.get("properties").and_then(Value::as_object);
    columns.map_or_else(Vec::new, |columns| {
        columns.keys().map(String::as_str).filter(|name| !SYSTEM.contains(name)).collect()
    })
}

/// The column that names a row.
pub(super) fn label(table: &Table) -> Option<String> {
    let columns = columns(table);
    let like = |wanted: &&str| {
        columns.iter().find(|column| column.eq_ignore_ascii_case(wanted)).map(|column| (*column).to_owned())
    };
    let close = || {
        columns
            .iter()
            .find(|column| {
                let lower = column.to_lowercase();
                lower.ends_with("name") || lower.ends_with("title")
            })
            .map(|column| (*column).to_owned())
    };
    let texts = || {
        let schema = table.schema.get("properties")?.as_object()?;
        let text = |kind: &Value| kind.get("type").and_then(Value::as_str) == Some("string");
        schema
            .iter()
            .find(|(name, kind)| text(kind) && !SYSTEM.contains(&name.as_str()))
            .map(|(name, _)| name.clone())
    };
    LABELS.iter().find_map(like).or_else(close).or_else(|| table.key_column.clone()).or_else(texts)
}

/// The column and value of a plan's greatest or least value.
fn extreme<'a>(plan: &'a Map<String, Value>, group: &'a Row) -> Option<(&'a str, &'a Value)> {
    for (path, op) in plan {
        for name in ["max", "min"] {
            if holds(op, name)
                && let Some(extreme) = group.get(&answer_name(path, name))
            {
                return Some((path, extreme));
            }
        }
    }
    None
}

fn holds(op: &Value, name: &str) -> bool {
    match op {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one.as_str() == Some(name)),
        _ => false,
    }
}

/// The value at a column or a dotted path.
pub(super) fn at<'r>(row: &'r Row, path: &str) -> Option<&'r Value> {
    if let Some(value) = row.get(path) {
        return Some(value);
    }
    let mut parts = path.split('.');
    let mut value = row.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}

/// A column's name as words: `noise_db` and `noiseDb` are "noise db".
fn spoken(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for c in name.chars() {
        if matches!(c, '_' | '-' | '.') {
            words.push(' ');
        } else {
            if c.is_uppercase() && before.is_lowercase() {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

/// A value as it is told; `None` for null and empty texts.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => rounded(float),
            _ => number.to_string(),
        },
        Value::Array(values) => values.iter().filter_map(text).collect::<Vec<_>>().join(", "),
        Value::Object(_) => value.to_string(),
    };
    if text.is_empty() {
        return None;
    }
    Some(match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    })
}

/// A value as it stands in its row, from its beginning; `None` for null and empty texts.
fn raw(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let kept: String = text.chars().take(MAX_VALUE_CHARS).collect();
    (!kept.trim().is_empty()).then_some(kept)
}

/// At most four places after the point, and four digits of what is less than a thousandth.
fn rounded(number: f64) -> String {
    let size = number.abs();
    if size > 0.0 && size < 1e-12 {
        return format!("{number:e}");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "4..=16")]
    let places = if size > 0.0 && size < 0.001 { (3.0 - size.log10().floor()) as usize } else { 4 };
    let text = format!("{number:.places$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn values_and_names_are_told_plainly() {
        assert_eq!(spoken("noise_db"), "noise db");
        assert_eq!(spoken("unitPrice"), "unit price");
        for (value, said) in [
            (json!(86.3), Some("86.3")),
            (json!(89.66666666), Some("89.6667")),
            (json!(20.0), Some("20")),
            (json!(0.00003), Some("0.00003")),
            (json!(-0.000_123_456), Some("-0.0001235")),
            (json!(0.0), Some("0")),
            (json!(1e-30), Some("1e-30")),
            (json!(12), Some("12")),
            (json!(true), Some("yes")),
            (json!(["a", "b"]), Some("a, b")),
            (json!(" "), None),
            (json!(null), None),
        ] {
            assert_eq!(text(&value).as_deref(), said, "{value}");
        }
        for (value, quoted) in [
            (json!(true), Some("true")),
            (json!(89.66666666), Some("89.66666666")),
            (json!(" a "), Some(" a ")),
            (json!(["a", "b"]), Some(r#"["a","b"]"#)),
            (json!(""), None),
        ] {
            assert_eq!(raw(&value).as_deref(), quoted, "{value}");
        }
        let row: Row = json!({"a": {"b": 1}, "c.d": 2}).as_object().unwrap().clone();
        assert_eq!(at(&row, "a.b"), Some(&json!(1)));
        assert_eq!(at(&row, "c.d"), Some(&json!(2)));
        assert_eq!(at(&row, "a.x"), None);
    }
}
