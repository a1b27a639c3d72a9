//! A fault of the gateway's own ends one exchange, which is answered and recorded like any other.

use crate::harness::{Connection, Gateway, H2, ScriptedOrigin};

const POLICY: &str = "
personal_data: { regions: [DE] }
roles:
  everybody: {}
masking:
  - { hide: phone, from: everybody }
";
const PAGE: &str = "HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8";

fn metric(gateway: &Gateway, name: &str) -> String {
    let metrics = gateway.admin("GET", "/metrics").expect(200).text();
    metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap_or_default().to_owned()
}

/// Faults are injected by a header that only builds with debug assertions know.
#[test]
fn a_panic_ends_one_exchange() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", POLICY);
    origin.answer("/portal/", PAGE, "<p>+49 30 23125 401</p>".as_bytes());
    for (count, place) in ["request", "answer", "body"].into_iter().enumerate() {
        let mut browser = gateway.browser();
        let headers = [("X-Deskgate-Fault", place), ("Accept", "text/html")];
        let answer = browser.send("GET", "/portal/", &headers, b"").expect(503);
        let reference = answer.header("x-deskgate-ref").unwrap().to_owned();
        assert!(answer.text().contains("Something went wrong in the gateway"), "{place}: {}", answer.text());
        assert!(!answer.text().contains("401"), "{place}");
        let record = gateway.record(&[("/reason", "protocol.panic"), ("/id", &reference)]);
        assert_eq!(record["response"]["status"], 503, "{record}");
        assert_eq!(metric(&gateway, "deskgate_panics_total"), (count + 1).to_string(), "{place}");
    }
    // When it is recorded the answer is out; what is known by then is recorded without it.
    let headers = [("X-Deskgate-Fault", "record"), ("Accept", "text/html")];
    gateway.browser().send("GET", "/portal/", &headers, b"").expect(200);
    gateway.record(&[("/reason", "protocol.panic"), ("/request/class", "unclassified")]);
    let mut h2 = H2::connect(gateway.address());
    h2.send(("GET", "/portal/", &[("x-deskgate-fault", "request")], b"")).unwrap().expect(503);
    h2.send(("GET", "/portal/", &[], b"")).unwrap().expect(200);
    // Everybody else is served, and nobody's text is in what was said of it.
    assert!(gateway.browser().get("/portal/").expect(200).text().contains("+XX XX XXXXX XXX"));
    assert!(gateway.said().contains("a panic at src/proxy/panics.rs") && !gateway.said().contains("as asked"));
}

/// What panicked once: a wide plus behind a bracket that stays open.
#[test]
fn a_number_behind_a_wide_bracket_is_masked() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", &POLICY.replace("[DE]", "[US, DE, JP]"));
    let page = "<p>電話 （＋81 3 1234 5678）</p><p>電話 （＋81 3 1234 5678 とか</p>";
    origin.answer("/portal/", PAGE, page.as_bytes());
    let text = gateway.browser().get("/portal/").expect(200).text();
    assert!(!text.contains("1234") && !text.contains("5678") && text.contains("電話"), "{text}");
}

/// An answer that switches protocols though nobody asked for it is none (RFC 9110, section 15.2.2).
#[test]
fn an_unsolicited_switch_is_refused() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", "roles:\n  everybody: {}\n");
    origin.answer("/portal/", "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket", b"+49 30 23125 401");
    let mut connection = Connection::open(gateway.address(), None).unwrap();
    let request = format!("GET /portal/ HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address());
    connection.write(request.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&connection.rest()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains("401"), "{answer}");
    gateway.record(&[("/reason", "upstream.answer")]);
}
