//! The main content of a page of the web.
//!
//! Two readers: the scoring of rs-trafilatura, and the page without its furniture ([`prune`]). The
//! first is the more exact on articles and documentation; the second never loses what the first
//! did not understand. Which one counts is decided by the kind of page and by how much each kept:
//! for a knowledge base a missing answer is worse than a line too many.

use super::filter::{Keep, is_hidden, simplify};
use super::head::Head;
use super::prune::{Page, Plan};
use super::walk;
use crate::document::{Builder, Part};
use crate::limits::Limits;
use crate::metadata::Field;
use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef, Tree};
use quarry_types::PassageKind;
use rs_trafilatura::{ExtractResult, Options, extract_with_options};
use scraper::{Html, Node};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Larger pages are read without scoring, whose time grows faster than the page.
const MAX_SCORED_NODES: usize = 20_000;
const MAX_SCORED_BYTES: usize = 3 << 20;

/// Characters below which the scoring found nothing: it then hands out the page's title, repeated.
const LEAST_SCORED: usize = 60;

/// Share of the posts' text that is not in the longest, in percent, from which an article is a thread.
const MOST_IN_CARDS: usize = 30;

/// Words in a run that tells two texts are the same.
const RUN: usize = 4;

/// Most characters an element may hold, in percent of what was chosen from it, to be read itself.
fn most_beside(kind: &str) -> usize {
    if kind == "article" { 115 } else { 160 }
}

/// Programs that run forums.
const FORUM_PROGRAMS: [&str; 12] = [
    "discourse",
    "phpbb",
    "vbulletin",
    "xenforo",
    "mybb",
    "simple machines",
    "flarum",
    "invision",
    "vanilla",
    "nodebb",
    "woltlab",
    "fluxbb",
];

/// Parts of the host names of forums.
const FORUM_HOSTS: [&str; 4] = ["forum", "forums", "community", "discuss"];

/// Folders in the addresses of threads.
const FORUM_FOLDERS: [&str; 8] =
    ["forum", "forums", "thread", "threads", "topic", "community", "questions", "comments"];

/// What pages of threads are called.
const FORUM_PAGES: [&str; 6] = ["viewtopic", "showthread", "viewthread", "thread-", "topic-", "forum-"];

/// Reads the main content; `None` when the page has none that can be told.
pub(super) fn read(source: &str, url: &str, limits: &Limits, builder: &mut Builder) -> Option<()> {
    let filtered = simplify(source, limits, Keep::Web);
    if filtered.cut {
        builder.warn("the page has more elements than are read; part of its structure was lost".to_owned());
    }
    let mut document = Html::parse_document(&filtered.html);
    // The scoring knows nothing of what a page hides.
    let shown = without_hidden(&mut document);
    let html = shown.as_deref().unwrap_or(&filtered.html);
    let tree = document.tree;
    let page = Page::of(&tree);
    let address = if url.is_empty() { filtered.head.value(Field::Url).unwrap_or_default() } else { url };
    let place = is_forum_address(address);
    // The scoring takes any address that holds these words for a forum's.
    let plain =
        if place { address.to_owned() } else { address.replace("forum", "").replace("/topics/", "/") };
    let scored = (filtered.nodes <= MAX_SCORED_NODES && html.len() <= MAX_SCORED_BYTES)
        .then(|| score(html, &plain))
        .flatten();
    let kind = scored.as_ref().and_then(|s| s.metadata.page_type.clone()).unwrap_or_default();
    let forum = is_forum(&filtered.head, place, &page, &kind);
    let kind = if forum { "forum".to_owned() } else { kind };
    let whole = page.plan(if forum { page.thread() } else { None }, &kind);
    let kept = scored.as_ref().map_or(0, |s| s.content_text.chars().filter(|c| !c.is_whitespace()).count());
    // The scoring knows no headings that are buttons.
    let unknown = forum || page.has_buttons_as_headings();
    let choice = if unknown || kept < LEAST_SCORED.max(least(&kind, whole.chars)) { None } else { scored };
    let Some(scored) = choice else {
        walk(&tree, Some(&whole), builder);
        return (!builder.is_empty()).then_some(());
    };
    // Where the element that holds what was chosen holds little else, it is read itself: code and tables
    // are whole there.
    let place = place_of(&tree, &scored.content_text);
    if is_of_pieces(&kind) {
        let around =
            place.and_then(|place| page.with_heading(place)).map(|place| page.plan(Some(place), &kind));
        if let Some(plan) = around.filter(|plan| (kept * 9 / 10..=kept * 2).contains(&plan.chars)) {
            walk(&tree, Some(&plan), builder);
            return (!builder.is_empty()).then_some(());
        }
    }
    let plan = place.map(|place| page.plan(Some(place), &kind));
    match plan.filter(|plan| plan.chars * 10 >= kept * 9 && plan.chars * 100 <= kept * most_beside(&kind)) {
        Some(plan) => {
            write_heading(&tree, |heading| holds_heading(&tree, &plan, heading), builder);
            walk(&tree, Some(&plan), builder);
        }
        None => write_scored(&scored, &tree, limits, builder),
    }
    (!builder.is_empty()).then_some(())
}

