//! Which format a file has: by its content first, then by its declared type, then by its name.

use crate::Error;
use serde::{Deserialize, Serialize};

/// The formats we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaType {
    /// Portable Document Format.
    Pdf,
    /// Word, Office Open XML.
    Docx,
    /// Word 97–2003, binary.
    Doc,
    /// Rich Text Format.
    Rtf,
    /// OpenDocument text or presentation.
    OpenDocument,
    /// PowerPoint, Office Open XML.
    Pptx,
    /// A workbook: XLSX, XLSB, XLS or ODS.
    Sheet,
    /// An electronic book.
    Epub,
    /// An e-mail message.
    Email,
    /// Comma- or tab-separated values.
    Csv,
    /// A web page.
    Html,
    /// Markdown or MDX.
    Markdown,
    /// Plain text in any common encoding.
    Text,
}

impl MediaType {
    /// The media type of `bytes` (their first few kilobytes are enough), with the declared content
    /// type and the file name as hints between formats the content cannot tell apart.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the content is of a kind we do not read.
    pub fn sniff(bytes: &[u8], name: &str, content_type: &str) -> Result<Self, Error> {
        if let Some(found) = by_signature(bytes, name) {
            return found;
        }
        let declared = match (by_content_type(content_type), by_name(name)) {
            // Uploaders that know no type say plain text; the name knows more.
            (Some(Self::Text) | None, Some(named)) => Some(named),
            (declared, _) => declared,
        };
        // Programs write web pages and call them documents or workbooks.
        let office = matches!(declared, Some(Self::Doc | Self::Docx | Self::Sheet));
        if office && !is_binary(bytes) && looks_like_html(bytes) {
            return Ok(Self::Html);
        }
        if let Some(format) = declared.and_then(Self::container) {
            return Err(Error::broken(format, "its content is something else; save it again"));
        }
        if is_binary(bytes) {
            return Err(unsupported("binary data"));
        }
        if looks_like_html(bytes) && declared != Some(Self::Markdown) && declared != Some(Self::Text) {
            return Ok(Self::Html);
        }
        Ok(declared.unwrap_or_else(|| if has_extension(name) { Self::Text } else { untold(bytes) }))
    }

    /// The format's name when its files are told by their first bytes.
    fn container(self) -> Option<&'static str> {
        Some(match self {
            Self::Pdf => "PDF",
            Self::Docx => "DOCX",
            Self::Doc => "DOC",
            Self::OpenDocument => "OpenDocument",
            Self::Pptx => "PPTX",
            Self::Sheet => "workbook",
            Self::Epub => "EPUB",
            _ => return None,
        })
    }

    /// Whether the whole file is text, with the smaller limit that parsers of text have.
    pub(crate) fn is_markup(self) -> bool {
        matches!(self, Self::Html | Self::Markdown | Self::Text | Self::Csv)
    }

    /// The usual content type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Doc => "application/msword",
            Self::Rtf => "application/rtf",
            Self::OpenDocument => "application/vnd.oasis.opendocument.text",
            Self::Pptx => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            Self::Sheet => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Epub => "application/epub+zip",
            Self::Email => "message/rfc822",
            Self::Csv => "text/csv",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
        }
    }
}

/// Whether a name ends like one that tells a format, known or not.
fn has_extension(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.rsplit_once('.').is_some_and(|(_, extension)| (1..=8).contains(&extension.len()))
}

/// What text is that neither a name nor a content type tells of.
fn untold(bytes: &[u8]) -> MediaType {
    let head = bytes.get(..bytes.len().min(8192)).unwrap_or(bytes);
    let text = crate::text::decode(head);
    match () {
        () if is_message(&text) => MediaType::Email,
        () if is_delimited(&text) => MediaType::Csv,
        () => MediaType::Text,
    }
}

