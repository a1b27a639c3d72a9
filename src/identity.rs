//! Who is asking: nobody yet, a person with a session, a program with a credential.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::body::Fields;
use crate::policy::names::RoleId;
use crate::policy::phrase::{Carrier, CredentialPlace, Extractor, Sign, Source};
use crate::request::{Cookies, basic_user};
use crate::store::{EndReason, SessionKey, SessionRecord, UserName};

/// Who is asking.
#[derive(Clone, Debug, Default)]
pub enum Identity {
    /// Nobody that the app has signed in.
    #[default]
    Visitor,
    /// A person with a live session.
    Session {
        /// The session.
        key: SessionKey,
        /// Whose it is.
        record: Arc<SessionRecord>,
    },
    /// A person whose session has ended.
    Ended {
        /// The session.
        key: SessionKey,
        /// Whose it was.
        record: Arc<SessionRecord>,
        /// Why it ended.
        reason: EndReason,
    },
    /// A program.
    Program {
        /// The name of its key, when the policy lists it: only then is it checked here.
        key: Option<Arc<str>>,
        /// The user it claims to be (Basic); the app checks the password.
        user: Option<UserName>,
        /// Where its credential was.
        place: CredentialPlace,
    },
}

impl Identity {
    /// The person, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::Session { record, .. } | Self::Ended { record, .. } => Some(&record.user),
            Self::Program { user, .. } => user.as_ref(),
            Self::Visitor => None,
        }
    }

    /// The word for records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Session { .. } => "session",
            Self::Ended { .. } => "ended_session",
            Self::Program { .. } => "program",
        }
    }
}

/// A sign-in that the app accepted, as controls see it.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The session that begins.
    pub key: SessionKey,
    /// Whose.
    pub record: Arc<SessionRecord>,
    /// In which role.
    pub role: RoleId,
}

/// A realm of the profile, compiled.
#[derive(Debug)]
pub struct Realm {
    /// Its name.
    pub name: Arc<str>,
    /// What carries its sessions.
    pub carrier: Carrier,
    /// Its logins.
    pub logins: Vec<Login>,
    /// The page to sign in on.
    pub login_page: Option<String>,
    /// How the gateway itself ends a session in the app.
    pub logout_call: Option<LogoutCall>,
    /// Requests that tell whose session it is.
    pub whoami: Vec<Whoami>,
    /// What the app's scripts expect when the session is over.
    pub expired: Option<(Option<u16>, Option<String>)>,
}

impl Realm {
    /// The key of the session that `credential` opens. It depends on the carrier, not on the realm:
    /// realms may share a cookie.
    ///
    /// Some apps undo percent-encoding in cookies: both spellings are one session.
    #[must_use]
    pub fn key_of(&self, credential: &str) -> SessionKey {
        let carrier = match &self.carrier {
            Carrier::Cookie(name) | Carrier::Header(name) => name.as_str(),
            Carrier::CookieLike(pattern) => pattern.as_str(),
            Carrier::Own => "deskgate",
        };
        let credential: Cow<'_, [u8]> = percent_decode_str(credential).into();
        SessionKey::of(carrier, &credential)
    }
}

/// A login of a realm, compiled.
#[derive(Debug)]
pub struct Login {
    /// Where the user name is.
    pub user: Vec<Source>,
    /// What success looks like.
    pub succeeded: Vec<Sign>,
    /// Where the path stands that a person goes to afterwards, when the app does not see to it.
    pub returns_to: Option<Source>,
    /// Whether it opens a session.
    pub opens_session: bool,
}

impl Login {
    /// Whether the body must be read to know who signs in.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.user.iter().any(Source::in_body)
    }

    /// Whether the body of the answer must be read to know if it worked.
    #[must_use]
    pub fn reads_answer(&self) -> bool {
        self.succeeded.iter().any(Sign::in_body)
    }
}

/// A request of the gateway's own that ends a session in the app.
#[derive(Clone, Debug)]
pub struct LogoutCall {
    /// The method.
    pub method: http::Method,
    /// The path.
    pub path: String,
    /// Further cookies; `{nonce}` is filled in.
    pub cookies: Vec<(String, String)>,
    /// Further headers; `{nonce}` is filled in.
    pub headers: Vec<(String, String)>,
}

