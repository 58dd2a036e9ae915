//! Which paragraph styles are headings, titles, quotes or lists.

use super::FORMAT;
use crate::Error;
use crate::limits::Limits;
use crate::xml::{Token, Xml};
use std::collections::HashMap;

/// What a style makes of a paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Title,
    /// Level from 1.
    Heading(u8),
    Quote,
    Plain,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    list: Option<(i64, usize)>,
}

/// The paragraph styles of a document.
#[derive(Debug, Default)]
pub(super) struct Styles {
    by_id: HashMap<String, Style>,
}

/// Longest chain of styles followed; longer ones are loops.
const MAX_CHAIN: usize = 16;

impl Styles {
    pub(super) fn read(text: &str, limits: &Limits) -> Result<Self, Error> {
        let mut xml = Xml::new(FORMAT, text, limits);
        let mut styles = Self::default();
        let mut current: Option<(String, Style)> = None;
        loop {
            let element = match xml.next() {
                Ok(Some(Token::Start(element))) => element,
                Ok(Some(Token::End(name))) if name == "style" => {
                    styles.by_id.extend(current.take());
                    continue;
                }
                Ok(Some(_)) => continue,
                Ok(None) => break,
                // Headings are lost with a damaged part, the text is not.
                Err(error) if error.is_hostile() => return Err(error),
                Err(_) => break,
            };
            let name = element.name();
            if name == "style" {
                current = element.attribute("styleId").map(|id| (id, Style::default()));
                continue;
            }
            let Some((_, style)) = &mut current else {
                continue;
            };
            match name.as_str() {
                "name" => style.name = element.attribute("val").unwrap_or_default().to_lowercase(),
                "basedOn" => style.based_on = element.attribute("val"),
                "outlineLvl" => style.outline = element.number().and_then(|n| u8::try_from(n).ok()),
                "numId" => style.list = Some((element.number().unwrap_or(0), style.list.map_or(0, |l| l.1))),
                "ilvl" => {
                    let level = element.number().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                    style.list = Some((style.list.map_or(0, |l| l.0), level));
                }
                _ => {}
            }
        }
        Ok(styles)
    }

    /// What a style, or the ones it is based on, makes of a paragraph.
    pub(super) fn role(&self, id: &str) -> Role {
        let role = self.chain(id).find_map(|(id, style)| {
            named_role(&style.name, id).or_else(|| {
                let level = style.outline.filter(|level| *level < 9)?;
                Some(Role::Heading(level + 1))
            })
        });
        // Some writers use the usual ids without defining the styles.
        role.or_else(|| named_role("", id)).unwrap_or(Role::Plain)
    }

    /// The list (numbering id, level) a style puts its paragraphs in.
    pub(super) fn list(&self, id: &str) -> Option<(i64, usize)> {
        self.chain(id).find_map(|(_, style)| style.list).filter(|(number, _)| *number > 0)
    }

    fn chain<'s>(&'s self, id: &'s str) -> impl Iterator<Item = (&'s str, &'s Style)> {
        let mut next = Some(id);
        std::iter::from_fn(move || {
            let id = next?;
            let style = self.by_id.get(id)?;
            next = style.based_on.as_deref();
            Some((id, style))
        })
        .take(MAX_CHAIN)
    }
}

fn named_role(name: &str, id: &str) -> Option<Role> {
    let id = id.to_lowercase();
    let number = name.strip_prefix("heading ").or_else(|| id.strip_prefix("heading"));
    if let Some(level) = number.and_then(|n| n.trim().parse::<u8>().ok()).filter(|n| (1..=9).contains(n)) {
        return Some(Role::Heading(level));
    }
    match if name.is_empty() { id.as_str() } else { name } {
        "title" => Some(Role::Title),
        "quote" | "intense quote" | "block text" => Some(Role::Quote),
        _ => None,
    }
}
