//! The loops that run the controls. Nothing else calls a control, so recording what it found,
//! honouring shadow mode and stopping at the first refusal cannot be forgotten by its author.
//!
//! ```text
//! head -> identity -> route -> facts -> [request controls] -> permit -> effects -> app
//!      <- [response controls] <- head of the answer <- (sign-in? [sign-in controls])
//! ```

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::controls::masking::Masked;
use crate::controls::{Facts, HeaderEdit, ResponseHead, Sent, embedding};
use crate::decision::{Denial, Evidence, Finding, PolicyLine, Reason, Verdict, protocol};
use crate::identity::{Identity, SignIn, role_of};
use crate::policy::Policy;
use crate::policy::compile::Guard;
use crate::policy::file::{Mode, Unclassified};
use crate::request::{RequestHead, Wants};
use crate::route::{Area, Matched};
use crate::store::{Effect, SessionKey, SessionRecord};

/// What the controls left behind: findings for the record, effects for the store.
#[derive(Debug, Default)]
pub struct Trail {
    /// What each control found; those that had nothing to say are not in it.
    pub findings: SmallVec<[Finding; 4]>,
    /// What is to be remembered.
    pub effects: SmallVec<[Effect; 2]>,
}

impl Trail {
    /// Notes a refusal that comes before or beside the controls.
    pub fn refuse(&mut self, control: &'static str, reason: &'static Reason, evidence: Evidence) {
        let denial = Some((reason, evidence));
        self.findings.push(Finding { control, mode: Mode::Enforce, denial, at: PolicyLine(0), rule: None });
    }
}

impl Trail {
    /// Notes what would have been refused before or beside the controls, under `mode: shadow`.
    pub fn observe(&mut self, control: &'static str, reason: &'static Reason) {
        let denial = Some((reason, Evidence::None));
        self.findings.push(Finding { control, mode: Mode::Shadow, denial, at: PolicyLine(0), rule: None });
    }
}

/// Leave to ask the app. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Permit(());

/// Runs the request controls.
///
/// # Errors
/// The first refusal; effects that belong to it are on the trail.
pub fn admit(policy: &Policy, request: &RequestHead, facts: &Facts, trail: &mut Trail) -> Result<Permit, Box<Denial>> {
    if request.route.stray_credentials && request.route.login.is_none() {
        return Err(refused("identity", protocol::STRAY_CREDENTIALS, trail));
    }
    if policy.unclassified == Unclassified::Deny && !request.route.known {
        match policy.mode {
            Mode::Enforce => return Err(refused("route", protocol::UNCLASSIFIED, trail)),
            Mode::Shadow => trail.observe("route", protocol::UNCLASSIFIED),
            Mode::Off => {}
        }
    }
    if request.route.needs_session && !matches!(request.identity, Identity::Session { .. }) {
        return Err(refused("identity", protocol::SESSION_NEEDED, trail));
    }
    run(&policy.guards(request.route.channel).request, trail, |control| control.decide(request, facts))?;
    Ok(Permit(()))
}

/// Runs the controls that know what the virus scanner said of the request's files.
///
/// # Errors
/// The first refusal.
pub fn scanned(
    policy: &Policy,
    request: &RequestHead,
    permit: Permit,
    trail: &mut Trail,
) -> Result<Permit, Box<Denial>> {
    run(&policy.guards(request.route.channel).scanned, trail, |control| control.decide(request))?;
    Ok(permit)
}

/// Has the controls change what is sent that ask for it, and says how many values were changed.
///
/// # Errors
/// The refusal of what should be changed and cannot be.
pub fn edit(
    policy: &Policy,
    request: &RequestHead,
    sent: &mut Sent<'_>,
    permit: Permit,
    trail: &mut Trail,
) -> Result<(Permit, u32), Box<Denial>> {
    let mut changed = 0;
    // Shadow never changes a byte.
    for guard in policy.guards(request.route.channel).edit.iter().filter(|g| g.mode == Mode::Enforce) {
        match guard.control.edit(request, sent) {
            Ok(values) => changed += values,
            Err(denial) => settle(guard, Verdict::Deny(denial), trail)?,
        }
    }
    Ok((permit, changed))
}

/// Whether a control must see the whole of what a request sends, also where its route reads none of it.
#[must_use]
pub fn reads(policy: &Policy, request: &RequestHead) -> bool {
    let mut guards = policy.guards(request.route.channel).edit.iter().filter(|g| g.mode == Mode::Enforce);
    guards.any(|g| g.control.reads(request))
}

fn refused(control: &'static str, reason: &'static Reason, trail: &mut Trail) -> Box<Denial> {
    trail.refuse(control, reason, Evidence::None);
    Box::new(Denial::new(reason))
}

/// Runs the sign-in controls on a sign-in that the app accepted. When all agree, the trail holds
/// exactly one [`Effect::SignedIn`].
///
/// # Errors
/// The first refusal.
pub fn accept_sign_in(policy: &Policy, sign_in: &SignIn, facts: &Facts, trail: &mut Trail) -> Result<(), Box<Denial>> {
    run(&policy.guards.sign_in, trail, |control| control.decide(sign_in, facts))?;
    if !trail.effects.iter().any(|e| matches!(e, Effect::SignedIn { .. })) {
        // No control armed: the session is known all the same, or nobody would have a role.
        trail.effects.push(Effect::SignedIn { key: sign_in.key, record: sign_in.record.clone(), at_once: None });
    }
    Ok(())
}

