//! XML, RSS and Atom. Texts, CDATA, attributes and comments are searched; elements and attributes that have the
//! name of a field, without their prefix, are values, and so is all text inside of such an element.
//!
//! What a parser would refuse, or read as something that is not written there, is not sent: a tag that is no tag,
//! an end that does not come, entities of the document's own, charsets in which ASCII is not ASCII.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::{Broken, Rewrite, charset};
use crate::masking::{Escapes, FieldId, Masker, Region};

/// The longest tag or comment.
const LONGEST: usize = 64 << 10;
/// The most elements inside of each other.
const DEEPEST: usize = 1_000;

const CDATA: &[u8] = b"<![CDATA[";

/// Rewrites a document.
#[derive(Debug, Default)]
pub struct Xml {
    start: charset::Start,
    /// Markup that has no end yet.
    held: Vec<u8>,
    /// The fields of the elements that are open, those around them included.
    open: Vec<Option<FieldId>>,
    /// A text that goes on.
    region: Option<Region>,
    in_cdata: bool,
}

/// What stands at a place.
enum Piece {
    Text(usize),
    /// A part of a CDATA section, and whether it is the last.
    Cdata(usize, bool),
    CdataStart,
    Comment(usize),
    Instruction(usize),
    Doctype(usize),
    EndTag(usize),
    StartTag(usize),
    /// More is needed to tell than what is there.
    Unknown(usize),
}

impl Piece {
    /// How long the markup is that has to be held until its end is there.
    fn markup(&self) -> Option<usize> {
        match self {
            Self::Text(_) | Self::Cdata(..) | Self::CdataStart => None,
            Self::Comment(length)
            | Self::Instruction(length)
            | Self::Doctype(length)
            | Self::EndTag(length)
            | Self::StartTag(length)
            | Self::Unknown(length) => Some(*length),
        }
    }
}

impl Xml {
    /// A document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rewrite(&mut self, all: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut at = 0;
        while at < all.len() {
            let rest = &all[at..];
            let piece = if self.in_cdata { in_cdata(rest) } else { piece(rest)? };
            if piece.markup().is_some_and(|length| length > LONGEST) {
                return Err(Broken("a tag or comment over 64 KiB"));
            }
            if !matches!(piece, Piece::Text(_) | Piece::Cdata(..) | Piece::Unknown(_)) {
                self.end_text(masker, out);
            }
            at += match piece {
                Piece::Unknown(_) => break,
                Piece::Text(length) => {
                    self.text(&rest[..length], Escapes::Html, masker, out);
                    length
                }
                Piece::Cdata(length, last) => {
                    self.text(&rest[..length], Escapes::None, masker, out);
                    self.in_cdata = !last;
                    if last {
                        self.end_text(masker, out);
                        out.extend_from_slice(b"]]>");
                    }
                    length + if last { 3 } else { 0 }
                }
                Piece::CdataStart => {
                    out.extend_from_slice(CDATA);
                    self.in_cdata = true;
                    CDATA.len()
                }
                Piece::Comment(length) => {
                    out.extend_from_slice(b"<!--");
                    masker.text(&rest[4..length - 3], Escapes::Html, b"", out);
                    out.extend_from_slice(b"-->");
                    length
                }
                Piece::Instruction(length) => {
                    check_encoding(&rest[..length])?;
                    masker.text(&rest[..length], Escapes::None, b"", out);
                    length
                }
                Piece::Doctype(length) => {
                    masker.text(&rest[..length], Escapes::None, b"", out);
                    length
                }
                Piece::EndTag(length) => {
                    self.open.pop().ok_or(Broken("an end tag of nothing"))?;
                    masker.text(&rest[..length], Escapes::None, b"", out);
                    length
                }
                Piece::StartTag(length) => {
                    self.start_tag(&rest[..length], masker, out)?;
                    length
                }
            };
        }
        Ok(at)
    }

    fn text(&mut self, raw: &[u8], escapes: Escapes, masker: &mut Masker, out: &mut Vec<u8>) {
        let field = self.open.last().copied().flatten();
        self.region.get_or_insert_with(|| Region::new(field, escapes, b"")).push(raw, masker, out);
    }

    fn end_text(&mut self, masker: &mut Masker, out: &mut Vec<u8>) {
        if let Some(region) = self.region.take() {
            region.end(masker, out);
        }
    }

    fn start_tag(&mut self, tag: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let named = |name: Range<usize>, masker: &Masker| {
            masker.plan().places.named(std::str::from_utf8(local(&tag[name])).ok()?)
        };
        let mut at = 1 + name_length(&tag[1..]);
        let element = 1..at;
        let mut done = 0;
        loop {
            let blank = blanks(&tag[at..]);
            at += blank;
            match &tag[at..] {
                b">" | b"/>" => break,
                _ if blank == 0 => return Err(Broken("a tag that is none")),
                _ => {}
            }
            let (name, value) = attribute(tag, at)?;
            at = value.end + 1;
            out.extend_from_slice(&tag[done..value.start]);
            let raw = &tag[value.clone()];
            match named(name, masker) {
                Some(field) => masker.value(field, raw, Escapes::Html, b"", out),
                None => masker.text(raw, Escapes::Html, b"", out),
            };
            done = value.end;
        }
        out.extend_from_slice(&tag[done..]);
        if !tag.ends_with(b"/>") {
            if self.open.len() == DEEPEST {
                return Err(Broken("more than 1000 elements inside of each other"));
            }
            let around = self.open.last().copied().flatten();
            self.open.push(named(element, masker).or(around));
        }
        Ok(())
    }
}

