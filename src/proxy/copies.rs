//! Several copies of one session cookie: a browser sends all that it holds of a name (RFC 6265, section 5.4), set under
//! different paths, domains or partitions, or planted by somebody else.

use std::net::IpAddr;

use http::HeaderValue;
use http::header::SET_COOKIE;
use http::uri::Authority;
use pingora_core::Result;
use pingora_http::ResponseHeader;

use super::exchange::Exchange;
use super::sessions::Resolved;
use crate::identity::{Identity, Presented};
use crate::request::Target;
use crate::store::UserName;

/// Of several copies of one cookie the app reads one, and which is its secret. The one that is live counts, and is the
/// only one that is passed on. Where several are live and different people's, or none is, nobody can say who asks:
/// none is passed on, and the browser is told to drop them all, so that a person can sign in again.
pub fn tell_apart(all: &[Presented], people: &[Option<UserName>], resolved: &mut Resolved) {
    for (index, first) in all.iter().enumerate() {
        let same = |p: &Presented| p.realm == first.realm && p.name == first.name;
        let copies = || all.iter().zip(people).filter(|(p, _)| same(p));
        if all[..index].iter().any(same) || copies().count() == 1 {
            continue;
        }
        let mut live = copies().filter_map(|(_, person)| person.as_ref());
        let somebody = live.next();
        if somebody.is_some() && live.all(|other| Some(other) == somebody) {
            let judged = copies().find(|(_, person)| person.is_some()).map(|(p, _)| p.key);
            let others = copies().filter(|(p, _)| Some(p.key) != judged);
            resolved.aside.extend(others.map(|(p, _)| p.clone()));
        } else {
            resolved.expired.extend(copies().map(|(p, _)| (p.name.clone(), p.value.clone())));
            if matches!(&resolved.identity, Identity::Session { key, .. } if copies().any(|(p, _)| p.key == *key)) {
                resolved.identity = Identity::Visitor;
            }
        }
    }
}

/// Takes back copies of cookies of which none counts, before the app gives a new one of the same name.
pub fn take_back(exchange: &Exchange, response: &mut ResponseHeader) -> Result<()> {
    let ours = expired(exchange);
    if ours.is_empty() {
        return Ok(());
    }
    let given: Vec<HeaderValue> = response.headers.get_all(SET_COOKIE).iter().cloned().collect();
    response.remove_header(&SET_COOKIE);
    for cookie in ours {
        response.append_header(SET_COOKIE, cookie)?;
    }
    given.into_iter().try_for_each(|cookie| response.append_header(SET_COOKIE, cookie).map(drop))
}

/// `Set-Cookie` values that take back the copies of cookies of which none counts. A copy is taken back only under the
/// path, domain and partition that it was set with, which a request does not say: all likely ones are named.
pub fn expired(exchange: &Exchange) -> Vec<String> {
    // Where one copy counts it stays: what takes back another of its name could be that one's end.
    let live = exchange.head.as_ref().and_then(|head| match &head.identity {
        Identity::Session { key, .. } => exchange.presented.iter().find(|p| p.key == *key).map(|p| &*p.name),
        _ => None,
    });
    let expired = exchange.expired.iter().map(|(name, _)| &**name);
    let mut names: Vec<&str> = expired.filter(|name| Some(*name) != live).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Vec::new();
    }
    let wire = exchange.target.as_ref().map(Target::to_wire);
    // What ends an attribute is no part of one.
    let path = wire.as_deref().unwrap_or("/").split(['?', ';']).next().unwrap_or("/");
    let secure = exchange.policy.secure();
    let host = exchange.host.parse::<Authority>();
    let places = places(path, host.as_ref().map_or("", Authority::host), secure);
    let each =
        |name: &&str| places.iter().map(|place| format!("{name}=; Max-Age=0; HttpOnly; {place}")).collect::<Vec<_>>();
    names.iter().flat_map(each).collect()
}

/// The attributes under which a copy of a cookie may have been set that a request for `path` at `host` carries.
fn places(path: &str, host: &str, secure: bool) -> Vec<String> {
    /// Apps seldom give a cookie a deeper path.
    const DEEPEST: usize = 2;
    let mut paths = vec!["/".to_owned()];
    for (at, _) in path.match_indices('/').skip(1).take(DEEPEST) {
        paths.extend([path[..at].to_owned(), path[..=at].to_owned()]);
    }
    let flags = if secure { "; Secure" } else { "" };
    let mut places: Vec<String> = paths.iter().map(|path| format!("Path={path}{flags}")).collect();
    if secure {
        places.extend(paths.iter().map(|path| format!("Path={path}; Secure; SameSite=None; Partitioned")));
    }
    let parent = host.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
    // Addresses are no domains.
    if host.parse::<IpAddr>().is_err() && !host.starts_with('[') {
        let domains = [Some(host), parent].into_iter().flatten().filter(|domain| !domain.is_empty());
        places.extend(domains.map(|domain| format!("Path=/; Domain={domain}{flags}")));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_copy_of_a_cookie_may_be() {
        assert_eq!(places("/", "127.0.0.1", false), ["Path=/"]);
        assert_eq!(places("/a", "[::1]", false), ["Path=/"]);
        let all = places("/a/b/c/d", "desk.acme.example", true);
        for place in [
            "Path=/; Secure",
            "Path=/a; Secure",
            "Path=/a/b/; Secure",
            "Path=/a/; Secure; SameSite=None; Partitioned",
            "Path=/; Domain=desk.acme.example; Secure",
            "Path=/; Domain=acme.example; Secure",
        ] {
            assert!(all.iter().any(|p| p == place), "{place}: {all:?}");
        }
        assert_eq!(all.len(), 12);
        assert!(!places("/", "acme.example", false).iter().any(|p| p.contains("Domain=example")), "a public suffix");
    }
}
