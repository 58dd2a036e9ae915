//! What the compiler may speak about: columns, their kinds and the values found in them.
//!
//! Knows no store: whoever holds the rows shows them to a [`Collector`]. Invariant: what is kept
//! per column is bounded, whatever the rows hold.

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Distinct values kept per column.
const MAX_VALUES: usize = 2_000;
/// Longer values are texts to search in, not names to recognise.
const MAX_VALUE_CHARS: usize = 60;
/// Places kept per object column, and how deep they may lie.
const MAX_PLACES: usize = 64;
const MAX_DEPTH: usize = 4;

/// How values of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Strings.
    Text,
    /// True or false.
    Bool,
    /// Moments; literals are dates.
    DateTime,
    /// Lists; a condition holds when it holds for an item.
    List,
    /// Objects; only whether there is one can be asked.
    Object,
}

/// A table as words may speak about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The name of the table; its words stand for rows ("products", "tickets").
    pub table: String,
    /// The columns; places inside objects are columns with dotted names.
    pub columns: Vec<Column>,
}

/// One column, or one place inside an object column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name as filters write it.
    pub name: String,
    /// How its values compare.
    pub kind: Kind,
    /// What the schema says about it.
    pub description: Option<String>,
    /// Distinct strings found in it (for lists: in their items) with their number of rows, most frequent first.
    pub values: Vec<(String, u32)>,
    /// Whether `values` holds every string there is.
    pub complete: bool,
    /// Whether most values are too long to be names.
    pub is_prose: bool,
    /// Least and greatest number found.
    pub range: Option<(f64, f64)>,
    /// Whether the place lies inside a list: it can be filtered, but neither ordered nor grouped by.
    pub in_list: bool,
}

impl Column {
    /// A column nothing is known of but its name and kind.
    #[must_use]
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            description: None,
            values: Vec::new(),
            complete: true,
            is_prose: false,
            range: None,
            in_list: false,
        }
    }
}

/// Gathers what is known of one column from values shown to it.
///
/// Keeps at most 2,000 distinct strings of up to 60 characters, and 64 places of an object.
#[derive(Debug, Clone)]
pub struct Collector {
    column: Column,
    /// Whether the schema left the kind open, so values decide.
    guess: bool,
    counts: HashMap<String, u32>,
    short: usize,
    long: usize,
    dated: usize,
    places: BTreeMap<String, Collector>,
}

impl Collector {
    /// Starts a column; `Kind::Object` also takes lists, and finds out which it is.
    #[must_use]
    pub fn new(name: &str, kind: Kind, description: Option<&str>) -> Self {
        let column = Column { description: description.map(str::to_owned), ..Column::new(name, kind) };
        Self {
            column,
            guess: false,
            counts: HashMap::new(),
            short: 0,
            long: 0,
            dated: 0,
            places: BTreeMap::new(),
        }
    }

    /// A value the schema allows; it counts as known even when no row holds it.
    pub fn allow(&mut self, text: &str) {
        if self.counts.len() < MAX_VALUES && text.chars().count() <= MAX_VALUE_CHARS {
            self.counts.entry(text.to_owned()).or_insert(0);
        }
    }

    /// One string of a text column, with its number of rows.
    pub fn add_text(&mut self, text: &str, rows: u32) {
        if text.chars().nth(MAX_VALUE_CHARS).is_some() {
            self.long += 1;
            self.column.complete = false;
            return;
        }
        self.short += 1;
        if let Some(count) = self.counts.get_mut(text) {
            *count = count.saturating_add(rows);
        } else if text.trim().is_empty() {
        } else if self.counts.len() < MAX_VALUES {
            self.dated += usize::from(quarry_types::Timestamp::parse(text).is_some());
            self.counts.insert(text.to_owned(), rows);
        } else {
            self.column.complete = false;
        }
    }

    /// Tells that not all rows were shown.
    pub fn mark_sampled(&mut self) {
        self.column.complete = false;
    }

    /// One number of a number column.
    pub fn add_number(&mut self, number: f64) {
        let (low, high) = self.column.range.unwrap_or((number, number));
        self.column.range = Some((low.min(number), high.max(number)));
    }

    /// One value as JSON; null is ignored.
    pub fn add(&mut self, value: &Value) {
        self.add_at(value, 0);
    }

