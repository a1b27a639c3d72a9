//! Tags within a number or an address, as searches put them into what they found: `+49 30 <em>2312</em>5123`.

use std::ops::Range;

use super::Layer;
use crate::text::inline::{bare_tag, sets_apart};

/// `text` without tags that only change how it looks. Where a word would then touch a number they stay: there one ends.
pub(super) fn without(text: &str) -> Layer {
    let bytes = text.as_bytes();
    let mut layer = Layer { text: String::with_capacity(text.len()), marks: Vec::new() };
    let (mut done, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'<', &bytes[at..]) {
        let start = at + found;
        at = start;
        while let Some(length) = bare_tag(&bytes[at..]) {
            at += length;
        }
        if at == start {
            at += 1;
            continue;
        }
        if !sets_apart(&bytes[..start], &bytes[at..]) {
            layer.text.push_str(&text[done..start]);
            layer.marks.push((layer.text.len(), at));
            done = at;
        }
    }
    layer.text.push_str(&text[done..]);
    layer
}

/// What of `outside` was left out, by where it was in the layer around it.
pub(super) fn left_out<'l>(layer: &'l Layer, outside: &'l Range<usize>) -> impl Iterator<Item = Range<usize>> + 'l {
    let mut before = (0, 0);
    layer.marks.iter().filter_map(move |&(inside, end)| {
        let start = before.1 + (inside - before.0);
        before = (inside, end);
        (outside.start <= start && end <= outside.end).then_some(start..end)
    })
}
