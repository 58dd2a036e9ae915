//! Reads: one immutable state of the index, and the BM25 query over it.

use super::Fields;
use super::analyzer::{Channel, query_terms};
use crate::candidates::Best;
use crate::error::Result;
use crate::{Candidates, Hit, QueryWords};
use roaring::RoaringBitmap;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};
use tantivy::columnar::ColumnValues;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

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
    searcher: Searcher,
    fields: Fields,
    segments: Vec<Segment>,
    watermark: u64,
}

/// What is known of a segment beside what the engine knows.
struct Segment {
    /// Item of each document.
    ids: Arc<dyn ColumnValues<u64>>,
    places: Arc<Places>,
}

/// The documents of a segment by item, worked out when a narrow filter first asks; a segment never changes.
#[derive(Default)]
struct Places(OnceLock<Vec<(u32, DocId)>>);

impl LexSnapshot {
    /// `before` is an older state: what is known of the segments both have is kept.
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        watermark: u64,
        before: Option<&Self>,
    ) -> Result<Self> {
        let known = |segment: &SegmentReader| {
            let before = before?;
            let readers = before.searcher.segment_readers().iter().zip(&before.segments);
            let same = |(reader, _): &(&SegmentReader, &Segment)| reader.segment_id() == segment.segment_id();
            Some(readers.into_iter().find(same)?.1.places.clone())
        };
        let read = |segment: &SegmentReader| {
            let ids = segment.fast_fields().u64("id")?.first_or_default_col(0);
            Ok(Segment { ids, places: known(segment).unwrap_or_default() })
        };
        let segments = searcher.segment_readers().iter().map(read).collect::<tantivy::Result<_>>()?;
        Ok(Self { searcher, fields, segments, watermark })
    }

    fn segments(&self) -> impl Iterator<Item = (&SegmentReader, &Segment)> {
        self.searcher.segment_readers().iter().zip(&self.segments)
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
        for (segment, of) in self.segments() {
            if segment.max_doc() != of.ids.num_vals() || segment.num_docs() > segment.max_doc() {
                return Err("its parts differ in the number of documents".into());
            }
        }
        Ok(())
    }

    /// The items it holds.
    #[must_use]
    pub fn items(&self) -> RoaringBitmap {
        let mut items = RoaringBitmap::new();
        for (segment, of) in self.segments() {
            items.extend(segment.doc_ids_alive().filter_map(|doc| u32::try_from(of.ids.get_val(doc)).ok()));
        }
        items
    }

    /// Rough bytes it keeps in memory or mapped.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let files = self.searcher.space_usage().map_or(0, |usage| usage.total().get_bytes() as usize);
        let places = self.segments.iter().filter_map(|segment| segment.places.0.get());
        files + self.segments.len() * 32 * 1024 + places.map(|places| places.len() * 8).sum::<usize>()
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

    /// What a question asks for, of each channel.
    pub(super) fn terms(&self, text: &str) -> Vec<(Channel, Term)> {
        let term = |(channel, word): (Channel, String)| {
            let field = match channel {
                Channel::Words => self.fields.words,
                Channel::Exact => self.fields.exact,
            };
            (channel, Term::from_field_text(field, &word))
        };
        query_terms(text, TERMS_MAX).into_iter().map(term).collect()
    }

    /// Scores everything that holds a word, the engine skipping what cannot be among the best.
    fn search_all(
        &self,
        clauses: Vec<Box<dyn Query>>,
        allowed: &Candidates<'_>,
        best: &mut Best,
    ) -> Result<()> {
        let query = BooleanQuery::new(clauses.into_iter().map(|clause| (Occur::Should, clause)).collect());
        let weight = query.weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        for (segment, of) in self.segments() {
            let alive = segment.alive_bitset();
            // The engine skips what scores at or below the threshold. Just below the kth score, so
            // that equal scores are seen and ties fall by id; only allowed items raise it.
            let threshold = |best: &Best| best.floor().max(f32::MIN).next_down();
            weight.for_each_pruning(threshold(best), segment, &mut |doc, score| {
                if alive.is_none_or(|alive| alive.is_alive(doc)) {
                    let id = of.ids.get_val(doc) as u32;
                    if allowed.contains(id) {
                        best.push(Hit { id, score });
                    }
                }
                threshold(best)
            })?;
        }
        Ok(())
    }

    /// Looks up the allowed documents alone, term by term.
    fn search_few(&self, clauses: &[Box<dyn Query>], allowed: &RoaringBitmap, best: &mut Best) -> Result<()> {
        let scoring = || EnableScoring::enabled_from_searcher(&self.searcher);
        let weights =
            clauses.iter().map(|clause| clause.weight(scoring())).collect::<tantivy::Result<Vec<_>>>()?;
        for (segment, of) in self.segments() {
            let mut docs = of.places.of(segment, &of.ids, allowed);
            if docs.is_empty() {
                continue;
            }
            docs.sort_unstable();
            let mut scores = vec![0.0_f32; docs.len()];
            for weight in &weights {
                let mut holding = weight.scorer(segment, 1.0)?;
                for ((doc, _), score) in docs.iter().zip(&mut scores) {
                    let there = if holding.doc() < *doc { holding.seek(*doc) } else { holding.doc() };
                    match there.cmp(doc) {
                        Ordering::Equal => *score += holding.score(),
                        Ordering::Greater if there == TERMINATED => break,
                        _ => {}
                    }
                }
            }
            let hits = docs.into_iter().zip(scores).filter(|(_, score)| *score > 0.0);
            hits.for_each(|((_, id), score)| best.push(Hit { id, score }));
        }
        Ok(())
    }

    /// Whether looking up so many documents costs less than reading the lists of all words.
    pub(super) fn is_narrow(&self, terms: &[(Channel, Term)], allowed: &RoaringBitmap) -> Result<bool> {
        let documents: u64 =
            self.searcher.segment_readers().iter().map(|segment| u64::from(segment.max_doc())).sum();
        // No word is listed with more documents than there are.
        if allowed.len().saturating_mul(LISTED_PER_LOOKED_UP) >= documents {
            return Ok(false);
        }
        let mut listed = 0;
        for (_, term) in terms {
            listed += self.searcher.doc_freq(term)?;
        }
        Ok(allowed.len().saturating_mul(terms.len() as u64).saturating_mul(LISTED_PER_LOOKED_UP) < listed)
    }
}

