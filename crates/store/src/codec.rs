//! Bytes of keys and values inside the record engine; FORMAT.md describes them.
//!
//! Knows nothing of commits. Invariant: whatever `put_*`/`encode` writes, `Reader` reads back, and any
//! other bytes give [`Error::Corrupt`], never a panic.

use crate::Error;
use crate::record::{Coll, Head, Seq};
use fjall::Slice;
use quarry_types::Usage;

/// Version byte in front of every catalog value.
const CATALOG_VERSION: u8 = 1;

/// First byte of catalog keys.
pub(crate) mod tag {
    /// Name of a bot → its number.
    pub(crate) const BOT: u8 = b'b';
    /// Bot number + collection name → collection state.
    pub(crate) const COLL: u8 = b'c';
    /// Bot number → usage counters.
    pub(crate) const USAGE: u8 = b'u';
    /// Bot number + order → commit id and its outcome.
    pub(crate) const OUTCOME: u8 = b'i';
    /// Bot number (+ collection number) → nothing: rows waiting for the sweep.
    pub(crate) const GARBAGE: u8 = b'g';
    /// The next free bot number.
    pub(crate) const NEXT_BOT: u8 = b'n';
}

/// State of one collection as kept in the catalog and in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CollState {
    /// Its number within the bot; never reused.
    pub(crate) no: u32,
    /// What callers see.
    pub(crate) head: Head,
    /// Highest seq of a forgotten tombstone.
    pub(crate) floor: Seq,
    /// Tombstones kept.
    pub(crate) tombs: u64,
    /// Keys its change log lists, about: superseded ones stay until the sweep takes them out.
    pub(crate) logged: u64,
}

impl CollState {
    pub(crate) fn new(no: u32) -> Self {
        Self { no, head: Head { next_id: 1, ..Head::default() }, floor: 0, tombs: 0, logged: 0 }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![CATALOG_VERSION];
        let head = &self.head;
        put_varint(&mut out, u64::from(self.no));
        for number in [head.seq, head.next_id, head.records, head.bytes, self.floor, self.tombs, self.logged]
        {
            put_varint(&mut out, number);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::versioned(bytes, "collection state")?;
        let state = Self {
            no: reader.varint_u32()?,
            head: Head {
                seq: reader.varint()?,
                next_id: reader.varint()?,
                records: reader.varint()?,
                bytes: reader.varint()?,
            },
            floor: reader.varint()?,
            tombs: reader.varint()?,
            logged: reader.varint()?,
        };
        reader.end()?;
        Ok(state)
    }
}

/// Number of a bot and its next collection number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BotEntry {
    pub(crate) no: u32,
    pub(crate) next_coll: u32,
}

impl BotEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![CATALOG_VERSION];
        put_varint(&mut out, u64::from(self.no));
        put_varint(&mut out, u64::from(self.next_coll));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::versioned(bytes, "bot entry")?;
        let entry = Self { no: reader.varint_u32()?, next_coll: reader.varint_u32()? };
        reader.end()?;
        Ok(entry)
    }
}

pub(crate) fn encode_usage(usage: &Usage) -> Vec<u8> {
    let mut out = vec![CATALOG_VERSION];
    for number in [usage.vectors, usage.table_rows, usage.storage_bytes] {
        put_varint(&mut out, number);
    }
    out
}

pub(crate) fn decode_usage(bytes: &[u8]) -> Result<Usage, Error> {
    let mut reader = Reader::versioned(bytes, "usage")?;
    let usage =
        Usage { vectors: reader.varint()?, table_rows: reader.varint()?, storage_bytes: reader.varint()? };
    reader.end()?;
    Ok(usage)
}

/// A remembered commit: its id and the seqs it answered.
pub(crate) fn encode_outcome(id: u128, seqs: &[(Coll, Seq)]) -> Vec<u8> {
    let mut out = vec![CATALOG_VERSION];
    out.extend_from_slice(&id.to_be_bytes());
    put_varint(&mut out, seqs.len() as u64);
    for (coll, seq) in seqs {
        put_varint(&mut out, coll.as_str().len() as u64);
        out.extend_from_slice(coll.as_str().as_bytes());
        put_varint(&mut out, *seq);
    }
    out
}

