//! Schema input: a JSON schema, a map column → schema, or an example row; and the merge on update.

use super::column::{Column, ColumnId, Schema, WireType};
use crate::Error;
use crate::compute;
use regex::RegexBuilder;
use serde_json::{Map, Value};

/// Names the answers use for themselves.
const RESERVED: [&str; 6] = ["id", "createdAt", "updatedAt", "computed", "stale", "similarity"];
const KEPT_KEYWORDS: [&str; 7] = ["format", "title", "description", "pattern", "enum", "items", "properties"];
/// Keywords that say what values a column takes; a change without any keeps the type.
const TYPE_KEYWORDS: [&str; 8] = ["type", "anyOf", "oneOf", "allOf", "enum", "const", "items", "properties"];
const MAX_NAME_CHARS: usize = 30;
pub(crate) const MAX_TABLE_NAME_CHARS: usize = 50;
const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// Compiled size of one `pattern`.
pub(crate) const MAX_PATTERN_BYTES: usize = 1 << 20;

fn wrong(text: impl Into<String>) -> Error {
    Error::InvalidSchema(text.into())
}

/// Checks the name of a table.
///
/// # Errors
/// When it is no identifier that ends in `Table`, or longer than 50 characters.
pub(crate) fn check_table_name(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'$');
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if first && rest && name.ends_with("Table") && name.len() <= MAX_TABLE_NAME_CHARS {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(Error::Invalid(format!(
        "table name {shown:?} must start with a letter, _ or $, hold only letters, digits and _, end in \"Table\" and have at most {MAX_TABLE_NAME_CHARS} characters"
    )))
}

pub(crate) fn check_column_name(name: &str) -> Result<(), Error> {
    let chars = name.chars().count();
    let shown: String = name.chars().take(60).collect();
    if chars == 0 || chars > MAX_NAME_CHARS {
        return Err(wrong(format!("column name {shown:?} must have 1 to {MAX_NAME_CHARS} characters")));
    }
    if RESERVED.contains(&name) {
        return Err(wrong(format!("column name {name:?} is reserved; choose another")));
    }
    if name.starts_with('$') || name.chars().any(char::is_control) {
        return Err(wrong(format!("column name {shown:?} must not start with $ or hold control characters")));
    }
    Ok(())
}

impl Schema {
    /// The schema of a new table.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`] naming the column; [`Error::Limit`] past `max_columns`.
    pub(crate) fn parse(input: &Value, max_columns: usize) -> Result<Self, Error> {
        Self { columns: Vec::new(), next_id: ColumnId::FIRST, next_index: 0 }.merged(input, max_columns)
    }

    /// This schema with columns added, changed (given) and removed (`null`).
    ///
    /// # Errors
    /// As [`Schema::parse`].
    pub(crate) fn merged(&self, input: &Value, max_columns: usize) -> Result<Self, Error> {
        let Value::Object(root) = input else {
            return Err(wrong(
                "schema must be an object: a JSON schema, column schemas by name, or an example row",
            ));
        };
        if input.to_string().len() > MAX_SCHEMA_BYTES {
            return Err(wrong(format!("schema is over {MAX_SCHEMA_BYTES} bytes; shorten it")));
        }
        let full = root.get("type").and_then(Value::as_str) == Some("object");
        let (properties, required) = match root.get("properties") {
            Some(Value::Object(properties)) if full => (properties, required_names(root)?),
            _ => (root, None),
        };
        let mut next = self.clone();
        for (name, given) in properties {
            next.merge_column(name, given, !std::ptr::eq(properties, root))?;
        }
        if let Some(required) = required {
            for name in &required {
                if next.column(name).is_none() {
                    return Err(wrong(format!("required names {name:?}, which is no column")));
                }
            }
            for column in &mut next.columns {
                if properties.contains_key(&column.name) || required.contains(&column.name) {
                    column.required = required.contains(&column.name);
                }
            }
        }
        // A limit that was lowered below what a table has must not keep it from shrinking.
        if next.columns.len() > max_columns.max(self.columns.len()) {
            let (used, all) = (self.columns.len(), next.columns.len());
            let needed = all.saturating_sub(used);
            return Err(Error::Limit(format!(
                "limit of columns per table exceeded: {used} used, the limit is {max_columns}, {needed} more needed; remove some or ask the operator to raise the limit"
            )));
        }
        compute::settle(&mut next, self)?;
        Ok(next)
    }

