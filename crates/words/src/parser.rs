//! Terms to a tree of conditions: commas, "or", "and", juxtaposition, in that order of binding.
//!
//! The parts of a question that are no conditions (order, counts) are taken out before. Invariant:
//! every term is visited at most a few times; a term that fits nowhere is left unused, not guessed at.

use crate::lexicon::Lexicon;
use crate::number::Number;
use crate::phrase::Word;
use crate::term::Term;
use crate::token::Token;
use crate::tree::Tree;
use std::cell::Cell;
use time::Date;

/// Brackets within brackets that are followed.
const MAX_DEPTH: usize = 6;
/// "not not not …": negations within negations that are followed.
const MAX_NESTED: usize = 16;

/// What one condition was read from.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) tree: Tree,
    /// The term after it.
    pub(crate) next: usize,
    /// How sure its column and value are.
    pub(crate) strength: f32,
}

pub(crate) struct Parser<'a> {
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) today: Date,
    pub(crate) tokens: &'a [Token],
    pub(crate) terms: Vec<Term>,
    /// Terms that found their place.
    pub(crate) used: Vec<bool>,
    /// Terms that belong to the order or the count: conditions step over them.
    pub(crate) taken: Vec<bool>,
    /// The column spoken of last, for "over 10 and under 20".
    pub(crate) context: Option<usize>,
    pub(crate) strengths: Vec<f32>,
    /// The question begins with "when".
    pub(crate) asks_when: bool,
    depth: usize,
    brackets: usize,
    nested: Cell<usize>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(lexicon: &'a Lexicon, today: Date, tokens: &'a [Token], terms: Vec<Term>) -> Self {
        let len = terms.len();
        let asks_when = terms.iter().take(2).any(|term| term.is(Word::When_));
        Self {
            lexicon,
            today,
            tokens,
            terms,
            used: vec![false; len],
            taken: vec![false; len],
            context: None,
            strengths: Vec::new(),
            asks_when,
            depth: 0,
            brackets: 0,
            nested: Cell::new(0),
        }
    }

    pub(crate) fn term(&self, at: usize) -> Option<&Term> {
        self.terms.get(at).filter(|_| !self.taken.get(at).copied().unwrap_or(true))
    }

    pub(crate) fn word(&self, at: usize) -> Option<Word> {
        self.term(at).and_then(|term| term.word)
    }

    /// The tokens of a term, as written.
    pub(crate) fn text(&self, at: usize) -> String {
        let Some(term) = self.terms.get(at) else { return String::new() };
        let mut text = String::new();
        for token in self.tokens.get(term.from..term.to).unwrap_or_default() {
            if token.spaced && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&token.text);
        }
        text
    }

    pub(crate) fn folded(&self, at: usize) -> &str {
        self.terms
            .get(at)
            .and_then(|term| self.tokens.get(term.from))
            .map_or("", |token| token.folded.as_str())
    }

    /// A term that carries nothing here. A word that may also be a column, a value or a month ("in May") does.
    pub(crate) fn is_small(&self, at: usize) -> bool {
        let Some(term) = self.terms.get(at) else { return false };
        if self.taken.get(at) == Some(&true) {
            return true;
        }
        let bare = term.values.is_empty()
            && term.columns.is_empty()
            && term.number.is_none()
            && term.span.is_none()
            && term.grade.is_none();
        bare && matches!(
            term.word,
            Some(
                Word::Filler
                    | Word::In
                    | Word::Is
                    | Word::Show
                    | Word::By
                    | Word::To
                    | Word::What
                    | Word::Who
            )
        )
    }

    /// The next term from here that carries something.
    pub(crate) fn skip_small(&self, mut at: usize) -> usize {
        while self.is_small(at) {
            at += 1;
        }
        at
    }

    pub(crate) fn mark(&mut self, from: usize, to: usize) {
        for at in from..to.min(self.used.len()) {
            if let Some(used) = self.used.get_mut(at) {
                *used = true;
            }
        }
    }

    pub(crate) fn take(&mut self, at: usize) {
        if let (Some(used), Some(taken)) = (self.used.get_mut(at), self.taken.get_mut(at)) {
            (*used, *taken) = (true, true);
        }
    }

    /// All conditions of the question.
    pub(crate) fn conditions(&mut self) -> Option<Tree> {
        let (tree, _) = self.clauses(0);
        tree
    }

    fn all(&self, parts: Vec<Tree>) -> Option<Tree> {
        (!parts.is_empty()).then(|| Tree::all(parts, &self.lexicon.fields))
    }

    /// Clauses divided by commas and "but": all must hold.
    fn clauses(&mut self, mut at: usize) -> (Option<Tree>, usize) {
        let mut parts = Vec::new();
        loop {
            let (tree, next) = self.alternatives(at);
            parts.extend(tree);
            match self.word(next) {
                Some(Word::Comma | Word::Stop) => {
                    self.mark(next, next + 1);
                    // ", and" and ", or" are one comma.
                    let after = self.skip_small(next + 1);
                    let joined = matches!(self.word(after), Some(Word::And));
                    at = if joined { after + 1 } else { next + 1 };
                    if self.word(after) == Some(Word::Or) && self.depth < MAX_DEPTH {
                        self.depth += 1;
                        let (tree, end) = self.clauses(after + 1);
                        self.depth -= 1;
                        let before = self.all(std::mem::take(&mut parts));
                        let both: Vec<Tree> = before.into_iter().chain(tree).collect();
                        return ((!both.is_empty()).then(|| Tree::any(both)), end);
                    }
                }
                Some(Word::Close) if self.brackets > 0 => return (self.all(parts), next),
                Some(Word::Close) => at = next + 1,
                _ if next >= self.terms.len() => return (self.all(parts), next),
                _ => at = next.max(at + 1),
            }
        }
    }

    /// "a or b".
    fn alternatives(&mut self, at: usize) -> (Option<Tree>, usize) {
        let mut parts = Vec::new();
        let mut at = at;
        if self.word(self.skip_small(at)) == Some(Word::Either) {
            let either = self.skip_small(at);
            self.mark(either, either + 1);
            at = either + 1;
        }
        loop {
            let (tree, next) = self.conjunction(at);
            parts.extend(tree);
            if self.word(next) != Some(Word::Or) {
                return ((!parts.is_empty()).then(|| Tree::any(parts)), next);
            }
            self.mark(next, next + 1);
            at = next + 1;
        }
    }

    /// "a and b".
    fn conjunction(&mut self, mut at: usize) -> (Option<Tree>, usize) {
        let mut parts = Vec::new();
        loop {
            let (tree, next) = self.sequence(at);
            parts.extend(tree);
            if self.word(next) != Some(Word::And) {
                // "steel tables and glass desks" are two kinds of rows, not one that is both.
                let kinds: Option<Vec<Vec<usize>>> = parts.iter().map(Tree::named_columns).collect();
                let parallel = kinds.is_some_and(|kinds| {
                    kinds.len() > 1
                        && kinds.first().is_some_and(|first| first.len() > 1)
                        && kinds.windows(2).all(|two| two[0] == two[1])
                });
                return (if parallel { Some(Tree::any(parts)) } else { self.all(parts) }, next);
            }
            self.mark(next, next + 1);
            at = next + 1;
        }
    }

    /// Conditions side by side, up to the next joining word.
    fn sequence(&mut self, mut at: usize) -> (Option<Tree>, usize) {
        let mut parts = Vec::new();
        while at < self.terms.len() {
            if self.taken.get(at) == Some(&true) {
                at += 1;
                continue;
            }
            match self.word(at) {
                Some(Word::And | Word::Or | Word::Comma | Word::Stop | Word::Close) => break,
                Some(Word::Either) if self.depth < MAX_DEPTH => {
                    self.depth += 1;
                    let (tree, next) = self.alternatives(at);
                    self.depth -= 1;
                    parts.extend(tree);
                    at = next.max(at + 1);
                    continue;
                }
                Some(Word::Not | Word::Except)
                    if self.depth < MAX_DEPTH && self.word(self.skip_small(at + 1)) == Some(Word::Open) =>
                {
                    let (tree, next) = self.bracket(self.skip_small(at + 1));
                    if let Some(tree) = tree {
                        self.mark(at, at + 1);
                        parts.push(tree.negate());
                    }
                    at = next;
                    continue;
                }
                Some(Word::Open) if self.depth < MAX_DEPTH => {
                    let (tree, next) = self.bracket(at);
                    parts.extend(tree);
                    at = next;
                    continue;
                }
                _ => {}
            }
            match self.clause(at) {
                Some(clause) => {
                    let clause = self.extend(clause);
                    self.mark(at, clause.next);
                    // A mere presence is not what a later number or day is about.
                    if !clause.tree.is_presence() {
                        self.context = clause.tree.column().or(self.context);
                    }
                    self.strengths.push(clause.strength);
                    parts.push(clause.tree);
                    at = clause.next.max(at + 1);
                }
                None => at += 1,
            }
        }
        (self.all(parts), at)
    }

    fn bracket(&mut self, open: usize) -> (Option<Tree>, usize) {
        (self.depth, self.brackets) = (self.depth + 1, self.brackets + 1);
        self.mark(open, open + 1);
        let (tree, close) = self.clauses(open + 1);
        (self.depth, self.brackets) = (self.depth - 1, self.brackets - 1);
        self.mark(close, close + 1);
        (tree, close + 1)
    }

    /// Joins what follows about the same column before anything else binds: "under 20 or over 100 in Rome".
    fn extend(&mut self, mut clause: Clause) -> Clause {
        while let Some(column) = clause.tree.column() {
            let joint = clause.next;
            let or = match self.word(joint) {
                Some(Word::Or) => true,
                Some(Word::And) => false,
                _ => return clause,
            };
            let before = self.context.replace(column);
            let more = self.clause(self.skip_small(joint + 1));
            self.context = before;
            let Some(more) = more.filter(|more| more.tree.column() == Some(column)) else { return clause };
            // "not a and not b" are two demands; "a and b" of one column are alternatives, see `Tree::all`.
            let parts = vec![clause.tree, more.tree];
            clause = Clause {
                tree: if or { Tree::any(parts) } else { Tree::all(parts, &self.lexicon.fields) },
                next: more.next,
                strength: clause.strength.min(more.strength),
            };
        }
        clause
    }

    /// Runs a step of the grammar that may contain itself, up to a depth.
    pub(crate) fn nested<T>(&self, step: impl FnOnce() -> Option<T>) -> Option<T> {
        let depth = self.nested.get();
        if depth >= MAX_NESTED {
            return None;
        }
        self.nested.set(depth + 1);
        let result = step();
        self.nested.set(depth);
        result
    }

    /// A number at a term, not counting words like "third" that order things.
    pub(crate) fn number(&self, at: usize) -> Option<Number> {
        self.term(at)?.number
    }
}
