//! One exchange, from its head to its record. What Pingora carries from hook to hook.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;

use super::budget::Held;
use super::client_stream::StreamBody;
use super::outgoing::{Hiding, MaskedValues, Outgoing};
use super::tunnel::{OpenTunnel, TunnelState};
use super::untaken::Untaken;
use crate::body::Body;
use crate::body::multipart::FilePart;
use crate::clock::Timestamp;
use crate::controls::Facts;
use crate::controls::limits::OverRate;
use crate::decision::log::Place;
use crate::decision::{Denial, Outcome};
use crate::gate::OpenSignIn;
use crate::identity::{Cookie, Presented};
use crate::pipeline::{Permit, Trail};
use crate::policy::Policy;
use crate::policy::names::RoleId;
use crate::policy::profile::Class;
use crate::request::{Cookies, RequestHead, Target};
use crate::store::UserName;

/// How far an exchange has come.
#[derive(Default)]
pub enum Stage {
    /// Its head is here; nothing is decided.
    #[default]
    Received,
    /// It may go to the app.
    Admitted(Permit),
    /// It was refused, and the refusal was sent.
    Refused,
    /// The app's answer was let through.
    Responding,
    /// It became a tunnel.
    Tunnelled,
}

/// A refusal that is still to be sent, because the hook that found it cannot.
pub struct Pending(pub Box<Denial>);

/// A sign-in that the request attempts.
pub struct Attempt {
    /// The realm, by its place.
    pub realm: usize,
    /// The login, by its place.
    pub login: usize,
    /// The account named.
    pub user: UserName,
    /// The path to go to afterwards.
    pub returns_to: Option<String>,
    /// What was known when it was let through.
    pub facts: Facts,
    /// The beginning of the app's answer, where success shows only there.
    pub answer: Option<Vec<u8>>,
    /// The status and headers of that answer.
    pub head: Option<(http::StatusCode, http::HeaderMap)>,
}

/// The account that a sign-in is about.
#[derive(Clone, Debug)]
pub enum Account {
    /// One that is known: it signed in before, or the policy names it.
    Known(UserName),
    /// What was typed where a name belongs. It may be a password, so it is recorded as a pseudonym.
    Unknown(UserName),
}

/// The body that was read and judged, and is forwarded instead of what came.
pub struct Inspected {
    /// The canonical bytes.
    pub canonical: Bytes,
    /// Its part of the memory for bodies under inspection.
    pub held: Vec<Held>,
}

