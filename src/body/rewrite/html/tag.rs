//! A tag in its raw bytes, as the HTML standard reads it (13.2.5.8 to 13.2.5.40).

use std::ops::Range;

/// An attribute, by where it is in its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub name: Range<usize>,
    /// Without its quotes; where there is none, an empty one behind the name.
    pub value: Range<usize>,
    pub quoted: bool,
}

/// The name of a tag that begins with `<` and a letter.
pub(super) fn name(tag: &[u8]) -> &[u8] {
    let end = tag.iter().skip(1).position(|b| ends_name(*b)).map_or(tag.len(), |at| at + 1);
    tag.get(1..end).unwrap_or_default()
}

fn ends_name(b: u8) -> bool {
    is_blank(b) || matches!(b, b'/' | b'>')
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

/// Goes over the attributes of a tag, be it complete or not.
pub(super) struct Attributes<'t> {
    tag: &'t [u8],
    at: usize,
}

impl<'t> Attributes<'t> {
    /// Of a tag that begins with `<` and a letter, or with `</`.
    pub(super) fn new(tag: &'t [u8]) -> Self {
        let slash = usize::from(tag.get(1) == Some(&b'/'));
        let at = tag.iter().skip(1 + slash).position(|b| ends_name(*b)).map_or(tag.len(), |at| at + 1 + slash);
        Self { tag, at }
    }

    /// Where the tag ends, once all attributes are read.
    pub(super) fn end(mut self) -> Option<usize> {
        while self.next().is_some() {}
        (self.tag.get(self.at) == Some(&b'>')).then_some(self.at + 1)
    }

    fn skip(&mut self, while_: impl Fn(u8) -> bool) -> Range<usize> {
        let start = self.at;
        let rest = self.tag.get(start..).unwrap_or_default();
        self.at += rest.iter().position(|b| !while_(*b)).unwrap_or(rest.len());
        start..self.at
    }

    fn value(&mut self) -> (Range<usize>, bool) {
        self.at += 1;
        self.skip(is_blank);
        match self.tag.get(self.at) {
            Some(&quote @ (b'"' | b'\'')) => {
                self.at += 1;
                let start = self.at;
                let rest = &self.tag[start..];
                let length = memchr::memchr(quote, rest).unwrap_or(rest.len());
                self.at = (start + length + 1).min(self.tag.len());
                (start..start + length, true)
            }
            _ => (self.skip(|b| !is_blank(b) && b != b'>'), false),
        }
    }
}

impl Iterator for Attributes<'_> {
    type Item = Attribute;

    fn next(&mut self) -> Option<Attribute> {
        self.skip(|b| is_blank(b) || b == b'/');
        if matches!(self.tag.get(self.at), None | Some(b'>')) {
            return None;
        }
        let start = self.at;
        // A `=` at the start belongs to the name.
        self.at += 1;
        self.skip(|b| !ends_name(b) && b != b'=');
        let name = start..self.at;
        self.skip(is_blank);
        let (value, quoted) =
            if self.tag.get(self.at) == Some(&b'=') { self.value() } else { (name.end..name.end, false) };
        Some(Attribute { name, value, quoted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_as_browsers_read_them() {
        for (tag, expected) in [
            ("<a>", vec![]),
            ("<a href=x>", vec![("href", "x")]),
            ("<a href = 'x y'id=\"z\"checked>", vec![("href", "x y"), ("id", "z"), ("checked", "")]),
            ("<a/b=c/d>", vec![("b", "c/d")]),
            ("<a ==x =y>", vec![("=", "x"), ("=y", "")]),
            ("<a b=>", vec![("b", "")]),
            ("<a b='>' c=\">\">", vec![("b", ">"), ("c", ">")]),
            ("</a b='>'>", vec![("b", ">")]),
            ("<input / value=\"1\"/>", vec![("value", "1")]),
        ] {
            let found: Vec<_> =
                Attributes::new(tag.as_bytes()).map(|a| (&tag[a.name.clone()], &tag[a.value.clone()])).collect();
            assert_eq!(found, expected, "{tag}");
            assert_eq!(Attributes::new(tag.as_bytes()).end(), Some(tag.len()), "{tag}");
        }
        assert_eq!(Attributes::new(b"<a b='").end(), None);
        assert_eq!(name(b"<Input/x>"), b"Input");
    }
}
