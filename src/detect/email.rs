//! Mail addresses.
//!
//! Found: letters and digits of every script, dots, `_`, `+`, `-`, `%`, `&` and `'` before the `@`; after it a
//! domain with a dot and a name at its end (`b\u{fc}cher.example`, `xn--bcher-kva.example`). Not found: `@mention`
//! and `user@host`, which reach nobody from outside and which code and chats are full of; `root@192.0.2.1`;
//! `package@1.2.3`; `icon@2x.png`; `git@host.example:path`.

use std::ops::Range;

use super::chars::{char_at, char_before};

/// The longest mailbox and the longest domain (RFC 5321, 4.5.3.1).
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 253;

/// The address around the `@` at `at`, not before `floor`.
pub(super) fn around(text: &str, at: usize, floor: usize) -> Option<Range<usize>> {
    let start = mailbox(text, at, floor)?;
    let end = domain(text, at + 1)?;
    let is_path = char_at(text, end) == Some(':') && char_at(text, end + 1).is_some_and(char::is_alphanumeric);
    (!is_path || &text[start..at] != "git").then_some(start..end)
}

/// Where the mailbox begins that ends at `at`.
fn mailbox(text: &str, at: usize, floor: usize) -> Option<usize> {
    let mut start = at;
    while let Some(c) = char_before(text, start).filter(|&c| is_local(c)) {
        if start <= floor {
            break;
        }
        start -= c.len_utf8();
        // More than any mailbox is a token or encoded data.
        if at - start > MAX_LOCAL {
            return None;
        }
    }
    // Quotes, dots and joints at the edge belong to the sentence or the query around it.
    let local = &text[start..at];
    let trimmed = local.trim_start_matches(['.', '\'', '&', '%', '-']);
    let fine = !trimmed.is_empty() && !local.ends_with(['.', '\'']) && !local.contains("..");
    fine.then_some(at - trimmed.len())
}

fn is_local(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-' | '%' | '&' | '\'');
    }
    c.is_alphanumeric()
}

/// Where the domain ends that begins at `from`.
fn domain(text: &str, from: usize) -> Option<usize> {
    let (mut end, mut label, mut last_dot) = (from, from, None);
    while let Some(c) = char_at(text, end) {
        if c == '.' {
            // A dot that ends a sentence, or an empty label.
            if end == label || !char_at(text, end + 1).is_some_and(is_label) {
                break;
            }
            last_dot = Some(end);
            label = end + 1;
        } else if !is_label(c) {
            break;
        }
        end += c.len_utf8();
        if end - from > MAX_DOMAIN {
            return None;
        }
    }
    let whole = text[from..end].trim_end_matches('-');
    let end = from + whole.len();
    let top = text.get(last_dot? + 1..end)?;
    let fine = !whole.starts_with('-') && !whole.contains("-.") && is_top(top) && !is_file(whole, top);
    (fine && !matches!(char_at(text, end), Some('@' | '_'))).then_some(end)
}

fn is_label(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || c == '-'
    } else {
        c.is_alphanumeric() || ('\u{300}'..'\u{36f}').contains(&c)
    }
}

/// Two letters or more; the names in ASCII that stand for another script have digits too.
fn is_top(top: &str) -> bool {
    let letters = top.chars().all(|c| !c.is_ascii() || c.is_ascii_alphabetic());
    top.chars().nth(1).is_some() && (letters || top.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--")))
}

/// `2x.png`: an image for sharp screens.
fn is_file(domain: &str, top: &str) -> bool {
    let picture = ["png", "jpg", "jpeg", "gif", "webp", "svg", "avif"].iter().any(|p| top.eq_ignore_ascii_case(p));
    picture && domain.as_bytes().first().is_some_and(u8::is_ascii_digit) && domain.as_bytes().get(1) == Some(&b'x')
}
