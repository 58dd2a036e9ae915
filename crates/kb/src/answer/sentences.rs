//! Cuts passages into sentences that can be quoted: exact slices with their character offsets.

use quarry_types::{CharRange, Passage, PassageKind};
use unicode_segmentation::UnicodeSegmentation;

/// Shorter pieces (characters) are no sentence to quote.
const MIN_CHARS: usize = 8;

/// What stands between two cells of a row.
const CELLS: &str = " | ";

/// The sentences of a passage. Ranges are in the file's extracted text, as the passage's is. The row of
/// a table that names its columns answers nothing, so it is left out; what stands before the table is prose.
pub(crate) fn sentences(passage: &Passage) -> Vec<(CharRange, &str)> {
    let mut found = Vec::new();
    let mut line_start = 0_usize;
    let mut place = Place::default();
    let header = header_at(passage).map(|(at, _)| at);
    let in_cells = passage.text.contains(CELLS);
    for line in passage.text.split_inclusive('\n') {
        match passage.kind {
            PassageKind::Table if header == Some(line_start) => {}
            // A row or a program line is not prose: its full stops end nothing.
            PassageKind::Code => push(passage, line_start, line, &mut place, &mut found),
            PassageKind::Table if line.contains(CELLS) || !in_cells => {
                push(passage, line_start, line, &mut place, &mut found);
            }
            _ => {
                for (offset, text) in line_sentences(line) {
                    push(passage, line_start + offset, text, &mut place, &mut found);
                }
            }
        }
        line_start += line.len();
    }
    found
}

/// The row that names the columns of a table with more rows than that.
pub(crate) fn table_header(passage: &Passage) -> Option<&str> {
    passage.table_header.as_deref().or_else(|| header_at(passage).map(|(_, header)| header))
}

/// The same with its first byte in the passage's text, when it is there.
fn header_at(passage: &Passage) -> Option<(usize, &str)> {
    if passage.kind != PassageKind::Table || passage.table_header.is_some() {
        return None;
    }
    if !passage.text.contains(CELLS) {
        let (first, rest) = passage.text.split_once('\n')?;
        return (!rest.trim().is_empty()).then(|| (0, first.trim()));
    }
    let mut start = 0;
    let mut before: Option<(usize, &str)> = None;
    for line in passage.text.split_inclusive('\n') {
        let row = line.contains(CELLS).then(|| (start, line.trim()));
        if row.is_some() && before.is_some() {
            return before;
        }
        (before, start) = (row, start + line.len());
    }
    None
}

/// Whether a line is an item of a list.
pub(crate) fn is_item(text: &str) -> bool {
    of_item(text).is_some()
}

/// What an item of a list says behind its bullet or number.
pub(crate) fn of_item(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let bullet = text.strip_prefix(['-', '*', '•', '–', '·', '▪', '◦']);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=3).contains(&digits).then(|| text.get(digits..)?.strip_prefix(['.', ')'])).flatten();
    bullet.or(numbered).filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim_start)
}

/// The paragraphs and lists of a passage, in the file's text, each with whether it is a list: up to the
/// empty lines before and after, and of a text whose paragraphs are single lines that line; the lines of a
/// list stay together.
pub(crate) fn blocks(passage: &Passage) -> Vec<(CharRange, bool)> {
    let mut found: Vec<(CharRange, bool)> = Vec::new();
    let (mut start, mut goes_on) = (passage.range.start, false);
    for line in passage.text.split_inclusive('\n') {
        let end = start.saturating_add(u32::try_from(line.chars().count()).unwrap_or(u32::MAX));
        let item = is_item(line);
        if line.trim().is_empty() {
            goes_on = false;
        } else {
            match found.last_mut() {
                // A line that goes on an item belongs to it.
                Some((block, true)) if goes_on && (item || line.starts_with([' ', '\t'])) => block.end = end,
                _ => found.push((CharRange { start, end }, item)),
            }
            goes_on = true;
        }
        start = end;
    }
    found
}

/// Sentences of one line as (byte offset, text); too short ones ride with the one before.
fn line_sentences(line: &str) -> Vec<(usize, &str)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (start, text) in line.split_sentence_bound_indices() {
        let end = start + text.len();
        match parts.last_mut() {
            Some(last)
                if is_open(line.get(last.0..last.1).unwrap_or(""))
                    || text.trim().chars().count() < MIN_CHARS =>
            {
                last.1 = end;
            }
            _ => parts.push((start, end)),
        }
    }
    parts.into_iter().filter_map(|(start, end)| Some((start, line.get(start..end)?))).collect()
}