impl Rewrite for Xml {
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.start.check(input)?;
        if self.held.is_empty() {
            let done = self.rewrite(input, masker, out)?;
            self.held.extend_from_slice(&input[done..]);
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(input);
            let done = self.rewrite(&all, masker, out)?;
            all.drain(..done);
            self.held = all;
        }
        Ok(())
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.in_cdata || !self.held.is_empty() {
            return Err(Broken("a document that ends inside of a tag, a comment or CDATA"));
        }
        self.end_text(masker, out);
        Ok(())
    }
}

fn in_cdata(rest: &[u8]) -> Piece {
    match memmem::find(rest, b"]]>") {
        Some(end) => Piece::Cdata(end, true),
        // The last two may be the start of its end.
        None if rest.len() > 2 => Piece::Cdata(rest.len() - 2, false),
        None => Piece::Unknown(rest.len()),
    }
}

fn piece(rest: &[u8]) -> Result<Piece, Broken> {
    let until = |from: usize, end: &[u8]| {
        memmem::find(rest.get(from..).unwrap_or_default(), end).map(|at| from + at + end.len())
    };
    let begins = |with: &[u8]| rest.len() < with.len() && with.starts_with(rest);
    let found = match rest {
        [b'<', b'!', ..] if rest.starts_with(b"<!--") => until(4, b"-->").map(Piece::Comment),
        [b'<', b'!', ..] if rest.starts_with(CDATA) => Some(Piece::CdataStart),
        [b'<', b'!', ..] if rest.starts_with(b"<!DOCTYPE") => markup_end(rest)?.map(Piece::Doctype),
        [b'<', b'!', ..] if [&b"<!--"[..], CDATA, b"<!DOCTYPE"].into_iter().any(begins) => None,
        [b'<', b'?', ..] => until(2, b"?>").map(Piece::Instruction),
        [b'<', b'/', ..] => markup_end(rest)?.map(Piece::EndTag),
        [b'<', first, ..] if starts_name(*first) => markup_end(rest)?.map(Piece::StartTag),
        [b'<'] => None,
        [b'<', ..] => return Err(Broken("a `<` that begins nothing")),
        _ => Some(Piece::Text(memchr(b'<', rest).unwrap_or(rest.len()))),
    };
    Ok(found.unwrap_or(Piece::Unknown(rest.len())))
}

