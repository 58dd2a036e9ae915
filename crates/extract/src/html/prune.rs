//! Which parts of a page are furniture: navigation, banners, panels beside posts.
//!
//! Works on the tree by roles, names and the share of links, from the root down and without
//! recursion. Invariant: an element that holds most of the page's words is never furniture,
//! whatever its name says.

use super::filter::is_veiled;
use super::names::{COMMENTS, ELSEWHERE, FURNITURE, NOTES, PANELS, POSTS, WRITERS};
use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef, Tree};
use scraper::Node;
use scraper::node::Element;
use std::collections::{HashMap, HashSet};

/// Longer text than this is content even where a panel's name is on it.
const PANEL_CHARS: usize = 400;

/// A button with so many characters that are no blanks is a question rather than a command.
const LONG_BUTTON: usize = 25;

/// Links longer than this on average say something themselves.
const LONG_LINK: usize = 25;

/// So many characters that stand in a block themselves make it a paragraph.
const LONG_TEXT: usize = 40;

/// Fewer characters are a button's or a card's, not a post's.
const LEAST_POST: usize = 20;

/// What one element holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// Characters that are no blanks.
    pub(super) chars: usize,
    /// Those of them inside links.
    pub(super) linked: usize,
}

/// A page's tree with what its elements hold.
pub(super) struct Page<'t> {
    tree: &'t Tree<Node>,
    weights: HashMap<NodeId, Weight>,
    total: usize,
}

/// Elements left out of a walk, and where the walk starts.
pub(super) struct Plan {
    pub(super) dropped: HashSet<NodeId>,
    pub(super) root: NodeId,
    /// Elements that wait for a script to show them and hold too much to be left out.
    pub(super) revealed: HashSet<NodeId>,
    /// Characters that stay.
    pub(super) chars: usize,
}

impl<'t> Page<'t> {
    pub(super) fn of(tree: &'t Tree<Node>) -> Self {
        let mut weights = HashMap::new();
        let mut open: Vec<Weight> = vec![Weight::default()];
        let (mut links, mut silent) = (0_usize, 0_usize);
        for edge in tree.root().traverse() {
            match edge {
                Edge::Open(node) => match node.value() {
                    Node::Element(element) => {
                        links += usize::from(element.name() == "a");
                        silent += usize::from(is_silent(element.name()));
                        open.push(Weight::default());
                    }
                    Node::Text(text) if silent == 0 => {
                        let chars = text.chars().filter(|c| !c.is_whitespace()).count();
                        if let Some(top) = open.last_mut() {
                            top.chars += chars;
                            top.linked += if links > 0 { chars } else { 0 };
                        }
                    }
                    _ => {}
                },
                Edge::Close(node) => {
                    let Node::Element(element) = node.value() else { continue };
                    links -= usize::from(element.name() == "a");
                    silent -= usize::from(is_silent(element.name()));
                    let own = open.pop().unwrap_or_default();
                    if let Some(outer) = open.last_mut() {
                        outer.chars += own.chars;
                        outer.linked += own.linked;
                    }
                    weights.insert(node.id(), own);
                }
            }
        }
        let total = open.first().map_or(0, |all| all.chars);
        Self { tree, weights, total }
    }

    fn weight(&self, node: NodeId) -> Weight {
        self.weights.get(&node).copied().unwrap_or_default()
    }