pub(crate) fn decode_outcome(bytes: &[u8]) -> Result<(u128, Vec<(Coll, Seq)>), Error> {
    let mut reader = Reader::versioned(bytes, "commit outcome")?;
    let id = u128::from_be_bytes(reader.array()?);
    let count = reader.varint()?;
    let mut seqs = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let name = std::str::from_utf8(reader.take(len)?).map_err(|_| reader.damaged())?;
        seqs.push((Coll::new(name), reader.varint()?));
    }
    reader.end()?;
    Ok((id, seqs))
}

/// Value in `tombs`: the seq of the delete and its time.
pub(crate) fn encode_tomb(seq: Seq, at_ms: i64) -> [u8; 16] {
    let mut out = [0; 16];
    let (left, right) = out.split_at_mut(8);
    left.copy_from_slice(&seq.to_be_bytes());
    right.copy_from_slice(&at_ms.to_be_bytes());
    out
}

pub(crate) fn decode_tomb(bytes: &[u8]) -> Result<(Seq, i64), Error> {
    let mut reader = Reader { bytes, what: "tombstone" };
    let tomb = (u64::from_be_bytes(reader.array()?), i64::from_be_bytes(reader.array()?));
    reader.end()?;
    Ok(tomb)
}

/// Value in `records`: 8 bytes of seq, then the caller's bytes; replaces what `out` holds.
pub(crate) fn encode_record(seq: Seq, value: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(value);
}

pub(crate) fn decode_record(bytes: &[u8]) -> Result<(Seq, &[u8]), Error> {
    let mut reader = Reader { bytes, what: "record" };
    let seq = u64::from_be_bytes(reader.array()?);
    Ok((seq, reader.bytes))
}

/// `<bot number><collection number>`: the first 8 bytes of every key of `records`, `changes`, `tombs`.
pub(crate) fn row_prefix(bot: u32, coll: u32) -> [u8; 8] {
    ((u64::from(bot) << 32) | u64::from(coll)).to_be_bytes()
}

/// Key of `records` and `tombs` as the commit thread keeps it: most are short and take no memory of
/// their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RowKey(Slice);

