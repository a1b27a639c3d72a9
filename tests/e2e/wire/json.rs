//! JSON: addresses (rows D201 to D224, D33 to D37, D50 to D52) and files (rows C80 to C86) in it.

use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use serde_json::json;

use super::{MARK, Refusal, Row, Sent, Wire};

const JSON: &str = "application/json";
const ONLY_TO: Refusal = (422, "forwarding.only_to");
const LIST: Refusal = (422, "forwarding.unreadable");
const BODY: Refusal = (400, "body.unreadable");
const TYPE: Refusal = (415, "body.type");

fn row(id: &str, body: impl Into<Vec<u8>>, (status, reason): Refusal) -> Row {
    Row::new(id, Sent::post("/forward", JSON, body), status, reason)
}

#[test]
fn documents_with_two_readings() {
    let note = format!("\"note\":\"{MARK}\"");
    let members = [
        ("D201", r#""to":"ok@partner.example","to":"leak@evil.test""#, BODY),
        ("D201-spelled", r#""to":"ok@partner.example","t\u006f":"leak@evil.test""#, BODY),
        ("D201-case", r#""to":"ok@partner.example","To":"leak@evil.test""#, BODY),
        ("D201-deep", r#""message":{"recipients":"ok@partner.example","recipients":"leak@evil.test"}"#, BODY),
        ("D201-letters", "\"message\":{\"recipients\":\"ok@partner.example\",\"recipient\u{17f}\":\"x@y\"}", BODY),
        ("D202", r#""t\u006f":"leak@evil.test""#, ONLY_TO),
        ("D202-value", r#""to":"leak\u0040evil.test""#, ONLY_TO),
        ("D203", r#""TO":"leak@evil.test""#, ONLY_TO),
        // Go's parser takes these letters for k and s.
        ("D203-letters", "\"message\":{\"recipient\u{17f}\":\"leak@evil.test\"}", ONLY_TO),
        ("D204", r#""to":["ok@partner.example","leak@evil.test"]"#, ONLY_TO),
        ("D204-deep", r#""to":[["ok@partner.example",["leak@evil.test"]]]"#, ONLY_TO),
        ("D205", r#""to":{"email":"leak@evil.test"}"#, ONLY_TO),
        ("D205-list", r#""to":[{"name":"ok@partner.example","email":"leak@evil.test"}]"#, ONLY_TO),
        // Who goes over an object's members gets their keys in one language, their values in another.
        ("D205-key", r#""to":{"leak@evil.test":"ok@partner.example"}"#, ONLY_TO),
        ("D205-lists", r#""message":[{"recipients":"leak@evil.test"}]"#, ONLY_TO),
        ("D206", r#""to":"ok@partner.example, leak@evil.test""#, ONLY_TO),
        ("D207", r#""to":"ok@partner.example\r\nBcc: leak@evil.test""#, LIST),
        ("D208", r#""to":"ok@partner.example\u0000leak@evil.test""#, LIST),
        ("D209", r#""cc":"leak@evil.test""#, ONLY_TO),
        ("D209-bcc", r#""to":"ok@partner.example","bcc":["leak@evil.test"]"#, ONLY_TO),
        ("D210", r#""__proto__":{"to":"leak@evil.test"}"#, BODY),
        ("D210-spelled", r#""x":{"__pr\u006fto__":{"to":"leak@evil.test"}}"#, BODY),
        ("D211", r#""to":"leak@evil.test",/* "to":"ok@partner.example" */"x":1"#, BODY),
        ("D212", r"'to':'leak@evil.test'", BODY),
        ("D213", r#""to":"leak@evil.test","#, BODY),
        ("D214", "\"to\":\"leak@evil.test\0\"", BODY),
        ("D215", r#""to":"leak@evil.test\ud800""#, BODY),
        ("D216", r#""to":"leak@evil.test","n":NaN"#, BODY),
        ("D216-infinite", r#""to":"leak@evil.test","n":1e999"#, BODY),
        ("D216-hex", r#""to":"leak@evil.test","n":0x10"#, BODY),
        ("D216-zero", r#""to":"leak@evil.test","n":010"#, BODY),
        ("D217", r#"to:"leak@evil.test""#, BODY),
        ("D218", "\"to\":\"leak@evil\n.test\"", BODY),
        ("D219", r#""to":"leak\x40evil.test""#, BODY),
    ];
    let mut rows: Vec<Row> =
        members.iter().map(|(id, member, refusal)| row(id, format!("{{{note},{member}}}"), *refusal)).collect();
    let leak = format!("{{{note},\"to\":\"leak@evil.test\"}}");
    let utf16: Vec<u8> = leak.encode_utf16().flat_map(u16::to_le_bytes).chain(MARK.bytes()).collect();
    let utf32: Vec<u8> = leak.chars().flat_map(|c| u32::from(c).to_be_bytes()).chain(MARK.bytes()).collect();
    let deep = |depth: usize| format!("{{{note},\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    rows.extend([
        row("D220", format!("\u{feff}{leak}"), BODY),
        row("D220-utf-16", utf16, BODY),
        row("D220-utf-32", utf32, BODY),
        row("D220-bytes", [leak.as_bytes(), b"\xff"].concat(), BODY),
        row("D220-string", [b"{\"to\":\"leak\xc0\x80@evil.test\",", note.as_bytes(), b"}"].concat(), BODY),
        row("D221", deep(200), BODY),
        row("D221-objects", format!("{{{note},\"a\":{}1{}}}", "{\"a\":".repeat(40), "}".repeat(40)), BODY),
        row("D221-deepest", deep(100_000), BODY).only(super::WITH_LENGTH),
        row("D222", format!("{{{note}}} {leak}"), BODY),
        row("D222-text", format!("{leak};"), BODY),
        row("D223", format!(")]}}',\n{leak}"), BODY),
        row("D223-comment", format!("// x\n{leak}"), BODY),
        row("D224", format!("[{leak}]"), ONLY_TO),
        row("D224-second", format!("[{{{note}}},{leak}]"), ONLY_TO),
        row("D224-form", format!("note={MARK}&to=leak@evil.test"), BODY),
    ]);
    Wire::start().refuses(rows);
}

#[test]
fn json_under_another_name() {
    let leak = format!("{{\"note\":\"{MARK}\",\"to\":\"leak@evil.test\"}}");
    let xml = format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a to=\"leak@evil.test\">{MARK}&x;</a>");
    let types = [
        ("D33", "text/plain", &leak),
        ("D33-none", "", &leak),
        ("D34", "application/json5", &leak),
        ("D34-text", "text/json", &leak),
        ("D34-x", "application/x-json", &leak),
        ("D35", "application/x-ndjson", &leak),
        ("D35-jsonl", "application/jsonl", &leak),
        ("D36", "application/json, text/plain", &leak),
        ("D36-first", "text/plain, application/json", &leak),
        ("D36-charset", "application/json; charset=utf-16", &leak),
        ("D36-parameter", "application/json; x=y", &leak),
        ("D37", "application/xml", &xml),
        ("D37-text", "text/xml; charset=utf-8", &xml),
        ("D50", "application/graphql", &leak),
        ("D52", "application/soap+xml", &xml),
    ];
    let rows = types.map(|(id, content_type, body)| {
        Row::new(id, Sent::post("/forward", content_type, body.as_str()), TYPE.0, TYPE.1)
    });
    Wire::start().refuses(rows.into());
}

#[test]
fn files_inside_of_json() {
    let exe = [b"MZ\x90\0\xfb\xff\xbf".as_slice(), &[0xfb; 300]].concat();
    let (plain, url) = (BASE64.encode(&exe), BASE64URL.encode(&exe));
    let php = BASE64.encode(format!("<?php system($_GET['c']); /* {} */", "x".repeat(200)).as_bytes());
    let lines: String = plain.as_bytes().chunks(76).map(|c| format!("{}\n", std::str::from_utf8(c).unwrap())).collect();
    let percent: String = exe.iter().map(|b| format!("%{b:02x}")).collect();
    let (name, mismatch) = ((400, "uploads.name"), (415, "uploads.mismatch"));
    let documents = [
        ("C80", json!({ "filename": "a.png", "content": plain }), mismatch),
        ("C80-name", json!({ "filename": "a.exe", "content": plain }), name),
        ("C81", json!({ "filename": "a.png", "content": url }), mismatch),
        ("C82", json!({ "filename": "a.png", "content": BASE64URL_NOPAD.encode(&exe) }), mismatch),
        ("C82-cut", json!({ "filename": "a.png", "content": plain.trim_end_matches('=') }), mismatch),
        ("C83", json!({ "filename": "a.png", "content": lines }), mismatch),
        ("C83-blank", json!({ "filename": "a.png", "content": format!(" {}", plain.replace('A', "A ")) }), mismatch),
        ("C85", json!({ "filename": "a.png", "content": format!("data:;base64,{plain}") }), mismatch),
        ("C85-alone", json!({ "image": format!("data:image/png;base64,{plain}") }), name),
        ("C85-percent", json!({ "filename": "a.png", "content": format!("data:image/png,{percent}") }), mismatch),
        ("C85-html", json!({ "image": "data:text/html,%3Cscript%3Ex%3C/script%3E" }), name),
        ("C85-case", json!({ "filename": "a.png", "content": format!("DATA:image/png;BASE64,{plain}") }), mismatch),
        ("C86", json!({ "meta": { "name": "evil.exe" }, "content": plain }), name),
        ("C86-list", json!({ "names": ["evil.exe"], "contents": [plain] }), name),
        ("C86-script", json!({ "meta": { "name": "evil.php" }, "content": php }), mismatch),
    ];
    let mut rows: Vec<Row> = documents
        .iter()
        .map(|(id, value, (status, reason))| {
            let mut value = value.clone();
            value["note"] = MARK.into();
            Row::new(id, Sent::post("/upload", JSON, value.to_string()), *status, reason)
        })
        .collect();
    let spelled = format!("\\u{:04x}{}", u32::from(plain.chars().next().unwrap()), &plain[1..]);
    let body = format!("{{\"note\":\"{MARK}\",\"filename\":\"a.png\",\"content\":\"{spelled}\"}}");
    rows.push(Row::new("C84", Sent::post("/upload", JSON, body), 415, "uploads.mismatch"));
    // The app's own routes are not the only ones that take files.
    let body = json!({ "note": MARK, "filename": "a.png", "content": plain }).to_string();
    let elsewhere = Sent { method: "PUT", ..Sent::post("/elsewhere", "application/vnd.api+json", body) };
    rows.push(Row::new("C80-elsewhere", elsewhere, 415, "uploads.mismatch"));
    Wire::start().refuses(rows);
}
