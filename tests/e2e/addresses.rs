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
