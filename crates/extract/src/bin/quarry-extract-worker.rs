//! The extraction worker as the tests start it: asked by file name, it misbehaves.

use quarry_extract::{Document, Error, MediaType};
use std::hint::black_box;
use std::process::ExitCode;

fn main() -> ExitCode {
    quarry_extract::worker_main_with(misbehave)
}

fn misbehave(name: &str, max_pages: u32, _: &[u8]) -> Option<Result<Document, Error>> {
    match name {
        "hang" => loop {
            std::thread::park();
        },
        // Says by the page numbers who it is and who has forked it.
        "who" | "who hangs" => {
            use std::io::Write;
            let (own, parent) = (std::process::id(), std::os::unix::process::parent_id());
            let line = format!("{{\"progress\":{{\"page\":{own},\"pages\":{parent}}}}}\n");
            let _ = std::io::stdout().write_all(line.as_bytes());
            if name == "who hangs" {
                loop {
                    std::thread::park();
                }
            }
        }
        "spin" => loop {
            black_box(0);
        },
        "abort" => std::process::abort(),
        "panic" => panic!("as asked"),
        "overflow" => {
            black_box(deeper(1));
        }
        "memory" => {
            let mut kept = Vec::new();
            loop {
                kept.push(black_box(vec![1_u8; 16 << 20]));
            }
        }
        "garbage" => {
            use std::io::Write;
            let _ = std::io::stdout().write_all(b"{\"text\": 5}\n");
        }
        "bad page" | "stuck page" | "bad end" => {
            use std::io::Write;
            if max_pages == 2 {
                return Some(Ok(Document { title: Some("two pages".to_owned()), ..Document::default() }));
            }
            let pages = if name == "bad end" { 2 } else { 5 };
            for page in 1..=2 {
                let line = format!("{{\"progress\":{{\"page\":{page},\"pages\":{pages}}}}}\n");
                let _ = std::io::stdout().write_all(line.as_bytes());
            }
            if name != "stuck page" {
                std::process::abort();
            }
            loop {
                std::thread::park();
            }
        }
        "scan" => {
            use std::io::Write;
            // Each page takes longer than the file without it may.
            for page in 1..=3 {
                let begun = std::time::Instant::now();
                while begun.elapsed().as_millis() < 1_500 {
                    black_box(0);
                }
                let picture = format!("{{\"picture\":{{\"page\":{page},\"width\":4,\"height\":2}}}}\n");
                let _ = std::io::stdout().write_all(picture.as_bytes());
                let _ = std::io::stdout().write_all(b"{\"pixels\":\"AAAAAAAAAAA=\"}\n");
            }
            return Some(Ok(Document { pages: Some(3), ..Document::default() }));
        }
        "nothing" => return Some(Ok(Document { media: Some(MediaType::Pdf), ..Document::default() })),
        "flood" => return Some(Ok(Document { text: "x".repeat(2_000_000), ..Document::default() })),
        "reach" => return Some(Ok(reach())),
        _ => {}
    }
    None
}

fn deeper(depth: u64) -> u64 {
    let block = black_box([depth; 512]);
    let more = if black_box(depth) > 0 { deeper(depth + 1) } else { 0 };
    more + block.iter().sum::<u64>()
}

/// Tries what a parser must not be able to do; the title lists what worked.
fn reach() -> Document {
    let tries: [(&str, bool); 7] = [
        ("read a file", std::fs::read("/etc/hostname").is_ok() || std::fs::read("/proc/self/status").is_ok()),
        ("write a file", std::fs::write("/tmp/quarry-extract-reach", b"x").is_ok()),
        ("make a socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        (
            "connect",
            !matches!(std::net::TcpStream::connect("127.0.0.1:1"), Err(e) if e.raw_os_error() == Some(1)),
        ),
        ("start a program", std::process::Command::new("/bin/true").spawn().is_ok()),
        ("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
        ("see the environment", std::env::var_os("PATH").is_some() || std::env::var_os("HOME").is_some()),
    ];
    let worked: Vec<&str> = tries.iter().filter(|(_, worked)| *worked).map(|(what, _)| *what).collect();
    Document { title: Some(worked.join(", ")), ..Document::default() }
}
