//! One column prepared for look-up: the words of its name, what it is about, its values.
//!
//! Knows nothing of other columns. Invariant: a strength is from 0 to 1, 1 being the name itself.

use crate::concept::{Concept, concepts_of_name, concepts_of_word};
use crate::fold::{name_words, shared_prefix, singular, stem};
use crate::phrase::is_known;
use crate::token::{Token, tokenize};
use crate::vocabulary::{Column, Kind};
use std::collections::{BTreeSet, HashSet};

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
    pub(crate) words: Vec<Form>,
    /// The object it lies in.
    pub(crate) container: Vec<String>,
    description: HashSet<String>,
    /// Almost every row has its own value: a name or a number of something.
    pub(crate) is_identity: bool,
    pub(crate) values: Vec<FieldValue>,
}

#[derive(Debug)]
pub(crate) struct FieldValue {
    pub(crate) text: String,
    pub(crate) tokens: Vec<Form>,
    pub(crate) initials: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    pub(crate) folded: String,
    pub(crate) singular: String,
    pub(crate) stem: String,
}

impl Form {
    fn of_word(folded: &str) -> Self {
        Self { folded: folded.to_owned(), singular: singular(folded), stem: stem(folded) }
    }

    fn of(token: &Token) -> Self {
        Self { folded: token.folded.clone(), singular: token.singular.clone(), stem: token.stem.clone() }
    }

    /// How well a token is this word: the same, its plural, or merely of one stem.
    pub(crate) fn fit(&self, token: &Token) -> f32 {
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
pub(crate) const SAME: [&[&str]; 13] = [
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

impl Field {
    pub(crate) fn new(column: &Column, is_system: bool) -> Self {
        let (container, leaf) = column.name.rsplit_once('.').unwrap_or(("", &column.name));
        let mut words = name_words(leaf);
        if words.len() > 1
            && matches!(words.first().map(String::as_str), Some("is" | "has" | "can" | "was" | "are"))
        {
            words.remove(0);
        }
        let words: Vec<Form> = words.iter().map(|word| Form::of_word(word)).collect();
        let amount = matches!(column.kind, Kind::Number | Kind::List | Kind::Object);
        let concepts: BTreeSet<Concept> = words
            .iter()
            .flat_map(|word| concepts_of_name(&word.folded, &word.singular))
            .filter(|concept| amount || !concept.is_amount())
            .collect();
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

    /// Whether a word of its name is this one.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.words.iter().any(|own| own.singular == word)
    }

    /// How strongly the tokens from here name this column, and how many of them do.
    pub(crate) fn named_at(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
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
            let fit = token.map_or(0.0, |token| word.named_by(token));
            let last = index + 1 == self.words.len();
            let dated = self.kind == Kind::DateTime && index > 0 && is_date_word(&word.folded);
            if fit > 0.0 {
                strength = strength.min(fit);
                at += 1;
            } else if dated
                && token.is_some_and(|token| {
                    matches!(token.folded.as_str(), "date" | "time" | "day" | "timestamp")
                })
            {
                at += 1;
            } else if index > 0 && (dated || (last && is_generic(&word.folded))) {
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
        let fit = tail.named_by(first).min(head.named_by(second));
        (fit >= 0.7 && of == 1).then_some((fit - 0.05, 3))
    }

    /// One telling word of a longer name.
    fn part_of_name(&self, tokens: &[Token], from: usize) -> Option<(f32, usize)> {
        let token = tokens.get(from)?;
        if self.words.len() < 2 {
            return None;
        }
        let fits = |word: &Form| !is_generic(&word.folded) && word.named_by(token) >= 0.7;
        let at = self.words.iter().position(fits)?;
        let fit = self.words.get(at)?.named_by(token);
        let last = at + 1 == self.words.len();
        let alone =
            self.words.iter().enumerate().all(|(other, word)| other == at || is_generic(&word.folded));
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
        let mut concepts = concepts_of_word(&token.folded, &token.singular);
        if concepts.any(|concept| self.concepts.contains(&concept)) {
            return Some(if self.words.len() == 1 { 0.68 } else { 0.62 });
        }
        // "requested" for `requester`, "assigned" for `assignee`.
        let kin = |word: &Form| {
            let shared = shared_prefix(&word.folded, &token.folded);
            shared >= 6 && shared * 20 >= 13 * word.folded.len().max(token.folded.len())
        };
        if self.words.iter().any(kin) {
            return Some(0.6);
        }
        (self.description.contains(&token.singular) && token.singular.len() > 3).then_some(0.4)
    }
}

impl Form {
    /// How well a token stands for this word of a column name: itself, another form, another word for it.
    fn named_by(&self, token: &Token) -> f32 {
        if self.folded == token.folded {
            return 1.0;
        }
        if !token.is_word() {
            return 0.0;
        }
        if self.singular == token.singular || alike(&self.singular, &token.singular) {
            return 0.97;
        }
        if self.stem == token.stem {
            return 0.9;
        }
        let mut said = concepts_of_name(&token.folded, &token.singular);
        let shared =
            said.any(|concept| concepts_of_name(&self.folded, &self.singular).any(|own| own == concept));
        if shared { 0.72 } else { 0.0 }
    }
}

impl FieldValue {
    fn new(text: &str) -> Option<Self> {
        let tokens: Vec<Form> = tokenize(text).iter().map(Form::of).collect();
        let initials = tokens.iter().filter_map(|form| form.folded.chars().next()).collect();
        (!tokens.is_empty()).then(|| Self { text: text.to_owned(), tokens, initials })
    }
}
