//! The file formats, and which one a file is.

use crate::Error;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// RFC 4180 with a header line.
    Csv,
    /// An array of objects, or our export layout `{"table": …, "rows": […]}`.
    Json,
    /// One object per line.
    Ndjson,
    /// Apache Parquet; written only.
    Parquet,
    /// Arrow IPC file; written only.
    Arrow,
}

impl Format {
    /// Every format, the readable ones first.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Json, Self::Ndjson, Self::Parquet, Self::Arrow];

    /// The word for it in requests and file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// The format of that [`name`](Self::name).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The media type of an uncompressed file.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.file",
        }
    }

    /// Whether a file of it may be gzipped; Parquet compresses inside, Arrow is read in place.
    #[must_use]
    pub fn takes_gzip(self) -> bool {
        matches!(self, Self::Csv | Self::Json | Self::Ndjson)
    }

    fn of_file_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "csv" | "tsv" | "tab" => Self::Csv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            _ => return None,
        })
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match essence.as_str() {
            "text/csv" | "application/csv" | "text/tab-separated-values" => Self::Csv,
            "application/json" | "text/json" => Self::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-lines" => Self::Ndjson,
            _ => return None,
        })
    }

    /// The format by name, then media type, then content; JSON is told from NDJSON by content.
    pub(crate) fn detect(head: &[u8], name: Option<&str>, media_type: Option<&str>) -> Self {
        let hinted = name.and_then(Self::of_file_name).or_else(|| media_type.and_then(Self::of_media_type));
        match (hinted, first_byte(head)) {
            (None, Some(b'{')) if !is_lines(head) && !has_key(head, "rows") => Self::Ndjson,
            (None | Some(Self::Json), Some(b'{')) if is_lines(head) => Self::Ndjson,
            (None | Some(Self::Json), Some(b'{' | b'[')) => Self::Json,
            (Some(Self::Ndjson), Some(b'[')) => Self::Json,
            (Some(format), _) => format,
            (None, _) => Self::Csv,
        }
    }
}

fn first_byte(head: &[u8]) -> Option<u8> {
    head.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Whether the first line is a whole object and another object follows.
fn is_lines(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| first_byte(line).is_some());
    let whole = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    lines.next().is_some_and(whole) && lines.next().and_then(first_byte) == Some(b'{')
}

fn has_key(head: &[u8], key: &str) -> bool {
    let quoted = format!("\"{key}\"");
    head.windows(quoted.len()).any(|window| window == quoted.as_bytes())
}

/// Refuses content that is plainly no text of rows, by its first bytes.
pub(crate) fn refuse_foreign(head: &[u8]) -> Result<(), Error> {
    const SIGNATURES: [(&[u8], &str); 11] = [
        (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
        (b"\xD0\xCF\x11\xE0", "an old Excel workbook"),
        (b"%PDF-", "a PDF"),
        (b"PAR1\x15", "a Parquet file"),
        (b"ARROW1\0", "an Arrow file"),
        (b"\x28\xB5\x2F\xFD", "compressed with zstd"),
        (b"\xFD7zXZ", "compressed with xz"),
        (b"BZh91AY&SY", "compressed with bzip2"),
        (b"\x1F\x8B", "gzipped twice"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xFF\xFE\x00\x00", "UTF-32 text"),
    ];
    let start = head.trim_ascii_start();
    let markup = [&b"<!doctype html"[..], b"<html", b"<?xml"];
    let what = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)).map(|(_, what)| *what);
    let what = what.or_else(|| {
        let is = |tag: &&[u8]| start.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag));
        markup.iter().any(is).then_some("an HTML or XML page")
    });
    match what {
        Some(what) => Err(Error::Unsupported(format!(
            "the file is {what}; rows are read from CSV, JSON or NDJSON in UTF-8, plain or gzipped"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_media_types_and_content_decide() {
        let of = |head: &str, name: &str, media: &str| {
            Format::detect(head.as_bytes(), Some(name), Some(media)).name()
        };
        for (head, name, media, expected) in [
            ("a,b\n1,2\n", "x.csv.gz", "", "csv"),
            ("[{\"a\":1}]", "x.bin", "application/octet-stream", "json"),
            (" {\"a\":1}\n{\"a\":2}\n", "x.json", "", "ndjson"),
            ("{\"a\":1}\n", "x", "", "ndjson"),
            ("{\"table\":{},\"rows\":[]}", "x", "", "json"),
            ("{\n \"rows\": [", "x.JSON.GZ", "", "json"),
            ("{\"a\":1}", "x.jsonl", "", "ndjson"),
            ("[{}]", "x.ndjson", "", "json"),
            ("a\tb", "x", "application/json; charset=utf-8", "json"),
            ("a\tb", "x", "text/plain", "csv"),
            ("a;b", "x", "text/csv; header=present", "csv"),
            ("", "", "", "csv"),
        ] {
            assert_eq!(of(head, name, media), expected, "{head} {name} {media}");
        }
        for format in Format::ALL {
            assert_eq!(Format::parse(format.name()), Some(format));
        }
        assert_eq!(Format::parse("xlsx"), None);
    }

    #[test]
    fn foreign_content_is_named() {
        for (head, says) in [
            (&b"PK\x03\x04rest"[..], "Excel"),
            (b"%PDF-1.7", "PDF"),
            (b"\n <!DOCTYPE HTML>", "HTML"),
            (b"\x1f\x8b\x08", "twice"),
        ] {
            let error = refuse_foreign(head).expect_err("refused").to_string();
            assert!(error.contains(says), "{error}");
        }
        for fine in ["name,price\n", "PAR1,PAR2\n", "BZh,x\n", "ARROW1\n"] {
            assert!(refuse_foreign(fine.as_bytes()).is_ok(), "{fine}");
        }
    }
}
