//! The head of a request, normalised once. Everything that decides reads this, and what is
//! forwarded is written from it: there is no second reading.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;
use regex::Regex;
use smallvec::SmallVec;

use crate::body::{Body, Fields, urlencoded};
use crate::identity::Identity;
use crate::policy::names::RoleId;
use crate::policy::phrase::Source;
use crate::route::{Area, Matched};

/// What a profile lets a path hold beyond the ordinary.
#[derive(Clone, Debug, Default)]
pub struct PathRules {
    /// Characters that separate query parameters; empty means `&`.
    pub query_separators: Vec<char>,
    /// `%2F` is kept inside a segment.
    pub encoded_slash: bool,
    /// `;` is an ordinary character.
    pub semicolon: bool,
    /// `//` is kept.
    pub empty_segments: bool,
    /// `%25` is an ordinary character.
    pub encoded_percent: bool,
}

/// Why a head has no single reading. Each is a reason of its own in the decision log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The target is not a path from `/`, or holds what servers read differently.
    Target,
    /// The query is not valid percent-encoded UTF-8.
    Query,
    /// A cookie that could be the session's is ambiguous.
    Cookie,
}

/// A request target in its one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path, decoded: what routes are matched against.
    pub path: Box<str>,
    /// The path as it is forwarded, when it is not `path` itself.
    wire: Option<Box<str>>,
    /// The query as it is forwarded.
    pub query: Option<Box<str>>,
}

const PLAIN: u8 = 1;
const QUERY: u8 = 2;

/// What each byte may be: `PLAIN` stands in a path as it is, `QUERY` in a query.
static BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        #[allow(clippy::cast_possible_truncation)] // i < 256
        let b = i as u8;
        let unreserved = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if unreserved
            || matches!(b, b'/' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
        {
            table[i] |= PLAIN;
        }
        // The last six are what WHATWG URLs leave bare in a query.
        if table[i] & PLAIN != 0 || matches!(b, b'?' | b'%' | b'[' | b']' | b'{' | b'}' | b'|' | b'^' | b'`' | b'\\') {
            table[i] |= QUERY;
        }
        i += 1;
    }
    table
};

impl Target {
    /// Reads an origin-form target.
    ///
    /// # Errors
    /// When the target is in another form, or servers would disagree on what it names (RFC 3986
    /// dot segments, encoded separators, control characters, overlong or invalid UTF-8 ...).
    pub fn parse(target: &str, rules: &PathRules) -> Result<Self, Malformed> {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let (path, wire) = canonical_path(path, rules)?;
        let query = query.map(|q| canonical_query(q, rules)).transpose()?;
        Ok(Self { path, wire, query })
    }

    /// The target to forward.
    #[must_use]
    pub fn to_wire(&self) -> String {
        let path = self.wire.as_deref().unwrap_or(&self.path);
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// The query's parameters.
    #[must_use]
    pub fn parameters(&self) -> Fields {
        // It was read once already when it was made canonical.
        self.query.as_deref().and_then(|q| urlencoded::parse(q, &['&']).ok()).unwrap_or_default()
    }
}

type CanonicalPath = (Box<str>, Option<Box<str>>);

fn canonical_path(path: &str, rules: &PathRules) -> Result<CanonicalPath, Malformed> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(Malformed::Target);
    }
    let plain = bytes.iter().all(|b| BYTES[usize::from(*b)] & PLAIN != 0);
    // A dot or an empty segment starts with one of these pairs; most paths have neither.
    let suspicious = bytes.windows(2).any(|w| w == b"//" || w == b"/.");
    if suspicious {
        check_segments(path, rules)?;
    }
    if plain {
        return Ok((path.into(), None));
    }
    let (decoded, wire) = decode_path(path, rules)?;
    check_segments(&decoded, rules)?;
    let same = decoded == wire;
    Ok((decoded.into(), (!same).then(|| wire.into())))
}

fn check_segments(path: &str, rules: &PathRules) -> Result<(), Malformed> {
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        // A trailing dot or space names the same file on some systems; `..;` is a trick of others.
        let dots = !segment.is_empty() && segment.chars().all(|c| c == '.' || c == ';' || c == ' ');
        if dots || (segment.is_empty() && !last && !rules.empty_segments) {
            return Err(Malformed::Target);
        }
    }
    Ok(())
}

