//! White space that browsers show as one blank: ends of lines, tabs, indents.

use wide::u8x16;

use super::Layer;
use crate::text::lanes::{BLOCK, Lanes, at_most, is, padded};

/// How far before white space a number may begin.
const LONGEST_HEAD: usize = 24;
/// With so many digits a number is whole: what follows in the next line is another one.
const WHOLE: usize = 8;

/// White space within a number as one blank: so browsers show lines and indents. Only behind what begins as numbers of
/// telephones do; columns of other numbers stay apart.
pub(super) fn folded(text: &str) -> Layer {
    let bytes = text.as_bytes();
    let mut layer = Layer::default();
    let mut done = 0;
    for at in parts_behind_space(bytes) {
        let length = bytes[..at].iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
        let start = at - length;
        let is_wide = length > 3 || bytes[start..at].iter().any(|b| *b != b' ');
        if is_wide && begins_number(&bytes[start.saturating_sub(LONGEST_HEAD)..start]) {
            layer.text.push_str(&text[done..start]);
            layer.escape(' ', at);
            done = at;
        }
    }
    // Nearly no text has any: it is not copied.
    if done > 0 {
        layer.text.push_str(&text[done..]);
    }
    layer
}

/// Where behind white space a digit or a sign of a number stands.
fn parts_behind_space(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let (mut at, mut bits, mut was_space) = (0, 0, 0);
    std::iter::from_fn(move || {
        while bits == 0 {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let lanes = rest.first_chunk().map_or_else(|| Lanes::of(&padded(rest)), Lanes::of);
            let space = lanes
                .bits(|part| (is(part, b' ') | is(part, b'\t')) | (is(part, b'\n') | is(part, 0x0c)) | is(part, b'\r'));
            let digits = |part: u8x16| at_most(part - u8x16::splat(b'0'), 9);
            let signs = |part: u8x16| at_most(part - u8x16::splat(b'-'), 2) | at_most(part - u8x16::splat(b'('), 1);
            bits = lanes.bits(|part| digits(part) | signs(part)) & (space << 1 | was_space);
            was_space = space >> 63;
            at += BLOCK;
        }
        let found = at - BLOCK + bits.trailing_zeros() as usize;
        bits &= bits - 1;
        Some(found)
    })
}

/// Whether what stands before white space is the head of a telephone's number.
fn begins_number(before: &[u8]) -> bool {
    let is_part =
        |b: &&u8| b.is_ascii_digit() || b.is_ascii_whitespace() || matches!(b, b'(' | b')' | b'-' | b'/' | b'.');
    let length = before.iter().rev().take_while(is_part).count();
    let head = &before[before.len() - length..];
    // The full stop of what stands before it.
    let begins = head.iter().position(|b| b.is_ascii_digit() || *b == b'(').unwrap_or(head.len());
    let plus = before[..before.len() - head.len() + begins].ends_with(b"+");
    let head = &head[begins..];
    let dialled = head.first().is_some_and(|b| matches!(b, b'0' | b'('));
    let digits = head.iter().filter(|b| b.is_ascii_digit()).count();
    digits < WHOLE && before.last().is_some_and(|b| !b.is_ascii_whitespace()) && (plus || dialled)
}
