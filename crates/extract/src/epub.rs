//! EPUB books: the chapters of the spine in their order, each read as a web page.

use crate::Error;
use crate::document::Builder;
use crate::html;
use crate::limits::Limits;
use crate::package::{Package, resolve};
use crate::source::HtmlContent;
use crate::xml::{Token, Xml};
use std::collections::HashMap;

/// The format's name in errors.
const FORMAT: &str = "EPUB";

/// What the package document says.
#[derive(Default)]
struct Book {
    /// Part names of the items by id.
    items: HashMap<String, String>,
    spine: Vec<String>,
}

/// Reads a whole book.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let mut package = Package::open(FORMAT, bytes, limits)?;
    // Obfuscated fonts are listed there too; content that is encrypted does not read as text.
    let encryption = package.minor_part("META-INF/encryption.xml")?.unwrap_or_default();
    let container = package.minor_part("META-INF/container.xml")?.unwrap_or_default();
    let Some(main) = rootfile(&container, limits) else {
        return Err(Error::broken(FORMAT, "it names no package document"));
    };
    let Some(text) = package.part(&main)? else {
        return Err(Error::broken(FORMAT, "it has no package document"));
    };
    package.read_properties(&main, builder)?;
    let book = read_book(&main, &text, limits)?;
    let mut missing = 0;
    for id in &book.spine {
        let Some(name) = book.items.get(id) else {
            missing += 1;
            continue;
        };
        if encryption.contains(name.as_str()) {
            return Err(Error::Encrypted);
        }
        match package.minor_bytes(name)? {
            Some(bytes) => {
                html::extract(&crate::text::decode_html(&bytes, ""), HtmlContent::All, "", limits, builder)
            }
            None => missing += 1,
        }
        if builder.is_full() {
            break;
        }
    }
    if missing > 0 {
        builder.warn(format!("{missing} of {} chapters could not be read", book.spine.len()));
    }
    Ok(())
}

fn rootfile(container: &str, limits: &Limits) -> Option<String> {
    let mut xml = Xml::new(FORMAT, container, limits);
    while let Ok(Some(token)) = xml.next() {
        if let Token::Start(element) = token
            && element.name() == "rootfile"
        {
            return element.attribute("full-path");
        }
    }
    None
}

fn read_book(main: &str, text: &str, limits: &Limits) -> Result<Book, Error> {
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut xml = Xml::new(FORMAT, text, limits);
    let mut book = Book::default();
    while let Some(token) = xml.next()? {
        match token {
            Token::Start(element) => match element.name().as_str() {
                "item" => {
                    let page = element.attribute("media-type").is_some_and(|kind| kind.contains("html"));
                    if let (true, Some(id), Some(href)) =
                        (page, element.attribute("id"), element.attribute("href"))
                    {
                        book.items.insert(id, resolve(folder, &unescape(&href)));
                    }
                }
                "itemref" => {
                    let shown = element.attribute("linear").is_none_or(|linear| linear != "no");
                    book.spine.extend(element.attribute("idref").filter(|_| shown));
                }
                _ => {}
            },
            Token::Text(_) | Token::End(_) => {}
        }
    }
    Ok(book)
}

/// `%20` and the like in a reference.
fn unescape(href: &str) -> String {
    let mut bytes = Vec::with_capacity(href.len());
    let mut rest = href.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
