//! Query strings: repeated keys, booleans, numbers, and tag filters in every form clients send.
//!
//! Owns the rule for dotted tag names: after `tags.`, a last segment `not`, `in` or `exists` is an
//! operator and everything before it is the literal tag name (`tags.a.b=x` is the tag `a.b`).

use crate::error::ApiError;
use crate::router::decode;
use quarry_kb::{PageRequest, TagFilter, TagRule};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most pairs one query string may hold.
const MAX_PAIRS: usize = 2_000;

/// A parsed query string: decoded pairs in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses the raw text after `?`.
    ///
    /// # Errors
    /// `InvalidQuery` when an escape is broken, the text is not UTF-8 or there are too many pairs.
    pub(crate) fn parse(raw: &str) -> Result<Self, ApiError> {
        let decoded = |text: &str| {
            decode(&text.replace('+', " ")).ok_or_else(|| {
                ApiError::query("the query string is not percent-encoded UTF-8; encode each key and value")
            })
        };
        let mut pairs = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            if pairs.len() == MAX_PAIRS {
                return Err(ApiError::query(format!("the query string holds more than {MAX_PAIRS} values")));
            }
            let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
            pairs.push((decoded(key)?, decoded(value)?));
        }
        Ok(Self { pairs })
    }

    /// The last value of a key; an empty one counts as absent.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let hits = self.pairs.iter().filter(|(key, value)| key == name && !value.is_empty());
        hits.map(|(_, value)| value.as_str()).next_back()
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// `InvalidQuery` naming the parameter and its range.
    pub(crate) fn number(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse::<i64>().ok().filter(|n| (low..=high).contains(n)).map(Some).ok_or_else(|| {
            ApiError::query(format!("{name} must be a whole number from {low} to {high}, got {text:?}"))
        })
    }

    /// A boolean.
    ///
    /// # Errors
    /// `InvalidQuery` when it is neither `true` nor `false`.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(ApiError::query(format!("{name} must be true or false, got {other:?}"))),
        }
    }

    /// All values of a repeated key, also in the forms `name[]` and `name[0]`.
    #[must_use]
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let indexed = |key: &str| {
            key.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'))
                .is_some_and(is_index)
        };
        let hits = self.pairs.iter().filter(|(key, _)| key == name || indexed(key));
        hits.map(|(_, value)| value.clone()).collect()
    }

    /// `nextToken` and `pageSize` (clamped to 1..=`most`, 20 when absent).
    ///
    /// # Errors
    /// `InvalidQuery` when `pageSize` is no number.
    pub(crate) fn page(&self, most: usize) -> Result<PageRequest, ApiError> {
        let size = match self.text("pageSize") {
            None => 20,
            Some(text) => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                let number = number
                    .ok_or_else(|| ApiError::query(format!("pageSize must be a number, got {text:?}")))?;
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
                let size = number.clamp(1.0, most as f64) as usize;
                size
            }
        };
        Ok(PageRequest { token: self.text("nextToken").map(str::to_owned), size })
    }

    /// The tag filter under `name`, in dotted, bracketed and JSON form, all mixed at will.
    ///
    /// # Errors
    /// `InvalidQuery` when a rule is malformed.
    pub(crate) fn tags(&self, name: &str) -> Result<TagFilter, ApiError> {
        let mut rules = Rules::default();
        for (key, value) in &self.pairs {
            let Some(rest) = key.strip_prefix(name) else { continue };
            if rest.is_empty() {
                rules.add_json(value)?;
            } else if let Some(path) = rest.strip_prefix('.') {
                let (tag, operator) = split_dotted(path);
                rules.add(tag, operator, value)?;
            } else if rest.starts_with('[') {
                let (tag, operator) = split_brackets(rest).ok_or_else(|| {
                    ApiError::query(format!("{key} is no tag filter; write {name}[tag]=value"))
                })?;
                rules.add(tag, operator, value)?;
            }
        }
        rules.finish()
    }

    /// Exact tag values under `name` (every rule must be one plain value).
    ///
    /// # Errors
    /// `InvalidQuery` when an operator or several values are used.
    pub(crate) fn exact_tags(&self, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let plain = |(tag, rule): (String, TagRule)| match (rule.any_of.as_deref(), rule.exists) {
            (Some([value]), None) if rule.none_of.is_empty() => Ok((tag, value.clone())),
            _ => Err(ApiError::query(format!("{name}.{tag} must be one plain value here"))),
        };
        self.tags(name)?.0.into_iter().map(plain).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    In,
    Not,
    Exists,
}

impl Operator {
    fn named(word: &str) -> Option<Self> {
        match word {
            "in" => Some(Self::In),
            "not" => Some(Self::Not),
            "exists" => Some(Self::Exists),
            _ => None,
        }
    }
}

