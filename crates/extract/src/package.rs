//! The zip container: named parts, inflated in memory under caps counted while reading.

use crate::Error;
use crate::document::Builder;
use crate::limits::Limits;
use crate::metadata::Field;
use crate::xml::{Token, Xml};
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// Parts smaller than this may have any ratio.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// An open container.
pub(crate) struct Package<'a> {
    /// The format's name in errors.
    format: &'static str,
    zip: ZipArchive<Cursor<&'a [u8]>>,
    size: u64,
    limits: &'a Limits,
}

/// Where a part points to, of an Office Open XML package.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) id: String,
    /// The last segment of its type, such as `slide`.
    pub(crate) kind: String,
    /// Name of the part it points to.
    pub(crate) target: String,
}

impl<'a> Package<'a> {
    pub(crate) fn open(format: &'static str, bytes: &'a [u8], limits: &'a Limits) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| Error::broken(format, e))?;
        Ok(Self { format, zip, size: bytes.len() as u64, limits })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The names of all parts, in the container's order.
    pub(crate) fn names(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        self.zip.file_names().flatten()
    }

    /// Where `part` points to; nothing when it has no (readable) relationships.
    pub(crate) fn relations(&mut self, part: &str) -> Result<Vec<Relation>, Error> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let Some(text) = self.minor_part(&format!("{prefix}_rels/{name}.rels"))? else {
            return Ok(Vec::new());
        };
        let mut xml = Xml::new(self.format, &text, self.limits);
        let mut relations = Vec::new();
        while let Ok(Some(token)) = xml.next() {
            let Token::Start(element) = token else { continue };
            let external = element.attribute("TargetMode").is_some_and(|mode| mode == "External");
            if element.name() != "Relationship" || external {
                continue;
            }
            if let (Some(id), Some(kind), Some(target)) =
                (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"))
            {
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                relations.push(Relation { id, kind, target: resolve(folder, &target) });
            }
        }
        Ok(relations)
    }

    /// A part the document can do without: a damaged one counts as absent, a bomb is refused.
    pub(crate) fn minor_part(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.part(name) {
            Err(Error::Broken { .. }) => Ok(None),
            other => other,
        }
    }

    /// As [`Package::minor_part`], not decoded.
    pub(crate) fn minor_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.bytes(name) {
            Err(Error::Broken { .. }) => Ok(None),
            other => other,
        }
    }

    /// Notes the facts of a part with Dublin Core elements; a damaged one tells nothing.
    ///
    /// # Errors
    /// [`Error::TooLarge`] past the caps.
    pub(crate) fn read_properties(&mut self, part: &str, builder: &mut Builder) -> Result<(), Error> {
        let properties = self.minor_part(part)?.unwrap_or_default();
        let mut xml = Xml::new(self.format, &properties, self.limits);
        let (mut open, mut value) = (String::new(), String::new());
        while let Ok(Some(token)) = xml.next() {
            match token {
                Token::Start(element) => {
                    open = element.name();
                    value.clear();
                    if let Some(pages) =
                        element.attribute("page-count").filter(|_| open == "document-statistic")
                    {
                        property("Pages", &pages, builder);
                    }
                }
                Token::Text(text) => value.push_str(&text),
                Token::End(name) => {
                    if name == open {
                        property(&name, &value, builder);
                    }
                    open.clear();
                }
            }
        }
        Ok(())
    }

    /// The part with the document itself, by the package's relationships.
    pub(crate) fn main_part(&mut self, usual: &str) -> Result<String, Error> {
        let relations = self.relations("")?;
        let main = relations.into_iter().find(|relation| relation.kind == "officeDocument");
        Ok(main.map(|relation| relation.target).filter(|name| self.has(name)).unwrap_or(usual.to_owned()))
    }

    /// The text of a part; `None` when there is no such part.
    ///
    /// # Errors
    /// [`Error::Encrypted`], [`Error::TooLarge`] past the caps, [`Error::Broken`].
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.bytes(name)?.map(|bytes| crate::text::decode(&bytes)))
    }

    /// As [`Package::part`], not decoded.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => return Err(Error::Encrypted),
            Err(error) => return Err(Error::broken(self.format, error)),
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
        read.map_err(|e| Error::broken(self.format, format!("{name}: {e}")))?;
        Ok(Some(bytes))
    }
}

/// Notes one property by the local name of its element, as Office, OpenDocument and EPUB use them.
pub(crate) fn property(name: &str, value: &str, builder: &mut Builder) {
    let field = match name {
        "title" => {
            builder.set_title(&crate::clean::line(value));
            return;
        }
        "Pages" => {
            builder.set_claimed_pages(value.trim().parse().unwrap_or(0));
            return;
        }
        // OpenDocument has both: who began it counts.
        "creator" | "initial-creator" => Field::Author,
        "description" | "subject" => Field::Description,
        "language" => Field::Language,
        "created" | "creation-date" | "date" => Field::Created,
        "modified" => Field::Modified,
        _ => return,
    };
    builder.set(field, value);
}

/// A relationship's target as a part name.
pub(crate) fn resolve(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            step => path.push(step),
        }
    }
    path.join("/")
}
