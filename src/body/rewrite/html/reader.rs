//! Tells text from markup as the HTML standard's tokeniser does (13.2.5), in pieces of any size: what cannot be told
//! yet is read when more of the page is there.

use lol_html::html_content::TextType;
use memchr::{memchr, memchr2, memchr3};

use super::tokens::{LONGEST, Seen, TOO_LONG, Token};
use super::tree::{Behind, Tree};
use crate::body::rewrite::Broken;

/// How text is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Data,
    /// Up to the end tag of that name.
    Until(&'static [u8], TextType),
    /// In a script, behind `<!--`: whether in a script within it, and how many hyphens stand before.
    Escaped(bool, usize),
    Cdata,
    Plain,
}

/// Markup that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    StartTag(Part),
    EndTag(Part),
    Comment,
    /// What is no comment, and is read as one up to the next `>`.
    Bogus,
    Doctype,
}

/// Where in a tag it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Between,
    AttributeName,
    BehindName,
    BeforeValue,
    Quoted(u8),
    Unquoted,
}

/// What stands at a `<`.
enum At {
    Text,
    /// That depends on what follows.
    Unknown,
    Markup(Open),
    /// `</>`, which is left out, and what is read on behind `<![CDATA[`.
    Nothing(usize, Mode),
}

/// Reads one page.
#[derive(Debug, Default)]
pub(super) struct Reader {
    mode: Mode,
    /// In the page.
    at: usize,
    /// Where markup begins that has not ended.
    open: Option<(Open, usize)>,
    /// Whether a text was told of that may go on.
    in_text: bool,
    tree: Tree,
}

/// The bytes at hand, by their places in the page.
#[derive(Clone, Copy)]
struct Bytes<'b> {
    all: &'b [u8],
    base: usize,
    is_end: bool,
}

impl<'b> Bytes<'b> {
    fn end(self) -> usize {
        self.base + self.all.len()
    }

    fn from(self, at: usize) -> &'b [u8] {
        self.all.get(at - self.base..).unwrap_or_default()
    }

    fn slice(self, start: usize, end: usize) -> &'b [u8] {
        self.all.get(start - self.base..end - self.base).unwrap_or_default()
    }
}

impl Reader {
    /// Reads what is behind what was read. `all` begins at `base`, which is not behind what was told.
    pub(super) fn read(&mut self, all: &[u8], base: usize, is_end: bool, seen: &mut Seen) -> Result<(), Broken> {
        let bytes = Bytes { all, base, is_end };
        loop {
            let goes_on = match self.open {
                Some((open, start)) => self.markup(open, start, bytes, seen)?,
                None => self.text(bytes, seen),
            };
            if !goes_on {
                break;
            }
        }
        if let Some((open, start)) = self.open {
            if bytes.end() - start > LONGEST {
                return Err(TOO_LONG);
            }
            if is_end {
                self.close(open, start, bytes.end(), seen);
            }
        }
        if is_end {
            self.end_text(seen);
        }
        Ok(())
    }

    /// Reads a text up to markup; whether there is any.
    fn text(&mut self, bytes: Bytes<'_>, seen: &mut Seen) -> bool {
        let kind = self.kind();
        let mut goes_on = false;
        while let Some(at) = self.next_sign(bytes) {
            match self.sign(bytes.from(at), bytes.is_end) {
                At::Text => continue,
                At::Unknown => self.at = at,
                At::Markup(open) => {
                    self.open = Some((open, at));
                    self.at = at;
                    goes_on = true;
                }
                At::Nothing(length, mode) => {
                    self.tell_text(kind, at, seen);
                    self.end_text(seen);
                    (self.at, self.mode) = (at + length, mode);
                    seen.told = self.at;
                    return true;
                }
            }
            break;
        }
        self.tell_text(kind, self.at, seen);
        if goes_on {
            self.end_text(seen);
        }
        goes_on
    }

