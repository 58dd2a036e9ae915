//! `quarry tables …`: rows into and out of the tables of a running server.

mod export;
mod grid;
mod import;
mod jobs;
mod progress;
mod query;
mod upload;

use super::client::Client;
use super::commands::{ForBot, list, print, text};
use crate::router::encode;
use clap::{Args, Subcommand};
use grid::Grid;
use serde_json::Value;

/// The commands.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TablesCommand {
    /// Add the rows of a CSV, JSON or NDJSON file (plain or gzipped) to a table
    Import(import::ImportArgs),
    /// Write a table to a file
    Export(export::ExportArgs),
    /// Print rows
    Query(query::QueryArgs),
    /// List the tables
    List(ListArgs),
}

/// List.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    target: ForBot,
    /// Print one JSON object per table
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(in crate::cli) fn run(command: TablesCommand) -> Result<(), String> {
    match command {
        TablesCommand::Import(args) => import::run(&args),
        TablesCommand::Export(args) => export::run(&args),
        TablesCommand::Query(args) => query::run(&args),
        TablesCommand::List(args) => list_tables(&args),
    }
}

fn table_path(table: &str) -> String {
    format!("/v1/tables/{}", encode(table))
}

fn our_path(table: &str) -> String {
    format!("/v1/quarry/tables/{}", encode(table))
}

/// The table and its counts; `None` when there is none of that name.
fn find_table(client: &Client, table: &str) -> Result<Option<Value>, String> {
    match client.try_call("GET", &table_path(table), None)? {
        (404, _) => Ok(None),
        answer => super::client::success(answer).map(Some),
    }
}

fn list_tables(args: &ListArgs) -> Result<(), String> {
    let client = args.target.open()?;
    let all = client.call("GET", "/v1/tables", None)?;
    let mut grid = Grid::new(["table", "rows", "columns", "key", "factor", "id"].map(str::to_owned).to_vec());
    for table in list(&all, "tables") {
        if args.json {
            print(&table.to_string());
            continue;
        }
        // A table may be deleted while we list.
        let Some(counted) = find_table(&client, text(table, "/id"))? else { continue };
        let columns =
            table.pointer("/schema/properties").and_then(Value::as_object).map_or(0, |all| all.len());
        grid.push(vec![
            table.get("name").cloned().unwrap_or_default(),
            counted.get("rows").cloned().unwrap_or_default(),
            columns.into(),
            table.get("keyColumn").cloned().unwrap_or_default(),
            table.get("factor").cloned().unwrap_or_default(),
            table.get("id").cloned().unwrap_or_default(),
        ]);
    }
    if !args.json {
        print(&grid.to_string());
    }
    Ok(())
}
