//! From a document to passages along its structure: heading paths, whole paragraphs, whole
//! sentences, whole rows.
//!
//! Knows nothing of formats or models; tokens are counted by who embeds. Invariants: a passage's
//! text is the exact slice of the document's text; heading path, the header of a cut table and text
//! together never pass the token limit; every visible character of the document is in a passage or in a heading path.

mod atoms;
mod pack;

#[cfg(test)]
mod tests;

use crate::document::{Block, Document};
use atoms::{Atom, Splitter};
use pack::Packer;
use quarry_types::{Passage, TokenCounter};

/// How passages are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkOptions {
    /// Characters a passage should not pass; a longer sentence that the model can read stays whole.
    pub max_chars: usize,
    /// A passage shorter than this takes what follows it under the same heading in, even across a page break.
    pub min_paragraph_chars: usize,
    /// How many headings of the path, the nearest ones, are embedded before the text.
    pub headings: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self { max_chars: 1000, min_paragraph_chars: 120, headings: usize::MAX }
    }
}

/// What is embedded for a passage: the nearest so many headings of its path, a line feed, what it shows; or that alone.
#[must_use]
pub fn embedded_text(passage: &Passage, headings: usize) -> String {
    match nearest_headings(&passage.heading_path, headings) {
        [] => passage.shown().into_owned(),
        path => format!("{}\n{}", path.join(" > "), passage.shown()),
    }
}

/// The last so many headings of a path.
#[must_use]
pub fn nearest_headings(path: &[String], headings: usize) -> &[String] {
    path.get(path.len().saturating_sub(headings)..).unwrap_or_default()
}

/// Cuts a document into passages, in the order of its text.
///
/// Time grows with the text's length; each sentence is counted once and each passage once more.
#[must_use]
pub fn chunk(document: &Document, options: &ChunkOptions, counter: &dyn TokenCounter) -> Vec<Passage> {
    let gauge = Gauge::new(options, counter);
    let mut splitter = Splitter::new(&document.text, &gauge);
    let mut packer = Packer::new(&document.text, &gauge);
    let mut trail = Trail::default();
    let mut section: Option<Section> = None;
    for block in &document.blocks {
        if block.level > 0 {
            packer.write(section.take());
            trail.leave(block.level, &mut packer);
            let atoms = splitter.split(block, gauge.room());
            let piece = Piece::new(block, atoms);
            // A heading too long to stand above others is read as the paragraph it probably is.
            if piece.tokens <= gauge.heading_tokens() {
                trail.headings.push(Heading { piece, used: false });
            } else {
                let path = trail.path(trail.headings.len(), &mut packer);
                let room = gauge.room_under(&path);
                packer.write(Some(Section { path, room, pieces: vec![splitter.again(piece, room)] }));
            }
            continue;
        }
        let current = section.get_or_insert_with(|| {
            let path = trail.path(trail.headings.len(), &mut packer);
            Section { room: gauge.room_under(&path), path, pieces: Vec::new() }
        });
        let atoms = splitter.split(block, current.room);
        current.pieces.push(Piece::new(block, atoms));
    }
    packer.write(section);
    trail.leave(0, &mut packer);
    packer.finish()
}

/// What passages are measured with.
struct Gauge<'a> {
    options: ChunkOptions,
    counter: &'a dyn TokenCounter,
    /// Tokens the model adds to every text.
    special: usize,
}

impl<'a> Gauge<'a> {
    fn new(options: &ChunkOptions, counter: &'a dyn TokenCounter) -> Self {
        let max_chars = options.max_chars.max(20);
        let special = counter.count_tokens("");
        Self { options: ChunkOptions { max_chars, ..options.clone() }, counter, special }
    }

    /// Tokens of a text without the model's own.
    fn tokens(&self, text: &str) -> usize {
        self.counter.count_tokens(text).saturating_sub(self.special)
    }

    /// Tokens there are for heading path and text.
    fn room(&self) -> usize {
        self.counter.max_tokens().saturating_sub(self.special).max(1)
    }

    /// Tokens there are for the text below a heading path.
    fn room_under(&self, path: &[String]) -> usize {
        match nearest_headings(path, self.options.headings) {
            [] => self.room(),
            path => self.room().saturating_sub(self.tokens(&path.join(" > "))).max(1),
        }
    }

    /// Most tokens of one heading, and of a repeated table header.
    fn heading_tokens(&self) -> usize {
        self.room() / 4
    }

    /// Longest sentence or row kept whole, in characters, whatever its tokens: a word without end
    /// may be a single token.
    fn whole_chars(&self) -> usize {
        self.counter.max_tokens().saturating_mul(8)
    }
}

/// A block with its smallest parts.
#[derive(Clone)]
struct Piece {
    block: Block,
    atoms: Vec<Atom>,
    chars: usize,
    tokens: usize,
}

impl Piece {
    fn new(block: &Block, atoms: Vec<Atom>) -> Self {
        let tokens = atoms.iter().map(|a| a.tokens).sum();
        Self { chars: block.range.len(), block: block.clone(), atoms, tokens }
    }
}

/// The blocks between two headings.
struct Section {
    path: Vec<String>,
    /// Tokens there are for text.
    room: usize,
    pieces: Vec<Piece>,
}

struct Heading {
    piece: Piece,
    /// Whether a passage carries it.
    used: bool,
}

/// The headings above the current place.
#[derive(Default)]
struct Trail {
    headings: Vec<Heading>,
}

impl Trail {
    /// Leaves all headings that a new one of `level` is not below; those nothing carries yet
    /// become passages of their own.
    fn leave(&mut self, level: u8, packer: &mut Packer<'_>) {
        while self.headings.last().is_some_and(|h| h.piece.block.level >= level) {
            let depth = self.headings.len() - 1;
            let unused = self.headings.last().is_some_and(|h| !h.used);
            let path = if unused { self.path(depth, packer) } else { Vec::new() };
            if let Some(heading) = self.headings.pop().filter(|h| !h.used) {
                packer.write_alone(heading.piece, path);
            }
        }
    }

    /// Texts of the first `depth` headings, the outer ones left out when all would fill half the
    /// room; what is left out and carried nowhere else becomes a passage first.
    fn path(&mut self, depth: usize, packer: &mut Packer<'_>) -> Vec<String> {
        let mut room = packer.gauge.room() / 2;
        let mut from = depth;
        while let Some(heading) = from.checked_sub(1).and_then(|at| self.headings.get(at)) {
            // The separator costs a token or two.
            let Some(rest) = room.checked_sub(heading.piece.tokens + 2) else {
                break;
            };
            room = rest;
            from -= 1;
        }
        let from = from.min(self.headings.len());
        let (left_out, carried) = self.headings.split_at_mut(from);
        for heading in left_out.iter_mut().filter(|h| !h.used) {
            heading.used = true;
            packer.write_alone(heading.piece.clone(), Vec::new());
        }
        let carried = carried.iter_mut().take(depth - from);
        carried
            .map(|heading| {
                heading.used = true;
                packer.slice(&heading.piece).to_owned()
            })
            .collect()
    }
}
