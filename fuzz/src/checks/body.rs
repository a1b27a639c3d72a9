//! Bodies: forms of both kinds, JSON, and the files inside of JSON.

use std::collections::HashSet;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use deskgate::body::multipart::FilePart;
use deskgate::body::{self, Body, Fields, Parsed};
use serde_json::{Map, Value, json};

use super::choices::Choices;

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=XX";
const JSON: &str = "application/json";
/// What begins every part.
const OPENING: &[u8] = b"--XX";
/// How deep JSON may nest.
const DEEPEST: usize = 32;

/// What is forwarded of a body.
fn canonical(parsed: &Parsed) -> Bytes {
    parsed.canonical.concat().into()
}

/// Reads a body; what passes is forwarded as bytes that read back as the same, and change no more.
fn fixed(content_type: &str, raw: &Bytes) -> Option<Parsed> {
    let parsed = body::parse(content_type, raw.clone(), &mut |_| true).ok()?;
    let wire = canonical(&parsed);
    let again = body::parse(content_type, wire.clone(), &mut |_| true).expect("what is forwarded can be read");
    assert_eq!((&again.body, &again.files), (&parsed.body, &parsed.files));
    assert_eq!(canonical(&again), wire);
    for file in &parsed.files {
        let place = file.content.as_ptr_range();
        let whole = raw.as_ptr_range();
        assert!(file.content.is_empty() || whole.start <= place.start && place.end <= whole.end, "a copy was made");
    }
    Some(parsed)
}

