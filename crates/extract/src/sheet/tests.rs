//! Workbooks in zip containers, written here part by part.

use crate::{Document, Error, Limits, extract};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

fn zipped(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(
            *name,
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
        )
        .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook of one sheet with these rows.
fn xlsx(rows: &str, strings: &str) -> Vec<u8> {
    styled_xlsx(rows, strings, "")
}

/// A workbook of one sheet with these rows and, between the tags of its part for styles, these.
fn styled_xlsx(rows: &str, strings: &str, styles: &str) -> Vec<u8> {
    let relation = |id: &str, kind: &str, target: &str| {
        format!(
            r#"<Relationship Id="{id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/>"#
        )
    };
    let relations = |inner: String| {
        format!(
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>"#
        )
    };
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    zipped(&[
        ("_rels/.rels", &relations(relation("r1", "officeDocument", "xl/workbook.xml"))),
        (
            "xl/workbook.xml",
            &format!(
                r#"<workbook xmlns="{main}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>"#
            ),
        ),
        ("xl/_rels/workbook.xml.rels", &relations(relation("r1", "worksheet", "worksheets/sheet1.xml"))),
        ("xl/sharedStrings.xml", strings),
        ("xl/styles.xml", &format!(r#"<styleSheet xmlns="{main}">{styles}</styleSheet>"#)),
        (
            "xl/worksheets/sheet1.xml",
            &format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#),
        ),
    ])
}

fn ods(tables: &str) -> Vec<u8> {
    let content = format!(
        r#"<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x" xmlns:style="s"><office:automatic-styles><style:style style:name="off"><style:table-properties table:display="false"/></style:style></office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"#
    );
    zipped(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", &content)])
}

fn read(bytes: &[u8], name: &str) -> Document {
    extract(bytes, name, "", &Limits::default()).unwrap()
}

const NO_STRINGS: &str = r#"<sst uniqueCount="0"></sst>"#;

#[test]
fn cells_far_apart_are_read() {
    let rows = r#"<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row><row r="1048576"><c r="XFD1048576"><v>3</v></c><c r="A1048576"><v>4</v></c></row>"#;
    let document = read(&xlsx(rows, NO_STRINGS), "a.xlsx");
    assert_eq!(document.text, "1 | 2\n\n4 | 3");
}

#[test]
fn strings_are_shared_and_not_reserved_on_a_claim() {
    let row = r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#;
    let strings = |count: &str| format!(r#"<sst uniqueCount="{count}"><si><t>shared</t></si></sst>"#);
    assert_eq!(read(&xlsx(row, &strings("1")), "a.xlsx").text, "shared");
    assert_eq!(read(&xlsx(row, &strings("20")), "a.xlsx").text, "shared", "a small lie does no harm");
    for count in ["1000000000000", "18446744073709551615"] {
        let refused = extract(&xlsx(row, &strings(count)), "a.xlsx", "", &Limits::default());
        assert!(matches!(refused, Err(Error::Broken { .. })), "{refused:?}");
    }
}

#[test]
fn numbers_are_shown_as_the_workbook_shows_them() {
    let codes =
        ["0.0%", "#,##0.00\\ &quot;€&quot;", "hh:mm", "[h]:mm", "yyyy\\-mm\\-dd", "0.00E+00", "[$$-409]0"];
    let formats =
        (164..).zip(codes).map(|(id, code)| format!(r#"<numFmt numFmtId="{id}" formatCode="{code}"/>"#));
    let numbers = (164..).take(codes.len()).chain([0, 2, 20, 44]);
    let styles = numbers.map(|id| format!(r#"<xf numFmtId="{id}"/>"#)).collect::<String>();
    let styles = format!("<numFmts>{}</numFmts><cellXfs>{styles}</cellXfs>", formats.collect::<String>());
    let cells = [
        (0, "0.273", "27.3%"),
        (0, "-4.4000000000000004E-2", "-4.4%"),
        (1, "1234.5", "1234.50 €"),
        (2, "0.21458333333333335", "05:09"),
        (3, "1.5", "36:00"),
        (4, "45000", "2023-03-15"),
        (5, "1234", "1234"),
        (6, "5", "$5"),
        (7, "0.30000000000000004", "0.3"),
        (8, "12", "12.00"),
        (9, "0.5", "12:00"),
        (10, "7", "7.00"),
        (99, "1.5", "1.5"),
    ];
    let row = |(number, (style, value, _)): (usize, &(usize, &str, &str))| {
        format!(r#"<row r="{number}"><c r="A{number}" s="{style}"><v>{value}</v></c></row>"#)
    };
    let rows = (1..).zip(&cells).map(row).collect::<String>();
    let shown = cells.map(|(_, _, shown)| shown).join("\n");
    assert_eq!(read(&styled_xlsx(&rows, NO_STRINGS, &styles), "a.xlsx").text, shown);
}

#[test]
fn two_tables_of_a_sheet_under_a_title_are_told_apart() {
    let texts = ["Title", "Code", "Meaning", "Load", "Cups", "E1", "E2", "hose", "pump", "1 kg", "2 kg"];
    let strings = texts.map(|text| format!("<si><t>{text}</t></si>")).concat();
    let cell = |name: &str, text: &str| match texts.iter().position(|known| *known == text) {
        Some(at) => format!(r#"<c r="{name}" t="s"><v>{at}</v></c>"#),
        None => format!(r#"<c r="{name}"><v>{text}</v></c>"#),
    };
    let row = |cells: &[(&str, &str)]| {
        format!("<row>{}</row>", cells.iter().map(|(name, text)| cell(name, text)).collect::<String>())
    };
    let rows = [
        row(&[("A1", "Title")]),
        row(&[("A2", "Code"), ("B2", "Meaning"), ("D2", "Load"), ("E2", "Cups")]),
        row(&[("A3", "E1"), ("B3", "5"), ("D3", "1 kg"), ("E3", "2")]),
        row(&[("A4", "E2"), ("B4", "6"), ("D4", "2 kg"), ("E4", "4")]),
        row(&[("D5", "pump"), ("E5", "6")]),
        row(&[("D6", "hose"), ("E6", "8")]),
    ];
    let document = read(&xlsx(&rows.concat(), &format!("<sst>{strings}</sst>")), "a.xlsx");
    let tables =
        ["Title", "Code | Meaning\nE1 | 5\nE2 | 6", "Load | Cups\n1 kg | 2\n2 kg | 4\npump | 6\nhose | 8"];
    assert_eq!(document.text, tables.join("\n\n"));
}

#[test]
fn open_document_shares_amounts_and_times_are_shown() {
    let cell = |kind: &str, value: &str, shown: &str| {
        let attributes = format!(r#"office:value-type="{kind}" office:{value}"#);
        format!("<table:table-cell {attributes}><text:p>{shown}</text:p></table:table-cell>")
    };
    let cells = [
        cell("percentage", r#"value="0.273""#, "27,3 %"),
        cell("percentage", r#"value="-0.044000000000000004""#, "-4.40%"),
        cell("currency", r#"value="1234.5" office:currency="EUR""#, "1.234,50 €"),
        cell("currency", r#"value="5""#, "five"),
        cell("float", r#"value="0.30000000000000004""#, "0.3"),
        cell("time", r#"time-value="PT05H09M00S""#, "05:09"),
        cell("time", r#"time-value="PT36H00M00S""#, "36:00:00"),
        cell("time", r#"time-value="P1Y""#, "a year"),
    ];
    let document = read(&ods(&table(&row(&cells.concat(), ""), r#"table:name="s""#)), "a.ods");
    assert_eq!(document.text, "27.3 % | -4.40% | 1234.50 € | 5 | 0.3 | 05:09 | 36:00:00 | P1Y");
}

fn cell(text: &str, more: &str) -> String {
    format!(
        r#"<table:table-cell office:value-type="string" {more}><text:p>{text}</text:p></table:table-cell>"#
    )
}

fn row(cells: &str, more: &str) -> String {
    format!("<table:table-row {more}>{cells}</table:table-row>")
}

fn table(rows: &str, more: &str) -> String {
    format!("<table:table {more}>{rows}</table:table>")
}

#[test]
fn repeated_cells_and_rows_cost_what_they_hold() {
    let gap = r#"<table:table-cell table:number-columns-repeated="1000000"/>"#;
    let far = format!("{}{gap}{}", cell("a", ""), cell("b", ""));
    let rows = [
        row(&far, ""),
        row(&cell("c", ""), ""),
        row(gap, r#"table:number-rows-repeated="1000000""#),
        row(&cell("d", r#"table:number-columns-repeated="2""#), r#"table:number-rows-repeated="2""#),
    ];
    let document = read(&ods(&table(&rows.concat(), r#"table:name="s""#)), "a.ods");
    assert_eq!(document.text, "a | b\nc\n\nd | d\nd | d");
    assert!(document.warnings.is_empty(), "{:?}", document.warnings);

    let most = "4294967295";
    let wide = cell("x", &format!(r#"table:number-columns-repeated="{most}""#)).repeat(30);
    let rows = row(&wide, &format!(r#"table:number-rows-repeated="{most}""#)).repeat(3);
    let limits = Limits { max_text_chars: 200_000, ..Limits::default() };
    let bytes = ods(&table(&rows, r#"table:name="s""#));
    let document = extract(&bytes, "a.ods", "", &limits).unwrap();
    assert!(document.text.starts_with("x | x"));
    assert!(document.warnings.iter().any(|warning| warning.contains("repeats")), "{:?}", document.warnings);
}

#[test]
fn sheets_give_the_values_of_their_kinds() {
    let value = |kind: &str, value: &str, shown: &str| {
        let attributes = format!(r#"office:value-type="{kind}" office:{value}"#);
        format!("<table:table-cell {attributes}><text:p>{shown}</text:p></table:table-cell>")
    };
    let kinds = [
        value("float", r#"value="12.50""#, "12,50"),
        value("date", r#"date-value="2026-04-01""#, "1. April"),
        value("boolean", r#"boolean-value="true""#, "WAHR"),
        value("string", r#"string-value="""#, "two<text:s/>words"),
    ];
    let noted = r#"<table:table-cell office:value-type="string"><office:annotation><text:p>a note</text:p></office:annotation><text:p>one</text:p><text:p>two</text:p></table:table-cell>"#;
    let shown = table(&(row(&kinds.concat(), "") + &row(noted, "")), r#"table:name="first""#);
    let hidden = table(&row(&cell("secret", ""), ""), r#"table:name="other" table:style-name="off""#);
    let last = table(&row(&cell("end", ""), ""), r#"table:name="last""#);
    let document = read(&ods(&format!("{shown}{hidden}{last}")), "a.ods");
    assert_eq!(document.text, "first\n\n12.5 | 2026-04-01 | true | two words\none two\n\nlast\n\nend");
    assert!(document.warnings.iter().any(|warning| warning.contains("\"other\"")), "{:?}", document.warnings);
}

#[test]
fn a_damaged_sheet_keeps_what_came_before() {
    let bytes = ods(&(row(&cell("lost", ""), "")
        + &table(&row(&cell("kept", ""), ""), r#"table:name="s""#)
        + "<!--"));
    let document = read(&bytes, "a.ods");
    assert_eq!(document.text, "kept");
    assert!(!document.warnings.is_empty());
    let locked = zipped(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", "<manifest:encryption-data/>"),
        ("content.xml", "noise"),
    ]);
    let refused = extract(&locked, "a.ods", "", &Limits::default());
    assert!(matches!(refused, Err(Error::Encrypted)), "{refused:?}");
}

#[test]
fn rows_repeated_some_times_leave_room_for_what_follows() {
    let cell = |text: &str| format!(r#"<table:table-cell><text:p>{text}</text:p></table:table-cell>"#);
    let rows =
        format!(r#"<table:table-row table:number-rows-repeated="40">{}</table:table-row>"#, cell("again"));
    let last = format!("<table:table-row>{}</table:table-row>", cell("last"));
    let sheets = format!(
        r#"<table:table table:name="a">{rows}{last}</table:table><table:table table:name="b">{last}</table:table>"#
    );
    let document = read(&ods(&sheets), "a.ods");
    assert_eq!(document.text.matches("again").count(), 40);
    assert_eq!(document.text.matches("last").count(), 2);
    assert!(document.warnings.is_empty(), "{:?}", document.warnings);
}

#[test]
fn a_hidden_sheet_that_is_full_hides_no_other() {
    let many = r#"<table:table-row table:number-rows-repeated="1000"><table:table-cell table:number-columns-repeated="1000"><text:p>twenty characters of</text:p></table:table-cell></table:table-row>"#;
    let one = "<table:table-row><table:table-cell><text:p>seen</text:p></table:table-cell></table:table-row>";
    let sheets = format!(
        r#"<table:table table:name="h" table:style-name="off">{many}</table:table><table:table table:name="v">{one}</table:table>"#
    );
    assert_eq!(read(&ods(&sheets), "a.ods").text.trim(), "seen");
    let shown = sheets.replace(r#" table:style-name="off""#, "");
    let document = read(&ods(&shown), "a.ods");
    assert!(document.warnings.iter().any(|warning| warning.contains("left out")), "{:?}", document.warnings);
}

#[test]
fn a_list_of_strings_that_claims_too_much_is_refused_by_any_name() {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    for claim in [r#"uniqueCount="1000000000000""#, r#"x:uniqueCount="0" uniqueCount="1000000000000""#] {
        let strings = format!(r#"<sst xmlns="{main}" xmlns:x="x" {claim}><si><t>a</t></si></sst>"#);
        let bytes = xlsx("", &strings);
        let refused = extract(&bytes, "a.xlsx", "", &Limits::default()).unwrap_err();
        assert!(matches!(refused, Error::Broken { .. }), "{claim}: {refused:?}");
    }
}
