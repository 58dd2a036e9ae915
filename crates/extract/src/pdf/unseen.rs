//! Text on a page that nobody sees: off the page, drawn invisibly, or in the colour of what is behind it.
//!
//! Such text is how a document speaks to machines only, so that its pages are named; it is kept, since what is behind
//! a text cannot always be told. Looks at the first character of every line and at some of the others.

use super::lines::Glyph;
use super::pdfium::{Drawn, draw};
use pdfium_render::prelude::{
    PdfPage, PdfPageTextChar, PdfPageTextRenderMode, PdfPoints, PdfRenderConfig, PdfiumError,
};

/// Characters of a line from one that is looked at to the next.
const STEP: usize = 24;

/// Places of one page whose background is looked at.
const MAX_PLACES: usize = 500;

/// Each part of a colour from which on text is taken to be white, and what of the page is darker than white.
const WHITE: u8 = 240;
const DARKER: u8 = 232;

/// Opacity below which nothing is seen.
const FAINT: u8 = 24;

/// What was looked at on one page.
pub(super) struct Unseen {
    /// Left, bottom, right and top edge of the page.
    edges: Option<[f32; 4]>,
    line: Option<f32>,
    since: usize,
    seen: usize,
    off: usize,
    /// Characters drawn invisibly: all of them are what lies over a scan, some of them are hidden.
    invisible: usize,
    pale: Vec<Glyph>,
}

impl Unseen {
    pub(super) fn of(page: &PdfPage<'_>) -> Self {
        let edges = page.boundaries().bounding().ok().map(|boundary| {
            let edges = boundary.bounds;
            [edges.left().value, edges.bottom().value, edges.right().value, edges.top().value]
        });
        Self { edges, line: None, since: 0, seen: 0, off: 0, invisible: 0, pale: Vec::new() }
    }

    pub(super) fn look(&mut self, glyph: &Glyph, char: &PdfPageTextChar<'_>) {
        if glyph.c.is_whitespace() {
            return;
        }
        let same_line = self.line.replace(glyph.y) == Some(glyph.y);
        self.since = if same_line { (self.since + 1) % STEP } else { 0 };
        if self.since > 0 {
            return;
        }
        let (x, y) = ((glyph.left + glyph.right) / 2.0, (glyph.bottom + glyph.top) / 2.0);
        if self.edges.is_some_and(|[left, bottom, right, top]| x < left || x > right || y < bottom || y > top)
        {
            self.off += 1;
        } else if char.render_mode().is_ok_and(|mode| mode == PdfPageTextRenderMode::Invisible) {
            self.invisible += 1;
        } else {
            self.seen += 1;
            let Ok(color) = char.fill_color() else { return };
            let filled = !char.render_mode().is_ok_and(|mode| mode == PdfPageTextRenderMode::StrokedUnfilled);
            let white = [color.red(), color.green(), color.blue()].iter().all(|part| *part >= WHITE);
            if color.alpha() < FAINT {
                self.invisible += usize::from(filled);
            } else if white && filled && self.pale.len() < MAX_PLACES {
                self.pale.push(*glyph);
            }
        }
    }

    /// Whether some of the page's text cannot be seen. Draws the page only when white text was found.
    pub(super) fn is_found(&self, page: &PdfPage<'_>) -> bool {
        self.off > 0 || (self.invisible > 0 && self.seen > 0) || self.on_white(page).unwrap_or(false)
    }

    /// Whether nothing darker is behind some of the white text.
    fn on_white(&self, page: &PdfPage<'_>) -> Result<bool, PdfiumError> {
        if self.pale.is_empty() {
            return Ok(false);
        }
        let config = PdfRenderConfig::new();
        let picture = draw(page, &config)?;
        for glyph in &self.pale {
            let corner =
                |x: f32, y: f32| page.points_to_pixels(PdfPoints::new(x), PdfPoints::new(y), &config);
            let (one, other) = (corner(glyph.left, glyph.bottom)?, corner(glyph.right, glyph.top)?);
            if picture.is_white(one, other) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Drawn {
    /// Whether nothing between two corners is darker than white; what lies outside the picture says nothing.
    fn is_white(&self, one: (i32, i32), other: (i32, i32)) -> bool {
        let span = |a: i32, b: i32, end: usize| {
            let side = |at: i32| usize::try_from(at.max(0)).unwrap_or(0);
            side(a.min(b)).min(end)..side(a.max(b)).saturating_add(1).min(end)
        };
        let (across, down) = (span(one.0, other.0, self.width), span(one.1, other.1, self.height));
        let row = |y: usize| self.pixels.get(y * self.width + across.start..y * self.width + across.end);
        !across.is_empty() && !down.is_empty() && down.filter_map(row).flatten().all(|pixel| *pixel >= DARKER)
    }
}

/// What is told of the pages with such text.
pub(super) fn warning(pages: &[u32]) -> Option<String> {
    const NAMED: usize = 10;
    let named: Vec<String> = pages.iter().take(NAMED).map(u32::to_string).collect();
    let more = match pages.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!pages.is_empty()).then(|| {
        let named = named.join(", ");
        format!(
            "text that cannot be seen (white, invisible or off the page) is indexed; pages: {named}{more}"
        )
    })
}
