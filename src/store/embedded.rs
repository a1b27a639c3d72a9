//! The store inside the gateway: state in memory, kept in one file.
//!
//! Questions are answered from memory and never wait for the disk. A commit changes memory first,
//! under one lock that all commits share for the few microseconds that takes, and then waits until
//! a writer thread has synced it together with whatever else waits. If that fails, memory goes back
//! to what the disk has, except that an ended session stays ended. `docs/adr/0002-embedded-store.md`
//! says why, and `docs/adr/0009-damage-by-content.md` what of a damaged file.

mod disk;
mod effects;
mod failures;
mod memory;
mod pages;
mod repair;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use self::disk::Disk;
use self::memory::Memory;
use self::writer::{Ledger, Writer};
use super::{Committed, Effect, Known, Person, Question, SEEN_DELAY, SessionKey, SessionRecord, Store, StoreError};
use crate::clock::Timestamp;

pub use self::disk::FILE;
pub use self::failures::FAILURES_COUNTED;
pub use self::repair::{Condition, Report, TableReport, check, repair};

/// Leaves a flush time to be written and synced within [`SEEN_DELAY`].
const FLUSH_EVERY: Duration = SEEN_DELAY.saturating_sub(Duration::from_secs(1));

/// State of one gateway process, in memory and in one file.
pub struct EmbeddedStore {
    ledger: Arc<Ledger>,
    writer: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

impl EmbeddedStore {
    /// Opens the store in `dir`, which is made if there is none, and reads all of it.
    ///
    /// # Errors
    /// When others on the machine have access to `dir`, another process uses it, or its file cannot
    /// be read, is damaged or of another version. The message says what to do.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::start(Disk::open(dir)?, Memory::new(), now, FLUSH_EVERY)
    }

    fn start(disk: Disk, memory: Memory, now: Timestamp, flush_every: Duration) -> Result<Self, StoreError> {
        disk.load(&memory)?;
        let ledger = Arc::new(Ledger::new(memory, now));
        let writer = Writer::new(Arc::clone(&ledger), disk, flush_every);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run());
        let thread = thread.map_err(|error| StoreError(format!("cannot start the store's writer: {error}")))?;
        Ok(Self { ledger, writer: Mutex::new(Some(thread)) })
    }

    /// Writes what is only in memory, seen times among it, and releases the file. Commits are
    /// refused from then on; questions are still answered. Blocks until the disk is done.
    ///
    /// # Errors
    /// When the last write failed; it then holds what was acknowledged before.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some(thread) = self.writer.lock().take() else { return Ok(()) };
        self.ledger.close();
        thread.join().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `close`.
        let _ = self.close();
    }
}

impl Store for EmbeddedStore {
    async fn gather(&self, question: &Question<'_>, now: Timestamp) -> Result<Known, StoreError> {
        self.ledger.note(now);
        Ok(Known {
            session: question.session.map(|key| self.ledger.memory.session(&key)).unwrap_or_default(),
            sign_in: question.sign_in.as_ref().map(|asked| self.ledger.memory.sign_in(asked, now)),
        })
    }

    async fn commit(&self, effects: &[Effect]) -> Result<Committed, StoreError> {
        if !effects.iter().all(|effect| matches!(effect, Effect::Seen { .. })) {
            return self.ledger.queue(effects)?.await.unwrap_or_else(|_| Err(stopped()));
        }
        for effect in effects {
            if let Effect::Seen { key, at } = effect {
                self.ledger.memory.seen(key, *at);
            }
        }
        Ok(Committed::default())
    }

    async fn sessions(&self) -> Result<Vec<(SessionKey, Arc<SessionRecord>)>, StoreError> {
        let mut all = Vec::new();
        for shard in 0..self.ledger.memory.shards() {
            self.ledger.memory.live_in(shard, &mut all);
            // A million sessions take long enough to copy for others to want the thread.
            tokio::task::yield_now().await;
        }
        Ok(all)
    }

    async fn people(&self) -> Result<Vec<Person>, StoreError> {
        Ok(self.ledger.memory.people())
    }
}

fn stopped() -> StoreError {
    StoreError("the store's writer has stopped".into())
}
