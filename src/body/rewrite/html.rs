//! HTML. Every text, every attribute and every comment of a page is searched, scripts and styles too; form
//! fields, `data-` attributes and elements that a CSS selector matches are values where the profile says so.
//!
//! Text is told from markup as browsers do; the bytes are those of the page, and only masked ones change. The charset
//! does not matter for that as long as ASCII is ASCII in it; a page that names another one is not sent. So is
//! one that is not to be read with certainty, and one whose tags or comments are too long to be held. A tag that
//! the page ends in is searched as text.
//!
//! Texts with nothing but inline tags and comments between them are searched together as well. Limits: a value
//! is not found that is cut by other tags, or between a text of over 8 KiB and the next; scripts are searched as
//! texts of JSON, whose strings no program puts together.

mod attributes;
mod reader;
mod refresh;
mod run;
mod selected;
mod tag;
mod tokens;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use lol_html::html_content::TextType;

use super::{Broken, Rewrite, charset};
use crate::addresses::OwnAddresses;
use crate::masking::{Escapes, FieldId, Masker, Plain, Plan, Region, Wrote};
use attributes::Known;
use tag::Attributes;
use tokens::{Seen, Token, Tokens};

pub use refresh::Refreshes;

/// How much is looked at together.
const PIECE: usize = 64 << 10;

/// Whether a selector of a profile can be read.
///
/// # Errors
/// When it cannot, with what is wrong.
pub fn check_selector(css: &str) -> Result<(), String> {
    css.parse::<lol_html::Selector>().map(|_| ()).map_err(|error| error.to_string())
}

/// Rewrites a page.
pub struct Html {
    tokens: Tokens,
    page: Page,
    /// What was not told yet, from `page.told` on.
    held: Vec<u8>,
    start: charset::Start,
}

impl Html {
    /// A page that is masked by `plan`. `charset_is_declared` when its Content-Type names one, which is known to be
    /// readable: browsers do not look for it in the page then.
    #[must_use]
    pub fn new(plan: &Plan, charset_is_declared: bool) -> Self {
        let page = Page {
            told: 0,
            addresses: None,
            charset_is_declared,
            has_names: !plan.places.names.is_empty(),
            textarea: None,
            select: None,
            region: None,
            plain: Plain::default(),
            whole: 0,
        };
        Self { tokens: Tokens::new(plan), page, held: Vec::new(), start: charset::Start::default() }
    }

    /// The same of an app with these addresses, to which the page sends nobody.
    #[must_use]
    pub fn naming(mut self, addresses: Option<Arc<OwnAddresses>>) -> Self {
        self.page.addresses = addresses;
        self
    }

    /// At most [`PIECE`] bytes of it. What was not told when it fails is held.
    fn piece(&mut self, piece: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Self { tokens, page, held, .. } = self;
        if held.is_empty() {
            let told = tokens.read(Some(piece), piece, page.told, |seen| page.tell(piece, seen, masker, out, false));
            let told = told.inspect_err(|_| held.extend_from_slice(piece))?;
            held.extend_from_slice(&piece[told..]);
        } else {
            held.extend_from_slice(piece);
            let told = tokens.read(Some(piece), held, page.told, |seen| page.tell(held, seen, masker, out, false))?;
            held.drain(..told);
        }
        Ok(())
    }
}

impl Rewrite for Html {
    fn write(&mut self, input: &[u8], masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.start.check(input)?;
        input.chunks(PIECE).try_for_each(|piece| self.piece(piece, masker, out))
    }

    fn finish(&mut self, masker: &mut Masker, out: &mut Vec<u8>) -> Result<(), Broken> {
        let Self { tokens, page, held, .. } = self;
        let told = tokens.read(None, held, page.told, |seen| page.tell(held, seen, masker, out, true))?;
        // A tag without an end, which browsers leave out.
        masker.text(&self.held[told..], Escapes::Html, b"", out);
        self.held.clear();
        Ok(())
    }
}

