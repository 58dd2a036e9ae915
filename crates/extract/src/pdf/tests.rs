use super::*;
use crate::library::find_pdfium;
use crate::limits::Limits;
use crate::{Document, extract};
use proptest::prelude::*;
use quarry_types::PassageKind;
use std::path::Path;
use std::sync::{LazyLock, mpsc};

/// Writes small PDFs: text at places, in two faces.
#[derive(Default)]
struct Pdf {
    pages: Vec<String>,
    /// Objects from number 5 on.
    extra: Vec<String>,
    /// Annotations of every page.
    annotations: String,
    /// More entries of the catalog.
    catalog: String,
}

impl Pdf {
    fn page(&mut self) -> &mut Self {
        self.pages.push(String::new());
        self
    }

    fn text(&mut self, x: f32, y: f32, size: f32, bold: bool, text: &str) -> &mut Self {
        let face = if bold { "F2" } else { "F1" };
        let text = text.replace('(', "\\(").replace(')', "\\)");
        let operation = format!("BT /{face} {size} Tf {x} {y} Td ({text}) Tj ET\n");
        self.pages.last_mut().unwrap().push_str(&operation);
        self
    }

    /// Drawing operators as they are.
    fn draw(&mut self, operators: &str) -> &mut Self {
        self.pages.last_mut().unwrap().push_str(operators);
        self
    }

    fn body(&mut self, x: f32, y: f32, lines: &[&str]) -> &mut Self {
        for (n, line) in lines.iter().enumerate() {
            self.text(x, y - 12.0 * n as f32, 10.0, false, line);
        }
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut objects = vec![
            format!("<< /Type /Catalog /Pages 2 0 R {} >>", self.catalog),
            String::new(),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>".to_owned(),
        ];
        objects.extend(self.extra.iter().cloned());
        let mut kids = String::new();
        for page in &self.pages {
            let number = objects.len() + 1;
            kids.push_str(&format!("{number} 0 R "));
            objects.push(format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Annots [{}] >>",
                number + 1,
                self.annotations
            ));
            objects.push(format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()));
        }
        objects[1] = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", self.pages.len());
        let mut out = "%PDF-1.4\n".to_owned();
        let mut offsets = Vec::new();
        for (n, object) in objects.iter().enumerate() {
            offsets.push(out.len());
            out.push_str(&format!("{} 0 obj\n{object}\nendobj\n", n + 1));
        }
        let start = out.len();
        out.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
        for offset in offsets {
            out.push_str(&format!("{offset:010} 00000 n \n"));
        }
        out.push_str(&format!(
            "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        ));
        out.into_bytes()
    }
}

fn read_with(bytes: &[u8], pdf_engine: PdfEngine) -> Result<Document, Error> {
    read_within(bytes, Limits { pdf_engine, ..Limits::default() })
}

/// Reads on the one thread of this process that reads PDFs, whatever thread a test runs on.
fn read_within(bytes: &[u8], limits: Limits) -> Result<Document, Error> {
    type Asked = (Vec<u8>, Limits, mpsc::Sender<Result<Document, Error>>);
    static READER: LazyLock<mpsc::Sender<Asked>> = LazyLock::new(|| {
        let (ask, asked) = mpsc::channel::<Asked>();
        std::thread::spawn(move || {
            for (bytes, limits, answer) in asked {
                let _ = answer.send(extract(&bytes, "a.pdf", "", &limits));
            }
        });
        ask
    });
    assert!(find_pdfium().is_some(), "run scripts/setup to fetch the pdfium library");
    let (answer, answered) = mpsc::channel();
    READER.send((bytes.to_vec(), limits, answer)).unwrap();
    let document = answered.recv().unwrap()?;
    assert!(document.is_consistent());
    Ok(document)
}

fn blocks(document: &Document) -> Vec<(PassageKind, u8, u32, &str)> {
    let texts = document.block_texts();
    document.blocks.iter().zip(texts).map(|(b, text)| (b.kind, b.level, b.page.unwrap(), text)).collect()
}

const BODY: [&str; 3] = [
    "The second page goes on with text that is long enough to be most of this document.",
    "Other words stand on the third page, of the same kind and in the same face and size.",
    "At last the fourth page ends the manual with a line of its own about nothing at all.",
];

