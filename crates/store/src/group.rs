//! One group of requests on its way to one batch: checks, numbering, and what the batch holds.
//!
//! Knows nothing of queues and threads. Invariant: each request sees the durable state plus the
//! accepted requests before it in the group; a refused one leaves no trace in the group.

use crate::Error;
use crate::codec::{self, BotEntry, CollState, LogEntry, RowKey, catalog_key, tag};
use crate::engine::{Effect, Space, View};
use crate::outcomes::{CatalogWrites, Outcomes};
use crate::quota;
use crate::record::{Coll, Commit, Committed, ExpectKey, Key, Seq};
use crate::staged::{Place, StagedBot};
use crate::state::{Shared, coll_key};
use bytes::Bytes;
use quarry_types::{BotId, Usage};
use std::collections::{BTreeMap, HashMap};

/// Tombstones of one collection that the sweep wants forgotten.
#[derive(Debug)]
pub(crate) struct Expire {
    pub(crate) bot: BotId,
    pub(crate) coll: Coll,
    /// The collection's number: another one of the same name is left alone.
    pub(crate) coll_no: u32,
    pub(crate) tombs: Vec<(Key, Seq)>,
}

/// Keys the sweep took out of the change log of one collection.
#[derive(Debug)]
pub(crate) struct Thinned {
    pub(crate) bot: BotId,
    pub(crate) coll: Coll,
    /// As in [`Expire`].
    pub(crate) coll_no: u32,
    pub(crate) keys: u64,
}

/// A key's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Cell {
    fn found(disk: Slot) -> Self {
        Self { disk, now: disk, value: None, changed: false }
    }
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
    cells: Cells,
    catalog: CatalogWrites,
    garbage: bool,
}

/// The keys a group looked at, in the order it did.
#[derive(Default)]
struct Cells {
    list: Vec<(RowKey, Cell)>,
    places: HashMap<RowKey, usize>,
    /// Behind the one asked for last.
    next: usize,
}

impl Cells {
    /// Commits mostly write their keys in the order they checked them: then nothing is hashed.
    fn find(&mut self, row: &RowKey) -> Option<usize> {
        let at = match self.list.get(self.next) {
            Some((known, _)) if known == row => self.next,
            _ => *self.places.get(row)?,
        };
        self.next = at + 1;
        Some(at)
    }

    fn add(&mut self, row: RowKey, cell: Cell) -> usize {
        let at = self.list.len();
        self.places.insert(row.clone(), at);
        self.list.push((row, cell));
        self.next = at + 1;
        at
    }