    fn add_at(&mut self, value: &Value, depth: usize) {
        if self.guess && !value.is_null() {
            self.column.kind = match value {
                Value::Number(_) => Kind::Number,
                Value::Bool(_) => Kind::Bool,
                Value::String(_) => Kind::Text,
                Value::Array(_) => Kind::List,
                _ => Kind::Object,
            };
            self.guess = false;
        }
        match (self.column.kind, value) {
            (Kind::Number, Value::Number(number)) => self.add_number(number.as_f64().unwrap_or(0.0)),
            (Kind::Text | Kind::List, Value::String(text)) => self.add_text(text, 1),
            (Kind::List | Kind::Object, Value::Array(items)) => {
                self.column.kind = Kind::List;
                for item in items.iter().take(MAX_VALUES) {
                    match item {
                        Value::String(text) => self.add_text(text, 1),
                        Value::Number(number) => self.add_number(number.as_f64().unwrap_or(0.0)),
                        Value::Object(_) => self.add_places(item, depth, true),
                        _ => {}
                    }
                }
            }
            (Kind::Object, Value::Object(_)) => self.add_places(value, depth, self.column.in_list),
            _ => {}
        }
    }

    fn add_places(&mut self, object: &Value, depth: usize, in_list: bool) {
        let Some(map) = object.as_object().filter(|_| depth < MAX_DEPTH) else { return };
        for (key, value) in map {
            // A dot in a key would be read as a step.
            if key.is_empty()
                || key.contains('.')
                || (self.places.len() >= MAX_PLACES && !self.places.contains_key(key))
            {
                continue;
            }
            let name = format!("{}.{key}", self.column.name);
            let place = self.places.entry(key.clone()).or_insert_with(|| {
                let mut place = Self::new(&name, Kind::Object, None);
                place.guess = true;
                place.column.in_list = in_list;
                place
            });
            place.add_at(value, depth + 1);
        }
    }

    /// The column and, for an object, its places.
    #[must_use]
    pub fn finish(self) -> Vec<Column> {
        let mut column = self.column;
        let mut values: Vec<(String, u32)> = self.counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        column.is_prose = self.long > self.short;
        // Texts inside objects have no declared format: dates are known by their looks.
        if column.kind == Kind::Text
            && column.name.contains('.')
            && !values.is_empty()
            && self.dated == values.len()
        {
            column.kind = Kind::DateTime;
            values.clear();
        }
        column.values = values;
        let mut columns = vec![column];
        for place in self.places.into_values() {
            columns.extend(place.finish());
            columns.truncate(MAX_PLACES);
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_counted_and_bounded() {
        let mut city = Collector::new("city", Kind::Text, None);
        for name in ["Rome", "Paris", "Rome", ""] {
            city.add(&json!(name));
        }
        let column = city.finish().remove(0);
        assert_eq!(column.values, [("Rome".to_owned(), 2), ("Paris".to_owned(), 1)]);
        assert!(column.complete && !column.is_prose);
        let mut many = Collector::new("key", Kind::Text, None);
        for at in 0..3_000 {
            many.add_text(&format!("k{at}"), 1);
        }
        let column = many.finish().remove(0);
        assert!(column.values.len() == MAX_VALUES && !column.complete);
    }

    #[test]
    fn objects_become_places_of_their_own_kind() {
        let mut customer = Collector::new("customer", Kind::Object, None);
        customer.add(
            &json!({"city": "Rome", "since": "2024-01-01", "orders": 3, "a.b": 1, "pets": [{"name": "Rex"}]}),
        );
        let columns = customer.finish();
        let kind = |name: &str| columns.iter().find(|column| column.name == name).map(|column| column.kind);
        assert_eq!(kind("customer.city"), Some(Kind::Text));
        assert_eq!(kind("customer.since"), Some(Kind::DateTime));
        assert_eq!(kind("customer.orders"), Some(Kind::Number));
        assert_eq!(kind("customer.pets"), Some(Kind::List));
        assert!(columns.iter().any(|column| column.name == "customer.pets.name" && column.in_list));
        assert_eq!(kind("customer.a.b"), None);
    }

    #[test]
    fn long_texts_make_prose() {
        let mut body = Collector::new("body", Kind::Text, None);
        body.add_text(&"word ".repeat(30), 1);
        let column = body.finish().remove(0);
        assert!(column.is_prose && column.values.is_empty() && !column.complete);
    }
}
