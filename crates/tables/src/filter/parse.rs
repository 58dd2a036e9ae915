//! Filter JSON to typed [`Filter`], checked against the schema and bounded.

use super::ast::{Bound, Field, Filter, Literal, Op, Test};
use crate::Error;
use crate::schema::{ColumnId, Kind, Schema, first_line};
use quarry_types::Timestamp;
use regex::RegexBuilder;
use serde_json::{Map, Value};

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 1_000;
const MAX_LIST: usize = 10_000;
/// Bounds the ways a path can lead through nested arrays.
const MAX_PATH: usize = 16;
const MAX_PATTERN_CHARS: usize = 1_000;
/// Compiled size of one pattern and of its cache.
const MAX_REGEX_BYTES: usize = 1 << 20;
const OPERATORS: &str = "$eq $ne $gt $gte $lt $lte $in $nin $exists $mod $size $regex $options $and $or $not";

fn wrong(at: &str, text: impl std::fmt::Display) -> Error {
    Error::InvalidQuery(format!("{at}: {text}"))
}

/// Parses a filter.
///
/// # Errors
/// [`Error::InvalidQuery`] naming the JSON path and what to change.
pub(crate) fn parse(filter: &Value, schema: &Schema) -> Result<Filter, Error> {
    match filter {
        Value::Null => Ok(Filter::All(Vec::new())),
        filter => Parser { schema, nodes: 0 }.document(filter, "filter", 0),
    }
}

/// Finds the column (and the path inside it) a name means.
///
/// # Errors
/// [`Error::InvalidQuery`] when there is none; `at` says where the name stands.
pub(crate) fn resolve(name: &str, schema: &Schema, at: &str) -> Result<Field, Error> {
    let whole = |column, kind| Ok(Field { column, kind, path: Vec::new() });
    if let Some(column) = schema.column(name) {
        return whole(column.id, column.kind());
    }
    match name {
        "id" | "row_id" => return whole(ColumnId::ID, Kind::Number),
        "createdAt" => return whole(ColumnId::CREATED_AT, Kind::DateTime),
        "updatedAt" => return whole(ColumnId::UPDATED_AT, Kind::DateTime),
        _ => {}
    }
    // A column name may itself hold dots: the longest one that fits wins.
    for (dot, _) in name.rmatch_indices('.') {
        let (Some(head), Some(tail)) = (name.get(..dot), name.get(dot + 1..)) else { continue };
        let Some(column) = schema.column(head) else { continue };
        if column.kind() != Kind::Json {
            let kind = column.kind().name();
            return Err(wrong(
                at,
                format_args!("column {head:?} is a {kind} and holds nothing under {tail:?}"),
            ));
        }
        let path: Vec<String> = tail.split('.').map(str::to_owned).collect();
        if path.len() > MAX_PATH || path.iter().any(String::is_empty) {
            return Err(wrong(
                at,
                format_args!("path {name:?} must have 1 to {MAX_PATH} non-empty segments"),
            ));
        }
        return Ok(Field { column: column.id, kind: Kind::Json, path });
    }
    let shown: String = name.chars().take(60).collect();
    let names = schema.names();
    Err(wrong(
        at,
        format_args!(
            "there is no column {shown:?}; the columns are {names}, \"id\", \"createdAt\", \"updatedAt\""
        ),
    ))
}

struct Parser<'a> {
    schema: &'a Schema,
    nodes: usize,
}

