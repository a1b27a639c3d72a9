//! The file: making, opening, checking, reading and writing it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable, StorageError,
    Table, TableDefinition, TableError,
};

use super::memory::Memory;
use super::row::{self, AccountKey, Row, Shared};
use crate::clock::Timestamp;
use crate::store::{SessionKey, SessionRecord, SessionState, StoreError};

/// The file in the store's directory.
pub const FILE: &str = "deskgate.redb";

/// The version of the tables and of the layouts in `row.rs`.
const VERSION: u64 = 1;

/// Pages to keep in memory. Small: questions are answered from [`Memory`], never from pages.
const CACHE: usize = 32 << 20;

const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
const SESSIONS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("sessions");
const PEOPLE: TableDefinition<'_, &str, u64> = TableDefinition::new("people");
const ACCOUNTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("account_failures");
const ADDRESSES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("address_failures");

/// Opens the file that was opened before, once more.
pub(super) type Reopen = Box<dyn Fn() -> Result<Database, DatabaseError> + Send>;

pub(super) struct Disk {
    path: PathBuf,
    /// `None` after a failure: what the kernel did with a failed write is unknown, so the next
    /// write opens the file afresh and redb checks it.
    database: Option<Database>,
    reopen: Reopen,
}

impl Disk {
    /// Opens the store's file in `dir`; makes both where there are none.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        prepare_dir(dir)?;
        let path = dir.join(FILE);
        let again = path.clone();
        let reopen: Reopen = Box::new(move || builder().create_with_backend(FileBackend::new(existing(&again)?)?));
        let database = match fs::metadata(&path) {
            Ok(found) => {
                private(&path, found.permissions().mode(), 0o600)?;
                let database = guarded(&reopen).map_err(|error| error.of_opening(&path))?;
                checked(database, &path)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path)?,
            Err(error) => return Err(StoreError(format!("cannot read {}: {error}", path.display()))),
        };
        Ok(Self { path, database: Some(database), reopen })
    }

    /// The same file through another way in: tests let it fail.
    #[cfg(test)]
    pub(super) fn through(mut self, reopen: Reopen) -> Self {
        self.database = None;
        self.reopen = reopen;
        self
    }

    /// Reads everything into `memory`.
    pub(super) fn load(&self, memory: &Memory) -> Result<(), StoreError> {
        let Some(database) = &self.database else { return Ok(()) };
        guarded(|| load(database, memory)).map_err(|error| error.of_opening(&self.path))
    }

    /// Writes `rows`, and of `seen` what is news about sessions that are live on disk; all or none.
    pub(super) fn write<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row>,
        seen: &[(SessionKey, Arc<SessionRecord>)],
    ) -> Result<(), WriteError> {
        let failed = |error: Fault| StoreError(format!("cannot write to {}: {error}", self.path.display()));
        let database = match self.database.take() {
            Some(database) => database,
            None => guarded(|| (self.reopen)()).map_err(|error| WriteError::NotTried(failed(error)))?,
        };
        match guarded(|| write(&database, rows, seen)) {
            Ok(()) => {
                self.database = Some(database);
                Ok(())
            }
            Err(error) => {
                close(database);
                Err(WriteError::Tried(failed(error)))
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            close(database);
        }
    }
}

/// A write that failed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Nothing of it can be on disk.
    NotTried(StoreError),
    /// It may be on disk: a failed sync tells nothing.
    Tried(StoreError),
}

/// What can go wrong inside redb.
#[derive(Debug)]
enum Fault {
    Redb(redb::Error),
    /// redb asserts what it reads; a damaged page can break such an assertion.
    Panicked,
    Row(&'static str),
    Version(u64),
    Foreign,
    Marked,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redb(error) => error.fmt(f),
            Self::Panicked => f.write_str("an inner check failed"),
            Self::Row(table) => write!(f, "a row in `{table}` cannot be read"),
            Self::Version(version) => write!(f, "format version {version}"),
            Self::Foreign => f.write_str("no `format` table"),
            Self::Marked => f.write_str("checksums differed at an earlier start"),
        }
    }
}

macro_rules! redb_faults {
    ($($error:ident)*) => { $(
        impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        }
    )* };
}
redb_faults! { DatabaseError TransactionError TableError StorageError CommitError SetDurabilityError }

