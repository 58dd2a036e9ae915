//! The three paths agree: direct kernels, DataFusion plan, naive evaluator.
//!
//! `QUARRY_DIFFERENTIAL_CASES` sets the number of random filters and pages (default 2,000); of groups there
//! are an eighth as many.
#![allow(clippy::unwrap_used)]

use super::group::{Group, UniqueLists, direct_groups};
use super::order::{encode, pick};
use super::plan::{Engine, scan};
use super::scan::{Page, Query};
use crate::api::Row;
use crate::catalog::Entry;
use crate::filter::{Slot, parse, resolve};
use crate::query::output::Output;
use crate::record::{StoredRow, TableRecord};
use crate::rows::row_matches;
use crate::schema::{Checker, ColumnId, Kind, Schema};
use crate::view::Snapshot;
use crate::wire;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quarry_types::{TableId, Timestamp};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const FILTERS_PER_TABLE: usize = 20;

fn entry() -> Arc<Entry> {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "number"}, "s": {"type": "string"}, "b": {"type": "boolean"},
        "d": {"type": "string", "format": "date-time"}, "o": {"type": "object"},
        "l": {"type": "array"}, "any": {"x-zui": {}}, "k": {"type": "string"},
    }});
    let schema = Schema::parse(&schema, 20).unwrap();
    let record = TableRecord {
        id: TableId::parse("table_1").unwrap(),
        name: "xTable".into(),
        factor: 1,
        frozen: false,
        key_column: schema.column("k").map(|column| column.id),
        schema,
        tags: BTreeMap::new(),
        is_compute_enabled: true,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        selectors: BTreeMap::new(),
    };
    Arc::new(Entry::new(record, 1))
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3..4_i64).prop_map(Value::from),
        1 => prop_oneof![Just(json!(0.5)), Just(json!(-0.0)), Just(json!(9_007_199_254_740_993_i64)), Just(json!(1e300))],
    ]
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(""),
        Just("a"),
        Just("ab"),
        Just("B"),
        Just("ünï"),
        Just("😀 long text beyond twelve bytes"),
        Just("9007199254740993"),
        Just("2024-01-01"),
        Just("a.b*c"),
    ]
    .prop_map(Value::from)
}

fn date() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just("2024-01-01"),
        Just("2024-01-01T00:00:00Z"),
        Just("2024-01-01T00:00:00.000Z"),
        Just("2024-01-01T01:00:00+01:00"),
        Just("2023-12-31T23:59:59.999Z"),
        Just("1969-07-20"),
    ]
    .prop_map(Value::from)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![number(), text(), any::<bool>().prop_map(Value::from), Just(Value::Null)]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from), object(inner),]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("a"), Just("b"), Just("0")].prop_map(str::to_owned);
    proptest::collection::vec((name, inner), 0..3)
        .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>()))
}

fn row() -> impl Strategy<Value = Value> {
    let maybe = |strategy: BoxedStrategy<Value>| prop_oneof![3 => strategy, 1 => Just(Value::Null)];
    let array = proptest::collection::vec(tree(), 0..4).prop_map(Value::from);
    (
        maybe(number().boxed()),
        maybe(text().boxed()),
        maybe(any::<bool>().prop_map(Value::from).boxed()),
        maybe(date().boxed()),
        maybe(object(tree()).boxed()),
        maybe(array.boxed()),
        maybe(tree().boxed()),
    )
        .prop_map(
            |(n, s, b, d, o, l, any)| json!({"n": n, "s": s, "b": b, "d": d, "o": o, "l": l, "any": any}),
        )
}

