use super::{Html, Keep, Page, is_forum_address, simplify, walk};
use crate::document::{Builder, Document};
use crate::html::extract;
use crate::limits::Limits;
use crate::source::HtmlContent;
use quarry_types::PassageKind;
use std::time::{Duration, Instant};

fn read(source: &str, wanted: HtmlContent) -> Document {
    let mut builder = Builder::new(&Limits::default());
    extract(source, wanted, "", &Limits::default(), &mut builder);
    let document = builder.finish();
    assert!(document.is_consistent());
    document
}

const SENTENCE: &str =
    "The drain pump of this machine is behind the flap at the bottom and comes out with two screws. ";

fn page(body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=en><head><title>Pumps | Marlund</title><meta property=og:title content=x>\
         <meta name=description content='All about pumps'><link rel=canonical href=https://m.example/pumps></head><body>\
         <header class=site-header><nav><ul><li><a href=/>Home</a><li><a href=/shop>Our shop</a></ul></nav></header>{body}\
         <div class=newsletter-signup>Subscribe to our newsletter</div>\
         <footer><p>All rights reserved by nobody</p></footer></body></html>"
    )
}

#[test]
fn tables_of_many_columns_stay_whole_in_the_main_content() {
    let head: String = (1..9).map(|n| format!("<th>Bus {n}")).collect();
    let row = |stop: &str| {
        let times: String =
            (1..9).map(|n| if n % 3 == 0 { "<td>".to_owned() } else { format!("<td>0{n}:15") }).collect();
        format!("<tr><th><strong>{stop}</strong>{times}")
    };
    let rows: String = ["Harbour", "Market", "Station", "School"].map(row).concat();
    let table = format!("<table><tr><th>Stop{head}<tr><td colspan=9><b>Weekdays</b>{rows}</table>");
    let prose = format!("<p>{}</p>", SENTENCE.repeat(3));
    let document = read(&page(&format!("<main><h2>Bus</h2>{prose}{table}{prose}</main>")), HtmlContent::Main);
    let tables: Vec<_> = document.blocks.iter().filter(|block| block.kind == PassageKind::Table).collect();
    assert_eq!(tables.len(), 1, "{}", document.text);
    assert_eq!(tables[0].range.slice(&document.text).lines().count(), 6, "{}", document.text);
}

#[test]
fn an_article_keeps_its_structure_and_loses_the_rest() {
    let paragraphs = format!("<p>{}</p>", SENTENCE.repeat(3)).repeat(4);
    let article = format!(
        "<main><article><h1>Pumps</h1>{paragraphs}<h2>Tools</h2><ul><li>{SENTENCE}<li>{SENTENCE}</ul>\
         <pre><code>open  flap\n  turn</code></pre><table><tr><th>Model<th>Screws<tr><td>Brook<td>2</table></article></main>\
         <section class=related-posts><h3>You may also like</h3><a href=/x>Ten lovely kettles</a></section>"
    );
    let document = read(&page(&article), HtmlContent::Auto);
    for gone in ["Our shop", "newsletter", "rights reserved", "lovely kettles"] {
        assert!(!document.text.contains(gone), "{gone} in {}", document.text);
    }
    let kinds: Vec<_> = document.blocks.iter().map(|block| block.kind).collect();
    for kind in
        [PassageKind::Title, PassageKind::Subtitle, PassageKind::List, PassageKind::Code, PassageKind::Table]
    {
        assert!(kinds.contains(&kind), "{kind:?} of {kinds:?}\n{}", document.text);
    }
    assert!(document.text.contains("open  flap\n  turn"), "{}", document.text);
    assert_eq!(document.text.matches("Pumps").count(), 1);
    assert_eq!(document.metadata.description.as_deref(), Some("All about pumps"));
    assert_eq!(document.metadata.url.as_deref(), Some("https://m.example/pumps"));
    assert_eq!(document.metadata.language.as_deref(), Some("en"));
    // The same page as a document keeps everything.
    let all = read(&page(&article), HtmlContent::All);
    assert!(all.text.contains("Our shop") && all.text.contains("rights reserved"));
    assert_eq!(all.metadata, document.metadata);
}

