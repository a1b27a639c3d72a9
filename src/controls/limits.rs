//! How much anybody may ask for (O31).
//!
//! 1. Requests beyond `per_address`, `per_session` or `per_class` get 429 with `Retry-After`.
//! 2. After `sign_in.per_account` failures for one account, or `sign_in.per_address` from one
//!    address, further sign-ins are refused until the window has passed. These counters are in the
//!    store and survive a restart; a success clears the account's. A sign-in that the app has not
//!    answered yet counts as if it had failed, or many sent at once would all pass. HTTP Basic is a
//!    sign-in with every request: an answer of 401 counts.
//!
//! Rates are counted before the decision (they are state); this control only judges the result.
//! Sizes and time-outs under the same key are enforced by the server itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Armed, ControlSpec, Facts, RequestControl};
use crate::clock::Clock;
use crate::decision::{Denial, Evidence, RuleAt, Verdict, reasons};
use crate::identity::Identity;
use crate::policy::compile::Arming;
use crate::policy::file::Mode;
use crate::policy::profile::Class;
use crate::policy::types::{ByteSize, Duration, Rate};
use crate::request::{RequestHead, one_address};
use crate::store::SessionKey;

/// How much anybody may ask for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub struct File {
    /// `enforce`, `shadow` or `off` for the rates; absent: as the policy.
    pub mode: Option<Mode>,
    /// Requests per client address (IPv6: per /64), such as `100 per 1s`.
    pub per_address: Option<Rate>,
    /// Requests per session.
    pub per_session: Option<Rate>,
    /// Requests per person or address, by class: `export: 10 per 1h`.
    pub per_class: BTreeMap<Class, Rate>,
    /// Failed sign-ins.
    pub sign_in: SignInFile,
    /// Connections at once. Default 10000.
    pub connections: u32,
    /// Connections at once of one address (IPv6: of a /64). Absent: a tenth of `connections`, at least 200. Proxies
    /// that `trusted_proxies` names have no such limit.
    pub connections_per_address: Option<u32>,
    /// What a client must send of a body, or take of an answer, in a second, counted only while the other side waits
    /// for it, and from 20 seconds on. Tunnels, such as those of `WebSocket`, are not meant. Default 1KB.
    pub minimum_rate: ByteSize,
    /// Memory for answers that clients of HTTP/2 asked for and do not take. Beyond it the connection that holds the most
    /// is closed; one connection gets an eighth, and its streams beyond that are reset. Default 512MB.
    pub untaken_memory: ByteSize,
    /// The longest time a request head may take to arrive. Default 10s.
    pub head_timeout: Duration,
    /// The longest pause while a request body arrives. Default 30s.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request. Default 60s.
    pub keep_alive: Duration,
    /// The largest request body that is read for inspection. Default 32MB.
    pub inspected_body: ByteSize,
    /// Memory for all bodies under inspection at once; one address gets a quarter. A body takes at
    /// most 64 KiB of it, besides twice the length of its text. Default 512MB.
    pub inspection_memory: ByteSize,
    /// Room in the state directory for all larger bodies under inspection at once; one address gets
    /// a quarter. Default 4GB.
    pub inspection_spool: ByteSize,
}

impl Default for File {
    fn default() -> Self {
        let seconds = |s| Duration(StdDuration::from_secs(s));
        Self {
            mode: None,
            per_address: None,
            per_session: None,
            per_class: BTreeMap::new(),
            sign_in: SignInFile::default(),
            connections: 10_000,
            connections_per_address: None,
            minimum_rate: ByteSize(1_000),
            untaken_memory: ByteSize(512 << 20),
            head_timeout: seconds(10),
            body_timeout: seconds(30),
            keep_alive: seconds(60),
            inspected_body: ByteSize(32 << 20),
            inspection_memory: ByteSize(512 << 20),
            inspection_spool: ByteSize(4 << 30),
        }
    }
}

impl File {
    /// How many connections one address may have open.
    #[must_use]
    pub fn most_of_address(&self) -> usize {
        let most = self.connections_per_address.unwrap_or_else(|| self.tenth());
        most.min(self.connections) as usize
    }

    fn tenth(&self) -> u32 {
        (self.connections / 10).max(200)
    }

    /// Writes down the defaults that follow from other values.
    pub fn write_defaults(&mut self) {
        let tenth = self.tenth();
        self.connections_per_address.get_or_insert(tenth);
    }
}

/// Failed sign-ins.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignInFile {
    /// Failures for one account, such as `5 per 15m`.
    pub per_account: Option<Rate>,
    /// Failures from one address, such as `20 per 15m`.
    pub per_address: Option<Rate>,
}