/// Takes out what the page does not show; its source without that, when there was any.
fn without_hidden(document: &mut Html) -> Option<String> {
    let revealed = Page::of(&document.tree).plan(None, "").revealed;
    let is_hidden = |node: &NodeRef<'_, Node>| match node.value() {
        Node::Element(element) => {
            !revealed.contains(&node.id())
                && is_hidden(element.attr("hidden").is_some(), element.attr("style"))
        }
        _ => false,
    };
    let hidden: Vec<NodeId> = document.tree.nodes().filter(is_hidden).map(|node| node.id()).collect();
    for id in &hidden {
        if let Some(mut node) = document.tree.get_mut(*id) {
            node.detach();
        }
    }
    (!hidden.is_empty()).then(|| document.html())
}

/// The smallest element that holds nearly all of a text, told by runs of [`RUN`] words.
fn place_of(tree: &Tree<Node>, text: &str) -> Option<NodeId> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let runs: HashSet<&[&str]> = words.windows(RUN).collect();
    // What each element holds of it, in characters; children end before their parents.
    let mut held: HashMap<NodeId, usize> = HashMap::new();
    let mut open = vec![0_usize];
    for edge in tree.root().traverse() {
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Element(_) => open.push(0),
                Node::Text(text) => {
                    let own: Vec<&str> = text.split_whitespace().take(500).collect();
                    let found = own.windows(RUN).filter(|run| runs.contains(run)).count();
                    if let Some(top) = open.last_mut() {
                        *top += found;
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(_) = node.value() {
                    let own = open.pop().unwrap_or_default();
                    if let Some(outer) = open.last_mut() {
                        *outer += own;
                    }
                    held.insert(node.id(), own);
                }
            }
        }
    }
    let all = open.first().copied().filter(|all| *all >= 5)?;
    let enough = |node: &NodeRef<'_, Node>| held.get(&node.id()).is_some_and(|own| own * 100 >= all * 92);
    let mut place = tree.root();
    while let Some(inner) = place.children().find(enough) {
        place = inner;
    }
    Some(place.id())
}

fn holds_heading(tree: &Tree<Node>, plan: &Plan, heading: &str) -> bool {
    let root = tree.get(plan.root);
    let text: String = root
        .into_iter()
        .flat_map(|node| node.descendants())
        .filter_map(|node| if let Node::Text(text) = node.value() { Some(&**text) } else { None })
        .take(2_000)
        .collect();
    crate::clean::line(&text).contains(heading)
}

/// Writes the page's first heading unless it stands in the content.
fn write_heading(tree: &Tree<Node>, stands: impl Fn(&str) -> bool, builder: &mut Builder) {
    if let Some(heading) = super::first_heading(tree).filter(|heading| !stands(heading)) {
        builder.heading(1, &heading, None);
    }
}

/// Characters the scoring must have kept of those that are no furniture.
fn least(kind: &str, pruned: usize) -> usize {
    let percent = match kind {
        "product" => 60,
        "service" | "collection" | "listing" | "category" | "documentation" => 50,
        _ => 25,
    };
    pruned * percent / 100
}

/// Whether what a page lists in short pieces — prices, specifications, cards — is what it is about: the
/// scoring keeps running text and leaves them out.
fn is_of_pieces(kind: &str) -> bool {
    matches!(kind, "product" | "collection" | "listing" | "category")
}

