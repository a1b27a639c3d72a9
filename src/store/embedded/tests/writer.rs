//! The writer, when the disk fails or hangs.

use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{Builder, StorageBackend};

use super::*;

/// A disk that fails, or hangs, when told to.
#[derive(Debug, Default)]
struct Faults {
    failing: AtomicBool,
    hanging: AtomicBool,
}

#[derive(Debug)]
struct Flaky(FileBackend, Arc<Faults>);

impl Flaky {
    fn check(&self) -> std::io::Result<()> {
        while self.1.hanging.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.1.failing.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Flaky {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.check()?;
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.check()?;
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.check()?;
        self.0.write(offset, data)
    }
}

fn flaky(scratch: &Scratch) -> (EmbeddedStore, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let (file, told) = (scratch.file(), Arc::clone(&faults));
    let disk = Disk::open(&scratch.dir()).unwrap().through(Box::new(move || {
        let file = fs::OpenOptions::new().read(true).write(true).open(&file)?;
        Builder::new().create_with_backend(Flaky(FileBackend::new(file)?, Arc::clone(&told)))
    }));
    (EmbeddedStore::start(disk, Memory::new(), START, FLUSH_EVERY).unwrap(), faults)
}

#[tokio::test]
async fn a_failed_write_is_reported_and_taken_back_except_ends() {
    let scratch = Scratch::new();
    let (store, faults) = flaky(&scratch);
    let effects = [sign_in("bob", "a", 0, None), sign_in("eve", "b", 0, None), failed("kim", START)];
    store.commit(&effects).await.unwrap();

    faults.failing.store(true, Ordering::SeqCst);
    let one =
        crate::store::AtOnce { most: 1, when_full: crate::store::WhenFull::EndOldest, idle: None, absolute: None };
    let error = store.commit(&[sign_in("bob", "c", 1, Some(one)), sign_in("kim", "d", 1, None)]).await.unwrap_err();
    assert!(error.0.contains(scratch.file().to_str().unwrap()), "{error}");
    assert!(is_live(&store, "a").await, "nobody took its place");
    assert_eq!(state(&store, "c").await, SessionState::Unknown);
    assert_eq!(
        known(&store, "kim", START).await,
        SignInKnown { last_sign_in: None, account_failures: 1, address_failures: 1 }
    );
    assert!(store.commit(&[Effect::Rotated { from: key("a"), to: key("e"), at: START }]).await.is_err());
    assert!(is_live(&store, "a").await);
    assert!(store.commit(&[failed("kim", START)]).await.is_err());
    assert_eq!(known(&store, "kim", START).await.account_failures, 1);
    assert!(store.commit(&[ended("b"), sign_in("kim", "d", 1, None)]).await.is_err());
    assert!(is_ended(&store, "b").await, "an end stays");
    assert_eq!(state(&store, "d").await, SessionState::Unknown);
    assert!(store.commit(&[ended("b")]).await.is_err(), "it is still not on disk");

    faults.failing.store(false, Ordering::SeqCst);
    store.commit(&[sign_in("kim", "d", 2, None)]).await.unwrap();
    drop(store);
    let store = scratch.open();
    assert!(is_live(&store, "a").await && is_live(&store, "d").await);
    assert!(is_ended(&store, "b").await, "the end was made up for");
    assert_eq!(state(&store, "c").await, SessionState::Unknown);
    assert_eq!(state(&store, "e").await, SessionState::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_disk_delays_no_question_and_no_end() {
    let scratch = Scratch::new();
    let (store, faults) = flaky(&scratch);
    let store = Arc::new(store);
    store.commit(&[sign_in("bob", "a", 0, None)]).await.unwrap();
    faults.hanging.store(true, Ordering::SeqCst);
    let waiting: Vec<_> = [ended("a"), sign_in("bob", "b", 0, None)]
        .map(|effect| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&[effect]).await })
        })
        .into();
    eventually("an end shows at once", async || is_ended(&store, "a").await).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(waiting.iter().all(|commit| !commit.is_finished()), "nothing is acknowledged");
    store.commit(&[Effect::Seen { key: key("b"), at: START }]).await.unwrap();
    faults.hanging.store(false, Ordering::SeqCst);
    for commit in waiting {
        commit.await.unwrap().unwrap();
    }
}

/// What follows a failed write was decided on the strength of it, so it must fail with it.
#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_behind_a_failed_one_fail_too() {
    let scratch = Scratch::new();
    let (store, faults) = flaky(&scratch);
    let store = Arc::new(store);
    store.commit(&[sign_in("bob", "a", 0, None)]).await.unwrap();
    faults.hanging.store(true, Ordering::SeqCst);
    let mut waiting = Vec::new();
    for effect in [
        Effect::Rotated { from: key("a"), to: key("b"), at: START },
        Effect::Rotated { from: key("b"), to: key("c"), at: START },
        Effect::Rotated { from: key("c"), to: key("d"), at: START },
    ] {
        let to = match &effect {
            Effect::Rotated { to, .. } => *to,
            _ => unreachable!(),
        };
        let committing = Arc::clone(&store);
        waiting.push(tokio::spawn(async move { committing.commit(&[effect]).await }));
        eventually("it holds in memory", async || matches!(store.ledger.memory.session(&to), SessionState::Live(_)))
            .await;
    }
    faults.failing.store(true, Ordering::SeqCst);
    faults.hanging.store(false, Ordering::SeqCst);
    for commit in waiting {
        assert!(commit.await.unwrap().is_err());
    }
    assert!(is_live(&store, "a").await);
    for credential in ["b", "c", "d"] {
        assert_eq!(state(&store, credential).await, SessionState::Unknown);
    }
    faults.failing.store(false, Ordering::SeqCst);
    store.commit(&[failed("eve", START)]).await.unwrap();
    store.close().unwrap();
    drop(store);
    let store = scratch.open();
    assert!(is_live(&store, "a").await);
    assert_eq!(state(&store, "b").await, SessionState::Unknown);
}
