//! In front of Request Tracker.

use serde_json::json;

use crate::harness::{Answer, Browser, Gateway, H2, RealApp, asset, first_link, form, link_to, noise, password, until};

/// Everything armed. 127.0.0.1 is the office.
pub const POLICY: &str = r#"
networks:
  office: [127.0.0.1]
roles:
  manager: { users: [manager] }
  agent: { app_group: privileged }
  customer: { realm: accounts }
  visitor: {}
access:
  management: { allow_from: [office] }
  api:
    allow_from: [office]
    credential: [session, header Authorization token, basic]
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
  - allow: [delete]
    of: [ticket]
    for: [manager]
embedding:
  management: deny
  portal: ["https://shop.example"]
limits:
  sign_in:
    per_account: 5 per 15m
    per_address: 50 per 15m
"#;

const LOGIN: &str = "/NoAuth/Login.html";

fn try_sign_in(browser: &mut Browser, user: &str, password: &str, next: &str) -> Answer {
    browser.post(LOGIN, &[("user", user), ("pass", password), ("next", next)])
}

#[track_caller]
pub fn sign_in(browser: &mut Browser, user: &str) {
    try_sign_in(browser, user, password(user), "x").expect(302);
}

fn signed_in(gateway: &Gateway, user: &str) -> Browser {
    let mut browser = gateway.browser();
    sign_in(&mut browser, user);
    browser
}

pub fn setup() -> (RealApp, Gateway) {
    let app = RealApp::start("rt");
    let gateway = Gateway::start(app.port, "request-tracker", POLICY);
    (app, gateway)
}

/// Whom the app takes these cookies for.
fn who_in_app(app: &RealApp, browser: &Browser) -> Option<String> {
    let page = Browser::new(app.port).with_cookies_of(browser).get("/SelfService/CreateTicketInQueue.html");
    let text = page.text();
    let at = text.find("RT.CurrentUser = ")?;
    let name = text[at..].split("\"Name\":\"").nth(1)?.split('"').next()?;
    Some(name.to_owned())
}

#[track_caller]
fn dead_in_app(app: &RealApp, browser: &Browser) {
    until("the session is over in the app", || who_in_app(app, browser).is_none());
}

