//! Traces of values: few bits of each, by which nearly every text can be told that holds none of them.

mod ends;
mod gaps;

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

use super::escapes::{Escapes, Unescaped};
use super::learned::FEWEST_DIGITS;
use crate::text::lanes::{BLOCK, behind, padded};
use ends::Ends;
use gaps::{MOST_GAP, SHARED, is_between};

/// What all forms of a number end with, and what is around the `@` of an address.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// The vectors of this machine.
    level: Level,
    ends: Ends,
    addresses: Option<Box<Bits>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { level: Level::new(), ends: Ends::default(), addresses: None }
    }
}

/// Bits of addresses: two thousand of them leave one of eight set.
type Bits = [u64; 1 << 8];

/// The last digits that were seen, as a number.
#[derive(Clone, Copy, Default)]
struct Tail {
    value: u32,
    count: usize,
}

impl Tail {
    fn push(&mut self, digit: u8) {
        self.value = (self.value % 1_000_000) * 10 + u32::from(digit - b'0');
        self.count += 1;
    }

    fn is_in(self, ends: &Ends) -> bool {
        self.count >= FEWEST_DIGITS && ends.contains(self.value)
    }
}

/// The bit of an address: of the byte before the `@` and the three behind it, in lower case.
fn around(bytes: &[u8], at: usize) -> (usize, u32) {
    let byte =
        |i: Option<usize>| u32::from(i.and_then(|i| bytes.get(i)).copied().unwrap_or_default().to_ascii_lowercase());
    let key = byte(at.checked_sub(1)) | byte(Some(at + 1)) << 8 | byte(Some(at + 2)) << 16 | byte(Some(at + 3)) << 24;
    let bit = key.wrapping_mul(0x9e37_79b1) >> 18;
    ((bit / 64) as usize, bit % 64)
}

impl Trace {
    /// Notes a number; whether it has enough digits.
    pub(super) fn number(&mut self, text: &[u8]) -> bool {
        let (mut value, mut count, mut weight) = (0, 0, 1);
        for digit in text.iter().rev().filter(|b| b.is_ascii_digit()) {
            value += u32::from(digit - b'0') * weight;
            weight *= 10;
            count += 1;
            if count == FEWEST_DIGITS {
                self.ends.insert(value);
                return true;
            }
        }
        false
    }

    /// Notes an address, or some.
    pub(super) fn address(&mut self, text: &[u8]) {
        for at in memchr::memchr_iter(b'@', text) {
            let (word, bit) = around(text, at);
            self.addresses.get_or_insert_with(|| Box::new([0; _]))[word] |= 1 << bit;
        }
    }

