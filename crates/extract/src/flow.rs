//! From a stream of markup events to blocks: what HTML, Markdown and DOCX readers share.
//!
//! Knows nothing of any markup. Invariant: text given to it ends up in the document exactly once,
//! whatever the nesting of lists, tables and quotes.

use crate::clean;
use crate::document::{Builder, Part};
use quarry_types::PassageKind;

/// Cells longer than this on average make a table that arranges a page rather than data.
const LAYOUT_CELL_CHARS: usize = 400;

/// What the text since the last break was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Paragraph,
    Heading(u8),
    Code,
}

#[derive(Debug)]
enum Frame {
    Quote,
    List(List),
    Table(Table),
}

#[derive(Debug)]
struct List {
    /// Number of the next item, for numbered lists.
    next: Option<u64>,
    /// Marker of the current item until its first text is written.
    marker: String,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Vec<String>>,
    header_rows: usize,
    /// Holds another table: its cells flow as if it were not there.
    layout: bool,
}

/// Collects text and writes blocks to a [`Builder`].
#[derive(Debug)]
pub(crate) struct Flow<'b> {
    pub(crate) builder: &'b mut Builder,
    text: String,
    frames: Vec<Frame>,
    /// Lines of the outermost open list.
    list: String,
}

impl<'b> Flow<'b> {
    pub(crate) fn new(builder: &'b mut Builder) -> Self {
        Self { builder, text: String::new(), frames: Vec::new(), list: String::new() }
    }

    /// Adds raw text to the current unit; line feeds in it are line breaks.
    pub(crate) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Takes back the text of the current unit.
    pub(crate) fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Ends the current unit as a paragraph (or as whatever its surroundings make of it).
    pub(crate) fn end_paragraph(&mut self) {
        self.end(Unit::Paragraph);
    }

