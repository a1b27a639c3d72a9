//! Who asks: whose session or key a credential is; how a session begins, and how it ends in the app.

use std::sync::Arc;

use smallvec::SmallVec;

use super::call::Caller;
use super::exchange::Exchange;
use super::{copies, sign_in};
use crate::clock::Timestamp;
use crate::controls::Facts;
use crate::controls::sessions::{FULL, NotBegunHere};
use crate::decision::{Denial, Reason, protocol};
use crate::gate::Gate;
use crate::identity::{Cookie, Identity, Presented, Realm, SignIn, Somebody, new_record, role_of};
use crate::pipeline::{accept_sign_in, full};
use crate::policy::Policy;
use crate::policy::phrase::{Carrier, CredentialPlace};
use crate::request::basic_user;
use crate::store::{EndReason, Question, SessionKey, SessionState, Store, UserName};

/// What a session credential turned out to be.
pub struct Resolved {
    /// Who asks.
    pub identity: Identity,
    /// Credentials that must not reach the app, and are taken back.
    pub withheld: Vec<Presented>,
    /// Credentials beside the one that is judged: they do not reach the app either, or a request
    /// would be judged as one person's and answered as another's.
    pub aside: Vec<Presented>,
    /// Copies of a session cookie of which none counts: not passed on, and expired.
    pub expired: Vec<Cookie>,
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
    let mut program = None;
    if let Some((place, value)) = credential {
        program = Some(Box::pin(program_identity(gate, exchange, place, &value)).await?);
    }
    let mut resolved =
        Resolved { identity: Identity::Visitor, withheld: Vec::new(), aside: Vec::new(), expired: Vec::new() };
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
    let mut people: SmallVec<[Option<UserName>; 2]> = SmallVec::new();
    for presented in all {
        let question = Question { session: Some(presented.key), sign_in: None };
        let known = gate.store.gather(&question, now).await.map_err(|e| unavailable(&e))?;
        let mut person = None;
        match known.session {
            SessionState::Live(record) if !settled => {
                settled = true;
                person = Some(record.user.clone());
                resolved.identity = Identity::Session { key: presented.key, record };
            }
            SessionState::Live(record) => {
                person = Some(record.user.clone());
                resolved.aside.push(presented.clone());
            }
            SessionState::Ended { record, reason, .. } => {
                if !settled {
                    resolved.identity = Identity::Ended { key: presented.key, record, reason };
                }
                resolved.withheld.push(presented.clone());
            }
            SessionState::Unknown if is_strangers(gate, exchange, presented, now) => {}
            SessionState::Unknown => match Box::pin(adopt(gate, caller, exchange, presented, client)).await? {
                Adopted::Session(record) if !settled => {
                    settled = true;
                    person = Some(record.user.clone());
                    resolved.identity = Identity::Session { key: presented.key, record };
                }
                Adopted::Nobodys => {}
                Adopted::Session(record) => {
                    person = Some(record.user.clone());
                    resolved.aside.push(presented.clone());
                }
                Adopted::Refused => resolved.withheld.push(presented.clone()),
            },
        }
        people.push(person);
    }
    if all.len() > 1 {
        copies::tell_apart(all, &people, resolved);
    }
    Ok(())
}

fn is_strangers(gate: &Gate, exchange: &Exchange, presented: &Presented, now: Timestamp) -> bool {
    let can_be_asked = !exchange.policy.realms[presented.realm].whoami.is_empty();
    gate.strangers.contains(&presented.key, can_be_asked, now)
}

/// Whose a stranger's credential is must be asked anew: a sign-in that no login names may have happened.
pub fn doubt_strangers(gate: &Gate, exchange: &Exchange) {
    exchange.presented.iter().for_each(|presented| gate.strangers.doubt(presented.key));
}

/// The reason for a store that does not answer; the details are for the operator.
pub fn unavailable(error: &crate::store::StoreError) -> &'static Reason {
    log::error!("the store does not work: {error}");
    protocol::STORE
}

/// The program whose credential is `value`.
async fn program_identity(
    gate: &Gate,
    exchange: &mut Exchange,
    place: CredentialPlace,
    value: &str,
) -> Result<Identity, &'static Reason> {
    let policy = exchange.policy.clone();
    let key = policy.keys.name_of(value, exchange.time).map(Arc::from);
    if key.is_none() && opens_session(gate, &policy, value, exchange.time).await? {
        return Err(protocol::SESSION_AS_KEY);
    }
    let user = (place == CredentialPlace::Basic).then(|| basic_user(value)).flatten().and_then(|u| UserName::new(&u));
    exchange.basic.clone_from(&user);
    Ok(Identity::Program { key, user, place })
}

/// Whether `value` is, or was, what opens a session: sent as a program's key it would escape every
/// limit of the session.
async fn opens_session(gate: &Gate, policy: &Policy, value: &str, now: Timestamp) -> Result<bool, &'static Reason> {
    for realm in &policy.realms {
        let question = Question { session: Some(realm.key_of(value)), sign_in: None };
        let known = gate.store.gather(&question, now).await.map_err(|e| unavailable(&e))?;
        if known.session != SessionState::Unknown {
            return Ok(true);
        }
    }
    Ok(false)
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
    let asked = gate.strangers.asking();
    let somebody = match caller.whoami(&policy, realm, presented).await {
        Ok(Some(somebody)) => somebody,
        Ok(None) => {
            gate.strangers.insert(presented.key, asked, exchange.time);
            return Ok(Adopted::Nobodys);
        }
        // Without an answer the credential could be anybody's: it is not passed on.
        Err(_) => return Ok(Adopted::Refused),
    };
    let facts = sign_in::known(gate, &policy, &somebody.user, client, exchange.time).await?;
    match begin(gate, exchange, realm, presented, somebody, client, &facts).await? {
        Ok(record) => Ok(Adopted::Session(record)),
        Err(_) => Ok(Adopted::Refused),
    }
}

/// What came of it: the session, or why a control refused.
pub type Begun = Result<Arc<crate::store::SessionRecord>, Box<Denial>>;

/// Begins a session, if every control agrees.
///
/// # Errors
/// When the store cannot be written.
pub async fn begin(
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
    gate.strangers.doubt(credential.key);
    let committed = gate.store.commit(&effects).await.map_err(|e| unavailable(&e))?;
    for key in &committed.displaced {
        gate.metrics.session_end(EndReason::Displaced.as_str());
        end_in_app(gate, *key);
    }
    if let Err(denial) = judged {
        return Ok(Err(denial));
    }
    if committed.refused {
        let full = full(&policy, &sign_in, &mut exchange.trail);
        return Ok(Err(full.unwrap_or_else(|| Box::new(Denial::new(FULL)))));
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