impl Places {
    /// The live documents of the allowed items, with their items.
    fn of(
        &self,
        segment: &SegmentReader,
        ids: &Arc<dyn ColumnValues<u64>>,
        allowed: &RoaringBitmap,
    ) -> Vec<(DocId, u32)> {
        let places = self.0.get_or_init(|| {
            let of = |doc| Some((u32::try_from(ids.get_val(doc)).ok()?, doc));
            let mut places: Vec<(u32, DocId)> = Vec::with_capacity(segment.max_doc() as usize);
            places.extend((0..segment.max_doc()).filter_map(of));
            places.sort_unstable(); // nearly sorted: documents come in the order of their items
            places
        });
        let alive = |doc: DocId| segment.alive_bitset().is_none_or(|alive| alive.is_alive(doc));
        let mut docs = Vec::new();
        let mut from = 0;
        for id in allowed {
            from += places.get(from..).map_or(0, |rest| gallop(rest, id));
            let same = places.get(from..).unwrap_or(&[]).iter().take_while(|(there, _)| *there == id);
            docs.extend(same.filter(|(_, doc)| alive(*doc)).map(|(_, doc)| (*doc, id)));
            if from >= places.len() {
                break;
            }
        }
        docs
    }
}

fn clause((channel, term): (Channel, Term)) -> Box<dyn Query> {
    let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
    match channel {
        Channel::Words => query,
        Channel::Exact => Box::new(BoostQuery::new(query, EXACT_WEIGHT)),
    }
}

/// How many places stand before an item: steps that double, then halves.
fn gallop(places: &[(u32, DocId)], id: u32) -> usize {
    let mut step = 1;
    while places.get(step).is_some_and(|(there, _)| *there < id) {
        step *= 2;
    }
    let near = places.get(..(step + 1).min(places.len())).unwrap_or(&[]);
    near.partition_point(|(there, _)| *there < id)
}

impl LexicalSearch for LexSnapshot {
    fn search(&self, text: &str, k: usize, allowed: &Candidates<'_>) -> Result<Vec<Hit>> {
        let mut best = Best::new(k);
        let terms = self.terms(text);
        if k == 0 || terms.is_empty() || self.is_empty() {
            return Ok(Vec::new());
        }
        let narrow = match allowed {
            Candidates::Only(few) if self.is_narrow(&terms, few)? => Some(*few),
            _ => None,
        };
        let clauses: Vec<_> = terms.into_iter().map(clause).collect();
        match narrow {
            Some(few) => self.search_few(&clauses, few, &mut best)?,
            _ => self.search_all(clauses, allowed, &mut best)?,
        }
        Ok(best.into_hits())
    }
}