    /// Ends the current unit.
    pub(crate) fn end(&mut self, unit: Unit) {
        if self.text.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut self.text);
        let text = if unit == Unit::Code { clean::verbatim(&raw) } else { clean::paragraph(&raw) };
        if text.trim().is_empty() {
            return;
        }
        let table = self.frames.iter().rposition(|f| matches!(f, Frame::Table(t) if !t.layout));
        if let Some(at) = table {
            // Lists inside a cell are part of its line.
            let inner = self.frames.iter_mut().skip(at).rev();
            let mut lists = inner.filter_map(|f| if let Frame::List(list) = f { Some(list) } else { None });
            let marker = lists.next().map(|list| std::mem::take(&mut list.marker)).unwrap_or_default();
            if let Some(Frame::Table(table)) = self.frames.get_mut(at) {
                table.add(&format!("{marker}{text}"));
            }
            return;
        }
        if self.frames.iter().any(|f| matches!(f, Frame::List(_))) {
            self.add_list_line(&text);
            return;
        }
        let quoted = self.frames.iter().any(|f| matches!(f, Frame::Quote));
        match unit {
            Unit::Paragraph if quoted => self.builder.push(Part::new(PassageKind::Blockquote, &text)),
            Unit::Paragraph => self.builder.push(Part::new(PassageKind::Paragraph, &text)),
            Unit::Code => self.builder.push(Part::new(PassageKind::Code, &text)),
            Unit::Heading(level) => self.builder.heading(level, &text.replace('\n', " "), None),
        }
    }

    pub(crate) fn begin_quote(&mut self) {
        self.end_paragraph();
        self.frames.push(Frame::Quote);
    }

    pub(crate) fn end_quote(&mut self) {
        self.close(|f| matches!(f, Frame::Quote));
    }

    /// Opens a list; `first` is the first number of a numbered one.
    pub(crate) fn begin_list(&mut self, first: Option<u64>) {
        self.end_paragraph();
        self.frames.push(Frame::List(List { next: first, marker: String::new() }));
    }

    pub(crate) fn end_list(&mut self) {
        self.close(|f| matches!(f, Frame::List(_)));
    }

    /// Starts an item of the innermost list; without a list it is a paragraph.
    pub(crate) fn begin_item(&mut self) {
        self.end_paragraph();
        if let Some(Frame::List(list)) = self.frames.last_mut() {
            list.marker = match &mut list.next {
                Some(number) => {
                    let marker = format!("{number}. ");
                    *number = number.saturating_add(1);
                    marker
                }
                None => "- ".to_owned(),
            };
        }
    }

    /// Starts an item with a marker of its own.
    pub(crate) fn begin_item_with(&mut self, marker: &str) {
        self.end_paragraph();
        if let Some(Frame::List(list)) = self.frames.last_mut() {
            list.marker = if marker.is_empty() { String::new() } else { format!("{marker} ") };
        }
    }

    pub(crate) fn begin_table(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(outer)) = self.frames.last_mut() {
            let outer = std::mem::replace(outer, Table { layout: true, ..Table::default() });
            for cell in outer.rows.into_iter().flatten() {
                self.text.push_str(&cell);
                self.end_paragraph();
            }
        }
        self.frames.push(Frame::Table(Table::default()));
    }

    pub(crate) fn begin_row(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.rows.push(Vec::new());
        }
    }

    /// Starts a cell that spans `span` columns.
    pub(crate) fn begin_cell(&mut self, header: bool, span: usize) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            if table.rows.is_empty() {
                table.rows.push(Vec::new());
            }
            let rows = table.rows.len();
            if header && table.header_rows + 1 == rows {
                table.header_rows = rows;
            }
            if let Some(row) = table.rows.last_mut() {
                row.push(String::new());
                // The cells of a span stay empty so that columns keep their places.
                row.extend((1..span.min(64)).map(|_| String::new()));
                table_cursor(row, span.min(64));
            }
        }
    }

    pub(crate) fn end_table(&mut self) {
        self.close(|f| matches!(f, Frame::Table(_)));
    }

    /// Ends everything still open.
    pub(crate) fn finish(mut self) {
        self.end_paragraph();
        while let Some(frame) = self.frames.pop() {
            self.write(frame);
        }
    }

    /// Closes the innermost frame of a kind with all it holds; none open means nothing to do.
    fn close(&mut self, kind: impl Fn(&Frame) -> bool) {
        self.end_paragraph();
        let Some(at) = self.frames.iter().rposition(kind) else {
            return;
        };
        while self.frames.len() > at {
            if let Some(frame) = self.frames.pop() {
                self.write(frame);
            }
        }
    }

    fn write(&mut self, frame: Frame) {
        match frame {
            Frame::Table(table) if !table.layout => self.write_table(table),
            Frame::List(_) if !self.frames.iter().any(|f| matches!(f, Frame::List(_))) => {
                let list = std::mem::take(&mut self.list);
                self.builder.push(Part::new(PassageKind::List, &list));
            }
            _ => {}
        }
    }

    fn add_list_line(&mut self, text: &str) {
        let depth = self.frames.iter().filter(|f| matches!(f, Frame::List(_))).count();
        let indent = "  ".repeat(depth.saturating_sub(1).min(8));
        let marker = match self.frames.iter_mut().rev().find(|f| matches!(f, Frame::List(_))) {
            Some(Frame::List(list)) => std::mem::take(&mut list.marker),
            _ => String::new(),
        };
        let hang = " ".repeat(if marker.is_empty() { 2 } else { marker.len() });
        for (number, line) in text.lines().enumerate() {
            if !self.list.is_empty() {
                self.list.push('\n');
            }
            self.list.push_str(&indent);
            self.list.push_str(if number == 0 && !marker.is_empty() { &marker } else { &hang });
            self.list.push_str(line);
        }
    }

    fn write_table(&mut self, table: Table) {
        let rows: Vec<Vec<String>> = table
            .rows
            .into_iter()
            .map(|row| {
                row.into_iter().map(|cell| cell.trim_end_matches('\u{1}').to_owned()).collect::<Vec<_>>()
            })
            .collect();
        let header_rows = table.header_rows;
        let filled: Vec<&String> = rows.iter().flatten().filter(|c| !c.is_empty()).collect();
        let columns = rows.iter().map(|r| r.iter().filter(|c| !c.is_empty()).count()).max().unwrap_or(0);
        let chars: usize = filled.iter().map(|c| c.chars().count()).sum();
        let layout = columns < 2 || chars > filled.len() * LAYOUT_CELL_CHARS;
        let inside = self.frames.iter().any(|f| match f {
            Frame::Quote => false,
            Frame::List(_) => true,
            Frame::Table(table) => !table.layout,
        });
        if layout || inside {
            for row in &rows {
                if layout {
                    for cell in row {
                        self.text.push_str(cell);
                        self.end_paragraph();
                    }
                } else {
                    self.text.push_str(&join_row(row));
                    self.end_paragraph();
                }
            }
            return;
        }
        push_table(self.builder, &rows, Some(header_rows.max(1)), None);
    }
}

