//! Tables among the rows of a region: rows of several pieces over common columns.

use super::lines::Line;
use super::order::Row;
use crate::hyphens::Words;

/// A table found at the start of some rows.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) cells: Vec<Vec<String>>,
    /// Rows of the region it takes.
    pub(super) rows: usize,
}

/// Cells longer than this on average are running text side by side.
const MAX_MEAN_CHARS: usize = 60;

/// The table that starts at the first of `rows`, if there is one.
pub(super) fn at_start(rows: &[Row], words: &Words) -> Option<Found> {
    if rows.first()?.len() < 2 {
        return None;
    }
    let mut columns = Columns::default();
    let mut taken = 0;
    let mut full = 0;
    for (at, row) in rows.iter().enumerate() {
        if is_section(rows, at, &columns) {
            taken = at + 1;
            continue;
        }
        let Some(grown) = columns.with(&spans(row)) else {
            break;
        };
        if at > 0 {
            let previous = rows.get(at - 1)?;
            if is_far(previous, row, rows) || (row.len() == 1 && !is_inside(row, previous, &columns)) {
                break;
            }
        }
        full += usize::from(row.len() >= 2);
        columns = grown;
        taken = at + 1;
    }
    // A single piece at the end is text after the table rather than part of it, when it stands
    // in the first column.
    while taken > 0
        && rows
            .get(taken - 1)
            .is_some_and(|r| r.len() == 1 && r.first().and_then(|l| columns.place_in(r, l)) == Some(0))
    {
        taken -= 1;
    }
    let rows = rows.get(..taken)?;
    if full < 2 || (full == 2 && columns.spans.len() == 2 && !is_tabular(rows)) {
        return None;
    }
    let pieces = rows.iter().map(Vec::len).sum::<usize>().max(1);
    let chars: usize = rows.iter().flatten().map(|l| l.text.chars().count()).sum();
    if chars > pieces * MAX_MEAN_CHARS {
        return None;
    }
    Some(Found { cells: cells(rows, &columns, words), rows: taken })
}

fn spans(row: &Row) -> Vec<(f32, f32)> {
    row.iter().map(|l| (l.left, l.right)).collect()
}

/// Two rows of two pieces are a table only when they start at the same places.
fn is_tabular(rows: &[Row]) -> bool {
    let lefts = |row: &Row| row.iter().map(|l| l.left).collect::<Vec<_>>();
    let mut starts = rows.iter().filter(|r| r.len() == 2).map(lefts);
    let (Some(first), Some(second)) = (starts.next(), starts.next()) else {
        return false;
    };
    first.iter().zip(&second).all(|(a, b)| (a - b).abs() < 2.0)
}

/// Whether the gap above a row is too large for it to belong to the table.
fn is_far(previous: &Row, row: &Row, rows: &[Row]) -> bool {
    let (Some(above), Some(here)) = (previous.first(), row.first()) else {
        return true;
    };
    let usual = match rows {
        [a, b, ..] => a.first().zip(b.first()).map_or(0.0, |(a, b)| a.y - b.y),
        _ => 0.0,
    };
    let gap = above.y - here.y;
    let reach = (2.0 * usual).max(2.2 * here.size).min(6.0 * here.size);
    let grows = here.size > 1.15 * above.size;
    gap > reach || grows
}

/// Whether a lone piece goes on in the cell above it.
fn is_inside(row: &Row, previous: &Row, columns: &Columns) -> bool {
    let Some(piece) = row.first() else {
        return false;
    };
    match columns.place(piece.left, piece.right) {
        // Text below a table starts at its left edge; only a tight line belongs to the cell.
        Some(0) => {
            let above = previous.iter().find(|l| columns.place(l.left, l.right) == Some(0));
            above.is_some_and(|l| l.y - piece.y < 1.35 * piece.size && (l.left - piece.left).abs() < 1.0)
        }
        Some(_) => true,
        None => false,
    }
}

