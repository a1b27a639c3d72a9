//! From the head of the app's answer to what the client gets of it, and the record of the exchange.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::{
    CONTENT_DISPOSITION, CONTENT_LOCATION, CONTENT_TYPE, LOCATION, REFRESH, SET_COOKIE, TRANSFER_ENCODING,
};
use http::{HeaderValue, StatusCode};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use smallvec::SmallVec;

use super::exchange::{Account, Exchange, Pending};
use super::gateway::{Gateway, micros};
use super::headers::INTERNAL_ANSWERS;
use super::outgoing::{Hiding, Outgoing};
use super::tunnel::TunnelState;
use super::{copies, outgoing, sign_in, upstream};
use crate::addresses::OwnAddresses;
use crate::body::rewrite::Broken;
use crate::controls::exports::bulk_kind;
use crate::controls::masking::CODING;
use crate::controls::{HeaderEdit, ResponseHead};
use crate::decision::log::Place;
use crate::decision::record::{Decision, MaskedBy};
use crate::decision::{Denial, Evidence, protocol};
use crate::identity::Identity;
use crate::pipeline::answer;
use crate::policy::Policy;
use crate::policy::file::{Mode, Recorded};
use crate::policy::profile::Action;
use crate::store::UserName;

impl Gateway {
    /// The app's answer: what it does to sessions, what the controls say, what is rewritten.
    pub(super) async fn judge_answer(&self, exchange: &mut Exchange, response: &mut ResponseHeader) -> Result<()> {
        if let Some(asked) = exchange.asked {
            let took = asked.elapsed();
            exchange.upstream_us = micros(took);
            self.gate.metrics.upstream.observe(took.as_secs_f64());
        }
        if !passable(response) {
            exchange.trail.refuse("upstream", protocol::ANSWER, Evidence::None);
            return Err(pend(exchange, Box::new(Denial::new(protocol::ANSWER))));
        }
        let status = response.status;
        let after = sign_in::apply_answer(&self.gate, &self.caller, exchange, status, &response.headers).await;
        let after = match after {
            Ok(after) => after,
            Err(reason) => {
                exchange.trail.refuse("store", reason, Evidence::None);
                return Err(pend(exchange, Box::new(Denial::new(reason))));
            }
        };
        if let Some(denial) = after.denial {
            return Err(pend(exchange, denial));
        }
        let edits = match &exchange.head {
            Some(head) => {
                let mut view = ResponseHead { status, headers: &response.headers, edits: Vec::new() };
                answer(&exchange.policy, head, &mut view, &mut exchange.trail)
            }
            None => Ok(Vec::new()),
        };
        let edits = match edits {
            Ok(edits) => edits,
            Err(denial) => {
                if matches!(denial.reason.code, "masking.type" | "masking.coding") {
                    self.gate.metrics.mask_failure(denial.reason.code);
                }
                return Err(pend(exchange, denial));
            }
        };
        exchange.answer_file = bulk_file(response);
        edits.into_iter().try_for_each(|edit| apply(edit, response))?;
        for name in &INTERNAL_ANSWERS {
            response.remove_header(name);
        }
        if let Some(wanted) = after.location.filter(|_| response.headers.contains_key(LOCATION)) {
            response.insert_header(LOCATION, wanted)?;
        }
        name_public(&exchange.policy.addresses, response)?;
        if let Some(head) = exchange.head.take() {
            let prepared = outgoing::prepare(exchange, &head, response, self.gate.pseudonym_key);
            exchange.head = Some(head);
            if let Err(Broken(how)) = prepared {
                self.gate.metrics.mask_failure(CODING.code);
                exchange.trail.refuse("masking", CODING, Evidence::Unreadable(how));
                return Err(pend(exchange, Box::new(Denial::because(CODING, Evidence::Unreadable(how)))));
            }
        }
        if let Some(cookie) = after.set_cookie {
            response.append_header(SET_COOKIE, cookie)?;
        }
        copies::take_back(exchange, response)
    }

