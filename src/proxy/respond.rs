//! Refusals as HTTP, in one place: a page for a person, `application/problem+json` (RFC 9457) or plain text for a
//! program, never a redirect to a script; and of the request only which file was refused, and the way back.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERER, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::answer::apply;
use super::exchange::{Exchange, Stage};
use super::{copies, upstream};
use crate::controls::embedding::for_frames;
use crate::decision::record::Decision;
use crate::decision::{Denial, Evidence, Finding, Outcome, PolicyLine, Reason, protocol};
use crate::gate::Gate;
use crate::identity::{Identity, Realm};
use crate::pipeline;
use crate::policy::file::Mode;
use crate::policy::profile::ScriptRefusals;
use crate::portal;
use crate::request::{RequestHead, Target, Wants};
use crate::route::Area;

/// Sends the refusal and marks the exchange.
pub async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    let referer = session.req_header().headers.get(REFERER).and_then(|v| v.to_str().ok());
    let answer = Refusal::of(exchange, denial, referer);
    exchange.stage = Stage::Refused;
    exchange.outcome = Outcome::Refused;
    exchange.status = answer.status;
    let mut head = ResponseHeader::build(answer.status, Some(12))?;
    for (name, value) in STATIC_HEADERS {
        head.append_header(name, value)?;
    }
    head.append_header(CONTENT_SECURITY_POLICY, PAGE_POLICY.clone())?;
    head.append_header(X_DESKGATE_REF, exchange.id.as_str())?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
    }
    if let Some(request) = &exchange.head {
        for edit in pipeline::framing(&exchange.policy, request, head.status, &head.headers) {
            apply(edit, &mut head)?;
        }
    }
    head.insert_header(CONTENT_LENGTH, answer.body.len().to_string())?;
    let only_head = session.req_header().method == http::Method::HEAD;
    // What is left of a refused body is not worth reading; the connection ends with it.
    if !session.as_downstream_mut().is_body_done() {
        session.set_keepalive(None);
    }
    session.write_response_header(Box::new(head), only_head).await?;
    if !only_head {
        session.write_response_body(Some(Bytes::from(answer.body)), true).await?;
    }
    Ok(())
}

struct Refusal {
    status: u16,
    headers: Vec<(http::HeaderName, String)>,
    body: String,
}

impl Refusal {
    fn of(exchange: &Exchange, denial: &Denial, referer: Option<&str>) -> Self {
        let policy = &*exchange.policy;
        let reason = denial.reason;
        let wants = exchange.head.as_ref().map_or(Wants::Page, |h| h.wants);
        let realm =
            exchange.presented.first().and_then(|p| policy.realms.get(p.realm)).or_else(|| policy.realms.first());
        let sign_in = realm.and_then(|r| r.login_page.as_ref()).map(|page| with_return(page, exchange));
        let mut headers = clear_cookies(exchange);
        if let Evidence::RetryAfter(seconds) = denial.evidence {
            headers.push((RETRY_AFTER, seconds.to_string()));
        }
        if reason.code == "media.sign_in"
            && wants == Wants::Page
            && let Some(page) = &sign_in
        {
            // A navigation by a person: the sign-in page, and from there the file.
            headers.push((LOCATION, page.clone()));
            return Self { status: 303, headers, body: String::new() };
        }
        if wants == Wants::Page {
            headers.push((CONTENT_TYPE, "text/html; charset=utf-8".into()));
            let (wait, back) = (wait(&denial.evidence), way_back(exchange, reason, referer));
            let page = portal::Page {
                reason,
                id: &exchange.id,
                remedy: &remedy(denial, policy.contact.as_deref()),
                wait: wait.as_deref(),
                sign_in: (reason.status == 401).then_some(sign_in.as_deref()).flatten(),
                back: back.as_ref().map(|(back, says)| (&**back, *says)),
                details: &details(&denial.evidence),
            };
            return Self { status: reason.status, headers, body: portal::refusal_page(policy, &page) };
        }
        Self::for_program(exchange, realm, denial, headers)
    }

    fn for_program(
        exchange: &Exchange,
        realm: Option<&Realm>,
        denial: &Denial,
        mut headers: Vec<(http::HeaderName, String)>,
    ) -> Self {
        let id = &*exchange.id;
        let (reason, contact) = (denial.reason, exchange.policy.contact.as_deref());
        let expired = realm.and_then(|r| r.expired.as_ref()).filter(|_| reason.status == 401);
        let status = expired.and_then(|(status, _)| *status).unwrap_or(reason.status);
        if let Some((_, Some(json))) = expired {
            headers.push((CONTENT_TYPE, "application/json".into()));
            return Self { status, headers, body: json.clone() };
        }
        if exchange.policy.script_refusals == ScriptRefusals::Text && is_of_a_page(exchange) {
            headers.push((CONTENT_TYPE, "text/plain; charset=utf-8".into()));
            let (remedy, details) = (remedy(denial, contact), details(&denial.evidence));
            let message = message(reason, &remedy, &denial.evidence, &details, contact);
            return Self { status, headers, body: format!("{message} Reference: {id}") };
        }
        headers.push((CONTENT_TYPE, "application/problem+json".into()));
        Self { status, headers, body: problem(denial, status, id, contact) }
    }
}

