//! One bit per dimension: a first look at many vectors that rules most of them out.
//!
//! The signs of a unit vector x of D dimensions, turned at random, estimate its inner product with q:
//! ⟨q, x⟩ ≈ ⟨q, sign x⟩ / ‖x‖₁, with a standard deviation of at most √((D/‖x‖₁² − 1) / (D − 1)) (Gao and
//! Long, RaBitQ, SIGMOD 2024). So a bound above the true product is known, and only vectors whose bound reaches the
//! best found so far are looked at closely. The query is rounded to four bits, kept as four planes of bits:
//! products are counts of common bits.

use super::simd::{prefetch, sign_bounds};

/// Rows asked of the memory before they are needed.
const AHEAD: usize = 16;
/// Rows asked of the memory before the first of them is looked at.
const ASKED_FIRST: usize = 64;
/// Planes of bits of a query.
pub(super) const PLANES: usize = 4;
/// Standard deviations between the estimate and the bound: about two vectors in a thousand lie above it, equal ones together.
const DEVIATIONS: f32 = 3.0;

/// Times a vector is turned: after these no dimension stands out.
const TURNS: u64 = 3;

/// Turns a vector as all others are, so that lengths and products stay what they are: signs are changed at
/// random, then Walsh-Hadamard transforms mix the first and the last power of two of dimensions.
fn turn(vector: &mut [f32]) {
    let window = vector.len().checked_ilog2().map_or(0, |log| 1 << log);
    for round in 0..TURNS {
        for (at, x) in vector.iter_mut().enumerate() {
            // The mixing step of SplitMix64: any fixed choice does that has no pattern.
            let mut bits = (round << 32 | at as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *x = if bits >> 63 == 0 { *x } else { -*x };
        }
        let rest = vector.len() - window;
        hadamard(vector.get_mut(..window).unwrap_or(&mut []));
        if rest > 0 {
            hadamard(vector.get_mut(rest..).unwrap_or(&mut []));
        }
    }
}

/// The Walsh-Hadamard transform that keeps lengths; of a power of two of values.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (values.len() as f32).sqrt();
    values.iter_mut().for_each(|x| *x *= scale);
}

/// A line of the CPU's cache. A vector takes whole ones, one up to 448 dimensions: its signs, then its
/// [`Spread`] in the last word.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
pub(super) struct Line(pub(super) [u64; LINE]);

/// Words of a line.
pub(super) const LINE: usize = 8;

/// Lines per vector.
pub(super) fn lines(dims: usize) -> usize {
    (dims.div_ceil(64) + 1).div_ceil(LINE)
}

/// How far the signs of a vector tell its products.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    /// 1 / ‖x‖₁; 0 of zeros.
    scale: f32,
    /// What a product may lie above its estimate.
    slack: f32,
}

impl Spread {
    fn word(self) -> u64 {
        u64::from(self.scale.to_bits()) << 32 | u64::from(self.slack.to_bits())
    }

    #[inline(always)]
    fn of(word: u64) -> Self {
        Self { scale: f32::from_bits((word >> 32) as u32), slack: f32::from_bits(word as u32) }
    }
}

/// Appends what is kept of a unit vector, `lines(its dimensions)` of them.
pub(super) fn signs(vector: &[f32], out: &mut Vec<Line>) {
    let mut vector = vector.to_vec();
    turn(&mut vector);
    let (sum, dims) = (vector.iter().map(|x| x.abs()).sum::<f32>(), vector.len() as f32);
    let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
    let variance = (dims * scale * scale - 1.0) / (dims - 1.0).max(1.0);
    let spread = Spread { scale, slack: DEVIATIONS * variance.max(0.0).sqrt() };
    let bit = |word: u64, (at, x): (usize, &f32)| word | (u64::from(*x >= 0.0) << at);
    let mut words: Vec<u64> = vector.chunks(64).map(|part| part.iter().enumerate().fold(0, bit)).collect();
    words.resize(lines(vector.len()) * LINE - 1, 0);
    words.push(spread.word());
    out.extend(words.as_chunks::<LINE>().0.iter().map(|words| Line(*words)));
}

