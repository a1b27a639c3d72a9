//! What the program says and does as it starts.

use crate::harness::{Gateway, Tinydesk};
use crate::tinydesk::POLICY;

#[test]
fn the_mode_is_told_at_the_start_and_by_readyz() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", &format!("mode: shadow\n{POLICY}"));
    let said = gateway.said();
    assert!(said.contains(" in mode SHADOW: what would be refused is only recorded"), "{said}");
    assert_eq!(gateway.admin("GET", "/readyz").expect(200).json()["mode"], "shadow");
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    assert!(!gateway.said().contains("SHADOW"), "{}", gateway.said());
    assert_eq!(gateway.admin("GET", "/readyz").expect(200).json()["mode"], "enforce");
}

/// The limits that the program starts with are those of this process with another soft one.
#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let app = Tinydesk::start();
    let gateway = Gateway::start_with_files(app.port, "tinydesk", POLICY, "ulimit -Sn 300; ulimit -Hn 900");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.process())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["900", "900"]);
    let said = gateway.said();
    assert!(
        said.contains("warning: limits.connections is 10000, but 900 open files are enough for about 194"),
        "{said}"
    );
}
