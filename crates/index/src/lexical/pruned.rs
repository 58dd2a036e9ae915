//! The best of a segment by BM25, without scoring all that holds a word.
//!
//! MaxScore (Turtle and Flood, 1995) over windows of documents: words that together cannot lift a document to the
//! worst hit kept so far are not read, only looked up in documents that the other words brought near enough.

use crate::Hit;
use crate::candidates::Best;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::BlockSegmentPostings;
use tantivy::query::Bm25Weight;
use tantivy::{DocId, TERMINATED};

/// Documents that are scored together; their scores fit the first cache of a core.
const SPAN: u32 = 4_096;
/// Documents in a block of a list that is not its last.
const BLOCK: usize = 128;
/// Sums of bounds are rounded, and so may fall below what they bound.
const ROUNDED: f32 = 1.000_01;

/// The documents of one segment that hold one word, from the first on: it only moves forward.
pub(super) struct List {
    postings: BlockSegmentPostings,
    weight: Bm25Weight,
    norms: FieldNormReader,
    /// Place in the block of `postings`.
    at: usize,
    /// No document gets more from this word.
    most: f32,
}

impl List {
    pub(super) fn new(postings: BlockSegmentPostings, weight: Bm25Weight, norms: FieldNormReader) -> Self {
        let most = weight.max_score() * ROUNDED;
        Self { postings, weight, norms, at: 0, most }
    }

    /// [`TERMINATED`] at its end.
    fn doc(&self) -> DocId {
        self.postings.docs().get(self.at).copied().unwrap_or(TERMINATED)
    }

    /// What a document gets from this word. Documents have to be asked for in their order.
    pub(super) fn score_of(&mut self, doc: DocId) -> Option<f32> {
        if self.doc() < doc {
            self.at = self.postings.seek(doc);
        }
        let freq = *self.postings.freqs().get(self.at)?;
        (self.doc() == doc).then(|| self.weight.score(self.norms.fieldnorm_id(doc), freq))
    }

    /// Adds to the scores of all documents of a window.
    fn add_to(&mut self, window: &mut Window) {
        loop {
            let docs = self.postings.docs();
            let from = docs.get(self.at..).unwrap_or(&[]);
            let inside = from.partition_point(|doc| *doc < window.end());
            let freqs = self.postings.freqs().get(self.at..).unwrap_or(&[]);
            for (doc, freq) in from.iter().zip(freqs).take(inside) {
                window.add(*doc, || self.weight.score(self.norms.fieldnorm_id(*doc), *freq));
            }
            self.at += inside;
            if inside < from.len() || docs.len() < BLOCK {
                return;
            }
            self.postings.advance();
            self.at = 0;
        }
    }
}

/// Scores of neighbouring documents.
struct Window {
    from: DocId,
    scores: Box<[f32; SPAN as usize]>,
    /// Documents that may be found.
    open: [u64; SPAN as usize / 64],
    /// Those of them that have a score.
    held: [u64; SPAN as usize / 64],
}

impl Window {
    fn move_to(&mut self, from: DocId, open: impl Fn(DocId) -> u64) {
        self.from = from;
        for (word, first) in self.open.iter_mut().zip((from..).step_by(64)) {
            *word = open(first);
        }
    }

    fn end(&self) -> DocId {
        self.from.saturating_add(SPAN).min(TERMINATED)
    }

    fn add(&mut self, doc: DocId, score: impl FnOnce() -> f32) {
        let place = doc.wrapping_sub(self.from) as usize;
        let (word, bit) = (place / 64, 1_u64 << (place % 64));
        if self.open.get(word).is_none_or(|open| open & bit == 0) {
            return;
        }
        if let (Some(sum), Some(held)) = (self.scores.get_mut(place), self.held.get_mut(word)) {
            *sum += score();
            *held |= bit;
        }
    }

    /// Hands out all documents that have a score, in their order, and forgets them.
    fn empty(&mut self, mut each: impl FnMut(DocId, f32)) {
        for (at, bits) in self.held.iter_mut().enumerate() {
            while *bits != 0 {
                let place = at * 64 + bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                if let Some(score) = self.scores.get_mut(place) {
                    each(self.from + place as u32, std::mem::take(score));
                }
            }
        }
    }
}

/// Offers the documents of a segment that may be among the best. `lists` go from the word that can bring most to the one
/// that can bring least, so that a document's score is summed in the same order however it was found; `open` says which
/// of 64 documents from one on may be found, `item` what a document stands for, where it is still there.
pub(super) fn best_of(
    mut lists: Vec<List>,
    open: impl Fn(DocId) -> u64,
    item: impl Fn(DocId) -> Option<u32>,
    best: &mut Best,
) {
    // What the words from here on bring at most.
    let mut rest = vec![0.0_f32; lists.len() + 1];
    let mut sum = 0.0;
    for (list, rest) in lists.iter().zip(&mut rest).rev() {
        sum += list.most;
        *rest = sum;
    }
    let none = [0; SPAN as usize / 64];
    let mut window = Window { from: 0, scores: Box::new([0.0; SPAN as usize]), open: none, held: none };
    let mut read = lists.len();
    loop {
        // A document of the other words alone would not be kept.
        while rest.get(read.wrapping_sub(1)).is_some_and(|rest| *rest < best.floor()) {
            read -= 1;
        }
        let (reading, others) = lists.split_at_mut(read);
        let others_rest = rest.get(read..).unwrap_or(&[]);
        match reading.iter().map(List::doc).min() {
            None | Some(TERMINATED) => return,
            Some(next) => window.move_to(next, &open),
        }
        reading.iter_mut().for_each(|list| list.add_to(&mut window));
        window.empty(|doc, mut score| {
            let floor = best.floor();
            let may_reach = |score: f32, rest: &f32| score + rest >= floor;
            if !others_rest.first().is_none_or(|rest| may_reach(score, rest)) {
                return;
            }
            for (list, rest) in others.iter_mut().zip(others_rest) {
                if !may_reach(score, rest) {
                    return;
                }
                score += list.score_of(doc).unwrap_or(0.0);
            }
            if let Some(id) = item(doc) {
                best.push(Hit { id, score });
            }
        });
    }
}
