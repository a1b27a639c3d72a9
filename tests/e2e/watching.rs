//! What Prometheus is given: the listener of its own, the metrics, the alerts.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // seconds since the epoch

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::tinydesk::{POLICY, sign_in};
use crate::harness::{Browser, Gateway, Tinydesk};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs promtool, with a text on its standard input; what it says.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) {
    let program: PathBuf = root().join("tests/apps/promtool/data/promtool");
    assert!(program.exists(), "promtool is not set up: run tests/apps/promtool/setup.sh");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root().join("docker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
}

#[test]
fn promtool_takes_the_rules_and_what_is_scraped() {
    promtool(&["check", "rules", "prometheus-rules.yaml"], "");
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["test", "rules", "prometheus-rules.test.yaml"], "");
    // Each alert both stays quiet and fires.
    let (rules, tests) = ["docker/prometheus-rules.yaml", "docker/prometheus-rules.test.yaml"]
        .map(|file| std::fs::read_to_string(root().join(file)).unwrap())
        .into();
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 15, "{alerts:?}");
    for alert in alerts {
        for what in ["stays quiet", "fires"] {
            assert!(tests.contains(&format!("- name: {alert} {what}\n")), "{alert} {what}: no test");
        }
    }
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    sign_in(&mut gateway.browser(), "amir");
    let mut browser = gateway.browser();
    browser.get("/agent/");
    browser.get("/nowhere");
    browser.send("GET", "/", &[("Host", "elsewhere.example")], b"").expect(421);
    let scraped = Browser::new(gateway.metrics).get("/metrics").expect(200).text();
    promtool(&["check", "metrics"], &scraped);
    for sample in [
        "deskgate_logins_total{realm=\"accounts\",result=\"success\"} 1",
        "deskgate_protocol_rejects_total{reason=\"protocol.host\"} 1",
        "deskgate_scans_total{result=\"failed\"} 0",
        &format!("deskgate_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(scraped.lines().any(|line| line == sample), "{sample}: {scraped}");
    }
    // No more than `check` foretells of this policy.
    let check = gateway.operate(&["check", gateway.config().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    let most = said.lines().find_map(|line| line.strip_prefix("  metrics: at most ")?.strip_suffix(" series")).unwrap();
    let series = scraped.lines().filter(|line| !line.starts_with('#')).count();
    assert!((50..=most.parse().unwrap()).contains(&series), "{series} of {most}");
    let started = scraped.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
    let now = deskgate::clock::Clock::system().now().0 / 1000;
    let started: f64 = started.parse().unwrap();
    assert!((now - 600..=now + 1).contains(&(started as u64)), "{started}");
}

/// By whatever name it is asked, and nothing but to tell.
#[test]
fn the_metrics_listener_can_only_read() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let told = format!("metrics on http://127.0.0.1:{}/metrics", gateway.metrics);
    assert!(gateway.said().contains(&told), "{}", gateway.said());
    let mut reader = Browser::new(gateway.metrics);
    for path in ["/metrics", "/healthz", "/readyz"] {
        reader.send("GET", path, &[("Host", "deskgate:9464")], b"").expect(200);
        reader.send("GET", path, &[("Host", "deskgate:9464"), ("Origin", "https://evil.test")], b"").expect(403);
        reader.send("POST", path, &[("X-Deskgate-Admin", "1")], b"").expect(405);
    }
    sign_in(&mut gateway.browser(), "amir");
    for (method, path) in [
        ("GET", "/sessions"),
        ("GET", "/people"),
        ("POST", "/sessions/end?user=amir"),
        ("POST", "/people/amir/reactivate"),
        ("POST", "/reload"),
        ("POST", "/rehearsal/advance?by=1m"),
    ] {
        reader.send(method, path, &[("X-Deskgate-Admin", "1")], b"").expect(404);
    }
    assert_eq!(gateway.sessions(), ["amir"]);
    // The admin listener is as it was.
    gateway.admin_browser().send("GET", "/metrics", &[("Host", "deskgate:9900")], b"").expect(421);
}

/// Who sends nothing, or half a head, does not stay: neither listener is in front of people who wait.
#[test]
fn silent_connections_do_not_stay() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    for port in [gateway.admin_port(), gateway.metrics] {
        let held: Vec<TcpStream> = ["", "GET /metrics HT"]
            .map(|sent| {
                let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                socket.write_all(sent.as_bytes()).unwrap();
                socket
            })
            .into();
        let begun = Instant::now();
        for mut socket in held {
            let _ = socket.read_to_end(&mut Vec::new()).unwrap();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
