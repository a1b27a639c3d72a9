//! Signing in and out, as the app's answers tell: did it work, whose session begins, which one is over.

use std::net::IpAddr;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::call::Caller;
use super::exchange::{Account, Attempt, Exchange};
use super::issued::{Issued, issued};
use super::sessions::{begin, doubt_strangers, queue_ending, unavailable};
use super::upstream::trouble;
use crate::clock::Timestamp;
use crate::controls::Facts;
use crate::controls::embedding::for_frames;
use crate::controls::limits::Unanswered;
use crate::decision::{Denial, Evidence, Reason, protocol};
use crate::gate::Gate;
use crate::identity::{Identity, Presented, Realm, Somebody, own_cookie, role_of};
use crate::policy::Policy;
use crate::policy::phrase::{Carrier, Sign};
use crate::policy::types::Rate;
use crate::request::one_address;
use crate::store::{Effect, EndReason, Question, SessionKey, SignInQuestion, Store, UserName};

/// What is known of somebody who signs in; from here on the sign-in counts as one that is not
/// answered yet.
///
/// # Errors
/// When the store cannot be asked.
pub async fn facts(
    gate: &Gate,
    policy: &Policy,
    exchange: &mut Exchange,
    user: &UserName,
    client: IpAddr,
) -> Result<Facts, &'static Reason> {
    // Counted before the failures are asked for: one that fails meanwhile is seen twice, never not at all.
    let (open, mut unanswered) = gate.open_sign_ins.open(user, one_address(client));
    exchange.open_sign_in = Some(open);
    if exchange.attempt.is_none() {
        // A program with HTTP Basic may well have several requests under way.
        unanswered = Unanswered { account: unanswered.account / 4, address: unanswered.address / 4 };
    }
    let known = known(gate, policy, user, client, exchange.time).await?;
    Ok(Facts { unanswered, ..known })
}

/// What the store knows of somebody who signs in, or has.
///
/// # Errors
/// When the store cannot be asked.
pub async fn known(
    gate: &Gate,
    policy: &Policy,
    user: &UserName,
    client: IpAddr,
    now: Timestamp,
) -> Result<Facts, &'static Reason> {
    let limits = &policy.limits.sign_in;
    let window = |rate: Option<Rate>| rate.map_or(Duration::ZERO, |r| r.per);
    let question = SignInQuestion {
        user,
        address: one_address(client),
        account_window: window(limits.per_account),
        address_window: window(limits.per_address),
    };
    let question = Question { session: None, sign_in: Some(question) };
    let known = gate.store.gather(&question, now).await.map_err(|e| unavailable(&e))?;
    Ok(Facts { now, sign_in: known.sign_in, ..Facts::default() })
}

/// What the head of the app's answer does to sessions. Returns a refusal that replaces the answer,
/// and a cookie of the gateway's own to add.
#[derive(Default)]
pub struct Aftermath {
    /// The refusal.
    pub denial: Option<Box<Denial>>,
    /// The cookie.
    pub set_cookie: Option<String>,
    /// Where the person goes instead of where the app sends them.
    pub location: Option<String>,
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
    if let Some(user) = exchange.basic.take() {
        Box::pin(judge_basic(gate, exchange, user, status)).await?;
    }
    if let Some(attempt) = exchange.attempt.take() {
        if attempt.answer.is_some() {
            // Success shows in the body: judged when it is here.
            exchange.attempt = Some(Attempt { head: Some((status, headers.clone())), ..attempt });
            return Ok(Aftermath::default());
        }
        let judged = Box::pin(judge_attempt(gate, caller, exchange, &attempt, status, headers, "")).await;
        // Before the answer goes out, or the next attempt would find this one open still.
        exchange.open_sign_in = None;
        return judged;
    }
    let Some(head) = &exchange.head else { return Ok(Aftermath::default()) };
    if let Identity::Session { key, record } = &head.identity {
        let (key, realm) = (*key, record.realm.clone());
        let signs_out = head.route.logout.is_some() && status.as_u16() < 400;
        if signs_out || headers.contains_key(SET_COOKIE) {
            Box::pin(go_on_or_end(gate, exchange, key, &realm, signs_out, headers)).await?;
        }
    } else {
        let quiet = head.is_read() && !status.is_redirection();
        if !quiet || headers.contains_key(SET_COOKIE) {
            doubt_strangers(gate, exchange);
        }
        if quiet {
            learn_strangers(gate, exchange, headers);
        }
    }
    Ok(Aftermath::default())
}

