//! Text as a format escapes it: read with its escapes undone, written with them.
//!
//! Links inside of texts have escapes of their own, and texts inside of JSON are often HTML: what a browser or
//! a script would undo is undone before anything is looked for, and every piece knows where it was.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use crate::text::{is_invisible, lanes};

mod references;
mod tags;
mod wide_blanks;

pub use references::read as character_reference;

/// How a format writes characters that mean something to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// As they are.
    None,
    /// JSON's, RFC 8259 section 7.
    Json,
    /// HTML's and XML's character references.
    Html,
    /// A quoted field of CSV, RFC 4180: `""`.
    Csv,
    /// vCard's and iCalendar's, RFC 6350 section 3.4: `\,`, `\;`, `\n`.
    Card,
}

/// A text with one layer of escapes less, and where its pieces were.
#[derive(Clone, Debug, Default)]
struct Layer {
    text: String,
    /// Behind each escape: the place in `text`, and in the layer around it.
    marks: Vec<(usize, usize)>,
}

impl Layer {
    fn escape(&mut self, c: char, end_outside: usize) {
        self.text.push(c);
        self.marks.push((self.text.len(), end_outside));
    }

    /// Where `range` was, and whether an escape is in it.
    fn outside(&self, range: &Range<usize>) -> (Range<usize>, bool) {
        let of = |at: usize| {
            let before = self.marks.partition_point(|(inside, _)| *inside <= at);
            before.checked_sub(1).map_or(at, |i| {
                let (inside, outside) = self.marks[i];
                outside + (at - inside)
            })
        };
        let first = self.marks.partition_point(|(inside, _)| *inside <= range.start);
        let escaped = self.marks.get(first).is_some_and(|(inside, _)| *inside <= range.end);
        (of(range.start)..of(range.end), escaped)
    }
}

/// The bytes of a text, and what they say.
pub(super) struct Unescaped<'r> {
    plain: Cow<'r, str>,
    /// From the format's own escapes inwards.
    layers: Vec<(Kind, Layer)>,
    /// Which layer leaves tags out, and where they are in what is around it.
    tags: Option<(usize, Vec<Range<usize>>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Format,
    Inner,
    Entities,
    Url,
    Tags,
    Invisible,
    Folded,
}

impl<'r> Unescaped<'r> {
    /// Undoes everything.
    pub(super) fn of(raw: &'r [u8], escapes: Escapes) -> Self {
        let mut all = Self { plain: Cow::Borrowed(""), layers: Vec::new(), tags: None };
        match std::str::from_utf8(raw) {
            Ok(text) => all.plain = Cow::Borrowed(text),
            Err(_) => all.layers.push((Kind::Bytes, one_by_one(raw))),
        }
        if may_be_escaped(raw) {
            all.undo_all(escapes);
        }
        all.fold();
        all
    }

    fn undo_all(&mut self, escapes: Escapes) {
        match escapes {
            Escapes::None => {}
            Escapes::Json => self.undo(Kind::Format, b'\\', json),
            Escapes::Html => self.undo(Kind::Format, b'&', entities),
            Escapes::Csv => self.undo(Kind::Format, b'"', quotes),
            Escapes::Card => self.undo(Kind::Format, b'\\', card),
        }
        // Texts have JSON in them: logs of hooks, attributes for scripts.
        self.undo(Kind::Inner, b'\\', json);
        // Of HTML too: feeds and frames have pages inside of their texts.
        self.undo(Kind::Entities, b'&', entities);
        self.undo(Kind::Url, b'%', percents);
        self.undo(Kind::Url, b'%', percents);
        self.undo(Kind::Url, b'+', blanks);
        if !self.innermost().is_ascii() || memchr::memchr(0, self.innermost().as_bytes()).is_some() {
            self.push(Kind::Invisible, invisible(self.innermost()));
        }
    }

    fn fold(&mut self) {
        self.push(Kind::Folded, wide_blanks::folded(self.innermost()));
    }

    /// The same without tags that only change how it looks; `None` where it has none. `apart` as in [`tags::without`].
    pub(super) fn without_tags(&self, apart: bool) -> Option<Self> {
        memchr::memchr(b'<', self.innermost().as_bytes())?;
        let (layer, tags) = tags::without(self.innermost(), apart);
        if tags.is_empty() {
            return None;
        }
        let (plain, layers) = (self.plain.clone(), self.layers.clone());
        let mut all = Self { plain, layers, tags: Some((self.layers.len(), tags)) };
        all.push(Kind::Tags, layer);
        all.fold();
        Some(all)
    }

    fn push(&mut self, kind: Kind, layer: Layer) {
        if !layer.marks.is_empty() {
            self.layers.push((kind, layer));
        }
    }

