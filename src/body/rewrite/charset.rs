//! Charsets in which every byte below 128 means itself, and no byte of another character is one of them: markup
//! and digits can be told without decoding.

use smallvec::SmallVec;

use super::Broken;

/// Whether a text in the charset of that name can be read.
pub(super) fn is_readable(label: &[u8]) -> bool {
    const WHOLE: [&[u8]; 6] = [b"utf-8", b"utf8", b"us-ascii", b"ascii", b"latin1", b"l1"];
    const FAMILIES: [&[u8]; 4] = [b"iso-8859-", b"iso8859-", b"windows-125", b"cp125"];
    let label = label.trim_ascii().to_ascii_lowercase();
    WHOLE.contains(&&*label)
        || FAMILIES.iter().any(|family| {
            label.strip_prefix(*family).is_some_and(|n| matches!(n.len(), 1 | 2) && n.iter().all(u8::is_ascii_digit))
        })
}

/// The charset that a type names, as in `text/html; charset=utf-8`.
pub(super) fn parameter(of_type: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"charset";
    let at = of_type.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME))?;
    let value = of_type[at + NAME.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end = value.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'"' | b'\''));
    Some(&value[..end.unwrap_or(value.len())])
}

/// The first bytes of a text. Those of UTF-16 and UTF-32 count more than whatever else is said of its charset.
#[derive(Debug, Default)]
pub(super) struct Start(SmallVec<[u8; 2]>);

impl Start {
    /// Sees what comes until it knows.
    pub(super) fn check(&mut self, input: &[u8]) -> Result<(), Broken> {
        if self.0.len() < 2 {
            self.0.extend(input.iter().copied().take(2 - self.0.len()));
            if matches!(self.0[..], [0xfe, 0xff] | [0xff, 0xfe] | [0, _] | [_, 0]) {
                return Err(Broken("a text in UTF-16"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_ascii_can_be_read_in() {
        for label in ["UTF-8", " us-ascii ", "ISO-8859-15", "windows-1252", "utf8"] {
            assert!(is_readable(label.as_bytes()), "{label}");
        }
        for label in ["utf-7", "utf-16", "shift_jis", "iso-2022-jp", "iso-8859-", "gbk", ""] {
            assert!(!is_readable(label.as_bytes()), "{label}");
        }
        assert_eq!(parameter(b"text/html; Charset = \"utf-7\"; x"), Some(&b"utf-7"[..]));
        assert_eq!(parameter(b"text/html"), None);
    }
}
