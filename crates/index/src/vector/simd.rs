//! Inner products as wide as the CPU allows; the only unsafe code of the project.
//!
//! All kernels give the same integer for codes in −127..=127 (−128 never occurs: `quantise`
//! clamps). Rows are whole steps, so no kernel has a tail.
#![allow(unsafe_code)]

use super::signs::{Line, SignQuery};
use crate::late::{ABREAST, Group, TOKEN_DIMS, nearest_plainly};
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::sync::OnceLock;

/// Codes in a [`Step`].
pub(super) const STEP: usize = 64;

/// Codes of as many dimensions as a line of the CPU's cache holds: a row of them is read in whole lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Step(pub(super) [i8; STEP]);

impl Step {
    pub(super) const ZERO: Self = Self([0; STEP]);
}

/// One way to compute the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Kernel {
    /// The widest kernel this CPU runs; one that disagrees with the scalar one is passed over.
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let row = |by: usize, from: usize| -> Vec<Step> {
                let code = |at: usize| ((at * by + from) % 255) as i32 - 127;
                (0..4).map(|step| Step(std::array::from_fn(|at| code(step * STEP + at) as i8))).collect()
            };
            let (a, b) = (row(37, 0), row(91, 5));
            let right = scalar(&a, &b);
            Self::available().into_iter().rev().find(|k| k.dot(&a, &b) == right).unwrap_or(Self::Scalar)
        })
    }

    /// All kernels this CPU runs, slowest first.
    pub(super) fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                kernels.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                kernels.push(Self::Vnni);
            }
        }
        kernels
    }

    /// Inner product of two rows of equal length.
    #[inline]
    pub(super) fn dot(self, a: &[Step], b: &[Step]) -> i32 {
        let mut out = [0];
        self.dot_rows(a, b, &mut out);
        out[0]
    }

    /// Inner products of `query` with consecutive rows of its length. `out` has one place per row;
    /// rows without a place and places without a row are left alone.
    #[inline]
    pub(super) fn dot_rows(self, query: &[Step], rows: &[Step], out: &mut [i32]) {
        if query.is_empty() {
            return;
        }
        let pairs = rows.chunks_exact(query.len()).zip(out);
        match self {
            Self::Scalar => pairs.for_each(|(row, to)| *to = scalar(query, row)),
            // SAFETY: `available` hands these out only where the CPU has the features, and they
            // are chosen nowhere else.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pairs.for_each(|(row, to)| *to = unsafe { x86::avx2(query, row) }),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => pairs.for_each(|(row, to)| *to = unsafe { x86::vnni(query, row) }),
        }
    }
}

/// [`SignQuery::bounds`], counting bits in one instruction where the CPU has it.
#[inline]
pub(super) fn sign_bounds(query: &SignQuery, signs: &[Line], rows: &[u32], out: &mut Vec<f32>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "popcnt")]
        fn with_popcnt(query: &SignQuery, signs: &[Line], rows: &[u32], out: &mut Vec<f32>) {
            query.bounds_by(signs, rows, out, |row| query.product(row));
        }
        #[target_feature(enable = "avx512f,avx512vpopcntdq")]
        fn with_wide_popcnt(query: &SignQuery, signs: &[Line], rows: &[u32], out: &mut Vec<f32>) {
            query.bounds_by(signs, rows, out, |row| x86::product(query, row));
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: the CPU has what the function asks for.
            return unsafe { with_wide_popcnt(query, signs, rows, out) };
        }
        if is_x86_feature_detected!("popcnt") {
            // SAFETY: the CPU has what the function asks for.
            return unsafe { with_popcnt(query, signs, rows, out) };
        }
    }
    query.bounds_by(signs, rows, out, |row| query.product(row));
}

/// [`nearest_plainly`], eight tokens of the question at a time where the CPU can.
#[inline]
pub(crate) fn nearest(groups: &[Group], codes: &[[u8; TOKEN_DIMS / 2]], out: &mut [[f32; ABREAST]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has what the function asks for.
        return unsafe { x86::nearest(groups, codes, out) };
    }
    nearest_plainly(groups, codes, out);
}

/// Inner product with a row in half precision: [`LANES`] running sums, the same on every CPU.
#[inline]
pub(super) fn dot_halves(query: &[f32], row: &[f16]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
        // SAFETY: the CPU has what the function asks for.
        return unsafe { x86::dot_halves(query, row) };
    }
    dot_halves_plainly(query, row)
}

fn dot_halves_plainly(query: &[f32], row: &[f16]) -> f32 {
    let (mut sums, mut wide) = ([0.0; LANES], [0.0; LANES]);
    for (x, y) in query.chunks_exact(LANES).zip(row.chunks_exact(LANES)) {
        y.convert_to_f32_slice(&mut wide);
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(&wide) {
            *sum += x * y;
        }
    }
    sum_of_lanes(&sums, query, row)
}

/// Running sums of an inner product of floats.
const LANES: usize = 32;