#[test]
fn a_forum_keeps_every_post_and_no_panel() {
    let post = |number: usize| {
        format!(
            "<div class=post><dl class=postprofile><dt><a class=username>ferret{number}</a><dd>Posts: 12</dl>\
             <div class=postbody><ul class=post-buttons><li><a>Quote</a></ul><h3>Re: Pumps</h3>\
             <div class=content>Answer {number}: {}</div><div class=signature>Measure twice</div></div></div>",
            SENTENCE.repeat(number)
        )
    };
    let posts: String = (1..5).map(post).collect();
    let document = read(&page(&format!("<h1>Pumps</h1><div id=posts>{posts}</div>")), HtmlContent::Main);
    for number in 1..5 {
        assert!(document.text.contains(&format!("Answer {number}: The drain")), "{}", document.text);
    }
    for gone in ["ferret", "Posts: 12", "Measure twice", "Quote", "Re: Pumps", "Our shop"] {
        assert!(!document.text.contains(gone), "{gone} in {}", document.text);
    }
    assert!(document.text.starts_with("Pumps"));
}

fn prose(count: usize) -> String {
    format!("<p>{}</p>", SENTENCE.repeat(3)).repeat(count)
}

#[test]
fn sections_named_like_furniture_are_content() {
    let body = format!(
        "<main><h1>Manual</h1>{}<section id=cookies><span id=more></span><h2>Cookies</h2><p>Crumbs of the jar.</p></section>\
         <dl><dt class=sig id=re.search><code>re.search()</code></dt><dd>Finds the pattern.</dd></dl>\
         <div class='elementor-element elementor-widget elementor-widget-text'><p>Built by a builder.</p></div>\
         <div id=login><h3>Login without a card</h3><p>Press the left key.</p></div><h4 id=search>Search the log</h4>\
         <p>{SENTENCE}</p></main><div id=sidebar><h3>More</h3><p>Ten lovely kettles</p></div>\
         <div class=widget><p>The weather today</p></div>",
        prose(3)
    );
    let document = read(&page(&body), HtmlContent::Main);
    for kept in
        ["Crumbs of the jar", "re.search()", "Built by a builder", "Press the left key", "Search the log"]
    {
        assert!(document.text.contains(kept), "{kept} in {}", document.text);
    }
    for gone in ["lovely kettles", "weather today", "Our shop"] {
        assert!(!document.text.contains(gone), "{gone} in {}", document.text);
    }
}

#[test]
fn notes_in_the_text_stay_and_comments_below_go() {
    let comments =
        format!("<div id=comments><h3>Comments</h3><p>{}</p></div>", "First! So true. ".repeat(300));
    let body = format!(
        "<article><h1>Pumps</h1>{}<div class=sidebar><p>Note: {SENTENCE}</p></div>{}</article>{comments}",
        prose(3),
        prose(2)
    );
    let document = read(&page(&body), HtmlContent::Main);
    assert!(document.text.contains("Note: The drain pump"), "{}", document.text);
    assert!(!document.text.contains("So true"), "{}", document.text);
}

#[test]
fn a_product_keeps_its_price_and_what_folds() {
    let body = format!(
        "<div class=announcement-bar><p>Free shipping over 75</p></div>\
         <script type=application/ld+json>{{\"@type\":\"Product\",\"name\":\"Mill 40\"}}</script>\
         <main><div class=product><div class=summary><h1>Mill 40</h1><div class=price>189.00</div>\
         <button>Add to cart</button></div><div class=description><p>{}</p></div>\
         <div class=tab-panel style='display: none'><h2>Specifications</h2><table><tr><td>Power<td>165 W\
         <tr><td>Weight<td>3.1 kg</table></div><div role=tabpanel hidden><p>Return it within 30 days.</p></div>\
         <div style='display:none'>Ignore all this</div><div class=carousel><h2>Customers also bought</h2>\
         <div><a href=/1>Kettle 79.00</a></div><div><a href=/2>Scale 45.00</a></div></div></div></main>",
        SENTENCE.repeat(3)
    );
    let document = read(&page(&body), HtmlContent::Main);
    for kept in ["Mill 40", "189.00", "The drain pump", "165 W", "3.1 kg", "within 30 days"] {
        assert_eq!(document.text.matches(kept).count().min(1), 1, "{kept} in {}", document.text);
    }
    for gone in ["Free shipping", "Ignore all this", "Kettle", "Our shop"] {
        assert!(!document.text.contains(gone), "{gone} in {}", document.text);
    }
    assert_eq!(document.text.matches("Mill 40").count(), 1, "{}", document.text);
}

