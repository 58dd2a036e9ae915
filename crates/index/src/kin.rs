//! How like in words passages are to a few of them.

use crate::Wording;
use crate::wording::BREAK;

/// For each passage its cosines with the speakers (places in the list, and what each has to say), summed by what they
/// say: over different words, each worth the more the fewer of these passages hold it. In 0..=1 when all they say is 1.
#[must_use]
pub fn words_in_common(passages: &[&Wording], speakers: &[(usize, f32)]) -> Vec<f32> {
    let words = Words::of(passages);
    // One logarithm for each count, not for each word.
    let all = passages.len() as f32;
    let rarity = |held: f32| (1.0 + (all - held + 0.5) / (held + 0.5)).ln();
    let by_count: Vec<f32> = (0..=passages.len()).map(|held| rarity(held as f32)).collect();
    let worth: Vec<f32> =
        words.held.iter().map(|held| by_count.get(*held as usize).copied().unwrap_or(0.0)).collect();
    let worth_of = |word: u32| worth.get(word as usize).copied().unwrap_or(0.0);
    let length = |words: &[u32]| {
        words.iter().map(|word| worth_of(*word).powi(2)).sum::<f32>().sqrt().max(f32::EPSILON)
    };
    let mut said = vec![0.0_f32; worth.len()];
    for (speaker, say) in speakers {
        let spoken = words.passage(*speaker);
        let say = say / length(spoken);
        for word in spoken {
            if let Some(said) = said.get_mut(*word as usize) {
                *said += say * worth_of(*word);
            }
        }
    }
    let with = |passage: usize| {
        let held = words.passage(passage);
        let shared = |word: &u32| said.get(*word as usize).copied().unwrap_or(0.0) * worth_of(*word);
        (held.iter().map(shared).sum::<f32>() / length(held)).clamp(0.0, 1.0)
    };
    (0..passages.len()).map(with).collect()
}

/// The different words of some passages, numbered as they are met.
struct Words {
    /// Those of one passage after another.
    listed: Vec<u32>,
    /// Where those of each passage end.
    ends: Vec<usize>,
    /// How many passages hold each.
    held: Vec<u32>,
}

impl Words {
    fn of(passages: &[&Wording]) -> Self {
        let most: usize = passages.iter().map(|passage| passage.codes().len()).sum();
        // An open table of codes with their numbers, a power of two long and never more than two thirds full.
        let mut table = vec![(BREAK, 0_u32); (most + most / 2).next_power_of_two().max(2)];
        let last = table.len() - 1;
        let mut words = Self { listed: Vec::with_capacity(most), ends: Vec::new(), held: Vec::new() };
        // The passage each word was met in last.
        let mut met: Vec<usize> = Vec::new();
        for (turn, passage) in passages.iter().enumerate() {
            for code in passage.codes().iter().filter(|code| **code != BREAK) {
                let mut at = (code.wrapping_mul(0x9E37_79B9) >> 7) as usize & last;
                while let Some((there, number)) = table.get_mut(at) {
                    if *there == BREAK {
                        (*there, *number) = (*code, met.len() as u32);
                        met.push(usize::MAX);
                        words.held.push(0);
                    }
                    if there == code {
                        let number = *number;
                        if let (Some(met), Some(held)) =
                            (met.get_mut(number as usize), words.held.get_mut(number as usize))
                            && *met != turn
                        {
                            *met = turn;
                            *held += 1;
                            words.listed.push(number);
                        }
                        break;
                    }
                    at = (at + 1) & last;
                }
            }
            words.ends.push(words.listed.len());
        }
        words
    }

    /// The words of a passage; none where there is no such passage.
    fn passage(&self, at: usize) -> &[u32] {
        let from = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let words = from.zip(self.ends.get(at)).and_then(|(from, end)| self.listed.get(from..*end));
        words.unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn common(texts: &[&str], speakers: &[(usize, f32)]) -> Vec<f32> {
        let wordings: Vec<Wording> = texts.iter().map(|text| Wording::of("", text)).collect();
        words_in_common(&wordings.iter().collect::<Vec<_>>(), speakers)
    }

    #[test]
    fn shared_rare_words_count_most() {
        let texts =
            ["oven door oven glass. Oven!", "red lamp", "oven glass", "oven red door", "oven lamp steel", ""];
        let near = common(&texts, &[(0, 0.75), (1, 0.25)]);
        assert!((near[0] - 0.75).abs() < 1e-6 && (near[1] - 0.25).abs() < 1e-6, "{near:?}");
        assert!(near[2] > near[3] && near[3] > near[4], "{near:?}");
        assert_eq!(near[5], 0.0);
        assert_eq!(common(&texts, &[]), [0.0; 6]);
        assert_eq!(common(&texts, &[(9, 1.0)]), [0.0; 6], "a speaker that is not there says nothing");
        assert!(common(&[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn they_are_the_cosines_of_the_plain_way(texts in prop::collection::vec("([a-f]{1,2} ){0,20}", 1..8)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let words: Vec<Vec<u32>> = texts.iter().map(|text| Wording::of("", text).distinct()).collect();
            let all = texts.len() as f32;
            let worth = |word: &u32| {
                let held = words.iter().filter(|words| words.contains(word)).count() as f32;
                (1.0 + (all - held + 0.5) / (held + 0.5)).ln()
            };
            let length = |words: &Vec<u32>| words.iter().map(|word| worth(word).powi(2)).sum::<f32>().sqrt();
            let near = common(&texts, &[(0, 1.0)]);
            for (of, near) in words.iter().zip(near) {
                let both: f32 = of.iter().filter(|word| words[0].contains(word)).map(|word| worth(word).powi(2)).sum();
                let wanted = if both > 0.0 { both / (length(of) * length(&words[0])) } else { 0.0 };
                prop_assert!((near - wanted).abs() < 1e-3, "{} {}", near, wanted);
            }
        }
    }
}
