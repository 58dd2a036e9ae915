//! E-mail messages: subject, sender and date, then the body; attachments are named, not read.

use crate::Error;
use crate::document::{Builder, Part};
use crate::limits::Limits;
use crate::metadata::Field;
use crate::source::HtmlContent;
use crate::{html, text};
use mail_parser::{Address, MessageParser, MimeHeaders, PartType};
use quarry_types::PassageKind;

/// The format's name in errors.
const FORMAT: &str = "e-mail";
/// Addresses of one header that are written.
const MAX_ADDRESSES: usize = 20;

/// Reads a whole message.
pub(crate) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    let Some(message) = MessageParser::default().parse(bytes) else {
        return Err(Error::broken(FORMAT, "it has no headers"));
    };
    let subject = crate::clean::line(message.subject().unwrap_or_default());
    builder.set_title(&subject);
    builder.heading(1, &subject, None);
    let mut head = String::new();
    for (name, address) in [("From", message.from()), ("To", message.to()), ("Cc", message.cc())] {
        if let Some(people) = address.map(people).filter(|people| !people.is_empty()) {
            if name == "From" {
                builder.set(Field::Author, &people);
            }
            head.push_str(&format!("{name}: {people}\n"));
        }
    }
    if let Some(date) = message.date() {
        builder.set(Field::Created, &date.to_rfc3339());
        head.push_str(&format!("Date: {}\n", date.to_rfc3339()));
    }
    builder.push(Part::new(PassageKind::Paragraph, &crate::clean::paragraph(&head)));
    // A message says the same in HTML and in plain words: the richer form is read.
    let bodies: Vec<&PartType<'_>> = match message.html_body_count() {
        0 => message.text_bodies().map(|part| &part.body).collect(),
        _ => message.html_bodies().map(|part| &part.body).collect(),
    };
    for body in bodies {
        match body {
            PartType::Html(page) => html::extract(page, HtmlContent::All, "", limits, builder),
            PartType::Text(words) => text::extract(words, builder),
            _ => {}
        }
    }
    for attachment in message.attachments() {
        let name = attachment.attachment_name().unwrap_or("an unnamed part");
        let name: String = crate::clean::line(name).chars().take(200).collect();
        builder.warn(format!("the attachment {name:?} was not read; upload it as a file of its own"));
    }
    Ok(())
}

fn people(address: &Address<'_>) -> String {
    let people = address.iter().take(MAX_ADDRESSES).map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    });
    people.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}
