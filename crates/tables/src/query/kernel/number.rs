//! Tests on numbers and moments: whole blocks are taken or left by their bounds where possible.

use super::Bits;
use crate::filter::{Bound, Literal, Op, modulo};
use crate::view::Zone;

/// Lists longer than this are searched, not compared item by item.
const SHORT_LIST: usize = 8;

/// An interval of values that pass, both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends<T> {
    pub(crate) low: T,
    pub(crate) high: T,
}

impl<T: Copy + PartialOrd> Ends<T> {
    /// Keeps the rows whose set value lies in between.
    pub(crate) fn keep(self, values: &[T], zone: Option<Zone<T>>, bits: &mut Bits) {
        let Some(zone) = zone else { return bits.clear() };
        if zone.max < self.low || zone.min > self.high {
            return bits.clear();
        }
        match (zone.min >= self.low, zone.max <= self.high) {
            (true, true) => {}
            (true, false) => bits.keep(values, |value| value <= self.high),
            (false, true) => bits.keep(values, |value| value >= self.low),
            (false, false) => bits.keep(values, |value| (value >= self.low) & (value <= self.high)),
        }
    }
}

pub(super) fn keep_numbers(op: &Op, values: &[f64], zone: Option<Zone<f64>>, bits: &mut Bits) {
    let number = |literal: &Literal| match literal {
        Literal::Number(number) => Some(*number),
        _ => None,
    };
    match op {
        Op::Mod { divisor, remainder } => {
            bits.keep_rows(|row| values.get(row).is_some_and(|value| modulo(*value, *divisor, *remainder)));
        }
        op => {
            let (lowest, highest) = (f64::NEG_INFINITY, f64::INFINITY);
            keep_ordered(op, number, (lowest, highest), (f64::next_down, f64::next_up), (values, zone), bits);
        }
    }
}

pub(super) fn keep_moments(op: &Op, values: &[i64], zone: Option<Zone<i64>>, bits: &mut Bits) {
    let moment = |literal: &Literal| match literal {
        Literal::Moment(moment) => Some(moment.as_ms()),
        _ => None,
    };
    let (before, after) = (|value: i64| value.saturating_sub(1), |value: i64| value.saturating_add(1));
    keep_ordered(op, moment, (i64::MIN, i64::MAX), (before, after), (values, zone), bits);
}

/// Equality, comparison and lists, over `values` within `zone`.
fn keep_ordered<T: Copy + PartialOrd>(
    op: &Op,
    literal: impl Fn(&Literal) -> Option<T>,
    (lowest, highest): (T, T),
    (before, after): (impl Fn(T) -> T, impl Fn(T) -> T),
    (values, zone): (&[T], Option<Zone<T>>),
    bits: &mut Bits,
) {
    let ends = match op {
        Op::Equals(wanted) => literal(wanted).map(|value| Ends { low: value, high: value }),
        Op::Compare(bound, limit) => literal(limit).and_then(|limit| match bound {
            // Nothing is less than the least value nor greater than the greatest.
            Bound::Less => (limit > lowest).then(|| Ends { low: lowest, high: before(limit) }),
            Bound::Greater => (limit < highest).then(|| Ends { low: after(limit), high: highest }),
            Bound::LessOrEqual => Some(Ends { low: lowest, high: limit }),
            Bound::GreaterOrEqual => Some(Ends { low: limit, high: highest }),
        }),
        Op::In(list) => return keep_listed(list.iter().filter_map(literal).collect(), values, zone, bits),
        _ => None,
    };
    match ends {
        Some(ends) if ends.low == ends.high => {
            if zone.is_none_or(|zone| ends.low < zone.min || ends.low > zone.max) {
                return bits.clear();
            }
            bits.keep(values, |value| value == ends.low);
        }
        Some(ends) => ends.keep(values, zone, bits),
        None => bits.clear(),
    }
}

fn keep_listed<T: Copy + PartialOrd>(mut list: Vec<T>, values: &[T], zone: Option<Zone<T>>, bits: &mut Bits) {
    list.retain(|value| zone.is_some_and(|zone| *value >= zone.min && *value <= zone.max));
    if list.is_empty() {
        return bits.clear();
    }
    if list.len() <= SHORT_LIST {
        return bits.keep(values, |value| list.iter().fold(false, |hit, one| hit | (*one == value)));
    }
    // Neither rows nor literals hold NaN, so the order is total.
    list.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let order = |one: &T, value: T| one.partial_cmp(&value).unwrap_or(std::cmp::Ordering::Equal);
    bits.keep_rows(|row| {
        values.get(row).is_some_and(|value| list.binary_search_by(|one| order(one, *value)).is_ok())
    });
}
