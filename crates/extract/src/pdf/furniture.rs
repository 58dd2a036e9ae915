//! Running headers, footers and page numbers: found because they come back, and removed.

use super::lines::{Line, PageLines};
use std::collections::HashMap;

/// Share of the page's height at its top and bottom where furniture stands.
const BAND: f32 = 0.14;

/// Most lines of furniture at each end of a page.
const MAX_LINES: usize = 4;

/// Longest piece of furniture, in characters; running text may start alike on several pages.
const MAX_CHARS: usize = 90;

/// What makes two lines the same piece of furniture: the text without its numbers, and the place.
type Key = (String, i32);

/// Removes what comes back at the same place on enough pages.
pub(super) fn remove(pages: &mut [PageLines]) {
    let census = Census::of(pages);
    if census.with_text < 2 {
        return;
    }
    for page in pages.iter_mut() {
        let ends = candidates(page);
        let gone: Vec<usize> =
            ends.iter().filter(|end| census.is_furniture(page, end)).map(|e| e.at).collect();
        if let Some(lines) = page.groups.first_mut() {
            let mut at = 0;
            lines.retain(|_| {
                at += 1;
                !gone.contains(&(at - 1))
            });
        }
    }
}

/// How often keys and places come back.
#[derive(Default)]
struct Census {
    with_text: usize,
    keys: HashMap<Key, usize>,
    /// Pages whose outermost line stands at a place.
    edges: HashMap<i32, usize>,
}

impl Census {
    fn of(pages: &[PageLines]) -> Self {
        let mut census = Self::default();
        for page in pages {
            census.with_text += usize::from(page.chars > 0);
            let ends = candidates(page);
            let mut keys: Vec<Key> = ends.iter().map(|end| key(page, end.at)).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                *census.keys.entry(key).or_default() += 1;
            }
            for end in ends.iter().filter(|end| end.outermost) {
                *census.edges.entry(key(page, end.at).1).or_default() += 1;
            }
        }
        census
    }

    fn is_furniture(&self, page: &PageLines, end: &End) -> bool {
        let (text, place) = key(page, end.at);
        // Places are rounded, so the neighbouring ones count too.
        let near =
            |count: &dyn Fn(i32) -> Option<usize>| (-1..=1).filter_map(|step| count(place + step)).sum();
        let count: usize = near(&|place| self.keys.get(&(text.clone(), place)).copied());
        let edge: usize = near(&|place| self.edges.get(&place).copied());
        // Left and right pages may differ, hence less than half; two pages say little, unless all
        // that differs is the page number.
        let enough = match self.with_text {
            n @ 0..=3 => n,
            n => (n * 2).div_ceil(5).max(3),
        };
        if count >= enough && (self.with_text > 2 || text.contains('#')) {
            return true;
        }
        // The name of a chapter comes back on its pages only, where other pages have other names.
        end.outermost && end.beside <= 2 && count >= 2 && self.with_text > 3 && edge * 2 >= self.with_text
    }
}

/// A line at an end of a page.
struct End {
    at: usize,
    /// Whether nothing stands above, or below, it.
    outermost: bool,
    /// Pieces of its row: running headers have few, the header rows of tables have many.
    beside: usize,
}

/// Lines of the main group near the top and bottom of what the page prints.
fn candidates(page: &PageLines) -> Vec<End> {
    let Some(lines) = page.groups.first() else {
        return Vec::new();
    };
    let top = lines.iter().map(Line::top).fold(f32::MIN, f32::max);
    let bottom = lines.iter().map(Line::bottom).fold(f32::MAX, f32::min);
    let band = (top - bottom) * BAND;
    let mut high: Vec<usize> = Vec::new();
    let mut low: Vec<usize> = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.text.chars().count() <= MAX_CHARS) {
        if line.y > top - band {
            high.push(at);
        } else if line.y < bottom + band {
            low.push(at);
        }
    }
    let y = |at: &usize| lines.get(*at).map_or(0.0, |l| l.y);
    high.sort_by(|a, b| y(b).total_cmp(&y(a)));
    low.sort_by(|a, b| y(a).total_cmp(&y(b)));
    high.truncate(MAX_LINES);
    low.truncate(MAX_LINES);
    let mut ends = Vec::new();
    for side in [high, low] {
        let edge = side.first().map_or(0.0, y);
        let in_row = |place: f32| side.iter().filter(|at| (y(at) - place).abs() < 2.0).count();
        for at in &side {
            let outermost = (y(at) - edge).abs() < 2.0;
            ends.push(End { at: *at, outermost, beside: in_row(y(at)) });
        }
    }
    ends
}

fn key(page: &PageLines, at: usize) -> Key {
    let Some(line) = page.groups.first().and_then(|g| g.get(at)) else {
        return (String::new(), 0);
    };
    let mut text = String::new();
    for c in line.text.chars().filter(|c| !c.is_whitespace()) {
        if !c.is_ascii_digit() {
            text.extend(c.to_lowercase());
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    if is_roman(&text) {
        text = "#".to_owned();
    }
    (text, (line.y / 4.0).round() as i32)
}

/// Small page numbers of a preface.
fn is_roman(text: &str) -> bool {
    !text.is_empty() && text.len() <= 6 && text.chars().all(|c| "ivxl".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, texts: &[(&str, f32)]) -> PageLines {
        let line = |(text, y): &(&str, f32)| Line {
            text: (*text).to_owned(),
            left: 50.0,
            right: 300.0,
            y: *y,
            size: 10.0,
            bold: false,
            rank: 0,
        };
        PageLines { number, groups: vec![texts.iter().map(line).collect()], chars: 1 }
    }

    fn left(pages: &[PageLines]) -> Vec<String> {
        pages.iter().flat_map(|p| &p.groups).flatten().map(|l| l.text.clone()).collect()
    }

    #[test]
    fn what_comes_back_goes() {
        let number: Vec<String> = (1..=6).map(|n| format!("Page {n} of 6")).collect();
        let body: Vec<String> = (1..=6).map(|n| format!("text {}", "abcdef".get(n..).unwrap())).collect();
        let mut pages: Vec<PageLines> = (0..6)
            .map(|n| {
                let head = if n % 2 == 0 { "Manual X" } else { "Chapter" };
                page(
                    1,
                    &[(head, 800.0), (&body[n], 600.0), ("same in the middle", 400.0), (&number[n], 30.0)],
                )
            })
            .collect();
        remove(&mut pages);
        let left = left(&pages);
        assert_eq!(left.len(), 12, "{left:?}");
        assert!(!left.iter().any(|l| l.starts_with("Page") || l.starts_with("Manual")));
    }

    #[test]
    fn two_pages_lose_their_numbers_only() {
        let mut pages = vec![
            page(1, &[("Letterhead", 800.0), ("a", 500.0), ("1", 30.0)]),
            page(2, &[("Letterhead", 800.0), ("b", 500.0), ("2", 30.0)]),
        ];
        remove(&mut pages);
        assert_eq!(left(&pages), ["Letterhead", "a", "Letterhead", "b"]);
    }
}
