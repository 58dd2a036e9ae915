//! Chosen rows of several columns as one column.
//!
//! Texts that repeat are copied by code: a word is looked up once per source, not once per row.
//! Invariant: a row of the result has the value its source row has.

use super::column::{Codes, Column, MIN_WORD_ROWS, Values, Words};
use crate::filter::Slot;
use crate::schema::Kind;
use arrow::array::{
    Array, BooleanArray, BooleanBufferBuilder, Float64Array, StringViewArray, StringViewBuilder,
    TimestampMillisecondArray,
};
use arrow::buffer::NullBuffer;
use std::collections::HashMap;

/// Views hold texts of up to so many bytes in themselves.
const INLINE_BYTES: usize = 12;

/// One column of `rows` (source, row); `None` when all of them are null.
pub(super) fn gather(slot: Slot, sources: &[Option<&Column>], rows: &[(usize, usize)]) -> Option<Column> {
    let nulls = nulls(sources, rows);
    if nulls.as_ref().is_some_and(|nulls| nulls.null_count() == rows.len()) {
        return None;
    }
    Some(Column::of(match slot {
        Slot::Values(_, Kind::Number) => {
            let values = pick(sources, rows, |column| match &column.values {
                Values::Number(array) => array.values(),
                _ => &[],
            });
            Values::Number(Float64Array::new(values.into(), nulls))
        }
        Slot::Values(_, Kind::DateTime) => {
            let values = pick(sources, rows, |column| match &column.values {
                Values::Moment(array) => array.values(),
                _ => &[],
            });
            Values::Moment(TimestampMillisecondArray::new(values.into(), nulls))
        }
        Slot::Values(_, Kind::Bool) => {
            let flag = |(source, row): &(usize, usize)| match sources.get(*source) {
                Some(Some(Column { values: Values::Bool(array), .. })) => array.value(*row),
                _ => false,
            };
            Values::Bool(BooleanArray::new(rows.iter().map(flag).collect(), nulls))
        }
        Slot::Values(_, Kind::Text | Kind::Json) => match words(sources, rows, nulls) {
            Some(words) => Values::Words(words),
            None => Values::Text(texts(sources, rows)),
        },
        Slot::Original(_) => Values::Text(texts(sources, rows)),
    }))
}

