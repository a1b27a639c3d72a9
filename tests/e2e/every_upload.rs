//! Every route by which files come into the two real helpdesks, for those who use it: a file that is
//! allowed is stored byte for byte, one that is not leaves no byte behind.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Answer, BOUNDARY, Browser, Gateway, RealApp, multipart};
use crate::{django, rt};

const RULES: &str = "
uploads:
  per_role:
    manager: { types: [png] }
    agent: { types: [png] }
    customer: { types: [png] }
    visitor: { types: [png] }
";

const FOLLOWUP: &[(&str, &str)] =
    &[("ticket", "1"), ("user", "2"), ("title", "api"), ("comment", "c"), ("public", "true")];
const FILE: &[(&str, &str)] = &[("followup", "1"), ("filename", "fine.png"), ("mime_type", "image/png"), ("size", "1")];

/// A way in: what it is called, and how a file of this name and content is sent by it.
type WayIn<'a> = (&'static str, &'a dyn Fn(&mut Browser, &str, &[u8]) -> Answer);

/// Two files that are told from all others: an image, and a program that calls itself one.
fn samples(way: &str) -> (Vec<u8>, Vec<u8>) {
    let with = |start: &[u8], what: &str| [start, format!("{what} by {way};").repeat(40).as_bytes()].concat();
    (with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image"), with(b"MZ\x90\0\x03\0\0\0", "program"))
}

/// Sends both files by every way, and looks for them in what the app keeps in `folder`.
fn try_all(gateway: &Gateway, person: &mut Browser, who: &str, ways: &[WayIn<'_>], folder: &Path) {
    for (name, send) in ways {
        let way = format!("{who} {name}");
        let (image, program) = samples(&way);
        let refused = send(person, "fine.png", &program);
        assert_eq!(refused.status, 415, "{way}: {}", refused.text());
        gateway.record(&[("/reason", "uploads.mismatch"), ("/actor/role", who)]);
        let taken = send(person, "fine.png", &image);
        assert!(matches!(taken.status, 200..=302), "{way}: {} {}", taken.status, taken.text());
        let kept = kept(folder);
        assert!(kept.iter().any(|file| holds(file, &image, true)), "{way}: the image is not there");
        assert!(!kept.iter().any(|file| holds(file, &program, false)), "{way}: something of the program is there");
    }
}

/// Whether a file has all of `content` in it, or any of it: as it is, or in lines of Base64.
fn holds(file: &[u8], content: &[u8], all: bool) -> bool {
    let has = |piece: &[u8]| memchr::memmem::find(file, piece).is_some();
    let line = |line: &[u8]| has(data_encoding::BASE64.encode(line).as_bytes());
    if all {
        return has(content) || content.chunks(57).all(line);
    }
    // What is left over at the end is too short to tell anything.
    content.chunks_exact(57).any(|piece| has(piece) || line(piece))
}

/// Every file below `folder`.
fn kept(folder: &Path) -> Vec<Vec<u8>> {
    let mut open: Vec<PathBuf> = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            found.extend(std::fs::read(path));
        }
    }
    found
}

/// A form as a program sends it that has a key.
fn by_program(
    path: &str,
    key: &str,
    fields: &[(&str, &str)],
    file: (&str, &str, &[u8]),
    program: &mut Browser,
) -> Answer {
    let body = multipart(fields, &[(file.0, file.1, "image/png", file.2)]);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    program.send("POST", path, &[("Content-Type", &kind), ("Authorization", key)], &body)
}

#[test]
fn django_upload_routes() {
    let app = RealApp::start("django-helpdesk");
    let gateway =
        Gateway::start(app.port, "django-helpdesk", &(django::policy() + RULES + "    sync: { types: [png] }\n"));
    let folder = app.data("media");
    let form_of = |path: &'static str, email: &'static str| {
        move |person: &mut Browser, name: &str, content: &[u8]| {
            person.get(path);
            let token = person.cookie("csrftoken");
            let fields = [
                ("csrfmiddlewaretoken", token.as_str()),
                ("queue", "1"),
                ("title", "with a file"),
                ("body", "see the file"),
                ("priority", "3"),
                ("submitter_email", email),
            ];
            person.upload(path, &fields, &[("attachment", name, "image/png", content)])
        }
    };
    let update = |person: &mut Browser, name: &str, content: &[u8]| {
        person.get("/tickets/2/");
        let token = person.cookie("csrftoken");
        let fields = [
            ("csrfmiddlewaretoken", token.as_str()),
            ("public", "1"),
            ("new_status", "1"),
            ("priority", "1"),
            ("owner", "3"),
            ("queue", "2"),
            ("title", "Invoice 1001 is wrong"),
            ("comment", "see the file"),
        ];
        person.upload("/tickets/2/update/", &fields, &[("attachment", name, "image/png", content)])
    };
    let mut agent = gateway.browser();
    django::sign_in(&mut agent, "agent1");
    let submit = form_of("/tickets/submit/", "alice@customer.example");
    try_all(&gateway, &mut agent, "agent", &[("update", &update), ("submit", &submit)], &folder);
    let mut alice = gateway.browser();
    django::sign_in(&mut alice, "alice");
    try_all(&gateway, &mut alice, "customer", &[("submit", &submit)], &folder);
    let anonymous = form_of("/tickets/submit/", "anon@unknown.example");
    let framed = form_of("/tickets/submit_iframe/", "anon@unknown.example");
    let mut visitor = gateway.browser();
    try_all(&gateway, &mut visitor, "visitor", &[("submit", &anonymous), ("iframe", &framed)], &folder);
    let key = format!("Token {}", "a".repeat(40));
    let program = |path: &'static str, field: &'static str, fields: &'static [(&'static str, &'static str)]| {
        let key = key.clone();
        move |program: &mut Browser, name: &str, content: &[u8]| {
            by_program(path, &key, fields, (field, name, content), program)
        }
    };
    let ticket = program(
        "/api/tickets/",
        "attachment",
        &[("queue", "1"), ("title", "x"), ("description", "y"), ("priority", "3")],
    );
    let followup = program("/api/followups/", "attachments", FOLLOWUP);
    let file = program("/api/followups-attachments/", "file", FILE);
    let ways: &[WayIn<'_>] = &[("api ticket", &ticket), ("api follow-up", &followup), ("api file", &file)];
    try_all(&gateway, &mut gateway.browser(), "sync", ways, &folder);
}

