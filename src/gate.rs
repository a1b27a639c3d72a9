//! What one process shares between its requests: the policy in force, the store, the decision log,
//! the metrics, and the clock.

mod frames;
mod listeners;
mod open_sign_ins;
mod wire;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::UnboundedSender;

use crate::certificate::Certificates;
use crate::clock::{Clock, Timestamp};
use crate::decision::event::{Event, What};
use crate::decision::log::Log;
use crate::decision::record::Privacy;
use crate::identity::Presented;
use crate::masking::Memory;
use crate::metrics::Metrics;
use crate::policy::live::Live;
use crate::policy::{Policy, archive};
use crate::store::embedded::EmbeddedStore;
use crate::store::{SessionKey, StoreError};

pub use listeners::{Listeners, Listens};
pub use open_sign_ins::{OpenSignIn, OpenSignIns};
pub use wire::{CloseCode, End, Tunnel, Tunnels, Watch, Wire, close_frame};

/// What one process shares.
pub struct Gate {
    /// The policy in force.
    pub live: Live,
    /// Sessions, people, failures.
    pub store: EmbeddedStore,
    /// The decision log.
    pub log: Log,
    /// The metrics.
    pub metrics: Metrics,
    /// The one source of time.
    pub clock: Clock,
    /// Credentials of live sessions.
    pub vault: Vault,
    /// What sessions were shown instead of what the app said.
    pub memory: Memory,
    /// Session credentials that are nobody's.
    pub strangers: Strangers,
    /// The certificates that listeners show.
    pub certificates: Certificates,
    /// What the listeners do.
    pub listeners: Arc<Listeners>,
    /// Tunnels that are open.
    pub tunnels: Tunnels,
    /// Sign-ins that the app has not answered yet.
    pub open_sign_ins: OpenSignIns,
    /// The key for pseudonyms in records.
    pub pseudonym_key: [u8; 32],
    /// The directory of this process's own.
    pub directory: PathBuf,
    /// Credentials of sessions to be ended in the app, for the one task that does it.
    pub endings: UnboundedSender<Presented>,
}

impl Gate {
    /// Records what happened and was no exchange; what cannot be recorded leaves a gap.
    pub fn record(&self, what: What<'_>) {
        let policy = self.live.policy();
        let event = Event { time: self.clock.now(), revision: &policy.revision, what };
        let privacy = self.privacy(&policy);
        match self.log.place(u32::MAX) {
            Some(place) => self.log.put(place, |node, seq, out| event.write(&privacy, node, seq, out)),
            None => self.log.lose(),
        }
    }

    /// Keeps what the policy in force says, by the hash that records name.
    pub fn keep_policy(&self) {
        let policy = self.live.policy();
        if let Err(e) = archive::keep(&self.directory, &policy) {
            let directory = self.directory.display();
            log::error!(
                "policy {} cannot be kept in {directory}: {e}; records that name it cannot be explained by it",
                policy.revision
            );
        }
    }

    /// What records hide, as the policy says.
    #[must_use]
    pub fn privacy(&self, policy: &Policy) -> Privacy {
        Privacy { client_ip: policy.audit.client_ip, user: policy.audit.user, key: self.pseudonym_key }
    }
}

/// The credentials of live sessions, in memory only: with them the gateway can end a session in the
/// app. They are never written anywhere; after a restart a credential is here again as soon as it is
/// presented.
#[derive(Default)]
pub struct Vault(RwLock<HashMap<SessionKey, Presented>>);

impl Vault {
    /// Keeps a credential.
    pub fn keep(&self, presented: &Presented) {
        if !self.0.read().contains_key(&presented.key) {
            self.0.write().insert(presented.key, presented.clone());
        }
    }

    /// Hands the credential out for good.
    pub fn take(&self, key: &SessionKey) -> Option<Presented> {
        self.0.write().remove(key)
    }

    /// Drops what `live` does not hold any more.
    pub fn retain(&self, live: impl Fn(&SessionKey) -> bool) {
        self.0.write().retain(|key, _| live(key));
    }
}