pub fn token_of(app: &RealApp, user: &str) -> String {
    let all = std::fs::read_to_string(app.data("tokens.txt")).unwrap();
    let line = all.lines().find(|l| l.starts_with(user)).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn signing_in_and_out() {
    let (app, gateway) = setup();
    let mut agent = gateway.browser();
    agent.get("/").expect(200);
    let wrong = try_sign_in(&mut agent, "agent1", "wrong-password-1", "x").expect(200);
    assert!(wrong.text().contains("Your username or password is incorrect"));
    gateway.record(&[("/session_event", "sign_in_failed")]);
    // Of a fresh browser the failure gets a new cookie.
    try_sign_in(&mut gateway.browser(), "agent1", "wrong-password-2", "x").expect(200);
    assert!(gateway.sessions().is_empty());
    sign_in(&mut agent, "agent1");
    agent.get("/Ticket/Display.html?id=1").expect(200);
    let record = gateway.record(&[("/request/route", "ticket"), ("/actor/user", "agent1")]);
    assert_eq!((&record["actor"]["role"], &record["subject"]["id"]), (&json!("agent"), &json!("1")), "{record}");

    // The form opened directly answers 200.
    let mut manager = gateway.browser();
    try_sign_in(&mut manager, "manager", password("manager"), "").expect(200);
    manager.get("/Admin/").expect(200);
    let record = gateway.record(&[("/request/route", "admin"), ("/actor/user", "manager")]);
    assert_eq!(record["actor"]["role"], "manager", "{record}");

    let mut alice = signed_in(&gateway, "alice");
    alice.get("/SelfService/").expect(200);
    let record = gateway.record(&[("/actor/user", "alice"), ("/request/method", "GET")]);
    assert_eq!(record["actor"]["role"], "customer", "{record}");
    try_sign_in(&mut gateway.browser(), "alice", password("alice"), "x").expect(403);
    gateway.record(&[("/reason", "sessions.full")]);

    // REST 1.0 has a sign-in of its own.
    let mut rest = gateway.browser();
    let bad = rest.post("/REST/1.0/", &[("user", "agent2"), ("pass", "wrong-password-3")]);
    assert!(!bad.text().contains(" 200 Ok"), "{}", bad.text());
    let good = rest.post("/REST/1.0/", &[("user", "agent2"), ("pass", password("agent2"))]).expect(200);
    assert!(good.text().contains(" 200 Ok"), "{}", good.text());
    gateway.record(&[("/session_event", "signed_in"), ("/actor/user", "agent2")]);
    let shown = rest.send("GET", "/REST/1.0/ticket/1/show", &[], b"").expect(200);
    assert!(shown.text().contains("Subject: Cannot log in"), "{}", shown.text());
    assert_eq!(gateway.sessions(), ["agent1", "agent2", "alice", "manager"]);

    // User and password on any other page would sign in as well.
    let anywhere = "/Ticket/Display.html?id=1&user=agent2&pass=Agent2!pass";
    let refused = gateway.browser().get(anywhere).expect(403);
    assert!(refused.header("set-cookie").is_none() && !refused.text().contains("Agent2"));
    gateway.record(&[("/reason", "identity.credentials_outside_sign_in")]);
    let fields = [("id", "1"), ("user", "agent2"), ("pass", password("agent2"))];
    gateway.browser().post("/Ticket/Display.html", &fields).expect(403);
    gateway.browser().post("/REST/1.0/ticket/1/show", &fields).expect(403);
    gateway.browser().get("/REST/1.0/ticket/1/show?user=agent2;pass=Agent2!pass").expect(403);

    // Programs.
    let token = token_of(&app, "agent1");
    let bearer = format!("token {token}");
    let mut program = gateway.browser();
    program.send("GET", "/REST/2.0/ticket/1", &[("Authorization", &bearer)], b"").expect(200);
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"agent1:Agent1!pass"));
    program.send("GET", "/REST/2.0/ticket/1", &[("Authorization", &basic)], b"").expect(200);
    program.send("GET", &format!("/REST/2.0/ticket/1?token={token}"), &[], b"").expect(401);
    gateway.record(&[("/reason", "access.credential_place")]);
    // Every request with HTTP Basic is a sign-in: guessing is slowed down, for everybody.
    let guess = format!("Basic {}", data_encoding::BASE64.encode(b"agent1:guess"));
    for _ in 0..5 {
        program.send("GET", "/REST/2.0/ticket/1", &[("Authorization", &guess)], b"").expect(401);
    }
    program.send("GET", "/REST/2.0/ticket/1", &[("Authorization", &basic)], b"").expect(429);
    gateway.record(&[("/reason", "limits.sign_in_account")]);

    // Signing out is a GET.
    let before = alice.clone();
    alice.get("/NoAuth/Logout.html").expect(200);
    gateway.record(&[("/session_event", "signed_out"), ("/actor/user", "alice")]);
    assert_eq!(who_in_app(&app, &before), None);
    before.clone().get("/SelfService/").expect(401);
    gateway.refused("sessions.ended", "alice", "visitor");

    // Begun elsewhere.
    let mut direct = Browser::new(app.port);
    sign_in(&mut direct, "bob");
    gateway.browser().with_cookies_of(&direct).get("/SelfService/").expect(200);
    let record = gateway.record(&[("/actor/user", "bob")]);
    assert_eq!(record["actor"]["role"], "customer", "{record}");

    let secrets = [
        "wrong-password-1",
        "wrong-password-2",
        "wrong-password-3",
        "Agent2!pass",
        "Manager!pass1",
        &token,
        &basic[6..],
    ];
    gateway.keeps_secrets(&[&agent, &manager, &alice, &rest, &direct], &secrets);
}