impl RowKey {
    pub(crate) fn new(bot: u32, coll: u32, key: &[u8]) -> Self {
        Self(joined(&row_prefix(bot, coll), key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The caller's key.
    pub(crate) fn key(&self) -> &[u8] {
        self.0.get(8..).unwrap_or_default()
    }

    /// The key of the log entry of a commit in this key's collection.
    pub(crate) fn log_key(&self, seq: Seq) -> [u8; 16] {
        let mut out = [0; 16];
        let (prefix, number) = out.split_at_mut(8);
        prefix.copy_from_slice(self.0.get(..8).unwrap_or(&[0; 8]));
        number.copy_from_slice(&seq.to_be_bytes());
        out
    }
}

/// Two byte strings as one key.
pub(crate) fn joined(left: &[u8], right: &[u8]) -> Slice {
    let mut short = [0; 40];
    let len = left.len() + right.len();
    match short.get_mut(..len) {
        Some(room) => {
            let (a, b) = room.split_at_mut(left.len());
            a.copy_from_slice(left);
            b.copy_from_slice(right);
            Slice::new(room)
        }
        None => Slice::new(&[left, right].concat()),
    }
}

pub(crate) fn row_key(prefix: [u8; 8], key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + key.len());
    out.extend_from_slice(&prefix);
    out.extend_from_slice(key);
    out
}

/// Key of `changes`: one per commit and collection.
pub(crate) fn log_key(prefix: [u8; 8], seq: Seq) -> [u8; 16] {
    let mut out = [0; 16];
    let (left, right) = out.split_at_mut(8);
    left.copy_from_slice(&prefix);
    right.copy_from_slice(&seq.to_be_bytes());
    out
}

/// The seq in a key of `changes`.
pub(crate) fn seq_of(log_key: &[u8]) -> Result<Seq, Error> {
    let mut reader = Reader { bytes: log_key, what: "key of the change log" };
    reader.take(8)?;
    let seq = u64::from_be_bytes(reader.array()?);
    reader.end()?;
    Ok(seq)
}

/// Value in `changes`: the keys a commit wrote or deleted. A key is current there while its record or
/// its tombstone has the entry's seq; later commits do not touch the entry.
#[derive(Debug, Default)]
pub(crate) struct LogEntry(Vec<u8>);

impl LogEntry {
    pub(crate) fn push(&mut self, key: &[u8], is_dead: bool) {
        put_varint(&mut self.0, ((key.len() as u64) << 1) | u64::from(is_dead));
        self.0.extend_from_slice(key);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        self.0
    }

    /// The keys of an entry, and whether each was deleted.
    pub(crate) fn keys(bytes: &[u8]) -> impl Iterator<Item = Result<(&[u8], bool), Error>> {
        let mut reader = Reader { bytes, what: "change log" };
        std::iter::from_fn(move || {
            if reader.bytes.is_empty() {
                return None;
            }
            let next = reader.varint().and_then(|head| {
                let len = usize::try_from(head >> 1).unwrap_or(usize::MAX);
                Ok((reader.take(len)?, head & 1 == 1))
            });
            if next.is_err() {
                reader.bytes = &[];
            }
            Some(next)
        })
    }
}

/// A catalog key.
pub(crate) fn catalog_key(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![tag];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// The smallest key greater than every key with this prefix; `None` when there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what the functions above wrote.
struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    fn versioned(bytes: &'a [u8], what: &'static str) -> Result<Self, Error> {
        let mut reader = Self { bytes, what };
        let [version] = reader.array()?;
        if version != CATALOG_VERSION {
            return Err(Error::Corrupt(format!("{what} has version {version}, known is {CATALOG_VERSION}")));
        }
        Ok(reader)
    }

    fn damaged(&self) -> Error {
        Error::Corrupt(format!("{} does not decode", self.what))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or_else(|| self.damaged())?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| self.damaged())?;
        self.bytes = rest;
        Ok(*head)
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    fn varint_u32(&mut self) -> Result<u32, Error> {
        u32::try_from(self.varint()?).map_err(|_| self.damaged())
    }

    fn end(&self) -> Result<(), Error> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn states_round_trip(no: u32, seq: u64, next_id: u64, records: u64, bytes: u64, floor: u64, tombs: u64) {
            let state =
                CollState { no, head: Head { seq, next_id, records, bytes }, floor, tombs, logged: floor ^ tombs };
            prop_assert_eq!(CollState::decode(&state.encode()).unwrap(), state);
            let usage = Usage { vectors: seq, table_rows: next_id, storage_bytes: records };
            prop_assert_eq!(decode_usage(&encode_usage(&usage)).unwrap(), usage);
            let entry = BotEntry { no, next_coll: no ^ 5 };
            prop_assert_eq!(BotEntry::decode(&entry.encode()).unwrap(), entry);
        }

        #[test]
        fn outcomes_round_trip(id: u128, seqs in prop::collection::vec((".{1,40}", any::<u64>()), 0..5)) {
            let seqs: Vec<_> = seqs.into_iter().map(|(name, seq)| (Coll::new(&name), seq)).collect();
            prop_assert_eq!(decode_outcome(&encode_outcome(id, &seqs)).unwrap(), (id, seqs));
        }

        #[test]
        fn logs_round_trip(keys in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..9)) {
            let mut log = LogEntry::default();
            keys.iter().for_each(|(key, is_dead)| log.push(key, *is_dead));
            let bytes = log.encode();
            let read: Vec<_> = LogEntry::keys(&bytes).map(|key| key.unwrap()).map(|(key, dead)| (key.to_vec(), dead)).collect();
            prop_assert_eq!(read, keys);
        }

        #[test]
        fn foreign_bytes_are_errors_not_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = (CollState::decode(&bytes), BotEntry::decode(&bytes), decode_usage(&bytes));
            let _ = (decode_outcome(&bytes), decode_tomb(&bytes), decode_record(&bytes), seq_of(&bytes));
            let _ = LogEntry::keys(&bytes).count();
        }

        #[test]
        fn a_prefix_ends_where_its_keys_end(prefix in prop::collection::vec(any::<u8>(), 0..4), tail: Vec<u8>) {
            let key = [prefix.clone(), tail].concat();
            if let Some(end) = prefix_end(&prefix) {
                prop_assert!(key < end && !end.starts_with(&prefix));
            } else {
                prop_assert!(prefix.iter().all(|byte| *byte == u8::MAX));
            }
        }
    }

    #[test]
    fn log_keys_sort_by_seq_within_a_collection() {
        let row = RowKey::new(7, 9, b"k");
        assert_eq!((row.log_key(42), row.key()), (log_key(row_prefix(7, 9), 42), &b"k"[..]));
        assert!(row.log_key(255) < row.log_key(256));
        assert!(row.log_key(u64::MAX) < RowKey::new(7, 10, b"").log_key(0));
        assert_eq!(seq_of(&row.log_key(42)).unwrap(), 42);
    }
}
