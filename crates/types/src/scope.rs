//! Whose data a call may touch.

use crate::BotId;

/// The bot a call acts for. Made by authentication (and by recovery, for every bot); every
/// operation of the crates below the routes takes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    bot: BotId,
}

impl Scope {
    /// A scope over one bot.
    #[must_use]
    pub fn of(bot: BotId) -> Self {
        Self { bot }
    }

    /// The bot.
    #[must_use]
    pub fn bot(&self) -> &BotId {
        &self.bot
    }
}
