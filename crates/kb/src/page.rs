//! Opaque page tokens: where a listing goes on, bound to bot and query.

use crate::Error;
use quarry_types::{Scope, hex, unhex};
use sha2::{Digest, Sha256};

/// Which page is asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Token of the page before.
    pub token: Option<String>,
    /// Entries wanted, clamped to 1..=1000.
    pub size: usize,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { token: None, size: 20 }
    }
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// What a token must have been made for: the bot and all that decides the order of the listing.
pub(crate) struct Listing(String);

impl Listing {
    pub(crate) fn new(scope: &Scope, query: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [scope.bot().as_str(), query] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hex(&hash.finalize().as_slice()[..8]))
    }

    /// Cuts one page out of an ordered listing. `position` names an entry uniquely and in order, so
    /// a page goes on behind the last entry shown even when entries came or went meanwhile.
    pub(crate) fn cut<T, K: Ord + AsRef<str>>(
        &self,
        items: Vec<(K, T)>,
        page: &PageRequest,
    ) -> Result<Page<T>, Error> {
        let size = page.size.clamp(1, 1000);
        let after = page.token.as_deref().map(|token| self.read(token)).transpose()?;
        let start = match &after {
            Some(after) => items.partition_point(|(key, _)| key.as_ref() <= after.as_str()),
            None => 0,
        };
        let left = items.len().saturating_sub(start);
        let mut last = None;
        let mut shown = Vec::with_capacity(size.min(left));
        for (key, item) in items.into_iter().skip(start).take(size) {
            last = Some(key);
            shown.push(item);
        }
        let next = last.filter(|_| left > size).map(|key| self.token(key.as_ref()));
        Ok(Page { items: shown, next })
    }

    fn token(&self, position: &str) -> String {
        format!("{}.{}", self.0, hex(position.as_bytes()))
    }

    fn read(&self, token: &str) -> Result<String, Error> {
        let wrong = || {
            Error::InvalidQuery("nextToken does not belong to this listing; start again without it".into())
        };
        let (listing, position) = token.split_once('.').ok_or_else(wrong)?;
        if listing != self.0 {
            return Err(wrong());
        }
        unhex(position).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_types::BotId;

    #[test]
    fn pages_go_on_where_they_stopped() {
        let scope = |bot| Scope::of(BotId::parse(bot).unwrap());
        let listing = Listing::new(&scope("a"), "q");
        let items =
            |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), (*n).to_owned())).collect::<Vec<_>>();
        let request = |token| PageRequest { token, size: 2 };
        let first = listing.cut(items(&["1", "2", "3", "4", "5"]), &request(None)).unwrap();
        assert_eq!(first.items, ["1", "2"]);
        let second = listing.cut(items(&["1", "3", "4", "5"]), &request(first.next.clone())).unwrap();
        assert_eq!(second.items, ["3", "4"]);
        let last = listing.cut(items(&["1", "3", "4", "5"]), &request(second.next)).unwrap();
        assert_eq!((last.items, last.next), (vec!["5".to_owned()], None));
        for foreign in [Listing::new(&scope("b"), "q"), Listing::new(&scope("a"), "r")] {
            assert!(foreign.cut(items(&["1"]), &request(first.next.clone())).is_err());
        }
        for bad in ["", "x", ".", "zz.zz"] {
            assert!(listing.cut(items(&["1"]), &request(Some(bad.into()))).is_err());
        }
    }
}
