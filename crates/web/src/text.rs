//! Bytes to text and character references to characters.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Where a page may declare its encoding.
const DECLARED_WITHIN: usize = 2048;

/// The text of a page: by its byte order mark, the declared type, its own declaration, else UTF-8 when
/// it is valid and Windows-1252 when not.
pub(crate) fn decode(bytes: &[u8], content_type: &str) -> String {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    let of = |label: String| Encoding::for_label(label.as_bytes());
    let declared = after(&content_type.to_ascii_lowercase(), "charset=").and_then(of);
    let encoding = declared.or_else(|| {
        let head: Vec<u8> = bytes.iter().take(DECLARED_WITHIN).map(u8::to_ascii_lowercase).collect();
        let found = own_label(&String::from_utf8_lossy(&head)).and_then(of)?;
        // A label that could be read byte by byte is not UTF-16, as the HTML standard has it.
        Some(if found == UTF_16LE || found == UTF_16BE { UTF_8 } else { found })
    });
    match encoding {
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None if std::str::from_utf8(bytes).is_ok() => UTF_8.decode(bytes).0.into_owned(),
        None => WINDOWS_1252.decode(bytes).0.into_owned(),
    }
}

/// What a page says of itself: in its XML declaration or a `<meta>`; the same words in an address are none.
fn own_label(head: &str) -> Option<String> {
    let declaration = head.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split("?>").next());
    declaration.and_then(|text| after(text, "encoding=")).or_else(|| {
        let mut tags = head.split("<meta").skip(1).filter_map(|rest| rest.split('>').next());
        tags.find_map(|tag| after(tag, "charset="))
    })
}

fn after(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest.trim_start_matches(['"', '\'', ' ']);
    let label: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:".contains(*c)).take(40).collect();
    Some(label).filter(|label| !label.is_empty())
}

/// Replaces the character references that titles and attributes use; unknown ones stay as they are.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let body = from.get(1..).unwrap_or_default();
        let end = body.char_indices().take(12).find(|(_, c)| *c == ';').map(|(at, _)| at);
        let name = end.and_then(|end| body.get(..end));
        match name.and_then(reference) {
            Some(found) => {
                out.push_str(&found);
                rest = body.get(end.unwrap_or(0) + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = body;
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0').map(String::from);
    }
    let found = match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        "nbsp" => " ",
        "ndash" => "–",
        "mdash" => "—",
        "hellip" => "…",
        "lsquo" => "‘",
        "rsquo" => "’",
        "ldquo" => "“",
        "rdquo" => "”",
        "laquo" => "«",
        "raquo" => "»",
        "middot" => "·",
        "bull" => "•",
        "copy" => "©",
        "reg" => "®",
        "trade" => "™",
        "auml" => "ä",
        "ouml" => "ö",
        "uuml" => "ü",
        "Auml" => "Ä",
        "Ouml" => "Ö",
        "Uuml" => "Ü",
        "szlig" => "ß",
        "eacute" => "é",
        "egrave" => "è",
        "agrave" => "à",
        "ccedil" => "ç",
        "ntilde" => "ñ",
        _ => return None,
    };
    Some(found.to_owned())
}

/// Words with one space between them.
pub(crate) fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let (latin, ..) = WINDOWS_1252.encode("Größe €");
        assert_eq!(decode(&latin, ""), "Größe €");
        assert_eq!(decode("Größe".as_bytes(), ""), "Größe");
        let page = [b"<meta charset=\"windows-1251\">".as_slice(), &[0xCF, 0xF0]].concat();
        assert!(decode(&page, "text/html").ends_with("Пр"));
        assert_eq!(decode(&[0xCF, 0xF0], "text/html; Charset=Windows-1251"), "Пр");
        let wide: Vec<u8> = "\u{feff}ab".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(&wide, ""), "ab");
    }

    #[test]
    fn labels_that_cannot_be_true() {
        let page = "<meta charset=utf-16>Größe";
        assert_eq!(decode(page.as_bytes(), "text/html"), page);
        let map = "<?xml version=\"1.0\"?><loc>https://x.example/?charset=windows-1251&encoding=big5</loc>ü";
        assert_eq!(decode(map.as_bytes(), ""), map);
        let old = [b"<?xml version='1.0' encoding='ISO-8859-1'?>".as_slice(), &[0xE4]].concat();
        assert!(decode(&old, "").ends_with('ä'));
        let old =
            [b"<?xml version='1.0'?><html><meta content='text/html; charset=latin1'>".as_slice(), &[0xE4]];
        assert!(decode(&old.concat(), "text/html").ends_with('ä'));
    }

    #[test]
    fn references() {
        assert_eq!(unescape("a&amp;b &#228;&#xE4; &bogus; & &"), "a&b ää &bogus; & &");
        assert_eq!(unescape("x&eacute;y&#0;&#xD800;"), "xéy&#0;&#xD800;");
    }
}
