//! Checks the record engine's journals before it replays them.
//!
//! The engine cuts a journal at the first entry it cannot read, which is right for a write that a
//! crash tore, and wrong for damage in front of acknowledged commits; and it refuses to open at a
//! torn write whose end reached the disk before its middle. Every batch is synced before the next
//! is written, so only the last batch of the newest journal can be torn: that one is cut off here,
//! anything else is reported as damage. Reads the journal format of the pinned fjall version
//! (FORMAT.md); knows nothing of what the batches mean.

use crate::{Error, paths};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// Last bytes of an end entry.
const TRAILER: [u8; 4] = *b"FJL\x03";
/// Bytes of an item in front of its key: tag, kind, compression, keyspace, three lengths.
const ITEM_HEADER: usize = 21;
/// Step of the search for bytes that are not zero.
const ZEROS: [u8; 4096] = [0; 4096];

/// What the check found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) batches: u64,
    /// Bytes of a torn last batch that were cut off.
    pub(crate) torn_bytes: u64,
}

/// Checks all journals in the engine's folder and cuts a torn end off the newest one.
///
/// # Errors
/// [`Error::Corrupt`] when intact batches follow a damaged one, or an older journal is damaged.
pub(crate) fn check(folder: &Path) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let journals = journals(folder)?;
    for (index, path) in journals.iter().enumerate() {
        let newest = index + 1 == journals.len();
        check_one(path, newest, &mut checked).map_err(|error| match error {
            Error::Io(cause) => Error::io(io::Error::other(format!("{}: {cause}", path.display()))),
            other => other,
        })?;
    }
    Ok(checked)
}

/// Journal files, oldest first.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut journals = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(paths::at(folder, cause)),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = name.and_then(|name| name.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn check_one(path: &Path, newest: bool, checked: &mut Checked) -> Result<(), Error> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(256 * 1024, &file);
    let mut intact = 0;
    while let Some(bytes) = read_batch(&mut reader, len - intact)? {
        intact += bytes;
        checked.batches += 1;
    }
    // Journals are preallocated: zeros behind the last batch are free space.
    let used = end_of_content(&mut file, intact)?;
    if used == intact {
        return Ok(());
    }
    file.seek(SeekFrom::Start(intact))?;
    let mut rest = Vec::new();
    (&file).take(used - intact).read_to_end(&mut rest)?;
    let follows = batch_within(&rest)?;
    if follows || !newest {
        let what = if follows { "intact batches follow" } else { "it is not the newest journal" };
        return Err(Error::Corrupt(format!(
            "{} is damaged at byte {intact} and {what}; check the disk and restore a backup",
            path.display()
        )));
    }
    file.set_len(intact)?;
    file.sync_all()?;
    checked.torn_bytes += used - intact;
    Ok(())
}

/// Reads one batch of at most `room` bytes and answers its length; `None` when there is no intact one.
fn read_batch(reader: &mut impl Read, room: u64) -> Result<Option<u64>, Error> {
    let Some([tag, start @ ..]) = read::<13>(reader)? else { return Ok(None) };
    if tag != START {
        return Ok(None);
    }
    let [c0, c1, c2, c3, ..] = start;
    let mut bytes = 13_u64;
    let mut hasher = Xxh3::new();
    for _ in 0..u32::from_le_bytes([c0, c1, c2, c3]) {
        let Some([tag]) = read::<1>(reader)? else { return Ok(None) };
        bytes += match tag {
            ITEM => {
                let Some(header) = read::<{ ITEM_HEADER - 1 }>(reader)? else { return Ok(None) };
                let [_, _, _, _, _, _, _, _, _, _, k0, k1, _, _, _, _, v0, v1, v2, v3] = header;
                let body =
                    u64::from(u16::from_le_bytes([k0, k1])) + u64::from(u32::from_le_bytes([v0, v1, v2, v3]));
                hasher.update(&[tag]);
                hasher.update(&header);
                if bytes + body > room || !hash(reader, body, &mut hasher)? {
                    return Ok(None);
                }
                ITEM_HEADER as u64 + body
            }
            CLEAR => {
                let Some(keyspace) = read::<8>(reader)? else { return Ok(None) };
                hasher.update(&[tag]);
                hasher.update(&keyspace);
                9
            }
            _ => return Ok(None),
        };
    }
    let Some([tag, end @ ..]) = read::<13>(reader)? else { return Ok(None) };
    let [h0, h1, h2, h3, h4, h5, h6, h7, trailer @ ..] = end;
    let expected = u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]);
    let fine = tag == END && trailer == TRAILER && expected == hasher.digest();
    Ok(fine.then_some(bytes + 13))
}

