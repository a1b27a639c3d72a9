//! 64 bytes at once: one bit for each byte that means something to JSON.

use wide::u8x16;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// 64 bytes as vectors that every x86-64 and every ARM64 machine has.
#[derive(Clone, Copy)]
pub(super) struct Lanes([u8x16; 4]);

impl Lanes {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let (parts, _) = block.as_chunks::<16>();
        Self([0, 1, 2, 3].map(|i| u8x16::new(parts[i])))
    }

    /// A bit where `test` sets the highest bit of a byte.
    #[inline]
    pub(super) fn bits(self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|part| u64::from(test(part).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }

    /// Whether [`Lanes::bits`] would have any.
    #[inline]
    pub(super) fn any(self, test: impl Fn(u8x16) -> u8x16) -> bool {
        let [a, b, c, d] = self.0.map(test);
        ((a | b) | (c | d)).to_bitmask() != 0
    }

    #[inline]
    pub(super) fn equal(self, byte: u8) -> u64 {
        self.bits(|part| part.simd_eq(u8x16::splat(byte)))
    }
}

#[inline]
fn is(part: u8x16, byte: u8) -> u8x16 {
    part.simd_eq(u8x16::splat(byte))
}

#[inline]
fn at_most(part: u8x16, byte: u8) -> u8x16 {
    part.min(u8x16::splat(byte)).simd_eq(part)
}

/// What 64 bytes would mean outside of strings, and what ends strings.
#[derive(Clone, Copy)]
pub(super) struct Raw {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) open: u64,
    pub(super) close: u64,
    pub(super) colons: u64,
    pub(super) commas: u64,
    pub(super) space: u64,
    /// Control characters, those of white space too.
    pub(super) control: u64,
}

impl Raw {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let lanes = Lanes::of(block);
        let case = u8x16::splat(0x20);
        let mut raw = Self {
            quotes: lanes.equal(b'"'),
            backslashes: 0,
            open: lanes.bits(|part| is(part | case, b'{')),
            close: lanes.bits(|part| is(part | case, b'}')),
            colons: lanes.equal(b':'),
            commas: lanes.equal(b','),
            space: lanes.equal(b' '),
            control: 0,
        };
        // Rare in what apps write, or absent.
        if lanes.any(|part| is(part, b'\\')) {
            raw.backslashes = lanes.equal(b'\\');
        }
        if lanes.any(|part| at_most(part, 0x1f)) {
            raw.control = lanes.bits(|part| at_most(part, 0x1f));
            raw.space |= lanes.bits(|part| is(part, b'\n') | is(part, b'\r') | is(part, b'\t'));
        }
        raw
    }
}

/// Where a text may hold something, and where its digits are.
#[inline]
pub(super) fn look(block: &[u8; BLOCK]) -> (u64, u64) {
    let lanes = Lanes::of(block);
    let special = lanes.bits(|part| part | (is(part, b'@') | is(part, b'%')) | (is(part, b'&') | is(part, b'\\')));
    let zero = u8x16::splat(b'0');
    (special, lanes.bits(|part| at_most(part - zero, 9)))
}

/// Which bytes a backslash stands before; `carry` says it of the first byte of the next block.
#[inline]
pub(super) fn escaped(backslashes: u64, carry: &mut bool) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let first = u64::from(*carry);
    if backslashes == 0 {
        *carry = false;
        return first;
    }
    // Rows of backslashes: every second one, from the first on, escapes what follows.
    let starts = backslashes & !first;
    let code = ((starts << 1) | ODD).wrapping_sub(starts) ^ ODD;
    *carry = (code & backslashes) >> 63 == 1;
    code ^ (backslashes | first)
}

/// Bits from every odd set bit, inclusive, to the next, exclusive.
#[inline]
pub(super) fn between(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

/// The first byte behind each of `ends` that is no white space. `carry` is what is known of the next block.
#[inline]
pub(super) fn next(ends: u64, space: u64, carry: &mut u64) -> u64 {
    let from = ends << 1 | *carry;
    // Added to a row of white space, its first bit becomes the bit behind it.
    let (sum, over) = (from & space).overflowing_add(space);
    *carry = ends >> 63 | u64::from(over);
    (sum | from) & !space
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_in_pairs() {
        for text in [r#"\"x\\"\\\""#, r"\\\\x", r"x\n", r"\\\\\\", ""] {
            let mut backslashes = 0;
            for (i, b) in text.bytes().enumerate() {
                backslashes |= u64::from(b == b'\\') << i;
            }
            let slow = |mut carry: bool| {
                let mut bits = 0;
                for i in 0..64 {
                    if carry {
                        bits |= 1 << i;
                        carry = false;
                    } else {
                        carry = backslashes >> i & 1 == 1;
                    }
                }
                bits
            };
            assert_eq!(escaped(backslashes, &mut false), slow(false), "{text}");
            assert_eq!(escaped(backslashes, &mut true), slow(true), "{text}");
        }
        let mut carry = false;
        assert_eq!(escaped(1 << 63, &mut carry), 0);
        assert!(carry);
        assert_eq!(escaped(0, &mut carry), 1);
    }

    #[test]
    fn rows() {
        for bits in [0, 1, 0b1001_0010, 1 << 63, u64::MAX, 0xdead_beef_0123_4567] {
            assert_eq!(between(bits), between_slow(bits));
        }
        let mut carry = 0;
        assert_eq!(next(0b1, 0b1110, &mut carry), 0b1_0000);
        assert_eq!(next(1 << 60, 7 << 61, &mut carry), 0);
        assert_eq!(carry, 1);
        assert_eq!(next(0, 0b11, &mut carry), 0b100);
    }

    fn between_slow(bits: u64) -> u64 {
        let mut inside = false;
        (0..64).fold(0, |all, i| {
            inside ^= bits >> i & 1 == 1;
            all | u64::from(inside) << i
        })
    }
}
