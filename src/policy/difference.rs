//! What another policy changes, in words: for the log of a reload.

use std::collections::BTreeMap;

use super::channels::as_written;
use super::file::Mode;
use super::yaml::{Kind, Node};

/// What a policy says, as far as two are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The armed controls and their modes.
    pub controls: BTreeMap<&'static str, Mode>,
    /// The roles.
    pub roles: Vec<String>,
    /// Every value that is written, by its path, those of channels too.
    pub values: BTreeMap<String, String>,
}

/// One thing that is another than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is, in words.
    pub text: String,
    /// Whether something that restricted is gone, or only recorded from now on.
    pub loosens: bool,
}

/// Longer values are cut in messages: a list of networks can have thousands.
const MOST_SHOWN: usize = 80;

impl Said {
    /// What the policy says whose tree is `node`.
    #[must_use]
    pub fn new(node: &Node, controls: BTreeMap<&'static str, Mode>) -> Self {
        let Kind::Map(entries) = &node.kind else { return Self { controls, ..Self::default() } };
        let below = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
        let roles = match below("roles").map(|node| &node.kind) {
            Some(Kind::Map(roles)) => roles.iter().map(|(key, _)| key.name.clone()).collect(),
            _ => Vec::new(),
        };
        let own = as_written(node, None).into_iter().map(|value| (value.path, value.value.to_string()));
        let of_channels = below("channels").map(|node| as_written(node, None)).unwrap_or_default();
        let of_channels = of_channels.into_iter().map(|v| (format!("channels.{}", v.path), v.value.to_string()));
        Self { controls, roles, values: own.chain(of_channels).collect() }
    }
}

/// What differs, first what loosens.
#[must_use]
pub fn differences(before: &Said, after: &Said) -> Vec<Difference> {
    let mut found = controls(before, after);
    found.extend(roles(before, after));
    found.extend(values(before, after));
    found.sort_by_key(|difference| !difference.loosens);
    found
}

fn loosens(text: String) -> Difference {
    Difference { text, loosens: true }
}

fn changes(text: String) -> Difference {
    Difference { text, loosens: false }
}

fn controls(before: &Said, after: &Said) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, was) in &before.controls {
        found.extend(match (was, after.controls.get(name)) {
            (_, None) => Some(loosens(format!("control {name} is gone: what it refused passes from now on"))),
            (Mode::Enforce, Some(Mode::Shadow)) => {
                Some(loosens(format!("control {name} only records from now on what it would refuse (mode: shadow)")))
            }
            (Mode::Shadow, Some(Mode::Enforce)) => Some(changes(format!("control {name} is enforced from now on"))),
            _ => None,
        });
    }
    let new = after.controls.keys().filter(|name| !before.controls.contains_key(*name));
    found.extend(new.map(|name| changes(format!("control {name} is new"))));
    found
}

fn roles(before: &Said, after: &Said) -> Vec<Difference> {
    let gone = before.roles.iter().filter(|role| !after.roles.contains(role));
    let gone = gone.map(|role| loosens(format!("role {role} is gone: who had it has the first other one that fits")));
    let new = after.roles.iter().filter(|role| !before.roles.contains(role));
    let mut found: Vec<_> = gone.chain(new.map(|role| changes(format!("role {role} is new")))).collect();
    let kept = |all: &[String], other: &[String]| all.iter().filter(|r| other.contains(r)).cloned().collect::<Vec<_>>();
    if kept(&before.roles, &after.roles) != kept(&after.roles, &before.roles) {
        found.push(changes("the order of the roles is another: the first that fits counts".into()));
    }
    found
}

fn values(before: &Said, after: &Said) -> Vec<Difference> {
    let mut found = Vec::new();
    for (path, was) in &before.values {
        found.extend(match after.values.get(path) {
            None => Some(loosens(format!("{path} is gone; it was {}", shown(was)))),
            Some(is) if is != was => Some(changes(format!("{path} is {}; it was {}", shown(is), shown(was)))),
            Some(_) => None,
        });
    }
    let new = after.values.iter().filter(|(path, _)| !before.values.contains_key(*path));
    found.extend(new.map(|(path, is)| changes(format!("{path} is new: {}", shown(is)))));
    found
}

fn shown(value: &str) -> String {
    match value.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, controls: &[(&'static str, Mode)]) -> Said {
        Said::new(&Node::parse(text).unwrap(), controls.iter().copied().collect())
    }

    #[test]
    fn what_goes_is_told_first_and_as_loosening() {
        let before = said(
            "roles: { lead: { users: [dana] }, agent: { realm: a } }\nlimits: { connections: 200 }\n\
             sessions: { per_role: { agent: { idle: 10m, at_once: 2 } } }\nchannels: { phone: { media.open_with: anyone } }\n",
            &[("exports", Mode::Enforce), ("media", Mode::Enforce), ("uploads", Mode::Shadow)],
        );
        let after = said(
            "roles: { agent: { realm: a }, visitor: {} }\nlimits: { body: 1MB }\n\
             sessions: { per_role: { agent: { idle: 15m, at_once: 2 } } }\n",
            &[("media", Mode::Shadow), ("uploads", Mode::Enforce), ("embedding", Mode::Enforce)],
        );
        let found: Vec<_> = differences(&before, &after).into_iter().map(|d| (d.loosens, d.text)).collect();
        let text = |loosens, text: &str| (loosens, text.to_owned());
        assert_eq!(
            found,
            [
                text(true, "control exports is gone: what it refused passes from now on"),
                text(true, "control media only records from now on what it would refuse (mode: shadow)"),
                text(true, "role lead is gone: who had it has the first other one that fits"),
                text(true, "channels.phone[\"media.open_with\"] is gone; it was \"anyone\""),
                text(true, "limits.connections is gone; it was 200"),
                text(true, "roles.lead.users is gone; it was [\"dana\"]"),
                text(false, "control uploads is enforced from now on"),
                text(false, "control embedding is new"),
                text(false, "role visitor is new"),
                text(false, "sessions.per_role.agent.idle is \"15m\"; it was \"10m\""),
                text(false, "limits.body is new: \"1MB\""),
                text(false, "roles.visitor is new: {}"),
            ]
        );
        assert!(differences(&before, &before).is_empty());
    }

    #[test]
    fn the_order_of_roles_counts_and_long_values_are_cut() {
        let list = |n: usize| format!("networks: {{ x: [{}] }}\n", vec!["10.0.0.1"; n].join(", "));
        let before = said(&format!("roles: {{ a: {{}}, b: {{}} }}\n{}", list(2)), &[]);
        let after = said(&format!("roles: {{ b: {{}}, a: {{}} }}\n{}", list(2000)), &[]);
        let found = differences(&before, &after);
        assert_eq!(found[0].text, "the order of the roles is another: the first that fits counts");
        assert!(found[1].text.len() < 200 && found.len() == 2, "{found:?}");
    }
}