fn ops(literal: BoxedStrategy<Value>, json_kind: bool) -> BoxedStrategy<Value> {
    let not_null = literal
        .clone()
        .prop_filter("bounds are scalars", |v| !v.is_null() && !v.is_array() && !v.is_object());
    let bound = prop_oneof![Just("$gt"), Just("$gte"), Just("$lt"), Just("$lte")];
    let list = proptest::collection::vec(literal.clone(), 0..4);
    let simple = prop_oneof![
        literal.clone().prop_map(|v| json!({"$eq": v})),
        literal.clone().prop_map(|v| json!({"$ne": v})),
        (bound.clone(), not_null.clone()).prop_map(|(op, v)| json!({op: v})),
        (bound, not_null).prop_map(|(op, v)| json!({op: v})),
        list.clone().prop_map(|v| json!({"$in": v})),
        list.prop_map(|v| json!({"$nin": v})),
        any::<bool>().prop_map(|v| json!({"$exists": v})),
    ];
    let simple = if json_kind {
        prop_oneof![
            4 => simple,
            1 => (0..3).prop_map(|n| json!({"$size": n})),
            1 => (1..4, 0..3).prop_map(|(d, r)| json!({"$mod": [d, r]})),
            1 => Just(json!({"$regex": "^A", "$options": "i"})),
        ]
        .boxed()
    } else {
        simple.boxed()
    };
    prop_oneof![
        5 => simple.clone(),
        1 => simple.clone().prop_map(|op| json!({"$not": op})),
        1 => (simple.clone(), simple.clone()).prop_map(|(a, b)| json!({"$or": [a, b]})),
        1 => (simple.clone(), simple).prop_map(|(a, b)| json!({"$and": [a, {"$not": b}]})),
    ]
    .boxed()
}

fn leaf() -> impl Strategy<Value = Value> {
    let nullable =
        |strategy: BoxedStrategy<Value>| prop_oneof![5 => strategy, 1 => Just(Value::Null)].boxed();
    let pattern = prop_oneof![Just("a"), Just("^A"), Just("b$"), Just("ü"), Just("2024")];
    let paths = prop_oneof![
        Just("o"),
        Just("o.a"),
        Just("o.a.b"),
        Just("o.0"),
        Just("l"),
        Just("l.0"),
        Just("l.a"),
        Just("l.0.b"),
        Just("any"),
        Just("any.a"),
        Just("any.0.a"),
    ];
    let on = |name: &'static str| move |op: Value| json!({name: op});
    prop_oneof![
        ops(nullable(number().boxed()), false).prop_map(on("n")),
        ops(nullable(text().boxed()), false).prop_map(on("s")),
        ops(nullable(any::<bool>().prop_map(Value::from).boxed()), false).prop_map(on("b")),
        ops(nullable(date().boxed()), false).prop_map(on("d")),
        (0..80_u32).prop_map(|id| json!({"id": id})),
        (0..80_u32).prop_map(|id| json!({"row_id": {"$gte": id}})),
        (1..4, 0..3).prop_map(|(d, r)| json!({"n": {"$mod": [d, r]}})),
        (pattern.clone(), any::<bool>())
            .prop_map(|(p, i)| json!({"s": {"$regex": p, "$options": if i { "i" } else { "c" }}})),
        pattern.prop_map(|p| json!({"d": {"$not": {"$regex": p}}})),
        (0..80_u32).prop_map(|key| json!({"k": format!("key{key}")})),
        proptest::collection::vec(0..80_u32, 0..4).prop_map(|ids| json!({"id": {"$in": ids}})),
        (paths.clone(), ops(tree().boxed(), true)).prop_map(|(path, op)| json!({path: op})),
        (paths, scalar()).prop_map(|(path, value)| json!({path: value})),
    ]
}

fn filter() -> impl Strategy<Value = Value> {
    let merged = |a: Value, b: Value| {
        let mut map = a.as_object().cloned().unwrap();
        map.extend(b.as_object().cloned().unwrap());
        Value::Object(map)
    };
    leaf().prop_recursive(3, 12, 3, move |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(|parts| json!({"$and": parts})),
            list.prop_map(|parts| json!({"$or": parts})),
            inner.clone().prop_map(|part| json!({"$not": part})),
            (inner.clone(), inner).prop_map(move |(a, b)| merged(a, b)),
        ]
    })
}

