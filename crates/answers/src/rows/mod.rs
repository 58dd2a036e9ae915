//! Questions to tables: a plan made by the words compiler, run exactly, told in words with row citations.
//!
//! Knows no documents. Invariant: a number in an answer is a value of a row or the result of the plan.

mod read;
mod say;

use crate::Error;
use crate::reply::{Plan, RowCitation};
use quarry_tables::{Find, Interpretation, Row, Table, Tables};
use quarry_types::Scope;
use read::Reading;
use serde_json::Value;

/// Rows told and cited.
const MOST_ROWS: usize = 10;
/// Rows of a plan that are returned.
const PLAN_ROWS: usize = 20;
/// Below this a reading is not trusted and rows are searched instead.
const READ_WELL: f32 = 0.5;
/// A searched row at this similarity is as likely right as not.
const SIMILAR: f32 = 0.62;

/// An answer from a table: lines, each with the citations it rests on.
#[derive(Debug, Clone)]
pub(crate) struct RowsAnswer {
    pub(crate) lines: Vec<Line>,
    pub(crate) plan: Plan,
    pub(crate) confidence: f32,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) citations: Vec<RowCitation>,
}

/// Asks one table.
///
/// # Errors
/// `NoTable`, or when the tables fail.
pub(crate) async fn ask(
    tables: &Tables,
    scope: &Scope,
    name: &str,
    question: &str,
) -> Result<Option<RowsAnswer>, Error> {
    let (table, _) = tables.get(scope, name).await?;
    let mut best: Option<(f32, Interpretation)> = None;
    for text in read::wordings(question, &table) {
        let interpretation = tables.interpret(scope, name, &text, None).await?;
        let trust = read::trust(question, &interpretation.proposal);
        if best.as_ref().is_none_or(|(most, _)| trust > *most + 0.05) {
            best = Some((trust, interpretation));
        }
    }
    if let Some((trust, interpretation)) = best.filter(|(trust, _)| *trust >= READ_WELL)
        && let Some(answer) = run(tables, scope, &table, Reading { trust, interpretation }).await?
    {
        return Ok(Some(answer));
    }
    search(tables, scope, &table, question).await
}

/// Runs a plan and tells what it gave; `None` when it names a row that is not there.
async fn run(
    tables: &Tables,
    scope: &Scope,
    table: &Table,
    reading: Reading,
) -> Result<Option<RowsAnswer>, Error> {
    let proposal = &reading.interpretation.proposal;
    let find = |group: Option<Value>, limit: usize| Find {
        filter: proposal.filter.clone(),
        order_by: proposal.order_by.clone().filter(|_| group.is_some() == proposal.group.is_some()),
        descending: proposal.descending,
        group,
        limit,
        ..Find::default()
    };
    let limit = proposal.limit.unwrap_or(PLAN_ROWS).clamp(1, PLAN_ROWS);
    let found = tables.find(scope, &table.name, find(proposal.group.clone(), limit)).await?;
    let has_more = found.has_more && !asked_for_no_more(proposal.limit);
    let shown = found.rows.into_rows();
    let lines = if proposal.group.is_some() {
        let telling = say::Telling { table, proposal, rows: &[], has_more };
        let mut members = Vec::new();
        for group in shown.iter().take(MOST_ROWS) {
            let (condition, most) = telling.of_group(group);
            let of = Find { filter: both(proposal.filter.as_ref(), condition), ..find(None, most) };
            // The result stands without them: a value that cannot be searched for has no rows to show.
            match tables.find(scope, &table.name, of).await {
                Ok(rows) => members.extend(rows.rows.into_rows()),
                Err(error) => tracing::debug!(%error, "the rows of a group were not found"),
            }
        }
        say::Telling { rows: &members, ..telling }.groups(&shown)
    } else {
        say::Telling { table, proposal, rows: &shown, has_more }.rows()
    };
    if lines.is_empty() {
        return Ok(None);
    }
    let plan = Plan {
        table: table.name.clone(),
        explanation: proposal.explanation.clone(),
        filter: proposal.filter.clone(),
        group: proposal.group.clone(),
        select: proposal.select.clone(),
        order_by: proposal.order_by.clone(),
        descending: proposal.descending,
        limit: proposal.limit,
        search: None,
        confidence: reading.trust,
        rows: shown,
        has_more,
    };
    Ok(Some(RowsAnswer { lines, plan, confidence: reading.trust }))
}

/// Whether everything that was asked for fits among the rows that are returned.
fn asked_for_no_more(limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| limit <= PLAN_ROWS)
}

/// The rows that pass both.
fn both(filter: Option<&Value>, condition: Option<Value>) -> Option<Value> {
    match (filter, condition) {
        (Some(filter), Some(condition)) => Some(serde_json::json!({ "$and": [filter, condition] })),
        (filter, condition) => condition.or_else(|| filter.cloned()),
    }
}

/// The rows nearest in meaning, when the table can be searched.
async fn search(
    tables: &Tables,
    scope: &Scope,
    table: &Table,
    question: &str,
) -> Result<Option<RowsAnswer>, Error> {
    if !is_searchable(table) {
        return Ok(None);
    }
    let words: String = question.chars().take(1_000).collect();
    let find = Find { search: Some(words.clone()), limit: 3, ..Find::default() };
    let found = tables.find(scope, &table.name, find).await?;
    let similarity = |row: &Row| row.get("similarity").and_then(Value::as_f64).unwrap_or(0.0);
    let Some(best) = found.rows.first().map(similarity) else { return Ok(None) };
    let near: Vec<Row> = found.rows.iter().filter(|row| similarity(row) >= 0.9 * best).cloned().collect();
    let proposal = Default::default();
    let telling = say::Telling { table, proposal: &proposal, rows: &near, has_more: false };
    let lines = telling.rows();
    #[allow(clippy::cast_possible_truncation, reason = "0..=1")]
    let confidence = 1.0 / (1.0 + (-12.0 * (best as f32 - SIMILAR)).exp());
    // A search finds something near whatever is asked, so it is never as sure as a plan.
    let confidence = 0.8 * confidence;
    let plan = Plan {
        table: table.name.clone(),
        explanation: "Rows nearest in meaning to the question.".to_owned(),
        filter: None,
        group: None,
        select: Vec::new(),
        order_by: None,
        descending: false,
        limit: Some(3),
        search: Some(words),
        confidence,
        rows: near,
        has_more: false,
    };
    Ok(Some(RowsAnswer { lines, plan, confidence }))
}

fn is_searchable(table: &Table) -> bool {
    let columns = table.schema.get("properties").and_then(Value::as_object);
    columns.is_some_and(|columns| {
        columns
            .values()
            .any(|column| column.pointer("/x-zui/searchable").and_then(Value::as_bool) == Some(true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn more_is_told_only_of_what_was_asked_for() {
        assert!(asked_for_no_more(Some(3)) && asked_for_no_more(Some(PLAN_ROWS)));
        assert!(!asked_for_no_more(Some(50)) && !asked_for_no_more(None));
    }

    #[test]
    fn rows_of_a_group_pass_the_filter_too() {
        let (filter, condition) = (json!({ "a": 1 }), json!({ "b": 2 }));
        assert_eq!(
            both(Some(&filter), Some(condition.clone())),
            Some(json!({ "$and": [filter, condition] }))
        );
        assert_eq!(both(None, Some(condition.clone())), Some(condition));
        assert_eq!(both(Some(&filter), None), Some(filter));
    }
}
