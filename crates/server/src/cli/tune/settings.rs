//! The `search` line of a settings file.
//!
//! Invariant: what is written is a settings file that differs from the old one in `search` alone.

use crate::config::tuning::{search, written};
use quarry_kb::SearchTuning;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A settings file that can be read and replaced.
pub(super) struct SettingsFile {
    /// Where it lies, links followed.
    path: PathBuf,
    text: String,
    /// What it has now.
    pub(super) tuning: SearchTuning,
}

impl SettingsFile {
    /// Reads it, or what an absent one would hold, and makes sure that it can be replaced.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failed =
            |what: &str, cause: &dyn std::fmt::Display| format!("cannot {what} {}: {cause}", path.display());
        let (target, text) = match path.canonicalize() {
            Ok(target) => {
                let text = std::fs::read_to_string(&target).map_err(|cause| failed("read", &cause))?;
                (target, text)
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                (path.to_owned(), String::new())
            }
            Err(cause) => return Err(failed("read", &cause)),
        };
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder).map_err(|cause| failed("write", &cause))?;
        let tuning = tuning_of(&text).map_err(|cause| failed("use", &cause))?;
        Ok(Self { path: target, text, tuning })
    }

    /// Sets `search` and leaves the rest alone.
    pub(super) fn write(&self, tuning: &SearchTuning) -> Result<(), String> {
        let value = written(tuning);
        let text = with_search(&self.text, &value).ok_or_else(|| {
            format!("cannot change {}; set search = \"{value}\" by hand", self.path.display())
        })?;
        quarry_store::replace_file(&self.path, text.as_bytes())
            .map_err(|cause| format!("cannot write {cause}"))
    }
}

/// Where the value of `search` stands, quotes included, and what it says.
fn search_of(settings: &str) -> Result<Option<(Range<usize>, String)>, String> {
    let table = DeTable::parse(settings).map_err(|cause| format!("it is no settings file: {cause}"))?;
    let found = table.get_ref().iter().find(|(key, _)| key.get_ref() == "search");
    let Some((_, value)) = found else { return Ok(None) };
    match value.get_ref() {
        DeValue::String(text) => Ok(Some((value.span(), text.to_string()))),
        _ => Err("its search is no text".to_owned()),
    }
}

fn tuning_of(settings: &str) -> Result<SearchTuning, String> {
    let found = search_of(without_mark(settings))?;
    search(found.as_ref().map(|(_, value)| value.as_str())).map_err(|cause| cause.to_string())
}

/// The text after a byte order mark.
fn without_mark(settings: &str) -> &str {
    settings.strip_prefix('\u{feff}').unwrap_or(settings)
}

/// The settings with another `search`; `None` when that would change anything else.
fn with_search(settings: &str, value: &str) -> Option<String> {
    let old = without_mark(settings);
    let new = match search_of(old).ok()? {
        Some((span, _)) => format!("{}\"{value}\"{}", old.get(..span.start)?, old.get(span.end..)?),
        None => {
            let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
            format!("search = \"{value}\"{end}{old}")
        }
    };
    let mut wanted: toml::Table = old.parse().ok()?;
    wanted.insert("search".to_owned(), value.into());
    (new.parse::<toml::Table>().ok()? == wanted).then_some(new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn other_settings_and_comments_stay() {
        let at_top = |old: &str| format!("search = \"dense=2\"\n{old}");
        for (old, new) in [
            ("", at_top("")),
            (
                "listen = \"h:1\"\n# search = no\nsearching = 1\n",
                at_top("listen = \"h:1\"\n# search = no\nsearching = 1\n"),
            ),
            ("[limits]\nsearch = \"dense=9\"\n", at_top("[limits]\nsearch = \"dense=9\"\n")),
            ("text = '''\nsearch = \"dense=9\"\n'''\n", at_top("text = '''\nsearch = \"dense=9\"\n'''\n")),
            (" search=\"dense=1\" # why\na = 1", " search=\"dense=2\" # why\na = 1".to_owned()),
            ("\"search\" = 'dense=1'\n", "\"search\" = \"dense=2\"\n".to_owned()),
            ("search = \"\"\"\\\n  dense=1\\\n  \"\"\"\na = 1\n", "search = \"dense=2\"\na = 1\n".to_owned()),
            ("a = 1\r\n", "search = \"dense=2\"\r\na = 1\r\n".to_owned()),
            ("\u{feff}search = \"dense=1\"\n", "search = \"dense=2\"\n".to_owned()),
        ] {
            assert_eq!(with_search(old, "dense=2").as_ref(), Some(&new), "{old:?}");
            assert_eq!(with_search(&new, "dense=2").as_ref(), Some(&new));
        }
    }

    #[test]
    fn files_that_cannot_be_changed_are_refused_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quarry.toml");
        for wrong in
            ["search = 5\n", "search.dense = 1\n", "a = \n", "search = \"dense=x\"\n", "a = 1\na = 2\n"]
        {
            std::fs::write(&path, wrong).unwrap();
            let said = SettingsFile::open(&path).err().unwrap();
            assert!(said.contains("quarry.toml"), "{said}");
        }
        assert!(SettingsFile::open(&folder.path().join("absent/quarry.toml")).is_err());
        assert!(SettingsFile::open(folder.path()).is_err());
        assert_eq!(
            SettingsFile::open(&folder.path().join("new.toml")).unwrap().tuning,
            SearchTuning::default()
        );
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("link.toml"));
        std::fs::write(&real, "search = \"dense=9,recall=0.95\"\n").unwrap();
        std::os::unix::fs::symlink("real.toml", &link).unwrap();
        let file = SettingsFile::open(&link).unwrap();
        assert_eq!(file.tuning.recall_target, 0.95);
        file.write(&SearchTuning { candidates: 50, ..file.tuning }).unwrap();
        assert!(link.is_symlink());
        let text = std::fs::read_to_string(&real).unwrap();
        assert_eq!(text, "search = \"candidates=50,dense=9,recall=0.95,links=16\"\n");
        let nowhere = folder.path().join("nowhere.toml");
        std::os::unix::fs::symlink("gone.toml", &nowhere).unwrap();
        assert!(SettingsFile::open(&nowhere).is_err());
    }
}
