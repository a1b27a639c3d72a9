//! Files inside of JSON: base64 in a string, or a `data:` URI (rows C80 to C86 of the adversary's
//! list). Both are read leniently, as apps read them; what they hold is judged strictly.

use std::borrow::Cow;
use std::sync::LazyLock;

use data_encoding::{BASE64_NOPAD, Encoding};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::multipart::FilePart;
use crate::upload::is_markup;

/// A shorter text holds nothing worth judging.
const SHORTEST: usize = 64;
/// From this length on, what decodes to a known type is a file although nothing beside it says so.
const TELLING: usize = 200;

/// The files inside of `value`.
#[must_use]
pub fn files(value: &Value) -> Vec<FilePart> {
    let mut found = Vec::new();
    visit(value, "", &Map::new(), &mut found);
    found
}

fn visit(value: &Value, key: &str, beside: &Map<String, Value>, found: &mut Vec<FilePart>) {
    match value {
        Value::String(text) => found.extend(file(text, key, beside)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, key, beside, found)),
        Value::Object(map) => map.iter().for_each(|(key, inner)| visit(inner, key, map, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn file(text: &str, key: &str, beside: &Map<String, Value>) -> Option<FilePart> {
    let name = beside_text(beside, key, &["filename", "file_name", "name", "filepath"]);
    let declared = beside_text(
        beside,
        key,
        &["filetype", "file_type", "contenttype", "content_type", "mimetype", "mime_type", "type"],
    );
    if let Some((media_type, content)) = data_uri(text) {
        let declared = declared.map_or(media_type, str::to_owned);
        return Some(part(key, name, Some(declared), content));
    }
    if text.len() < SHORTEST || is_digest(text) {
        return None;
    }
    let content = base64(text)?;
    let known = infer::get(&content).is_some() || is_markup(&content);
    let named = name.is_some_and(|n| n.contains('.'));
    (named || (known && text.len() >= TELLING)).then(|| part(key, name, declared.map(str::to_owned), content))
}

fn part(key: &str, name: Option<&str>, declared: Option<String>, content: Vec<u8>) -> FilePart {
    let unnamed = || format!("inline.{}", infer::get(&content).map_or("txt", |t| t.extension()));
    let name = name.map_or_else(unnamed, str::to_owned);
    // A word such as `file` in the place of a media type says nothing of it.
    let declared = declared.filter(|d| d.contains('/'));
    FilePart { field: key.to_owned(), name, declared, content: content.into() }
}

/// The text beside `key` whose own key is one of `words`, whatever its case.
fn beside_text<'a>(beside: &'a Map<String, Value>, key: &str, words: &[&str]) -> Option<&'a str> {
    let fits = |k: &str| k != key && words.iter().any(|w| k.eq_ignore_ascii_case(w));
    beside.iter().find(|(k, _)| fits(k)).and_then(|(_, v)| v.as_str())
}

/// The media type and the content of a `data:` URI (RFC 2397).
fn data_uri(text: &str) -> Option<(String, Vec<u8>)> {
    let text = text.trim_start();
    let rest = text.get(..5).filter(|s| s.eq_ignore_ascii_case("data:")).map(|_| &text[5..])?;
    let (head, content) = rest.split_once(',')?;
    let lower = head.to_ascii_lowercase();
    let content: Cow<'_, [u8]> = percent_decode_str(content).into();
    let decoded = lower.ends_with("base64").then(|| std::str::from_utf8(&content).ok().and_then(base64)).flatten();
    let content = decoded.unwrap_or_else(|| content.into_owned());
    Some((lower.split(';').next().unwrap_or_default().to_owned(), content))
}

/// A SHA-2 in hex, which often stands beside a file's name; so few letters write no file.
fn is_digest(text: &str) -> bool {
    matches!(text.len(), 64 | 96 | 128) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Base64 in either alphabet, with line ends and with padding or without.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'\r' | b'\n' | b' ' | b'\t' => {}
            b'-' => plain.push(b'+'),
            b'_' => plain.push(b'/'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') => plain.push(b),
            _ => return None,
        }
    }
    while plain.last() == Some(&b'=') {
        plain.pop();
    }
    // What is left over at the end is dropped, as most decoders do.
    plain.truncate(plain.len() - usize::from(plain.len() % 4 == 1));
    LENIENT.decode(&plain).ok()
}

/// Base64 without padding, whatever the last bits are.
static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut form = BASE64_NOPAD.specification();
    form.check_trailing_bits = false;
    form.encoding().unwrap_or(BASE64_NOPAD)
});

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_found_however_they_are_written() {
        let exe = [b"MZ\x90\0".as_slice(), &[7; 200]].concat();
        let plain = BASE64.encode(&exe);
        let lines: String =
            plain.as_bytes().chunks(76).map(|c| format!("{}\r\n", std::str::from_utf8(c).unwrap())).collect();
        for value in [
            json!({ "AttachmentsContents": [{ "FileName": "a.exe", "FileType": "text/plain", "FileContent": plain }] }),
            json!({ "filename": "a.exe", "data": BASE64URL_NOPAD.encode(&exe) }),
            json!({ "filename": "a.exe", "data": lines }),
            json!({ "filename": "a.exe", "data": plain.trim_end_matches('=') }),
            json!({ "image": format!("data:image/png;base64,{plain}") }),
            json!({ "image": format!("DATA:;base64,{}", plain.replace('+', "%2B")) }),
            json!([plain]),
        ] {
            let found = files(&value);
            assert_eq!(found.len(), 1, "{value}");
            assert!(found[0].content.starts_with(b"MZ\x90\0"), "{value}");
        }
        let script = BASE64.encode(format!("<?php system(1); /* {} */", "x".repeat(200)).as_bytes());
        assert_eq!(files(&json!({ "meta": { "name": "a.php" }, "content": script })).len(), 1);
        let found = files(&json!({ "filename": "a.txt", "type": "text/plain", "content": BASE64.encode(&[b'x'; 90]) }));
        assert_eq!((found[0].name.as_str(), found[0].declared.as_deref()), ("a.txt", Some("text/plain")));
    }

    #[test]
    fn other_texts_are_no_files() {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for value in [
            json!({ "name": "amir", "comment": "a text of some length, with blanks and commas in it, that is no file at all." }),
            json!({ "token": hash, "name": "amir" }),
            json!({ "sha256": hash, "filename": "report.pdf" }),
            json!({ "a": [1, true, null, "x"] }),
        ] {
            assert!(files(&value).is_empty(), "{value}");
        }
    }
}
