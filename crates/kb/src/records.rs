//! Names and encodings of this crate's records. Nobody else builds a key.
//!
//! Collection `kb`: `f/<file id>` file, `y/<sha256 of key>` file id (unique key index),
//! `p/<file id>/<generation><position>` passage, `b/<kb id>` knowledge base. One collection, so
//! that a file and its passages change at one sequence number.
//! Collection `jobs`: `j/<file id>/<generation>`. Collection `vectors/<fingerprint>`: sha256 of the embedded text.

use crate::{Error, File};
use bytes::Bytes;
use quarry_store::{Coll, Key, Record, RecordStore};
use quarry_types::{CharRange, FileId, Passage, PassageKind, Scope, Timestamp, unhex};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

pub(crate) type TextHash = [u8; 32];

pub(crate) fn kb() -> Coll {
    Coll::new("kb")
}

pub(crate) fn jobs() -> Coll {
    Coll::new("jobs")
}

pub(crate) fn vectors(fingerprint: &str) -> Coll {
    Coll::new(&format!("vectors/{fingerprint}"))
}

pub(crate) fn file_key(id: &FileId) -> Key {
    format!("f/{id}").into_bytes()
}

pub(crate) fn unique_key(key: &str) -> Key {
    [b"y/".as_slice(), &Sha256::digest(key)].concat()
}

pub(crate) fn base_key(id: &str) -> Key {
    format!("b/{id}").into_bytes()
}

pub(crate) fn job_key(id: &FileId, generation: u32) -> Key {
    [format!("j/{id}/").as_bytes(), &generation.to_be_bytes()].concat()
}

pub(crate) fn passage_key(file: &FileId, generation: u32, position: u32) -> Key {
    let mut key = format!("p/{file}/").into_bytes();
    key.extend_from_slice(&generation.to_be_bytes());
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// What a key of collection `kb` names.
pub(crate) enum KbKey {
    File(FileId),
    Passage { file: FileId, generation: u32, position: u32 },
    Base(String),
    Unique,
}

impl KbKey {
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_at_checked(2)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        match kind {
            b"f/" => Some(Self::File(FileId::parse(&text(rest)?).ok()?)),
            b"b/" => Some(Self::Base(text(rest)?)),
            b"y/" => Some(Self::Unique),
            b"p/" => {
                let (rest, position) = rest.split_last_chunk::<4>()?;
                let (rest, generation) = rest.split_last_chunk::<4>()?;
                let file = FileId::parse(&text(rest.strip_suffix(b"/")?)?).ok()?;
                let (generation, position) = (u32::from_be_bytes(*generation), u32::from_be_bytes(*position));
                Some(Self::Passage { file, generation, position })
            }
            _ => None,
        }
    }
}

/// A passage as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "FlatPassage")]
pub(crate) struct PassageRecord {
    /// Number in the indexes, unique in the bot for ever.
    pub(crate) ordinal: u32,
    #[serde(flatten)]
    pub(crate) passage: Passage,
    /// SHA-256 of the embedded text, hex: names the vector.
    pub(crate) vector: String,
}

/// The fields of a [`PassageRecord`] as they stand there: a search reads dozens, and flattened ones are read slowly.
#[derive(Deserialize)]
struct FlatPassage {
    ordinal: u32,
    position: u32,
    text: String,
    heading_path: Vec<String>,
    #[serde(default)]
    table_header: Option<String>,
    page: Option<u32>,
    range: CharRange,
    kind: PassageKind,
    vector: String,
}

impl From<FlatPassage> for PassageRecord {
    fn from(flat: FlatPassage) -> Self {
        let FlatPassage { ordinal, position, text, heading_path, table_header, page, range, kind, vector } =
            flat;
        let passage = Passage { position, text, heading_path, table_header, page, range, kind };
        Self { ordinal, passage, vector }
    }
}

/// A passage handed in by the caller instead of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GivenPassage {
    pub(crate) content: String,
    pub(crate) kind: PassageKind,
    pub(crate) page: Option<u32>,
    /// Headings it stands under; empty = the titles given before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headings: Vec<String>,
}

/// Work to index one generation of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) file: FileId,
    /// The file version it is for; a job of an older version is dropped.
    pub(crate) version: u64,
    pub(crate) generation: u32,
    /// Times it was started, crashes included.
    pub(crate) attempts: u32,
    /// Those of them that failed in a way that may pass.
    #[serde(default)]
    pub(crate) failures: u32,
    /// Vectors it holds in the counter.
    pub(crate) reserved: u64,
    pub(crate) created_at: Timestamp,
    /// `setFilePassages`: these instead of the file's content.
    pub(crate) given: Option<Vec<GivenPassage>>,
}