/// The path decoded, and the path as every server decodes it back to that.
fn decode_path(path: &str, rules: &PathRules) -> Result<(String, String), Malformed> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut wire = String::with_capacity(path.len() + 8);
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let raw = bytes[at];
        let encoded = raw == b'%';
        let byte = if encoded {
            let hex = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16));
            let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2)) else { return Err(Malformed::Target) };
            at += 2;
            u8::try_from(high * 16 + low).map_err(|_| Malformed::Target)?
        } else {
            raw
        };
        at += 1;
        match byte {
            0..=31 | 127 | b'\\' => return Err(Malformed::Target),
            b'/' if encoded && !rules.encoded_slash => return Err(Malformed::Target),
            b';' if !rules.semicolon => return Err(Malformed::Target),
            b'%' if !rules.encoded_percent => return Err(Malformed::Target),
            b'?' | b'#' if !encoded => return Err(Malformed::Target),
            _ => {}
        }
        decoded.push(byte);
        if BYTES[usize::from(byte)] & PLAIN != 0 && !(encoded && byte == b'/') || byte == b';' {
            wire.push(char::from(byte));
        } else {
            push_encoded(byte, &mut wire);
        }
    }
    String::from_utf8(decoded).map(|d| (d, wire)).map_err(|_| Malformed::Target)
}

fn push_encoded(byte: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn canonical_query(query: &str, rules: &PathRules) -> Result<Box<str>, Malformed> {
    let separators: &[char] = if rules.query_separators.is_empty() { &['&'] } else { &rules.query_separators };
    let fields = urlencoded::parse(query, separators).map_err(|_| Malformed::Query)?;
    if fields.0.iter().any(|(n, _)| n.contains(char::is_control)) {
        return Err(Malformed::Query);
    }
    // Strictly valid and without a contested separator: the bytes are the canonical form, and
    // details that apps tell apart (`?a` and `?a=`) stay as they are.
    if query.bytes().all(|b| BYTES[usize::from(b)] & QUERY != 0) {
        return Ok(query.into());
    }
    Ok(urlencoded::write(&fields).into())
}

/// The cookies of a request, in the order they came: one text, already as it is forwarded, and where
/// in it the pairs are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    wire: String,
    pairs: SmallVec<[Pair; 8]>,
}

/// Where a pair stands: `name=value` from `start`, the `=` at `equals`. A head has 32 KiB at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    start: u16,
    equals: u16,
    end: u16,
}

impl Cookies {
    /// Reads all `Cookie` headers (HTTP/2 may send crumbs). Pairs that could be read as something
    /// else are left out, and so never forwarded.
    pub fn parse<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut cookies = Self::default();
        for header in headers {
            let Ok(text) = std::str::from_utf8(header) else { continue };
            for pair in text.split(';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let (name, value) = (name.trim(), value.trim());
                if is_cookie_name(name) && is_cookie_value(value) {
                    cookies.push(name, value);
                }
            }
        }
        cookies
    }

    fn push(&mut self, name: &str, value: &str) {
        let separator = if self.wire.is_empty() { "" } else { "; " };
        let start = self.wire.len() + separator.len();
        let equals = start + name.len();
        let place = |at: usize| u16::try_from(at).ok();
        let (Some(start), Some(equals), Some(end)) = (place(start), place(equals), place(equals + 1 + value.len()))
        else {
            return;
        };
        for piece in [separator, name, "=", value] {
            self.wire.push_str(piece);
        }
        self.pairs.push(Pair { start, equals, end });
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|p| {
            let (start, equals, end) = (usize::from(p.start), usize::from(p.equals), usize::from(p.end));
            (&self.wire[start..equals], &self.wire[equals + 1..end])
        })
    }

    /// The one value of the cookie `name`.
    ///
    /// # Errors
    /// When it is there with two values, or with one that apps read differently.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Malformed> {
        self.one_where(|n| n == name).map(|found| found.map(|(_, value)| value))
    }

    /// The one cookie whose name matches `pattern`.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub fn one_like(&self, pattern: &Regex) -> Result<Option<(&str, &str)>, Malformed> {
        self.one_where(|n| pattern.is_match(n))
    }

    fn one_where(&self, wanted: impl Fn(&str) -> bool) -> Result<Option<(&str, &str)>, Malformed> {
        let mut found: Option<(&str, &str)> = None;
        for (name, value) in self.iter().filter(|(n, _)| wanted(n)) {
            let strict = value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\'));
            if !strict || found.is_some_and(|before| before != (name, value)) {
                return Err(Malformed::Cookie);
            }
            found = Some((name, value));
        }
        Ok(found)
    }

    /// The one `Cookie` header to forward, without those that `drop` names; `None` when empty.
    pub fn to_wire(&self, drop: impl Fn(&str) -> bool) -> Option<Cow<'_, str>> {
        if !self.names().any(&drop) {
            return (!self.wire.is_empty()).then_some(Cow::Borrowed(&self.wire));
        }
        let mut kept = Self::default();
        for (name, value) in self.iter().filter(|(n, _)| !drop(n)) {
            kept.push(name, value);
        }
        (!kept.wire.is_empty()).then_some(Cow::Owned(kept.wire))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

