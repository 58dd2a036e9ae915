//! What was written on a page: values of forms, notes and stamps are part of its text.
//!
//! The file holds most of them as text. Of the others the picture must be read.

use super::lines::Glyph;
use pdfium_render::prelude::{
    PdfFormField, PdfPage, PdfPageAnnotation, PdfPageAnnotationCommon, PdfPageAnnotationType,
};

/// Most annotations of a page that are looked at.
const MAX_ANNOTATIONS: usize = 1_000;

/// Most options of a list that are read.
const MAX_OPTIONS: usize = 200;

/// A rectangle on the page, in points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
}

impl Place {
    /// Whether the middle of a character stands here.
    pub(super) fn holds(&self, glyph: &Glyph) -> bool {
        let (x, y) = ((glyph.left + glyph.right) / 2.0, (glyph.bottom + glyph.top) / 2.0);
        (self.left..=self.right).contains(&x) && (self.bottom..=self.top).contains(&y)
    }
}

/// The notes of a page.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Those held as text.
    pub(super) values: Vec<(String, Place)>,
    /// Places of those that are pictures only.
    pub(super) drawn: Vec<Place>,
}

/// Reads the notes of a page; what is hidden or a password is none.
pub(super) fn read(page: &PdfPage<'_>) -> Notes {
    let mut notes = Notes::default();
    for note in page.annotations().iter().take(MAX_ANNOTATIONS) {
        use PdfPageAnnotationType::{FreeText, Stamp, Widget};
        if !matches!(note.annotation_type(), Widget | FreeText | Stamp) || note.is_hidden() {
            continue;
        }
        let Some(place) = place(&note) else { continue };
        match text(&note) {
            Held::Text(text) => notes.values.push((text, place)),
            Held::Picture => notes.drawn.push(place),
            Held::Nothing => {}
        }
    }
    notes
}

/// How an annotation holds what it shows.
enum Held {
    Text(String),
    Picture,
    Nothing,
}

fn text(note: &PdfPageAnnotation<'_>) -> Held {
    use PdfFormField::{Checkbox, ComboBox, ListBox, RadioButton, Text};
    let value = match (note.annotation_type(), note.as_form_field()) {
        (PdfPageAnnotationType::FreeText, _) => note.contents(),
        // Their pictures are marks.
        (_, Some(Checkbox(_) | RadioButton(_))) => return Held::Nothing,
        (_, Some(Text(field))) if field.is_password() => return Held::Nothing,
        // Its value is markup.
        (_, Some(Text(field))) if field.is_rich_text() => None,
        (_, Some(Text(field))) => field.value(),
        (_, Some(ComboBox(field))) => field.value(),
        (_, Some(ListBox(field))) => {
            let labels = field.options().iter().take(MAX_OPTIONS).filter_map(|o| o.label().cloned());
            Some(labels.collect::<Vec<_>>().join("\n"))
        }
        _ => None,
    };
    match value {
        Some(text) if !text.trim().is_empty() => Held::Text(text.replace('\r', "\n")),
        _ => Held::Picture,
    }
}

fn place(note: &PdfPageAnnotation<'_>) -> Option<Place> {
    let bounds = note.bounds().ok()?;
    let place = Place {
        left: bounds.left().value,
        right: bounds.right().value,
        bottom: bounds.bottom().value,
        top: bounds.top().value,
    };
    let ends = [place.left, place.right, place.bottom, place.top];
    ends.iter().all(|n| n.is_finite() && n.abs() < 1e6).then_some(place)
}
