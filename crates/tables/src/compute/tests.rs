//! Rules and their order, without a store.
#![allow(clippy::unwrap_used)]

use super::rules::{Ready, Standing};
use super::{Rules, prompt};
use crate::record::{ComputeState, Computed, StoredRow};
use crate::schema::{ColumnId, Schema};
use proptest::prelude::*;
use quarry_types::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn parse(schema: &Value) -> Schema {
    Schema::parse(schema, 100).unwrap()
}

fn code(dependencies: Value, code: &str) -> Value {
    json!({ "type": "number", "x-zui": { "computed": { "action": "code", "dependencies": dependencies, "code": code } } })
}

fn names(schema: &Schema, column: &str) -> Vec<String> {
    let rules = Rules::of(&schema.columns);
    let rule = rules.iter().find(|rule| rule.name == column).unwrap();
    let name = |id: &ColumnId| crate::wire::name_of(&schema.columns, *id).unwrap().to_owned();
    rule.dependencies.iter().map(name).collect()
}

#[test]
fn dependencies_are_said_or_seen() {
    for (rule, wanted) in [
        (json!({ "action": "code", "code": "row.a + row['b c']" }), vec!["a", "b c"]),
        (json!({ "action": "code", "code": "row?.a ?? row?.[\"b c\"] ?? row[`d`]" }), vec!["a", "b c", "d"]),
        (json!({ "action": "code", "code": "async (row) => row . a", "dependencies": [] }), vec!["a"]),
        (json!({ "action": "code", "code": "row.a + row.b", "dependencies": ["d"] }), vec!["d"]),
        (json!({ "action": "code", "code": "row.id + row.a" }), vec!["id", "a"]),
        (json!({ "action": "code", "code": "row.x + row.a" }), vec!["a"]),
        (json!({ "action": "code", "code": "({ a }) => a" }), vec!["a", "b c", "d"]),
        (json!({ "action": "code", "code": "arrow.a" }), vec!["a", "b c", "d"]),
        (json!({ "action": "code" }), vec!["a", "b c", "d"]),
        (json!({ "action": "ai", "prompt": "sum up {{ a }} and {{b c}}" }), vec!["a", "b c"]),
        (json!({ "action": "ai", "prompt": "sum up", "dependencies": ["a", "a"] }), vec!["a"]),
        (json!({ "action": "workflow", "workflowId": "w1", "dependencies": ["d"] }), vec!["d"]),
    ] {
        let schema = parse(&json!({ "type": "object", "properties": {
            "a": { "type": "number" }, "b c": { "type": "number" }, "d": { "type": "string" },
            "x": { "type": "number", "x-zui": { "computed": rule } },
        } }));
        assert_eq!(names(&schema, "x"), wanted, "{rule}");
    }
}

#[test]
fn bad_rules_are_refused_by_name() {
    for (rule, says) in [
        (json!(5), "must be an object"),
        (json!({}), "action must be"),
        (json!({ "action": "sql" }), "action must be"),
        (json!({ "action": "code", "code": 5 }), "code must be a string"),
        (json!({ "action": "code", "code": "1", "dependencies": "a" }), "list of column names"),
        (
            json!({ "action": "code", "code": "1", "dependencies": ["b"] }),
            "dependencies names \"b\", which is no column",
        ),
        (json!({ "action": "code", "code": "1", "dependencies": ["x"] }), "x → x"),
        (json!({ "action": "code", "code": "1", "enabled": "no" }), "enabled must be"),
        (json!({ "action": "ai", "prompt": "about {{b}}" }), "the prompt names \"b\""),
        (json!({ "action": "ai", "prompt": "hm", "model": "m".repeat(81) }), "model must have at most 80"),
        (json!({ "action": "ai", "prompt": "hm", "model": "two names" }), "one name without spaces"),
        (json!({ "action": "ai", "prompt": "hm", "model": 5 }), "model must be a string"),
        (json!({ "action": "workflow", "workflowId": "w".repeat(21) }), "at most 20"),
    ] {
        let schema =
            json!({ "a": { "type": "number" }, "x": { "type": "number", "x-zui": { "computed": rule } } });
        let error = Schema::parse(&schema, 100).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("\"x\"") | error.contains("x →"), "{rule}: {error}");
    }
    let circle =
        json!({ "a": code(json!(["b"]), "1"), "b": code(json!(["c"]), "1"), "c": code(json!([]), "row.a") });
    let error = Schema::parse(&circle, 100).unwrap_err().to_string();
    assert!(error.contains("a → b → c → a"), "{error}");
    let off = json!({ "a": { "type": "number", "x-zui": { "computed":
        { "action": "code", "code": "1", "dependencies": ["gone"], "enabled": false } } } });
    assert!(Rules::of(&parse(&off).columns).is_empty(), "a rule switched off is not looked at");
}

