//! What people send in, in front of all three apps: files and addresses, judged before the app hears
//! of them, and checked in what the app kept and mailed.

use std::path::Path;

use serde_json::json;

use crate::harness::{BOUNDARY, Browser, Gateway, H2, RealApp, Tinydesk, asset, link_to, multipart, noise};
use crate::{django, rt, tinydesk};

const RULES: &str = "
forwarding:
  only_to: ['*@partner.example', '*@customer.example', legal@counsel.example]
  never_to: ['*noreply*@*']
uploads:
  per_role:
    agent: { types: [pdf, png, txt], largest: 10MB, files: 2 }
    customer: { types: [png], largest: 1MB }
    visitor: { types: [pdf] }
";

fn evil() -> Vec<(&'static str, &'static str, Vec<u8>, u16, &'static str)> {
    vec![
        ("evil.php.png", "image/png", asset("screenshot.png"), 400, "uploads.name"),
        ("evil.png", "image/png", b"MZ\x90\0\x03\0\0\0".to_vec(), 415, "uploads.mismatch"),
        ("page.html", "text/html", b"<script>x</script>".to_vec(), 400, "uploads.name"),
        ("evil.png", "image/png", [&asset("screenshot.png")[..], b"<?php x"].concat(), 415, "uploads.active"),
        ("movie.mp4", "video/mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec(), 415, "uploads.type"),
        ("a.txt\u{202e}gnp.exe", "text/plain", b"x".to_vec(), 400, "uploads.name"),
        ("large.txt", "text/plain", vec![b'x'; 10_500_000], 413, "uploads.too_large"),
    ]
}

/// The subjects and recipients of everything in the app's outgoing mail.
fn mailed(directory: &Path) -> String {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|f| std::fs::read(f.path()).ok()).map(|b| String::from_utf8_lossy(&b).into_owned()).collect()
}

#[test]
fn sample_helpdesk() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", &(tinydesk::POLICY.to_owned() + RULES));
    let mut ava = gateway.browser();
    tinydesk::sign_in(&mut ava, "ava");
    let reply = "/agent/tickets/1003/reply";
    for (name, declared, content, status, reason) in evil() {
        ava.upload(reply, &[("text", "refused-text")], &[("file", name, declared, &content)]).expect(status);
        gateway.record(&[("/reason", reason), ("/actor/user", "ava")]);
    }
    let three = [("file", "1.txt", "text/plain", &b"1"[..]); 3];
    ava.upload(reply, &[("text", "refused-text")], &three).expect(413);
    let name = "Stra\u{df}e (final).v2.pdf";
    let pdf = [b"%PDF-1.7\n", &noise(300_000)[..]].concat();
    ava.upload(reply, &[("text", "taken-text")], &[("file", name, "application/pdf", &pdf)]).expect(302);
    let page = ava.get("/agent/tickets/1003").expect(200).text();
    assert!(page.contains("taken-text") && page.contains(name) && !page.contains("refused-text"), "{page}");
    let record = gateway.record(&[("/request/route", "reply"), ("/response/status", "302")]);
    assert_eq!(
        (&record["files"][0]["type"], &record["files"][0]["bytes"]),
        (&json!("application/pdf"), &json!(300_009))
    );
    // Without a file it is a form like any other.
    ava.upload(reply, &[("text", "no-file")], &[("file", "", "application/octet-stream", b"")]).expect(302);

    let mut h2 = H2::connect(gateway.address());
    let cookie = format!("tinydesk={}", ava.cookie("tinydesk"));
    let body = multipart(&[("text", "refused-text")], &[("file", "a.exe", "", b"MZ")]);
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", content_type.as_str()), ("cookie", cookie.as_str()), ("accept", "text/html")];
    h2.send(("POST", reply, &headers, &body)).unwrap().expect(400);
    assert!(!ava.get("/agent/tickets/1003").text().contains("refused-text"));
}

