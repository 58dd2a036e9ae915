//! HTML: documents with all they show, pages of the web with their main content.
//!
//! The bytes pass a linear filter first ([`filter`]), which bounds depth, nodes and attributes, so
//! that the tree builder's worst cases cannot be reached. The tree is walked without recursion.

mod content;
mod filter;
mod head;
mod names;
mod prune;

pub(crate) use filter::{Tag, find_end_tag, is_inline};
pub(crate) use head::unescape;

use crate::document::Builder;
use crate::flow::{Flow, Unit};
use crate::limits::Limits;
use crate::source::HtmlContent;
use ego_tree::iter::Edge;
use ego_tree::{NodeId, Tree};
use filter::{Keep, simplify};
use prune::Plan;
use scraper::node::Element;
use scraper::{Html, Node};

/// Reads a page: all of it, or its main content where that is wanted and can be told.
pub(crate) fn extract(text: &str, wanted: HtmlContent, url: &str, limits: &Limits, builder: &mut Builder) {
    let mut filtered = simplify(text, limits, Keep::Text);
    filtered.head.tell(builder);
    let main = match wanted {
        HtmlContent::All => false,
        HtmlContent::Main => true,
        HtmlContent::Auto => content::is_web_page(text, &filtered.head),
    };
    let tree = Html::parse_document(&filtered.html).tree;
    if let Some(title) = page_title(&tree).or_else(|| filtered.head.title().map(str::to_owned)) {
        builder.set_title(&title);
    }
    if main && content::read(text, url, limits, builder).is_some() {
        return;
    }
    if filtered.cut {
        builder.warn("the page has more elements than are read; part of its structure was lost".to_owned());
    }
    walk(&tree, None, builder);
}

/// Writes what a tree shows, or what a plan leaves of it.
fn walk(tree: &Tree<Node>, plan: Option<&Plan>, builder: &mut Builder) {
    let mut walk = Walk { flow: Flow::new(builder), pre: 0, skip: None, title: None, headings: 0 };
    let root = plan.and_then(|plan| tree.get(plan.root)).unwrap_or(tree.root());
    for edge in root.traverse() {
        if walk.flow.builder.is_full() {
            break;
        }
        match edge {
            Edge::Open(node) if walk.skip.is_none() => match node.value() {
                Node::Text(text) => walk.text(text),
                Node::Element(_) if plan.is_some_and(|plan| plan.dropped.contains(&node.id())) => {
                    walk.flow.text(" ");
                    walk.skip = Some(node.id());
                }
                Node::Element(element) => {
                    let shown = plan.is_some_and(|plan| plan.revealed.contains(&node.id()));
                    walk.open(element, node.id(), shown);
                }
                _ => {}
            },
            Edge::Close(node) => {
                if walk.skip == Some(node.id()) {
                    walk.skip = None;
                } else if let (None, Node::Element(element)) = (walk.skip, node.value()) {
                    walk.close(element.name());
                }
            }
            Edge::Open(_) => {}
        }
    }
    walk.flow.finish();
}

/// The text of the first element of a name, one clean line.
fn first_text(tree: &Tree<Node>, name: &str) -> Option<String> {
    let of_name = |node: &ego_tree::NodeRef<'_, Node>| match node.value() {
        Node::Element(element) => element.name() == name,
        _ => false,
    };
    // Not all nodes there are: some may have been taken out.
    let element = tree.root().descendants().find(of_name)?;
    let text: String = element
        .descendants()
        .filter_map(|node| if let Node::Text(text) = node.value() { Some(&**text) } else { None })
        .collect();
    let text = crate::clean::line(&text);
    (!text.is_empty()).then_some(text)
}

fn page_title(tree: &Tree<Node>) -> Option<String> {
    first_text(tree, "title")
}

/// The first heading of the highest level.
fn first_heading(tree: &Tree<Node>) -> Option<String> {
    first_text(tree, "h1").filter(|text| text.chars().count() <= 300)
}

/// Columns and rows that a cell spans; no rows means all that are left of their group.
pub(crate) fn cell_size(columns: Option<&str>, rows: Option<&str>) -> (usize, usize) {
    let number = |value: Option<&str>| value.and_then(|value| value.trim().parse().ok()).unwrap_or(1);
    (number(columns), if number(rows) == 0 { usize::MAX } else { number(rows) })
}

struct Walk<'b> {
    flow: Flow<'b>,
    /// Open `pre` elements: blanks carry meaning.
    pre: usize,
    /// The element whose content is left out.
    skip: Option<NodeId>,
    title: Option<String>,
    /// Open headings.
    headings: usize,
}

impl Walk<'_> {
    fn text(&mut self, text: &str) {
        if let Some(title) = &mut self.title {
            title.push_str(text);
        } else if self.pre > 0 {
            self.flow.text(text);
        } else {
            // Line breaks of the source are blanks.
            self.flow.text(&text.replace(['\n', '\r', '\t', '\u{c}'], " "));
        }
    }

    /// Begins an element; `shown` says that it counts although it is hidden.
    fn open(&mut self, element: &Element, id: NodeId, shown: bool) {
        if !shown && filter::is_hidden(element.attr("hidden").is_some(), element.attr("style")) {
            self.skip = Some(id);
            return;
        }
        match element.name() {
            "title" => self.title = Some(String::new()),
            "script" | "style" | "template" => self.skip = Some(id),
            "br" => self.flow.text("\n"),
            "pre" | "textarea" => {
                self.flow.end_paragraph();
                self.pre += 1;
            }
            "blockquote" => self.flow.begin_quote(),
            "ul" | "menu" => self.flow.begin_list(None),
            "ol" => {
                let start = element.attr("start").and_then(|s| s.trim().parse().ok());
                self.flow.begin_list(Some(start.unwrap_or(1)));
            }
            "li" => self.flow.begin_item(),
            "table" => self.flow.begin_table(),
            "tr" => self.flow.begin_row(),
            "thead" | "tbody" | "tfoot" => self.flow.begin_row_group(),
            "caption" => self.flow.begin_caption(),
            name @ ("td" | "th") => {
                let (columns, rows) = cell_size(element.attr("colspan"), element.attr("rowspan"));
                self.flow.begin_cell(name == "th", columns, rows);
            }
            "option" => self.flow.text(" "),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flow.end_paragraph();
                self.headings += 1;
            }
            // The text of the heading, not one beside it.
            "button" if self.headings > 0 => self.flow.text(" "),
            name if filter::is_inline(name) => {}
            _ => self.flow.end_paragraph(),
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "title" => {
                if let Some(title) = self.title.take() {
                    self.flow.builder.set_title(&crate::clean::line(&title));
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.headings = self.headings.saturating_sub(1);
                let level = name.bytes().last().map_or(1, |digit| digit.saturating_sub(b'0'));
                self.flow.end(Unit::Heading(level));
            }
            "pre" | "textarea" => {
                self.pre = self.pre.saturating_sub(1);
                self.flow.end(Unit::Code);
            }
            "blockquote" => self.flow.end_quote(),
            "ul" | "ol" | "menu" => self.flow.end_list(),
            "table" => self.flow.end_table(),
            "caption" => self.flow.end_caption(),
            "option" | "br" => {}
            "button" if self.headings > 0 => self.flow.text(" "),
            name if filter::is_inline(name) => {}
            _ => self.flow.end_paragraph(),
        }
    }
}

#[cfg(test)]
mod tests;
