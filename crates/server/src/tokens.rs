//! Tokens of single bots: made and revoked by the admin, kept as hashes.
//!
//! Records of the system bot, collection `tokens`, key = token id. A copy by hash is held in memory;
//! it changes only after the store acknowledged the change.

use crate::auth::{SYSTEM_BOT, TokenHash, hash_token};
use crate::error::ApiError;
use parking_lot::RwLock;
use quarry_store::{Coll, Commit, RecordStore};
use quarry_types::{BotId, ErrorKind, Timestamp, Ulid, hex, unhex};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A token's facts; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    /// Its id, for listing and revoking.
    pub(crate) id: String,
    /// The bot it opens.
    pub(crate) bot: BotId,
    /// What it is for, in the admin's words.
    pub(crate) name: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    hash: String,
}

/// All tokens of bots.
#[derive(Default)]
pub(crate) struct Tokens {
    by_hash: RwLock<HashMap<TokenHash, TokenRecord>>,
}

fn system() -> BotId {
    BotId::parse(SYSTEM_BOT).expect("the system bot's id is valid")
}

fn collection() -> Coll {
    Coll::new("tokens")
}

impl Tokens {
    /// Reads all tokens.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub(crate) async fn load(store: &dyn RecordStore) -> Result<Self, quarry_store::Error> {
        let tokens = Self::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = store.scan(&system(), &collection(), b"", after.as_deref(), 500).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for record in page {
                let damaged = |what: &str| quarry_store::Error::Corrupt(format!("token record: {what}"));
                let token: TokenRecord =
                    serde_json::from_slice(&record.value).map_err(|cause| damaged(&cause.to_string()))?;
                let hash = unhex(&token.hash).and_then(|bytes| TokenHash::try_from(bytes).ok());
                let hash = hash.ok_or_else(|| damaged("hash"))?;
                tokens.by_hash.write().insert(hash, token);
            }
        }
        Ok(tokens)
    }

    /// The bot a token opens.
    #[must_use]
    pub(crate) fn bot_of(&self, hash: &TokenHash) -> Option<BotId> {
        self.by_hash.read().get(hash).map(|token| token.bot.clone())
    }

    /// Whether any token names this bot.
    #[must_use]
    pub(crate) fn names(&self, bot: &BotId) -> bool {
        self.by_hash.read().values().any(|token| token.bot == *bot)
    }

    /// All tokens, oldest first.
    #[must_use]
    pub(crate) fn list(&self) -> Vec<TokenRecord> {
        let mut all: Vec<TokenRecord> = self.by_hash.read().values().cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Makes a token; the text is shown this once.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) async fn create(
        &self,
        store: &dyn RecordStore,
        bot: BotId,
        name: String,
    ) -> Result<(TokenRecord, String), ApiError> {
        let text = format!("qk_{}", hex(&rand::random::<[u8; 32]>()));
        let hash = hash_token(&text);
        let now = Timestamp::now();
        let token = TokenRecord {
            id: format!("token_{}", Ulid::mint(now.as_ms())),
            bot,
            name,
            created_at: now,
            hash: hex(&hash),
        };
        let value =
            serde_json::to_vec(&token).map_err(|c| ApiError::of(ErrorKind::Internal, c.to_string()))?;
        let mut commit = Commit::new(&system());
        commit.put(&collection(), token.id.as_bytes(), value);
        store.commit(commit).await?;
        self.by_hash.write().insert(hash, token.clone());
        Ok((token, text))
    }

    /// Revokes a token at once.
    ///
    /// # Errors
    /// 404 when there is none with that id; when the store refuses.
    pub(crate) async fn revoke(&self, store: &dyn RecordStore, id: &str) -> Result<(), ApiError> {
        if !self.by_hash.read().values().any(|token| token.id == id) {
            return Err(ApiError::not_found(format!("token {id:?} does not exist")));
        }
        let mut commit = Commit::new(&system());
        commit.del(&collection(), id.as_bytes());
        store.commit(commit).await?;
        self.by_hash.write().retain(|_, token| token.id != id);
        Ok(())
    }
}
