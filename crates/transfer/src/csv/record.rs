//! CSV records: cells with their quoting, found one record at a time.
//!
//! A quoted cell may hold delimiters, doubled quotes and line ends; a quote inside an unquoted cell
//! is a letter; LF, CR and CRLF end records; blank lines are no records. Whether a cell was quoted
//! is kept, since an empty cell is null and a quoted empty one is an empty text.

use crate::Error;
use crate::input::Input;

/// What is wrong with one record, the next one being found all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    /// Letters between a closing quote and the next delimiter, in this cell from 0.
    AfterQuote(usize),
}

/// The end of a cell.
#[derive(Debug, Clone, Copy)]
struct End {
    /// Where it ends in the text.
    end: usize,
    quoted: bool,
    /// Byte of the file its content starts on.
    raw: u64,
}

/// One record; reused for the next.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    ends: Vec<End>,
    pub(super) fault: Option<Fault>,
    /// Line it starts on, from 1.
    pub(super) line: u64,
    /// Byte of the text it starts on, from 0.
    pub(super) offset: u64,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// Byte range of a cell in [`bytes`](Self::bytes), and whether it was quoted.
    pub(super) fn cell(&self, at: usize) -> Option<(std::ops::Range<usize>, bool)> {
        let End { end, quoted, .. } = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |before| before.end);
        Some((start..end, quoted))
    }

    /// The byte of the file that a byte of [`bytes`](Self::bytes) came from.
    pub(super) fn raw_offset(&self, at: usize) -> u64 {
        let cell = self.ends.partition_point(|cell| cell.end <= at);
        let (Some((range, quoted)), Some(end)) = (self.cell(cell), self.ends.get(cell)) else {
            return self.offset;
        };
        let before = self.text.get(range.start..at).unwrap_or_default();
        let doubled = if quoted { before.iter().filter(|byte| **byte == b'"').count() } else { 0 };
        end.raw + (before.len() + doubled) as u64
    }

    fn restart(&mut self, line: u64, offset: u64) {
        self.text.clear();
        self.ends.clear();
        self.fault = None;
        (self.line, self.offset) = (line, offset);
    }

    fn push(&mut self, bytes: &[u8], most: usize) {
        if self.text.len() + bytes.len() > most {
            self.fault = Some(Fault::TooLarge);
        } else if self.fault != Some(Fault::TooLarge) {
            self.text.extend_from_slice(bytes);
        }
    }

    fn end_cell(&mut self, quoted: bool, raw: u64, most: usize) {
        // An end costs memory too: rows of nothing but delimiters are bounded like others.
        if self.ends.len() * size_of::<End>() > most {
            self.fault = Some(Fault::TooLarge);
        }
        if self.fault != Some(Fault::TooLarge) {
            self.ends.push(End { end: self.text.len(), quoted, raw });
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted cell: the cell's end, or the first of two.
    Quote,
    /// After the end of a quoted cell, where only a delimiter or a line end may stand.
    Closed,
}

/// Finds records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter {
    delimiter: u8,
    /// Most bytes of cells in a record.
    most: usize,
    line: u64,
    /// The byte before was a CR, so that an LF now belongs to it.
    after_cr: bool,
}

impl Splitter {
    pub(super) fn new(delimiter: u8, most: usize, line: u64) -> Self {
        Self { delimiter, most, line, after_cr: false }
    }

    /// Reads the next record; `false` at the end of the text.
    ///
    /// # Errors
    /// When the text ends inside quotes, or the input fails.
    pub(super) fn next(&mut self, input: &mut Input, record: &mut Record) -> Result<bool, Error> {
        let offset = input.offset();
        let mut open = Open::new(self.line);
        record.restart(self.line, offset);
        loop {
            let base = input.offset();
            let bytes = input.fill()?;
            if bytes.is_empty() {
                return self.finish(open, record);
            }
            let (used, done) = self.scan(bytes, base, &mut open, record);
            input.consume(used);
            if done {
                return Ok(true);
            }
        }
    }

    /// The same over bytes that are all there is of a text; `None` where a record is not closed.
    pub(super) fn next_in(&mut self, bytes: &mut &[u8], whole: bool, record: &mut Record) -> Option<bool> {
        let mut open = Open::new(self.line);
        record.restart(self.line, 0);
        let (used, done) = self.scan(bytes, 0, &mut open, record);
        *bytes = bytes.get(used..).unwrap_or_default();
        if done {
            return Some(true);
        }
        if !whole && open.started {
            return None;
        }
        self.finish(open, record).ok()
    }

