//! Comma- and tab-separated values: one table, its header repeated where passages cut it.
//!
//! Tells a table from prose that happens to be called CSV: that is read as text.

use crate::document::Builder;
use crate::flow::push_table;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records looked at to find the delimiter.
const SAMPLE: usize = 50;
/// Rows of one table block.
const BLOCK_ROWS: usize = 2_000;

/// Reads a table; `false` when the text is none.
pub(crate) fn extract(text: &str, builder: &mut Builder) -> bool {
    let Some(delimiter) =
        DELIMITERS.into_iter().max_by_key(|d| likeness(text, *d)).filter(|d| likeness(text, *d) > 0)
    else {
        return false;
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut header: Option<Vec<String>> = None;
    for record in records(text, delimiter) {
        if rows.len() >= BLOCK_ROWS {
            push_table(builder, &std::mem::take(&mut rows), Some(1), None);
        }
        let cells: Vec<String> = record.iter().map(crate::clean::line).collect();
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

/// How many columns a delimiter gives when it gives the same number nearly everywhere, else 0.
fn likeness(text: &str, delimiter: u8) -> usize {
    let widths: Vec<usize> = records(text, delimiter).take(SAMPLE).map(|record| record.len()).collect();
    let Some(first) = widths.first().copied().filter(|width| *width > 1) else { return 0 };
    let same = widths.iter().filter(|width| **width == first).count();
    if same * 10 >= widths.len() * 8 { first } else { 0 }
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
    fn long_tables_repeat_their_header() {
        let mut text = "id,name\n".to_owned();
        (0..2_500).for_each(|n| text.push_str(&format!("{n},n{n}\n")));
        let table = read(&text).unwrap();
        assert_eq!(table.matches("id | name").count(), 2);
        assert!(table.ends_with("2499 | n2499"));
    }
}
