//! Rows and columns: cells keep their columns whatever spans stand beside and above them.

use crate::document::{Builder, Part};
use quarry_types::PassageKind;

/// A cell takes at most this many columns, and more columns than these are not set by the edges of their cells.
const MAX_COLUMNS: usize = 64;

/// Empty cells that hold the places of spans: one table has no more, whatever its markup asks for.
const MAX_PLACEHOLDERS: usize = 1 << 20;

/// Cells end at the same edge when they end this near to each other (twentieths of a point).
const SAME_EDGE: i32 = 120;

/// A table that is being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    /// Text belongs to the caption.
    pub(super) in_caption: bool,
    pub(super) rows: Vec<Vec<String>>,
    /// Place in the last row of the cell that takes the text; the rest of its span is empty.
    cell: usize,
    /// Of each column, the number of rows down to the end of the last cell that spans rows there.
    covered: Vec<usize>,
    placeholders: usize,
    /// Where the cells of a row end, for rows that tell it.
    edges: Vec<Vec<i32>>,
    header_rows: usize,
    /// Holds another table: its cells flow as if it were not there.
    pub(super) layout: bool,
}

impl Table {
    /// Lets its cells flow; answers the texts it holds.
    pub(super) fn release(&mut self) -> impl Iterator<Item = String> + use<> {
        let held = std::mem::replace(self, Self { layout: true, ..Self::default() });
        std::iter::once(held.caption).chain(held.rows.into_iter().flatten())
    }

    pub(super) fn begin_row_group(&mut self) {
        self.covered.clear();
    }

    pub(super) fn begin_row(&mut self) {
        self.in_caption = false;
        self.rows.push(Vec::new());
    }

    pub(super) fn row_edges(&mut self, edges: Vec<i32>) {
        self.edges.resize(self.rows.len().saturating_sub(1), Vec::new());
        self.edges.push(edges);
    }

    pub(super) fn begin_cell(&mut self, header: bool, columns: usize, rows: usize) {
        if self.rows.is_empty() {
            self.begin_row();
        }
        self.in_caption = false;
        let number = self.rows.len();
        // The last cell tells: rows may be named by their first ones.
        if self.header_rows + 1 >= number {
            self.header_rows = number - usize::from(!header);
        }
        let Some(row) = self.rows.last_mut() else { return };
        let mut room = MAX_PLACEHOLDERS.saturating_sub(self.placeholders);
        while room > 0 && self.covered.get(row.len()).is_some_and(|covered| *covered >= number) {
            row.push(String::new());
            room -= 1;
        }
        self.cell = row.len();
        row.push(String::new());
        let rest = columns.clamp(1, MAX_COLUMNS).saturating_sub(1).min(room);
        row.resize(row.len() + rest, String::new());
        self.placeholders = MAX_PLACEHOLDERS.saturating_sub(room - rest);
        if rows > 1 {
            self.covered.resize(self.covered.len().max(row.len()), 0);
            for covered in self.covered.iter_mut().take(row.len()).skip(self.cell) {
                *covered = number.saturating_add(rows - 1);
            }
        }
    }

    /// How many of the first rows name the columns: a row of one cell below them heads the rows that follow it.
    pub(super) fn header(&self) -> usize {
        let heads = |row: &Vec<String>| row.iter().filter(|cell| !cell.is_empty()).count() > 1;
        let rows = self.rows.get(..self.header_rows).unwrap_or_default();
        rows.iter().rposition(heads).map_or(self.header_rows.min(1), |last| last + 1)
    }

    pub(super) fn add(&mut self, text: &str) {
        let place = if self.in_caption {
            Some(&mut self.caption)
        } else {
            if self.rows.last().is_none_or(Vec::is_empty) {
                self.begin_cell(false, 1, 1);
            }
            self.rows.last_mut().and_then(|row| row.get_mut(self.cell))
        };
        if let Some(place) = place {
            if !place.is_empty() {
                place.push(' ');
            }
            place.push_str(&text.replace('\n', " "));
        }
    }

    /// Brings cells that end at the same edge into the same column. A row with more cells than edges stays as it is.
    pub(super) fn set_by_edges(&mut self) {
        let told = self.edges.iter().filter(|edges| edges.is_sorted());
        let mut columns: Vec<i32> = told.flatten().copied().collect();
        columns.sort_unstable();
        columns.dedup_by(|edge, first| edge.saturating_sub(*first) <= SAME_EDGE);
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return;
        }
        let mut room = MAX_PLACEHOLDERS;
        let mut edges: &[i32] = &[];
        for (number, row) in self.rows.iter_mut().enumerate() {
            edges = self.edges.get(number).filter(|own| !own.is_empty()).map_or(edges, Vec::as_slice);
            row.truncate(row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1));
            let after = |edge: &i32| columns.partition_point(|first| first <= edge);
            let starts: Vec<usize> =
                std::iter::once(0).chain(edges.iter().map(after)).take(row.len()).collect();
            let added = starts.last().map_or(0, |last| (last + 1).saturating_sub(row.len()));
            if row.len() > edges.len() || added > room || !starts.is_sorted_by(|left, right| left < right) {
                continue;
            }
            room -= added;
            let mut set = Vec::new();
            for (cell, start) in std::mem::take(row).into_iter().zip(starts) {
                set.resize(start, String::new());
                set.push(cell);
            }
            *row = set;
        }
    }
}

/// One line of a table: its cells with bars between, empty ones at the end left out.
pub(super) fn join_row(row: &[String]) -> String {
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
