//! From the head of a request to leave to ask the app, or a refusal.

use std::cell::Cell;

use http::Method;
use http::header::AUTHORIZATION;
use pingora_proxy::Session;

use super::body::{Refused, Unread};
use super::exchange::{Account, Attempt, Exchange, Stage};
use super::gateway::Gateway;
use super::incoming;
use super::outgoing::{Hiding, shown_to};
use super::request_head::{NO_ADDRESS, read_head, with_host};
use super::sessions::{self, Resolved};
use super::sign_in;
use crate::body::{Body, Fields};
use crate::controls::{Facts, Sent};
use crate::decision::{Denial, Evidence, Reason, protocol};
use crate::identity::{AmbiguousCredential, Identity, program, role_of};
use crate::masking::Pseudonyms;
use crate::pipeline::{self, Permit, admit};
use crate::policy::Policy;
use crate::policy::file::WhenItCannotWrite;
use crate::policy::phrase::{Carrier, CredentialPlace};
use crate::policy::profile::Class;
use crate::request::{RequestHead, Target, Values, Wants};
use crate::route::{Area, Candidates, Evidence as Read, Matched};
use crate::store::{Effect, Store, UserName};

/// Why a request does not go to the app.
pub(super) enum Stopped {
    /// It is refused.
    Denied(Box<Denial>),
    /// The client went away before it was all here: there is nobody to refuse.
    Gone,
}

impl From<Box<Denial>> for Stopped {
    fn from(denial: Box<Denial>) -> Self {
        Self::Denied(denial)
    }
}

type Judged<T> = Result<T, Stopped>;

impl Gateway {
    /// Judges a request. When it returns `Ok`, the exchange holds a permit.
    pub(super) async fn judge(&self, session: &mut Session, exchange: &mut Exchange) -> Judged<()> {
        let policy = exchange.policy.clone();
        if let Err(reason) = read_head(session, &policy, exchange) {
            return Err(refused(exchange, (reason, Evidence::None)).into());
        }
        exchange.over_rate = policy.rates.count_address(exchange.client());
        if exchange.over_rate.is_some() && policy.enforces("limits") {
            // Refused by its address alone: nothing more of it is worth reading than where it goes.
            if let (Some(target), Some(head)) = (&exchange.target, &mut exchange.head) {
                let matched = by_its_head(session, &policy, &exchange.host, target);
                (head.area, head.route.channel) = (matched.area, matched.channel);
            }
            return self.decide(session, &policy, exchange).await;
        }
        let matched = match self.classify(session, &policy, exchange).await {
            Ok(matched) => matched,
            Err(unread) => {
                self.say_who(session, &policy, exchange).await;
                return Err(stopped(exchange, unread));
            }
        };
        if let Err(reason) = self.take_place(&policy, exchange, &matched) {
            return Err(refused(exchange, (reason, Evidence::None)).into());
        }
        let identified = match program_credential(session, &policy, exchange) {
            Ok(credential) => self.identify(&policy, exchange, matched, credential).await,
            Err(reason) => Err(reason),
        };
        if let Err(reason) = identified {
            return Err(refused(exchange, (reason, Evidence::None)).into());
        }
        self.decide(session, &policy, exchange).await
    }

    /// For the record of a request whose body is refused: who sent it, and whereto as far as its head
    /// tells.
    async fn say_who(&self, session: &Session, policy: &Policy, exchange: &mut Exchange) {
        let Some(target) = &exchange.target else { return };
        let matched = by_its_head(session, policy, &exchange.host, target);
        if let Ok(credential) = program_credential(session, policy, exchange) {
            // When it cannot be found out, the record says less.
            let _ = self.identify(policy, exchange, matched, credential).await;
        }
    }

    /// Says what the request does, reading its body first where that is needed to know.
    async fn classify(
        &self,
        session: &mut Session,
        policy: &Policy,
        exchange: &mut Exchange,
    ) -> Result<Matched, Unread> {
        let method = session.req_header().method.clone();
        // A target is there: a head without one was refused.
        let Some(target) = exchange.target.take() else { return Ok(Matched::default()) };
        let classified = self.classify_at(session, policy, exchange, &method, &target).await;
        exchange.target = Some(target);
        classified
    }