reasons! {
    /// Rule 1.
    RATE = "limits.rate", 429, "Too many requests came from you in a short time.", "Ask for less at once.";
    /// Rule 2, by account.
    ACCOUNT = "limits.sign_in_account", 429, "Too many sign-ins to this account failed.", "Wait, or ask the contact below if the password is lost.";
    /// Rule 2, by address.
    ADDRESS = "limits.sign_in_address", 429, "Too many sign-ins from your network failed.", "Wait, or ask the contact below.";
}

/// The control's entry in the table.
pub const SPEC: ControlSpec = ControlSpec {
    name: "limits",
    summary: "Limits request rates per address, session and class, and slows down password guessing.",
    reasons: REASONS,
    arm,
};

struct Limits {
    account: Option<Rate>,
    address: Option<Rate>,
    rules: Rules,
}

/// Where the rates stand.
struct Rules {
    account: RuleAt,
    address: RuleAt,
    per_address: RuleAt,
    per_session: RuleAt,
    per_class: BTreeMap<Class, RuleAt>,
}

impl Rules {
    fn new(arming: &Arming<'_>) -> Self {
        let classes = arming.file.limits.per_class.keys();
        Self {
            account: arming.rule("limits.sign_in.per_account"),
            address: arming.rule("limits.sign_in.per_address"),
            per_address: arming.rule("limits.per_address"),
            per_session: arming.rule("limits.per_session"),
            per_class: classes.map(|c| (*c, arming.rule(format!("limits.per_class.{}", c.as_str())))).collect(),
        }
    }

    fn of(&self, counted: Counted) -> &RuleAt {
        match counted {
            Counted::Address => &self.per_address,
            Counted::Session => &self.per_session,
            Counted::Class(class) => self.per_class.get(&class).unwrap_or(&self.per_address),
        }
    }
}

fn arm(arming: &mut Arming<'_>) -> Option<Armed> {
    let file = &arming.file.limits;
    for (name, rate) in [("per_account", file.sign_in.per_account), ("per_address", file.sign_in.per_address)] {
        let path = format!("limits.sign_in.{name}");
        if rate.is_some_and(|r| r.per > crate::store::FAILURES_KEPT) {
            arming.problems.error(path, "failures are remembered for a day; write a shorter time");
        } else if rate.is_some_and(|r| r.most as usize > crate::store::embedded::FAILURES_COUNTED) {
            arming.problems.error(
                path,
                format!(
                    "at most {} failures are counted; write a smaller number",
                    crate::store::embedded::FAILURES_COUNTED
                ),
            );
        }
    }
    if file.connections == 0 {
        arming.problems.error("limits.connections", "0 would refuse everybody; write how many connections may be open");
    }
    for (key, time) in [("head_timeout", file.head_timeout), ("body_timeout", file.body_timeout)] {
        if time.0.is_zero() {
            arming.problems.error(format!("limits.{key}"), "nothing arrives in no time; write a longer time");
        }
    }
    if file.inspected_body.0 == 0 {
        arming.problems.error("limits.inspected_body", "0 would refuse every form; write a size, such as 32MB");
    }
    if file.inspected_body.0 > file.inspection_spool.0 / 4 {
        let (one, all) = (file.inspected_body, file.inspection_spool);
        arming.problems.error(
            "limits.inspected_body",
            format!(
                "one body ({one}) may be larger than a quarter of the room for all ({all}); raise inspection_spool"
            ),
        );
    }
    let rates = file.per_address.is_some() || file.per_session.is_some() || !file.per_class.is_empty();
    let sign_ins = file.sign_in.per_account.is_some() || file.sign_in.per_address.is_some();
    if !rates && !sign_ins {
        return None;
    }
    let rules = Rules::new(arming);
    let control = Limits { account: file.sign_in.per_account, address: file.sign_in.per_address, rules };
    Some(Armed { request: Some(Box::new(control)), ..Armed::new("limits", arming.mode(file.mode)) })
}

impl RequestControl for Limits {
    fn decide(&self, _: &RequestHead, facts: &Facts) -> Verdict {
        if let Some(over) = facts.over_rate {
            let rule = self.rules.of(over.counted);
            return Denial::because(RATE, Evidence::RetryAfter(over.retry_after)).by(rule).into();
        }
        let Some(known) = facts.sign_in else { return Verdict::NotApplicable };
        let open = facts.unanswered;
        if let Some(evidence) = over(self.account, known.account_failures, open.account) {
            return Denial::because(ACCOUNT, evidence).by(&self.rules.account).into();
        }
        if let Some(evidence) = over(self.address, known.address_failures, open.address) {
            return Denial::because(ADDRESS, evidence).by(&self.rules.address).into();
        }
        Verdict::Allow
    }
}

/// Whether `failed` sign-ins, with those that are `open` and may fail, leave room for none more.
fn over(rate: Option<Rate>, failed: u32, open: u32) -> Option<Evidence> {
    let rate = rate.filter(|r| failed.saturating_add(open) >= r.most)?;
    // What is open will be answered in a moment.
    Some(Evidence::RetryAfter(if failed >= rate.most { rate.per.as_secs().max(1) } else { 1 }))
}

