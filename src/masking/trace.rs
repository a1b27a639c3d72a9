//! Traces of values: few bits of each, by which nearly every text can be told that holds none of them.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Range;

use super::learned::{FEWEST_DIGITS, is_gap};
use crate::text::lanes::{BLOCK, gaps, look};

/// How many bits there are: two thousand values leave one of eight set.
const BITS: usize = 1 << 14;
/// What all forms of a number end with, and what is around the `@` of an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    numbers: Option<Box<[u64; BITS / 64]>>,
    /// The same as they are: dates and ids are many, and some of them have a bit that is set.
    ends: Ends,
    addresses: Option<Box<[u64; BITS / 64]>>,
}

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

    fn is_in(self, bits: &[u64; BITS / 64], ends: &Ends) -> bool {
        let bit = bit(self.value);
        self.count >= FEWEST_DIGITS && bits[bit / 64] >> (bit % 64) & 1 == 1 && ends.contains(&spread(self.value))
    }
}

/// What numbers end with.
type Ends = HashSet<u64, BuildHasherDefault<Spread>>;

/// Made of it what [`Spread`] takes for a hash.
fn spread(end: u32) -> u64 {
    u64::from(end).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bit(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 18) as usize
}

fn set(bits: &mut Option<Box<[u64; BITS / 64]>>, bit: usize) {
    bits.get_or_insert_with(|| Box::new([0; BITS / 64]))[bit / 64] |= 1 << (bit % 64);
}

/// Two bytes before the `@`, and two behind it, in lower case.
fn around(bytes: &[u8], at: usize) -> usize {
    let byte =
        |i: Option<usize>| u32::from(i.and_then(|i| bytes.get(i)).copied().unwrap_or_default().to_ascii_lowercase());
    bit(byte(at.checked_sub(1)) | byte(Some(at + 1)) << 8 | byte(Some(at + 2)) << 16 | byte(Some(at + 3)) << 24)
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
                set(&mut self.numbers, bit(value));
                self.ends.insert(spread(value));
                return true;
            }
        }
        false
    }

    /// Notes an address.
    pub(super) fn address(&mut self, text: &[u8]) {
        if let Some(at) = memchr::memrchr(b'@', text) {
            set(&mut self.addresses, around(text, at));
        }
    }

    /// Whether a form of what was noted may be in a text; says yes rather than no.
    pub(super) fn may_be_in(&self, bytes: &[u8]) -> bool {
        if self.addresses.is_none() && self.numbers.is_none() {
            return false;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        // With an end that is no digit, so that the last row is closed.
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let mut row = Row::default();
        for (block, number) in blocks.iter().chain([&last]).zip(0..) {
            let start = number * BLOCK;
            let (special, digits) = look(block);
            if special != 0 && self.addresses.as_ref().is_some_and(|bits| has_address(bits, bytes, start, special)) {
                return true;
            }
            if (digits != 0 || row.digits != 0)
                && let Some(bits) = &self.numbers
                && row.read(start, digits, digits | gaps(block), |row| has_number(bits, &self.ends, &bytes[row]))
            {
                return true;
            }
        }
        false
    }
}

/// Digits, and between them what may be within a number.
#[derive(Clone, Copy, Default)]
struct Row {
    start: usize,
    digits: u32,
}

impl Row {
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

/// Whether an address may be where `special` has bits behind `start`, or an escape that could be its `@`.
fn has_address(bits: &[u64; BITS / 64], bytes: &[u8], start: usize, mut special: u64) -> bool {
    let is_set = |bit: usize| bits[bit / 64] >> (bit % 64) & 1 == 1;
    while special != 0 {
        let at = start + special.trailing_zeros() as usize;
        special &= special - 1;
        let rest = &bytes[at..];
        let may_be = match rest[0] {
            b'@' => is_set(around(bytes, at)),
            b'%' => rest.starts_with(b"%40"),
            b'\\' => rest.starts_with(b"\\u0040") || rest.starts_with(b"\\x40"),
            b'&' => rest.starts_with(b"&#") || rest.starts_with(b"&commat"),
            _ => false,
        };
        if may_be {
            return true;
        }
    }
    false
}

/// Whether a number may be in a row.
fn has_number(bits: &[u64; BITS / 64], ends: &Ends, row: &[u8]) -> bool {
    let (mut tail, mut gap) = (Tail::default(), 0);
    for &b in row {
        if b.is_ascii_digit() {
            tail.push(b);
            gap = 0;
            if tail.is_in(bits, ends) {
                return true;
            }
        } else if gap < 4 && (is_gap(b) || matches!(b, b'+' | b'%' | b'\\' | b'&' | 0x80..)) {
            gap += 1;
        } else {
            (tail, gap) = (Tail::default(), 0);
        }
    }
    false
}

/// What a text is told by among others: two of them are alike once in many billions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprints(u64);

impl Default for Fingerprints {
    fn default() -> Self {
        // Nobody outside can look for texts that are alike.
        Self(RandomState::new().hash_one(0_u64))
    }
}

impl Fingerprints {
    pub(super) fn of(self, text: &[u8]) -> u64 {
        let mix = |h: u64, part: u64| {
            let wide = u128::from(h ^ part) * 0x9e37_79b9_7f4a_7c15;
            let (low, high) = (wide & u128::from(u64::MAX), wide >> 64);
            u64::try_from(low ^ high).unwrap_or_default()
        };
        let (words, rest) = text.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let h = words.iter().fold(self.0 ^ text.len() as u64, |h, word| mix(h, u64::from_le_bytes(*word)));
        mix(mix(h, u64::from_le_bytes(last)), 0x5851_f42d_4c95_7f2d)
    }
}

/// Fingerprints are spread already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0 << 8 | u64::from(*b);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_told_at_every_place() {
        let mut trace = Trace::default();
        assert!(trace.number(b"+49 30 23125-123") && !trace.number(b"12 34"));
        trace.address(b"Anna@Example.com");
        for form in
            ["03023125123", "wa.me/493023125123?", "+49 (30) 231 25-123", "ANNA@example.COM", "anna%40example.com"]
        {
            for before in 0..140 {
                let text = format!("{}{form}{}", "x 1 ".repeat(before)[..before].to_owned(), " y".repeat(before % 7));
                assert!(trace.may_be_in(text.as_bytes()), "{text}");
            }
        }
        for other in ["2026-11-22T10:11:12", "12 Main St, 10012", "zip 10040", "bob@sample.org", "a***@***.com", ""] {
            assert!(!trace.may_be_in(other.as_bytes()), "{other}");
        }
    }
}
