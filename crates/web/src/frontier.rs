//! The order of a crawl: each page once, nearest first, within the rules of its source.

use crate::{MAX_URL_CHARS, Pattern, Site};
use std::collections::{HashMap, VecDeque};
use url::Url;

/// Why a URL is not visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It lies on another site.
    OtherSite,
    /// A pattern excludes it.
    Excluded,
    /// No pattern includes it.
    NotIncluded,
    /// It is too many links away.
    TooDeep,
    /// The source has as many pages as it may.
    TooMany,
    /// It is too long.
    TooLong,
}

impl Refusal {
    /// The reason as reports give it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherSite => "it lies on another host; set otherHosts to fetch it",
            Self::Excluded => "a pattern of exclude matches it",
            Self::NotIncluded => "no pattern of include matches it",
            Self::TooDeep => "it is further away than maxDepth",
            Self::TooMany => "the source has reached maxPages",
            Self::TooLong => "its URL is too long",
        }
    }
}

/// What a source takes.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Only this site; any when absent.
    pub site: Option<Site>,
    /// Only URLs that one of these stands for; any when empty.
    pub include: Vec<Pattern>,
    /// Whether the start is taken whatever `include` says: it leads to what is included.
    pub start_is_exempt: bool,
    /// No URL that one of these stands for.
    pub exclude: Vec<Pattern>,
    /// Most links from the start.
    pub max_depth: u32,
    /// Most pages.
    pub max_pages: usize,
}

impl Rules {
    /// Whether a page that many links from the start is taken; the count of pages is the frontier's.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn admit(&self, url: &Url, depth: u32) -> Result<(), Refusal> {
        if url.as_str().len() > MAX_URL_CHARS {
            return Err(Refusal::TooLong);
        }
        if self.site.as_ref().is_some_and(|site| !site.has(url)) {
            return Err(Refusal::OtherSite);
        }
        if self.exclude.iter().any(|pattern| pattern.matches(url)) {
            return Err(Refusal::Excluded);
        }
        let exempt = self.start_is_exempt && depth == 0;
        if !exempt && !self.include.is_empty() && !self.include.iter().any(|p| p.matches(url)) {
            return Err(Refusal::NotIncluded);
        }
        if depth > self.max_depth { Err(Refusal::TooDeep) } else { Ok(()) }
    }
}

/// What became of an offered URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It waits for its turn.
    Taken,
    /// It was offered before.
    Known,
    /// It is left out.
    Refused(Refusal),
}

/// The pages of one run: those seen and those waiting.
#[derive(Debug)]
pub struct Frontier {
    rules: Rules,
    /// Every URL seen, and whether it still waits.
    seen: HashMap<String, bool>,
    order: VecDeque<(Url, u32)>,
    waiting: usize,
}