/// A table whose rows lie in the main run, beside it and among the newest changes, some deleted.
fn snapshot(entry: &Entry, rows: &[Value], changed: &[(usize, Value)]) -> Arc<Snapshot> {
    let checker = Checker::new(entry.columns());
    let stored = |id: u32, row: &Value| {
        let mut row = row.as_object().cloned().unwrap();
        row.insert("k".into(), format!("key{id}").into());
        let mut stored = StoredRow::new(id, Timestamp(i64::from(id)), Timestamp(7));
        for (column, cell) in checker.check(&row, &mut BTreeSet::new()).unwrap() {
            stored.set(column, cell);
        }
        Arc::new(stored)
    };
    let rows: Vec<_> = rows.iter().zip(1..).map(|(row, id)| (1, stored(id, row))).collect();
    let mut snapshot = Snapshot::load(1, crate::record::Batches::default(), std::sync::Arc::default());
    for chunk in rows.chunks(if rows.len() > 40 { 100 } else { 7 }) {
        snapshot.extend(chunk.to_vec());
    }
    let snapshot = snapshot.with_key(entry.record().key_column);
    let changes: Vec<_> = changed
        .iter()
        .map(|(at, row)| {
            let id = (*at % (rows.len() + 3) + 1) as u32;
            (id, 2, (at % 5 > 0).then(|| stored(id, row)))
        })
        .collect();
    let (frozen, fresh) = changes.split_at(changes.len() / 2);
    let mut snapshot = snapshot.apply(frozen.iter().cloned(), 2);
    snapshot.freeze_for_tests();
    Arc::new(snapshot.apply(fresh.iter().cloned(), 3))
}

fn wire_rows(entry: &Entry, snapshot: &Snapshot) -> Vec<Row> {
    let row = |id| wire::row(entry.columns(), &snapshot.get(id).unwrap().1);
    snapshot.ids().into_iter().map(row).collect()
}

fn id_of(row: &Row) -> u32 {
    row["id"].as_u64().unwrap() as u32
}

fn place<'v>(row: &'v Row, path: &str) -> Option<&'v Value> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    row.get(&parts[0]).and_then(|value| pick(value, &parts[1..])).filter(|value| !value.is_null())
}

/// The naive order: null last, ties by id.
fn naive_order(rows: &mut [Row], path: &str, descending: bool) {
    let key = |row: &Row| match place(row, path) {
        Some(Value::String(text)) if path == "d" => encode(&json!(Timestamp::parse(text).unwrap().as_ms())),
        Some(value) if path == "o" || path == "any" || path.contains('.') => encode(value),
        Some(value) => encode(value),
        None => None,
    };
    rows.sort_by(|a, b| {
        let by_key = match (key(a), key(b)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) if descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
        };
        by_key.then(id_of(a).cmp(&id_of(b)))
    });
}

