//! Questions and answers with citations.

use super::{Fields, HitBody};
use crate::error::ApiError;
use quarry_answers::{Ask, Mode, Plan, Reply, RowCitation, Source, Turn, Who};
use quarry_kb::{Citation, TagFilter, TagRule};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Knowledge bases, and values of tags, of one question.
const MOST_NAMES: usize = 100;

/// What an object among a question's tag rules may hold.
const OPERATORS: [&str; 3] = ["in", "not", "exists"];
/// The fields of a question that narrow it, and the others.
const NARROWING: [&str; 9] = [
    "knowledgeBases",
    "tags",
    "files",
    "folders",
    "tables",
    "documents",
    "limit",
    "minConfidence",
    "threshold",
];
const OTHERS: [&str; 4] = ["question", "conversation", "mode", "stream"];

/// Body of `POST /v1/quarry/answer`.
#[derive(Debug)]
pub(crate) struct QuestionBody {
    pub(crate) ask: Ask,
    /// Its scope as sent, for the log.
    pub(crate) filters: Value,
    /// Whether the reply is wanted step by step.
    pub(crate) stream: bool,
}

impl QuestionBody {
    /// Reads it.
    ///
    /// # Errors
    /// 400 naming the field.
    pub(crate) fn parse(body: Map<String, Value>) -> Result<Self, ApiError> {
        // A scope in another spelling must not widen what is asked.
        let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
        let fields = || NARROWING.iter().chain(&OTHERS);
        for name in body.keys() {
            if let Some(meant) = fields().find(|field| *field != name && plain(field) == plain(name)) {
                return Err(ApiError::payload(format!("{name} is no field of a question; write {meant}")));
            }
        }
        let filters =
            body.iter().filter(|(name, value)| NARROWING.contains(&name.as_str()) && !value.is_null());
        let filters = Value::Object(filters.map(|(name, value)| (name.clone(), value.clone())).collect());
        let mut fields = Fields::new(body);
        let question = fields.required_text("question")?;
        let mode = match fields.text("mode")?.as_deref() {
            None | Some("extractive") => Mode::Extractive,
            Some("llm") => Mode::Llm,
            Some(other) => {
                return Err(ApiError::payload(format!("mode must be extractive or llm, got {other:?}")));
            }
        };
        // The older name of minConfidence is read as well.
        let least = match fields.float("minConfidence")? {
            Some(least) => Some(least),
            None => fields.float("threshold")?,
        };
        if least.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
            return Err(ApiError::payload("minConfidence must be a number from 0 to 1"));
        }
        let mut files = scope_list(&mut fields, "files")?;
        for folder in scope_list(&mut fields, "folders")? {
            if folder.trim_matches('/').is_empty() {
                return Err(ApiError::payload(
                    "folders must hold the beginnings of keys, such as \"manuals/\"",
                ));
            }
            files.push(format!("{}/", folder.trim_end_matches('/')));
        }
        if files.len() > 100 {
            return Err(ApiError::payload(
                "files and folders must be at most 100 together; use tags for more",
            ));
        }
        let bases: BTreeSet<String> = scope_list(&mut fields, "knowledgeBases")?.into_iter().collect();
        if bases.len() > MOST_NAMES {
            return Err(ApiError::payload(format!("knowledgeBases must be at most {MOST_NAMES}")));
        }
        let limit = fields.number("limit", 1, 50)?.unwrap_or(8);
        #[allow(clippy::cast_possible_truncation, reason = "0..=1, and 1..=50")]
        let ask = Ask {
            question,
            turns: turns(&mut fields)?,
            mode,
            bases: bases.into_iter().collect(),
            tags: tag_filter(&mut fields)?,
            files,
            tables: fields.texts("tables")?,
            documents: fields.boolean("documents")?.unwrap_or(true),
            limit: limit as usize,
            min_confidence: least.map(|value| value as f32),
        };
        Ok(Self { ask, filters, stream: fields.boolean("stream")?.unwrap_or(false) })
    }
}

