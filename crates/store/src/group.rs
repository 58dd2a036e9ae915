//! One group of requests on its way to one batch: checks, numbering, and what the batch holds.
//!
//! Knows nothing of queues and threads. Invariant: each request sees the durable state plus the
//! accepted requests before it in the group; a refused one leaves no trace in the group.

use crate::Error;
use crate::codec::{self, BotEntry, CollState, catalog_key, change_key, row_key, row_prefix, tag};
use crate::engine::{Effect, Space, View};
use crate::outcomes::{CatalogWrites, Outcomes};
use crate::quota;
use crate::record::{Coll, Commit, Committed, Key, Seq};
use crate::state::{Shared, coll_key};
use bytes::Bytes;
use quarry_types::{BotId, Usage};
use std::collections::HashMap;

/// Tombstones of one collection that the sweep wants forgotten.
#[derive(Debug)]
pub(crate) struct Expire {
    pub(crate) bot: BotId,
    pub(crate) coll: Coll,
    /// The collection's number: another one of the same name is left alone.
    pub(crate) coll_no: u32,
    pub(crate) tombs: Vec<(Key, Seq)>,
}

/// A bot as the group changes it.
struct StagedBot {
    /// Absent until its first accepted commit.
    no: Option<u32>,
    next_coll: u32,
    usage: Usage,
    /// Collections changed by the group; `None` = dropped.
    colls: HashMap<Coll, Option<CollState>>,
    /// Dropped in this group: nothing published before counts.
    reset: bool,
    entry_changed: bool,
    usage_changed: bool,
}

/// A key's state.
#[derive(Clone)]
enum Slot {
    Absent,
    Live { seq: Seq, len: u64 },
    Dead { seq: Seq },
}

/// A key the group looked at: its state on disk, its state in the group, and the bytes to write.
struct Cell {
    disk: Slot,
    now: Slot,
    value: Option<Bytes>,
    changed: bool,
}

/// Requests gathered for one batch.
pub(crate) struct Group<'a> {
    shared: &'a Shared,
    /// Durable state: nothing is written while a group is made.
    view: View<'a>,
    outcomes: &'a mut Outcomes,
    now_ms: i64,
    next_bot: u32,
    bots: HashMap<BotId, StagedBot>,
    cells: HashMap<Vec<u8>, Cell>,
    catalog: CatalogWrites,
    garbage: bool,
}

/// What a group asks the engine to write, and what becomes visible after that.
pub(crate) struct Ready {
    pub(crate) effects: Vec<Effect>,
    pub(crate) next_bot: u32,
    /// Whether rows became garbage.
    pub(crate) garbage: bool,
    bots: HashMap<BotId, StagedBot>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(shared: &'a Shared, outcomes: &'a mut Outcomes, next_bot: u32, now_ms: i64) -> Self {
        Self {
            shared,
            view: shared.engine.view(),
            outcomes,
            now_ms,
            next_bot,
            bots: HashMap::new(),
            cells: HashMap::new(),
            catalog: CatalogWrites::new(),
            garbage: false,
        }
    }

    /// Checks a commit against durable state and the group so far, and takes it in.
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<Committed, Error> {
        self.load_bot(&commit.bot)?;
        let bot_no = self.bots.get(&commit.bot).and_then(|staged| staged.no);
        if let (Some(id), Some(no)) = (commit.id, bot_no)
            && let Some(seqs) = self.outcomes.find(&self.shared.engine, no, id)?
        {
            return Ok(Committed { seqs });
        }
        self.check(&commit)?;
        let usage = self.bots.get(&commit.bot).map(|staged| staged.usage).unwrap_or_default();
        let usage_after = quota::apply(&usage, &commit.quota)?;
        let deleted = commit.del.iter().map(|(coll, key)| (coll, key));
        for (coll, key) in deleted.chain(commit.put.iter().map(|(coll, key, _)| (coll, key))) {
            self.load_cell(&commit.bot, coll, key)?;
        }
        self.check_numbers(&commit)?;

        // Nothing below fails: the commit is taken in whole.
        let bot_no = self.number_bot(&commit.bot);
        if usage_after != usage
            && let Some(staged) = self.bots.get_mut(&commit.bot)
        {
            staged.usage = usage_after;
            staged.usage_changed = true;
        }
        let mut seqs: Vec<(Coll, Seq)> = Vec::new();
        for (coll, key) in commit.del {
            let seq = self.touch(&commit.bot, &coll, &mut seqs);
            self.delete(&commit.bot, bot_no, &coll, &key, seq);
        }
        for (coll, key, value) in commit.put {
            let seq = self.touch(&commit.bot, &coll, &mut seqs);
            self.put(&commit.bot, bot_no, &coll, &key, (seq, value));
        }
        for (coll, next_id) in commit.next_id {
            self.touch(&commit.bot, &coll, &mut seqs);
            self.update(&commit.bot, &coll, |state| state.head.next_id = state.head.next_id.max(next_id));
        }
        for coll in commit.drop {
            self.drop_coll(&commit.bot, bot_no, &coll, &mut seqs);
        }
        if let Some(id) = commit.id {
            self.outcomes.add(&mut self.catalog, bot_no, id, &seqs);
        }
        Ok(Committed { seqs })
    }

