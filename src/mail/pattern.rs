//! Patterns of addresses, as policies write them.

use super::{Address, ascii_domain};

/// `legal@counsel.example`, `*@partner.example`, `*@*.partner.example`, `*noreply*@*`. A `*` stands
/// for any text, and never for an `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern {
    text: String,
    local: Vec<String>,
    domain: Vec<String>,
}

impl AddressPattern {
    /// Parses one.
    ///
    /// # Errors
    /// What is wrong with it, and how one looks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("\"{text}\" {why}; write name@company.example, *@company.example or *@*.example");
        let (local, domain) = text.trim().split_once('@').ok_or_else(|| wrong("has no @"))?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(wrong("is no pattern of an address"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "#$&'*+-/=?^_`{|}~.".contains(c);
        if !local.chars().all(plain) {
            return Err(wrong("has a mailbox that no address has"));
        }
        let domain = ascii_pattern(domain).ok_or_else(|| wrong("has a domain that no address has"))?;
        let pieces = |text: &str| text.to_lowercase().split('*').map(str::to_owned).collect();
        Ok(Self { text: text.trim().to_owned(), local: pieces(local), domain: pieces(&domain) })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means `address` itself.
    #[must_use]
    pub fn matches(&self, address: &Address) -> bool {
        fits(&self.local, address.local()) && fits(&self.domain, address.domain())
    }

    /// Whether it means `address`, or the mailbox that `address` is a tagged form of: `boss+x` is
    /// delivered to `boss`.
    #[must_use]
    pub fn matches_tagged(&self, address: &Address) -> bool {
        let mailbox = address.local().split_once('+').map(|(mailbox, _)| mailbox);
        self.matches(address) || mailbox.is_some_and(|m| fits(&self.local, m)) && fits(&self.domain, address.domain())
    }
}

/// A pattern's domain in ASCII, its stars kept.
fn ascii_pattern(domain: &str) -> Option<String> {
    if domain == "*" {
        return Some("*".into());
    }
    if let Some(parent) = domain.strip_prefix("*.").filter(|p| !p.contains('*')) {
        return ascii_domain(parent).ok().map(|p| format!("*.{p}"));
    }
    if domain.contains('*') {
        let plain = |c: char| c.is_ascii_alphanumeric() || "*-.".contains(c);
        return domain.chars().all(plain).then(|| domain.to_ascii_lowercase());
    }
    ascii_domain(domain).ok()
}

/// Whether `text` is the pieces in their order, with anything where the stars were.
fn fits(pieces: &[String], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return false };
    let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
    let Some((last, middle)) = rest.split_last() else { return text.is_empty() };
    for piece in middle {
        match text.find(piece.as_str()) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_mailboxes_and_domains() {
        for (pattern, address, expected) in [
            ("legal@counsel.example", "Legal@Counsel.Example", true),
            ("legal@counsel.example", "legal+x@counsel.example", false),
            ("*@partner.example", "a.b@partner.example", true),
            ("*@partner.example", "a@sub.partner.example", false),
            ("*@partner.example", "a@evilpartner.example", false),
            ("*@partner.example", "a@partner.example.evil.test", false),
            ("*@*.partner.example", "a@sub.partner.example", true),
            ("*@*.partner.example", "a@partner.example", false),
            ("*noreply*@*", "my-noreply-2@any.example", true),
            ("*noreply*@*", "reply@noreply.example", false),
            ("no-reply@*", "no-reply@x.example", true),
            ("a*b*c@x.example", "aXbXc@x.example", true),
            ("a*b*c@x.example", "acb@x.example", false),
            ("*@bücher.example", "a@xn--bcher-kva.example", true),
            ("*@*mail*.example", "a@webmail2.example", true),
        ] {
            let (compiled, address) = (AddressPattern::parse(pattern).unwrap(), Address::parse(address).unwrap());
            assert_eq!(compiled.matches(&address), expected, "{pattern} {address}");
        }
        let boss = AddressPattern::parse("boss@x.example").unwrap();
        assert!(boss.matches_tagged(&Address::parse("boss+tag@x.example").unwrap()));
        assert!(!boss.matches_tagged(&Address::parse("bossy+tag@x.example").unwrap()));
        for bad in ["", "partner.example", "@x", "x@", "a@b@c", "a b@c.example", "a@b..c", "a@b c"] {
            assert!(AddressPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
