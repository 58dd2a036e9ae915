//! The pool against a worker that misbehaves in every way a parser can.
#![allow(clippy::unwrap_used)]

use quarry_extract::{Document, Error, Limits, Ocr, Pool, PoolOptions, Progress};
use quarry_types::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

fn pool(limits: Limits) -> Pool {
    let command = env!("CARGO_BIN_EXE_quarry-extract-worker").into();
    Pool::new(PoolOptions { command, args: Vec::new(), workers: 2, limits, ocr: None })
}

async fn run(pool: &Pool, name: &str, content: &[u8]) -> Result<Document, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    pool.extract(file.path(), name, "", |_| {}).await
}

#[tokio::test]
async fn documents_come_back_whole() {
    let pool = pool(Limits::default());
    let document = run(&pool, "a.md", "# Tïtle\n\nText 😀.".as_bytes()).await.unwrap();
    assert_eq!(document.text, "Tïtle\n\nText 😀.");
    assert_eq!(document.title.as_deref(), Some("Tïtle"));
    assert_eq!(document.blocks.len(), 2);
    let long = "A sentence of many. ".repeat(100_000);
    let document = run(&pool, "long.txt", long.as_bytes()).await.unwrap();
    assert_eq!(document.text.len(), long.trim_end().len());
    assert_eq!(run(&pool, "empty.txt", b"").await, Err(Error::Empty));
    assert_eq!(run(&pool, "blank.txt", b" \n\n ").await, Err(Error::Empty));
    let refused = run(&pool, "a.png", b"\x89PNG\r\n\x1a\n").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn every_way_to_die_has_its_name_and_ends_nothing_else() {
    let limits = Limits { wall_seconds: 2, cpu_seconds: 20, memory_bytes: 96 << 20, ..Limits::default() };
    let patient = pool(Limits { cpu_seconds: 1, wall_seconds: 60, ..limits.clone() });
    let pool = pool(limits);
    let crashed = |how: &str| Err(Error::Crashed { how: how.to_owned() });
    assert_eq!(run(&pool, "hang", b"x").await, Err(Error::TimedOut { seconds: 2 }));
    assert_eq!(run(&patient, "spin", b"x").await, Err(Error::TimedOut { seconds: 1 }));
    assert_eq!(run(&pool, "abort", b"x").await, crashed("abort"));
    assert_eq!(run(&pool, "panic", b"x").await, crashed("panic"));
    assert_eq!(run(&pool, "overflow", b"x").await, crashed("stack overflow"));
    assert_eq!(run(&pool, "memory", b"x").await, Err(Error::OutOfMemory { megabytes: 96 }));
    assert_eq!(run(&pool, "garbage", b"x").await, crashed("unreadable result"));
    let document = run(&pool, "fine.txt", b"still alive").await.unwrap();
    assert_eq!(document.text, "still alive");
}

#[tokio::test]
async fn pages_drawn_for_ocr_have_time_of_their_own() {
    let limits = Limits { cpu_seconds: 1, wall_seconds: 2, ..Limits::default() };
    let command = env!("CARGO_BIN_EXE_quarry-extract-worker").into();
    let ocr = Ocr::parse("head -c 11 {image}").unwrap();
    let pool = Pool::new(PoolOptions { command, args: Vec::new(), workers: 1, limits, ocr: Some(ocr) });
    let read = run(&pool, "scan", b"x").await.unwrap();
    assert_eq!(read.block_texts().collect::<Vec<_>>(), ["P5\n4 2\n255"; 3]);
    assert_eq!(read.warnings, ["3 pages without text were read by OCR"]);
    // What draws nothing keeps to its limits.
    assert_eq!(run(&pool, "hang", b"x").await, Err(Error::TimedOut { seconds: 2 }));
}

/// A page with an area that is filled and no text, without a cross-reference table.
const FILLED: &[u8] = b"%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R >> endobj
4 0 obj << /Length 19 >> stream
10 10 300 300 re f 
endstream endobj
trailer << /Size 5 /Root 1 0 R >>
";

#[tokio::test]
async fn a_page_with_filled_areas_is_drawn_for_ocr() {
    let command = env!("CARGO_BIN_EXE_quarry-extract-worker").into();
    let limits = Limits::default();
    let ocr = Some(Ocr::parse("head -c 2 {image}").unwrap());
    let pool = Pool::new(PoolOptions { command, args: Vec::new(), workers: 1, limits, ocr });
    assert_eq!(run(&pool, "filled.pdf", FILLED).await.unwrap().text, "P5");
}

/// A form that draws itself twice, without a cross-reference table.
const FORM_BOMB: &[u8] = b"%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >> endobj
4 0 obj << /Length 6 >> stream
/X Do 
endstream endobj
5 0 obj << /Length 12 /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >> >> stream
/X Do /X Do 
endstream endobj
trailer << /Size 6 /Root 1 0 R >>
";

#[tokio::test]
async fn a_pdf_that_eats_memory_is_named() {
    let pool = pool(Limits { memory_bytes: 96 << 20, ..Limits::default() });
    assert_eq!(run(&pool, "bomb.pdf", FORM_BOMB).await, Err(Error::OutOfMemory { megabytes: 96 }));
}

#[tokio::test]
async fn one_bad_page_costs_itself_and_those_after_it() {
    let pool = pool(Limits { wall_seconds: 3, ..Limits::default() });
    for (name, why) in [("bad page", "crashed"), ("stuck page", "took longer")] {
        let document = run(&pool, name, b"x").await.unwrap();
        assert_eq!(document.title.as_deref(), Some("two pages"), "{name}");
        let warning = document.warnings.last().unwrap();
        assert!(warning.starts_with("page 3 ended the reading: ") && warning.contains(why), "{warning}");
    }
    assert_eq!(run(&pool, "bad end", b"x").await, Err(Error::Crashed { how: "abort".to_owned() }));
}

#[tokio::test]
async fn a_pdf_that_says_nothing_is_empty() {
    assert_eq!(run(&pool(Limits::default()), "nothing", b"x").await, Err(Error::Empty));
}

#[tokio::test]
async fn a_lying_worker_is_stopped_at_the_limits() {
    let pool = pool(Limits { max_text_chars: 1_000_000, ..Limits::default() });
    let flood = run(&pool, "flood", b"x").await.unwrap_err();
    assert_eq!(flood, Error::Crashed { how: "result over its size limit".to_owned() });
    let small = pool_with_input(10);
    let refused = run(&small, "a.txt", b"more than ten bytes").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

fn pool_with_input(max_input_bytes: u64) -> Pool {
    pool(Limits { max_input_bytes, ..Limits::default() })
}

#[tokio::test]
async fn the_worker_reaches_nothing_outside() {
    let document = run(&pool(Limits::default()), "reach", b"x").await.unwrap();
    assert_eq!(document.title.as_deref(), Some(""), "these worked");
}

/// Process numbers of a reader and of what has forked it.
async fn who(pool: &Pool, name: &str) -> (u32, u32) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "text").unwrap();
    let told = Mutex::new(None);
    let tell = |step: Progress| *told.lock().unwrap() = Some((step.page, step.pages));
    let read = pool.extract(file.path(), name, "text/plain", tell);
    tokio::pin!(read);
    // One that hangs is let go once it has told.
    while tokio::time::timeout(Duration::from_millis(10), &mut read).await.is_err() {
        if name == "who hangs" && told.lock().unwrap().is_some() {
            break;
        }
    }
    let who = *told.lock().unwrap();
    who.unwrap()
}

fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // One that has ended and was not waited for yet does not run.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

async fn end(processes: &[u32]) {
    for _ in 0..500 {
        if !processes.iter().any(|process| runs(*process)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("of {processes:?} some still run");
}

#[tokio::test]
async fn a_reader_has_a_process_of_its_own_and_all_have_one_parent() {
    let command = env!("CARGO_BIN_EXE_quarry-extract-worker").into();
    let limits = Limits::default();
    let pool = Pool::new(PoolOptions { command, args: Vec::new(), workers: 1, limits, ocr: None });
    let (first, parent) = who(&pool, "who").await;
    assert_eq!(run(&pool, "empty.txt", b"").await, Err(Error::Empty));
    let (second, same) = who(&pool, "who").await;
    assert_eq!((parent, first == second), (same, false));
    end(&[first, second]).await;
    assert!(runs(parent));

    // A parent that is killed while it waits is replaced.
    assert!(Command::new("kill").args(["-9", &parent.to_string()]).status().unwrap().success());
    end(&[parent]).await;
    let (_, other) = who(&pool, "who").await;
    assert_ne!(parent, other);

    // So is one whose child has crashed.
    assert_eq!(run(&pool, "abort", b"x").await, Err(Error::Crashed { how: "abort".to_owned() }));
    end(&[other]).await;
    let (_, last) = who(&pool, "who").await;
    assert_ne!(other, last);

    // Closed, a pool has no process left; it starts another when there is work.
    pool.close().await;
    assert!(!runs(last));
    let (_, last) = who(&pool, "who").await;

    // Pools that are dropped leave nothing behind.
    drop(pool);
    end(&[last]).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_reader() {
    let pool = pool(Limits::default());
    let (hanging, parent) = who(&pool, "who hangs").await;
    end(&[hanging, parent]).await;
    let document = run(&pool, "fine.txt", b"still alive").await.unwrap();
    assert_eq!(document.text, "still alive");
}

#[tokio::test]
async fn a_reader_holds_its_files_only_and_dies_with_its_parent() {
    let pool = pool(Limits::default());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "text").unwrap();
    let told = Mutex::new(None);
    let tell = |step: Progress| *told.lock().unwrap() = Some((step.page, step.pages));
    let read = pool.extract(file.path(), "who hangs", "text/plain", tell);
    let look = async {
        loop {
            let processes = *told.lock().unwrap();
            if let Some((reader, parent)) = processes {
                return (reader, parent);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let watch = async {
        let (reader, parent) = look.await;
        let held = |process: u32| -> Vec<(String, String)> {
            let entries = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().map(Result::unwrap);
            let number = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            let to = |entry: &std::fs::DirEntry| std::fs::read_link(entry.path()).unwrap();
            entries.map(|entry| (number(&entry), to(&entry).to_string_lossy().into_owned())).collect()
        };
        // What the program that runs the tests has left open is none of ours; one pipe only tells the parent of the end.
        let inherited: Vec<String> = held(parent).into_iter().map(|(_, to)| to).collect();
        let own: Vec<_> = held(reader).into_iter().filter(|(_, to)| !inherited.contains(to)).collect();
        let document = ("0".to_owned(), file.path().to_string_lossy().into_owned());
        assert!(own.contains(&document) && own.len() == 3, "{own:?}");
        assert!(own.iter().all(|held| *held == document || held.1.starts_with("pipe:")), "{own:?}");
        assert!(Command::new("kill").args(["-9", &parent.to_string()]).status().unwrap().success());
        end(&[reader, parent]).await;
    };
    let (read, ()) = tokio::join!(read, watch);
    assert!(matches!(read, Err(Error::Worker(_))), "{read:?}");
}

#[tokio::test]
async fn a_program_that_never_listens_is_given_up() {
    let limits = Limits { wall_seconds: 1, ..Limits::default() };
    let options = PoolOptions { args: vec!["60".into()], limits, ..PoolOptions::new("sleep".into(), 1) };
    let pool = Pool::new(options);
    assert_eq!(run(&pool, "short", b"x").await, Err(Error::TimedOut { seconds: 1 }));
    // More than a pipe holds: the job itself cannot be handed over, which is no fault of the file.
    assert!(matches!(run(&pool, &"x".repeat(1 << 20), b"x").await, Err(Error::Worker(_))));
}

#[tokio::test]
async fn a_missing_worker_or_file_is_no_fault_of_the_document() {
    let missing = Pool::new(PoolOptions::new("/nowhere/quarry".into(), 1));
    assert!(matches!(run(&missing, "a.txt", b"x").await, Err(Error::Worker(_))));
    let none = pool(Limits::default()).extract(Path::new("/nowhere/a.txt"), "a.txt", "", |_| {}).await;
    assert!(matches!(none, Err(Error::Worker(_))));
}

#[tokio::test]
async fn pages_report_progress() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/docs/brook-w740-manual.pdf");
    let steps = Mutex::new(Vec::new());
    let document = pool(Limits::default())
        .extract(&path, "m.pdf", "", |step| steps.lock().unwrap().push(step))
        .await
        .unwrap();
    let steps: Vec<Progress> = steps.into_inner().unwrap();
    let pages = document.pages.unwrap();
    assert_eq!(steps.last(), Some(&Progress { page: pages, pages }));
    assert_eq!(steps.len(), pages as usize);
}
