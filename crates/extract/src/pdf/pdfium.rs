//! The first engine: characters with positions from the pdfium library.
//!
//! Loads the library once per process. It knows nothing of threads, and a lock around each of the several calls a
//! character takes costs a sixth of the time, so that one thread of a process reads. Knows nothing of layout.

use super::lines::{Glyph, LineBuilder, PageLines};
use super::unseen::{self, Unseen};
use super::{FORMAT, Source, notes};
use crate::Error;
use crate::library::find_pdfium;
use crate::limits::{Limits, PdfEngine};
use crate::metadata::Field;
use crate::ocr::MAX_SIDE;
use crate::protocol::{Event, Job, Progress, free_drawing};
use pdfium_render::prelude::{
    PdfDocument, PdfDocumentMetadataTagType, PdfFontWeight, PdfPage, PdfPageTextChar, PdfRenderConfig,
    Pdfium, PdfiumError, PdfiumInternalError, PdfiumLibraryBindings,
};
use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Resolution of pictures for text recognition.
const DOTS_PER_INCH: f32 = 200.0;

/// Share of the wall seconds in which pages are read; the rest is for putting them together.
const READING_SHARE: f32 = 0.7;

/// The library's functions, from where they are bound to the thread that reads.
static BINDING: Mutex<Binding> = Mutex::new(Binding::Untried);

enum Binding {
    Untried,
    Bound(Box<dyn PdfiumLibraryBindings>),
    Taken,
    Absent,
}

/// The library as one thread sees it.
enum Library {
    Here(Pdfium),
    /// Another thread has it.
    Elsewhere,
    Absent,
}

thread_local! {
    static LIBRARY: OnceCell<Library> = const { OnceCell::new() };
}