/// Behind the `>` that is in no quotes.
fn markup_end(rest: &[u8]) -> Result<Option<usize>, Broken> {
    let mut at = 1;
    while let Some(&b) = rest.get(at) {
        match b {
            b'>' => return Ok(Some(at + 1)),
            b'<' => return Err(Broken("a `<` inside of a tag")),
            b'[' if rest[1] == b'!' => return Err(Broken("a document with entities of its own")),
            b'"' | b'\'' => match memchr2(b, b'<', &rest[at + 1..]) {
                Some(length) if rest[at + 1 + length] == b => at += length + 1,
                Some(_) => return Err(Broken("a `<` inside of a value")),
                None => return Ok(None),
            },
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}

fn starts_name(b: u8) -> bool {
    b.is_ascii_alphabetic() || matches!(b, b'_' | b':') || b >= 0x80
}

fn name_length(text: &[u8]) -> usize {
    let goes_on = |b: &u8| starts_name(*b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    text.iter().position(|b| !goes_on(b)).unwrap_or(text.len())
}

fn blanks(text: &[u8]) -> usize {
    text.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(text.len())
}

/// A name without its prefix.
fn local(name: &[u8]) -> &[u8] {
    name.iter().rposition(|b| *b == b':').map_or(name, |at| &name[at + 1..])
}

/// Name and value, without quotes, of the attribute at `at`.
fn attribute(tag: &[u8], at: usize) -> Result<(Range<usize>, Range<usize>), Broken> {
    const NONE: Broken = Broken("an attribute that is none");
    let name = at..at + name_length(&tag[at..]);
    let equals = name.end + blanks(&tag[name.end..]);
    if name.is_empty() || tag.get(equals) != Some(&b'=') {
        return Err(NONE);
    }
    let open = equals + 1 + blanks(&tag[equals + 1..]);
    let quote = *tag.get(open).filter(|b| matches!(b, b'"' | b'\'')).ok_or(NONE)?;
    let length = memchr(quote, &tag[open + 1..]).ok_or(NONE)?;
    Ok((name, open + 1..open + 1 + length))
}

/// The encoding that `<?xml ?>` declares.
fn check_encoding(instruction: &[u8]) -> Result<(), Broken> {
    let Some(declared) = instruction.strip_prefix(b"<?xml").filter(|rest| rest.starts_with(b" ")) else {
        return Ok(());
    };
    let Some(at) = memmem::find(declared, b"encoding") else { return Ok(()) };
    let value = declared[at + 8..].trim_ascii_start().strip_prefix(b"=").unwrap_or_default().trim_ascii_start();
    let label = value.split_first().and_then(|(quote, rest)| Some(&rest[..memchr(*quote, rest)?]));
    match label {
        Some(label) if charset::is_readable(label) => Ok(()),
        _ => Err(Broken("a document in an encoding that is not read")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::body::rewrite::splits::every_split;
    use crate::masking::example::plan;

    fn rewritten(document: &[u8]) -> Result<String, Broken> {
        every_split(&|| Box::new(Xml::new()), &Arc::new(plan(true)), document)
    }

    #[test]
    fn texts_and_values() {
        for (document, expected) in [
            (
                "<?xml version='1.0' encoding=\"UTF-8\"?>\r\n<!DOCTYPE rss><rss a = 'b'\n><x/></rss>\n",
                "<?xml version='1.0' encoding=\"UTF-8\"?>\r\n<!DOCTYPE rss><rss a = 'b'\n><x/></rss>\n",
            ),
            ("<a>Call +49 30 23125123 <b>now</b></a>", "<a>Call +XX XX XXXXXXXX <b>now</b></a>"),
            ("<a><![CDATA[<p>+49 30 23125123]] ]]></a>", "<a><![CDATA[<p>+XX XX XXXXXXXX]] ]]></a>"),
            ("<a><![CDATA[]]><!----><!-- jo@example.com --></a>", "<a><![CDATA[]]><!----><!-- j***@***.com --></a>"),
            ("<description>&lt;p&gt;&amp;#43;49 30 23125123", "<description>&lt;p&gt;+XX XX XXXXXXXX"),
            ("<c:Phone>12 34</c:Phone><d>12</d>", "<c:Phone>XX XX</c:Phone><d>12</d>"),
            ("<phone><home>12</home>3<x/>4</phone>5", "<phone><home>XX</home>X<x/>X</phone>5"),
            ("<phone><![CDATA[12]]></phone>", "<phone><![CDATA[XX]]></phone>"),
            ("<a x:phone='1\">2' b=\"&#43;49 30 23125123\"/>", "<a x:phone='X&quot;&gt;X' b=\"+XX XX XXXXXXXX\"/>"),
            (
                "<?x +49 30 23125123?><\u{fc}>Gr\u{fc}\u{df}e</\u{fc}>",
                "<?x +XX XX XXXXXXXX?><\u{fc}>Gr\u{fc}\u{df}e</\u{fc}>",
            ),
        ] {
            assert_eq!(rewritten(document.as_bytes()).as_deref(), Ok(expected), "{document}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_sent() {
        for document in [
            "<!DOCTYPE a [<!ENTITY p '+49 30'>]><a>&p; 23125123</a>",
            "<?xml version='1.0' encoding='UTF-7'?><a/>",
            "<?xml version='1.0' encoding=UTF-8?><a/>",
            "<a>1 < 2</a>",
            "<a",
            "<a>x<",
            "<!-- x --",
            "<a><![CDATA[x]]",
            "<a b='c>",
            "<a b=c>",
            "<a b>",
            "<a b='c'd='e'>",
            "<a b='<'>",
            "</a>",
            "<!ELEMENT a>",
        ] {
            assert!(rewritten(document.as_bytes()).is_err(), "{document}");
        }
        assert!(rewritten(b"<\0a\0>\0").is_err());
        let plan = Arc::new(plan(true));
        for (start, end) in [("<a b='", ""), ("<!--", ""), ("<?", ""), ("<a b='", "'>"), ("<!--", "-->"), ("<?", "?>")]
        {
            let (mut xml, mut masker) = (Xml::new(), Masker::new(plan.clone()));
            let long = start.to_owned() + &"x".repeat(LONGEST) + end;
            assert!(xml.write(long.as_bytes(), &mut masker, &mut Vec::new()).is_err());
        }
        assert!(Xml::new().write("<a>".repeat(1_001).as_bytes(), &mut Masker::new(plan), &mut Vec::new()).is_err());
    }
}
