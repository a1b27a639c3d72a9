//! What goes on by itself: reading the policy again when it changes, ending sessions whose time is
//! up, forgetting counters that are back at rest.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep};

use crate::decision::event::What;
use crate::decision::log::Target;
use crate::gate::Gate;
use crate::pipeline::ended_by_time;
use crate::policy::difference::Difference;
use crate::policy::live::{Reload, look_up};
use crate::policy::problem::{self, Problem, Severity};
use crate::proxy::{close_ended, end_in_app};
use crate::store::{Effect, Store};

/// How often sessions whose time is up are looked for. They are refused at once when they are used;
/// this only ends them in the app as well.
const SWEEP: Duration = Duration::from_secs(30);
/// How much a reload gives way: beside a busy thread it gets a tenth of the processor.
const NICE: i32 = 10;
/// How many differences of a reload are told that loosen nothing.
const MOST_TOLD: usize = 50;
/// Editors write a file in several steps.
const SETTLE: Duration = Duration::from_millis(150);

/// Runs for ever.
pub async fn run(gate: Arc<Gate>) {
    tokio::join!(watch(gate.clone()), hang_ups(gate.clone()), close_ended(gate.clone()), sweeps(gate));
}

/// Reads the policy again.
///
/// # Errors
/// What is wrong with it; the one in force stays.
fn reload(gate: &Gate) -> Result<String, Vec<Problem>> {
    let before = gate.live.policy().revision.clone();
    match gate.live.reload() {
        Ok(reload) => {
            let policy = gate.live.policy();
            if let Reload::Swapped(differences) = reload {
                gate.metrics.policy_reloads.with_label_values(&["taken"]).inc();
                gate.metrics.policy(&policy.revision, i64::try_from(gate.clock.now().0 / 1000).unwrap_or(0));
                gate.log.reopen(Target::parse(&policy.audit.write_to));
                gate.keep_policy();
                gate.record(What::PolicyTaken { before: &before });
                log::info!("policy {} is in force", policy.revision);
                tell(&differences);
            } else {
                log::info!("the policy is as before: policy {} stays in force", policy.revision);
            }
            for key in gate.live.last().needs_restart {
                log::warn!("{key} changed: that needs a restart");
            }
            problem::log(&gate.live.last().warnings);
            gate.metrics.policy_ok.set(1);
            Ok(policy.revision.clone())
        }
        Err(problems) => {
            gate.metrics.policy_reloads.with_label_values(&["refused"]).inc();
            gate.metrics.policy_ok.set(0);
            let first = problems.iter().find(|p| p.severity == Severity::Error).map(ToString::to_string);
            let first = first.unwrap_or_default();
            gate.record(What::PolicyRefused { problems: problems.len(), first: &first });
            problem::log(&problems);
            log::error!("the changed policy is refused; policy {} stays in force", gate.live.policy().revision);
            Err(problems)
        }
    }
}

/// Says what another policy changes. What loosens is never left out.
fn tell(differences: &[Difference]) {
    let (loosening, others): (Vec<_>, Vec<_>) = differences.iter().partition(|difference| difference.loosens);
    for difference in &loosening {
        log::warn!("{}", difference.text);
    }
    for difference in others.iter().take(MOST_TOLD) {
        log::info!("{}", difference.text);
    }
    match others.len().saturating_sub(MOST_TOLD) {
        0 if differences.is_empty() => {
            log::info!("only the profile or comments are others; every value of the policy is the same");
        }
        0 => {}
        left => log::info!("{left} further values are others"),
    }
}

/// Watches the directories of the policy's files: a file that is replaced, by an editor or by a
/// changed link, shows only there.
async fn watch(gate: Arc<Gate>) {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| !e.kind.is_access()) {
            let _ = changed.send(());
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(e) => return log::warn!("changes of the policy cannot be watched ({e}); send SIGHUP after a change"),
    };
    let mut watched = HashSet::new();
    let mut read = stamps(&gate);
    loop {
        watch_directories(&gate, &mut watcher, &mut watched);
        if changes.recv().await.is_none() {
            return;
        }
        sleep(SETTLE).await;
        while changes.try_recv().is_ok() {}
        // Other files may live there too, even the decision log.
        let found = stamps(&gate);
        if found != read {
            read = found;
            let _ = reload_in_background(&gate).await;
        }
    }
}