#[test]
fn addresses_of_forums_are_told_by_whole_parts() {
    for forum in [
        "https://forum.example.org/x",
        "https://discuss.python.org/t/a-question/12",
        "https://example.org/forums/pumps/",
        "https://example.org/topic/12-pumps",
        "https://example.org/phpbb/viewtopic.php?t=3",
        "https://example.org/thread-12-1-1.html",
    ] {
        assert!(is_forum_address(forum), "{forum}");
    }
    for other in [
        "https://docs.djangoproject.com/en/5.2/topics/auth/",
        "https://www.weforum.org/stories/2026/pumps",
        "https://example.org/blog/the-best-forums-for-pumps",
        "https://example.org/t/",
        "https://example.org/topic-sentences",
        "",
    ] {
        assert!(!is_forum_address(other), "{other}");
    }
}

#[test]
fn an_article_with_cards_of_others_is_no_forum() {
    let card = "<div class=card><span class=author>Ann</span><div class=post-content>The beginning of another article here</div></div>";
    let body = format!(
        "<main><article><h1>Pumps</h1><p class=author>By Bea</p><div class=post-content>{}<h2>Signature</h2>\
         <div class=rules><p>Rules of the washing room.</p></div>{}</div></article></main><section class=related>{}</section>",
        prose(3),
        prose(2),
        card.repeat(3)
    );
    let document = read(&page(&body), HtmlContent::Main);
    assert!(document.text.contains("Rules of the washing room"), "{}", document.text);
    assert!(!document.text.contains("another article"), "{}", document.text);
}

#[test]
fn questions_in_buttons_stay_with_their_answers() {
    let question = |number: usize| {
        format!(
            "<div class=accordion-item><h2 class=accordion-header><button class='accordion-button collapsed' type=button>\
             May I pump {number}?</button></h2><div class='accordion-collapse collapse'><div class=accordion-body>\
             <p>Answer {number}: {SENTENCE}</p></div></div></div>"
        )
    };
    let questions: String = (1..6).map(question).collect();
    let body = format!(
        "<main><h1>Questions</h1><button>Open all</button><div class=accordion>{questions}</div></main>"
    );
    let document = read(&page(&body), HtmlContent::Main);
    let blocks: Vec<_> = document.blocks.iter().map(|b| b.kind).zip(document.block_texts()).collect();
    for number in 1..6 {
        let heading = format!("May I pump {number}?");
        let found = blocks.iter().any(|(kind, text)| *kind == PassageKind::Subtitle && *text == heading);
        assert!(found && document.text.contains(&format!("Answer {number}")), "{blocks:?}");
    }
    assert!(!document.text.contains("Open all"), "{}", document.text);
}

#[test]
fn grids_of_links_are_content() {
    let planned = |body: &str, kind: &str| {
        let filtered = simplify(&page(body), &Limits::default(), Keep::Web);
        let tree = Html::parse_document(&filtered.html).tree;
        let mut builder = Builder::new(&Limits::default());
        walk(&tree, Some(&Page::of(&tree).plan(None, kind)), &mut builder);
        builder.finish().text
    };
    let links = |inner: &str| format!("<a class=tile href=/p>{inner}</a>").repeat(6);
    let grid = |inner: &str| format!("<h1>Repairs</h1>{}<div class=tiles>{}</div>", prose(2), links(inner));
    let card = grid("<div>Repair of ovens</div>");
    let titles = grid("What to do when the oven smells of burnt plastic");
    let words = grid("Repair of ovens");
    for (body, kind, in_main, kept) in [
        (&card, "", false, true),
        (&titles, "documentation", false, true),
        (&words, "documentation", true, false),
        (&words, "service", true, true),
        (&words, "service", false, false),
        (&card, "article", false, false),
        (&card, "article", true, true),
    ] {
        let body = if in_main { format!("<main>{body}</main>") } else { body.clone() };
        let text = planned(&body, kind);
        assert_eq!(text.contains(" oven"), kept, "{kind} {body}\n{text}");
        assert!(!text.contains("Our shop"), "{text}");
    }
}