fn score(html: &str, address: &str) -> Option<ExtractResult> {
    let url = (!address.is_empty()).then(|| address.to_owned());
    let options = Options { include_comments: false, include_tables: true, url, ..Options::default() };
    // It may panic on a page it does not understand; the other reader is there then.
    catch_unwind(AssertUnwindSafe(|| extract_with_options(html, &options))).ok()?.ok()
}

/// Whether an address is one of a forum: by the parts of its host name and its folders, whole.
fn is_forum_address(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    let rest = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.split(':').next().unwrap_or_default();
    if host.split('.').any(|label| FORUM_HOSTS.contains(&label)) {
        return true;
    }
    let mut folders = path.split('/').filter(|folder| !folder.is_empty()).peekable();
    while let Some(folder) = folders.next() {
        let thread = folder == "t" && folders.peek().is_some();
        let page = FORUM_PAGES.iter().any(|name| {
            folder
                .strip_prefix(name)
                .is_some_and(|rest| !name.ends_with('-') || rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        if thread || page || FORUM_FOLDERS.contains(&folder) {
            return true;
        }
    }
    false
}

/// Whether a page is a thread; `place` says that its address is one of a forum.
fn is_forum(head: &Head, place: bool, page: &Page<'_>, kind: &str) -> bool {
    let program = FORUM_PROGRAMS.iter().any(|name| head.generator().contains(name));
    let typed = head.types.iter().any(|t| t.contains("discussionforumposting") || t.contains("qapage"));
    if program || typed || kind == "forum" {
        return true;
    }
    let other = ["article", "product", "documentation", "service", "collection", "listing"].contains(&kind);
    // An article shows the beginnings of others as a forum shows posts.
    match page.posts() {
        Some(beside) => place || kind != "article" || beside >= MOST_IN_CARDS,
        None => place && !other,
    }
}

/// Writes what the scoring chose, with its structure where that holds the same words.
fn write_scored(scored: &ExtractResult, tree: &Tree<Node>, limits: &Limits, builder: &mut Builder) {
    // The scoring writes tables with bars between their cells, and cells that span columns once for each.
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric))
    }
    let wanted = words(&scored.content_text).count();
    let structured = scored.content_html.as_deref().map(|html| {
        let filtered = simplify(html, limits, Keep::Text);
        let mut trial = Builder::new(limits);
        walk(&Html::parse_document(&filtered.html).tree, None, &mut trial);
        trial.finish()
    });
    let structured = structured.filter(|document| {
        let found = words(&document.text).count();
        let known: HashSet<&str> = words(&document.text).collect();
        let whole = || words(&scored.content_text).all(|word| known.contains(word));
        (found * 10 >= wanted * 9 || whole()) && found * 10 <= wanted * 12 + 50
    });
    let begins_with = |text: &str, heading: &str| {
        let head: String = text.chars().take(heading.chars().count() + 200).collect();
        head.contains(heading)
    };
    // The two may differ in their beginnings.
    let written = structured.as_ref().map_or(scored.content_text.as_str(), |document| &document.text);
    write_heading(tree, |heading| begins_with(written, heading), builder);
    match structured {
        Some(document) => {
            for (block, text) in document.blocks.iter().zip(document.block_texts()) {
                let header_chars = block.header.map_or(0, |h| (h.end - block.range.start) as usize);
                builder.push(Part { kind: block.kind, level: block.level, text, page: None, header_chars });
            }
        }
        None => {
            for line in scored.content_text.lines() {
                builder.push(Part::new(PassageKind::Paragraph, &crate::clean::paragraph(line)));
            }
        }
    }
}

/// Whether a page is one of a website rather than a document saved as HTML.
pub(super) fn is_web_page(source: &str, head: &Head) -> bool {
    if head.is_office() {
        return false;
    }
    let marks = [
        "<nav",
        "<header",
        "<footer",
        "<main",
        "<aside",
        "role=\"navigation\"",
        "role=\"banner\"",
        "role=\"main\"",
        "role='navigation'",
        "name=\"viewport\"",
        "<script",
        "rel=\"stylesheet\"",
        "rel=stylesheet",
    ];
    let lower = source.to_ascii_lowercase();
    head.is_web || marks.iter().any(|mark| lower.contains(mark)) || lower.matches("<a").count() >= 15
}

#[cfg(test)]
mod tests;
