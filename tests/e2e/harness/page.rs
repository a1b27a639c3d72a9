//! What a page holds.

/// The first link of a page that begins with `start`.
#[track_caller]
pub fn first_link(page: &str, start: &str) -> String {
    let at = page.find(start).unwrap_or_else(|| panic!("{start} is not on the page"));
    unescape(page[at..].split('"').next().unwrap())
}

/// The link of a page that begins with `start` and ends with `end`.
#[track_caller]
pub fn link_to(page: &str, start: &str, end: &str) -> String {
    let until = page.find(end).unwrap_or_else(|| panic!("{end} is not on the page")) + end.len();
    page[page[..until].rfind(start).unwrap()..until].to_owned()
}

/// Text of a page with the characters that its entities stand for.
pub fn unescape(text: &str) -> String {
    [("&amp;", "&"), ("&#38;", "&"), ("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