/// Names that narrow a question's scope. An empty list would narrow it to nothing, and is refused so that it does not
/// pass for none at all.
fn scope_list(fields: &mut Fields, name: &str) -> Result<Vec<String>, ApiError> {
    match fields.texts(name)? {
        Some(list) if list.is_empty() => {
            Err(ApiError::payload(format!("{name} must not be empty; leave it out to ask without it")))
        }
        list => Ok(list.unwrap_or_default()),
    }
}

/// `conversation`: `[{role: "user" | "assistant", content}]`, oldest first.
fn turns(fields: &mut Fields) -> Result<Vec<Turn>, ApiError> {
    let said = fields.array("conversation")?.unwrap_or_default();
    if said.len() > 100 {
        return Err(ApiError::payload("conversation must have at most 100 turns; send the last ones"));
    }
    let turn = |(at, value): (usize, Value)| {
        let Value::Object(map) = value else {
            return Err(ApiError::payload(format!("conversation[{at}] must be an object {{role, content}}")));
        };
        let mut turn = Fields::new(map);
        let who = match turn.text("role")?.as_deref() {
            Some("user") => Who::User,
            Some("assistant") => Who::Assistant,
            other => {
                let got = other.map_or("none".to_owned(), |other| format!("{other:?}"));
                let message = format!("conversation[{at}].role must be user or assistant, got {got}");
                return Err(ApiError::payload(message));
            }
        };
        let text = turn.text("content")?;
        let text = text.ok_or_else(|| ApiError::payload(format!("conversation[{at}].content is missing")))?;
        Ok(Turn { who, text })
    };
    said.into_iter().enumerate().map(turn).collect()
}

