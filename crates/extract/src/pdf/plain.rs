//! The second engine: plain text per page, pure Rust.

use super::FORMAT;
use crate::Error;
use crate::clean;
use crate::document::{Builder, Part};
use crate::limits::Limits;
use quarry_types::PassageKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reads a whole document.
pub(super) fn extract(bytes: &[u8], limits: &Limits, builder: &mut Builder) -> Result<(), Error> {
    // The library panics where it does not know a construct; worse than that ends the process.
    let read = catch_unwind(AssertUnwindSafe(|| pdf_extract::extract_text_from_mem_by_pages(bytes)));
    let pages = match read {
        Ok(Ok(pages)) => pages,
        Ok(Err(error)) => return Err(name(&error.to_string())),
        Err(_) => return Err(Error::Crashed { how: "panic".to_owned() }),
    };
    if pages.is_empty() {
        return Err(Error::broken(FORMAT, "it has no readable pages"));
    }
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let total = count(pages.len());
    let without = count(pages.iter().filter(|p| p.trim().is_empty()).count());
    if without == total {
        return Err(Error::NoText { without, pages: total });
    }
    builder.set_pages(total);
    if without > 0 {
        builder.warn(format!("no text layer on {without} of {total} pages; OCR is not configured"));
    }
    for (index, page) in pages.iter().enumerate().take(limits.max_pages as usize) {
        let mut paragraph = String::new();
        for line in page.lines().chain([""]) {
            let line = clean::line(line);
            if !line.is_empty() {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(&line);
                continue;
            }
            let text = std::mem::take(&mut paragraph);
            builder.push(Part { page: Some(count(index + 1)), ..Part::new(PassageKind::Paragraph, &text) });
        }
    }
    Ok(())
}

fn name(message: &str) -> Error {
    let lower = message.to_lowercase();
    if lower.contains("password") || lower.contains("decrypt") || lower.contains("encrypt") {
        return Error::Encrypted;
    }
    Error::broken(FORMAT, message)
}