/// Session credentials that are nobody's, as the app said a short while ago. Bounded; what is forgotten is asked again.
#[derive(Default)]
pub struct Strangers(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    /// When the young half is full, the old one is dropped.
    halves: [HashMap<SessionKey, Stranger>; 2],
    /// Counts what may have signed somebody in.
    changes: u64,
}

#[derive(Clone, Copy)]
enum Stranger {
    /// It was nobody's then.
    Nobodys(Timestamp),
    /// With that change it may have become somebody's.
    Changed(u64),
}

/// When a question about a credential was asked: an answer counts only if nothing changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked(u64);

/// How many are remembered in each half.
const HALF: usize = 50_000;
/// For how long a stranger's credential is believed to be one.
const BELIEVED: std::time::Duration = std::time::Duration::from_secs(60);

impl Strangers {
    /// Before the app is asked.
    #[must_use]
    pub fn asking(&self) -> Asked {
        Asked(self.0.lock().changes)
    }

    /// The app said that `key` is nobody's.
    pub fn insert(&self, key: SessionKey, asked: Asked, now: Timestamp) {
        let mut recent = self.0.lock();
        if !matches!(recent.get(&key), Some(Stranger::Changed(change)) if change > asked.0) {
            recent.put(key, Stranger::Nobodys(now));
        }
    }

    /// Whether the key is known to be nobody's. Where the app cannot be asked, until something happens.
    #[must_use]
    pub fn contains(&self, key: &SessionKey, can_be_asked: bool, now: Timestamp) -> bool {
        match self.0.lock().get(key) {
            Some(Stranger::Nobodys(at)) => !can_be_asked || now.since(at) < BELIEVED,
            _ => false,
        }
    }

    /// Something happened that may have signed somebody in with this key.
    pub fn doubt(&self, key: SessionKey) {
        let mut recent = self.0.lock();
        recent.changes += 1;
        let change = recent.changes;
        recent.put(key, Stranger::Changed(change));
    }
}

impl Recent {
    fn get(&self, key: &SessionKey) -> Option<Stranger> {
        let [young, old] = &self.halves;
        young.get(key).or_else(|| old.get(key)).copied()
    }

    fn put(&mut self, key: SessionKey, stranger: Stranger) {
        let [young, old] = &mut self.halves;
        if young.len() >= HALF {
            *old = std::mem::take(young);
        }
        young.insert(key, stranger);
    }
}

/// The installation's own key, made on first use, in the state directory with mode 0600.
///
/// # Errors
/// When it can be neither read nor made.
pub fn pseudonym_key(directory: &Path) -> Result<[u8; 32], StoreError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = directory.join("pseudonym.key");
    let failed = |what: &str, e: &dyn std::fmt::Display| StoreError(format!("{}: {what}: {e}", path.display()));
    if let Ok(bytes) = std::fs::read(&path) {
        return bytes
            .try_into()
            .map_err(|_| StoreError(format!("{}: not 32 bytes; move it aside, and another is made", path.display())));
    }
    let key = random::<32>().map_err(|e| failed("no random numbers", &e))?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| failed("cannot be made", &e))?;
    file.write_all(&key).and_then(|()| file.sync_all()).map_err(|e| failed("cannot be written", &e))?;
    Ok(key)
}

/// `N` random bytes of the operating system.
///
/// # Errors
/// When it has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_believed_until_something_happens() {
        let (strangers, now) = (Strangers::default(), Timestamp(1_000_000));
        let [one, other] = [b"1", b"2"].map(|value| SessionKey::of("cookie sid", value));
        strangers.insert(one, strangers.asking(), now);
        assert!(strangers.contains(&one, true, now) && !strangers.contains(&other, true, now));
        assert!(!strangers.contains(&one, true, now.plus(BELIEVED)));
        assert!(strangers.contains(&one, false, now.plus(BELIEVED)), "there is nobody to ask");
        let asked = strangers.asking();
        strangers.doubt(one);
        assert!(!strangers.contains(&one, true, now) && !strangers.contains(&one, false, now));
        strangers.insert(one, asked, now);
        assert!(!strangers.contains(&one, true, now), "the answer is older than what happened");
        strangers.insert(one, strangers.asking(), now);
        assert!(strangers.contains(&one, true, now));
    }
}