    /// Whether a form of what was noted may be in a text; says yes rather than no.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        if self.addresses.is_none() && self.ends.is_empty() {
            return false;
        }
        dispatch!(self.level, simd => self.may_be_in_blocks(simd, bytes))
    }

    #[allow(clippy::inline_always)] // into what is compiled for the vectors of a machine
    #[inline(always)]
    fn may_be_in_blocks<S: Simd>(&self, simd: S, bytes: &[u8]) -> bool {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        // With an end that is no digit, so that the last row is closed.
        let last = padded(rest);
        let (mut row, mut looked, mut after_digit) = (Row::default(), 0, 0);
        for (block, number) in blocks.iter().chain([&last]).zip(0..) {
            let start = number * BLOCK;
            let Seen { signs, tags, digits, joined } = Seen::of(simd, block);
            // A page is full of tags; those matter that a number may go on behind.
            let (parts, after) = behind(digits, joined & !digits, after_digit);
            after_digit = after;
            let signs = signs | (tags & parts);
            if signs != 0 && self.has_sign(bytes, start, signs, &mut looked) {
                return true;
            }
            if row.may_end(digits, joined)
                && !self.ends.is_empty()
                && row.read(start, digits, joined, |row| has_number(&self.ends, &bytes[row]))
            {
                return true;
            }
        }
        false
    }

    /// Whether an address or an escape is of a value, where `signs` has bits behind `start`; escapes before `looked` were
    /// looked at.
    fn has_sign(&self, bytes: &[u8], start: usize, mut signs: u64, looked: &mut usize) -> bool {
        while signs != 0 {
            let at = start + signs.trailing_zeros() as usize;
            signs &= signs - 1;
            if bytes[at] == b'@' {
                if self.is_noted(bytes, at) || (is_among_odd(bytes, at) && self.is_around(bytes, at)) {
                    return true;
                }
            } else if at >= *looked && self.may_be_escaped(bytes, at) {
                *looked = at + SHARED;
                if self.is_around(bytes, at) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether the escape or tag at `at` may be an `@`, or stand for or among the digits of a number.
    fn may_be_escaped(&self, bytes: &[u8], at: usize) -> bool {
        let behind = &bytes[at + 1..bytes.len().min(at + 16)];
        let may_be_number = || {
            let before = bytes[at.saturating_sub(MOST_GAP)..at].iter().rev().find(|b| !is_between(**b));
            before.is_some_and(u8::is_ascii_digit) || gaps::is_digit(bytes[at], behind)
        };
        let digits = || gaps::around(bytes, at).iter().filter(|b| b.is_ascii_digit()).count();
        if !self.ends.is_empty() && may_be_number() && digits() >= FEWEST_DIGITS {
            return true;
        }
        // `&#64;`, `&commat;`
        let is_at = |pair: &[u8]| matches!(pair, b"40" | b"64" | b"co" | b"Co" | b"CO");
        bytes[at] != b'<' && self.addresses.is_some() && behind.windows(2).any(is_at)
    }

    /// Whether what is around `at` holds a value once its escapes are undone.
    fn is_around(&self, bytes: &[u8], at: usize) -> bool {
        let around = gaps::around(bytes, at);
        let holds = |text: &str| {
            let bytes = text.as_bytes();
            memchr::memchr_iter(b'@', bytes).any(|at| self.is_noted(bytes, at)) || has_number(&self.ends, bytes)
        };
        let undone = |escapes| {
            let text = Unescaped::of(around, escapes);
            holds(text.innermost()) || text.without_tags(false).is_some_and(|text| holds(text.innermost()))
        };
        // What format it is does not matter, but for how often `&amp;` is undone.
        undone(Escapes::Json) || (memchr::memchr(b'&', around).is_some() && undone(Escapes::Html))
    }

    /// Whether an address like the one with the `@` at `at` was noted.
    fn is_noted(&self, bytes: &[u8], at: usize) -> bool {
        let (word, bit) = around(bytes, at);
        self.addresses.as_ref().is_some_and(|bits| bits[word] >> bit & 1 == 1)
    }
}

/// Whether what is around an `@` may be written as an escape, or not show.
fn is_among_odd(bytes: &[u8], at: usize) -> bool {
    let is_odd = |b: &u8| matches!(b, b'\\' | b'&' | b'%' | b'<' | b'>' | b';' | 0..b' ' | 0x80..);
    bytes[at.saturating_sub(1)..bytes.len().min(at + 4)].iter().any(is_odd)
}

/// Where in 64 bytes an address or a number may be.
struct Seen {
    /// `@`, and what begins an escape.
    signs: u64,
    /// What begins a tag.
    tags: u64,
    digits: u64,
    /// Digits, and what may stand between those of one number; rather too much.
    joined: u64,
}

impl Seen {
    #[allow(clippy::inline_always)] // as above
    #[inline(always)]
    fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from_slice(simd, block);
        let escapes = bytes.simd_eq(b'&') | bytes.simd_eq(b'\\');
        let digits = (bytes - b'0').simd_le(9);
        let signs = (bytes - b' ').simd_le(0x0f) & !(bytes.simd_eq(b',') | bytes.simd_eq(b'"'));
        let lines = (bytes - b'\t').simd_le(4) | bytes.simd_eq(b'[') | bytes.simd_eq(b']');
        Self {
            signs: (bytes.simd_eq(b'@') | bytes.simd_eq(b'%') | escapes).to_bitmask(),
            tags: bytes.simd_eq(b'<').to_bitmask(),
            digits: digits.to_bitmask(),
            joined: (digits | signs | lines | bytes.simd_eq(b'\\') | bytes.simd_ge(0x80)).to_bitmask(),
        }
    }
}

/// Digits, and between them what may be within a number.
#[derive(Clone, Copy, Default)]
struct Row {
    start: usize,
    digits: u32,
}

impl Row {
    /// Quickly, whether a block has to be read: there is a row that is open, long enough, or goes on.
    #[inline]
    fn may_end(self, digits: u64, joined: u64) -> bool {
        const { assert!(FEWEST_DIGITS == 7) };
        // Where two bytes, then four, then seven are joined.
        let mut long = joined & joined >> 1;
        long &= long >> 2;
        long &= long >> 3;
        // Behind the last byte that is not.
        let last = !(u64::MAX >> joined.leading_ones().min(63));
        digits != 0 && (long != 0 || digits & last != 0) || self.digits != 0
    }

    /// Reads one block. Whether any row that ends in it has enough digits and `is` what is looked for.
    fn read(&mut self, start: usize, digits: u64, joined: u64, mut is: impl FnMut(Range<usize>) -> bool) -> bool {
        // Where the row goes on that is open, or else where the next one begins.
        let mut from = if self.digits == 0 { digits.trailing_zeros() } else { 0 };
        while from < 64 {
            let end = from + (joined >> from).trailing_ones();
            let below = |bit: u32| 1_u64.checked_shl(bit).unwrap_or(0).wrapping_sub(1);
            if self.digits == 0 {
                self.start = start + from as usize;
            }
            self.digits += (digits & below(end) & !below(from)).count_ones();
            if end == 64 {
                return false;
            }
            let count = std::mem::take(&mut self.digits);
            if count as usize >= FEWEST_DIGITS && is(self.start..start + end as usize) {
                return true;
            }
            from = (digits & !below(end)).trailing_zeros();
        }
        false
    }
}

/// Whether a number may be in a row.
fn has_number(ends: &Ends, row: &[u8]) -> bool {
    let (mut tail, mut gap) = (Tail::default(), 0);
    for &b in row {
        if b.is_ascii_digit() {
            tail.push(b);
            gap = 0;
            if tail.is_in(ends) {
                return true;
            }
        } else if gap < MOST_GAP && (is_between(b) || matches!(b, b'%' | b'\\' | b'&')) {
            gap += 1;
        } else {
            (tail, gap) = (Tail::default(), 0);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_told_at_every_place() {
        let mut trace = Trace::default();
        assert!(trace.number(b"+49 30 23125-123") && !trace.number(b"12 34"));
        trace.address(b"Anna@Example.com");
        for form in [
            "03023125123",
            "030&nbsp;231&#160;25123",
            r"030 231\u00a025123",
            "030%20231%2025123",
            "wa.me/493023125123?",
            "+49 (30) 231 25-123",
            "ANNA@example.COM",
            "anna%40example.com",
            "030 <em>231</em> 25123",
            r#"030 231\u003Cmark class=\"a\"\u003E25\u003c/mark\u003e123"#,
            "030 231&lt;/b&gt;25123",
            r"030\u0026nbsp;231\u0026nbsp;25\u0026nbsp;123",
            r"anna\u0026#64;example.com",
            "anna%2540example.com",
            "anna&amp;#64;example.com",
            r"anna\\u{40}example.com",
            "anna@<b>example</b>.com",
            "030 231%3Cem%3E25123",
            "03023&#60;b&#x3e;125123",
            r"030 2312512\u0033",
            r"\u0030\u0033\u0030\u0032\u0033\u0031\u0032\u0035\u0031\u0032\u0033",
            "030 231[25]123",
            r"030 231\f25123",
            r#"030 231</em></strong></mark><mark class=\"search-hit\"><strong><em>25123"#,
            "030 23125\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}123",
        ] {
            for before in 0..140 {
                let text = format!("{}{form}{}", "x 1 ".repeat(before)[..before].to_owned(), " y".repeat(before % 7));
                assert!(trace.may_be_in(text.as_bytes()), "{text}");
            }
        }
        for other in [
            "2026-11-22T10:11:12",
            "12 Main St, 10012",
            "zip 10040",
            "bob@sample.org",
            "a***@***.com",
            "5&nbsp;MB",
            "{1&quot;,2}",
            "1 <b>x</b> 2",
            "1 < 2 < 3",
            "1%",
            "1 &",
            r"1\\",
            r"1 \\u",
            "",
        ] {
            assert!(!trace.may_be_in(other.as_bytes()), "{other}");
        }
    }
}