/// A request that tells whose session it is, compiled.
#[derive(Debug)]
pub struct Whoami {
    /// The path.
    pub path: String,
    /// Where the user name is.
    pub user: Extractor,
    /// Where names of groups are.
    pub group_names: Vec<Extractor>,
    /// Groups by evidence.
    pub groups: Vec<(Arc<str>, Extractor)>,
}

/// What `whoami` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// The user name.
    pub user: UserName,
    /// The groups.
    pub groups: Vec<Arc<str>>,
}

impl Whoami {
    /// Reads an answer.
    pub fn read(&self, header: &dyn Fn(&str) -> Option<String>, body: &str) -> Option<Somebody> {
        let json = std::cell::OnceCell::new();
        let json = || json.get_or_init(|| serde_json::from_str::<serde_json::Value>(body).ok()).clone();
        let find = |e: &Extractor| -> Vec<String> {
            match e {
                Extractor::Text(pattern) => pattern
                    .captures_iter(body)
                    .filter_map(|c| c.get(1).or_else(|| c.get(0)).map(|m| m.as_str().to_owned()))
                    .take(64)
                    .collect(),
                Extractor::Header(name) => header(name).into_iter().collect(),
                Extractor::Json(pointer) => match json().as_ref().and_then(|v| v.pointer(pointer)) {
                    Some(serde_json::Value::String(text)) => vec![text.clone()],
                    Some(serde_json::Value::Array(items)) => {
                        items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect()
                    }
                    Some(serde_json::Value::Null) | None => vec![],
                    Some(other) => vec![other.to_string()],
                },
            }
        };
        let user = find(&self.user).first().and_then(|u| UserName::new(u))?;
        let named = self.group_names.iter().flat_map(find).map(|g| Arc::from(g.trim()));
        let evident = self.groups.iter().filter(|(_, e)| !find(e).is_empty()).map(|(name, _)| name.clone());
        let mut groups: Vec<Arc<str>> = named.chain(evident).filter(|g| !g.is_empty()).collect();
        groups.dedup();
        Some(Somebody { user, groups })
    }
}

/// A session credential that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The realm that it belongs to, by its place.
    pub realm: usize,
    /// The name of the cookie or header.
    pub name: Box<str>,
    /// The credential itself: handed to the app, never stored.
    pub value: Box<str>,
    /// Its key.
    pub key: SessionKey,
}

/// The name of the gateway's own session cookie, with and without TLS.
#[must_use]
pub fn own_cookie(secure: bool) -> &'static str {
    if secure { "__Host-deskgate" } else { "deskgate" }
}

/// A cookie: its name and its value.
pub type Cookie = (Box<str>, Box<str>);

