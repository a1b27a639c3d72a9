//! What stays open and what closes: refusals, requests sent at once, and versions of HTTP that are not spoken.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Connection, Gateway, RecordingOrigin, Tinydesk};
use crate::tinydesk::POLICY;

fn request(gateway: &Gateway, line: &str, more: &str, body: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: {}\r\n{more}\r\n{body}", gateway.address()).into_bytes()
}

/// A refusal whose request was read whole keeps the connection; one that leaves a body unread says that it closes.
#[test]
fn a_refusal_keeps_the_connection_or_says_that_it_closes() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut connection = Connection::open(gateway.address(), None).unwrap();
    for (line, more, body, status) in [
        ("GET /agent/../me", "", "", 400),
        ("GET /agent/customers/export.csv", "Accept: application/json\r\n", "", 403),
        ("POST /login", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n", "user=%zz", 400),
        ("GET /login", "", "", 200),
    ] {
        connection.write(&request(&gateway, line, more, body)).unwrap();
        let answer = connection.read(false).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        assert!(answer.header("connection").is_none_or(|c| c == "keep-alive"), "{line}: {:?}", answer.headers);
    }
    // Announced, and not worth waiting for.
    let large = "Content-Type: application/json\r\nContent-Length: 999999999\r\n";
    connection.write(&request(&gateway, "POST /login", large, "{}")).unwrap();
    let answer = connection.read(false).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(connection.rest(), b"");
}

/// Requests that are sent before the first is answered: the first is answered, and no other reaches the app, whatever
/// the first was. Browsers send none, and who does sends again what was not answered (RFC 9112, section 9.3.2).
#[test]
fn of_pipelined_requests_the_first_is_answered() {
    for (first, status, heard) in [("GET /portal/first", 200, 1), ("GET /portal/../first", 400, 0)] {
        for later in [false, true] {
            let origin = RecordingOrigin::start();
            let gateway = Gateway::start(origin.port, "tinydesk", "roles:\n  everybody: {}\n");
            let mut connection = Connection::open(gateway.address(), None).unwrap();
            let (first, second) = (request(&gateway, first, "", ""), request(&gateway, "PUT /portal/second", "", ""));
            if later {
                connection.write(&first).unwrap();
                connection.write(&second).unwrap();
            } else {
                connection.write(&[first, second].concat()).unwrap();
            }
            assert_eq!(connection.read(false).unwrap().status, status);
            let rest = String::from_utf8_lossy(&connection.rest()).into_owned();
            let text = origin.heard().text();
            if rest.is_empty() {
                assert_eq!(text.matches("HTTP/1.1\r\n").count(), heard, "{text}");
            } else {
                // It came after the first was answered, and is an ordinary second request.
                assert!(later && rest.starts_with("HTTP/1.1 200"), "{rest}");
            }
        }
    }
}

/// Balancers of old ask in HTTP/1.0: they get an answer where health is told, and a refusal that they can read elsewhere.
#[test]
fn http_1_0_is_answered_where_health_is_told() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let ask = |port: u16, head: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for path in ["/healthz", "/readyz"] {
        // As `option httpchk GET /healthz` of HAProxy asks.
        let answer = ask(gateway.admin_port(), &format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    }
    // What changes or tells more needs a host, as before.
    let answer = ask(gateway.admin_port(), "GET /sessions HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 421 "), "{answer}");
    let answer = ask(gateway.port, "GET /login HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 505 ") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    let length = answer.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(body.len().to_string(), length);
    assert!(body.contains("This version of HTTP is not spoken here."), "{body}");
}

/// A document that no body may hold in memory is too large, however often it is sent.
#[test]
fn a_document_over_the_budget_is_too_large() {
    let app = Tinydesk::start();
    let policy = POLICY.replace("limits:\n", "limits:\n  inspection_memory: 8MB\n");
    let gateway = Gateway::start(app.port, "tinydesk", &policy);
    let document = format!("[{}0]", "[],".repeat(100_000));
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let answer = gateway.browser().send("POST", "/login", &headers, document.as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    gateway.record(&[("/reason", "body.too_large")]);
}

/// Headers by which an app could read another request are judged before it hears of this one.
#[test]
fn trailers_and_a_second_host_reach_nobody() {
    let origin = RecordingOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    let body = "5\r\nhello\r\n0\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n";
    let doubled = format!("Host: {}\r\n", gateway.address());
    for (line, more, body) in [
        ("PUT /portal/x", "Trailer: X-Forwarded-For\r\nTransfer-Encoding: chunked\r\n", body),
        ("PUT /portal/x", "Trailer: X-Sum\r\nContent-Length: 0\r\n", ""),
        ("GET /portal/x", &doubled, ""),
    ] {
        let mut connection = Connection::open(gateway.address(), None).unwrap();
        connection.write(&request(&gateway, line, more, body)).unwrap();
        let answer = connection.read(false).unwrap();
        let heard = origin.heard().text();
        assert!(answer.status >= 400 && heard.is_empty(), "{line} {more}: {} {heard}", answer.status);
    }
}
