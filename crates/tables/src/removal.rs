//! Rows deleted with one commit whose own records go bit by bit after it.
//!
//! A removal is one record beside the rows it names. From the commit that writes it no reader sees
//! those rows, the quota counts them no more and their key values are free, although their records
//! and index entries still lie in the store. Invariant: no row in a removal is ever written again.

use crate::Error;
use crate::record::{self, REMOVALS_PREFIX};
use crate::schema::ColumnId;
use crate::tables::Tables;
use crate::view::{Snapshot, View};
use bytes::Bytes;
use quarry_store::{Coll, Commit, Key, RecordStore, Seq};
use quarry_types::BotId;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u8 = 1;
/// A bot has fewer unfinished jobs, so fewer removals, than this.
const MAX_REMOVALS: usize = 1_000;

/// The removals of one table by the keys of their records.
pub(crate) type Removals = BTreeMap<Key, Arc<Removal>>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Removal {
    /// The state of the table the rows were chosen in.
    pub(crate) seq: Seq,
    /// The key column then: entries of its index are to go as well.
    pub(crate) key: Option<ColumnId>,
    pub(crate) ids: RoaringBitmap,
}

impl Removal {
    /// Whether a record of this row and version is one to go.
    pub(crate) fn holds(&self, id: u32, seq: Seq) -> bool {
        seq <= self.seq && self.ids.contains(id)
    }

    pub(crate) fn encode(&self) -> Result<Bytes, Error> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.key.map_or(0, |column| column.0).to_le_bytes());
        self.ids
            .serialize_into(&mut out)
            .map_err(|cause| Error::Internal(format!("a removal does not encode: {cause}")))?;
        Ok(out.into())
    }

    /// # Errors
    /// [`Error::Corrupt`] when the bytes are no removal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Corrupt("a removal does not decode".into());
        let (version, rest) = bytes.split_first().ok_or_else(damaged)?;
        let (seq, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (key, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(damaged());
        }
        let ids = RoaringBitmap::deserialize_from(rest).map_err(|_| damaged())?;
        // 0 is the row id, which is never a key column.
        let key = Some(ColumnId(u32::from_le_bytes(*key))).filter(|key| key.0 != 0);
        Ok(Self { seq: u64::from_le_bytes(*seq), key, ids })
    }
}

/// The removals whose rows still lie in the store.
///
/// # Errors
/// When the store fails or a record is damaged.
pub(crate) async fn removals(store: &dyn RecordStore, bot: &BotId, coll: &Coll) -> Result<Removals, Error> {
    let found = store.scan(bot, coll, REMOVALS_PREFIX, None, MAX_REMOVALS).await?;
    found.into_iter().map(|found| Ok((found.key, Arc::new(Removal::decode(&found.value)?)))).collect()
}

impl Tables {
    /// Lets a commit take key values of rows that are leaving: it expects their index entries, which
    /// still lie in the store, as they are.
    pub(crate) async fn expect_leaving(
        &self,
        bot: &BotId,
        view: &View,
        snapshot: &Snapshot,
        commit: &mut Commit,
    ) -> Result<(), Error> {
        if !snapshot.has_removals() {
            return Ok(());
        }
        let mut places: Vec<_> = commit
            .expect_keys
            .iter_mut()
            .filter(|expected| {
                expected.seq.is_none() && expected.coll == view.coll && record::is_index_key(&expected.key)
            })
            .collect();
        let keys: Vec<Key> = places.iter().map(|expected| expected.key.clone()).collect();
        let found = self.store.get(bot, &view.coll, &keys).await?;
        for (expected, found) in places.iter_mut().zip(found) {
            if let Some(found) = found
                && record::owner(&found.value).is_some_and(|id| snapshot.is_leaving(id))
            {
                expected.seq = Some(found.seq);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn removals_decode_to_what_was_encoded(
            seq: u64, key in proptest::option::of(16..99_u32), ids in proptest::collection::vec(any::<u32>(), 0..50),
        ) {
            let removal = Removal { seq, key: key.map(ColumnId), ids: ids.into_iter().collect() };
            prop_assert_eq!(Removal::decode(&removal.encode().unwrap()).unwrap(), removal);
        }

        #[test]
        fn damaged_removals_are_errors_not_panics(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = Removal::decode(&bytes);
        }
    }
}
