//! `find` with words to search for: filter first, both indexes on what is left, one joined ranking.

use super::index::IndexSnapshot;
use super::text::{Layout, Question};
use crate::Error;
use crate::api::{Find, Found, Row};
use crate::catalog::Entry;
use crate::filter::{self, Field, resolve};
use crate::query::{Output, Query, sort_text};
use crate::record::{Cell, StoredRow};
use crate::schema::ColumnId;
use crate::tables::Tables;
use quarry_embed::TextKind;
use quarry_index::{Candidates, FuseOptions, Fused, FusionMethod, Hit, LexicalSearch, VectorIndex, fuse};
use quarry_types::{Counter, QuotaRefusal, Scope};
use roaring::RoaringBitmap;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

const MAX_CHARS: usize = 1_024;
/// Rows each index may contribute. Always the same, so that every page of a search cuts one ranking.
const LEG_DEPTH: usize = 1_000;
/// From zero, because a filter may leave few rows, and stretching their scores would make noise decide.
/// Mean nDCG@10 that `retrieval_eval` prints over five sets, 100 hits a leg: .658, min-max .656 with the
/// same weight and .663 with the .4 of passages; rows are short, where meaning deserves more.
const FUSION: FuseOptions = FuseOptions { weight_dense: 0.5, method: FusionMethod::FromZero };
/// Work above any size that is done on the calling thread.
const NEVER_INLINE: usize = usize::MAX;

impl Tables {
    /// The rows that fit the words of `find` best, of those its filter lets through.
    pub(crate) async fn search_rows(
        &self,
        scope: &Scope,
        entry: Arc<Entry>,
        words: &str,
        find: &Find,
    ) -> Result<Found, Error> {
        let record = entry.record();
        check(words, find, &Layout::of(record), &record.name)?;
        let filter = filter::parse(find.filter.as_ref().unwrap_or(&Value::Null), &record.schema)?;
        let order = match &find.order_by {
            Some(name) => Some((resolve(name, &record.schema, "orderBy")?, find.descending)),
            None => None,
        };
        let output = Output::new(&entry, find.select.as_deref())?;
        let question = Question::of(words);
        let embedder = self.indexes.embedder();
        let vector = embedder.embed(vec![question.meaning], TextKind::Query).await?.pop().unwrap_or_default();
        let index = self.indexes.snapshot(scope, record).await?;
        let view = self.catalog.view(scope, &record.id);
        let snapshot = view.at_least(index.seq, record.key_column).await?;
        let warnings = if index.over_quota > 0 {
            vec![self.quota_warning(scope, index.over_quota).await?]
        } else {
            Vec::new()
        };
        let (offset, limit) = (find.offset, find.limit);
        let query = Query::new(Arc::clone(&entry), snapshot, filter);
        let (rows, has_more) = self
            .run(NEVER_INLINE, move || {
                let ranked = rank(&query, &index, &question.words, &vector)?;
                Ok(page(&query, &output, ranked, order.as_ref(), offset, limit))
            })
            .await?;
        Ok(Found { rows: rows.into(), has_more, offset, limit, warnings })
    }

    async fn quota_warning(&self, scope: &Scope, rows: u64) -> Result<String, Error> {
        let used = self.store.usage(scope.bot()).await?.get(Counter::Vectors);
        let limit = self.options.vector_quota;
        let refusal = QuotaRefusal { counter: Counter::Vectors, used, limit, needed: rows };
        Ok(format!("{rows} rows are found by their words only: {refusal}"))
    }
}

fn check(words: &str, find: &Find, layout: &Layout, table: &str) -> Result<(), Error> {
    let wrong = |message: String| Err(Error::InvalidQuery(message));
    let chars = words.chars().count();
    if words.trim().is_empty() {
        return wrong("search must not be empty; leave it out to list rows".into());
    }
    if chars > MAX_CHARS {
        return wrong(format!("search must have at most {MAX_CHARS} characters, got {chars}"));
    }
    if find.group.as_ref().is_some_and(|group| !group.is_null()) {
        return wrong(
            "search and group cannot be combined: a search has no sharp edge to count within; use filter with group".into(),
        );
    }
    if layout.is_empty() {
        return wrong(format!(
            "no column of table {table:?} is searchable; set \"x-zui\": {{\"searchable\": true}} on a column with updateTable"
        ));
    }
    Ok(())
}

