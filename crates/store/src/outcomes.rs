//! Outcomes of the newest commits that carried an id, so that a repeated commit is not done twice.
//!
//! Knows nothing of what commits do. Invariant: an outcome is written in the same batch as the
//! commit it belongs to; this memory is only a copy of the catalog.

use crate::Error;
use crate::codec::{self, catalog_key, tag};
use crate::engine::{Engine, Space};
use crate::record::{Coll, Seq};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Outcomes remembered per bot.
const KEPT: usize = 256;
/// Bots whose outcomes stay in memory; the rest is read again when needed.
const BOTS_IN_MEMORY: usize = 256;

/// Catalog keys to write or, without a value, to remove.
pub(crate) type CatalogWrites = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

#[derive(Default)]
struct OfBot {
    by_id: HashMap<u128, Vec<(Coll, Seq)>>,
    order: VecDeque<(u64, u128)>,
}

/// Remembered outcomes by bot number.
#[derive(Default)]
pub(crate) struct Outcomes {
    bots: HashMap<u32, OfBot>,
}

impl Outcomes {
    /// Forgets what is in memory when that is much; call between groups only.
    pub(crate) fn trim(&mut self) {
        if self.bots.len() > BOTS_IN_MEMORY {
            self.bots.clear();
        }
    }

    /// The outcome of an earlier commit with this id.
    pub(crate) fn find(
        &mut self,
        engine: &Engine,
        bot_no: u32,
        id: u128,
    ) -> Result<Option<Vec<(Coll, Seq)>>, Error> {
        if let Entry::Vacant(place) = self.bots.entry(bot_no) {
            let mut of_bot = OfBot::default();
            let prefix = catalog_key(tag::OUTCOME, &[&bot_no.to_be_bytes()]);
            for pair in engine.view().prefix(Space::Catalog, &prefix) {
                let (key, value) = pair?;
                let order = key.get(prefix.len()..).and_then(|order| order.try_into().ok());
                let order = order.map(u64::from_be_bytes);
                let order = order.ok_or_else(|| Error::Corrupt("key of an outcome".into()))?;
                let (id, seqs) = codec::decode_outcome(&value)?;
                of_bot.order.push_back((order, id));
                of_bot.by_id.insert(id, seqs);
            }
            place.insert(of_bot);
        }
        Ok(self.bots.get(&bot_no).and_then(|of_bot| of_bot.by_id.get(&id)).cloned())
    }

    /// Remembers an outcome and forgets the oldest; `find` must have been called for this bot.
    pub(crate) fn add(&mut self, catalog: &mut CatalogWrites, bot_no: u32, id: u128, seqs: &[(Coll, Seq)]) {
        let of_bot = self.bots.entry(bot_no).or_default();
        let order = of_bot.order.back().map_or(0, |(order, _)| order + 1);
        let key = |order: u64| catalog_key(tag::OUTCOME, &[&bot_no.to_be_bytes(), &order.to_be_bytes()]);
        catalog.insert(key(order), Some(codec::encode_outcome(id, seqs)));
        of_bot.by_id.insert(id, seqs.to_vec());
        of_bot.order.push_back((order, id));
        while of_bot.order.len() > KEPT {
            if let Some((order, id)) = of_bot.order.pop_front() {
                of_bot.by_id.remove(&id);
                catalog.insert(key(order), None);
            }
        }
    }
}
