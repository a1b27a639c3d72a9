//! What one change looks like, in memory and on disk. The layouts are fixed and belong to the
//! version in the `format` table: a change here needs a new version there.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::clock::Timestamp;
use crate::store::{EndReason, SessionKey, SessionRecord, SessionState, UserName};

/// Names an account in the failure counts. A digest, because people type passwords into the name
/// field, and because an attacker must not choose how much memory a name takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AccountKey(pub(super) [u8; 32]);

impl AccountKey {
    pub(super) fn of(user: &UserName) -> Self {
        // Some databases compare without accents: guesses at `josé` are guesses at `jose`.
        let plain: String = user.as_str().nfkd().filter(|c| !is_combining_mark(*c)).collect();
        Self(Sha256::digest(plain.as_bytes()).into())
    }
}

/// What a [`Row`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Session(SessionKey),
    Person(UserName),
    Account(AccountKey),
    Address(IpAddr),
}

/// The whole value of one subject. `Unknown`, `None` and an empty list mean that there is none, so
/// that the value before a change undoes it, and the value after it is what the disk must hold.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Session(SessionKey, SessionState),
    Person(UserName, Option<Timestamp>),
    Account(AccountKey, Vec<Timestamp>),
    Address(IpAddr, Vec<Timestamp>),
}

impl Row {
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Session(key, _) => Subject::Session(*key),
            Self::Person(user, _) => Subject::Person(user.clone()),
            Self::Account(key, _) => Subject::Account(*key),
            Self::Address(address, _) => Subject::Address(*address),
        }
    }
}

/// Shares equal texts and group lists between the sessions read at the start.
#[derive(Default)]
pub(super) struct Shared {
    texts: HashSet<Arc<str>>,
    groups: HashSet<Arc<[Arc<str>]>>,
    users: HashMap<Arc<str>, UserName>,
}

impl Shared {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    pub(super) fn user(&mut self, name: &str) -> UserName {
        if let Some(known) = self.users.get(name) {
            return known.clone();
        }
        let new = UserName::from(Arc::from(name));
        self.users.insert(name.into(), new.clone());
        new
    }

    fn list(&mut self, groups: &[Arc<str>]) -> Arc<[Arc<str>]> {
        if let Some(known) = self.groups.get(groups) {
            return Arc::clone(known);
        }
        let new: Arc<[Arc<str>]> = groups.into();
        self.groups.insert(Arc::clone(&new));
        new
    }
}

/// The row of a session; `None` when the value has other bytes than [`session_bytes`] writes.
pub(super) fn session(key: &[u8; 32], value: &[u8], shared: &mut Shared) -> Option<Row> {
    Some(Row::Session(SessionKey::from_bytes(*key), session_from(value, shared)?))
}

/// The row of a person.
pub(super) fn person(name: &str, last: u64, shared: &mut Shared) -> Row {
    Row::Person(shared.user(name), Some(Timestamp(last)))
}

/// The row of an account's failures.
pub(super) fn account(key: &[u8; 32], value: &[u8]) -> Option<Row> {
    Some(Row::Account(AccountKey(*key), times_from(value)?))
}

/// The row of an address's failures.
pub(super) fn address(key: &[u8], value: &[u8]) -> Option<Row> {
    Some(Row::Address(address_from(key)?, times_from(value)?))
}

/// A session as bytes; `None` when there is nothing to keep.
pub(super) fn session_bytes(state: &SessionState) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    let record = match state {
        SessionState::Unknown => return None,
        SessionState::Live(record) => {
            out.push(0);
            record
        }
        SessionState::Ended { record, reason, at } => {
            out.push(reason_code(*reason));
            out.extend(at.0.to_le_bytes());
            record
        }
    };
    out.extend(record.started.0.to_le_bytes());
    out.extend(last_seen_of(state, record).0.to_le_bytes());
    push_bytes(&mut out, &address_bytes(record.address));
    push_bytes(&mut out, record.user.exact().as_bytes());
    push_bytes(&mut out, record.realm.as_bytes());
    push_length(&mut out, record.groups.len());
    for group in record.groups.iter() {
        push_bytes(&mut out, group.as_bytes());
    }
    Some(out)
}

/// Reads what [`session_bytes`] wrote; `None` when these are other bytes.
pub(super) fn session_from(bytes: &[u8], shared: &mut Shared) -> Option<SessionState> {
    let mut rest = Reader(bytes);
    let code = *rest.take(1)?.first()?;
    let ended = if code == 0 { None } else { Some((reason_from(code)?, rest.time()?)) };
    let (started, mut last_seen) = (rest.time()?, rest.time()?);
    let ended = ended.map(|(reason, at)| {
        let inactive = reason == EndReason::Refused && last_seen == NEVER_SEEN;
        if inactive {
            last_seen = started;
        }
        (if inactive { EndReason::Inactive } else { reason }, at)
    });
    let address = address_from(rest.bytes()?)?;
    let user = shared.user(rest.text()?);
    let realm = shared.text(rest.text()?);
    let mut groups = Vec::new();
    for _ in 0..rest.length()? {
        groups.push(shared.text(rest.text()?));
    }
    if !rest.0.is_empty() {
        return None;
    }
    let groups = shared.list(&groups);
    let record = Arc::new(SessionRecord { user, realm, groups, started, last_seen, address });
    Some(match ended {
        None => SessionState::Live(record),
        Some((reason, at)) => SessionState::Ended { record, reason, at },
    })
}

