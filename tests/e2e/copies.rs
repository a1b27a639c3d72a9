//! Several copies of one session cookie, as browsers send them when a path, a domain or a partition changed, and as
//! whoever plants one hopes for (CWE-565).

use crate::harness::{Answer, Browser, Gateway, RecordingOrigin, Tinydesk};
use crate::tinydesk::{POLICY, sign_in};

const CARRIER: &str = "tinydesk";

fn with_cookies(gateway: &Gateway, path: &str, cookies: &str) -> Answer {
    let headers = [("Cookie", cookies), ("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")];
    gateway.browser().send("GET", path, &headers, b"")
}

fn signed_in(gateway: &Gateway, user: &str) -> String {
    let mut browser = gateway.browser();
    sign_in(&mut browser, user);
    browser.cookie(CARRIER)
}

fn taken_back(answer: &Answer) -> bool {
    let gone = format!("{CARRIER}=; Max-Age=0; HttpOnly; Path=/");
    answer.all("set-cookie").any(|cookie| cookie == gone)
}

#[test]
fn the_copy_that_is_live_counts_wherever_it_stands() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let live = signed_in(&gateway, "ava");
    for cookies in [
        format!("{CARRIER}=stale; {CARRIER}={live}"),
        format!("{CARRIER}={live}; {CARRIER}=stale; other=1"),
        format!("{CARRIER}=\"quoted\"; {CARRIER}={live}"),
        format!("{CARRIER}=; {CARRIER}={live}"),
        format!("{CARRIER}=1; {CARRIER}=2; {CARRIER}=3; {CARRIER}=4; {CARRIER}=5; {CARRIER}={live}"),
        format!("{CARRIER}={live}; {CARRIER}={}", signed_in(&gateway, "ava")),
    ] {
        let answer = with_cookies(&gateway, "/me", &cookies).expect(200);
        assert_eq!(answer.json()["user"], "ava", "{cookies}");
        // What takes back another copy could be the end of the one that counts.
        assert!(!taken_back(&answer), "{cookies}: {:?}", answer.headers);
    }
}

#[test]
fn copies_of_different_people_are_taken_back_and_a_sign_in_counts() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let (ava, mona) = (signed_in(&gateway, "ava"), signed_in(&gateway, "mona"));
    for cookies in [format!("{CARRIER}={ava}; {CARRIER}={mona}"), format!("{CARRIER}={mona}; {CARRIER}={ava}")] {
        let answer = with_cookies(&gateway, "/me", &cookies);
        assert!(!answer.text().contains("ava") && !answer.text().contains("mona"), "{}", answer.text());
        assert!(taken_back(&answer), "{:?}", answer.headers);
    }
    // A copy that the browser cannot be rid of does not keep anybody out.
    let mut browser = Browser::new(gateway.port);
    let fields = crate::harness::form(&[("user", "ava"), ("password", crate::tinydesk::password("ava")), ("next", "")]);
    let headers =
        [("Cookie", "tinydesk=stale; tinydesk=\"odd\""), ("Content-Type", "application/x-www-form-urlencoded")];
    let answer = browser.send("POST", "/login", &headers, &fields).expect(302);
    let fresh = answer.all("set-cookie").last().unwrap();
    assert!(fresh.starts_with("tinydesk=") && !fresh.contains("Max-Age=0"), "what the app gives comes last: {fresh}");
    let cookies = format!("tinydesk=stale; {}", fresh.split(';').next().unwrap());
    assert_eq!(with_cookies(&gateway, "/me", &cookies).expect(200).json()["user"], "ava");
}

#[test]
fn copies_of_nobody_are_taken_back_and_never_forwarded() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", "roles:\n  everybody: {}\n");
    for cookies in ["tinydesk=a; tinydesk=b; theme=dark", "tinydesk=\"a\"; theme=dark", "theme=dark; tinydesk=a b"] {
        let answer = with_cookies(&gateway, "/tickets/5/edit", cookies).expect(200);
        let heard = origin.heard().text();
        let forwarded = heard.lines().rfind(|line| line.to_ascii_lowercase().starts_with("cookie:"));
        assert_eq!(forwarded.map(|line| line[8..].trim()), Some("theme=dark"), "{cookies}: {heard}");
        let gone: Vec<&str> = answer.all("set-cookie").collect();
        for place in ["Path=/", "Path=/tickets", "Path=/tickets/", "Path=/tickets/5"] {
            assert!(gone.contains(&format!("tinydesk=; Max-Age=0; HttpOnly; {place}").as_str()), "{place}: {gone:?}");
        }
    }
    // One that may be somebody's is passed on as it is.
    with_cookies(&gateway, "/", "tinydesk=a; theme=dark").expect(200);
    assert!(origin.heard().text().contains("theme=dark"));
}

const FRAMED: &str = "; SameSite=None; Secure; Partitioned";

/// A cookie of a frame is another one to the browser than the same without `Partitioned`.
#[test]
fn cookies_are_the_same_in_all_areas_where_one_may_be_framed_over_tls() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let written = std::fs::read_to_string(gateway.config()).unwrap();
    // TLS ends at a proxy in front.
    std::fs::write(gateway.config(), written.replace("public_url: http:", "public_url: https:")).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    let mut browser = gateway.browser();
    let fields = crate::harness::form(&[("user", "ava"), ("password", crate::tinydesk::password("ava")), ("next", "")]);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let signed_in = browser.send("POST", "/login", &headers, &fields).expect(302);
    assert!(signed_in.all("set-cookie").all(|cookie| cookie.ends_with(FRAMED)), "{:?}", signed_in.headers);
    let live = browser.cookie(CARRIER);
    let signed_out = browser.post("/logout", &[]);
    assert!(signed_out.all("set-cookie").next().is_some_and(|c| c.ends_with(FRAMED)), "{:?}", signed_out.headers);
    // What the gateway takes back it takes back in both forms: the browser may still have one of before.
    let ended = with_cookies(&gateway, "/agent/", &format!("{CARRIER}={live}")).expect(401);
    let back: Vec<&str> = ended.all("set-cookie").collect();
    let plain = format!("{CARRIER}=; Path=/; Max-Age=0; HttpOnly; Secure");
    let framed = format!("{CARRIER}=; Path=/; Max-Age=0; HttpOnly{FRAMED}");
    assert_eq!(back, [plain.as_str(), framed.as_str()]);
}
