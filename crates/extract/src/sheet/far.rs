//! Old workbooks (XLS) whose cells lie so far apart that the rectangle around them would not fit into memory.
//!
//! Record layout after [MS-XLS]: kind and length, two bytes each, then row and column of a cell.

use super::FORMAT;
use crate::Error;
use crate::doc::bytes::{u16_at, u32_at};
use std::io::{Cursor, Read};

/// Most cells of the rectangle around all cells of a sheet; the library keeps a place for each.
const MAX_CELLS: u64 = 8_000_000;
/// Begins a sheet.
const BEGINS: u16 = 0x0809;
/// DIMENSIONS: the rectangle a sheet claims, whose places the library reserves.
const CLAIM: u16 = 0x0200;
/// Says that what follows is encrypted.
const ENCRYPTED: u16 = 0x002f;
/// Records that begin with the row and the column of a cell: FORMULA, BLANK, NUMBER, LABEL, BOOLERR, RK, LABELSST,
/// RSTRING, and MULRK and MULBLANK, which end with their last column.
const CELLS: [u16; 10] = [0x0006, 0x0201, 0x0203, 0x0204, 0x0205, 0x027e, 0x00fd, 0x00d6, 0x00bd, 0x00be];
const SEVERAL: [u16; 2] = [0x00bd, 0x00be];

/// Refuses a workbook with such a sheet. What cannot be read here is left to the library, which forgives more.
///
/// # Errors
/// [`Error::Broken`].
pub(super) fn check(bytes: &[u8], most: u64) -> Result<(), Error> {
    let Ok(mut file) = cfb::CompoundFile::open(Cursor::new(bytes)) else { return Ok(()) };
    for name in ["/Workbook", "/Book"] {
        let Ok(stream) = file.open_stream(name) else { continue };
        let mut records = Vec::new();
        if stream.take(most).read_to_end(&mut records).is_ok() && spans_too_much(&records) {
            let reason =
                "the cells of a sheet lie too far apart; delete those far from the table and save it again";
            return Err(Error::broken(FORMAT, reason));
        }
    }
    Ok(())
}

/// Whether the rectangle around the cells of some sheet is larger than [`MAX_CELLS`].
fn spans_too_much(records: &[u8]) -> bool {
    let mut rest = records;
    // First and last row, first and last column.
    let mut around: Option<[u16; 4]> = None;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let (kind, length) = (u16_at(head, 0).unwrap_or(0), usize::from(u16_at(head, 2).unwrap_or(0)));
        let Some((data, after)) = after.split_at_checked(length) else { return false };
        rest = after;
        if kind == ENCRYPTED {
            return false; // the numbers mean nothing, and the library says why it cannot read them
        }
        if kind == CLAIM && claimed(data) > MAX_CELLS {
            return true;
        }
        if kind == BEGINS {
            around = None;
        } else if CELLS.contains(&kind)
            && let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2))
        {
            let last = if SEVERAL.contains(&kind) { u16_at(data, length.saturating_sub(2)) } else { None };
            let last = last.unwrap_or(first).max(first);
            let [top, bottom, left, right] = around.unwrap_or([row, row, first, last]);
            let now = [top.min(row), bottom.max(row), left.min(first), right.max(last)];
            around = Some(now);
            let side = |low: u16, high: u16| u64::from(high - low) + 1;
            if side(now[0], now[1]) * side(now[2], now[3]) > MAX_CELLS {
                return true;
            }
        }
    }
    false
}

/// Cells of a claimed rectangle: first row and the one after the last (four bytes each since 1997, two before), then
/// the same of columns.
fn claimed(data: &[u8]) -> u64 {
    let number = |at: usize| u64::from(u16_at(data, at).unwrap_or(0));
    let long = |at: usize| u64::from(u32_at(data, at).unwrap_or(0));
    let [top, bottom, left, right] = match data.len() {
        ..14 => [number(0), number(2), number(4), number(6)],
        _ => [long(0), long(4), number(8), number(10)],
    };
    // Where the first is wrong the library takes the beginning.
    let side = |low: u64, high: u64| if low < high { high - low } else { high };
    side(top, bottom).saturating_mul(side(left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, words: &[u16]) -> Vec<u8> {
        let length = u16::try_from(words.len() * 2).unwrap_or(0);
        [&[kind, length], words].concat().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn what_is_no_sound_compound_file_is_left_to_the_library() {
        assert_eq!(check(b"no compound file", 1_000), Ok(()));
        assert_eq!(check(&[], 1_000), Ok(()));
    }

    #[test]
    fn far_cells_are_told_from_large_tables() {
        let sheet = |cells: &[(u16, u16)]| {
            let cells = cells.iter().flat_map(|(row, column)| record(0x0203, &[*row, *column, 0, 0]));
            [record(BEGINS, &[0]), cells.collect()].concat()
        };
        assert!(!spans_too_much(&sheet(&[(0, 0), (65_535, 100)])));
        assert!(spans_too_much(&sheet(&[(0, 0), (65_535, 255)])));
        assert!(spans_too_much(&sheet(&[(3, 0), (200, 60_000)])));
        assert!(!spans_too_much(&sheet(&[(65_535, 60_000)])), "alone it is one cell");
        let apart = [sheet(&[(0, 0)]), sheet(&[(65_535, 60_000)])].concat();
        assert!(!spans_too_much(&apart), "each in its own sheet");
        let several = [sheet(&[(60_000, 0)]), record(0x00bd, &[0, 0, 7, 7, 7, 60_000])].concat();
        assert!(spans_too_much(&several));
        assert!(!spans_too_much(&several[..several.len() - 1]), "a record cut off is not read");
        assert!(spans_too_much(&record(CLAIM, &[0, 0, 0, 1, 0, 255, 0])), "65,536 rows of 255");
        assert!(!spans_too_much(&record(CLAIM, &[0, 0, 0, 1, 0, 100, 0])));
        assert!(spans_too_much(&record(CLAIM, &[0, 60_000, 0, 255, 0])), "an old one");
        let encrypted = [record(ENCRYPTED, &[1]), sheet(&[(0, 0), (65_535, 60_000)])].concat();
        assert!(!spans_too_much(&encrypted));
        assert!(!spans_too_much(&[]) && !spans_too_much(&record(0x0203, &[1])));
    }
}
