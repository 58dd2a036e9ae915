//! From rows to paragraphs, list items and tables.

use super::headings::Style;
use super::lines::Line;
use super::order::{Region, Row};
use super::tables;
use crate::clean;
use crate::document::{Builder, Part};
use crate::flow::push_table;
use crate::hyphens::Words;
use quarry_types::PassageKind;

/// A block before headings are told apart.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) kind: PassageKind,
    pub(super) text: String,
    pub(super) level: u8,
    pub(super) size: f32,
    pub(super) bold: bool,
    pub(super) rows: usize,
    page: u32,
    cells: Vec<Vec<String>>,
}

impl Draft {
    fn table(cells: Vec<Vec<String>>, style: &Style, page: u32) -> Self {
        Self {
            kind: PassageKind::Table,
            text: String::new(),
            level: 0,
            size: style.body_size,
            bold: false,
            rows: cells.len(),
            page,
            cells,
        }
    }

    /// Writes the block.
    pub(super) fn push(&self, builder: &mut Builder) {
        let page = Some(self.page);
        if self.kind == PassageKind::Table {
            push_table(builder, &self.cells, Some(1), page);
        } else if self.level > 0 {
            builder.heading(self.level, &self.text.replace('\n', " "), page);
        } else {
            builder.push(Part { page, ..Part::new(self.kind, &self.text) });
        }
    }
}

/// Reads one region and adds its blocks.
pub(super) fn read(region: Region, page: u32, style: &Style, words: &Words, out: &mut Vec<Draft>) {
    let mut rows = match region {
        Region::Rows(rows) => rows,
        Region::Table(table) => {
            out.push(Draft::table(table.cells(words), style, page));
            return;
        }
    };
    let before = out.len();
    for row in &mut rows {
        attach_bullet(row);
    }
    let pieces = rows.iter().flatten();
    let right = pieces.map(|l| l.right).fold(f32::MIN, f32::max);
    let left = rows.iter().flatten().map(|l| l.left).fold(f32::MAX, f32::min);
    let mut open: Option<Open> = None;
    let mut rest = rows.as_slice();
    while let Some((row, after)) = rest.split_first() {
        if let Some(found) = tables::at_start(rest, words) {
            out.extend(open.take().map(|o| o.draft(page)));
            out.push(Draft::table(found.cells, style, page));
            rest = rest.get(found.rows..).unwrap_or_default();
            continue;
        }
        let line = join(row);
        rest = after;
        match &mut open {
            Some(open) if open.takes(&line, style, left, right) => open.add(line, words),
            _ => {
                let next = Open::new(line, style);
                out.extend(open.replace(next).map(|o| o.draft(page)));
            }
        }
    }
    out.extend(open.map(|o| o.draft(page)));
    merge_lists(out, before.saturating_sub(1), page);
}

/// A row's pieces as one line.
fn join(row: &Row) -> Line {
    let mut pieces = row.iter();
    let mut line = pieces.next().cloned().unwrap_or(Line {
        text: String::new(),
        left: 0.0,
        right: 0.0,
        y: 0.0,
        size: 1.0,
        bold: false,
        rank: 0,
    });
    let mut longest = line.text.len();
    for piece in pieces {
        line.text.push(' ');
        line.text.push_str(&piece.text);
        line.left = line.left.min(piece.left);
        line.right = line.right.max(piece.right);
        line.bold = line.bold && piece.bold;
        if piece.text.len() > longest {
            longest = piece.text.len();
            line.size = piece.size;
            line.y = piece.y;
        }
    }
    line
}

/// Puts a bullet or number that stands alone together with its text.
fn attach_bullet(row: &mut Row) {
    if let [first, second, ..] = row.as_slice()
        && is_bullet(&first.text)
        && second.left - first.right < 4.0 * first.size
    {
        let mut text = second.clone();
        text.text = format!("{} {}", first.text, second.text);
        text.left = first.left;
        row.splice(0..2, [text]);
    }
}