fn is_cookie_name(name: &str) -> bool {
    // `$Version` is RFC 2965's; `%` is decoded in names by some stacks.
    !name.is_empty()
        && !name.starts_with('$')
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}%".contains(&b))
}

fn is_cookie_value(value: &str) -> bool {
    // Old parsers split at commas as well: a value must not hide a second pair behind one.
    let hides_a_pair = value.split_once(',').is_some_and(|(_, rest)| rest.contains('='));
    !hides_a_pair && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

/// Works out who is at the other end: the socket's peer, or, when the peer is a trusted proxy, the
/// rightmost address in `forwarded` that is not one. IPv4-mapped IPv6 is folded.
///
/// `forwarded` holds the hops in the order of the header, the nearest last.
#[must_use]
pub fn client_address(peer: IpAddr, forwarded: &[Option<IpAddr>], trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in forwarded.iter().rev() {
        if !trusted(client) {
            break;
        }
        // A hop that is no address ends the chain: what is left of it was not seen by a trusted proxy.
        let Some(hop) = hop else { break };
        client = hop.to_canonical();
    }
    client
}

/// The hops that `X-Forwarded-For` (all its lines) and `Forwarded` (RFC 7239) name.
pub fn forwarded_hops<'a>(
    x_forwarded_for: impl Iterator<Item = &'a [u8]>,
    forwarded: impl Iterator<Item = &'a [u8]>,
) -> Vec<Option<IpAddr>> {
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).unwrap_or("?");
    let xff: Vec<_> = x_forwarded_for.flat_map(|line| text(line).split(',').map(hop)).collect();
    if !xff.is_empty() {
        return xff;
    }
    forwarded.flat_map(|line| text(line).split(',').map(forwarded_for)).collect()
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let value =
        element.split(';').find_map(|p| p.trim().split_once('=').filter(|(n, _)| n.eq_ignore_ascii_case("for")))?.1;
    hop(value.trim().trim_matches('"'))
}

fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.split_once(']')).map(|(address, _)| address);
    let without_port = || text.rsplit_once(':').filter(|(a, _)| !a.contains(':')).map(|(a, _)| a);
    bare.unwrap_or(text).parse().ok().or_else(|| without_port()?.parse().ok())
}

/// A set of networks whose look-up costs the same at 10 and at 10,000 entries: merged into ranges
/// at load, searched by halves.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Compiles a set.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for network in IpNet::aggregate(&networks.to_vec()) {
            match network {
                IpNet::V4(n) => v4.push((n.network().to_bits(), n.broadcast().to_bits())),
                IpNet::V6(n) => v6.push((n.network().to_bits(), n.broadcast().to_bits())),
            }
        }
        v4.sort_unstable();
        v6.sort_unstable();
        Self { v4, v6 }
    }

    /// Whether the set holds `address`.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        fn within<T: Ord + Copy>(ranges: &[(T, T)], bits: T) -> bool {
            let after = ranges.partition_point(|(start, _)| *start <= bits);
            after > 0 && bits <= ranges[after - 1].1
        }
        match address.to_canonical() {
            IpAddr::V4(a) => within(&self.v4, a.to_bits()),
            IpAddr::V6(a) => within(&self.v6, a.to_bits()),
        }
    }

    /// How many ranges it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How the answer will be used, which decides the shape of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wants {
    /// A person's browser opens a page.
    #[default]
    Page,
    /// A script or a program reads it.
    Data,
    /// A page embeds it: an image, a style sheet, a frame.
    Part,
}

/// The head of a request as controls see it: normalised, identified, classified.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// How the answer will be used.
    pub wants: Wants,
    /// The part of the app.
    pub area: Area,
    /// What it does.
    pub route: Matched,
    /// Who asks.
    pub identity: Identity,
    /// In which role.
    pub role: RoleId,
}

impl RequestHead {
    /// Whether the thing belongs to the person who asks, as far as the request tells.
    #[must_use]
    pub fn owns_it(&self) -> bool {
        match (&self.route.owner, &self.identity) {
            (Some(owner), Identity::Session { record, .. }) => *owner == record.user,
            _ => false,
        }
    }
}

