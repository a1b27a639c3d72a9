//! What one decision costs, in process: `cargo bench --bench pipeline`. Figures are in
//! `docs/performance.md`.
#![allow(clippy::unwrap_used)] // of a bench

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use deskgate::body::Fields;
use deskgate::clock::{Clock, Timestamp};
use deskgate::controls::Facts;
use deskgate::decision::Outcome;
use deskgate::decision::record::{Decision, Privacy};
use deskgate::identity::{Identity, presented, role_of};
use deskgate::pipeline::{Trail, admit};
use deskgate::policy::Policy;
use deskgate::policy::compile::Guard;
use deskgate::policy::file::{HideAddress, HideUser};
use deskgate::policy::phrase::Pattern;
use deskgate::policy::profile::Class;
use deskgate::policy::source::load;
use deskgate::proxy::check_raw_head;
use deskgate::request::{Cookies, Networks, RequestHead, Target, Wants};
use deskgate::route::{Evidence, Matched, Matcher, Meaning, Reading, Route};
use deskgate::store::embedded::EmbeddedStore;
use deskgate::store::{Effect, Question, SessionKey, SessionRecord, Store, UserName};
use divan::{Bencher, black_box};
use http::Method;

fn main() {
    divan::main();
}

fn demo() -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/policy.yaml");
    load(&path, &Clock::system()).map_err(|all| all[0].to_string()).unwrap().policy
}

/// The policy of the demo, with so many controls armed: those it has, over and over.
fn policy(armed: usize) -> Policy {
    let mut policy = demo();
    let mut guards: Vec<Guard<_>> = Vec::new();
    while guards.len() < armed {
        guards.append(&mut demo().guards.request);
    }
    guards.truncate(armed);
    policy.guards.request = guards;
    policy
}

