//! What may be edited and deleted, by whom (A6, A7, H10 to H16).
//!
//! Of all rules whose actions, classes, roles and ownership fit what a request does:
//! 1. one that denies refuses it;
//! 2. else one that allows lets it through;
//! 3. else, when some rule allows that action on that class to *somebody*, it is refused: an
//!    `allow` is a list of those who may;
//! 4. else it is not this control's business.
//!
//! `whose: own` holds when the profile can tell the owner from the request and it is the person who
//! is signed in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl};
use crate::decision::{Denial, Evidence, RuleAt, Verdict, reasons};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::names::RoleSet;
use crate::policy::profile::{Action, Class};
use crate::request::RequestHead;

/// A rule on edits and deletions: exactly one of `deny` and `allow`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// What it is called in your own words.
    pub name: Option<String>,
    /// The actions that are refused: `create`, `edit`, `delete`.
    #[schemars(length(min = 1))]
    pub deny: Option<Vec<Action>>,
    /// The actions that are allowed, to nobody else.
    #[schemars(length(min = 1))]
    pub allow: Option<Vec<Action>>,
    /// The classes of things it is about.
    #[schemars(length(min = 1))]
    pub of: Vec<Class>,
    /// Whose things: `anyone` (the default) or `own`.
    #[serde(default)]
    pub whose: Whose,
    /// The roles it is about. Absent: all.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub roles: Option<Vec<String>>,
}

/// Whose things a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Anyone's.
    #[default]
    Anyone,
    /// One's own, where the profile can tell.
    Own,
}

reasons! {
    /// Rules 1 and 3.
    DENIED = "changes.denied", 403, "Your role does not allow this change.", "Ask somebody whose role allows it.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "changes",
    summary: "Refuses edits and deletions by role, kind of thing and ownership.",
    reasons: REASONS,
    arm,
};

struct Rule {
    at: RuleAt,
    denies: bool,
    actions: Vec<Action>,
    classes: Vec<Class>,
    roles: RoleSet,
    own: bool,
}

struct Changes(Vec<Rule>);

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let mut rules = Vec::new();
    let mut mode = Mode::Off;
    for (index, file) in arming.file.changes.iter().enumerate() {
        let path = format!("changes[{index}]");
        let (denies, actions) = match (&file.deny, &file.allow) {
            (Some(actions), None) => (true, actions),
            (None, Some(actions)) => (false, actions),
            _ => {
                arming.problems.error(path, "a rule either denies or allows; write one of `deny:` and `allow:`");
                continue;
            }
        };
        let verb = if denies { "deny" } else { "allow" };
        for (key, empty, what) in [(verb, actions.is_empty(), "action"), ("of", file.of.is_empty(), "class")] {
            if empty {
                let wrong = format!("an empty list covers nothing; name at least one {what}");
                arming.problems.error(format!("{path}.{key}"), wrong);
            }
        }
        warn_about_unknown_things(&path, file, actions, arming);
        let roles = match &file.roles {
            Some(roles) => arming.names.role_set(&format!("{path}.for"), roles, arming.problems),
            None => RoleSet::all(),
        };
        match arming.mode(file.mode) {
            Mode::Off => continue,
            // One control, one mode: a rule in shadow makes only itself harmless.
            Mode::Shadow if mode == Mode::Off => mode = Mode::Shadow,
            Mode::Shadow if mode == Mode::Enforce => {
                arming.problems.error(
                    format!("{path}.mode"),
                    "rules of `changes` share one mode; give all of them `shadow` or none",
                );
            }
            Mode::Enforce if mode == Mode::Shadow => {
                arming.problems.error(
                    format!("{path}.mode"),
                    "rules of `changes` share one mode; give all of them `shadow` or none",
                );
            }
            m => mode = m,
        }
        let at = arming.rule(path.as_str());
        rules.push(Rule {
            at: RuleAt { name: file.name.as_deref().map_or(at.name, Into::into), at: at.at },
            denies,
            actions: actions.clone(),
            classes: file.of.clone(),
            roles,
            own: file.whose == Whose::Own,
        });
    }
    (!rules.is_empty()).then(|| Armed { request: Some(Box::new(Changes(rules))), ..Armed::new("changes", mode) })
}

fn warn_about_unknown_things(path: &str, file: &RuleFile, actions: &[Action], arming: &mut Arming<'_>) {
    for (index, class) in file.of.iter().enumerate() {
        for action in actions {
            if !arming.names.can_change(*class, *action) {
                let message = format!(
                    "the profile has no route that can {} a thing of class {}",
                    action.as_str(),
                    class.as_str()
                );
                arming.problems.warning(format!("{path}.of[{index}]"), message);
            } else if file.whose == Whose::Own && !arming.names.can_tell_owner(*class, *action) {
                let message =
                    format!("the profile cannot tell whose {} it is, so `whose: own` never holds", class.as_str());
                arming.problems.warning(format!("{path}.whose"), message);
            }
        }
    }
}

impl RequestControl for Changes {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let mut verdict = Verdict::NotApplicable;
        for (class, action) in request.route.changes() {
            match self.judge(request, class, action) {
                Some(Err(rule)) => {
                    return Denial::because(DENIED, Evidence::Asked(class, Some(action))).by(&rule.at).into();
                }
                Some(Ok(())) => verdict = Verdict::Allow,
                None => {}
            }
        }
        verdict
    }
}

impl Changes {
    /// Whether a rule lets it through; if not, the rule that denies it, or the first that lists others.
    fn judge(&self, request: &RequestHead, class: Class, action: Action) -> Option<Result<(), &Rule>> {
        let about = |rule: &&Rule| rule.actions.contains(&action) && rule.classes.contains(&class);
        // In doubt about a name, one's own is what is denied and not what is allowed.
        let own = |rule: &Rule| if rule.denies { request.may_own_it() } else { request.owns_it() };
        let fits = |rule: &Rule| rule.roles.contains(request.role) && (!rule.own || own(rule));
        let mut rules = self.0.iter().filter(about).peekable();
        rules.peek()?;
        let mut allowed = None;
        let mut listed = None;
        for rule in rules {
            if !rule.denies {
                listed = listed.or(Some(Err(rule)));
            }
            match (fits(rule), rule.denies) {
                (true, true) => return Some(Err(rule)),
                (true, false) => allowed = Some(Ok(())),
                _ => {}
            }
        }
        allowed.or(listed)
    }
}