/// Whether a row is a lone piece that heads the rows below: it starts where the first column does, the next row has
/// cells under the columns, and both stand as close as the first two rows of the table.
fn is_section(rows: &[Row], at: usize, columns: &Columns) -> bool {
    let y = |at: usize| rows.get(at).and_then(|row| Some(row.first()?.y));
    let (Some([piece]), Some(next)) = (rows.get(at).map(Vec::as_slice), rows.get(at + 1)) else {
        return false;
    };
    let Some((((above, here), below), first)) =
        at.checked_sub(1).and_then(y).zip(y(at)).zip(y(at + 1)).zip(y(0).zip(y(1)))
    else {
        return false;
    };
    let usual = first.0 - first.1;
    let near = |step: f32| step > 0.0 && step < 1.25 * usual;
    let ends = columns.spans.first().zip(columns.spans.last());
    ends.is_some_and(|(first, last)| (piece.left - first.0).abs() < 2.0 && piece.right <= last.1 + piece.size)
        && piece.text.chars().count() <= MAX_MEAN_CHARS
        && !piece.text.ends_with(['.', '!', '?'])
        && near(above - here)
        && near(here - below)
        && next.len() >= 2
        && columns.with(&spans(next)).is_some()
}

/// Columns as spans that no piece crosses.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    spans: Vec<(f32, f32)>,
}

impl Columns {
    /// The columns with one more row of pieces, neighbours side by side; `None` when it runs across those there are.
    pub(super) fn with(&self, row: &[(f32, f32)]) -> Option<Self> {
        let mut spans = self.spans.clone();
        spans.extend(row);
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f32, f32)> = Vec::new();
        for (left, right) in spans {
            match merged.last_mut() {
                Some(last) if left <= last.1 => last.1 = last.1.max(right),
                _ => merged.push((left, right)),
            }
        }
        // New columns may open, known ones may not flow together.
        let grown = Self { spans: merged };
        let together = self.spans.len().max(row.len()) > grown.spans.len();
        let place = |piece: &(f32, f32)| grown.place(piece.0, piece.1);
        let in_one = row.iter().zip(row.iter().skip(1)).any(|(a, b)| place(a) == place(b));
        (grown.spans.len() >= 2 && !together && !in_one).then_some(grown)
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The column of a piece of a row: one that stands alone at the left edge heads what follows, however long.
    fn place_in(&self, row: &Row, piece: &Line) -> Option<usize> {
        let heads =
            row.len() == 1 && self.spans.first().is_some_and(|first| (piece.left - first.0).abs() < 2.0);
        if heads { Some(0) } else { self.place(piece.left, piece.right) }
    }

    /// The column of a piece.
    pub(super) fn place(&self, left: f32, right: f32) -> Option<usize> {
        let middle = (left + right) / 2.0;
        self.spans.iter().position(|(left, right)| *left <= middle && middle <= *right)
    }
}

/// The cells of a table's rows; lines that go on in the row above are joined to it.
fn cells(rows: &[Row], columns: &Columns, words: &Words) -> Vec<Vec<String>> {
    let width = columns.spans.len();
    let mut out: Vec<Vec<String>> = Vec::new();
    let mut last_y: Option<f32> = None;
    let loose = is_loose(rows, width);
    for row in rows {
        let (Some(y), Some(size)) = (row.first().map(|l| l.y), row.first().map(|l| l.size)) else {
            continue;
        };
        let mut cells = vec![String::new(); width];
        for piece in row {
            if let Some(cell) = columns.place_in(row, piece).and_then(|at| cells.get_mut(at)) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&piece.text);
            }
        }
        let tight = last_y.is_some_and(|last| last - y < 1.35 * size);
        let partial = cells.iter().any(String::is_empty);
        let continues = tight && partial && (loose || cells.first().is_some_and(String::is_empty));
        last_y = Some(y);
        match out.last_mut().filter(|_| continues) {
            Some(above) => {
                for (cell, more) in above.iter_mut().zip(cells).filter(|(_, more)| !more.is_empty()) {
                    if cell.is_empty() {
                        *cell = more;
                    } else {
                        words.append(cell, &more);
                    }
                }
            }
            None => out.push(cells),
        }
    }
    for cell in out.iter_mut().flatten() {
        *cell = crate::clean::line(&cell.replace('\u{ad}', ""));
    }
    out
}

