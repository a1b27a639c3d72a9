//! What the app is sent: where it is, and the request's head written anew from what was read.

use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, ORIGIN, RANGE, REFERER, TE, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue};
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;

use super::exchange::Exchange;
use super::headers::is_stripped;
use crate::identity::own_cookie;
use crate::policy::Policy;
use crate::policy::phrase::Source;
use crate::request::Target;

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

/// The `Host` that the app is told.
pub fn forwarded_host(policy: &Policy, asked: &str) -> String {
    if policy.quirks.host_is_upstream { policy.upstream.authority() } else { asked.to_owned() }
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
    let (policy, host) = (&*exchange.policy, exchange.host.as_str());
    let target = exchange.target.as_ref().map(Target::to_wire);
    let path = target.as_ref().map_or(request.raw_path(), |t| t.as_bytes());
    let mut head = RequestHeader::build_no_case(request.method.clone(), path, Some(request.headers.len() + WRITTEN))?;
    head.set_version(request.version);
    if let Some(end) = request.send_end_stream() {
        head.set_send_end_stream(end);
    }
    for (name, value) in request.headers.iter().filter(|(name, _)| passes(exchange, name)) {
        head.append_header(name, value)?;
    }
    head.insert_header(HOST, forwarded_host(policy, host))?;
    let own = [own_cookie(true), own_cookie(false)];
    if let Some(cookies) = exchange.cookies.to_wire(|name| own.contains(&name) || exchange.withholds(name)) {
        head.insert_header(COOKIE, cookies.as_ref())?;
    }
    head.insert_header(X_FORWARDED_FOR, exchange.client().to_string())?;
    let scheme = HeaderValue::from_static(if policy.secure() { "https" } else { "http" });
    head.insert_header(X_FORWARDED_PROTO, scheme)?;
    head.insert_header(X_FORWARDED_HOST, host)?;
    head.insert_header(X_REQUEST_ID, exchange.id.as_str())?;
    if policy.quirks.referer_is_upstream {
        for name in [REFERER, ORIGIN] {
            name_upstream(policy, &name, &mut head)?;
        }
    }
    if exchange.attempt.as_ref().is_some_and(|a| a.answer.is_some()) || exchange.reads_answer() {
        // The answer must be readable to know if the sign-in worked.
        head.insert_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    }
    if exchange.untyped_file {
        // Some apps read a body without a type as a form.
        head.insert_header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))?;
    }
    if let Some(body) = &exchange.body {
        head.insert_header(CONTENT_LENGTH, body.canonical.len())?;
    }
    *request = head;
    Ok(())
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
        ref selective if exchange.reads_answer() && SELECTIVE.contains(selective) => false,
        _ => !is_stripped(name.as_str(), reads_override) && !exchange.withholds(name.as_str()),
    }
}

/// `Referer` and `Origin` that name the public address name the app's own instead.
fn name_upstream(policy: &Policy, name: &HeaderName, request: &mut RequestHeader) -> Result<()> {
    let Some(value) = request.headers.get(name).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let scheme = policy.public_origin.split("://").next().unwrap_or("http");
    let ours = policy.hosts.iter().find_map(|host| {
        let rest = value.strip_prefix(scheme)?.strip_prefix("://")?;
        let rest = rest.get(..host.len()).filter(|h| h.eq_ignore_ascii_case(host)).map(|_| &rest[host.len()..])?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    });
    if let Some(rest) = ours {
        request.insert_header(name.clone(), format!("{}{rest}", policy.upstream.origin()))?;
    }
    Ok(())
}

/// A `Location` of the app's own, as the client can reach it. Apps build it from their own port.
pub fn public_location(policy: &Policy, location: &str) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.to_ascii_lowercase();
    let name_of = |host: &str| host.rsplit_once(':').map_or_else(|| host.to_owned(), |(name, _)| name.to_owned());
    let with_app_port = |host: &String| format!("{}:{}", name_of(host), policy.upstream.port) == authority;
    let own = authority == policy.upstream.authority()
        || authority == format!("{}:{}", policy.upstream.host, policy.upstream.port);
    let ours = own || policy.hosts.iter().any(with_app_port) || policy.hosts.contains(&authority);
    ours.then(|| format!("{}{path}", policy.public_origin))
}
