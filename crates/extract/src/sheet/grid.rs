//! The cells of one sheet, wherever they stand, and the tables they form.
//!
//! Memory grows with the cells and their text, never with the rectangle around them.

use crate::document::Builder;
use crate::flow::push_table;
use crate::limits::Limits;
use std::ops::Range;

/// Rows of one table block; the passages are cut within it, this bounds what is built at once.
const BLOCK_ROWS: usize = 2_000;
/// Places of one table block, rows times columns.
const BLOCK_PLACES: usize = 1_000_000;

/// Most cells of one sheet: a table of this many still fits into the memory of the child.
const MAX_CELLS: usize = 4_000_000;

/// A filled cell; its text is a piece of the grid's.
#[derive(Debug, Clone, Copy)]
struct Place {
    row: u32,
    column: u32,
    start: u32,
    length: u32,
}

/// The filled cells of a sheet.
#[derive(Debug)]
pub(super) struct Grid {
    text: String,
    places: Vec<Place>,
    /// Characters that still fit into the document.
    room: usize,
    /// Cells were left out.
    cut: bool,
}

impl Grid {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { text: String::new(), places: Vec::new(), room: limits.max_text_chars, cut: false }
    }

    /// Adds a cell after cleaning its text. What is cleaned away counts as well: many cells may share one long text of
    /// blanks. Whether more would fit.
    pub(super) fn push_raw(&mut self, row: u32, column: u32, raw: &str) -> bool {
        let text = crate::clean::line(raw);
        self.room = self.room.saturating_sub(raw.len().saturating_sub(text.len()));
        self.push(row, column, &text)
    }

    /// Adds a cell; empty ones say nothing. Whether more would fit.
    pub(super) fn push(&mut self, row: u32, column: u32, text: &str) -> bool {
        let (start, length) = (u32::try_from(self.text.len()), u32::try_from(text.len()));
        let (Ok(start), Ok(length)) = (start, length) else { return false };
        if length > 0 {
            self.text.push_str(text);
            if self.places.len() >= MAX_CELLS {
                self.room = 0;
                return false;
            }
            self.places.push(Place { row, column, start, length });
            // What parts it from the next takes at least one.
            self.room = self.room.saturating_sub(text.chars().count() + 1);
        }
        self.room > 0
    }

    /// Tells in the document that some cells were left out.
    pub(super) fn note_cut(&mut self) {
        self.cut = true;
    }

    /// How many cells it holds.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds the cells of these numbers once more, in another row. Whether more would fit.
    pub(super) fn repeat(&mut self, cells: Range<usize>, row: u32) -> bool {
        for at in cells {
            let Some(place) = self.places.get(at).copied() else { break };
            if self.places.len() >= MAX_CELLS {
                self.room = 0;
                return false;
            }
            self.places.push(Place { row, ..place });
            self.room = self.room.saturating_sub(place.length as usize + 1);
            if self.room == 0 {
                return false;
            }
        }
        true
    }

    /// Writes the tables, under the sheet's name when it has to be told from others.
    pub(super) fn write(mut self, name: Option<&String>, builder: &mut Builder) {
        self.order();
        if self.cut {
            let sheet = name.map_or_else(|| "a sheet".to_owned(), |name| format!("the sheet {name:?}"));
            builder.warn(format!("{sheet} holds more than fits; the rest of it was left out"));
        }
        if let Some(name) = name.filter(|_| !self.places.is_empty()) {
            builder.heading(2, &crate::clean::line(name), None);
        }
        let mut block = Block::default();
        let mut header: Option<&[Place]> = None;
        for row in self.places.chunk_by(|one, other| one.row == other.row) {
            let follows =
                block.last_row().is_some_and(|last| last.checked_add(1) == row.first().map(|at| at.row));
            if !follows {
                block.write(&self.text, builder);
                header = None;
            } else if !block.has_room(row) {
                block.write(&self.text, builder);
                // A long table goes on under its header.
                header.into_iter().for_each(|header| block.add(header));
            }
            header = header.or(Some(row));
            block.add(row);
            if builder.is_full() {
                return;
            }
        }
        block.write(&self.text, builder);
    }

    /// Sorts the cells by row and column; of two in one place the later counts.
    fn order(&mut self) {
        let by = |place: &Place| (place.row, place.column, place.start);
        if !self.places.is_sorted_by_key(by) {
            self.places.sort_unstable_by_key(by);
        }
        self.places.dedup_by(|later, earlier| {
            let same = (later.row, later.column) == (earlier.row, earlier.column);
            if same {
                *earlier = *later;
            }
            same
        });
    }
}