/// The refusal of a sign-in for which the store found no room left.
#[must_use]
pub fn full(policy: &Policy, sign_in: &SignIn, trail: &mut Trail) -> Option<Box<Denial>> {
    let mut guards = policy.guards.sign_in.iter();
    let (guard, denial) = guards.find_map(|g| g.control.is_full(sign_in).map(|denial| (g, denial)))?;
    settle(guard, denial.into(), trail).err()
}

/// Runs the response controls and returns the changes they ask for.
///
/// # Errors
/// The first refusal: nothing of the answer may then reach the client.
pub fn answer(
    policy: &Policy,
    request: &RequestHead,
    response: &mut ResponseHead<'_>,
    trail: &mut Trail,
) -> Result<Vec<HeaderEdit>, Box<Denial>> {
    let mut asked = Vec::new();
    for guard in &policy.guards(request.route.channel).response {
        response.edits.clear();
        let verdict = guard.control.decide(request, response);
        settle(guard, verdict, trail)?;
        // Shadow never changes a byte.
        if guard.mode == Mode::Enforce {
            asked.append(&mut response.edits);
        }
    }
    asked.extend(policy.in_frames.then(|| embedding::cookies_for_frames(response.headers)).flatten());
    Ok(asked)
}

/// The changes that let the sites of the policy, and no other, show a refusal in a frame: it stands where the app's own
/// answer would have been.
#[must_use]
pub fn framing(policy: &Policy, request: &RequestHead, status: StatusCode, headers: &HeaderMap) -> Vec<HeaderEdit> {
    let mut response = ResponseHead { status, headers, edits: Vec::new() };
    let guards = &policy.guards(request.route.channel).response;
    for guard in guards.iter().filter(|g| g.spec.name == embedding::SPEC.name && g.mode == Mode::Enforce) {
        // It refuses nothing.
        let _ = guard.control.decide(request, &mut response);
    }
    response.edits
}

/// Says what is hidden from whoever asks.
#[must_use]
pub fn masks<'p>(policy: &'p Policy, request: &RequestHead) -> Option<(&'p Arc<Masked>, Mode)> {
    policy.guards(request.route.channel).body.iter().find_map(|g| Some((g.control.masks(request)?, g.mode)))
}

/// The end of a session whose time is up, if it is: the same rule that its next request would meet.
#[must_use]
pub fn ended_by_time(policy: &Policy, key: SessionKey, record: &Arc<SessionRecord>, now: Timestamp) -> Option<Effect> {
    let identity = Identity::Session { key, record: record.clone() };
    let request = RequestHead {
        method: http::Method::GET,
        client: record.address,
        secure: true,
        wants: Wants::Data,
        area: Area::default(),
        route: Matched { background: true, ..Matched::default() },
        upgrades: false,
        files: Vec::new(),
        role: role_of(&policy.roles, &identity),
        identity,
    };
    let facts = Facts { now, ..Facts::default() };
    let guard = policy.guards.request.iter().find(|g| g.spec.name == "sessions" && g.mode == Mode::Enforce)?;
    match guard.control.decide(&request, &facts) {
        Verdict::Deny(denial) => denial.effect,
        _ => None,
    }
}

fn run<C: ?Sized>(guards: &[Guard<C>], trail: &mut Trail, decide: impl Fn(&C) -> Verdict) -> Result<(), Box<Denial>> {
    for guard in guards {
        settle(guard, decide(&guard.control), trail)?;
    }
    Ok(())
}

fn settle<C: ?Sized>(guard: &Guard<C>, verdict: Verdict, trail: &mut Trail) -> Result<(), Box<Denial>> {
    let finding = |denial| Finding { control: guard.spec.name, mode: guard.mode, denial, at: guard.at, rule: None };
    match verdict {
        Verdict::NotApplicable => {}
        Verdict::Allow => trail.findings.push(finding(None)),
        Verdict::AllowThen(effect) => {
            trail.findings.push(finding(None));
            // What is only observed must still be known; what would limit must not.
            trail.effects.push(if guard.mode == Mode::Enforce { effect } else { without_limit(effect) });
        }
        Verdict::Deny(denial) => {
            let mut found = finding(Some((denial.reason, denial.evidence.clone())));
            if let Some(rule) = &denial.rule {
                (found.at, found.rule) = (rule.at, Some(rule.name.clone()));
            }
            trail.findings.push(found);
            if guard.mode == Mode::Enforce {
                trail.effects.extend(denial.effect.clone());
                return Err(denial);
            }
        }
    }
    Ok(())
}

fn without_limit(effect: Effect) -> Effect {
    match effect {
        Effect::SignedIn { key, record, .. } => Effect::SignedIn { key, record, at_once: None },
        // A session that would have ended goes on; its activity is marked so that it stays known.
        Effect::Ended { key, at, .. } => Effect::Seen { key, at },
        other => other,
    }
}
