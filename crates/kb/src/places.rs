//! Where passages live, by their ordinals: read hundreds of times a search, so that finding one must be cheap.
//!
//! Ordinals ascend and come close together, hence pages of them in a tree that stays small. Copies share pages; a page
//! is copied when one of several owners writes it. Invariant: no page is empty.

use crate::records::TextHash;
use imbl::OrdMap;
use quarry_index::{TokenCodes, Wording};
use quarry_types::FileId;
use std::sync::Arc;

/// Ordinals of a page.
const PAGE: usize = 32;

/// Where a passage lives.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) generation: Arc<Generation>,
    pub(crate) position: u32,
    pub(crate) hash: TextHash,
    pub(crate) wording: Wording,
    /// `None` where it was embedded before there were any.
    pub(crate) tokens: Option<TokenCodes>,
}

/// One generation of one file.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Generation {
    pub(crate) file: FileId,
    pub(crate) number: u32,
}

/// Places by ordinal; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pages: OrdMap<u32, Arc<Page>>,
    len: usize,
}

type Page = [Option<Place>; PAGE];

impl Place {
    pub(crate) fn token_bytes(&self) -> usize {
        self.tokens.as_ref().map_or(0, |tokens| tokens.bytes().len())
    }
}

impl Places {
    pub(crate) fn get(&self, ordinal: u32) -> Option<&Place> {
        let (page, slot) = address(ordinal);
        self.pages.get(&page)?.get(slot)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, ordinal: u32) -> Option<&mut Place> {
        let (page, slot) = address(ordinal);
        Arc::make_mut(self.pages.get_mut(&page)?).get_mut(slot)?.as_mut()
    }

    pub(crate) fn contains(&self, ordinal: u32) -> bool {
        self.get(ordinal).is_some()
    }

    /// Puts a place, over the one that was there.
    pub(crate) fn insert(&mut self, ordinal: u32, place: Place) {
        let (page, slot) = address(ordinal);
        let page = self.pages.entry(page).or_insert_with(|| Arc::new(std::array::from_fn(|_| None)));
        if let Some(slot) = Arc::make_mut(page).get_mut(slot) {
            self.len += usize::from(slot.replace(place).is_none());
        }
    }

    pub(crate) fn remove(&mut self, ordinal: u32) -> Option<Place> {
        self.get(ordinal)?;
        let (number, slot) = address(ordinal);
        let page = Arc::make_mut(self.pages.get_mut(&number)?);
        let gone = page.get_mut(slot)?.take()?;
        if page.iter().all(Option::is_none) {
            self.pages.remove(&number);
        }
        self.len -= 1;
        Some(gone)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the pages, full or not.
    pub(crate) fn page_bytes(&self) -> usize {
        self.pages.len() * (size_of::<Page>() + 64)
    }
}

/// The page of an ordinal and its slot there.
fn address(ordinal: u32) -> (u32, usize) {
    (ordinal / PAGE as u32, ordinal as usize % PAGE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn place(position: u32) -> Place {
        let generation = Arc::new(Generation { file: FileId::parse("file_a").unwrap(), number: 1 });
        Place { generation, position, hash: [0; 32], wording: Wording::default(), tokens: None }
    }

    proptest! {
        #[test]
        fn they_are_a_map_and_copies_stay_as_they_were(
            steps in prop::collection::vec((0u32..200, any::<bool>()), 0..300),
        ) {
            let (mut places, mut plain) = (Places::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (at, (ordinal, put)) in (0..).zip(steps) {
                if at % 50 == 0 {
                    copies.push((places.clone(), plain.clone()));
                }
                if put {
                    places.insert(ordinal, place(at));
                    plain.insert(ordinal, at);
                } else {
                    prop_assert_eq!(places.remove(ordinal).map(|gone| gone.position), plain.remove(&ordinal));
                }
                if let Some(place) = places.get_mut(ordinal) {
                    place.position += 1000;
                    *plain.get_mut(&ordinal).unwrap() += 1000;
                }
            }
            copies.push((places, plain));
            for (places, plain) in copies {
                prop_assert_eq!(places.len(), plain.len());
                for ordinal in 0..200 {
                    let there = places.get(ordinal).map(|place| place.position);
                    prop_assert_eq!(there, plain.get(&ordinal).copied());
                    prop_assert_eq!(places.contains(ordinal), there.is_some());
                }
                let pages: BTreeSet<u32> = plain.keys().map(|ordinal| address(*ordinal).0).collect();
                prop_assert_eq!(places.pages.len(), pages.len());
            }
        }
    }
}
