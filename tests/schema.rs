//! The generated schema against the program: what the one refuses the other refuses too.

#![allow(clippy::unwrap_used, clippy::panic)] // what tests share is test code too

mod smallest;

use std::path::{Path, PathBuf};

use deskgate::clock::Clock;
use deskgate::policy::file::PolicyFile;
use deskgate::policy::profile::ProfileFile;
use deskgate::policy::schema;
use deskgate::policy::source::{check_profile, is_profile, load};
use deskgate::policy::yaml::Node;
use jsonschema::Validator;

fn validators() -> (Validator, Validator) {
    let of = |schema| jsonschema::validator_for(&schema).unwrap();
    (of(schema::of::<PolicyFile>()), of(schema::of::<ProfileFile>()))
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    found.sort();
    found
}

/// Invalid files that the schema takes. Most of them are wrong by another place of the file, by the profile, or by the
/// grammar of a phrase; of some a schema could tell more than this one does.
const BEYOND_A_SCHEMA: &[&str] = &[
    "any-in-list",
    "channel-keys",
    "channels",
    "cidr-bad",
    "cidr-host-bits",
    "circle-self",
    "circle-three",
    "circle-two",
    "clash-body-spool",
    "clash-deny-and-allow",
    "clash-idle-absolute",
    "clash-modes",
    "clash-rate-window",
    "clash-role-after-everybody",
    "clash-unlisted-keys",
    "clash-when-full",
    "credential-place",
    "forwarding-addresses",
    "key-same-twice",
    "listen-admin-only",
    "listen-certificate-for-http",
    "listen-http-and-https",
    "listen-http2-on-admin",
    "listen-no-certificate",
    "listen-no-key",
    "listen-no-port",
    "listen-nothing",
    "listen-twice-everywhere",
    "listen-twice",
    "name-api-key",
    "name-like",
    "name-network",
    "name-profile-file",
    "name-profile",
    "name-realm",
    "name-role-limits",
    "name-role",
    "name-trusted-proxy",
    "network-called-any",
    "profile-activity",
    "profile-captures",
    "profile-conditions",
    "profile-credential",
    "profile-fields",
    "profile-login-page",
    "profile-login-source",
    "profile-logout-call",
    "profile-new-text",
    "profile-patterns",
    "profile-quirks-meaning",
    "profile-session-regex",
    "profile-session",
    "profile-signs",
    "profile-whoami-missing",
    "profile-whoami-source",
    "role-visitor",
    "route-capture",
    "route-method",
    "route-no-slash",
    "route-query-in-path",
    "route-regex",
    "route-source",
    "route-stars",
    "route-too-long",
    "several-meaning",
    "trusted-everybody",
    "upload-no-size",
    "upload-scan",
    "url-also-served",
    "url-public",
    "url-upstream-host",
    "url-upstream-no-scheme",
    "url-upstream-password",
    "url-upstream-path",
    "url-upstream-scheme",
    "url-upstream-self",
];

