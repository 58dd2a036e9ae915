//! The cells of one sheet, wherever they stand, and the tables they form.
//!
//! Memory grows with the cells and their text, never with the rectangle around them.

mod sides;

use crate::document::{Builder, Part};
use crate::flow::push_table;
use crate::limits::Limits;
use quarry_types::PassageKind;
use std::ops::{Range, RangeInclusive};

/// Rows of one table block; the passages are cut within it, this bounds what is built at once.
const BLOCK_ROWS: usize = 2_000;
/// Places of one table block, rows times columns.
const BLOCK_PLACES: usize = 1_000_000;

/// Most cells of one sheet: a table of this many still fits into the memory of the child.
const MAX_CELLS: usize = 4_000_000;

/// Most rows above a table that are its title and notes, and most characters of a title.
const TITLE_ROWS: usize = 4;

/// A filled cell; its text is a piece of the grid's.
#[derive(Debug, Clone, Copy)]
struct Place {
    row: u32,
    column: u32,
    start: u32,
    length: u32,
    /// It holds words, not a number, a date or a truth value.
    words: bool,
}

impl Place {
    fn text<'t>(&self, text: &'t str) -> &'t str {
        let start = self.start as usize;
        text.get(start..start.saturating_add(self.length as usize)).unwrap_or_default()
    }
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
        self.push(row, column, &text, true)
    }

    /// Adds a cell with a number, a date or a truth value. Whether more would fit.
    pub(super) fn push_value(&mut self, row: u32, column: u32, text: &str) -> bool {
        self.push(row, column, text, false)
    }

    /// Adds a cell with words or a value; empty ones say nothing. Whether more would fit.
    pub(super) fn push(&mut self, row: u32, column: u32, text: &str, words: bool) -> bool {
        let (start, length) = (u32::try_from(self.text.len()), u32::try_from(text.len()));
        let (Ok(start), Ok(length)) = (start, length) else { return false };
        if length > 0 {
            self.text.push_str(text);
            if self.places.len() >= MAX_CELLS {
                self.room = 0;
                return false;
            }
            self.places.push(Place { row, column, start, length, words });
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
        for region in self.places.chunk_by(|one, other| other.row.saturating_sub(one.row) <= 1) {
            for columns in sides::part(region, &self.text) {
                write_tables(Rows { places: region, columns }, &self.text, builder);
                if builder.is_full() {
                    return;
                }
            }
        }
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

/// The rows of some places, as far as they have cells in some columns.
#[derive(Debug, Clone)]
struct Rows<'a> {
    places: &'a [Place],
    columns: RangeInclusive<u32>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a [Place];

    fn next(&mut self) -> Option<&'a [Place]> {
        loop {
            let number = self.places.first()?.row;
            let length = self.places.iter().take_while(|place| place.row == number).count();
            let (row, rest) = self.places.split_at_checked(length)?;
            self.places = rest;
            let from = row.partition_point(|place| place.column < *self.columns.start());
            let to = row.partition_point(|place| place.column <= *self.columns.end());
            if let Some(cells) = row.get(from..to).filter(|cells| !cells.is_empty()) {
                return Some(cells);
            }
        }
    }
}

/// Whether the second row is right below the first.
fn follows(above: &[Place], below: &[Place]) -> bool {
    let number = |row: &[Place]| row.first().map(|place| place.row);
    number(above).and_then(|number| number.checked_add(1)).is_some_and(|next| number(below) == Some(next))
}

/// Whether a row is a title or a note above the table that `below` begins with: a single cell with words, under it
/// perhaps others of the kind, then a header, which is a row of more cells, all of them words, and starts no further left,
/// and a row with a value. Where another single cell stands in the title's column below, they head the rows of one
/// table. A column of single cells stays a table, as does one whose first row lacks a text in its corner.
fn is_title(row: &[Place], mut below: Rows<'_>) -> bool {
    let [title] = row else { return false };
    let mut above = row;
    let mut header: Option<&[Place]> = None;
    for row in below.by_ref().take(TITLE_ROWS) {
        let Some(first) = row.first().filter(|_| follows(above, row)) else { return false };
        above = row;
        if row.len() > 1 {
            header = Some(row).filter(|_| first.column >= title.column);
            break;
        } else if first.column != title.column {
            return false;
        }
    }
    let heads = header.is_some_and(|header| header.iter().all(|place| place.words));
    if !title.words || !heads {
        return false;
    }
    let mut values = false;
    for (number, row) in below.enumerate() {
        if !follows(above, row) {
            break;
        }
        above = row;
        values |= row.len() > 1 && row.iter().any(|place| !place.words);
        let alone = matches!(row, [place] if place.column == title.column);
        if alone || (number == 0 && !values) {
            return false;
        }
    }
    values
}

