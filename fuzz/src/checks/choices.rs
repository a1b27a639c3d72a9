//! Things built by the bytes of an input: they reach states that no mutation of the finished thing
//! finds, since its lengths and places fit.

/// The choices that are left. At the end of the input each is the first one.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// Whether there are any left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// One of `from`.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// Bytes, as many as the first of them says.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// Text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// `whole` in pieces, whose lengths `cuts` says again and again; at some place the rest is one.
pub fn pieces<'a>(cuts: &'a [u8], mut whole: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    // Long ones too, in steps.
    let lengths = cuts.iter().map(|cut| if *cut < 128 { usize::from(*cut) } else { usize::from(cut - 127) << 6 });
    lengths.cycle().take(256).chain([usize::MAX]).map_while(move |length| {
        let (piece, rest) = whole.split_at_checked(length.min(whole.len())).filter(|_| !whole.is_empty())?;
        whole = rest;
        Some(piece)
    })
}
