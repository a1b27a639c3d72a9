//! Which headers pass, in both directions; and the check of a raw HTTP/1.1 head, which Pingora's own
//! parser is more lenient about than is safe in front of other parsers (adversary rows A and B).

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, EXPECT, FORWARDED, HOST, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, Method};

use crate::decision::{Reason, protocol};
use crate::policy::file::HopHeader;
use crate::text::is_token;

/// The longest head of a request.
pub const MAX_HEAD: usize = 32 << 10;
/// The longest target.
const MAX_TARGET: usize = 8 << 10;
/// The most headers.
const MAX_HEADERS: usize = 100;

/// Headers by which a client could pretend to be a proxy, or make the app see another request.
const SPOOFABLE: [&str; 40] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
    "x-script-name",
    "x-accel-redirect",
    "proxy",
    "x-url-scheme",
    "front-end-https",
    "remote-user",
    "x-remote-user",
    "forwarded-for",
    "x-envoy-external-address",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "fly-client-ip",
    "x-azure-clientip",
    "x-proxyuser-ip",
    "base-url",
    "cookie2",
    "x-http-host-override",
    "x-sendfile-type",
    "x-accel-mapping",
];

/// What such headers begin with that every app names in its own way.
const SPOOFABLE_STARTS: [&str; 2] = ["x-forwarded", "x-original-"];

/// Headers by which a method is overridden: they pass only where the profile reads them.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Headers of an answer that speak to a proxy, not to a client.
pub const INTERNAL_ANSWERS: [HeaderName; 3] = [
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-sendfile"),
    HeaderName::from_static("x-lighttpd-send-file"),
];

/// Whether a request header is taken out before the app sees it.
#[must_use]
pub fn is_stripped(name: &str, reads_override: impl Fn(&str) -> bool) -> bool {
    // Whatever is neither a letter nor a digit is `_` to CGI-like apps, as `-` is.
    name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'-')
        || SPOOFABLE.contains(&name)
        || SPOOFABLE_STARTS.iter().any(|start| name.starts_with(start))
        || name == "x-sendfile"
        || (OVERRIDES.contains(&name) && !reads_override(name))
}

/// Checks the raw bytes of an HTTP/1.1 head, the final empty line included.
///
/// # Errors
/// Why it is refused.
pub fn check_raw_head(head: &[u8]) -> Result<(), &'static Reason> {
    if head.len() > MAX_HEAD {
        return Err(protocol::HEADERS);
    }
    let end = head.len().checked_sub(4).ok_or(protocol::FRAMING)?;
    let mut lines = Lines(&head[..end]);
    let first = lines.next().ok_or(protocol::FRAMING)??;
    check_request_line(first)?;
    let mut seen = Seen::default();
    for line in lines {
        seen.header(line?)?;
    }
    seen.finish()
}

/// Lines that end in CR LF and hold neither by itself.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], &'static Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr2(b'\r', b'\n', self.0) {
            Some(at) if self.0[at..].starts_with(b"\r\n") => (&self.0[..at], &self.0[at + 2..]),
            Some(_) => return Some(Err(protocol::FRAMING)),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(Ok(line))
    }
}

/// Whether a value holds a control character other than the tab. Counting does not stop at the first: the compiler
/// looks at many bytes at once.
fn has_controls(value: &[u8]) -> bool {
    value.iter().filter(|b| (**b < b' ' && **b != b'\t') || **b == 0x7f).count() > 0
}

fn check_request_line(line: &[u8]) -> Result<(), &'static Reason> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(protocol::FRAMING);
    };
    if version != b"HTTP/1.1" {
        let http = version.starts_with(b"HTTP/") && version.len() <= 8;
        return Err(if http { protocol::VERSION } else { protocol::FRAMING });
    }
    // What Pingora answers by itself, such as CONNECT, would have no record.
    if !Method::from_bytes(method).is_ok_and(|m| crate::request::is_known_method(&m)) {
        return Err(protocol::METHOD);
    }
    if target.len() > MAX_TARGET {
        return Err(protocol::TOO_LONG);
    }
    if is_target(method, target) { Ok(()) } else { Err(protocol::TARGET) }
}

