//! ONNX Runtime, loaded at run time from a shared library.
//!
//! One library and one environment per process: the first that loads stays.

use super::{GraphEngine, IDS, KINDS, MASK, OUTPUT, Output};
use crate::Error;
use crate::batch::Batch;
use crate::library::Places;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The process's environment, loading the library if none is loaded yet.
fn environment(places: &Places) -> Result<Environment, Error> {
    let mut loaded = LOADED.lock();
    match places {
        Places::Named(path) => {
            let refuse = |cause: String| Error::Library { path: path.clone(), cause };
            if !path.is_file() {
                return Err(refuse("there is no such file".into()));
            }
            if let Some((present, environment)) = &*loaded {
                return if present == path {
                    Ok(environment.clone())
                } else {
                    Err(refuse(format!("{} is loaded already", present.display())))
                };
            }
            let environment = load(path).map_err(refuse)?;
            *loaded = Some((path.clone(), environment.clone()));
            Ok(environment)
        }
        Places::Search(paths) => {
            if let Some((_, environment)) = &*loaded {
                return Ok(environment.clone());
            }
            let mut last = Error::Library { path: PathBuf::new(), cause: "there is none".into() };
            for path in paths {
                match load(path) {
                    Ok(environment) => {
                        *loaded = Some((path.clone(), environment.clone()));
                        return Ok(environment);
                    }
                    Err(cause) => last = Error::Library { path: path.clone(), cause },
                }
            }
            Err(last)
        }
    }
}

fn load(path: &Path) -> Result<Environment, String> {
    let builder = ort::init_from(path).map_err(|cause| cause.to_string())?;
    let environment = builder.with_name("quarry").with_telemetry(false).build();
    environment.map_err(|cause| cause.to_string())
}

pub(crate) struct OrtEngine {
    session: Session,
    tokens: Option<String>,
}

impl OrtEngine {
    /// `tokens`: the tensor that holds the vectors of tokens.
    pub(crate) fn new(
        graph: &[u8],
        tokens: Option<&str>,
        threads: usize,
        places: &Places,
    ) -> Result<Self, Error> {
        let environment = environment(places)?;
        let graph = match tokens {
            Some(tensor) => Cow::Owned([graph, &one_more_output(tensor)].concat()),
            None => Cow::Borrowed(graph),
        };
        let session = builder(&environment, threads)
            .and_then(|mut builder| builder.commit_from_memory(&graph))
            .map_err(|cause| Error::Model(format!("ONNX Runtime cannot load it ({cause})")))?;
        Ok(Self { session, tokens: tokens.map(str::to_owned) })
    }
}

/// What, put behind a graph's file, makes one of its tensors an output: two messages of one kind in a row are one,
/// their lists joined (Protocol Buffers encoding, "Last One Wins"; field numbers after onnx.proto).
fn one_more_output(tensor: &str) -> Vec<u8> {
    let field = |tag: u8, content: Vec<u8>| {
        let mut bytes = vec![tag];
        let mut length = content.len();
        while length > 0x7f {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(content);
        bytes
    };
    // ModelProto.graph { output { name, type { tensor_type { elem_type: FLOAT } } } }
    let float = field(0x12, field(0x0a, vec![0x08, 0x01]));
    let value = [field(0x0a, tensor.as_bytes().to_vec()), float].concat();
    field(0x3a, field(0x62, value))
}

fn builder(environment: &Environment, threads: usize) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        // Idle threads stay awake for the next operator (microseconds) and then sleep: waking them for each of a query's
        // operators takes longer than that, and threads that stay awake as long as by default take the cores from
        // extraction and search (`benches/embed/run` measures both).
        .with_intra_op_spinning(true)?
        .with_config_entry("session.intra_op.spin_duration_us", "20")?
        // Work in smaller pieces: a thread whose core is taken by others then keeps the rest waiting for less.
        .with_dynamic_block_base(4)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?)
}

impl GraphEngine for OrtEngine {
    fn name(&self) -> &'static str {
        "onnxruntime"
    }

    fn run(&mut self, batch: &Batch, tokens: bool) -> Result<Output, Error> {
        let failed = |cause: ort::Error| Error::Inference(cause.to_string());
        let shape = [batch.texts, batch.width];
        let wide = |numbers: &[u32]| numbers.iter().map(|&number| i64::from(number)).collect::<Vec<_>>();
        let (ids, mask, kinds) = (wide(&batch.ids), wide(&batch.mask), vec![0i64; batch.ids.len()]);
        let tensor = |numbers| TensorRef::from_array_view((shape, numbers)).map_err(failed);
        let inputs = ort::inputs![IDS => tensor(&*ids)?, MASK => tensor(&*mask)?, KINDS => tensor(&*kinds)?];
        let outputs = self.session.run(inputs).map_err(failed)?;
        let numbers = |name: &str| {
            let output =
                outputs.get(name).ok_or_else(|| Error::Inference(format!("the graph gave no {name}")))?;
            output.try_extract_tensor::<f32>().map(|(_, numbers)| numbers.to_vec()).map_err(failed)
        };
        let tokens = match self.tokens.as_deref().filter(|_| tokens) {
            Some(tensor) => numbers(tensor)?,
            None => Vec::new(),
        };
        Ok(Output { vectors: numbers(OUTPUT)?, tokens })
    }
}
