//! The JSON of a record.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::request::write_address;

/// JSON written straight into a buffer: no tree, no allocation.
pub(super) struct Line<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) first: bool,
}

// Inlined: names are written in the code, and copied then as the few words that they are.
#[allow(clippy::inline_always)]
impl Line<'_> {
    pub(super) fn open(&mut self) {
        self.out.push(b'{');
        self.first = true;
    }

    pub(super) fn close(&mut self) {
        self.out.push(b'}');
        self.first = false;
    }

    #[inline(always)]
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    #[inline(always)]
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.out.push(b'"');
        escape(value, self.out);
        self.out.push(b'"');
    }

    #[inline(always)]
    pub(super) fn number(&mut self, name: &str, value: impl Into<u64>) {
        write_number(value.into(), self.key(name).out);
    }

    pub(super) fn address(&mut self, name: &str, ip: IpAddr) {
        self.key(name).out.push(b'"');
        write_address(ip, self.out);
        self.out.push(b'"');
    }

    /// A value whose text needs no escapes.
    pub(super) fn shown(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = write!(self.key(name), "\"{value}\"");
    }

    #[inline(always)]
    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    #[inline(always)]
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.key(name);
        self.open();
        fill(self);
        self.close();
    }
}

impl std::fmt::Write for Line<'_> {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.out.extend_from_slice(s.as_bytes());
        Ok(())
    }
}

fn write_number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The longest text of one field: user names and ids come from outside.
const MAX_TEXT: usize = 256;

fn escape(value: &str, out: &mut Vec<u8>) {
    let value = &value[..value.floor_char_boundary(MAX_TEXT)];
    // Nearly every text is plain.
    let plain = |b: &u8| matches!(b, b' '..=b'~') && *b != b'"' && *b != b'\\';
    // Counting does not stop at the first: the compiler looks at many bytes at once.
    if value.bytes().filter(plain).count() == value.len() {
        return out.extend_from_slice(value.as_bytes());
    }
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            c if c < ' '
                || c == '\u{7f}'
                || ('\u{80}'..'\u{a0}').contains(&c)
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                // A Vec takes every write.
                let _ = std::io::Write::write_fmt(out, format_args!("\\u{:04x}", c as u32));
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
