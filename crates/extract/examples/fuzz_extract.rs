//! Mutates sample files at random and reads them in this process; needs no special toolchain.
//!
//! `fuzz/extract [seconds per format] [seed] [format…]`. Parts of zip containers are mutated unpacked. A panic is
//! reported with its input; the input of a case that ends the process (stack, memory, endless loop over
//! [`SLOW`]) stands in `fuzz/corpus/extract/last-FORMAT`. `QUARRY_FUZZ_SAMPLES` names further folders of samples,
//! parted by colons.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use quarry_extract::{HtmlContent, Limits, Source, extract_source};
use rand::prelude::*;
use rand::rngs::StdRng;
use std::collections::HashSet;
use std::io::{Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A case longer than this is a hang.
const SLOW: Duration = Duration::from_secs(20);

/// Inputs of new outcomes up to this size join the corpus, this many of a format.
const KEPT_BYTES: usize = 2_000;
const KEPT_FILES: usize = 12;

const TOKENS: &[&[u8]] = &[
    b"<b>",
    b"<table>",
    b"<td>",
    b"</div>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"&#x110000;",
    b"&amp;",
    b"\"",
    b"<w:p>",
    b"</w:p>",
    b"<w:tbl>",
    b"<w:ins>",
    b"<w:del>",
    b"<w:vMerge/>",
    b"w:val=\"99999999999\"",
    b"obj",
    b"endobj",
    b"stream",
    b"endstream",
    b"<<",
    b">>",
    b"[",
    b"]",
    b"/Kids",
    b"/Count -1",
    b"/Length 0",
    b"1 0 R",
    b"0 0 R",
    b"Tj",
    b"BT",
    b"{\\rtf",
    b"\\u-32768",
    b"\\bin99999 ",
    b"{",
    b"}",
    b"\\trowd",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff",
    b"|",
    b"---",
    b"```",
    b"> ",
    b"* ",
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b";",
    b"From: ",
    b"Content-Type: multipart/mixed; boundary=x",
    b"--x",
];

static STARTED: AtomicU64 = AtomicU64::new(0);

fn mutate(input: &[u8], chance: &mut StdRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..chance.random_range(1..6) {
        let at = chance.random_range(0..=bytes.len());
        let end = (at + chance.random_range(0..40)).min(bytes.len());
        match chance.random_range(0..7) {
            0 => drop(bytes.splice(at..at, TOKENS.choose(chance).unwrap().iter().copied())),
            1 => drop(bytes.splice(at..end, TOKENS.choose(chance).unwrap().iter().copied())),
            2 => drop(bytes.drain(at..end)),
            3 if at < bytes.len() => bytes[at] = chance.random(),
            4 if at < bytes.len() => bytes[at] ^= 1 << chance.random_range(0..8),
            5 => {
                let piece = bytes[at..end].to_vec();
                for _ in 0..chance.random_range(1..200) {
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
            _ => bytes.truncate(at.max(8)),
        }
    }
    bytes.truncate(4 << 20);
    bytes
}

/// Mutates one part of a zip container, anything else as it is.
fn mutate_file(input: &[u8], chance: &mut StdRng) -> Vec<u8> {
    if !input.starts_with(b"PK") || chance.random_bool(0.1) {
        return mutate(input, chance);
    }
    let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(input)) else { return mutate(input, chance) };
    let chosen = chance.random_range(0..zip.len().max(1));
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for at in 0..zip.len() {
        let Ok(mut file) = zip.by_index(at) else { continue };
        let mut bytes = Vec::new();
        let _ = file.read_to_end(&mut bytes);
        if at == chosen {
            bytes = mutate(&bytes, chance);
        }
        let name = file.name().map(|name| name.into_owned()).unwrap_or_default();
        if out.start_file(name, stored).is_ok() {
            let _ = out.write_all(&bytes);
        }
    }
    out.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn samples(root: &Path, format: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let own = [
        "testdata/docs",
        "testdata/docs/src",
        "testdata/formats",
        "testdata/bad",
        "testdata/tables",
        "fuzz/corpus/extract",
    ];
    let more = std::env::var("QUARRY_FUZZ_SAMPLES").unwrap_or_default();
    let folders = own.map(|folder| root.join(folder)).into_iter().chain(std::env::split_paths(&more));
    for folder in folders {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == format) {
                found.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found.retain(|bytes| bytes.len() < 1 << 20);
    found
}

fn fuzz(format: &str, seconds: u64, seed: u64, root: &Path, corpus: &Path) -> usize {
    let mut chance = StdRng::seed_from_u64(seed);
    let samples = samples(root, format);
    if samples.is_empty() {
        println!("{format}: no samples");
        return 0;
    }
    let last = corpus.join(format!("last-{format}"));
    let limits = Limits::default();
    let (begun, mut cases, mut bad, mut kept) = (Instant::now(), 0_u64, 0, 0);
    let (mut outcomes, mut slowest) = (HashSet::new(), Duration::ZERO);
    let mut before: Option<Vec<u8>> = None;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let base = match &before {
            Some(bytes) if chance.random_bool(0.5) => bytes.clone(),
            _ => samples.choose(&mut chance).unwrap().clone(),
        };
        let input = mutate_file(&base, &mut chance);
        std::fs::write(&last, &input).unwrap();
        let html = if chance.random_bool(0.5) { HtmlContent::Main } else { HtmlContent::All };
        let name = format!("case.{format}");
        let source = Source { name: &name, html, ..Source::default() };
        let start = Instant::now();
        STARTED.store(1 + begun.elapsed().as_millis() as u64, Ordering::SeqCst);
        let ended = catch_unwind(AssertUnwindSafe(|| extract_source(&input, &source, &limits)));
        STARTED.store(0, Ordering::SeqCst);
        slowest = slowest.max(start.elapsed());
        if start.elapsed() > SLOW / 4 {
            let path = corpus.join(format!("slow-{seed}-{cases}.{format}"));
            std::fs::write(&path, &input).unwrap();
            println!("{format}: {} ms, input kept as {}", start.elapsed().as_millis(), path.display());
        }
        cases += 1;
        let outcome = match ended {
            Ok(Ok(document)) => format!("{} blocks", document.blocks.len().min(30)),
            Ok(Err(error)) => error.to_string().chars().filter(|c| !c.is_ascii_digit()).take(60).collect(),
            Err(_) => {
                bad += 1;
                let path = corpus.join(format!("crash-{seed}-{cases}.{format}"));
                std::fs::write(&path, &input).unwrap();
                println!("{format}: PANIC, input kept as {}", path.display());
                "panic".to_owned()
            }
        };
        before = None;
        if outcomes.insert(outcome) {
            if input.len() <= KEPT_BYTES && kept < KEPT_FILES {
                kept += 1;
                std::fs::write(corpus.join(format!("{kept}.{format}")), &input).unwrap();
            }
            before = Some(input);
        }
    }
    let _ = std::fs::remove_file(&last);
    println!(
        "{format}: {cases} cases, {} outcomes, slowest {} ms, {bad} panics",
        outcomes.len(),
        slowest.as_millis()
    );
    bad
}

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus = root.join("fuzz/corpus/extract");
    std::fs::create_dir_all(&corpus).unwrap();
    let mut args = std::env::args().skip(1);
    let seconds = args.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = args.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let named: Vec<String> = args.collect();
    let all = [
        "pdf", "docx", "doc", "rtf", "odt", "pptx", "xlsx", "xls", "ods", "epub", "eml", "html", "md", "csv",
        "txt",
    ];
    let formats: Vec<String> = if named.is_empty() { all.map(str::to_owned).to_vec() } else { named };
    // Parsers' panics that their readers catch are no findings; the others are told with their input.
    std::panic::set_hook(Box::new(|_| {}));
    // A hang cannot be caught; it is named and ends the run.
    std::thread::spawn(|| {
        let mut seen = (0, Instant::now());
        loop {
            std::thread::park_timeout(Duration::from_millis(500));
            let now = STARTED.load(Ordering::SeqCst);
            if now == 0 || now != seen.0 {
                seen = (now, Instant::now());
            } else if seen.1.elapsed() > SLOW {
                println!("a case runs longer than {SLOW:?}; its input is fuzz/corpus/extract/last-*");
                std::process::abort();
            }
        }
    });
    let run = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
        let ran = formats.iter().map(|format| fuzz(format, seconds, seed, &root, &corpus));
        ran.sum::<usize>()
    });
    let bad = run.unwrap().join().unwrap();
    assert_eq!(bad, 0, "{bad} inputs made a parser panic");
}
