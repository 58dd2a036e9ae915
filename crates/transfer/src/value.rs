//! Text of a cell as a value of a column.

use crate::Kind;
use crate::date;
use crate::error::excerpt;
use serde_json::{Number, Value};

pub(crate) use crate::date::DateOrder;

/// Whole numbers up to this size are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a cell, or what is wrong with it.
///
/// An empty cell is null; a quoted empty one is an empty text where texts are taken. Without a kind
/// the text stays as it is.
pub(crate) fn of_text(
    text: &str,
    quoted: bool,
    kind: Option<Kind>,
    dates: Option<DateOrder>,
) -> Result<Value, String> {
    if text.is_empty() && !quoted {
        return Ok(Value::Null);
    }
    let kind = match kind {
        None | Some(Kind::String) => return Ok(Value::String(text.to_owned())),
        Some(kind) => kind,
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Value::Null);
    }
    match kind {
        Kind::Number => number(trimmed),
        Kind::Integer => match number(trimmed)? {
            Value::Number(number) if number.is_f64() => {
                Err(format!("{} is not a whole number", excerpt(trimmed)))
            }
            whole => Ok(whole),
        },
        Kind::Boolean => boolean(trimmed)
            .map(Value::Bool)
            .ok_or_else(|| format!("{} is not a boolean; write true or false", excerpt(trimmed))),
        Kind::DateTime => date::canonical(trimmed, dates).map(Value::String),
        Kind::Object | Kind::Array => json(trimmed, kind),
        Kind::Any => Ok(match serde_json::from_str(trimmed) {
            // More digits than a number keeps: a text, to the letter.
            Ok(Value::Number(number)) if number.is_f64() && is_digits(trimmed) => text.into(),
            Ok(value) => value,
            Err(_) => text.into(),
        }),
        Kind::String => Ok(Value::String(text.to_owned())),
    }
}

fn json(text: &str, kind: Kind) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|cause| {
        format!("{} is not the JSON of an {}: {}", excerpt(text), kind.name(), json_cause(&cause))
    })?;
    let fits = match kind {
        Kind::Object => value.is_object() || value.is_null(),
        _ => value.is_array() || value.is_null(),
    };
    if fits { Ok(value) } else { Err(format!("{} is not an {}", excerpt(text), kind.name())) }
}

/// The cause without its place, which counts within the cell and would mislead.
pub(crate) fn json_cause(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before).to_owned()
}

fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(["true", "yes", "1", "t", "y"]) {
        return Some(true);
    }
    is(["false", "no", "0", "f", "n"]).then_some(false)
}

/// A decimal number with optional sign, fraction and exponent; no grouping, no NaN, no infinity.
fn number(text: &str) -> Result<Value, String> {
    let wrong = |why: &str| Err(format!("{} is not a number{why}", excerpt(text)));
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(allowed) {
        let grouped = text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| allowed(byte) || matches!(byte, b',' | b'\'' | b' ' | b'_'));
        return wrong(if grouped {
            "; write it without grouping and with a decimal point, as 1234.5"
        } else {
            ""
        });
    }
    let Ok(parsed) = text.parse::<f64>() else { return wrong("") };
    if !parsed.is_finite() {
        return wrong(" that fits; numbers are doubles, up to 1.8e308");
    }
    if parsed.abs() >= EXACT && is_digits(text) && !is_exact(text, parsed) {
        return wrong(" that can be kept exactly (beyond 2^53); make the column a string");
    }
    Ok(number_value(parsed))
}

/// Digits with or without a sign.
fn is_digits(text: &str) -> bool {
    text.strip_prefix(['+', '-']).unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a whole number survives as a double.
fn is_exact(text: &str, parsed: f64) -> bool {
    const MOST: f64 = 1e38;
    #[allow(clippy::cast_possible_truncation, reason = "whole and below i128::MAX: exact")]
    let kept = (parsed.abs() < MOST).then_some(parsed as i128);
    kept.is_some() && text.parse::<i128>().ok() == kept
}

/// Whole numbers print without a fraction; -0 is 0.
pub(crate) fn number_value(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole and at most 2^53: exact")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_become_values_of_their_column() {
        for (text, kind, expected) in [
            ("12", Kind::Number, json!(12)),
            (" -0 ", Kind::Number, json!(0)),
            ("-0.0", Kind::Number, json!(0)),
            ("1.5e3", Kind::Number, json!(1500)),
            (".5", Kind::Number, json!(0.5)),
            ("1152921504606846976", Kind::Number, json!(1_152_921_504_606_846_976.0)),
            ("9007199254740993", Kind::String, json!("9007199254740993")),
            (" x ", Kind::String, json!(" x ")),
            ("YES", Kind::Boolean, json!(true)),
            ("0", Kind::Boolean, json!(false)),
            ("{\"a\":[1]}", Kind::Object, json!({"a": [1]})),
            ("[]", Kind::Array, json!([])),
            ("null", Kind::Object, json!(null)),
            ("  ", Kind::Number, json!(null)),
            ("007", Kind::Any, json!("007")),
            ("\"5\"", Kind::Any, json!("5")),
            ("5", Kind::Any, json!(5)),
            ("-0.5e1", Kind::Any, json!(-5.0)),
            ("123456789012345678901", Kind::Any, json!("123456789012345678901")),
            ("5", Kind::Integer, json!(5)),
            ("2024-03-01", Kind::DateTime, json!("2024-03-01")),
        ] {
            assert_eq!(of_text(text, false, Some(kind), None).unwrap(), expected, "{text} {kind:?}");
        }
        assert_eq!(of_text("", true, Some(Kind::String), None).unwrap(), json!(""));
        assert_eq!(of_text("", true, Some(Kind::Number), None).unwrap(), json!(null));
        assert_eq!(of_text("", false, Some(Kind::String), None).unwrap(), json!(null));
        assert_eq!(of_text("", true, None, None).unwrap(), json!(""));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let deep = "[".repeat(200);
        for (text, kind, says) in [
            ("1,234", Kind::Number, "without grouping"),
            ("NaN", Kind::Number, "not a number"),
            ("inf", Kind::Number, "not a number"),
            ("0x1F", Kind::Number, "not a number"),
            ("1e999", Kind::Number, "1.8e308"),
            ("--1", Kind::Number, "not a number"),
            ("9007199254740993", Kind::Number, "make the column a string"),
            ("170141183460469231731687303715884105729", Kind::Number, "make the column a string"),
            ("1.5", Kind::Integer, "whole number"),
            ("maybe", Kind::Boolean, "true or false"),
            ("[1]", Kind::Object, "not an object"),
            ("{a:1}", Kind::Object, "not the JSON of an object"),
            (deep.as_str(), Kind::Array, "recursion limit"),
            ("soon", Kind::DateTime, "not a date"),
        ] {
            let message = of_text(text, false, Some(kind), None).unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
            assert!(message.len() < 250, "{message}");
        }
    }
}
