//! `deskgate run`: from a policy file to a serving gateway.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio::sync::mpsc::UnboundedSender;

use super::{descriptors, output};
use crate::admin::{self, Operations, Reachability};
use crate::certificate::Certificates;
use crate::clock::Clock;
use crate::decision::event::What;
use crate::decision::log::{Log, Target, Writer};
use crate::gate::{Gate, OpenSignIns, Strangers, Tunnels, Vault, pseudonym_key, random};
use crate::identity::Presented;
use crate::masking::Memory;
use crate::metrics::Metrics;
use crate::policy::file::{ListenFile, Mode, PolicyFile, STATE_DIRECTORY};
use crate::policy::live::Live;
use crate::policy::source::{Loaded, load};
use crate::proxy;
use crate::store::embedded::EmbeddedStore;

/// Serve.
#[derive(Args)]
#[command(after_help = "Examples:
  deskgate run --config /etc/deskgate/policy.yaml
  deskgate run --config policy.yaml --threads 4
  deskgate run --config policy.yaml --rehearsal      turn the clock: see docs/operations.md")]
pub struct Run {
    /// The policy.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Threads that serve; default one per core.
    #[arg(long)]
    threads: Option<usize>,
    /// Rehearse a policy: the admin listener can turn the clock forward. Only on loopback.
    #[arg(long)]
    rehearsal: bool,
}

impl Run {
    /// Runs until SIGTERM.
    pub fn run(&self) -> ExitCode {
        let clock = Clock::system();
        let loaded = match load(&self.config, &clock) {
            Ok(loaded) => loaded,
            Err(problems) => {
                output::problems(&mut std::io::stderr(), std::io::stderr().is_terminal(), &problems);
                return output::fail(format!("{} is refused; nothing is served", self.config.display()));
            }
        };
        output::problems(&mut std::io::stderr(), std::io::stderr().is_terminal(), &loaded.warnings);
        if self.rehearsal
            && let Some(open) = not_loopback(&loaded.file.listen)
        {
            return output::fail(format!(
                "--rehearsal turns the clock, so every listener must be on loopback; {open} is not"
            ));
        }
        let target = Target::parse(&loaded.policy.audit.write_to);
        match start(&self.config, loaded, clock, target, self.rehearsal, self.threads) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => output::fail(message),
        }
    }
}

/// Starts everything and serves until SIGTERM.
///
/// # Errors
/// What kept it from starting.
pub fn start(
    config: &Path,
    loaded: Loaded,
    clock: Clock,
    target: Target,
    rehearsal: bool,
    threads: Option<usize>,
) -> Result<(), String> {
    let file = loaded.file.clone();
    let (endings, to_end) = tokio::sync::mpsc::unbounded_channel();
    let (gate, writer) = gate(config, loaded, clock, target, endings)?;
    let files = descriptors::raise();
    if let Some(wrong) = descriptors::too_few(gate.live.policy().limits.connections.into(), files) {
        log::warn!("{wrong}");
    }
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let bound = proxy::bind(&gate, &file.listen, threads, to_end).map_err(|e| e.to_string())?;
    let operations = Operations { gate: gate.clone(), rehearsal, app: Reachability::default() };
    admin::start(operations, &file.listen).map_err(|e| e.to_string())?;
    announce(&gate, &file);
    gate.keep_policy();
    gate.record(What::Started);
    bound.serve().map_err(|e| e.to_string())?;
    gate.record(What::Stopped);
    gate.store.close().map_err(|e| e.to_string())?;
    drop(writer);
    log::info!("stopped");
    Ok(())
}

fn gate(
    config: &Path,
    loaded: Loaded,
    clock: Clock,
    target: Target,
    endings: UnboundedSender<Presented>,
) -> Result<(Arc<Gate>, Writer), String> {
    let directory = PathBuf::from(loaded.file.state.directory.as_deref().unwrap_or(STATE_DIRECTORY));
    let store = EmbeddedStore::open(&directory, clock.now()).map_err(|e| e.to_string())?;
    let pseudonym_key = pseudonym_key(&directory).map_err(|e| e.to_string())?;
    let shown = target.to_string();
    let node = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "gateway".to_owned(), |h| h.trim().to_owned());
    let (log, writer) =
        Log::open(target, node).map_err(|e| format!("the decision log {shown} cannot be opened: {e}"))?;
    let metrics = Metrics::new().map_err(|e| e.to_string())?;
    metrics.policy(&loaded.policy.revision, i64::try_from(clock.now().0 / 1000).unwrap_or(0));
    let live = Live::new(config, loaded, clock.clone());
    let gate = Gate {
        live,
        store,
        log,
        metrics,
        clock,
        vault: Vault::default(),
        memory: Memory::new(random().map_err(|e| format!("no random numbers: {e}"))?),
        strangers: Strangers::default(),
        certificates: Certificates::default(),
        listeners: Arc::default(),
        tunnels: Tunnels::default(),
        open_sign_ins: OpenSignIns::default(),
        pseudonym_key,
        directory,
        endings,
    };
    Ok((Arc::new(gate), writer))
}

fn announce(gate: &Gate, file: &PolicyFile) {
    let policy = gate.live.policy();
    for listener in &file.listen {
        if let Some(address) = listener.http.as_ref().or(listener.https.as_ref()) {
            let (people, app) = (&policy.public_origin, policy.upstream.origin());
            log::info!("serving {people} on {address} for {app}{}", of_mode(policy.mode));
        }
        if let Some(address) = &listener.admin {
            log::info!("operators and metrics on {address}");
        }
        if let Some(address) = &listener.metrics {
            log::info!("metrics on http://{address}/metrics; nothing can be changed there");
        }
    }
    let controls: Vec<&str> = policy.guards.names().into_iter().collect();
    log::info!("policy {} with {} controls: {}", policy.revision, controls.len(), controls.join(", "));
}

/// What the start says of a mode in which refusals are not carried out.
fn of_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "",
        Mode::Shadow => " in mode SHADOW: what would be refused is only recorded",
        Mode::Off => " in mode OFF: only controls with a mode of their own decide",
    }
}

fn not_loopback(listen: &[ListenFile]) -> Option<&str> {
    let addresses = listen.iter().flat_map(|l| [&l.http, &l.https, &l.admin, &l.metrics]).flatten();
    addresses.map(String::as_str).find(|a| a.parse::<SocketAddr>().is_ok_and(|a| !a.ip().is_loopback()))
}
