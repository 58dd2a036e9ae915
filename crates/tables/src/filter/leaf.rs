//! What one test means on one JSON value. The naive evaluator and the plan's JSON functions share
//! this, so both give nested values and arrays the same meaning.

use super::ast::{Bound, Literal, Op};
use serde_json::Value;
use std::cmp::Ordering;

/// The values a path leads to. A segment steps into an object by name and into an array by number;
/// objects directly inside an array are searched as well.
pub(crate) fn lookup<'v>(value: &'v Value, path: &[String]) -> Vec<&'v Value> {
    let mut found = Vec::new();
    walk(value, path, &mut found);
    found
}

fn walk<'v>(value: &'v Value, path: &[String], found: &mut Vec<&'v Value>) {
    let Some((segment, rest)) = path.split_first() else {
        found.push(value);
        return;
    };
    match value {
        Value::Object(map) => {
            if let Some(inner) = map.get(segment) {
                walk(inner, rest, found);
            }
        }
        Value::Array(items) => {
            if let Some(item) = segment.parse::<usize>().ok().and_then(|at| items.get(at)) {
                walk(item, rest, found);
            }
            for item in items.iter().filter(|item| item.is_object()) {
                walk(item, path, found);
            }
        }
        _ => {}
    }
}

/// Whether two JSON values are equal: numbers by value, objects whatever the order of their keys.
pub(crate) fn json_eq(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_eq(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| json_eq(a, b)))
        }
        _ => a == b,
    }
}

/// Whether a test holds for the JSON value of a column (`None` = unset).
pub(crate) fn holds(op: &Op, value: Option<&Value>, path: &[String]) -> bool {
    let found = value.map(|value| lookup(value, path)).unwrap_or_default();
    match op {
        Op::Exists => found.iter().any(|value| !value.is_null()),
        Op::Size(len) => found.iter().any(|value| value.as_array().is_some_and(|items| items.len() == *len)),
        Op::Equals(literal) => equals(&found, literal),
        Op::In(literals) => literals.iter().any(|literal| equals(&found, literal)),
        Op::Compare(bound, literal) => any_or_element(&found, |value| compares(*bound, value, literal)),
        Op::Mod { divisor, remainder } => any_or_element(&found, |value| {
            value.as_f64().is_some_and(|number| modulo(number, *divisor, *remainder))
        }),
        Op::Regex(pattern) => {
            any_or_element(&found, |value| value.as_str().is_some_and(|text| pattern.is_match(text)))
        }
    }
}

/// As MongoDB: fractions are cut off, and numbers beyond 64-bit integers never match.
pub(crate) fn modulo(number: f64, divisor: f64, remainder: f64) -> bool {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    number.abs() < LIMIT && number.trunc() % divisor == remainder
}

fn equals(found: &[&Value], literal: &Literal) -> bool {
    match literal {
        Literal::Null => found.is_empty() || any_or_element(found, Value::is_null),
        Literal::Json(wanted) => any_or_element(found, |value| json_eq(value, wanted)),
        // Literals of scalar columns never meet JSON values.
        _ => false,
    }
}

fn any_or_element(found: &[&Value], test: impl Fn(&Value) -> bool) -> bool {
    found.iter().any(|value| test(value) || value.as_array().is_some_and(|items| items.iter().any(&test)))
}

fn compares(bound: Bound, value: &Value, literal: &Literal) -> bool {
    let Literal::Json(wanted) = literal else { return false };
    let order: Option<Ordering> = match (value, wanted) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    };
    order.is_some_and(|order| bound.holds(order))
}
