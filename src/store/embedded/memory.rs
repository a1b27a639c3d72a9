//! The state that questions are answered from. Readers take one shard's lock for as long as a hash
//! lookup takes. Writers other than [`Memory::seen`] come one at a time: the line's lock is theirs
//! (see `writer.rs`), so nothing here has to be atomic across two locks for them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::failures::{Failures, KEYS_KEPT};
use super::row::{AccountKey, Row, Subject};
use crate::clock::Timestamp;
use crate::store::{
    ENDED_KEPT, Person, SessionKey, SessionRecord, SessionState, SignInKnown, SignInQuestion, UserName,
};

/// One per value of a key's first byte. So many that growing one shard's table, which stops its
/// readers, stays a matter of microseconds with a million sessions.
const SESSION_SHARDS: usize = 256;
const PEOPLE_SHARDS: usize = 64;

#[derive(Default)]
struct SessionShard {
    states: HashMap<SessionKey, SessionState>,
    /// Live sessions whose last activity is not on disk yet.
    dirty: HashSet<SessionKey>,
}

#[derive(Default)]
struct Known {
    last_sign_in: Option<Timestamp>,
    live: HashSet<SessionKey>,
}

pub(super) struct Memory {
    sessions: Box<[RwLock<SessionShard>]>,
    people: Box<[RwLock<HashMap<UserName, Known>>]>,
    people_hash: RandomState,
    accounts: RwLock<Failures<AccountKey>>,
    addresses: RwLock<Failures<IpAddr>>,
    /// Ended sessions by when they ended.
    graves: Mutex<BTreeSet<(Timestamp, SessionKey)>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self::bounded(KEYS_KEPT)
    }

    /// With failures of at most `failure_keys` accounts and as many addresses.
    pub(super) fn bounded(failure_keys: usize) -> Self {
        Self {
            sessions: (0..SESSION_SHARDS).map(|_| RwLock::default()).collect(),
            people: (0..PEOPLE_SHARDS).map(|_| RwLock::default()).collect(),
            people_hash: RandomState::new(),
            accounts: RwLock::new(Failures::new(failure_keys)),
            addresses: RwLock::new(Failures::new(failure_keys)),
            graves: Mutex::default(),
        }
    }

    fn shard(&self, key: &SessionKey) -> &RwLock<SessionShard> {
        &self.sessions[usize::from(key.as_bytes()[0]) % SESSION_SHARDS]
    }

    #[allow(clippy::cast_possible_truncation, reason = "any part of a hash chooses a shard")]
    fn people_of(&self, user: &UserName) -> &RwLock<HashMap<UserName, Known>> {
        &self.people[self.people_hash.hash_one(user) as usize % PEOPLE_SHARDS]
    }

    /// What is known about `key`.
    pub(super) fn session(&self, key: &SessionKey) -> SessionState {
        self.shard(key).read().states.get(key).cloned().unwrap_or_default()
    }

    /// What is known about a sign-in.
    pub(super) fn sign_in(&self, question: &SignInQuestion<'_>, now: Timestamp) -> SignInKnown {
        let account = AccountKey::of(question.user);
        SignInKnown {
            last_sign_in: self.last_sign_in(question.user),
            account_failures: self.accounts.read().count(&account, question.account_window, now),
            address_failures: self.addresses.read().count(&question.address, question.address_window, now),
        }
    }

    pub(super) fn last_sign_in(&self, user: &UserName) -> Option<Timestamp> {
        self.people_of(user).read().get(user)?.last_sign_in
    }

    /// The live sessions of one person.
    pub(super) fn live_of(&self, user: &UserName) -> Vec<(SessionKey, Arc<SessionRecord>)> {
        let keys: Vec<_> =
            self.people_of(user).read().get(user).map_or_else(Vec::new, |p| p.live.iter().copied().collect());
        keys.into_iter().filter_map(|key| Some((key, live(self.session(&key))?))).collect()
    }

    /// Notes activity, if the session is live and it is news.
    pub(super) fn seen(&self, key: &SessionKey, at: Timestamp) {
        let mut shard = self.shard(key).write();
        let Some(SessionState::Live(record)) = shard.states.get_mut(key) else { return };
        if record.last_seen >= at {
            return;
        }
        Arc::make_mut(record).last_seen = at;
        shard.dirty.insert(*key);
    }

    /// The sessions with activity that is not on disk, once: they count as clean from now on.
    pub(super) fn take_dirty(&self) -> Vec<(SessionKey, Arc<SessionRecord>)> {
        let mut taken = Vec::new();
        for shard in &self.sessions {
            if shard.read().dirty.is_empty() {
                continue;
            }
            let mut shard = shard.write();
            let keys = std::mem::take(&mut shard.dirty);
            let records = keys.into_iter().filter_map(|key| Some((key, live(shard.states.get(&key)?.clone())?)));
            taken.extend(records);
        }
        taken
    }

    /// How many shards [`live_in`](Self::live_in) can be asked for.
    pub(super) fn shards(&self) -> usize {
        self.sessions.len()
    }

    /// Appends the live sessions of one shard to `out`.
    pub(super) fn live_in(&self, shard: usize, out: &mut Vec<(SessionKey, Arc<SessionRecord>)>) {
        let shard = self.sessions[shard].read();
        out.extend(shard.states.iter().filter_map(|(key, state)| Some((*key, live(state.clone())?))));
    }

    /// Everybody who ever signed in, by name.
    pub(super) fn people(&self) -> Vec<Person> {
        let mut all = Vec::new();
        for shard in &self.people {
            let shard = shard.read();
            all.extend(shard.iter().filter_map(|(user, known)| {
                known.last_sign_in.map(|last_sign_in| Person { user: user.clone(), last_sign_in })
            }));
        }
        all.sort_by(|a, b| a.user.cmp(&b.user));
        all
    }

    /// The value of `subject`.
    pub(super) fn row(&self, subject: &Subject) -> Row {
        match subject {
            Subject::Session(key) => Row::Session(*key, self.session(key)),
            Subject::Person(user) => Row::Person(user.clone(), self.last_sign_in(user)),
            Subject::Account(key) => Row::Account(*key, self.accounts.read().of(key)),
            Subject::Address(address) => Row::Address(*address, self.addresses.read().of(address)),
        }
    }

    /// Sets a value; returns the one before, which undoes this.
    pub(super) fn set(&self, row: Row) -> Row {
        match row {
            Row::Session(key, state) => Row::Session(key, self.set_session(key, state)),
            Row::Person(user, last_sign_in) => {
                let before = self.with_person(&user, |known| std::mem::replace(&mut known.last_sign_in, last_sign_in));
                Row::Person(user, before)
            }
            Row::Account(key, times) => Row::Account(key, self.accounts.write().set(key, times)),
            Row::Address(address, times) => Row::Address(address, self.addresses.write().set(address, times)),
        }
    }

    fn set_session(&self, key: SessionKey, state: SessionState) -> SessionState {
        let (now_live, now_ended) = (live(state.clone()), ended_at(&state));
        let before = {
            let mut shard = self.shard(&key).write();
            let before = match state {
                SessionState::Unknown => shard.states.remove(&key),
                state => shard.states.insert(key, state),
            };
            if now_live.is_none() {
                shard.dirty.remove(&key);
            }
            before.unwrap_or_default()
        };
        if let Some(record) = live(before.clone()) {
            self.with_person(&record.user, |known| known.live.remove(&key));
        }
        if let Some(record) = now_live {
            self.with_person(&record.user, |known| known.live.insert(key));
        }
        let mut graves = self.graves.lock();
        if let Some(at) = ended_at(&before) {
            graves.remove(&(at, key));
        }
        if let Some(at) = now_ended {
            graves.insert((at, key));
        }
        before
    }

    /// Changes a person; somebody of whom nothing is left is not kept.
    fn with_person<T>(&self, user: &UserName, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut shard = self.people_of(user).write();
        let known = shard.entry(user.clone()).or_default();
        let result = change(known);
        if known.last_sign_in.is_none() && known.live.is_empty() {
            shard.remove(user);
        }
        result
    }

    /// The rows that one more failed sign-in changes.
    pub(super) fn failed(&self, user: &UserName, address: IpAddr, at: Timestamp) -> [Row; 2] {
        let account = AccountKey::of(user);
        let of_account = self.accounts.read().and(&account, at);
        let of_address = self.addresses.read().and(&address, at);
        [Row::Account(account, of_account), Row::Address(address, of_address)]
    }

    /// Rows to empty because there are more failing accounts or addresses than are remembered.
    pub(super) fn surplus(&self) -> Vec<Row> {
        let account = self.accounts.read().surplus().map(|key| Row::Account(key, Vec::new()));
        let address = self.addresses.read().surplus().map(|key| Row::Address(key, Vec::new()));
        account.into_iter().chain(address).collect()
    }

    /// Rows to empty, up to `most` of each kind, because their time to be remembered is over.
    pub(super) fn expired(&self, now: Timestamp, most: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = {
            let graves = self.graves.lock();
            let old = graves.iter().take_while(|(at, _)| now.since(*at) >= ENDED_KEPT);
            old.take(most).map(|(_, key)| Row::Session(*key, SessionState::Unknown)).collect()
        };
        let accounts = self.accounts.read().expired(now, most);
        rows.extend(accounts.into_iter().map(|key| Row::Account(key, Vec::new())));
        let addresses = self.addresses.read().expired(now, most);
        rows.extend(addresses.into_iter().map(|address| Row::Address(address, Vec::new())));
        rows
    }
}

fn live(state: SessionState) -> Option<Arc<SessionRecord>> {
    match state {
        SessionState::Live(record) => Some(record),
        SessionState::Unknown | SessionState::Ended { .. } => None,
    }
}

fn ended_at(state: &SessionState) -> Option<Timestamp> {
    match state {
        SessionState::Ended { at, .. } => Some(*at),
        SessionState::Unknown | SessionState::Live(_) => None,
    }
}
