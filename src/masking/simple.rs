//! Values that mean in every format what they say: no escapes, no markup, ASCII only. Nearly all are.

/// How many of its bytes are what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) digits: usize,
    pub(super) ats: usize,
    pub(super) blanks: usize,
    letters: usize,
}

/// Longer ones would be too many for the counters.
const LONGEST: usize = 0x0fff;

/// Five counters of twelve bits, of which every byte adds to one: digits, `@`, blanks, letters, and what is odd.
const COUNTERS: [u64; 256] = {
    let mut all = [0; 256];
    let mut b = 0_u8;
    loop {
        all[b as usize] = match b {
            b'0'..=b'9' => 1,
            b'@' => 1 << 12,
            b' ' => 1 << 24,
            b'a'..=b'z' | b'A'..=b'Z' => 1 << 36,
            b'\\' | b'&' | b'%' | b'"' | b'\'' | b'<' | b'>' | b',' | b';' => 1 << 48,
            // Of links and extensions, which have a value in them.
            b':' | b'=' | b'?' | b'|' | b'#' => 1 << 48,
            b'!'..=b'~' => 0,
            _ => 1 << 48,
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
    if all >> 48 != 0 {
        return None;
    }
    let counter = |place: u32| usize::try_from(all >> place & 0xfff).unwrap_or_default();
    Some(Holds { digits: counter(0), ats: counter(12), blanks: counter(24), letters: counter(36) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_simple_and_what_it_holds() {
        let holds = |digits, ats, blanks, letters| Some(Holds { digits, ats, blanks, letters });
        for (raw, expected) in [
            ("+49 (30) 12-34", holds(8, 0, 2, 0)),
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