/// Whether this is a target in origin-form, or the asterisk-form of OPTIONS (RFC 9112, section 3.2). Pingora would escape
/// some of what is none and go on; the app behind would see another target.
#[must_use]
pub fn is_target(method: &[u8], target: &[u8]) -> bool {
    let clean = target.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'#'));
    clean && (target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS"))
}

#[derive(Default)]
struct Seen {
    count: usize,
    host: u8,
    length: u8,
    coding: u8,
    single: u8,
}

impl Seen {
    fn header(&mut self, line: &[u8]) -> Result<(), &'static Reason> {
        self.count += 1;
        if self.count > MAX_HEADERS {
            return Err(protocol::HEADERS);
        }
        let colon = memchr::memchr(b':', line).ok_or(protocol::FRAMING)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // A name that starts with a blank is a folded line; one that ends in it is read two ways.
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(protocol::FRAMING);
        }
        if has_controls(value) {
            return Err(protocol::FRAMING);
        }
        // What is left to be trimmed are blanks and tabs.
        self.framing(name, value.trim_ascii())
    }

    fn framing(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static Reason> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            4 if is("host") => {
                self.host += 1;
                if !value.iter().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(b)) {
                    return Err(protocol::HOST);
                }
            }
            14 if is("content-length") => {
                self.length += 1;
                let canonical = !value.is_empty()
                    && value.len() <= 19
                    && value.iter().all(u8::is_ascii_digit)
                    && (value.len() == 1 || value[0] != b'0');
                if !canonical {
                    return Err(protocol::FRAMING);
                }
            }
            17 if is("transfer-encoding") => {
                self.coding += 1;
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(protocol::FRAMING);
                }
            }
            14 if is("content_length") => return Err(protocol::FRAMING),
            17 if is("transfer_encoding") => return Err(protocol::FRAMING),
            12 if is("content-type") => self.once(0)?,
            16 if is("content-encoding") => self.once(4)?,
            13 if is("authorization") => self.once(1)?,
            6 if is("expect") => self.once(2)?,
            7 if is("upgrade") => self.once(3)?,
            _ => {}
        }
        Ok(())
    }

    /// Headers of which apps read the first or the last when there are two.
    fn once(&mut self, bit: u8) -> Result<(), &'static Reason> {
        let before = self.single;
        self.single |= 1 << bit;
        if before == self.single { Err(protocol::FRAMING) } else { Ok(()) }
    }

    fn finish(&self) -> Result<(), &'static Reason> {
        if self.length + self.coding > 1 {
            return Err(protocol::FRAMING);
        }
        if self.host == 1 { Ok(()) } else { Err(protocol::HOST) }
    }
}

