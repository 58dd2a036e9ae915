//! Which columns and values a run of tokens may name.
//!
//! Built once per vocabulary. Knows no grammar: it answers candidates with a strength from 0 to 1.
//! Invariant: looking up costs no more than the candidates that share a word with the question.

use crate::concept::{Concept, concepts_of_word, row_words};
use crate::field::{Field, FieldValue, SAME};
use crate::fold::{name_words, one_edit_apart, shared_prefix, singular};
use crate::phrase::is_known;
use crate::token::Token;
use crate::vocabulary::{Column, Kind, Vocabulary};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Candidates looked at per word; a word found in more values tells nothing.
const MAX_PARTIAL: usize = 200;
/// Words of values longer than this are not indexed one by one.
const MAX_VALUE_TOKENS: usize = 12;

/// A column a run of tokens may name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColumnHit {
    pub(crate) column: usize,
    pub(crate) strength: f32,
}

/// A value a run of tokens may name, whole or in part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ValueHit {
    pub(crate) column: usize,
    pub(crate) value: usize,
    pub(crate) strength: f32,
    /// The tokens are only a part of the value.
    pub(crate) partial: bool,
}

/// Shorter words are not taken for misspelled ones.
const MIN_RESPELLED: usize = 4;

/// Words of the language that are worth reading through a slip.
const OPERATORS: [&str; 26] = [
    "under",
    "above",
    "below",
    "between",
    "without",
    "except",
    "before",
    "after",
    "since",
    "until",
    "cheapest",
    "expensive",
    "newest",
    "oldest",
    "latest",
    "largest",
    "highest",
    "lowest",
    "average",
    "sorted",
    "ordered",
    "contains",
    "starting",
    "exactly",
    "neither",
    "distinct",
];

#[derive(Debug)]
pub(crate) struct Lexicon {
    pub(crate) fields: Vec<Field>,
    pub(crate) table: HashSet<String>,
    /// Singular forms and stems of first words → values.
    heads: HashMap<String, Vec<(u32, u32)>>,
    /// Any word → values that hold it.
    inner: HashMap<String, Vec<(u32, u32)>>,
    initials: HashMap<String, Vec<(u32, u32)>>,
    /// Every word of a column or value, by length, for misspellings; with whether a column or short list owns it.
    spellings: Vec<Vec<String>>,
    known: HashSet<String>,
}

