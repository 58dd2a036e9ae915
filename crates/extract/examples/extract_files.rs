//! Extracts files through the pool without the server: `extract_files WORKER OUT FILE…` writes
//! OUT/NAME.txt and prints one line per file. For `benches/documents`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing)]

use quarry_extract::{HtmlContent, Pool, PoolOptions, Source};
use std::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let pool = Pool::new(PoolOptions { args: Vec::new(), ..PoolOptions::new(args[0].clone().into(), 2) });
    for file in &args[2..] {
        let path = Path::new(file);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = Source { name: &name, html: HtmlContent::Auto, keep_running: true, ..Source::default() };
        let begun = std::time::Instant::now();
        match pool.extract_source(path, &source, |_| {}).await {
            Ok(document) => {
                std::fs::write(Path::new(&args[1]).join(format!("{name}.txt")), &document.text).unwrap();
                let facts = serde_json::to_string(&document.metadata).unwrap();
                println!("{file}\tok\t{} ms\t{facts}\t{:?}", begun.elapsed().as_millis(), document.warnings);
            }
            Err(error) => println!("{file}\tfailed\t{} ms\t{error}", begun.elapsed().as_millis()),
        }
    }
}
