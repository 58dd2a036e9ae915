//! Tokens to terms: the cheapest way to cut a question into phrases, numbers, dates, columns and values.
//!
//! A term keeps every reading its tokens have ("open" is a value, and the stem of a column); the
//! grammar decides. Invariant: terms cover all tokens once, in order.

use crate::concept::{Grade, grade_of};
use crate::date::{Span, span_at};
use crate::lexicon::{ColumnHit, Lexicon, ValueHit};
use crate::number::{Number, number_at};
use crate::phrase::{Sum, Word, phrases_at};
use crate::token::{Piece, Token, tokenize};
use crate::vocabulary::Kind;
use std::collections::BTreeMap;
use time::Date;

/// Tokens one term spans at most.
const MAX_SPAN: usize = 12;
/// Unknown words in a row looked for inside values.
const MAX_PARTIAL_RUN: usize = 4;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Term {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) word: Option<Word>,
    pub(crate) grade: Option<Grade>,
    pub(crate) number: Option<Number>,
    pub(crate) span: Option<Span>,
    /// Best first.
    pub(crate) columns: Vec<ColumnHit>,
    /// Best first.
    pub(crate) values: Vec<ValueHit>,
    pub(crate) quoted: Option<String>,
    /// The column is named with its opposite: "unfurnished", "pets not allowed".
    pub(crate) negated: bool,
    /// Stands for the rows of the table.
    pub(crate) row: bool,
}

impl Term {
    fn score(&self) -> f32 {
        let len = (self.to - self.from) as f32;
        let word = self.word.map_or(0.0, |word| match word {
            Word::Filler => 0.5,
            Word::In | Word::Is => 0.6,
            Word::Row => 1.0,
            _ => 1.3,
        });
        let value = self.values.first().map_or(0.0, |hit| 1.0 + 0.8 * hit.strength);
        let column = self.columns.first().map_or(0.0, |hit| 0.7 + 0.8 * hit.strength);
        let flag = |on: bool, score: f32| if on { score } else { 0.0 };
        let best = [
            word,
            value,
            column,
            flag(self.grade.is_some(), 1.35),
            flag(self.number.is_some(), 1.4),
            flag(self.span.is_some(), 1.6),
            flag(self.quoted.is_some(), 1.5),
            flag(self.row, 1.1),
        ];
        let best = best.into_iter().fold(0.0, f32::max);
        if best == 0.0 { 0.0 } else { best * len + 0.35 * (len - 1.0) }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.score() == 0.0
    }

    pub(crate) fn is(&self, word: Word) -> bool {
        self.word == Some(word)
    }
}

/// Cuts tokens into terms. Misspelled words are read as their neighbour first; which ones is told.
pub(crate) fn terms(
    tokens: &mut [Token],
    lexicon: &Lexicon,
    today: Date,
) -> (Vec<Term>, Vec<(String, String)>) {
    let respelled = respell(tokens, lexicon);
    let candidates: Vec<BTreeMap<usize, Term>> =
        (0..tokens.len()).map(|from| readings(tokens, from, lexicon, today)).collect();
    // Best cut of the tokens from each place on.
    let mut best: Vec<(f32, usize)> = vec![(0.0, 0); tokens.len() + 1];
    for from in (0..tokens.len()).rev() {
        let mut choice = (best.get(from + 1).map_or(0.0, |rest| rest.0), 1);
        for (len, term) in candidates.get(from).into_iter().flatten() {
            let score = term.score() + best.get(from + len).map_or(0.0, |rest| rest.0);
            if score > choice.0 + 1e-4 || (score > choice.0 - 1e-4 && *len > choice.1) {
                choice = (score, *len);
            }
        }
        best[from] = choice;
    }
    let mut terms = Vec::new();
    let mut from = 0;
    while from < tokens.len() {
        let len = best.get(from).map_or(1, |choice| choice.1.max(1));
        let known = candidates.get(from).and_then(|terms| terms.get(&len)).cloned();
        terms.push(known.unwrap_or(Term { from, to: from + len, ..Term::default() }));
        from += len;
    }
    (look_inside_values(terms, tokens, lexicon), respelled)
}

