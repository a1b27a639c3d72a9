//! Pingora's hooks. Each is a few lines: what it does is elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use super::body::{self, Memory};
use super::call::Caller;
use super::exchange::{Attempt, Exchange, Pending, Stage};
use super::headers::{INTERNAL_ANSWERS, check_parsed, hops, host};
use super::{respond, sessions, upstream};
use crate::body::{Body, Fields};
use crate::controls::{Facts, HeaderEdit, ResponseHead};
use crate::decision::record::Decision;
use crate::decision::{Denial, Evidence, Outcome, Reason, protocol};
use crate::gate::Gate;
use crate::identity::{Identity, presented, role_of};
use crate::pipeline::{admit, answer};
use crate::policy::compile::canonical_host;
use crate::policy::file::{Recorded, WhenItCannotWrite};
use crate::policy::phrase::Source;
use crate::policy::profile::Class;
use crate::request::{Cookies, Malformed, RequestHead, Target, Values, Wants, client_address};
use crate::route::{Area, Evidence as Read, Matched};
use crate::store::{Effect, Store, UserName};

/// The proxy's hooks.
pub struct Gateway {
    gate: Arc<Gate>,
    caller: Arc<Caller>,
    memory: Memory,
}

/// How much of a sign-in's answer is kept to judge it.
const MOST_OF_ANSWER: usize = 256 << 10;

type Judged<T> = std::result::Result<T, Box<Denial>>;

impl Gateway {
    /// The hooks of one process.
    pub fn new(gate: Arc<Gate>, caller: Arc<Caller>, inspection_memory: u64) -> Self {
        Self { gate, caller, memory: Memory::new(inspection_memory) }
    }

    /// From the head of a request to leave to ask the app, or a refusal.
    async fn judge(&self, session: &mut Session, exchange: &mut Exchange) -> Judged<()> {
        let protocol = |exchange: &mut Exchange, (reason, evidence): (&'static Reason, Evidence)| {
            exchange.trail.refuse("protocol", reason, evidence.clone());
            Box::new(Denial::because(reason, evidence))
        };
        let read = self.read_head(session, exchange).map_err(|r| protocol(exchange, (r, Evidence::None)))?;
        let matched = self.classify(session, exchange, &read).await.map_err(|r| protocol(exchange, r))?;
        self.take_place(exchange, &matched).map_err(|r| protocol(exchange, (r, Evidence::None)))?;
        self.identify(session, exchange, &read, matched).await.map_err(|r| protocol(exchange, (r, Evidence::None)))?;
        self.decide(exchange, &read).await
    }

