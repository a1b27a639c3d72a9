//! One connection of a client, as others see it: they can end it, and learn that its client is too slow.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::frames::Frames;
use crate::body::chunked::{Chunked, Malformed};
use crate::store::SessionKey;

/// A connection's end, from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is over, with these last bytes for the client.
    Closed(Vec<u8>),
    /// It is broken off.
    Aborted,
}

/// What is said to a connection, and what it says. Shared by whoever serves it, and whoever ends it.
#[derive(Default)]
pub struct Wire {
    address: Option<IpAddr>,
    end: Mutex<Option<End>>,
    is_ended: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// Counts exchanges: what was measured of one is nothing to the next.
    exchange: AtomicU32,
    /// Bytes per second below which the client is too slow; 0: it may be as slow as it likes.
    minimum_rate: AtomicU64,
    expects_body: AtomicBool,
    /// The chunks of the body that is coming.
    chunks: Mutex<Option<Chunked>>,
    has_chunks: AtomicBool,
    is_malformed: AtomicBool,
    is_too_slow: AtomicBool,
    /// Bytes of answers that its client has not taken yet: of HTTP/2, of all its streams.
    pub untaken: AtomicUsize,
    is_untaken: AtomicBool,
    /// The frames that come, of HTTP/2.
    frames: Mutex<Option<Frames>>,
    has_frames: AtomicBool,
    begun: AtomicU32,
    /// Tells of what comes through a tunnel whether a person sent it.
    watch: Mutex<Option<Watch>>,
    is_watched: AtomicBool,
    is_active: AtomicBool,
}

/// Reads on in what comes through a tunnel, and tells whether a person did something in it.
pub type Watch = Box<dyn FnMut(&[u8]) -> bool + Send>;

impl Wire {
    /// The connection of a client at `address`.
    #[must_use]
    pub fn at(address: Option<IpAddr>) -> Self {
        Self { address, ..Self::default() }
    }

    /// Who is at its other end.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Ends the connection as soon as it is looked at. The first end counts.
    pub fn end(&self, end: End) {
        self.end.lock().get_or_insert(end);
        self.is_ended.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    /// How it was ended, if it was.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        self.is_ended.load(Ordering::Acquire).then(|| self.end.lock().clone()).flatten()
    }

    /// Whoever waits for the client's bytes is woken by an end.
    pub fn wakes_reader(&self, waker: &std::task::Waker) {
        self.reader.register(waker);
    }

    /// Whoever waits for the client to take bytes is woken by an end.
    pub fn wakes_writer(&self, waker: &std::task::Waker) {
        self.writer.register(waker);
    }

    /// An exchange begins: the client must send its body, and take the answer, with `minimum_rate` bytes per second,
    /// counted while something waits for it.
    pub fn begin_exchange(&self, minimum_rate: u64, expects_body: bool) {
        self.minimum_rate.store(minimum_rate, Ordering::Relaxed);
        self.expects_body.store(expects_body, Ordering::Relaxed);
        self.exchange.fetch_add(1, Ordering::Release);
    }

    /// The whole body is here: what comes next is another request, and nobody waits for it.
    pub fn has_body(&self) {
        self.expects_body.store(false, Ordering::Relaxed);
    }

    /// A chunked body begins, of which `first` came with the head.
    ///
    /// # Errors
    /// When it is not framed as it must be.
    pub fn begins_chunks(&self, first: &[u8]) -> Result<(), Malformed> {
        *self.chunks.lock() = Some(Chunked::default());
        self.has_chunks.store(true, Ordering::Relaxed);
        self.read_chunks(first)
    }

    /// Further bytes came; they are looked at where they are chunks.
    ///
    /// # Errors
    /// When these are not framed as they must be.
    pub fn read_chunks(&self, bytes: &[u8]) -> Result<(), Malformed> {
        if !self.has_chunks.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut chunks = self.chunks.lock();
        let whole = chunks.as_mut().map_or(Ok(true), |chunked| chunked.read(bytes));
        if whole != Ok(false) {
            *chunks = None;
            self.has_chunks.store(false, Ordering::Relaxed);
        }
        if whole.is_err() {
            self.is_malformed.store(true, Ordering::Relaxed);
        }
        whole.map(drop)
    }

    /// It speaks HTTP/2, of which nothing was read yet.
    pub fn speaks_http2(&self) {
        *self.frames.lock() = Some(Frames::default());
        self.has_frames.store(true, Ordering::Relaxed);
    }

    /// Further bytes came; requests are counted in them where they are frames.
    pub fn read_frames(&self, bytes: &[u8]) {
        if self.has_frames.load(Ordering::Relaxed)
            && let Some(frames) = &mut *self.frames.lock()
        {
            self.begun.store(frames.read(bytes), Ordering::Relaxed);
        }
    }