    fn undo(&mut self, kind: Kind, trigger: u8, undo: fn(&str) -> Layer) {
        if memchr::memchr(trigger, self.innermost().as_bytes()).is_none() {
            return;
        }
        self.push(kind, undo(self.innermost()));
    }

    /// Whether it is in a charset that is not known.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.layers.first(), Some((Kind::Bytes, _)))
    }

    /// What it says when all escapes are undone, those of links too.
    pub(super) fn innermost(&self) -> &str {
        self.layers.last().map_or(&*self.plain, |(_, layer)| layer.text.as_str())
    }

    /// What it says when the format's own escapes are undone.
    pub(super) fn without_layers(&self) -> &str {
        let own = self.layers.iter().rev().find(|(kind, _)| matches!(kind, Kind::Bytes | Kind::Format));
        own.map_or(&*self.plain, |(_, layer)| layer.text.as_str())
    }

    /// Where a piece of the innermost text is in the raw bytes, and whether a link's escapes are in it.
    pub(super) fn raw(&self, range: Range<usize>) -> (Range<usize>, bool) {
        self.outwards(self.layers.len(), range)
    }

    /// The same for a piece of the text within the first `count` layers.
    fn outwards(&self, count: usize, range: Range<usize>) -> (Range<usize>, bool) {
        self.layers[..count].iter().rev().fold((range, false), |(range, in_url), (kind, layer)| {
            let (outside, escaped) = layer.outside(&range);
            (outside, in_url || (escaped && *kind == Kind::Url))
        })
    }

    /// Tags that were left out of a piece of the innermost text, by where they are in the raw bytes.
    pub(super) fn tags(&self, range: &Range<usize>) -> SmallVec<[Range<usize>; 2]> {
        let Some((at, tags)) = &self.tags else { return SmallVec::new() };
        let inner = self.layers[*at..].iter().rev();
        let around = inner.fold(range.clone(), |range, (_, layer)| layer.outside(&range).0);
        let within = tags.iter().filter(|tag| around.start <= tag.start && tag.end <= around.end);
        within.map(|tag| self.outwards(*at, tag.clone()).0).collect()
    }
}

/// Whether any byte begins an escape of some kind, or is no visible ASCII.
fn may_be_escaped(raw: &[u8]) -> bool {
    let begins = |part| {
        let of_formats = lanes::is(part, b'\\') | lanes::is(part, b'&') | lanes::is(part, b'"');
        of_formats | lanes::is(part, b'%') | lanes::is(part, b'+') | lanes::is(part, 0) | part
    };
    lanes::find(raw, 0, begins).is_some()
}

/// Bytes that are no UTF-8 are read as Windows-1252, of which every charset that is let through has the blanks and
/// hyphens; those below 128 mean themselves in all of them.
fn one_by_one(raw: &[u8]) -> Layer {
    let mut layer = Layer::default();
    let mut rest = raw;
    while !rest.is_empty() {
        let (good, bad) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(error) => {
                let (good, _) = rest.split_at(error.valid_up_to());
                (std::str::from_utf8(good).unwrap_or_default(), 1)
            }
        };
        layer.text.push_str(good);
        let end = raw.len() - rest.len() + good.len() + bad;
        if bad > 0 {
            layer.escape(single(raw[end - 1]), end);
        }
        rest = &raw[end..];
    }
    layer
}

/// A character of Windows-1252.
fn single(byte: u8) -> char {
    match byte {
        0x91 | 0x92 => '\'',
        0x96 => '\u{2013}',
        0x97 => '\u{2014}',
        0x80..=0x9f => '\u{fffd}',
        _ => char::from(byte),
    }
}

/// Characters that nobody sees: mail programs put them into addresses, and people into numbers. Browsers leave out NUL.
fn invisible(text: &str) -> Layer {
    let mut layer = Layer { text: String::with_capacity(text.len()), marks: Vec::new() };
    let (mut done, mut at) = (0, 0);
    // Visible ASCII is passed over.
    while let Some(start) = lanes::find(text.as_bytes(), at, |part| part | lanes::is(part, 0)) {
        let Some(c) = text[start..].chars().next() else { break };
        at = start + c.len_utf8();
        if is_invisible(c) || c == '\0' {
            layer.text.push_str(&text[done..start]);
            done = at;
            layer.marks.push((layer.text.len(), done));
        }
    }
    layer.text.push_str(&text[done..]);
    layer
}

