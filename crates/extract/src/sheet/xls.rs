//! Old workbooks (XLS), of Excel 5 (1993) to 2003, after [MS-XLS].
//!
//! What the file claims (places, counts, dimensions) is never believed: work and memory are bounded by its length.

mod records;

use super::formats::Format;
use super::grid::Grid;
use super::{FORMAT, Sheet};
use crate::Error;
use crate::doc::bytes::{u8_at, u16_at, u32_at};
use crate::document::Builder;
use crate::limits::Limits;
use crate::rtf::codepage::Charset;
use calamine::CellErrorType;
use records::{Letters, Record, Records, Strings, is_beginning};
use std::collections::HashMap;

/// Ends a stream of records.
const END: u16 = 0x000a;

/// Reads a whole workbook.
pub(super) fn read(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    crate::compound::check(FORMAT, bytes)?;
    let stream = crate::compound::stream(bytes, &["Workbook", "Book"], limits.max_part_bytes)
        .ok_or_else(|| Error::broken(FORMAT, "it holds no workbook; save it again"))?;
    let book = Book::read(&stream)?;
    // Sound sheets lie side by side; a file whose sheets overlap must not be read over and over.
    let mut left = stream.len();
    let visible = book.sheets.iter().filter(|sheet| sheet.0.visible).count();
    for (sheet, at) in &book.sheets {
        if !sheet.visible {
            builder.warn(format!("the hidden sheet {:?} was left out", sheet.name));
            continue;
        }
        let records = Records(stream.get(*at..).unwrap_or_default());
        if !records.into_iter().next().is_some_and(|first| is_beginning(&first)) {
            super::unread(&sheet.name, "it is not where the file says", builder);
            continue;
        }
        let mut grid = Grid::new(limits);
        Cells { book: &book, grid: &mut grid, formula: None }.read(records, &mut left);
        grid.write((visible > 1).then_some(&sheet.name), builder);
        if builder.is_full() {
            break;
        }
    }
    Ok(())
}

/// What holds for all sheets.
#[derive(Debug, Default)]
struct Book {
    letters: Letters,
    /// Days are counted from 1904 on, not from 1900.
    since_1904: bool,
    /// How the numbers of each cell style are shown.
    styles: Vec<Format>,
    strings: Strings,
    /// The sheets with cells, and where each begins.
    sheets: Vec<(Sheet, usize)>,
}

impl Book {
    fn read(stream: &[u8]) -> Result<Self, Error> {
        let mut book = Self::default();
        let mut codes: HashMap<u16, Format> = HashMap::new();
        let mut styles: Vec<u16> = Vec::new();
        let mut begun = false;
        for record in Records(stream) {
            let data = record.data;
            match record.kind {
                0x0809 if !begun => {
                    begun = true;
                    book.letters.old = is_old(data).then(Charset::default);
                }
                // What follows is encrypted.
                0x002f => return Err(Error::Encrypted),
                0x0042 if book.letters.old.is_some() => {
                    book.letters.old = u16_at(data, 0).map(charset);
                }
                0x0022 => book.since_1904 = u16_at(data, 0) == Some(1),
                0x041e => book.read_format(&record, &mut codes),
                // Cells name a style in two bytes.
                0x00e0 if styles.len() <= usize::from(u16::MAX) => styles.extend(u16_at(data, 2)),
                0x0085 => book.read_sheet(&record),
                0x00fc => book.strings = Strings::read(record.pieces()),
                END => break,
                _ => {}
            }
        }
        if !begun {
            return Err(Error::broken(FORMAT, "its first part is not a workbook's; save it again"));
        }
        let format = |number: u16| codes.get(&number).cloned().unwrap_or_else(|| Format::of_number(number));
        book.styles = styles.into_iter().map(format).collect();
        Ok(book)
    }

    fn read_format(&self, record: &Record<'_>, codes: &mut HashMap<u16, Format>) {
        let mut pieces = record.pieces();
        let number = pieces.u16();
        let code = self.letters.string(&mut pieces, self.letters.old.is_none());
        if let (Some(number), Some(code)) = (number, code) {
            codes.insert(number, Format::of_code(&code));
        }
    }

    fn read_sheet(&mut self, record: &Record<'_>) {
        let mut pieces = record.pieces();
        let (at, state, kind) = (pieces.u32(), pieces.u8(), pieces.u8());
        let name = self.letters.string(&mut pieces, false).unwrap_or_default().replace('\0', "");
        // Charts and programs have no cells.
        let (Some(at), Some(state), Some(0 | 1)) = (at, state, kind) else { return };
        self.sheets.push((Sheet { name, visible: state & 3 == 0 }, at as usize));
    }

    fn number(&self, style: Option<u16>, number: f64) -> String {
        let format = style.and_then(|style| self.styles.get(usize::from(style)));
        crate::clean::line(&format.unwrap_or(&Format::Plain).text(number, self.since_1904))
    }
}