/// Tag rules in a JSON body: a value, a list of values, or `{not, in, exists}`.
fn tag_filter(fields: &mut Fields) -> Result<TagFilter, ApiError> {
    let mut rules = BTreeMap::new();
    for (tag, value) in fields.object("tags")?.unwrap_or_default() {
        let rule = match value {
            Value::Null => {
                let message =
                    format!("tags.{tag} must not be null; leave it out, or send {{\"exists\": false}}");
                return Err(ApiError::payload(message));
            }
            Value::Object(map) => {
                let known = |name: &String| OPERATORS.contains(&name.as_str());
                if map.is_empty() || !map.keys().all(known) || map.values().any(Value::is_null) {
                    let message = format!("tags.{tag} must hold one of {}", OPERATORS.join(", "));
                    return Err(ApiError::payload(message));
                }
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
    if rules.len() > MOST_NAMES {
        return Err(ApiError::payload(format!("tags must be at most {MOST_NAMES}")));
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
    let values = list.into_iter().map(text).collect::<Result<BTreeSet<String>, _>>()?;
    if values.len() > MOST_NAMES {
        return Err(ApiError::payload(format!("tags.{tag} must hold at most {MOST_NAMES} values")));
    }
    Ok(values.into_iter().collect())
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
struct PassageCitationBody<'a> {
    token: &'a str,
    file: CitedFile<'a>,
    passage_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_number: Option<u32>,
    start: u32,
    end: u32,
    quote: &'a str,
}

impl<'a> From<&'a Citation> for PassageCitationBody<'a> {
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
#[serde(rename_all = "camelCase")]
struct RowCitationBody<'a> {
    token: &'a str,
    table: &'a str,
    row_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    quote: &'a str,
}

impl<'a> From<&'a RowCitation> for RowCitationBody<'a> {
    fn from(citation: &'a RowCitation) -> Self {
        Self {
            token: &citation.token,
            table: &citation.table,
            row_id: citation.row_id,
            column: citation.column.as_deref(),
            quote: &citation.quote,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CitationBody<'a> {
    Passage(Box<PassageCitationBody<'a>>),
    Row(RowCitationBody<'a>),
}

impl<'a> From<&'a Source> for CitationBody<'a> {
    fn from(source: &'a Source) -> Self {
        match source {
            Source::Passage(citation) => Self::Passage(Box::new(citation.as_ref().into())),
            Source::Row(citation) => Self::Row(citation.into()),
        }
    }
}

/// How a table was asked, in the field names of `findTableRows`.
fn plan(plan: &Plan) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("table", Some(plan.table.clone().into()));
    put("explanation", Some(plan.explanation.clone().into()));
    put("confidence", Some(json!(plan.confidence)));
    put("filter", plan.filter.clone());
    put("group", plan.group.clone());
    put("select", (!plan.select.is_empty()).then(|| json!(plan.select)));
    put("orderBy", plan.order_by.clone().map(Value::from));
    let direction = if plan.descending { "desc" } else { "asc" };
    put("orderDirection", plan.order_by.as_ref().map(|_| direction.into()));
    put("limit", plan.limit.map(Value::from));
    put("search", plan.search.clone().map(Value::from));
    put("rows", Some(plan.rows.iter().cloned().map(Value::Object).collect()));
    put("hasMore", Some(plan.has_more.into()));
    Value::Object(body)
}

#[derive(Debug, Serialize)]
struct FlagBody<'a> {
    sentence: &'a str,
    problem: &'a str,
}

#[derive(Debug, Serialize)]
struct TokensBody {
    question: usize,
    passages: usize,
    prompt: u64,
    completion: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimingBody {
    embed_ms: f64,
    search_ms: f64,
    answer_ms: f64,
    tables_ms: f64,
    llm_ms: f64,
    total_ms: f64,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnswerBody<'a> {
    answer: &'a str,
    responded: bool,
    confidence: f32,
    min_confidence: f32,
    mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    understood_as: Option<&'a str>,
    citations: Vec<CitationBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<FlagBody<'a>>,
    passages: Vec<HitBody<'a>>,
    tokens: TokensBody,
    timing: TimingBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<&'a str>,
}

impl<'a> From<&'a Reply> for AnswerBody<'a> {
    fn from(reply: &'a Reply) -> Self {
        let (tokens, timing) = (reply.tokens, reply.timing);
        Self {
            answer: &reply.answer,
            responded: reply.responded,
            confidence: reply.confidence,
            min_confidence: reply.min_confidence,
            mode: reply.mode.as_str(),
            model: reply.model.as_deref(),
            understood_as: reply.understood_as.as_deref(),
            citations: reply.citations.iter().map(CitationBody::from).collect(),
            plan: reply.plan.as_ref().map(plan),
            flags: reply
                .flags
                .iter()
                .map(|flag| FlagBody { sentence: &flag.sentence, problem: flag.problem })
                .collect(),
            passages: reply.passages.iter().map(HitBody::from).collect(),
            tokens: TokensBody {
                question: tokens.question,
                passages: tokens.passages,
                prompt: tokens.prompt,
                completion: tokens.completion,
            },
            timing: TimingBody {
                embed_ms: f64::from(timing.embed_ms),
                search_ms: f64::from(timing.search_ms),
                answer_ms: f64::from(timing.answer_ms),
                tables_ms: f64::from(timing.tables_ms),
                llm_ms: f64::from(timing.llm_ms),
                total_ms: f64::from(timing.total_ms),
            },
            query_id: reply.query_id.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(more: Value) -> Result<QuestionBody, ApiError> {
        let mut body = more.as_object().unwrap().clone();
        body.insert("question".to_owned(), "How heavy?".into());
        QuestionBody::parse(body)
    }

    #[test]
    fn names_are_told_once_and_not_too_many() {
        let many: Vec<String> = (0..=MOST_NAMES).map(|n| n.to_string()).collect();
        let same = vec!["a"; 1_000];
        assert_eq!(parsed(json!({ "knowledgeBases": same })).unwrap().ask.bases, ["a"]);
        assert!(parsed(json!({ "knowledgeBases": many })).is_err());
        assert!(parsed(json!({ "tags": { "x": same } })).is_ok());
        assert!(parsed(json!({ "tags": { "x": { "not": many } } })).is_err());
    }
}