/// Loads the library unless the limits name another engine; the first thread that reads takes it.
pub(crate) fn load(limits: &Limits) {
    if limits.pdf_engine != PdfEngine::PdfExtract {
        bind(&mut BINDING.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn bind(binding: &mut Binding) {
    if matches!(binding, Binding::Untried) {
        let bound = find_pdfium().and_then(|path| Pdfium::bind_to_library(path).ok());
        *binding = bound.map_or(Binding::Absent, Binding::Bound);
    }
}

/// The library for the thread that asks first.
fn take() -> Library {
    let mut binding = BINDING.lock().unwrap_or_else(PoisonError::into_inner);
    bind(&mut binding);
    match std::mem::replace(&mut *binding, Binding::Taken) {
        Binding::Bound(functions) => Library::Here(Pdfium::new(functions)),
        Binding::Taken => Library::Elsewhere,
        unbound => {
            *binding = unbound;
            Library::Absent
        }
    }
}

/// Reads all pages; `None` when there is no library.
pub(super) fn read(bytes: &[u8], job: &Job, tell: &mut dyn FnMut(Event)) -> Option<Result<Source, Error>> {
    LIBRARY.with(|library| match library.get_or_init(take) {
        Library::Here(library) => Some(read_with(library, bytes, job, tell)),
        Library::Elsewhere => Some(Err(Error::Worker(
            "the first thread of a process that reads a PDF reads all of them; use a pool".to_owned(),
        ))),
        Library::Absent => None,
    })
}

fn read_with(
    library: &Pdfium,
    bytes: &[u8],
    job: &Job,
    tell: &mut dyn FnMut(Event),
) -> Result<Source, Error> {
    let limits = &job.limits;
    // Many files carry an owner password only and open with an empty one.
    let document = library.load_pdf_from_byte_slice(bytes, Some("")).map_err(|e| name(&e))?;
    let pages = u32::try_from(document.pages().len()).unwrap_or(0);
    if pages == 0 {
        return Err(Error::broken(FORMAT, "it has no pages"));
    }
    let mut source = Source {
        pages,
        without_text: 0,
        pictures: 0,
        lines: Vec::new(),
        title: title(&document),
        facts: facts(&document),
        warnings: Vec::new(),
    };
    let mut chars = 0;
    let mut unseen = Vec::new();
    let (started, mut drawing) = (Instant::now(), Duration::ZERO);
    for number in 1..=pages.min(limits.max_pages) {
        match read_page(&document, number) {
            Ok((page, hidden)) => {
                unseen.extend(hidden.then_some(number));
                chars += page.chars;
                source.without_text += u32::from(page.chars == 0);
                source.lines.push(page);
            }
            Err(_) => {
                source.without_text += 1;
                source.warnings.push(format!("page {number} could not be read"));
            }
        }
        let drawn = Instant::now();
        let blank = source.lines.last().is_none_or(|page| page.number != number || page.chars == 0);
        if blank
            && source.pictures < job.pictures
            && let Ok(picture) = render(&document, number)
        {
            source.pictures += 1;
            drawing += free_drawing(drawn.elapsed());
            tell(picture);
        }
        tell(Event::Progress(Progress { page: number, pages }));
        if chars > limits.max_text_chars {
            break;
        }
        // What was read is worth more than the pages that there is no time for.
        if number < pages.min(limits.max_pages)
            && started.elapsed() > job.wall(drawing).mul_f32(READING_SHARE)
        {
            let warning = format!("only the first {number} of {pages} pages were read: they took too long");
            source.warnings.push(warning);
            break;
        }
    }
    source.warnings.extend(unseen::warning(&unseen));
    Ok(source)
}

fn name(error: &PdfiumError) -> Error {
    match error {
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError) => Error::Encrypted,
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::SecurityError) => {
            Error::broken(FORMAT, "its security settings are of an unknown kind; save it without protection")
        }
        _ => Error::broken(FORMAT, "its structure cannot be read; save it again with another program"),
    }
}

fn page<'d>(document: &'d PdfDocument<'_>, number: u32) -> Result<PdfPage<'d>, PdfiumError> {
    document.pages().get(i32::try_from(number).unwrap_or(i32::MAX) - 1)
}

/// The lines of a page, and whether some of its text cannot be seen.
fn read_page(document: &PdfDocument<'_>, number: u32) -> Result<(PageLines, bool), PdfiumError> {
    let mut page = page(document, number)?;
    let notes = notes::read(&page);
    let mut builder = LineBuilder::new(number);
    let mut printed = HashSet::new();
    let mut unseen = Unseen::of(&page);
    each_glyph(&page, |read| match read {
        Read::Made(c) => builder.generated(c),
        Read::Glyph(glyph, char) => {
            if !notes.drawn.is_empty() {
                printed.insert(spot(&glyph));
            }
            unseen.look(&glyph, char);
            builder.add(glyph, || is_bold(char));
        }
    })?;
    let unseen = unseen.is_found(&page);
    for (text, place) in &notes.values {
        builder.write(text, place);
    }
    // Drawing the notes into the page may change the codes of what was printed, so that only what was not
    // there before is taken. Where it fails the page is as it was.
    if !notes.drawn.is_empty() && page.flatten().is_ok() {
        let is_new =
            |glyph: &Glyph| notes.drawn.iter().any(|p| p.holds(glyph)) && !printed.contains(&spot(glyph));
        each_glyph(&page, |read| match read {
            Read::Glyph(glyph, char) if is_new(&glyph) => builder.add(glyph, || is_bold(char)),
            Read::Glyph(..) => {}
            Read::Made(c) => builder.generated(c),
        })?;
    }
    Ok((builder.finish(), unseen))
}

/// Where a character stands, to the tenth of a point.
fn spot(glyph: &Glyph) -> (i32, i32) {
    ((glyph.x * 10.0).round() as i32, (glyph.y * 10.0).round() as i32)
}

/// What a page is read as.
enum Read<'c, 'p> {
    /// A character of the page.
    Glyph(Glyph, &'c PdfPageTextChar<'p>),
    /// A blank or line break the engine made up from the layout.
    Made(char),
}

/// Calls `each` with the characters of a page in the order in which they are drawn.
fn each_glyph(page: &PdfPage<'_>, mut each: impl FnMut(Read<'_, '_>)) -> Result<(), PdfiumError> {
    let text = page.text()?;
    let chars = text.chars();
    let (mut high, mut last) = (None, None);
    for char in chars.iter() {
        let value = char.unicode_value();
        // Astral characters come as two halves.
        if (0xd800..0xdc00).contains(&value) {
            high = Some(value - 0xd800);
            continue;
        }
        let value = match (high.take(), value) {
            (Some(high), 0xdc00..0xe000) => 0x10000 + (high << 10) + (value - 0xdc00),
            (_, value) => value,
        };
        let Some(c) = char::from_u32(value).filter(|c| *c != '\0' && *c != '\u{fffe}' && *c != '\u{ffff}')
        else {
            continue;
        };
        // Blanks and line breaks are all that is made up.
        if (c.is_whitespace() || c.is_control()) && char.is_generated().unwrap_or(false) {
            each(Read::Made(c));
        } else if let Some(glyph) = glyph(&char, c, last.as_ref()) {
            last = Some(glyph);
            each(Read::Glyph(glyph, &char));
        }
    }
    Ok(())
}

/// A page as a grey picture of about [`DOTS_PER_INCH`].
fn render(document: &PdfDocument<'_>, number: u32) -> Result<Event, PdfiumError> {
    let page = page(document, number)?;
    let largest = page.width().value.max(page.height().value).max(1.0);
    let scale = (DOTS_PER_INCH / 72.0).min(MAX_SIDE as f32 / largest * 0.99);
    // In colours, made grey here: told to draw in grey the library ends the process at the first area that is filled.
    let bitmap = page.render_with_config(&PdfRenderConfig::new().scale_page_by_factor(scale))?;
    let side = |pixels: i32| u32::try_from(pixels).unwrap_or(0);
    let (width, height) = (side(bitmap.width()), side(bitmap.height()));
    let bytes = bitmap.as_raw_bytes();
    let pixels = bytes.as_chunks::<4>().0.iter().map(|[red, green, blue, _]| {
        let sum = u32::from(*red) * 77 + u32::from(*green) * 150 + u32::from(*blue) * 29;
        u8::try_from(sum >> 8).unwrap_or(u8::MAX)
    });
    let pixels = pixels.take(width as usize * height as usize).collect();
    Ok(Event::Picture { page: number, width, height, pixels })
}

/// A character with its place. What stands exactly as high as the one before is taken to be set like it.
fn glyph(char: &PdfPageTextChar<'_>, c: char, before: Option<&Glyph>) -> Option<Glyph> {
    let bounds = char.loose_bounds().or_else(|_| char.tight_bounds()).ok()?;
    let (x, y) = char.origin().ok()?;
    let (left, right) = (bounds.left().value, bounds.right().value);
    let (bottom, top, x, y) = (bounds.bottom().value, bounds.top().value, x.value, y.value);
    let alike = before.filter(|g| g.y == y && g.bottom == bottom && g.top == top && top > bottom);
    let (size, angle) = alike.map_or_else(|| setting(char), |g| (g.size, g.angle));
    let glyph = Glyph { c, left, right, bottom, top, x, y, size, angle };
    let finite = [left, right, bottom, top, x, y, size, angle];
    finite.iter().all(|n| n.is_finite() && n.abs() < 1e6).then_some(glyph)
}

/// Size and angle of a character.
fn setting(char: &PdfPageTextChar<'_>) -> (f32, f32) {
    let font = char.unscaled_font_size().value;
    // A size below nothing draws to the left and upside down.
    let turn = if font < 0.0 { 180.0 } else { 0.0 };
    let (scale, angle) = match char.matrix() {
        // Nearly all text stands upright.
        Ok(m) if m.b() == 0.0 && m.c() == 0.0 && m.a() > 0.0 => (m.d().abs(), turn),
        Ok(m) => (m.c().hypot(m.d()), m.b().atan2(m.a()).to_degrees() + turn),
        Err(_) => (1.0, turn),
    };
    (font.abs() * scale, angle)
}

/// Whether a character's font is bold; its name tells better than its declared weight.
fn is_bold(char: &PdfPageTextChar<'_>) -> bool {
    let name = char.font_name().to_ascii_lowercase();
    if ["bold", "black", "heavy", "demi"].iter().any(|word| name.contains(word)) {
        return true;
    }
    let plain = ["regular", "light", "book", "roman", "medium", "italic", "oblique"];
    if name.is_empty() || plain.iter().any(|word| name.contains(word)) {
        return false;
    }
    matches!(
        char.font_weight(),
        Some(PdfFontWeight::Weight700Bold | PdfFontWeight::Weight800 | PdfFontWeight::Weight900)
    )
}

/// What the document's properties say about it.
fn facts(document: &PdfDocument<'_>) -> Vec<(Field, String)> {
    use PdfDocumentMetadataTagType::{Author, CreationDate, ModificationDate, Subject};
    let tags = [
        (Field::Author, Author),
        (Field::Description, Subject),
        (Field::Created, CreationDate),
        (Field::Modified, ModificationDate),
    ];
    let read = |(field, tag)| Some((field, document.metadata().get(tag)?.value().to_owned()));
    tags.into_iter().filter_map(read).collect()
}

/// The title among the document's properties, unless a program put it there.
fn title(document: &PdfDocument<'_>) -> Option<String> {
    let tag = document.metadata().get(PdfDocumentMetadataTagType::Title)?;
    let title = crate::clean::line(tag.value());
    let lower = title.to_lowercase();
    let by_program = lower.starts_with("microsoft ")
        || lower.starts_with("untitled")
        || lower == "(anonymous)"
        || [".doc", ".docx", ".pdf", ".indd", ".qxd", ".tex", ".dvi", ".ppt", ".pptx", ".xls", ".xlsx"]
            .iter()
            .any(|extension| lower.ends_with(extension));
    (title.chars().count() > 2 && !by_program).then_some(title)
}
