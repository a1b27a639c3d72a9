//! What the app is sent: where it is, and the request's head written anew from what was read.

use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, ORIGIN, REFERER, TE, TRANSFER_ENCODING,
};
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;

use super::exchange::Exchange;
use super::headers::is_stripped;
use crate::policy::Policy;
use crate::policy::phrase::Source;

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
pub fn forwarded_host(policy: &Policy, asked: Option<&str>) -> String {
    if policy.quirks.host_is_upstream {
        policy.upstream.authority()
    } else {
        asked.unwrap_or(&policy.hosts[0]).to_owned()
    }
}

/// Writes the head that the app gets.
pub fn write_head(exchange: &Exchange, request: &mut RequestHeader) -> Result<()> {
    let (policy, host) = (&*exchange.policy, exchange.host.as_str());
    let reads_override = |name: &str| {
        policy.quirks.method_override.iter().any(|m| matches!(Source::parse(m), Ok(Source::Header(h)) if h == name))
    };
    let stripped: Vec<_> =
        request.headers.keys().filter(|name| is_stripped(name.as_str(), reads_override)).cloned().collect();
    for name in stripped {
        request.remove_header(&name);
    }
    for name in [EXPECT, TE] {
        request.remove_header(&name);
    }
    if let Some(target) = &exchange.target {
        let wire = target.to_wire();
        if request.raw_path() != wire.as_bytes() {
            request.set_raw_path(wire.as_bytes())?;
        }
    }
    request.insert_header(HOST, forwarded_host(policy, Some(host)))?;
    write_cookies(exchange, request)?;
    for presented in &exchange.withheld {
        if !exchange.cookies.names().any(|n| n == &*presented.name) {
            request.remove_header(&*presented.name);
        }
    }
    if exchange.drops_authorization {
        request.remove_header(&AUTHORIZATION);
    }
    if let Some(head) = &exchange.head {
        request.insert_header("x-forwarded-for", head.client.to_string())?;
    }
    request.insert_header("x-forwarded-proto", if policy.secure() { "https" } else { "http" })?;
    request.insert_header("x-forwarded-host", host)?;
    request.insert_header("x-request-id", exchange.id.as_str())?;
    if policy.quirks.referer_is_upstream {
        for name in [REFERER, ORIGIN] {
            name_upstream(policy, &name, request)?;
        }
    }
    if exchange.attempt.as_ref().is_some_and(|a| a.answer.is_some()) {
        // The answer must be readable to know if the sign-in worked.
        request.insert_header(ACCEPT_ENCODING, "identity")?;
    }
    if let Some(body) = &exchange.body {
        request.remove_header(&TRANSFER_ENCODING);
        request.insert_header(CONTENT_LENGTH, body.canonical.len().to_string())?;
    }
    Ok(())
}

fn write_cookies(exchange: &Exchange, request: &mut RequestHeader) -> Result<()> {
    let own = ["__Host-deskgate", "deskgate"];
    let canonical = exchange.cookies.to_wire(|name| own.contains(&name) || exchange.withholds(name));
    match canonical {
        Some(cookies) => {
            let mut before = request.headers.get_all(COOKIE).iter();
            let same = before.next().is_some_and(|c| c.as_bytes() == cookies.as_bytes()) && before.next().is_none();
            if !same {
                request.insert_header(COOKIE, cookies.as_ref())?;
            }
        }
        None => drop(request.remove_header(&COOKIE)),
    }
    Ok(())
}

/// `Referer` and `Origin` that name the public address name the app's own instead.
fn name_upstream(policy: &Policy, name: &http::HeaderName, request: &mut RequestHeader) -> Result<()> {
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
