//! What a caller says about the bytes it hands in.

use serde::{Deserialize, Serialize};

/// How much of a web page is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HtmlContent {
    /// All of the body that can be seen: for documents people upload.
    #[default]
    All,
    /// The main content, without navigation, banners, related links and footers: for pages fetched
    /// from the web.
    Main,
    /// `Main` for what looks like a page of a website, `All` for the rest.
    Auto,
}

/// Names the bytes of one extraction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// File name or key, for its extension.
    pub name: &'a str,
    /// Declared content type; may be empty.
    pub content_type: &'a str,
    /// Address the bytes were fetched from; may be empty. Tells a forum from a shop.
    pub url: &'a str,
    /// How much of a web page is wanted.
    pub html: HtmlContent,
    /// Whether running headers, footers and page numbers of PDFs stay in the text.
    pub keep_running: bool,
}
