//! What the gateway remembers between requests: sessions, when people last signed in, failed
//! sign-ins. Controls never see this module at work: the pipeline [gathers](Store::gather) facts
//! before they decide and [commits](Store::commit) the effects of what they decided.

pub mod embedded;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::clock::Timestamp;
use crate::text::is_invisible;

/// Names a session without being able to open one: SHA-256 over its carrier and its credential.
/// The credential itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key of the session that `credential` (a cookie's value) opens when `carrier` brings it.
    #[must_use]
    pub fn of(carrier: &str, credential: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(carrier.as_bytes());
        hash.update([0]);
        hash.update(credential);
        Self(hash.finalize().into())
    }

    /// The raw digest, as a store's key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key read back from a store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Sixteen hex digits that name the session in logs and to operators.
    #[must_use]
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..8])
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({})", self.short())
    }
}

/// A person as the app knows them, by a folded name: NFKC, trimmed, in lower case, without characters that do not
/// show. Apps fold names differently: what is counted or limited counts for `Bob ` and `ｂｏｂ` alike, so equality,
/// order and hash are of the folded name. What gives somebody more compares [`UserName::exact`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub struct UserName {
    folded: Arc<str>,
    exact: Arc<str>,
}

impl UserName {
    /// A name as typed or as the app tells it; `None` when nothing is left of it.
    #[must_use]
    pub fn new(typed: &str) -> Option<Self> {
        let shows = |c: &char| !c.is_control() && !is_invisible(*c);
        let folded: String = typed.nfkc().filter(shows).flat_map(char::to_lowercase).nfkc().collect();
        let (folded, exact) = (folded.trim(), typed.trim());
        if folded.is_empty() {
            return None;
        }
        let folded: Arc<str> = folded.into();
        let exact = if *folded == *exact { Arc::clone(&folded) } else { exact.into() };
        Some(Self { folded, exact })
    }

    /// Whom failed sign-ins that name nobody are counted for: they are attempts all the same.
    #[must_use]
    pub fn nobody() -> Self {
        Self::from(Arc::from("(no name)"))
    }

    /// The folded name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.folded
    }

    /// The name to the letter.
    #[must_use]
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// Whether it is the same name to the letter.
    #[must_use]
    pub fn is_exactly(&self, other: &Self) -> bool {
        self.exact == other.exact
    }
}

/// A name that was stored: one in which nothing is left to fold is taken as it is.
impl From<Arc<str>> for UserName {
    fn from(stored: Arc<str>) -> Self {
        Self::new(&stored).unwrap_or_else(|| Self { folded: Arc::clone(&stored), exact: stored })
    }
}

impl From<UserName> for Arc<str> {
    fn from(name: UserName) -> Self {
        name.exact
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for UserName {}

impl PartialOrd for UserName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl std::hash::Hash for UserName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.folded)
    }
}

/// A session that the app opened and the gateway saw open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Who signed in.
    pub user: UserName,
    /// The profile's realm in which they signed in.
    pub realm: Arc<str>,
    /// Groups that the app said they are in, as its `whoami` told.
    pub groups: Arc<[Arc<str>]>,
    /// When they signed in: the absolute limit counts from here and never moves.
    pub started: Timestamp,
    /// The last human activity: the idle limit counts from here.
    pub last_seen: Timestamp,
    /// The address they signed in from.
    pub address: IpAddr,
}

/// Why a session is no longer live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// No human activity for the role's `idle`.
    Idle,
    /// Older than the role's `absolute`.
    Absolute,
    /// A newer sign-in took its place (`when_full: end_oldest`).
    Displaced,
    /// It was refused right after the app had opened it (`when_full: refuse`).
    Refused,
    /// The same, because the person had not signed in for too long (`inactive_after`).
    Inactive,
    /// An operator ended it.
    Revoked,
    /// The app gave the session a new credential; the old one opens nothing any more.
    Rotated,
}

impl EndReason {
    /// The word used in the decision log and in metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Idle => "idle",
            Self::Absolute => "absolute",
            Self::Displaced => "displaced",
            Self::Refused => "refused",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
            Self::Rotated => "rotated",
        }
    }
}

/// What the store knows about a session key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionState {
    /// Never seen, or ended so long ago that it was forgotten.
    #[default]
    Unknown,
    /// Live, as far as the store knows: limits are the controls' to apply.
    Live(Arc<SessionRecord>),
    /// Ended; remembered for [`ENDED_KEPT`] so that its credential cannot come back to life.
    Ended {
        /// Whose it was and when it started.
        record: Arc<SessionRecord>,
        /// Why it ended.
        reason: EndReason,
        /// When it ended.
        at: Timestamp,
    },
}