    /// Overwrites a bot's counters.
    pub(crate) fn set_usage(&mut self, bot: &BotId, usage: Usage) -> Result<(), Error> {
        self.load_bot(bot)?;
        self.number_bot(bot);
        if let Some(staged) = self.bots.get_mut(bot) {
            staged.usage = usage;
            staged.usage_changed = true;
        }
        Ok(())
    }

    /// Drops a bot: its name becomes free, its rows garbage.
    pub(crate) fn drop_bot(&mut self, bot: &BotId) -> Result<(), Error> {
        self.load_bot(bot)?;
        let Some(staged) = self.bots.get_mut(bot) else { return Ok(()) };
        let Some(no) = staged.no.take() else { return Ok(()) };
        *staged = StagedBot { reset: true, ..StagedBot::absent() };
        self.catalog.insert(catalog_key(tag::BOT, &[bot.as_str().as_bytes()]), None);
        self.catalog.insert(catalog_key(tag::GARBAGE, &[&no.to_be_bytes()]), Some(Vec::new()));
        self.garbage = true;
        Ok(())
    }

    /// Forgets old tombstones; those overwritten meanwhile stay.
    pub(crate) fn expire(&mut self, expire: &Expire) -> Result<(), Error> {
        self.load_bot(&expire.bot)?;
        for (key, seq) in &expire.tombs {
            let Some(state) = self.coll(&expire.bot, &expire.coll) else { return Ok(()) };
            if state.no != expire.coll_no {
                return Ok(());
            }
            self.load_cell(&expire.bot, &expire.coll, key)?;
            let Some(cell) = self.cell(&expire.bot, &expire.coll, key) else { continue };
            if !matches!(cell.now, Slot::Dead { seq: now } if now == *seq) {
                continue;
            }
            cell.now = Slot::Absent;
            cell.changed = true;
            self.update(&expire.bot, &expire.coll, |state| {
                state.tombs = state.tombs.saturating_sub(1);
                state.floor = state.floor.max(*seq);
            });
        }
        Ok(())
    }

    /// Turns the group into a batch.
    pub(crate) fn finish(self) -> Ready {
        let Self { now_ms, next_bot, bots, cells, mut catalog, garbage, .. } = self;
        let mut numbered = false;
        for (bot, staged) in &bots {
            let Some(no) = staged.no else { continue };
            if staged.entry_changed {
                let entry = BotEntry { no, next_coll: staged.next_coll };
                catalog.insert(catalog_key(tag::BOT, &[bot.as_str().as_bytes()]), Some(entry.encode()));
                numbered = true;
            }
            if staged.usage_changed {
                let key = catalog_key(tag::USAGE, &[&no.to_be_bytes()]);
                catalog.insert(key, Some(codec::encode_usage(&staged.usage)));
            }
            for (coll, state) in &staged.colls {
                catalog.insert(coll_key(no, coll), state.map(|state| state.encode()));
            }
        }
        if numbered {
            catalog.insert(vec![tag::NEXT_BOT], Some(next_bot.to_be_bytes().to_vec()));
        }
        let mut effects: Vec<Effect> =
            catalog.into_iter().map(|(key, value)| (Space::Catalog, key, value)).collect();
        for (row, cell) in cells {
            if cell.changed {
                cell.effects(row, now_ms, &mut effects);
            }
        }
        Ready { effects, next_bot, garbage, bots }
    }

    fn load_bot(&mut self, bot: &BotId) -> Result<(), Error> {
        if !self.bots.contains_key(bot) {
            let staged = self.shared.with_bot(bot, |state| match state {
                Some(state) => StagedBot {
                    no: Some(state.no),
                    next_coll: state.next_coll,
                    usage: state.usage,
                    ..StagedBot::absent()
                },
                None => StagedBot::absent(),
            })?;
            self.bots.insert(bot.clone(), staged);
        }
        Ok(())
    }

    /// A collection as of now in the group; the bot must be loaded.
    fn coll(&self, bot: &BotId, coll: &Coll) -> Option<CollState> {
        let staged = self.bots.get(bot)?;
        match staged.colls.get(coll) {
            Some(state) => *state,
            None if staged.reset => None,
            None => self.shared.bots.read().get(bot)?.colls.get(coll).copied(),
        }
    }

