//! How long people stay signed in, and how often at once (B11, B12, B17).
//!
//! 1. A session without *human* activity for the role's `idle` ends. Requests that the profile
//!    calls background never count as activity.
//! 2. A session older than the role's `absolute` ends; nothing moves that limit.
//! 3. A session that has ended opens nothing any more: the person is asked to sign in again. Pages
//!    that need no session (sign-in, static files) stay open.
//! 4. A sign-in beyond the role's `at_once` is refused, or ends the session with the oldest
//!    activity (`when_full`).
//! 5. A person who has not signed in for `inactive_after` is refused until an operator lets them
//!    back in (`deskgate people --reactivate NAME`).
//!
//! Rules 4 and 5 are applied after the app has accepted the password, so that they tell nothing to
//! somebody who does not have it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl, SignInControl};
use crate::decision::{Denial, RuleAt, Verdict, reasons};
use crate::identity::{Identity, SignIn};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::names::RoleId;
use crate::policy::profile::Class;
use crate::policy::types::{Count, Duration, Named};
use crate::request::RequestHead;
use crate::store::{AtOnce, Effect, EndReason, WhenFull};

/// How long people stay signed in, and how often at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SessionLimits")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// Limits by role. A role without an entry has none.
    pub per_role: Named<RoleLimitsFile>,
    /// No sign-in for this long: refused until reactivated. Counts from when a person was first seen.
    pub inactive_after: Option<Duration>,
    /// What to do with a session of the app that did not begin here.
    pub not_begun_here: NotBegunHere,
}

/// The limits of a role.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleLimitsFile {
    /// How long without human activity.
    pub idle: Option<Duration>,
    /// How long in all.
    pub absolute: Option<Duration>,
    /// How many sessions a person may have at once, or `unlimited`.
    pub at_once: Option<Count>,
    /// What happens to the sign-in beyond that: `refuse` or `end_oldest`. Default `refuse`.
    pub when_full: Option<WhenFullFile>,
}

/// What happens to a sign-in beyond `at_once`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFullFile {
    /// It is refused.
    Refuse,
    /// The session with the oldest activity ends.
    EndOldest,
}

/// What to do with a session cookie that the gateway did not see the app issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotBegunHere {
    /// The app is asked whose it is (the profile's `whoami`), and the session goes on from now.
    /// Where the profile has no `whoami`, as `sign_in_again`.
    #[default]
    AskApp,
    /// It is not passed on: the person signs in again.
    SignInAgain,
}

reasons! {
    /// Rule 1.
    IDLE = "sessions.idle", 401, "You were signed out because nothing was done for a while.", "Sign in again.";
    /// Rule 2.
    ABSOLUTE = "sessions.absolute", 401, "You were signed out because the session reached its longest time.", "Sign in again.";
    /// Rule 3.
    ENDED = "sessions.ended", 401, "This session has ended.", "Sign in again.";
    /// Rule 3, after rule 4 ended it.
    DISPLACED = "sessions.displaced", 401, "You were signed out because you signed in somewhere else.",
        "Sign in again; if it was not you, tell the contact below.";
    /// Rule 3, after an operator ended it.
    REVOKED = "sessions.revoked", 401, "An administrator ended this session.", "Sign in again, or ask the contact below.";
    /// Rule 4.
    FULL = "sessions.full", 403, "You are signed in on as many devices as is allowed.", "Sign out on another device, then sign in here.";
    /// Rule 5.
    INACTIVE = "sessions.inactive", 403, "This account was not used for a long time and is locked.",
        "Ask the contact below to reactivate it.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "sessions",
    summary: "Ends idle and old sessions, limits how many a person has at once, locks unused accounts.",
    reasons: REASONS,
    arm,
};

#[derive(Clone, Debug, Default)]
struct Limits {
    idle: Option<std::time::Duration>,
    absolute: Option<std::time::Duration>,
    at_once: Option<(u32, WhenFull)>,
    /// Where each of them stands; `None` for a role without limits.
    rules: Option<LimitRules>,
}

#[derive(Clone, Debug)]
struct LimitRules {
    idle: RuleAt,
    absolute: RuleAt,
    at_once: RuleAt,
}

#[derive(Clone)]
struct Sessions {
    per_role: Vec<Limits>,
    inactive_after: Option<std::time::Duration>,
    inactive: RuleAt,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = &arming.file.sessions;
    for (name, limits) in file.per_role.iter() {
        let path = format!("sessions.per_role.{name}");
        arming.names.role_set(&path, std::slice::from_ref(&name.to_owned()), arming.problems);
        if let (Some(idle), Some(absolute)) = (limits.idle, limits.absolute)
            && absolute < idle
        {
            arming.problems.error(
                format!("{path}.absolute"),
                format!("{absolute} is shorter than idle ({idle}), so idle could never be reached; make it longer"),
            );
        }
        for (key, limit) in [("idle", limits.idle), ("absolute", limits.absolute)] {
            if limit.is_some_and(|d| d.0.is_zero()) {
                let wrong = "a limit of 0 ends every session at once; write a longer time or leave it out";
                arming.problems.error(format!("{path}.{key}"), wrong);
            }
        }
        if limits.when_full.is_some() && !matches!(limits.at_once, Some(Count::Most(_))) {
            arming
                .problems
                .error(format!("{path}.when_full"), "there is no limit that could be full; give `at_once:` a number");
        }
    }
    if file.inactive_after.is_some_and(|d| d.0.is_zero()) {
        let wrong = "0 would lock everybody out; write a longer time or leave it out";
        arming.problems.error("sessions.inactive_after", wrong);
    }
    let limits_of = |entry: usize| {
        let (name, limits) = &file.per_role.0[entry];
        let rule = |key: &str| arming.rule(format!("sessions.per_role.{name}.{key}"));
        let rules = LimitRules { idle: rule("idle"), absolute: rule("absolute"), at_once: rule("at_once") };
        Limits { rules: Some(rules), ..compile(limits) }
    };
    let entries = arming.names.entry_of_each(&file.per_role).into_iter();
    let per_role = entries.map(|entry| entry.map_or(Limits::default(), limits_of)).collect();
    let inactive = arming.rule("sessions.inactive_after");
    let control = Sessions { per_role, inactive_after: file.inactive_after.map(|d| d.0), inactive };
    let mode = arming.mode(file.mode);
    let (request, sign_in) = (Box::new(control.clone()), Box::new(control));
    Some(Armed { request: Some(request), sign_in: Some(sign_in), ..Armed::new("sessions", mode) })
}

