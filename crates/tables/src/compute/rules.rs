//! All rules of a table in the order of their dependencies, and what a row's states mean by them.
//!
//! Invariant: a rule comes after every rule it depends on.

use super::rule::{self, Action, Spec};
use crate::record::{ComputeState, Computed, StoredRow};
use crate::schema::{Column, ColumnId};
use quarry_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where a row's value of a computed column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Done,
    Failed,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) column: ColumnId,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) action: Action,
    pub(crate) dependencies: Vec<ColumnId>,
    /// Dependencies, theirs, and so on.
    inputs: BTreeSet<ColumnId>,
}

impl Rule {
    pub(crate) fn standing(&self, states: &[(ColumnId, Computed)]) -> Standing {
        let found = states.binary_search_by_key(&self.column, |(column, _)| *column).ok();
        match found.and_then(|at| states.get(at)) {
            Some((_, state)) if state.rule == self.version => match state.state {
                ComputeState::Stale => Standing::Waiting,
                ComputeState::Done => Standing::Done,
                ComputeState::Failed => Standing::Failed,
            },
            // Never computed, or by an older rule.
            _ => Standing::Waiting,
        }
    }
}

/// What can be done for a waiting value now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    Compute,
    /// This column, a dependency, has failed.
    Blocked(ColumnId),
}

/// The rules of one table.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// Differs between sets of rules by which rows may stand differently.
    pub(crate) mark: u64,
}

impl Rules {
    pub(crate) fn of(columns: &[Column]) -> Self {
        let mut specs: Vec<Option<Spec>> = columns
            .iter()
            .map(|column| match rule::spec(column, columns) {
                Ok(spec) => spec,
                Err(problem) => {
                    Some(Spec { action: Action::Broken(problem), dependencies: Vec::new(), open: false })
                }
            })
            .collect();
        while let Some(path) = circle(columns, &specs) {
            for (_, spec) in columns.iter().zip(&mut specs).filter(|(column, _)| path.contains(&column.id)) {
                let action = Action::Broken("it depends on itself".into());
                *spec = Some(Spec { action, dependencies: Vec::new(), open: false });
            }
        }
        let mut waiting: Vec<(&Column, Spec)> =
            columns.iter().zip(specs).filter_map(|(column, spec)| Some((column, spec?))).collect();
        let mut rules: Vec<Rule> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let computed: BTreeSet<ColumnId> = waiting.iter().map(|(column, _)| column.id).collect();
            let (free, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|(_, spec)| !spec.dependencies.iter().any(|id| computed.contains(id)));
            if free.is_empty() {
                break;
            }
            for (column, spec) in free {
                let mut inputs: BTreeSet<ColumnId> = spec.dependencies.iter().copied().collect();
                for earlier in rules.iter().filter(|earlier| spec.dependencies.contains(&earlier.column)) {
                    inputs.extend(&earlier.inputs);
                }
                rules.push(Rule {
                    column: column.id,
                    name: column.name.clone(),
                    version: column.rule,
                    action: spec.action,
                    dependencies: spec.dependencies,
                    inputs,
                });
            }
            waiting = later;
        }
        let mut hasher = DefaultHasher::new();
        let mut versions: Vec<(u32, u32)> = rules.iter().map(|rule| (rule.column.0, rule.version)).collect();
        versions.sort_unstable();
        versions.hash(&mut hasher);
        Self { rules, mark: hasher.finish() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(crate) fn get(&self, column: ColumnId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.column == column)
    }

    /// Whether a row with these states waits for any value.
    pub(crate) fn waits(&self, states: &[(ColumnId, Computed)]) -> bool {
        self.rules.iter().any(|rule| rule.standing(states) == Standing::Waiting)
    }

    /// The waiting values whose dependencies are all settled.
    pub(crate) fn ready<'r>(
        &'r self,
        states: &'r [(ColumnId, Computed)],
    ) -> impl Iterator<Item = (&'r Rule, Ready)> {
        let ready = |rule: &'r Rule| {
            if rule.standing(states) != Standing::Waiting {
                return None;
            }
            let mut ready = Ready::Compute;
            for dependency in rule.dependencies.iter().filter_map(|id| self.get(*id)) {
                match dependency.standing(states) {
                    Standing::Waiting => return None,
                    Standing::Failed => ready = Ready::Blocked(dependency.column),
                    Standing::Done => {}
                }
            }
            Some((rule, ready))
        };
        self.rules.iter().filter_map(ready)
    }

    /// Makes what hangs on changed columns wait again, and forgets states without a rule.
    pub(crate) fn touch(&self, row: &mut StoredRow, changed: &[ColumnId], now: Timestamp) {
        if row.computed.is_empty() {
            return;
        }
        row.computed.retain(|(column, _)| self.get(*column).is_some());
        for rule in &self.rules {
            if rule.standing(&row.computed) == Standing::Waiting
                || !changed.iter().any(|column| rule.inputs.contains(column))
            {
                continue;
            }
            let state = Computed { state: ComputeState::Stale, rule: rule.version, at: now, error: None };
            row.set_computed(rule.column, state);
        }
    }
}

/// The columns of a circle of dependencies, its first one repeated at the end.
pub(crate) fn circle(columns: &[Column], specs: &[Option<Spec>]) -> Option<Vec<ColumnId>> {
    let edges: BTreeMap<ColumnId, &[ColumnId]> = columns
        .iter()
        .zip(specs)
        .filter_map(|(column, spec)| Some((column.id, spec.as_ref()?.dependencies.as_slice())))
        .collect();
    let mut clear = BTreeSet::new();
    for start in edges.keys() {
        // Depth first without recursion: the path, and how many edges of each step were followed.
        let mut path: Vec<(ColumnId, usize)> = vec![(*start, 0)];
        while let Some((column, followed)) = path.last_mut() {
            let next = edges.get(column).and_then(|edges| edges.get(*followed)).copied();
            *followed += 1;
            match next {
                None => {
                    clear.insert(*column);
                    path.pop();
                }
                Some(next) if clear.contains(&next) || !edges.contains_key(&next) => {}
                Some(next) => {
                    if let Some(at) = path.iter().position(|(column, _)| *column == next) {
                        let found = path.iter().skip(at).map(|(column, _)| *column);
                        return Some(found.chain([next]).collect());
                    }
                    path.push((next, 0));
                }
            }
        }
    }
    None
}
