//! In front of django-helpdesk.

use serde_json::json;

use crate::harness::{Answer, Browser, Gateway, RealApp, asset, first_link, link_to, noise, password, until};

/// Everything armed. 127.0.0.1 is the office.
pub const POLICY: &str = r#"
networks:
  office: [127.0.0.1]
roles:
  manager: { users: [manager] }
  agent: { app_group: staff }
  customer: { realm: accounts }
  sync: { api_key: sync }
  visitor: {}
access:
  management: { allow_from: [office] }
  api:
    allow_from: [office]
    credential: [session, header Authorization Token]
    keys:
      # forty times the letter a
      sync: { sha256: 9f20db8c1dad2cb8f0eb6c1b2e4fa8c3e4d5a0a1b6b0d8f4f0d5b1c1a2f3e4d5 }
sessions:
  per_role:
    agent: { idle: 15m, absolute: 10h, at_once: 2, when_full: end_oldest }
    manager: { idle: 15m, absolute: 10h }
    customer: { idle: 8h, at_once: 1, when_full: refuse }
  inactive_after: 90d
media:
  open_with: session_on_this_device
exports:
  allow: [manager]
  also: [bulk_read]
changes:
  - allow: [delete]
    of: [ticket, comment]
    for: [manager]
embedding:
  management: deny
  portal: ["https://shop.example"]
limits:
  sign_in:
    per_account: 5 per 15m
    per_address: 50 per 15m
"#;

/// Fills a form's CSRF field as the page would.
fn post(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = browser.cookie("csrftoken");
    browser.post(path, &[&[("csrfmiddlewaretoken", token.as_str())], fields].concat())
}

/// Sends the sign-in form of `page`.
fn try_sign_in(browser: &mut Browser, page: &str, user: &str, password: &str) -> Answer {
    browser.get(page);
    post(browser, page, &[("username", user), ("password", password), ("next", "/tickets/")])
}

#[track_caller]
pub fn sign_in(browser: &mut Browser, user: &str) {
    try_sign_in(browser, "/login/", user, password(user)).expect(302);
    assert!(!browser.cookie("sessionid").is_empty());
}

fn signed_in(gateway: &Gateway, user: &str) -> Browser {
    let mut browser = gateway.browser();
    sign_in(&mut browser, user);
    browser
}

pub fn policy() -> String {
    use sha2::{Digest, Sha256};
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest("a".repeat(40)));
    POLICY.replace("9f20db8c1dad2cb8f0eb6c1b2e4fa8c3e4d5a0a1b6b0d8f4f0d5b1c1a2f3e4d5", &hash)
}

pub fn setup() -> (RealApp, Gateway) {
    let app = RealApp::start("django-helpdesk");
    let gateway = Gateway::start(app.port, "django-helpdesk", &policy());
    (app, gateway)
}

fn alive_in_app(app: &RealApp, browser: &Browser) -> bool {
    let answer = Browser::new(app.port).with_cookies_of(browser).get("/system_settings/");
    answer.status == 200
}

#[track_caller]
fn dead_in_app(app: &RealApp, browser: &Browser) {
    until("the session is over in the app", || !alive_in_app(app, browser));
}

