//! What is hidden from a role reaches nobody of it, however the app sends it; and what comes back masked changes
//! nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::harness::{Answer, Browser, Connection, Gateway, H2, RealApp, ScriptedOrigin, Tinydesk, form_on, raw};
use crate::tinydesk::sign_in;

const HIDDEN: &str = "roles:\n  everybody: {}\npersonal_data: { regions: [DE] }\nmasking:\n  - name: numbers\n    hide: [phone, email]\n    from: everybody\n";
const PAGE: &str = "<p>Call <a href=\"tel:+493023125401\">+49 30 23125 401</a> or carl@brandt.example</p>";
const MASKED: &str = "<p>Call <a href=\"tel:+XXXXXXXXXXXX\">+XX XX XXXXX XXX</a> or c***@***.example</p>";
/// Pieces of what is hidden, each of which would be a leak.
const SECRETS: [&str; 4] = ["23125", "401", "carl", "brandt"];

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn html(more: &str) -> String {
    format!("HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8\n{more}")
}

#[track_caller]
fn keeps(what: &str, answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what}: {secret} in {text}");
    }
}

/// Everything that comes back, whatever it is.
fn all(gateway: &Gateway, request: &str) -> Vec<u8> {
    let mut connection = Connection::open(gateway.address(), None).unwrap();
    let head = format!("{request}\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.address());
    connection.write(head.as_bytes()).unwrap();
    connection.rest()
}

fn get(gateway: &Gateway, path: &str) -> Option<Answer> {
    raw(gateway.address(), format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address()).as_bytes())
}

/// However it is coded, and whatever its status, what can be read is masked.
#[test]
fn what_can_be_read_is_masked() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    let page = PAGE.as_bytes();
    let brotli = {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(page).unwrap();
        out
    };
    let chunked = [
        b"3\r\n".to_vec(),
        page[..3].to_vec(),
        format!("\r\n{:x}\r\n", page.len() - 3).into_bytes(),
        page[3..].to_vec(),
        b"\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    for (name, head, body) in [
        ("plain", html(""), page.to_vec()),
        ("with a length", html(&format!("Content-Length: {}", page.len())), page.to_vec()),
        ("chunked", html("Transfer-Encoding: chunked"), chunked),
        ("gzip", html("Content-Encoding: gzip"), gzip(page)),
        ("x-gzip", html("Content-Encoding: x-gzip"), gzip(page)),
        ("two members", html("Content-Encoding: gzip"), [gzip(&page[..30]), gzip(&page[30..])].concat()),
        ("br", html("Content-Encoding: br"), brotli),
        ("zstd", html("Content-Encoding: zstd"), zstd::encode_all(page, 3).unwrap()),
        ("deflate", html("Content-Encoding: deflate"), deflate(page)),
        ("not found", "HTTP/1.1 404 Not Found\nContent-Type: text/html".into(), page.to_vec()),
        ("broken", "HTTP/1.1 500 Oops\nContent-Type: text/html".into(), page.to_vec()),
        ("latin1", "HTTP/1.1 200 OK\nContent-Type: text/html; charset=iso-8859-1".into(), page.to_vec()),
    ] {
        origin.answer("/agent/", &head, &body);
        let answer = get(&gateway, "/agent/").unwrap();
        assert_eq!(answer.text(), MASKED, "{name}");
        assert_eq!(answer.header("cache-control"), Some("private, no-store"), "{name}");
        let answer = H2::connect(gateway.address()).send(("GET", "/agent/", &[], b"")).unwrap();
        assert_eq!(answer.text(), MASKED, "{name} over HTTP/2");
    }
    // Byte by byte.
    let whole = format!("{}\r\n\r\n{PAGE}", html("Connection: close").replace('\n', "\r\n"));
    origin.pieces("/agent/", whole.bytes().map(|b| vec![b]).collect());
    assert_eq!(get(&gateway, "/agent/").unwrap().text(), MASKED);
    let record = gateway.record(&[("/effect", "mask"), ("/response/masked_by/0/rule", "numbers")]);
    assert_eq!(record.pointer("/response/masked/phone").unwrap(), 2);
    assert_eq!(record.pointer("/response/masked/email").unwrap(), 1);
    assert!(record.pointer("/response/masked_by/0/policy_line").unwrap().as_u64().unwrap() > 10);
    gateway.keeps_secrets(&[], &SECRETS);
}

