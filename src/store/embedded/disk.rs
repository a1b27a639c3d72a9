//! The file: making, opening, checking, reading and writing it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, StorageBackend, StorageError, Table, TableDefinition, TableError, TableHandle,
    WriteTransaction,
};

use super::memory::Memory;
use super::row::{self, Row, Shared};
use crate::clock::Timestamp;
use crate::store::{SessionKey, SessionRecord, SessionState, StoreError};

/// The file in the store's directory.
pub const FILE: &str = "deskgate.redb";

/// The version of the tables and of the layouts in `row.rs`.
const VERSION: u64 = 1;

/// The key in the `format` table by which 0.1.0 said that it had found damage. It took a difference in
/// the list of free pages for damage too, so the mark alone proves nothing.
const MARK: &str = "damaged";

/// Pages to keep in memory. Small: questions are answered from [`Memory`], never from pages.
const CACHE: usize = 32 << 20;

const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
const SESSIONS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("sessions");
const PEOPLE: TableDefinition<'_, &str, u64> = TableDefinition::new("people");
const ACCOUNTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("account_failures");
const ADDRESSES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("address_failures");

/// The tables that have rows of the store, by their names in the file.
pub(super) const TABLES: [&str; 4] = ["sessions", "people", "account_failures", "address_failures"];

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
                guarded(&reopen).map_err(|error| error.of_opening(&path))?
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

    /// Reads everything into `memory`. A file that 0.1.0 marked as damaged, and that is whole, loses
    /// the mark.
    pub(super) fn load(&self, memory: &Memory) -> Result<(), StoreError> {
        let Some(database) = &self.database else { return Ok(()) };
        let marked = guarded(|| load(database, |row| drop(memory.set(row))));
        let marked = marked.map_err(|error| error.of_opening(&self.path))?;
        if marked {
            guarded(|| unmark(database)).map_err(|error| error.of_opening(&self.path))?;
            log::warn!(
                "{} was marked as damaged by an earlier version; every row and checksum in it is whole, the mark is gone",
                self.path.display()
            );
        }
        Ok(())
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
    /// A table that says it has other rows than could be read.
    Length(&'static str),
    Version(u64),
    Foreign,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redb(error) => error.fmt(f),
            Self::Panicked => f.write_str("an inner check failed"),
            Self::Row(table) => write!(f, "a row in `{table}` cannot be read"),
            Self::Length(table) => write!(f, "rows are missing in `{table}`"),
            Self::Version(version) => write!(f, "format version {version}"),
            Self::Foreign => f.write_str("no `format` table"),
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
    pub(super) fn of_opening(&self, path: &Path) -> StoreError {
        let shown = path.display();
        StoreError(match self {
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => in_use(path),
            Self::Redb(redb::Error::Io(error)) if !is_damage(error) => format!("cannot read {shown}: {error}"),
            Self::Version(version) => format!(
                "{shown} has format version {version}, this program reads version {VERSION}: \
                 run the program that wrote it, or move the file aside (everyone then signs in again)"
            ),
            _ => damaged(path, self),
        })
    }
}

/// The sentence when another process holds the file.
pub(super) fn in_use(path: &Path) -> String {
    format!("{} is in use by another process: each gateway needs a `state.directory` of its own", path.display())
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> String {
    let directory = path.parent().unwrap_or(path).display();
    format!(
        "{} is damaged ({why}): `deskgate state repair {directory}` saves what can be read and keeps the damaged file \
         aside",
        path.display()
    )
}

fn is_damage(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

fn guarded<T, E: Into<Fault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_or(Err(Fault::Panicked), |result| result.map_err(Into::into))
}

/// Every open reads every page and compares its checksum, and rebuilds the list of free pages
/// instead of judging the file by it.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true).set_repair_callback(|repair| {
        // redb tells so that it goes back by one commit. Only a file of 0.1.0 lets it: the commits
        // of today are in place before they are named, so a torn one is never the newest.
        if (0.2..0.5).contains(&repair.progress()) {
            log::warn!(
                "the store's last commit was cut off by a crash, and is left out: nobody was told that it holds"
            );
        }
    });
    builder
}

fn existing(path: &Path) -> Result<File, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.metadata()?.len() == 0 {
        // redb would take it for a new one, and everybody's session would be gone without a word.
        return Err(empty());
    }
    Ok(file)
}

