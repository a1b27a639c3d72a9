//! The pages that people see of the gateway itself. Of the request they hold the name of a refused file and the page
//! it came from, both checked and escaped; no script, and one style sheet whose hash is in their
//! Content-Security-Policy.

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::decision::Reason;
use crate::mail::Address;
use crate::policy::Policy;

const STYLE: &str = include_str!("style.css");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
});

/// The Content-Security-Policy of the gateway's own pages. The app's own frames may show them; which others may is the
/// policy's to say.
#[must_use]
pub fn content_security_policy() -> &'static str {
    &POLICY
}

/// What a refusal page says.
pub struct Page<'a> {
    /// Why.
    pub reason: &'a Reason,
    /// The reference.
    pub id: &'a str,
    /// What the person can do.
    pub remedy: &'a str,
    /// How long that takes, as a sentence.
    pub wait: Option<&'a str>,
    /// The address of the sign-in page.
    pub sign_in: Option<&'a str>,
    /// Where the person came from, or the app begins: the address and what the link says.
    pub back: Option<(&'a str, &'a str)>,
    /// Names and canonical values of what the refusal is about.
    pub details: &'a [(&'static str, String)],
}

/// The page that says why something is refused and what to do about it.
#[must_use]
pub fn refusal_page(policy: &Policy, page: &Page<'_>) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title(page.reason.status)) " - " (policy.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.name { (policy.name) }
                    h1 { (page.reason.summary) }
                    p { (page.remedy) }
                    @if let Some(wait) = page.wait { p.wait { (wait) } }
                    @if page.sign_in.is_some() || page.back.is_some() {
                        p.links {
                            @if let Some(sign_in) = page.sign_in { a.button href=(sign_in) { "Sign in" } }
                            @if let Some((back, says)) = page.back { a href=(back) { (says) } }
                        }
                    }
                    dl {
                        // Names of files run in either direction.
                        @for (name, value) in page.details { dt { (name) } dd { code dir="auto" { (value) } } }
                        @if let Some(contact) = &policy.contact { dt { "Contact" } dd { (contact_link(contact, page.id)) } }
                        dt { "Reference" } dd { code { (page.id) } }
                    }
                }
            }
        }
    }
    .into_string()
}

/// Whom to ask; where that is a mail address, a link that begins a mail about this reference.
fn contact_link(contact: &str, id: &str) -> Markup {
    if Address::parse(contact.trim()).is_err() {
        return html! { (contact) };
    }
    let to = utf8_percent_encode(contact.trim(), IN_MAILTO);
    html! { a href={ "mailto:" (to) "?subject=Reference%20" (id) } { (contact) } }
}

/// What stays as it is in the address of a `mailto:` (RFC 6068, section 2).
const IN_MAILTO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_').remove(b'+');

fn title(status: u16) -> &'static str {
    match status {
        401 => "Please sign in",
        429 => "Too many requests",
        403 => "Not allowed",
        500.. => "Not available",
        _ => "Not accepted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_a_link_where_it_is_an_address() {
        let shown = |contact| contact_link(contact, "01ABC").into_string();
        assert_eq!(
            shown("it+desk@acme.example"),
            "<a href=\"mailto:it+desk@acme.example?subject=Reference%2001ABC\">it+desk@acme.example</a>"
        );
        // A mailbox may hold what would begin the headers of the mail.
        assert!(shown("a?bcc=x&y@acme.example").contains("mailto:a%3Fbcc%3Dx%26y@acme.example?subject="));
        for plain in ["extension 4711", "Ask <b>@home</b>", "it@acme.example, 4711"] {
            assert!(!shown(plain).contains("mailto:") && !shown(plain).contains("<b>"), "{plain}");
        }
    }
}
