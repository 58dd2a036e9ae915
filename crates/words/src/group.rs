//! Counts, averages, totals per something: the `group` of a query.
//!
//! Takes its terms out before conditions are read. Invariant: the group names only columns that can be
//! grouped, and the names of its results are those the tables answer with.

use crate::choose::{self, adds_up as adds};
use crate::field::Field;
use crate::parser::Parser;
use crate::phrase::{Sum, Word};
use crate::vocabulary::Kind;
use serde_json::{Map, Value, json};

/// How clearly a number column must be named to be what "how many" asks for.
const SAID: f32 = 0.7;

/// What is computed of a column, in the words of the query language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Unique,
}

impl Measure {
    fn of(sum: Sum) -> Self {
        match sum {
            Sum::Average => Self::Avg,
            Sum::Total => Self::Sum,
            Sum::Least => Self::Min,
            Sum::Greatest => Self::Max,
            Sum::Count => Self::Count,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Unique => "unique",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) keys: Vec<usize>,
    /// No column: rows are counted.
    pub(crate) measures: Vec<(Option<usize>, Measure)>,
    /// Greatest (true) or least first, by the first measure.
    pub(crate) descending: Option<bool>,
    pub(crate) limit: Option<usize>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.measures.is_empty()
    }

    pub(crate) fn measure(&mut self, column: Option<usize>, measure: Measure) {
        if !self.measures.contains(&(column, measure)) {
            self.measures.push((column, measure));
        }
    }

    /// The name of the first measure in the answer.
    pub(crate) fn order_name(&self, fields: &[Field]) -> Option<String> {
        let (column, measure) = self.measures.first().filter(|(_, measure)| *measure != Measure::Unique)?;
        Some(answer_name(path(*column, fields), measure.name()))
    }

    /// The name of a key in the answer.
    pub(crate) fn key_name(&self, column: usize, fields: &[Field]) -> Option<String> {
        self.keys.contains(&column).then(|| answer_name(path(Some(column), fields), "key"))
    }

    pub(crate) fn to_json(&self, fields: &[Field]) -> Value {
        let keys = self.keys.iter().map(|column| (Some(*column), "key"));
        let measures = self.measures.iter().map(|(column, measure)| (*column, measure.name()));
        let mut map: Map<String, Value> = Map::new();
        for (column, op) in keys.chain(measures) {
            let path = path(column, fields).to_owned();
            let joined = match map.get(&path) {
                None => json!(op),
                Some(Value::Array(ops)) => ops.iter().cloned().chain([json!(op)]).collect(),
                Some(first) => json!([first, op]),
            };
            map.insert(path, joined);
        }
        Value::Object(map)
    }
}

fn path(column: Option<usize>, fields: &[Field]) -> &str {
    column.and_then(|column| fields.get(column)).map_or("id", |field| field.name.as_str())
}

/// The name of a group's result: `customer.city` and key → `customerCityKey`.
#[must_use]
pub fn answer_name(path: &str, op: &str) -> String {
    let mut name = String::new();
    let segments = path.split(|letter: char| !letter.is_alphanumeric()).filter(|segment| !segment.is_empty());
    for segment in segments.chain([op]) {
        let mut letters = segment.chars();
        let Some(first) = letters.next() else { continue };
        if name.is_empty() {
            name.extend(first.to_lowercase())
        } else {
            name.extend(first.to_uppercase())
        }
        name.push_str(letters.as_str());
    }
    name
}

pub(crate) fn can_key(field: &Field) -> bool {
    !field.in_list && !matches!(field.kind, Kind::Object) && !field.is_system
}

