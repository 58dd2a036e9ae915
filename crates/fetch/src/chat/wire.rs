//! The JSON of chat completions, both ways.
//!
//! Servers differ in small things: which names of options they know, how they report errors, whether
//! content is a string or parts. Knows nothing of connections. Never panics on any bytes.

use super::{Completion, Message, Options};
use crate::error::Error;
use serde_json::{Map, Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Characters of a server's own error text that are kept.
const MAX_DETAIL: usize = 300;

/// What is asked.
pub(super) struct Call<'a> {
    pub(super) model: &'a str,
    pub(super) messages: &'a [Message],
    pub(super) options: &'a Options,
    pub(super) is_stream: bool,
}

/// Which options a server does not know, found out by its refusals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape(u8);

impl Shape {
    const PLAIN_JSON: u8 = 1;
    const LONG_MAX_TOKENS: u8 = 2;
    const NO_TEMPERATURE: u8 = 4;
    const NO_STREAM_OPTIONS: u8 = 8;

    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The form without the option that this refusal names, if the call used it.
    pub(super) fn without_what(self, error: &Error, call: &Call<'_>) -> Option<Self> {
        let Error::Model { status: 400 | 422, detail } = error else { return None };
        let options = call.options;
        let used = [
            ("response_format", Self::PLAIN_JSON, options.json),
            ("stream_options", Self::NO_STREAM_OPTIONS, call.is_stream),
            ("max_tokens", Self::LONG_MAX_TOKENS, options.max_tokens.is_some()),
            ("temperature", Self::NO_TEMPERATURE, options.temperature.is_some()),
        ];
        let named = |(name, bit, used): &(&str, u8, bool)| *used && !self.has(*bit) && detail.contains(name);
        used.iter().find(|option| named(option)).map(|(_, bit, _)| Self(self.0 | bit))
    }
}

impl Call<'_> {
    /// The request's body.
    pub(super) fn body(&self, shape: Shape) -> String {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(self.model));
        body.insert("messages".to_owned(), json!(self.messages));
        if let Some(max_tokens) = self.options.max_tokens {
            let long = shape.has(Shape::LONG_MAX_TOKENS);
            let name = if long { "max_completion_tokens" } else { "max_tokens" };
            body.insert(name.to_owned(), json!(max_tokens));
        }
        if let Some(temperature) = self.options.temperature.filter(|_| !shape.has(Shape::NO_TEMPERATURE)) {
            body.insert("temperature".to_owned(), json!(temperature));
        }
        if self.options.json && !shape.has(Shape::PLAIN_JSON) {
            body.insert("response_format".to_owned(), json!({ "type": "json_object" }));
        }
        if self.is_stream {
            body.insert("stream".to_owned(), json!(true));
            if !shape.has(Shape::NO_STREAM_OPTIONS) {
                body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
            }
        }
        Value::Object(body).to_string()
    }
}

fn unusable(problem: impl Into<String>) -> Error {
    Error::ModelAnswer { problem: problem.into() }
}

/// Reads a whole answer.
pub(super) fn completion(bytes: &[u8]) -> Result<Completion, Error> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|cause| unusable(format!("it is not JSON ({cause})")))?;
    if let Some(said) = error_in(&value) {
        return Err(unusable(format!("it reports an error: {}", shortened(&said, None))));
    }
    let choice = value.pointer("/choices/0").ok_or_else(|| unusable("it has no choices"))?;
    let message = choice.get("message").ok_or_else(|| unusable("its first choice has no message"))?;
    let text = content(message);
    let (prompt_tokens, completion_tokens) = usage(&value).unwrap_or_default();
    let is_cut = choice.get("finish_reason").and_then(Value::as_str) == Some("length");
    Ok(Completion { text: spoken(&text).to_owned(), prompt_tokens, completion_tokens, is_cut })
}

/// The content of a message or delta: a string, or parts of which some are text.
fn content(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    }
}

fn usage(value: &Value) -> Option<(u64, u64)> {
    let usage = value.get("usage").filter(|usage| usage.is_object())?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some((count("prompt_tokens"), count("completion_tokens")))
}

/// An answer without the reasoning that some models put before it between [`THINKS`] and [`THOUGHT`];
/// reasoning that never ends leaves nothing. Without the first mark nothing is reasoning, as in a stream.
fn spoken(text: &str) -> &str {
    let Some(begun) = text.trim_start().strip_prefix(THINKS) else { return text };
    begun.split_once(THOUGHT).map_or("", |(_, spoken)| spoken.trim_start())
}

/// Marks around a model's reasoning.
const THINKS: &str = "<think>";
const THOUGHT: &str = "</think>";

