use super::*;
use crate::document::{Builder, Part};
use crate::limits::Limits;
use proptest::prelude::*;
use quarry_types::PassageKind;

/// Counts like a word piece model: a letter run is a token per `piece` letters, any other visible
/// character is one; two special tokens.
struct Words {
    max: usize,
    piece: usize,
}

impl TokenCounter for Words {
    fn count_tokens(&self, text: &str) -> usize {
        let mut tokens = 2;
        let mut run = 0;
        for c in text.chars() {
            if c.is_ascii_alphanumeric() {
                tokens += usize::from(run % self.piece == 0);
                run += 1;
            } else {
                run = 0;
                tokens += usize::from(!c.is_whitespace());
            }
        }
        tokens
    }

    fn max_tokens(&self) -> usize {
        self.max
    }
}

/// A counter whose parts do not add up: joining costs more.
struct Spiteful;

impl TokenCounter for Spiteful {
    fn count_tokens(&self, text: &str) -> usize {
        let words = text.split_whitespace().count();
        2 + words + words / 10
    }

    fn max_tokens(&self) -> usize {
        40
    }
}

const WORDS: Words = Words { max: 256, piece: 4 };

#[derive(Debug, Clone)]
enum Item {
    Heading(u8, String),
    Body(PassageKind, String, u32),
}

fn build(items: &[Item]) -> Document {
    let mut builder = Builder::new(&Limits::default());
    for item in items {
        match item {
            Item::Heading(level, text) => builder.heading(*level, &crate::clean::line(text), None),
            Item::Body(kind, text, page) => {
                let header_chars = match kind {
                    PassageKind::Table => text.lines().next().unwrap_or_default().chars().count(),
                    _ => 0,
                };
                builder.push(Part { kind: *kind, level: 0, text, page: Some(*page), header_chars });
            }
        }
    }
    builder.finish()
}

fn check(document: &Document, passages: &[Passage], options: &ChunkOptions, counter: &dyn TokenCounter) {
    let chars: Vec<char> = document.text.chars().collect();
    let mut covered = vec![false; chars.len()];
    let mut last = 0;
    for (number, passage) in passages.iter().enumerate() {
        assert_eq!(passage.position as usize, number);
        assert_eq!(passage.text, passage.range.slice(&document.text), "exact slice");
        assert_eq!(passage.text.trim(), passage.text);
        assert!(!passage.text.is_empty());
        assert!(passage.range.start as usize >= last, "order without overlap");
        last = passage.range.end as usize;
        let tokens = counter.count_tokens(&embedded_text(passage, options.headings));
        let single = passage.text.chars().count() == 1;
        assert!(tokens <= counter.max_tokens() || single, "{tokens} tokens in {passage:?}");
        for place in covered.iter_mut().take(last).skip(passage.range.start as usize) {
            *place = true;
        }
    }
    for block in document.blocks.iter().filter(|b| b.level > 0) {
        let text = block.range.slice(&document.text);
        if passages.iter().any(|p| p.heading_path.iter().any(|h| h == text)) {
            for place in covered.iter_mut().take(block.range.end as usize).skip(block.range.start as usize) {
                *place = true;
            }
        }
    }
    for (at, (c, covered)) in chars.iter().zip(&covered).enumerate() {
        assert!(*covered || c.is_whitespace(), "{c:?} at {at} is lost");
    }
}

fn paragraph(sentences: usize) -> String {
    let mut text = String::new();
    for n in 0..sentences {
        text.push_str(&format!("Sentence number {n} tells something about the machine. "));
    }
    text.trim().to_owned()
}

fn body(text: &str) -> Item {
    Item::Body(PassageKind::Paragraph, text.to_owned(), 1)
}