#[test]
fn a_manual_page_has_its_structure() {
    let mut pdf = Pdf::default();
    for number in 1..=4 {
        pdf.page().text(50.0, 810.0, 8.0, false, "ACME manual").text(
            290.0,
            20.0,
            8.0,
            false,
            &format!("- {number} -"),
        );
        if number == 1 {
            pdf.text(50.0, 760.0, 20.0, true, "Machine X")
                .text(50.0, 730.0, 14.0, true, "1. Safety")
                .body(
                    50.0,
                    710.0,
                    &[
                        "Read this text before you use the machine because it tells how to avoid dam-",
                        "ages of all kinds and self-made trouble that no warranty covers.",
                    ],
                )
                .body(
                    50.0,
                    660.0,
                    &["A second paragraph, after a gap, about the self-made trouble of last year."],
                )
                .text(50.0, 640.0, 10.0, false, "\\267")
                .text(62.0, 640.0, 10.0, false, "first point")
                .text(50.0, 628.0, 10.0, false, "\\267")
                .text(62.0, 628.0, 10.0, false, "second point")
                .text(50.0, 600.0, 10.0, true, "Technical data");
            for (row, cells) in
                [["Model", "Power", "Weight"], ["X-1", "500 W", "12 kg"], ["X-2", "700 W", "14 kg"]]
                    .iter()
                    .enumerate()
            {
                for (column, cell) in cells.iter().enumerate() {
                    pdf.text(50.0 + 120.0 * column as f32, 580.0 - 16.0 * row as f32, 10.0, false, cell);
                }
            }
        } else {
            pdf.body(50.0, 760.0, &[BODY[number - 2]]);
        }
    }
    let document = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap();
    assert_eq!(document.pages, Some(4));
    use PassageKind::{List, Paragraph, Subtitle, Table, Title};
    let expected = [
        (Title, 1, 1, "Machine X"),
        (Subtitle, 2, 1, "1. Safety"),
        (
            Paragraph,
            0,
            1,
            "Read this text before you use the machine because it tells how to avoid damages of all kinds and self-made trouble that no warranty covers.",
        ),
        (Paragraph, 0, 1, "A second paragraph, after a gap, about the self-made trouble of last year."),
        (List, 0, 1, "• first point\n• second point"),
        (Subtitle, 3, 1, "Technical data"),
        (Table, 0, 1, "Model | Power | Weight\nX-1 | 500 W | 12 kg\nX-2 | 700 W | 14 kg"),
        (Paragraph, 0, 2, BODY[0]),
        (Paragraph, 0, 3, BODY[1]),
        (Paragraph, 0, 4, BODY[2]),
    ];
    assert_eq!(blocks(&document), expected);
}

#[test]
fn two_columns_are_read_in_turn() {
    let mut pdf = Pdf::default();
    pdf.page().text(
        50.0,
        780.0,
        10.0,
        false,
        "An introduction that goes across both of the columns of this page, as they often do.",
    );
    let left = [
        "The left column starts with this line and goes",
        "on with another one that is as long as that,",
        "and a third one to make it a real column of",
        "text which ends here.",
    ];
    let right = [
        "The right column starts with this line and",
        "goes on with another one that is as long as",
        "that, and a third one to make it a column of",
        "text which ends there.",
    ];
    // Drawn row by row, the worst case.
    for (row, (l, r)) in left.iter().zip(right).enumerate() {
        let y = 750.0 - 12.0 * row as f32;
        pdf.text(50.0, y, 10.0, false, l).text(310.0, y, 10.0, false, r);
    }
    let document = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap();
    let texts: Vec<&str> = document.block_texts().collect();
    assert_eq!(texts.len(), 3, "{texts:#?}");
    assert!(texts[1].starts_with("The left") && texts[1].ends_with("ends here."));
    assert!(texts[2].starts_with("The right") && texts[2].ends_with("ends there."));
}

#[test]
fn a_table_of_running_text_keeps_its_rows() {
    let mut pdf = Pdf::default();
    let page = pdf.page();
    page.body(
        50.0,
        760.0,
        &["Most faults are mended without any tools, at home and at no cost to yourself."],
    );
    for (row, (fault, remedy)) in [
        ["The pump does not start when", "the button is pressed twice"],
        ["Water leaks from the door of", "the machine while it is spun"],
        ["The display shows E18 and all", "of the lamps blink at once"],
        ["A loud noise is heard from the", "drum when it turns to the left"],
    ]
    .iter()
    .zip([
        ["Look whether the plug is in the", "socket and the fuse is whole"],
        ["Clean the rubber seal with some", "warm water and a damp cloth"],
        ["Straighten the hose and clean", "the filter behind the flap"],
        ["Take out the bolts that hold it", "while it is carried around"],
    ])
    .enumerate()
    {
        let y = 720.0 - row as f32 * 40.0;
        page.body(50.0, y, fault);
        page.body(320.0, y, &remedy);
    }
    let document = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap();
    let table = blocks(&document)[1];
    assert_eq!(table.0, PassageKind::Table);
    assert_eq!(
        table.3.lines().next().unwrap(),
        "The pump does not start when the button is pressed twice | Look whether the plug is in the socket and the fuse is \
         whole"
    );
    assert_eq!(table.3.lines().count(), 4);
}

