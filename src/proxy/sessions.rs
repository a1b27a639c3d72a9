//! Sessions as they come and go with the traffic: whose a credential is, what a sign-in's answer
//! means, and ending sessions in the app.

use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::call::Caller;
use super::exchange::{Attempt, Exchange};
use crate::clock::Timestamp;
use crate::controls::Facts;
use crate::controls::sessions::{FULL, NotBegunHere};
use crate::decision::{Denial, Reason, protocol};
use crate::gate::Gate;
use crate::identity::{Identity, Presented, Realm, SignIn, Somebody, new_record, own_cookie, role_of};
use crate::pipeline::accept_sign_in;
use crate::policy::Policy;
use crate::policy::phrase::{Carrier, CredentialPlace, Sign};
use crate::request::basic_user;
use crate::store::{Effect, EndReason, Question, SessionKey, SessionState, SignInQuestion, Store, UserName};

/// What a session credential turned out to be.
pub struct Resolved {
    /// Who asks.
    pub identity: Identity,
    /// Credentials that must not reach the app.
    pub withheld: Vec<Presented>,
}

/// Works out who asks. What is rare is boxed, here and elsewhere: a future is as large as its largest
/// branch, and is moved for every request.
///
/// # Errors
/// When the store cannot be asked, or the request says in two ways who is calling.
pub async fn resolve(
    gate: &Gate,
    caller: &Caller,
    exchange: &mut Exchange,
    client: std::net::IpAddr,
    credential: Option<(CredentialPlace, String)>,
) -> Result<Resolved, &'static Reason> {
    let program = credential.map(|(place, value)| program_identity(&exchange.policy, place, &value, exchange.time));
    let mut resolved = Resolved { identity: Identity::Visitor, withheld: Vec::new() };
    let all = std::mem::take(&mut exchange.presented);
    let outcome = resolve_sessions(gate, caller, exchange, client, &all, &mut resolved).await;
    exchange.presented = all;
    outcome?;
    match (program, &resolved.identity) {
        (Some(_), Identity::Session { .. }) => Err(protocol::TWO_CREDENTIALS),
        (Some(program), _) => Ok(Resolved { identity: program, ..resolved }),
        (None, _) => Ok(resolved),
    }
}

async fn resolve_sessions(
    gate: &Gate,
    caller: &Caller,
    exchange: &mut Exchange,
    client: std::net::IpAddr,
    all: &[Presented],
    resolved: &mut Resolved,
) -> Result<(), &'static Reason> {
    let now = exchange.time;
    let mut settled = false;
    for presented in all {
        let question = Question { session: Some(presented.key), sign_in: None };
        let known = gate.store.gather(&question, now).await.map_err(|e| unavailable(&e))?;
        match known.session {
            SessionState::Live(record) if !settled => {
                settled = true;
                resolved.identity = Identity::Session { key: presented.key, record };
            }
            SessionState::Live(_) => {}
            SessionState::Ended { record, reason, .. } => {
                if !settled {
                    resolved.identity = Identity::Ended { key: presented.key, record, reason };
                }
                resolved.withheld.push(presented.clone());
            }
            SessionState::Unknown if gate.anonymous.contains(&presented.key, now) => {}
            SessionState::Unknown => match Box::pin(adopt(gate, caller, exchange, presented, client)).await? {
                Adopted::Session(record) if !settled => {
                    settled = true;
                    resolved.identity = Identity::Session { key: presented.key, record };
                }
                Adopted::Session(_) | Adopted::Nobodys => {}
                Adopted::Refused => resolved.withheld.push(presented.clone()),
            },
        }
    }
    Ok(())
}

/// The reason for a store that does not answer; the details are for the operator.
pub fn unavailable(error: &crate::store::StoreError) -> &'static Reason {
    log::error!("the store does not work: {error}");
    protocol::STORE
}

fn program_identity(policy: &Policy, place: CredentialPlace, credential: &str, now: Timestamp) -> Identity {
    let user =
        (place == CredentialPlace::Basic).then(|| basic_user(credential)).flatten().and_then(|u| UserName::new(&u));
    let today = now.to_string();
    let key = policy.keys.name_of(credential, &today[..today.len().min(10)]).map(Arc::from);
    Identity::Program { key, user, place }
}

