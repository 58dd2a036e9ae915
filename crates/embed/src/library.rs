//! Where the ONNX Runtime library may lie.
//!
//! Order: the setting or `ORT_DYLIB_PATH` (then nothing else), beside the executable, `.runtime/`
//! in a folder above the executable or the current folder, the system's own library path.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder `scripts/setup` fills.
const SETUP_FOLDER: &str = ".runtime";

#[cfg(target_os = "macos")]
const NAME: &str = "libonnxruntime.dylib";
#[cfg(target_os = "windows")]
const NAME: &str = "onnxruntime.dll";
#[cfg(not(any(target_os = "macos", target_os = "windows")))]
const NAME: &str = "libonnxruntime.so";

/// What to load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// The operator named this one; no other will do.
    Named(PathBuf),
    /// Try these in turn; the last is a bare name for the system's loader.
    Search(Vec<PathBuf>),
}

/// Looks around the running program.
pub(crate) fn places(setting: Option<&Path>) -> Places {
    let named = setting.map(PathBuf::from).or_else(|| from_environment(std::env::var_os("ORT_DYLIB_PATH")));
    if let Some(path) = named {
        return Places::Named(path);
    }
    let exe = std::env::current_exe().ok().and_then(|exe| exe.parent().map(PathBuf::from));
    let here = std::env::current_dir().ok();
    Places::Search(candidates(exe.as_deref(), here.as_deref()))
}

fn from_environment(value: Option<OsString>) -> Option<PathBuf> {
    value.filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn candidates(exe_folder: Option<&Path>, current: Option<&Path>) -> Vec<PathBuf> {
    let beside = exe_folder.map(|folder| folder.join(NAME));
    let set_up = [exe_folder, current]
        .into_iter()
        .flatten()
        .flat_map(Path::ancestors)
        .map(|folder| folder.join(SETUP_FOLDER).join(NAME));
    let mut found: Vec<PathBuf> = Vec::new();
    for path in beside.into_iter().chain(set_up) {
        if path.is_file() && !found.contains(&path) {
            found.push(path);
        }
    }
    found.push(PathBuf::from(NAME));
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_beside_then_set_up_then_system() {
        let root = tempfile::tempdir().unwrap();
        let put = |folder: &str| {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(NAME), "").unwrap();
            folder.join(NAME)
        };
        let exe_folder = root.path().join("repo/target/release");
        let elsewhere = root.path().join("work/deep");
        std::fs::create_dir_all(&elsewhere).unwrap();
        let system = PathBuf::from(NAME);

        assert_eq!(candidates(None, None), std::slice::from_ref(&system));
        let of_repo = put("repo/.runtime");
        let of_work = put("work/.runtime");
        std::fs::create_dir_all(&exe_folder).unwrap();
        let found = || candidates(Some(&exe_folder), Some(&elsewhere));
        assert_eq!(found(), [of_repo.clone(), of_work.clone(), system.clone()]);
        let beside = put("repo/target/release");
        assert_eq!(found(), [beside, of_repo, of_work, system]);
    }

    #[test]
    fn a_setting_excludes_everything_else() {
        assert_eq!(places(Some(Path::new("/x/y.so"))), Places::Named("/x/y.so".into()));
        assert_eq!(from_environment(Some(OsString::new())), None);
        assert_eq!(from_environment(Some("a".into())), Some("a".into()));
    }
}