    /// How many requests its client began over HTTP/2.
    #[must_use]
    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether a body was not framed as it must be.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.is_malformed.load(Ordering::Relaxed)
    }

    /// It is a tunnel from now on, in which nobody need send anything.
    pub fn becomes_tunnel(&self, watch: Option<Watch>) {
        self.minimum_rate.store(0, Ordering::Relaxed);
        self.expects_body.store(false, Ordering::Relaxed);
        self.is_watched.store(watch.is_some(), Ordering::Relaxed);
        *self.watch.lock() = watch;
    }

    /// Further bytes came; they are looked at where it is a tunnel that somebody watches.
    pub fn watch(&self, bytes: &[u8]) {
        if self.is_watched.load(Ordering::Relaxed)
            && let Some(watch) = &mut *self.watch.lock()
            && watch(bytes)
        {
            self.is_active.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a person did something in it since this was asked last.
    #[must_use]
    pub fn was_active(&self) -> bool {
        self.is_active.swap(false, Ordering::Relaxed)
    }

    /// Which exchange is served.
    #[must_use]
    pub fn exchange(&self) -> u32 {
        self.exchange.load(Ordering::Acquire)
    }

    /// Bytes per second below which the client is too slow to send.
    #[must_use]
    pub fn minimum_rate_of_body(&self) -> u64 {
        if self.expects_body.load(Ordering::Relaxed) { self.minimum_rate_of_answer() } else { 0 }
    }

    /// Bytes per second below which the client is too slow to take an answer.
    #[must_use]
    pub fn minimum_rate_of_answer(&self) -> u64 {
        self.minimum_rate.load(Ordering::Relaxed)
    }

    /// It was cut off because its client is too slow.
    pub fn was_too_slow(&self) {
        self.is_too_slow.store(true, Ordering::Relaxed);
    }

    /// It was cut off because its client took too little of what it asked for.
    pub fn has_untaken(&self) {
        self.is_untaken.store(true, Ordering::Relaxed);
    }

    /// Whether its client took too little of what it asked for.
    #[must_use]
    pub fn is_untaken(&self) -> bool {
        self.is_untaken.load(Ordering::Relaxed)
    }

    /// Whether its client was too slow.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        self.is_too_slow.load(Ordering::Relaxed)
    }
}

/// A status code of RFC 6455, section 7.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// The server goes away.
    GoingAway = 1001,
    /// Who opened it may not have it any more.
    PolicyViolation = 1008,
}

/// A close frame of a server (RFC 6455, section 5.5.1): not masked, with a code and a reason of at most 123 bytes.
#[must_use]
pub fn close_frame(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut frame = vec![0x88, u8::try_from(end + 2).unwrap_or(2)];
    frame.extend_from_slice(&(code as u16).to_be_bytes());
    frame.extend_from_slice(&reason.as_bytes()[..end]);
    frame
}

/// The tunnels that are open.
#[derive(Default)]
pub struct Tunnels(Mutex<HashMap<u64, Tunnel>>);

/// A tunnel, and whose it is.
#[derive(Clone)]
pub struct Tunnel {
    /// The session that opened it; `None` when it was opened without one.
    pub session: Option<SessionKey>,
    /// Its connection.
    pub wire: Arc<Wire>,
}

impl Tunnels {
    /// Opens one; it is closed by the number.
    pub fn open(&self, tunnel: Tunnel) -> u64 {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.0.lock().insert(number, tunnel);
        number
    }

    /// Closes one.
    pub fn close(&self, number: u64) {
        self.0.lock().remove(&number);
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Those that sessions opened.
    #[must_use]
    pub fn of_sessions(&self) -> Vec<Tunnel> {
        self.0.lock().values().filter(|tunnel| tunnel.session.is_some()).cloned().collect()
    }

    /// A session goes on under another key, and so do its tunnels.
    pub fn rename(&self, from: &SessionKey, to: SessionKey) {
        for tunnel in self.0.lock().values_mut().filter(|tunnel| tunnel.session.as_ref() == Some(from)) {
            tunnel.session = Some(to);
        }
    }

    /// Ends them all: the process goes away.
    pub fn end_all(&self) {
        let frame = close_frame(CloseCode::GoingAway, "the server goes away");
        self.0.lock().values().for_each(|tunnel| tunnel.wire.end(End::Closed(frame.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_frames() {
        assert_eq!(close_frame(CloseCode::PolicyViolation, "over"), b"\x88\x06\x03\xf0over");
        let long = close_frame(CloseCode::GoingAway, &"ä".repeat(100));
        assert_eq!((long[1], long.len()), (124, 126), "no character is cut");
    }

    #[test]
    fn tunnels_go_with_their_session() {
        let (tunnels, wire) = (Tunnels::default(), Arc::new(Wire::default()));
        let [old, new] = [b"1", b"2"].map(|value| SessionKey::of("cookie sid", value));
        let number = tunnels.open(Tunnel { session: Some(old), wire: wire.clone() });
        tunnels.open(Tunnel { session: None, wire: Arc::default() });
        tunnels.rename(&old, new);
        assert_eq!(tunnels.of_sessions().iter().map(|t| t.session).collect::<Vec<_>>(), [Some(new)]);
        assert_eq!((wire.ended(), tunnels.count()), (None, 2));
        tunnels.end_all();
        assert!(matches!(wire.ended(), Some(End::Closed(frame)) if frame.starts_with(b"\x88")));
        wire.end(End::Aborted);
        assert!(matches!(wire.ended(), Some(End::Closed(_))), "the first end counts");
        tunnels.close(number);
        assert_eq!(tunnels.count(), 1);
    }
}
