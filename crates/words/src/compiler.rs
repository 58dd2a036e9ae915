//! From a question to a proposal.
//!
//! Invariant: the same vocabulary, day and text give the same proposal, and any text gives one.

use crate::error::Error;
use crate::explain::{Understood, help};
use crate::lexicon::Lexicon;
use crate::order::By;
use crate::parser::Parser;
use crate::phrase::Word;
use crate::term::terms;
use crate::token::tokenize;
use crate::tree::Tree;
use crate::vocabulary::Vocabulary;
use quarry_types::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;

/// Longest question, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 2_048;
/// Share of the meaningful words that must find a place before anything is proposed.
const MIN_COVERAGE: f64 = 0.5;

/// Compiles questions about one table.
///
/// Building it costs a look at every value of the vocabulary; compiling a question costs little.
#[derive(Debug)]
pub struct Compiler {
    lexicon: Lexicon,
}

/// What a question was understood to ask; `filter`, `order_by`, `limit`, `group` and `select` are
/// the fields of a row query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposal {
    /// Conditions; `None` matches all rows.
    pub filter: Option<Value>,
    /// A column, or with a group the name of one of its results.
    pub order_by: Option<String>,
    /// Greatest, latest or last first.
    pub descending: bool,
    /// Most rows wanted, 1 to 1,000.
    pub limit: Option<usize>,
    /// Only this row of the order is asked for, counted from 1 ("the second cheapest"); `limit` reaches to it.
    pub nth: Option<usize>,
    /// Counts, sums and the like.
    pub group: Option<Value>,
    /// The columns asked for; empty means all.
    pub select: Vec<String>,
    /// What was understood, in a sentence.
    pub explanation: String,
    /// Words that seemed to mean something but found no place.
    pub unused: Vec<String>,
    /// 0 (nothing understood) to 1 (every word in its place).
    pub confidence: f64,
    /// Share of the words that seemed to mean something which found a place; 0 when that is not known.
    pub coverage: f64,
}

impl Proposal {
    /// Whether nothing was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filter.is_none()
            && self.order_by.is_none()
            && self.limit.is_none()
            && self.group.is_none()
            && self.select.is_empty()
    }
}

impl Compiler {
    /// Prepares a vocabulary.
    #[must_use]
    pub fn new(vocabulary: &Vocabulary) -> Self {
        Self { lexicon: Lexicon::new(vocabulary) }
    }

