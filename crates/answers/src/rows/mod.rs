//! Questions to tables: a plan made by the words compiler, run exactly, told in words with row citations.
//!
//! Knows no documents. Invariant: a number in an answer is a value of a row or the result of the plan.

mod carry;
mod read;
mod say;

use crate::Error;
use crate::follow_up::Carried;
use crate::reply::{Plan, RowCitation};
use quarry_tables::{Find, Row, Table, Tables};
use quarry_types::Scope;
use read::{ANOTHER_THING, Proposal, Reading};
use serde_json::Value;

/// Rows told and cited.
const MOST_ROWS: usize = 10;
/// Rows of a plan that are returned.
const PLAN_ROWS: usize = 20;
/// Rows that are looked at for those that share a place in an order.
const MOST_FOUND: usize = 1_000;
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

/// Asks one table; `carried` = what the question takes along from the one before.
///
/// # Errors
/// `NoTable`, or when the tables fail.
pub(crate) async fn ask(
    tables: &Tables,
    scope: &Scope,
    name: &str,
    question: &str,
    carried: Option<&Carried>,
) -> Result<Option<RowsAnswer>, Error> {
    let (table, _) = tables.get(scope, name).await?;
    if let Some(carried) = carried {
        let before = best_reading(tables, scope, &table, &carried.before).await?;
        let now = best_reading(tables, scope, &table, &carried.now).await?;
        if let Some(reading) = carry::joined(&before, now, carried.kind)
            && let Some(answer) = run(tables, scope, &table, &reading).await?
        {
            return Ok(Some(answer));
        }
    }
    let mut reading = best_reading(tables, scope, &table, question).await?;
    reading.tell_of_row(&table);
    let well = reading.trust >= READ_WELL;
    if well && let Some(answer) = run(tables, scope, &table, &reading).await? {
        return Ok(Some(answer));
    }
    search(tables, scope, &table, &reading).await
}

/// The wording of a question that is understood best.
async fn best_reading(
    tables: &Tables,
    scope: &Scope,
    table: &Table,
    question: &str,
) -> Result<Reading, Error> {
    let mut best: Option<Reading> = None;
    for text in read::wordings(question, table) {
        let proposal = tables.interpret(scope, &table.name, &text, None).await?.proposal;
        let reading = Reading::new(question, table, proposal);
        if best.as_ref().is_none_or(|best| reading.trust > best.trust + 0.05) {
            best = Some(reading);
        }
    }
    Ok(best.unwrap_or_else(|| Reading::new(question, table, Proposal::default())))
}

/// Runs a plan and tells what it gave; `None` when it names a row that is not there.
async fn run(
    tables: &Tables,
    scope: &Scope,
    table: &Table,
    reading: &Reading,
) -> Result<Option<RowsAnswer>, Error> {
    let proposal = &reading.proposal;
    let find = |group: Option<Value>, limit: usize| Find {
        filter: proposal.filter.clone(),
        order_by: proposal.order_by.clone().filter(|_| group.is_some() == proposal.group.is_some()),
        descending: proposal.descending,
        group,
        limit,
        ..Find::default()
    };
    let place = place(proposal);
    let limit = match place {
        Some(place) => place.saturating_add(PLAN_ROWS).min(MOST_FOUND),
        None => proposal.limit.unwrap_or(PLAN_ROWS).clamp(1, PLAN_ROWS),
    };
    let found = tables.find(scope, &table.name, find(proposal.group.clone(), limit)).await?;
    let mut has_more = found.has_more && !asked_for_no_more(proposal.limit);
    let mut shown = found.rows.into_rows();
    if let (Some(place), Some(by)) = (place, proposal.order_by.as_deref()) {
        has_more = found.has_more && equal(shown.last(), shown.get(place - 1), by);
        shown = tied(&shown, place, by);
        has_more |= shown.len() > PLAN_ROWS;
        shown.truncate(PLAN_ROWS);
    }
    let lines = if proposal.group.is_some() {
        let counts = reading.asks_how_many();
        let telling = say::Telling { table, proposal, rows: &[], has_more, counts };
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
        say::Telling { table, proposal, rows: &shown, has_more, counts: false }.rows()
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

/// The one place in an order that is asked for: "the cheapest", "the second cheapest".
fn place(proposal: &Proposal) -> Option<usize> {
    proposal.order_by.as_ref()?;
    let first = proposal.limit.filter(|limit| *limit == 1);
    proposal.nth.or(first).filter(|place| (1..MOST_FOUND).contains(place))
}

/// The rows as good as the one at a place, counted from 1: nothing tells them apart.
fn tied(rows: &[Row], place: usize, by: &str) -> Vec<Row> {
    let Some(asked) = rows.get(place.saturating_sub(1)) else { return Vec::new() };
    let told = say::at(asked, by).is_some_and(|value| !value.is_null());
    let alike = |row: &&Row| equal(Some(row), Some(asked), by);
    if told { rows.iter().filter(alike).cloned().collect() } else { vec![asked.clone()] }
}

/// Whether two rows have one value in a column; 20 and 20.0 are one.
fn equal(a: Option<&Row>, b: Option<&Row>, column: &str) -> bool {
    match (a.and_then(|row| say::at(row, column)), b.and_then(|row| say::at(row, column))) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (a, b) => a.is_some() && a == b,
    }
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
    reading: &Reading,
) -> Result<Option<RowsAnswer>, Error> {
    if !is_searchable(table) {
        return Ok(None);
    }
    let words: String = reading.question.chars().take(1_000).collect();
    let find = Find { search: Some(words.clone()), limit: 3, ..Find::default() };
    let found = tables.find(scope, &table.name, find).await?;
    let similarity = |row: &Row| row.get("similarity").and_then(Value::as_f64).unwrap_or(0.0);
    let Some(best) = found.rows.first().map(similarity) else { return Ok(None) };
    let near: Vec<Row> = found.rows.iter().filter(|row| similarity(row) >= 0.9 * best).cloned().collect();
    let proposal = Default::default();
    let telling = say::Telling { table, proposal: &proposal, rows: &near, has_more: false, counts: false };
    let lines = telling.rows();
    #[allow(clippy::cast_possible_truncation, reason = "0..=1")]
    let confidence = 1.0 / (1.0 + (-12.0 * (best as f32 - SIMILAR)).exp());
    // A search finds something near whatever is asked, so it is never as sure as a plan.
    let confidence = 0.8 * confidence;
    let confidence = if reading.asks_beyond(&near) { confidence * ANOTHER_THING } else { confidence };
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
    fn rows_that_share_a_place_are_all_told() {
        let row = |name: &str, price: Value| {
            Row::from_iter([("name".to_owned(), json!(name)), ("price".to_owned(), price)])
        };
        let rows = [row("a", json!(20)), row("b", json!(20.0)), row("c", json!(35)), row("d", Value::Null)];
        let names = |place: usize| -> Vec<Value> {
            tied(&rows, place, "price").iter().map(|row| row["name"].clone()).collect()
        };
        assert_eq!(names(1), ["a", "b"]);
        assert_eq!(names(2), ["a", "b"]);
        assert_eq!(names(3), ["c"]);
        assert_eq!(names(4), ["d"]);
        assert!(names(5).is_empty() && names(0) == ["a", "b"]);
        let of = |limit, nth| Proposal { order_by: Some("price".into()), limit, nth, ..Proposal::default() };
        assert_eq!([place(&of(Some(1), None)), place(&of(Some(2), Some(2)))], [Some(1), Some(2)]);
        assert_eq!([place(&of(Some(3), None)), place(&of(None, None))], [None, None]);
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
