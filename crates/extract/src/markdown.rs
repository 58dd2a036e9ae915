//! Markdown and MDX.
//!
//! Front matter, MDX imports and exports, scripts, styles and the tags of raw HTML or JSX are dropped; the text between
//! tags stays. Tags of tables make tables, those of blocks end paragraphs.

use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::html;
use crate::metadata::Field;
use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Elements that break the paragraph of Markdown they stand in. Others there may be words in angle brackets.
const BREAKS: [&str; 31] = [
    "article",
    "blockquote",
    "caption",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Reads a whole document.
pub(crate) fn extract(text: &str, builder: &mut Builder) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut reader = Reader {
        flow: Flow::new(builder),
        skip: 0,
        metadata: String::new(),
        header: false,
        in_table: false,
        html: String::new(),
        pre: false,
        at: 0..0,
        leaf_end: 0,
        hidden_to: 0,
        unended: [false; 2],
        script: EndTag::first("script", text),
        style: EndTag::first("style", text),
        table: EndTag::first("table", text),
    };
    for (event, at) in Parser::new_ext(text, options).into_offset_iter() {
        if reader.flow.builder.is_full() {
            break;
        }
        reader.at = at;
        reader.event(event);
    }
    reader.flow.finish();
}

struct Reader<'a, 'b> {
    flow: Flow<'b>,
    /// Open elements whose text is not content.
    skip: usize,
    metadata: String,
    header: bool,
    /// A table of Markdown is open: tags make no cells there.
    in_table: bool,
    /// The block of HTML being read; tags in it may be cut by line breaks.
    html: String,
    /// Blanks carry meaning.
    pre: bool,
    /// Where the event being read stands in the source.
    at: Range<usize>,
    /// Where the paragraph or other block around it ends; a block of HTML may leave open what others end.
    leaf_end: usize,
    /// Where the script or style ends that has been left open.
    hidden_to: usize,
    script: EndTag<'a>,
    style: EndTag<'a>,
    /// Whether a script or a style of this block is known not to end in it.
    unended: [bool; 2],
    table: EndTag<'a>,
}

