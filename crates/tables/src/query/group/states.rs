//! What an aggregate has seen so far, per group.
//!
//! Invariant: the state of two parts of the rows, merged, is the state of all of them (sums up to
//! rounding).

use super::{Aggregate, GroupOp, UniqueLists};
use crate::filter::Slot;
use crate::record::number_value;
use crate::schema::Kind;
use crate::view::{Block, Column, Reader, Values};
use arrow::buffer::NullBuffer;
use quarry_types::Timestamp;
use serde_json::Value;
use std::collections::HashSet;

/// One value, in the order groups are answered in: null last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part<'s> {
    Bool(bool),
    Number(Sortable),
    Moment(i64),
    /// A moment and how it was written.
    Written(i64, Option<&'s str>),
    Text(&'s str),
    Null,
}

/// A number as bits that sort as it does. Rows hold neither NaN nor -0, so equal bits are equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sortable(i64);

impl Sortable {
    pub(super) fn of(number: f64) -> Self {
        Self(flip(number.to_bits().cast_signed()))
    }

    pub(super) fn number(self) -> f64 {
        f64::from_bits(flip(self.0).cast_unsigned())
    }
}

/// Its own inverse: negative numbers have their lower bits reversed.
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

impl<'s> Part<'s> {
    pub(super) fn of(reader: &Reader<'s>, row: usize) -> Self {
        if reader.is_null(row) {
            return Self::Null;
        }
        match reader {
            Reader::Number(array) => Self::Number(Sortable::of(array.value(row))),
            Reader::Bool(array) => Self::Bool(array.value(row)),
            Reader::Moment(array, _) => Self::Moment(array.value(row)),
            reader => reader.text(row).map_or(Self::Null, Self::Text),
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => flag.into(),
            Self::Number(number) => number_value(number.number()),
            Self::Text(text) | Self::Written(_, Some(text)) => text.into(),
            Self::Moment(ms) | Self::Written(ms, None) => Timestamp(ms).to_string().into(),
        }
    }

    /// Moments written the plain way have no text of their own; equal ones order by what is shown.
    fn shown_before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Written(a, a_text), Self::Written(b, b_text)) if a == b && a_text != b_text => {
                let shown = |text: Option<&str>| text.map_or_else(|| Timestamp(a).to_string(), str::to_owned);
                shown(a_text) < shown(b_text)
            }
            (a, b) => a < b,
        }
    }
}

/// Rows of one block and the group of each.
pub(super) struct Grouped<'g> {
    pub(super) rows: &'g [u32],
    pub(super) groups: &'g [u32],
}

impl Grouped<'_> {
    /// Calls `each` with row and group of the rows whose value is set.
    fn set(&self, nulls: Option<&NullBuffer>, mut each: impl FnMut(usize, usize)) {
        let pairs = self.rows.iter().zip(self.groups).map(|(row, group)| (*row as usize, *group as usize));
        match nulls {
            None => pairs.for_each(|(row, group)| each(row, group)),
            Some(nulls) => {
                pairs.filter(|(row, _)| nulls.is_valid(*row)).for_each(|(row, group)| each(row, group))
            }
        }
    }
}

/// The state of one aggregate, an entry per group.
pub(super) enum State<'s> {
    Count(Vec<u64>),
    /// Sums with how many numbers they are of.
    Sum(Vec<(f64, u64)>),
    /// The least or the greatest.
    Extreme {
        best: Vec<Part<'s>>,
        least: bool,
    },
    Unique(Vec<HashSet<Part<'s>>>),
}

impl<'s> State<'s> {
    pub(super) fn new(op: GroupOp) -> Self {
        match op {
            GroupOp::Key | GroupOp::Count => Self::Count(Vec::new()),
            GroupOp::Sum | GroupOp::Avg => Self::Sum(Vec::new()),
            GroupOp::Min | GroupOp::Max => Self::Extreme { best: Vec::new(), least: op == GroupOp::Min },
            GroupOp::Unique => Self::Unique(Vec::new()),
        }
    }

    pub(super) fn grow(&mut self, groups: usize) {
        match self {
            Self::Count(counts) => counts.resize(groups, 0),
            Self::Sum(sums) => sums.resize(groups, (0.0, 0)),
            Self::Extreme { best, .. } => best.resize(groups, Part::Null),
            Self::Unique(sets) => sets.resize_with(groups, HashSet::new),
        }
    }

    /// Values kept beyond one per group.
    pub(super) fn extra(&self) -> usize {
        match self {
            Self::Unique(sets) => sets.iter().map(HashSet::len).sum(),
            Self::Count(_) | Self::Sum(_) | Self::Extreme { .. } => 0,
        }
    }

    pub(super) fn add(&mut self, output: &Aggregate, block: &'s Block, grouped: &Grouped<'_>) {
        let slot = Slot::values(output.field.column, output.field.kind);
        let Some(column) = block.column(slot) else { return };
        let reader = block.reader(output.field.column, output.field.kind);
        match self {
            Self::Count(counts) => grouped.set(column.nulls(), |_, group| {
                if let Some(count) = counts.get_mut(group) {
                    *count += 1;
                }
            }),
            Self::Sum(sums) => {
                let Values::Number(numbers) = &column.values else { return };
                let numbers = numbers.values();
                grouped.set(column.nulls(), |row, group| {
                    if let (Some(sum), Some(number)) = (sums.get_mut(group), numbers.get(row)) {
                        sum.0 += number;
                        sum.1 += 1;
                    }
                });
            }
            Self::Extreme { best, least } => extremes(best, *least, column, &reader, grouped),
            Self::Unique(sets) => uniques(sets, column, &reader, grouped),
        }
    }

