//! The controls, armed by the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::controls::{
    BodyControl, CONTROLS, ControlSpec, EditControl, RequestControl, ResponseControl, ScannedControl, SignInControl,
};
use crate::decision::{PolicyLine, RuleAt};
use crate::policy::file::{Mode, PolicyFile};
use crate::policy::names::Names;
use crate::policy::problem::Problems;

/// What a control may look at while it is compiled.
pub struct Arming<'a> {
    /// The policy as written.
    pub file: &'a PolicyFile,
    /// The names it defines.
    pub names: &'a Names<'a>,
    /// The line of the policy on which a path stands.
    pub line_of: &'a dyn Fn(&str) -> u32,
    /// Where to report what is wrong.
    pub problems: &'a mut Problems,
}

impl Arming<'_> {
    /// The mode of a control: its own, or the policy's.
    #[must_use]
    pub fn mode(&self, own: Option<Mode>) -> Mode {
        own.unwrap_or(self.file.mode)
    }

    /// The rule that the policy has at a path; where nothing is written there, what is written around it.
    #[must_use]
    pub fn rule(&self, path: impl Into<Arc<str>>) -> RuleAt {
        let name = path.into();
        RuleAt { at: PolicyLine((self.line_of)(&name)), name }
    }
}

/// One phase's part of an armed control.
pub struct Guard<C: ?Sized> {
    /// The control.
    pub spec: &'static ControlSpec,
    /// Whether it is enforced.
    pub mode: Mode,
    /// The line of the policy that armed it.
    pub at: PolicyLine,
    /// The part.
    pub control: Box<C>,
}

/// The armed controls, by phase, in the order of [`CONTROLS`].
#[derive(Default)]
pub struct Guards {
    /// Before the app is asked.
    pub request: Vec<Guard<dyn RequestControl>>,
    /// When files were scanned.
    pub scanned: Vec<Guard<dyn ScannedControl>>,
    /// When all agreed, and something may be changed.
    pub edit: Vec<Guard<dyn EditControl>>,
    /// When the app accepted a sign-in.
    pub sign_in: Vec<Guard<dyn SignInControl>>,
    /// When the app has answered.
    pub response: Vec<Guard<dyn ResponseControl>>,
    /// In the body of the answer.
    pub body: Vec<Guard<dyn BodyControl>>,
}

impl Guards {
    /// The names of the armed controls, each once however many phases it has parts in.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&'static str> {
        self.modes().into_keys().collect()
    }

    /// The armed controls, each with its mode.
    #[must_use]
    pub fn modes(&self) -> BTreeMap<&'static str, Mode> {
        fn of<C: ?Sized>(guards: &[Guard<C>]) -> impl Iterator<Item = (&'static str, Mode)> {
            guards.iter().map(|g| (g.spec.name, g.mode))
        }
        let before = of(&self.request).chain(of(&self.scanned)).chain(of(&self.edit));
        before.chain(of(&self.sign_in)).chain(of(&self.response)).chain(of(&self.body)).collect()
    }
}

/// Arms every control that the policy asks for.
pub(super) fn arm(
    file: &PolicyFile,
    names: &Names<'_>,
    line_of: &dyn Fn(&str) -> u32,
    problems: &mut Problems,
) -> Guards {
    let mut guards = Guards::default();
    for spec in CONTROLS {
        let Some(armed) = (spec.arm)(&mut Arming { file, names, line_of, problems }) else { continue };
        let (mode, at) = (armed.mode, PolicyLine(line_of(armed.path)));
        if mode == Mode::Off {
            continue;
        }
        guards.request.extend(armed.request.map(|control| Guard { spec, mode, at, control }));
        guards.scanned.extend(armed.scanned.map(|control| Guard { spec, mode, at, control }));
        guards.edit.extend(armed.edit.map(|control| Guard { spec, mode, at, control }));
        guards.sign_in.extend(armed.sign_in.map(|control| Guard { spec, mode, at, control }));
        guards.response.extend(armed.response.map(|control| Guard { spec, mode, at, control }));
        guards.body.extend(armed.body.map(|control| Guard { spec, mode, at, control }));
    }
    guards
}