/// A form in the body, or a query.
pub fn urlencoded(input: &[u8]) {
    let raw = Bytes::copy_from_slice(input);
    let parsed = fixed(URLENCODED, &raw);
    let Ok(text) = std::str::from_utf8(input) else {
        return assert!(parsed.is_none(), "it is not UTF-8");
    };
    for separators in [&['&'][..], &['&', ';']] {
        let Ok(fields) = body::urlencoded::parse(text, separators) else { continue };
        let wire = body::urlencoded::write(&fields);
        assert!(wire.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._*+%&=".contains(&b)), "{wire}");
        assert_eq!(body::urlencoded::parse(&wire, separators).as_ref(), Ok(&fields));
        assert_eq!(wire.is_empty(), fields.0.is_empty());
        assert_eq!(fields, leniently(text, separators));
    }
}

/// A form as an app reads it that passes over what is wrong.
fn leniently(text: &str, separators: &[char]) -> Fields {
    let plain = |text: &str| {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            let hex = after.get(..2).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
            rest = after;
            match (first, hex) {
                (b'%', Some(byte)) => {
                    out.push(byte);
                    rest = &after[2..];
                }
                (b'+', _) => out.push(b' '),
                _ => out.push(*first),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    let pairs = text.split(|c| separators.contains(&c)).filter(|pair| !pair.is_empty());
    Fields(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (plain(n), plain(v))).collect())
}

/// A multipart form with the boundary `XX`; what does not begin with it builds one.
pub fn multipart(input: &[u8]) {
    if !input.starts_with(OPENING) {
        return built(input);
    }
    let raw = Bytes::copy_from_slice(input);
    let Some(parsed) = fixed(MULTIPART, &raw) else { return };
    let parts = by_a_lenient_app(&canonical(&parsed));
    assert_eq!(parsed.body, Body::Form(Fields(parts.iter().flat_map(Part::values).collect())));
    let files: Vec<_> =
        parts.into_iter().filter(|part| part.file.is_some()).map(|p| (p.name, p.file.unwrap(), p.content)).collect();
    let judged = |f: &FilePart| (f.field.clone(), f.name.clone(), f.content.to_vec());
    assert_eq!(parsed.files.iter().map(judged).collect::<Vec<_>>(), files);
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Part {
    name: String,
    file: Option<String>,
    content: Vec<u8>,
}

impl Part {
    /// What apps find that ask for the value of its field: of a file that may be its name or content.
    fn values(&self) -> Vec<(String, String)> {
        let value = |text: String| (self.name.clone(), text);
        let Some(file) = &self.file else { return vec![value(String::from_utf8(self.content.clone()).unwrap())] };
        if file.is_empty() {
            return vec![];
        }
        let start = self.content.get(..4096).map_or_else(
            || String::from_utf8_lossy(&self.content).into_owned(),
            |start| String::from_utf8_lossy(start).into_owned() + if self.content.len() > 4096 { "\0" } else { "" },
        );
        vec![value(file.clone()), value(start)]
    }
}

/// The parts for a reader that finds boundaries inside of lines, takes any line end, and looks for
/// the parameters of a head anywhere in it.
fn by_a_lenient_app(raw: &[u8]) -> Vec<Part> {
    let mut chunks = split(raw, OPENING).into_iter();
    assert_eq!(chunks.next(), Some(&[][..]), "a preamble");
    let parts = chunks.take_while(|chunk| !chunk.starts_with(b"--")).map(|chunk| {
        let line_end = chunk.iter().position(|b| *b == b'\n').expect("a boundary's line ends");
        let (head, content) = head_and_content(&chunk[line_end + 1..]);
        let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\n\t", " ");
        let content = content.strip_suffix(b"\n").map_or(content, |c| c.strip_suffix(b"\r").unwrap_or(c));
        let (mut names, mut files) = (parameters(&head, "name"), parameters(&head, "filename"));
        assert!(names.len() == 1 && files.len() <= 1, "{head:?}: {names:?} {files:?}");
        Part { name: names.remove(0), file: files.pop(), content: content.to_vec() }
    });
    parts.collect()
}

fn split<'a>(raw: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = raw;
    while let Some(found) = rest.windows(at.len()).position(|w| w == at) {
        pieces.push(&rest[..found]);
        rest = &rest[found + at.len()..];
    }
    pieces.push(rest);
    pieces
}

fn head_and_content(part: &[u8]) -> (&[u8], &[u8]) {
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\n\r\n", b"\r\r"];
    let found = ends.iter().filter_map(|end| Some((part.windows(end.len()).position(|w| w == *end)?, end.len())));
    let (at, length) = found.min_by_key(|(at, _)| *at).expect("a head ends");
    (&part[..at], &part[at + length..])
}

/// The values of `key`, or of `key*`, wherever in a head they seem to be.
fn parameters(head: &str, key: &str) -> Vec<String> {
    let lower = head.to_ascii_lowercase();
    let places = lower.match_indices(key).filter(|(at, _)| key != "name" || !lower[..*at].ends_with("file"));
    let values = places.filter_map(|(at, _)| {
        let value = head[at + key.len()..].trim_start_matches('*').strip_prefix('=')?;
        let quoted = value.strip_prefix('"').and_then(|v| v.split_once('"')).map(|(v, _)| v);
        Some(quoted.unwrap_or_else(|| value.split([';', '\r', '\n']).next().unwrap_or_default()).to_owned())
    });
    values.collect()
}

/// A form that is built reads as what it was built of, or not at all; one without anything odd does.
fn built(input: &[u8]) {
    let mut choices = Choices(input);
    let (mut parts, mut raw, mut plain) = (Vec::new(), Vec::new(), true);
    while !choices.is_empty() && parts.len() < 8 {
        let part = built_part(&mut choices);
        let (head, is_plain) = built_head(&part, &mut choices);
        plain &= is_plain;
        for piece in [OPENING, b"\r\n", head.as_bytes(), b"\r\n\r\n", &part.content, b"\r\n"] {
            raw.extend_from_slice(piece);
        }
        parts.push(part);
    }
    raw.extend_from_slice(b"--XX--\r\n");
    // What is written as it is here, without being escaped, may end what it stands in.
    let breaks_out = |text: &str| text.contains(['"', '\r', '\n']);
    let whole = |p: &Part| {
        let pieces = [p.name.as_bytes(), p.file.as_deref().unwrap_or_default().as_bytes(), &p.content];
        let bounded = pieces.iter().any(|piece| piece.windows(OPENING.len()).any(|w| w == OPENING));
        !bounded && !breaks_out(&p.name) && !p.file.as_deref().is_some_and(breaks_out)
    };
    let whole = parts.iter().all(whole) && split(&raw, OPENING).len() == parts.len() + 2;
    let Some(parsed) = fixed(MULTIPART, &raw.into()) else {
        return assert!(!(plain && whole), "{parts:?} are refused");
    };
    if whole {
        assert_eq!(parsed.body, Body::Form(Fields(parts.iter().flat_map(Part::values).collect())));
        let files: Vec<_> = parsed.files.iter().map(|f| (&f.field, Some(&f.name), &f.content[..])).collect();
        let expected = parts.iter().filter(|p| p.file.is_some()).map(|p| (&p.name, p.file.as_ref(), &p.content[..]));
        assert_eq!(files, expected.collect::<Vec<_>>());
    }
}

fn built_part(choices: &mut Choices<'_>) -> Part {
    let name = match choices.pick(&["a", "Status", "Attach[]", "x-1.y", ""]) {
        "" => choices.text(),
        name => name.to_owned(),
    };
    let file = match choices.pick(&["-", "a.txt", "Straße (final).v2.pdf", ""]) {
        "-" => None,
        "" => Some(choices.text()),
        file => Some(file.to_owned()),
    };
    Part { name, file, content: choices.bytes().to_vec() }
}

/// The head of a part, and whether there is nothing odd about the part.
fn built_head(part: &Part, choices: &mut Choices<'_>) -> (String, bool) {
    let content_type = choices.pick(&["", "text/plain", "TEXT/plain; charset=UTF-8", "image/png", "multipart/mixed"]);
    let style = choices.pick(&["Content-Disposition: form-data; ", "content-disposition:form-data ;  "]);
    let mut lines = vec![format!("{style}name=\"{}\"", part.name)];
    if let Some(file) = &part.file {
        lines[0] += &format!("; filename=\"{file}\"");
    }
    if !content_type.is_empty() {
        lines.push(format!("Content-Type: {content_type}"));
    }
    let odd = choices.pick(&["", "Content-Length: 3", "Content-Transfer-Encoding: base64", "X: y", "\tname=\"b\""]);
    if !odd.is_empty() {
        lines.push(odd.into());
    }
    let plain_name = |n: &str| n.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]".contains(&b));
    let plain_content = std::str::from_utf8(&part.content).is_ok_and(|c| !c.contains(|c: char| c.is_control()));
    let plain = plain_name(&part.name)
        && content_type != "multipart/mixed"
        && matches!(odd, "" | "Content-Length: 3")
        && match &part.file {
            Some(file) => matches!(file.as_str(), "a.txt" | "Straße (final).v2.pdf"),
            None => plain_content && content_type != "image/png",
        };
    (lines.join("\r\n"), plain)
}

/// JSON is read as another reader reads it, unless that one passes over a second key or nests deeper.
pub fn json(input: &[u8]) {
    let strict = body::json::parse(input);
    let Ok(other) = serde_json::from_slice::<Value>(input) else {
        return assert!(strict.is_err(), "what is no JSON was read");
    };
    let text = std::str::from_utf8(input).expect("JSON is UTF-8");
    let (repeats, depth) = keys_and_depth(text);
    assert_eq!(strict.is_ok(), !repeats && depth <= DEEPEST, "{strict:?}: key twice {repeats}, {depth} deep");
    if let Ok(value) = strict {
        assert_eq!(value, other);
        let parsed = fixed(JSON, &Bytes::copy_from_slice(input)).expect("it was read a moment ago");
        assert_eq!((&parsed.body, &canonical(&parsed)[..]), (&Body::Json(value), input));
    }
}

/// Whether a key stands twice in an object, in any case, and how deep arrays and objects nest.
fn keys_and_depth(text: &str) -> (bool, usize) {
    let (mut open, mut repeats, mut deepest): (Vec<HashSet<String>>, _, _) = (Vec::new(), false, 0);
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' | b'[' => open.push(HashSet::new()),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                while text.as_bytes()[at] != b'"' {
                    at += if text.as_bytes()[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if text[at..].trim_start().starts_with(':') {
                    let key: String = serde_json::from_str(&text[start..at]).unwrap();
                    repeats |= !open.last_mut().unwrap().insert(key.to_lowercase());
                }
            }
            _ => {}
        }
        deepest = deepest.max(open.len());
    }
    (repeats, deepest)
}

