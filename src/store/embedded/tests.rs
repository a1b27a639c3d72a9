//! What only this store promises: its file, its writer, and what is left after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod crash;
mod file;
mod memory;
mod repair;
mod writer;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::*;
use crate::store::contract::{self, START, sign_in};
use crate::store::{ENDED_KEPT, EndReason, FAILURES_KEPT, SessionState, SignInKnown, SignInQuestion, UserName};

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("deskgate-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn dir(&self) -> PathBuf {
        self.0.join("store")
    }

    fn file(&self) -> PathBuf {
        self.dir().join(FILE)
    }

    fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(&self.dir(), START).unwrap()
    }

    fn refusal(&self) -> String {
        EmbeddedStore::open(&self.dir(), START).err().expect("opened").0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key(credential: &str) -> SessionKey {
    SessionKey::of("agents", credential.as_bytes())
}

fn ended(credential: &str) -> Effect {
    Effect::Ended { key: key(credential), reason: EndReason::SignedOut, at: START }
}

fn failed(name: &str, at: Timestamp) -> Effect {
    Effect::SignInFailed { user: UserName::new(name).unwrap(), address: [192, 0, 2, 7].into(), at }
}

async fn state(store: &EmbeddedStore, credential: &str) -> SessionState {
    store.gather(&Question { session: Some(key(credential)), sign_in: None }, START).await.unwrap().session
}

async fn is_live(store: &EmbeddedStore, credential: &str) -> bool {
    matches!(state(store, credential).await, SessionState::Live(_))
}

async fn is_ended(store: &EmbeddedStore, credential: &str) -> bool {
    matches!(state(store, credential).await, SessionState::Ended { .. })
}

async fn known(store: &EmbeddedStore, name: &str, now: Timestamp) -> SignInKnown {
    let user = UserName::new(name).unwrap();
    let asked = SignInQuestion {
        user: &user,
        address: [192, 0, 2, 7].into(),
        account_window: FAILURES_KEPT,
        address_window: FAILURES_KEPT,
    };
    store.gather(&Question { session: None, sign_in: Some(asked) }, now).await.unwrap().sign_in.unwrap()
}

/// Waits for something that the writer does in its own time.
async fn eventually<F: AsyncFn() -> bool>(what: &str, holds: F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let scratch = Scratch::new();
    let count = AtomicU32::new(0);
    contract::run(|| {
        let dir = scratch.0.join(count.fetch_add(1, Ordering::Relaxed).to_string());
        EmbeddedStore::open(&dir, START).unwrap()
    })
    .await;
}