/// Whether a text begins as a message does: header fields (RFC 5322), some that programs write among them.
fn is_message(text: &str) -> bool {
    let (mut known, mut sent) = (0, false);
    for line in text.split_inclusive('\n').take_while(|line| !line.trim().is_empty()) {
        // The last line may be cut.
        if (line.starts_with([' ', '\t']) && known > 0) || !line.ends_with('\n') {
            continue;
        }
        let name = line.split_once(':').map(|(name, _)| name.to_ascii_lowercase());
        let Some(name) = name.filter(|name| name.bytes().all(|b| b.is_ascii_graphic())) else { return false };
        sent |= matches!(name.as_str(), "message-id" | "mime-version" | "received" | "return-path");
        let fields =
            ["from", "to", "subject", "date", "mime-version", "message-id", "received", "return-path"];
        known += usize::from(fields.contains(&name.as_str()));
    }
    sent && known >= 3
}

/// Whether the lines of a text have as many delimiters each, outside quotes.
fn is_delimited(text: &str) -> bool {
    const LINES: usize = 20;
    const LEAST: usize = 5;
    // The last line may be cut.
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let lines: Vec<&str> = whole.lines().take(LINES).collect();
    let count = |line: &str, delimiter: char| {
        let mut quoted = false;
        line.chars()
            .filter(|c| {
                quoted ^= *c == '"';
                *c == delimiter && !quoted
            })
            .count()
    };
    [(',', 2), (';', 2), ('\t', 2)].into_iter().any(|(delimiter, least)| {
        let first = lines.first().map_or(0, |line| count(line, delimiter));
        let even = |line: &&str| count(line, delimiter) == first && !line.starts_with([' ', '\t', '{', '[']);
        lines.len() >= LEAST && first >= least && lines.iter().all(even)
    })
}

fn unsupported(found: &str) -> Error {
    Error::Unsupported { found: found.to_owned() }
}

/// How far before `%PDF-` other bytes may stand; readers accept 1,024.
const PDF_HEADER_WINDOW: usize = 1024;

fn by_signature(bytes: &[u8], name: &str) -> Option<Result<MediaType, Error>> {
    let head = bytes.get(..bytes.len().min(PDF_HEADER_WINDOW + 5)).unwrap_or(bytes);
    if head.starts_with(b"%PDF-") {
        return Some(Ok(MediaType::Pdf));
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zip_kind(bytes));
    }
    if head.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some(compound_kind(bytes));
    }
    if crate::doc::is_bare(head) && is_binary(bytes) {
        return Some(Ok(MediaType::Doc));
    }
    if head.starts_with(b"{\\rtf") {
        return Some(Ok(MediaType::Rtf));
    }
    const KNOWN: [(&[u8], &str); 13] = [
        (b"\x89PNG", "PNG picture"),
        (b"\xFF\xD8\xFF", "JPEG picture"),
        (b"GIF8", "GIF picture"),
        (b"\x1F\x8B", "gzip archive"),
        (b"7z\xBC\xAF", "7z archive"),
        (b"Rar!", "RAR archive"),
        (b"\x7FELF", "program"),
        (b"MZ\x90", "program"),
        (b"ID3", "audio"),
        (b"OggS", "audio"),
        (b"RIFF", "audio, video or picture"),
        (b"SQLite format 3\0", "SQLite database"),
        (b"%!PS", "PostScript"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(Err(unsupported(what)));
    }
    let window = head.windows(5).take(PDF_HEADER_WINDOW).any(|w| w == b"%PDF-");
    // Prose may quote the signature, so text without binary bytes must also be called PDF.
    let called_pdf = by_name(name) == Some(MediaType::Pdf);
    (window && (called_pdf || is_binary(bytes))).then_some(Ok(MediaType::Pdf))
}

