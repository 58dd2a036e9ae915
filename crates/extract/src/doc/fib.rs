//! The file information block and the piece table: where the text lies.

use super::FORMAT;
use super::bytes::{offset_at, slice, u8_at, u16_at, u32_at};
use crate::Error;
use encoding_rs::{
    Encoding, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255,
    WINDOWS_1256,
};
use std::ops::RangeInclusive;

/// First version with the layout of Word 97, and of Word 6.
const WORD_97: u16 = 0xc1;
const WORD_6: u16 = 0x65;
/// Versions of Word 1 to that of 2007.
const VERSIONS: RangeInclusive<u16> = 0x21..=0x112;
const ENCRYPTED: u16 = 0x0100;
const TABLE_1: u16 = 0x0200;
/// Offsets of (position, length) pairs in the block of Word 97 and later.
const STYLES: usize = 0xa2;
const CHARACTER_RUNS: usize = 0xfa;
const PARAGRAPH_RUNS: usize = 0x102;
const PIECES: usize = 0x1a2;
/// Most pieces read; documents edited for years have some thousands.
const MAX_PIECES: usize = 1 << 20;

/// A run of characters that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: usize,
    pub(super) chars: usize,
    /// Two bytes a character (UTF-16), else one.
    pub(super) wide: bool,
}

/// What the head of the main stream says.
#[derive(Debug)]
pub(super) struct Fib {
    version: u16,
    flags: u16,
    /// Language of the program that wrote the file.
    language: u16,
    /// Where the text starts in files without piece table.
    text_start: usize,
    /// Characters of body, foot notes, headers, macros, comments, end notes, text boxes.
    counts: [usize; 7],
    pub(super) styles: (usize, usize),
    pub(super) character_runs: (usize, usize),
    pub(super) paragraph_runs: (usize, usize),
    pieces: (usize, usize),
}

/// Whether the head of a main stream names a version of Word.
pub(super) fn is_known_version(main: &[u8]) -> bool {
    u16_at(main, 2).is_some_and(|version| VERSIONS.contains(&version))
}

impl Fib {
    pub(super) fn read(main: &[u8]) -> Result<Self, Error> {
        let broken = |what: &str| Error::broken(FORMAT, what);
        let magic = u16_at(main, 0).ok_or_else(|| broken("its main stream is empty"))?;
        // Some editions of Word have a signature of their own.
        if !matches!(magic, 0xa5ec | 0xa5dc) && !is_known_version(main) {
            return Err(broken("its main stream is no Word text"));
        }
        let version = u16_at(main, 2).unwrap_or(0);
        let flags = u16_at(main, 0x0a).unwrap_or(0);
        if flags & ENCRYPTED != 0 {
            return Err(Error::Encrypted);
        }
        let pair = |at: usize| (offset_at(main, at).unwrap_or(0), offset_at(main, at + 4).unwrap_or(0));
        let (first_count, known) = if version >= WORD_97 { (0x4c, true) } else { (0x34, false) };
        let mut counts = [0; 7];
        for (n, count) in counts.iter_mut().enumerate() {
            *count = offset_at(main, first_count + n * 4).unwrap_or(0);
        }
        let none = (0, 0);
        Ok(Self {
            version,
            flags,
            language: u16_at(main, 6).unwrap_or(0),
            text_start: offset_at(main, 0x18).unwrap_or(0),
            counts,
            styles: if known { pair(STYLES) } else { none },
            character_runs: if known { pair(CHARACTER_RUNS) } else { none },
            paragraph_runs: if known { pair(PARAGRAPH_RUNS) } else { none },
            pieces: match version {
                WORD_97.. => pair(PIECES),
                WORD_6.. => pair(0x160),
                _ => none,
            },
        })
    }

    /// The stream that holds the tables; older files hold them in the main stream.
    pub(super) fn table_name(&self) -> Option<&'static str> {
        let name = if self.flags & TABLE_1 != 0 { "/1Table" } else { "/0Table" };
        (self.version >= WORD_97).then_some(name)
    }

    /// What one-byte text is written in; before Word 97 that of the writer's system.
    pub(super) fn encoding(&self) -> &'static Encoding {
        if self.version >= WORD_97 {
            return WINDOWS_1252;
        }
        match self.language {
            0x405 | 0x40e | 0x415 => WINDOWS_1250,
            0x419 => WINDOWS_1251,
            0x408 => WINDOWS_1253,
            0x41f => WINDOWS_1254,
            0x40d => WINDOWS_1255,
            0x401 => WINDOWS_1256,
            0x411 => SHIFT_JIS,
            _ => WINDOWS_1252,
        }
    }

    /// Start and length in characters of the parts that are text of the document: body, foot
    /// notes, end notes, text boxes.
    pub(super) fn parts(&self) -> [(usize, usize); 4] {
        [self.part(0), self.part(1), self.part(5), self.part(6)]
    }

    /// Start and length in characters of the headers and footers.
    pub(super) fn headers(&self) -> (usize, usize) {
        self.part(2)
    }

    fn part(&self, n: usize) -> (usize, usize) {
        let start = self.counts.iter().take(n).fold(0_usize, |sum, count| sum.saturating_add(*count));
        (start, self.counts.get(n).copied().unwrap_or(0))
    }

    /// The pieces of the text in order.
    pub(super) fn pieces(&self, main: &[u8], table: &[u8]) -> Result<Vec<Piece>, Error> {
        let holder = if self.version >= WORD_97 { table } else { main };
        let clx = slice(holder, self.pieces.0, self.pieces.1);
        match self.piece_table(clx) {
            Some(pieces) => Ok(pieces),
            // Files saved whole by Word 6 and 95 have their text in one run.
            None if self.version < WORD_97 => {
                let chars = self.counts.iter().fold(0_usize, |sum, count| sum.saturating_add(*count));
                Ok(vec![Piece { offset: self.text_start, chars: chars.min(main.len()), wide: false }])
            }
            None => Err(Error::broken(FORMAT, "its piece table is missing")),
        }
    }

    fn piece_table(&self, clx: &[u8]) -> Option<Vec<Piece>> {
        let mut at = 0_usize;
        while u8_at(clx, at)? == 1 {
            at = at.checked_add(3 + usize::from(u16_at(clx, at + 1)?))?;
        }
        if u8_at(clx, at)? != 2 {
            return None;
        }
        let length = offset_at(clx, at + 1)?;
        let plc = slice(clx, at + 5, length);
        let count = (plc.len().checked_sub(4)? / 12).min(MAX_PIECES);
        let mut pieces = Vec::with_capacity(count);
        for n in 0..count {
            let (start, end) = (u32_at(plc, n * 4)?, u32_at(plc, n * 4 + 4)?);
            let position = u32_at(plc, (count + 1) * 4 + n * 8 + 2)?;
            let chars = usize::try_from(end.checked_sub(start)?).ok()?;
            // Word 97 marks one-byte text by a bit and gives twice its offset.
            let narrow = self.version < WORD_97 || position & 0x4000_0000 != 0;
            let offset = match (self.version < WORD_97, narrow) {
                (true, _) => position,
                (false, true) => (position & 0x3fff_ffff) / 2,
                (false, false) => position,
            };
            pieces.push(Piece { offset: usize::try_from(offset).ok()?, chars, wide: !narrow });
        }
        (!pieces.is_empty()).then_some(pieces)
    }
}