/// A query to be compared with signs.
pub(super) struct SignQuery {
    /// Per line, nothing where the signs end.
    pub(super) planes: Vec<[Line; PLANES]>,
    /// Words of signs in the last line.
    words: usize,
    step: f32,
    sum: i32,
}

impl SignQuery {
    /// Of a finite vector.
    pub(super) fn new(query: &[f32]) -> Self {
        let mut query = query.to_vec();
        turn(&mut query);
        let largest = query.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let step = if largest > 0.0 { largest / 7.5 } else { 1.0 };
        let (mut planes, mut sum) = (vec![[Line::default(); PLANES]; lines(query.len())], 0);
        for (part, planes) in query.chunks(64 * LINE).zip(&mut planes) {
            for (at, x) in part.iter().enumerate() {
                let level = (x / step).round().clamp(-8.0, 7.0) as i32;
                sum += level;
                for (plane, Line(words)) in planes.iter_mut().enumerate() {
                    if let Some(word) = words.get_mut(at / 64) {
                        *word |= ((level >> plane & 1) as u64) << (at % 64); // two's complement
                    }
                }
            }
        }
        let words = query.len().div_ceil(64).saturating_sub((planes.len().max(1) - 1) * LINE);
        Self { planes, words, step, sum }
    }

    /// Asks the memory for `rows`, or the first of many: [`SignQuery::bounds`] asks for the others as it goes.
    pub(super) fn ask_for(&self, signs: &[Line], rows: &[u32]) {
        for row in rows.iter().take(ASKED_FIRST) {
            let at = *row as usize;
            prefetch(self.row(signs, at).unwrap_or(&[]));
        }
    }