enum Adopted {
    /// The app says whose it is, and every control agrees.
    Session(Arc<crate::store::SessionRecord>),
    /// The app says that it is nobody's.
    Nobodys,
    /// It is not passed on.
    Refused,
}

/// Judges a session credential that the gateway has not seen the app issue.
async fn adopt(
    gate: &Gate,
    caller: &Caller,
    exchange: &mut Exchange,
    presented: &Presented,
    client: std::net::IpAddr,
) -> Result<Adopted, &'static Reason> {
    let policy = exchange.policy.clone();
    let realm = &policy.realms[presented.realm];
    if policy.not_begun_here == NotBegunHere::SignInAgain
        || realm.whoami.is_empty()
        || matches!(realm.carrier, Carrier::Own)
    {
        return Ok(Adopted::Refused);
    }
    let somebody = match caller.whoami(&policy, realm, presented).await {
        Ok(Some(somebody)) => somebody,
        Ok(None) => {
            gate.anonymous.insert(presented.key, exchange.time);
            return Ok(Adopted::Nobodys);
        }
        // Without an answer the credential could be anybody's: it is not passed on.
        Err(_) => return Ok(Adopted::Refused),
    };
    let facts = sign_in_facts(gate, &policy, &somebody.user, client, exchange.time).await?;
    match begin(gate, exchange, realm, presented, somebody, client, &facts).await? {
        Ok(record) => Ok(Adopted::Session(record)),
        Err(_) => Ok(Adopted::Refused),
    }
}

/// What is known of somebody who signs in.
///
/// # Errors
/// When the store cannot be asked.
pub async fn sign_in_facts(
    gate: &Gate,
    policy: &Policy,
    user: &UserName,
    address: std::net::IpAddr,
    now: Timestamp,
) -> Result<Facts, &'static Reason> {
    let limits = &policy.limits.sign_in;
    let window = |rate: Option<crate::policy::types::Rate>| rate.map_or(std::time::Duration::ZERO, |r| r.per);
    let question = SignInQuestion {
        user,
        address,
        account_window: window(limits.per_account),
        address_window: window(limits.per_address),
    };
    let question = Question { session: None, sign_in: Some(question) };
    let known = gate.store.gather(&question, now).await.map_err(|e| unavailable(&e))?;
    Ok(Facts { now, sign_in: known.sign_in, over_rate: None })
}

type Begun = Result<Arc<crate::store::SessionRecord>, Box<Denial>>;

/// Begins a session, if every control agrees.
async fn begin(
    gate: &Gate,
    exchange: &mut Exchange,
    realm: &Realm,
    credential: &Presented,
    somebody: Somebody,
    client: std::net::IpAddr,
    facts: &Facts,
) -> Result<Begun, &'static Reason> {
    let policy = exchange.policy.clone();
    let record = new_record(somebody.user, somebody.groups, realm, client, exchange.time);
    let identity = Identity::Session { key: credential.key, record: record.clone() };
    let sign_in = SignIn { key: credential.key, record: record.clone(), role: role_of(&policy.roles, &identity) };
    let judged = accept_sign_in(&policy, &sign_in, facts, &mut exchange.trail);
    let effects = std::mem::take(&mut exchange.trail.effects);
    gate.anonymous.remove(&credential.key);
    let committed = gate.store.commit(&effects).await.map_err(|e| unavailable(&e))?;
    for key in &committed.displaced {
        gate.metrics.session_end(EndReason::Displaced.as_str());
        end_in_app(gate, *key);
    }
    if let Err(denial) = judged {
        return Ok(Err(denial));
    }
    if committed.refused {
        exchange.trail.refuse("sessions", FULL, crate::decision::Evidence::None);
        return Ok(Err(Box::new(Denial::new(FULL))));
    }
    gate.vault.keep(credential);
    Ok(Ok(record))
}

/// Ends a session in the app too, in the background, if its credential is at hand.
pub fn end_in_app(gate: &Gate, key: SessionKey) {
    if let Some(credential) = gate.vault.take(&key) {
        queue_ending(gate, credential);
    }
}

