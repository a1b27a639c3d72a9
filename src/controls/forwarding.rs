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
//! 4. With `customer_details: remove` (B7), the fields that the profile calls `details` are emptied,
//!    mail addresses in its `text` become `[e-mail]` and the digits of other personal data X, and the
//!    app's own switch is set (`without_details`). Only forms can be changed: what should be taken out
//!    of a query or of JSON is refused. What the app itself adds to a mail is out of sight.
//!
//! The name of an account in the place of an address meets rule 1 only: whose address it stands for
//! is not known here.

use std::cell::Cell;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, EditControl, Facts, RequestControl, Sent};
use crate::body::{Body, Fields};
use crate::decision::{Denial, Evidence, Reason, RuleAt, Verdict, reasons};
use crate::detect::{Detectors, FieldKind, Settings};
use crate::mail::{AddressPattern, Recipient, recipients};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::phrase::Source;
use crate::policy::profile::{Class, RouteFile};
use crate::policy::types::{AnyOrListed, OneOrMany};
use crate::request::{RequestHead, Values};
use crate::route::Removal;

/// To whom the app may send what it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Forwarding")]
pub struct File {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// The only addresses allowed: `legal@counsel.example`, `*@partner.example`, `*@*.example`, or
    /// `any`.
    pub only_to: Option<AnyOrListed>,
    /// Addresses that are never allowed, such as `[*noreply*@*, *no-reply*@*]`.
    pub never_to: Option<OneOrMany<String>>,
    /// The classes that `only_to` holds for. Absent: `forward`, `cc`, `collaborator`,
    /// `transcript`, `change_customer_email`.
    pub applies_to: Option<Vec<Class>>,
    /// Whether details of the customer may go out in what agents write: `keep` or `remove`. What the app
    /// adds by itself, such as a quoted conversation, is not seen. Default `keep`.
    pub customer_details: CustomerDetails,
}

/// Whether details of the customer may go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CustomerDetails {
    /// What is sent stays as it is.
    #[default]
    Keep,
    /// They are taken out.
    Remove,
}

reasons! {
    /// Rule 1.
    ONLY_TO = "forwarding.only_to", 422, "This cannot be sent to that address.", "Choose one of the addresses that are allowed.";
    /// Rule 2.
    NEVER_TO = "forwarding.never_to", 422, "Nothing may be sent to that address.", "Choose another address.";
    /// Rule 3.
    UNREADABLE = "forwarding.unreadable", 422, "The addresses are not written in the plain way.",
        "Write them as name@company.example, separated by commas.";
    /// Rule 4, for what cannot be changed.
    DETAILS = "forwarding.details", 422, "Details of the customer cannot be taken out of what was sent.",
        "Send it from the page's own form, or leave them out.";
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
    rules: Rules,
}

struct Rules {
    only_to: RuleAt,
    never_to: RuleAt,
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = arming.file.forwarding.as_ref()?;
    let only_to = match &file.only_to {
        None | Some(AnyOrListed::Any) => None,
        Some(AnyOrListed::Listed(list)) => Some(patterns("forwarding.only_to", list, arming)),
    };
    let never_to = file.never_to.as_ref().map(|list| patterns("forwarding.never_to", list, arming)).unwrap_or_default();
    let applies_to = applies_to(file, arming);
    let removes = removes(file, arming);
    if only_to.is_none() && never_to.is_empty() && removes.is_none() {
        return None;
    }
    let allowed = only_to.iter().flatten().map(AddressPattern::text).collect::<Vec<_>>().join(", ").into();
    let rules = Rules { only_to: arming.rule("forwarding.only_to"), never_to: arming.rule("forwarding.never_to") };
    let control = Forwarding { only_to, allowed, never_to, applies_to, rules };
    let edit = removes.map(|r| Box::new(r) as Box<dyn EditControl>);
    Some(Armed { request: Some(Box::new(control)), edit, ..Armed::new("forwarding", arming.mode(file.mode)) })
}

/// What takes details out, if the policy asks for that.
fn removes(file: &File, arming: &mut Arming<'_>) -> Option<Removes> {
    if file.customer_details == CustomerDetails::Keep {
        return None;
    }
    let says = |r: &RouteFile| r.details.is_some() || r.text.is_some() || r.without_details.is_some();
    let sends = |r: &RouteFile| r.is == Class::Forward || r.is == Class::Transcript;
    let routes = arming.names.routes();
    let silent: Vec<&str> = routes.iter().filter(|(_, r)| sends(r) && !says(r)).map(|(name, _)| *name).collect();
    let none = !arming.names.routes().iter().any(|(_, r)| says(r));
    if none || !silent.is_empty() {
        let which = if none { "any route".to_owned() } else { silent.join(", ") };
        let message =
            format!("the profile does not say what could be taken out of {which} (details:, text:, without_details:)");
        arming.problems.warning("forwarding.customer_details", message);
    }
    let regions = arming.file.personal_data.regions.clone();
    let settings = Settings { email: true, phone: true, iban: true, card: true, regions, ..Settings::default() };
    match Detectors::new(&settings) {
        Ok(detectors) => Some(Removes { detectors, rule: arming.rule("forwarding.customer_details") }),
        Err(problem) => {
            arming.problems.error("personal_data.regions", told(&problem));
            None
        }
    }
}

