//! Questions in plain words, and queries kept under a name.

use super::Fields;
use crate::error::ApiError;
use quarry_tables::{Interpretation, Selector, Source};
use serde::Serialize;
use serde_json::{Map, Value};

/// Body of `POST /v1/quarry/tables/{table}/filter`.
#[derive(Debug)]
pub(crate) struct WordsBody {
    pub(crate) text: String,
    /// Whether the configured language model may be asked.
    pub(crate) may_ask_model: bool,
}

impl WordsBody {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body);
        Ok(Self { text: fields.required_text("text")?, may_ask_model: may_ask_model(&mut fields)? })
    }
}

fn may_ask_model(fields: &mut Fields) -> Result<bool, ApiError> {
    match fields.text("model")?.as_deref() {
        None | Some("auto") => Ok(true),
        Some("rules") => Ok(false),
        Some(other) => Err(ApiError::payload(format!("model must be auto or rules, got {other:?}"))),
    }
}

/// A proposed query, in the field names of `findTableRows`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InterpretationBody<'a> {
    filter: Option<&'a Value>,
    order_by: Option<&'a str>,
    order_direction: Option<&'static str>,
    limit: Option<usize>,
    group: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    select: &'a [String],
    explanation: &'a str,
    confidence: f64,
    unused: &'a [String],
    source: &'static str,
}

impl<'a> From<&'a Interpretation> for InterpretationBody<'a> {
    fn from(interpretation: &'a Interpretation) -> Self {
        let proposal = &interpretation.proposal;
        Self {
            filter: proposal.filter.as_ref(),
            order_by: proposal.order_by.as_deref(),
            order_direction: proposal.order_by.as_ref().map(|_| direction(proposal.descending)),
            limit: proposal.limit,
            group: proposal.group.as_ref(),
            select: &proposal.select,
            explanation: &proposal.explanation,
            confidence: proposal.confidence,
            unused: &proposal.unused,
            source: match interpretation.source {
                Source::Rules => "rules",
                Source::Model => "llm",
            },
        }
    }
}

fn direction(descending: bool) -> &'static str {
    if descending { "desc" } else { "asc" }
}

/// Body of `PUT …/selectors/{name}`: the parts of a query, or words to make them from.
#[derive(Debug)]
pub(crate) struct SelectorInput {
    /// The parts given; those in words are still missing.
    pub(crate) selector: Selector,
    pub(crate) may_ask_model: bool,
}

impl SelectorInput {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field; words and parts of a query exclude each other.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body);
        let descending = match fields.text("orderDirection")?.as_deref() {
            None => None,
            Some("asc") => Some(false),
            Some("desc") => Some(true),
            Some(other) => {
                return Err(ApiError::payload(format!("orderDirection must be asc or desc, got {other:?}")));
            }
        };
        let selector = Selector {
            filter: fields.object("filter")?.map(Value::Object),
            order_by: fields.text("orderBy")?,
            descending,
            limit: fields.number("limit", 1, 1_000)?.and_then(|limit| usize::try_from(limit).ok()),
            group: fields.object("group")?.map(Value::Object),
            select: fields.texts("select")?,
            description: fields.text("description")?,
            text: fields.text("text")?,
        };
        let parts = Selector { description: None, text: None, ..selector.clone() };
        if selector.text.is_some() && parts != Selector::default() {
            return Err(ApiError::payload(
                "send either text or the parts of a query (filter, orderBy, limit, group, select), not both",
            ));
        }
        if selector.text.is_none() && parts == Selector::default() {
            return Err(ApiError::payload(
                "a selector needs text, or at least one of filter, orderBy, limit, group and select",
            ));
        }
        Ok(Self { selector, may_ask_model: may_ask_model(&mut fields)? })
    }

    /// The selector with the parts its words were read as.
    ///
    /// # Errors
    /// 400 when nothing was understood.
    pub(crate) fn filled(self, interpretation: Interpretation) -> Result<Selector, ApiError> {
        let proposal = interpretation.proposal;
        if proposal.is_empty() {
            return Err(ApiError::payload(format!("text: {}", proposal.explanation)));
        }
        let descending = proposal.order_by.is_some().then_some(proposal.descending);
        Ok(Selector {
            filter: proposal.filter,
            order_by: proposal.order_by,
            descending,
            limit: proposal.limit,
            group: proposal.group,
            select: (!proposal.select.is_empty()).then_some(proposal.select),
            description: self.selector.description.or(Some(proposal.explanation)),
            text: self.selector.text,
        })
    }
}

