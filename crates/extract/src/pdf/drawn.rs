//! Tables told by the order in which a page draws: cell by cell, row by row.
//!
//! Programs that know of a table draw all lines of a cell before those of the next, and a row before the next row.
//! That tells a table whose cells are running text from columns of text, which are drawn one after the other, and the
//! lines of a cell from rows. Tables of single lines look the same either way and are left to [`super::tables`], as
//! are those drawn from right to left.

use super::blocks::is_bullet;
use super::lines::Line;
use super::tables::Columns;
use crate::hyphens::Words;

/// Fewest rows with cells side by side.
const MIN_ROWS: usize = 3;

/// Most lines of a cell on average; columns of text between headings have more.
const MAX_MEAN_LINES: usize = 8;

/// Most columns; more are no table, and the work grows with them.
const MAX_COLUMNS: usize = 64;

/// Largest step from line to line of a cell, in sizes.
const LINE_STEP: f32 = 1.45;

/// Largest gap between paragraphs of a cell, in sizes.
const PARAGRAPH_GAP: f32 = 1.5;

/// Largest gap between rows, in sizes.
const ROW_GAP: f32 = 4.0;

/// How far the sides of lines that are set alike may differ, in points.
const ALIGNED: f32 = 1.5;

/// Lines parted at the first table found among them.
pub(super) struct Parted {
    pub(super) above: Vec<Line>,
    /// Rows of cells of lines.
    pub(super) table: Table,
    pub(super) below: Vec<Line>,
}

/// A table's rows with a cell for each of its columns.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    rows: Vec<Vec<Vec<Line>>>,
}

impl Table {
    /// The text of each cell.
    pub(super) fn cells(&self, words: &Words) -> Vec<Vec<String>> {
        let cell = |lines: &Vec<Line>| {
            let mut text = String::new();
            for line in lines {
                if text.is_empty() {
                    text.push_str(&line.text);
                } else {
                    words.append(&mut text, &line.text);
                }
            }
            crate::clean::line(&text.replace('\u{ad}', ""))
        };
        self.rows.iter().map(|row| row.iter().map(cell).collect()).collect()
    }
}

/// The first table among `lines` with nothing beside it; gives the lines back when there is none.
pub(super) fn part(lines: Vec<Line>) -> Result<Parted, Vec<Line>> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|at| lines.get(*at).map_or(0, |line| line.rank));
    let drawn: Vec<&Line> = order.iter().filter_map(|at| lines.get(*at)).collect();
    let rows = rows(cells(&drawn));
    let mut rest = rows.as_slice();
    let found = loop {
        if rest.is_empty() {
            break None;
        }
        let (alike, after) = rest.split_at(alike(rest).clamp(1, rest.len()));
        match table(alike) {
            Some((columns, taken)) if is_alone(taken, &drawn) => break Some((columns, taken)),
            _ => rest = after,
        }
    };
    let Some((columns, taken)) = found else {
        return Err(lines);
    };
    let width = columns.len();
    let table = taken.iter().map(|row| {
        let mut cells = vec![Vec::new(); width];
        for cell in row {
            if let Some(place) = columns.place(cell.left, cell.right).and_then(|at| cells.get_mut(at)) {
                place.extend(cell.lines.iter().map(|line| (*line).clone()));
            }
        }
        cells
    });
    let table = Table { rows: table.collect() };
    let (top, bottom) = extent(taken);
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for line in &drawn {
        if line.y >= top {
            above.push((*line).clone());
        } else if line.y <= bottom {
            below.push((*line).clone());
        }
    }
    Ok(Parted { above, table, below })
}

/// Lines drawn one after the other below one another.
#[derive(Debug)]
struct Cell<'l> {
    lines: Vec<&'l Line>,
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
}

type Row<'l> = Vec<Cell<'l>>;

impl<'l> Cell<'l> {
    fn new(line: &'l Line) -> Self {
        let (top, bottom) = (line.top(), line.bottom());
        Self { lines: vec![line], left: line.left, right: line.right, top, bottom }
    }

    /// Whether a line goes on in this cell.
    fn goes_on(&self, line: &Line) -> bool {
        let Some(last) = self.lines.last() else {
            return true;
        };
        let size = last.size.max(line.size);
        let step = last.y - line.y;
        let middle = |line: &Line| (line.left + line.right) / 2.0;
        let alike = |a: f32, b: f32| (a - b).abs() < ALIGNED;
        step > 0.3 * size
            && step < LINE_STEP * size
            && is_set_alike(last, line)
            && (alike(last.left, line.left)
                || alike(last.right, line.right)
                || alike(middle(last), middle(line)))
    }

