//! One column's rule as the schema carries it: read, checked, numbered, kept through renames.
//!
//! Invariant: [`settle`] gives a rule a new version exactly when its values may differ from before.

use crate::Error;
use crate::schema::{Column, ColumnId, Schema};
use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::sync::OnceLock;

const MAX_MODEL_CHARS: usize = 80;
const MAX_WORKFLOW_CHARS: usize = 20;

/// How values of a column come about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Code(Option<String>),
    Ai(Option<String>, ModelName),
    Workflow(Option<String>),
    /// A rule that an older version let through.
    Broken(String),
}

/// The model a column asks for; `None` = the operator's.
pub(crate) type ModelName = Option<String>;

/// A rule without its place in the order: what it does, and the columns it is computed from.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) action: Action,
    /// Ascending.
    pub(crate) dependencies: Vec<ColumnId>,
    /// Neither said nor seen: all plain columns are.
    pub(crate) open: bool,
}

impl Spec {
    /// Whether values made by `old` are values of this rule.
    fn keeps(&self, old: &Self) -> bool {
        if self.action != old.action {
            return false;
        }
        if self.open && old.open {
            // A new column has no values yet; it counts when it gets some.
            return old.dependencies.iter().all(|column| self.dependencies.contains(column));
        }
        self.dependencies == old.dependencies
    }
}

/// `row.name`, `row?.name`, `row['name']` (also with `"` and backquotes) in code.
fn reads() -> &'static Regex {
    static READS: OnceLock<Regex> = OnceLock::new();
    READS.get_or_init(|| {
        let text = r#"\brow\s*(?:(?:\?\.|\.)\s*(?<name>[A-Za-z_$][A-Za-z0-9_$]*)|(?:\?\.)?\[\s*(?:'(?<single>[^'\\]*)'|"(?<double>[^"\\]*)"|`(?<back>[^`\\$]*)`)\s*\])"#;
        Regex::new(text).expect("the pattern is fixed")
    })
}

/// `{{name}}` in prompts.
pub(crate) fn places() -> &'static Regex {
    static PLACES: OnceLock<Regex> = OnceLock::new();
    PLACES.get_or_init(|| Regex::new(r"\{\{\s*([^{}]+?)\s*\}\}").expect("the pattern is fixed"))
}

fn read_name<'c>(found: &Captures<'c>) -> Option<&'c str> {
    ["name", "single", "double", "back"].iter().find_map(|group| found.name(group)).map(|name| name.as_str())
}

/// A column, or one of the row's own fields, by name.
pub(crate) fn find(columns: &[Column], name: &str) -> Option<ColumnId> {
    match name {
        "id" => Some(ColumnId::ID),
        "createdAt" => Some(ColumnId::CREATED_AT),
        "updatedAt" => Some(ColumnId::UPDATED_AT),
        _ => columns.iter().find(|column| column.name == name).map(|column| column.id),
    }
}

/// Reads the rule of a column; `None` when it has none that is switched on.
///
/// # Errors
/// What is wrong with the rule, for whoever sent the schema.
pub(crate) fn spec(column: &Column, columns: &[Column]) -> Result<Option<Spec>, String> {
    let Some(given) = column.zui.get("computed") else { return Ok(None) };
    let Some(given) = given.as_object() else { return Err("must be an object with an action".into()) };
    match given.get("enabled") {
        None | Some(Value::Null | Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(None),
        Some(_) => return Err("enabled must be true or false".into()),
    }
    let model = model_name(given)?;
    let action = match given.get("action").and_then(Value::as_str) {
        Some("code") => Action::Code(text(given, "code", usize::MAX)?),
        Some("ai") => Action::Ai(text(given, "prompt", usize::MAX)?, model),
        Some("workflow") => Action::Workflow(text(given, "workflowId", MAX_WORKFLOW_CHARS)?),
        _ => return Err("action must be \"ai\", \"code\" or \"workflow\"".into()),
    };
    let mut dependencies = named(given, columns)?;
    if let Action::Ai(Some(prompt), _) = &action {
        let found = placed(prompt, columns)?;
        if dependencies.is_empty() {
            dependencies = found;
        }
    }
    if let (Action::Code(Some(code)), true) = (&action, dependencies.is_empty()) {
        let names = reads().captures_iter(code).filter_map(|found| find(columns, read_name(&found)?));
        // Code that reads its own column sees the value it replaces.
        dependencies = names.filter(|id| *id != column.id).collect();
    }
    let open = dependencies.is_empty();
    if open {
        // What the rule reads cannot be seen: any plain value may matter.
        let plain = columns.iter().filter(|other| other.computed().is_none());
        dependencies = plain.map(|other| other.id).collect();
    }
    dependencies.sort_unstable();
    dependencies.dedup();
    Ok(Some(Spec { action, dependencies, open }))
}

fn text(given: &Map<String, Value>, field: &str, max_chars: usize) -> Result<Option<String>, String> {
    match given.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > max_chars => {
            Err(format!("{field} must have at most {max_chars} characters"))
        }
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        Some(_) => Err(format!("{field} must be a string")),
    }
}

