//! Reading a request body before the app hears of the request. Pingora forgets a body that was read
//! early, except the last 64 KiB of it: so the chunks are kept here, and what it replays is replaced
//! by the canonical form (cloudflare/pingora#780 would make this simpler).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use pingora_proxy::Session;
use tokio::sync::Semaphore;

use super::exchange::Inspected;
use crate::body::{Body, Parsed, Unreadable};
use crate::decision::{Evidence, Reason, protocol};

/// What Pingora can replay.
const REPLAYED: usize = 64 << 10;

/// A body that is refused.
pub type Refused = (&'static Reason, Evidence);

/// The memory that bodies under inspection may take, in KiB.
#[derive(Clone)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(Semaphore::new(
            usize::try_from(bytes >> 10).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS),
        )))
    }
}

/// Reads the whole body.
///
/// # Errors
/// Why it is refused.
pub async fn read(
    session: &mut Session,
    memory: &Memory,
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
    let kib = declared.unwrap_or(REPLAYED as u64).div_ceil(1024);
    let permit = memory
        .0
        .clone()
        .try_acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX))
        .map_err(|_| plain(protocol::BODY_BUDGET))?;
    if waits && session.as_downstream_mut().write_continue_response().await.is_err() {
        return Err(plain(protocol::SLOW));
    }
    let bytes = tokio::time::timeout(pause.saturating_mul(10), chunks(session, declared))
        .await
        .map_err(|_| plain(protocol::SLOW))??;
    Ok((!bytes.is_empty()).then_some(Inspected { canonical: bytes, _memory: Some(permit) }))
}

async fn chunks(session: &mut Session, declared: Option<u64>) -> Result<Bytes, Refused> {
    let plain = |reason| (reason, Evidence::None);
    let expected = declared.and_then(|d| usize::try_from(d).ok());
    let mut all = BytesMut::with_capacity(expected.unwrap_or(4096));
    let mut replaying = false;
    loop {
        // The buffer that is replayed holds 64 KiB: it is switched on for the last of them only.
        let rest = expected.map_or(0, |length| length - all.len().min(length));
        if !replaying && rest <= REPLAYED {
            session.as_downstream_mut().enable_retry_buffering();
            replaying = true;
        }
        match session.as_downstream_mut().read_request_body().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
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
pub fn understand(session: &Session, inspected: &mut Inspected) -> Result<Body, Refused> {
    let content_type = session.req_header().headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    match crate::body::parse(content_type, inspected.canonical.clone()) {
        Ok(Parsed { body, canonical }) => {
            inspected.canonical = canonical;
            Ok(body)
        }
        Err(Unreadable::Type) => Err((protocol::BODY_TYPE, Evidence::None)),
        Err(Unreadable::Malformed(how)) => Err((protocol::BODY, Evidence::Unreadable(how))),
    }
}
