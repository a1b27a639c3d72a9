//! 64 bytes at once, as vectors that every x86-64 and every ARM64 machine has: one bit for each byte.

use wide::u8x16;

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 64;

/// 64 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Lanes([u8x16; 4]);

impl Lanes {
    #[inline]
    pub(crate) fn of(block: &[u8; BLOCK]) -> Self {
        let (parts, _) = block.as_chunks::<16>();
        Self([u8x16::new(parts[0]), u8x16::new(parts[1]), u8x16::new(parts[2]), u8x16::new(parts[3])])
    }

    /// A bit where `test` sets the highest bit of a byte.
    #[inline]
    pub(crate) fn bits(self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        // Written out: as a `map` it is called, not inlined.
        let bits = |part| u64::from(test(part).to_bitmask());
        let [a, b, c, d] = self.0;
        bits(a) | bits(b) << 16 | bits(c) << 32 | bits(d) << 48
    }
}

#[inline]
pub(crate) fn is(part: u8x16, byte: u8) -> u8x16 {
    part.simd_eq(u8x16::splat(byte))
}

#[inline]
pub(crate) fn at_most(part: u8x16, byte: u8) -> u8x16 {
    part.min(u8x16::splat(byte)).simd_eq(part)
}

/// The rest of a text that is no whole block, and zeros.
pub(crate) fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last
}

/// The first byte from `at` on of which `test` sets the highest bit.
pub(crate) fn find(bytes: &[u8], at: usize, test: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let (blocks, rest) = bytes.get(at..)?.as_chunks::<BLOCK>();
    for (block, number) in blocks.iter().zip(0..) {
        let bits = Lanes::of(block).bits(&test);
        if bits != 0 {
            return Some(at + number * BLOCK + bits.trailing_zeros() as usize);
        }
    }
    let bits = Lanes::of(&padded(rest)).bits(&test) & !(u64::MAX << rest.len());
    (bits != 0).then(|| bytes.len() - rest.len() + bits.trailing_zeros() as usize)
}

/// The first byte behind each of `ends` that is not of `gaps`, and whether the next block begins with such a byte or with
/// the gap before it, which then is its `carry`.
#[inline]
pub(crate) fn behind(ends: u64, gaps: u64, carry: u64) -> (u64, u64) {
    let from = ends << 1 | carry;
    // Added to a row of gaps, its first bit becomes the bit behind it.
    let (sum, over) = (from & gaps).overflowing_add(gaps);
    ((sum | from) & !gaps, ends >> 63 | u64::from(over))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_wherever_it_is() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(find(&bytes, 0, |part| is(part, 0)), None, "{length}");
            for at in (0..length).rev() {
                bytes[at] = 0;
                for from in 0..=at {
                    assert_eq!(find(&bytes, from, |part| is(part, 0)), Some(at), "{from} {at} of {length}");
                }
            }
            assert_eq!(find(&bytes, length, |part| is(part, 0)), None, "{length}");
        }
    }

    #[test]
    fn behind_gaps() {
        assert_eq!(behind(0b1, 0b1110, 0), (0b1_0000, 0));
        assert_eq!(behind(1 << 60, 7 << 61, 0), (0, 1));
        assert_eq!(behind(0, 0b11, 1), (0b100, 0));
    }
}
