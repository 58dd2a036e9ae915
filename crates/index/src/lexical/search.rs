//! Reads: one immutable state of the index, and the BM25 query over it.

use super::Fields;
use super::analyzer::{Channel, query_terms};
use super::items::{Bits, Items};
use super::pruned::{List, best_of};
use crate::Error;
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Hit, QueryWords};
use roaring::RoaringBitmap;
use std::sync::Arc;
use tantivy::postings::TermInfo;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Searcher, SegmentReader, TantivyError, Term};

/// Weight of the exact spelling beside the stem. `retrieval_eval` over 0, .1, .2, .3 and .6: the sets
/// differ by less than .015 nDCG@10, most are best at .1 to .3.
const EXACT_WEIGHT: f32 = 0.2;
/// Distinct terms of a query that are used of each channel, the first ones.
const TERMS_MAX: usize = 128;
/// Entries of a word's list that are read in the time one document is looked up in it.
const LISTED_PER_LOOKED_UP: u64 = 4;

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
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    /// The items of each segment's documents.
    items: Vec<Arc<Items>>,
    watermark: u64,
}

impl LexSnapshot {
    /// `before` is an older state: what is known of the segments both have is kept.
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        watermark: u64,
        before: Option<&Self>,
    ) -> Result<Self> {
        let known = |segment: &SegmentReader| {
            let mut known = before?.segments();
            Some(known.find(|(reader, _)| reader.segment_id() == segment.segment_id())?.1.clone())
        };
        let read = |segment| known(segment).map_or_else(|| Items::read(segment).map(Arc::new), Ok);
        let items = searcher.segment_readers().iter().map(read).collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, fields, items, watermark })
    }

    fn segments(&self) -> impl Iterator<Item = (&SegmentReader, &Arc<Items>)> {
        self.searcher.segment_readers().iter().zip(&self.items)
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
        for (segment, items) in self.segments() {
            if segment.max_doc() as usize != items.len() || segment.num_docs() > segment.max_doc() {
                return Err("its parts differ in the number of documents".into());
            }
        }
        Ok(())
    }

    /// The items it holds.
    #[must_use]
    pub fn items(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        for (segment, items) in self.segments() {
            all.extend(segment.doc_ids_alive().filter_map(|doc| items.of(doc)));
        }
        all
    }

    /// Rough bytes it keeps in memory or mapped.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let files = self.searcher.space_usage().map_or(0, |usage| usage.total().get_bytes() as usize);
        files + self.items.iter().map(|items| 32 * 1024 + items.heap_bytes()).sum::<usize>()
    }

    /// The words of a question that rank, in its order, worth the more the fewer documents hold them.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn query_words(&self, text: &str) -> Result<QueryWords> {
        let mut words = Vec::new();
        for (channel, word) in query_terms(text, TERMS_MAX) {
            if channel == Channel::Words {
                let worth = self.worth(&word)?;
                words.push((word, worth));
            }
        }
        Ok(QueryWords::new(&words))
    }

    /// What each of some words is worth, as [`LexSnapshot::query_words`] values them; 0 where a word does not rank.
    /// `known` spares a look at those of the question.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn worth_of(&self, words: &[String], known: &QueryWords) -> Result<Vec<f32>> {
        let mut worth: Vec<f32> = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            // Pieces of one word follow one another.
            if let Some(same) = worth.last().filter(|_| words.get(at.wrapping_sub(1)) == Some(word)) {
                worth.push(*same);
                continue;
            }
            let mut most = 0.0_f32;
            for (channel, term) in query_terms(word, TERMS_MAX) {
                if channel == Channel::Words {
                    most = most.max(match known.worth_of(&term) {
                        Some(worth) => worth,
                        None => self.worth(&term)?,
                    });
                }
            }
            worth.push(most);
        }
        Ok(worth)
    }

    fn worth(&self, term: &str) -> Result<f32> {
        let holding = self.searcher.doc_freq(&Term::from_field_text(self.fields.words, term))? as f32;
        let all = (self.searcher.num_docs() as f32).max(holding);
        Ok((1.0 + (all - holding + 0.5) / (holding + 0.5)).ln())
    }

    /// Where the words of a channel are, and how much they count.
    pub(super) fn field_of(&self, channel: Channel) -> (Field, f32) {
        match channel {
            Channel::Words => (self.fields.words, 1.0),
            Channel::Exact => (self.fields.exact, EXACT_WEIGHT),
        }
    }

    /// What a question asks for: the words that any document holds.
    pub(super) fn asked(&self, text: &str) -> Result<Vec<Asked>> {
        let mut asked = Vec::new();
        for (channel, word) in query_terms(text, TERMS_MAX) {
            let (field, boost) = self.field_of(channel);
            let term = Term::from_field_text(field, &word);
            let mut places = Vec::with_capacity(self.items.len());
            for segment in self.searcher.segment_readers() {
                let words = segment.inverted_index(field)?;
                places.push(words.get_term_info(&term).map_err(TantivyError::from)?);
            }
            let listed = places.iter().flatten().map(|place| u64::from(place.doc_freq)).sum();
            if listed > 0 {
                asked.push(Asked { field, boost, places, listed });
            }
        }
        Ok(asked)
    }

    /// How much the documents of each word get of it, from the word that can bring most to the one that can bring least.
    fn weigh(&self, asked: Vec<Asked>) -> Result<Vec<(Asked, Bm25Weight)>> {
        let documents = self.searcher.total_num_docs()?;
        let mean = |field| Ok::<_, Error>(self.searcher.total_num_tokens(field)? as f32 / documents as f32);
        let (words, exact) = (mean(self.fields.words)?, mean(self.fields.exact)?);
        let weigh = |asked: Asked| {
            let mean = if asked.field == self.fields.words { words } else { exact };
            let weight = Bm25Weight::for_one_term_without_explain(asked.listed, documents, mean);
            let weight = weight.boost_by(asked.boost);
            (asked, weight)
        };
        let mut weighed: Vec<(Asked, Bm25Weight)> = asked.into_iter().map(weigh).collect();
        weighed.sort_by(|(_, a), (_, b)| b.max_score().total_cmp(&a.max_score()));
        Ok(weighed)
    }

    /// Whether looking up so many documents costs less than reading the lists of all words.
    pub(super) fn is_narrow(&self, asked: &[Asked], allowed: &RoaringBitmap) -> bool {
        let documents: u64 =
            self.searcher.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum();
        let listed: u64 = asked.iter().map(|asked| asked.listed).sum();
        let looked_up = allowed.len().saturating_mul(LISTED_PER_LOOKED_UP);
        // No word is listed with more documents than there are.
        looked_up < documents && looked_up.saturating_mul(asked.len() as u64) < listed
    }
}

