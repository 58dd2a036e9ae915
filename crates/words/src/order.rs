//! Order and limit: "sorted by name", "ten most expensive first", "latest 5", "next three".
//!
//! Takes its terms out before conditions are read. Invariant: at most one column orders.

use crate::choose;
use crate::concept::{Concept, Degree};
use crate::field::Field;
use crate::group::{Group, limit_of};
use crate::number::{Number, Unit};
use crate::parser::Parser;
use crate::phrase::Word;
use crate::tree::{Literal, Tree, day_text};
use crate::vocabulary::Kind;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Order {
    /// A column, or the name of a result of the group.
    pub(crate) by: Option<By>,
    pub(crate) descending: bool,
    pub(crate) limit: Option<usize>,
    /// Only this row of the order is meant: "the second most expensive".
    pub(crate) nth: Option<usize>,
    /// What the order implies: "next events" have not been yet.
    pub(crate) condition: Option<Tree>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum By {
    Column(usize),
    Name(String),
}

/// Everyday adjectives that order even in their plain form.
const PLAIN: [&str; 9] =
    ["cheap", "inexpensive", "affordable", "expensive", "costly", "pricey", "recent", "recently", "popular"];

fn can_order(field: &Field) -> bool {
    !field.in_list && !matches!(field.kind, Kind::Object | Kind::List)
}

impl Parser<'_> {
    /// The order the question asks for.
    pub(crate) fn order(&mut self, group: Option<&Group>) -> Order {
        let mut order = Order::default();
        if let Some(group) = group {
            order.limit = group.limit;
            if let Some(descending) = group.descending {
                order.by = group.order_name(&self.lexicon.fields).map(By::Name);
                order.descending = descending;
                return order;
            }
        }
        let found = (0..self.terms.len()).any(|at| self.sorted(&mut order, at, group));
        let found = found || (0..self.terms.len()).any(|at| self.directed(&mut order, at, group));
        if !found && group.is_none() {
            let _ = (0..self.terms.len()).any(|at| self.superlative(&mut order, at))
                || (0..self.terms.len()).any(|at| self.coming(&mut order, at));
        }
        if order.limit.is_none() {
            let _ = (0..self.terms.len()).any(|at| self.limited(&mut order, at));
        }
        order
    }

    fn by(&self, column: usize, group: Option<&Group>) -> Option<By> {
        let fields = &self.lexicon.fields;
        match group {
            None => Some(By::Column(column)),
            Some(group) => group.key_name(column, fields).or_else(|| group.order_name(fields)).map(By::Name),
        }
    }

    /// "descending", ", newest first", "highest first".
    fn direction(&self, at: usize) -> Option<(bool, usize)> {
        let mut at = at;
        while self.word(at) == Some(Word::Comma) || self.is_small(at) {
            at += 1;
        }
        let (descending, next) = match self.word(at) {
            Some(Word::Descending) => return Some((true, at + 1)),
            Some(Word::Ascending) => return Some((false, at + 1)),
            Some(Word::Most) => (true, at + 1),
            Some(Word::Least) => (false, at + 1),
            _ => {
                let grade = self.term(at)?.grade?;
                let much =
                    grade.general.or_else(|| choose::by_grade(self.lexicon, &grade).map(|(_, much)| much))?;
                (much, at + 1)
            }
        };
        (self.word(next) == Some(Word::First)).then_some((descending, next + 1))
    }

    fn take_all(&mut self, from: usize, to: usize) {
        (from..to).for_each(|at| self.take(at));
    }

    /// "sorted by name descending".
    fn sorted(&mut self, order: &mut Order, at: usize, group: Option<&Group>) -> bool {
        if self.word(at) != Some(Word::Sort) {
            return false;
        }
        let by = self.skip_small(at + 1);
        if let Some((column, _)) = self.column_at(by, can_order) {
            let Some(named) = self.by(column, group) else { return false };
            let (descending, next) = self.direction(by + 1).unwrap_or((false, by + 1));
            (order.by, order.descending) = (Some(named), descending);
            self.take_all(at, next);
            return true;
        }
        if let (Some((descending, next)), Some(name)) =
            (self.direction(by), group.and_then(|group| group.order_name(&self.lexicon.fields)))
        {
            (order.by, order.descending) = (Some(By::Name(name)), descending);
            self.take_all(at, next);
            return true;
        }
        // "sort the employees by name"
        let by_word = (at + 1..at + 6).find(|at| self.word(*at) == Some(Word::By));
        if let Some(by_word) = by_word
            && let place = self.skip_small(by_word + 1)
            && let Some((column, _)) = self.column_at(place, can_order)
            && let Some(named) = self.by(column, group)
        {
            let (descending, next) = self.direction(place + 1).unwrap_or((false, place + 1));
            (order.by, order.descending) = (Some(named), descending);
            self.take(at);
            self.take(by_word);
            self.take_all(place, next);
            return true;
        }
        let graded = self
            .term(by)
            .and_then(|term| term.grade)
            .and_then(|grade| choose::by_grade(self.lexicon, &grade));
        if let Some((column, descending)) = graded.filter(|_| group.is_none()) {
            (order.by, order.descending) = (Some(By::Column(column)), descending);
            let next = by + 1 + usize::from(self.word(by + 1) == Some(Word::First));
            self.take_all(at, next);
            return true;
        }
        if self.word(by) == Some(Word::Ascending)
            && let Some(column) = choose::title(self.lexicon).filter(|_| group.is_none())
        {
            order.by = Some(By::Column(column));
            self.take_all(at, by + 1);
            return true;
        }
        false
    }

    /// "by total, highest first", "salary high to low"; of a group also just "highest first".
    fn directed(&mut self, order: &mut Order, at: usize, group: Option<&Group>) -> bool {
        if let Some((column, _)) = self.column_at(at, can_order)
            && let Some((descending, next)) = self.direction(at + 1)
            && let Some(named) = self.by(column, group)
        {
            (order.by, order.descending) = (Some(named), descending);
            let from = if at > 0 && self.word(at - 1) == Some(Word::By) { at - 1 } else { at };
            self.take_all(from, next);
            return true;
        }
        let Some(group) = group else { return false };
        let starts = self.term(at).is_some_and(|term| {
            term.grade.is_some()
                || matches!(term.word, Some(Word::Most | Word::Least | Word::Descending | Word::Ascending))
        });
        if starts
            && let Some((descending, next)) = self.direction(at)
            && let Some(name) = group.order_name(&self.lexicon.fields)
        {
            (order.by, order.descending) = (Some(By::Name(name)), descending);
            self.take_all(at, next);
            return true;
        }
        false
    }

    /// The column and direction of a superlative at a term, and the term after it.
    pub(crate) fn ranked(&self, at: usize) -> Option<(usize, bool, usize)> {
        let term = self.term(at)?;
        let next = self.skip_small(at + 1);
        let numeric = |field: &Field| matches!(field.kind, Kind::Number | Kind::DateTime) && can_order(field);
        if let Some(Word::Most | Word::Least) = term.word {
            let much = term.is(Word::Most);
            // "most expensive", "least popular", "most recently hired"
            if let Some(grade) =
                self.term(at + 1).and_then(|term| term.grade).filter(|grade| grade.degree == Degree::Positive)
            {
                let (column, up) = choose::by_grade(self.lexicon, &grade)?;
                let (column, next) = self.dated_beside(column, at, at + 2);
                return Some((column, up == much, next));
            }
            if let Some((column, _)) = self.column_at(next, numeric) {
                return Some((column, much, next + 1));
            }
            // "who earns the most"
            let verb = self.verb_before(at)?;
            let (column, _) = self.column_at(verb, choose::is_number)?;
            return Some((column, much, at + 1));
        }
        if matches!(term.word, Some(Word::Top | Word::Bottom)) {
            let place = self.skip_small(next + usize::from(self.number(next).is_some()));
            let (column, _) = self.column_at(place, choose::is_number)?;
            return self.about_column(place).is_none().then_some((column, term.is(Word::Top), place + 1));
        }
        let grade = term.grade?;
        let alone = term.values.is_empty() && term.columns.is_empty();
        // "low satisfaction" of a number; "high priority" is a value.
        let quality = grade.general.is_some()
            && self.column_at(next, choose::is_number).is_some()
            && self.about_column(next).is_none();
        let plain = quality || (alone && PLAIN.contains(&self.folded(at)));
        let than = (at + 1..at + 3).any(|at| self.folded(at) == "than");
        if grade.degree != Degree::Superlative && (!plain || than) {
            return None;
        }
        if self.folded(next) == "serving" || self.folded(at + 1) == "serving" {
            let hired = choose::about(self.lexicon, &[Concept::Hired], &[Kind::DateTime])
                .or_else(|| choose::date(self.lexicon))?;
            return Some((hired, false, at + 2));
        }
        // "highest salary", "best paid", "largest capacity"
        if let Some(much) = grade.general
            && let Some((column, strength)) = self.column_at(next, numeric)
        {
            let day = self.kind(column) == Kind::DateTime;
            let row = self.term(next).is_some_and(|term| term.row) && (day || strength < 0.9);
            if !row && self.about_column(next).is_none() {
                return Some((column, much, next + 1));
            }
        }
        let (column, much) = choose::by_grade(self.lexicon, &grade)?;
        let (column, next) = self.dated_beside(column, at, at + 1);
        Some((column, much, next))
    }

    /// The term before a "the most" that ends the question.
    fn verb_before(&self, at: usize) -> Option<usize> {
        let ends = (at + 1..self.terms.len()).all(|at| self.is_small(at));
        (0..at)
            .rev()
            .find(|before| !self.is_small(*before))
            .filter(|before| ends && self.about_column(*before).is_none())
    }

    /// The place an ordinal before a superlative names: "second most expensive".
    pub(crate) fn place_before(&self, at: usize) -> Option<usize> {
        let number = self.number(at.checked_sub(1)?).filter(|number| number.unit == Unit::Ordinal)?;
        limit_of(Number::of(number.value)).filter(|place| *place > 1)
    }

    /// A date named beside a word of time is the one meant: "latest resolved", "hired most recently".
    fn dated_beside(&self, column: usize, at: usize, next: usize) -> (usize, usize) {
        if self.kind(column) != Kind::DateTime {
            return (column, next);
        }
        let dated = |field: &Field| field.kind == Kind::DateTime;
        let free = |at: usize| {
            self.about_column(at).is_none()
                && self.term(at).is_some_and(|term| term.values.is_empty() && !term.row)
        };
        if let Some((named, _)) = self.column_at(next, dated).filter(|_| free(next)) {
            return (named, next + 1);
        }
        let before = at.checked_sub(1).and_then(|at| self.column_at(at, dated).filter(|_| free(at)));
        (before.map_or(column, |(named, _)| named), next)
    }

    /// "cheapest", "ten most expensive first", "newest 5", "top 5 earners".
    fn superlative(&mut self, order: &mut Order, at: usize) -> bool {
        let Some((column, descending, mut next)) = self.ranked(at) else { return false };
        (order.by, order.descending) = (Some(By::Column(column)), descending);
        let before = at.checked_sub(1).and_then(|before| self.number(before)).and_then(limit_of);
        let mut from = at;
        if let Some(place) = self.place_before(at) {
            (order.limit, order.nth) = (Some(place), Some(place));
            from -= 1;
        } else if let Some(limit) = before {
            order.limit = Some(limit);
            from -= 1;
            if from > 0 && matches!(self.word(from - 1), Some(Word::Top | Word::First)) {
                from -= 1;
            }
        } else if let Some(limit) = self.number(next).and_then(limit_of)
            && self.counted(next).is_none()
        {
            order.limit = Some(limit);
            next += 1;
        } else if matches!(self.word(at), Some(Word::Top | Word::Bottom)) {
            order.limit = self.number(self.skip_small(at + 1)).and_then(limit_of);
        }
        // "biggest event by attendance"
        let by_word = self.last_of_run(next);
        if self.word(by_word) == Some(Word::By)
            && let place = self.skip_small(by_word + 1)
            && let Some((named, _)) = self.column_at(place, choose::is_number)
        {
            order.by = Some(By::Column(named));
            self.take(by_word);
            self.take(place);
        }
        let mut first = false;
        if self.word(next) == Some(Word::First) {
            first = true;
            next += 1;
        } else if self.word(self.last_of_run(next)) == Some(Word::First) {
            first = true;
            let at = self.last_of_run(next);
            self.take(at);
        }
        let plain = self
            .terms
            .get(at)
            .and_then(|term| term.grade)
            .is_some_and(|grade| grade.degree == Degree::Positive);
        let most = matches!(self.word(at), Some(Word::Most | Word::Least));
        if order.limit.is_none()
            && !first
            && (most || !plain)
            && !matches!(self.word(at), Some(Word::Top | Word::Bottom))
            && self.is_single(at, next)
        {
            order.limit = Some(1);
        }
        // The noun may repeat the column: "slowest responses"; a date may stand before: "hired most recently".
        next = self.after_noun(column, next);
        let same = |at: usize| {
            self.kind(column) == Kind::DateTime
                && self.term(at).is_some_and(|term| {
                    term.values.is_empty() && term.columns.first().is_some_and(|hit| hit.column == column)
                })
        };
        if let Some(before) = from.checked_sub(1).filter(|before| same(*before)) {
            from = before;
        }
        if let Some(verb) = self.verb_before(at).filter(|verb| most && self.repeats(*verb, &[column])) {
            self.take(verb);
        }
        self.take_all(from, next);
        true
    }

    /// The term after the run of nouns that begins here.
    fn last_of_run(&self, from: usize) -> usize {
        let mut at = from;
        while self.term(at).is_some_and(|term| term.row || term.is(Word::Row) || !term.values.is_empty()) {
            at += 1;
        }
        at
    }

    /// Whether a superlative speaks of one row: "the cheapest chair", "which is the oldest".
    fn is_single(&self, at: usize, next: usize) -> bool {
        let end = self.last_of_run(next);
        if end > next {
            return !self.is_plural(end - 1);
        }
        let asked = |before: usize| matches!(self.word(before), Some(Word::What | Word::Who | Word::Is));
        (0..at).any(asked) && !self.terms.get(at + 1).is_some_and(|term| term.is(Word::First))
    }

    /// "next three events", "last 20 orders", "next event".
    fn coming(&mut self, order: &mut Order, at: usize) -> bool {
        let next_word = self.folded(at) == "next" && self.term(at).is_some_and(|term| term.span.is_none());
        let last_word = self.word(at) == Some(Word::Last);
        if !next_word && !last_word {
            return false;
        }
        let number = self.number(at + 1).and_then(limit_of);
        let noun = at + 1 + usize::from(number.is_some());
        let end = self.last_of_run(noun);
        let (Some(column), true) = (choose::date(self.lexicon), end > noun || number.is_some()) else {
            return false;
        };
        (order.by, order.descending) = (Some(By::Column(column)), last_word);
        order.limit = number.or_else(|| (!self.is_plural(end.saturating_sub(1))).then_some(1));
        if next_word {
            order.condition = Some(Tree::at_least(column, Literal::Text(day_text(self.today)), true));
        }
        self.take_all(at, noun);
        true
    }

    /// "first 5", "top 3 by rating", "show 10 orders".
    fn limited(&mut self, order: &mut Order, at: usize) -> bool {
        let count = |at: usize| self.number(at).and_then(limit_of);
        match self.word(at) {
            Some(Word::Top | Word::First | Word::Bottom | Word::Last) => {
                let Some(limit) = count(at + 1) else { return false };
                if self.counted(at + 1).is_some() {
                    return false;
                }
                order.limit = Some(limit);
                if order.by.is_none()
                    && let Some(by) = (at..self.terms.len()).find(|at| self.word(*at) == Some(Word::By))
                    && let Some((column, _)) = self.column_at(self.skip_small(by + 1), can_order)
                {
                    order.by = Some(By::Column(column));
                    order.descending = self.word(at) != Some(Word::Bottom) && self.kind(column) != Kind::Text;
                    let place = self.skip_small(by + 1);
                    self.take_all(by, place + 1);
                }
                // "first five people hired", "last ten hired"
                let noun = self.last_of_run(at + 2);
                if order.by.is_none()
                    && let Some((column, _)) = self.column_at(noun, |field| field.kind == Kind::DateTime)
                    && self.about_column(noun).is_none()
                {
                    order.by = Some(By::Column(column));
                    order.descending = self.word(at) == Some(Word::Last);
                    self.take(noun);
                }
                self.take_all(at, at + 2);
                true
            }
            // "10 orders", at the start.
            _ => {
                let Some(limit) = count(at).filter(|_| (0..at).all(|before| self.is_small(before))) else {
                    return false;
                };
                let noun = self.last_of_run(at + 1);
                let row =
                    noun > at + 1 && self.term(noun - 1).is_some_and(|term| term.row || term.is(Word::Row));
                if !row
                    || self.counted(at).is_some()
                    || self.number(at).and_then(|number| number.year()).is_some()
                {
                    return false;
                }
                order.limit = Some(limit);
                self.take(at);
                true
            }
        }
    }
}
