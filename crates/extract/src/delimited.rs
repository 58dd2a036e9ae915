//! Comma- and tab-separated values: one table, its header repeated where passages cut it.
//!
//! Lines above the table that have fewer columns are paragraphs. Tells a table from prose that happens to be called CSV:
//! that is read as text.

use crate::document::{Builder, Part};
use crate::flow::push_table;
use quarry_types::PassageKind;
use std::collections::BTreeMap;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records looked at to find the delimiter.
const SAMPLE: usize = 50;
/// Fewer full records below a title are taken for sentences with commas.
const LEAST_BELOW: usize = 3;
/// Rows of one table block.
const BLOCK_ROWS: usize = 2_000;

/// Reads a table; `false` when the text is none.
pub(crate) fn extract(text: &str, builder: &mut Builder) -> bool {
    // On a par the last one is the delimiter: commas stand in numbers too.
    let shapes = DELIMITERS.into_iter().filter_map(|d| Some((d, Shape::of(text, d)?)));
    let Some((delimiter, shape)) = shapes.max_by_key(|(_, shape)| shape.gaps) else { return false };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut header: Option<Vec<String>> = None;
    for (number, record) in records(text, delimiter).enumerate() {
        let cells: Vec<String> = record.iter().map(crate::clean::line).collect();
        if number < shape.above {
            let told: Vec<String> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            builder.push(Part::new(PassageKind::Paragraph, &told.join(", ")));
            continue;
        }
        if rows.len() >= BLOCK_ROWS {
            push_table(builder, &std::mem::take(&mut rows), Some(1), None);
        }
        if cells.iter().all(String::is_empty) {
            continue;
        }
        match &header {
            None => header = Some(cells.clone()),
            Some(header) if rows.is_empty() => rows.push(header.clone()),
            Some(_) => {}
        }
        rows.push(cells);
        if builder.is_full() {
            return true;
        }
    }
    push_table(builder, &rows, Some(1), None);
    true
}

fn records(text: &str, delimiter: u8) -> impl Iterator<Item = csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.into_records().map_while(Result::ok)
}

/// What a delimiter makes of a text.
struct Shape {
    /// Records above the table: titles and notes.
    above: usize,
    /// Delimiters in the records that have as many columns as most.
    gaps: usize,
}

impl Shape {
    /// The shape, when records from some on have the same number of columns nearly everywhere.
    fn of(text: &str, delimiter: u8) -> Option<Self> {
        let sample: Vec<csv::StringRecord> = records(text, delimiter).take(SAMPLE).collect();
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        for record in sample.iter().filter(|record| record.len() > 1) {
            *widths.entry(record.len()).or_default() += 1;
        }
        let (width, _) = widths.into_iter().max_by_key(|(_, count)| *count)?;
        let full = |record: &csv::StringRecord| record.len() >= width;
        // Programs fill all lines up to the width of the table: one text alone in its line is no header.
        let heads = |record: &csv::StringRecord| {
            full(record) && (width == 2 || record.iter().filter(|cell| !cell.trim().is_empty()).count() > 1)
        };
        let first = sample.iter().position(full)?;
        let words = |record: &csv::StringRecord| !record.iter().any(is_number);
        let headed = sample.iter().position(heads).filter(|at| sample.get(*at).is_some_and(words));
        let mut above = headed.unwrap_or(first);
        // A header may lack the name of a last column that is empty, or that of the rows: which, nobody can tell.
        let shorter = above.checked_sub(1).and_then(|at| sample.get(at));
        if shorter.is_some_and(|record| record.len() > 1 && record.len() + 1 == width && words(record)) {
            let unnamed =
                |record: &csv::StringRecord| record.len() < width || record.iter().next_back() == Some("");
            if sample.iter().skip(above).all(unnamed) {
                above -= 1;
            } else if !sample.get(above).is_some_and(words) {
                return None;
            }
        }
        let of_table = sample.len() - above;
        let same = sample.iter().skip(above).filter(|record| record.len() == width).count();
        let enough = sample.first().is_some_and(full) || same >= LEAST_BELOW;
        let least = of_table.saturating_sub(usize::from(above < first)) * 8;
        (enough && same * 10 >= least).then_some(Self { above, gaps: same * (width - 1) })
    }
}

