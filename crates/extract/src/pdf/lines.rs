//! From characters to line pieces: what stands side by side on one baseline.
//!
//! Text of each quarter turn is gathered apart and turned upright, so that everything after this
//! reads left to right and top to bottom with y growing upwards.

use super::notes::Place;
use crate::clean::is_invisible;

/// A character with its place, in points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub(super) c: char,
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
    /// Origin on the baseline.
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    /// Degrees, counter-clockwise.
    pub(super) angle: f32,
}

/// Text on one baseline without a wide gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) left: f32,
    pub(super) right: f32,
    /// Baseline.
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) bold: bool,
    /// Place in the order in which the page draws.
    pub(super) rank: usize,
}

impl Line {
    pub(super) fn top(&self) -> f32 {
        self.y + self.size * 0.75
    }

    pub(super) fn bottom(&self) -> f32 {
        self.y - self.size * 0.22
    }

    pub(super) fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Whether two pieces share at least half the height of the smaller one.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let shared = self.top().min(other.top()) - self.bottom().max(other.bottom());
        shared >= 0.5 * (self.size.min(other.size) * 0.97)
    }
}

/// One page's lines, a group per direction of text, the main direction first.
#[derive(Debug, Clone, Default)]
pub(super) struct PageLines {
    pub(super) number: u32,
    pub(super) groups: Vec<Vec<Line>>,
    pub(super) chars: usize,
}

/// Room for the text of most lines.
const LINE_BYTES: usize = 96;

/// A gap wider than this many times the size parts two pieces.
const WIDE_GAP: f32 = 0.9;

/// A gap wider than this many times the size is a blank even where none was written.
const BLANK_GAP: f32 = 0.15;

/// A font that claims to be more times as large as its characters is measured by them.
const OVERSIZE: f32 = 2.0;

/// A blank between two characters, as far as the page tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Blank {
    #[default]
    None,
    /// Made up by the engine.
    Made,
    /// A character of the page.
    Written,
}

#[derive(Debug, Default)]
struct Direction {
    done: Vec<Line>,
    open: Option<Line>,
    blank: Blank,
    chars: usize,
    /// Whether the open piece holds a character that is written from right to left.
    rtl: bool,
    /// How far the open piece's size is ahead among its characters.
    votes: usize,
    /// Place and value of the last character, to see a bold face made by printing twice.
    last: Option<(char, f32, f32)>,
}

/// Puts a page's characters together.
#[derive(Debug)]
pub(super) struct LineBuilder {
    number: u32,
    directions: [Direction; 4],
    /// Direction of the last character.
    current: usize,
    rank: usize,
}

impl LineBuilder {
    pub(super) fn new(number: u32) -> Self {
        Self { number, directions: Default::default(), current: 0, rank: 0 }
    }

    /// A blank or line break the engine made up from the layout.
    pub(super) fn generated(&mut self, c: char) {
        if c == ' '
            && let Some(direction) = self.directions.get_mut(self.current)
        {
            direction.blank = direction.blank.max(Blank::Made);
        }
    }

    /// A character of the page; `bold` is asked where it matters only.
    pub(super) fn add(&mut self, glyph: Glyph, bold: impl Fn() -> bool) {
        // Nearly all text stands upright.
        let quarter = match glyph.angle {
            0.0 => 0,
            angle => (angle / 90.0).round().rem_euclid(4.0) as usize,
        };
        self.current = quarter;
        let mut glyph = upright(glyph, quarter);
        let height = glyph.top - glyph.bottom;
        if height > 0.5 && glyph.size > OVERSIZE * height {
            glyph.size = 0.8 * height;
        }
        let rank = self.rank;
        let Some(direction) = self.directions.get_mut(quarter) else {
            return;
        };
        if glyph.c.is_whitespace() {
            direction.blank = Blank::Written;
            return;
        }
        // The engine writes hyphens at line ends as a control character.
        let hyphen = glyph.c == '\u{2}';
        if is_invisible(glyph.c) && !hyphen && glyph.c != '\u{ad}' {
            return;
        }
        let c = if hyphen || glyph.c == '\u{ad}' { '\u{ad}' } else { glyph.c };
        if direction.is_repeated(c, &glyph) {
            return;
        }
        if direction.take(c, &glyph, rank, bold) {
            self.rank += 1;
        }
        direction.last = Some((c, glyph.left, glyph.right));
    }

