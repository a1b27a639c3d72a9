//! From the written policy and profile to the compiled policy that serves requests. The only place
//! where one becomes the other; every name is resolved and every pattern compiled here.

mod channels;
mod fields;
mod guards;
mod origin;
mod public;
mod realms;
mod roles;
mod routes;
mod upstream;

use std::sync::Arc;

use self::origin::without_usual_port;
use super::channels::WrittenChannel;
use super::file::{AnswersFile, AuditFile, HopHeader, Mode, NAME, PolicyFile, TrustedProxiesFile, Unclassified};
use super::names::{Names, RoleId};
use super::phrase::{Carrier, CredentialPlace};
use super::problem::Problems;
use super::profile::{ApiCredentialFile, ProfileFile, QuirksFile, ScriptRefusals};
use super::types::OneOrMany;
use super::yaml::join;
use crate::addresses::OwnAddresses;
use crate::body::rewrite::Rewriters;
use crate::clock::Clock;
use crate::controls::access::Keys;
use crate::controls::embedding;
use crate::controls::limits::{self, Rates};
use crate::controls::masking::RuleFile;
use crate::controls::sessions::NotBegunHere;
use crate::controls::uploads;
use crate::identity::{Realm, RoleRule};
use crate::masking::Plan;
use crate::request::{Networks, PathRules};
use crate::route::Matcher;
use crate::scan::Scanner;
use crate::store::UserName;

pub use self::channels::Channel;
pub use self::guards::{Arming, Guard, Guards};
pub use self::upstream::Upstream;

/// Everything that serves requests. Immutable; a reload makes another.
pub struct Policy {
    /// What the installation is called.
    pub name: String,
    /// Which version of policy and profile this is.
    pub revision: String,
    /// What both said.
    pub texts: Texts,
    /// Where the app is.
    pub upstream: Upstream,
    /// `https://desk.acme.example`
    pub public_origin: String,
    /// The `Host` values that are served, in lower case, without the default port.
    pub hosts: Vec<String>,
    /// Addresses that the app writes, as people reach them.
    pub addresses: Arc<OwnAddresses>,
    /// Reads pages in which nothing is hidden, where pages send browsers to the app's own address.
    pub shown_pages: Option<Arc<Rewriters>>,
    /// The proxies whose word is taken for the client's address.
    pub trusted_proxies: Networks,
    /// The header in which they give it.
    pub hop_header: HopHeader,
    /// Whether any part of the app may be shown in frames of other sites, over TLS: cookies are made for that then.
    pub in_frames: bool,
    /// The profile's routes.
    pub matcher: Matcher,
    /// The profile's realms.
    pub realms: Vec<Realm>,
    /// Where programs put their credentials.
    pub credentials: Vec<CredentialPlace>,
    /// The keys that are known.
    pub keys: Keys,
    /// The roles, in order.
    pub roles: Vec<RoleRule>,
    /// Their names.
    pub role_names: Vec<Arc<str>>,
    /// The armed controls.
    pub guards: Guards,
    /// The channels, each with controls of its own where something differs.
    pub channels: Vec<Channel>,
    /// The request rates.
    pub rates: Rates,
    /// How paths are read.
    pub path_rules: PathRules,
    /// What the app's own scripts get when a request of theirs is refused.
    pub script_refusals: ScriptRefusals,
    /// Where the app departs from the ordinary.
    pub quirks: QuirksFile,
    /// What happens to requests that no route names.
    pub unclassified: Unclassified,
    /// Whether files are inspected.
    pub inspects_files: bool,
    /// The virus scanner that sees them.
    pub scanner: Option<Scanner>,
    /// What happens to sessions that did not begin here.
    pub not_begun_here: NotBegunHere,
    /// Whether the policy has a mode other than off.
    pub mode: Mode,
    /// Sizes, times and windows.
    pub limits: limits::File,
    /// The decision log.
    pub audit: AuditFile,
    /// How answers are sent.
    pub answers: AnswersFile,
    /// Whom people may ask.
    pub contact: Option<String>,
}

/// The texts that a policy was compiled from.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The policy's.
    pub policy: String,
    /// The profile's.
    pub profile: String,
}

impl Policy {
    /// Whether the request control `name` is armed and enforced.
    #[must_use]
    pub fn enforces(&self, name: &str) -> bool {
        self.guards.request.iter().any(|g| g.spec.name == name && g.mode == Mode::Enforce)
    }