/// Whether a page of the app asks, and no program: no key, and not where programs call.
fn is_of_a_page(exchange: &Exchange) -> bool {
    let is_program = |head: &RequestHead| head.area == Area::Api || matches!(head.identity, Identity::Program { .. });
    !exchange.head.as_ref().is_some_and(is_program)
}

/// Where a person goes from a refusal: the page of the app's that led there, or the app's first page, unless that is
/// what was refused.
fn way_back(exchange: &Exchange, reason: &Reason, referer: Option<&str>) -> Option<(String, &'static str)> {
    const START: &str = "Go to the start page";
    let policy = &*exchange.policy;
    if reason == protocol::HOST {
        return Some((format!("{}/", policy.public_origin), START));
    }
    // A form may well be sent to where it stands.
    let reads = exchange.head.as_ref().is_none_or(|head| head.method.is_safe());
    let refused = exchange.target.as_ref().filter(|_| reads).map(Target::to_wire);
    let came_from = referer.filter(|url| {
        let behind = upstream::behind_public_origin(policy, url);
        behind.is_some_and(|path| refused.as_deref() != Some(if path.is_empty() { "/" } else { path }))
    });
    let start = || (refused.as_deref() != Some("/")).then(|| ("/".to_owned(), START));
    came_from.map(|page| (page.to_owned(), "Go back")).or_else(start)
}

/// What the person can do. Where the policy names no contact, none is below.
fn remedy(denial: &Denial, contact: Option<&str>) -> Cow<'static, str> {
    match (denial.remedy(), contact) {
        (remedy, None) if remedy.contains(CONTACT) => remedy.replace(CONTACT, "whoever runs this helpdesk").into(),
        (remedy, _) => remedy.into(),
    }
}

/// How remedies speak of the policy's contact.
const CONTACT: &str = "the contact below";

/// When it is worth trying again, as a sentence: in minutes or hours where seconds say nothing.
fn wait(evidence: &Evidence) -> Option<String> {
    let Evidence::RetryAfter(seconds) = *evidence else { return None };
    let (number, unit) = match seconds.max(1) {
        seconds @ ..=90 => (seconds, "second"),
        seconds @ ..=5_400 => (seconds.div_ceil(60), "minute"),
        seconds => (seconds.div_ceil(3_600), "hour"),
    };
    Some(format!("Try again in {number} {unit}{}.", if number == 1 { "" } else { "s" }))
}

/// What the refusal is about, for the person: names and canonical values.
fn details(evidence: &Evidence) -> Vec<(&'static str, String)> {
    match evidence {
        Evidence::Address(client) => vec![("Your address", client.to_string())],
        Evidence::Unreadable(how) => vec![("What was found", (*how).to_owned())],
        Evidence::File(file) => {
            let all = [
                ("File", &*file.name),
                ("Content", file.found),
                ("What was found", file.how),
                ("Allowed", &*file.allowed),
            ];
            all.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.to_owned())).collect()
        }
        Evidence::Recipient { refused, allowed } => {
            let allowed = (!allowed.is_empty()).then(|| ("Allowed", allowed.to_string()));
            [("Refused address", refused.to_string())].into_iter().chain(allowed).collect()
        }
        Evidence::None | Evidence::Asked(..) | Evidence::Type(_) | Evidence::RetryAfter(_) | Evidence::App(_) => {
            Vec::new()
        }
    }
}