/// Ends the session behind `credential` in the app, in the background.
pub fn queue_ending(gate: &Gate, credential: Presented) {
    if gate.endings.send(credential).is_err() {
        log::error!("sessions are not ended in the app any more: the task that does it is gone");
    }
}

/// What a response does to the session credential of a realm.
#[derive(Debug, PartialEq, Eq)]
pub enum Issued {
    /// Nothing.
    Nothing,
    /// It gives one.
    Fresh(Presented),
    /// It takes it back.
    TakenBack,
}

impl Issued {
    fn fresh(self) -> Option<Presented> {
        match self {
            Self::Fresh(presented) => Some(presented),
            Self::Nothing | Self::TakenBack => None,
        }
    }
}

/// What `headers` do to the session credential of a realm; the last cookie of the name counts.
pub fn issued(realm: usize, spec: &Realm, headers: &HeaderMap) -> Issued {
    let cookies = headers.get_all(SET_COOKIE).iter().rev();
    cookies.filter_map(|c| c.to_str().ok()).find_map(|c| issued_by(realm, spec, c)).unwrap_or(Issued::Nothing)
}

fn issued_by(realm: usize, spec: &Realm, cookie: &str) -> Option<Issued> {
    let mut parts = cookie.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let ours = match &spec.carrier {
        Carrier::Cookie(known) => known == name,
        Carrier::CookieLike(pattern) => pattern.is_match(name),
        Carrier::Own | Carrier::Header(_) => false,
    };
    if !ours {
        return None;
    }
    let expires_now = |part: &str| part.trim().to_ascii_lowercase().replace(' ', "") == "max-age=0";
    if value.trim_matches('"').is_empty() || parts.any(expires_now) {
        return Some(Issued::TakenBack);
    }
    let key = SessionKey::of(name, value.as_bytes());
    Some(Issued::Fresh(Presented { realm, name: name.into(), value: value.into(), key }))
}

/// What the head of the app's answer does to sessions. Returns a refusal that replaces the answer,
/// and a cookie of the gateway's own to add.
pub struct Aftermath {
    /// The refusal.
    pub denial: Option<Box<Denial>>,
    /// The cookie.
    pub set_cookie: Option<String>,
}

/// Applies the head of the app's answer.
///
/// # Errors
/// When the store cannot be written.
pub async fn apply_answer(
    gate: &Gate,
    caller: &Caller,
    exchange: &mut Exchange,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Aftermath, &'static Reason> {
    let nothing = Aftermath { denial: None, set_cookie: None };
    if let Some(attempt) = exchange.attempt.take() {
        if attempt.answer.is_some() {
            // Success shows in the body: judged when it is here.
            exchange.attempt = Some(Attempt { head: Some((status, headers.clone())), ..attempt });
            return Ok(nothing);
        }
        return Box::pin(judge_attempt(gate, caller, exchange, &attempt, status, headers, "")).await;
    }
    let Some(head) = &exchange.head else { return Ok(nothing) };
    let Identity::Session { key, record } = &head.identity else {
        learn_anonymous(gate, exchange, headers);
        return Ok(nothing);
    };
    let (key, realm_name) = (*key, record.realm.clone());
    let signs_out = head.route.logout.is_some() && status.as_u16() < 400;
    let policy = exchange.policy.clone();
    let realm = policy.realms.iter().enumerate().find(|(_, r)| r.name == realm_name);
    let issued = realm.map_or(Issued::Nothing, |(index, spec)| issued(index, spec, headers));
    let ended = signs_out || issued == Issued::TakenBack;
    if ended {
        exchange.session_event = Some("signed_out");
        gate.vault.take(&key);
        gate.metrics.session_end(EndReason::SignedOut.as_str());
        let effect = Effect::Ended { key, reason: EndReason::SignedOut, at: exchange.time };
        gate.store.commit(&[effect]).await.map_err(|e| unavailable(&e))?;
        if let Issued::Fresh(fresh) = issued {
            gate.anonymous.insert(fresh.key, exchange.time);
        }
    } else if let Some(fresh) = issued.fresh().filter(|fresh| fresh.key != key) {
        exchange.session_event = Some("rotated");
        let effect = Effect::Rotated { from: key, to: fresh.key, at: exchange.time };
        // Two answers that rotate one credential at once: the first wins, the second is unknown and
        // asked about when it is presented.
        if gate.store.commit(&[effect]).await.is_ok() {
            gate.vault.take(&key);
            gate.vault.keep(&fresh);
        }
    }
    Ok(nothing)
}