#[test]
fn request_tracker_upload_routes() {
    let app = RealApp::start("rt");
    let gateway = Gateway::start(app.port, "request-tracker", &(rt::POLICY.to_owned() + RULES));
    let folder = app.data("");
    let update = |path: &'static str| {
        move |person: &mut Browser, name: &str, content: &[u8]| {
            let fields =
                [("id", "1"), ("UpdateType", "response"), ("UpdateContent", "see the file"), ("SubmitTicket", "1")];
            person.upload(path, &fields, &[("Attach", name, "image/png", content)])
        }
    };
    let create = |path: &'static str| {
        move |person: &mut Browser, name: &str, content: &[u8]| {
            let fields = [
                ("id", "new"),
                ("Queue", "3"),
                ("Requestors", "alice@customer.example"),
                ("Subject", "with a file"),
                ("Content", "see the file"),
                ("SubmitTicket", "Create"),
            ];
            person.upload(path, &fields, &[("Attach", name, "image/png", content)])
        }
    };
    // The page's script sends the file first, and the form only a token.
    let first = |helper: &'static str, path: &'static str| {
        move |person: &mut Browser, name: &str, content: &[u8]| {
            let page = person.get(&format!("{path}?id=1")).text();
            let (_, rest) = page.split_once("name=\"Token\" value=\"").expect("a token");
            let token = rest.split('"').next().unwrap();
            let sent =
                person.upload(&format!("{helper}?Token={token}"), &[], &[("Attach", name, "image/png", content)]);
            if sent.status != 200 {
                return sent;
            }
            let fields = [("id", "1"), ("UpdateType", "response"), ("UpdateContent", "by token"), ("Token", token)];
            person.post(path, &[&fields[..], &[("SubmitTicket", "1")]].concat())
        }
    };
    let in_json = |person: &mut Browser, name: &str, content: &[u8]| {
        let file =
            json!({ "FileName": name, "FileType": "image/png", "FileContent": data_encoding::BASE64.encode(content) });
        let body = json!({ "Content": "x", "ContentType": "text/plain", "Attachments": [file] });
        person.json("POST", "/REST/2.0/ticket/1/correspond", &body)
    };
    let beside_json = |person: &mut Browser, name: &str, content: &[u8]| {
        let fields = [("JSON", r#"{"Content":"x","ContentType":"text/plain"}"#)];
        person.upload("/REST/2.0/ticket/1/comment", &fields, &[("Attachments", name, "image/png", content)])
    };
    let rest1 = |person: &mut Browser, name: &str, content: &[u8]| {
        let fields = [("content", "Action: comment\nText: x\nAttachment: fine.png")];
        person.upload("/REST/1.0/ticket/1/comment", &fields, &[("attachment_1", name, "image/png", content)])
    };
    let mut agent = gateway.browser();
    rt::sign_in(&mut agent, "agent1");
    let ways: &[WayIn<'_>] = &[
        ("update", &update("/Ticket/Update.html")),
        ("create", &create("/Ticket/Create.html")),
        ("helper", &first("/Helpers/Upload/Add", "/Ticket/Update.html")),
        ("REST 2, JSON", &in_json),
        ("REST 2, form", &beside_json),
        ("REST 1", &rest1),
    ];
    try_all(&gateway, &mut agent, "agent", ways, &folder);
    let mut alice = gateway.browser();
    rt::sign_in(&mut alice, "alice");
    let ways: &[WayIn<'_>] = &[
        ("update", &update("/SelfService/Update.html")),
        ("create", &create("/SelfService/Create.html")),
        ("helper", &first("/SelfService/Helpers/Upload/Add", "/SelfService/Update.html")),
    ];
    try_all(&gateway, &mut alice, "customer", ways, &folder);
}
