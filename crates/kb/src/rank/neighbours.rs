//! Passages near the best ones, in meaning or in words, rise: where several agree the question is answered there.
//!
//! After the cluster hypothesis (van Rijsbergen 1979) and score smoothing over neighbours (Diaz 2005). Invariant:
//! scores stay in 0..=1, and a passage of which no better one is near keeps its place among such.

use super::second::Weighed;
use crate::view::Snapshot;
use quarry_index::{Fused, Wording};
use std::collections::{HashMap, HashSet};

/// What speaking for others does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbours {
    /// Weight of nearness in meaning; up to three times that where the best cosine is sure.
    pub(crate) meaning: f32,
    /// Weight of words in common; down to a fifth of that there.
    pub(crate) words: f32,
    /// Cosine from which passages are near.
    pub(crate) floor: f32,
    /// How fast the say of a passage falls with its score.
    pub(crate) sharp: f32,
}

impl Default for Neighbours {
    /// `docs/RETRIEVAL.md` tells how these were chosen.
    fn default() -> Self {
        Self { meaning: 0.2, words: 0.28, floor: 0.4, sharp: 0.025 }
    }
}

/// Passages that speak for others: the best ones, copies of one another once.
const SPEAKERS: usize = 10;
/// Passages that are spoken for.
const HEARD: usize = 64;

impl Neighbours {
    /// Raises the best of a ranking by what speaks for them; `sure` (0..=1) tells how near in meaning the nearest is.
    /// The order of the rest stays.
    pub(crate) fn raise(&self, snapshot: &Snapshot, ranked: &mut [(Fused, Weighed)], sure: f32) {
        let (meaning, words) = (self.meaning * (1.0 + 2.0 * sure), self.words * (1.0 - 0.8 * sure));
        let most = 1.0 + meaning + words;
        let heard = ranked.len().min(HEARD);
        let (best, rest) = ranked.split_at_mut(heard);
        let speakers = speakers(snapshot, best);
        let Some(top) = speakers.first().and_then(|at| best.get(*at)).map(|(hit, _)| hit.score) else {
            return;
        };
        let say: Vec<f32> = {
            let say =
                |at: &usize| best.get(*at).map_or(0.0, |(hit, _)| ((hit.score - top) / self.sharp).exp());
            let say: Vec<f32> = speakers.iter().map(say).collect();
            let sum: f32 = say.iter().sum();
            say.iter().map(|one| one / sum).collect()
        };
        let ids: Vec<u32> = best.iter().map(|(hit, _)| hit.id).collect();
        let mut bonus = vec![0.0_f32; best.len()];
        for (speaker, say) in speakers.iter().zip(&say) {
            let Some(id) = ids.get(*speaker) else { continue };
            for (bonus, cosine) in bonus.iter_mut().zip(snapshot.vectors.nearness(*id, &ids)) {
                *bonus += meaning * say * ((cosine - self.floor) / (1.0 - self.floor)).max(0.0);
            }
        }
        let wordings: Vec<&Wording> =
            ids.iter().filter_map(|id| snapshot.places.get(id)).map(|place| &place.wording).collect();
        if wordings.len() == ids.len() {
            for (bonus, common) in bonus.iter_mut().zip(in_common(&wordings, &speakers, &say)) {
                *bonus += words * common;
            }
        }
        for ((hit, _), bonus) in best.iter_mut().zip(bonus) {
            hit.score = ((hit.score + bonus) / most).clamp(0.0, 1.0);
        }
        best.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        let lowest = best.last().map_or(1.0, |(hit, _)| hit.score);
        for (hit, _) in rest {
            hit.score = (hit.score / most).clamp(0.0, lowest);
        }
    }
}

/// Places of those that speak.
fn speakers(snapshot: &Snapshot, best: &[(Fused, Weighed)]) -> Vec<usize> {
    let mut texts = HashSet::new();
    let new = |(at, (hit, _)): (usize, &(Fused, Weighed))| {
        snapshot.places.get(&hit.id).filter(|place| texts.insert(place.hash)).map(|_| at)
    };
    best.iter().enumerate().filter_map(new).take(SPEAKERS).collect()
}

/// Cosine of each with the speakers together: words weigh by how few of all these passages hold them.
fn in_common(wordings: &[&Wording], speakers: &[usize], say: &[f32]) -> Vec<f32> {
    let words: Vec<Vec<u32>> = wordings.iter().map(|wording| wording.distinct()).collect();
    let mut holding: HashMap<u32, f32> = HashMap::new();
    for word in words.iter().flatten() {
        *holding.entry(*word).or_default() += 1.0;
    }
    let all = words.len() as f32;
    // From here on what a word is worth.
    holding.values_mut().for_each(|held| *held = (1.0 + (all - *held + 0.5) / (*held + 0.5)).ln());
    let worth = |word: &u32| holding.get(word).copied().unwrap_or(0.0);
    let length = |words: &[u32]| words.iter().map(|word| worth(word).powi(2)).sum::<f32>().sqrt().max(1e-9);
    let mut spoken: HashMap<u32, f32> = HashMap::new();
    for (words, say) in speakers.iter().zip(say).filter_map(|(at, say)| Some((words.get(*at)?, say))) {
        let length = length(words);
        for word in words {
            *spoken.entry(*word).or_default() += say * worth(word) / length;
        }
    }
    let common = |words: &Vec<u32>| {
        let sum: f32 = words.iter().map(|word| worth(word) * spoken.get(word).copied().unwrap_or(0.0)).sum();
        (sum / length(words)).clamp(0.0, 1.0)
    };
    words.iter().map(common).collect()
}