/// Rows without an empty one between.
#[derive(Debug, Default)]
struct Block<'a> {
    rows: Vec<&'a [Place]>,
    /// The columns with text, in order; the others are left out.
    columns: Vec<u32>,
}

impl<'a> Block<'a> {
    fn last_row(&self) -> Option<u32> {
        self.rows.last().and_then(|row| row.first()).map(|place| place.row)
    }

    fn has_room(&self, row: &[Place]) -> bool {
        let new = row.iter().filter(|place| self.columns.binary_search(&place.column).is_err()).count();
        let places = (self.rows.len() + 1).saturating_mul(self.columns.len() + new);
        self.rows.len() < BLOCK_ROWS && (places <= BLOCK_PLACES || self.rows.len() < 2)
    }

    fn add(&mut self, row: &'a [Place]) {
        let new =
            row.iter().map(|place| place.column).filter(|column| self.columns.binary_search(column).is_err());
        let new: Vec<u32> = new.collect();
        if !new.is_empty() {
            self.columns.extend(new);
            self.columns.sort_unstable();
        }
        self.rows.push(row);
    }

    /// Writes the rows as one table and forgets them.
    fn write(&mut self, text: &str, builder: &mut Builder) {
        let rows: Vec<Vec<String>> = self.rows.drain(..).map(|row| line(row, &self.columns, text)).collect();
        self.columns.clear();
        if !rows.is_empty() {
            push_table(builder, &rows, Some(1), None);
        }
    }
}

/// The cells of a row in all columns of its table.
fn line(row: &[Place], columns: &[u32], text: &str) -> Vec<String> {
    let mut line = vec![String::new(); columns.len()];
    for place in row {
        let (start, end) = (place.start as usize, place.start as usize + place.length as usize);
        let at = columns.binary_search(&place.column).ok();
        if let (Some(cell), Some(text)) = (at.and_then(|at| line.get_mut(at)), text.get(start..end)) {
            text.clone_into(cell);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(cells: &[(u32, u32, &str)], limits: &Limits) -> Vec<String> {
        let mut builder = Builder::new(limits);
        let mut grid = Grid::new(limits);
        for (row, column, text) in cells {
            if !grid.push(*row, *column, text) {
                break;
            }
        }
        grid.write(None, &mut builder);
        builder.finish().block_texts().map(str::to_owned).collect()
    }

    #[test]
    fn cells_far_apart_are_tables_of_their_own() {
        let far = [(0, 0, "a"), (0, 16_383, "b"), (u32::MAX, u32::MAX, "z"), (1, 16_383, "c")];
        assert_eq!(tables(&far, &Limits::default()), ["a | b\n| c", "z"]);
    }

    #[test]
    fn order_and_doubles_do_not_matter() {
        let cells = [(1, 1, "d"), (0, 1, "b"), (1, 0, "old"), (0, 0, "a"), (1, 0, "c"), (1, 0, "")];
        assert_eq!(tables(&cells, &Limits::default()), ["a | b\nc | d"]);
    }

    #[test]
    fn a_long_table_goes_on_under_its_header() {
        let cells: Vec<(u32, u32, &str)> =
            (0..2_500).map(|row| (row, 0, if row == 0 { "head" } else { "x" })).collect();
        let tables = tables(&cells, &Limits::default());
        assert_eq!(tables.len(), 2);
        assert!(tables.iter().all(|table| table.starts_with("head\nx")));
        assert_eq!(tables.iter().map(|table| table.matches('x').count()).sum::<usize>(), 2_499);
    }

    #[test]
    fn a_diagonal_is_cut_into_small_blocks_and_a_full_grid_stops() {
        let diagonal: Vec<(u32, u32, &str)> = (0..3_000).map(|at| (at, at, "x")).collect();
        let found = tables(&diagonal, &Limits::default());
        assert!(found.len() > 2, "{}", found.len());
        let limits = Limits { max_text_chars: 10, ..Limits::default() };
        let cut = tables(&diagonal, &limits);
        assert_eq!(cut.len(), 1);
        assert!(cut.iter().all(|table| table.len() <= 10));
    }
}
