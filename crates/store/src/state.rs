//! What readers and the commit thread share: the engine, every bot's published state, the poison.
//!
//! Knows nothing of how commits are grouped. Invariant: the published state of a bot equals the
//! catalog on disk as of the last synced group; only the commit thread changes it.

use crate::Error;
use crate::codec::{self, BotEntry, CollState, catalog_key, tag};
use crate::engine::{Engine, Space, View};
use crate::record::Coll;
use parking_lot::{Mutex, RwLock};
use quarry_types::{BotId, Usage};
use std::collections::HashMap;
use std::fs::File;

/// Published state of one bot.
#[derive(Debug, Clone, Default)]
pub(crate) struct BotState {
    pub(crate) no: u32,
    pub(crate) next_coll: u32,
    pub(crate) usage: Usage,
    pub(crate) colls: HashMap<Coll, CollState>,
}

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    /// Bots used since start; loaded at first use.
    pub(crate) bots: RwLock<HashMap<BotId, BotState>>,
    poison: RwLock<Option<String>>,
    /// One sweep at a time.
    pub(crate) sweeping: Mutex<()>,
    /// Held while the folder is in use; last, so that it is released after the engine has closed.
    _lock: File,
}

impl Shared {
    pub(crate) fn new(engine: Engine, lock: File) -> Self {
        Self {
            engine,
            bots: RwLock::default(),
            poison: RwLock::default(),
            sweeping: Mutex::default(),
            _lock: lock,
        }
    }

    /// Runs `read` on a bot's published state; `None` for a bot that has nothing.
    pub(crate) fn with_bot<T>(
        &self,
        bot: &BotId,
        read: impl FnOnce(Option<&BotState>) -> T,
    ) -> Result<T, Error> {
        {
            let bots = self.bots.read();
            if let Some(state) = bots.get(bot) {
                return Ok(read(Some(state)));
            }
        }
        let key = catalog_key(tag::BOT, &[bot.as_str().as_bytes()]);
        if self.engine.view().get(Space::Catalog, &key)?.is_none() {
            return Ok(read(None));
        }
        // Loaded under the write lock: a group that changes or drops this bot publishes either
        // before the view below is taken, so that the view shows it, or after the insert.
        let mut bots = self.bots.write();
        if !bots.contains_key(bot)
            && let Some(state) = load_bot(&self.engine.view(), bot)?
        {
            bots.insert(bot.clone(), state);
        }
        Ok(read(bots.get(bot)))
    }

    /// State of one collection.
    pub(crate) fn coll(&self, bot: &BotId, coll: &Coll) -> Result<Option<(u32, CollState)>, Error> {
        self.with_bot(bot, |state| state.and_then(|state| Some((state.no, *state.colls.get(coll)?))))
    }

    /// Refuses all writes from now on; the first reason stays.
    pub(crate) fn poison(&self, reason: &str) {
        let mut poison = self.poison.write();
        if poison.is_none() {
            tracing::error!(reason, "the store takes no more writes; check the disk and restart");
            *poison = Some(reason.to_owned());
        }
    }

    pub(crate) fn poisoned(&self) -> Option<Error> {
        self.poison.read().as_ref().map(|reason| Error::Poisoned(reason.clone()))
    }
}

/// Every bot of the catalog with its number.
pub(crate) fn all_bots(view: &View<'_>) -> Result<Vec<(BotId, u32)>, Error> {
    view.prefix(Space::Catalog, &[tag::BOT])
        .map(|pair| {
            let (key, value) = pair?;
            let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("");
            let bot = BotId::parse(name).map_err(|cause| Error::Corrupt(format!("catalog: {cause}")))?;
            Ok((bot, BotEntry::decode(&value)?.no))
        })
        .collect()
}

/// The collections of a bot, by name.
pub(crate) fn all_colls(view: &View<'_>, bot_no: u32) -> Result<Vec<(Coll, CollState)>, Error> {
    let prefix = catalog_key(tag::COLL, &[&bot_no.to_be_bytes()]);
    view.prefix(Space::Catalog, &prefix)
        .map(|pair| {
            let (key, value) = pair?;
            let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
            let name = name.ok_or_else(|| Error::Corrupt("name of a collection is no text".into()))?;
            Ok((Coll::new(name), CollState::decode(&value)?))
        })
        .collect()
}

pub(crate) fn coll_key(bot_no: u32, coll: &Coll) -> Vec<u8> {
    catalog_key(tag::COLL, &[&bot_no.to_be_bytes(), coll.as_str().as_bytes()])
}

/// State of one collection in a view.
pub(crate) fn coll_in(view: &View<'_>, bot_no: u32, coll: &Coll) -> Result<Option<CollState>, Error> {
    let bytes = view.get(Space::Catalog, &coll_key(bot_no, coll))?;
    bytes.map(|bytes| CollState::decode(&bytes)).transpose()
}

fn load_bot(view: &View<'_>, bot: &BotId) -> Result<Option<BotState>, Error> {
    let key = catalog_key(tag::BOT, &[bot.as_str().as_bytes()]);
    let Some(bytes) = view.get(Space::Catalog, &key)? else { return Ok(None) };
    let BotEntry { no, next_coll } = BotEntry::decode(&bytes)?;
    let usage = usage(view, no)?;
    let colls = all_colls(view, no)?.into_iter().collect();
    Ok(Some(BotState { no, next_coll, usage, colls }))
}

/// What a bot uses.
pub(crate) fn usage(view: &View<'_>, bot: u32) -> Result<Usage, Error> {
    let usage = view.get(Space::Catalog, &catalog_key(tag::USAGE, &[&bot.to_be_bytes()]))?;
    Ok(usage.map(|bytes| codec::decode_usage(&bytes)).transpose()?.unwrap_or_default())
}
