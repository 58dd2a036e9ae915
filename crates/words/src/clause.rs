//! One condition: a column with a comparison, a value alone, a number with its unit, a day, an absence.
//!
//! Knows nothing of what joins conditions. Invariant: a clause that needs a column it cannot determine
//! is no clause.

use crate::choose;
use crate::concept::{Concept, Degree};
use crate::field::Field;
use crate::number::{Number, Unit};
use crate::parser::{Clause, Parser};
use crate::phrase::{Compare, TextTest, Word};
use crate::tree::{Anchor, Literal, Op, Tree};
use crate::vocabulary::Kind;

/// Columns named less clearly than this need a fitting comparison or value beside them.
const CLEAR: f32 = 0.55;
/// A reading this much weaker than the best one is not considered.
const FAR: f32 = 0.35;

impl Parser<'_> {
    pub(crate) fn field(&self, column: usize) -> Option<&Field> {
        self.lexicon.fields.get(column)
    }

    pub(crate) fn kind(&self, column: usize) -> Kind {
        self.field(column).map_or(Kind::Object, |field| field.kind)
    }

    /// The condition that begins at a term.
    pub(crate) fn clause(&self, at: usize) -> Option<Clause> {
        self.nested(|| self.one_clause(self.skip_small(at)))
    }

    fn one_clause(&self, at: usize) -> Option<Clause> {
        // "when was it shipped" asks for the day, not for rows that are shipped.
        if self.asks_when && self.column_at(at, |field| field.kind == Kind::DateTime).is_some() {
            return self.about_column(at);
        }
        let term = self.term(at)?;
        if let Some(word) = term.word
            && let Some(clause) = self.by_word(word, at)
        {
            return Some(clause);
        }
        self.about_column(at)
            .or_else(|| self.by_grade(at))
            .or_else(|| self.by_value(at))
            .or_else(|| self.by_number(at))
            .or_else(|| self.by_day(at))
            .or_else(|| self.by_flag(at))
            .or_else(|| match self.word(at)? {
                // "from Rome", "not over the phone": the word joins, it does not compare.
                Word::From | Word::Compare(_) | Word::About | Word::With => self.clause(at + 1),
                _ => None,
            })
    }

    fn by_word(&self, word: Word, at: usize) -> Option<Clause> {
        let next = self.skip_small(at + 1);
        match word {
            Word::Not | Word::Except => {
                if self.word(next) == Some(Word::Missing) {
                    return None;
                }
                // "not yet shipped": the day it was is missing.
                let dated = self.column_at(next, |field| field.kind == Kind::DateTime && !field.is_system);
                let Some(inner) = self.clause(next) else {
                    let (column, strength) = dated?;
                    return Some(Clause { tree: self.exists(column, false, true), next: next + 1, strength });
                };
                Some(Clause { tree: inner.tree.negate(), ..inner })
            }
            Word::Neither => self.neither(next),
            Word::Without => self.existence(at, next, false),
            Word::With => self
                .about_column(next)
                .or_else(|| self.counted(next))
                .or_else(|| self.existence(at, next, true)),
            Word::Missing => {
                let (column, strength) = self.column_at(next, |_| true)?;
                Some(Clause { tree: self.exists(column, false, true), next: next + 1, strength })
            }
            Word::InStock | Word::OutOfStock => {
                let column = choose::about(self.lexicon, &[Concept::Stock], &[Kind::Number, Kind::Bool])?;
                Some(Clause {
                    tree: self.exists(column, word == Word::InStock, false),
                    next: at + 1,
                    strength: 0.95,
                })
            }
            Word::Free => self.free(at, next),
            Word::Upcoming | Word::Past => {
                let column = choose::date(self.lexicon)?;
                let today = Literal::Text(crate::tree::day_text(self.today));
                let tree = match word {
                    Word::Upcoming => Tree::at_least(column, today, true),
                    _ => Tree::at_most(column, today, false),
                };
                Some(Clause { tree, next: at + 1, strength: 0.8 })
            }
            Word::Text(test) => self.mention(test, next),
            Word::About if self.number(next).is_none() => self.mention(TextTest::Mentions, next),
            Word::Compare(_) | Word::When(_) | Word::Between | Word::From | Word::About => {
                self.comparison(at)
            }
            Word::By if self.term(next).is_some_and(|term| term.span.is_some()) => {
                let column = self.date_column();
                let range = self.range(column?, at, true)?;
                Some(Clause { strength: 0.7, ..range })
            }
            _ => None,
        }
    }

    /// "neither a nor b".
    fn neither(&self, first: usize) -> Option<Clause> {
        let mut clause = self.clause(first)?;
        clause.tree = clause.tree.negate();
        while matches!(self.word(clause.next), Some(Word::Nor | Word::Or | Word::And)) {
            let Some(more) = self.clause(clause.next + 1) else { break };
            let (tree, next) = (more.tree.negate(), more.next);
            clause = Clause {
                tree: self.both_not(clause.tree, tree),
                next,
                strength: clause.strength.min(more.strength),
            };
        }
        Some(clause)
    }

    /// Two refusals of values of one column are one list.
    pub(crate) fn both_not(&self, a: Tree, b: Tree) -> Tree {
        match (a, b) {
            (Tree::Not(a), Tree::Not(b)) if a.column().is_some() && a.column() == b.column() => {
                Tree::any(vec![*a, *b]).negate()
            }
            (a, b) => Tree::all(vec![a, b], &self.lexicon.fields),
        }
    }

    /// The best column a term names, of those that fit.
    pub(crate) fn column_at(&self, at: usize, fits: impl Fn(&Field) -> bool) -> Option<(usize, f32)> {
        let hits = &self.term(at)?.columns;
        let floor = hits.first().map_or(CLEAR, |best| (best.strength - FAR).max(CLEAR));
        let hit =
            hits.iter().find(|hit| hit.strength >= floor && self.field(hit.column).is_some_and(&fits))?;
        Some((hit.column, hit.strength))
    }

    /// Whether the column is filled; `strict` asks for a value at all, otherwise "no stock" means none of it.
    pub(crate) fn exists(&self, column: usize, wanted: bool, strict: bool) -> Tree {
        let field = self.field(column);
        let scored = field.is_some_and(|field| field.concepts.contains(&Concept::Score));
        let tree = match self.kind(column) {
            Kind::Bool if !strict => return Tree::equals(column, Literal::Bool(wanted)),
            Kind::Number if !strict && !scored => {
                if wanted {
                    return Tree::at_least(column, Literal::Number(0.0), false);
                }
                return Tree::test(column, Op::Equals(vec![Literal::Number(0.0), Literal::Null]));
            }
            Kind::List => {
                let none = Tree::test(column, Op::Equals(vec![Literal::Null, Literal::EmptyList]));
                return if wanted { none.negate() } else { none };
            }
            _ => Tree::test(column, Op::Exists),
        };
        if wanted { tree } else { tree.negate() }
    }

    /// "with a garden and parking", "without email": of what may be there or not.
    fn existence(&self, at: usize, first: usize, wanted: bool) -> Option<Clause> {
        let mut clause = self.one_existence(first, wanted)?;
        loop {
            let joint = self.word(clause.next);
            if !matches!(joint, Some(Word::And | Word::Or | Word::Nor | Word::Comma)) {
                break;
            }
            let mut next = self.skip_small(clause.next + 1);
            if matches!(self.word(next), Some(Word::And | Word::Or)) && joint == Some(Word::Comma) {
                next = self.skip_small(next + 1);
            }
            let plain = self.about_column(next).is_none() && self.counted(next).is_none();
            let Some(more) = self.one_existence(next, wanted).filter(|_| plain) else { break };
            // "without a or b" lacks both; "with a or b" has one of them.
            let tree = match (joint, wanted) {
                (Some(Word::Or), true) => Tree::any(vec![clause.tree, more.tree]),
                (_, true) => Tree::all(vec![clause.tree, more.tree], &self.lexicon.fields),
                (_, false) => self.both_not(clause.tree, more.tree),
            };
            clause = Clause { tree, next: more.next, strength: clause.strength.min(more.strength) };
        }
        (clause.next > at).then_some(clause)
    }

    fn one_existence(&self, at: usize, wanted: bool) -> Option<Clause> {
        let column = self.column_at(at, |_| true);
        let value = self.term(at)?.values.first().map_or(0.0, |hit| hit.strength);
        match column {
            Some((column, strength)) if strength >= value => {
                let negated = self.term(at).is_some_and(|term| term.negated);
                let tree = self.exists(column, wanted != negated, false);
                Some(Clause { tree, next: self.after_noun(column, at + 1), strength })
            }
            _ => {
                let clause = self.by_value(at)?;
                let tree = if wanted { clause.tree } else { clause.tree.negate() };
                Some(Clause { tree, ..clause })
            }
        }
    }

    /// "free events", "free shipping".
    fn free(&self, at: usize, next: usize) -> Option<Clause> {
        use Concept as C;
        let priced = |field: &Field| {
            field.kind == Kind::Number
                && [C::Price, C::Total, C::Shipping].iter().any(|concept| field.concepts.contains(concept))
        };
        let named = self.column_at(next, priced).map(|(column, _)| (column, next + 1));
        let (column, next) = named.or_else(|| Some((choose::money(self.lexicon)?, at + 1)))?;
        Some(Clause { tree: Tree::equals(column, Literal::Number(0.0)), next, strength: 0.8 })
    }

    /// "mentioning refund": in the named column or in every column of text.
    fn mention(&self, test: TextTest, at: usize) -> Option<Clause> {
        let lists = |field: &Field| field.kind == Kind::List;
        // "including a pool" is a value of a list.
        if test == TextTest::Contains
            && let Some(clause) = self.by_value(at)
            && clause.tree.column().and_then(|column| self.field(column)).is_some_and(lists)
        {
            return Some(clause);
        }
        let (text, next) = self.literal_text(at)?;
        let columns = choose::prose(self.lexicon);
        let anchor = anchor(test);
        let tests: Vec<Tree> =
            columns.into_iter().map(|column| Tree::test(column, Op::Holds(text.clone(), anchor))).collect();
        (!tests.is_empty()).then(|| Clause { tree: Tree::any(tests), next, strength: 0.7 })
    }

    /// The words up to the next joining word, or a quotation.
    pub(crate) fn literal_text(&self, at: usize) -> Option<(String, usize)> {
        let mut at = at;
        while matches!(self.word(at), Some(Word::Filler | Word::Is | Word::In))
            && self.term(at).is_some_and(|term| term.values.is_empty())
        {
            at += 1;
        }
        if let Some(text) = self.term(at)?.quoted.clone() {
            return (!text.is_empty()).then_some((text, at + 1));
        }
        let mut end = at;
        let mut text = String::new();
        while let Some(term) = self.term(end) {
            let joins = term.values.is_empty()
                && matches!(
                    term.word,
                    Some(
                        Word::And
                            | Word::Or
                            | Word::Comma
                            | Word::Stop
                            | Word::Not
                            | Word::Except
                            | Word::With
                            | Word::Without
                            | Word::Close
                            | Word::Filler
                            | Word::Is
                            | Word::In
                            | Word::Who
                            | Word::When(_)
                            | Word::Compare(_)
                    )
                );
            // The first word is meant literally, whatever it does elsewhere: "starts with Cannot".
            let ends = matches!(term.word, Some(Word::Close | Word::Comma | Word::Stop));
            let joins = joins && (end > at || ends);
            if joins || term.quoted.is_some() || (end > at && (term.row || !term.columns.is_empty())) {
                break;
            }
            let tokens = self.tokens.get(term.from..term.to).unwrap_or_default();
            for token in tokens {
                if token.spaced && !text.is_empty() {
                    text.push(' ');
                }
                // A lone plural is sought as its singular: "invoices" finds "invoice".
                let single = end == at
                    && tokens.len() == 1
                    && token.singular != token.folded
                    && token.folded.starts_with(&token.singular);
                text.push_str(if single { &token.singular } else { &token.text });
            }
            end += 1;
        }
        (!text.is_empty()).then_some((text, end))
    }

    /// "older than 30", "cheaper than $100".
    fn by_grade(&self, at: usize) -> Option<Clause> {
        let grade = self.term(at)?.grade.filter(|grade| grade.degree == Degree::Comparative)?;
        let than = (at + 1..at + 3).find(|at| self.folded(*at) == "than")?;
        let (column, much) = choose::by_grade(self.lexicon, &grade)?;
        let operand = self.skip_small(than + 1);
        let compare = if much { Compare::Greater } else { Compare::Less };
        if self.kind(column) == Kind::DateTime {
            return self
                .by_stretch(column, compare, operand)
                .or_else(|| self.compared(column, compare, operand));
        }
        let clause = self.compared(column, compare, operand)?;
        Some(Clause { strength: 0.9, next: self.after_noun(column, clause.next), ..clause })
    }

    /// "older than 30 days" of a day.
    fn by_stretch(&self, column: usize, compare: Compare, at: usize) -> Option<Clause> {
        let from = self.term(at)?.from;
        let (stretch, taken) = crate::date::stretch_at(self.tokens, from)?;
        let day = Literal::Text(crate::tree::day_text(stretch.before(self.today)?));
        let tree = match compare {
            Compare::Greater | Compare::AtLeast => Tree::at_least(column, day, true),
            _ => Tree::at_most(column, day, false),
        };
        Some(Clause { tree, next: self.term_after(from + taken), strength: 0.85 })
    }

    /// The first term that begins at or after a token.
    fn term_after(&self, token: usize) -> usize {
        self.terms.iter().position(|term| term.from >= token).unwrap_or(self.terms.len())
    }

    /// A flag by its name: "active", "working remotely".
    fn by_flag(&self, at: usize) -> Option<Clause> {
        let term = self.term(at)?;
        let (column, strength) = self.column_at(at, |field| field.kind == Kind::Bool || term.negated)?;
        let tree = self.exists(column, !term.negated, term.negated && self.kind(column) != Kind::Bool);
        Some(Clause { tree, next: self.after_noun(column, at + 1), strength })
    }

    /// A day or span alone: of the column spoken of, or the leading date.
    fn by_day(&self, at: usize) -> Option<Clause> {
        let term = self.term(at)?;
        let year = term.number.and_then(|number| number.year()).is_some();
        if term.span.is_none() && !year {
            return None;
        }
        let column = self.date_column()?;
        let clause = self.range(column, at, false)?;
        Some(Clause { strength: 0.7, ..clause })
    }

    /// The date column meant when none is named.
    pub(crate) fn date_column(&self) -> Option<usize> {
        self.context
            .filter(|column| self.kind(*column) == Kind::DateTime)
            .or_else(|| choose::date(self.lexicon))
    }

    /// "3 bedrooms", "4+ bedrooms", "at $20", "third floor or higher".
    fn by_number(&self, at: usize) -> Option<Clause> {
        self.counted(at).or_else(|| {
            let number = self.number(at)?;
            if number.year().is_some() && self.date_column().is_some() {
                return None;
            }
            let column = match number.unit {
                Unit::Money | Unit::Percent => choose::by_amount(self.lexicon, &[number])?,
                _ => match self.context.filter(|column| self.kind(*column) == Kind::Number) {
                    Some(column) => column,
                    None => return self.numbered(at),
                },
            };
            self.range(column, at, false)
        })
    }

    /// "order 1042", "#1042": the row whose own name holds the number, or the row id.
    fn numbered(&self, at: usize) -> Option<Clause> {
        let before = at.checked_sub(1)?;
        let singular_row = self.term(before).is_some_and(|term| term.row) && !self.is_plural(before);
        if !singular_row && !matches!(self.folded(before), "#" | "number" | "no" | "nr") {
            return None;
        }
        let term = self.term(at)?;
        let hits = self.lexicon.values_with(self.tokens.get(term.from..term.to)?);
        let own =
            |hit: &&crate::lexicon::ValueHit| self.field(hit.column).is_some_and(|field| field.is_identity);
        let named: Vec<_> = hits.iter().filter(own).collect();
        if let [hit] = named.as_slice() {
            let text = self.field(hit.column)?.values.get(hit.value)?.text.clone();
            return Some(Clause {
                tree: Tree::equals(hit.column, Literal::Text(text)),
                next: at + 1,
                strength: 0.85,
            });
        }
        let id = self.lexicon.fields.iter().position(|field| field.name == "id")?;
        let number = self.number(at)?;
        (named.is_empty() && number.unit == Unit::None).then(|| Clause {
            tree: Tree::equals(id, Literal::Number(number.value)),
            next: at + 1,
            strength: 0.6,
        })
    }

    /// A number followed by what it counts.
    pub(crate) fn counted(&self, at: usize) -> Option<Clause> {
        let number = self.number(at)?;
        let (to, next) = self.second_end(at);
        let (suffix, mut next) = self.suffix(next);
        // "2 or 3 bedrooms"
        let mut others = Vec::new();
        while to.is_none() && suffix.is_none() && matches!(self.word(next), Some(Word::Or | Word::Comma)) {
            let Some(other) = self.number(next + 1) else { break };
            others.push(other.value);
            next += 2;
        }
        let noun = self.skip_joint(next);
        let (column, strength) = self.counted_noun(noun)?;
        let (late, next) = self.suffix(self.after_noun(column, noun + 1));
        let first = self.amount(column, number, to, suffix.or(late));
        let others = others.into_iter().map(|value| Tree::equals(column, Literal::Number(value)));
        Some(Clause { tree: Tree::any(std::iter::once(first).chain(others).collect()), next, strength })
    }

    /// The number column a noun after a number names; "years old" is an age.
    pub(crate) fn counted_noun(&self, at: usize) -> Option<(usize, f32)> {
        if self.word(at) == Some(Word::Aged) {
            return choose::about(self.lexicon, &[Concept::Age], &[Kind::Number])
                .map(|column| (column, 0.95));
        }
        self.column_at(at, choose::is_number)
    }

    /// Steps over a hyphen and small words: "3-bedroom", "20 days of vacation".
    pub(crate) fn skip_joint(&self, at: usize) -> usize {
        let mut at = at;
        while self.is_small(at) || self.folded(at) == "-" {
            at += 1;
        }
        at
    }

    /// Words that only repeat the column: "priority tickets", "satisfaction score".
    pub(crate) fn after_noun(&self, column: usize, at: usize) -> usize {
        let again = self.term(at).is_some_and(|term| {
            term.values.is_empty()
                && term.number.is_none()
                && term.span.is_none()
                && term.columns.iter().any(|hit| hit.column == column)
                && term.columns.first().is_none_or(|best| best.strength < 0.9 || best.column == column)
        });
        if again { at + 1 } else { at }
    }

    pub(crate) fn amount(
        &self,
        column: usize,
        number: Number,
        to: Option<Number>,
        suffix: Option<Word>,
    ) -> Tree {
        let literal = Literal::Number(number.value);
        match (to, suffix) {
            (Some(to), _) => {
                let (low, high) = (number.value.min(to.value), number.value.max(to.value));
                closed(column, low, high)
            }
            (None, Some(Word::OrLess)) => Tree::at_most(column, literal, true),
            (None, Some(_)) => Tree::at_least(column, literal, true),
            (None, None) if number.or_more => Tree::at_least(column, literal, true),
            (None, None) => Tree::equals(column, literal),
        }
    }

    /// "or more", "or less" after a number.
    pub(crate) fn suffix(&self, at: usize) -> (Option<Word>, usize) {
        match self.word(at) {
            Some(word @ (Word::OrMore | Word::OrLess)) => (Some(word), at + 1),
            _ => (None, at),
        }
    }

    /// The end of "30 to 40" or "30-40".
    pub(crate) fn second_end(&self, at: usize) -> (Option<Number>, usize) {
        match (self.word(at + 1), self.number(at + 2)) {
            (Some(Word::To), Some(to)) => (Some(to), at + 3),
            _ => (None, at + 1),
        }
    }
}

pub(crate) fn closed(column: usize, low: f64, high: f64) -> Tree {
    let bound = |value: f64| Some(crate::tree::Bound { value: Literal::Number(value), inclusive: true });
    Tree::test(column, Op::Range(bound(low), bound(high)))
}

pub(crate) fn anchor(test: TextTest) -> Anchor {
    match test {
        TextTest::Starts => Anchor::Start,
        TextTest::Ends => Anchor::End,
        TextTest::Contains | TextTest::Mentions => Anchor::Anywhere,
    }
}
