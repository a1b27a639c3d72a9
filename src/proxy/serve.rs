//! Sets up listeners, threads and shutdown, and runs until it is told to stop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::http::v2::server::default_h2_options;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::services::listening::Service;
use pingora_proxy::HttpProxy;
use tokio::signal::unix::{SignalKind, signal};

use super::call::Caller;
use super::doorway::{Doorway, Open};
use super::gateway::Gateway;
use super::headers::MAX_HEAD;
use super::listening::{self, Listening};
use super::spool::Room;
use crate::gate::Gate;
use crate::identity::Presented;
use crate::policy::file::ListenFile;

/// Why the gateway cannot start.
#[derive(Debug)]
pub struct ServeError(pub String);

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Credentials of sessions to be ended in the app.
pub type Endings = tokio::sync::mpsc::UnboundedReceiver<Presented>;

/// The longest head, as HTTP/2 counts it.
#[allow(clippy::cast_possible_truncation)] // 32 KiB
const MAX_HEAD_SIZE: u32 = MAX_HEAD as u32;
/// How long requests under way may take to finish after SIGTERM.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// How long requests that are cut off then may take to be recorded.
const RECORD_WITHIN: Duration = Duration::from_secs(1);
/// How long an accepted connection may take to be counted as open.
const SETTLE: Duration = Duration::from_millis(50);

/// A server whose listeners are bound: clients can connect, and are served as soon as it runs.
pub struct Bound {
    gate: Arc<Gate>,
    server: Server,
    open: Arc<Open>,
}

/// Reads the certificates and binds the addresses of `listen`.
///
/// # Errors
/// When a listener cannot be opened or its certificate cannot be read; none is open then.
pub fn bind(gate: &Arc<Gate>, listen: &[ListenFile], threads: usize, endings: Endings) -> Result<Bound, ServeError> {
    let conf = ServerConf {
        threads: threads.max(1),
        // One runtime per core: a request stays on the core that accepted it.
        work_stealing: false,
        // Pingora stops its runtimes one after the other when this is over, and a runtime takes the
        // upstream connections with it that requests on another one use: it must not come to that.
        grace_period_seconds: Some(3600),
        max_retries: 2,
        upstream_keepalive_pool_size: 256,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let caller = Arc::new(Caller::new());
    let limits = &gate.live.policy().limits;
    let room = Room::new(limits.inspection_memory.0, limits.inspection_spool.0, gate.directory.clone());
    let open = Arc::new(Open::default());
    for listener in listen {
        let Some(address) = listener.http.as_ref().or(listener.https.as_ref()) else { continue };
        let socket = listening::bind(address)?;
        let gateway = Gateway::new(gate.clone(), caller.clone(), room.clone(), open.clone());
        let mut proxy = HttpProxy::new(gateway, server.configuration.clone());
        let mut options = HttpServerOptions::default();
        options.h2c = listener.http2;
        proxy.server_options = Some(options);
        let mut h2 = default_h2_options();
        // Longer heads than are accepted, so that a head that is too long is refused where it is recorded.
        h2.max_header_list_size(2 * MAX_HEAD_SIZE).max_concurrent_streams(100);
        // HTTP/2's own 64 KiB would slow down uploads over longer ways.
        h2.initial_window_size(256 << 10).initial_connection_window_size(1 << 20);
        proxy.h2_options = Some(h2);
        proxy.handle_init_modules();
        let doorway = Doorway::new(gate.clone(), Arc::new(proxy), listener.http2, open.clone());
        let mut service = Service::new(format!("gateway {address}"), doorway);
        match (&listener.certificate, &listener.key) {
            (Some(certificate), Some(key)) => {
                service.add_tls_with_settings(address, None, tls(gate, certificate, key)?);
            }
            _ => service.add_tcp(address),
        }
        server.add_service(Listening::new(gate.listeners.clone(), address, socket, service));
    }
    run_endings(gate.clone(), caller, endings)?;
    Ok(Bound { gate: gate.clone(), server, open })
}

impl Bound {
    /// Serves until SIGTERM or SIGINT, and then until the last connection has closed or [`FINISH_WITHIN`] is over.
    /// Its threads end with the process.
    ///
    /// # Errors
    /// When the server stops by itself.
    pub fn serve(self) -> Result<(), ServeError> {
        let Self { gate, server, open } = self;
        let (tell, told) = std::sync::mpsc::channel();
        let run = move || server.run(RunArgs { shutdown_signal: Box::new(Signals(tell)) });
        std::thread::Builder::new()
            .name("server".into())
            .spawn(run)
            .map_err(|e| ServeError(format!("no thread for the server: {e}")))?;
        told.recv().map_err(|_| ServeError("the server stopped by itself".into()))?;
        gate.listeners.stop();
        // A tunnel would go on for ever.
        gate.tunnels.end_all();
        let left = wait_for_connections(&open, FINISH_WITHIN);
        if left > 0 {
            log::warn!("{left} connections are cut off: their requests took longer than {FINISH_WITHIN:?}");
            open.abort_all();
            wait_for_connections(&open, RECORD_WITHIN);
        }
        Ok(())
    }
}

/// Waits until the last connection has closed, or `within` is over; returns how many are left.
fn wait_for_connections(open: &Open, within: Duration) -> usize {
    let deadline = Instant::now() + within;
    loop {
        std::thread::sleep(SETTLE);
        let left = open.all.load(Ordering::Relaxed);
        if left == 0 || Instant::now() > deadline {
            return left;
        }
    }
}

/// Tells the main thread, and then Pingora, that it is time to end.
struct Signals(std::sync::mpsc::Sender<()>);

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            }
            (Err(e), _) | (_, Err(e)) => {
                // The signals end the process at once then, as they do by default.
                log::error!("signals cannot be waited for: {e}");
                std::future::pending::<()>().await;
            }
        }
        // The main thread may be gone only when the process ends anyway.
        let _ = self.0.send(());
        ShutdownSignal::GracefulTerminate
    }
}

fn tls(gate: &Gate, certificate: &str, key: &str) -> Result<TlsSettings, ServeError> {
    let shown = gate.certificates.show(certificate, key, gate.clock.now());
    let shown = shown.map_err(|wrong| ServeError(wrong.to_string()))?;
    let wrong = |e| ServeError(format!("certificate {certificate} and key {key} cannot be used: {e}"));
    let mut settings = TlsSettings::intermediate(certificate, key).map_err(wrong)?;
    settings.set_cert_resolver(shown);
    settings.enable_h2();
    Ok(settings)
}

/// One thread makes the requests that end sessions in the app, so that nobody waits for them.
fn run_endings(gate: Arc<Gate>, caller: Arc<Caller>, mut endings: Endings) -> Result<(), ServeError> {
    let failed = |e: std::io::Error| ServeError(e.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let run = move || {
        runtime.block_on(async {
            while let Some(credential) = endings.recv().await {
                end_in_app(&gate, &caller, &credential).await;
            }
        });
    };
    std::thread::Builder::new().name("session-endings".into()).spawn(run).map(drop).map_err(failed)
}

/// Asks the app a few times to end a session. One that it keeps is useless all the same: the gateway
/// passes its credential on no more.
async fn end_in_app(gate: &Gate, caller: &Caller, credential: &Presented) {
    let policy = gate.live.policy();
    let Some(realm) = policy.realms.get(credential.realm) else { return };
    let Some(call) = &realm.logout_call else { return };
    for wait in [200, 1_000, 5_000] {
        if caller.sign_out(&policy, realm, call, credential).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    log::warn!("the app did not end a session of realm {}", realm.name);
}