    /// A text that fills a place, line below line, as the value of a form does; it is turned as most of the
    /// page is.
    pub(super) fn write(&mut self, text: &str, place: &Place) {
        let turned = self.directions.iter().enumerate().max_by_key(|(at, d)| (d.chars, usize::MAX - at));
        let quarter = turned.map_or(0, |(at, _)| at);
        let Place { left, right, bottom, top } = *place;
        let glyph = Glyph { c: ' ', left, right, bottom, top, x: left, y: bottom, size: 1.0, angle: 0.0 };
        let place = upright(glyph, quarter);
        let texts: Vec<String> =
            text.lines().map(crate::clean::line).filter(|line| !line.is_empty()).collect();
        let step = (place.top - place.bottom).max(1.0) / texts.len().max(1) as f32;
        let size = (step * 0.8).clamp(1.0, 12.0);
        let Some(direction) = self.directions.get_mut(quarter) else {
            return;
        };
        for (n, text) in texts.into_iter().enumerate() {
            direction.chars += text.chars().filter(|c| !c.is_whitespace()).count();
            let middle = place.top - step * (n as f32 + 0.5);
            let (left, right) = (place.left, place.right.max(place.left));
            let line = Line { text, left, right, y: middle - 0.3 * size, size, bold: false, rank: self.rank };
            direction.done.push(line);
            self.rank += 1;
        }
    }

    pub(super) fn finish(self) -> PageLines {
        let mut groups: Vec<(usize, Vec<Line>)> = Vec::new();
        let mut chars = 0;
        for direction in self.directions {
            chars += direction.chars;
            let mut lines = direction.done;
            lines.extend(direction.open);
            for line in &mut lines {
                line.text = squeeze_leaders(&line.text);
            }
            if !lines.is_empty() {
                groups.push((direction.chars, lines));
            }
        }
        groups.sort_by_key(|(chars, _)| std::cmp::Reverse(*chars));
        PageLines { number: self.number, groups: groups.into_iter().map(|(_, lines)| lines).collect(), chars }
    }
}

impl Direction {
    fn is_repeated(&self, c: char, glyph: &Glyph) -> bool {
        let here = |line: &Line| (line.y - glyph.y).abs() < 0.1 * glyph.size.max(1.0);
        self.last.is_some_and(|(last, left, _)| {
            last == c && (left - glyph.left).abs() < 0.12 * glyph.size && self.open.as_ref().is_some_and(here)
        }) && !self.is_ligature(c, glyph)
    }

    /// Whether a letter is the next one of a ligature: the engine gives all of them its place.
    fn is_ligature(&self, c: char, glyph: &Glyph) -> bool {
        let same = |a: f32, b: f32| (a - b).abs() < 1e-3;
        self.last.is_some_and(|(last, left, right)| {
            same(left, glyph.left)
                && same(right, glyph.right)
                && matches!(c, 'f' | 'i' | 'l' | 't')
                && matches!(last, 'f' | 'i' | 's' | 't')
        })
    }

    /// Adds a visible character; answers whether it began a new piece.
    fn take(&mut self, c: char, glyph: &Glyph, rank: usize, bold: impl Fn() -> bool) -> bool {
        self.chars += 1;
        let ligature = self.is_ligature(c, glyph);
        let blank = std::mem::take(&mut self.blank);
        let size = if glyph.size > 0.5 { glyph.size } else { (glyph.top - glyph.bottom).max(1.0) };
        if let Some(line) = &mut self.open {
            let em = line.size.max(size);
            let gap = glyph.left - line.right;
            // A raised or lowered smaller character stays on its line.
            let shift = (glyph.y - line.y).abs();
            let beside = shift <= 0.25 * em || (size < 0.85 * line.size && shift <= 0.55 * em);
            if ligature {
                line.text.push(c);
                return false;
            }
            // Hebrew and Arabic go on to the left; numbers among them to the right again.
            let last = self.last.map(|(last, ..)| last);
            let back = line.left - glyph.right;
            let backward = (is_rtl(c) || last.is_some_and(is_rtl)) && is_near(back, em);
            let number = !backward
                && !is_rtl(c)
                && self.rtl
                && self.last.is_some_and(|(_, _, right)| is_near(glyph.left - right, em));
            let gap = match (backward, number, self.last) {
                (true, ..) => back,
                (_, true, Some((_, _, right))) => glyph.left - right,
                _ => gap,
            };
            if beside && is_near(gap, em) {
                let least = match blank {
                    Blank::None => BLANK_GAP,
                    Blank::Made => -0.1,
                    // The box of a character may reach into the blank before it.
                    Blank::Written => -0.3,
                };
                if gap > least * em {
                    line.text.push(' ');
                    // A face changes between words.
                    line.bold = line.bold && bold();
                }
                line.text.push(c);
                self.rtl |= is_rtl(c);
                line.left = line.left.min(glyph.left);
                line.right = line.right.max(glyph.right);
                // The size most characters have is the line's: a number, a drop cap or a raised
                // mark in front does not set it.
                if (size - line.size).abs() <= 0.05 * em {
                    self.votes += 1;
                } else if self.votes > 0 {
                    self.votes -= 1;
                } else {
                    line.size = size;
                    line.y = glyph.y;
                    self.votes = 1;
                }
                return false;
            }
        }
        let mut text = String::with_capacity(LINE_BYTES);
        text.push(c);
        let line = Line {
            text,
            left: glyph.left,
            right: glyph.right.max(glyph.left),
            y: glyph.y,
            size,
            bold: bold(),
            rank,
        };
        (self.votes, self.rtl) = (1, is_rtl(c));
        self.done.extend(self.open.replace(line));
        true
    }
}

