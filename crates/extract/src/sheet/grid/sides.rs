//! Tables that stand side by side on a sheet.
//!
//! A column that is empty all the way down may part two tables, or the years of one. Two are told from one by what each
//! side has on its own ([`is_table`]): at least two columns, words above every one of them, and in the first one names
//! for its rows, all different. Where one side lacks that, all stay one table. So a table with an empty column in its
//! midst and such names on both sides of it is parted, though it may be one.

use super::{Place, Rows, follows, is_title};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// With more sides than this a sheet is no row of tables.
const MOST_SIDES: usize = 16;
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
    if several && sides.iter().all(|columns| is_table(region, columns, text)) {
        return sides;
    }
    vec![0..=u32::MAX]
}

/// Whether the cells in columns between two empty ones are a table without those beside them.
fn is_table(region: &[Place], columns: &RangeInclusive<u32>, text: &str) -> bool {
    let (first, last) = (*columns.start(), *columns.end());
    let mut rows = Rows { places: region, columns: columns.clone() };
    let mut head = rows.next();
    while let Some(row) = head.filter(|row| is_title(row, rows.clone())) {
        head = rows.next().filter(|below| follows(row, below));
    }
    let Some(head) = head else { return false };
    // As many cells as columns: none is empty.
    let full = head.len() > 1 && head.len() - 1 == (last - first) as usize;
    if !full || !head.iter().all(|place| place.words) {
        return false;
    }
    let (mut above, mut count, mut names) = (head, 0_usize, HashSet::new());
    for row in rows {
        // Further rows of a side that has ended may be those of a table below all.
        let Some(name) = row.first().filter(|_| follows(above, row)) else { return false };
        if count < NAMED_ROWS {
            let text = name.text(text);
            let named = name.words && name.column == first && text.contains(char::is_alphabetic);
            if !named || !names.insert(text) {
                return false;
            }
        }
        count += 1;
        above = row;
    }
    count > 1
}
