//! Every control in front of the sample helpdesk.

use serde_json::json;

use crate::harness::{BOUNDARY, Browser, Gateway, H2, Tinydesk, first_link, multipart, noise, until};

/// Everything armed. 127.0.0.1 is the office; 127.0.0.2 and on are the rest of the world.
pub const POLICY: &str = r#"
networks:
  office: [127.0.0.1]
roles:
  manager: { users: [mona] }
  agent: { app_group: agents }
  customer: { realm: accounts }
  erp: { api_key: erp }
  visitor: {}
access:
  management: { allow_from: [office] }
  api:
    allow_from: [office]
    credential: [session, header Authorization Bearer, header X-API-Key]
    keys:
      erp: { sha256: 7f5e044c2d3767370dd1b7fd1651d3db462772c7dd873dd1ee577e6556ead87b, expires: "2099-12-31" }
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
changes:
  - name: tickets are deleted by managers only
    allow: [delete]
    of: [ticket]
    for: [manager]
embedding:
  management: deny
  portal: ["https://shop.example"]
limits:
  sign_in:
    per_account: 5 per 15m
    per_address: 50 per 15m
pages:
  contact: helpdesk@company.example
"#;

const ERP: &str = "tinydesk-erp-key-0001";

pub fn password(user: &str) -> &'static str {
    let account = deskgate::demo::helpdesk::ACCOUNTS.iter().find(|a| a.name == user);
    account.expect("a sample account").password
}

/// Signs in on the form and expects it to work.
#[track_caller]
pub fn sign_in(browser: &mut Browser, user: &str) {
    let answer = browser.post("/login", &[("user", user), ("password", password(user)), ("next", "")]).expect(302);
    assert!(!answer.location().starts_with("/login"), "{user} is not signed in: {:?}", answer.headers);
}

fn setup() -> (Tinydesk, Gateway) {
    setup_with(POLICY)
}

fn setup_with(policy: &str) -> (Tinydesk, Gateway) {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", policy);
    (app, gateway)
}

fn signed_in(gateway: &Gateway, user: &str) -> Browser {
    let mut browser = gateway.browser();
    sign_in(&mut browser, user);
    browser
}

/// The browser's cookies, presented to the app itself: is it still signed in there?
fn alive_in_app(app: &Tinydesk, browser: &Browser) -> bool {
    let mut direct = Browser::new(app.port).with_cookies_of(browser);
    direct.fetch("/me").status == 200
}

/// Waits for the gateway's own logout request, which nobody waits for.
#[track_caller]
fn dead_in_app(app: &Tinydesk, browser: &Browser) {
    until("the session is over in the app", || !alive_in_app(app, browser));
}

#[test]
fn signing_in_and_out() {
    let (app, gateway) = setup();
    let mut ava = gateway.browser();
    let wrong = ava.post("/login", &[("user", "ava"), ("password", "wrong-password-1"), ("next", "")]).expect(200);
    assert!(wrong.text().contains("Wrong user name or password"));
    let failed = gateway.record(&[("/session_event", "sign_in_failed")]);
    assert_eq!(failed["request"]["class"], "login", "{failed}");
    assert!(gateway.sessions().is_empty());

    sign_in(&mut ava, "ava");
    ava.get("/agent/").expect(200);
    gateway.record(&[("/session_event", "signed_in"), ("/actor/user", "ava")]);
    let page = gateway.record(&[("/request/route", "ticket_list")]);
    assert_eq!(
        (&page["actor"]["user"], &page["actor"]["role"], &page["actor"]["kind"]),
        (&json!("ava"), &json!("agent"), &json!("session")),
        "{page}"
    );
    assert_eq!(gateway.sessions(), ["ava"]);

    // A token for a program opens no session here.
    let token = gateway.browser().json("POST", "/api/login", &json!({"user": "ava", "password": password("ava")}));
    let token = token.expect(200).json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    gateway.browser().send("GET", "/api/tickets", &[("Authorization", &bearer)], b"").expect(200);
    let bad = json!({"user": "ava", "password": "wrong-password-2"});
    gateway.browser().json("POST", "/api/login", &bad).expect(401);
    assert_eq!(gateway.sessions(), ["ava"]);

    // Somebody else in the same browser: the first session is over.
    let before = ava.clone();
    sign_in(&mut ava, "amir");
    assert_eq!(gateway.sessions(), ["amir"]);
    assert!(!alive_in_app(&app, &before));

    let before = ava.clone();
    ava.post("/logout", &[]).expect(302);
    gateway.record(&[("/session_event", "signed_out"), ("/actor/user", "amir")]);
    assert!(gateway.sessions().is_empty());
    assert!(!alive_in_app(&app, &before));
    gateway.browser().with_cookies_of(&before).get("/agent/").expect(401);
    gateway.refused("sessions.ended", "amir", "visitor");

    let secrets = ["wrong-password-1", "wrong-password-2", password("ava"), password("amir"), &token];
    gateway.keeps_secrets(&[&ava, &before], &secrets);
}