impl Reader<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        let hidden = self.at.start < self.hidden_to;
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.skip > 0 => self.metadata.push_str(&text),
            _ if hidden => {}
            Event::Text(text) | Event::Code(text) => self.flow.text(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.flow.text(&text),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(html) => {
                self.markup(&html, false);
            }
            Event::SoftBreak => self.flow.text(if self.pre { "\n" } else { " " }),
            Event::HardBreak => self.flow.text("\n"),
            Event::Rule => self.flow.end_paragraph(),
            Event::TaskListMarker(done) => self.flow.text(if done { "[x] " } else { "[ ] " }),
            Event::FootnoteReference(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::MetadataBlock(_) => self.skip += 1,
            Tag::BlockQuote(_) => self.flow.begin_quote(),
            Tag::List(first) => self.flow.begin_list(first),
            Tag::Item => {
                self.leaf_end = self.at.end;
                self.flow.begin_item();
            }
            Tag::Table(_) => {
                self.hidden_to = 0;
                self.in_table = true;
                self.flow.begin_table();
            }
            Tag::TableHead => {
                self.header = true;
                self.flow.begin_row();
            }
            Tag::TableRow => self.flow.begin_row(),
            Tag::TableCell => {
                self.leaf_end = self.at.end;
                self.flow.begin_cell(self.header, 1, 1);
            }
            Tag::Heading { .. } | Tag::CodeBlock(_) => {
                // No script or style has such parts: its end tag was another's.
                self.hidden_to = 0;
                self.leaf_end = self.at.end;
                self.flow.release_table();
            }
            Tag::HtmlBlock => {
                self.leaf_end = usize::MAX;
                self.flow.end_paragraph();
            }
            Tag::Paragraph
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => {
                self.leaf_end = self.at.end;
                self.flow.end_paragraph();
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::MetadataBlock(kind) => {
                self.skip = self.skip.saturating_sub(1);
                let metadata = std::mem::take(&mut self.metadata);
                front_matter(&metadata, kind, self.flow.builder);
            }
            TagEnd::Heading(level) => self.flow.end(Unit::Heading(level as u8)),
            TagEnd::CodeBlock => self.flow.end(Unit::Code),
            TagEnd::BlockQuote(_) => self.flow.end_quote(),
            TagEnd::List(_) => self.flow.end_list(),
            TagEnd::Table => {
                self.in_table = false;
                self.flow.end_table();
            }
            TagEnd::TableHead => self.header = false,
            TagEnd::HtmlBlock => self.html_block(),
            TagEnd::Item
            | TagEnd::Paragraph
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition => self.flow.end_paragraph(),
            _ => {}
        }
    }

    fn html_block(&mut self) {
        let html = std::mem::take(&mut self.html);
        self.unended = [false; 2];
        let mut rest = html.as_str();
        while let Some(open) = rest.find('<') {
            let (before, markup) = rest.split_at(open);
            self.raw_text(before);
            rest = markup.get(self.markup(markup, true)..).unwrap_or_default();
        }
        self.raw_text(rest);
        self.flow.end_paragraph();
        self.leaf_end = self.at.end;
    }

    fn raw_text(&mut self, text: &str) {
        let text = html::unescape(text);
        self.flow.text(&if self.pre { text } else { text.replace(['\n', '\r', '\t'], " ") });
    }

    /// Handles what stands at a `<`, in a block of HTML or within a line; answers its length.
    fn markup(&mut self, markup: &str, block: bool) -> usize {
        const NAMELESS: [(&str, &str); 6] =
            [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<!", ">"), ("<?", "?>"), ("<>", ">"), ("</>", ">")];
        if let Some((_, end)) = NAMELESS.iter().find(|(start, _)| markup.starts_with(start)) {
            return markup.find(end).map_or(markup.len(), |at| at + end.len());
        }
        let closing = markup.starts_with("</");
        let tail = markup.get(1 + usize::from(closing)..).unwrap_or_default();
        if !tail.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.flow.text("<");
            return 1;
        }
        let name = tail.split(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let tag = html::Tag::read(markup, markup.len() - tail.len() + name.len(), &["colspan", "rowspan"]);
        let after = markup.get(tag.length..).unwrap_or_default();
        match name.as_str() {
            "script" | "style" if !closing => return self.hidden(&name, tag.length, after, block),
            "br" => self.flow.text("\n"),
            "pre" => {
                self.flow.end(if closing && self.pre { Unit::Code } else { Unit::Paragraph });
                self.pre = !closing;
            }
            "table" | "caption" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" if !self.in_table => {
                self.table_tag(&name, closing, &tag);
            }
            name if BREAKS.contains(&name) || (block && !html::is_inline(name)) => self.flow.end_paragraph(),
            _ => {}
        }
        tag.length
    }

    /// Handles a script or style and what stands `after` its tag; answers the length of what stays out.
    fn hidden(&mut self, name: &str, tag: usize, after: &str, block: bool) -> usize {
        let (end_tag, unended) = match name {
            "script" => (&mut self.script, &mut self.unended[0]),
            _ => (&mut self.style, &mut self.unended[1]),
        };
        if !block {
            self.hidden_to = end_tag.next(self.at.end).filter(|end| *end < self.leaf_end).unwrap_or(0);
            return tag;
        }
        if !*unended && let Some(end) = html::find_end_tag(after, name) {
            return tag + end;
        }
        *unended = true;
        // One with words after it is a word itself.
        if !after.trim().is_empty() {
            return tag;
        }
        self.hidden_to = end_tag.next(self.at.end).unwrap_or(0);
        tag + after.len()
    }

    fn table_tag(&mut self, name: &str, closing: bool, tag: &html::Tag) {
        match name {
            // One that nothing ends is a word about tables.
            "table" if !closing && self.table.next(self.at.start).is_some_and(|end| end < self.leaf_end) => {
                self.flow.begin_table();
            }
            "table" if closing => self.flow.end_table(),
            "caption" if closing => self.flow.end_caption(),
            _ if closing => self.flow.end_paragraph(),
            "caption" => self.flow.begin_caption(),
            "tr" => self.flow.begin_row(),
            "td" | "th" => {
                let (columns, rows) = html::cell_size(tag.attribute("colspan"), tag.attribute("rowspan"));
                self.flow.begin_cell(name == "th", columns, rows);
            }
            "thead" | "tbody" | "tfoot" => self.flow.begin_row_group(),
            _ => self.flow.end_paragraph(),
        }
    }
}