/// What cannot be read is refused, or ends where it was told.
#[test]
fn what_cannot_be_read_reaches_nobody() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    let page = PAGE.as_bytes();
    let typed = |content_type: &str| format!("HTTP/1.1 200 OK\nContent-Type: {content_type}");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(PAGE.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, head, body, reason) in [
        (
            "a part",
            "HTTP/1.1 206 Partial Content\nContent-Type: text/html\nContent-Range: bytes 0-80/81".into(),
            page.to_vec(),
            "masking.coding",
        ),
        ("a delta", "HTTP/1.1 226 IM Used\nContent-Type: text/html".into(), page.to_vec(), "masking.coding"),
        ("compress", html("Content-Encoding: compress"), page.to_vec(), "masking.coding"),
        ("stacked", html("Content-Encoding: gzip, gzip"), gzip(&gzip(page)), "masking.coding"),
        (
            "stacked in headers",
            html("Content-Encoding: gzip\nContent-Encoding: gzip"),
            gzip(&gzip(page)),
            "masking.coding",
        ),
        ("transfer coding", html("Transfer-Encoding: gzip, chunked"), page.to_vec(), "upstream.answer"),
        ("a document", typed("application/pdf"), page.to_vec(), "masking.type"),
        ("a script", typed("text/javascript"), b"callback({\"phone\":\"23125401\"})".to_vec(), "masking.type"),
        ("no type", "HTTP/1.1 200 OK".into(), page.to_vec(), "masking.type"),
        ("utf-7", typed("text/html; charset=utf-7"), page.to_vec(), "masking.type"),
        (
            "two types",
            "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Type: image/png".into(),
            page.to_vec(),
            "masking.coding",
        ),
        ("not gzip", html("Content-Encoding: gzip"), page.to_vec(), "masking.coding"),
        ("half of it", html("Content-Encoding: gzip"), gzip(page)[..40].to_vec(), "masking.coding"),
        ("a mark of UTF-16", typed("text/html"), utf16, "masking.coding"),
        ("no JSON", typed("application/json"), b"{'phone': '23125401'}".to_vec(), "masking.coding"),
        ("half a document", typed("application/json"), b"{\"phone\": \"23125401\", \"x\": ".to_vec(), "masking.coding"),
        ("a picture that is none", typed("image/png"), page.to_vec(), "masking.coding"),
        (
            "before the answer",
            "HTTP/1.1 103 Early Hints\nLink: </x?23125401>".into(),
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n".to_vec(),
            "masking.coding",
        ),
        ("another protocol", "HTTP/1.1 101 Switching Protocols\nUpgrade: raw".into(), page.to_vec(), ""),
    ] {
        origin.answer("/agent/", &head, &body);
        let answer = all(&gateway, "GET /agent/ HTTP/1.1");
        keeps(name, &answer);
        assert!(!answer.ends_with(b"0\r\n\r\n") || !answer.starts_with(b"HTTP/1.1 200"), "{name} looks whole");
        let answer = H2::connect(gateway.address()).send(("GET", "/agent/", &[], b""));
        assert!(
            answer.as_ref().is_err() || answer.as_ref().is_ok_and(|a| a.status >= 400),
            "{name}: {:?}",
            answer.map(|a| (a.status, a.text()))
        );
        if !reason.is_empty() {
            gateway.record(&[("/reason", reason), ("/effect", "deny")]);
        }
    }
}

/// The phrase beside the status is a text of the app's as well.
#[test]
fn no_number_is_told_beside_the_status() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    origin.answer("/agent/", "HTTP/1.1 200 +49 30 23125 401\nContent-Type: text/html", PAGE.as_bytes());
    let answer = all(&gateway, "GET /agent/ HTTP/1.1");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    keeps("GET", &answer);
}

