//! Sentence embeddings on the CPU: tokenizer, ONNX engines and the bundled model.
//!
//! Owns the way from text to unit vector. Knows nothing of files, bots or stores. Every call
//! of [`Embedder`] blocks, so callers use their CPU pool; [`EmbedderSlot`] does that for async callers. Invariants: nothing is cut silently (a passage over
//! the model's limit is refused), and a text's vector does not depend on the texts beside it.

mod batch;
mod engine;
mod error;
mod library;
mod model;
mod onnx;
mod slot;
mod stream;
pub mod testing;
mod token_space;
mod tokens;
mod turn;

pub use batch::plan as plan_batches;
pub use error::Error;
pub use onnx::{EmbedOptions, Engine, open};
pub use slot::EmbedderSlot;
pub use token_space::{Embedded, TOKEN_DIMS, TokenVectors};

use quarry_types::TokenCounter;
use std::sync::Arc;

/// What a text is: decides its priority, and what happens when it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// A question: goes before waiting passages, cut at the model's limit.
    Query,
    /// A piece of a document: refused when it is over the model's limit.
    Passage,
}

/// Turns texts into unit vectors. Safe to share between threads; calls queue inside.
pub trait Embedder: Send + Sync {
    /// A short name of model and tokenizer, made of letters, digits, `-`, `_` and `.`; vectors of
    /// different fingerprints must never be compared. The engine is no part of it.
    fn fingerprint(&self) -> &str;

    /// Numbers per vector.
    fn dims(&self) -> usize;

    /// The most tokens one text may have, special tokens included.
    fn max_tokens(&self) -> usize;

    /// Tokens of `text`, special tokens included.
    fn count_tokens(&self, text: &str) -> usize;

    /// The same tokenizer, for the chunker.
    fn token_counter(&self) -> Arc<dyn TokenCounter>;

    /// What runs the model, for status pages: `onnxruntime`, `rten` or the like.
    fn engine(&self) -> &str;

    /// One vector of length [`Embedder::dims`] and norm 1 per text, in the order given. An empty
    /// text has a vector too. Queries go before passages of other calls that still wait.
    ///
    /// # Errors
    /// [`Error::TooLong`] when a passage is over the limit (nothing is embedded then);
    /// [`Error::Inference`] when the engine fails.
    fn embed(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, Error>;

    /// As [`Embedder::embed`], with the vectors of tokens where the model has a token space.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn embed_tokens(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Embedded>, Error> {
        let vectors = self.embed(texts, kind)?;
        Ok(vectors.into_iter().map(|vector| Embedded { vector, tokens: TokenVectors::default() }).collect())
    }

    /// Tells token spaces apart: vectors of tokens of different ones must never be compared. 0: there is none.
    fn token_space(&self) -> u32 {
        0
    }
}
