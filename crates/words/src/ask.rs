//! Which columns a question asks to see: "price of …", "names of …", "who …", "list all brands".
//!
//! Runs last, on the columns no condition used. Invariant: a column is listed only when the question
//! asks for it in so many words; a mere mention selects nothing.

use crate::choose;
use crate::concept::Concept;
use crate::group::{Group, Measure};
use crate::parser::Parser;
use crate::phrase::Word;
use crate::term::Term;
use crate::tree::{Op, Tree};
use crate::vocabulary::Kind;

/// What to show beside the rows' order and conditions.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    pub(crate) select: Vec<usize>,
    pub(crate) unique: Option<Group>,
}

impl Parser<'_> {
    /// `shaped`: a group or an order was found already.
    pub(crate) fn asked(&mut self, tree: Option<&Tree>, grouped: bool, ordered: bool) -> Asked {
        let mut asked = Asked::default();
        if grouped {
            return asked;
        }
        let pinned = tree.is_some_and(|tree| self.names_a_row(tree));
        let mut named: Vec<(usize, usize)> = Vec::new();
        // "who placed …" asks for people, not for what the verb names.
        let asks_who =
            self.terms.iter().position(|term| term.is(Word::Who)).filter(|at| self.skip_small(0) > *at);
        let verb = asks_who.map(|at| self.skip_small(at + 1));
        for at in 0..self.terms.len() {
            let valued = self.terms.get(at).is_none_or(|term| !term.values.is_empty());
            if verb == Some(at) && self.column_at(at, choose::is_person).is_none() {
                continue;
            }
            if self.used.get(at) == Some(&true) || (valued && !self.asks_when) {
                continue;
            }
            let row = self.terms.get(at).is_some_and(|term| term.row);
            let Some((column, strength)) = self.column_at(at, |field| !field.is_system) else { continue };
            let needed = if self.asks_when { 0.6 } else { 0.67 };
            if !row && strength >= needed && self.is_asked_for(at, pinned) {
                named.push((at, column));
            }
        }
        // "names and salaries of …": what is joined to an asked column is asked for as well.
        for at in (0..self.terms.len()).rev() {
            let joint = self.terms.get(at + 1).and_then(|term| term.word);
            let next = named.iter().position(|(place, _)| *place == at + 2);
            let free = self.used.get(at) == Some(&false) && !named.iter().any(|(place, _)| *place == at);
            if let (Some(Word::And | Word::Comma), Some(next), true) = (joint, next, free)
                && let Some((column, strength)) = self.column_at(at, |field| !field.is_system)
                && strength >= 0.7
            {
                named.insert(next, (at, column));
            }
        }
        let lists = |column: usize| {
            matches!(self.kind(column), Kind::Text | Kind::List)
                && self.field(column).is_some_and(|field| !field.is_identity)
        };
        if let ([(at, column)], false, false) = (named.as_slice(), pinned, ordered)
            && lists(*column)
            && (self.is_plural(*at) || self.starts_with_all())
        {
            let (at, column) = (*at, *column);
            let unique = Group { measures: vec![(Some(column), Measure::Unique)], ..Group::default() };
            asked.unique = Some(unique);
            self.mark(at, at + 1);
            return asked;
        }
        // "how much does it cost" asks for the price, not for some other cost.
        let costs = self.asks_price();
        for (at, column) in named {
            let column = if costs { choose::money(self.lexicon).unwrap_or(column) } else { column };
            if !asked.select.contains(&column) {
                asked.select.push(column);
            }
            self.mark(at, at + 1);
        }
        if asked.select.is_empty() {
            asked.select.extend(self.by_question_word());
        }
        // "how much does … cost": the last word says no more than the first two.
        for at in 0..self.terms.len() {
            let costly = costs && matches!(self.folded(at), "cost" | "costs");
            if !asked.select.is_empty() && (costly || self.repeats(at, &asked.select)) {
                self.mark(at, at + 1);
            }
        }
        asked
    }

    /// "how much is …", but not "how much protein has …".
    fn asks_price(&self) -> bool {
        (0..self.terms.len()).any(|at| self.asks_price_at(at))
    }

    pub(crate) fn asks_price_at(&self, at: usize) -> bool {
        let priced = |column: usize| {
            let concepts = self.field(column).map(|field| &field.concepts);
            concepts.is_some_and(|own| {
                [Concept::Price, Concept::Total, Concept::Pay].iter().any(|one| own.contains(one))
            })
        };
        let other = |term: &Term| {
            let letters = self.text(at + 1).chars().any(char::is_alphanumeric);
            let said = term.word.is_some() || term.row || !term.values.is_empty() || term.number.is_some();
            letters && !said && term.columns.first().is_none_or(|hit| !priced(hit.column))
        };
        self.terms.get(at).is_some_and(|term| term.is(Word::HowMuch))
            && !self.terms.get(at + 1).is_some_and(other)
    }

    /// A word that only says again which column is asked for: "left" beside `seats_left`.
    pub(crate) fn repeats(&self, at: usize, columns: &[usize]) -> bool {
        self.terms.get(at).is_some_and(|term| {
            let says = matches!(term.word, None | Some(Word::Filler));
            let same = term.columns.first().is_some_and(|hit| columns.contains(&hit.column));
            says && same && term.values.is_empty() && term.number.is_none()
        })
    }

    /// Whether the conditions name one row by its own name.
    fn names_a_row(&self, tree: &Tree) -> bool {
        let own = |column: usize| self.field(column).is_some_and(|field| field.is_identity);
        tree.tests().iter().any(|test| own(test.column) && matches!(test.op, Op::Equals(_) | Op::Holds(..)))
    }

    /// "price of …", "what is the status …", "list the names", or the mention is all there is.
    fn is_asked_for(&self, at: usize, pinned: bool) -> bool {
        let term = self.terms.get(at);
        let after = term.and_then(|term| self.tokens.get(term.to)).map_or("", |token| token.folded.as_str());
        let of = matches!(after, "of" | "for");
        let ask = |word: Option<Word>| {
            matches!(
                word,
                Some(
                    Word::What
                        | Word::Show
                        | Word::HowMuch
                        | Word::When_
                        | Word::Where
                        | Word::Distinct
                        | Word::Aggregate(_)
                )
            )
        };
        let word = |at: usize| self.terms.get(at).and_then(|term| term.word);
        let asked_before = self.asks_before(at, &ask);
        let alone = (0..self.terms.len()).all(|other| {
            other == at
                || self.is_small(other)
                || matches!(word(other), Some(Word::Row))
                || self.folded(other) == "?"
                || self.is_listed(other)
        });
        let question = pinned && (0..self.terms.len()).any(|other| ask(word(other)));
        of || asked_before || alone || question
    }

    /// Whether a word that asks stands right before, or before a list this column ends.
    fn asks_before(&self, at: usize, ask: &impl Fn(Option<Word>) -> bool) -> bool {
        let word = |at: usize| self.terms.get(at).and_then(|term| term.word);
        let joint = |at: usize| matches!(word(at), Some(Word::And | Word::Comma));
        for before in (0..at).rev() {
            if ask(word(before)) {
                return true;
            }
            let listed = joint(before) || (self.is_listed(before) && joint(before + 1));
            if !self.is_small(before) && !listed {
                return false;
            }
        }
        false
    }

    /// Another column or a joint of a list of columns: "name and price of …".
    fn is_listed(&self, at: usize) -> bool {
        let Some(term) = self.terms.get(at) else { return false };
        matches!(term.word, Some(Word::And | Word::Comma))
            || (!term.columns.is_empty() && term.values.is_empty())
    }

    fn starts_with_all(&self) -> bool {
        self.tokens
            .iter()
            .take(4)
            .any(|token| matches!(token.folded.as_str(), "all" | "every" | "different" | "which"))
    }

    /// The column of people a verb speaks of ("who handled …"), or the one that answers "who".
    fn who(&mut self, asks: usize) -> Option<usize> {
        let free = |at: &usize| self.used.get(*at) == Some(&false);
        let named = (0..self.terms.len()).filter(free).find_map(|at| {
            let (column, _) = self.column_at(at, choose::is_person)?;
            Some((column, at))
        });
        if let Some((column, at)) = named {
            self.mark(at, at + 1);
            return Some(column);
        }
        let column = choose::who(self.lexicon)?;
        // "who placed …" of orders: the verb says what the rows are.
        let verb = self.skip_small(asks + 1);
        let told = self.term(verb).is_some_and(|term| term.word.is_none() && !term.columns.is_empty());
        if told && self.field(column).is_some_and(choose::is_person) {
            self.mark(verb, verb + 1);
        }
        Some(column)
    }

    fn by_question_word(&mut self) -> Option<usize> {
        let first = (0..self.terms.len()).find(|at| {
            !matches!(self.terms.get(*at).and_then(|term| term.word), Some(Word::Filler | Word::Show))
                || self.folded(*at) == "how"
        })?;
        match self.terms.get(first)?.word? {
            Word::Who => self.who(first),
            Word::Where => choose::about(self.lexicon, &[Concept::Place, Concept::Nation], &[Kind::Text]),
            Word::HowMuch if self.asks_price_at(first) => choose::money(self.lexicon),
            _ if self.folded(first) == "how" => {
                let grade = self.terms.get(first + 1)?.grade?;
                choose::by_grade(self.lexicon, &grade).map(|(column, _)| column)
            }
            _ => None,
        }
    }
}
