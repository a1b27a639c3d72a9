//! From files on disk to a compiled policy, or to everything that is wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::channels::{self, InForce, in_force};
use super::compile::{Policy, Texts, Written, compile};
use super::difference::Said;
use super::file::PolicyFile;
use super::problem::{Problem, Problems, Severity, closest, did_you_mean};
use super::profile::ProfileFile;
use super::summary::Summary;
use super::yaml::Node;
use super::{schema, structure};
use crate::certificate::{self, Unusable};
use crate::clock::{Clock, Timestamp};

/// The profiles that come with the gateway.
pub const SHIPPED: &[(&str, &str)] = &[
    ("django-helpdesk", include_str!("../../config/profiles/django-helpdesk.yaml")),
    ("request-tracker", include_str!("../../config/profiles/request-tracker.yaml")),
    ("tinydesk", include_str!("../../config/profiles/tinydesk.yaml")),
];

/// A policy that can be used, and what is odd about it.
pub struct Loaded {
    /// The compiled policy.
    pub policy: Policy,
    /// The policy as written: for what is set up once, such as listeners.
    pub file: PolicyFile,
    /// What it says, to be compared with what another one says.
    pub said: Said,
    /// What it covers, in numbers.
    pub summary: Summary,
    /// Warnings.
    pub warnings: Vec<Problem>,
    /// The files that it was read from: what a watcher watches.
    pub sources: Vec<PathBuf>,
}

/// Reads and compiles the policy at `path`.
///
/// # Errors
/// Everything that is wrong with the policy or its profile, in the order of the files.
pub fn load(path: &Path, clock: &Clock) -> Result<Loaded, Vec<Problem>> {
    let shown = path.display().to_string();
    let text = read(path, &shown)?;
    load_text(path, &shown, text, clock)
}

/// Compiles a policy that was read already. It is told of as `shown`; what it names is found from `path`.
///
/// # Errors
/// Everything that is wrong with the policy or its profile, in the order of the files.
pub fn load_text(path: &Path, shown: &str, text: String, clock: &Clock) -> Result<Loaded, Vec<Problem>> {
    let (node, file): (Node, PolicyFile) = written(shown, &text)?;
    let mut channels = channels::read(shown, &node)?;
    let (profile_path, profile_name, profile_text) = profile_text(path, &file, shown, &node)?;
    let (profile_node, profile): (Node, ProfileFile) = written(&profile_name, &profile_text)?;

    let mut in_policy = Problems::default();
    let mut in_profile = Problems::default();
    let revision = revision(&text, &profile_text);
    let lines = |path: &str| node.position_of(path).line;
    let written =
        Written { file: &file, profile: &profile, channels: &mut channels, revision: &revision, line_of: &lines };
    let policy = compile(written, clock, &mut in_policy, &mut in_profile);
    if !in_policy.any_error() {
        check_certificates(&file, clock.now(), &mut in_policy);
    }
    let mut problems = in_policy.located(shown, Some(&node));
    let summary = policy.as_ref().map(|policy| Summary::new(&file, &profile, &channels, policy));
    for channel in channels {
        // What the channel does not change was told already.
        let more = channel.problems.located(shown, Some(&channel.node));
        problems.extend(more.into_iter().filter(|p| !problems.contains(p)).collect::<Vec<_>>());
    }
    problems.extend(in_profile.located(&profile_name, Some(&profile_node)));
    match policy.zip(summary) {
        Some((mut policy, summary)) if problems.iter().all(|p| p.severity == Severity::Warning) => {
            let sources = std::iter::once(path.to_path_buf()).chain(profile_path).collect();
            let said = Said::new(&node, policy.guards.modes());
            policy.texts = Texts { policy: text, profile: profile_text };
            Ok(Loaded { policy, file, said, summary, warnings: problems, sources })
        }
        _ => Err(problems),
    }
}

/// What the policy at `path` says, value by value: for a channel, if one is named.
///
/// # Errors
/// Everything that is wrong with the policy, or that it has no such channel.
pub fn effective(path: &Path, channel: Option<&str>) -> Result<Vec<InForce>, Vec<Problem>> {
    let shown = path.display().to_string();
    if is_profile(&read(path, &shown)?) {
        let message = "this is a profile; what is in force is told of a policy: name the policy that uses it";
        return Err(vec![Problem::new("", message).located(&shown, None)]);
    }
    let policy = load(path, &Clock::system())?.policy;
    let (node, file): (Node, PolicyFile) = written(&shown, &read(path, &shown)?)?;
    let channels = channels::read(&shown, &node)?;
    let Some(name) = channel else { return Ok(in_force(&node, &file, None)) };
    if !policy.channels.iter().any(|c| &*c.name == name) {
        let hint = did_you_mean(name, policy.channels.iter().map(|c| &*c.name));
        let message = format!("neither the profile nor app.overrides.channels knows a channel \"{name}\"{hint}");
        return Err(vec![Problem::new("channels", message).located(&shown, Some(&node))]);
    }
    Ok(in_force(&node, &file, channels.iter().find(|c| c.name == name)))
}