#[test]
fn versions_grow_when_values_may_differ() {
    let first = parse(
        &json!({ "a": { "type": "number" }, "b": { "type": "number" }, "x": code(json!([]), "row.a") }),
    );
    let version = |schema: &Schema| schema.column("x").unwrap().rule;
    assert_eq!(version(&first), 1);
    let step = |schema: &Schema, change: Value| schema.merged(&change, 100).unwrap();
    assert_eq!(
        version(&step(&first, json!({ "x": code(json!(["a"]), "row.a") }))),
        1,
        "the same by other words"
    );
    assert_eq!(version(&step(&first, json!({ "b": { "type": "string" } }))), 1, "not an input");
    assert_eq!(version(&step(&first, json!({ "a": { "type": "string" } }))), 2, "an input of another type");
    assert_eq!(version(&step(&first, json!({ "x": code(json!([]), "row.a + 1") }))), 2);
    assert_eq!(version(&step(&first, json!({ "x": code(json!(["b"]), "row.a") }))), 2);
    let switch = |on: bool| json!({ "x": { "x-zui": { "computed": { "action": "code", "code": "row.a", "enabled": on } } } });
    let off = step(&first, switch(false));
    assert_eq!(version(&off), 1);
    assert_eq!(version(&step(&off, switch(true))), 2, "what happened meanwhile was not followed");
    let error = first.merged(&json!({ "a": null }), 100);
    assert!(error.is_ok(), "code that reads a column is not known to need it");
    let open =
        json!({ "a": { "type": "number" }, "b": { "type": "number" }, "x": code(json!([]), "({ a }) => a") });
    let open = parse(&open);
    assert_eq!(version(&step(&open, json!({ "c": { "type": "number" } }))), 1, "a new column has no values");
    assert_eq!(version(&step(&open, json!({ "b": null }))), 2);
    let said = parse(&json!({ "a": { "type": "number" }, "x": code(json!(["a"]), "row.a") }));
    assert!(
        said.merged(&json!({ "a": null }), 100).unwrap_err().to_string().contains("dependencies names \"a\"")
    );
}

#[test]
fn renames_are_followed() {
    let mut schema = parse(&json!({
        "a": { "type": "number" },
        "x": code(json!(["a"]), "async (row) => row.a + row['a'] + row.ab + x.a"),
        "y": { "type": "string", "x-zui": { "computed": { "action": "ai", "prompt": "{{a}} {{ab}} {{ a }}" } } },
        "ab": { "type": "number" },
    }));
    let before: Vec<u32> = schema.columns.iter().map(|column| column.rule).collect();
    schema.rename("a", "the \"new\" one").unwrap();
    let zui = |name: &str| schema.column(name).unwrap().zui["computed"].clone();
    assert_eq!(
        zui("x")["code"],
        "async (row) => row[\"the \\\"new\\\" one\"] + row[\"the \\\"new\\\" one\"] + row.ab + x.a"
    );
    assert_eq!(zui("x")["dependencies"], json!(["the \"new\" one"]));
    assert_eq!(zui("y")["prompt"], "{{the \"new\" one}} {{ab}} {{the \"new\" one}}");
    assert_eq!(schema.columns.iter().map(|column| column.rule).collect::<Vec<_>>(), before);
    let mut hidden = parse(&json!({ "a": { "type": "number" }, "x": code(json!(["a"]), "({ a }) => a") }));
    assert!(hidden.rename("a", "b").unwrap_err().to_string().contains("cannot be rewritten"));
}

/// Columns 0..n, each computed from some others.
fn graph(edges: &[BTreeSet<usize>]) -> Value {
    let column = |(at, from): (usize, &BTreeSet<usize>)| {
        let names: Vec<String> = from.iter().map(|from| format!("c{from}")).collect();
        let plain = json!({ "type": "number" });
        (format!("c{at}"), if names.is_empty() { plain } else { code(json!(names), "1") })
    };
    let properties: Map<String, Value> = edges.iter().enumerate().map(column).collect();
    json!({ "type": "object", "properties": properties })
}

/// Whether `to` hangs on `from` over one edge or more.
fn hangs(edges: &[BTreeSet<usize>], to: usize, from: usize) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), edges[to].clone());
    while let Some(one) = next.pop_first() {
        if one == from {
            return true;
        }
        if seen.insert(one) {
            next.extend(&edges[one]);
        }
    }
    false
}

fn edges() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    (2..9_usize).prop_flat_map(|n| proptest::collection::vec(proptest::collection::btree_set(0..n, 0..3), n))
}

