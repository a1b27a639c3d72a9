//! Values that mean in every format what they say: no escapes, no markup, ASCII only. Nearly all are.

/// How many of its bytes are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) digits: usize,
    pub(super) ats: usize,
    pub(super) blanks: usize,
    pub(super) slashes: usize,
    pub(super) hyphens: usize,
    letters: usize,
}

/// Longer ones would be too many for the counters.
const LONGEST: usize = 0x01ff;

/// Seven counters of nine bits, of which every byte adds to one at most: digits, `@`, blanks, letters, slashes, hyphens, and
/// what is odd.
const COUNTERS: [u64; 256] = {
    let mut all = [0; 256];
    let mut b = 0_u8;
    loop {
        all[b as usize] = match b {
            b'0'..=b'9' => 1,
            b'@' => 1 << 9,
            b' ' => 1 << 18,
            b'a'..=b'z' | b'A'..=b'Z' => 1 << 27,
            b'/' => 1 << 36,
            b'-' => 1 << 45,
            b'\\' | b'&' | b'%' | b'"' | b'\'' | b'<' | b'>' | b',' | b';' => 1 << 54,
            // Of links and extensions, which have a value in them.
            b':' | b'=' | b'?' | b'|' | b'#' => 1 << 54,
            b'!'..=b'~' => 0,
            _ => 1 << 54,
        };
        if b == u8::MAX {
            break all;
        }
        b += 1;
    }
};

impl Holds {
    /// Of a number that is written with nothing but digits and signs.
    pub(super) fn is_number(self) -> bool {
        self.letters == 0 && self.ats == 0
    }
}

/// What is in a value, if it is simple.
pub(super) fn simple(raw: &[u8]) -> Option<Holds> {
    if raw.len() > LONGEST {
        return None;
    }
    let all = raw.iter().fold(0, |all, b| all + COUNTERS[usize::from(*b)]);
    if all >> 54 != 0 {
        return None;
    }
    let counter = |place: u32| usize::try_from(all >> (9 * place) & 0x1ff).unwrap_or_default();
    Some(Holds {
        digits: counter(0),
        ats: counter(1),
        blanks: counter(2),
        letters: counter(3),
        slashes: counter(4),
        hyphens: counter(5),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_simple_and_what_it_holds() {
        let holds = |digits, ats, blanks, letters| Some(Holds { digits, ats, blanks, letters, slashes: 0, hyphens: 0 });
        for (raw, expected) in [
            ("+49 (30) 12.34", holds(8, 0, 2, 0)),
            ("0/1-2-3", Some(Holds { digits: 4, slashes: 1, hyphens: 2, ..Holds::default() })),
            ("a.b1@c.de~", holds(1, 1, 0, 5)),
            ("", holds(0, 0, 0, 0)),
            ("12\n", None),
            ("12\u{fc}", None),
            ("1\u{7f}", None),
            ("&#49;", None),
            ("a,b", None),
            ("mailto:a@b.de", None),
            ("12 #3", None),
        ] {
            assert_eq!(simple(raw.as_bytes()), expected, "{raw}");
        }
        assert_eq!(simple(&[b'1'; LONGEST]).map(|holds| holds.digits), Some(LONGEST));
        assert_eq!(simple(&[b'1'; LONGEST + 1]), None);
    }
}
