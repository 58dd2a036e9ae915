//! Why a passage stands where it stands, for people and tuning.

use super::second::Weighed;
use crate::view::Snapshot;
use quarry_index::{Fused, Plan, QueryWords};
use serde_json::{Map, Value, json};

/// What the stages saw of one passage.
pub(crate) fn explain(
    snapshot: &Snapshot,
    words: &QueryWords,
    plan: Plan,
    hit: &Fused,
    of: &Weighed,
) -> Value {
    let leg = |leg: Option<(usize, f32)>| leg.map(|(rank, score)| json!({"rank": rank, "score": score}));
    let held = snapshot.places.get(hit.id).map(|place| words.held(&place.wording)).unwrap_or_default();
    let terms: Map<String, Value> =
        held.into_iter().map(|(word, worth)| (word.to_owned(), worth.into())).collect();
    json!({
        "lexical": leg(hit.lexical),
        "dense": leg(hit.dense),
        "second": {
            "lexical": of.lexical,
            "cosine": of.cosine,
            "adjacent": of.evidence.adjacent,
            "sentence": of.evidence.sentence,
            "covered": of.evidence.covered,
            "neighbours": of.neighbours,
            "tokens": of.tokens.map(|tokens| json!({"matched": tokens.whole, "weakest": tokens.weakest})),
        },
        "terms": terms,
        "plan": plan_of(plan),
    })
}

fn plan_of(plan: Plan) -> Value {
    match plan {
        Plan::Exact { candidates } => json!({"vectors": "exact", "candidates": candidates}),
        Plan::Graph { candidates, breadth, delta, .. } => json!({
            "vectors": "graph", "candidates": candidates, "breadth": breadth, "unindexed": delta,
        }),
    }
}
