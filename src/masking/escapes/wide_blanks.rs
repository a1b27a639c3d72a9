//! White space that browsers show as one blank: ends of lines, tabs, indents.

use std::sync::LazyLock;

use memchr::{memchr, memchr3, memmem};

use super::Layer;

static FOUR_BLANKS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"    "));

/// Whether there is white space that looks like one blank, and is not one.
pub(super) fn any(text: &[u8]) -> bool {
    memchr3(b'\n', b'\t', b'\r', text).is_some() || memchr(b'\x0c', text).is_some() || FOUR_BLANKS.find(text).is_some()
}

/// How far before white space a number may begin.
const LONGEST_HEAD: usize = 24;
/// With so many digits a number is whole: what follows in the next line is another one.
const WHOLE: usize = 8;

/// White space within a number as one blank: so browsers show lines and indents. Only behind what begins as numbers of
/// telephones do; columns of other numbers stay apart.
pub(super) fn folded(text: &str) -> Layer {
    let bytes = text.as_bytes();
    let mut layer = Layer { text: String::with_capacity(text.len()), marks: Vec::new() };
    let (mut done, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(u8::is_ascii_whitespace) {
        let start = at + found;
        at = start + 1;
        // Nearly every one is a blank between two words.
        if bytes[start] == b' ' && bytes.get(at).is_some_and(|b| !b.is_ascii_whitespace()) {
            continue;
        }
        let length = bytes[start..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        at = start + length;
        let is_wide = length > 3 || bytes[start..at].iter().any(|b| *b != b' ');
        let goes_on =
            || bytes.get(at).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'(' | b')' | b'-' | b'/' | b'.'));
        if is_wide && goes_on() && begins_number(&bytes[start.saturating_sub(LONGEST_HEAD)..start]) {
            layer.text.push_str(&text[done..start]);
            layer.escape(' ', at);
            done = at;
        }
    }
    layer.text.push_str(&text[done..]);
    layer
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
