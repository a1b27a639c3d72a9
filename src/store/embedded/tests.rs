//! What only this store promises: its file, its writer, and what is left after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend, TableDefinition};

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

#[test]
fn one_process_at_a_time() {
    let scratch = Scratch::new();
    let first = scratch.open();
    let refusal = scratch.refusal();
    assert!(refusal.contains("in use by another process"), "{refusal}");
    assert!(refusal.contains(scratch.file().to_str().unwrap()), "{refusal}");
    drop(first);
    drop(scratch.open());
}

#[test]
fn nobody_else_can_read_it() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&scratch.dir()), mode(&scratch.file())), (0o700, 0o600));
    assert_eq!(fs::read_dir(scratch.dir()).unwrap().count(), 1, "nothing is left beside the file");
    fs::set_permissions(scratch.file(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(scratch.refusal().contains(&format!("run `chmod 600 {}`", scratch.file().display())));
    fs::set_permissions(scratch.dir(), fs::Permissions::from_mode(0o701)).unwrap();
    let refusal = scratch.refusal();
    assert!(refusal.contains("mode 701") && refusal.contains("run `chmod 700 "), "{refusal}");
}

#[test]
fn a_file_is_no_directory() {
    let scratch = Scratch::new();
    fs::write(scratch.dir(), "").unwrap();
    assert!(scratch.refusal().contains("is not a directory"));
}

#[test]
fn a_start_that_was_cut_off_leaves_nothing_in_the_way() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.dir()).unwrap();
    fs::set_permissions(scratch.dir(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(scratch.dir().join("deskgate.redb.new"), vec![0; 5_000]).unwrap();
    drop(scratch.open());
}

#[tokio::test]
async fn a_damaged_file_is_refused_by_name() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let effects: Vec<_> = (0..500).map(|n| sign_in(&format!("user{n}"), &format!("s{n}"), 0, None)).collect();
    store.commit(&effects).await.unwrap();
    drop(store);
    let whole = fs::read(scratch.file()).unwrap();
    let text = whole.windows(7).position(|bytes| bytes == b"user250").unwrap();
    let mut flipped = whole.clone();
    flipped[text] ^= 1;
    let garbage = vec![0xA5; whole.len()];
    let damages =
        [&whole[..0], &whole[..100], &whole[..whole.len() / 2], &whole[..whole.len() - 1], &flipped, &garbage];
    for (number, bytes) in damages.into_iter().enumerate() {
        fs::write(scratch.file(), bytes).unwrap();
        for start in 1..=3 {
            let refusal = scratch.refusal();
            let named =
                refusal.starts_with(scratch.file().to_str().unwrap()) && refusal.contains("move the file aside");
            assert!(named, "damage {number}, start {start}: {refusal}");
        }
    }
    fs::write(scratch.file(), &whole).unwrap();
    assert!(is_live(&scratch.open(), "s250").await);
}

