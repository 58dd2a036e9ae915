//! Every file name on disk: nobody else builds a path below the data folder.
//!
//! Knows nothing of what the files hold. Invariant: a file written here is complete and durable or
//! absent: temp file, fsync, rename, fsync of the folder.

use crate::{BlobHash, Error};
use quarry_types::{BotId, TableId};
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where things are in one data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPaths {
    root: PathBuf,
}

impl DataPaths {
    /// Paths below a data folder; creates nothing.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The data folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Format version of the folder.
    #[must_use]
    pub fn version(&self) -> PathBuf {
        self.root.join("VERSION")
    }

    /// Held locked by the process that uses the folder.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    /// The record engine's folder.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// All blobs, in up to 256 folders.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// The folder of one blob: the first two hex digits of its hash.
    #[must_use]
    pub fn blob_folder(&self, hash: &BlobHash) -> PathBuf {
        self.blobs().join(hash.as_str().get(..2).unwrap_or("00"))
    }

    /// One blob.
    #[must_use]
    pub fn blob(&self, hash: &BlobHash) -> PathBuf {
        self.blob_folder(hash).join(hash.as_str())
    }

    /// Derived data of all bots; may be deleted while nothing runs.
    #[must_use]
    pub fn views(&self) -> PathBuf {
        self.root.join("views")
    }

    /// Derived data of one bot.
    #[must_use]
    pub fn bot_views(&self, bot: &BotId) -> PathBuf {
        self.views().join(folder_name(bot.as_str()))
    }

    /// The lexical indexes over one bot's tables.
    #[must_use]
    pub fn row_views(&self, bot: &BotId) -> PathBuf {
        self.bot_views(bot).join("rows")
    }

    /// The lexical indexes over one table's rows, one per choice of columns.
    #[must_use]
    pub fn row_indexes(&self, bot: &BotId, table: &TableId) -> PathBuf {
        self.row_views(bot).join(folder_name(table.as_str()))
    }

    /// The lexical index over the columns of one table that `layout` stands for.
    #[must_use]
    pub fn row_index(&self, bot: &BotId, table: &TableId, layout: u64) -> PathBuf {
        self.row_indexes(bot, table).join(format!("{layout:016x}"))
    }

    /// Unfinished files; wiped at start.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// An empty file without a name in the folder of unfinished writes; gone when dropped.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn scratch(&self) -> std::io::Result<std::fs::File> {
        tempfile::tempfile_in(self.tmp())
    }

    /// The generated admin token, readable by the owner only.
    #[must_use]
    pub fn admin_token(&self) -> PathBuf {
        self.root.join("admin-token")
    }

    /// The key that signs URLs and page tokens, readable by the owner only.
    #[must_use]
    pub fn secret(&self) -> PathBuf {
        self.root.join("secret")
    }

    /// Reads a small file; `None` when absent.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_small(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(at(path, cause)),
        }
    }

    /// Writes or replaces a small file, complete and durable on return, mode 0644.
    ///
    /// # Errors
    /// When any step fails; the old content then stays.
    pub fn write_small(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.write_mode(path, bytes, 0o644)
    }

    /// Like [`Self::write_small`], readable by the owner only (mode 0600 from the first byte on).
    ///
    /// # Errors
    /// When any step fails; the old content then stays.
    pub fn write_secret(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.write_mode(path, bytes, 0o600)
    }

    fn write_mode(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let mut file = tempfile::NamedTempFile::new_in(self.tmp()).map_err(|cause| at(path, cause))?;
        file.write_all(bytes).map_err(|cause| at(path, cause))?;
        file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(|cause| at(path, cause))?;
        publish(file, path)
    }
}

/// Writes or replaces a file outside the data folder, complete and durable on return. An existing file keeps its
/// mode and owner; a new one is readable by its owner only.
///
/// # Errors
/// When any step fails; the old content then stays.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| at(path, cause))?;
    file.write_all(bytes).map_err(|cause| at(path, cause))?;
    if let Ok(old) = std::fs::metadata(path) {
        let new = file.as_file().metadata().map_err(|cause| at(path, cause))?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            let owned = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
            owned.map_err(|cause| at(path, cause))?;
        }
        file.as_file().set_permissions(old.permissions()).map_err(|cause| at(path, cause))?;
    }
    publish(file, path)
}

/// Fsyncs a finished temp file, renames it to `path` and fsyncs the folder it then lies in.
pub(crate) fn publish(file: tempfile::NamedTempFile, path: &Path) -> Result<(), Error> {
    file.as_file().sync_all().map_err(|cause| at(path, cause))?;
    file.persist(path).map_err(|cause| at(path, cause.error))?;
    sync_folder(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Makes renames and new files of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|cause| at(folder, cause))
}

/// Creates a folder (and those above it) durably; answers whether it was new.
pub(crate) fn create_folder(folder: &Path) -> Result<bool, Error> {
    if folder.is_dir() {
        return Ok(false);
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(parent)?;
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(at(folder, cause)),
    }
    sync_folder(parent)?;
    Ok(true)
}

/// An OS failure with the path it happened at.
pub(crate) fn at(path: &Path, cause: io::Error) -> Error {
    Error::io(io::Error::new(cause.kind(), format!("{}: {cause}", path.display())))
}

/// A folder name for an id: a readable part and 96 bits of its hash. Ids may be longer than a
/// file name, hold `:` or be `..`, and some file systems fold case.
fn folder_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' };
    let readable: String = id.chars().take(40).map(plain).collect();
    let digest = Sha256::digest(id.as_bytes());
    let hash = quarry_types::hex(digest.get(..12).unwrap_or(&digest));
    format!("{readable}-{hash}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn odd_bot_ids_stay_inside_their_own_folder() {
        let paths = DataPaths::new(Path::new("/data"));
        let long = "x".repeat(128);
        let ids = ["..", ".", "a", "A", "a:b", "a_b", "a@b", long.as_str()];
        let mut folders: Vec<_> = ids.iter().map(|id| paths.bot_views(&BotId::parse(id).unwrap())).collect();
        for folder in &folders {
            assert_eq!(folder.parent().unwrap(), paths.views());
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(name.len() <= 255 && !name.starts_with('.'), "{name}");
        }
        folders.sort_by_key(|folder| folder.to_str().unwrap().to_lowercase());
        folders.dedup_by_key(|folder| folder.to_str().unwrap().to_lowercase());
        assert_eq!(folders.len(), ids.len());
    }

    #[test]
    fn secrets_are_for_the_owner_only_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let paths = DataPaths::new(dir.path());
        create_folder(&paths.tmp()).unwrap();
        assert_eq!(paths.read_small(&paths.secret()).unwrap(), None);
        paths.write_secret(&paths.secret(), b"one").unwrap();
        paths.write_secret(&paths.secret(), b"two").unwrap();
        assert_eq!(paths.read_small(&paths.secret()).unwrap().unwrap(), b"two");
        assert_eq!(paths.secret().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(paths.tmp()).unwrap().count(), 0);
    }

    #[test]
    fn a_failed_write_names_the_path() {
        let paths = DataPaths::new(Path::new("/nonexistent-folder"));
        let error = paths.write_small(&paths.version(), b"1").unwrap_err();
        assert!(error.to_string().contains("/nonexistent-folder/VERSION"), "{error}");
    }
}
