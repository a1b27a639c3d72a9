//! Heads: their raw bytes, the target, the cookies; and the lines that look like a head inside of a
//! form.

use std::collections::BTreeSet;

use deskgate::proxy::check_raw_head;
use deskgate::request::{self, Cookies, PathRules, Target};

/// A target, under the ordinary rules and under those that some apps need.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let rules = |separators: &[char], lenient| PathRules {
        query_separators: separators.to_vec(),
        encoded_slash: lenient,
        semicolon: lenient,
        empty_segments: lenient,
        encoded_percent: lenient,
    };
    for lenient in [false, true] {
        let rules = rules(if lenient { &['&', ';'] } else { &[] }, lenient);
        let Ok(target) = Target::parse(text, &rules) else { continue };
        let wire = target.to_wire();
        let again = Target::parse(&wire, &rules).expect("what is forwarded can be read");
        assert_eq!(
            (&again.path, again.to_wire(), again.parameters()),
            (&target.path, wire.clone(), target.parameters())
        );
        assert!(wire.starts_with('/') && wire.bytes().all(|b| b.is_ascii_graphic()), "{wire}");
        check_path(&target.path, lenient);
        let (path, query) = wire.split_once('?').map_or((&*wire, None), |(p, q)| (p, Some(q)));
        assert!(!path.contains('#') && query == target.query.as_deref(), "{wire}");
        assert_eq!(decoded(path), target.path.as_bytes(), "servers decode what was judged");
    }
}

fn check_path(path: &str, lenient: bool) {
    // Some servers decode again, some see `\` as `/`, some drop what follows `;`: none of them finds
    // its way up.
    for segment in path.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        assert!(!matches!(name, "." | ".."), "{path}");
    }
    assert!(!path.contains(|c: char| c.is_ascii_control() || c == '\\'), "{path:?}");
    assert!(lenient || !path.contains("//") && !path.contains([';', '%']), "{path:?}");
}

fn decoded(path: &str) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::new(), path.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).expect("two digits")
            }
            plain => plain,
        });
    }
    out
}

/// `Cookie` headers, one a line.
pub fn cookies(input: &[u8]) {
    let cookies = Cookies::parse(input.split(|b| *b == b'\n'));
    let Some(wire) = cookies.to_wire(|_, _| false) else {
        return assert_eq!(cookies.names().count(), 0);
    };
    assert_eq!(Cookies::parse(std::iter::once(wire.as_bytes())), cookies);
    assert!(wire.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{wire}");
    let names: BTreeSet<&str> = cookies.names().collect();
    let pairs = by_any_app(&wire);
    assert!(pairs.iter().all(|(name, _)| names.contains(name)), "{wire}");
    for name in names {
        let mut values = pairs.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value);
        let copies = cookies.copies(|n| n == name);
        if copies.ambiguous.is_empty() {
            assert!(values.all(|value| copies.plain.iter().any(|(_, v)| *v == value)), "{name} in {wire}");
        }
        for (_, kept) in &copies.plain {
            // What goes on when one copy counts.
            let one = cookies.to_wire(|n, v| n == name && v != *kept).unwrap_or_default();
            assert!(by_any_app(&one).iter().all(|(n, v)| *n != name || v == kept), "{name} in {one}");
        }
        let without = cookies.to_wire(|n, _| n == name).unwrap_or_default();
        assert!(by_any_app(&without).iter().all(|(n, _)| *n != name), "{name} in {without}");
        assert_eq!(without.is_empty(), cookies.names().all(|n| n == name));
    }
}

/// Every pair that some app finds: old ones split at commas, too.
fn by_any_app(wire: &str) -> Vec<(&str, &str)> {
    wire.split([';', ',']).filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.trim(), v.trim())).collect()
}

/// `Name: value` lines.
pub fn lines(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let found = request::lines(text);
    let written: String = found.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    assert_eq!(request::lines(&written), found, "{text:?}");
    // Every line that begins with a name is seen.
    let plain = text.split('\n').filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
    let pairs = plain.filter_map(|line| line.split_once(':'));
    for (name, value) in pairs {
        let (name, value) = (name.trim().to_lowercase(), value.trim());
        assert!(found.iter().any(|(n, v)| *n == name && v.starts_with(value)), "{name}: {value} in {text:?}");
    }
}

/// The raw bytes of a request's head. What passes is one request to another parser as well.
pub fn raw_head(input: &[u8]) {
    // As they arrive: up to the first empty line.
    let whole = [input, b"\r\n\r\n"].concat();
    let end = whole.windows(4).position(|w| w == b"\r\n\r\n").expect("it is at the end") + 4;
    let head = &whole[..end];
    if check_raw_head(head).is_err() {
        return;
    }
    let mut headers = [httparse::EMPTY_HEADER; 101];
    let mut request = httparse::Request::new(&mut headers);
    assert_eq!(request.parse(head), Ok(httparse::Status::Complete(head.len())));
    let line: Vec<&[u8]> = head.split(|b| *b == b'\r').next().unwrap().split(|b| *b == b' ').collect();
    let parsed = [request.method, request.path].map(|word| word.unwrap().as_bytes());
    assert_eq!((&line[..2], request.version), (&parsed[..], Some(1)));
    let count = |name: &str| request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)).count();
    assert_eq!((count("host"), request.headers.len()), (1, head.split(|b| *b == b'\n').count() - 3));
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    for name in ["content-type", "authorization", "expect", "upgrade"] {
        assert!(count(name) <= 1, "{name}");
    }
    for header in &*request.headers {
        let framing = header.name.to_ascii_lowercase().replace('_', "-");
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match framing.as_str() {
            "content-length" => assert_eq!(value.parse::<u64>().map(|n| n.to_string()).as_deref(), Ok(value)),
            "transfer-encoding" => assert!(value.eq_ignore_ascii_case("chunked")),
            _ => {}
        }
        assert!(header.value.iter().all(|b| *b == b'\t' || !b.is_ascii_control()), "{header:?}");
    }
}
