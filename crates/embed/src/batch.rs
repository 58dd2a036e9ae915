//! Which texts run through the model together, and the token matrix they make.
//!
//! Small batches are as fast as large ones and keep memory and the wait of a query short; texts of like
//! length share one so that little is spent on padding.

/// The most tokens of one batch, padding included: one full passage, or several short texts.
const MAX_BATCH_TOKENS: usize = 256;
/// The most texts of one batch.
const MAX_BATCH_TEXTS: usize = 8;

/// Splits texts with these token counts into batches of indices, shortest texts first. Each index
/// is in exactly one batch; a text over the token budget has a batch of its own.
#[must_use]
pub fn plan(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, usize)> =
        lengths.iter().copied().enumerate().map(|(at, len)| (len, at)).collect();
    order.sort_unstable();
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for (length, at) in order {
        match batches.last_mut() {
            // Sorted, so this text is the longest of the batch it joins.
            Some(batch)
                if batch.len() < MAX_BATCH_TEXTS
                    && (batch.len() + 1).saturating_mul(length) <= MAX_BATCH_TOKENS =>
            {
                batch.push(at);
            }
            _ => batches.push(vec![at]),
        }
    }
    batches
}

/// Token ids of a few texts, padded with 0 to the longest; `mask` is 1 on real tokens.
pub(crate) struct Batch {
    pub(crate) texts: usize,
    pub(crate) width: usize,
    pub(crate) ids: Vec<u32>,
    pub(crate) mask: Vec<u32>,
}

impl Batch {
    pub(crate) fn new<'a>(rows: impl Iterator<Item = &'a [u32]> + Clone) -> Self {
        let width = rows.clone().map(<[u32]>::len).max().unwrap_or(0);
        let mut batch = Self { texts: 0, width, ids: Vec::new(), mask: Vec::new() };
        for row in rows {
            batch.texts += 1;
            batch.ids.extend_from_slice(row);
            batch.ids.resize(batch.texts * width, 0);
            batch.mask.resize((batch.texts - 1) * width + row.len(), 1);
            batch.mask.resize(batch.texts * width, 0);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_texts_share_and_long_ones_run_alone() {
        assert_eq!(plan(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(plan(&[256, 10, 200, 12]), vec![vec![1, 3], vec![2], vec![0]]);
        assert_eq!(plan(&[4; 17]).iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 1]);
    }

    #[test]
    fn rows_are_padded_to_the_longest() {
        let batch = Batch::new([&[1u32, 2][..], &[3, 4, 5], &[6]].into_iter());
        assert_eq!((batch.texts, batch.width), (3, 3));
        assert_eq!(batch.ids, [1, 2, 0, 3, 4, 5, 6, 0, 0]);
        assert_eq!(batch.mask, [1, 1, 0, 1, 1, 1, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_text_has_one_batch_within_the_budget(lengths in prop::collection::vec(2usize..400, 0..200)) {
            let batches = plan(&lengths);
            let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = batch.iter().map(|&at| lengths[at]).max().unwrap_or(0);
                prop_assert!(batch.len() <= MAX_BATCH_TEXTS);
                prop_assert!(batch.len() == 1 || batch.len() * longest <= MAX_BATCH_TOKENS);
            }
        }
    }
}
