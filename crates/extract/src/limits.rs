//! What one extraction may use. Enforced twice: by the parsers' own counting and by the kernel
//! on the child process.

use serde::{Deserialize, Serialize};

/// Which PDF engine reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PdfEngine {
    /// Pdfium when its library is found; pdf-extract when it is not or when pdfium finds no text.
    #[default]
    Auto,
    /// Pdfium only.
    Pdfium,
    /// The pure Rust engine only.
    PdfExtract,
}

impl std::str::FromStr for PdfEngine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "pdfium" => Ok(Self::Pdfium),
            "pdf-extract" => Ok(Self::PdfExtract),
            other => Err(format!("is auto, pdfium or pdf-extract, not {other:?}")),
        }
    }
}

/// Limits of one extraction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest file, in bytes; a larger one is refused unread.
    pub max_input_bytes: u64,
    /// Largest HTML, Markdown or text file, in bytes.
    pub max_markup_bytes: u64,
    /// Most characters of extracted text; the rest is left out with a warning.
    pub max_text_chars: usize,
    /// Most pages read; the rest are left out with a warning.
    pub max_pages: u32,
    /// Largest inflated part of a zip container, in bytes.
    pub max_part_bytes: u64,
    /// Largest ratio of inflated to stored bytes of a part (parts under 1 MB are free).
    pub max_ratio: u64,
    /// Deepest nesting of XML or HTML elements.
    pub max_depth: usize,
    /// Most elements of an HTML page; the text of the rest is kept, its structure is not.
    pub max_nodes: usize,
    /// Address space the parsing may add to the child, in bytes.
    pub memory_bytes: u64,
    /// CPU seconds of the child. Where an OCR command is set all the pages it may read add to them, whatever the file:
    /// then the wall seconds hold, to which only the time adds that drawing such pages took.
    pub cpu_seconds: u64,
    /// Wall seconds of the child.
    pub wall_seconds: u64,
    /// Which engine reads PDFs.
    pub pdf_engine: PdfEngine,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_input_bytes: 100 << 20,
            max_markup_bytes: 20 << 20,
            max_text_chars: 20_000_000,
            max_pages: 5_000,
            max_part_bytes: 100 << 20,
            max_ratio: 200,
            max_depth: 512,
            max_nodes: 200_000,
            memory_bytes: 512 << 20,
            cpu_seconds: 30,
            wall_seconds: 60,
            pdf_engine: PdfEngine::Auto,
        }
    }
}
