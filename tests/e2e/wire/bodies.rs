//! Whole bodies: how forms are put together, what they are declared as, how long and how they are
//! coded (rows C38 to C76 and C90 to C92).

use super::{
    BOUNDARY, MARK, PNG, Refusal, Row, Sent, WITH_LENGTH, Way, Wire, file, form_of, multipart_type, replaced, text,
};
use crate::harness::{Connection, H2};

/// A form that would pass if nothing around it were wrong.
fn fine() -> Vec<u8> {
    form_of(&[(&text("text"), MARK.as_bytes()), (&file("fine.png", "image/png"), PNG)])
}

fn upload(id: &str, body: Vec<u8>) -> Row {
    Row::new(id, Sent::post("/upload", &multipart_type(), body), 400, "body.unreadable")
}

#[test]
fn forms_that_apps_take_apart_differently() {
    let mark = (text("text"), MARK.as_bytes());
    let evil = (file("evil.php", "image/png"), PNG);
    let second = form_of(&[(&mark.0, mark.1), (&file("fine.png", "image/png"), PNG), (&evil.0, evil.1)]);
    let more = form_of(&[(&mark.0, mark.1), (&evil.0, evil.1)]);
    let nested = format!("--inner\r\nContent-Disposition: file; filename=\"{MARK}.php\"\r\n\r\nx\r\n--inner--\r\n");
    let mixed = format!("{}\r\nContent-Type: multipart/mixed; boundary=inner", text("file"));
    let many: Vec<(&str, &[u8])> = vec![(&mark.0, mark.1); 10_000];
    let long = format!("{}\r\nContent-Length: {}", text("a"), "1".repeat(64 << 10));
    let whole = |from: &str, to: &str| replaced(&fine(), from, to);
    let delimiter = format!("\r\n--{BOUNDARY}");
    let parts = vec![
        Row { reason: "uploads.name", ..upload("C40", second) },
        upload("C41", [fine(), more.clone()].concat()),
        upload("C41-glued", [&fine()[..fine().len() - 2], b"x"].concat()),
        upload("C42", form_of(&[(&mixed, nested.as_bytes())])),
        upload("C42-inside", form_of(&[(&mark.0, &more)])),
        upload("C43", form_of(&many)).only(WITH_LENGTH),
        upload("C44", form_of(&[(&long, MARK.as_bytes())])).only(WITH_LENGTH),
        upload(
            "C44-lines",
            form_of(&[(&format!("{}{}", text("a"), "\r\nContent-Length: 1".repeat(300)), MARK.as_bytes())]),
        ),
        upload("C58", whole("\r\n", "\n")),
        upload("C58-one", whole("\r\n\r\n", "\n\n")),
        upload("C59", whole(&format!("--{BOUNDARY}--\r\n"), "")),
        upload("C59-half", whole(&format!("--{BOUNDARY}--\r\n"), &format!("--{BOUNDARY}-"))),
        upload("C59-as-part", whole(&format!("--{BOUNDARY}--\r\n"), &format!("--{BOUNDARY}\r\n"))),
        upload("C60", [b"preamble\r\n", &fine()[..]].concat()),
        upload("C60-form", [format!("{}\r\n\r\n", evil.0).as_bytes(), PNG, b"\r\n", &fine()].concat()),
        upload("C61", whole(&format!("{delimiter}\r\n"), &format!("{delimiter} \r\n"))),
        upload("C61-tab", whole(&format!("{delimiter}\r\n"), &format!("{delimiter}\t\r\n"))),
        upload("C61-end", whole(&format!("{delimiter}--\r\n"), &format!("{delimiter} --\r\n"))),
        upload("C62", whole(&format!("{delimiter}\r\n"), &format!("{delimiter}{}\r\n", evil.0))),
        upload("C62-lf", whole(&format!("{delimiter}\r\n"), &format!("{delimiter}\n"))),
        upload("C63", form_of(&[(&mark.0, format!("{MARK}--{BOUNDARY}").as_bytes())])),
        upload("C63-lf", form_of(&[(&mark.0, format!("{MARK}\n--{BOUNDARY}\n{}\n\nx", evil.0).as_bytes())])),
        upload("C63-name", form_of(&[(&file(&format!("--{BOUNDARY}"), "image/png"), MARK.as_bytes())])),
        upload("C64", MARK.into()),
        upload("C64-no-head", form_of(&[(&mark.0, mark.1)]).iter().copied().filter(|b| *b != b':').collect()),
    ];
    Wire::start().refuses(parts);
}