/// Marks the cell that takes the text when its span left empty cells behind it.
fn table_cursor(row: &mut [String], span: usize) {
    // A cell of a span is told from the others by a control character, which clean text never has.
    let length = row.len();
    for cell in row.iter_mut().skip(length.saturating_sub(span.max(1) - 1)) {
        cell.push('\u{1}');
    }
}

impl Table {
    fn add(&mut self, text: &str) {
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        if let Some(row) = self.rows.last_mut() {
            if row.is_empty() {
                row.push(String::new());
            }
            let cell = row.iter_mut().rev().find(|c| !c.starts_with('\u{1}'));
            if let Some(cell) = cell {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text.replace('\n', " "));
            }
        }
    }
}

/// One line of a table: its cells with bars between, empty ones at the end left out.
pub(crate) fn join_row(row: &[String]) -> String {
    let used = row.iter().rposition(|c| !c.is_empty()).map_or(0, |at| at + 1);
    let cells: Vec<&str> = row.iter().take(used).map(|c| c.as_str()).collect();
    cells.join(" | ").trim().to_owned()
}

/// Writes a table block: one row a line; the first `header_rows` rows are its header.
pub(crate) fn push_table(
    builder: &mut Builder,
    rows: &[Vec<String>],
    header_rows: Option<usize>,
    page: Option<u32>,
) {
    let lines: Vec<String> = rows.iter().map(|r| join_row(r)).collect();
    let mut text = String::new();
    let mut header_chars = 0;
    let mut written = 0;
    for (number, line) in lines.iter().enumerate().filter(|(_, l)| !l.is_empty()) {
        if written > 0 {
            text.push('\n');
        }
        text.push_str(line);
        written += 1;
        if header_rows.is_some_and(|rows| number < rows) {
            header_chars = text.chars().count();
        }
    }
    if written < 2 {
        header_chars = 0;
    }
    builder.push(Part { kind: PassageKind::Table, level: 0, text: &text, page, header_chars });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn run(steps: impl FnOnce(&mut Flow<'_>)) -> Vec<(PassageKind, String)> {
        let mut builder = Builder::new(&Limits::default());
        let mut flow = Flow::new(&mut builder);
        steps(&mut flow);
        flow.finish();
        let document = builder.finish();
        document
            .blocks
            .iter()
            .zip(document.block_texts())
            .map(|(b, text)| (b.kind, text.to_owned()))
            .collect()
    }

    #[test]
    fn nested_lists_become_one_indented_block() {
        let blocks = run(|flow| {
            flow.begin_list(Some(3));
            flow.begin_item();
            flow.text("three");
            flow.begin_list(None);
            flow.begin_item();
            flow.text("inner\nsecond line");
            flow.end_list();
            flow.begin_item();
            flow.text("four");
            flow.end_list();
            flow.text("after");
        });
        let list = "3. three\n  - inner\n    second line\n4. four".to_owned();
        assert_eq!(blocks, [(PassageKind::List, list), (PassageKind::Paragraph, "after".into())]);
    }

    #[test]
    fn tables_keep_columns_and_layout_tables_flow() {
        let row = |flow: &mut Flow<'_>, cells: &[(&str, usize)]| {
            flow.begin_row();
            for (text, span) in cells {
                flow.begin_cell(false, *span);
                flow.text(text);
            }
        };
        let blocks = run(|flow| {
            flow.begin_table();
            row(flow, &[("Model", 1), ("Size", 2)]);
            row(flow, &[("A", 1), ("1", 1), ("2", 1)]);
            row(flow, &[("", 1), ("wide", 2)]);
            flow.end_table();
            flow.begin_table();
            row(flow, &[("left", 1), ("right", 1)]);
            flow.begin_table();
            row(flow, &[("x", 1), ("y", 1)]);
            flow.end_table();
            flow.end_table();
        });
        assert_eq!(blocks.first(), Some(&(PassageKind::Table, "Model | Size\nA | 1 | 2\n| wide".into())));
        let list_in_cell = run(|flow| {
            flow.begin_table();
            row(flow, &[("a", 1), ("b", 1)]);
            row(flow, &[("c", 1), ("", 1)]);
            flow.begin_list(None);
            flow.begin_item();
            flow.text("one");
            flow.begin_item();
            flow.text("two");
            flow.end_list();
            flow.end_table();
        });
        assert_eq!(list_in_cell, [(PassageKind::Table, "a | b\nc | - one - two".into())]);
        let rest: Vec<&str> = blocks.iter().skip(1).map(|b| b.1.as_str()).collect();
        assert_eq!(rest, ["left", "right", "x | y"]);
    }
}