    fn read_head(&self, session: &Session, exchange: &mut Exchange) -> std::result::Result<HeadRead, &'static Reason> {
        let request = session.req_header();
        let policy = exchange.policy.clone();
        let http2 = session.as_downstream().is_http2();
        let peer = session
            .client_addr()
            .and_then(|a| a.as_inet())
            .map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), std::net::SocketAddr::ip);
        let peer = peer.to_canonical();
        let client = if policy.trusted_proxies.contains(peer) {
            client_address(peer, &hops(&request.headers), |a| policy.trusted_proxies.contains(a))
        } else {
            peer
        };
        let wants = wants(&request.headers, &request.method);
        let secure = policy.public_origin.starts_with("https://");
        // From here on a refusal knows whom it is for.
        exchange.head = Some(RequestHead {
            method: request.method.clone(),
            client,
            secure,
            wants,
            area: Area::default(),
            route: Matched::default(),
            identity: Identity::Visitor,
            role: role_of(&policy.roles, &Identity::Visitor),
        });
        check_parsed(&request.method, &request.headers, http2)?;
        let host = host(&request.uri, &request.headers)?;
        if !policy.hosts.contains(&canonical_host(&host, secure)) {
            return Err(protocol::HOST);
        }
        let malformed = |m| match m {
            Malformed::Target => protocol::TARGET,
            Malformed::Query => protocol::QUERY,
            Malformed::Cookie => protocol::COOKIE,
        };
        let raw = std::str::from_utf8(request.raw_path()).map_err(|_| protocol::TARGET)?;
        let target =
            if raw == "*" { Target::parse("/", &policy.path_rules) } else { Target::parse(raw, &policy.path_rules) };
        exchange.target = Some(target.map_err(malformed)?);
        exchange.cookies = Cookies::parse(request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes));
        let header = text_of(&request.headers);
        exchange.presented = presented(&policy.realms, &exchange.cookies, &header, secure).map_err(malformed)?;
        Ok(HeadRead { headers: request.headers.clone(), query: None, body: None })
    }

    /// Says what the request does, reading its body first where that is needed to know.
    async fn classify(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        read: &HeadRead,
    ) -> std::result::Result<Matched, body::Refused> {
        let policy = exchange.policy.clone();
        let method = session.req_header().method.clone();
        let Some(target) = exchange.target.clone() else { return Ok(Matched::default()) };
        let candidates = policy.matcher.find(&target.path);
        let login_reads = |realm: usize, login: usize| {
            policy.realms.get(realm).and_then(|r| r.logins.get(login)).is_some_and(crate::identity::Login::reads_body)
        };
        let has_body = read.headers.contains_key(TRANSFER_ENCODING)
            || session.as_downstream().is_http2() && !matches!(method, Method::GET | Method::HEAD)
            || read.headers.get("content-length").is_some_and(|l| l != "0");
        let inspects = has_body && candidates.needs_body(&method, login_reads);
        let buffers = has_body && policy.quirks.needs_content_length && !read.headers.contains_key("content-length");
        let mut body = None;
        if inspects || buffers {
            let inspected =
                body::read(session, &self.memory, policy.limits.inspected_body.0, policy.limits.body_timeout.0).await?;
            if let Some(mut inspected) = inspected {
                if inspects {
                    body = Some(body::understand(session, &mut inspected)?);
                }
                exchange.body = Some(inspected);
            }
        }
        let query = if candidates.needs_query() || !policy.credentials.is_empty() {
            target.parameters()
        } else {
            Fields::default()
        };
        let header = text_of(&read.headers);
        let evidence =
            Read { method: &method, path: &target.path, query: &query, body: body.as_ref(), header: &header };
        let matched = candidates.settle(&evidence);
        if let Some((realm, login)) = matched.login {
            exchange.attempt = Some(attempt(&policy, realm, login, &query, body.as_ref(), &header));
        }
        Ok(matched)
    }

    /// Takes a place in the decision log, or does what the policy says when there is none.
    fn take_place(&self, exchange: &mut Exchange, matched: &Matched) -> std::result::Result<(), &'static Reason> {
        exchange.place = self.gate.log.place(exchange.policy.audit.queue);
        if exchange.place.is_some() {
            return Ok(());
        }
        self.gate.log.lose();
        let harmless =
            |c| matches!(c, Class::Page | Class::Static | Class::Background | Class::Ticket | Class::WidgetSettings);
        let reads = exchange.head.as_ref().is_some_and(|h| matches!(h.method, Method::GET | Method::HEAD));
        let sensitive = !reads || matched.changes().next().is_some() || !matched.classes().all(harmless);
        match exchange.policy.audit.when_it_cannot_write {
            WhenItCannotWrite::CarryOn => Ok(()),
            WhenItCannotWrite::RefuseSensitive if !sensitive => Ok(()),
            _ => Err(protocol::LOG),
        }
    }

    async fn identify(
        &self,
        _: &Session,
        exchange: &mut Exchange,
        read: &HeadRead,
        matched: Matched,
    ) -> std::result::Result<(), &'static Reason> {
        let header = text_of(&read.headers);
        let client = exchange.head.as_ref().map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |h| h.client);
        let query = match &exchange.target {
            Some(target) if !exchange.policy.credentials.is_empty() => target.parameters(),
            _ => Fields::default(),
        };
        if let Some(head) = &mut exchange.head {
            head.area = matched.area;
            head.route = matched;
        }
        let resolved = if exchange.presented.is_empty() && exchange.policy.credentials.is_empty() {
            sessions::Resolved { identity: Identity::Visitor, withheld: Vec::new() }
        } else {
            sessions::resolve(&self.gate, &self.caller, exchange, client, &header, &query).await?
        };
        exchange.withheld = resolved.withheld;
        let role = role_of(&exchange.policy.roles, &resolved.identity);
        if let Some(head) = &mut exchange.head {
            head.identity = resolved.identity;
            head.role = role;
            if head.area == Area::Api && head.wants == Wants::Page && matches!(head.identity, Identity::Program { .. })
            {
                head.wants = Wants::Data;
            }
        }
        Ok(())
    }

    async fn decide(&self, exchange: &mut Exchange, _: &HeadRead) -> Judged<()> {
        let policy = exchange.policy.clone();
        let Some(head) = exchange.head.clone() else { return Err(Box::new(Denial::new(protocol::TARGET))) };
        let mut facts = Facts { now: exchange.time, sign_in: None, over_rate: policy.rates.count(&head) };
        if let Some(attempt) = &mut exchange.attempt {
            if let Some(user) = attempt.user.clone() {
                let known = sessions::sign_in_facts(&self.gate, &policy, &user, head.client, exchange.time)
                    .await
                    .map_err(|r| Box::new(Denial::new(r)))?;
                facts.sign_in = known.sign_in;
            }
            attempt.facts = facts.clone();
        }
        let admitted = admit(&policy, &head, &facts, &mut exchange.trail);
        self.commit(exchange).await.map_err(|reason| {
            exchange.trail.refuse("store", reason, Evidence::None);
            Box::new(Denial::new(reason))
        })?;
        exchange.stage = Stage::Admitted(admitted?);
        if head.route.class() == Class::Unclassified {
            self.gate.metrics.unclassified(head.area.as_str());
        }
        Ok(())
    }

    /// Writes what the controls asked to be remembered.
    async fn commit(&self, exchange: &mut Exchange) -> std::result::Result<(), &'static Reason> {
        let effects = std::mem::take(&mut exchange.trail.effects);
        if effects.is_empty() {
            return Ok(());
        }
        self.gate.store.commit(&effects).await.map_err(|e| sessions::unavailable(&e))?;
        for effect in &effects {
            match effect {
                Effect::Seen { key, .. } => {
                    if let Some(presented) = exchange.presented.iter().find(|p| p.key == *key) {
                        self.gate.vault.keep(presented);
                    }
                }
                Effect::Ended { key, reason, .. } => {
                    self.gate.metrics.session_end(reason.as_str());
                    if let Some(presented) = exchange.presented.iter().find(|p| p.key == *key) {
                        self.gate.vault.take(key);
                        sessions::queue_ending(&self.gate, &exchange.policy, presented.clone());
                        exchange.withheld.push(presented.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The app's answer: what it does to sessions, what the controls say, what is rewritten.
    async fn judge_answer(&self, exchange: &mut Exchange, response: &mut ResponseHeader) -> Result<()> {
        if let Some(asked) = exchange.asked {
            exchange.upstream_us = micros(asked.elapsed());
            self.gate.metrics.upstream.observe(asked.elapsed().as_secs_f64());
        }
        if !passable(response) {
            exchange.trail.refuse("upstream", protocol::ANSWER, Evidence::None);
            return Err(pend(exchange, Box::new(Denial::new(protocol::ANSWER))));
        }
        let status = response.status;
        let after = sessions::apply_answer(&self.gate, &self.caller, exchange, status, &response.headers).await;
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
            Err(denial) => return Err(pend(exchange, denial)),
        };
        edits.into_iter().try_for_each(|edit| apply(edit, response))?;
        for name in INTERNAL_ANSWERS {
            response.remove_header(name);
        }
        for name in [LOCATION, http::header::REFRESH] {
            rewrite_location(exchange, &name, response)?;
        }
        if let Some(cookie) = after.set_cookie {
            response.append_header(SET_COOKIE, cookie)?;
        }
        Ok(())
    }

    fn record(&self, session: &Session, exchange: &mut Exchange) {
        let status = session.response_written().map_or(exchange.status, |r| r.status.as_u16());
        let policy = exchange.policy.clone();
        let privacy = self.gate.privacy(&policy);
        let Some(head) = &exchange.head else { return };
        for finding in exchange.trail.findings.iter().filter(|f| f.denial.is_some()) {
            let shadow = finding.mode == crate::policy::file::Mode::Shadow;
            self.gate.metrics.decision(
                finding.control,
                if shadow { "would_deny" } else { "deny" },
                if shadow { "shadow" } else { "enforce" },
            );
        }
        self.gate.metrics.request(head.route.class(), head.method.as_str(), status, exchange.started.elapsed());
        let does: smallvec::SmallVec<[(&'static str, Option<&'static str>); 4]> = head
            .route
            .hits
            .iter()
            .map(|h| (h.class.as_str(), h.action.map(crate::policy::profile::Action::as_str)))
            .collect();
        let (realm, key, api_key) = match &head.identity {
            Identity::Session { key, record } | Identity::Ended { key, record, .. } => {
                (Some(&*record.realm), Some(key.short()), None)
            }
            Identity::Program { key, .. } => (None, None, key.as_deref()),
            Identity::Visitor => (None, None, None),
        };
        let tried = exchange.attempt.as_ref().and_then(|a| a.user.as_ref());
        let user = exchange.signed_in.as_ref().or_else(|| head.identity.user()).or(tried);
        let decision = Decision {
            time: exchange.time,
            id: &exchange.id,
            revision: &policy.revision,
            outcome: exchange.outcome,
            findings: &exchange.trail.findings,
            user: user.map(UserName::as_str),
            role: policy.role_name(head.role),
            realm,
            session: key.as_deref(),
            api_key,
            kind: head.identity.kind(),
            client: head.client,
            method: head.method.as_str(),
            class: head.route.class().as_str(),
            does: &does,
            route: head.route.name.as_deref(),
            area: head.area.as_str(),
            subject: head.route.id.as_deref(),
            session_event: exchange.session_event,
            status,
            bytes: session.body_bytes_sent() as u64,
            gateway_us: exchange.gateway_us,
            upstream_us: exchange.upstream_us,
        };
        if policy.audit.decisions == Recorded::DeniedOnly && !decision.denied() {
            return;
        }
        match exchange.place.take().or_else(|| self.gate.log.place(policy.audit.queue)) {
            Some(place) => self.gate.log.put(place, |node, seq, out| decision.write(&privacy, node, seq, out)),
            None => self.gate.log.lose(),
        }
    }
}

/// What was read of a head beyond what the exchange keeps.
struct HeadRead {
    headers: HeaderMap,
    #[allow(dead_code)]
    query: Option<Fields>,
    #[allow(dead_code)]
    body: Option<Body>,
}

fn text_of(headers: &HeaderMap) -> impl Fn(&str) -> Option<String> + Sync + '_ {
    |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn attempt(
    policy: &crate::policy::Policy,
    realm: usize,
    login: usize,
    query: &Fields,
    body: Option<&Body>,
    header: &dyn Fn(&str) -> Option<String>,
) -> Attempt {
    let spec = &policy.realms[realm].logins[login];
    let values = Values { captures: &[], query, body, header };
    let user = spec.user.iter().find_map(|s: &Source| values.first(s)).and_then(|u| UserName::new(&u));
    Attempt { realm, login, user, facts: Facts::default(), answer: spec.reads_answer().then(Vec::new), head: None }
}

/// How an answer to this request will be used. Browsers say so; others are programs unless they ask
/// for HTML.
fn wants(headers: &HeaderMap, method: &Method) -> Wants {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (mode, dest) = (text("sec-fetch-mode"), text("sec-fetch-dest"));
    match mode {
        "navigate" => {
            return if matches!(dest, "iframe" | "frame" | "embed" | "object") { Wants::Part } else { Wants::Page };
        }
        "cors" | "same-origin" | "websocket" => return Wants::Data,
        "no-cors" => return Wants::Part,
        _ => {}
    }
    let accept = text("accept");
    let script = text("x-requested-with").eq_ignore_ascii_case("xmlhttprequest");
    if !script && accept.contains("text/html") && matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        Wants::Page
    } else if accept.starts_with("image/") {
        Wants::Part
    } else {
        Wants::Data
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Leaves a refusal for the hook that can send it.
fn pend(exchange: &mut Exchange, denial: Box<Denial>) -> Box<Error> {
    exchange.pending = Some(Pending(denial));
    Error::explain(ErrorType::HTTPStatus(502), "refused")
}

/// Whether an answer can be passed on without being read two ways.
fn passable(response: &ResponseHeader) -> bool {
    let mut codings = response.headers.get_all(TRANSFER_ENCODING).iter();
    let coding =
        codings.next().is_none_or(|c| c.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none();
    let clean = |v: &HeaderValue| !v.as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
    coding && response.headers.values().all(clean)
}

fn apply(edit: HeaderEdit, response: &mut ResponseHeader) -> Result<()> {
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

fn rewrite_location(exchange: &Exchange, name: &http::HeaderName, response: &mut ResponseHeader) -> Result<()> {
    let Some(value) = response.headers.get(name).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let at = value
        .find("://")
        .and_then(|i| value[..i].rfind(|c: char| !c.is_ascii_alphabetic()).map_or(Some(0), |j| Some(j + 1)))
        .unwrap_or(0);
    if let Some(public) = upstream::public_location(&exchange.policy, &value[at..]) {
        let rewritten = format!("{}{public}", &value[..at]);
        response.insert_header(name.clone(), rewritten)?;
    }
    Ok(())
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.gate.live.policy(), self.gate.clock.now())
    }

    fn init_downstream_modules(&self, _: &mut pingora_core::modules::http::HttpModules) {
        // Pingora's compression module passes what it cannot decode: none is used.
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let limits = exchange.policy.limits.clone();
        session.set_read_timeout(Some(limits.body_timeout.0));
        session.set_write_timeout(Some(Duration::from_secs(60)));
        session.set_total_drain_timeout(Some(Duration::from_secs(5)));
        let judged = self.judge(session, exchange).await;
        exchange.gateway_us = micros(exchange.started.elapsed());
        self.gate.metrics.overhead.observe(exchange.started.elapsed().as_secs_f64());
        match judged {
            Ok(()) => Ok(false),
            Err(denial) => {
                respond::refuse(session, exchange, &denial).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        match exchange.stage {
            Stage::Admitted(_) => {
                exchange.asked = Some(Instant::now());
                Ok(Box::new(upstream::peer(&exchange.policy)))
            }
            _ => Error::e_explain(ErrorType::HTTPStatus(403), "no permit"),
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let asked = host(&session.req_header().uri, &session.req_header().headers).unwrap_or_default();
        upstream::write_head(exchange, &asked, request)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if let Some(inspected) = &exchange.body {
            // What Pingora replays is the tail of what was read; the canonical form goes instead.
            *body = end.then(|| inspected.canonical.clone());
        }
        // An empty last chunk would be written as a second end of body (cloudflare/pingora#935).
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if response.status.as_u16() == 101 && session.is_upgrade_req() {
            exchange.stage = Stage::Tunnelled;
            exchange.outcome = Outcome::Tunnelled;
            return Ok(());
        }
        if response.status.is_informational() {
            return Ok(());
        }
        self.judge_answer(exchange, response).await?;
        exchange.stage = Stage::Responding;
        exchange.outcome = Outcome::Forwarded;
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        if let (Some(Attempt { answer: Some(kept), .. }), Some(chunk)) = (&mut exchange.attempt, body) {
            let room = MOST_OF_ANSWER.saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(&chunk[..room]);
        }
        Ok(None)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        if error.is_some() && matches!(exchange.stage, Stage::Responding) {
            exchange.outcome = Outcome::Aborted;
        }
        if let Some(attempt) = exchange.attempt.take_if(|a| a.head.is_some())
            && let (Some((status, headers)), Some(kept)) = (&attempt.head, &attempt.answer)
        {
            let text = String::from_utf8_lossy(kept).into_owned();
            let (status, headers) = (*status, headers.clone());
            // The answer is out already; a refusal shows at the session's next request.
            let _ =
                sessions::judge_attempt(&self.gate, &self.caller, exchange, &attempt, status, &headers, &text).await;
        }
        self.record(session, exchange);
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Exchange) -> FailToProxy {
        let gone = |code| FailToProxy { error_code: code, can_reuse_downstream: false };
        if session.response_written().is_some() {
            exchange.outcome = Outcome::Aborted;
            return gone(0);
        }
        let denial = match exchange.pending.take() {
            Some(Pending(denial)) => denial,
            None if *error.esource() == ErrorSource::Downstream => {
                exchange.outcome = Outcome::Aborted;
                return gone(0);
            }
            None => {
                let slow = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::ConnectTimedout);
                let reason = if slow { protocol::TIMEOUT } else { protocol::UNREACHABLE };
                log::warn!("{}: {}", exchange.id, error.etype().as_str());
                exchange.trail.refuse("upstream", reason, Evidence::None);
                Box::new(Denial::new(reason))
            }
        };
        let code = denial.reason.status;
        if respond::refuse(session, exchange, &denial).await.is_err() {
            exchange.outcome = Outcome::Aborted;
        }
        gone(code)
    }

    fn suppress_error_log(&self, _: &Session, _: &Exchange, _: &Error) -> bool {
        // Every failure has its decision record; Pingora's line would carry the query.
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Exchange, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, exchange: &Exchange) -> String {
        format!("request {}", exchange.id)
    }
}