/// Whether a text is a list marker and nothing else.
pub(super) fn is_bullet(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    if chars.next().is_none() {
        return first.is_some_and(|c| "•◦▪■●○‣–—-*·➢✓\u{f0b7}\u{f0a7}\u{f0d8}o".contains(c));
    }
    let body = text.trim_start_matches('(');
    let mark = body.trim_end_matches(['.', ')']);
    let counted = mark.len() <= 3 && mark.chars().all(|c| c.is_ascii_digit());
    let lettered = mark.chars().count() == 1 && mark.chars().all(char::is_alphabetic);
    mark.len() < body.len() && !mark.is_empty() && (counted || lettered)
}

/// Whether a line starts with a list marker.
fn starts_item(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(' ') else {
        return false;
    };
    !rest.trim().is_empty() && first != "o" && is_bullet(first)
}

/// A paragraph or list item that may go on.
struct Open {
    text: String,
    first: Line,
    last: Line,
    bold: bool,
    rows: usize,
    item: bool,
}

impl Open {
    fn new(line: Line, style: &Style) -> Self {
        // What stands out is a numbered heading rather than an item.
        let item = starts_item(&line.text) && !style.stands_out(line.size, line.bold);
        Self { text: line.text.clone(), bold: line.bold, first: line.clone(), last: line, rows: 1, item }
    }

    /// Whether a line below belongs to this paragraph.
    fn takes(&self, line: &Line, style: &Style, left: f32, right: f32) -> bool {
        let last = &self.last;
        let size = last.size.max(line.size);
        let step = (last.y - line.y) / size.max(1.0);
        // Headings are set tighter than text, so the usual leading is no lower bound.
        if step > (style.leading * 1.22).max(1.3) || step < 0.0 {
            return false;
        }
        if (last.size - line.size).abs() > 0.12 * size || starts_item(&line.text) {
            return false;
        }
        let width = (right - left).max(1.0);
        let short = last.right < right - 0.12 * width;
        if self.bold != line.bold && (self.bold || line.bold) && (short || self.rows == 1) {
            return false;
        }
        let ends =
            last.text.trim_end_matches(['"', '”', '’', ')', '»']).ends_with(['.', '!', '?', ':', '。']);
        let starts = line.text.chars().next().is_some_and(|c| !c.is_lowercase());
        let indented = line.left > self.last.left + 0.8 * line.size;
        if self.item {
            // Text of an item hangs below its first word.
            return line.left > self.first.left + 0.3 * line.size || (!ends && !short);
        }
        if ends && starts && (indented || last.right < right - 0.25 * width) {
            return false;
        }
        // A line that ends early before one that starts anew, without a stop between: an address,
        // a form, a list without bullets. Only running text wraps near the right edge.
        !(starts && last.right < right - 0.45 * width && self.rows == 1)
    }

    fn add(&mut self, line: Line, words: &Words) {
        words.append(&mut self.text, &line.text);
        self.bold = self.bold && line.bold;
        self.rows += 1;
        self.last = line;
    }

    fn draft(self, page: u32) -> Draft {
        let mut text = self.text;
        if text.ends_with('\u{ad}') {
            text.pop();
            text.push('-');
        }
        let kind = if self.item { PassageKind::List } else { PassageKind::Paragraph };
        Draft {
            kind,
            text: clean::line(&text),
            level: 0,
            size: self.first.size,
            bold: self.bold,
            rows: self.rows,
            page,
            cells: Vec::new(),
        }
    }
}

/// Puts list items that follow one another on a page into one block.
fn merge_lists(blocks: &mut Vec<Draft>, from: usize, page: u32) {
    for block in blocks.split_off(from.min(blocks.len())) {
        match blocks.last_mut() {
            Some(last)
                if last.kind == PassageKind::List
                    && block.kind == PassageKind::List
                    && last.page == block.page
                    && block.page == page =>
            {
                last.text.push('\n');
                last.text.push_str(&block.text);
                last.rows += block.rows;
                last.bold = false;
            }
            _ => blocks.push(block),
        }
    }
}