#[test]
fn sessions_end_when_nobody_works_in_them() {
    let (app, gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let mut amir = signed_in(&gateway, "amir");
    let mut carl = signed_in(&gateway, "carl");
    for _ in 0..2 {
        gateway.turn("7m");
        // One works, the other's page only polls.
        amir.get("/agent/").expect(200);
        ava.fetch("/agent/queue-count").expect(200);
    }
    gateway.turn("7m");
    amir.get("/agent/").expect(200);
    let ended = ava.get("/agent/").expect(401);
    assert!(ended.text().contains("nothing was done for a while") && ended.text().contains("/login?next="));
    assert!(ended.header("set-cookie").is_some_and(|c| c.starts_with("tinydesk=;")), "{:?}", ended.headers);
    let record = gateway.record(&[("/reason", "sessions.idle"), ("/actor/user", "ava")]);
    assert_eq!(record["effect"], "deny");
    carl.get("/portal/").expect(200);
    assert_eq!(gateway.sessions(), ["amir", "carl"]);
    assert!(alive_in_app(&app, &amir));

    // At work every ten minutes, for ten hours.
    for _ in 0..57 {
        gateway.turn("10m");
        amir.get("/agent/").expect(200);
    }
    gateway.turn("10m");
    let before = amir.clone();
    amir.get("/agent/").expect(401);
    gateway.refused("sessions.absolute", "amir", "agent");
    dead_in_app(&app, &before);
}

#[test]
fn a_script_learns_that_the_session_is_over_as_the_app_would_say_it() {
    let (app, gateway) = setup();
    let ava = signed_in(&gateway, "ava");
    gateway.turn("16m");
    let answer = ava.clone().fetch("/agent/queue-count").expect(401);
    assert_eq!(answer.json(), json!({"error": "not signed in"}));
    assert_eq!(answer.header("location"), None);
    dead_in_app(&app, &ava);
    // The sign-in page opens all the same.
    ava.clone().get("/login").expect(200);
}

#[test]
fn sessions_at_once() {
    let (app, gateway) = setup();
    let first = signed_in(&gateway, "ava");
    gateway.turn("1m");
    let mut second = signed_in(&gateway, "ava");
    gateway.turn("1m");
    first.clone().get("/agent/").expect(200);
    let mut third = signed_in(&gateway, "ava");
    // The one with the oldest activity is the second.
    second.clone().get("/agent/").expect(401);
    gateway.refused("sessions.displaced", "ava", "visitor");
    dead_in_app(&app, &second);
    first.clone().get("/agent/").expect(200);
    third.get("/agent/").expect(200);
    assert_eq!(gateway.sessions(), ["ava", "ava"]);
    let _ = second.get("/login");

    let mut here = signed_in(&gateway, "carl");
    let mut there = gateway.browser();
    let refused = there.post("/login", &[("user", "carl"), ("password", password("carl"))]).expect(403);
    assert!(refused.text().contains("as many devices as is allowed"), "{}", refused.text());
    assert_eq!(refused.header("set-cookie"), None);
    gateway.record(&[("/reason", "sessions.full"), ("/session_event", "sign_in_refused")]);
    there.get("/portal/").expect(302);
    here.get("/portal/").expect(200);
    here.post("/logout", &[]).expect(302);
    sign_in(&mut there, "carl");
    assert_eq!(gateway.sessions(), ["ava", "ava", "carl"]);
}

#[test]
fn accounts_that_nobody_used_are_locked() {
    let (app, gateway) = setup();
    let mut clara = signed_in(&gateway, "clara");
    clara.post("/logout", &[]).expect(302);
    gateway.turn("91d");
    let refused = clara.post("/login", &[("user", "clara"), ("password", password("clara"))]).expect(403);
    assert!(refused.text().contains("not used for a long time"));
    gateway.record(&[("/reason", "sessions.inactive")]);
    clara.post("/login", &[("user", "clara"), ("password", "no-no-no-no")]).expect(200);
    // With a session that the app knows and the gateway does not, the reason is the same.
    let mut direct = Browser::new(app.port);
    direct.post("/login", &[("user", "clara"), ("password", password("clara"))]).expect(302);
    let mut adopted = gateway.browser().with_cookies_of(&direct);
    adopted.clone().get("/portal/");
    let refused = adopted.get("/portal/").expect(403);
    assert!(refused.text().contains("not used for a long time"), "{}", refused.text());
    gateway.record(&[("/reason", "sessions.inactive"), ("/actor/kind", "ended_session"), ("/actor/user", "clara")]);
    let listed = gateway.operate(&["people", "--inactive", "90d", "--json"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("clara"), "{listed:?}");
    assert!(!gateway.operate(&["people", "--reactivate", "nobody"]).status.success());
    let back = gateway.operate(&["people", "--reactivate", "clara"]);
    assert!(back.status.success(), "{back:?}");
    sign_in(&mut clara, "clara");
    clara.get("/portal/").expect(200);
}

#[test]
fn operators_end_sessions() {
    let (app, gateway) = setup();
    let ava = signed_in(&gateway, "ava");
    let ended = gateway.operate(&["sessions", "end", "--user", "ava"]);
    assert!(ended.status.success(), "{ended:?}");
    dead_in_app(&app, &ava);
    ava.clone().get("/agent/").expect(401);
    gateway.refused("sessions.revoked", "ava", "visitor");
    assert!(gateway.sessions().is_empty());
    for nobody in [["--user", "ava"], ["--session", "0123456789abcdef"]] {
        let none = gateway.operate(&["sessions", "end", nobody[0], nobody[1]]);
        assert_eq!(none.status.code(), Some(1), "{none:?}");
    }
}

#[test]
fn sessions_that_began_elsewhere() {
    let (app, gateway) = setup();
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "ava");
    let mut known = gateway.browser().with_cookies_of(&direct);
    known.get("/agent/").expect(200);
    let record = gateway.record(&[("/request/route", "ticket_list"), ("/actor/user", "ava")]);
    assert_eq!(record["actor"]["role"], "agent", "{record}");
    assert_eq!(gateway.sessions(), ["ava"]);
    gateway.turn("16m");
    known.get("/agent/").expect(401);
    dead_in_app(&app, &direct);

    let strict = POLICY.replace("  inactive_after: 90d", "  inactive_after: 90d\n  not_begun_here: sign_in_again");
    let strict = Gateway::start(app.port, "tinydesk", &strict);
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "ava");
    let mut unknown = strict.browser().with_cookies_of(&direct);
    let answer = unknown.get("/agent/").expect(302);
    assert!(answer.location().starts_with("/login"), "{:?}", answer.headers);
    assert!(strict.sessions().is_empty());
    // A made-up cookie is nobody's.
    let mut made_up = gateway.browser();
    made_up.cookies.insert("tinydesk".into(), "0123456789abcdef0123456789abcdef".into());
    made_up.get("/agent/").expect(302);
    assert_eq!(made_up.fetch("/me").status, 401);
}

