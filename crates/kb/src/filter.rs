//! Tag filters: every named tag must match its rule.

use crate::Tags;
use std::collections::BTreeMap;

/// What one tag must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagRule {
    /// One of these values.
    pub any_of: Option<Vec<String>>,
    /// None of these values; a file without the tag passes.
    pub none_of: Vec<String>,
    /// Present, or absent.
    pub exists: Option<bool>,
}

impl TagRule {
    /// Exactly this value.
    #[must_use]
    pub fn equals(value: &str) -> Self {
        Self { any_of: Some(vec![value.to_owned()]), ..Self::default() }
    }

    fn matches(&self, value: Option<&String>) -> bool {
        let wanted = match (&self.any_of, value) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(any_of), Some(value)) => any_of.contains(value),
        };
        let refused = value.is_some_and(|value| self.none_of.contains(value));
        let presence = self.exists.is_none_or(|exists| exists == value.is_some());
        wanted && !refused && presence
    }
}

/// Rules by tag name, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFilter(pub BTreeMap<String, TagRule>);

impl TagFilter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether these tags pass.
    #[must_use]
    pub fn matches(&self, tags: &Tags) -> bool {
        self.0.iter().all(|(name, rule)| rule.matches(tags.get(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_together() {
        let tags = Tags::from([("a".into(), "x".into()), ("b".into(), "y".into())]);
        let check =
            |name: &str, rule: TagRule| TagFilter(BTreeMap::from([(name.to_owned(), rule)])).matches(&tags);
        let not = |v: &str| TagRule { none_of: vec![v.into()], ..TagRule::default() };
        let exists = |e| TagRule { exists: Some(e), ..TagRule::default() };
        assert!(check("a", TagRule::equals("x")) && !check("a", TagRule::equals("y")));
        assert!(!check("c", TagRule::equals("x")));
        assert!(check("a", not("y")) && !check("a", not("x")) && check("c", not("x")));
        assert!(check("a", exists(true)) && !check("a", exists(false)) && check("c", exists(false)));
        let both = TagFilter(BTreeMap::from([("a".into(), TagRule::equals("x")), ("b".into(), not("y"))]));
        assert!(!both.matches(&tags));
        assert!(TagFilter::default().matches(&tags));
    }
}