proptest! {
    #[test]
    fn circles_and_nothing_else_are_refused(edges in edges()) {
        let circular = (0..edges.len()).any(|at| hangs(&edges, at, at));
        let parsed = Schema::parse(&graph(&edges), 100);
        prop_assert_eq!(parsed.is_err(), circular);
        if let Err(error) = parsed {
            let text = error.to_string();
            let path: Vec<usize> = text.split(": ").nth(1).unwrap().split(';').next().unwrap()
                .split(" → ").map(|name| name[1..].parse().unwrap()).collect();
            prop_assert_eq!(path.first(), path.last());
            prop_assert!(path.windows(2).all(|step| edges[step[0]].contains(&step[1])), "{}", text);
        }
    }

    #[test]
    fn order_and_marking_follow_the_graph(edges in edges(), changed in 0..9_usize) {
        // Edges to higher columns only: no circles.
        let edges: Vec<BTreeSet<usize>> = edges.iter().enumerate()
            .map(|(at, from)| from.iter().copied().filter(|from| *from > at).collect()).collect();
        let changed = changed % edges.len();
        let schema = parse(&graph(&edges));
        let rules = Rules::of(&schema.columns);
        let id = |at: usize| schema.column(&format!("c{at}")).unwrap().id;
        let at = |id: ColumnId| (0..edges.len()).find(|at| self::id(&schema, *at) == id).unwrap();
        let mut row = StoredRow::new(1, Timestamp(1), Timestamp(1));
        // Settled level by level, as the worker does: nothing before what it hangs on.
        let mut settled = BTreeSet::new();
        loop {
            let ready: Vec<ColumnId> = rules.ready(&row.computed).map(|(rule, _)| rule.column).collect();
            if ready.is_empty() {
                break;
            }
            for column in ready {
                prop_assert!(edges[at(column)].iter().all(|from| edges[*from].is_empty() || settled.contains(from)));
            }
            let level: Vec<_> = rules.ready(&row.computed).map(|(rule, ready)| (rule.column, rule.version, ready)).collect();
            for (column, rule, ready) in level {
                prop_assert_eq!(ready, Ready::Compute);
                row.set_computed(column, Computed { state: ComputeState::Done, rule, at: Timestamp(1), error: None });
                settled.insert(at(column));
            }
        }
        prop_assert!(!rules.waits(&row.computed));
        rules.touch(&mut row, &[id(changed)], Timestamp(2));
        for rule in rules.iter() {
            let waits = rule.standing(&row.computed) == Standing::Waiting;
            prop_assert_eq!(waits, hangs(&edges, at(rule.column), changed), "{}", rule.name);
        }
    }
}

fn id(schema: &Schema, at: usize) -> ColumnId {
    schema.column(&format!("c{at}")).unwrap().id
}

#[test]
fn models_words_become_values_of_the_column() {
    let schema = parse(&json!({
        "text": { "type": "string" }, "n": { "type": "number" }, "ok": { "type": "boolean" },
        "size": { "type": "string", "enum": ["Small", "Large"] }, "obj": { "type": "object", "properties": {} },
        "list": { "type": "array" }, "due": { "type": "string", "format": "date-time" }, "any": { "x-zui": {} },
    }));
    for (column, words, wanted) in [
        ("text", " \"quoted\". ", Some(json!("\"quoted\"."))),
        ("n", "1,234.5", Some(json!(1234.5))),
        ("n", "\"12\"", Some(json!(12))),
        ("n", "12.", Some(json!(12))),
        ("n", "about 12", None),
        ("n", "NaN", None),
        ("ok", "Yes.", Some(json!(true))),
        ("ok", "FALSE", Some(json!(false))),
        ("ok", "maybe", None),
        ("size", "large", Some(json!("Large"))),
        ("size", "huge", None),
        ("obj", "```json\n{\"a\": 1}\n```", Some(json!({ "a": 1 }))),
        ("obj", "[1]", None),
        ("list", "[1, 2]", Some(json!([1, 2]))),
        ("due", "\"2024-01-01T00:00:00Z\"", Some(json!("2024-01-01T00:00:00Z"))),
        ("any", "{\"a\":1}", Some(json!({ "a": 1 }))),
        ("any", "words", Some(json!("words"))),
        ("text", "  ", None),
    ] {
        let value = prompt::value(words, schema.column(column).unwrap());
        assert_eq!(value.clone().ok(), wanted, "{column} {words}: {value:?}");
    }
    let row = json!({ "text": "Ada", "n": 3, "obj": { "a": [1] }, "ok": null });
    let ask = |prompt: &str, dependencies: &[&str]| {
        let ids: Vec<ColumnId> = dependencies.iter().map(|name| schema.column(name).unwrap().id).collect();
        prompt::question(
            (prompt, &None),
            schema.column("list").unwrap(),
            &schema.columns,
            &ids,
            row.as_object().unwrap(),
        )
    };
    assert_eq!(ask("{{text}} has {{ n }}, {{obj}} {{ok}}!", &[]).prompt, "Ada has 3, {\"a\":[1]} !");
    let whole = ask("Describe the person.", &["text", "n"]);
    assert_eq!(whole.prompt, "Describe the person.\n\nThe row: {\"text\":\"Ada\",\"n\":3}");
    assert!(whole.json && whole.system.contains("column \"list\"") && whole.system.contains("JSON array"));
}