impl Lexicon {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let mut fields: Vec<Field> =
            vocabulary.columns.iter().map(|column| Field::new(column, false)).collect();
        for (name, kind) in
            [("id", Kind::Number), ("createdAt", Kind::DateTime), ("updatedAt", Kind::DateTime)]
        {
            if !fields.iter().any(|field| field.name == name) {
                fields.push(Field::new(&Column::new(name, kind), true));
            }
        }
        let mut lexicon = Self {
            fields: Vec::new(),
            table: table_words(&vocabulary.table),
            heads: HashMap::new(),
            inner: HashMap::new(),
            initials: HashMap::new(),
            spellings: Vec::new(),
            known: HashSet::new(),
        };
        let about = |concept: Concept| fields.iter().any(|field| field.concepts.contains(&concept));
        let called = row_words(about).filter(|word| !fields.iter().any(|field| field.is_called(word)));
        lexicon.table.extend(called.map(str::to_owned));
        let mut words: BTreeSet<String> = lexicon.table.iter().cloned().collect();
        words.extend(OPERATORS.iter().map(|word| (*word).to_owned()));
        for (column, field) in fields.iter().enumerate() {
            words.extend(field.words.iter().map(|word| word.folded.clone()));
            words.extend(field.container.iter().cloned());
            for (at, value) in field.values.iter().enumerate() {
                let place = (column as u32, at as u32);
                lexicon.add_value(place, value);
                words.extend(value.tokens.iter().map(|form| form.folded.clone()));
            }
        }
        for word in words {
            lexicon.known.insert(singular(&word));
            let length = word.chars().count().min(40);
            if lexicon.spellings.len() <= length {
                lexicon.spellings.resize(length + 1, Vec::new());
            }
            lexicon.spellings[length].push(word);
        }
        lexicon.fields = fields;
        lexicon
    }

    fn add_value(&mut self, place: (u32, u32), value: &FieldValue) {
        if let Some(head) = value.tokens.first() {
            let others = SAME
                .iter()
                .filter(|words| words.contains(&head.singular.as_str()))
                .flat_map(|words| words.iter());
            let keys: BTreeSet<&str> = [head.folded.as_str(), head.singular.as_str(), head.stem.as_str()]
                .into_iter()
                .chain(others.copied())
                .collect();
            for key in keys {
                self.heads.entry(key.to_owned()).or_default().push(place);
            }
        }
        if value.tokens.len() > 1 && value.tokens.len() <= MAX_VALUE_TOKENS {
            let keys: BTreeSet<&str> = value.tokens.iter().map(|form| form.singular.as_str()).collect();
            for key in keys {
                self.inner.entry(key.to_owned()).or_default().push(place);
            }
            if value.initials.len() >= 2 {
                self.initials.entry(value.initials.clone()).or_default().push(place);
            }
        }
    }

    fn value(&self, place: (u32, u32)) -> Option<(&Field, &FieldValue)> {
        let field = self.fields.get(place.0 as usize)?;
        Some((field, field.values.get(place.1 as usize)?))
    }

    /// Values whose whole text stands at a token, with the number of tokens.
    pub(crate) fn values_at(&self, tokens: &[Token], from: usize) -> Vec<(ValueHit, usize)> {
        let Some(first) = tokens.get(from) else { return Vec::new() };
        let keys: BTreeSet<&str> =
            [first.folded.as_str(), first.singular.as_str(), first.stem.as_str()].into();
        let mut places: Vec<(u32, u32)> =
            keys.iter().filter_map(|key| self.heads.get(*key)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let mut hits: Vec<(ValueHit, usize)> = Vec::new();
        for place in places {
            let Some((_, value)) = self.value(place) else { continue };
            let len = value.tokens.len();
            let mut strength = 1.0_f32;
            for (at, form) in value.tokens.iter().enumerate() {
                strength = strength.min(tokens.get(from + at).map_or(0.0, |token| form.fit(token)));
            }
            // The exact spelling tells two columns apart that hold the word in different case.
            let exact = tokens.get(from..from + len).is_some_and(|run| same_case(run, &value.text));
            if strength > 0.0 {
                let strength = if exact { strength + 0.03 } else { strength };
                hits.push((
                    ValueHit { column: place.0 as usize, value: place.1 as usize, strength, partial: false },
                    len,
                ));
            }
        }
        if first.is_upper() && first.is_word() {
            for place in self.initials.get(&first.folded).into_iter().flatten() {
                hits.push((
                    ValueHit {
                        column: place.0 as usize,
                        value: place.1 as usize,
                        strength: 0.85,
                        partial: false,
                    },
                    1,
                ));
            }
        }
        hits
    }

    /// Values that hold these tokens in a row, but not only them.
    pub(crate) fn values_with(&self, run: &[Token]) -> Vec<ValueHit> {
        let Some(first) = run.first() else { return Vec::new() };
        let Some(places) = self.inner.get(&first.singular).filter(|places| places.len() <= MAX_PARTIAL)
        else {
            return Vec::new();
        };
        let mut hits = Vec::new();
        for place in places {
            let Some((_, value)) = self.value(*place) else { continue };
            let fits = value.tokens.len() > run.len()
                && value
                    .tokens
                    .windows(run.len())
                    .any(|part| part.iter().zip(run).all(|(form, token)| form.fit(token) >= 0.95));
            if fits {
                // "engineers" is the head of "Senior Engineer": closer than a word inside.
                let head =
                    value.tokens.last().zip(run.last()).is_some_and(|(form, token)| form.fit(token) >= 0.95);
                let strength = if head { 0.78 } else { 0.6 };
                hits.push(ValueHit {
                    column: place.0 as usize,
                    value: place.1 as usize,
                    strength,
                    partial: true,
                });
            }
        }
        hits
    }

    /// Columns whose name or subject stands at a token, with the number of tokens.
    pub(crate) fn columns_at(&self, tokens: &[Token], from: usize) -> Vec<(ColumnHit, usize)> {
        let mut hits = Vec::new();
        for (column, field) in self.fields.iter().enumerate() {
            if let Some((strength, taken)) = field.named_at(tokens, from) {
                hits.push((ColumnHit { column, strength }, taken));
            }
        }
        // A container's own words ("customer") stand for all its places, weakly.
        hits
    }

    /// Whether the word is the name of an object whose places are columns.
    pub(crate) fn is_container(&self, token: &Token) -> bool {
        self.fields.iter().any(|field| {
            field.container.len() == 1
                && field.container.iter().any(|word| *word == token.singular || *word == token.folded)
        })
    }

    pub(crate) fn with_concept(&self, concept: Concept) -> impl Iterator<Item = usize> {
        let has = move |(at, field): (usize, &Field)| field.concepts.contains(&concept).then_some(at);
        self.fields.iter().enumerate().filter_map(has)
    }

    /// The word a misspelled one stands for, when one edit leads to it.
    pub(crate) fn respell(&self, token: &Token) -> Option<&str> {
        let length = token.folded.chars().count();
        if !token.is_word() || length < MIN_RESPELLED || self.is_word(token) {
            return None;
        }
        let near =
            self.spellings.get(length.saturating_sub(2)..).unwrap_or_default().iter().take(4).flatten();
        let bare = token.folded.strip_suffix('s').unwrap_or(&token.folded);
        let close = |word: &&str| {
            one_edit_apart(word, &token.folded)
                || (bare.len() < token.folded.len() && one_edit_apart(word, bare))
        };
        let mut found: Vec<&str> = near.map(String::as_str).filter(close).collect();
        // Several neighbours: the one with the longest common beginning, the first by spelling among equals.
        found.sort_by_key(|word| (std::cmp::Reverse(shared_prefix(word, &token.folded)), *word));
        found.first().copied()
    }

    fn is_word(&self, token: &Token) -> bool {
        self.known.contains(&token.singular)
            || is_known(&token.folded)
            || crate::concept::grade_of(&token.folded).is_some()
            || concepts_of_word(&token.folded, &token.singular).next().is_some()
            || self.fields.iter().any(|field| field.words.iter().any(|word| word.stem == token.stem))
    }
}

