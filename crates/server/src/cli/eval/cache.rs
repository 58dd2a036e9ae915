//! An embedder that keeps its vectors in a file, so that a set is embedded once.
//!
//! Knows hashes of texts and vectors. Invariant: a vector read back is the one the model gave for that
//! text under the same fingerprint; a torn last entry is dropped.

use parking_lot::Mutex;
use quarry_embed::{Embedder, Error, TextKind};
use quarry_types::TokenCounter;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

type Hash = [u8; 32];

pub(crate) struct CachedEmbedder {
    model: Arc<dyn Embedder>,
    kept: Mutex<Kept>,
}

struct Kept {
    vectors: HashMap<Hash, Vec<f32>>,
    file: File,
}

impl CachedEmbedder {
    /// Opens `folder/<fingerprint>.vectors`: entries of a text's hash and its little-endian numbers.
    pub(crate) fn open(model: Arc<dyn Embedder>, folder: &Path) -> Result<Self, String> {
        let path = folder.join(format!("{}.vectors", model.fingerprint()));
        let failed = |cause: std::io::Error| format!("cannot use {}: {cause}", path.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let entry = 32 + 4 * model.dims();
        let whole = bytes.len() / entry * entry;
        file.set_len(whole as u64).map_err(failed)?;
        let mut vectors = HashMap::new();
        for entry in bytes.chunks_exact(entry) {
            if let Some((hash, numbers)) = entry.split_first_chunk::<32>() {
                let numbers = numbers.as_chunks::<4>().0;
                vectors.insert(*hash, numbers.iter().map(|four| f32::from_le_bytes(*four)).collect());
            }
        }
        Ok(Self { model, kept: Mutex::new(Kept { vectors, file }) })
    }
}

fn hash(text: &str, kind: TextKind) -> Hash {
    let kind = match kind {
        TextKind::Query => "query\n",
        TextKind::Passage => "passage\n",
    };
    Sha256::new().chain_update(kind).chain_update(text).finalize().into()
}

impl Embedder for CachedEmbedder {
    fn fingerprint(&self) -> &str {
        self.model.fingerprint()
    }

    fn dims(&self) -> usize {
        self.model.dims()
    }

    fn max_tokens(&self) -> usize {
        self.model.max_tokens()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn token_counter(&self) -> Arc<dyn TokenCounter> {
        self.model.token_counter()
    }

    fn engine(&self) -> &str {
        self.model.engine()
    }

    fn embed(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Vec<f32>>, Error> {
        let hashes: Vec<Hash> = texts.iter().map(|text| hash(text, kind)).collect();
        let missing: Vec<usize> = {
            let kept = self.kept.lock();
            (0..texts.len())
                .filter(|at| !hashes.get(*at).is_some_and(|h| kept.vectors.contains_key(h)))
                .collect()
        };
        let new: Vec<&str> = missing.iter().filter_map(|at| texts.get(*at).copied()).collect();
        let made = if new.is_empty() { Vec::new() } else { self.model.embed(&new, kind)? };
        let mut kept = self.kept.lock();
        for (at, vector) in missing.iter().zip(made) {
            let Some(hash) = hashes.get(*at) else { continue };
            let mut entry = hash.to_vec();
            entry.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
            // The cache only saves time: one that cannot grow is no failure.
            let _ = kept.file.write_all(&entry);
            kept.vectors.insert(*hash, vector);
        }
        Ok(hashes.iter().map(|hash| kept.vectors.get(hash).cloned().unwrap_or_default()).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quarry_embed::testing::HashEmbedder;

    #[test]
    fn vectors_come_back_the_same_and_torn_entries_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let model: Arc<dyn Embedder> = Arc::new(HashEmbedder::new(8, 50));
        let first = CachedEmbedder::open(model.clone(), dir.path()).unwrap();
        let made = first.embed(&["one", "two", "one"], TextKind::Passage).unwrap();
        assert_eq!(made, model.embed(&["one", "two", "one"], TextKind::Passage).unwrap());
        drop(first);
        let path = dir.path().join(format!("{}.vectors", model.fingerprint()));
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(size, 3 * (32 + 32), "one entry per text asked for and unknown at that time");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        let again = CachedEmbedder::open(model, dir.path()).unwrap();
        assert_eq!(again.embed(&["two", "three"], TextKind::Passage).unwrap()[0], made[1]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size + 64);
    }
}
