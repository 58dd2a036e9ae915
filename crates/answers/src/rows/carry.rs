//! A follow-up joined with the query it follows: "which of them are red?", "and the shipped ones?".
//!
//! Invariant: of a column that both speak of, what is said now holds of other rows ("and the shipped ones?"), both of the
//! same rows ("which of them …").

use super::READ_WELL;
use super::read::{Proposal, Reading};
use crate::follow_up::Carry;
use serde_json::{Value, json};

/// Where the order begins in an explanation.
const ORDERS: [&str; 2] = [", ordered by ", ", at most "];

/// The follow-up as a whole query; `None` when one of both was not understood or does not need the other.
pub(super) fn joined(before: &Reading, now: Reading, kind: Carry) -> Option<Reading> {
    if before.trust < READ_WELL || now.trust < READ_WELL {
        return None;
    }
    let (first, said) = (&before.proposal, &now.proposal);
    // "Which of them" of the three cheapest is about three rows, which no filter names.
    if kind == Carry::Rows && (first.limit.is_some() || first.nth.is_some()) {
        return None;
    }
    let filter = merged(first.filter.as_ref(), said.filter.as_ref(), kind)?;
    let proposal = match kind {
        Carry::Rows => {
            let rows = condition(&first.explanation).filter(|_| first.filter.is_some())?;
            Proposal { filter: Some(filter), explanation: of_rows(&said.explanation, rows), ..said.clone() }
        }
        Carry::Query => {
            let plain = said.group.is_none() && said.order_by.is_none() && said.select.is_empty();
            let rows = condition(&said.explanation).filter(|_| said.filter.is_some() && plain)?;
            let explanation = format!("Of the rows where {rows}. As before: {}", first.explanation);
            Proposal { filter: Some(filter), explanation, ..first.clone() }
        }
    };
    let trust = before.trust.min(now.trust);
    let question = match kind {
        Carry::Rows => now.question.clone(),
        Carry::Query => before.question.clone(),
    };
    Some(now.carried(question, trust, proposal))
}

/// Both filters at once; where both speak of one column the later one does, but of the same rows.
fn merged(before: Option<&Value>, now: Option<&Value>, kind: Carry) -> Option<Value> {
    let (before, now) = match (before, now) {
        (Some(before), Some(now)) => (before, now),
        (before, now) => return before.or(now).cloned(),
    };
    let plain = |filter: &Value| {
        filter.as_object().filter(|map| !map.keys().any(|key| key.starts_with('$'))).cloned()
    };
    match (plain(before), plain(now)) {
        (Some(mut both), Some(now))
            if kind == Carry::Query || !now.keys().any(|column| both.contains_key(column)) =>
        {
            both.extend(now);
            Some(Value::Object(both))
        }
        _ => Some(json!({ "$and": [before, now] })),
    }
}

/// What an explanation says of its rows: between "where" and the order.
fn condition(explanation: &str) -> Option<&str> {
    let (_, told) = explanation.split_once("where ")?;
    let ends = ORDERS.iter().chain(&[". "]).filter_map(|end| told.find(end)).min();
    let told = ends.and_then(|end| told.get(..end)).unwrap_or(told);
    Some(told.trim_end_matches('.'))
}

/// An explanation with a condition on its rows added, before their order.
fn of_rows(explanation: &str, rows: &str) -> String {
    let (first, rest) = explanation.split_once(". ").unwrap_or((explanation.trim_end_matches('.'), ""));
    let order = ORDERS.iter().filter_map(|order| first.find(order)).min().unwrap_or(first.len());
    let (what, order) = first.split_at(order);
    let joint = match what {
        _ if what.contains("where ") => ", of those where",
        _ if what.ends_with("ows") => " where",
        _ => " of the rows where",
    };
    format!("{what}{joint} {rows}{order}. {rest}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reading(question: &str, proposal: Proposal) -> Reading {
        Reading::trusted(question, 1.0, proposal)
    }

    fn pending() -> Reading {
        let proposal = Proposal {
            filter: Some(json!({ "status": "pending", "country": "Peru" })),
            group: Some(json!({ "id": "count" })),
            explanation: "Number of rows of the rows where status is \"pending\" and country is \"Peru\"."
                .into(),
            ..Proposal::default()
        };
        reading("how many pending orders from Peru?", proposal)
    }

    #[test]
    fn a_value_takes_the_place_of_the_one_before() {
        let now = Proposal {
            filter: Some(json!({ "status": "delivered" })),
            explanation: "Rows where status is \"delivered\".".into(),
            ..Proposal::default()
        };
        let joined = joined(&pending(), reading("delivered", now), Carry::Query).unwrap();
        assert_eq!(joined.proposal.filter, Some(json!({ "status": "delivered", "country": "Peru" })));
        assert_eq!(joined.proposal.group, Some(json!({ "id": "count" })));
        assert!(joined.proposal.explanation.starts_with("Of the rows where status is \"delivered\". "));
    }

    #[test]
    fn the_rows_before_are_asked_something_else() {
        let now = Proposal {
            order_by: Some("total".into()),
            limit: Some(1),
            explanation: "Rows, ordered by total, highest first, at most 1.".into(),
            ..Proposal::default()
        };
        let joined = joined(&pending(), reading("which is the largest?", now), Carry::Rows).unwrap();
        assert_eq!(joined.proposal.filter, pending().proposal.filter);
        assert_eq!((joined.proposal.limit, joined.proposal.group), (Some(1), None));
        let told = "Rows where status is \"pending\" and country is \"Peru\", ordered by total, highest first, at most 1.";
        assert_eq!(joined.proposal.explanation, told);
        assert_eq!(of_rows("Average of price.", "a is 1"), "Average of price of the rows where a is 1.");
    }

    #[test]
    fn what_was_not_understood_is_not_joined() {
        let vague = Reading::trusted("how many?", 0.4, pending().proposal);
        assert!(joined(&vague, pending(), Carry::Rows).is_none());
        let all = reading(
            "how many orders?",
            Proposal { group: Some(json!({ "id": "count" })), ..Proposal::default() },
        );
        assert!(joined(&all, pending(), Carry::Rows).is_none());
        let either = merged(Some(&json!({ "$or": [{ "a": 1 }] })), Some(&json!({ "b": 2 })), Carry::Query);
        assert_eq!(either, Some(json!({ "$and": [{ "$or": [{ "a": 1 }] }, { "b": 2 }] })));
        let bounds =
            merged(Some(&json!({ "a": { "$lt": 5 } })), Some(&json!({ "a": { "$gt": 3 } })), Carry::Rows);
        assert_eq!(bounds, Some(json!({ "$and": [{ "a": { "$lt": 5 } }, { "a": { "$gt": 3 } }] })));
    }
}
