//! The records of a workbook stream and the strings in them. Layout after [MS-XLS].

use crate::doc::bytes::u16_at;
use crate::rtf::codepage::Charset;

/// Goes on with the record before it.
const CONTINUE: u16 = 0x003c;

/// One record: its kind and its data, and where the next one begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: u16,
    pub(super) data: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// The data of the record and of those that go on with it.
    pub(super) fn pieces(self) -> Pieces<'a> {
        Pieces { now: self.data, rest: self.rest }
    }
}

/// Walks the records of a stream; one that is cut off ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Records<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (head, after) = self.0.split_first_chunk::<4>()?;
        let (kind, length) = (u16_at(head, 0)?, usize::from(u16_at(head, 2)?));
        let (data, rest) = after.split_at_checked(length)?;
        self.0 = rest;
        Some(Record { kind, data, rest })
    }
}

/// How the strings of a workbook are written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Letters {
    /// Before 1997: bytes of this character set.
    pub(super) old: Option<Charset>,
}

impl Letters {
    /// A string that begins with its length in `wide` or one byte.
    pub(super) fn string(self, pieces: &mut Pieces<'_>, wide: bool) -> Option<String> {
        let length = if wide { pieces.u16()? } else { u16::from(pieces.u8()?) };
        let mut text = String::new();
        match self.old {
            Some(charset) => text = charset.decode(pieces.take(usize::from(length))),
            None => {
                let flags = pieces.u8()?;
                pieces.letters(usize::from(length), flags & 1 != 0, &mut text);
            }
        }
        Some(text)
    }
}

/// Data that goes on over records.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    now: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Pieces<'a> {
    /// Whether the data goes on in another record, which is then the present one.
    fn go_on(&mut self) -> bool {
        let Some(next) = Records(self.rest).next().filter(|next| next.kind == CONTINUE) else { return false };
        (self.now, self.rest) = (next.data, next.rest);
        true
    }

    /// Skips to the next piece with data; false at the end.
    fn ready(&mut self) -> bool {
        while self.now.is_empty() {
            if !self.go_on() {
                return false;
            }
        }
        true
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.ready();
        let (first, rest) = self.now.split_first()?;
        self.now = rest;
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    /// At most `count` bytes of the present piece.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.now.split_at(count.min(self.now.len()));
        self.now = rest;
        taken
    }

    pub(super) fn skip(&mut self, mut count: usize) {
        while count > 0 && self.ready() {
            count -= self.take(count).len();
        }
    }

    /// Characters of one byte, or of two when `wide`; a piece that goes on says anew which.
    fn letters(&mut self, mut count: usize, mut wide: bool, text: &mut String) {
        loop {
            let bytes = self.take(if wide { count * 2 } else { count });
            if wide {
                let units = bytes.chunks_exact(2).filter_map(|pair| u16_at(pair, 0));
                text.extend(
                    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)),
                );
                count -= bytes.len() / 2;
            } else {
                text.extend(bytes.iter().map(|byte| char::from(*byte)));
                count -= bytes.len();
            }
            if count == 0 {
                return;
            }
            self.now = &[];
            if !self.ready() {
                return;
            }
            wide = self.u8().is_some_and(|flags| flags & 1 != 0);
        }
    }
}

/// The strings that cells share.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    /// Where each ends in the text.
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn read(mut pieces: Pieces<'_>) -> Self {
        let mut strings = Self::default();
        // How many there are is not believed.
        pieces.skip(8);
        while pieces.ready() && strings.read_one(&mut pieces).is_some() {}
        strings
    }

    fn read_one(&mut self, pieces: &mut Pieces<'_>) -> Option<()> {
        let (length, flags) = (pieces.u16()?, pieces.u8()?);
        let runs = if flags & 8 != 0 { usize::from(pieces.u16()?) } else { 0 };
        let phonetic = if flags & 4 != 0 { pieces.u32()? as usize } else { 0 };
        pieces.letters(usize::from(length), flags & 1 != 0, &mut self.text);
        pieces.skip(runs * 4);
        pieces.skip(phonetic);
        self.ends.push(u32::try_from(self.text.len()).ok()?);
        Some(())
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start as usize..*self.ends.get(at)? as usize)
    }
}

/// Whether a record begins a workbook, a sheet or a chart.
pub(super) fn is_beginning(record: &Record<'_>) -> bool {
    matches!(record.kind, 0x0009 | 0x0209 | 0x0409 | 0x0809)
}
