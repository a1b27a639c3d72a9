//! The policy exactly as operators write it. Nothing here is used while requests are served: one
//! function turns it into the compiled [`Policy`](super::Policy). Every doc comment is also the
//! text of the JSON Schema and of the reference in `docs/policy.md`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::profile::{ChannelFile, RouteFile};
use super::types::{Duration, Named, OneOrMany};
use crate::controls::forwarding::CustomerDetails;
use crate::controls::{access, changes, embedding, exports, forwarding, limits, masking, media, sessions, uploads};

/// A Deskgate policy: what an organisation enforces in front of its helpdesk.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub policy: u32,
    /// What this installation is called, on pages and in records.
    pub name: Option<String>,
    /// Whether refusals are carried out: `enforce`, `shadow` (recorded as `would_deny` only) or
    /// `off`. Every control may say otherwise for itself.
    #[serde(default)]
    pub mode: Mode,
    /// Where requests come in.
    #[schemars(length(min = 1))]
    pub listen: Vec<ListenFile>,
    /// The proxies in front of this one, whose word is taken for the client's address, and the header in which they
    /// give it. Absent: nobody is believed. A list is the same as its `networks` with `header: x-forwarded-for`.
    #[serde(default)]
    pub trusted_proxies: TrustedProxiesFile,
    /// The app behind.
    pub app: AppFile,
    /// Where state that must outlive a restart is kept.
    #[serde(default)]
    pub state: StateFile,
    /// Names for addresses and CIDR blocks.
    #[serde(default)]
    pub networks: Named<OneOrMany<String>>,
    /// Who people are. The first role whose conditions hold is a person's one role.
    pub roles: Named<RoleFile>,
    /// What personal data looks like here.
    #[serde(default)]
    pub personal_data: PersonalDataFile,
    /// What happens to a request that no route of the profile names.
    #[serde(default)]
    pub unclassified: Unclassified,
    /// Address lists and credentials per area of the app (B3, B4, B5).
    #[serde(default)]
    pub access: access::File,
    /// How long people stay signed in, and how often at once (B11, B12, B17).
    #[serde(default)]
    pub sessions: sessions::File,
    /// Who can open attachment links (B24).
    pub media: Option<media::File>,
    /// Who may take data out in bulk (A4).
    pub exports: Option<exports::File>,
    /// What people may send in as files.
    pub uploads: Option<uploads::File>,
    /// To whom the app may send what it holds.
    pub forwarding: Option<forwarding::File>,
    /// What may be edited and deleted, by whom (A6, A7, H10 to H16).
    #[serde(default)]
    pub changes: Vec<changes::RuleFile>,
    /// Who sees X instead of digits (A3).
    #[serde(default)]
    pub masking: Vec<masking::RuleFile>,
    /// Which sites may show the app in a frame (B9).
    pub embedding: Option<embedding::File>,
    /// How answers are sent.
    #[serde(default)]
    pub answers: AnswersFile,
    /// What differs by channel (B1): keys of `media`, `exports`, `uploads`, `forwarding`, `changes`,
    /// `embedding` and `masking` with dots between them, such as `uploads.per_role.customer.largest: 16MB`, or one
    /// below the other. The channel's value takes the place of the policy's own, whole lists too. `deskgate effective --channel` shows it.
    #[serde(default)]
    pub channels: Named<BTreeMap<String, serde_json::Value>>,
    /// How much anybody may ask for (O31).
    #[serde(default)]
    pub limits: limits::File,
    /// The decision log.
    #[serde(default)]
    pub audit: AuditFile,
    /// What people see when they are refused.
    #[serde(default)]
    pub pages: PagesFile,
}

/// What an installation is called that has no name.
pub const NAME: &str = "Deskgate";
/// Where state is kept unless the policy says otherwise.
pub const STATE_DIRECTORY: &str = "/var/lib/deskgate";

impl PolicyFile {
    /// Writes down the defaults that are worked out later.
    pub fn write_defaults(&mut self) {
        self.name.get_or_insert_with(|| NAME.into());
        self.state.directory.get_or_insert_with(|| STATE_DIRECTORY.into());
        self.limits.write_defaults();
    }

    /// Whether anybody judges the files that are sent.
    #[must_use]
    pub fn judges_files(&self) -> bool {
        self.uploads.as_ref().is_some_and(|u| u.mode.unwrap_or(self.mode) != Mode::Off)
    }