    /// A piece of the answer's body on its way through what hides values in it.
    pub(super) fn pass_masked(&self, body: &mut Option<Bytes>, end: bool, exchange: &mut Exchange) -> Result<()> {
        let Some(outgoing) = exchange.outgoing.get_mut() else { return Ok(()) };
        if let Err(Broken(how)) = outgoing.pass(body, end) {
            exchange.trail.refuse("masking", CODING, Evidence::Unreadable(how));
            self.gate.metrics.mask_failure(CODING.code);
            // While the head is not out there can still be a page that says why.
            exchange.pending = Some(Pending(Box::new(Denial::because(CODING, Evidence::Unreadable(how)))));
            // Else the client must see that something is missing.
            return Error::e_explain(ErrorType::InternalError, "an answer that cannot be looked into");
        }
        if end
            && let (Some(answer), Some(head), Some(hiding)) = (outgoing.answer(), &exchange.head, &exchange.hiding)
            && hiding.enforced()
            && let Some(session) = outgoing::shown_to(head)
        {
            // Before the last byte is out: whoever has it all may send it back at once.
            let holds = !answer.shown().is_empty() || hiding.masked.plan.leaves_holes();
            if let Some(thing) = head.route.thing().filter(|_| holds) {
                self.gate.memory.keep(session, &thing, answer.shown(), exchange.time);
            }
        }
        Ok(())
    }

    /// Counts and records the exchange.
    pub(super) fn record(&self, session: &Session, exchange: &mut Exchange) {
        let status = session.response_written().map_or(exchange.status, |r| r.status.as_u16());
        let policy = exchange.policy.clone();
        if let Some(answer) = exchange.outgoing.get_mut().as_ref().and_then(Outgoing::answer) {
            exchange.masked_values.add(answer.counts());
        }
        let Some(head) = &exchange.head else {
            // A panic took it.
            let client = client_of(session);
            let named = (exchange.time, &*exchange.id, &*policy.revision);
            let bare = Decision::without_head(named, client, &exchange.trail.findings, status);
            let decision = Decision { outcome: exchange.outcome, ..bare };
            return self.put(None, &policy, &decision);
        };
        // A tunnel is counted as it opens.
        let counts = exchange.tunnel.is_none_or(|tunnel| tunnel == TunnelState::Opened);
        for finding in exchange.trail.findings.iter().filter(|_| counts) {
            let Some((reason, _)) = &finding.denial else { continue };
            if reason.code.starts_with("protocol.") {
                self.gate.metrics.protocol_reject(reason.code);
            } else if *reason == protocol::UNCLASSIFIED {
                // One that is let through is counted where that is decided.
                self.gate.metrics.unclassified(head.area.as_str());
            }
            let shadow = finding.mode == Mode::Shadow;
            self.gate.metrics.decision(
                finding.control,
                if shadow { "would_deny" } else { "deny" },
                if shadow { "shadow" } else { "enforce" },
            );
        }
        if counts {
            self.gate.metrics.request(head.route.class(), head.method.as_str(), status, exchange.started.elapsed());
        }
        let does: SmallVec<[(&'static str, Option<&'static str>); 4]> =
            head.route.hits.iter().map(|h| (h.class.as_str(), h.action.map(Action::as_str))).collect();
        let (realm, key, api_key) = match &head.identity {
            Identity::Session { key, record } | Identity::Ended { key, record, .. } => {
                (Some(&*record.realm), Some(key.short()), None)
            }
            Identity::Program { key, .. } => (None, None, key.as_deref()),
            Identity::Visitor => (None, None, None),
        };
        let counts = &exchange.masked_values.counts;
        let masked = exchange.hiding.as_ref().map(|h| masked_by(h, counts)).unwrap_or_default();
        for by in masked.iter().filter(|by| !by.shadow) {
            self.gate.metrics.masked(by.field, policy.role_name(head.role), by.count);
        }
        let (user, unknown) = match &exchange.account {
            Some(Account::Known(user)) => (Some(user), false),
            Some(Account::Unknown(typed)) => (Some(typed), true),
            None => (head.identity.user(), false),
        };
        let role = policy.role_name(exchange.role_after.unwrap_or(head.role));
        let decision = Decision {
            time: exchange.time,
            id: &exchange.id,
            revision: &policy.revision,
            outcome: exchange.outcome,
            findings: &exchange.trail.findings,
            user: user.map(UserName::as_str),
            unknown,
            role,
            realm,
            session: key.as_deref(),
            api_key,
            kind: head.identity.kind(),
            client: head.client,
            method: head.method.as_str(),
            class: head.route.class().as_str(),
            does: &does,
            route: head.route.name.as_deref(),
            channel: head.route.channel.and_then(|c| policy.channels.get(c)).map(|c| &*c.name),
            area: head.area.as_str(),
            subject: head.route.id.as_deref(),
            files: &head.files,
            removed: exchange.removed,
            session_event: exchange.session_event,
            tunnel: exchange.tunnel.map(TunnelState::as_str),
            masked: &masked,
            unread: exchange.masked_values.unread,
            answer_type: exchange.answer_file.as_ref().map(|(kind, _)| *kind),
            answer_name: exchange.answer_file.as_ref().and_then(|(_, name)| name.as_deref()),
            status,
            bytes: session.body_bytes_sent() as u64,
            gateway_us: exchange.gateway_us,
            upstream_us: exchange.upstream_us,
        };
        // Reads may be left out; whoever signed in or out, and what opened or closed, is never one.
        let is_read = exchange.session_event.is_none() && exchange.tunnel.is_none();
        if policy.audit.decisions == Recorded::DeniedOnly && is_read && !decision.denied() {
            return;
        }
        let place = exchange.place.take();
        self.put(place, &policy, &decision);
    }