/// Holds back the reasoning of an answer that comes in pieces.
#[derive(Debug, Default)]
pub(super) enum Reasoning {
    /// Nothing came yet.
    #[default]
    Unknown,
    /// What came so far may be the beginning of the mark.
    Held(String),
    /// Within the marks; the last bytes, which may be the beginning of the end.
    Thinking(String),
    /// After them; space before the answer is left out.
    Ended,
    /// The answer itself.
    Spoken,
}

impl Reasoning {
    /// Takes a piece and gives what of the answer is known to be none of the reasoning.
    pub(super) fn push(&mut self, piece: &str) -> String {
        match std::mem::take(self) {
            Self::Unknown => self.begun(piece.to_owned()),
            Self::Held(held) => self.begun(held + piece),
            Self::Thinking(tail) => self.thought(tail + piece),
            Self::Ended => self.ended(piece),
            Self::Spoken => {
                *self = Self::Spoken;
                piece.to_owned()
            }
        }
    }

    /// What was held back and is no reasoning after all, at the end.
    pub(super) fn finish(&mut self) -> String {
        match std::mem::replace(self, Self::Spoken) {
            Self::Held(held) => held,
            _ => String::new(),
        }
    }

    fn begun(&mut self, text: String) -> String {
        let begin = text.trim_start();
        if let Some(rest) = begin.strip_prefix(THINKS) {
            return self.thought(rest.to_owned());
        }
        if THINKS.starts_with(begin) {
            *self = Self::Held(text);
            return String::new();
        }
        *self = Self::Spoken;
        text
    }

    fn thought(&mut self, text: String) -> String {
        if let Some((_, rest)) = text.split_once(THOUGHT) {
            return self.ended(rest);
        }
        let kept = text.char_indices().rev().nth(THOUGHT.len()).map_or(0, |(at, _)| at);
        *self = Self::Thinking(text.get(kept..).unwrap_or_default().to_owned());
        String::new()
    }

    fn ended(&mut self, text: &str) -> String {
        let text = text.trim_start();
        *self = if text.is_empty() { Self::Ended } else { Self::Spoken };
        text.to_owned()
    }
}

/// A text without the code fence around it.
pub(super) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    // The fence may name its language.
    inner.split_once('\n').filter(|(tag, _)| tag.trim().len() < 12).map_or(inner, |(_, rest)| rest).trim()
}

/// One event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) text: String,
    pub(super) usage: Option<(u64, u64)>,
    /// Whether the model has said why it stops.
    pub(super) is_last: bool,
}

/// Reads the data of one event; `None` for the mark that ends a stream.
pub(super) fn event(data: &[u8]) -> Result<Option<Event>, Error> {
    if data.trim_ascii() == b"[DONE]" {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(data)
        .map_err(|cause| unusable(format!("an event of the stream is not JSON ({cause})")))?;
    if let Some(said) = error_in(&value) {
        return Err(unusable(format!("the stream reports an error: {}", shortened(&said, None))));
    }
    let choice = value.pointer("/choices/0");
    let text = choice.and_then(|choice| choice.get("delta")).map(content).unwrap_or_default();
    let is_last = choice.and_then(|choice| choice.get("finish_reason")).is_some_and(|why| !why.is_null());
    Ok(Some(Event { text, usage: usage(&value), is_last }))
}

/// The error an answer reports in one of the usual places.
fn error_in(value: &Value) -> Option<String> {
    match value.get("error")? {
        Value::Null => None,
        Value::String(said) => Some(said.clone()),
        error => Some(error.get("message").and_then(Value::as_str).unwrap_or("no reason given").to_owned()),
    }
}

/// What an error answer says, shortened and without the key.
pub(super) fn error_text(bytes: &[u8], key: Option<&str>) -> String {
    let said = match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => error_in(&value).or_else(|| {
            ["message", "detail"].iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned))
        }),
        Err(_) => None,
    };
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let said = shortened(&said, key);
    if said.is_empty() { "no reason given".to_owned() } else { said }
}

fn shortened(text: &str, key: Option<&str>) -> String {
    let hidden = match key {
        Some(key) if !key.is_empty() => text.replace(key, "…"),
        _ => text.to_owned(),
    };
    let plain = hidden.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut kept = String::new();
    for word in plain {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
        if kept.len() > 4 * MAX_DETAIL {
            break;
        }
    }
    match kept.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", kept.get(..end).unwrap_or_default()),
        None => kept,
    }
}

/// Reads `Retry-After`: seconds, or the time of day at which to come back.
pub(super) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    let left = then - OffsetDateTime::now_utc();
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}