#[test]
fn signing_in_and_out() {
    let (app, gateway) = setup();
    let mut agent = gateway.browser();
    let wrong = try_sign_in(&mut agent, "/login/", "agent1", "wrong-password-1").expect(200);
    assert!(wrong.text().contains("Your username and password didn't match"));
    gateway.record(&[("/session_event", "sign_in_failed")]);
    sign_in(&mut agent, "agent1");
    agent.get("/tickets/1/").expect(200);
    let record = gateway.record(&[("/request/route", "ticket"), ("/actor/user", "agent1")]);
    assert_eq!(record["actor"]["role"], "agent", "{record}");
    // Again in the same browser: the app keeps the session id.
    sign_in(&mut agent, "agent1");
    assert_eq!(gateway.sessions(), ["agent1"]);
    // A password change rotates it.
    let old = agent.clone();
    agent.get("/password_change/").expect(200);
    let fields =
        [("old_password", "Agent1!pass"), ("new_password1", "Tulip-Field-88"), ("new_password2", "Tulip-Field-88")];
    post(&mut agent, "/password_change/", &fields).expect(302);
    assert_ne!(agent.cookie("sessionid"), old.cookie("sessionid"));
    gateway.record(&[("/session_event", "rotated")]);
    agent.get("/tickets/1/").expect(200);
    assert_eq!(gateway.sessions(), ["agent1"]);
    old.clone().get("/tickets/1/").expect(401);

    // The admin's own sign-in page.
    let mut manager = gateway.browser();
    try_sign_in(&mut manager, "/admin/login/", "manager", "wrong-password-2").expect(200);
    try_sign_in(&mut manager, "/admin/login/", "manager", password("manager")).expect(302);
    manager.get("/admin/").expect(200);
    let record = gateway.record(&[("/request/route", "admin"), ("/actor/user", "manager")]);
    assert_eq!(record["actor"]["role"], "manager", "{record}");

    // Customers, at most once.
    let mut alice = signed_in(&gateway, "alice");
    alice.get("/tickets/my-tickets/").expect(200);
    let record = gateway.record(&[("/request/route", "my_tickets"), ("/actor/user", "alice")]);
    assert_eq!(record["actor"]["role"], "customer", "{record}");
    try_sign_in(&mut gateway.browser(), "/login/", "alice", password("alice")).expect(403);
    gateway.record(&[("/reason", "sessions.full")]);

    // A token for a program.
    let mut program = gateway.browser();
    let token = program.json("POST", "/api-token-auth/", &json!({"username": "agent2", "password": "Agent2!pass"}));
    assert_eq!(token.expect(200).json()["token"], "c".repeat(40));
    program.post("/api-token-auth/", &[("username", "agent2"), ("password", "Agent2!pass")]).expect(200);
    program.post("/api-token-auth/", &[("username", "agent2"), ("password", "wrong-password-3")]).expect(400);
    assert_eq!(gateway.sessions(), ["agent1", "alice", "manager"]);

    // Without a CSRF token the app refuses, and that is no sign-in either.
    gateway.browser().post("/login/", &[("username", "agent2"), ("password", "Agent2!pass")]).expect(403);
    assert_eq!(gateway.sessions(), ["agent1", "alice", "manager"]);

    let before = alice.clone();
    post(&mut alice, "/logout/", &[]).expect(302);
    gateway.record(&[("/session_event", "signed_out"), ("/actor/user", "alice")]);
    assert!(!alive_in_app(&app, &before));
    before.clone().get("/tickets/my-tickets/").expect(401);

    // Begun elsewhere: the app is asked.
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "bob");
    gateway.browser().with_cookies_of(&direct).get("/tickets/my-tickets/").expect(200);
    let record = gateway.record(&[("/request/route", "my_tickets"), ("/actor/user", "bob")]);
    assert_eq!(record["actor"]["role"], "customer", "{record}");

    let passwords = ["wrong-password-1", "wrong-password-2", "wrong-password-3", "Agent1!pass", "Tulip-Field-88"];
    gateway.keeps_secrets(&[&agent, &old, &manager, &alice, &direct], &passwords);
}

