//! One stored column of a block: its values, which of them are set, and what bounds them.
//!
//! Texts that repeat are kept once, sorted, with a code per row. Knows nothing of rows and queries.
//! Invariant: a zone holds every set value of its column; words ascend without repeats, and each
//! belongs to at least one row.

use crate::filter::Slot;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, StringViewArray, TimestampMillisecondArray,
    new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use std::collections::HashMap;
use std::sync::Arc;

/// Shorter columns keep their texts as they are: sorting them would cost a query after each write
/// more than it saves.
pub(super) const MIN_WORD_ROWS: usize = if cfg!(test) { 4 } else { 1_024 };

/// The values of a column.
#[derive(Debug)]
pub(crate) enum Values {
    Number(Float64Array),
    Bool(BooleanArray),
    Moment(TimestampMillisecondArray),
    /// Strings, or JSON text.
    Text(StringViewArray),
    /// Texts that repeat.
    Words(Words),
}

/// Distinct texts and which of them each row has.
#[derive(Debug)]
pub(crate) struct Words {
    /// Ascending, without repeats.
    words: StringViewArray,
    codes: Codes,
    nulls: Option<NullBuffer>,
}

/// The place of each row's word; 0 for rows without one.
#[derive(Debug)]
pub(crate) enum Codes {
    Narrow(Vec<u8>),
    Wide(Vec<u16>),
}

/// Bounds of the set values of a column of numbers or moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zone<T> {
    pub(crate) min: T,
    pub(crate) max: T,
}

impl<T: Copy + PartialOrd> Zone<T> {
    /// `None` when no value is set.
    fn of(values: &[T], nulls: Option<&NullBuffer>) -> Option<Self> {
        match nulls {
            None => Self::over(values.iter().copied()),
            Some(nulls) => Self::over(nulls.valid_indices().filter_map(|row| values.get(row).copied())),
        }
    }

    fn over(mut set: impl Iterator<Item = T>) -> Option<Self> {
        let first = set.next()?;
        Some(set.fold(Self { min: first, max: first }, |zone, value| Self {
            min: if value < zone.min { value } else { zone.min },
            max: if value > zone.max { value } else { zone.max },
        }))
    }
}

/// A column as a block keeps it.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) values: Values,
    numbers: Option<Zone<f64>>,
    moments: Option<Zone<i64>>,
}

impl Column {
    /// `None` for arrays that are no column.
    pub(crate) fn new(slot: Slot, array: &ArrayRef) -> Option<Self> {
        Some(Self::of(if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
            Values::Number(numbers.clone())
        } else if let Some(moments) = array.as_primitive_opt::<TimestampMillisecondType>() {
            Values::Moment(moments.clone())
        } else if let Some(flags) = array.as_boolean_opt() {
            Values::Bool(flags.clone())
        } else {
            let texts = array.as_string_view_opt()?;
            let words = matches!(slot, Slot::Values(..)).then(|| Words::of(texts)).flatten();
            words.map_or_else(|| Values::Text(trimmed(texts)), Values::Words)
        }))
    }

    pub(super) fn of(values: Values) -> Self {
        let (mut numbers, mut moments) = (None, None);
        match &values {
            Values::Number(array) => numbers = Zone::of(array.values(), array.nulls()),
            Values::Moment(array) => moments = Zone::of(array.values(), array.nulls()),
            Values::Bool(_) | Values::Text(_) | Values::Words(_) => {}
        }
        Self { values, numbers, moments }
    }

    pub(crate) fn nulls(&self) -> Option<&NullBuffer> {
        match &self.values {
            Values::Number(array) => array.nulls(),
            Values::Bool(array) => array.nulls(),
            Values::Moment(array) => array.nulls(),
            Values::Text(array) => array.nulls(),
            Values::Words(words) => words.nulls.as_ref(),
        }
    }

    /// The text of a row, when the column holds texts and this one is set.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        match &self.values {
            Values::Text(array) => array.is_valid(row).then(|| array.value(row)),
            Values::Words(words) => (!words.is_null(row)).then(|| words.value(row)),
            Values::Number(_) | Values::Bool(_) | Values::Moment(_) => None,
        }
    }

    /// Bounds of a column of numbers; `None` when none is set.
    pub(crate) fn numbers(&self) -> Option<Zone<f64>> {
        self.numbers
    }

    /// Bounds of a column of moments; `None` when none is set.
    pub(crate) fn moments(&self) -> Option<Zone<i64>> {
        self.moments
    }

    /// The column as one Arrow array of the slot's type.
    pub(crate) fn array(&self) -> ArrayRef {
        match &self.values {
            Values::Number(array) => Arc::new(array.clone()),
            Values::Bool(array) => Arc::new(array.clone()),
            Values::Moment(array) => Arc::new(array.clone()),
            Values::Text(array) => Arc::new(array.clone()),
            Values::Words(words) => Arc::new(words.texts()),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.values {
            Values::Number(array) => array.get_array_memory_size(),
            Values::Bool(array) => array.get_array_memory_size(),
            Values::Moment(array) => array.get_array_memory_size(),
            Values::Text(array) => array.get_array_memory_size(),
            Values::Words(words) => {
                let codes = match &words.codes {
                    Codes::Narrow(codes) => codes.capacity(),
                    Codes::Wide(codes) => codes.capacity() * size_of::<u16>(),
                };
                let nulls = words.nulls.as_ref().map_or(0, |nulls| nulls.len().div_ceil(8));
                words.words.get_array_memory_size() + codes + nulls
            }
        }
    }
}