#[test]
fn what_is_invalid_is_refused_by_the_schema_too_where_a_schema_can() {
    let (policies, profiles) = validators();
    let mut passed = Vec::new();
    for file in files("tests/policies/invalid") {
        let text = std::fs::read_to_string(&file).unwrap();
        // What is not YAML is refused before any schema.
        let Ok(node) = Node::parse(&text) else { continue };
        let schema = if is_profile(&text) { &profiles } else { &policies };
        if schema.is_valid(&node.to_json()) {
            passed.push(file.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(passed, BEYOND_A_SCHEMA);
}

#[test]
fn what_is_valid_is_valid_by_the_schema() {
    let (policies, profiles) = validators();
    for directory in ["tests/policies/valid", "config", "config/demo", "config/examples", "config/profiles"] {
        for file in files(directory) {
            let text = std::fs::read_to_string(&file).unwrap();
            let schema = if is_profile(&text) { &profiles } else { &policies };
            let json = Node::parse(&text).unwrap().to_json();
            let wrong: Vec<String> = schema.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
        }
    }
}

/// Small values that both refuse.
const BAD: &[&str] = &[
    "policy: 2\n",
    "mode:\n",
    "exports:\n",
    "exports: { allow: [] }\n",
    "exports: { allow: }\n",
    "media:\n",
    "forwarding:\n",
    "forwarding: { never_to: [] }\n",
    "uploads: { per_role: { agent: { types: } } }\n",
    "uploads: { per_role: { agent: { types: [] } } }\n",
    "uploads: { per_role: { agent: { types: [exe] } } }\n",
    "uploads: { per_role: { agent: { files: 0 } } }\n",
    "uploads: { per_role: { agent: { largest: 20 } } }\n",
    "access: { management: { allow_from: } }\n",
    "access: { management: { allow_from: [] } }\n",
    "access: { management: { allow_from: [ ~ ] } }\n",
    "access: { api: { credential: [] } }\n",
    "access: { api: { keys: { a: { sha256: abc } } } }\n",
    "sessions: { per_role: { agent: { idle: } } }\n",
    "sessions: { per_role: { agent: { idle: 15 } } }\n",
    "sessions: { per_role: { agent: { at_once: 0 } } }\n",
    "sessions: { per_role: { agent: } }\n",
    "limits: { connections: }\n",
    "limits: { per_address: 0 per 1m }\n",
    "roles: { manager: { users: } }\n",
    "roles: { manager: { users: [] } }\n",
    "roles: { manager: }\n",
    "networks: { office: }\n",
    "networks: { office: [] }\n",
    "changes: [ { deny: [], of: [ticket] } ]\n",
    "changes: [ { deny: [delete], of: [ticket], for: } ]\n",
    "changes: [ { deny: [delete], of: [ticket], for: [] } ]\n",
    "masking: [ { hide: [], from: agent } ]\n",
    "masking: [ { hide: phone, from: } ]\n",
    "embedding: { portal: [] }\n",
    "audit: { queue: 3 }\n",
    "audit: { write_to: syslog }\n",
    "listen: []\n",
    "app: { profile: tinydesk, upstream: \"http://127.0.0.1:1\", public_url: \"http://d.example\", timeouts: { read: 5 } }\n",
];

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn small_mistakes_are_refused_by_both() {
    let (policies, _) = validators();
    let keys = ["20270131", "\"20270131\"", "2027-13-01", "2027-01-32", "\"2027-1-1\"", "", "never"]
        .map(|day| format!("access: {{ api: {{ keys: {{ a: {{ sha256: \"{KEY}\", expires: {day} }} }} }} }}\n"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.yaml");
    for part in BAD.iter().copied().chain(keys.iter().map(String::as_str)) {
        let text = smallest::completed(part);
        std::fs::write(&path, &text).unwrap();
        assert!(load(&path, &Clock::system()).is_err(), "the program takes {part}");
        let json = Node::parse(&text).unwrap().to_json();
        assert!(!policies.is_valid(&json), "the schema takes {part}");
    }
}

#[test]
fn a_profile_with_a_key_that_says_nothing_is_refused_by_both() {
    let (_, profiles) = validators();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.yaml");
    let start = "profile: mydesk\nformat: 1\nrealms:\n  accounts:\n    session: cookie S\n    login: { match: POST /login, user: form user, succeeded: status 302 }\n";
    for part in [
        "quirks:\n",
        "areas: { api: }\n",
        "fields: { phone: { css: } }\n",
        "routes: { x: { is: page, match: /x, when: } }\n",
        "routes: { x: { is: page, match: [] } }\n",
        "background:\n",
        "session_is:\n",
    ] {
        let text = format!("{start}{part}");
        std::fs::write(&path, &text).unwrap();
        assert!(check_profile(&path).is_err(), "the program takes {part}");
        let json = Node::parse(&text).unwrap().to_json();
        assert!(!profiles.is_valid(&json), "the schema takes {part}");
    }
    std::fs::write(&path, start).unwrap();
    assert!(check_profile(&path).is_ok() && profiles.is_valid(&Node::parse(start).unwrap().to_json()));
}