#[test]
fn types_that_apps_read_differently() {
    const UNREADABLE: Refusal = (400, "body.unreadable");
    const TYPE: Refusal = (415, "body.type");
    let b = BOUNDARY;
    let (start, end) = b.split_at(6);
    let types = [
        ("C500", "multipart/form-data".to_owned(), UNREADABLE),
        ("C501", "multipart/form-data; boundary=".into(), UNREADABLE),
        ("C501-quoted", "multipart/form-data; boundary=\"\"".into(), UNREADABLE),
        ("C502", format!("multipart/form-data; boundary={b}; boundary=other"), UNREADABLE),
        ("C502-first", format!("multipart/form-data; boundary=other; boundary={b}"), UNREADABLE),
        ("C502-case", format!("multipart/form-data; boundary=other; BOUNDARY={b}"), UNREADABLE),
        ("C503", format!("multipart/form-data; boundary*0={start}; boundary*1={end}"), UNREADABLE),
        ("C503-both", format!("multipart/form-data; boundary=other; boundary*0={b}"), UNREADABLE),
        ("C503-coded", format!("multipart/form-data; boundary*=us-ascii''{b}"), UNREADABLE),
        ("C504", format!("multipart/form-data; boundary=\"{start}\\{end}\""), UNREADABLE),
        ("C505", format!("multipart/form-data; boundary={b},other"), UNREADABLE),
        ("C506", format!("multipart/form-data; boundary={}", "a".repeat(71)), UNREADABLE),
        ("C507", format!("multipart/form-data; boundary= {b}"), UNREADABLE),
        ("C507-key", format!("multipart/form-data; boundary ={b}"), UNREADABLE),
        ("C507-inside", format!("multipart/form-data; boundary={start} {end}"), UNREADABLE),
        ("C507-quoted", format!("multipart/form-data; boundary=\"{b} \""), UNREADABLE),
        ("C508", format!("multipart/form-data; boundary='{b}'"), UNREADABLE),
        ("C508-half", format!("multipart/form-data; boundary=\"{b}"), UNREADABLE),
        ("C509", format!("multipart/form-data; x=\"; boundary=other\"; boundary={b}"), UNREADABLE),
        ("C51", format!("multipart/form-data; boundary={b}; charset=utf-7"), UNREADABLE),
        ("C51-utf-16", format!("multipart/form-data; charset=utf-16le; boundary={b}"), UNREADABLE),
        ("C51-two", format!("multipart/form-data; boundary={b}; charset=utf-8; charset=utf-7"), UNREADABLE),
        ("C52", format!("multipart/mixed; boundary={b}"), TYPE),
        ("C52-related", format!("multipart/related; boundary={b}"), TYPE),
        ("C53", "text/plain".into(), TYPE),
        ("C53-octets", "application/octet-stream".into(), TYPE),
        ("C53-none", String::new(), TYPE),
        ("C54", format!("multipart/form-data, text/plain; boundary={b}"), TYPE),
        ("C54-blank", format!("multipart / form-data; boundary={b}"), TYPE),
        ("C54-first", format!("; multipart/form-data; boundary={b}"), TYPE),
        ("C55-json", "application/json".into(), UNREADABLE),
    ];
    let sent = |content_type: &str| Sent::post("/upload", content_type, fine());
    let mut rows: Vec<Row> = types.iter().map(|(id, t, (s, reason))| Row::new(id, sent(t), *s, reason)).collect();
    let two = Row::new("C56", sent(&multipart_type()), 400, "protocol.framing").header("Content-Type", "text/plain");
    let same = Row::new("C56-same", sent(&multipart_type()), 400, "protocol.framing");
    rows.extend([two, same.header("Content-Type", &multipart_type())]);
    // Where only its type says that a request can carry files.
    let elsewhere = |id, content_type: &str, status, reason| {
        Row::new(id, Sent { method: "PUT", ..Sent::post("/elsewhere", content_type, fine()) }, status, reason)
    };
    rows.extend([
        elsewhere("C57", &format!("{}; x=\u{e9}", multipart_type()), 400, "protocol.framing"),
        elsewhere("C57-mixed", &format!("multipart/mixed; boundary={b}"), 415, "body.type"),
        elsewhere("C57-unknown", &format!("x-multipart/form-data; boundary={b}"), 415, "body.type"),
    ]);
    Wire::start().refuses(rows);
}

#[test]
fn coded_bodies() {
    let coded = |id, coding: &str| {
        Row::new(id, Sent::post("/upload", &multipart_type(), fine()), 415, "body.type")
            .header("Content-Encoding", coding)
    };
    let codings = [
        ("C70", "gzip"),
        ("C71", "deflate"),
        ("C72", "x-gzip"),
        ("C73", "gzip, gzip"),
        ("C73-identity", "identity, gzip"),
        ("C74", "unknown"),
        ("C74-br", "br"),
        ("C74-none", ""),
        ("C75", "GZIP"),
    ];
    let mut rows: Vec<Row> = codings.map(|(id, coding)| coded(id, coding)).into();
    for (id, first, second) in [("C76", "identity", "gzip"), ("C76-last", "gzip", "identity")] {
        rows.push(Row {
            status: 400,
            reason: "protocol.framing",
            ..coded(id, first).header("Content-Encoding", second)
        });
    }
    let json = Sent::post("/forward", "application/json", format!("{{\"note\":\"{MARK}\"}}"));
    rows.push(Row::new("C70-json", json, 415, "body.type").header("Content-Encoding", "gzip"));
    let form = Sent::post("/forward", "application/x-www-form-urlencoded", format!("note={MARK}"));
    rows.push(Row::new("C70-form", form, 415, "body.type").header("Content-Encoding", "deflate"));
    Wire::start().refuses(rows);
}

