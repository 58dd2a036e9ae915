//! Bytes in: counted, unzipped within limits, turned into UTF-8, and buffered with a look ahead.

mod source;
mod utf16;

use crate::Error;
use crate::format::refuse_foreign;
use source::{Source, is_gzip, sniff};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use utf16::{Order, Utf16};

/// Bytes of look-ahead, and of buffer; small in unit tests, so that every state meets its end.
const BUFFER: usize = if cfg!(test) { 128 } else { 256 * 1024 };
const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bounds on what a file may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes after unzipping.
    pub max_bytes: u64,
    /// Most bytes out of one byte of gzip, looked at past the first 16 MiB.
    pub max_ratio: u64,
    /// Largest row; a larger one is an error of that row.
    pub max_row_bytes: usize,
    /// Most columns of a CSV.
    pub max_columns: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 16 << 30, max_ratio: 500, max_row_bytes: 1 << 20, max_columns: 1_000 }
    }
}

/// UTF-8 text (not yet checked to be that) behind a buffer.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    consumed: Arc<AtomicU64>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// Bytes of text before `start`.
    offset: u64,
}

impl Input {
    /// Looks at the first bytes: gzip, byte order mark, foreign formats.
    pub(crate) fn open(raw: Box<dyn Read + Send>, limits: &Limits) -> Result<Self, Error> {
        let (source, consumed) = Source::open(raw, limits).map_err(plain)?;
        let (head, source) = sniff(source, 1024).map_err(plain)?;
        refuse_foreign(&head)?;
        if is_gzip(&head) {
            return Err(Error::Unsupported("the file is gzipped twice; unzip it once".into()));
        }
        let source: Box<dyn Read + Send> = match Order::of(&head) {
            Some(order) => Box::new(Utf16::new(source, order)),
            None => Box::new(source),
        };
        let mut input =
            Self { source, consumed, buffer: vec![0; BUFFER], start: 0, end: 0, ended: false, offset: 0 };
        if input.head()?.starts_with(UTF8_MARK) {
            input.consume(UTF8_MARK.len());
        }
        Ok(input)
    }

    /// The start of what is not consumed yet: up to 256 KiB, less only at the end of the text.
    pub(crate) fn head(&mut self) -> Result<&[u8], Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < BUFFER && !self.ended {
            self.read_more()?;
        }
        Ok(self.buffer.get(..self.end).unwrap_or_default())
    }

    /// Whether [`head`](Self::head) holds all of the rest.
    pub(crate) fn head_is_all(&self) -> bool {
        self.ended
    }

    /// Bytes at hand; empty only at the end of the text.
    pub(crate) fn fill(&mut self) -> Result<&[u8], Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            while self.end == 0 && !self.ended {
                self.read_more()?;
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn read_more(&mut self) -> Result<(), Error> {
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.source.read(free) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end += read,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(plain(cause)),
        }
        Ok(())
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Bytes of text consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes taken from the file as it lies, compressed or not.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }
}

/// Unpacks our own errors that travelled through `std::io`.
fn plain(cause: std::io::Error) -> Error {
    match cause.downcast::<Error>() {
        Ok(ours) => ours,
        Err(cause) => Error::Io(cause),
    }
}
