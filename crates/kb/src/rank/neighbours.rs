//! Passages near the best ones, in meaning or in words, rise: where several agree the question is answered there. The best
//! ones speak for themselves as well.
//!
//! After the cluster hypothesis (van Rijsbergen 1979) and score smoothing over neighbours (Diaz 2005). Invariant:
//! scores stay in 0..=1, and a passage of which no better one is near keeps its place among such.

use super::second::{CLOSELY, Weighed};
use crate::records::TextHash;
use crate::view::Snapshot;
use quarry_index::{Fused, Wording, words_in_common};
use std::collections::HashSet;

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

/// What is known of passages besides their scores.
pub(crate) trait Passages<'p> {
    /// Hash of the text and its words; `None` where the passage is gone.
    fn text(&self, id: u32) -> Option<(TextHash, &'p Wording)>;
    /// Cosines of passages with some of them, which are named by their places.
    fn nearness(&self, to: &[usize], ids: &[u32]) -> Vec<Vec<f32>>;
}

impl<'p> Passages<'p> for &'p Snapshot {
    fn text(&self, id: u32) -> Option<(TextHash, &'p Wording)> {
        self.places.get(id).map(|place| (place.hash, &place.wording))
    }

    fn nearness(&self, to: &[usize], ids: &[u32]) -> Vec<Vec<f32>> {
        self.vectors.nearness(to, ids)
    }
}