/// The app is asked for all of it as it is, and nothing tells what is not sent.
#[test]
fn the_app_is_asked_for_what_can_be_read() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    origin.answer("/agent/", &html("ETag: \"23125401\"\nLast-Modified: Sat, 21 Nov 2026 10:00:00 GMT\nAccept-Ranges: bytes\nContent-MD5: carl\nContent-Length: 81"), &PAGE.as_bytes()[..81]);
    let request = "GET /agent/ HTTP/1.1\r\nRange: bytes=0-9\r\nIf-Range: x\r\nIf-None-Match: x\r\nIf-Modified-Since: x\r\nIf-Match: x\r\nIf-Unmodified-Since: x\r\nA-IM: feed\r\nAccept-Encoding: gzip, br\r\nTE: gzip";
    let answer = all(&gateway, request);
    keeps("GET", &answer);
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    for name in ["etag", "last-modified", "accept-ranges", "content-md5"] {
        assert!(!text.contains(&format!("\n{name}:")), "{name} in {text}");
    }
    let heard = origin.heard().concat().to_ascii_lowercase();
    for name in
        ["range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "a-im", "te"]
    {
        assert!(!heard.contains(&format!("\n{name}:")), "{name} in {heard}");
    }
    assert!(heard.contains("\naccept-encoding: identity"), "{heard}");
    origin.answer("/agent/", &html("Content-Length: 81\nETag: x"), b"");
    let head = String::from_utf8_lossy(&all(&gateway, "HEAD /agent/ HTTP/1.1")).to_ascii_lowercase();
    assert!(!head.contains("content-length") && !head.contains("etag"), "{head}");
}

/// Headers are masked as texts are.
#[test]
fn headers_say_nothing_either() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    let head = "HTTP/1.1 302 Found\nLocation: /agent/search?q=%2B49+30+23125401&mail=carl%40brandt.example\nContent-Disposition: inline; filename=\"+493023125401.html\"\nSet-Cookie: last=carl@brandt.example; Path=/\nX-Customer: +49 30 23125401\nContent-Length: 0";
    origin.answer("/agent/", head, b"");
    let answer = all(&gateway, "GET /agent/ HTTP/1.1");
    keeps("headers", &answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(
        text.contains("302 Found") && text.to_ascii_lowercase().contains("set-cookie: last=c***@***.example; path=/"),
        "{text}"
    );
}

/// What a client accepts is sent coded where nothing of the request is in it.
#[test]
fn answers_are_coded_where_that_is_safe() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    let mut large = PAGE.repeat(200);
    large.push_str("</html>");
    for path in ["/agent/", "/agent/?q=x"] {
        origin.answer(path, &html(""), large.as_bytes());
    }
    let mut browser = gateway.browser();
    let answer = browser.send("GET", "/agent/", &[("accept-encoding", "gzip")], b"");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut plain).unwrap();
    assert_eq!(String::from_utf8(plain).unwrap(), format!("{}</html>", MASKED.repeat(200)));
    let answer = browser.send("GET", "/agent/?q=x", &[("accept-encoding", "gzip")], b"");
    assert_eq!((answer.header("content-encoding"), answer.text()), (None, format!("{}</html>", MASKED.repeat(200))));
}

/// Events pass one by one, each when it is whole.
#[test]
fn events_are_not_held_back() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", HIDDEN);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
    // The second event never ends: the first must have come before.
    origin.pieces(
        "/agent/",
        vec![head, b"data: {\"phone\": \"+49 30 23125401\"}\n\n".to_vec(), b"data: carl@bra".to_vec()],
    );
    let answer = all(&gateway, "GET /agent/ HTTP/1.1");
    keeps("events", &answer);
    assert!(String::from_utf8_lossy(&answer).contains("data: {\"phone\": \"+XX XX XXXXXXXX\"}"));
}