/// In the place of `last_seen`: refused for inactivity. 0.1.0 takes no code beside its seven and would not start on
/// the file; it reads this as [`EndReason::Refused`], and looks at no `last_seen` of what has ended.
const NEVER_SEEN: Timestamp = Timestamp(0);

fn last_seen_of(state: &SessionState, record: &SessionRecord) -> Timestamp {
    match state {
        SessionState::Ended { reason: EndReason::Inactive, .. } => NEVER_SEEN,
        _ => record.last_seen,
    }
}

/// A list of times as bytes.
pub(super) fn times_bytes(times: &[Timestamp]) -> Vec<u8> {
    times.iter().flat_map(|time| time.0.to_le_bytes()).collect()
}

/// Reads what [`times_bytes`] wrote.
pub(super) fn times_from(bytes: &[u8]) -> Option<Vec<Timestamp>> {
    let mut rest = Reader(bytes);
    let mut times = Vec::with_capacity(bytes.len() / 8);
    while !rest.0.is_empty() {
        times.push(rest.time()?);
    }
    times.is_sorted().then_some(times)
}

/// An address as bytes.
pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Reads what [`address_bytes`] wrote.
pub(super) fn address_from(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    // What does not fit cannot have come in: heads and bodies are limited far below 4 GiB.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_length(out, bytes.len());
    out.extend(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp(u64::from_le_bytes(self.take(8)?.try_into().ok()?)))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

fn reason_code(reason: EndReason) -> u8 {
    match reason {
        EndReason::SignedOut => 1,
        EndReason::Idle => 2,
        EndReason::Absolute => 3,
        EndReason::Displaced => 4,
        EndReason::Refused | EndReason::Inactive => 5,
        EndReason::Revoked => 6,
        EndReason::Rotated => 7,
    }
}

fn reason_from(code: u8) -> Option<EndReason> {
    Some(match code {
        1 => EndReason::SignedOut,
        2 => EndReason::Idle,
        3 => EndReason::Absolute,
        4 => EndReason::Displaced,
        5 => EndReason::Refused,
        6 => EndReason::Revoked,
        7 => EndReason::Rotated,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn record() -> Arc<SessionRecord> {
        Arc::new(SessionRecord {
            user: UserName::new("Bob").unwrap(),
            realm: "agents".into(),
            groups: ["First level".into(), "Ä".into()].into(),
            started: Timestamp(7),
            last_seen: Timestamp(9),
            address: "2001:db8::1".parse().unwrap(),
        })
    }

    #[test]
    fn every_state_reads_back() {
        let mut states = vec![SessionState::Live(record())];
        for code in 1..=7 {
            let reason = reason_from(code).unwrap();
            assert_eq!(reason_code(reason), code);
            states.push(SessionState::Ended { record: record(), reason, at: Timestamp(11) });
        }
        for state in states {
            let bytes = session_bytes(&state).unwrap();
            assert_eq!(session_from(&bytes, &mut Shared::default()), Some(state));
        }
        assert_eq!(session_bytes(&SessionState::Unknown), None);
    }

    #[test]
    fn refused_for_inactivity_is_a_row_that_0_1_0_reads() {
        let began = Arc::new(SessionRecord { last_seen: Timestamp(7), ..(*record()).clone() });
        let ended = |reason| SessionState::Ended { record: began.clone(), reason, at: Timestamp(11) };
        let (inactive, refused) = (ended(EndReason::Inactive), ended(EndReason::Refused));
        let (bytes, known) = (session_bytes(&inactive).unwrap(), session_bytes(&refused).unwrap());
        assert_eq!(session_from(&bytes, &mut Shared::default()), Some(inactive));
        assert_eq!(session_from(&known, &mut Shared::default()), Some(refused));
        // The code, when it ended, when it began: then only `last_seen` differs, which 0.1.0 takes whatever it is.
        assert_eq!((bytes[0], bytes.len()), (5, known.len()));
        assert_eq!((&bytes[..17], &bytes[17..25], &bytes[25..]), (&known[..17], &[0; 8][..], &known[25..]));
    }

    #[test]
    fn cut_or_lengthened_rows_are_no_rows() {
        let mut bytes = session_bytes(&SessionState::Live(record())).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(session_from(&bytes[..length], &mut Shared::default()), None, "cut at {length}");
        }
        bytes.push(0);
        assert_eq!(session_from(&bytes, &mut Shared::default()), None);
        assert_eq!(times_from(&[1, 2, 3]), None);
        assert_eq!(times_from(&times_bytes(&[Timestamp(2), Timestamp(1)])), None);
    }
}
