//! Compound files (OLE2): what their header claims, checked before a library believes it, and a forgiving reader of
//! single streams. Layout after [MS-CFB].

use crate::Error;
use crate::doc::bytes::{slice, u16_at, u32_at};

/// Smallest sector, in bytes.
const SECTOR_BYTES: usize = 512;

/// An entry of the folder, in bytes.
const ENTRY_BYTES: usize = 128;
/// Streams shorter than this lie in the small sectors.
const SMALL_STREAM_BYTES: usize = 4_096;
const SMALL_SECTOR_BYTES: usize = 64;

/// Places in the header of the table of tables, and how many of them.
const TABLES_AT: usize = 0x4c;
const TABLES: usize = 109;

/// The largest number that is a sector; those above are marks.
const LAST_SECTOR: u32 = 0xffff_fffa;

/// Refuses a compound file whose header claims larger tables than the file can hold, or whose chains of
/// sectors run in circles: readers would reserve memory for them without end.
///
/// # Errors
/// [`Error::Broken`].
pub(crate) fn check(format: &str, bytes: &[u8]) -> Result<(), Error> {
    let field = |at: usize| u32_at(bytes, at).map_or(usize::MAX, |value| value as usize);
    let sectors = bytes.len() / SECTOR_BYTES + 1;
    // Sectors of the allocation table, of the small one and of the table of tables.
    if [0x2c, 0x40, 0x48].into_iter().any(|at| field(at) > sectors) {
        return Err(Error::broken(format, "its allocation tables do not fit into the file"));
    }
    let size = sector_size(bytes);
    let circles = || Error::broken(format, "its chains of sectors run in circles");
    let large = allocation(bytes, size).ok_or_else(circles)?;
    let small = u32_at(bytes, 0x3c).map_or_else(Vec::new, |first| chain(&large, first));
    let small: Vec<u32> = small.into_iter().flat_map(|sector| entries(bytes, size, sector)).collect();
    if has_circle(&large) || has_circle(&small) { Err(circles()) } else { Ok(()) }
}

/// The stream of the first of `names` that is there, whatever the case of its letters; forgives what does not
/// keep it from being read. At most `most` bytes.
pub(crate) fn stream(bytes: &[u8], names: &[&str], most: u64) -> Option<Vec<u8>> {
    let size = sector_size(bytes);
    let large = allocation(bytes, size)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let whole = |first: u32, length: usize| -> Vec<u8> {
        let sectors = chain(&large, first).into_iter().take(length.div_ceil(size));
        let mut data: Vec<u8> =
            sectors.flat_map(|sector| slice(bytes, place(sector, size), size)).copied().collect();
        data.truncate(length);
        data
    };
    let folder = whole(u32_at(bytes, 0x30)?, bytes.len());
    let entries = || folder.chunks_exact(ENTRY_BYTES);
    let entry =
        names.iter().find_map(|name| entries().find(|entry| entry_name(entry).eq_ignore_ascii_case(name)))?;
    let (first, length) = (u32_at(entry, 0x74)?, u32_at(entry, 0x78)? as usize);
    if length >= SMALL_STREAM_BYTES {
        return Some(whole(first, length.min(most)));
    }
    // Small streams lie in the stream of the root, in sectors of their own.
    let root = entries().next()?;
    let (table, pool) = (whole(u32_at(bytes, 0x3c)?, bytes.len()), whole(u32_at(root, 0x74)?, bytes.len()));
    let table: Vec<u32> = (0..table.len() / 4).filter_map(|n| u32_at(&table, n * 4)).collect();
    let sectors = chain(&table, first).into_iter();
    let piece =
        |sector: u32| slice(&pool, (sector as usize).saturating_mul(SMALL_SECTOR_BYTES), SMALL_SECTOR_BYTES);
    let mut data: Vec<u8> =
        sectors.take(length.div_ceil(SMALL_SECTOR_BYTES)).flat_map(piece).copied().collect();
    data.truncate(length.min(most));
    Some(data)
}

