//! Groups that are ranked: "which brand has the highest average rating", "most common city",
//! "top 3 countries by total", "highest salary in each city".
//!
//! Invariant: a ranked group orders by its first measure.

use crate::choose::{self, adds_up};
use crate::concept::{Concept, Degree};
use crate::field::Field;
use crate::group::{Group, Measure, can_key, limit_of};
use crate::parser::Parser;
use crate::phrase::{Sum, Word};
use crate::vocabulary::Kind;

impl Parser<'_> {
    /// "which brand has the highest average rating", "most common city", "top 3 countries by total".
    pub(crate) fn read_ranked_keys(&mut self, group: &mut Group) {
        if !group.keys.is_empty() {
            return;
        }
        for at in 0..self.terms.len() {
            if self.word(at) == Some(Word::Common) {
                let key = self.skip_small(at + 1);
                if let Some(column) = self.ranked_key(key) {
                    let limit = (!self.is_plural(key)).then_some(1);
                    group.keys.push(column);
                    group.measure(None, Measure::Count);
                    (group.descending, group.limit) = (Some(true), limit);
                    [at, key].into_iter().for_each(|at| self.take(at));
                    return;
                }
            }
            if self.has_most(group, at) || self.top_by(group, at) {
                return;
            }
        }
    }

    /// A text column, or the name inside an object, that can be ranked.
    fn ranked_key(&self, at: usize) -> Option<usize> {
        let named = self
            .column_at(at, |field| field.kind == Kind::Text && can_key(field))
            .filter(|(_, strength)| *strength >= 0.6);
        let row = self.term(at).is_some_and(|term| term.row);
        if let Some((column, strength)) = named.filter(|(_, strength)| !row || *strength > 0.9) {
            return (strength > 0.0).then_some(column);
        }
        let token = self.tokens.get(self.term(at)?.from)?;
        let inside = |field: &Field| {
            field.kind == Kind::Text
                && can_key(field)
                && field.container.len() == 1
                && field.words.iter().map(|word| word.folded.as_str()).eq(["name"])
                && field.container.contains(&token.singular)
        };
        self.lexicon.fields.iter().position(inside)
    }

    /// Much (true) or little, as "most", "fewest", "highest" say.
    pub(crate) fn extreme(&self, at: usize) -> Option<bool> {
        let term = self.term(at)?;
        match term.word {
            Some(Word::Most) => Some(true),
            Some(Word::Least) => Some(false),
            _ => term.grade.filter(|grade| grade.degree == Degree::Superlative)?.general,
        }
    }

    /// "which K has the most rows", "K with the highest average N", "which K is the most expensive".
    fn has_most(&mut self, group: &mut Group, at: usize) -> bool {
        let asked = matches!(self.word(at), Some(Word::What | Word::Who));
        let key = if asked { self.skip_small(at + 1) } else { at };
        let who = self.word(at) == Some(Word::Who);
        let person = |column: &usize| !who || self.field(*column).is_some_and(choose::is_person);
        let named = self.ranked_key(key).filter(|column| person(column));
        // "who ordered the most": nothing names the people.
        let unnamed = || choose::who(self.lexicon).filter(|column| who && person(column));
        let mut most = if named.is_some() { key + 1 } else { key };
        let Some(column) = named.or_else(unnamed) else { return false };
        let mut has = asked;
        // "which country spends the most": the verb is what is measured.
        let mut verb = None;
        loop {
            if self.word(most) == Some(Word::With) {
                has = true;
            } else if let Some((measured, _)) =
                self.column_at(most, choose::is_number).filter(|_| verb.is_none())
            {
                verb = Some((measured, most));
            } else if !self.is_small(most) && (named.is_some() || !self.is_verb(most)) {
                break;
            }
            most += 1;
        }
        if !has {
            return false;
        }
        let limit = (self.word(at) == Some(Word::Who) || !self.is_plural(key)).then_some(1);
        let mut own: Vec<usize> = (at..=most).collect();
        // "who placed the largest order" asks for one row, "who placed the most orders" for a count.
        let extreme = self.extreme(most).filter(|_| !self.is_graded(most));
        let graded = self.term(most).is_some_and(|term| term.grade.is_some());
        let much = if let Some(much) = extreme.filter(|_| named.is_some() || !graded) {
            let next = self.skip_small(most + 1);
            let mut row = next;
            while self.is_value(row) {
                row += 1;
            }
            if !group.measures.is_empty() {
            } else if let Some((measured, place)) = self.next_measured(next).filter(|_| !self.row_next(next))
            {
                group.measure(Some(measured), self.extreme_of(measured, much));
                own.push(place);
            } else if self.row_next(row) {
                group.measure(None, Measure::Count);
                own.push(self.skip_small(row));
            } else if let Some((measured, place)) = verb {
                group.measure(Some(measured), self.extreme_of(measured, much));
                own.push(place);
            } else if next >= self.terms.len() {
                // "who ordered the most?", "which material is used most?"
                group.measure(None, Measure::Count);
            } else {
                return false;
            }
            much
        } else {
            let Some((measured, much, next)) =
                self.ranked(most).filter(|_| asked && self.word(at) == Some(Word::What))
            else {
                return false;
            };
            let average =
                (0..self.terms.len()).find(|at| self.word(*at) == Some(Word::Aggregate(Sum::Average)));
            let measure = if average.is_some() {
                Measure::Avg
            } else if much {
                Measure::Max
            } else {
                Measure::Min
            };
            if group.measures.is_empty() {
                group.measure(Some(measured), measure);
            }
            own.extend(most..next);
            own.extend(average);
            much
        };
        group.keys.push(column);
        (group.descending, group.limit) = (Some(much), limit);
        own.into_iter().for_each(|at| self.take(at));
        true
    }

    /// A word that may be what somebody did: neither a value nor a degree.
    fn is_verb(&self, at: usize) -> bool {
        self.term(at).is_some_and(|term| {
            term.word.is_none() && term.values.is_empty() && term.number.is_none() && term.grade.is_none()
        })
    }

    /// "most expensive": the word only raises an adjective.
    fn is_graded(&self, at: usize) -> bool {
        matches!(self.word(at), Some(Word::Most | Word::Least))
            && self.term(at + 1).is_some_and(|term| term.grade.is_some())
    }

    /// A value that describes the noun after it: "most open tickets".
    fn is_value(&self, at: usize) -> bool {
        self.term(at).is_some_and(|term| {
            let best = |strength: Option<f32>| strength.unwrap_or(0.0);
            let value = best(term.values.first().map(|hit| hit.strength));
            !term.row && value > 0.0 && value >= best(term.columns.first().map(|hit| hit.strength))
        })
    }

    /// What "most" of a column per key is.
    fn extreme_of(&self, column: usize, much: bool) -> Measure {
        if self.field(column).is_some_and(adds_up) {
            Measure::Sum
        } else if much {
            Measure::Max
        } else {
            Measure::Min
        }
    }

    /// "top 3 countries by total", "biggest venues by capacity".
    fn top_by(&mut self, group: &mut Group, at: usize) -> bool {
        let top = match self.word(at) {
            Some(Word::Top) => Some(true),
            Some(Word::Bottom) => Some(false),
            _ => self.term(at).and_then(|term| {
                let grade = term.grade.filter(|grade| grade.degree == Degree::Superlative)?;
                grade.general.or_else(|| choose::by_grade(self.lexicon, &grade).map(|(_, much)| much))
            }),
        };
        let Some(much) = top else { return false };
        let number = self.number(at + 1);
        let key = self.skip_small(at + 1 + usize::from(number.is_some()));
        let by = key + 1;
        let Some(column) = self.ranked_key(key).filter(|_| self.word(by) == Some(Word::By)) else {
            return false;
        };
        let Some((measured, place)) = self.next_measured(by + 1) else { return false };
        let field = self.field(measured);
        let measure = match field {
            Some(field) if field.concepts.contains(&Concept::Score) => Measure::Avg,
            Some(field) if adds_up(field) => Measure::Sum,
            _ if much => Measure::Max,
            _ => Measure::Min,
        };
        if group.measures.is_empty() {
            group.measure(Some(measured), measure);
        }
        group.keys.push(column);
        (group.descending, group.limit) = (Some(much), number.and_then(limit_of));
        [at, key, by, place].into_iter().for_each(|at| self.take(at));
        if number.is_some() {
            self.take(at + 1);
        }
        true
    }

    /// "highest salary in each city", "what is the lowest price", "cheapest product per brand".
    pub(crate) fn read_extremes(&mut self, group: &mut Group) {
        if !group.measures.is_empty() {
            return;
        }
        for at in 0..self.terms.len() {
            // "highest and lowest salary"
            let both = self.extreme(at).is_some()
                && self.word(at + 1) == Some(Word::And)
                && self.extreme(at + 2).is_some();
            let (at, first) = if both { (at + 2, Some(at)) } else { (at, None) };
            if group.keys.is_empty() && self.extreme(at).is_none() {
                continue;
            }
            let Some((column, much, next)) = self.ranked(at).filter(|_| self.place_before(at).is_none())
            else {
                continue;
            };
            let asked = (0..at).all(|before| self.is_small(before))
                && (0..at).any(|before| self.word(before) == Some(Word::What));
            let named = (at..next)
                .any(|at| self.column_at(at, choose::is_number).is_some_and(|(named, _)| named == column));
            let rows = self.terms.iter().any(|term| term.row || term.is(Word::Row));
            let measure = |much: bool| if much { Measure::Max } else { Measure::Min };
            if !group.keys.is_empty() || (asked && named && !rows) {
                if let Some(first) = first {
                    group.measure(Some(column), measure(!much));
                    self.take(first);
                    self.take(first + 1);
                }
                group.measure(Some(column), measure(much));
                (at..next).for_each(|at| self.take(at));
                return;
            }
        }
    }
}