    fn tell_text(&mut self, kind: TextType, end: usize, seen: &mut Seen) {
        if end > seen.told {
            seen.text(kind, end, false);
            self.in_text = true;
        }
    }

    fn end_text(&mut self, seen: &mut Seen) {
        if std::mem::take(&mut self.in_text) {
            // The kind counts only where it is told already.
            seen.text(self.kind(), seen.told, true);
        }
    }

    fn kind(&self) -> TextType {
        match self.mode {
            Mode::Data => TextType::Data,
            Mode::Until(_, kind) => kind,
            Mode::Escaped(..) => TextType::ScriptData,
            Mode::Cdata => TextType::CDataSection,
            Mode::Plain => TextType::PlainText,
        }
    }

    /// The next place at which the text may end; without one, all is text.
    fn next_sign(&mut self, bytes: Bytes<'_>) -> Option<usize> {
        if let Mode::Escaped(double, hyphens) = self.mode {
            return self.next_in_script(bytes, double, hyphens);
        }
        let rest = bytes.from(self.at);
        let found = match self.mode {
            Mode::Plain => None,
            Mode::Cdata => memchr(b']', rest),
            _ => memchr(b'<', rest),
        };
        let Some(found) = found else {
            self.at = bytes.end();
            return None;
        };
        let at = self.at + found;
        self.at = at + 1;
        Some(at)
    }

    /// In a script behind `<!--`, which ends with `-->`.
    fn next_in_script(&mut self, bytes: Bytes<'_>, double: bool, mut hyphens: usize) -> Option<usize> {
        while let Some(found) = memchr3(b'-', b'>', b'<', bytes.from(self.at)) {
            let at = self.at + found;
            if found > 0 {
                hyphens = 0;
            }
            self.at = at + 1;
            match bytes.from(at)[0] {
                b'-' => hyphens += 1,
                b'>' if hyphens >= 2 => {
                    self.mode = SCRIPT;
                    return self.next_sign(bytes);
                }
                b'>' => hyphens = 0,
                _ => {
                    // If more is needed to tell what it is, it is looked at once more, and hyphens do not count then.
                    self.mode = Mode::Escaped(double, 0);
                    return Some(at);
                }
            }
        }
        if self.at < bytes.end() {
            hyphens = 0;
        }
        self.at = bytes.end();
        self.mode = Mode::Escaped(double, hyphens);
        None
    }

    /// What `rest` begins with, which is behind its first byte when it is text.
    fn sign(&mut self, rest: &[u8], is_end: bool) -> At {
        match self.mode {
            Mode::Data => data(rest, is_end, self.tree.has_cdata()),
            Mode::Plain => At::Text,
            Mode::Cdata => match begins(rest, b"]]>", is_end) {
                Some(true) => At::Nothing(3, Mode::Data),
                Some(false) => At::Text,
                None => At::Unknown,
            },
            Mode::Until(name, kind) => {
                if kind == TextType::ScriptData && rest.get(1) == Some(&b'!') {
                    return match begins(rest, b"<!--", is_end) {
                        Some(true) => {
                            self.at += 3;
                            self.mode = Mode::Escaped(false, 2);
                            At::Text
                        }
                        Some(false) => At::Text,
                        None => At::Unknown,
                    };
                }
                end_tag(rest, name, is_end)
            }
            Mode::Escaped(double, _) => self.sign_in_script(rest, double, is_end),
        }
    }

    fn sign_in_script(&mut self, rest: &[u8], double: bool, is_end: bool) -> At {
        if double {
            return match end_tag(rest, b"script", is_end) {
                At::Markup(_) => {
                    self.at += b"/script".len() + 1;
                    self.mode = Mode::Escaped(false, 0);
                    At::Text
                }
                other => other,
            };
        }
        match begins_tag(rest, b"script", is_end) {
            Some(true) => {
                self.at += b"script".len() + 1;
                self.mode = Mode::Escaped(true, 0);
                At::Text
            }
            Some(false) => end_tag(rest, b"script", is_end),
            None => At::Unknown,
        }
    }