    fn merge_column(&mut self, name: &str, given: &Value, in_schema: bool) -> Result<(), Error> {
        let old = self.columns.iter().position(|column| column.name == name);
        if given.is_null() {
            let Some(at) = old else {
                return Err(wrong(format!(
                    "column {name:?} is null: give it a type or an example value (null removes an existing column)"
                )));
            };
            self.columns.remove(at);
            return Ok(());
        }
        let shape = match given {
            Value::Object(map) if in_schema || is_column_schema(map) => map.clone(),
            other if in_schema => {
                let found = WireType::of(other).as_str();
                return Err(wrong(format!("properties.{name} must be an object with a type, not {found}")));
            }
            other => infer(other),
        };
        let fresh = || ColumnId(self.next_id);
        match old {
            None => {
                check_column_name(name)?;
                let column = build(name, &shape, None, fresh(), self.next_index)?;
                self.next_id += 1;
                self.next_index += 1;
                self.columns.push(column);
            }
            Some(at) => {
                let Some(before) = self.columns.get(at) else { return Ok(()) };
                let mut column = build(name, &shape, Some(before), before.id, before.index)?;
                if column.changes_type_of(before) {
                    column.id = fresh();
                    self.next_id += 1;
                }
                if let Some(place) = self.columns.get_mut(at) {
                    *place = column;
                }
            }
        }
        Ok(())
    }

    /// Gives a column another name.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`] when there is no such column, the name is taken or not allowed.
    pub(crate) fn rename(&mut self, name: &str, new_name: &str) -> Result<(), Error> {
        check_column_name(new_name)?;
        if name != new_name && self.column(new_name).is_some() {
            return Err(wrong(format!("a column named {new_name:?} exists already; choose another name")));
        }
        let names = self.names();
        let Some(column) = self.columns.iter_mut().find(|column| column.name == name) else {
            return Err(wrong(format!("there is no column {name:?}; the columns are {names}")));
        };
        new_name.clone_into(&mut column.name);
        compute::rename(&mut self.columns, name, new_name)?;
        Ok(())
    }
}

