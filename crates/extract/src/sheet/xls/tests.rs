//! Old workbooks written here record by record.

use crate::{Document, Error, Limits, extract};
use std::io::{Cursor, Write};

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn number(row: u16, column: u16, style: u16, value: f64) -> Vec<u8> {
    record(0x0203, &[words(&[row, column, style]), value.to_le_bytes().to_vec()].concat())
}

/// A string in one byte a character, after its length.
fn letters(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap(), 0, 0], text.as_bytes()].concat()
}

/// One sheet of a workbook: its name, its cells, and how far from the truth its place is told.
struct Sheet {
    name: &'static str,
    state: u8,
    cells: Vec<Vec<u8>>,
    off_by: i64,
}

fn sheet(name: &'static str, cells: Vec<Vec<u8>>) -> Sheet {
    Sheet { name, state: 0, cells, off_by: 0 }
}

fn stream(globals: &[Vec<u8>], sheets: &[Sheet]) -> Vec<u8> {
    let bound = |sheet: &Sheet, at: i64| {
        let name = [&[u8::try_from(sheet.name.len()).unwrap(), 0], sheet.name.as_bytes()].concat();
        let at = u32::try_from(at + sheet.off_by).unwrap();
        record(0x0085, &[&at.to_le_bytes()[..], &[sheet.state, 0], &name].concat())
    };
    let begin = record(0x0809, &words(&[0x0600, 5, 0, 0]));
    let end = record(super::END, &[]);
    let bounds: usize = sheets.iter().map(|sheet| bound(sheet, 1_000).len()).sum();
    let mut stream = [begin.clone(), globals.concat()].concat();
    let mut at = stream.len() + bounds + end.len();
    let mut bodies = Vec::new();
    for sheet in sheets {
        stream.extend(bound(sheet, at as i64));
        let body = [begin.clone(), sheet.cells.concat(), end.clone()].concat();
        at += body.len();
        bodies.extend(body);
    }
    [stream, end, bodies].concat()
}

fn compound(stream: &[u8]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(stream).unwrap();
    file.into_inner().into_inner()
}

fn read(globals: &[Vec<u8>], sheets: &[Sheet]) -> Document {
    extract(&compound(&stream(globals, sheets)), "a.xls", "", &Limits::default()).unwrap()
}

#[test]
fn cells_far_apart_are_read() {
    let dimensions = record(0x0200, &[0xff; 14]);
    let cells = vec![dimensions, number(0, 0, 0, 1.5), number(65_535, 65_535, 0, 2.0), number(9, 3, 0, -3.0)];
    let document = read(&[], &[sheet("a", cells)]);
    assert_eq!(document.text, "1.5\n\n-3\n\n2");
    assert!(document.warnings.is_empty(), "{:?}", document.warnings);
}

#[test]
fn a_sheet_elsewhere_than_told_is_named_and_the_others_read() {
    for off_by in [-8, -4, 1, 2, 7, 40, 1_000_000] {
        let wrong = Sheet { off_by, ..sheet("wrong", vec![number(0, 0, 0, 1.0)]) };
        let document = read(&[], &[wrong, sheet("right", vec![number(0, 0, 0, 2.0)])]);
        assert_eq!(document.text, "right\n\n2", "{off_by}");
        assert!(document.warnings.iter().any(|warning| warning.contains("\"wrong\"")), "{off_by}");
    }
}

#[test]
fn sheets_in_one_place_are_not_read_over_and_over() {
    let cells: Vec<Vec<u8>> = (0..1_000).map(|row| number(row, 0, 0, 7.0)).collect();
    let mut sheets = vec![sheet("s", cells)];
    sheets.extend((0..20_000).map(|_| sheet("s", vec![])));
    let mut stream = stream(&[], &sheets);
    // All of them point to the first.
    let first = stream.windows(4).position(|four| four == [0x85, 0, 9, 0]).unwrap();
    let at: [u8; 4] = stream[first + 4..first + 8].try_into().unwrap();
    for number in 0..20_001 {
        let place = first + number * 13 + 4;
        stream[place..place + 4].copy_from_slice(&at);
    }
    let document = extract(&compound(&stream), "a.xls", "", &Limits::default()).unwrap();
    let read = document.text.matches('7').count();
    assert!((1_000..100_000).contains(&read), "{read}");
}