/// HTTP Basic is a sign-in with every request; a refused one is counted as a failure.
async fn judge_basic(
    gate: &Gate,
    exchange: &mut Exchange,
    user: UserName,
    status: StatusCode,
) -> Result<(), &'static Reason> {
    let expired = exchange.policy.realms.iter().filter_map(|r| r.expired.as_ref()).filter_map(|(status, _)| *status);
    if status == StatusCode::UNAUTHORIZED || expired.into_iter().any(|s| s == status.as_u16()) {
        count_failure(gate, exchange, user).await?;
    }
    exchange.open_sign_in = None;
    Ok(())
}

async fn count_failure(gate: &Gate, exchange: &Exchange, user: UserName) -> Result<(), &'static Reason> {
    let effect = Effect::SignInFailed { user, address: one_address(exchange.client()), at: exchange.time };
    gate.store.commit(&[effect]).await.map(drop).map_err(|e| unavailable(&e))
}

/// What an answer does to the session that asked.
async fn go_on_or_end(
    gate: &Gate,
    exchange: &mut Exchange,
    key: SessionKey,
    realm: &str,
    signs_out: bool,
    headers: &HeaderMap,
) -> Result<(), &'static Reason> {
    let policy = exchange.policy.clone();
    let realm = policy.realms.iter().enumerate().find(|(_, r)| *r.name == *realm);
    let issued = realm.map_or(Issued::Nothing, |(index, spec)| issued(index, spec, headers, exchange.time));
    if signs_out || issued == Issued::TakenBack {
        exchange.session_event = Some("signed_out");
        gate.vault.take(&key);
        gate.memory.forget(&key);
        gate.metrics.session_end(EndReason::SignedOut.as_str());
        let effect = Effect::Ended { key, reason: EndReason::SignedOut, at: exchange.time };
        gate.store.commit(&[effect]).await.map_err(|e| unavailable(&e))?;
        if let Issued::Fresh(fresh) = issued {
            gate.strangers.insert(fresh.key, gate.strangers.asking(), exchange.time);
        }
    } else if let Some(fresh) = issued.fresh().filter(|fresh| fresh.key != key) {
        exchange.session_event = Some("rotated");
        let effect = Effect::Rotated { from: key, to: fresh.key, at: exchange.time };
        // Two answers that rotate one credential at once: the first wins, the second is unknown and
        // asked about when it is presented.
        if gate.store.commit(&[effect]).await.is_ok() {
            gate.vault.take(&key);
            gate.vault.keep(&fresh);
            gate.memory.rename(&key, fresh.key);
            gate.tunnels.rename(&key, fresh.key);
        }
    }
    Ok(())
}