/// The name of an entry of the folder.
fn entry_name(entry: &[u8]) -> String {
    let units = (0..32).filter_map(|n| u16_at(entry, n * 2)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn sector_size(bytes: &[u8]) -> usize {
    if bytes.get(0x1e) == Some(&12) { 4_096 } else { SECTOR_BYTES }
}

/// Where a sector begins; the header stands before the first.
fn place(sector: u32, size: usize) -> usize {
    (sector as usize).saturating_add(1).saturating_mul(size)
}

/// The allocation table; `None` when the table of tables runs in circles.
fn allocation(bytes: &[u8], size: usize) -> Option<Vec<u32>> {
    let mut tables: Vec<u32> = (0..TABLES).filter_map(|n| u32_at(bytes, TABLES_AT + n * 4)).collect();
    let mut next = u32_at(bytes, 0x44).unwrap_or(u32::MAX);
    let mut left = bytes.len() / size + 1;
    while next <= LAST_SECTOR {
        left = left.checked_sub(1)?;
        let mut more = entries(bytes, size, next);
        let Some(following) = more.pop() else { break };
        tables.append(&mut more);
        next = following;
    }
    let sectors = bytes.len() / size + 1;
    let tables = tables.into_iter().filter(|table| *table <= LAST_SECTOR).take(sectors);
    Some(tables.flat_map(|table| entries(bytes, size, table)).collect())
}

/// The numbers in a sector; none when it lies outside of the file.
fn entries(bytes: &[u8], size: usize, sector: u32) -> Vec<u32> {
    let start = place(sector, size);
    (0..size / 4).map_while(|n| u32_at(bytes, start.checked_add(n * 4)?)).collect()
}

/// The sectors of a chain; at most all of them.
fn chain(table: &[u32], first: u32) -> Vec<u32> {
    let next = |sector: &u32| table.get(*sector as usize).copied().filter(|next| *next <= LAST_SECTOR);
    let start = Some(first).filter(|first| *first <= LAST_SECTOR);
    std::iter::successors(start, next).take(table.len()).collect()
}

/// Whether following a table from some entry never ends.
fn has_circle(table: &[u32]) -> bool {
    // The walk that saw an entry first; 0 is none.
    let mut seen = vec![0_usize; table.len()];
    (0..table.len()).any(|start| {
        let mut at = start;
        while let Some(mark) = seen.get_mut(at) {
            if *mark > 0 {
                return *mark == start + 1;
            }
            *mark = start + 1;
            at = table.get(at).map_or(usize::MAX, |next| *next as usize);
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_larger_than_the_file_are_refused() {
        let mut bytes = vec![0_u8; 1_536];
        bytes[0x44..0x48].fill(0xff);
        bytes[TABLES_AT..512].fill(0xff);
        bytes[0x3c..0x40].fill(0xff);
        assert_eq!(check("DOC", &bytes), Ok(()));
        bytes[0x48] = 5;
        assert!(check("DOC", &bytes).is_err());
        assert!(check("DOC", &bytes[..20]).is_err());
    }

    #[test]
    fn streams_are_read_large_and_small() {
        use std::io::Write;
        for length in [0, 1, 63, 64, 65, 4_095, 4_096, 70_000] {
            let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
            file.create_stream("/Other").unwrap().write_all(&[7; 5_000]).unwrap();
            file.create_stream("/Aside").unwrap().write_all(&[8; 200]).unwrap();
            let wanted: Vec<u8> = (0..length).map(|n: u32| n as u8).collect();
            file.create_stream("/Workbook").unwrap().write_all(&wanted).unwrap();
            let bytes = file.into_inner().into_inner();
            let read = |names: &[&str], most| stream(&bytes, names, most);
            assert_eq!(read(&["WORKBOOK"], 1 << 20), Some(wanted.clone()), "{length}");
            assert_eq!(read(&["Book", "Workbook"], 1 << 20), Some(wanted.clone()));
            assert_eq!(read(&["Book"], 1 << 20), None);
            assert!(read(&["Other"], 100).is_some_and(|cut| cut.len() <= 100));
            for cut in (0..bytes.len()).step_by(97) {
                stream(&bytes[..cut], &["Workbook"], 1 << 20);
            }
        }
    }

    #[test]
    fn chains_in_circles_are_refused() {
        let mut bytes = vec![0xff_u8; 512 * 3];
        bytes[0x2c..0x50].fill(0);
        bytes[0x44..0x48].fill(0xff);
        bytes[0x3c..0x40].fill(0xff);
        let mut put = |sector: usize, next: u32| {
            bytes[512 + sector * 4..516 + sector * 4].copy_from_slice(&next.to_le_bytes());
            check("DOC", &bytes).is_ok()
        };
        assert!(put(0, 5));
        assert!(put(5, 7));
        assert!(put(9, 5));
        assert!(!put(7, 9));
        assert!(put(7, 0xffff_fffe));
        assert!(!put(3, 3));
        put(3, u32::MAX);
        // The table of tables may run in a circle too.
        bytes[0x44..0x48].copy_from_slice(&1_u32.to_le_bytes());
        bytes[512 * 3 - 4..].copy_from_slice(&1_u32.to_le_bytes());
        assert!(check("DOC", &bytes).is_err());
    }
}
