//! Plain text: which encoding, which lines belong together.

use crate::clean;
use crate::document::{Builder, Part};
use crate::hyphens::Words;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use quarry_types::PassageKind;
use std::borrow::Cow;

/// The 16-bit encoding of a text, by its byte order mark or by where its zero bytes stand.
pub(crate) fn wide_encoding(head: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_bom(head) {
        Some((encoding, _)) if encoding != UTF_8 => return Some(encoding),
        Some(_) => return None,
        None => {}
    }
    let sample = head.get(..head.len().min(4096)).unwrap_or(head);
    let (mut even, mut odd) = (0, 0);
    for pair in sample.chunks_exact(2) {
        even += usize::from(pair.first() == Some(&0));
        odd += usize::from(pair.last() == Some(&0));
    }
    let pairs = sample.len() / 2;
    let mostly = |n: usize| n * 2 > pairs && pairs >= 2;
    let rarely = |n: usize| n * 50 <= pairs;
    match () {
        () if mostly(odd) && rarely(even) => Some(UTF_16LE),
        () if mostly(even) && rarely(odd) => Some(UTF_16BE),
        () => None,
    }
}

/// The text in whatever encoding it is; undecodable bytes become replacement characters.
pub(crate) fn decode(bytes: &[u8]) -> String {
    decode_with(bytes, None)
}

/// As [`decode`], with the encodings an HTML page and its content type declare.
pub(crate) fn decode_html(bytes: &[u8], content_type: &str) -> String {
    let declared = label(content_type.as_bytes()).or_else(|| {
        let head = bytes.get(..bytes.len().min(1024)).unwrap_or(bytes);
        label(head)
    });
    decode_with(bytes, declared)
}

fn decode_with(bytes: &[u8], declared: Option<&'static Encoding>) -> String {
    if let Some(encoding) = wide_encoding(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    // Japanese of seven bits looks like ASCII but for its escapes.
    if bytes.is_ascii() && bytes.windows(2).any(|pair| matches!(pair, b"\x1b$" | b"\x1b(")) {
        let (text, wrong) = ISO_2022_JP.decode_without_bom_handling(bytes);
        if !wrong {
            return text.into_owned();
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    // A file cut or patched in a few places is still UTF-8.
    let mostly_utf8 = {
        let lossy = String::from_utf8_lossy(bytes);
        let wrong = lossy.matches('\u{fffd}').count();
        let right = lossy.chars().filter(|c| !c.is_ascii()).count() - wrong;
        (right > wrong * 10).then(|| lossy.into_owned())
    };
    if let Some(text) = mostly_utf8 {
        return text;
    }
    let encoding = declared.filter(|e| *e != UTF_8).unwrap_or_else(|| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(bytes, true);
        detector.guess(None, Utf8Detection::Deny)
    });
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

/// The encoding named after `charset=`.
fn label(bytes: &[u8]) -> Option<&'static Encoding> {
    let lower = bytes.to_ascii_lowercase();
    let at = lower.windows(8).position(|w| w == b"charset=")? + 8;
    let rest = lower.get(at..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = rest.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b));
    Encoding::for_label(rest.get(..end.unwrap_or(rest.len()))?)
}

/// Paragraphs by blank lines; underlined lines and lone lines of capitals are headings.
pub(crate) fn extract(text: &str, builder: &mut Builder) {
    let text = clean::verbatim(&without_cuts(text));
    let words = Words::of(text.lines().map(str::trim_start), false);
    let mut paragraph: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if builder.is_full() {
            return;
        }
        if line.trim().is_empty() {
            write(&std::mem::take(&mut paragraph), &words, builder);
            continue;
        }
        // A row of = or - under a first line makes that line a heading.
        if paragraph.len() == 1 && is_rule(line) {
            let title = clean::line(&std::mem::take(&mut paragraph).concat());
            builder.heading(if line.trim_start().starts_with('=') { 1 } else { 2 }, &title, None);
            continue;
        }
        paragraph.push(line);
    }
}

/// A text whose words are whole where a line ends with a soft hyphen: what is left of them is moved up.
fn without_cuts(text: &str) -> Cow<'_, str> {
    if !text.contains("\u{ad}\n") && !text.contains("\u{ad}\r\n") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut cut = false;
    for line in text.lines() {
        let rest = line.trim_start();
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (head, tail) = if cut { rest.split_at(word) } else { ("", line) };
        out.push_str(head.trim_end_matches('\u{ad}'));
        if !out.is_empty() {
            out.push('\n');
        }
        cut = (if tail.is_empty() { head } else { tail }).ends_with('\u{ad}');
        out.push_str(tail.trim_end_matches('\u{ad}'));
    }
    Cow::Owned(out)
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'))
}

