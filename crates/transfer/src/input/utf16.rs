//! UTF-16 text as UTF-8, piece by piece.

use crate::Error;
use std::io::{self, Read};

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The order when the text is UTF-16: by its mark, or because Latin text in it has a zero in
    /// most second bytes and hardly any elsewhere.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xFF, 0xFE, ..] => return Some(Self::Little),
            [0xFE, 0xFF, ..] => return Some(Self::Big),
            _ => {}
        }
        let pairs = head.len() / 2;
        let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        match () {
            () if pairs < 2 => None,
            () if odd * 2 > pairs && even * 8 < odd => Some(Self::Little),
            () if even * 2 > pairs && odd * 8 < even => Some(Self::Big),
            () => None,
        }
    }
}

/// A reader of UTF-16 that gives UTF-8.
pub(super) struct Utf16<R> {
    inner: R,
    order: Order,
    /// Bytes read and not yet decoded: part of a unit, or half of a surrogate pair.
    rest: Vec<u8>,
    /// UTF-8 decoded and not yet given.
    ready: Vec<u8>,
    given: usize,
    line: u64,
    decoded: u64,
    at_start: bool,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, order: Order) -> Self {
        let (rest, ready) = (Vec::new(), Vec::new());
        Self { inner, order, rest, ready, given: 0, line: 1, decoded: 0, at_start: true }
    }

    fn decode_more(&mut self) -> io::Result<bool> {
        const PIECE: u64 = 32 * 1024;
        let before = self.rest.len();
        let mut piece = self.inner.by_ref().take(PIECE);
        let ended = piece.read_to_end(&mut self.rest)? == 0;
        if ended && before == 0 {
            return Ok(false);
        }
        let unit = |bytes: &[u8]| match (self.order, bytes) {
            (Order::Little, [low, high]) => u16::from_le_bytes([*low, *high]),
            (Order::Big, [high, low]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let mut units: Vec<u16> = self.rest.chunks_exact(2).map(unit).collect();
        // The second half of a pair may come with the next piece.
        if !ended && units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
            units.pop();
        }
        self.rest.drain(..units.len() * 2);
        self.ready.clear();
        self.given = 0;
        for decoded in char::decode_utf16(units) {
            let Ok(letter) = decoded else { return Err(self.wrong()) };
            let mark = std::mem::take(&mut self.at_start) && letter == '\u{FEFF}';
            if !mark {
                self.ready.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            self.line += u64::from(letter == '\n');
            self.decoded += letter.len_utf16() as u64 * 2;
        }
        if ended && !self.rest.is_empty() {
            return Err(self.wrong());
        }
        Ok(true)
    }

    fn wrong(&self) -> io::Error {
        io::Error::other(Error::Encoding { line: self.line, offset: self.decoded, expected: "UTF-16" })
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if !self.decode_more()? {
                return Ok(0);
            }
        }
        let ready = self.ready.get(self.given..).unwrap_or_default();
        let count = ready.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), ready.get(..count)) {
            into.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}