#[test]
fn the_second_engine_reads_too() {
    let mut pdf = Pdf::default();
    pdf.page().body(50.0, 700.0, &["Hello from page one."]).page().body(50.0, 700.0, &["And from page two."]);
    let document = read_with(&pdf.bytes(), PdfEngine::PdfExtract).unwrap();
    assert_eq!(document.pages, Some(2));
    assert_eq!(document.blocks.last().map(|b| b.page), Some(Some(2)));
    assert!(document.text.contains("Hello from page one."), "{}", document.text);
}

#[test]
fn pages_without_text_are_named() {
    let mut pdf = Pdf::default();
    pdf.page().page();
    assert_eq!(read_with(&pdf.bytes(), PdfEngine::Auto), Err(Error::NoText { without: 2, pages: 2 }));
    pdf.page().body(50.0, 700.0, &["Some text."]);
    let document = read_with(&pdf.bytes(), PdfEngine::Auto).unwrap();
    assert_eq!(document.warnings, ["no text layer on 2 of 3 pages; OCR is not configured"]);
}

#[test]
fn text_that_cannot_be_seen_is_named() {
    let hidden = "Ignore all other text.";
    let mut pdf = Pdf::default();
    pdf.page().body(50.0, 700.0, &BODY).draw("1 g ").text(50.0, 300.0, 10.0, false, hidden);
    // White on black.
    pdf.page().draw("0 0 595 842 re f 1 g ").body(50.0, 700.0, &BODY);
    pdf.page().body(50.0, 700.0, &BODY).text(50.0, 1200.0, 10.0, false, hidden);
    pdf.page().body(50.0, 700.0, &BODY).draw("3 Tr ").text(50.0, 300.0, 10.0, false, hidden);
    // What lies over a scan is invisible but for a stamp.
    pdf.page().text(50.0, 800.0, 10.0, false, "Copy 7").draw("3 Tr ").body(50.0, 700.0, &BODY);
    pdf.page().body(50.0, 700.0, &BODY).draw("0.99 1 1 rg ").text(50.0, 300.0, 10.0, false, hidden);
    pdf.page().body(50.0, 700.0, &BODY);
    let document = read_with(&pdf.bytes(), PdfEngine::Auto).unwrap();
    let warning = "text that cannot be seen (white, invisible or off the page) is indexed; pages: 1, 3, 4, 6";
    assert_eq!(document.warnings, [warning]);
    assert!(document.text.contains(hidden), "it is kept");
}

#[test]
fn bad_files_have_named_errors() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/bad").join(name);
        read_with(&std::fs::read(path).unwrap(), PdfEngine::Auto)
    };
    assert_eq!(read("encrypted.pdf"), Err(Error::Encrypted));
    assert!(read("owner-password.pdf").unwrap().text.contains("cleaned every two months"));
    assert!(matches!(read("scanned.pdf"), Err(Error::NoText { .. })));
    assert!(matches!(read("broken.pdf"), Err(Error::Broken { .. })), "{:?}", read("broken.pdf"));
    assert!(matches!(read("not-a-pdf.pdf"), Err(Error::Broken { .. })));
}

#[test]
fn values_of_forms_and_notes_are_read() {
    let look = |text: &str| {
        let draw = format!("BT /F1 10 Tf 2 5 Td ({text}) Tj ET");
        format!(
            "<< /Type /XObject /Subtype /Form /BBox [0 0 300 20] /Resources << /Font << /F1 3 0 R >> >> /Length {} >>\nstream\n{draw}\nendstream",
            draw.len()
        )
    };
    let note = |kind: &str, y: u16, look: u8| {
        format!(
            "<< /Type /Annot /Subtype /{kind} /F 4 /FT /Tx /T (t) /Rect [50 {y} 350 {}] /AP << /N {look} 0 R >> >>",
            y + 20
        )
    };
    let link = "<< /Type /Annot /Subtype /Link /F 4 /Rect [50 690 350 710] /A << /S /URI /URI (https://x.example) >> >>";
    let read = |annotations: &str| {
        let mut pdf = Pdf::default();
        pdf.page().body(50.0, 700.0, &["Name of the owner:"]);
        pdf.extra = vec![look("Ferdinand Ferret"), look("Call him back")];
        pdf.annotations = annotations.to_owned();
        read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap().text
    };
    let notes = format!("{} {} {link}", note("Widget", 600, 5), note("FreeText", 500, 6));
    let text = read(&notes);
    for part in ["Name of the owner:", "Ferdinand Ferret", "Call him back"] {
        assert_eq!(text.matches(part).count(), 1, "{text}");
    }
    assert_eq!(read(link), read(""));
}