    /// Whether anybody judges to whom something is sent.
    #[must_use]
    pub fn judges_recipients(&self) -> bool {
        self.forwarding.as_ref().is_some_and(|f| f.mode.unwrap_or(self.mode) != Mode::Off)
    }

    /// Whether anything is hidden from anybody.
    #[must_use]
    pub fn hides_fields(&self) -> bool {
        self.masking.iter().any(|rule| rule.mode.unwrap_or(self.mode) != Mode::Off)
    }

    /// Whether details of customers are taken out of what is sent.
    #[must_use]
    pub fn removes_details(&self) -> bool {
        let removes = |f: &forwarding::File| f.customer_details == CustomerDetails::Remove;
        self.judges_recipients() && self.forwarding.as_ref().is_some_and(removes)
    }
}

/// Whether a control's refusals are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Carried out.
    #[default]
    Enforce,
    /// Recorded as `would_deny`; the request goes on unchanged.
    Shadow,
    /// Not evaluated.
    Off,
}

/// The stance toward requests that the profile does not name (O9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unclassified {
    /// They pass, and are counted per area so that the profile can be completed.
    #[default]
    AllowAndCount,
    /// They are refused.
    Deny,
}

/// The proxies in front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TrustedProxiesFile {
    /// Names of `networks`, addresses or CIDR blocks.
    List(Vec<String>),
    /// The same, and the header.
    Said(SaidProxiesFile),
}

impl Default for TrustedProxiesFile {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The proxies in front, and the header in which they name the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaidProxiesFile {
    /// Names of `networks`, addresses or CIDR blocks.
    #[schemars(length(min = 1))]
    pub networks: Vec<String>,
    /// The one header that these proxies write themselves; any other is ignored. They must not pass on what a client
    /// wrote into it without adding to its end.
    pub header: HopHeader,
}

/// Where a proxy names who asked it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HopHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), its `for`.
    Forwarded,
}

/// One listener: exactly one of `http`, `https`, `admin` and `metrics`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenFile {
    /// Address and port for plain HTTP, such as `127.0.0.1:8080`.
    pub http: Option<String>,
    /// Address and port for HTTPS (HTTP/1.1 and HTTP/2).
    pub https: Option<String>,
    /// Address and port for metrics, health and operators; never public.
    pub admin: Option<String>,
    /// Address and port for metrics and health only, such as `0.0.0.0:9464`: nothing can be changed there, and any
    /// `Host` is answered. Not for the public either: it tells how much is refused and why.
    pub metrics: Option<String>,
    /// The PEM file with the certificate chain, for `https`.
    pub certificate: Option<String>,
    /// The PEM file with the private key, for `https`.
    pub key: Option<String>,
    /// For `http`: also speak HTTP/2 without TLS (h2c with prior knowledge).
    #[serde(default)]
    pub http2: bool,
}

/// The app and where it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppFile {
    /// The profile that describes the app: the name of a shipped one, or a path to a file
    /// (relative to this policy).
    pub profile: String,
    /// Where the app answers: `http://10.0.4.10:8080`.
    pub upstream: String,
    /// The address people type: scheme, host and port. Its host is the only one served, with
    /// those of `also_served_as`.
    pub public_url: String,
    /// Further host names (with port, if not the default one) under which the app is served.
    #[serde(default)]
    pub also_served_as: Vec<String>,
    /// What differs from the profile here, such as routes of local plug-ins.
    #[serde(default)]
    pub overrides: OverridesFile,
    /// How long to wait for the app.
    #[serde(default)]
    pub timeouts: TimeoutsFile,
    /// Whether `/readyz` says 503 while the app cannot be connected to. Default false: a balancer that takes the gateway
    /// out then shows its own page instead of the gateway's, and all gateways of one app go at once.
    #[serde(default)]
    pub needed_to_be_ready: bool,
}

/// Local additions to the profile.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OverridesFile {
    /// Routes added to the profile's, or replacing those of the same name.
    pub routes: Named<RouteFile>,
    /// Channels added to the profile's, or replacing those of the same name: an inbox that is only here.
    pub channels: Named<ChannelFile>,
    /// Whether `Referer` and `Origin` are rewritten to the app's own address: false when the app
    /// was told the public one.
    pub referer_is_upstream: Option<bool>,
    /// Whether the app is told its own address as `Host`.
    pub host_is_upstream: Option<bool>,
    /// Whether pages are read in which nothing is hidden, so that a `<meta http-equiv=refresh>` does not send browsers to
    /// the app's own address.
    pub pages_name_upstream: Option<bool>,
}