#[test]
fn sessions_end() {
    let (app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let mut alice = signed_in(&gateway, "alice");
    gateway.turn("16m");
    let before = agent.clone();
    let ended = agent.get("/Ticket/Display.html?id=1").expect(401);
    assert!(ended.text().contains("/NoAuth/Login.html"), "{}", ended.text());
    gateway.refused("sessions.idle", "agent1", "agent");
    dead_in_app(&app, &before);
    alice.get("/SelfService/").expect(200);
    sign_in(&mut agent, "agent1");
    for _ in 0..59 {
        gateway.turn("10m");
        agent.send("HEAD", "/static/images/favicon.png", &[], b"").expect(200);
    }
    agent.get("/").expect(200);
    gateway.turn("10m");
    agent.get("/").expect(401);
    gateway.refused("sessions.absolute", "agent1", "agent");

    let first = signed_in(&gateway, "agent1");
    gateway.turn("1m");
    let second = signed_in(&gateway, "agent1");
    gateway.turn("1m");
    let third = signed_in(&gateway, "agent1");
    dead_in_app(&app, &first);
    first.clone().get("/").expect(401);
    gateway.refused("sessions.displaced", "agent1", "visitor");
    second.clone().get("/").expect(200);
    third.clone().get("/").expect(200);
    gateway.keeps_secrets(&[&before, &agent, &alice, &first, &second, &third], &[password("agent1")]);
}

#[test]
fn what_is_refused() {
    let (app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let mut manager = signed_in(&gateway, "manager");

    // Files.
    let link = "/Ticket/Attachment/56/3/screenshot.png";
    assert!(agent.get(link).expect(200).body == asset("screenshot.png"));
    let mut other = Browser::at(gateway.port, "127.0.0.2");
    // An agent's link: the address list comes first.
    other.get(link).expect(403);
    gateway.refused("access.address", "", "visitor");
    let sent = other.get("/SelfService/Attachment/56/3/screenshot.png").expect(303);
    assert!(sent.location().starts_with("/NoAuth/Login.html?next=%2FSelfService%2F"), "{}", sent.location());
    gateway.refused("media.sign_in", "", "visitor");
    gateway.browser().fetch(link).expect(401);

    // Data in bulk.
    let tsv = "/Search/Results.tsv?Query=id%3E0&Format=__id__,__Subject__,__Requestors__";
    let refused = agent.get(tsv).expect(403);
    assert!(!refused.text().contains("alice@customer.example"));
    gateway.refused("exports.role", "agent1", "agent");
    let given = manager.get(tsv).expect(200);
    assert!(given.text().contains("alice@customer.example"), "{}", given.text());
    agent.get(&tsv.replace(".tsv", ".tsv/")).expect(403);
    agent.post("/Search/Results.tsv", &[("Query", "id>0")]).expect(403);
    let results = agent.get("/Search/Results.html?Query=id%3E0").expect(200).text();
    let feed = first_link(&results, "/NoAuth/rss/");
    agent.get(&feed).expect(403);
    gateway.browser().get(&feed).expect(403);
    manager.get(&feed).expect(200);

    // Deletions.
    let bearer = format!("token {}", token_of(&app, "agent1"));
    let mut program = gateway.browser();
    let by_program = |method: &str, path: &str, program: &mut Browser| {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body: &[u8] = if method == "DELETE" { b"" } else { b"{\"Status\":\"deleted\"}" };
        program.send(method, path, &headers, body)
    };
    for get in [
        "/Ticket/Display.html?id=6&Status=deleted",
        "/Ticket/Display.html?id=6;Status=deleted",
        "/Ticket/Display.html/?Status=deleted&id=6",
        "/Ticket/Display.html?id=6&Action=Delete",
        "/Ticket/Modify.html?id=6&Status=deleted",
        "/m/ticket/show?id=6&Status=deleted",
    ] {
        let refused = agent.get(get);
        assert_eq!(refused.status, 403, "{get}");
    }
    let record = gateway.refused("changes.denied", "agent1", "agent");
    assert_eq!((&record["subject"]["id"], &record["took_us"]["upstream"]), (&json!("6"), &json!(0)), "{record}");
    for post in ["/Ticket/Display.html", "/Ticket/Modify.html", "/Ticket/ModifyAll.html", "/Ticket/Update.html"] {
        agent.post(post, &[("id", "6"), ("Status", "deleted")]).expect(403);
        agent.upload(post, &[("id", "6"), ("Status", "deleted")], &[]).expect(403);
    }
    agent.post("/Search/Bulk.html", &[("UpdateTicket6", "1"), ("Status", "deleted"), ("Query", "id=6")]).expect(403);
    by_program("DELETE", "/REST/2.0/ticket/6", &mut program).expect(403);
    by_program("PUT", "/REST/2.0/ticket/6", &mut program).expect(403);
    agent.send("DELETE", "/REST/2.0/ticket/6", &[], b"").expect(403);
    agent.json("PUT", "/REST/2.0/ticket/6", &json!({"Status": "deleted"})).expect(403);
    agent.post("/REST/1.0/ticket/6/edit", &[("content", "Status: deleted")]).expect(403);
    let token = format!("token {}", token_of(&app, "manager"));
    let status = || {
        let asked = Browser::new(app.port).send("GET", "/REST/2.0/ticket/6", &[("Authorization", &token)], b"");
        asked.expect(200).json()["Status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(), "new");
    // Other changes go through.
    agent.get("/Ticket/Display.html?id=6&Status=stalled").expect(302);
    assert_eq!(status(), "stalled");
    manager.get("/Ticket/Display.html?id=6&Status=deleted").expect(302);
    assert_eq!(status(), "deleted");

    // From outside.
    let mut outside = Browser::at(gateway.port, "127.0.0.9").with_cookies_of(&agent);
    outside.get("/Ticket/Display.html?id=1").expect(403);
    gateway.refused("access.address", "agent1", "agent");
    outside.get("/REST/2.0/ticket/1").expect(403);
    gateway.refused("access.api_address", "agent1", "agent");
    outside.get("/NoAuth/Login.html").expect(302);

    // In a frame.
    let page = agent.get("/Ticket/Display.html?id=1").expect(200);
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let page = signed_in(&gateway, "alice").get("/SelfService/").expect(200);
    assert_eq!(page.header("x-frame-options"), None);
    assert!(page.header("content-security-policy").unwrap().contains("https://shop.example"));

    let feed_secret = feed.split('/').nth(4).unwrap();
    gateway.keeps_secrets(&[&agent, &manager], &[&bearer[6..], password("agent1"), feed_secret]);
}

/// Replies with files, through a route whose body is read; and HTTP/2.
#[test]
fn uploads_and_http2() {
    let (_app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let big = noise(20_000_000);
    let fields = [("id", "2"), ("UpdateType", "response"), ("UpdateContent", "see file"), ("SubmitTicket", "1")];
    agent
        .upload("/Ticket/Update.html", &fields, &[("Attach", "big.bin", "application/octet-stream", &big)])
        .expect(302);
    let history = agent.get("/Helpers/TicketHistory?id=2").expect(200).text();
    let link = link_to(&history, "href=\"", "/big.bin");
    // It is relative to the ticket's page, which loads the history.
    let back = agent.get(&format!("/Ticket/{}", &link["href=\"".len()..])).expect(200);
    assert!(back.body == big, "{} bytes came back", back.body.len());

    let mut h2 = H2::connect(gateway.address());
    let login = form(&[("user", "agent2"), ("pass", password("agent2")), ("next", "x")]);
    let kind = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let answer = h2.send(("POST", LOGIN, &kind, &login)).unwrap().expect(302);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let referer = format!("http://{}/", gateway.address());
    // Browsers split cookies into crumbs.
    let crumbs =
        [("accept", "text/html"), ("referer", referer.as_str()), ("cookie", "theme=dark"), ("cookie", &cookie)];
    let page = h2.send(("GET", "/Ticket/Display.html?id=1", &crumbs, b"")).unwrap().expect(200);
    assert!(page.text().contains("Cannot log in"));
    gateway.record(&[("/request/route", "ticket"), ("/actor/user", "agent2")]);
    h2.send(("GET", "/Search/Results.tsv?Query=id%3E0", &crumbs, b"")).unwrap().expect(403);
    gateway.refused("exports.role", "agent2", "agent");
    h2.send(("GET", "/Ticket/Display.html?id=1&Status=deleted", &crumbs, b"")).unwrap().expect(403);
    gateway.keeps_secrets(&[&agent], &[cookie.split('=').nth(1).unwrap(), password("agent2")]);
}

/// It knows pages to go on to by a hash only, and would show its first page to whoever comes from a link.
#[test]
fn a_sign_in_leads_to_what_was_wanted() {
    let (_app, gateway) = setup();
    let link = "/SelfService/Attachment/56/3/screenshot.png";
    let mut alice = gateway.browser();
    let sent = alice.get(link).expect(303);
    let page = alice.get(sent.location()).expect(200).text();
    let next = page.split("name=\"next\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!(next, link);
    // A mistake on the way loses nothing.
    let wrong = try_sign_in(&mut alice, "alice", "wrong-password-9", next).expect(200).text();
    assert!(wrong.contains(&format!("name=\"next\" value=\"{link}\"")));
    let back = try_sign_in(&mut alice, "alice", password("alice"), next).expect(302);
    assert_eq!(back.location(), link);
    assert!(alice.get(back.location()).status < 500);
    // Its own hashes still lead where it sends people, and nobody is sent elsewhere.
    let here = format!("http://{}", gateway.address());
    let mut agent = gateway.browser();
    let sent = agent.get("/Ticket/Display.html?id=1").expect(302);
    assert!(sent.location().starts_with(&format!("{here}/NoAuth/Login.html?next=")), "{}", sent.location());
    let next = sent.location().split("next=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let back = try_sign_in(&mut agent, "agent1", password("agent1"), &next).expect(302);
    assert_eq!(back.location(), format!("{here}/Ticket/Display.html?id=1"));
    for evil in ["//evil.test/", "/\\evil.test/", "https://evil.test/"] {
        let mut agent = gateway.browser();
        let back = try_sign_in(&mut agent, "agent2", password("agent2"), evil).expect(302);
        assert_eq!(back.location(), format!("{here}/"), "{evil}");
    }
}

/// A page that is left open reloads itself, from here, and does not keep a session alive.
#[test]
fn pages_that_reload_themselves() {
    let (_app, gateway) = setup();
    let mut agent = signed_in(&gateway, "agent1");
    let results = "/Search/Results.html?Query=id%3E0&SearchResultsRefreshInterval=120";
    let page = agent.get(results).expect(200).text();
    let refresh =
        page.split("http-equiv=\"refresh\" content=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let here = format!("http://{}", gateway.address());
    let next = refresh.strip_prefix(&format!("120;URL={here}")).unwrap_or_else(|| panic!("{refresh}"));
    assert!(next.starts_with("/Search/Results.html?CSRF_Token="), "{next}");
    assert!(agent.get(next).expect(200).text().contains("Cannot log in"), "the same search");
    let reload: &[(&str, &str)] = &[("Cache-Control", "max-age=0")];
    for (path, headers) in
        [(next, &[][..]), ("/?HomeRefreshInterval=120", &[]), ("/", reload), (results, reload), ("/index.html", reload)]
    {
        // Somebody is there.
        let mut agent = signed_in(&gateway, "agent2");
        gateway.turn("10m");
        agent.get("/").expect(200);
        gateway.turn("10m");
        let _ = agent.send("GET", path, headers, b"");
        // Nobody is any more, though the page goes on.
        gateway.turn("6m");
        agent.get("/Ticket/Display.html?id=1").expect(401);
        gateway.refused("sessions.idle", "agent2", "agent");
    }
}