#[test]
fn small_paragraphs_share_a_passage_and_headings_travel_along() {
    let document = build(&[
        Item::Heading(1, "Manual".into()),
        body("First."),
        body("Second."),
        Item::Heading(2, "Cleaning".into()),
        body("Third."),
        Item::Heading(2, "Nothing here".into()),
        Item::Heading(1, "End".into()),
    ]);
    let options = ChunkOptions::default();
    let passages = chunk(&document, &options, &WORDS);
    check(&document, &passages, &options, &WORDS);
    let seen: Vec<_> =
        passages.iter().map(|p| (p.text.as_str(), p.heading_path.join(" > "), p.kind)).collect();
    assert_eq!(
        seen,
        [
            ("First.\n\nSecond.", "Manual".into(), PassageKind::Paragraph),
            ("Third.", "Manual > Cleaning".into(), PassageKind::Paragraph),
            ("Nothing here", "Manual".into(), PassageKind::Subtitle),
            ("End", String::new(), PassageKind::Title),
        ]
    );
    assert_eq!(embedded_text(&passages[1], usize::MAX), "Manual > Cleaning\nThird.");
    assert_eq!(embedded_text(&passages[1], 0), "Third.");
}

#[test]
fn long_paragraphs_break_between_sentences_evenly() {
    let text = paragraph(40);
    let document = build(&[body(&text)]);
    let options = ChunkOptions::default();
    let passages = chunk(&document, &options, &WORDS);
    check(&document, &passages, &options, &WORDS);
    assert!(passages.len() >= 3, "{}", passages.len());
    for passage in &passages {
        assert!(passage.text.starts_with("Sentence") && passage.text.ends_with("machine."));
        assert!(passage.text.chars().count() <= options.max_chars);
    }
}

#[test]
fn a_sentence_the_model_can_read_is_never_cut() {
    let long = format!("{} end.", "word ".repeat(240).trim());
    let document = build(&[Item::Heading(1, "Head".into()), body(&format!("Short one. {long} Another."))]);
    for max_chars in [100, 1000] {
        let options = ChunkOptions { max_chars, ..ChunkOptions::default() };
        let passages = chunk(&document, &options, &WORDS);
        check(&document, &passages, &options, &WORDS);
        assert!(passages.iter().any(|p| p.text.contains(&long)), "{passages:#?}");
    }
    // Under a smaller limit it is cut between words.
    let small = Words { max: 64, piece: 4 };
    let passages = chunk(&document, &ChunkOptions::default(), &small);
    check(&document, &passages, &ChunkOptions::default(), &small);
    let words = |text: &str| {
        text.split_whitespace().all(|w| ["Short", "one.", "word", "end.", "Another."].contains(&w))
    };
    assert!(passages.len() > 4 && passages.iter().all(|p| words(&p.text)), "{passages:#?}");
}

#[test]
fn a_split_table_repeats_its_header() {
    let mut rows = "Model | Power\n".to_owned();
    for n in 0..80 {
        rows.push_str(&format!("AX-{n} | {n}00 W\n"));
    }
    let document = build(&[
        Item::Heading(1, "Data".into()),
        Item::Body(PassageKind::Table, rows, 1),
        body("After the table."),
    ]);
    let options = ChunkOptions::default();
    let passages = chunk(&document, &options, &WORDS);
    check(&document, &passages, &options, &WORDS);
    assert_eq!(passages[0].heading_path, ["Data"]);
    assert!(passages[0].text.starts_with("Model | Power\nAX-0 | 000 W"));
    assert_eq!(passages[1].heading_path, ["Data"]);
    assert!(passages[1].text.starts_with("AX-"));
    assert!(passages[1].shown().starts_with("Model | Power\nAX-"));
    assert!(embedded_text(&passages[1], 0).starts_with("Model | Power\nAX-"), "headings or not");
    assert!(passages.iter().all(|p| p.shown().chars().count() <= options.max_chars));
    assert_eq!(passages[1].kind, PassageKind::Table);
    assert!(passages.iter().all(|p| p.text.ends_with('W') || p.text.ends_with("table.")));
    assert_eq!(passages.last().unwrap().text, "After the table.");
}

