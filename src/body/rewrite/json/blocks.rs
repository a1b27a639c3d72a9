//! 64 bytes at once: one bit for each byte that means something to JSON. Vectors are as wide as the machine has them.

use fearless_simd::prelude::*;
use fearless_simd::u8x64;

use crate::text::lanes::BLOCK;

/// What 64 bytes would mean outside of strings, and what ends strings.
#[derive(Clone, Copy)]
pub(super) struct Raw {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) open: u64,
    pub(super) close: u64,
    /// Which brackets are an object's; says nothing of other bytes.
    pub(super) objects: u64,
    pub(super) colons: u64,
    pub(super) commas: u64,
    pub(super) space: u64,
    /// Control characters, those of white space too.
    pub(super) control: u64,
    pub(super) digits: u64,
    pub(super) zeros: u64,
}

impl Raw {
    #[allow(clippy::inline_always)] // into what is compiled for the vectors of a machine
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from_slice(simd, block);
        let is = |byte: u8| bytes.simd_eq(byte).to_bitmask();
        let either = |byte: u8| (bytes | 0x20).simd_eq(byte).to_bitmask();
        // Without asking whether there is any: compilers take masks apart that come out of a branch.
        let blank = (bytes.simd_eq(b' ') | bytes.simd_eq(b'\n')) | (bytes.simd_eq(b'\r') | bytes.simd_eq(b'\t'));
        Self {
            quotes: is(b'"'),
            backslashes: is(b'\\'),
            open: either(b'{'),
            close: either(b'}'),
            objects: (bytes & 0x20).simd_eq(0x20).to_bitmask(),
            colons: is(b':'),
            commas: is(b','),
            space: blank.to_bitmask(),
            control: bytes.simd_le(0x1f).to_bitmask(),
            digits: (bytes - b'0').simd_le(9).to_bitmask(),
            zeros: is(b'0'),
        }
    }
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
    }

    fn between_slow(bits: u64) -> u64 {
        let mut inside = false;
        (0..64).fold(0, |all, i| {
            inside ^= bits >> i & 1 == 1;
            all | u64::from(inside) << i
        })
    }
}