fn inside(value: &Value) -> Vec<FilePart> {
    body::embedded::files(&Body::Json(value.clone()))
}

/// Files inside of text: those of a document, of a form's field, or one that is built.
pub fn embedded(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        let field = |text: String| Body::Form(Fields(vec![("text".to_owned(), text)]));
        let found = body::embedded::files(&field(text.to_owned()));
        assert!(found.iter().map(|f| f.content.len()).sum::<usize>() <= text.len().pow(2));
        let more = body::embedded::files(&field(format!(
            "{text}\n<img src=\"data:image/gif;base64,R0lGODlhMDEyMzQ1Njc4OQ==\">"
        )));
        assert_eq!(
            more.last().map(|f| &f.content[..]),
            Some(&b"GIF89a0123456789"[..]),
            "what stands before it hides nothing"
        );
    }
    if let Ok(value) = body::json::parse(input) {
        let found = inside(&value);
        assert_eq!(inside(&json!([value.clone()])), found, "a list around it changes nothing");
        let again: Value = serde_json::from_str(&value.to_string()).unwrap();
        assert_eq!(inside(&again), found);
    } else {
        built_inside(&mut Choices(input));
    }
}

fn built_inside(choices: &mut Choices<'_>) {
    let encode = choices.pick(&[
        |c: &[u8]| BASE64.encode(c),
        |c: &[u8]| BASE64URL.encode(c),
        |c: &[u8]| BASE64_NOPAD.encode(c),
        |c: &[u8]| BASE64URL_NOPAD.encode(c),
    ]);
    let uri = choices.pick(&["", "data:;base64,", "DATA:image/png;BASE64,", " data:text/plain;charset=utf-8;base64,"]);
    let line = choices.pick(&[usize::MAX, 76, 64, 1]);
    let line_end = choices.pick(&["\r\n", "\n", " \t"]);
    let escaped = choices.pick(&[false, true]);
    let around = choices.byte();
    let content = choices.0;
    let mut text = String::new();
    for (index, c) in encode(content).chars().enumerate() {
        if index > 0 && index % line == 0 {
            text += line_end;
        }
        // In a URI any of it may be escaped.
        text +=
            &if escaped && !uri.is_empty() && !c.is_ascii_digit() { format!("%{:02x}", c as u32) } else { c.into() };
    }
    // A text without a word that says so is a file only when it is long enough to be one.
    if uri.is_empty() && text.len() < 64 {
        return;
    }
    let mut file = Map::new();
    file.insert("filename".into(), "x.bin".into());
    file.insert("data".into(), format!("{uri}{text}").into());
    let value = match around % 3 {
        0 => file.into(),
        1 => json!({ "a": [1, { "b": file }], "filename": "y.txt" }),
        _ => json!([[file], null]),
    };
    let found = inside(&value);
    assert_eq!(found.len(), 1, "{value}");
    assert_eq!((&found[0].content[..], found[0].name.as_str(), found[0].field.as_str()), (content, "x.bin", "data"));
}