    fn take(&mut self, other: Self) {
        self.left = self.left.min(other.left);
        self.right = self.right.max(other.right);
        self.top = self.top.max(other.top);
        self.bottom = self.bottom.min(other.bottom);
        self.lines.extend(other.lines);
    }

    fn size(&self) -> f32 {
        self.lines.first().map_or(1.0, |line| line.size)
    }

    /// Whether two cells have heights in common.
    fn is_beside(&self, other: &Self) -> bool {
        self.top.min(other.top) - self.bottom.max(other.bottom) > 0.3 * self.size().min(other.size())
    }

    /// Whether it may be the next paragraph of another.
    fn is_below(&self, other: &Self) -> bool {
        let gap = other.bottom - self.top;
        let alike = other.lines.last().zip(self.lines.first()).is_some_and(|(a, b)| is_set_alike(a, b));
        alike
            && self.left > other.left - ALIGNED
            && self.left < other.right
            && gap > -0.5 * self.size()
            && gap < PARAGRAPH_GAP * self.size()
    }

    fn is_bold(&self) -> bool {
        self.lines.first().is_some_and(|line| line.bold)
    }

    /// Whether it is no more than the mark of an item or a note.
    fn is_mark(&self) -> bool {
        let [line] = self.lines.as_slice() else { return false };
        let (text, chars) = (line.text.as_str(), line.text.chars().count());
        let letter = chars <= 2 && text.chars().all(char::is_alphabetic);
        let counted = |c: char| c.is_ascii_alphanumeric() || ".()[]".contains(c);
        let number = chars <= 6 && text.contains(['.', ')', ']']) && text.chars().all(counted);
        letter || number || is_bullet(text)
    }
}

fn is_set_alike(a: &Line, b: &Line) -> bool {
    a.bold == b.bold && (a.size - b.size).abs() < 0.12 * a.size.max(b.size)
}

/// Puts lines, in the order drawn, together to cells.
fn cells<'l>(drawn: &[&'l Line]) -> Vec<Cell<'l>> {
    let mut cells: Vec<Cell<'l>> = Vec::new();
    for line in drawn {
        let cell = Cell::new(line);
        match cells.last_mut() {
            Some(last) if last.goes_on(line) => last.take(cell),
            _ => cells.push(cell),
        }
    }
    cells
}

/// Puts cells, in the order drawn, together to rows.
fn rows(cells: Vec<Cell<'_>>) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut rest = cells.into_iter().peekable();
    while let Some(cell) = rest.next() {
        let Some(row) = rows.last_mut() else {
            rows.push(vec![cell]);
            continue;
        };
        let beside = row.last().is_some_and(|last| cell.left > last.right)
            && row.iter().any(|other| other.is_beside(&cell));
        if beside {
            row.push(cell);
            continue;
        }
        // What stands below goes on in the cell when the one drawn next is still of this row; below a later cell no
        // row begins.
        let same_row = |next: &Cell<'_>| next.left > cell.right && next.top > cell.top + 0.5 * next.size();
        let goes_on = row.len() > 1 || rest.peek().is_some_and(same_row);
        match row.last_mut() {
            Some(last) if goes_on && cell.is_below(last) => last.take(cell),
            _ => rows.push(vec![cell]),
        }
    }
    rows
}

