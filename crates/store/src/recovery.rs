//! The only start-up path: checks the folder, takes its lock, opens records and blobs.
//!
//! Knows nothing of what records mean. Invariant: two processes never use one data folder, and a
//! folder of a newer format is left untouched. One log line per step.

use crate::Error;
use crate::engine::Engine;
use crate::journal;
use crate::local::LocalStore;
use crate::local_blobs::LocalBlobs;
use crate::paths::{self, DataPaths};
use crate::upgrade;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Version of the folder's layout and of every encoding in it; FORMAT.md has the history.
const FORMAT: u32 = 2;
/// The oldest format a start brings up to date.
const OLDEST: u32 = 1;
/// The text in front of the version.
const FORMAT_NAME: &str = "quarry data";

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Bytes of memory for blocks read from sorted files.
    pub cache_bytes: u64,
    /// How long a delete stays visible in `changes`.
    pub keep_tombstones: Duration,
    /// Pause between two sweeps of garbage and old tombstones.
    pub sweep_every: Duration,
    /// Superseded keys that change logs may list, beyond as many as are current, before a sweep takes
    /// them out.
    pub spare_log_keys: u64,
    /// Commits that may wait; further callers wait for a place.
    pub queued_commits: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * 1024 * 1024,
            keep_tombstones: Duration::from_secs(6 * 3600),
            sweep_every: Duration::from_secs(3600),
            spare_log_keys: 10_000,
            queued_commits: 4_096,
        }
    }
}

/// An open data folder. The folder stays locked until the last clone of `store` is gone.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The records.
    pub store: Arc<LocalStore>,
    /// The blobs.
    pub blobs: Arc<LocalBlobs>,
    /// Where everything is.
    pub paths: DataPaths,
}

/// Opens a data folder, creating it when it is absent or empty.
///
/// # Errors
/// [`Error::Open`] when another process holds the folder, when it holds something else than Quarry's
/// data or data of a newer version; [`Error::Io`] and [`Error::Corrupt`] when it cannot be read.
pub fn open(data_dir: &Path, options: &StoreOptions) -> Result<Opened, Error> {
    let paths = DataPaths::new(data_dir);
    paths::create_folder(data_dir)?;
    let lock = take_lock(&paths)?;
    let found = check_version(&paths)?;
    for folder in [paths.blobs(), paths.views()] {
        paths::create_folder(&folder)?;
    }
    let unfinished = wipe_tmp(&paths)?;
    tracing::info!(folder = %data_dir.display(), format = FORMAT, unfinished, "data folder is ours");

    let started = Instant::now();
    let journal::Checked { batches, torn_bytes } = journal::check(&paths.records())?;
    tracing::info!(ms = started.elapsed().as_millis(), batches, torn_bytes, "journals are whole");

    let started = Instant::now();
    let engine = Engine::open(&paths.records(), options.cache_bytes)?;
    tracing::info!(ms = started.elapsed().as_millis(), bytes = engine.disk_bytes()?, "records are open");

    if found < FORMAT {
        let started = Instant::now();
        upgrade::to_format_2(&engine)?;
        write_version(&paths)?;
        tracing::info!(ms = started.elapsed().as_millis(), found, now = FORMAT, "data folder upgraded");
    }

    let store = LocalStore::start(engine, lock, options)?;
    let blobs = LocalBlobs::new(paths.clone());
    Ok(Opened { store: Arc::new(store), blobs: Arc::new(blobs), paths })
}

/// A child that a killed server was just starting holds its lock until it runs a program of its own.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_LOOK: Duration = Duration::from_millis(20);

fn take_lock(paths: &DataPaths) -> Result<File, Error> {
    let path = paths.lock();
    let file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
    let mut file = file.map_err(|cause| paths::at(&path, cause))?;
    let begun = Instant::now();
    let taken = loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_LOOK),
            taken => break taken,
        }
    };
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let folder = paths.root().display();
            let holder = holder.trim();
            return Err(Error::Open(format!(
                "the data folder {folder} is in use by another process (pid {holder}); stop it or choose another folder"
            )));
        }
        Err(TryLockError::Error(cause)) => return Err(paths::at(&path, cause)),
    }
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(file)
}

/// The format of the folder; a new folder gets the current one.
fn check_version(paths: &DataPaths) -> Result<u32, Error> {
    let folder = paths.root().display();
    let Some(bytes) = paths.read_small(&paths.version())? else {
        refuse_foreign(paths)?;
        // Durable together with VERSION, which syncs their parent.
        for folder in [paths.tmp(), paths.blobs(), paths.views()] {
            std::fs::create_dir_all(&folder).map_err(|cause| paths::at(&folder, cause))?;
        }
        return write_version(paths).map(|()| FORMAT);
    };
    let text = String::from_utf8_lossy(&bytes);
    let version =
        text.trim().strip_prefix(FORMAT_NAME).and_then(|version| version.trim().parse::<u32>().ok());
    match version {
        Some(readable @ OLDEST..=FORMAT) => Ok(readable),
        Some(newer) if newer > FORMAT => Err(Error::Open(format!(
            "the data folder {folder} has format {newer}, this program reads up to {FORMAT}; use the newer program"
        ))),
        _ => Err(Error::Open(format!("{folder}/VERSION is not Quarry's; choose another data folder"))),
    }
}

fn write_version(paths: &DataPaths) -> Result<(), Error> {
    paths.write_small(&paths.version(), format!("{FORMAT_NAME} {FORMAT}\n").as_bytes())
}

/// A folder without `VERSION` may hold what a crash before that file leaves, a settings file and
/// what file systems put into a mount point; anything else means it is not ours.
fn refuse_foreign(paths: &DataPaths) -> Result<(), Error> {
    for entry in std::fs::read_dir(paths.root()).map_err(|cause| paths::at(paths.root(), cause))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let harmless = ["LOCK", "tmp", "blobs", "views", "lost+found"].contains(&&*name);
        if !harmless && !name.starts_with('.') && !name.ends_with(".toml") {
            let folder = paths.root().display();
            return Err(Error::Open(format!(
                "{folder} holds {name:?} but no VERSION, so it is not a Quarry data folder; choose an empty one"
            )));
        }
    }
    Ok(())
}

/// Empties `tmp/`, creating it when absent; answers how many files it held.
fn wipe_tmp(paths: &DataPaths) -> Result<usize, Error> {
    let tmp = paths.tmp();
    paths::create_folder(&tmp)?;
    let mut wiped = 0;
    for entry in std::fs::read_dir(&tmp).map_err(|cause| paths::at(&tmp, cause))? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        let path = entry.path();
        let removed = if is_folder { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.map_err(|cause| paths::at(&path, cause))?;
        wiped += 1;
    }
    Ok(wiped)
}
