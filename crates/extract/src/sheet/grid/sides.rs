//! Tables that stand side by side on a sheet.
//!
//! A column that is empty all the way down may part two tables, or the years of one. Two are told from one by what each
//! side has on its own ([`rows_of_table`]): at least two columns, words above every one of them, in the first one names
//! for its rows, all different, and rows that end well before or after those beside them. Where one side lacks that, all
//! stay one table: what is torn apart loses more than what stands beside something else.

use super::{Place, Rows, follows, is_title};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// With more sides than this a sheet is no row of tables.
const MOST_SIDES: usize = 16;
/// Rows that one of two tables has more than the other.
const APART: usize = 2;
/// Rows whose names are compared.
const NAMED_ROWS: usize = 1_000;

/// The columns of the tables that some rows without an empty one between hold, from the left.
pub(super) fn part(region: &[Place], text: &str) -> Vec<RangeInclusive<u32>> {
    let mut columns: Vec<u32> = region.iter().map(|place| place.column).collect();
    columns.sort_unstable();
    columns.dedup();
    let spans = columns.chunk_by(|one, other| other - one == 1).take(MOST_SIDES + 1);
    let sides = spans.filter_map(|span| Some(*span.first()?..=*span.last()?));
    let sides: Vec<RangeInclusive<u32>> = sides.collect();
    let several = (2..=MOST_SIDES).contains(&sides.len());
    if several {
        let rows = sides.iter().map(|columns| rows_of_table(region, columns, text));
        let mut rows: Vec<usize> = rows.collect::<Option<_>>().unwrap_or_default();
        rows.sort_unstable();
        let apart = |pair: &[usize]| matches!(pair, [one, other] if other - one >= APART);
        if !rows.is_empty() && rows.windows(2).all(apart) {
            return sides;
        }
    }
    vec![0..=u32::MAX]
}

/// How many rows the cells in columns between two empty ones have when they are a table without those beside them.
fn rows_of_table(region: &[Place], columns: &RangeInclusive<u32>, text: &str) -> Option<usize> {
    let (first, last) = (*columns.start(), *columns.end());
    let mut rows = Rows { places: region, columns: columns.clone() };
    let mut head = rows.next();
    while let Some(row) = head.filter(|row| is_title(row, rows.clone())) {
        head = rows.next().filter(|below| follows(row, below));
    }
    let head = head?;
    // As many cells as columns: none is empty.
    let full = head.len() > 1 && head.len() - 1 == (last - first) as usize;
    if !full || !head.iter().all(|place| place.words) {
        return None;
    }
    let (mut above, mut count, mut names) = (head, 0_usize, HashSet::new());
    for row in rows {
        // Further rows of a side that has ended may be those of a table below all.
        let name = row.first().filter(|_| follows(above, row))?;
        if count < NAMED_ROWS {
            let text = name.text(text);
            let named = name.words && name.column == first && text.contains(char::is_alphabetic);
            if !named || !names.insert(text) {
                return None;
            }
        }
        count += 1;
        above = row;
    }
    (count > 1).then_some(count)
}