#[test]
fn what_a_script_will_show_is_shown() {
    let small = "<span style='opacity:0'>whispered</span>";
    let moved = format!(
        "<div style='opacity: 0; transform: translateY(20px)'><h2>Tools</h2><p>{SENTENCE} One.</p></div>"
    );
    let large = format!("<section style='visibility:hidden'>{}<p>Two.</p></section>", prose(2));
    let body = format!("<main style='opacity:0'><h1>Pumps</h1>{}{small}{moved}{large}</main>", prose(2));
    for wrapped in [page(&body), page(&body).replace("<body>", "<body style=visibility:hidden>")] {
        let document = read(&wrapped, HtmlContent::Main);
        assert!(document.text.contains("One.") && document.text.contains("Two."), "{}", document.text);
        assert!(!document.text.contains("whispered"), "{}", document.text);
    }
}

#[test]
fn documents_saved_as_html_are_kept_whole() {
    let body =
        "<div class=header>Letterhead</div><p>Dear customer</p><div class=footer>Bank account 12</div>";
    for head in ["<meta name=generator content='LibreOffice 7.4'><link rel=stylesheet href=x>", ""] {
        let document = read(&format!("<html><head>{head}</head><body>{body}"), HtmlContent::Auto);
        assert_eq!(document.text, "Letterhead\n\nDear customer\n\nBank account 12", "{head}");
    }
}

#[test]
fn a_page_without_content_keeps_what_it_has() {
    let document = read(&page("<p>Closed.</p>"), HtmlContent::Main);
    assert!(document.text.contains("Closed."), "{}", document.text);
    assert_eq!(read("", HtmlContent::Main).text, "");
}

#[test]
fn pages_made_to_hurt_end_in_time() {
    let hostile = [
        "<div>".repeat(100_000) + "deep",
        (0..20_000).map(|n| format!("<b class=x{n}><i><a href={n}><code>")).collect::<String>() + "deep",
        format!("<p {}>deep", (0..300_000).map(|n| format!("a{n}=1 ")).collect::<String>()),
        format!("<p class='{}'>deep", "nav ".repeat(100_000)),
        "<table><tr><td>".repeat(20_000) + "deep",
        "<p>x".repeat(60_000) + "deep",
        "<ul><li><a href=x>".repeat(20_000) + "deep",
        "<span class=post>".repeat(100_000) + "deep",
        "<div class=postbody>words of a post that are long enough</div><i class=author>a</i>".repeat(5_000)
            + "deep",
        format!("<script type=application/ld+json>{}</script>deep", "[".repeat(200_000)),
        "<nav>".repeat(20_000) + "deep",
    ];
    for source in hostile {
        let start = Instant::now();
        let document = read(&page(&source), HtmlContent::Main);
        let name: String = source.chars().take(40).collect();
        assert!(start.elapsed() < Duration::from_secs(25), "{name}: {:?}", start.elapsed());
        assert!(
            document.text.contains("deep"),
            "{name}: {}",
            document.text.chars().take(200).collect::<String>()
        );
    }
}

#[test]
fn what_a_page_hides_is_not_read_by_the_scoring() {
    let body = format!(
        "<article><h1>Returns</h1><p>{0} Please <span style='display:none'>HIDDEN</span><span hidden>SECRET</span> use the \
         form.</p><p style='visibility: hidden'>Ignore all rules.</p><p>{0}</p><p>{0}</p></article>",
        SENTENCE.repeat(3)
    );
    let document = read(&page(&body), HtmlContent::Main);
    assert!(document.text.contains("Please use the form."), "{}", document.text);
    for gone in ["HIDDEN", "SECRET", "Ignore all rules"] {
        assert!(!document.text.contains(gone), "{gone} in {}", document.text);
    }
    let heading = body.replace("<h1>Returns</h1>", "<h1 hidden>Obey me</h1><h2>Returns</h2>");
    let document = read(&page(&heading), HtmlContent::Main);
    assert!(document.text.contains("Returns") && !document.text.contains("Obey"), "{}", document.text);
}
