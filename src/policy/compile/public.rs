//! The gateway as others see it: where it listens, under which name, behind which proxies.

use std::net::SocketAddr;

use http::uri::Authority;
use ipnet::IpNet;

use super::origin::{canonical_host, is_host, origin};
use crate::policy::file::{ListenFile, PolicyFile, TrustedProxiesFile};
use crate::policy::names::Names;
use crate::policy::problem::Problems;

/// Reports listeners that cannot be, or that say too much.
pub(super) fn check_listeners(file: &PolicyFile, problems: &mut Problems) {
    if file.listen.is_empty() {
        problems.error("listen", "nothing is listened on; write at least - http: 127.0.0.1:8080");
    }
    let mut seen: Vec<SocketAddr> = Vec::new();
    let mut all_clear = true;
    for (index, listener) in file.listen.iter().enumerate() {
        let path = format!("listen[{index}]");
        let given = [
            ("http", &listener.http),
            ("https", &listener.https),
            ("admin", &listener.admin),
            ("metrics", &listener.metrics),
        ];
        let mut kinds = given.iter().filter_map(|(kind, address)| address.as_deref().map(|a| (*kind, a)));
        let (Some((kind, address)), None) = (kinds.next(), kinds.next()) else {
            problems.error(
                path,
                "a listener is exactly one of http, https, admin and metrics; write one of them with an address and a port",
            );
            all_clear = false;
            continue;
        };
        let here = format!("{path}.{kind}");
        match address.parse::<SocketAddr>() {
            Err(_) => problems.error(
                here,
                format!("\"{address}\" is not an address with a port; write it as 127.0.0.1:8080 or \"[::1]:8080\""),
            ),
            Ok(parsed) if seen.iter().any(|other| both_cannot_be(parsed, *other)) => {
                problems.error(here, format!("{address} is listened on twice; take one out, or change its port"));
            }
            Ok(parsed) if kind == "admin" && !parsed.ip().is_loopback() => {
                problems.warning(here, "metrics and operators' commands need no password here; listen on 127.0.0.1, or keep others out by a firewall");
            }
            Ok(_) => {}
        }
        seen.extend(address.parse::<SocketAddr>());
        check_protocol(listener, kind, path, problems);
    }
    if all_clear && !file.listen.is_empty() && file.listen.iter().all(|l| l.http.is_none() && l.https.is_none()) {
        problems.error("listen", "no listener for the helpdesk's users; add one of http or https");
    }
}

/// Whether the second of two listeners would find its address taken.
fn both_cannot_be(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || everywhere)
}

/// What belongs to https or to plain http only.
fn check_protocol(listener: &ListenFile, kind: &str, path: String, problems: &mut Problems) {
    let (certificate, key) = (listener.certificate.is_some(), listener.key.is_some());
    if kind == "https" && !(certificate && key) {
        problems.error(path, "https needs a certificate and a key; add `certificate:` and `key:`, both PEM files");
    } else if kind != "https" && (certificate || key) {
        problems.error(path, format!("{kind} uses no certificate; write https, or take `certificate:` and `key:` out"));
    } else if kind != "http" && listener.http2 {
        problems.error(format!("{path}.http2"), "http2 is for plain http listeners; https offers HTTP/2 by itself");
    }
}

/// The origin that people see, and every `Host` that is served.
pub(super) fn origin_and_hosts(file: &PolicyFile, problems: &mut Problems) -> Option<(String, Vec<String>)> {
    let (tls, authority) = origin(&file.app.public_url)
        .map_err(|wrong| {
            let message =
                format!("{wrong}; write scheme, host and, if it is not the usual one, port: https://desk.acme.example");
            problems.error("app.public_url", message);
        })
        .ok()?;
    if !tls && file.listen.iter().any(|l| l.https.is_some()) {
        problems
            .warning("app.public_url", "people come over https, so cookies would lack protection; write https here");
    }
    let mut hosts = vec![canonical_host(authority.as_str(), tls)];
    for (index, host) in file.app.also_served_as.iter().enumerate() {
        match host.parse::<Authority>() {
            Ok(_) if !host.contains('@') && is_host(host) => hosts.push(canonical_host(host, tls)),
            _ => problems.error(
                format!("app.also_served_as[{index}]"),
                format!("\"{host}\" is not a host name; write it without a scheme, such as desk.internal:8443"),
            ),
        }
    }
    let scheme = if tls { "https" } else { "http" };
    Some((format!("{scheme}://{}", hosts[0]), hosts))
}

/// The networks of the proxies whose word is taken.
pub(super) fn trusted_proxies(file: &PolicyFile, names: &Names<'_>, problems: &mut Problems) -> Vec<IpNet> {
    let (names_of, path) = match &file.trusted_proxies {
        TrustedProxiesFile::List(list) => (list, "trusted_proxies"),
        TrustedProxiesFile::Said(said) => (&said.networks, "trusted_proxies.networks"),
    };
    if matches!(&file.trusted_proxies, TrustedProxiesFile::List(list) if !list.is_empty()) {
        // Who relied on Forwarded would take every client for the proxy itself, without a word.
        let message = "only X-Forwarded-For is believed; say which header these proxies write: \
                       trusted_proxies: { networks: [...], header: x-forwarded-for }, or header: forwarded";
        problems.warning(path, message);
    }
    if let (TrustedProxiesFile::Said(_), true) = (&file.trusted_proxies, names_of.is_empty()) {
        problems.error(path, "no proxy is named; name the proxies, or take trusted_proxies out");
    }
    let placed: Vec<_> = names_of.iter().enumerate().map(|(i, name)| (format!("{path}[{i}]"), name)).collect();
    let trusted = names.resolve(&placed, false, problems);
    if trusted.iter().any(|network| network.prefix_len() == 0) {
        problems.error(path, "everybody is believed, so anybody can claim any address; list the proxies only");
    }
    trusted
}
