//! `quarry extract`: text of files on this machine, with the limits and the isolation of the server.
//!
//! Needs no server. Invariant: every file named gets exactly one line, in the order named, however
//! its extraction ends.

use clap::Args;
use futures::StreamExt;
use quarry_extract::{Document, Error, HtmlContent, Ocr, PdfEngine, Pool, PoolOptions, Source};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Extract text.
#[derive(Debug, Args)]
pub(super) struct Extract {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Folder for the texts, NAME.txt for each file NAME (made when absent)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Keep navigation, banners and footers of web pages too
    #[arg(long)]
    all: bool,
    /// Write what an uploaded file is indexed with: without running headers and page numbers, with all of
    /// a web page
    #[arg(long)]
    as_indexed: bool,
    /// Files read at a time [default: number of processors]
    #[arg(long)]
    workers: Option<usize>,
    /// What reads PDFs: `auto`, `pdfium` or `pdf-extract`
    #[arg(long, env = "QUARRY_PDF_ENGINE", value_name = "ENGINE", default_value = "auto")]
    pdf_engine: PdfEngine,
    /// Command that reads pages without text; {image} stands for the picture's path
    #[arg(long, env = "QUARRY_OCR_COMMAND", value_name = "COMMAND")]
    ocr: Option<String>,
}

/// `quarry extract`.
pub(super) fn run(args: &Extract) -> Result<(), String> {
    std::fs::create_dir_all(&args.out).map_err(|cause| format!("{}: {cause}", args.out.display()))?;
    let worker = std::env::current_exe().map_err(|cause| format!("cannot find this program: {cause}"))?;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = args.workers.unwrap_or(processors).clamp(1, 64);
    let mut options = PoolOptions::new(worker, workers);
    options.limits.pdf_engine = args.pdf_engine;
    options.ocr =
        args.ocr.as_deref().map(Ocr::parse).transpose().map_err(|problem| format!("--ocr {problem}"))?;
    let pool = Pool::new(options);
    let html = if args.all || args.as_indexed { HtmlContent::All } else { HtmlContent::Auto };
    let wanted = Source { html, keep_running: !args.as_indexed, ..Source::default() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| format!("cannot start: {cause}"))?;
    let failed = runtime.block_on(extract_all(args, &pool, wanted, workers))?;
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} files could not be read", args.files.len())),
    }
}

/// Number of files that failed.
async fn extract_all(
    args: &Extract,
    pool: &Pool,
    wanted: Source<'_>,
    workers: usize,
) -> Result<usize, String> {
    let mut names = HashSet::new();
    let jobs: Vec<(&Path, String)> =
        args.files.iter().map(|file| (file.as_path(), output_name(file, &mut names))).collect();
    let mut lines = futures::stream::iter(jobs)
        .map(|(file, name)| one(file, args.out.join(name), pool, wanted))
        .buffered(workers);
    let mut failed = 0;
    while let Some(line) = lines.next().await {
        failed += usize::from(line.get("status").and_then(Value::as_str) != Some("ok"));
        let written = writeln!(std::io::stdout(), "{}", Value::Object(line));
        written.map_err(|cause| format!("cannot write the report: {cause}"))?;
    }
    pool.close().await;
    Ok(failed)
}

/// `NAME.txt`; files of one name from several folders are numbered.
fn output_name(file: &Path, taken: &mut HashSet<String>) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut candidate = format!("{name}.txt");
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("{name}.{number}.txt");
    }
    candidate
}

async fn one(file: &Path, output: PathBuf, pool: &Pool, wanted: Source<'_>) -> Map<String, Value> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let source = Source { name: &name, ..wanted };
    let begun = std::time::Instant::now();
    let read = pool.extract_source(file, &source, |_| {}).await;
    let mut line = Map::new();
    line.insert("file".into(), file.to_string_lossy().into());
    let failed = |line: &mut Map<String, Value>, reason: String| {
        line.insert("status".into(), "failed".into());
        line.insert("reason".into(), reason.into());
    };
    match read {
        Ok(document) => match std::fs::write(&output, &document.text) {
            Ok(()) => describe(&document, &output, &mut line),
            Err(cause) => failed(&mut line, format!("{}: {cause}", output.display())),
        },
        // Whoever starts the command is the operator: the cause may be named.
        Err(error @ Error::Worker(_)) if !file.is_file() => {
            failed(&mut line, format!("not a file that can be read ({error})"));
        }
        Err(error) => failed(&mut line, error.to_string()),
    }
    let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    line.insert("seconds".into(), json!(seconds));
    line
}

fn describe(document: &Document, output: &Path, line: &mut Map<String, Value>) {
    line.insert("status".into(), "ok".into());
    line.insert("mediaType".into(), document.media.map(|media| media.content_type()).into());
    if let Some(pages) = document.pages {
        line.insert("pages".into(), pages.into());
    }
    line.insert("characters".into(), document.text.chars().count().into());
    line.insert("title".into(), document.title.clone().into());
    line.insert("metadata".into(), serde_json::to_value(&document.metadata).unwrap_or_default());
    line.insert("warnings".into(), document.warnings.clone().into());
    line.insert("output".into(), output.to_string_lossy().into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_do_not_overwrite_each_other() {
        let mut taken = HashSet::new();
        let mut name = |file: &str| output_name(Path::new(file), &mut taken);
        assert_eq!(name("a/manual.pdf"), "manual.pdf.txt");
        assert_eq!(name("b/manual.pdf"), "manual.pdf.2.txt");
        assert_eq!(name("manual.docx"), "manual.docx.txt");
    }
}
