//! What differs by channel (B1). A channel's values take the place of the policy's own, whole lists
//! too; mappings are gone into, so that it makes no difference if keys are written with dots or one
//! below the other. The result is a policy like any other, and is checked and compiled as one.

use serde::Serialize;
use serde_json::Value;

use super::file::PolicyFile;
use super::problem::{Problem, Problems};
use super::source::typed;
use super::yaml::{Key, Kind, Node, Position, join};

/// The parts of a policy that may differ.
pub const DIFFER: [&str; 7] = ["media", "exports", "uploads", "forwarding", "changes", "embedding", "masking"];
/// Keys in them that are one for all: there is one scanner.
const ONE_FOR_ALL: [&str; 2] = ["uploads.scan", "uploads.scan_timeout"];

/// The policy as it is for one channel.
pub struct WrittenChannel {
    /// The channel's name.
    pub name: String,
    /// The policy.
    pub file: PolicyFile,
    /// The tree that it was read from, which knows where everything stands.
    pub node: Node,
    /// What is found to be wrong with it.
    pub problems: Problems,
}

/// The policies of all channels.
///
/// # Errors
/// Everything in their keys that does not fit.
pub fn read(shown: &str, node: &Node) -> Result<Vec<WrittenChannel>, Vec<Problem>> {
    let (mut channels, mut wrong) = (Vec::new(), Vec::new());
    for (key, overrides) in entries(node.nearest("channels"), node) {
        match one(shown, node, &key.name, overrides) {
            Ok(channel) => channels.push(channel),
            Err(problems) => wrong.extend(problems),
        }
    }
    if wrong.is_empty() { Ok(channels) } else { Err(wrong) }
}

/// The values of a channel by their paths, each with the place of its key. A list is one value.
fn values(overrides: &Node) -> Vec<(String, Position, &Node)> {
    let mut found = Vec::new();
    let Kind::Map(entries) = &overrides.kind else { return found };
    for (key, value) in entries {
        match &value.kind {
            Kind::Map(inner) if !inner.is_empty() => {
                let below = |(path, at, node)| (format!("{}.{path}", key.name), at, node);
                found.extend(values(value).into_iter().map(below));
            }
            _ => found.push((key.name.clone(), key.at, value)),
        }
    }
    found
}

/// The entries of a mapping; none when `found` is `root`, which stands for what is not there.
fn entries<'n>(found: &'n Node, root: &Node) -> impl Iterator<Item = &'n (Key, Node)> {
    let entries = match &found.kind {
        Kind::Map(entries) if !std::ptr::eq(found, root) => &entries[..],
        _ => &[],
    };
    entries.iter()
}

fn one(shown: &str, node: &Node, name: &str, overrides: &Node) -> Result<WrittenChannel, Vec<Problem>> {
    let mut merged = node.without("channels");
    let mut problems = Problems::default();
    let at = join("channels", name);
    for (key, place, value) in values(overrides) {
        let section = key.split('.').next().unwrap_or_default();
        if !DIFFER.contains(&section) {
            let message = format!("\"{section}\" is the same for every channel; {} can differ", DIFFER.join(", "));
            problems.push(Problem::at(&at, place, message));
        } else if ONE_FOR_ALL.contains(&key.as_str()) {
            problems.push(Problem::at(&at, place, format!("\"{key}\" is the same for every channel")));
        } else {
            merged = merged.with(&key, place, value.clone());
        }
    }
    if problems.any_error() {
        return Err(problems.located(shown, Some(node)));
    }
    let file = typed(shown, &merged)?;
    Ok(WrittenChannel { name: name.to_owned(), file, node: merged, problems: Problems::default() })
}

/// How one tree is made of another.
impl Node {
    /// The same mapping without one of its keys.
    #[must_use]
    fn without(&self, name: &str) -> Self {
        let mut node = self.clone();
        if let Kind::Map(entries) = &mut node.kind {
            entries.retain(|(key, _)| key.name != name);
        }
        node
    }