/// `None` at the end of the file.
fn read<const N: usize>(reader: &mut impl Read) -> Result<Option<[u8; N]>, Error> {
    let mut bytes = [0; N];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// Hashes `len` bytes; false at the end of the file.
fn hash(reader: &mut impl Read, mut len: u64, hasher: &mut Xxh3) -> Result<bool, Error> {
    let mut buffer = [0; 4096];
    while len > 0 {
        let want = usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
        let Some(piece) = buffer.get_mut(..want) else { return Ok(false) };
        match reader.read_exact(piece) {
            Ok(()) => hasher.update(piece),
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(cause) => return Err(cause.into()),
        }
        len -= want as u64;
    }
    Ok(true)
}

/// Where the last byte that is not zero ends; `from` when only zeros follow it.
fn end_of_content(file: &mut File, from: u64) -> Result<u64, Error> {
    let (mut at, mut end) = (from, from);
    let mut buffer = ZEROS;
    // Preallocated space was never written, so nearly all of it is a hole and need not be read.
    while let Some(data) = seek(file, rustix::fs::SeekFrom::Data(at))? {
        let Some(hole) = seek(file, rustix::fs::SeekFrom::Hole(data))? else { break };
        at = file.seek(SeekFrom::Start(data))?;
        let mut reader = BufReader::with_capacity(256 * 1024, (&*file).take(hole - data));
        loop {
            let count = reader.read(&mut buffer)?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
            if Some(piece) != ZEROS.get(..count) {
                let last = piece.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                end = at + last as u64 + 1;
            }
            at += count as u64;
        }
        at = at.max(hole);
    }
    Ok(end)
}

/// The position sought; `None` behind the last data of the file.
fn seek(file: &File, to: rustix::fs::SeekFrom) -> Result<Option<u64>, Error> {
    match rustix::fs::seek(file, to) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(cause) => Err(Error::Io(std::sync::Arc::new(io::Error::from(cause)))),
    }
}