impl Parser<'_> {
    fn enter(&mut self, at: &str, depth: usize) -> Result<(), Error> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(wrong(at, format_args!("the filter is nested over {MAX_DEPTH} levels; flatten it")));
        }
        if self.nodes > MAX_NODES {
            return Err(wrong(
                at,
                format_args!("the filter has over {MAX_NODES} conditions; use $in or several queries"),
            ));
        }
        Ok(())
    }

    fn document(&mut self, value: &Value, at: &str, depth: usize) -> Result<Filter, Error> {
        self.enter(at, depth)?;
        let Value::Object(map) = value else {
            return Err(wrong(at, "must be an object of columns and conditions"));
        };
        let mut parts = Vec::with_capacity(map.len());
        for (key, value) in map {
            let at = format!("{at}.{key}");
            parts.push(match key.as_str() {
                "$and" => Filter::All(self.list(value, &at, |p, item, at| p.document(item, at, depth + 1))?),
                "$or" => Filter::Any(self.list(value, &at, |p, item, at| p.document(item, at, depth + 1))?),
                "$not" => Filter::Not(Box::new(self.document(value, &at, depth + 1)?)),
                operator if operator.starts_with('$') && self.schema.column(operator).is_none() => {
                    return Err(wrong(&at, "unknown operator here; use $and, $or, $not or a column name"));
                }
                name => {
                    let field = resolve(name, self.schema, &at)?;
                    self.condition(&field, value, &at, depth + 1)?
                }
            });
        }
        Ok(one_or_all(parts))
    }

    fn list(
        &mut self,
        value: &Value,
        at: &str,
        mut each: impl FnMut(&mut Self, &Value, &str) -> Result<Filter, Error>,
    ) -> Result<Vec<Filter>, Error> {
        match value.as_array() {
            Some(items) if !items.is_empty() => {
                items.iter().enumerate().map(|(i, item)| each(self, item, &format!("{at}[{i}]"))).collect()
            }
            _ => Err(wrong(at, "must be a non-empty list of conditions")),
        }
    }

    fn condition(&mut self, field: &Field, value: &Value, at: &str, depth: usize) -> Result<Filter, Error> {
        self.enter(at, depth)?;
        if let Value::Object(map) = value {
            let operators = map.keys().filter(|key| key.starts_with('$')).count();
            if operators > 0 && operators == map.len() {
                return self.operators(field, map, at, depth);
            }
            if operators > 0 {
                return Err(wrong(at, "mixes operators with plain keys; put the value under $eq"));
            }
            if field.kind != Kind::Json {
                let bare = |key: &String| matches!(key.as_str(), "gt" | "gte" | "lt" | "lte" | "eq" | "ne");
                if map.is_empty() || !map.keys().all(bare) {
                    return Err(wrong(at, format_args!("unknown operator; use one of {OPERATORS}")));
                }
                let map = map.iter().map(|(key, value)| (format!("${key}"), value.clone())).collect();
                return self.operators(field, &map, at, depth);
            }
        }
        equals(field, value, at)
    }

    fn operators(
        &mut self,
        field: &Field,
        map: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<Filter, Error> {
        let mut parts = Vec::with_capacity(map.len());
        for (key, value) in map {
            let at = format!("{at}.{key}");
            let at = at.as_str();
            self.enter(at, depth)?;
            let compare = |bound| compare(field, bound, value, at);
            parts.push(match key.as_str() {
                "$eq" => equals(field, value, at)?,
                "$ne" => not(equals(field, value, at)?),
                "$gt" => compare(Bound::Greater)?,
                "$gte" => compare(Bound::GreaterOrEqual)?,
                "$lt" => compare(Bound::Less)?,
                "$lte" => compare(Bound::LessOrEqual)?,
                "$in" => listed(field, value, at)?,
                "$nin" => not(listed(field, value, at)?),
                "$exists" => match value {
                    Value::Bool(true) => test(field, Op::Exists),
                    Value::Bool(false) => not(test(field, Op::Exists)),
                    _ => return Err(wrong(at, "must be true or false")),
                },
                "$mod" => test(field, modulo(field, value, at)?),
                "$size" => test(field, size(field, value, at)?),
                "$regex" => test(field, regex(field, value, map.get("$options"), at)?),
                "$options" if map.contains_key("$regex") => continue,
                "$options" => return Err(wrong(at, "needs $regex beside it")),
                "$and" => {
                    Filter::All(self.list(value, at, |p, item, at| p.condition(field, item, at, depth + 1))?)
                }
                "$or" => {
                    Filter::Any(self.list(value, at, |p, item, at| p.condition(field, item, at, depth + 1))?)
                }
                "$not" => not(self.condition(field, value, at, depth + 1)?),
                _ => return Err(wrong(at, format_args!("unknown operator; use one of {OPERATORS}"))),
            });
        }
        Ok(one_or_all(parts))
    }
}

fn test(field: &Field, op: Op) -> Filter {
    Filter::Test(Test { field: field.clone(), op })
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn one_or_all(mut parts: Vec<Filter>) -> Filter {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            Filter::All(parts)
        }
    }
}

/// The start and the end of the day a date alone stands for, when the column holds moments.
fn day(field: &Field, value: &Value) -> Option<(Literal, Literal)> {
    const DAY_MS: i64 = 86_400_000;
    let text = value.as_str().filter(|_| field.kind == Kind::DateTime)?.trim();
    let start = Timestamp::parse(text).filter(|_| text.len() == "2024-11-21".len())?;
    Some((Literal::Moment(start), Literal::Moment(Timestamp(start.as_ms() + DAY_MS))))
}

fn within((start, end): (Literal, Literal), field: &Field) -> Filter {
    let bounds = [(Bound::GreaterOrEqual, start), (Bound::Less, end)];
    Filter::All(bounds.into_iter().map(|(bound, limit)| test(field, Op::Compare(bound, limit))).collect())
}

fn equals(field: &Field, value: &Value, at: &str) -> Result<Filter, Error> {
    Ok(match day(field, value) {
        Some(day) => within(day, field),
        None => test(field, Op::Equals(literal(field, value, at)?)),
    })
}

/// A comparison; a date alone stands for the whole day, so nothing of it is greater or less.
fn compare(field: &Field, bound: Bound, value: &Value, at: &str) -> Result<Filter, Error> {
    let (bound, limit) = match (day(field, value), bound) {
        (Some((_, end)), Bound::Greater) => (Bound::GreaterOrEqual, end),
        (Some((_, end)), Bound::LessOrEqual) => (Bound::Less, end),
        (Some((start, _)), bound) => (bound, start),
        (None, bound) => (bound, bound_literal(field, value, at)?),
    };
    Ok(test(field, Op::Compare(bound, limit)))
}

