//! One bot as a group of commits changes it.
//!
//! Knows nothing of keys and values. Invariant: a collection has one place, and what a place says
//! is the published state until the group changes it.

use crate::Error;
use crate::codec::CollState;
use crate::record::{Coll, Seq};
use crate::state::Shared;
use quarry_types::{BotId, Usage};

/// A bot as the group changes it.
#[derive(Default)]
pub(crate) struct StagedBot {
    /// Absent until its first accepted commit.
    pub(crate) no: Option<u32>,
    pub(crate) next_coll: u32,
    pub(crate) usage: Usage,
    /// Collections the group looked at.
    colls: Vec<StagedColl>,
    /// The place asked for last.
    last: usize,
    /// Dropped in this group: nothing published before counts.
    pub(crate) reset: bool,
    pub(crate) entry_changed: bool,
    pub(crate) usage_changed: bool,
}

struct StagedColl {
    name: Coll,
    /// `None` = there is none of that name.
    state: Option<CollState>,
    changed: bool,
}

/// Names a collection of one bot within one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl StagedBot {
    /// A bot as readers see it.
    pub(crate) fn load(bot: &BotId, shared: &Shared) -> Result<Self, Error> {
        shared.with_bot(bot, |state| match state {
            Some(state) => {
                Self { no: Some(state.no), next_coll: state.next_coll, usage: state.usage, ..Self::default() }
            }
            None => Self::default(),
        })
    }

    /// A bot that was dropped.
    pub(crate) fn dropped() -> Self {
        Self { reset: true, ..Self::default() }
    }

    /// The place of a collection, there or not. Commits mostly name one collection many times over.
    pub(crate) fn place(&mut self, bot: &BotId, coll: &Coll, shared: &Shared) -> Place {
        if self.colls.get(self.last).is_some_and(|staged| staged.name == *coll) {
            return Place(self.last);
        }
        let known = self.colls.iter().position(|staged| staged.name == *coll);
        self.last = known.unwrap_or_else(|| {
            let published = || shared.bots.read().get(bot)?.colls.get(coll).copied();
            let state = if self.reset { None } else { published() };
            self.colls.push(StagedColl { name: coll.clone(), state, changed: false });
            self.colls.len() - 1
        });
        Place(self.last)
    }

    pub(crate) fn name(&self, Place(at): Place) -> Option<&Coll> {
        self.colls.get(at).map(|staged| &staged.name)
    }

    pub(crate) fn state(&self, Place(at): Place) -> Option<CollState> {
        self.colls.get(at)?.state
    }

    pub(crate) fn seq(&self, place: Place) -> Seq {
        self.state(place).map_or(0, |state| state.head.seq)
    }

    /// Changes the state of a collection, creating it when there is none.
    pub(crate) fn update(&mut self, Place(at): Place, change: impl FnOnce(&mut CollState)) {
        let Self { colls, next_coll, entry_changed, .. } = self;
        let Some(staged) = colls.get_mut(at) else { return };
        staged.changed = true;
        change(staged.state.get_or_insert_with(|| {
            *next_coll += 1;
            *entry_changed = true;
            CollState::new(*next_coll)
        }));
    }

    /// Begins a commit in a collection; answers its seq.
    pub(crate) fn touch(&mut self, place: Place) -> Seq {
        self.update(place, |state| state.head.seq += 1);
        self.seq(place)
    }

    /// Drops a collection; answers what it was.
    pub(crate) fn drop_coll(&mut self, Place(at): Place) -> Option<CollState> {
        let staged = self.colls.get_mut(at)?;
        let state = staged.state.take()?;
        staged.changed = true;
        Some(state)
    }

    /// The collections the group changed; `None` = dropped.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&Coll, Option<&CollState>)> {
        let changed = self.colls.iter().filter(|staged| staged.changed);
        changed.map(|staged| (&staged.name, staged.state.as_ref()))
    }
}
