//! What a control says of a request, why, and how an exchange ended: the vocabulary that controls,
//! pages, metrics and the decision log share.

pub mod event;
mod line;
pub mod log;
pub mod record;

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;

use crate::mail::Recipient;
use crate::policy::file::Mode;
use crate::policy::profile::{Action, Class};
use crate::store::Effect;

/// Why something is refused. Every refusal anywhere is one of these constants.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable code, `control.what`: for records, metrics and scripts.
    pub code: &'static str,
    /// The HTTP status of the refusal.
    pub status: u16,
    /// One sentence for the person at the other end.
    pub summary: &'static str,
    /// What that person can do about it.
    pub remedy: &'static str,
}

impl Reason {
    /// The status as HTTP has it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN)
    }
}

/// What a refusal was based on. Typed, never free text: each of these is safe to log and to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing beyond the reason.
    #[default]
    None,
    /// The client's address, as worked out.
    Address(IpAddr),
    /// A class, and what was asked of it.
    Asked(Class, Option<Action>),
    /// A media type of the app's answer.
    Type(&'static str),
    /// How a body or head could not be read.
    Unreadable(&'static str),
    /// Seconds to wait.
    RetryAfter(u64),
    /// What went wrong between the gateway and the app, with the app's address: for records and not for people.
    App(Box<str>),
    /// A file that was sent.
    File(Box<RefusedFile>),
    /// An address that something would be sent to.
    Recipient {
        /// It, in canonical form.
        refused: Recipient,
        /// The patterns that are allowed, for the person; empty when none are named.
        allowed: Arc<str>,
    },
}

/// What is known of a file that is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedFile {
    /// Its name as it is shown to its sender; empty when the refusal is about no single file. Records have the names
    /// of files elsewhere, hashed where the policy says so.
    pub name: String,
    /// The media type of its content.
    pub found: &'static str,
    /// What is wrong with it, in fixed words; may be empty.
    pub how: &'static str,
    /// What its sender can do, where that is more than the reason's remedy; may be empty.
    pub advice: &'static str,
    /// The types that are allowed, or how much, for the person; empty when there is nothing to name.
    pub allowed: Arc<str>,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Why.
    pub reason: &'static Reason,
    /// On what ground.
    pub evidence: Evidence,
    /// A change of state that goes with it, such as the end of a session.
    pub effect: Option<Effect>,
    /// The rule that refuses, of a control that has several.
    pub rule: Option<RuleAt>,
}

/// A rule of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAt {
    /// What the policy calls it; its path where it has no name.
    pub name: Arc<str>,
    /// Where it stands.
    pub at: PolicyLine,
}

impl Denial {
    /// A refusal with nothing but its reason.
    #[must_use]
    pub fn new(reason: &'static Reason) -> Self {
        Self { reason, evidence: Evidence::None, effect: None, rule: None }
    }

    /// The same with evidence.
    #[must_use]
    pub fn because(reason: &'static Reason, evidence: Evidence) -> Self {
        Self { reason, evidence, effect: None, rule: None }
    }

    /// What the person can do: the reason's remedy, or what fits this very file better.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match &self.evidence {
            Evidence::File(file) if !file.advice.is_empty() => file.advice,
            _ => self.reason.remedy,
        }
    }

    /// The same by one rule of several.
    #[must_use]
    pub fn by(self, rule: &RuleAt) -> Self {
        Self { rule: Some(rule.clone()), ..self }
    }
}

/// What one control says of one request.
#[must_use]
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The request is none of this control's business.
    NotApplicable,
    /// Fine.
    Allow,
    /// Fine, and this is to be remembered.
    AllowThen(Effect),
    /// Refused.
    Deny(Box<Denial>),
}

impl From<Denial> for Verdict {
    fn from(denial: Denial) -> Self {
        Self::Deny(Box::new(denial))
    }
}

/// A line of the policy: where a finding comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyLine(pub u32);

/// What a control found, as it is recorded. Controls that had nothing to say leave none.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The control's name.
    pub control: &'static str,
    /// Whether it was enforced.
    pub mode: Mode,
    /// The refusal, if it was one.
    pub denial: Option<(&'static Reason, Evidence)>,
    /// The line of the policy that armed it, or the line of the rule that refuses.
    pub at: PolicyLine,
    /// The name of that rule.
    pub rule: Option<Arc<str>>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The app's answer was passed on.
    Forwarded,
    /// The gateway refused.
    Refused,
    /// The client broke off, or the app in the middle of its answer.
    #[default]
    Aborted,
    /// The connection became a tunnel (WebSocket).
    Tunnelled,
    /// The gateway answered by itself (a sign-in page redirect and the like).
    Answered,
}

impl Outcome {
    /// The word of records and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
            Self::Tunnelled => "tunnelled",
            Self::Answered => "answered",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $summary:literal, $remedy:literal;)*) => {
        $($(#[$doc])* pub const $name: &$crate::decision::Reason = &$crate::decision::Reason {
            code: $code, status: $status, summary: $summary, remedy: $remedy,
        };)*
        /// Every reason of this module, for the reference and for metrics.
        pub const REASONS: &[&$crate::decision::Reason] = &[$($name),*];
    };
}
pub(crate) use reasons;

