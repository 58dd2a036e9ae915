//! Word 97–2003 documents (and plain ones of Word 2 to 95), read from their streams.
//!
//! Structure after the published binary format [MS-DOC]: the piece table gives the text, paragraph
//! runs give style, list and table membership, character runs tell hidden and deleted text. Every
//! offset comes from the file and is checked against the stream it points into.

pub(crate) mod bytes;
mod fib;
mod runs;
mod styles;
mod summary;

use crate::Error;
use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::limits::Limits;
use encoding_rs::Encoding;
use fib::Fib;
use runs::{Paragraph, Runs};
use std::io::{Cursor, Read};
use styles::Styles;

/// The format's name in errors.
const FORMAT: &str = "DOC";

/// Reads a whole document.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    if is_bare(bytes) {
        return read(bytes, &Fib::read(bytes)?, &[], limits, builder);
    }
    crate::compound::check(FORMAT, bytes)?;
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|e| Error::broken(FORMAT, e))?;
    let mut stream = |name: &str| -> Result<Vec<u8>, Error> {
        let opened = file.open_stream(name).map_err(|e| Error::broken(FORMAT, e))?;
        let mut data = Vec::new();
        opened.take(limits.max_part_bytes).read_to_end(&mut data).map_err(|e| Error::broken(FORMAT, e))?;
        Ok(data)
    };
    let main = stream("/WordDocument")?;
    let fib = Fib::read(&main)?;
    let table = match fib.table_name() {
        Some(name) => stream(name)?,
        None => Vec::new(),
    };
    let facts = stream(summary::STREAM).unwrap_or_default();
    summary::read(&facts, builder);
    read(&main, &fib, &table, limits, builder)
}

/// Whether a file is the main stream of a document alone, as Word 2 wrote it.
pub(crate) fn is_bare(bytes: &[u8]) -> bool {
    let known = [[0xdb, 0xa5], [0xdc, 0xa5], [0x9b, 0xa5]];
    known.iter().any(|magic| bytes.starts_with(magic)) && fib::is_known_version(bytes)
}

fn read(main: &[u8], fib: &Fib, table: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let pieces = fib.pieces(main, table)?;
    let runs = Runs::read(main, table, fib);
    let styles = Styles::read(table, fib);
    let text = Text::decode(main, &pieces, fib.encoding(), limits, builder);
    read_parts(&fib.parts(), &text, &runs, &styles, builder);
    if builder.is_empty() {
        // A form may have its words in its headers only.
        read_parts(&[fib.headers()], &text, &runs, &styles, builder);
    }
    Ok(())
}

fn read_parts(parts: &[(usize, usize)], text: &Text, runs: &Runs, styles: &Styles, builder: &mut Builder) {
    let mut body = Body {
        flow: Flow::new(builder),
        styles,
        table: false,
        row: false,
        lists: 0,
        fields: Vec::new(),
        shift: 0,
    };
    for part in parts {
        body.read(text.part(*part), runs);
    }
    body.flow.finish();
}

/// The characters of the document with the file offset of each.
struct Text {
    chars: Vec<(char, u32)>,
}

impl Text {
    fn decode(
        main: &[u8],
        pieces: &[fib::Piece],
        encoding: &'static Encoding,
        limits: &Limits,
        builder: &mut Builder,
    ) -> Self {
        let mut chars = Vec::new();
        for piece in pieces {
            let width = if piece.wide { 2 } else { 1 };
            let length = piece.chars.saturating_mul(width);
            let bytes = bytes::slice(main, piece.offset, length);
            if bytes.len() < length {
                builder.warn("the file is damaged; text may be missing".to_owned());
            }
            if chars.len() + bytes.len() / width > limits.max_text_chars {
                builder.warn(format!("only the first {} characters were read", limits.max_text_chars));
                break;
            }
            let at = |n: usize| u32::try_from(piece.offset + n * width).unwrap_or(u32::MAX);
            if piece.wide {
                let units = bytes.chunks_exact(2).map(|pair| match pair {
                    [low, high] => u16::from_le_bytes([*low, *high]),
                    _ => 0,
                });
                // One entry per unit keeps positions equal to the file's; a pair's second half is empty.
                let mut n = 0;
                for decoded in char::decode_utf16(units) {
                    let c = decoded.unwrap_or('\u{fffd}');
                    chars.push((c, at(n)));
                    n += c.len_utf16();
                    if c.len_utf16() == 2 {
                        chars.push(('\0', at(n - 1)));
                    }
                }
            } else {
                chars.extend(narrow(bytes, encoding).into_iter().enumerate().map(|(n, c)| (c, at(n))));
            }
        }
        Self { chars }
    }

    fn part(&self, (start, length): (usize, usize)) -> &[(char, u32)] {
        let start = start.min(self.chars.len());
        let end = start.saturating_add(length).min(self.chars.len());
        self.chars.get(start..end).unwrap_or_default()
    }
}

/// Text of one byte a character, one entry per byte: the second byte of a pair is empty.
fn narrow(bytes: &[u8], encoding: &'static Encoding) -> Vec<char> {
    let decode = |bytes: &[u8]| encoding.decode_without_bom_handling(bytes).0.into_owned();
    if encoding.is_single_byte() {
        return decode(bytes).chars().collect();
    }
    let mut chars = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let leads = matches!(first, 0x81..=0x9f | 0xe0..=0xfc) && !after.is_empty();
        let (unit, after) = rest.split_at(if leads { 2 } else { 1 });
        chars.push(decode(unit).chars().next().unwrap_or('\u{fffd}'));
        chars.extend(leads.then_some('\0'));
        rest = after;
    }
    chars
}