fn required_names(root: &Map<String, Value>) -> Result<Option<Vec<String>>, Error> {
    let Some(given) = root.get("required") else { return Ok(None) };
    let names = given.as_array().map(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    match names {
        Some(Some(names)) => Ok(Some(names)),
        _ => Err(wrong("required must be a list of column names")),
    }
}

/// Whether an entry of a bare map describes a column rather than being an example value.
fn is_column_schema(map: &Map<String, Value>) -> bool {
    let typed = match map.get("type") {
        Some(Value::String(word)) => WireType::parse(word).is_some(),
        Some(Value::Array(words)) => {
            !words.is_empty() && words.iter().all(|w| w.as_str().and_then(WireType::parse).is_some())
        }
        _ => false,
    };
    typed || map.contains_key("anyOf") || map.contains_key("x-zui")
}

fn infer(example: &Value) -> Map<String, Value> {
    let mut shape = Map::new();
    shape.insert("type".into(), WireType::of(example).as_str().into());
    match example {
        Value::Array(items) => {
            if let Some(first) = items.first().filter(|first| !first.is_null()) {
                shape.insert("items".into(), infer(first).into());
            }
        }
        Value::Object(map) if !map.is_empty() => {
            let known = map.iter().filter(|(_, value)| !value.is_null());
            let inner: Map<String, Value> = known.map(|(k, v)| (k.clone(), infer(v).into())).collect();
            shape.insert("properties".into(), inner.into());
        }
        _ => {}
    }
    shape
}

/// What a shape says of the values: type, whether null is among them; `None` = any JSON.
struct Typing {
    wire_type: Option<WireType>,
    null: bool,
}

fn typing(name: &str, shape: &Map<String, Value>, depth: usize) -> Result<Typing, Error> {
    let known = |word: &str| {
        WireType::parse(word).ok_or_else(|| {
            wrong(format!(
                "column {name:?} has unknown type {word:?}; use string, number, boolean, object, array or null"
            ))
        })
    };
    let members: Vec<Typing> = match shape.get("type") {
        Some(Value::String(word)) => return Ok(Typing { wire_type: Some(known(word)?), null: false }),
        Some(Value::Array(words)) => words
            .iter()
            .map(|word| Ok(Typing { wire_type: Some(known(word.as_str().unwrap_or("?"))?), null: false }))
            .collect::<Result<_, Error>>()?,
        Some(other) => return Err(wrong(format!("column {name:?}: type must be a string, not {other}"))),
        None => {
            let union = shape.get("anyOf").or_else(|| shape.get("oneOf")).and_then(Value::as_array);
            match (union, shape.get("enum").and_then(Value::as_array), shape.get("const")) {
                (Some(union), _, _) if depth < 8 => union
                    .iter()
                    .map(|member| match member {
                        Value::Object(member) => typing(name, member, depth + 1),
                        _ => Ok(Typing { wire_type: None, null: false }),
                    })
                    .collect::<Result<_, Error>>()?,
                (None, Some(values), _) => values
                    .iter()
                    .map(|value| Typing { wire_type: Some(WireType::of(value)), null: false })
                    .collect(),
                (None, None, Some(value)) => {
                    vec![Typing { wire_type: Some(WireType::of(value)), null: false }]
                }
                _ if shape.contains_key("properties") => {
                    return Ok(Typing { wire_type: Some(WireType::Object), null: false });
                }
                _ if shape.contains_key("items") => {
                    return Ok(Typing { wire_type: Some(WireType::Array), null: false });
                }
                _ => return Ok(Typing { wire_type: None, null: false }),
            }
        }
    };
    let is_null = |member: &Typing| member.wire_type == Some(WireType::Null);
    let null = members.iter().any(|member| member.null || is_null(member));
    let mut others = members.iter().filter(|member| !is_null(member)).map(|member| member.wire_type);
    let first = others.next();
    let wire_type = match first {
        None => Some(WireType::Null),
        Some(first) => others.all(|other| other == first).then_some(first).flatten(),
    };
    Ok(Typing { wire_type, null })
}

fn build(
    name: &str,
    shape: &Map<String, Value>,
    before: Option<&Column>,
    id: ColumnId,
    index: u32,
) -> Result<Column, Error> {
    let retyped = before.is_none() || TYPE_KEYWORDS.iter().any(|keyword| shape.contains_key(*keyword));
    let typing = typing(name, shape, 0)?;
    let mut column = match before {
        Some(before) if !retyped => before.clone(),
        _ => Column {
            id,
            name: name.to_owned(),
            wire_type: typing.wire_type.unwrap_or(WireType::Object),
            any: typing.wire_type.is_none(),
            nullable: true,
            required: before.is_some_and(|before| before.required),
            index,
            rule: before.map_or(0, |before| before.rule),
            keywords: Map::new(),
            zui: before.map(|before| before.zui.clone()).unwrap_or_default(),
        },
    };
    match shape.get("nullable") {
        None => {}
        Some(Value::Bool(nullable)) => column.nullable = *nullable || typing.null,
        Some(_) => return Err(wrong(format!("column {name:?}: nullable must be true or false"))),
    }
    for keyword in KEPT_KEYWORDS {
        if let Some(given) = shape.get(keyword) {
            check_keyword(name, &column, keyword, given)?;
            if keyword != "items" || given.is_object() {
                column.keywords.insert(keyword.to_owned(), given.clone());
            }
        }
    }
    match shape.get("x-zui") {
        None => {}
        Some(Value::Object(zui)) => {
            for (key, value) in zui.iter().filter(|(key, _)| *key != "index") {
                if value.is_null() {
                    column.zui.remove(key);
                } else {
                    column.zui.insert(key.clone(), value.clone());
                }
            }
        }
        Some(_) => return Err(wrong(format!("column {name:?}: x-zui must be an object"))),
    }
    Ok(column)
}

fn check_keyword(name: &str, column: &Column, keyword: &str, given: &Value) -> Result<(), Error> {
    let text = || given.as_str().ok_or_else(|| wrong(format!("column {name:?}: {keyword} must be a string")));
    match keyword {
        "format" | "title" | "description" => text().map(drop),
        "pattern" => RegexBuilder::new(text()?)
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map(drop)
            .map_err(|cause| {
                wrong(format!(
                    "column {name:?}: pattern cannot be used ({}); look-around and back references are not supported",
                    first_line(&cause)
                ))
            }),
        "enum" if !given.is_array() => Err(wrong(format!("column {name:?}: enum must be a list"))),
        "properties" if !given.is_object() && column.wire_type == WireType::Object => {
            Err(wrong(format!("column {name:?}: properties must be an object")))
        }
        _ => Ok(()),
    }
}

/// The last line of a regex error says what is wrong; the rest draws the pattern.
pub(crate) fn first_line(cause: &regex::Error) -> String {
    let text = cause.to_string();
    text.lines().last().unwrap_or("").trim_start_matches("error: ").trim().to_owned()
}
