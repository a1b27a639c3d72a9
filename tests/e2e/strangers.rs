//! Who is nobody stays nobody only as long as nothing happened, and who signed out is nobody again.

use crate::harness::{Browser, Gateway, ScriptedOrigin};

const POLICY: &str = "
personal_data: { regions: [DE] }
roles:
  manager: { users: [dana] }
  agent: { app_group: agents }
  visitor: {}
masking:
  - { hide: phone, from: agent }
";

const PAGE: &str = "HTTP/1.1 200 OK\nContent-Type: text/html";
const NUMBER: &str = "<p>+49 30 23125 401</p>";

/// Says from now on whose every session is.
fn everybody_is(origin: &ScriptedOrigin, who: &str) {
    origin.answer("/me", "HTTP/1.1 200 OK\nContent-Type: application/json", who.as_bytes());
}

fn with_cookie(cookie: &str) -> [(&'static str, &str); 2] {
    [("Cookie", cookie), ("Accept", "text/html")]
}

fn setup() -> (ScriptedOrigin, Gateway) {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    origin.answer("/portal/", PAGE, NUMBER.as_bytes());
    everybody_is(&origin, "{\"user\":null}");
    (origin, gateway)
}

/// A cookie that never changes is a stranger's, and then somebody's by a request that no login of the profile names.
#[test]
fn a_sign_in_that_nobody_described() {
    let redirect = "HTTP/1.1 302 Found\nLocation: /portal/\nContent-Length: 0";
    let sets = "HTTP/1.1 200 OK\nContent-Type: text/html\nSet-Cookie: seen=1; Path=/\nContent-Length: 0";
    let plain = "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 0";
    for (what, method, answer) in
        [("a form", "POST", plain), ("a link from a mail", "GET", redirect), ("a script", "GET", sets)]
    {
        let (origin, gateway) = setup();
        let mut browser = gateway.browser();
        let cookie = with_cookie("tinydesk=always-the-same");
        for _ in 0..3 {
            assert!(browser.send("GET", "/portal/", &cookie, b"").expect(200).text().contains("401"), "{what}");
        }
        let asked = origin.heard().iter().filter(|head| head.starts_with("GET /me ")).count();
        assert_eq!(asked, 1, "{what}: a stranger is asked about once");
        origin.answer("/portal/enter", answer, b"");
        everybody_is(&origin, "{\"user\":\"amir\",\"groups\":[\"agents\"]}");
        browser.send(method, "/portal/enter", &cookie, b"");
        let page = browser.send("GET", "/portal/", &cookie, b"").expect(200).text();
        assert!(page.contains("+XX XX XXXXX XXX"), "{what}: {page}");
        gateway.record(&[("/actor/user", "amir"), ("/actor/role", "agent")]);
    }
}

/// A minute later it is asked again, whatever happened meanwhile.
#[test]
fn a_stranger_is_not_believed_for_long() {
    let (origin, gateway) = setup();
    let mut browser = gateway.browser();
    let cookie = with_cookie("tinydesk=always-the-same");
    assert!(browser.send("GET", "/portal/", &cookie, b"").expect(200).text().contains("401"));
    everybody_is(&origin, "{\"user\":\"amir\",\"groups\":[\"agents\"]}");
    gateway.turn("61s");
    assert!(!browser.send("GET", "/portal/", &cookie, b"").expect(200).text().contains("401"));
}

fn sign_in(origin: &ScriptedOrigin, browser: &mut Browser, user: &str) {
    origin.answer(
        "/login",
        "HTTP/1.1 302 Found\nLocation: /\nSet-Cookie: tinydesk=first; Path=/\nContent-Length: 0",
        b"",
    );
    everybody_is(origin, &format!("{{\"user\":\"{user}\",\"groups\":[\"agents\"]}}"));
    browser.post("/login", &[("user", user), ("password", "x")]).expect(302);
}

/// Signing out by a date in the past, with any value: neither cookie opens anything afterwards.
#[test]
fn a_cookie_is_removed_by_its_date() {
    let (origin, gateway) = setup();
    let mut browser = gateway.browser();
    sign_in(&origin, &mut browser, "amir");
    assert_eq!(gateway.sessions(), ["amir"]);
    let gone = "HTTP/1.1 302 Found\nLocation: /\nSet-Cookie: tinydesk=None; expires=Thu, 01-Jan-1970 00:00:01 GMT; Path=/\nContent-Length: 0";
    origin.answer("/portal/bye", gone, b"");
    browser.send("POST", "/portal/bye", &with_cookie("tinydesk=first"), b"").expect(302);
    gateway.record(&[("/session_event", "signed_out"), ("/actor/user", "amir")]);
    everybody_is(&origin, "{\"user\":null}");
    assert!(gateway.sessions().is_empty());
    browser.send("GET", "/portal/", &with_cookie("tinydesk=first"), b"").expect(401);
    browser.send("GET", "/portal/", &with_cookie("tinydesk=None"), b"").expect(200);
    gateway.record(&[("/actor/kind", "visitor"), ("/request/route", "portal"), ("/response/status", "200")]);
}

/// Whoever may choose a name must not become another person by its spelling.
#[test]
fn a_name_is_compared_to_the_letter() {
    for (name, role) in [("dana", "manager"), ("Dana", "agent"), ("ｄａｎａ", "agent"), ("dana\u{200b}", "agent")] {
        let (origin, gateway) = setup();
        let mut browser = gateway.browser();
        sign_in(&origin, &mut browser, name);
        browser.send("GET", "/portal/", &with_cookie("tinydesk=first"), b"").expect(200);
        let record = gateway.record(&[("/request/route", "portal")]);
        assert_eq!(record["actor"]["role"], role, "{record}");
    }
}
