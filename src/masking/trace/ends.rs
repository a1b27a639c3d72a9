//! What numbers end with, as a table that is made when the first one is noted.

/// How many ends there is room for; with more than three of four taken, every number may be one.
const SLOTS: usize = 1 << 12;

/// The last digits of numbers, each in the first slot that was free from its own one on; zero is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    slots: Option<Box<[u32; SLOTS]>>,
    count: usize,
}

impl Ends {
    /// Whether all is taken for one.
    fn is_full(&self) -> bool {
        self.count >= SLOTS / 4 * 3
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_none()
    }

    /// The slot of an end, or the free one that it would get.
    fn slot(slots: &[u32; SLOTS], end: u32) -> usize {
        let first = (end.wrapping_mul(0x9e37_79b1) >> 20) as usize;
        let mut probe = (0..SLOTS).map(|i| (first + i) % SLOTS);
        probe.find(|i| slots[*i] == 0 || slots[*i] == end + 1).unwrap_or(first)
    }

    pub(super) fn insert(&mut self, end: u32) {
        if self.is_full() {
            return;
        }
        let slots = self.slots.get_or_insert_with(|| Box::new([0; SLOTS]));
        let slot = Self::slot(slots, end);
        self.count += usize::from(slots[slot] == 0);
        slots[slot] = end + 1;
    }

    pub(super) fn contains(&self, end: u32) -> bool {
        self.is_full() || self.slots.as_ref().is_some_and(|slots| slots[Self::slot(slots, end)] != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More ends than there is room for: nothing is taken for harmless any more.
    #[test]
    fn what_was_noted_is_told_however_much_it_is() {
        let mut ends = Ends::default();
        let end = |n: usize| u32::try_from(n * 7_919 % 10_000_000).unwrap_or_default();
        for n in 0..2 * SLOTS {
            ends.insert(end(n));
            assert!(ends.contains(end(n)) && ends.contains(end(0)) && ends.contains(end(n / 2)), "{n}");
            assert!(ends.is_full() || !ends.contains(end(n + 1)), "{n}");
        }
        assert!(ends.is_full());
    }
}
