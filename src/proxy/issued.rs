//! What an answer of the app does to a session's credential: gives one, takes one back.

use http::HeaderMap;
use http::header::SET_COOKIE;

use crate::clock::Timestamp;
use crate::identity::{Presented, Realm};
use crate::policy::phrase::Carrier;
use crate::request::SetCookie;

/// What a response does to the session credential of a realm.
#[derive(Debug, PartialEq, Eq)]
pub enum Issued {
    /// Nothing.
    Nothing,
    /// It gives one.
    Fresh(Presented),
    /// It takes it back.
    TakenBack,
}

impl Issued {
    /// The credential that it gives.
    pub fn fresh(self) -> Option<Presented> {
        match self {
            Self::Fresh(presented) => Some(presented),
            Self::Nothing | Self::TakenBack => None,
        }
    }
}

/// What `headers` do to the session credential of a realm; the last cookie of the name counts.
pub fn issued(realm: usize, spec: &Realm, headers: &HeaderMap, now: Timestamp) -> Issued {
    let cookies = headers.get_all(SET_COOKIE).iter().rev();
    let mut cookies = cookies.filter_map(|c| SetCookie::parse(c.to_str().ok()?));
    cookies.find_map(|cookie| issued_by(realm, spec, cookie, now)).unwrap_or(Issued::Nothing)
}

fn issued_by(realm: usize, spec: &Realm, cookie: SetCookie<'_>, now: Timestamp) -> Option<Issued> {
    let SetCookie { name, value, .. } = cookie;
    let ours = match &spec.carrier {
        Carrier::Cookie(known) => known == name,
        Carrier::CookieLike(pattern) => pattern.is_match(name),
        Carrier::Own | Carrier::Header(_) => false,
    };
    if !ours {
        return None;
    }
    if cookie.removes(now) {
        return Some(Issued::TakenBack);
    }
    let key = spec.key_of(value);
    Some(Issued::Fresh(Presented { realm, name: name.into(), value: value.into(), key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(session: &str) -> Realm {
        Realm {
            name: "r".into(),
            carrier: Carrier::parse(session).unwrap(),
            logins: vec![],
            login_page: None,
            logout_call: None,
            whoami: vec![],
            expired: None,
        }
    }

    #[test]
    fn cookies_issued_and_taken_back() {
        let with = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, http::HeaderValue::from_static("other=1"));
            headers.append(SET_COOKIE, http::HeaderValue::from_static(cookie));
            headers
        };
        let exact = realm("cookie sid");
        let now = Timestamp(1_772_442_000_000);
        let issued = |index, realm: &Realm, headers: &HeaderMap| super::issued(index, realm, headers, now);
        let fresh = |realm: &Realm, cookie| issued(0, realm, &with(cookie)).fresh().unwrap();
        assert_eq!(&*fresh(&exact, "sid=abc; Path=/").value, "abc");
        for gone in [
            "sid=; Path=/",
            "sid=\"\"; Max-Age=0",
            "sid=x; max-age=0",
            "sid=None; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            assert_eq!(issued(0, &exact, &with(gone)), Issued::TakenBack, "{gone}");
        }
        assert_eq!(issued(0, &exact, &with("sid2=abc")), Issued::Nothing);
        assert_eq!(&*fresh(&realm("cookie ~ RT_SID_.+"), "RT_SID_x.80=abc").name, "RT_SID_x.80");
    }
}