/// A form whose fields are changed: it reads back with the changes, and with nothing else changed.
pub fn rewritten(input: &[u8]) {
    let content_type = if input.starts_with(OPENING) { MULTIPART } else { URLENCODED };
    let Ok(parsed) = body::parse(content_type, Bytes::copy_from_slice(input), &mut |_| true) else { return };
    let Body::Form(mut fields) = parsed.body else { panic!("a form") };
    let of_file = |index: usize, fields: &Fields| {
        let (name, _) = &fields.0[index];
        parsed.files.iter().any(|f| f.field == *name)
    };
    for index in 0..fields.0.len() {
        if index % 2 == 0 && !of_file(index, &fields) {
            fields.0[index].1 = "[changed]".into();
        }
    }
    fields.0.push(("added".into(), "no".into()));
    let raw = Bytes::from(parsed.canonical.concat());
    let written =
        Bytes::from(body::rewrite(content_type, &raw, &fields).expect("what was read can be written").concat());
    let Ok(again) = body::parse(content_type, written, &mut |_| true) else { return };
    assert_eq!(again.body, Body::Form(fields));
    assert_eq!(again.files, parsed.files);
}

/// A document that is written again: unchanged, and with strings changed and a member taken out.
pub fn saved(input: &[u8]) {
    let Ok(mut value) = body::json::parse(input) else { return };
    for _ in 0..2 {
        let written = body::json::rewrite(input, &value).expect("what was read can be written");
        assert_eq!(body::json::parse(&written).as_ref(), Ok(&value), "{}", String::from_utf8_lossy(&written));
        change(&mut value, &mut 0);
    }
}

/// Changes every second string, and takes out the second member of every object.
fn change(value: &mut Value, strings: &mut usize) {
    match value {
        Value::String(text) => {
            *strings += 1;
            if *strings % 2 == 1 {
                text.push_str("\"\\\u{1}\u{1f600}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, strings)),
        Value::Object(members) => {
            if let Some(key) = members.keys().nth(1).cloned() {
                members.shift_remove(&key);
            }
            members.values_mut().for_each(|member| change(member, strings));
        }
        _ => {}
    }
}
