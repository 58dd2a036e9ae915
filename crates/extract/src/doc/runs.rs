//! Formatting runs: 512-byte pages that tell, for stretches of the file, what paragraphs and
//! characters are.

use super::bytes::{offset_at, slice, u8_at, u16_at, u32_at};
use super::fib::Fib;

const PAGE_BYTES: usize = 512;
/// Most formatting pages read per kind.
const MAX_PAGES: usize = 1 << 16;

/// What a paragraph is, as far as it is told directly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Paragraph {
    /// Number of its style.
    pub(super) style: u16,
    pub(super) in_table: bool,
    pub(super) row_end: bool,
    /// Heading level from 1.
    pub(super) outline: Option<u8>,
    pub(super) listed: bool,
    pub(super) level: u8,
}

/// The runs of a document by file offset.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// (start, end, paragraph), ascending.
    paragraphs: Vec<(u32, u32, Paragraph)>,
    /// Stretches of hidden or deleted characters, ascending.
    left_out: Vec<(u32, u32)>,
}

impl Runs {
    /// Damaged pages are passed over: their text is plain then.
    pub(super) fn read(main: &[u8], table: &[u8], fib: &Fib) -> Self {
        let mut runs = Self::default();
        for page in pages(main, slice(table, fib.paragraph_runs.0, fib.paragraph_runs.1)) {
            each_run(page, 13, |start, end, word| {
                runs.paragraphs.push((start, end, paragraph(page, word)));
            });
        }
        for page in pages(main, slice(table, fib.character_runs.0, fib.character_runs.1)) {
            each_run(page, 1, |start, end, word| {
                if is_left_out(page, word) {
                    runs.left_out.push((start, end));
                }
            });
        }
        runs.paragraphs.sort_unstable_by_key(|(start, ..)| *start);
        runs.left_out.sort_unstable();
        runs
    }

    /// The paragraph whose mark stands at `offset`.
    pub(super) fn paragraph(&self, offset: u32) -> Paragraph {
        let after = self.paragraphs.partition_point(|(start, ..)| *start <= offset);
        let found = after.checked_sub(1).and_then(|at| self.paragraphs.get(at));
        found.filter(|(_, end, _)| offset < *end).map(|(.., paragraph)| *paragraph).unwrap_or_default()
    }

    pub(super) fn is_left_out(&self, offset: u32) -> bool {
        let after = self.left_out.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).and_then(|at| self.left_out.get(at)).is_some_and(|(_, end)| offset < *end)
    }
}

/// The formatting pages a table names.
fn pages<'m>(main: &'m [u8], plc: &[u8]) -> Vec<&'m [u8]> {
    let count = (plc.len().saturating_sub(4) / 8).min(MAX_PAGES);
    let page = |n: usize| {
        let number = offset_at(plc, (count + 1) * 4 + n * 4)? & 0x003f_ffff;
        Some(slice(main, number.checked_mul(PAGE_BYTES)?, PAGE_BYTES)).filter(|page| page.len() == PAGE_BYTES)
    };
    (0..count).filter_map(page).collect()
}

/// Calls `each` with start, end and the place (in the page) of each run's properties, 0 = none.
fn each_run(page: &[u8], entry: usize, mut each: impl FnMut(u32, u32, usize)) {
    let count = usize::from(u8_at(page, PAGE_BYTES - 1).unwrap_or(0));
    for n in 0..count {
        let (Some(start), Some(end)) = (u32_at(page, n * 4), u32_at(page, n * 4 + 4)) else { return };
        let Some(place) = u8_at(page, (count + 1) * 4 + n * entry) else { return };
        if start < end {
            each(start, end, usize::from(place) * 2);
        }
    }
}

fn paragraph(page: &[u8], place: usize) -> Paragraph {
    let mut paragraph = Paragraph::default();
    if place == 0 {
        return paragraph;
    }
    let (start, length) = match u8_at(page, place) {
        Some(0) => (place + 2, usize::from(u8_at(page, place + 1).unwrap_or(0)) * 2),
        Some(words) => (place + 1, usize::from(words) * 2 - 1),
        None => return paragraph,
    };
    let properties = slice(page, start, length);
    paragraph.style = u16_at(properties, 0).unwrap_or(0);
    each_property(properties.get(2..).unwrap_or_default(), |code, operand| {
        let value = operand.first().copied().unwrap_or(0);
        match code {
            0x2416 => paragraph.in_table = value != 0,
            0x2417 => paragraph.row_end = value != 0,
            0x6649 => paragraph.in_table |= value != 0,
            0x2640 => paragraph.outline = (value < 9).then_some(value + 1),
            0x260a => paragraph.level = value,
            0x460b => paragraph.listed = u16_at(operand, 0).is_some_and(|list| list != 0 && list != 0xf801),
            _ => {}
        }
    });
    paragraph
}

fn is_left_out(page: &[u8], place: usize) -> bool {
    if place == 0 {
        return false;
    }
    let length = usize::from(u8_at(page, place).unwrap_or(0));
    let (mut hidden, mut deleted) = (false, false);
    each_property(slice(page, place + 1, length), |code, operand| {
        let on = operand.first().is_some_and(|value| *value & 1 == 1);
        match code {
            0x083c => hidden = on,
            0x0800 => deleted = on,
            _ => {}
        }
    });
    hidden || deleted
}

/// Walks a list of property codes with their operands.
fn each_property(mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) {
    while let Some(code) = u16_at(rest, 0) {
        rest = rest.get(2..).unwrap_or_default();
        let size = match (code, code >> 13) {
            (_, 0 | 1) => 1,
            (_, 2 | 4 | 5) => 2,
            (_, 3) => 4,
            (_, 7) => 3,
            (0xd608, _) => usize::from(u16_at(rest, 0).unwrap_or(0)) + 1,
            _ => usize::from(u8_at(rest, 0).unwrap_or(0)) + 1,
        };
        each(code, slice(rest, 0, size));
        rest = rest.get(size..).unwrap_or_default();
    }
}