/// Refusals that come before any control: what cannot be read cannot be judged.
pub mod protocol {
    super::reasons! {
        /// What two parsers could frame in two ways (RFC 9112, section 11.2; CWE-444).
        FRAMING = "protocol.framing", 400, "The request is not framed as HTTP requires.",
            "Use an ordinary browser or HTTP client.";
        /// A target that servers read in different ways (RFC 9112, section 3.2; CWE-180).
        TARGET = "protocol.target", 400, "The address asked for is written in an ambiguous way.",
            "Open the page again from a link in the helpdesk.";
        /// A query that is not valid percent-encoded UTF-8.
        QUERY = "protocol.query", 400, "The part of the address after the question mark is not readable.",
            "Open the page again from a link in the helpdesk.";
        /// No host, two, or one that is not served (RFC 9112, section 3.2).
        HOST = "protocol.host", 421, "This address is not served here.",
            "Check the address; ask the contact below if it should work.";
        /// A method that no rule is about (RFC 9110, section 9).
        METHOD = "protocol.method", 405, "This kind of request is not accepted.",
            "Use the pages of the helpdesk.";
        /// `Connection` with names of other headers (RFC 9110, section 7.6.1).
        CONNECTION = "protocol.connection", 400, "The request names headers to be removed on the way.",
            "Use an ordinary browser or HTTP client.";
        /// `Expect` with anything but 100-continue (RFC 9110, section 10.1.1).
        EXPECT = "protocol.expect", 417, "The request expects something that is not offered.",
            "Use an ordinary browser or HTTP client.";
        /// Too many headers, or too large ones (RFC 6585, section 5).
        HEADERS = "protocol.headers", 431, "The request has too many or too large headers.",
            "Delete the cookies of this site and try again.";
        /// A target over the longest that is read (RFC 9110, section 15.5.15).
        TOO_LONG = "protocol.target_too_long", 414, "The address asked for is too long.",
            "Use a shorter search.";
        /// HTTP/1.0 and older.
        VERSION = "protocol.version", 505, "This version of HTTP is not spoken here.",
            "Use HTTP/1.1 or HTTP/2.";
        /// A head that did not arrive in time.
        SLOW = "protocol.slow", 408, "The request took too long to arrive.", "Try again.";
        /// More connections than the policy allows.
        CONNECTIONS = "protocol.connections", 503, "Too many connections are open.", "Try again in a minute.";
        /// Answers that are not taken over HTTP/2, beyond `limits.untaken_memory`.
        UNTAKEN = "protocol.untaken", 503, "More was asked for than was taken.", "Ask for less at once.";
        /// A fault of the gateway's own, caught where it ends this exchange only.
        PANIC = "protocol.panic", 503, "Something went wrong in the gateway while it looked at this.",
            "Try again; if it happens again, tell the contact below which page it was.";
        /// A malformed HTTP/2 stream, refused below.
        STREAM = "protocol.stream", 400, "The request was malformed.", "Use an ordinary browser or HTTP client.";
        /// A body that must be inspected but has no declared length.
        LENGTH_REQUIRED = "body.length_required", 411, "The request does not say how long it is.",
            "Use an ordinary browser; a program must send Content-Length.";
        /// A body that must be inspected and is over the limit.
        TOO_LARGE = "body.too_large", 413, "What was sent is larger than is accepted here.", "Send less at once.";
        /// A body that parsers read in different ways (CWE-436).
        BODY = "body.unreadable", 400, "What was sent could not be read in one way only.",
            "Send it again from the page; ask the contact below if that does not help.";
        /// A type or coding that is not inspected (RFC 9110, section 15.5.16).
        BODY_TYPE = "body.type", 415, "What was sent is of a type that cannot be inspected here.",
            "Send it from the page itself; a program must send a form or JSON in UTF-8.";
        /// A body on a request that has none.
        BODY_UNEXPECTED = "body.unexpected", 400, "This kind of request cannot carry a body.",
            "Use an ordinary browser or HTTP client.";
        /// The budget for bodies under inspection is used up.
        BODY_BUDGET = "body.budget", 503, "The gateway is busy inspecting other uploads.", "Try again in a minute.";
        /// Two ways of saying who is calling.
        TWO_CREDENTIALS = "identity.two_credentials", 400, "The request says in two ways who is calling.",
            "Send either the session or the API credential.";
        /// The app does not say whose session it has just opened.
        WHOSE = "identity.unknown", 503, "The helpdesk did not say who has signed in.", "Sign in again in a minute.";
        /// A session's credential where a program's belongs: no limit of the session would hold there.
        SESSION_AS_KEY = "identity.session_as_key", 400, "A session was sent where only API keys belong.",
            "Sign in with a browser; a program needs a key of its own.";
        /// `session: needed` of a route.
        SESSION_NEEDED = "identity.session_needed", 401, "This opens only for somebody who is signed in.",
            "Sign in, then open it again.";
        /// Credentials on a URL that is no sign-in (RT accepts them anywhere).
        STRAY_CREDENTIALS = "identity.credentials_outside_sign_in", 403,
            "A user name and password were sent to an address that is not the sign-in page.",
            "Sign in on the sign-in page.";
        /// The app's answer cannot be passed on safely (rows G).
        ANSWER = "upstream.answer", 502, "The helpdesk gave an answer that cannot be passed on safely.",
            "Try again; tell the contact below if it goes on.";
        /// The app cannot be reached.
        UNREACHABLE = "upstream.unreachable", 502, "The helpdesk cannot be reached.", "Try again in a minute.";
        /// The app does not answer.
        TIMEOUT = "upstream.timeout", 504, "The helpdesk does not answer.", "Try again in a minute.";
        /// The store cannot be read or written.
        STORE = "store.unavailable", 503, "The gateway cannot check sessions just now.", "Try again in a minute.";
        /// The decision log cannot be written and the policy says to refuse.
        LOG = "audit.unavailable", 503, "The gateway cannot record decisions just now, so it lets nothing through.",
            "Try again in a minute.";
        /// `unclassified: deny`.
        UNCLASSIFIED = "route.unclassified", 403, "This address is not known to the gateway.",
            "Ask the contact below to have it added.";
    }
}
