//! Who calls, and for which bot: bearer tokens to [`Caller`], headers to [`Scope`].
//!
//! Tokens are compared by SHA-256 in constant time and never logged. Invariant: a [`Scope`] is
//! made here only, from a checked token and `x-bot-id`; a bot's token opens that bot alone.

use crate::error::{ApiError, ErrorType};
use crate::tokens::Tokens;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use quarry_types::{BotId, Scope};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The bot whose records are the server's own; no caller may act for it.
pub(crate) const SYSTEM_BOT: &str = "_system";

/// SHA-256 of a token.
pub(crate) type TokenHash = [u8; 32];

/// Hashes a token.
#[must_use]
pub(crate) fn hash_token(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// A checked token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// May act for any bot.
    Admin,
    /// May act for one bot.
    Bot(BotId),
}

impl Caller {
    /// Whose window the rate limit counts in: the admin's calls share one, each bot's tokens another,
    /// so that no bot can use up the places of the rest.
    #[must_use]
    pub(crate) fn window(&self) -> &str {
        match self {
            Self::Admin => "",
            Self::Bot(bot) => bot.as_str(),
        }
    }
}

/// Checks the bearer token.
///
/// # Errors
/// 401 when it is missing, malformed or unknown.
pub(crate) fn caller(headers: &HeaderMap, admin: &TokenHash, tokens: &Tokens) -> Result<Caller, ApiError> {
    let refused = |message: &str| Err(ApiError::new(ErrorType::Unauthorized, message));
    let Some(value) = headers.get(AUTHORIZATION) else {
        return refused("no token; send the header Authorization: Bearer <token>");
    };
    let token = value.to_str().ok().and_then(|text| text.split_once(' ')).and_then(|(scheme, token)| {
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    });
    let Some(token) = token else {
        return refused("the Authorization header is malformed; send Authorization: Bearer <token>");
    };
    let hash = hash_token(token);
    if bool::from(hash.ct_eq(admin)) {
        return Ok(Caller::Admin);
    }
    match tokens.bot_of(&hash) {
        Some(bot) => Ok(Caller::Bot(bot)),
        None => refused("the token is not valid; check it or ask the operator for a new one"),
    }
}

/// The bot a header names.
///
/// # Errors
/// 400 when the header is missing or no bot id.
pub(crate) fn named_bot(headers: &HeaderMap, header: &'static str) -> Result<BotId, ApiError> {
    let Some(value) = headers.get(header) else {
        return Err(ApiError::payload(format!("send the header {header} with the id of the bot")));
    };
    let text = value.to_str().map_err(|_| ApiError::payload(format!("{header} must be ASCII")))?;
    BotId::parse(text.trim()).map_err(|error| ApiError::payload(format!("{header}: {error}")))
}

/// The scope of a caller over a bot.
///
/// # Errors
/// 403 when the caller may not act for it.
pub(crate) fn scope(caller: &Caller, bot: BotId) -> Result<Scope, ApiError> {
    let allowed = match caller {
        Caller::Admin => bot.as_str() != SYSTEM_BOT,
        Caller::Bot(own) => *own == bot,
    };
    if allowed {
        return Ok(Scope::of(bot));
    }
    Err(ApiError::forbidden("this token may not act for that bot; use the bot's own token or its own id"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_the_exact_token_passes() {
        let (admin, tokens) = (hash_token("s3cret"), Tokens::default());
        let ask = |value: &str| caller(&headers(value), &admin, &tokens);
        for fine in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert_eq!(ask(fine).unwrap(), Caller::Admin, "{fine}");
        }
        for bad in ["", "s3cret", "Basic s3cret", "Bearer", "Bearer ", "Bearer S3cret", "Bearer s3cret x"] {
            assert_eq!(ask(bad).unwrap_err().kind(), ErrorType::Unauthorized, "{bad}");
        }
        assert!(caller(&HeaderMap::new(), &admin, &tokens).is_err());
    }

    #[test]
    fn scopes_stay_with_their_bot() {
        let bot = |id: &str| BotId::parse(id).unwrap();
        assert!(scope(&Caller::Admin, bot("a")).is_ok());
        assert!(scope(&Caller::Admin, bot(SYSTEM_BOT)).is_err());
        assert!(scope(&Caller::Bot(bot("a")), bot("a")).is_ok());
        assert!(scope(&Caller::Bot(bot("a")), bot("b")).is_err());
    }
}
