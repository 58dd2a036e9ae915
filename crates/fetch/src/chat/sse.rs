//! Server-sent events, taken byte by byte.
//!
//! Knows the framing only. Invariant: what is held back is bounded, and the events do not depend on how
//! the bytes were cut into pieces.

use std::collections::VecDeque;

/// Bytes of one event's data, and of one line.
const MAX_EVENT: usize = 1 << 20;

/// An event passed its bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_return: bool,
    ready: VecDeque<Vec<u8>>,
}

impl Events {
    /// Takes bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let ends = match byte {
                b'\n' if self.after_return => {
                    self.after_return = false;
                    continue;
                }
                b'\n' | b'\r' => true,
                _ => false,
            };
            self.after_return = byte == b'\r';
            if ends {
                self.end_line()?;
            } else {
                if self.line.len() >= MAX_EVENT {
                    return Err(TooLong);
                }
                self.line.push(byte);
            }
        }
        Ok(())
    }

    /// Ends the stream; servers that forget the last empty line lose nothing.
    pub(super) fn finish(&mut self) -> Result<(), TooLong> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.ready.extend(self.data.take());
        Ok(())
    }

    /// The data of the next complete event.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
        if line.is_empty() {
            self.ready.extend(self.data.take());
            return Ok(());
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => Some(&b""[..]),
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => Some(value),
            _ => None,
        };
        let Some(value) = value else { return Ok(()) };
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                if data.len() + value.len() >= MAX_EVENT {
                    return Err(TooLong);
                }
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        for piece in pieces {
            events.push(piece).unwrap();
        }
        events.finish().unwrap();
        std::iter::from_fn(|| events.pop()).map(|data| String::from_utf8(data).unwrap()).collect()
    }

    #[test]
    fn framing() {
        let text =
            "\u{feff}data: a\n\n: comment\nevent: x\ndata:b\ndata: c\r\n\r\ndata\r\rid: 1\n\ndata: [DONE]";
        assert_eq!(events(&[text.as_bytes()]), ["a", "b\nc", "", "[DONE]"]);
        assert!(events(&[b"database: x\n\n", b"\n\n\n"]).is_empty());
    }

    #[test]
    fn endless_lines_and_events_end() {
        let mut line = Events::default();
        assert_eq!(line.push(&vec![b'x'; MAX_EVENT + 1]), Err(TooLong));
        let mut event = Events::default();
        let piece = format!("data: {}\n", "x".repeat(1000));
        let over = (0..2 * MAX_EVENT / 1000).map(|_| event.push(piece.as_bytes())).find(Result::is_err);
        assert_eq!(over, Some(Err(TooLong)));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(lines in proptest::collection::vec("(data: ?)?[a-zé:]{0,6}(\n|\r\n|\r)", 0..12), cut in 1usize..9) {
            let text = lines.concat();
            let whole = events(&[text.as_bytes()]);
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(events(&pieces), whole);
        }
    }
}
