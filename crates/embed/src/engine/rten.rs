//! rten: pure Rust, always there, slower than ONNX Runtime.

use super::{GraphEngine, IDS, KINDS, MASK, OUTPUT, Output};
use crate::Error;
use crate::batch::Batch;
use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use std::borrow::Cow;
use std::sync::Arc;

pub(crate) struct RtenEngine {
    model: Model,
    ids: NodeId,
    mask: NodeId,
    kinds: NodeId,
    output: NodeId,
    tokens: Option<NodeId>,
    pool: Arc<ThreadPool>,
}

impl RtenEngine {
    /// `tokens`: the tensor that holds the vectors of tokens.
    pub(crate) fn new(
        graph: Cow<'static, [u8]>,
        tokens: Option<&str>,
        threads: usize,
    ) -> Result<Self, Error> {
        let loaded = match graph {
            Cow::Borrowed(bytes) => Model::load_static_slice(bytes),
            Cow::Owned(bytes) => Model::load(bytes),
        };
        let model = loaded.map_err(|cause| Error::Model(format!("rten cannot load it ({cause})")))?;
        let node = |name: &str| {
            model.find_node(name).ok_or_else(|| Error::Model(format!("its graph has no tensor {name}")))
        };
        let (ids, mask, kinds, output) = (node(IDS)?, node(MASK)?, node(KINDS)?, node(OUTPUT)?);
        let tokens = tokens.map(node).transpose()?;
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Self { model, ids, mask, kinds, output, tokens, pool })
    }
}

impl GraphEngine for RtenEngine {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn run(&mut self, batch: &Batch, tokens: bool) -> Result<Output, Error> {
        fn failed(cause: impl std::fmt::Display) -> Error {
            Error::Inference(cause.to_string())
        }
        let shape = [batch.texts, batch.width];
        let tensor = |numbers: &[u32]| {
            let numbers: Vec<i32> = numbers.iter().map(|&number| number.cast_signed()).collect();
            Value::from_shape(shape, numbers).map_err(failed)
        };
        let inputs = vec![
            (self.ids, ValueOrView::from(tensor(&batch.ids)?)),
            (self.mask, ValueOrView::from(tensor(&batch.mask)?)),
            (self.kinds, ValueOrView::from(tensor(&vec![0; batch.ids.len()])?)),
        ];
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let wanted: Vec<NodeId> =
            std::iter::once(self.output).chain(self.tokens.filter(|_| tokens)).collect();
        let mut outputs = self.model.run(inputs, &wanted, Some(options)).map_err(failed)?.into_iter();
        let vectors = outputs.next().ok_or_else(|| failed("the graph gave nothing"))?;
        let (_, vectors) = vectors.into_shape_vec::<f32, 2>().map_err(failed)?;
        let tokens = match outputs.next() {
            Some(tokens) => tokens.into_shape_vec::<f32, 3>().map_err(failed)?.1,
            None => Vec::new(),
        };
        Ok(Output { vectors, tokens })
    }
}
