//! The realms: how people sign in, what carries their sessions, how the app is asked about them.

use std::sync::Arc;

use super::parse_each;
use crate::identity::{Login, LogoutCall, Realm, Whoami};
use crate::policy::phrase::{Carrier, Extractor, METHODS, Sign, Source};
use crate::policy::problem::Problems;
use crate::policy::profile::{LoginFile, LogoutCallFile, Opens, ProfileFile, RealmFile, WhoamiFile};
use crate::policy::types::Named;
use crate::policy::yaml::join;

/// Compiles the realms of a profile.
pub(super) fn compile(profile: &ProfileFile, problems: &mut Problems) -> Vec<Realm> {
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
        .map(|(login, (here, _))| compile_login(login, &here, problems))
        .collect();
    let asks = logins.iter().flat_map(|l| &l.succeeded).any(|s| matches!(s, Sign::Whoami));
    if asks && file.whoami.is_empty() {
        problems.error(format!("{path}.login"), "success is judged by whoami, but there is none; add `whoami:`");
    }
    let logout_call = file.logout.as_ref().and_then(|logout| logout.call.as_ref());
    let logout_call = logout_call.and_then(|call| compile_call(call, &format!("{path}.logout.call"), problems));
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

fn compile_login(file: &LoginFile, path: &str, problems: &mut Problems) -> Login {
    let user = parse_each(&file.user, &format!("{path}.user"), problems, Source::parse);
    if file.user.as_slice().is_empty() {
        let wrong = "nobody would be known by their sign-in; write where the user name is, such as form user";
        problems.error(format!("{path}.user"), wrong);
    }
    if let Some(password) = &file.password {
        parse_each(password, &format!("{path}.password"), problems, Source::parse);
    }
    let succeeded = parse_each(&file.succeeded, &format!("{path}.succeeded"), problems, Sign::parse);
    if file.succeeded.as_slice().is_empty() {
        problems.error(
            format!("{path}.succeeded"),
            "without a sign of success every attempt would count as one; write at least one",
        );
    }
    let returns_to = file.returns_to.as_ref().and_then(|source| {
        Source::parse(source).map_err(|wrong| problems.error(format!("{path}.returns_to"), wrong)).ok()
    });
    Login { user, succeeded, returns_to, opens_session: file.opens == Opens::Session }
}

fn compile_call(file: &LogoutCallFile, path: &str, problems: &mut Problems) -> Option<LogoutCall> {
    let (method, target) = file.request.split_once(' ').unwrap_or(("", &file.request));
    let known = METHODS.iter().find(|m| m.as_str() == method).filter(|_| target.trim().starts_with('/'));
    let Some(method) = known.cloned() else {
        problems.error(
            format!("{path}.request"),
            format!("\"{}\" is not a request; write a method and a path, such as POST /logout/", file.request),
        );
        return None;
    };
    let pairs = |named: &Named<String>| named.0.clone();
    Some(LogoutCall {
        method,
        path: target.trim().to_owned(),
        cookies: pairs(&file.cookies),
        headers: pairs(&file.headers),
    })
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