/// How many rows from the first on may be of one table: they have columns in common, stand close to each other, and
/// no heading is among them.
fn alike(rows: &[Row<'_>]) -> usize {
    let Some(mut columns) =
        rows.first().filter(|row| row.len() >= 2).and_then(|row| common(std::slice::from_ref(row)))
    else {
        return 0;
    };
    let mut count = 1;
    for pair in rows.windows(2) {
        let [above, row] = pair else { break };
        let size = row.first().map_or(1.0, Cell::size);
        let (_, floor) = extent(std::slice::from_ref(above));
        let (ceiling, _) = extent(std::slice::from_ref(row));
        let gap = floor - ceiling;
        let is_bold = |row: &Row<'_>| row.iter().all(Cell::is_bold);
        let heading =
            (is_bold(row) && !is_bold(above)) || size > 1.15 * above.first().map_or(1.0, Cell::size);
        if heading || gap < -0.5 * size || gap > ROW_GAP * size {
            break;
        }
        match columns.with(&spans(row)) {
            Some(grown) if grown.len() <= MAX_COLUMNS => columns = grown,
            _ => break,
        }
        count += 1;
    }
    count
}

/// The columns of some rows.
fn common(rows: &[Row<'_>]) -> Option<Columns> {
    rows.iter().try_fold(Columns::default(), |columns, row| columns.with(&spans(row)))
}

/// The table at the start of rows that are alike: its columns and rows.
fn table<'r, 'l>(rows: &'r [Row<'l>]) -> Option<(Columns, &'r [Row<'l>])> {
    // A lone piece at the end is text after the table.
    let taken = rows.iter().rposition(|row| row.len() >= 2)? + 1;
    let rows = rows.get(..taken)?;
    let columns = common(rows)?;
    let full = rows.iter().filter(|row| row.len() >= 2).count();
    let tall = rows.iter().filter(|row| row.iter().any(|cell| cell.lines.len() > 1)).count();
    let (mut cells, mut lines) = (0, 0);
    let mut filled = vec![0; columns.len()];
    for cell in rows.iter().flatten() {
        (cells, lines) = (cells + 1, lines + cell.lines.len());
        if let Some(count) = columns.place(cell.left, cell.right).and_then(|at| filled.get_mut(at)) {
            *count += 1;
        }
    }
    // A column of marks beside one of text is a list.
    let marks = rows.iter().filter_map(|row| row.first()).filter(|cell| cell.is_mark()).count();
    let is_list = columns.len() == 2 && marks * 3 >= taken * 2;
    let is_table = full >= MIN_ROWS
        && full * 3 >= taken * 2
        && tall * 3 >= taken
        && lines <= cells * MAX_MEAN_LINES
        && filled.iter().all(|count| count * 2 >= full)
        && !is_list;
    is_table.then_some((columns, rows))
}

fn spans(row: &Row<'_>) -> Vec<(f32, f32)> {
    row.iter().map(|cell| (cell.left, cell.right)).collect()
}