fn told(problem: &crate::detect::Problem) -> String {
    match problem {
        crate::detect::Problem::Region(name) => {
            format!("no region is called \"{name}\"; write two capital letters, such as DE")
        }
        crate::detect::Problem::Pattern(name, wrong) => format!("the pattern {name} cannot be used: {wrong}"),
    }
}

struct Removes {
    detectors: Detectors,
    rule: RuleAt,
}

impl EditControl for Removes {
    fn edit(&self, request: &RequestHead, sent: &mut Sent<'_>) -> Result<u32, Box<Denial>> {
        let mut changed = 0;
        for removal in &request.route.removals {
            let reached = match &mut sent.body {
                Some(Body::Form(fields)) if !self.stands_in(removal, sent.query, None) => {
                    changed += self.take_out(removal, fields);
                    true
                }
                Some(Body::Form(_)) => false,
                other => {
                    let left_out = |(name, value): &(String, String)| sent.query.all(name).eq([value.as_str()]);
                    removal.without.as_ref().is_none_or(left_out)
                        && !self.stands_in(removal, sent.query, other.as_deref())
                }
            };
            if !reached {
                return Err(Box::new(Denial::new(DETAILS).by(&self.rule)));
            }
        }
        Ok(changed)
    }
}

impl Removes {
    /// Whether something to be taken out stands here, where nothing can be changed.
    fn stands_in(&self, removal: &Removal, query: &Fields, body: Option<&Body>) -> bool {
        let unreadable = Cell::new(None);
        let values = Values { captures: &[], query, body, header: &|_| None, unreadable: &unreadable };
        removal.details.iter().any(|s| values.any(s, |value| !value.trim().is_empty()))
            || removal.texts.iter().any(|s| values.any(s, |text| self.masked(text).is_some()))
    }

    fn take_out(&self, removal: &Removal, fields: &mut Fields) -> u32 {
        let mut changed = 0;
        let mut change = |value: &mut String, new: String| {
            changed += u32::from(*value != new);
            *value = new;
        };
        for name in removal.details.iter().filter_map(Source::form_field) {
            fields.all_mut(name).for_each(|value| change(value, String::new()));
        }
        for name in removal.texts.iter().filter_map(Source::form_field) {
            fields.all_mut(name).for_each(|value| {
                if let Some(masked) = self.masked(value) {
                    change(value, masked);
                }
            });
        }
        if let Some((name, value)) = &removal.without {
            let mut there = false;
            fields.all_mut(name).for_each(|old| {
                there = true;
                change(old, value.clone());
            });
            if !there {
                fields.0.push((name.clone(), value.clone()));
                changed += 1;
            }
        }
        changed
    }

    /// The text without personal data; `None` when there is none in it.
    fn masked(&self, text: &str) -> Option<String> {
        let (mut out, mut done) = (String::new(), 0);
        self.detectors.find(text, &mut |found| {
            out.push_str(&text[done..found.range.start]);
            match found.field {
                FieldKind::Email => out.push_str("[e-mail]"),
                _ => out.extend(text[found.range.clone()].chars().map(|c| if c.is_numeric() { 'X' } else { c })),
            }
            done = found.range.end;
        });
        (done > 0).then(|| out + &text[done..])
    }
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
        let names_one = |(_, route): &(&str, &RouteFile)| route.is == *class && route.to.is_some();
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
                Err(how) => {
                    let denial = Denial::because(UNREADABLE, Evidence::Unreadable(how));
                    return denial.by(&self.rules.only_to).into();
                }
            };
            any |= !all.is_empty();
            for recipient in all {
                if let Some(reason) = self.refuses(*class, &recipient) {
                    let allowed = if reason == ONLY_TO { self.allowed.clone() } else { "".into() };
                    let rule = if reason == ONLY_TO { &self.rules.only_to } else { &self.rules.never_to };
                    return Denial::because(reason, Evidence::Recipient { refused: recipient, allowed })
                        .by(rule)
                        .into();
                }
            }
        }
        if any { Verdict::Allow } else { Verdict::NotApplicable }
    }
}

impl Forwarding {
    fn refuses(&self, class: Class, recipient: &Recipient) -> Option<&'static Reason> {
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
