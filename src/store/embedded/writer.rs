//! The one thread that writes. Commits stand in a line, in the order in which they changed memory,
//! and all that wait go to disk in one transaction: a sync costs the same for one as for a hundred.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::disk::{Disk, WriteError};
use super::effects::{self, Applied};
use super::memory::Memory;
use super::row::{Row, Subject};
use crate::clock::Timestamp;
use crate::store::{Committed, Effect, SessionKey, SessionRecord, SessionState, StoreError};

/// How many seen times one transaction takes along, so that no commit waits behind all of them.
const SEEN_SLICE: usize = 8_192;

/// How many expired rows of each kind are dropped at a time.
const EXPIRED_SLICE: usize = 1_024;

/// How many commits may wait. Reached only when the disk hangs; memory must not fill up then.
const LINE_LENGTH: usize = 65_536;

/// How much later than the last known time a question must be to be worth a shared write.
const TIME_STEP_MS: u64 = 1_000;

type Done = oneshot::Sender<Result<Committed, StoreError>>;

/// A commit that holds in memory and waits for the disk.
struct Waiting {
    applied: Applied,
    rows: Vec<Row>,
    done: Done,
}

#[derive(Default)]
struct Line {
    waiting: Vec<Waiting>,
    closed: bool,
}

/// What the writer and the callers share.
pub(super) struct Ledger {
    pub(super) memory: Memory,
    /// Held while a commit changes memory and takes its place: order in memory is order on disk.
    /// Never held while the disk is at work.
    line: Mutex<Line>,
    wake: Condvar,
    /// The latest time anybody mentioned: the store has no clock of its own.
    latest: AtomicU64,
}

impl Ledger {
    pub(super) fn new(memory: Memory, now: Timestamp) -> Self {
        Self { memory, line: Mutex::default(), wake: Condvar::new(), latest: AtomicU64::new(now.0) }
    }

    /// Learns what time it is.
    pub(super) fn note(&self, now: Timestamp) {
        if now.0 > self.latest.load(Ordering::Relaxed).saturating_add(TIME_STEP_MS) {
            self.latest.fetch_max(now.0, Ordering::Relaxed);
        }
    }

    /// Applies `effects` to memory and queues them; the receiver hears when they are on disk.
    ///
    /// A commit that changes nothing waits all the same: what it found may not be on disk yet.
    pub(super) fn queue(
        &self,
        effects: &[Effect],
    ) -> Result<oneshot::Receiver<Result<Committed, StoreError>>, StoreError> {
        let (done, written) = oneshot::channel();
        let mut line = self.line.lock();
        if line.closed {
            return Err(StoreError("the store is closed".into()));
        }
        let only_ends = effects.iter().all(|effect| matches!(effect, Effect::Ended { .. }));
        if line.waiting.len() >= LINE_LENGTH && !only_ends {
            return Err(StoreError("the disk does not keep up: too many commits wait".into()));
        }
        let applied = effects::apply(&self.memory, effects)?;
        let rows = applied.before.iter().map(|before| self.memory.row(&before.subject())).collect();
        line.waiting.push(Waiting { applied, rows, done });
        drop(line);
        self.wake.notify_one();
        Ok(written)
    }

    /// Lets the writer finish what waits and stop.
    pub(super) fn close(&self) {
        self.line.lock().closed = true;
        self.wake.notify_one();
    }
}

pub(super) struct Writer {
    ledger: Arc<Ledger>,
    disk: Disk,
    flush_every: Duration,
    /// Values that the disk may have wrong after a failed write; they go first in the next one.
    owed: HashMap<Subject, Row>,
    seen: Vec<(SessionKey, Arc<SessionRecord>)>,
}

impl Writer {
    pub(super) fn new(ledger: Arc<Ledger>, disk: Disk, flush_every: Duration) -> Self {
        Self { ledger, disk, flush_every, owed: HashMap::new(), seen: Vec::new() }
    }

