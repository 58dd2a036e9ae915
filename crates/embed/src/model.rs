//! The model's files: the ones built into the program, or a folder checked against its manifest.

use crate::Error;
use crate::token_space::TokenSpace;
use quarry_types::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

const GRAPH: &str = "model.int8.onnx";
const TOKENIZER: &str = "tokenizer.json";
const MANIFEST: &str = "manifest.json";
/// Vectors of texts do not depend on it, so it is no part of the fingerprint; it names itself.
const TOKEN_SPACE: &str = "token_space.bin";

macro_rules! bundled {
    ($file:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/all-MiniLM-L6-v2/", $file))
    };
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    dims: usize,
    max_tokens: usize,
    files: BTreeMap<String, ManifestFile>,
}

#[derive(Deserialize)]
struct ManifestFile {
    sha256: String,
}

impl Manifest {
    fn parse(json: &[u8]) -> Result<Self, Error> {
        let wrong = |what: String| Error::Model(format!("its {MANIFEST} is wrong ({what})"));
        let manifest: Self = serde_json::from_slice(json).map_err(|cause| wrong(cause.to_string()))?;
        let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if manifest.name.is_empty() || manifest.name.len() > 64 || !manifest.name.chars().all(named) {
            return Err(wrong("name must be 1 to 64 letters, digits, - _ and .".into()));
        }
        if !(1..=4096).contains(&manifest.dims) || !(8..=8192).contains(&manifest.max_tokens) {
            return Err(wrong("dims must be 1 to 4096 and max_tokens 8 to 8192".into()));
        }
        for file in [GRAPH, TOKENIZER] {
            if !manifest.files.contains_key(file) {
                return Err(wrong(format!("it names no {file}")));
            }
        }
        Ok(manifest)
    }

    /// SHA-256 of the graph, in hexadecimal.
    fn graph(&self) -> &str {
        self.files.get(GRAPH).map_or("", |file| &file.sha256)
    }

    /// Name plus what the vectors depend on: graph, tokenizer and limit.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for file in self.files.iter().filter(|(name, _)| [GRAPH, TOKENIZER].contains(&name.as_str())) {
            hash.update(file.0);
            hash.update(&file.1.sha256);
        }
        hash.update(self.max_tokens.to_le_bytes());
        format!("{}-{}", self.name, &hex(&hash.finalize())[..12])
    }
}

/// A model ready for an engine.
pub(crate) struct Model {
    manifest: Manifest,
    graph: Cow<'static, [u8]>,
    tokenizer: Cow<'static, [u8]>,
    token_space: Option<TokenSpace>,
}

impl Model {
    /// The one built into the program.
    pub(crate) fn bundled() -> Result<Self, Error> {
        let manifest = Manifest::parse(bundled!("manifest.json"))?;
        let token_space = TokenSpace::parse(bundled!("token_space.bin"), manifest.graph())?;
        Ok(Self {
            manifest,
            graph: Cow::Borrowed(bundled!("model.int8.onnx")),
            tokenizer: Cow::Borrowed(bundled!("tokenizer.json")),
            token_space: Some(token_space),
        })
    }

    /// The one in a folder; every file must match the manifest beside it. The token space may be missing.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|cause| Error::Unreadable { path, cause })
        };
        let manifest = Manifest::parse(&read(MANIFEST)?)?;
        let checked = |name: &str| -> Result<Cow<'static, [u8]>, Error> {
            let bytes = read(name)?;
            let got = hex(&Sha256::digest(&bytes));
            match manifest.files.get(name) {
                Some(file) if file.sha256 == got => Ok(Cow::Owned(bytes)),
                wanted => Err(Error::Altered {
                    path: folder.join(name),
                    what: format!("sha256 {got}, wanted {}", wanted.map_or("none", |file| &file.sha256)),
                }),
            }
        };
        let (graph, tokenizer) = (checked(GRAPH)?, checked(TOKENIZER)?);
        let token_space = match read(TOKEN_SPACE) {
            Ok(file) => Some(TokenSpace::parse(&file, manifest.graph())?),
            Err(Error::Unreadable { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { manifest, graph, tokenizer, token_space })
    }

    pub(crate) fn fingerprint(&self) -> String {
        self.manifest.fingerprint()
    }

    pub(crate) fn dims(&self) -> usize {
        self.manifest.dims
    }

    pub(crate) fn max_tokens(&self) -> usize {
        self.manifest.max_tokens
    }

    pub(crate) fn graph(&self) -> &Cow<'static, [u8]> {
        &self.graph
    }

    pub(crate) fn token_space(&self) -> Option<&TokenSpace> {
        self.token_space.as_ref()
    }

    pub(crate) fn into_token_space(self) -> Option<TokenSpace> {
        self.token_space
    }

    pub(crate) fn tokenizer(&self) -> &[u8] {
        &self.tokenizer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_files_match_their_manifest() {
        let model = Model::bundled().unwrap();
        for (name, bytes) in [(GRAPH, &model.graph), (TOKENIZER, &model.tokenizer)] {
            assert_eq!(model.manifest.files[name].sha256, hex(&Sha256::digest(bytes)), "{name}");
        }
        assert_eq!((model.dims(), model.max_tokens()), (384, 256));
    }

    #[test]
    fn a_folder_is_the_same_model_and_an_altered_one_is_refused() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2");
        let read = Model::read(&source).unwrap();
        assert_eq!(read.fingerprint(), Model::bundled().unwrap().fingerprint());

        let folder = tempfile::tempdir().unwrap();
        for name in [GRAPH, TOKENIZER, MANIFEST] {
            std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
        }
        let mut bytes = std::fs::read(source.join(TOKENIZER)).unwrap();
        bytes.push(b' ');
        std::fs::write(folder.path().join(TOKENIZER), bytes).unwrap();
        let refusal = Model::read(folder.path()).err().unwrap().to_string();
        assert!(refusal.contains("tokenizer.json does not match its manifest"), "{refusal}");

        std::fs::remove_file(folder.path().join(TOKENIZER)).unwrap();
        assert!(matches!(Model::read(folder.path()), Err(Error::Unreadable { .. })));
        std::fs::write(folder.path().join(MANIFEST), "{}").unwrap();
        assert!(matches!(Model::read(folder.path()), Err(Error::Model(_))));
    }

    #[test]
    fn the_fingerprint_follows_what_vectors_depend_on() {
        let manifest = || Manifest::parse(bundled!("manifest.json")).unwrap();
        let base = manifest().fingerprint();
        assert!(base.starts_with("all-MiniLM-L6-v2-"), "{base}");
        let (mut shorter, mut other) = (manifest(), manifest());
        shorter.max_tokens = 128;
        other.files.get_mut(TOKENIZER).unwrap().sha256 = "0".repeat(64);
        assert_ne!(base, shorter.fingerprint());
        assert_ne!(base, other.fingerprint());
        assert_ne!(shorter.fingerprint(), other.fingerprint());
    }
}
