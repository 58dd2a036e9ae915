//! `quarry tables import`.

use super::jobs::{Outcome, follow, grouped, number};
use super::progress::{Progress, Watched};
use super::upload::{Parcel, Source};
use super::{find_table, table_path};
use crate::cli::client::Client;
use crate::cli::commands::{ForBot, list, print, text};
use crate::cli::interrupt::Interrupt;
use crate::router::encode;
use clap::Args;
use quarry_transfer::{Format, infer};
use quarry_types::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Columns every table has of itself; files may hold them, imports pass over them.
const OWN_COLUMNS: [&str; 6] = ["id", "createdAt", "updatedAt", "computed", "stale", "similarity"];
/// Lines of refused rows shown.
const SHOWN: usize = 20;

/// Import.
///
/// The first line of a CSV must name the columns. The exit code is 0 only when every row went in;
/// rows that do not fit are listed and the others are added. Ctrl-C takes everything back.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    #[command(flatten)]
    target: ForBot,
    /// The file
    file: PathBuf,
    /// The table [default: the name in an exported JSON file, else made from the file's name]
    #[arg(long)]
    table: Option<String>,
    /// Make the table when it does not exist, with the columns and types found in the file
    #[arg(long)]
    create: bool,
    /// With --create: the column whose values are unique
    #[arg(long, value_name = "COLUMN", requires = "create")]
    key: Option<String>,
    /// csv, json or ndjson [default: by name and content]
    #[arg(long, value_parser = readable)]
    format: Option<Format>,
    /// Import a column under another name; keeps an "id" of the file, which would be passed over
    #[arg(long, value_name = "OLD=NEW", value_parser = rename)]
    rename: Vec<(String, String)>,
}

fn readable(name: &str) -> Result<Format, String> {
    let format = Format::parse(name).filter(|format| format.takes_gzip());
    format.ok_or_else(|| "write csv, json or ndjson".to_owned())
}

fn rename(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err("write OLD=NEW".to_owned()),
    }
}

fn warn(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

pub(super) fn run(args: &ImportArgs) -> Result<(), String> {
    let client = args.target.open()?;
    let interrupt = Interrupt::listen();
    let renames: BTreeMap<String, String> = args.rename.iter().cloned().collect();
    let source = Source { path: &args.file, format: args.format };
    let reader = source.open()?;
    let (format, described) = (reader.format(), reader.table().cloned());
    drop(reader);
    let named = described.as_ref().and_then(|table| table.get("name")).and_then(Value::as_str);
    let table = match (&args.table, named) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => table_name(&args.file),
    };
    let begun = Instant::now();
    let parcel = source.pack(format, &renames)?;
    let made = match (find_table(&client, &table)?, args.create) {
        (Some(found), _) => {
            check_key(&found, args.key.as_deref())?;
            false
        }
        (None, false) => return Err(format!("table {table:?} does not exist; add --create to make it")),
        (None, true) => {
            create(&client, &table, &source, &renames, described.as_ref(), args.key.as_deref())?;
            true
        }
    };
    match send(&client, &table, &args.file, parcel, &interrupt) {
        Outcome::Completed(job) => summary(&table, &job, begun),
        Outcome::Lost(reason) => Err(reason),
        Outcome::Failed(reason) => {
            // A table made for rows that never came is taken back too, unless others use it by now.
            let found = find_table(&client, &table).ok().flatten();
            if made && found.is_some_and(|found| number(&found, "rows") == 0) {
                client.call("DELETE", &table_path(&table), None)?;
            }
            Err(format!("{reason}; no rows were added to {table}"))
        }
    }
}

/// A table name out of a file name.
fn table_name(path: &Path) -> String {
    const MOST: usize = 45;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("imported");
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("imported");
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let mut name: String = stem.chars().map(letter).take(MOST).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if !name.ends_with("Table") {
        name.push_str("Table");
    }
    name
}

fn check_key(found: &Value, wanted: Option<&str>) -> Result<(), String> {
    let has = found.pointer("/table/keyColumn").and_then(Value::as_str);
    match wanted {
        Some(wanted) if has != Some(wanted) => {
            let name = text(found, "/table/name");
            let has = has.map_or("no key column".to_owned(), |has| format!("the key column {has:?}"));
            Err(format!("table {name} exists with {has}; leave --key out, or import into another table"))
        }
        _ => Ok(()),
    }
}

fn create(
    client: &Client,
    table: &str,
    source: &Source<'_>,
    renames: &BTreeMap<String, String>,
    described: Option<&Value>,
    key: Option<&str>,
) -> Result<(), String> {
    let mut spec = match described.and_then(Value::as_object) {
        Some(described) if described.get("schema").is_some_and(Value::is_object) => described.clone(),
        _ => Map::from_iter([("schema".to_owned(), inferred(source, renames)?)]),
    };
    spec.insert("name".to_owned(), table.into());
    if let Some(key) = key {
        spec.insert("keyColumn".to_owned(), key.into());
    }
    if spec.get("keyColumn").is_some_and(Value::is_null) {
        spec.remove("keyColumn");
    }
    client.call("POST", "/v1/tables", Some(&Value::Object(spec)))?;
    print(&format!("made table {table}"));
    Ok(())
}