/// Checks what HTTP/1.1 and HTTP/2 share, on parsed headers.
///
/// # Errors
/// Why the request is refused.
pub fn check_parsed(method: &Method, headers: &HeaderMap, http2: bool) -> Result<(), &'static Reason> {
    if !crate::request::is_known_method(method) {
        return Err(protocol::METHOD);
    }
    if headers.len() > MAX_HEADERS {
        return Err(protocol::HEADERS);
    }
    let tokens = headers.get_all(CONNECTION).iter().flat_map(|v| v.as_bytes().split(|b| *b == b','));
    // Perl's clients name TE, which goes no further from here in any case.
    let hop = |t: &[u8]| {
        [&b"close"[..], b"keep-alive", b"upgrade", b"te", b""]
            .iter()
            .any(|known| t.trim_ascii().eq_ignore_ascii_case(known))
    };
    if !tokens.into_iter().all(hop) {
        return Err(protocol::CONNECTION);
    }
    // What comes behind the body is passed on by nobody, and must not be waited for by the app.
    if headers.contains_key(TRAILER) {
        return Err(protocol::FRAMING);
    }
    if headers.get_all(EXPECT).iter().any(|v| !v.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(protocol::EXPECT);
    }
    // What says in other letters that it is a form could be one to the app alone.
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.to_str().is_err()) {
        return Err(protocol::FRAMING);
    }
    // A piece of a file cannot be judged.
    if headers.contains_key(CONTENT_RANGE) {
        return Err(protocol::BODY);
    }
    if http2 {
        // The lengths of its lines, were it one of HTTP/1.1.
        let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if length > MAX_HEAD {
            return Err(protocol::HEADERS);
        }
        let twice = ["content-type", "content-length", "content-encoding", "authorization", "host"];
        if twice.iter().any(|name| headers.get_all(*name).iter().count() > 1) || headers.contains_key(TRANSFER_ENCODING)
        {
            return Err(protocol::FRAMING);
        }
        let blank = |v: &http::HeaderValue| {
            v.as_bytes().first().is_some_and(u8::is_ascii_whitespace)
                || v.as_bytes().last().is_some_and(u8::is_ascii_whitespace)
        };
        if headers.values().any(blank) {
            return Err(protocol::FRAMING);
        }
    }
    let has_body = headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|l| l != "0");
    if has_body && is_bodiless(method) {
        return Err(protocol::BODY_UNEXPECTED);
    }
    Ok(())
}

/// Whether a request of this method has no body: apps that read one all the same would read what
/// nobody judged.
#[must_use]
pub fn is_bodiless(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The one host that a request names.
///
/// # Errors
/// When it names none, or two different ones.
pub fn host(uri: &http::Uri, headers: &HeaderMap) -> Result<String, &'static Reason> {
    let header = headers.get(HOST).map(|v| v.to_str().map_err(|_| protocol::HOST)).transpose()?;
    let authority = uri.authority().map(http::uri::Authority::as_str);
    match (authority, header) {
        (Some(a), Some(h)) if !a.eq_ignore_ascii_case(h) => Err(protocol::HOST),
        (Some(a), _) => Ok(a.to_owned()),
        (None, Some(h)) => Ok(h.to_owned()),
        (None, None) => Err(protocol::HOST),
    }
}