    /// The most frequent values of each column that has any, for whoever else has to read questions.
    pub fn examples(&self, most: usize) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.lexicon.fields.iter().filter(|field| !field.values.is_empty()).map(move |field| {
            (field.name.as_str(), field.values.iter().take(most).map(|value| value.text.as_str()).collect())
        })
    }

    /// Reads a question asked at a moment; "yesterday" and "last month" count from its day in UTC.
    ///
    /// # Errors
    /// [`Error::TooLong`] over 2,048 bytes.
    pub fn compile(&self, text: &str, now: Timestamp) -> Result<Proposal, Error> {
        let today = OffsetDateTime::from_unix_timestamp(now.as_ms().div_euclid(1_000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .date();
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let mut tokens = tokenize(text);
        let (terms, respelled) = terms(&mut tokens, &self.lexicon, today);
        let mut parser = Parser::new(&self.lexicon, today, &tokens, terms);
        let mut group = parser.group();
        let order = parser.order(group.as_ref());
        let conditions = parser.conditions();
        let tree = match (conditions, order.condition.clone()) {
            // "the next event after May": the day that is named counts, not today.
            (Some(tree), Some(more))
                if tree.tests().iter().any(|test| Some(test.column) == more.column()) =>
            {
                Some(tree)
            }
            (Some(tree), Some(more)) => Some(Tree::all(vec![tree, more], &self.lexicon.fields)),
            (tree, more) => tree.or(more),
        };
        let asked = parser.asked(tree.as_ref(), group.is_some(), order.by.is_some());
        let lists = !asked.select.is_empty() || asked.unique.is_some();
        group = group.or(asked.unique);
        let fields = &self.lexicon.fields;
        let (unused, coverage, lost) = parser.coverage(lists);
        let nothing = tree.is_none()
            && group.is_none()
            && order.by.is_none()
            && order.limit.is_none()
            && asked.select.is_empty();
        // A refusal without its object would turn the question around.
        if nothing || coverage <= MIN_COVERAGE || lost {
            return Ok(Proposal { explanation: help(fields, &unused), unused, ..Proposal::default() });
        }
        let strength = match parser.strengths.as_slice() {
            [] => 1.0,
            all => all.iter().map(|strength| f64::from(*strength)).sum::<f64>() / all.len() as f64,
        };
        let confidence = coverage * (0.4 + 0.6 * strength);
        let understood = Understood {
            fields,
            tree: tree.as_ref(),
            order: &order,
            group: group.as_ref(),
            select: &asked.select,
            respelled: &respelled,
            unused: &unused,
        };
        let name = |column: usize| fields.get(column).map_or_else(String::new, |field| field.name.clone());
        Ok(Proposal {
            explanation: understood.sentence(),
            filter: tree.as_ref().map(|tree| Value::Object(tree.to_json(fields))),
            order_by: order.by.as_ref().map(|by| match by {
                By::Column(column) => name(*column),
                By::Name(name) => name.clone(),
            }),
            descending: order.descending,
            limit: order.limit,
            nth: order.nth,
            group: group.as_ref().map(|group| group.to_json(fields)),
            select: asked.select.iter().map(|column| name(*column)).collect(),
            unused,
            confidence: (confidence.clamp(0.0, 1.0) * 100.0).round() / 100.0,
            coverage,
        })
    }
}

impl Parser<'_> {
    /// Words without a place, the share of meaningful terms that have one, and whether a negation or
    /// a state no column tells is among those without. `lists` = the question asks for values of columns.
    fn coverage(&self, lists: bool) -> (Vec<String>, f64, bool) {
        let (mut placed, mut unused, mut lost) = (0.0, Vec::new(), false);
        for (at, term) in self.terms.iter().enumerate() {
            if self.used.get(at) == Some(&true) {
                placed += 1.0;
                continue;
            }
            let told = !term.values.is_empty()
                || !term.columns.is_empty()
                || term.number.is_some()
                || term.span.is_some()
                || term.quoted.is_some();
            let operator = matches!(
                term.word,
                Some(
                    Word::Not
                        | Word::Except
                        | Word::Without
                        | Word::Neither
                        | Word::Missing
                        | Word::Compare(_)
                        | Word::Between
                        | Word::Per
                        | Word::Text(_)
                        | Word::Aggregate(_)
                        | Word::Most
                        | Word::Least
                        | Word::OutOfStock
                        | Word::Free
                        | Word::Upcoming
                        | Word::Past
                )
            );
            // "which colors are available" asks for the colors there are.
            let stocked =
                term.word == Some(Word::InStock) && !(lists && self.folded(at).starts_with("available"));
            let operator = operator || stocked;
            lost |= matches!(term.word, Some(Word::Not | Word::Except | Word::Without | Word::Neither));
            // Rows of any state are no answer when some state was asked for.
            lost |= !told
                && matches!(term.word, Some(Word::OutOfStock | Word::Free | Word::Upcoming | Word::Past));
            let joins = matches!(term.word, Some(word) if !operator && word != Word::First);
            if term.row || (joins && !told) {
                // A word for the rows is understood, but says little.
                placed += if term.row { 0.5 } else { 0.0 };
                continue;
            }
            let letters = self.text(at).chars().any(char::is_alphanumeric);
            let weak = term.word.is_some()
                && term.columns.first().is_none_or(|hit| hit.strength < 0.7)
                && term.values.is_empty()
                && !operator
                && term.number.is_none();
            if letters && !weak {
                unused.push(self.text(at));
            }
        }
        let total = placed + unused.len() as f64;
        let coverage = if total == 0.0 { 0.0 } else { placed / total };
        (unused, coverage, lost)
    }
}