fn compile(file: &RoleLimitsFile) -> Limits {
    let when_full = match file.when_full {
        Some(WhenFullFile::EndOldest) => WhenFull::EndOldest,
        _ => WhenFull::Refuse,
    };
    let at_once = match file.at_once {
        Some(Count::Most(most)) => Some((most, when_full)),
        _ => None,
    };
    Limits { idle: file.idle.map(|d| d.0), absolute: file.absolute.map(|d| d.0), at_once, rules: None }
}

/// Sessions seen this recently need no new mark: idle limits are minutes.
const SEEN_RESOLUTION: std::time::Duration = std::time::Duration::from_secs(1);

impl RequestControl for Sessions {
    fn decide(&self, request: &RequestHead, facts: &Facts) -> Verdict {
        match &request.identity {
            Identity::Ended { reason, .. } if !open_without_session(request) => {
                self.by_its_rule(Denial::new(reason_for(*reason)), *reason, request.role).into()
            }
            Identity::Session { key, record } => {
                let limits = self.limits(request.role);
                let expired = limits.expired(facts.now.since(record.last_seen), facts.now.since(record.started));
                if let Some(reason) = expired {
                    let effect = Effect::Ended { key: *key, reason, at: facts.now };
                    if open_without_session(request) {
                        return Verdict::AllowThen(effect);
                    }
                    let denial = Denial { effect: Some(effect), ..Denial::new(reason_for(reason)) };
                    return self.by_its_rule(denial, reason, request.role).into();
                }
                if request.route.background || facts.now.since(record.last_seen) < SEEN_RESOLUTION {
                    return Verdict::Allow;
                }
                Verdict::AllowThen(Effect::Seen { key: *key, at: facts.now })
            }
            _ => Verdict::NotApplicable,
        }
    }
}

impl SignInControl for Sessions {
    fn decide(&self, sign_in: &SignIn, facts: &Facts) -> Verdict {
        let last = facts.sign_in.and_then(|known| known.last_sign_in);
        let unused = |limit| last.is_some_and(|last| facts.now.since(last) > limit);
        if self.inactive_after.is_some_and(unused) {
            let (key, record) = (sign_in.key, sign_in.record.clone());
            let effect = Effect::Refused { key, record, reason: EndReason::Inactive };
            return Denial { effect: Some(effect), ..Denial::new(INACTIVE) }.by(&self.inactive).into();
        }
        Verdict::AllowThen(Effect::SignedIn {
            key: sign_in.key,
            record: sign_in.record.clone(),
            at_once: self.limits(sign_in.role).at_once(),
        })
    }

    fn is_full(&self, sign_in: &SignIn) -> Option<Denial> {
        let limits = self.limits(sign_in.role);
        limits.at_once.map(|_| self.by_its_rule(Denial::new(FULL), EndReason::Refused, sign_in.role))
    }
}

impl Sessions {
    fn limits(&self, role: RoleId) -> &Limits {
        &self.per_role[role.index()]
    }

    /// The refusal by the rule that ended a session, where one did.
    fn by_its_rule(&self, denial: Denial, reason: EndReason, role: RoleId) -> Denial {
        let rules = self.limits(role).rules.as_ref();
        let rule = match reason {
            EndReason::Idle => rules.map(|r| &r.idle),
            EndReason::Absolute => rules.map(|r| &r.absolute),
            EndReason::Displaced | EndReason::Refused => rules.map(|r| &r.at_once),
            EndReason::Inactive => Some(&self.inactive),
            EndReason::Revoked | EndReason::SignedOut | EndReason::Rotated => None,
        };
        match rule {
            Some(rule) => denial.by(rule),
            None => denial,
        }
    }
}

impl Limits {
    fn expired(&self, unused: std::time::Duration, age: std::time::Duration) -> Option<EndReason> {
        if self.absolute.is_some_and(|limit| age >= limit) {
            Some(EndReason::Absolute)
        } else if self.idle.is_some_and(|limit| unused >= limit) {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    fn at_once(&self) -> Option<AtOnce> {
        self.at_once.map(|(most, when_full)| AtOnce { most, when_full, idle: self.idle, absolute: self.absolute })
    }
}

fn open_without_session(request: &RequestHead) -> bool {
    request.route.sign_in_page
        || request
            .route
            .classes()
            .any(|c| matches!(c, Class::Login | Class::Static | Class::PasswordReset | Class::SignUp))
}

/// The reason that tells a person how their session ended.
#[must_use]
pub fn reason_for(reason: EndReason) -> &'static crate::decision::Reason {
    match reason {
        EndReason::Idle => IDLE,
        EndReason::Absolute => ABSOLUTE,
        EndReason::Displaced => DISPLACED,
        EndReason::Revoked => REVOKED,
        EndReason::Refused => FULL,
        EndReason::Inactive => INACTIVE,
        EndReason::SignedOut | EndReason::Rotated => ENDED,
    }
}