/// All that a person needs to know, in one text: for scripts that show what they are sent.
fn message(
    reason: &Reason,
    remedy: &str,
    evidence: &Evidence,
    details: &[(&'static str, String)],
    contact: Option<&str>,
) -> String {
    let mut out = String::with_capacity(256);
    let mut say = |pieces: &[&str]| pieces.iter().for_each(|piece| out.push_str(piece));
    say(&[reason.summary, " ", remedy]);
    if let Some(wait) = wait(evidence) {
        say(&[" ", &wait]);
    }
    let media_type = |name: &str| name == "Content";
    for (name, value) in details.iter().filter(|(name, _)| !media_type(name)) {
        say(&[" ", name, ": ", value, "."]);
    }
    if let Some(contact) = contact {
        say(&[" Contact: ", contact, "."]);
    }
    out
}

/// RFC 9457, with the reason's code as its type and the details as members of their own; `error` and `message` are what
/// scripts of many apps look for.
fn problem(denial: &Denial, status: u16, id: &str, contact: Option<&str>) -> String {
    let reason = denial.reason;
    let (remedy, details) = (remedy(denial, contact), details(&denial.evidence));
    let mut out = Vec::with_capacity(768);
    let raw = |out: &mut Vec<u8>, pieces: &[&str]| pieces.iter().for_each(|p| out.extend(p.as_bytes()));
    let mut number = itoa::Buffer::new();
    raw(&mut out, &["{\"type\":\"urn:deskgate:", reason.code, "\",\"status\":", number.format(status)]);
    raw(&mut out, &[",\"instance\":\"urn:deskgate:ref:", id, "\""]);
    let message = message(reason, &remedy, &denial.evidence, &details, contact);
    for (name, text) in
        [("title", reason.summary), ("detail", &*remedy), ("error", reason.summary), ("message", &*message)]
    {
        member(&mut out, name, text);
    }
    if let Evidence::RetryAfter(seconds) = denial.evidence {
        raw(&mut out, &[",\"retry_after\":", number.format(seconds)]);
    }
    for (name, value) in details {
        member(&mut out, &name.to_ascii_lowercase().replace(' ', "_"), &value);
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// A member of a JSON object behind another, whose name needs no escapes.
fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    for piece in [",\"", name, "\":"] {
        out.extend(piece.as_bytes());
    }
    // What is written to memory is written.
    let _ = serde_json::to_writer(out, text);
}

/// The reference under which the decision log has the refusal.
const X_DESKGATE_REF: http::HeaderName = http::HeaderName::from_static("x-deskgate-ref");

/// What every refusal says of itself.
const STATIC_HEADERS: [(http::HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// What a refusal page may do.
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    HeaderValue::from_str(portal::content_security_policy()).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// Cookies of sessions that have ended are taken back.
fn clear_cookies(exchange: &Exchange) -> Vec<(http::HeaderName, String)> {
    let secure = if exchange.policy.secure() { "; Secure" } else { "" };
    let ended = exchange.withheld.iter().filter(|p| exchange.cookies.names().any(|n| n == &*p.name));
    let ended = ended.flat_map(|p| {
        let cookie = format!("{}=; Path=/; Max-Age=0; HttpOnly{secure}", p.name);
        // One that was set before frames were allowed is another cookie to the browser.
        let in_frames = exchange.policy.in_frames.then(|| for_frames(&cookie));
        std::iter::once(cookie).chain(in_frames)
    });
    ended.chain(copies::expired(exchange)).map(|cookie| (SET_COOKIE, cookie)).collect()
}

fn with_return(page: &str, exchange: &Exchange) -> String {
    let wanted = exchange.target.as_ref().map_or(Cow::Borrowed("/"), Target::to_wire);
    let get = exchange.head.as_ref().is_some_and(|h| h.method == http::Method::GET);
    let mut encoded = String::new();
    crate::body::urlencoded::encode_into(if get { &wanted } else { "/" }, &mut encoded);
    page.replace("{return}", &encoded)
}

/// The whole answer to a request that never became an exchange.
pub fn raw(reason: &'static Reason, id: &str) -> Vec<u8> {
    let body = problem(&Denial::new(reason), reason.status, id, None);
    let phrase = reason.status().canonical_reason().unwrap_or("Refused");
    format!(
        "HTTP/1.1 {} {phrase}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nX-Deskgate-Ref: {id}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        reason.status,
        body.len(),
    )
    .into_bytes()
}

/// Counts and records a request that never became an exchange; returns its reference.
pub fn record_reject(gate: &Gate, reason: &'static Reason, peer: Option<IpAddr>) -> String {
    let policy = gate.live.policy();
    gate.metrics.protocol_reject(reason.code);
    let exchange = Exchange::new(policy.clone(), gate.clock.now());
    let Some(place) = gate.log.place(policy.audit.queue) else {
        gate.log.lose();
        return exchange.id;
    };
    let finding = Finding {
        control: "protocol",
        mode: Mode::Enforce,
        denial: Some((reason, Evidence::None)),
        at: PolicyLine(0),
        rule: None,
    };
    let findings = [finding];
    let client = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)).to_canonical();
    let named = (exchange.time, &*exchange.id, &*policy.revision);
    let decision = Decision::without_head(named, client, &findings, reason.status);
    gate.log.put(place, |node, seq, out| decision.write(&gate.privacy(&policy), node, seq, out));
    exchange.id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_as_people_count() {
        for (seconds, told) in [
            (0, "Try again in 1 second."),
            (1, "Try again in 1 second."),
            (90, "Try again in 90 seconds."),
            (91, "Try again in 2 minutes."),
            (3_600, "Try again in 60 minutes."),
            (5_401, "Try again in 2 hours."),
        ] {
            assert_eq!(wait(&Evidence::RetryAfter(seconds)).as_deref(), Some(told));
        }
        assert_eq!(wait(&Evidence::None), None);
    }

    #[test]
    fn nobody_is_sent_to_a_contact_that_is_not_there() {
        let denial = Denial::new(protocol::UNCLASSIFIED);
        assert_eq!(remedy(&denial, Some("x@acme.example")), "Ask the contact below to have it added.");
        assert_eq!(remedy(&denial, None), "Ask whoever runs this helpdesk to have it added.");
        let told = problem(&denial, 403, "01ABC", None);
        assert!(!told.contains(CONTACT), "{told}");
    }
}
