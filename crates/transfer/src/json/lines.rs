//! NDJSON: one object per line.

use super::{Place, row, too_large};
use crate::input::Input;
use crate::{Error, Row, RowError};

/// Rows of an NDJSON file.
pub(crate) struct LineRows {
    buffer: Vec<u8>,
    most: usize,
    line: u64,
    number: u64,
}

impl LineRows {
    pub(crate) fn new(most: usize) -> Self {
        Self { buffer: Vec::new(), most, line: 0, number: 0 }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Reads the next line that is not blank; `None` at the end, else whether it fits.
    fn step(&mut self, input: &mut Input) -> Result<Option<(Place, bool)>, Error> {
        loop {
            self.buffer.clear();
            let (offset, mut fits, mut any) = (input.offset(), true, false);
            loop {
                let bytes = input.fill()?;
                if bytes.is_empty() {
                    break;
                }
                any = true;
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                fits = fits && self.buffer.len() + part.len() <= self.most;
                if fits {
                    self.buffer.extend_from_slice(part);
                }
                let used = part.len() + usize::from(end.is_some());
                input.consume(used);
                if end.is_some() {
                    break;
                }
            }
            if !any {
                return Ok(None);
            }
            self.line += 1;
            if fits && self.buffer.trim_ascii().is_empty() {
                continue;
            }
            self.number += 1;
            return Ok(Some((Place { number: self.number, line: self.line, offset }, fits)));
        }
    }

    /// Passes over one row; `false` at the end.
    pub(crate) fn skip(&mut self, input: &mut Input) -> Result<bool, Error> {
        Ok(self.step(input)?.is_some())
    }

    pub(crate) fn next(&mut self, input: &mut Input) -> Result<Option<Result<Row, RowError>>, Error> {
        match self.step(input)? {
            None => Ok(None),
            Some((place, false)) => Ok(Some(Err(too_large(place, self.most)))),
            Some((place, true)) => row(place, &self.buffer).map(Some),
        }
    }
}