/// Top and bottom of some rows.
fn extent(rows: &[Row<'_>]) -> (f32, f32) {
    let cells = || rows.iter().flatten();
    let top = cells().map(|cell| cell.top).fold(f32::MIN, f32::max);
    (top, cells().map(|cell| cell.bottom).fold(f32::MAX, f32::min))
}

/// Whether nothing else stands at the height of these rows.
fn is_alone(rows: &[Row<'_>], lines: &[&Line]) -> bool {
    let (top, bottom) = extent(rows);
    let own: usize = rows.iter().flatten().map(|cell| cell.lines.len()).sum();
    lines.iter().filter(|line| line.y < top && line.y > bottom).count() == own
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of cells at their places, drawn in the order given: left, top, lines.
    fn drawn(cells: &[(f32, f32, &[&str])]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (left, top, texts) in cells {
            for (n, text) in texts.iter().enumerate() {
                let right = left + text.chars().count() as f32 * 5.0;
                let y = top - n as f32 * 12.0;
                let (text, rank) = ((*text).to_owned(), lines.len());
                lines.push(Line { text, left: *left, right, y, size: 10.0, bold: false, rank });
            }
        }
        lines
    }

    const FAULTS: [(f32, f32, &[&str]); 10] = [
        (50.0, 760.0, &["Most faults are mended without any tools, by yourself at home, at no cost."]),
        (50.0, 700.0, &["Symptom"]),
        (250.0, 700.0, &["Remedy"]),
        (50.0, 680.0, &["The pump does not start when", "the switch is pressed"]),
        (250.0, 680.0, &["Look whether the plug is in the", "socket and whether the fuse has", "blown"]),
        // In the middle of its row.
        (50.0, 632.0, &["Water leaks from the door"]),
        (250.0, 638.0, &["Clean the rubber seal with a", "damp cloth"]),
        (50.0, 608.0, &["The display shows E18 and the", "program stops"]),
        (250.0, 608.0, &["The hose is bent"]),
        (50.0, 560.0, &["Call the service if nothing helps, at any time of the day and in the night."]),
    ];

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn cells_of_running_text_stay_beside_each_other() {
        let Ok(parted) = part(drawn(&FAULTS)) else { panic!("no table") };
        assert_eq!(
            parted.table.cells(&Words::of(std::iter::empty(), true)),
            [
                ["Symptom", "Remedy"],
                [
                    "The pump does not start when the switch is pressed",
                    "Look whether the plug is in the socket and whether the fuse has blown"
                ],
                ["Water leaks from the door", "Clean the rubber seal with a damp cloth"],
                ["The display shows E18 and the program stops", "The hose is bent"],
            ]
        );
        assert_eq!(texts(&parted.above), [FAULTS[0].2[0]]);
        assert_eq!(texts(&parted.below), [FAULTS[9].2[0]]);
    }

    #[test]
    fn text_goes_on_below_a_gap_in_its_cell() {
        let cells: [(f32, f32, &[&str]); 7] = [
            (50.0, 700.0, &["First, look at the", "lamp."]),
            // A paragraph of the same cell.
            (50.0, 668.0, &["Then look at the", "door."]),
            (250.0, 700.0, &["It is red", "or green"]),
            (50.0, 620.0, &["Last of all"]),
            (250.0, 620.0, &["nothing", "more"]),
            (50.0, 580.0, &["And again"]),
            (250.0, 580.0, &["something"]),
        ];
        let Ok(parted) = part(drawn(&cells)) else { panic!("no table") };
        let first = &parted.table.cells(&Words::of(std::iter::empty(), true))[0];
        assert_eq!(first, &["First, look at the lamp. Then look at the door.", "It is red or green"]);
    }

    #[test]
    fn columns_are_no_tables() {
        // Each side drawn on its own.
        let mut columns = FAULTS.to_vec();
        columns.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(part(drawn(&columns)).is_err());
        // Text beside the table is of another column of the page.
        let mut beside = FAULTS.to_vec();
        beside.push((500.0, 690.0, &["Another column"]));
        assert!(part(drawn(&beside)).is_err());
        assert!(part(Vec::new()).is_err());
    }

    #[test]
    fn text_near_a_table_costs_no_row() {
        let mut near = FAULTS.to_vec();
        near[0].1 = 722.0;
        near[9].1 = 578.0;
        near.push((480.0, 560.0, &["7 of 9"]));
        let Ok(parted) = part(drawn(&near)) else { panic!("no table") };
        assert_eq!(parted.table.cells(&Words::of(std::iter::empty(), true)).len(), 4);
        assert_eq!((parted.above.len(), parted.below.len()), (1, 2));
    }

    #[test]
    fn rows_with_an_empty_cell_stay_rows() {
        let cells: [(f32, f32, &[&str]); 9] = [
            (50.0, 700.0, &["Part"]),
            (250.0, 700.0, &["Note"]),
            (50.0, 685.0, &["Bolt"]),
            (50.0, 670.0, &["Nut"]),
            (250.0, 670.0, &["sold in boxes", "of ten"]),
            (50.0, 640.0, &["Washer"]),
            (250.0, 640.0, &["see page 4", "and 5"]),
            (50.0, 610.0, &["Ring"]),
            (250.0, 610.0, &["blue only"]),
        ];
        let Ok(parted) = part(drawn(&cells)) else { panic!("no table") };
        let first: Vec<String> = parted
            .table
            .cells(&Words::of(std::iter::empty(), true))
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        assert_eq!(first, ["Part", "Bolt", "Nut", "Washer", "Ring"]);
    }

    #[test]
    fn headings_and_lists_are_left_alone() {
        // Cards: a heading above the text of each.
        let mut cards = drawn(&FAULTS);
        for line in cards.iter_mut().filter(|line| line.text.starts_with(['T', 'W', 'L', 'C', 'S'])) {
            line.bold = true;
        }
        assert!(part(cards).is_err());
        for mark in ["•", "1.1", "(iv)", "f"] {
            let marked =
                |(left, top, texts): &(f32, f32, &'static [&'static str])| (*left, *top, texts.to_vec());
            let mut cells: Vec<_> = FAULTS.iter().map(marked).collect();
            for cell in cells.iter_mut().filter(|cell| cell.0 < 100.0) {
                cell.2 = vec![mark];
            }
            let cells: Vec<(f32, f32, &[&str])> =
                cells.iter().map(|(l, t, texts)| (*l, *t, texts.as_slice())).collect();
            assert!(part(drawn(&cells)).is_err(), "{mark}");
        }
    }

    #[test]
    fn crafted_pages_take_no_time() {
        let mut wide = Vec::new();
        for row in 0..3_u16 {
            for column in 0..1_990_u16 {
                wide.push((f32::from(column) * 20.0, 700.0 - f32::from(row) * 30.0, &["x"][..]));
            }
        }
        let steps: Vec<(f32, f32, &[&str])> = (0..6_000_u16)
            .map(|n| (f32::from(n) * 10.0, 70_000.0 - f32::from(n / 2) * 15.0, &["x"][..]))
            .collect();
        let long: Vec<(f32, f32, &[&str])> = (0..6_000_u16)
            .map(|n| (f32::from(n % 2) * 100.0, 70_000.0 - f32::from(n / 2) * 15.0, &["x"][..]))
            .collect();
        let started = std::time::Instant::now();
        assert!([wide, steps, long].iter().all(|cells| part(drawn(cells)).is_err()));
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
