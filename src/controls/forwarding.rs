//! To whom the app may send what it holds (B10, B8).
//!
//! The addresses are where the profile says (`to:` of a route), in the query and in the body.
//! 1. On routes of the classes in `applies_to` (absent: `forward`, `cc`, `collaborator`, `transcript`
//!    and `change_customer_email`), every address must match one of `only_to`.
//! 2. On every route, no address may match one of `never_to`; `boss+x@` counts as `boss@`. So a
//!    ticket for such an address cannot be opened either.
//! 3. A list that mail programs read in different ways is refused: comments, groups, routes, quoted
//!    mailboxes, encoded words, more than 100 addresses.
//!
//! The name of an account in the place of an address meets rule 1 only: whose address it stands for
//! is not known here.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Armed, ControlSpec, Facts, RequestControl};
use crate::decision::{Denial, Evidence, Verdict, reasons};
use crate::mail::{AddressPattern, Recipient, recipients};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::profile::Class;
use crate::policy::types::{AnyOrListed, OneOrMany};
use crate::request::RequestHead;

/// To whom the app may send what it holds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Forwarding")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// The only addresses allowed: `legal@counsel.example`, `*@partner.example`, `*@*.example`, or
    /// `any`.
    pub only_to: Option<AnyOrListed>,
    /// Addresses that are never allowed: `*noreply*@*`.
    pub never_to: Option<OneOrMany<String>>,
    /// The classes that `only_to` holds for. Absent: `forward`, `cc`, `collaborator`,
    /// `transcript`, `change_customer_email`.
    pub applies_to: Option<Vec<Class>>,
}

reasons! {
    /// Rule 1.
    ONLY_TO = "forwarding.only_to", 422, "This cannot be sent to that address.", "Choose one of the addresses that are allowed.";
    /// Rule 2.
    NEVER_TO = "forwarding.never_to", 422, "Nothing may be sent to that address.", "Choose another address.";
    /// Rule 3.
    UNREADABLE = "forwarding.unreadable", 422, "The addresses are not written in the plain way.",
        "Write them as name@company.example, separated by commas.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "forwarding",
    summary: "Lets the app send tickets only to the addresses that are allowed.",
    reasons: REASONS,
    arm,
};

/// What `only_to` holds for unless the policy says otherwise.
const APPLIES_TO: [Class; 5] =
    [Class::Forward, Class::Cc, Class::Collaborator, Class::Transcript, Class::ChangeCustomerEmail];

struct Forwarding {
    only_to: Option<Vec<AddressPattern>>,
    /// `only_to` for the person who is refused.
    allowed: Arc<str>,
    never_to: Vec<AddressPattern>,
    applies_to: Vec<Class>,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.forwarding.as_ref()?;
    let only_to = match &file.only_to {
        None | Some(AnyOrListed::Any) => None,
        Some(AnyOrListed::Listed(list)) => Some(patterns("forwarding.only_to", list, arming)),
    };
    let never_to = file.never_to.as_ref().map(|list| patterns("forwarding.never_to", list, arming)).unwrap_or_default();
    let applies_to = applies_to(file, arming);
    if only_to.is_none() && never_to.is_empty() {
        return None;
    }
    let allowed = only_to.iter().flatten().map(AddressPattern::text).collect::<Vec<_>>().join(", ").into();
    let control = Forwarding { only_to, allowed, never_to, applies_to };
    Some(Armed { request: Some(Box::new(control)), ..Armed::new("forwarding", arming.mode(file.mode)) })
}

fn patterns(path: &str, list: &OneOrMany<String>, arming: &mut Arming<'_>) -> Vec<AddressPattern> {
    if list.as_slice().is_empty() {
        arming.problems.error(path, "an empty list says nothing; name at least one address, or leave the key out");
    }
    let mut patterns = Vec::new();
    for (path, text) in list.placed(path) {
        match AddressPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(wrong) => arming.problems.error(path, wrong),
        }
    }
    patterns
}

fn applies_to(file: &File, arming: &mut Arming<'_>) -> Vec<Class> {
    let Some(classes) = &file.applies_to else { return APPLIES_TO.to_vec() };
    for (index, class) in classes.iter().enumerate() {
        let names_one =
            |(_, route): &(&str, &crate::policy::profile::RouteFile)| route.is == *class && route.to.is_some();
        if !arming.names.routes().iter().any(names_one) {
            let message =
                format!("no route of class {} in the profile says where its addresses are (to:)", class.as_str());
            arming.problems.warning(format!("forwarding.applies_to[{index}]"), message);
        }
    }
    classes.clone()
}

impl RequestControl for Forwarding {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let mut any = false;
        for (class, text) in &request.route.recipients {
            let all = match recipients(text) {
                Ok(all) => all,
                Err(how) => return Denial::because(UNREADABLE, Evidence::Unreadable(how)).into(),
            };
            any |= !all.is_empty();
            for recipient in all {
                if let Some(reason) = self.refuses(*class, &recipient) {
                    let allowed = if reason == ONLY_TO { self.allowed.clone() } else { "".into() };
                    return Denial::because(reason, Evidence::Recipient { refused: recipient, allowed }).into();
                }
            }
        }
        if any { Verdict::Allow } else { Verdict::NotApplicable }
    }
}

impl Forwarding {
    fn refuses(&self, class: Class, recipient: &Recipient) -> Option<&'static crate::decision::Reason> {
        let only_to = self.only_to.as_ref().filter(|_| self.applies_to.contains(&class));
        match recipient {
            Recipient::Address(address) => {
                let never = self.never_to.iter().any(|p| p.matches_tagged(address));
                let only = only_to.is_some_and(|list| !list.iter().any(|p| p.matches(address)));
                if never { Some(NEVER_TO) } else { only.then_some(ONLY_TO) }
            }
            Recipient::Account(_) => only_to.map(|_| ONLY_TO),
        }
    }
}