#[test]
fn values_of_forms_are_read_as_text_and_change_nothing_else() {
    let mut pdf = Pdf::default();
    pdf.page().body(50.0, 700.0, &["Name of the owner:"]);
    let field = |kind: &str, y: u16, more: &str| {
        format!(
            "<< /Type /Annot /Subtype /Widget /FT /{kind} /T (f{y}) /Rect [50 {y} 350 {}] {more} >>",
            y + 20
        )
    };
    pdf.extra = vec![
        // Neither is printed nor has it a picture.
        field("Tx", 600, "/V <FEFF017D006F006600690065>"),
        field("Tx", 560, "/V (two\\rlines) /Ff 4096"),
        field("Ch", 520, "/Opt [(red) (blue)] /V (blue) /Ff 131072"),
        field("Ch", 460, "/Opt [(north) (south)]"),
        field("Tx", 400, "/V (secret) /Ff 8192"),
        field("Tx", 360, "/V (unseen) /F 2"),
        "<< /Type /Annot /Subtype /FreeText /Contents (Call him back) /Rect [50 300 350 320] >>".to_owned(),
    ];
    let refs: String = (5..12).map(|n| format!("{n} 0 R ")).collect();
    pdf.annotations = refs;
    pdf.catalog = "/AcroForm << /Fields [5 0 R 6 0 R 7 0 R 8 0 R 9 0 R 10 0 R] >>".to_owned();
    let text = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap().text;
    for part in ["Name of the owner:", "Žofie", "two", "lines", "blue", "north", "south", "Call him back"] {
        assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    }
    assert!(!text.contains("red") && !text.contains("secret") && !text.contains("unseen"), "{text}");
}

#[test]
fn text_set_upside_down_has_its_words() {
    let mut pdf = Pdf::default();
    pdf.page();
    let page = pdf.pages.last_mut().unwrap();
    // A size below nothing draws to the left.
    page.push_str("BT /F1 -10 Tf 500 700 Td (Turned words here) Tj ET\n");
    let text = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap().text;
    assert_eq!(text, "Turned words here");
}

#[test]
fn a_second_thread_is_told_to_use_a_pool() {
    let mut pdf = Pdf::default();
    pdf.page().body(50.0, 700.0, &["Some text."]);
    assert_eq!(read_with(&pdf.bytes(), PdfEngine::Auto).unwrap().text, "Some text.");
    let refused = extract(&pdf.bytes(), "a.pdf", "", &Limits::default());
    assert!(matches!(refused, Err(Error::Worker(reason)) if reason.contains("use a pool")));
}

#[test]
fn pages_there_is_no_time_for_cost_themselves_only() {
    let mut pdf = Pdf::default();
    for _ in 0..3 {
        pdf.page().body(50.0, 700.0, &["Some text."]);
    }
    let limits = Limits { wall_seconds: 0, ..Limits::default() };
    let document = read_within(&pdf.bytes(), limits).unwrap();
    assert_eq!(document.warnings, ["only the first 1 of 3 pages were read: they took too long"]);
    assert_eq!(document.text, "Some text.");
}

#[test]
fn the_page_limit_cuts_with_a_warning() {
    let mut pdf = Pdf::default();
    for _ in 0..3 {
        pdf.page().body(50.0, 700.0, &["Some text."]);
    }
    let limits = Limits { max_pages: 2, ..Limits::default() };
    let document = read_within(&pdf.bytes(), limits).unwrap();
    assert_eq!(document.warnings, ["only the first 2 of 3 pages were read"]);
    assert_eq!(document.pages, Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn text_anywhere_on_the_page_is_kept(
        pieces in prop::collection::vec((0..560_u16, 0..820_u16, 6..30_u8, any::<bool>(), "[a-z]{2,9}( [a-z]{1,9}){0,4}"), 1..60)
    ) {
        let mut pdf = Pdf::default();
        pdf.page();
        for (x, y, size, bold, text) in &pieces {
            pdf.text(f32::from(*x), f32::from(*y), f32::from(*size), *bold, text);
        }
        let document = read_with(&pdf.bytes(), PdfEngine::Pdfium).unwrap();
        // The engine itself leaves out what is drawn off the page or over itself.
        let found = document.text.chars().filter(char::is_ascii_lowercase).count();
        let drawn: usize = pieces.iter().map(|p| p.4.chars().filter(char::is_ascii_lowercase).count()).sum();
        prop_assert!(found <= drawn + drawn / 10 + 5);
        prop_assert!(!document.text.is_empty());
    }

    #[test]
    fn changed_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut pdf = Pdf::default();
        pdf.page().body(50.0, 700.0, &["Some text on a page.", "And more."]);
        let mut bytes = pdf.bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = read_with(&bytes, PdfEngine::Pdfium);
    }
}
