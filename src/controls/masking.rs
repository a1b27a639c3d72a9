//! Who sees X instead of digits.
//!
//! 1. A rule hides fields from roles, on pages of all classes but `static`, or on those that `on` names. What of an
//!    answer is such a field, the profile tells (`fields:`), and detectors find.
//! 2. When several rules hide one field, the strictest form wins.
//! 3. What cannot be read is refused (`cannot_parse`), and so is a connection that would become a tunnel. Of files on
//!    `media` routes only texts are read: a picture or a document passes, and the record says that it was not read;
//!    unless a rule names `media` under `on`.
//! 4. What comes back masked never replaces what it stands for (`on_save`), on any request that is no read: the original
//!    is put back, the field is left out where the profile says that this keeps it (`omitted: kept`), or the request is
//!    refused. Only what the profile names as `new_text` may quote a mask.
//! 5. Searching must not tell digit by digit what is hidden (`searching`): on class `customer_search` a whole
//!    number or address may be looked for, a part of one not.

mod compile;
mod head;
mod saving;
mod searching;

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, BodyControl, ControlSpec, EditControl, Facts, RequestControl, ResponseControl, ResponseHead, Sent};
use crate::body::rewrite::Rewriters;
use crate::decision::{self, Denial, PolicyLine, Reason, Verdict, reasons};
use crate::masking::Plan;
use crate::policy::file::Mode;
use crate::policy::profile::Class;
use crate::policy::types::OneOrMany;
use crate::request::RequestHead;

/// Fields that are hidden from roles.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Masking")]
pub struct RuleFile {
    /// `enforce`, `shadow` or `off`; absent: as the policy.
    pub mode: Option<Mode>,
    /// What it is called in your own words.
    pub name: Option<String>,
    /// The fields: `phone`, `email`, `iban`, `card`, a national id such as `de_tax_id`, a pattern of
    /// `personal_data.patterns`, or a field of the profile.
    pub hide: OneOrMany<String>,
    /// The roles that do not see them.
    pub from: OneOrMany<String>,
    /// The classes of pages on which they are hidden. Absent: all but `static`. On `media`, files that
    /// cannot be read pass unless it is named here.
    pub on: Option<OneOrMany<Class>>,
    /// What takes their place: `digits_to_X`, `email_partly` (`a***@***.com`), `pseudonym`, `remove`, `json_null`,
    /// or `{ fixed: "[hidden]" }`. Absent: `email_partly` for mail addresses, `{ fixed: "[hidden]" }` for fields
    /// that only the profile knows, `digits_to_X` for everything else.
    #[serde(rename = "as")]
    pub form: Option<FormFile>,
    /// With `digits_to_X`: how many digits stay at the end. Default 0.
    pub keep_last: Option<u8>,
    /// What a number in JSON becomes: `json_null` (the default) or `zero`.
    pub numbers: Option<NumbersFile>,
    /// Where to look for them: `everywhere` (the default), or at the `named_places` of the profile only, which is
    /// faster and sees no address that somebody wrote into a text.
    pub find: Option<FindFile>,
    /// Answers of a type that cannot be looked into, such as PDF: `block` (the default) or `pass_and_flag`. One that is
    /// a part, or not what its type and coding say, is refused in any case.
    pub cannot_parse: Option<CannotParse>,
    /// What happens when a mask comes back in a form or API call, outside of the profile's `new_text`: `restore` (the
    /// default) puts the original back, `drop_field` leaves the field out where the profile says `omitted: kept`,
    /// `refuse` refuses the request. What cannot be put back, or left out, is refused.
    pub on_save: Option<OnSave>,
    /// Searches on class `customer_search`: `exact_only` (the default) lets words, whole numbers and whole addresses be
    /// looked for, `deny` nothing, `free` anything. Apps find a number by its beginning, which may be a whole number
    /// too: limit `limits.per_class.customer_search` as well.
    pub searching: Option<Searching>,
}

impl RuleFile {
    /// The names of the fields that it hides, whatever its mode.
    pub fn hidden(&self) -> impl Iterator<Item = &str> {
        self.hide.as_slice().iter().map(String::as_str)
    }
}

/// What takes the place of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FormFile {
    /// Every digit is an X.
    #[serde(rename = "digits_to_X")]
    DigitsToX,
    /// The first letter and the end of the domain.
    #[serde(rename = "email_partly")]
    EmailPartly,
    /// A name that stands for the value, the same each time.
    #[serde(rename = "pseudonym")]
    Pseudonym,
    /// The field is left out.
    #[serde(rename = "remove")]
    Remove,
    /// `null` in JSON, nothing elsewhere.
    #[serde(rename = "json_null")]
    JsonNull,
    /// A text.
    #[serde(rename = "fixed")]
    Fixed(String),
}

/// What a number becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumbersFile {
    /// `null`
    JsonNull,
    /// `0`
    Zero,
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindFile {
    /// In every text.
    Everywhere,
    /// Where the profile says.
    NamedPlaces,
}

/// What happens to what cannot be looked into. The strictest comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CannotParse {
    /// It passes, and the record says so.
    PassAndFlag,
    /// It is refused.
    #[default]
    Block,
}

/// What happens to a mask that comes back. The strictest comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSave {
    /// The original is put back.
    #[default]
    Restore,
    /// The field is left out.
    DropField,
    /// The request is refused.
    Refuse,
}

