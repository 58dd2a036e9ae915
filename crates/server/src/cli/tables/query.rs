//! `quarry tables query`.

use super::grid::Grid;
use super::{our_path, table_path};
use crate::cli::client::Client;
use crate::cli::commands::{ForBot, list, print};
use clap::Args;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Most rows of one call.
const PAGE: u64 = 1000;
/// What is shown only when it is selected.
const QUIET: [&str; 4] = ["createdAt", "updatedAt", "computed", "stale"];

/// Query.
#[derive(Debug, Args)]
pub(in crate::cli) struct QueryArgs {
    #[command(flatten)]
    target: ForBot,
    /// The table
    table: String,
    /// Filter as JSON, such as '{"price": {"$lt": 20}}'
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    filter: Option<Value>,
    /// Filter, order and groups in plain words, such as "ten cheapest in Rome"
    #[arg(long, value_name = "TEXT")]
    words: Option<String>,
    /// Text to search for in the searchable columns
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Columns to show
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    select: Vec<String>,
    /// Column to order by
    #[arg(long, value_name = "COLUMN")]
    order_by: Option<String>,
    /// Largest first
    #[arg(long)]
    desc: bool,
    /// Most rows [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Groups as JSON, such as '{"city": "key", "price": ["avg", "max"]}'
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    group: Option<Value>,
    /// Print one JSON object per row
    #[arg(long)]
    json: bool,
}

fn json_object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|cause| format!("no valid JSON: {cause}"))?;
    if value.is_object() { Ok(value) } else { Err("write a JSON object in braces".to_owned()) }
}

pub(super) fn run(args: &QueryArgs) -> Result<(), String> {
    let client = args.target.open()?;
    let mut body = match &args.words {
        Some(words) => understood(&client, &args.table, words)?,
        None => Map::new(),
    };
    if let Some(filter) = &args.filter {
        let both = match body.remove("filter") {
            Some(words) => json!({ "$and": [words, filter] }),
            None => filter.clone(),
        };
        body.insert("filter".to_owned(), both);
    }
    let mut put = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
    put("search", args.search.clone().map(Value::from));
    put("select", (!args.select.is_empty()).then(|| args.select.clone().into()));
    put("orderBy", args.order_by.clone().map(Value::from));
    put("orderDirection", args.desc.then(|| "desc".into()));
    put("group", args.group.clone());
    let found_limit = body.remove("limit").and_then(|limit| limit.as_u64());
    let limit = args.limit.or(found_limit).unwrap_or(20);
    let (rows, more) = find(&client, &args.table, body, limit)?;
    if args.json {
        for row in &rows {
            print(&row.to_string());
        }
        return Ok(());
    }
    print(&grid(&rows, &args.select).to_string());
    let count = rows.len();
    let tail = if more { "; there are more, raise --limit" } else { "" };
    say(&format!("{count} rows{tail}"));
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What the server makes of plain words, as fields of a query.
fn understood(client: &Client, table: &str, words: &str) -> Result<Map<String, Value>, String> {
    let path = format!("{}/filter", our_path(table));
    let Value::Object(mut answer) = client.call("POST", &path, Some(&json!({ "text": words })))? else {
        return Err("the server gave no filter".to_owned());
    };
    let explanation = answer.remove("explanation").unwrap_or_default();
    let explanation = explanation.as_str().unwrap_or_default();
    let mut body = Map::new();
    for name in ["filter", "orderBy", "orderDirection", "limit", "group", "select"] {
        match answer.remove(name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(all)) if all.is_empty() => {}
            Some(value) => drop(body.insert(name.to_owned(), value)),
        }
    }
    if body.is_empty() {
        return Err(format!("nothing was understood: {explanation}"));
    }
    say(explanation);
    Ok(body)
}

/// Rows page by page, and whether more follow.
fn find(
    client: &Client,
    table: &str,
    mut body: Map<String, Value>,
    limit: u64,
) -> Result<(Vec<Value>, bool), String> {
    let path = format!("{}/rows/find", table_path(table));
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let have = rows.len() as u64;
        body.insert("offset".to_owned(), have.into());
        body.insert("limit".to_owned(), (limit - have).clamp(1, PAGE).into());
        let found = client.call("POST", &path, Some(&Value::Object(body.clone())))?;
        for warning in list(&found, "warnings").iter().filter_map(Value::as_str) {
            say(&format!("warning: {warning}"));
        }
        let page = list(&found, "rows");
        rows.extend_from_slice(page);
        let more = found.get("hasMore").and_then(Value::as_bool) == Some(true);
        if !more || page.is_empty() || rows.len() as u64 >= limit {
            return Ok((rows, more));
        }
    }
}

fn grid(rows: &[Value], select: &[String]) -> Grid {
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        let asked = select.iter().any(|path| path == name);
        if (asked || !QUIET.contains(&name.as_str())) && !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut grid = Grid::new(names.clone());
    for row in rows {
        grid.push(names.iter().map(|name| row.get(name).cloned().unwrap_or_default()).collect());
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_columns_show_when_asked_for() {
        let rows =
            [json!({ "id": 1, "createdAt": "x", "computed": {}, "a": 2 }), json!({ "id": 2, "b": "y" })];
        assert_eq!(grid(&rows, &[]).to_string(), "id  a  b\n 1  2\n 2     y");
        assert_eq!(grid(&rows[..1], &["createdAt".into()]).to_string(), "id  createdAt  a\n 1  x          2");
    }

    #[test]
    fn json_arguments_are_objects() {
        assert!(json_object("{}").is_ok() && json_object("[]").is_err() && json_object("{a:1}").is_err());
    }
}