#[test]
fn django_helpdesk() {
    let app = RealApp::start("django-helpdesk");
    let gateway = Gateway::start(app.port, "django-helpdesk", &(django::policy() + RULES));
    let mut agent = gateway.browser();
    django::sign_in(&mut agent, "agent1");
    agent.get("/tickets/2/").expect(200);
    let token = agent.cookie("csrftoken");
    let fields = |comment: &'static str| {
        vec![
            ("csrfmiddlewaretoken", token.clone()),
            ("public", "1".into()),
            ("new_status", "1".into()),
            ("priority", "1".into()),
            ("owner", "3".into()),
            ("queue", "2".into()),
            ("title", "Invoice 1001 is wrong".into()),
            ("comment", comment.to_owned()),
        ]
    };
    let send = |agent: &mut Browser, comment: &'static str, file: (&str, &str, &str, &[u8])| {
        let owned = fields(comment);
        let fields: Vec<(&str, &str)> = owned.iter().map(|(n, v)| (*n, v.as_str())).collect();
        agent.upload("/tickets/2/update/", &fields, &[file])
    };
    for (name, declared, content, status, reason) in evil() {
        send(&mut agent, "refused-text", ("attachment", name, declared, &content)).expect(status);
        gateway.record(&[("/reason", reason)]);
    }
    let picture = asset("screenshot.png");
    send(&mut agent, "taken-text", ("attachment", "Скриншот 1.png", "image/png", &picture)).expect(302);
    let page = agent.get("/tickets/2/").expect(200).text();
    assert!(page.contains("taken-text") && !page.contains("refused-text"));
    assert!(agent.get(&link_to(&page, "/media/", ".png")).expect(200).body == picture);

    // Everybody in copy gets every later update.
    let cc = |agent: &mut Browser, email: &str| {
        agent.post("/tickets/1/cc/add/", &[("csrfmiddlewaretoken", &token), ("email", email), ("can_view", "on")])
    };
    cc(&mut agent, "leak@outside.example").expect(422);
    gateway.refused("forwarding.only_to", "agent1", "agent");
    cc(&mut agent, "noreply@partner.example").expect(422);
    cc(&mut agent, "help@partner.example").expect(302);
    let page = agent.get("/tickets/1/cc/").expect(200).text();
    assert!(page.contains("help@partner.example") && !page.contains("leak@outside.example"));
    let key = format!("Token {}", "a".repeat(40));
    let mut program = gateway.browser();
    let patch = |program: &mut Browser, email: &str| {
        let body = json!({ "submitter_email": email }).to_string();
        let headers = [("Content-Type", "application/json"), ("Authorization", key.as_str())];
        program.send("PATCH", "/api/tickets/3/", &headers, body.as_bytes())
    };
    patch(&mut program, "leak@outside.example").expect(422);
    gateway.record(&[("/reason", "forwarding.only_to"), ("/actor/api_key", "sync")]);
}

/// The mail gateway takes whole mails from anybody.
fn whole_mails(gateway: &Gateway) {
    let mut sender = gateway.browser();
    let mut mail = |from: &str, file: &str, status: u16| {
        let message = format!(
            "From: {from}\nTo: support@helpdesk.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nsee the file\n\
             --x\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"{file}\"\n\
             Content-Transfer-Encoding: base64\n\nJVBERi0xLjcK\n--x--\n"
        );
        let fields = [("queue", "Support"), ("action", "correspond"), ("message", message.as_str())];
        sender.post("/REST/1.0/NoAuth/mail-gateway", &fields).expect(status).text()
    };
    mail("Anna <anna@elsewhere.example>", "evil.php", 400);
    gateway.record(&[("/reason", "uploads.name"), ("/files/0/name", "evil.php")]);
    mail("noreply@elsewhere.example", "list.pdf", 422);
    gateway.record(&[("/reason", "forwarding.never_to")]);
    mail("a@elsewhere.example\nFrom: noreply@elsewhere.example", "list.pdf", 400);
    let answer = mail("=?utf-8?q?J=C3=B6rg?= <joerg@elsewhere.example>", "list.pdf", 200);
    assert!(answer.starts_with("ok"), "{answer}");
}

