//! The policy in force, and its replacement while requests go on: read, parse, compile, swap. A
//! file that does not load changes nothing and is loud.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::compile::Policy;
use super::difference::{Difference, Said, differences};
use super::file::PolicyFile;
use super::problem::Problem;
use super::source::{Loaded, load};
use crate::clock::{Clock, Timestamp};

/// The policy in force.
pub struct Live {
    path: PathBuf,
    clock: Clock,
    policy: ArcSwap<Policy>,
    at_start: AtStart,
    said: Mutex<Said>,
    last: Mutex<LastLoad>,
    /// Held from reading the files to taking what they say: who read first must not be the last to take.
    turn: Mutex<()>,
}

/// Keys that are taken at the start only, each with what it said then.
type AtStart = [(&'static str, String); 4];

fn at_start(file: &PolicyFile) -> AtStart {
    [
        ("listen", format!("{:?}", file.listen)),
        ("state", format!("{:?}", file.state)),
        ("limits.inspection_memory", format!("{:?}", file.limits.inspection_memory)),
        ("limits.inspection_spool", format!("{:?}", file.limits.inspection_spool)),
    ]
}

/// How the last load went.
#[derive(Clone, Debug, Default)]
pub struct LastLoad {
    /// When.
    pub at: Timestamp,
    /// What was wrong; empty when it was taken.
    pub problems: Vec<Problem>,
    /// What is odd about it, when it was taken.
    pub warnings: Vec<Problem>,
    /// Files whose change calls for a reload.
    pub sources: Vec<PathBuf>,
    /// Keys that say something else than at the start, and need a restart to be followed.
    pub needs_restart: Vec<&'static str>,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Another policy is in force, with what it changes. Nothing when only the profile or comments are others.
    Swapped(Vec<Difference>),
    /// The files say what is in force already.
    Unchanged,
}

impl Live {
    /// Puts a policy in force that was just loaded from `path`.
    #[must_use]
    pub fn new(path: &Path, loaded: Loaded, clock: Clock) -> Self {
        look_up(&loaded.policy);
        let last =
            LastLoad { at: clock.now(), sources: loaded.sources, warnings: loaded.warnings, ..LastLoad::default() };
        Self {
            path: path.to_path_buf(),
            clock,
            policy: ArcSwap::from_pointee(loaded.policy),
            at_start: at_start(&loaded.file),
            said: Mutex::new(loaded.said),
            last: Mutex::new(last),
            turn: Mutex::new(()),
        }
    }

    /// The policy in force. A request takes it once and keeps it to its end.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// How the last load went.
    #[must_use]
    pub fn last(&self) -> LastLoad {
        self.last.lock().clone()
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// Everything that is wrong with them; the policy in force stays.
    pub fn reload(&self) -> Result<Reload, Vec<Problem>> {
        let _turn = self.turn.lock();
        let loaded = load(&self.path, &self.clock);
        let mut last = self.last.lock();
        last.at = self.clock.now();
        match loaded {
            Ok(loaded) => {
                last.problems.clear();
                last.warnings = loaded.warnings;
                last.sources = loaded.sources;
                let now = at_start(&loaded.file);
                last.needs_restart =
                    self.at_start.iter().zip(&now).filter(|(then, now)| then != now).map(|(then, _)| then.0).collect();
                if loaded.policy.revision == self.policy.load().revision {
                    return Ok(Reload::Unchanged);
                }
                look_up(&loaded.policy);
                let before = std::mem::replace(&mut *self.said.lock(), loaded.said.clone());
                self.policy.store(Arc::new(loaded.policy));
                Ok(Reload::Swapped(differences(&before, &loaded.said)))
            }
            Err(problems) => {
                last.problems.clone_from(&problems);
                Err(problems)
            }
        }
    }
}

/// Looks up the app's name. One that has no address yet is no reason to refuse a policy: requests
/// get 502 until it has.
pub fn look_up(policy: &Policy) {
    if let Err(e) = policy.upstream.look_up() {
        log::warn!("app.upstream: {}: {e}", policy.upstream.host);
    }
}