    /// Takes over another state whose group `i` is `groups[i]` here.
    pub(super) fn merge(&mut self, other: Self, groups: &[u32]) {
        let places = groups.iter().map(|group| *group as usize);
        match (self, other) {
            (Self::Count(mine), Self::Count(other)) => places.zip(other).for_each(|(at, count)| {
                if let Some(mine) = mine.get_mut(at) {
                    *mine += count;
                }
            }),
            (Self::Sum(mine), Self::Sum(other)) => places.zip(other).for_each(|(at, (sum, count))| {
                if let Some(mine) = mine.get_mut(at) {
                    mine.0 += sum;
                    mine.1 += count;
                }
            }),
            (Self::Extreme { best, least }, Self::Extreme { best: other, .. }) => {
                places.zip(other).for_each(|(at, part)| improve(best, *least, at, part));
            }
            (Self::Unique(mine), Self::Unique(other)) => places.zip(other).for_each(|(at, set)| {
                if let Some(mine) = mine.get_mut(at) {
                    mine.extend(set);
                }
            }),
            _ => {}
        }
    }

    /// The value of a group as groups order by it.
    pub(super) fn part(&self, op: GroupOp, group: usize) -> Part<'s> {
        let number = |number: f64| Part::Number(Sortable::of(number));
        match self {
            Self::Count(counts) => number(counts.get(group).copied().unwrap_or(0) as f64),
            Self::Sum(sums) => match sums.get(group) {
                Some((sum, count)) if *count > 0 && op == GroupOp::Avg => number(sum / *count as f64),
                Some((sum, count)) if *count > 0 => number(*sum),
                _ => Part::Null,
            },
            Self::Extreme { best, .. } => best.get(group).copied().unwrap_or(Part::Null),
            Self::Unique(_) => Part::Null,
        }
    }

    pub(super) fn value(&self, op: GroupOp, group: usize, lists: &mut UniqueLists) -> Value {
        match self {
            Self::Unique(sets) => {
                let mut parts: Vec<Part<'_>> = sets.get(group).into_iter().flatten().copied().collect();
                parts.sort_unstable();
                lists.cut(parts.into_iter().map(Part::value).collect())
            }
            state => state.part(op, group).value(),
        }
    }
}

fn improve<'s>(best: &mut [Part<'s>], least: bool, at: usize, part: Part<'s>) {
    let Some(best) = best.get_mut(at).filter(|_| part != Part::Null) else { return };
    let better = if least { part.shown_before(*best) } else { best.shown_before(part) };
    if *best == Part::Null || better {
        *best = part;
    }
}

fn extremes<'s>(
    best: &mut [Part<'s>],
    least: bool,
    column: &'s Column,
    reader: &Reader<'s>,
    grouped: &Grouped<'_>,
) {
    match (&column.values, reader) {
        (Values::Number(numbers), _) => {
            let numbers = numbers.values();
            grouped.set(column.nulls(), |row, group| {
                let (Some(best), Some(number)) = (best.get_mut(group), numbers.get(row)) else { return };
                let number = Part::Number(Sortable::of(*number));
                if *best == Part::Null || (number < *best) == least {
                    *best = number;
                }
            });
        }
        (_, Reader::Moment(moments, originals)) => grouped.set(column.nulls(), |row, group| {
            let text = originals.and_then(|texts| texts.text(row));
            improve(best, least, group, Part::Written(moments.value(row), text));
        }),
        _ => grouped.set(column.nulls(), |row, group| improve(best, least, group, Part::of(reader, row))),
    }
}

fn uniques<'s>(
    sets: &mut [HashSet<Part<'s>>],
    column: &'s Column,
    reader: &Reader<'s>,
    grouped: &Grouped<'_>,
) {
    if let Values::Words(words) = &column.values {
        // One look into the set per group and word.
        let mut seen = HashSet::new();
        return grouped.set(column.nulls(), |row, group| {
            let code = words.code(row);
            if seen.insert((group, code))
                && let Some(set) = sets.get_mut(group)
            {
                set.insert(Part::Text(words.word(code)));
            }
        });
    }
    grouped.set(column.nulls(), |row, group| {
        if let Some(set) = sets.get_mut(group) {
            set.insert(Part::of(reader, row));
        }
    });
}

/// Whether the direct way can do an aggregate.
pub(super) fn is_direct(output: &Aggregate) -> bool {
    output.field.kind != Kind::Json || (output.op == GroupOp::Count && output.field.path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sortable_numbers_sort_and_return(a in -1e300..1e300_f64, b in -1e300..1e300_f64) {
            let (a, b) = (a + 0.0, b + 0.0);
            prop_assert_eq!(Sortable::of(a).number(), a);
            prop_assert_eq!(a.partial_cmp(&b), Some(Sortable::of(a).cmp(&Sortable::of(b))));
        }
    }
}
