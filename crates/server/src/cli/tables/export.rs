//! `quarry tables export`.

use super::jobs::{Outcome, follow, grouped, number};
use super::our_path;
use crate::cli::client::Client;
use crate::cli::commands::{ForBot, print, text};
use crate::cli::interrupt::Interrupt;
use crate::router::encode;
use clap::Args;
use quarry_transfer::{Format, WriteOptions};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Export.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    target: ForBot,
    /// The table
    table: String,
    /// csv, json (with the table's schema), ndjson, parquet or arrow [default: by --out, else csv]
    #[arg(long, value_parser = known)]
    format: Option<Format>,
    /// The file, written whole or not at all; - is stdout [default: <table>.<format>.gz, not overwritten]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave the file uncompressed; so are files whose --out does not end in .gz
    #[arg(long)]
    no_compress: bool,
}

fn known(name: &str) -> Result<Format, String> {
    Format::parse(name).ok_or_else(|| "write csv, json, ndjson, parquet or arrow".to_owned())
}

pub(super) fn run(args: &ExportArgs) -> Result<(), String> {
    let client = args.target.open()?;
    let interrupt = Interrupt::listen();
    let format = args.format.or_else(|| of_file_name(args.out.as_deref()?)).unwrap_or(Format::Csv);
    let gzipped = args.out.as_deref().is_none_or(|out| out.extension().is_some_and(|ending| ending == "gz"));
    let compress = !args.no_compress && (gzipped || !format.takes_gzip());
    let options = WriteOptions { format, compress, columns: Vec::new(), table: None };
    let out = args.out.clone().unwrap_or_else(|| format!("{}.{}", args.table, options.extension()).into());
    let body = json!({ "format": format.name(), "compress": compress });
    let started = client.call("POST", &format!("{}/export", our_path(&args.table)), Some(&body))?;
    let job = match follow(&client, &args.table, started.get("job").unwrap_or(&Value::Null), &interrupt) {
        Outcome::Completed(job) => job,
        Outcome::Failed(reason) | Outcome::Lost(reason) => return Err(reason),
    };
    let path = format!("/v1/files/{}", encode(text(&job, "/outputFileId")));
    let written = client
        .call("GET", &path, None)
        .and_then(|file| save(&client, text(&file, "/file/url"), &out, args.out.is_some()));
    // The copy on the server has done its duty, or is of no use.
    if let Err(reason) = client.call("DELETE", &path, None) {
        let _ = writeln!(std::io::stderr(), "the copy on the server could not be removed: {reason}");
    }
    written?;
    if !is_stdout(&out) {
        print(&format!(
            "exported {} rows of {} to {}",
            grouped(number(&job, "rows")),
            args.table,
            out.display()
        ));
    }
    Ok(())
}

fn is_stdout(out: &Path) -> bool {
    out == Path::new("-")
}

fn of_file_name(out: &Path) -> Option<Format> {
    let name = out.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    Format::parse(name.rsplit_once('.')?.1)
}

/// Downloads beside the place and moves there at the end.
fn save(client: &Client, url: &str, out: &Path, overwrite: bool) -> Result<(), String> {
    if is_stdout(out) {
        return client.download(url, &mut std::io::stdout());
    }
    let wrong = |cause: &dyn std::fmt::Display| format!("cannot write {}: {cause}", out.display());
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| wrong(&cause))?;
    client.download(url, &mut file)?;
    file.flush().map_err(|cause| wrong(&cause))?;
    make_readable(file.as_file()).map_err(|cause| wrong(&cause))?;
    let kept = if overwrite { file.persist(out) } else { file.persist_noclobber(out) };
    kept.map(drop).map_err(|cause| wrong(&cause.error))
}

/// Temporary files are for their owner alone; an export is a file like others.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_the_format() {
        assert_eq!(of_file_name(Path::new("a/b.ndjson.gz")), Some(Format::Ndjson));
        assert_eq!(of_file_name(Path::new("b.parquet")), Some(Format::Parquet));
        assert_eq!(of_file_name(Path::new("-")), None);
    }
}
