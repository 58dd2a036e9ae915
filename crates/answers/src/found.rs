//! What documents and tables gave for one question, and which of them answers.

use crate::rows::RowsAnswer;
use quarry_kb::{Answer, Excerpt, LEAST_CONFIDENCE};

/// Least confidence of an answer from a table; from documents [`LEAST_CONFIDENCE`].
pub(crate) const LEAST_ROWS: f32 = 0.5;
/// A reading of a table this sure is not outdone by sentences.
const SURE: f32 = 0.85;

/// What was found for a question.
pub(crate) struct Found {
    pub(crate) documents: Option<Answer>,
    pub(crate) rows: Option<RowsAnswer>,
}

impl Found {
    pub(crate) fn excerpts(&self) -> &[Excerpt] {
        self.documents.as_ref().map_or(&[], |answer| answer.excerpts.as_slice())
    }

    /// Whether the rows answer better than the documents; `least` = the confidence asked for.
    pub(crate) fn prefers_rows(&self, least: Option<f32>) -> bool {
        let Some(rows) = &self.rows else { return false };
        let responded = self.documents.as_ref().filter(|answer| answer.responded);
        let documents = self.documents.as_ref().map_or(0.0, |answer| answer.confidence);
        let enough = responded.is_some() && documents >= least.unwrap_or(LEAST_CONFIDENCE);
        prefers_rows(rows.confidence, documents, enough, least)
    }

    /// Whether there is an answer that is sure enough to be given as it stands; `least` as above.
    pub(crate) fn answers(&self, least: Option<f32>) -> bool {
        let rows = self.rows.as_ref().is_some_and(|rows| rows.confidence >= least.unwrap_or(LEAST_ROWS));
        let documents = self.documents.as_ref().filter(|answer| answer.responded);
        rows || documents.is_some_and(|answer| answer.confidence >= least.unwrap_or(LEAST_CONFIDENCE))
    }

    pub(crate) fn evidence(&self) -> f32 {
        let documents = self.documents.as_ref().map_or(0.0, |answer| answer.confidence);
        self.rows.as_ref().map_or(documents, |rows| documents.max(rows.confidence))
    }
}

/// [`Found::prefers_rows`] by the confidences; `enough` = the documents meet their bound.
fn prefers_rows(rows: f32, documents: f32, enough: bool, least: Option<f32>) -> bool {
    let better = rows >= SURE || (rows >= LEAST_ROWS && rows >= documents);
    better && (rows >= least.unwrap_or(LEAST_ROWS) || !enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_below_the_bound_give_way_to_documents_that_meet_it() {
        assert!(prefers_rows(0.87, 0.95, true, None));
        assert!(!prefers_rows(0.87, 0.95, true, Some(0.9)));
        assert!(prefers_rows(0.87, 0.8, false, Some(0.9)));
        assert!(!prefers_rows(0.6, 0.7, true, None) && prefers_rows(0.7, 0.6, true, None));
    }
}