/// Whether an intact batch begins anywhere behind the first byte.
fn batch_within(rest: &[u8]) -> Result<bool, Error> {
    for start in 1..rest.len() {
        let Some(mut tail) = rest.get(start..) else { break };
        let room = tail.len() as u64;
        if tail.first() == Some(&START) && read_batch(&mut tail, room)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::{Effect, Engine, Space};

    const CACHE: u64 = 1024 * 1024;

    fn journal(folder: &Path) -> PathBuf {
        journals(folder).unwrap().pop().unwrap()
    }

    /// Batch `n` holds key `n` and a value of `len` bytes.
    fn write(engine: &Engine, n: u8, len: u32) {
        let value = (0..len).map(|i| (i % 250) as u8 + n).collect();
        engine
            .write(vec![
                Effect::new(Space::Records, &[n], Some(value)),
                Effect::new(Space::Tombs, &[n], Some(vec![])),
            ])
            .unwrap();
    }

    fn found(folder: &Path) -> Vec<u8> {
        let engine = Engine::open(folder, CACHE).unwrap();
        let view = engine.view();
        let keys = |space| view.prefix(space, b"").map(|pair| pair.unwrap().0[0]).collect::<Vec<_>>();
        assert_eq!(keys(Space::Records), keys(Space::Tombs));
        keys(Space::Records)
    }

    /// A folder with batches 1 to 3; answers where the third begins and ends in the journal.
    fn three_batches(folder: &Path, len: u32) -> (usize, usize) {
        let engine = Engine::open(folder, CACHE).unwrap();
        let end = || end_of_content(&mut File::open(journal(folder)).unwrap(), 0).unwrap() as usize;
        write(&engine, 1, len);
        write(&engine, 2, len);
        let start = end();
        write(&engine, 3, len);
        (start, end())
    }

    #[test]
    fn whole_journals_are_left_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(&dir.path().join("absent")).unwrap(), Checked::default());
        three_batches(dir.path(), 9_000);
        let before = std::fs::read(journal(dir.path())).unwrap();
        assert_eq!(check(dir.path()).unwrap(), Checked { batches: 3, torn_bytes: 0 });
        assert!(std::fs::read(journal(dir.path())).unwrap() == before);
        assert_eq!(found(dir.path()), [1, 2, 3]);
        // After a reopen the journal goes on without preallocated space.
        write(&Engine::open(dir.path(), CACHE).unwrap(), 4, 10);
        assert_eq!(check(dir.path()).unwrap(), Checked { batches: 4, torn_bytes: 0 });
    }

    /// Applies `damage` to the journal's content and answers what a start makes of it.
    fn after(folder: &Path, content: &[u8], damage: impl Fn(&mut Vec<u8>)) -> Result<u64, Error> {
        let mut bytes = content.to_vec();
        damage(&mut bytes);
        std::fs::write(journal(folder), bytes).unwrap();
        check(folder).map(|checked| checked.batches)
    }

    /// The engine's checksum leaves out a batch's sequence number. All batches are of one length.
    fn seqno_of_batch(at: usize, two_batches: usize) -> bool {
        (5..13).contains(&(at % (two_batches / 2)))
    }

    #[test]
    fn a_last_batch_torn_at_any_byte_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let (start, end) = three_batches(dir.path(), 90);
        let mut content = std::fs::read(journal(dir.path())).unwrap();
        content.truncate(end + 64);
        for at in start..end {
            // The file ends there, or zeros do not.
            assert_eq!(after(dir.path(), &content, |bytes| bytes.truncate(at)).unwrap(), 2, "cut at {at}");
            assert_eq!(
                after(dir.path(), &content, |bytes| bytes[at..].fill(0)).unwrap(),
                2,
                "zeros from {at}"
            );
            if !seqno_of_batch(at, start) {
                let flipped = after(dir.path(), &content, |bytes| bytes[at] ^= 0x40);
                assert_eq!(flipped.unwrap(), 2, "flip at {at}");
            }
            let left = std::fs::metadata(journal(dir.path())).unwrap().len() as usize;
            assert_eq!(left, start, "after a flip at {at}");
        }
        assert_eq!(found(dir.path()), [1, 2]);
    }

    #[test]
    fn pages_of_the_last_batch_may_be_missing_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let (start, end) = three_batches(dir.path(), 9_000);
        let content = std::fs::read(journal(dir.path())).unwrap();
        let pages: Vec<_> = (start / 4096 * 4096..end).step_by(4096).map(|page| page..page + 4096).collect();
        assert!(pages.len() >= 3);
        for missing in 1..1_u32 << pages.len() {
            let damaged = after(dir.path(), &content, |bytes| {
                for (index, page) in pages.iter().enumerate() {
                    if missing & (1 << index) != 0 {
                        bytes[page.start.max(start)..page.end].fill(0);
                    }
                }
            });
            assert_eq!(damaged.unwrap(), 2, "pages {missing:b}");
            assert_eq!(found(dir.path()), [1, 2]);
        }
    }

    #[test]
    fn damage_in_front_of_intact_batches_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (start, end) = three_batches(dir.path(), 90);
        let mut content = std::fs::read(journal(dir.path())).unwrap();
        content.truncate(end);
        for at in (0..start).step_by(7).filter(|at| !seqno_of_batch(*at, start)) {
            let error = after(dir.path(), &content, |bytes| bytes[at] ^= 0x40).unwrap_err();
            assert!(error.to_string().contains("intact batches follow"), "flip at {at}: {error}");
            assert_eq!(std::fs::metadata(journal(dir.path())).unwrap().len() as usize, end);
        }
    }
}
