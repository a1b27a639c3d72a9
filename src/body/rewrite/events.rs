//! Server-sent events (HTML 9.2). Each is looked at when it is whole, and passes at once: its `data` lines put
//! together, as JSON where it begins as JSON does, and every other line as text. An event in which nothing is
//! hidden passes as it came; in another the data is written anew. One without its end is no event.

use std::sync::Arc;

use super::json::{Json, Rules};
use super::{Broken, Rewrite, charset};
use crate::masking::{Escapes, Masker};

/// The longest event.
const LONGEST: usize = 256 << 10;

/// Rewrites a stream of events.
#[derive(Debug)]
pub struct Events {
    start: charset::Start,
    json: Arc<Rules>,
    /// An event that has no end yet.
    event: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    /// Whether the last byte was a CR: a LF behind it ends the same line.
    behind_cr: bool,
}

impl Events {
    /// A stream whose JSON is masked by the rules of `json`.
    #[must_use]
    pub fn new(json: Arc<Rules>) -> Self {
        Self { start: charset::Start::default(), json, event: Vec::new(), line: 0, behind_cr: false }
    }

    /// The end of a line was added; `is_lf` when it belongs to the CR before it.
    fn end_line(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let is_empty = self.line + 1 == self.event.len();
        self.line = self.event.len();
        if is_empty {
            rewrite(&self.event, &self.json, masker, out)?;
            self.event.clear();
            self.line = 0;
        }
        Ok(())
    }
}

impl Rewrite for Events {
    fn write(&mut self, mut input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.start.check(input)?;
        while !input.is_empty() {
            if std::mem::take(&mut self.behind_cr) && input[0] == b'\n' {
                if self.event.is_empty() {
                    out.push(b'\n');
                } else {
                    self.event.push(b'\n');
                    self.line += 1;
                }
                input = &input[1..];
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', input);
            let (now, later) = input.split_at(end.map_or(input.len(), |at| at + 1));
            self.event.extend_from_slice(now);
            if self.event.len() > LONGEST {
                return Err(Broken("an event over 256 KiB"));
            }
            if end.is_some() {
                self.behind_cr = now.ends_with(b"\r");
                self.end_line(masker, out)?;
            }
            input = later;
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Masker, _: &mut Vec<u8>) -> Result<(), Broken> {
        self.event.clear();
        Ok(())
    }
}

/// A line, and what ends it.
fn lines(event: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = event;
    std::iter::from_fn(move || {
        let at = memchr::memchr2(b'\r', b'\n', rest)?;
        let end = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        let (line, later) = (&rest[..at], &rest[at..]);
        rest = &later[end..];
        Some((line, &later[..end]))
    })
}

/// What a line adds to the data.
fn data(line: &[u8]) -> Option<&[u8]> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let rest = line.strip_prefix(MARK).unwrap_or(line).strip_prefix(b"data")?;
    let Some(value) = rest.strip_prefix(b":") else { return rest.is_empty().then_some(rest) };
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

fn rewrite(event: &[u8], json: &Arc<Rules>, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
    let joined = lines(event).filter_map(|(line, _)| data(line)).collect::<Vec<_>>().join(&b'\n');
    let masked = if matches!(joined.trim_ascii_start().first(), Some(b'{' | b'[')) {
        mask_json(&joined, json, masker)?
    } else {
        let mut masked = Vec::with_capacity(joined.len());
        masker.text(&joined, Escapes::None, b"", &mut masked);
        masked
    };
    let mut new = (masked != joined).then_some(masked);
    let is_changed = new.is_some();
    for (line, end) in lines(event) {
        if data(line).is_none() {
            masker.text(line, Escapes::None, b"", out);
            out.extend_from_slice(end);
        } else if !is_changed {
            out.extend_from_slice(line);
            out.extend_from_slice(end);
        } else if let Some(new) = new.take() {
            for line in new.split(|b| matches!(b, b'\n' | b'\r')) {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line);
                out.extend_from_slice(end);
            }
        }
    }
    Ok(())
}

fn mask_json(text: &[u8], rules: &Arc<Rules>, masker: &mut Masker) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::with_capacity(text.len());
    let mut json = Json::new(rules.clone());
    json.write(text, masker, &mut out)?;
    json.finish(masker, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::rewrite::splits::every_split;
    use crate::masking::example::plan;

    #[test]
    fn events() {
        let plan = Arc::new(plan(true));
        let rules = Arc::new(Rules::of(&plan));
        let new = || -> Box<dyn Rewrite> { Box::new(Events::new(rules.clone())) };
        for (text, expected) in [
            ("data: {\"phone\":\"12\"}\n\n", "data: {\"phone\":\"XX\"}\n\n"),
            (": hi\n\ndata: +49 30 23125123\n\n", ": hi\n\ndata: +XX XX XXXXXXXX\n\n"),
            (
                "event: x\r\ndata:{\"a\":\r\nid: 1\r\ndata: \"\\u002b49 30 23125123\"}\r\n\r\nretry: 1\r\n\r\n",
                "event: x\r\ndata: {\"a\":\r\ndata: \"+XX XX XXXXXXXX\"}\r\nid: 1\r\n\r\nretry: 1\r\n\r\n",
            ),
            ("data: a\ndata: +49 30 23125123\n\n", "data: a\ndata: +XX XX XXXXXXXX\n\n"),
            ("data\rdata:a \r\r\ndata:  b\n\n\r\n", "data\rdata:a \r\r\ndata:  b\n\n\r\n"),
            ("id: jo@example.com\n\n", "id: j***@***.com\n\n"),
            ("\u{feff}data: +49 30 23125123\n\n", "data: +XX XX XXXXXXXX\n\n"),
            ("data: x\n\ndata: 49 30 no end\n", "data: x\n\n"),
        ] {
            let out = every_split(&new, &plan, text.as_bytes());
            assert_eq!(out.as_deref(), Ok(expected), "{text:?}");
        }
        assert!(every_split(&new, &plan, b"data: {phone: 12}\n\n").is_err());
    }

    /// Whoever waits for an event gets it with its last byte.
    #[test]
    fn nothing_is_held_back() {
        let mut masker = Masker::new(Arc::new(plan(true)));
        let mut out = Vec::new();
        let mut events = Events::new(Arc::new(Rules::of(&plan(true))));
        for (piece, length) in [(&b"data: a\r"[..], 0), (b"\r", 9), (b"\n", 10), (b"data: b\n", 10), (b"\n", 19)] {
            events.write(piece, &mut masker, &mut out).unwrap();
            assert_eq!(out.len(), length);
        }
        assert!(events.write(&vec![b'x'; LONGEST + 1], &mut masker, &mut out).is_err());
    }
}
