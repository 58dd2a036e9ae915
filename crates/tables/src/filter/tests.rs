//! What a filter may hold, and the meaning FILTERS.md gives to single cases.
#![allow(clippy::unwrap_used)]

use super::{matches, parse};
use crate::Error;
use crate::schema::Schema;
use serde_json::{Value, json};

fn schema() -> Schema {
    let schema = json!({"type": "object", "properties": {
        "age": {"type": "number"}, "name": {"type": "string"}, "ok": {"type": "boolean"},
        "due": {"type": "string", "format": "date-time"}, "customer": {"type": "object"},
        "tags": {"type": "array"}, "a.b": {"type": "string"}, "any": {"x-zui": {}},
    }});
    Schema::parse(&schema, 20).unwrap()
}

fn holds(filter: Value, row: Value) -> bool {
    let schema = schema();
    let filter = parse(&filter, &schema).unwrap();
    matches(&filter, &|column| row.get(crate::wire::name_of(&schema.columns, column)?))
}

fn error(filter: &Value) -> String {
    match parse(filter, &schema()) {
        Err(Error::InvalidQuery(text)) => text,
        other => panic!("{filter}: {other:?}"),
    }
}

#[test]
fn null_and_missing_are_one_value() {
    for row in [json!({}), json!({"age": null})] {
        assert!(holds(json!({"age": null}), row.clone()));
        assert!(holds(json!({"age": {"$exists": false}}), row.clone()));
        assert!(holds(json!({"age": {"$ne": 3}}), row.clone()));
        assert!(holds(json!({"age": {"$nin": [3]}}), row.clone()));
        assert!(holds(json!({"age": {"$not": {"$gt": 3}}}), row.clone()));
        assert!(holds(json!({"age": {"$in": [null, 3]}}), row.clone()));
        assert!(!holds(json!({"age": {"$lt": 3}}), row.clone()));
        assert!(!holds(json!({"age": {"$ne": null}}), row));
    }
    assert!(holds(json!({"customer.city": null}), json!({"customer": {"name": "x"}})));
    assert!(holds(json!({"customer.city": {"$exists": false}}), json!({"customer": {"city": null}})));
}

#[test]
fn dates_compare_as_moments() {
    let row = json!({"due": "2024-03-01T12:00:00Z", "updatedAt": "2024-06-01T00:00:00.000Z"});
    assert!(holds(json!({"due": {"$gte": "2024-01-01"}}), row.clone()));
    assert!(holds(json!({"due": "2024-03-01T13:00:00+01:00"}), row.clone()));
    assert!(holds(json!({"updatedAt": {"gte": "2024-01-01"}}), row.clone()));
    assert!(!holds(json!({"due": {"$lt": "2024-03-01"}}), row));
}

#[test]
fn a_date_alone_is_its_whole_day() {
    let first = json!({"due": "2024-03-01T00:00:00Z"});
    let noon = json!({"due": "2024-03-01T12:00:00Z"});
    let last = json!({"due": "2024-03-02T00:59:59.999+01:00"});
    let next = json!({"due": "2024-03-02"});
    for (filter, wanted) in [
        (json!({"due": "2024-03-01"}), [true, true, true, false]),
        (json!({"due": {"$ne": "2024-03-01"}}), [false, false, false, true]),
        (json!({"due": {"$gt": "2024-03-01"}}), [false, false, false, true]),
        (json!({"due": {"$gte": "2024-03-01"}}), [true, true, true, true]),
        (json!({"due": {"$lt": "2024-03-01"}}), [false, false, false, false]),
        (json!({"due": {"$lte": "2024-03-01"}}), [true, true, true, false]),
        (json!({"due": {"$lte": "2024-03-01T00:00:00Z"}}), [true, false, false, false]),
        (json!({"due": {"$in": ["2024-03-01", "2024-03-09T00:00:00Z"]}}), [true, true, true, false]),
        (json!({"due": {"$nin": ["2024-03-02"]}}), [true, true, true, false]),
    ] {
        let found = [&first, &noon, &last, &next].map(|row| holds(filter.clone(), row.clone()));
        assert_eq!(found, wanted, "{filter}");
    }
}

#[test]
fn modulo_cuts_fractions_off() {
    for (number, pair, wanted) in [
        (json!(4.9), json!([3.9, 1.2]), true),
        (json!(-7), json!([3, -1]), true),
        (json!(-7.9), json!([3, -1]), true),
        (json!(0.5), json!([2, 0]), true),
        (json!(1e300), json!([2, 0]), false),
        (json!(null), json!([2, 0]), false),
    ] {
        assert_eq!(holds(json!({"age": {"$mod": pair}}), json!({"age": number})), wanted, "{number} {pair}");
    }
}

