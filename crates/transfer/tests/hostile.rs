//! Files made to hurt: each ends in a named error, in bounded memory.
#![allow(clippy::unwrap_used, missing_docs)]

use flate2::Compression;
use flate2::write::GzEncoder;
use quarry_transfer::{Error, Limits, ReadOptions, Reader};
use std::io::{Cursor, Read, Write};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn named(name: &str) -> ReadOptions {
    ReadOptions { name: Some(name.into()), ..ReadOptions::default() }
}

/// Rows read and rows refused.
fn count(bytes: impl Read + Send + 'static, options: &ReadOptions) -> Result<(u64, u64), Error> {
    let mut reader = Reader::open(bytes, options)?;
    let (mut fine, mut bad) = (0, 0);
    while let Some(row) = reader.next_row()? {
        *(if row.is_ok() { &mut fine } else { &mut bad }) += 1;
    }
    Ok((fine, bad))
}

#[test]
fn gzip_of_several_members_is_one_text() {
    let mut bytes = gzip(b"a,b\n1,2\n3,");
    bytes.extend(gzip(b"4\n"));
    assert_eq!(count(Cursor::new(bytes), &named("x.csv.gz")).unwrap(), (2, 0));
}

#[test]
fn bombs_are_stopped() {
    // A gigabyte of one letter, told after 16 MiB: far above the ratio of any table.
    let bomb = gzip(&vec![b'a'; 1 << 20]).repeat(1024);
    for name in ["x.csv.gz", "x.ndjson.gz"] {
        let error = count(Cursor::new(bomb.clone()), &named(name)).unwrap_err();
        assert!(
            matches!(&error, Error::TooLarge(text) if text.contains("times its size")),
            "{name}: {error}"
        );
    }
    let limits = Limits { max_bytes: 10_000, ..Limits::default() };
    let options = ReadOptions { limits, ..named("x.csv") };
    let text = format!("a\n{}", "x\n".repeat(10_000));
    assert!(
        matches!(count(Cursor::new(text), &options), Err(Error::TooLarge(text)) if text.contains("10000 bytes"))
    );
}

#[test]
fn damaged_and_doubled_gzip_is_named() {
    let whole = gzip("a,b\n1,2\n".repeat(5000).as_bytes());
    let cut = whole[..whole.len() / 2].to_vec();
    assert!(matches!(count(Cursor::new(cut), &named("x.csv")), Err(Error::Damaged(_))));
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 0xFF;
    assert!(matches!(count(Cursor::new(flipped), &named("x.csv")), Err(Error::Damaged(_))));
    assert!(matches!(count(Cursor::new(gzip(&whole)), &named("x.csv")), Err(Error::Unsupported(_))));
}

#[test]
fn a_ten_megabyte_cell_is_one_bad_row() {
    let big = "x".repeat(10 << 20);
    let csv = format!("a,b\n1,2\n\"{big}\",3\n4,5\n");
    assert_eq!(count(Cursor::new(csv), &named("x.csv")).unwrap(), (2, 1));
    let json = format!("[{{\"a\":1}},{{\"a\":\"{big}\"}},{{\"a\":2}}]");
    assert_eq!(count(Cursor::new(json), &named("x.json")).unwrap(), (2, 1));
    let lines = format!("{{\"a\":1}}\n{{\"a\":\"{big}\"}}\n{{\"a\":2}}\n");
    assert_eq!(count(Cursor::new(lines), &named("x.ndjson")).unwrap(), (2, 1));
}

#[test]
fn a_header_of_ten_megabytes_is_refused() {
    let csv = "x".repeat(10 << 20);
    assert!(matches!(count(Cursor::new(csv), &named("x.csv")), Err(Error::Header(_))));
    let key = format!("{{\"{}\": 1, \"rows\": []}}", "k".repeat(10 << 20));
    assert!(matches!(count(Cursor::new(key), &named("x.json")), Err(Error::Malformed { .. })));
}

#[test]
fn failures_of_the_disk_stay_failures_of_the_disk() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    for start in [&b"a,b\n1,2\n"[..], &gzip(&b"a,b\n".repeat(500_000))[..200]] {
        let input = Cursor::new(start.to_vec()).chain(Broken);
        assert!(matches!(count(input, &named("x.csv")), Err(Error::Io(_))));
    }
}
