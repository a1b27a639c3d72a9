//! The file: who may read it, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use redb::{Database, TableDefinition};

use super::*;

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
                refusal.starts_with(scratch.file().to_str().unwrap()) && refusal.contains("`deskgate state repair ");
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

/// What a file needs after a clean stop is none of its damage: two sign-ins and three starts.
#[tokio::test]
async fn clean_starts_find_no_damage() {
    for people in [1, 2, 5] {
        let scratch = Scratch::new();
        let store = scratch.open();
        for n in 0..people {
            store.commit(&[sign_in(&format!("user{n}"), &format!("s{n}"), 0, None)]).await.unwrap();
        }
        if people == 1 {
            store.commit(&[ended("s0")]).await.unwrap();
        }
        store.close().unwrap();
        drop(store);
        for start in 2..=6 {
            let store = EmbeddedStore::open(&scratch.dir(), START)
                .unwrap_or_else(|refusal| panic!("{people} sign-ins, start {start}: {refusal}"));
            assert_eq!(store.people().await.unwrap().len(), people);
            assert_eq!(store.sessions().await.unwrap().len(), if people == 1 { 0 } else { people });
        }
    }
}
