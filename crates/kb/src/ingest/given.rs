//! Passages handed in by the caller: kept as given, cut only where the model cannot read on.

use crate::records::GivenPassage;
use quarry_extract::{Block, ChunkOptions, Document, chunk, embedded_text, nearest_headings};
use quarry_types::{CharRange, Passage, PassageKind, TokenCounter, UnderHeadings};

/// A document whose blocks are the given passages, and those passages.
pub(crate) fn document(
    given: &[GivenPassage],
    options: &ChunkOptions,
    counter: &dyn TokenCounter,
) -> (Document, Vec<Passage>) {
    let mut text = String::new();
    let mut chars = 0_u32;
    let mut blocks = Vec::new();
    let mut passages: Vec<Passage> = Vec::new();
    let mut headings: Vec<String> = Vec::new();
    for part in given {
        let content = part.content.trim();
        if content.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\n\n");
            chars += 2;
        }
        let start = chars;
        text.push_str(content);
        chars += u32::try_from(content.chars().count()).unwrap_or(u32::MAX - chars);
        let range = CharRange { start, end: chars };
        let level = match part.kind {
            PassageKind::Title => 1,
            PassageKind::Subtitle => 2,
            _ => 0,
        };
        blocks.push(Block { kind: part.kind, level, range, page: part.page, header: None });
        let path = if !part.headings.is_empty() {
            part.headings.clone()
        } else if level == 0 {
            headings.clone()
        } else {
            headings.iter().take(level as usize - 1).cloned().collect()
        };
        let whole = Passage {
            position: 0,
            text: content.to_owned(),
            heading_path: path,
            table_header: None,
            page: part.page,
            range,
            kind: part.kind,
        };
        if counter.count_tokens(&embedded_text(&whole, options.headings)) <= counter.max_tokens() {
            passages.push(whole);
        } else {
            passages.extend(cut(whole, options, counter));
        }
        if level > 0 {
            headings.truncate(level as usize - 1);
            headings.push(content.chars().take(200).collect());
        }
    }
    for (position, passage) in passages.iter_mut().enumerate() {
        passage.position = u32::try_from(position).unwrap_or(u32::MAX);
    }
    let pages = given.iter().filter_map(|part| part.page).max();
    (Document { text, blocks, pages, ..Document::default() }, passages)
}

/// Cuts one passage that is too long, as running text under its headings; headings that would take
/// half of what the model reads are left off.
fn cut(whole: Passage, options: &ChunkOptions, counter: &dyn TokenCounter) -> Vec<Passage> {
    let length = u32::try_from(whole.text.chars().count()).unwrap_or(u32::MAX);
    let range = CharRange { start: 0, end: length };
    let kind = if matches!(whole.kind, PassageKind::Title | PassageKind::Subtitle) {
        PassageKind::Paragraph
    } else {
        whole.kind
    };
    let block = Block { kind, level: 0, range, page: whole.page, header: None };
    let alone = Document { text: whole.text, blocks: vec![block], ..Document::default() };
    let shift = |range: CharRange| CharRange {
        start: range.start + whole.range.start,
        end: range.end + whole.range.start,
    };
    let breadcrumb = nearest_headings(&whole.heading_path, options.headings).join(" > ");
    let mut headings = counter.count_tokens(&breadcrumb).saturating_sub(counter.count_tokens(""));
    let mut path = whole.heading_path;
    if headings * 2 > counter.max_tokens() {
        (headings, path) = (0, Vec::new());
    }
    let mut parts = chunk(&alone, options, &UnderHeadings { counter, headings });
    for part in &mut parts {
        part.heading_path.clone_from(&path);
        part.range = shift(part.range);
        part.kind = whole.kind;
    }
    parts
}
