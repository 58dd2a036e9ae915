//! Files in memory; reading one can be held up at a byte.

use super::*;
use crate::{InputFile, Job, JobStatus, NewFile, OpenFile, Room, TableFiles};
use async_trait::async_trait;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(super) struct Files {
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(super) gate: Arc<Gate>,
    /// Bytes that may be kept beside those there are; 0 = any number.
    pub(super) room: AtomicU64,
}

/// Lets readers pass up to some byte until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    closed_at: Mutex<Option<usize>>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn close_at(&self, byte: usize) {
        *self.closed_at.lock() = Some(byte);
    }

    pub(super) fn open(&self) {
        *self.closed_at.lock() = None;
        self.opened.notify_all();
    }

    fn pass(&self, at: usize) {
        let mut closed_at = self.closed_at.lock();
        while closed_at.is_some_and(|byte| at >= byte) {
            self.opened.wait(&mut closed_at);
        }
    }
}

struct Gated {
    content: Cursor<Vec<u8>>,
    gate: Arc<Gate>,
}

impl Read for Gated {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.gate.pass(usize::try_from(self.content.position()).unwrap());
        let step = into.len().min(4_096);
        self.content.read(&mut into[..step])
    }
}

impl Files {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn add(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.kept.lock().insert(name.to_owned(), content.into());
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        self.kept.lock()[name].clone()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.kept.lock().keys().cloned().collect()
    }
}

/// A failed test must not wait for a reader that nobody lets pass.
impl Drop for Files {
    fn drop(&mut self) {
        self.gate.open();
    }
}

#[async_trait]
impl TableFiles for Files {
    async fn open(&self, _: &Scope, id: &str) -> Result<InputFile, Error> {
        let missing = || Error::File {
            kind: quarry_types::ErrorKind::ReferenceNotFound,
            message: format!("file {id:?} does not exist"),
        };
        let content = self.kept.lock().get(id).cloned().ok_or_else(missing)?;
        let (size, hash) =
            (content.len() as u64, format!("{:?}", <sha2::Sha256 as sha2::Digest>::digest(&content)));
        let gate = Arc::clone(&self.gate);
        let open: OpenFile = Arc::new(move || {
            Ok(Box::new(Gated { content: Cursor::new(content.clone()), gate: Arc::clone(&gate) }))
        });
        Ok(InputFile {
            id: id.to_owned(),
            name: id.to_owned(),
            media_type: "application/octet-stream".into(),
            size,
            content: hash,
            open,
        })
    }

    fn scratch(&self) -> std::io::Result<std::fs::File> {
        tempfile::tempfile()
    }

    async fn room(&self, _: &Scope, key: &str) -> Result<Room, Error> {
        let (mut used, mut replaced) = (0, 0);
        for (name, content) in self.kept.lock().iter() {
            used += content.len() as u64;
            replaced += if name == key { content.len() as u64 } else { 0 };
        }
        let room = self.room.load(Ordering::Relaxed);
        Ok(Room { used: used - replaced, limit: if room == 0 { u64::MAX } else { used + room } })
    }

    async fn store(&self, _: &Scope, mut file: NewFile) -> Result<String, Error> {
        let mut content = Vec::new();
        file.content.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, file.size);
        self.add(&file.key, content);
        Ok(file.key)
    }

    async fn remove(&self, _: &Scope, id: &str) -> Result<(), Error> {
        self.kept.lock().remove(id);
        Ok(())
    }
}

impl Bench {
    /// The job once it has ended.
    pub(super) async fn ended(&self, table: &str, job: &Job) -> Job {
        let wait = Duration::from_secs(120);
        let job = self.tables.wait_for_job(&bot(), table, &job.id, wait).await.unwrap();
        assert!(job.status.is_finished(), "{job:?}");
        job
    }

    /// The job once it has written so many rows.
    pub(super) async fn reached(&self, table: &str, job: &Job, rows: u64) -> Job {
        let deadline = std::time::Instant::now() + Duration::from_secs(120);
        loop {
            let now = self.tables.job(&bot(), table, &job.id).await.unwrap();
            assert!(!now.status.is_finished() && std::time::Instant::now() < deadline, "{now:?}");
            if now.rows >= rows {
                assert_eq!(now.status, JobStatus::InProgress);
                return now;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The counter, after making sure that a scan of the store finds the same.
    pub(super) async fn counted(&self) -> u64 {
        let usage = self.usage().await;
        assert_eq!(
            self.tables.recount(&bot()).await.unwrap().table_rows,
            usage,
            "the counter equals the rows"
        );
        usage
    }

    pub(super) async fn count(&self, table: &str) -> u64 {
        self.tables.count(&bot(), table, None).await.unwrap()
    }
}

/// `k,n` lines with keys `k<from>` and on; long ones, as readers look 256 KiB ahead.
pub(super) fn csv(rows: std::ops::Range<u32>) -> String {
    let zeros = "0".repeat(300);
    let lines: Vec<String> = rows.map(|n| format!("k{n},{n}.{zeros}\n")).collect();
    format!("k,n\n{}", lines.concat())
}