/// What the one header names that the policy believes, for working out the client's address.
#[must_use]
pub fn hops(headers: &HeaderMap, believed: HopHeader) -> Vec<Option<std::net::IpAddr>> {
    let name = match believed {
        HopHeader::XForwardedFor => http::HeaderName::from_static("x-forwarded-for"),
        HopHeader::Forwarded => FORWARDED,
    };
    crate::request::hops(believed, headers.get_all(name).iter().map(http::HeaderValue::as_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str) -> Result<(), &'static str> {
        check_raw_head(head.as_bytes()).map_err(|r| r.code)
    }

    #[test]
    fn ordinary_heads_pass() {
        for extra in [
            "",
            "Content-Length: 0\r\n",
            "Content-Length: 123\r\n",
            "Transfer-Encoding: chunked\r\n",
            "X: caf\u{e9}\r\n",
            "X-Empty:\r\n",
        ] {
            let head = format!("POST /a?b=c HTTP/1.1\r\nHost: desk.test\r\nCookie: a=b; c=\"d\"\r\n{extra}\r\n");
            assert_eq!(check(&head), Ok(()), "{extra}");
        }
        assert_eq!(check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(()));
    }

    /// What parsers read differently (RFC 9112, section 11.2), as far as the head shows it.
    #[test]
    fn heads_that_parsers_read_differently_are_refused() {
        for (headers, code) in [
            ("Content-Length: 6\r\nTransfer-Encoding: chunked", "protocol.framing"),
            ("Transfer-Encoding: xchunked", "protocol.framing"),
            ("Transfer-Encoding: gzip, chunked", "protocol.framing"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "protocol.framing"),
            ("Transfer-Encoding: chunked;x=1", "protocol.framing"),
            ("Transfer-Encoding: identity", "protocol.framing"),
            ("Transfer-Encoding : chunked", "protocol.framing"),
            ("Transfer_Encoding: chunked", "protocol.framing"),
            ("Transfer-Encoding:\u{b}chunked", "protocol.framing"),
            ("Transfer-Encoding:\u{c}chunked", "protocol.framing"),
            ("Content-Length: 3\u{c}", "protocol.framing"),
            ("X: \u{c}", "protocol.framing"),
            ("Content-Length: 3\r\nContent-Length: 3", "protocol.framing"),
            ("Content-Length: 3, 3", "protocol.framing"),
            ("Content-Length: +3", "protocol.framing"),
            ("Content-Length: 0x3", "protocol.framing"),
            ("Content-Length: 03", "protocol.framing"),
            ("Content-Length:", "protocol.framing"),
            ("Content-Length: 99999999999999999999", "protocol.framing"),
            ("X: a\r\n folded", "protocol.framing"),
            ("X: a\nY: b", "protocol.framing"),
            ("X: a\rY: b", "protocol.framing"),
            ("X: a\0b", "protocol.framing"),
            (" X: a", "protocol.framing"),
            ("no colon", "protocol.framing"),
            ("Content-Type: a/b\r\nContent-Type: c/d", "protocol.framing"),
            ("Authorization: a\r\nauthorization: b", "protocol.framing"),
            ("Host: b", "protocol.host"),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
            assert_eq!(check(&head), Err(code), "{headers:?}");
        }
        for (line, code) in [
            ("GET / HTTP/1.0", "protocol.version"),
            ("GET /", "protocol.framing"),
            ("GET  / HTTP/1.1", "protocol.framing"),
            ("GET /a b HTTP/1.1", "protocol.framing"),
            ("GET http://a/ HTTP/1.1", "protocol.target"),
            ("GET admin HTTP/1.1", "protocol.target"),
            ("GET * HTTP/1.1", "protocol.target"),
            ("GET /a#b HTTP/1.1", "protocol.target"),
            ("GET /\u{e9} HTTP/1.1", "protocol.target"),
            ("PRI * HTTP/2.0", "protocol.version"),
            ("\r\nGET / HTTP/1.1", "protocol.framing"),
            ("GET / HTTP/1.1\nX: y", "protocol.framing"),
        ] {
            assert_eq!(check(&format!("{line}\r\nHost: a\r\n\r\n")), Err(code), "{line:?}");
        }
        assert_eq!(check("GET / HTTP/1.1\r\n\r\n"), Err("protocol.host"));
        assert_eq!(
            check(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000))),
            Err("protocol.target_too_long")
        );
        assert_eq!(
            check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100))),
            Err("protocol.headers")
        );
        assert_eq!(
            check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(40_000))),
            Err("protocol.headers")
        );
    }

    #[test]
    fn connection_tokens_and_stripping() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            headers
        };
        for (value, fine) in [
            ("keep-alive, Upgrade", true),
            ("close", true),
            ("TE, close", true),
            ("Cookie", false),
            ("close, X-Role", false),
            ("\"Cookie\"", false),
        ] {
            assert_eq!(check_parsed(&Method::GET, &with("connection", value), false).is_ok(), fine, "{value}");
        }
        assert_eq!(check_parsed(&Method::GET, &with("expect", "x"), false), Err(protocol::EXPECT));
        assert_eq!(check_parsed(&Method::GET, &with("content-length", "5"), false), Err(protocol::BODY_UNEXPECTED));
        assert_eq!(check_parsed(&Method::PUT, &with("content-range", "bytes 0-9/20"), false), Err(protocol::BODY));
        assert_eq!(check_parsed(&Method::TRACE, &HeaderMap::new(), false), Err(protocol::METHOD));
        for name in ["x_forwarded_for", "x-forwarded-for", "x.forwarded.for", "x-forwarded-protocol", "x-original-uri"]
        {
            assert!(is_stripped(name, |_| true), "{name}");
        }
        assert!(is_stripped("x-http-method-override", |_| false) && !is_stripped("x-http-method-override", |_| true));
        assert!(!is_stripped("x-csrftoken", |_| false));
    }
}