#[test]
fn every_kind_of_cell_is_read() {
    let formats = [
        record(0x041e, &[words(&[164]), letters("yyyy\\-mm\\-dd")].concat()),
        record(0x00e0, &words(&[0, 0])),
        record(0x00e0, &words(&[0, 164])),
        record(0x00e0, &words(&[0, 46])),
        // Strings: one split between two records, where its letters become wide; one with runs.
        record(0x00fc, &[&[2, 0, 0, 0, 2, 0, 0, 0][..], &[6, 0, 0], b"Gr"].concat()),
        record(0x003c, &[&[1][..], &words(&[0xfc, 0xdf, 0x65, 0x72])].concat()),
        record(0x003c, &[&[5, 0, 8, 1, 0][..], b"plain", &[0; 4]].concat()),
    ];
    let compact = |value: i32, divided: u32| ((value << 2) as u32 | 2 | divided).to_le_bytes();
    let formula = |row: u16, column: u16, value: [u8; 8]| {
        record(0x0006, &[&words(&[row, column, 0])[..], &value, &[0; 8]].concat())
    };
    let cells = vec![
        record(0x00fd, &words(&[0, 0, 0, 0, 0])),
        record(0x00fd, &words(&[0, 1, 0, 1, 0])),
        record(0x00fd, &words(&[0, 2, 0, 9, 0])),
        number(1, 0, 1, 45_000.0),
        number(1, 1, 2, 1.5),
        record(0x027e, &[&words(&[2, 0, 0])[..], &compact(-1_234, 1)].concat()),
        record(
            0x00bd,
            &[&words(&[2, 1, 0])[..], &compact(5, 0), &words(&[0]), &compact(6, 0), &words(&[2])].concat(),
        ),
        record(0x0204, &[words(&[3, 0, 0]), letters("label")].concat()),
        record(0x0205, &[&words(&[3, 1, 0])[..], &[1, 0]].concat()),
        record(0x0205, &[&words(&[3, 2, 0])[..], &[7, 1]].concat()),
        formula(4, 0, [0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        record(0x0207, &letters("text of a formula")),
        formula(4, 1, [1, 0, 1, 0, 0, 0, 0xff, 0xff]),
        formula(4, 2, 2.5_f64.to_le_bytes()),
        record(0x0207, &letters("of no formula")),
        // A chart within the sheet has cells of its own.
        record(0x0809, &words(&[0x0600, 0x20])),
        number(5, 0, 0, 99.0),
        record(super::END, &[]),
        number(5, 0, 0, 8.0),
        record(0x0205, &[&words(&[5, 1, 0])[..], &[9, 1]].concat()),
        record(0x0203, &[1]),
    ];
    let document = read(&formats, &[sheet("a", cells)]);
    let rows = [
        "Grüße | plain",
        "2023-03-15 | 36:00:00",
        "-12.34 | 5 | 6",
        "label | true | #DIV/0!",
        "text of a formula | true | 2.5",
        "8",
    ];
    // The letters above are those of `Gr\u{fc}\u{df}er`.
    assert_eq!(document.text, rows.join("\n").replace("Grüße", "Grüßer"));
}

#[test]
fn numbers_are_shown_as_the_book_shows_them() {
    let formats = [
        record(0x041e, &[words(&[164]), letters("0.0%")].concat()),
        record(0x041e, &[words(&[165]), letters("\"$\"#,##0.00_);(\"$\"#,##0.00)")].concat()),
        record(0x041e, &[words(&[166]), letters("[h]:mm")].concat()),
        record(0x00e0, &words(&[0, 164])),
        record(0x00e0, &words(&[0, 165])),
        record(0x00e0, &words(&[0, 166])),
        record(0x00e0, &words(&[0, 20])),
        record(0x00e0, &words(&[0, 2])),
        record(0x00e0, &words(&[0, 0])),
    ];
    let values = [0.273, -1_234.5, 1.5, 309.0 / 1_440.0, 12.0, -0.044_000_000_000_000_004];
    let cells = (0..).zip(values).map(|(at, value)| number(0, at, at, value)).collect();
    let document = read(&formats, &[sheet("a", cells)]);
    assert_eq!(document.text, "27.3% | -$1234.50 | 36:00 | 05:09 | 12.00 | -0.044");
}

#[test]
fn hidden_sheets_and_encrypted_books_are_told() {
    let hidden = Sheet { state: 1, ..sheet("secret", vec![number(0, 0, 0, 1.0)]) };
    let document = read(&[], &[hidden, sheet("open", vec![number(0, 0, 0, 2.0)])]);
    assert_eq!(document.text, "2");
    assert!(document.warnings.iter().any(|warning| warning.contains("\"secret\"")));
    let locked = stream(&[record(0x002f, &[0; 6])], &[]);
    let refused = extract(&compound(&locked), "a.xls", "", &Limits::default());
    assert!(matches!(refused, Err(Error::Encrypted)), "{refused:?}");
    let none = extract(&compound(b"no records"), "a.xls", "", &Limits::default());
    assert!(matches!(none, Err(Error::Broken { .. })), "{none:?}");
}

#[test]
fn books_before_1997_are_in_their_own_letters() {
    let begin = record(0x0809, &words(&[0x0500, 5]));
    let end = record(super::END, &[]);
    let page = record(0x0042, &words(&[1251]));
    let bound = |at: u32| record(0x0085, &[&at.to_le_bytes()[..], &[0, 0, 1], b"s"].concat());
    let format = record(0x041e, &[&[164, 0, 4][..], b"yyyy"].concat());
    let head = |at| {
        [
            begin.clone(),
            page.clone(),
            format.clone(),
            record(0x00e0, &words(&[0, 164])),
            bound(at),
            end.clone(),
        ]
        .concat()
    };
    let at = u32::try_from(head(0).len()).unwrap();
    let label = record(0x0204, &[&words(&[0, 0, 0, 3])[..], &[0xc4, 0xe0, 0x21]].concat());
    let body = [begin.clone(), label, number(0, 1, 0, 45_000.0), end.clone()].concat();
    let bytes = compound(&[head(at), body].concat());
    let document = extract(&bytes, "a.xls", "", &Limits::default()).unwrap();
    assert_eq!(document.text, "Да! | 2023-03-15");
}
