//! What each [`Effect`] means. Runs with the line's lock held, so a check and the change that
//! relies on it cannot be torn apart by another commit.

use std::sync::Arc;

use super::memory::Memory;
use super::row::{AccountKey, Row};
use crate::clock::Timestamp;
use crate::store::{
    AtOnce, Committed, Effect, EndReason, SessionKey, SessionRecord, SessionState, StoreError, UserName, WhenFull,
};

/// Effects that hold in memory and are not on disk yet.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) committed: Committed,
    /// The values before each change, in order: set in reverse, they undo it.
    pub(super) before: Vec<Row>,
    /// Ends that were asked for. These outlive a failed write: better a session that ended
    /// although the disk does not know than one that goes on although somebody ended it.
    pub(super) ends: Vec<(SessionKey, EndReason, Timestamp)>,
}

/// Applies all `effects`, or none.
pub(super) fn apply(memory: &Memory, effects: &[Effect]) -> Result<Applied, StoreError> {
    let mut step = Step { memory, applied: Applied::default() };
    for effect in effects {
        if let Err(error) = step.apply(effect) {
            undo(memory, step.applied.before);
            return Err(error);
        }
    }
    Ok(step.applied)
}

/// Sets the values from before, latest first.
pub(super) fn undo(memory: &Memory, before: Vec<Row>) {
    for row in before.into_iter().rev() {
        memory.set(row);
    }
}

struct Step<'a> {
    memory: &'a Memory,
    applied: Applied,
}

impl Step<'_> {
    fn set(&mut self, row: Row) {
        self.applied.before.push(self.memory.set(row));
    }

    fn live(&mut self, key: SessionKey, record: Arc<SessionRecord>) {
        self.set(Row::Session(key, SessionState::Live(record)));
    }

    fn end(&mut self, key: SessionKey, record: Arc<SessionRecord>, reason: EndReason, at: Timestamp) {
        self.set(Row::Session(key, SessionState::Ended { record, reason, at }));
    }

    fn apply(&mut self, effect: &Effect) -> Result<(), StoreError> {
        match effect {
            Effect::SignedIn { key, record, at_once } => self.signed_in(*key, record, at_once.as_ref()),
            Effect::Seen { key, at } => self.seen(*key, *at),
            Effect::Ended { key, reason, at } => self.ended(*key, *reason, *at),
            Effect::Refused { key, record, reason } => self.end(*key, Arc::clone(record), *reason, moment(record)),
            Effect::Rotated { from, to, at } => self.rotated(*from, *to, *at)?,
            Effect::SignInFailed { user, address, at } => {
                for row in self.memory.failed(user, *address, *at) {
                    self.set(row);
                }
                for row in self.memory.surplus() {
                    self.set(row);
                }
            }
            Effect::Reactivated { user, at } => self.active(user, *at),
        }
        Ok(())
    }

    fn signed_in(&mut self, key: SessionKey, record: &Arc<SessionRecord>, at_once: Option<&AtOnce>) {
        if let Some(limit) = at_once
            && !self.make_room(key, record, limit)
        {
            // The app has opened the session already, so its credential must be known as dead.
            self.applied.committed.refused = true;
            self.end(key, Arc::clone(record), EndReason::Refused, moment(record));
            return;
        }
        self.live(key, Arc::clone(record));
        self.active(&record.user, record.started);
        self.set(Row::Account(AccountKey::of(&record.user), Vec::new()));
    }

    /// Whether `record` fits under the limit, having ended what had to end for it.
    fn make_room(&mut self, key: SessionKey, record: &SessionRecord, limit: &AtOnce) -> bool {
        let now = moment(record);
        let mut others = self.memory.live_of(&record.user);
        // A sign-in under a key that is live replaces that session: it takes no room of its own.
        others.retain(|(other, _)| *other != key);
        let (dead, mut alive): (Vec<_>, Vec<_>) = others
            .into_iter()
            .map(|(key, record)| (dead(&record, limit, now), key, record))
            .partition(|o| o.0.is_some());
        let most = usize::try_from(limit.most).unwrap_or(usize::MAX);
        let surplus = (alive.len() + 1).saturating_sub(most);
        if most == 0 || (surplus > 0 && limit.when_full == WhenFull::Refuse) {
            return false;
        }
        for (reason, key, record) in dead {
            self.end(key, record, reason.unwrap_or(EndReason::Idle), now);
        }
        alive.sort_by_key(|(_, key, record)| (record.last_seen, record.started, *key));
        for (_, key, record) in alive.into_iter().take(surplus) {
            self.end(key, record, EndReason::Displaced, now);
            self.applied.committed.displaced.push(key);
        }
        true
    }

    fn active(&mut self, user: &UserName, at: Timestamp) {
        let last = self.memory.last_sign_in(user).map_or(at, |before| before.max(at));
        self.set(Row::Person(user.clone(), Some(last)));
    }

    fn seen(&mut self, key: SessionKey, at: Timestamp) {
        if let SessionState::Live(mut record) = self.memory.session(&key)
            && record.last_seen < at
        {
            Arc::make_mut(&mut record).last_seen = at;
            self.live(key, record);
        }
    }

    /// What is not live needs no end: the first reason stays.
    fn ended(&mut self, key: SessionKey, reason: EndReason, at: Timestamp) {
        if let SessionState::Live(record) = self.memory.session(&key) {
            self.end(key, record, reason, at);
            self.applied.ends.push((key, reason, at));
        }
    }

    fn rotated(&mut self, from: SessionKey, to: SessionKey, at: Timestamp) -> Result<(), StoreError> {
        let SessionState::Live(record) = self.memory.session(&from) else {
            return Err(StoreError(format!("session {} is not live: it cannot get a new credential", from.short())));
        };
        if from == to {
            return Ok(());
        }
        match self.memory.session(&to) {
            SessionState::Unknown => {}
            SessionState::Live(_) => {
                return Err(StoreError(format!("session {}: its new credential opens another session", from.short())));
            }
            SessionState::Ended { .. } => {
                return Err(StoreError(format!("session {}: its new credential ended before", from.short())));
            }
        }
        self.live(to, Arc::clone(&record));
        self.end(from, record, EndReason::Rotated, at);
        Ok(())
    }
}

/// When a sign-in happens.
fn moment(record: &SessionRecord) -> Timestamp {
    record.started.max(record.last_seen)
}

/// Why a session that nobody has ended yet is over all the same.
fn dead(record: &SessionRecord, limit: &AtOnce, now: Timestamp) -> Option<EndReason> {
    if limit.absolute.is_some_and(|absolute| now.since(record.started) >= absolute) {
        return Some(EndReason::Absolute);
    }
    if limit.idle.is_some_and(|idle| now.since(record.last_seen) >= idle) {
        return Some(EndReason::Idle);
    }
    None
}
