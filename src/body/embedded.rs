//! Files inside of text: base64 in a string of JSON, and `data:` URIs in JSON and in the fields of
//! forms, where a page's editor puts pictures that were pasted. Both are read leniently, as apps and browsers read
//! them; what they hold is judged strictly.

use std::borrow::Cow;
use std::sync::LazyLock;

use data_encoding::{BASE64_NOPAD, Encoding};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::multipart::FilePart;
use super::{Body, json};
use crate::upload::is_markup;

/// Keys whose long Base64 is a file, whatever stands beside it.
const FILES: [&str; 12] = [
    "file",
    "files",
    "filecontent",
    "file_content",
    "filedata",
    "file_data",
    "attachment",
    "attachments",
    "blob",
    "document",
    "image",
    "photo",
];
/// Keys whose text is a file's content when the file's name stands beside it, however short.
const CONTENTS: [&str; 9] =
    ["content", "contents", "filecontent", "file_content", "data", "filedata", "file_data", "base64", "bytes"];
/// A shorter text holds nothing worth judging.
const SHORTEST: usize = 64;
/// From this length on, what decodes to a known type is a file although nothing beside it says so.
const TELLING: usize = 200;

/// A shorter URI in the middle of a text is an example, not a file.
const SHORTEST_PASTED: usize = 16;
/// Types that are text to everybody.
const TEXTS: [&str; 4] = ["application/json", "application/javascript", "text/css", "text/plain"];
/// The longest type and parameters of a `data:` URI.
const MAX_HEAD: usize = 200;

/// The files inside of the text of `body`.
#[must_use]
pub fn files(body: &Body) -> Vec<FilePart> {
    let mut found = Vec::new();
    match body {
        Body::Json(value) => visit(value, "", &Map::new(), &mut found),
        Body::Form(fields) => fields.0.iter().for_each(|(name, text)| match document(text) {
            Some(value) => visit(&value, name, &Map::new(), &mut found),
            None => pasted(text, name, &mut found),
        }),
        Body::File(_) => {}
    }
    found
}

/// A field's text that is a JSON document by itself.
fn document(text: &str) -> Option<Value> {
    is_document(text).then(|| json::parse(text.as_bytes()).ok()).flatten()
}