    fn get(&mut self, at: usize) -> Option<&mut Cell> {
        self.list.get_mut(at).map(|(_, cell)| cell)
    }
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
            cells: Cells::default(),
            catalog: CatalogWrites::new(),
            garbage: false,
        }
    }

    /// Checks a commit against durable state and the group so far, and takes it in.
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<Committed, Error> {
        // Taken out for the time of the commit, so that it can be changed beside the rest.
        let mut bot = self.take_bot(&commit.bot)?;
        let name = commit.bot.clone();
        let done = self.commit_in(&mut bot, commit);
        self.bots.insert(name, bot);
        done
    }

    fn commit_in(&mut self, bot: &mut StagedBot, commit: Commit) -> Result<Committed, Error> {
        if let (Some(id), Some(no)) = (commit.id, bot.no)
            && let Some(seqs) = self.outcomes.find(&self.shared.engine, no, id)?
        {
            return Ok(Committed { seqs });
        }
        self.check(bot, &commit)?;
        let usage = quota::apply(&bot.usage, &commit.quota)?;
        let deleted = commit.del.iter().map(|(coll, key)| (coll, key));
        for (coll, key) in deleted.chain(commit.put.iter().map(|(coll, key, _)| (coll, key))) {
            let place = bot.place(&commit.bot, coll, self.shared);
            self.load_cell(bot, place, key, None)?;
        }
        self.check_numbers(bot, &commit)?;

        // Nothing below fails: the commit is taken in whole.
        let bot_no = self.number_bot(bot);
        if usage != bot.usage {
            bot.usage = usage;
            bot.usage_changed = true;
        }
        let mut seqs: Vec<(Place, Seq)> = Vec::new();
        let mut touch = |bot: &mut StagedBot, place: Place| match seqs.iter().find(|(at, _)| *at == place) {
            Some((_, seq)) => *seq,
            None => {
                let seq = bot.touch(place);
                seqs.push((place, seq));
                seq
            }
        };
        for (coll, key) in commit.del {
            let place = bot.place(&commit.bot, &coll, self.shared);
            let seq = touch(bot, place);
            self.delete(bot, place, &key, seq);
        }
        for (coll, key, value) in commit.put {
            let place = bot.place(&commit.bot, &coll, self.shared);
            let seq = touch(bot, place);
            self.put(bot, place, &key, (seq, value));
        }
        for (coll, next_id) in commit.next_id {
            let place = bot.place(&commit.bot, &coll, self.shared);
            touch(bot, place);
            bot.update(place, |state| state.head.next_id = state.head.next_id.max(next_id));
        }
        let mut seqs: Vec<(Coll, Seq)> =
            seqs.into_iter().filter_map(|(place, seq)| Some((bot.name(place)?.clone(), seq))).collect();
        for coll in commit.drop {
            let place = bot.place(&commit.bot, &coll, self.shared);
            let seq = bot.state(place).map_or(0, |state| state.head.seq) + 1;
            self.drop_coll(bot, place, bot_no);
            seqs.push((coll, seq));
        }
        if let Some(id) = commit.id {
            self.outcomes.add(&mut self.catalog, bot_no, id, &seqs);
        }
        Ok(Committed { seqs })
    }

    /// Overwrites a bot's counters.
    pub(crate) fn set_usage(&mut self, bot: &BotId, usage: Usage) -> Result<(), Error> {
        let mut staged = self.take_bot(bot)?;
        self.number_bot(&mut staged);
        staged.usage = usage;
        staged.usage_changed = true;
        self.bots.insert(bot.clone(), staged);
        Ok(())
    }

    /// Drops a bot: its name becomes free, its rows garbage.
    pub(crate) fn drop_bot(&mut self, bot: &BotId) -> Result<(), Error> {
        let mut staged = self.take_bot(bot)?;
        if let Some(no) = staged.no {
            staged = StagedBot::dropped();
            self.catalog.insert(catalog_key(tag::BOT, &[bot.as_str().as_bytes()]), None);
            self.catalog.insert(catalog_key(tag::GARBAGE, &[&no.to_be_bytes()]), Some(Vec::new()));
            self.garbage = true;
        }
        self.bots.insert(bot.clone(), staged);
        Ok(())
    }

    /// Forgets old tombstones; those overwritten meanwhile stay.
    pub(crate) fn expire(&mut self, expire: &Expire) -> Result<(), Error> {
        let mut bot = self.take_bot(&expire.bot)?;
        let done = self.expire_in(&mut bot, expire);
        self.bots.insert(expire.bot.clone(), bot);
        done
    }

    fn expire_in(&mut self, bot: &mut StagedBot, expire: &Expire) -> Result<(), Error> {
        let place = bot.place(&expire.bot, &expire.coll, self.shared);
        if bot.state(place).is_none_or(|state| state.no != expire.coll_no) {
            return Ok(());
        }
        for (key, seq) in &expire.tombs {
            let Some(cell) = self.load_cell(bot, place, key, None)? else { continue };
            if cell.now != (Slot::Dead { seq: *seq }) {
                continue;
            }
            cell.now = Slot::Absent;
            cell.changed = true;
            bot.update(place, |state| {
                state.tombs = state.tombs.saturating_sub(1);
                state.floor = state.floor.max(*seq);
            });
        }
        Ok(())
    }

    /// Takes over what the sweep took out of a change log.
    pub(crate) fn thinned(&mut self, thinned: &Thinned) -> Result<(), Error> {
        let mut bot = self.take_bot(&thinned.bot)?;
        let place = bot.place(&thinned.bot, &thinned.coll, self.shared);
        if bot.state(place).is_some_and(|state| state.no == thinned.coll_no) {
            bot.update(place, |state| state.logged = state.logged.saturating_sub(thinned.keys));
        }
        self.bots.insert(thinned.bot.clone(), bot);
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
            for (coll, state) in staged.changed() {
                catalog.insert(coll_key(no, coll), state.map(|state| state.encode()));
            }
        }
        if numbered {
            catalog.insert(vec![tag::NEXT_BOT], Some(next_bot.to_be_bytes().to_vec()));
        }
        let mut effects: Vec<Effect> = Vec::with_capacity(catalog.len() + cells.list.len() + 8);
        effects.extend(catalog.into_iter().map(|(key, value)| Effect::new(Space::Catalog, &key, value)));
        let mut changed = cells.list;
        changed.retain(|(_, cell)| cell.changed);
        // Neighbours go together, which the engine's memory likes. Most come in order already.
        changed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut log: BTreeMap<[u8; 16], LogEntry> = BTreeMap::new();
        let mut record = Vec::new();
        for (row, cell) in changed {
            if let Slot::Live { seq, .. } | Slot::Dead { seq } = cell.now {
                let is_dead = matches!(cell.now, Slot::Dead { .. });
                log.entry(row.log_key(seq)).or_default().push(row.key(), is_dead);
            }
            cell.effects(row, now_ms, &mut record, &mut effects);
        }
        effects
            .extend(log.into_iter().map(|(key, log)| Effect::new(Space::Changes, &key, Some(log.encode()))));
        Ready { effects, next_bot, garbage, bots }
    }

    /// A bot as the group leaves it so far; it must be put back.
    fn take_bot(&mut self, bot: &BotId) -> Result<StagedBot, Error> {
        match self.bots.remove(bot) {
            Some(staged) => Ok(staged),
            None => StagedBot::load(bot, self.shared),
        }
    }

    /// A key of an existing collection, read once per group; `known` spares the reading.
    fn load_cell(
        &mut self,
        bot: &StagedBot,
        place: Place,
        key: &[u8],
        known: Option<Slot>,
    ) -> Result<Option<&mut Cell>, Error> {
        let (Some(bot_no), Some(state)) = (bot.no, bot.state(place)) else { return Ok(None) };
        let row = RowKey::new(bot_no, state.no, key);
        let at = match self.cells.find(&row) {
            Some(at) => at,
            None => {
                let disk = match known {
                    Some(slot @ Slot::Live { .. }) => slot,
                    Some(_) => dead_or_absent(&self.view, &row, &state)?,
                    None => read(&self.view, &row, &state)?,
                };
                debug_assert_eq!(disk, read(&self.view, &row, &state)?, "what the caller knows is so");
                self.cells.add(row, Cell::found(disk))
            }
        };
        Ok(self.cells.get(at))
    }

    fn check(&mut self, bot: &mut StagedBot, commit: &Commit) -> Result<(), Error> {
        for (coll, seq) in &commit.expect {
            let place = bot.place(&commit.bot, coll, self.shared);
            if bot.seq(place) != *seq {
                return Err(Error::Conflict { coll: coll.clone() });
            }
        }
        let mut level: Vec<Place> = Vec::new();
        for (coll, seq) in &commit.read_at {
            let place = bot.place(&commit.bot, coll, self.shared);
            if bot.seq(place) == *seq {
                level.push(place);
            }
        }
        for expected in &commit.expect_keys {
            let place = bot.place(&commit.bot, &expected.coll, self.shared);
            let known = if level.contains(&place) { known(expected) } else { None };
            let now = match self.load_cell(bot, place, &expected.key, known)?.map(|cell| cell.now) {
                Some(Slot::Live { seq, .. }) => Some(seq),
                Some(Slot::Absent | Slot::Dead { .. }) | None => None,
            };
            if now != expected.seq {
                return Err(Error::Conflict { coll: expected.coll.clone() });
            }
        }
        Ok(())
    }

    /// Whether there are numbers left for all this commit might create.
    fn check_numbers(&self, bot: &StagedBot, commit: &Commit) -> Result<(), Error> {
        let created = commit.put.len() + commit.del.len() + commit.next_id.len();
        let colls_fit =
            u32::try_from(created).is_ok_and(|created| bot.next_coll.checked_add(created).is_some());
        if self.next_bot == u32::MAX || !colls_fit {
            return Err(Error::Invalid("no more numbers for bots or collections".into()));
        }
        Ok(())
    }

    fn number_bot(&mut self, bot: &mut StagedBot) -> u32 {
        *bot.no.get_or_insert_with(|| {
            let no = self.next_bot;
            self.next_bot += 1;
            bot.entry_changed = true;
            no
        })
    }

    fn put(&mut self, bot: &mut StagedBot, place: Place, key: &[u8], (seq, value): (Seq, Bytes)) {
        let len = value.len() as u64;
        let (old, logged) = self.replace(bot, place, key, (Slot::Live { seq, len }, Some(value)));
        bot.update(place, |state| {
            state.logged += logged;
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

    fn delete(&mut self, bot: &mut StagedBot, place: Place, key: &[u8], seq: Seq) {
        let (Some(bot_no), Some(state)) = (bot.no, bot.state(place)) else { return };
        let row = RowKey::new(bot_no, state.no, key);
        let Some(at) = self.cells.find(&row) else { return };
        let Some(Slot::Live { len, .. }) = self.cells.get(at).map(|cell| cell.now) else { return };
        let (_, logged) = self.replace(bot, place, key, (Slot::Dead { seq }, None));
        bot.update(place, |state| {
            state.logged += logged;
            state.head.records = state.head.records.saturating_sub(1);
            state.head.bytes = state.head.bytes.saturating_sub(len);
            state.tombs += 1;
        });
    }

    /// Answers what was there, and how many keys the group's log lists for it more than before.
    fn replace(
        &mut self,
        bot: &StagedBot,
        place: Place,
        key: &[u8],
        (now, value): (Slot, Option<Bytes>),
    ) -> (Slot, u64) {
        let row = RowKey::new(bot.no.unwrap_or(0), bot.state(place).map_or(0, |state| state.no), key);
        // A key that was not loaded lies in a collection this commit creates.
        let at = self.cells.find(&row).unwrap_or_else(|| self.cells.add(row, Cell::found(Slot::Absent)));
        let Some(cell) = self.cells.get(at) else { return (Slot::Absent, 0) };
        let logged = u64::from(!cell.changed);
        cell.changed = true;
        cell.value = value;
        (std::mem::replace(&mut cell.now, now), logged)
    }

    fn drop_coll(&mut self, bot: &mut StagedBot, place: Place, bot_no: u32) {
        let Some(state) = bot.drop_coll(place) else { return };
        let key = catalog_key(tag::GARBAGE, &[&bot_no.to_be_bytes(), &state.no.to_be_bytes()]);
        self.catalog.insert(key, Some(Vec::new()));
        self.garbage = true;
    }
}

/// What a caller who read the collection as it is now says of a key.
fn known(expected: &ExpectKey) -> Option<Slot> {
    match (expected.seq, expected.len) {
        (Some(seq), Some(len)) => Some(Slot::Live { seq, len }),
        (None, _) => Some(Slot::Absent),
        (Some(_), None) => None,
    }
}

fn read(view: &View<'_>, row: &RowKey, state: &CollState) -> Result<Slot, Error> {
    match view.get(Space::Records, row.bytes())? {
        Some(bytes) => {
            let (seq, value) = codec::decode_record(&bytes)?;
            Ok(Slot::Live { seq, len: value.len() as u64 })
        }
        None => dead_or_absent(view, row, state),
    }
}

fn dead_or_absent(view: &View<'_>, row: &RowKey, state: &CollState) -> Result<Slot, Error> {
    if state.tombs == 0 {
        return Ok(Slot::Absent);
    }
    let tomb = view.get(Space::Tombs, row.bytes())?;
    let tomb = tomb.map(|bytes| codec::decode_tomb(&bytes)).transpose()?;
    Ok(tomb.map_or(Slot::Absent, |(seq, _)| Slot::Dead { seq }))
}

impl Cell {
    /// What to write; `record` is room for the record.
    fn effects(self, row: RowKey, now_ms: i64, record: &mut Vec<u8>, effects: &mut Vec<Effect>) {
        let row = row.bytes();
        match (self.disk, self.now) {
            (Slot::Dead { .. }, Slot::Live { .. } | Slot::Absent) => {
                effects.push(Effect::new(Space::Tombs, row, None));
            }
            (Slot::Live { .. }, Slot::Dead { .. } | Slot::Absent) => {
                effects.push(Effect::new(Space::Records, row, None));
            }
            _ => {}
        }
        match self.now {
            Slot::Live { seq, .. } => {
                codec::encode_record(seq, self.value.as_deref().unwrap_or(&[]), record);
                effects.push(Effect::insert(Space::Records, row, record));
            }
            Slot::Dead { seq } => {
                let tomb = codec::encode_tomb(seq, now_ms).to_vec();
                effects.push(Effect::new(Space::Tombs, row, Some(tomb)));
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
            for (coll, changed) in staged.changed() {
                match changed {
                    Some(changed) => drop(state.colls.insert(coll.clone(), *changed)),
                    None => drop(state.colls.remove(coll)),
                }
            }
        }
    }
}
