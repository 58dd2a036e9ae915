//! Where JSON values begin and end.

use crate::Error;
use crate::input::Input;

/// Walks over JSON text; checks only what is needed to find the ends of values.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) line: u64,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { line: 1 }
    }

    /// The next byte that is no white space, not consumed; `None` at the end of the text.
    pub(super) fn peek(&mut self, input: &mut Input) -> Result<Option<u8>, Error> {
        loop {
            let bytes = input.fill()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let length = bytes.iter().take_while(blank).count();
            self.line += lines(bytes.get(..length).unwrap_or_default());
            let found = bytes.get(length).copied();
            input.consume(length);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Consumes that byte.
    pub(super) fn expect(&mut self, input: &mut Input, byte: u8, place: &str) -> Result<(), Error> {
        match self.peek(input)? {
            Some(found) if found == byte => {
                input.consume(1);
                Ok(())
            }
            found => Err(self.unexpected(found, &format!("{:?} {place}", char::from(byte)))),
        }
    }

    pub(super) fn unexpected(&self, found: Option<u8>, expected: &str) -> Error {
        let found = match found {
            Some(byte) if byte.is_ascii_graphic() => format!("{:?}", char::from(byte)),
            Some(byte) => format!("byte {byte:#04x}"),
            None => "the end of the file".to_owned(),
        };
        Error::malformed(self.line, format!("expected {expected}, found {found}"))
    }

    /// Copies the next value as it is written; `false` when it is longer than `most` (and passed over).
    pub(super) fn value(
        &mut self,
        input: &mut Input,
        into: &mut Vec<u8>,
        most: usize,
    ) -> Result<bool, Error> {
        into.clear();
        let first = self.peek(input)?;
        if first.is_none_or(|byte| matches!(byte, b',' | b':' | b']' | b'}')) {
            return Err(self.unexpected(first, "a value"));
        }
        let (begun, mut fits, mut walk) = (self.line, true, Walk::default());
        loop {
            let bytes = input.fill()?;
            if bytes.is_empty() {
                if walk.is_scalar() {
                    return Ok(fits);
                }
                return Err(Error::malformed(begun, "the value that starts here is never closed"));
            }
            let (used, done) = walk.over(bytes);
            let part = bytes.get(..used).unwrap_or_default();
            self.line += lines(part);
            fits = fits && into.len() + part.len() <= most;
            if fits {
                into.extend_from_slice(part);
            }
            input.consume(used);
            if done {
                return Ok(fits);
            }
        }
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The state within one value.
#[derive(Debug, Default)]
struct Walk {
    depth: u64,
    in_string: bool,
    escaped: bool,
}

impl Walk {
    fn is_scalar(&self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// Says how many bytes belong to the value, and whether it ends there.
    fn over(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let rest = bytes.get(at..).unwrap_or_default();
                let Some(length) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                    return (bytes.len(), false);
                };
                at += length + 1;
                if rest.get(length) == Some(&b'\\') {
                    self.escaped = true;
                    continue;
                }
                self.in_string = false;
                if self.depth == 0 {
                    return (at, true);
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => {
                    // At depth 0 a scalar ends before the bracket of what is around it.
                    return (at + usize::from(self.depth == 1), true);
                }
                b'}' | b']' => self.depth -= 1,
                b',' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => return (at, true),
                _ => {}
            }
            at += 1;
        }
        (at, false)
    }
}
