//! An embedder that keeps its vectors in a file, so that a set is embedded once.
//!
//! Knows hashes of texts and vectors. Invariant: a vector read back is the one the model gave for that
//! text under the same fingerprint, those of tokens in half precision; a torn last entry is dropped.

use half::f16;
use parking_lot::Mutex;
use quarry_embed::{Embedded, Embedder, Error, TextKind, TokenVectors};
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
    texts: HashMap<Hash, Box<[u8]>>,
    file: File,
}

impl CachedEmbedder {
    /// Opens `folder/<fingerprint>-<token space>.texts`: entries of a text's hash, the length of what follows (four
    /// bytes, little-endian) and what [`pack`] makes of it.
    pub(crate) fn open(model: Arc<dyn Embedder>, folder: &Path) -> Result<Self, String> {
        let path = folder.join(format!("{}-{:08x}.texts", model.fingerprint(), model.token_space()));
        let failed = |cause: std::io::Error| format!("cannot use {}: {cause}", path.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let mut texts = HashMap::new();
        let mut rest = bytes.as_slice();
        while let Some((hash, after)) = rest.split_first_chunk::<32>()
            && let Some((length, after)) = after.split_first_chunk::<4>()
            && let Some((entry, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize)
        {
            texts.insert(*hash, entry.into());
            rest = after;
        }
        file.set_len((bytes.len() - rest.len()) as u64).map_err(failed)?;
        Ok(Self { model, kept: Mutex::new(Kept { texts, file }) })
    }
}

/// Vector, how many numbers of tokens follow, these in half precision, then the words.
fn pack(text: &Embedded) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let numbers = &text.tokens.numbers;
    bytes.extend((numbers.len() as u32).to_le_bytes());
    bytes.extend(numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()));
    bytes.extend(text.tokens.words.join("\n").into_bytes());
    bytes
}

fn unpack(bytes: &[u8], dims: usize) -> Option<Embedded> {
    let (vector, rest) = bytes.split_at_checked(4 * dims)?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (numbers, words) = rest.split_at_checked(2 * u32::from_le_bytes(*count) as usize)?;
    let words = std::str::from_utf8(words).ok()?;
    let tokens = TokenVectors {
        numbers: numbers.as_chunks::<2>().0.iter().map(|two| f16::from_le_bytes(*two).to_f32()).collect(),
        words: words.split('\n').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
    };
    let vector = vector.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
    Some(Embedded { vector, tokens })
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
        Ok(self.embed_tokens(texts, kind)?.into_iter().map(|text| text.vector).collect())
    }

    fn embed_tokens(&self, texts: &[&str], kind: TextKind) -> Result<Vec<Embedded>, Error> {
        let hashes: Vec<Hash> = texts.iter().map(|text| hash(text, kind)).collect();
        let missing: Vec<usize> = {
            let kept = self.kept.lock();
            (0..texts.len())
                .filter(|at| !hashes.get(*at).is_some_and(|h| kept.texts.contains_key(h)))
                .collect()
        };
        let new: Vec<&str> = missing.iter().filter_map(|at| texts.get(*at).copied()).collect();
        let made = if new.is_empty() { Vec::new() } else { self.model.embed_tokens(&new, kind)? };
        let mut kept = self.kept.lock();
        for (at, text) in missing.iter().zip(&made) {
            let Some(hash) = hashes.get(*at) else { continue };
            let packed = pack(text);
            let mut entry = hash.to_vec();
            entry.extend((packed.len() as u32).to_le_bytes());
            entry.extend(&packed);
            // The cache only saves time: one that cannot grow is no failure.
            let _ = kept.file.write_all(&entry);
            kept.texts.insert(*hash, packed.into());
        }
        let text =
            |hash| kept.texts.get(hash).and_then(|bytes| unpack(bytes, self.dims())).unwrap_or_default();
        Ok(hashes.iter().map(text).collect())
    }

    fn token_space(&self) -> u32 {
        self.model.token_space()
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
        let path = dir.path().join(format!("{}-00000001.texts", model.fingerprint()));
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(size, 3 * (32 + 4 + 32 + 4 + 64), "one entry per text asked for and unknown at that time");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[7; 40]).unwrap();
        let again = CachedEmbedder::open(model.clone(), dir.path()).unwrap();
        assert_eq!(again.embed(&["two", "three"], TextKind::Passage).unwrap()[0], made[1]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size + 136);
        let (kept, fresh) = (
            again.embed_tokens(&["one red filter"], TextKind::Query).unwrap().remove(0),
            model.embed_tokens(&["one red filter"], TextKind::Query).unwrap().remove(0),
        );
        assert_eq!((kept.vector, kept.tokens.words), (fresh.vector, fresh.tokens.words));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
        assert!(kept.tokens.numbers.iter().zip(&fresh.tokens.numbers).all(near));
    }
}