/// How long the app may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsFile {
    /// For a connection to be made. Default 2s.
    pub connect: Duration,
    /// Between two reads of an answer. Default 60s.
    pub read: Duration,
    /// For a write to be taken. Default 30s.
    pub write: Duration,
}

impl Default for TimeoutsFile {
    fn default() -> Self {
        let seconds = |s| Duration(std::time::Duration::from_secs(s));
        Self { connect: seconds(2), read: seconds(60), write: seconds(30) }
    }
}

/// Where state is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StateFile {
    /// A directory of this process's own (mode 0700), made if it is not there. Default
    /// `/var/lib/deskgate`.
    pub directory: Option<String>,
}

/// The conditions of a role; all that are given must hold. None given: everybody.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleFile {
    /// These people, by their name as the app tells it, to the letter; where the profile says `user_names: folded`, in
    /// any spelling.
    pub users: Option<OneOrMany<String>>,
    /// People whom the app puts in one of these groups, as the profile's `whoami` tells.
    pub app_group: Option<OneOrMany<String>>,
    /// Anyone signed in through this realm of the profile.
    pub realm: Option<String>,
    /// Programs with one of these API keys (names of `access.api.keys`).
    pub api_key: Option<OneOrMany<String>>,
    /// Every rule that names that role also covers this one.
    pub like: Option<String>,
}

impl RoleFile {
    /// Whether it has no conditions: everybody is in it who is in none before.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.users.is_none() && self.app_group.is_none() && self.realm.is_none() && self.api_key.is_none()
    }
}

/// What personal data looks like.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PersonalDataFile {
    /// The regions whose telephone numbers are known without their country code, such as `[DE, AT]`.
    /// Absent: numbers are known by their country code only.
    pub regions: Vec<String>,
    /// Further fields, each with a regular expression for what it looks like in a text, such as
    /// `customer_number: 'KD-\d{6}'`.
    pub patterns: Named<String>,
}

/// How answers are sent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswersFile {
    /// Whether answers in which values are masked are compressed for clients that accept it: `when_safe` (the
    /// default: where nothing of the request is written into the answer) or `never`.
    pub compress: Compress,
}

/// When masked answers are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compress {
    /// Where nothing of the request is written into the answer.
    #[default]
    WhenSafe,
    /// Nowhere.
    Never,
}

/// The decision log: one line per exchange.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditFile {
    /// Which exchanges are recorded: `every`, or `denied_only`.
    pub decisions: Recorded,
    /// Where records go: `stdout` or `file PATH`.
    #[schemars(regex(pattern = r"^(stdout|file .*\S.*)$"))]
    pub write_to: String,
    /// How many records may wait for the writer. Default 8192.
    #[schemars(range(min = 16))]
    pub queue: u32,
    /// What happens to requests while records cannot be written: `refuse_all`,
    /// `refuse_sensitive` (everything but pages and static files) or `carry_on` (records are lost, and counted).
    pub when_it_cannot_write: WhenItCannotWrite,
    /// What is kept of client addresses in records: `keep`, `network` (the last 8 or 64 bits are dropped) or
    /// `remove`.
    pub client_ip: HideAddress,
    /// What is kept of user names in records: `keep` or `hash`.
    pub user: HideUser,
}

impl Default for AuditFile {
    fn default() -> Self {
        Self {
            decisions: Recorded::Every,
            write_to: "stdout".into(),
            queue: 8192,
            when_it_cannot_write: WhenItCannotWrite::RefuseSensitive,
            client_ip: HideAddress::Keep,
            user: HideUser::Keep,
        }
    }
}

/// Which exchanges are recorded (O12: refusals cannot be left out).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// All.
    Every,
    /// Those that were refused, or would have been; sign-ins, sign-outs, tunnels and events all the same.
    DeniedOnly,
}

/// The answer to a decision log that cannot be written (O13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenItCannotWrite {
    /// Every request gets 503.
    RefuseAll,
    /// Requests that change or take out data get 503; reading pages goes on.
    RefuseSensitive,
    /// Requests go on; lost records are counted.
    CarryOn,
}

/// How client addresses are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HideAddress {
    /// As they are.
    Keep,
    /// The /24 (IPv4) or /64 (IPv6) network.
    Network,
    /// Not at all.
    Remove,
}

/// How user names are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HideUser {
    /// As they are.
    Keep,
    /// As a hash keyed per installation.
    Hash,
}

/// What people see when they are refused.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagesFile {
    /// Whom to ask: shown on every refusal.
    pub contact: Option<String>,
}
