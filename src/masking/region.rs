//! A piece of text that arrives in pieces: a text node, a cell, a long string. It is masked whole where it fits,
//! and in overlapping windows where it does not; where the windows lie does not depend on how it arrived.

use super::{Escapes, FieldId, Masker};

/// How much of a text is looked at together.
const WINDOW: usize = 16 << 10;
/// How much of it is looked at again with what follows.
const OVERLAP: usize = 512;

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
            let rest = self.held.split_off(cut);
            let window = std::mem::replace(&mut self.held, rest);
            self.mask(&window, masker, out);
            raw = later;
        }
        self.held.extend_from_slice(raw);
    }

    /// Its end.
    pub fn end(mut self, masker: &mut Masker, out: &mut Vec<u8>) {
        let last = std::mem::take(&mut self.held);
        self.mask(&last, masker, out);
    }

    fn mask(&self, raw: &[u8], masker: &mut Masker, out: &mut Vec<u8>) {
        match self.field {
            Some(field) => masker.value(field, raw, self.escapes, &self.place, out),
            None => masker.text(raw, self.escapes, &self.place, out),
        };
    }
}

/// Where a full window can be cut: between words of which neither looks like a part of something longer.
fn cut(window: &[u8]) -> usize {
    let tail = window.len() - OVERLAP;
    let from_behind = || (tail.max(1)..window.len() - 1).rev();
    let is_blank = |i: usize| matches!(window[i], b' ' | b'\n' | b',' | b';' | b'<' | b'>');
    // Letters on both sides of a blank: no number and no address goes on there.
    let between_words =
        |i: &usize| window[*i] == b' ' && window[i - 1].is_ascii_alphabetic() && window[i + 1].is_ascii_alphabetic();
    // A plus begins a number.
    let before_plus = |i: &usize| window[*i] == b'+' && !matches!(window[i - 1], b'0'..=b'9' | b'+' | b'(' | b'%');
    // Nothing that is hidden goes on behind a quote or a bracket of markup.
    let behind_quote = |i: &usize| matches!(window[i - 1], b'"' | b'<' | b'>' | b'{' | b'}' | b'|');
    let behind_line = |i: &usize| window[*i] == b'\n' && !window[i + 1].is_ascii_whitespace();
    let part = |b: u8| b.is_ascii_digit() || b >= 0x80 || b"+()[]-./&%; ".contains(&b);
    let before_number = |i: &usize| is_blank(*i) && !(part(window[i - 1]) && part(window[i + 1]));
    let found = from_behind().find(between_words);
    let found = found.or_else(|| from_behind().find(|i| before_plus(i) || behind_quote(i)));
    let found = found.or_else(|| from_behind().find(behind_line)).or_else(|| from_behind().find(before_number));
    let blank = || (tail..window.len()).rev().find(|&i| is_blank(i));
    let start = || (tail..window.len()).rev().find(|&i| window[i] < 0x80 && window[i] != b'\\' && window[i] != b'&');
    found.or_else(blank).or_else(start).unwrap_or(tail)
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
        texts.extend((0..40).map(|n| format!("{} +49 30 5551234 {}", "x".repeat(16_350 + n), "y ".repeat(9_000))));
        texts.extend((0..40).map(|n| format!("{} 030 5551234 {}", "x".repeat(16_350 + n), "y ".repeat(9_000))));
        for text in texts {
            let mut masker = Masker::new(Arc::new(plan(true)));
            let (mut region, mut out) = (Region::new(None, Escapes::None, b""), Vec::new());
            region.push(text.as_bytes(), &mut masker, &mut out);
            region.end(&mut masker, &mut out);
            let masked = String::from_utf8(out).unwrap();
            let left = masked.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() > 4);
            assert_eq!(left, None, "{}", &text[..60]);
        }
    }
}
