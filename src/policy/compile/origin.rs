//! Scheme, host and port of an address, and hosts in the form in which they are compared.

use http::Uri;
use http::uri::Authority;

/// Scheme and authority of an address that has nothing else, or what is wrong with it.
pub(super) fn origin(text: &str) -> Result<(bool, Authority), String> {
    // A password must not be repeated on a terminal.
    if text.contains('@') {
        return Err("a user name or a password does not belong here".into());
    }
    let wrong = || format!("\"{text}\" is not an address with http:// or https://");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let authority = uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(wrong)?;
    if uri.path() != "/" || text.contains(['?', '#']) {
        return Err(format!("\"{text}\" has a path"));
    }
    if !is_host(authority.as_str()) {
        return Err(format!("\"{}\" is no host that a browser opens", authority.host()));
    }
    Ok((tls, authority.clone()))
}

/// Whether a browser reads it as a host and a port: `10.0.0.300` is a name to others, but to no browser.
pub(super) fn is_host(authority: &str) -> bool {
    url::Url::parse(&format!("http://{authority}/")).is_ok()
}

/// `Host` in the form in which it is compared.
pub(super) fn canonical_host(host: &str, tls: bool) -> String {
    without_usual_port(host, tls).to_ascii_lowercase()
}

pub(super) fn without_usual_port(host: &str, tls: bool) -> &str {
    host.strip_suffix(if tls { ":443" } else { ":80" }).unwrap_or(host)
}