fn respell(tokens: &mut [Token], lexicon: &Lexicon) -> Vec<(String, String)> {
    let mut respelled = Vec::new();
    for token in tokens.iter_mut() {
        let Some(word) = lexicon.respell(token).map(str::to_owned) else { continue };
        respelled.push((token.text.clone(), word.clone()));
        if let Some(right) = tokenize(&word).into_iter().next() {
            *token = Token { text: token.text.clone(), spaced: token.spaced, ..right };
        }
    }
    respelled
}

/// Every reading that begins at a token, by the number of tokens it takes.
fn readings(tokens: &[Token], from: usize, lexicon: &Lexicon, today: Date) -> BTreeMap<usize, Term> {
    let mut found: BTreeMap<usize, Term> = BTreeMap::new();
    let Some(token) = tokens.get(from) else { return found };
    let room = (tokens.len() - from).min(MAX_SPAN);
    let mut at = |len: usize, change: &mut dyn FnMut(&mut Term)| {
        if (1..=room).contains(&len) {
            change(found.entry(len).or_insert_with(|| Term { from, to: from + len, ..Term::default() }));
        }
    };
    if let Piece::Quoted(text) = &token.piece {
        at(1, &mut |term| term.quoted = Some(text.clone()));
    }
    for (word, len) in phrases_at(tokens, from) {
        if fits_here(word, tokens, from, len) {
            at(len, &mut |term| term.word = term.word.or(Some(word)));
        }
    }
    if let Some((number, len)) = number_at(tokens, from).filter(|_| !is_pronoun(tokens, from)) {
        at(len, &mut |term| term.number = Some(number));
    }
    if let Some((span, len)) = span_at(tokens, from, today) {
        at(len, &mut |term| term.span = Some(span));
    }
    if let Some(grade) = grade_of(&token.folded).filter(|_| token.is_word()) {
        at(1, &mut |term| term.grade = Some(grade));
    }
    if token.is_word() && (lexicon.table.contains(&token.singular) || lexicon.is_container(token)) {
        at(1, &mut |term| term.row = true);
    }
    for (hit, len) in lexicon.values_at(tokens, from) {
        if value_fits_here(&hit, len, tokens, from, lexicon) {
            at(len, &mut |term| term.values.push(hit));
        }
    }
    let named = lexicon.columns_at(tokens, from);
    let plain = named.iter().any(|(_, len)| *len == 1);
    let opposite = opposites(tokens, from, lexicon).into_iter().filter(|(_, len)| *len > 1 || !plain);
    for (hit, len) in named {
        at(len, &mut |term| term.columns.push(hit));
    }
    for (hit, len) in opposite {
        at(len, &mut |term| {
            term.negated = true;
            term.columns.push(hit);
        });
    }
    for term in found.values_mut() {
        term.columns.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.column.cmp(&b.column)));
        term.values.sort_by(|a, b| {
            b.strength.total_cmp(&a.strength).then(a.column.cmp(&b.column)).then(a.value.cmp(&b.value))
        });
    }
    found
}

/// "one" as in "which one is cheapest".
fn is_pronoun(tokens: &[Token], from: usize) -> bool {
    let word = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at)).map(|token| token.folded.as_str()).unwrap_or_default()
    };
    let after = word(Some(from + 1));
    word(Some(from)) == "one"
        && (matches!(
            word(from.checked_sub(1)),
            "which" | "this" | "that" | "the" | "each" | "any" | "no" | "what"
        ) || matches!(after, "" | "is" | "of" | "that" | "with" | "has" | "?"))
}

/// A phrase that is something else in this place.
fn fits_here(word: Word, tokens: &[Token], from: usize, len: usize) -> bool {
    let next = tokens.get(from + len);
    let number_next = number_at(tokens, from + len).is_some();
    match word {
        // "or over 60" begins a comparison of its own.
        Word::OrMore | Word::OrLess if len > 1 => {
            !number_next && next.is_none_or(|token| token.folded != "than")
        }
        // A hyphen inside a word joins it.
        Word::To if tokens.get(from).is_some_and(|token| token.folded == "-" && !token.spaced) => {
            number_next
                && from
                    .checked_sub(1)
                    .and_then(|at| tokens.get(at))
                    .is_some_and(|token| matches!(token.piece, Piece::Number(_)))
        }
        // A dot inside an address or a path ends nothing.
        Word::Stop if tokens.get(from).is_some_and(|token| token.folded == "." && !token.spaced) => {
            next.is_none_or(|token| token.spaced)
        }
        // "max 900" bounds, "max price" measures.
        Word::Compare(_)
            if tokens.get(from).is_some_and(|token| {
                matches!(token.folded.as_str(), "max" | "maximum" | "min" | "minimum")
            }) =>
        {
            number_next
        }
        Word::Not if len == 1 && tokens.get(from).is_some_and(|token| token.folded == "!") => false,
        // "gluten-free" costs money.
        Word::Free => !joined_before(tokens, from),
        // "the phone number of" is nothing that is counted.
        Word::Aggregate(Sum::Count) => !named_before(tokens, from),
        _ => true,
    }
}