    /// What is below `root` without furniture; on a page of the kind "forum" without what stands around
    /// posts too.
    pub(super) fn plan(&self, root: Option<NodeId>, kind: &str) -> Plan {
        let root = root.unwrap_or(self.tree.root().id());
        let mut dropped = HashSet::new();
        let mut revealed = HashSet::new();
        let mut lost = 0;
        let mut skip = None;
        let held = if root == self.tree.root().id() { self.total } else { self.weight(root).chars };
        for edge in self.tree.get(root).into_iter().flat_map(|node| node.traverse()) {
            match edge {
                Edge::Open(node) if skip.is_none() => {
                    let Node::Element(element) = node.value() else { continue };
                    let weight = self.weight(node.id());
                    if node.id() != root && self.is_furniture(&node, element, weight, held, kind) {
                        dropped.insert(node.id());
                        lost += weight.chars;
                        skip = Some(node.id());
                    } else if weight.chars * 5 > self.total && is_veiled(element.attr("style")) {
                        revealed.insert(node.id());
                    }
                }
                Edge::Close(node) if skip == Some(node.id()) => skip = None,
                _ => {}
            }
        }
        Plan { dropped, root, revealed, chars: held.saturating_sub(lost) }
    }

    /// The smallest element that holds an element and the page's first heading.
    pub(super) fn with_heading(&self, place: NodeId) -> Option<NodeId> {
        let heading = |node: &NodeRef<'_, Node>| matches!(node.value(), Node::Element(e) if e.name() == "h1");
        let heading = self.tree.nodes().find(|node| heading(node) && self.weight(node.id()).chars > 0)?;
        let above: HashSet<NodeId> = heading.ancestors().map(|outer| outer.id()).collect();
        let place = self.tree.get(place)?;
        std::iter::once(place).chain(place.ancestors()).map(|outer| outer.id()).find(|id| above.contains(id))
    }

    fn is_furniture(
        &self,
        node: &NodeRef<'_, Node>,
        element: &Element,
        weight: Weight,
        held: usize,
        kind: &str,
    ) -> bool {
        let forum = kind == "forum";
        let block = matches!(element.name(), "div" | "section" | "ol" | "ul" | "aside");
        if kind == "article" && block && names(element).any(|name| COMMENTS.contains(&name.as_str())) {
            return !self.has_main(node);
        }
        // What holds most of the words is the page itself.
        let large = weight.chars * 10 > held * 6;
        if large {
            return false;
        }
        let name = element.name();
        let in_head = matches!(name, "header" | "aside" | "form" | "dialog");
        match name {
            "nav" | "footer" | "select" | "input" | "dialog" => return true,
            // Long ones and those in headings open answers.
            "button" => {
                return weight.chars < LONG_BUTTON && !is_in_heading(node) && !self.has_structure(node);
            }
            "aside" => return !names(element).any(|n| n == "quote" || n == "admonition"),
            "form" if weight.chars < 400 => return !(forum && self.holds_post(node)),
            "time" => return forum && weight.chars < 40,
            "h2" | "h3" if forum && self.is_reply_title(node) => return true,
            "header" => {
                let inside = node.ancestors().any(|a| {
                    matches!(a.value(), Node::Element(e) if matches!(e.name(), "main" | "article" | "section"))
                });
                return if inside { forum && !self.has_heading(node) } else { !self.has_heading(node) };
            }
            "h1" | "h2" | "h3" | "body" | "html" | "main" => return false,
            _ => {}
        }
        let roles =
            ["navigation", "banner", "contentinfo", "search", "complementary", "dialog", "alertdialog"];
        if element.attr("role").is_some_and(|role| roles.contains(&role)) {
            return true;
        }
        if element.attr("aria-hidden") == Some("true") && !in_head {
            return true;
        }
        let entry = matches!(name, "dt" | "dd" | "h4" | "h5" | "h6" | "code");
        if !entry && weight.chars * 10 <= held * 4 {
            let note = weight.linked * 3 < weight.chars && is_beside_paragraph(node);
            if is_named_furniture(node, element, forum, note) {
                return true;
            }
        }
        let words: HashSet<String> = names(element).flat_map(|name| parts(&name)).collect();
        let named = |list: &[&str]| list.iter().any(|word| words.contains(*word));
        if forum && named(&PANELS) && !named(&POSTS) && weight.chars <= PANEL_CHARS && !self.holds_post(node)
        {
            return true;
        }
        if forum && words.contains("header") && weight.chars <= PANEL_CHARS && !self.has_heading(node) {
            return !self.holds_post(node);
        }
        let linked = weight.linked * 2 > weight.chars && weight.chars * 10 <= held * 4;
        if linked && matches!(name, "div" | "section") && leads_elsewhere(node) {
            return true;
        }
        // A block of little but links leads elsewhere.
        let block = matches!(name, "ul" | "ol" | "div" | "section" | "table" | "td" | "dl" | "p");
        let leads = weight.linked * 10 > weight.chars * 8;
        block
            && leads
            && weight.chars > 0
            && (forum || self.link_count(node) >= 4)
            && !self.has_structure(node)
            && (forum || !self.is_grid(node, weight, kind))
    }

