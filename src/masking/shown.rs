//! What was shown instead of what: one buffer, for there may be many in one answer.

/// Places, masks and originals of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    packed: Vec<u8>,
    count: usize,
}

/// The most that is kept of one answer, in bytes and in values.
const MOST_BYTES: usize = 256 << 10;
const MOST_VALUES: usize = 4_096;

impl Shown {
    /// Adds one; what is too long or too much is left out, and cannot be put back.
    pub fn add(&mut self, place: &[u8], mask: &[u8], original: &[u8]) {
        let all = [place, mask, original];
        let fits = all.iter().all(|text| u16::try_from(text.len()).is_ok());
        if !fits || self.count >= MOST_VALUES || self.packed.len() >= MOST_BYTES {
            return;
        }
        self.count += 1;
        for text in all {
            self.packed.extend_from_slice(&u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
            self.packed.extend_from_slice(text);
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How much there is.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.packed.len(), self.count)
    }

    /// Forgets what came after there was so much.
    pub(super) fn back_to(&mut self, (length, count): (usize, usize)) {
        self.packed.truncate(length);
        self.count = count;
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.packed.clear();
        self.count = 0;
    }

    /// All of it in one piece.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Each place, mask and original.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        Self::read(&self.packed)
    }

    /// Each place, mask and original of what [`Shown::packed`] gave. What is not UTF-8 cannot come back as it was.
    pub fn read(mut packed: &[u8]) -> impl Iterator<Item = (&str, &str, &str)> {
        let mut next = move || {
            let (length, rest) = packed.split_first_chunk::<2>()?;
            let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            packed = rest;
            Some(text)
        };
        let text = |bytes| std::str::from_utf8(bytes).ok();
        std::iter::from_fn(move || Some((next()?, next()?, next()?)))
            .filter_map(move |(place, mask, original)| Some((text(place)?, text(mask)?, text(original)?)))
    }
}
