//! Compound files (OLE2): what their header claims, checked before a library believes it.

use crate::Error;

/// Smallest sector, in bytes.
const SECTOR_BYTES: usize = 512;

/// Refuses a compound file whose header claims larger tables than the file can hold: readers would
/// reserve memory for them.
///
/// # Errors
/// [`Error::Broken`].
pub(crate) fn check(format: &str, bytes: &[u8]) -> Result<(), Error> {
    let field = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
        four.map_or(usize::MAX, |four| u32::from_le_bytes(four) as usize)
    };
    let sectors = bytes.len() / SECTOR_BYTES + 1;
    // Sectors of the allocation table, of the small one and of the table of tables.
    if [0x2c, 0x40, 0x48].into_iter().any(|at| field(at) > sectors) {
        return Err(Error::broken(format, "its allocation tables do not fit into the file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_larger_than_the_file_are_refused() {
        let mut bytes = vec![0_u8; 1_536];
        assert_eq!(check("DOC", &bytes), Ok(()));
        bytes[0x48] = 5;
        assert!(check("DOC", &bytes).is_err());
        assert!(check("DOC", &bytes[..20]).is_err());
    }
}
