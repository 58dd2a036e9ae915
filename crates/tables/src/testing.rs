//! Entry points of the fuzz targets: any bytes in, a panic when an invariant does not hold.
//!
//! Knows nothing of how the bytes are made.
#![allow(clippy::unwrap_used)]

use crate::api::Row;
use crate::catalog::Entry;
use crate::filter::{self, resolve};
use crate::query::{Group, Output, Query, UniqueLists, direct_groups};
use crate::record::{Batches, StoredRow, TableRecord};
use crate::rows::row_matches;
use crate::schema::{Checker, Schema};
use crate::view::Snapshot;
use crate::wire;
use quarry_types::{TableId, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

struct Fixture {
    entry: Arc<Entry>,
    snapshot: Arc<Snapshot>,
    rows: Vec<Row>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(fixture);

fn fixture() -> Fixture {
    let schema = json!({"type": "object", "properties": {
        "n": {"type": "number"}, "s": {"type": "string"}, "b": {"type": "boolean"},
        "d": {"type": "string", "format": "date-time"}, "o": {"type": "object"}, "l": {"type": "array"},
        "any": {"x-zui": {}}, "k": {"type": "string"}, "a.b": {"type": "string"},
    }});
    let schema = Schema::parse(&schema, 20).unwrap();
    let record = TableRecord {
        id: TableId::parse("table_1").unwrap(),
        name: "fuzzTable".into(),
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
    let entry = Arc::new(Entry::new(record, 1));
    let checker = Checker::new(entry.columns());
    let texts = ["", "a", "Ä", "2024-01-01", "a long text beyond twelve bytes", "9007199254740993"];
    let dates = ["2024-01-01", "2024-01-01T01:00:00+01:00", "1969-07-20T20:17:00Z"];
    let flags = [json!(true), json!(false), Value::Null];
    let numbers = [Value::Null, json!(-1.5), json!(0), json!(7), json!(1e300)];
    let mixed = [json!(3), json!("x"), json!([]), json!({}), Value::Null];
    let stored: Vec<_> = (1..=200_u32)
        .map(|id| {
            let n = id as usize;
            let list = [json!(0), json!({"a": 1}), json!(null), json!(texts[n % 6])];
            let row = json!({
                "k": format!("key{id}"),
                "n": numbers[n % 5],
                "s": texts.get(n % 7),
                "b": flags[n % 3],
                "d": dates.get(n % 4),
                "o": {"a": {"b": n % 3}, "0": texts[n % 6], "deep": [[n % 2], {"x": null}]},
                "l": list.get(..n % 4),
                "any": mixed[n % 5],
                "a.b": texts.get(n % 9),
            });
            let mut row = checker.check(row.as_object().unwrap(), &mut BTreeSet::new()).unwrap();
            let mut stored = StoredRow::new(id, Timestamp(i64::from(id) * 1_000), Timestamp(7));
            row.drain(..).for_each(|(column, cell)| stored.set(column, cell));
            (1, Arc::new(stored))
        })
        .collect();
    let mut snapshot = Snapshot::load(1, Batches::default(), Arc::default());
    stored.chunks(150).for_each(|chunk| snapshot.extend(chunk.to_vec()));
    let snapshot = Arc::new(snapshot.with_key(entry.record().key_column));
    let rows = stored.iter().map(|(_, row)| wire::row(entry.columns(), row)).collect();
    Fixture { entry, snapshot, rows }
}

/// The body of a find as JSON text: whatever it says, it is refused with a place and a reason, or
/// kernels and naive evaluator agree on its rows.
///
/// # Panics
/// When they do not.
pub fn find(text: &[u8]) -> Option<bool> {
    let body: Value = serde_json::from_slice(text).ok()?;
    let Fixture { entry, snapshot, rows } = &*FIXTURE;
    let schema = &entry.record().schema;
    let filter = match filter::parse(body.get("filter").unwrap_or(&Value::Null), schema) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.to_string().contains("filter"), "an error without a place: {error}");
            return Some(false);
        }
    };
    let id = |row: &Row| row.get("id").and_then(Value::as_u64).unwrap_or(0) as u32;
    let naive: Vec<u32> = rows.iter().filter(|row| row_matches(entry, &filter, row)).map(id).collect();
    let query = Query::new(Arc::clone(entry), Arc::clone(snapshot), filter.clone());
    assert_eq!(query.ids().unwrap(), naive, "{body}");
    assert_eq!(query.count().unwrap(), naive.len() as u64, "{body}");
    let descending = body.get("orderDirection").and_then(Value::as_str) == Some("desc");
    let order_by = body.get("orderBy").and_then(Value::as_str);
    if let Ok(order) = resolve(order_by.unwrap_or("id"), schema, "orderBy") {
        let page = query.page(&order, descending, rows.len()).unwrap();
        let names: Option<Vec<String>> =
            body.get("select").and_then(|names| serde_json::from_value(names.clone()).ok());
        if let Ok(output) = Output::new(entry, names.as_deref()) {
            let mut found: Vec<u32> = output.rows(snapshot, &page, 0, rows.len()).iter().map(id).collect();
            found.sort_unstable();
            assert_eq!(found, naive, "{body}");
        }
    }
    if let Some(group) = body.get("group")
        && let Ok(group) = Group::parse(group, schema, order_by, descending)
        && let Some(groups) =
            direct_groups(&group, &filter, snapshot, (0, 1_000), &mut UniqueLists::default())
    {
        assert!(groups.len() <= naive.len().max(1), "{body}");
    }
    Some(true)
}

/// A schema as JSON text: refused with a reason, or it says the same after a round over the wire.
///
/// # Panics
/// When it does not.
pub fn schema(text: &[u8]) -> Option<bool> {
    let input: Value = serde_json::from_slice(text).ok()?;
    let Ok(schema) = Schema::parse(&input, 20) else { return Some(false) };
    assert!(schema.columns.len() <= 20, "{input}");
    let again = Schema::parse(&schema.to_wire(), 20).unwrap_or_else(|error| panic!("{input}: {error}"));
    let shape = |schema: &Schema| -> Vec<_> {
        schema.columns.iter().map(|column| (column.name.clone(), column.wire_type, column.nullable)).collect()
    };
    assert_eq!(shape(&again), shape(&schema), "{input}");
    let merged = schema.merged(&schema.to_wire(), 20).unwrap_or_else(|error| panic!("{input}: {error}"));
    assert_eq!(shape(&merged), shape(&schema), "{input}");
    let checker = Checker::new(&schema.columns);
    for sample in FIXTURE.rows.iter().take(3) {
        // Any answer will do, as long as there is one.
        let _ = checker.check(sample, &mut BTreeSet::new());
    }
    Some(true)
}