impl Fault {
    /// The sentence for somebody whose gateway does not start.
    fn of_opening(&self, path: &Path) -> StoreError {
        let path = path.display();
        StoreError(match self {
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => {
                format!("{path} is in use by another process: each gateway needs a `state.directory` of its own")
            }
            Self::Redb(redb::Error::Io(error)) if !is_damage(error) => format!("cannot read {path}: {error}"),
            Self::Version(version) => format!(
                "{path} has format version {version}, this program reads version {VERSION}: \
                 run the program that wrote it, or move the file aside (everyone then signs in again)"
            ),
            _ => damaged(&path, self),
        })
    }
}

fn damaged(path: &dyn std::fmt::Display, why: &dyn std::fmt::Display) -> String {
    format!("{path} is damaged ({why}): move the file aside and start again (everyone then signs in again)")
}

fn is_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

fn guarded<T, E: Into<Fault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_or(Err(Fault::Panicked), |result| result.map_err(Into::into))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn existing(path: &Path) -> Result<File, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.metadata()?.len() == 0 {
        // redb would take it for a new one, and everybody's session would be gone without a word.
        return Err(StorageError::Corrupted("the file is empty".into()).into());
    }
    Ok(file)
}

/// Refuses a store that others on the machine could read or change.
fn private(path: &Path, mode: u32, wanted: u32) -> Result<(), StoreError> {
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    let (path, mode) = (path.display(), mode & 0o777);
    Err(StoreError(format!("{path} is accessible to others (mode {mode:03o}): run `chmod {wanted:o} {path}`")))
}

