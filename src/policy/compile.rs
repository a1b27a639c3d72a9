//! From the written policy and profile to the compiled policy that serves requests. The only place
//! where one becomes the other; every name is resolved and every pattern compiled here.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::Uri;
use http::uri::Authority;

use super::file::{AuditFile, Mode, PolicyFile, Unclassified};
use super::names::{Names, RoleId};
use super::phrase::{Carrier, Condition, CredentialPlace, Extractor, Pattern, Sign, Source};
use super::problem::{Problems, did_you_mean};
use super::profile::{Opens, ProfileFile, QuirksFile, RealmFile, RouteFile, WhoamiFile};
use super::types::{Named, OneOrMany};
use super::yaml::join;
use crate::clock::Clock;
use crate::controls::access::Keys;
use crate::controls::limits::{self, Rates};
use crate::controls::sessions::NotBegunHere;
use crate::controls::{CONTROLS, ControlSpec, RequestControl, ResponseControl, SignInControl};
use crate::decision::PolicyLine;
use crate::identity::{Login, LogoutCall, Realm, RoleRule, Whoami};
use crate::request::{Networks, PathRules};
use crate::route::{Area, Matcher, Meaning, Reading, Route};
use crate::store::UserName;

/// What a control may look at while it is compiled.
pub struct Arming<'a> {
    /// The policy as written.
    pub file: &'a PolicyFile,
    /// The names it defines.
    pub names: &'a Names<'a>,
    /// Where to report what is wrong.
    pub problems: &'a mut Problems,
}

impl Arming<'_> {
    /// The mode of a control: its own, or the policy's.
    #[must_use]
    pub fn mode(&self, own: Option<Mode>) -> Mode {
        own.unwrap_or(self.file.mode)
    }
}

/// One phase's part of an armed control.
pub struct Guard<C: ?Sized> {
    /// The control.
    pub spec: &'static ControlSpec,
    /// Whether it is enforced.
    pub mode: Mode,
    /// The line of the policy that armed it.
    pub at: PolicyLine,
    /// The part.
    pub control: Box<C>,
}

/// The armed controls, by phase, in the order of [`CONTROLS`].
#[derive(Default)]
pub struct Guards {
    /// Before the app is asked.
    pub request: Vec<Guard<dyn RequestControl>>,
    /// When the app accepted a sign-in.
    pub sign_in: Vec<Guard<dyn SignInControl>>,
    /// When the app has answered.
    pub response: Vec<Guard<dyn ResponseControl>>,
}

/// Where the app is.
#[derive(Debug)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// How long to wait.
    pub timeouts: super::file::TimeoutsFile,
    /// The address behind the name, once it was looked up.
    address: ArcSwapOption<SocketAddr>,
}

impl Upstream {
    /// The address to connect to; `None` when the name has none, or was never looked up.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.load().as_deref().copied()
    }

    /// Looks the name up. Blocks, so it is done at load and now and then, never for a request; when
    /// it fails, the last address stays.
    ///
    /// # Errors
    /// When the name has no address.
    pub fn look_up(&self) -> std::io::Result<()> {
        let first = (self.host.as_str(), self.port).to_socket_addrs()?.next();
        let found = first.ok_or_else(|| std::io::Error::other(format!("{} has no address", self.host)))?;
        self.address.store(Some(Arc::new(found)));
        Ok(())
    }

    /// `host:port`, the port left out when it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// `scheme://authority`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Everything that serves requests. Immutable; a reload makes another.
pub struct Policy {
    /// What the installation is called.
    pub name: String,
    /// Which version of policy and profile this is.
    pub revision: String,
    /// Where the app is.
    pub upstream: Upstream,
    /// `https://desk.acme.example`
    pub public_origin: String,
    /// The `Host` values that are served, in lower case, without the default port.
    pub hosts: Vec<String>,
    /// The proxies whose word is taken for the client's address.
    pub trusted_proxies: Networks,
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
    /// The request rates.
    pub rates: Rates,
    /// How paths are read.
    pub path_rules: PathRules,
    /// Where the app departs from the ordinary.
    pub quirks: QuirksFile,
    /// What happens to requests that no route names.
    pub unclassified: Unclassified,
    /// What happens to sessions that did not begin here.
    pub not_begun_here: NotBegunHere,
    /// Whether the policy has a mode other than off.
    pub mode: Mode,
    /// Sizes, times and windows.
    pub limits: limits::File,
    /// The decision log.
    pub audit: AuditFile,
    /// Whom people may ask.
    pub contact: Option<String>,
}