/// How long an ended session is remembered. Longer than helpdesks keep a session of their own.
pub const ENDED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far back failed sign-ins are remembered.
pub const FAILURES_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A counting window: at most `most` events within `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many are allowed.
    pub most: u32,
    /// In how long a time, sliding.
    pub within: Duration,
}

/// What the pipeline wants to know about one request, asked in one round trip.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    /// The session whose credential the request carries.
    pub session: Option<SessionKey>,
    /// The sign-in that the request attempts.
    pub sign_in: Option<SignInQuestion<'a>>,
}

/// The part of a [`Question`] that only a sign-in asks.
#[derive(Clone, Debug)]
pub struct SignInQuestion<'a> {
    /// The account named in the request; unverified.
    pub user: &'a UserName,
    /// Where the attempt comes from.
    pub address: IpAddr,
    /// Over how long a time failures for this account count.
    pub account_window: Duration,
    /// Over how long a time failures from this address count.
    pub address_window: Duration,
}

/// What the store answered.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The session of [`Question::session`].
    pub session: SessionState,
    /// The answer to [`Question::sign_in`].
    pub sign_in: Option<SignInKnown>,
}

/// What is known about somebody who is signing in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignInKnown {
    /// Their last successful sign-in, or reactivation by an operator; `None` when never seen.
    pub last_sign_in: Option<Timestamp>,
    /// Failed sign-ins to this account within the window asked.
    pub account_failures: u32,
    /// Failed sign-ins from this address within the window asked.
    pub address_failures: u32,
}

/// What happens when a person already has as many sessions as their role allows (B11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The new sign-in is refused.
    Refuse,
    /// The session with the oldest activity ends.
    EndOldest,
}

/// The limit that a sign-in must be checked against, atomically with its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    /// How many live sessions the person may have, this one included.
    pub most: u32,
    /// What to do beyond that.
    pub when_full: WhenFull,
    /// A session without activity for this long does not count: it is dead, only not yet buried.
    pub idle: Option<Duration>,
    /// A session older than this does not count.
    pub absolute: Option<Duration>,
}

/// A change of state that a decision asks for. Durable when [`Store::commit`] returns, except
/// [`Effect::Seen`].
#[derive(Clone, Debug)]
pub enum Effect {
    /// The app opened a session. Clears the account's failures. Sets the person's last sign-in.
    SignedIn {
        /// The new session.
        key: SessionKey,
        /// Who, where, when.
        record: Arc<SessionRecord>,
        /// The limit to check, if the role has one.
        at_once: Option<AtOnce>,
    },
    /// Human activity in a session. May be written up to [`SEEN_DELAY`] later: after a crash the
    /// session looks *older* than it is, never younger.
    Seen {
        /// Which session.
        key: SessionKey,
        /// When.
        at: Timestamp,
    },
    /// A session ended.
    Ended {
        /// Which session.
        key: SessionKey,
        /// Why.
        reason: EndReason,
        /// When.
        at: Timestamp,
    },
    /// A control refused a session that the app had opened: its credential is known as dead, also when it was not
    /// known before. No sign-in of the person's.
    Refused {
        /// Which session.
        key: SessionKey,
        /// Who, where, when.
        record: Arc<SessionRecord>,
        /// Why.
        reason: EndReason,
    },
    /// The app replaced the credential: the session goes on under `to`.
    Rotated {
        /// The credential until now.
        from: SessionKey,
        /// The credential from now on.
        to: SessionKey,
        /// When.
        at: Timestamp,
    },
    /// The app refused a sign-in.
    SignInFailed {
        /// The account that was tried.
        user: UserName,
        /// From where.
        address: IpAddr,
        /// When.
        at: Timestamp,
    },
    /// An operator let an inactive person back in (B12).
    Reactivated {
        /// Who.
        user: UserName,
        /// When.
        at: Timestamp,
    },
}

/// The longest time that [`Effect::Seen`] may stay in memory only.
pub const SEEN_DELAY: Duration = Duration::from_secs(5);

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// A sign-in found the person's sessions full and `when_full` is `Refuse`: nothing of that
    /// effect was recorded, except that the credential is remembered as [`EndReason::Refused`].
    pub refused: bool,
    /// Sessions that ended because a sign-in took their place.
    pub displaced: Vec<SessionKey>,
}

/// Why the store could not answer or write.
#[derive(Debug)]
pub struct StoreError(pub String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// A person as operators list them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Who.
    pub user: UserName,
    /// Last successful sign-in or reactivation.
    pub last_sign_in: Timestamp,
}

/// Where state is kept. One contract suite (`contract`) holds for every implementation.
pub trait Store: Send + Sync + 'static {
    /// Answers `question` as of `now`.
    ///
    /// # Errors
    /// When the state cannot be read: the controls that need it then deny.
    fn gather(&self, question: &Question<'_>, now: Timestamp)
    -> impl Future<Output = Result<Known, StoreError>> + Send;

    /// Records `effects`, all or none, and returns when they would survive a crash of the process.
    ///
    /// # Errors
    /// When they could not be written; none of them then holds.
    fn commit(&self, effects: &[Effect]) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// The live sessions, for operators and for the sweep that ends idle ones.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn sessions(&self) -> impl Future<Output = Result<Vec<(SessionKey, Arc<SessionRecord>)>, StoreError>> + Send;

    /// Everybody who ever signed in.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn people(&self) -> impl Future<Output = Result<Vec<Person>, StoreError>> + Send;
}

#[cfg(test)]
pub mod contract;

#[cfg(test)]
mod tests {
    use super::UserName;

    #[test]
    fn spellings_of_one_name() {
        let name = |text: &str| UserName::new(text).map(|n| n.as_str().to_owned());
        for spelling in ["bob", " Bob ", "ＢＯＢ", "bo\u{200b}b", "\u{202e}bob", "ⓑⓞⓑ"] {
            assert_eq!(name(spelling).as_deref(), Some("bob"), "{spelling:?}");
        }
        assert_eq!(name("José"), name("Jose\u{301}"));
        assert_ne!(name("José"), name("Jose"), "whose they are is the app's to say");
        assert_eq!(name(" \u{200b} "), None);
        let [typed, stored] = [UserName::new(" Bob ").unwrap(), UserName::new("bob").unwrap()];
        assert!(typed == stored && !typed.is_exactly(&stored) && typed.exact() == "Bob");
    }
}
