//! Quota arithmetic: the only place a counter changes.
//!
//! Knows nothing of what is counted. Invariant: a refused change leaves every counter as it was,
//! and no counter goes below zero.

use crate::record::QuotaDelta;
use quarry_types::{Counter, QuotaRefusal, Usage};

/// The counters after all `deltas`, or the refusal of the first counter that would pass its limit.
///
/// Deltas of one counter are netted first, so a commit that retires an old generation while it
/// publishes a new one needs room for the difference only. Of several limits the lowest counts.
pub(crate) fn apply(usage: &Usage, deltas: &[QuotaDelta]) -> Result<Usage, QuotaRefusal> {
    let mut after = *usage;
    for counter in Counter::ALL {
        let of_counter = || deltas.iter().filter(|change| change.counter == counter);
        let net: i128 = of_counter().map(|change| i128::from(change.delta)).sum();
        let used = usage.get(counter);
        if net > 0 {
            let raising = of_counter().filter(|change| change.delta > 0);
            let limit = raising.map(|change| change.limit).min().unwrap_or(u64::MAX);
            if i128::from(used) + net > i128::from(limit) {
                let needed = u64::try_from(net).unwrap_or(u64::MAX);
                return Err(QuotaRefusal { counter, used, limit, needed });
            }
        }
        let wanted = i128::from(used) + net;
        if wanted < 0 {
            tracing::error!(%counter, used, released = %-net, "more released than was used; a recount is due");
        }
        *after.get_mut(counter) = u64::try_from(wanted.max(0)).unwrap_or(u64::MAX);
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn change(counter: Counter, delta: i64, limit: u64) -> QuotaDelta {
        QuotaDelta { counter, delta, limit }
    }

    #[test]
    fn a_refusal_names_used_limit_and_needed() {
        let usage = Usage { vectors: 90, ..Usage::default() };
        let refusal = apply(&usage, &[change(Counter::Vectors, 11, 100)]).unwrap_err();
        assert_eq!(refusal, QuotaRefusal { counter: Counter::Vectors, used: 90, limit: 100, needed: 11 });
        assert_eq!(apply(&usage, &[change(Counter::Vectors, 10, 100)]).unwrap().vectors, 100);
    }

    #[test]
    fn one_refused_counter_refuses_all() {
        let deltas = [change(Counter::StorageBytes, 5, 100), change(Counter::TableRows, 2, 1)];
        assert_eq!(apply(&Usage::default(), &deltas).unwrap_err().counter, Counter::TableRows);
    }

    #[test]
    fn releases_pass_over_the_limit_and_net_with_raises() {
        let full = Usage { storage_bytes: 500, ..Usage::default() };
        assert_eq!(apply(&full, &[change(Counter::StorageBytes, -100, 0)]).unwrap().storage_bytes, 400);
        let swap = [change(Counter::StorageBytes, 300, 100), change(Counter::StorageBytes, -350, 0)];
        assert_eq!(apply(&full, &swap).unwrap().storage_bytes, 450);
    }

    #[test]
    fn counters_stop_at_zero() {
        let usage = Usage { table_rows: 3, ..Usage::default() };
        assert_eq!(apply(&usage, &[change(Counter::TableRows, -10, 0)]).unwrap().table_rows, 0);
        assert_eq!(apply(&usage, &[change(Counter::TableRows, i64::MIN, 0)]).unwrap().table_rows, 0);
    }
}
