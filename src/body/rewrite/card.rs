//! vCard (RFC 6350, and 2.1 with its quoted-printable values) and iCalendar (RFC 5545). A property that has the
//! name of a field is a value; `TEL` is `tel` or `phone`. All other values and all parameters are searched.
//!
//! Lines are looked at with their folds undone. A line in which something is hidden is written on one line, every
//! other as it came.

use std::borrow::Cow;

use super::{Broken, Rewrite, charset};
use crate::masking::{Escapes, FieldId, Masker, Plan, Wrote};

/// The longest line, with its folds.
const LONGEST: usize = 64 << 10;

/// Rewrites cards or a calendar.
#[derive(Debug, Default)]
pub struct Card {
    start: charset::Start,
    /// A line that may go on.
    line: Vec<u8>,
}

impl Card {
    /// Cards, or a calendar.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn end_line(&mut self, masker: &mut Masker, out: &mut Vec<u8>) {
        rewrite(&self.line, masker, out);
        self.line.clear();
    }

    /// Whether the line is whole when `next` follows.
    fn ends_before(&self, next: u8) -> bool {
        self.line.ends_with(b"\n") && !matches!(next, b' ' | b'\t') && !is_soft(&self.line)
    }
}

impl Rewrite for Card {
    fn write(&mut self, mut input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.start.check(input)?;
        while let Some(&next) = input.first() {
            if self.ends_before(next) {
                self.end_line(masker, out);
            }
            let (now, later) = input.split_at(memchr::memchr(b'\n', input).map_or(input.len(), |at| at + 1));
            self.line.extend_from_slice(now);
            if self.line.len() > LONGEST {
                return Err(Broken("a line over 64 KiB"));
            }
            input = later;
        }
        Ok(())
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.end_line(masker, out);
        Ok(())
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a quoted-printable value goes on behind the end of the line.
fn is_soft(line: &[u8]) -> bool {
    without_end(line).ends_with(b"=") && is_quoted_printable(&line[..head_length(line).unwrap_or(0)])
}

fn is_quoted_printable(head: &[u8]) -> bool {
    const NAME: &[u8] = b"QUOTED-PRINTABLE";
    head.windows(NAME.len()).any(|w| w.eq_ignore_ascii_case(NAME))
}

/// Up to the `:` that is in no quotes.
fn head_length(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    line.iter().position(|b| {
        quoted ^= *b == b'"';
        *b == b':' && !quoted
    })
}

/// `item1.TEL;TYPE=home` is a field by `tel`.
fn field(head: &[u8], plan: &Plan) -> Option<FieldId> {
    let name = head.split(|b| *b == b';').next()?;
    let name = name.rsplit(|b| *b == b'.').next()?;
    let named = plan.places.named(std::str::from_utf8(name).ok()?);
    named.or_else(|| name.eq_ignore_ascii_case(b"tel").then(|| plan.places.named("phone")).flatten())
}

fn rewrite(raw: &[u8], masker: &mut Masker, out: &mut Vec<u8>) {
    let content = without_end(raw);
    let line = unfolded(content);
    let head = &line[..head_length(&line).unwrap_or(0)];
    let value = &line[head.len()..];
    let value = value.strip_prefix(b":").unwrap_or(value);
    let colon = line.len() - head.len() - value.len();
    let mut new = Vec::with_capacity(line.len());
    let in_head = masker.text(head, Escapes::None, b"", &mut new);
    new.extend_from_slice(&line[head.len()..head.len() + colon]);
    let field = field(head, masker.plan());
    let hide = |value: &[u8], masker: &mut Masker, out: &mut Vec<u8>| match field {
        Some(field) => masker.value(field, value, Escapes::Card, b"", out),
        None => masker.text(value, Escapes::Card, b"", out),
    };
    let in_value = if is_quoted_printable(head) {
        let mut plain = Vec::new();
        let wrote = hide(&decoded(value), masker, &mut plain);
        if wrote == Wrote::Mask {
            encode(&plain, &mut new);
        } else {
            new.extend_from_slice(value);
        }
        wrote
    } else {
        hide(value, masker, &mut new)
    };
    if in_head == Wrote::Same && in_value == Wrote::Same {
        // vCard 2.1 takes the blank of a fold for one of the text.
        masker.text(raw, Escapes::Card, b"", out);
    } else {
        out.extend_from_slice(&new);
        out.extend_from_slice(&raw[content.len()..]);
    }
}

/// Without line ends and the blank behind each; soft ones of quoted-printable stay.
fn unfolded(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut whole = Vec::with_capacity(line.len());
    for (i, part) in line.split(|b| *b == b'\n').enumerate() {
        let is_fold = i > 0 && matches!(part.first(), Some(b' ' | b'\t'));
        if is_fold && whole.ends_with(b"\r") {
            whole.pop();
        }
        if i > 0 && !is_fold {
            whole.push(b'\n');
        }
        whole.extend_from_slice(&part[usize::from(is_fold)..]);
    }
    Cow::Owned(whole)
}

fn decoded(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&b, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        rest = match (b, behind, code) {
            (b'=', [b'\r', b'\n', later @ ..] | [b'\n', later @ ..], _) => later,
            (b'=', [_, _, later @ ..], Some(code)) => {
                plain.push(code);
                later
            }
            _ => {
                plain.push(b);
                behind
            }
        };
    }
    plain
}

fn encode(plain: &[u8], out: &mut Vec<u8>) {
    for &b in plain {
        if matches!(b, b' '..=b'~') && b != b'=' {
            out.push(b);
        } else {
            out.extend_from_slice(format!("={b:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::body::rewrite::splits::every_split;
    use crate::masking::example::plan;

    #[test]
    fn lines_of_cards_and_calendars() {
        for (text, expected) in [
            (
                "BEGIN:VCARD\r\nNOTE:a folded\r\n  line\r\nTEL:12\r\nEND:VCARD\r\n",
                "BEGIN:VCARD\r\nNOTE:a folded\r\n  line\r\nTEL:XX\r\nEND:VCARD\r\n",
            ),
            ("item1.tel;TYPE=\"a:b\";x=y:+49-30\n 12\nX:12", "item1.tel;TYPE=\"a:b\";x=y:+XX-XXXX\nX:12"),
            ("EMAIL;TYPE=home:jo@example.com", "EMAIL;TYPE=home:j***@***.com"),
            (
                "ATTENDEE;CN=\"jo@example.com\":mailto:jo@exam\r\n\tple.com\r\n",
                "ATTENDEE;CN=\"j***@***.com\":mailto:j***@***.com\r\n",
            ),
            ("NOTE:Call +49 30\\, no: +49 30 231\n  25123\\n\n", "NOTE:Call +49 30\\, no: +XX XX XXX XXXXX\\n\n"),
            ("NOTE:x12\r\n +49 30 23125123\r\n", "NOTE:x12\r\n +XX XX XXXXXXXX\r\n"),
            ("CUSTOMER_NAME:Anna\\, S;\n", "CUSTOMER_NAME:[hidden]\n"),
            (
                "NOTE;ENCODING=QUOTED-PRINTABLE:=2B49 30 231=\r\n25123=C3=BC\r\nX:=\r\nY:1",
                "NOTE;ENCODING=QUOTED-PRINTABLE:+XX XX XXXXXXXX=C3=BC\r\nX:=\r\nY:1",
            ),
            ("no colon +49 30 23125123\n\n:\n", "no colon +XX XX XXXXXXXX\n\n:\n"),
        ] {
            let out = every_split(&|| Box::new(Card::new()), &Arc::new(plan(true)), text.as_bytes());
            assert_eq!(out.as_deref(), Ok(expected), "{text}");
        }
        let long = format!("PHOTO:{}", "x".repeat(LONGEST));
        let mut masker = Masker::new(Arc::new(plan(true)));
        assert!(Card::new().write(long.as_bytes(), &mut masker, &mut Vec::new()).is_err());
    }
}
