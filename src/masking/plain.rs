//! Text in which nothing could be found however it is read: no `@`, no escapes, hardly a digit.

use std::ops::Range;

use crate::text::lanes::{BLOCK, look, padded};

/// With fewer digits nothing is anybody's.
const FEWEST_DIGITS: u32 = 6;

/// Whether `raw` is such a text.
pub(super) fn is_plain(raw: &[u8]) -> bool {
    let mut count = 0;
    let mut adds = |block: &[u8; BLOCK]| {
        let (special, digits) = look(block);
        count += digits.count_ones();
        special == 0 && count < FEWEST_DIGITS
    };
    let (blocks, rest) = raw.as_chunks();
    blocks.iter().all(&mut adds) && (rest.is_empty() || adds(&padded(rest)))
}

/// Many bytes, looked at once, of which small pieces are asked for. Empty ones know nothing.
#[derive(Debug, Default)]
pub struct Plain {
    /// Of each 64 bytes: where something may be, and where digits are.
    blocks: Vec<(u64, u64)>,
}

impl Plain {
    /// Looks at `bytes` instead of what was looked at before.
    pub fn look_at(&mut self, bytes: &[u8]) {
        self.blocks.clear();
        let (blocks, rest) = bytes.as_chunks();
        self.blocks.extend(blocks.iter().map(look));
        if !rest.is_empty() {
            self.blocks.push(look(&padded(rest)));
        }
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
        blocks.iter().zip(piece.start / BLOCK..).all(|((special, digits), number)| {
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
