//! How much is quoted around the sentence that answers.
//!
//! Invariant: a quote never leaves its passage, nor the paragraph or list its sentence stands in, except
//! that a line which ends with a colon, or names what stands under it, takes that along.

use super::sentences::is_item;
use quarry_types::{CharRange, Passage, PassageKind};

/// Longest quote in characters when a lead-in line pulls its list along, or a list is quoted whole.
const MAX_QUOTE_CHARS: u32 = 700;
/// A best sentence shorter than this many characters takes the one that follows it along.
const SHORT_CHARS: u32 = 120;
/// Longest answer in characters that is grown that way.
const GROWN_CHARS: u32 = 320;
/// Most words of a title, and of one that tells nothing alone.
const TITLE_WORDS: usize = 8;
const BARE_WORDS: usize = 3;
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

/// A sentence with what it announces: the list or paragraph after a line that ends with a colon, the lines under a title.
/// `None` for a title of a few words with nothing or more under it than is quoted: it answers nothing by itself.
pub(super) fn announcing(passage: &Passage, range: CharRange, sentence: &str) -> Option<(CharRange, String)> {
    let title = is_title(passage, range, sentence);
    let announced = if title || sentence.ends_with(':') { announced(passage, range) } else { range };
    let fits = announced != range && announced.end - announced.start <= STEPS_CHARS;
    if title && !fits {
        let tells = sentence.split_whitespace().count() > BARE_WORDS;
        return tells.then(|| (range, sentence.to_owned()));
    }
    let quoted = if announced == range { sentence } else { slice(passage, announced) };
    Some((announced, quoted.to_owned()))
}

/// The line that announces the list an item stands in, when it ends with a colon.
pub(super) fn announced_by(passage: &Passage, item: CharRange) -> Option<&str> {
    let above = lines(passage).take_while(|(line, _)| line.start < item.start && line.end <= item.start);
    let last =
        above.filter(|(_, text)| !text.is_empty() && !is_item(text) && !text.starts_with([' ', '\t'])).last();
    last.map(|(_, text)| text).filter(|text| text.ends_with(':'))
}

/// The same of a quote that was grown, where it ends with a colon.
pub(super) fn with_announced(passage: &Passage, range: CharRange) -> CharRange {
    if slice(passage, range).ends_with(':') { announced(passage, range) } else { range }
}

fn slice(passage: &Passage, range: CharRange) -> &str {
    let local = |at: u32| at.saturating_sub(passage.range.start);
    CharRange { start: local(range.start), end: local(range.end) }.slice(&passage.text)
}

/// The lines of a passage with where they stand in the file's text, without white space at their ends.
fn lines(passage: &Passage) -> impl Iterator<Item = (CharRange, &str)> {
    let mut start = passage.range.start;
    passage.text.split_inclusive('\n').map(move |line| {
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let kept = line.trim_end();
        let range = CharRange { start, end: start.saturating_add(chars(kept)) };
        start = start.saturating_add(chars(line));
        (range, kept)
    })
}

/// `range` and the list after it, or the lines up to the next empty one, as far as whole lines fit.
fn announced(passage: &Passage, range: CharRange) -> CharRange {
    let mut after = lines(passage).skip_while(|(line, _)| line.start < range.end).peekable();
    while after.next_if(|(_, text)| text.is_empty()).is_some() {}
    let is_list = after.peek().is_some_and(|(_, text)| is_item(text));
    let (mut end, mut parted) = (range.end, false);
    for (line, text) in after {
        if text.is_empty() {
            parted = true;
            continue;
        }
        let goes_on =
            if is_list { is_item(text) || (!parted && text.starts_with([' ', '\t'])) } else { !parted };
        if !goes_on || line.end - range.start > MAX_QUOTE_CHARS {
            break;
        }
        (end, parted) = (line.end, false);
    }
    CharRange { start: range.start, end }
}

