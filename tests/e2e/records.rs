//! Everything that happens has its line: what operators do, which policy is in force, and who tried to sign in.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Gateway, Tinydesk, until};
use crate::tinydesk::sign_in;

const POLICY: &str = "
roles:
  manager: { users: [mona] }
  agent: { app_group: agents }
  customer: { realm: accounts }
  visitor: {}
exports: { allow: [manager, agent] }
changes:
  - { name: nobody deletes, deny: [delete], of: [ticket], for: [customer] }
  - name: agents delete nothing
    deny: [delete]
    of: [ticket]
    for: [agent]
";

#[test]
fn operators_and_policies() {
    let app = Tinydesk::start();
    let mut gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let started = gateway.record(&[("/event", "started")]);
    let mut agent = gateway.browser();
    sign_in(&mut agent, "amir");
    assert!(gateway.operate(&["sessions", "end", "--user", "amir"]).status.success());
    let ended = gateway.record(&[("/event", "sessions_ended"), ("/user", "amir")]);
    assert_eq!((&ended["count"], &ended["policy"]), (&1.into(), &started["policy"]));
    assert!(gateway.operate(&["people", "--reactivate", "amir"]).status.success());
    gateway.record(&[("/event", "reactivated"), ("/user", "amir")]);
    gateway.write_policy("roles:\n  everybody: { usres: [x] }\n");
    gateway.operate(&["reload"]);
    let refused = gateway.record(&[("/event", "policy_refused")]);
    assert!(refused["first_problem"].as_str().unwrap().contains("usres"), "{refused}");
    gateway.write_policy("roles:\n  everybody: {}\n");
    gateway.operate(&["reload"]);
    let taken = gateway.record(&[("/event", "policy_taken")]);
    assert_eq!(taken["policy_before"], started["policy"]);
    // What a hash stands for is kept, for its owner.
    for record in [&started, &taken] {
        let place = gateway.state().join("policies").join(record["policy"].as_str().unwrap());
        for name in ["policy.yaml", "profile.yaml"] {
            let mode = std::fs::metadata(place.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
    let kept = std::fs::read_to_string(
        gateway.state().join("policies").join(started["policy"].as_str().unwrap()).join("policy.yaml"),
    );
    assert!(kept.unwrap().contains("agents delete nothing"));
    gateway.terminate();
    gateway.record(&[("/event", "stopped")]);
}

#[test]
fn sign_ins_name_the_account() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut browser = gateway.browser();
    let try_as = |browser: &mut crate::harness::Browser, user: &str| {
        let failed =
            || gateway.records().into_iter().filter(|r| r["session_event"] == "sign_in_failed").collect::<Vec<_>>();
        let before = failed().len();
        browser.post("/login", &[("user", user), ("password", "wrong")]);
        until("it is recorded", || failed().len() > before);
        failed().pop().unwrap()
    };
    // A name of the policy, although it never signed in.
    assert_eq!(try_as(&mut browser, "mona")["actor"]["user"], "mona");
    let typed = "my-secret-passphrase";
    let first = try_as(&mut browser, typed);
    assert_eq!(first["actor"]["account"], "unknown");
    let pseudonym = first["actor"]["user"].as_str().unwrap().to_owned();
    assert!(pseudonym.starts_with('~') && !first.to_string().contains(typed), "{first}");
    assert_eq!(try_as(&mut browser, typed)["actor"]["user"], pseudonym.as_str(), "the same for the same text");
    sign_in(&mut browser, "amir");
    let record = gateway.record(&[("/session_event", "signed_in")]);
    assert_eq!((&record["actor"]["user"], &record["actor"]["role"]), (&"amir".into(), &"agent".into()));
    // By now that account is known.
    let mut other = gateway.browser();
    assert_eq!(try_as(&mut other, "amir")["actor"]["user"], "amir");
}

#[test]
fn rules_routes_and_files_are_named() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut agent = gateway.browser();
    sign_in(&mut agent, "amir");
    agent.post("/agent/tickets/1001/delete", &[]).expect(403);
    let record = gateway.refused("changes.denied", "amir", "agent");
    assert_eq!(record["rule"], "agents delete nothing");
    let line = usize::try_from(record["policy_line"].as_u64().unwrap()).unwrap();
    let policy = std::fs::read_to_string(gateway.config()).unwrap();
    assert!(policy.lines().nth(line - 1).unwrap().contains("agents delete nothing"), "line {line}");
    agent.get("/agent/customers/export.csv").expect(200);
    let record = gateway.record(&[("/response/answer_type", "csv")]);
    assert_eq!(record["response"]["answer_name"], "customers.csv");
}

/// With a log that takes nothing, what needs a record is refused, and signing out ends the session all the same.
#[test]
fn signing_out_works_with_a_full_log() {
    let app = Tinydesk::start();
    let gateway = Gateway::start(app.port, "tinydesk", POLICY);
    let mut browser = gateway.browser();
    sign_in(&mut browser, "ava");
    let text = std::fs::read_to_string(gateway.config()).unwrap();
    let (before, rest) = text.split_once("  write_to: file ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let full = format!("{before}  write_to: file /dev/full\n  when_it_cannot_write: refuse_all\n{after}");
    std::fs::write(gateway.config(), full).unwrap();
    gateway.admin("POST", "/reload").expect(200);
    until("the log is known to be full", || gateway.browser().with_cookies_of(&browser).get("/me").status == 503);
    assert_eq!(gateway.admin("GET", "/readyz").expect(503).json()["decision_log"], "cannot be written");
    assert_eq!(gateway.sessions(), ["ava"]);
    let answer = browser.post("/logout", &[]);
    assert!(answer.status < 400, "{}: {}", answer.status, answer.text());
    assert_eq!(gateway.sessions(), Vec::<String>::new());
}
