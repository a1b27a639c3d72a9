//! What a page holds.

use regex::Regex;

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

/// What a browser would send of the form that holds `mark`: its fields as they stand on the page.
#[track_caller]
pub fn form_on(page: &str, mark: &str) -> Vec<(String, String)> {
    let at = page.find(mark).unwrap_or_else(|| panic!("{mark} is not on the page"));
    let start = page[..at].rfind("<form").expect("a form");
    let end = at + page[at..].find("</form").expect("the form's end");
    let form = &page[start..end];
    let pattern = r"(?s)<input([^>]*)>|<textarea([^>]*)>(.*?)</textarea>|<select([^>]*)>(.*?)</select>";
    let selected = Regex::new(r"(?s)<option([^>]*\sselected[^>]*)>").unwrap();
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let found = Regex::new(&format!(r#"\s{name}\s*=\s*"([^"]*)""#)).unwrap().captures(tag)?;
        Some(unescape(&found[1]))
    };
    let mut fields = Vec::new();
    for found in Regex::new(pattern).unwrap().captures_iter(form) {
        let text = |i: usize| found.get(i).map(|m| m.as_str());
        let tag = text(1).or(text(2)).or(text(4)).unwrap_or_default();
        let Some(name) = attribute(tag, "name") else { continue };
        let kind = attribute(tag, "type").unwrap_or_default();
        let is_off = matches!(kind.as_str(), "checkbox" | "radio") && !tag.contains("checked");
        if is_off || matches!(kind.as_str(), "submit" | "file" | "button" | "image") {
            continue;
        }
        let value = match (text(3), text(5)) {
            (Some(inner), _) => unescape(inner.strip_prefix("\n").unwrap_or(inner)),
            (_, Some(options)) => {
                selected.captures(options).and_then(|o| attribute(&o[1], "value")).unwrap_or_default()
            }
            _ => attribute(tag, "value").unwrap_or_default(),
        };
        fields.push((name, value));
    }
    fields
}
