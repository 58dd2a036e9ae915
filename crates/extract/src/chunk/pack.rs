//! Puts blocks and their atoms together into passages.

use super::atoms::{Atom, halve};
use super::{Gauge, Piece, Section, embedded_text};
use quarry_types::{CharRange, Passage, PassageKind};

/// Writes passages in the order of the text.
pub(super) struct Packer<'a> {
    text: &'a str,
    pub(super) gauge: &'a Gauge<'a>,
    out: Vec<Passage>,
}

/// Atoms that will be one passage, and what they are.
struct Draft {
    atoms: Vec<Atom>,
    tokens: usize,
    page: Option<u32>,
    /// The kind with the most characters decides.
    kind: PassageKind,
    kind_chars: usize,
    header: Option<Header>,
}

/// The rows that name the columns of a table, for its later parts.
#[derive(Clone)]
struct Header {
    text: String,
    chars: usize,
    tokens: usize,
}

impl Draft {
    fn new() -> Self {
        Self {
            atoms: Vec::new(),
            tokens: 0,
            page: None,
            kind: PassageKind::Paragraph,
            kind_chars: 0,
            header: None,
        }
    }

    fn start(&self) -> Option<usize> {
        self.atoms.first().map(|a| a.chars.start)
    }

    /// Characters from its start to `end`.
    fn chars_to(&self, end: usize) -> usize {
        self.start().map_or(0, |start| end.saturating_sub(start))
    }

    fn chars(&self) -> usize {
        self.atoms.last().map_or(0, |last| self.chars_to(last.chars.end))
    }

    fn add(&mut self, atoms: &[Atom], piece: &Piece) {
        if self.atoms.is_empty() {
            self.page = piece.block.page;
        }
        self.tokens += atoms.iter().map(|a| a.tokens).sum::<usize>();
        let chars = atoms.iter().map(|a| a.chars.len()).sum();
        if chars > self.kind_chars {
            self.kind = piece.block.kind;
            self.kind_chars = chars;
        }
        self.atoms.extend_from_slice(atoms);
    }
}

