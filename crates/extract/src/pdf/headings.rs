//! What the body text of a document looks like, and which blocks stand out as headings.

use super::blocks::Draft;
use super::lines::{Line, PageLines};
use quarry_types::PassageKind;
use std::collections::HashMap;

/// Longest heading, in characters.
const MAX_CHARS: usize = 180;

/// Longest heading told by its bold face alone.
const MAX_BOLD_CHARS: usize = 100;

/// Sizes closer than this are one level.
const SAME_SIZE: f32 = 0.6;

/// The looks of body text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) body_size: f32,
    /// Distance of baselines in running text, in sizes.
    pub(super) leading: f32,
    /// Whether most text is bold, so that bold tells nothing.
    mostly_bold: bool,
}

impl Style {
    pub(super) fn of(pages: &[PageLines]) -> Self {
        let mut sizes: HashMap<i32, usize> = HashMap::new();
        let (mut bold, mut all) = (0, 0);
        let mut steps: HashMap<i32, usize> = HashMap::new();
        for lines in pages.iter().flat_map(|p| &p.groups) {
            for pair in lines.windows(2) {
                if let [above, here] = pair {
                    let step = (above.y - here.y) / here.size.max(1.0);
                    let same = (above.size - here.size).abs() < SAME_SIZE;
                    if same && (0.9..2.6).contains(&step) && (above.left - here.left).abs() < 2.0 * here.size
                    {
                        *steps.entry((step * 20.0).round() as i32).or_default() += 1;
                    }
                }
            }
            for Line { text, size, bold: is_bold, .. } in lines {
                let chars = text.chars().count();
                *sizes.entry((size * 4.0).round() as i32).or_default() += chars;
                all += chars;
                bold += if *is_bold { chars } else { 0 };
            }
        }
        let mode = |counts: &HashMap<i32, usize>| {
            counts.iter().max_by_key(|(value, count)| (**count, -**value)).map(|(value, _)| *value as f32)
        };
        Self {
            body_size: mode(&sizes).map_or(10.0, |quarter| quarter / 4.0).max(1.0),
            leading: mode(&steps).map_or(1.2, |twentieth| twentieth / 20.0),
            mostly_bold: bold * 2 > all,
        }
    }

    /// Whether a block stands out from the body text.
    fn is_heading(&self, block: &Draft) -> bool {
        let chars = block.text.chars().count();
        let letters = block.text.chars().filter(|c| c.is_alphabetic()).count();
        let shape = block.kind == PassageKind::Paragraph
            && block.rows <= 3
            && chars <= MAX_CHARS
            && letters >= 2
            && letters * 3 >= chars
            && !block.text.ends_with([',', ';', '…']);
        if !shape {
            return false;
        }
        if self.is_large(block.size) {
            return true;
        }
        let stands_alone =
            chars <= MAX_BOLD_CHARS && block.rows <= 2 && !block.text.ends_with(['.', '!', '|']);
        stands_alone && self.stands_out(block.size, block.bold)
    }

    fn is_large(&self, size: f32) -> bool {
        size >= self.body_size * 1.12 && size >= self.body_size + 0.9
    }

    /// Whether text of this size and face differs from the body.
    pub(super) fn stands_out(&self, size: f32, bold: bool) -> bool {
        self.is_large(size) || (bold && !self.mostly_bold && size >= self.body_size * 0.95)
    }
}

/// Turns the blocks that stand out into headings: the larger, the higher.
pub(super) fn assign(blocks: &mut [Draft], style: &Style) {
    let found: Vec<bool> = blocks.iter().map(|block| style.is_heading(block)).collect();
    let mut sizes: Vec<f32> = Vec::new();
    for (block, _) in blocks.iter().zip(&found).filter(|(_, found)| **found) {
        if block.size > style.body_size + SAME_SIZE
            && !sizes.iter().any(|s| (s - block.size).abs() < SAME_SIZE)
        {
            sizes.push(block.size);
        }
    }
    sizes.sort_by(|a, b| b.total_cmp(a));
    for (block, _) in blocks.iter_mut().zip(&found).filter(|(_, found)| **found) {
        let level = sizes.iter().position(|s| (s - block.size).abs() < SAME_SIZE).unwrap_or(sizes.len());
        block.level = u8::try_from(level + 1).unwrap_or(6).min(6);
    }
}