/// Shadow changes no byte of an answer, and says what it would have done.
#[test]
fn shadow_changes_nothing() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", &HIDDEN.replace("  - name", "  - mode: shadow\n    name"));
    origin.answer("/agent/", &html("ETag: x\nContent-Encoding: gzip"), &gzip(PAGE.as_bytes()));
    let answer = get(&gateway, "/agent/").unwrap();
    assert_eq!((answer.body.clone(), answer.header("etag")), (gzip(PAGE.as_bytes()), Some("x")));
    let record = gateway.record(&[("/effect", "would_mask")]);
    assert_eq!(record.pointer("/response/would_mask/phone").unwrap(), 2);
    origin.answer("/agent/", "HTTP/1.1 200 OK\nContent-Type: application/pdf", b"%PDF-");
    assert_eq!(get(&gateway, "/agent/").unwrap().text(), "%PDF-");
    gateway.record(&[("/effect", "would_deny"), ("/reason", "masking.type")]);
}

const DESK: &str = r"
personal_data: { regions: [DE, GB] }
roles:
  manager: { users: [mona] }
  agent: { app_group: agents }
  customer: { realm: accounts }
  visitor: {}
exports: { allow: [manager, agent] }
masking:
  - { name: numbers, hide: [phone, email], from: agent }
";

/// Who cannot see a number edits the ticket; the number in the app stays.
#[test]
fn what_is_saved_is_what_the_app_had() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", DESK);
    let (mut agent, mut manager) = (gateway.browser(), gateway.browser());
    sign_in(&mut agent, "amir");
    sign_in(&mut manager, "mona");
    let page = agent.get("/agent/tickets/1001").expect(200).text();
    assert!(page.contains("name=\"phone\" value=\"+XX XX XXXXX XXX\"") && !page.contains("23125"), "{page}");
    let edited = [("subject", "Edited by Amir"), ("status", "open"), ("phone", "+XX XX XXXXX XXX")];
    agent.post("/agent/tickets/1001/edit", &edited).expect(302);
    let page = manager.get("/agent/tickets/1001").expect(200).text();
    assert!(page.contains("Edited by Amir") && page.contains("value=\"+49 30 23125 401\""), "{page}");
    // The same number of X, but another ticket's.
    let other = agent.post("/agent/tickets/1002/edit", &edited).expect(409).text();
    assert!(other.contains("original is not known any more"), "{other}");
    // A program's way to save.
    agent.fetch("/api/tickets/1001").expect(200);
    let patch = serde_json::json!({ "subject": "By a program", "phone": "+XX XX XXXXX XXX" });
    agent.json("PATCH", "/api/tickets/1001", &patch).expect(200);
    let page = manager.get("/agent/tickets/1001").expect(200).text();
    assert!(page.contains("By a program") && page.contains("value=\"+49 30 23125 401\""), "{page}");
    // A number of one's own is one's own.
    agent.post("/agent/tickets/1001/edit", &[("subject", "x"), ("phone", "+49 30 23125 499")]).expect(302);
    assert!(manager.get("/agent/tickets/1001").text().contains("value=\"+49 30 23125 499\""));
}

/// An export that is allowed is masked; one that cannot be is refused.
#[test]
fn exports_are_masked() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", DESK);
    let (mut agent, mut manager) = (gateway.browser(), gateway.browser());
    sign_in(&mut agent, "amir");
    sign_in(&mut manager, "mona");
    let hers = manager.get("/agent/customers/export.csv").expect(200).text();
    let his = agent.get("/agent/customers/export.csv").expect(200).text();
    assert!(hers.contains("+49 30 23125 401") && hers.lines().count() == his.lines().count());
    assert!(his.contains("1,Carl Brandt,Brandt Metallbau,+XX XX XXXXX XXX,c***@***.example"), "{his}");
    assert!(!his.chars().filter(char::is_ascii_digit).collect::<String>().contains("23125"));
}

/// Sends a form as it stands on the page, with one field changed.
#[track_caller]
fn send_back(browser: &mut Browser, to: &str, fields: &[(String, String)], change: (&str, &str)) -> Answer {
    let changed = |(name, value): &(String, String)| {
        (name.clone(), if *name == change.0 { change.1.to_owned() } else { value.clone() })
    };
    let fields: Vec<(String, String)> = fields.iter().map(changed).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert!(fields.iter().any(|(name, _)| *name == change.0), "{} is not in the form", change.0);
    browser.post(to, &fields)
}

