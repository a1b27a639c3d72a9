//! What stands before Pingora's proxy: it caps connections, gives a request head a deadline, checks
//! the raw bytes of every HTTP/1.1 head, and records what it refuses, since such requests reach no
//! hook of the proxy.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use memchr::memmem::Finder;
use parking_lot::Mutex;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v1::server::HttpSession as HttpSessionV1;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client_stream::{ClientStream, WIRE};
use super::gateway::Gateway;
use super::headers::{MAX_HEAD, check_raw_head};
use super::http2::Http2;
use super::panics::caught;
use super::respond;
use super::shares::Shares;
use super::untaken::{self, Counter};
use crate::decision::{Reason, protocol};
use crate::gate::{End, Gate, Wire};
use crate::policy::Policy;

/// The first bytes of an HTTP/2 connection without TLS.
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The server of one listener.
pub struct Doorway {
    gate: Arc<Gate>,
    proxy: Arc<HttpProxy<Gateway>>,
    /// Whether HTTP/2 without TLS is spoken.
    http2: bool,
    open: Arc<Open>,
}

/// What all listeners of a process count together.
#[derive(Default)]
pub struct Open {
    /// Connections that are open.
    pub all: AtomicUsize,
    /// Bytes of answers that clients of HTTP/2 have not taken yet.
    pub untaken: Counter,
    wires: Mutex<Vec<Weak<Wire>>>,
    of_address: Shares,
}

impl Open {
    /// Counts a connection as one that can be ended.
    pub fn add(&self, wire: &Arc<Wire>) {
        let mut wires = self.wires.lock();
        // Those that are gone are dropped before the list grows.
        if wires.len() == wires.capacity() {
            wires.retain(|wire| wire.strong_count() > 0);
        }
        wires.push(Arc::downgrade(wire));
    }

    /// Ends the connections that hold the most, until the others hold at most `most` together.
    pub fn end_largest(&self, most: usize) {
        untaken::end_largest(self.wires.lock().iter().filter_map(Weak::upgrade), most);
    }

    /// Breaks all connections off. What was under way on them is recorded as aborted.
    pub fn abort_all(&self) {
        self.wires.lock().iter().filter_map(Weak::upgrade).for_each(|wire| wire.end(End::Aborted));
    }
}

/// A connection that is counted while it lives.
struct Counted {
    open: Arc<Open>,
    gate: Arc<Gate>,
    /// Whose share it is counted in.
    address: Option<IpAddr>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        self.gate.metrics.connections.dec();
        if let Some(address) = self.address {
            self.open.of_address.give_back(address, 1);
        }
    }
}

enum Head {
    /// A checked head, with what came after it.
    Whole(BytesMut),
    /// The client went away, or had nothing more to ask.
    None,
    /// It is refused.
    Refused(&'static Reason),
}

/// The address at the other end.
fn peer(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    digest.peer_addr().and_then(|a| a.as_inet()).map(|a| a.ip().to_canonical())
}

/// Where a head ends.
static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
/// Where one ends whose line feeds are bare.
static BARE_END: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| [Finder::new(b"\n\n"), Finder::new(b"\n\r\n")]);

/// What came behind a checked head of a chunked body; `None` where the body is none.
fn first_chunks(buffer: &[u8]) -> Option<&[u8]> {
    let end = END.find(buffer)? + 4;
    let (head, rest) = buffer.split_at(end);
    let is_chunked = |line: &[u8]| {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"transfer-encoding")
    };
    head.split(|b| *b == b'\n').any(is_chunked).then_some(rest)
}

/// The checked head, if its end is here; a refusal, if it will never be one.
fn whole_head(buffer: &mut BytesMut) -> Option<Head> {
    if let Some(end) = END.find(buffer) {
        return Some(match check_raw_head(&buffer[..end + 4]) {
            Ok(()) => Head::Whole(std::mem::take(buffer)),
            Err(reason) => Head::Refused(reason),
        });
    }
    // A head with bare line feeds never shows the end that is looked for.
    let [twice, mixed] = &*BARE_END;
    let bare = twice.find(buffer).is_some() || mixed.find(buffer).is_some_and(|at| at == 0 || buffer[at - 1] != b'\r');
    match bare {
        true => Some(Head::Refused(protocol::FRAMING)),
        false if buffer.len() > MAX_HEAD => Some(Head::Refused(protocol::HEADERS)),
        false => None,
    }
}

impl Doorway {
    /// The server of a listener; `open` is shared by all listeners of the process.
    pub fn new(gate: Arc<Gate>, proxy: Arc<HttpProxy<Gateway>>, http2: bool, open: Arc<Open>) -> Self {
        Self { gate, proxy, http2, open }
    }

    fn enter(&self, policy: &Policy, peer: Option<IpAddr>) -> Option<Counted> {
        let most = policy.limits.connections as usize;
        let before = self.open.all.fetch_add(1, Ordering::Relaxed);
        self.gate.metrics.connections.inc();
        let mut counted = Counted { open: self.open.clone(), gate: self.gate.clone(), address: None };
        if before >= most {
            return None;
        }
        // A proxy in front brings everybody's connections.
        let Some(peer) = peer.filter(|p| !policy.trusted_proxies.contains(*p)) else { return Some(counted) };
        if !self.open.of_address.take(peer, 1, policy.limits.most_of_address()) {
            return None;
        }
        counted.address = Some(peer);
        Some(counted)
    }

