//! Bytes to documents to passages, parsed in a child process: PDF, Word (DOCX, DOC, RTF), OpenDocument,
//! PowerPoint, workbooks, HTML, EPUB, e-mail, Markdown, CSV and text.
//!
//! Knows nothing of stores, models or HTTP. Invariants: an extractor returns within its
//! [`Limits`], with a document or a named [`Error`]; whatever a parser does beyond that (panic,
//! abort, stack overflow, endless loop, memory) ends one child process of the [`Pool`] and
//! nothing else. A passage's text is the exact slice of the extracted text its range names, and
//! no passage is longer than the model reads.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod chunk;
mod clean;
mod compound;
mod delimited;
mod doc;
mod document;
mod docx;
mod eml;
mod epub;
mod error;
mod flow;
mod fork_server;
#[cfg(test)]
mod formats_tests;
mod html;
mod hyphens;
mod library;
mod limits;
mod markdown;
mod media;
mod metadata;
mod ocr;
mod odf;
mod package;
mod pdf;
mod pool;
mod pptx;
mod protocol;
mod rtf;
mod sandbox;
mod sheet;
mod source;
mod text;
mod worker;
mod xml;

pub use chunk::{ChunkOptions, chunk, embedded_text, nearest_headings};
pub use document::{Block, Document};
pub use error::Error;
pub use library::{PDFIUM_PATH_VARIABLE, find_pdfium};
pub use limits::{Limits, PdfEngine};
pub use media::MediaType;
pub use metadata::Metadata;
pub use ocr::Ocr;
pub use pool::{Pool, PoolOptions, Progress};
pub use source::{HtmlContent, Source};
pub use worker::{extract, extract_source, worker_main};

#[doc(hidden)]
pub use worker::{Hook, worker_main_with};
