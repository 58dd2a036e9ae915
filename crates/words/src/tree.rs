//! Conditions as understood, and their filter JSON.
//!
//! Knows columns by number and name only. Invariant: the JSON is a filter the tables accept; the same
//! tree always gives the same text.

use crate::date::Span;
use crate::field::Field;
use crate::vocabulary::Kind;
use serde_json::{Map, Number, Value, json};
use time::Date;

/// A literal of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    EmptyList,
}

impl Literal {
    fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => number_json(*number),
            Self::Text(text) => Value::String(text.clone()),
            Self::EmptyList => json!([]),
        }
    }
}

/// Whole numbers are written without a fraction.
pub(crate) fn number_json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

pub(crate) fn day_text(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: Literal,
    pub(crate) inclusive: bool,
}

/// Where in the text a pattern must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Anywhere,
    Start,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// Equal to one of these.
    Equals(Vec<Literal>),
    /// Between two ends, of which one may be open.
    Range(Option<Bound>, Option<Bound>),
    /// The text holds this.
    Holds(String, Anchor),
    Exists,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    pub(crate) column: usize,
    pub(crate) op: Op,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    Test(Test),
}

impl Tree {
    pub(crate) fn test(column: usize, op: Op) -> Self {
        Self::Test(Test { column, op })
    }

    pub(crate) fn equals(column: usize, literal: Literal) -> Self {
        Self::test(column, Op::Equals(vec![literal]))
    }

    /// Within a span of days; after, before and the like are ranges with one end.
    pub(crate) fn within(column: usize, span: Span) -> Self {
        let day = |day: Date| Literal::Text(day_text(day));
        let from = Bound { value: day(span.start), inclusive: true };
        let to = Bound { value: day(span.end), inclusive: false };
        Self::test(column, Op::Range(Some(from), Some(to)))
    }

    pub(crate) fn at_least(column: usize, value: Literal, inclusive: bool) -> Self {
        Self::test(column, Op::Range(Some(Bound { value, inclusive }), None))
    }

    pub(crate) fn at_most(column: usize, value: Literal, inclusive: bool) -> Self {
        Self::test(column, Op::Range(None, Some(Bound { value, inclusive })))
    }

