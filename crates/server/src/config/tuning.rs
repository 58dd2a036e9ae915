//! How searches are tuned: one setting of several figures.
//!
//! Invariant: what is read is written back the same, and a refused value names the setting.

use super::{ConfigError, wrong};
use quarry_kb::SearchTuning;

/// Reads `candidates=100,dense=6,recall=0.99,links=16`; what is not named keeps its default.
pub(crate) fn search(list: Option<&str>) -> Result<SearchTuning, ConfigError> {
    let form = "must look like candidates=100,dense=6,recall=0.99,links=16";
    let mut tuning = SearchTuning::default();
    for part in list.unwrap_or("").split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| wrong("search", format!("{form}; got {part:?}")))?;
        let bad = || wrong("search", format!("{form}; {value:?} is no number"));
        match name.trim() {
            "candidates" => tuning.candidates = value.trim().parse().map_err(|_| bad())?,
            "dense" => tuning.dense_weight = value.trim().parse().map_err(|_| bad())?,
            "recall" => tuning.recall_target = value.trim().parse().map_err(|_| bad())?,
            "links" => tuning.links = value.trim().parse().map_err(|_| bad())?,
            other => return Err(wrong("search", format!("{form}; it has no {other:?}"))),
        }
    }
    tuning.check().map_err(|cause| wrong("search", cause.to_string()))?;
    Ok(tuning)
}

/// As [`search`] reads it.
pub(crate) fn written(tuning: &SearchTuning) -> String {
    let SearchTuning { candidates, dense_weight, recall_target, links } = tuning;
    format!("candidates={candidates},dense={dense_weight},recall={recall_target},links={links}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_wrong_values_are_refused() {
        assert_eq!(search(None).unwrap(), SearchTuning::default());
        let tuning = SearchTuning { candidates: 50, dense_weight: 4.5, recall_target: 0.95, links: 24 };
        assert_eq!(search(Some(&written(&tuning))).unwrap(), tuning);
        assert_eq!(search(Some(" dense = 3 , ")).unwrap().dense_weight, 3.0);
        for bad in
            ["dense", "dense=x", "dense=NaN", "depth=3", "candidates=5", "recall=1", "dense=-1", "links=2"]
        {
            let error = search(Some(bad)).unwrap_err().to_string();
            assert!(error.starts_with("setting search "), "{error}");
        }
    }
}