fn is_index(text: &str) -> bool {
    text.is_empty() || text.bytes().all(|b| b.is_ascii_digit())
}

fn split_dotted(path: &str) -> (&str, Operator) {
    match path.rsplit_once('.') {
        Some((tag, word)) if !tag.is_empty() => match Operator::named(word) {
            Some(operator) => (tag, operator),
            None => (path, Operator::Equals),
        },
        _ => (path, Operator::Equals),
    }
}

/// `[tag]`, `[tag][]`, `[tag][0]`, `[tag][not]`, `[tag][not][0]`.
fn split_brackets(rest: &str) -> Option<(&str, Operator)> {
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    let mut pieces = inner.split("][");
    let tag = pieces.next().filter(|tag| !tag.is_empty())?;
    let mut operator = Operator::Equals;
    for (at, piece) in pieces.enumerate() {
        match Operator::named(piece) {
            Some(named) if at == 0 => operator = named,
            _ if is_index(piece) => {}
            _ => return None,
        }
    }
    Some((tag, operator))
}

#[derive(Default)]
struct Rule {
    equals: Vec<String>,
    one_of: Vec<String>,
    none_of: Vec<String>,
    exists: Option<bool>,
}

#[derive(Default)]
struct Rules(BTreeMap<String, Rule>);

impl Rules {
    fn add(&mut self, tag: &str, operator: Operator, value: &str) -> Result<(), ApiError> {
        let rule = self.0.entry(tag.to_owned()).or_default();
        match operator {
            Operator::Equals => rule.equals.push(value.to_owned()),
            Operator::In => rule.one_of.push(value.to_owned()),
            Operator::Not => rule.none_of.push(value.to_owned()),
            Operator::Exists => {
                rule.exists = Some(match value {
                    "true" => true,
                    "false" => false,
                    other => {
                        let message = format!("tags.{tag}.exists must be true or false, got {other:?}");
                        return Err(ApiError::query(message));
                    }
                });
            }
        }
        Ok(())
    }