/// Without a `whoami` the gateway can only watch which cookies the app gives to visitors.
fn learn_anonymous(gate: &Gate, exchange: &Exchange, headers: &HeaderMap) {
    for (index, spec) in exchange.policy.realms.iter().enumerate().filter(|(_, r)| r.whoami.is_empty()) {
        if let Issued::Fresh(fresh) = issued(index, spec, headers) {
            gate.anonymous.insert(fresh.key, exchange.time);
        }
    }
}

/// Judges the answer to a sign-in, with its body where that is needed.
///
/// # Errors
/// When the store cannot be asked or written.
pub async fn judge_attempt(
    gate: &Gate,
    caller: &Caller,
    exchange: &mut Exchange,
    attempt: &Attempt,
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
) -> Result<Aftermath, &'static Reason> {
    let policy = exchange.policy.clone();
    let realm = &policy.realms[attempt.realm];
    let login = &realm.logins[attempt.login];
    let client = exchange.head.as_ref().map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |h| h.client);
    let before = exchange.presented.iter().find(|p| p.realm == attempt.realm).cloned();
    let issued = issued(attempt.realm, realm, headers).fresh();
    let mut own = None;
    if matches!(realm.carrier, Carrier::Own) {
        let value = crate::gate::random::<32>()
            .map(|b| data_encoding::BASE64URL_NOPAD.encode(&b))
            .map_err(|_| protocol::STORE)?;
        let name = own_cookie(policy.secure());
        own = Some(Presented {
            realm: attempt.realm,
            name: name.into(),
            key: SessionKey::of(name, value.as_bytes()),
            value: value.into(),
        });
    }
    let credential = own.clone().or_else(|| issued.clone()).or_else(|| before.clone());
    let cookie_new = issued.as_ref().is_some_and(|i| before.as_ref().is_none_or(|b| b.key != i.key));
    let signs = login.succeeded.iter().all(|sign| sign_holds(sign, status, headers, body, cookie_new));
    let mut somebody = None;
    if signs
        && login.opens_session
        && own.is_none()
        && let Some(credential) = &credential
    {
        somebody = caller.whoami(&policy, realm, credential).await.unwrap_or(None);
    }
    let needs_whoami = login.succeeded.iter().any(|s| matches!(s, Sign::Whoami));
    let accepted = signs && (!needs_whoami || somebody.is_some());
    let somebody = somebody.or_else(|| attempt.user.clone().map(|user| Somebody { user, groups: vec![] }));
    let (Some(somebody), true) = (somebody, accepted) else {
        return failed(gate, exchange, attempt, realm, client, issued).await;
    };
    exchange.account = Some(somebody.user.clone());
    let (true, Some(credential)) = (login.opens_session, credential) else {
        gate.metrics.login(&realm.name, "success");
        exchange.session_event = Some("token_issued");
        return Ok(Aftermath { denial: None, set_cookie: None });
    };
    // The session that signed in again is over, whoever's it was.
    if let Some(before) = before.filter(|b| b.key != credential.key)
        && matches!(exchange.head.as_ref().map(|h| &h.identity), Some(Identity::Session { .. }))
    {
        let effect = Effect::Ended { key: before.key, reason: EndReason::Rotated, at: exchange.time };
        gate.store.commit(&[effect]).await.map_err(|e| unavailable(&e))?;
        gate.vault.take(&before.key);
    }
    match begin(gate, exchange, realm, &credential, somebody, client, &attempt.facts).await? {
        Ok(_) => {
            gate.metrics.login(&realm.name, "success");
            exchange.session_event = Some("signed_in");
            let secure = if policy.secure() { "; Secure" } else { "" };
            let set_cookie =
                own.map(|own| format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", own.name, own.value));
            Ok(Aftermath { denial: None, set_cookie })
        }
        Err(denial) => {
            gate.metrics.login(&realm.name, "refused");
            exchange.session_event = Some("sign_in_refused");
            queue_ending(gate, credential);
            Ok(Aftermath { denial: Some(denial), set_cookie: None })
        }
    }
}

