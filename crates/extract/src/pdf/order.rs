//! Reading order: pages are cut into columns, columns are read one after another.
//!
//! A gutter is a place that few pieces cross and that both sides respect: either the page draws
//! one side before the other, or both sides look like running text. Tables have gutters too, but
//! are drawn row by row and hold short pieces; they stay together for [`super::tables`].

use super::drawn::{self, Parted, Table};
use super::lines::{Line, is_backward, turn_backward};

/// What is read at one go.
#[derive(Debug)]
pub(super) enum Region {
    /// Pieces that stand below one another, in rows from top to bottom.
    Rows(Vec<Row>),
    /// A table that was drawn as one.
    Table(Table),
}

/// Pieces side by side, from left to right.
pub(super) type Row = Vec<Line>;

/// Deepest cutting; no real page has more columns and bands.
const MAX_DEPTH: usize = 10;

/// Most tables of a page that are told by how they are drawn: each looks at all that is left.
const MAX_TABLES: usize = 32;

/// Pages with more pieces than this are read as they are drawn.
const MAX_PIECES: usize = 6_000;

/// The regions of one page in reading order.
pub(super) fn regions(mut lines: Vec<Line>, body_size: f32) -> Vec<Region> {
    if lines.len() > MAX_PIECES {
        lines.sort_by_key(|line| line.rank);
        return vec![Region::Rows(lines.into_iter().map(|line| vec![line]).collect())];
    }
    let mut out = Vec::new();
    let mut tables = 0;
    let mut stack = vec![(Part::Lines(lines), 0)];
    while let Some((part, depth)) = stack.pop() {
        let lines = match part {
            Part::Lines(lines) if lines.is_empty() => continue,
            Part::Lines(lines) => lines,
            Part::Table(table) => {
                out.push(Region::Table(table));
                continue;
            }
        };
        // What is left of a table is less than there was, so that it counts for nothing in the depth.
        let part = if tables < MAX_TABLES { drawn::part(lines) } else { Err(lines) };
        let (parts, depth) = match part {
            Ok(Parted { above, table, below }) => {
                tables += 1;
                (vec![Part::Lines(above), Part::Table(table), Part::Lines(below)], depth)
            }
            Err(lines) => match (depth < MAX_DEPTH).then(|| columns(&lines, body_size)).flatten() {
                Some(parts) => (parts.into_iter().map(Part::Lines).collect(), depth + 1),
                None => {
                    out.push(Region::Rows(rows(lines)));
                    continue;
                }
            },
        };
        stack.extend(parts.into_iter().rev().map(|part| (part, depth)));
    }
    out
}

/// What is still to be read of a page.
enum Part {
    Lines(Vec<Line>),
    Table(Table),
}

/// Groups pieces to rows, top to bottom.
fn rows(mut lines: Vec<Line>) -> Vec<Row> {
    lines.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.left.total_cmp(&b.left)));
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        // A piece may belong to the row before the last when sizes differ.
        let place = rows.iter_mut().rev().take(2).find(|row| {
            let meets = |other: &Line| line.left < other.right && other.left < line.right;
            row.iter().any(|other| other.is_beside(&line))
                && !row.iter().any(|other| meets(other) && !overlaps_little(other, &line))
        });
        match place {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        if is_backward(row) {
            turn_backward(row);
        } else {
            row.sort_by(|a, b| a.left.total_cmp(&b.left));
        }
    }
    rows
}

fn overlaps_little(a: &Line, b: &Line) -> bool {
    let shared = a.right.min(b.right) - a.left.max(b.left);
    shared < 0.3 * a.width().min(b.width()).max(1.0)
}

/// Cuts a set of pieces at its best gutter into bands and columns; `None` when it has one column.
fn columns(lines: &[Line], body_size: f32) -> Option<Vec<Vec<Line>>> {
    if lines.len() < 4 {
        return None;
    }
    let left = lines.iter().map(|l| l.left).fold(f32::MAX, f32::min);
    let right = lines.iter().map(|l| l.right).fold(f32::MIN, f32::max);
    let width = right - left;
    if width < 8.0 * body_size {
        return None;
    }
    let mut candidates = gutters(lines, left, right);
    candidates.sort_by(|a, b| a.crossing.cmp(&b.crossing).then(b.width.total_cmp(&a.width)));
    let gutter = candidates.into_iter().take(12).find(|g| is_gutter(lines, g, body_size))?;
    Some(cut(lines, gutter.x))
}

