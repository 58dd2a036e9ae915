//! Which imports of a table its readers see.
//!
//! Invariant: a batch number is given out once.

use crate::Error;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Which imports of a table are public. One that is not known to be is hidden: a reader that lags
/// behind may meet an import's rows before this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batches {
    /// The number the next import takes.
    pub(crate) next: u32,
    /// Imports begun and not published.
    pub(crate) hidden: Vec<u32>,
}

impl Default for Batches {
    fn default() -> Self {
        Self { next: 1, hidden: Vec::new() }
    }
}

impl Batches {
    pub(crate) fn is_public(&self, batch: u32) -> bool {
        batch == 0 || (batch < self.next && !self.hidden.contains(&batch))
    }

    /// Gives out the next number, hidden.
    pub(crate) fn begin(&mut self) -> u32 {
        let batch = self.next;
        self.next = self.next.saturating_add(1);
        self.hidden.push(batch);
        batch
    }

    pub(crate) fn end(&mut self, batch: u32) {
        self.hidden.retain(|hidden| *hidden != batch);
    }

    pub(crate) fn encode(&self) -> Result<Bytes, Error> {
        let text = serde_json::to_vec(self)
            .map_err(|cause| Error::Internal(format!("import list does not encode: {cause}")))?;
        Ok(text.into())
    }

    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no such list.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|cause| Error::Corrupt(cause.to_string()))
    }
}
