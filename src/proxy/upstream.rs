//! What the app is sent: where it is, and the request's head written anew from what was read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, RANGE, REFERER, SEC_WEBSOCKET_EXTENSIONS, TE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

use super::exchange::Exchange;
use super::headers::is_stripped;
use crate::identity::own_cookie;
use crate::policy::Policy;
use crate::policy::phrase::Source;
use crate::request::{Target, write_address};

/// Where the app is, with every time-out that Pingora leaves open.
///
/// # Errors
/// When the app's name has no address.
pub fn peer(policy: &Policy) -> Result<HttpPeer> {
    let upstream = &policy.upstream;
    let Some(address) = upstream.address() else {
        return Error::e_explain(ErrorType::ConnectError, "the app's name has no address");
    };
    let mut peer = HttpPeer::new(address, upstream.tls, upstream.host.clone());
    let options = &mut peer.options;
    options.connection_timeout = Some(upstream.timeouts.connect.0);
    options.total_connection_timeout = Some(upstream.timeouts.connect.0.saturating_mul(2));
    options.read_timeout = Some(upstream.timeouts.read.0);
    options.write_timeout = Some(upstream.timeouts.write.0);
    options.idle_timeout = Some(Duration::from_secs(55));
    options.alpn = ALPN::H1;
    Ok(peer)
}

/// What went wrong between the gateway and the app, as a sentence with the app's address.
pub fn trouble(policy: &Policy, error: &Error) -> String {
    let (upstream, times) = (&policy.upstream, &policy.upstream.timeouts);
    let Some(address) = upstream.address() else { return format!("{} has no address", upstream.host) };
    match error.etype() {
        ErrorType::ConnectRefused => format!("{address} refused the connection"),
        ErrorType::ConnectTimedout => format!("{address} did not take a connection within {}", times.connect),
        ErrorType::ConnectNoRoute => format!("no route leads to {address}"),
        ErrorType::InvalidCert => format!("{address} has a certificate that is not trusted"),
        ErrorType::TLSHandshakeTimedout => format!("{address} did not agree on TLS within {}", times.connect),
        ErrorType::TLSHandshakeFailure | ErrorType::TLSWantX509Lookup | ErrorType::HandshakeError => {
            format!("{address} does not agree on TLS")
        }
        ErrorType::ReadTimedout => format!("{address} did not answer within {}", times.read),
        ErrorType::WriteTimedout => format!("{address} did not take the request within {}", times.write),
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => {
            format!("{address} closed the connection before it had answered")
        }
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error => format!("{address} answered with what is no HTTP"),
        _ => match error.root_cause().downcast_ref::<std::io::Error>() {
            Some(cause) => format!("{address} cannot be reached: {cause}"),
            None => format!("{address} cannot be reached"),
        },
    }
}

/// For so long the same trouble is told once: under load every request has it.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// The trouble with the app that operators were told last.
#[derive(Default)]
pub struct Troubles(Mutex<Option<(String, Instant)>>);

impl Troubles {
    /// Tells operators, unless they were just told.
    pub fn tell(&self, trouble: &str) {
        let mut last = self.0.lock();
        let now = Instant::now();
        let known = |(told, at): &(String, Instant)| told == trouble && now.duration_since(*at) < TOLD_AGAIN;
        if !last.as_ref().is_some_and(known) {
            *last = Some((trouble.to_owned(), now));
            log::warn!("the app does not work: {trouble}");
        }
    }
}

/// The `Host` that the app is told.
///
/// # Errors
/// When the app's name cannot be in a header.
pub fn app_host(policy: &Policy, asked: HeaderValue) -> Result<HeaderValue> {
    if policy.quirks.host_is_upstream { value_of(policy.upstream.authority()) } else { Ok(asked) }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How many headers are written besides those that came.
const WRITTEN: usize = 8;

/// Headers that ask for something else than the whole of an answer as it is now.
const SELECTIVE: [HeaderName; 8] = [
    RANGE,
    IF_RANGE,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    ACCEPT_ENCODING,
    HeaderName::from_static("a-im"),
];

/// Writes the head that the app gets: a new one, of what was read and of nothing else.
///
/// # Errors
/// When a name or value cannot be in a header, which what was read always can.
pub fn write_head(exchange: &Exchange, request: &mut RequestHeader) -> Result<()> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = request.method.clone();
    head.version = request.version;
    head.headers = written_headers(exchange, &request.headers)?;
    let wire = exchange.target.as_ref().map(Target::to_wire);
    let path = wire.as_deref().map_or(request.raw_path(), str::as_bytes);
    // What came is what goes, for nearly every request: it is parsed already.
    let same = request.uri.authority().is_none()
        && request.uri.path_and_query().is_some_and(|known| known.as_str().as_bytes() == path);
    if same {
        head.uri = request.uri.clone();
    }
    let mut head = RequestHeader::from(head);
    if !same {
        head.set_raw_path(path)?;
    }
    if let Some(end) = request.send_end_stream() {
        head.set_send_end_stream(end);
    }
    *request = head;
    Ok(())
}

