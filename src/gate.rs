//! What one process shares between its requests: the policy in force, the store, the decision log,
//! the metrics, and the clock.

mod open_sign_ins;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::{Clock, Timestamp};
use crate::decision::log::Log;
use crate::decision::record::Privacy;
use crate::identity::Presented;
use crate::masking::Memory;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::policy::live::Live;
use crate::store::embedded::EmbeddedStore;
use crate::store::{SessionKey, StoreError};

pub use open_sign_ins::{OpenSignIn, OpenSignIns};

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
    /// Session cookies that the app gave to nobody in particular.
    pub anonymous: RecentKeys,
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

/// Keys of credentials about which something was learned a short while ago. Bounded; what is
/// forgotten is found out again.
#[derive(Default)]
pub struct RecentKeys(Mutex<[HashMap<SessionKey, Timestamp>; 2]>);

/// How many are remembered, in two halves: when the young half is full, the old one is dropped.
const HALF: usize = 50_000;
/// How long one is remembered.
const KEPT: std::time::Duration = std::time::Duration::from_secs(3600);

impl RecentKeys {
    /// Remembers a key.
    pub fn insert(&self, key: SessionKey, now: Timestamp) {
        let [young, old] = &mut *self.0.lock();
        if young.len() >= HALF {
            *old = std::mem::take(young);
        }
        young.insert(key, now);
    }

    /// Whether the key is remembered.
    #[must_use]
    pub fn contains(&self, key: &SessionKey, now: Timestamp) -> bool {
        let [young, old] = &*self.0.lock();
        young.get(key).or_else(|| old.get(key)).is_some_and(|at| now.since(*at) < KEPT)
    }

    /// Forgets a key: it is not true of it any more.
    pub fn remove(&self, key: &SessionKey) {
        for half in self.0.lock().iter_mut() {
            half.remove(key);
        }
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
