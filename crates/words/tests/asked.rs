//! What a question asks for: amounts, people, places in an order; and words that look like them.
#![allow(clippy::unwrap_used)]

use quarry_types::Timestamp;
use quarry_words::{Collector, Compiler, Kind, Proposal, Vocabulary};
use serde_json::{Value, json};

/// Ten bookings of ten boats.
fn compiler() -> Compiler {
    let states = ["paid", "open"];
    let people = ["Ines Roth", "Omar Haddad", "Ines Roth"];
    let rows: Vec<Value> = (0..10)
        .map(|at| {
            json!({
                "boat": format!("Heron {at}"), "customer": people[at % 3], "state": states[at % 2],
                "total": 40 + at, "berths_left": at, "booked_at": format!("2024-03-{:02}T00:00:00Z", at + 1),
                "stock_qty": 3, "in_stock": true,
            })
        })
        .collect();
    let mut columns = Vec::new();
    for (name, kind) in [
        ("boat", Kind::Text),
        ("customer", Kind::Text),
        ("state", Kind::Text),
        ("total", Kind::Number),
        ("berths_left", Kind::Number),
        ("stock_qty", Kind::Number),
        ("in_stock", Kind::Bool),
        ("booked_at", Kind::DateTime),
    ] {
        let mut column = Collector::new(name, kind, None);
        rows.iter().for_each(|row| column.add(&row[name]));
        columns.extend(column.finish());
    }
    Compiler::new(&Vocabulary { table: "bookingsTable".into(), columns })
}

fn read(text: &str) -> Proposal {
    compiler().compile(text, Timestamp::parse("2024-11-20T15:00:00Z").unwrap()).unwrap()
}

#[test]
fn totals_without_a_column_add_up() {
    for (text, wanted) in [
        ("what is the total of all paid bookings?", json!({"total": "sum"})),
        ("how much has Omar Haddad spent?", json!({"total": "sum"})),
        ("total bookings", json!({"id": "count"})),
        ("how many berths in total?", json!({"berths_left": "sum"})),
        ("how much stock is there?", json!({"stock_qty": "sum"})),
    ] {
        let got = read(text);
        assert_eq!((got.group.clone(), got.unused.len()), (Some(wanted), 0), "{text}: {got:?}");
    }
}

#[test]
fn how_many_of_a_column_is_a_value_of_the_row() {
    let got = read("How many berths are left on Heron 4?");
    assert_eq!(
        (got.select.as_slice(), got.group, got.unused.len()),
        (&["berths_left".to_owned()][..], None, 0)
    );
    assert_eq!(got.filter, Some(json!({"boat": "Heron 4"})));
}

#[test]
fn how_much_of_something_unknown_is_no_price() {
    let got = read("how much diesel does Heron 4 have?");
    assert!(got.select.is_empty() && got.unused == ["diesel"], "{got:?}");
    assert_eq!(read("how much is Heron 4?").select, ["total"]);
    for text in ["how many smoke-free bookings of Ines Roth?", "the phone number of Heron 4"] {
        let got = read(text);
        assert!(!got.explanation.contains("total") || got.is_empty(), "{text}: {got:?}");
        assert!(got.group.is_none() || !text.contains("phone"), "{text}: {got:?}");
        assert!(!got.unused.is_empty(), "{text}: {got:?}");
    }
}

#[test]
fn who_asks_for_people() {
    let largest = read("who placed the largest booking?");
    assert_eq!((largest.select, largest.order_by.as_deref()), (vec!["customer".to_owned()], Some("total")));
    assert_eq!((largest.limit, largest.group), (Some(1), None));
    let most = read("who placed the most bookings?");
    assert_eq!(most.group, Some(json!({"customer": "key", "id": "count"})));
    assert_eq!(read("who booked the most?").group, most.group);
    assert_eq!(read("which state is used most?").group, Some(json!({"state": "key", "id": "count"})));
}

#[test]
fn a_place_in_the_order_is_kept() {
    for (text, descending, nth) in [
        ("the second most expensive booking", true, 2),
        ("which paid booking is the 3rd cheapest?", false, 3),
        ("what is the second highest total?", true, 2),
    ] {
        let got = read(text);
        assert_eq!(
            (got.descending, got.limit, got.nth),
            (descending, Some(nth), Some(nth)),
            "{text}: {got:?}"
        );
        assert!(got.explanation.contains("the last of them"), "{}", got.explanation);
    }
    assert_eq!(read("the most expensive booking").nth, None);
}

#[test]
fn a_verb_may_name_what_is_most() {
    let got = read("which booking costs the most?");
    assert_eq!(
        (got.order_by.as_deref(), got.descending, got.limit),
        (Some("total"), true, Some(1)),
        "{got:?}"
    );
}
