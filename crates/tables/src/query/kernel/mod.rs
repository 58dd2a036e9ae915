//! Filters on blocks: a tree of tests, each of which keeps some of a set of rows.
//!
//! Cheap tests come first, and a dear one sees only the rows that are left. Knows nothing of pages
//! and orders. Invariant: gives what the naive evaluator gives, row by row.

mod bits;
mod number;
mod text;

pub(crate) use bits::Bits;
pub(crate) use number::Ends;

use crate::filter::{Bound, Filter, Literal, Op, Slot, Test, holds_json};
use crate::record::json_value;
use crate::schema::Kind;
use crate::view::{Block, Column, Slab, Values};
use arrow::array::BooleanArray;
use quarry_types::Timestamp;

/// A filter ready to run.
pub(crate) struct Kernel<'f> {
    root: Node<'f>,
    /// Rows tested one by one, parsed or matched against a pattern, cost this many plain ones.
    cost: usize,
}

enum Node<'f> {
    All(Vec<Node<'f>>),
    Any(Vec<Node<'f>>),
    Not(Box<Node<'f>>),
    Test(&'f Test),
}

impl<'f> Kernel<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        let root = Node::new(filter);
        let cost = root.cost();
        Self { root, cost }
    }

    /// Whether every row passes.
    pub(crate) fn passes_all(&self) -> bool {
        matches!(&self.root, Node::All(parts) if parts.is_empty())
    }

    /// What a row costs, in units of one comparison.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// The live rows of a block that pass.
    pub(crate) fn rows(&self, slab: &Slab) -> Bits {
        let mut bits = alive(slab);
        self.keep(&slab.block, &mut bits);
        bits
    }

    /// Keeps those of some rows that pass.
    pub(crate) fn keep(&self, block: &Block, bits: &mut Bits) {
        self.root.keep(block, bits);
    }
}

/// The live rows of a block.
pub(crate) fn alive(slab: &Slab) -> Bits {
    let len = slab.block.len();
    slab.alive_words().map_or_else(|| Bits::all(len), |words| Bits::of_words(words, len))
}

impl<'f> Node<'f> {
    fn new(filter: &'f Filter) -> Self {
        let sorted = |parts: &'f [Filter]| {
            let mut parts: Vec<Self> = parts.iter().map(Self::new).collect();
            parts.sort_by_key(Self::cost);
            parts
        };
        match filter {
            Filter::All(parts) => Self::All(sorted(parts)),
            Filter::Any(parts) => Self::Any(sorted(parts)),
            Filter::Not(part) => Self::Not(Box::new(Self::new(part))),
            Filter::Test(test) => Self::Test(test),
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::cost).sum(),
            Self::Not(part) => part.cost(),
            Self::Test(test) => match (test.field.kind, &test.op) {
                (_, Op::Exists) if test.field.path.is_empty() => 1,
                (Kind::Json, _) => 500,
                (_, Op::Regex(_)) => 50,
                (Kind::Text, Op::Equals(_)) => 2,
                (Kind::Text, _) => 5,
                (_, Op::In(_)) => 4,
                (_, Op::Mod { .. }) => 10,
                _ => 1,
            },
        }
    }

    fn keep(&self, block: &Block, bits: &mut Bits) {
        match self {
            Self::All(parts) => {
                for part in parts {
                    if bits.is_empty() {
                        return;
                    }
                    part.keep(block, bits);
                }
            }
            Self::Any(parts) => {
                let mut found = Bits::none(block.len());
                for part in parts {
                    if bits.is_empty() {
                        break;
                    }
                    // Rows found already need no further test.
                    let mut hits = bits.clone();
                    part.keep(block, &mut hits);
                    bits.drop_all(&hits);
                    found.add(&hits);
                }
                *bits = found;
            }
            Self::Not(part) => {
                let mut hits = bits.clone();
                part.keep(block, &mut hits);
                bits.drop_all(&hits);
            }
            Self::Test(test) => keep_test(test, block, bits),
        }
    }
}

