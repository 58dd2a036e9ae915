//! A graph on disk: a cache that spares a restart the building, believed only after its checksum.
//!
//! Layout, little-endian: magic (8 bytes), seven u64 (bytes per code row, most links, points, words of upper links,
//! entry point + 1, calibration steps, bytes of the unreachable set), then codes, scales, lowest links,
//! places of upper links, levels, upper links, ids, calibration (u64 breadth, f64 recall), the
//! unreachable set (Roaring format), SHA-256 of all before it. Invariant: what [`HnswIndex::load`]
//! returns is what was saved; a file of another form, length or checksum is no graph.

use super::calibrate::Calibration;
use super::links::{Links, Parts};
use super::{ExactInt8, HnswIndex};
use crate::vector::simd::{STEP, Step};
use crate::vector::steps as steps_of;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Raise it whenever the layout, the code rows or the meaning of links change.
const MAGIC: &[u8; 8] = b"qgraph02";
/// Values converted at a time.
const CHUNK: usize = 16 * 1024;
const SUM_BYTES: u64 = 32;
const HEAD_BYTES: u64 = 8 + 7 * 8;
/// More links than this no graph is built with.
const LINKS_MAX: u64 = 1024;

impl HnswIndex {
    /// Saves the graph, replacing what is at `path`. Not synced: half a file fails its checksum.
    ///
    /// # Errors
    /// When the disk does.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        #[allow(clippy::disallowed_methods)] // a cache: what a crash leaves fails its checksum
        let saved = self.write(&new).and_then(|()| std::fs::rename(&new, path));
        if saved.is_err() {
            drop(std::fs::remove_file(&new));
        }
        saved
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let parts = self.links.parts();
        let mut unreachable = Vec::new();
        self.unreachable.serialize_into(&mut unreachable)?;
        let steps = self.calibration.steps();
        let mut to = Summed::new(BufWriter::new(File::create(path)?));
        to.write_all(MAGIC)?;
        let entry = parts.entry.map_or(0, |entry| u64::from(entry) + 1);
        let (points, upper) = (parts.scales.len(), parts.upper.len());
        let counts =
            [parts.steps * STEP, parts.links, points, upper, entry as usize, steps.len(), unreachable.len()];
        for count in counts {
            to.write_all(&(count as u64).to_le_bytes())?;
        }
        to.put(&parts.codes, |step| step.0.map(|code| code as u8))?;
        to.put(&parts.scales, |scale| scale.to_le_bytes())?;
        to.put(&parts.base, |word| word.to_le_bytes())?;
        to.put(&parts.upper_at, |word| word.to_le_bytes())?;
        to.put(&parts.levels, |level| [*level])?;
        to.put(&parts.upper, |word| word.to_le_bytes())?;
        to.put(&self.ids, |id| id.to_le_bytes())?;
        for (breadth, recall) in steps {
            to.write_all(&(*breadth as u64).to_le_bytes())?;
            to.write_all(&recall.to_le_bytes())?;
        }
        to.write_all(&unreachable)?;
        let (mut file, sum) = to.finish();
        file.write_all(&sum)?;
        file.flush()
    }

    /// Reads a saved graph over vectors of `dims` dimensions. It knows its ids and no vectors: only
    /// [`super::super::VectorSet::install_saved`] makes it searchable.
    ///
    /// # Errors
    /// `NotFound` when there is none, `InvalidData` when it is not a whole graph of this version.
    pub fn load(path: &Path, dims: usize) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut from = Summed::new(BufReader::new(file));
        let mut magic = [0; 8];
        from.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err(wrong("it is of another version"));
        }
        let mut counts = [0_u64; 7];
        for count in &mut counts {
            *count = from.number()?;
        }
        let [stride, links, points, upper, entry, steps, unreachable] = counts;
        let sizes = [
            points.checked_mul(stride),
            // Scale, links and their count, place of the upper ones, id; level.
            points.checked_mul(4 * (1 + 1 + 2 * links.min(LINKS_MAX) + 1 + 1) + 1),
            upper.checked_mul(4),
            steps.checked_mul(16),
            Some(unreachable),
            Some(HEAD_BYTES + SUM_BYTES),
        ];
        let whole = sizes.into_iter().try_fold(0_u64, |sum, size| sum.checked_add(size?));
        // Before anything is allocated by it.
        if stride != (steps_of(dims) * STEP) as u64
            || links > LINKS_MAX
            || whole != Some(length)
            || entry > points
        {
            return Err(wrong("its length is not what it says"));
        }
        let (points, upper) = (points as usize, upper as usize);
        let (wide, links) = (steps_of(dims), links as usize);
        let parts = Parts {
            steps: wide,
            links,
            codes: from.take(points * wide, |bytes: [u8; STEP]| Step(bytes.map(|byte| byte as i8)))?,
            scales: from.take(points, f32::from_le_bytes)?,
            base: from.take(points * (1 + 2 * links), u32::from_le_bytes)?,
            upper_at: from.take(points, u32::from_le_bytes)?,
            levels: from.take(points, |[byte]: [u8; 1]| byte)?,
            upper: from.take(upper, u32::from_le_bytes)?,
            entry: entry.checked_sub(1).and_then(|entry| u32::try_from(entry).ok()),
        };
        let ids: Vec<u32> = from.take(points, u32::from_le_bytes)?;
        let mut calibration = Vec::new();
        for _ in 0..steps {
            calibration.push((from.number()? as usize, f64::from_bits(from.number()?)));
        }
        let unreachable: Vec<u8> = from.take(unreachable as usize, |[byte]: [u8; 1]| byte)?;
        let (mut rest, sum) = from.finish();
        let mut saved = [0; SUM_BYTES as usize];
        rest.read_exact(&mut saved)?;
        if saved != sum {
            return Err(wrong("its checksum is wrong"));
        }
        let unreachable = RoaringBitmap::deserialize_from(unreachable.as_slice())?;
        let present = RoaringBitmap::from_sorted_iter(ids.iter().copied())
            .map_err(|_| wrong("its ids are out of order"))?;
        Ok(Self {
            links: Links::from_parts(parts),
            ids,
            vectors: ExactInt8::of_ids(dims, present),
            unreachable,
            calibration: Calibration::of_steps(calibration),
        })
    }
}