    fn row(&self, bot: &BotId, coll: &Coll, key: &[u8]) -> Option<Vec<u8>> {
        let no = self.bots.get(bot)?.no?;
        Some(row_key(row_prefix(no, self.coll(bot, coll)?.no), key))
    }

    fn cell(&mut self, bot: &BotId, coll: &Coll, key: &[u8]) -> Option<&mut Cell> {
        let row = self.row(bot, coll, key)?;
        self.cells.get_mut(&row)
    }

    /// Reads a key of an existing collection once per group.
    fn load_cell(&mut self, bot: &BotId, coll: &Coll, key: &[u8]) -> Result<(), Error> {
        let (Some(state), Some(row)) = (self.coll(bot, coll), self.row(bot, coll, key)) else {
            return Ok(());
        };
        if self.cells.contains_key(&row) {
            return Ok(());
        }
        let disk = if let Some(bytes) = self.view.get(Space::Records, &row)? {
            let (seq, value) = codec::decode_record(&bytes)?;
            Slot::Live { seq, len: value.len() as u64 }
        } else if state.tombs == 0 {
            Slot::Absent
        } else {
            let tomb = self.view.get(Space::Tombs, &row)?;
            let tomb = tomb.map(|bytes| codec::decode_tomb(&bytes)).transpose()?;
            tomb.map_or(Slot::Absent, |(seq, _)| Slot::Dead { seq })
        };
        self.cells.insert(row, Cell { now: disk.clone(), disk, value: None, changed: false });
        Ok(())
    }

    fn check(&mut self, commit: &Commit) -> Result<(), Error> {
        for (coll, seq) in &commit.expect {
            let now = self.coll(&commit.bot, coll).map_or(0, |state| state.head.seq);
            if now != *seq {
                return Err(Error::Conflict { coll: coll.clone() });
            }
        }
        for expected in &commit.expect_keys {
            self.load_cell(&commit.bot, &expected.coll, &expected.key)?;
            let cell = self.cell(&commit.bot, &expected.coll, &expected.key);
            let now = cell.and_then(|cell| match cell.now {
                Slot::Live { seq, .. } => Some(seq),
                Slot::Absent | Slot::Dead { .. } => None,
            });
            if now != expected.seq {
                return Err(Error::Conflict { coll: expected.coll.clone() });
            }
        }
        Ok(())
    }

    /// Whether there are numbers left for all this commit might create.
    fn check_numbers(&self, commit: &Commit) -> Result<(), Error> {
        let created = commit.put.len() + commit.del.len() + commit.next_id.len();
        let next_coll = self.bots.get(&commit.bot).map_or(0, |staged| staged.next_coll);
        let colls_fit = u32::try_from(created).is_ok_and(|created| next_coll.checked_add(created).is_some());
        if self.next_bot == u32::MAX || !colls_fit {
            return Err(Error::Invalid("no more numbers for bots or collections".into()));
        }
        Ok(())
    }

    fn number_bot(&mut self, bot: &BotId) -> u32 {
        let staged = self.bots.entry(bot.clone()).or_insert_with(StagedBot::absent);
        *staged.no.get_or_insert_with(|| {
            let no = self.next_bot;
            self.next_bot += 1;
            staged.entry_changed = true;
            no
        })
    }

    fn update(&mut self, bot: &BotId, coll: &Coll, change: impl FnOnce(&mut CollState)) {
        let state = self.coll(bot, coll);
        let Some(staged) = self.bots.get_mut(bot) else { return };
        let mut state = state.unwrap_or_else(|| {
            staged.next_coll += 1;
            staged.entry_changed = true;
            CollState::new(staged.next_coll)
        });
        change(&mut state);
        staged.colls.insert(coll.clone(), Some(state));
    }

    /// The seq of this commit in a collection: one more than before, at its first mention.
    fn touch(&mut self, bot: &BotId, coll: &Coll, seqs: &mut Vec<(Coll, Seq)>) -> Seq {
        if let Some((_, seq)) = seqs.iter().find(|(known, _)| known == coll) {
            return *seq;
        }
        let mut seq = 0;
        self.update(bot, coll, |state| {
            state.head.seq += 1;
            seq = state.head.seq;
        });
        seqs.push((coll.clone(), seq));
        seq
    }

