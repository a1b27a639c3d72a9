//! Requests that parsers read in different ways: nothing of them may reach the app.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{Connection, Gateway, H2, RecordingOrigin, Tinydesk, form, raw, until};
use crate::tinydesk::{POLICY, password};

const OPEN: &str = "roles:\n  everybody: {}\nlimits:\n  head_timeout: 1s\n  body_timeout: 1s\n";

/// A head with the right Host, these lines and nothing else.
fn head(line: &str, to: SocketAddr, headers: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {to}\r\n{headers}\r\n").into_bytes()
}

#[test]
fn what_has_two_readings_reaches_nobody() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let to = gateway.address();
    raw(to, &head("GET /me HTTP/1.1", to, "")).expect("an answer").expect(200);
    assert!(origin.heard().text().starts_with("GET /me HTTP/1.1\r\n"));

    let long_header = format!("X-Long: {}\r\n", "a".repeat(200_000));
    let many_headers: String = (0..300).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long_target = format!("GET /{} HTTP/1.1", "a".repeat(70_000));
    let post = "POST /login HTTP/1.1";
    let get = "GET /me HTTP/1.1";
    let refused: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        // A: framing
        ("A01", head(post, to, "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"), 400, "protocol.framing"),
        ("A02", head(post, to, "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"), 400, "protocol.framing"),
        ("A03", head(post, to, "Transfer-Encoding: xchunked\r\n"), 400, "protocol.framing"),
        ("A12", head(post, to, "Transfer-Encoding: gzip, chunked\r\n"), 400, "protocol.framing"),
        (
            "A13",
            head(post, to, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
            "protocol.framing",
        ),
        ("A04", head(post, to, "Content-Length: 1\r\nContent-Length: 2\r\n"), 400, "protocol.framing"),
        ("A05", head(post, to, "Content-Length: 1, 1\r\n"), 400, "protocol.framing"),
        ("A07", head(post, to, "Content-Length: +1\r\n"), 400, "protocol.framing"),
        ("A08", head(post, to, "Content-Length: 0x1\r\n"), 400, "protocol.framing"),
        ("A09", head(post, to, "Content-Length: 01\r\n"), 400, "protocol.framing"),
        ("A14", head(post, to, "Transfer-Encoding : chunked\r\n"), 400, "protocol.framing"),
        ("A15", head(get, to, "X-A: b\r\n c: d\r\n"), 400, "protocol.framing"),
        ("A16", head(post, to, "Transfer_Encoding: chunked\r\n"), 400, "protocol.framing"),
        ("A32", head("GET /me HTTP/1.0", to, ""), 505, "protocol.version"),
        ("A33", format!("GET /me HTTP/1.1\nHost: {to}\n\n").into_bytes(), 400, "protocol.framing"),
        ("A34", head(get, to, "X-A: b\nX-C: d\r\n"), 400, "protocol.framing"),
        ("A35", head(get, to, "X-A: b\rX-C: d\r\n"), 400, "protocol.framing"),
        ("A36", head(get, to, "X-A: b\0c\r\n"), 400, "protocol.framing"),
        ("A42", head(post, to, "Content-Length: 1\r\nExpect: 200-ok\r\n"), 417, "protocol.expect"),
        ("C92", head(get, to, "Content-Length: 5\r\n"), 400, "body.unexpected"),
        // B: targets
        ("B00", head(&format!("GET http://{to}/me HTTP/1.1"), to, ""), 400, "protocol.target"),
        ("B01", head("GET me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B03", head("GET /a//me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B04", head("GET /./me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B05", head("GET /agent/../me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B06", head("GET /agent/%2e%2e/me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B07", head("GET /agent%2fcustomers HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B08", head("GET /agent%252fcustomers HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B09", head("GET /me%00 HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B10", head("GET /me;x=1 HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B11", head("GET /agent/..;/me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B12", head("GET /agent\\me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B13", head("GET /agent%5cme HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B14", head("GET /%u002e/me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B15", head("GET /%c0%ae/me HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B16", head("GET /me#x HTTP/1.1", to, ""), 400, "protocol.target"),
        ("B17", head("GET /me x HTTP/1.1", to, ""), 400, "protocol.framing"),
        // B: hosts
        ("B40", b"GET /me HTTP/1.1\r\n\r\n".to_vec(), 421, "protocol.host"),
        ("B41", b"GET /me HTTP/1.1\r\nHost: evil.test\r\n\r\n".to_vec(), 421, "protocol.host"),
        ("B42", b"GET /me HTTP/1.1\r\nHost: \r\n\r\n".to_vec(), 421, "protocol.host"),
        ("B43", head(get, to, "Host: evil.test\r\n"), 421, "protocol.host"),
        ("B44", format!("GET /me HTTP/1.1\r\nHost: {to}.\r\n\r\n").into_bytes(), 421, "protocol.host"),
        ("B45", format!("GET /me HTTP/1.1\r\nHost: evil@{to}\r\n\r\n").into_bytes(), 421, "protocol.host"),
        // B: headers, methods, cookies, sizes
        ("B70", head(get, to, "Connection: Cookie\r\nCookie: tinydesk=x\r\n"), 400, "protocol.connection"),
        ("B71", head(get, to, "Connection: close, Content-Type\r\n"), 400, "protocol.connection"),
        ("B80", head("TRACE /me HTTP/1.1", to, ""), 405, "protocol.method"),
        ("B81", head("CONNECT /me HTTP/1.1", to, ""), 405, "protocol.method"),
        ("B82", head("get /me HTTP/1.1", to, ""), 405, "protocol.method"),
        ("B83", head("PROPFIND /me HTTP/1.1", to, ""), 405, "protocol.method"),
        ("B95", head(get, to, &many_headers), 431, "protocol.headers"),
        ("B96", head(get, to, &long_header), 431, "protocol.headers"),
        ("B97", head(&long_target, to, ""), 431, "protocol.headers"),
        ("B98", head(&format!("GET /{} HTTP/1.1", "a".repeat(9000)), to, ""), 414, "protocol.target_too_long"),
    ];
    let mut wrong = Vec::new();
    for (row, bytes, status, reason) in &refused {
        let answer = raw(to, bytes);
        let got = answer.as_ref().map(|a| (a.status, a.text().contains(reason)));
        let heard = origin.heard().text();
        // A page names its reason in words; a program gets the code.
        if got.is_none_or(|(s, named)| s != *status || !named) || !heard.is_empty() {
            wrong.push(format!("{row}: {got:?} for {status} {reason}, the app heard {heard:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Each has its record, and none a word of what was sent.
    let recorded = || gateway.records().iter().filter(|r| r["effect"] == "deny").count();
    until("every refusal is recorded", || recorded() == refused.len());
    gateway.keeps_secrets(&[], &["evil.test", "propfind", "X-Long"]);
}

const TWO_REALMS: &str = "
profile: two-realms
format: 1
tested_with: [test]
about: An app where staff and customers sign in apart
realms:
  staff:
    session: cookie staff
    login: { match: POST /staff/login, user: form user, password: form password, succeeded: cookie new }
  shop:
    session: cookie shop
    login: { match: POST /shop/login, user: form user, password: form password, succeeded: cookie new }
routes:
  page: { is: page, match: GET /page }
";

/// A request with two people's sessions is judged as one of them: the app must not see the other.
#[test]
fn one_request_is_one_persons() {
    let origin = RecordingOrigin::start();
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("two-realms.yaml");
    std::fs::write(&profile, TWO_REALMS).unwrap();
    let gateway = Gateway::start(origin.port, profile.to_str().unwrap(), OPEN);
    let mut both = gateway.browser();
    both.post("/shop/login", &[("user", "carl"), ("password", "x")]).expect(200);
    both.post("/staff/login", &[("user", "ava"), ("password", "x")]).expect(200);
    assert_eq!(gateway.sessions(), ["ava", "carl"]);
    origin.heard();
    both.get("/page").expect(200);
    let heard = origin.heard().text();
    assert!(heard.contains("staff=session-of-staff") && !heard.contains("shop="), "{heard}");
    gateway.record(&[("/request/route", "page"), ("/actor/user", "ava")]);
    // The other session is set aside, not ended.
    let mut shop = gateway.browser();
    shop.send("GET", "/page", &[("Cookie", "shop=session-of-shop")], b"").expect(200);
    assert!(origin.heard().text().contains("shop=session-of-shop"));
}

#[test]
fn headers_that_pretend_are_taken_out() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let to = gateway.address();
    let pretending = "X-Forwarded-For: 203.0.113.5\r\nX-Real-IP: 203.0.113.5\r\nForwarded: for=203.0.113.5\r\n\
        X_Forwarded_For: 203.0.113.5\r\nX-Original-URL: /secret\r\nX-Rewrite-URL: /secret\r\n\
        X-HTTP-Method-Override: DELETE\r\nX-Forwarded-Host: evil.test\r\nX-Accel-Redirect: /secret\r\nTE: trailers\r\n\
        Authorization: Negotiate nobody-reads-this\r\n";
    raw(to, &head("GET /me HTTP/1.1", to, pretending)).expect("an answer").expect(200);
    let heard = origin.heard().text().to_ascii_lowercase();
    for word in ["203.0.113.5", "/secret", "delete", "evil.test", "trailers", "authorization"] {
        assert!(!heard.contains(word), "{word}: {heard}");
    }
    assert!(heard.contains("x-forwarded-for: 127.0.0.1\r\n"), "{heard}");
    // A second request behind the first is judged by itself.
    let two = [head("GET /me HTTP/1.1", to, ""), head("TRACE /me HTTP/1.1", to, "")].concat();
    let mut connection = Connection::open(to, None).unwrap();
    connection.write(&two).unwrap();
    assert_eq!(connection.read(false).unwrap().status, 200);
    assert!(connection.read(false).map_or(true, |a| a.status == 405));
    assert!(!origin.heard().text().contains("TRACE"));
    // Neither an upgrade to HTTP/2.
    let upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
    let answer = raw(to, &head("GET /me HTTP/1.1", to, upgrade)).expect("an answer");
    assert_ne!(answer.status, 101);
    assert!(!origin.heard().text().to_ascii_lowercase().contains("h2c"));
}

#[test]
fn chunked_bodies_arrive_whole_or_not_at_all() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let to = gateway.address();
    let chunked = |body: &str| {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n";
        [head("POST /login HTTP/1.1", to, kind), body.as_bytes().to_vec()].concat()
    };
    raw(to, &chunked("6\r\nuser=a\r\n7\r\n&pass=b\r\n0\r\n\r\n")).expect("an answer");
    let heard = origin.heard().text();
    assert!(heard.contains("user=a&pass=b") && heard.to_ascii_lowercase().contains("content-length: 13"), "{heard}");
    assert!(!heard.to_ascii_lowercase().contains("transfer-encoding"), "{heard}");
    for bad in [
        "6;ext\nuser=a\r\n0\r\n\r\n",
        "0x6\r\nuser=a\r\n0\r\n\r\n",
        "6\nuser=a\n0\n\n",
        "6\r\nuser=aXX0\r\n\r\n",
        "fffffffffffffffff\r\nuser=a\r\n0\r\n\r\n",
        " 6\r\nuser=a\r\n0\r\n\r\n",
        "-6\r\nuser=a\r\n0\r\n\r\n",
    ] {
        let answer = raw(to, &chunked(bad));
        let heard = origin.heard().text();
        assert!(answer.is_none_or(|a| a.status >= 400) && heard.is_empty(), "{bad:?} reached the app: {heard}");
    }
}

/// A body that nobody inspects streams through: where its framing breaks it is cut off, and recorded as what it is.
#[test]
fn a_streamed_body_that_is_malformed_is_no_request() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let start = head("PUT /portal/x HTTP/1.1", gateway.address(), "Transfer-Encoding: chunked\r\n");
    let send = |parts: &[&str]| {
        let mut connection = Connection::open(gateway.address(), None).unwrap();
        connection.write(&start).unwrap();
        for part in parts {
            std::thread::sleep(Duration::from_millis(50));
            if connection.write(part.as_bytes()).is_err() {
                break;
            }
        }
        connection.read(false)
    };
    send(&["6\r\nuser=a\r\n", "7;a=b\r\n&pass=b\r\n0\r\n\r\n"]).unwrap().expect(200);
    assert_eq!(origin.heard().requests.len(), 1);
    for (count, bad) in
        ["5 \r\nhello\r\n", "5;\r\nhello\r\n", "5\0\r\nhello\r\n", "5;a\nhello\r\n", "5\r\nhelloXX"].iter().enumerate()
    {
        for parts in [&[*bad, "0\r\n\r\n"][..], &["6\r\nuser=a\r\n", *bad, "0\r\n\r\n"]] {
            assert!(send(parts).is_ok_and(|answer| answer.status == 400), "{parts:?}");
            assert!(origin.heard().requests.is_empty(), "{parts:?}");
        }
        let refused = || gateway.records().iter().filter(|r| r["reason"] == "protocol.framing").count();
        until("both are recorded", || refused() == 2 * (count + 1));
    }
}

#[test]
fn a_slow_head_is_not_waited_for() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let begun = Instant::now();
    let mut slow = Connection::open(gateway.address(), None).unwrap();
    slow.write(b"GET /me HTTP/1.1\r\nHost: ").unwrap();
    let mut trickle = Connection::open(gateway.address(), None).unwrap();
    for byte in b"GET /me HTTP/1.1\r\n" {
        let _ = trickle.write(&[*byte]);
        std::thread::sleep(Duration::from_millis(80));
    }
    for mut connection in [slow, trickle] {
        let rest = String::from_utf8_lossy(&connection.rest()).into_owned();
        assert!(rest.starts_with("HTTP/1.1 408 "), "{rest}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    gateway.record(&[("/reason", "protocol.slow")]);
    assert_eq!(origin.heard().text(), "");
}

/// What is only announced takes no memory from others.
#[test]
fn half_sent_bodies_keep_nobody_out() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let to = gateway.address();
    let announced: Vec<_> = (0..20)
        .map(|_| {
            let mut connection = Connection::open(to, None).unwrap();
            connection.write(&head("POST /login HTTP/1.1", to, "Content-Length: 33554432\r\n")).unwrap();
            connection
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    crate::tinydesk::sign_in(&mut gateway.browser(), "ava");
    drop(announced);
}

#[test]
fn http2() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut h2 = H2::connect(gateway.address());
    let fields = form(&[("user", "ava"), ("password", password("ava")), ("next", "")]);
    let kind = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
    let answer = h2.send(("POST", "/login", &kind, &fields)).unwrap().expect(302);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let crumbs = [("accept", "text/html"), ("cookie", "theme=dark"), ("cookie", cookie.as_str()), ("cookie", "a=b")];
    let page = h2.send(("GET", "/agent/tickets/1001", &crumbs, b"")).unwrap().expect(200);
    assert!(page.text().contains("Invoice shows the wrong address"));
    gateway.record(&[("/request/route", "ticket"), ("/actor/user", "ava"), ("/actor/role", "agent")]);
    let refused = h2.send(("GET", "/agent/customers/export.csv", &crumbs, b"")).unwrap().expect(403);
    assert!(!refused.text().contains("carl.brandt@"));
    gateway.refused("exports.role", "ava", "agent");
    h2.send(("POST", "/agent/tickets/1003", &[&kind[..], &crumbs[1..]].concat(), b"_method=DELETE"))
        .unwrap()
        .expect(403);
    // Trailers are judged by nobody; the app once waited for the body in front of them.
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-forwarded-for", http::HeaderValue::from_static("203.0.113.5"));
    let reply = ("POST", "/agent/tickets/1003/reply", &[&kind[..], &crumbs[1..]].concat()[..], &b"text=hello"[..]);
    h2.send_with(reply, trailers).unwrap().expect(400);
    // Two values for one session cookie: the one that is live.
    let twice = [crumbs[0], ("cookie", "tinydesk=other"), crumbs[2]];
    assert_eq!(h2.send(("GET", "/me", &twice, b"")).unwrap().expect(200).json()["user"], "ava");
    // Where it is only a shorter way to say what HTTP/1.1 refuses.
    h2.send(("GET", "/agent/../me", &crumbs, b"")).unwrap().expect(400);
    h2.send(("TRACE", "/me", &crumbs, b"")).unwrap().expect(405);
    // No header announces a body here.
    h2.send(("GET", "/me", &crumbs, b"user=ava")).unwrap().expect(400);
    for bad in [("host", "evil.test"), ("transfer-encoding", "chunked"), ("connection", "cookie")] {
        let answer = h2.send(("GET", "/me", &[crumbs[0], bad], b""));
        assert!(answer.as_ref().map_or(true, |a| a.status >= 400), "{bad:?}: {answer:?}");
        if answer.is_err() {
            h2 = H2::connect(gateway.address());
        }
    }
    h2.send(("GET", "/me", &crumbs, b"")).unwrap().expect(200);
    gateway.keeps_secrets(&[], &[cookie.split('=').nth(1).unwrap(), password("ava")]);
}