/// A form field, by its name.
struct Named {
    field: Option<FieldId>,
    place: Box<[u8]>,
}

/// Where in a page we are.
struct Page {
    /// How much of it is done.
    told: usize,
    /// The app's own, to which it sends nobody.
    addresses: Option<Arc<OwnAddresses>>,
    charset_is_declared: bool,
    has_names: bool,
    /// The text area whose text follows.
    textarea: Option<Named>,
    /// The list whose options follow.
    select: Option<Named>,
    /// A text that goes on.
    region: Option<Region>,
    /// Which of the bytes at hand are not worth a second look.
    plain: Plain,
    /// How many of the whole tags that were seen are done.
    whole: usize,
}

/// The bytes at hand, and what of them is written.
struct Bytes<'b, 'o> {
    all: &'b [u8],
    /// Where they are in the page.
    base: usize,
    plain: Option<&'b Plain>,
    written: usize,
    out: &'o mut Vec<u8>,
}

impl<'b, 'o> Bytes<'b, 'o> {
    /// A tag by itself.
    fn of_tag(tag: &'b [u8], out: &'o mut Vec<u8>) -> Self {
        Self { all: tag, base: 0, plain: None, written: 0, out }
    }

    /// As [`Masker::skips`].
    fn skips(&self, masker: &Masker, start: usize, end: usize) -> bool {
        match self.plain {
            Some(plain) => masker.skips_piece(plain, start - self.base..end - self.base),
            None => masker.skips(self.slice(start, end)),
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'b [u8] {
        self.all.get(start - self.base..end - self.base).unwrap_or_default()
    }

    /// Writes what came before `start`, and goes on behind `end`.
    fn pass(&mut self, start: usize, end: usize) {
        self.out.extend_from_slice(self.slice(self.written, start));
        self.written = end;
    }
}

impl Page {
    /// Handles what was told of `held`, but for texts that may go on unless it is the end; returns how much that was.
    fn tell(
        &mut self,
        held: &[u8],
        seen: &mut Seen,
        masker: &mut Masker,
        out: &mut Vec<u8>,
        is_end: bool,
    ) -> Result<usize, Broken> {
        let base = self.told;
        let mut plain = std::mem::take(&mut self.plain);
        let looks = masker.wants_text() && !masker.reads_everything();
        if looks {
            plain.look_at(&held[..seen.told - base]);
        }
        let mut bytes = Bytes { all: held, base, plain: looks.then_some(&plain), written: base, out };
        self.whole = 0;
        let (mut at, mut done) = (base, 0);
        while done < seen.tokens.len() {
            let rest = &seen.tokens[done..];
            let count = match run::length(rest, seen, &bytes) {
                // The rest of a long text.
                _ if self.region.is_some() => 1,
                Some(count) => count,
                None if is_end => rest.len(),
                None => break,
            };
            let run = &rest[..count];
            self.tags(at, run[0].start, seen, masker, &mut bytes)?;
            at = run[0].start;
            // What stands in a list of options is one value or none.
            let edits = if self.select.is_none() { run::across(run, seen, &bytes, masker) } else { Vec::new() };
            for token in run {
                self.tags(at, token.start, seen, masker, &mut bytes)?;
                match token.text {
                    Some(_) if edits.iter().any(|(range, _)| is_inside(range, token)) => {
                        edited(*token, &edits, masker, &mut bytes);
                    }
                    Some(kind) => self.text(*token, kind, seen, masker, &mut bytes),
                    None => comment(*token, masker, &mut bytes),
                }
                at = token.end;
            }
            done += count;
        }
        let until = seen.tokens.get(done).map_or(seen.told, |token| token.start);
        self.tags(at, until, seen, masker, &mut bytes)?;
        bytes.pass(until, until);
        self.plain = plain;
        self.told = until;
        seen.forget(done, until);
        Ok(until - base)
    }