    /// Reads markup; whether it ended.
    fn markup(&mut self, open: Open, start: usize, bytes: Bytes<'_>, seen: &mut Seen) -> Result<bool, Broken> {
        let end = match open {
            Open::StartTag(part) | Open::EndTag(part) => match self.tag(part, start, bytes) {
                Ok(end) => Some(end),
                Err(part) => {
                    let open = if matches!(open, Open::EndTag(_)) { Open::EndTag(part) } else { Open::StartTag(part) };
                    self.open = Some((open, start));
                    None
                }
            },
            Open::Comment => self.comment_end(start, bytes),
            Open::Bogus | Open::Doctype => memchr(b'>', bytes.from(self.at)).map(|found| self.at + found + 1),
        };
        let Some(end) = end else {
            self.at = bytes.end();
            return Ok(false);
        };
        if end - start > LONGEST {
            return Err(TOO_LONG);
        }
        self.close(open, start, end, seen);
        if matches!(open, Open::StartTag(_) | Open::EndTag(_)) {
            seen.whole.push((start, end));
        }
        match open {
            Open::StartTag(_) => {
                self.mode = match self.tree.start(bytes.slice(start, end))? {
                    Behind::Data => Mode::Data,
                    Behind::Until(name, kind) => Mode::Until(name, kind),
                    Behind::Plain => Mode::Plain,
                };
            }
            Open::EndTag(_) => {
                self.tree.end(bytes.slice(start, end));
                self.mode = Mode::Data;
            }
            Open::Comment | Open::Bogus | Open::Doctype => {}
        }
        Ok(true)
    }

    fn close(&mut self, open: Open, start: usize, end: usize, seen: &mut Seen) {
        if matches!(open, Open::Comment | Open::Bogus) {
            seen.tokens.push(Token { text: None, start, end, last: true });
        }
        self.open = None;
        (self.at, seen.told) = (end, end);
    }

    /// The end of a tag; or where in it the bytes end.
    fn tag(&mut self, mut part: Part, start: usize, bytes: Bytes<'_>) -> Result<usize, Part> {
        let all = bytes.all;
        // Behind `<`, and where there is one behind `/`: neither is in a name.
        let mut at = (self.at - bytes.base).max(start - bytes.base + 2);
        let is_blank = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
        let mut slow = at;
        while let Some(&b) = all.get(at) {
            // Before a value quotes mean nothing, and nearly every one of these bytes is a name's.
            if at >= slow && !matches!(part, Part::BeforeValue | Part::Unquoted | Part::Quoted(_)) {
                let rest = &all[at..];
                match memchr2(b'>', b'=', rest) {
                    Some(found) if rest[found] == b'>' => return Ok(bytes.base + at + found + 1),
                    Some(found) if ends_with_name(part, &rest[..found]) => {
                        at += found + 1;
                        part = Part::BeforeValue;
                        continue;
                    }
                    Some(found) => slow = at + found + 1,
                    None => slow = all.len(),
                }
            }
            part = match (part, b) {
                (Part::Quoted(quote), _) => match memchr(quote, &all[at..]) {
                    Some(found) => {
                        at += found;
                        Part::Between
                    }
                    None => return Err(part),
                },
                (_, b'>') => return Ok(bytes.base + at + 1),
                (Part::BeforeValue, b'"' | b'\'') => Part::Quoted(b),
                (Part::BeforeValue, b) if is_blank(b) => part,
                (Part::BeforeValue, _) => Part::Unquoted,
                (Part::AttributeName | Part::BehindName, b'=') => Part::BeforeValue,
                (Part::AttributeName | Part::BehindName, b) if is_blank(b) => Part::BehindName,
                (Part::Name | Part::Unquoted | Part::Between, b) if is_blank(b) => Part::Between,
                (Part::Unquoted, _) => Part::Unquoted,
                (_, b'/') => Part::Between,
                (Part::Name, _) => Part::Name,
                (Part::Between | Part::BehindName | Part::AttributeName, _) => Part::AttributeName,
            };
            at += 1;
        }
        Err(part)
    }