/// Whether a cell is a value: digits and what stands among them.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.contains(|c: char| c.is_ascii_digit()) && !cell.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn read(text: &str) -> Option<String> {
        let mut builder = Builder::new(&Limits::default());
        extract(text, &mut builder).then(|| builder.finish().text)
    }

    #[test]
    fn tables_keep_their_cells_and_prose_is_none() {
        let table = read("name;price\n\"Chair; red\";20\n\"two\nlines\";3\n").unwrap();
        assert_eq!(table, "name | price\nChair; red | 20\ntwo lines | 3");
        assert_eq!(read("a\tb\n1\t2\n").as_deref(), Some("a | b\n1 | 2"));
        assert_eq!(read("Dear all,\nthis is a letter.\nIt goes on, and on, and on.\n"), None);
    }

    #[test]
    fn lines_above_a_table_are_paragraphs() {
        let rows = "Model,Price\nA1,45\nA2,50\n";
        let table = "Model | Price\nA1 | 45\nA2 | 50";
        let titled = read(&format!("Price list\nValid from 2026-03-01\n\n{rows}")).unwrap();
        assert_eq!(titled, format!("Price list\n\nValid from 2026-03-01\n\n{table}"));
        // Filled up to the width of the table, or with columns of their own; numbers with commas.
        let filled =
            read("Price list;;\n;;\nPeriod;spring;\nModel;W;H\nA1;1,5;2,5\nA2;2,5;3,5\nA3;3,5;1,5\n");
        assert_eq!(
            filled.unwrap(),
            "Price list\n\nPeriod | spring\nModel | W | H\nA1 | 1,5 | 2,5\nA2 | 2,5 | 3,5\nA3 | 3,5 | 1,5"
        );
        let told = read("Period;spring\nModel;W;H\nA1;1,5;2,5\nA2;2,5;3,5\nA3;3,5;1,5\n").unwrap();
        assert!(told.starts_with("Period, spring\n\nModel | W | H\nA1 | 1,5"), "{told}");
        assert_eq!(read(&format!("Price list;;\n{}", rows.replace(',', ";x;"))).unwrap().lines().count(), 5);
        // A semicolon parts what has commas in it, wherever the table begins.
        let bank = "Konto;DE89\nSaldo;1.234,56\nBuchung;Text;Betrag\n1.1.;Rent;-500,00\n2.1.;Rent;-1,50\n3.1.;Food;-2,50\n";
        let bank = read(bank).unwrap();
        assert!(
            bank.ends_with(
                "Buchung | Text | Betrag\n1.1. | Rent | -500,00\n2.1. | Rent | -1,50\n3.1. | Food | -2,50"
            ),
            "{bank}"
        );
        // A header may be shorter by an empty column; where a name is missing it stays text.
        let trail = read("Model,Price,Stock\nA1,45,3,\nA2,50,4,\nA3,55,5,\n");
        assert_eq!(trail.unwrap(), "Model | Price | Stock\nA1 | 45 | 3\nA2 | 50 | 4\nA3 | 55 | 5");
        assert_eq!(read("mpg,cyl\nMazda,21,6\nFiat,32,4\nVolvo,21,4\n"), None);
        assert_eq!(read("Product,,\nHose,,\nPump,5,6\n").unwrap(), "Product\nHose\nPump | 5 | 6");
        // An empty corner, columns without a name, and too few lines to tell.
        assert_eq!(read(",Price\nA1,45\nA2,50\n").as_deref(), Some("| Price\nA1 | 45\nA2 | 50"));
        assert_eq!(read("a,,\nb,,\n").as_deref(), Some("a\nb"));
        assert_eq!(read("Dear Sir\nthis is, well,\na letter, is it,\n"), None);
    }

    #[test]
    fn long_tables_repeat_their_header() {
        let mut text = "id,name\n".to_owned();
        (0..2_500).for_each(|n| text.push_str(&format!("{n},n{n}\n")));
        let table = read(&text).unwrap();
        assert_eq!(table.matches("id | name").count(), 2);
        assert!(table.ends_with("2499 | n2499"));
    }
}
