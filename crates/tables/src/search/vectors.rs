//! Stored vectors of rows, and the count of them all.
//!
//! A row's record: version, hash of the text (8 bytes), count (4 bytes), then that many vectors in
//! binary16; little endian throughout. The tally: version, number of vectors, and the row change and
//! the layout up to which nothing was left to do (8 bytes each). Invariant: the tally is written in
//! every commit that changes what it counts.

use super::text::{Layout, TextHash};
use crate::Error;
use crate::record::TALLY_KEY;
use bytes::Bytes;
use half::f16;
use quarry_store::{Coll, RecordStore, Seq};
use quarry_types::BotId;

const VERSION: u8 = 1;
const HEADER: usize = 13;

/// The vectors of one row, one per passage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowVectors {
    pub(crate) text: TextHash,
    pub(crate) vectors: Vec<Vec<f32>>,
}

impl RowVectors {
    pub(crate) fn encode(&self) -> Bytes {
        let numbers: usize = self.vectors.iter().map(Vec::len).sum();
        let mut bytes = Vec::with_capacity(HEADER + 2 * numbers);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.text.to_le_bytes());
        let count = u32::try_from(self.vectors.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for number in self.vectors.iter().flatten() {
            bytes.extend_from_slice(&f16::from_f32(*number).to_le_bytes());
        }
        bytes.into()
    }

    /// `None` when the bytes are no such record or its vectors have other dimensions.
    pub(crate) fn decode(bytes: &[u8], dims: usize) -> Option<Self> {
        let (text, count) = header(bytes)?;
        let numbers = bytes.get(HEADER..)?;
        if dims == 0 || numbers.len() != (count as usize).checked_mul(dims)?.checked_mul(2)? {
            return None;
        }
        let numbers: Vec<f32> =
            numbers.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect();
        Some(Self { text, vectors: numbers.chunks(dims).map(<[f32]>::to_vec).collect() })
    }
}

/// The text and the number of vectors a record is of.
pub(crate) fn header(bytes: &[u8]) -> Option<(TextHash, u32)> {
    let (version, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    (*version == VERSION).then_some((u64::from_le_bytes(*text), u32::from_le_bytes(*count)))
}

/// The count of one vector collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Vectors in all its records.
    pub(crate) vectors: u64,
    /// Row changes up to here are all indexed; 0 = not so.
    pub(crate) settled: Seq,
    /// The layout they were indexed by.
    pub(crate) layout: u64,
}

impl Tally {
    pub(crate) fn encode(&self) -> Bytes {
        let numbers = [self.vectors, self.settled, self.layout];
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        std::iter::once(VERSION).chain(bytes).collect::<Vec<u8>>().into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let [vectors, settled, layout] = numbers else { return None };
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        (*version == VERSION).then(|| Self {
            vectors: number(vectors),
            settled: number(settled),
            layout: number(layout),
        })
    }

    /// Whether everything up to a row change was indexed by a layout.
    pub(crate) fn is_settled(&self, rows: Seq, layout: &Layout) -> bool {
        rows > 0 && self.settled == rows && self.layout == layout.mark()
    }

    /// The tally of a collection; all zero when it has none yet.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub(crate) async fn read(store: &dyn RecordStore, bot: &BotId, coll: &Coll) -> Result<Self, Error> {
        let found = store.get(bot, coll, &[TALLY_KEY.to_vec()]).await?;
        match found.into_iter().next().flatten() {
            None => Ok(Self::default()),
            Some(record) => Self::decode(&record.value)
                .ok_or_else(|| Error::Corrupt(format!("the vector count of {coll:?} does not decode"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn damaged_records_are_none_not_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), dims in 0..9_usize) {
            let _ = (RowVectors::decode(&bytes, dims), Tally::decode(&bytes));
        }
    }

    #[test]
    fn records_decode_to_what_was_encoded() {
        let row = RowVectors { text: 99, vectors: vec![vec![0.5, -0.25], vec![1.0, 0.0]] };
        let bytes = row.encode();
        assert_eq!(header(&bytes), Some((99, 2)));
        assert_eq!(RowVectors::decode(&bytes, 2), Some(row));
        assert_eq!(RowVectors::decode(&bytes, 3), None);
        let tally = Tally { vectors: 5, settled: 7, layout: u64::MAX };
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
    }
}
