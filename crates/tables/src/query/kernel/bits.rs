//! Sets of rows of one block, a bit each.
//!
//! Invariant: bits at and past the length are zero.

use arrow::buffer::BooleanBuffer;

/// Rows of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

/// Set bits of one word up to which its rows are tested one by one.
const FEW: u32 = 6;

impl Bits {
    pub(crate) fn all(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)], len };
        bits.cut();
        bits
    }

    pub(crate) fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Rows given as words, a bit each.
    pub(crate) fn of_words(words: &[u64], len: usize) -> Self {
        let mut bits = Self { words: words.to_vec(), len };
        bits.words.resize(len.div_ceil(64), 0);
        bits.cut();
        bits
    }

    fn cut(&mut self) {
        let over = self.len % 64;
        if over > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << over) - 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Drops the rows that are in `other`.
    pub(crate) fn drop_all(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Adds the rows that are in `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Keeps the rows whose bit in `buffer` is `wanted`.
    pub(crate) fn keep_where(&mut self, buffer: &BooleanBuffer, wanted: bool) {
        let flip = if wanted { 0 } else { u64::MAX };
        // Rows past the end are zero here already.
        let chunks = buffer.bit_chunks();
        self.words.iter_mut().zip(chunks.iter_padded()).for_each(|(word, bits)| *word &= bits ^ flip);
    }

    /// The rows, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| Ones(*word).map(move |bit| at * 64 + bit))
    }

    /// Keeps the rows whose value passes a cheap test; 64 at a time.
    pub(crate) fn keep<T: Copy>(&mut self, values: &[T], test: impl Fn(T) -> bool) {
        let (whole, rest) = values.as_chunks::<64>();
        for (word, values) in self.words.iter_mut().zip(whole) {
            if *word == 0 {
                continue;
            }
            if word.count_ones() <= FEW {
                for bit in Ones(*word) {
                    if !test(values[bit]) {
                        *word &= !(1 << bit);
                    }
                }
                continue;
            }
            let mut flags = [0_u8; 64];
            for (flag, value) in flags.iter_mut().zip(values) {
                *flag = u8::from(test(*value));
            }
            *word &= pack(&flags);
        }
        if let Some(word) = self.words.get_mut(whole.len()) {
            for bit in Ones(*word) {
                if !rest.get(bit).is_some_and(|value| test(*value)) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Keeps the rows that pass a dear test; each is tested once.
    pub(crate) fn keep_rows(&mut self, mut test: impl FnMut(usize) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            for bit in Ones(*word) {
                if !test(at * 64 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }
}

/// The places of the set bits of a word, ascending.
struct Ones(u64);

impl Iterator for Ones {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit as usize)
    }
}

/// Flags of 0 or 1 as bits.
fn pack(flags: &[u8; 64]) -> u64 {
    // The product gathers the lowest bits of eight bytes in its top byte, in order.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = flags.as_chunks::<8>();
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56;
    eights.iter().enumerate().fold(0, |word, (at, eight)| word | bits(eight) << (at * 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::BooleanArray;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bits_behave_as_sets(
            a in proptest::collection::vec(any::<bool>(), 0..300), seed: u64, sparse: bool, limit in 0..100_u32,
        ) {
            let len = a.len();
            let set: BTreeSet<usize> = a
                .iter()
                .enumerate()
                .filter(|(row, on)| **on && (!sparse || row % 40 == 0))
                .map(|(row, _)| row)
                .collect();
            let mut bits = Bits::none(len);
            bits.add(&Bits::all(len));
            bits.keep_rows(|row| set.contains(&row));
            prop_assert_eq!(bits.rows().collect::<BTreeSet<_>>(), set.clone());
            prop_assert_eq!(bits.count(), set.len());
            prop_assert_eq!(bits.is_empty(), set.is_empty());
            let values: Vec<u32> = (0..len).map(|row| (seed >> (row % 50)) as u32 % 100).collect();
            let mut kept = bits.clone();
            kept.keep(&values, |value| value < limit);
            let wanted: BTreeSet<usize> = set.iter().copied().filter(|row| values[*row] < limit).collect();
            prop_assert_eq!(kept.rows().collect::<BTreeSet<_>>(), wanted.clone());
            let flags: BooleanArray = values.iter().map(|value| Some(*value < limit)).collect();
            for wanted_flag in [true, false] {
                let mut by_flag = bits.clone();
                by_flag.keep_where(flags.values(), wanted_flag);
                let mut other = bits.clone();
                other.drop_all(&kept);
                prop_assert_eq!(&by_flag, if wanted_flag { &kept } else { &other });
            }
        }
    }
}
