//! `group`: JSON → typed aggregates, computed directly or as a plan.

mod direct;
mod planned;
mod states;

pub(crate) use direct::{cost, direct_groups};

use super::order::encode;
use crate::Error;
use crate::filter::{Field, resolve};
use crate::schema::{Kind, Schema};
use serde_json::Value;
use std::cmp::Ordering;

const MAX_OUTPUTS: usize = 64;
/// Values of one `unique` list.
const MAX_UNIQUE: usize = 10_000;
/// Values of all `unique` lists of an answer.
const MAX_UNIQUE_TOTAL: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupOp {
    Key,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Unique,
}

impl GroupOp {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "key" => Self::Key,
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "unique" => Self::Unique,
            _ => return None,
        })
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Key => "Key",
            Self::Count => "Count",
            Self::Sum => "Sum",
            Self::Avg => "Avg",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Unique => "Unique",
        }
    }
}

struct Aggregate {
    path: String,
    field: Field,
    op: GroupOp,
    /// The name in the answer.
    name: String,
}

/// A checked group.
pub(crate) struct Group {
    outputs: Vec<Aggregate>,
    order: Option<(usize, bool)>,
}

fn wrong(text: String) -> Error {
    Error::InvalidQuery(text)
}

impl Group {
    /// # Errors
    /// [`Error::InvalidQuery`] naming the path and what to change.
    pub(crate) fn parse(
        group: &Value,
        schema: &Schema,
        order_by: Option<&str>,
        descending: bool,
    ) -> Result<Self, Error> {
        let Some(map) = group.as_object().filter(|map| !map.is_empty()) else {
            return Err(wrong(
                "group: must be an object of column and operation, such as {\"city\": \"key\"}".into(),
            ));
        };
        let mut outputs: Vec<Aggregate> = Vec::new();
        for (path, ops) in map {
            let at = format!("group.{path}");
            let field = resolve(path, schema, &at)?;
            let words: Vec<&Value> = match ops {
                Value::Array(list) if !list.is_empty() => list.iter().collect(),
                one => vec![one],
            };
            for word in words {
                let op = word.as_str().and_then(GroupOp::parse).ok_or_else(|| {
                    wrong(format!(
                        "{at}: unknown operation {word}; use key, count, sum, avg, min, max or unique"
                    ))
                })?;
                let numeric = matches!(field.kind, Kind::Number | Kind::Json);
                if matches!(op, GroupOp::Sum | GroupOp::Avg) && !numeric {
                    return Err(wrong(format!(
                        "{at}: sum and avg work on numbers, the column is a {}",
                        field.kind.name()
                    )));
                }
                let name = format!("{}{}", camel_case(path), op.suffix());
                match outputs.iter().find(|other| other.name == name) {
                    Some(same) if same.path == *path => continue,
                    Some(other) => {
                        return Err(wrong(format!(
                            "{at}: {:?} and {path:?} both answer as {name:?}; ask for one at a time",
                            other.path
                        )));
                    }
                    None => outputs.push(Aggregate { path: path.clone(), field: field.clone(), op, name }),
                }
            }
        }
        if outputs.len() > MAX_OUTPUTS {
            return Err(wrong(format!(
                "group: {} values asked for, the limit is {MAX_OUTPUTS}",
                outputs.len()
            )));
        }
        let order = match order_by.filter(|name| !matches!(*name, "id" | "row_id")) {
            None => None,
            Some(name) => {
                let at = outputs.iter().position(|output| output.name == name);
                let key =
                    || outputs.iter().position(|output| output.op == GroupOp::Key && output.path == name);
                match at.or_else(key) {
                    Some(at) if outputs.get(at).is_some_and(|output| output.op != GroupOp::Unique) => {
                        Some((at, descending))
                    }
                    _ => {
                        let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
                        return Err(wrong(format!(
                            "orderBy: with group, order by one of {}",
                            names.join(", ")
                        )));
                    }
                }
            }
        };
        Ok(Self { outputs, order })
    }

    /// The fields rows are grouped by.
    fn keys(&self) -> impl Iterator<Item = &Field> {
        self.outputs.iter().filter(|output| output.op == GroupOp::Key).map(|output| &output.field)
    }
}

/// Bounds the `unique` lists of one answer.
#[derive(Debug, Default)]
pub(crate) struct UniqueLists {
    values: usize,
    cut: bool,
}

impl UniqueLists {
    /// The first of some ascending values.
    fn cut(&mut self, mut values: Vec<Value>) -> Value {
        let most = MAX_UNIQUE.min(MAX_UNIQUE_TOTAL.saturating_sub(self.values));
        if values.len() > most {
            values.truncate(most);
            self.cut = true;
        }
        self.values += values.len();
        Value::Array(values)
    }

    /// What the caller should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let text = || {
            format!(
                "unique: lists were cut to their first values ({MAX_UNIQUE} per list, {MAX_UNIQUE_TOTAL} per answer); to see all, group with the column as key and page through the groups"
            )
        };
        if self.cut { vec![text()] } else { Vec::new() }
    }
}

/// Booleans, numbers, strings, then the rest.
fn json_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => encode(a).cmp(&encode(b)),
    }
}

/// `obj.city` and `my column` as one word: `objCity`, `myColumn`.
fn camel_case(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for segment in path.split(|letter: char| !letter.is_alphanumeric()).filter(|segment| !segment.is_empty())
    {
        let mut letters = segment.chars();
        let Some(first) = letters.next() else { continue };
        if name.is_empty() {
            name.extend(first.to_lowercase());
        } else {
            name.extend(first.to_uppercase());
        }
        name.push_str(letters.as_str());
    }
    if name.is_empty() { path.to_owned() } else { name }
}
