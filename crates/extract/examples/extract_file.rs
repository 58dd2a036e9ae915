//! Prints what the extractor makes of files: `cargo run -p quarry-extract --example extract_file -- FILE…`
//!
//! Runs in this process, without the child's protection: for files you trust.

use quarry_extract::{ChunkOptions, Limits, chunk, extract};
use quarry_types::TokenCounter;
use std::io::{self, Write};
use std::time::Instant;

/// Four characters a token, as a rough stand-in for a model's tokenizer.
struct Rough;

impl TokenCounter for Rough {
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().map(|word| word.len().div_ceil(4)).sum::<usize>() + 2
    }

    fn max_tokens(&self) -> usize {
        256
    }
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut passages_wanted = false;
    for path in std::env::args().skip(1) {
        if path == "--passages" {
            passages_wanted = true;
            continue;
        }
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        let result = extract(&bytes, &path, "", &Limits::default());
        let took = start.elapsed();
        writeln!(out, "== {path} ({took:?})")?;
        let document = match result {
            Ok(document) => document,
            Err(error) => {
                writeln!(out, "error: {error}")?;
                continue;
            }
        };
        writeln!(
            out,
            "title {:?}, pages {:?}, warnings {:?}",
            document.title, document.pages, document.warnings
        )?;
        if passages_wanted {
            for passage in chunk(&document, &ChunkOptions::default(), &Rough) {
                writeln!(
                    out,
                    "-- {} page {:?} {:?} [{}]\n{}",
                    passage.position,
                    passage.page,
                    passage.kind,
                    passage.heading_path.join(" > "),
                    passage.text
                )?;
            }
        } else {
            for (block, text) in document.blocks.iter().zip(document.block_texts()) {
                writeln!(out, "[{:?} {} p{:?}] {text}", block.kind, block.level, block.page)?;
            }
        }
    }
    Ok(())
}