/// A schema out of the rows.
fn inferred(source: &Source<'_>, renames: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut found = infer(&mut source.open()?, None).map_err(|cause| source.wrong(&cause))?;
    for column in &mut found.columns {
        if let Some(new) = renames.get(&column.name) {
            column.name.clone_from(new);
        }
    }
    let (own, columns): (Vec<_>, Vec<_>) =
        found.columns.into_iter().partition(|column| OWN_COLUMNS.contains(&column.name.as_str()));
    for column in own {
        let name = column.name;
        warn(&format!(
            "column {name:?} is the table's own and is not imported; --rename {name}=NAME keeps it"
        ));
    }
    found.columns = columns;
    for column in &found.columns {
        print(&format!("  {}: {}", column.name, column.kind.name()));
    }
    Ok(found.schema())
}

/// Uploads the file, has it imported, and removes it again.
fn send(client: &Client, table: &str, path: &Path, parcel: Parcel, interrupt: &Interrupt) -> Outcome {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("rows");
    let stem = name.split('.').next().unwrap_or("rows");
    let body = json!({
        "key": format!("imports/{table}/{stem}-{}.{}", Timestamp::now().as_ms(), parcel.extension),
        "size": parcel.size,
        "contentType": parcel.media_type,
        "index": false,
        "accessPolicies": [],
        "tags": { "system": "true", "purpose": "table-import", "tableName": table },
    });
    let made = match client.call("PUT", "/v1/files", Some(&body)) {
        Ok(made) => made,
        Err(reason) => return Outcome::Failed(reason),
    };
    let file = text(&made, "/file/id");
    let started = upload(client, text(&made, "/file/uploadUrl"), parcel, interrupt).and_then(|()| {
        let path = format!("{}/import", table_path(table));
        client.call("POST", &path, Some(&json!({ "fileId": file })))
    });
    let outcome = match started {
        Ok(started) => follow(client, table, started.get("job").unwrap_or(&Value::Null), interrupt),
        Err(reason) => Outcome::Failed(reason),
    };
    if !matches!(outcome, Outcome::Lost(_)) {
        // The rows are in the table, or nowhere: the copy of the file has no use any more.
        let removed = client.call("DELETE", &format!("/v1/files/{}", encode(file)), None);
        if let Err(reason) = removed {
            warn(&format!("the uploaded file {file} could not be removed: {reason}"));
        }
    }
    outcome
}

fn upload(client: &Client, url: &str, parcel: Parcel, interrupt: &Interrupt) -> Result<(), String> {
    let mut progress = Progress::bytes("uploading", parcel.size);
    let stop = || interrupt.is_pressed();
    let mut body = Watched { inner: parcel.file, progress: &mut progress, done: 0, stop };
    let sent = client.upload_from(url, parcel.media_type, &mut body, parcel.size);
    if interrupt.is_pressed() { Err("cancelled".to_owned()) } else { sent }
}

fn summary(table: &str, job: &Value, begun: Instant) -> Result<(), String> {
    let (rows, refused) = (number(job, "rows"), number(job, "refused"));
    let seconds = begun.elapsed().as_secs_f64();
    print(&format!("imported {} rows into {table} in {seconds:.1} s", grouped(rows)));
    for warning in list(job, "warnings").iter().filter_map(Value::as_str) {
        warn(&format!("warning: {warning}"));
    }
    if refused == 0 {
        return Ok(());
    }
    let named = list(job, "refusedRows");
    for row in named.iter().take(SHOWN) {
        let column = row.get("column").and_then(Value::as_str);
        let column = column.map(|name| format!(", column {name:?}")).unwrap_or_default();
        warn(&format!("line {}{column}: {}", number(row, "line"), text(row, "/reason")));
    }
    let more = usize::try_from(refused).unwrap_or(usize::MAX).saturating_sub(named.len().min(SHOWN));
    if more > 0 {
        warn(&format!("and {more} more"));
    }
    Err(format!("{} rows were refused; the others are in the table", grouped(refused)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_after_files() {
        for (file, table) in [
            ("products.csv", "productsTable"),
            ("/x/2024 sales.csv.gz", "_2024_salesTable"),
            ("petTable.json", "petTable"),
            (".hidden", "hiddenTable"),
            ("日本.csv", "__Table"),
        ] {
            assert_eq!(table_name(Path::new(file)), table);
        }
        assert_eq!(table_name(Path::new(&"x".repeat(80))).len(), 50);
    }

    #[test]
    fn arguments_are_checked() {
        assert!(readable("xlsx").is_err() && readable("parquet").is_err() && readable("NDJSON").is_ok());
        assert!(rename("a=b").is_ok() && rename("a").is_err() && rename("=b").is_err());
    }
}
