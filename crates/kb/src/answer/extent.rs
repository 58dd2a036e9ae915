//! How much is quoted around the sentence that answers.
//!
//! Invariant: a quote never leaves its passage, nor the paragraph or list its sentence stands in, except
//! that a line which ends with a colon takes what it announces along.

use quarry_types::CharRange;

/// Longest quote in characters when a lead-in line pulls its list along, or a list is quoted whole.
const MAX_QUOTE_CHARS: u32 = 700;
/// A best sentence shorter than this many characters takes the one that follows it along.
const SHORT_CHARS: u32 = 120;
/// Longest answer in characters that is grown that way.
const GROWN_CHARS: u32 = 320;
/// Longest paragraph in characters that is quoted whole when steps are asked for.
const STEPS_CHARS: u32 = 480;

/// What to quote when the sentence `range` is quoted alone, and whether that is a list or paragraph that answers
/// whole: the list it is an item of or its paragraph when steps are asked for, all from the paragraph's
/// beginning where the heading asks the same question, a short sentence with the one that explains it.
/// `blocks` are its passage's as [`super::sentences::blocks`] gives them.
pub(super) fn grown(
    blocks: &[(CharRange, bool)],
    all: &[(CharRange, &str)],
    range: CharRange,
    steps: bool,
    same: bool,
) -> Option<(CharRange, bool)> {
    let chars = |from: u32, to: u32| to.saturating_sub(from);
    let block = blocks.partition_point(|(block, _)| block.end <= range.start);
    let (part, is_list) = blocks.get(block).filter(|(block, _)| block.start <= range.start).copied()?;
    // A quote that took its list along reaches beyond its block.
    let end = part.end.max(range.end);
    let from = all.partition_point(|(one, _)| one.start < part.start);
    let to = all.partition_point(|(one, _)| one.end <= end);
    let inside = all.get(from..to)?;
    let (first, last) = (inside.first()?.0.start, inside.last()?.0.end);
    let several = inside.len() > 1;
    if (steps || same) && several && is_list && chars(first, last) <= MAX_QUOTE_CHARS {
        return Some((CharRange { start: first, end: last }, true));
    }
    if is_list {
        return None;
    }
    if steps && several && chars(first, last) <= STEPS_CHARS {
        return Some((CharRange { start: first, end: last }, true));
    }
    let next = inside.iter().find(|(next, _)| next.start >= range.end).map(|(next, _)| next.end);
    let short = chars(range.start, range.end) < SHORT_CHARS;
    let end = next.filter(|end| short && chars(range.start, *end) <= GROWN_CHARS).unwrap_or(range.end);
    let start = if same && chars(first, end) <= GROWN_CHARS { first } else { range.start };
    ((start, end) != (range.start, range.end)).then_some((CharRange { start, end }, start != range.start))
}

/// A lead-in that ends with a colon is quoted with the lines it announces.
pub(super) fn with_list(
    text: &str,
    text_start: u32,
    range: CharRange,
    all: &[(CharRange, &str)],
    at: usize,
) -> (CharRange, String) {
    let alone = all.get(at).map_or("", |(_, text)| *text);
    let mut quoted = range;
    if alone.ends_with(':') {
        for (next, _) in all.iter().skip(at + 1) {
            if next.end - range.start > MAX_QUOTE_CHARS {
                break;
            }
            quoted.end = next.end;
        }
    }
    if quoted == range {
        return (range, alone.to_owned());
    }
    let local = CharRange { start: quoted.start - text_start, end: quoted.end - text_start };
    (quoted, local.slice(text).to_owned())
}
