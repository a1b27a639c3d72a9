//! The bytes of one client's connection. Around Pingora's stream, so that a connection can be ended from outside
//! whatever it waits for, and a client that keeps others waiting is measured where it does.

use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gate::{End, Wire};

tokio::task_local! {
    /// The connection that the exchange came by; of HTTP/2, whose exchanges have tasks of their own, there is none.
    pub static WIRE: Arc<Wire>;
    /// The connection that the exchange is a stream of; of HTTP/1.1 there is none.
    pub static STREAM: Arc<Wire>;
}

/// The connection that the exchange is a stream of.
pub fn stream() -> Option<Arc<Wire>> {
    STREAM.try_with(Arc::clone).ok()
}

/// The connection that the exchange came by.
pub fn wire() -> Option<Arc<Wire>> {
    WIRE.try_with(Arc::clone).ok()
}

/// For so long a client may be as slow as it likes.
const GRACE: Duration = Duration::from_secs(20);

/// The body of one stream of HTTP/2. How long each stream waits for its client shows nowhere: what comes is counted from
/// its first piece on.
#[derive(Debug, Default)]
pub struct StreamBody {
    since: Option<Instant>,
    bytes: usize,
}

impl StreamBody {
    /// A piece came. Whether the client is slower than `minimum_rate` bytes per second.
    pub fn is_too_slow(&mut self, bytes: usize, minimum_rate: u64) -> bool {
        self.bytes += bytes;
        let takes = self.since.get_or_insert_with(Instant::now).elapsed();
        takes > GRACE && (self.bytes as u64) < minimum_rate.saturating_mul(takes.as_secs())
    }
}

/// How long one direction waited for the client in an exchange, and for how many bytes.
#[derive(Debug, Default)]
struct Waited {
    exchange: u32,
    since: Option<Instant>,
    total: Duration,
    bytes: u64,
}

impl Waited {
    /// It waits, from now on if it did not before.
    fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// It waits no more.
    fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            self.total += since.elapsed();
        }
    }

    /// So many bytes went. Whether the client is slower than `minimum_rate` bytes per second.
    fn is_too_slow(&mut self, bytes: usize, exchange: u32, minimum_rate: u64) -> bool {
        if self.exchange != exchange {
            *self = Self { exchange, ..Self::default() };
            return false;
        }
        self.bytes += bytes as u64;
        let waited = self.since.is_some();
        self.rest();
        waited
            && minimum_rate > 0
            && self.total > GRACE
            && self.bytes < minimum_rate.saturating_mul(self.total.as_secs())
    }
}

/// A client's connection.
#[derive(Debug)]
pub struct ClientStream {
    inner: Stream,
    wire: Told,
    reading: Waited,
    writing: Waited,
    said_last: bool,
}

/// The wire, without its insides in debug output.
struct Told(Arc<Wire>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl ClientStream {
    /// `inner`, which `wire` can end.
    pub fn new(inner: Stream, wire: Arc<Wire>) -> Self {
        Self { inner, wire: Told(wire), reading: Waited::default(), writing: Waited::default(), said_last: false }
    }

    /// The client's end of it, when others ended it. The last bytes go out before; what does not fit now never will.
    fn ended(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        match self.wire.0.ended()? {
            End::Aborted => {}
            End::Closed(last) if !self.said_last => {
                self.said_last = true;
                let _ = Pin::new(&mut self.inner).poll_write(cx, &last);
                let _ = Pin::new(&mut self.inner).poll_flush(cx);
            }
            End::Closed(_) => {}
        }
        Some(io::ErrorKind::ConnectionAborted.into())
    }

    /// Has the kernel drop what it holds for the client, and reset the connection, when it is closed. Else it goes on
    /// delivering megabytes at the client's own pace, long after the gateway has let go.
    fn reset_when_closed(&self) {
        // SAFETY: the descriptor is `inner`'s, which is open as long as `self` is.
        #[allow(unsafe_code)] // docs/adr/0010-slow-clients-are-reset.md
        let socket = unsafe { BorrowedFd::borrow_raw(self.inner.id()) };
        // One that is gone already needs no reset.
        let _ = set_socket_linger(socket, Some(Duration::ZERO));
    }

    fn too_slow(&self) -> io::Error {
        self.wire.0.was_too_slow();
        io::Error::new(io::ErrorKind::TimedOut, "the client is slower than limits.minimum_rate")
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.wire.0.is_too_slow() || self.wire.0.is_untaken() {
            self.reset_when_closed();
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if polled.is_pending() {
            this.reading.wait();
            this.wire.0.wakes_reader(cx.waker());
        }
        if let Some(error) = this.ended(cx) {
            return Poll::Ready(Err(error));
        }
        if matches!(polled, Poll::Ready(Ok(()))) {
            this.wire.0.read_frames(&buf.filled()[before..]);
            this.wire.0.watch(&buf.filled()[before..]);
            if this.wire.0.read_chunks(&buf.filled()[before..]).is_err() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a chunked body that is malformed",
                )));
            }
            let rate = this.wire.0.minimum_rate_of_body();
            if this.reading.is_too_slow(buf.filled().len() - before, this.wire.0.exchange(), rate) {
                return Poll::Ready(Err(this.too_slow()));
            }
        }
        polled
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = this.ended(cx) {
            return Poll::Ready(Err(error));
        }
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(error) = this.ended(cx) {
            return Poll::Ready(Err(error));
        }
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.ended(cx) {
            return Poll::Ready(Err(error));
        }
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        if polled.is_pending() {
            this.writing.wait();
            this.wire.0.wakes_writer(cx.waker());
        } else {
            // Until somebody writes again nobody waits.
            this.writing.rest();
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl ClientStream {
    fn written(&mut self, cx: &Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => {
                self.writing.wait();
                self.wire.0.wakes_writer(cx.waker());
                Poll::Pending
            }
            Poll::Ready(Ok(bytes)) => {
                let rate = self.wire.0.minimum_rate_of_answer();
                if self.writing.is_too_slow(bytes, self.wire.0.exchange(), rate) {
                    return Poll::Ready(Err(self.too_slow()));
                }
                Poll::Ready(Ok(bytes))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for ClientStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

#[async_trait]
impl Peek for ClientStream {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buf).await
    }
}
