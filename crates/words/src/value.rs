//! Values that name their column themselves: "Rome", "open or waiting", "everyone except sales".
//!
//! Invariant: all values of one list belong to one column.

use crate::concept::hinted_by;
use crate::lexicon::ValueHit;
use crate::parser::{Clause, Parser};
use crate::phrase::Word;
use crate::tree::{Anchor, Literal, Op, Tree};
use crate::vocabulary::Kind;

/// Values a part of a name may stand for before it becomes a pattern.
const MAX_NAMED: usize = 8;
/// How much weaker a reading of a term may be and still be considered.
const NEAR: f32 = 0.2;

struct List {
    parts: Vec<Tree>,
    /// Some joint was "or".
    or: bool,
    next: usize,
    strength: f32,
}

impl Parser<'_> {
    /// A value, or a list of values of one column, at a term.
    pub(crate) fn by_value(&self, at: usize) -> Option<Clause> {
        let term = self.term(at)?;
        let best = term.values.first()?.strength;
        let mut columns: Vec<usize> = Vec::new();
        for hit in term.values.iter().filter(|hit| hit.strength >= best - NEAR) {
            if !columns.contains(&hit.column) {
                columns.push(hit.column);
            }
        }
        let mut chosen: Option<(f32, usize)> = None;
        for column in columns {
            let score = self.fitness(at, column);
            if chosen.is_none_or(|(known, _)| score > known + 1e-3) {
                chosen = Some((score, column));
            }
        }
        self.value_of(column_of(chosen)?, at)
    }

    /// How well a column suits the value at a term, all things around it considered.
    fn fitness(&self, at: usize, column: usize) -> f32 {
        let Some(list) = self.list(at, column) else { return 0.0 };
        let mut score = list.strength + 0.25 * (list.parts.len() as f32 - 1.0);
        let names = |at: usize, floor: f32| {
            self.terms.get(at).is_some_and(|term| {
                term.columns.iter().any(|hit| hit.column == column && hit.strength >= floor)
            })
        };
        if names(list.next, 0.55) {
            score += 0.4;
        }
        let Some(field) = self.field(column) else { return score };
        let before = self
            .terms
            .get(at)
            .and_then(|term| term.from.checked_sub(1))
            .and_then(|before| self.tokens.get(before));
        let hinted = before.map(|token| hinted_by(&token.folded)).unwrap_or_default();
        if let Some(place) = hinted.iter().position(|concept| field.concepts.contains(concept)) {
            score += 0.12 - 0.02 * place as f32;
        }
        // Rows are told apart by short lists of values rather than by names and tags.
        if field.is_identity {
            score -= 0.02;
        }
        if field.kind == Kind::List {
            score -= 0.01;
        }
        if self.context == Some(column) {
            score += 0.05;
        }
        score
    }

    /// The list of values of this column at a term.
    pub(crate) fn value_of(&self, column: usize, at: usize) -> Option<Clause> {
        let List { parts, or, next, strength } = self.list(at, column)?;
        let several = self.kind(column) == Kind::List && !or;
        let tree = if several { Tree::all(parts, &self.lexicon.fields) } else { Tree::any(parts) };
        Some(Clause { tree, next: self.after_noun(column, next), strength })
    }

    fn list(&self, at: usize, column: usize) -> Option<List> {
        let (first, strength) = self.one_value(at, column)?;
        let mut list = List { parts: vec![first], or: false, next: at + 1, strength };
        loop {
            let joint = self.word(list.next);
            if !matches!(joint, Some(Word::Comma | Word::Or | Word::And | Word::Nor)) {
                return Some(list);
            }
            let mut next = list.next + 1;
            let mut or = matches!(joint, Some(Word::Or | Word::Nor));
            if joint == Some(Word::Comma) && matches!(self.word(next), Some(Word::Or | Word::And)) {
                or |= self.word(next) == Some(Word::Or);
                next += 1;
            }
            let next = self.skip_article(next);
            let Some((part, strength)) = self.one_value(next, column) else { return Some(list) };
            let best = self.term(next).and_then(|term| term.values.first()).map_or(0.0, |hit| hit.strength);
            // "paid, or shipped after June": the next word is a column with a comparison.
            let other = self.about_column(next).is_some_and(|clause| clause.tree.column() != Some(column));
            if other || strength + 0.15 < best {
                return Some(list);
            }
            list.parts.push(part);
            list.or |= or;
            list.strength = list.strength.min(strength);
            list.next = next + 1;
        }
    }

    /// Steps over "the", "in", "either" before the next value of a list.
    fn skip_article(&self, at: usize) -> usize {
        let mut at = at;
        while self.is_small(at) || matches!(self.word(at), Some(Word::Either)) {
            at += 1;
        }
        at
    }

    fn one_value(&self, at: usize, column: usize) -> Option<(Tree, f32)> {
        let term = self.term(at)?;
        let field = self.field(column)?;
        let hits: Vec<&ValueHit> = term.values.iter().filter(|hit| hit.column == column).collect();
        let best = hits.first()?;
        let alike: Vec<&&ValueHit> = hits
            .iter()
            .filter(|hit| hit.partial == best.partial && hit.strength >= best.strength - 0.06)
            .collect();
        let strength = best.strength.min(1.0);
        if best.partial && (field.is_identity || alike.len() > MAX_NAMED) {
            return Some((Tree::test(column, Op::Holds(self.text(at), Anchor::Anywhere)), strength));
        }
        let text =
            |hit: &ValueHit| field.values.get(hit.value).map(|value| Literal::Text(value.text.clone()));
        let mut values: Vec<Literal> = alike.into_iter().filter_map(|hit| text(hit)).collect();
        values.dedup();
        Some((Tree::test(column, Op::Equals(values)), strength))
    }
}

fn column_of(chosen: Option<(f32, usize)>) -> Option<usize> {
    chosen.map(|(_, column)| column)
}
