//! Typed access to the fields of a JSON body; every refusal names the field, what was expected and
//! what came. Unknown fields are ignored unless a body ends with [`Fields::end`]; `null` reads as absent unless a reader says otherwise.

use crate::error::ApiError;
use quarry_types::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fields of one object of a body.
#[derive(Debug)]
pub(crate) struct Fields {
    map: Map<String, Value>,
}

fn refuse(name: &str, wanted: &str, got: &Value) -> ApiError {
    let what = match got {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the string {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    ApiError::payload(format!("{name} must be {wanted}, got {what}"))
}

impl Fields {
    /// Reads from this object.
    #[must_use]
    pub(crate) fn new(map: Map<String, Value>) -> Self {
        Self { map }
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn end(&self) -> Result<(), ApiError> {
        match self.map.keys().next() {
            Some(name) => {
                let shown: String = name.chars().take(40).collect();
                Err(ApiError::payload(format!("{shown:?} is no field of this request; leave it out")))
            }
            None => Ok(()),
        }
    }

    /// Takes a field as it is; `None` when absent, `Some(null)` kept.
    pub(crate) fn raw(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// Takes a field, `null` read as absent.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.raw(name).filter(|value| !value.is_null())
    }

    /// An optional string.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(refuse(name, "a string", &other)),
        }
    }

    /// A string that must be there and not be empty.
    ///
    /// # Errors
    /// 400 when it is absent, empty or something else.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, ApiError> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(ApiError::payload(format!("{name} must not be empty"))),
            None => Err(ApiError::payload(format!("{name} is missing; send it as a string"))),
        }
    }

    /// An optional boolean.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(refuse(name, "true or false", &other)),
        }
    }

    /// An optional whole number within bounds; `5.0` counts as 5.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn number(&mut self, name: &str, low: u64, high: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole")]
        let whole = value.as_u64().or_else(|| {
            let float =
                value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=9e15).contains(float))?;
            Some(float as u64)
        });
        match whole {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(refuse(name, &format!("a whole number from {low} to {high}"), &value)),
        }
    }

    /// An optional number.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn float(&mut self, name: &str) -> Result<Option<f64>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| refuse(name, "a number", &value)),
        }
    }

    /// An optional object.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(refuse(name, "an object", &other)),
        }
    }

    /// An optional array.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn array(&mut self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(refuse(name, "an array", &other)),
        }
    }

    /// An optional array of strings.
    ///
    /// # Errors
    /// 400 when it is something else.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(values) = self.array(name)? else { return Ok(None) };
        let texts = values.into_iter().enumerate().map(|(at, value)| match value {
            Value::String(text) => Ok(text),
            other => Err(refuse(&format!("{name}[{at}]"), "a string", &other)),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// An optional map of strings; `most` = longest value in characters.
    ///
    /// # Errors
    /// 400 when a value is something else or too long.
    pub(crate) fn tags(
        &mut self,
        name: &str,
        most: usize,
    ) -> Result<Option<BTreeMap<String, String>>, ApiError> {
        let Some(patch) = self.tags_patch(name, most)? else { return Ok(None) };
        let plain = patch.into_iter().map(|(tag, value)| match value {
            Some(value) => Ok((tag, value)),
            None => Err(refuse(&format!("{name}.{tag}"), "a string", &Value::Null)),
        });
        plain.collect::<Result<_, _>>().map(Some)
    }

    /// Like [`Self::tags`], `null` values allowed.
    ///
    /// # Errors
    /// As [`Self::tags`].
    pub(crate) fn tags_patch(
        &mut self,
        name: &str,
        most: usize,
    ) -> Result<Option<BTreeMap<String, Option<String>>>, ApiError> {
        let Some(map) = self.object(name)? else { return Ok(None) };
        let tags = map.into_iter().map(|(tag, value)| match value {
            Value::Null => Ok((tag, None)),
            Value::String(text) if text.chars().count() <= most => Ok((tag, Some(text))),
            Value::String(_) => {
                Err(ApiError::payload(format!("{name}.{tag} is longer than {most} characters; shorten it")))
            }
            other => Err(refuse(&format!("{name}.{tag}"), "a string", &other)),
        });
        tags.collect::<Result<_, _>>().map(Some)
    }

    /// An optional moment; the outer `None` = absent, the inner = `null`.
    ///
    /// # Errors
    /// 400 when it is no ISO 8601 date-time.
    pub(crate) fn moment(&mut self, name: &str) -> Result<Option<Option<Timestamp>>, ApiError> {
        match self.raw(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => match value.as_str().and_then(Timestamp::parse) {
                Some(moment) => Ok(Some(Some(moment))),
                None => Err(refuse(name, "an ISO 8601 date-time such as 2030-01-31T12:00:00Z", &value)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("no object") };
        Fields::new(map)
    }

    #[test]
    fn kinds_are_checked_and_nulls_are_absent() {
        let mut f = fields(json!({ "a": null, "n": 5.0, "s": "x", "t": { "k": "v", "z": null } }));
        assert_eq!(f.text("a").unwrap(), None);
        assert_eq!(f.number("n", 0, 5).unwrap(), Some(5));
        assert_eq!(f.required_text("s").unwrap(), "x");
        assert_eq!(f.tags_patch("t", 10).unwrap().unwrap().len(), 2);
        for (bad, name) in [(json!({ "x": -1 }), "x"), (json!({ "x": 1.5 }), "x"), (json!({ "x": "5" }), "x")]
        {
            let body = format!("{:?}", fields(bad).number(name, 0, 9).unwrap_err());
            assert!(body.contains("x must be a whole number from 0 to 9"), "{body}");
        }
        assert!(fields(json!({ "t": { "a": 1 } })).tags("t", 9).is_err());
        assert!(fields(json!({ "t": { "a": null } })).tags("t", 9).is_err());
        assert!(fields(json!({ "t": { "a": "0123456789" } })).tags("t", 9).is_err());
        assert!(fields(json!({ "l": ["a", 1] })).texts("l").is_err());
    }

    #[test]
    fn moments_tell_null_from_absent() {
        assert_eq!(fields(json!({})).moment("e").unwrap(), None);
        assert_eq!(fields(json!({ "e": null })).moment("e").unwrap(), Some(None));
        assert!(fields(json!({ "e": "2030-01-31T12:00:00Z" })).moment("e").unwrap().unwrap().is_some());
        assert!(fields(json!({ "e": 5 })).moment("e").is_err());
    }
}