/// Whether a field's text may be a JSON document.
pub(super) fn is_document(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

fn visit(value: &Value, key: &str, beside: &Map<String, Value>, found: &mut Vec<FilePart>) {
    match value {
        Value::String(text) => match file(text, key, beside) {
            Some(file) => found.push(file),
            None => pasted(text, key, found),
        },
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
    let file_name = beside_text(beside, key, &["filename", "file_name", "filepath"]);
    if let Some(name) = file_name.filter(|_| CONTENTS.iter().any(|k| key.eq_ignore_ascii_case(k)))
        && !text.is_empty()
    {
        return Some(as_apps_read(text, key, name, declared));
    }
    if text.len() < SHORTEST || is_digest(text) {
        return None;
    }
    let content = base64(text)?;
    let known = infer::get(&content).is_some() || is_markup(&content);
    let named = name.is_some_and(|n| n.contains('.')) || FILES.iter().any(|k| key.eq_ignore_ascii_case(k));
    (named || (known && text.len() >= TELLING)).then(|| part(key, name, declared.map(str::to_owned), content))
}

/// The content of a file whose name stands beside it. Apps drop what is no Base64 from it; where it is
/// mostly something else it is the text itself. One that ends in its middle is read in different ways:
/// it gets no name, and so is refused.
fn as_apps_read(text: &str, key: &str, name: &str, declared: Option<&str>) -> FilePart {
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
    let clean: Vec<u8> = text.bytes().filter(|b| symbol(*b)).collect();
    let letters = text.bytes().filter(|b| !b.is_ascii_whitespace()).count();
    let clean = std::str::from_utf8(&clean).unwrap_or_default();
    let declared = declared.map(str::to_owned);
    if clean.len() * 10 < letters * 8 {
        return part(key, Some(name), declared, text.as_bytes().to_vec());
    }
    match base64(clean) {
        Some(content) => part(key, Some(name), declared, content),
        None => part(key, Some(""), declared, text.as_bytes().to_vec()),
    }
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

/// The media type and the content of a `data:` URI (RFC 2397) that is all of the text.
fn data_uri(text: &str) -> Option<(String, Vec<u8>)> {
    let text = text.trim_start();
    let rest = text.get(..5).filter(|s| s.eq_ignore_ascii_case("data:")).map(|_| &text[5..])?;
    let (head, content) = rest.split_once(',')?;
    Some(decoded(head, content))
}

fn decoded(head: &str, content: &str) -> (String, Vec<u8>) {
    let lower = head.to_ascii_lowercase();
    let content: Cow<'_, [u8]> = percent_decode_str(content).into();
    let decoded = lower.ends_with("base64").then(|| std::str::from_utf8(&content).ok().and_then(base64)).flatten();
    let content = decoded.unwrap_or_else(|| content.into_owned());
    (lower.split(';').next().unwrap_or_default().trim().to_owned(), content)
}

/// A SHA-2 in hex, which often stands beside a file's name; so few letters write no file.
fn is_digest(text: &str) -> bool {
    matches!(text.len(), 64 | 96 | 128) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Finds `data:` URIs in the middle of a text, such as a page that an editor wrote.
fn pasted(text: &str, key: &str, found: &mut Vec<FilePart>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(colon) = memchr::memchr(b':', &bytes[at..]).map(|index| at + index) {
        at = colon + 1;
        let is_scheme = colon >= 4 && bytes[colon - 4..colon].eq_ignore_ascii_case(b"data");
        let in_a_word = colon > 4 && bytes[colon - 5].is_ascii_alphanumeric();
        if is_scheme
            && !in_a_word
            && let Some((media_type, content, end)) = in_the_middle(&bytes[..colon], &text[at..])
        {
            at += end;
            found.push(part(key, None, Some(media_type), content));
        }
    }
}

/// The URI whose scheme ends `before`, if it is Base64, as editors write it, and where it ends. Prose
/// that says "data:" is none.
fn in_the_middle(before: &[u8], after: &str) -> Option<(String, Vec<u8>, usize)> {
    let comma = after.as_bytes().iter().take(MAX_HEAD).position(|b| *b == b',')?;
    let (head, rest) = (&after[..comma], &after[comma + 1..]);
    if head.contains(['<', '>', '"', '\'', '\n']) || !head.trim_end().to_ascii_lowercase().ends_with("base64") {
        return None;
    }
    let quoted = before.get(before.len().wrapping_sub(5)).is_some_and(|b| matches!(b, b'"' | b'\''));
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=%".contains(&b) || quoted && b.is_ascii_whitespace();
    let length = rest.bytes().position(|b| !symbol(b)).unwrap_or(rest.len());
    let content: Cow<'_, [u8]> = percent_decode_str(&rest[..length]).into();
    let content = std::str::from_utf8(&content).ok().and_then(base64).filter(|c| c.len() >= SHORTEST_PASTED)?;
    let media_type = head.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Source maps and style sheets stand in traces and logs that people copy; they are no files to an app.
    (!TEXTS.contains(&&*media_type)).then_some((media_type, content, comma + 1 + length))
}

/// Base64 in either alphabet, with blanks and line ends, with padding or without.
fn base64(text: &str) -> Option<Vec<u8>> {
    let symbol = |b: u8| b.is_ascii_alphanumeric() || b" \t\r\n+/-_=".contains(&b);
    // What is none shows soon, before memory is taken for it.
    if !text.bytes().take(SHORTEST).all(symbol) {
        return None;
    }
    let text = text.trim_end_matches(['=', ' ', '\t', '\r', '\n']);
    LENIENT.decode(text.as_bytes()).ok().or_else(|| {
        // What is left over at the end is dropped, as most decoders do.
        let (last, _) = text.char_indices().next_back()?;
        LENIENT.decode(&text.as_bytes()[..last]).ok()
    })
}

/// Base64 without padding, whatever the last bits are.
static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut form = BASE64_NOPAD.specification();
    form.check_trailing_bits = false;
    form.translate.from = "-_".into();
    form.translate.to = "+/".into();
    form.ignore = " \t\r\n".into();
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
            let found = files(&Body::Json(value.clone()));
            assert_eq!(found.len(), 1, "{value}");
            assert!(found[0].content.starts_with(b"MZ\x90\0"), "{value}");
        }
        let script = BASE64.encode(format!("<?php system(1); /* {} */", "x".repeat(200)).as_bytes());
        let script = json!({ "meta": { "name": "a.php" }, "content": script });
        assert_eq!(files(&Body::Json(script)).len(), 1);
        let dirty = json!({ "FileName": "evil", "FileContent": format!("!{}", plain.replace('7', "7*")) });
        let found = files(&Body::Json(dirty));
        assert!(found[0].name == "evil" && found[0].content.starts_with(b"MZ\x90\0"), "{found:?}");
        let short = json!({ "filename": "e.html", "data": "<script>x</script>" });
        assert_eq!(files(&Body::Json(short))[0].content, &b"<script>x</script>"[..]);
        let split = json!({ "filename": "e.txt", "data": "TVqQ=AAMA" });
        assert_eq!(files(&Body::Json(split))[0].name, "", "it is refused by its name");
        let text = json!({ "filename": "a.txt", "type": "text/plain", "content": BASE64.encode(&[b'x'; 90]) });
        let found = files(&Body::Json(text));
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
            assert!(files(&Body::Json(value.clone())).is_empty(), "{value}");
        }
    }

    #[test]
    fn a_text_of_many_addresses_is_read_once() {
        let text = "data:a/b;base64,AAAAAAAAAAAA".repeat(20_000);
        let form = Body::Form(crate::body::Fields(vec![("text".into(), text.clone())]));
        let total: usize = files(&form).iter().map(|f| f.content.len()).sum();
        assert!(total < text.len(), "{total}");
    }

    #[test]
    fn what_is_pasted_into_a_text_is_found() {
        let image = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 30]].concat();
        let encoded = BASE64.encode(&image);
        for html in [
            format!("<p>see <img alt=x src=\"data:image/png;base64,{encoded}\"> and more</p>"),
            format!("<img src='DATA:image/png;base64,{}'>", encoded.replace('A', "A\r\n")),
            format!("<img src=data:image/png;base64,{encoded}>"),
            format!("![x](data:image/png;base64,{encoded}) "),
            format!("url(data:;base64,{})", encoded.replace('+', "%2B")),
        ] {
            let form = Body::Form(crate::body::Fields(vec![("text".into(), html.clone())]));
            for body in [form, Body::Json(json!({ "text": html }))] {
                let found = files(&body);
                assert!(found.len() == 1 && found[0].content == image && found[0].name == "inline.png", "{html}");
            }
        }
        for prose in [
            "your data: is here, and there",
            "data:",
            "metadata: a/b, c",
            "see data:x",
            "data: image/png, x",
            "form data:yes/no, thanks",
            "Stammdata:A/B,C",
            "metadata:application/json;base64,aGVsbG8gd29ybGQ=",
            "src=\"data:image/png;base64,iVBORw0KGgo...\" is cut",
            "//# sourceMappingURL=data:application/json;charset=utf-8;base64,eyJ2ZXJzaW9uIjozfQ==",
            "Use data:text/html,<h1>hi</h1> as link",
        ] {
            let form = Body::Form(crate::body::Fields(vec![("text".into(), prose.into())]));
            assert!(files(&form).is_empty(), "{prose}");
        }
    }
}
