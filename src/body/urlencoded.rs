//! `application/x-www-form-urlencoded` and query strings, read strictly and written canonically.

use super::{Fields, Unreadable, decode};

/// More fields than any form has; beyond it apps disagree on what they drop.
const MAX_FIELDS: usize = 2_000;

/// Parses `text`, whose pairs are separated by any of `separators`.
///
/// # Errors
/// A bad percent sign, bytes that are not UTF-8, a NUL, or too many fields.
pub fn parse(text: &str, separators: &[char]) -> Result<Fields, Unreadable> {
    let mut fields = Vec::new();
    for pair in text.split(separators).filter(|p| !p.is_empty()) {
        if fields.len() == MAX_FIELDS {
            return Err(Unreadable::Malformed("more than 2000 fields"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name, true)?, decode(value, true)?);
        if name.contains('\0') || value.contains('\0') {
            return Err(Unreadable::Malformed("a NUL in a field"));
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Ok(Fields(fields))
}

/// Writes `fields` in the one form that every app reads alike.
#[must_use]
pub fn write(fields: &Fields) -> String {
    let mut out = String::with_capacity(fields.0.iter().map(|(n, v)| n.len() + v.len() + 2).sum());
    for (index, (name, value)) in fields.0.iter().enumerate() {
        if index > 0 {
            out.push('&');
        }
        encode_into(name, &mut out);
        out.push('=');
        encode_into(value, &mut out);
    }
    out
}

/// Appends `text` in the WHATWG urlencoded character set.
pub fn encode_into(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let fields = parse("a=1&b=x+y%26&&c&a=2", &['&']).unwrap();
        let expected = [("a", "1"), ("b", "x y&"), ("c", ""), ("a", "2")];
        assert_eq!(fields.0, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(write(&fields), "a=1&b=x+y%26&c=&a=2");
        assert_eq!(parse(&write(&fields), &['&']).unwrap(), fields);
        assert_eq!(parse("a=1;b=2", &['&', ';']).unwrap().0.len(), 2);
        assert_eq!(write(&parse("a=1;to=x", &['&']).unwrap()), "a=1%3Bto%3Dx", "one field on every stack");
    }

    #[test]
    fn refuses_what_has_two_readings() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%00", "a=%C0%AE"] {
            assert!(parse(bad, &['&']).is_err(), "{bad}");
        }
        assert!(parse(&"a&".repeat(2_001), &['&']).is_err());
    }
}