    /// The lines of a vector.
    #[inline(always)]
    fn row<'s>(&self, signs: &'s [Line], at: usize) -> Option<&'s [Line]> {
        let lines = self.planes.len();
        signs.get(at * lines..(at + 1) * lines)
    }

    /// Appends the bound above the cosine with each of `rows`, numbers of vectors in `signs`: minus infinity
    /// with rows that are not there.
    pub(super) fn bounds(&self, signs: &[Line], rows: &[u32], out: &mut Vec<f32>) {
        sign_bounds(self, signs, rows, out);
    }

    /// [`SignQuery::bounds`] by one way to count: `product` of a vector's lines is that of the query's levels with the
    /// bits that are set.
    #[inline(always)]
    pub(super) fn bounds_by(
        &self,
        signs: &[Line],
        rows: &[u32],
        out: &mut Vec<f32>,
        product: impl Fn(&[Line]) -> i32,
    ) {
        out.reserve(rows.len());
        // A plain loop: adapters would not be compiled for the CPU of the caller.
        for (step, row) in rows.iter().enumerate() {
            if let Some(ahead) = rows.get(step + AHEAD) {
                prefetch(self.row(signs, *ahead as usize).unwrap_or(&[]));
            }
            let Some(row) = self.row(signs, *row as usize) else {
                out.push(f32::NEG_INFINITY);
                continue;
            };
            let spread = Spread::of(row.last().map_or(0, |line| line.0[LINE - 1]));
            let twice = 2 * product(row) - self.sum;
            out.push(twice as f32 * (self.step * spread.scale) + spread.slack);
        }
    }

    /// The product of [`SignQuery::bounds_by`], word by word.
    #[inline(always)]
    pub(super) fn product(&self, row: &[Line]) -> i32 {
        let mut counts = [0_u32; PLANES];
        for (at, (line, planes)) in row.iter().zip(&self.planes).enumerate() {
            let words = if at + 1 == row.len() { self.words } else { LINE };
            for (count, plane) in counts.iter_mut().zip(planes) {
                for (word, bits) in line.0.iter().zip(&plane.0).take(words) {
                    *count += (word & bits).count_ones();
                }
            }
        }
        let [one, two, four, sign] = counts.map(|count| count as i32);
        one + 2 * two + 4 * four - 8 * sign
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::normalise;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn bounds_lie_above_all_but_few_products_and_not_far() {
        for dims in [384, 100, 448, 600] {
            let mut rng = StdRng::seed_from_u64(3);
            let mut unit = || {
                let mut vector: Vec<f32> = (0..dims).map(|_| rng.random_range(-1.0..1.0)).collect();
                normalise(&mut vector);
                vector
            };
            let query = unit();
            // Some near the query, most not.
            let mixed = |(at, other): (usize, Vec<f32>)| {
                let near = (at % 10) as f32 / 10.0;
                let mut vector: Vec<f32> =
                    other.iter().zip(&query).map(|(x, q)| x * (1.0 - near) + q * near).collect();
                normalise(&mut vector);
                vector
            };
            let vectors: Vec<Vec<f32>> = (0..5_000).map(|_| unit()).enumerate().map(mixed).collect();
            let mut rows = Vec::new();
            vectors.iter().for_each(|vector| signs(vector, &mut rows));
            assert_eq!(rows.len(), vectors.len() * lines(dims));
            let (asked, all) = (SignQuery::new(&query), (0..5_000).collect::<Vec<u32>>());
            let (mut fast, mut plain) = (Vec::new(), Vec::new());
            asked.bounds(&rows, &all, &mut fast);
            asked.bounds_by(&rows, &all, &mut plain, |row| asked.product(row));
            assert_eq!(fast, plain);
            let product = |v: &Vec<f32>| v.iter().zip(&query).map(|(x, y)| x * y).sum::<f32>();
            let above = vectors.iter().zip(&fast).filter(|(v, bound)| product(v) > **bound).count();
            assert!(above <= 18, "{above} of 5,000 above their bounds");
            let slack = vectors.iter().zip(&fast).map(|(v, bound)| bound - product(v)).sum::<f32>() / 5_000.0;
            assert!(slack < 4.0 * DEVIATIONS / (dims as f32).sqrt(), "slack {slack}");
        }
    }

    #[test]
    fn bits_are_counted_the_same_by_word_and_by_line() {
        for dims in [1, 63, 64, 65, 447, 448, 449, 511, 512, 513, 1024] {
            let mut rng = StdRng::seed_from_u64(dims as u64);
            let mut vector = || (0..dims).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
            let query = SignQuery::new(&vector());
            let mut rows = Vec::new();
            (0..50).for_each(|_| signs(&vector(), &mut rows));
            let all: Vec<u32> = (0..50).collect();
            let (mut fast, mut plain) = (Vec::new(), Vec::new());
            query.bounds(&rows, &all, &mut fast);
            query.bounds_by(&rows, &all, &mut plain, |row| query.product(row));
            assert_eq!(fast, plain, "{dims} dimensions");
            // Of the bits alone: what is added up where they are set.
            let level = |at: usize| -> i32 {
                let bit = |plane: &Line| (plane.0[at % 512 / 64] >> (at % 64) & 1) as i32;
                let [one, two, four, sign] = query.planes[at / 512].each_ref().map(bit);
                one + 2 * two + 4 * four - 8 * sign
            };
            for row in rows.chunks(lines(dims)) {
                let set = |at: &usize| row[at / 512].0[at % 512 / 64] >> (at % 64) & 1 == 1;
                assert_eq!(query.product(row), (0..dims).filter(set).map(level).sum::<i32>(), "{dims}");
            }
        }
    }

    #[test]
    fn turning_keeps_products_and_spreads_single_dimensions() {
        for dims in [1, 2, 3, 64, 100, 384] {
            let mut vectors = [vec![0.0; dims], vec![0.5; dims]];
            vectors[0][dims / 2] = 1.0;
            vectors.iter_mut().for_each(|vector| turn(vector));
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            assert!((product(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-4);
            assert!((product(&vectors[0], &vectors[1]) - 0.5).abs() < 1e-4);
            let largest = vectors[0].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(dims < 64 || largest < 6.0 / (dims as f32).sqrt(), "{largest} of {dims}");
        }
    }

    #[test]
    fn zeros_and_rows_that_are_not_there_do_no_harm() {
        let mut rows = Vec::new();
        signs(&[0.0; 64], &mut rows);
        let mut out = Vec::new();
        SignQuery::new(&[0.0; 64]).bounds(&rows, &[0, 1], &mut out);
        assert_eq!(out, [0.0, f32::NEG_INFINITY]);
    }
}
