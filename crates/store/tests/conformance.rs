//! The local store does all a record store must do, fresh and after a reopen.
#![allow(clippy::unwrap_used)]

use quarry_store::{StoreOptions, conformance, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let opened = open(dir.path(), &StoreOptions::default()).unwrap();
        conformance::all(&*opened.store).await;
    }
}
