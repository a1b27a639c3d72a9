//! Texts that look like one to a reader though tags are between them: `+49 30 <mark>2312</mark>5123`. What a search
//! highlights must not show what is hidden.

use std::ops::Range;

use memchr::{memchr_iter, memchr3};
use smallvec::SmallVec;

use super::Bytes;
use super::tokens::{Seen, Token};
use crate::masking::{Escapes, Masker};
use crate::text::inline;
use lol_html::html_content::TextType;

/// How far texts are taken together.
pub(super) const LONGEST: usize = 8 << 10;
/// What is looked at on both sides of a tag.
const NEAR: usize = 12;

/// What takes the place of a piece of the page.
pub(super) type Edit = (Range<usize>, Vec<u8>);

/// How many of the first `tokens` belong together; `None` when that depends on what follows. Their number does not
/// depend on how the page arrived.
pub(super) fn length(tokens: &[Token], seen: &Seen, bytes: &Bytes<'_, '_>) -> Option<usize> {
    let first = tokens.first()?;
    if !joins(first) {
        return Some(1);
    }
    for (i, token) in tokens.iter().enumerate() {
        if i > 0 && (!joins(token) || token.end - first.start > LONGEST) {
            return Some(i);
        }
        if !token.last {
            return None;
        }
        let next = tokens.get(i + 1).map_or(seen.told, |next| next.start);
        if next - first.start > LONGEST || !is_inline(bytes.slice(token.end, next)) {
            return Some(i + 1);
        }
    }
    None
}

fn joins(token: &Token) -> bool {
    matches!(token.text, None | Some(TextType::Data | TextType::CDataSection)) && token.end - token.start <= LONGEST
}

/// Whether nothing between two texts sets them apart; a doctype, `</>` and the ends of CDATA do not show at all.
fn is_inline(tags: &[u8]) -> bool {
    memchr_iter(b'<', tags).all(|at| {
        let tag = &tags[at + 1..];
        tag.starts_with(b"!") || tag.starts_with(b"/>") || inline::is_inline(tag)
    })
}

/// What is hidden in `tokens` and goes from one text into the next, from left to right.
pub(super) fn across(tokens: &[Token], seen: &Seen, bytes: &Bytes<'_, '_>, masker: &mut Masker) -> Vec<Edit> {
    let is_text = |t: &&Token| t.text.is_some() && !seen.texts.iter().any(|(at, _)| *at == t.start);
    let texts: SmallVec<[&Token; 8]> = tokens.iter().filter(is_text).collect();
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else { return Vec::new() };
    if texts.len() < 2 || bytes.skips(masker, first.start, last.end) {
        return Vec::new();
    }
    let slice = |t: &Token| bytes.slice(t.start, t.end);
    // Names of persons may be anywhere, and so may what is found by patterns of the policy's own.
    let anything = !masker.skips(b"");
    if !anything && !may_go_on(texts.iter().map(|t| slice(t))) && !texts.iter().any(|t| has_address(slice(t))) {
        return Vec::new();
    }
    let mut joined = Vec::new();
    let mut cuts: SmallVec<[usize; 8]> = SmallVec::new();
    for text in &texts {
        cuts.push(joined.len());
        joined.extend_from_slice(slice(text));
    }
    let mut edits = Vec::new();
    for (range, mut mask) in masker.across(&joined, &cuts, Escapes::Html) {
        for (text, start) in texts.iter().zip(&cuts) {
            let (from, to) = (range.start.max(*start), range.end.min(start + text.end - text.start));
            if from < to {
                // The mask stands where the value began.
                edits.push((text.start + from - start..text.start + to - start, std::mem::take(&mut mask)));
            }
        }
    }
    edits
}

/// Whether a number may go from one text into another: there are digits close to both sides, or what writes them.
/// Texts of nothing but blanks and signs may be between them.
fn may_go_on<'t>(texts: impl Iterator<Item = &'t [u8]>) -> bool {
    let part = |b: &u8| b.is_ascii_digit() || *b >= 0x80 || matches!(b, b'+' | b'(' | b'&' | b'%');
    // However many blanks there are, browsers show one.
    let seen = |b: &&u8| !b.is_ascii_whitespace();
    let mut ends_with_part = false;
    for text in texts {
        if ends_with_part && text.iter().filter(seen).take(NEAR).any(part) {
            return true;
        }
        if text.iter().any(|b| part(b) || b.is_ascii_alphabetic()) {
            ends_with_part = text.iter().rev().filter(seen).take(NEAR).any(part);
        }
    }
    false
}

fn has_address(text: &[u8]) -> bool {
    memchr3(b'@', b'&', b'%', text).is_some()
}