fn empty() -> DatabaseError {
    StorageError::Corrupted("the file is empty".into()).into()
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
    let transaction = begin_write(&database)?;
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

/// What is wrong with a file of these bytes, in the words with which [`Disk::open`] and
/// [`Disk::load`] refuse it; the file at `path` is not touched.
///
/// # Errors
/// When it is of another version: that is no damage.
pub(super) fn damage_of(bytes: &[u8], path: &Path) -> Result<Option<String>, StoreError> {
    let tried = guarded(|| {
        if bytes.is_empty() {
            return Err(Fault::from(empty()));
        }
        let backend = InMemoryBackend::new();
        backend.set_len(bytes.len() as u64).map_err(StorageError::from)?;
        backend.write(0, bytes).map_err(StorageError::from)?;
        let database = builder().create_with_backend(backend)?;
        let loaded = guarded(|| load(&database, drop));
        close(database);
        loaded.map(drop)
    });
    match tried {
        Ok(()) => Ok(None),
        Err(version @ Fault::Version(_)) => Err(version.of_opening(path)),
        Err(fault) => Ok(Some(fault.to_string())),
    }
}

/// Makes a file with these rows; what was there under its name is gone. Read once more before it is
/// taken for good.
pub(super) fn write_anew<'a>(new: &Path, slices: impl Iterator<Item = &'a [Row]>) -> Result<(), StoreError> {
    guarded(|| {
        let database = begin(new)?;
        let written = guarded(|| {
            let mut rows = 0;
            for slice in slices {
                write(&database, slice.iter(), &[])?;
                rows += slice.len();
            }
            load(&database, |_| rows -= 1)?;
            if rows == 0 { Ok(()) } else { Err(Fault::Length("the new file")) }
        });
        close(database);
        written
    })
    .map_err(|error| StoreError(error.to_string()))
}

/// Closes without the panic that redb raises when it cannot close cleanly.
fn close(database: Database) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Gives every row to `take`; whether the file has the mark of 0.1.0.
fn load(database: &Database, mut take: impl FnMut(Row)) -> Result<bool, Fault> {
    let transaction = database.begin_read()?;
    let marked = version(&transaction)?;
    let mut shared = Shared::default();
    each(&transaction, PEOPLE, &mut take, |name, last| Some(row::person(name, last, &mut shared)))?;
    each(&transaction, SESSIONS, &mut take, |key, value| row::session(key, value, &mut shared))?;
    each(&transaction, ACCOUNTS, &mut take, row::account)?;
    each(&transaction, ADDRESSES, &mut take, row::address)?;
    Ok(marked)
}

/// Reads a table from its first row to its last; there must be as many as it says.
fn each<K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'static, K, V>,
    take: &mut dyn FnMut(Row),
    mut read: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> Option<Row>,
) -> Result<(), Fault> {
    let name = TABLES.into_iter().find(|name| *name == definition.name()).unwrap_or_default();
    let table = transaction.open_table(definition)?;
    let mut count = 0;
    for item in table.iter()? {
        let (key, value) = item?;
        take(read(key.value(), value.value()).ok_or(Fault::Row(name))?);
        count += 1;
    }
    if count == table.len()? { Ok(()) } else { Err(Fault::Length(name)) }
}

fn unmark(database: &Database) -> Result<(), Fault> {
    let transaction = begin_write(database)?;
    transaction.open_table(FORMAT)?.remove(MARK)?;
    transaction.commit()?;
    Ok(())
}

/// Refuses what another version wrote; whether the file has the mark of 0.1.0.
fn version(transaction: &ReadTransaction) -> Result<bool, Fault> {
    let table = match transaction.open_table(FORMAT) {
        Err(TableError::TableDoesNotExist(_)) => return Err(Fault::Foreign),
        table => table?,
    };
    match table.get("version")?.map(|version| version.value()) {
        Some(VERSION) => Ok(table.get(MARK)?.is_some()),
        Some(other) => Err(Fault::Version(other)),
        None => Err(Fault::Foreign),
    }
}

/// Durable when it is committed, and in place before it is named: damage in the newest commit is then
/// never taken for a commit that a crash cut off, which would undo it without a word.
fn begin_write(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

fn write<'a>(
    database: &Database,
    rows: impl Iterator<Item = &'a Row>,
    seen: &[(SessionKey, Arc<SessionRecord>)],
) -> Result<(), Fault> {
    let transaction = begin_write(database)?;
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
