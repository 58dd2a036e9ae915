//! What was done since the last flush, counted in memory.
//!
//! Bounded: so many bots at once; further ones are not counted until a flush makes room.

use crate::router::Route;
use parking_lot::RwLock;
use quarry_types::BotId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bots with counts not flushed yet.
const MAX_BOTS: usize = 10_000;

macro_rules! activities {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        /// What a bot did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Activity { $($(#[$doc])* $name),* }

        impl Activity {
            /// All of them, in the order of [`Counts`].
            pub(crate) const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// Its word in records and answers.
            #[must_use]
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

activities! {
    /// A request for the bot, however it ended.
    Call "calls";
    /// A file was upserted, changed, copied or deleted.
    FileWrite "fileWrites";
    /// A file became searchable.
    FileIndexed "filesIndexed";
    /// A file could not be indexed.
    FileFailed "filesFailed";
    /// Files were searched.
    Search "searches";
    /// A question was put.
    Answer "answers";
    /// Rows were looked up.
    TableRead "tableReads";
    /// Rows were written or deleted.
    TableWrite "tableWrites";
}

impl Activity {
    /// What a successful call of a route counts as, beside [`Activity::Call`].
    #[must_use]
    pub(crate) fn of(route: Route) -> Option<Self> {
        match route {
            Route::UpsertFile
            | Route::UpdateFileMetadata
            | Route::DeleteFile
            | Route::SetFilePassages
            | Route::CopyFile => Some(Self::FileWrite),
            Route::SearchFiles => Some(Self::Search),
            Route::Answer | Route::StreamAnswer => Some(Self::Answer),
            Route::FindTableRows | Route::GetTableRow => Some(Self::TableRead),
            Route::CreateTableRows
            | Route::UpdateTableRows
            | Route::UpsertTableRows
            | Route::DeleteTableRows
            | Route::ImportTable
            | Route::DuplicateTable => Some(Self::TableWrite),
            _ => None,
        }
    }
}

/// How often each activity happened, in the order of [`Activity::ALL`].
pub(crate) type Counts = [u64; Activity::ALL.len()];

/// Counts of all bots since the last flush.
#[derive(Default)]
pub(crate) struct Tally {
    bots: RwLock<HashMap<BotId, [AtomicU64; Activity::ALL.len()]>>,
}

impl Tally {
    /// Counts each of `done` once.
    pub(crate) fn add(&self, bot: &BotId, done: &[Activity]) {
        let mut counts = Counts::default();
        for what in done {
            counts[*what as usize] += 1;
        }
        self.add_all(bot, &counts);
    }

    /// Counts several, such as those a failed flush gives back.
    pub(crate) fn add_all(&self, bot: &BotId, more: &Counts) {
        let raise = |counts: &[AtomicU64; Activity::ALL.len()]| {
            for (count, more) in counts.iter().zip(more).filter(|(_, more)| **more > 0) {
                count.fetch_add(*more, Ordering::Relaxed);
            }
        };
        if let Some(counts) = self.bots.read().get(bot) {
            return raise(counts);
        }
        let mut bots = self.bots.write();
        if bots.len() < MAX_BOTS || bots.contains_key(bot) {
            raise(bots.entry(bot.clone()).or_default());
        }
    }

    /// What is counted of a bot.
    #[must_use]
    pub(crate) fn peek(&self, bot: &BotId) -> Counts {
        let bots = self.bots.read();
        let counts = bots.get(bot).map(|counts| counts.each_ref().map(|count| count.load(Ordering::Relaxed)));
        counts.unwrap_or_default()
    }

    /// Takes what is counted of a bot and forgets the bot.
    #[must_use]
    pub(crate) fn take(&self, bot: &BotId) -> Counts {
        self.bots.write().remove(bot).map(|counts| counts.map(AtomicU64::into_inner)).unwrap_or_default()
    }

    /// The bots that did anything.
    #[must_use]
    pub(crate) fn bots(&self) -> Vec<BotId> {
        self.bots.read().keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_counted_at_once_is_lost_or_doubled() {
        let tally = Tally::default();
        let bots: Vec<BotId> = ["a", "b"].map(|id| BotId::parse(id).unwrap()).into();
        let taken = std::thread::scope(|scope| {
            for bot in &bots {
                for _ in 0..4 {
                    scope.spawn(|| (0..5_000).for_each(|_| tally.add(bot, &[Activity::Search])));
                }
            }
            let take = || (0..2_000).map(|_| tally.take(&bots[0])[Activity::Search as usize]).sum::<u64>();
            scope.spawn(take).join().unwrap()
        });
        assert_eq!(taken + tally.peek(&bots[0])[Activity::Search as usize], 20_000);
        assert_eq!(tally.take(&bots[1])[Activity::Search as usize], 20_000);
        assert_eq!(tally.peek(&bots[1]), Counts::default());
    }

    #[test]
    fn bots_are_bounded() {
        let tally = Tally::default();
        for n in 0..MAX_BOTS + 10 {
            tally.add(&BotId::parse(&format!("b{n}")).unwrap(), &[Activity::Call]);
        }
        assert_eq!(tally.bots().len(), MAX_BOTS);
        let first = BotId::parse("b0").unwrap();
        tally.add(&first, &[Activity::Call]);
        assert_eq!(tally.peek(&first)[0], 2, "a known bot goes on being counted");
    }

    #[test]
    fn words_are_distinct() {
        let words: std::collections::BTreeSet<&str> = Activity::ALL.iter().map(|what| what.word()).collect();
        assert_eq!(words.len(), Activity::ALL.len());
        for (at, what) in Activity::ALL.iter().enumerate() {
            assert_eq!(*what as usize, at);
        }
    }
}