impl Neighbours {
    /// Raises the best of a ranking by what speaks for them; `sure` (0..=1) tells how near in meaning the nearest is.
    /// The order of the rest stays.
    pub(crate) fn raise<'p>(&self, passages: impl Passages<'p>, ranked: &mut [(Fused, Weighed)], sure: f32) {
        let (meaning, words) = (self.meaning * (1.0 + 2.0 * sure), self.words * (1.0 - 0.8 * sure));
        let most = 1.0 + meaning + words;
        let (best, rest) = ranked.split_at_mut(ranked.len().min(CLOSELY));
        let ids: Vec<u32> = best.iter().map(|(hit, _)| hit.id).collect();
        let texts: Vec<_> = ids.iter().map(|id| passages.text(*id)).collect();
        let speakers = self.speakers(best, &texts);
        let mut bonus = vec![0.0_f32; best.len()];
        let places: Vec<usize> = speakers.iter().map(|(place, _)| *place).collect();
        for ((_, say), cosines) in speakers.iter().zip(passages.nearness(&places, &ids)) {
            for (bonus, cosine) in bonus.iter_mut().zip(cosines) {
                *bonus += meaning * say * ((cosine - self.floor) / (1.0 - self.floor)).max(0.0);
            }
        }
        let nothing = Wording::default();
        let wordings: Vec<&Wording> =
            texts.iter().map(|text| text.map_or(&nothing, |(_, wording)| wording)).collect();
        for (bonus, common) in bonus.iter_mut().zip(words_in_common(&wordings, &speakers)) {
            *bonus += words * common;
        }
        for ((hit, weighed), bonus) in best.iter_mut().zip(bonus) {
            weighed.neighbours = bonus;
            hit.score = ((hit.score + bonus) / most).clamp(0.0, 1.0);
        }
        best.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
        let lowest = best.last().map_or(1.0, |(hit, _)| hit.score);
        for (hit, _) in rest {
            hit.score = (hit.score / most).clamp(0.0, lowest);
        }
    }

    /// Places of those that speak, with what each has to say: 1 together.
    fn speakers(
        &self,
        best: &[(Fused, Weighed)],
        texts: &[Option<(TextHash, &Wording)>],
    ) -> Vec<(usize, f32)> {
        let mut known = HashSet::new();
        let top = best.first().map_or(0.0, |(hit, _)| hit.score);
        let mut speakers: Vec<(usize, f32)> = best
            .iter()
            .zip(texts)
            .enumerate()
            .filter(|(_, (_, text))| text.is_some_and(|(hash, _)| known.insert(hash)))
            .map(|(place, ((hit, _), _))| (place, ((hit.score - top) / self.sharp).exp()))
            .take(SPEAKERS)
            .collect();
        let sum: f32 = speakers.iter().map(|(_, say)| say).sum();
        speakers.iter_mut().for_each(|(_, say)| *say /= sum);
        speakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passages by id: hash, words, and the direction of their vector.
    struct Texts(Vec<(u8, Wording, f32)>);

    impl<'p> Passages<'p> for &'p Texts {
        fn text(&self, id: u32) -> Option<(TextHash, &'p Wording)> {
            self.0.get(id as usize).map(|(hash, wording, _)| ([*hash; 32], wording))
        }

        fn nearness(&self, to: &[usize], ids: &[u32]) -> Vec<Vec<f32>> {
            let turn = |id: u32| self.0.get(id as usize).map_or(0.0, |(_, _, turn)| *turn);
            let of = |place: &usize| ids.iter().map(|id| (turn(*id) - turn(ids[*place])).cos()).collect();
            to.iter().map(of).collect()
        }
    }

    fn texts(of: &[(u8, &str, f32)]) -> Texts {
        Texts(of.iter().map(|(hash, text, turn)| (*hash, Wording::of("", text), *turn)).collect())
    }

    fn order(texts: &Texts, scores: &[f32], sure: f32) -> Vec<(u32, f32)> {
        let hit = |(id, score): (u32, &f32)| {
            (Fused { id, score: *score, lexical: None, dense: None }, Weighed::default())
        };
        let mut ranked: Vec<_> = (0..).zip(scores).map(hit).collect();
        Neighbours::default().raise(texts, &mut ranked, sure);
        assert!(ranked.iter().all(|(hit, _)| (0.0..=1.0).contains(&hit.score)));
        assert!(ranked.windows(2).all(|pair| pair[0].0.score >= pair[1].0.score), "scores fall");
        ranked.iter().map(|(hit, _)| (hit.id, hit.score)).collect()
    }

    fn ids(order: &[(u32, f32)]) -> Vec<u32> {
        order.iter().map(|(id, _)| *id).collect()
    }

    #[test]
    fn several_that_agree_stand_before_one_alone() {
        let agreeing =
            texts(&[(0, "lamp", 0.0), (1, "oven door", 1.5), (2, "oven door glass", 1.5), (3, "door", 1.5)]);
        assert_eq!(ids(&order(&agreeing, &[0.61, 0.60, 0.60, 0.59], 0.0))[3], 0);
        let far_ahead = order(&agreeing, &[0.80, 0.60, 0.60, 0.59], 0.0);
        assert_eq!(ids(&far_ahead)[0], 0, "what is far behind has nothing to say");
        let apart = texts(&[(0, "lamp", 0.0), (1, "oven", 1.5), (2, "towel", 3.0)]);
        assert_eq!(ids(&order(&apart, &[0.61, 0.60, 0.59], 0.5)), [0, 1, 2]);
    }

    #[test]
    fn copies_speak_once() {
        let copies: Vec<(u8, &str, f32)> =
            [(0, "lamp", 0.0)].into_iter().chain((0..5).map(|_| (1, "oven", 1.5))).collect();
        let scores = [0.61, 0.605, 0.605, 0.605, 0.605, 0.605];
        assert_eq!(ids(&order(&texts(&copies), &scores, 0.0))[0], 0);
        let others: Vec<(u8, &str, f32)> =
            [(0, "lamp", 0.0)].into_iter().chain((1..6).map(|hash| (hash, "oven", 1.5))).collect();
        assert_eq!(ids(&order(&texts(&others), &scores, 0.0))[5], 0);
    }

    #[test]
    fn meaning_and_words_speak_alone_too_and_what_is_gone_is_silent() {
        let by_words = texts(&[(0, "lamp", 0.0), (1, "oven door", 1.6), (2, "oven door", 3.2)]);
        assert_eq!(ids(&order(&by_words, &[0.605, 0.60, 0.60], 0.0))[2], 0);
        let by_meaning = texts(&[(0, "lamp", 0.0), (1, "oven", 1.6), (2, "stove", 1.6)]);
        assert_eq!(ids(&order(&by_meaning, &[0.605, 0.60, 0.60], 1.0))[2], 0);
        let gone = texts(&[]);
        assert_eq!(ids(&order(&gone, &[0.9, 0.8], 0.0)), [0, 1]);
        assert!(order(&gone, &[], 0.0).is_empty());
        let many: Vec<f32> = (0..100).map(|at| 0.9 - at as f32 * 0.005).collect();
        assert_eq!(ids(&order(&gone, &many, 0.3)), (0..100).collect::<Vec<_>>());
    }
}