#[test]
fn a_short_paragraph_takes_half_of_the_next_in() {
    let long = paragraph(15);
    let document = build(&[Item::Heading(1, "Help".into()), body("Note:"), body(&long)]);
    let options = ChunkOptions { max_chars: long.chars().count() + 2, ..ChunkOptions::default() };
    let passages = chunk(&document, &options, &WORDS);
    check(&document, &passages, &options, &WORDS);
    let lengths: Vec<usize> = passages.iter().map(|passage| passage.text.chars().count()).collect();
    assert!(passages[0].text.starts_with("Note:\n\n") && lengths.len() == 2, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length > options.max_chars / 3), "{lengths:?}");
    // What is long enough stands alone, and tables are not torn.
    let options = ChunkOptions { min_paragraph_chars: 5, ..options };
    assert_eq!(chunk(&document, &options, &WORDS)[0].text, "Note:");
    let rows = "Model | Power\nAX-1 | 100 W\nAX-2 | 200 W".to_owned();
    let table = build(&[body("Note:"), Item::Body(PassageKind::Table, rows, 1)]);
    let options = ChunkOptions { max_chars: 42, ..ChunkOptions::default() };
    assert_eq!(chunk(&table, &options, &WORDS).len(), 2);
}

#[test]
fn pages_part_passages_unless_a_sentence_goes_on() {
    let page = |text: &str, page| Item::Body(PassageKind::Paragraph, text.to_owned(), page);
    let first = paragraph(4);
    let document = build(&[page(&first, 1), page("goes on here.", 2), page(&first, 3), page("New page.", 4)]);
    let passages = chunk(&document, &ChunkOptions::default(), &WORDS);
    let pages: Vec<_> = passages.iter().map(|p| p.page).collect();
    assert_eq!(pages, [Some(1), Some(3), Some(4)]);
    assert!(passages[0].text.ends_with("goes on here."));
}

#[test]
fn endless_words_and_spiteful_counters_stay_within_the_limit() {
    let endless = "x".repeat(100_000);
    let document = build(&[body(&endless), body(&paragraph(60))]);
    let options = ChunkOptions::default();
    // One token per word however long, like a model that gives up on it.
    struct Unknown;
    impl TokenCounter for Unknown {
        fn count_tokens(&self, text: &str) -> usize {
            2 + text.split_whitespace().count()
        }
        fn max_tokens(&self) -> usize {
            256
        }
    }
    for counter in [&Unknown as &dyn TokenCounter, &Spiteful, &WORDS] {
        let passages = chunk(&document, &options, counter);
        check(&document, &passages, &options, counter);
        assert!(passages.iter().all(|p| p.text.chars().count() <= 8 * 256));
    }
}

fn kind() -> impl Strategy<Value = PassageKind> {
    prop_oneof![
        4 => Just(PassageKind::Paragraph),
        1 => Just(PassageKind::List),
        1 => Just(PassageKind::Table),
        1 => Just(PassageKind::Code),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z .,\\n]{0,400}",
        "\\PC{0,120}",
        "[日本語。، é\u{301}\u{200d}👩x]{0,300}",
        "([A-Z][a-z]{1,12}( [a-z]{1,9}){1,30}[.!?] ){1,20}",
        "[a-z]{200,900}",
    ]
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        1 => (1..=6_u8, text()).prop_map(|(level, text)| Item::Heading(level, text)),
        3 => (kind(), text(), 1..4_u32).prop_map(|(kind, text, page)| Item::Body(kind, text, page)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn any_document_keeps_the_invariants(
        items in prop::collection::vec(item(), 0..14),
        max_chars in 20..1500_usize,
        min_paragraph_chars in 0..300_usize,
        headings in 0..4_usize,
        max in 12..300_usize,
        piece in 1..6_usize,
    ) {
        let document = build(&items);
        prop_assert!(document.is_consistent());
        let options = ChunkOptions { max_chars, min_paragraph_chars, headings };
        let counter = Words { max, piece };
        check(&document, &chunk(&document, &options, &counter), &options, &counter);
    }
}

#[test]
fn the_nearest_headings_are_embedded() {
    let path = ["Manual", "Care", "Filter"].map(str::to_owned).to_vec();
    let passage = Passage {
        position: 0,
        text: "Clean it.".to_owned(),
        heading_path: path,
        table_header: None,
        page: None,
        range: quarry_types::CharRange { start: 0, end: 9 },
        kind: PassageKind::Paragraph,
    };
    assert_eq!(embedded_text(&passage, 0), "Clean it.");
    assert_eq!(embedded_text(&passage, 1), "Filter\nClean it.");
    assert_eq!(embedded_text(&passage, usize::MAX), "Manual > Care > Filter\nClean it.");
}
