//! The pages of a run in memory: which wait, what is known of each, which of several with the same text
//! stands for them all.
//!
//! Invariant: a page is left out for a twin only while the twin is a page of this run that has, or may yet
//! get, the text in its file; when that proves wrong the page gets another visit.

use crate::sources::record::{PageState, SourcePage};
use quarry_web::Frontier;
use std::collections::{HashMap, HashSet};
use url::Url;

pub(crate) struct Book {
    pub(crate) frontier: Frontier,
    pub(crate) pages: HashMap<String, SourcePage>,
    /// Which page has these words.
    words: HashMap<String, Holder>,
    /// Pages left out for another one.
    twins: Vec<Twin>,
    /// Pages that have had another visit.
    revisited: HashSet<String>,
}

struct Holder {
    url: String,
    /// Whether this run has seen the words there.
    seen: bool,
}

struct Twin {
    url: String,
    depth: u32,
    of: String,
    words: String,
}

impl Book {
    pub(crate) fn new(frontier: Frontier, pages: HashMap<String, SourcePage>, run: u32) -> Self {
        // The page that has the file keeps it, whichever of two alike is looked at first; one of this run
        // before one that may be gone.
        let mut holders: Vec<&SourcePage> = pages.values().filter(|page| page.has_file).collect();
        holders.sort_by_key(|page| (page.run == run, std::cmp::Reverse((page.depth, &page.url))));
        let holder = |page: &SourcePage| Holder { url: page.url.clone(), seen: false };
        let words =
            holders.into_iter().filter_map(|page| Some((page.words.clone()?, holder(page)))).collect();
        Self { frontier, pages, words, twins: Vec::new(), revisited: HashSet::new() }
    }

    /// The page of the run for which another one with these words is left out; without any, the other one
    /// holds the words from now on.
    pub(crate) fn twin_of(&mut self, words: &str, (url, depth): (&str, u32), run: u32) -> Option<String> {
        if let Some(known) = self.words.get(words).filter(|known| known.url != url) {
            let stands = match self.pages.get(&known.url).filter(|page| page.run == run) {
                Some(page) => page.state == PageState::Waiting || page.holds(words),
                None => known.seen,
            };
            if stands {
                let (of, words) = (known.url.clone(), words.to_owned());
                self.twins.push(Twin { url: url.to_owned(), depth, of: of.clone(), words });
                return Some(of);
            }
        }
        self.words.insert(words.to_owned(), Holder { url: url.to_owned(), seen: true });
        None
    }

    /// A page still has these words.
    pub(crate) fn keep_words(&mut self, words: &str, url: &str) {
        let holder = || Holder { url: url.to_owned(), seen: true };
        self.words.entry(words.to_owned()).or_insert_with(holder);
    }

    /// A page does not have these words any more.
    pub(crate) fn drop_words(&mut self, words: &str, url: &str) {
        if self.words.get(words).is_some_and(|holder| holder.url == url) {
            self.words.remove(words);
        }
    }

    /// Pages left out for one that did not keep their text; each is named once in a run.
    pub(crate) fn orphans(&mut self, run: u32) -> Vec<(Url, u32)> {
        let mut orphans = Vec::new();
        for twin in std::mem::take(&mut self.twins) {
            let other = self.pages.get(&twin.of).filter(|page| page.run == run);
            if other.is_some_and(|page| page.holds(&twin.words)) {
                continue;
            }
            if let Ok(url) = quarry_web::parse(&twin.url)
                && self.revisited.insert(twin.url)
            {
                self.drop_words(&twin.words, &twin.of);
                orphans.push((url, twin.depth));
            }
        }
        orphans
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_web::Rules;

    fn page(url: &str, run: u32, state: PageState) -> SourcePage {
        let words = Some("w".to_owned());
        SourcePage { has_file: true, words, state, ..SourcePage::waiting(url, 0, run) }
    }

    fn book(pages: Vec<SourcePage>) -> Book {
        let pages = pages.into_iter().map(|page| (page.url.clone(), page)).collect();
        Book::new(Frontier::new(Rules::default()), pages, 2)
    }

    const OLD: &str = "http://x.example/a";
    const NEW: &str = "https://x.example/a";

    #[test]
    fn a_page_of_an_earlier_run_is_no_twin() {
        let mut book = book(vec![page(OLD, 1, PageState::Fetched)]);
        assert_eq!(book.twin_of("w", (NEW, 0), 2), None);
        // And what was seen in this run is one, before it is written down too.
        assert_eq!(book.twin_of("w", ("https://x.example/b", 0), 2).as_deref(), Some(NEW));
        assert_eq!(book.twin_of("w", (NEW, 0), 2), None, "nobody is the twin of itself");
    }

    #[test]
    fn a_twin_that_loses_its_text_gives_the_others_another_visit() {
        let mut book = book(vec![page(OLD, 2, PageState::Waiting)]);
        assert_eq!(book.twin_of("w", (NEW, 1), 2).as_deref(), Some(OLD));
        let gone = SourcePage { words: None, has_file: false, ..page(OLD, 2, PageState::Failed) };
        book.pages.insert(OLD.to_owned(), gone);
        assert_eq!(book.orphans(2), [(quarry_web::parse(NEW).unwrap(), 1)]);
        assert_eq!(book.twin_of("w", (NEW, 1), 2), None);
        assert!(book.orphans(2).is_empty());
    }

    #[test]
    fn a_twin_that_keeps_its_text_stands_for_the_others() {
        for state in [PageState::Fetched, PageState::Unchanged, PageState::Failed] {
            let mut book = book(vec![page(OLD, 2, state)]);
            assert_eq!(book.twin_of("w", (NEW, 0), 2).as_deref(), Some(OLD), "{state:?}");
            assert!(book.orphans(2).is_empty(), "{state:?}");
        }
        let mut changed = page(OLD, 2, PageState::Fetched);
        changed.words = Some("other".to_owned());
        let mut book = book(vec![changed, page("https://x.example/c", 1, PageState::Fetched)]);
        assert_eq!(book.twin_of("w", (NEW, 0), 2), None);
    }
}
