//! Word documents (Office Open XML), read part by part in memory.
//!
//! Reads only the parts it names: relationships, styles, numbering, notes, properties and the
//! document. Tracked changes are accepted, hidden text and headers and footers are left out;
//! headers and footers count where there is nothing else.

mod body;
mod numbering;
mod styles;

#[cfg(test)]
mod tests;

use crate::Error;
use crate::document::Builder;
use crate::limits::Limits;
use crate::package::Package;
use body::{Body, Notes};
use numbering::Numbering;
use styles::Styles;

/// The format's name in errors.
const FORMAT: &str = "DOCX";

/// Reads a whole document.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut package = Package::open(FORMAT, bytes, limits)?;
    let main = package.main_part("word/document.xml")?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let Some(document) = package.part(&main)? else {
        return Err(Error::broken(FORMAT, "it has no document part"));
    };
    let mut warnings = Vec::new();
    // A damaged minor part costs its structure, not the document; a bomb is refused all the same.
    let mut minor = |package: &mut Package<'_>, name: &str| match package.part(name) {
        Ok(part) => Ok(part.unwrap_or_default()),
        Err(Error::Broken { detail, .. }) => {
            warnings.push(format!("{name} could not be read: {detail}"));
            Ok(String::new())
        }
        Err(other) => Err(other),
    };
    let styles = Styles::read(&minor(&mut package, &beside("styles.xml"))?, limits)?;
    let numbering = Numbering::read(&minor(&mut package, &beside("numbering.xml"))?, limits)?;
    let footnotes = minor(&mut package, &beside("footnotes.xml"))?;
    let endnotes = minor(&mut package, &beside("endnotes.xml"))?;
    for warning in warnings {
        builder.warn(warning);
    }
    let mut notes = body::read_notes(&footnotes, "footnote", limits)?;
    notes.extend(body::read_notes(&endnotes, "endnote", limits)?);
    Body::new(builder, styles, numbering, notes).read(&document, limits)?;
    if builder.is_empty() {
        // A letterhead has its words in its headers and footers only.
        let relations = package.relations(&main)?;
        for part in relations.iter().filter(|part| matches!(part.kind.as_str(), "header" | "footer")) {
            let text = package.minor_part(&part.target)?.unwrap_or_default();
            match Body::new(builder, Styles::default(), Numbering::default(), Notes::new())
                .read(&text, limits)
            {
                Err(error) if error.is_hostile() => return Err(error),
                _ => {}
            }
        }
    }
    package.read_properties("docProps/core.xml", builder)?;
    package.read_properties("docProps/app.xml", builder)
}