fn write(lines: &[&str], words: &Words, builder: &mut Builder) {
    let Some(first) = lines.first() else {
        return;
    };
    if lines.len() == 1 && is_shouted(first) {
        builder.heading(2, &clean::line(first), None);
        return;
    }
    if is_item(first) && lines.iter().filter(|l| is_item(l)).count() > 1 {
        let mut text = String::new();
        for line in lines {
            if is_item(line) {
                text.push('\n');
                text.push_str(line.trim_end());
            } else {
                // A line that starts no item goes on with the one above.
                words.append(&mut text, line.trim());
            }
        }
        builder.push(Part::new(PassageKind::List, &text));
        return;
    }
    let wrapped = is_wrapped(lines);
    let mut text = String::new();
    for line in lines {
        let line = clean::paragraph(line);
        match (text.is_empty(), wrapped) {
            (true, _) => text = line,
            (false, true) => words.append(&mut text, &line),
            (false, false) => text.extend(["\n", &line]),
        }
    }
    builder.push(Part::new(PassageKind::Paragraph, &text));
}

/// A short line of capital letters, like the headings of contracts and readme files.
fn is_shouted(line: &str) -> bool {
    let line = line.trim();
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 4
        && line.chars().count() <= 80
        && letters * 2 > line.chars().count()
        && line.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase)
        && !line.ends_with(['.', ',', ';', '!', '?'])
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let mut rest = line.chars();
    match rest.next() {
        Some('-' | '*' | '•' | '+' | '–') => rest.next() == Some(' '),
        Some(c) if c.is_ascii_digit() => {
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
            line.len() - rest.len() <= 3 && (rest.starts_with(". ") || rest.starts_with(") "))
        }
        _ => false,
    }
}

/// Whether the line breaks come from a fixed width rather than from the writer.
fn is_wrapped(lines: &[&str]) -> bool {
    let widths: Vec<usize> = lines.iter().map(|l| l.trim_end().chars().count()).collect();
    let widest = widths.iter().copied().max().unwrap_or(0);
    let Some((_, body)) = widths.split_last() else {
        return false;
    };
    let full = body.iter().filter(|w| **w * 10 >= widest * 7).count();
    (40..=130).contains(&widest) && full * 10 >= body.len() * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn encodings_are_told_apart() {
        let text = "Größe: 5 €, naïve façade – schön übrig";
        assert_eq!(decode(text.as_bytes()), text);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&wide), text);
        let wide: Vec<u8> = "\u{feff}Größe".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode(&wide), "Größe");
        let (latin, ..) = encoding_rs::WINDOWS_1252.encode(text);
        assert_eq!(decode(&latin), text);
        let japanese = "これは日本語の文書です。取扱説明書をお読みください。";
        let (bytes, ..) = encoding_rs::SHIFT_JIS.encode(japanese);
        assert_eq!(decode(&bytes), japanese);
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode("Привет");
        assert_eq!(decode_html(&bytes, "text/html; charset=windows-1251"), "Привет");
        let seven = b"\x1b$B$3$l$O\x1b(B no. 5";
        assert_eq!(decode(seven), "これは no. 5");
        assert_eq!(decode_html(seven, "text/html; charset=iso-2022-jp"), "これは no. 5");
        assert_eq!(decode(b"\x1b[1mbold\x1b(B\x1b[m"), "\x1b[1mbold\x1b(B\x1b[m");
        assert_eq!(decode(b"ok \xFF"), "ok ÿ");
    }

    #[test]
    fn words_cut_by_soft_hyphens_are_whole() {
        let cut = "The manual has more infor\u{ad}\r\nmation about wash\u{ad}\ning machines.\n\nEnd\u{ad}";
        assert_eq!(without_cuts(cut), "The manual has more information\n about washing\n machines.\n\nEnd");
    }

    #[test]
    fn paragraphs_lists_and_headings() {
        let source = "Guide\n=====\n\nThis paragraph is wrapped at a fixed width by its\nauthor and goes on here.\n\n- one that is\n  wrapped\n- two\n\nSAFETY NOTES\n\nroad 5\ncity\n";
        let mut builder = Builder::new(&Limits::default());
        extract(source, &mut builder);
        let document = builder.finish();
        let blocks: Vec<_> =
            document.blocks.iter().map(|b| (b.kind, b.level, b.range.slice(&document.text))).collect();
        assert_eq!(
            blocks,
            [
                (PassageKind::Title, 1, "Guide"),
                (
                    PassageKind::Paragraph,
                    0,
                    "This paragraph is wrapped at a fixed width by its author and goes on here."
                ),
                (PassageKind::List, 0, "- one that is wrapped\n- two"),
                (PassageKind::Subtitle, 2, "SAFETY NOTES"),
                (PassageKind::Paragraph, 0, "road 5\ncity"),
            ]
        );
    }
}