    /// The opposite; flags turn over instead of being negated.
    pub(crate) fn negate(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::Test(Test { column, op: Op::Equals(values) }) => match values.as_slice() {
                [Literal::Bool(flag)] => Self::equals(column, Literal::Bool(!flag)),
                _ => Self::Not(Box::new(Self::test(column, Op::Equals(values)))),
            },
            Self::Any(parts) if parts.iter().all(Self::is_plain) => {
                Self::All(parts.into_iter().map(Self::negate).collect())
            }
            other => Self::Not(Box::new(other)),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Test(_) | Self::Not(_))
    }

    /// The only column it speaks of.
    pub(crate) fn column(&self) -> Option<usize> {
        match self {
            Self::Test(test) => Some(test.column),
            Self::Not(inner) => inner.column(),
            Self::All(parts) | Self::Any(parts) => {
                let mut columns = parts.iter().map(Self::column);
                let first = columns.next()??;
                columns.all(|column| column == Some(first)).then_some(first)
            }
        }
    }

    /// The values a plain equality lists.
    fn equal_values(&self) -> Option<(usize, &[Literal])> {
        match self {
            Self::Test(Test { column, op: Op::Equals(values) }) => Some((*column, values)),
            _ => None,
        }
    }

    /// Both hold. Two values of a column that holds one value at a time are alternatives.
    pub(crate) fn all(parts: Vec<Self>, fields: &[Field]) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        let mut kept: Vec<Self> = Vec::new();
        for part in flat {
            let single = |column: usize| {
                fields.get(column).is_some_and(|field| field.kind != Kind::List && !field.in_list)
            };
            let joins = part.equal_values().is_some_and(|(column, _)| single(column))
                || part.unequal_values().is_some();
            if kept.contains(&part) || (joins && kept.iter_mut().any(|other| other.absorb(&part))) {
                continue;
            }
            kept.push(part);
        }
        match kept.len() {
            1 => kept.remove(0),
            _ => Self::All(kept),
        }
    }

    /// Takes over the values of another equality, or another refusal, of the same column.
    fn absorb(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Not(mine), Self::Not(theirs)) => mine.absorb(theirs),
            (
                Self::Test(Test { column, op: Op::Equals(known) }),
                Self::Test(Test { column: same, op: Op::Equals(values) }),
            ) if column == same => {
                for value in values {
                    if !known.contains(value) {
                        known.push(value.clone());
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// The values a plain refusal lists.
    fn unequal_values(&self) -> Option<(usize, &[Literal])> {
        match self {
            Self::Not(inner) => inner.equal_values(),
            _ => None,
        }
    }

    /// At least one holds; equalities of one column become one list.
    pub(crate) fn any(parts: Vec<Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for part in parts {
            let inner = match part {
                Self::Any(inner) => inner,
                other => vec![other],
            };
            for part in inner {
                let joins = part.equal_values().is_some();
                if kept.contains(&part) || (joins && kept.iter_mut().any(|other| other.absorb(&part))) {
                    continue;
                }
                kept.push(part);
            }
        }
        match kept.len() {
            1 => kept.remove(0),
            _ => Self::Any(kept),
        }
    }

    /// Whether it only asks for there being a value or none.
    pub(crate) fn is_presence(&self) -> bool {
        match self {
            Self::Not(inner) => inner.is_presence(),
            Self::Test(test) => test.op == Op::Exists,
            _ => false,
        }
    }

    /// The columns of plain equalities that all hold, ascending; none when there is anything else.
    pub(crate) fn named_columns(&self) -> Option<Vec<usize>> {
        let mut columns = match self {
            Self::All(parts) => {
                parts.iter().map(|part| Some(part.equal_values()?.0)).collect::<Option<Vec<_>>>()?
            }
            other => vec![other.equal_values()?.0],
        };
        columns.sort_unstable();
        Some(columns)
    }

    /// Every test, outermost first.
    pub(crate) fn tests(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::Not(inner) => inner.tests(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
        }
    }

    /// The filter, as an object of conditions.
    pub(crate) fn to_json(&self, fields: &[Field]) -> Map<String, Value> {
        match self {
            Self::Test(test) => one(name(fields, test.column), condition(&test.op)),
            Self::Not(inner) => match inner.as_ref() {
                Self::Test(test) => one(name(fields, test.column), negated(&test.op)),
                other => one("$not", Value::Object(other.to_json(fields))),
            },
            Self::Any(parts) => {
                one("$or", parts.iter().map(|part| Value::Object(part.to_json(fields))).collect())
            }
            Self::All(parts) => all_json(parts.iter().map(|part| part.to_json(fields)).collect()),
        }
    }
}

fn name(fields: &[Field], column: usize) -> &str {
    fields.get(column).map_or("id", |field| field.name.as_str())
}

fn one(key: &str, value: Value) -> Map<String, Value> {
    [(key.to_owned(), value)].into_iter().collect()
}

/// One object when no key meets itself with different operators, `$and` otherwise.
fn all_json(parts: Vec<Map<String, Value>>) -> Map<String, Value> {
    let mut merged = Map::new();
    for part in &parts {
        for (key, value) in part {
            let joined = match (merged.get(key), value) {
                (None, value) => value.clone(),
                (Some(Value::Object(before)), Value::Object(after))
                    if !key.starts_with('$')
                        && after.keys().all(|op| op.starts_with('$') && !before.contains_key(op)) =>
                {
                    before.clone().into_iter().chain(after.clone()).collect()
                }
                _ => return one("$and", parts.into_iter().map(Value::Object).collect()),
            };
            merged.insert(key.clone(), joined);
        }
    }
    merged
}

fn condition(op: &Op) -> Value {
    match op {
        Op::Equals(values) => match values.as_slice() {
            [only] => only.to_json(),
            many => json!({ "$in": many.iter().map(Literal::to_json).collect::<Vec<_>>() }),
        },
        Op::Range(from, to) => {
            let mut range = Map::new();
            for (bound, open, closed) in [(from, "$gt", "$gte"), (to, "$lt", "$lte")] {
                if let Some(bound) = bound {
                    range.insert(
                        if bound.inclusive { closed } else { open }.to_owned(),
                        bound.value.to_json(),
                    );
                }
            }
            Value::Object(range)
        }
        Op::Holds(text, anchor) => {
            let text = escape(text);
            let pattern = match anchor {
                Anchor::Anywhere => text,
                Anchor::Start => format!("^{text}"),
                Anchor::End => format!("{text}$"),
            };
            json!({ "$regex": pattern, "$options": "i" })
        }
        Op::Exists => json!({ "$exists": true }),
    }
}

fn negated(op: &Op) -> Value {
    match op {
        Op::Equals(values) => match values.as_slice() {
            [only] => json!({ "$ne": only.to_json() }),
            many => json!({ "$nin": many.iter().map(Literal::to_json).collect::<Vec<_>>() }),
        },
        Op::Exists => json!({ "$exists": false }),
        other => json!({ "$not": condition(other) }),
    }
}

/// Letters that mean something in a pattern stand for themselves.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for letter in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::vocabulary::Column;
    use time::macros::date;

    fn fields() -> Vec<Field> {
        [
            ("city", Kind::Text),
            ("price", Kind::Number),
            ("tags", Kind::List),
            ("when", Kind::DateTime),
            ("ok", Kind::Bool),
        ]
        .into_iter()
        .map(|(name, kind)| Field::new(&Column::new(name, kind), false))
        .collect()
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    fn json_of(tree: &Tree) -> Value {
        Value::Object(tree.to_json(&fields()))
    }

    #[test]
    fn equalities_of_one_column_join() {
        let fields = fields();
        let cities = || vec![Tree::equals(0, text("Rome")), Tree::equals(0, text("Paris"))];
        assert_eq!(json_of(&Tree::any(cities())), json!({"city": {"$in": ["Rome", "Paris"]}}));
        assert_eq!(json_of(&Tree::all(cities(), &fields)), json!({"city": {"$in": ["Rome", "Paris"]}}));
        let tags = vec![Tree::equals(2, text("a")), Tree::equals(2, text("b"))];
        assert_eq!(json_of(&Tree::all(tags, &fields)), json!({"$and": [{"tags": "a"}, {"tags": "b"}]}));
    }

    #[test]
    fn ranges_merge_and_negations_turn() {
        let fields = fields();
        let low = Tree::at_least(1, Literal::Number(1.0), false);
        let high = Tree::at_most(1, Literal::Number(2.5), true);
        assert_eq!(
            json_of(&Tree::all(vec![low.clone(), high], &fields)),
            json!({"price": {"$gt": 1, "$lte": 2.5}})
        );
        assert_eq!(json_of(&low.negate()), json!({"price": {"$not": {"$gt": 1}}}));
        assert_eq!(json_of(&Tree::equals(4, Literal::Bool(true)).negate()), json!({"ok": false}));
        let either = Tree::Any(vec![Tree::equals(0, text("x")), Tree::equals(4, Literal::Bool(true))]);
        assert_eq!(json_of(&either.negate()), json!({"city": {"$ne": "x"}, "ok": false}));
        let span = Span { start: date!(2023 - 01 - 01), end: date!(2024 - 01 - 01) };
        assert_eq!(
            json_of(&Tree::within(3, span)),
            json!({"when": {"$gte": "2023-01-01", "$lt": "2024-01-01"}})
        );
    }

    #[test]
    fn patterns_hold_letters_literally() {
        let tree = Tree::test(0, Op::Holds("a.b (c) [d] 50%".into(), Anchor::Start));
        let pattern = json_of(&tree)["city"]["$regex"].as_str().unwrap().to_owned();
        assert_eq!(pattern, "^a\\.b \\(c\\) \\[d\\] 50%");
    }
}
