//! Reading a request body before the app hears of the request. Pingora forgets a body that was read
//! early, except the last 64 KiB of it: so the chunks are kept here, and what it replays is replaced
//! by the canonical form (cloudflare/pingora#780 would make this simpler).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use pingora_proxy::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::exchange::Inspected;
use super::shares::Shares;
use crate::body::multipart::FilePart;
use crate::body::{Body, Parsed, Unreadable};
use crate::decision::{Evidence, Reason, protocol};

/// What Pingora can replay.
const REPLAYED: usize = 64 << 10;

/// A body that is refused.
pub type Refused = (&'static Reason, Evidence);

/// The memory that bodies under inspection may take.
#[derive(Clone)]
pub struct Memory(Arc<Budget>);

struct Budget {
    /// In pieces of [`PIECE`].
    left: Arc<Semaphore>,
    /// What every address holds, in pieces.
    shares: Shares,
    /// What one address may hold, in pieces.
    share: usize,
}

/// Memory is taken in pieces as bytes arrive: what is only announced takes none.
const PIECE: usize = 64 << 10;
/// What one address may hold, as a part of all.
const SHARE: usize = 4;
/// The rate below which a body is too slow, in bytes per second.
const SLOWEST: u64 = 8 << 10;

impl Memory {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        let pieces = usize::try_from(bytes).unwrap_or(usize::MAX) / PIECE;
        let pieces = pieces.clamp(1, Semaphore::MAX_PERMITS);
        let left = Arc::new(Semaphore::new(pieces));
        Self(Arc::new(Budget { left, shares: Shares::default(), share: (pieces / SHARE).max(1) }))
    }

    fn hold(&self, address: IpAddr) -> Held {
        Held { budget: self.0.clone(), address, pieces: 0, permit: None }
    }
}

/// Memory that one body holds; given back when dropped.
pub struct Held {
    budget: Arc<Budget>,
    address: IpAddr,
    pieces: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes what is missing for a body of `length` bytes.
    fn grow(&mut self, length: usize) -> Result<(), Refused> {
        while self.pieces * PIECE < length {
            let full = (protocol::BODY_BUDGET, Evidence::None);
            if !self.budget.shares.take(self.address, 1, self.budget.share) {
                return Err(full);
            }
            self.pieces += 1;
            let permit = self.budget.left.clone().try_acquire_owned().map_err(|_| full)?;
            match &mut self.permit {
                Some(all) => all.merge(permit),
                None => self.permit = Some(permit),
            }
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.shares.give_back(self.address, self.pieces);
    }
}

/// Reads the whole body. `pause` is how long the first byte may take.
///
/// # Errors
/// Why it is refused.
pub async fn read(
    session: &mut Session,
    memory: &Memory,
    client: IpAddr,
    most: u64,
    pause: Duration,
) -> Result<Option<Inspected>, Refused> {
    let plain = |reason| (reason, Evidence::None);
    let headers = &session.req_header().headers;
    let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if headers.get(CONTENT_ENCODING).is_some_and(|c| !c.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(plain(protocol::BODY_TYPE));
    }
    if declared.is_some_and(|length| length > most) {
        return Err(plain(protocol::TOO_LARGE));
    }
    let waits = headers.contains_key(EXPECT);
    if waits && session.as_downstream_mut().write_continue_response().await.is_err() {
        return Err(plain(protocol::SLOW));
    }
    let mut held = memory.hold(client);
    let within = pause.saturating_add(Duration::from_secs(declared.unwrap_or(0) / SLOWEST));
    let bytes = tokio::time::timeout(within, chunks(session, declared, &mut held))
        .await
        .map_err(|_| plain(protocol::SLOW))??;
    Ok((!bytes.is_empty()).then_some(Inspected { canonical: bytes, _memory: Some(held) }))
}

async fn chunks(session: &mut Session, declared: Option<u64>, held: &mut Held) -> Result<Bytes, Refused> {
    let plain = |reason| (reason, Evidence::None);
    let expected = declared.and_then(|d| usize::try_from(d).ok());
    let mut all = BytesMut::with_capacity(expected.unwrap_or(4096).min(PIECE));
    let mut replaying = false;
    loop {
        // The buffer that is replayed holds 64 KiB: it is switched on for the last of them only.
        let rest = expected.map_or(0, |length| length - all.len().min(length));
        if !replaying && rest <= REPLAYED {
            session.as_downstream_mut().enable_retry_buffering();
            replaying = true;
        }
        match session.as_downstream_mut().read_request_body().await {
            Ok(Some(chunk)) => {
                held.grow(all.len() + chunk.len())?;
                all.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            Err(_) => return Err(plain(protocol::FRAMING)),
        }
        if expected.is_none() && all.len() > REPLAYED {
            return Err(plain(protocol::LENGTH_REQUIRED));
        }
    }
    if expected.is_some_and(|length| length != all.len()) {
        return Err(plain(protocol::FRAMING));
    }
    Ok(all.freeze())
}

/// Parses an inspected body by its declared type, and puts the canonical form in its place.
///
/// # Errors
/// Why it is refused.
pub fn understand(session: &Session, inspected: &mut Inspected) -> Result<(Body, Vec<FilePart>), Refused> {
    let content_type = session.req_header().headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match crate::body::parse(content_type, inspected.canonical.clone()) {
        Ok(Parsed { body, files, canonical }) => {
            inspected.canonical = canonical;
            Ok((body, files))
        }
        Err(Unreadable::Type) => Err((protocol::BODY_TYPE, Evidence::None)),
        Err(Unreadable::Malformed(how)) => Err((protocol::BODY, Evidence::Unreadable(how))),
    }
}
