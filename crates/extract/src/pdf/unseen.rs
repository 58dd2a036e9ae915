//! Text on a page that nobody sees: off the page, drawn invisibly, or white with nothing but white behind it.
//!
//! Such text is how a document speaks to machines only, so that its pages are named; it is kept, since what is behind
//! a text cannot always be told. Looks at the first letter of every line and at some of the others, and at the objects of
//! pages with white text; nothing is drawn, for that may take longer than all reading.

use super::lines::Glyph;
use pdfium_render::prelude::{
    PdfColor, PdfPage, PdfPageObject, PdfPageObjectCommon, PdfPageObjectsCommon, PdfPageTextChar,
    PdfPageTextRenderMode as Mode, PdfPathFillMode, PdfRect,
};

/// Characters of a line from one that is looked at to the next.
const STEP: usize = 24;

/// Places of one page whose background is looked at.
const MAX_PLACES: usize = 200;

/// Objects of a page looked at; where there are more, something is taken to be behind any text.
const MAX_OBJECTS: usize = 5_000;

/// Each part of a colour from which on it is taken to be white.
const WHITE: u8 = 240;

/// Opacity below which nothing is seen.
const FAINT: u8 = 24;

/// What was looked at on one page.
pub(super) struct Unseen {
    /// Edges of the page.
    edges: Option<Edges>,
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
        let edges = page.boundaries().bounding().ok().map(|boundary| Edges::of(&boundary.bounds));
        Self { edges, line: None, since: 0, seen: 0, off: 0, invisible: 0, pale: Vec::new() }
    }

    pub(super) fn look(&mut self, glyph: &Glyph, char: &PdfPageTextChar<'_>) {
        if !glyph.c.is_alphanumeric() {
            return;
        }
        let same_line = self.line.replace(glyph.y) == Some(glyph.y);
        self.since = if same_line { (self.since + 1) % STEP } else { 0 };
        if self.since > 0 {
            return;
        }
        let Ok(mode) = char.render_mode() else { return };
        let color = char.fill_color().ok();
        match mode {
            _ if self.edges.as_ref().is_some_and(|edges| !edges.hold(glyph)) => self.off += 1,
            Mode::Invisible | Mode::InvisibleClipping => self.invisible += 1,
            Mode::FilledUnstroked if color.is_some_and(|color| color.alpha() < FAINT) => self.invisible += 1,
            Mode::FilledUnstroked if color.is_some_and(is_white) && self.pale.len() < MAX_PLACES => {
                self.seen += 1;
                self.pale.push(*glyph);
            }
            // An outline can be seen whatever is within.
            _ => self.seen += 1,
        }
    }

    /// Whether some of the page's text cannot be seen. What lies over a scan is invisible but for a stamp or two.
    pub(super) fn is_found(&self, page: &PdfPage<'_>) -> bool {
        self.off > 0 || (self.invisible > 0 && self.invisible < self.seen) || self.is_on_white(page)
    }

    /// Whether nothing but white is behind some of the white text.
    fn is_on_white(&self, page: &PdfPage<'_>) -> bool {
        let objects = page.objects();
        if self.pale.is_empty() || objects.len() > MAX_OBJECTS {
            return false;
        }
        let mut bare: Vec<&Glyph> = self.pale.iter().collect();
        for object in objects.iter().filter(is_ground) {
            let Ok(bounds) = object.bounds() else { return false };
            let edges = Edges::of(&bounds.to_rect());
            bare.retain(|glyph| !edges.hold(glyph));
        }
        !bare.is_empty()
    }
}

/// A rectangle on the page, in points.
struct Edges {
    left: f32,
    bottom: f32,
    right: f32,
    top: f32,
}

impl Edges {
    fn of(rect: &PdfRect) -> Self {
        let (left, bottom) = (rect.left().value, rect.bottom().value);
        Self { left, bottom, right: rect.right().value, top: rect.top().value }
    }

    /// Whether the middle of a character lies within.
    fn hold(&self, glyph: &Glyph) -> bool {
        let (x, y) = ((glyph.left + glyph.right) / 2.0, (glyph.bottom + glyph.top) / 2.0);
        (self.left..=self.right).contains(&x) && (self.bottom..=self.top).contains(&y)
    }
}

/// Whether white text can be seen on an object.
fn is_ground(object: &PdfPageObject<'_>) -> bool {
    match object {
        PdfPageObject::Text(_) => false,
        PdfPageObject::Path(path) => {
            path.fill_mode().is_ok_and(|mode| mode != PdfPathFillMode::None)
                && path.fill_color().map_or(true, |color| !is_white(color))
        }
        _ => true,
    }
}

fn is_white(color: PdfColor) -> bool {
    [color.red(), color.green(), color.blue()].iter().all(|part| *part >= WHITE)
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
