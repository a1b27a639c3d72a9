//! What the attributes of a tag say.

use std::ops::Range;

use smallvec::SmallVec;

use super::tag::{Attribute, Attributes};
use super::{Bytes, Named, hide};
use crate::masking::{Escapes, FieldId, Masker, Plan, Wrote};

/// What is known of a tag besides its text.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    /// The form field whose `value` it has.
    pub control: Option<&'k Named>,
    /// The field of a selector that it matches.
    pub matched: Option<FieldId>,
    /// Whether a `data-` attribute may have the name of a field.
    pub by_name: bool,
}

/// Rewrites the tag at `at`.
pub(super) fn rewrite(at: usize, tag: &[u8], known: &Known<'_>, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    if known.control.is_none() {
        return values(at, tag, known, masker, bytes);
    }
    let mut new = Vec::with_capacity(tag.len() + 16);
    let mut written = Bytes::of_tag(tag, &mut new);
    values(0, tag, known, masker, &mut written);
    written.pass(tag.len(), tag.len());
    if new != tag {
        bytes.pass(at, at + tag.len());
        loosened(&new, bytes.out);
    }
}

/// A field that shows a mask takes any text: browsers do not send a form whose address has stars in it.
fn loosened(tag: &[u8], out: &mut Vec<u8>) {
    let mut done = 0;
    for attribute in Attributes::new(tag) {
        let (name, value) = (&tag[attribute.name.clone()], &tag[attribute.value.clone()]);
        let strict = [&b"email"[..], b"number", b"url", b"tel", b"date", b"range"];
        let instead: &[u8] =
            if name.eq_ignore_ascii_case(b"type") && strict.iter().any(|s| value.eq_ignore_ascii_case(s)) {
                b"text"
            } else if name.eq_ignore_ascii_case(b"pattern") && !value.is_empty() {
                b".*"
            } else {
                continue;
            };
        out.extend_from_slice(&tag[done..attribute.value.start]);
        out.extend_from_slice(instead);
        done = attribute.value.end;
    }
    out.extend_from_slice(&tag[done..]);
}

fn values(at: usize, tag: &[u8], known: &Known<'_>, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    let edits = if bytes.skips(masker, at, at + tag.len()) { Vec::new() } else { across(tag, masker) };
    if edits.is_empty() {
        return each(at, tag, known, masker, bytes);
    }
    bytes.pass(at, at + tag.len());
    let (mut new, mut done) = (Vec::with_capacity(tag.len()), 0);
    for (range, mask) in edits {
        new.extend_from_slice(&tag[done..range.start]);
        new.extend_from_slice(&mask);
        done = range.end;
    }
    new.extend_from_slice(&tag[done..]);
    let mut written = Bytes::of_tag(&new, bytes.out);
    each(0, &new, known, masker, &mut written);
    written.pass(new.len(), new.len());
}

/// Words without quotes may say something together.
fn across(tag: &[u8], masker: &mut Masker) -> Vec<(Range<usize>, Vec<u8>)> {
    if Attributes::new(tag).all(|a| a.quoted) {
        return Vec::new();
    }
    let cuts: SmallVec<[usize; 16]> = Attributes::new(tag).flat_map(|a| [a.name.start, a.value.start]).collect();
    masker.across(tag, &cuts, Escapes::Html)
}

fn each(at: usize, tag: &[u8], known: &Known<'_>, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    let mut done = 0;
    let mut value = Vec::new();
    for attribute in Attributes::new(tag).filter(|a| !a.value.is_empty()) {
        let name = &tag[attribute.name.clone()];
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let is_value = is(b"value");
        let own = known.control.filter(|_| is_value);
        let field = own
            .and_then(|named| named.field)
            .or(known.matched.filter(|_| is_value || is(b"content") || is(b"datetime")))
            .or_else(|| known.by_name.then(|| data_field(name, masker.plan())).flatten());
        let raw = &tag[attribute.value.clone()];
        if field.is_none() && bytes.skips(masker, at + attribute.value.start, at + attribute.value.end) {
            continue;
        }
        value.clear();
        let place = own.map_or(&b""[..], |named| &named.place);
        if hide(field, raw, Escapes::Html, place, masker, &mut value) == Wrote::Mask {
            between(at + done..at + attribute.value.start, masker, bytes);
            bytes.pass(at + attribute.value.start, at + attribute.value.end);
            write_value(&attribute, &value, bytes.out);
            done = attribute.value.end;
        }
    }
    between(at + done..at + tag.len(), masker, bytes);
}

/// Whether a tag may have a `data-` attribute.
pub(super) fn has_data(tag: &[u8]) -> bool {
    memchr::memchr_iter(b'-', tag)
        .any(|at| tag[..at].last_chunk().is_some_and(|word: &[u8; 4]| word.eq_ignore_ascii_case(b"data")))
}

/// `data-phone` is a field by `phone`.
fn data_field(name: &[u8], plan: &Plan) -> Option<FieldId> {
    let (data, name) = name.split_at_checked(5)?;
    data.eq_ignore_ascii_case(b"data-").then(|| plan.places.named(std::str::from_utf8(name).ok()?)).flatten()
}

/// What is in a tag besides values, where it should not be: in names.
fn between(range: Range<usize>, masker: &mut Masker, bytes: &mut Bytes<'_, '_>) {
    if !bytes.skips(masker, range.start, range.end) {
        let raw = bytes.slice(range.start, range.end);
        bytes.pass(range.start, range.end);
        masker.text(raw, Escapes::Html, b"", bytes.out);
    }
}

/// A value without quotes gets some: what is written may have blanks.
fn write_value(attribute: &Attribute, value: &[u8], out: &mut Vec<u8>) {
    if attribute.quoted {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for (i, part) in value.split(|b| *b == b'"').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"&quot;");
        }
        out.extend_from_slice(part);
    }
    out.push(b'"');
}