/// The running sums together, and what is left behind the last whole step.
fn sum_of_lanes(sums: &[f32; LANES], query: &[f32], row: &[f16]) -> f32 {
    let (query, row) = (query.chunks_exact(LANES).remainder(), row.chunks_exact(LANES).remainder());
    sums.iter().sum::<f32>() + query.iter().zip(row).map(|(x, y)| x * y.to_f32()).sum::<f32>()
}

/// Asks the CPU to bring a row near; only a hint.
#[inline]
pub(crate) fn prefetch<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..size_of_val(row)).step_by(64) {
        let line = row.as_ptr().cast::<i8>().wrapping_add(at);
        // SAFETY: prefetching reads nothing and cannot fault; every x86-64 CPU has it.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

fn scalar(a: &[Step], b: &[Step]) -> i32 {
    let step = |(a, b): (&Step, &Step)| -> i32 {
        a.0.iter().zip(&b.0).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
    };
    a.iter().zip(b).map(step).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Line, SignQuery, Step, sum_of_lanes};
    use crate::late::{ABREAST, Group, TOKEN_DIMS};
    use half::f16;
    use std::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32,
        _mm_srli_epi16, _mm256_abs_epi8, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps,
        _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
        _mm256_extracti128_si256, _mm256_load_si256, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
        _mm256_maddubs_epi16, _mm256_max_ps, _mm256_mul_ps, _mm256_set_m128i, _mm256_set1_epi8,
        _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256,
        _mm256_sign_epi8, _mm256_slli_epi32, _mm256_storeu_ps, _mm256_storeu_si256, _mm256_sub_epi8,
        _mm256_sub_epi32, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512, _mm512_dpbusd_epi32,
        _mm512_load_si512, _mm512_popcnt_epi64, _mm512_reduce_add_epi32, _mm512_reduce_add_epi64,
        _mm512_set1_epi8, _mm512_setzero_si512, _mm512_slli_epi64, _mm512_sub_epi32, _mm512_sub_epi64,
        _mm512_xor_si512,
    };

    /// Four dimensions of eight tokens in one instruction; the sums of all fit an i16 (8 × 2 × 127 × 15 = 30,480).
    #[target_feature(enable = "avx2")]
    pub(super) fn nearest(groups: &[Group], codes: &[[u8; TOKEN_DIMS / 2]], out: &mut [[f32; ABREAST]]) {
        let ones = _mm256_set1_epi16(1);
        let fifteen = _mm256_set1_epi8(15);
        for code in codes {
            // SAFETY: a code has 16 bytes; unaligned load.
            let bytes = unsafe { _mm_loadu_si128(code.as_ptr().cast::<__m128i>()) };
            let both = _mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes);
            let packed = _mm256_and_si256(both, fifteen);
            let size = _mm256_abs_epi8(_mm256_sub_epi8(_mm256_add_epi8(packed, packed), fifteen));
            let square = sum(_mm256_madd_epi16(_mm256_maddubs_epi16(size, size), ones));
            let shorten = _mm256_set1_ps(1.0 / (square as f32).sqrt());
            let mut levels = [0_u8; TOKEN_DIMS];
            // SAFETY: 32 bytes; unaligned store.
            unsafe { _mm256_storeu_si256(levels.as_mut_ptr().cast::<__m256i>(), packed) };
            for (group, best) in groups.iter().zip(out.iter_mut()) {
                let mut pairs = _mm256_setzero_si256();
                for (step, four) in group.steps.iter().zip(levels.as_chunks::<4>().0) {
                    let four = _mm256_set1_epi32(i32::from_le_bytes(*four));
                    // SAFETY: a step has 32 bytes; unaligned load.
                    let numbers = unsafe { _mm256_loadu_si256(step.as_ptr().cast::<__m256i>()) };
                    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(four, numbers));
                }
                let twice = _mm256_slli_epi32::<1>(_mm256_madd_epi16(pairs, ones));
                // SAFETY: eight numbers of four bytes each; unaligned loads and store.
                unsafe {
                    let sums = _mm256_loadu_si256(group.sums.as_ptr().cast::<__m256i>());
                    let cosines = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(twice, sums)), shorten);
                    let nearest = _mm256_max_ps(cosines, _mm256_loadu_ps(best.as_ptr()));
                    _mm256_storeu_ps(best.as_mut_ptr(), nearest);
                }
            }
        }
    }

    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn dot_halves(query: &[f32], row: &[f16]) -> f32 {
        let mut sums = [_mm256_setzero_ps(); LANES / 8];
        for (x, y) in query.as_chunks::<LANES>().0.iter().zip(row.as_chunks::<LANES>().0) {
            for ((sum, x), y) in sums.iter_mut().zip(x.as_chunks::<8>().0).zip(y.as_chunks::<8>().0) {
                // SAFETY: eight numbers of four and of two bytes; unaligned loads.
                let (x, y) =
                    unsafe { (_mm256_loadu_ps(x.as_ptr()), _mm_loadu_si128(y.as_ptr().cast::<__m128i>())) };
                *sum = _mm256_add_ps(*sum, _mm256_mul_ps(x, _mm256_cvtph_ps(y)));
            }
        }
        let mut lanes = [0.0; LANES];
        for (eight, sum) in lanes.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: eight numbers of four bytes; unaligned store.
            unsafe { _mm256_storeu_ps(eight.as_mut_ptr(), sum) };
        }
        sum_of_lanes(&lanes, query, row)
    }

    /// [`SignQuery::product`], a line at a time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    pub(super) fn product(query: &SignQuery, row: &[Line]) -> i32 {
        let load = |line: &Line| {
            // SAFETY: a line is 64 aligned bytes.
            unsafe { _mm512_load_si512(line.0.as_ptr().cast::<__m512i>()) }
        };
        let mut sum = _mm512_setzero_si512();
        for (line, [one, two, four, sign]) in row.iter().zip(&query.planes) {
            let line = load(line);
            let count = |plane: &Line| _mm512_popcnt_epi64(_mm512_and_si512(line, load(plane)));
            // 1, 2, 4 and −8, by steps of two from the back.
            let high = _mm512_sub_epi64(count(four), _mm512_slli_epi64::<1>(count(sign)));
            let high = _mm512_add_epi64(count(two), _mm512_slli_epi64::<1>(high));
            sum = _mm512_add_epi64(sum, _mm512_add_epi64(count(one), _mm512_slli_epi64::<1>(high)));
        }
        _mm512_reduce_add_epi64(sum) as i32
    }

    /// |b| × (a with b's sign): the byte product wants one unsigned side. Two products of at most
    /// 127 × 127 fit an i16, so nothing saturates.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(a: &[Step], b: &[Step]) -> i32 {
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); 2];
        for (x, y) in a.iter().zip(b) {
            for (half, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a step is 64 aligned bytes; `half` is 0 or 1.
                let (x, y) = unsafe {
                    (
                        _mm256_load_si256(x.0.as_ptr().add(half * 32).cast::<__m256i>()),
                        _mm256_load_si256(y.0.as_ptr().add(half * 32).cast::<__m256i>()),
                    )
                };
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(y), _mm256_sign_epi8(x, y));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        sum(_mm256_add_epi32(sums[0], sums[1]))
    }

    #[target_feature(enable = "avx2")]
    fn sum(eight: __m256i) -> i32 {
        let sum = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
        _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
    }

    /// The byte product wants one unsigned side: b + 128, from which 128 × the sum of a is taken again. Even and odd
    /// steps are summed apart, so that they need not wait for each other.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn vnni(a: &[Step], b: &[Step]) -> i32 {
        let half = _mm512_set1_epi8(-128);
        let (mut sums, mut lift) = ([_mm512_setzero_si512(); 2], _mm512_setzero_si512());
        for (x, y) in a.chunks(2).zip(b.chunks(2)) {
            for ((x, y), sum) in x.iter().zip(y).zip(&mut sums) {
                // SAFETY: a step is 64 aligned bytes.
                let (x, y) = unsafe {
                    (
                        _mm512_load_si512(x.0.as_ptr().cast::<__m512i>()),
                        _mm512_load_si512(y.0.as_ptr().cast::<__m512i>()),
                    )
                };
                *sum = _mm512_dpbusd_epi32(*sum, _mm512_xor_si512(y, half), x);
                lift = _mm512_dpbusd_epi32(lift, half, x);
            }
        }
        let [even, odd] = sums;
        _mm512_reduce_add_epi32(_mm512_sub_epi32(_mm512_add_epi32(even, odd), lift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_equals_the_scalar_one(
            steps in 1usize..8,
            seed in prop::collection::vec(-127i8..=127, 64),
            extreme in any::<bool>(),
        ) {
            let code = |salt: usize| -> Vec<Step> {
                let value = |i: usize| match extreme {
                    true => if (i * salt).is_multiple_of(3) { -127 } else { 127 },
                    false => seed[(i * salt + i / STEP) % STEP],
                };
                (0..steps).map(|step| Step(std::array::from_fn(|at| value(step * STEP + at)))).collect()
            };
            let (a, b) = (code(7), code(11));
            for kernel in Kernel::available() {
                prop_assert_eq!(kernel.dot(&a, &b), scalar(&a, &b), "{:?}", kernel);
                let rows = [b.clone(), a.clone(), b.clone()].concat();
                let mut out = [0; 3];
                kernel.dot_rows(&a, &rows, &mut out);
                prop_assert_eq!(out, [scalar(&a, &b), scalar(&a, &a), scalar(&a, &b)]);
            }
        }
    }

    #[test]
    fn products_with_halves_are_the_same_on_every_cpu() {
        for dims in [1, 31, 32, 100, 384] {
            let query: Vec<f32> = (0..dims).map(|at| (at as f32 * 0.37).sin()).collect();
            let row: Vec<f16> = (0..dims).map(|at| f16::from_f32((at as f32 * 0.73).cos())).collect();
            let product = dot_halves(&query, &row);
            assert_eq!(product.to_bits(), dot_halves_plainly(&query, &row).to_bits());
            let wide: f64 = query.iter().zip(&row).map(|(x, y)| f64::from(*x) * y.to_f64()).sum();
            assert!((f64::from(product) - wide).abs() < 1e-4, "{product} is not {wide}");
        }
    }
}