/// A flipped bit is refused, at every start, or it does no harm; what it never does is lose a session.
#[tokio::test]
async fn no_flipped_bit_loses_anything_silently() {
    let scratch = Scratch::new();
    let store = scratch.open();
    for n in 0..40 {
        store.commit(&[sign_in(&format!("user{n}"), &format!("s{n}"), 0, None), ended("s0")]).await.unwrap();
    }
    drop(store);
    let whole = fs::read(scratch.file()).unwrap();
    let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut refused = 0;
    for at in used.iter().step_by(used.len() / 60) {
        let mut flipped = whole.clone();
        flipped[*at] ^= 0x10;
        fs::write(scratch.file(), flipped).unwrap();
        for start in 1..=2 {
            match EmbeddedStore::open(&scratch.dir(), START) {
                Err(_) => refused += 1,
                Ok(store) => {
                    assert_eq!(store.sessions().await.unwrap().len(), 39, "flipped at {at}, start {start}");
                    assert!(is_ended(&store, "s0").await, "flipped at {at}, start {start}");
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn another_version_is_refused() {
    let scratch = Scratch::new();
    drop(scratch.open());
    {
        let database = Database::open(scratch.file()).unwrap();
        let transaction = database.begin_write().unwrap();
        let format = TableDefinition::<&str, u64>::new("format");
        transaction.open_table(format).unwrap().insert("version", 7).unwrap();
        transaction.commit().unwrap();
    }
    let refusal = scratch.refusal();
    assert!(refusal.contains("format version 7, this program reads version 1"), "{refusal}");
}

#[test]
fn somebody_elses_database_is_refused() {
    let scratch = Scratch::new();
    drop(scratch.open());
    fs::remove_file(scratch.file()).unwrap();
    drop(Database::create(scratch.file()).unwrap());
    fs::set_permissions(scratch.file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(scratch.refusal().contains("no `format` table"));
}

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

const CHILD: &str = "DESKGATE_STORE_CHILD";

/// Not a test of its own: the process that [`no_acknowledged_commit_is_lost_to_kill_9`] kills.
#[tokio::test(flavor = "multi_thread")]
async fn killed_child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (round, dir) = order.split_once(' ').unwrap();
    let store = Arc::new(EmbeddedStore::open(std::path::Path::new(dir), START).unwrap());
    let tasks: Vec<_> = (0..6).map(|task| tokio::spawn(busy(Arc::clone(&store), format!("{round}-{task}")))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Commits without end, and tells of each that was acknowledged.
async fn busy(store: Arc<EmbeddedStore>, name: String) {
    let done = |line: String| std::io::stdout().lock().write_all(format!("ack {line}\n").as_bytes()).unwrap();
    for n in 0_u64.. {
        let credential = format!("{name}-{n}");
        store.commit(&[sign_in(&name, &credential, 0, None)]).await.unwrap();
        done(format!("live {credential}"));
        store.commit(&[Effect::Seen { key: key(&credential), at: START.plus(Duration::from_secs(1)) }]).await.unwrap();
        if n % 3 == 0 {
            store.commit(&[ended(&credential)]).await.unwrap();
            done(format!("ended {credential}"));
        } else if n % 3 == 1 {
            let to = format!("{credential}-to");
            store.commit(&[Effect::Rotated { from: key(&credential), to: key(&to), at: START }]).await.unwrap();
            done(format!("ended {credential}"));
            done(format!("live {to}"));
        }
        let back = UserName::new(&credential).unwrap();
        store
            .commit(&[failed(&format!("x{name}"), START), Effect::Reactivated { user: back, at: START }])
            .await
            .unwrap();
        done(format!("failed x{name}"));
        done(format!("person {credential}"));
    }
}

#[tokio::test]
async fn no_acknowledged_commit_is_lost_to_kill_9() {
    let rounds = std::env::var("DESKGATE_STORE_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
    let scratch = Scratch::new();
    drop(scratch.open());
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let before = acknowledged.len();
        run_and_kill(&scratch, round, &mut acknowledged);
        assert!(acknowledged.len() > before, "round {round} was killed before it began");
        let store = scratch.open();
        verify(&store, &acknowledged).await;
    }
}

fn run_and_kill(scratch: &Scratch, round: u32, acknowledged: &mut Vec<String>) {
    let test = module_path!().split_once("::").unwrap().1.to_owned() + "::killed_child";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CHILD, format!("{round} {}", scratch.dir().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    // Somewhere between the first acknowledgement and a quarter of a second later.
    let mut delay = None;
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let (Some(ack), true) = (line.strip_prefix("ack "), line.ends_with('\n')) {
            acknowledged.push(ack.trim().to_owned());
            let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), round) % 250;
            let until = *delay.get_or_insert_with(|| Instant::now() + Duration::from_millis(random));
            if Instant::now() >= until {
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
}

async fn verify(store: &EmbeddedStore, acknowledged: &[String]) {
    let mut failures = std::collections::HashMap::<&str, usize>::new();
    for line in acknowledged {
        let (what, name) = line.split_once(' ').unwrap();
        match what {
            // What came after it may have been written and not acknowledged.
            "live" => assert!(is_live(store, name).await || is_ended(store, name).await, "lost {line}"),
            "ended" => assert!(is_ended(store, name).await, "lost {line}"),
            "person" => assert_eq!(known(store, name, START).await.last_sign_in, Some(START), "lost {line}"),
            "failed" => *failures.entry(name).or_default() += 1,
            other => panic!("{other}?"),
        }
    }
    for (name, count) in failures {
        let found = known(store, name, START).await.account_failures;
        assert!(usize::try_from(found).unwrap() >= count.min(FAILURES_COUNTED), "lost failures of {name}");
    }
}