    /// Whether a block of links is what the page is about: cards that are links as a whole, long titles,
    /// what a shop or a directory lists.
    fn is_grid(&self, node: &NodeRef<'_, Node>, weight: Weight, kind: &str) -> bool {
        let in_main = node
            .ancestors()
            .any(|a| matches!(a.value(), Node::Element(e) if matches!(e.name(), "main" | "article")));
        let lists = matches!(kind, "collection" | "listing" | "product" | "service");
        if in_main && lists {
            return true;
        }
        // Beside an article they lead to other articles.
        if kind == "article" && !in_main {
            return false;
        }
        let is_block =
            |name: &str| matches!(name, "div" | "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "img");
        let cards = node.descendants().take(2_000).any(|inner| {
            let block = matches!(inner.value(), Node::Element(e) if is_block(e.name()));
            let within = inner.ancestors().take_while(|a| a.id() != node.id());
            block && within.take(8).any(|a| matches!(a.value(), Node::Element(e) if e.name() == "a"))
        });
        cards || weight.linked > LONG_LINK * self.link_count(node)
    }

    /// Whether a heading only repeats the thread's title.
    fn is_reply_title(&self, node: &NodeRef<'_, Node>) -> bool {
        let texts = node.descendants().take(20).filter_map(|inner| match inner.value() {
            Node::Text(text) => Some(text.trim_start()),
            _ => None,
        });
        texts.filter(|text| !text.is_empty()).take(1).any(|text| text.starts_with("Re:"))
    }

    /// Whether it holds what a page has once.
    fn has_main(&self, node: &NodeRef<'_, Node>) -> bool {
        node.descendants().take(5_000).any(|inner| match inner.value() {
            Node::Element(element) => matches!(element.name(), "h1" | "main"),
            _ => false,
        })
    }

    fn has_heading(&self, node: &NodeRef<'_, Node>) -> bool {
        node.descendants().take(2_000).any(|inner| match inner.value() {
            Node::Element(element) => matches!(element.name(), "h1" | "h2" | "h3"),
            _ => false,
        })
    }

    /// Whether it holds headings or code: lists of functions are links and content all the same.
    fn has_structure(&self, node: &NodeRef<'_, Node>) -> bool {
        node.descendants().take(2_000).any(|inner| match inner.value() {
            Node::Element(element) => {
                matches!(element.name(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "code" | "pre")
            }
            _ => false,
        })
    }

    fn link_count(&self, node: &NodeRef<'_, Node>) -> usize {
        let links = node.descendants().take(2_000).filter(|inner| match inner.value() {
            Node::Element(element) => element.name() == "a",
            _ => false,
        });
        links.count()
    }

    fn holds_post(&self, node: &NodeRef<'_, Node>) -> bool {
        node.descendants().take(200).any(|inner| match inner.value() {
            Node::Element(element) => is_post(element),
            _ => false,
        })
    }

    /// Whether the names of its elements are those of a forum: texts of posts and their writers. If so, how
    /// much of all posts is not in the longest, in percent: little where an article stands before cards.
    pub(super) fn posts(&self) -> Option<usize> {
        let (mut posts, mut writers, mut all, mut longest) = (0, 0, 0, 0);
        let mut within: Option<NodeId> = None;
        for edge in self.tree.root().traverse() {
            match edge {
                Edge::Open(node) => {
                    let Node::Element(element) = node.value() else { continue };
                    writers += usize::from(names(element).any(|name| WRITERS.contains(&name.as_str())));
                    // What stands in a post is part of it; a post says something.
                    let chars = self.weight(node.id()).chars;
                    if within.is_none() && is_post(element) && chars >= LEAST_POST {
                        posts += 1;
                        all += chars;
                        longest = longest.max(chars);
                        within = Some(node.id());
                    }
                }
                Edge::Close(node) if within == Some(node.id()) => within = None,
                Edge::Close(_) => {}
            }
        }
        (posts >= 2 && writers >= 2).then(|| (all - longest) * 100 / all.max(1))
    }

    /// Whether a heading is a button, as where answers open below their questions.
    pub(super) fn has_buttons_as_headings(&self) -> bool {
        let button =
            |node: &NodeRef<'_, Node>| matches!(node.value(), Node::Element(e) if e.name() == "button");
        self.tree
            .nodes()
            .any(|node| button(&node) && self.weight(node.id()).chars > 0 && is_in_heading(&node))
    }

    /// The smallest element that holds the texts of all posts and the title above them.
    pub(super) fn thread(&self) -> Option<NodeId> {
        let of = |node: &NodeRef<'_, Node>| match node.value() {
            Node::Element(element) => is_post(element) && self.weight(node.id()).chars > 20,
            _ => false,
        };
        let posts: Vec<NodeId> = self.tree.nodes().filter(of).map(|node| node.id()).take(500).collect();
        if posts.len() < 2 {
            return None;
        }
        // The path of the first post, narrowed by each of the others.
        let path = |id: NodeId| -> Vec<NodeId> {
            let node = self.tree.get(id);
            let mut path: Vec<NodeId> =
                node.into_iter().flat_map(|n| n.ancestors().map(|a| a.id()).collect::<Vec<_>>()).collect();
            path.reverse();
            path
        };
        let mut posts = posts.into_iter();
        let mut common = path(posts.next()?);
        for post in posts {
            let other = path(post);
            let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
            common.truncate(same);
        }
        let lowest = *common.last()?;
        // The title often stands beside the list of posts.
        let holds_title = |id: &&NodeId| {
            self.tree.get(**id).is_some_and(|node| {
                node.descendants().take(5_000).any(
                    |inner| matches!(inner.value(), Node::Element(e) if matches!(e.name(), "h1") || names(e).any(|n| n.contains("title") && e.name() == "h2")),
                )
            })
        };
        let with_title = common.iter().rev().take(4).find(holds_title);
        Some(with_title.copied().unwrap_or(lowest))
    }
}

/// Whether an element stands in what names or heads a part of the page.
fn is_in_heading(node: &NodeRef<'_, Node>) -> bool {
    let heads = ["h1", "h2", "h3", "h4", "h5", "h6", "dt", "summary", "legend"];
    node.ancestors()
        .take(4)
        .any(|outer| matches!(outer.value(), Node::Element(e) if heads.contains(&e.name())))
}

/// Whether the name of an element is that of furniture. Classes say what an element is; an id is as often
/// the address of a section about that very thing, though not among posts. `note` says that it may be a note
/// in the text.
fn is_named_furniture(node: &NodeRef<'_, Node>, element: &Element, forum: bool, note: bool) -> bool {
    let class = element.attr("class").unwrap_or_default().to_lowercase();
    // A page builder names every block of content as it names its own parts.
    let built = |name: &&str| name.starts_with("elementor-") && !name.starts_with("elementor-location-");
    let mut words: HashSet<String> = HashSet::new();
    for name in class.split_whitespace().take(40).filter(|name| !built(name)) {
        let part = !matches!(name, "widget" | "widget-area");
        words.extend(parts(name).into_iter().filter(|word| !(part && word == "widget")));
    }
    if ["layout", "has", "with"].iter().any(|word| words.contains(*word)) {
        return false;
    }
    let is_furniture = |word: &str| FURNITURE.contains(&word) && !(note && NOTES.contains(&word));
    if words.iter().any(|word| is_furniture(word)) {
        return true;
    }
    if !matches!(element.name(), "div" | "ul" | "aside" | "section") {
        return false;
    }
    let id = element.attr("id").unwrap_or_default().to_lowercase();
    let mut meant = parts(&id).into_iter().filter(|word| is_furniture(word)).peekable();
    if meant.peek().is_none() || forum {
        return meant.peek().is_some();
    }
    let section = element.name() == "section" || words.contains("section");
    match first_heading_of(node) {
        Some(heading) => !section && !meant.any(|word| heading.contains(&word)),
        None => true,
    }
}

/// Whether the heading that an element begins with says that it leads to other pages.
fn leads_elsewhere(node: &NodeRef<'_, Node>) -> bool {
    first_heading_of(node).is_some_and(|heading| {
        let heading = heading.trim_start();
        ELSEWHERE.iter().any(|start| heading.starts_with(start))
    })
}

/// Whether an element stands next to a paragraph, as what interrupts a text does.
fn is_beside_paragraph(node: &NodeRef<'_, Node>) -> bool {
    let is_element = |near: &NodeRef<'_, Node>| near.value().is_element();
    let before = node.prev_siblings().find(is_element);
    let after = node.next_siblings().find(is_element);
    // Some programs write paragraphs as other blocks with text of their own.
    let says = |near: &NodeRef<'_, Node>| {
        let long = |text: &str| text.trim().chars().count() >= LONG_TEXT;
        near.children().any(|inner| matches!(inner.value(), Node::Text(text) if long(text)))
    };
    let is_paragraph = |near: NodeRef<'_, Node>| match near.value() {
        Node::Element(element) => element.name() == "p" || element.name() == "div" && says(&near),
        _ => false,
    };
    before.into_iter().chain(after).any(is_paragraph)
}

