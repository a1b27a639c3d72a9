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

/// Where a text may hold something, and where its digits are.
#[inline]
pub(crate) fn look(block: &[u8; BLOCK]) -> (u64, u64) {
    let lanes = Lanes::of(block);
    let special = lanes.bits(|part| part | (is(part, b'@') | is(part, b'%')) | (is(part, b'&') | is(part, b'\\')));
    let zero = u8x16::splat(b'0');
    (special, lanes.bits(|part| at_most(part - zero, 9)))
}
