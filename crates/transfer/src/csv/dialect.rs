//! What the start of a CSV tells: its delimiter, and how its dates are written.

use super::record::{Record, Splitter};
use crate::Column;
use crate::value::DateOrder;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const SAMPLE_RECORDS: usize = 200;

/// How a CSV is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    /// The order in dates such as 3/4/2024, when the start of the file proves it.
    pub(super) dates: Option<DateOrder>,
    /// Bytes of a first line `sep=;` that some spreadsheets write and read.
    pub(super) preamble: usize,
}

impl Dialect {
    /// Reads the head; `whole` when it is all there is. A delimiter by which the header names
    /// nothing but `columns` wins over all counting.
    pub(super) fn detect(head: &[u8], whole: bool, columns: &[Column]) -> Self {
        let (preamble, named) = separator_line(head);
        let body = head.get(preamble..).unwrap_or_default();
        let delimiter = named.unwrap_or_else(|| delimiter(body, whole, columns));
        Self { delimiter, dates: date_order(body, whole, delimiter), preamble }
    }
}

fn separator_line(head: &[u8]) -> (usize, Option<u8>) {
    let line_length = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    let line = head.get(..line_length).unwrap_or_default().trim_ascii_end();
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] if DELIMITERS.contains(delimiter) => {
            (line_length, Some(*delimiter))
        }
        // A tab is trimmed away with the line end.
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'='] if head.get(4) == Some(&b'\t') => {
            (line_length, Some(b'\t'))
        }
        _ => (0, None),
    }
}

/// Calls for each record of the head, the header first.
fn for_each_record(head: &[u8], whole: bool, delimiter: u8, mut call: impl FnMut(&Record)) {
    let mut splitter = Splitter::new(delimiter, head.len().saturating_mul(16).max(1), 1);
    let (mut rest, mut record) = (head, Record::default());
    for _ in 0..SAMPLE_RECORDS {
        match splitter.next_in(&mut rest, whole, &mut record) {
            Some(true) => call(&record),
            Some(false) | None => return,
        }
    }
}

/// The delimiter that cuts the header into several cells and most rows into as many.
fn delimiter(head: &[u8], whole: bool, columns: &[Column]) -> u8 {
    let score = |delimiter: u8| {
        let (mut width, mut rows, mut alike, mut known) = (0_usize, 0_usize, 0_usize, false);
        for_each_record(head, whole, delimiter, |record| {
            if width == 0 {
                width = record.len();
                known = names_only(record, columns);
            } else {
                rows += 1;
                alike += usize::from(record.len() == width);
            }
        });
        // In tenths, so that one ragged row among many does not outweigh more columns.
        let share = (alike * 10).checked_div(rows).unwrap_or(10);
        if width > 1 { (known, share, width) } else { (known, 0, 0) }
    };
    // The first of equals wins: the comma.
    let mut best = (b',', (false, 0, 0));
    for candidate in DELIMITERS {
        let scored = score(candidate);
        if scored > best.1 {
            best = (candidate, scored);
        }
    }
    best.0
}

/// Whether every cell of the header is the name of one of the columns.
fn names_only(header: &Record, columns: &[Column]) -> bool {
    (0..header.len()).all(|at| {
        let cell = header.cell(at).and_then(|(range, quoted)| Some((header.bytes().get(range)?, quoted)));
        let text = cell.and_then(|(bytes, quoted)| Some((std::str::from_utf8(bytes).ok()?, quoted)));
        text.is_some_and(|(text, quoted)| {
            let name = if quoted { text } else { text.trim() };
            columns.iter().any(|column| column.name == name)
        })
    })
}

/// Looks for dates such as 25/12/2024 that can be read in one order only.
fn date_order(head: &[u8], whole: bool, delimiter: u8) -> Option<DateOrder> {
    let (mut day_first, mut month_first) = (false, false);
    for_each_record(head, whole, delimiter, |record| {
        for at in 0..record.len() {
            let text = record.cell(at).and_then(|(range, _)| record.bytes().get(range));
            match text.and_then(|text| std::str::from_utf8(text).ok()).and_then(DateOrder::proved_by) {
                Some(DateOrder::DayFirst) => day_first = true,
                Some(DateOrder::MonthFirst) => month_first = true,
                None => {}
            }
        }
    });
    match (day_first, month_first) {
        (true, false) => Some(DateOrder::DayFirst),
        (false, true) => Some(DateOrder::MonthFirst),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_found() {
        for (text, expected) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n3,5;4,5\n", b';'),
            ("a\tb\n\"x\ty\n,,,\"\t2\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("name\nAnn\nBob\n", b','),
            ("a,b;c\n1,2\n", b','),
            ("\"x;y;z\",b\n\"1;2;3\",2\n", b','),
            ("", b','),
        ] {
            assert_eq!(Dialect::detect(text.as_bytes(), true, &[]).delimiter, expected, "{text:?}");
        }
        let named = Dialect::detect(b"sep=;\r\na,b;c\r\n", true, &[]);
        assert_eq!((named.delimiter, named.preamble), (b';', 7));
        assert_eq!(Dialect::detect(b"sep=\t\na\tb\n", true, &[]).delimiter, b'\t');
    }

    #[test]
    fn a_header_of_known_names_decides() {
        let columns = ["a;b;c", "d;e"].map(|name| Column::new(name, crate::Kind::String));
        let text = b"a;b;c,d;e\n1;2;3,4;5\n";
        assert_eq!(Dialect::detect(text, true, &columns).delimiter, b',');
        assert_eq!(Dialect::detect(text, true, &[]).delimiter, b';');
        let one = Column::new("a\tb", crate::Kind::String);
        assert_eq!(Dialect::detect(b"a\tb\n1\n", true, &[one]).delimiter, b',');
    }

    #[test]
    fn only_a_proof_orders_dates() {
        for (text, expected) in [
            ("d\n3/4/2024\n25/12/2024\n", Some(DateOrder::DayFirst)),
            ("d\n3/4/2024\n12/25/2024 10:00\n", Some(DateOrder::MonthFirst)),
            ("d\n3/4/2024\n", None),
            ("d\n25/12/2024\n12/25/2024\n", None),
        ] {
            assert_eq!(Dialect::detect(text.as_bytes(), true, &[]).dates, expected, "{text:?}");
        }
    }
}