    fn text(&mut self, token: Token, kind: TextType, seen: &Seen, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
        let raw = bytes.slice(token.start, token.end);
        let escapes = match kind {
            TextType::ScriptData => Escapes::Json,
            TextType::PlainText | TextType::CDataSection => Escapes::None,
            TextType::Data | TextType::RCData | TextType::RawText => Escapes::Html,
        };
        let named = self.textarea.as_ref().or(self.select.as_ref());
        let field = field_at(&seen.texts, token.start).or(named.and_then(|n| n.field));
        let place = named.map_or(&b""[..], |n| &n.place);
        let is_whole = self.region.is_none() && token.last && raw.len() <= run::LONGEST;
        if is_whole && field.is_none() && bytes.skips(masker, token.start, token.end) {
            return;
        }
        bytes.pass(token.start, token.end);
        if is_whole {
            hide(field, raw, escapes, place, masker, bytes.out);
            return;
        }
        let mut region = self.region.take().unwrap_or_else(|| Region::new(field, escapes, place));
        region.push(raw, masker, bytes.out);
        if token.last {
            region.end(masker, bytes.out);
        } else {
            self.region = Some(region);
        }
    }

    /// What lies between two texts: tags, the doctype, the ends of CDATA.
    fn tags(
        &mut self,
        start: usize,
        end: usize,
        seen: &Seen,
        masker: &mut Masker,
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), Broken> {
        let mut at = start;
        while at < end {
            let rest = bytes.slice(at, end);
            let length = match rest {
                [b'<', b'a'..=b'z' | b'A'..=b'Z', ..] => {
                    let length = self.tag_length(at, rest, seen).unwrap_or(rest.len());
                    self.start_tag(at, &rest[..length], seen, masker, bytes)?;
                    at += length;
                    continue;
                }
                [b'<', b'/', ..] => self.tag_length(at, rest, seen),
                [b'<', b'!', b'[', ..] => Some(b"<![CDATA[".len()),
                _ => memchr::memchr(b'>', rest).map(|i| i + 1),
            };
            let length = length.unwrap_or(rest.len()).min(rest.len());
            let tag = &rest[..length];
            self.textarea = None;
            if self.select.is_some() && tag.get(2..8).is_some_and(|name| name.eq_ignore_ascii_case(b"select")) {
                self.select = None;
            }
            if !bytes.skips(masker, at, at + length) {
                bytes.pass(at, at + length);
                masker.text(tag, Escapes::Html, b"", bytes.out);
            }
            at += length;
        }
        Ok(())
    }

    /// The length of the tag at `at`, which `rest` begins with.
    fn tag_length(&mut self, at: usize, rest: &[u8], seen: &Seen) -> Option<usize> {
        self.whole += seen.whole[self.whole..].iter().take_while(|(start, _)| *start < at).count();
        match seen.whole.get(self.whole) {
            Some((start, end)) if *start == at => Some(end - start),
            _ => Attributes::new(rest).end(),
        }
    }