/// Which zip container it is, by the names in its directory (uncompressed in the bytes).
fn zip_kind(bytes: &[u8]) -> Result<MediaType, Error> {
    let has = |needle: &[u8]| {
        // Entry names stand near the start (local headers) and near the end (central directory).
        const WINDOW: usize = 1 << 20;
        let head = bytes.get(..bytes.len().min(WINDOW)).unwrap_or(bytes);
        let tail = bytes.get(bytes.len().saturating_sub(WINDOW)..).unwrap_or(bytes);
        contains(tail, needle) || contains(head, needle)
    };
    if has(b"word/document") || has(b"word/styles.xml") {
        Ok(MediaType::Docx)
    } else if has(b"ppt/presentation.xml") {
        Ok(MediaType::Pptx)
    } else if has(b"xl/workbook") {
        Ok(MediaType::Sheet)
    } else if has(b"application/epub+zip") {
        Ok(MediaType::Epub)
    } else if has(b"application/vnd.oasis.opendocument.spreadsheet") {
        Ok(MediaType::Sheet)
    } else if has(b"application/vnd.oasis.opendocument") {
        Ok(MediaType::OpenDocument)
    } else if has(b"[Content_Types].xml") {
        // A Word package may name its main part freely; the reader follows the relationships.
        Ok(MediaType::Docx)
    } else {
        Err(unsupported("zip archive"))
    }
}

fn compound_kind(bytes: &[u8]) -> Result<MediaType, Error> {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    if contains(bytes, &utf16("EncryptedPackage")) {
        return Err(Error::Encrypted);
    }
    if contains(bytes, &utf16("WordDocument")) {
        return Ok(MediaType::Doc);
    }
    if contains(bytes, &utf16("Workbook")) || contains(bytes, &utf16("Book")) {
        return Ok(MediaType::Sheet);
    }
    if contains(bytes, &utf16("PowerPoint Document")) {
        return Err(unsupported("PowerPoint 97-2003; save it as PPTX"));
    }
    Err(unsupported("Office 97-2003 file"))
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len().max(1)).any(|w| w == needle)
}

const ALL: [MediaType; 13] = [
    MediaType::Pdf,
    MediaType::Docx,
    MediaType::Doc,
    MediaType::Rtf,
    MediaType::OpenDocument,
    MediaType::Pptx,
    MediaType::Sheet,
    MediaType::Epub,
    MediaType::Email,
    MediaType::Csv,
    MediaType::Html,
    MediaType::Markdown,
    MediaType::Text,
];

fn by_content_type(content_type: &str) -> Option<MediaType> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/pdf" => Some(MediaType::Pdf),
        "text/html" | "application/xhtml+xml" => Some(MediaType::Html),
        "text/markdown" | "text/x-markdown" | "text/mdx" => Some(MediaType::Markdown),
        "text/csv" | "text/tab-separated-values" => Some(MediaType::Csv),
        "text/rtf" => Some(MediaType::Rtf),
        "text/plain" => Some(MediaType::Text),
        _ => ALL.into_iter().find(|media| media.content_type() == essence),
    }
}

fn by_name(name: &str) -> Option<MediaType> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => Some(MediaType::Pdf),
        "docx" | "docm" | "dotx" => Some(MediaType::Docx),
        "doc" | "dot" => Some(MediaType::Doc),
        "rtf" => Some(MediaType::Rtf),
        "odt" | "ott" | "odp" => Some(MediaType::OpenDocument),
        "pptx" | "pptm" | "ppsx" => Some(MediaType::Pptx),
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => Some(MediaType::Sheet),
        "epub" => Some(MediaType::Epub),
        "eml" => Some(MediaType::Email),
        "csv" | "tsv" => Some(MediaType::Csv),
        "html" | "htm" | "xhtml" => Some(MediaType::Html),
        "md" | "markdown" | "mdx" | "mkd" => Some(MediaType::Markdown),
        "txt" | "text" | "log" | "json" | "yaml" | "yml" | "rst" => Some(MediaType::Text),
        _ => None,
    }
}