#[cfg(test)]
impl LexSnapshot {
    /// All that holds a word of `text`, scored by the engine's own queries.
    pub(super) fn scored_by_engine(&self, text: &str) -> Vec<Hit> {
        use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
        let clause = |asked: (Channel, String)| -> (Occur, Box<dyn Query>) {
            let (field, boost) = self.field_of(asked.0);
            let term = Term::from_field_text(field, &asked.1);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            (Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost)))
        };
        let query = BooleanQuery::new(query_terms(text, TERMS_MAX).into_iter().map(clause).collect());
        let collector = tantivy::collector::TopDocs::with_limit(1_000_000).order_by_score();
        let found = self.searcher.search(&query, &collector).unwrap_or_default();
        let hit = |(score, at): (f32, tantivy::DocAddress)| {
            let id = self.items.get(at.segment_ord as usize)?.of(at.doc_id)?;
            Some(Hit { id, score })
        };
        found.into_iter().filter_map(hit).collect()
    }
}

/// A word of a question.
pub(super) struct Asked {
    field: Field,
    boost: f32,
    /// Where each segment lists its documents.
    places: Vec<Option<TermInfo>>,
    /// Documents that hold it.
    listed: u64,
}

/// The lists of the words in one segment.
fn lists(at: usize, segment: &SegmentReader, weighed: &[(Asked, Bm25Weight)]) -> tantivy::Result<Vec<List>> {
    let mut lists = Vec::with_capacity(weighed.len());
    for (asked, weight) in weighed {
        if let Some(Some(place)) = asked.places.get(at) {
            let words = segment.inverted_index(asked.field)?;
            let postings = words.read_block_postings_from_terminfo(place, IndexRecordOption::WithFreqs)?;
            let norms = segment.get_fieldnorms_reader(asked.field)?;
            lists.push(List::new(postings, weight.clone(), norms));
        }
    }
    Ok(lists)
}

/// Looks up some documents alone, word by word.
fn look_up(mut docs: Vec<(DocId, u32)>, lists: Vec<List>, best: &mut Best) {
    docs.sort_unstable();
    let mut scores = vec![0.0_f32; docs.len()];
    for mut list in lists {
        for ((doc, _), score) in docs.iter().zip(&mut scores) {
            *score += list.score_of(*doc).unwrap_or(0.0);
        }
    }
    let hits = docs.into_iter().zip(scores).filter(|(_, score)| *score > 0.0);
    hits.for_each(|((_, id), score)| best.push(Hit { id, score }));
}

impl LexicalSearch for LexSnapshot {
    fn search(&self, text: &str, k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        if k == 0 || self.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.asked(text)?;
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let (narrow, broad) = match allowed {
            Candidates::All => (None, None),
            Candidates::Only(few) if self.is_narrow(&asked, few) => (Some(*few), None),
            Candidates::Only(many) => {
                let last = self.items.iter().map(|items| items.last()).max();
                (None, Some(Bits::of(many, last.unwrap_or(0))))
            }
        };
        let weighed = self.weigh(asked)?;
        for (at, (segment, items)) in self.segments().enumerate() {
            let lists = || lists(at, segment, &weighed);
            let is_alive = |doc| segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
            if let Some(few) = narrow {
                let mut docs = items.documents(few);
                docs.retain(|(doc, _)| is_alive(*doc));
                if !docs.is_empty() {
                    look_up(docs, lists()?, &mut best);
                }
                continue;
            }
            let item = |doc| items.of(doc).filter(|_| is_alive(doc));
            let look = |from| broad.as_ref().map_or(u64::MAX, |allowed| items.among(allowed, from));
            best_of(lists()?, look, item, &mut best);
        }
        Ok(best.into_hits())
    }
}