/// Whether a hyphen ties the token to the word before it.
fn joined_before(tokens: &[Token], from: usize) -> bool {
    from.checked_sub(1)
        .and_then(|at| tokens.get(at))
        .is_some_and(|token| token.folded == "-" && !token.spaced && from > 1)
}

/// Whether "number of" has a noun of its own before it.
fn named_before(tokens: &[Token], from: usize) -> bool {
    let Some(at) =
        from.checked_sub(1).filter(|_| tokens.get(from).is_some_and(|token| token.folded == "number"))
    else {
        return false;
    };
    let small = phrases_at(tokens, at).iter().any(|(word, len)| *len == 1 && *word != Word::Row);
    !small && tokens.get(at).is_some_and(Token::is_word)
}

/// Values spelled like small words ("IT", "Other") count where they are meant.
fn value_fits_here(hit: &ValueHit, len: usize, tokens: &[Token], from: usize, lexicon: &Lexicon) -> bool {
    let Some(token) = tokens.get(from) else { return false };
    // One of very many names is meant only in its exact form: "red velvet chairs" is no name.
    if lexicon.fields.get(hit.column).is_some_and(|field| field.is_identity) && hit.strength < 1.0 {
        return false;
    }
    let small = len == 1
        && phrases_at(tokens, from)
            .iter()
            .any(|(word, taken)| *taken == 1 && !matches!(word, Word::Row | Word::Present | Word::Show))
        && token.is_word();
    if !small {
        return token.is_word() || len > 1 || !matches!(token.piece, Piece::Sign);
    }
    let before = from.checked_sub(1).and_then(|at| tokens.get(at)).map(|token| token.folded.as_str());
    let spelled = token.is_upper() && token.text.chars().count() > 1;
    spelled || (token.is_capital() && from > 0) || (before == Some("in") && token.folded == "it")
}

/// "unfurnished", "non-smoking", "pets not allowed".
fn opposites(tokens: &[Token], from: usize, lexicon: &Lexicon) -> Vec<(ColumnHit, usize)> {
    let Some(token) = tokens.get(from).filter(|token| token.is_word()) else { return Vec::new() };
    let mut hits = Vec::new();
    for (prefix, stem, floor) in [
        ("un", "", 0.55),
        ("in", "", 0.85),
        ("im", "", 0.85),
        ("dis", "", 0.85),
        ("off", "on", 0.85),
        ("on", "off", 0.85),
        ("in", "out", 0.85),
        ("out", "in", 0.85),
    ] {
        let Some(rest) = token.folded.strip_prefix(prefix).filter(|rest| rest.chars().count() >= 4) else {
            continue;
        };
        let bare = tokenize(&format!("{stem}{rest}"));
        let found = lexicon.columns_at(&bare, 0).into_iter().filter(|(hit, _)| hit.strength >= floor);
        hits.extend(found.map(|(hit, _)| (hit, 1)));
    }
    if token.folded == "non" && tokens.get(from + 1).is_some_and(|token| token.folded == "-") {
        let found = lexicon.columns_at(tokens, from + 2).into_iter();
        hits.extend(found.filter(|(hit, _)| hit.strength >= 0.8).map(|(hit, len)| (hit, len + 2)));
    }
    if tokens.get(from + 1).is_some_and(|token| token.folded == "not") {
        for (column, field) in lexicon.fields.iter().enumerate().filter(|(_, field)| field.kind == Kind::Bool)
        {
            let pair = [
                token.folded.as_str(),
                tokens.get(from + 2).map(|token| token.folded.as_str()).unwrap_or_default(),
            ];
            if field.words.iter().map(|word| word.folded.as_str()).eq(pair) {
                hits.push((ColumnHit { column, strength: 1.0 }, 3));
            }
        }
    }
    hits
}

