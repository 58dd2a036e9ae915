//! The sample files of every format read as their originals do.

use crate::{Document, Error, Limits, extract};
use proptest::prelude::*;
use quarry_types::PassageKind;
use std::collections::BTreeMap;
use std::path::Path;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name);
    std::fs::read(path).unwrap()
}

fn read(name: &str) -> Document {
    let file = name.rsplit('/').next().unwrap();
    extract(&sample(name), file, "application/octet-stream", &Limits::default()).unwrap()
}

fn words(text: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    words
}

/// The share of the words of `wanted` that `found` has.
fn recall(wanted: &str, found: &str) -> f64 {
    let (wanted, found) = (words(wanted), words(found));
    let all: usize = wanted.values().sum();
    let kept: usize =
        wanted.iter().map(|(word, count)| found.get(word).copied().unwrap_or(0).min(*count)).sum();
    kept as f64 / all as f64
}

fn blocks(document: &Document, kind: PassageKind) -> Vec<&str> {
    let blocks = document.blocks.iter().zip(document.block_texts());
    blocks.filter(|(block, _)| block.kind == kind).map(|(_, text)| text).collect()
}

#[test]
fn word_formats_read_as_their_original() {
    let original = read("docs/warranty-terms.docx");
    for name in ["doc", "rtf", "odt"] {
        let document = read(&format!("formats/warranty-terms.{name}"));
        let (recall, precision) =
            (recall(&original.text, &document.text), recall(&document.text, &original.text));
        assert!(recall > 0.995 && precision > 0.97, "{name}: recall {recall:.3}, precision {precision:.3}");
        assert_eq!(document.title, original.title, "{name}");
        let headings = |document: &Document| -> Vec<String> {
            let blocks = document.blocks.iter().zip(document.block_texts());
            blocks.filter(|(block, _)| block.level > 0).map(|(_, text)| text.to_owned()).collect()
        };
        assert_eq!(headings(&document), headings(&original), "{name}");
        assert_eq!(blocks(&document, PassageKind::Table), blocks(&original, PassageKind::Table), "{name}");
        let lists = blocks(&document, PassageKind::List).len();
        assert_eq!(lists, blocks(&original, PassageKind::List).len(), "{name}");
    }
    let book = read("formats/warranty-terms.epub");
    assert!(recall(&book.text, &original.text) > 0.97);
    assert!(recall(&original.text, &book.text) > 0.97);
    assert_eq!(book.title, original.title);
}

#[test]
fn workbooks_read_as_their_rows() {
    let rows = read("tables/products.csv");
    let table = blocks(&rows, PassageKind::Table);
    assert!(table.first().unwrap().starts_with("sku | name | category"));
    for name in ["xlsx", "xls", "ods"] {
        let document = read(&format!("formats/products.{name}"));
        let recall = recall(&rows.text, &document.text);
        assert!(recall > 0.99, "{name}: {recall:.3}");
        let header = document.blocks.first().unwrap().header.unwrap();
        assert!(header.slice(&document.text).starts_with("sku | name"), "{name}");
    }
}

#[test]
fn slides_are_pages_under_their_titles() {
    let deck = read("formats/dealer-briefing.pptx");
    assert_eq!(deck.pages, Some(3));
    assert_eq!(deck.title.as_deref(), Some("Dealer briefing 2026"));
    let pages: Vec<_> =
        deck.blocks.iter().zip(deck.block_texts()).map(|(b, text)| (b.page.unwrap(), b.kind, text)).collect();
    use PassageKind::{List, Paragraph, Subtitle, Table, Title};
    let expected = [
        (1, Title, "Dealer briefing"),
        (1, Paragraph, "Marlund, spring 2026"),
        (2, Subtitle, "What is new"),
        (2, List, "- Brook W950 Pro\n  - nine kilograms\n  - steam programme\n- Longer guarantee"),
        (2, Paragraph, "Say that the guarantee needs a registration."),
        (3, Subtitle, "Delivery times"),
        (3, Table, "Region | Days\nNorth | 3\nSouth | 5"),
    ];
    assert_eq!(pages, expected);
}

#[test]
fn messages_give_their_head_and_the_richer_body() {
    let mail = read("formats/service-note.eml");
    assert_eq!(mail.title.as_deref(), Some("Pump filter of the Brook W740 – please check"));
    assert!(mail.text.contains("From: Service Desk <service@marlund.example>"), "{}", mail.text);
    assert!(mail.text.contains("Dealer, North <north@dealer.example>"), "{}", mail.text);
    assert!(mail.text.contains("Date: 2026-04-14T09:30:00+02:00"), "{}", mail.text);
    assert!(mail.text.contains("it must be grün"), "{}", mail.text);
    assert!(!mail.text.contains("which is not read"));
    assert_eq!(blocks(&mail, PassageKind::List), ["- green: fine\n- white: replace it"]);
    assert!(mail.warnings.iter().any(|warning| warning.contains("filter.pdf")), "{:?}", mail.warnings);
}

#[test]
fn a_text_type_does_not_hide_a_broken_container() {
    let refused = |name: &str, kind: &str| extract(b"just words", name, kind, &Limits::default());
    assert!(matches!(refused("a.doc", ""), Err(Error::Broken { .. })));
    assert!(matches!(refused("a.epub", "application/octet-stream"), Err(Error::Broken { .. })));
    let note = extract(b"a,b\n1,2\n", "a.bin", "text/csv", &Limits::default()).unwrap();
    assert_eq!(note.text, "a | b\n1 | 2");
}

const BINARY: [&str; 8] = [
    "warranty-terms.doc",
    "warranty-terms.rtf",
    "warranty-terms.odt",
    "warranty-terms.epub",
    "products.xlsx",
    "products.xls",
    "products.ods",
    "dealer-briefing.pptx",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Damage ends in text or in a named error, never in a panic.
    #[test]
    fn damaged_files_are_read_or_refused(
        file in 0..BINARY.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let name = BINARY[file];
        let mut bytes = sample(&format!("formats/{name}"));
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(document) = extract(&bytes, name, "", &Limits::default()) {
            prop_assert!(document.is_consistent());
        }
    }
}
