//! Groups computed directly over the columns: dense codes per block, one state per aggregate.
//!
//! Leaves places in JSON, many keys and very many groups to the plan. Invariant: answers what the
//! plan answers, sums up to rounding.

use super::states::{Grouped, Part, Sortable, State, is_direct};
use super::{Group, GroupOp, UniqueLists};
use crate::api::Row;
use crate::filter::{Field, Filter, Slot};
use crate::query::kernel::Kernel;
use crate::query::pool;
use crate::view::{Block, Codes, Slab, Snapshot, Values};
use std::cmp::Ordering;
use std::collections::HashMap;

/// Keys whose codes are sure to fit one number together.
const MAX_KEYS: usize = 4;
/// States (groups × outputs, and values of `unique`) kept at once; about 100 bytes each.
const MAX_STATES: usize = 1_000_000;
/// Combined codes looked up in a table; more are hashed.
const MAX_TABLE: usize = 1 << 14;
/// Whole numbers in a range up to this are their own codes.
const MAX_RANGE: f64 = 2_048.0;
const UNSEEN: u32 = u32::MAX;

/// Cost of one output, in comparisons.
const OUTPUT_COST: usize = 3;

/// The groups on a page; `None` when they are left to the plan.
pub(crate) fn direct_groups(
    group: &Group,
    filter: &Filter,
    snapshot: &Snapshot,
    (offset, limit): (usize, usize),
    lists: &mut UniqueLists,
) -> Option<Vec<Row>> {
    if !supports(group) {
        return None;
    }
    let kernel = Kernel::new(filter);
    let slabs: Vec<&Slab> = snapshot.slabs().collect();
    let cost = cost(group, filter, snapshot);
    let shares = pool::shares(cost);
    let shared: Vec<&[&Slab]> = slabs.chunks(slabs.len().div_ceil(shares).max(1)).collect();
    let mut all: Option<Groups<'_>> = None;
    for part in pool::map(cost, &shared, |slabs| groups_of(group, &kernel, slabs)) {
        match &mut all {
            Some(all) => all.merge(part?),
            None => all = Some(part?),
        }
    }
    let mut all = all.unwrap_or_else(|| Groups::new(group));
    if all.too_many() {
        return None;
    }
    if group.keys().next().is_none() {
        // One group, also of no rows.
        all.id_of(&[]);
        all.grow();
    }
    Some(all.rows(group, (offset, limit), lists))
}

