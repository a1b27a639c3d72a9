//! What operators see: metrics, health, sessions, people, reload. One thread with its own runtime,
//! so that nothing here can slow a request down.

mod pages;
mod readiness;
mod tasks;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use crate::gate::Gate;
use crate::policy::file::ListenFile;

pub use readiness::Reachability;

/// What operations work on.
#[derive(Clone)]
pub struct Operations {
    /// The gateway.
    pub gate: Arc<Gate>,
    /// Whether the clock may be turned.
    pub rehearsal: bool,
    /// Whether the app can be reached.
    pub app: Reachability,
}

/// Starts the listeners for operators and for metrics that are in `listen`, and the tasks that go on by themselves.
///
/// # Errors
/// When an address cannot be listened on.
pub fn start(operations: Operations, listen: &[ListenFile]) -> io::Result<()> {
    let mut listeners = Vec::new();
    for listener in listen {
        if let Some(address) = &listener.admin {
            listeners.push((bind(address)?, pages::router(operations.clone())));
        }
        if let Some(address) = &listener.metrics {
            listeners.push((bind(address)?, pages::readers(operations.clone())));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        runtime.block_on(async move {
            for (listener, router) in listeners {
                tokio::spawn(serve(listener, router));
            }
            tasks::run(operations.gate).await;
        });
        log::error!("nothing watches over sessions any more: the process ends");
        std::process::exit(1);
    };
    std::thread::Builder::new().name("operations".into()).spawn(run)?;
    Ok(())
}

fn bind(address: &str) -> io::Result<TcpListener> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{address}: {e}"));
    let listener = TcpListener::bind(address).map_err(named)?;
    listener.set_nonblocking(true).map_err(named)?;
    Ok(listener)
}

/// How long a head may take, and how long a connection may wait for its next request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How many connections are served at once; more wait.
const CONNECTIONS: usize = 256;

async fn serve(listener: TcpListener, router: axum::Router) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(e) => return log::error!("a listener for operators or metrics does not work: {e}"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                log::warn!("a connection of operators or of Prometheus is not accepted: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            // Whoever breaks off has nothing more to be told.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