/// Whether the start cannot be text of any encoding: NUL bytes outside UTF-16/32, or too many
/// control characters.
fn is_binary(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(8192)).unwrap_or(bytes);
    if head.is_empty() || crate::text::wide_encoding(head).is_some() {
        return false;
    }
    let nul = head.iter().filter(|b| **b == 0).count();
    let control = head.iter().filter(|b| **b < 32 && !b"\t\n\r\x0C\x1B\x00".contains(*b)).count();
    // A stray NUL or control character in a text is dropped later, not a reason to refuse it.
    nul > 1 + head.len() / 50 || control > 1 + head.len() / 20
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(2048)).unwrap_or(bytes);
    let wide = crate::text::wide_encoding(head).is_some();
    let lower: Vec<u8> = head.iter().filter(|b| !wide || **b != 0).map(u8::to_ascii_lowercase).collect();
    let start = lower.trim_ascii_start();
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let first = [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<title", b"<!--"];
    first.iter().any(|tag| start.starts_with(tag))
        && (contains(&lower, b"<html")
            || contains(&lower, b"<body")
            || contains(&lower, b"<!doctype html")
            || contains(&lower, b"<title"))
        || (start.starts_with(b"<") && contains(&lower, b"<html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_type_and_name() {
        let sniff = |bytes: &[u8], name, kind| MediaType::sniff(bytes, name, kind).ok();
        assert_eq!(sniff(b"%PDF-1.7 ...", "a.txt", "text/plain"), Some(MediaType::Pdf));
        assert_eq!(sniff(b"\xEF\xBB\xBF%junk\n%PDF-1.4", "a.pdf", ""), Some(MediaType::Pdf));
        assert_eq!(sniff(b"a text about %PDF- files", "a.txt", ""), Some(MediaType::Text));
        assert_eq!(sniff(b"<!DOCTYPE html><p>x", "a", "application/octet-stream"), Some(MediaType::Html));
        let page = b"\xEF\xBB\xBF<html xmlns:x='urn:excel'><body><table><tr><td>1</table>";
        for name in ["a.xls", "a.doc", "a.docx"] {
            assert_eq!(sniff(page, name, ""), Some(MediaType::Html), "{name}");
        }
        assert_eq!(sniff(page, "a", "application/msword"), Some(MediaType::Html));
        assert_eq!(sniff(b"# Title\n", "a.md", ""), Some(MediaType::Markdown));
        assert_eq!(sniff(b"# Title\n", "a", "text/markdown; charset=utf-8"), Some(MediaType::Markdown));
        assert_eq!(sniff(b"plain", "a", ""), Some(MediaType::Text));
        assert_eq!(sniff(b"", "a", ""), Some(MediaType::Text));
        let message = b"Received: by x\r\n\tfor y\r\nFrom: a@x.example\r\nSubject: Hello\r\n\r\nText";
        assert_eq!(sniff(message, "a", "application/octet-stream"), Some(MediaType::Email));
        assert_eq!(sniff(message, "a.txt", ""), Some(MediaType::Text));
        assert_eq!(sniff(b"Note: this\nFrom: here\n\nText", "a", ""), Some(MediaType::Text));
        let memo = b"From: Ann\nTo: Ben\nSubject: Call\nDate: 5 May\n\nText";
        assert_eq!(sniff(memo, "a", ""), Some(MediaType::Text));
        let rows = b"name;place;\"price; EUR\"\nlamp;Oslo;5\nchair;Rome;7\ntable;Bern;9\nbed;Kiel;8\nta";
        assert_eq!(sniff(rows, "a", ""), Some(MediaType::Csv));
        assert_eq!(sniff(rows, "notes/a.sql", ""), Some(MediaType::Text));
        assert_eq!(
            sniff(b"One, two, three.\nFour, five.\nSix, seven, eight.\n", "a", ""),
            Some(MediaType::Text)
        );
        assert_eq!(sniff("hé\u{0}llo wörld, all of it".as_bytes(), "a", ""), Some(MediaType::Text));
    }

    #[test]
    fn foreign_kinds_are_named() {
        let reason = |bytes: &[u8], name| MediaType::sniff(bytes, name, "").unwrap_err().to_string();
        assert!(reason(b"\x89PNG\r\n\x1a\n", "a.pdf").contains("PNG picture"));
        assert!(reason(b"PK\x03\x04....some/file", "a.zip").contains("zip archive"));
        assert!(reason(&[0, 1, 2, 3, 0, 0, 7], "a").contains("binary data"));
        assert!(reason(b"just words", "a.pdf").contains("broken PDF"));
    }
}
