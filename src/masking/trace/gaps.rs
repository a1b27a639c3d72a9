//! What may stand between the digits of a number, and what is around an escape.

/// Whether a byte may be of what stands between two digits of a number.
pub(super) fn is_between(b: u8) -> bool {
    matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'[' | b']' | b'+' | b'\t'..=b'\r' | 0x80..)
}

/// The most bytes between two digits: more than a dozen characters that nobody sees.
pub(super) const MOST_GAP: usize = 48;

/// How far before an escape the digits begin that count, and how far behind it they end, though more escapes and tags
/// are between them.
const BEFORE: usize = 48;
const BEHIND: usize = 208;
/// Escapes that are closer to the last one share what is around it.
pub(super) const SHARED: usize = BEHIND / 2;

/// What is around `at`, in whole characters.
pub(super) fn around(bytes: &[u8], at: usize) -> &[u8] {
    let goes_on = |i: usize| bytes.get(i).is_some_and(|b| b & 0xc0 == 0x80);
    let start = (at.saturating_sub(BEFORE)..at).find(|i| !goes_on(*i)).unwrap_or(at);
    let end = (at..=(at + BEHIND).min(bytes.len())).rev().find(|i| !goes_on(*i)).unwrap_or(at);
    &bytes[start..end]
}

/// Whether an escape stands for a digit, as far as can be told from its first bytes: `\u0033`, `&#51;`, `%33`.
pub(super) fn is_digit(sign: u8, behind: &[u8]) -> bool {
    let has = |word: &[u8]| behind.windows(word.len()).any(|part| part == word);
    match sign {
        b'\\' => has(b"003") || has(b"x3") || has(b"{3"),
        b'%' => behind.first() == Some(&b'3'),
        b'&' => {
            behind.first().is_some_and(|b| matches!(b, b'#' | b'a' | b'A')) && (has(b"#4") || has(b"#5") || has(b"3"))
        }
        _ => false,
    }
}
