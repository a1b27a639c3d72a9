//! Addresses of the app's own in what it answers, as people reach them. Apps build addresses from the name and port
//! that they know themselves by; a browser that follows one leaves the gateway, or reaches nothing.
//!
//! Addresses are read as browsers read them (the URL standard), so that no spelling of the app's own address is missed
//! and no other one taken for it. What leads to somebody else, and what names no host, keeps its bytes.

use std::ops::Range;

use percent_encoding::{AsciiSet, percent_encode};
use url::{Host, Position, Url};

/// Bytes outside of ASCII, which mean the same in every part of an address once they are encoded.
const BEYOND_ASCII: &AsciiSet = &AsciiSet::EMPTY;

/// What the app may call itself, and how people reach it.
#[derive(Debug)]
pub struct OwnAddresses {
    /// What addresses without a scheme are read from: as a browser does, and as the app may mean them. Their host is
    /// nobody's.
    bases: [Url; 2],
    /// What people type, `https://desk.acme.example`, for each name under which the app is served.
    served: Vec<Url>,
    own: Vec<Own>,
}

/// An address at which the app believes to be.
#[derive(Debug)]
struct Own {
    host: Host,
    port: u16,
    /// The place in `served` of where people reach it.
    reached_at: usize,
}

impl OwnAddresses {
    /// For an app at the origin `app`, such as `http://127.0.0.1:8081`, that people reach over TLS (when `secure`) as
    /// `hosts`, of which the first is the usual one. `None` when one of these is no address.
    #[must_use]
    pub fn of(app: &str, secure: bool, hosts: &[String]) -> Option<Self> {
        let app = Url::parse(app).ok()?;
        let scheme = if secure { "https" } else { "http" };
        let base = |scheme: &str| Url::parse(&format!("{scheme}://nobody.invalid/")).ok();
        let bases = [base(scheme)?, base(app.scheme())?];
        let served = hosts.iter().map(|host| Url::parse(&format!("{scheme}://{host}/")).ok());
        let served: Vec<Url> = served.collect::<Option<_>>()?;
        let mut own = Vec::new();
        // An app that is told that people use https writes so before its own name, whose port is not to be seen.
        let ports = app.port().map_or([80, 443], |port| [port; 2]);
        for host in names_of(&app)? {
            own.extend(ports.map(|port| Own { host: host.clone(), port, reached_at: 0 }));
        }
        for (reached_at, url) in served.iter().enumerate() {
            let host: Host = url.host()?.to_owned();
            let clear = (secure && url.port().is_none()).then_some(80);
            let ports = [app.port_or_known_default(), url.port_or_known_default(), clear];
            own.extend(ports.into_iter().flatten().map(|port| Own { host: host.clone(), port, reached_at }));
        }
        Some(Self { bases, served, own })
    }

    /// An address of the app's own as people reach it; `None` when it is right as it is: it names no host, is what
    /// people type already, or leads to somebody else. Bytes, since apps write them raw.
    #[must_use]
    pub fn public(&self, address: &[u8]) -> Option<String> {
        let text = percent_encode(address, BEYOND_ASCII).to_string();
        for base in &self.bases {
            let url = base.join(&text).ok()?;
            if self.served.iter().any(|known| known.origin() == url.origin()) {
                return None;
            }
            if let Some(place) = self.reached_at(&url) {
                let reached = self.served.get(place)?.origin().ascii_serialization();
                return Some(format!("{reached}{}", &url[Position::BeforePath..]));
            }
        }
        None
    }

    /// A path of the app's, with its query, as it can stand in a `Location`; `None` when a browser would read it as
    /// anything else, such as `//evil.example`.
    #[must_use]
    pub fn path(&self, text: &str) -> Option<String> {
        let [base, _] = &self.bases;
        let url = base.join(text).ok().filter(|url| text.starts_with('/') && url.origin() == base.origin())?;
        Some(url[Position::BeforePath..].to_owned())
    }

    fn reached_at(&self, url: &Url) -> Option<usize> {
        let (host, port) = (url.host()?, url.port_or_known_default()?);
        let is_web = matches!(url.scheme(), "http" | "https");
        self.own.iter().find(|own| is_web && own.port == port && own.host == host).map(|own| own.reached_at)
    }

