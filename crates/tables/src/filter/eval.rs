//! The naive evaluator: one row, plain values. The oracle of the other two paths, and the judge of
//! rows reached by id or key.

use super::ast::{Filter, Literal, Op, Test};
use super::leaf;
use crate::schema::{ColumnId, Kind};
use quarry_types::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

/// Whether a filter holds for the row whose wire values `value_of` answers.
pub(crate) fn matches<'v>(filter: &Filter, value_of: &impl Fn(ColumnId) -> Option<&'v Value>) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| matches(part, value_of)),
        Filter::Any(parts) => parts.iter().any(|part| matches(part, value_of)),
        Filter::Not(part) => !matches(part, value_of),
        Filter::Test(test) => holds(test, value_of(test.field.column).filter(|value| !value.is_null())),
    }
}

fn holds(test: &Test, value: Option<&Value>) -> bool {
    if test.field.kind == Kind::Json {
        return leaf::holds(&test.op, value, &test.field.path);
    }
    match &test.op {
        Op::Exists => value.is_some(),
        Op::Equals(literal) => equals(value, literal),
        Op::In(literals) => literals.iter().any(|literal| equals(value, literal)),
        Op::Compare(bound, literal) => order(value, literal).is_some_and(|order| bound.holds(order)),
        Op::Mod { divisor, remainder } => {
            let number = value.and_then(Value::as_f64);
            number.is_some_and(|number| leaf::modulo(number, *divisor, *remainder))
        }
        Op::Regex(pattern) => value.and_then(Value::as_str).is_some_and(|text| pattern.is_match(text)),
        Op::Size(_) => false,
    }
}

fn equals(value: Option<&Value>, literal: &Literal) -> bool {
    match literal {
        Literal::Null => value.is_none(),
        literal => order(value, literal) == Some(Ordering::Equal),
    }
}

fn order(value: Option<&Value>, literal: &Literal) -> Option<Ordering> {
    match (value?, literal) {
        (Value::Number(value), Literal::Number(wanted)) => value.as_f64()?.partial_cmp(wanted),
        (Value::String(value), Literal::Text(wanted)) => Some(value.as_str().cmp(wanted)),
        (Value::Bool(value), Literal::Bool(wanted)) => Some(value.cmp(wanted)),
        (Value::String(value), Literal::Moment(wanted)) => Some(Timestamp::parse(value)?.cmp(wanted)),
        _ => None,
    }
}