/// Goes over `text` from one `trigger` to the next; `read` says what stands there and how long it is.
fn undo_each(text: &str, trigger: u8, read: impl Fn(&str) -> Option<(char, usize)>) -> Layer {
    let mut layer = Layer { text: String::with_capacity(text.len()), marks: Vec::new() };
    let mut done = 0;
    while let Some(found) = memchr::memchr(trigger, &text.as_bytes()[done..]) {
        let at = done + found;
        layer.text.push_str(&text[done..at]);
        if let Some((c, length)) = read(&text[at..]) {
            layer.escape(c, at + length);
            done = at + length;
        } else {
            layer.text.push(char::from(trigger));
            done = at + 1;
        }
    }
    layer.text.push_str(&text[done..]);
    layer
}

fn json(text: &str) -> Layer {
    undo_each(text, b'\\', |at| {
        let simple = |c| Some((c, 2));
        match at.as_bytes().get(1)? {
            b'n' => simple('\n'),
            b't' => simple('\t'),
            b'r' => simple('\r'),
            b'b' => simple('\u{8}'),
            b'f' => simple('\u{c}'),
            // JavaScript's own.
            b'x' => {
                let code = u8::from_str_radix(at.get(2..4)?, 16).ok()?;
                Some((char::from(code), 4))
            }
            b'u' if at.as_bytes().get(2) == Some(&b'{') => {
                let end = at.find('}')?;
                let code = u32::from_str_radix(at.get(3..end)?, 16).ok()?;
                Some((char::from_u32(code)?, end + 1))
            }
            b'u' => {
                let unit = |from: usize| u32::from_str_radix(at.get(from..from + 4)?, 16).ok();
                let first = unit(2)?;
                if (0xd800..0xdc00).contains(&first) && at.get(6..8) == Some("\\u") {
                    let second = unit(8).filter(|s| (0xdc00..0xe000).contains(s))?;
                    let whole = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Some((char::from_u32(whole)?, 12));
                }
                Some((char::from_u32(first).unwrap_or('\u{fffd}'), 6))
            }
            other if other.is_ascii() => simple(char::from(*other)),
            _ => None,
        }
    })
}

fn entities(text: &str) -> Layer {
    undo_each(text, b'&', references::read)
}

fn quotes(text: &str) -> Layer {
    undo_each(text, b'"', |at| at.starts_with("\"\"").then_some(('"', 2)))
}

fn card(text: &str) -> Layer {
    undo_each(text, b'\\', |at| match at.as_bytes().get(1)? {
        b'n' | b'N' => Some(('\n', 2)),
        other if other.is_ascii() => Some((char::from(*other), 2)),
        _ => None,
    })
}

