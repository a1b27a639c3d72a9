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
    place: Box<str>,
    held: Vec<u8>,
}

impl Region {
    /// A text that may have hidden values in it, or is one when its place says so. `place` is the name under
    /// which it would be sent back, or empty.
    #[must_use]
    pub fn new(field: Option<FieldId>, escapes: Escapes, place: &str) -> Self {
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
    let neutral = |i: &usize| {
        // Letters on both sides of a blank: no number and no address goes on there.
        window[*i] == b' ' && window[i - 1].is_ascii_alphabetic() && window[i + 1].is_ascii_alphabetic()
    };
    let strict = (tail..window.len() - 1).rev().find(neutral);
    let blank = || (tail..window.len()).rev().find(|&i| matches!(window[i], b' ' | b'\n' | b',' | b';' | b'<' | b'>'));
    let start = || (tail..window.len()).rev().find(|&i| window[i] < 0x80 && window[i] != b'\\' && window[i] != b'&');
    strict.or_else(blank).or_else(start).unwrap_or(tail)
}
