//! Which columns and values a run of tokens may name.
//!
//! Built once per vocabulary. Knows no grammar: it answers candidates with a strength from 0 to 1.
//! Invariant: looking up costs no more than the candidates that share a word with the question.

use crate::concept::{Concept, concepts_of_name, concepts_of_word};
use crate::fold::{name_words, one_edit_apart, shared_prefix, singular, stem};
use crate::phrase::is_known;
use crate::token::{Token, tokenize};
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

/// A column prepared for look-up.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) is_prose: bool,
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) in_list: bool,
    pub(crate) is_system: bool,
    pub(crate) concepts: BTreeSet<Concept>,
    /// The words of the name, folded; without `is`, `has` and the object it lies in.
    pub(crate) words: Vec<String>,
    /// The object it lies in.
    container: Vec<String>,
    description: HashSet<String>,
    /// Almost every row has its own value: a name or a number of something.
    pub(crate) is_identity: bool,
    pub(crate) values: Vec<FieldValue>,
}

#[derive(Debug)]
pub(crate) struct FieldValue {
    pub(crate) text: String,
    tokens: Vec<Form>,
    initials: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Form {
    folded: String,
    singular: String,
    stem: String,
}

impl Form {
    fn of(token: &Token) -> Self {
        Self { folded: token.folded.clone(), singular: token.singular.clone(), stem: token.stem.clone() }
    }

    /// How well a token is this word: the same, its plural, or merely of one stem.
    fn fit(&self, token: &Token) -> f32 {
        if self.folded == token.folded {
            1.0
        } else if self.singular == token.singular || alike(&self.singular, &token.singular) {
            0.95
        } else if self.stem == token.stem {
            0.7
        } else {
            0.0
        }
    }
}

/// Pairs of words that name the same thing; each line's words are one.
const SAME: [&[&str]; 13] = [
    &["apartment", "flat", "condo"],
    &["sofa", "couch", "settee"],
    &["grey", "gray"],
    &["car", "automobile"],
    &["film", "movie"],
    &["cancelled", "canceled"],
    &["usa", "america"],
    &["uk", "britain"],
    &["phone", "telephone"],
    &["mobile", "cellphone"],
    &["tv", "television"],
    &["bike", "bicycle"],
    &["theater", "theatre"],
];

fn alike(a: &str, b: &str) -> bool {
    SAME.iter().any(|words| words.contains(&a) && words.contains(&b))
}

/// Words of column names that say what sort of value it is rather than what about.
pub(crate) fn is_generic(word: &str) -> bool {
    const GENERIC: [&str; 28] = [
        "at", "on", "date", "time", "day", "name", "id", "number", "no", "nr", "num", "count", "is", "has",
        "of", "the", "in", "value", "level", "type", "code", "usd", "eur", "kg", "year", "amount", "text",
        "field",
    ];
    GENERIC.contains(&word)
}

/// Words that may follow or replace the date part of a column name.
fn is_date_word(word: &str) -> bool {
    matches!(word, "at" | "on" | "date" | "time" | "day" | "when" | "datetime" | "timestamp")
}

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
        let mut words: BTreeSet<String> = lexicon.table.iter().cloned().collect();
        for (column, field) in fields.iter().enumerate() {
            words.extend(field.words.iter().chain(&field.container).cloned());
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
        if !token.is_word() || length < 5 || self.is_word(token) {
            return None;
        }
        let near =
            self.spellings.get(length.saturating_sub(1)..).unwrap_or_default().iter().take(3).flatten();
        let mut found: Vec<&str> =
            near.map(String::as_str).filter(|word| one_edit_apart(word, &token.folded)).collect();
        // Several neighbours: the one with the longest common beginning, the first by spelling among equals.
        found.sort_by_key(|word| (std::cmp::Reverse(shared_prefix(word, &token.folded)), *word));
        found.first().copied()
    }

