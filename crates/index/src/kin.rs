//! How like in words passages are to a few of them.

use crate::Wording;
use crate::wording::BREAK;

/// For each passage its cosines with the speakers (places in the list, and what each has to say), summed by what they
/// say: over different words, each worth the more the fewer of these passages hold it. In 0..=1 when all they say is 1.
#[must_use]
pub fn words_in_common(passages: &[&Wording], speakers: &[(usize, f32)]) -> Vec<f32> {
    let mut words = Words::for_so_many(passages.iter().map(|passage| passage.codes().len()).sum());
    for passage in passages {
        words.each(passage, |word| word.worth += 1.0);
    }
    let all = passages.len() as f32;
    for word in &mut words.slots {
        word.worth = (1.0 + (all - word.worth + 0.5) / (word.worth + 0.5)).ln();
    }
    for (speaker, say) in speakers {
        let Some(passage) = passages.get(*speaker) else { continue };
        let mut square = 0.0;
        words.each(passage, |word| square += word.worth * word.worth);
        let say = say / square.sqrt().max(f32::EPSILON);
        words.each(passage, |word| word.said += say * word.worth);
    }
    let with = |passage: &&Wording| {
        let (mut shared, mut square) = (0.0_f32, 0.0_f32);
        words.each(passage, |word| {
            shared += word.worth * word.said;
            square += word.worth * word.worth;
        });
        (shared / square.sqrt().max(f32::EPSILON)).clamp(0.0, 1.0)
    };
    passages.iter().map(with).collect()
}

/// An open table of words, a power of two long and never more than half full.
struct Words {
    slots: Vec<Word>,
    turn: u32,
}

#[derive(Clone, Copy, Default)]
struct Word {
    /// [`BREAK`] where nothing is.
    code: u32,
    /// The passage that was met with it last.
    turn: u32,
    /// How many passages hold it, then its worth.
    worth: f32,
    /// What the speakers say of it.
    said: f32,
}

impl Words {
    fn for_so_many(words: usize) -> Self {
        Self { slots: vec![Word::default(); (2 * words).next_power_of_two().max(2)], turn: 0 }
    }

    /// Shows each different word of a passage once.
    fn each(&mut self, passage: &Wording, mut see: impl FnMut(&mut Word)) {
        self.turn += 1;
        let last = self.slots.len() - 1;
        for code in passage.codes().iter().filter(|code| **code != BREAK) {
            let mut at = (code.wrapping_mul(0x9E37_79B9) >> 7) as usize & last;
            while let Some(word) = self.slots.get_mut(at) {
                if word.code == BREAK {
                    word.code = *code;
                }
                if word.code == *code {
                    if word.turn != self.turn {
                        word.turn = self.turn;
                        see(word);
                    }
                    break;
                }
                at = (at + 1) & last;
            }
        }
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
