//! Plain text. A line `Name: value` whose name is that of a field is a value, with the lines behind it that begin
//! with a blank; all else is searched, a paragraph at a time.

use super::{Broken, Rewrite, charset};
use crate::masking::{Escapes, FieldId, Masker, Region};

/// The longest name of a field, with blanks around it.
const LONGEST_NAME: usize = 128;

/// Rewrites a text.
#[derive(Debug, Default)]
pub struct Text {
    start: charset::Start,
    at: At,
    /// The start of a line of which it is not known whether it has a name; or the end of one that has.
    held: Vec<u8>,
    region: Option<Region>,
}

/// Where in a line we are.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// Where a name may be.
    #[default]
    Name,
    /// In a line without one.
    Rest,
    /// Between a name and its value.
    Before(FieldId),
    /// In a value.
    Value,
    /// Behind a line of a value: a blank goes on with it.
    Behind,
}

impl Text {
    /// A text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes something off the front of `rest`.
    fn step(&mut self, rest: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> usize {
        match self.at {
            At::Name => self.name(rest, masker, out),
            At::Rest => {
                let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                self.push(&rest[..length], masker, out);
                if rest[..length].ends_with(b"\n") {
                    self.at = At::Name;
                }
                length
            }
            At::Before(field) => {
                let length = rest.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..length]);
                if length < rest.len() {
                    let place = std::mem::take(&mut self.held);
                    self.region = Some(Region::new(Some(field), Escapes::None, &place));
                    self.at = At::Value;
                }
                length
            }
            At::Value => self.value(rest, masker, out),
            At::Behind => {
                let line_end = std::mem::take(&mut self.held);
                if matches!(rest[0], b' ' | b'\t') {
                    self.push(&line_end, masker, out);
                    self.at = At::Value;
                } else {
                    self.end_region(masker, out);
                    out.extend_from_slice(&line_end);
                    self.at = At::Name;
                }
                0
            }
        }
    }

    fn name(&mut self, rest: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> usize {
        let most = rest.len().min(LONGEST_NAME - self.held.len());
        let found = rest[..most].iter().position(|b| matches!(b, b':' | b'\n'));
        let length = found.map_or(most, |at| at + 1);
        self.held.extend_from_slice(&rest[..length]);
        let name = self.held.strip_suffix(b":").unwrap_or_default();
        let name = std::str::from_utf8(name).unwrap_or_default().trim();
        if let Some(field) = masker.plan().places.named(name).filter(|_| !name.is_empty()) {
            let place = name.as_bytes().to_vec();
            // `+49 30 23125123[tel:` is a name too: it is searched like what stands before it.
            let line = std::mem::take(&mut self.held);
            self.push(&line, masker, out);
            self.end_region(masker, out);
            (self.held, self.at) = (place, At::Before(field));
        } else if found.is_some() || self.held.len() == LONGEST_NAME {
            let line = std::mem::take(&mut self.held);
            let ends = line.ends_with(b"\n");
            self.push(&line, masker, out);
            self.at = if ends { At::Name } else { At::Rest };
            if ends && line.trim_ascii().is_empty() {
                self.end_region(masker, out);
            }
        }
        length
    }

    fn value(&mut self, rest: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> usize {
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        if end > 0 {
            // The CR was one inside of a line.
            let before = std::mem::take(&mut self.held);
            self.push(&before, masker, out);
            self.push(&rest[..end], masker, out);
            return end;
        }
        self.held.push(rest[0]);
        if rest[0] == b'\n' {
            self.at = At::Behind;
        }
        1
    }

    fn push(&mut self, raw: &[u8], masker: &mut Masker, out: &mut Vec<u8>) {
        self.region.get_or_insert_with(|| Region::new(None, Escapes::None, b"")).push(raw, masker, out);
    }

    fn end_region(&mut self, masker: &mut Masker, out: &mut Vec<u8>) {
        if let Some(region) = self.region.take() {
            region.end(masker, out);
        }
    }
}

impl Rewrite for Text {
    fn write(&mut self, mut input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.start.check(input)?;
        while !input.is_empty() {
            input = &input[self.step(input, masker, out)..];
        }
        Ok(())
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let held = std::mem::take(&mut self.held);
        match self.at {
            At::Name | At::Rest => {
                self.push(&held, masker, out);
                self.end_region(masker, out);
            }
            // What is held is the name, which is written.
            At::Before(_) => {}
            At::Value | At::Behind => {
                self.end_region(masker, out);
                out.extend_from_slice(&held);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::body::rewrite::splits::every_split;
    use crate::masking::example::plan;

    #[test]
    fn lines_with_names_and_others() {
        let long = format!("{}\nPhone: 12\n", "x".repeat(300));
        for (text, expected) in [
            ("Call\n+49 30 23125123\nnow\n", "Call\n+XX XX XXXXXXXX\nnow\n"),
            ("RT/4.4.3 200 Ok\n\nPhone: 12\nid: 12\n", "RT/4.4.3 200 Ok\n\nPhone: XX\nid: 12\n"),
            ("phone:  12\r\n  34\r\n\t56\r\nTel :\t7", "phone:  XX\r\n  XX\r\n\tXX\r\nTel :\tX"),
            ("Customer_Name: Anna\r\n S\r\nId: Anna", "Customer_Name: [hidden]\r\nId: Anna"),
            ("Phone:\n 12\nPhone:\r\nPhone: ", "Phone:\n XX\nPhone:\r\nPhone: "),
            ("Phone: 1\r2\r\n\n12", "Phone: X\rX\r\n\n12"),
            ("Gr\u{fc}\u{df}e: jo@example.com\n:x\n::", "Gr\u{fc}\u{df}e: j***@***.com\n:x\n::"),
            (&long, &long.replace("12", "XX")),
            ("+49 30 23125123 [tel: 12", "+XX XX XXXXXXXX [tel: XX"),
        ] {
            let out = every_split(&|| Box::new(Text::new()), &Arc::new(plan(true)), text.as_bytes());
            assert_eq!(out.as_deref(), Ok(expected), "{text}");
        }
    }
}