#[test]
fn media_links_open_only_where_somebody_is_signed_in() {
    let (_app, gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let link = first_link(&ava.get("/agent/tickets/1001").expect(200).text(), "/files/");
    let file = ava.get(&link).expect(200);
    assert!(file.body.starts_with(b"\x89PNG"));

    let mut other = Browser::at(gateway.port, "127.0.0.2");
    let sent = other.get(&link).expect(303);
    assert!(sent.location().starts_with("/login?next=%2Ffiles%2F"), "{}", sent.location());
    gateway.refused("media.sign_in", "", "visitor");
    let script = other.fetch(&link).expect(401);
    assert_eq!(script.header("location"), None);
    let image = other.send("GET", &link, &[("Accept", "image/png,image/*")], b"").expect(401);
    assert!(!image.body.starts_with(b"\x89PNG"));
    other.send("HEAD", &link, &[("Accept", "text/html")], b"").expect(303);
    // The sign-in page leads to the file.
    let next = sent.location().split("next=").nth(1).unwrap().replace("%2F", "/");
    let back = other.post("/login", &[("user", "carl"), ("password", password("carl")), ("next", &next)]).expect(302);
    assert_eq!(back.location(), link);
    other.get(&link).expect(200);
    other.post("/logout", &[]).expect(302);
    other.get(&link).expect(303);
    // A program needs a key that is listed.
    let mut program = gateway.browser();
    program.send("GET", &link, &[("X-API-Key", "some-other-key")], b"").expect(403);
    program.send("GET", &link, &[("X-API-Key", ERP)], b"").expect(200);
    gateway.keeps_secrets(&[&ava, &other], &[ERP, "some-other-key", link.split('/').nth(2).unwrap()]);
}

#[test]
fn exports_are_for_the_manager() {
    let (_app, gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let mut mona = signed_in(&gateway, "mona");
    let export = "/agent/customers/export.csv";
    let refused = ava.get(export).expect(403);
    assert!(!refused.text().contains("carl.brandt@") && refused.text().contains("helpdesk@company.example"));
    let record = gateway.refused("exports.role", "ava", "agent");
    assert_eq!((&record["request"]["class"], &record["took_us"]["upstream"]), (&json!("export"), &json!(0)));
    assert!(mona.get(export).expect(200).text().contains("carl.brandt@"));
    // No route says that this one is an export; its answer does.
    let refused = ava.get("/agent/reports/weekly?format=csv").expect(403);
    assert!(!refused.text().contains("carl.brandt@"));
    gateway.refused("exports.file", "ava", "agent");
    assert!(mona.get("/agent/reports/weekly?format=csv").expect(200).text().contains("carl.brandt@"));
    ava.get("/agent/reports/weekly").expect(200);
    for again in ["/agent/customers/./export.csv", "/agent//customers/export.csv", "/agent/customers%2fexport.csv"] {
        let answer = ava.get(again);
        assert!(!answer.text().contains("carl.brandt@"), "{again}: {}", answer.status);
    }
    let script = ava.fetch(export).expect(403);
    assert_eq!(script.header("content-type"), Some("application/problem+json"));
    assert_eq!(script.json()["type"], "urn:deskgate:exports.role");
    ava.send("HEAD", export, &[], b"").expect(403);
}

#[test]
fn tickets_are_deleted_by_managers_only() {
    let (app, gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let ticket = "/agent/tickets/1003";
    ava.post(&format!("{ticket}/delete"), &[]).expect(403);
    ava.post(ticket, &[("_method", "DELETE")]).expect(403);
    ava.post(ticket, &[("_method", "delete")]).expect(403);
    ava.upload(ticket, &[("_method", "DELETE")], &[]).expect(403);
    // A field that some apps read and others take for a file.
    let hidden =
        b"--XX\r\nContent-Disposition: form-data; name=\"_method\"; FILENAME=\"x\"\r\n\r\nDELETE\r\n--XX--\r\n";
    ava.send("POST", ticket, &[("Content-Type", "multipart/form-data; boundary=XX")], hidden).expect(400);
    ava.post(ticket, &[("_method", "PATCH"), ("_method", "DELETE")]).expect(403);
    ava.send("DELETE", "/api/tickets/1003", &[], b"").expect(403);
    let record = gateway.refused("changes.denied", "ava", "agent");
    assert_eq!((&record["subject"]["id"], &record["took_us"]["upstream"]), (&json!("1003"), &json!(0)), "{record}");
    // Where the app does not look for an override, saying one does nothing.
    let _ = ava.send("POST", ticket, &[("X-HTTP-Method-Override", "DELETE")], b"");
    let _ = ava.send("GET", &format!("{ticket}?_method=DELETE"), &[], b"");
    let mut carl = signed_in(&gateway, "carl");
    carl.post("/portal/tickets/1001/delete", &[]).expect(403);
    gateway.refused("changes.denied", "carl", "customer");
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "mona");
    direct.get(ticket).expect(200);
    direct.get("/agent/tickets/1001").expect(200);
    // What is no deletion goes through.
    ava.post(ticket, &[("_method", "PATCH"), ("status", "pending")]).expect(302);
    ava.post(&format!("{ticket}/edit"), &[("subject", "Lenses"), ("status", "closed")]).expect(302);
    assert!(direct.get(ticket).text().contains("Lenses"));

    let mut mona = signed_in(&gateway, "mona");
    mona.post(ticket, &[("_method", "DELETE")]).expect(302);
    direct.get(ticket).expect(404);
    mona.send("DELETE", "/api/tickets/1004", &[], b"").expect(200);
    mona.post("/agent/tickets/1005/delete", &[]).expect(302);
    direct.get("/agent/tickets/1004").expect(404);
    direct.get("/agent/tickets/1005").expect(404);
}

#[test]
fn address_lists() {
    let (app, gateway) = setup();
    let mut office = signed_in(&gateway, "ava");
    office.get("/agent/").expect(200);
    // The same session, from elsewhere.
    let mut outside = Browser::at(gateway.port, "127.0.0.9").with_cookies_of(&office);
    let refused = outside.get("/agent/").expect(403);
    assert!(refused.text().contains("127.0.0.9") && refused.text().contains("from your network"));
    let record = gateway.refused("access.address", "ava", "agent");
    assert_eq!((&record["client"]["ip"], &record["request"]["area"]), (&json!("127.0.0.9"), &json!("management")));
    outside.get("/me").expect(200);
    outside.fetch("/api/tickets").expect(403);
    gateway.refused("access.api_address", "ava", "agent");
    for spoofed in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X_Forwarded_For"] {
        let value = if spoofed == "Forwarded" { "for=127.0.0.1" } else { "127.0.0.1" };
        outside.send("GET", "/agent/", &[(spoofed, value)], b"").expect(403);
    }
    for path in
        ["/agent", "/Agent/", "/agent/tickets/1001", "/admin/settings", "/outbox", "//agent/", "/portal/../agent/"]
    {
        let answer = outside.get(path);
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {}", answer.status);
    }

    // With a proxy in front that is trusted.
    let trusting = format!("trusted_proxies: [127.0.0.9]\n{POLICY}");
    let trusting = Gateway::start(app.port, "tinydesk", &trusting);
    let mut proxy = Browser::at(trusting.port, "127.0.0.9");
    sign_in(&mut proxy, "ava");
    proxy.send("GET", "/agent/", &[("X-Forwarded-For", "127.0.0.1")], b"").expect(200);
    proxy.send("GET", "/agent/", &[("X-Forwarded-For", "127.0.0.1, 203.0.113.7")], b"").expect(403);
    proxy.send("GET", "/agent/", &[("X-Forwarded-For", "203.0.113.7, 127.0.0.1")], b"").expect(200);
    proxy.send("GET", "/agent/", &[("X-Forwarded-For", "203.0.113.7")], b"").expect(403);
}

/// A proxy that writes the one header passes the other on as the client wrote it.
#[test]
fn only_the_header_that_the_policy_names_is_believed() {
    let app = Tinydesk::start();
    for (form, believed, other) in [
        ("[127.0.0.9]", "X-Forwarded-For", "Forwarded"),
        ("{ networks: [127.0.0.9], header: x-forwarded-for }", "X-Forwarded-For", "Forwarded"),
        ("{ networks: [127.0.0.9], header: forwarded }", "Forwarded", "X-Forwarded-For"),
    ] {
        let gateway = Gateway::start(app.port, "tinydesk", &format!("trusted_proxies: {form}\n{POLICY}"));
        let mut proxy = Browser::at(gateway.port, "127.0.0.9");
        sign_in(&mut proxy, "ava");
        let value = |header: &str, address: &str| {
            if header == "Forwarded" { format!("for={address};proto=http") } else { address.to_owned() }
        };
        let (office, elsewhere) = ("127.0.0.1", "203.0.113.7");
        let mut get = |headers: &[(&str, &str)]| {
            let values: Vec<(&str, String)> = headers.iter().map(|(name, at)| (*name, value(name, at))).collect();
            let headers: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            proxy.send("GET", "/agent/", &headers, b"").status
        };
        assert_eq!(get(&[(believed, office)]), 200, "{form}");
        assert_eq!(get(&[(other, office)]), 403, "{form}");
        assert_eq!(get(&[(other, office), (believed, elsewhere)]), 403, "{form}");
        assert_eq!(get(&[(other, elsewhere), (believed, office)]), 200, "{form}");
    }
}

#[test]
fn credentials_of_programs() {
    let (app, gateway) = setup();
    let mut program = gateway.browser();
    program.send("GET", "/api/tickets", &[("X-API-Key", ERP)], b"").expect(200);
    let record = gateway.record(&[("/actor/api_key", "erp")]);
    assert_eq!((&record["actor"]["role"], &record["actor"]["kind"]), (&json!("erp"), &json!("program")), "{record}");
    program.send("GET", "/api/tickets", &[], b"").expect(401);
    let mut ava = signed_in(&gateway, "ava");
    ava.send("GET", "/api/tickets", &[("X-API-Key", ERP)], b"").expect(400);
    gateway.record(&[("/reason", "identity.two_credentials")]);

    let strict = POLICY
        .replace(
            "credential: [session, header Authorization Bearer, header X-API-Key]",
            "credential: [header X-API-Key]",
        )
        .replace("    keys:", "    unlisted_keys: deny\n    keys:");
    let strict = Gateway::start(app.port, "tinydesk", &strict);
    let mut program = strict.browser();
    program.send("GET", "/api/tickets", &[("X-API-Key", ERP)], b"").expect(200);
    let token = Browser::new(app.port).json("POST", "/api/login", &json!({"user": "ava", "password": password("ava")}));
    let bearer = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    program.send("GET", "/api/tickets", &[("Authorization", &bearer)], b"").expect(401);
    strict.record(&[("/reason", "access.credential_place")]);
    program.send("GET", "/agent/", &[("Authorization", &bearer)], b"").expect(401);
    program.send("GET", "/api/tickets", &[("X-API-Key", "tinydesk-erp-key-0002")], b"").expect(401);
    strict.record(&[("/reason", "access.key")]);
    let mut ava = signed_in(&strict, "ava");
    ava.get("/api/tickets").expect(401);
    // Two keys: which one the app would read is its secret.
    program.send("GET", "/api/tickets", &[("X-API-Key", ERP), ("Authorization", &bearer)], b"").expect(400);
    strict.record(&[("/reason", "identity.two_credentials")]);
    strict.keeps_secrets(&[&ava], &[ERP, "tinydesk-erp-key-0002", bearer.trim_start_matches("Bearer ")]);
}

/// A session that is sent as a key would know no limit of its own.
#[test]
fn a_session_is_no_key() {
    let (_app, gateway) = setup();
    let ava = signed_in(&gateway, "ava");
    let session = ava.cookie("tinydesk");
    let mut program = gateway.browser();
    let sent_as = |program: &mut Browser, header: &str, value: &str| {
        program.send("GET", "/api/tickets", &[(header, value)], b"").expect(400);
        gateway.record(&[("/reason", "identity.session_as_key")]);
    };
    sent_as(&mut program, "Authorization", &format!("bEaReR  {session} "));
    sent_as(&mut program, "X-API-Key", &session);
    ava.clone().get("/logout");
    sent_as(&mut program, "X-API-Key", &session);
    gateway.keeps_secrets(&[&ava], &[]);
}

/// Every answer is awaited before the failure is counted: what is under way counts as well.
#[test]
fn guessing_in_parallel_gains_nothing() {
    let (_app, gateway) = setup();
    let guess = |n: usize| {
        let mut guesser = gateway.browser();
        move || guesser.post("/login", &[("user", "ava"), ("password", &format!("guess-{n}"))]).status
    };
    let guesses: Vec<_> = (0..40).map(|n| std::thread::spawn(guess(n))).collect();
    let statuses: Vec<u16> = guesses.into_iter().map(|g| g.join().unwrap()).collect();
    let heard = statuses.iter().filter(|s| **s == 200).count();
    assert!((1..=5).contains(&heard), "{heard} of 40 guesses were heard: {statuses:?}");
    assert!(statuses.iter().all(|s| matches!(s, 200 | 429)), "{statuses:?}");
}

/// A sign-in that names nobody is an attempt too, and one that names two people has two readings.
#[test]
fn sign_ins_name_one_account() {
    let (_app, gateway) = setup();
    let mut guesser = gateway.browser();
    guesser.post("/login", &[("user", "ava"), ("user", "mona"), ("password", "x")]).expect(400);
    gateway.record(&[("/reason", "body.unreadable")]);
    for _ in 0..5 {
        let answer = guesser.post("/login", &[("password", password("ava"))]);
        assert_ne!(answer.status, 429);
    }
    guesser.post("/login", &[("password", password("ava"))]).expect(429);
    sign_in(&mut gateway.browser(), "ava");
}

/// A page in an operator's browser must not be able to end sessions or turn the clock.
#[test]
fn operations_are_not_for_web_pages() {
    let (_app, gateway) = setup();
    let mut page = gateway.admin_browser();
    page.send("GET", "/healthz", &[], b"").expect(200);
    for foreign in [("Origin", "https://evil.test"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")]
    {
        page.send("POST", "/reload", &[foreign], b"").expect(403);
        page.send("GET", "/sessions", &[foreign], b"").expect(403);
    }
}

/// To whom tickets may be forwarded, checked in what the app really mailed.
#[test]
fn tickets_are_forwarded_to_partners_only() {
    let policy = POLICY.to_owned()
        + "forwarding:\n  only_to: ['*@partner.example', legal@counsel.example]\n  never_to: ['*noreply*@*']\n";
    let (app, gateway) = setup_with(&policy);
    let mut ava = signed_in(&gateway, "ava");
    let forward = "/agent/tickets/1003/forward";
    ava.post(forward, &[("to", "legal@counsel.example, x@partner.example"), ("note", "allowed")]).expect(302);
    let page = ava.post(forward, &[("to", "x@partner.example, y@evil.test"), ("note", "n")]).expect(422);
    assert!(page.text().contains("y@evil.test") && page.text().contains("*@partner.example"), "{}", page.text());
    let record = gateway.refused("forwarding.only_to", "ava", "agent");
    assert_eq!(record["recipient_domain"], "evil.test", "{record}");
    let problem = ava
        .send(
            "POST",
            forward,
            &[("Content-Type", "application/x-www-form-urlencoded"), ("X-Requested-With", "XMLHttpRequest")],
            b"to=my-noreply@partner.example",
        )
        .expect(422)
        .json();
    assert_eq!(problem["refused_address"], "my-noreply@partner.example", "{problem}");
    ava.upload(forward, &[("to", "y@evil.test"), ("note", "n")], &[]).expect(422);
    ava.post("/agent/tickets/1003/reply", &[("text", "hello"), ("cc", "y@evil.test")]).expect(422);
    ava.post("/agent/tickets/1003/reply", &[("text", "hello"), ("cc", "x@partner.example")]).expect(302);
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "mona");
    let outbox = direct.get("/outbox").text();
    assert!(outbox.contains("x@partner.example") && !outbox.contains("evil.test"), "{outbox}");
    gateway.keeps_secrets(&[&ava], &["y@evil.test"]);
}

/// A channel that the host tells is the same however the request says it.
#[test]
fn channels_by_host() {
    let app = Tinydesk::start();
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("tinydesk.yaml");
    let shipped = include_str!("../../config/profiles/tinydesk.yaml");
    let here = "channels:\n  here: { match: \"* /agent/**\", when: \"header Host ~ ^127\" }\n";
    std::fs::write(&profile, shipped.replace("channels:\n", here)).unwrap();
    let rules = "channels:\n  here:\n    uploads.per_role.agent.types: [pdf]\nuploads:\n  per_role:\n    agent: { types: [txt] }\n";
    let gateway = Gateway::start(app.port, profile.to_str().unwrap(), &(POLICY.to_owned() + rules));
    let mut ava = signed_in(&gateway, "ava");
    let reply = "/agent/tickets/1003/reply";
    let file = [("file", "a.txt", "text/plain", &b"hello"[..])];
    ava.upload(reply, &[("text", "x")], &file).expect(415);
    let cookie = format!("tinydesk={}", ava.cookie("tinydesk"));
    let body = multipart(&[("text", "x")], &file);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", kind.as_str()), ("cookie", cookie.as_str())];
    H2::connect(gateway.address()).send(("POST", reply, &headers, &body)).unwrap().expect(415);
    gateway.record(&[("/request/channel", "here"), ("/reason", "uploads.type")]);
}

/// What goes out about a customer, seen in what the app really mailed (B7).
#[test]
fn details_of_customers_stay_inside() {
    let policy = POLICY.to_owned()
        + "personal_data: { regions: [DE] }\nforwarding: { only_to: '*@partner.example', customer_details: remove }\n";
    let (app, gateway) = setup_with(&policy);
    let mut ava = signed_in(&gateway, "ava");
    let forward = "/agent/tickets/1003/forward";
    let note = "Please call 030 23125 417 or write to carl@customer.example, order 2026-1001.";
    let fields = [("to", "x@partner.example"), ("note", note), ("details", "yes")];
    ava.post(forward, &fields).expect(302);
    let record = gateway.record(&[("/request/route", "forward"), ("/response/status", "302")]);
    assert_eq!(record["removed"], 2, "{record}");
    ava.upload(forward, &fields, &[]).expect(302);
    ava.post(forward, &[("to", "x@partner.example"), ("note", "no details in here")]).expect(302);
    // A field that is set does not shift the others, wherever it stands.
    let shifting = [("details", "yes"), ("to", "x@partner.example"), ("x", "leak@evil.test"), ("note", "in its place")];
    ava.upload(forward, &shifting, &[]).expect(302);
    let file = [("note", "x.txt", "text/plain", &b"call 030 23125 417"[..])];
    ava.upload(forward, &[("to", "x@partner.example"), ("details", "yes")], &file).expect(400);
    // What cannot be changed is refused.
    ava.json("POST", forward, &serde_json::json!({ "to": "x@partner.example", "details": "yes" })).expect(422);
    gateway.refused("forwarding.details", "ava", "agent");
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "mona");
    let outbox = direct.get("/outbox").text();
    let masked = "Please call XXX XXXXX XXX or write to [e-mail], order 2026-1001.";
    assert_eq!(outbox.matches(masked).count(), 2, "{outbox}");
    assert!(outbox.contains("no details in here") && !outbox.contains("Phone: "), "{outbox}");
    assert!(outbox.contains("in its place") && !outbox.contains("evil.test"), "{outbox}");
}

#[test]
fn framing_by_other_sites() {
    let (_app, gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let page = ava.get("/agent/").expect(200);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(page.header("content-security-policy").is_some_and(|c| c.contains("frame-ancestors 'none'")));
    let mut carl = signed_in(&gateway, "carl");
    let page = carl.get("/portal/").expect(200);
    assert_eq!(page.header("x-frame-options"), None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'self' https://shop.example"), "{policy}");
    // A refusal stands where the page would.
    let refused = carl.post("/portal/tickets/1001/delete", &[]).expect(403);
    assert_eq!(refused.header("x-frame-options"), None);
    let policy = refused.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'self' https://shop.example"), "{policy}");
}

#[test]
fn guessing_passwords_is_slowed_down_and_remembered() {
    let (_app, mut gateway) = setup();
    let mut guesser = gateway.browser();
    for n in 0..5 {
        guesser.post("/login", &[("user", "ava"), ("password", &format!("guess-{n}-guess"))]).expect(200);
    }
    let refused = guesser.post("/login", &[("user", "ava"), ("password", password("ava"))]).expect(429);
    assert!(refused.header("retry-after").is_some());
    gateway.record(&[("/reason", "limits.sign_in_account")]);
    guesser.json("POST", "/api/login", &json!({"user": "ava", "password": password("ava")})).expect(429);
    gateway.kill();
    gateway.spawn();
    guesser.post("/login", &[("user", "ava"), ("password", password("ava"))]).expect(429);
    sign_in(&mut gateway.browser(), "amir");
    gateway.turn("16m");
    sign_in(&mut guesser, "ava");
    gateway.keeps_secrets(&[&guesser], &["guess-0-guess", "guess-4-guess", password("ava")]);
}

#[test]
fn nothing_that_matters_is_lost_when_it_is_killed() {
    let (app, mut gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let amir = signed_in(&gateway, "amir");
    gateway.operate(&["sessions", "end", "--user", "amir"]);
    dead_in_app(&app, &amir);
    gateway.kill();
    gateway.spawn();
    ava.get("/agent/").expect(200);
    let record = gateway.record(&[("/request/route", "ticket_list"), ("/actor/user", "ava")]);
    assert_eq!(record["actor"]["role"], "agent");
    amir.clone().get("/agent/").expect(401);
    gateway.refused("sessions.revoked", "amir", "visitor");
    assert_eq!(gateway.sessions(), ["ava"]);
    // What was ended in the gateway stays ended although the app would take it: the customer's limit too.
    let carl = signed_in(&gateway, "carl");
    gateway.kill();
    gateway.spawn();
    let mut there = gateway.browser();
    there.post("/login", &[("user", "carl"), ("password", password("carl"))]).expect(403);
    carl.clone().get("/portal/").expect(200);
    gateway.turn("16m");
    ava.get("/agent/").expect(401);
    gateway.refused("sessions.idle", "ava", "agent");
}

#[test]
fn it_ends_when_it_is_told_to() {
    let (_app, mut gateway) = setup();
    let mut ava = signed_in(&gateway, "ava");
    let idle = std::net::TcpStream::connect(gateway.address()).unwrap();
    let (status, took) = gateway.terminate();
    assert_eq!(status.code(), Some(0), "{}", gateway.said());
    assert!(took.as_secs() < 8, "{took:?}");
    drop(idle);
    gateway.spawn();
    ava.get("/agent/").expect(200);
}

#[test]
fn shadow_mode_refuses_nothing_and_records_all() {
    let (_app, gateway) = setup_with(&format!("mode: shadow\n{POLICY}"));
    let mut ava = signed_in(&gateway, "ava");
    ava.get("/agent/customers/export.csv").expect(200);
    let record = gateway.record(&[("/reason", "exports.role")]);
    assert_eq!((&record["effect"], &record["mode"]), (&json!("would_deny"), &json!("shadow")), "{record}");
    ava.post("/agent/tickets/1003/delete", &[]).expect(302);
    gateway.record(&[("/effect", "would_deny"), ("/reason", "changes.denied")]);
    let page = ava.get("/agent/").expect(200);
    assert!(!page.header("content-security-policy").unwrap_or_default().contains("'none'"));
    gateway.turn("16m");
    ava.get("/agent/").expect(200);
    gateway.record(&[("/effect", "would_deny"), ("/reason", "sessions.idle")]);
    ava.get("/agent/").expect(200);
}

#[test]
fn rates_and_unknown_routes() {
    let policy =
        POLICY.replace("limits:\n", "limits:\n  per_address: 20 per 1m\n  per_class: { customer_search: 2 per 1h }\n");
    let (_app, gateway) = setup_with(&format!("unclassified: deny\n{policy}"));
    let mut ava = signed_in(&gateway, "ava");
    ava.get("/agent/customers").expect(200);
    ava.get("/agent/search?q=secretsearch").expect(200);
    ava.get("/agent/search?q=secretsearch").expect(429);
    gateway.record(&[("/reason", "limits.rate")]);
    ava.get("/agent/not-in-the-profile").expect(403);
    gateway.record(&[("/reason", "route.unclassified")]);
    let mut over = None;
    for _ in 0..30 {
        over = Some(gateway.browser().get("/login")).filter(|a| a.status == 429);
        if over.is_some() {
            break;
        }
    }
    assert!(over.expect("a limit").header("retry-after").is_some());
    Browser::at(gateway.port, "127.0.0.3").get("/login").expect(200);
    gateway.keeps_secrets(&[&ava], &["secretsearch", "not-in-the-profile"]);
}

#[test]
fn uploads_arrive_byte_for_byte() {
    let (_app, gateway) = setup();
    let mut carl = signed_in(&gateway, "carl");
    let content = noise(1_500_000);
    let fields = [("subject", "Scan"), ("text", "see file\r\n-- not a boundary\r\n")];
    let made = carl.upload("/portal/tickets", &fields, &[("file", "scan.bin", "application/octet-stream", &content)]);
    let page = carl.get(made.expect(302).location()).expect(200);
    let link = first_link(&page.text(), "/files/");
    assert!(carl.get(&link).expect(200).body == content);
    let record = gateway.record(&[("/request/route", "portal_create"), ("/actor/user", "carl")]);
    assert!(record["request"]["does"].to_string().contains("ticket:create"), "{record}");
}