    /// A `Refresh` header, or the `content` of a `<meta http-equiv=refresh>`, in which the address is as people reach
    /// it; `None` when it is right as it is.
    #[must_use]
    pub fn refreshed(&self, value: &[u8]) -> Option<Vec<u8>> {
        let place = address_in_refresh(value)?;
        let public = self.public(&value[place.clone()])?;
        Some([&value[..place.start], public.as_bytes(), &value[place.end..]].concat())
    }
}

/// What the machine of the app is called; this one has several names.
fn names_of(app: &Url) -> Option<Vec<Host>> {
    let host: Host = app.host()?.to_owned();
    let is_here = match &host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    };
    let here = ["localhost", "127.0.0.1", "[::1]"].into_iter().filter(|_| is_here);
    Some(here.filter_map(|name| Host::parse(name).ok()).chain([host]).collect())
}

/// Where the address stands in a refresh such as `5; url=/next`: the HTML standard's shared declarative refresh steps
/// (section 4.2.5.3). `None` when there is none, or it is no refresh.
fn address_in_refresh(value: &[u8]) -> Option<Range<usize>> {
    let skip = |at: usize, what: fn(&u8) -> bool| at + value[at..].iter().take_while(|b| what(b)).count();
    let blank = u8::is_ascii_whitespace;
    let letter = |at: usize, wanted: u8| value.get(at).is_some_and(|b| b.to_ascii_lowercase() == wanted);
    let digits = skip(0, blank);
    let mut at = skip(digits, |b| b.is_ascii_digit() || *b == b'.');
    if at == digits || !matches!(value.get(at)?, b';' | b',' | b'\t' | b'\n' | b'\x0c' | b'\r' | b' ') {
        return None;
    }
    at = skip(at, blank);
    at = skip(if matches!(value.get(at)?, b';' | b',') { at + 1 } else { at }, blank);
    let whole = at;
    if letter(at, b'u') {
        let sign = skip((at + 3).min(value.len()), blank);
        if !(letter(at + 1, b'r') && letter(at + 2, b'l') && letter(sign, b'=')) {
            // An address that begins like the word.
            return Some(whole..value.len());
        }
        at = skip(sign + 1, blank);
    }
    let quote = value.get(at).copied().filter(|b| matches!(b, b'"' | b'\''));
    let start = at + usize::from(quote.is_some());
    let length = quote.and_then(|quote| memchr::memchr(quote, &value[start..]));
    let end = length.map_or(value.len(), |length| start + length);
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(app: &str, public: &str, aliases: &[&str]) -> OwnAddresses {
        let (scheme, host) = public.split_once("://").unwrap();
        let hosts: Vec<String> = [&[host], aliases].concat().into_iter().map(str::to_owned).collect();
        OwnAddresses::of(app, scheme == "https", &hosts).unwrap()
    }

    fn desk() -> OwnAddresses {
        of("http://127.0.0.1:8081", "https://desk.acme.example", &["desk.internal:8443"])
    }

    #[test]
    fn addresses_of_the_apps_own_are_those_that_people_reach() {
        let app = desk();
        for (address, expected) in [
            ("http://127.0.0.1:8081/a?b=c#d", "https://desk.acme.example/a?b=c#d"),
            ("http://127.0.0.1:8081", "https://desk.acme.example/"),
            ("HTTP://127.0.0.1:8081?x", "https://desk.acme.example/?x"),
            ("http://desk.acme.example:8081/a", "https://desk.acme.example/a"),
            ("http://desk.acme.example/a", "https://desk.acme.example/a"),
            ("http://Desk.Acme.Example:80/A", "https://desk.acme.example/A"),
            ("https://desk.acme.example:8081/a", "https://desk.acme.example/a"),
            ("http://desk.internal:8443/a", "https://desk.internal:8443/a"),
            ("http://desk.internal:8081/a", "https://desk.internal:8443/a"),
            // Without a scheme, and in the spellings that browsers read all the same.
            ("//127.0.0.1:8081/a", "https://desk.acme.example/a"),
            ("//desk.acme.example:8081/a", "https://desk.acme.example/a"),
            (r"\\127.0.0.1:8081\a", "https://desk.acme.example/a"),
            ("http:\\127.0.0.1:8081/a", "https://desk.acme.example/a"),
            ("http:/127.0.0.1:8081/a", "https://desk.acme.example/a"),
            (" http://127.0.0.1:8081/a ", "https://desk.acme.example/a"),
            ("ht\ttp://127.0.0.1:8081/a", "https://desk.acme.example/a"),
            ("http://127.1:8081/a", "https://desk.acme.example/a"),
            ("http://%31%327.0.0.1:8081/a", "https://desk.acme.example/a"),
            ("http://somebody:secret@127.0.0.1:8081/a", "https://desk.acme.example/a"),
            // The machine that the app is on.
            ("http://localhost:8081/a", "https://desk.acme.example/a"),
            ("http://[::1]:8081/a", "https://desk.acme.example/a"),
            // Raw, as apps write them.
            ("http://127.0.0.1:8081/sür \"x\"", "https://desk.acme.example/s%C3%BCr%20%22x%22"),
        ] {
            assert_eq!(app.public(address.as_bytes()).as_deref(), Some(expected), "{address}");
        }
        assert_eq!(app.public(b"http://127.0.0.1:8081/\xfc").as_deref(), Some("https://desk.acme.example/%FC"));
    }

    #[test]
    fn other_addresses_keep_their_bytes() {
        for address in [
            "",
            "/a",
            "a b",
            "?x=http://127.0.0.1:8081/",
            "/next/http://127.0.0.1:8081/",
            "https://desk.acme.example/a",
            "https://DESK.acme.example:443/ü",
            "//desk.acme.example/a",
            "https://desk.internal:8443/a",
            "http://127.0.0.1:8082/a",
            "http://127.0.0.1/a",
            "http://127.0.0.1:8081@evil.example/",
            "http://127.0.0.1:8081.evil.example/",
            "http://evil.example/http://127.0.0.1:8081/",
            "https://sso.acme.example/?back=http%3A%2F%2F127.0.0.1%3A8081%2F",
            "http://desk.acme.example:8082/",
            "http://desk.internal/",
            "mailto:desk@127.0.0.1:8081",
            "ftp://127.0.0.1:8081/",
            "javascript:'http://127.0.0.1:8081/'",
            "http://[",
        ] {
            assert_eq!(desk().public(address.as_bytes()), None, "{address}");
        }
    }

    /// It is told `X-Forwarded-Proto: https` and its own name, and the port of its name is the usual one.
    #[test]
    fn a_usual_port_is_that_of_either_scheme() {
        let app = of("http://app.internal", "https://desk.acme.example", &[]);
        for address in ["http://app.internal/a", "https://app.internal/a", "//app.internal/a", "//app.internal:80/a"] {
            assert_eq!(app.public(address.as_bytes()).as_deref(), Some("https://desk.acme.example/a"), "{address}");
        }
        assert_eq!(app.public(b"http://app.internal:8080/a"), None);
        assert_eq!(app.public(b"http://localhost/a"), None);
        // What people do not reach by TLS has another site beside it.
        let app = of("http://10.0.4.10:8080", "http://desk.acme.example", &[]);
        assert_eq!(app.public(b"https://desk.acme.example/a"), None);
        let app = of("http://[fd00::1]:8080", "http://[fd00::2]:81", &[]);
        assert_eq!(app.public(b"http://[FD00:0::1]:8080/a").as_deref(), Some("http://[fd00::2]:81/a"));
    }

    #[test]
    fn paths_lead_to_nobody_else() {
        for (text, expected) in [
            ("/Ticket/Display.html?id=1#x", Some("/Ticket/Display.html?id=1#x")),
            ("/\u{fc} b", Some("/%C3%BC%20b")),
            ("/", Some("/")),
            ("", None),
            ("x", None),
            ("0123456789abcdef0123456789abcdef", None),
            ("//evil.example/", None),
            ("/\\evil.example/", None),
            ("/\t/evil.example/", None),
            ("/\n\\evil.example/", None),
            ("https://desk.acme.example/", None),
            (" //evil.example/", None),
        ] {
            assert_eq!(desk().path(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(desk().path("/a\r\nSet-Cookie: x").as_deref(), Some("/aSet-Cookie:%20x"));
    }

    #[test]
    fn refreshes_in_all_spellings() {
        for (value, expected) in [
            ("5; url=http://127.0.0.1:8081/a", "5; url=https://desk.acme.example/a"),
            ("120; URL='http://127.0.0.1:8081/a'", "120; URL='https://desk.acme.example/a'"),
            ("0;UrL = \"http://127.0.0.1:8081/a\" more", "0;UrL = \"https://desk.acme.example/a\" more"),
            ("5,http://127.0.0.1:8081/a", "5,https://desk.acme.example/a"),
            ("5 //127.0.0.1:8081/a", "5 https://desk.acme.example/a"),
            (" .5.5 ,\tu\u{fc}", ""),
            ("5;'http://127.0.0.1:8081/a", "5;'https://desk.acme.example/a"),
            ("5; url='http://127.0.0.1:8081/a", "5; url='https://desk.acme.example/a"),
            (".5; url=http://127.0.0.1:8081/a", ".5; url=https://desk.acme.example/a"),
            ("5; url=http://127.0.0.1:8081/a?u='x'", "5; url=https://desk.acme.example/a?u=%27x%27"),
        ] {
            let refreshed = desk().refreshed(value.as_bytes()).unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&refreshed), expected, "{value}");
        }
        for value in [
            "",
            "5",
            "5;",
            "5; url=",
            "5; url=''",
            "5; url",
            "5; url=/a",
            "5; url=https://sso.acme.example/",
            "x; url=http://127.0.0.1:8081/a",
            "; url=http://127.0.0.1:8081/a",
            "5x url=http://127.0.0.1:8081/a",
            "5; urlhttp://127.0.0.1:8081/a",
            "5; u",
            "5; ur",
            "5; '' url=http://127.0.0.1:8081/a",
        ] {
            assert_eq!(desk().refreshed(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        /// An address of the app never leaves, and one of somebody else is never changed, whatever stands around it.
        #[test]
        fn what_is_read_again_is_right(
            scheme in "(http|https|HTTP|)",
            slashes in r"(//|\\\\|/\\)",
            user in "([a-z]{1,3}(:[a-z]{0,3})?@|)",
            host in r"(127\.0\.0\.1|0x7f\.1|localhost|LOCALHOST|desk\.acme\.example|desk\.internal|[a-z]{1,5}\.example|10\.0\.0\.[0-9])",
            port in "(:8081|:80|:443|:8443|:9[0-9]|)",
            rest in r#"([/?\\#][a-z0-9:@/.'"%?#& \u{e4}]{0,12}|)"#,
        ) {
            let colon = if scheme.is_empty() { "" } else { ":" };
            let address = format!("{scheme}{colon}{slashes}{user}{host}{port}{rest}");
            let base = Url::parse("https://desk.acme.example/x").unwrap();
            let read = |text: &str| base.join(text).ok();
            let leads_to_app = |url: &Url| {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
                match host {
                    "127.0.0.1" | "localhost" => port == 8081,
                    "desk.acme.example" => matches!(port, 8081 | 80) || port == 443 && url.scheme() == "http",
                    "desk.internal" => port == 8081 || port == 8443 && url.scheme() == "http",
                    _ => false,
                }
            };
            let came = read(&address);
            match desk().public(address.as_bytes()) {
                Some(public) => {
                    let (came, public) = (came.unwrap(), read(&public).unwrap());
                    prop_assert!(leads_to_app(&came) && !leads_to_app(&public), "{address}: {public}");
                    prop_assert_eq!(&came[Position::BeforePath..], &public[Position::BeforePath..]);
                }
                None => prop_assert!(!came.is_some_and(|url| leads_to_app(&url)), "{}", address),
            }
        }
    }
}
