//! Reading a request body before the app hears of the request. Pingora forgets a body that was read
//! early, except the last 64 KiB of it: so the chunks are kept here, and what it replays is replaced
//! by the canonical form (cloudflare/pingora#780 would make this simpler).

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, EXPECT};
use pingora_core::{Error, ErrorType};
use pingora_proxy::Session;

use super::budget::{Exhausted, Held};
use super::client_stream::wire;
use super::spool::{Full, Room, Spool};
use crate::decision::{Evidence, Reason, protocol};

/// What Pingora can replay.
const REPLAYED: usize = 64 << 10;

/// A body that is refused.
pub type Refused = (&'static Reason, Evidence);

/// Why a body is not read to its end.
pub enum Unread {
    /// It is refused.
    Refused(Refused),
    /// The client went away.
    Gone,
}

impl From<Refused> for Unread {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The rate below which a body is too slow, in bytes per second.
const SLOWEST: u64 = 8 << 10;

/// Reads the whole body, and says what memory it holds. `pause` is how long the first byte may take.
///
/// # Errors
/// Why it is refused, or that nobody is there any more.
pub async fn read(
    session: &mut Session,
    room: &Room,
    client: IpAddr,
    most: u64,
    pause: Duration,
) -> Result<(Bytes, Held), Unread> {
    let headers = &session.req_header().headers;
    let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if headers.get(CONTENT_ENCODING).is_some_and(|c| !c.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(plain(protocol::BODY_TYPE));
    }
    if headers.contains_key(CONTENT_RANGE) {
        return Err((protocol::BODY, Evidence::Unreadable("a piece of a body (Content-Range)")).into());
    }
    if declared.is_some_and(|length| length > most) {
        return Err(plain(protocol::TOO_LARGE));
    }
    let waits = headers.contains_key(EXPECT);
    if waits && session.as_downstream_mut().write_continue_response().await.is_err() {
        return Err(Unread::Gone);
    }
    let within = pause.saturating_add(Duration::from_secs(declared.unwrap_or(0) / SLOWEST));
    let spool = Spool::new(room, client);
    tokio::time::timeout(within, chunks(session, declared, spool)).await.map_err(|_| plain(protocol::SLOW))?
}

async fn chunks(session: &mut Session, declared: Option<u64>, mut spool: Spool) -> Result<(Bytes, Held), Unread> {
    let expected = declared.and_then(|d| usize::try_from(d).ok());
    let mut replaying = false;
    loop {
        // The buffer that is replayed holds 64 KiB: it is switched on for the last of them only.
        let rest = expected.map_or(0, |length| length - spool.len().min(length));
        if !replaying && rest <= REPLAYED {
            session.as_downstream_mut().enable_retry_buffering();
            replaying = true;
        }
        match session.as_downstream_mut().read_request_body().await {
            Ok(Some(chunk)) => spool = spool.push(chunk).await.map_err(no_room)?,
            // Nothing of trailers is passed on, and Pingora would wait for them behind the canonical body.
            Ok(None) if session.as_downstream().is_http2() && !session.as_downstream_mut().is_body_done() => {
                return Err((protocol::BODY, Evidence::Unreadable("a body with trailers")).into());
            }
            Ok(None) => break,
            Err(error) if is_gone(&error) => return Err(Unread::Gone),
            Err(_) => return Err(plain(protocol::FRAMING)),
        }
        if expected.is_none() && spool.len() > REPLAYED {
            return Err(plain(protocol::LENGTH_REQUIRED));
        }
    }
    if expected.is_some_and(|length| length != spool.len()) {
        return Err(plain(protocol::FRAMING));
    }
    Ok(spool.finish().await.map_err(no_room)?)
}

/// Whether the client went away in the middle of its body, and did nothing else that is wrong. Of HTTP/2 a stream may
/// also end because it breaks the protocol: then it was this side that ended it.
fn is_gone(error: &Error) -> bool {
    if wire().is_some_and(|wire| wire.is_malformed() || wire.is_too_slow()) {
        return false;
    }
    match error.root_cause().downcast_ref::<h2::Error>() {
        Some(stream) => stream.is_remote() || stream.is_io(),
        None => matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError),
    }
}

fn plain(reason: &'static Reason) -> Unread {
    Unread::Refused((reason, Evidence::None))
}

/// The refusal of a body for which there is no room.
pub fn no_room(full: Full) -> Refused {
    let reason = match full {
        Full::Budget(Exhausted::ForGood) => protocol::TOO_LARGE,
        Full::Budget(Exhausted::ByOthers) => protocol::BODY_BUDGET,
        Full::Disk(error) => {
            log::error!("a request body cannot be kept in the state directory: {error}; the request gets 503");
            protocol::BODY_BUDGET
        }
    };
    (reason, Evidence::None)
}
