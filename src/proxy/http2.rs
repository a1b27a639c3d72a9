//! The streams of one HTTP/2 connection: Pingora's accept loop once more, since what it refuses there reaches no hook, and
//! is recorded here.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Accept, HttpSession, handshake};
use pingora_core::protocols::{Digest, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use pingora_proxy::HttpProxy;
use pingora_timeout::sleep;
use tokio::sync::Notify;

use super::client_stream::STREAM;
use super::gateway::Gateway;
use super::panics::caught;
use super::respond;
use crate::decision::{Reason, protocol};
use crate::gate::{Gate, Wire};

/// How many malformed requests a connection may bring.
const MOST_MALFORMED: usize = 32;
/// How often requests are looked for that the HTTP/2 library refused by itself.
const LOOK: Duration = Duration::from_secs(10);

/// The streams that are served.
#[derive(Default)]
struct Active {
    count: AtomicUsize,
    idle: Notify,
}

/// One of them.
struct Served(Arc<Active>);

impl Active {
    fn begin(self: &Arc<Self>) -> Served {
        self.count.fetch_add(1, Ordering::Relaxed);
        Served(self.clone())
    }

    /// Waits until nothing was served for `time`.
    async fn is_idle_for(&self, time: Duration) {
        while self.count.load(Ordering::Relaxed) != 0 {
            self.idle.notified().await;
        }
        sleep(time).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// A connection, and what serves its streams.
pub struct Http2 {
    /// What all share.
    pub gate: Arc<Gate>,
    /// Serves one stream.
    pub proxy: Arc<HttpProxy<Gateway>>,
    /// The connection.
    pub wire: Arc<Wire>,
    /// Who is at its other end.
    pub address: Option<IpAddr>,
}

impl Http2 {
    /// Serves all streams until the connection ends, or has been idle for `keep_alive`.
    pub async fn serve(self, stream: Stream, keep_alive: Duration, shutdown: &ShutdownWatch) {
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let Ok(mut connection) = handshake(stream, self.proxy.h2_options()).await else {
            return self.reject(protocol::STREAM);
        };
        let (active, mut stop, mut stopping) = (Arc::new(Active::default()), shutdown.clone(), false);
        // Of the requests that were begun: how many came out of the library, or were recorded as refused in it.
        let (mut known, mut malformed) = (0, 0);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.changed(), if !stopping => {
                    connection.graceful_shutdown();
                    stopping = true;
                    continue;
                }
                accepted = HttpSession::from_h2_conn(&mut connection, digest.clone()) => accepted,
                () = sleep(LOOK), if self.wire.begun() > known => {
                    malformed += self.record_refused(&mut known);
                    if malformed > MOST_MALFORMED { return }
                    continue;
                }
                () = active.is_idle_for(keep_alive) => break,
            };
            match accepted {
                Ok(Some(H2Accept::Session(mut session))) => {
                    known += 1;
                    // Pingora would answer by itself.
                    if session.req_header().method == Method::CONNECT {
                        self.reject(protocol::METHOD);
                        let head = ResponseHeader::build(protocol::METHOD.status, None).map(Box::new);
                        let _ = head.and_then(|head| session.write_response_header(head, true));
                        continue;
                    }
                    self.spawn(session, active.begin(), shutdown);
                }
                Ok(Some(H2Accept::Rejected)) => {
                    known += 1;
                    malformed += 1;
                    self.reject(protocol::STREAM);
                    if malformed > MOST_MALFORMED {
                        break;
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        self.record_refused(&mut known);
    }

    fn spawn(&self, session: HttpSession, served: Served, shutdown: &ShutdownWatch) {
        let (gate, proxy, wire, address) = (self.gate.clone(), self.proxy.clone(), self.wire.clone(), self.address);
        let shutdown = shutdown.clone();
        pingora_runtime::current_handle().spawn(async move {
            let _served = served;
            let serving = proxy.process_new_http(ServerSession::new_http2(session), &shutdown);
            if caught(pin!(STREAM.scope(wire, serving))).await.is_err() {
                // In what no hook runs.
                gate.metrics.panics.inc();
                respond::record_reject(&gate, protocol::PANIC, address);
            }
        });
    }

    /// Records the requests that were begun and never came out of the library; how many there were.
    fn record_refused(&self, known: &mut u32) -> usize {
        let refused = self.wire.begun().saturating_sub(*known);
        *known += refused;
        (0..refused).for_each(|_| self.reject(protocol::STREAM));
        refused as usize
    }

    fn reject(&self, reason: &'static Reason) {
        respond::record_reject(&self.gate, reason, self.address);
    }
}
