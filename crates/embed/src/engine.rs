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

/// Runs one batch; called by one thread at a time.
pub(crate) trait GraphEngine: Send {
    /// For status pages.
    fn name(&self) -> &'static str;

    /// The vectors of the batch one after another: `batch.texts` × dims numbers.
    fn run(&mut self, batch: &Batch) -> Result<Vec<f32>, Error>;
}
