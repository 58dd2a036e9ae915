//! Which item each document of a segment stands for. A segment never changes, so it is read once.

use crate::candidates::each_of;
use roaring::RoaringBitmap;
use std::sync::OnceLock;
use tantivy::columnar::ColumnValues;
use tantivy::{DocId, SegmentReader};

/// The items of a segment's documents.
pub(super) struct Items {
    of: Vec<u32>,
    is_ascending: bool,
    /// The largest.
    last: u32,
    /// Documents by item where they do not stand in that order; worked out when first asked for.
    by_item: OnceLock<Vec<(u32, DocId)>>,
}

/// Items that may be found, a bit for each.
pub(super) struct Bits(Vec<u64>);

impl Items {
    pub(super) fn read(segment: &SegmentReader) -> tantivy::Result<Self> {
        let ids = segment.fast_fields().u64("id")?.first_or_default_col(0);
        Ok(Self::new(ids.iter().map(|id| id as u32).collect()))
    }

    fn new(of: Vec<u32>) -> Self {
        let (is_ascending, last) = (of.is_sorted_by(|one, next| one < next), of.iter().max());
        Self { is_ascending, last: last.copied().unwrap_or(0), of, by_item: OnceLock::new() }
    }

    /// The largest item.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Number of documents.
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    pub(super) fn of(&self, doc: DocId) -> Option<u32> {
        self.of.get(doc as usize).copied()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.of.len() * 4 + self.by_item.get().map_or(0, |places| places.len() * 8)
    }

    /// The documents of some items, each with its item.
    pub(super) fn documents(&self, items: &RoaringBitmap) -> Vec<(DocId, u32)> {
        if self.is_ascending {
            return found(&self.of, items, |item| *item, |at, item| (at as DocId, *item));
        }
        let places = self.by_item.get_or_init(|| {
            let mut places: Vec<(u32, DocId)> = self.of.iter().copied().zip(0..).collect();
            places.sort_unstable();
            places
        });
        found(places, items, |(item, _)| *item, |_, (item, doc)| (*doc, *item))
    }

    /// Which of 64 neighbouring documents stand for items that may be found.
    pub(super) fn among(&self, items: &Bits, from: DocId) -> u64 {
        let from = (from as usize).min(self.of.len());
        let few = self.of.get(from..self.of.len().min(from + 64)).unwrap_or(&[]);
        match few {
            [first, .., last] if self.is_ascending && (last - first) as usize == few.len() - 1 => {
                items.word(*first) & (u64::MAX >> (64 - few.len()))
            }
            _ => few.iter().zip(0..).fold(0, |mask, (item, at)| mask | (items.word(*item) & 1) << at),
        }
    }
}

impl Bits {
    /// Of the items up to `last`.
    pub(super) fn of(items: &RoaringBitmap, last: u32) -> Self {
        let mut bits = vec![0_u64; last as usize / 64 + 1];
        each_of(items, |some| {
            for item in some {
                if let Some(word) = bits.get_mut(*item as usize / 64) {
                    *word |= 1 << (*item % 64);
                }
            }
        });
        Self(bits)
    }

    /// The bits of 64 items from `first` on.
    fn word(&self, first: u32) -> u64 {
        let (at, by) = (first as usize / 64, first % 64);
        let word = |at| self.0.get(at).copied().unwrap_or(0);
        // A shift by 64 would be none.
        word(at) >> by | (word(at + 1) << 1) << (63 - by)
    }
}

/// What stands at the wanted items, in a list that is sorted by item.
fn found<T, F>(
    list: &[T],
    wanted: &RoaringBitmap,
    item: impl Fn(&T) -> u32,
    give: impl Fn(usize, &T) -> F,
) -> Vec<F> {
    let (mut found, mut from) = (Vec::new(), 0);
    for wanted in wanted {
        let rest = list.get(from..).unwrap_or(&[]);
        from += gallop(rest, |one| item(one) < wanted);
        let same = list.get(from..).unwrap_or(&[]).iter().take_while(|one| item(one) == wanted);
        found.extend(same.enumerate().map(|(more, one)| give(from + more, one)));
        if from >= list.len() {
            break;
        }
    }
    found
}

/// How many stand before the first that is not `before`: steps that double, then halves.
fn gallop<T>(list: &[T], before: impl Fn(&T) -> bool) -> usize {
    let mut step = 1;
    while list.get(step).is_some_and(&before) {
        step *= 2;
    }
    let near = list.get(..(step + 1).min(list.len())).unwrap_or(&[]);
    near.partition_point(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn documents_and_bits_equal_looking_at_each(
            mut of in prop::collection::vec(0_u32..400, 0..300),
            wanted in prop::collection::btree_set(0_u32..500, 0..200),
            shape in 0..3,
            from in 0_u32..320,
        ) {
            match shape {
                0 => {}
                1 => { of.sort_unstable(); of.dedup(); }
                _ => of = (7..7 + of.len() as u32).collect(),
            }
            let items = Items::new(of.clone());
            let wanted: RoaringBitmap = wanted.into_iter().collect();
            let mut documents = items.documents(&wanted);
            documents.sort_unstable();
            let each: Vec<(DocId, u32)> = (0..).zip(of.iter().copied()).filter(|(_, id)| wanted.contains(*id)).collect();
            prop_assert_eq!(&documents, &each);
            let mask = items.among(&Bits::of(&wanted, items.last()), from);
            for at in 0..64 {
                let is_in = each.iter().any(|(doc, _)| *doc == from + at);
                prop_assert_eq!(mask >> at & 1 == 1, is_in, "{}", at);
            }
        }
    }
}