/// What a rate counts the requests of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// An address.
    Address,
    /// A session.
    Session,
    /// A person or an address, in one class.
    Class(Class),
}

/// A rate that a request went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverRate {
    /// What was counted.
    pub counted: Counted,
    /// Seconds until it could pass.
    pub retry_after: u64,
}

/// Our clock as the governor crate wants one.
#[derive(Clone)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(StdDuration::from_millis(self.0.now().0))
    }
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Ticks, NoOpMiddleware<Nanos>>;

/// The counters behind rule 1. They live as long as the policy that asked for them.
pub struct Rates {
    clock: Ticks,
    address: Option<Keyed<IpAddr>>,
    session: Option<Keyed<SessionKey>>,
    classes: Vec<(Class, Keyed<Who>)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    User(Arc<str>),
    Address(IpAddr),
}

impl Rates {
    /// Counters for the limits of `file`.
    #[must_use]
    pub fn new(file: &File, clock: Clock) -> Self {
        let clock = Ticks(clock);
        Self {
            address: file.per_address.map(|r| keyed(r, &clock)),
            session: file.per_session.map(|r| keyed(r, &clock)),
            classes: file.per_class.iter().map(|(class, r)| (*class, keyed(*r, &clock))).collect(),
            clock,
        }
    }

    /// Counts one request of an address, before anything of it costs more; tells if it went over
    /// the rate.
    #[must_use]
    pub fn count_address(&self, client: IpAddr) -> Option<OverRate> {
        let until = self.address.as_ref()?.check_key(&one_address(client)).err()?;
        Some(self.over(Counted::Address, until))
    }

    fn over(&self, counted: Counted, not_until: NotUntil<Nanos>) -> OverRate {
        OverRate { counted, retry_after: not_until.wait_time_from(self.clock.now()).as_secs() + 1 }
    }

    /// Counts one request of a session and of its classes; tells if it went over a rate.
    #[must_use]
    pub fn count(&self, request: &RequestHead) -> Option<OverRate> {
        let address = one_address(request.client);
        if let (Some(limiter), Identity::Session { key, .. }) = (&self.session, &request.identity)
            && let Err(until) = limiter.check_key(key)
        {
            return Some(self.over(Counted::Session, until));
        }
        for (class, limiter) in &self.classes {
            if request.route.is(*class) {
                let who = request.identity.user().map_or(Who::Address(address), |u| Who::User(u.as_str().into()));
                if let Err(until) = limiter.check_key(&who) {
                    return Some(self.over(Counted::Class(*class), until));
                }
            }
        }
        None
    }

    /// Forgets keys that are back at rest; called now and then.
    pub fn tidy(&self) {
        self.address.iter().for_each(RateLimiter::retain_recent);
        self.session.iter().for_each(RateLimiter::retain_recent);
        self.classes.iter().for_each(|(_, limiter)| limiter.retain_recent());
    }
}

fn keyed<K: Clone + Eq + std::hash::Hash>(rate: Rate, clock: &Ticks) -> Keyed<K> {
    let most = NonZeroU32::new(rate.most).unwrap_or(NonZeroU32::MIN);
    let each = (rate.per / rate.most).max(StdDuration::from_nanos(1));
    let quota = Quota::with_period(each).unwrap_or_else(|| Quota::per_second(most)).allow_burst(most);
    RateLimiter::new(quota, DashMapStateStore::default(), clock.clone())
}

/// Sign-ins to one account and from one address that the app has not answered yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// To the account.
    pub account: u32,
    /// From the address.
    pub address: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_rate_allows_its_burst_and_refills() {
        let clock = Clock::starting_at(Timestamp(1_000_000));
        let limiter = keyed::<u64>(Rate { most: 3, per: StdDuration::from_secs(60) }, &Ticks(clock.clone()));
        assert!((0..3).all(|_| limiter.check_key(&1).is_ok()));
        assert!(limiter.check_key(&1).is_err() && limiter.check_key(&2).is_ok());
        clock.advance(StdDuration::from_secs(21));
        assert!(limiter.check_key(&1).is_ok() && limiter.check_key(&1).is_err());
    }

    #[test]
    fn what_is_open_may_fail() {
        let rate = Some(Rate { most: 5, per: StdDuration::from_secs(900) });
        let wait = |failed, open| over(rate, failed, open).map(|e| matches!(e, Evidence::RetryAfter(1)));
        assert_eq!(wait(4, 0), None);
        assert_eq!(wait(3, 2), Some(true));
        assert_eq!(wait(5, 0), Some(false));
        assert!(over(None, 99, 99).is_none());
    }
}
