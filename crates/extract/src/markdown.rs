//! Markdown and MDX.
//!
//! Front matter, MDX imports and exports and the tags of raw HTML or JSX are dropped; the text
//! between tags stays.

use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::metadata::Field;
use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

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
    let mut reader = Reader { flow: Flow::new(builder), skip: 0, metadata: String::new(), header: false };
    for event in Parser::new_ext(text, options) {
        if reader.flow.builder.is_full() {
            break;
        }
        reader.event(event);
    }
    reader.flow.finish();
}

struct Reader<'b> {
    flow: Flow<'b>,
    /// Open elements whose text is not content.
    skip: usize,
    metadata: String,
    header: bool,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.skip > 0 => self.metadata.push_str(&text),
            Event::Text(text) | Event::Code(text) => self.flow.text(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.flow.text(&text),
            Event::Html(html) | Event::InlineHtml(html) => self.html(&html),
            Event::SoftBreak => self.flow.text(" "),
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
            Tag::Item => self.flow.begin_item(),
            Tag::Table(_) => self.flow.begin_table(),
            Tag::TableHead => {
                self.header = true;
                self.flow.begin_row();
            }
            Tag::TableRow => self.flow.begin_row(),
            Tag::TableCell => self.flow.begin_cell(self.header, 1),
            Tag::Paragraph
            | Tag::Heading { .. }
            | Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => self.flow.end_paragraph(),
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
            TagEnd::Table => self.flow.end_table(),
            TagEnd::TableHead => self.header = false,
            TagEnd::Item
            | TagEnd::Paragraph
            | TagEnd::HtmlBlock
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition => self.flow.end_paragraph(),
            _ => {}
        }
    }

    /// Keeps the text of raw HTML and drops its tags and comments.
    fn html(&mut self, html: &str) {
        let mut rest = html;
        while let Some(open) = rest.find('<') {
            let (before, tag) = rest.split_at(open);
            self.flow.text(before);
            let end = if tag.starts_with("<!--") { "-->" } else { ">" };
            let Some(close) = tag.find(end) else {
                // Cut by a line break: the rest of the tag comes with the next event.
                return;
            };
            let (tag, after) = tag.split_at(close + end.len());
            if tag.starts_with("<br") {
                self.flow.text("\n");
            }
            rest = after;
        }
        self.flow.text(rest);
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

    #[test]
    fn mdx_module_lines_go() {
        let source = "import X from 'x'\nexport const a = {\n  b: 1\n}\n\n{/* note */}\n# Title\n\n<X a={1}>inside</X>\n\n```js\nimport y from 'y'\n```\n";
        let (blocks, _) = read(&without_mdx(source));
        let texts: Vec<_> = blocks.iter().map(|b| b.1.as_str()).collect();
        assert_eq!(texts, ["Title", "inside", "import y from 'y'"]);
    }
}
