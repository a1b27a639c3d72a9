//! An app that names its own address in its answers takes nobody past the gateway.

use crate::harness::{Answer, Gateway, ScriptedOrigin};

const OPEN: &str = "roles:\n  everybody: {}\n";

fn get(gateway: &Gateway, path: &str) -> Answer {
    gateway.browser().get(path)
}

#[test]
fn headers_that_browsers_follow_stay_here() {
    let origin = ScriptedOrigin::start();
    let gateway = Gateway::start(origin.port, "tinydesk", OPEN);
    let (app, here) = (format!("127.0.0.1:{}", origin.port), format!("http://{}", gateway.address()));
    for (sent, expected) in [
        (format!("Location: http://{app}/agent/?a=b#c"), format!("location: {here}/agent/?a=b#c")),
        (format!("Location: //{app}/agent/"), format!("location: {here}/agent/")),
        (format!("Location: http://localhost:{}/agent/", origin.port), format!("location: {here}/agent/")),
        (format!("Location: http://{app}/\u{fc}"), format!("location: {here}/%C3%BC")),
        ("Location: /agent/".into(), "location: /agent/".into()),
        (
            format!("Location: https://sso.acme.example/?to=http://{app}/"),
            format!("location: https://sso.acme.example/?to=http://{app}/"),
        ),
        (format!("Content-Location: http://{app}/agent/7"), format!("content-location: {here}/agent/7")),
        (format!("Refresh: 5; url=http://{app}/agent/"), format!("refresh: 5; url={here}/agent/")),
        (format!("Refresh: 5;URL='//{app}/agent/'"), format!("refresh: 5;URL='{here}/agent/'")),
        (format!("Refresh: 5,http://{app}/agent/"), format!("refresh: 5,{here}/agent/")),
        ("Refresh: 5".into(), "refresh: 5".into()),
    ] {
        origin.answer("/agent/", &format!("HTTP/1.1 200 OK\n{sent}\nContent-Length: 2"), b"ok");
        let answer = get(&gateway, "/agent/").expect(200);
        let (name, value) = expected.split_once(": ").unwrap();
        assert_eq!(answer.header(name), Some(value), "{sent}");
    }
    // Each of several.
    let twice = format!("HTTP/1.1 200 OK\nRefresh: 5\nRefresh: 6; http://{app}/x\nContent-Length: 2");
    origin.answer("/agent/", &twice, b"ok");
    let answer = get(&gateway, "/agent/");
    let all: Vec<&str> = answer.headers.iter().filter(|(n, _)| n == "refresh").map(|(_, v)| v.as_str()).collect();
    assert_eq!(all, ["5", &format!("6; {here}/x")]);
}

const HIDDEN: &str =
    "roles:\n  everybody: {}\npersonal_data: { regions: [DE] }\nmasking:\n  - { hide: phone, from: everybody }\n";
const NAMING: &str = "  overrides: { pages_name_upstream: true }\nstate:";

/// A page that sends browsers to the app, and one that they get; in pieces that cut it everywhere.
#[test]
fn pages_that_reload_themselves_stay_here() {
    let origin = ScriptedOrigin::start();
    let page = |to: &str, number: &str| {
        format!(
            "<html><head><meta http-equiv=\"refresh\" content=\"120;URL=http://{to}/agent/?a=1&amp;b=2\"></head>\
             <p>{number} http://127.0.0.1:{}/</p></html>",
            origin.port
        )
    };
    let app = format!("127.0.0.1:{}", origin.port);
    let sent = page(&app, "+49 30 23125 401");
    let length = format!("Content-Type: text/html; charset=utf-8\nETag: \"1\"\nContent-Length: {}", sent.len());
    let head = format!("HTTP/1.1 200 OK\n{length}\nConnection: close\n\n").replace('\n', "\r\n");
    let pieces: Vec<Vec<u8>> =
        [head.into_bytes()].into_iter().chain(sent.as_bytes().chunks(7).map(<[u8]>::to_vec)).collect();
    let shadow = HIDDEN.replace("{ hide", "{ mode: shadow, hide");
    for (rest, naming, changes, masks) in [
        (OPEN, false, false, false),
        (OPEN, true, true, false),
        (HIDDEN, false, true, true),
        (HIDDEN, true, true, true),
        (&*shadow, true, true, false),
        (&*shadow, false, false, false),
    ] {
        let gateway = Gateway::start(origin.port, "tinydesk", rest);
        if naming {
            let written = std::fs::read_to_string(gateway.config()).unwrap();
            std::fs::write(gateway.config(), written.replacen("state:", NAMING, 1)).unwrap();
            gateway.admin("POST", "/reload").expect(200);
        }
        let to = if changes { gateway.address().to_string() } else { app.clone() };
        let expected = page(&to, if masks { "+XX XX XXXXX XXX" } else { "+49 30 23125 401" });
        origin.pieces("/agent/", pieces.clone());
        let headers = [("Accept-Encoding", "gzip"), ("Accept", "text/html")];
        let answer = get(&gateway, "/agent/").expect(200);
        assert_eq!(answer.text(), expected, "{rest} {naming}");
        if masks {
            continue;
        }
        // Styles and scripts come as the app codes them.
        for (path, coded) in [("/agent/", !naming), ("/static/style.css", true)] {
            origin.answer(path, "HTTP/1.1 200 OK\nContent-Type: text/css\nContent-Length: 2", b"a{");
            origin.heard();
            gateway.browser().send("GET", path, &headers, b"").expect(200);
            let heard = origin.heard().concat().to_ascii_lowercase();
            assert_eq!(heard.contains("accept-encoding: gzip"), coded, "{path} {heard}");
        }
        if let Some(record) = gateway.records().iter().find(|r| r["effect"] == "deny") {
            panic!("{record}");
        }
    }
}