/// The session credentials that a request carries: of a cookie there may be several copies. Those that apps read in
/// different ways are added to `ambiguous`.
pub fn presented(
    realms: &[Realm],
    cookies: &Cookies,
    header: &dyn Fn(&str) -> Option<String>,
    secure: bool,
    ambiguous: &mut Vec<Cookie>,
) -> Vec<Presented> {
    let mut found: Vec<Presented> = Vec::new();
    for (realm, spec) in realms.iter().enumerate() {
        let mut add = |name: &str, value: &str| {
            let key = spec.key_of(value);
            if !value.is_empty() && !found.iter().any(|p| p.key == key) {
                found.push(Presented { realm, name: name.into(), value: value.into(), key });
            }
        };
        let copies = match &spec.carrier {
            Carrier::Cookie(name) => cookies.copies(|n| n == name),
            Carrier::CookieLike(pattern) => cookies.copies(|n| pattern.is_match(n)),
            Carrier::Own => cookies.copies(|n| n == own_cookie(secure)),
            Carrier::Header(name) => {
                if let Some(value) = header(name) {
                    add(name, &value);
                }
                continue;
            }
        };
        copies.plain.iter().for_each(|(name, value)| add(name, value));
        ambiguous.extend(copies.ambiguous.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    }
    found
}

/// The credential of a program that a request carries: where it was, and what it is. `None` when it
/// carries none at any of `places`.
///
/// # Errors
/// When it carries more than one, or one that is not text: which of them an app reads is its secret.
pub fn program(
    places: &[CredentialPlace],
    headers: &HeaderMap,
    query: &Fields,
) -> Result<Option<(CredentialPlace, String)>, AmbiguousCredential> {
    let mut found: Option<(&CredentialPlace, &str)> = None;
    for place in places {
        let value = match place {
            CredentialPlace::Query(name) => at_most_one(query.all(name).map(Ok::<_, AmbiguousCredential>))?,
            CredentialPlace::Header(name) => header(headers, name)?,
            CredentialPlace::Basic => header(headers, "authorization")?.filter(|a| basic_user(a).is_some()),
            CredentialPlace::Scheme(scheme) => header(headers, "authorization")?.and_then(|a| after_scheme(a, scheme)),
        };
        match (value.filter(|v| !v.is_empty()), found) {
            (None, _) => {}
            (Some(value), None) => found = Some((place, value)),
            // One header may be described twice, as a whole and by its scheme.
            (Some(_), Some((known, _))) if place.header().is_some() && place.header() == known.header() => {}
            (Some(_), Some(_)) => return Err(AmbiguousCredential),
        }
    }
    Ok(found.map(|(place, value)| (place.clone(), value.to_owned())))
}

/// A request carries a program's credential in a way that leaves open which one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousCredential;

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, AmbiguousCredential> {
    at_most_one(headers.get_all(name).iter().map(|v| v.to_str().map(str::trim)))
}

fn at_most_one<'a, E>(
    mut values: impl Iterator<Item = Result<&'a str, E>>,
) -> Result<Option<&'a str>, AmbiguousCredential> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(_), _) => Err(AmbiguousCredential),
    }
}

fn after_scheme<'a>(authorization: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = authorization.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// The conditions of a role, compiled.
#[derive(Debug, Default)]
pub struct RoleRule {
    /// Any of these people.
    pub users: Vec<UserName>,
    /// The realms in which names that differ in their spelling only are one person's.
    pub folding: Arc<[Arc<str>]>,
    /// Whether that holds for programs too, which sign in to no realm.
    pub folds_programs: bool,
    /// In any of these groups, in lower case.
    pub groups: Vec<String>,
    /// Signed in through this realm.
    pub realm: Option<Arc<str>>,
    /// With any of these keys.
    pub keys: Vec<String>,
}

impl RoleRule {
    fn holds(&self, identity: &Identity) -> bool {
        let record = match identity {
            Identity::Session { record, .. } | Identity::Ended { record, .. } => Some(record),
            _ => None,
        };
        let key = match identity {
            Identity::Program { key, .. } => key.as_deref(),
            _ => None,
        };
        let folds = record.map_or(self.folds_programs, |r| self.folding.contains(&r.realm));
        let is_user = |user: &UserName| self.users.iter().any(|u| u.is_exactly(user) || (folds && u == user));
        (self.users.is_empty() || identity.user().is_some_and(is_user))
            && (self.groups.is_empty()
                || record.is_some_and(|r| r.groups.iter().any(|g| self.groups.contains(&g.to_lowercase()))))
            && self.realm.as_ref().is_none_or(|realm| record.is_some_and(|r| r.realm == *realm))
            && (self.keys.is_empty() || key.is_some_and(|k| self.keys.iter().any(|known| known == k)))
    }
}

/// The role of `identity`: the first whose conditions hold.
#[must_use]
pub fn role_of(rules: &[RoleRule], identity: &Identity) -> RoleId {
    // An ended session is nobody's any more: it is judged as the visitor it is.
    let visitor = Identity::Visitor;
    let identity = if matches!(identity, Identity::Ended { .. }) { &visitor } else { identity };
    RoleId::new(rules.iter().position(|rule| rule.holds(identity)).unwrap_or(rules.len().saturating_sub(1)))
}