    /// A comment ends with `-->` or `--!>`; the hyphens of the former may be those of its start.
    fn comment_end(&self, start: usize, bytes: Bytes<'_>) -> Option<usize> {
        let mut from = self.at.max(start + 4);
        while let Some(found) = memchr(b'>', bytes.from(from)) {
            let at = from + found;
            let whole = bytes.slice(start, at);
            if whole.get(2..).is_some_and(|w| w.ends_with(b"--")) || whole.get(4..).is_some_and(|w| w.ends_with(b"--!"))
            {
                return Some(at + 1);
            }
            from = at + 1;
        }
        None
    }
}

/// Whether what stands before a `=` surely ends with the name of an attribute; `part` is what it begins in.
fn ends_with_name(part: Part, before: &[u8]) -> bool {
    let Some(&last) = before.last() else { return false };
    let in_attributes = part != Part::Name || before.iter().any(|b| matches!(b, b' ' | b'\n'));
    in_attributes && (last.is_ascii_alphanumeric() || matches!(last, b'-' | b'_' | b':'))
}

const SCRIPT: Mode = Mode::Until(b"script", TextType::ScriptData);

/// What stands at a `<` between elements.
fn data(rest: &[u8], is_end: bool, has_cdata: bool) -> At {
    match *rest {
        [_, b'a'..=b'z' | b'A'..=b'Z', ..] => At::Markup(Open::StartTag(Part::Name)),
        [_, b'/', b'a'..=b'z' | b'A'..=b'Z', ..] => At::Markup(Open::EndTag(Part::Name)),
        [_, b'/', b'>', ..] => At::Nothing(3, Mode::Data),
        [_, b'/', _, ..] | [_, b'?', ..] => At::Markup(Open::Bogus),
        [_, b'!', ..] => {
            let upper = rest[..rest.len().min(9)].to_ascii_uppercase();
            let known: [(&[u8], &[u8], At); 3] = [
                (rest, b"<!--", At::Markup(Open::Comment)),
                (&upper, b"<!DOCTYPE", At::Markup(Open::Doctype)),
                (rest, b"<![CDATA[", if has_cdata { At::Nothing(9, Mode::Cdata) } else { At::Markup(Open::Bogus) }),
            ];
            for (rest, start, what) in known {
                match begins(rest, start, is_end) {
                    Some(true) => return what,
                    Some(false) => {}
                    None => return At::Unknown,
                }
            }
            At::Markup(Open::Bogus)
        }
        [_] | [_, b'/'] if !is_end => At::Unknown,
        _ => At::Text,
    }
}

/// The end tag of that name, which ends a text.
fn end_tag(rest: &[u8], name: &[u8], is_end: bool) -> At {
    match rest.get(1) {
        Some(b'/') => {}
        None if !is_end => return At::Unknown,
        _ => return At::Text,
    }
    match begins_tag(&rest[1..], name, is_end) {
        Some(true) => At::Markup(Open::EndTag(Part::Name)),
        Some(false) => At::Text,
        None => At::Unknown,
    }
}

/// Whether a `<` or `/` is followed by that name and what ends a name.
fn begins_tag(rest: &[u8], name: &[u8], is_end: bool) -> Option<bool> {
    let behind = &rest[1..];
    if let Some(b) = behind.get(name.len()) {
        let ends = matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>');
        return Some(ends && behind[..name.len()].eq_ignore_ascii_case(name));
    }
    (is_end || !name[..behind.len()].eq_ignore_ascii_case(behind)).then_some(false)
}

/// Whether a text begins so; `None` when that depends on what follows.
fn begins(rest: &[u8], start: &[u8], is_end: bool) -> Option<bool> {
    if rest.starts_with(start) { Some(true) } else { (is_end || !start.starts_with(rest)).then_some(false) }
}

#[cfg(test)]
mod tests;
