//! The controls. Each is one file: its rule, its written form, its compiled form, its decision and
//! its reasons. A control decides synchronously and purely: it is handed what it may know, and
//! returns a [`Verdict`]. `docs/adding-a-control.md` tells how to add one.

pub mod access;
pub mod changes;
pub mod embedding;
pub mod exports;
pub mod forwarding;
pub mod limits;
pub mod masking;
pub mod media;
pub mod sessions;
pub mod uploads;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::body::multipart::FilePart;
use crate::body::{Body, Fields};
use crate::clock::Timestamp;
use crate::decision::{Denial, Reason, Verdict};
use crate::identity::SignIn;
use crate::masking::{Originals, Pseudonyms};
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::request::RequestHead;
use crate::store::SignInKnown;

/// What is known beyond the request itself, gathered before the controls decide.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The present.
    pub now: Timestamp,
    /// What the store knows of the account that signs in, when the request is a sign-in.
    pub sign_in: Option<SignInKnown>,
    /// Other sign-ins of the same account or address that the app has not answered yet.
    pub unanswered: limits::Unanswered,
    /// The rate that this request went over, if any.
    pub over_rate: Option<limits::OverRate>,
}

/// Decides on the head of a request, and on its body where the route needed it read.
pub trait RequestControl: Send + Sync {
    /// Decides.
    fn decide(&self, request: &RequestHead, facts: &Facts) -> Verdict;
}

/// Decides on a request whose files a virus scanner has seen.
pub trait ScannedControl: Send + Sync {
    /// Decides.
    fn decide(&self, request: &RequestHead) -> Verdict;
}

/// Changes what is sent before the app gets it.
pub trait EditControl: Send + Sync {
    /// Whether it must see the whole of what this request sends, also where its route reads none of it.
    fn reads(&self, _request: &RequestHead) -> bool {
        false
    }

    /// Changes the form, and says how many values were changed; or refuses what cannot be changed.
    ///
    /// # Errors
    /// Why it is refused.
    fn edit(&self, request: &RequestHead, sent: &mut Sent<'_>) -> Result<u32, Box<Denial>>;
}

/// What a request sends, as controls see it that change it.
pub struct Sent<'a> {
    /// The query's parameters: they stay as they are.
    pub query: &'a Fields,
    /// The body, if there is one. Only what a form or a document says can be changed.
    pub body: Option<&'a mut Body>,
    /// The files in it.
    pub files: &'a [FilePart],
    /// What the person was shown of this thing instead of what the app said, as far as it is known.
    pub originals: &'a Originals,
    /// What made the names that stand for hidden values.
    pub pseudonyms: &'a Pseudonyms,
}

/// Decides on a sign-in that the app accepted.
pub trait SignInControl: Send + Sync {
    /// Decides.
    fn decide(&self, sign_in: &SignIn, facts: &Facts) -> Verdict;

    /// The refusal of a sign-in for which the store found no room left; `None` of a control that sets no such limit.
    fn is_full(&self, _: &SignIn) -> Option<Denial> {
        None
    }
}

/// Decides on the head of the app's answer, and may ask for changes to its headers.
pub trait ResponseControl: Send + Sync {
    /// Decides.
    fn decide(&self, request: &RequestHead, response: &mut ResponseHead<'_>) -> Verdict;
}

/// Says what is hidden in the body of the app's answer.
pub trait BodyControl: Send + Sync {
    /// What holds for this request; `None` when nothing is hidden from whoever asks.
    fn masks(&self, request: &RequestHead) -> Option<&Arc<masking::Masked>>;
}

/// The head of the app's answer as a control sees it: to read, with a list of changes to ask for.
pub struct ResponseHead<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The changes asked for, in order.
    pub edits: Vec<HeaderEdit>,
}

impl ResponseHead<'_> {
    /// The text of a header; empty when it is not there or not text.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// A change to a response's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// Take all of that name out.
    Remove(HeaderName),
    /// Have exactly this one.
    Set(HeaderName, HeaderValue),
    /// Have these instead of all of that name.
    SetAll(HeaderName, Vec<HeaderValue>),
}

/// A control, as the table below lists it.
pub struct ControlSpec {
    /// Its name: the key in the policy, the prefix of its reasons, the label of its metrics.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
    /// Why it refuses.
    pub reasons: &'static [&'static Reason],
    /// Compiles it from the policy; `None` when the policy does not ask for it.
    pub arm: fn(&mut Arming<'_>) -> Option<Armed>,
}

/// A compiled control.
pub struct Armed {
    /// Whether it is enforced.
    pub mode: Mode,
    /// The path in the policy that armed it.
    pub path: &'static str,
    /// Its part before the app is asked.
    pub request: Option<Box<dyn RequestControl>>,
    /// Its part when files were scanned.
    pub scanned: Option<Box<dyn ScannedControl>>,
    /// Its part when all agree, and something may be changed.
    pub edit: Option<Box<dyn EditControl>>,
    /// Its part when the app accepted a sign-in.
    pub sign_in: Option<Box<dyn SignInControl>>,
    /// Its part when the app has answered.
    pub response: Option<Box<dyn ResponseControl>>,
    /// Its part in the body of the answer.
    pub body: Option<Box<dyn BodyControl>>,
}

impl Armed {
    /// A control that has no part yet.
    #[must_use]
    pub fn new(path: &'static str, mode: Mode) -> Self {
        Self { mode, path, request: None, scanned: None, edit: None, sign_in: None, response: None, body: None }
    }
}

/// Every control, in the order in which they decide: the cheapest and most general first.
pub const CONTROLS: &[&ControlSpec] = &[
    &limits::SPEC,
    &access::SPEC,
    &sessions::SPEC,
    &media::SPEC,
    &exports::SPEC,
    &forwarding::SPEC,
    &uploads::SPEC,
    &changes::SPEC,
    &embedding::SPEC,
    &masking::SPEC,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_is_listed_and_its_reasons_carry_its_name() {
        let files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/controls"))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
            .filter(|name| name != "mod")
            .collect();
        for file in &files {
            assert!(CONTROLS.iter().any(|c| c.name == file), "{file}.rs is not in CONTROLS");
        }
        for control in CONTROLS {
            for reason in control.reasons {
                assert!(reason.code.starts_with(&format!("{}.", control.name)), "{}", reason.code);
                assert!(reason.summary.ends_with('.') && !reason.remedy.is_empty(), "{}", reason.code);
            }
        }
    }
}