    fn finish(&mut self, open: Open, record: &mut Record) -> Result<bool, Error> {
        match open.state {
            _ if !open.started => return Ok(false),
            State::Quoted => {
                return Err(Error::malformed(
                    open.opened_line,
                    "the quote opened here is never closed; close it, or double it if it belongs to the text",
                ));
            }
            State::CellStart | State::Plain => record.end_cell(false, open.cell, self.most),
            State::Quote | State::Closed => record.end_cell(true, open.cell, self.most),
        }
        Ok(true)
    }

    /// Works through bytes; says how many were used and whether the record is complete.
    fn scan(&mut self, bytes: &[u8], base: u64, open: &mut Open, record: &mut Record) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match open.state {
                State::Plain => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let stops = |byte: &u8| *byte == self.delimiter || *byte == b'\n' || *byte == b'\r';
                    let length = rest.iter().position(stops).unwrap_or(rest.len());
                    record.push(rest.get(..length).unwrap_or_default(), self.most);
                    at += length;
                    let Some(&byte) = bytes.get(at) else { break };
                    at += 1;
                    record.end_cell(false, open.cell, self.most);
                    if byte != self.delimiter {
                        self.end_line(byte);
                        return (at, true);
                    }
                    open.state = State::CellStart;
                }
                State::Quoted => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let stops = |byte: &u8| *byte == b'"' || *byte == b'\n' || *byte == b'\r';
                    let length = rest.iter().position(stops).unwrap_or(rest.len());
                    if length > 0 {
                        self.after_cr = false;
                    }
                    record.push(rest.get(..length).unwrap_or_default(), self.most);
                    at += length;
                    let Some(&byte) = bytes.get(at) else { break };
                    at += 1;
                    if byte == b'"' {
                        self.after_cr = false;
                        open.state = State::Quote;
                    } else {
                        record.push(&[byte], self.most);
                        self.end_line(byte);
                    }
                }
                State::CellStart => {
                    at += 1;
                    if byte == b'\n' || byte == b'\r' {
                        let begun = open.started;
                        if begun {
                            record.end_cell(false, open.cell, self.most);
                        }
                        self.end_line(byte);
                        if begun {
                            return (at, true);
                        }
                        record.line = self.line;
                        continue;
                    }
                    self.after_cr = false;
                    if !open.started {
                        open.started = true;
                        record.line = self.line;
                        record.offset = base + at as u64 - 1;
                    }
                    if byte == self.delimiter {
                        record.end_cell(false, open.cell, self.most);
                    } else if byte == b'"' {
                        open.cell = base + at as u64;
                        open.state = State::Quoted;
                        open.opened_line = self.line;
                    } else {
                        at -= 1;
                        open.cell = base + at as u64;
                        open.state = State::Plain;
                    }
                }
                State::Quote | State::Closed => {
                    at += 1;
                    if byte == b'"' && open.state == State::Quote {
                        record.push(b"\"", self.most);
                        open.state = State::Quoted;
                    } else if byte == self.delimiter {
                        record.end_cell(true, open.cell, self.most);
                        open.state = State::CellStart;
                    } else if byte == b'\n' || byte == b'\r' {
                        record.end_cell(true, open.cell, self.most);
                        self.end_line(byte);
                        return (at, true);
                    } else {
                        if !matches!(byte, b' ' | b'\t') && record.fault.is_none() {
                            record.fault = Some(Fault::AfterQuote(record.ends.len()));
                        }
                        open.state = State::Closed;
                    }
                }
            }
        }
        (at, false)
    }

    /// Counts a CR, an LF or a CRLF as one line end. The LF of a CRLF that ends a record stays in
    /// the input, where the next record meets it as a blank line.
    fn end_line(&mut self, byte: u8) {
        if !(byte == b'\n' && self.after_cr) {
            self.line += 1;
        }
        self.after_cr = byte == b'\r';
    }
}

struct Open {
    state: State,
    /// Whether the record has a first byte.
    started: bool,
    /// Line of the last opening quote.
    opened_line: u64,
    /// Byte of the file the content of the cell starts on.
    cell: u64,
}

impl Open {
    fn new(line: u64) -> Self {
        Self { state: State::CellStart, started: false, opened_line: line, cell: 0 }
    }
}
