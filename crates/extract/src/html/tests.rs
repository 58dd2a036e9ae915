use super::*;
use proptest::prelude::*;
use quarry_types::PassageKind;
use std::time::{Duration, Instant};

fn read(source: &str) -> (Vec<(PassageKind, String)>, Option<String>) {
    let mut builder = Builder::new(&Limits::default());
    extract(source, HtmlContent::All, "", &Limits::default(), &mut builder);
    let document = builder.finish();
    assert!(document.is_consistent());
    let blocks = document.blocks.iter().zip(document.block_texts());
    (blocks.map(|(b, text)| (b.kind, text.to_owned())).collect(), document.title.clone())
}

#[test]
fn body_content_is_kept_with_its_structure() {
    let source = r#"<!doctype html><html><head><title> The &amp; page </title><style>x{}</style>
        <script>if (a < b) { "</p>" }</script></head><body>
        <nav><a href=x>Home</a></nav>
        <h1>Big <em>title</em></h1>
        <p>One<b>bold</b> word &lt;tag&gt;<br>next line<p>Two
        <div hidden>gone</div><span style="display: none">gone <b>too</b></span><p>Three <!-- gone --> end
        <ol start=3><li>c<ul><li>nested</ul><li>d</ol>
        <table><tr><th>K<th>V<tr><td>1<td>2</table>
        <pre>a  b
          c</pre><blockquote>said</blockquote><template>gone</template>
        <noscript>gone</noscript><svg><text>gone</text></svg>5 < 6</body></html>"#;
    let (blocks, title) = read(source);
    assert_eq!(title.as_deref(), Some("The & page"));
    let blocks: Vec<_> = blocks.iter().map(|(k, t)| (*k, t.as_str())).collect();
    let expected = [
        (PassageKind::Paragraph, "Home"),
        (PassageKind::Title, "Big title"),
        (PassageKind::Paragraph, "Onebold word <tag>\nnext line"),
        (PassageKind::Paragraph, "Two"),
        (PassageKind::Paragraph, "Three end"),
        (PassageKind::List, "3. c\n  - nested\n4. d"),
        (PassageKind::Table, "K | V\n1 | 2"),
        (PassageKind::Code, "a  b\n          c"),
        (PassageKind::Blockquote, "said"),
        (PassageKind::Paragraph, "5 < 6"),
    ];
    assert_eq!(blocks, expected);
}

#[test]
fn pages_made_to_hurt_are_read_in_linear_time() {
    let hostile = [
        "<div>".repeat(200_000) + "deep",
        (0..20_000).map(|n| format!("<b class=x{n}><i>")).collect::<String>() + "deep",
        format!("<p {}>deep", (0..300_000).map(|n| format!("a{n}=1 ")).collect::<String>()),
        "<table><tr><td>".repeat(50_000) + "deep",
        "<p>x".repeat(250_000) + "deep",
        "<ul><li>".repeat(50_000) + "deep",
        "<!--".repeat(100_000) + "--><p>deep",
        "</p>".repeat(300_000) + "deep",
        "<a <a ".repeat(100_000) + "><p>deep",
        "\0".repeat(1_000_000) + "deep",
        "<svg><iframe><object>".repeat(50_000) + "deep",
        "<table>".to_owned() + &"<tr><td rowspan=1000000000 colspan=1000>x".repeat(90_000) + "</table>deep",
        "<table><tr>".to_owned()
            + &"<td rowspan=1000000000>".repeat(90_000)
            + &"<tr><td>x".repeat(50_000)
            + "</table>deep",
    ];
    for source in hostile {
        let start = Instant::now();
        let (blocks, _) = read(&source);
        let name: String = source.chars().take(20).collect();
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
        assert!(blocks.last().is_some_and(|b| b.1.ends_with("deep")), "{name}: {:?}", blocks.last());
    }
}

#[test]
fn a_row_that_heads_others_is_no_header() {
    let page = "<table><tr><th>Item<th>EUR<tr><th colspan=2>Washers<tr><td>W1<td>5</table>";
    let mut builder = Builder::new(&Limits::default());
    extract(page, HtmlContent::All, "", &Limits::default(), &mut builder);
    let document = builder.finish();
    let block = &document.blocks[0];
    assert_eq!(block.header.unwrap().slice(&document.text), "Item | EUR");
}

#[test]
fn cells_stand_below_the_header_they_belong_to() {
    let source = r#"<table><caption>Data <b>2026</b></caption>
        <thead><tr><th>Type<th rowspan=9>Model<th colspan=2>Weight<tbody>
        <tr><th rowspan="2">Washer<td>A1<td>45<td>kg<tr><td>A2<td>38<td>kg
        <tr><th rowspan=0>Dryer<td>B1<td>31<td>kg<tr><td>B2<td>32<td>kg</table>"#;
    let mut builder = Builder::new(&Limits::default());
    extract(source, HtmlContent::All, "", &Limits::default(), &mut builder);
    let document = builder.finish();
    let texts: Vec<&str> = document.block_texts().collect();
    let table =
        "Type | Model | Weight\nWasher | A1 | 45 | kg\n| A2 | 38 | kg\nDryer | B1 | 31 | kg\n| B2 | 32 | kg";
    assert_eq!(texts, ["Data 2026", table]);
    // Names of rows are no part of the header.
    let header = document.blocks.last().and_then(|block| block.header).unwrap();
    assert_eq!(header.slice(&document.text), "Type | Model | Weight");
}

#[test]
fn elements_that_end_themselves_end_there() {
    let text = |source: &str| read(source).0.into_iter().map(|b| b.1).collect::<Vec<_>>().join("|");
    assert_eq!(text("<p>a</p><svg width='1'/><p>b</p><svg><path/></svg><p>c"), "a|b|c");
    assert_eq!(text("<p>a</p><svg><path><p>b</p><iframe src=x><p>c</p><noscript>d"), "a|b|c|d");
    let xhtml = "<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title/><script src=\"a.js\"/></head><body><p>b</p>";
    assert_eq!(text(xhtml), "b");
    assert_eq!(text(&format!("<?xml version='1.0'?>{xhtml}<textarea/><p>c</p>")), "b|c");
    // In HTML a script does not, nor does a value that ends with a slash.
    assert_eq!(text("<p>a</p><script src=a.js /> x </script><p>b<script>var x"), "a|b");
    assert_eq!(text("<p>a</p><svg class=a/>gone</svg><p>b"), "a|b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_read(source in "(<[a-z]{1,6}( [a-z]{1,6}=(\"x\"|'y'|z))?>|</[a-z]{1,6}>|<(table|tr|td|li|ul|p|b|pre|title|template|select|option)>|</(table|td|ul|p|b|title)>|\\PC{1,5}|<!--|-->|&[a-z]{1,4};){0,60}") {
        read(&source);
    }

    #[test]
    fn no_word_outside_tags_is_lost(words in prop::collection::vec(("[a-z]{3,8}", 0..12_usize), 0..40)) {
        const TAGS: [&str; 12] = ["p", "div", "li", "td", "tr", "table", "ul", "b", "h2", "pre", "blockquote", "x-y"];
        let mut source = String::new();
        for (word, tag) in &words {
            let tag = TAGS[*tag];
            source.push_str(&format!("<{tag}>{word}"));
            if word.len() % 2 == 0 {
                source.push_str(&format!("</{tag}> "));
            }
        }
        let (blocks, _) = read(&source);
        let text: String = blocks.iter().map(|b| b.1.as_str()).collect();
        for (word, _) in &words {
            prop_assert!(text.contains(word.as_str()), "{word} lost from {source}");
        }
    }
}