fn session() -> Identity {
    let record = SessionRecord {
        user: UserName::new("amir").unwrap(),
        realm: "accounts".into(),
        groups: Arc::from(["agents".into()]),
        started: Timestamp(0),
        last_seen: Timestamp(0),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    Identity::Session { key: SessionKey::of("tinydesk", b"0123456789abcdef"), record: Arc::new(record) }
}

/// A head as browsers send it.
const HEAD: &[u8] = b"GET /agent/tickets/7 HTTP/1.1\r\n\
    Host: desk.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://desk.example/agent/tickets\r\n\
    Connection: keep-alive\r\n\
    Cookie: tinydesk=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\r\n";

/// The raw head of a browser, checked.
#[divan::bench]
fn head(bencher: Bencher) {
    bencher.bench_local(|| check_raw_head(black_box(HEAD)));
}

/// From what was parsed to canonical target and cookies.
#[divan::bench]
fn target_and_cookies(bencher: Bencher) {
    let policy = policy(0);
    bencher.bench_local(|| {
        let target = Target::parse(black_box("/agent/tickets/7"), &policy.path_rules);
        let cookies =
            Cookies::parse(std::iter::once(b"tinydesk=0123456789abcdef0123456789abcdef; theme=dark".as_slice()));
        (target, cookies)
    });
}

/// Whose session a request carries, as far as its cookies tell.
#[divan::bench]
fn identity(bencher: Bencher) {
    let policy = policy(0);
    let cookies = Cookies::parse(std::iter::once(b"tinydesk=0123456789abcdef0123456789abcdef".as_slice()));
    bencher.bench_local(|| presented(&policy.realms, black_box(&cookies), &|_| None, false, &mut Vec::new()));
}

/// The session's record, out of a store with so many.
#[divan::bench(args = [1, 100_000])]
fn gather(bencher: Bencher, sessions: u32) {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("state"), Timestamp(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let Identity::Session { record, .. } = session() else { unreachable!() };
    let key = |number: u32| SessionKey::of("tinydesk", &number.to_le_bytes());
    let signed_in = |number| Effect::SignedIn { key: key(number), record: record.clone(), at_once: None };
    for first in (0..sessions).step_by(1000) {
        let effects: Vec<_> = (first..sessions.min(first + 1000)).map(signed_in).collect();
        runtime.block_on(store.commit(&effects)).unwrap();
    }
    let question = Question { session: Some(key(sessions / 2)), sign_in: None };
    bencher.bench_local(|| runtime.block_on(store.gather(black_box(&question), Timestamp(500))).unwrap().session);
}

/// The controls of the demo's policy, on a request of which everything is known.
#[divan::bench]
fn controls(bencher: Bencher) {
    let policy = demo();
    let identity = session();
    let facts = Facts { now: Timestamp(500), ..Facts::default() };
    let evidence = Evidence {
        method: &Method::GET,
        path: "/agent/tickets/7",
        query: &Fields::default(),
        body: None,
        header: &|_| None,
    };
    let request = asked(&policy, &identity, policy.matcher.find(evidence.path).settle(&evidence));
    bencher.bench_local(|| {
        let mut trail = Trail::default();
        admit(&policy, black_box(&request), &facts, &mut trail).unwrap();
        trail
    });
}

fn asked(policy: &Policy, identity: &Identity, route: Matched) -> RequestHead {
    RequestHead {
        upgrades: false,
        method: Method::GET,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        wants: Wants::Page,
        area: route.area,
        files: vec![],
        role: role_of(&policy.roles, identity),
        identity: identity.clone(),
        route,
    }
}

/// From target and cookies to a verdict: what every request costs beyond the network.
#[divan::bench(args = [0, 5, 20])]
fn decide(bencher: Bencher, armed: usize) {
    let policy = policy(armed);
    let identity = session();
    let facts = Facts { now: Timestamp(500), ..Facts::default() };
    bencher.bench_local(|| {
        let target = Target::parse(black_box("/agent/tickets/7"), &policy.path_rules).unwrap();
        let cookies = Cookies::parse(std::iter::once(b"tinydesk=0123456789abcdef; theme=dark".as_slice()));
        let value = cookies.copies(|name| name == "tinydesk").plain[0].1;
        black_box(SessionKey::of("tinydesk", value.as_bytes()));
        let evidence = Evidence {
            method: &Method::GET,
            path: &target.path,
            query: &Fields::default(),
            body: None,
            header: &|_| None,
        };
        let route = policy.matcher.find(&target.path).settle(&evidence);
        let request = asked(&policy, &identity, route);
        let mut trail = Trail::default();
        admit(&policy, &request, &facts, &mut trail).unwrap();
        trail
    });
}

/// The matcher: 1,000 patterns must cost about what 10 cost.
#[divan::bench(args = [10, 100, 1000])]
fn match_route(bencher: Bencher, patterns: usize) {
    let mut matcher = Matcher::new(Reading::default());
    for index in 0..patterns {
        let route = Route {
            search: vec![],
            name: format!("r{index}"),
            class: Class::Ticket,
            action: None,
            when: vec![],
            id: None,
            thing: None,
            new_text: None,
            keeps_omitted: false,
            needs_session: false,
            activity: None,
            owner: None,
            to: vec![],
            file_name: None,
            message: None,
            removal: None,
            inspects_files: false,
        };
        let pattern = Pattern::parse(&format!("GET /area{}/thing{index}/{{id}}/edit", index % 7)).unwrap();
        matcher.add(&pattern, Meaning::Route(Box::new(route)));
    }
    let path = format!("/area{}/thing{}/4711/edit", (patterns / 2) % 7, patterns / 2);
    let evidence =
        Evidence { method: &Method::GET, path: &path, query: &Fields::default(), body: None, header: &|_| None };
    bencher.bench_local(|| matcher.find(black_box(&path)).settle(&evidence));
}

/// An address list: 10,000 entries must cost about what 10 cost.
#[divan::bench(args = [10, 10_000])]
fn address_list(bencher: Bencher, entries: u32) {
    let networks: Vec<_> = (0..entries).map(|i| format!("10.{}.{}.0/25", i / 256, i % 256).parse().unwrap()).collect();
    let networks = Networks::new(&networks);
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 5, 200));
    bencher.bench_local(|| networks.contains(black_box(address)));
}

/// One line of the decision log.
#[divan::bench]
fn record(bencher: Bencher) {
    let privacy = Privacy { client_ip: HideAddress::Keep, user: HideUser::Keep, key: [0; 32] };
    let decision = Decision {
        masked: &[],
        unread: None,
        answer_type: None,
        answer_name: None,
        time: Timestamp(1_772_442_000_005),
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        revision: "15bb604cbe46",
        outcome: Outcome::Forwarded,
        findings: &[],
        user: Some("amir"),
        unknown: false,
        role: "agent",
        realm: Some("accounts"),
        session: Some("0123456789abcdef"),
        api_key: None,
        kind: "session",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        method: "GET",
        class: "ticket",
        does: &[("ticket", None)],
        channel: None,
        route: Some("ticket"),
        area: "management",
        subject: Some("7"),
        files: &[],
        removed: 0,
        tunnel: None,
        session_event: None,
        status: 200,
        bytes: 4_000,
        gateway_us: 20,
        upstream_us: 400,
    };
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        decision.write(&privacy, "gateway", 1, &mut out);
        out.len()
    });
}