fn cases() -> u32 {
    std::env::var("QUARRY_DIFFERENTIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

fn check(
    runner: &mut TestRunner,
    test: impl Fn(&Arc<Entry>, &Arc<Snapshot>, &[Value]) -> Result<(), TestCaseError>,
) {
    let entry = entry();
    let tables = (
        // Few rows shrink well; many fill whole words of bits.
        prop_oneof![4 => proptest::collection::vec(row(), 0..40), 1 => proptest::collection::vec(row(), 70..150)],
        proptest::collection::vec((0..60_usize, row()), 0..30),
        proptest::collection::vec(filter(), FILTERS_PER_TABLE),
    );
    runner
        .run(&tables, |(rows, changed, filters)| {
            let snapshot = snapshot(&entry, &rows, &changed);
            test(&entry, &snapshot, &filters)
        })
        .unwrap();
}

fn runner(share: u32) -> TestRunner {
    let cases = (cases() / share).div_ceil(FILTERS_PER_TABLE as u32);
    TestRunner::new(Config { cases, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() })
}

#[test]
fn filters_mean_the_same_by_every_path() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let engine = Engine::new();
    check(&mut runner(1), |entry, snapshot, filters| {
        let rows = wire_rows(entry, snapshot);
        for json in filters {
            let filter = parse(json, &entry.record().schema)
                .map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
            let naive: Vec<u32> =
                rows.iter().filter(|row| row_matches(entry, &filter, row)).map(id_of).collect();
            let query = Query::new(Arc::clone(entry), Arc::clone(snapshot), filter.clone());
            prop_assert_eq!(&query.ids().unwrap(), &naive, "direct: {}", json);
            prop_assert_eq!(query.count().unwrap(), naive.len() as u64, "count: {}", json);
            let slot = Slot::values(ColumnId::ID, Kind::Number);
            let plan = scan(snapshot, &filter, [slot].into()).unwrap();
            let batches = runtime.block_on(engine.run(plan, 0)).unwrap();
            let column = |batch: &arrow::array::RecordBatch| batch.column_by_name("c0").unwrap().clone();
            let mut planned: Vec<u32> = batches
                .iter()
                .flat_map(|batch| column(batch).as_primitive::<Float64Type>().values().to_vec())
                .map(|id| id as u32)
                .collect();
            planned.sort_unstable();
            prop_assert_eq!(&planned, &naive, "planned: {}", json);
        }
        Ok(())
    });
}

#[test]
fn pages_follow_the_order() {
    let paths = ["id", "n", "s", "b", "d", "createdAt", "o", "o.a", "l.0", "any"];
    check(&mut runner(1), |entry, snapshot, filters| {
        let all = wire_rows(entry, snapshot);
        for (at, json) in filters.iter().enumerate() {
            let (path, descending, need) = (paths[at % paths.len()], at % 3 == 0, 1 + at % 9);
            let filter = parse(json, &entry.record().schema).unwrap();
            let mut naive: Vec<Row> =
                all.iter().filter(|row| row_matches(entry, &filter, row)).cloned().collect();
            naive_order(&mut naive, path, descending);
            naive.truncate(need);
            let order = resolve(path, &entry.record().schema, "orderBy").unwrap();
            let query = Query::new(Arc::clone(entry), Arc::clone(snapshot), filter);
            let page: Page = query.page(&order, descending, need).unwrap();
            let rows = Output::new(entry, None).unwrap().rows(snapshot, &page, 0, need);
            let text = serde_json::to_string(&rows).unwrap();
            prop_assert_eq!(text, serde_json::to_string(&naive).unwrap());
            prop_assert_eq!(rows.into_rows(), naive, "{} by {} {}", json, path, descending);
        }
        Ok(())
    });
}

fn naive_groups(rows: &[&Row], keys: &[&str], values: &[&str]) -> Vec<Row> {
    let encoded = |row: &Row, path: &str| match place(row, path) {
        Some(Value::String(text)) if path == "d" => {
            encode(&Timestamp::parse(text).unwrap().to_string().into())
        }
        Some(value) => encode(value),
        None => None,
    };
    // `None` sorts first; a flag puts it last.
    let mut groups: BTreeMap<Vec<(bool, Option<String>)>, Vec<&Row>> = BTreeMap::new();
    if keys.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for row in rows {
        let key = keys.iter().map(|path| encoded(row, path)).map(|key| (key.is_none(), key)).collect();
        groups.entry(key).or_default().push(row);
    }
    let decoded = |text: Option<&String>| text.map_or(Value::Null, |text| super::order::decode(text));
    let camel = |path: &str| path.replace(".a", "A");
    let mut out = Vec::new();
    for (key, rows) in groups {
        let mut wire = Row::new();
        for (path, (_, value)) in keys.iter().zip(&key) {
            wire.insert(format!("{}Key", camel(path)), decoded(value.as_ref()));
        }
        for path in values {
            let mut found: Vec<String> = rows.iter().filter_map(|row| encoded(row, path)).collect();
            found.sort();
            let name = camel(path);
            wire.insert(format!("{name}Count"), found.len().into());
            let (mut least, mut greatest) = (decoded(found.first()), decoded(found.last()));
            if *path == "d" {
                // Moments are answered as they were written; of equal ones the texts decide.
                let texts = rows.iter().filter_map(|row| place(row, path)?.as_str());
                let mut texts: Vec<(Timestamp, &str)> =
                    texts.map(|text| (Timestamp::parse(text).unwrap(), text)).collect();
                texts.sort_unstable();
                (least, greatest) = (texts.first().map(|it| it.1).into(), texts.last().map(|it| it.1).into());
            }
            wire.insert(format!("{name}Min"), least);
            wire.insert(format!("{name}Max"), greatest);
            found.dedup();
            wire.insert(format!("{name}Unique"), found.iter().map(|text| decoded(Some(text))).collect());
            if matches!(*path, "n" | "o.a") {
                let numbers: Vec<f64> =
                    rows.iter().filter_map(|row| place(row, path)?.as_f64()).map(|n| n + 0.0).collect();
                let total: f64 = numbers.iter().sum();
                let some = |value: f64| {
                    if numbers.is_empty() { Value::Null } else { crate::record::number_value(value) }
                };
                wire.insert(format!("{name}Sum"), some(total));
                wire.insert(format!("{name}Avg"), some(total / numbers.len() as f64));
            }
        }
        out.push(wire);
    }
    out
}

/// Sums differ in the last bits with the order of addition.
fn close(a: &[Row], b: &[Row]) -> bool {
    let same = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
        _ => a == b,
    };
    let row =
        |a: &Row, b: &Row| a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)));
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| row(a, b))
}

