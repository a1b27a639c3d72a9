//! The first look: where in a text are enough digits close together for anything to be found?
//!
//! Whatever is looked for has six digits or more, and six of them fit into 64 bytes: a block of 64 bytes
//! and the one behind it hold six digits where something begins in the first. Blocks are counted in loops
//! without branches, which compilers turn into vector instructions on every machine.

use super::chars::digit;

/// Bytes counted at once.
const BLOCK: usize = 64;
/// Digits of the shortest thing that is found.
const FEWEST: u32 = 6;

/// What is in a block.
#[derive(Clone, Copy)]
struct Count {
    digits: u32,
    /// No digits but ASCII's, and a whole block.
    plain: bool,
}

/// Finds digits, but skips the parts of a text that hold few.
pub(super) struct Digits<'t> {
    bytes: &'t [u8],
    block: usize,
    here: Count,
    next: Count,
    /// Where the digits of the block are, once that was asked.
    places: Option<u64>,
}

impl<'t> Digits<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        Self { bytes, block: 0, here: count(bytes, 0), next: count(bytes, 1), places: None }
    }

    /// The first digit at or after `from` that is not alone.
    pub(super) fn next_digit(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        while at < self.bytes.len() {
            self.move_to(at / BLOCK);
            let end = ((self.block + 1) * BLOCK).min(self.bytes.len());
            if self.here.digits + self.next.digits >= FEWEST
                && let Some(found) = self.in_block(at, end)
            {
                return Some(found);
            }
            at = end;
        }
        None
    }

    #[inline]
    fn move_to(&mut self, block: usize) {
        if block == self.block {
            return;
        }
        self.here = if block == self.block + 1 { self.next } else { count(self.bytes, block) };
        self.next = count(self.bytes, block + 1);
        self.block = block;
        self.places = None;
    }

    #[inline]
    fn in_block(&mut self, from: usize, end: usize) -> Option<usize> {
        if !self.here.plain {
            return (from..end).find(|&at| digit(self.bytes, at).is_some());
        }
        let start = self.block * BLOCK;
        let places = match self.places {
            Some(places) => places,
            None => *self.places.insert(places(self.bytes.get(start..end)?)),
        };
        let rest = places & (u64::MAX << (from - start));
        (rest != 0).then(|| start + rest.trailing_zeros() as usize)
    }
}

/// One bit for each digit of a block; eight bytes at a time.
fn places(block: &[u8]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |places, word| {
        // Digits become 0 to 9; 10 and more, with 118 added, reach the high bit.
        let value = u64::from_le_bytes(*word) ^ 0x3030_3030_3030_3030;
        let others = ((value & LOW) + 0x7676_7676_7676_7676) | value;
        // The high bits of eight bytes, side by side.
        let bits = ((!others & !LOW) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        places << 8 | bits
    })
}

#[inline]
fn count(bytes: &[u8], block: usize) -> Count {
    let start = block * BLOCK;
    match bytes.get(start..start + BLOCK).and_then(|b| <&[u8; BLOCK]>::try_from(b).ok()) {
        Some(whole) => count_whole(whole),
        // The last bytes are looked at one by one.
        None => Count { digits: if start < bytes.len() { FEWEST } else { 0 }, plain: false },
    }
}

#[inline]
fn count_whole(block: &[u8; BLOCK]) -> Count {
    let (mut ascii, mut high) = (0_u8, 0_u8);
    for &b in block {
        ascii += u8::from(b.wrapping_sub(b'0') < 10);
        high |= b;
    }
    let foreign = if high < 0x80 { 0 } else { count_foreign(block) };
    Count { digits: u32::from(ascii) + u32::from(foreign), plain: foreign == 0 }
}

/// Last bytes of digits outside ASCII; a few other characters count too, which costs a closer look. One whose bytes
/// are in two blocks is not counted.
fn count_foreign(block: &[u8; BLOCK]) -> u8 {
    let mut foreign = 0_u8;
    for (&before, &b) in block.iter().zip(&block[1..]) {
        let arabic = (before == 0xd9) & (b.wrapping_sub(0xa0) < 10);
        let persian = (before == 0xdb) & (b.wrapping_sub(0xb0) < 10);
        let fullwidth = (before == 0xbc) & (b.wrapping_sub(0x90) < 10);
        let devanagari = (before == 0xa5) & (b.wrapping_sub(0xa6) < 10);
        foreign += u8::from(arabic | persian | fullwidth | devanagari);
    }
    foreign
}

/// Whether seven digits follow from `at` without a letter or a wide gap between them; if not, how far one can go on.
#[inline]
pub(super) fn enough(bytes: &[u8], mut at: usize) -> Result<(), usize> {
    let (mut count, mut gap) = (0, 0);
    while let Some(&b) = bytes.get(at) {
        if let Some((_, length)) = digit(bytes, at) {
            count += 1;
            if count == 7 {
                return Ok(());
            }
            (at, gap) = (at + length, 0);
        } else if gap < 8 && (b >= 0x80 || matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'[' | b']')) {
            (at, gap) = (at + 1, gap + 1);
        } else {
            return Err(at);
        }
    }
    Err(at)
}