/// A session's record at its beginning.
#[must_use]
pub fn new_record(
    user: UserName,
    groups: Vec<Arc<str>>,
    realm: &Realm,
    address: IpAddr,
    now: crate::clock::Timestamp,
) -> Arc<SessionRecord> {
    Arc::new(SessionRecord {
        user,
        realm: realm.name.clone(),
        groups: groups.into(),
        started: now,
        last_seen: now,
        address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoami_reads_text_and_json() {
        let text = |t: &str| Extractor::parse(&format!("text ~ {t}")).unwrap();
        let page = Whoami {
            path: "/".into(),
            user: text(r#"/rss/user/([^/"]+)/"#),
            group_names: vec![],
            groups: vec![("staff".into(), text("/rss/user/")), ("boss".into(), text("/admin/"))],
        };
        let found = page.read(&|_| None, "<a href=\"/rss/user/Agent1/\">").unwrap();
        assert_eq!((found.user.as_str(), &*found.groups), ("agent1", &[Arc::from("staff")][..]));
        assert_eq!(page.read(&|_| None, "<a href=\"/login/\">"), None);
        let json = |p: &str| Extractor::parse(&format!("json {p}")).unwrap();
        let me = Whoami { path: "/me".into(), user: json("/user"), group_names: vec![json("/groups")], groups: vec![] };
        assert_eq!(me.read(&|_| None, r#"{"user":"mona","groups":["a","b"]}"#).unwrap().groups.len(), 2);
        assert_eq!(me.read(&|_| None, r#"{"user":null}"#), None);
    }

    #[test]
    fn other_spellings_of_a_credential_are_the_same_session() {
        let realm = Realm {
            name: "r".into(),
            carrier: Carrier::parse("cookie sid").unwrap(),
            logins: vec![],
            login_page: None,
            logout_call: None,
            whoami: vec![],
            expired: None,
        };
        assert_eq!(realm.key_of("abc+/="), realm.key_of("%61bc%2B%2f%3D"));
        assert_ne!(realm.key_of("abc"), realm.key_of("abd"));
        let cookies = Cookies::parse(std::iter::once(b"sid=abc&x; sid=1; sid=2; sid=1".as_slice()));
        let mut ambiguous = Vec::new();
        let found = presented(&[realm], &cookies, &|_| None, true, &mut ambiguous);
        assert_eq!(found.iter().map(|p| &*p.value).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(ambiguous, [("sid".into(), "abc&x".into())], "some apps read abc only");
    }

    /// The headers that a request carries.
    type Sent = &'static [(&'static str, &'static [u8])];

    #[test]
    fn programs_are_found_where_the_profile_says() {
        let places = ["basic", "header Authorization Token", "header X-API-Key", "query token"]
            .map(|p| CredentialPlace::parse(p).unwrap());
        let found = |place: CredentialPlace, value: &str| Ok(Some((place, value.to_owned())));
        let scheme = CredentialPlace::Scheme("token".into());
        let api_key = CredentialPlace::Header("x-api-key".into());
        let query = CredentialPlace::Query("token".into());
        let cases: [(Sent, &[&str], _); 11] = [
            (&[], &[], Ok(None)),
            (&[("authorization", b"ToKeN  abc ")], &[], found(scheme, "abc")),
            (&[("authorization", b"Basic YTpi")], &[], found(CredentialPlace::Basic, "Basic YTpi")),
            (&[("authorization", b"Digest x")], &[], Ok(None)),
            (&[("x-api-key", b"k")], &[], found(api_key, "k")),
            (&[], &["t"], found(query, "t")),
            // A listed key beside one that is not.
            (&[("x-api-key", b"k"), ("authorization", b"token abc")], &[], Err(AmbiguousCredential)),
            (&[("x-api-key", b"k"), ("x-api-key", b"l")], &[], Err(AmbiguousCredential)),
            (&[("x-api-key", b"k")], &["t"], Err(AmbiguousCredential)),
            (&[], &["t", "u"], Err(AmbiguousCredential)),
            (&[("authorization", b"token \xff")], &[], Err(AmbiguousCredential)),
        ];
        for (headers, tokens, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, http::HeaderValue::from_bytes(value).unwrap());
            }
            let fields = Fields(tokens.iter().map(|t| ("token".to_owned(), (*t).to_owned())).collect());
            assert_eq!(program(&places, &map, &fields), expected, "{headers:?} {tokens:?}");
        }
    }
}
