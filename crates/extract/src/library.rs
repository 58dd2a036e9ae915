//! Where the pdfium library lies.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Environment variable that names the pdfium library file.
pub const PDFIUM_PATH_VARIABLE: &str = "QUARRY_PDFIUM_PATH";

const FILE_NAME: &str = "libpdfium.so";
const SETUP_FOLDER: &str = ".runtime";

/// The pdfium library: `QUARRY_PDFIUM_PATH`, beside the executable, `.runtime/` in a folder above
/// the executable or the current folder, then the system's library folders.
#[must_use]
pub fn find_pdfium() -> Option<PathBuf> {
    let named = std::env::var_os(PDFIUM_PATH_VARIABLE);
    let executable = std::env::current_exe().ok();
    let current = std::env::current_dir().ok();
    find(named.as_deref(), executable.as_deref(), current.as_deref())
}

fn find(named: Option<&OsStr>, executable: Option<&Path>, current: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named.filter(|n| !n.is_empty()) {
        // A wrong setting is not papered over with another library.
        return Some(PathBuf::from(path)).filter(|p| p.is_file());
    }
    let beside = executable.and_then(Path::parent).map(|folder| folder.join(FILE_NAME));
    let above = executable
        .into_iter()
        .chain(current)
        .flat_map(Path::ancestors)
        .map(|folder| folder.join(SETUP_FOLDER).join(FILE_NAME));
    let system = [
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ]
    .into_iter()
    .map(|folder| Path::new(folder).join(FILE_NAME));
    beside.into_iter().chain(above).chain(system).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_the_documented_order() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("target/release");
        let runtime = root.path().join(".runtime");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&runtime).unwrap();
        let exe = bin.join("quarry");
        let set_up = runtime.join(FILE_NAME);
        std::fs::write(&set_up, b"x").unwrap();
        assert_eq!(find(None, Some(&exe), None), Some(set_up.clone()));
        assert_eq!(find(None, None, Some(&bin)), Some(set_up.clone()));
        let beside = bin.join(FILE_NAME);
        std::fs::write(&beside, b"x").unwrap();
        assert_eq!(find(None, Some(&exe), None), Some(beside));
        assert_eq!(find(Some(set_up.as_os_str()), Some(&exe), None), Some(set_up));
        assert_eq!(find(Some(OsStr::new("/nowhere/x.so")), Some(&exe), None), None);
    }
}
