//! Columns with what is said of them, and comparisons that have to find their column.
//!
//! Invariant: a day is compared by whole days: after one begins the day after it, until one includes it.

use crate::choose;
use crate::date::{Span, year};
use crate::number::{Number, Unit};
use crate::parser::{Clause, Parser};
use crate::phrase::{Compare, Word};
use crate::tree::{Bound, Literal, Op, Tree, day_text};
use crate::vocabulary::Kind;

impl Parser<'_> {
    /// A column and what is said of it: "price under 20", "status is not open", "hired in 2021".
    pub(crate) fn about_column(&self, at: usize) -> Option<Clause> {
        let term = self.term(at)?;
        // A word for the rows names a column only when it is the column's own.
        let floor = if term.row { 0.7 } else { 0.4 };
        let hits = term.columns.clone();
        hits.iter().filter(|hit| hit.strength >= floor).find_map(|hit| {
            let clause = self.said_of(hit.column, hit.strength, at + 1)?;
            Some(Clause { strength: clause.strength.min(hit.strength.max(0.6)), ..clause })
        })
    }

    fn said_of(&self, column: usize, named: f32, from: usize) -> Option<Clause> {
        let mut at = from;
        let mut says_is = false;
        loop {
            let again = self.after_noun(column, at);
            says_is |= self.word(at) == Some(Word::Is);
            if again > at && again < self.terms.len() {
                at = again;
            } else if self.is_small(at) && self.taken.get(at) != Some(&true) {
                at += 1;
            } else if self.word(at) == Some(Word::With) && self.has_value(column, self.skip_small(at + 1)) {
                // "paid with paypal"
                at += 1;
            } else {
                break;
            }
        }
        let term = self.term(at)?;
        if matches!(term.word, Some(Word::Not)) {
            let inner = match self.word(self.skip_small(at + 1)) {
                Some(Word::Missing) => Clause {
                    tree: self.exists(column, true, true),
                    next: self.skip_small(at + 1) + 1,
                    strength: 1.0,
                },
                _ => {
                    let inner = self.operand_of(column, named, self.skip_small(at + 1), says_is)?;
                    Clause { tree: inner.tree.negate(), ..inner }
                }
            };
            return Some(inner);
        }
        self.operand_of(column, named, at, says_is)
    }

    fn has_value(&self, column: usize, at: usize) -> bool {
        self.term(at).is_some_and(|term| term.values.iter().any(|hit| hit.column == column))
    }

    fn operand_of(&self, column: usize, named: f32, at: usize, says_is: bool) -> Option<Clause> {
        let term = self.term(at)?;
        let next = self.skip_small(at + 1);
        let own_value = self.has_value(column, at);
        match term.word {
            Some(Word::Missing) => {
                return Some(Clause {
                    tree: self.exists(column, false, true),
                    next: at + 1,
                    strength: named,
                });
            }
            Some(Word::Present) => {
                return Some(Clause { tree: self.exists(column, true, true), next: at + 1, strength: named });
            }
            Some(Word::Compare(compare)) => {
                let clause = self.compared(column, compare, next)?;
                // "more than 3 days ago" lies before that day.
                return Some(if says_is && matches!(compare, Compare::Equal) {
                    Clause { strength: named, ..clause }
                } else {
                    clause
                });
            }
            Some(Word::When(compare)) => return self.compared(column, compare, next),
            Some(Word::About) => return self.compared(column, Compare::Around, next),
            Some(Word::Between | Word::From) => {
                return self.between(column, next).or_else(|| self.range(column, next, false));
            }
            Some(Word::By) => return self.range(column, next, true),
            Some(Word::Text(test)) if self.kind(column) == Kind::Text => {
                let (text, next) = self.literal_text(next)?;
                return Some(Clause {
                    tree: Tree::test(column, Op::Holds(text, crate::clause::anchor(test))),
                    next,
                    strength: named,
                });
            }
            Some(Word::Text(_)) if self.kind(column) == Kind::List => {
                let clause = self.value_of(column, next)?;
                return Some(clause);
            }
            Some(Word::Without) if says_is && self.kind(column) == Kind::Bool => {
                return Some(Clause {
                    tree: Tree::equals(column, Literal::Bool(false)),
                    next: at + 1,
                    strength: named,
                });
            }
            _ => {}
        }
        if own_value && let Some(clause) = self.value_of(column, at) {
            return Some(clause);
        }
        match self.kind(column) {
            Kind::Number | Kind::DateTime => {
                // "salary high to low", "age: older than 30": an order or another clause.
                let clause = self.range(column, at, false)?;
                Some(Clause { strength: named, ..clause })
            }
            Kind::Bool => {
                let flag = match self.folded(at) {
                    "true" | "yes" => true,
                    "false" => false,
                    _ => return None,
                };
                Some(Clause {
                    tree: Tree::equals(column, Literal::Bool(flag)),
                    next: at + 1,
                    strength: named,
                })
            }
            Kind::Text | Kind::List => {
                let quoted = term.quoted.is_some();
                let told = quoted || (says_is && named >= 0.85 && term.is_unknown());
                let (text, next) = if told { self.literal_text(at)? } else { return None };
                Some(Clause {
                    tree: Tree::equals(column, self.known_spelling(column, text)),
                    next,
                    strength: 0.5,
                })
            }
            Kind::Object => None,
        }
    }

    /// The stored value a text is, whatever its case.
    fn known_spelling(&self, column: usize, text: String) -> Literal {
        let folded = crate::fold::fold(&text);
        let values = self.field(column).map(|field| field.values.as_slice()).unwrap_or_default();
        let known = values.iter().find(|value| crate::fold::fold(&value.text) == folded);
        Literal::Text(known.map_or(text, |value| value.text.clone()))
    }

    /// A comparison before any column: "over 50k", "more than 5 items", "after March 2023".
    pub(crate) fn comparison(&self, at: usize) -> Option<Clause> {
        let word = self.word(at)?;
        let first = self.skip_small(at + 1);
        if let Word::Between | Word::From = word {
            return self.between_unnamed(first).or_else(|| {
                let span = self.term(first)?.span.is_some() || self.number(first)?.year().is_some();
                let column = self.date_column().filter(|_| span)?;
                self.range(column, first, false).map(|clause| Clause { strength: 0.7, ..clause })
            });
        }
        let compare = match word {
            Word::Compare(compare) | Word::When(compare) => compare,
            Word::About => Compare::Around,
            _ => return None,
        };
        let term = self.term(first)?;
        if term.span.is_some() {
            let column = self.date_column()?;
            return self.compared(column, compare, first).map(|clause| Clause { strength: 0.7, ..clause });
        }
        let number = term.number?;
        let noun = self.skip_joint(first + 1);
        if let Some((column, strength)) = self.counted_noun(noun) {
            let clause = self.compared(column, compare, first)?;
            return Some(Clause {
                strength,
                next: self.after_noun(column, noun + 1).max(clause.next),
                ..clause
            });
        }
        // "fewer than ten left in stock"
        if self.word(noun) == Some(Word::InStock)
            && let Some(column) =
                choose::about(self.lexicon, &[crate::concept::Concept::Stock], &[Kind::Number])
        {
            let clause = self.compared(column, compare, first)?;
            return Some(Clause { strength: 0.9, next: noun + 1, ..clause });
        }
        if number.year().is_some() && matches!(word, Word::When(_)) {
            let context = self
                .context
                .filter(|column| self.kind(*column) == Kind::Number && self.covers(*column, number));
            let column = context.or_else(|| self.date_column())?;
            return self.compared(column, compare, first).map(|clause| Clause { strength: 0.6, ..clause });
        }
        let named = number.unit == Unit::Money || number.unit == Unit::Percent;
        // "price over 10 and under 20"; after a comma only where it can be meant.
        let joined = at
            .checked_sub(1)
            .is_some_and(|before| matches!(self.word(before), Some(Word::And | Word::Or | Word::Stop)));
        let context = self.context.filter(|column| {
            !named && self.kind(*column) == Kind::Number && (joined || self.covers(*column, number))
        });
        // "more than 3 weeks", "over 5 parsecs": a noun that is no column leaves the number without one.
        let foreign = self.term(noun).is_some_and(|term| term.is_unknown())
            && self.folded(noun).chars().all(char::is_alphabetic);
        if !named && context.is_none() && foreign {
            return None;
        }
        let column = context.or_else(|| choose::by_amount(self.lexicon, &self.amounts_from(first)))?;
        self.compared(column, compare, first)
            .map(|clause| Clause { strength: if named { 0.85 } else { 0.55 }, ..clause })
    }

    /// This number and those compared right after it: "under 25 or over 60" is about one column.
    fn amounts_from(&self, first: usize) -> Vec<Number> {
        let mut numbers: Vec<Number> = self.number(first).into_iter().collect();
        let mut at = first + 1;
        while matches!(self.word(at), Some(Word::Or | Word::And))
            && matches!(self.word(at + 1), Some(Word::Compare(_)))
        {
            let bare = self.column_at(self.skip_joint(at + 3), choose::is_number).is_none();
            numbers.extend(self.number(at + 2).filter(|_| bare));
            at += 3;
        }
        numbers
    }

    fn covers(&self, column: usize, number: Number) -> bool {
        let range = self.field(column).and_then(|field| field.range);
        range.is_some_and(|(low, high)| (low..=high).contains(&number.value))
    }

    /// "a" and "b" of "between a and b".
    fn two_ends(&self, first: usize) -> Option<(usize, usize)> {
        let joint = first + 1;
        if !matches!(
            self.word(joint),
            Some(Word::And | Word::To | Word::When(Compare::AtMost) | Word::Compare(Compare::AtMost))
        ) {
            return None;
        }
        let second = self.skip_small(joint + 1);
        self.term(second).map(|_| (first, second))
    }

    fn between(&self, column: usize, first: usize) -> Option<Clause> {
        let (first, second) = self.two_ends(first)?;
        let next = self.after_noun(column, second + 1);
        match self.kind(column) {
            Kind::Number => {
                let (low, high) = (self.number(first)?, self.number(second)?);
                let (low, high) = (self.scaled_like(first, low, second), high.value);
                Some(Clause {
                    tree: crate::clause::closed(column, low.min(high), low.max(high)),
                    next,
                    strength: 0.95,
                })
            }
            Kind::DateTime => {
                let (a, b) = self.two_spans(first, second)?;
                let span = Span { start: a.start.min(b.start), end: a.end.max(b.end) };
                Some(Clause { tree: Tree::within(column, span), next, strength: 0.95 })
            }
            _ => None,
        }
    }

    fn between_unnamed(&self, first: usize) -> Option<Clause> {
        let (first, second) = self.two_ends(first)?;
        let column = if let (Some(low), Some(high)) = (self.number(first), self.number(second)) {
            let noun = self.skip_joint(second + 1);
            let named = self.column_at(noun, choose::is_number).map(|(column, _)| column);
            let years = low.year().is_some() && high.year().is_some();
            let context = self.context.filter(|column| self.kind(*column) == Kind::Number);
            let dated = if years { self.date_column() } else { None };
            named.or(context).or(dated).or_else(|| choose::by_amount(self.lexicon, &[low, high]))?
        } else {
            self.date_column()?
        };
        let clause = self.between(column, first)?;
        Some(Clause {
            strength: 0.7,
            next: self.after_noun(column, self.skip_joint(clause.next)).max(clause.next),
            ..clause
        })
    }

    /// "1 to 1.5 million": the scale of the second number is meant for both.
    fn scaled_like(&self, first: usize, low: Number, second: usize) -> f64 {
        let digits = |at: usize| {
            let term = self.terms.get(at)?;
            let token = self.tokens.get(term.from)?;
            let raw: String =
                token.text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '.').collect();
            raw.parse::<f64>().ok().filter(|raw| *raw > 0.0)
        };
        let high = self.number(second).map_or(0.0, |number| number.value);
        match (digits(first), digits(second)) {
            (Some(raw), Some(other))
                if (raw - low.value).abs() < 1e-9
                    && high / other >= 1e3
                    && low.value * (high / other) <= high =>
            {
                low.value * (high / other)
            }
            _ => low.value,
        }
    }

    /// The span a term names; bare years are spans here.
    pub(crate) fn span(&self, at: usize) -> Option<Span> {
        let term = self.term(at)?;
        term.span.or_else(|| year(term.number?.year()?))
    }

    /// Both ends; a month without a year takes the year of the other: "between March and May 2024".
    fn two_spans(&self, first: usize, second: usize) -> Option<(Span, Span)> {
        let b = self.span(second)?;
        let a = self.span(first).or_else(|| {
            // "from 1 to 15 June 2024"
            let day = self.number(first).filter(|number| number.unit != Unit::Money)?.value;
            let start = (1.0..=31.0).contains(&day).then(|| b.start.replace_day(day as u8).ok())??;
            Some(Span { start, end: start.next_day()? })
        })?;
        let term = self.term(first)?;
        let has_year = self
            .tokens
            .get(term.from..term.to)?
            .iter()
            .any(|token| token.folded.chars().filter(char::is_ascii_digit).count() >= 4);
        if !has_year && a.start.year() != b.start.year() && a.start.month() <= b.start.month() {
            let moved = |day: time::Date| day.replace_year(day.year() + b.start.year() - a.start.year()).ok();
            return Some((Span { start: moved(a.start)?, end: moved(a.end)? }, b));
        }
        Some((a, b))
    }

    /// A column compared with the operand at a term.
    pub(crate) fn compared(&self, column: usize, compare: Compare, at: usize) -> Option<Clause> {
        let tree = match self.kind(column) {
            Kind::Number => return self.compared_number(column, compare, at),
            Kind::DateTime => {
                let span = self.span(at)?;
                let ago = self
                    .terms
                    .get(at)
                    .and_then(|term| self.tokens.get(term.to.checked_sub(1)?))
                    .is_some_and(|token| token.folded == "ago");
                let day = |day| Literal::Text(day_text(day));
                match (compare, ago) {
                    (Compare::Greater, false) => Tree::at_least(column, day(span.end), true),
                    (Compare::Greater, true) | (Compare::Less, false) => {
                        Tree::at_most(column, day(span.start), false)
                    }
                    (Compare::AtLeast, _) | (Compare::Less, true) => {
                        Tree::at_least(column, day(span.start), true)
                    }
                    (Compare::AtMost, _) => Tree::at_most(column, day(span.end), false),
                    (Compare::Equal | Compare::Around, _) => Tree::within(column, span),
                    (Compare::Unequal, _) => Tree::within(column, span).negate(),
                }
            }
            Kind::Text | Kind::List => {
                let clause = match self.value_of(column, at) {
                    Some(clause) => clause,
                    None => {
                        let (text, next) = self.literal_text(at)?;
                        Clause {
                            tree: Tree::equals(column, self.known_spelling(column, text)),
                            next,
                            strength: 0.5,
                        }
                    }
                };
                return match compare {
                    Compare::Equal => Some(clause),
                    Compare::Unequal => Some(Clause { tree: clause.tree.negate(), ..clause }),
                    _ => None,
                };
            }
            Kind::Bool => {
                let flag = match (self.folded(at), compare) {
                    ("true" | "yes", Compare::Equal) | ("false" | "no", Compare::Unequal) => true,
                    ("false" | "no", Compare::Equal) | ("true" | "yes", Compare::Unequal) => false,
                    _ => return None,
                };
                Tree::equals(column, Literal::Bool(flag))
            }
            Kind::Object => return None,
        };
        Some(Clause { tree, next: at + 1, strength: 0.95 })
    }

    fn compared_number(&self, column: usize, compare: Compare, at: usize) -> Option<Clause> {
        let number = self.number(at)?;
        let value = Literal::Number(number.value);
        let tree = match compare {
            Compare::Greater => Tree::at_least(column, value, false),
            Compare::AtLeast => Tree::at_least(column, value, true),
            Compare::Less => Tree::at_most(column, value, false),
            Compare::AtMost => Tree::at_most(column, value, true),
            Compare::Equal => Tree::equals(column, value),
            Compare::Unequal => Tree::equals(column, value).negate(),
            Compare::Around => {
                let slack = number.value.abs() / 10.0;
                crate::clause::closed(column, number.value - slack, number.value + slack)
            }
        };
        // The noun after the number may repeat the column: "less than 20 vacation days".
        let mut next = self.after_noun(column, self.skip_unit(column, at + 1));
        // "1200 per month": a rate is still the number.
        let unit = self.folded(next + 1);
        if self.word(next) == Some(Word::Per)
            && matches!(unit, "month" | "year" | "week" | "day" | "night" | "hour")
        {
            next += 2;
        }
        Some(Clause { tree, next, strength: 0.95 })
    }

    /// Small words before a repeated noun; when none is repeated, nothing is stepped over.
    fn skip_unit(&self, column: usize, at: usize) -> usize {
        let noun = self.skip_joint(at);
        if self.after_noun(column, noun) > noun { noun } else { at }
    }

    /// A number column that holds years, within a span of whole years: "built in the 1970s".
    fn years(&self, column: usize, at: usize) -> Option<Tree> {
        let span = self.term(at)?.span?;
        let whole = |day: time::Date| day.ordinal() == 1;
        let yearly = self.field(column)?.words.iter().any(|word| word.folded == "year");
        if !yearly || !whole(span.start) || !whole(span.end) {
            return None;
        }
        let (first, after) = (f64::from(span.start.year()), f64::from(span.end.year()));
        if after - first == 1.0 {
            return Some(Tree::equals(column, Literal::Number(first)));
        }
        let bound = |value: f64, inclusive: bool| Some(Bound { value: Literal::Number(value), inclusive });
        Some(Tree::test(column, Op::Range(bound(first, true), bound(after, false))))
    }

    /// Equality with a number, a span of days, or a list or range of them. `until` keeps only the end.
    pub(crate) fn range(&self, column: usize, at: usize, until: bool) -> Option<Clause> {
        let at = self.skip_small(at);
        if self.kind(column) == Kind::DateTime {
            let span = self.span(at)?;
            if until {
                return self.compared(column, Compare::AtMost, at);
            }
            if let Some(word) = self.suffix(at + 1).0 {
                let compare = if word == Word::OrMore { Compare::AtLeast } else { Compare::AtMost };
                return self.compared(column, compare, at).map(|clause| Clause { next: at + 2, ..clause });
            }
            if self.word(at + 1) == Some(Word::To)
                && let Some(clause) = self.between(column, at)
            {
                return Some(clause);
            }
            return Some(Clause { tree: Tree::within(column, span), next: at + 1, strength: 0.9 });
        }
        if self.kind(column) != Kind::Number || until {
            return None;
        }
        if let Some(tree) = self.years(column, at) {
            return Some(Clause { tree, next: at + 1, strength: 0.9 });
        }
        // "lowest rating first" orders.
        let number = self.number(at).filter(|_| self.word(at) != Some(Word::First))?;
        let (to, next) = self.second_end(at);
        let next = self.after_noun(column, self.skip_unit(column, next));
        let (suffix, next) = self.suffix(next);
        let number = match to {
            Some(_) => Number { value: self.scaled_like(at, number, at + 2), ..number },
            None => number,
        };
        let mut clause = Clause { tree: self.amount(column, number, to, suffix), next, strength: 0.9 };
        // "1 or 2", "3, 4 or 5"
        while matches!(self.word(clause.next), Some(Word::Or | Word::Comma))
            && matches!(clause.tree, Tree::Test(crate::tree::Test { op: Op::Equals(_), .. }))
        {
            let mut at = self.skip_small(clause.next + 1);
            if self.word(at) == Some(Word::Or) {
                at = self.skip_small(at + 1);
            }
            let Some(other) = self.number(at).filter(|other| other.unit == number.unit) else { break };
            let (to, after) = self.second_end(at);
            let other_noun = self
                .column_at(self.skip_joint(after), choose::is_number)
                .is_some_and(|(noun, _)| noun != column);
            if to.is_some() || other_noun {
                break;
            }
            clause.tree = Tree::any(vec![clause.tree, Tree::equals(column, Literal::Number(other.value))]);
            clause.next = self.after_noun(column, after);
        }
        Some(clause)
    }
}
