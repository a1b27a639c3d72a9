//! Digits and the marks between them, as people, editors and telephones write them.

use crate::text::is_invisible;

/// What may stand between the digits of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Blank,
    Hyphen,
    Dot,
    Slash,
    Open,
    Close,
    /// Does not show: it comes with numbers that were copied from a telephone.
    Invisible,
}

/// The value of the digit at `at` and its length in bytes: ASCII, fullwidth, Arabic-Indic, Persian, Devanagari.
#[inline]
pub(super) fn digit(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        let value = first.wrapping_sub(b'0');
        return (value < 10).then_some((value, 1));
    }
    foreign_digit(bytes.get(at..)?)
}

fn foreign_digit(bytes: &[u8]) -> Option<(u8, usize)> {
    let (value, length) = match *bytes {
        [0xd9, last @ 0xa0..=0xa9, ..] => (last - 0xa0, 2),
        [0xdb, last @ 0xb0..=0xb9, ..] => (last - 0xb0, 2),
        [0xef, 0xbc, last @ 0x90..=0x99, ..] => (last - 0x90, 3),
        [0xe0, 0xa5, last @ 0xa6..=0xaf, ..] => (last - 0xa6, 3),
        _ => return None,
    };
    Some((value, length))
}

/// The character at `at`.
#[inline]
pub(super) fn char_at(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at) {
        Some(&b) if b < 0x80 => Some(char::from(b)),
        _ => text.get(at..)?.chars().next(),
    }
}

/// The character before `at`.
#[inline]
pub(super) fn char_before(text: &str, at: usize) -> Option<char> {
    match at.checked_sub(1).and_then(|last| text.as_bytes().get(last)) {
        Some(&b) if b < 0x80 => Some(char::from(b)),
        _ => text.get(..at)?.chars().next_back(),
    }
}

/// The mark at `at` and its length in bytes.
pub(super) fn mark(text: &str, at: usize) -> Option<(Mark, usize)> {
    let c = char_at(text, at)?;
    let mark = match c {
        ' ' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Mark::Blank,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' | '\u{30fc}' => Mark::Hyphen,
        '.' | '\u{b7}' | '\u{2022}' | '\u{2027}' | '\u{ff0e}' => Mark::Dot,
        '/' | '\u{2215}' | '\u{ff0f}' => Mark::Slash,
        '(' | '[' | '\u{ff08}' => Mark::Open,
        ')' | ']' | '\u{ff09}' => Mark::Close,
        c if is_invisible(c) => Mark::Invisible,
        _ => return None,
    };
    Some((mark, c.len_utf8()))
}

/// A letter or digit of a word in ASCII: what is glued to a number makes it a part of something else.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether `c` says that a number is an amount.
pub(super) fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{20ac}' | '\u{a3}' | '\u{a5}' | '\u{20a0}'..='\u{20bf}' | '%' | '\u{2030}' | '\u{b0}')
}

/// Whether a number that begins at `at` is whole there, and not the tail of something longer.
pub(super) fn begins(text: &str, at: usize) -> bool {
    let Some(before) = char_before(text, at) else { return true };
    if is_word(before) || matches!(before, '@' | '#') {
        return false;
    }
    // `a716-4466`, `10.25`: a mark that ties it to what is before.
    let ties = matches!(before, '-' | '.' | '/' | ':' | '\u{2013}');
    !(ties
        && char_before(text, at - before.len_utf8())
            .is_some_and(|c| is_word(c) && (before != ':' || c.is_ascii_digit())))
}

/// Whether a number that ends at `at` is whole there, and not the head of something longer.
pub(super) fn ends(text: &str, at: usize) -> bool {
    let Some(next) = char_at(text, at) else { return true };
    if is_word(next) || next == '@' || digit(text.as_bytes(), at).is_some() {
        return false;
    }
    let after = char_at(text, at + next.len_utf8());
    match next {
        '-' => !after.is_some_and(is_word),
        '.' | ':' | '/' => !after.is_some_and(|c| c.is_ascii_digit()),
        _ => true,
    }
}

/// The end of the run of digits that begins at `at`.
pub(super) fn run_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some((_, length)) = digit(bytes, at) {
        at += length;
    }
    at
}
