//! The embedder over an ONNX graph: tokenise, batch, run.

use crate::batch::{Batch, plan};
use crate::engine::{GraphEngine, OrtEngine, Output, RtenEngine};
use crate::library::{self, Places};
use crate::model::Model;
use crate::stream::{Shared, Stream};
use crate::token_space::TokenSpace;
use crate::tokens::Tokens;
use crate::{Embedded, Embedder, Error, TextKind};
use quarry_types::TokenCounter;
use std::path::PathBuf;
use std::sync::Arc;

/// What may run the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// ONNX Runtime when its library is found, otherwise rten.
    #[default]
    Auto,
    /// ONNX Runtime or an error.
    Ort,
    /// The slower pure-Rust engine, which needs no library.
    Rten,
}

/// How to load a model. The default is the bundled model on all cores.
#[derive(Debug, Clone, Default)]
pub struct EmbedOptions {
    /// Threads that work on one batch; 0 means one per core.
    pub threads: usize,
    /// A folder with `manifest.json` and the files it names, instead of the bundled model.
    pub model_dir: Option<PathBuf>,
    /// What runs the model.
    pub engine: Engine,
    /// The ONNX Runtime library; when not given, `ORT_DYLIB_PATH` and then the usual places.
    pub library: Option<PathBuf>,
}

/// Loads a model, which takes a few tenths of a second, and proves it with one small run.
///
/// # Errors
/// [`Error::Library`] when a library was named (by option, `ORT_DYLIB_PATH` or [`Engine::Ort`])
/// and cannot be used; otherwise a missing library only means the slower engine and one warning.
/// [`Error::Unreadable`], [`Error::Altered`] and [`Error::Model`] when the model folder is not right.
pub fn open(options: &EmbedOptions) -> Result<Arc<dyn Embedder>, Error> {
    let model = match &options.model_dir {
        Some(folder) => Model::read(folder)?,
        None => Model::bundled()?,
    };
    let tokens = Tokens::new(model.tokenizer(), model.max_tokens())?;
    let engine = engine(&model, options, &library::places(options.library.as_deref()))?;
    let engine_name = engine.name();
    let shared = Arc::new(Shared::new(engine));
    let embedder = OnnxEmbedder {
        fingerprint: model.fingerprint(),
        dims: model.dims(),
        tokens: Arc::new(tokens),
        engine_name,
        stream: Stream::start(shared.clone())?,
        shared,
        token_space: model.into_token_space(),
    };
    embedder.prove()?;
    tracing::info!(
        fingerprint = embedder.fingerprint,
        engine = embedder.engine_name,
        "embedding model loaded"
    );
    Ok(Arc::new(embedder))
}

fn engine(model: &Model, options: &EmbedOptions, places: &Places) -> Result<Box<dyn GraphEngine>, Error> {
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads.min(256),
    };
    let tokens = model.token_space().map(TokenSpace::tensor);
    let rten = || {
        RtenEngine::new(model.graph().clone(), tokens, threads)
            .map(|engine| Box::new(engine) as Box<dyn GraphEngine>)
    };
    if options.engine == Engine::Rten {
        return rten();
    }
    match OrtEngine::new(model.graph(), tokens, threads, places) {
        Ok(engine) => Ok(Box::new(engine)),
        Err(cause) if options.engine == Engine::Ort || matches!(places, Places::Named(_)) => Err(cause),
        Err(cause) => {
            tracing::warn!(
                %cause,
                "no ONNX Runtime library found: embedding runs on the slower built-in engine until you run scripts/setup"
            );
            rten()
        }
    }
}

struct OnnxEmbedder {
    fingerprint: String,
    dims: usize,
    tokens: Arc<Tokens>,
    engine_name: &'static str,
    shared: Arc<Shared>,
    stream: Stream,
    token_space: Option<TokenSpace>,
}

impl OnnxEmbedder {
    /// One run that shows whether engine, graph and manifest agree.
    fn prove(&self) -> Result<(), Error> {
        let vectors = self.embed(&["a short text"], TextKind::Query)?;
        let norm: f32 = vectors.iter().flatten().map(|number| number * number).sum();
        if (norm - 1.0).abs() > 1e-3 {
            return Err(Error::Model(format!("a trial vector has the squared norm {norm}, not 1")));
        }
        Ok(())
    }