    async fn classify_at(
        &self,
        session: &mut Session,
        policy: &Policy,
        exchange: &mut Exchange,
        method: &Method,
        target: &Target,
    ) -> Result<Matched, Unread> {
        let candidates = policy.matcher.find(&target.path);
        let incoming = incoming::take_in(session, &self.room, policy, exchange, &candidates).await?;
        let mut matched = settle(session, policy, exchange, &candidates, (method, target, incoming.body.as_ref()))?;
        let (facts, files) =
            incoming::inspect(session, &self.room, exchange, incoming, (&mut matched, policy.inspects_files)).await?;
        exchange.files = files;
        if let Some(head) = &mut exchange.head {
            head.files = facts;
        }
        Ok(matched)
    }

    /// Takes a place in the decision log, or does what the policy says when there is none.
    fn take_place(&self, policy: &Policy, exchange: &mut Exchange, matched: &Matched) -> Result<(), &'static Reason> {
        exchange.place = self.gate.log.place(policy.audit.queue);
        if exchange.place.is_some() {
            return Ok(());
        }
        // Signing out opens nothing: to refuse it would keep open what somebody wants closed.
        if matched.logout.is_some() {
            return Ok(());
        }
        let harmless =
            |c| matches!(c, Class::Page | Class::Static | Class::Background | Class::Ticket | Class::WidgetSettings);
        let reads = exchange.head.as_ref().is_some_and(|h| matches!(h.method, Method::GET | Method::HEAD));
        let sensitive = !reads || matched.changes().next().is_some() || !matched.classes().all(harmless);
        match policy.audit.when_it_cannot_write {
            WhenItCannotWrite::CarryOn => Ok(()),
            WhenItCannotWrite::RefuseSensitive if !sensitive => Ok(()),
            _ => Err(protocol::LOG),
        }
    }

    async fn identify(
        &self,
        policy: &Policy,
        exchange: &mut Exchange,
        matched: Matched,
        credential: Option<(CredentialPlace, String)>,
    ) -> Result<(), &'static Reason> {
        let mut client = NO_ADDRESS;
        if let Some(head) = &mut exchange.head {
            head.area = matched.area;
            head.route = matched;
            client = head.client;
        }
        if exchange.presented.is_empty() && credential.is_none() {
            return Ok(());
        }
        let Resolved { identity, withheld, aside, expired } =
            sessions::resolve(&self.gate, &self.caller, exchange, client, credential).await?;
        if exchange.attempt.is_some() && exchange.basic.is_some() {
            return Err(protocol::TWO_CREDENTIALS);
        }
        exchange.withheld = withheld;
        exchange.aside = aside;
        exchange.expired.extend(expired);
        if let Some(head) = &mut exchange.head {
            head.role = role_of(&policy.roles, &identity);
            if matches!(identity, Identity::Program { .. }) && head.area == Area::Api {
                head.wants = Wants::Data;
            }
            head.identity = identity;
        }
        Ok(())
    }

    async fn decide(&self, session: &mut Session, policy: &Policy, exchange: &mut Exchange) -> Judged<()> {
        let Some(mut head) = exchange.head.take() else { return Err(Box::new(Denial::new(protocol::TARGET)).into()) };
        let permit = match self.decide_on(policy, exchange, &head).await {
            Ok(permit) => self.scan(policy, exchange, &mut head, permit).await,
            stopped => stopped,
        };
        let permit = match permit {
            Ok(permit) => self.edit(session, policy, exchange, &head, permit).await,
            stopped => stopped,
        };
        exchange.parsed = None;
        if permit.is_ok() && head.route.class() == Class::Unclassified {
            self.gate.metrics.unclassified(head.area.as_str());
        }
        let permit = match permit {
            Ok(permit) => permit,
            Err(stopped) => {
                exchange.head = Some(head);
                return Err(stopped);
            }
        };
        exchange.hiding = pipeline::masks(policy, &head).map(|(masked, mode)| Hiding { masked: masked.clone(), mode });
        if !head.is_read() {
            sessions::doubt_strangers(&self.gate, exchange);
        }
        exchange.head = Some(head);
        exchange.stage = Stage::Admitted(permit);
        Ok(())
    }

    /// Has the virus scanner see the files of a request that would pass otherwise.
    async fn scan(
        &self,
        policy: &Policy,
        exchange: &mut Exchange,
        head: &mut RequestHead,
        permit: Permit,
    ) -> Judged<Permit> {
        let Some(scanner) = policy.scanner.as_ref().filter(|_| !head.files.is_empty()) else { return Ok(permit) };
        for (facts, file) in head.files.iter_mut().zip(&exchange.files) {
            let (scanned, wrong) = Box::pin(scanner.scan(&file.content)).await;
            self.gate.metrics.scan(scanned.as_str());
            if let Some(wrong) = wrong {
                log::warn!("{}: a file was not scanned: {wrong}", exchange.id);
            }
            facts.scanned = Some(scanned);
        }
        Ok(pipeline::scanned(policy, head, permit, &mut exchange.trail)?)
    }

    /// Has controls change what is sent.
    async fn edit(
        &self,
        session: &mut Session,
        policy: &Policy,
        exchange: &mut Exchange,
        head: &RequestHead,
        permit: Permit,
    ) -> Judged<Permit> {
        if pipeline::reads(policy, head) {
            let rest = Box::pin(incoming::take_in_the_rest(session, &self.room, exchange));
            if let Err(unread) = rest.await {
                return Err(stopped(exchange, unread));
            }
        } else if !head.route.has_removals() {
            return Ok(permit);
        }
        let mut body = exchange.parsed.take();
        let (permit, changed) = self.change(policy, exchange, head, permit, body.as_mut())?;
        if let Some(body) = body.filter(|_| changed > 0)
            && let Err(refusal) = incoming::rewrite(&self.room, exchange, head.client, body).await
        {
            return Err(refused(exchange, refusal).into());
        }
        exchange.removed = changed;
        Ok(permit)
    }

    fn change(
        &self,
        policy: &Policy,
        exchange: &mut Exchange,
        head: &RequestHead,
        permit: Permit,
        body: Option<&mut Body>,
    ) -> Judged<(Permit, u32)> {
        let query = exchange.target.as_ref().map(Target::parameters).unwrap_or_default();
        let known = shown_to(head).zip(head.route.thing());
        let originals = known
            .map(|(session, thing)| self.gate.memory.originals(&session, &thing, exchange.time))
            .unwrap_or_default();
        let pseudonyms = Pseudonyms(self.gate.pseudonym_key);
        let files = std::mem::take(&mut exchange.files);
        let mut sent = Sent { query: &query, body, files: &files, originals: &originals, pseudonyms: &pseudonyms };
        let edited = pipeline::edit(policy, head, &mut sent, permit, &mut exchange.trail);
        exchange.files = files;
        Ok(edited?)
    }

    async fn decide_on(&self, policy: &Policy, exchange: &mut Exchange, head: &RequestHead) -> Judged<Permit> {
        let over_rate = exchange.over_rate.or_else(|| policy.rates.count(head));
        let mut facts = Facts { now: exchange.time, over_rate, ..Facts::default() };
        if let Some(user) = signs_in(exchange) {
            let asked = Box::pin(sign_in::facts(&self.gate, policy, exchange, &user, head.client)).await;
            facts = match asked {
                Ok(known) => Facts { over_rate, ..known },
                Err(reason) => return Err(refused(exchange, (reason, Evidence::None)).into()),
            };
            if let Some(attempt) = &mut exchange.attempt {
                // People type passwords where their name belongs: only a known name is recorded as it is.
                let known = facts.sign_in.is_some_and(|k| k.last_sign_in.is_some()) || policy.names_user(&user);
                let named = user != UserName::nobody();
                let account = if known { Account::Known(user) } else { Account::Unknown(user) };
                exchange.account = Some(account).filter(|_| named);
                attempt.facts = facts.clone();
            }
        }
        let admitted = admit(policy, head, &facts, &mut exchange.trail);
        if let Err(reason) = self.commit(exchange).await {
            return Err(refused(exchange, (reason, Evidence::None)).into());
        }
        Ok(admitted?)
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
                        self.gate.memory.forget(key);
                        sessions::queue_ending(&self.gate, presented.clone());
                        exchange.withheld.push(presented.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Says what the request does, now that everything is read that tells.
fn settle(
    session: &Session,
    policy: &Policy,
    exchange: &mut Exchange,
    candidates: &Candidates<'_>,
    (method, target, body): (&Method, &Target, Option<&Body>),
) -> Result<Matched, Refused> {
    let query = if candidates.needs_query() { target.parameters() } else { Fields::default() };
    let host = policy.plain_host(&exchange.host);
    let header = with_host(&host, &session.req_header().headers);
    let matched = candidates.settle(&Read { method, path: &target.path, query: &query, body, header: &header });
    if let Some(how) = matched.unreadable {
        return Err((protocol::BODY, Evidence::Unreadable(how)));
    }
    if let Some((realm, login)) = matched.login {
        exchange.attempt = Some(attempt(policy, realm, login, &query, body, &header)?);
    }
    Ok(matched)
}

/// What the request does as far as its head tells.
fn by_its_head(session: &Session, policy: &Policy, host: &str, target: &Target) -> Matched {
    let host = policy.plain_host(host);
    let (query, header) = (target.parameters(), with_host(&host, &session.req_header().headers));
    let method = &session.req_header().method;
    let evidence = Read { method, path: &target.path, query: &query, body: None, header: &header };
    policy.matcher.find(&target.path).settle(&evidence)
}

/// The account that the request signs in to.
fn signs_in(exchange: &Exchange) -> Option<UserName> {
    exchange.attempt.as_ref().map(|a| &a.user).or(exchange.basic.as_ref()).cloned()
}

/// A refusal that no control made.
fn refused(exchange: &mut Exchange, (reason, evidence): Refused) -> Box<Denial> {
    let origin = reason.code.split('.').next().unwrap_or("protocol");
    exchange.trail.refuse(origin, reason, evidence.clone());
    Box::new(Denial::because(reason, evidence))
}

/// What a body that was not read to its end comes to.
fn stopped(exchange: &mut Exchange, unread: Unread) -> Stopped {
    match unread {
        Unread::Refused(refusal) => Stopped::Denied(refused(exchange, refusal)),
        Unread::Gone => Stopped::Gone,
    }
}

/// The program's credential that the request carries. An `Authorization` that nobody reads here is
/// not passed on: what it would open could not be limited (B5).
fn program_credential(
    session: &Session,
    policy: &Policy,
    exchange: &mut Exchange,
) -> Result<Option<(CredentialPlace, String)>, &'static Reason> {
    let headers = &session.req_header().headers;
    let in_query = policy.credentials.iter().any(|c| matches!(c, CredentialPlace::Query(_)));
    let query = exchange.target.as_ref().filter(|t| in_query && t.query.is_some()).map(Target::parameters);
    let found = program(&policy.credentials, headers, &query.unwrap_or_default());
    let found = found.map_err(|AmbiguousCredential| protocol::TWO_CREDENTIALS)?;
    let is_read = found.as_ref().is_some_and(|(place, _)| place.header() == Some("authorization"))
        || policy.realms.iter().any(|r| matches!(&r.carrier, Carrier::Header(name) if name == "authorization"));
    exchange.drops_authorization = !is_read && headers.contains_key(AUTHORIZATION);
    Ok(found)
}

fn attempt(
    policy: &Policy,
    realm: usize,
    login: usize,
    query: &Fields,
    body: Option<&Body>,
    header: &dyn Fn(&str) -> Option<String>,
) -> Result<Attempt, Refused> {
    let spec = &policy.realms[realm].logins[login];
    let unreadable = Cell::new(None);
    let values = Values { captures: &[], query, body, header, unreadable: &unreadable };
    // Which of two names an app reads differs, and one without a name must still be counted.
    let mut named: Vec<UserName> = Vec::new();
    for source in &spec.user {
        values.any(source, |value| {
            named.extend(UserName::new(value).filter(|name| !named.contains(name)));
            false
        });
    }
    if let Some(how) = unreadable.get() {
        return Err((protocol::BODY, Evidence::Unreadable(how)));
    }
    if named.len() > 1 {
        return Err((protocol::BODY, Evidence::Unreadable("a sign-in that names two users")));
    }
    let user = named.pop().unwrap_or_else(UserName::nobody);
    let mut returns_to = None;
    if let Some(source) = &spec.returns_to {
        values.any(source, |value| {
            returns_to = policy.addresses.path(value);
            returns_to.is_some()
        });
    }
    let (facts, answer) = (Facts::default(), spec.reads_answer().then(Vec::new));
    Ok(Attempt { realm, login, user, returns_to, facts, answer, head: None })
}
