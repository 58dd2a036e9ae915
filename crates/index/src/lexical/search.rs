//! Reads: one immutable state of the index, and the BM25 query over it.

use super::Fields;
use super::analyzer::{Channel, query_terms};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Hit, QueryWords};
use roaring::RoaringBitmap;
use std::sync::Arc;
use tantivy::columnar::ColumnValues;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, SegmentReader, Term};

/// Weight of the exact spelling beside the stem. `retrieval_eval` over 0, .1, .2, .3 and .6: the sets
/// differ by less than .015 nDCG@10, most are best at .1 to .3.
const EXACT_WEIGHT: f32 = 0.2;
/// Distinct terms of a query that are used of each channel, the first ones.
const TERMS_MAX: usize = 128;

/// Word search over items. Implemented by [`LexSnapshot`].
pub trait LexicalSearch: Send + Sync {
    /// The best `k` of the allowed items that share a word with `text`, best first, ties by id.
    /// Any text is a query: there is no syntax. Words beyond the first 128 different ones are ignored.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn search(&self, text: &str, k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>>;
}

/// The lexical index of one moment; never changes.
pub struct LexSnapshot {
    searcher: Searcher,
    fields: Fields,
    /// Item of each document, per segment.
    ids: Vec<Arc<dyn ColumnValues<u64>>>,
    watermark: u64,
}

impl LexSnapshot {
    pub(super) fn new(searcher: Searcher, fields: Fields, watermark: u64) -> Result<Self> {
        let column = |segment: &SegmentReader| Ok(segment.fast_fields().u64("id")?.first_or_default_col(0));
        let ids = searcher.segment_readers().iter().map(column).collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, fields, ids, watermark })
    }

    /// The position in the history that it shows.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        self.watermark
    }

    /// Number of live documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.searcher.num_docs() as usize
    }

    /// Whether it holds no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the parts agree about the number of documents; only a damaged index does not.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        for (segment, ids) in self.searcher.segment_readers().iter().zip(&self.ids) {
            if segment.max_doc() != ids.num_vals() || segment.num_docs() > segment.max_doc() {
                return Err("its parts differ in the number of documents".into());
            }
        }
        Ok(())
    }

    /// The items it holds.
    #[must_use]
    pub fn items(&self) -> RoaringBitmap {
        let mut items = RoaringBitmap::new();
        for (segment, ids) in self.searcher.segment_readers().iter().zip(&self.ids) {
            items.extend(segment.doc_ids_alive().filter_map(|doc| u32::try_from(ids.get_val(doc)).ok()));
        }
        items
    }

    /// Rough bytes it keeps in memory or mapped.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let files = self.searcher.space_usage().map_or(0, |usage| usage.total().get_bytes() as usize);
        files + self.ids.len() * 32 * 1024
    }

    /// The words of a question that rank, in its order, worth the more the fewer documents hold them.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn query_words(&self, text: &str) -> Result<QueryWords> {
        let mut words = Vec::new();
        for (channel, word) in query_terms(text, TERMS_MAX) {
            if channel == Channel::Words {
                let holding =
                    self.searcher.doc_freq(&Term::from_field_text(self.fields.words, &word))? as f32;
                let all = (self.searcher.num_docs() as f32).max(holding);
                words.push((word, (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln()));
            }
        }
        Ok(QueryWords::new(&words))
    }

    fn query(&self, text: &str) -> Vec<(Occur, Box<dyn Query>)> {
        let term = |channel, word: &str| -> Box<dyn Query> {
            let field = match channel {
                Channel::Words => self.fields.words,
                Channel::Exact => self.fields.exact,
            };
            let term = Term::from_field_text(field, word);
            let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            match channel {
                Channel::Words => query,
                Channel::Exact => Box::new(BoostQuery::new(query, EXACT_WEIGHT)),
            }
        };
        let terms = query_terms(text, TERMS_MAX);
        terms.iter().map(|(channel, word)| (Occur::Should, term(*channel, word))).collect()
    }
}

impl LexicalSearch for LexSnapshot {
    fn search(&self, text: &str, k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        let clauses = self.query(text);
        if k == 0 || clauses.is_empty() || self.is_empty() {
            return Ok(Vec::new());
        }
        let query = BooleanQuery::new(clauses);
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        for (segment, ids) in self.searcher.segment_readers().iter().zip(&self.ids) {
            let alive = segment.alive_bitset();
            // The engine skips what scores at or below the threshold. Just below the kth score, so
            // that equal scores are seen and ties fall by id; only allowed items raise it.
            let threshold = |best: &Best| best.floor().max(f32::MIN).next_down();
            weight.for_each_pruning(threshold(&best), segment, &mut |doc, score| {
                if alive.is_none_or(|alive| alive.is_alive(doc)) {
                    let id = ids.get_val(doc) as u32;
                    if allowed.contains(id) {
                        best.push(Hit { id, score });
                    }
                }
                threshold(&best)
            })?;
        }
        Ok(best.into_hits())
    }
}