/// Everything of a request that a [`Source`] can point to.
pub struct Values<'a> {
    /// Captures of the path.
    pub captures: &'a [(&'a str, &'a str)],
    /// Parameters of the query.
    pub query: &'a Fields,
    /// The body, when it was read.
    pub body: Option<&'a Body>,
    /// A header's value, by lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
}

impl Values<'_> {
    /// Calls `each` with every value at `source` until it returns true; tells whether it did.
    pub fn any(&self, source: &Source, mut each: impl FnMut(&str) -> bool) -> bool {
        match source {
            Source::Path(name) => self.captures.iter().any(|(n, v)| n == name && each(v)),
            Source::Query(name) => self.query.all(name).any(each),
            Source::Form(name) => self.form().is_some_and(|form| form.all(name).any(each)),
            Source::Param(name) => {
                self.query.all(name).any(&mut each) || self.form().is_some_and(|form| form.all(name).any(each))
            }
            Source::Json(pointer) => match self.body {
                Some(Body::Json(value)) => json_values(value, pointer, &mut each),
                _ => false,
            },
            Source::Header(name) => (self.header)(name).is_some_and(|value| each(&value)),
            Source::Line { name, field } => self.form().is_some_and(|form| {
                form.all(field).flat_map(str::lines).any(|line| {
                    line.split_once(':').is_some_and(|(n, v)| n.trim().to_lowercase() == *name && each(v.trim()))
                })
            }),
        }
    }

    /// The first value at `source`.
    #[must_use]
    pub fn first(&self, source: &Source) -> Option<String> {
        let mut found = None;
        self.any(source, |value| {
            found = Some(value.to_owned());
            true
        });
        found
    }

    fn form(&self) -> Option<&Fields> {
        match self.body {
            Some(Body::Form(fields)) => Some(fields),
            _ => None,
        }
    }
}

/// JSON keys are compared without case: apps that fold it must not read what was not seen here.
fn json_values(value: &serde_json::Value, pointer: &str, each: &mut dyn FnMut(&str) -> bool) -> bool {
    use serde_json::Value;
    let Some(rest) = pointer.strip_prefix('/') else {
        return match value {
            Value::String(text) => each(text),
            Value::Null => false,
            Value::Array(items) => items.iter().any(|item| json_values(item, pointer, each)),
            other => each(&other.to_string()),
        };
    };
    let (key, tail_start) = rest.find('/').map_or((rest, rest.len()), |i| (&rest[..i], i));
    let tail = &rest[tail_start..];
    match value {
        Value::Object(map) => map.iter().any(|(k, v)| k.eq_ignore_ascii_case(key) && json_values(v, tail, each)),
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) => items.get(index).is_some_and(|item| json_values(item, tail, each)),
            Err(_) => items.iter().any(|item| json_values(item, pointer, each)),
        },
        _ => false,
    }
}

/// The user name and password of HTTP Basic; the password is not kept.
#[must_use]
pub fn basic_user(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = data_encoding::BASE64.decode(encoded.trim().as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, _)| user.to_owned())
}

