//! Prints how many labelled questions compile to a query that gives the labelled query's rows.
//!
//! Both queries run on the labelled table; rows must be the same and, where the label orders them, in
//! the same order. A question the table cannot answer counts when nothing is proposed.
//!
//! `cargo run --release --workspace --example words_score [-- --misses dev]`
#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code)]

#[path = "../../words/tests/score/mod.rs"]
mod score;

use quarry_embed::EmbedderSlot;
use quarry_embed::testing::HashEmbedder;
use quarry_store::StoreOptions;
use quarry_tables::{Find, Row, TableSpec, Tables, TablesDeps, TablesOptions};
use quarry_types::{BotId, Scope};
use quarry_words::{Compiler, Proposal};
use score::Label;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

#[tokio::main]
async fn main() {
    let misses = std::env::args().skip_while(|arg| arg != "--misses").nth(1);
    let folder = tempfile::tempdir().unwrap();
    let store = quarry_store::open(folder.path(), &StoreOptions::default()).unwrap().store;
    let embedder = EmbedderSlot::ready(Arc::new(HashEmbedder::new(8, 64)));
    let tables = Tables::new(TablesDeps { store, embedder }, TablesOptions::default());
    let scope = Scope::of(BotId::parse("bot_words").unwrap());
    let mut compilers = BTreeMap::new();
    for name in score::SCHEMAS {
        let table = score::table(name);
        let spec = TableSpec { schema: table.schema.clone(), ..TableSpec::default() };
        tables.create(&scope, &table.table, spec).await.unwrap();
        let written = tables.create_rows(&scope, &table.table, table.rows.clone()).await.unwrap();
        assert!(written.errors.is_empty(), "{:?}", written.errors);
        compilers.insert(name, (Compiler::new(&score::vocabulary(&table)), table.table));
    }
    let mut right: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for label in score::labels() {
        let (compiler, table) = &compilers[label.schema.as_str()];
        let proposal = compiler.compile(&label.text, score::now()).unwrap();
        let exact = score::matches(&label, &proposal);
        let same = if asks_nothing(&wanted(&label)) {
            exact
        } else {
            let want = rows(&tables, &scope, table, wanted(&label)).await;
            !asks_nothing(&found(&proposal)) && want == rows(&tables, &scope, table, found(&proposal)).await
        };
        let count = right.entry(label.split.clone()).or_default();
        *count = [count[0] + usize::from(exact), count[1] + usize::from(same), count[2] + 1];
        if !same && misses.as_deref() == Some(label.split.as_str()) {
            println!("✗ {} | {}\n    {:?}", label.schema, label.text, proposal.filter);
        }
    }
    for (split, [exact, same, all]) in right {
        let share = |hits: usize| hits as f64 / all as f64;
        println!(
            "{split:<5} exact {exact} of {all} ({:.3}), result {same} of {all} ({:.3})",
            share(exact),
            share(same)
        );
    }
}

fn wanted(label: &Label) -> Find {
    Find {
        filter: Some(label.filter.clone()).filter(|filter| !filter.is_null()),
        group: label.group.clone(),
        order_by: label.order_by.clone(),
        descending: label.descending,
        select: label.select.clone(),
        limit: label.limit.unwrap_or(1_000),
        ..Find::default()
    }
}

fn found(proposal: &Proposal) -> Find {
    Find {
        filter: proposal.filter.clone(),
        group: proposal.group.clone(),
        order_by: proposal.order_by.clone(),
        descending: proposal.descending,
        limit: proposal.limit.unwrap_or(1_000),
        ..Find::default()
    }
}

fn asks_nothing(find: &Find) -> bool {
    find.filter.is_none() && find.group.is_none() && find.order_by.is_none() && find.limit == 1_000
}

/// The rows of a query: as a set, unless they are ordered. Groups are compared by their values.
async fn rows(tables: &Tables, scope: &Scope, table: &str, find: Find) -> Vec<String> {
    let (ordered, grouped) = (find.order_by.is_some(), find.group.is_some());
    let found = tables.find(scope, table, Find { select: None, ..find }).await.unwrap();
    let text = |row: &Row| match row.get("id").filter(|_| !grouped) {
        Some(id) => id.to_string(),
        None => Value::Object(row.clone()).to_string(),
    };
    let mut rows: Vec<String> = found.rows.iter().map(text).collect();
    if !ordered {
        rows.sort();
    }
    rows
}