/// The rows of the filter that the index knows, best first.
fn rank(query: &Query, index: &IndexSnapshot, words: &str, vector: &[f32]) -> Result<Vec<Fused>, Error> {
    let filtered: RoaringBitmap = query.ids()?.into_iter().collect();
    let candidates = filtered - &index.hidden;
    let lexical = index.lexical.search(words, LEG_DEPTH, &Candidates::Only(&candidates))?;
    let dense = nearest(index, vector, &candidates)?;
    let mut ranked = fuse(&lexical, &dense, &FUSION);
    if query.snapshot.seq > index.seq {
        // These rows changed since the index looked; their text may be another now.
        let known = |fused: &Fused| query.snapshot.get(fused.id).is_some_and(|(seq, _)| seq <= index.seq);
        ranked.retain(known);
    }
    Ok(ranked)
}

/// The rows with the nearest passages; each scores as its best passage.
fn nearest(index: &IndexSnapshot, vector: &[f32], candidates: &RoaringBitmap) -> Result<Vec<Hit>, Error> {
    if index.extras.is_empty() {
        return Ok(index.vectors.search(vector, LEG_DEPTH, &Candidates::Only(candidates))?);
    }
    let passages = index.extras.widen(candidates);
    let mut depth = LEG_DEPTH;
    loop {
        let hits = index.vectors.search(vector, depth, &Candidates::Only(&passages))?;
        let all = hits.len() < depth;
        let mut seen = HashSet::new();
        let rows = hits.into_iter().map(|hit| Hit { id: index.extras.row(hit.id), score: hit.score });
        let mut rows: Vec<Hit> = rows.filter(|hit| seen.insert(hit.id)).collect();
        if rows.len() >= LEG_DEPTH || all {
            rows.truncate(LEG_DEPTH);
            return Ok(rows);
        }
        depth = depth.saturating_mul(4);
    }
}

fn page(
    query: &Query,
    output: &Output,
    ranked: Vec<Fused>,
    order: Option<&(Field, bool)>,
    offset: usize,
    limit: usize,
) -> (Vec<Row>, bool) {
    let has_more = ranked.len() > offset.saturating_add(limit);
    let stored = |fused: &Fused| query.snapshot.get(fused.id).map(|(_, row)| (fused.score, row));
    let shown: Vec<(f32, Arc<StoredRow>)> = match order {
        None => ranked.iter().skip(offset).take(limit).filter_map(stored).collect(),
        Some((field, descending)) => {
            let mut keyed: Vec<_> = ranked
                .iter()
                .filter_map(stored)
                .map(|(score, row)| (Key::of(&row, field), score, row))
                .collect();
            keyed.sort_by(|(a, _, left), (b, _, right)| {
                compare(a.as_ref(), b.as_ref(), *descending).then_with(|| left.id.cmp(&right.id))
            });
            keyed.into_iter().skip(offset).take(limit).map(|(_, score, row)| (score, row)).collect()
        }
    };
    let wire = |(score, row): (f32, Arc<StoredRow>)| {
        let mut row = output.stored(&row);
        // Six places: a float's own digits would look like a precision that is not there.
        let similarity = (f64::from(score) * 1e6).round() / 1e6;
        row.insert("similarity".into(), similarity.into());
        row
    };
    (shown.into_iter().map(wire).collect(), has_more)
}

/// A value to sort by.
enum Key {
    Number(f64),
    Moment(i64),
    Bool(bool),
    Text(String),
}

impl Key {
    fn of(row: &StoredRow, field: &Field) -> Option<Self> {
        match field.column {
            ColumnId::ID => return Some(Self::Number(f64::from(row.id))),
            ColumnId::CREATED_AT => return Some(Self::Moment(row.created_at.as_ms())),
            ColumnId::UPDATED_AT => return Some(Self::Moment(row.updated_at.as_ms())),
            _ => {}
        }
        match row.cell(field.column)? {
            Cell::Number(number) => Some(Self::Number(*number)),
            Cell::Moment(moment, _) => Some(Self::Moment(moment.as_ms())),
            Cell::Bool(flag) => Some(Self::Bool(*flag)),
            Cell::Text(text) => Some(Self::Text(text.as_str().to_owned())),
            Cell::Json(json) => sort_text(json, &field.path).map(Self::Text),
        }
    }
}

/// The order of `find` without a search: null last in both directions.
fn compare(a: Option<&Key>, b: Option<&Key>, descending: bool) -> Ordering {
    let values = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(Key::Number(a)), Some(Key::Number(b))) => a.total_cmp(b),
        (Some(Key::Moment(a)), Some(Key::Moment(b))) => a.cmp(b),
        (Some(Key::Bool(a)), Some(Key::Bool(b))) => a.cmp(b),
        (Some(Key::Text(a)), Some(Key::Text(b))) => a.cmp(b),
        // A column has one kind of values.
        _ => Ordering::Equal,
    };
    if descending { values.reverse() } else { values }
}
