//! Why a file gave no text. The messages are shown to users as the reason a file failed.

use quarry_types::ErrorKind;
use serde::{Deserialize, Serialize};

/// Why extraction failed; the text is fit to be shown to whoever uploaded the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Error {
    /// Not one of the formats we read.
    #[error(
        "unsupported file type ({found}); upload a PDF, Word, OpenDocument, PowerPoint, spreadsheet, EPUB, mail, \
        HTML, Markdown, CSV or plain text file"
    )]
    Unsupported {
        /// What the content looks like.
        found: String,
    },
    /// Needs a password we do not have.
    #[error("password protected; remove the password and upload the file again")]
    Encrypted,
    /// The format was recognised but the content does not follow it.
    #[error("broken {format} file: {detail}")]
    Broken {
        /// The format's name.
        format: String,
        /// What is wrong.
        detail: String,
    },
    /// A PDF whose pages hold pictures only.
    #[error("no text layer on {without} of {pages} pages; OCR is not configured")]
    NoText {
        /// Pages without text.
        without: u32,
        /// All pages.
        pages: u32,
    },
    /// No text at all.
    #[error("the file holds no text")]
    Empty,
    /// Over a size limit.
    #[error("{what} is over the limit of {limit}; split the file and upload its parts")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// Over the time limit.
    #[error("extraction took longer than {seconds} s and was stopped; split the file and upload its parts")]
    TimedOut {
        /// The limit in seconds.
        seconds: u64,
    },
    /// Over the memory limit.
    #[error(
        "extraction needed more than {megabytes} MB of memory and was stopped; split the file and upload its parts"
    )]
    OutOfMemory {
        /// The limit in megabytes.
        megabytes: u64,
    },
    /// The parser process died.
    #[error("the parser crashed on this file ({how}); save it again with another program and upload that")]
    Crashed {
        /// How it died.
        how: String,
    },
    /// The parser process could not be started or spoken to; no fault of the file.
    #[error("the extraction worker failed: {0}")]
    Worker(String),
}

impl Error {
    /// The kind of failure. Only `Internal` is worth another try.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. }
            | Self::Encrypted
            | Self::Broken { .. }
            | Self::NoText { .. }
            | Self::Empty
            | Self::Crashed { .. } => ErrorKind::Unsupported,
            Self::TooLarge { .. } | Self::OutOfMemory { .. } => ErrorKind::TooLarge,
            Self::TimedOut { .. } => ErrorKind::Timeout,
            Self::Worker(_) => ErrorKind::Internal,
        }
    }

    /// Whether the content goes on the offensive rather than being merely damaged: what was read
    /// before is not kept then.
    pub(crate) fn is_hostile(&self) -> bool {
        match self {
            Self::Broken { detail, .. } => {
                detail.contains("nested too deep") || detail.contains("not allowed")
            }
            Self::TooLarge { .. } => true,
            _ => false,
        }
    }

    /// A format error with its detail cut to one short line.
    pub(crate) fn broken(format: &str, detail: impl std::fmt::Display) -> Self {
        let detail = detail.to_string();
        let line = detail.lines().next().unwrap_or_default();
        Self::Broken { format: format.to_owned(), detail: line.chars().take(200).collect() }
    }
}