    /// The same tree with `value` at `path`, a row of keys with dots between them; the mappings that
    /// lead there are made where there are none. `at` is where all of that is written.
    #[must_use]
    fn with(self, path: &str, at: Position, value: Self) -> Self {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let (here, mut entries) = match self.kind {
            Kind::Map(entries) => (self.at, entries),
            _ => (at, Vec::new()),
        };
        let index = entries.iter().position(|(key, _)| key.name == name);
        let old = index.map_or(Self { at, kind: Kind::Null }, |index| entries[index].1.clone());
        let new = match rest {
            Some(rest) => old.with(rest, at, value),
            None => value,
        };
        // An error in what is written here is to be found here, not where it was written before.
        let entry = (Key { at: if rest.is_none() { at } else { new.at }, name: name.to_owned() }, new);
        match index {
            Some(index) if rest.is_some() => entries[index].1 = entry.1,
            Some(index) => entries[index] = entry,
            None => entries.push(entry),
        }
        Self { at: here, kind: Kind::Map(entries) }
    }
}

/// One value in force, and where it is written.
#[derive(Debug, Serialize)]
pub struct InForce {
    /// Its path, such as `uploads.per_role.customer.largest`.
    pub path: String,
    /// The value.
    pub value: Value,
    /// The line; absent where nothing is written and the value is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether it is the default.
    pub default: bool,
    /// Whether it is the channel's own.
    pub of_channel: bool,
}

/// Every value that is written: of the policy itself, or for one of its channels.
#[must_use]
pub fn as_written(node: &Node, channel: Option<&WrittenChannel>) -> Vec<InForce> {
    let own = channel.map(|c| values(node.nearest(&join("channels", &c.name))));
    let keys: Vec<String> = own.into_iter().flatten().map(|(path, ..)| path).collect();
    let mut found = Vec::new();
    leaves(channel.map_or(node, |c| &c.node), String::new(), &keys, &mut found);
    found
}

/// Every value that is in force, written or by default: of the policy itself, or for one of its channels.
#[must_use]
pub fn in_force(node: &Node, file: &PolicyFile, channel: Option<&WrittenChannel>) -> Vec<InForce> {
    let mut found = as_written(node, channel);
    let mut file = channel.map_or(file, |c| &c.file).clone();
    file.write_defaults();
    let whole = serde_json::to_value(file).unwrap_or_default();
    let mut all = Vec::new();
    values_of(&whole, String::new(), &mut all);
    all.retain(|(path, value)| !is_told(path, value, &found));
    found.extend(all.into_iter().map(|(path, value)| InForce {
        path,
        value: value.clone(),
        line: None,
        default: true,
        of_channel: false,
    }));
    found
}

/// Whether a value need not be told as a default: what is written tells it, or nothing is there that could be told. Of
/// what is left out it is told for whole sections only: that there is no such rule.
fn is_told(path: &str, value: &Value, written: &[InForce]) -> bool {
    let above = |one: &str, other: &str| {
        other.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let nothing = value.is_null() && path.contains(['.', '[']);
    nothing || path == "channels" || written.iter().any(|w| above(&w.path, path) || above(path, &w.path))
}

/// The values of a policy by their paths, as [`leaves`] has them.
fn values_of<'v>(value: &'v Value, path: String, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries.iter().filter(|(key, _)| !(path.is_empty() && *key == "channels")) {
                values_of(value, join(&path, key), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                values_of(item, format!("{path}[{index}]"), found);
            }
        }
        _ => found.push((path, value)),
    }
}

fn leaves(node: &Node, path: String, keys: &[String], found: &mut Vec<InForce>) {
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries.iter().filter(|(key, _)| !(path.is_empty() && key.name == "channels")) {
                leaves(value, join(&path, &key.name), keys, found);
            }
        }
        Kind::List(items) if items.iter().any(|i| matches!(i.kind, Kind::Map(_))) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{path}[{index}]"), keys, found);
            }
        }
        _ => {
            let below = |key: &String| {
                path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let of_channel = keys.iter().any(below);
            found.push(InForce { value: node.to_json(), line: Some(node.at.line), default: false, of_channel, path });
        }
    }
}