const AGENTS: &str = "personal_data: { regions: [US, GB, DE] }\nmasking:\n  - { hide: [phone, email], from: agent }\n";

/// On django-helpdesk's own edit form, with numbers in a field and in a text.
#[test]
fn a_ticket_of_django_helpdesk_keeps_its_number() {
    let app = RealApp::start("django-helpdesk");
    let gateway = Gateway::start(app.port, "django-helpdesk", &format!("{}{AGENTS}", crate::django::policy()));
    let (mut agent, mut manager) = (gateway.browser(), Browser::new(app.port));
    crate::django::sign_in(&mut agent, "agent1");
    crate::django::sign_in(&mut manager, "manager");
    let real = form_on(&manager.get("/tickets/1/edit/").expect(200).text(), "name=\"title\"");
    let shown = form_on(&agent.get("/tickets/1/edit/").expect(200).text(), "name=\"title\"");
    let of =
        |form: &[(String, String)], name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
    assert_eq!(of(&real, "custom_phone"), "+1 202 555 0101");
    assert_eq!(of(&shown, "custom_phone"), "+X XXX XXX XXXX");
    assert!(of(&shown, "description").contains("phone me on +X XXX XXX XXXX"), "{}", of(&shown, "description"));
    assert_eq!(of(&shown, "submitter_email"), "a***@***.example");
    send_back(&mut agent, "/tickets/1/edit/", &shown, ("title", "Edited by an agent")).expect(302);
    let after = form_on(&manager.get("/tickets/1/edit/").expect(200).text(), "name=\"title\"");
    assert_eq!(of(&after, "title"), "Edited by an agent");
    for name in ["custom_phone", "custom_mobile", "submitter_email", "description"] {
        if real.iter().any(|(n, _)| n == name) {
            assert_eq!(of(&after, name).replace("\r\n", "\n"), of(&real, name).replace("\r\n", "\n"), "{name}");
        }
    }
    // What was shown of one ticket is not put into another.
    let other: Vec<_> = shown.iter().filter(|(name, _)| name != "description").cloned().collect();
    agent.get("/tickets/2/edit/").expect(200);
    let answer = send_back(&mut agent, "/tickets/2/edit/", &other, ("title", "x"));
    let now = form_on(&manager.get("/tickets/2/edit/").expect(200).text(), "name=\"title\"");
    assert!(answer.status == 409 || of(&now, "custom_phone") != "+1 202 555 0101", "{}", answer.status);
}

/// On Request Tracker's own edit form, with a number in a custom field.
#[test]
fn a_ticket_of_request_tracker_keeps_its_number() {
    let app = RealApp::start("rt");
    let gateway = Gateway::start(app.port, "request-tracker", &format!("{}{AGENTS}", crate::rt::POLICY));
    let (mut agent, mut manager) = (gateway.browser(), Browser::new(app.port));
    crate::rt::sign_in(&mut agent, "agent1");
    crate::rt::sign_in(&mut manager, "manager");
    let path = "/Ticket/Modify.html?id=1";
    let phone = |form: &[(String, String)]| {
        let named = |n: &str| n.contains("CustomField") && n.ends_with("-Value");
        form.iter().find(|(n, v)| named(n) && v.contains("202") | v.contains('X')).map(|(_, v)| v.clone())
    };
    let mark = "name=\"Subject\"";
    let real = form_on(&manager.get(path).expect(200).text(), mark);
    let shown = form_on(&agent.get(path).expect(200).text(), mark);
    assert_eq!(phone(&real).as_deref(), Some("+1 202 555 0101"));
    assert_eq!(phone(&shown).as_deref(), Some("+X XXX XXX XXXX"));
    send_back(&mut agent, "/Ticket/Modify.html", &shown, ("Subject", "Edited by an agent"));
    let after = form_on(&manager.get(path).expect(200).text(), mark);
    assert!(after.iter().any(|(n, v)| n == "Subject" && v == "Edited by an agent"), "{after:?}");
    assert_eq!(phone(&after).as_deref(), Some("+1 202 555 0101"));
}

