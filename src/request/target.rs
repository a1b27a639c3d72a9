//! The target: a path in one form, and a query in one form.

use std::borrow::Cow;

use super::Malformed;
use crate::body::{Fields, urlencoded};

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
    pub fn to_wire(&self) -> Cow<'_, str> {
        let path = self.wire.as_deref().unwrap_or(&self.path);
        match &self.query {
            Some(query) => Cow::Owned([path, "?", query].concat()),
            None => Cow::Borrowed(path),
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
        // A trailing dot or space names the same file on some systems; others drop what follows a `;`.
        let name = segment.split(';').next().unwrap_or_default();
        let dots = !name.is_empty() && name.chars().all(|c| c == '.' || c == ' ');
        if dots || (name.is_empty() && !last && !rules.empty_segments) {
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

    /// Spellings that servers read as other paths (CWE-22, CWE-180).
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
        for target in ["/a/../b", "/..;/b", "/..;x=1/b", "/a/%2e.%3bx/b", "/a%2f..;x"] {
            assert!(Target::parse(target, &rules).is_err(), "{target}");
        }
    }
}
