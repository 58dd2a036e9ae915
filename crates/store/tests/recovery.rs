//! Start-up: locks, versions, foreign folders, images of a crash.
#![allow(clippy::unwrap_used)]

use quarry_store::{
    BlobStore, Coll, Commit, DataPaths, Error, LocalStore, RecordStore, StoreOptions, conformance, open,
};
use quarry_types::BotId;
use std::path::Path;

fn bot() -> BotId {
    BotId::parse("bot").unwrap()
}

fn rows() -> Coll {
    Coll::new("rows")
}

fn refusal(folder: &Path) -> String {
    match open(folder, &StoreOptions::default()) {
        Err(Error::Open(message)) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

async fn write(store: &LocalStore, number: u64) {
    let mut commit = Commit::new(&bot());
    commit.put(&rows(), number.to_be_bytes(), vec![7; 300]);
    commit.put(&Coll::new("twin"), number.to_be_bytes(), number.to_string());
    commit.next_id.push((rows(), number + 1));
    store.commit(commit).await.unwrap();
}

/// How many of `write`'s commits are there; checks that they are whole and without gaps.
async fn written(store: &LocalStore) -> u64 {
    let records = store.scan(&bot(), &rows(), b"", None, usize::MAX).await.unwrap();
    let twins = store.scan(&bot(), &Coll::new("twin"), b"", None, usize::MAX).await.unwrap();
    let keys: Vec<_> = records.iter().map(|record| record.key.clone()).collect();
    assert_eq!(keys, (0..keys.len() as u64).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
    assert_eq!(keys, twins.iter().map(|record| record.key.clone()).collect::<Vec<_>>());
    let head = store.head(&bot(), &rows()).await.unwrap();
    let count = keys.len() as u64;
    assert_eq!((head.seq, head.next_id), (count, count.max(1)));
    count
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_folder_has_one_user_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains(dir.path().to_str().unwrap()), "{message}");
    assert!(message.contains("in use by another process"), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "{message}");
    drop(opened);
    open(dir.path(), &StoreOptions::default()).unwrap();
}

#[tokio::test]
async fn newer_and_foreign_folders_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), &StoreOptions::default()).unwrap());
    let paths = DataPaths::new(dir.path());
    paths.write_small(&paths.version(), b"quarry data 999\n").unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("format 999") && message.contains("newer program"), "{message}");
    paths.write_small(&paths.version(), b"quarry data 0\n").unwrap();
    assert!(refusal(dir.path()).contains("VERSION is not Quarry's"));
    paths.write_small(&paths.version(), b"something else\n").unwrap();
    assert!(refusal(dir.path()).contains("VERSION is not Quarry's"));

    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.txt"), "precious").unwrap();
    assert!(refusal(foreign.path()).contains("thesis.txt"));
    assert!(!foreign.path().join("records").try_exists().unwrap());
    // What a crash during the very first start may leave is no obstacle, nor is a settings file.
    let begun = tempfile::tempdir().unwrap();
    std::fs::write(begun.path().join("LOCK"), "").unwrap();
    std::fs::write(begun.path().join("quarry.toml"), "").unwrap();
    std::fs::create_dir(begun.path().join("tmp")).unwrap();
    open(begun.path(), &StoreOptions::default()).unwrap();
}

#[tokio::test]
async fn a_start_wipes_unfinished_files() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    std::fs::create_dir(opened.paths.tmp().join("half")).unwrap();
    std::fs::write(opened.paths.tmp().join("half/segment"), "x").unwrap();
    std::fs::write(opened.paths.tmp().join("upload"), "x").unwrap();
    drop(opened);
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    assert_eq!(std::fs::read_dir(opened.paths.tmp()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_at_any_moment_has_every_acknowledged_commit() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    let mut acknowledged = 0;
    for round in 0..6 {
        for _ in 0..(round * 7 + 1) {
            write(&opened.store, acknowledged).await;
            acknowledged += 1;
        }
        let image = tempfile::tempdir().unwrap();
        copy_folder(dir.path(), image.path());
        let copy = open(image.path(), &StoreOptions::default()).unwrap();
        assert_eq!(written(&copy.store).await, acknowledged);
        write(&copy.store, acknowledged).await;
        drop(copy);
        let copy = open(image.path(), &StoreOptions::default()).unwrap();
        assert_eq!(written(&copy.store).await, acknowledged + 1);
        if round == 3 {
            conformance::all(&*copy.store).await;
        }
    }
}

#[tokio::test]
async fn half_done_drops_are_finished_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    for number in 0..50 {
        write(&opened.store, number).await;
    }
    // The image is taken while a drop is committed and perhaps not yet swept.
    let mut commit = Commit::new(&bot());
    commit.drop.push(rows());
    opened.store.commit(commit).await.unwrap();
    let image = tempfile::tempdir().unwrap();
    copy_folder(dir.path(), image.path());
    let copy = open(image.path(), &StoreOptions::default()).unwrap();
    copy.store.sweep().await.unwrap();
    assert_eq!(copy.store.sweep().await.unwrap(), quarry_store::Swept::default());
    assert_eq!(copy.store.scan(&bot(), &rows(), b"", None, 10).await.unwrap(), []);
    assert_eq!(copy.store.scan(&bot(), &Coll::new("twin"), b"", None, 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn blobs_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    let mut writer = opened.blobs.create().await.unwrap();
    writer.write("content".into()).await.unwrap();
    assert_eq!(writer.len(), 7);
    let (hash, size) = writer.finish().await.unwrap();
    assert_eq!(size, 7);
    drop(opened);
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    assert_eq!(opened.blobs.read(&hash, 0, 100).await.unwrap(), "content");
}

#[tokio::test]
async fn a_poisoned_store_reads_but_writes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    write(&opened.store, 0).await;
    assert!(!opened.store.is_poisoned());
    opened.store.poison("the disk said no");
    assert!(opened.store.is_poisoned());
    let mut commit = Commit::new(&bot());
    commit.put(&rows(), "k", "v");
    let error = opened.store.commit(commit).await.unwrap_err();
    assert!(error.to_string().contains("the disk said no"), "{error}");
    assert!(opened.store.drop_bot(&bot()).await.is_err());
    assert_eq!(written(&opened.store).await, 1);
    drop(opened);
    let opened = open(dir.path(), &StoreOptions::default()).unwrap();
    assert_eq!(written(&opened.store).await, 1);
    write(&opened.store, 1).await;
}