/// Whether a gap is none or one between words.
fn is_near(gap: f32, em: f32) -> bool {
    gap > -0.6 * em && gap < WIDE_GAP * em
}

/// Whether a character belongs to a script that is written from right to left.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Whether most letters of some pieces are written from right to left.
pub(super) fn is_backward(row: &[Line]) -> bool {
    let letters = || row.iter().flat_map(|line| line.text.chars()).filter(|c| c.is_alphabetic());
    letters().filter(|c| is_rtl(*c)).count() * 2 > letters().count()
}

/// Puts the pieces of a row from right to left and those without a wide gap together: numbers, which go the
/// other way, part them.
pub(super) fn turn_backward(row: &mut Vec<Line>) {
    row.sort_by(|a, b| b.right.total_cmp(&a.right));
    let mut merged: Vec<Line> = Vec::with_capacity(row.len());
    for piece in row.drain(..) {
        match merged.last_mut() {
            Some(last) if is_near(last.left - piece.right, last.size.max(piece.size)) => {
                last.text.push(' ');
                last.text.push_str(&piece.text);
                last.left = last.left.min(piece.left);
                last.bold = last.bold && piece.bold;
            }
            _ => merged.push(piece),
        }
    }
    *row = merged;
}

/// A character turned back by a number of quarter turns.
fn upright(glyph: Glyph, quarter: usize) -> Glyph {
    let Glyph { left, right, bottom, top, x, y, .. } = glyph;
    match quarter {
        1 => Glyph { left: bottom, right: top, bottom: -right, top: -left, x: y, y: -x, ..glyph },
        2 => Glyph { left: -right, right: -left, bottom: -top, top: -bottom, x: -x, y: -y, ..glyph },
        3 => Glyph { left: -top, right: -bottom, bottom: left, top: right, x: -y, y: x, ..glyph },
        _ => glyph,
    }
}

