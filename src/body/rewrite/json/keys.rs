//! Keys that may be names of the rules, told of 64 bytes at once: by their first letters, and of what is left by their
//! lengths.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};
use smallvec::SmallVec;

use super::grammar::Marks;
use super::input::Input;
use crate::text::lanes::BLOCK;

/// So few letters and lengths that keys are told by them all at once.
const FEW: usize = 8;
/// Names that end in the block behind the one in which they begin.
const LONGEST: usize = 62;

/// The names of the rules, when they are few enough.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The vectors of this machine.
    level: Level,
    /// First bytes, with the bit set in which capitals differ.
    letters: SmallVec<[u8; FEW]>,
    lengths: SmallVec<[u8; FEW]>,
}

impl Names {
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>) -> Option<Self> {
        let mut found = Self { level: Level::new(), letters: SmallVec::new(), lengths: SmallVec::new() };
        for name in names {
            let (letter, length) = (name.bytes().next()? | 0x20, u8::try_from(name.len()).ok()?);
            if name.len() > LONGEST {
                return None;
            }
            if !found.letters.contains(&letter) {
                found.letters.push(letter);
            }
            if !found.lengths.contains(&length) {
                found.lengths.push(length);
            }
        }
        (!found.letters.spilled() && !found.lengths.spilled()).then_some(found)
    }

    /// The keys of each block that may be a name.
    pub(super) fn keys(&self, input: Input<'_>, keys: &mut Vec<u64>) {
        let (blocks, _) = input.bytes.as_chunks::<BLOCK>();
        keys.reserve(input.marks.len());
        dispatch!(self.level, simd => {
            for (i, (block, marks)) in blocks.iter().zip(input.marks).enumerate() {
                // The first letter of one that begins in the last byte is not here.
                let begin = marks.keys & (self.letters(simd, block) >> 1 | 1 << (BLOCK - 1));
                let may_be = begin != 0 || marks.backslashes != 0;
                keys.push(if may_be { self.of_length(begin, marks, input.marks.get(i + 1)) } else { 0 });
            }
        });
    }

    #[allow(clippy::inline_always)] // into what is compiled for the vectors of a machine
    #[inline(always)]
    fn letters<S: Simd>(&self, simd: S, block: &[u8; BLOCK]) -> u64 {
        let bytes = u8x64::from_slice(simd, block) | 0x20;
        let mut found = 0;
        // A closure would not be compiled for the vectors of the machine.
        for letter in &self.letters {
            found |= bytes.simd_eq(*letter).to_bitmask();
        }
        found
    }

    /// Those of the keys that `begin` like a name which have the length of one.
    fn of_length(&self, begin: u64, marks: &Marks, next: Option<&Marks>) -> u64 {
        let (behind, escapes) = next.map_or((0, 0), |next| (next.quotes, next.backslashes));
        if marks.backslashes | escapes != 0 {
            return marks.keys;
        }
        // One that goes on may be any.
        let open = if behind == 0 { !(u64::MAX >> marks.quotes.leading_zeros() >> 1) } else { 0 };
        let closes = |length: &u8| marks.quotes >> (length + 1) | behind << (63 - length);
        begin & self.lengths.iter().fold(open, |all, length| all | closes(length))
    }
}