/// What a link escapes: visible ASCII, ends of lines, and whole characters of UTF-8.
fn percents(text: &str) -> Layer {
    undo_each(text, b'%', |at| {
        let byte = |i: usize| {
            let hex = at.get(3 * i..3 * i + 3)?.strip_prefix('%')?;
            u8::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let first = byte(0)?;
        let length = match first {
            b' '..=b'~' | b'\t' | b'\n' | b'\r' => return Some((char::from(first), 3)),
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return None,
        };
        let whole = (0..length).map(byte).collect::<Option<SmallVec<[u8; 4]>>>()?;
        Some((std::str::from_utf8(&whole).ok()?.chars().next()?, 3 * length))
    })
}

/// `+` between digits is how a link's query writes a blank.
fn blanks(text: &str) -> Layer {
    let bytes = text.as_bytes();
    let whole = text;
    undo_each(text, b'+', |at| {
        let here = whole.len() - at.len();
        let digit = |i: Option<usize>| {
            i.and_then(|i| bytes.get(i)).is_some_and(|b| b.is_ascii_digit() || matches!(b, b')' | b'('))
        };
        (digit(here.checked_sub(1)) && digit(Some(here + 1))).then_some((' ', 1))
    })
}

/// `text` as a link's query has it.
pub(super) fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Writes `text` so that the format reads it back.
pub fn write_escaped(text: &str, escapes: Escapes, out: &mut Vec<u8>) {
    match escapes {
        Escapes::None => out.extend_from_slice(text.as_bytes()),
        Escapes::Json => each(text, out, |c| match c {
            '"' => Some("\\\"".into()),
            '\\' => Some("\\\\".into()),
            // Scripts inside of pages are written with these escapes too: there `<` and `'` end more than a text.
            c if c < ' ' || matches!(c, '<' | '\'') => Some(format!("\\u{:04x}", c as u32)),
            _ => None,
        }),
        Escapes::Html => each(text, out, |c| match c {
            '&' => Some("&amp;".into()),
            '<' => Some("&lt;".into()),
            '>' => Some("&gt;".into()),
            '"' => Some("&quot;".into()),
            '\'' => Some("&#39;".into()),
            _ => None,
        }),
        Escapes::Csv => each(text, out, |c| (c == '"').then(|| "\"\"".into())),
        Escapes::Card => each(text, out, |c| match c {
            '\\' | ',' | ';' => Some(format!("\\{c}")),
            '\n' => Some("\\n".into()),
            _ => None,
        }),
    }
}

fn each(text: &str, out: &mut Vec<u8>, escape: impl Fn(char) -> Option<String>) {
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => out.extend_from_slice(escaped.as_bytes()),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every escape that a browser or a script undoes is undone, and its bytes are known.
    #[test]
    fn undone_and_found_again() {
        for (raw, escapes, innermost) in [
            (r"\u002b49 30 \ud83d\ude00 12", Escapes::Json, "+49 30 \u{1f600} 12"),
            (r"a\/b&#40;202&#x29;", Escapes::Json, "a/b(202)"),
            ("&#40;202&#0000041; 555&nbsp;01", Escapes::Html, "(202) 555\u{a0}01"),
            ("q=%2B49+30+12&amp;x", Escapes::Html, "q=+49 30 12&x"),
            ("&lt;p&gt;&amp;#43;49", Escapes::Html, "<p>+49"),
            ("anna%2540example.com", Escapes::None, "anna@example.com"),
            (r#"a""b"#, Escapes::Csv, "a\"b"),
            (r"a\,b\nc", Escapes::Card, "a,b\nc"),
            ("carl&#8203;@ex&shy;ample.com", Escapes::Html, "carl@example.com"),
            (r"\x2b49\u{20}30", Escapes::Json, "+49 30"),
            ("&unknown; 100% &#; %zz", Escapes::Html, "&unknown; 100% &#; %zz"),
            ("+49&nbsp30&nbsp5551234", Escapes::Html, "+49\u{a0}30\u{a0}5551234"),
            ("a@ex&shyample.com", Escapes::Html, "a@example.com"),
            ("+49&#150;30&#x96;12", Escapes::Html, "+49\u{2013}30\u{2013}12"),
            ("+49&minus;30 5&NoBreak;5", Escapes::Html, "+49\u{2212}30 55"),
            ("+49 3\0 55", Escapes::Html, "+49 3 55"),
            ("+49\n   30\t5551234", Escapes::Html, "+49 30 5551234"),
            ("(030)      5551234", Escapes::None, "(030) 5551234"),
            (r"+49\n30", Escapes::Json, "+49 30"),
            ("Call. 030\n5551234", Escapes::None, "Call. 030 5551234"),
            ("1001\t2024\n17  300", Escapes::None, "1001\t2024\n17  300"),
            ("+49 30 2450984\n2024", Escapes::None, "+49 30 2450984\n2024"),
        ] {
            let read = Unescaped::of(raw.as_bytes(), escapes);
            assert_eq!(read.innermost(), innermost, "{raw}");
            assert_eq!(read.raw(0..innermost.len()).0, 0..raw.len(), "{raw}");
        }
        for (raw, escapes, joined, apart) in [
            ("+49 30 <em>55</em>51234 <b>x</b>", Escapes::Json, "+49 30 5551234 x", "+49 30 5551234 x"),
            (
                r#"+49 30 \u003cmark class=\"hit\"\u003e55\u003c/mark\u003e51"#,
                Escapes::Json,
                "+49 30 5551",
                "+49 30 5551",
            ),
            ("+49 30 &lt;b&gt;55&lt;/b&gt;&lt;i&gt;51", Escapes::Html, "+49 30 5551", "+49 30 5551"),
            (
                "Tel<b>+49</b><i> 30</i>:5 <a href=x>5",
                Escapes::Json,
                "Tel+49 30:5 <a href=x>5",
                "Tel +49 30 :5 <a href=x>5",
            ),
            ("030\n<b>231 25", Escapes::None, "030 231 25", "030 231 25"),
        ] {
            let read = Unescaped::of(raw.as_bytes(), escapes);
            for (apart, expected) in [(false, joined), (true, apart)] {
                let read = read.without_tags(apart).unwrap();
                assert_eq!(read.innermost(), expected, "{raw}");
                assert_eq!(read.raw(0..expected.len()).0, 0..raw.len(), "{raw}");
            }
        }
        assert!(Unescaped::of(b"Jo <jo@example.com> 1 <p>2", Escapes::None).without_tags(false).is_none());
        let read = Unescaped::of(b"x\xff\xfe%40y", Escapes::None);
        assert_eq!(read.innermost(), "xÿþ@y");
        let at = read.innermost().find('@').unwrap();
        assert_eq!(read.raw(at..at + 1), (3..6, true));
    }
}