    fn put(&mut self, bot: &BotId, bot_no: u32, coll: &Coll, key: &[u8], (seq, value): (Seq, Bytes)) {
        let len = value.len() as u64;
        let old = self.replace(bot, bot_no, coll, key, (Slot::Live { seq, len }, Some(value)));
        self.update(bot, coll, |state| {
            state.head.bytes += len;
            match old {
                Slot::Live { len, .. } => state.head.bytes = state.head.bytes.saturating_sub(len),
                Slot::Dead { .. } => {
                    state.head.records += 1;
                    state.tombs = state.tombs.saturating_sub(1);
                }
                Slot::Absent => state.head.records += 1,
            }
        });
    }

    fn delete(&mut self, bot: &BotId, bot_no: u32, coll: &Coll, key: &[u8], seq: Seq) {
        let Some(Slot::Live { len, .. }) = self.cell(bot, coll, key).map(|cell| cell.now.clone()) else {
            return;
        };
        self.replace(bot, bot_no, coll, key, (Slot::Dead { seq }, None));
        self.update(bot, coll, |state| {
            state.head.records = state.head.records.saturating_sub(1);
            state.head.bytes = state.head.bytes.saturating_sub(len);
            state.tombs += 1;
        });
    }

    fn replace(
        &mut self,
        bot: &BotId,
        bot_no: u32,
        coll: &Coll,
        key: &[u8],
        (now, value): (Slot, Option<Bytes>),
    ) -> Slot {
        // A key that was not loaded lies in a collection this commit creates.
        let coll_no = self.coll(bot, coll).map_or(0, |state| state.no);
        let row = row_key(row_prefix(bot_no, coll_no), key);
        let absent = || Cell { disk: Slot::Absent, now: Slot::Absent, value: None, changed: false };
        let cell = self.cells.entry(row).or_insert_with(absent);
        cell.changed = true;
        cell.value = value;
        std::mem::replace(&mut cell.now, now)
    }

    fn drop_coll(&mut self, bot: &BotId, bot_no: u32, coll: &Coll, seqs: &mut Vec<(Coll, Seq)>) {
        let state = self.coll(bot, coll);
        seqs.push((coll.clone(), state.map_or(0, |state| state.head.seq) + 1));
        let Some(state) = state else { return };
        if let Some(staged) = self.bots.get_mut(bot) {
            staged.colls.insert(coll.clone(), None);
        }
        let key = catalog_key(tag::GARBAGE, &[&bot_no.to_be_bytes(), &state.no.to_be_bytes()]);
        self.catalog.insert(key, Some(Vec::new()));
        self.garbage = true;
    }
}

impl StagedBot {
    fn absent() -> Self {
        Self {
            no: None,
            next_coll: 0,
            usage: Usage::default(),
            colls: HashMap::new(),
            reset: false,
            entry_changed: false,
            usage_changed: false,
        }
    }
}

impl Cell {
    fn effects(self, row: Vec<u8>, now_ms: i64, effects: &mut Vec<Effect>) {
        // At most one change entry per key: the superseded one goes with the batch.
        match self.disk {
            Slot::Live { seq, .. } => effects.push((Space::Changes, change_key(&row, seq), None)),
            Slot::Dead { seq } => {
                effects.push((Space::Changes, change_key(&row, seq), None));
                if !matches!(self.now, Slot::Dead { .. }) {
                    effects.push((Space::Tombs, row.clone(), None));
                }
            }
            Slot::Absent => {}
        }
        match self.now {
            Slot::Live { seq, .. } => {
                let value = codec::encode_record(seq, self.value.as_deref().unwrap_or(&[]));
                effects.push((Space::Changes, change_key(&row, seq), Some(Vec::new())));
                effects.push((Space::Records, row, Some(value)));
            }
            Slot::Dead { seq } => {
                effects.push((Space::Changes, change_key(&row, seq), Some(vec![codec::TOMBSTONE])));
                effects.push((Space::Tombs, row.clone(), Some(codec::encode_tomb(seq, now_ms).to_vec())));
                if matches!(self.disk, Slot::Live { .. }) {
                    effects.push((Space::Records, row, None));
                }
            }
            Slot::Absent => {}
        }
    }
}

impl Ready {
    /// Shows the group to readers; call after its batch is on disk.
    pub(crate) fn publish(self, shared: &Shared) {
        let mut bots = shared.bots.write();
        for (bot, staged) in self.bots {
            if staged.reset {
                bots.remove(&bot);
            }
            let Some(no) = staged.no else { continue };
            let state = bots.entry(bot).or_default();
            state.no = no;
            state.next_coll = staged.next_coll;
            state.usage = staged.usage;
            for (coll, changed) in staged.colls {
                match changed {
                    Some(changed) => drop(state.colls.insert(coll, changed)),
                    None => drop(state.colls.remove(&coll)),
                }
            }
        }
    }
}