#[test]
fn files_outside_of_forms() {
    let raw = |content_type| Sent { method: "PUT", ..Sent::post("/upload", content_type, format!("MZ{MARK}")) };
    let part = |sent: Sent, id| Row::new(id, sent, 400, "body.unreadable").header("Content-Range", "bytes 0-99/200");
    let get =
        |method| Sent { method, ..Sent::post("/forward", "application/x-www-form-urlencoded", format!("x={MARK}")) };
    let unexpected = |id, method| Row::new(id, get(method), 400, "body.unexpected");
    let patient = [&multipart_type(), "application/octet-stream"];
    let whole = |id, path, content_type, (status, reason): Refusal| {
        let body = [PNG, MARK.as_bytes()].concat();
        Row::new(id, Sent { method: "PUT", ..Sent::post(path, content_type, body) }, status, reason)
    };
    let named = |path| Sent::post(path, "image/png", [PNG, MARK.as_bytes()].concat());
    Wire::start().refuses(vec![
        Row::new("C90", raw("application/octet-stream"), 415, "body.type"),
        Row::new("C90-png", raw("image/png"), 415, "body.type"),
        Row::new("C90-none", Sent { headers: vec![], ..raw("") }, 415, "body.type"),
        whole("C90-name", "/raw/evil.php", "image/png", (400, "uploads.name")),
        Row::new(
            "C90-empty",
            Sent { method: "PUT", ..Sent::post("/raw/evil.php", "image/png", "") },
            400,
            "uploads.name",
        ),
        whole("C90-content", "/raw/fine.pdf", "application/pdf", (415, "uploads.mismatch")),
        whole("C90-form", "/raw/fine.png", "multipart/form-data; boundary=x", (415, "body.type")),
        whole("C90-type", "/raw/fine.mp4", "video/mp4", (415, "uploads.mismatch")),
        Row::new("C90-query", named("/raw?filename=evil.php"), 400, "uploads.name"),
        Row::new("C90-two", named("/raw?filename=a.png&filename=b.png"), 400, "uploads.name"),
        Row::new("C90-nameless", named("/raw"), 400, "uploads.name"),
        part(Sent::post("/upload", patient[0], fine()), "C91"),
        part(Sent { method: "PUT", ..Sent::post("/elsewhere", patient[0], fine()) }, "C91-elsewhere"),
        unexpected("C92", "GET"),
        unexpected("C92-head", "HEAD"),
        unexpected("C92-options", "OPTIONS"),
    ]);
}

/// What is too large is not read, and what does not say how large it is only so far.
#[test]
fn bodies_that_are_too_large() {
    let wire = Wire::start();
    let to = wire.gateway.address();
    for (row, more) in [("C38", ""), ("C38-waiting", "Expect: 100-continue\r\n")] {
        let head = format!(
            "POST /upload HTTP/1.1\r\nHost: {to}\r\nContent-Type: {}\r\nContent-Length: 30000000\r\n{more}\r\n",
            multipart_type()
        );
        let mut connection = Connection::open(to, None).unwrap();
        connection.write(head.as_bytes()).unwrap();
        let first = connection.read_one(false).unwrap();
        assert_eq!(first.status, 413, "{row}");
        wire.gateway.record(&[("/reason", "body.too_large"), ("/id", first.header("x-deskgate-ref").unwrap())]);
    }
    let large = form_of(&[(&file("large.txt", "text/plain"), &vec![b'x'; 26_000_000])]);
    let sent = Sent::post("/upload", &multipart_type(), large);
    assert_eq!(sent.over(to, Way::Http2Length).map(|a| a.status), Some(413), "C38 over HTTP/2");
    let most_of_a_file = form_of(&[(&file("large.txt", "text/plain"), &vec![b'x'; 23_500_000])]);
    let over_the_roles = Sent::post("/upload", &multipart_type(), most_of_a_file);
    let answer = over_the_roles.over(to, Way::Length).unwrap();
    assert!(answer.status == 413 && answer.text().contains("uploads.too_large"), "{}", answer.text());
    let unannounced = form_of(&[(&file("large.txt", "text/plain"), &vec![b'x'; 80_000])]);
    let sent = Sent::post("/upload", &multipart_type(), unannounced);
    for way in [Way::Chunked, Way::Http2] {
        assert_eq!(sent.over(to, way).map(|a| a.status), Some(411), "C39 {way:?}");
    }
    // More than was announced, and less.
    let body = fine();
    for length in [body.len() - 40, body.len() + 40] {
        let length = length.to_string();
        let kind = multipart_type();
        let headers = [("content-type", kind.as_str()), ("content-length", length.as_str())];
        let answer = H2::connect(to).send(("POST", "/upload", &headers, &body));
        assert!(answer.is_err() || answer.is_ok_and(|a| a.status >= 400), "{length} announced");
    }
    assert!(wire.origin.heard().bytes.concat().is_empty());
}