/// The next end tag of a name in a text, looked for from front to back.
struct EndTag<'a> {
    name: &'static str,
    text: &'a str,
    at: Option<usize>,
}

impl<'a> EndTag<'a> {
    fn first(name: &'static str, text: &'a str) -> Self {
        Self { name, text, at: html::find_end_tag(text, name) }
    }

    /// Where the next one stands from a place on that is not before the last one asked for.
    fn next(&mut self, from: usize) -> Option<usize> {
        if self.at.is_some_and(|at| at < from) {
            let rest = self.text.get(from..).unwrap_or_default();
            self.at = html::find_end_tag(rest, self.name).map(|at| from + at);
        }
        self.at
    }
}

/// The facts of YAML or TOML front matter, one line each.
fn front_matter(metadata: &str, kind: MetadataBlockKind, builder: &mut Builder) {
    let mark = if kind == MetadataBlockKind::YamlStyle { ':' } else { '=' };
    for (key, value) in metadata.lines().filter_map(|line| line.split_once(mark)) {
        let value = value.trim().trim_matches(['"', '\'']);
        let field = match key.trim() {
            "title" => {
                builder.set_title(value);
                continue;
            }
            "author" => Field::Author,
            "description" | "summary" => Field::Description,
            "lang" | "language" => Field::Language,
            "date" | "published" | "created" => Field::Created,
            "updated" | "modified" | "lastmod" | "last_modified_at" => Field::Modified,
            _ => continue,
        };
        builder.set(field, value);
    }
}