/// Whether a cut after this text would be wrong: a list number or an abbreviation ends it.
pub(crate) fn is_open(text: &str) -> bool {
    let text = text.trim_end();
    let last = text.rsplit(char::is_whitespace).next().unwrap_or("");
    let Some(word) = last.strip_suffix('.') else { return false };
    let number = !word.is_empty()
        && word.len() <= 3
        && word.bytes().all(|b| b.is_ascii_digit())
        && word == text.trim_end_matches('.').trim();
    let abbreviations = [
        "e.g", "i.e", "approx", "no", "fig", "vs", "etc", "min", "max", "dr", "mr", "mrs", "ms", "st",
        "prof", "z.b", "ca", "bzw", "sr", "sra", "dra", "dott", "av",
    ];
    number
        || text.chars().count() < MIN_CHARS
        || abbreviations.contains(&word.to_lowercase().trim_start_matches('('))
}

/// A place in a passage, in bytes and in characters, that moves on.
#[derive(Debug, Default)]
struct Place {
    bytes: usize,
    chars: usize,
}

impl Place {
    /// The characters before a byte that is not before the one asked for last.
    fn chars_to(&mut self, text: &str, byte: usize) -> usize {
        self.chars += text.get(self.bytes..byte).map_or(0, |between| between.chars().count());
        self.bytes = byte;
        self.chars
    }
}

fn push<'a>(
    passage: &Passage,
    byte: usize,
    text: &'a str,
    place: &mut Place,
    found: &mut Vec<(CharRange, &'a str)>,
) {
    let trimmed = text.trim();
    if trimmed.chars().count() < MIN_CHARS || !trimmed.chars().any(char::is_alphanumeric) {
        return;
    }
    let lead = text.len() - text.trim_start().len();
    let before = place.chars_to(&passage.text, byte + lead);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let start = passage.range.start.saturating_add(count(before));
    let end = start.saturating_add(count(trimmed.chars().count()));
    found.push((CharRange { start, end }, trimmed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passage(text: &str, kind: PassageKind) -> Passage {
        let range = CharRange { start: 100, end: 100 + text.chars().count() as u32 };
        let text = text.to_owned();
        Passage { position: 0, text, heading_path: vec![], table_header: None, page: None, range, kind }
    }

    fn texts(text: &str, kind: PassageKind) -> Vec<String> {
        sentences(&passage(text, kind)).into_iter().map(|(_, text)| text.to_owned()).collect()
    }

    #[test]
    fn prose_is_cut_at_sentence_ends() {
        assert_eq!(
            texts(
                "Turn the dial to 4. Wait, e.g. ten minutes, until it beeps! Done now, really.",
                PassageKind::Paragraph
            ),
            ["Turn the dial to 4.", "Wait, e.g. ten minutes, until it beeps!", "Done now, really."]
        );
    }

    #[test]
    fn a_table_under_its_lead_in_is_read_as_rows() {
        let text =
            "Open the door. It must stay.\n\nWhat it does | Turn\nFalls down | clockwise\nRises up | back";
        let told = texts(text, PassageKind::Table);
        assert_eq!(told, ["Open the door.", "It must stay.", "Falls down | clockwise", "Rises up | back"]);
        assert_eq!(table_header(&passage(text, PassageKind::Table)), Some("What it does | Turn"));
        assert_eq!(table_header(&passage("Only | one row", PassageKind::Table)), None);
    }

    #[test]
    fn list_numbers_stay_with_their_item_and_rows_stay_whole() {
        assert_eq!(
            texts("1. Close the tap.\n2. Pull the filter out.", PassageKind::List),
            ["1. Close the tap.", "2. Pull the filter out."]
        );
        assert_eq!(
            texts("Code | Meaning\nE42 | No water. Check tap.", PassageKind::Table),
            ["E42 | No water. Check tap."]
        );
    }

    #[test]
    fn paragraphs_and_whole_lists_are_told_apart() {
        let text =
            "Read this.\nThen this.\n\nDo so:\n1. Open it.\n2. Clean\n   it well.\n3. Close it.\nDone now.";
        let passage = passage(text, PassageKind::Paragraph);
        let blocks = blocks(&passage);
        let slice = |range: CharRange| text.get(range.start as usize - 100..range.end as usize - 100);
        let told: Vec<(&str, bool)> =
            blocks.iter().map(|(range, list)| (slice(*range).unwrap_or_default().trim(), *list)).collect();
        assert_eq!(
            told,
            [
                ("Read this.", false),
                ("Then this.", false),
                ("Do so:", false),
                ("1. Open it.\n2. Clean\n   it well.\n3. Close it.", true),
                ("Done now.", false),
            ]
        );
        assert!(is_item("- one") && is_item("12) two") && !is_item("2.5 litres") && !is_item("-5 degrees"));
    }

    proptest! {
        #[test]
        fn every_sentence_is_the_slice_its_range_names(text in "[ -~äß€\n.!?]{0,300}") {
            let passage = passage(&text, PassageKind::Paragraph);
            let whole = format!("{}{text}", "x".repeat(100));
            for (range, sentence) in sentences(&passage) {
                prop_assert_eq!(range.slice(&whole), sentence);
            }
        }
    }
}
