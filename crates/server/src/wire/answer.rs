//! Questions and answers with citations.

use super::{Fields, HitBody};
use crate::error::ApiError;
use quarry_kb::{Answer, Citation, Question, TagFilter, TagRule};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Body of `POST /v1/quarry/answer`.
#[derive(Debug)]
pub(crate) struct QuestionBody(pub(crate) Question);

impl QuestionBody {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        let mut fields = Fields::new(body);
        let question = fields.required_text("question")?;
        match fields.text("mode")?.as_deref() {
            None | Some("extractive") => {}
            Some("llm") => {
                let message = "mode llm needs a configured language model, which this server has not; leave mode out or send extractive";
                return Err(ApiError::payload(message));
            }
            Some(other) => {
                return Err(ApiError::payload(format!("mode must be extractive or llm, got {other:?}")));
            }
        }
        if fields.texts("tables")?.is_some_and(|tables| !tables.is_empty()) {
            let message = "answers from tables are not available yet; leave tables out";
            return Err(ApiError::payload(message));
        }
        let threshold = fields.float("threshold")?;
        if threshold.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(ApiError::payload("threshold must be a number from 0 to 1"));
        }
        let limit = fields.number("limit", 1, 50)?.unwrap_or(8);
        #[allow(clippy::cast_possible_truncation, reason = "0..=1, and 1..=50")]
        Ok(Self(Question {
            question,
            bases: fields.texts("knowledgeBases")?.unwrap_or_default(),
            tags: tag_filter(&mut fields)?,
            limit: limit as usize,
            threshold: threshold.map(|value| value as f32),
        }))
    }
}

/// Tag rules in a JSON body: a value, a list of values, or `{not, in, exists}`.
fn tag_filter(fields: &mut Fields) -> Result<TagFilter, ApiError> {
    let mut rules = BTreeMap::new();
    for (tag, value) in fields.object("tags")?.unwrap_or_default() {
        let rule = match value {
            Value::Null => continue,
            Value::Object(map) => {
                let mut operators = Fields::new(map);
                TagRule {
                    any_of: operators.value("in").map(|value| strings(&tag, value)).transpose()?,
                    none_of: operators
                        .value("not")
                        .map(|value| strings(&tag, value))
                        .transpose()?
                        .unwrap_or_default(),
                    exists: operators.boolean("exists")?,
                }
            }
            value => TagRule { any_of: Some(strings(&tag, value)?), ..TagRule::default() },
        };
        rules.insert(tag, rule);
    }
    Ok(TagFilter(rules))
}

fn strings(tag: &str, value: Value) -> Result<Vec<String>, ApiError> {
    let list = match value {
        Value::Array(list) => list,
        single => vec![single],
    };
    let text = |value| match value {
        Value::String(text) => Ok(text),
        other => Err(ApiError::payload(format!("tags.{tag} must hold strings, got {other}"))),
    };
    list.into_iter().map(text).collect()
}

#[derive(Debug, Serialize)]
struct CitedFile<'a> {
    id: &'a str,
    key: &'a str,
    tags: &'a BTreeMap<String, String>,
    metadata: &'a Map<String, Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CitationBody<'a> {
    token: &'a str,
    file: CitedFile<'a>,
    passage_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_number: Option<u32>,
    start: u32,
    end: u32,
    quote: &'a str,
}

impl<'a> From<&'a Citation> for CitationBody<'a> {
    fn from(citation: &'a Citation) -> Self {
        let file = citation.file.as_ref();
        Self {
            token: &citation.token,
            file: CitedFile {
                id: file.id.as_str(),
                key: &file.key,
                tags: &file.tags,
                metadata: &file.metadata,
            },
            passage_id: &citation.passage_id,
            page_number: citation.page,
            start: citation.start,
            end: citation.end,
            quote: &citation.quote,
        }
    }
}

#[derive(Debug, Serialize)]
struct TokensBody {
    question: usize,
    passages: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimingBody {
    embed_ms: f64,
    search_ms: f64,
    answer_ms: f64,
}

/// An answer.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerBody<'a> {
    answer: &'a str,
    responded: bool,
    confidence: f32,
    citations: Vec<CitationBody<'a>>,
    passages: Vec<HitBody<'a>>,
    tokens: TokensBody,
    timing: TimingBody,
}

impl<'a> From<&'a Answer> for AnswerBody<'a> {
    fn from(answer: &'a Answer) -> Self {
        Self {
            answer: &answer.answer,
            responded: answer.responded,
            confidence: answer.confidence,
            citations: answer.citations.iter().map(CitationBody::from).collect(),
            passages: answer.passages.iter().map(HitBody::from).collect(),
            tokens: TokensBody { question: answer.tokens.question, passages: answer.tokens.passages },
            timing: TimingBody {
                embed_ms: f64::from(answer.timing.embed_ms),
                search_ms: f64::from(answer.timing.search_ms),
                answer_ms: f64::from(answer.timing.answer_ms),
            },
        }
    }
}
