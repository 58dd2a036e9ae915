//! Pages of a list that is made anew for every page: a token names the last entry shown.

use crate::error::ApiError;
use quarry_kb::{Page, PageRequest};
use quarry_types::{hex, unhex};
use sha2::{Digest, Sha256};

/// Bytes of a token that bind it to its query.
const BOUND: usize = 8;

/// Cuts a page out of entries with names in ascending order; `query` is all that decides which
/// entries there are.
///
/// # Errors
/// 400 for a token of another query.
pub(crate) fn cut<T>(
    items: Vec<(String, T)>,
    query: &[&str],
    page: &PageRequest,
) -> Result<Page<T>, ApiError> {
    let mut hash = Sha256::new();
    for part in query {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let bound: Vec<u8> = hash.finalize().into_iter().take(BOUND).collect();
    let start = match &page.token {
        None => 0,
        Some(token) => {
            let name = unhex(token).filter(|bytes| bytes.starts_with(&bound));
            let name = name.and_then(|bytes| String::from_utf8(bytes.get(BOUND..)?.to_vec()).ok());
            let name = name.ok_or_else(|| {
                ApiError::query("nextToken does not belong to this list; start again without it")
            })?;
            items.partition_point(|(known, _)| *known <= name)
        }
    };
    let more = items.len().saturating_sub(start) > page.size;
    let mut last = String::new();
    let mut shown = Vec::new();
    for (name, item) in items.into_iter().skip(start).take(page.size) {
        last = name;
        shown.push(item);
    }
    let next = more.then(|| hex(&[bound.as_slice(), last.as_bytes()].concat()));
    Ok(Page { items: shown, next })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_join_without_gap_or_repeat() {
        let items = || (0..7).map(|n| (format!("{n:02}"), n)).collect::<Vec<_>>();
        let mut request = PageRequest { token: None, size: 3 };
        let mut seen = Vec::new();
        loop {
            let page = cut(items(), &["q"], &request).unwrap();
            seen.extend(page.items);
            request.token = page.next;
            if request.token.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        let token = cut(items(), &["q"], &request).unwrap().next;
        for (query, token) in [("r", token), ("q", Some("zz".into())), ("q", Some("00".into()))] {
            assert!(cut(items(), &[query], &PageRequest { token, size: 3 }).is_err());
        }
        let whole = cut(items(), &["q"], &PageRequest { token: None, size: 7 }).unwrap();
        assert_eq!((whole.items.len(), whole.next), (7, None));
    }
}
