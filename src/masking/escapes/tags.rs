//! Tags within a number or an address, as searches put them into what they found: `+49 30 <em>2312</em>5123`.

use std::ops::Range;

use super::Layer;
use crate::text::inline::{bare_tag, sets_apart};

/// `text` without tags that only change how it looks, and where they were. With `apart`, a blank takes the place of those
/// that set apart what is around them.
pub(super) fn without(text: &str, apart: bool) -> (Layer, Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut layer = Layer { text: String::with_capacity(text.len()), marks: Vec::new() };
    let mut tags = Vec::new();
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
        layer.text.push_str(&text[done..start]);
        if apart && sets_apart(&bytes[..start], &bytes[at..]) {
            layer.text.push(' ');
        }
        layer.marks.push((layer.text.len(), at));
        tags.push(start..at);
        done = at;
    }
    layer.text.push_str(&text[done..]);
    (layer, tags)
}
