//! The zip container: named parts, inflated in memory under caps counted while reading.

use super::FORMAT;
use super::xml::{Token, Xml};
use crate::Error;
use crate::limits::Limits;
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// Parts smaller than this may have any ratio.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// An open container.
pub(super) struct Package<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    size: u64,
    limits: &'a Limits,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
        Ok(Self { zip, size: bytes.len() as u64, limits })
    }

    /// The part with the document itself, by the package's relationships.
    pub(super) fn main_part(&mut self) -> Result<String, Error> {
        const USUAL: &str = "word/document.xml";
        let relations = self.part("_rels/.rels")?.unwrap_or_default();
        let limits = self.limits.clone();
        let mut xml = Xml::new(&relations, &limits);
        while let Ok(Some(token)) = xml.next() {
            if let Token::Start(element) = token
                && element.name() == "Relationship"
                && element.attribute("Type").is_some_and(|t| t.ends_with("/officeDocument"))
                && let Some(target) = element.attribute("Target")
            {
                let name = target.trim_start_matches('/').to_owned();
                if self.zip.index_for_name(&name).is_some() {
                    return Ok(name);
                }
            }
        }
        Ok(USUAL.to_owned())
    }

    /// The text of a part; `None` when there is no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Error> {
        let mut file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => return Err(Error::Encrypted),
            Err(error) => return Err(broken(&error)),
        };
        // The declared size may lie; the container's own cannot.
        let stored = file.compressed_size().min(self.size).max(1);
        let by_ratio = stored.saturating_mul(self.limits.max_ratio).max(RATIO_FREE_BYTES);
        let cap = by_ratio.min(self.limits.max_part_bytes);
        let mut bytes = Vec::new();
        let read = (&mut file).take(cap + 1).read_to_end(&mut bytes);
        if bytes.len() as u64 > cap {
            let limit = if cap == self.limits.max_part_bytes {
                format!("{} MB", cap >> 20)
            } else {
                format!("{} times its stored size", self.limits.max_ratio)
            };
            return Err(Error::TooLarge { what: format!("the unpacked part {name}"), limit });
        }
        read.map_err(|e| Error::broken(FORMAT, format!("{name}: {e}")))?;
        Ok(Some(crate::text::decode(&bytes)))
    }
}

fn broken(error: &ZipError) -> Error {
    Error::broken(FORMAT, error)
}
