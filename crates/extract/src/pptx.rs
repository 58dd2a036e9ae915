//! PowerPoint presentations: slides in their order, each a page under its title.
//!
//! Reads the slide parts and their notes; masters, layouts and comments are left out.

use crate::Error;
use crate::document::{Builder, Part};
use crate::flow::push_table;
use crate::limits::Limits;
use crate::package::Package;
use crate::xml::{Token, Xml};
use quarry_types::PassageKind;

/// The format's name in errors.
const FORMAT: &str = "PPTX";

/// Reads a whole presentation.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut package = Package::open(FORMAT, bytes, limits)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let Some(presentation) = package.part(&main)? else {
        return Err(Error::broken(FORMAT, "it has no presentation part"));
    };
    package.read_properties("docProps/core.xml", builder)?;
    let slides = slide_parts(&mut package, &main, &presentation, limits)?;
    let pages = u32::try_from(slides.len()).unwrap_or(u32::MAX);
    builder.set_pages(pages);
    for (number, name) in (1..=limits.max_pages).zip(&slides) {
        let Some(part) = package.minor_part(name)? else {
            builder.warn(format!("slide {number} could not be read"));
            continue;
        };
        Slide::read(&part, limits, builder)?.write(number, builder);
        let notes = package.relations(name)?.into_iter().find(|relation| relation.kind == "notesSlide");
        if let Some(notes) = notes
            && let Some(part) = package.minor_part(&notes.target)?
        {
            Slide::read(&part, limits, builder)?.write_notes(number, builder);
        }
        if builder.is_full() {
            break;
        }
    }
    if pages > limits.max_pages {
        builder.warn(format!("only the first {} of {pages} slides were read", limits.max_pages));
    }
    Ok(())
}

/// The slides' parts in the order they are shown; hidden ones too.
fn slide_parts(
    package: &mut Package<'_>,
    main: &str,
    presentation: &str,
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    let relations = package.relations(main)?;
    let mut xml = Xml::new(FORMAT, presentation, limits);
    let mut parts = Vec::new();
    while let Some(token) = xml.next()? {
        if let Token::Start(element) = token
            && element.name() == "sldId"
            && let Some(id) = element.prefixed("id")
            && let Some(relation) = relations.iter().find(|relation| relation.id == id)
        {
            parts.push(relation.target.clone());
        }
    }
    Ok(parts)
}

enum Item {
    Text { text: String, level: usize, listed: bool },
    Table(Vec<Vec<String>>),
}

/// What a slide shows, shape by shape.
#[derive(Default)]
struct Slide {
    title: String,
    items: Vec<Item>,
}

/// Where in a slide's XML the reader is.
#[derive(Default)]
struct Place {
    /// Placeholder type of the open shape: `title`, `body`, `sldNum`, ….
    placeholder: String,
    text: String,
    level: usize,
    in_text: bool,
    table: Option<Vec<Vec<String>>>,
}

impl Slide {
    fn read(part: &str, limits: &Limits, builder: &mut Builder) -> Result<Self, Error> {
        let mut xml = Xml::new(FORMAT, part, limits);
        let (mut slide, mut place) = (Self::default(), Place::default());
        loop {
            match xml.next() {
                Ok(Some(Token::Start(element))) => match element.name().as_str() {
                    "sp" => place.placeholder.clear(),
                    "ph" => {
                        place.placeholder = element.attribute("type").unwrap_or_else(|| "body".to_owned())
                    }
                    "p" => {
                        place.text.clear();
                        place.level = 0;
                    }
                    "pPr" => place.level = element.attribute("lvl").and_then(|l| l.parse().ok()).unwrap_or(0),
                    "t" => place.in_text = true,
                    "br" => place.text.push('\n'),
                    "tab" => place.text.push('\t'),
                    "tbl" => place.table = Some(Vec::new()),
                    "tr" => place.table.iter_mut().for_each(|rows| rows.push(Vec::new())),
                    "tc" => {
                        let row = place.table.as_mut().and_then(|rows| rows.last_mut());
                        row.into_iter().for_each(|row| row.push(String::new()));
                    }
                    _ => {}
                },
                Ok(Some(Token::Text(text))) if place.in_text => place.text.push_str(&text),
                Ok(Some(Token::Text(_))) => {}
                Ok(Some(Token::End(name))) => match name.as_str() {
                    "t" => place.in_text = false,
                    "p" => slide.end_paragraph(&mut place),
                    "tbl" => slide.items.extend(place.table.take().map(Item::Table)),
                    "sp" => place.placeholder.clear(),
                    _ => {}
                },
                Ok(None) => return Ok(slide),
                Err(error) if error.is_hostile() => return Err(error),
                Err(error) => {
                    builder.warn(format!("a slide is damaged; text may be missing ({error})"));
                    return Ok(slide);
                }
            }
        }
    }

    fn end_paragraph(&mut self, place: &mut Place) {
        let text = crate::clean::paragraph(&std::mem::take(&mut place.text));
        if text.is_empty() {
            return;
        }
        if let Some(rows) = &mut place.table {
            if let Some(cell) = rows.last_mut().and_then(|row| row.last_mut()) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text.replace('\n', " "));
            }
            return;
        }
        match place.placeholder.as_str() {
            // Page furniture.
            "sldNum" | "dt" | "ftr" | "hdr" | "sldImg" => {}
            "title" | "ctrTitle" => {
                if !self.title.is_empty() {
                    self.title.push(' ');
                }
                self.title.push_str(&text.replace('\n', " "));
            }
            kind => {
                let listed = matches!(kind, "body" | "obj");
                self.items.push(Item::Text { text, level: place.level.min(8), listed });
            }
        }
    }

    fn write(&self, page: u32, builder: &mut Builder) {
        let level = if page == 1 { 1 } else { 2 };
        builder.heading(level, &self.title, Some(page));
        let mut list = String::new();
        let bullets =
            self.items.iter().filter(|item| matches!(item, Item::Text { listed: true, .. })).count();
        for item in &self.items {
            match item {
                Item::Text { text, level, listed: true } if bullets > 1 => {
                    if !list.is_empty() {
                        list.push('\n');
                    }
                    let indent = "  ".repeat(*level);
                    list.push_str(&format!("{indent}- {}", text.replace('\n', " ")));
                }
                Item::Text { text, .. } => {
                    write_list(&mut list, page, builder);
                    let part = Part::new(PassageKind::Paragraph, text);
                    builder.push(Part { page: Some(page), ..part });
                }
                Item::Table(rows) => {
                    write_list(&mut list, page, builder);
                    push_table(builder, rows, Some(1), Some(page));
                }
            }
        }
        write_list(&mut list, page, builder);
    }

    fn write_notes(&self, page: u32, builder: &mut Builder) {
        for item in &self.items {
            if let Item::Text { text, .. } = item {
                let part = Part::new(PassageKind::Paragraph, text);
                builder.push(Part { page: Some(page), ..part });
            }
        }
    }
}

fn write_list(list: &mut String, page: u32, builder: &mut Builder) {
    let text = std::mem::take(list);
    let part = Part::new(PassageKind::List, &text);
    builder.push(Part { page: Some(page), ..part });
}