fn prepare_dir(dir: &Path) -> Result<(), StoreError> {
    let failed = |error| {
        StoreError(format!(
            "cannot use {} as store directory: {error}; state.directory in the policy says which to use",
            dir.display()
        ))
    };
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => private(dir, found.permissions().mode(), 0o700),
        Ok(_) => Err(StoreError(format!("{} is not a directory: the store needs one", dir.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes the file under another name first, so that a file by the final name is always whole.
fn make(path: &Path) -> Result<Database, StoreError> {
    let new = path.with_extension("redb.new");
    let database = guarded(|| begin(&new)).map_err(|error| error.of_opening(&new))?;
    // A link, not a rename: it fails where another process has just put its own file.
    fs::hard_link(&new, path)
        .and_then(|()| fs::remove_file(&new))
        .and_then(|()| File::open(path.parent().unwrap_or(path))?.sync_all())
        .map_err(|error| StoreError(format!("cannot make {}: {error}", path.display())))?;
    Ok(database)
}

fn begin(new: &Path) -> Result<Database, Fault> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(new);
    let file = file.map_err(StorageError::from)?;
    let backend = FileBackend::new(file.try_clone().map_err(StorageError::from)?)?;
    // Locked now, so whatever is in there is left over from a start that was cut off.
    file.set_len(0).map_err(StorageError::from)?;
    let database = builder().create_with_backend(backend)?;
    let transaction = database.begin_write()?;
    {
        transaction.open_table(FORMAT)?.insert("version", VERSION)?;
        transaction.open_table(SESSIONS)?;
        transaction.open_table(PEOPLE)?;
        transaction.open_table(ACCOUNTS)?;
        transaction.open_table(ADDRESSES)?;
    }
    transaction.commit()?;
    Ok(database)
}

/// Reads every page once: redb itself verifies checksums only after a crash.
fn checked(mut database: Database, path: &Path) -> Result<Database, StoreError> {
    let refusal = match guarded(|| database.check_integrity()) {
        Ok(true) => return Ok(database),
        Ok(false) => {
            // redb has gone back to an older state. The next start must not take that for the truth.
            let _ = guarded(|| mark(&database));
            StoreError(damaged(&path.display(), &"checksums differ"))
        }
        Err(error) => error.of_opening(path),
    };
    close(database);
    Err(refusal)
}

fn mark(database: &Database) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    transaction.open_table(FORMAT)?.insert("damaged", 1)?;
    transaction.commit()?;
    Ok(())
}

/// Closes without the panic that redb raises when it cannot close cleanly.
fn close(database: Database) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

fn load(database: &Database, memory: &Memory) -> Result<(), Fault> {
    let transaction = database.begin_read()?;
    version(&transaction)?;
    let mut shared = Shared::default();
    for item in transaction.open_table(PEOPLE)?.iter()? {
        let (name, last) = item?;
        memory.set(Row::Person(shared.user(name.value()), Some(Timestamp(last.value()))));
    }
    for item in transaction.open_table(SESSIONS)?.iter()? {
        let (key, value) = item?;
        let state = row::session_from(value.value(), &mut shared).ok_or(Fault::Row("sessions"))?;
        memory.set(Row::Session(SessionKey::from_bytes(*key.value()), state));
    }
    for item in transaction.open_table(ACCOUNTS)?.iter()? {
        let (key, value) = item?;
        let times = row::times_from(value.value()).ok_or(Fault::Row("account_failures"))?;
        memory.set(Row::Account(AccountKey(*key.value()), times));
    }
    for item in transaction.open_table(ADDRESSES)?.iter()? {
        let (key, value) = item?;
        let address = row::address_from(key.value()).ok_or(Fault::Row("address_failures"))?;
        let times = row::times_from(value.value()).ok_or(Fault::Row("address_failures"))?;
        memory.set(Row::Address(address, times));
    }
    Ok(())
}

fn version(transaction: &ReadTransaction) -> Result<(), Fault> {
    let table = match transaction.open_table(FORMAT) {
        Err(TableError::TableDoesNotExist(_)) => return Err(Fault::Foreign),
        table => table?,
    };
    if table.get("damaged")?.is_some() {
        return Err(Fault::Marked);
    }
    match table.get("version")?.map(|version| version.value()) {
        Some(VERSION) => Ok(()),
        Some(other) => Err(Fault::Version(other)),
        None => Err(Fault::Foreign),
    }
}

fn write<'a>(
    database: &Database,
    rows: impl Iterator<Item = &'a Row>,
    seen: &[(SessionKey, Arc<SessionRecord>)],
) -> Result<(), Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut sessions = transaction.open_table(SESSIONS)?;
        let mut people = transaction.open_table(PEOPLE)?;
        let mut accounts = transaction.open_table(ACCOUNTS)?;
        let mut addresses = transaction.open_table(ADDRESSES)?;
        for row in rows {
            match row {
                Row::Session(key, state) => put(&mut sessions, key.as_bytes(), row::session_bytes(state))?,
                Row::Account(key, times) => put(&mut accounts, &key.0, times_or_none(times))?,
                Row::Address(address, times) => {
                    put(&mut addresses, row::address_bytes(*address).as_slice(), times_or_none(times))?;
                }
                Row::Person(user, Some(last)) => drop(people.insert(user.as_str(), last.0)?),
                Row::Person(user, None) => drop(people.remove(user.as_str())?),
            }
        }
        write_seen(&mut sessions, seen)?;
    }
    transaction.commit()?;
    Ok(())
}

fn times_or_none(times: &[Timestamp]) -> Option<Vec<u8>> {
    (!times.is_empty()).then(|| row::times_bytes(times))
}

fn put<K: redb::Key>(
    table: &mut Table<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    value: Option<Vec<u8>>,
) -> Result<(), StorageError> {
    match value {
        Some(value) => drop(table.insert(key, value.as_slice())?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

/// Only ever makes a stored time later, and only that of the very session that was seen: a commit
/// that is still waiting may have ended or replaced it in memory, or not have stored it at all.
fn write_seen(
    table: &mut Table<'_, &'static [u8; 32], &'static [u8]>,
    seen: &[(SessionKey, Arc<SessionRecord>)],
) -> Result<(), Fault> {
    let mut shared = Shared::default();
    for (key, record) in seen {
        let stored = match table.get(key.as_bytes())? {
            Some(value) => row::session_from(value.value(), &mut shared).ok_or(Fault::Row("sessions"))?,
            None => SessionState::Unknown,
        };
        let SessionState::Live(stored) = stored else { continue };
        let same = stored.user == record.user && stored.started == record.started;
        if same && stored.last_seen < record.last_seen {
            put(table, key.as_bytes(), row::session_bytes(&SessionState::Live(Arc::clone(record))))?;
        }
    }
    Ok(())
}
