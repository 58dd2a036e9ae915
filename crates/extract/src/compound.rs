//! Compound files (OLE2): what their header claims, checked before a library believes it.

use crate::Error;
use crate::doc::bytes::u32_at;

/// Smallest sector, in bytes.
const SECTOR_BYTES: usize = 512;

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
    let size = if bytes.get(0x1e) == Some(&12) { 4_096 } else { SECTOR_BYTES };
    let circles = || Error::broken(format, "its chains of sectors run in circles");
    let large = allocation(bytes, size).ok_or_else(circles)?;
    let small = u32_at(bytes, 0x3c).map_or_else(Vec::new, |first| chain(&large, first));
    let small: Vec<u32> = small.into_iter().flat_map(|sector| entries(bytes, size, sector)).collect();
    if has_circle(&large) || has_circle(&small) { Err(circles()) } else { Ok(()) }
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
    let start = (sector as usize).saturating_add(1).saturating_mul(size);
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
