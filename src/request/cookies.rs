//! The cookies, without those that could be read as something else.

use std::borrow::Cow;

use regex::Regex;
use smallvec::SmallVec;

use super::Malformed;
use crate::text::is_token;

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
            let mut rest = text;
            while !rest.is_empty() {
                let end = memchr::memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
                let pair = &rest[..end];
                rest = rest.get(end + 1..).unwrap_or_default();
                let Some(equals) = memchr::memchr(b'=', pair.as_bytes()) else { continue };
                let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
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
            // Some apps take what stands before `&` for the whole value.
            let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\' | b'&');
            let strict = value.bytes().all(plain);
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
    !name.is_empty() && !name.starts_with('$') && name.bytes().all(|b| is_token(b) && b != b'%')
}

fn is_cookie_value(value: &str) -> bool {
    // Old parsers split at commas as well: a value must not hide a second pair behind one.
    let hides_a_pair = || {
        memchr::memchr(b',', value.as_bytes()).is_some_and(|at| memchr::memchr(b'=', &value.as_bytes()[at..]).is_some())
    };
    value.bytes().all(|b| matches!(b, b' '..=b'~')) && !hides_a_pair()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
