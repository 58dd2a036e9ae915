//! What runs the graph: ONNX Runtime when its library is there, otherwise rten.

mod ort;
mod rten;

pub(crate) use self::ort::OrtEngine;
pub(crate) use self::rten::RtenEngine;

use crate::Error;
use crate::batch::Batch;

/// Names of the graph's inputs and output.
const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";
const KINDS: &str = "token_type_ids";
const OUTPUT: &str = "sentence_embedding";

/// What a batch becomes.
pub(crate) struct Output {
    /// The vectors of the texts one after another: `batch.texts` × dims numbers.
    pub(crate) vectors: Vec<f32>,
    /// `batch.texts` × `batch.width` × width of the token space; empty when not asked for.
    pub(crate) tokens: Vec<f32>,
}

/// Runs one batch; called by one thread at a time.
pub(crate) trait GraphEngine: Send {
    /// For status pages.
    fn name(&self) -> &'static str;

    /// Runs the graph. The vectors of tokens are given when asked for and the engine was made with their tensor.
    fn run(&mut self, batch: &Batch, tokens: bool) -> Result<Output, Error>;
}
