//! Numbers, `true`, `false` and `null`, byte by byte, so that they may be cut anywhere.

/// How far a value that is no string was read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar {
    Start,
    Literal(&'static [u8]),
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Power,
    Sign,
    Exponent,
    Bad,
}

impl Scalar {
    pub(super) fn push(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |state, b| state.step(*b))
    }

    fn step(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Start, b't') => Self::Literal(b"rue"),
            (Self::Start, b'f') => Self::Literal(b"alse"),
            (Self::Start, b'n') => Self::Literal(b"ull"),
            (Self::Literal([first, rest @ ..]), b) if *first == b => Self::Literal(rest),
            (Self::Start, b'-') => Self::Minus,
            (Self::Start | Self::Minus, b'0') => Self::Zero,
            (Self::Start | Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Power,
            (Self::Power, b'+' | b'-') => Self::Sign,
            (Self::Power | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => Self::Bad,
        }
    }

    /// Whether it may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Literal([]) | Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rfc_8259_has_them() {
        for good in ["0", "-0", "10", "1.50", "-1e5", "1E+07", "0.1e-9", "true", "false", "null"] {
            assert!(Scalar::Start.push(good.as_bytes()).is_whole(), "{good}");
            assert!(good.bytes().fold(Scalar::Start, |s, b| s.push(&[b])).is_whole(), "{good}");
        }
        for bad in
            ["", "-", "01", "+1", "1.", ".5", "1e", "1e+", "0x1", "tru", "truee", "NaN", "Infinity", "1_0", "'a'"]
        {
            assert!(!Scalar::Start.push(bad.as_bytes()).is_whole(), "{bad}");
        }
    }
}