/// The texts without spare room: builders grow by doubling.
fn trimmed(texts: &StringViewArray) -> StringViewArray {
    let room: usize = texts.data_buffers().iter().map(arrow::buffer::Buffer::capacity).sum();
    let used = texts.total_buffer_bytes_used();
    if room > used + used / 8 { texts.gc() } else { texts.clone() }
}

impl Words {
    /// `None` when too few texts repeat.
    fn of(texts: &StringViewArray) -> Option<Self> {
        if texts.len() < MIN_WORD_ROWS || texts.len() > usize::from(u16::MAX) {
            return None;
        }
        let most = texts.len() / 2;
        let mut list: Vec<&str> = Vec::new();
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut first_codes: Vec<u32> = Vec::with_capacity(texts.len());
        for text in texts {
            let Some(text) = text else {
                first_codes.push(0);
                continue;
            };
            let next = u32::try_from(list.len()).ok()?;
            let code = *seen.entry(text).or_insert(next);
            if code == next {
                list.push(text);
            }
            if list.len() > most {
                return None;
            }
            first_codes.push(code);
        }
        Some(Self::sorted(&list, &first_codes, texts.nulls().cloned()))
    }

    pub(super) fn new(words: StringViewArray, codes: Codes, nulls: Option<NullBuffer>) -> Self {
        Self { words, codes, nulls }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.codes
    }

    pub(crate) fn code(&self, row: usize) -> usize {
        match &self.codes {
            Codes::Narrow(codes) => codes.get(row).copied().map_or(0, usize::from),
            Codes::Wide(codes) => codes.get(row).copied().map_or(0, usize::from),
        }
    }

    /// The word of a code; empty for codes there are none of.
    pub(crate) fn word(&self, code: usize) -> &str {
        if code < self.words.len() { self.words.value(code) } else { "" }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    pub(crate) fn value(&self, row: usize) -> &str {
        self.word(self.code(row))
    }

    /// How many words come before those that fail `before`, which must hold for a first part of
    /// them.
    pub(crate) fn partition(&self, before: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.word(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The code of a word.
    pub(crate) fn find(&self, word: &str) -> Option<usize> {
        let code = self.partition(|other| other < word);
        (code < self.len() && self.word(code) == word).then_some(code)
    }

    fn texts(&self) -> StringViewArray {
        let count = match &self.codes {
            Codes::Narrow(codes) => codes.len(),
            Codes::Wide(codes) => codes.len(),
        };
        let views = self.words.views();
        let of_row = |row| views.get(self.code(row)).copied().unwrap_or(0);
        let views: Vec<u128> = (0..count).map(of_row).collect();
        let buffers = self.words.data_buffers().to_vec();
        StringViewArray::try_new(views.into(), buffers, self.nulls.clone()).unwrap_or_else(|_| {
            // Every view comes from a checked array, so this is never taken.
            new_null_array(&arrow::datatypes::DataType::Utf8View, count).as_string_view().clone()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::{ColumnId, Kind};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn words_are_the_texts_they_were_made_of(
            distinct in 1..512_usize, seed: u64, null_every in 2..9_usize, rows in 1_024..2_000_usize,
        ) {
            let text = |row: usize| {
                let n = (row as u64).wrapping_mul(seed | 1) as usize % distinct;
                (!row.is_multiple_of(null_every)).then(|| if n.is_multiple_of(3) { format!("ü{n} beyond twelve bytes") } else { format!("{n}") })
            };
            let texts: StringViewArray = (0..rows).map(text).collect();
            let Some(words) = Words::of(&texts) else { panic!("{distinct} of {rows} repeat") };
            prop_assert_eq!(&words.texts(), &texts);
            let list: Vec<&str> = (0..words.len()).map(|code| words.word(code)).collect();
            prop_assert!(list.is_sorted_by(|a, b| a < b));
            for row in 0..rows {
                prop_assert_eq!(words.is_null(row), texts.is_null(row));
                if texts.is_valid(row) {
                    prop_assert_eq!(words.value(row), texts.value(row));
                    prop_assert_eq!(words.find(texts.value(row)), Some(words.code(row)));
                }
            }
            prop_assert_eq!(words.find("absent"), None);
        }
    }

    #[test]
    fn texts_that_do_not_repeat_stay_as_they_are() {
        let unique: ArrayRef = Arc::new((0..3_000).map(|n| Some(n.to_string())).collect::<StringViewArray>());
        let slot = Slot::values(ColumnId(16), Kind::Text);
        assert!(matches!(Column::new(slot, &unique).unwrap().values, Values::Text(_)));
        let nulls: ArrayRef = Arc::new(StringViewArray::new_null(3_000));
        let column = Column::new(slot, &nulls).unwrap();
        assert_eq!(&column.array(), &nulls);
    }

    #[test]
    fn a_zone_bounds_what_is_set() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(3.0), Some(-1.5), None]));
        let column = Column::new(Slot::values(ColumnId(16), Kind::Number), &numbers).unwrap();
        assert_eq!(column.numbers(), Some(Zone { min: -1.5, max: 3.0 }));
        let none: ArrayRef = Arc::new(Float64Array::new_null(4));
        let column = Column::new(Slot::values(ColumnId(16), Kind::Number), &none).unwrap();
        assert_eq!(column.numbers(), None);
    }
}
