//! The smallest parts a passage is made of: sentences, list items, table rows, code lines; of an
//! over-long one, pieces cut between words, and at last between characters.

use super::{Gauge, Piece};
use crate::document::Block;
use quarry_types::PassageKind;
use std::ops::Range;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Characters of a piece of an over-long sentence.
const PIECE_CHARS: usize = 120;

/// A part of the text that is not divided further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    /// Its bytes in the text, blanks around it left out.
    pub(super) bytes: Range<usize>,
    /// Its characters in the text.
    pub(super) chars: Range<usize>,
    /// Its tokens, without the model's own.
    pub(super) tokens: usize,
}

/// Divides blocks, which must come in order: it walks the text once.
pub(super) struct Splitter<'a> {
    text: &'a str,
    gauge: &'a Gauge<'a>,
    byte: usize,
    char: usize,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(text: &'a str, gauge: &'a Gauge<'a>) -> Self {
        Self { text, gauge, byte: 0, char: 0 }
    }

    /// The atoms of a block, none of more than `room` tokens.
    pub(super) fn split(&mut self, block: &Block, room: usize) -> Vec<Atom> {
        self.advance(block.range.start as usize);
        let start = self.byte;
        let start_char = self.char;
        self.advance(block.range.end as usize);
        let text = self.text.get(start..self.byte).unwrap_or_default();
        let spans = match block.kind {
            PassageKind::List | PassageKind::Table | PassageKind::Code => lines(text),
            _ => sentences(text),
        };
        let mut atoms = Vec::with_capacity(spans.len());
        let mut cursor = Cursor { text, byte: 0, char: 0 };
        for span in spans {
            let atom = cursor.atom(span);
            if !atom.bytes.is_empty() {
                self.measure(text, atom, room, &mut atoms);
            }
        }
        for atom in &mut atoms {
            atom.bytes = atom.bytes.start + start..atom.bytes.end + start;
            atom.chars = atom.chars.start + start_char..atom.chars.end + start_char;
        }
        atoms
    }

    fn advance(&mut self, to: usize) {
        let ahead = self.text.get(self.byte..).unwrap_or_default();
        let step = to.saturating_sub(self.char);
        match ahead.char_indices().nth(step) {
            Some((byte, _)) => {
                self.byte += byte;
                self.char += step;
            }
            None => {
                self.char += ahead.chars().count();
                self.byte = self.text.len();
            }
        }
    }

    /// A block already split, with its atoms divided again for less room.
    pub(super) fn again(&self, piece: Piece, room: usize) -> Piece {
        let mut atoms = Vec::new();
        for atom in piece.atoms {
            self.measure(self.text, atom, room, &mut atoms);
        }
        Piece::new(&piece.block, atoms)
    }

    /// Adds an atom, divided as far as it must be.
    fn measure(&self, text: &str, mut atom: Atom, room: usize, out: &mut Vec<Atom>) {
        if atom.chars.len() <= self.gauge.whole_chars() {
            atom.tokens = self.gauge.tokens(text.get(atom.bytes.clone()).unwrap_or_default());
            if atom.tokens <= room {
                out.push(atom);
                return;
            }
        }
        let mut queue = parts(text, &atom, PIECE_CHARS);
        queue.reverse();
        while let Some(mut piece) = queue.pop() {
            piece.tokens = self.gauge.tokens(text.get(piece.bytes.clone()).unwrap_or_default());
            if piece.tokens <= room || piece.chars.len() <= 1 {
                out.push(piece);
                continue;
            }
            queue.extend(halve(text, &piece).into_iter().rev());
        }
    }
}

/// The two halves of an atom, cut between words when there is a blank near the middle.
pub(super) fn halve(text: &str, atom: &Atom) -> Vec<Atom> {
    parts(text, atom, atom.chars.len().div_ceil(2).max(1))
}

/// An atom in parts of at most `max` characters.
fn parts(text: &str, atom: &Atom, max: usize) -> Vec<Atom> {
    let slice = text.get(atom.bytes.clone()).unwrap_or_default();
    let mut cursor = Cursor { text, byte: atom.bytes.start, char: atom.chars.start };
    pieces(slice, max)
        .into_iter()
        .map(|span| cursor.atom(span.start + atom.bytes.start..span.end + atom.bytes.start))
        .filter(|part| !part.bytes.is_empty())
        .collect()
}

