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
/// Sums are rounded, and so may fall below what they bound.
const ROUNDED: f32 = 1.000_1;

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
        // Lengths are stored rounded down, so that `max_score` is passed where a text repeats one word.
        let most = weight.score(0, u32::MAX);
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
    fn add_to(&mut self, window: &mut Window<impl Fn(DocId) -> u64>) {
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
struct Window<F> {
    from: DocId,
    scores: Box<[f32; SPAN as usize]>,
    /// Which of 64 documents from one on may be found.
    look: F,
    /// What it said, of the 64 that any word was in.
    open: [Option<u64>; SPAN as usize / 64],
    /// Documents that have a score.
    held: [u64; SPAN as usize / 64],
}

impl<F: Fn(DocId) -> u64> Window<F> {
    fn new(look: F) -> Self {
        let scores = Box::new([0.0; SPAN as usize]);
        Self { from: 0, scores, look, open: [None; SPAN as usize / 64], held: [0; SPAN as usize / 64] }
    }

    fn move_to(&mut self, from: DocId) {
        self.from = from;
        self.open.fill(None);
    }

    fn end(&self) -> DocId {
        self.from.saturating_add(SPAN).min(TERMINATED)
    }

    fn add(&mut self, doc: DocId, score: impl FnOnce() -> f32) {
        let place = doc.wrapping_sub(self.from) as usize;
        let (word, bit) = (place / 64, 1_u64 << (place % 64));
        let Some(open) = self.open.get_mut(word) else { return };
        let first = self.from + word as u32 * 64;
        if *open.get_or_insert_with(|| (self.look)(first)) & bit == 0 {
            return;
        }
        if let (Some(sum), Some(held)) = (self.scores.get_mut(place), self.held.get_mut(word)) {
            *sum += score();
            *held |= bit;
        }
    }

    /// Hands out all documents that have a score, in their order, and forgets them.
    fn drain(&mut self, mut each: impl FnMut(DocId, f32)) {
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
/// that can bring least, so that a document's score is summed in the same order however it was found; `look` says which
/// of 64 documents from one on may be found, `item` what a document stands for, where it is still there.
pub(super) fn best_of(
    mut lists: Vec<List>,
    look: impl Fn(DocId) -> u64,
    item: impl Fn(DocId) -> Option<u32>,
    best: &mut Best,
) {
    // What the words from each one on bring at most, and nothing after the last.
    let mut rests = vec![0.0_f32; lists.len() + 1];
    let mut sum = 0.0;
    for (list, rest) in lists.iter().zip(&mut rests).rev() {
        sum += list.most;
        *rest = sum;
    }
    let may_reach = |floor: f32, score: f32, rest: f32| (score + rest) * ROUNDED >= floor;
    let mut window = Window::new(look);
    let mut read = lists.len();
    loop {
        // A document of the other words alone would not be kept.
        while rests.get(read.wrapping_sub(1)).is_some_and(|rest| !may_reach(best.floor(), 0.0, *rest)) {
            read -= 1;
        }
        let (reading, others) = lists.split_at_mut(read);
        let Some((rest, after)) = rests.get(read..).and_then(<[f32]>::split_first) else { return };
        match reading.iter().map(List::doc).min() {
            None | Some(TERMINATED) => return,
            Some(next) => window.move_to(next),
        }
        reading.iter_mut().for_each(|list| list.add_to(&mut window));
        window.drain(|doc, mut score| {
            let floor = best.floor();
            if !may_reach(floor, score, *rest) {
                return;
            }
            for (list, rest) in others.iter_mut().zip(after) {
                score += list.score_of(doc).unwrap_or(0.0);
                if !may_reach(floor, score, *rest) {
                    return;
                }
            }
            if let Some(id) = item(doc) {
                best.push(Hit { id, score });
            }
        });
    }
}