/// Whether `method` is one that is let through at all.
#[must_use]
pub fn is_known_method(method: &Method) -> bool {
    crate::policy::phrase::METHODS.contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(target: &str) -> Result<Target, Malformed> {
        Target::parse(target, &PathRules::default())
    }

    #[test]
    fn ordinary_targets_pass_unchanged() {
        for target in [
            "/",
            "/tickets/1/",
            "/a/b.c-d_e~f",
            "/x?a=1&b",
            "/x?",
            "/x?q=a%20b&r=%C3%9F",
            "/.well-known/x",
            "/a/..b/c.",
            "/REST/2.0/user/second.contact0@partner.example",
            "/datatables_ticket_list/eyJhIjoxfQ==?draw=1",
            "/x?f[]=1&g={}",
        ] {
            assert_eq!(parse(target).unwrap().to_wire(), target);
        }
    }

    #[test]
    fn one_canonical_form() {
        for (target, path, wire) in [
            ("/Stra%c3%9fe%20(final).v2.pdf", "/Straße (final).v2.pdf", "/Stra%C3%9Fe%20(final).v2.pdf"),
            ("/%61dmin", "/admin", "/admin"),
            ("/x%3Dy%26z", "/x=y&z", "/x=y&z"),
            ("/a%3Fb", "/a?b", "/a%3Fb"),
            ("/x?a=1;to=x", "/x", "/x?a=1%3Bto%3Dx"),
        ] {
            let parsed = parse(target).unwrap();
            assert_eq!((&*parsed.path, &*parsed.to_wire()), (path, wire), "{target}");
            assert_eq!(parse(wire).unwrap().to_wire(), wire, "canonical is a fixed point");
        }
    }

    /// Rows B00 to B31 of the adversary's list.
    #[test]
    fn targets_that_servers_read_differently_are_refused() {
        for target in [
            "admin",
            "*",
            "http://evil.test/",
            "//x",
            "/a//b",
            "/./x",
            "/a/../b",
            "/a/..",
            "/%2e%2e/x",
            "/a/%2e/b",
            "/a%2fb",
            "/a%252e",
            "/a%00",
            "/a;x",
            "/..;/x",
            "/a\\b",
            "/a%5cb",
            "/a%u002e",
            "/%c0%ae",
            "/a#b",
            "/a%0d%0ab",
            "/a%",
            "/a%4",
            "/a/. /b",
            "/a/...",
            "",
            "/%ff",
            "/a%3bx",
        ] {
            assert_eq!(parse(target), Err(Malformed::Target), "{target}");
        }
        for target in ["/x?a=%", "/x?a=%ff", "/x?a=%00", "/x?%0d=1"] {
            assert_eq!(parse(target), Err(Malformed::Query), "{target}");
        }
    }

    #[test]
    fn quirks_let_through_what_an_app_needs() {
        let rules = PathRules {
            encoded_slash: true,
            semicolon: true,
            empty_segments: true,
            encoded_percent: true,
            query_separators: vec!['&', ';'],
        };
        for (target, wire) in
            [("/a%2Fb", "/a%2Fb"), ("/a;b", "/a;b"), ("//a", "//a"), ("/a%25b", "/a%25b"), ("/x?a=1;b=2", "/x?a=1&b=2")]
        {
            assert_eq!(Target::parse(target, &rules).unwrap().to_wire(), wire);
        }
        assert!(Target::parse("/a/../b", &rules).is_err() && Target::parse("/..;/b", &rules).is_err());
    }

    #[test]
    fn cookies() {
        let parse = |text: &str| Cookies::parse(std::iter::once(text.as_bytes()));
        let cookies = parse("a=1; sessionid=abc; x=\"q\"; bad; $Version=1; %73essionid=evil; c=1,sessionid=evil");
        assert_eq!(cookies.one("sessionid"), Ok(Some("abc")));
        assert_eq!(cookies.to_wire(|n| n == "a").unwrap(), "sessionid=abc; x=\"q\"");
        for ambiguous in ["s=1; s=2", "s=\"1\"", "s=1 2", "s = 1; s=2"] {
            assert_eq!(parse(ambiguous).one("s"), Err(Malformed::Cookie), "{ambiguous}");
        }
        assert_eq!(parse("s=1; s=1").one("s"), Ok(Some("1")));
        let crumbs = Cookies::parse([b"a=1".as_slice(), b"b=2"].into_iter());
        assert_eq!(crumbs.to_wire(|_| false).unwrap(), "a=1; b=2");
    }

    #[test]
    fn client_addresses() {
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        let trusted = Networks::new(&["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let from = |peer: &str, xff: &str| {
            let lines: Vec<&[u8]> = if xff.is_empty() { vec![] } else { vec![xff.as_bytes()] };
            client_address(ip(peer), &forwarded_hops(lines.into_iter(), std::iter::empty()), |a| trusted.contains(a))
        };
        for (peer, xff, client) in [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4, junk", "10.0.0.1"),
            ("::ffff:203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("::ffff:10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
            ("::1", "[2001:db8::1]:80", "2001:db8::1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(from(peer, xff), ip(client), "{peer} {xff}");
        }
        let rfc7239 = forwarded_hops(
            std::iter::empty(),
            [b"for=\"[2001:db8::7]:1\";proto=https, for=1.2.3.4".as_slice()].into_iter(),
        );
        assert_eq!(rfc7239, [Some(ip("2001:db8::7")), Some(ip("1.2.3.4"))]);
    }

    #[test]
    fn networks_hold_ranges() {
        let set = Networks::new(&[
            "198.51.100.0/24".parse().unwrap(),
            "198.51.101.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ]);
        assert_eq!(set.len(), 2, "neighbours are merged");
        for (address, inside) in [
            ("198.51.100.0", true),
            ("198.51.101.255", true),
            ("198.51.102.0", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("::ffff:198.51.100.7", true),
        ] {
            assert_eq!(set.contains(address.parse().unwrap()), inside, "{address}");
        }
    }
}