/// An eighth of the cases: each plans an aggregate.
#[test]
fn groups_equal_naive_groups() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let engine = Engine::new();
    let keys: [&[&str]; 6] = [&[], &["s"], &["b", "n"], &["o.a"], &["d"], &["l"]];
    let values: [&[&str]; 5] = [&["n"], &["s", "b"], &["o.a"], &["d", "n"], &["any"]];
    check(&mut runner(8), |entry, snapshot, filters| {
        let all = wire_rows(entry, snapshot);
        for (at, json) in filters.iter().enumerate() {
            let (keys, values) = (keys[at % keys.len()], values[at % values.len()]);
            if keys.iter().any(|key| values.contains(key)) {
                continue;
            }
            let filter = parse(json, &entry.record().schema).unwrap();
            let rows: Vec<&Row> = all.iter().filter(|row| row_matches(entry, &filter, row)).collect();
            let mut wanted = Map::new();
            for key in keys {
                wanted.insert((*key).to_owned(), json!("key"));
            }
            for value in values {
                let ops = json!(["count", "min", "max", "unique"]);
                let numeric = json!(["count", "min", "max", "unique", "sum", "avg"]);
                wanted.insert((*value).to_owned(), if matches!(*value, "n" | "o.a") { numeric } else { ops });
            }
            let wanted = Value::Object(wanted);
            let group = Group::parse(&wanted, &entry.record().schema, None, false).unwrap();
            let naive = naive_groups(&rows, keys, values);
            let mut lists = UniqueLists::default();
            let page = (0, 1_000);
            let planned = engine.planned_groups(snapshot, &filter, &group, page, &mut lists);
            let planned = runtime.block_on(planned).unwrap();
            prop_assert!(close(&planned, &naive), "plan: {} of {}\n{:?}\n{:?}", wanted, json, planned, naive);
            if let Some(direct) = direct_groups(&group, &filter, snapshot, page, &mut lists) {
                prop_assert!(
                    close(&direct, &naive),
                    "direct: {} of {}\n{:?}\n{:?}",
                    wanted,
                    json,
                    direct,
                    naive
                );
            }
        }
        Ok(())
    });
}
