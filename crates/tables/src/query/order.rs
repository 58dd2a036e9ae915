//! Orders: the best few of many hits, and one order over JSON values of mixed types.

use super::scan::Hit;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Keeps the first `need` hits of an order: null keys last in both directions, ties by id.
pub(crate) struct Top<K, F> {
    need: usize,
    descending: bool,
    order: F,
    kept: Vec<(Option<K>, Hit)>,
    /// The worst hit worth keeping, once there are enough.
    bound: Option<(Option<K>, Hit)>,
}

impl<K: Clone, F: Fn(&K, &K) -> Ordering> Top<K, F> {
    pub(crate) fn new(need: usize, descending: bool, order: F) -> Self {
        Self { need: need.max(1), descending, order, kept: Vec::new(), bound: None }
    }

    pub(crate) fn push(&mut self, key: Option<K>, hit: Hit) {
        let item = (key, hit);
        if let Some(bound) = &self.bound
            && compare(&self.order, self.descending, &item, bound) != Ordering::Less
        {
            return;
        }
        self.kept.push(item);
        if self.kept.len() >= self.need * 2 + 1_024 {
            self.shrink();
        }
    }

    /// The key of the worst hit worth keeping, once there are enough that have one.
    pub(crate) fn limit(&self) -> Option<&K> {
        self.bound.as_ref()?.0.as_ref()
    }

    /// Drops what can no longer be among the best, when that is much.
    pub(crate) fn tighten(&mut self) {
        if self.kept.len() > self.need + self.need / 4
            || (self.bound.is_none() && self.kept.len() > self.need)
        {
            self.shrink();
        }
    }

    /// Takes over the hits of another walk in the same order.
    pub(crate) fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
    }

    fn shrink(&mut self) {
        if self.kept.len() > self.need {
            let (order, descending) = (&self.order, self.descending);
            self.kept.select_nth_unstable_by(self.need - 1, |a, b| compare(order, descending, a, b));
            self.kept.truncate(self.need);
            self.bound = self.kept.last().cloned();
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Hit> {
        self.shrink();
        let (order, descending) = (&self.order, self.descending);
        self.kept.sort_unstable_by(|a, b| compare(order, descending, a, b));
        self.kept.into_iter().map(|(_, hit)| hit).collect()
    }
}

fn compare<K>(
    order: &impl Fn(&K, &K) -> Ordering,
    descending: bool,
    a: &(Option<K>, Hit),
    b: &(Option<K>, Hit),
) -> Ordering {
    let keys = match (&a.0, &b.0) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if descending => order(b, a),
        (Some(a), Some(b)) => order(a, b),
    };
    keys.then_with(|| a.1.id.cmp(&b.1.id))
}

/// The one value a path leads to: by name in objects, by number in arrays.
pub(crate) fn pick<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match value {
        Value::Object(map) => map.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The sortable text of a place in a JSON text; see [`encode`].
pub(crate) fn sort_text(json: &str, path: &[String]) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    encode(pick(&value, path)?)
}

/// A text that sorts as the value does (booleans, numbers, strings, then the rest) and equals that
/// of an equal value; null has none.
pub(crate) fn encode(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => format!("b{}", u8::from(*flag)),
        Value::Number(number) => {
            let bits = (number.as_f64()? + 0.0).to_bits();
            // Flipping makes the bits of floats sort as unsigned numbers.
            let sortable = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            format!("n{sortable:016x}")
        }
        Value::String(text) => format!("s{text}"),
        other => format!("z{}", canonical(other)),
    })
}

/// The value an encoded text stands for.
pub(crate) fn decode(text: &str) -> Value {
    let rest = text.get(1..).unwrap_or_default();
    match text.as_bytes().first() {
        Some(b'b') => Value::Bool(rest == "1"),
        Some(b'n') => {
            let sortable = u64::from_str_radix(rest, 16).unwrap_or(1 << 63);
            let bits = if sortable >> 63 == 1 { sortable & !(1 << 63) } else { !sortable };
            crate::record::number_value(f64::from_bits(bits))
        }
        Some(b's') => Value::String(rest.to_owned()),
        Some(b'z') => serde_json::from_str(rest).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), canonical(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Number(number) => {
            number.as_f64().map_or(Value::Null, |n| crate::record::number_value(n + 0.0))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn encoded_values_sort_and_decode() {
        let ascending = [
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-2),
            json!(0),
            json!(0.5),
            json!(3),
            json!(1e300),
            json!(""),
            json!("a"),
            json!("b"),
            json!([1, {"a": 2}]),
            json!({"a": 1}),
        ];
        let texts: Vec<String> = ascending.iter().filter_map(encode).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (value, text) in ascending.iter().zip(&texts) {
            assert_eq!(decode(text), *value);
        }
        assert_eq!(encode(&json!({"b": 1, "a": 2.0})), encode(&json!({"a": 2, "b": 1.0})));
        assert_eq!(encode(&json!(-0.0)), encode(&json!(0)));
    }
}