    /// The controls for requests of a channel.
    #[must_use]
    pub fn guards(&self, channel: Option<usize>) -> &Guards {
        channel.and_then(|c| self.channels.get(c)?.guards.as_ref()).unwrap_or(&self.guards)
    }

    /// The name of a role.
    #[must_use]
    pub fn role_name(&self, role: RoleId) -> &Arc<str> {
        &self.role_names[role.index().min(self.role_names.len() - 1)]
    }

    /// Whether a role names this person, in any spelling.
    #[must_use]
    pub fn names_user(&self, user: &UserName) -> bool {
        self.roles.iter().any(|role| role.users.contains(user))
    }

    /// Whether the app is served under this `Host`.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        let host = without_usual_port(host, self.secure());
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    /// A `Host` in the one form in which conditions see it: lower case, without the scheme's own port.
    #[must_use]
    pub fn plain_host(&self, host: &str) -> String {
        without_usual_port(host, self.secure()).to_ascii_lowercase()
    }

    /// Whether people reach the app over TLS, here or at a proxy in front.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.public_origin.starts_with("https://")
    }

    /// The realm of that name.
    #[must_use]
    pub fn realm(&self, name: &str) -> Option<&Realm> {
        self.realms.iter().find(|r| &*r.name == name)
    }
}

/// What was read from the files.
pub struct Written<'a> {
    /// The policy.
    pub file: &'a PolicyFile,
    /// The app's profile.
    pub profile: &'a ProfileFile,
    /// The policy as it is for its channels; what is wrong with them is noted there.
    pub channels: &'a mut [WrittenChannel],
    /// The name of this version of both.
    pub revision: &'a str,
    /// The line of the policy on which a path stands.
    pub line_of: &'a dyn Fn(&str) -> u32,
}

/// Compiles. `None` when something is so wrong that there is nothing to go on with; the reasons
/// are in `in_policy` and `in_profile`, and may also be there when there is a result.
pub fn compile(
    Written { file, profile, channels: written, revision, line_of }: Written<'_>,
    clock: &Clock,
    in_policy: &mut Problems,
    in_profile: &mut Problems,
) -> Option<Policy> {
    if file.policy != 1 {
        in_policy.error("policy", format!("version {} of the format is not known; write 1", file.policy));
    }
    let names = Names::collect(file, profile, in_policy);
    public::check_listeners(file, in_policy);
    check_audit(file, in_policy);
    let trusted = public::trusted_proxies(file, &names, in_policy);
    let upstream = upstream::compile(file, in_policy);
    let public = public::origin_and_hosts(file, in_policy);
    if let Some(upstream) = &upstream {
        upstream::check_loop(file, upstream, in_policy);
    }

    check_format(profile, in_profile);
    fields::check(profile, in_profile);
    let realms = realms::compile(profile, in_profile);
    let matcher = routes::compile(file, profile, written, &realms, in_policy, in_profile);
    let credentials = credentials(profile, in_profile);
    let mut arming = Arming { file, names: &names, line_of, problems: in_policy };
    let keys = Keys::compile(&mut arming, clock.now());
    let scanner = uploads::scanner(&mut arming);
    let roles = roles::compile(file, profile, &names, in_policy);
    let guards = guards::arm(file, &names, line_of, in_policy);
    let channels = channels::compile(profile, file, written, &names, in_policy);
    if let Some(path) = names.rule_with_roles()
        && let Some(realm) = realms.iter().find(|r| matches!(r.carrier, Carrier::Own))
    {
        // What only marks a client is left out by whoever wants to be nobody.
        in_policy.error(path, format!("rules that name roles hold for nobody in realm \"{}\": its profile says `session: own`, a cookie that a client can leave out while the app still knows it; name what carries the app's own session", realm.name));
    }
    // A name that is misspelt where it is used looks unused.
    if !in_policy.any_error() {
        let rules = written.iter().map(|c| &c.file).chain([file]).flat_map(|f| &f.masking);
        names.warn_unused(&rules.flat_map(RuleFile::hidden).collect(), in_policy);
        roles::warn(file, profile, in_policy);
    }
    let (public_origin, hosts) = public?;
    let upstream = upstream?;
    // Each was read as an address above.
    let secure = public_origin.starts_with("https://");
    let addresses = OwnAddresses::of(&upstream.origin(), secure, &hosts)?;
    let quirks = quirks(file, profile);
    let may_be_framed = embedding::allows_frames(file) || written.iter().any(|c| embedding::allows_frames(&c.file));
    let judges_files = file.judges_files() || written.iter().any(|c| c.file.judges_files());
    Some(Policy {
        name: file.name.clone().unwrap_or_else(|| NAME.into()),
        revision: revision.into(),
        texts: Texts::default(),
        upstream,
        in_frames: may_be_framed && secure,
        public_origin,
        hosts,
        addresses: Arc::new(addresses),
        shown_pages: quirks
            .pages_name_upstream
            .then(Plan::nothing)
            .flatten()
            .map(|p| Arc::new(Rewriters::of(p.into()))),
        trusted_proxies: Networks::new(&trusted),
        hop_header: match &file.trusted_proxies {
            TrustedProxiesFile::Said(said) => said.header,
            TrustedProxiesFile::List(_) => HopHeader::default(),
        },
        matcher,
        realms,
        credentials,
        keys,
        roles,
        role_names: names.role_names().iter().map(|n| n.as_str().into()).collect(),
        guards,
        channels,
        rates: Rates::new(&file.limits, clock.clone()),
        path_rules: path_rules(&quirks),
        script_refusals: profile.script_refusals,
        quirks,
        unclassified: file.unclassified,
        inspects_files: judges_files,
        scanner: scanner.filter(|_| judges_files),
        not_begun_here: file.sessions.not_begun_here,
        mode: file.mode,
        limits: file.limits.clone(),
        audit: file.audit.clone(),
        answers: file.answers,
        contact: file.pages.contact.clone(),
    })
}