fn keep_test(test: &Test, block: &Block, bits: &mut Bits) {
    let column = block.column(Slot::values(test.field.column, test.field.kind));
    if test.field.kind == Kind::Json {
        return keep_json(test, column, bits);
    }
    if let Op::Equals(Literal::Null) = &test.op {
        return keep_null(column, bits);
    }
    let Some(column) = column else {
        // Every row is null here, which only a list with null takes.
        if !matches!(&test.op, Op::In(literals) if literals.contains(&Literal::Null)) {
            bits.clear();
        }
        return;
    };
    if let Op::In(literals) = &test.op
        && literals.contains(&Literal::Null)
    {
        let mut nulls = bits.clone();
        keep_null(Some(column), &mut nulls);
        bits.drop_all(&nulls);
        keep_set(test, block, column, bits);
        return bits.add(&nulls);
    }
    keep_set(test, block, column, bits);
}

/// Keeps rows whose value is set and passes.
fn keep_set(test: &Test, block: &Block, column: &Column, bits: &mut Bits) {
    if let Some(nulls) = column.nulls() {
        bits.keep_where(nulls.inner(), true);
    }
    if matches!(test.op, Op::Exists) {
        return;
    }
    match &column.values {
        Values::Number(numbers) => number::keep_numbers(&test.op, numbers.values(), column.numbers(), bits),
        Values::Moment(moments) => match &test.op {
            Op::Regex(pattern) => {
                let originals = block.column(Slot::Original(test.field.column));
                bits.keep_rows(|row| match originals.and_then(|column| column.text(row)) {
                    Some(text) => pattern.is_match(text),
                    None => pattern.is_match(&Timestamp(moments.value(row)).to_string()),
                });
            }
            op => number::keep_moments(op, moments.values(), column.moments(), bits),
        },
        Values::Bool(flags) => keep_flags(&test.op, flags, bits),
        Values::Text(texts) => text::keep_texts(&test.op, texts, bits),
        Values::Words(words) => text::keep_words(&test.op, words, bits),
    }
}

fn keep_null(column: Option<&Column>, bits: &mut Bits) {
    match column.map(Column::nulls) {
        None => {}
        Some(None) => bits.clear(),
        Some(Some(nulls)) => bits.keep_where(nulls.inner(), false),
    }
}

fn keep_flags(op: &Op, flags: &BooleanArray, bits: &mut Bits) {
    let passes = |flag: bool| match op {
        Op::Equals(literal) => *literal == Literal::Bool(flag),
        Op::In(literals) => literals.contains(&Literal::Bool(flag)),
        Op::Compare(bound, Literal::Bool(wanted)) => bound.holds(flag.cmp(wanted)),
        _ => false,
    };
    match (passes(false), passes(true)) {
        (true, true) => {}
        (false, false) => bits.clear(),
        (_, wanted) => bits.keep_where(flags.values(), wanted),
    }
}

/// JSON text is parsed row by row, or once per distinct text.
fn keep_json(test: &Test, column: Option<&Column>, bits: &mut Bits) {
    let path = &test.field.path;
    let absent = holds_json(&test.op, None, path);
    let Some(column) = column else {
        if !absent {
            bits.clear();
        }
        return;
    };
    let mut nulls = bits.clone();
    keep_null(Some(column), &mut nulls);
    bits.drop_all(&nulls);
    // The whole value is set where the text is.
    if !(matches!(test.op, Op::Exists) && path.is_empty()) {
        let passes = |text: &str| {
            let value = json_value(text);
            holds_json(&test.op, Some(&value).filter(|value| !value.is_null()), path)
        };
        match &column.values {
            Values::Text(texts) => bits.keep_rows(|row| passes(texts.value(row))),
            Values::Words(words) => text::keep_by_word(words, bits, passes),
            _ => bits.clear(),
        }
    }
    if absent {
        bits.add(&nulls);
    }
}

/// Keeps the rows whose value comes at `bound` of a text, as [`Ends`] does for numbers.
pub(crate) fn keep_bounded_text(column: &Column, bound: Bound, limit: &str, bits: &mut Bits) {
    let op = Op::Compare(bound, Literal::Text(limit.to_owned()));
    match &column.values {
        Values::Text(texts) => text::keep_texts(&op, texts, bits),
        Values::Words(words) => text::keep_words(&op, words, bits),
        _ => {}
    }
}
