//! What real clients write arrives: their forms byte for byte, or in the one form that says the same.

use serde_json::json;

use super::{
    BOUNDARY, EVERY_WAY, PNG, Sent, WITH_LENGTH, Way, Wire, file, files, form_of, multipart_type, replaced, text,
};
use crate::harness::{Connection, noise};

const PDF: &[u8] = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\r\n1 0 obj\r\n--\r\n";
const NAME: &str = "Stra\u{df}e (final).v2.pdf";

/// A form as a client writes it: the parts, each with its head, and how it ends.
fn written(boundary: &str, parts: &[(&str, &[u8])], end: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (head, content) in parts {
        out.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
        out.extend_from_slice(content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--{end}").bytes());
    out
}

struct Client {
    name: &'static str,
    content_type: String,
    body: Vec<u8>,
    /// What arrives, when it is not what was sent.
    arrives: Option<Vec<u8>>,
}

/// One that writes what is forwarded as it is.
fn client(name: &'static str, boundary: &str, parts: &[(&str, &[u8])], end: &str) -> Client {
    let content_type = format!("multipart/form-data; boundary={boundary}");
    Client { name, content_type, body: written(boundary, parts, end), arrives: None }
}

/// One whose part heads are written anew.
fn rewritten(name: &'static str, boundary: &str, sent: &[(&str, &[u8])], arrives: &[(&str, &[u8])]) -> Client {
    let arrives = Some(written(boundary, arrives, "\r\n"));
    Client { arrives, ..client(name, boundary, sent, "\r\n") }
}

fn clients() -> Vec<Client> {
    let (note, empty) = ("Gr\u{fc}\u{df}e\r\n\r\n--\r\nzwei Zeilen".as_bytes(), &b""[..]);
    let (a, b) = (text("text"), text("none"));
    let pdf = file(NAME, "application/pdf");
    let nothing =
        "Content-Disposition: form-data; name=\"more\"; filename=\"\"\r\nContent-Type: application/octet-stream";
    let form: [(&str, &[u8]); 4] = [(&a, note), (&b, empty), (&pdf, PDF), (nothing, empty)];
    let octets = file(NAME, "application/octet-stream");
    let untyped = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{NAME}\"");
    let plain = format!("{a}\r\nContent-Type: text/plain; charset=utf-8");
    let lengths = |head: &str, content: &[u8]| format!("{head}\r\nContent-Length: {}", content.len());
    // Where its parts' types stand, and how they are coded.
    let java_text = format!("{a}\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit");
    let java_file = format!("{pdf}\r\nContent-Transfer-Encoding: binary");
    let latin: &[u8] = b"Gr\xfc\xdfe";
    let latin_file = file("notes.txt", "text/plain; charset=ISO-8859-1");
    let percent = "Stra%C3%9Fe%20%28final%29.v2.pdf";
    let aiohttp = format!("Content-Type: application/pdf\r\n{}", untyped.replace(NAME, percent));
    vec![
        client("Chromium", "----WebKitFormBoundary7MA4YWxkTrZu0gW", &form, "\r\n"),
        client("Firefox", "----geckoformboundaryc3cc9d2a3f7f4c3b8ad0e9ad5b4b6f1e", &form, "\r\n"),
        client("older Firefox", "---------------------------9051914041544843365972754266", &form, "\r\n"),
        client("Safari", "----WebKitFormBoundaryqTfe2S5yyKZ8mQjR", &form, "\r\n"),
        client("curl", "------------------------d74496d66958873e", &form[..3], "\r\n"),
        client("requests", "b4d8a8a2f7c84a0f9c3e1d2b5a6f7081", &[(&a, note), (&untyped, PDF)], "\r\n"),
        client(
            "Go",
            "2f5c0d9a1be34c77ab8c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e",
            &[(&a, note), (&octets, PDF)],
            "\r\n",
        ),
        client("form-data of Node", "--------------------------514748204617193842056173", &form[..3], "\r\n"),
        client("undici", "----formdata-undici-043211557123", &form[..3], "\r\n"),
        client("older undici", "----formdata-undici-0.6372818381", &form[..3], ""),
        client("Ruby", "-----------RubyMultipartPost-1f8e2b7c", &form[..3], "\r\n"),
        client("PHP's Guzzle", "3f0c1a9e7bd2445e9c1d0a7b6e5f4c3d2b1a0f9e", &form[..3], "\r\n"),
        rewritten(
            "OkHttp",
            "5f7e8d9c-0b1a-4c3d-8e7f-6a5b4c3d2e1f",
            &[(&lengths(&a, note), note), (&lengths(&pdf, PDF), PDF)],
            &form[..1].iter().chain(&form[2..3]).copied().collect::<Vec<_>>(),
        ),
        rewritten(
            "Apache HttpClient",
            "mzqF8Wb3_kR2-xYtLc9",
            &[(&java_text, b"plain"), (&java_file, PDF), (&latin_file, b"notes")],
            &[(&plain, b"plain"), (&pdf, PDF), (&file("notes.txt", "text/plain"), b"notes")],
        ),
        rewritten(
            "Apache HttpClient, not ASCII",
            "mzqF8Wb3_kR2-xYtLc9",
            &[(&java_text, latin), (&java_file, PDF)],
            &[(&plain, "Gr\u{fc}\u{df}e".as_bytes()), (&pdf, PDF)],
        ),
        rewritten(
            "aiohttp",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            &[(&format!("Content-Type: text/plain; charset=utf-8\r\n{a}"), note), (&aiohttp, PDF)],
            &[(&plain, note), (&pdf.replace(NAME, percent), PDF)],
        ),
        Client {
            content_type: "multipart/form-data; charset=UTF-8; boundary=\"mzqF8Wb3\"".into(),
            ..client("a quoted boundary", "mzqF8Wb3", &form, "\r\n")
        },
        Client {
            body: [b"\r\n", &written("cs-8dbf1c2e", &form, "\r\n")[..]].concat(),
            arrives: Some(written("cs-8dbf1c2e", &form, "\r\n")),
            ..client("older .NET programs", "cs-8dbf1c2e", &form, "\r\n")
        },
    ]
}

#[test]
fn forms_of_real_clients() {
    let wire = Wire::start();
    let mut wrong = Vec::new();
    for Client { name, content_type, body, arrives } in clients() {
        let arrives = arrives.unwrap_or_else(|| body.clone());
        let sent = Sent::post("/upload", &content_type, body);
        let run = std::panic::AssertUnwindSafe(|| wire.passes(name, &sent, &arrives, EVERY_WAY));
        if std::panic::catch_unwind(run).is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn names_in_every_script() {
    let wire = Wire::start();
    for name in [
        NAME,
        "r\u{e9}sum\u{e9}.pdf",
        "re\u{301}sume\u{301}.pdf",
        "\u{414}\u{43e}\u{433}\u{43e}\u{432}\u{43e}\u{440} \u{2116}5.pdf",
        "\u{3c3}\u{3c5}\u{3bc}\u{3b2}\u{3cc}\u{3bb}\u{3b1}\u{3b9}\u{3bf}.pdf",
        "\u{639}\u{642}\u{62f}.pdf",
        "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.pdf",
        "\u{200e}\u{5d7}\u{5d5}\u{5d6}\u{5d4}.pdf",
        "\u{905}\u{928}\u{941}\u{92c}\u{902}\u{927}.pdf",
        "\u{e2a}\u{e31}\u{e0d}\u{e0d}\u{e32}.pdf",
        "\u{5408}\u{540c} \u{6700}\u{7ec8}\u{7248}.pdf",
        "\u{8acb}\u{6c42}\u{66f8}\u{ff08}\u{6539}\u{ff09}.pdf",
        "\u{acc4}\u{c57d}\u{c11c}.pdf",
        "\u{1100}\u{1168}\u{110b}\u{1163}\u{11a8}.pdf",
        "\u{1f4ce} \u{1f469}\u{200d}\u{1f4bb}\u{2764}\u{fe0f}.pdf",
        "Screenshot 2026-11-05 at 9.41.07\u{202f}AM.pdf",
        "R&D, Q1 + Q2 - 100% [copy] {1} #2 @home!.pdf",
        "O'Brien; draft=2.pdf",
        "Vue.js; www.booking.com.pdf",
        "RE: Was ist das?.pdf",
        "Offer%20final.pdf",
    ] {
        let body = form_of(&[(&text("text"), b"x"), (&file(name, "application/pdf"), PDF)]);
        wire.passes(name, &Sent::post("/upload", &multipart_type(), body.clone()), &body, EVERY_WAY);
    }
}

#[test]
fn forms_of_every_shape() {
    let wire = Wire::start();
    let many: Vec<String> = (0..200).map(|n| text(&format!("field_{n}"))).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|head| (head.as_str(), &b"v"[..])).collect();
    let (pdf, png) = (file("a.pdf", "application/pdf"), file("a.png", "image/png"));
    let list = |head: &str| head.replace("name=\"file\"", "name=\"ticket[files][]\"");
    let zip = files::archive(&[("photos/Stra\u{df}e 1.txt", b"x"), ("list.csv", b"y")]);
    let zip_head = file("a.zip", "application/x-zip-compressed");
    let nothing = file("", "application/octet-stream");
    let named = text("Anh\u{e4}nge (1)");
    for (what, form) in [
        ("200 fields", form_of(&many)),
        ("two files in one field", form_of(&[(&list(&pdf), PDF), (&list(&png), PNG)])),
        ("nothing chosen", form_of(&[(&text("text"), b"x"), (&nothing, b"")])),
        ("an empty text", form_of(&[(&text("text"), b"")])),
        ("a text that ends in lines", form_of(&[(&text("text"), b"\r\n\r\n--\r\n\t- a\r\n\r\n")])),
        ("an empty file", form_of(&[(&file("a.txt", "text/plain"), b"")])),
        ("an archive", form_of(&[(&zip_head, &zip)])),
        ("a name that is not ASCII", form_of(&[(&named, "\u{1f600}".as_bytes())])),
        ("JSON in a field", form_of(&[(&format!("{}\r\nContent-Type: application/json", text("json")), b"{\"a\":1}")])),
        ("a part of a boundary", form_of(&[(&text("text"), format!("--{}", &BOUNDARY[..10]).as_bytes())])),
    ] {
        wire.passes(what, &Sent::post("/upload", &multipart_type(), form.clone()), &form, EVERY_WAY);
    }
}

#[test]
fn a_file_of_20_megabytes() {
    let wire = Wire::start();
    let content = [PDF, &noise(20 << 20)[..]].concat();
    let form = form_of(&[(&text("text"), b"x"), (&file("large.pdf", "application/pdf"), &content)]);
    wire.passes("20 MB", &Sent::post("/upload", &multipart_type(), form.clone()), &form, WITH_LENGTH);
    // Its part heads are written anew, its content is not.
    let other = replaced(&form, "Content-Type: application/pdf", "content-type:application/pdf");
    wire.passes("20 MB", &Sent::post("/upload", &multipart_type(), other), &form, WITH_LENGTH);
}

#[test]
fn urlencoded_and_json() {
    let wire = Wire::start();
    let form = "application/x-www-form-urlencoded";
    for (what, sent, arrives) in [
        ("a browser's", "text=a+b%26c%2Bd&name=%C3%9F%F0%9F%98%80&empty=&text=2&x=%0D%0A", None),
        ("Python's", "text=a+b~c&name=%C3%9F", Some("text=a+b%7Ec&name=%C3%9F")),
        ("JavaScript's encodeURIComponent", "text=a%20b(c)!&name=%c3%9f", Some("text=a+b%28c%29%21&name=%C3%9F")),
        ("not encoded", "text=\u{df} b&to=ok@partner.example", Some("text=%C3%9F+b&to=ok%40partner.example")),
        ("without a value", "flag&text=1&&", Some("flag=&text=1")),
        // One field on every stack, though some split at a bare semicolon.
        ("a semicolon", "text=1;to=leak@evil.test", Some("text=1%3Bto%3Dleak%40evil.test")),
        ("a list of partners", "to=ok%40partner.example%2C+B+%3Clegal%40counsel.example%3E", None),
    ] {
        let arrives = arrives.unwrap_or(sent);
        wire.passes(what, &Sent::post("/forward", form, sent), arrives.as_bytes(), EVERY_WAY);
        let utf8 = "application/x-www-form-urlencoded; charset=UTF-8";
        wire.passes(what, &Sent::post("/forward", utf8, sent), arrives.as_bytes(), &[Way::Length, Way::Http2]);
    }
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for body in [
        r#"{"n":12345678901234567890123,"m":-0.0,"e":1.5E+300,"f":0.1000000000000000055511151231257827}"#.to_owned(),
        r#"{ "s" : "\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\", "raw": "é😀", "empty": "", "none": null }"#.to_owned(),
        r#"{"to":["ok@partner.example",{"email":"B <legal@counsel.example>"}],"cc":[],"bcc":null}"#.to_owned(),
        format!("[{}1{}]", "[".repeat(30), "]".repeat(30)),
        "\"x\"".to_owned(),
        json!({ "filename": "report.pdf", "sha256": hash, "size": 123 }).to_string(),
        json!({ "name": "amir", "token": hash, "comment": "base64 is not in here, but = and / are" }).to_string(),
        json!({ "filename": "a.png", "content": data_encoding::BASE64.encode(&[PNG, &[7; 90]].concat()) }).to_string(),
    ] {
        let sent = Sent::post("/forward", "application/json", body.as_str());
        wire.passes(&body, &sent, body.as_bytes(), EVERY_WAY);
    }
}

/// A client that waits to be told to go on is told so, also where its body is not read.
#[test]
fn clients_that_wait_are_told_to_go_on() {
    let wire = Wire::start();
    let to = wire.gateway.address();
    let form = form_of(&[(&text("text"), b"x"), (&file(NAME, "application/pdf"), PDF)]);
    for (request, kind) in [("POST /upload", multipart_type()), ("PUT /elsewhere", "application/octet-stream".into())] {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            form.len()
        );
        let mut connection = Connection::open(to, None).unwrap();
        connection.write(head.as_bytes()).unwrap();
        assert_eq!(connection.read_one(false).unwrap().status, 100, "{request}");
        connection.write(&form).unwrap();
        assert_eq!(connection.read_one(false).unwrap().status, 200, "{request}");
        let heard = wire.origin.heard();
        let [received] = &heard.requests[..] else { panic!("{request}: {} requests", heard.requests.len()) };
        assert!(received.body == form && !received.head.to_ascii_lowercase().contains("expect"), "{request}");
    }
    // Over HTTP/2 they do not wait, and the header means nothing.
    let mut sent = Sent::post("/upload", &multipart_type(), form.clone());
    sent.headers.push(("Expect", "100-continue".into()));
    wire.passes("Expect", &sent, &form, &[Way::Http2Length, Way::Http2]);
}

/// A file that is the whole body arrives as it is, a large one too.
#[test]
fn files_without_a_form() {
    let wire = Wire::start();
    let put = |path, content_type, body| Sent { method: "PUT", ..Sent::post(path, content_type, body) };
    let image = [PNG, b"more"].concat();
    wire.passes("a file", &put("/raw/fine.png", "image/png", image.clone()), &image, EVERY_WAY);
    wire.passes(
        "by query",
        &Sent::post("/raw?filename=a.png", "application/octet-stream", image.clone()),
        &image,
        EVERY_WAY,
    );
    let large = [PDF, &noise(20_000_000)[..]].concat();
    wire.passes("a large one", &put("/raw/large.pdf", "application/pdf", large.clone()), &large, WITH_LENGTH);
}
