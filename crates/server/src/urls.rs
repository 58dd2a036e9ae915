//! Signed upload and content URLs, and the permanent URLs of public content.
//!
//! An URL carries its own permission: HMAC-SHA256 over purpose, bot, file, version, size, type and
//! expiry, each framed by its length. Knows nothing of files beyond those values. Invariant: any
//! changed, dropped or swapped parameter, or the other purpose, fails the check.

use crate::error::ApiError;
use crate::query::Query;
use crate::router::encode;
use hmac::{Hmac, Mac};
use quarry_kb::File;
use quarry_types::{BotId, FileId, Timestamp, hex, unhex};
use sha2::Sha256;

/// How long a private content URL works.
const CONTENT_TTL_MS: i64 = 60 * 60 * 1000;

/// What a signature permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One PUT of the bytes.
    Upload,
    /// Reading the bytes.
    Content,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Content => "content",
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// What for.
    pub(crate) purpose: Purpose,
    /// Whose.
    pub(crate) bot: BotId,
    /// Which file.
    pub(crate) file: FileId,
    /// Which version of it.
    pub(crate) version: u64,
    /// Its bytes.
    pub(crate) size: u64,
    /// Its media type.
    pub(crate) content_type: String,
    /// Until when, milliseconds since 1970.
    pub(crate) expires_ms: i64,
    /// Makes every URL new.
    pub(crate) nonce: u32,
}

/// Signs and checks with the key of the data folder.
pub(crate) struct Signer {
    key: Hmac<Sha256>,
}