    fn encode(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<u32>>, Error> {
        let max = self.max_tokens();
        let encode = |(index, text): (usize, &&str)| match kind {
            TextKind::Query => self.tokens.encode_cut(text),
            TextKind::Passage => self.tokens.encode(text).and_then(|ids| match ids.len() {
                tokens if tokens > max => Err(Error::TooLong { index, tokens, max }),
                _ => Ok(ids),
            }),
        };
        texts.iter().enumerate().map(encode).collect()
    }

    fn run(
        &self,
        texts: &[&str],
        kind: TextKind,
        space: Option<&TokenSpace>,
    ) -> Result<Vec<Embedded>, Error> {
        let encoded = self.encode(texts, kind)?;
        let lengths: Vec<usize> = encoded.iter().map(Vec::len).collect();
        let mut embedded = vec![Embedded::default(); texts.len()];
        let plan = plan(&lengths);
        let batch = |indices: &Vec<usize>| Batch::new(indices.iter().map(|&at| encoded[at].as_slice()));
        let mut next = plan.iter();
        let wrong = |got: usize, what: &str| Error::Inference(format!("{got} numbers for {what}"));
        let mut take = |batch: &Batch, output: Output| {
            let Some(indices) = next.next() else { return Err(wrong(batch.texts, "no text")) };
            if output.vectors.len() != indices.len() * self.dims {
                let (texts, dims) = (indices.len(), self.dims);
                return Err(wrong(output.vectors.len(), &format!("{texts} vectors of {dims}")));
            }
            for (&at, vector) in indices.iter().zip(output.vectors.chunks_exact(self.dims)) {
                embedded[at].vector = vector.to_vec();
            }
            let Some(space) = space else { return Ok(()) };
            let of_text = batch.width * space.width();
            if output.tokens.len() != indices.len() * of_text {
                return Err(wrong(output.tokens.len(), &format!("{} texts' tokens", indices.len())));
            }
            for (&at, hidden) in indices.iter().zip(output.tokens.chunks_exact(of_text)) {
                let piece = |id| self.tokens.piece(id);
                embedded[at].tokens = space.tokens(&encoded[at], hidden, kind, piece);
            }
            Ok(())
        };
        let mut batches = plan.iter().map(batch);
        match kind {
            TextKind::Passage => self.stream.run(batches, space.is_some(), take)?,
            TextKind::Query => batches.try_for_each(|batch| {
                let output = self.shared.run(&batch, kind, space.is_some())?;
                take(&batch, output)
            })?,
        }
        Ok(embedded)
    }
}

impl Embedder for OnnxEmbedder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn max_tokens(&self) -> usize {
        self.tokens.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokens.count_tokens(text)
    }

    fn token_counter(&self) -> Arc<dyn TokenCounter> {
        Arc::clone(&self.tokens) as Arc<dyn TokenCounter>
    }

    fn engine(&self) -> &str {
        self.engine_name
    }

    fn embed(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, Error> {
        let embedded = self.run(texts, kind, None)?;
        Ok(embedded.into_iter().map(|text| text.vector).collect())
    }

    fn embed_tokens(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Embedded>, Error> {
        self.run(texts, kind, self.token_space.as_ref())
    }

    fn token_space(&self) -> u32 {
        self.token_space.as_ref().map_or(0, TokenSpace::id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_a_library_the_slower_engine_runs_unless_it_was_ruled_out() {
        let model = Model::bundled().unwrap();
        let nowhere = Places::Search(vec!["/nowhere/libonnxruntime.so".into()]);
        let with = |engine| {
            super::engine(&model, &EmbedOptions { engine, ..EmbedOptions::default() }, &nowhere)
                .map(|engine| engine.name())
        };
        assert_eq!(with(Engine::Auto).unwrap(), "rten");
        let refusal = with(Engine::Ort).unwrap_err().to_string();
        assert!(refusal.contains("run scripts/setup"), "{refusal}");
    }
}