#[test]
fn arrays_match_by_element_and_as_a_whole() {
    let row = json!({"tags": ["red", ["x"], {"size": 3}, 7]});
    assert!(holds(json!({"tags": "red"}), row.clone()));
    assert!(holds(json!({"tags": ["red", ["x"], {"size": 3.0}, 7]}), row.clone()));
    assert!(holds(json!({"tags": ["x"]}), row.clone()));
    assert!(!holds(json!({"tags": ["red"]}), row.clone()));
    assert!(holds(json!({"tags": {"$gt": 6}}), row.clone()));
    assert!(holds(json!({"tags.size": 3}), row.clone()));
    assert!(holds(json!({"tags.2.size": 3}), row.clone()));
    assert!(holds(json!({"tags.0": "red"}), row.clone()));
    assert!(holds(json!({"tags": {"$size": 4}}), row.clone()));
    assert!(holds(json!({"tags": {"$regex": "^r"}}), row.clone()));
    assert!(holds(json!({"tags": {"$mod": [3, 1]}}), row.clone()));
    assert!(!holds(json!({"tags": {"$ne": "red"}}), row));
}

#[test]
fn operators_combine() {
    let row = json!({"age": 20, "name": "Ann", "ok": true, "a.b": "dot"});
    assert!(holds(json!({"age": {"$gte": 18, "$lt": 30}, "ok": true}), row.clone()));
    assert!(holds(json!({"$not": {"name": "Bob"}, "$or": [{"age": 1}, {"age": 20}]}), row.clone()));
    assert!(holds(json!({"age": {"$or": [{"$lt": 5}, {"$gt": 15}]}}), row.clone()));
    assert!(holds(json!({"name": {"$regex": "^a", "$options": "i"}}), row.clone()));
    assert!(!holds(json!({"name": {"$regex": "^a"}}), row.clone()));
    assert!(holds(json!({"a.b": "dot"}), row.clone()));
    assert!(holds(json!({}), row));
}

#[test]
fn bad_filters_say_where_and_what() {
    let deep = (0..40).fold(json!({"age": 1}), |inner, _| json!({"$not": inner}));
    let wide = json!({"$or": (0..1_001).map(|n| json!({"age": n})).collect::<Vec<_>>()});
    let long: Vec<u32> = (0..10_001).collect();
    for (filter, says) in [
        (json!([]), "filter: must be an object"),
        (json!({"aeg": 1}), "filter.aeg: there is no column \"aeg\"; the columns are \"age\""),
        (json!({"age": {"$above": 1}}), "filter.age.$above: unknown operator"),
        (json!({"age": {"above": 1}}), "unknown operator"),
        (json!({"$nor": []}), "unknown operator here"),
        (json!({"$or": []}), "non-empty list"),
        (json!({"$or": [{"age": 1}, {"age": "x"}]}), "filter.$or[1].age: must be a number or null"),
        (json!({"age": [1, 2]}), "use $in"),
        (json!({"age": {"$gt": null}}), "use $exists"),
        (json!({"age": {"$in": 3}}), "list of values"),
        (json!({"age": {"$in": long}}), "the limit is 10000"),
        (json!({"age": {"$mod": [0, 1]}}), "divisor other than 0"),
        (json!({"age": {"$size": 1}}), "works on arrays"),
        (json!({"age": {"$regex": "x"}}), "string columns only"),
        (json!({"name": {"$regex": "("}}), "no usable pattern"),
        (json!({"name": {"$regex": "(?=x)"}}), "look-around"),
        (json!({"name": {"$regex": "x", "$options": "x"}}), "$options"),
        (json!({"name": {"$options": "i"}}), "needs $regex"),
        (json!({"name": {"$exists": "yes"}}), "true or false"),
        (json!({"name.first": "x"}), "holds nothing under \"first\""),
        (json!({"due": "soon"}), "must be a date"),
        (json!({"ok": "true"}), "must be a boolean"),
        (json!({"name": {"$eq": "x", "y": 1}}), "mixes operators"),
        (json!({"customer..city": 1}), "non-empty segments"),
        (deep, "nested over 32 levels"),
        (wide, "over 1000 conditions"),
    ] {
        let error = error(&filter);
        assert!(error.contains(says), "{error}");
    }
}