/// An open field: its instruction is left out, its result is text.
enum Field {
    Instruction,
    Result,
}

struct Body<'b, 's> {
    flow: Flow<'b>,
    styles: &'s Styles,
    table: bool,
    row: bool,
    lists: usize,
    fields: Vec<Field>,
    shift: u8,
}

impl Body<'_, '_> {
    fn read(&mut self, chars: &[(char, u32)], runs: &Runs) {
        self.fields.clear();
        for (c, offset) in chars {
            match c {
                '\u{13}' => self.fields.push(Field::Instruction),
                '\u{14}' => {
                    if let Some(field) = self.fields.last_mut() {
                        *field = Field::Result;
                    }
                }
                '\u{15}' => {
                    self.fields.pop();
                }
                '\r' | '\u{c}' | '\u{7}' | '\u{e}' => self.end_paragraph(*c, &runs.paragraph(*offset)),
                _ if self.fields.iter().any(|field| matches!(field, Field::Instruction)) => {}
                _ if runs.is_left_out(*offset) => {}
                '\u{b}' => self.flow.text("\n"),
                '\u{1e}' => self.flow.text("-"),
                // Pictures, drawn objects, note and comment marks.
                '\u{1}' | '\u{2}' | '\u{5}' | '\u{8}' | '\u{1f}' | '\0' => {}
                c => self.flow.text(c.encode_utf8(&mut [0; 4])),
            }
            if self.flow.builder.is_full() {
                break;
            }
        }
        self.end_paragraph('\r', &Paragraph::default());
        self.end_table();
        self.end_lists(0);
    }

    fn end_paragraph(&mut self, mark: char, paragraph: &Paragraph) {
        if paragraph.in_table || mark == '\u{7}' {
            self.in_table(mark, paragraph);
            return;
        }
        let text = self.flow.take_text();
        self.end_table();
        let level = paragraph.outline.or_else(|| self.styles.heading(paragraph.style));
        match level {
            Some(level) => {
                self.end_lists(0);
                let is_title = level == 0;
                if is_title && !text.trim().is_empty() {
                    self.flow.builder.set_title(&crate::clean::line(&text));
                    if self.flow.builder.is_empty() {
                        self.shift = 1;
                    }
                }
                self.flow.text(&text);
                let level = if is_title { 1 } else { level.saturating_add(self.shift) };
                self.flow.end(Unit::Heading(level));
            }
            None if paragraph.listed && !text.trim().is_empty() => {
                let depth = usize::from(paragraph.level.min(8)) + 1;
                self.end_lists(depth);
                while self.lists < depth {
                    self.flow.begin_list(None);
                    self.lists += 1;
                }
                self.flow.begin_item_with("-");
                self.flow.text(&text);
                self.flow.end_paragraph();
            }
            None => {
                if !text.trim().is_empty() {
                    self.end_lists(0);
                }
                self.flow.text(&text);
                self.flow.end_paragraph();
            }
        }
    }

    fn in_table(&mut self, mark: char, paragraph: &Paragraph) {
        let text = self.flow.take_text();
        if !self.table {
            self.end_lists(0);
            self.flow.begin_table();
            self.table = true;
            self.row = false;
        }
        if mark == '\u{7}' && paragraph.row_end {
            self.row = false;
            return;
        }
        if !self.row {
            self.flow.begin_row();
            self.flow.begin_cell(false, 1, 1);
            self.row = true;
        }
        self.flow.text(&text);
        self.flow.end_paragraph();
        if mark == '\u{7}' {
            self.flow.begin_cell(false, 1, 1);
        }
    }

    fn end_table(&mut self) {
        if std::mem::take(&mut self.table) {
            self.flow.end_table();
        }
    }

    fn end_lists(&mut self, depth: usize) {
        while self.lists > depth {
            self.flow.end_list();
            self.lists -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_container_is_read() {
        let text = b"Spin speeds\r\x13 PAGE \x144\x15 of 9\r";
        let mut file = vec![0_u8; 0x180];
        file[..4].copy_from_slice(&[0xdb, 0xa5, 0x2d, 0]);
        file[0x18..0x1c].copy_from_slice(&0x180_u32.to_le_bytes());
        file[0x34..0x38].copy_from_slice(&(text.len() as u32).to_le_bytes());
        file.extend_from_slice(text);
        let document = crate::extract(&file, "old.doc", "", &Limits::default()).unwrap();
        assert_eq!(document.text, "Spin speeds\n\n4 of 9");
        // Any other text that begins with the same bytes is none.
        file[2] = 0xff;
        assert!(crate::extract(&file, "old.doc", "", &Limits::default()).is_err());
    }

    #[test]
    fn text_before_word_97_is_in_the_code_page_of_its_language() {
        let encoding = |version: u8, language: u16| {
            let mut head = vec![0_u8; 0x200];
            head[..4].copy_from_slice(&[0xdc, 0xa5, version, 0]);
            head[6..8].copy_from_slice(&language.to_le_bytes());
            Fib::read(&head).unwrap().encoding()
        };
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode("Привет");
        let text: String = narrow(&bytes, encoding(0x65, 0x419)).into_iter().collect();
        assert_eq!(text, "Привет");
        assert_eq!(encoding(0xc1, 0x419), encoding_rs::WINDOWS_1252);
        assert_eq!(encoding(0x65, 0x409), encoding_rs::WINDOWS_1252);
        let (bytes, ..) = encoding_rs::SHIFT_JIS.encode("a日本");
        assert_eq!(narrow(&bytes, encoding(0x65, 0x411)), ['a', '日', '\0', '本', '\0']);
        assert_eq!(narrow(b"\x93", encoding_rs::SHIFT_JIS), ['\u{fffd}']);
    }
}
