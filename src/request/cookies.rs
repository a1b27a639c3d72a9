//! The cookies, without those that could be read as something else.

use std::borrow::Cow;

use smallvec::SmallVec;

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

/// How many values of one name are looked at: browsers send one for each path, domain and partition.
const MOST_COPIES: usize = 8;

/// Cookies of some names: a browser may hold several of one name, and sends them all (RFC 6265, section 5.4).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copies<'a> {
    /// Each name and value once.
    pub plain: SmallVec<[(&'a str, &'a str); 1]>,
    /// Those whose value apps read in different ways, and those beyond the most that are looked at.
    pub ambiguous: SmallVec<[(&'a str, &'a str); 1]>,
}

impl Cookies {
    /// Reads all `Cookie` headers (HTTP/2 may send crumbs). Pairs that could be read as something
    /// else are left out, and so never forwarded.
    pub fn parse<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut cookies = Self::default();
        for header in headers {
            let mut rest = header;
            while !rest.is_empty() {
                let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
                let pair = std::str::from_utf8(&rest[..end]);
                rest = rest.get(end + 1..).unwrap_or_default();
                // What is no text is left out, and nothing beside it.
                let Ok(pair) = pair else { continue };
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

    /// The cookies whose names are `wanted`.
    pub fn copies(&self, wanted: impl Fn(&str) -> bool) -> Copies<'_> {
        let mut copies = Copies::default();
        for pair in self.iter().filter(|(name, _)| wanted(name)) {
            let (name, value) = pair;
            // Some apps take what stands before `&` for the whole value.
            let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\' | b'&');
            if value.is_empty() || !value.bytes().all(plain) {
                copies.ambiguous.push(pair);
            } else if !copies.plain.contains(&pair) {
                match copies.plain.iter().filter(|(known, _)| *known == name).count() {
                    MOST_COPIES.. => copies.ambiguous.push(pair),
                    _ => copies.plain.push(pair),
                }
            }
        }
        copies
    }

    /// The one `Cookie` header to forward, without the names and values that `drop` takes; `None` when empty.
    pub fn to_wire(&self, drop: impl Fn(&str, &str) -> bool) -> Option<Cow<'_, str>> {
        if !self.iter().any(|(name, value)| drop(name, value)) {
            return (!self.wire.is_empty()).then_some(Cow::Borrowed(&self.wire));
        }
        let mut kept = Self::default();
        for (name, value) in self.iter().filter(|(name, value)| !drop(name, value)) {
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
        assert_eq!(cookies.copies(|n| n == "sessionid").plain[..], [("sessionid", "abc")]);
        assert_eq!(cookies.to_wire(|n, _| n == "a").unwrap(), "sessionid=abc; x=\"q\"");
        let values = |text: &str| {
            let cookies = parse(text);
            let copies = cookies.copies(|n| n == "s");
            let texts = |pairs: &[(&str, &str)]| pairs.iter().map(|(_, v)| (*v).to_owned()).collect::<Vec<_>>();
            (texts(&copies.plain), texts(&copies.ambiguous))
        };
        for (text, plain, ambiguous) in [
            ("s=1; s=2; t=3", &["1", "2"][..], &[][..]),
            ("s = 1; s=1; s=1", &["1"], &[]),
            ("s=\"1\"; s=2", &["2"], &["\"1\""]),
            ("s=1 2", &[], &["1 2"]),
            ("s=1; s=2; s=3; s=4; s=5; s=6; s=7; s=8; s=9", &["1", "2", "3", "4", "5", "6", "7", "8"], &["9"]),
            ("s=; s=1", &["1"], &[""]),
        ] {
            assert_eq!(
                values(text),
                (plain.iter().map(|v| (*v).to_owned()).collect(), ambiguous.iter().map(|v| (*v).to_owned()).collect()),
                "{text}"
            );
        }
        let odd = Cookies::parse(std::iter::once(b"foo=\xff; s=1".as_slice()));
        assert_eq!(odd.to_wire(|_, _| false).unwrap(), "s=1", "what is no text hides nothing beside it");
        assert_eq!(parse("s=1; s=2; a=3").to_wire(|n, v| (n, v) == ("s", "1")).unwrap(), "s=2; a=3");
        let crumbs = Cookies::parse([b"a=1".as_slice(), b"b=2"].into_iter());
        assert_eq!(crumbs.to_wire(|_, _| false).unwrap(), "a=1; b=2");
    }
}
