//! What is remembered, over a restart too, and what is forgotten.

use std::fs;
use std::time::Duration;

use super::*;

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let scratch = Scratch::new();
    let later = START.plus(Duration::from_secs(60));
    let before = {
        let store = scratch.open();
        store.commit(&[sign_in("bob", "a", 0, None), sign_in("eve", "b", 0, None), ended("b")]).await.unwrap();
        store.commit(&[sign_in("kim", "c", 0, None), failed("bob", START), failed("bob", later)]).await.unwrap();
        store.commit(&[Effect::Rotated { from: key("c"), to: key("d"), at: later }]).await.unwrap();
        store.commit(&[Effect::Reactivated { user: UserName::new("ann").unwrap(), at: later }]).await.unwrap();
        store.commit(&[Effect::Seen { key: key("a"), at: later }]).await.unwrap();
        picture(&store).await
    };
    let store = scratch.open();
    assert_eq!(picture(&store).await, before);
    assert!(before.contains("last_seen: Timestamp(1772442060000)"), "{before}");
}

/// All that can be asked about, as text.
async fn picture(store: &EmbeddedStore) -> String {
    let mut states = Vec::new();
    for credential in ["a", "b", "c", "d"] {
        states.push(state(store, credential).await);
    }
    let mut sessions = store.sessions().await.unwrap();
    sessions.sort_by_key(|(key, _)| *key);
    let bob = known(store, "bob", START.plus(Duration::from_secs(90))).await;
    assert_eq!((bob.account_failures, bob.address_failures), (2, 2));
    format!("{states:?} {sessions:?} {:?} {bob:?}", store.people().await.unwrap())
}

#[tokio::test]
async fn a_closed_store_answers_and_refuses_commits() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.commit(&[sign_in("bob", "a", 0, None)]).await.unwrap();
    store.close().unwrap();
    store.close().unwrap();
    assert!(is_live(&store, "a").await);
    assert!(store.commit(&[ended("a")]).await.unwrap_err().0.contains("closed"));
    drop(scratch.open());
}

#[tokio::test]
async fn seen_times_reach_the_disk_by_themselves() {
    let scratch = Scratch::new();
    let disk = Disk::open(&scratch.dir()).unwrap();
    let store = EmbeddedStore::start(disk, Memory::new(), START, Duration::from_millis(20)).unwrap();
    let later = START.plus(Duration::from_secs(60));
    store.commit(&[sign_in("bob", "a", 0, None)]).await.unwrap();
    store.commit(&[Effect::Seen { key: key("a"), at: later }]).await.unwrap();
    // What a crash would leave now.
    eventually("seen is flushed", async || {
        let crashed = Scratch::new();
        drop(crashed.open());
        fs::copy(scratch.file(), crashed.file()).unwrap();
        let Ok(copy) = EmbeddedStore::open(&crashed.dir(), START) else { return false };
        matches!(state(&copy, "a").await, SessionState::Live(record) if record.last_seen == later)
    })
    .await;
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let scratch = Scratch::new();
    let disk = Disk::open(&scratch.dir()).unwrap();
    let store = EmbeddedStore::start(disk, Memory::new(), START, Duration::from_millis(20)).unwrap();
    let many: Vec<_> = (0..3_000).map(|n| format!("s{n}")).collect();
    let effects: Vec<_> = many.iter().flat_map(|name| [sign_in("bob", name, 0, None), ended(name)]).collect();
    store.commit(&effects).await.unwrap();
    store.commit(&[sign_in("bob", "a", 0, None), failed("eve", START)]).await.unwrap();
    // A question mentions the time; the store has no other way to learn it.
    let day = START.plus(FAILURES_KEPT).plus(Duration::from_secs(2));
    let month = START.plus(ENDED_KEPT).plus(Duration::from_secs(2));
    store.gather(&Question::default(), day).await.unwrap();
    eventually("failures go", async || store.ledger.memory.expired(day, 9).is_empty()).await;
    assert!(is_ended(&store, "s0").await, "ended sessions are kept longer");
    store.gather(&Question::default(), month).await.unwrap();
    eventually("ended sessions go", async || store.ledger.memory.expired(month, 9).is_empty()).await;
    store.close().unwrap();
    drop(store);
    let store = scratch.open();
    assert_eq!(state(&store, "s0").await, SessionState::Unknown);
    assert_eq!(state(&store, "s2999").await, SessionState::Unknown);
    assert!(is_live(&store, "a").await);
}

#[tokio::test]
async fn a_flood_of_failing_accounts_pushes_out_the_quietest() {
    let scratch = Scratch::new();
    let disk = Disk::open(&scratch.dir()).unwrap();
    let store = EmbeddedStore::start(disk, Memory::bounded(3), START, FLUSH_EVERY).unwrap();
    let at = |ms| Timestamp(START.0 + ms);
    for (name, ms) in [("a", 0), ("b", 1), ("a", 2), ("c", 3), ("d", 4)] {
        store.commit(&[failed(name, at(ms))]).await.unwrap();
    }
    drop(store);
    let store = scratch.open();
    for (name, count) in [("a", 2), ("b", 0), ("c", 1), ("d", 1)] {
        assert_eq!(known(&store, name, at(5)).await.account_failures, count, "{name}");
    }
}