/// Whether a sentence is a line that names what stands under it: short, without an end, and no item among others.
fn is_title(passage: &Passage, range: CharRange, sentence: &str) -> bool {
    if matches!(passage.kind, PassageKind::Table | PassageKind::Code) || !names(sentence) {
        return false;
    }
    let mut rest = lines(passage).skip_while(|(line, _)| line.end < range.end);
    let whole = rest.next().is_some_and(|(line, text)| line.end == range.end && text.trim() == sentence);
    let next = rest.find(|(_, text)| !text.is_empty());
    whole && next.is_some_and(|(_, text)| is_loud(sentence) || !names(text.trim()))
}

fn is_loud(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() > 3 && !text.chars().any(char::is_lowercase)
}

/// Whether a line may name something and tells nothing: a few words, the first with a capital, no number and no end.
fn names(line: &str) -> bool {
    line.chars().next().is_some_and(char::is_uppercase)
        && line.chars().next_back().is_some_and(char::is_alphanumeric)
        && !line.contains(|c: char| c.is_numeric() || matches!(c, '|' | ':' | '=' | '\t'))
        && line.split_whitespace().count() <= TITLE_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::sentences::sentences;

    fn passage(text: &str) -> Passage {
        let range = CharRange { start: 7, end: 7 + text.chars().count() as u32 };
        Passage {
            position: 0,
            text: text.to_owned(),
            heading_path: vec![],
            table_header: None,
            page: None,
            range,
            kind: PassageKind::Paragraph,
        }
    }

    fn quotes(text: &str) -> Vec<String> {
        let passage = passage(text);
        let all = sentences(&passage);
        all.iter().filter_map(|(range, text)| Some(announcing(&passage, *range, text)?.1)).collect()
    }

    #[test]
    fn a_colon_takes_its_list_along_and_nothing_behind_it() {
        let text = "Wear gloves. To clean it:\n\n1. Pull the plug.\n2. Wipe the blade.\n\nWINTER STORAGE\nKeep it dry and cold.";
        let told = quotes(text);
        assert_eq!(told[1], "To clean it:\n\n1. Pull the plug.\n2. Wipe the blade.");
        assert_eq!(told[4], "WINTER STORAGE\nKeep it dry and cold.");
        let paragraph = quotes("Note this:\nFirst line of it.\nSecond line of it.\n\nAnother matter.");
        assert_eq!(paragraph[0], "Note this:\nFirst line of it.\nSecond line of it.");
    }

    #[test]
    fn an_item_is_told_with_the_line_that_announces_it() {
        let passage = passage(
            "We do not take back:\n- Underwear and swimwear\n- Opened food\n\nAll else is fine.\n- Shoes too",
        );
        let all = sentences(&passage);
        let by: Vec<_> = all.iter().map(|(range, _)| announced_by(&passage, *range)).collect();
        let lead = Some("We do not take back:");
        assert_eq!(by, [None, lead, lead, lead, None]);
    }

    #[test]
    fn titles_are_quoted_with_what_they_name_or_not_at_all() {
        assert_eq!(
            quotes("DESSERTS\nTiramisu 6.50\nPanna cotta 5.50")[0],
            "DESSERTS\nTiramisu 6.50\nPanna cotta 5.50"
        );
        let long = format!("Parking permits\n{}", "You get one at the town hall. ".repeat(20));
        assert!(!quotes(&long).iter().any(|quote| quote.starts_with("Parking")));
        let endless = format!("Parking permits\n{}", "You get one at the town hall ".repeat(40));
        assert!(!quotes(&endless).iter().any(|quote| quote.starts_with("Parking")));
        let telling =
            format!("Dogs are welcome here\n{}", "They get water and a bed for the night. ".repeat(20));
        assert_eq!(quotes(&telling)[0], "Dogs are welcome here");
        let names = quotes("Anna Berghoff\nCarl Dahlgren\nEmil Forsberg");
        assert_eq!(names, ["Anna Berghoff", "Carl Dahlgren", "Emil Forsberg"]);
    }
}
