//! What commands give out, and whether it can be given out before hours of work.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Prints a result; a closed pipe is the reader's choice, anything else a failure.
pub(super) fn print_all(text: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot print the result: {cause}"))
        }
        _ => Ok(()),
    }
}

/// Refuses a file that could not be written; changes none.
pub(super) fn check_file(path: &Path) -> Result<(), String> {
    let failed = |cause: std::io::Error| format!("cannot write {}: {cause}", path.display());
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        // A pipe would wait for its reader.
        return Ok(());
    }
    OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    if old.is_none() { std::fs::remove_file(path).map_err(failed) } else { Ok(()) }
}

/// Writes a file anew.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), String> {
    let write = || std::fs::File::create(path)?.write_all(text.as_bytes());
    write().map_err(|cause| format!("cannot write {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_check_leaves_files_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        std::fs::write(&old, "text").unwrap();
        assert!(check_file(&old).is_ok() && check_file(&new).is_ok());
        assert_eq!((std::fs::read_to_string(&old).unwrap().as_str(), new.is_file()), ("text", false));
        for wrong in [folder.path().to_owned(), folder.path().join("absent/file")] {
            let said = check_file(&wrong).unwrap_err();
            assert!(said.contains(wrong.to_str().unwrap()), "{said}");
        }
    }
}