async fn failed(
    gate: &Gate,
    exchange: &mut Exchange,
    attempt: &Attempt,
    realm: &Realm,
    client: std::net::IpAddr,
    issued: Option<Presented>,
) -> Result<Aftermath, &'static Reason> {
    gate.metrics.login(&realm.name, "failure");
    exchange.session_event = Some("sign_in_failed");
    if let Some(user) = &attempt.user {
        let effect = Effect::SignInFailed { user: user.clone(), address: client, at: exchange.time };
        gate.store.commit(&[effect]).await.map_err(|e| unavailable(&e))?;
    }
    if let Some(fresh) = issued.filter(|_| realm.whoami.is_empty()) {
        gate.anonymous.insert(fresh.key, exchange.time);
    }
    Ok(Aftermath { denial: None, set_cookie: None })
}

fn sign_holds(sign: &Sign, status: StatusCode, headers: &HeaderMap, body: &str, cookie_new: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match sign {
        Sign::Status(wanted) => wanted.contains(&status.as_u16()),
        Sign::CookieNew => cookie_new,
        Sign::Header(name, test) => text(name).is_some_and(|v| test.holds(v)),
        Sign::Redirect(test) => status.is_redirection() && text("location").is_some_and(|v| test.holds(v)),
        Sign::Text { text, present } => body.contains(text.as_str()) == *present,
        Sign::Json(pointer, test) => {
            serde_json::from_str::<serde_json::Value>(body).ok().is_some_and(|value| match value.pointer(pointer) {
                None | Some(serde_json::Value::Null) => false,
                Some(serde_json::Value::String(text)) => test.holds(text),
                Some(other) => test.holds(&other.to_string()),
            })
        }
        // Asked separately, since it is a request.
        Sign::Whoami => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(session: &str) -> Realm {
        Realm {
            name: "r".into(),
            carrier: Carrier::parse(session).unwrap(),
            logins: vec![],
            login_page: None,
            logout_call: None,
            whoami: vec![],
            expired: None,
        }
    }

    #[test]
    fn cookies_issued_and_taken_back() {
        let with = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, http::HeaderValue::from_static("other=1"));
            headers.append(SET_COOKIE, http::HeaderValue::from_static(cookie));
            headers
        };
        let exact = realm("cookie sid");
        let fresh = |realm: &Realm, cookie| issued(0, realm, &with(cookie)).fresh().unwrap();
        assert_eq!(&*fresh(&exact, "sid=abc; Path=/").value, "abc");
        for gone in ["sid=; Path=/", "sid=\"\"; Max-Age=0", "sid=x; max-age=0"] {
            assert_eq!(issued(0, &exact, &with(gone)), Issued::TakenBack, "{gone}");
        }
        assert_eq!(issued(0, &exact, &with("sid2=abc")), Issued::Nothing);
        assert_eq!(&*fresh(&realm("cookie ~ RT_SID_.+"), "RT_SID_x.80=abc").name, "RT_SID_x.80");
    }

    #[test]
    fn signs() {
        let mut headers = HeaderMap::new();
        headers.insert("location", http::HeaderValue::from_static("/tickets/"));
        let found = StatusCode::FOUND;
        for (sign, holds) in [
            ("status 302", true),
            ("status 200", false),
            ("redirect ~ ^/tickets", true),
            ("redirect ~ ^/login", false),
            ("cookie new", false),
            ("text \"welcome\"", true),
            ("no text \"wrong\"", true),
            ("no text \"welcome\"", false),
            ("header location", true),
            ("json /ok", false),
        ] {
            assert_eq!(sign_holds(&Sign::parse(sign).unwrap(), found, &headers, "welcome", false), holds, "{sign}");
        }
        assert!(sign_holds(&Sign::parse("json /ok = true").unwrap(), found, &headers, "{\"ok\":true}", false));
    }
}