/// Removes the module lines and expression braces MDX adds to Markdown.
pub(crate) fn without_mdx(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence = false;
    let mut statement = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        fence ^= trimmed.starts_with("```") || trimmed.starts_with("~~~");
        let starts = !fence && (is_import(line) || line.starts_with("export "));
        statement = (starts || statement) && !trimmed.is_empty();
        if statement {
            // A statement over several lines ends with its closing bracket.
            statement = !line.ends_with(';') && !line.ends_with(['"', '\'']) && !line.starts_with('}');
            continue;
        }
        let comment = trimmed.starts_with("{/*") && trimmed.ends_with("*/}");
        if !comment {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn is_import(line: &str) -> bool {
    line.starts_with("import ") && (line.contains(" from ") || line.contains(['"', '\'', '{']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use proptest::prelude::*;
    use quarry_types::PassageKind;

    fn read(source: &str) -> (Vec<(PassageKind, String)>, Option<String>) {
        let mut builder = Builder::new(&Limits::default());
        extract(source, &mut builder);
        let document = builder.finish();
        let blocks = document.blocks.iter().zip(document.block_texts());
        (blocks.map(|(b, text)| (b.kind, text.to_owned())).collect(), document.title.clone())
    }

    #[test]
    fn structure_is_kept_and_markup_is_not() {
        let source = "---\ntitle: \"The guide\"\n---\n# Big *one*\n\nText with `code` and\na [link](http://x.y).\n\n> quoted\n\n1. a\n   - b\n2. c\n\n| H | I |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn x() {\n\n    y\n}\n```\n\n<div>kept<br/>too</div>\n";
        let (blocks, title) = read(source);
        assert_eq!(title.as_deref(), Some("The guide"));
        let expected = [
            (PassageKind::Title, "Big one"),
            (PassageKind::Paragraph, "Text with code and a link."),
            (PassageKind::Blockquote, "quoted"),
            (PassageKind::List, "1. a\n  - b\n2. c"),
            (PassageKind::Table, "H | I\n1 | 2"),
            (PassageKind::Code, "fn x() {\n\n    y\n}"),
            (PassageKind::Paragraph, "kept\ntoo"),
        ];
        let blocks: Vec<_> = blocks.iter().map(|(k, t)| (*k, t.as_str())).collect();
        assert_eq!(blocks, expected);
    }

    /// Kind and text of every block.
    fn blocks(source: &str) -> Vec<(PassageKind, String)> {
        read(source).0
    }

    #[test]
    fn tables_of_html_are_tables() {
        let line = "<table><tr><th>Type</th><th>Model</th><th>Weight</th></tr><tr><td rowspan=\"2\">Washer &amp; dryer</td><td>A1</td><td>45&nbsp;kg</td></tr><tr><td>A2</td><td>38 kg</td></tr></table>\n";
        let table = (
            PassageKind::Table,
            "Type | Model | Weight\nWasher & dryer | A1 | 45 kg\n| A2 | 38 kg".to_owned(),
        );
        let ways = [
            line.to_owned(),
            line.replace("><", ">\n<"),
            // Tags cut by line breaks.
            line.replace(" rowspan", "\n   rowspan").replace("<td>A", "<td\n>A"),
            // Cells of Markdown between empty lines.
            line.replace("><", ">\n\n<").replace("A1", "\n\n**A1**\n\n"),
        ];
        for source in ways {
            assert_eq!(blocks(&source), std::slice::from_ref(&table), "{source}");
        }
        let with_caption =
            line.replace("<table>", "Before\n\n<table><caption>Sizes</caption><tbody>") + "\nAfter\n";
        let paragraph = |text: &str| (PassageKind::Paragraph, text.to_owned());
        let wanted = [paragraph("Before"), paragraph("Sizes"), table.clone(), paragraph("After")];
        assert_eq!(blocks(&with_caption), wanted);
        assert_eq!(
            blocks("A <table><tr><td>b</td><td>c</td></tr></table> d\n").get(1),
            Some(&(PassageKind::Table, "b | c".into()))
        );
    }

    #[test]
    fn tables_that_arrange_or_never_end_hold_nothing_back() {
        let arranged = "<table><tr><td>\n\n## One\n\ntext\n\n</td><td>\n\n```\na\n  b\n```\n\n</td></tr></table>\n\nend\n";
        let expected = [
            (PassageKind::Subtitle, "One"),
            (PassageKind::Paragraph, "text"),
            (PassageKind::Code, "a\n  b"),
            (PassageKind::Paragraph, "end"),
        ];
        assert_eq!(blocks(arranged), expected.map(|(kind, text)| (kind, text.to_owned())));
        let texts = |source: &str| blocks(source).into_iter().map(|block| block.1).collect::<Vec<_>>();
        assert_eq!(texts("Use <table> for it.\n\nNext <td> one\n"), ["Use", "for it.", "Next", "one"]);
        assert_eq!(
            texts("| a | b |\n|---|---|\n| a <td> tag | </table> |\n| c | d |\n"),
            ["a | b\na tag\nc | d"]
        );
        assert_eq!(
            texts("Words like <url> and Vec<String> stay in line <br/>here\n"),
            ["Words like and Vec stay in line\nhere"]
        );
        assert_eq!(
            texts("<div>a</div><p>b <b>c</b></p>\n<details><summary>d</summary>\n\ne\n\n</details>\n"),
            ["a", "b c", "d", "e"]
        );
    }

    #[test]
    fn scripts_styles_and_comments_stay_out() {
        let texts =
            |source: &str| blocks(source).into_iter().map(|block| block.1).collect::<Vec<_>>().join("|");
        assert_eq!(texts("<script>\nif (a < b) x('<td>');\n\ny()\n</script>\n\na\n"), "a");
        assert_eq!(
            texts("<div>a<style>\n\n.x { color: red }\n\n> y {}\n</style>\n\nb</div>\n\nc\n"),
            "a|b|c"
        );
        assert_eq!(texts("a <script>x()</script> b <style>y{}</style>c\n"), "a b c");
        assert_eq!(texts("<div>\n<!-- gone\ngone -->a<? b > ?><!DOCTYPE x></div>\n"), "a");
        let named = "<details><summary>A <script> tag</summary>\n\nCosts 10 EUR.\n\n```html\n<script></script>\n```\n\nEnd\n";
        assert_eq!(texts(named), "A tag|Costs 10 EUR.|<script></script>|End");
        // Named, not used.
        assert_eq!(texts("Write <script> here.\n\nNext\n\n    </script>\n"), "Write here.|Next|</script>");
        assert_eq!(texts("<pre>a\n  b &lt;c&gt;\n\nd</pre>\n"), "a\n  b <c>\n\nd");
    }

    #[test]
    fn markup_made_to_hurt_is_read_in_linear_time() {
        let table = "<table>\n<tr>\n".to_owned();
        let hostile = [
            "<script>\n\n".repeat(100_000),
            "<div>\n<script>\n\n".repeat(100_000) + "</style>",
            "<div><script>\n\n<style>\n\n".repeat(50_000) + "</script></style>",
            "a <script> ".repeat(100_000) + "\n\n</script>",
            table.clone() + &"<tr><td rowspan=9999999 colspan=9999999>x\n".repeat(100_000) + "</table>",
            table + &"<table>\n\n".repeat(20_000) + &"</table>\n\n".repeat(20_000),
            "<table><tr><td>x\n".repeat(200_000) + "</table>",
            "<".repeat(500_000),
            "<div <!-- <? ".repeat(50_000),
            "&".repeat(500_000) + "<p>\n" + &"&".repeat(500_000),
        ];
        for source in hostile {
            let start = std::time::Instant::now();
            read(&(source.clone() + "\n"));
            let name: String = source.chars().take(20).collect();
            assert!(start.elapsed() < std::time::Duration::from_secs(20), "{name}: {:?}", start.elapsed());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_text_is_read(source in r"(</?(table|tr|td|th|caption|tbody|pre|script|style|p|b|x-y|br)( (rowspan|colspan)=[0-9]{1,3})?>|\n|\n\n|\n- |\n> |\n# |\n    |```|<!--|-->|\||---|&[a-z]{0,5};|\PC{1,4}| ){0,60}") {
            read(&source);
        }

        #[test]
        fn no_word_between_tags_is_lost(words in prop::collection::vec(("[a-z]{3,8}", 0..9_usize, 0..5_usize), 0..40)) {
            const TAGS: [&str; 9] = ["p", "div", "li", "td", "tr", "table", "caption", "b", "th"];
            const GAPS: [&str; 5] = [" ", "\n", "\n\n", "\n\n# ", "\n\n- "];
            let mut source = String::new();
            for (word, tag, gap) in &words {
                let tag = TAGS[*tag];
                source.push_str(&format!("{}<{tag}>{word}", GAPS[*gap]));
                if word.len() % 2 == 0 {
                    source.push_str(&format!("</{tag}> "));
                }
            }
            let (blocks, _) = read(&source);
            let text: String = blocks.iter().map(|b| b.1.as_str()).collect();
            for (word, _, _) in &words {
                prop_assert!(text.contains(word.as_str()), "{word} lost from {source}");
            }
        }
    }

    #[test]
    fn mdx_module_lines_go() {
        let source = "import X from 'x'\nexport const a = {\n  b: 1\n}\n\n{/* note */}\n# Title\n\n<X a={1}>inside</X>\n\n```js\nimport y from 'y'\n```\n";
        let (blocks, _) = read(&without_mdx(source));
        let texts: Vec<_> = blocks.iter().map(|b| b.1.as_str()).collect();
        assert_eq!(texts, ["Title", "inside", "import y from 'y'"]);
    }
}