/// What is wrong with a profile by itself.
pub fn check_profile(profile: &ProfileFile, problems: &mut Problems) {
    check_format(profile, problems);
    fields::check(profile, problems);
    let realms = realms::compile(profile, problems);
    routes::check(profile, &realms, problems);
    credentials(profile, problems);
}

fn check_format(profile: &ProfileFile, problems: &mut Problems) {
    if profile.format != 1 {
        problems.error("format", format!("version {} of the format is not known; write 1", profile.format));
    }
    for (index, separator) in profile.quirks.query_separators.iter().flatten().enumerate() {
        if !matches!(separator.as_str(), "&" | ";") {
            problems.error(
                format!("quirks.query_separators[{index}]"),
                format!("\"{separator}\" separates no parameters in any app known; write \"&\" or \";\""),
            );
        }
    }
}

fn credentials(profile: &ProfileFile, problems: &mut Problems) -> Vec<CredentialPlace> {
    let parse = |(name, file): (&str, &ApiCredentialFile)| {
        let path = format!("{}.at", join("api_credentials", name));
        CredentialPlace::parse(&file.at).map_err(|wrong| problems.error(path, wrong)).ok()
    };
    profile.api_credentials.iter().filter_map(parse).collect()
}

fn quirks(file: &PolicyFile, profile: &ProfileFile) -> QuirksFile {
    let (mut quirks, overrides) = (profile.quirks.clone(), &file.app.overrides);
    quirks.referer_is_upstream = overrides.referer_is_upstream.unwrap_or(quirks.referer_is_upstream);
    quirks.pages_name_upstream = overrides.pages_name_upstream.unwrap_or(quirks.pages_name_upstream);
    quirks.host_is_upstream = overrides.host_is_upstream.unwrap_or(quirks.host_is_upstream);
    quirks
}

fn path_rules(quirks: &QuirksFile) -> PathRules {
    let separators = quirks.query_separators.iter().flatten().filter_map(|s| s.chars().next()).collect();
    PathRules {
        query_separators: separators,
        encoded_slash: quirks.encoded_slash,
        semicolon: quirks.semicolon_in_path,
        empty_segments: quirks.empty_segments,
        encoded_percent: quirks.encoded_percent,
    }
}

fn check_audit(file: &PolicyFile, problems: &mut Problems) {
    let to = file.audit.write_to.as_str();
    if to != "stdout" && to.strip_prefix("file ").is_none_or(|path| path.trim().is_empty()) {
        problems.error(
            "audit.write_to",
            format!("\"{to}\" is not a place for records; write stdout, or file /var/log/deskgate/decisions.jsonl"),
        );
    }
    if file.audit.queue < 16 {
        problems.error("audit.queue", "a queue this short refuses requests in any burst; write at least 16");
    }
}

/// Parses each of one or many phrases; what is wrong is reported at the phrase itself.
fn parse_each<T>(
    phrases: &OneOrMany<String>,
    path: &str,
    problems: &mut Problems,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let parse = |(here, text): (String, &String)| parse(text).map_err(|wrong| problems.error(here, wrong)).ok();
    phrases.placed(path).into_iter().filter_map(parse).collect()
}