#[test]
fn sessions_end() {
    let (app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let mut busy = signed_in(&gateway, "agent2");
    gateway.turn("10m");
    busy.get("/dashboard/").expect(200);
    gateway.turn("6m");
    let before = agent.clone();
    let ended = agent.get("/tickets/").expect(401);
    assert!(ended.text().contains("/login/?next=%2Ftickets%2F"), "{}", ended.text());
    dead_in_app(&app, &before);
    assert_eq!(agent.cookie("sessionid"), "");
    let script = before.clone().fetch("/api/tickets/").expect(403);
    assert_eq!(script.json()["detail"], "Authentication credentials were not provided.");
    busy.get("/kb/").expect(200);
    for _ in 0..58 {
        gateway.turn("10m");
        busy.get("/kb/").expect(200);
    }
    gateway.turn("10m");
    let worked = busy.clone();
    busy.get("/tickets/").expect(401);
    gateway.refused("sessions.absolute", "agent2", "agent");
    dead_in_app(&app, &worked);

    // Two at most; the third ends the oldest, in the app too.
    let first = signed_in(&gateway, "agent1");
    gateway.turn("1m");
    let second = signed_in(&gateway, "agent1");
    gateway.turn("1m");
    let third = signed_in(&gateway, "agent1");
    dead_in_app(&app, &first);
    first.clone().get("/tickets/").expect(401);
    gateway.refused("sessions.displaced", "agent1", "visitor");
    second.clone().get("/tickets/").expect(200);
    third.clone().get("/tickets/").expect(200);
    gateway.keeps_secrets(&[&before, &busy, &first, &second, &third], &[password("agent1")]);
}

#[test]
fn what_is_refused() {
    let (app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let mut manager = signed_in(&gateway, "manager");

    // Files.
    let link = first_link(&agent.get("/tickets/1/").expect(200).text(), "/media/");
    agent.get(&link).expect(200);
    let mut other = Browser::at(gateway.port, "127.0.0.2");
    assert!(other.get(&link).expect(303).location().starts_with("/login/?next=%2Fmedia%2F"));
    gateway.refused("media.sign_in", "", "visitor");
    other.fetch(&link).expect(403);
    Browser::new(app.port).get(&link).expect(200);

    // Data in bulk.
    agent.get("/api/tickets/?page_size=1000").expect(403);
    gateway.refused("exports.role", "agent1", "agent");
    manager.get("/api/tickets/?page_size=1000").expect(200);
    let list = agent.get("/tickets/").expect(200).text();
    let rows = list.split("datatables_ticket_list/").nth(1).unwrap().split(['"', '\'']).next().unwrap();
    let rows = format!("/datatables_ticket_list/{rows}");
    agent.fetch(&format!("{rows}?draw=1&start=0&length=25")).expect(200);
    agent.fetch(&format!("{rows}?draw=1&start=0&length=1000")).expect(403);
    manager.fetch(&format!("{rows}?draw=1&start=0&length=1000")).expect(200);
    agent.get("/rss/queue/support/").expect(403);
    let token = |letter: &str| format!("Token {}", letter.repeat(40));
    let mut program = gateway.browser();
    program.send("GET", "/api/tickets/", &[("Authorization", &token("b"))], b"").expect(403);

    // Deletions, in every way there is.
    let csrf = agent.cookie("csrftoken");
    let with_token = [("X-CSRFToken", csrf.as_str())];
    agent.get("/tickets/3/delete/").expect(200);
    post(&mut agent, "/tickets/3/delete/", &[]).expect(403);
    for method in ["DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"] {
        let answer = agent.send(method, "/tickets/3/delete/", &with_token, b"");
        assert!(matches!(answer.status, 403), "{method}: {}", answer.status);
    }
    let record = gateway.refused("changes.denied", "agent1", "agent");
    assert_eq!((&record["subject"]["id"], &record["took_us"]["upstream"]), (&json!("3"), &json!(0)), "{record}");
    post(&mut agent, "/tickets/update/", &[("ticket_id", "3"), ("action", "delete")]).expect(403);
    agent.send("DELETE", "/api/tickets/3/", &with_token, b"").expect(403);
    program.send("DELETE", "/api/tickets/3/", &[("Authorization", &token("b"))], b"").expect(403);
    agent.get("/tickets/3/followup_delete/1/").expect(403);
    gateway.record(&[("/reason", "changes.denied"), ("/actor/user", "agent1"), ("/request/method", "GET")]);
    agent.send("POST", "/tickets/3/", &[("X-HTTP-Method-Override", "DELETE"), with_token[0]], b"");
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "manager");
    direct.get("/tickets/3/").expect(200);
    post(&mut manager, "/tickets/3/delete/", &[]).expect(302);
    direct.get("/tickets/3/").expect(404);

    // From outside.
    let mut outside = Browser::at(gateway.port, "127.0.0.9").with_cookies_of(&manager);
    outside.get("/tickets/").expect(403);
    outside.get("/admin/").expect(403);
    gateway.refused("access.address", "manager", "manager");
    outside.fetch("/api/user_tickets/").expect(403);
    gateway.refused("access.api_address", "manager", "manager");
    outside.get("/kb/").expect(200);

    // In a frame.
    let page = agent.get("/tickets/1/").expect(200);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let page = agent.get("/kb/").expect(200);
    assert_eq!(page.header("x-frame-options"), None);
    assert!(page.header("content-security-policy").unwrap().contains("https://shop.example"));

    gateway.keeps_secrets(&[&agent, &manager], &[&"b".repeat(40), password("agent1"), &link[26..60]]);
}

#[test]
fn uploads_arrive_byte_for_byte() {
    let (_app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    agent.get("/tickets/2/").expect(200);
    let token = agent.cookie("csrftoken");
    let big = noise(20_000_000);
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("public", "1"),
        ("new_status", "1"),
        ("priority", "1"),
        ("owner", "3"),
        ("queue", "2"),
        ("title", "Invoice 1001 is wrong"),
        ("comment", "see files: ä ö ü"),
    ];
    let picture = asset("screenshot.png");
    let files =
        [("attachment", "big.txt", "text/plain", &big[..]), ("attachment", "shot.png", "image/png", &picture[..])];
    agent.upload("/tickets/2/update/", &fields, &files).expect(302);
    let page = agent.get("/tickets/2/").expect(200).text();
    assert!(page.contains("see files: ä ö ü"));
    assert!(agent.get(&link_to(&page, "/media/", "big.txt")).expect(200).body == big);
    assert!(agent.get(&link_to(&page, "/media/", "shot.png")).expect(200).body == picture);
    // A new ticket.
    let fields = [
        ("csrfmiddlewaretoken", token.as_str()),
        ("queue", "1"),
        ("title", "Big"),
        ("body", "see file: ä ö ü"),
        ("priority", "3"),
        ("submitter_email", "alice@customer.example"),
    ];
    let sent = agent.upload("/tickets/submit/", &fields, &files[..1]).expect(302);
    let page = agent.get(sent.location()).expect(200).text();
    assert!(agent.get(&link_to(&page, "/media/", "big.txt")).expect(200).body == big);
    // More than is read of a body that must be read.
    let too_big = vec![b'x'; 34_000_000];
    agent.upload("/tickets/2/edit/", &fields, &[("attachment", "b.txt", "text/plain", &too_big)]).expect(413);
    gateway.record(&[("/reason", "body.too_large")]);
}

const TIMELINE_OPENED: &str =
    "  overrides: { routes: { timeline_in_bulk: { is: page, match: GET /timeline_ticket_list/** } } }\nstate:";

const TAB: &str = "id=\"timelinetabcontents-tab\"";

/// The tab of the list that reads all messages at once: refused by class, opened by the policy with its masks, or hidden.
#[test]
fn the_timeline_is_refused_opened_or_hidden() {
    let app = RealApp::start("django-helpdesk");
    let masking = "personal_data: { regions: [DE] }\nmasking:\n  - { hide: [phone, email], from: agent }\n";
    let gateway = Gateway::start(app.port, "django-helpdesk", &format!("{}{masking}", policy()));
    let (mut agent, mut manager) = (signed_in(&gateway, "agent1"), signed_in(&gateway, "manager"));
    let list = agent.get("/tickets/").expect(200).text();
    assert!(list.contains(TAB));
    let timeline = first_link_in(&list, "/timeline_ticket_list/");
    agent.fetch(&timeline).expect(403);
    gateway.refused("exports.role", "agent1", "agent");
    let events = |answer: &Answer| answer.json()["events"].as_array().unwrap().len();
    let whole = manager.fetch(&timeline).expect(200);
    assert!(events(&whole) > 0 && whole.text().contains('@'), "{}", whole.text());

    let written = std::fs::read_to_string(gateway.config()).unwrap();
    std::fs::write(gateway.config(), written.replacen("state:", TIMELINE_OPENED, 1)).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    let masked = agent.fetch(&timeline).expect(200);
    assert_eq!(events(&masked), events(&whole));
    assert!(masked.text() != whole.text() && masked.text().contains("***@***"), "{}", masked.text());
    assert_eq!(
        gateway.record(&[("/request/route", "ticket_list_rows"), ("/effect", "mask")])["actor"]["user"],
        "agent1"
    );
    drop(gateway);
    drop(app);

    let app = RealApp::start_with("django-helpdesk", &[("LAB_TIMELINE", "0")]);
    let gateway = Gateway::start(app.port, "django-helpdesk", &policy());
    let list = signed_in(&gateway, "agent1").get("/tickets/").expect(200).text();
    assert!(list.contains("datatables_ticket_list/") && !list.contains(TAB));
}

/// The first address in a script of the page.
fn first_link_in(page: &str, start: &str) -> String {
    let at = page.find(start).unwrap_or_else(|| panic!("{start} is not there"));
    page[at..].split(['"', '\'']).next().unwrap().to_owned()
}