#[derive(Debug, Clone, Copy)]
struct Gutter {
    x: f32,
    width: f32,
    crossing: usize,
}

/// Vertical strips that fewer pieces cross than their neighbours'.
fn gutters(lines: &[Line], left: f32, right: f32) -> Vec<Gutter> {
    const STEP: f32 = 2.0;
    let bins = (((right - left) / STEP) as usize).clamp(1, 5_000);
    let bin = |x: f32| (((x - left) / STEP) as usize).min(bins - 1);
    let mut changes = vec![0_i64; bins + 1];
    for line in lines {
        // A little less than the piece, so that touching columns still part.
        let (from, to) = (bin(line.left + 0.5), bin((line.right - 0.5).max(line.left)));
        if let Some(change) = changes.get_mut(from) {
            *change += 1;
        }
        if let Some(change) = changes.get_mut(to + 1) {
            *change -= 1;
        }
    }
    let mut crossing = 0;
    let counts: Vec<i64> = changes
        .iter()
        .take(bins)
        .map(|change| {
            crossing += change;
            crossing
        })
        .collect();
    // Runs of equal counts that are lower than what is left and right of them.
    let mut out = Vec::new();
    let mut start = 0;
    while start < counts.len() {
        let here = counts.get(start).copied().unwrap_or(0);
        let end = counts.iter().skip(start).position(|c| *c != here).map_or(counts.len(), |n| start + n);
        let before = start.checked_sub(1).and_then(|at| counts.get(at)).copied().unwrap_or(0);
        let after = counts.get(end).copied().unwrap_or(0);
        if before > here && after > here {
            let middle = (start + end) as f32 / 2.0;
            out.push(Gutter {
                x: left + middle * STEP,
                width: (end - start) as f32 * STEP,
                crossing: usize::try_from(here).unwrap_or(0),
            });
        }
        start = end;
    }
    out
}

fn is_gutter(lines: &[Line], gutter: &Gutter, body_size: f32) -> bool {
    if gutter.width < 0.6 * body_size || gutter.crossing * 3 > lines.len() {
        return false;
    }
    let mut sides: [Vec<&Line>; 2] = [Vec::new(), Vec::new()];
    for line in lines {
        if line.right <= gutter.x {
            sides[0].push(line);
        } else if line.left >= gutter.x {
            sides[1].push(line);
        }
    }
    let [west, east] = &mut sides;
    if west.len() < 2 || east.len() < 2 {
        return false;
    }
    west.sort_by(|a, b| b.y.total_cmp(&a.y));
    east.sort_by(|a, b| b.y.total_cmp(&a.y));
    let shared = shared_rows(west, east);
    if shared < 2 {
        return false;
    }
    let mut ranks: Vec<(usize, bool)> = west.iter().map(|l| (l.rank, false)).collect();
    ranks.extend(east.iter().map(|l| (l.rank, true)));
    ranks.sort_unstable();
    let switches = ranks.windows(2).filter(|w| matches!(w, [a, b] if a.1 != b.1)).count();
    let in_turn = switches <= (shared / 3).max(1);
    let prose = is_prose(west) && is_prose(east);
    // Three short rows of cells drawn column by column are still a table.
    prose || (in_turn && (is_prose(west) || is_prose(east) || west.len().min(east.len()) >= 4))
}

/// Rows that have pieces on both sides; both sorted from the top.
fn shared_rows(west: &[&Line], east: &[&Line]) -> usize {
    let mut count = 0;
    let mut rest = east.iter().peekable();
    let mut above = f32::MAX;
    for line in west {
        // Pieces side by side are one row.
        if line.y > above - 0.5 * line.size {
            continue;
        }
        while rest.next_if(|other| other.bottom() > line.top()).is_some() {}
        if rest.peek().is_some_and(|other| other.top() > line.bottom()) {
            (count, above) = (count + 1, line.y);
        }
    }
    count
}

