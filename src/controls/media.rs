//! Attachment links open only for somebody who is signed in on this device (B23's neighbour B24).
//!
//! For a request of class `media`:
//! 1. `open_with: anyone` asks nothing;
//! 2. `open_with: session_on_this_device` asks for a live session, whoever's it is;
//! 3. a program needs a key that the policy lists (`programs: listed`, the default), any credential
//!    (`any`: the app checks it itself), or is refused (`deny`). A credential that nobody checked
//!    opens nothing: the apps' own media links often ask for none.
//!
//! A person without a session is sent to the sign-in page, and from there to the file; a script or
//! an `<img>` gets 401.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl};
use crate::decision::{Denial, RuleAt, Verdict, reasons};
use crate::identity::Identity;
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::profile::Class;
use crate::request::RequestHead;

/// Who can open attachment links.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Media")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// What it takes: `anyone` or `session_on_this_device`.
    pub open_with: OpenWith,
    /// What a person without a session gets: `sign_in` (the sign-in page, then the file) or `deny`.
    #[serde(default)]
    pub for_visitors: ForVisitors,
    /// Which programs may fetch files: `listed`, `any` or `deny`.
    #[serde(default)]
    pub programs: Programs,
}

/// What it takes to open a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenWith {
    /// Nothing but the link.
    Anyone,
    /// A live session of the device that asks.
    SessionOnThisDevice,
}

/// What a person without a session gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForVisitors {
    /// The sign-in page, and then the file.
    #[default]
    SignIn,
    /// A refusal.
    Deny,
}

/// Which programs may fetch files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Programs {
    /// Those whose key the policy lists.
    #[default]
    Listed,
    /// Those with any credential; right only where the app checks it for every file.
    Any,
    /// None.
    Deny,
}

reasons! {
    /// Rule 2, for people who can sign in.
    SIGN_IN = "media.sign_in", 401, "This file opens only on a device that is signed in.", "Sign in, then open the link again.";
    /// Rule 2 under `for_visitors: deny`, and rule 3.
    DENIED = "media.denied", 403, "This file cannot be opened without being signed in.", "Open it from within the helpdesk.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "media",
    summary: "Lets attachment links open only on a device that is signed in.",
    reasons: REASONS,
    arm,
};

struct Media {
    for_visitors: ForVisitors,
    programs: Programs,
    rules: Rules,
}

struct Rules {
    for_visitors: RuleAt,
    programs: RuleAt,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.media.as_ref()?;
    if file.open_with == OpenWith::Anyone {
        return None;
    }
    if !arming.names.has_class(Class::Media) {
        arming.problems.warning("media", "the profile has no route of class media, so this control never applies");
    }
    let rules = Rules { for_visitors: arming.rule("media.for_visitors"), programs: arming.rule("media.programs") };
    let control = Media { for_visitors: file.for_visitors, programs: file.programs, rules };
    Some(Armed { request: Some(Box::new(control)), ..Armed::new("media", arming.mode(file.mode)) })
}

impl RequestControl for Media {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        if !request.route.is(Class::Media) {
            return Verdict::NotApplicable;
        }
        match (&request.identity, self.programs) {
            (Identity::Session { .. }, _)
            | (Identity::Program { .. }, Programs::Any)
            | (Identity::Program { key: Some(_), .. }, Programs::Listed) => Verdict::Allow,
            (Identity::Program { .. }, _) => Denial::new(DENIED).by(&self.rules.programs).into(),
            _ if self.for_visitors == ForVisitors::SignIn => Denial::new(SIGN_IN).by(&self.rules.for_visitors).into(),
            _ => Denial::new(DENIED).by(&self.rules.for_visitors).into(),
        }
    }
}