#[test]
fn request_tracker() {
    let app = RealApp::start("rt");
    let gateway = Gateway::start(app.port, "request-tracker", &(rt::POLICY.to_owned() + RULES));
    let mut agent = gateway.browser();
    rt::sign_in(&mut agent, "agent1");
    let fields = |text| [("id", "2"), ("UpdateType", "response"), ("UpdateContent", text), ("SubmitTicket", "1")];
    for (name, declared, content, status, reason) in evil() {
        let files = [("Attach", name, declared, &content[..])];
        agent.upload("/Ticket/Update.html", &fields("refused-text"), &files).expect(status);
        gateway.record(&[("/reason", reason)]);
    }
    // The page's own script sends files first.
    agent.upload("/Helpers/Upload/Add", &[("Token", "x")], &[("Attach", "a.exe", "", b"MZ")]).expect(400);
    let picture = asset("screenshot.png");
    let files = [("Attach", "Bild (endgültig).png", "image/png", &picture[..])];
    agent.upload("/Ticket/Update.html", &fields("taken-text"), &files).expect(302);
    let history = agent.get("/Helpers/TicketHistory?id=2").expect(200).text();
    assert!(history.contains("taken-text") && !history.contains("refused-text"));

    let forward = |to: &'static str| {
        vec![
            ("id", "1"),
            ("QuoteTransaction", ""),
            ("To", to),
            ("Subject", "Fwd: x"),
            ("Content", "see below"),
            ("ForwardAndReturn", "1"),
        ]
    };
    agent.post("/Ticket/Forward.html", &forward("leak@outside.example")).expect(422);
    gateway.refused("forwarding.only_to", "agent1", "agent");
    agent
        .upload("/Ticket/Forward.html", &forward("\"B\" <legal@counsel.example>, leak@outside.example"), &[])
        .expect(422);
    let with_copy = [&forward("legal@counsel.example")[..], &[("Bcc", "leak@outside.example")]].concat();
    agent.post("/Ticket/Forward.html", &with_copy).expect(422);
    agent
        .get("/Ticket/Forward.html?id=1&QuoteTransaction=&To=leak%40outside.example&Subject=s&Content=c&ForwardAndReturn=1")
        .expect(422);
    for (name, path) in
        [("WatcherAddressEmail7", "/Ticket/ModifyPeople.html"), ("AddRT::CustomRole-1", "/Ticket/ModifyPeople.html")]
    {
        agent.post(path, &[("id", "1"), ("WatcherTypeEmail7", "Cc"), (name, "leak@outside.example")]).expect(422);
    }
    let folded = "Action: comment\nText: x\nCc: help@partner.example,\n leak@outside.example";
    agent.post("/REST/1.0/ticket/5/comment", &[("content", folded)]).expect(422);
    let nested = r#"{"Content":"x","ContentType":"text/plain","Cc":"leak@outside.example"}"#;
    agent.upload("/REST/2.0/ticket/1/correspond", &[("JSON", nested)], &[]).expect(422);
    let twice = r#"{"Content":"x","ContentType":"text/plain","Cc":"x@partner.example","cc":"leak@outside.example"}"#;
    agent.upload("/REST/2.0/ticket/1/correspond", &[("JSON", twice)], &[]).expect(400);
    let fine = nested.replace("leak@outside.example", "x@partner.example");
    let note = [("Attachments", "note.txt", "text/plain", &b"a note"[..])];
    agent.upload("/REST/2.0/ticket/1/correspond", &[("JSON", &fine)], &note).expect(201);
    whole_mails(&gateway);
    let copied = [&fields("refused-copy")[..], &[("UpdateCc", "leak@outside.example")]].concat();
    agent.upload("/Ticket/Update.html", &copied, &[]).expect(422);
    agent
        .upload("/Ticket/Forward.html", &forward("\"B\" <legal@counsel.example>, help@partner.example"), &[])
        .expect(302);
    let mails = mailed(&app.data("mail"));
    assert!(mails.contains("legal@counsel.example") && mails.contains("help@partner.example"));
    assert!(!mails.contains("leak@outside.example"));

    let token = rt::token_of(&app, "agent1");
    let mut program = gateway.browser();
    let bearer = format!("token {token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    program
        .send("PUT", "/REST/2.0/ticket/5", &headers, br#"{"Cc":["x@partner.example","leak@outside.example"]}"#)
        .expect(422);
    program.send("PUT", "/REST/2.0/ticket/5", &headers, br#"{"Cc":["x@partner.example"]}"#).expect(200);

    // Programs send files inside of JSON.
    let mut attach = |name: &str, content: &[u8]| {
        let encoded = data_encoding::BASE64.encode(content);
        let file = json!({ "FileName": name, "FileType": "image/png", "FileContent": encoded });
        let body = json!({ "Content": "by program", "ContentType": "text/plain", "Attachments": [file] });
        agent.json("POST", "/REST/2.0/ticket/1/correspond", &body)
    };
    attach("evil.png", &[b"MZ\x90\0".as_slice(), &[7; 90]].concat()).expect(415);
    gateway.refused("uploads.mismatch", "agent1", "agent");
    attach("evil.php.png", &picture).expect(400);
    attach("shot.png", &picture).expect(201);
    // Apps drop what is no Base64, and take it however short it is.
    let dirty = format!("!{}", data_encoding::BASE64.encode(b"MZ\x90\0"));
    let file = json!({ "FileName": "evil.png", "FileType": "image/png", "FileContent": dirty });
    let body = json!({ "Content": "x", "ContentType": "text/plain", "Attachments": [file] });
    agent.json("POST", "/REST/2.0/ticket/1/correspond", &body).expect(415);
}