impl Job {
    /// Work on the generation a file has just been given.
    pub(crate) fn of(file: &File, now: Timestamp, given: Option<Vec<GivenPassage>>) -> Self {
        Self {
            file: file.id.clone(),
            version: file.version,
            generation: file.generation,
            attempts: 0,
            failures: 0,
            reserved: 0,
            created_at: now,
            given,
        }
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, Error> {
    let text = serde_json::to_vec(value)
        .map_err(|cause| Error::Internal(format!("record does not encode: {cause}")))?;
    Ok(text.into())
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|cause| Error::Corrupt(cause.to_string()))
}

pub(crate) fn text_hash(text: &str) -> TextHash {
    Sha256::digest(text).into()
}

/// All records of a collection whose keys start with `prefix`.
pub(crate) async fn scan_all(
    store: &dyn RecordStore,
    scope: &Scope,
    coll: &Coll,
    prefix: &[u8],
) -> Result<Vec<Record>, Error> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| record.key.clone());
        let page = store.scan(scope.bot(), coll, prefix, after.as_deref(), 4096).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// A stable UUID for one passage of one generation (version 8 layout of RFC 9562: own bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PassageId([u8; 16]);

impl PassageId {
    pub(crate) fn of(file: &FileId, generation: u32, position: u32) -> Self {
        let digest = Sha256::digest(passage_key(file, generation, position));
        let mut bits = [0_u8; 16];
        bits.copy_from_slice(&digest.as_slice()[..16]);
        bits[6] = (bits[6] & 0x0f) | 0x80;
        bits[8] = (bits[8] & 0x3f) | 0x80;
        Self(bits)
    }

    /// Reads an id as it is written; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() == 36)?;
        let id = Self(unhex(&text.replace('-', ""))?.try_into().ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for PassageId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = quarry_types::hex(&self.0);
        write!(out, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// [`PassageId`] as it is written.
pub(crate) fn passage_uuid(file: &FileId, generation: u32, position: u32) -> String {
    PassageId::of(file, generation, position).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_parse_back() {
        let id = FileId::parse("file_01ABC").unwrap();
        match KbKey::parse(&passage_key(&id, 7, 47)).unwrap() {
            KbKey::Passage { file, generation, position } => {
                assert_eq!((file, generation, position), (id.clone(), 7, 47))
            }
            _ => panic!("not a passage"),
        }
        assert!(matches!(KbKey::parse(&file_key(&id)), Some(KbKey::File(file)) if file == id));
        assert!(matches!(KbKey::parse(&unique_key("any key")), Some(KbKey::Unique)));
        assert!(KbKey::parse(b"p/x").is_none() && KbKey::parse(b"").is_none());
    }

    #[test]
    fn a_passage_is_read_as_it_was_written() {
        let passage = Passage {
            position: 3,
            text: "“Clean”\nit".into(),
            heading_path: vec!["Oven".into(), "Care".into()],
            table_header: None,
            page: Some(7),
            range: CharRange { start: 10, end: 20 },
            kind: PassageKind::List,
        };
        let record = PassageRecord { ordinal: 12, passage, vector: "00ff".into() };
        assert_eq!(decode::<PassageRecord>(&encode(&record).unwrap()).unwrap(), record);
        let stored = r#"{"ordinal":12,"position":3,"text":"“Clean”\nit","heading_path":["Oven","Care"],"page":7,
            "range":{"start":10,"end":20},"kind":"list","vector":"00ff"}"#;
        assert_eq!(decode::<PassageRecord>(stored.as_bytes()).unwrap(), record);
        let mut later = record.clone();
        later.passage.table_header = Some("Part | Price".into());
        assert_eq!(decode::<PassageRecord>(&encode(&later).unwrap()).unwrap(), later);
        let pageless = stored.replace(r#""page":7,"#, r#""later":[1],"#);
        assert_eq!(decode::<PassageRecord>(pageless.as_bytes()).unwrap().passage.page, None);
    }

    #[test]
    fn uuids_are_stable_and_differ() {
        let id = FileId::parse("file_01ABC").unwrap();
        let uuid = passage_uuid(&id, 1, 2);
        assert_eq!(uuid, passage_uuid(&id, 1, 2));
        assert_ne!(uuid, passage_uuid(&id, 1, 3));
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'8');
        assert_eq!(PassageId::parse(&uuid), Some(PassageId::of(&id, 1, 2)));
        for other in ["", "x", &uuid.replace('-', ""), &uuid.to_uppercase(), &uuid[..35], &"é".repeat(18)] {
            assert_eq!(PassageId::parse(other), None, "{other}");
        }
    }
}