fn groups_of<'s>(group: &Group, kernel: &Kernel<'_>, slabs: &[&'s Slab]) -> Option<Groups<'s>> {
    let mut groups = Groups::new(group);
    slabs.iter().try_for_each(|slab| groups.add(group, kernel, slab))?;
    Some(groups)
}

/// What the groups cost, in comparisons.
pub(crate) fn cost(group: &Group, filter: &Filter, snapshot: &Snapshot) -> usize {
    let each = Kernel::new(filter).cost() + group.outputs.len() * OUTPUT_COST;
    snapshot.rows.saturating_mul(each)
}

fn supports(group: &Group) -> bool {
    group.keys().count() <= MAX_KEYS && group.outputs.iter().all(is_direct)
}

/// Groups of some of the rows.
struct Groups<'s> {
    ids: HashMap<Box<[Part<'s>]>, u32>,
    keys: Vec<Box<[Part<'s>]>>,
    /// One per output; those of keys stay empty.
    states: Vec<(GroupOp, State<'s>)>,
}

/// The codes of one key for some rows of a block, and what they stand for.
struct Coded<'s> {
    codes: Vec<u32>,
    parts: Vec<Part<'s>>,
}

impl<'s> Groups<'s> {
    fn new(group: &Group) -> Self {
        let states = group.outputs.iter().map(|output| (output.op, State::new(output.op))).collect();
        Self { ids: HashMap::new(), keys: Vec::new(), states }
    }

    fn id_of(&mut self, key: &[Part<'s>]) -> u32 {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id = u32::try_from(self.keys.len()).unwrap_or(UNSEEN);
        self.keys.push(key.into());
        self.ids.insert(key.into(), id);
        id
    }

    fn grow(&mut self) {
        let groups = self.keys.len();
        for (op, state) in &mut self.states {
            if *op != GroupOp::Key {
                state.grow(groups);
            }
        }
    }

    fn too_many(&self) -> bool {
        let extra: usize = self.states.iter().map(|(_, state)| state.extra()).sum();
        self.keys.len() * self.states.len() + extra > MAX_STATES
    }

    /// Adds the rows of a block; `None` when there are too many groups.
    fn add(&mut self, group: &Group, kernel: &Kernel<'_>, slab: &'s Slab) -> Option<()> {
        let rows: Vec<u32> = kernel.rows(slab).rows().filter_map(|row| u32::try_from(row).ok()).collect();
        if rows.is_empty() {
            return Some(());
        }
        let block: &'s Block = &slab.block;
        let coded: Vec<Coded<'s>> = group.keys().map(|field| code(field, block, &rows)).collect();
        let groups = self.assign(&coded, rows.len());
        self.grow();
        let grouped = Grouped { rows: &rows, groups: &groups };
        for (output, (op, state)) in group.outputs.iter().zip(&mut self.states) {
            if *op != GroupOp::Key {
                state.add(output, block, &grouped);
            }
        }
        (!self.too_many()).then_some(())
    }

    /// The group of each row.
    fn assign(&mut self, coded: &[Coded<'s>], rows: usize) -> Vec<u32> {
        let mut combined = vec![0_u64; rows];
        let mut combinations = 1_u64;
        for key in coded {
            for (sum, code) in combined.iter_mut().zip(&key.codes) {
                *sum += combinations * u64::from(*code);
            }
            combinations = combinations.saturating_mul(key.parts.len() as u64);
        }
        let mut id_of = |mut code: u64| {
            let part = |key: &Coded<'s>| {
                let parts = key.parts.len().max(1) as u64;
                let part = usize::try_from(code % parts).ok().and_then(|at| key.parts.get(at));
                code /= parts;
                part.copied().unwrap_or(Part::Null)
            };
            let key: Vec<Part<'s>> = coded.iter().map(part).collect();
            self.id_of(&key)
        };
        if combinations <= MAX_TABLE as u64 {
            let mut table = vec![UNSEEN; usize::try_from(combinations).unwrap_or(MAX_TABLE)];
            let known = combined.iter().map(|code| {
                let Some(id) = table.get_mut(*code as usize) else { return 0 };
                if *id == UNSEEN {
                    *id = id_of(*code);
                }
                *id
            });
            return known.collect();
        }
        let mut table: HashMap<u64, u32> = HashMap::new();
        combined.iter().map(|code| *table.entry(*code).or_insert_with(|| id_of(*code))).collect()
    }

    fn merge(&mut self, other: Self) {
        let groups: Vec<u32> = other.keys.iter().map(|key| self.id_of(key)).collect();
        self.grow();
        for ((op, mine), (_, state)) in self.states.iter_mut().zip(other.states) {
            if *op != GroupOp::Key {
                mine.merge(state, &groups);
            }
        }
    }

    /// The value of an output for ordering.
    fn part(&self, output: usize, group: usize) -> Part<'s> {
        match self.states.get(output) {
            Some((GroupOp::Key, _)) => {
                let place = self.states.iter().take(output).filter(|(op, _)| *op == GroupOp::Key).count();
                self.keys.get(group).and_then(|key| key.get(place)).copied().unwrap_or(Part::Null)
            }
            Some((op, state)) => state.part(*op, group),
            None => Part::Null,
        }
    }

    fn rows(&self, group: &Group, (offset, limit): (usize, usize), lists: &mut UniqueLists) -> Vec<Row> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        let keys: Vec<usize> = (0..self.states.len())
            .filter(|at| self.states.get(*at).is_some_and(|(op, _)| *op == GroupOp::Key))
            .collect();
        order.sort_by(|a, b| {
            let by_output = group.order.map_or(Ordering::Equal, |(output, descending)| {
                null_last(self.part(output, *a), self.part(output, *b), descending)
            });
            let by_keys = || {
                keys.iter()
                    .map(|key| self.part(*key, *a).cmp(&self.part(*key, *b)))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            };
            by_output.then_with(by_keys)
        });
        let mut rows = Vec::new();
        for at in order.into_iter().skip(offset).take(limit) {
            let mut row = Row::with_capacity(group.outputs.len());
            for (output, (place, (op, state))) in group.outputs.iter().zip(self.states.iter().enumerate()) {
                let value = match op {
                    GroupOp::Key => self.part(place, at).value(),
                    op => state.value(*op, at, lists),
                };
                row.insert(output.name.clone(), value);
            }
            rows.push(row);
        }
        rows
    }
}

fn null_last(a: Part<'_>, b: Part<'_>, descending: bool) -> Ordering {
    match (a, b) {
        (Part::Null, _) | (_, Part::Null) => a.cmp(&b),
        (a, b) if descending => b.cmp(&a),
        (a, b) => a.cmp(&b),
    }
}

/// Codes of a key for some rows of a block.
fn code<'s>(field: &Field, block: &'s Block, rows: &[u32]) -> Coded<'s> {
    let Some(column) = block.column(Slot::values(field.column, field.kind)) else {
        return Coded { codes: vec![0; rows.len()], parts: vec![Part::Null] };
    };
    let is_null = |row: usize| column.nulls().is_some_and(|nulls| nulls.is_null(row));
    match &column.values {
        Values::Words(words) => {
            let mut parts: Vec<Part<'s>> =
                (0..words.len()).map(|code| Part::Text(words.word(code))).collect();
            let null = u32::try_from(parts.len()).unwrap_or(0);
            parts.push(Part::Null);
            let of = |row: u32, code: u32| if is_null(row as usize) { null } else { code };
            let codes = match words.codes() {
                Codes::Narrow(codes) => {
                    pick(codes, rows).map(|(row, code)| of(row, u32::from(code))).collect()
                }
                Codes::Wide(codes) => pick(codes, rows).map(|(row, code)| of(row, u32::from(code))).collect(),
            };
            return Coded { codes, parts };
        }
        Values::Number(numbers) => {
            if let Some(zone) = column.numbers()
                && zone.min.fract() == 0.0
                && zone.max - zone.min <= MAX_RANGE
            {
                // Whole numbers: the distance from the least is the code, the one past the last null.
                let last = (zone.max - zone.min) as u32;
                let mut codes = Vec::with_capacity(rows.len());
                for (row, number) in pick(numbers.values(), rows) {
                    let distance = number - zone.min;
                    let code = distance as u32;
                    if is_null(row as usize) {
                        codes.push(last + 1);
                    } else if f64::from(code) == distance {
                        codes.push(code);
                    } else {
                        break;
                    }
                }
                if codes.len() == rows.len() {
                    let number = |code: u32| Part::Number(Sortable::of(zone.min + f64::from(code)));
                    let parts = (0..=last).map(number).chain([Part::Null]).collect();
                    return Coded { codes, parts };
                }
            }
        }
        Values::Bool(_) | Values::Moment(_) | Values::Text(_) => {}
    }
    let reader = block.reader(field.column, field.kind);
    let mut known: HashMap<Part<'s>, u32> = HashMap::new();
    let mut parts = Vec::new();
    let codes = rows.iter().map(|row| {
        let part = Part::of(&reader, *row as usize);
        *known.entry(part).or_insert_with(|| {
            parts.push(part);
            u32::try_from(parts.len() - 1).unwrap_or(UNSEEN)
        })
    });
    let codes = codes.collect();
    Coded { codes, parts }
}

/// The values of some rows.
fn pick<T: Copy>(values: &[T], rows: &[u32]) -> impl Iterator<Item = (u32, T)> {
    rows.iter().filter_map(|row| Some((*row, *values.get(*row as usize)?)))
}