impl Policy {
    /// The name of a role.
    #[must_use]
    pub fn role_name(&self, role: RoleId) -> &Arc<str> {
        &self.role_names[role.index().min(self.role_names.len() - 1)]
    }

    /// Whether the app is served under this `Host`.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        let host = without_usual_port(host, self.secure());
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
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

/// Compiles. `None` when something is so wrong that there is nothing to go on with; the reasons
/// are in `in_policy` and `in_profile`, and may also be there when there is a result.
pub fn compile(
    file: &PolicyFile,
    profile: &ProfileFile,
    revision: &str,
    line_of: &dyn Fn(&str) -> u32,
    clock: &Clock,
    in_policy: &mut Problems,
    in_profile: &mut Problems,
) -> Option<Policy> {
    if file.policy != 1 {
        in_policy.error("policy", format!("version {} of the format is not known; write 1", file.policy));
    }
    let names = Names::collect(file, profile, in_policy);
    check_listeners(file, in_policy);
    check_audit(file, in_policy);
    let trusted = trusted_proxies(file, &names, in_policy);
    let upstream = upstream(file, in_policy);
    let public = public(file, in_policy);
    if let Some(upstream) = &upstream {
        check_loop(file, upstream, in_policy);
    }

    let realms = compile_realms(profile, in_profile);
    let matcher = compile_matcher(file, profile, &realms, in_policy, in_profile);
    let credentials = profile
        .api_credentials
        .iter()
        .filter_map(|(name, c)| {
            let path = format!("{}.at", join("api_credentials", name));
            CredentialPlace::parse(&c.at).map_err(|wrong| in_profile.error(path, wrong)).ok()
        })
        .collect();
    let mut arming = Arming { file, names: &names, problems: in_policy };
    let keys = Keys::compile(&mut arming);
    let roles = compile_roles(file, profile, &names, in_policy);
    let guards = arm(file, &names, line_of, in_policy);
    // A name that is misspelt where it is used looks unused.
    if !in_policy.any_error() {
        names.warn_unused(in_policy);
    }
    let (public_origin, hosts) = public?;
    let quirks = quirks(file, profile);
    Some(Policy {
        name: file.name.clone().unwrap_or_else(|| "Deskgate".into()),
        revision: revision.into(),
        upstream: upstream?,
        public_origin,
        hosts,
        trusted_proxies: Networks::new(&trusted),
        matcher,
        realms,
        credentials,
        keys,
        roles,
        role_names: names.role_names().iter().map(|n| n.as_str().into()).collect(),
        guards,
        rates: Rates::new(&file.limits, clock.clone()),
        path_rules: path_rules(&quirks),
        quirks,
        unclassified: file.unclassified,
        not_begun_here: file.sessions.not_begun_here,
        mode: file.mode,
        limits: file.limits.clone(),
        audit: file.audit.clone(),
        contact: file.pages.contact.clone(),
    })
}

/// What is wrong with a profile by itself.
pub fn check_profile(profile: &ProfileFile, problems: &mut Problems) {
    let realms = compile_realms(profile, problems);
    method_overrides(profile, problems);
    let mut matcher = Matcher::new(Reading::default());
    add_profile(&mut matcher, profile, &realms, problems);
    for (name, route) in profile.routes.iter() {
        add_route(&mut matcher, name, route, &join("routes", name), problems);
    }
    for (name, c) in profile.api_credentials.iter() {
        if let Err(wrong) = CredentialPlace::parse(&c.at) {
            problems.error(format!("{}.at", join("api_credentials", name)), wrong);
        }
    }
}

fn quirks(file: &PolicyFile, profile: &ProfileFile) -> QuirksFile {
    let (mut quirks, overrides) = (profile.quirks.clone(), &file.app.overrides);
    quirks.referer_is_upstream = overrides.referer_is_upstream.unwrap_or(quirks.referer_is_upstream);
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

fn check_listeners(file: &PolicyFile, problems: &mut Problems) {
    if file.listen.is_empty() {
        problems.error("listen", "nothing is listened on; write at least - http: 127.0.0.1:8080");
    }
    let mut seen: Vec<std::net::SocketAddr> = Vec::new();
    let mut all_clear = true;
    for (index, listener) in file.listen.iter().enumerate() {
        let path = format!("listen[{index}]");
        let given = [("http", &listener.http), ("https", &listener.https), ("admin", &listener.admin)];
        let mut kinds = given.iter().filter_map(|(kind, address)| address.as_deref().map(|a| (*kind, a)));
        let (Some((kind, address)), None) = (kinds.next(), kinds.next()) else {
            problems.error(
                path,
                "a listener is exactly one of http, https and admin; write one of them with an address and a port",
            );
            all_clear = false;
            continue;
        };
        let here = format!("{path}.{kind}");
        match address.parse::<std::net::SocketAddr>() {
            Err(_) => problems.error(
                here,
                format!("\"{address}\" is not an address with a port; write it as 127.0.0.1:8080 or \"[::1]:8080\""),
            ),
            Ok(parsed) if parsed.port() != 0 && seen.contains(&parsed) => {
                problems.error(here, format!("{address} is listened on twice; take one out, or change its port"));
            }
            Ok(parsed) if kind == "admin" && !parsed.ip().is_loopback() => {
                problems.warning(here, "metrics and operators' commands need no password here; listen on 127.0.0.1, or keep others out by a firewall");
            }
            Ok(_) => {}
        }
        seen.extend(address.parse::<std::net::SocketAddr>());
        let (certificate, key) = (listener.certificate.is_some(), listener.key.is_some());
        if kind == "https" && !(certificate && key) {
            problems.error(path, "https needs a certificate and a key; add `certificate:` and `key:`, both PEM files");
        } else if kind != "https" && (certificate || key) {
            problems
                .error(path, format!("{kind} uses no certificate; write https, or take `certificate:` and `key:` out"));
        } else if kind != "http" && listener.http2 {
            problems.error(format!("{path}.http2"), "http2 is for plain http listeners; https offers HTTP/2 by itself");
        }
    }
    if all_clear && !file.listen.is_empty() && file.listen.iter().all(|l| l.http.is_none() && l.https.is_none()) {
        problems.error("listen", "no listener for the helpdesk's users; add one of http or https");
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

fn upstream(file: &PolicyFile, problems: &mut Problems) -> Option<Upstream> {
    let timeouts = &file.app.timeouts;
    for (key, time) in [("connect", timeouts.connect), ("read", timeouts.read), ("write", timeouts.write)] {
        if time.0.is_zero() {
            problems.error(format!("app.timeouts.{key}"), "no app answers in no time; write a longer time");
        }
    }
    let (tls, authority) = origin(&file.app.upstream)
        .map_err(|wrong| {
            let message = format!("{wrong}; write scheme, host and port of the app, such as http://10.0.4.10:8080");
            problems.error("app.upstream", message);
        })
        .ok()?;
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let address = ArcSwapOption::new(host.parse::<IpAddr>().ok().map(|ip| Arc::new(SocketAddr::new(ip, port))));
    Some(Upstream { host, port, tls, timeouts: file.app.timeouts.clone(), address })
}

fn public(file: &PolicyFile, problems: &mut Problems) -> Option<(String, Vec<String>)> {
    let (tls, authority) = origin(&file.app.public_url)
        .map_err(|wrong| {
            let message =
                format!("{wrong}; write scheme, host and, if it is not the usual one, port: https://desk.acme.example");
            problems.error("app.public_url", message);
        })
        .ok()?;
    if !tls && file.listen.iter().any(|l| l.https.is_some()) {
        problems
            .warning("app.public_url", "people come over https, so cookies would lack protection; write https here");
    }
    let mut hosts = vec![canonical_host(authority.as_str(), tls)];
    for (index, host) in file.app.also_served_as.iter().enumerate() {
        match host.parse::<Authority>() {
            Ok(_) if !host.contains('@') => hosts.push(canonical_host(host, tls)),
            _ => problems.error(
                format!("app.also_served_as[{index}]"),
                format!("\"{host}\" is not a host name; write it without a scheme, such as desk.internal:8443"),
            ),
        }
    }
    let scheme = if tls { "https" } else { "http" };
    Some((format!("{scheme}://{}", hosts[0]), hosts))
}

/// `Host` in the form in which it is compared.
fn canonical_host(host: &str, tls: bool) -> String {
    without_usual_port(host, tls).to_ascii_lowercase()
}

fn without_usual_port(host: &str, tls: bool) -> &str {
    host.strip_suffix(if tls { ":443" } else { ":80" }).unwrap_or(host)
}

/// Scheme and authority of an address that has nothing else, or what is wrong with it.
fn origin(text: &str) -> Result<(bool, Authority), String> {
    // A password must not be repeated on a terminal.
    if text.contains('@') {
        return Err("a user name or a password does not belong here".into());
    }
    let wrong = || format!("\"{text}\" is not an address with http:// or https://");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    let authority = uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(wrong)?;
    if uri.path() != "/" || text.contains(['?', '#']) {
        return Err(format!("\"{text}\" has a path"));
    }
    Ok((tls, authority.clone()))
}

fn trusted_proxies(file: &PolicyFile, names: &Names<'_>, problems: &mut Problems) -> Vec<ipnet::IpNet> {
    let placed: Vec<_> =
        file.trusted_proxies.iter().enumerate().map(|(i, name)| (format!("trusted_proxies[{i}]"), name)).collect();
    let trusted = names.resolve(&placed, false, problems);
    if trusted.iter().any(|network| network.prefix_len() == 0) {
        problems
            .error("trusted_proxies", "everybody is believed, so anybody can claim any address; list the proxies only");
    }
    trusted
}

/// A gateway that asks itself never answers.
fn check_loop(file: &PolicyFile, upstream: &Upstream, problems: &mut Problems) {
    let Ok(app) = upstream.host.replace("localhost", "127.0.0.1").parse::<std::net::IpAddr>() else { return };
    let own = |text: &String| {
        text.parse::<std::net::SocketAddr>().is_ok_and(|own| {
            own.port() == upstream.port && (own.ip() == app || own.ip().is_unspecified() && app.is_loopback())
        })
    };
    if file.listen.iter().any(|l| [&l.http, &l.https, &l.admin].into_iter().flatten().any(own)) {
        problems.error("app.upstream", "this is an address of the gateway itself; write where the app answers");
    }
}

fn compile_roles(
    file: &PolicyFile,
    profile: &ProfileFile,
    names: &Names<'_>,
    problems: &mut Problems,
) -> Vec<RoleRule> {
    let keys = file.access.api.as_ref().map(|api| &api.keys);
    let mut rules = Vec::new();
    let mut open_before: Option<&str> = None;
    for (name, role) in file.roles.iter() {
        let path = join("roles", name);
        if let Some(open) = open_before {
            problems.error(
                path.clone(),
                format!("nobody can have this role: \"{open}\" above it takes everybody; move \"{open}\" to the end"),
            );
        }
        if let Some(realm) = &role.realm
            && profile.realms.get(realm).is_none()
        {
            let hint = did_you_mean(realm, profile.realms.names());
            problems.error(format!("{path}.realm"), format!("the profile has no realm \"{realm}\"{hint}"));
        }
        let api_keys: Vec<String> = role.api_key.iter().flat_map(|k| k.as_slice().to_vec()).collect();
        for key in api_keys.iter().filter(|key| keys.is_none_or(|k| k.get(key).is_none())) {
            let hint = did_you_mean(key, keys.into_iter().flat_map(Named::names));
            problems
                .error(format!("{path}.api_key"), format!("no key is called \"{key}\" under access.api.keys{hint}"));
        }
        check_role(role, &path, problems);
        let rule = RoleRule {
            users: role.users.iter().flat_map(OneOrMany::as_slice).filter_map(|u| UserName::new(u)).collect(),
            groups: role.app_group.iter().flat_map(OneOrMany::as_slice).map(|g| g.trim().to_lowercase()).collect(),
            realm: role.realm.as_deref().map(Into::into),
            keys: api_keys,
        };
        if role.users.is_none() && role.app_group.is_none() && role.realm.is_none() && role.api_key.is_none() {
            open_before = Some(name);
        }
        rules.push(rule);
    }
    if names.role_count() > rules.len() {
        rules.push(RoleRule::default());
    }
    rules
}

/// A condition that names nothing would hold for everybody.
fn check_role(role: &super::file::RoleFile, path: &str, problems: &mut Problems) {
    let lists =
        [("users", role.users.as_ref()), ("app_group", role.app_group.as_ref()), ("api_key", role.api_key.as_ref())];
    for (key, list) in lists {
        let Some(list) = list else { continue };
        if list.as_slice().is_empty() {
            problems
                .error(format!("{path}.{key}"), "an empty list describes nobody; name somebody, or take the key out");
        }
        for (here, name) in list.placed(&format!("{path}.{key}")) {
            if name.trim().is_empty() {
                problems.error(here, "an empty name is nobody's; write one, or take it out");
            }
        }
    }
}

fn arm(file: &PolicyFile, names: &Names<'_>, line_of: &dyn Fn(&str) -> u32, problems: &mut Problems) -> Guards {
    let mut guards = Guards::default();
    for spec in CONTROLS {
        let Some(armed) = (spec.arm)(&mut Arming { file, names, problems }) else { continue };
        let (mode, at) = (armed.mode, PolicyLine(line_of(armed.path)));
        if mode == Mode::Off {
            continue;
        }
        guards.request.extend(armed.request.map(|control| Guard { spec, mode, at, control }));
        guards.sign_in.extend(armed.sign_in.map(|control| Guard { spec, mode, at, control }));
        guards.response.extend(armed.response.map(|control| Guard { spec, mode, at, control }));
    }
    guards
}

fn compile_matcher(
    file: &PolicyFile,
    profile: &ProfileFile,
    realms: &[Realm],
    in_policy: &mut Problems,
    in_profile: &mut Problems,
) -> Matcher {
    let overrides = method_overrides(profile, in_profile);
    let sign_in_parameters = profile.realms.iter().find_map(|(_, realm)| realm.sign_in_parameters.as_ref());
    let mut matcher = Matcher::new(Reading {
        case_insensitive: profile.quirks.case_insensitive_paths,
        suffixes: profile.quirks.format_suffixes.clone(),
        overrides,
        sign_in_parameters: sign_in_parameters.map(|p| (p.user.clone(), p.password.clone())),
    });
    add_profile(&mut matcher, profile, realms, in_profile);
    for (name, route) in profile.routes.iter() {
        if file.app.overrides.routes.get(name).is_none() {
            add_route(&mut matcher, name, route, &join("routes", name), in_profile);
        }
    }
    for (name, route) in file.app.overrides.routes.iter() {
        add_route(&mut matcher, name, route, &join("app.overrides.routes", name), in_policy);
    }
    matcher
}

fn method_overrides(profile: &ProfileFile, problems: &mut Problems) -> Vec<Source> {
    let texts = profile.quirks.method_override.iter().enumerate();
    let parse = |(i, text): (usize, &String)| {
        Source::parse(text).map_err(|wrong| problems.error(format!("quirks.method_override[{i}]"), wrong)).ok()
    };
    texts.filter_map(parse).collect()
}

fn add_profile(matcher: &mut Matcher, profile: &ProfileFile, realms: &[Realm], problems: &mut Problems) {
    if profile.format != 1 {
        problems.error("format", format!("version {} of the format is not known; write 1", profile.format));
    }
    for (realm, (name, file)) in profile.realms.iter().enumerate() {
        let path = join("realms", name);
        for (login, login_file) in file.login.as_slice().iter().enumerate() {
            if realms.get(realm).is_some_and(|r| r.logins.len() > login) {
                let many = matches!(file.login, OneOrMany::Many(_));
                let here = if many { format!("{path}.login[{login}].match") } else { format!("{path}.login.match") };
                add_requests(matcher, &login_file.matches, &Meaning::Login(realm, login), &here, problems);
            }
        }
        // Its address is checked where realms are compiled.
        let page = file.login_page.as_ref().and_then(|page| page.split('?').next());
        if let Some(pattern) = page.and_then(|page| Pattern::parse(&format!("GET {page}")).ok()) {
            matcher.add(&pattern, Meaning::SignInPage);
        }
        if let Some(logout) = &file.logout {
            let here = format!("{path}.logout.match");
            add_requests(matcher, &logout.matches, &Meaning::Logout(realm), &here, problems);
        }
    }
    add_patterns(matcher, &profile.background, &Meaning::Background, "background", problems);
    for (area, patterns) in [
        (Area::Management, &profile.areas.management),
        (Area::Api, &profile.areas.api),
        (Area::Portal, &profile.areas.portal),
    ] {
        add_patterns(matcher, patterns, &Meaning::Area(area), &format!("areas.{}", area.as_str()), problems);
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

/// Adds the requests that a `match:` lists.
fn add_requests(
    matcher: &mut Matcher,
    requests: &OneOrMany<String>,
    meaning: &Meaning,
    path: &str,
    problems: &mut Problems,
) {
    for pattern in requests_of(requests, path, problems) {
        matcher.add(&pattern, meaning.clone());
    }
}

fn requests_of(requests: &OneOrMany<String>, path: &str, problems: &mut Problems) -> Vec<Pattern> {
    if requests.as_slice().is_empty() {
        problems.error(path, "an empty list matches nothing; write at least one request, such as GET /tickets/{id}");
    }
    parse_each(requests, path, problems, Pattern::parse)
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

fn add_patterns(matcher: &mut Matcher, patterns: &[String], meaning: &Meaning, path: &str, problems: &mut Problems) {
    for (index, text) in patterns.iter().enumerate() {
        match Pattern::parse(text) {
            Ok(pattern) => matcher.add(&pattern, meaning.clone()),
            Err(wrong) => problems.error(format!("{path}[{index}]"), wrong),
        }
    }
}

fn add_route(matcher: &mut Matcher, name: &str, file: &RouteFile, path: &str, problems: &mut Problems) {
    let patterns = requests_of(&file.matches, &format!("{path}.match"), problems);
    let when: Vec<Condition> = file
        .when
        .as_ref()
        .map(|phrases| parse_each(phrases, &format!("{path}.when"), problems, Condition::parse))
        .unwrap_or_default();
    let mut source = |key: &str, text: &Option<String>| {
        text.as_ref()
            .and_then(|t| Source::parse(t).map_err(|wrong| problems.error(format!("{path}.{key}"), wrong)).ok())
    };
    let (id, owner) = (source("id", &file.id), source("owner", &file.owner));
    for (key, wanted) in [("id", &id), ("owner", &owner)] {
        if let Some(Source::Path(capture)) = wanted
            && !patterns.iter().all(|p| p.captures().any(|c| c == capture))
        {
            problems.error(format!("{path}.{key}"), format!("not every path of this route has a {{{capture}}}"));
        }
    }
    if let Some(to) = &file.to {
        parse_each(to, &format!("{path}.to"), problems, Source::parse);
    }
    let route = Route { name: name.to_owned(), class: file.is, action: file.does, when, id, owner };
    for pattern in &patterns {
        matcher.add(pattern, Meaning::Route(Box::new(route.clone())));
    }
}

fn compile_realms(profile: &ProfileFile, problems: &mut Problems) -> Vec<Realm> {
    profile.realms.iter().map(|(name, file)| compile_realm(name, file, &join("realms", name), problems)).collect()
}

fn compile_realm(name: &str, file: &RealmFile, path: &str, problems: &mut Problems) -> Realm {
    let carrier = Carrier::parse(&file.session).unwrap_or_else(|wrong| {
        problems.error(format!("{path}.session"), wrong);
        Carrier::Own
    });
    let logins: Vec<Login> = file
        .login
        .as_slice()
        .iter()
        .zip(file.login.placed(&format!("{path}.login")))
        .map(|(login, (here, _))| {
            let user = parse_each(&login.user, &format!("{here}.user"), problems, Source::parse);
            if login.user.as_slice().is_empty() {
                let wrong = "nobody would be known by their sign-in; write where the user name is, such as form user";
                problems.error(format!("{here}.user"), wrong);
            }
            if let Some(password) = &login.password {
                parse_each(password, &format!("{here}.password"), problems, Source::parse);
            }
            let succeeded = parse_each(&login.succeeded, &format!("{here}.succeeded"), problems, Sign::parse);
            if login.succeeded.as_slice().is_empty() {
                problems.error(
                    format!("{here}.succeeded"),
                    "without a sign of success every attempt would count as one; write at least one",
                );
            }
            Login { user, succeeded, opens_session: login.opens == Opens::Session }
        })
        .collect();
    let asks = logins.iter().flat_map(|l| &l.succeeded).any(|s| matches!(s, Sign::Whoami));
    if asks && file.whoami.is_empty() {
        problems.error(format!("{path}.login"), "success is judged by whoami, but there is none; add `whoami:`");
    }
    let logout_call = file.logout.as_ref().and_then(|logout| logout.call.as_ref()).and_then(|call| {
        let here = format!("{path}.logout.call.request");
        let (method, target) = call.request.split_once(' ').unwrap_or(("", &call.request));
        let known =
            super::phrase::METHODS.iter().find(|m| m.as_str() == method).filter(|_| target.trim().starts_with('/'));
        let Some(method) = known.cloned() else {
            problems.error(
                here,
                format!("\"{}\" is not a request; write a method and a path, such as POST /logout/", call.request),
            );
            return None;
        };
        let pairs = |named: &Named<String>| named.0.clone();
        Some(LogoutCall {
            method,
            path: target.trim().to_owned(),
            cookies: pairs(&call.cookies),
            headers: pairs(&call.headers),
        })
    });
    let whoami = file
        .whoami
        .iter()
        .enumerate()
        .filter_map(|(i, w)| compile_whoami(w, &format!("{path}.whoami[{i}]"), problems))
        .collect();
    if let Some(page) = &file.login_page
        && !page.starts_with('/')
    {
        problems.error(
            format!("{path}.login_page"),
            format!("\"{page}\" is not a path of the app; write it from /, such as /login?next={{return}}"),
        );
    }
    let expired = file.expired_looks_like.as_ref().map(|e| (e.status, e.json.as_ref().map(ToString::to_string)));
    Realm { name: name.into(), carrier, logins, login_page: file.login_page.clone(), logout_call, whoami, expired }
}

fn compile_whoami(file: &WhoamiFile, path: &str, problems: &mut Problems) -> Option<Whoami> {
    if !file.get.starts_with('/') {
        problems.error(format!("{path}.get"), format!("\"{}\" is not a path of the app; write it from /", file.get));
    }
    let mut parse = |text: &str, key: &str| {
        Extractor::parse(text).map_err(|wrong| problems.error(format!("{path}.{key}"), wrong)).ok()
    };
    let user = parse(&file.user, "user");
    let groups = file
        .groups
        .iter()
        .filter_map(|(name, text)| Some((Arc::from(name), parse(text, &join("groups", name))?)))
        .collect();
    let group_names = file
        .app_group
        .as_ref()
        .map(|phrases| parse_each(phrases, &format!("{path}.app_group"), problems, Extractor::parse))
        .unwrap_or_default();
    Some(Whoami { path: file.get.clone(), user: user?, group_names, groups })
}