fn same_case(run: &[Token], text: &str) -> bool {
    let mut rest = text;
    for token in run {
        let Some(after) = rest.trim_start().strip_prefix(token.text.as_str()) else { return false };
        rest = after;
    }
    true
}

/// The words a table's rows go by: `supportTicketsTable` → support, ticket.
fn table_words(name: &str) -> HashSet<String> {
    let words = name_words(name);
    let kept = words
        .iter()
        .filter(|word| !matches!(word.as_str(), "table" | "tables" | "data" | "my" | "all" | "list"));
    kept.map(|word| singular(word)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::token::tokenize;

    fn lexicon() -> Lexicon {
        let text = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| ((*value).to_owned(), 5)).collect();
            Column { values, ..Column::new(name, Kind::Text) }
        };
        let columns = vec![
            text("city", &["Rome", "New York"]),
            text("department", &["Human Resources", "Engineering"]),
            text("jobTitle", &["Senior Engineer"]),
            Column::new("vacation_days", Kind::Number),
            Column::new("hiredAt", Kind::DateTime),
            Column::new("salary", Kind::Number),
            text("customer.country", &["France"]),
        ];
        Lexicon::new(&Vocabulary { table: "employeesTable".into(), columns })
    }

    fn column(text: &str) -> Option<(String, usize)> {
        let lexicon = lexicon();
        let hits = lexicon.columns_at(&tokenize(text), 0);
        let best = hits.into_iter().max_by(|a, b| a.0.strength.total_cmp(&b.0.strength))?;
        Some((lexicon.fields[best.0.column].name.clone(), best.1))
    }

    #[test]
    fn columns_are_found_by_name_synonym_and_form() {
        for (text, name, taken) in [
            ("hire date", "hiredAt", 2),
            ("hired", "hiredAt", 1),
            ("joined", "hiredAt", 1),
            ("days of vacation", "vacation_days", 3),
            ("vacation days", "vacation_days", 2),
            ("earns", "salary", 1),
            ("job titles", "jobTitle", 2),
            ("cities", "city", 1),
            ("customer country", "customer.country", 2),
            ("countries", "customer.country", 1),
            ("created", "createdAt", 1),
        ] {
            assert_eq!(column(text), Some((name.to_owned(), taken)), "{text}");
        }
        assert_eq!(column("banana"), None);
    }

    #[test]
    fn values_are_found_by_case_plural_initials_and_part() {
        let lexicon = lexicon();
        let whole = |text: &str| {
            lexicon.values_at(&tokenize(text), 0).first().map(|(hit, taken)| (hit.column, *taken))
        };
        assert_eq!(whole("new york"), Some((0, 2)));
        assert_eq!(whole("HR"), Some((1, 1)));
        assert_eq!(whole("senior engineers"), Some((2, 2)));
        assert_eq!(whole("new"), None);
        assert_eq!(lexicon.values_with(&tokenize("engineers")).len(), 1);
    }

    #[test]
    fn misspellings_lead_to_known_words_only() {
        let lexicon = lexicon();
        let respelled = |text: &str| lexicon.respell(&tokenize(text)[0]).map(str::to_owned);
        assert_eq!(respelled("enginering").as_deref(), Some("engineering"));
        assert_eq!(respelled("salery").as_deref(), Some("salary"));
        for text in ["rome", "rum", "hires", "people", "france"] {
            assert_eq!(respelled(text), None, "{text}");
        }
    }
}