/// A file's inode, length and time of change; `None` for one that is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// What tells if one of the policy's files is another one than before.
fn stamps(gate: &Gate) -> Vec<(PathBuf, Stamp)> {
    let stamp = |path: &PathBuf| -> Stamp {
        std::fs::metadata(path).ok().map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
    };
    gate.live.last().sources.into_iter().map(|path| (path.clone(), stamp(&path))).collect()
}

fn watch_directories(gate: &Gate, watcher: &mut RecommendedWatcher, watched: &mut HashSet<PathBuf>) {
    for source in gate.live.last().sources {
        let directory =
            source.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), PathBuf::from);
        if watched.insert(directory.clone())
            && let Err(e) = watcher.watch(&directory, RecursiveMode::NonRecursive)
        {
            log::warn!("{} cannot be watched ({e}); send SIGHUP after a change", directory.display());
        }
    }
}

/// The same beside the requests, which go first: a thread of its own may be made less urgent than they are, one of
/// the runtime's could not be made as urgent as before.
///
/// # Errors
/// What is wrong with the policy, or that it could not be read; the one in force stays.
pub async fn reload_in_background(gate: &Arc<Gate>) -> Result<String, Vec<Problem>> {
    let (done, result) = oneshot::channel();
    let gate = gate.clone();
    let work = move || {
        // Not allowed to: then it is as urgent as they are.
        let _ = rustix::process::setpriority_process(None, NICE);
        let _ = done.send(reload(&gate));
    };
    let failed = |e: String| vec![Problem::new("", format!("the policy could not be read again: {e}"))];
    std::thread::Builder::new().name("reload".into()).spawn(work).map_err(|e| failed(e.to_string()))?;
    result.await.unwrap_or_else(|_| Err(failed("the reload broke off".into())))
}

/// SIGHUP: the policy is read again, the decision log is opened again (logrotate).
async fn hang_ups(gate: Arc<Gate>) {
    let Ok(mut signals) = signal(SignalKind::hangup()) else { return };
    while signals.recv().await.is_some() {
        gate.log.reopen(Target::parse(&gate.live.policy().audit.write_to));
        gate.certificates.renew(gate.clock.now());
        let _ = reload_in_background(&gate).await;
    }
}

async fn sweeps(gate: Arc<Gate>) {
    let mut ticks = interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(e) = sweep(&gate).await {
            log::error!("sessions cannot be looked through: {e}");
        }
        let policy = gate.live.policy();
        policy.rates.tidy();
        let _ = tokio::task::spawn_blocking(move || look_up(&policy)).await;
    }
}

/// Ends sessions whose time is up although nobody asks for them any more.
async fn sweep(gate: &Gate) -> Result<(), crate::store::StoreError> {
    let policy = gate.live.policy();
    let now = gate.clock.now();
    let sessions = gate.store.sessions().await?;
    let ended: Vec<Effect> =
        sessions.iter().filter_map(|(key, record)| ended_by_time(&policy, *key, record, now)).collect();
    for batch in ended.chunks(128) {
        gate.store.commit(batch).await?;
    }
    for effect in &ended {
        if let Effect::Ended { key, reason, .. } = effect {
            gate.metrics.session_end(reason.as_str());
            end_in_app(gate, *key);
        }
    }
    let live: HashSet<_> = sessions.iter().map(|(key, _)| *key).collect();
    gate.vault.retain(|key| live.contains(key));
    gate.memory.sweep(now);
    Ok(())
}

/// Brings the gauges that are counted on demand up to date.
pub async fn refresh_gauges(gate: &Gate) {
    gate.metrics.audit_queue.set(i64::try_from(gate.log.waiting()).unwrap_or(i64::MAX));
    gate.metrics.audit_lost.inc_by(gate.log.take_lost());
    for (file, good_until) in gate.certificates.good_until() {
        gate.metrics.certificate(&file, good_until);
    }
    let Ok(sessions) = gate.store.sessions().await else { return };
    let mut per_realm: HashMap<&str, i64> = HashMap::new();
    for (_, record) in &sessions {
        *per_realm.entry(&record.realm).or_default() += 1;
    }
    gate.metrics.sessions.reset();
    for (realm, count) in per_realm {
        gate.metrics.sessions.with_label_values(&[realm]).set(count);
    }
}