/// Whether a workbook is older than Excel 97, by its first record.
fn is_old(data: &[u8]) -> bool {
    match u16_at(data, 0) {
        Some(0x0600) | None => false,
        Some(0) => u16_at(data, 2) == Some(0x1000),
        Some(version) => version <= 0x0500,
    }
}

/// The character set of a code page; the two high numbers are those of old Macintosh and Windows programs.
fn charset(page: u16) -> Charset {
    match page {
        0x8000 => Charset::of_codepage(10_000),
        page => Charset::of_codepage(i32::from(page)),
    }
}

/// Reads the cells of one sheet.
struct Cells<'a> {
    book: &'a Book,
    grid: &'a mut Grid,
    /// The cell of a formula whose text comes in a record of its own.
    formula: Option<(u16, u16)>,
}

impl Cells<'_> {
    fn read(&mut self, records: Records<'_>, left: &mut usize) {
        // Charts within a sheet are streams within its stream.
        let mut depth = 0_usize;
        for record in records {
            let Some(now) = left.checked_sub(record.data.len() + 4) else { return };
            *left = now;
            if is_beginning(&record) {
                depth += 1;
            } else if record.kind == END {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
            } else if depth == 1 && self.read_record(&record) == Some(false) {
                self.grid.note_cut();
                return;
            }
        }
    }

    /// Adds the cells of a record; `Some(false)` when the grid is full, `None` when it holds none.
    fn read_record(&mut self, record: &Record<'_>) -> Option<bool> {
        let (data, book) = (record.data, self.book);
        if record.kind == 0x0207 {
            let (row, column) = self.formula.take()?;
            let text = book.letters.string(&mut record.pieces(), true)?;
            return Some(self.grid.push_raw(row.into(), column.into(), &text));
        }
        let (row, column, style) = (u16_at(data, 0)?, u16_at(data, 2)?, u16_at(data, 4));
        let value = match record.kind {
            0x0203 => book.number(style, f64_at(data, 6)?),
            0x0204 | 0x00d6 => {
                let mut pieces = record.pieces();
                pieces.skip(6);
                let text = book.letters.string(&mut pieces, true)?;
                return Some(self.grid.push_raw(row.into(), column.into(), &text));
            }
            0x0205 => truth_or_error(u8_at(data, 6)?, u8_at(data, 7)?)?,
            0x027e => book.number(style, compact(u32_at(data, 6)?)),
            0x00fd => {
                let text = book.strings.get(u32_at(data, 6)? as usize)?;
                return Some(self.grid.push_raw(row.into(), column.into(), text));
            }
            0x00bd => return Some(self.read_several(row, column, data)),
            0x0006 => self.formula_value(row, column, data)?,
            _ => return None,
        };
        Some(self.grid.push_value(row.into(), column.into(), &value))
    }

    /// A row of compact numbers: six bytes each, then the last column.
    fn read_several(&mut self, row: u16, first: u16, data: &[u8]) -> bool {
        let numbers = data.get(4..data.len().saturating_sub(2)).unwrap_or_default().chunks_exact(6);
        for (column, number) in (u32::from(first)..).zip(numbers) {
            let value = self.book.number(u16_at(number, 0), compact(u32_at(number, 2).unwrap_or(0)));
            if !self.grid.push_value(row.into(), column, &value) {
                return false;
            }
        }
        true
    }

    /// The value stored with a formula; a text follows later.
    fn formula_value(&mut self, row: u16, column: u16, data: &[u8]) -> Option<String> {
        self.formula = None;
        if u16_at(data, 12)? != 0xffff {
            return Some(self.book.number(u16_at(data, 4), f64_at(data, 6)?));
        }
        match u8_at(data, 6)? {
            0 => {
                self.formula = Some((row, column));
                None
            }
            kind @ (1 | 2) => truth_or_error(u8_at(data, 8)?, kind - 1),
            _ => None,
        }
    }
}

fn f64_at(data: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_le_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// A number in four bytes: whole or the upper half of a float, perhaps to be divided by a hundred.
fn compact(bits: u32) -> f64 {
    let number =
        if bits & 2 != 0 { f64::from(bits as i32 >> 2) } else { f64::from_bits(u64::from(bits & !3) << 32) };
    if bits & 1 != 0 { number / 100.0 } else { number }
}

/// A truth value, or an error when `kind` is 1.
fn truth_or_error(value: u8, kind: u8) -> Option<String> {
    if kind == 0 {
        return Some((value != 0).to_string());
    }
    let error = match value {
        0x00 => CellErrorType::Null,
        0x07 => CellErrorType::Div0,
        0x0f => CellErrorType::Value,
        0x17 => CellErrorType::Ref,
        0x1d => CellErrorType::Name,
        0x24 => CellErrorType::Num,
        0x2a => CellErrorType::NA,
        0x2b => CellErrorType::GettingData,
        _ => return None,
    };
    Some(error.to_string())
}

#[cfg(test)]
mod tests;
