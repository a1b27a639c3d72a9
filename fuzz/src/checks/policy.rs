//! Policies and profiles, from their text to the compiled form.

use std::sync::LazyLock;

use deskgate::clock::{Clock, Timestamp};
use deskgate::policy::channels;
use deskgate::policy::compile::{Written, check_profile, compile};
use deskgate::policy::file::PolicyFile;
use deskgate::policy::problem::{Problem, Problems};
use deskgate::policy::profile::ProfileFile;
use deskgate::policy::yaml::{Kind, Node, Position, join};
use deskgate::policy::{source, structure};
use serde_json::Value;

static POLICY_SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(PolicyFile).to_value());
static PROFILE_SCHEMA: LazyLock<Value> = LazyLock::new(|| schemars::schema_for!(ProfileFile).to_value());
static TINYDESK: LazyLock<ProfileFile> = LazyLock::new(|| {
    let (_, text) = source::SHIPPED.iter().find(|(name, _)| *name == "tinydesk").unwrap();
    serde_json::from_value(Node::parse(text).unwrap().to_json()).unwrap()
});

/// The text of a policy, or of a profile.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines = u32::try_from(text.lines().count()).unwrap();
    let node = match Node::parse(text) {
        Ok(node) => node,
        Err(problem) => {
            assert!(problem.at.line >= 1 && problem.at.column >= 1, "{problem:?}");
            return check_problems(&[problem], lines);
        }
    };
    check_node(&node, &node, "", lines);
    let is_profile = source::is_profile(text);
    let mut problems = Problems::default();
    structure::check(&node, if is_profile { &PROFILE_SCHEMA } else { &POLICY_SCHEMA }, &mut problems);
    if !problems.any_error() {
        let mut in_profile = Problems::default();
        if is_profile {
            check_written_profile(&node, &mut problems);
        } else {
            check_written_policy(&node, lines, &mut problems, &mut in_profile);
        }
        check_problems(&in_profile.located("tinydesk", None), u32::MAX);
    }
    check_problems(&problems.located("policy.yaml", Some(&node)), lines);
}

fn check_written_profile(node: &Node, problems: &mut Problems) {
    if let Ok(profile) = serde_json::from_value::<ProfileFile>(node.to_json()) {
        check_profile(&profile, problems);
    }
}

fn check_written_policy(node: &Node, lines: u32, problems: &mut Problems, in_profile: &mut Problems) {
    if let Ok(file) = serde_json::from_value::<PolicyFile>(node.to_json()) {
        let line_of = |path: &str| node.position_of(path).line;
        let clock = Clock::stopped_at(Timestamp(1_700_000_000_000));
        let mut channels = match channels::read("policy.yaml", node) {
            Ok(channels) => channels,
            Err(wrong) => return check_problems(&wrong, lines),
        };
        let written =
            Written { file: &file, profile: &TINYDESK, channels: &mut channels, revision: "1", line_of: &line_of };
        let policy = compile(written, &clock, problems, in_profile);
        for channel in channels {
            check_problems(&channel.problems.located("policy.yaml", Some(&channel.node)), lines);
        }
        assert!(policy.is_some() || problems.any_error() || in_profile.any_error(), "nothing says what is wrong");
    }
}

/// Every value has a place in the text, and is found by its path.
fn check_node(root: &Node, node: &Node, path: &str, lines: u32) {
    check_place(node.at, lines);
    match &node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_node(root, item, &format!("{path}[{index}]"), lines);
            }
        }
        Kind::Map(entries) => {
            for (index, (key, value)) in entries.iter().enumerate() {
                check_place(key.at, lines);
                assert!(!entries[..index].iter().any(|(k, _)| k.name == key.name), "{} is there twice", key.name);
                check_node(root, value, &join(path, &key.name), lines);
            }
        }
        _ => {}
    }
    // Keys with quotes and brackets in them have no path that could be written.
    if path.chars().all(|c| c.is_alphanumeric() || "_-.[]".contains(c)) && !path.contains("..") {
        check_place(root.position_of(path), lines);
    }
}

fn check_place(at: Position, lines: u32) {
    assert!((1..=lines.saturating_add(1)).contains(&at.line) && at.column >= 1, "{at:?} of {lines} lines");
}

fn check_problems(problems: &[Problem], lines: u32) {
    for problem in problems {
        assert!(problem.at.line <= lines.saturating_add(1), "{problem:?} of {lines} lines");
        assert!(!problem.message.is_empty());
        assert!(problem.to_string().len() < 10_000 + problem.message.len(), "{problem:?}");
    }
}
