//! What an operator may turn, with the values that were measured best.
//!
//! Invariant: checked values are within their documented ranges.

use crate::Error;

/// How searches weigh recall, meaning and time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchTuning {
    /// Hits each leg hands on, 10..=1000: more find more and cost time.
    pub candidates: usize,
    /// Weight of the passages' cosine, 0..=100, where all word evidence together weighs 4.25 and that of tokens 5.7.
    pub dense_weight: f32,
    /// Share of the true nearest vectors an approximate search should find, 0.5..=0.999.
    pub recall_target: f64,
    /// Links per point of a vector graph (`M`), 4..=64: more find more and cost memory and time.
    pub links: usize,
}

impl Default for SearchTuning {
    /// `docs/RETRIEVAL.md` tells how these were chosen.
    fn default() -> Self {
        Self { candidates: 100, dense_weight: 5.0, recall_target: 0.99, links: 16 }
    }
}

impl SearchTuning {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// `Invalid`, naming the value.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |message: &str| Err(Error::Invalid(message.to_owned()));
        if !(10..=1000).contains(&self.candidates) {
            return wrong("candidates must be 10 to 1000");
        }
        if !(0.0..=100.0).contains(&self.dense_weight) {
            return wrong("dense weight must be 0 to 100");
        }
        if !(0.5..=0.999).contains(&self.recall_target) {
            return wrong("recall target must be 0.5 to 0.999");
        }
        if !(4..=64).contains(&self.links) {
            return wrong("links must be 4 to 64");
        }
        Ok(())
    }
}
