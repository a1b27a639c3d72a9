//! Mail addresses as people type them into an app's forms, read strictly: a list of plain addresses,
//! each with a name before it or none. Comments, groups, routes, encoded words and quoted mailboxes
//! are refused, because every app reads them in its own way (CWE-436).

pub mod message;
mod pattern;

use std::fmt;

use unicode_normalization::char::is_combining_mark;

pub use pattern::AddressPattern;

/// The longest mailbox and the longest domain (RFC 5321, 4.5.3.1).
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 253;
/// More recipients than anybody types.
const MAX_RECIPIENTS: usize = 100;

/// Somebody to whom an app would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A mail address.
    Address(Address),
    /// A word without `@`: the name of an account of the app.
    Account(String),
}

/// A mail address in canonical form: lower case, the domain in ASCII (RFC 5891).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads one address.
    ///
    /// # Errors
    /// What makes it none, or one that is read in several ways.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (local, domain) = text.split_once('@').ok_or("an address without @")?;
        // `%` and `!` route mail on some servers; the others are RFC 5322's atoms.
        let atom = |b: u8| b.is_ascii_alphanumeric() || b"#$&'*+-/=?^_`{|}~.".contains(&b);
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        if local.is_empty() || local.len() > MAX_LOCAL || dots || !local.bytes().all(atom) {
            return Err("a mailbox outside the plain form");
        }
        Ok(Self { local: local.to_ascii_lowercase(), domain: ascii_domain(domain)? })
    }

    /// The mailbox.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Account(name) => f.write_str(name),
        }
    }
}

/// A domain in lower-case ASCII.
fn ascii_domain(domain: &str) -> Result<String, &'static str> {
    const ODD: &str = "a domain outside the plain form";
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| ODD)?;
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-');
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let fine = ascii.len() <= MAX_DOMAIN && ascii.split('.').all(label) && ascii.bytes().all(plain);
    // A number is an address to some resolvers.
    let numeric = ascii.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if fine && !numeric { Ok(ascii) } else { Err(ODD) }
}

/// Reads a list whose members are separated by commas, semicolons or line ends.
///
/// # Errors
/// What in it has more than one reading.
pub fn recipients(text: &str) -> Result<Vec<Recipient>, &'static str> {
    if text.contains("=?") {
        return Err("an encoded word among addresses");
    }
    let mut found = Vec::new();
    for member in members(text)? {
        if found.len() == MAX_RECIPIENTS {
            return Err("more than 100 addresses");
        }
        found.push(recipient(member)?);
    }
    Ok(found)
}

/// Splits at separators outside of quotes; empty members are left out.
fn members(text: &str) -> Result<Vec<&str>, &'static str> {
    let (mut members, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '\\' => return Err("a backslash among addresses"),
            ',' | ';' | '\r' | '\n' if !quoted => {
                if members.len() > 2 * MAX_RECIPIENTS {
                    return Err("more than 100 addresses");
                }
                members.push(text[start..at].trim());
                start = at + 1;
            }
            c if c.is_control() && c != '\t' => return Err("a control character among addresses"),
            _ => {}
        }
    }
    if quoted {
        return Err("a quote without an end among addresses");
    }
    members.push(text[start..].trim());
    members.retain(|m| !m.is_empty());
    Ok(members)
}

/// `mailbox@domain`, `Name <mailbox@domain>`, `"Name, such" <mailbox@domain>` or an account's name.
fn recipient(member: &str) -> Result<Recipient, &'static str> {
    let Some((name, rest)) = member.split_once('<') else {
        // Letters of some languages are written with marks of their own.
        let account = |c: char| c.is_alphanumeric() || is_combining_mark(c) || "._- ".contains(c);
        if !member.contains('@') && member.chars().all(account) {
            return Ok(Recipient::Account(member.to_lowercase()));
        }
        return Address::parse(member).map(Recipient::Address);
    };
    let address = rest.strip_suffix('>').ok_or("something after an address")?;
    let name = name.trim();
    let inner = name.strip_prefix('"').and_then(|n| n.strip_suffix('"'));
    let plain = match inner {
        Some(inner) => !inner.contains(['"', '<', '>', '@']),
        None => !name.contains(['"', '(', ')', '<', '>', '@', ':', '[', ']']),
    };
    if !plain {
        return Err("a name before an address that could itself be read as one");
    }
    Address::parse(address).map(Recipient::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, &'static str> {
        recipients(text).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_what_people_type() {
        for (text, expected) in [
            ("a@b.example", vec!["a@b.example"]),
            (" A.Person+tag@B.Example ", vec!["a.person+tag@b.example"]),
            (
                "a@b.example, c@d.example;e@f.example\r\ng@h.example,",
                vec!["a@b.example", "c@d.example", "e@f.example", "g@h.example"],
            ),
            ("Jörg Müller <joerg@b.example>", vec!["joerg@b.example"]),
            ("\"Müller, Jörg\" <joerg@b.example>, x@y.example", vec!["joerg@b.example", "x@y.example"]),
            ("anna@bücher.example", vec!["anna@xn--bcher-kva.example"]),
            ("anna@XN--BCHER-KVA.example", vec!["anna@xn--bcher-kva.example"]),
            ("o'brien@b.example", vec!["o'brien@b.example"]),
            ("root, a@b.example", vec!["root", "a@b.example"]),
            ("İbrahim; Jo\u{308}rg; संदेश्", vec!["i\u{307}brahim", "jo\u{308}rg", "संदेश्"]),
            ("i\u{307}brahim", vec!["i\u{307}brahim"]),
            ("", vec![]),
        ] {
            assert_eq!(
                read(text).as_deref(),
                Ok(&expected.into_iter().map(str::to_owned).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_apps_read_differently() {
        for text in [
            "a@b.example@evil.test",
            "a@evil.test(@b.example)",
            "(c) a@b.example",
            "group: a@b.example;",
            "@evil.test:a@b.example",
            "<@evil.test:a@b.example>",
            "a%evil.test@b.example",
            "evil.test!a@b.example",
            "\"a@evil.test\"@b.example",
            "\"a b\"@b.example",
            "a@b.example <a@evil.test> x",
            "\"x <a@evil.test>\" <a@b.example>",
            "a@evil.test <a@b.example>",
            "=?utf-8?q?a=40evil.test?= <a@b.example>",
            "a@b.example\u{0}@evil.test",
            "a@b.example a@evil.test",
            "a@b.example\\,a@evil.test",
            "a@b.example.",
            ".a@b.example",
            "a..b@b.example",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a@-b.example",
            "a@b_c.example",
            "jörg@b.example",
            "a@b\u{2024}example",
            "\"open",
            "a@",
            "@b",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
        assert!(read(&"a@b.example,".repeat(101)).is_err());
    }

    #[test]
    fn look_alikes_are_other_domains() {
        // Cyrillic а, fullwidth letters fold to ASCII as every mail server's IDNA does.
        assert_ne!(read("x@p\u{430}rtner.example").unwrap(), ["x@partner.example"]);
        assert_eq!(read("x@\u{ff50}artner.example").unwrap(), ["x@partner.example"]);
    }
}
