//! Which paragraph styles are headings: the built-in ones and those made from them.

use super::bytes::{slice, u16_at};
use super::fib::Fib;

/// Longest chain of styles followed; longer ones are loops.
const MAX_CHAIN: usize = 16;
const TITLE: u16 = 62;
const NO_STYLE: u16 = 0xfff;

#[derive(Debug, Clone, Copy)]
struct Style {
    /// Number of the built-in style it is, or above.
    built_in: u16,
    base: u16,
}

/// The styles by number.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: Vec<Option<Style>>,
}

impl Styles {
    pub(super) fn read(table: &[u8], fib: &Fib) -> Self {
        let sheet = slice(table, fib.styles.0, fib.styles.1);
        let Some(head) = u16_at(sheet, 0) else { return Self::default() };
        let count = usize::from(u16_at(sheet, 2).unwrap_or(0)).min(4_096);
        let mut at = 2 + usize::from(head);
        let mut styles = Vec::new();
        for _ in 0..count {
            let Some(length) = u16_at(sheet, at) else { break };
            let style = slice(sheet, at + 2, usize::from(length));
            let read = || {
                let (first, second) = (u16_at(style, 0)?, u16_at(style, 2)?);
                Some(Style { built_in: first & 0xfff, base: second >> 4 })
            };
            styles.push(read());
            // Entries start at even places.
            at += 2 + usize::from(length) + usize::from(length % 2);
        }
        Self { styles }
    }

    /// Level of a heading style, 0 for the title.
    pub(super) fn heading(&self, number: u16) -> Option<u8> {
        let mut number = number;
        for _ in 0..MAX_CHAIN {
            let style = (*self.styles.get(usize::from(number))?)?;
            match style.built_in {
                level @ 1..=9 => return u8::try_from(level).ok(),
                TITLE => return Some(0),
                _ if style.base == NO_STYLE => return None,
                _ => number = style.base,
            }
        }
        None
    }
}