/// Whether pieces look like running text: several, long, and mostly as wide as their column.
fn is_prose(lines: &[&Line]) -> bool {
    let left = lines.iter().map(|l| l.left).fold(f32::MAX, f32::min);
    let right = lines.iter().map(|l| l.right).fold(f32::MIN, f32::max);
    let wide = lines.iter().filter(|l| l.width() > 0.6 * (right - left)).count();
    let long = lines.iter().filter(|l| l.text.chars().count() >= 20).count();
    lines.len() >= 3 && wide * 2 >= lines.len() && long * 2 >= lines.len()
}

/// Bands between the pieces that cross the gutter; in each the west before the east.
fn cut(lines: &[Line], x: f32) -> Vec<Vec<Line>> {
    let mut sorted: Vec<&Line> = lines.iter().collect();
    sorted.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.left.total_cmp(&b.left)));
    let mut out: Vec<Vec<Line>> = Vec::new();
    let (mut west, mut east, mut across) = (Vec::new(), Vec::new(), Vec::new());
    for line in sorted {
        let crosses = line.left < x && line.right > x;
        if crosses {
            out.push(std::mem::take(&mut west));
            out.push(std::mem::take(&mut east));
            across.push(line.clone());
            continue;
        }
        // What stands beside a crossing piece belongs to its row.
        if across.last().is_some_and(|last: &Line| last.is_beside(line)) {
            across.push(line.clone());
            continue;
        }
        out.push(std::mem::take(&mut across));
        if line.right <= x { west.push(line.clone()) } else { east.push(line.clone()) }
    }
    out.extend([west, east, across]);
    out.retain(|part| !part.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, left: f32, y: f32, rank: usize) -> Line {
        let right = left + text.chars().count() as f32 * 5.0;
        Line { text: text.to_owned(), left, right, y, size: 10.0, bold: false, rank }
    }

    fn order(lines: Vec<Line>) -> Vec<String> {
        rows_of(regions(lines, 10.0)).into_iter().flatten().flatten().map(|l| l.text).collect()
    }

    fn rows_of(regions: Vec<Region>) -> Vec<Vec<Row>> {
        let rows = |region| match region {
            Region::Rows(rows) => rows,
            Region::Table(table) => panic!("{table:?}"),
        };
        regions.into_iter().map(rows).collect()
    }

    const WIDE: &str = "a line of running text that goes on";

    #[test]
    fn columns_are_read_one_after_another_and_bands_part_them() {
        let mut lines =
            vec![line("A title that crosses both of the columns on the page, all of it", 50.0, 800.0, 0)];
        let mut expected = vec![lines[0].text.clone()];
        for column in 0..2_u8 {
            for row in 0..8_u8 {
                let text = format!("{WIDE} {column}{row}");
                let left = 50.0 + f32::from(column) * 220.0;
                lines.push(line(&text, left, 780.0 - f32::from(row) * 12.0, lines.len()));
                expected.push(text);
            }
        }
        assert_eq!(order(lines.clone()), expected);
        // Drawn row by row it is still read column by column.
        for line in &mut lines {
            line.rank = (1_000.0 - line.y) as usize * 10 + line.left as usize / 100;
        }
        assert_eq!(order(lines), expected);
    }

    #[test]
    fn tables_stay_together() {
        let mut lines = Vec::new();
        for row in 0..6_u8 {
            for column in 0..3_u8 {
                let left = 50.0 + f32::from(column) * 150.0;
                lines.push(line(
                    &format!("c{row}{column}"),
                    left,
                    700.0 - f32::from(row) * 15.0,
                    lines.len(),
                ));
            }
        }
        let regions = rows_of(regions(lines, 10.0));
        assert_eq!(regions.len(), 1);
        assert!(regions[0].iter().all(|row| row.len() == 3));
    }

    #[test]
    fn wide_tables_stay_together() {
        let mut lines = Vec::new();
        for row in 0..6_u8 {
            for column in 0..12_u8 {
                let (left, y) = (50.0 + f32::from(column) * 40.0, 700.0 - f32::from(row) * 15.0);
                lines.push(line(&format!("c{row}{column:02}"), left, y, lines.len()));
            }
        }
        let regions = rows_of(regions(lines, 10.0));
        assert_eq!(regions.len(), 1);
        assert!(regions[0].iter().all(|row| row.len() == 12));
    }
}