    /// Whether a new connection speaks HTTP/2; `None` when it went away. No more bytes are waited
    /// for than tell: a request may be shorter than the preface.
    async fn speaks_http2(&self, stream: &mut Stream) -> Option<bool> {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return Some(true);
        }
        if !self.http2 || stream.get_ssl_digest().is_some() {
            return Some(false);
        }
        let mut first = [0; H2_PREFACE.len()];
        for length in [1, 4, H2_PREFACE.len()] {
            if !matches!(stream.try_peek(&mut first[..length]).await, Ok(true)) {
                return None;
            }
            if first[..length] != H2_PREFACE[..length] {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Reads one head. `idle` is how long to wait for its first byte.
    async fn read_head(&self, stream: &mut Stream, idle: Duration, whole: Duration, stop: &mut ShutdownWatch) -> Head {
        let mut buffer = BytesMut::with_capacity(4096);
        let first = tokio::select! {
            biased;
            read = fast_timeout(idle, stream.read_buf(&mut buffer)) => read,
            _ = stop.changed() => return Head::None,
        };
        if !matches!(first, Ok(Ok(1..))) {
            return Head::None;
        }
        // Nearly every head is here at once.
        if let Some(head) = whole_head(&mut buffer) {
            return head;
        }
        let rest = async {
            loop {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    return Head::None;
                }
                if let Some(head) = whole_head(&mut buffer) {
                    return head;
                }
            }
        };
        fast_timeout(whole, rest).await.unwrap_or(Head::Refused(protocol::SLOW))
    }

    async fn refuse(&self, stream: &mut Stream, reason: &'static Reason) {
        let answer = respond::raw(reason, &respond::record_reject(&self.gate, reason, peer(stream)));
        let send = async {
            let _ = stream.write_all(&answer).await;
            let _ = stream.flush().await;
            // Closing with unread bytes resets the connection before the client has read why.
            let mut rest = [0; 4096];
            for _ in 0..64 {
                if !matches!(tokio::time::timeout(Duration::from_millis(50), stream.read(&mut rest)).await, Ok(Ok(1..)))
                {
                    break;
                }
            }
            let _ = stream.shutdown().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), send).await;
    }

    async fn serve_http1(self: &Arc<Self>, mut stream: Stream, wire: Arc<Wire>, shutdown: &ShutdownWatch) {
        let (head_timeout, keep_alive) = {
            let policy = self.gate.live.policy();
            (policy.limits.head_timeout.0, policy.limits.keep_alive.0)
        };
        let mut idle = head_timeout;
        let address = peer(&stream);
        let mut settings = None;
        let mut stop = shutdown.clone();
        loop {
            let buffer = match self.read_head(&mut stream, idle, head_timeout, &mut stop).await {
                Head::Whole(buffer) => {
                    if let Some(first) = first_chunks(&buffer)
                        && wire.begins_chunks(first).is_err()
                    {
                        return self.refuse(&mut stream, protocol::FRAMING).await;
                    }
                    buffer
                }
                Head::None => return,
                Head::Refused(reason) => return self.refuse(&mut stream, reason).await,
            };
            let mut http1 = HttpSessionV1::new(stream);
            http1.set_pipelined_prefix(buffer);
            let mut session = ServerSession::H1(http1);
            session.set_keepalive((!*shutdown.borrow()).then_some(keep_alive.as_secs()));
            if let Some(settings) = settings.take() {
                let settings: pingora_core::apps::HttpPersistentSettings = settings;
                settings.apply_to_session(&mut session);
            }
            let serving = self.proxy.process_new_http(session, shutdown);
            let served = caught(pin!(WIRE.scope(wire.clone(), serving))).await;
            let Ok(reused) = served else {
                // In what no hook runs.
                self.gate.metrics.panics.inc();
                respond::record_reject(&self.gate, protocol::PANIC, address);
                return;
            };
            let reused: Option<ReusedHttpStream> = reused;
            let Some(reused) = reused else { return };
            (stream, settings) = reused.consume();
            idle = keep_alive;
        }
    }
}

#[async_trait]
impl ServerApp for Doorway {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let policy = self.gate.live.policy();
        let Some(counted) = self.enter(&policy, peer(&stream)) else {
            self.refuse(&mut stream, protocol::CONNECTIONS).await;
            return None;
        };
        let wait = policy.limits.head_timeout.0;
        drop(policy);
        let mut stop = shutdown.clone();
        let http2 = tokio::select! {
            biased;
            spoken = tokio::time::timeout(wait, self.speaks_http2(&mut stream)) => spoken,
            _ = stop.changed() => return None,
        };
        let (wire, _counted) = (Arc::new(Wire::at(peer(&stream))), counted);
        self.open.add(&wire);
        let stream: Stream = Box::new(ClientStream::new(stream, wire.clone()));
        match http2 {
            Ok(Some(true)) => {
                let (minimum_rate, keep_alive) = {
                    let limits = &self.gate.live.policy().limits;
                    (limits.minimum_rate.0, limits.keep_alive.0)
                };
                // Of all its streams together: which of them waits for the client is not seen here.
                wire.begin_exchange(minimum_rate, false);
                wire.speaks_http2();
                let address = peer(&stream);
                let http2 = Http2 { gate: self.gate.clone(), proxy: self.proxy.clone(), wire, address };
                http2.serve(stream, keep_alive, shutdown).await;
            }
            Ok(Some(false)) => self.serve_http1(stream, wire, shutdown).await,
            Ok(None) | Err(_) => {}
        }
        None
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
