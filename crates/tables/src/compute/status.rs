//! How the states of computed values look in wire rows.

use crate::record::{ComputeState, Computed};
use crate::schema::{Column, ColumnId};
use serde_json::{Map, Value};

/// A computed column as rows show it.
#[derive(Debug)]
pub(crate) struct Watched {
    name: String,
    column: ColumnId,
    rule: u32,
    by: Value,
}

impl Watched {
    /// The computed columns among some.
    pub(crate) fn of(columns: &[Column]) -> Vec<Self> {
        let watched = |column: &Column| {
            let by = column.computed()?.get("action").cloned().unwrap_or_default();
            Some(Self { name: column.name.clone(), column: column.id, rule: column.rule, by })
        };
        columns.iter().filter_map(watched).collect()
    }

    /// Adds `computed`, and `stale` when something waits.
    pub(crate) fn insert(row: &mut Map<String, Value>, watched: &[Self], states: &[(ColumnId, Computed)]) {
        let mut computed = Map::new();
        let mut stale: Vec<Value> = Vec::new();
        for one in watched {
            let found = states.iter().find(|(column, _)| *column == one.column).map(|(_, state)| state);
            let current = found.filter(|state| state.rule == one.rule);
            let mut shown = Map::new();
            let word = match current.map(|state| state.state) {
                None | Some(ComputeState::Stale) => {
                    stale.push(one.name.as_str().into());
                    "stale"
                }
                Some(ComputeState::Done) => "computed",
                Some(ComputeState::Failed) => "error",
            };
            shown.insert("status".into(), word.into());
            if let Some(state) = current {
                if let Some(error) = &state.error {
                    shown.insert("error".into(), error.as_ref().into());
                }
                if state.state != ComputeState::Stale {
                    shown.insert("updatedBy".into(), one.by.clone());
                }
                shown.insert("updatedAt".into(), state.at.to_string().into());
            }
            computed.insert(one.name.clone(), shown.into());
        }
        row.insert("computed".into(), computed.into());
        if !stale.is_empty() {
            row.insert("stale".into(), stale.into());
        }
    }
}
