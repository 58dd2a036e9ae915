//! Numbers in the vector index for rows of several passages.
//!
//! The first passage of a row has the row's id, the others numbers from above all row ids. Invariant:
//! a number is of one row at most.

use imbl::OrdMap;
use roaring::RoaringBitmap;

/// Row ids end below.
const FIRST: u32 = 1 << 31;

#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    used: u32,
    /// First number and how many, by row.
    of_row: OrdMap<u32, (u32, u32)>,
    /// Row, by first number.
    row_of: OrdMap<u32, u32>,
}

impl Extras {
    /// Numbers for the passages of a row, which must have none; `None` when all are used up (then the
    /// index is to be built anew).
    pub(crate) fn assign(&mut self, row: u32, passages: usize) -> Option<Vec<u32>> {
        let more = u32::try_from(passages.saturating_sub(1)).ok()?;
        let mut numbers = vec![row];
        if more > 0 {
            let first = FIRST + self.used;
            let used = self.used.checked_add(more).filter(|used| *used < FIRST)?;
            self.used = used;
            self.of_row.insert(row, (first, more));
            self.row_of.insert(first, row);
            numbers.extend(first..first + more);
        }
        numbers.truncate(passages);
        Some(numbers)
    }

    /// Takes a row's numbers away and answers them.
    pub(crate) fn release(&mut self, row: u32) -> Vec<u32> {
        let mut numbers = vec![row];
        if let Some((first, more)) = self.of_row.remove(&row) {
            self.row_of.remove(&first);
            numbers.extend(first..first + more);
        }
        numbers
    }

    /// The row a number is of.
    pub(crate) fn row(&self, number: u32) -> u32 {
        if number < FIRST {
            return number;
        }
        self.row_of.get_prev(&number).map_or(number, |(_, row)| *row)
    }

    /// The numbers of these rows, the rows' own included.
    pub(crate) fn widen(&self, rows: &RoaringBitmap) -> RoaringBitmap {
        let mut numbers = rows.clone();
        for (row, (first, more)) in &self.of_row {
            if rows.contains(*row) {
                numbers.insert_range(*first..first + more);
            }
        }
        numbers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of_row.is_empty()
    }

    /// Rough size in memory.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.of_row.len() * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_rows() {
        let mut extras = Extras::default();
        assert_eq!(extras.assign(7, 1), Some(vec![7]));
        assert!(extras.is_empty());
        let nine = extras.assign(9, 3).unwrap_or_default();
        let ten = extras.assign(10, 2).unwrap_or_default();
        assert_eq!((nine.len(), ten.len()), (3, 2));
        assert!(nine.iter().all(|number| extras.row(*number) == 9) && extras.row(7) == 7);
        assert!(ten.iter().all(|number| extras.row(*number) == 10));
        let wide = extras.widen(&[7, 10].into_iter().collect());
        assert_eq!(wide.iter().collect::<Vec<_>>(), [&[7], ten.as_slice()].concat());
        assert_eq!(extras.release(9), nine);
        assert_eq!(extras.release(9), [9]);
        assert_eq!(extras.assign(11, 0), Some(vec![]));
        assert_eq!(extras.assign(12, usize::MAX), None);
    }
}
