//! What can go wrong, with the facts needed to put it right.

use quarry_types::ErrorKind;
use std::path::PathBuf;

/// A failed load or embedding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A passage has more tokens than the model reads.
    #[error("text {index} has {tokens} tokens, the model reads {max}; split it into smaller passages")]
    TooLong {
        /// Its place among the texts of the call.
        index: usize,
        /// Its tokens, special tokens included.
        tokens: usize,
        /// The model's limit.
        max: usize,
    },
    /// The ONNX Runtime library asked for is missing or cannot be used.
    #[error(
        "cannot use the ONNX Runtime library {path}: {cause}; run scripts/setup, or set ORT_DYLIB_PATH to a libonnxruntime.so of version 1.26 or newer",
        path = path.display()
    )]
    Library {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader says.
        cause: String,
    },
    /// A model file cannot be read.
    #[error("cannot read the model file {path}: {cause}; check the model folder", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A model file is not the one its manifest names.
    #[error(
        "the model file {path} does not match its manifest ({what}); restore the folder or run its regenerate command",
        path = path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Manifest, tokenizer or graph are not what this program can run.
    #[error("the embedding model cannot be used: {0}; use the bundled model or another model folder")]
    Model(String),
    /// The model did not load; the log of the start says more.
    #[error("the embedding model is not loaded: {0}")]
    NotLoaded(String),
    /// The engine failed on a batch.
    #[error("the embedding engine failed: {0}; try again, and check memory if it happens again")]
    Inference(String),
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::Invalid,
            Self::Altered { .. } | Self::Model(_) => ErrorKind::Corrupt,
            Self::Library { .. } | Self::Unreadable { .. } | Self::NotLoaded(_) | Self::Inference(_) => {
                ErrorKind::Internal
            }
        }
    }
}
