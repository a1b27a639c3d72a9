//! Tags of HTML that change how a text looks, not where it is: a number or an address goes on behind them.

use memchr::{memchr, memmem};

/// Their names, packed.
const NAMES: [u64; 33] = [
    packed(b"a"),
    packed(b"abbr"),
    packed(b"acronym"),
    packed(b"b"),
    packed(b"bdi"),
    packed(b"bdo"),
    packed(b"big"),
    packed(b"cite"),
    packed(b"code"),
    packed(b"data"),
    packed(b"del"),
    packed(b"dfn"),
    packed(b"em"),
    packed(b"font"),
    packed(b"i"),
    packed(b"ins"),
    packed(b"kbd"),
    packed(b"mark"),
    packed(b"nobr"),
    packed(b"q"),
    packed(b"s"),
    packed(b"samp"),
    packed(b"small"),
    packed(b"span"),
    packed(b"strike"),
    packed(b"strong"),
    packed(b"sub"),
    packed(b"sup"),
    packed(b"tspan"),
    packed(b"tt"),
    packed(b"u"),
    packed(b"var"),
    packed(b"wbr"),
];

/// Letters and digits in one word, in lower case.
const fn packed(name: &[u8]) -> u64 {
    let (mut word, mut at) = (0, 0);
    while at < name.len() {
        word = word << 8 | (name[at] | 0x20) as u64;
        at += 1;
    }
    word
}

/// How long a bare tag may be: markers of what was searched for have a class at most.
const LONGEST: usize = 80;

/// Whether a tag has one of these names. `tag` is what stands behind its `<`, with or without a `/`: `b.meier@…>` has not.
#[must_use]
pub(crate) fn is_inline(tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'>');
    let name = &tag[..tag.iter().position(ends).unwrap_or(tag.len())];
    is_name(name)
}

/// The length of the tag that `text` begins with, if it is such a one and says nothing by itself: all it may have is
/// a class without digits. Comments are not seen at all.
#[must_use]
pub(crate) fn bare_tag(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(LONGEST)];
    if text.starts_with(b"<!--") {
        return memmem::find(&text[2..], b"-->").map(|at| at + b"<!-->".len());
    }
    let end = memchr(b'>', text)?;
    let tag = text[..end].strip_prefix(b"<")?;
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let tag = tag.strip_suffix(b"/").unwrap_or(tag);
    let (name, attributes) = tag.split_at(tag.iter().position(u8::is_ascii_whitespace).unwrap_or(tag.len()));
    let attributes = attributes.trim_ascii();
    let class = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b'=' | b'"' | b'\'' | b'-' | b'_' | b' ');
    let is_bare = attributes.is_empty() || (attributes.starts_with(b"class=") && attributes.iter().all(class));
    (is_bare && is_name(name)).then_some(end + 1)
}

fn is_name(name: &[u8]) -> bool {
    name.len() < 8 && name.iter().all(u8::is_ascii_alphanumeric) && NAMES.contains(&packed(name))
}

/// Whether a reader would see two things where a tag stands: a word or a sign and a number, or the other way round.
#[must_use]
pub(crate) fn sets_apart(before: &[u8], behind: &[u8]) -> bool {
    let (Some(&a), Some(&b)) = (before.last(), behind.first()) else { return false };
    let is_blank = |b: u8| b.is_ascii_whitespace() || b >= 0x80;
    match (a, b) {
        _ if is_blank(a) || is_blank(b) => false,
        (b'0'..=b'9', b'0'..=b'9') => false,
        (_, b'0'..=b'9' | b'+' | b'(') | (b'0'..=b'9', _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_say_nothing() {
        for (text, length) in [
            ("<b>1", Some(3)),
            ("</EM>1", Some(5)),
            ("<mark class=\"hit-a\">1", Some(20)),
            ("<b >", Some(4)),
            ("<wbr/>", Some(6)),
            ("<br/>", None),
            ("<b.meier@example.org>", None),
            ("<s:+493023125123>", None),
            ("</b/>", Some(5)),
            ("<!-- x -->1", Some(10)),
            ("<!-->1", Some(5)),
            ("<!-- 1", None),
            ("<tt/+49-30/>", None),
            ("<td>", None),
            ("<a href='tel:030'>", None),
            ("<span title=Anna>", None),
            ("<span class='c030'>", None),
            ("<b", None),
            ("<>", None),
            ("b>", None),
        ] {
            assert_eq!(bare_tag(text.as_bytes()), length, "{text}");
        }
    }
}