impl Frontier {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, seen: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }

    /// Offers a page that many links from the start.
    pub fn offer(&mut self, url: &Url, depth: u32) -> Offer {
        if self.seen.contains_key(url.as_str()) {
            return Offer::Known;
        }
        if let Err(refusal) = self.rules.admit(url, depth) {
            return Offer::Refused(refusal);
        }
        if self.seen.len() >= self.rules.max_pages {
            return Offer::Refused(Refusal::TooMany);
        }
        self.restore(url, depth, true);
        Offer::Taken
    }

    /// Puts back a page of an interrupted run, waiting or done.
    pub fn restore(&mut self, url: &Url, depth: u32, waits: bool) {
        if !self.seen.contains_key(url.as_str()) {
            self.seen.insert(url.as_str().to_owned(), waits);
            if waits {
                self.order.push_back((url.clone(), depth));
                self.waiting += 1;
            }
        }
    }

    /// Takes a page that was reached by another way, such as a redirect; `false` when somebody has
    /// taken it before.
    pub fn claim(&mut self, url: &Url) -> bool {
        match self.seen.insert(url.as_str().to_owned(), false) {
            None => true,
            Some(waits) => {
                self.waiting -= usize::from(waits);
                waits
            }
        }
    }

    /// Whether a page has had its turn, or has been claimed.
    #[must_use]
    pub fn is_taken(&self, url: &Url) -> bool {
        self.seen.get(url.as_str()) == Some(&false)
    }

    /// Lets a page that has had its turn wait for another one.
    pub fn again(&mut self, url: &Url, depth: u32) {
        if self.seen.insert(url.as_str().to_owned(), true) != Some(true) {
            self.order.push_back((url.clone(), depth));
            self.waiting += 1;
        }
    }

    /// The next page to visit, with its distance.
    pub fn next_page(&mut self) -> Option<(Url, u32)> {
        loop {
            let (url, depth) = self.order.pop_front()?;
            if let Some(waits) = self.seen.get_mut(url.as_str()).filter(|waits| **waits) {
                *waits = false;
                self.waiting -= 1;
                return Some((url, depth));
            }
        }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// (pages seen, of them waiting).
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.seen.len(), self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn url(text: &str) -> Url {
        crate::parse(&format!("https://x.example{text}")).unwrap()
    }

    fn rules() -> Rules {
        Rules { site: Some(Site::of(&url("/"))), max_depth: 2, max_pages: 4, ..Rules::default() }
    }

    #[test]
    fn each_page_once_nearest_first() {
        let mut frontier = Frontier::new(rules());
        assert_eq!(frontier.offer(&url("/"), 0), Offer::Taken);
        assert_eq!(frontier.offer(&url("/a"), 1), Offer::Taken);
        assert_eq!(frontier.offer(&url("/"), 1), Offer::Known);
        assert_eq!(frontier.offer(&url("/b"), 3), Offer::Refused(Refusal::TooDeep));
        let other = crate::parse("https://y.example/").unwrap();
        assert_eq!(frontier.offer(&other, 1), Offer::Refused(Refusal::OtherSite));
        assert_eq!(frontier.next_page(), Some((url("/"), 0)));
        assert_eq!(frontier.next_page(), Some((url("/a"), 1)));
        assert_eq!(frontier.next_page(), None);
        assert_eq!(frontier.offer(&url("/c"), 2), Offer::Taken);
        assert_eq!(frontier.offer(&url("/d"), 2), Offer::Taken);
        assert_eq!(frontier.offer(&url("/e"), 2), Offer::Refused(Refusal::TooMany));
        assert_eq!(frontier.size(), (4, 2));
        assert!(frontier.claim(&url("/c")) && frontier.claim(&url("/f")));
        assert!(!frontier.claim(&url("/c")) && !frontier.claim(&url("/")));
        assert!(frontier.is_taken(&url("/c")) && !frontier.is_taken(&url("/d")));
        frontier.again(&url("/a"), 1);
        assert_eq!(frontier.next_page(), Some((url("/d"), 2)));
        assert_eq!(frontier.next_page(), Some((url("/a"), 1)));
        assert_eq!((frontier.next_page(), frontier.size().1), (None, 0));
    }

    #[test]
    fn patterns() {
        let pattern = |text| Pattern::parse(text).unwrap();
        let listed = Rules { include: vec![pattern("/docs/*")], exclude: vec![pattern("*.png")], ..rules() };
        assert_eq!(listed.admit(&url("/"), 0), Err(Refusal::NotIncluded), "a list leads nowhere");
        assert_eq!(listed.admit(&url("/docs/a"), 0), Ok(()));
        let rules = Rules { start_is_exempt: true, ..listed };
        assert_eq!(rules.admit(&url("/"), 0), Ok(()));
        assert_eq!(rules.admit(&url("/"), 1), Err(Refusal::NotIncluded));
        assert_eq!(rules.admit(&url("/docs/a"), 1), Ok(()));
        assert_eq!(rules.admit(&url("/docs/a.png"), 1), Err(Refusal::Excluded));
    }

    proptest! {
        #[test]
        fn nothing_is_visited_twice_or_beyond_the_count(paths in proptest::collection::vec("/[a-f]", 0..40)) {
            let mut frontier = Frontier::new(rules());
            let mut visited = HashSet::new();
            for path in paths {
                frontier.offer(&url(&path), 1);
                if let Some((page, _)) = frontier.next_page() {
                    prop_assert!(visited.insert(page));
                }
            }
            while let Some((page, _)) = frontier.next_page() {
                prop_assert!(visited.insert(page));
            }
            prop_assert!(visited.len() <= 4);
        }
    }
}
