//! A piece of text that arrives in pieces: a text node, a cell, a long string. It is masked whole where it fits,
//! and in overlapping windows where it does not; where the windows lie does not depend on how it arrived.

use super::{Escapes, FieldId, Masker};

/// How much of a text is looked at together.
const WINDOW: usize = 16 << 10;
/// How much of it is looked at again with what follows.
const OVERLAP: usize = 512;
/// How far an escape reaches.
const LONGEST_ESCAPE: usize = 12;

/// A text in the making.
#[derive(Clone, Debug)]
pub struct Region {
    field: Option<FieldId>,
    escapes: Escapes,
    place: Box<[u8]>,
    held: Vec<u8>,
}

impl Region {
    /// A text that may have hidden values in it, or is one when its place says so. `place` is the name under
    /// which it would be sent back, or empty.
    #[must_use]
    pub fn new(field: Option<FieldId>, escapes: Escapes, place: &[u8]) -> Self {
        Self { field, escapes, place: place.into(), held: Vec::new() }
    }

    /// More of it.
    pub fn push(&mut self, mut raw: &[u8], masker: &mut Masker, out: &mut Vec<u8>) {
        while self.held.len() + raw.len() >= WINDOW {
            let (now, later) = raw.split_at(WINDOW - self.held.len());
            self.held.extend_from_slice(now);
            let cut = cut(&self.held);
            let done = match self.field {
                Some(field) => {
                    masker.value(field, &self.held[..cut], self.escapes, &self.place, out);
                    cut
                }
                // A value that goes on behind the cut is read once more, with all that follows it.
                None => masker.text_until(&self.held, cut, self.escapes, &self.place, out).1,
            };
            self.held.drain(..done);
            raw = later;
        }
        self.held.extend_from_slice(raw);
    }

    /// Its end.
    pub fn end(self, masker: &mut Masker, out: &mut Vec<u8>) {
        match self.field {
            Some(field) => masker.value(field, &self.held, self.escapes, &self.place, out),
            None => masker.text(&self.held, self.escapes, &self.place, out),
        };
    }
}

/// Where a full window can be cut: not within an escape or a tag, if it can be helped between words, and so far from its
/// end that what begins there is whole.
fn cut(window: &[u8]) -> usize {
    let tail = window.len() - OVERLAP;
    let places = || (tail..window.len() - OVERLAP / 2).rev();
    let between_words =
        |i: &usize| window[*i] == b' ' && window[i - 1].is_ascii_alphabetic() && window[i + 1].is_ascii_alphabetic();
    let is_blank = |i: &usize| matches!(window[*i], b' ' | b'\n' | b',' | b';');
    let is_apart = |i: &usize| {
        window[*i] < 0x80 && !window[i - LONGEST_ESCAPE..*i].iter().any(|b| matches!(b, b'\\' | b'&' | b'%'))
    };
    let in_tag = |i: &usize| window[tail - OVERLAP..*i].iter().rev().find(|b| matches!(b, b'<' | b'>')) == Some(&b'<');
    let found =
        places().find(|i| between_words(i) && !in_tag(i)).or_else(|| places().find(|i| is_blank(i) && !in_tag(i)));
    found.or_else(|| places().find(is_blank)).or_else(|| places().find(is_apart)).unwrap_or(tail)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::example::plan;
    use super::*;

    /// Wherever a long text is cut, no number is.
    #[test]
    fn no_number_is_cut() {
        let numbers = |join: &str, begin: &str| -> String {
            let all: Vec<String> = (0..4000).map(|n| format!("{begin} 30 {}", 2_450_000 + n * 37)).collect();
            all.join(join)
        };
        let mut texts: Vec<String> =
            [("\n", "+49"), ("\n", "0049"), ("\",\"", "+49"), (", ", "+49"), ("},{\"id\": 1, \"n\": ", "+49")]
                .iter()
                .map(|(join, begin)| numbers(join, begin))
                .collect();
        for number in [
            "030 <em>2345</em>5243, ",
            "+49 30 <mark class=\"hit\">2345</mark>5243; ",
            "030 2345 5243,",
            "030 2345 5243\\n",
            "030 2345 5243 \\u00e4;",
        ] {
            texts.extend((0..16).map(|n| "x".repeat(n) + &number.repeat(2_000)));
        }
        texts.extend((0..40).map(|n| format!("{} +49 30 5551234 {}", "x".repeat(16_350 + n), "y ".repeat(9_000))));
        texts.extend((0..40).map(|n| format!("{} 030 5551234 {}", "x".repeat(16_350 + n), "y ".repeat(9_000))));
        for text in texts {
            let mut masker = Masker::new(Arc::new(plan(true)));
            let (mut region, mut out) = (Region::new(None, Escapes::Json, b""), Vec::new());
            region.push(text.as_bytes(), &mut masker, &mut out);
            region.end(&mut masker, &mut out);
            let masked = String::from_utf8(out).unwrap();
            let left = masked.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() > 4);
            assert_eq!(left, None, "{}", &text[..60]);
        }
    }
}
