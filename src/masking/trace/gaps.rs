//! What may stand between the digits of a number: blanks and signs, however they are escaped, and tags.

use crate::masking::learned::is_gap;

/// Whether digits are on both sides of an escape or a tag where `escapes` has bits behind `start`.
pub(super) fn goes_on(bytes: &[u8], start: usize, mut escapes: u64) -> bool {
    while escapes != 0 {
        let at = start + escapes.trailing_zeros() as usize;
        escapes &= escapes - 1;
        let before = bytes[..at].iter().rev().take(MOST_GAP).find(|b| !is_between(**b));
        if !before.is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let mut end = at;
        while end < at + 2 * MOST_GAP
            && let Some(rest) = bytes.get(end..)
            && let Some(length) =
                tag(rest).or_else(|| escape(rest)).or(rest.first().filter(|b| is_between(**b)).map(|_| 1))
        {
            end += length;
        }
        if bytes.get(end).is_some_and(u8::is_ascii_digit) {
            return true;
        }
    }
    false
}

/// The most bytes of a tag.
const MOST_TAG: usize = 96;

/// How long the tag is that `text` begins with, if it is one, however its brackets are escaped.
fn tag(text: &[u8]) -> Option<usize> {
    let slashes = text.iter().take_while(|b| **b == b'\\').count();
    let is = |from: usize, word: &[u8]| text.get(from..from + word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    let start = match text.first()? {
        b'<' => 1,
        b'\\' if is(slashes, b"u003c") => slashes + 5,
        b'&' if is(0, b"&lt;") => 4,
        _ => return None,
    };
    let end = |at: &usize| text[*at] == b'>' || is(*at, b"u003e") || is(*at, b"&gt;");
    let at = (start..text.len().min(MOST_TAG)).find(end)?;
    let length = match text[at] {
        b'>' => 1,
        b'&' => 4,
        _ => 5,
    };
    Some(at + length)
}

/// How long the escape is that `text` begins with: of HTML, of JSON, also of JSON in it, of a link.
fn escape(text: &[u8]) -> Option<usize> {
    let skip = |from: usize, is: fn(&u8) -> bool| from + text.iter().skip(from).take_while(|b| is(b)).count();
    match text {
        [b'&', rest @ ..] => {
            let end = if rest.first() == Some(&b'#') {
                skip(2, u8::is_ascii_alphanumeric)
            } else {
                skip(1, u8::is_ascii_alphabetic)
            };
            Some(end + usize::from(text.get(end) == Some(&b';')))
        }
        [b'\\', ..] => {
            let letter = skip(1, |b| *b == b'\\');
            match text.get(letter)? {
                b'u' => Some(letter + 5),
                b'x' => Some(letter + 3),
                b'n' | b'r' | b't' => Some(letter + 1),
                _ => None,
            }
        }
        [b'%', ..] => Some(3),
        _ => None,
    }
}

/// Whether a byte may be of what stands between two digits of a number.
pub(super) fn is_between(b: u8) -> bool {
    is_gap(b) || matches!(b, b'+' | b'\t'..=b'\r' | 0x80..)
}

/// The most bytes between two digits: eight characters of UTF-8.
pub(super) const MOST_GAP: usize = 24;