fn model_name(given: &Map<String, Value>) -> Result<ModelName, String> {
    let name = text(given, "model", MAX_MODEL_CHARS)?.map(|name| name.trim().to_owned());
    match name {
        Some(name) if name.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Err("model must be one name without spaces, such as \"gpt-4o\"".into())
        }
        name => Ok(name),
    }
}

fn named(given: &Map<String, Value>, columns: &[Column]) -> Result<Vec<ColumnId>, String> {
    let names = match given.get("dependencies") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(names)) => names,
        Some(_) => return Err("dependencies must be a list of column names".into()),
    };
    let one = |name: &Value| {
        let name = name.as_str().ok_or("dependencies must be a list of column names")?;
        find(columns, name).ok_or_else(|| unknown("dependencies names", name, columns))
    };
    names.iter().map(one).collect()
}

/// The columns a prompt has places for.
fn placed(prompt: &str, columns: &[Column]) -> Result<Vec<ColumnId>, String> {
    let names = places().captures_iter(prompt).filter_map(|found| found.get(1));
    let one = |name: regex::Match<'_>| {
        find(columns, name.as_str()).ok_or_else(|| unknown("the prompt names", name.as_str(), columns))
    };
    names.map(one).collect()
}

fn unknown(who: &str, name: &str, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("{:?}", column.name)).collect();
    format!("{who} {name:?}, which is no column; the columns are {}", names.join(", "))
}

/// Checks the rules of a changed schema and numbers those whose values are new.
///
/// # Errors
/// [`Error::InvalidSchema`] naming the column and what to change; for a circle, its path.
pub(crate) fn settle(next: &mut Schema, before: &Schema) -> Result<(), Error> {
    let mut specs = Vec::new();
    for column in &next.columns {
        let found = spec(column, &next.columns).map_err(|problem| {
            Error::InvalidSchema(format!("column {:?}: x-zui.computed: {problem}", column.name))
        })?;
        specs.push(found);
    }
    if let Some(path) = super::rules::circle(&next.columns, &specs) {
        let names: Vec<&str> = path.iter().filter_map(|id| name(&next.columns, *id)).collect();
        return Err(Error::InvalidSchema(format!(
            "computed columns depend on one another in a circle: {}; remove one dependency",
            names.join(" → ")
        )));
    }
    for (column, spec) in next.columns.iter_mut().zip(&specs) {
        let old = before.columns.iter().find(|old| old.name == column.name);
        let version = old.map_or(0, |old| old.rule);
        let keeps = |spec: &Spec| {
            let old = old.and_then(|old| self::spec(old, &before.columns).ok().flatten());
            old.is_some_and(|old| spec.keeps(&old))
        };
        let kept = spec.as_ref().is_none_or(keeps);
        column.rule = if kept { version } else { version.saturating_add(1) };
    }
    Ok(())
}

fn name(columns: &[Column], id: ColumnId) -> Option<&str> {
    columns.iter().find(|column| column.id == id).map(|column| column.name.as_str())
}

/// Follows the new name of a column through all rules.
///
/// # Errors
/// [`Error::InvalidSchema`] when code is said to depend on the column but is not seen to read it.
pub(crate) fn rename(columns: &mut [Column], old: &str, new: &str) -> Result<(), Error> {
    for column in columns {
        let Some(Value::Object(given)) = column.zui.get_mut("computed") else { continue };
        let mut depends = false;
        if let Some(Value::Array(names)) = given.get_mut("dependencies") {
            for name in names.iter_mut().filter(|name| name.as_str() == Some(old)) {
                *name = new.into();
                depends = true;
            }
        }
        if let Some(Value::String(prompt)) = given.get_mut("prompt") {
            let replaced = places().replace_all(prompt, |found: &Captures<'_>| match found.get(1) {
                Some(name) if name.as_str() == old => format!("{{{{{new}}}}}"),
                _ => found.get(0).map_or("", |all| all.as_str()).to_owned(),
            });
            *prompt = replaced.into_owned();
        }
        if given.get("action").and_then(Value::as_str) != Some("code") {
            continue;
        }
        if let Some(Value::String(code)) = given.get_mut("code") {
            let mut read = false;
            let replaced = reads().replace_all(code, |found: &Captures<'_>| {
                if read_name(found) == Some(old) {
                    read = true;
                    return format!("row[{}]", Value::from(new));
                }
                found.get(0).map_or("", |all| all.as_str()).to_owned()
            });
            let replaced = replaced.into_owned();
            if depends && !read {
                return Err(Error::InvalidSchema(format!(
                    "column {:?} depends on {old:?} in code that cannot be rewritten; read it there as row[{:?}], or remove the dependency, then rename",
                    column.name, old
                )));
            }
            *code = replaced;
        }
    }
    Ok(())
}