/// The reply form of django-helpdesk carries the desk's own fields: a reply must not write masks over them.
#[test]
fn a_reply_in_django_helpdesk_keeps_its_numbers() {
    let app = RealApp::start("django-helpdesk");
    let policy = |rest: &str| format!("{}{AGENTS}{rest}", crate::django::policy());
    let mut gateway = Gateway::start(app.port, "django-helpdesk", &policy(""));
    let (mut agent, mut manager) = (gateway.browser(), Browser::new(app.port));
    crate::django::sign_in(&mut agent, "agent1");
    crate::django::sign_in(&mut manager, "manager");
    let numbers = |manager: &mut Browser| {
        let form = form_on(&manager.get("/tickets/1/").expect(200).text(), "id=\"commentBox\"");
        let of = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap();
        [of("custom_phone"), of("custom_mobile")]
    };
    let real = ["+1 202 555 0101".to_owned(), "+1 202-555-0199".to_owned()];
    assert_eq!(numbers(&mut manager), real);
    let shown = form_on(&agent.get("/tickets/1/").expect(200).text(), "id=\"commentBox\"");
    assert!(shown.iter().any(|(n, v)| n == "custom_phone" && v == "+X XXX XXX XXXX"), "{shown:?}");
    let reply = ("comment", "I called +X XXX XXX XXXX twice.");
    send_back(&mut agent, "/tickets/1/update/", &shown, reply).expect(302);
    assert_eq!(numbers(&mut manager), real);
    assert!(manager.get("/tickets/1/").text().contains("I called +X XXX XXX XXXX twice."), "a mask is quoted");
    // What cannot be put back any more is refused.
    gateway.terminate();
    gateway.spawn();
    send_back(&mut agent, "/tickets/1/update/", &shown, reply).expect(409);
    gateway.refused("masking.stale", "agent1", "agent");
    assert_eq!(numbers(&mut manager), real);
    // And where the policy says so, everything is.
    gateway.write_policy(&policy("").replace("from: agent }", "from: agent, on_save: refuse }"));
    gateway.operate(&["reload"]);
    let shown = form_on(&agent.get("/tickets/1/").expect(200).text(), "id=\"commentBox\"");
    send_back(&mut agent, "/tickets/1/update/", &shown, reply).expect(409);
    gateway.refused("masking.save", "agent1", "agent");
    assert_eq!(numbers(&mut manager), real);
}

/// In Request Tracker a mask is no address: it makes no user, and no mail goes there.
#[test]
fn a_mask_becomes_no_address_in_request_tracker() {
    let app = RealApp::start("rt");
    let gateway = Gateway::start(app.port, "request-tracker", &format!("{}{AGENTS}", crate::rt::POLICY));
    let (mut agent, mut manager) = (gateway.browser(), Browser::new(app.port));
    crate::rt::sign_in(&mut agent, "agent1");
    crate::rt::sign_in(&mut manager, "manager");
    let form = form_on(&agent.get("/Ticket/Create.html?Queue=3").expect(200).text(), "name=\"Requestors\"");
    let requestor = ("Requestors", "a***@***.example");
    let answer = send_back(&mut agent, "/Ticket/Create.html?SubmitTicket=1", &form, requestor);
    assert_eq!(answer.status, 409, "{}", answer.text());
    // The boxes of a reply's recipients hold addresses.
    let reply = [("id", "1"), ("UpdateType", "response"), ("UpdateContent", "Hello"), ("SubmitTicket", "1")];
    let ticked = [&reply[..], &[("TxnSendMailTo", "a***@***.example")]].concat();
    agent.post("/Ticket/Update.html", &ticked).expect(409);
    agent.post("/Ticket/Update.html", &reply).expect(302);
    let users = manager.get("/Admin/Users/index.html?UserString=%2A%2A%2A&UserField=EmailAddress&UserOp=LIKE").text();
    assert!(!users.contains("***@***"), "{users}");
    let sent: String = std::fs::read_dir(app.data("mail"))
        .unwrap()
        .flatten()
        .map(|f| std::fs::read_to_string(f.path()).unwrap_or_default())
        .collect();
    assert!(!sent.contains("***@***"), "{sent}");
}
