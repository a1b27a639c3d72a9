//! What `/readyz` says: whether connections are accepted, decisions can be recorded, and the app can be reached.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::policy::Upstream;

/// For how long a connection that was tried tells about the next.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// How the last try to reach the app went: several who ask at once share one.
#[derive(Clone, Default)]
pub struct Reachability(Arc<Mutex<Option<Tried>>>);

struct Tried {
    at: Instant,
    found: Result<(), String>,
}

impl Reachability {
    /// Connects to the app and sends nothing.
    ///
    /// # Errors
    /// Which address did what instead.
    async fn of(&self, upstream: &Upstream) -> Result<(), String> {
        let mut last = self.0.lock().await;
        match &*last {
            Some(tried) if tried.at.elapsed() < KNOWN_FOR => tried.found.clone(),
            _ => {
                let found = reach(upstream).await;
                last.insert(Tried { at: Instant::now(), found }).found.clone()
            }
        }
    }
}

async fn reach(upstream: &Upstream) -> Result<(), String> {
    let Some(address) = upstream.address() else { return Err(format!("{} has no address", upstream.host)) };
    let within = upstream.timeouts.connect;
    match timeout(within.0, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) if e.kind() == ErrorKind::ConnectionRefused => Err(format!("{address} refused the connection")),
        Ok(Err(e)) => Err(format!("{address} cannot be connected to: {e}")),
        Err(_) => Err(format!("{address} did not answer within {within}")),
    }
}

/// The answer: 503 while anything is missing that the gateway promises by itself, or that the policy names.
pub async fn readiness(gate: &Gate, app: &Reachability) -> (StatusCode, Value) {
    let (policy, last) = (gate.live.policy(), gate.live.last());
    let reached = app.of(&policy.upstream).await;
    let log_works = !gate.log.failing();
    let app_suffices = reached.is_ok() || !policy.upstream.needed_to_be_ready;
    let ready = log_works && app_suffices && gate.listeners.all_serve();
    let problems: Vec<String> = last.problems.iter().map(ToString::to_string).collect();
    let listeners: Map<String, Value> =
        gate.listeners.all().into_iter().map(|(address, listens)| (address, json!(listens))).collect();
    let body = json!({
        "ready": ready,
        "listeners": listeners,
        "app": reached.err().unwrap_or_else(|| "reached".to_owned()),
        "policy": policy.revision,
        "mode": policy.mode,
        "decision_log": if log_works { "ok" } else { "cannot be written" },
        "last_load": { "at": last.at.to_string(), "taken": problems.is_empty(), "problems": problems },
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}