impl<'a> Packer<'a> {
    pub(super) fn new(text: &'a str, gauge: &'a Gauge<'a>) -> Self {
        Self { text, gauge, out: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<Passage> {
        self.out
    }

    /// The text of a block.
    pub(super) fn slice(&self, piece: &Piece) -> &'a str {
        let ends = piece.atoms.first().zip(piece.atoms.last());
        ends.and_then(|(first, last)| self.text.get(first.bytes.start..last.bytes.end)).unwrap_or_default()
    }

    /// Writes one block as a passage of its own.
    pub(super) fn write_alone(&mut self, piece: Piece, path: Vec<String>) {
        let room = self.gauge.room_under(&path);
        self.write(Some(Section { path, room, pieces: vec![piece] }));
    }

    /// Writes the blocks under one heading path.
    pub(super) fn write(&mut self, section: Option<Section>) {
        let Some(Section { path, room, pieces }) = section else {
            return;
        };
        let path = path.as_slice();
        let max_chars = self.gauge.options.max_chars;
        let total: usize = pieces.iter().map(|p| p.chars + 2).sum();
        // Even passages instead of full ones and a leftover.
        let target = total / total.div_ceil(max_chars).max(1);
        let mut draft = Draft::new();
        for piece in &pieces {
            let end = piece.block.range.end as usize;
            let fits = draft.tokens + piece.tokens <= room && draft.chars_to(end) <= max_chars;
            let overshoots =
                draft.chars_to(end).saturating_sub(target) > target.saturating_sub(draft.chars());
            let enough = draft.chars() >= self.gauge.options.min_paragraph_chars;
            let new_page = enough && draft.page != piece.block.page && !self.continues(piece);
            if !draft.atoms.is_empty() && ((fits && enough && overshoots) || new_page) {
                self.flush(&mut draft, path);
            } else if fits {
                draft.add(&piece.atoms, piece);
                continue;
            }
            let alone = piece.tokens <= room && piece.chars <= max_chars;
            // What is too short for a passage takes half of the next paragraph in, but no part of a table.
            let joins = !draft.atoms.is_empty()
                && draft.chars() < self.gauge.options.min_paragraph_chars
                && !matches!(piece.block.kind, PassageKind::Table | PassageKind::Code);
            if alone && !joins {
                self.flush(&mut draft, path);
                draft.add(&piece.atoms, piece);
            } else {
                let even = alone.then(|| draft.chars_to(end) / 2);
                self.divide(piece, &mut draft, path, room, even);
            }
        }
        self.flush(&mut draft, path);
    }

    /// Fills passages with the parts of a block that is too long for one, or for what is before it: these are parted
    /// near `even` characters.
    fn divide(
        &mut self,
        piece: &Piece,
        draft: &mut Draft,
        path: &[String],
        room: usize,
        mut even: Option<usize>,
    ) {
        let max_chars = self.gauge.options.max_chars;
        if draft.chars() >= self.gauge.options.min_paragraph_chars {
            self.flush(draft, path);
        }
        let header = self.repeated_header(piece, room);
        let header_end = piece.block.header.map_or(0, |h| h.end as usize);
        for atom in &piece.atoms {
            let (tokens, chars) =
                draft.header.as_ref().map_or((0, 0), |header| (header.tokens, header.chars));
            let over = draft.tokens + tokens + atom.tokens > room
                || draft.chars_to(atom.chars.end) + chars > max_chars
                || even.is_some_and(|even| {
                    even.saturating_sub(draft.chars()) < draft.chars_to(atom.chars.end).saturating_sub(even)
                });
            if !draft.atoms.is_empty() && over {
                self.flush(draft, path);
                even = None;
            }
            if draft.atoms.is_empty() && atom.chars.start >= header_end {
                // A single row may be too long to have the header with it.
                draft.header = header.clone().filter(|header| header.tokens + atom.tokens <= room);
            }
            draft.add(std::slice::from_ref(atom), piece);
        }
        if draft.header.is_some() {
            // Rows under a repeated header do not share a passage with what follows the table.
            self.flush(draft, path);
        }
    }

    /// The rows that name a table's columns, when they are short enough to go with every part.
    fn repeated_header(&self, piece: &Piece, room: usize) -> Option<Header> {
        let header = piece.block.header?;
        let first = piece.atoms.first()?;
        let last = piece.atoms.iter().rfind(|a| a.chars.end <= header.end as usize)?;
        let text = self.text.get(first.bytes.start..last.bytes.end)?;
        // The line feed after it is not counted by every tokenizer.
        let (chars, tokens) = (text.chars().count() + 1, self.gauge.tokens(text) + 1);
        let short = tokens <= self.gauge.heading_tokens()
            && tokens <= room / 2
            && chars <= self.gauge.options.max_chars / 2;
        short.then(|| Header { text: text.to_owned(), chars, tokens })
    }

    /// Whether a block goes on in the middle of a sentence, as over a page break.
    fn continues(&self, piece: &Piece) -> bool {
        let first = piece.atoms.first().and_then(|a| self.text.get(a.bytes.clone()));
        first.and_then(|t| t.chars().next()).is_some_and(char::is_lowercase)
    }

    /// Writes a draft, in halves when it is over the limit after all: counts of parts need not add
    /// up for every tokenizer.
    fn flush(&mut self, draft: &mut Draft, path: &[String]) {
        let Draft { atoms, page, kind, header, .. } = std::mem::replace(draft, Draft::new());
        let header = header.map(|header| header.text);
        let mut queue = vec![atoms];
        while let Some(mut atoms) = queue.pop() {
            let (Some(first), Some(last)) = (atoms.first(), atoms.last()) else {
                continue;
            };
            let Some(text) = self.text.get(first.bytes.start..last.bytes.end) else {
                continue;
            };
            let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let mut passage = Passage {
                position: narrow(self.out.len()),
                text: text.to_owned(),
                heading_path: path.to_vec(),
                table_header: header.clone(),
                page,
                range: CharRange { start: narrow(first.chars.start), end: narrow(last.chars.end) },
                kind,
            };
            let single = first.chars.len() <= 1;
            let fits = self.fits(&passage);
            if !fits && !single {
                if atoms.len() == 1 {
                    let halves = halve(self.text, first);
                    queue.extend(halves.into_iter().rev().map(|half| vec![half]));
                } else {
                    let rest = atoms.split_off(atoms.len() / 2);
                    queue.push(rest);
                    queue.push(atoms);
                }
                continue;
            }
            if !fits {
                // One character under a path that fills the limit: text goes before context.
                (passage.heading_path, passage.table_header) = (Vec::new(), None);
            }
            self.out.push(passage);
        }
    }

    fn fits(&self, passage: &Passage) -> bool {
        let whole = embedded_text(passage, self.gauge.options.headings);
        self.gauge.counter.count_tokens(&whole) <= self.gauge.counter.max_tokens()
    }
}
