//! What was understood, in one sentence a person can check.
//!
//! Invariant: every condition, the order, the limit and the group of a proposal appear in it.

use crate::field::Field;
use crate::group::{Group, Measure};
use crate::order::{By, Order};
use crate::tree::{Anchor, Literal, Op, Test, Tree, number_json};
use crate::vocabulary::Kind;
use serde_json::Value;
use std::fmt::Write as _;

pub(crate) struct Understood<'a> {
    pub(crate) fields: &'a [Field],
    pub(crate) tree: Option<&'a Tree>,
    pub(crate) order: &'a Order,
    pub(crate) group: Option<&'a Group>,
    pub(crate) select: &'a [usize],
    pub(crate) respelled: &'a [(String, String)],
    pub(crate) unused: &'a [String],
}

impl Understood<'_> {
    pub(crate) fn sentence(&self) -> String {
        let mut text = match self.group {
            Some(group) => self.grouped(group),
            None if self.select.is_empty() => "Rows".to_owned(),
            None => format!("{} of the rows", capital(&list(&self.names(self.select), "and"))),
        };
        if let Some(tree) = self.tree {
            let _ = write!(text, " where {}", self.tree(tree, false));
        }
        if let Some(by) = &self.order.by {
            let (name, kind) = match by {
                By::Column(column) => {
                    (self.name(*column).to_owned(), self.fields.get(*column).map(|field| field.kind))
                }
                By::Name(name) => (name.clone(), Some(Kind::Number)),
            };
            let way = match (kind, self.order.descending) {
                (Some(Kind::DateTime), true) => "newest first",
                (Some(Kind::DateTime), false) => "oldest first",
                (Some(Kind::Text), true) => "from Z to A",
                (Some(Kind::Text), false) => "from A to Z",
                (_, true) => "highest first",
                (_, false) => "lowest first",
            };
            let _ = write!(text, ", ordered by {name}, {way}");
        }
        if let Some(limit) = self.order.limit {
            let _ = write!(text, ", at most {limit}");
        }
        if self.order.nth.is_some() {
            text.push_str(", the last of them");
        }
        text.push('.');
        for (wrong, right) in self.respelled {
            let _ = write!(text, " Read {wrong:?} as {right:?}.");
        }
        if !self.unused.is_empty() {
            let _ = write!(text, " Not understood: {}.", self.unused.join(", "));
        }
        text
    }

    fn name(&self, column: usize) -> &str {
        self.fields.get(column).map_or("id", |field| field.name.as_str())
    }

    fn names(&self, columns: &[usize]) -> Vec<String> {
        columns.iter().map(|column| self.name(*column).to_owned()).collect()
    }

    fn grouped(&self, group: &Group) -> String {
        let one = |(column, measure): &(Option<usize>, Measure)| {
            let name = column.map_or("rows", |column| self.name(column));
            match measure {
                Measure::Count => format!("number of {name}"),
                Measure::Sum => format!("total of {name}"),
                Measure::Avg => format!("average of {name}"),
                Measure::Min => format!("lowest {name}"),
                Measure::Max => format!("highest {name}"),
                Measure::Unique => format!("distinct values of {name}"),
            }
        };
        let mut text = capital(&list(&group.measures.iter().map(one).collect::<Vec<_>>(), "and"));
        if !group.keys.is_empty() {
            let _ = write!(text, " per {}", list(&self.names(&group.keys), "and"));
        }
        if self.tree.is_some() {
            text.push_str(" of the rows");
        }
        text
    }

    fn tree(&self, tree: &Tree, inside: bool) -> String {
        let joined = |parts: &[Tree], word: &str| {
            let texts: Vec<String> = parts.iter().map(|part| self.tree(part, true)).collect();
            let text = texts.join(word);
            if inside { format!("({text})") } else { text }
        };
        match tree {
            Tree::All(parts) if parts.is_empty() => "anything holds".to_owned(),
            Tree::All(parts) => joined(parts, " and "),
            Tree::Any(parts) => joined(parts, " or "),
            Tree::Not(inner) => match inner.as_ref() {
                Tree::Test(test) => self.test(test, true),
                other => format!("not ({})", self.tree(other, false)),
            },
            Tree::Test(test) => self.test(test, false),
        }
    }

    fn test(&self, test: &Test, negated: bool) -> String {
        let name = self.name(test.column);
        let kind = self.fields.get(test.column).map_or(Kind::Object, |field| field.kind);
        let not = if negated { "not " } else { "" };
        match &test.op {
            Op::Exists if negated => format!("{name} is empty"),
            Op::Exists => format!("{name} is filled"),
            Op::Equals(values) => {
                let words: Vec<String> = values.iter().map(literal).collect();
                let verb = if kind == Kind::List {
                    if negated { "does not hold" } else { "holds" }
                } else if negated {
                    "is not"
                } else {
                    "is"
                };
                format!("{name} {verb} {}", list(&words, "or"))
            }
            Op::Holds(text, anchor) => {
                let verb = match (anchor, negated) {
                    (Anchor::Anywhere, false) => "contains",
                    (Anchor::Anywhere, true) => "does not contain",
                    (Anchor::Start, false) => "starts with",
                    (Anchor::Start, true) => "does not start with",
                    (Anchor::End, false) => "ends with",
                    (Anchor::End, true) => "does not end with",
                };
                format!("{name} {verb} {text:?}")
            }
            Op::Range(from, to) => {
                let dated = kind == Kind::DateTime;
                let mut ends = Vec::new();
                if let Some(bound) = from {
                    let word = match (dated, bound.inclusive) {
                        (true, _) => "from",
                        (false, true) => "at least",
                        (false, false) => "over",
                    };
                    ends.push(format!("{word} {}", plain(&bound.value)));
                }
                if let Some(bound) = to {
                    let word = match (dated, bound.inclusive) {
                        (true, false) => "before",
                        (true, true) => "up to",
                        (false, true) => "at most",
                        (false, false) => "under",
                    };
                    ends.push(format!("{word} {}", plain(&bound.value)));
                }
                format!("{name} is {not}{}", ends.join(" and "))
            }
        }
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "empty".to_owned(),
        Literal::EmptyList => "an empty list".to_owned(),
        Literal::Bool(flag) => flag.to_string(),
        Literal::Number(number) => number_text(*number),
        Literal::Text(text) => format!("{text:?}"),
    }
}

fn plain(bound: &Literal) -> String {
    match bound {
        Literal::Text(text) => text.clone(),
        other => literal(other),
    }
}

fn number_text(number: f64) -> String {
    match number_json(number) {
        Value::Null => number.to_string(),
        value => value.to_string(),
    }
}

fn list(words: &[String], joint: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} {joint} {last}", head.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The answer when nothing was understood.
pub(crate) fn help(fields: &[Field], unused: &[String]) -> String {
    let names: Vec<&str> =
        fields.iter().filter(|field| !field.is_system).take(12).map(|field| field.name.as_str()).collect();
    let mut text = format!(
        "Nothing here could be understood as a question about this table. Its columns are {}.",
        names.join(", ")
    );
    if let Some(number) = fields.iter().find(|field| field.kind == Kind::Number && !field.is_system) {
        let _ = write!(
            text,
            " Ask for example for {:?} or {:?}.",
            format!("{} over 10", number.name),
            format!("highest {} first", number.name)
        );
    }
    if !unused.is_empty() {
        let _ = write!(text, " Not understood: {}.", unused.join(", "));
    }
    text
}