/// Words that mean nothing by themselves are sought inside values: "Solveig" in "Solveig Red Lamp".
fn look_inside_values(terms: Vec<Term>, tokens: &[Token], lexicon: &Lexicon) -> Vec<Term> {
    let mut seen: Vec<Term> = Vec::new();
    let mut at = 0;
    while let Some(term) = terms.get(at) {
        // A number may belong to a name ("Jazz Night 2024"), but does not begin one.
        let belongs = |term: &Term| {
            term.is_unknown() || (term.number.is_some() && term.values.is_empty() && term.columns.is_empty())
        };
        let run = if term.is_unknown() {
            terms.iter().skip(at).take(MAX_PARTIAL_RUN).take_while(|term| belongs(term)).count()
        } else {
            0
        };
        let found = (1..=run).rev().find_map(|len| {
            let to = terms.get(at + len - 1)?.to;
            let words = tokens.get(term.from..to)?;
            let telling = words.iter().any(|token| token.is_word() && token.folded.chars().count() > 1);
            let values = if telling { lexicon.values_with(words) } else { Vec::new() };
            (!values.is_empty()).then_some((values, len, to))
        });
        if let Some((mut values, len, to)) = found {
            values.sort_by(|a, b| {
                b.strength.total_cmp(&a.strength).then(a.column.cmp(&b.column)).then(a.value.cmp(&b.value))
            });
            seen.push(Term { to, values, ..term.clone() });
            at += len;
            continue;
        }
        let mut term = term.clone();
        // "engineers" is closer to "Senior Engineer" than to "Engineering".
        if term.to - term.from == 1 && term.values.first().is_some_and(|hit| hit.strength < 0.75) {
            let words = tokens.get(term.from..term.to).unwrap_or_default();
            term.values.extend(lexicon.values_with(words));
            term.values.sort_by(|a, b| {
                b.strength.total_cmp(&a.strength).then(a.column.cmp(&b.column)).then(a.value.cmp(&b.value))
            });
        }
        seen.push(term);
        at += 1;
    }
    seen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::vocabulary::{Column, Vocabulary};
    use time::macros::date;

    fn cut(text: &str) -> Vec<(String, Term)> {
        let values = |list: &[&str]| list.iter().map(|value| ((*value).to_owned(), 9)).collect();
        let columns = vec![
            Column { values: values(&["open", "in progress", "IT"]), ..Column::new("status", Kind::Text) },
            Column::new("openedAt", Kind::DateTime),
            Column::new("furnished", Kind::Bool),
            Column::new("petsAllowed", Kind::Bool),
        ];
        let vocabulary = Vocabulary { table: "ticketsTable".into(), columns };
        let mut tokens = tokenize(text);
        let (terms, _) = terms(&mut tokens, &Lexicon::new(&vocabulary), date!(2024 - 11 - 20));
        let text = |term: &Term| {
            tokens[term.from..term.to].iter().map(|token| token.folded.clone()).collect::<Vec<_>>().join(" ")
        };
        terms.into_iter().map(|term| (text(&term), term)).collect()
    }

    fn pieces(text: &str) -> Vec<String> {
        cut(text).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn the_longest_sense_wins() {
        assert_eq!(
            pieces("tickets in progress since last month"),
            ["tickets", "in progress", "since", "last month"]
        );
        assert_eq!(
            pieces("no more than 2 million or over 60"),
            ["no more than", "2 million", "or", "over", "60"]
        );
        assert_eq!(pieces("pets not allowed"), ["pets not allowed"]);
    }

    #[test]
    fn a_term_keeps_its_other_readings() {
        let (_, opened) = cut("opened yesterday").remove(0);
        assert!(!opened.columns.is_empty() && !opened.values.is_empty());
        let (_, bare) = cut("unfurnished").remove(0);
        assert!(bare.negated && !bare.columns.is_empty());
        assert!(cut("is it open").iter().all(|(text, term)| text != "it" || term.values.is_empty()));
        assert!(cut("not IT").iter().any(|(text, term)| text == "it" && !term.values.is_empty()));
    }
}
