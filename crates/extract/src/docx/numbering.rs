//! List markers and heading numbers, counted as Word counts them.

use super::FORMAT;
use crate::Error;
use crate::limits::Limits;
use crate::xml::{Element, Token, Xml};
use std::collections::HashMap;

const LEVELS: usize = 9;

#[derive(Debug, Clone, Default)]
struct Level {
    format: String,
    /// `%1.%2` stands for the counters of the levels.
    text: String,
    start: Option<u32>,
}

type Levels = [Level; LEVELS];

/// The numbering definitions with their running counters.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    abstracts: HashMap<String, Box<Levels>>,
    /// Abstract definition of each list, and whether it counts on its own.
    lists: HashMap<i64, (String, bool)>,
    counters: HashMap<String, [u32; LEVELS]>,
}

impl Numbering {
    pub(super) fn read(text: &str, limits: &Limits) -> Result<Self, Error> {
        let mut xml = Xml::new(FORMAT, text, limits);
        let mut numbering = Self::default();
        let mut open = Open::default();
        loop {
            match xml.next() {
                Ok(Some(Token::Start(element))) => numbering.element(&element, &mut open),
                Ok(Some(Token::End(name))) if name == "abstractNum" => open.definition = None,
                Ok(Some(Token::End(name))) if name == "num" => open.list = None,
                Ok(Some(_)) => {}
                Ok(None) => return Ok(numbering),
                Err(error) if error.is_hostile() => return Err(error),
                Err(_) => return Ok(numbering),
            }
        }
    }

    fn element(&mut self, element: &Element<'_>, open: &mut Open) {
        let name = element.name();
        match name.as_str() {
            "abstractNum" => {
                open.definition = element.attribute("abstractNumId");
                open.level = 0;
                if let Some(id) = &open.definition {
                    self.abstracts.insert(id.clone(), Box::default());
                }
            }
            "num" => open.list = element.attribute("numId").and_then(|id| id.trim().parse().ok()),
            "abstractNumId" => {
                if let (Some(list), Some(id)) = (open.list, element.attribute("val")) {
                    self.lists.insert(list, (id, false));
                }
            }
            "startOverride" => {
                if let Some(list) = open.list.and_then(|id| self.lists.get_mut(&id)) {
                    list.1 = true;
                }
            }
            "lvl" => {
                let level = element.attribute("ilvl").and_then(|n| n.trim().parse().ok());
                open.level = level.unwrap_or(0);
            }
            "numFmt" | "lvlText" | "start" => {
                let definition = open.definition.as_ref().and_then(|id| self.abstracts.get_mut(id));
                let Some(level) = definition.and_then(|levels| levels.get_mut(open.level)) else {
                    return;
                };
                match name.as_str() {
                    "numFmt" => level.format = element.attribute("val").unwrap_or_default(),
                    "lvlText" => level.text = element.attribute("val").unwrap_or_default(),
                    _ => level.start = element.number().and_then(|n| u32::try_from(n).ok()),
                }
            }
            _ => {}
        }
    }

    /// Counts one paragraph of a list and answers its marker; empty for unnumbered ones.
    pub(super) fn marker(&mut self, list: i64, level: usize) -> String {
        let level = level.min(LEVELS - 1);
        let Some((definition, own)) = self.lists.get(&list) else {
            return "-".to_owned();
        };
        let Some(levels) = self.abstracts.get(definition) else {
            return "-".to_owned();
        };
        let key = if *own { format!("list {list}") } else { definition.clone() };
        let counters = self.counters.entry(key).or_insert([0; LEVELS]);
        let start_of = |at: usize| levels.get(at).and_then(|l| l.start).unwrap_or(1);
        for (at, counter) in counters.iter_mut().enumerate() {
            if at < level && *counter == 0 {
                *counter = start_of(at);
            } else if at == level {
                *counter = if *counter == 0 { start_of(at) } else { counter.saturating_add(1) };
            } else if at > level {
                *counter = 0;
            }
        }
        let Some(here) = levels.get(level) else {
            return String::new();
        };
        match here.format.as_str() {
            "bullet" => return "-".to_owned(),
            "none" => return String::new(),
            _ => {}
        }
        let mut text = here.text.clone();
        for (at, (counter, level)) in counters.iter().zip(levels.iter()).enumerate().take(level + 1) {
            text = text.replace(&format!("%{}", at + 1), &number(*counter, &level.format));
        }
        text.trim().to_owned()
    }
}

#[derive(Debug, Default)]
struct Open {
    definition: Option<String>,
    list: Option<i64>,
    level: usize,
}

fn number(n: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(n),
        "upperLetter" => letters(n).to_uppercase(),
        "lowerRoman" => roman(n).to_lowercase(),
        "upperRoman" => roman(n),
        "decimalZero" => format!("{n:02}"),
        _ => n.to_string(),
    }
}

/// a to z, then aa, bb, …
fn letters(n: u32) -> String {
    let index = n.saturating_sub(1);
    let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
    let repeats = (index / 26 + 1).min(8);
    (0..repeats).map(|_| letter).collect()
}

fn roman(n: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if n > 5_000 {
        return n.to_string();
    }
    let mut rest = n;
    let mut out = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            out.push_str(sign);
            rest -= value;
        }
    }
    out
}
