//! Title, author and dates of compound files: the property set `SummaryInformation` [MS-OLEPS].

use super::bytes::{offset_at, slice, u16_at, u32_at};
use crate::document::Builder;
use crate::metadata::Field;

/// Name of the stream; it starts with a control character.
pub(super) const STREAM: &str = "/\u{5}SummaryInformation";

/// Properties looked at; real sets have about twenty.
const MAX_PROPERTIES: usize = 100;

/// Longest text property, in bytes.
const MAX_TEXT_BYTES: usize = 4_000;

const CODE_PAGE: u32 = 1;

/// Notes what the property set says; a damaged one tells less.
pub(super) fn read(stream: &[u8], builder: &mut Builder) {
    // One header of 28 bytes, then the identifier and the offset of the first set.
    let Some(set) = offset_at(stream, 44) else { return };
    let count = offset_at(stream, set.saturating_add(4)).unwrap_or(0).min(MAX_PROPERTIES);
    let property = |at: usize| {
        let entry = set.checked_add(8 + at * 8)?;
        let place = set.checked_add(offset_at(stream, entry.checked_add(4)?)?)?;
        Some((u32_at(stream, entry)?, place))
    };
    let properties: Vec<(u32, usize)> = (0..count).filter_map(property).collect();
    let page = properties.iter().find(|(id, _)| *id == CODE_PAGE);
    let page = page.and_then(|(_, place)| u16_at(stream, place.checked_add(4)?)).unwrap_or(1252);
    for (id, place) in properties {
        match id {
            2 => builder.set_title(&crate::clean::line(&text(stream, place, page))),
            3 => builder.set(Field::Description, &text(stream, place, page)),
            4 => builder.set(Field::Author, &text(stream, place, page)),
            12 => builder.set(Field::Created, &time(stream, place)),
            13 => builder.set(Field::Modified, &time(stream, place)),
            _ => {}
        }
    }
}

fn text(stream: &[u8], place: usize, page: u16) -> String {
    let kind = u32_at(stream, place);
    let length = offset_at(stream, place.saturating_add(4)).unwrap_or(0);
    let start = place.saturating_add(8);
    let text = match kind {
        // Bytes of the code page.
        Some(30) => {
            let bytes = slice(stream, start, length.min(MAX_TEXT_BYTES));
            let encoding = match page {
                65001 => encoding_rs::UTF_8,
                1200 => encoding_rs::UTF_16LE,
                932 => encoding_rs::SHIFT_JIS,
                936 => encoding_rs::GBK,
                949 => encoding_rs::EUC_KR,
                950 => encoding_rs::BIG5,
                1250 => encoding_rs::WINDOWS_1250,
                1251 => encoding_rs::WINDOWS_1251,
                1253 => encoding_rs::WINDOWS_1253,
                1254 => encoding_rs::WINDOWS_1254,
                1255 => encoding_rs::WINDOWS_1255,
                1256 => encoding_rs::WINDOWS_1256,
                1257 => encoding_rs::WINDOWS_1257,
                1258 => encoding_rs::WINDOWS_1258,
                _ => encoding_rs::WINDOWS_1252,
            };
            encoding.decode_without_bom_handling(bytes).0.into_owned()
        }
        Some(31) => {
            let bytes = slice(stream, start, length.saturating_mul(2).min(MAX_TEXT_BYTES));
            encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
        }
        _ => String::new(),
    };
    text.split('\0').next().unwrap_or_default().to_owned()
}

/// A time in 100-nanosecond steps since 1601, as ISO 8601 in UTC; empty when it is none.
fn time(stream: &[u8], place: usize) -> String {
    let low = u32_at(stream, place.saturating_add(4)).map(u64::from);
    let high = u32_at(stream, place.saturating_add(8)).map(u64::from);
    let (Some(64), Some(low), Some(high)) = (u32_at(stream, place), low, high) else {
        return String::new();
    };
    let seconds = (high << 32 | low) / 10_000_000;
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    // The first day of 1601 begins a cycle of 400 years.
    const CYCLE_DAYS: u64 = 146_097;
    let mut year = 1601 + days / CYCLE_DAYS * 400;
    days %= CYCLE_DAYS;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let of_year = |year: u64| if leap(year) { 366 } else { 365 };
    while days >= of_year(year) {
        days -= of_year(year);
        year += 1;
    }
    let mut month = 1;
    for length in [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    // Editing times and unset dates are counted from zero too.
    if !(1980..=2200).contains(&year) {
        return String::new();
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn set(properties: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut stream = vec![0; 44];
        stream.extend(48_u32.to_le_bytes());
        let head = 8 + properties.len() * 8;
        let mut body: Vec<u8> = Vec::new();
        stream.extend(0_u32.to_le_bytes());
        stream.extend((properties.len() as u32).to_le_bytes());
        for (id, value) in properties {
            stream.extend(id.to_le_bytes());
            stream.extend(((head + body.len()) as u32).to_le_bytes());
            body.extend(value);
        }
        stream.extend(body);
        stream
    }

    fn value(kind: u32, parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        parts.iter().for_each(|part| bytes.extend(*part));
        bytes
    }

    #[test]
    fn properties_are_read_and_broken_ones_left() {
        // 2024-01-31 12:00:05 UTC.
        let time = 133_511_760_050_000_000_u64.to_le_bytes();
        let stream = set(&[
            (1, value(2, &[&1252_u32.to_le_bytes()])),
            (2, value(30, &[&9_u32.to_le_bytes(), b"Tarif\xe9\0xx"])),
            (4, value(31, &[&2_u32.to_le_bytes(), b"A\0B\0"])),
            (12, value(64, &[&time])),
            (13, value(64, &[&[0; 8]])),
        ]);
        let mut builder = Builder::new(&Limits::default());
        read(&stream, &mut builder);
        for cut in 0..stream.len() {
            read(&stream[..cut], &mut Builder::new(&Limits::default()));
        }
        let document = builder.finish();
        assert_eq!(document.title.as_deref(), Some("Tarifé"));
        assert_eq!(document.metadata.author.as_deref(), Some("AB"));
        assert_eq!(document.metadata.created.as_deref(), Some("2024-01-31T12:00:05Z"));
        assert_eq!(document.metadata.modified, None);
    }
}
