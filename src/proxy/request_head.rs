//! The head of a request, normalised: what everything that is forwarded is written from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{ACCEPT, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pingora_proxy::Session;

use super::exchange::Exchange;
use super::headers::{check_parsed, hops, host, is_bodiless, is_target};
use crate::decision::{Reason, protocol};
use crate::identity::{Identity, presented, role_of};
use crate::policy::Policy;
use crate::request::{Cookies, Malformed, RequestHead, Target, Wants, client_address};
use crate::route::{Area, Matched};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// The address of a peer that has none, such as a Unix socket.
pub const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Normalises the head; everything that is forwarded later is written from what is kept here.
pub fn read_head(session: &mut Session, policy: &Policy, exchange: &mut Exchange) -> Result<(), &'static Reason> {
    // HTTP/2 needs no header to send a body.
    let has_unannounced_body = session.as_downstream().is_http2() && !session.as_downstream_mut().is_body_empty();
    let upgrades = session.is_upgrade_req();
    let request = session.req_header();
    let secure = policy.secure();
    // From here on a refusal knows whom it is for.
    exchange.head = Some(RequestHead {
        method: request.method.clone(),
        client: client(session, policy),
        secure,
        wants: wants(&request.headers, &request.method),
        area: Area::default(),
        route: Matched { known: true, ..Matched::default() },
        identity: Identity::Visitor,
        role: role_of(&policy.roles, &Identity::Visitor),
        upgrades,
        files: Vec::new(),
    });
    check_parsed(&request.method, &request.headers, session.as_downstream().is_http2())?;
    if is_bodiless(&request.method) && has_unannounced_body {
        return Err(protocol::BODY_UNEXPECTED);
    }
    let host = host(&request.uri, &request.headers)?;
    if !policy.serves(&host) {
        return Err(protocol::HOST);
    }
    exchange.host = host;
    // Of HTTP/1.1 the doorway has looked at it.
    if session.as_downstream().is_http2() && !is_target(request.method.as_str().as_bytes(), request.raw_path()) {
        return Err(protocol::TARGET);
    }
    let raw = std::str::from_utf8(request.raw_path()).map_err(|_| protocol::TARGET)?;
    // RFC 9110, section 9.3.7: only OPTIONS asks about the server as a whole.
    let raw = if raw == "*" && request.method == Method::OPTIONS { "/" } else { raw };
    exchange.target = Some(Target::parse(raw, &policy.path_rules).map_err(reason_of)?);
    exchange.cookies = Cookies::parse(request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes));
    let header = text_of(&request.headers);
    exchange.presented = presented(&policy.realms, &exchange.cookies, &header, secure, &mut exchange.expired);
    Ok(())
}

fn reason_of(malformed: Malformed) -> &'static Reason {
    match malformed {
        Malformed::Target => protocol::TARGET,
        Malformed::Query => protocol::QUERY,
    }
}

fn client(session: &Session, policy: &Policy) -> IpAddr {
    let peer = session.client_addr().and_then(|a| a.as_inet()).map_or(NO_ADDRESS, SocketAddr::ip).to_canonical();
    if policy.trusted_proxies.contains(peer) {
        client_address(peer, &hops(&session.req_header().headers, policy.hop_header), |a| {
            policy.trusted_proxies.contains(a)
        })
    } else {
        peer
    }
}

/// Headers by name, with the one host that the request is for: HTTP/2 has no header for it.
pub fn with_host<'a>(host: &'a str, headers: &'a HeaderMap) -> impl Fn(&str) -> Option<String> + 'a {
    let others = text_of(headers);
    move |name| if name == "host" { Some(host.to_owned()) } else { others(name) }
}

fn text_of(headers: &HeaderMap) -> impl Fn(&str) -> Option<String> + '_ {
    |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// How an answer to this request will be used. Browsers say so; others are programs unless they ask
/// for HTML.
fn wants(headers: &HeaderMap, method: &Method) -> Wants {
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (mode, dest) = (text(&SEC_FETCH_MODE), text(&SEC_FETCH_DEST));
    match mode {
        "navigate" => {
            // What stands in a frame is read there.
            return if matches!(dest, "embed" | "object") { Wants::Part } else { Wants::Page };
        }
        "cors" | "same-origin" | "websocket" => return Wants::Data,
        "no-cors" => return Wants::Part,
        _ => {}
    }
    let accept = text(&ACCEPT);
    let script = text(&X_REQUESTED_WITH).eq_ignore_ascii_case("xmlhttprequest");
    if !script && accept.contains("text/html") && matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        Wants::Page
    } else if accept.starts_with("image/") {
        Wants::Part
    } else {
        Wants::Data
    }
}