/// Its headers: a map of our own, since Pingora's functions read each name anew.
fn written_headers(exchange: &Exchange, came: &HeaderMap) -> Result<HeaderMap> {
    let policy = &*exchange.policy;
    let mut headers = HeaderMap::with_capacity(came.len() + WRITTEN);
    for (name, value) in came.iter().filter(|(name, _)| passes(exchange, name)) {
        headers.append(name.clone(), value.clone());
    }
    let host = host_value(exchange, came)?;
    headers.insert(HOST, app_host(policy, host.clone())?);
    let own = [own_cookie(true), own_cookie(false)];
    if let Some(cookies) = exchange.cookies.to_wire(|n, v| own.contains(&n) || exchange.withholds_cookie(n, v)) {
        headers.insert(COOKIE, value_of(cookies.into_owned())?);
    }
    let mut client = Vec::with_capacity(16);
    write_address(exchange.client(), &mut client);
    headers.insert(X_FORWARDED_FOR, value_of(client)?);
    let scheme = HeaderValue::from_static(if policy.secure() { "https" } else { "http" });
    headers.insert(X_FORWARDED_PROTO, scheme);
    headers.insert(X_FORWARDED_HOST, host);
    headers.insert(X_REQUEST_ID, value_of(exchange.id.clone())?);
    if policy.quirks.referer_is_upstream {
        for name in [REFERER, ORIGIN] {
            name_upstream(policy, &name, &mut headers)?;
        }
    }
    let reads_answer = exchange.reads_answer() || exchange.reads_pages();
    if reads_answer || exchange.attempt.as_ref().is_some_and(|a| a.answer.is_some()) {
        // The answer must be readable to know if the sign-in worked.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if exchange.untyped_file {
        // Some apps read a body without a type as a form.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    if let Some(body) = &exchange.body {
        headers.insert(CONTENT_LENGTH, body.canonical.len().into());
    }
    Ok(headers)
}

/// The host that was asked for: the header itself, where that says it.
fn host_value(exchange: &Exchange, came: &HeaderMap) -> Result<HeaderValue> {
    match came.get(HOST).filter(|value| value.as_bytes() == exchange.host.as_bytes()) {
        Some(value) => Ok(value.clone()),
        None => value_of(exchange.host.clone()),
    }
}

/// A text as the value of a header.
///
/// # Errors
/// When it cannot be in one.
pub fn value_of(text: impl Into<Bytes>) -> Result<HeaderValue> {
    HeaderValue::from_maybe_shared(text.into()).or_err(ErrorType::InvalidHTTPHeader, "a value that is none")
}

/// Whether a header that came is passed on as it is.
fn passes(exchange: &Exchange, name: &HeaderName) -> bool {
    let quirks = &exchange.policy.quirks;
    let reads_override = |name: &str| {
        quirks.method_override.iter().any(|m| matches!(Source::parse(m), Ok(Source::Header(h)) if h == name))
    };
    match *name {
        COOKIE | HOST | EXPECT | TE => false,
        AUTHORIZATION if exchange.drops_authorization => false,
        TRANSFER_ENCODING | CONTENT_LENGTH => exchange.body.is_none(),
        SEC_WEBSOCKET_EXTENSIONS if exchange.head.as_ref().is_some_and(|h| !h.route.activity.is_empty()) => false,
        ref selective if exchange.reads_answer() && SELECTIVE.contains(selective) => false,
        _ => !is_stripped(name.as_str(), reads_override) && !exchange.withholds_header(name.as_str()),
    }
}

/// `Referer` and `Origin` that name the public address name the app's own instead.
fn name_upstream(policy: &Policy, name: &HeaderName, headers: &mut HeaderMap) -> Result<()> {
    let Some(value) = headers.get(name).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let ours = behind_public_origin(policy, value).map(str::to_owned);
    if let Some(rest) = ours {
        headers.insert(name.clone(), value_of(format!("{}{rest}", policy.upstream.origin()))?);
    }
    Ok(())
}

/// What stands behind the public origin, or another under which the app is served, in a URL that begins with it.
pub fn behind_public_origin<'u>(policy: &Policy, url: &'u str) -> Option<&'u str> {
    let scheme = if policy.secure() { "https" } else { "http" };
    let url = url.strip_prefix(scheme)?.strip_prefix("://")?;
    policy.hosts.iter().find_map(|host| {
        let rest = url.get(..host.len()).filter(|h| h.eq_ignore_ascii_case(host)).map(|_| &url[host.len()..])?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    })
}