/// Walks a text and counts its characters.
struct Cursor<'a> {
    text: &'a str,
    byte: usize,
    char: usize,
}

impl Cursor<'_> {
    /// The atom of a byte range that starts at or after the last one, without outer blanks.
    fn atom(&mut self, span: Range<usize>) -> Atom {
        let slice = self.text.get(span.clone()).unwrap_or_default();
        let start = span.start + (slice.len() - slice.trim_start().len());
        let end = start + slice.trim().len();
        let count = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default().chars().count();
        let first = self.char + count(self.byte, start);
        let last = first + count(start, end);
        self.byte = end.max(start);
        self.char = last;
        Atom { bytes: start..end.max(start), chars: first..last, tokens: 0 }
    }
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n')
        .map(|line| {
            at += line.len();
            at - line.len()..at
        })
        .collect()
}

/// Words whose full stop does not end a sentence.
const ABBREVIATIONS: [&str; 26] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "nr", "fig", "figs", "eq", "ref", "sec", "vol", "pp",
    "vs", "etc", "approx", "inc", "ltd", "e.g", "i.e", "cf", "max", "min",
];

/// Sentences by the Unicode rules, put together again after abbreviations and initials.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (start, sentence) in text.split_sentence_bound_indices() {
        let end = start + sentence.len();
        match spans.last_mut() {
            Some(last) if is_open(text.get(last.clone()).unwrap_or_default()) => last.end = end,
            _ => spans.push(start..end),
        }
    }
    spans
}

/// Whether a sentence so far ends with an abbreviation.
fn is_open(sentence: &str) -> bool {
    if sentence.ends_with('\n') {
        return false;
    }
    let Some(body) = sentence.trim_end().strip_suffix('.') else {
        return sentence.trim().is_empty();
    };
    let word = body.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    let lower = word.to_lowercase();
    initial || ABBREVIATIONS.contains(&lower.as_str())
}

/// Pieces of at most `max` characters, cut after a blank when there is one in the second half.
fn pieces(text: &str, max: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|r| !r.is_empty()) {
        let Some((limit, _)) = rest.char_indices().nth(max) else {
            out.push(start..text.len());
            break;
        };
        let window = rest.get(..limit).unwrap_or(rest);
        let blank = window.rfind(char::is_whitespace).filter(|at| *at > limit / 2);
        let cut = match blank {
            Some(at) => at,
            None => before_marks(rest, limit),
        };
        out.push(start..start + cut);
        start += cut;
    }
    out
}

/// Moves a cut back so that it does not stand between a letter and its combining marks.
fn before_marks(text: &str, limit: usize) -> usize {
    let next = text.get(limit..).and_then(|t| t.chars().next());
    if !next.is_some_and(is_combining_mark) {
        return limit;
    }
    let window = text.get(..limit).unwrap_or_default();
    let base = window.char_indices().rev().take(16).find(|(_, c)| !is_combining_mark(*c));
    base.map(|(at, _)| at).filter(|at| *at > 0).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_survive_abbreviations() {
        let text = "See Fig. 3 and Dr. Smith. It costs 3.5 kg, e.g. Two. J. Doe wrote it!\nNext line";
        let found: Vec<&str> = sentences(text).into_iter().map(|s| text[s].trim()).collect();
        assert_eq!(
            found,
            ["See Fig. 3 and Dr. Smith.", "It costs 3.5 kg, e.g. Two.", "J. Doe wrote it!", "Next line"]
        );
    }

    #[test]
    fn pieces_prefer_blanks_and_keep_marks() {
        let text = "alpha beta gamma";
        let cut: Vec<&str> = pieces(text, 12).into_iter().map(|p| &text[p]).collect();
        assert_eq!(cut, ["alpha beta", " gamma"]);
        let marked = "aaaa\u{301}aaaa";
        let cut: Vec<&str> = pieces(marked, 4).into_iter().map(|p| &marked[p]).collect();
        assert_eq!(cut, ["aaa", "a\u{301}aa", "aa"]);
    }
}
