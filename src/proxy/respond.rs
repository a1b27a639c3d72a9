//! Refusals as HTTP, in one place: a page for a person, `application/problem+json` (RFC 9457) for a
//! program, never a redirect to a script; and nothing of the request in either.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::exchange::{Exchange, Stage};
use crate::decision::record::Decision;
use crate::decision::{Denial, Evidence, Finding, Outcome, PolicyLine, Reason};
use crate::gate::Gate;
use crate::identity::Realm;
use crate::policy::file::Mode;
use crate::portal;
use crate::request::Wants;

/// Sends the refusal and marks the exchange.
pub async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    let answer = Refusal::of(exchange, denial);
    exchange.stage = Stage::Refused;
    exchange.outcome = Outcome::Refused;
    exchange.status = answer.status;
    let mut head = ResponseHeader::build(answer.status, Some(12))?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
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
    fn of(exchange: &Exchange, denial: &Denial) -> Self {
        let policy = &*exchange.policy;
        let reason = denial.reason;
        let wants = exchange.head.as_ref().map_or(Wants::Page, |h| h.wants);
        let realm =
            exchange.presented.first().and_then(|p| policy.realms.get(p.realm)).or_else(|| policy.realms.first());
        let sign_in = realm.and_then(|r| r.login_page.as_ref()).map(|page| with_return(page, exchange));
        let mut headers = security_headers(&exchange.id);
        headers.extend(clear_cookies(exchange));
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
            let next = (reason.status == 401).then_some(sign_in.as_deref()).flatten();
            let body = portal::refusal_page(policy, reason, &exchange.id, next, &details(&denial.evidence));
            return Self { status: reason.status, headers, body };
        }
        Self::for_program(realm, denial, &exchange.id, headers)
    }

    fn for_program(
        realm: Option<&Realm>,
        denial: &Denial,
        id: &str,
        mut headers: Vec<(http::HeaderName, String)>,
    ) -> Self {
        let reason = denial.reason;
        let expired = realm.and_then(|r| r.expired.as_ref()).filter(|_| reason.status == 401);
        let status = expired.and_then(|(status, _)| *status).unwrap_or(reason.status);
        if let Some((_, Some(json))) = expired {
            headers.push((CONTENT_TYPE, "application/json".into()));
            return Self { status, headers, body: json.clone() };
        }
        headers.push((CONTENT_TYPE, "application/problem+json".into()));
        Self { status, headers, body: problem(reason, &denial.evidence, status, id) }
    }
}

/// What the refusal is about, for the person: names and canonical values.
fn details(evidence: &Evidence) -> Vec<(&'static str, String)> {
    match evidence {
        Evidence::Address(client) => vec![("Your address", client.to_string())],
        Evidence::Unreadable(how) => vec![("What was found", (*how).to_owned())],
        Evidence::File { found, how, allowed } => {
            let more = [("What was found", *how), ("Allowed", &**allowed)];
            let more =
                more.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.to_owned()));
            [("Content", (*found).to_owned())].into_iter().chain(more).collect()
        }
        Evidence::Recipient { refused, allowed } => {
            let allowed = (!allowed.is_empty()).then(|| ("Allowed", allowed.to_string()));
            [("Refused address", refused.to_string())].into_iter().chain(allowed).collect()
        }
        Evidence::None | Evidence::Asked(..) | Evidence::Type(_) | Evidence::RetryAfter(_) => Vec::new(),
    }
}

/// RFC 9457, with the reason's code as its type and the details as members of their own.
fn problem(reason: &Reason, evidence: &Evidence, status: u16, id: &str) -> String {
    let mut out = String::with_capacity(256);
    let text = |text: &str| serde_json::Value::from(text);
    let _ = write!(
        out,
        "{{\"type\":\"urn:deskgate:{}\",\"title\":{},\"status\":{status},\"detail\":{},\"instance\":\"urn:deskgate:ref:{id}\"",
        reason.code,
        text(reason.summary),
        text(reason.remedy),
    );
    for (name, value) in details(evidence) {
        let _ = write!(out, ",\"{}\":{}", name.to_ascii_lowercase().replace(' ', "_"), text(&value));
    }
    out.push('}');
    out
}

fn security_headers(id: &str) -> Vec<(http::HeaderName, String)> {
    let named = |name: &'static str, value: &str| (http::HeaderName::from_static(name), value.to_owned());
    vec![
        (CACHE_CONTROL, "no-store".into()),
        named("x-deskgate-ref", id),
        named("x-content-type-options", "nosniff"),
        named("x-frame-options", "DENY"),
        named("referrer-policy", "same-origin"),
        named("content-security-policy", portal::content_security_policy()),
    ]
}

/// Cookies of sessions that have ended are taken back.
fn clear_cookies(exchange: &Exchange) -> Vec<(http::HeaderName, String)> {
    let secure = if exchange.policy.secure() { "; Secure" } else { "" };
    let ended = exchange.withheld.iter().filter(|p| exchange.cookies.names().any(|n| n == &*p.name));
    ended.map(|p| (SET_COOKIE, format!("{}=; Path=/; Max-Age=0; HttpOnly{secure}", p.name))).collect()
}

fn with_return(page: &str, exchange: &Exchange) -> String {
    let wanted = exchange.target.as_ref().map_or(Cow::Borrowed("/"), crate::request::Target::to_wire);
    let get = exchange.head.as_ref().is_some_and(|h| h.method == http::Method::GET);
    let mut encoded = String::new();
    crate::body::urlencoded::encode_into(if get { &wanted } else { "/" }, &mut encoded);
    page.replace("{return}", &encoded)
}

/// The whole answer to a request that never became an exchange.
pub fn raw(reason: &Reason, id: &str) -> Vec<u8> {
    let body = problem(reason, &Evidence::None, reason.status, id);
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
