//! A file that may be damaged, while no gateway uses it: whether it is, and a new one with what can
//! be read of it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk::{self, FILE, TABLES};
use super::pages::Tables;
use super::row::{self, Row, Shared};
use crate::store::StoreError;

/// How much a disk is asked for at once where it does not give everything.
const BLOCK: usize = 4_096;

/// How many rows one transaction of a repair takes.
const SLICE: usize = 8_192;

/// What `deskgate state check` and `deskgate state repair` found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// Whether it is whole.
    pub state: Condition,
    /// What is wrong with it; the gateway refuses to start with these words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Whether its newest commit cannot be found, so that what can be read is the state before it.
    pub older: bool,
    /// Table by table what can be read, and what cannot.
    pub tables: Vec<TableReport>,
    /// Where a repair put the damaged file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aside: Option<PathBuf>,
}

/// Whether a file of the store is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A gateway starts on it.
    Whole,
    /// No gateway starts on it; something can be read.
    Damaged,
    /// Nothing of it can be read.
    Unreadable,
    /// It was damaged; a new file has what could be read.
    Repaired,
}

/// One table of a file.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// `sessions` (ended ones too), `people`, `account_failures`, `address_failures`.
    pub table: &'static str,
    /// Rows that can be read, each from a page with the right checksum.
    pub readable: u64,
    /// Rows that cannot; `None` when damage hides how many there were.
    pub lost: Option<u64>,
}

/// Looks at the store's file in `directory`, and changes nothing. Takes twice as much memory as
/// the file is long.
///
/// # Errors
/// When there is no file, a process uses it, or it cannot be read.
pub fn check(directory: &Path) -> Result<Report, StoreError> {
    let (path, file) = hold(directory)?;
    Ok(look(&path, &file)?.0)
}

/// Puts a new file with what can be read in the place of a damaged one, which is kept beside it. A
/// file that is whole stays as it is, and so does one of which nothing can be read.
///
/// # Errors
/// As [`check`], and when the new file cannot be written.
pub fn repair(directory: &Path) -> Result<Report, StoreError> {
    let (path, file) = hold(directory)?;
    let (mut report, rows) = look(&path, &file)?;
    if report.state != Condition::Damaged {
        return Ok(report);
    }
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        StoreError(format!("{what}: {error}; {} is as it was", path.display()))
    };
    let new = path.with_extension("redb.repaired");
    disk::write_anew(&new, rows.chunks(SLICE)).map_err(|error| failed("no new file can be written", &error))?;
    belongs_as(&file, &new).map_err(|error| failed("the new file cannot be given to the gateway's user", &error))?;
    // The old file never goes before the new one is in place: a link first, then a rename over it.
    let aside = keep_aside(&path).map_err(|error| failed("the damaged file cannot be kept aside", &error))?;
    fs::rename(&new, &path)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(|error| failed("the new file cannot be put in place", &error))?;
    report.state = Condition::Repaired;
    report.aside = Some(aside);
    Ok(report)
}

/// Holds the file against every gateway and every other repair.
fn hold(directory: &Path) -> Result<(PathBuf, File), StoreError> {
    let path = directory.join(FILE);
    let file = match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError(format!(
            "there is no {} in {}: name the `state.directory` of the policy",
            FILE,
            directory.display()
        ))),
        Err(error) => Err(StoreError(format!("cannot read {}: {error}", path.display()))),
        Ok(file) => Ok(file),
    }?;
    match file.try_lock() {
        Ok(()) => Ok((path, file)),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError(format!("{} is in use by another process: stop the gateway first", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(StoreError(format!("cannot lock {}: {error}", path.display()))),
    }
}

/// What is wrong with the file, and what of it can be read.
fn look(path: &Path, file: &File) -> Result<(Report, Vec<Row>), StoreError> {
    let bytes = read(file).map_err(|error| StoreError(format!("cannot read {}: {error}", path.display())))?;
    let damage = disk::damage_of(&bytes, path)?;
    let (tables, rows, older) = salvage(&bytes);
    let state = match (&damage, rows.is_empty()) {
        (None, _) => Condition::Whole,
        (Some(_), false) => Condition::Damaged,
        (Some(_), true) => Condition::Unreadable,
    };
    Ok((Report { file: path.to_owned(), state, damage, older, tables, aside: None }, rows))
}

/// The file's bytes; zeros where the disk does not give them, which no checksum fits.
fn read(file: &File) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; length];
    if file.read_exact_at(&mut bytes, 0).is_err() {
        for (number, block) in (0_u64..).zip(bytes.chunks_mut(BLOCK)) {
            if file.read_exact_at(block, number * BLOCK as u64).is_err() {
                block.fill(0);
            }
        }
    }
    Ok(bytes)
}

/// The rows of every table, as far as they can be read, and whether they are of the commit before the
/// newest.
fn salvage(bytes: &[u8]) -> (Vec<TableReport>, Vec<Row>, bool) {
    let found = Tables::find(bytes);
    let mut rows = Vec::new();
    let mut shared = Shared::default();
    let tables = TABLES.into_iter().map(|name| {
        let before = rows.len();
        let counted = found.as_ref().and_then(|tables| {
            let rows = tables.rows(name, &mut |key, value| rows.extend(row(name, key, value, &mut shared)));
            rows.or_else(|| tables.complete.then_some(0))
        });
        let readable = (rows.len() - before) as u64;
        TableReport { table: name, readable, lost: counted.map(|rows| rows.saturating_sub(readable)) }
    });
    let tables = tables.collect();
    (tables, rows, found.is_some_and(|tables| tables.older))
}

/// A row of the table `name` from its bytes; `None` when they are no such row.
fn row(name: &str, key: &[u8], value: &[u8], shared: &mut Shared) -> Option<Row> {
    match name {
        "sessions" => row::session(key.try_into().ok()?, value, shared),
        "people" => {
            let last = u64::from_le_bytes(value.try_into().ok()?);
            Some(row::person(std::str::from_utf8(key).ok()?, last, shared))
        }
        "account_failures" => row::account(key.try_into().ok()?, value),
        "address_failures" => row::address(key, value),
        _ => None,
    }
}

/// Gives the new file to whom the old one belongs: root repairs what a gateway's own user must open.
fn belongs_as(old: &File, new: &Path) -> std::io::Result<()> {
    let (old, made) = (old.metadata()?, fs::metadata(new)?);
    if (old.uid(), old.gid()) == (made.uid(), made.gid()) {
        return Ok(());
    }
    chown(new, Some(old.uid()), Some(old.gid()))
}

/// Gives the file a second name that no file has, so that the first can go to another.
fn keep_aside(path: &Path) -> std::io::Result<PathBuf> {
    for number in 1_u32.. {
        let aside = path.with_extension(format!("redb.damaged-{number}"));
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
