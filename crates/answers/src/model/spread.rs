//! Which passages a language model sees first.

use std::collections::HashMap;
use std::hash::Hash;

/// Passages of a file that stand before those of other files, at most.
const FROM_ONE_FILE: usize = 4;
/// A passage is put forward when its score is at least this share of the best.
const NEARLY_AS_GOOD: f32 = 0.6;

/// Puts passages of other files before the fifth and further ones of a file, when they are nearly as good
/// as the best; all else stays in order.
pub(crate) fn spread<T, F: Eq + Hash>(found: Vec<T>, file_and_score: impl Fn(&T) -> (F, f32)) -> Vec<T> {
    let best = found.first().map_or(0.0, |first| file_and_score(first).1);
    let mut taken: HashMap<F, usize> = HashMap::new();
    let (mut first, mut later, mut weak) = (Vec::new(), Vec::new(), Vec::new());
    for one in found {
        let (file, score) = file_and_score(&one);
        let count = taken.entry(file).or_insert(0);
        *count += 1;
        match (*count > FROM_ONE_FILE, score >= NEARLY_AS_GOOD * best) {
            (false, true) => first.push(one),
            (true, true) => later.push(one),
            (_, false) => weak.push(one),
        }
    }
    first.extend(later);
    first.extend(weak);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_does_not_take_all_places() {
        let found: Vec<(char, f32)> =
            [('a', 0.9), ('a', 0.88), ('a', 0.86), ('a', 0.84), ('a', 0.82), ('b', 0.8), ('c', 0.3)].into();
        let spread: Vec<f32> = spread(found, |one| *one).into_iter().map(|(_, score)| score).collect();
        assert_eq!(spread, [0.9, 0.88, 0.86, 0.84, 0.8, 0.82, 0.3]);
    }
}