/// Whether full rows stand farther apart than lines of one cell do.
fn is_loose(rows: &[Row], width: usize) -> bool {
    let mut steps: Vec<f32> = Vec::new();
    for pair in rows.windows(2) {
        if let [above, here] = pair
            && here.len() == width
            && let (Some(a), Some(b)) = (above.first(), here.first())
        {
            steps.push((a.y - b.y) / b.size.max(1.0));
        }
    }
    steps.sort_by(f32::total_cmp);
    steps.get(steps.len() / 2).is_some_and(|step| *step > 1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(y: f32, pieces: &[(&str, f32)]) -> Row {
        let line = |(text, left): &(&str, f32)| Line {
            text: (*text).to_owned(),
            left: *left,
            right: left + text.chars().count() as f32 * 5.0,
            y,
            size: 10.0,
            bold: false,
            rank: 0,
        };
        pieces.iter().map(line).collect()
    }

    #[test]
    fn rows_that_head_others_stay_in_their_table() {
        let rows = [
            row(700.0, &[("Item", 50.0), ("Hours", 150.0), ("Cost", 250.0)]),
            row(685.0, &[("Kitchen and all that is in it", 50.0)]),
            row(670.0, &[("Tiles", 50.0), ("12", 150.0), ("300", 250.0)]),
            row(655.0, &[("Paint", 50.0), ("3", 150.0), ("80", 250.0)]),
            row(640.0, &[("Bath", 50.0)]),
            row(625.0, &[("Tiles", 50.0), ("8", 150.0), ("200", 250.0)]),
            row(610.0, &[("Prices without tax.", 50.0)]),
        ];
        let found = at_start(&rows, &Words::of(std::iter::empty(), true)).unwrap();
        assert_eq!(found.rows, 6, "what follows is no row");
        let lines: Vec<String> = found.cells.iter().map(|cells| cells.join("|")).collect();
        let expected = [
            "Item|Hours|Cost",
            "Kitchen and all that is in it||",
            "Tiles|12|300",
            "Paint|3|80",
            "Bath||",
            "Tiles|8|200",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn words_broken_in_a_cell_are_whole() {
        let rows = [
            row(700.0, &[("Model", 50.0), ("Use of the machine", 150.0)]),
            row(680.0, &[("AX-1", 50.0), ("wash\u{ad}", 150.0)]),
            row(668.0, &[("ing machines", 150.0)]),
            row(648.0, &[("AX-2", 50.0), ("main-", 150.0)]),
            row(636.0, &[("tenance", 150.0)]),
            row(616.0, &[("AX-3", 50.0), ("none -", 150.0)]),
            row(604.0, &[("so far", 150.0)]),
        ];
        let found = at_start(&rows, &Words::of(std::iter::empty(), true)).unwrap();
        let uses: Vec<&str> = found.cells.iter().map(|cells| cells[1].as_str()).collect();
        assert_eq!(uses, ["Use of the machine", "washing machines", "maintenance", "none - so far"]);
    }

    #[test]
    fn rows_over_common_columns_are_a_table() {
        let rows = [
            row(700.0, &[("Model", 50.0), ("Power", 150.0), ("Price", 250.0)]),
            row(680.0, &[("AX-1", 50.0), ("a long cell", 150.0), ("9.99", 255.0)]),
            row(668.0, &[("goes on", 150.0)]),
            row(648.0, &[("AX-2", 50.0), ("10.00", 252.0)]),
            row(620.0, &[("Some text after the table that is long", 50.0)]),
        ];
        let found = at_start(&rows, &Words::of(std::iter::empty(), true)).unwrap();
        assert_eq!(found.rows, 4);
        assert_eq!(
            found.cells,
            [["Model", "Power", "Price"], ["AX-1", "a long cell goes on", "9.99"], ["AX-2", "", "10.00"]]
        );
    }

    #[test]
    fn chance_gaps_are_no_table() {
        let rows = [
            row(700.0, &[("some words", 50.0), ("more words", 140.0)]),
            row(688.0, &[("other words here and", 50.0), ("rest", 170.0)]),
        ];
        assert_eq!(at_start(&rows, &Words::of(std::iter::empty(), true)), None);
    }
}