    /// Runs until the ledger is closed; the result is that of the last write.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        let _last_one_out = CloseLine(Arc::clone(&self.ledger));
        let mut next_flush = Instant::now() + self.flush_every;
        let mut backlog = false;
        loop {
            let until = if backlog { Instant::now() } else { next_flush };
            let (waiting, closed) = self.wait(until);
            let mut expired = Vec::new();
            if closed || Instant::now() >= next_flush {
                next_flush = Instant::now() + self.flush_every;
                self.seen.append(&mut self.ledger.memory.take_dirty());
                expired = self.expire();
            }
            let result = self.write(waiting, &expired);
            backlog = result.is_ok() && (!self.seen.is_empty() || expired.len() >= EXPIRED_SLICE);
            if backlog && self.seen.is_empty() {
                next_flush = Instant::now();
            }
            if closed && (self.seen.is_empty() || result.is_err()) {
                return result;
            }
        }
    }

    /// Waits for commits, for `until`, or for the end.
    fn wait(&self, until: Instant) -> (Vec<Waiting>, bool) {
        let mut line = self.ledger.line.lock();
        while line.waiting.is_empty() && !line.closed {
            if self.ledger.wake.wait_until(&mut line, until).timed_out() {
                break;
            }
        }
        (std::mem::take(&mut line.waiting), line.closed)
    }

    /// Forgets what is too old, and says so for the disk.
    fn expire(&self) -> Vec<Row> {
        let _order = self.ledger.line.lock();
        let now = Timestamp(self.ledger.latest.load(Ordering::Relaxed));
        let rows = self.ledger.memory.expired(now, EXPIRED_SLICE);
        for row in &rows {
            self.ledger.memory.set(row.clone());
        }
        rows
    }

    fn write(&mut self, waiting: Vec<Waiting>, expired: &[Row]) -> Result<(), StoreError> {
        if !self.owed.is_empty() {
            // On its own: if it fails, nothing of what waits was tried, and the debt cannot grow.
            match self.disk.write(self.owed.values(), &[]) {
                Ok(()) => self.owed.clear(),
                Err(WriteError::NotTried(error) | WriteError::Tried(error)) => {
                    return Err(self.fail(waiting, error, false));
                }
            }
        }
        let seen = self.seen.split_off(self.seen.len().saturating_sub(SEEN_SLICE));
        let rows = || expired.iter().chain(waiting.iter().flat_map(|one| &one.rows));
        if seen.is_empty() && rows().next().is_none() {
            finish(waiting);
            return Ok(());
        }
        match self.disk.write(rows(), &seen) {
            Ok(()) => {
                finish(waiting);
                Ok(())
            }
            Err(error) => {
                self.seen.extend(seen);
                let (error, tried) = match error {
                    WriteError::NotTried(error) => (error, false),
                    WriteError::Tried(error) => (error, true),
                };
                Err(self.fail(waiting, error, tried))
            }
        }
    }

    /// Takes back what could not be written, and everything decided since on the strength of it.
    fn fail(&mut self, mut failed: Vec<Waiting>, error: StoreError, tried: bool) -> StoreError {
        let ledger = Arc::clone(&self.ledger);
        let mut line = ledger.line.lock();
        let attempted = if tried { failed.len() } else { 0 };
        failed.append(&mut line.waiting);
        for one in failed.iter_mut().rev() {
            effects::undo(&ledger.memory, std::mem::take(&mut one.applied.before));
        }
        for row in failed[..attempted].iter().flat_map(|one| &one.rows) {
            let subject = row.subject();
            let truth = ledger.memory.row(&subject);
            self.owed.insert(subject, truth);
        }
        for (key, reason, at) in failed.iter().flat_map(|one| &one.applied.ends) {
            if let SessionState::Live(record) = ledger.memory.session(key) {
                let row = Row::Session(*key, SessionState::Ended { record, reason: *reason, at: *at });
                self.owed.insert(row.subject(), row.clone());
                ledger.memory.set(row);
            }
        }
        drop(line);
        for one in failed {
            // Nobody listens when the request has gone away meanwhile.
            let _ = one.done.send(Err(StoreError(error.0.clone())));
        }
        error
    }
}

fn finish(waiting: Vec<Waiting>) {
    for one in waiting {
        let _ = one.done.send(Ok(one.applied.committed));
    }
}

/// However the writer stops, nobody may wait for it any more.
struct CloseLine(Arc<Ledger>);

impl Drop for CloseLine {
    fn drop(&mut self) {
        let mut line = self.0.line.lock();
        line.closed = true;
        line.waiting.clear();
    }
}