/// Passes bytes on and sums them up.
struct Summed<T> {
    inner: T,
    sum: Sha256,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, sum: Sha256::new() }
    }

    fn finish(self) -> (T, [u8; SUM_BYTES as usize]) {
        (self.inner, self.sum.finalize().into())
    }
}

impl<W: Write> Summed<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }

    fn put<V, const N: usize>(&mut self, values: &[V], bytes: impl Fn(&V) -> [u8; N]) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(CHUNK * N);
        for chunk in values.chunks(CHUNK) {
            buffer.clear();
            chunk.iter().for_each(|value| buffer.extend_from_slice(&bytes(value)));
            self.write_all(&buffer)?;
        }
        Ok(())
    }
}

impl<R: Read> Summed<R> {
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.sum.update(&*bytes);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn take<V, const N: usize>(&mut self, count: usize, value: impl Fn([u8; N]) -> V) -> io::Result<Vec<V>> {
        let mut values = Vec::with_capacity(count);
        let mut buffer = vec![0; CHUNK * N];
        while values.len() < count {
            let part = (count - values.len()).min(CHUNK) * N;
            let bytes = buffer.get_mut(..part).unwrap_or(&mut []);
            self.read_exact(bytes)?;
            values.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)));
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Candidates;
    use crate::vector::VectorIndex;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn built() -> (HnswIndex, Vec<Vec<f32>>) {
        let mut rng = StdRng::seed_from_u64(3);
        let data: Vec<Vec<f32>> =
            (0..600).map(|_| (0..64).map(|_| rng.random_range(-1.0..1.0)).collect()).collect();
        let adds: Vec<(u32, &[f32])> = data.iter().zip(5..).map(|(v, id)| (id, v.as_slice())).collect();
        let exact = ExactInt8::new(64).with_changes(&adds, &[]).unwrap();
        (HnswIndex::build(&exact, 12, &|| false).unwrap(), data)
    }

    #[test]
    fn a_saved_graph_walks_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph");
        let (graph, data) = built();
        graph.save(&path).unwrap();
        let again = HnswIndex::load(&path, 64).unwrap();
        assert_eq!((again.vectors().ids(), &again.ids), (graph.vectors().ids(), &graph.ids));
        assert_eq!(again.unreachable(), graph.unreachable());
        assert_eq!(again.calibration().steps(), graph.calibration().steps());
        for vector in data.iter().step_by(20) {
            let query = super::super::Query::new(vector, 64).unwrap().unwrap();
            let walk = |graph: &HnswIndex| graph.nearest(&query, 32, usize::MAX, |_| true).0;
            assert_eq!(walk(&again), walk(&graph));
        }
        assert!(graph.search(&data[0], 3, &Candidates::All).unwrap().len() == 3);
        let found: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(found.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_damaged_graph_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph");
        assert_eq!(HnswIndex::load(&path, 64).err().unwrap().kind(), io::ErrorKind::NotFound);
        built().0.save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert!(HnswIndex::load(&path, 384).is_err(), "of other dimensions");
        let mut rng = StdRng::seed_from_u64(4);
        for round in 0..300 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(rng.random_range(0..whole.len())),
                1 => bytes.push(0),
                _ => {
                    // Half of them in the head, where the sizes are.
                    let at = rng.random_range(0..if round % 2 == 0 { 64 } else { whole.len() });
                    bytes[at] ^= 1 << rng.random_range(0..8);
                }
            }
            std::fs::write(&path, bytes).unwrap();
            assert!(HnswIndex::load(&path, 64).is_err(), "round {round}");
        }
    }
}
