//! Rows of a JSON array, bare or as `rows` of our export layout.

use super::scan::Scanner;
use super::{Place, row, too_large};
use crate::input::Input;
use crate::{Error, Row, RowError};
use serde_json::{Value, json};

/// Largest description of a table; schemas are far smaller.
const MAX_TABLE_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Just after the opening bracket.
    First,
    Later,
    Ended,
}

/// Rows of a JSON file.
pub(crate) struct JsonRows {
    scanner: Scanner,
    state: State,
    /// Whether the array is inside the layout's object.
    wrapped: bool,
    table: Option<Value>,
    buffer: Vec<u8>,
    most: usize,
    number: u64,
}

impl JsonRows {
    /// Reads up to the first row.
    pub(crate) fn open(input: &mut Input, most: usize) -> Result<Self, Error> {
        let mut rows = Self {
            scanner: Scanner::new(),
            state: State::First,
            wrapped: false,
            table: None,
            buffer: Vec::new(),
            most,
            number: 0,
        };
        match rows.scanner.peek(input)? {
            Some(b'[') => input.consume(1),
            Some(b'{') => {
                input.consume(1);
                rows.wrapped = true;
                rows.read_head(input)?;
            }
            found => {
                return Err(rows
                    .scanner
                    .unexpected(found, "an array of objects, or an object with \"table\" and \"rows\""));
            }
        }
        Ok(rows)
    }

    pub(crate) fn table(&self) -> Option<&Value> {
        self.table.as_ref()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The keys before `rows`.
    fn read_head(&mut self, input: &mut Input) -> Result<(), Error> {
        let none = |scanner: &Scanner| {
            Error::malformed(
                scanner.line,
                "the object has no \"rows\" array; write rows as an array, or one object per line",
            )
        };
        if self.scanner.peek(input)? == Some(b'}') {
            return Err(none(&self.scanner));
        }
        loop {
            let key = self.key(input)?;
            if key == "rows" {
                return self.scanner.expect(input, b'[', "before the rows");
            }
            self.member(input, &key)?;
            match self.scanner.peek(input)? {
                Some(b',') => input.consume(1),
                Some(b'}') => return Err(none(&self.scanner)),
                found => return Err(self.scanner.unexpected(found, "',' or '}'")),
            }
        }
    }

    fn key(&mut self, input: &mut Input) -> Result<String, Error> {
        let found = self.scanner.peek(input)?;
        if found != Some(b'"') {
            return Err(self.scanner.unexpected(found, "a key in quotes"));
        }
        let fits = self.scanner.value(input, &mut self.buffer, self.most)?;
        let key = fits.then(|| serde_json::from_slice(&self.buffer).ok()).flatten();
        let key = key.ok_or_else(|| Error::malformed(self.scanner.line, "a key is not a valid string"))?;
        self.scanner.expect(input, b':', "after a key")?;
        Ok(key)
    }

    fn member(&mut self, input: &mut Input, key: &str) -> Result<(), Error> {
        let line = self.scanner.line;
        let fits = self.scanner.value(input, &mut self.buffer, MAX_TABLE_BYTES)?;
        if !matches!(key, "table" | "schema") || self.table.is_some() {
            return Ok(());
        }
        let value = fits.then(|| serde_json::from_slice::<Value>(&self.buffer).ok()).flatten();
        let value = value.ok_or_else(|| {
            Error::malformed(line, format!("{key:?} is not valid JSON of at most {MAX_TABLE_BYTES} bytes"))
        })?;
        self.table = Some(if key == "schema" { json!({ "schema": value }) } else { value });
        Ok(())
    }

    /// Steps to the next row and reads its text; `None` at the end, else whether it fits.
    fn step(&mut self, input: &mut Input) -> Result<Option<(Place, bool)>, Error> {
        let found = match self.state {
            State::Ended => return Ok(None),
            State::First => self.scanner.peek(input)?,
            State::Later => match self.scanner.peek(input)? {
                Some(b',') => {
                    input.consume(1);
                    // A comma promises a row.
                    self.scanner.peek(input)?.filter(|byte| *byte != b']')
                }
                Some(b']') => Some(b']'),
                found => return Err(self.scanner.unexpected(found, "',' or ']' after a row")),
            },
        };
        if found == Some(b']') {
            input.consume(1);
            self.state = State::Ended;
            return self.finish(input).map(|()| None);
        }
        self.state = State::Later;
        self.number += 1;
        let place = Place { number: self.number, line: self.scanner.line, offset: input.offset() };
        let fits = self.scanner.value(input, &mut self.buffer, self.most)?;
        Ok(Some((place, fits)))
    }

    /// What follows the rows: the rest of the layout's object, then nothing.
    fn finish(&mut self, input: &mut Input) -> Result<(), Error> {
        if self.wrapped {
            loop {
                match self.scanner.peek(input)? {
                    Some(b'}') => break input.consume(1),
                    Some(b',') => input.consume(1),
                    found => return Err(self.scanner.unexpected(found, "',' or '}' after the rows")),
                }
                if self.key(input)? == "rows" {
                    return Err(Error::malformed(self.scanner.line, "there are two \"rows\" arrays"));
                }
                self.scanner.value(input, &mut self.buffer, self.most)?;
            }
        }
        match self.scanner.peek(input)? {
            None => Ok(()),
            found => Err(self.scanner.unexpected(found, "the end of the file")),
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
