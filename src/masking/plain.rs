//! Text in which nothing could be found however it is read: no `@`, no escapes, hardly a digit.

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

use crate::text::lanes::{BLOCK, padded};

/// With fewer digits nothing is anybody's.
const FEWEST_DIGITS: u32 = 6;

/// Where something may be in 64 bytes, and where digits are.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    special: u64,
    digits: u64,
}

impl Seen {
    #[allow(clippy::inline_always)] // into what is compiled for the vectors of a machine
    #[inline(always)]
    fn of<S: Simd>(simd: S, block: &[u8; BLOCK]) -> Self {
        let bytes = u8x64::from_slice(simd, block);
        let signs = (bytes.simd_eq(b'@') | bytes.simd_eq(b'%')) | (bytes.simd_eq(b'&') | bytes.simd_eq(b'\\'));
        let digits = (bytes - b'0').simd_le(9).to_bitmask();
        Self { special: (signs | bytes.simd_ge(0x80)).to_bitmask(), digits }
    }
}

/// Whether `raw` is such a text.
pub(super) fn is_plain(raw: &[u8]) -> bool {
    // Closures would not be compiled for the vectors of the machine.
    dispatch!(Level::new(), simd => {
        let (blocks, rest) = raw.as_chunks();
        let mut count = 0;
        for block in blocks {
            if !is_plain_so_far(simd, block, &mut count) {
                return false;
            }
        }
        rest.is_empty() || is_plain_so_far(simd, &padded(rest), &mut count)
    })
}

#[allow(clippy::inline_always)] // as above
#[inline(always)]
fn is_plain_so_far<S: Simd>(simd: S, block: &[u8; BLOCK], count: &mut u32) -> bool {
    let Seen { special, digits } = Seen::of(simd, block);
    *count += digits.count_ones();
    special == 0 && *count < FEWEST_DIGITS
}

/// Many bytes, looked at once, of which small pieces are asked for. Empty ones know nothing.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    blocks: Vec<Seen>,
}

impl Plain {
    /// Looks at `bytes` instead of what was looked at before.
    pub fn look_at(&mut self, bytes: &[u8]) {
        self.blocks.clear();
        let (blocks, rest) = bytes.as_chunks();
        let last = (!rest.is_empty()).then(|| padded(rest));
        self.blocks.resize(blocks.len() + usize::from(last.is_some()), Seen::default());
        dispatch!(Level::new(), simd => {
            // Not pushed: what grows may branch, and compilers take masks apart that come out of a branch.
            for (seen, block) in self.blocks.iter_mut().zip(blocks.iter().chain(&last)) {
                *seen = Seen::of(simd, block);
            }
        });
    }

    /// Whether nothing could be found in the 64 bytes of that number by themselves.
    #[must_use]
    pub fn is_plain_block(&self, number: usize) -> bool {
        self.blocks.get(number).is_some_and(|seen| seen.special == 0 && seen.digits.count_ones() < FEWEST_DIGITS)
    }

    /// Knows nothing any more.
    pub fn forget(&mut self) {
        self.blocks.clear();
    }

    /// Whether nothing could be found in a piece; says no for what was not looked at.
    #[must_use]
    pub fn is_plain(&self, piece: Range<usize>) -> bool {
        if piece.is_empty() {
            return true;
        }
        let last = (piece.end - 1) / BLOCK;
        let Some(blocks) = self.blocks.get(piece.start / BLOCK..=last) else { return false };
        let mut count = 0;
        blocks.iter().zip(piece.start / BLOCK..).all(|(Seen { special, digits }, number)| {
            let start = number * BLOCK;
            let mut mask = u64::MAX << piece.start.saturating_sub(start);
            if number == last {
                mask &= u64::MAX >> (start + BLOCK - piece.end);
            }
            count += (digits & mask).count_ones();
            special & mask == 0 && count < FEWEST_DIGITS
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A piece of what was looked at is told as it is by itself.
        #[test]
        fn pieces_are_told_as_texts(text in "[a-z<> ]{0,90}([a-z0-9 @&]|[a-z]{30}){0,40}", a: prop::sample::Index, b: prop::sample::Index) {
            let bytes = text.as_bytes();
            let (a, b) = (a.index(bytes.len() + 1), b.index(bytes.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let mut plain = Plain::default();
            plain.look_at(bytes);
            prop_assert_eq!(plain.is_plain(start..end), is_plain(&bytes[start..end]));
            prop_assert!(!plain.is_plain(start..bytes.len() + BLOCK + 1));
        }
    }
}