/// Without a `whoami` the gateway can only watch which cookies the app gives to visitors that did nothing.
fn learn_strangers(gate: &Gate, exchange: &Exchange, headers: &HeaderMap) {
    for (index, spec) in exchange.policy.realms.iter().enumerate().filter(|(_, r)| r.whoami.is_empty()) {
        if let Issued::Fresh(fresh) = issued(index, spec, headers, exchange.time) {
            gate.strangers.insert(fresh.key, gate.strangers.asking(), exchange.time);
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
    let before = exchange.presented.iter().find(|p| p.realm == attempt.realm).cloned();
    let issued = issued(attempt.realm, realm, headers, exchange.time).fresh();
    let own = matches!(realm.carrier, Carrier::Own).then(|| own_credential(&policy, attempt.realm)).transpose()?;
    let credential = own.clone().or_else(|| issued.clone()).or_else(|| before.clone());
    let cookie_new = issued.as_ref().is_some_and(|i| before.as_ref().is_none_or(|b| b.key != i.key));
    let signs = login.succeeded.iter().all(|sign| sign_holds(sign, status, headers, body, cookie_new));
    let mut somebody = None;
    if signs
        && login.opens_session
        && own.is_none()
        && let Some(credential) = &credential
    {
        match caller.whoami(&policy, realm, credential).await {
            Ok(found) => somebody = found,
            Err(error) => {
                // Without its groups the session would have another role.
                let trouble = Evidence::App(trouble(&policy, &error).into());
                exchange.trail.refuse("identity", protocol::WHOSE, trouble);
                let denial = Box::new(Denial::new(protocol::WHOSE));
                return Ok(refuse_sign_in(gate, exchange, realm, credential.clone(), denial));
            }
        }
    }
    let needs_whoami = login.succeeded.iter().any(|s| matches!(s, Sign::Whoami));
    if !signs || (needs_whoami && somebody.is_none()) {
        return failed(gate, exchange, attempt, realm, issued).await;
    }
    let somebody = somebody.unwrap_or_else(|| Somebody { user: attempt.user.clone(), groups: vec![] });
    exchange.account = Some(Account::Known(somebody.user.clone()));
    let (true, Some(credential)) = (login.opens_session, credential) else {
        gate.metrics.login(&realm.name, "success");
        exchange.session_event = Some("token_issued");
        return Ok(Aftermath::default());
    };
    // The session that signed in again is over, whoever's it was.
    if let Some(before) = before.filter(|b| b.key != credential.key)
        && matches!(exchange.head.as_ref().map(|h| &h.identity), Some(Identity::Session { .. }))
    {
        let effect = Effect::Ended { key: before.key, reason: EndReason::Rotated, at: exchange.time };
        gate.store.commit(&[effect]).await.map_err(|e| unavailable(&e))?;
        gate.vault.take(&before.key);
    }
    let client = exchange.client();
    match begin(gate, exchange, realm, &credential, somebody, client, &attempt.facts).await? {
        Ok(record) => {
            let identity = Identity::Session { key: credential.key, record };
            exchange.role_after = Some(role_of(&policy.roles, &identity));
        }
        Err(denial) => return Ok(refuse_sign_in(gate, exchange, realm, credential, denial)),
    }
    gate.metrics.login(&realm.name, "success");
    exchange.session_event = Some("signed_in");
    let secure = if policy.secure() { "; Secure" } else { "" };
    let set_cookie = own.map(|own| format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", own.name, own.value));
    let set_cookie = set_cookie.map(|cookie| if policy.in_frames { for_frames(&cookie) } else { cookie });
    Ok(Aftermath { denial: None, set_cookie, location: attempt.returns_to.clone() })
}

/// Refuses a sign-in that the app accepted, and has the app end it.
fn refuse_sign_in(
    gate: &Gate,
    exchange: &mut Exchange,
    realm: &Realm,
    credential: Presented,
    denial: Box<Denial>,
) -> Aftermath {
    gate.metrics.login(&realm.name, "refused");
    exchange.session_event = Some("sign_in_refused");
    queue_ending(gate, credential);
    Aftermath { denial: Some(denial), ..Aftermath::default() }
}

/// A new session cookie of the gateway's own.
fn own_credential(policy: &Policy, realm: usize) -> Result<Presented, &'static Reason> {
    let random = crate::gate::random::<32>().map_err(|_| protocol::STORE)?;
    let value = data_encoding::BASE64URL_NOPAD.encode(&random);
    let key = policy.realms[realm].key_of(&value);
    Ok(Presented { realm, name: own_cookie(policy.secure()).into(), value: value.into(), key })
}

async fn failed(
    gate: &Gate,
    exchange: &mut Exchange,
    attempt: &Attempt,
    realm: &Realm,
    issued: Option<Presented>,
) -> Result<Aftermath, &'static Reason> {
    gate.metrics.login(&realm.name, "failure");
    exchange.session_event = Some("sign_in_failed");
    doubt_strangers(gate, exchange);
    count_failure(gate, exchange, attempt.user.clone()).await?;
    if let Some(fresh) = issued.filter(|_| realm.whoami.is_empty()) {
        gate.strangers.insert(fresh.key, gate.strangers.asking(), exchange.time);
    }
    Ok(Aftermath::default())
}

fn sign_holds(sign: &Sign, status: StatusCode, headers: &HeaderMap, body: &str, cookie_new: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match sign {
        Sign::Status(wanted) => wanted.contains(&status.as_u16()),
        Sign::CookieNew => cookie_new,
        Sign::Header(name, test) => text(name).is_some_and(|v| test.holds(v)),
        Sign::Redirect(test) => status.is_redirection() && text("location").is_some_and(|v| test.holds(v)),
        Sign::Text { .. } | Sign::Json(..) => sign.holds_in(body),
        // Asked separately, since it is a request.
        Sign::Whoami => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