    fn is_word(&self, token: &Token) -> bool {
        self.known.contains(&token.singular)
            || self.heads.contains_key(&token.stem)
            || is_known(&token.folded)
            || crate::concept::grade_of(&token.folded).is_some()
            || !concepts_of_word(&token.folded, &token.singular).is_empty()
            || self.fields.iter().any(|field| field.words.iter().any(|word| stem(word) == token.stem))
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

impl Field {
    fn new(column: &Column, is_system: bool) -> Self {
        let (container, leaf) = column.name.rsplit_once('.').unwrap_or(("", &column.name));
        let mut words = name_words(leaf);
        if words.len() > 1
            && matches!(words.first().map(String::as_str), Some("is" | "has" | "can" | "was" | "are"))
        {
            words.remove(0);
        }
        let mut concepts: BTreeSet<Concept> = BTreeSet::new();
        for word in &words {
            concepts.extend(concepts_of_name(word, &singular(word)));
        }
        let described = column.description.as_deref().map(tokenize).unwrap_or_default();
        let description = described
            .into_iter()
            .filter(|token| token.is_word() && !is_known(&token.folded))
            .map(|token| token.singular)
            .collect();
        let values: Vec<FieldValue> =
            column.values.iter().filter_map(|(text, _)| FieldValue::new(text)).collect();
        let rows: u64 = column.values.iter().map(|(_, rows)| u64::from(*rows)).sum();
        let seen = column.values.iter().filter(|(_, rows)| *rows > 0).count() as u64;
        let is_identity = column.kind == Kind::Text && (!column.complete || seen >= 8) && rows * 2 < seen * 3;
        Self {
            name: column.name.clone(),
            kind: column.kind,
            is_prose: column.is_prose,
            range: column.range,
            in_list: column.in_list,
            is_system,
            concepts,
            words,
            container: name_words(container).iter().map(|word| singular(word)).collect(),
            description,
            is_identity,
            values,
        }
    }

    /// How strongly the tokens from here name this column, and how many of them do.
    fn named_at(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
        let (start, inside) = self.after_container(tokens, from);
        let place =
            |strength: f32| if self.container.is_empty() || inside { strength } else { strength - 0.05 };
        let own = if self.is_system { 0.04 } else { 0.0 };
        self.whole_name(tokens, start)
            .or_else(|| self.part_of_name(tokens, start))
            .map(|(strength, taken)| (place(strength) - own, start + taken - from))
            .or_else(|| {
                if inside { None } else { self.subject(tokens, from).map(|strength| (strength - own, 1)) }
            })
    }

    /// "customer city", "customer's city": steps over the object's name.
    fn after_container(&self, tokens: &[Token], from: usize) -> (usize, bool) {
        let names = !self.container.is_empty()
            && self.container.iter().enumerate().all(|(at, word)| {
                tokens.get(from + at).is_some_and(|token| token.singular == *word || token.folded == *word)
            });
        let dot = usize::from(
            names && tokens.get(from + self.container.len()).is_some_and(|token| token.folded == "."),
        );
        if names { (from + self.container.len() + dot, true) } else { (from, false) }
    }

    /// All words of the name in order; date words may differ or be left out, words may be synonyms.
    fn whole_name(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
        let mut strength = 1.0_f32;
        let mut at = from;
        for (index, word) in self.words.iter().enumerate() {
            let token = tokens.get(at);
            let fit = token.map_or(0.0, |token| word_fit(word, token));
            let last = index + 1 == self.words.len();
            let dated = self.kind == Kind::DateTime && index > 0 && is_date_word(word);
            if fit > 0.0 {
                strength = strength.min(fit);
                at += 1;
            } else if dated
                && token.is_some_and(|token| {
                    matches!(token.folded.as_str(), "date" | "time" | "day" | "timestamp")
                })
            {
                at += 1;
            } else if index > 0 && (dated || (last && is_generic(word))) {
                strength = strength.min(if dated { 0.95 } else { 0.88 });
            } else {
                return self.words_around_of(tokens, from);
            }
            // A hyphen between the words of a name.
            at += usize::from(
                !last && tokens.get(at).is_some_and(|token| token.folded == "-" && !token.spaced),
            );
        }
        (at > from).then_some((strength, at - from))
    }

    /// "days of vacation" for `vacation_days`.
    fn words_around_of(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
        let [head, tail] = self.words.as_slice() else { return None };
        let of = usize::from(tokens.get(from + 1).is_some_and(|token| token.folded == "of"));
        let (first, second) = (tokens.get(from)?, tokens.get(from + 1 + of)?);
        let fit = word_fit(tail, first).min(word_fit(head, second));
        (fit >= 0.7 && of == 1).then_some((fit - 0.05, 3))
    }

    /// One telling word of a longer name.
    fn part_of_name(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
        let token = tokens.get(from)?;
        if self.words.len() < 2 {
            return None;
        }
        let fits = |word: &String| !is_generic(word) && word_fit(word, token) >= 0.7;
        let at = self.words.iter().position(fits)?;
        let fit = word_fit(self.words.get(at)?, token);
        let last = at + 1 == self.words.len();
        let alone = self.words.iter().enumerate().all(|(other, word)| other == at || is_generic(word));
        let weight = if alone {
            0.88
        } else if last {
            0.8
        } else {
            0.72
        };
        Some((weight * fit, 1))
    }

    /// The word speaks of what the column is about.
    fn subject(&self, tokens: &[Token], from: usize) -> Option<f32> {
        let token = tokens.get(from).filter(|token| token.is_word())?;
        let concepts = concepts_of_word(&token.folded, &token.singular);
        if concepts.iter().any(|concept| self.concepts.contains(concept)) {
            return Some(if self.words.len() == 1 { 0.68 } else { 0.62 });
        }
        // "requested" for `requester`, "assigned" for `assignee`.
        let kin = |word: &String| {
            let shared = shared_prefix(word, &token.folded);
            shared >= 6 && shared * 20 >= 13 * word.len().max(token.folded.len())
        };
        if self.words.iter().any(kin) {
            return Some(0.6);
        }
        (self.description.contains(&token.singular) && token.singular.len() > 3).then_some(0.4)
    }
}

/// How well a token stands for a word of a column name.
fn word_fit(word: &str, token: &Token) -> f32 {
    if word == token.folded {
        return 1.0;
    }
    if !token.is_word() {
        return 0.0;
    }
    let single = singular(word);
    if single == token.singular || alike(&single, &token.singular) {
        return 0.97;
    }
    if stem(word) == token.stem {
        return 0.9;
    }
    let (named, said) = (concepts_of_name(word, &single), concepts_of_name(&token.folded, &token.singular));
    if named.iter().any(|concept| said.contains(concept)) { 0.72 } else { 0.0 }
}

impl FieldValue {
    fn new(text: &str) -> Option<Self> {
        let tokens: Vec<Form> = tokenize(text).iter().map(Form::of).collect();
        let initials = tokens.iter().filter_map(|form| form.folded.chars().next()).collect();
        (!tokens.is_empty()).then(|| Self { text: text.to_owned(), tokens, initials })
    }

    /// Whether the question may call it by one of its inner words.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::date;

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
        Lexicon::new(&Vocabulary { table: "employeesTable".into(), columns, today: date!(2024 - 11 - 20) })
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
