//! Who is at the other end of the connection, proxies in between left out.

use std::net::{IpAddr, Ipv6Addr};

use crate::policy::file::HopHeader;
use crate::text::is_token;

/// Works out who is at the other end: the socket's peer, or, when the peer is a trusted proxy, the
/// rightmost address in `forwarded` that is not one. IPv4-mapped IPv6 is folded.
///
/// `forwarded` holds the hops in the order of the header, the nearest last.
#[must_use]
pub fn client_address(peer: IpAddr, forwarded: &[Option<IpAddr>], trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in forwarded.iter().rev() {
        if !trusted(client) {
            break;
        }
        // A hop that is no address ends the chain: what is left of it was not seen by a trusted proxy.
        let Some(hop) = hop else { break };
        client = hop.to_canonical();
    }
    client
}

/// Appends an address as RFC 5952 writes it. IPv4 is what nearly every request has, and written without a formatter.
pub fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    let IpAddr::V4(ip) = address else {
        // A Vec takes every write.
        let _ = std::io::Write::write_fmt(out, format_args!("{address}"));
        return;
    };
    for (index, part) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
    }
}

/// The hops that the lines of one header name.
pub fn hops<'a>(header: HopHeader, lines: impl Iterator<Item = &'a [u8]>) -> Vec<Option<IpAddr>> {
    let text = |line: &'a [u8]| std::str::from_utf8(line).unwrap_or("?");
    match header {
        HopHeader::XForwardedFor => lines.flat_map(|line| text(line).split(',').map(hop)).collect(),
        HopHeader::Forwarded => {
            // Nothing of a line that cannot be read is believed: what stands in it may be the client's.
            let of_line = |line| parted(text(line), ',').map_or_else(|| vec![None], |e| e.map(forwarded_for).collect());
            lines.flat_map(of_line).collect()
        }
    }
}

/// The address in an element of `Forwarded` (RFC 7239, section 4), in which each parameter stands once.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut names: Vec<String> = Vec::new();
    let mut client = None;
    for pair in parted(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        let name = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) || names.contains(&name) {
            return None;
        }
        if name == "for" {
            let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            client = hop(quoted.unwrap_or(value));
        }
        names.push(name);
    }
    client
}

/// The parts of a text between `separator`, where that stands in no quoted string (RFC 9110, section 5.6.4); `None` when
/// a quoted string has no end.
fn parted(text: &str, separator: char) -> Option<impl Iterator<Item = &str>> {
    let (mut ends, mut is_quoted, mut is_escaped) = (Vec::new(), false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => ends.push(at),
            _ => {}
        }
    }
    ends.push(text.len());
    let mut begin = 0;
    (!is_quoted).then(|| {
        ends.into_iter().map(move |end| {
            let part = &text[begin..end];
            begin = end + 1;
            part
        })
    })
}

fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.split_once(']')).map(|(address, _)| address);
    let without_port = || text.rsplit_once(':').filter(|(a, _)| !a.contains(':')).map(|(a, _)| a);
    bare.unwrap_or(text).parse().ok().or_else(|| without_port()?.parse().ok())
}

/// Who counts as one address: an IPv4 address, or an IPv6 /64, since a household has a whole /64 to
/// hide in.
#[must_use]
pub fn one_address(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(a) => IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Networks;

    #[test]
    fn client_addresses() {
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        let trusted = Networks::new(&["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let from = |peer: &str, xff: &str| {
            let lines: Vec<&[u8]> = if xff.is_empty() { vec![] } else { vec![xff.as_bytes()] };
            client_address(ip(peer), &hops(HopHeader::XForwardedFor, lines.into_iter()), |a| trusted.contains(a))
        };
        for (peer, xff, client) in [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4, junk", "10.0.0.1"),
            ("::ffff:203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("::ffff:10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
            ("::1", "[2001:db8::1]:80", "2001:db8::1"),
            ("10.0.0.1", "", "10.0.0.1"),
        ] {
            assert_eq!(from(peer, xff), ip(client), "{peer} {xff}");
        }
        let lines =
            [b"for=\"[2001:db8::7]:1\";proto=https, for=1.2.3.4".as_slice(), b"by=10.0.0.1, proto=https;FOR=1.2.3.5"];
        let rfc7239 = hops(HopHeader::Forwarded, lines.into_iter());
        assert_eq!(rfc7239, [Some(ip("2001:db8::7")), Some(ip("1.2.3.4")), None, Some(ip("1.2.3.5"))]);
        for malformed in [
            &["for=8.8.8.8;by=\"a\\\", for=10.1.2.3\""][..],
            &["for=8.8.8.8, by=\"x, for=10.1.2.3"],
            &["for=\"a", "for=8.8.8.8;x=\"b, for=10.1.2.3"],
            &["for=10.1.2.3;for=8.8.8.8"],
            &["for=10.1.2.3;=x"],
        ] {
            let found = hops(HopHeader::Forwarded, malformed.iter().map(|line| line.as_bytes()));
            assert_ne!(found.last(), Some(&Some(ip("10.1.2.3"))), "{malformed:?}");
        }
        assert_eq!(hops(HopHeader::XForwardedFor, [b"for=1.2.3.4".as_slice()].into_iter()), [None]);
        assert_eq!(hops(HopHeader::Forwarded, [b"1.2.3.4".as_slice()].into_iter()), [None]);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let of = |a: &str| one_address(a.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("203.0.113.9").to_string(), "203.0.113.9");
    }
}
