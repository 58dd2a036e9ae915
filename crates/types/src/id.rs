//! Typed ids. Vendor form: prefix, `_`, 26 characters of Crockford base 32 (a ULID).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters of letters, digits and _ - . : @, got {got:?}")]
pub struct IdError {
    what: &'static str,
    max: usize,
    got: String,
}

fn check(what: &'static str, max: usize, text: &str) -> Result<(), IdError> {
    let fine = !text.is_empty()
        && text.len() <= max
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:@".contains(&b));
    if fine {
        return Ok(());
    }
    let got = text.chars().take(40).collect();
    Err(IdError { what, max, got })
}

/// 48 bits of milliseconds, 80 bits of chance: <https://github.com/ulid/spec>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ulid(u128);

impl Ulid {
    /// A new one for this moment (milliseconds since 1970).
    #[must_use]
    pub fn mint(now_ms: i64) -> Self {
        let time = (u128::from(now_ms.unsigned_abs()) & 0xffff_ffff_ffff) << 80;
        let chance = rand::random::<u128>() >> 48;
        Self(time | chance)
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        for i in (0..26).rev() {
            let five_bits = usize::try_from((self.0 >> (i * 5)) & 31).unwrap_or(0);
            let letter = ALPHABET.get(five_bits).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The letters before the underscore of a minted id.
            pub const PREFIX: &'static str = $prefix;

            /// A new id.
            #[must_use]
            pub fn mint(now_ms: i64) -> Self {
                Self(format!("{}_{}", $prefix, Ulid::mint(now_ms)))
            }

            /// An id a caller sent.
            ///
            /// # Errors
            /// When it is empty, longer than 128 bytes or holds other characters than ids do.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check($what, 128, text)?;
                Ok(Self(text.to_owned()))
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One bot: the unit of isolation and of quotas.
    BotId, "bot", "a bot id"
);
id!(
    /// One file of a bot.
    FileId, "file", "a file id"
);
id!(
    /// One knowledge base of a bot.
    KbId, "kb", "a knowledge base id"
);
id!(
    /// One table of a bot.
    TableId, "table", "a table id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_ids_have_the_vendor_form() {
        let id = FileId::mint(1_700_000_000_000);
        assert_eq!(id.as_str().len(), "file_".len() + 26);
        assert!(id.as_str().starts_with("file_01H"), "{id}");
        assert_ne!(FileId::mint(1), FileId::mint(1));
        assert!(Ulid::mint(1) < Ulid::mint(2));
    }

    #[test]
    fn foreign_characters_are_refused() {
        for bad in ["", "a/b", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(BotId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(BotId::parse("my-bot_1.x:y@z").is_ok());
    }
}