/// What may be searched for. The strictest comes last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Searching {
    /// Anything.
    Free,
    /// Whole numbers and addresses, and words.
    #[default]
    ExactOnly,
    /// Nothing.
    Deny,
}

reasons! {
    /// Rule 5.
    SEARCH = "masking.search", 403, "Your role cannot search for a part of a number or address.",
        "Search for the whole number or address, or for a name.";
    /// Rule 5.
    NO_SEARCH = "masking.no_search", 403, "Your role does not allow searching customers.",
        "Ask somebody whose role allows it.";
    /// Rule 3, before the app is asked.
    TUNNEL = "masking.tunnel", 403, "This connection cannot be looked into, and your role does not see everything.",
        "Ask the contact below if the page does not work without it.";
    /// Rule 3, by the head of the answer.
    TYPE = "masking.type", 403, "This cannot be shown to your role, because details in a file of this kind cannot be hidden.",
        "Ask somebody whose role allows it.";
    /// Rule 3, by how the answer is coded or cut.
    CODING = "masking.coding", 502, "The helpdesk sent this page in a form that cannot be looked into.",
        "Try again; tell the contact below if it goes on.";
    /// Rule 4.
    SAVE = "masking.save", 409, "This form holds a value that is hidden from you, which would replace the real one.",
        "Leave that field as it is or empty, or ask somebody who sees it.";
    /// Rule 4, when what it stands for is not known any more, or could be two things.
    STALE = "masking.stale", 409, "This form holds a hidden value whose original is not known any more.",
        "Open the page again and repeat the change.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "masking",
    summary: "Hides fields from roles in everything the app answers, and keeps what is hidden from being saved over.",
    reasons: REASONS,
    arm: compile::arm,
};

/// What holds for one role on one kind of page.
pub struct Masked {
    /// What is hidden, and how.
    pub plan: Arc<Plan>,
    /// The same for each format.
    pub rewriters: Arc<Rewriters>,
    /// Answers that cannot be looked into.
    pub cannot_parse: CannotParse,
    /// Whether that holds for files on `media` routes too.
    pub files_too: bool,
    /// Masks that come back.
    pub on_save: OnSave,
    /// Searches.
    pub searching: Searching,
    /// The rules it comes from, at least one.
    pub rules: Vec<RuleAt>,
    /// The names of fields, by their ids.
    pub fields: Arc<[Box<str>]>,
}

impl Masked {
    /// The refusal of what would show, or lose, what is hidden: by the first of the rules that hide something here.
    #[must_use]
    pub fn refuses(&self, reason: &'static Reason) -> Denial {
        let rule = self.rules.first().map(|r| decision::RuleAt { name: r.name.clone(), at: PolicyLine(r.line) });
        Denial { rule, ..Denial::new(reason) }
    }
}

/// A rule, for records.
#[derive(Clone, Debug)]
pub struct RuleAt {
    /// Its place in the policy.
    pub place: u16,
    /// Its name.
    pub name: Arc<str>,
    /// Its line in the policy.
    pub line: u32,
}

pub use head::readable;

/// How many classes there are.
const CLASSES: usize = Class::Unclassified as usize + 1;

#[derive(Clone)]
struct Masking {
    /// For each role, the rules that hold on each class: a bit for each rule.
    rules: Vec<[u64; CLASSES]>,
    /// What a set of rules comes to.
    masked: HashMap<u64, Arc<Masked>>,
}

impl Masking {
    fn of(&self, request: &RequestHead) -> Option<&Arc<Masked>> {
        let by_class = self.rules.get(request.role.index())?;
        let rules = request.route.classes().fold(0, |rules, class| rules | by_class[class as usize]);
        self.masked.get(&rules)
    }

    /// What is hidden from the role on any page: what one page showed may come back on another.
    fn anywhere(&self, request: &RequestHead) -> Option<&Arc<Masked>> {
        let by_class = self.rules.get(request.role.index())?;
        self.masked.get(&by_class.iter().fold(0, |all, rules| all | rules))
    }
}

impl RequestControl for Masking {
    fn decide(&self, request: &RequestHead, _: &Facts) -> Verdict {
        let Some(masked) = self.of(request) else { return Verdict::NotApplicable };
        if request.upgrades {
            return masked.refuses(TUNNEL).into();
        }
        match request.route.searches.iter().find_map(|term| searching::refuses(masked, term)) {
            Some(reason) => masked.refuses(reason).into(),
            None => Verdict::Allow,
        }
    }
}

impl EditControl for Masking {
    fn reads(&self, request: &RequestHead) -> bool {
        saving::saves(request) && self.anywhere(request).is_some()
    }

    fn edit(&self, request: &RequestHead, sent: &mut Sent<'_>) -> Result<u32, Box<Denial>> {
        let Some(masked) = self.anywhere(request).filter(|_| saving::saves(request)) else { return Ok(0) };
        saving::put_back(masked, &request.route, sent).map_err(|reason| Box::new(masked.refuses(reason)))
    }
}

impl ResponseControl for Masking {
    fn decide(&self, request: &RequestHead, response: &mut ResponseHead<'_>) -> Verdict {
        match self.of(request) {
            Some(masked) => head::decide(masked, request, response),
            None => Verdict::NotApplicable,
        }
    }
}

impl BodyControl for Masking {
    fn masks(&self, request: &RequestHead) -> Option<&Arc<Masked>> {
        self.of(request)
    }
}