    fn start_tag(
        &mut self,
        at: usize,
        tag: &[u8],
        seen: &Seen,
        masker: &mut Masker,
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), Broken> {
        let name = tag::name(tag);
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if is(b"meta") {
            if !self.charset_is_declared {
                check_charset(tag)?;
            }
            if let Some(new) = self.addresses.as_ref().and_then(|own| refresh::public(tag, own)) {
                self.renamed(at, tag, &new, seen, masker, bytes);
                return Ok(());
            }
        }
        self.textarea = None;
        if is(b"input") || is(b"textarea") {
            // These end a list whose end tag is missing.
            self.select = None;
        }
        let mut control = None;
        if is(b"input") || is(b"button") {
            control = named(tag, masker.plan());
        } else if is(b"textarea") {
            self.textarea = named(tag, masker.plan());
        } else if is(b"select") {
            self.select = named(tag, masker.plan());
        }
        let matched = field_at(&seen.tags, at);
        let by_name = self.has_names && attributes::has_data(tag);
        if control.is_none()
            && matched.is_none()
            && !by_name
            && self.select.is_none()
            && bytes.skips(masker, at, at + tag.len())
        {
            return Ok(());
        }
        let control = control.as_ref().or(self.select.as_ref().filter(|_| is(b"option")));
        attributes::rewrite(at, tag, &Known { control, matched, by_name }, masker, bytes);
        Ok(())
    }
}

impl Page {
    /// A tag at `at` that became another, in which something may still be hidden.
    fn renamed(
        &mut self,
        at: usize,
        tag: &[u8],
        new: &[u8],
        seen: &Seen,
        masker: &mut Masker,
        bytes: &mut Bytes<'_, '_>,
    ) {
        self.textarea = None;
        let by_name = self.has_names && attributes::has_data(new);
        let known = Known { control: None, matched: field_at(&seen.tags, at), by_name };
        bytes.pass(at, at + tag.len());
        let mut written = Bytes::of_tag(new, bytes.out);
        attributes::rewrite(0, new, &known, masker, &mut written);
        written.pass(new.len(), new.len());
    }
}

fn hide(
    field: Option<FieldId>,
    raw: &[u8],
    escapes: Escapes,
    place: &[u8],
    masker: &mut Masker,
    out: &mut Vec<u8>,
) -> Wrote {
    match field {
        Some(field) => masker.value(field, raw, escapes, place, out),
        None => masker.text(raw, escapes, place, out),
    }
}

fn is_inside(range: &Range<usize>, token: &Token) -> bool {
    token.start <= range.start && range.end <= token.end
}

/// A text of which pieces are known to be hidden.
fn edited(token: Token, edits: &[run::Edit], masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    bytes.pass(token.start, token.end);
    let mut at = token.start;
    for (range, mask) in edits.iter().filter(|(range, _)| is_inside(range, &token)) {
        masker.text(bytes.slice(at, range.start), Escapes::Html, b"", bytes.out);
        bytes.out.extend_from_slice(mask);
        at = range.end;
    }
    masker.text(bytes.slice(at, token.end), Escapes::Html, b"", bytes.out);
}

fn comment(token: Token, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    if bytes.skips(masker, token.start, token.end) {
        return;
    }
    let raw = bytes.slice(token.start, token.end);
    let start = if raw.starts_with(b"<!--") { 4 } else { 2 };
    let end = [&b"--!>"[..], b"-->", b">"].into_iter().find(|end| raw.ends_with(end)).map_or(0, <[u8]>::len);
    let Some(inner) = raw.get(start..raw.len() - end) else { return };
    bytes.pass(token.start + start, token.end - end);
    masker.text(inner, Escapes::Html, b"", bytes.out);
}

fn field_at(places: &[(usize, FieldId)], start: usize) -> Option<FieldId> {
    places.iter().find(|(at, _)| *at == start).map(|(_, field)| *field)
}

/// The first of two attributes of one name is the one that counts.
fn value_of<'t>(tag: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    Attributes::new(tag).find(|a| tag[a.name.clone()].eq_ignore_ascii_case(name)).map(|a| &tag[a.value])
}

fn named(tag: &[u8], plan: &Plan) -> Option<Named> {
    let place = value_of(tag, b"name")?;
    Some(Named { field: plan.places.named(&String::from_utf8_lossy(place)), place: place.into() })
}

/// A page that says of itself that it is in a charset which cannot be read.
fn check_charset(tag: &[u8]) -> Result<(), Broken> {
    let of_type = || value_of(tag, b"http-equiv").and_then(|_| charset::parameter(value_of(tag, b"content")?));
    let told = value_of(tag, b"charset").or_else(of_type);
    match told {
        Some(label) if !charset::is_readable(label) => Err(Broken("a page in a charset that is not read")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
