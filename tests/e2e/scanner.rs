//! Virus scanners as Debian has them, asked about what people send: clamd on a socket and a port, and
//! c-icap. EICAR's test file stands for something bad.

use std::sync::LazyLock;

use serde_json::json;

use super::harness::{Browser, Gateway, RealApp, Tinydesk};
use super::tinydesk;

const REPLY: &str = "/agent/tickets/1003/reply";

static EICAR: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // Put together here, or scanners would take this file away.
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
});

fn policy(scanner: &str, more: &str) -> String {
    format!("{}uploads:\n  scan: \"{scanner}\"\n{more}", tinydesk::POLICY)
}

fn send(person: &mut Browser, name: &str, content: &[u8], status: u16) {
    person.upload(REPLY, &[("text", "with a file")], &[("file", name, "text/plain", content)]).expect(status);
}

#[test]
fn what_a_scanner_finds_is_refused() {
    let scanners = RealApp::start("scanner");
    let icap = std::fs::read_to_string(scanners.run("icap.port")).unwrap();
    let app = Tinydesk::start();
    for scanner in [
        format!("clamd://127.0.0.1:{}", scanners.port),
        format!("clamd:{}", scanners.run("clamd.ctl").display()),
        format!("icap://127.0.0.1:{}/avscan", icap.trim()),
    ] {
        let gateway = Gateway::start(app.port, "tinydesk", &policy(&scanner, "  scan_timeout: 20s\n"));
        let mut ava = gateway.browser();
        tinydesk::sign_in(&mut ava, "ava");
        send(&mut ava, "notes.txt", &EICAR, 422);
        let record = gateway.record(&[("/reason", "uploads.infected"), ("/actor/user", "ava")]);
        assert_eq!(record["files"][0]["scan"], "infected", "{scanner}");
        assert!(record["files"][0]["found"].as_str().unwrap().starts_with("Eicar-Test-Signature"), "{record}");
        send(&mut ava, "notes.txt", b"nothing bad", 302);
        send(&mut ava, "long.txt", &b"nothing bad, again and again\n".repeat(700_000), 302);
        let record = gateway.record(&[("/response/status", "302"), ("/files/0/bytes", "20300000")]);
        assert_eq!(record["files"][0]["scan"], "clean", "{scanner}");
        let metrics = gateway.admin("GET", "/metrics").expect(200).text();
        assert!(metrics.contains("deskgate_scans_total{result=\"clean\"} 2"), "{metrics}");
        assert!(!ava.get("/agent/tickets/1003").text().contains("EICAR"));
    }
}

#[test]
fn a_scanner_that_is_down_lets_nothing_pass_unless_the_policy_says_so() {
    let app = Tinydesk::start();
    let gone = "clamd:/nowhere/clamd.ctl";
    let gateway = Gateway::start(app.port, "tinydesk", &policy(gone, ""));
    let mut ava = gateway.browser();
    tinydesk::sign_in(&mut ava, "ava");
    send(&mut ava, "notes.txt", b"nothing bad", 503);
    gateway.record(&[("/reason", "uploads.not_scanned"), ("/files/0/scan", "failed")]);
    assert!(gateway.said().contains("a file was not scanned: clamd:/nowhere/clamd.ctl: "), "{}", gateway.said());
    // Without a file there is nothing to scan.
    ava.post(REPLY, &[("text", "no file")]).expect(302);

    gateway.write_policy(&policy(gone, "  if_scanner_down: allow_and_flag\n"));
    assert!(gateway.operate(&["reload"]).status.success());
    send(&mut ava, "notes.txt", b"nothing bad", 302);
    let record = gateway.record(&[("/response/status", "302"), ("/files/0/name", "notes.txt")]);
    assert_eq!(record["files"][0]["scan"], json!("failed"));
}