/// A list of values, dates alone among them as days.
fn listed(field: &Field, value: &Value, at: &str) -> Result<Filter, Error> {
    let literals = literals(field, value, at)?;
    let mut days: Vec<Filter> = Vec::new();
    let mut moments = Vec::with_capacity(literals.len());
    for (literal, item) in literals.into_iter().zip(value.as_array().into_iter().flatten()) {
        match day(field, item) {
            Some(day) => days.push(within(day, field)),
            None => moments.push(literal),
        }
    }
    let moments = test(field, Op::In(moments));
    if days.is_empty() {
        return Ok(moments);
    }
    days.push(moments);
    Ok(Filter::Any(days))
}

fn literal(field: &Field, value: &Value, at: &str) -> Result<Literal, Error> {
    Ok(match (field.kind, value) {
        (_, Value::Null) => Literal::Null,
        (Kind::Json, value) => Literal::Json(value.clone()),
        // Adding zero turns -0 into 0, as rows do.
        (Kind::Number, Value::Number(number)) => Literal::Number(number.as_f64().unwrap_or(0.0) + 0.0),
        (Kind::Bool, Value::Bool(flag)) => Literal::Bool(*flag),
        (Kind::Text, Value::String(text)) => Literal::Text(text.clone()),
        (Kind::DateTime, Value::String(text)) => match Timestamp::parse(text) {
            Some(moment) => Literal::Moment(moment),
            None => return Err(wrong(at, "must be a date such as 2024-11-21 or 2024-11-21T09:30:00Z")),
        },
        (kind, Value::Array(_)) => {
            return Err(wrong(at, format_args!("must be a {}; use $in for several values", kind.name())));
        }
        (kind, _) => return Err(wrong(at, format_args!("must be a {} or null", kind.name()))),
    })
}

fn bound_literal(field: &Field, value: &Value, at: &str) -> Result<Literal, Error> {
    match value {
        Value::Null => Err(wrong(at, "cannot compare with null; use $exists")),
        Value::Array(_) | Value::Object(_) => Err(wrong(at, "must be a number, a string or a boolean")),
        value => literal(field, value, at),
    }
}

fn literals(field: &Field, value: &Value, at: &str) -> Result<Vec<Literal>, Error> {
    let Some(items) = value.as_array() else { return Err(wrong(at, "must be a list of values")) };
    if items.len() > MAX_LIST {
        return Err(wrong(
            at,
            format_args!("has {} values, the limit is {MAX_LIST}; use several queries", items.len()),
        ));
    }
    items.iter().enumerate().map(|(i, item)| literal(field, item, &format!("{at}[{i}]"))).collect()
}

fn modulo(field: &Field, value: &Value, at: &str) -> Result<Op, Error> {
    if !matches!(field.kind, Kind::Number | Kind::Json) {
        return Err(wrong(at, format_args!("works on numbers, the column is a {}", field.kind.name())));
    }
    let parts: Option<Vec<f64>> = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    match parts.as_deref() {
        Some([divisor, remainder]) if divisor.trunc() != 0.0 => {
            Ok(Op::Mod { divisor: divisor.trunc(), remainder: remainder.trunc() + 0.0 })
        }
        _ => Err(wrong(at, "must be [divisor, remainder] with a divisor other than 0")),
    }
}

fn size(field: &Field, value: &Value, at: &str) -> Result<Op, Error> {
    if field.kind != Kind::Json {
        return Err(wrong(at, format_args!("works on arrays, the column is a {}", field.kind.name())));
    }
    let whole = value.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0 && *n < 1e9);
    whole.map(|n| Op::Size(n as usize)).ok_or_else(|| wrong(at, "must be a whole number from 0"))
}

fn regex(field: &Field, value: &Value, options: Option<&Value>, at: &str) -> Result<Op, Error> {
    if !matches!(field.kind, Kind::Text | Kind::DateTime | Kind::Json)
        || field.column < ColumnId(ColumnId::FIRST)
    {
        return Err(wrong(at, "works on string columns only"));
    }
    let Some(pattern) = value.as_str() else { return Err(wrong(at, "must be a string")) };
    if pattern.chars().count() > MAX_PATTERN_CHARS {
        return Err(wrong(at, format_args!("must have at most {MAX_PATTERN_CHARS} characters")));
    }
    let ignore_case = match options {
        None => false,
        Some(Value::String(letters)) if letters.chars().all(|letter| matches!(letter, 'i' | 'c')) => {
            letters.contains('i')
        }
        Some(_) => return Err(wrong(at, "$options must be \"i\" (ignore case) or \"c\" (case-sensitive)")),
    };
    RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build()
        .map(Op::Regex)
        .map_err(|cause| {
            let cause = first_line(&cause);
            wrong(
                at,
                format_args!(
                    "is no usable pattern ({cause}); look-around and back references are not supported"
                ),
            )
        })
}