/// Which rows are null; `None` = no row is.
fn nulls(sources: &[Option<&Column>], rows: &[(usize, usize)]) -> Option<NullBuffer> {
    let known: Vec<Option<Option<&NullBuffer>>> =
        sources.iter().map(|source| source.map(Column::nulls)).collect();
    if known.iter().all(|source| matches!(source, Some(None))) {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(rows.len());
    for (source, row) in rows {
        valid.append(match known.get(*source) {
            Some(Some(Some(nulls))) => nulls.is_valid(*row),
            Some(Some(None)) => true,
            Some(None) | None => false,
        });
    }
    let nulls = NullBuffer::new(valid.finish());
    (nulls.null_count() > 0).then_some(nulls)
}

fn pick<'s, T: Copy + Default + 's>(
    sources: &[Option<&'s Column>],
    rows: &[(usize, usize)],
    values_of: impl Fn(&'s Column) -> &'s [T],
) -> Vec<T> {
    let values: Vec<&[T]> = sources.iter().map(|source| source.map_or(&[][..], &values_of)).collect();
    let value = |(source, row): &(usize, usize)| values.get(*source).and_then(|values| values.get(*row));
    rows.iter().map(|place| value(place).copied().unwrap_or_default()).collect()
}

fn texts(sources: &[Option<&Column>], rows: &[(usize, usize)]) -> StringViewArray {
    let text = |(source, row): &(usize, usize)| sources.get(*source).copied().flatten()?.text(*row);
    let long = |place| text(place).map_or(0, |text| if text.len() > INLINE_BYTES { text.len() } else { 0 });
    let bytes: usize = rows.iter().map(long).sum();
    let mut builder = StringViewBuilder::with_capacity(rows.len());
    if let Some(exact) = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0) {
        builder = builder.with_fixed_block_size(exact);
    }
    rows.iter().for_each(|place| builder.append_option(text(place)));
    builder.finish()
}

/// The rows by words; `None` when too few repeat.
fn words(sources: &[Option<&Column>], rows: &[(usize, usize)], nulls: Option<NullBuffer>) -> Option<Words> {
    if rows.len() < MIN_WORD_ROWS {
        return None;
    }
    // A column nearly as large that has no words will have none now either; of smaller ones together
    // fewer texts may be new.
    let plain = |(source, _): &&(usize, usize)| match sources.get(*source) {
        Some(Some(Column { values: Values::Text(array), .. })) => {
            array.len() >= MIN_WORD_ROWS && array.len() * 4 > rows.len() * 3
        }
        _ => false,
    };
    if rows.iter().filter(plain).count() * 2 > rows.len() {
        return None;
    }
    const UNKNOWN: u32 = u32::MAX;
    let most = rows.len() / 2;
    let mut list: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut remaps: Vec<Vec<u32>> = sources
        .iter()
        .map(|source| match source {
            Some(Column { values: Values::Words(words), .. }) => vec![UNKNOWN; words.len()],
            _ => Vec::new(),
        })
        .collect();
    let mut intern = |text| {
        *known.entry(text).or_insert_with(|| {
            list.push(text);
            u32::try_from(list.len() - 1).unwrap_or(UNKNOWN)
        })
    };
    let mut first_codes = Vec::with_capacity(rows.len());
    for (at, (source, row)) in rows.iter().enumerate() {
        let code = match sources.get(*source).copied().flatten().map(|column| &column.values) {
            _ if nulls.as_ref().is_some_and(|nulls| nulls.is_null(at)) => 0,
            Some(Values::Words(words)) => {
                let old = words.code(*row);
                match remaps.get_mut(*source).and_then(|remap| remap.get_mut(old)) {
                    Some(new) if *new == UNKNOWN => {
                        *new = intern(words.word(old));
                        *new
                    }
                    Some(new) => *new,
                    None => return None,
                }
            }
            Some(Values::Text(array)) => intern(array.value(*row)),
            _ => return None,
        };
        if code as usize > most {
            return None;
        }
        first_codes.push(code);
    }
    Some(Words::sorted(&list, &first_codes, nulls))
}

impl Words {
    /// Words from texts without repeats and the place of each row's text among them.
    pub(super) fn sorted(list: &[&str], first_codes: &[u32], nulls: Option<NullBuffer>) -> Self {
        let mut order: Vec<usize> = (0..list.len()).collect();
        order.sort_unstable_by_key(|place| list.get(*place));
        let bytes: usize = list.iter().map(|text| text.len()).filter(|len| *len > INLINE_BYTES).sum();
        let mut words = StringViewBuilder::with_capacity(list.len());
        if let Some(exact) = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0) {
            words = words.with_fixed_block_size(exact);
        }
        let mut places = vec![0_usize; list.len()];
        for (new, old) in order.iter().enumerate() {
            words.append_value(list.get(*old).copied().unwrap_or_default());
            if let Some(place) = places.get_mut(*old) {
                *place = new;
            }
        }
        let place = |code: &u32| places.get(*code as usize).copied().unwrap_or(0);
        let codes = if list.len() <= usize::from(u8::MAX) + 1 {
            Codes::Narrow(first_codes.iter().map(|code| u8::try_from(place(code)).unwrap_or(0)).collect())
        } else {
            Codes::Wide(first_codes.iter().map(|code| u16::try_from(place(code)).unwrap_or(0)).collect())
        };
        Self::new(words.finish(), codes, nulls)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::ColumnId;
    use arrow::array::ArrayRef;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn number() -> impl Strategy<Value = Option<u32>> {
        proptest::option::weighted(0.8, 0..40_u32)
    }

    proptest! {
        // Columns of every type, with and without nulls, missing ones among them.
        #[test]
        fn gathered_rows_keep_their_values(
            sources in proptest::collection::vec(proptest::option::weighted(0.8, proptest::collection::vec(number(), 1..60)), 1..4),
            picks in proptest::collection::vec((any::<usize>(), any::<usize>()), 0..80),
            spread in 1..40_u32,
        ) {
            let rows: Vec<(usize, usize)> = picks
                .iter()
                .map(|(source, row)| (source % sources.len(), *row))
                .map(|(source, row)| (source, sources[source].as_ref().map_or(row % 7, |values| row % values.len())))
                .collect();
            let wanted: Vec<Option<u32>> = rows.iter().map(|(source, row)| sources[*source].as_ref().and_then(|values| values[*row])).collect();
            let text = |n: u32| if n.is_multiple_of(3) { format!("a text beyond twelve bytes {}", n % spread) } else { format!("ü{}", n % spread) };
            for kind in [Kind::Number, Kind::DateTime, Kind::Bool, Kind::Text, Kind::Json] {
                let slot = Slot::values(ColumnId(16), kind);
                let array = |values: &[Option<u32>]| -> ArrayRef {
                    let values = values.iter().copied();
                    match kind {
                        Kind::Number => Arc::new(values.map(|n| n.map(f64::from)).collect::<Float64Array>()),
                        Kind::DateTime => Arc::new(values.map(|n| n.map(i64::from)).collect::<TimestampMillisecondArray>()),
                        Kind::Bool => Arc::new(values.map(|n| n.map(|n| n % 2 == 0)).collect::<BooleanArray>()),
                        Kind::Text | Kind::Json => Arc::new(values.map(|n| n.map(text)).collect::<StringViewArray>()),
                    }
                };
                let columns: Vec<Option<Column>> =
                    sources.iter().map(|values| Column::new(slot, &array(values.as_ref()?))).collect();
                let columns: Vec<Option<&Column>> = columns.iter().map(Option::as_ref).collect();
                match gather(slot, &columns, &rows) {
                    Some(column) => {
                        prop_assert_eq!(&column.array(), &array(&wanted));
                        let afresh = Column::new(slot, &array(&wanted)).unwrap();
                        prop_assert_eq!((column.numbers(), column.moments()), (afresh.numbers(), afresh.moments()));
                    }
                    None => prop_assert!(wanted.iter().all(Option::is_none)),
                }
            }
        }
    }

    #[test]
    fn texts_that_repeat_only_in_another_part_become_words_together() {
        let slot = Slot::values(ColumnId(16), crate::schema::Kind::Text);
        let part: ArrayRef = Arc::new((0..8).map(|n| Some(n.to_string())).collect::<StringViewArray>());
        let part = Column::new(slot, &part).unwrap();
        assert!(matches!(part.values, Values::Text(_)), "all differ");
        let rows: Vec<(usize, usize)> =
            (0..2).flat_map(|source| (0..8).map(move |row| (source, row))).collect();
        let both = gather(slot, &[Some(&part), Some(&part)], &rows).unwrap();
        assert!(matches!(both.values, Values::Words(_)));
        assert_eq!((both.text(3), both.text(11)), (Some("3"), Some("3")));
    }
}