impl Signer {
    /// A signer with this key.
    #[must_use]
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { key: Hmac::new_from_slice(key).expect("HMAC takes keys of any length") }
    }

    fn mac(&self, grant: &Grant) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        let (version, size) = (grant.version.to_string(), grant.size.to_string());
        let (expires, nonce) = (grant.expires_ms.to_string(), grant.nonce.to_string());
        for part in [
            grant.purpose.word(),
            grant.bot.as_str(),
            grant.file.as_str(),
            &version,
            &size,
            &grant.content_type,
            &expires,
            &nonce,
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// Path and query of a granted URL.
    #[must_use]
    pub(crate) fn sign(&self, grant: &Grant) -> String {
        let signature = hex(&self.mac(grant).finalize().into_bytes());
        format!(
            "/v1/quarry/{}/{}/{}?v={}&size={}&type={}&exp={}&n={}&sig={signature}",
            grant.purpose.word(),
            encode(grant.bot.as_str()),
            encode(grant.file.as_str()),
            grant.version,
            grant.size,
            encode(&grant.content_type),
            grant.expires_ms,
            grant.nonce,
        )
    }

    /// Reads and checks the grant of a request.
    ///
    /// # Errors
    /// 403 when anything is missing, changed or expired; the message tells only which of the two.
    pub(crate) fn check(
        &self,
        purpose: Purpose,
        bot: &str,
        file: &str,
        query: &Query,
    ) -> Result<Grant, ApiError> {
        let wrong =
            || ApiError::forbidden("the URL's signature does not match; use the URL exactly as given");
        let number =
            |name: &str| query.text(name).and_then(|text| text.parse::<i64>().ok()).ok_or_else(wrong);
        let unsigned = |name: &str| u64::try_from(number(name)?).map_err(|_| wrong());
        let grant = Grant {
            purpose,
            bot: BotId::parse(bot).map_err(|_| wrong())?,
            file: FileId::parse(file).map_err(|_| wrong())?,
            version: unsigned("v")?,
            size: unsigned("size")?,
            content_type: query.text("type").unwrap_or("").to_owned(),
            expires_ms: number("exp")?,
            nonce: u32::try_from(number("n")?).map_err(|_| wrong())?,
        };
        let signature = query.text("sig").and_then(unhex).ok_or_else(wrong)?;
        self.mac(&grant).verify_slice(&signature).map_err(|_| wrong())?;
        if grant.expires_ms < Timestamp::now().as_ms() {
            return Err(ApiError::forbidden("the URL has expired; ask for the file again to get a new one"));
        }
        Ok(grant)
    }

    fn grant(&self, purpose: Purpose, bot: &BotId, file: &File, until: Timestamp) -> String {
        self.sign(&Grant {
            purpose,
            bot: bot.clone(),
            file: file.id.clone(),
            version: file.version,
            size: file.declared_size,
            content_type: file.content_type.clone(),
            expires_ms: until.as_ms(),
            nonce: rand::random(),
        })
    }

    /// Path of the upload URL of a file just upserted; it works as long as the file waits for its bytes.
    #[must_use]
    pub(crate) fn upload_path(&self, bot: &BotId, file: &File) -> String {
        self.grant(Purpose::Upload, bot, file, file.upload_ends_at())
    }

    /// Path of a file's content URL: permanent when public, else signed and new each time.
    #[must_use]
    pub(crate) fn content_path(&self, bot: &BotId, file: &File) -> String {
        if file.access.contains(&quarry_types::Visibility::PublicContent) {
            return format!("/v1/quarry/content/{}/{}", encode(bot.as_str()), encode(file.id.as_str()));
        }
        let until = Timestamp(Timestamp::now().as_ms().saturating_add(CONTENT_TTL_MS));
        self.grant(Purpose::Content, bot, file, until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grant() -> Grant {
        Grant {
            purpose: Purpose::Upload,
            bot: BotId::parse("b1").unwrap(),
            file: FileId::parse("file_1").unwrap(),
            version: 3,
            size: 10,
            content_type: "text/plain; charset=utf-8".to_owned(),
            expires_ms: Timestamp::now().as_ms() + 60_000,
            nonce: 7,
        }
    }

    fn check(signer: &Signer, purpose: Purpose, url: &str) -> Result<Grant, ApiError> {
        let (path, query) = url.split_once('?').unwrap();
        let mut parts = path.rsplit('/');
        let (file, bot) = (parts.next().unwrap(), parts.next().unwrap());
        signer.check(purpose, bot, file, &Query::parse(query).unwrap())
    }

    #[test]
    fn what_is_signed_comes_back_and_nothing_else_passes() {
        let signer = Signer::new(&[1; 32]);
        let url = signer.sign(&grant());
        assert_eq!(check(&signer, Purpose::Upload, &url).unwrap(), grant_like(&url, &signer));
        assert!(check(&signer, Purpose::Content, &url).is_err());
        assert!(check(&Signer::new(&[2; 32]), Purpose::Upload, &url).is_err());
        for (from, to) in [
            ("/b1/", "/b2/"),
            ("file_1", "file_2"),
            ("v=3", "v=4"),
            ("size=10", "size=100"),
            ("type=text", "type=html"),
            ("n=7", "n=8"),
            ("&exp=", "&exp=9"),
            ("&sig=", "&sig=00"),
        ] {
            let changed = url.replacen(from, to, 1);
            assert_ne!(changed, url, "{from}");
            assert!(check(&signer, Purpose::Upload, &changed).is_err(), "{from}");
        }
        let (path, query) = url.split_once('?').unwrap();
        let pairs: Vec<&str> = query.split('&').collect();
        for drop in 0..pairs.len() {
            let left: Vec<&str> =
                pairs.iter().enumerate().filter(|(at, _)| *at != drop).map(|(_, pair)| *pair).collect();
            assert!(check(&signer, Purpose::Upload, &format!("{path}?{}", left.join("&"))).is_err());
        }
    }

    fn grant_like(url: &str, signer: &Signer) -> Grant {
        let expires = url.split("exp=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        let grant = Grant { expires_ms: expires, ..grant() };
        assert_eq!(signer.sign(&grant), url);
        grant
    }

    #[test]
    fn expired_urls_fail() {
        let signer = Signer::new(&[1; 32]);
        let url = signer.sign(&Grant { expires_ms: 5, ..grant() });
        assert!(check(&signer, Purpose::Upload, &url).is_err());
    }
}