/// Writes the tables of some rows; an empty row ends one.
fn write_tables(mut rows: Rows<'_>, text: &str, builder: &mut Builder) {
    let mut block = Block::default();
    let mut header: Option<&[Place]> = None;
    while let Some(row) = rows.next() {
        if !block.rows.last().is_some_and(|last| follows(last, row)) {
            block.write(text, builder);
            header = None;
            if is_title(row, rows.clone()) {
                row.iter()
                    .for_each(|place| builder.push(Part::new(PassageKind::Paragraph, place.text(text))));
                continue;
            }
        } else if !block.has_room(row) {
            block.write(text, builder);
            // A long table goes on under its header.
            header.into_iter().for_each(|header| block.add(header));
        }
        header = header.or(Some(row));
        block.add(row);
        if builder.is_full() {
            return;
        }
    }
    block.write(text, builder);
}

/// Rows without an empty one between.
#[derive(Debug, Default)]
struct Block<'a> {
    rows: Vec<&'a [Place]>,
    /// The columns with text, in order; the others are left out.
    columns: Vec<u32>,
}

impl<'a> Block<'a> {
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
        let at = columns.binary_search(&place.column).ok();
        if let Some(cell) = at.and_then(|at| line.get_mut(at)) {
            place.text(text).clone_into(cell);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    fn document(cells: &[(u32, u32, &str)], limits: &Limits) -> Document {
        let mut builder = Builder::new(limits);
        let mut grid = Grid::new(limits);
        for (row, column, text) in cells {
            if !grid.push(*row, *column, text, text.parse::<f64>().is_err()) {
                break;
            }
        }
        grid.write(None, &mut builder);
        builder.finish()
    }

    fn tables(cells: &[(u32, u32, &str)], limits: &Limits) -> Vec<String> {
        document(cells, limits).block_texts().map(str::to_owned).collect()
    }

    /// The blocks of a sheet of these lines, cells parted by commas: their first letter tells their kind.
    fn blocks(lines: &[&'static str]) -> Vec<String> {
        let cells = |(row, line): (u32, &&'static str)| -> Vec<(u32, u32, &str)> {
            (0..).zip(line.split(',')).map(|(column, text)| (row, column, text)).collect()
        };
        let cells: Vec<(u32, u32, &str)> = (0..).zip(lines).flat_map(cells).collect();
        let document = document(&cells, &Limits::default());
        let kind = |kind: PassageKind| match kind {
            PassageKind::Subtitle => "s",
            PassageKind::Table => "t",
            _ => "p",
        };
        let texts = document.blocks.iter().zip(document.block_texts());
        texts.map(|(block, text)| format!("{} {text}", kind(block.kind))).collect()
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

    #[test]
    fn a_title_stands_above_its_table() {
        assert_eq!(blocks(&["Prices", "Item,EUR", "Hose,5"]), ["p Prices", "t Item | EUR\nHose | 5"]);
        let noted = blocks(&["Prices", "without tax", "Item,EUR", "Hose,5", "", "Note", "A,B", "1,2"]);
        let table = "t Item | EUR\nHose | 5";
        assert_eq!(noted, ["p Prices", "p without tax", table, "p Note", "t A | B\n1 | 2"]);
    }

    #[test]
    fn a_single_cell_may_belong_to_the_table() {
        let one = |lines: &[&'static str]| {
            let table = lines.iter().map(|line| line.replace(',', " | ")).collect::<Vec<_>>().join("\n");
            assert_eq!(blocks(lines), [format!("t {table}")]);
        };
        one(&["Name", "Ann", "Tom", "Eve"]);
        one(&["Name", "Ann", "Tom,ill", "Eve"]);
        one(&["Prices", "Item,EUR"]);
        one(&["1", "2,3", "4,5"]);
        one(&["Name", "Ann", "Tom", "Eve", "Kim", "Jo,ill", "Al,ill"]);
        one(&["Date:", "To,Ann", "By,Tom"]);
        one(&["Q1", "Sold,5,6", "Left,7,8", "Q2", "Sold,1,2"]);
        one(&["Pumps", "Part,EUR", "Seal,5", "Hoses", "Clamp,2"]);
        assert_eq!(blocks(&[",EUR", "Hose,5", "Pump,9"]), ["t | EUR\nHose | 5\nPump | 9"]);
    }

    #[test]
    fn tables_side_by_side_are_two() {
        let sheet =
            ["Code,Meaning,,Load,Cups", "E10,Hose,,1 kg,2", "E11,Pump,,2 kg,4", ",,,3 kg,6", ",,,4 kg,7"];
        let codes = "t Code | Meaning\nE10 | Hose\nE11 | Pump";
        let loads = "t Load | Cups\n1 kg | 2\n2 kg | 4\n3 kg | 6\n4 kg | 7";
        assert_eq!(blocks(&sheet), [codes, loads]);
    }

    #[test]
    fn a_table_with_an_empty_column_is_one() {
        let one = |lines: &[&'static str]| assert_eq!(blocks(lines).len(), 1, "{lines:?}");
        one(&["Service,For,,Price per,Since", "Wash,full,,5 EUR,May", "Iron,shirt,,2 EUR,June"]);
        // Years beside years, one column, a side without a head of its own, names that come twice, one row.
        one(&["Item,Sold,,Share,Gain", "Hose,5,,7,8", "Pump,6,,9,3"]);
        one(&["Item,Sold,,Grade", "Hose,5,,good", "Pump,6,,fair"]);
        one(&["Item,Sold,,Grade,", "Hose,5,,good,a", "Pump,6,,fair,b"]);
        one(&["Item,Sold,,Grade,By", "Hose,5,,good,a", "Pump,6,,good,b"]);
        one(&["Item,Sold,,Grade,By", "Hose,5,,good,a"]);
        one(&["Sold,Left,,Item,By", "5,6,,Hose,a", "6,7,,Pump,b"]);
        // A side that is none goes with the others; below both there is one table over all columns.
        one(&["A,B,,C,D,,?", "a,1,,c,3,,", "b,2,,d,4,,"]);
        one(&["A,B,,C,D", "a,1,,c,3", "b,2,,d,4", "a total,9", "E,F,,G,H", "e,1,,g,3"]);
    }

    #[test]
    fn long_tables_side_by_side_go_on_under_their_headers() {
        let mut cells = vec![(0, 0, "Code"), (0, 1, "Meaning"), (0, 3, "Load"), (0, 4, "Cups")];
        let names: Vec<String> = (0..2_500).map(|number| format!("E{number}")).collect();
        for (row, name) in (1..).zip(&names) {
            cells.extend([(row, 0, name.as_str()), (row, 1, "x")]);
        }
        cells.extend([(1, 3, "one"), (1, 4, "2"), (2, 3, "two"), (2, 4, "4")]);
        let tables = tables(&cells, &Limits::default());
        assert_eq!(tables.len(), 3);
        assert!(tables.iter().take(2).all(|table| table.starts_with("Code | Meaning\nE")));
        assert_eq!(tables.last().map(String::as_str), Some("Load | Cups\none | 2\ntwo | 4"));
    }

    #[test]
    fn many_columns_and_rows_take_no_time() {
        // Empty columns between all, and single cells one below the other.
        let mut cells: Vec<(u32, u32, &str)> = (0..200_000).map(|at| (0, at * 2, "x")).collect();
        cells.extend((1..200_000).map(|row| (row, 0, "y")));
        assert!(!tables(&cells, &Limits::default()).is_empty());
        let sides = (0..100_000_u32).flat_map(|row| [(row, 0, "a"), (row, 30, "b")]);
        assert!(!tables(&sides.collect::<Vec<_>>(), &Limits::default()).is_empty());
    }
}
