//! Damaged files, files of earlier versions, and what is saved of them.

use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use redb3::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};

use super::*;
use crate::store::embedded::disk::TABLES;

/// A file that 0.1.0 wrote.
fn of_0_1_0(name: &str) -> Scratch {
    let path = format!("{}/tests/stores/0.1.0-{name}.redb.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    with(&bytes)
}

/// A state directory with this file in it.
fn with(bytes: &[u8]) -> Scratch {
    let scratch = Scratch::new();
    fs::DirBuilder::new().mode(0o700).create(scratch.dir()).unwrap();
    put(&scratch, bytes);
    scratch
}

fn put(scratch: &Scratch, bytes: &[u8]) {
    let _ = fs::remove_file(scratch.file());
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(scratch.file()).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

/// So many people with a session each; every third is ended, and one account was guessed at.
async fn filled(people: u32) -> (Scratch, Vec<u8>) {
    let scratch = Scratch::new();
    let store = scratch.open();
    let mut effects: Vec<_> =
        (0..people).map(|n| sign_in(&format!("user{n}"), &format!("s{n}"), n % 50, None)).collect();
    effects.extend((0..people).step_by(3).map(|n| ended(&format!("s{n}"))));
    effects.extend((0..3).map(|_| failed("eve", START)));
    store.commit(&effects).await.unwrap();
    store.close().unwrap();
    drop(store);
    let bytes = fs::read(scratch.file()).unwrap();
    (scratch, bytes)
}

fn counts(report: &Report) -> Vec<(u64, Option<u64>)> {
    report.tables.iter().map(|table| (table.readable, table.lost)).collect()
}

#[tokio::test]
async fn files_of_0_1_0_open() {
    for name in ["clean", "killed"] {
        let scratch = of_0_1_0(name);
        for start in 1..=3 {
            let store = scratch.open();
            assert_eq!(store.sessions().await.unwrap().len(), 20, "{name}, start {start}");
            assert_eq!(store.people().await.unwrap().len(), 31, "{name}, start {start}");
            for n in 0..10 {
                assert!(is_ended(&store, &format!("s{n}")).await, "{name}, start {start}: s{n}");
            }
            assert!(is_ended(&store, "s10").await && is_live(&store, "s10-to").await && is_live(&store, "s29").await);
            assert_eq!(known(&store, "eve", START).await.account_failures, 3, "{name}, start {start}");
            store.commit(&[sign_in("new", "new", start, None), ended("new")]).await.unwrap();
            assert_eq!(store.people().await.unwrap().len(), 32);
            store.commit(&[sign_in("new", "another", start, None)]).await.unwrap();
            drop(store);
            put(&scratch, &fs::read(of_0_1_0(name).file()).unwrap());
        }
    }
}

/// The one that its false alarm shut out for good.
#[tokio::test]
async fn a_whole_file_that_0_1_0_marked_as_damaged_opens() {
    let scratch = of_0_1_0("marked");
    assert!(marked(&scratch.file()), "the file is not what this test is about");
    assert_eq!(check(&scratch.dir()).unwrap().state, Condition::Whole);
    for start in 1..=3 {
        let store = scratch.open();
        assert_eq!(store.sessions().await.unwrap().len(), 10, "start {start}");
        assert_eq!(store.people().await.unwrap().len(), 11);
        assert!(is_ended(&store, "s0").await && is_ended(&store, "s1").await && is_live(&store, "s1-to").await);
        assert_eq!(known(&store, "eve", START).await.account_failures, 3);
        drop(store);
        assert!(!marked(&scratch.file()), "the mark stays");
    }
}

fn marked(file: &std::path::Path) -> bool {
    let database = redb3::Database::open(file).unwrap();
    let read = database.begin_read().unwrap();
    let format = read.open_table(redb3::TableDefinition::<&str, u64>::new("format")).unwrap();
    format.get("damaged").unwrap().is_some()
}

/// Whoever goes back to 0.1.0 keeps a file that 0.1.0 made: its engine reads all that was added.
#[tokio::test]
async fn the_engine_of_0_1_0_reads_what_was_added_to_its_file() {
    let scratch = of_0_1_0("clean");
    for start in 0..3 {
        let store = scratch.open();
        let many: Vec<_> =
            (0..300).map(|n| sign_in(&format!("new{start}-{n}"), &format!("n{start}-{n}"), 1, None)).collect();
        store.commit(&many).await.unwrap();
    }
    let database = redb3::Database::open(scratch.file()).unwrap();
    let read = database.begin_read().unwrap();
    let format = read.open_table(redb3::TableDefinition::<&str, u64>::new("format")).unwrap();
    assert_eq!(format.get("version").unwrap().unwrap().value(), 1);
    let names = read.open_table(redb3::TableDefinition::<&str, u64>::new("people")).unwrap();
    assert_eq!(names.iter().unwrap().map(Result::unwrap).count(), 931);
    assert_eq!(names.len().unwrap(), 931);
    for (name, last) in names.iter().unwrap().map(Result::unwrap) {
        assert_eq!(names.get(name.value()).unwrap().unwrap().value(), last.value(), "found by its name");
    }
    let keys = read.open_table(redb3::TableDefinition::<&[u8; 32], &[u8]>::new("sessions")).unwrap();
    assert_eq!(keys.iter().unwrap().map(Result::unwrap).count(), 931);
    let addresses = read.open_table(redb3::TableDefinition::<&[u8], &[u8]>::new("address_failures")).unwrap();
    assert_eq!(addresses.len().unwrap(), 1);
}

/// The pages that a repair reads are those that redb reads: of small trees and deep ones.
#[tokio::test]
async fn of_a_whole_file_everything_can_be_read() {
    for people in [0, 1, 40, 5_000] {
        let (scratch, bytes) = filled(people).await;
        let report = check(&scratch.dir()).unwrap();
        assert_eq!((report.state, report.older, &report.damage), (Condition::Whole, false, &None));
        let people = u64::from(people);
        assert_eq!(counts(&report), [(people, Some(0)), (people, Some(0)), (1, Some(0)), (1, Some(0))]);
        assert_eq!(fs::read(scratch.file()).unwrap(), bytes, "looking changes nothing");
        let report = repair(&scratch.dir()).unwrap();
        assert_eq!((report.state, report.aside), (Condition::Whole, None));
        assert_eq!(fs::read(scratch.file()).unwrap(), bytes, "what is whole is not repaired");
    }
    for (name, sessions, people) in [("clean", 31, 31), ("killed", 31, 31), ("marked", 12, 11)] {
        let report = check(&of_0_1_0(name).dir()).unwrap();
        assert_eq!(report.state, Condition::Whole, "{name}: {report:?}");
        assert_eq!(counts(&report), [(sessions, Some(0)), (people, Some(0)), (1, Some(0)), (1, Some(0))], "{name}");
    }
}

/// Wherever a bit flips: the start is refused, or nothing is amiss. A repair then saves nearly all,
/// tells exactly what is lost, and what it saves is what was there.
#[tokio::test]
async fn a_repair_saves_what_no_flipped_bit_reached() {
    const PEOPLE: u32 = 600;
    let (scratch, whole) = filled(PEOPLE).await;
    let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let header = (0..320).step_by(7);
    let places: Vec<_> = header.chain(used.iter().copied().step_by(used.len() / 80)).collect();
    let (mut damaged, mut least) = (0, u64::MAX);
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        put(&scratch, &bytes);
        let looked = check(&scratch.dir()).unwrap();
        let started = EmbeddedStore::open(&scratch.dir(), START);
        assert_eq!(looked.state == Condition::Whole, started.is_ok(), "flipped at {at}: {looked:?}");
        drop(started);
        if looked.state == Condition::Whole {
            continue;
        }
        damaged += 1;
        put(&scratch, &bytes);
        let report = repair(&scratch.dir()).unwrap();
        assert_eq!(report.state, Condition::Repaired, "flipped at {at}: {report:?}");
        assert_eq!(fs::read(report.aside.as_ref().unwrap()).unwrap(), bytes, "the damaged file is kept");
        assert_eq!(check(&scratch.dir()).unwrap().state, Condition::Whole, "flipped at {at}");
        let store = scratch.open();
        let saved = holds_only_what_was_there(&store, PEOPLE, &report).await;
        least = least.min(saved);
    }
    assert!(damaged > 40, "{damaged}");
    assert!(least < u64::from(PEOPLE), "no damage reached a session");
}

/// How many sessions there are; none may be another than it was.
async fn holds_only_what_was_there(store: &EmbeddedStore, people: u32, report: &Report) -> u64 {
    let mut saved = 0;
    for n in 0..people {
        let name = format!("user{n}");
        match state(store, &format!("s{n}")).await {
            SessionState::Unknown => continue,
            SessionState::Live(record) => assert!(n % 3 != 0 && record.user.as_str() == name, "{record:?}"),
            SessionState::Ended { record, .. } => assert!(n % 3 == 0 && record.user.as_str() == name, "{record:?}"),
        }
        saved += 1;
    }
    let sessions = &report.tables[0];
    assert_eq!(saved, sessions.readable);
    if let Some(lost) = sessions.lost {
        assert_eq!(saved + lost, u64::from(people), "{report:?}");
    }
    assert_eq!(store.people().await.unwrap().len() as u64, report.tables[1].readable);
    saved
}

/// A disk that gives nothing for a part of the file, or a copy that was cut off.
#[tokio::test]
async fn of_a_file_with_a_hole_the_rest_is_saved() {
    const PEOPLE: u32 = 3_000;
    let (scratch, whole) = filled(PEOPLE).await;
    let tenth = whole.len() / 10;
    let mut best = 0;
    for part in 1..10 {
        for cut in [false, true] {
            let mut bytes = whole.clone();
            bytes[part * tenth..(part + 1) * tenth].fill(0);
            if cut {
                bytes.truncate(part * tenth);
            }
            put(&scratch, &bytes);
            let report = repair(&scratch.dir()).unwrap();
            match report.state {
                Condition::Whole => assert!(!cut, "nothing but free pages was in part {part}"),
                Condition::Unreadable => assert_eq!(fs::read(scratch.file()).unwrap(), bytes),
                _ => {
                    let saved = holds_only_what_was_there(&scratch.open(), PEOPLE, &report).await;
                    best = best.max(saved);
                    assert!(counts(&report).iter().any(|(_, lost)| *lost != Some(0)), "part {part}: {report:?}");
                }
            }
        }
    }
    assert!(best > u64::from(PEOPLE) / 2 && best < u64::from(PEOPLE), "{best}");
}

#[test]
fn of_what_is_no_store_nothing_is_saved_and_nothing_is_touched() {
    for bytes in [Vec::new(), vec![b'x'], vec![0; 70_000], vec![0xA5; 70_000]] {
        let scratch = with(&bytes);
        let report = repair(&scratch.dir()).unwrap();
        assert_eq!((report.state, report.aside), (Condition::Unreadable, None));
        assert_eq!(fs::read(scratch.file()).unwrap(), bytes);
        assert_eq!(fs::read_dir(scratch.dir()).unwrap().count(), 1, "nothing is left beside it");
    }
    let missing = Scratch::new();
    assert!(check(&missing.dir()).unwrap_err().0.contains("there is no deskgate.redb in"));
}

/// What a kill leaves is not closed; a commit that was acknowledged is not undone there either.
#[tokio::test]
async fn damage_in_the_newest_commit_is_not_taken_for_a_commit_that_was_cut_off() {
    let scratch = Scratch::new();
    let store = scratch.open();
    for n in 0..40 {
        store.commit(&[sign_in(&format!("user{n}"), &format!("s{n}"), n, None)]).await.unwrap();
    }
    store.commit(&[ended("s0"), sign_in("newest", "newest", 50, None)]).await.unwrap();
    let killed = fs::read(scratch.file()).unwrap();
    drop(store);
    let whole = with(&killed);
    assert!(is_ended(&whole.open(), "s0").await, "a kill alone is no damage");
    let places: Vec<_> = (0..killed.len() - 6).filter(|at| &killed[*at..*at + 6] == b"newest").collect();
    assert!(places.len() >= 2, "in the pages of sessions and of people");
    for at in places {
        let mut bytes = killed.clone();
        bytes[at] ^= 1;
        let damaged = with(&bytes);
        match EmbeddedStore::open(&damaged.dir(), START) {
            Err(refusal) => assert!(refusal.0.contains("is damaged"), "{refusal}"),
            Ok(store) => assert!(is_ended(&store, "s0").await && is_live(&store, "newest").await, "undone silently"),
        }
    }
}

#[tokio::test]
async fn repairs_wait_for_the_gateway_and_keep_every_damaged_file() {
    let (scratch, whole) = filled(300).await;
    let running = scratch.open();
    for refused in [check(&scratch.dir()), repair(&scratch.dir())] {
        assert!(refused.unwrap_err().0.contains("stop the gateway first"));
    }
    drop(running);
    let text = whole.windows(7).position(|bytes| bytes == b"user150").unwrap();
    let mut damaged = whole.clone();
    damaged[text] ^= 1;
    for time in 1..=3 {
        put(&scratch, &damaged);
        let refusal = scratch.refusal();
        assert!(refusal.contains(&format!("`deskgate state repair {}`", scratch.dir().display())), "{refusal}");
        assert_eq!(
            repair(&scratch.dir()).unwrap().aside.unwrap(),
            scratch.file().with_extension(format!("redb.damaged-{time}"))
        );
        drop(scratch.open());
        let mode = fs::metadata(scratch.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(scratch.dir()).unwrap().count(), 4);
    assert_eq!(TABLES.len(), 4);
}