/// The text that an element begins with when that is a heading, in small letters.
fn first_heading_of(node: &NodeRef<'_, Node>) -> Option<String> {
    let shown =
        |inner: &NodeRef<'_, Node>| matches!(inner.value(), Node::Text(text) if !text.trim().is_empty());
    let first = node.descendants().take(40).find(shown)?;
    let is_heading = |outer: &NodeRef<'_, Node>| {
        let Node::Element(element) = outer.value() else { return false };
        matches!(element.name(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
    };
    let heading = first.ancestors().take_while(|outer| outer.id() != node.id()).find(is_heading)?;
    let texts = heading.descendants().take(40).filter_map(|inner| match inner.value() {
        Node::Text(text) => Some(text.to_lowercase()),
        _ => None,
    });
    Some(texts.collect())
}

fn is_silent(name: &str) -> bool {
    matches!(name, "script" | "style" | "template" | "title" | "head")
}

fn is_post(element: &Element) -> bool {
    names(element).any(|name| POSTS.contains(&name.as_str()) || name.starts_with("post_message_"))
}

/// The classes and the id of an element, in small letters.
fn names(element: &Element) -> impl Iterator<Item = String> {
    let class = element.attr("class").unwrap_or_default();
    let id = element.attr("id").unwrap_or_default();
    let prop = element.attr("itemprop").unwrap_or_default();
    class.split_whitespace().chain([id, prop]).filter(|n| !n.is_empty()).take(40).map(str::to_lowercase)
}

/// A name and the words in it: `p-nav__list` gives `p-nav__list`, `p`, `nav`, `list`.
fn parts(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let mut all: Vec<String> =
        words.map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect();
    all.push(name.to_owned());
    all
}