/// Rows of dots that lead the eye become one sign.
fn squeeze_leaders(text: &str) -> String {
    // The bytes that dots of any kind begin with.
    if text.bytes().filter(|b| matches!(b, b'.' | b'_' | 0xc2 | 0xe2)).count() < 5 {
        return text.trim().to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut dots = 0;
    let mut held = String::new();
    for c in text.chars().chain(['\0']) {
        match c {
            '.' | '·' | '_' | '…' => {
                dots += 1;
                held.push(c);
            }
            ' ' if dots > 0 => held.push(c),
            _ => {
                if dots >= 5 {
                    out.truncate(out.trim_end().len());
                    out.push_str(" … ");
                } else {
                    out.push_str(&held);
                }
                held.clear();
                dots = 0;
                if c != '\0' {
                    out.push(c);
                }
            }
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glyphs(builder: &mut LineBuilder, text: &str, x: f32, y: f32, angle: f32) {
        for (n, c) in text.chars().enumerate() {
            let at = x + n as f32 * 5.0;
            let (left, bottom) = if angle == 90.0 { (-y - 8.0, at) } else { (at, y - 2.0) };
            let (right, top) = if angle == 90.0 { (-y + 2.0, at + 5.0) } else { (at + 5.0, y + 8.0) };
            let (gx, gy) = if angle == 90.0 { (-y, at) } else { (at, y) };
            let glyph = Glyph { c, left, right, bottom, top, x: gx, y: gy, size: 10.0, angle };
            builder.add(glyph, || false);
        }
    }

    #[test]
    fn gaps_part_pieces_and_turned_text_is_upright() {
        let mut builder = LineBuilder::new(1);
        glyphs(&mut builder, "left", 0.0, 100.0, 0.0);
        glyphs(&mut builder, "right", 60.0, 100.0, 0.0);
        glyphs(&mut builder, "x", 88.0, 100.0, 0.0);
        glyphs(&mut builder, "up", 10.0, 50.0, 90.0);
        let page = builder.finish();
        let texts: Vec<Vec<&str>> =
            page.groups.iter().map(|g| g.iter().map(|l| l.text.as_str()).collect()).collect();
        assert_eq!(texts, [vec!["left", "right x"], vec!["up"]]);
        assert_eq!(page.chars, 12);
        assert!((page.groups[1][0].y - 50.0).abs() < 0.1, "{:?}", page.groups[1]);
    }

    #[test]
    fn sizes_that_fonts_only_claim_join_no_words() {
        let mut builder = LineBuilder::new(1);
        for (n, c) in "all off".chars().enumerate() {
            let left = n as f32 * 5.0;
            let glyph = Glyph {
                c,
                left,
                right: left + 5.0,
                bottom: 98.0,
                top: 108.0,
                x: left,
                y: 100.0,
                size: 58.0,
                angle: 0.0,
            };
            builder.add(glyph, || false);
        }
        let page = builder.finish();
        assert_eq!(page.groups[0][0].text, "all off");
        assert!(page.groups[0][0].size < 10.0);
    }

    #[test]
    fn blanks_that_are_written_part_words_whose_boxes_touch() {
        let mut builder = LineBuilder::new(1);
        glyphs(&mut builder, "for", 0.0, 100.0, 0.0);
        glyphs(&mut builder, " ", 15.0, 100.0, 0.0);
        glyphs(&mut builder, "all", 14.0, 100.0, 0.0);
        assert_eq!(builder.finish().groups[0][0].text, "for all");
    }

    #[test]
    fn ligatures_keep_all_their_letters() {
        let mut builder = LineBuilder::new(1);
        glyphs(&mut builder, "bu", 0.0, 100.0, 0.0);
        for c in "ff".chars() {
            glyphs(&mut builder, &c.to_string(), 10.0, 100.0, 0.0);
        }
        glyphs(&mut builder, "er", 15.0, 100.0, 0.0);
        let page = builder.finish();
        assert_eq!(page.groups[0][0].text, "buffer");
    }

    #[test]
    fn text_from_right_to_left_is_one_piece() {
        let mut builder = LineBuilder::new(1);
        // The engine gives the letters in the order in which they are read.
        for (n, c) in "שלום עולם".chars().enumerate() {
            glyphs(&mut builder, &c.to_string(), 200.0 - n as f32 * 5.0, 100.0, 0.0);
        }
        let at = 200.0 - 9.0 * 5.0;
        builder.generated(' ');
        glyphs(&mut builder, "12", at - 8.0, 100.0, 0.0);
        builder.generated(' ');
        glyphs(&mut builder, "ב", at - 16.0, 100.0, 0.0);
        let page = builder.finish();
        let texts: Vec<&str> = page.groups[0].iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["שלום עולם 12 ב"]);
        assert!(page.groups[0][0].left < 140.0 && page.groups[0][0].right > 204.0);
        assert!(is_backward(&page.groups[0]));
        let piece = |text: &str, left: f32, right: f32| {
            let mut line = page.groups[0][0].clone();
            (line.text, line.left, line.right) = (text.to_owned(), left, right);
            line
        };
        let mut row = vec![piece("2026 ד", 20.0, 52.0), piece("א", 10.0, 13.0), piece("בג", 55.0, 80.0)];
        turn_backward(&mut row);
        let texts: Vec<&str> = row.iter().map(|l| l.text.as_str()).collect();
        assert_eq!(texts, ["בג 2026 ד א"]);
    }

    #[test]
    fn leaders_are_squeezed() {
        assert_eq!(squeeze_leaders("Safety . . . . . . . 7"), "Safety … 7");
        assert_eq!(squeeze_leaders("wait... what?"), "wait... what?");
    }
}
