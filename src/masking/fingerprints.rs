//! Texts by their fingerprints.

use std::hash::{BuildHasher, Hasher, RandomState};

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