/// Reads a profile by itself, as `deskgate check` does when it is given one.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_profile(path: &Path) -> Result<Vec<Problem>, Vec<Problem>> {
    let shown = path.display().to_string();
    check_profile_text(&shown, &read(path, &shown)?)
}

/// The same for one that was read already, told of as `shown`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_profile_text(shown: &str, text: &str) -> Result<Vec<Problem>, Vec<Problem>> {
    let (node, profile): (Node, ProfileFile) = written(shown, text)?;
    let mut problems = Problems::default();
    super::compile::check_profile(&profile, &mut problems);
    let failed = problems.any_error();
    let all = problems.located(shown, Some(&node));
    if failed { Err(all) } else { Ok(all) }
}

/// Whether a file looks like a profile rather than a policy.
#[must_use]
pub fn is_profile(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("profile:"))
}

fn read(path: &Path, shown: &str) -> Result<String, Vec<Problem>> {
    std::fs::read_to_string(path)
        .map_err(|e| vec![Problem::new("", format!("cannot be read: {e}")).located(shown, None)])
}

/// What is wrong with a certificate is wrong anywhere; one that is not here may be elsewhere, where the policy is for.
fn check_certificates(file: &PolicyFile, now: Timestamp, problems: &mut Problems) {
    for (index, listener) in file.listen.iter().enumerate() {
        let (Some(certificate), Some(key)) = (&listener.certificate, &listener.key) else { continue };
        match certificate::read(certificate, key, now) {
            Ok(read) if now.plus(NEAR_ITS_END) >= read.good_until => {
                let message = format!("{certificate} is good until {} only; renew it", read.good_until);
                problems.warning(format!("listen[{index}].certificate"), message);
            }
            Ok(_) => {}
            Err(Unusable::NotHere { which, message }) => {
                let message = format!("{message}; the gateway does not start where that is so");
                problems.warning(format!("listen[{index}].{which}"), message);
            }
            Err(Unusable::Wrong { which, message }) => problems.error(format!("listen[{index}].{which}"), message),
        }
    }
}

/// Files that listeners need and that are not here: errors on the machine that the policy is for.
#[must_use]
pub fn not_here(file: &PolicyFile, shown: &str, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, listener) in file.listen.iter().enumerate() {
        let (Some(certificate), Some(key)) = (&listener.certificate, &listener.key) else { continue };
        if let Err(Unusable::NotHere { which, message }) = certificate::read(certificate, key, now) {
            problems.push(Problem::new(format!("listen[{index}].{which}"), message).located(shown, None));
        }
    }
    problems
}

/// How long before its end a certificate is warned of.
const NEAR_ITS_END: Duration = Duration::from_secs(14 * 24 * 3600);

/// YAML text to its typed form, with every structural problem at once.
fn written<T: DeserializeOwned + JsonSchema>(shown: &str, text: &str) -> Result<(Node, T), Vec<Problem>> {
    let node = Node::parse(text).map_err(|p| vec![p.located(shown, None)])?;
    let typed = typed(shown, &node)?;
    Ok((node, typed))
}

/// A tree to its typed form, with every structural problem at once.
pub(super) fn typed<T: DeserializeOwned + JsonSchema>(shown: &str, node: &Node) -> Result<T, Vec<Problem>> {
    let schema = schema::of::<T>();
    let mut problems = Problems::default();
    structure::check(node, &schema, &mut problems);
    if problems.any_error() {
        return Err(problems.located(shown, Some(node)));
    }
    // What the schema cannot say is left to serde; it stops at the first.
    serde_json::from_value(node.to_json()).map_err(|e| vec![Problem::new("", e.to_string()).located(shown, Some(node))])
}

type ProfileText = (Option<PathBuf>, String, String);

fn profile_text(policy: &Path, file: &PolicyFile, shown: &str, node: &Node) -> Result<ProfileText, Vec<Problem>> {
    let name = file.app.profile.as_str();
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok((None, format!("profile {name}"), (*text).to_owned()));
    }
    let wrong = |message: String| vec![Problem::new("app.profile", message).located(shown, Some(node))];
    if !name.contains(['/', '.']) {
        let known: Vec<&str> = SHIPPED.iter().map(|(n, _)| *n).collect();
        let hint = match closest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("write one of {}, or the path of a file, such as ./{name}.yaml", known.join(", ")),
        };
        return Err(wrong(format!("no profile \"{name}\" is shipped; {hint}")));
    }
    let path = policy.parent().unwrap_or(Path::new(".")).join(name);
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(format!("{} cannot be read: {e}", path.display())))?;
    let shown = path.display().to_string();
    Ok((Some(path), shown, text))
}

/// Names one version of policy and profile: the first 12 hex digits of a hash over both.
fn revision(policy: &str, profile: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(policy);
    hash.update([0]);
    hash.update(profile);
    data_encoding::HEXLOWER.encode(&hash.finalize()[..6])
}