/// One exchange.
pub struct Exchange {
    /// The policy, pinned: one exchange, one revision.
    pub policy: Arc<Policy>,
    /// When its head was here, on the clock.
    pub time: Timestamp,
    /// The same for measuring.
    pub started: Instant,
    /// Its reference.
    pub id: String,
    /// How far it has come.
    pub stage: Stage,
    /// Its head, once it is normalised.
    pub head: Option<RequestHead>,
    /// The host it asked for.
    pub host: String,
    /// Its target.
    pub target: Option<Target>,
    /// Its cookies.
    pub cookies: Cookies,
    /// Session credentials that it carries.
    pub presented: Vec<Presented>,
    /// Session credentials that are not passed on.
    pub withheld: Vec<Presented>,
    /// Live sessions beside the one that is judged; not passed on either.
    pub aside: Vec<Presented>,
    /// Copies of session cookies of which nobody can tell which one the app would read; not passed on, and expired.
    pub expired: Vec<Cookie>,
    /// Whether its `Authorization` is not passed on.
    pub drops_authorization: bool,
    /// The rate of its address that it went over.
    pub over_rate: Option<OverRate>,
    /// What the controls left.
    pub trail: Trail,
    /// Its place in the decision log.
    pub place: Option<Place>,
    /// The sign-in that it attempts.
    pub attempt: Option<Attempt>,
    /// The account that its HTTP Basic credential names.
    pub basic: Option<UserName>,
    /// Counts it as a sign-in until the app has answered.
    pub open_sign_in: Option<OpenSignIn>,
    /// The inspected body.
    pub body: Option<Inspected>,
    /// What it says, when it may have to be changed, and the type that it has.
    pub parsed: Option<Body>,
    /// The body's type, with `parsed`.
    pub body_type: String,
    /// Whether it is a file that came without a type.
    pub untyped_file: bool,
    /// How many values were taken out of it.
    pub removed: u32,
    /// What is hidden from whoever asks.
    pub hiding: Option<Hiding>,
    /// The codings that the client accepts, where the app is not told.
    pub accepts: Option<String>,
    /// The answer's body on its way. Nobody waits for it: the exchange goes from thread to thread, one at a time.
    pub outgoing: Mutex<Option<Outgoing>>,
    /// How fast its body comes, over HTTP/2.
    pub stream_body: StreamBody,
    /// Bytes of the answer that were handed on.
    pub passed: usize,
    /// How much of that is held for a client of HTTP/2.
    pub untaken: Untaken,
    /// What was masked.
    pub masked_values: MaskedValues,
    /// The files in it.
    pub files: Vec<FilePart>,
    /// The tunnel that it became.
    pub open_tunnel: Option<OpenTunnel>,
    /// What is to be recorded of that.
    pub tunnel: Option<TunnelState>,
    /// The bulk file that the answer is: its kind, and its name.
    pub answer_file: Option<(&'static str, Option<String>)>,
    /// A refusal still to be sent.
    pub pending: Option<Pending>,
    /// What happened to a session.
    pub session_event: Option<&'static str>,
    /// The account that its sign-in is about.
    pub account: Option<Account>,
    /// The role of whoever signed in, from then on.
    pub role_after: Option<RoleId>,
    /// How it ended.
    pub outcome: Outcome,
    /// When the app was asked.
    pub asked: Option<Instant>,
    /// From the head to the decision.
    pub gateway_us: u64,
    /// From asking the app to the head of its answer.
    pub upstream_us: u64,
    /// The status sent by the gateway itself.
    pub status: u16,
}

impl Exchange {
    /// A new exchange under `policy`.
    pub fn new(policy: Arc<Policy>, time: Timestamp) -> Self {
        Self {
            policy,
            time,
            started: Instant::now(),
            id: ulid::Ulid::from_parts(time.0, random_u128()).to_string(),
            stage: Stage::Received,
            head: None,
            host: String::new(),
            target: None,
            cookies: Cookies::default(),
            presented: Vec::new(),
            withheld: Vec::new(),
            aside: Vec::new(),
            expired: Vec::new(),
            drops_authorization: false,
            over_rate: None,
            trail: Trail::default(),
            place: None,
            attempt: None,
            basic: None,
            open_sign_in: None,
            body: None,
            parsed: None,
            body_type: String::new(),
            untyped_file: false,
            removed: 0,
            hiding: None,
            stream_body: StreamBody::default(),
            passed: 0,
            untaken: Untaken::default(),
            accepts: None,
            outgoing: Mutex::new(None),
            masked_values: MaskedValues::default(),
            files: Vec::new(),
            open_tunnel: None,
            tunnel: None,
            answer_file: None,
            pending: None,
            session_event: None,
            account: None,
            role_after: None,
            outcome: Outcome::Aborted,
            asked: None,
            gateway_us: 0,
            upstream_us: 0,
            status: 0,
        }
    }

    /// The client's address; unspecified as long as the head is not read.
    pub fn client(&self) -> IpAddr {
        self.head.as_ref().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |h| h.client)
    }

    /// Whether the answer is read and changed on its way.
    pub fn reads_answer(&self) -> bool {
        self.hiding.as_ref().is_some_and(Hiding::enforced)
    }

    /// Whether pages are looked into though nothing is hidden in them; what is no page is not asked for as one.
    pub fn reads_pages(&self) -> bool {
        let is_static = |head: &RequestHead| head.route.is(Class::Static) || head.upgrades;
        self.policy.shown_pages.is_some() && !self.reads_answer() && !self.head.as_ref().is_some_and(is_static)
    }

    /// Whether a cookie must not reach the app.
    pub fn withholds_cookie(&self, name: &str, value: &str) -> bool {
        self.withheld.iter().chain(&self.aside).any(|p| (&*p.name, &*p.value) == (name, value))
            || self.expired.iter().any(|(n, v)| (&**n, &**v) == (name, value))
    }

    /// Whether a header must not reach the app.
    pub fn withholds_header(&self, name: &str) -> bool {
        self.withheld.iter().chain(&self.aside).any(|p| &*p.name == name)
    }
}

/// References need to be unique, not secret: a fast generator, seeded from the system, is enough.
fn random_u128() -> u128 {
    use std::cell::Cell;
    thread_local!(static STATE: Cell<u128> = Cell::new(crate::gate::random::<16>().map_or(1, u128::from_le_bytes) | 1));
    STATE.with(|state| {
        // PCG's multiplier; the high bits are the good ones.
        let next =
            state.get().wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1_442_695_040_888_963_407);
        state.set(next);
        next ^ (next >> 64)
    })
}