    fn add_json(&mut self, text: &str) -> Result<(), ApiError> {
        if text.is_empty() {
            return Ok(());
        }
        let form = "tags must be a JSON object such as {\"category\":\"Sales\"}";
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(ApiError::query(form));
        };
        for (tag, value) in &fields {
            match value {
                Value::Object(operators) => {
                    for (word, value) in operators {
                        let operator = Operator::named(word).ok_or_else(|| {
                            ApiError::query(format!("tags.{tag}: {word:?} must be not, in or exists"))
                        })?;
                        self.add_value(tag, operator, value)?;
                    }
                }
                value => self.add_value(tag, Operator::Equals, value)?,
            }
        }
        Ok(())
    }

    /// `null` is the empty value, as the dotted form writes it.
    fn add_value(&mut self, tag: &str, operator: Operator, value: &Value) -> Result<(), ApiError> {
        match value {
            Value::Null => self.add(tag, operator, ""),
            Value::String(text) => self.add(tag, operator, text),
            Value::Bool(flag) if operator == Operator::Exists => self.add(tag, operator, &flag.to_string()),
            Value::Array(values) if operator != Operator::Exists => {
                for value in values {
                    let text = match value {
                        Value::Null => "",
                        Value::String(text) => text,
                        other => {
                            let message = format!("tags.{tag}: values must be strings, got {other}");
                            return Err(ApiError::query(message));
                        }
                    };
                    self.add(tag, operator, text)?;
                }
                Ok(())
            }
            other => Err(ApiError::query(format!(
                "tags.{tag}: values must be strings or lists of them, got {other}"
            ))),
        }
    }

    fn finish(self) -> Result<TagFilter, ApiError> {
        let rules = self.0.into_iter().map(|(tag, rule)| {
            let any_of = match (rule.equals.is_empty(), rule.one_of.is_empty()) {
                (true, true) => None,
                (false, true) => Some(rule.equals),
                (true, false) => Some(rule.one_of),
                (false, false) => {
                    Some(rule.equals.into_iter().filter(|value| rule.one_of.contains(value)).collect())
                }
            };
            (tag, TagRule { any_of, none_of: rule.none_of, exists: rule.exists })
        });
        Ok(TagFilter(rules.collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::router::encode;
    use proptest::prelude::*;

    fn tags(raw: &str) -> BTreeMap<String, TagRule> {
        Query::parse(raw).unwrap().tags("tags").unwrap().0
    }

    fn any(values: &[&str]) -> TagRule {
        TagRule { any_of: Some(values.iter().map(|v| (*v).to_owned()).collect()), ..TagRule::default() }
    }

    #[test]
    fn every_documented_form_means_the_same() {
        let one = BTreeMap::from([("category".to_owned(), any(&["Sales & Co"]))]);
        for raw in [
            "tags.category=Sales%20%26%20Co",
            "tags[category]=Sales+%26+Co",
            "tags%5Bcategory%5D=Sales%20%26%20Co",
            "tags[category][0]=Sales%20%26%20Co",
            "tags=%7B%22category%22%3A%22Sales%20%26%20Co%22%7D",
        ] {
            assert_eq!(tags(raw), one, "{raw}");
        }
        let two = BTreeMap::from([("c".to_owned(), any(&["A", "B"]))]);
        for raw in [
            "tags.c=A&tags.c=B",
            "tags[c][0]=A&tags[c][1]=B",
            "tags[c][]=A&tags[c][]=B",
            "tags.c.in=A&tags.c.in=B",
            "tags[c][in][0]=A&tags[c][in][1]=B",
            "tags={\"c\":[\"A\",\"B\"]}",
            "tags={\"c\":{\"in\":[\"A\",\"B\"]}}",
        ] {
            assert_eq!(tags(raw), two, "{raw}");
        }
        let not = TagRule { none_of: vec!["A".to_owned()], ..TagRule::default() };
        for raw in ["tags.c.not=A", "tags[c][not]=A", "tags={\"c\":{\"not\":\"A\"}}"] {
            assert_eq!(tags(raw)["c"], not, "{raw}");
        }
        for raw in ["tags.c=", "tags[c]=", "tags={\"c\":null}", "tags={\"c\":\"\"}", "tags={\"c\":[null]}"] {
            assert_eq!(tags(raw)["c"], any(&[""]), "{raw}");
        }
        let not = TagRule { none_of: vec![String::new()], ..TagRule::default() };
        for raw in ["tags.c.not=", "tags[c][not]=", "tags={\"c\":{\"not\":null}}"] {
            assert_eq!(tags(raw)["c"], not, "{raw}");
        }
        for raw in ["tags.c.exists=false", "tags[c][exists]=false", "tags={\"c\":{\"exists\":false}}"] {
            assert_eq!(tags(raw)["c"].exists, Some(false), "{raw}");
        }
    }

    #[test]
    fn odd_names_stay_literal() {
        assert_eq!(tags("tags.a.b=x"), BTreeMap::from([("a.b".to_owned(), any(&["x"]))]));
        assert_eq!(tags("tags.x-z%5B1%5D=w"), BTreeMap::from([("x-z[1]".to_owned(), any(&["w"]))]));
        assert_eq!(tags("tags.not=w"), BTreeMap::from([("not".to_owned(), any(&["w"]))]));
        assert_eq!(tags("tags.a="), BTreeMap::from([("a".to_owned(), any(&[""]))]));
        assert_eq!(tags("query=x&tagsx=1&tags="), BTreeMap::new());
    }

    #[test]
    fn wrong_values_are_named() {
        let query = Query::parse("limit=abc&flag=maybe&tags.a.exists=yes&n=51").unwrap();
        assert!(query.number("limit", 1, 50).is_err() && query.boolean("flag").is_err());
        assert!(query.number("n", 1, 50).is_err() && query.tags("tags").is_err());
        assert_eq!(query.number("n", 1, 51).unwrap(), Some(51));
        assert!(Query::parse("a=%f").is_err() && Query::parse("a=%ff").is_err());
        for bad in [
            "tags.a.exists=",
            "tags={\"a\":{\"exists\":null}}",
            "tags=x",
            "tags={\"a\":1}",
            "tags={\"a\":{\"is\":\"x\"}}",
            "tags[a][foo]=1",
        ] {
            assert!(Query::parse(bad).unwrap().tags("tags").is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_and_pages() {
        let query = Query::parse("ids=a&ids[]=b&ids[1]=c&pageSize=5000&nextToken=x%2By%2F%3D").unwrap();
        assert_eq!(query.list("ids"), ["a", "b", "c"]);
        let page = query.page(1000).unwrap();
        assert_eq!((page.size, page.token.as_deref()), (1000, Some("x+y/=")));
        assert_eq!(Query::parse("pageSize=-3").unwrap().page(1000).unwrap().size, 1);
        assert!(Query::parse("pageSize=ten").unwrap().page(1000).is_err());
    }

    proptest! {
        #[test]
        fn plain_tags_round_trip(name in "[^.\\[\\]]{1,20}", value in "\\PC{0,20}") {
            let raw = format!("tags.{}={}", encode(&name), encode(&value));
            prop_assert_eq!(tags(&raw), BTreeMap::from([(name, any(&[&value]))]));
        }

        #[test]
        fn no_text_breaks_it(raw in "\\PC{0,80}") {
            if let Ok(query) = Query::parse(&raw) {
                let _ = (query.tags("tags"), query.page(10), query.list("a"));
            }
        }
    }
}