/// A selector in the field names of `findTableRows`; absent parts are left out.
pub(crate) fn selector(name: &str, selector: &Selector) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), name.into());
    body.extend(query_fields(selector));
    for (field, text) in [("description", &selector.description), ("text", &selector.text)] {
        if let Some(text) = text {
            body.insert(field.to_owned(), text.as_str().into());
        }
    }
    body.into()
}

fn query_fields(selector: &Selector) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    set("filter", selector.filter.clone());
    set("orderBy", selector.order_by.clone().map(Into::into));
    set("orderDirection", selector.descending.map(|descending| direction(descending).into()));
    set("limit", selector.limit.map(Into::into));
    set("group", selector.group.clone());
    set("select", selector.select.clone().map(Into::into));
    fields
}

/// Lays the body of a `findTableRows` over a selector: both filters must hold, otherwise the body wins.
pub(crate) fn over_selector(body: &mut Map<String, Value>, selector: &Selector) {
    // The selector's direction and order say nothing about another column or about groups.
    let (ordered, grouped) = (given(body, "orderBy"), given(body, "group"));
    for (name, value) in query_fields(selector) {
        if name == "filter" && given(body, "filter") {
            let own = body.remove("filter").unwrap_or_default();
            body.insert(name, serde_json::json!({ "$and": [value, own] }));
            continue;
        }
        let leaves = match name.as_str() {
            "orderDirection" => ordered || grouped,
            "orderBy" | "select" => grouped,
            _ => false,
        };
        if !leaves && !given(body, &name) {
            body.insert(name, value);
        }
    }
}

fn given(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).is_some_and(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn laid_over(body: Value) -> Value {
        let selector = Selector {
            filter: Some(json!({"a": 1})),
            order_by: Some("a".into()),
            descending: Some(true),
            limit: Some(5),
            ..Selector::default()
        };
        let mut body = body.as_object().unwrap().clone();
        over_selector(&mut body, &selector);
        Value::Object(body)
    }

    #[test]
    fn filters_join_and_other_fields_give_way() {
        assert_eq!(
            laid_over(json!({})),
            json!({"filter": {"a": 1}, "orderBy": "a", "orderDirection": "desc", "limit": 5})
        );
        assert_eq!(
            laid_over(json!({"filter": {"b": 2}, "limit": 9, "orderBy": "b"})),
            json!({"filter": {"$and": [{"a": 1}, {"b": 2}]}, "limit": 9, "orderBy": "b"})
        );
        assert_eq!(
            laid_over(json!({"filter": null, "group": {"a": "key"}})),
            json!({"group": {"a": "key"}, "filter": {"a": 1}, "limit": 5})
        );
    }

    #[test]
    fn a_selector_is_words_or_parts() {
        let parse = |body: Value| SelectorInput::parse(body.as_object().unwrap().clone());
        assert!(parse(json!({"text": "red chairs"})).is_ok());
        assert!(parse(json!({"limit": 3, "description": "few"})).is_ok());
        for body in [
            json!({}),
            json!({"description": "x"}),
            json!({"text": "x", "limit": 3}),
            json!({"orderDirection": "up"}),
            json!({"text": "x", "model": "best"}),
        ] {
            assert!(parse(body.clone()).is_err(), "{body}");
        }
    }
}