    fn put(&self, place: Option<Place>, policy: &Policy, decision: &Decision<'_>) {
        let privacy = self.gate.privacy(policy);
        match place.or_else(|| self.gate.log.place(policy.audit.queue)) {
            Some(place) => self.gate.log.put(place, |node, seq, out| decision.write(&privacy, node, seq, out)),
            None => self.gate.log.lose(),
        }
    }
}

/// What kind of bulk file an answer is, and under which name it is saved (RFC 6266).
fn bulk_file(response: &ResponseHeader) -> Option<(&'static str, Option<String>)> {
    let text = |name| response.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let disposition = text(CONTENT_DISPOSITION);
    let kind = bulk_kind(text(CONTENT_TYPE), disposition).filter(|_| response.status.is_success())?;
    let named = disposition.split(';').skip(1).filter_map(|part| part.split_once('='));
    let mut named = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("filename"));
    let name = named.next().map(|(_, name)| name.trim().trim_matches('"').to_owned());
    Some((kind, name.filter(|name| !name.is_empty() && name.len() <= 255)))
}

/// The address at the other end of the connection.
fn client_of(session: &Session) -> IpAddr {
    let address = session.client_addr().and_then(|address| address.as_inet()).map(SocketAddr::ip);
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical()
}

/// What was masked of which field, by which rule.
fn masked_by<'h>(hiding: &'h Hiding, counts: &[u32]) -> SmallVec<[MaskedBy<'h>; 4]> {
    let masked = &hiding.masked;
    let each = counts.iter().enumerate().filter(|(_, count)| **count > 0).filter_map(|(field, count)| {
        let rule = masked.plan.hidden.get(field)?.as_ref()?.rule;
        let rule = masked.rules.iter().find(|r| r.place == rule)?;
        let name = masked.fields.get(field)?;
        Some(MaskedBy { field: name, count: *count, rule: &rule.name, line: rule.line, shadow: !hiding.enforced() })
    });
    each.collect()
}

/// Leaves a refusal for the hook that can send it.
fn pend(exchange: &mut Exchange, denial: Box<Denial>) -> Box<Error> {
    exchange.pending = Some(Pending(denial));
    Error::explain(ErrorType::HTTPStatus(502), "refused")
}

/// Whether an answer can be passed on without being read two ways.
fn passable(response: &ResponseHeader) -> bool {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it (RFC 9110, section 15.2.2): what follows would be read as nothing at all.
        return false;
    }
    let mut codings = response.headers.get_all(TRANSFER_ENCODING).iter();
    let coding =
        codings.next().is_none_or(|c| c.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none();
    let clean = |v: &HeaderValue| memchr::memchr3(b'\r', b'\n', 0, v.as_bytes()).is_none();
    coding && response.headers.values().all(clean)
}

/// Makes a change to the head of an answer.
pub(super) fn apply(edit: HeaderEdit, response: &mut ResponseHeader) -> Result<()> {
    match edit {
        HeaderEdit::Remove(name) => drop(response.remove_header(&name)),
        HeaderEdit::Set(name, value) => response.insert_header(name, value)?,
        HeaderEdit::SetAll(name, values) => {
            response.remove_header(&name);
            for value in values {
                response.append_header(name.clone(), value)?;
            }
        }
    }
    Ok(())
}

/// Addresses of the app's own become those that people reach: whoever follows one stays here.
fn name_public(addresses: &OwnAddresses, response: &mut ResponseHeader) -> Result<()> {
    for name in [LOCATION, CONTENT_LOCATION, REFRESH] {
        let public = |value: &HeaderValue| match name {
            REFRESH => addresses.refreshed(value.as_bytes()),
            _ => addresses.public(value.as_bytes()).map(String::into_bytes),
        };
        let came: SmallVec<[&HeaderValue; 2]> = response.headers.get_all(&name).iter().collect();
        if came.iter().all(|value| public(value).is_none()) {
            continue;
        }
        let values = came.into_iter().map(|value| public(value).map_or_else(|| Ok(value.clone()), upstream::value_of));
        let values = values.collect::<Result<_>>()?;
        apply(HeaderEdit::SetAll(name, values), response)?;
    }
    Ok(())
}
