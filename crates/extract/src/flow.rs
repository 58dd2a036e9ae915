//! From a stream of markup events to blocks: what HTML, Markdown and DOCX readers share.
//!
//! Knows nothing of any markup. Invariant: text given to it ends up in the document exactly once,
//! whatever the nesting of lists, tables and quotes.

mod table;

pub(crate) use table::push_table;

use crate::clean;
use crate::document::{Builder, Part};
use quarry_types::PassageKind;
use table::{Table, join_row};

/// Cells longer than this on average make a table that arranges a page rather than data.
const LAYOUT_CELL_CHARS: usize = 400;

/// A table deeper than this in others, lists and quotes is no table of its own.
const MAX_DEPTH: usize = 512;

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
        self.release_table();
        if self.frames.len() < MAX_DEPTH {
            self.frames.push(Frame::Table(Table::default()));
        }
    }

    /// Lets the cells of the innermost table flow: what comes next in one of them tells that it arranges a page.
    pub(crate) fn release_table(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(outer)) = self.frames.last_mut() {
            for text in outer.release() {
                self.text.push_str(&text);
                self.end_paragraph();
            }
        }
    }

    /// Starts the caption of a table, which is written above it.
    pub(crate) fn begin_caption(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.in_caption = true;
        }
    }

    pub(crate) fn end_caption(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.in_caption = false;
        }
    }

    /// Starts a group of rows, which no span leaves.
    pub(crate) fn begin_row_group(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.begin_row_group();
        }
    }

    pub(crate) fn begin_row(&mut self) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.begin_row();
        }
    }

    /// Says where the cells of the current row end (twentieths of a point), left to right. A row that does not is as
    /// the one above.
    pub(crate) fn row_edges(&mut self, edges: Vec<i32>) {
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.row_edges(edges);
        }
    }

    /// Starts a cell that spans `columns` and `rows`.
    pub(crate) fn begin_cell(&mut self, header: bool, columns: usize, rows: usize) {
        self.end_paragraph();
        if let Some(Frame::Table(table)) = self.frames.last_mut() {
            table.begin_cell(header, columns, rows);
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

    fn write_table(&mut self, mut table: Table) {
        self.text.push_str(&table.caption);
        self.end_paragraph();
        table.set_by_edges();
        let header_rows = table.header();
        let rows = table.rows;
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
                flow.begin_cell(false, *span, 1);
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

    /// A table of rows of cells: text, columns and rows.
    fn table(flow: &mut Flow<'_>, rows: &[&[(&str, usize, usize)]]) {
        flow.begin_table();
        for row in rows {
            flow.begin_row();
            for (text, columns, rows) in *row {
                flow.begin_cell(false, *columns, *rows);
                flow.text(text);
            }
        }
        flow.end_table();
    }

    #[test]
    fn spans_over_rows_hold_the_places_below() {
        let rows: [&[_]; 5] = [
            &[("Type", 1, 2), ("Size", 2, 1), ("Weight", 1, 2)],
            &[("W", 1, 1), ("H", 1, 1)],
            &[("Washer", 1, usize::MAX), ("60", 1, 1), ("85", 1, 1), ("45 kg", 1, 1)],
            &[("as a cube", 2, 2), ("38 kg", 1, 1)],
            &[("9 kg", 1, 1)],
        ];
        let wanted = "Type | Size |  | Weight\n| W | H\nWasher | 60 | 85 | 45 kg\n| as a cube |  | 38 kg\n|  |  | 9 kg";
        assert_eq!(run(|flow| table(flow, &rows)), [(PassageKind::Table, wanted.into())]);
    }

    #[test]
    fn spans_without_end_cost_no_more_than_their_cells() {
        let wide = [("x", usize::MAX, usize::MAX); 1_000];
        let rows = vec![wide.as_slice(); 200];
        let blocks = run(|flow| table(flow, &rows));
        assert!(blocks.iter().map(|block| block.1.len()).sum::<usize>() < 5 << 20);
        let filled: usize = blocks.iter().map(|block| block.1.matches('x').count()).sum();
        assert_eq!(filled, 200_000);
    }

    #[test]
    fn captions_stand_above_their_tables() {
        let caption = |flow: &mut Flow<'_>| {
            flow.begin_caption();
            flow.text("As of\nspring");
            flow.end_caption();
        };
        let blocks = run(|flow| {
            flow.begin_table();
            caption(flow);
            for (one, other) in [("Model", "Weight"), ("A1", "45 kg")] {
                flow.begin_row();
                flow.begin_cell(false, 1, 1);
                flow.text(one);
                flow.begin_cell(false, 1, 1);
                flow.text(other);
            }
            flow.end_table();
        });
        let wanted =
            [(PassageKind::Paragraph, "As of spring"), (PassageKind::Table, "Model | Weight\nA1 | 45 kg")];
        assert_eq!(blocks, wanted.map(|(kind, text)| (kind, text.to_owned())));
        // Where another table tells that it arranges a page, and where there is no row.
        let blocks = run(|flow| {
            flow.begin_table();
            caption(flow);
            flow.begin_table();
            caption(flow);
        });
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn cells_that_end_at_an_edge_share_a_column() {
        let rows: [(&[&str], &[i32]); 6] = [
            (&["Model", "Size", "Weight"], &[1_000, 3_000, 4_000]),
            (&["A1", "60", "85", "45 kg"], &[1_010, 2_000, 3_005, 3_990]),
            (&["A2", "61", "86", "46 kg"], &[]),
            (&["all of it", "9 kg"], &[3_000, 4_000]),
            // Neither more cells than edges nor edges that go back tell a place.
            (&["a", "b", "c"], &[3_000, 4_000]),
            (&["d", "e", "f"], &[i32::MAX, i32::MIN, 3_000]),
        ];
        let set = |rows: &[(&[&str], &[i32])]| {
            let blocks = run(|flow| {
                flow.begin_table();
                for (cells, edges) in rows {
                    flow.begin_row();
                    for cell in *cells {
                        flow.begin_cell(false, 1, 1);
                        flow.text(cell);
                    }
                    flow.begin_cell(false, 1, 1);
                    flow.row_edges(edges.to_vec());
                }
            });
            blocks.into_iter().map(|block| block.1).collect::<String>()
        };
        let table =
            "Model | Size |  | Weight\nA1 | 60 | 85 | 45 kg\nA2 | 61 | 86 | 46 kg\nall of it |  |  | 9 kg";
        assert_eq!(set(&rows[..4]), table);
        assert_eq!(set(&rows), format!("{table}\na | b | c\nd | e | f"));
    }
}