impl Parser<'_> {
    /// The group the question asks for.
    pub(crate) fn group(&mut self) -> Option<Group> {
        let mut group = Group::default();
        self.read_keys(&mut group);
        self.read_measures(&mut group);
        self.read_ranked_keys(&mut group);
        self.read_extremes(&mut group);
        if !group.keys.is_empty() && group.measures.is_empty() {
            group.measure(None, Measure::Count);
        }
        (!group.is_empty()).then_some(group)
    }

    /// Whether something is measured, apart from the word at `except`, which cannot be both key and measure.
    fn has_aggregate(&self, except: usize) -> bool {
        let measures = |at: usize| matches!(self.word(at), Some(Word::Aggregate(_)));
        !measures(except) && (0..self.terms.len()).any(measures)
    }

    /// "per department and city", "by status" beside a measure.
    fn read_keys(&mut self, group: &mut Group) {
        for at in 0..self.terms.len() {
            let is_key = match self.word(at) {
                Some(Word::Per) => true,
                Some(Word::By) => !self.is_sorted(at) && self.has_aggregate(self.skip_small(at + 1)),
                _ => false,
            };
            let mut next = self.skip_small(at + 1);
            if !is_key {
                continue;
            }
            // "per order" of orders: each row by itself.
            if self
                .term(next)
                .is_some_and(|term| term.row && !term.columns.iter().any(|hit| hit.strength >= 0.9))
            {
                self.take(at);
                self.take(next);
                continue;
            }
            let mut found = false;
            while let Some(column) = self.key_at(next) {
                group.keys.push(column);
                self.take(next);
                found = true;
                let joint = self.word(next + 1);
                let after = self.skip_small(next + 2);
                if !matches!(joint, Some(Word::And | Word::Comma)) || self.key_at(after).is_none() {
                    break;
                }
                self.take(next + 1);
                if self.word(next + 2) == Some(Word::Per) {
                    self.take(next + 2);
                }
                next = after;
            }
            if found {
                self.take(at);
            }
        }
    }

    /// A word of order stands before this "by".
    fn is_sorted(&self, at: usize) -> bool {
        at.checked_sub(1).is_some_and(|before| self.word(before) == Some(Word::Sort))
    }

    /// A column rows can be grouped by, named without a value or comparison of its own.
    fn key_at(&self, at: usize) -> Option<usize> {
        let (column, strength) = self.column_at(at, can_key)?;
        let row_word = self.term(at).is_some_and(|term| term.row) && strength < 0.9;
        let own = self.about_column(at).is_some_and(|clause| clause.tree.column() == Some(column));
        (!row_word && !own).then_some(column)
    }

    /// "average salary", "minimum and maximum price", "how many chairs".
    fn read_measures(&mut self, group: &mut Group) {
        let mut pending: Vec<(usize, Sum)> = Vec::new();
        for at in 0..self.terms.len() {
            match self.word(at) {
                Some(Word::Aggregate(sum)) => {
                    if sum == Sum::Count {
                        if pending.is_empty() {
                            self.read_count(group, at);
                        }
                        continue;
                    }
                    pending.push((at, sum));
                    let next = self.next_measured(at + 1);
                    let and = self.word(at + 1) == Some(Word::And)
                        && matches!(self.word(at + 2), Some(Word::Aggregate(_)));
                    if and {
                        self.take(at + 1);
                        continue;
                    }
                    if let Some((column, place)) = next.or_else(|| self.measured_before(at)) {
                        for (at, sum) in pending.drain(..) {
                            group.measure(Some(column), Measure::of(sum));
                            self.take(at);
                        }
                        for at in at..=place {
                            if matches!(self.word(at), Some(Word::Aggregate(_)))
                                || self.term(at).is_some_and(|term| term.row)
                            {
                                self.take(at);
                            }
                        }
                        self.take(place);
                    } else if sum == Sum::Total {
                        self.read_total(group, at);
                    }
                    pending.clear();
                }
                Some(Word::HowMuch) => self.read_amount(group, at),
                Some(Word::Distinct) => {
                    let next = self.skip_small(at + 1);
                    if let Some(column) = self.key_at(next) {
                        group.measure(Some(column), Measure::Unique);
                        self.take(at);
                        self.take(next);
                    }
                }
                _ => {}
            }
        }
    }

    /// A total of no named column: "total of all paid orders", "total orders", "… in total".
    fn read_total(&mut self, group: &mut Group, at: usize) {
        let added =
            |(_, measure): &(Option<usize>, Measure)| matches!(measure, Measure::Sum | Measure::Count);
        let last = self.term(at).and_then(|term| self.tokens.get(term.to.checked_sub(1)?));
        let of = last.is_some_and(|token| token.folded == "of");
        // "the highest total", "sorted by total"
        let ranks = |at: usize| {
            let ranked = matches!(self.word(at), Some(Word::By | Word::Sort | Word::Most | Word::Least));
            ranked || self.term(at).is_some_and(|term| term.grade.is_some())
        };
        let alone = self.skip_small(at + 1) >= self.terms.len() && self.folded(at) == "total";
        let ends = alone && !(0..at).any(ranks);
        let summed = choose::total(self.lexicon).filter(|_| (of || ends) && !self.names_one_row());
        if group.measures.iter().any(added) {
            self.take(at);
        } else if let Some(column) = summed {
            group.measure(Some(column), Measure::Sum);
            self.take(at);
        } else if self.row_next(at + 1) {
            group.measure(None, Measure::Count);
            self.take(at);
        }
    }

    /// "how much stock is there", "how much has Ada spent": amounts of several rows add up.
    fn read_amount(&mut self, group: &mut Group, at: usize) {
        if self.names_one_row() || !group.measures.is_empty() {
            return;
        }
        let noun = at + 1;
        let counted = self.column_at(noun, |field| choose::is_number(field) && adds(field));
        let column = match counted {
            Some((column, strength)) if strength >= SAID => {
                self.take(noun);
                column
            }
            _ => {
                let spent = choose::total(self.lexicon).filter(|_| self.asks_price_at(at));
                let valued = self.terms.iter().any(|term| !term.values.is_empty());
                let Some(column) =
                    spent.filter(|column| valued && choose::money(self.lexicon) == Some(*column))
                else {
                    return;
                };
                column
            }
        };
        group.measure(Some(column), Measure::Sum);
        self.take(at);
        self.take_repeated(column);
    }

    /// Takes the words that only say again which column is measured.
    fn take_repeated(&mut self, column: usize) {
        for at in 0..self.terms.len() {
            if self.term(at).is_some() && self.repeats(at, &[column]) {
                self.take(at);
            }
        }
    }

    pub(crate) fn row_next(&self, at: usize) -> bool {
        self.term(self.skip_small(at)).is_some_and(|term| term.row || term.is(Word::Row))
    }

    /// The number column a measure is about: the next one, past rows and other measures.
    pub(crate) fn next_measured(&self, from: usize) -> Option<(usize, usize)> {
        let mut at = from;
        for _ in 0..6 {
            at = self.skip_small(at);
            let term = self.term(at)?;
            if let Some((column, _)) =
                self.column_at(at, |field| choose::is_number(field) && !field.in_list && !field.is_system)
            {
                return Some((column, at));
            }
            let passes =
                term.row || matches!(term.word, Some(Word::Aggregate(_) | Word::Row)) || self.adjective(at);
            if !passes {
                return None;
            }
            at += 1;
        }
        None
    }

    /// A value before the measured noun: "average red chair price".
    fn adjective(&self, at: usize) -> bool {
        self.term(at).is_some_and(|term| !term.values.is_empty() && term.columns.is_empty())
    }

    fn measured_before(&self, at: usize) -> Option<(usize, usize)> {
        let before = at.checked_sub(1)?;
        let (column, _) =
            self.column_at(before, |field| choose::is_number(field) && !field.in_list && !field.is_system)?;
        self.about_column(before).is_none().then_some((column, before))
    }

    /// "how many": rows, unless a number column or distinct values are asked for.
    fn read_count(&mut self, group: &mut Group, at: usize) {
        let next = self.skip_small(at + 1);
        let term = self.term(next);
        if term.is_some_and(|term| term.is(Word::Distinct)) {
            let column = self.skip_small(next + 1);
            if let Some(key) = self.key_at(column) {
                group.measure(Some(key), Measure::Unique);
                [at, next, column].into_iter().for_each(|at| self.take(at));
                return;
            }
        }
        let row = term.is_some_and(|term| term.row || term.is(Word::Row));
        let named =
            self.column_at(next, |field| !field.is_system && !field.in_list).filter(|(column, strength)| {
                let number = self.kind(*column) == Kind::Number;
                *strength >= if number { SAID } else { 0.8 } && !row
            });
        if let Some((column, _)) = named {
            let compared = self.about_column(next).is_some();
            match self.kind(column) {
                // "number of bedrooms over 3" is a condition.
                Kind::Number if compared => return self.take(at),
                Kind::Number => {
                    // "how many bedrooms does X have" asks for a number of one row: left to the select.
                    self.take(at);
                    if !self.names_one_row() {
                        group.measure(Some(column), Measure::Sum);
                        self.take(next);
                        self.take_repeated(column);
                    }
                    return;
                }
                Kind::Text
                    if !compared
                        && self.is_plural(next)
                        && self.term(next).is_some_and(|term| term.values.is_empty()) =>
                {
                    group.measure(Some(column), Measure::Unique);
                    self.take(at);
                    return self.take(next);
                }
                _ => {}
            }
        }
        group.measure(None, Measure::Count);
        self.take(at);
    }

    /// Whether some term is the exact name of a single row.
    pub(crate) fn names_one_row(&self) -> bool {
        self.terms.iter().any(|term| {
            term.values.iter().any(|hit| self.field(hit.column).is_some_and(|field| field.is_identity))
        })
    }

    pub(crate) fn is_plural(&self, at: usize) -> bool {
        let last = self.terms.get(at).and_then(|term| self.tokens.get(term.to.checked_sub(1)?));
        last.is_some_and(|token| {
            token.folded != token.singular
                || matches!(token.folded.as_str(), "staff" | "folks" | "everyone" | "furniture")
        })
    }
}

/// A number as a limit of rows.
pub(crate) fn limit_of(number: crate::number::Number) -> Option<usize> {
    let whole = number.value.fract() == 0.0 && (1.0..=1000.0).contains(&number.value);
    (whole && number.unit == crate::number::Unit::None).then_some(number.value as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_named_as_the_tables_name_them() {
        for (path, op, name) in [
            ("age", "sum", "ageSum"),
            ("customer.city", "key", "customerCityKey"),
            ("vacation_days", "avg", "vacationDaysAvg"),
            ("Unit Price", "max", "unitPriceMax"),
            ("id", "count", "idCount"),
        ] {
            assert_eq!(answer_name(path, op), name);
        }
    }
}
